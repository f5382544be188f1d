#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_text.sh - our text reports have iperf3's lines in iperf3's columns.
#
# Theory: figures differ from run to run, so every number becomes a 9 of its own width; lines that
# are then equal have the same columns.  The same test is run with stock and with ours; the kinds of
# lines must be the same, and appear in the same order.  (How many there are depends on timing.)

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

# What is left of a report when figures, units and ports are taken out.
shape() {
	local pad='s/^$//'

	[ "$later" = True ] && pad='s/ +(sender|receiver)$/ \1/'
	sed -E -e '/^weir/d' -e 's/[[:space:]]+$//' \
		-e 's/port [0-9]+/port N/g' \
		-e 's/^\[ *[0-9]+\]/[ID]/' \
		-e 's/^\[ID\] local [^ ]+ port N connected to [^ ]+/[ID] local/' \
		-e 's/[0-9]+\.[0-9]+-[0-9]+\.[0-9]+ +sec/T-T sec/' \
		-e 's/  ( *[0-9.]+) ([KMGT]?)Bytes  ( *[0-9.]+) ([KMGT]?)bits\/sec/  BYTES  BITS/' \
		-e 's/   *[0-9.]+ [KMGT]?Bytes$/   CWND/' \
		-e 's/BITS  +[0-9]+ /BITS  RETR /' -e 's/BITS  +[0-9]+$/BITS  RETR/' \
		-e 's/[0-9]+\.[0-9]{3} ms/JITTER ms/' \
		-e 's/[0-9]+\/[0-9]+ \([0-9.e+-]+%\)/LOST/' \
		-e 's/BITS ( *)[0-9]+/BITS \1COUNT/' \
		-e 's/from [0-9.:]+, /from HOST, /' \
		-e 's/^-----+$/RULE/' -e 's/(test #)[0-9]+/\1N/' -e "$pad" \
		-e 's/on [0-9]+ \(test/on N (test/' "$1" |
		awk '!seen[$0]++'
}

compare() {
	local name=$1
	shift
	start_server stock -1
	must_client "$name, stock" stock -c 127.0.0.1 "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	shape client.out >stock.client
	shape server.out >stock.server
	stop_server
	start_server weir -1
	must_client "$name, weir" weir -c 127.0.0.1 "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	shape client.out >weir.client
	shape server.out >weir.server
	grep -q "^weir: plane .*copied .* of .* received" client.out ||
		fail "$name: the client's last line is missing"
	grep -q "^weir: plane .*copied .* of .* received" server.out ||
		fail "$name: the server's last line is missing"
	stop_server
	diff stock.client weir.client >diff.out || fail "$name, client (< iperf3's):
$(cat diff.out)"
	diff stock.server weir.server >diff.out || fail "$name, server (< iperf3's):
$(cat diff.out)"
}

compare "TCP" -t 1 -i 0.5
compare "TCP -R" -t 1 -i 0.5 -R
compare "TCP -P 2" -t 1 -i 0.5 -P 2
compare "TCP --bidir" -t 1 -i 0.5 --bidir
compare "UDP" -u -b 10M -t 1 -i 0.5 -l 1000
compare "UDP -R" -u -b 10M -t 1 -i 0.5 -l 1000 -R
compare "UDP -P 2" -u -b 10M -t 1 -i 0.5 -l 1000 -P 2
compare "UDP --bidir" -u -b 10M -t 1 -i 0.5 -l 1000 --bidir

# formats, titles, timestamps, verbose
start_server weir --timestamps="[%H:%M] "
must_client "-f" weir -c 127.0.0.1 -n 4M -f M
grep -q " MBytes/sec " client.out || fail "-f M: $(cat client.out)"
grep -q '^\[[0-9:]*\] Accepted connection' server.out || fail "--timestamps: $(cat server.out)"
must_client "-f k" weir -c 127.0.0.1 -n 4M -f k
grep -q " Kbits/sec " client.out || fail "-f k: $(cat client.out)"
must_client "-T" weir -c 127.0.0.1 -n 1M -T mytitle
[ "$(grep -c -v '^mytitle:  ' client.out)" -le 2 ] || fail "-T: $(cat client.out)"
must_client "-V" weir -c 127.0.0.1 -n 1M -V
grep -q "^CPU Utilization: local/sender [0-9.]*%" client.out || fail "-V: $(cat client.out)"
grep -q "^Starting Test: protocol: TCP, 1 streams, 131072 byte blocks" client.out ||
	fail "-V: start"
must_client "-i 0" weir -c 127.0.0.1 -t 1 -i 0
[ "$(grep -c ' sec  ' client.out)" -eq 3 ] || fail "-i 0: $(cat client.out)"
must_client "--logfile" weir -c 127.0.0.1 -n 1M --logfile log.out
[ ! -s client.out ] || fail "--logfile: output went to the terminal"
grep -q "iperf Done" log.out || fail "--logfile: $(cat log.out)"
stop_server
finish
