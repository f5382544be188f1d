#!/bin/bash
# SPDX-License-Identifier: MIT
#
# recv_send.sh - files, pipes and sockets round trip through weir send and weir recv.
#
# Theory: what comes out must be what went in, for sizes around the chunk, 1 to 16 streams, both
# planes, TCP and UNIX sockets, framed and raw; and the peers of --raw are not weir's.
#
# Timeout: 300

. "$(dirname "$0")/lib_stream.sh"

# round_trip FILE "RECV ARGUMENTS" "SEND ARGUMENTS" [LISTEN ADDRESS]
round_trip() {
	local file=$1 to=$folder/received recv_args send_args

	read -ra recv_args <<<"$2"
	read -ra send_args <<<"$3"
	rm -f "$to"
	receive recv "${4:-127.0.0.1:0}" "$to" "${recv_args[@]}"
	run send "$weir" send "${send_args[@]}" "$address" "$file"
	ends "$run_pid" 0 "send $3 $(stat -c %s "$file")"
	ends "$recv_pid" 0 "recv $2 $(stat -c %s "$file")"
	same "$file" "$to"
	[ ! -e "$to.part" ] || fail "$to.part is there"
}

for size in 0 1 65535 65536 65537 262144 262145 100000000; do
	content "$folder/in.$size" $size
done
large=$folder/in.100000000
middle=$folder/in.262145

sizes() {
	local plane=$1

	for size in 0 1 65535 65536 65537 262144 262145; do
		round_trip "$folder/in.$size" "--plane $plane" "--plane $plane"
		round_trip "$folder/in.$size" "--plane $plane -c" \
			"--plane $plane -P 3 -c -l 1000"
		round_trip "$folder/in.$size" "--plane $plane --raw" "--plane $plane --raw"
	done
	round_trip "$large" "--plane $plane" "--plane $plane -c"
	says recv "checksum .* ok"
	says recv "^plane: $plane; why: .*; bytes copied: "
	round_trip "$large" "--plane $plane --raw" "--plane $plane --raw"
	for streams in 1 2 5 16; do
		round_trip "$large" "--plane $plane" "--plane $plane -c -P $streams"
	done
	round_trip "$middle" "--plane $plane" "--plane $plane -P 128 -l 1K"
}

# pipes PLANE: from a pipe, into a pipe, streams reassembled in order.
pipes() {
	local plane=$1

	for streams in 1 4 16; do
		receive recv - --plane "$plane"
		run send bash -c \
			"cat '$large' | '$weir' send --plane $plane -c -P $streams $address"
		ends "$run_pid" 0 "send from a pipe, $streams streams"
		ends "$recv_pid" 0 "recv into a pipe, $streams streams"
		same "$large" "$folder/recv.out"
	done
	run_stdin=$large
	receive recv - --plane "$plane"
	run send "$weir" send -P 8 "$address" -
	unset run_stdin
	ends "$run_pid" 0 "send from standard input"
	ends "$recv_pid" 0 "recv into standard output"
	same "$large" "$folder/recv.out"
}

stopped_growing() {
	local now

	now=$(sed -n 's/^rchar: //p' "/proc/$1/io")
	[ -n "$now" ] && [ "$now" -gt 100000 ] && [ "$now" = "${last_size-}" ] && return 0
	last_size=$now
	# What was read is compared with what was read a while ago: here time is meant.
	sleep 0.5
	return 1
}

# A reader that does not read: the sender is held up, memory stays bounded, nothing is lost.
back_pressure() {
	local plane=$1 kib

	mkfifo "$folder/fifo"
	exec 7<>"$folder/fifo"
	run recv "$weir" recv --plane "$plane" --timeout 0 127.0.0.1:0 "$folder/fifo"
	recv_pid=$run_pid
	wait_until "recv listens" has_line "$folder/recv.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/recv.err")
	run send "$weir" send --plane "$plane" --timeout 0 -c -P 8 "$address" "$large"
	last_size=
	wait_until "send is held up" stopped_growing "$run_pid"
	kib=$(sed -n 's/^VmHWM:[ \t]*\([0-9]*\) kB/\1/p' "/proc/$recv_pid/status")
	if [ -z "${WEIR_SANITIZE-}" ]; then
		[ "$kib" -lt 65536 ] || fail "recv took $kib KiB while nobody read"
	fi
	timeout "$DEADLINE_S" head -c 100000000 <&7 >"$folder/received"
	exec 7>&-
	ends "$run_pid" 0 "send to a slow reader"
	ends "$recv_pid" 0 "recv with a slow reader"
	same "$large" "$folder/received"
	rm "$folder/fifo"
}

# A source that has little at a time: what there is arrives before more comes.
trickle() {
	local plane=$1

	mkfifo "$folder/source"
	receive recv - --plane "$plane"
	run_stdin=$folder/source
	run send "$weir" send --plane "$plane" "$address"
	unset run_stdin
	exec 8>"$folder/source"
	for word in one two three; do
		echo $word >&8
		wait_until "$word arrives" has_line "$folder/recv.out" "^$word\$"
	done
	exec 8>&-
	ends "$run_pid" 0 "send of a trickle"
	ends "$recv_pid" 0 "recv of a trickle"
	rm "$folder/source"
}

