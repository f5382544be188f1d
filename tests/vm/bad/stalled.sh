#!/bin/bash
# SPDX-License-Identifier: MIT
#
# stalled.sh - makes a page pool stall, as the kernel says it
# Timeout: 20
# Found: 1 bad lines in the kernel
#
# Theory: the harness must find it out; see vm.py selftest.

echo '<4>page_pool_release_retry() stalled pool shutdown: id 7, 1 inflight 60 sec' >/dev/kmsg
