#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_rmmod.sh - the test NIC's module is removed while a queue is bound; three times.
# Timeout: 60
#
# Theory: the receiver keeps its ring, its area and data that came before; the module goes at
# once, is loaded again, and a new pair works.

. "$(dirname "$0")/lib.sh"

for round in 1 2 3; do
	pair
	weir-zcraw host rmmod_bound
	status=$?
	[ $status -eq 0 ] || exit $status
	pair_down
done
