#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_send.sh - the library's sends without a copy over the NIC: content, counts, the choice
# Timeout: 120
#
# Theory: (zctest/send.c, s_send.c) memory is overwritten the moment it is said to be free, every
# byte is verified by a reader that knows nothing of the library, and the NIC counts the packets
# with user pages.  With the usual MTU, with one of a page of payload, and without TSO.

. "$(dirname "$0")/lib.sh"

# send_all SCENARIO...
send_all() {
	weir-zctest "$@" || fail "MTU ${MTU:-1500}"
}

# The choice goes by processor time.  Where the processor is emulated, and others use it, that may
# mislead it: once more then.
choice_falls() {
	weir-zctest zs_auto >auto 2>&1 || {
		cat auto
		grep -q "choice did not fall" auto && weir-zctest zs_auto ||
			fail "zs_auto, MTU ${MTU:-1500}"
	}
}

pair numrxqueues 4 numtxqueues 4
send_all zs_serial zs_one zs_many zs_random zs_small zs_linked zs_ip6 zs_epoll zs_epoll_many \
	zs_never zs_auto_linked $(thorough "zs_auto_many zs_auto_mixed" "")
choice_falls
in_b ethtool -K wn1 tso off
send_all zs_serial zs_random zs_epoll
pair_down
MTU=4148 pair numrxqueues 4 numtxqueues 4
send_all zs_serial zs_one zs_many $(thorough "zs_random zs_small zs_epoll_many" "")
[ "$(thorough yes no)" = no ] || choice_falls
