#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mtu.sh - changes an interface's settings
# Timeout: 20
# Found: it left something changed
#
# Theory: the harness must find it out; see vm.py selftest.

ip link set lo mtu 1400
