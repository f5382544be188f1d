#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_info.sh - the state of interfaces, against other readers, in a network namespace of its own
#
# Theory
#	Everything is made in a network namespace that ends with this script.  What weir says of
#	veth pairs, bridges and routes is compared with what ip, ethtool and sysfs say.  /sys at its
#	usual place still shows the namespace before, with its own interfaces of the same names:
#	nothing of them may show up.  Without root a user namespace gives the rights.
#
# Timeout: 120
. "$(dirname "$0")/lib_netns.sh"

# flat WORDS...: path=value of each value of `weir nic status --json WORDS`, kept in $state
flat() {
	state=$("$WEIR" nic status --json "$@" | python3 -c '
import json, sys
def walk(path, value):
    if isinstance(value, dict):
        for key in value:
            walk(path + [key], value[key])
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, each in enumerate(value):
            walk(path + [str(i)], each)
    else:
        print(".".join(path) + "=" + (value if isinstance(value, str) else json.dumps(value)))
walk([], json.load(sys.stdin))') || fail "no JSON of: $*"
}

# of PATH: a value of the first interface that flat read
of() {
	sed -n "s/^interfaces\.0\.$1=//p" <<<"$state"
}

# is PATH VALUE
is() {
	checks=$((checks + 1))
	[ "$(of "$1")" = "$2" ] || fail "$1 is '$(of "$1")', not '$2'"
}

# same PATH WORDS...: the value is what the command says
same() {
	is "$1" "$("${@:2}")"
}

# says STATUS TEXT WORDS...: exit code and a part of what `weir nic status WORDS` writes
says() {
	local status=0 out

	out=$("$WEIR" nic status "${@:3}" 2>&1) || status=$?
	checks=$((checks + 1))
	[ $status = "$1" ] || fail "status $status, not $1, of: ${*:3}: $out"
	case $out in
	*"$2"*) ;;
	*) fail "not said: '$2', of: ${*:3}: $out" ;;
	esac
}

# ip_link DEV EXPRESSION: of what ip says
ip_link() {
	ip -d -j link show dev "$1" | python3 -c '
import json, sys
print(eval(sys.argv[1], {"link": json.load(sys.stdin)[0]}))' "$2"
}

# feature DEV NAME: "on" or "off", and whether it is fixed, in our words
feature() {
	ethtool -k "$1" | sed -n "s/^$2: *\(on\|off\)\(.*\)/\1 \2/p" |
		sed 's/ *\[fixed\].*/ true/; s/ *\[.*//; t; s/ *$/ false/' | head -n 1
}

our_feature() {
	echo "$(of "features.$1.state") $(of "features.$1.fixed")"
}

