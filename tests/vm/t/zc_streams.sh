#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_streams.sh - the plane zcrx: streams that come as they should, proven by three counts
# Timeout: 60
#
# Theory: one and many streams, one and several queues and engines; every byte is verified, and its
# placement by the library's, the kernel's and the NIC's counts (zctest/prove.c).

. "$(dirname "$0")/lib.sh"

pair numrxqueues 8 numtxqueues 8
zctest bulk ipv6 connect sockets64 queues2 queues2_udmabuf group
