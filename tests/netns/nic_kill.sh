#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_kill.sh - SIGKILL at every system call of apply, restore and restore after that, over veth
#
# Timeout: 240
#
# Theory
#	weir-killat ends the command before its first, second, ... call that can change
#	something.  A restore then puts the channels back; a restore that is killed the same way
#	is ended by another. tests/vm/t/nic_kill.sh does it with all that the test NIC has.
. "$(dirname "$0")/lib_netns.sh"

killat=$WEIR_BUILD/tests/vm/killat/weir-killat
[ -x "$killat" ] || {
	echo "no weir-killat in this build"
	exit 77
}
veth
wish=(v0 --for none --channels 4)

at=1
while :; do
	"$killat" $at "$WEIR" nic apply "${wish[@]}" --hold >"$work/killed" 2>&1
	status=$?
	[ $status = 99 ] || [ $status = 98 ] ||
		fail "apply, call $at: $status $(cat "$work/killed")"
	weir nic restore v0 --dead-only || fail "restore after call $at: $(cat "$work/out")"
	same "apply killed at call $at"
	no_journal "apply killed at call $at"
	[ $status = 99 ] || break
	[ $at -lt 400 ] || fail "over 400 calls"
	at=$((at + 1))
done
[ $at -gt 10 ] || fail "only $at calls: is this test right?"
first=$at

# killed within restore, at each call, after a full apply
at=1
while :; do
	weir nic apply "${wish[@]}" || fail "apply: $(cat "$work/out")"
	"$killat" $at "$WEIR" nic restore v0 >"$work/killed" 2>&1
	status=$?
	[ $status = 99 ] || [ $status = 0 ] ||
		fail "restore, call $at: $status $(cat "$work/killed")"
	weir nic restore v0 || fail "restore after one killed at $at: $(cat "$work/out")"
	same "restore killed at call $at"
	no_journal "restore killed at call $at"
	[ $status = 99 ] || break
	[ $at -lt 400 ] || fail "over 400 calls"
	at=$((at + 1))
done
[ $at -gt 5 ] || fail "only $at calls: is this test right?"

# two owners, one of whom is killed while it begins: the other's value stays
weir nic apply "${wish[@]}" || fail "the first owner: $(cat "$work/out")"
killed=0
for at in $(seq 1 3 $first); do
	"$killat" $at "$WEIR" nic apply "${wish[@]}" --hold >"$work/killed" 2>&1
	status=$?
	[ $status = 99 ] || [ $status = 98 ] ||
		fail "second owner, call $at: $status $(cat "$work/killed")"
	[ $status = 98 ] || killed=$((killed + 1))
	weir nic restore v0 --dead-only || fail "restore of the dead one: $(cat "$work/out")"
	ethtool -l v0 | grep -A 9 Current | grep -q "RX:.*4" ||
		fail "call $at: the other's value went"
done
[ $killed -gt 2 ] || fail "only $killed deaths of a second owner: is this test right?"
weir nic restore v0 || fail "restore of the first owner"
same "two owners"
no_journal "two owners"
echo "killed at $((first - 1)) calls of apply"
