#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_limits.sh - zero-copy receive without buffers, with full rings, with misplaced data.
# Timeout: 60
#
# Theory: each state that a user meets is brought about, the kernel's word for it is checked,
# and the stream goes on whole.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw exhaust cq_overflow early_data unarmed_data copy copy_nobuf dmabuf_copy \
	plain_reader wrong_ifq bad_refill refusals
