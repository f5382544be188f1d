#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_send_contract.sh - the contract of contexts and zero-copy sends, unchanged, over a NIC
# Timeout: 300
#
# Theory: as zc_contract.sh: the programs talk to themselves over 127.0.0.1, which belongs to wn0
# here; TCP to it leaves by wn1 and crosses the wire, where nothing need be copied.  UDP, ::1 and
# UNIX sockets go over loopback, where all is copied in the end.  Once with a good wire, and once
# with each way of the NIC to spoil it; what is wrong then is repeated from memory that the
# programs overwrite when it is released.

. "$(dirname "$0")/lib.sh"

[ -s /contract.list ] || fail "no contract tests were packed"
nic_load
contract_wire 4
# where the kernel has it: what was lost is repeated soon
in_a sysctl -qw net.ipv4.tcp_rto_min_us=20000 2>/dev/null
export -f run_programs fail

# Packets that left by wn1, which is in the same namespace here.
user_pages() {
	sum "$DEBUGFS/$(in_a ethtool -i wn1 | sed -n 's/^bus-info: //p')/stats" tx zc_frames
}

# contract NAME PROGRAMS FAULT...: over the wire, with faults of the NIC on what wn0 receives
contract() {
	local name=$1 programs=$2 before

	shift 2
	grep -E "^contract\.($programs)\.(uring|epoll)\.zc-always " /contract.list |
		sed "s/\.zc-always /.$name /" >list
	[ -s list ] || fail "no such programs: $programs"
	before=$(user_pages)
	if [ $# -gt 0 ]; then
		fault wn0 seed 1
		fault wn0 "$@"
	fi
	in_a bash -c 'run_programs list' || fail "not as the contract wants: $name"
	if [ $# -gt 0 ]; then
		grep -q 'hits [1-9]' "$(debugfs_of wn0)/fault/$1" || fail "$1 has not hit"
		fault wn0 "$1" 0
	fi
	before=$(($(user_pages) - before))
	echo "$name: $before packets with user pages"
	[ $before -gt 100 ] || fail "$name: next to nothing crossed the wire without a copy"
}

contract wire "$(thorough 'ctx[a-z_]*|zc[a-z_]*|close|slices|torture' \
	'ctx|ctx_mix|zc')"
contract drop "ctx_mix|zc$(thorough '|zc_torture' '')" drop 50
if [ "$(thorough yes no)" = yes ]; then
	contract reorder "ctx_mix|zc" reorder 20
	contract delay "ctx_mix|zc" delay 10
	contract flap "ctx_mix" carrier_flap 500 3
fi
