#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_rules.sh - flow rules of the test NIC: what matches, where it goes, what is refused
#
# Theory
#	All frames without a rule go to queue 0 (the RSS table names no other), so a queue's packet
#	counter says exactly which frames a rule took. A connection attempt to a closed port is one
#	TCP frame; a datagram is one UDP frame.
#
# Timeout: 90
. "$(dirname "$0")/lib.sh"

rule() { in_a ethtool -N wn0 "$@" 2>&1; }
rules() { in_a ethtool -n wn0 2>/dev/null | awk '/^Total/ { print $2 }'; }

# takes QUEUE WHAT tcp|udp SOURCE_PORT ADDRESS PORT: the frame goes to QUEUE alone, or to "none".
# Queue 0 has ARP and the like, too, so that it is not looked at for a frame of another.
takes() {
	local first=1
	[ "$1" = 0 ] && first=0
	echo "$3 - $4 $5 $6 $first" >&"$to_probe"
	read -rt 20 -u "$from_probe" || fail "the probe is gone"
	[ "$REPLY" = "$1" ] || fail "$2: to queue '$REPLY', not $1"
}

# refused TEXT RULE...: the rule is refused and the table is as before
refused() {
	local what=$1 before
	shift
	before=$(rules)
	rule "$@" >/dev/null && fail "$what: was accepted"
	[ "$(rules)" = "$before" ] || fail "$what: refused, but the table changed"
}

pair numrxqueues 8 numtxqueues 8
coproc PROBE { exec weir-zcraw probe "$(debugfs_of wn0)/stats"; }
started+=("$PROBE_PID")
exec {to_probe}>&"${PROBE[1]}" {from_probe}<&"${PROBE[0]}" # those of a coproc end at subshells
in_a ethtool -X wn0 equal 1 || fail "RSS table"
in_b ping -q -c 1 -W 5 10.77.0.1 >/dev/null || fail "no ping"

rule flow-type tcp4 dst-port 5001 action 2 loc 30 || fail "tcp4 at location 30"
takes 2 "tcp4 by port" tcp 0 10.77.0.1 5001
takes 0 "tcp4, other port" tcp 0 10.77.0.1 5002
[ "$(rules)" = 1 ] || fail "one rule expected, $(rules) listed"
in_a ethtool -n wn0 rule 30 | grep -q "Action: Direct to queue 2" || fail "rule 30 as listed"

rule flow-type udp4 dst-ip 10.77.0.1 dst-port 5001 action 3 || fail "udp4 anywhere"
takes 3 "udp4 by address and port" udp 0 10.77.0.1 5001
rule flow-type tcp6 dst-ip fd77::1 dst-port 5001 action 4 || fail "tcp6"
takes 4 "tcp6" tcp 0 fd77::1 5001
rule flow-type udp6 src-ip fd77::2 dst-port 5001 action 5 || fail "udp6"
takes 5 "udp6" udp 0 fd77::1 5001
rule flow-type tcp4 src-ip 10.77.0.0 m 0.0.0.255 src-port 4000 m 0xf action 6 loc 40 ||
	fail "masked tcp4"
takes 6 "masked tcp4" tcp 4011 10.77.0.1 5100
takes 0 "outside the mask" tcp 4112 10.77.0.1 5100

rule flow-type tcp4 dst-port 5001 action 7 loc 10 || fail "second rule for a port"
takes 7 "the lower location wins" tcp 0 10.77.0.1 5001
rule delete 10 >/dev/null || fail "delete"
takes 2 "the other rule again" tcp 0 10.77.0.1 5001
rule flow-type tcp4 dst-port 5001 action 1 loc 30 || fail "replacement"
takes 1 "a rule replaced in its place" tcp 0 10.77.0.1 5001

rule flow-type udp4 dst-port 5009 action -1 || fail "discard rule"
takes none "a discarded frame" udp 0 10.77.0.1 5009
rule flow-type ip4 dst-ip 10.77.0.1 l4proto 1 action 5 || fail "ip4"
before=$(stat_of wn0 rx5.packets)
in_b ping -q -c 1 -W 5 10.77.0.1 >/dev/null || fail "no ping"
[ "$(stat_of wn0 rx5.packets)" = $((before + 1)) ] || fail "ip4 by protocol: not to queue 5"
rule flow-type ether proto 0x88b5 m 0 action 5 || fail "ether"

# VLAN: one tag, matched by id
for n in a:wn0:1 b:wn1:2; do
	IFS=: read -r ns dev host <<<"$n"
	ip -n "$ns" link add link "$dev" name v5 type vlan id 5 || skip "no VLAN devices"
	ip -n "$ns" addr add "10.78.0.$host/24" dev v5
	ip -n "$ns" link set v5 up
done
rule flow-type tcp4 dst-port 5001 vlan 0x0005 m 0xf000 action 6 loc 5 || fail "tcp4 with VLAN"
takes 6 "tcp4 in VLAN 5" tcp 0 10.78.0.1 5001
takes 1 "the same without tag" tcp 0 10.77.0.1 5001

refused "a queue that there is not" flow-type tcp4 dst-port 1 action 8
refused "a location that there is not" flow-type tcp4 dst-port 1 action 1 loc 256
refused "an RSS context that there is not" flow-type tcp4 dst-port 1 context 9
refused "a kind that there is not" flow-type sctp4 dst-port 1 action 1
refused "the same match again" flow-type udp4 dst-port 5009 action 2
rule delete 200 >/dev/null && fail "deleted a rule that there was not"

# NICs that want the one or the other kind of location
knob=$(debugfs_of wn0)/rules/locations
echo any >"$knob"
refused "explicit location, any wanted" flow-type tcp4 dst-port 2 action 1 loc 50
rule flow-type tcp4 dst-port 2 action 1 || fail "any location, any wanted"
echo explicit >"$knob"
rule flow-type tcp4 dst-port 3 action 1 loc 51 || fail "explicit location, explicit wanted"
before=$(rules) # ethtool is told so by the device, and chooses a location itself
rule flow-type tcp4 dst-port 4 action 1 >/dev/null || fail "location chosen by ethtool"
[ "$(rules)" = $((before + 1)) ] || fail "the rule is not listed"
(echo nonsense >"$knob") 2>/dev/null && fail "nonsense was accepted"
[ "$(cat "$knob")" = explicit ] || fail "knob changed by nonsense"
echo both >"$knob"

in_a ethtool -K wn0 ntuple off || fail "ntuple off"
takes 0 "rules switched off" tcp 0 10.77.0.1 5001
refused "a rule while switched off" flow-type tcp4 dst-port 4 action 1
in_a ethtool -K wn0 ntuple on || fail "ntuple on"
takes 1 "rules switched on again" tcp 0 10.77.0.1 5001
echo "rules match, go where they say, and wrong ones are refused"
