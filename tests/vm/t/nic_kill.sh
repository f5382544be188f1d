#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_kill.sh - SIGKILL at every step of apply, and of restore: the NIC is put back all the same
#
# Timeout: 240
#
# Theory
#	weir-killat ends the command before its first, second, ... system call that can change
#	something: files, the NIC. After each, one restore puts the NIC back to the byte, as ethtool
#	sees it. Then the same for restore: it is killed at each of its calls, and the next one
#	ends it.
. "$(dirname "$0")/lib.sh"

pair numrxqueues 4 numtxqueues 4
in_a ethtool -g wn0 | grep -q "TCP data split" || skip "this kernel cannot set tcp-data-split"
# Each call in a thorough run (make vm-all, or this test by its name); else every sixth.
step=6
[ "$(fact thorough)" = yes ] && step=1
in_a bash -s $step $((RANDOM % step + 1)) <<'INSIDE' || fail "killed and not put back"
# All of this in namespace a: entering it for each command would take longer than the command.
wish=(--queue 2 --queues 2 --flow tcp:10.77.0.1:5201 --irq-cpu 1,0)
limit=400
step=$1 first=$2

fail() {
	echo "$*"
	exit 1
}
state() {
	nic_irqs wn0
	ethtool -g wn0
	ethtool -k wn0
	ethtool -l wn0
	ethtool -x wn0
	ethtool -x wn0 context 1
	ethtool -x wn0 context 2
	ethtool -n wn0
}
# back WHAT: the NIC is as before, and no journal is left
back() {
	state >now.state 2>&1
	cmp -s before.state now.state || fail "$1: $(diff before.state now.state | head -8)"
	for file in /run/weir/nic/*; do
		[[ $file = *.lock || ! -e $file ]] || fail "$1: a journal is left: $(cat "$file")"
	done
}

state >before.state 2>&1
at=$first
while :; do
	weir-killat $at weir nic apply wn0 --hold "${wish[@]}" >killed.out 2>&1
	status=$?
	[ $status = 99 ] || [ $status = 98 ] || fail "apply, call $at: $status $(cat killed.out)"
	weir nic restore wn0 --dead-only >restore.out 2>&1 ||
		fail "restore after apply was killed at call $at: $(cat restore.out)"
	back "apply killed at call $at"
	[ $status = 99 ] || break
	[ $at -lt $limit ] || fail "apply makes over $limit calls"
	at=$((at + step))
done
applied=$at

at=$first
while :; do
	weir nic apply wn0 "${wish[@]}" >apply.out 2>&1 || fail "apply before $at: $(cat apply.out)"
	weir-killat $at weir nic restore wn0 >killed.out 2>&1
	status=$?
	[ $status = 99 ] || [ $status = 0 ] || fail "restore, call $at: $status $(cat killed.out)"
	weir nic restore wn0 >restore.out 2>&1 ||
		fail "restore after one killed at call $at: $(cat restore.out)"
	back "restore killed at call $at"
	[ $status = 99 ] || break
	[ $at -lt $limit ] || fail "restore makes over $limit calls"
	at=$((at + step))
done
[ $applied -gt 40 ] && [ $at -gt 30 ] || fail "only $applied and $at calls: is this test right?"
echo "apply makes about $applied calls, restore $at; killed from call $first on in steps of $step"
INSIDE
