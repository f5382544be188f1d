#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_tcp.sh - TCP tests in all pairings of stock iperf3 and ours, over each plane.
# Timeout: 240
#
# Theory: -n and -k make the expected bytes exact on the sending side; the receiver may miss what
# was in flight when TEST_END overtook it, never have more.  The threads of iperf3 3.18 go on
# sending for a moment after its last interval was counted.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

# pair SERVER CLIENT PLANE: plane options go to ours
pair() {
	local server=$1 side=$2 plane=$3 name="$2 -> $1 server ($3)" weir_server=() weir_client=()

	[ "$server" = weir ] && weir_server=(--plane "$plane")
	[ "$side" = weir ] && weir_client=(--plane "$plane")
	start_server "$server" "${weir_server[@]}"
	run() {
		local what=$1
		shift
		must_client "$name, $what" "$side" -c 127.0.0.1 -J "${weir_client[@]}" "$@"
	}
	run "-n" -n 8M && json client.out "$name, -n" \
		'end["sum_sent"]["bytes"] == 8 << 20' \
		'(8 << 20) - (2 << 20) <= end["sum_received"]["bytes"] <= 8 << 20' \
		'len(end["streams"]) == 1' \
		'"error" not in j'
	run "-k -l" -k 20 -l 64K && json client.out "$name, -k" \
		'end["sum_sent"]["bytes"] == 20 << 16'
	run "-l 1 block" -n 1 -l 1M && json client.out "$name, 1 block" \
		'end["sum_sent"]["bytes"] == 1 << 20'
	run "small blocks" -n 100K -l 100 && json client.out "$name, small blocks" \
		'102400 <= end["sum_sent"]["bytes"] <= 102400 + 1000'
	run "-R -n" -R -n 8M && json client.out "$name, -R" \
		'start["test_start"]["reverse"] == 1' \
		'end["sum_received"]["bytes"] >= 8 << 20' \
		'end["sum_sent"]["bytes"] >= end["sum_received"]["bytes"] - (1 << 20)'
	run "-P 8 -n" -P 8 -n 16M && json client.out "$name, -P 8" \
		'len(end["streams"]) == 8 == len(start["connected"])' \
		'end["sum_sent"]["bytes"] >= 16 << 20' \
		'sum(s["sender"]["bytes"] for s in end["streams"]) == sent' \
		'sum(s["receiver"]["bytes"] for s in end["streams"]) == received'
	run "--bidir" --bidir -P 2 -n 4M && json client.out "$name, --bidir" \
		'len(end["streams"]) == 4' \
		'[s["sender"]["sender"] for s in end["streams"]] == [True, True, False, False]' \
		'max(sent, end["sum_received_bidir_reverse"]["bytes"]) >= 4 << 20'
	run "-t -i" -t 1 -i 0.25 && json client.out "$name, -t -i" \
		'len(intervals) in (3, 4, 5)' \
		'0.9 < end["sum_sent"]["seconds"] < 2.5' \
		'end["sum_received"]["bytes"] <= '"$slack"' * end["sum_sent"]["bytes"]' \
		'end["sum_received"]["bytes"] > 0.5 * end["sum_sent"]["bytes"]' \
		'abs(sum(i["sum"]["bytes"] for i in intervals) - sent) < sent // 20 + 1e6' \
		'end["sum_sent"]["retransmits"] >= 0' \
		'all(i["streams"][0]["snd_cwnd"] > 0 for i in intervals)' \
		'0 < end["cpu_utilization_percent"]["host_total"] < 250' \
		'0 < end["cpu_utilization_percent"]["remote_total"] < 250'
	run "-Z" -Z -n 4M -R && json client.out "$name, -Z" \
		'end["sum_received"]["bytes"] >= 4 << 20'
	[ "$server$side" = weirweir ] || timed "$server" "$side"
	if [ "$server" = weir ]; then
		grep -q "^weir: plane $plane:.* copied .*Bytes received" server.out ||
			fail "$name: no line names plane $plane"
	fi
	stop_server
}

# What takes time, and matters where the other side is stock iperf3.
timed() {
	run "-O" -O 1 -t 1 -i 0.5 && json client.out "$name, -O" \
		'any(i["sum"]["omitted"] for i in intervals)' \
		'not intervals[-1]["sum"]["omitted"]' \
		'0.9 < end["sum_sent"]["seconds"] < 2.5' \
		'end["sum_sent"]["bytes"] < 0.9 * sum(i["sum"]["bytes"] for i in intervals)'
	run "--bidir -t" --bidir -P 2 -t 1 && json client.out "$name, --bidir -t" \
		'end["sum_sent"]["bytes"] > 1 << 20' \
		'end["sum_received"]["bytes"] > 1 << 20' \
		'end["sum_sent_bidir_reverse"]["bytes"] > 1 << 20' \
		'end["sum_received_bidir_reverse"]["bytes"] > 1 << 20'
	if [ "$2" = weir ]; then
		run "-b" -b 80M -t 1 && json client.out "$name, -b" \
			'7e6 < end["sum_sent"]["bytes"] < 12.5e6'
		run "-b burst" -b 80M/10 -l 16K -t 1 && json client.out "$name, -b burst" \
			'7e6 < end["sum_sent"]["bytes"] < 13e6'
		return
	fi
	run "-R -t" -R -t 1 -P 2 && json client.out "$name, -R -t" \
		'end["sum_sent"]["bytes"] > 1 << 20' \
		'end["sum_received"]["bytes"] <= '"$slack"' * end["sum_sent"]["bytes"]' \
		'end["sum_received"]["bytes"] > 0.5 * end["sum_sent"]["bytes"]' \
		'"retransmits" in end["sum_sent"]'
	run "-R -b" -R -b 80M -t 1 && json client.out "$name, -R -b" \
		'end["sum_received"]["bytes"] > 7e6' \
		'end["sum_received"]["bytes"] < 12.5e6 * end["sum_received"]["seconds"]'
}

# Two at a time: more take the machine from each other, and rates are looked at.
find_planes
for sides in "weir stock" "stock weir" "weir weir"; do
	for plane in "${planes[@]}"; do
		beside "$sides ($plane)" pair $sides "$plane"
	done
	join
done
finish
