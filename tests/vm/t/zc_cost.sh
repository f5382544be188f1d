#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_cost.sh - the plane zcrx: what a receiver costs, beside the plane uring
# Timeout: 90
#
# Theory: the CPU time of the receiving thread for each MiB; see zctest/s_cost.c.

. "$(dirname "$0")/lib.sh"

MTU=4148 pair numrxqueues 4 numtxqueues 4
ZCTEST_ROUNDS=$(thorough 5 2) zctest cpu
