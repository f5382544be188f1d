#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_contract.sh - the library's contract on this kernel: both planes.
# Timeout: 600
#
# Theory: the contract tests of the host, as ctest knows them (/contract.list: name, program,
# settings), run on this kernel, whose io_uring may lack what the host's has: so every fallback is
# really taken.  Left out: lowat, whose bounds of a millisecond mean nothing on an emulated
# processor that others use, too; SCTP, which lib_sctp.sh runs; weir_io, which lib_contract_io.sh
# runs, and faults, which lib_contract_faults.sh does, so that machines share the work.

. "$(dirname "$0")/lib.sh"

run_contract '^contract\.' '^contract\.(lowat|sctp|sctp_io|io_[a-z]*)\.|^[^ ]*faults'
