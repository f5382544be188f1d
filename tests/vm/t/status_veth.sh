#!/bin/bash
# SPDX-License-Identifier: MIT
#
# status_veth.sh - what weir reads on any kernel: what an old one does not tell is not known
#
# Theory
#	A veth pair is everywhere.  The kernel's numbers of queues must come out on each kernel;
#	what came with newer ones (netdev family 6.3, queues 6.8) must be null before and there
#	after, and never another kernel's value.  VLANs and bonds are not modules of the test's own
#	host.
#
# Timeout: 60
. "$(dirname "$0")/lib.sh"

value() { # PATH: of the JSON's lines, the first with that key
	sed -n "s/^\t*\"$1\":\t\(.*[^,]\),*$/\1/p" state | head -n 1
}
is() {
	[ "$(value "$1")" = "$2" ] || fail "$1 is '$(value "$1")', not '$2'"
}
look() {
	in_a weir nic status --json "$1" >state || fail "no state of $1"
}
newer() { # than 6.1: the kernel has the netdev family
	[ "$(fact series)" != 6.1 ]
}

ip netns add a && ip netns add b || fail "no network namespaces"
ip -n a link add v0 numrxqueues 4 numtxqueues 4 type veth peer name v1 netns b ||
	fail "no veth"
look v0
is rx_queues 4
is up false
ip -n a link set v0 up
ip -n b link set v1 up
look v0
is rx_queues 4
is rx_channels 4
is combined null
is driver '"veth"'
is kind '"veth"'
is carrier true
is split '"absent"'
is hds_threshold_bytes null
is irq null
is cpus null
is rule_room null
is hash null
if newer; then
	is zerocopy_xsk '"off"'
else
	is zerocopy_xsk null
	is napi_id null
	is threaded null
	is defer_hard_irqs null
fi
in_a ethtool -L v0 rx 3 || fail "ethtool -L"
look v0
is rx_queues 3

# what carries the default route
ip -n a addr add 10.9.0.1/24 dev v0
ip -n a link add link v0 name v0.5 type vlan id 5 || fail "no VLAN devices"
ip -n a link set v0.5 up
ip -n a addr add 10.8.0.1/24 dev v0.5
ip -n a route add default via 10.8.0.2
look v0.5
is kind '"vlan"'
is carries '"it carries the default route"'
look v0
is carries '"v0.5, which carries the default route, stands on it"'
ip -n a route del default
look v0
is carries null
if ip -n a link add red type vrf table 10 2>/dev/null; then # its routes are no way out
	ip -n a link set red up
	ip -n a link set v0 master red
	ip -n a route add default via 10.9.0.2 table 10
	look v0
	is carries null
fi
in_a weir nic status >list || fail "no list"
grep -q "^v0  *veth  *up  *3" list || fail "the list: $(cat list)"
if in_a weir nic status v9 2>err; then
	fail "an interface that there is not"
fi
grep -q "v9: No such device" err || fail "$(cat err)"
echo "what this kernel tells is read"
