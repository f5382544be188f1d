#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_server.sh - the server's and the client's life: -1, signals, PID file, log file, many
# tests.
#
# Theory: what a user does to a process is done to it, and its exit code and last words are looked
# at.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

# -1: one test, exit code 0; a visitor that is no test does not count
start_server weir -1
python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).close()"
must_client "-1" stock -c 127.0.0.1 -n 1M
until_true 10 gone "$server_pid" || fail "-1: still there"
wait "$server_pid"
[ $? -eq 0 ] || fail "-1: exit code"
forget "$server_pid"
[ "$(grep -c "Server listening" server.out)" -eq 1 ] || fail "-1: $(cat server.out)"

# --idle-timeout with -1
port=$(free_port)
timeout 10 "$WEIR" iperf3 -s -1 --idle-timeout 1 -p "$port" >server.out 2>&1 ||
	fail "--idle-timeout: exit code $?"

# SIGINT and SIGTERM while idle and during a test
for signal in INT TERM; do
	start_server weir --pidfile pid.file
	[ "$(cat pid.file)" = "$server_pid" ] || fail "--pidfile: $(cat pid.file)"
	kill "-$signal" "$server_pid"
	until_true 5 gone "$server_pid" || fail "SIG$signal while idle: still there"
	wait "$server_pid"
	[ $? -eq 1 ] || fail "SIG$signal while idle: exit code"
	forget "$server_pid"
	[ -e pid.file ] && fail "SIG$signal: the PID file is left"
	grep -q "interrupt - the server has terminated" server.out ||
		fail "SIG$signal: $(cat server.out)"

	for kind in stock weir; do
		start_server weir -i 0.1
		timeout 30 env port="$port" bash -c '
			if [ "$0" = stock ]; then exec iperf3 -p "$port" -c 127.0.0.1 -t 20 -b 100M
			else exec "$WEIR" iperf3 -p "$port" -c 127.0.0.1 -t 20 -b 100M; fi' \
			"$kind" >first.out 2>&1 &
		first=$!
		started+=("$first")
		until_true 10 grep -q "sec .*Bytes" server.out || fail "no test is running"
		kill "-$signal" "$server_pid"
		until_true 5 gone "$server_pid" || fail "SIG$signal in a test: still there"
		wait "$server_pid"
		forget "$server_pid"
		until_true 5 gone "$first" || fail "SIG$signal: the $kind client does not notice"
		wait "$first"
		[ $? -eq 1 ] || fail "SIG$signal: the $kind client's exit code"
		forget "$first"
		grep -q "the server has terminated" first.out ||
			fail "$kind client: $(tail -3 first.out)"
		grep -q "receiver" server.out ||
			fail "SIG$signal: no summary: $(tail -5 server.out)"
	done
done

# our client interrupted, at both kinds of server
for kind in stock weir; do
	start_server "$kind"
	: >first.out # here: the shell in the background may be late
	timeout --foreground 30 "$WEIR" iperf3 -p "$port" -c 127.0.0.1 -t 20 -b 100M -i 0.1 \
		>first.out 2>&1 &
	first=$!
	started+=("$first")
	until_true 10 grep -q "sec .*Bytes" first.out || fail "no test is running: $(cat first.out)"
	kill -INT "$(cat "/proc/$first/task/$first/children")"
	wait "$first"
	[ $? -eq 1 ] || fail "interrupted client: exit code"
	forget "$first"
	grep -q "interrupt - the client has terminated" first.out ||
		fail "client: $(tail -3 first.out)"
	grep -q "sender" first.out || fail "interrupted client: no summary"
	until_true 5 grep -q "the client has terminated" server.out ||
		fail "$kind server: $(tail -3 server.out)"
	must_client "$kind server, afterwards" weir -c 127.0.0.1 -n 1M
	stop_server
done

# the server is killed: our client says so and ends
start_server weir
: >first.out # here: the shell in the background may be late
timeout 30 "$WEIR" iperf3 -p "$port" -c 127.0.0.1 -t 20 -b 100M -i 0.1 >first.out 2>&1 &
first=$!
started+=("$first")
until_true 10 grep -q "sec .*Bytes" first.out || fail "no test is running: $(cat first.out)"
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
forget "$server_pid"
until_true 5 gone "$first" || fail "the client does not notice that the server is killed"
wait "$first"
[ $? -eq 1 ] || fail "killed server: the client's exit code"
forget "$first"
grep -q "control socket has closed unexpectedly" first.out || fail "killed: $(tail -3 first.out)"

# a server that stalls: something that accepts and says nothing
port=$(free_port)
python3 -c "
import socket, sys
s = socket.create_server(('127.0.0.1', $port))
print('ready', flush=True)
c = s.accept()[0]
c.recv(100)
c.recv(100)
" >fake.out &
fake=$!
started+=("$fake")
until_true 10 grep -q ready fake.out
client weir -c 127.0.0.1 --control-timeout 300
[ $? -eq 1 ] || fail "silent server: exit code"
grep -q "no answer from the server: waited for its first answer" client.err ||
	fail "silent server: $(cat client.err)"
wait "$fake"
forget "$fake"

# one server, many tests of all kinds, one after the other; it stays as small as it was
start_server weir --logfile log.out
[ -s server.out ] && fail "--logfile: output went to the terminal"
for round in 1 2 3; do
	must_client "round $round" stock -c 127.0.0.1 -n 1M
	must_client "round $round -R" weir -c 127.0.0.1 -n 1M -R
	must_client "round $round -u" stock -c 127.0.0.1 -u -b 20M -k 20 -l 1000
	must_client "round $round -u -R" weir -c 127.0.0.1 -u -b 20M -k 20 -l 1000 -R
	must_client "round $round -P" weir -c 127.0.0.1 -P 16 -n 1M --bidir
	[ $round -eq 1 ] && descriptors=$(ls "/proc/$server_pid/fd" | wc -l)
done
# The client goes before the server has closed what was its.
until_true 5 at_most_open "$descriptors" ||
	fail "$descriptors descriptors after a round, then: $(ls -l "/proc/$server_pid/fd")"
stop_server
grep -q "(test #15)" log.out || fail "log: $(tail -5 log.out)"

# a port that is taken
start_server weir
timeout 10 "$WEIR" iperf3 -s -p "$port" >second.out 2>&1
[ $? -eq 1 ] || fail "a taken port: exit code"
grep -q "unable to start listener for connections: Address already in use" second.out ||
	fail "a taken port: $(cat second.out)"
stop_server
finish
