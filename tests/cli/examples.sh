#!/bin/bash
# SPDX-License-Identifier: MIT
#
# examples.sh - the echo servers of examples/ echo, on both planes.
#
# Theory: a client sends more than all buffers between the two can hold while it does not read, in
# pieces of random size, from several connections at a time; then it ends its direction, and every
# byte must come back in order, followed by the end.  The server's memory must stay bounded.

. "$(dirname "$0")/lib_stream.sh"

# echoes NAME PLANE
echoes() {
	local server seed=${WEIR_TEST_SEED:-$RANDOM} kib

	[ -x "$WEIR_BUILD/examples/$1" ] || fail "examples/$1 was not built"
	echo "examples: WEIR_TEST_SEED=$seed"
	rm -f "$folder/socket"
	run server env WEIR_PLANE="$2" "$WEIR_BUILD/examples/$1" "unix:$folder/socket"
	server=$run_pid
	wait_until "$1 listens" test -S "$folder/socket"
	run client python3 -B "$peer" echo "$folder/socket" "$seed"
	ends "$run_pid" 0 "a client of $1 on $2"
	kib=$(sed -n 's/^VmHWM:[ \t]*\([0-9]*\) kB/\1/p' "/proc/$server/status")
	if [ -z "${WEIR_SANITIZE-}" ]; then
		[ "$kib" -lt 65536 ] || fail "$1 took $kib KiB"
	fi
	kill -TERM "$server"
	wait "$server"
}

for plane in $(planes); do
	echoes echo "$plane"
	echoes echo_batch "$plane"
done
finish
