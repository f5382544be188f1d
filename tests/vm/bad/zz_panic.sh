#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zz_panic.sh - stops the kernel
# Timeout: 20
# Found: the machine ended in it
#
# Theory: the harness must find it out; see vm.py selftest.

echo c >/proc/sysrq-trigger
