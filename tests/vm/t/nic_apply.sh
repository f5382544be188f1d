#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_apply.sh - weir nic plan, apply, status, restore on the test NIC; real zero-copy receive
# between
#
# Timeout: 120
#
# Theory
#	ethtool is the independent reader: what it prints before apply and after restore is the
#	same to the byte. In between the kernel takes a registration for zero-copy receive on the
#	chosen queue (where it has such a thing), and refuses it before and after. Interrupts are
#	looked for in /proc/irq, and the NIC counts on which CPU frames were worked off. Two owners
#	and a third person who changes something in between follow.
. "$(dirname "$0")/lib.sh"

MTU=1500 pair numrxqueues 4 numtxqueues 4
nic_state before.state
zcrx=yes
case $(fact series) in 6.1 | 6.12) zcrx=no ;; esac
in_a ethtool -g wn0 | grep -q "TCP data split" || skip "this kernel cannot set tcp-data-split"

# try QUEUE: a registration by the raw exerciser, which knows nothing of our library
try() {
	in_a weir-zcraw trial wn0 "$1" >try.out 2>&1
	[ "$(cat try.out)" = open ]
}

# what is refused before, works after apply, is refused again after restore
try 3 && fail "a queue of an untouched NIC can be registered"

split_on() {
	in_a ethtool -g wn0 | sed '1,/^Current/d' | grep -q "TCP data split:.*on"
}

# hold WORDS...: apply --hold in the background; $holder is its id
hold() {
	rm -f hold.out
	background nsenter --net=/run/netns/a weir nic apply wn0 --hold "$@" >hold.out 2>&1
	holder=$!
	wait_for 10 grep -q "set up" hold.out || fail "--hold: $(cat hold.out)"
}

nic plan wn0 --queue 3 --flow tcp:5201 >plan.out || fail "plan: $(cat plan.out)"
nic_same before.state "plan"
no_journal "plan"
grep -q "from the last step to the first" plan.out || fail "the order of undo: $(cat plan.out)"
if in_a weir-zcraw hds wn0 64 >hds.out 2>&1; then
	nic plan wn0 --queue 3 >plan.out || fail "plan with a threshold: $(cat plan.out)"
	grep -q "older do not know hds-thresh" plan.out || fail "no note of hds: $(cat plan.out)"
	in_a weir-zcraw hds wn0 0 >hds.out || fail "threshold 0: $(cat hds.out)"
	nic plan wn0 --queue 3 >plan.out || fail "plan without a threshold: $(cat plan.out)"
	grep -q "older do not know hds-thresh" plan.out && fail "a note on what is done"
elif [ $zcrx = yes ]; then
	fail "the threshold cannot be set: $(cat hds.out)"
fi
nic plan wn0 --queue 3 --flow tcp:5201 --json >plan.json || fail "plan --json"
grep -q '"kind":.*"rule"' plan.json || fail "no rule in the plan: $(cat plan.json)"

nic apply wn0 --queue 3 --flow tcp:5201 >apply.out || fail "apply: $(cat apply.out)"
grep -q "rxq 3" apply.out || fail "apply says: $(cat apply.out)"
split_on || fail "no split"
in_a ethtool -x wn0 | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) if ($i == 3) exit 1 }' ||
	fail "RSS still names rxq 3"
[ "$(in_a ethtool -n wn0 | grep -c '^Filter:')" = 2 ] || fail "not a rule for each family"
nic status wn0 >status.out || fail "status"
grep -q "weir nic apply" status.out || fail "status names no owner: $(cat status.out)"
[ $zcrx = no ] || try 3 || fail "zero-copy receive is refused: $(cat try.out)"
nic restore wn0 >restore.out || fail "restore: $(cat restore.out)"
nic_same before.state "restore"
no_journal "restore"
try 3 && fail "a queue can be registered after restore"

# each printed ethtool line, done by hand, gives the same state as apply; each undo line the first
for words in "--queue 2 --queues 2 --irq-cpu 1,0" "--channels 3 --queue 2" \
	"--channels 2"; do
	nic plan wn0 $words --json >plan.json || fail "plan $words: $(cat plan.json)"
	nic apply wn0 $words >/dev/null || fail "apply $words"
	nic_state applied.state
	nic restore wn0 >/dev/null
	nic_same before.state "restore of $words"
	sed -n 's/.*"ethtool":[^"]*"\(.*\)",$/\1/p' plan.json >do.sh
	sed -n 's/.*"undo":[^"]*"\(.*\)",$/\1/p' plan.json | tac >undo.sh
	[ -s do.sh ] && [ -s undo.sh ] || fail "no ethtool lines in the plan $words"
	in_a bash -e do.sh >/dev/null || fail "an ethtool line of the plan fails: $(cat do.sh)"
	nic_same applied.state "by the lines of the plan $words"
	in_a bash -e undo.sh >/dev/null || fail "an undo line of the plan fails: $(cat undo.sh)"
	nic_same before.state "by the undo lines of the plan $words"
