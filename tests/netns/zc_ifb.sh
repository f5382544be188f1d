#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_ifb.sh - UDP without a copy where nothing copies: an ifb, and a veth whose egress drops
#
# Theory
#	An ifb that is the device of a route drops every packet, and so does a veth under a filter
#	that says so; both take packets with the sender's pages, and neither copies them.  So the
#	kernel must report every request as not copied, whatever the address family, the length,
#	the number of pieces and datagrams, with registered memory and without.  A plain send must
#	be no request of that kind.
. "$(dirname "$0")/lib_zc.sh"

# clean WHAT PLANE PEER BYTES COUNT ARGUMENTS...
clean() {
	local what="$1, $2, $3, $4 bytes, ${*:6}" plane=$2 peer=$3 bytes=$4 count=$5

	shift 5
	send_zc "$plane" "$peer" --bytes "$bytes" --count "$count" "$@"
	expect "$what" sent errors -eq 0
	expect "$what" sent left -eq 0
	expect "$what" sent closed -eq 1
	expect "$what" sent released -eq "$count"
	expect "$what" sent bytes -eq $((bytes * count))
	expect "$what" sent requests -gt 0
	expect "$what" sent refused -eq 0
	expect "$what" sent copied -eq 0
	expect "$what" sent copied_bytes -eq 0
	case "$*" in
	*registered*)
		if [ "$plane" = uring ]; then
			expect "$what" sent area = ok
		fi
		;;
	esac
}

all_of() {
	local plane peer area

	for plane in epoll uring; do
		for peer in "$2" "$3"; do
			for area in "" --registered; do
				clean "$1" $plane "$peer" 1400 300 $area
				clean "$1" $plane "$peer" 1400 300 --pieces 16 $area
				clean "$1" $plane "$peer" 64000 100 --segment 1400 $area
			done
		done
	done
}

ip link set lo up
ip link add ifb0 type ifb 2>"$work/err" || skip "needs ifb: $(head -1 "$work/err")"
ip addr add 10.9.0.1/24 dev ifb0
ip -6 addr add fd09::1/64 dev ifb0 nodad
ip link set ifb0 up
ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev ifb0
ip neigh add fd09::2 lladdr 02:00:00:00:00:02 dev ifb0
all_of ifb 10.9.0.2:9 '[fd09::2]:9'

# What cannot be without a copy there: a datagram longer than the device takes, told by reports.
send_zc uring 10.9.0.2:9 --bytes 60000 --count 20
expect "fragments" sent errors -eq 0
expect "fragments" sent copied_bytes -gt 0

ip link set ifb0 mtu 65535 || fail "mtu of ifb"
for plane in epoll uring; do
	for area in "" --registered; do
		clean "large mtu" $plane 10.9.0.2:9 60000 100 $area
		clean "large mtu" $plane 10.9.0.2:9 4000 300 $area
		clean "large mtu" $plane 10.9.0.2:9 8000 300 --pieces 7 $area
	done
	send_zc $plane 10.9.0.2:9 --bytes 60000 --count 100 --plain
	expect "plain" sent requests -eq 0
	expect "plain" sent copied_bytes -eq 6000000
	expect "plain" sent errors -eq 0
done

ip link add d0 type veth peer name d1 || fail "no veth"
ip addr add 10.10.0.1/24 dev d0
ip -6 addr add fd10::1/64 dev d0 nodad
ip link set d0 up
ip link set d1 up
ip neigh add 10.10.0.2 lladdr 02:00:00:00:00:02 dev d0
ip neigh add fd10::2 lladdr 02:00:00:00:00:02 dev d0
# One instruction: return 2, which is "drop".
if tc qdisc add dev d0 clsact 2>"$work/err" &&
	tc filter add dev d0 egress bpf da bytecode "1,6 0 0 2" 2>>"$work/err"; then
	all_of "veth that drops" 10.10.0.2:9 '[fd10::2]:9'
else
	echo "left out: a filter on a veth's egress: $(head -1 "$work/err")"
fi
echo "$checks checks"
