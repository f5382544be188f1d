#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh - the part of `make demo` that runs in the VM: stock iperf3 sends from namespace b to a
# server in a, over the test NIC
# Timeout: 100
#
# Theory: the servers are iperf3's own and ours on the planes uring and zcrx, round by round, each
# on the second processor, the client on the first.  The documents of both sides, and how many
# bytes the test NIC wrote into the server's memory, go to the host in lines of output
# (host/demo.py).

. "$(dirname "$0")/lib.sh"

ROUNDS=3 SECONDS_EACH=1

MTU=4148 pair numrxqueues 4 numtxqueues 4

placed() {
	sum "$(debugfs_of wn0)/stats" rx provider_bytes
}

listens() {
	in_a grep -q ":1451 .* 0A " /proc/net/tcp /proc/net/tcp6
}

# server NAME
server() {
	case $1 in
	iperf3) background nsenter --net=/run/netns/a taskset 2 iperf3 -s -1 -J -i 0 ;;
	zcrx) background nsenter --net=/run/netns/a taskset 2 weir iperf3 -s -1 -J --ifname wn0 ;;
	*) background nsenter --net=/run/netns/a taskset 2 weir iperf3 -s -1 -J --plane "$1" ;;
	esac >server.json 2>server.err
	wait_for 10 listens || fail "the server $1 does not listen: $(cat server.err)"
}

# tell NAME FILE: a document
tell() {
	echo "document $1"
	cat "$2"
	echo "end of document"
}

for ((round = 1; round <= ROUNDS; round++)); do
	for name in iperf3 uring zcrx; do
		before=$(placed)
		server $name
		in_b taskset 1 iperf3 -c 10.77.0.1 -J -i 0 -t $SECONDS_EACH >client.json
		wait ${started[-1]}
		unset "started[-1]"
		tell $round.vm.$name.client.json client.json
		tell $round.vm.$name.server.json server.json
		echo "placed $round.vm.$name $(($(placed) - before))"
	done
done
