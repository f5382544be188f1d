#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sysctl.sh - changes a setting of the network
# Timeout: 20
# Found: it left something changed
#
# Theory: the harness must find it out; see vm.py selftest.

echo 300 >/proc/sys/net/core/netdev_budget
ip link set lo mtu 65536 # as it was before the test before this one
