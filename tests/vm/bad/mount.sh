#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mount.sh - leaves a mount
# Timeout: 20
# Found: it left something changed
#
# Theory: the harness must find it out; see vm.py selftest.

mkdir -p /run/left && mount -t tmpfs none /run/left
