#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_xdp.sh - XDP programs and AF_XDP sockets beside zero-copy receive.
# Timeout: 60
#
# Theory: each is tried before and after the other; the stream of the bound queue does not notice
# what was refused.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw xdp_zcrx xdp_socket
