#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_wire.sh - every shape of frame crosses the wire unharmed, and both ends count it alike
#
# Timeout: 60
#
# Theory
#	Every transfer is verified byte by byte (weir-frames), and after each the counters of the
#	sender's Tx queues must equal those of the receiver's Rx queues, with nothing dropped.
#	That super frames were cut here, and not by the kernel before, is proven by counters.
. "$(dirname "$0")/lib.sh"

# the same at both ends, read until nothing is on its way any more; one process, as it is run often
equal() {
	awk '
		FNR == 1 { end++ }
		match($1, /^[rt]x[0-9]+\.(packets|bytes|drops)$/) {
			counter = $1
			sub(/[0-9]+/, "", counter)
			n[end, counter] += $2
		}
		function one_way(from, to) {
			return n[from, "tx.packets"] > 0 && !n[from, "tx.drops"] &&
				n[from, "tx.packets"] == n[to, "rx.packets"] &&
				n[from, "tx.bytes"] == n[to, "rx.bytes"]
		}
		END { exit !(one_way(1, 2) && one_way(2, 1)) }
	' "$s1" "$s0"
}
check() {
	wait_for 5 equal || fail "$1: counters differ: $(sum "$s1" tx packets) frames, \
$(sum "$s1" tx bytes) bytes sent, $(sum "$s1" tx drops) dropped, $(sum "$s0" rx packets) frames, \
$(sum "$s0" rx bytes) bytes received; back $(sum "$s0" tx packets) and $(sum "$s1" rx packets)"
}
# move WHAT ADDRESS BYTES [WORDS...]: one verified transfer from b to a
move() {
	local what=$1

	shift
	weir-frames "$@" || fail "$what: $*"
	check "$what: $*"
}
# super WHAT ADDRESS BYTES [WORDS...]: the same, and super frames must have been cut
super() {
	local before

	before=$(tso)
	move "$@"
	super_frames "$before" "$(tso)" || fail "$*: super and wire frames: $before, then $(tso)"
}
# Of all queues, how many super frames there were, and how many frames on the wire they made.
tso() {
	awk '$1 ~ /^tx.*\.tso_frames$/ { n += $2 } $1 ~ /^tx.*\.tso_wire_frames$/ { w += $2 }
		END { print n + 0, w + 0 }' "$s1"
}
super_frames() { # BEFORE AFTER: there were some, and each made two frames or more
	local n=$((${2% *} - ${1% *})) wire=$((${2#* } - ${1#* }))

	[ $n -gt 0 ] && [ $wire -ge $((2 * n)) ]
}
both() { # WHAT [WORDS]: TCP and UDP over IPv4 and IPv6
	move "$1" 10.77.0.1 1000000
	move "$1" fd77::1 1000000
	move "$1" 10.77.0.1 300001 udp=1001
	move "$1" fd77::1 300001 uso=1001
}
mtu() {
	ip -n a link set wn0 mtu "$1" && ip -n b link set wn1 mtu "$1" || fail "MTU $1"
}
offload() { # NAMESPACE DEV SETTINGS...
	local ns=$1

	shift
	"in_$ns" ethtool -K "$@" >/dev/null || fail "ethtool -K $*"
}

pair
s0=$(debugfs_of wn0)/stats s1=$(debugfs_of wn1)/stats

# whole pings, and in fragments
for bytes in 0 56 1472 1473 8000 60000; do
	for address in 10.77.0.1 fd77::1; do
		in_b ping -q -c 1 -W 5 -s $bytes $address >ping.out ||
			fail "ping $address, $bytes bytes: $(cat ping.out)"
	done
done
check "ping"

# super frames, and what is sent without them; fragments of UDP
super "TSO" 10.77.0.1 4000001
super "TSO" fd77::1 4000001
super "USO" 10.77.0.1 500001 uso=1400
super "USO" fd77::1 500001 uso=1400
# fragments have no ports: a last datagram that is whole might take another queue
move "fragments" 10.77.0.1 297033 udp=9001
move "fragments" fd77::1 297033 udp=9001
move "single" 10.77.0.1 20001 udp=1
super "hop-by-hop options" fd77::1 1000001 hop
super "two extension headers" fd77::1 1000001 hop dst
move "extension header" fd77::1 200001 uso=1000 dst # the kernel cuts these itself
move "extension header" fd77::1 200001 udp=1000 hop dst
move "fragments behind options" fd77::1 200000 udp=5000 hop dst
offload b wn1 tso off tx-udp-segmentation off
before=$(sum "$s1" tx tso_frames)
both "no TSO"
[ "$(sum "$s1" tx tso_frames)" = "$before" ] || fail "super frames with TSO off"
offload b wn1 tso on tx-udp-segmentation on

# header/data split
in_a ethtool -G wn0 tcp-data-split on || fail "split on"
before=$(sum "$s0" rx split_frames)
super "split" 10.77.0.1 1000001
super "split" fd77::1 1000001
super "split" fd77::1 1000001 hop dst
[ $(($(sum "$s0" rx split_frames) - before)) -gt 2000 ] || fail "frames are not split"

# hardware GRO: super frames arrive as such, and are counted as the frames they stand for
offload a wn0 rx-gro-hw on
super "GRO, split" 10.77.0.1 2000001
super "GRO, split" fd77::1 1000001 hop dst
super "GRO, no TCP" fd77::1 100001 uso=1000
in_a ethtool -G wn0 rx 32 || fail "small ring"
super "GRO, small ring" 10.77.0.1 2000001
fault wn0 delay 2 10 # with a fault on, frames come one by one
super "GRO, fault" fd77::1 1000001
fault wn0 delay 0
in_a ethtool -G wn0 rx 512 tcp-data-split off || fail "ring back"
super "GRO" 10.77.0.1 2000001
super "GRO" fd77::1 2000001
offload a wn0 rx-gro-hw off
in_a ethtool -G wn0 tcp-data-split on || fail "split on"

# checksums: by the sender's kernel, by the receiver's, by both
offload b wn1 tx off
before=$(sum "$s0" rx csum_unnecessary)
both "full checksums, split"
[ "$(sum "$s0" rx csum_unnecessary)" -gt "$before" ] || fail "split frames are not verified"
in_a ethtool -G wn0 tcp-data-split off || fail "split off"
before=$(sum "$s0" rx csum_none)
both "full checksums"
[ "$(sum "$s0" rx csum_none)" -gt "$before" ] || fail "verified, but nobody did"
offload a wn0 rx off
both "full checksums, receiver's offload off"
offload b wn1 tx on tso on tx-udp-segmentation on
before=$(sum "$s0" rx csum_none)
both "receiver's offload off"
[ "$(sum "$s0" rx csum_none)" -gt "$before" ] || fail "the receiver's offload is not off"
offload a wn0 rx on

for mtu in 9000 65535; do
	mtu $mtu
	both "MTU $mtu"
	[ $mtu = 65535 ] || super "MTU $mtu" fd77::1 1000001
	move "MTU $mtu" 10.77.0.1 240000 udp=60000
done
mtu 1500

# tags: beside the frame, in it, two of them
modprobe 8021q 2>/dev/null
ip -n b link add link wn1 name v type vlan id 5 || skip "no VLANs"
ip -n a link add link wn0 name v type vlan id 5 && ip -n a link add link v name w type vlan id 7 &&
	ip -n b link add link v name w type vlan id 7 || fail "VLANs"
for net in a:1 b:2; do
	ip -n ${net%:*} -batch - <<-END || fail "VLAN addresses"
		link set v up
		link set w up
		addr add 10.78.0.${net#*:}/24 dev v
		addr add fd78::${net#*:}/64 dev v nodad
		addr add 10.79.0.${net#*:}/24 dev w
		addr add fd79::${net#*:}/64 dev w nodad
	END
done
for setting in on:on off:on on:off off:off; do
	offload b wn1 tx-vlan-offload ${setting%:*}
	offload a wn0 rx-vlan-offload ${setting#*:}
	super "tag $setting" 10.78.0.1 1000001
	super "tag $setting" fd78::1 1000001
	super "tag $setting" fd78::1 100001 uso=1000
	move "two tags $setting" 10.79.0.1 300001
	move "two tags $setting" fd79::1 300001
	move "two tags $setting" fd79::1 50001 udp=1000
done
offload b wn1 tx-vlan-offload on
offload a wn0 rx-vlan-offload on

# payloads share large buffers, always, by size, never
if in_a ethtool -G wn0 rx 64 rx-buf-len 65536 2>/dev/null; then
	for pack in 0 1 2; do
		echo $pack >/sys/module/weirnic/parameters/pack
		super "pack $pack, 64K buffers" 10.77.0.1 2000001
		in_a ethtool -G wn0 tcp-data-split on
		super "pack $pack, 64K buffers, split" fd77::1 2000001
		in_a ethtool -G wn0 tcp-data-split off
	done
	mtu 65535
	both "pack 2, 64K buffers, MTU 65535"
	in_a ethtool -G wn0 rx-buf-len 4096 || fail "buffer length back"
	both "pack 2, MTU 65535"
	mtu 1500
	both "pack 2"
	echo 1 >/sys/module/weirnic/parameters/pack
fi
check "the end"
echo "$(sum "$s0" rx packets) frames, of them $(sum "$s1" tx tso_wire_frames) out of \
$(sum "$s1" tx tso_frames) super frames"
