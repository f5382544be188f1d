#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_contexts.sh - RSS contexts: each hashes with its own key, table and fields
#
# Theory
#	Context 0 knows queue 0 only, so that all traffic but the test's goes there. Rules send
#	the test's flows to a context over queues 1 to 8. The published test vectors of the
#	Toeplitz hash have known results; the queue shows which table entry a hash chose: with
#	equal weights in blocks of 16 its upper bits, spread round robin its lower bits.
#
# Timeout: 90
# Sources: the vectors are in Microsoft's "Verifying the RSS hash calculation"
. "$(dirname "$0")/lib.sh"

KEY=6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb
KEY+=:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa

new_context() { in_a ethtool -X wn0 context new "$@" | awk '{ print $NF }'; }

# queue_of SOURCE SPORT DESTINATION DPORT: the queue from 1 up that one SYN goes to
queue_of() {
	echo "tcp $1 $2 $3 $4 1" >&"$to_probe"
	read -rt 20 -u "$from_probe" || fail "the probe is gone"
	echo "$REPLY"
}

# join SOURCE DESTINATION BITS: b has SOURCE, a has DESTINATION, and they know the way
join() {
	join_end a wn0 "$2" "$1" "$3" "$mac_b"
	join_end b wn1 "$1" "$2" "$3" "$mac_a"
}
join_end() { # NAMESPACE DEV OWN OTHER BITS MAC_OF_OTHER
	local nodad=
	[ "$5" = 128 ] && nodad=nodad
	ip -n "$1" -batch - <<-END || fail "address $3"
		addr add $3/$5 dev $2 $nodad
		route add $4/$5 dev $2 src $3
		neigh replace $4 lladdr $6 dev $2 nud permanent
	END
}

# vector SOURCE SPORT DESTINATION DPORT ENTRY: the hash chooses this table entry
vector() {
	local got
	in_a ethtool -X wn0 context "$ctx" weight 0 1 1 1 1 1 1 1 1 || fail "weights"
	got=$(queue_of "$1" "$2" "$3" "$4")
	[ "$got" = $((1 + $5 / 16)) ] ||
		fail "$1:$2 to $3:$4: upper bits: queue '$got', not $((1 + $5 / 16))"
	in_a ethtool -X wn0 context "$ctx" equal 8 start 1 || fail "round robin"
	got=$(queue_of "$1" "$2" "$3" "$4")
	[ "$got" = $((1 + $5 % 8)) ] ||
		fail "$1:$2 to $3:$4: lower bits: queue '$got', not $((1 + $5 % 8))"
}

pair numrxqueues 10 numtxqueues 10
coproc PROBE { exec weir-zcraw probe "$(debugfs_of wn0)/stats"; }
started+=("$PROBE_PID")
exec {to_probe}>&"${PROBE[1]}" {from_probe}<&"${PROBE[0]}" # those of a coproc end at subshells
in_a ethtool -X wn0 equal 1 || fail "default table"
ctx=$(new_context hkey $KEY equal 8 start 1)
[ -n "$ctx" ] && [ "$ctx" -gt 0 ] || fail "no context made: '$ctx'"
in_a ethtool -x wn0 context "$ctx" | grep -qi "$KEY" || fail "the context's key as read"
in_a ethtool -N wn0 flow-type tcp4 src-port 0 m 0xffff context "$ctx" loc 100 ||
	fail "tcp4 rule"
in_a ethtool -N wn0 flow-type tcp6 src-port 0 m 0xffff context "$ctx" loc 101 ||
	fail "tcp6 rule"

mac_a=$(with_sys a cat /sys/class/net/wn0/address)
mac_b=$(with_sys b cat /sys/class/net/wn1/address)
join 66.9.149.187 161.142.100.80 32
join 199.92.111.2 65.69.140.83 32
join 24.19.198.95 12.22.207.184 32
join 38.27.205.30 209.142.163.6 32
join 153.39.163.191 202.188.127.2 32
join 3ffe:2501:200:1fff::7 3ffe:2501:200:3::1 128
vector 66.9.149.187 2794 161.142.100.80 1766 $((0x51ccc178 % 128))
vector 199.92.111.2 14230 65.69.140.83 4739 $((0xc626b0ea % 128))
vector 24.19.198.95 12898 12.22.207.184 38024 $((0x5c2b394a % 128))
vector 38.27.205.30 48228 209.142.163.6 2217 $((0xafc7327f % 128))
vector 153.39.163.191 44251 202.188.127.2 1303 $((0x10e828a2 % 128))
vector 3ffe:2501:200:1fff::7 2794 3ffe:2501:200:3::1 1766 $((0x40207d3d % 128))

# addresses only, in this context only; 6.12 refuses that before it asks the driver
if in_a ethtool -N wn0 rx-flow-hash tcp4 sd context "$ctx" 2>err; then
	vector 66.9.149.187 2794 161.142.100.80 1766 $((0x323e8fc2 % 128))
	vector 24.19.198.95 12898 12.22.207.184 38024 $((0xd2d0a5de % 128))
	in_a ethtool -n wn0 rx-flow-hash tcp4 | grep -q "L4 bytes 0 & 1" ||
		fail "context 0 lost its fields"
	in_a ethtool -N wn0 rx-flow-hash tcp4 sdv context "$ctx" 2>/dev/null &&
		fail "VLAN hashed?"
	in_a ethtool -N wn0 rx-flow-hash tcp4 sdfn context "$ctx" || fail "fields back"
else
	[ "$(fact series)" = 6.12 ] || fail "fields of the context: $(cat err)"
	echo "no fields of a context on this kernel: $(cat err)"
fi

# a second context on other queues; each keeps its own
two=$(new_context equal 1 start 9)
in_a ethtool -N wn0 flow-type tcp4 dst-port 1766 context "$two" loc 0 || fail "rule to context $two"
[ "$(queue_of 66.9.149.187 2794 161.142.100.80 1766)" = 9 ] || fail "context $two not used"
vector 199.92.111.2 14230 65.69.140.83 4739 $((0xc626b0ea % 128))

# what may not be done
in_a ethtool -X wn0 context "$two" delete 2>/dev/null && fail "a context in use was deleted"
in_a ethtool -X wn0 context "$two" equal 11 2>/dev/null && fail "a queue that there is not"
in_a ethtool -X wn0 context 60 equal 2 2>/dev/null && fail "a context that there is not"
in_a ethtool -L wn0 combined 9 2>/dev/null && fail "a queue of a context was switched off"
[ "$(queue_of 66.9.149.187 2794 161.142.100.80 1766)" = 9 ] || fail "context $two lost"
in_a ethtool -N wn0 delete 0 || fail "delete the rule"
in_a ethtool -X wn0 context "$two" delete || fail "delete context $two"
in_a ethtool -x wn0 context "$two" >/dev/null 2>&1 && fail "context $two is still there"
vector 66.9.149.187 2794 161.142.100.80 1766 $((0x51ccc178 % 128))
echo "contexts hash as published, and keep to themselves"
