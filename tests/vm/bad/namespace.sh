#!/bin/bash
# SPDX-License-Identifier: MIT
#
# namespace.sh - leaves a network namespace
# Timeout: 20
# Found: it left something changed
#
# Theory: the harness must find it out; see vm.py selftest.

ip netns add left
