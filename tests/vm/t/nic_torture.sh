#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_torture.sh - random owners, deaths, changes by others, on all that the test NIC has
#
# Timeout: 120
#
# Theory
#	The sequences of lib.torture.sh from fixed seeds.  In a shell of the VM (make vm-shell)
#	TORTURE=N makes N sequences, and WEIR_TEST_SEED is the first one's seed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

pair numrxqueues 4 numtxqueues 4
in_a ethtool -g wn0 | grep -q "TCP data split" || skip "this kernel cannot set tcp-data-split"
sequences=1
[ "$(fact thorough)" = yes ] && sequences=8
ip netns add c || fail "no third namespace"
cat >inside.sh <<INSIDE
. "$here/lib.torture.sh"
$(declare -f wait_for)
trap 'kill \$(jobs -p) 2>/dev/null; wait' EXIT
dev=wn0 home=wn0 rich=yes weir=weir killat=weir-killat journals=/run/weir/nic other=c here=\$\$
enter="nsenter --net=/run/netns/c"
torture "${TORTURE:-$sequences}" 12 "${WEIR_TEST_SEED:-1}"
[ -n "${WEIR_TEST_SEED-}" ] || torture 1 12 121 # a table that is the default of fewer queues
INSIDE
in_a bash -u inside.sh
status=$?
ip netns delete c
exit $status
