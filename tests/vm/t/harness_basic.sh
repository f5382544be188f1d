#!/bin/bash
# SPDX-License-Identifier: MIT
#
# harness_basic.sh - the VM has what tests rely on.
# Timeout: 30
#
# Theory: each program starts, loopback carries TCP, settings of /etc/sysctl.conf hold, namespaces
# and veth work.  What is missing here would make other tests fail for a wrong reason.

. "$(dirname "$0")/lib.sh"

for program in ip ss tc ethtool iperf3 busybox weir weir-zcraw; do
	command -v $program >/dev/null || fail "no $program"
done
ethtool --version
weir --version || fail "weir does not run"
[ "$(cat /proc/sys/net/core/skb_defer_max 2>/dev/null || echo 0)" = 0 ] || fail "skb_defer_max"
grep -q debugfs /proc/mounts || fail "no debugfs"

background iperf3 -s -1 -B 127.0.0.1
wait_for 5 grep -q ":1451 .* 0A " /proc/net/tcp || fail "iperf3 does not listen"
iperf3 -c 127.0.0.1 -n 8M >client.out || fail "loopback: $(cat client.out)"
wait $!

ip netns add a && ip netns add b || fail "namespaces"
ip -n a link add v0 type veth peer name v1 netns b || fail "veth"
ip -n a addr add 10.77.1.1/24 dev v0 && ip -n a link set v0 up
ip -n b addr add 10.77.1.2/24 dev v1 && ip -n b link set v1 up
in_b ping -c 1 -W 5 10.77.1.1 || fail "no ping over veth"
