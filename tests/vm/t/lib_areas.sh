#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib_areas.sh - areas of every provider on this kernel: with huge pages and without, dma-bufs.
# Timeout: 120
#
# Theory: few machines have huge pages reserved, and few let a user have /dev/udmabuf; the VM does.
# The unit tests of areas run without a huge page, with 32 of 2 MiB, and with a small limit of the
# size of a udmabuf, which older kernels have by default (64 MiB).  Debian's 6.1 has no udmabuf.

. "$(dirname "$0")/lib.sh"

POOL=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
LIMIT=/sys/module/udmabuf/parameters/size_limit_mb

[ -e $POOL ] || fail "this kernel has no pages of 2 MiB"
dmabuf=
if [ -e /dev/udmabuf ]; then
	dmabuf=unit_area_dmabuf
	limit=$(cat $LIMIT) || fail "udmabuf has no limit of size"
else
	echo "skipped-inside areas.udmabuf: no /dev/udmabuf on this kernel"
fi
before=$(cat $POOL)

# areas NAME SETTINGS...: run the programs, one after the other: they look at the system's memory
areas() {
	local name=$1

	shift
	for program in unit_area $dmabuf; do
		(one "$program.$name" "$program" "$@") >result
		cat result
		grep -q '^passed ' result || fail "$program.$name"
	done
}

echo 0 >$POOL
[ "$(fact thorough)" != yes ] || areas none WEIR_TEST_HUGE=no
if [ -n "$dmabuf" ] && [ "$(fact thorough)" = yes ]; then
	echo 8 >$LIMIT
	areas limit WEIR_TEST_HUGE=no WEIR_TEST_LIMIT_MB=8
	echo "$limit" >$LIMIT
fi
echo 32 >$POOL
[ "$(cat $POOL)" = 32 ] || fail "no 32 huge pages"
areas huge WEIR_TEST_HUGE=yes
echo "$before" >$POOL
[ "$(cat $POOL)" = "$before" ] || fail "huge pages are still in use"
