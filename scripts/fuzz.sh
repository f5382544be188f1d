#!/bin/bash
# SPDX-License-Identifier: MIT
#
# fuzz.sh [PATTERN] - the harnesses of tests/fuzz whose name begins with PATTERN, with libFuzzer and
# the address and undefined-behaviour sanitizers.  Last line: "N passed, N failed, N skipped".
#
# Each runs for FUZZ_SECONDS (default 60), JOBS of them at once.  It begins with the seeds of
# tests/fuzz/seeds.py and with what earlier runs found: build/fuzz/corpus/NAME.  An input that ends
# a harness, takes over 20 s or over 2 GiB fails it, and stays in build/fuzz/crashes/NAME; how to
# run it again is said.  FUZZ_SEED is the seed of the first one's random numbers; without it the
# time is.
# Exit status: 0 where none failed.
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=${FUZZ_SECONDS:-60}
jobs=${JOBS:-$(nproc)}
seed=${FUZZ_SEED:-$(($(date +%s) % 1000000))}
folder=$PWD/build/fuzz
programs=$folder/tests/fuzz
if ! [[ $seconds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]]; then
	echo "fuzz.sh: FUZZ_SECONDS=$seconds: a number from 1 on; FUZZ_SEED=$seed: a number" >&2
	exit 2
fi

# libFuzzer comes with clang's run-time libraries, which are a package of their own.
if ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' |
	clang -x c -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then
	echo "fuzz.sh: this clang has no libFuzzer (package libclang-rt-dev)"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
fi
mkdir -p "$folder" || exit 1
if ! scripts/build.sh fuzz fuzzers >"$folder/build.log" 2>&1; then
	cat "$folder/build.log"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
python3 -B tests/fuzz/seeds.py "$folder/seeds" || exit 1

names=()
for source in tests/fuzz/fuzz_"${1-}"*.c; do
	name=${source##*/fuzz_}
	[ -e "$source" ] && names+=("${name%.c}")
done
if [ ${#names[@]} -eq 0 ]; then
	echo "fuzz.sh: no harness begins with ${1-}" >&2
	exit 2
fi

TMPDIR=$(mktemp -d /tmp/weir-fuzz.XXXXXX) || exit 1
export TMPDIR
running=()
stop() {
	local pid

	for pid in "${running[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$TMPDIR"
}
trap stop EXIT
trap 'exit 130' INT TERM

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
unset "${!WEIR_@}"

# start NAME SEED
start() {
	local name=$1 crashes=$folder/crashes/$1 corpus=$folder/corpus/$1 words=()

	mkdir -p "$crashes" "$corpus"
	[ -s "$folder/seeds/$name.dict" ] && words=("-dict=$folder/seeds/$name.dict")
	"$programs/fuzz_$name" "${words[@]}" -seed="$2" -max_total_time="$seconds" -timeout=20 \
		-rss_limit_mb=2048 -max_len=8192 -close_fd_mask=3 -print_final_stats=1 \
		-artifact_prefix="$crashes/" "$corpus" "$folder/seeds/$name" \
		>"$folder/$name.log" 2>&1 &
	running+=($!)
	of[$!]=$name
}

# The last status line of libFuzzer has what was reached.
tell() {
	local name=$1 log=$folder/$1.log runs reached

	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	reached=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -n 1 |
		sed -E 's/.* cov: ([0-9]+) ft: ([0-9]+) corp: ([0-9]+).*/\1 edges, \3 inputs kept/')
	echo "$2 $name: ${runs:-?} runs, ${reached:-nothing reached}"
}

fail() {
	local name=$1 input

	tell "$name" FAILED
	echo "---- FAILED $name"
	grep -vE '^(#[0-9]|INFO: |Dictionary: |stat::|\t*NEW_FUNC)' "$folder/$name.log" | tail -n 60
	for input in "$folder/crashes/$name"/*; do
		[ "$input" -nt "$folder/$name.began" ] &&
			echo "again: build/fuzz/tests/fuzz/fuzz_$name ${input#"$PWD"/}"
	done
	echo "----"
}

declare -A of=()
passed=0 failed=0
# One that has ended: its process's id in $ended, its status in $?
collect() {
	local ended status name pid left=()

	wait -n -p ended
	status=$?
	name=${of[$ended]}
	for pid in "${running[@]}"; do
		[ "$pid" = "$ended" ] || left+=("$pid")
	done
	running=("${left[@]}")
	if [ $status -eq 0 ]; then
		tell "$name" passed
		passed=$((passed + 1))
	else
		fail "$name"
		failed=$((failed + 1))
	fi
}

echo "FUZZ_SEED=$seed FUZZ_SECONDS=$seconds: ${#names[@]} harnesses, $jobs at once"
for name in "${names[@]}"; do
	[ ${#running[@]} -lt "$jobs" ] || collect
	: >"$folder/$name.began"
	start "$name" "$seed"
	seed=$((seed + 1))
done
while [ ${#running[@]} -gt 0 ]; do
	collect
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