done

# the interrupt of a queue, and with it the work for its frames, goes to one CPU
irq=$(irq_of wn0-rx-3)
cpus_of() { cat "/proc/irq/$(irq_of "wn0-rx-$1")/smp_affinity_list"; }
worked() { sed -n "s/^rx3.cpu$1 //p" "$(debugfs_of wn0)/cpus"; }
all_came() { [ "$(worked $cpu)" -ge $((were + 10)) ]; }
for cpu in 0 1; do
	words=(--queue 3 --flow tcp:5201 --irq-cpu $cpu)
	[ $cpu = 0 ] || [ $zcrx = no ] || words+=(--defer-hard-irqs 3 --gro-flush-timeout 0.0002)
	nic plan wn0 "${words[@]}" >plan.out || fail "plan of an interrupt: $(cat plan.out)"
	grep -q "CPUs of interrupt $irq" plan.out || fail "no interrupt: $(cat plan.out)"
	nic_same before.state "plan of an interrupt"
	nic apply wn0 "${words[@]}" >apply.out || fail "apply of an interrupt: $(cat apply.out)"
	[ "$(cpus_of 3)" = $cpu ] || fail "interrupt $irq may go to $(cpus_of 3), not $cpu"
	nic status wn0 >status.out
	grep -qE "^ +3 .* $irq +$cpu( |\$)" status.out || fail "status: $(cat status.out)"
	[ ${#words[@]} = 6 ] || grep -qE "^ +3 .* $irq +$cpu +3 +200 " status.out ||
		fail "status of busy polling: $(cat status.out)"
	were=$(worked $cpu) others=$(worked $((1 - cpu)))
	in_b bash -c 'for i in {1..10}; do : </dev/tcp/10.77.0.1/5201; done' 2>/dev/null
	wait_for 5 all_came || fail "CPU $cpu worked $were frames off, then $(worked $cpu)"
	[ "$(worked $((1 - cpu)))" = "$others" ] || fail "the other CPU worked, too"
	[ $cpu = 1 ] || ip -n a link set wn0 down # nobody tells then whose interrupt it is
	nic restore wn0 >restore.out || fail "restore of an interrupt: $(cat restore.out)"
	[ $cpu = 1 ] || ip -n a link set wn0 up
	carrier_comes
	nic_same before.state "restore of an interrupt"
	no_journal "restore of an interrupt"
done

# several queues for one port: an RSS context
nic apply wn0 --queue 2 --queues 2 --flow tcp:10.77.0.1:80 >/dev/null || fail "apply with a context"
in_a ethtool -n wn0 | grep -qi "context" ||
	fail "the rule leads to no context: $(in_a ethtool -n wn0; nic status wn0)"
in_a ethtool -x wn0 context 1 >context.out || fail "no RSS context"
nic restore wn0 >/dev/null || fail "restore of a context"
nic_same before.state "restore of a context"

# two owners: the second keeps what both want, in both orders
for first in 2 3; do
	second=$((5 - first))
	hold --queue $first --flow tcp:10$first --irq-cpu 0
	nic apply wn0 --queue $first >again.out 2>&1 && fail "one queue for two owners"
	grep -q "another owner" again.out || fail "the refusal says: $(cat again.out)"
	nic apply wn0 --queue $second --flow tcp:20$second --irq-cpu 1 >/dev/null ||
		fail "the second owner"
	[ "$(cpus_of $first) $(cpus_of $second)" = "0 1" ] ||
		fail "interrupts of two: $(cpus_of $first) $(cpus_of $second)"
	in_a ethtool -x wn0 | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) if ($i > 1) exit 1 }' ||
		fail "RSS names a held queue"
	if [ $first = 2 ]; then # the first one goes first, by a signal
		kill $holder && wait $holder || fail "--hold ends with $?"
		split_on || fail "the split went with one"
		[ "$(in_a ethtool -n wn0 | grep -c '^Filter:')" = 2 ] || fail "rules of the other"
		[ "$(cpus_of $first) $(cpus_of $second)" = "0-1 1" ] ||
			fail "interrupts of one: $(cpus_of $first) $(cpus_of $second)"
		nic restore wn0 >/dev/null || fail "restore of the second"
	else # it is killed; the next one that touches the NIC puts its changes back
		kill -9 $holder
		wait $holder 2>/dev/null
		nic restore wn0 --dead-only >/dev/null || fail "restore of the dead"
		split_on || fail "the split went with the dead"
		[ "$(in_a ethtool -n wn0 | grep -c '^Filter:')" = 2 ] ||
			fail "the dead's rules are there"
		[ "$(cpus_of $first) $(cpus_of $second)" = "0-1 1" ] ||
			fail "the dead's interrupt: $(cpus_of $first) $(cpus_of $second)"
		nic restore wn0 >/dev/null || fail "restore of the second"
	fi
	nic_same before.state "two owners, $first first"
	no_journal "two owners, $first first"
