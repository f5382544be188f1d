#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_torture.sh - random owners, deaths and changes by others, over veth
#
# Timeout: 120
#
# Theory
#	The sequences are those of tests/vm/t/lib.torture.sh, with the one setting that veth has:
#	the number of channels.  TORTURE=N makes N sequences, WEIR_TEST_SEED is the first one's
#	seed; without it the seeds are the same each time.
TORTURE_LIB=$(cd "$(dirname "$0")/../vm/t" && pwd)/lib.torture.sh
. "$(dirname "$0")/lib_netns.sh"

killat=$WEIR_BUILD/tests/vm/killat/weir-killat
[ -x "$killat" ] || {
	echo "no weir-killat in this build"
	exit 77
}
cd "$work" || exit 1
veth
unshare --net bash -c 'echo; read -r _' <> <(:) >elsewhere &
other=$!
wait_for 10 test -s elsewhere || fail "no other namespace"
dev=v0 home=v0 rich=no weir=$WEIR journals=$WEIR_RUN_DIR/nic here=$$
enter="nsenter --net=/proc/$other/ns/net"
. "$TORTURE_LIB"
torture "${TORTURE:-8}" 14 "${WEIR_TEST_SEED:-1}"
