#!/bin/bash
# SPDX-License-Identifier: MIT
#
# interface.sh - leaves an interface
# Timeout: 20
# Found: it left something changed
#
# Theory: the harness must find it out; see vm.py selftest.

ip link add left0 type dummy
