#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_tools.sh - the example and the commands on the plane zcrx: they leave no trace on the NIC
# Timeout: 60
#
# Theory: a file goes over the wire and must be the same at the other end; what the programs say of
# copies is compared with the test NIC's own counts; and the NIC is as before when they have ended.

. "$(dirname "$0")/lib.sh"

BYTES=$((6 << 20))

pair numrxqueues 4 numtxqueues 4
need_zcrx
nic_state before.state
head -c $BYTES /dev/urandom >data

placed() {
	sum "$(debugfs_of wn0)/stats" rx provider_bytes
}

listens() {
	in_a grep -q ":$(printf %04X "$1") .* 0A " /proc/net/tcp /proc/net/tcp6
}

# begin PORT PROGRAM...: in a; its words go to said, its output to out
begin() {
	local port=$1

	shift
	placed_before=$(placed)
	background nsenter --net=/run/netns/a "$@" >out 2>said
	program=$!
	wait_for 10 listens "$port" || fail "$1 does not listen: $(cat said)"
}

# over WHAT: it ended well, the NIC wrote the file into its memory, and is as before
over() {
	wait $program || fail "$1: $(cat said out)"
	[ $(($(placed) - placed_before)) -ge $BYTES ] ||
		fail "$1: the NIC placed only $(($(placed) - placed_before)) bytes: $(cat said)"
	nic_same before.state "$1"
	no_journal "$1"
}

# the example
begin 9000 zerocopy wn0 10.77.0.1:9000
in_b bash -c 'exec 5<>/dev/tcp/10.77.0.1/9000; cat data >&5' || fail "the sender"
over "the example"
cmp data out || fail "the example: other bytes"
grep -q "^plane zcrx: $BYTES bytes, 0 copied" said || fail "the example says: $(cat said)"
cat said

# weir recv, by its option
begin 9001 weir recv --ifname wn0 10.77.0.1:9001 received
in_b weir send -P 4 -c 10.77.0.1:9001 data 2>sent || fail "weir send: $(cat sent)"
over "weir recv"
cmp data received || fail "weir recv: other bytes"
grep -q "^plane: zcrx; .*bytes copied: 0 of .*placed by the NIC: .*(wn0 rxq 3)" said ||
	fail "weir recv says: $(cat said)"

# stock iperf3 against weir iperf3 -s, by the environment; the plane is auto's choice
begin 5201 env WEIR_IFNAME=wn0 weir iperf3 -s -1 -J
in_b iperf3 -c 10.77.0.1 -n $BYTES >client.out 2>&1 || fail "iperf3: $(cat client.out)"
over "weir iperf3 -s"
awk -F '[:,]' '/"plane"/ { plane = $2 } /"rx_bytes"/ { all = $2 }
	/"rx_placed_bytes"/ { placed = $2 } /"rx_copied_bytes"/ { copied = $2 }
	END { print "plane" plane ", " all " bytes," placed " placed," copied " copied"
		exit !(plane ~ /zcrx/ && all >= '$BYTES' && placed >= all * 0.999) }' out ||
	fail "weir iperf3 -s says: $(grep -A 12 '"weir"' out)"
