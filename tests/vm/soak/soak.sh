#!/bin/bash
# SPDX-License-Identifier: MIT
#
# soak.sh - the part of `make soak` that runs in the VM: scenarios of weir-zctest in random order
# Timeout: 600
#
# Theory: for as long as the host says, scenarios are drawn and run one after the other on the same
# NIC pair, each with a seed of its own; streams that end and are reset, and processes that are
# killed, in numbers that are drawn, too.  After each the NIC must be as before, to the byte, and no
# journal left.  The kernel's log is PID 1's matter.

. "$(dirname "$0")/lib.sh"

names=(bulk ipv6 connect sockets64 queues2 queues2_udmabuf group add_area host memfd udmabuf
	udmabuf_nomap dmabuf dmabuf_nomap halved small_area f_drop f_duplicate f_reorder f_corrupt
	f_split_less f_split_more f_misdirect f_misdirect2 f_alloc_fail f_no_buffer f_delay
	f_carrier_flap f_queue_start exhaust small_cq tiny_cq small_refill early unsteered nodev
	link resize close_held engine_close cycles cycles cycles reset_early reset_unread
	reset_running reset_running kills kills press_stop press_copy press_tell
	zs_serial zs_one zs_many zs_random zs_small zs_ip6 zs_epoll zs_auto_mixed zs_drop
	zs_drop_epoll zs_reorder zs_duplicate zs_corrupt zs_delay zs_carrier zs_close zs_close_epoll
	zs_close_read zs_engine_close zs_kill_read zs_kill_both)

seconds=$(fact soak_seconds) seed=$(fact soak_seed)
echo "soak seed=$seed, $seconds s"
RANDOM=$seed
pair numrxqueues 8 numtxqueues 8
need_zcrx
nic_state before.state

passed=0 skipped=0
while [ $SECONDS -lt "$seconds" ]; do
	name=${names[$((RANDOM % ${#names[@]}))]}
	export ZCTEST_CYCLES=$((1 + RANDOM % 60)) ZCTEST_KILLS=$((1 + RANDOM % 4))
	weir-zctest seed=$RANDOM $name
	case $? in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) fail "run $((passed + skipped + 1)) of seed $seed: $name" \
		"ZCTEST_CYCLES=$ZCTEST_CYCLES ZCTEST_KILLS=$ZCTEST_KILLS" ;;
	esac
	nic_same before.state "after $name"
	no_journal "after $name"
done
echo "runs $passed $skipped"
[ $passed -gt 0 ] || fail "no scenario passed"
