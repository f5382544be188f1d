#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_readme.sh - the five commands of testnic/README.md do what it says
# Timeout: 60
#
# Theory: the first block of commands in it is run as it stands, but for its first line, which
# builds what the VM has built (it must name the program of the fourth), and for where things lie
# in the VM.

. "$(dirname "$0")/lib.sh"

nic_available || skip "no test NIC: no headers for this kernel"
awk '/^```/ { blocks++; next } blocks == 1' /testnic.readme >commands
[ "$(wc -l <commands)" -eq 5 ] || fail "not five commands: $(cat commands)"
sed -e 's,^make .* weir-zcraw .* && insmod [^ ]*$,insmod '$MODULE, \
	-e 's,build/[^ ]*/weir-zcraw,weir-zcraw,' \
	-e "s,IP_LIB_DIR=testnic,IP_LIB_DIR=$IP_LIB_DIR," commands >here
bash -e here >out 2>&1
status=$?
cat out
[ $status -eq 77 ] && skip "$(tail -n 1 out)"
[ $status -eq 0 ] || fail "status $status"
provider=$(sed -n 's/^ *rx1_provider_bytes: //p' out)
[ "$provider" -ge $((4 << 20)) ] || fail "$provider bytes in the receiver's own memory"

# the settings for a receiver of one's own are taken
awk '/^```/ { blocks++; next } blocks == 3' /testnic.readme >commands
[ "$(grep -c ethtool commands)" -ge 3 ] || fail "no settings: $(cat commands)"
bash -e commands >out 2>&1 || fail "$(cat out)"