features_agree() { # DEV
	local pair

	for pair in ntuple:ntuple-filters rx_hash:receive-hashing gro_hw:rx-gro-hw \
		lro:large-receive-offload gro:generic-receive-offload; do
		checks=$((checks + 1))
		[ "$(our_feature "${pair%:*}")" = "$(feature "$1" "${pair#*:}")" ] ||
			fail "$1: ${pair%:*}: '$(our_feature "${pair%:*}")', ethtool says" \
				"'$(feature "$1" "${pair#*:}")'"
	done
}

driver_is() { # DEV FIELD
	ethtool -i "$1" | sed -n "s/^$2: *//p"
}

# ------------------------------------------------------------------------------- settings

link_and_queues() {
	local wanted

	ip link add v0 mtu 1400 numrxqueues 4 numtxqueues 4 type veth peer name v1 \
		numrxqueues 3 numtxqueues 3 || fail "veth"
	ip link set lo up
	flat v0
	is interface v0
	is up false
	is carrier false
	is rx_queues 4
	ip link set v0 up
	flat v0
	is up true
	is carrier false # the peer is down
	ip link set v1 up
	flat v0
	is carrier true
	same ifindex ip_link v0 'link["ifindex"]'
	same mtu_bytes ip_link v0 'link["mtu"]'
	same rx_queues ip_link v0 'link["num_rx_queues"]'
	same driver driver_is v0 driver
	same driver_version driver_is v0 version
	is kind veth
	is bus_info null
	is loopback false
	is combined null
	is rx_channels 4
	is rx_channels_max 4
	is split absent
	is hds_threshold_bytes null
	is queues.3.index 3
	is queues.3.irq null
	is queues.3.cpus null
	is queues.3.uses '[]'
	is rule_room null
	is rules '[]'
	is rss.table '[]'
	is rss.key null
	is rss.contexts '[]'
	is owners '[]'
	is xdp_mode null
	features_agree v0
	ethtool -K v0 gro on || fail "gro on"
	flat v0
	is features.gro.state on
	features_agree v0
	if ethtool -L v0 rx 2 2>/dev/null; then
		flat v0
		is rx_queues 2
		is rx_channels 2
		is rx_channels_max 4
		wanted=$(ls -d "$work/sys/class/net/v0/queues"/rx-* 2>/dev/null | wc -l)
		[ "$wanted" = 0 ] || is rx_queues "$wanted"
		ip link set v0 down
		flat v0
		is rx_queues 2
		ip link set v0 up
	fi
	flat lo
	is loopback true
	is rx_queues 1
}

names() {
	local long=abcdefghijklmno

	ip link set v1 down && ip link set v1 name $long || fail "rename"
	flat $long
	is interface $long
	ip link set $long alias "an alias" 2>/dev/null
	if ip link property add dev $long altname other 2>/dev/null; then
		flat other
		is interface $long
	fi
	says 0 $long
	ip link set $long name v1 && ip link set v1 up || fail "renamed back"
	says 1 "No such device" nosuch
	says 1 "interface a%sb%n: No such device" 'a%sb%n'
	says 1 "a name has 1 to 15 bytes" ''
	says 1 "a name has 1 to 15 bytes" ${long}p
	says 1 "a name has 1 to 15 bytes" a/b
	says 1 "a name has 1 to 15 bytes" 'a b'
	says 1 "a name has 1 to 15 bytes" a:1
	says 1 "a name has 1 to 15 bytes" ..
	says 2 "unknown option" --nosuch
	# one bad name does not keep the others from being shown
	says 1 "v0  veth" nosuch v0
	flat nosuch v0
	is interface nosuch
	case $(of error) in
	*"No such device"*) ;;
	*) fail "error in JSON: '$(of error)'" ;;
	esac
	[ "$(sed -n 's/^interfaces\.1\.interface=//p' <<<"$state")" = v0 ] || fail "v0 is missing"
}

# Without names: all but lo
all_of_them() {
	local ours theirs

	flat
	ours=$(sed -n 's/^interfaces\.[0-9]*\.interface=//p' <<<"$state" | sort)
	theirs=$(ip -o link | awk -F': ' '{ sub("@.*", "", $2); print $2 }' | grep -vx lo | sort)
	[ "$ours" = "$theirs" ] || fail "interfaces: $ours, ip says: $theirs"
	[ "$("$WEIR" nic status | tail -n +2 | awk '{ print $1 }' | sort)" = "$theirs" ] ||
		fail "the list has other interfaces"
}

# The name of an interface of the namespace before, whose /sys this is
hidden_sys() {
	local before name entries

	for before in /sys/class/net/*; do
		name=${before##*/}
		[ "$name" = lo ] && continue
		ip link add "$name" index "$(cat "$before/ifindex")" numrxqueues 5 numtxqueues 5 \
			type veth peer name hidden 2>/dev/null || continue
		flat "$name"
		entries=$(of rx_queues)
		ip link del "$name"
		[ "$entries" = 5 ] || fail "$name: $entries queues, as of the other namespace?"
		return
	done
}

# ------------------------------------------------------------------------------- way out

carries() { # DEV WORDS: "" is not at all
	flat "$1"
	is carries "${2:-null}"
}

routes() {
	ip addr add 10.9.0.1/24 dev v0
	ip -6 addr add fd09::1/64 dev v0 nodad
	carries v0 ""
	ip route add 10.100.0.0/16 via 10.9.0.2
	carries v0 "it carries all routes with a gateway"
	ip addr add 10.8.0.1/24 dev v1
	ip route add 10.101.0.0/16 via 10.8.0.2 # two of them: which is the way out?
	carries v0 ""
	ip route add default via 10.8.0.2
	carries v1 "it carries the default route"
	carries v0 "" # neither its peer nor its routes with a gateway count now
	ip route replace default nexthop via 10.8.0.2 nexthop via 10.9.0.2
	carries v0 "it carries the default route"
	carries v1 "it carries the default route"
	ip route del default
	ip route add default via 10.9.0.2 table 100
	ip route add unreachable default metric 4000
	carries v0 ""
	ip route flush table 100
	ip route del unreachable default metric 4000
	ip -6 route add default via fd09::2
	carries v0 "it carries the default route"
	ip -6 route del default
	if ip nexthop add id 7 via 10.9.0.2 dev v0 2>/dev/null; then
		ip nexthop add id 8 group 7
		ip route add default nhid 7
		carries v0 "it carries the default route"
		echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode || fail "nexthop_compat_mode"
		carries v0 "it carries the default route"
		ip route replace default nhid 8
		carries v0 "it carries the default route"
		echo 1 >/proc/sys/net/ipv4/nexthop_compat_mode
		ip route del default
	fi
	SSH_CONNECTION="10.9.0.77 40000 10.9.0.1 22" carries v0 \
		"it leads to the client of this SSH session"
	SSH_CONNECTION="fd09::77 40000 fd09::1 22" carries v0 \
		"it leads to the client of this SSH session"
	SSH_CONNECTION="fe80::77%v1 40000 fe80::1 22" carries v1 \
		"it leads to the client of this SSH session"
	SSH_CONNECTION="nonsense" carries v0 ""
	SSH_CONNECTION="" carries v0 ""
	ip route flush root 10.100.0.0/15
}

