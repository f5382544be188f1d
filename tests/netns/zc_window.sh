#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_window.sh - a peer that reads nothing: a close ends within its bound, and nothing stays behind
#
# Theory
#	What a closed window holds back lies in the sender's own memory.  A close must wait for it,
#	but no longer than sock.h says: ten seconds.  Then CLOSED comes, all generations have
#	ended, the peer is told by a reset, and the kernel keeps no socket that would go on sending
#	from memory that is the program's again.  Both planes wait at the same time.
. "$(dirname "$0")/lib_zc.sh"

pair
jobs_of=()
for plane in epoll uring; do
	port=$([ $plane = epoll ] && echo 721 || echo 722)
	in_other "$zc" receive --stream --closed-window 10.8.0.2:$port \
		>"$work/received.$plane" 2>&1 &
	jobs_of+=($!)
	wait_for 10 grep -q ready "$work/received.$plane" || fail "no receiver"
	WEIR_PLANE=$plane "$zc" send --stream --unread --bytes 50000 --count 10 10.8.0.2:$port \
		>"$work/sent.$plane" 2>&1 &
	jobs_of+=($!)
done
for job in "${jobs_of[@]}"; do
	wait "$job" || fail "$(cat "$work"/sent.* "$work"/received.*)"
done
for plane in epoll uring; do
	cp "$work/sent.$plane" "$work/sent"
	cp "$work/received.$plane" "$work/received"
	expect "$plane" sent outstanding -gt 0
	expect "$plane" sent requests -gt 0
	expect "$plane" sent closed -eq 1
	expect "$plane" sent left -eq 0
	expect "$plane" sent closed_ms -ge 8000
	expect "$plane" sent closed_ms -le 13000
	expect "$plane" received wrong -eq 0
	expect "$plane" received bytes -lt 500000
done
# No socket lives on without its program.
wait_for 5 sh -c '[ "$(cat /proc/net/tcp /proc/net/tcp6 | wc -l)" -eq 2 ]' ||
	fail "sockets are left: $(cat /proc/net/tcp)"
echo "$checks checks"
