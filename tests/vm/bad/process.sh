#!/bin/bash
# SPDX-License-Identifier: MIT
#
# process.sh - leaves a process
# Timeout: 20
# Found: it left 1 processes
#
# Theory: the harness must find it out; see vm.py selftest.

setsid sleep 100 &
