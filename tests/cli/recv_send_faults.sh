#!/bin/bash
# SPDX-License-Identifier: MIT
#
# recv_send_faults.sh - what weir recv and weir send do when something goes wrong.
#
# Theory: each fault is brought about by a proxy, a bad peer, a signal or a device that is full;
# each must end in exit code 1 on the side that can know, with a message that names it, before the
# deadline, and with no file that could be taken for whole.  The parts wait more than they compute:
# each runs in a process of its own, with the script's name for the part as argument, beside the
# others.
#
# Timeout: 300

. "$(dirname "$0")/lib_stream.sh"

# together PART...: each at the same time as the others; fails where one of them does.
together() {
	local part bad=

	for part in "$@"; do
		run "part.$part" "$BASH" "$0" "$part"
		part_pids[$part]=$run_pid
	done
	for part in "$@"; do
		wait "${part_pids[$part]}" || bad="$bad $part"
		cat "$folder/part.$part.out"
	done
	[ -z "$bad" ] || fail "parts that failed:$bad"
}
declare -A part_pids

to=$folder/received
large=$folder/in.large
small=$folder/in.small
content "$large" 50000000
content "$small" 10000

# proxy AT ACTION: between $address and the peer; $address becomes the proxy's.
proxy() {
	run proxy python3 -B "$peer" proxy "$address" "$1" "$2"
	proxy_pid=$run_pid
	wait_until "the proxy listens" has_line "$folder/proxy.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/proxy.err")
}

# broken WHAT "RECV SAYS" "SEND SAYS": both sides fail, and nothing is left.
broken() {
	ends "$recv_pid" 1 "recv, $1"
	ends "$send_pid" 1 "send, $1"
	says recv "$2"
	says send "$3"
	nothing_left "$to"
}

send_to() {
	run send "$weir" send "$@"
	send_pid=$run_pid
}

damage() {
	local plane=$1

	receive recv --plane "$plane" "$to"
	proxy 30000000 flip
	send_to --plane "$plane" -c "$address" "$large"
	broken "a flipped byte" 'checksum mismatch: sent [0-9a-f]*, received' \
		'the receiver says: checksum mismatch'
	receive recv --plane "$plane" "$to"
	proxy 20000000 flip
	send_to --plane "$plane" -c -P 4 "$address" "$large"
	broken "a flipped byte, 4 streams" 'checksum mismatch' 'checksum mismatch'
	# The very first byte is the hello's.
	receive recv --plane "$plane" "$to"
	proxy 0 flip
	send_to --plane "$plane" "$address" "$small"
	broken "a flipped hello" 'not weir send' 'the receiver says: .*not weir send'
	# Byte 32 is the first record's.
	receive recv --plane "$plane" "$to"
	proxy 32 flip
	send_to --plane "$plane" "$address" "$large"
	broken "a flipped record" 'no record' 'the receiver says: .*no record'
}

truncation() {
	local plane=$1

	for at in 20 40 1000000; do
		receive recv --plane "$plane" "$to"
		proxy $at cut
		send_to --plane "$plane" "$address" "$large"
		broken "cut at $at" 'incomplete\|not weir send' 'without a result\|reset\|pipe'
	done
	receive recv --plane "$plane" "$to"
	proxy 1000000 cut
	send_to --plane "$plane" -P 4 "$address" "$large"
	broken "cut, 4 streams" 'incomplete' 'incomplete\|without a result\|reset\|pipe'
	receive recv --plane "$plane" "$to"
	proxy 1000000 reset
	send_to --plane "$plane" "$address" "$large"
	broken "reset" 'incomplete: .*reset' 'without a result\|reset\|pipe'
	receive recv --plane "$plane" --raw "$to"
	proxy 1000000 reset
	send_to --plane "$plane" --raw "$address" "$large"
	broken "reset, raw" 'incomplete: .*reset' 'reset\|pipe'
}

part_grows() {
	[ "$(stat -c %s "$to.part" 2>/dev/null || echo 0)" -gt 0 ]
}

