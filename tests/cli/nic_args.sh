#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_args.sh - weir nic: words, options and operands that are wrong
#
# Theory: everything wrong is found before anything is asked of an interface; the exit code is 2,
# the message names what is wrong, and what is legal.

. "$(dirname "$0")/lib_stream.sh"

# gives CODE WORDS...
gives() {
	local code=$1

	shift
	run command "$weir" nic "$@"
	ends "$run_pid" "$code" "weir nic $*"
}

# wrong TEXT WORDS...: refused as usage, and the message has the text
wrong() {
	local text=$1

	shift
	gives 2 "$@"
	says command "$text"
}

wrong "Usage: weir nic"
wrong "did you mean 'status'" statsu
wrong "unknown word 'xyzzy'" xyzzy
wrong "" plan
wrong "" plan lo lo
wrong "for" plan lo --for nothing
wrong "flow" plan lo --flow 5201
wrong "tcp:PORT" plan lo --flow tcp:host:80
wrong "queues" plan lo --queues 0
wrong "queues" plan lo --queues 65
wrong "queue" plan lo --queue -1
wrong "channels" plan lo --channels 0
wrong "irq-cpu" plan lo --irq-cpu 1,
wrong "irq-cpu" plan lo --irq-cpu a
wrong "names 2 CPUs for 1 queues" plan lo --irq-cpu 1,2
wrong "hold" plan lo --hold
wrong "hold" restore --hold
wrong "alive" restore --alive --dead-only lo
for word in status plan apply restore; do
	gives 0 $word --help
	grep -q "^Usage: weir nic $word" "$folder/command.out" || fail "no help of $word"
done
gives 0 --help
gives 1 plan nosuch0
says command "nosuch0"
gives 1 restore nosuch0
says command "nosuch0"
gives 1 plan "a-name-that-is-too-long"
gives 1 plan "%s%n"
gives 1 plan ""
finish
