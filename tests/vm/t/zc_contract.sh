#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_contract.sh - the contract of all planes, unchanged, over the plane zcrx and a NIC
# Timeout: 900
#
# Theory: the programs talk to themselves over 127.0.0.1.  Here these addresses belong to wn0, and
# what is sent to them leaves by wn1, so that it crosses the wire and comes in by wn0, both ends'
# packets alike (contract_wire).
#
# Each engine takes a queue of wn0 and steers its sockets to it.  ::1 cannot be had over a wire
# (IPv6 drops it), and UDP would be cut into fragments there, which lose their order: these, and
# UNIX sockets, go the way of the plane uring, as they do for any user.  In runs that are not
# thorough, without faults and the main programs only.

. "$(dirname "$0")/lib.sh"

[ -s /contract.list ] || fail "no contract tests were packed"
nic_load
contract_wire 32
need_zcrx

placed() {
	sum "$(debugfs_of wn0)/stats" rx provider_bytes
}

# The list of the plane uring, on this plane and this NIC; thorough: with faults, too.
uring_list() {
	grep -E "^contract\.($1)\.uring " /contract.list |
		grep -vE '^contract\.(lowat|sctp|sctp_io)\.' |
		sed 's/\.uring/.zcrx/; s/WEIR_PLANE=uring/WEIR_PLANE=zcrx WEIR_IFNAME=wn0/'
}
uring_list "$(thorough '[a-z_]+' 'args|connect|engine|torture')" >list
if [ "$(fact thorough)" = yes ]; then
	sed "s/\.zcrx /.zcrx.faults /; s/\$/ WEIR_FAULT=$(cat /contract.faults)/" list >faults
	cat faults >>list
fi
nic_state before.state
export -f run_programs fail
in_a bash -c 'run_programs list' || fail "not as the contract wants"
echo "$(placed) bytes were placed by the NIC"
[ "$(placed)" -gt 1000000 ] || fail "the NIC has placed next to nothing: is the set-up right?"
nic_same before.state "after the contract"
no_journal "after the contract"

# Without a NIC every byte is copied, over loopback, with faults: the same suite.
uring_list "$(thorough '[a-z_]+' 'slices|close|io_segment')" |
	sed "s/ WEIR_IFNAME=wn0//; s/\.zcrx /.nodev.faults /" |
	sed "s/\$/ WEIR_FAULT=$(cat /contract.faults)/" >list
run_programs list
