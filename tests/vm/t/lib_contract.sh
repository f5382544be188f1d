#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_contract.sh - the library's contract on this kernel: both planes, with and without faults.
# Timeout: 600
#
# Theory: the contract tests of the host, as ctest knows them (/contract.list: name, program,
# settings), run on this kernel, whose io_uring may lack what the host's has: so every fallback is
# really taken.  Kernels as new as the host's get the list without faults (vm.py, WHOLE_CONTRACT).
# Two at a time, as many as the VM has processors.  Left out: lowat, whose bounds of a millisecond
# mean nothing on an emulated processor that others use, too.

. "$(dirname "$0")/lib.sh"

[ -s /contract.list ] || fail "no contract tests were packed"

# one NAME PROGRAM SETTINGS...
one() {
	local name=$1 program=$2 began=$SECONDS status

	shift 2
	mkdir "$name" && cd "$name" || exit 1
	# in this order: busybox's env would take busybox's timeout, which leaves a watcher behind
	timeout $((300 * SLOW)) env WEIR_TEST_PATIENCE=$((4 * SLOW)) "$@" "$program" >out 2>&1
	status=$?
	case $status in
	0) echo "passed $(grep -c '^\[ *OK ' out) $name $((SECONDS - began)) s" ;;
	77) echo "skipped 0 $name: $(tail -n 1 out)" ;;
	*) echo "failed $status $name $((SECONDS - began)) s"
	   tail -n 60 out ;;
	esac
}
export -f one

grep -v '^contract\.lowat\.' /contract.list >list
tr '\n' '\0' <list | xargs -0 -P 2 -n 1 bash -c 'one $0' >results
cat results
programs=$(grep -c . list)
counted=$(grep -cE '^(passed|skipped|failed) ' results)
[ "$counted" = "$programs" ] || fail "$counted of $programs came to an end"
awk '$1 == "passed" { tests += $2 } END { print tests " tests passed" }' results
! grep -q '^failed ' results || fail "$(grep -c '^failed ' results) of $programs failed"
