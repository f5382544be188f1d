#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_faults.sh - tests come to the right figures over a misbehaving plane (docs/fault.md) and
# with parts of the uring plane switched off.
#
# Theory: faults lose nothing, so bytes and datagrams must be exact where -n and -k fix them (with
# -R, but for what was still on its way at the end, in whatever order).  The control protocol's
# bytes are cut and delayed like all others.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

exact='"error" not in j and sent == 4 << 20 and 2 << 20 <= received <= sent'

# all_kinds NAME SERVER CLIENT
all_kinds() {
	local name=$1 server=$2 side=$3
	start_server "$server" --control-timeout 20000
	must_client "$name" "$side" -c 127.0.0.1 -n 4M -P 4 -J && json client.out "$name" "$exact"
	must_client "$name -R" "$side" -c 127.0.0.1 -n 4M -P 4 -R -J &&
		json client.out "$name -R" 'received >= 4 << 20'
	must_client "$name --bidir" "$side" -c 127.0.0.1 -n 4M --bidir -J
	must_client "$name -u" "$side" -c 127.0.0.1 -u -k 100 -b 50M -l 1000 -J &&
		json client.out "$name -u" 'end["sum"]["lost_packets"] == 0' \
			'end["sum_sent"]["packets"] == 100'
	must_client "$name -u -R" "$side" -c 127.0.0.1 -u -k 100 -b 50M -l 1000 -R -J &&
		json client.out "$name -u -R" 'end["sum_received"]["packets"] >= 100' \
			'end["sum"]["lost_packets"] < 20'
	stop_server
}

seed=${SEED:-$RANDOM}
echo "SEED=$seed"
find_planes
for plane in "${planes[@]}"; do
	export WEIR_PLANE=$plane
	for faults in short-read=40,short-write=40 late=30,reorder=30 \
		eagain=20,enobufs=20,enomem=10; do
		export WEIR_FAULT=seed=$seed,$faults
		all_kinds "$plane, $WEIR_FAULT" weir weir
	done
	unset WEIR_FAULT
done
export WEIR_PLANE=auto
for without in accept,recv bufring incremental bundle minwait files,ringfd defer lowat gro gso \
	link,direct; do
	export WEIR_WITHOUT=$without
	all_kinds "without $without" weir weir
done
finish
