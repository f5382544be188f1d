#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_late.sh - pages that are read long after the send: no release may come before that
#
# Theory
#	A token bucket on a veth keeps packets with the sender's own pages for milliseconds and
#	reads them only when they leave.  The sender overwrites each buffer the moment that it is
#	reported free; the receiver, in another namespace, checks every byte.  The proof that this
#	can fail: with --early, which overwrites as soon as the kernel has the send, wrong bytes
#	must arrive.
. "$(dirname "$0")/lib_zc.sh"

pair 60mbit

# transfer WHAT PLANE BYTES COUNT ARGUMENTS...
transfer() {
	local plane=$1 peer=$2

	shift 2
	receive_zc "$peer" ${stream:+--stream}
	send_zc "$plane" "$peer" ${stream:+--stream} "$@"
	received
}

# good PLANE PEER BYTES COUNT ARGUMENTS...
good() {
	local what="$*${stream:+, a stream}" plane=$1 peer=$2 bytes=$3 count=$4

	shift 4
	transfer "$plane" "$peer" --bytes "$bytes" --count "$count" "$@"
	expect "$what" received wrong -eq 0
	expect "$what" received end = end
	expect "$what" received bytes -eq $((bytes * count))
	expect "$what" sent errors -eq 0
	expect "$what" sent left -eq 0
	expect "$what" sent closed -eq 1
	expect "$what" sent bytes -eq $((bytes * count))
	expect "$what" sent requests -gt 0
}

for plane in epoll uring; do
	stream=
	good $plane 10.8.0.2:701 1400 500
	good $plane '[fd08::2]:702' 900 300 --pieces 9 --registered
	good $plane 10.8.0.2:703 28000 20 --segment 1400 --buffers 7
	stream=yes
	good $plane 10.8.0.2:704 20000 60 --buffers 16
	good $plane '[fd08::2]:705' 200000 6 --pieces 16 --buffers 3 --registered
	good $plane 10.8.0.2:706 700 1000 --buffers 100

	# Overwritten too early: it must be seen.
	transfer $plane 10.8.0.2:707 --bytes 50000 --count 20 --early
	expect "early, a stream, $plane" received wrong -gt 0
	stream=
	transfer $plane 10.8.0.2:708 --bytes 1400 --count 300 --early
	expect "early, datagrams, $plane" received wrong -gt 0
	# And not where the kernel copied first.
	transfer $plane 10.8.0.2:709 --bytes 1400 --count 300 --early --plain
	expect "plain, datagrams, $plane" received wrong -eq 0
	expect "plain, datagrams, $plane" received bytes -eq 420000
done
echo "$checks checks"
