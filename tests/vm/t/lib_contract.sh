#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_contract.sh - the library's contract on this kernel: both planes, with and without faults.
# Timeout: 600
#
# Theory: the contract tests of the host, as ctest knows them (/contract.list: name, program,
# settings), run on this kernel, whose io_uring may lack what the host's has: so every fallback is
# really taken.  Kernels as new as the host's get the list without faults (vm.py, WHOLE_CONTRACT).
# Left out: lowat, whose bounds of a millisecond mean nothing on an emulated processor that
# others use, too; SCTP, which lib_sctp.sh runs.  A run that is not thorough leaves the epoll plane
# without faults to the host, which has the same one.

. "$(dirname "$0")/lib.sh"

[ -s /contract.list ] || fail "no contract tests were packed"

grep -vE "^contract\.(lowat|sctp|sctp_io)\.|^contract\.[a-z_]*\.$(thorough none epoll) " \
	/contract.list >list
run_programs list
