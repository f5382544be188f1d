#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_json.sh - our JSON has every key that stock iperf3's has, on either side; the server's
# output reaches the client.
#
# Theory: the same test is run with stock iperf3 and with ours; the paths of all keys of the stock
# document must be in ours.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

# keys_of STOCK OURS NAME: every path of keys in STOCK is in OURS
keys_of() {
	python3 - "$@" <<-'END' || failures=$((failures + 1))
	import json, sys

	def paths(j, at=""):
	    if isinstance(j, dict):
	        for key, value in j.items():
	            yield at + "." + key
	            yield from paths(value, at + "." + key)
	    elif isinstance(j, list):
	        for value in j:
	            yield from paths(value, at + "[]")

	stock, ours = (set(paths(json.load(open(p)))) for p in sys.argv[1:3])
	missing = sorted(stock - ours)
	if missing:
	    print("FAIL: %s: keys that iperf3 has and we have not: %s" % (sys.argv[3], missing))
	    sys.exit(1)
	END
}

# both_sides NAME OPTIONS: the client's and the server's document, stock's and ours
both_sides() {
	local name=$1
	shift
	start_server stock -J -1
	must_client "$name, stock" stock -c 127.0.0.1 -J "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	cp client.out stock.client.json
	cp server.out stock.server.json
	stop_server
	start_server weir -J -1
	must_client "$name, weir" weir -c 127.0.0.1 -J "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	cp client.out weir.client.json
	cp server.out weir.server.json
	stop_server
	keys_of stock.client.json weir.client.json "$name, client"
	keys_of stock.server.json weir.server.json "$name, server"
	for side in client server; do
		json weir.$side.json "$name, $side" \
			'j["weir"]["plane"] in ("uring", "epoll")' \
			'j["weir"]["why"].startswith(j["weir"]["plane"])' \
			'j["weir"]["rx_copied_bytes"] <= j["weir"]["rx_bytes"]'
	done
}

both_sides "TCP" -n 4M
both_sides "TCP -t -i" -t 1 -i 0.3
both_sides "TCP -R" -R -n 4M
both_sides "TCP -P 2 --bidir" -P 2 --bidir -n 4M
both_sides "UDP" -u -b 10M -k 100 -l 1000
both_sides "UDP -R" -u -R -b 10M -k 100 -l 1000
both_sides "UDP --bidir" -u --bidir -b 10M -k 100 -l 1000
both_sides "title" -n 1M -T "a title" --extra-data "more data"
json weir.server.json "title" 'j["extra_data"] == "more data"' 'j["title"] == "a title"'
json weir.client.json "title" 'j["extra_data"] == "more data"' 'j["title"] == "a title"'
json weir.server.json "bytes" 'j["weir"]["rx_bytes"] >= end["sum_received"]["bytes"]'
json weir.client.json "bytes" 'j["weir"]["tx_bytes"] >= end["sum_sent"]["bytes"]'

# --get-server-output, text and JSON, in all pairings
for server in stock weir; do
	for side in stock weir; do
		[ "$server$side" = stockstock ] && continue
		name="$side -> $server --get-server-output"
		start_server "$server"
		must_client "$name" "$side" -c 127.0.0.1 -n 1M --get-server-output
		grep -q "^Server output:" client.out || fail "$name: no server output"
		grep -q "^Accepted connection from" client.out || fail "$name: no server's line"
		[ "$(grep -c receiver client.out)" -eq 2 ] || fail "$name: $(cat client.out)"
		must_client "$name -J" "$side" -c 127.0.0.1 -n 1M --get-server-output -J
		json client.out "$name -J" '"receiver" in j["server_output_text"]'
		stop_server
		start_server "$server" -J
		must_client "$name, server -J" "$side" -c 127.0.0.1 -n 1M --get-server-output -J
		json client.out "$name, server -J" \
			'j["server_output_json"]["end"]["sum_received"]["bytes"] > 0' \
			'j["server_output_json"]["start"]["test_start"]["bytes"] == 1 << 20'
		must_client "$name, server -J, text" "$side" -c 127.0.0.1 -n 1M --get-server-output
		grep -q "^Server JSON output:" client.out || fail "$name: no JSON in the text"
		stop_server
	done
done

# an error is in the document too, and the exit code tells
port=$(free_port)
client weir -c 127.0.0.1 -J
[ $? -eq 1 ] || fail "no server: exit code"
json client.out "no server" '"unable to connect" in j["error"]' '"refused" in j["error"]'

# bytes over 2^32 and the sums of many intervals stay numbers
start_server weir
must_client "-b 1K" weir -c 127.0.0.1 -J -n 1K -l 100 --extra-data '"quoted"\'
json client.out "-b 1K" 'j["extra_data"] == "\"quoted\"\\"'
stop_server
finish
