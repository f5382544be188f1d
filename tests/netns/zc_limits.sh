#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_limits.sh - sends without a copy under the smallest limits: everything arrives all the same
#
# Theory
#	The kernel bounds what zero copy may pin: by RLIMIT_MEMLOCK (io_uring) and by
#	net.core.optmem_max (MSG_ZEROCOPY's notifications), for whoever lacks CAP_IPC_LOCK.  Both
#	are set so low here that most requests are over them.  That must be back pressure, or a
#	copy, never an error; and memory still comes back when it is free, not before.
. "$(dirname "$0")/lib_zc.sh"

pair 200mbit
if [ -w /proc/sys/net/core/optmem_max ]; then
	echo 4096 >/proc/sys/net/core/optmem_max || fail "optmem_max"
	[ "$(cat /proc/sys/net/core/optmem_max)" = 4096 ] || fail "optmem_max was not set"
else
	echo "left out: optmem_max is no setting of a namespace here (Linux 6.8 and later)"
fi

# Somebody without privileges; where there is no user but this one it has none that count.
chmod 711 "$work"
cp "$zc" "$work/weir-zcnet" || fail "copy"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
"${nobody[@]}" "$work/weir-zcnet" 2>/dev/null
[ $? -eq 2 ] || nobody=()
zc=$work/weir-zcnet

# limited PLANE PEER BYTES COUNT ARGUMENTS...
limited() {
	local what="$*${stream:+, a stream}" plane=$1 peer=$2 bytes=$3 count=$4

	shift 4
	receive_zc "$peer" ${stream:+--stream}
	send_zc "$plane" "$peer" ${stream:+--stream} --bytes "$bytes" --count "$count" "$@"
	received
	expect "$what" received wrong -eq 0
	expect "$what" received end = end
	expect "$what" received bytes -eq $((bytes * count))
	expect "$what" sent errors -eq 0
	expect "$what" sent left -eq 0
	expect "$what" sent closed -eq 1
	expect "$what" sent bytes -eq $((bytes * count))
	over=$((over + $(of sent refused)))
}

over=0
for plane in epoll uring; do
	# The ring itself takes some.
	memlock=$([ $plane = uring ] && echo 262144 || echo 65536)
	runner=("${nobody[@]}" prlimit --memlock=$memlock)
	for area in "" --registered; do
		stream=
		limited $plane 10.8.0.2:711 1400 1000 $area
		limited $plane 10.8.0.2:712 56000 30 --segment 1400 $area
		stream=yes
		limited $plane 10.8.0.2:713 100000 40 $area
		limited $plane '[fd08::2]:714' 3000 800 --buffers 200 $area
	done
	[ "$over" -gt 0 ] || fail "$plane: no request was over a limit"
	over=0
done
echo "$checks checks"
