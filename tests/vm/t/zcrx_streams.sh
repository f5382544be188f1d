#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_streams.sh - zero-copy receive of many streams, of IPv6, of VLANs, through RSS contexts.
# Timeout: 60
#
# Theory: how a frame comes to the bound queue, and how many streams share it, must make no
# difference to where its payload is placed.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw ipv6 ipv6_dmabuf sockets16 sockets16_mixed two_queues rss_context vlan4 vlan6