# A sender that is half way: its source is a fifo that stays open.
half_way() {
	mkfifo "$folder/source"
	run_stdin=$folder/source
	send_to "$@" "$address"
	unset run_stdin
	exec 8>"$folder/source"
	cat "$small" >&8
	wait_until "half of it arrives" part_grows
}

end_half_way() {
	exec 8>&-
	rm "$folder/source"
}

processes() {
	local plane=$1

	receive recv --plane "$plane" "$to"
	half_way --plane "$plane" -P 2
	kill -KILL "$send_pid"
	ends "$recv_pid" 1 "recv with a killed sender"
	says recv 'incomplete'
	nothing_left "$to"
	end_half_way
	receive recv --plane "$plane" "$to"
	half_way --plane "$plane"
	kill -KILL "$recv_pid"
	cat "$small" >&8
	ends "$send_pid" 1 "send with a killed receiver"
	says send 'reset\|pipe\|without a result'
	rm -f "$to.part"
	end_half_way
	receive recv --plane "$plane" "$to"
	half_way --plane "$plane"
	kill -TERM "$recv_pid"
	ends "$recv_pid" 1 "recv after SIGTERM"
	says recv 'stopped by signal 15'
	nothing_left "$to"
	ends "$send_pid" 1 "send with a receiver that was stopped"
	says send 'stopped by signal 15'
	end_half_way
	receive recv --plane "$plane" "$to"
	half_way --plane "$plane"
	kill -INT "$send_pid"
	ends "$send_pid" 1 "send after SIGINT"
	says send 'stopped by signal 2'
	ends "$recv_pid" 1 "recv with a sender that was stopped"
	nothing_left "$to"
	end_half_way
	receive recv --plane "$plane" "$to"
	kill -TERM "$recv_pid"
	ends "$recv_pid" 1 "recv after SIGTERM, before anyone came"
	nothing_left "$to"
}

# Peers that are there and do nothing.
silence() {
	local plane=$1

	receive recv --plane "$plane" --timeout 1 "$to"
	half_way --plane "$plane"
	kill -STOP "$send_pid"
	ends "$recv_pid" 1 "recv with a stopped sender"
	says recv 'nothing arrived for 1.0 s'
	nothing_left "$to"
	kill -CONT "$send_pid"
	ends "$send_pid" 1 "send after it was stopped"
	end_half_way
	receive recv --plane "$plane" "$to"
	send_to --plane "$plane" --timeout 1 "$address" "$large"
	kill -STOP "$recv_pid"
	ends "$send_pid" 1 "send with a stopped receiver"
	says send 'took nothing for 1.0 s\|no answer'
	kill -CONT "$recv_pid"
	ends "$recv_pid" 1 "recv after it was stopped"
	nothing_left "$to"
	receive recv --plane "$plane" --timeout 1 "$to"
	run peer python3 -B "$peer" join "$address" 3 "only 1 of 3"
	ends "$recv_pid" 1 "recv with missing streams"
	ends "$run_pid" 0 "a peer with missing streams"
	nothing_left "$to"
}

mute_peer() {
	receive recv "$to"
	run peer python3 -B "$peer" mute "$address"
	ends "$recv_pid" 1 "recv with a mute peer"
	says recv 'said nothing for 10 s'
	nothing_left "$to"
}

full_disk() {
	receive recv /dev/full
	send_to -P 2 "$address" "$large"
	ends "$recv_pid" 1 "recv into /dev/full"
	ends "$send_pid" 1 "send into /dev/full"
	says recv 'cannot write /dev/full: No space left'
	says send 'the receiver says: cannot write /dev/full: No space left'
	if [ "$(id -u)" -eq 0 ] && mkdir "$folder/disk" &&
	   mount -t tmpfs -o size=4m none "$folder/disk" 2>/dev/null; then
		mounted=$folder/disk
		for streams in 1 4; do
			receive recv "$mounted/file"
			send_to -P $streams "$address" "$large"
			ends "$recv_pid" 1 "recv onto a full disk"
			ends "$send_pid" 1 "send onto a full disk"
			says recv 'No space left'
			says send 'the receiver says: .*No space left'
			nothing_left "$mounted/file"
		done
		receive recv --raw "$mounted/file"
		send_to --raw "$address" "$large"
		ends "$recv_pid" 1 "recv --raw onto a full disk"
		ends "$send_pid" 1 "send --raw onto a full disk"
		nothing_left "$mounted/file"
		umount "$mounted"
		mounted=
	fi
	receive recv --inplace "$to"
	proxy 1000000 cut
	send_to "$address" "$large"
	ends "$recv_pid" 1 "recv --inplace, cut"
	ends "$send_pid" 1 "send to recv --inplace, cut"
	says recv "$to is incomplete"
	rm -f "$to"
}

