#!/bin/bash
# SPDX-License-Identifier: MIT
#
# signal.sh - is ended by a signal
# Timeout: 20
# Found: ended by signal 6
#
# Theory: the harness must find it out; see vm.py selftest.

kill -ABRT $$
