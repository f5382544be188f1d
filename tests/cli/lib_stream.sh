# SPDX-License-Identifier: MIT
#
# lib_stream.sh - what the tests of weir recv and weir send share; to be sourced.
#
# Theory: every process that is started is remembered by its id, and ended on exit; all files lie in
# one folder that is removed.  Nothing waits for time: wait_until asks for a state until it is there
# or the deadline has passed.  Receivers listen on port 0 and say on standard error which they got.

set -u
weir=${WEIR_CMD:-${WEIR:?path of the weir command}}
peer=$(dirname "${BASH_SOURCE[0]}")/lib_stream_peer.py
test_name=$(basename "$0" .sh)
folder=$(mktemp -d "${TMPDIR:-/tmp}/weir-$test_name.XXXXXX") || exit 1
pids=()
checks=0
DEADLINE_S=${DEADLINE_S:-60}
# The shell tells of every process that was killed, which is what some tests are about.
exec 2>"$folder/shell.err"

clean_up() {
	local code=$?

	# Not $pids: numbers of those that ended may be others' by now.
	for pid in $(jobs -rp); do
		kill -KILL "$pid" # a stopped process takes no other signal
	done
	wait
	[ -n "${mounted-}" ] && umount "$mounted"
	rm -rf "$folder"
	exit $code
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

fail() {
	echo "$test_name: line ${BASH_LINENO[*]}: $*"
	for file in "$folder"/*.err "$folder"/{peer,client}.out; do
		[ -s "$file" ] && { echo "--- ${file##*/}"; tail -20 "$file"; }
	done
	exit 1
}

# wait_until WHAT COMMAND...: the command must succeed before the deadline.
wait_until() {
	local what=$1 end=$((SECONDS + DEADLINE_S))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within $DEADLINE_S s: $what"
		sleep 0.02
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

has_line() {
	grep -q -- "$2" "$1" 2>/dev/null
}

# run NAME COMMAND...: in the background; $run_pid, NAME.out, NAME.err.
run() {
	local name=$1

	shift
	# Emptied here: in the background it would be too late for who looks at it next.
	: >"$folder/$name.err"
	"$@" >"$folder/$name.out" 2>>"$folder/$name.err" <"${run_stdin:-/dev/null}" &
	run_pid=$!
	pids+=("$run_pid")
}

# ends PID CODE WHAT: it ends before the deadline with this code.
ends() {
	local pid=$1 code=$2 what=$3 got

	wait_until "$what ends" gone "$pid"
	wait "$pid"
	got=$?
	[ "$got" -eq "$code" ] || fail "$what: exit code $got instead of $code"
	# A sanitizer ends a program with 1 as well.
	grep -q 'Sanitizer: \|runtime error: ' "$folder"/*.err && fail "$what: a sanitizer's report"
	checks=$((checks + 1))
}

# says NAME TEXT: standard error of that run has it.
says() {
	has_line "$folder/$1.err" "$2" || fail "$1 does not say '$2'"
	checks=$((checks + 1))
}

# receive NAME ARGUMENTS...: weir recv on a free port, $address and $recv_pid; the first argument
# may be an address with port 0, else it is given.
receive() {
	local name=$1 at="127.0.0.1:0"

	shift
	case ${1-} in
	*:0 | unix:*) at=$1; shift ;;
	esac
	run "$name" "$weir" recv "$at" "$@"
	recv_pid=$run_pid
	wait_until "$name listens" listens_or_ended "$name" "$recv_pid"
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/$name.err" | head -1)
	[ -n "$address" ] || fail "$name does not listen"
}

listens_or_ended() {
	has_line "$folder/$1.err" '^listening on ' || gone "$2"
}

# same FILE FILE
same() {
	cmp "$1" "$2" || fail "$1 and $2 differ"
	checks=$((checks + 1))
}

# nothing_left FILE: neither it nor its unfinished form is there.
nothing_left() {
	[ ! -e "$1" ] || fail "$1 is there"
	[ ! -e "$1.part" ] || fail "$1.part is there"
	checks=$((checks + 1))
}

# content FILE BYTES: the same content for the same size, never the same block twice.
content() {
	python3 -B "$peer" content "$2" >"$1"
}

# have_plane NAME: can this machine have it?  The answer is not looked for twice.
have_plane() {
	local name=$1

	[ "$name" = epoll ] && return 0
	if [ -z "${uring_state-}" ]; then
		uring_state=no
		run probe "$weir" send --plane uring --timeout 1 unix:@weir-no-such-peer /dev/null
		wait "$run_pid"
		has_line "$folder/probe.err" 'no engine' || uring_state=yes
	fi
	[ $uring_state = yes ]
}

planes() {
	for plane in epoll uring; do
		have_plane $plane && echo $plane
	done
}

finish() {
	echo "$test_name: $checks checks on planes: $(planes | tr '\n' ' ')"
	exit 0
}
