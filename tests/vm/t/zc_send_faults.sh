#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_send_faults.sh - sends without a copy over a NIC that loses, spoils and delays
# Timeout: 120
#
# Theory: what was lost is sent again from the application's memory: a release that came before the
# acknowledgement would be seen as wrong content.

. "$(dirname "$0")/lib.sh"

pair numrxqueues 4 numtxqueues 4
weir-zctest zs_drop zs_drop_epoll zs_acks zs_reorder zs_delay zs_carrier \
	$(thorough "zs_duplicate zs_corrupt" "")
