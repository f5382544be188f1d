#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_areas.sh - zero-copy receive into every kind of memory, with every kind of completion.
# Timeout: 60
#
# Theory: ordinary pages, huge pages and a dma-buf; buffers of 4 KiB, 64 KiB and 2 MiB;
# completions of 32 bytes and of mixed size.  weir-zcraw verifies every byte, and the placement by
# the counters of the test NIC.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw host huge dmabuf buf64k buf2m mixed mixed_wrap mixed_dmabuf small_rq