recv_into_head() {
	"$weir" recv "$1" 127.0.0.1:0 | head -c 10 >/dev/null
	return "${PIPESTATUS[0]}"
}

broken_pipe() {
	local plane=$1

	run recv recv_into_head "--plane=$plane"
	recv_pid=$run_pid
	wait_until "recv listens" has_line "$folder/recv.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/recv.err")
	send_to --plane "$plane" -P 2 "$address" "$large"
	ends "$recv_pid" 1 "recv into a pipe that breaks"
	ends "$send_pid" 1 "send into a pipe that breaks"
	says recv 'standard output: Broken pipe'
	says send 'the receiver says: .*Broken pipe'
}

# Nothing that a peer sends may wedge, crash or fool the receiver.
rubbish() {
	local plane=$1 seed=${WEIR_TEST_SEED:-$RANDOM}

	receive recv --plane "$plane" --keep "$to"
	run peer python3 -B "$peer" rubbish "$address"
	ends "$run_pid" 0 "rubbish"
	same <(printf xxxxxxxxxx) "$to"
	run peer python3 -B "$peer" busy "$address"
	ends "$run_pid" 0 "two at a time"
	same <(printf aaaaaaaaaa) "$to"
	kill -TERM "$recv_pid"
	ends "$recv_pid" 1 "recv --keep after rubbish"
	# Damage may ask for streams that never come: that must not last.
	receive recv --plane "$plane" --keep --timeout 2 "$to"
	echo "recv_send_faults: WEIR_TEST_SEED=$seed"
	run peer python3 -B "$peer" fuzz "$address" "$seed" 200
	ends "$run_pid" 0 "fuzz"
	send_to -c -P 4 "$address" "$large"
	ends "$send_pid" 0 "send after rubbish"
	same "$large" "$to"
	kill -TERM "$recv_pid"
	ends "$recv_pid" 1 "recv --keep after fuzz"
	rm "$to"
	[ ! -e "$to.part" ] || fail "$to.part is there"
	receive recv --plane "$plane" -
	run peer python3 -B "$peer" stuck "$address"
	ends "$run_pid" 0 "a hole in a pipe's stream"
	ends "$recv_pid" 1 "recv of a hole"
	receive recv --checksum "$to"
	send_to "$address" "$small"
	broken "no checksum where one is wanted" 'gives no checksum' 'gives no checksum'
}

bad_answers() {
	local plane=$1

	for what in rubbish short wrong; do
		run answer python3 -B "$peer" answer $what
		recv_pid=$run_pid
		wait_until "the peer listens" has_line "$folder/answer.err" '^listening on '
		address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/answer.err")
		send_to --plane "$plane" "$address" "$small"
		ends "$send_pid" 1 "send with an answer that is $what"
		ends "$recv_pid" 0 "the peer that answers $what"
		case $what in
		rubbish) says send "not weir recv's" ;;
		short) says send 'without a result\|reset' ;;
		wrong) says send 'the receiver has 12345 bytes, not 10000' ;;
		esac
	done
	# Framed on one side, raw on the other.
	receive recv --plane "$plane" --raw "$to"
	send_to --plane "$plane" --timeout 2 "$address" "$small"
	ends "$send_pid" 1 "a framed sender to a raw receiver"
	kill -TERM "$recv_pid" 2>/dev/null
	wait "$recv_pid"
	rm -f "$to" "$to.part"
	receive recv --plane "$plane" "$to"
	send_to --plane "$plane" --raw "$address" "$small"
	ends "$recv_pid" 1 "a raw sender to a framed receiver"
	says recv 'not weir send'
	nothing_left "$to"
	wait_until "send ends" gone "$send_pid"
}

