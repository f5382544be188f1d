#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_xdp.sh - which XDP programs the device takes, and what it says beside devmem TCP.
# Timeout: 60
#
# Theory: the NIC has no XDP of its own, so the kernel offers generic XDP. A stream passes through
# the programs that can be attached; a program and a bound queue refuse each other.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw xdp_plain xdp_devmem
