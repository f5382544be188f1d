#!/bin/bash
# SPDX-License-Identifier: MIT
#
# recv_send_args.sh - bad arguments of weir recv and weir send.
#
# Theory: each ends at once with exit code 2 and a message that names what is bad and what is legal;
# nothing is written, nobody is connected to.

. "$(dirname "$0")/lib_stream.sh"

# refuses "SAYS" ARGUMENTS...
refuses() {
	local text=$1

	shift
	run refused "$weir" "$@"
	ends "$run_pid" 2 "weir $*"
	says refused "$text"
	says refused "Try 'weir $1 --help'"
	[ ! -s "$folder/refused.out" ] || fail "weir $* writes to standard output"
}

content "$folder/in" 10
cd "$folder" || exit 1

for command in recv send; do
	refuses "unknown option --nonsense" $command --nonsense
	refuses "unknown option -Z in '-Z'" $command -Z
	refuses "did you mean --plane?" $command --plain uring
	refuses "bad value 'dpdk' for --plane: legal is one of: auto, zcrx, uring, epoll" \
		$command --plane dpdk 127.0.0.1:9000
	refuses "--plane wants a value: one of: auto, zcrx, uring, epoll" \
		$command 127.0.0.1:9000 --plane
	refuses "bad value '-1' for -t/--timeout: legal is seconds" $command -t -1 127.0.0.1:9000
	refuses "bad value 'soon' for -t/--timeout" $command --timeout=soon 127.0.0.1:9000
	refuses "-4 and -6 exclude each other" $command -4 -6 127.0.0.1:9000
	refuses "-q/--quiet and --progress exclude each other" \
		$command -q --progress 127.0.0.1:9000
	refuses "unexpected operand 'three'" $command 127.0.0.1:9000 in three
	refuses "bad FILE ''" $command 127.0.0.1:9000 ""
	refuses "'' is no address: legal is HOST:PORT" $command "" in
	refuses "bad port '99999' in '127.0.0.1:99999': legal is" $command 127.0.0.1:99999 in
	refuses "bad port 'x' in 'localhost:x'" $command localhost:x in
	refuses "'\[::1' is no address" $command "[::1" in
	refuses "--raw and --checksum exclude each other" \
		$command --raw --checksum 127.0.0.1:9000 in
	refuses "unix" $command "unix:" in
	refuses "File name too long" $command "unix:/$(printf %0200d 0)" in
	refuses "option --raw takes no value: 'yes'" $command --raw=yes 127.0.0.1:9000 in
done
refuses "too few operands: weir send \[OPTIONS\] ADDR" send
refuses "bad port '0'.*: legal is 1 to 65535" send 127.0.0.1:0 in
refuses "bad value '0' for -P/--parallel: legal is a whole number, 1 to 128" \
	send -P 0 127.0.0.1:9000 in
refuses "bad value '129' for -P/--parallel" send -P129 127.0.0.1:9000 in
refuses "bad value '4x' for -P/--parallel" send -P 4x 127.0.0.1:9000 in
refuses "bad value '17M' for -l/--length.*1 to 16M" send -l 17M 127.0.0.1:9000 in
refuses "bad value '1Z' for -l/--length" send -l 1Z 127.0.0.1:9000 in
refuses "bad value 'yes' for --zerocopy: legal is one of: auto, never, always" \
	send --zerocopy yes 127.0.0.1:9000 in
refuses "--raw and -P 2 exclude each other" send --raw -P 2 127.0.0.1:9000 in
refuses "exclude each other" recv --keep --listen-once 127.0.0.1:0 out
[ "$(echo *)" = "in probe.err probe.out refused.err refused.out shell.err" ] ||
	[ "$(echo *)" = "in refused.err refused.out shell.err" ] ||
	fail "files were made: $(echo *)"
finish
