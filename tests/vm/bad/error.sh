#!/bin/bash
# SPDX-License-Identifier: MIT
#
# error.sh - makes the kernel report an error
# Timeout: 20
# Found: 1 bad lines in the kernel
#
# Theory: the harness must find it out; see vm.py selftest.

echo '<3>planted: something is wrong' >/dev/kmsg
