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

# run SETTINGS...
run() {
	local program status=0

	for program in contract_sctp contract_sctp_io; do
		env "$@" timeout 100 $program >out 2>&1 || status=$?
		[ $status = 0 ] && echo "$(grep -c '^\[ *OK ' out) passed: $program $*" && continue
		tail -n 40 out
		fail "status $status with $program $*"
	done
}

run WEIR_PLANE=epoll
run WEIR_PLANE=uring
run WEIR_PLANE=epoll WEIR_FAULT=$FAULTS
run WEIR_PLANE=uring WEIR_FAULT=$FAULTS
for part in accept recv bufring files ringfd defer link direct; do
	run WEIR_PLANE=uring WEIR_WITHOUT=$part
done
run WEIR_PLANE=uring WEIR_WITHOUT=bufring WEIR_FAULT=$FAULTS
run WEIR_PLANE=uring WEIR_SPIN_US=100
run WEIR_PLANE=epoll WEIR_SPIN_US=100
