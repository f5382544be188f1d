#!/bin/bash
# SPDX-License-Identifier: MIT
#
# skipped.sh - is skipped with a reason
# Timeout: 20
# Found: SKIP planted reason
#
# Theory: the harness must find it out; see vm.py selftest.

echo planted reason
exit 77
