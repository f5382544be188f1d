#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_rings.sh - ring sizes, header/data split and buffer length change under traffic
#
# Timeout: 120
#
# Theory
#	A stream runs while each setting is changed; after each change it must go on, and the
#	setting must read as set. Split on shows in the counters: payload no longer lies with
#	the headers.
. "$(dirname "$0")/lib.sh"

# ring NAME: a current setting, as ethtool -g prints it
ring() {
	in_a ethtool -g wn0 | awk -F: -v name="$1" \
		'/^Current/ { now = 1 } now && $1 == name { gsub(/[ \t]/, "", $2); print $2 }'
}
set_ring() { in_a ethtool -G wn0 "$@"; }
sum() { awk -v name="$1" '$1 ~ "^rx[0-9]+\\." name "$" { n += $2 } END { print n }' "$stats"; }

# The stream goes on: a megabyte more arrives.
goes_on() {
	local before
	before=$(sum bytes)
	wait_for 15 eval "[ \$(sum bytes) -gt $((before + 1000000)) ]" ||
		fail "$1: the stream stands still: $(cat client.out)"
}

pair
stats=$(debugfs_of wn0)/stats
background ip netns exec a iperf3 -s -1 -B 10.77.0.1 >server.out 2>&1
wait_for 5 in_a grep -q ":1451 .* 0A " /proc/net/tcp || fail "iperf3 does not listen"
ip netns exec b iperf3 -c 10.77.0.1 -t 100 -P 2 -b 60M >client.out 2>&1 &
client=$!
started+=("$client")
for n in 32 4096 256; do
	set_ring rx $n tx $n || fail "rings of $n"
	[ "$(ring RX)/$(ring TX)" = $n/$n ] || fail "rings read $(ring RX)/$(ring TX), not $n"
	wait_for 5 eval '[ "$(sum posted)" -gt 0 ]' || fail "no buffers posted, rings of $n"
	goes_on "rings of $n"
done
set_ring tcp-data-split on || fail "split on"
[ "$(ring 'TCP data split')" = on ] || fail "split reads '$(ring 'TCP data split')'"
before=$(sum split_frames)
wait_for 5 eval '[ "$(sum split_frames)" -gt '"$before"' ]' || fail "no frame is split"
if set_ring rx-buf-len 16384; then
	[ "$(ring 'RX Buf Len')" = 16384 ] || fail "buffer length reads '$(ring 'RX Buf Len')'"
	goes_on "buffers of 16384"
	set_ring rx-buf-len 4096 || fail "buffer length back"
fi
if set_ring hds-thresh 100 2>/dev/null; then
	set_ring hds-thresh 4097 2>/dev/null && fail "threshold beyond the maximum"
	set_ring hds-thresh 0 || fail "threshold back"
fi
set_ring tcp-data-split off || fail "split off"
[ "$(ring 'TCP data split')" = off ] || fail "split reads '$(ring 'TCP data split')'"
before=$(sum split_frames)
goes_on "split off"
kill -0 "$client" || fail "the stream: $(cat client.out)"
kill "$client"
[ "$(sum split_frames)" = "$before" ] || fail "frames are split, with split off"

for n in 8 100 16384; do
	set_ring rx $n 2>/dev/null && fail "an Rx ring of $n"
	set_ring tx $n 2>/dev/null && fail "a Tx ring of $n"
done
set_ring rx-buf-len 5000 2>/dev/null && fail "buffers of 5000 bytes"
[ "$(ring RX)/$(ring TX)" = 256/256 ] || fail "a refused size changed something"

# with the link down the settings are kept for later
ip -n a link set wn0 down
set_ring rx 128 tcp-data-split on || fail "link down"
ip -n a link set wn0 up
wait_for 5 in_a grep -qx 1 /sys/class/net/wn0/carrier || fail "no carrier"
[ "$(ring RX)" = 128 ] || fail "the ring set with the link down"
in_b ping -q -c 1 -W 5 10.77.0.1 >/dev/null || fail "no ping"
echo "rings, split and buffers change under traffic"
