#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_many.sh - 128 streams, in each direction and over each plane.
# Timeout: 240
#
# Theory: stock iperf3 3.12 and ours have the same limit of 128 streams; --bidir doubles them.
# Later stock clients have a thread per stream, which spins when it has sent its part of -n: with
# 128 of them on a busy machine the thread that ends the test may never run, also against the stock
# server.  They are given a time instead.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3
ulimit -n 4096 2>/dev/null

find_planes
for plane in "${planes[@]}"; do
	start_server weir --plane "$plane"
	for side in stock weir; do
		mine=()
		[ "$side" = weir ] && mine=(--plane "$plane")
		name="$side -> weir ($plane) -P 128"
		amount=(-n 128M)
		[ "$side $later" = "stock True" ] && amount=(-t 2)
		must_client "$name" "$side" -c 127.0.0.1 -P 128 "${amount[@]}" -J "${mine[@]}" &&
			json client.out "$name" 'len(end["streams"]) == 128' \
				"end['sum_sent']['bytes'] >= 128 << 20 or '${amount[0]}' == '-t'" \
				'end["sum_received"]["bytes"] > 64 << 20'
		must_client "$name -R" "$side" -c 127.0.0.1 -P 128 -t 1 -R -J "${mine[@]}" &&
			json client.out "$name -R" 'len(end["streams"]) == 128' \
				'sum(s["receiver"]["bytes"] > 0 for s in end["streams"]) >= 64' \
				'end["sum_sent"]["seconds"] < 4' \
				'received <= '"$slack"' * sent'
		must_client "$name -u" "$side" -c 127.0.0.1 -P 128 -u -b 200K -l 500 -t 1 -J \
			"${mine[@]}" &&
			json client.out "$name -u" 'len(end["streams"]) == 128' \
				'end["sum"]["lost_packets"] == 0' \
				'end["sum"]["packets"] > 128 * 30'
	done
	name="weir -> weir ($plane) -P 128 --bidir"
	must_client "$name" weir -c 127.0.0.1 -P 128 --bidir -t 1 -J --plane "$plane" &&
		json client.out "$name" 'len(end["streams"]) == 256'
	stop_server
	start_server stock
	name="weir ($plane) -> stock -P 128"
	must_client "$name" weir -c 127.0.0.1 -P 128 -n 128M -J --plane "$plane" &&
		json client.out "$name" 'end["sum_sent"]["bytes"] == 128 << 20'
	must_client "$name -R" weir -c 127.0.0.1 -P 128 -t 1 -R -J --plane "$plane" &&
		json client.out "$name -R" 'end["sum_received"]["bytes"] > 1 << 20'
	must_client "$name -u" weir -c 127.0.0.1 -P 128 -u -b 200K -l 500 -t 1 -J \
		--plane "$plane" &&
		json client.out "$name -u" 'end["sum"]["packets"] > 128 * 30'
	stop_server
done
finish
