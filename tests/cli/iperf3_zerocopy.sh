#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_zerocopy.sh - senders of `weir iperf3` with -Z, without it, and by WEIR_ZEROCOPY.
# Timeout: 120
#
# Theory: blocks end in generations of contexts, whether they are copied or not: all bytes of -n and
# -k are counted once, by one server through many tests, and none twice where streams take contexts
# that earlier ones had.  Loopback copies, so no byte of the reports may have gone without a copy.

. "$(dirname "$0")/lib_iperf3.sh"

all_copied='weir["tx_uncopied_bytes"] == 0 and weir["tx_copied_bytes"] == weir["tx_bytes"]'
weir='(weir := j["weir"])'

modes() {
	local plane=$1 z

	start_server weir --plane "$plane"
	for z in "" -Z; do
		must_client "-n $z" weir -c 127.0.0.1 -J --plane "$plane" -n 32M $z &&
			json client.out "-n $z ($plane)" "$weir" "$all_copied" \
				'end["sum_sent"]["bytes"] == 32 << 20' \
				'weir["tx_bytes"] >= 32 << 20'
		must_client "-k -P $z" weir -c 127.0.0.1 -J --plane "$plane" -k 200 -P 20 $z &&
			json client.out "-k -P $z ($plane)" "$weir" "$all_copied" \
				'200 << 17 <= end["sum_sent"]["bytes"] <= 240 << 17' \
				'end["sum_received"]["bytes"] <= end["sum_sent"]["bytes"]'
		must_client "small $z" weir -c 127.0.0.1 -J --plane "$plane" -n 300K -l 100 $z &&
			json client.out "small $z ($plane)" "$weir" \
				'300 << 10 <= end["sum_sent"]["bytes"] <= (300 << 10) + 100'
		must_client "-R $z" weir -c 127.0.0.1 -J --plane "$plane" -R -t 1 $z &&
			json client.out "-R $z ($plane)" \
				'end["sum_received"]["bytes"] > 1 << 20' \
				'end["sum_received"]["bytes"] <= end["sum_sent"]["bytes"]'
		must_client "--bidir $z" weir -c 127.0.0.1 -J --plane "$plane" --bidir -t 1 $z &&
			json client.out "--bidir $z ($plane)" "$weir" "$all_copied" \
				'end["sum_sent"]["bytes"] > 1 << 20' \
				'end["sum_sent_bidir_reverse"]["bytes"] > 1 << 20'
		must_client "-u $z" weir -c 127.0.0.1 -J --plane "$plane" -u -b 50M -t 1 $z &&
			json client.out "-u $z ($plane)" "$weir" "$all_copied" \
				'4e6 < end["sum"]["bytes"] < 7.5e6'
		must_client "-b $z" weir -c 127.0.0.1 -J --plane "$plane" -b 80M -t 1 -i 0.25 $z &&
			json client.out "-b $z ($plane)" \
				'7e6 < end["sum_sent"]["bytes"] < 12.5e6' \
				'sum(i["sum"]["bytes"] > 0 for i in intervals[:3]) >= 2'
	done
	WEIR_ZEROCOPY=never must_client "never" weir -c 127.0.0.1 --plane "$plane" -n 32M
	grep -q 'sends copy: the path' client.out && fail "never, and it was tried ($plane)"
	grep -q '^weir: plane .*; copied .* sent (0.00 Bytes without a copy)' client.out ||
		fail "the report's last line does not say what went without a copy ($plane)"
	must_client "-Z, text" weir -c 127.0.0.1 --plane "$plane" -n 32M -Z
	grep -q '^weir: plane .*; copied .* sent (0.00 Bytes without a copy)' client.out ||
		fail "-Z: the last line does not say what went without a copy ($plane)"
	stop_server
}

# Late and early words of the kernel: nothing may be counted twice, or not at all.
faults() {
	local plane=$1 seed=${WEIR_TEST_SEED:-$RANDOM}

	export WEIR_FAULT="seed=$seed,short-write=20,late-release=40,reorder-release=20"
	WEIR_FAULT+=",zc-refuse=5,zc-copied=10"
	echo "WEIR_FAULT=$WEIR_FAULT"
	start_server weir --plane "$plane"
	for args in "-n 32M" "-n 32M -P 4" "-k 500 -l 3000" "-R -n 16M"; do
		# shellcheck disable=SC2086
		must_client "$args" weir -c 127.0.0.1 -J --plane "$plane" -Z $args &&
			json client.out "$args with faults ($plane)" \
				'end["sum_received"]["bytes"] <= end["sum_sent"]["bytes"]' \
				'end["sum_received"]["bytes"] >= 1500000'
	done
	stop_server
	unset WEIR_FAULT
}

find_planes
for plane in "${planes[@]}"; do
	beside "modes ($plane)" modes "$plane"
	beside "faults ($plane)" faults "$plane"
done
join
finish
