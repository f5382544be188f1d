#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check.sh - all tests over all builds.  Last line: "N passed, N failed, N skipped".
#
# Builds release (gcc), clang, asan and tsan, each with -Werror; runs unit, contract and cli tests
# on asan; all tests on release but the contract with parts switched off, with spinning and with
# forced zero-copy sends, and what tests options and formats of the command, which asan runs; the
# tests labelled "threads" on tsan; the tests of the
# VM on the newest kernel and on one without zero-copy receive (WEIR_CHECK_VM=no leaves these out,
# and says so as a skip).  Each build is counted as a test, and so is that nothing is left behind:
# no file in TMPDIR, no process, no namespace.
# Exit status: 0 where nothing failed and every skip is on tests/expected-skips.txt.
set -u
cd "$(dirname "$0")/.." || exit 1

jobs=${JOBS:-$(nproc)}
tests_at_once=$((2 * jobs)) # most of them wait most of the time
results=$PWD/build/check
rm -rf "$results"
mkdir -p "$results" || exit 1

# Some tests become another user, who must be able to look into it.
TMPDIR=$(mktemp -d /tmp/weir-check.XXXXXX) && chmod 755 "$TMPDIR" || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM

# Environment that every process of this run carries, by which one left behind is known.
export WEIR_CHECK_RUN=$$-$RANDOM-$(date +%s%N)

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1
unset WEIR_PLANE WEIR_FAULT WEIR_WITHOUT WEIR_ZEROCOPY WEIR_SPIN_US WEIR_MIN_WAIT_US WEIR_RUN_DIR

# What begins, with the seconds since the start of the run.
say() {
	printf '== %4d s: %s\n' "$SECONDS" "$*"
}

# A machine that runs all this may be slow: deadlines, of what must come, are longer (t.h).
export WEIR_TEST_PATIENCE=3

# One line per thing tested outside ctest: "passed|failed|skipped NAME LOGFILE".
record() {
	echo "$1 $2 ${3:--}" >>"$results/extra.txt"
}

build() {
	local preset=$1

	say "build $preset"
	if JOBS=$jobs scripts/build.sh "$preset" >"$results/build.$preset.log" 2>&1; then
		grep '^note:' "$results/build.$preset.log"
		record passed "build.$preset"
		return 0
	fi
	record failed "build.$preset" "$results/build.$preset.log"
	return 1
}

# run_tests PRESET [CTEST-OPTION...]
run_tests() {
	local preset=$1 with=()

	shift
	# Old thread sanitizers give up where addresses are randomised by more bits than they know.
	if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then
		with=(setarch "$(uname -m)" -R)
	fi
	say "test $preset"
	"${with[@]}" ctest --test-dir "build/$preset" --parallel "$tests_at_once" \
		--output-junit "$results/$preset.xml" --test-output-size-passed 1000000 \
		--test-output-size-failed 1000000 --no-tests=error "$@" \
		</dev/null >"$results/test.$preset.log" 2>&1
	[ -s "$results/$preset.xml" ] || record failed "ctest.$preset" "$results/test.$preset.log"
}

# The VM is prepared in a part of the cache; where it cannot be (no network), that is a failure.
run_vm() {
	if [ "${WEIR_CHECK_VM:-yes}" = no ]; then
		record skipped vm "left out by WEIR_CHECK_VM=no"
		return
	fi
	say "test in the VM"
	python3 -B tests/vm/vm.py check "$results" >"$results/test.vm.log" 2>&1
	# some failed: the JUnit files say so; without all of them it could not be run
	[ $? -le 1 ] && [ "$(ls "$results"/vm-*.xml 2>/dev/null | wc -l)" -eq 3 ] ||
		record failed vm "$results/test.vm.log"
	grep '^vm-' "$results/test.vm.log"
}

namespaces() {
	ls /run/netns 2>/dev/null | sort
}

# Processes of this run that are still there, by their environment.
left_processes() {
	local environ pid

	for environ in /proc/[0-9]*/environ; do
		if tr '\0' '\n' <"$environ" 2>/dev/null |
			grep -qx "WEIR_CHECK_RUN=$WEIR_CHECK_RUN"; then
			pid=${environ//[^0-9]/}
			echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		fi
	done 2>/dev/null
}

# Give what is just ending three seconds, then end each by its id and name it.
find_left_processes() {
	local deadline=$((SECONDS + 3)) left pid rest

	left=$(left_processes)
	while [ -n "$left" ] && [ $SECONDS -lt $deadline ]; do
		sleep 0.1
		left=$(left_processes)
	done
	[ -n "$left" ] || return
	echo "$left"
	while read -r pid rest; do
		kill -KILL "$pid"
	done <<<"$left"
}

leftovers() {
	local what

	find_left_processes >"$results/left.processes.log"
	ls -A "$TMPDIR" >"$results/left.files.log"
	namespaces | comm -13 "$results/namespaces.before" - >"$results/left.namespaces.log"
	for what in files processes namespaces; do
		if [ -s "$results/left.$what.log" ]; then
			record failed "left-behind.$what" "$results/left.$what.log"
		else
			record passed "left-behind.$what"
		fi
	done
}

if ! pkg-config --exists cmocka; then
	echo "check.sh: cmocka is missing, without which most tests cannot be built" >&2
	exit 1
fi
: >"$results/extra.txt"
namespaces >"$results/namespaces.before"

# What asan runs, and where speed and the compiler's optimisation make no difference.
asan_only='[.]uring[.](without|spin)-|[.]zc-(always|faults)'
asan_only+='|cli[.]iperf3_(bad|badserver|faults|json|options|order|refused|server|text|zerocopy)'
asan_only+='|cli[.]recv_send_faults'

if build release; then
	ln -sfn release/tools/weir build/weir
	run_tests release --exclude-regex "$asan_only"
fi
build clang
build asan && run_tests asan --label-regex '^(unit|contract|cli)$'
build tsan && run_tests tsan --label-regex '^threads$'
run_vm
leftovers

python3 -B scripts/check_report.py "$results" tests/expected-skips.txt \
	tests/vm/expected-skips.txt
