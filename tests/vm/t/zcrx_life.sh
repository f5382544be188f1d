#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_life.sh - peers and receivers that die, links that flap, queues that are bound again.
# Timeout: 60
#
# Theory: whatever ends in the middle of a stream leaves a queue that can be bound and used
# again, and nothing in the kernel's log.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw peer_killed peer_reset killed link rebind
