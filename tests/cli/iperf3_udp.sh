#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_udp.sh - UDP tests in all pairings of stock iperf3 and ours, over each plane.
# Timeout: 240
#
# Theory: at rates far below what loopback carries nothing may be lost, so that counts must agree: a
# receive buffer of default size holds the datagrams of a fifth of a second, as long as a busy
# machine may keep the receiver waiting.  Without a limit only their relations can be checked; that
# comes last, as it takes all of the machine.
# A server of iperf3 3.12 drops what it has not read when it sees TEST_END, whoever the client is:
# between two of iperf3's own, one of whose servers is held up, what is missing at the end is what
# was sent meanwhile, and "lost" stays 0.  There the counts agree where the last datagrams come a
# fifth of a second before the end: bursts of 72 at 4 Mbit/s, the last after 0.8 s.  Our server
# has no such excuse; that our client says it behind its last datagram is iperf3_order.sh's.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

counts='end["sum"]["packets"] > 10 and end["sum"]["lost_packets"] == 0'
complete='end["sum_sent"]["packets"] == end["sum_received"]["packets"]'
late='0 <= end["sum_sent"]["packets"] - end["sum_received"]["packets"] <= 72'

# pair SERVER CLIENT PLANE: who is who; plane options go to ours
pair() {
	server=$1 side=$2 plane=$3 name="$2 -> $1 server ($3), UDP"
	local weir_server=()

	weir_client=()
	[ "$server" = weir ] && weir_server=(--plane "$plane")
	[ "$side" = weir ] && weir_client=(--plane "$plane")
	start_server "$server" "${weir_server[@]}"
}

run() {
	local what=$1
	shift
	must_client "$name, $what" "$side" -c 127.0.0.1 -u -J "${weir_client[@]}" "$@"
}

amounts() {
	pair "$@"
	run "-n" -n 100K -l 1000 -b 3M && json client.out "$name, -n" "$counts" \
		'102400 <= end["sum_sent"]["bytes"]' \
		"$later"' or end["sum_sent"]["bytes"] <= 103400' \
		"$later"' or end["sum_sent"]["packets"] in (103, 104)'
	run "-k" -k 50 -l 1000 -b 50M && json client.out "$name, -k" "$counts" \
		"$later"' or end["sum_sent"]["packets"] == 50'
	run "64 bit" -k 60 -l 500 -b 50M --udp-counters-64bit && json client.out "$name, 64 bit" \
		"$counts" "$later"' or end["sum_sent"]["packets"] == 60'
	run "-P 4" -P 4 -k 200 -l 500 -b 20M && json client.out "$name, -P 4" "$counts" \
		'len(end["streams"]) == 4' \
		'all(s["udp"]["packets"] > 10 for s in end["streams"])' \
		'sum(s["udp"]["packets"] for s in end["streams"]) == end["sum"]["packets"]'
	run "-R 64 bit -P 2" -R -P 2 -b 5M -l 200 -n 50K --udp-counters-64bit &&
		json client.out "$name, -R 64 bit" "$counts" \
			'end["sum_received"]["bytes"] >= 50 << 10'
	run "large" -b 5M -l 40000 -k 20 && json client.out "$name, large" "$counts"
	stop_server
}

times() {
	local all=$complete

	pair "$@"
	if [ "$server" = stock ]; then
		all=$late
		run "bursts" -b 4M/72 -l 1400 -t 1 && json client.out "$name, bursts" "$counts" \
			"$complete" 'end["sum_sent"]["packets"] in (288, 360)'
	fi
	run "-b 4M" -b 4M -l 1400 -t 1 && json client.out "$name, -b 4M" "$counts" "$all" \
		'start["test_start"]["protocol"] == "UDP"' \
		'250 < end["sum"]["packets"] < 420' \
		'0.35e6 < end["sum_sent"]["bytes"] < 0.6e6' \
		'0 <= end["sum"]["jitter_ms"] < 50' \
		'end["streams"][0]["udp"]["out_of_order"] == 0'
	run "-R" -R -b 4M -l 1400 -t 1 && json client.out "$name, -R" "$counts" \
		'end["sum_received"]["packets"] > 250' \
		'end["sum_received"]["packets"] < 420 * end["sum_received"]["seconds"]' \
		'end["sum_received"]["bytes"] > 0.35e6' \
		'end["sum_received"]["bytes"] < 0.6e6 * end["sum_received"]["seconds"]'
	stop_server
}

# What matters where the other side is stock iperf3.
omitted() {
	pair "$@"
	run "--bidir" --bidir -b 2M -l 1000 -t 1 && json client.out "$name, --bidir" "$counts" \
		'end["sum_bidir_reverse"]["packets"] > 170' \
		'end["sum_bidir_reverse"]["lost_packets"] == 0' \
		'len(end["streams"]) == 2'
	run "-O" -O 1 -t 1 -b 2M -l 1000 && json client.out "$name, -O" "$counts" \
		'170 < end["sum"]["packets"] < 300' \
		'any(i["sum"]["omitted"] for i in intervals)'
	stop_server
}

without_limit() {
	pair "$@"
	run "-b 0" -b 0 -l 1000 -t 1 && json client.out "$name, -b 0" \
		'end["sum_sent"]["packets"] > 10000' \
		'end["sum_received"]["bytes"] <= '"$slack"' * end["sum_sent"]["bytes"]' \
		'0 <= end["sum"]["lost_percent"] < 100' \
		'end["sum"]["lost_packets"] * 1000 + received <= sent + 1000000'
	stop_server
}

# all KIND PLANE
all() {
	beside "$1, stock -> weir ($2)" "$1" weir stock "$2"
	beside "$1, weir -> stock ($2)" "$1" stock weir "$2"
	[ "$1" = omitted ] || beside "$1, weir -> weir ($2)" "$1" weir weir "$2"
}

# Those that wait for time together, then those that end when they are done.
find_planes
for plane in "${planes[@]}"; do
	all times "$plane"
	all omitted "$plane"
done
join
for plane in "${planes[@]}"; do
	all amounts "$plane"
done
join
for sides in "weir stock" "stock weir" "weir weir"; do
	for plane in "${planes[@]}"; do
		beside "without a limit, $sides ($plane)" without_limit $sides "$plane"
	done
	join
done
finish
