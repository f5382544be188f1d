#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_sctp.sh - the library's contract for SCTP: both planes, with faults, with parts switched off.
# Timeout: 400
#
# Theory: the kernels of the VM have SCTP, the host's may not: there the contract test skips, here
# it must run, in every setting that the host would run it in and some more.

. "$(dirname "$0")/lib.sh"

[ -d /proc/sys/net/sctp ] || fail "the kernel has no SCTP"
FAULTS=seed=$RANDOM,short-read=20,short-write=20,late=10,reorder=10,eagain=10,enobufs=5,enomem=2

# add NAME SETTINGS...
add() {
	local name=$1 program

	shift
	for program in contract_sctp contract_sctp_io; do
		echo "$program.$name $program $*" >>list
	done
}

add epoll WEIR_PLANE=epoll
add uring WEIR_PLANE=uring
add uring.faults WEIR_PLANE=uring WEIR_FAULT=$FAULTS
if [ "$(fact thorough)" = yes ]; then
	add epoll.faults WEIR_PLANE=epoll WEIR_FAULT=$FAULTS
	for part in accept recv bufring files ringfd defer link direct; do
		add uring.without-$part WEIR_PLANE=uring WEIR_WITHOUT=$part
	done
	add uring.without-bufring.faults WEIR_PLANE=uring WEIR_WITHOUT=bufring WEIR_FAULT=$FAULTS
	add uring.spin WEIR_PLANE=uring WEIR_SPIN_US=100
	add epoll.spin WEIR_PLANE=epoll WEIR_SPIN_US=100
fi
run_programs list
! grep '^skipped ' results || fail "the kernel has SCTP, and programs found none"