done

# a living owner's changes are not put back by accident
hold --queue 3 --irq-cpu 0
nic_state held.state
nic restore wn0 >restore.out || fail "restore beside a living owner: $(cat restore.out)"
grep -q "held by others" restore.out || fail "restore says: $(cat restore.out)"
nic_same held.state "restore beside a living owner"

# somebody else changes a thing meanwhile: it is left alone and named, the rest goes back
in_a ethtool -X wn0 equal 2
in_a ethtool -N wn0 flow-type tcp4 dst-port 9 action 1 loc 0 >/dev/null ||
	fail "a foreign rule"
echo 1 >"/proc/irq/$irq/smp_affinity_list"
kill $holder && wait $holder
grep -q "left alone" hold.out || fail "nothing is said of the foreign change: $(cat hold.out)"
in_a ethtool -x wn0 | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) if ($i > 1) exit 1 }' ||
	fail "the foreign RSS table was changed"
in_a ethtool -n wn0 | grep -q "Filter: 0" || fail "the foreign rule is gone"
grep -q " 2 changes left alone" hold.out || fail "not RSS and interrupt: $(cat hold.out)"
[ "$(cpus_of 3)" = 1 ] || fail "a foreign change of an interrupt is undone"
echo 0-1 >"/proc/irq/$irq/smp_affinity_list"
in_a ethtool -N wn0 delete 0 >/dev/null
in_a ethtool -X wn0 default
nic_same before.state "after a foreign change"
no_journal "after a foreign change"

# a queue that is switched off meanwhile has no NAPI that names its interrupt: put back all the same
hold --for none --queue 3 --irq-cpu 0
in_a ethtool -L wn0 combined 3 || fail "the queue cannot be switched off"
[ "$(cat "/proc/irq/$irq/smp_affinity_list")" = 0 ] || fail "the kernel moved interrupt $irq"
kill $holder && wait $holder || fail "the end after a queue went: $? $(cat hold.out)"
in_a ethtool -L wn0 combined 4 || fail "channels back"
nic_same before.state "after a queue was off"
no_journal "after a queue was off"

# what cannot be done leaves nothing
for words in "--queue 9" "--queues 4" "--channels 99" "--queue 3 --irq-cpu 99" \
	"--channels 3 --queue 2 --irq-cpu 0"; do
	nic apply wn0 $words >refused.out 2>&1 && fail "apply $words works"
	[ -s refused.out ] || fail "apply $words says nothing"
	nic_same before.state "refused $words"
	no_journal "refused $words"
done

# channels, too, and back, with the ones that come and go
nic apply wn0 --channels 3 --queue 2 >/dev/null || fail "fewer channels"
in_a ethtool -l wn0 | tail -n 2 | grep -q "Combined:.*3" || fail "channels: $(in_a ethtool -l wn0)"
nic restore wn0 >/dev/null || fail "restore of channels"
nic_same before.state "channels"

# the interface goes while it is held
hold --queue 3
ip -n a link delete wn0
kill $holder
wait $holder || fail "the end without an interface: $? $(cat hold.out)"
no_journal "an interface that went"
nic restore wn0 >restore.out 2>&1 && fail "restore of an interface that is not there"
grep -q "wn0" restore.out || fail "restore says: $(cat restore.out)"
echo "applied and restored; zero-copy receive: $zcrx"
