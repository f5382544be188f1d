#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_contract_faults.sh - the library's contract on this kernel, with faults of the plane.
# Timeout: 600
#
# Theory: as lib_contract.sh, which takes the list's part without faults: two machines share the
# work.  Kernels as new as the host's have no such list (vm.py, WHOLE_CONTRACT).

. "$(dirname "$0")/lib.sh"

grep -q '^[^ ]*faults' /contract.list || skip "this kernel is as new as the host's"
run_contract '^[^ ]*faults' '^contract\.(lowat|sctp|sctp_io|io_[a-z]*)\.'