# The last two progress lines say the same, and it is not nothing.
held_up() {
	local lines

	lines=$(tail -2 "$folder/send.err" | sed -n 's/^\([^ ]* [KMG]*i*B\) .*% .*/\1/p')
	[ "$(echo "$lines" | wc -l)" = 2 ] && [ "$(echo "$lines" | uniq | wc -l)" = 1 ]
}

files() {
	local mine=$folder/mine

	run recv "$weir" recv 127.0.0.1:0 "$folder/no/such/folder"
	ends "$run_pid" 1 "recv into a folder that is not there"
	says recv 'No such file or directory'
	run recv "$weir" recv 127.0.0.1:0 "$folder"
	ends "$run_pid" 1 "recv into a folder"
	says recv 'Is a directory'
	receive recv "$to"
	run second "$weir" recv 127.0.0.1:0 "$to"
	ends "$run_pid" 1 "a second recv into the same file"
	says second 'written by another process'
	[ -e "$to.part" ] || fail "the second one took the first one's file away"
	kill -TERM "$recv_pid"
	ends "$recv_pid" 1 "the first one"
	# A file that gets shorter while the receiver does not read.
	cp "$large" "$mine"
	mkfifo "$folder/fifo"
	exec 7<>"$folder/fifo"
	run recv "$weir" recv 127.0.0.1:0 "$folder/fifo"
	recv_pid=$run_pid
	wait_until "recv listens" has_line "$folder/recv.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/recv.err")
	send_to --progress -c "$address" "$mine"
	wait_until "send is held up" held_up
	: >"$mine"
	run drain cat "$folder/fifo"
	drain_pid=$run_pid
	ends "$send_pid" 1 "send of a file that gets shorter"
	says send 'got shorter'
	ends "$recv_pid" 1 "recv of a file that gets shorter"
	exec 7>&-
	# It may wait for a writer that will not come any more.
	kill "$drain_pid" 2>/dev/null
	wait "$drain_pid" 2>/dev/null
	run send "$weir" send 127.0.0.1:1 "$folder/none"
	ends "$run_pid" 1 "send of no file"
	says send 'No such file or directory'
	run recv bash -c "exec '$weir' recv 127.0.0.1:0 - >&-"
	ends "$run_pid" 1 "recv with standard output closed"
	says recv 'cannot write standard output: Bad file descriptor'
	run send bash -c "exec '$weir' send 127.0.0.1:1 - <&-"
	ends "$run_pid" 1 "send with standard input closed"
	says send 'cannot read standard input: Bad file descriptor'
	run send "$weir" send 127.0.0.1:1 "$folder"
	ends "$run_pid" 1 "send of a folder"
	says send 'Is a directory'
}

connecting() {
	run peer python3 -B "$peer" raw_recv /dev/null
	wait_until "the peer listens" has_line "$folder/peer.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/peer.err")
	# Its port is taken now, and free of listeners once it is gone.
	run recv "$weir" recv "$address" "$to"
	ends "$run_pid" 1 "recv on a port that is taken"
	says recv 'Address already in use'
	nothing_left "$to"
	kill -KILL "${pids[-2]}"
	wait "${pids[-2]}" 2>/dev/null
	run send "$weir" send "$address" "$small"
	ends "$run_pid" 1 "send to nobody"
	says send "cannot connect to $address: Connection refused"
	run send "$weir" send "unix:$folder/nobody" "$small"
	ends "$run_pid" 1 "send to no UNIX socket"
	says send "cannot connect.*: No such file\|No such file"
	run send "$weir" send "no.such.host.invalid:9000" "$small"
	ends "$run_pid" 1 "send to a host that is not there"
	says send 'no.such.host.invalid'
}

part=${1-}
case $part in
"")
	rm "$large" "$small"
	together $(planes) mute full_disk files connecting
	exit 0
	;;
mute)
	mute_peer
	;;
full_disk | files | connecting)
	$part
	;;
*)
	damage "$part"
	truncation "$part"
	processes "$part"
	silence "$part"
	broken_pipe "$part"
	rubbish "$part"
	bad_answers "$part"
	;;
esac
finish
