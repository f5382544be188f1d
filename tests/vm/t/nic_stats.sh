#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_stats.sh - counters are exact, and the same by every way to read them
#
# Timeout: 90
#
# Theory
#	Four streams and their acknowledgements go through all queues on both CPUs; nothing else is
#	on the wire. When the streams have ended and nothing moves any more, what one end sent is
#	what the other received, to the byte; debugfs, ethtool -S and ip -s say the same.
. "$(dirname "$0")/lib.sh"

# of DEV rx|tx COUNTER: over all queues
of() { sum "${stats[$1]}" "$2" "$3"; }
# link NAMESPACE DEV rx|tx packets|bytes: what ip -s says
link() {
	local column=1
	[ "$4" = bytes ] || column=2
	ip -n "$1" -s link show "$2" | awk -v what="${3^^}:" -v column=$column \
		'now { print $column; exit } $1 == what { now = 1 }'
}
same() { [ "$2" = "$3" ] || fail "$1: $2 and $3"; }
counters() { cat "${stats[wn0]}" "${stats[wn1]}"; }
quiet() {
	local before
	before=$(counters)
	read -rt 0.5 <> <(:)
	[ "$before" = "$(counters)" ]
}

quiet_pair numrxqueues 4 numtxqueues 4
declare -A stats=([wn0]="$(debugfs_of wn0)/stats" [wn1]="$(debugfs_of wn1)/stats")
in_a ethtool -G wn0 tcp-data-split on || skip "this kernel cannot set tcp-data-split"
iperf_server
in_b iperf3 -c 10.77.0.1 -n 20M -P 4 >client.out 2>&1 || fail "the stream: $(cat client.out)"
wait "$server" || fail "the server: $(cat server.out)"
wait_for 10 quiet || fail "it does not become quiet"

same "frames that nobody received" "$(of wn0 tx drops)/$(of wn1 tx drops)" 0/0
same "frames wn1 to wn0" "$(of wn1 tx packets)" "$(of wn0 rx packets)"
same "bytes wn1 to wn0" "$(of wn1 tx bytes)" "$(of wn0 rx bytes)"
same "frames wn0 to wn1" "$(of wn0 tx packets)" "$(of wn1 rx packets)"
same "bytes wn0 to wn1" "$(of wn0 tx bytes)" "$(of wn1 rx bytes)"
same "bytes and where they went" "$(of wn0 rx bytes)" \
	$(($(of wn0 rx provider_bytes) + $(of wn0 rx kernel_bytes)))
same "split or not" "$(of wn0 rx packets)" \
	$(($(of wn0 rx split_frames) + $(of wn0 rx unsplit_frames)))
same "no provider" "$(of wn0 rx provider_bytes)" 0
[ "$(of wn0 rx kernel_bytes)" -gt 20000000 ] || fail "20 MB sent, less counted"
[ "$(of wn0 rx split_frames)" -gt 100 ] || fail "few frames were split"
[ "$(of wn1 tx tso_frames)" -gt 0 ] || fail "no super frame was cut"

in_a ethtool -S wn0 | sed -n 's/^ *\([rt]x[0-9]*\)_\([a-z_]*\): \([0-9]*\)$/\1.\2 \3/p' |
	sort >by_ethtool
grep '^[rt]x' "${stats[wn0]}" | sort >by_debugfs
[ -s by_debugfs ] || fail "no counters in debugfs"
cmp -s by_ethtool by_debugfs || fail "ethtool -S differs: $(diff by_ethtool by_debugfs | head -4)"
same "ip -s, frames received" "$(link a wn0 rx packets)" "$(of wn0 rx packets)"
same "ip -s, bytes received" "$(link a wn0 rx bytes)" "$(of wn0 rx bytes)"
same "ip -s, frames sent" "$(link b wn1 tx packets)" "$(of wn1 tx packets)"
same "ip -s, bytes sent" "$(link b wn1 tx bytes)" "$(of wn1 tx bytes)"

# counters outlive the link and the channels
before=$(of wn0 rx packets)
ip -n a link set wn0 down
in_a ethtool -L wn0 combined 1 || fail "one channel"
same "after fewer channels" "$(of wn0 rx packets)" "$before"
same "ip -s with one channel" "$(link a wn0 rx packets)" "$(of wn0 rx packets)"
echo "all counters agree"
