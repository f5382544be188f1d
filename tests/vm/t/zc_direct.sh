#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_direct.sh - network to disk: weir recv --direct on the plane zcrx copies nothing
# Timeout: 60
#
# Theory: with an MTU of 4148 each packet brings a page of payload, which the NIC puts into a page
# of the area: every block of the file is written from where it arrived.  The numbers of the report
# are compared with the size of the file, the file with what was sent.  With the usual MTU payload
# is aligned nowhere: then the same bytes are copied, and the report says so.  The sender leaves
# Nagle's algorithm on: without it a full window or send buffer cuts packets short, and what is in
# the blocks around each such place is copied.

. "$(dirname "$0")/lib.sh"

BYTES=$((6 << 20))

# number KEY: of the report
number() {
	sed -n "s/.*\"$1\":[^0-9]*\([0-9]*\).*/\1/p" report
}

# transfer MTU BYTES
transfer() {
	MTU=$1 pair numrxqueues 4 numtxqueues 4
	need_zcrx
	# A window that closes cuts packets short: it is larger than all that comes.
	in_a sysctl -qw net.ipv4.tcp_rmem="4096 50000000 50000000"
	in_a ethtool -g wn0 | grep -q "TCP data split" ||
		skip "this kernel cannot set tcp-data-split"
	head -c "$2" /dev/urandom >data
	background nsenter --net=/run/netns/a weir recv --raw --direct --json --plane zcrx \
		--ifname wn0 10.77.0.1:9000 received >report 2>said
	receiver=$!
	wait_for 10 grep -q "^listening on" said || fail "MTU $1: it does not listen: $(cat said)"
	in_b bash -c 'exec 5<>/dev/tcp/10.77.0.1/9000; cat data >&5' || fail "MTU $1: the sender"
	wait $receiver || fail "MTU $1: weir recv: $(cat said)"
	cmp data received || fail "MTU $1: other bytes"
	sed -n '/^disk/p' said
	total=$(($(number direct_bytes) + $(number copied_bytes) + $(number page_cache_bytes)))
	[ $total -eq "$2" ] ||
		fail "MTU $1: the numbers do not add up to $2: $(cat report)"
	[ "$(number kernel_copied_bytes)" = 0 ] ||
		fail "MTU $1: the kernel copied: $(cat report)"
}

transfer 4148 $BYTES
# The handshake brings no payload, and every packet but the last is full.
[ "$(number direct_bytes)" -ge $((BYTES * 999 / 1000)) ] ||
	fail "MTU 4148: $(cat report)"
pair_down
transfer 1500 1000001
[ "$(number page_cache_bytes)" -eq $((1000001 % 4096)) ] || fail "MTU 1500: $(cat report)"
