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
posted() { [ "$(sum "$stats" rx posted)" -gt 0 ]; }
splits() { [ "$(sum "$stats" rx split_frames)" -gt "$1" ]; }

pair
stats=$(debugfs_of wn0)/stats
stream_start "$stats" -P 2 -b 60M
for n in 32 4096 256; do
	set_ring rx $n tx $n || fail "rings of $n"
	[ "$(ring RX)/$(ring TX)" = $n/$n ] || fail "rings read $(ring RX)/$(ring TX), not $n"
	wait_for 5 posted || fail "no buffers posted, rings of $n"
	stream_goes_on "rings of $n"
done
set_ring tcp-data-split on || fail "split on"
[ "$(ring 'TCP data split')" = on ] || fail "split reads '$(ring 'TCP data split')'"
wait_for 5 splits "$(sum "$stats" rx split_frames)" || fail "no frame is split"
if set_ring rx-buf-len 16384; then
	[ "$(ring 'RX Buf Len')" = 16384 ] || fail "buffer length reads '$(ring 'RX Buf Len')'"
	stream_goes_on "buffers of 16384"
	set_ring rx-buf-len 4096 || fail "buffer length back"
fi
# the ethtool of Debian 13 does not know it
if in_a weir-zcraw hds wn0 100 2>err; then
	in_a weir-zcraw hds wn0 4097 2>/dev/null && fail "threshold beyond the maximum"
	stream_goes_on "a threshold of 100"
	in_a weir-zcraw hds wn0 0 || fail "threshold back"
elif [ "$(fact series)" != 6.12 ]; then
	fail "no threshold: $(cat err)"
fi
set_ring tcp-data-split off || fail "split off"
[ "$(ring 'TCP data split')" = off ] || fail "split reads '$(ring 'TCP data split')'"
before=$(sum "$stats" rx split_frames)
stream_goes_on "split off"
stream_end
[ "$(sum "$stats" rx split_frames)" = "$before" ] || fail "frames are split, with split off"

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
carrier_comes
[ "$(ring RX)" = 128 ] || fail "the ring set with the link down"
in_b ping -q -c 1 -W 5 10.77.0.1 >/dev/null || fail "no ping"
echo "rings, split and buffers change under traffic"
