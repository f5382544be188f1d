#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_channels.sh - fewer and more queues, with the link up and traffic on it
#
# Timeout: 120
#
# Theory
#	A TCP stream runs while the number of channels goes down and up at both ends; it must go
#	on after each change. The default RSS table follows the number of queues; a number is
#	refused when a rule or a table needs a queue above it.
. "$(dirname "$0")/lib.sh"

# channels DEV: how many are on
channels() {
	local where=in_a
	[ "$1" = wn1 ] && where=in_b
	$where ethtool -l "$1" | awk '/^Current/ { now = 1 } now && /^Combined/ { print $2 }'
}
table_queues() {
	in_a ethtool -x wn0 | awk -F: '/^RSS hash key/ { exit } /^ +[0-9]+:/ { print $2 }' |
		tr -s ' ' '\n' | grep . | sort -nu | tr '\n' ' '
}

pair numrxqueues 8 numtxqueues 8
[ "$(channels wn0)" = 8 ] || fail "8 channels wanted, there are '$(channels wn0)'"
stream_start "$(debugfs_of wn0)/stats" -P 4 -b 30M
stream_goes_on "before any change"
for n in 2 1 8; do
	in_a ethtool -L wn0 combined $n || fail "wn0: $n channels"
	[ "$(channels wn0)" = $n ] || fail "wn0 has $(channels wn0) channels, not $n"
	want=$(seq -s ' ' 0 $((n - 1)))
	[ "$(table_queues)" = "$want " ] || fail "$n channels, table: $(table_queues)"
	peer=$((n > 4 ? 2 : 4))
	in_b ethtool -L wn1 combined $peer || fail "wn1: $peer channels"
	stream_goes_on "$n and $peer channels"
done
stream_end
in_b ping -q -c 2 -i 0.2 -W 5 10.77.0.1 >/dev/null || fail "no ping afterwards"

in_a ethtool -L wn0 combined 9 2>/dev/null && fail "nine of eight"
in_a ethtool -L wn0 combined 0 2>/dev/null && fail "none"
in_a ethtool -L wn0 rx 2 2>/dev/null && fail "separate Rx channels"
in_a ethtool -N wn0 flow-type tcp4 dst-port 1 action 6 loc 0 || fail "rule"
in_a ethtool -L wn0 combined 6 2>/dev/null && fail "the queue of a rule switched off"
in_a ethtool -L wn0 combined 7 || fail "7 channels"
in_a ethtool -N wn0 delete 0
in_a ethtool -X wn0 equal 2 start 3 || fail "table"
in_a ethtool -L wn0 combined 4 2>/dev/null && fail "a queue of the table switched off"
in_a ethtool -L wn0 combined 5 || fail "5 channels"
[ "$(table_queues)" = "3 4 " ] || fail "the user's table was changed: $(table_queues)"
ip -n a link set wn0 down
in_a ethtool -L wn0 combined 6 || fail "6 channels with the link down"
ip -n a link set wn0 up
carrier_comes
in_b ping -q -c 1 -W 5 10.77.0.1 >/dev/null || fail "no ping"
echo "channels change under traffic; what is in use stays"
