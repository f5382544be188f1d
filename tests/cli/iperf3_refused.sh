#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_refused.sh - a second client is refused as iperf3 refuses it, and the first is not
# disturbed.
#
# Theory: the first client runs until it is interrupted; that it runs is seen in what the server
# prints.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

running() {
	grep -q "connected to" server.out && grep -q "sec .*Bytes" server.out
}

for kind in stock weir; do
	start_server weir -i 0.1
	: >first.out # here: the shell in the background may be late
	timeout 60 iperf3 -p "$port" -c 127.0.0.1 -t 30 -b 10M >first.out 2>&1 &
	first=$!
	started+=("$first")
	until_true 10 running || fail "the first client's test does not run: $(cat server.out)"
	for try in 1 2 3; do
		client "$kind" -c 127.0.0.1 -t 1
		status=$?
		[ $status -eq 1 ] || fail "$kind client $try: status $status, not 1"
		grep -q "server is busy running a test. try again later" client.out client.err ||
			fail "$kind client $try: $(cat client.out client.err)"
	done
	client "$kind" -c 127.0.0.1 -t 1 -J
	json client.out "$kind, -J" '"busy running a test" in j["error"]'
	gone "$first" && fail "the first client ended: $(cat first.out)"
	kill -INT "$first"
	wait "$first"
	forget "$first"
	until_true 10 grep -q "the client has terminated" server.out ||
		fail "the server says nothing of the interrupted client: $(tail -5 server.out)"
	must_client "after it" "$kind" -c 127.0.0.1 -n 1M
	stop_server
done

# our client against a busy stock server
start_server stock
: >first.out # here: the shell in the background may be late
timeout 60 iperf3 -p "$port" -c 127.0.0.1 -t 30 -b 10M >first.out 2>&1 &
first=$!
started+=("$first")
until_true 10 running || fail "stock: the first client's test does not run"
client weir -c 127.0.0.1 -t 1
[ $? -eq 1 ] || fail "weir client at a busy stock server: not refused"
grep -q "server is busy" client.err || fail "weir client: $(cat client.out client.err)"
kill -INT "$first"
wait "$first"
forget "$first"
finish
