#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_contract_io.sh - the contract of weir_io on this kernel; else as lib_contract.sh.
# Timeout: 600

. "$(dirname "$0")/lib.sh"

run_contract '^contract\.io_[a-z]*\.'
