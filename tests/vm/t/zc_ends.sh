#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_ends.sh - the plane zcrx: sockets, engines, processes and the NIC come to their end
# Timeout: 120
#
# Theory: whatever ends, the queue can be bound again at once, and the kernel has lost nothing.  A
# thorough run makes 1,000 connections and kills 20 processes.

. "$(dirname "$0")/lib.sh"

pair numrxqueues 4 numtxqueues 4
export ZCTEST_CYCLES=$(thorough 500 50) ZCTEST_KILLS=$(thorough 20 3)
zctest close_held engine_close cycles $(thorough cycles "") reset_early reset_unread reset_running \
	kills || exit
weir-zctest rmmod
