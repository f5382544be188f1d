#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_link.sh - pairs come and go: options, errors, namespaces, carrier, with traffic running
#
# Timeout: 60
#
# Theory
#	What may be said at `ip link add` shows in what comes of it, and what is wrong is refused
#	and leaves nothing behind. Then pairs are deleted in every way while both ends transmit on
#	several queues; a crash or a leak is seen in the kernel's log and in what is left.
. "$(dirname "$0")/lib.sh"

kind="type weirnic"
carrier() { with_sys "$1" grep -qx "$3" "/sys/class/net/$2/carrier"; }
# queues NAMESPACE DEV: how many send, how many there are by ethtool; a kernel without RPS, as the
# debug kernel is, has no rx-N in sysfs
queues() {
	with_sys "$1" ls "/sys/class/net/$2/queues" | grep -c ^tx-
	ip netns exec "$1" ethtool -l "$2" | sed -n 's/^Combined:[^0-9]*//p' | tail -n 1
}
# refused PATTERN WORDS...: ip link add fails, says so, and makes nothing
refused() {
	local pattern=$1

	shift
	ip -n a link add "$@" 2>error.out && fail "accepted: $*"
	grep -qi -- "$pattern" error.out || fail "$*: '$(cat error.out)' has no '$pattern'"
	no_device || fail "$*: left $(ls $DEBUGFS)"
}

nic_load
ip netns add a && ip netns add b || fail "namespaces"

# names by the kernel, both ends in one namespace; deleting either end deletes both
for victim in wn0 wn1; do
	ip -n a link add $kind || fail "a pair without names"
	[ -d $DEBUGFS/weirnic.0 ] && [ -d $DEBUGFS/weirnic.1 ] || fail "numbers: $(ls $DEBUGFS)"
	ip -n a link show wn1 >/dev/null || fail "no peer"
	ip -n a link delete $victim || fail "delete $victim"
	ip -n a link show 2>/dev/null | grep -q wn && fail "an end is left"
	wait_for 5 no_device || fail "left $(ls $DEBUGFS)"
done

# several pairs, names, namespaces, queues, ring, address, MTU of either end
ip -n a link add left numrxqueues 3 numtxqueues 2 mtu 3000 $kind ring 128 \
	peer name right numrxqueues 8 numtxqueues 8 address 02:00:00:00:00:77 mtu 4000 netns b ||
	fail "options"
ip -n a -d link show left | grep -q "mtu 3000.*" || fail "MTU"
ip -n a -d link show left | grep -q "ring 128" || fail "ring: $(ip -n a -d link show left)"
ip -n b link show right | grep -q 02:00:00:00:00:77 || fail "the peer's address"
ip -n b link show right | grep -q "mtu 4000" || fail "the peer's MTU"
[ "$(queues a left | xargs)" = "2 2" ] || fail "queues: $(queues a left)"
[ "$(queues b right | xargs)" = "8 8" ] || fail "the peer's queues: $(queues b right)"
in_b ethtool -g right | grep -q "^RX:[^0-9]*128$" || fail "the peer's ring"
ip -n a link add wn4 $kind peer netns b || fail "a second pair"
for i in 10 11 12 13; do
	ip -n a link add wn$i $kind peer name wn$i netns b || fail "pair $i"
done
[ "$(ls -d $DEBUGFS/weirnic.* | wc -l)" = 12 ] || fail "six pairs: $(ls $DEBUGFS)"

# carrier needs both ends up
carrier_of() { carrier "$@" || fail "carrier of $2 is not $3: $4"; }
ip -n a link set left up
carrier_of a left 0 "only this end is up"
ip -n b link set right up
wait_for 2 carrier a left 1 && wait_for 2 carrier b right 1 || fail "no carrier, both are up"
ip -n a link set left down
wait_for 2 carrier b right 0 || fail "carrier, the other end is down"
ip -n a link set left up
wait_for 2 carrier b right 1 || fail "carrier does not come back"
ip -n b link set right netns a || fail "moving an end"
ip -n a link set right up
wait_for 2 carrier a left 1 || fail "no carrier after moving"
ip netns delete b
ip -n a link show wn10 2>/dev/null && fail "the peer of an end in a deleted namespace is left"
ip -n a link delete right || fail "delete right"
wait_for 5 no_device || fail "left $(ls $DEBUGFS)"

# what is refused
refused "power of two" x $kind ring 100
refused "" x $kind ring 16
refused "ring is a number" x $kind ring many
refused "" x $kind ring 16384
refused "what is" x $kind length 5
refused "64 queues" x numrxqueues 65 $kind
refused "64 queues" x $kind peer name y numtxqueues 65
refused "" x $kind peer name x
refused "" x address 01:00:00:00:00:01 $kind
refused "same type" x $kind peer name y type dummy

# ends go while both transmit on several queues
streams=()
packets() { sum "$folder/stats" "$1" packets; }
busy() { [ "$(packets rx)" -gt "$enough" ] && [ "$(packets tx)" -gt 100 ]; }
traffic() {
	local address port=5100

	[ -e /run/netns/b ] || ip netns add b
	[ -e /run/netns/a ] || ip netns add a
	pair_up_again
	for address in 10.77.0.1 fd77::1 10.77.0.1; do
		port=$((port + 1))
		weir-frames $address 100000000000 port=$port 2>/dev/null &
		streams+=($!)
	done
	folder=$(debugfs_of wn0) enough=1000
	wait_for 10 busy || fail "no traffic: $(cat "$folder/stats")"
}
pair_up_again() {
	nic_load
	ip -n a link add wn0 $kind peer name wn1 netns b || fail "a pair for traffic"
	pair_up
}
traffic_end() {
	kill -9 "${streams[@]}" 2>/dev/null
	wait "${streams[@]}" 2>/dev/null
	streams=()
	wait_for 10 no_device || fail "$1: left $(ls $DEBUGFS)"
}
traffic
ip -n a link delete wn0 || fail "delete the receiver"
traffic_end "receiver"

traffic
ip -n b link delete wn1 || fail "delete the sender"
traffic_end "sender"

traffic
ip -n a link set wn0 down && ip -n a link set wn0 up || fail "down and up"
enough=$(($(packets rx) + 300))
wait_for 10 busy || fail "the streams do not go on"
ip -n b link set wn1 down && ip -n b link set wn1 up || fail "sender down and up"
echo "1 3" >"$folder/fault/carrier_flap" # its end lies behind the end of the device
wait_for 5 grep -q "hits [1-3]" "$folder/fault/carrier_flap" || fail "no flap"
ip -n a link delete wn0 || fail "delete in a flap"
traffic_end "flap"

traffic
echo "3" >"$folder/fault/reorder"
echo 300000 >"$folder/fault/delay_us"
echo "5" >"$folder/fault/delay"
wait_for 5 grep -q "hits [1-9]" "$folder/fault/delay" || fail "nothing is delayed"
ip -n a link delete wn0 || fail "delete with frames held back"
traffic_end "delay"

for end in a b; do
	traffic
	ip netns delete $end
	traffic_end "namespace $end"
done

for round in 1 2; do
	traffic
	rmmod weirnic || fail "round $round: rmmod under traffic"
	[ ! -d $DEBUGFS ] || fail "rmmod left $DEBUGFS"
	traffic_end "rmmod"
done
echo "pairs are made as asked, and go in every way"
