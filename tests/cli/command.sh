#!/bin/bash
# SPDX-License-Identifier: MIT
#
# command.sh - the weir command itself: help, version, unknown commands, a full standard output.
#
# Theory: help and usage come from one table, so every command that is listed must have help that
# begins with its own usage, and must refuse an unknown option.

. "$(dirname "$0")/lib_stream.sh"

# gives CODE ARGUMENTS...
gives() {
	local code=$1

	shift
	run command "$weir" "$@"
	ends "$run_pid" "$code" "weir $*"
}

prints() {
	grep -q -- "$1" "$folder/command.out" || fail "standard output lacks '$1'"
	checks=$((checks + 1))
}

gives 0 --version
prints '^weir [0-9]*\.[0-9]*\.[0-9]*$'
gives 0 version
prints '^weir [0-9]'
gives 2
says command '^Usage: weir COMMAND'
[ ! -s "$folder/command.out" ] || fail "usage after an error is on standard output"
for way in help --help -h; do
	gives 0 $way
	prints '^Usage: weir COMMAND'
	prints '^Commands:$'
done
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z0-9]*\) .*/\1/p' "$folder/command.out")
for command in recv send iperf3 doctor nic help version; do
	grep -qx "$command" <<<"$commands" || fail "the help does not list $command"
done
for command in $commands; do
	gives 0 help "$command"
	prints "^Usage: weir $command"
	case $command in
	help | version) continue ;;
	esac
	gives 0 "$command" --help
	prints "^Usage: weir $command"
	gives 2 "$command" --no-such-option
	says command 'no-such-option'
done
gives 2 sned
says command "unknown command 'sned'; did you mean 'send'?"
gives 2 help sned
says command "did you mean 'send'?"
gives 2 xyzzyxyzzy
says command "unknown command 'xyzzyxyzzy'$"
gives 2 --no-such-option
says command "unknown option '--no-such-option'"
gives 2 help recv send
says command "unexpected operand 'send'"
gives 2 version 1
says command "unexpected operand '1'"
if [ -c /dev/full ]; then
	run full bash -c "'$weir' help >/dev/full"
	ends "$run_pid" 1 "help onto a full device"
	says full 'cannot write to standard output: No space left'
fi
run closed bash -c "exec '$weir' help >&-"
ends "$run_pid" 1 "help with standard output closed"
says closed 'cannot write to standard output'
finish
