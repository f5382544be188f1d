#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_group.sh - each connection gets to the engine that owns its queue
#
# Timeout: 150
#
# Theory
#	The NIC spreads the connections of one port over the queues of all engines of a group, and
#	the kernel gives them to any of the listeners. So about as many as chance wants must change
#	the engine, every engine must have some, and no byte may be copied: a connection at an
#	engine that has not its queue cannot be received without a copy, if at all.  The same when
#	the NIC's NAPIs have got other ids meanwhile, which no engine is told.
. "$(dirname "$0")/lib.sh"

pair numrxqueues 5 numtxqueues 5

# How soon is the NAPI id known?  At once: group.c relies on it.
count=$(thorough 2000 300)
background nsenter --net=/run/netns/a \
	weir-group ids 10.77.0.1:7300 $count >ids.out 2>&1
server=$!
wait_for 5 grep -q listening ids.out || fail "it does not listen: $(cat ids.out)"
in_b weir-group call 10.77.0.1:7300 $count 0 >call.out # they are closed at once
wait $server || fail "ids: $(cat ids.out)"
grep -q "accepted $count without id 0" ids.out || fail "NAPI ids at accept: $(cat ids.out)"

[ "$(fact series)" != 6.12 ] || skip "this kernel has no zero-copy receive"
nic_state before.state

# column NAME: of all engines, added up
column() {
	awk -v name="$1" '/^engine [0-9]* accepted/ {
		for (i = 3; i < NF; i += 2)
			if ($i == name)
				n += $(i + 1)
	}
	END { print n + 0 }' said
}

napi_ids() {
	in_a weir nic status wn0 --json | tr ',{' '\n\n' | grep napi_id
}

# The link goes down and up: the queues stay bound, and have NAPIs with other ids.
other_ids() {
	napi_ids >ids.before
	fault wn0 napi_id 1
	ip -n a link set wn0 down && ip -n a link set wn0 up && wait_for 5 running ||
		fail "the link does not come back"
	napi_ids >ids.after
	[ -s ids.before ] && ! sort ids.before ids.after | uniq -d | grep -q . ||
		fail "the ids are the old ones: $(cat ids.after)"
}

# spread ENGINES QUEUES CONNECTIONS BYTES ADDRESS [COMMAND]: which is run once they listen
spread() {
	local engines=$1 queues=$2 count=$3 bytes=$4 address=$5 n placed=0

	background nsenter --net=/run/netns/a \
		weir-group serve wn0 "$address" $engines $queues $count >said 2>&1
	server=$!
	wait_for 10 grep -q listening said || fail "it does not listen: $(cat said)"
	${6:-true}
	in_b weir-group call "$address" $count $bytes >call.out 2>&1 ||
		fail "$(cat call.out): $(cat said)"
	wait $server || fail "the engines failed: $(cat said)"
	[ "$(column accepted)" = $count ] || fail "accepted: $(cat said)"
	[ "$(column bytes)" = $((count * bytes)) ] || fail "bytes: $(cat said)"
	[ "$(column wrong)$(column broken)" = 00 ] || fail "content: $(cat said)"
	for ((n = 0; n < engines; n++)); do
		grep -q "^engine $n accepted [1-9]" said || fail "engine $n has none: $(cat said)"
	done
	# by chance (ENGINES - 1) of ENGINES change; a quarter is far from that
	[ "$(column moved)" -ge $((count / 4)) ] || fail "few were moved: $(cat said)"
	[ "$(column moved)" -lt $count ] || fail "all were moved: $(cat said)"
	[ "$(column copied)" -le $((count * bytes / 1000)) ] || fail "copied: $(cat said)"
	if grep "^engine [0-9]*: " said | grep -qv "by zcrx: wn0 rxq"; then
		fail "not by the queue: $(cat said)"
	fi
	cat said
	nic_same before.state "$engines engines"
	no_journal "$engines engines"
}

spread 2 2 96 200000 10.77.0.1:7301
spread 4 1 96 100000 "[fd77::1]:7302"
spread 4 1 96 100000 10.77.0.1:7303 other_ids
fault wn0 napi_id 0