# The same with short reads and writes, late and refused requests injected by the library.
faults() {
	local plane=$1 seed=${WEIR_TEST_SEED:-$RANDOM} saved=${WEIR_FAULT-}

	export WEIR_FAULT="seed=$seed,short-read=20,short-write=20,late=10,reorder=10,eagain=10"
	WEIR_FAULT+=",enobufs=5,enomem=2"
	echo "$test_name: WEIR_FAULT=$WEIR_FAULT"
	round_trip "$large" "--plane $plane" "--plane $plane -c -P 3"
	round_trip "$large" "--plane $plane --raw" "--plane $plane --raw"
	receive recv - --plane "$plane"
	run send "$weir" send --plane "$plane" -c -P 16 "$address" "$large"
	ends "$run_pid" 0 "send with faults"
	ends "$recv_pid" 0 "recv into a pipe with faults"
	same "$large" "$folder/recv.out"
	export WEIR_FAULT=$saved
}

addresses() {
	round_trip "$middle" "" "-P 2" "unix:$folder/socket"
	round_trip "$middle" "--raw" "--raw" "unix:$folder/socket"
	[ ! -e "$folder/socket" ] || fail "the socket's name is left"
	round_trip "$middle" "" "-P 2" "unix:@weir-test-$$"
	round_trip "$middle" "" "" "localhost:0"
	round_trip "$middle" "-4" "-4" "*:0"
	if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
		round_trip "$middle" "" "" "[::1]:0"
		round_trip "$middle" "-6" "-6" "*:0"
	fi
}

# The other side of --raw is any program.
raw_peers() {
	receive recv --raw "$folder/received"
	run peer python3 -B "$peer" raw_send "$address" "$large"
	ends "$run_pid" 0 "a raw sender"
	ends "$recv_pid" 0 "recv --raw"
	same "$large" "$folder/received"
	run peer python3 -B "$peer" raw_recv "$folder/received"
	recv_pid=$run_pid
	wait_until "the peer listens" has_line "$folder/peer.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/peer.err")
	run send "$weir" send --raw "$address" "$large"
	ends "$run_pid" 0 "send --raw"
	ends "$recv_pid" 0 "a raw receiver"
	same "$large" "$folder/received"
}

keep() {
	receive recv --keep "$folder/received"
	for size in 65537 1 262145; do
		run send "$weir" send -c -P 2 "$address" "$folder/in.$size"
		ends "$run_pid" 0 "send $size to recv --keep"
		same "$folder/in.$size" "$folder/received"
	done
	kill -TERM "$recv_pid"
	ends "$recv_pid" 0 "recv --keep"
	[ ! -e "$folder/received.part" ] || fail "received.part is there"
}

# What the file is after: whole, with the old one's mode, under the old one's links.
files() {
	local to=$folder/target

	echo old >"$to"
	chmod 640 "$to"
	ln -s target "$folder/link"
	receive recv "$folder/link" --sync
	same <(echo old) "$to"
	run send "$weir" send "$address" "$middle"
	ends "$run_pid" 0 "send through a link"
	ends "$recv_pid" 0 "recv through a link"
	same "$middle" "$to"
	[ -L "$folder/link" ] || fail "the link was replaced"
	[ "$(stat -c %a "$to")" = 640 ] || fail "the mode was changed"
	cat "$large" >"$folder/received"
	receive recv --inplace "$folder/received"
	run send "$weir" send -P 3 "$address" "$middle"
	ends "$run_pid" 0 "send to recv --inplace"
	ends "$recv_pid" 0 "recv --inplace"
	same "$middle" "$folder/received"
	receive recv /dev/null
	run send "$weir" send -P 3 -c "$address" "$large"
	ends "$run_pid" 0 "send to a device"
	ends "$recv_pid" 0 "recv into a device"
}

# What is printed, and when.
output() {
	receive recv --progress "$folder/received"
	mkfifo "$folder/source"
	run_stdin=$folder/source
	run send "$weir" send --progress "$address"
	unset run_stdin
	exec 8>"$folder/source"
	cat "$middle" >&8
	wait_until "recv shows progress" has_line "$folder/recv.err" '^256 KiB  .*/s  .* s  [a-z]'
	wait_until "send shows progress" has_line "$folder/send.err" '^256 KiB  .*/s  .* s  [a-z]'
	exec 8>&-
	ends "$run_pid" 0 "send --progress"
	ends "$recv_pid" 0 "recv --progress"
	says recv '^received 262145 bytes (256 KiB) in .* s, .*/s$'
	says send '^sent 262145 bytes (256 KiB) in .* s, .*/s$'
	rm "$folder/source"
	run recv "$weir" recv -q "unix:$folder/socket" "$folder/received"
	recv_pid=$run_pid
	wait_until "recv -q listens" test -S "$folder/socket"
	run send "$weir" send -q "unix:$folder/socket" "$middle"
	ends "$run_pid" 0 "send -q"
	ends "$recv_pid" 0 "recv -q"
	[ ! -s "$folder/recv.err" ] && [ ! -s "$folder/send.err" ] || fail "-q prints"
}

for plane in $(planes); do
	sizes "$plane"
	pipes "$plane"
	back_pressure "$plane"
	trickle "$plane"
	faults "$plane"
done
addresses
raw_peers
keep
files
output
finish
