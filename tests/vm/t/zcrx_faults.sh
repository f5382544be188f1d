#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_faults.sh - zero-copy receive under every fault of the test NIC.
# Timeout: 90
#
# Theory: TCP and the kernel must deliver the stream whole, whatever the NIC does to frames,
# buffers and queues; each fault must have hit, and left its trace in the counters
# where it has one (zcraw/s_fault.c).

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw f_drop f_duplicate f_reorder f_corrupt f_split_less f_split_more f_misdirect \
	f_alloc_fail f_no_buffer f_delay f_carrier_flap f_queue_start
