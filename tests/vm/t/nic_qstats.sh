#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_qstats.sh - the queue statistics of netdev-genl are those of debugfs
#
# Timeout: 90
#
# Theory
#	Streams go through all queues, with faults that drop frames and fail allocations, and small
#	transmit rings that fill up. When nothing moves any more, the kernel is asked for the
#	statistics of each queue and of the device; what it must say is reckoned from the file
#	"stats", value by value, in both directions: nothing may be missing and nothing be there
#	besides. Queues that are switched off are seen in the device's sums only.
. "$(dirname "$0")/lib.sh"

declare -A stats
counters() { cat "${stats[wn0]}" "${stats[wn1]}"; }
quiet() {
	local before
	before=$(counters)
	read -rt 0.5 <> <(:)
	[ "$before" = "$(counters)" ]
}
link() { # NAMESPACE DEV rx|tx packets|bytes|errors|dropped|missed: what ip -s says
	local column=1
	case $4 in
	packets) column=2 ;;
	errors) column=3 ;;
	dropped) column=4 ;;
	missed) column=5 ;;
	esac
	ip -n "$1" -s link show "$2" | awk -v what="${3^^}:" -v column=$column \
		'now { print $column; exit } $1 == what { now = 1 }'
}
same() { [ "$2" = "$3" ] || fail "$1: $2 and $3"; }

# expected FILE queue COUNT | expected FILE device: from the file "stats", with COUNT queues on
expected() {
	awk -v scope="$2" -v count="${3:-0}" '
		function add(name, value) {
			sum[where (scope == "device" ? kind "-" : "") name] += value
		}
		BEGIN {
			split("packets bytes alloc_fail csum_unnecessary csum_none " \
			      "needs_csum", plain, " ")
			for (i in plain) {
				to[plain[i]] = plain[i]
				gsub("_", "-", to[plain[i]])
			}
			to["no_buffer"] = "hw-drop-overruns"
			to["tso_frames"] = "hw-gso-packets"
			to["tso_bytes"] = "hw-gso-bytes"
			to["tso_wire_frames"] = "hw-gso-wire-packets"
			to["drops"] = "hw-drops"
			to["stops"] = "stop"
			to["wakes"] = "wake"
		}
		/^[rt]x/ {
			split($1, part, ".")
			kind = substr(part[1], 1, 2)
			if (scope == "queue" && substr(part[1], 3) + 0 >= count)
				next
			where = scope == "queue" ? part[1] "." : "device."
			if (part[2] in to)
				add(to[part[2]], $2)
			# all that was received and never given to the stack
			if (part[2] == "no_buffer" || part[2] == "csum_bad")
				add("hw-drops", $2)
			# frames on the wire, of which a super frame makes many
			if (part[2] == "tso_wire_frames")
				add("needs-csum", $2)
			if (part[2] == "tso_frames")
				add("needs-csum", -$2)
		}
		END { for (name in sum) printf "%s %d\n", name, sum[name] }' "$1" | sort
}

# agree NAMESPACE DEV COUNT: with COUNT queues on
agree() {
	local scope
	for scope in queue device; do
		"in_$1" weir-zcraw qstats "$2" $scope >answer || fail "$2: qstats $scope"
		sort answer >got
		expected "${stats[$2]}" $scope "$3" >want
		cmp -s got want || fail "$2, $scope: $(diff want got | head -6)"
	done
	# the last answer is that of the device
	[ "$(wc -l <want)" -ge 16 ] || fail "$2: few counters: $(cat want)"
	same "$2, received by ip -s" "$(link "$1" "$2" rx packets)" "$(device rx-packets)"
	same "$2, bytes received by ip -s" "$(link "$1" "$2" rx bytes)" "$(device rx-bytes)"
	same "$2, errors by ip -s" "$(link "$1" "$2" rx errors)" \
		"$(sum "${stats[$2]}" rx csum_bad)"
	same "$2, overruns by ip -s" "$(link "$1" "$2" rx missed)" "$(device rx-hw-drop-overruns)"
	same "$2, sent by ip -s" "$(link "$1" "$2" tx packets)" "$(device tx-packets)"
	same "$2, bytes sent by ip -s" "$(link "$1" "$2" tx bytes)" "$(device tx-bytes)"
	same "$2, drops by ip -s" "$(link "$1" "$2" tx dropped)" "$(device tx-hw-drops)"
}
device() { sed -n "s/^device\.$1 //p" got; }
# counted DEV KIND COUNTER: so that what is compared is not zero
counted() {
	[ "$(sum "${stats[$1]}" "$2" "$3")" -gt 0 ] || fail "$1: no $2 queue counted $3"
}
streams() {
	iperf_server
	in_b iperf3 -c 10.77.0.1 -n 8M -P 8 >client.out 2>&1 || fail "streams: $(cat client.out)"
	wait "$server" || fail "the server: $(cat server.out)"
	wait_for 10 quiet || fail "it does not become quiet"
}