# under KIND LOWER UPPER: the default route over UPPER shows at LOWER
under() {
	ip addr add 10.7.0.1/24 dev "$3"
	ip link set "$3" up
	ip link set "$2" up
	ip route add default via 10.7.0.2 || fail "default route over $3"
	carries "$3" "it carries the default route"
	carries "$2" "$3, which carries the default route, stands on it"
	ip route del default
	carries "$2" ""
	echo "$1: guarded"
}

underneath() {
	ip addr flush dev v0
	ip addr flush dev v1
	if ip link add br0 type bridge 2>/dev/null; then
		ip link set v0 master br0
		under "port of a bridge" v0 br0
		if ip link add link br0 name br0.7 type vlan id 7 2>/dev/null; then
			ip addr flush dev br0
			under "VLAN over a bridge" v0 br0.7
			under "VLAN" br0 br0.7
		fi
		ip link del br0
	fi
	for kind in bond team; do
		ip link add up0 type $kind 2>/dev/null || continue
		ip link set v0 down
		ip link set v0 master up0 || fail "port of $kind"
		under "port of $kind" v0 up0
		ip link del up0
	done
	for kind in macvlan ipvlan; do
		ip link add link v0 name up0 type $kind 2>/dev/null || continue
		under "under $kind" v0 up0
		ip link del up0
	done
}

# ------------------------------------------------------------------------------- XDP

xdp() {
	local mode

	command -v clang >/dev/null && echo '
		__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }
		char words[] __attribute__((section("license"), used)) = "MIT";' |
		clang -O2 -g -target bpf -x c -c - -o "$work/pass.o" 2>/dev/null || {
		echo "no compiler for BPF: XDP is not looked at"
		return
	}
	ip link add x0 type veth peer name x1 || fail "veth"
	for mode in xdpdrv:native xdpgeneric:generic; do
		ip link set dev x0 "${mode%:*}" obj "$work/pass.o" sec xdp 2>"$work/err" || {
			echo "no XDP for this user: $(tail -n 1 "$work/err")"
			return
		}
		flat x0
		is xdp_mode "${mode#*:}"
		same xdp_prog_id ip_link x0 'link["xdp"]["prog"]["id"]'
		says 0 "program $(of xdp_prog_id), ${mode#*:}" x0
		ip link set dev x0 "${mode%:*}" off
	done
	flat x0
	is xdp_mode null
	is xdp_prog_id null
	ip link set dev x0 xdpdrv obj "$work/pass.o" sec xdp # and a second one, in the other mode
	ip link set dev x0 xdpgeneric obj "$work/pass.o" sec xdp 2>/dev/null && fail "two programs?"
	flat x0
	is xdp_mode native
	ip link del x0
}

# ----------------------------------------------------------------------------- vanishing

# An interface that comes and goes: its state, or a sentence, never anything else
vanishing() {
	local out status seen=0 gone=0

	while :; do
		ip link add w0 numrxqueues 8 numtxqueues 8 type veth peer name w1
		ip link set w0 up
		ip link del w0
	done &
	local churn=$!
	for _ in $(seq 60); do
		status=0
		out=$("$WEIR" nic status w0 2>&1) || status=$?
		case $status:$out in
		0:*"w0  veth"*) seen=$((seen + 1)) ;;
		1:*"No such device"*) gone=$((gone + 1)) ;;
		*) fail "while it vanishes: status $status: $out" ;;
		esac
	done
	"$WEIR" nic status >/dev/null || fail "the list, while one vanishes"
	kill $churn
	wait $churn 2>/dev/null
	ip link del w0 2>/dev/null
	echo "vanishing: seen $seen times, gone $gone times"
	[ $gone -gt 0 ] || fail "it was never gone"
}

mkdir "$work/sys"
mount -t sysfs none "$work/sys" 2>/dev/null || echo "sysfs of this namespace cannot be mounted"
[ "$(ip -o link | wc -l)" != 1 ] || says 0 "no interface but the loopback device"
flat
[ -n "$state" ] || fail "no JSON where there is nothing"
link_and_queues
names
all_of_them
hidden_sys
routes
underneath
xdp
vanishing
echo "$checks values are as others read them"
