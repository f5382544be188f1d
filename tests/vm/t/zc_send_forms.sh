#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_send_forms.sh - which zero-copy sends the library finds in this kernel; needs no NIC
#
# Theory: each kernel has other forms, found out by asking it (uring_zc.c).  Here they are compared
# with what is known of the kernels of the list: SEND_ZC, SENDMSG_ZC, registered buffers and reports
# are in all of them (reports came with 6.2 and with the updates of 6.1).  Over loopback everything
# is copied in the end, so that a kernel that reports says so of each request.  What is switched off
# is not used.

. "$(dirname "$0")/lib.sh"

ip netns add a || fail "no network namespace"
ip -n a link set lo up
want=" forms: SEND_ZC REPORT FIXED_BUF;"

# forms TEXT PROGRAM...
forms() {
	local text=$1

	shift
	"$@" >out || fail "$(cat out)"
	cat out
	grep -qF -- "$text" out || fail "not as it should be: $text"
}

forms "$want" weir-zctest zs_forms
forms "${want/ FIXED_BUF/}" env WEIR_WITHOUT=buffers weir-zctest zs_forms
forms " forms:; 0 of 0 requests" env WEIR_WITHOUT=zc weir-zctest zs_forms