quiet_pair numrxqueues 4 numtxqueues 4
stats=([wn0]="$(debugfs_of wn0)/stats" [wn1]="$(debugfs_of wn1)/stats")
# small rings, and no limit of bytes (which not all kernels have) that keeps them from filling up
in_a ethtool -G wn0 rx 32 && in_b ethtool -G wn1 tx 32 || fail "small rings"
with_sys b bash -c '
	for file in /sys/class/net/wn1/queues/tx-*/byte_queue_limits/limit_min; do
		[ ! -e $file ] || echo 1000000 >$file || exit 1
	done' || fail "byte queue limits"
fault wn0 no_buffer 200
fault wn0 alloc_fail 20
fault wn0 corrupt 400
streams
for name in no_buffer alloc_fail corrupt; do
	fault wn0 $name 0
done
# until the sender was faster than the receiver, for as long as it takes to fill a ring
for round in 1 2 3 4 5; do
	[ "$(sum "${stats[wn1]}" tx stops)" -eq 0 ] || break
	iperf_server
	in_b iperf3 -u -b 0 -l 64 -n 512K -P 4 -c 10.77.0.1 >client.out 2>&1 ||
		fail "datagrams, round $round: $(cat client.out)"
	wait "$server" || fail "the server: $(cat server.out)"
	[ "$SLOW" = 1 ] || break # the debug kernel's sender is too slow for that
done
# spoiled payload for a provider is dropped, and counted as such
weir-zcraw devmem_corrupt >out || fail "$(cat out)"
wait_for 10 quiet || fail "it does not become quiet"
for name in packets bytes no_buffer alloc_fail csum_none csum_bad csum_unnecessary; do
	counted wn0 rx $name
done
for name in packets bytes tso_frames tso_bytes tso_wire_frames needs_csum drops; do
	counted wn1 tx $name
done
if [ "$SLOW" = 1 ]; then
	counted wn1 tx stops
	counted wn1 tx wakes
fi
agree a wn0 4
agree b wn1 4
[ "$(device tx-needs-csum)" -ge "$(device tx-hw-gso-wire-packets)" ] ||
	fail "fewer checksums than frames of super frames"

# queues that are switched off: in the device's sums only
before=$(in_a weir-zcraw qstats wn0 queue | grep -c '\.packets ')
same "queues listed" "$before" 8
off=$(($(stat_of wn0 rx2.packets) + $(stat_of wn0 rx3.packets)))
[ $off -gt 0 ] || fail "the queues to be switched off have received nothing"
in_a ethtool -L wn0 combined 2 || fail "two channels"
in_b ethtool -L wn1 combined 3 || fail "three channels"
agree a wn0 2
agree b wn1 3
streams
same "what queues counted that are off" $off \
	$(($(stat_of wn0 rx2.packets) + $(stat_of wn0 rx3.packets)))
agree a wn0 2
agree b wn1 3
in_a ethtool -L wn0 combined 4 || fail "four channels"
agree a wn0 4

# with the link down there are no queues, and the sums stay
ip -n a link set wn0 down
agree a wn0 0
in_a weir-zcraw qstats wn0 queue >got || fail "qstats with the link down"
[ -s got ] && fail "queues of a link that is down: $(head -2 got)"

# an answer of many messages; each queue is there once
ip -n a link add wn2 numrxqueues 64 numtxqueues 64 type weirnic || fail "64 queues"
in_a ethtool -G wn2 rx 32 tx 32 && ip -n a link set wn2 up || fail "64 queues up"
in_a weir-zcraw qstats wn2 >got || fail "qstats of 64 queues"
for kind in rx tx; do
	for ((n = 0; n < 64; n++)); do
		echo "$kind$n.packets"
	done
done | sort >want
sed -n 's/\.packets [0-9]*$/.packets/p' got | sort | cmp -s - want ||
	fail "64 queues: $(wc -l <got) lines"

in_a weir-zcraw qstats lo 2>err && fail "statistics of queues of lo"
grep -q "not supported" err || fail "lo: $(cat err)"
in_a weir-zcraw qstats nobody 2>err && fail "statistics of nobody"
grep -q "No such device" err || fail "nobody: $(cat err)"
in_a weir-zcraw qstats wn0 planet 2>/dev/null
[ $? -eq 2 ] || fail "a scope that there is none"
echo "netdev-genl agrees with debugfs, for queues and devices"
