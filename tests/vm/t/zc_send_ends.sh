#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_send_ends.sh - sockets, engines, processes and the NIC end while the kernel sends from memory
# Timeout: 150
#
# Theory: zctest/s_send_ends.c.  The module is removed last.

. "$(dirname "$0")/lib.sh"

# Where the kernel cannot be told to give up soon, it gives up after minutes.
alone=
[ -e /proc/sys/net/ipv4/tcp_rto_max_ms ] && alone=zs_kill_alone
pair numrxqueues 4 numtxqueues 4
weir-zctest zs_close_read zs_kill_read zs_kill_both $alone zs_close zs_engine_close \
	$(thorough "zs_close_epoll zs_close_read_epoll zs_engine_close_epoll" "") \
	$(thorough zs_kill_read_epoll "") \
	zs_rmmod_send
