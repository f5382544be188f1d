#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_send.sh - zero-copy send through the test NIC, and the speed of its wire.
# Timeout: 60
#
# Theory: needs no zero-copy receive: the kernel must report the sends as not copied, and the
# test NIC must have seen the program's own pages.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw send_zc send_zc_ipv6 wire
