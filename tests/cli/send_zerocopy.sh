#!/bin/bash
# SPDX-License-Identifier: MIT
#
# send_zerocopy.sh - where weir send takes its bytes from, and what it says of copies.
#
# Theory: a file is sent from a mapping, everything else from buffers; every kind of source, with
# each answer to --zerocopy, must arrive as it is.  A file that gets shorter meanwhile must end in
# exit code 1 with that reason, by no signal, wherever it is cut: then the kernel finds no page, or
# a page whose end has become zeros.  Loopback copies, so "always" must count copies on the way.
#
# Timeout: 240

. "$(dirname "$0")/lib_stream.sh"

LARGE=17000000 # more than a request of -l 16M takes
to=$folder/received
large=$folder/in.large
middle=$folder/in.middle
content "$large" $LARGE
content "$middle" 1000003
: >"$folder/in.empty"

# sent WHAT FILE: both sides succeed, and the bytes are the same.
sent() {
	ends "$run_pid" 0 "send, $1"
	ends "$recv_pid" 0 "recv, $1"
	same "$2" "$to"
	rm -f "$to"
}

kinds() {
	local plane=$1 zc=$2

	for size in 1 4095 4096 4097 258047 258048 258049; do
		content "$folder/in.size" $size
		receive recv "$to"
		run send "$weir" send --plane "$plane" --zerocopy "$zc" "$address" "$folder/in.size"
		sent "a file of $size bytes, $zc, $plane" "$folder/in.size"
	done
	for args in "" "-P 5" "--raw" "-l 1000003 -P 2" "-l 16M"; do
		receive recv "$to" $([ "$args" = --raw ] && echo --raw)
		# shellcheck disable=SC2086
		run send "$weir" send --plane "$plane" --zerocopy "$zc" $args "$address" "$large"
		sent "a file, $zc, $args, $plane" "$large"
		says send "^plane: $plane; why: .*; source: the file's pages\$"
		copies "$zc" "$args"
	done
	receive recv "$to"
	run send "$weir" send --plane "$plane" --zerocopy "$zc" -c -P 3 "$address" "$large"
	sent "a file with a checksum, $zc, $plane" "$large"
	says send '; source: buffers$'
	receive recv "$to"
	run send bash -c "cat '$large' | '$weir' send --plane $plane --zerocopy $zc $address"
	sent "a pipe, $zc, $plane" "$large"
	says send '; source: buffers$'
	receive recv "$to"
	run send "$weir" send --plane "$plane" --zerocopy "$zc" "$address" "$folder/in.empty"
	sent "an empty file, $zc, $plane" "$folder/in.empty"
	says send '^sent 0 bytes'
}

# Over loopback nothing goes without a copy, whatever was asked for.
copies() {
	local of

	of=$(sed -n 's/.*; bytes sent without a copy: 0 of \([0-9]*\);.*/\1/p' "$folder/send.err")
	[ -n "$of" ] && [ "$of" -ge $LARGE ] || fail "$1, $2: bytes without a copy are not 0"
	case $1 in
	always)
		of=$(sed -n 's/.*; asked for, but copied on the way: \([0-9]*\);.*/\1/p' \
			"$folder/send.err")
		[ -n "$of" ] && [ "$of" -ge $LARGE ] || fail "$2: $of bytes copied on the way"
		;;
	never)
		has_line "$folder/send.err" 'copied on the way' && fail "$2: never, and asked for"
		;;
	esac
	checks=$((checks + 1))
}

# Standard input that somebody has read from: what is left, which begins within a page.
half_read() {
	tail -c +5001 "$middle" >"$folder/rest"
	for zc in auto always; do
		receive recv "$to"
		run send bash -c "{ dd bs=5000 count=1 of='$folder/first' status=none
			exec '$weir' send --zerocopy $zc $address; } <'$middle'"
		sent "what is left of standard input, $zc" "$folder/rest"
		says send "; source: the file's pages\$"
	done
}

stalled() {
	local lines

	lines=$(tail -2 "$folder/send.err" | sed -n 's/^\([^ ]* [KMG]*i*B\) .*% .*/\1/p')
	[ "$(echo "$lines" | wc -l)" = 2 ] && [ "$(echo "$lines" | uniq | wc -l)" = 1 ]
}

# shortened PLANE ZEROCOPY SIZE ARGUMENTS...: cut to SIZE while the receiver does not read.
shortened() {
	local plane=$1 zc=$2 size=$3 mine=$folder/mine drain_pid

	shift 3
	content "$mine" 40000000 # more than fits on the way
	mkfifo "$folder/fifo"
	exec 7<>"$folder/fifo"
	receive recv "$folder/fifo" $([ "${1-}" = --raw ] && echo --raw)
	run send "$weir" send --progress --plane "$plane" --zerocopy "$zc" "$@" "$address" "$mine"
	send_pid=$run_pid
	wait_until "send is held up" stalled
	truncate -s "$size" "$mine"
	run drain cat "$folder/fifo"
	drain_pid=$run_pid
	ends "$send_pid" 1 "send of a file cut to $size, $zc, $*, $plane"
	says send "weir send: $mine got shorter while it was read"
	wait_until "recv ends" gone "$recv_pid"
	# A raw receiver cannot tell a file that is over from one that is not.
	[ "${1-}" = --raw ] || ends "$recv_pid" 1 "recv of a file cut to $size"
	exec 7>&-
	kill "$drain_pid" 2>/dev/null
	wait "$drain_pid" 2>/dev/null
	rm "$folder/fifo" "$mine"
}

for plane in $(planes); do
	for zc in auto never always; do
		kinds "$plane" $zc
	done
	# Nothing left; in the middle of what was not read yet; within the last page.
	shortened "$plane" auto 0
	shortened "$plane" auto 39999990
	shortened "$plane" always 0 -P 3
	shortened "$plane" always 35000001
	shortened "$plane" never 39999990 --raw
done
half_read
WEIR_ZEROCOPY=always
export WEIR_ZEROCOPY
receive recv "$to"
run send "$weir" send "$address" "$large"
sent "WEIR_ZEROCOPY=always" "$large"
copies always "from the environment"
unset WEIR_ZEROCOPY
run send "$weir" send --zerocopy sometimes 127.0.0.1:9000 "$middle"
ends "$run_pid" 2 "--zerocopy sometimes"
says send "bad value 'sometimes' for --zerocopy: legal is one of: auto, never, always"
finish
