#!/bin/bash
# SPDX-License-Identifier: MIT
#
# warning.sh - makes the kernel warn
# Timeout: 20
# Found: 1 bad lines in the kernel
#
# Theory: the harness must find it out; see vm.py selftest.

echo '<4>WARNING: CPU: 0 PID: 1 at planted.c:1 planted+0x0/0x0' >/dev/kmsg
