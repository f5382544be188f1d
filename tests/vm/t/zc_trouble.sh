#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_trouble.sh - the plane zcrx: faults, full rings, no buffers, slow readers, misplaced data
# Timeout: 120
#
# Theory: (a run that is not thorough leaves some out) whatever the NIC, the network and the
# application do, each stream arrives whole and once.

. "$(dirname "$0")/lib.sh"

pair numrxqueues 8 numtxqueues 8
some=(f_drop f_split_more f_misdirect f_misdirect2 f_no_buffer exhaust small_cq tiny_cq
	small_refill early unsteered nodev link press_stop press_copy auto)
all=(f_drop f_duplicate f_reorder f_corrupt f_split_less f_split_more f_misdirect f_misdirect2
	f_alloc_fail f_no_buffer f_delay f_carrier_flap f_queue_start exhaust small_cq tiny_cq
	small_refill early unsteered nodev link resize press_stop press_copy press_tell auto)
zctest $(thorough "${all[*]}" "${some[*]}")
