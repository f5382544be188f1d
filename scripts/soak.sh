#!/bin/bash
# SPDX-License-Identifier: MIT
#
# soak.sh - random runs for SOAK_SECONDS (default 600), with the address and undefined-behaviour
# sanitizers on the planes of the host, and over the plane zcrx in the VM.  Last line: "N passed,
# N failed, N skipped", where each run counts.
#
# The host has the first half of the time (soak_host.py, JOBS runs at once), the VM the second
# (tests/vm/soak/soak.sh).  SOAK_VM=no gives the host all of it; so does a VM that was never made
# here (make vm), which is said as a skip.  SOAK_SEED is the seed, printed first; without it, it is
# drawn.  What failed is printed with what starts it again; all of it stays in build/soak.
# Exit status: 0 where none failed.
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=${SOAK_SECONDS:-600}
seed=${SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
jobs=${JOBS:-$(nproc)}
folder=$PWD/build/soak
cache=${WEIR_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir-vm}
for number in "$seconds" "$seed"; do
	[[ $number =~ ^[0-9]+$ ]] && continue
	echo "soak.sh: SOAK_SECONDS and SOAK_SEED are numbers, not $number" >&2
	exit 2
done

rm -rf "$folder"
mkdir -p "$folder" || exit 1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
unset "${!WEIR_TEST_@}" WEIR_PLANE WEIR_FAULT WEIR_WITHOUT WEIR_SPIN_US WEIR_MIN_WAIT_US \
	WEIR_RUN_DIR WEIR_IFNAME WEIR_ZEROCOPY

passed=0 failed=0 skipped=0
# add LOG: the last "N passed, N failed, N skipped" of a part; a part without one has failed
add() {
	local counts

	counts=$(sed -nE 's/.*\b([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped.*/\1 \2 \3/p' \
		"$1" | tail -n 1)
	read -r -a counts <<<"${counts:-0 1 0}"
	passed=$((passed + counts[0]))
	failed=$((failed + counts[1]))
	skipped=$((skipped + counts[2]))
}

# part NAME COMMAND...: its words go to the screen and to a log; a bad end counts as a failure
part() {
	local log=$folder/$1.log before=$failed status

	shift
	"$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	add "$log"
	[ "$status" -eq 0 ] || [ $failed -gt $before ] || failed=$((failed + 1))
}

with_vm=yes
if [ "${SOAK_VM:-yes}" = no ]; then
	with_vm="left out by SOAK_VM=no"
elif [ ! -d "$cache/kernels" ]; then
	with_vm="it was never made here: make vm"
fi
host_seconds=$seconds
[ "$with_vm" = yes ] && host_seconds=$((seconds / 2))

echo "SOAK_SEED=$seed SOAK_SECONDS=$seconds"
if scripts/build.sh asan >"$folder/build.log" 2>&1; then
	echo "== $host_seconds s on the host's planes"
	part host python3 -B scripts/soak_host.py build/asan "$host_seconds" "$seed" "$jobs" \
		"$folder"
else
	cat "$folder/build.log"
	failed=$((failed + 1))
fi
if [ "$with_vm" = yes ]; then
	echo "== $((seconds - host_seconds)) s over zcrx in the VM"
	part vm python3 -B tests/vm/vm.py soak $((seconds - host_seconds)) "$seed"
else
	echo "skipped vm: $with_vm"
	skipped=$((skipped + 1))
fi
[ $failed -eq 0 ] || echo "again: SOAK_SEED=$seed SOAK_SECONDS=$seconds make soak"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
