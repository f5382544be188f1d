#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_bound.sh - what may not be changed, and what may, while a queue is bound to a provider
#
# Timeout: 90
#
# Theory
#	The raw exerciser binds queue 1, and receives and verifies a slow stream into its own memory
#	until the test tells it to end. Meanwhile the header/data split and the bound queue must
#	stay; rings may be resized, the bound one too, whose memory stays that of the provider.
#	Before and after each attempt payload must go to the provider: it was bound.
. "$(dirname "$0")/lib.sh"

bytes() { sed -n "s/^rx1\.$1 //p" "$stats"; }
flows() { [ "$(bytes provider_bytes)" -gt "$1" ]; }
streams() { # WHAT: more payload goes into the provider's memory from now on
	kill -0 "$exerciser" 2>/dev/null || fail "$1: the stream has ended: $(cat out)"
	wait_for 10 flows "$(bytes provider_bytes)" ||
		fail "$1: nothing goes to the provider: $(cat out)"
}
refused() {
	streams "before ethtool $*"
	in_a ethtool "$@" 2>err && fail "ethtool $*: was accepted while bound"
	streams "after ethtool $*"
}
accepted() {
	in_a ethtool "$@" || fail "ethtool $*"
	streams "after ethtool $*"
}
setting() { in_a ethtool -g wn0 | sed -n '/^Current/,$s/^'"$1"':[ \t]*//p'; }

pair numrxqueues 4 numtxqueues 4
stats=$(debugfs_of wn0)/stats
weir-zcraw hold >out 2>&1 &
exerciser=$!
started+=("$exerciser")
wait_for 20 flows 0 || {
	kill -0 "$exerciser" 2>/dev/null && fail "no payload in the provider's memory: $(cat out)"
	wait "$exerciser"
	[ $? -eq 77 ] && skip "$(tail -n 1 out)"
	fail "$(cat out)"
}
[ "$(stat_of wn0 rx1.restarts)" = 1 ] || fail "binding restarted the queue $(bytes restarts) times"
others=$(sed -n 's/^rx[^1]\.restarts //p' "$stats" | tr '\n' ' ')
[ "$others" = "0 0 0 " ] || fail "binding restarted other queues: $others"

refused -G wn0 tcp-data-split off
# the ethtool of Debian 13 does not know it
in_a weir-zcraw hds wn0 64 2>err && fail "a threshold was accepted while bound"
grep -q "EINVAL\|Invalid\|EBUSY\|busy" err || fail "a threshold is refused with: $(cat err)"
streams "after a threshold was refused"
refused -L wn0 combined 1
[ "$(setting 'TCP data split')" = on ] || fail "the split reads '$(setting 'TCP data split')'"
accepted -L wn0 combined 3 # of 2, which would do, the kernel says that it is too low
accepted -L wn0 combined 4
accepted -G wn0 rx 128
accepted -G wn0 rx 512 tx 128
touch hold.end
wait "$exerciser" || fail "the stream: $(cat out)"
restarts=$(bytes restarts)
wait_for 5 eval "[ \$(bytes restarts) -ge 2 ]" || fail "unbinding restarted nothing: $restarts"
[ "$(bytes posted)" -gt 0 ] || fail "the queue has no buffers after unbinding"
wait_for 5 in_a ethtool -G wn0 tcp-data-split off || fail "split off, after unbinding"
in_a ethtool -L wn0 combined 1 || fail "one channel, after unbinding"
echo "what a bound queue needs cannot be taken away"
