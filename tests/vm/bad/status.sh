#!/bin/bash
# SPDX-License-Identifier: MIT
#
# status.sh - fails by its status
# Timeout: 20
# Found: exit status 3
#
# Theory: the harness must find it out; see vm.py selftest.

exit 3
