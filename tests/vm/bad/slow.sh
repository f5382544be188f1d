#!/bin/bash
# SPDX-License-Identifier: MIT
#
# slow.sh - takes longer than it may
# Timeout: 2
# Found: over its time of 2 s
#
# Theory: the harness must find it out; see vm.py selftest.

sleep 60
