#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_cycles.sh - 100 lives of the module (20, not thorough): a queue bound, traffic, unload.
# Timeout: 120
#
# Theory: the same whole life, a hundred times.  What is lost in one (a page, a reference, an
# interface) is seen as a bad line of the kernel's log, or as an unload that fails.  Every fourth
# time the module is unloaded while a queue is bound and data flows (zcraw/s_cycle.c).

. "$(dirname "$0")/lib.sh"

LIVES=10 # of one call
nic_available || skip "no test NIC: no headers for this kernel"
ip netns add a && ip netns add b || fail "no network namespaces"
for ((lives = 0; lives < $(thorough 100 20) / SLOW; lives += LIVES)); do # debug kernel: fewer
	MODULE=$MODULE weir-zcraw cycles
	status=$?
	[ $status -eq 0 ] || exit $status
done
echo "$lives lives"
