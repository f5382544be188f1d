#!/bin/bash
# SPDX-License-Identifier: MIT
#
# devmem_tcp.sh - devmem TCP: receive into a dma-buf with recvmsg().
# Timeout: 60
#
# Theory: the other memory provider of the kernel over the same queues: placement, pieces that
# are held, rebinding, loss.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw devmem devmem_ipv6 devmem_hold devmem_rebind devmem_drop devmem_reorder
