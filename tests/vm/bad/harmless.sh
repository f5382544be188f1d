#!/bin/bash
# SPDX-License-Identifier: MIT
#
# harmless.sh - a harmless line of the log is on the list of those
# Timeout: 20
# Found: nothing
#
# Theory: the harness must find it out; see vm.py selftest.

echo '<4>clocksource: planted: a watchdog' >/dev/kmsg
