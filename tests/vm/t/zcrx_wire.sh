#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zcrx_wire.sh - from zero-copy send to zero-copy receive, and the speed of that.
# Timeout: 60
#
# Theory: both ends without a copy; every byte is verified, also in the runs for speed.

. "$(dirname "$0")/lib.sh"

pair
weir-zcraw send_zc_zcrx send_zc_stream wire_zcrx wire_zcrx_64k
