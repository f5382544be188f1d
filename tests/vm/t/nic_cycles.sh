#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_cycles.sh - 100 times: load the module, bind a queue, carry traffic, unload.
# Timeout: 300
# Needs: zcrx
#
# Theory: the same whole life, a hundred times.  What is lost in one (a page, a reference, an
# interface) is seen as a bad line of the kernel's log, as a count that grows, or as an unload that
# fails.  Every fourth round is unloaded while a queue is bound and data flows.

. "$(dirname "$0")/lib.sh"

nic_available || skip "no test NIC: no headers for this kernel"
ip netns add a && ip netns add b || fail "no network namespaces"
rounds=${ROUNDS:-$((100 / SLOW))} # fewer on the debug kernel
for ((round = 1; round <= rounds; round++)); do
	scenario=alone
	queues=1
	if ((round % 4 == 0)); then
		scenario=rmmod_bound # removes the module by itself
		queues=4
	fi
	nic_load queues=$queues
	# few processes, as each costs more than what is tested
	ip -n a -batch - <<-END && ip -n b -batch - <<-END2 || fail "round $round: no pair"
		link add wn0 type weirnic peer name wn1 netns b
		link set wn0 up
		addr add 10.77.0.1/24 dev wn0
	END
		link set wn1 up
		addr add 10.77.0.2/24 dev wn1
	END2
	weir-zcraw $scenario >out 2>&1
	status=$?
	[ $status -eq 77 ] && skip "$(tail -n 1 out)"
	[ $status -eq 0 ] || fail "round $round, $scenario: $(cat out)"
	nic_unload || fail "round $round: the module cannot be unloaded"
	[ ! -d $DEBUGFS ] || fail "round $round: debugfs is left"
done
echo "$rounds rounds"
