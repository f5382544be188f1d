#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_trixie.sh - iperf3 of Debian 13 (3.18, one thread per stream) as the other side.
# Timeout: 240
#
# Theory: where this machine's iperf3 is older, Debian 13's is fetched and unpacked below the build
# folder and run with its own libraries; nothing is installed.  Without a network the test is
# skipped: what it shows was shown where there was one.

. "$(dirname "$0")/lib_iperf3.sh"

folder=${WEIR_BUILD:-.}/trixie-iperf3
STOCK=iperf3
case $(iperf3 --version 2>/dev/null | head -n 1) in
"iperf 3.1"[6-9]* | "iperf 3."[2-9][0-9]*) ;;
*)
	source_dir=${WEIR_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
	why=$("$source_dir/scripts/fetch-suite-package.sh" trixie "$folder" \
		iperf3 libiperf0 libc6 libssl3t64 libsctp1 zlib1g libzstd1 2>&1) ||
		skip "cannot fetch iperf3 of Debian 13: $why"
	printf '#!/bin/sh\nexec "%s/run" iperf3 "$@"\n' "$folder" >stock
	chmod +x stock
	STOCK=$PWD/stock
	;;
esac
"$STOCK" --version | head -n 1 || skip "iperf3 of Debian 13 does not run here"

# what the two sides leave out with -O ends at two moments
complete='"error" not in j and 0 < received < 1.5 * sent + (1 << 20)'
# What does not depend on the plane.
more_from_stock() {
	at -k 50 -l 64K
	at -P 8 -n 16M
	at --bidir -t 1
	at -O 1 -t 1
	at -u -b 8M -t 1 -l 1000 --bidir
	at -u -b 8M -O 1 -t 1 -l 1000
	json client.out "3.18 -u -O" 'end["sum"]["lost_packets"] == 0' \
		'abs(end["sum_sent"]["packets"] - end["sum_received"]["packets"]) < 200'
	at -w 128K -M 1000 -N -C reno -S 16 -n 1M
	at -n 1M --get-server-output
	json client.out "3.18 --get-server-output" '"receiver" in j["server_output_text"]'
}

more_to_stock() {
	to -P 8 -n 16M
	to --bidir -t 1
	to -O 1 -t 1
	to -u -b 8M -t 1 -l 1000 --bidir
	to -u -b 8M -O 1 -t 1 -l 1000
	json client.out "-> 3.18 -u -O" 'end["sum_sent"]["packets"] > 500' # its own count is coarse
	to -n 1M --get-server-output
	json client.out "-> 3.18 --get-server-output" '"receiver" in j["server_output_text"]'
}

from_stock() {
	local plane=$1 more=$2

	start_server weir --plane "$plane"
	at() {
		local name="3.18 -> weir ($plane) $*"
		must_client "$name" stock -c 127.0.0.1 -J "$@" &&
			json client.out "$name" "$complete"
	}
	at -n 8M
	at -R -t 1
	at -P 32 -n 32M
	at -u -b 8M -k 100 -l 1000 --udp-counters-64bit
	at -u -b 8M -k 100 -l 1000 -R
	[ -n "$more" ] && more_from_stock
	stop_server
}

to_stock() {
	local plane=$1 more=$2

	start_server stock
	to() {
		local name="weir ($plane) -> 3.18 $*"
		must_client "$name" weir -c 127.0.0.1 -J --plane "$plane" "$@" &&
			json client.out "$name" "$complete"
	}
	to -n 8M
	to -R -t 1
	to -P 32 -n 32M
	to -u -b 8M -k 100 -l 1000 --udp-counters-64bit
	to -u -b 8M -k 100 -l 1000 -R
	[ -n "$more" ] && more_to_stock
	stop_server
}

refused() {
	local first

	start_server stock
	: >first.out # here: the shell in the background may be late
	timeout 30 "$WEIR" iperf3 -p "$port" -c 127.0.0.1 -t 20 -b 10M -i 0.1 >first.out 2>&1 &
	first=$!
	started+=("$first")
	until_true 10 grep -q "sec .*Bytes" first.out || fail "no test is running: $(cat first.out)"
	client weir -c 127.0.0.1 -t 1 && fail "a busy 3.18 server took our second client"
	grep -q "server is busy" client.err || fail "refused by 3.18: $(cat client.err)"
	stop_server
	until_true 5 gone "$first" || fail "our client does not notice the end of a 3.18 server"
}

find_planes
more=more
for plane in "${planes[@]}"; do
	beside "3.18 -> weir ($plane)" from_stock "$plane" "$more"
	beside "weir ($plane) -> 3.18" to_stock "$plane" "$more"
	more=
done
beside "refused" refused
join
finish
