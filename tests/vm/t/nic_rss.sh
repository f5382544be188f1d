#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_rss.sh - the default RSS context: key, table, hashed fields, symmetric hashing
#
# Theory
#	Twelve connection attempts from twelve source ports show how flows spread; nothing else than
#	the test's frames arrives.
#
# Timeout: 90
. "$(dirname "$0")/lib.sh"

# queue_of SPORT DPORT
queue_of() {
	echo "tcp - $1 10.77.0.1 $2" >&"$to_probe"
	read -rt 20 -u "$from_probe" || fail "the probe is gone"
	echo "$REPLY"
}

# queues_of FIRST_PORT: the queues of twelve flows, in order.  The kernel draws the first key: ports
# that differ in a few bits only would, with one key of forty, all go to two queues.
queues_of() {
	local n
	for ((n = 0; n < 12; n++)); do
		queue_of $(($1 + 37 * n)) 5001
	done | tr '\n' ' '
}

distinct() { tr ' ' '\n' <<<"$1" | sort -u | grep -c .; }

quiet_pair numrxqueues 8 numtxqueues 8
coproc PROBE { exec weir-zcraw probe "$(debugfs_of wn0)/stats"; }
started+=("$PROBE_PID")
exec {to_probe}>&"${PROBE[1]}" {from_probe}<&"${PROBE[0]}" # those of a coproc end at subshells

# spread over all, the same each time, within the queues asked for
first=$(queues_of 4000)
[ "$(wc -w <<<"$first")" = 12 ] || fail "twelve frames on one queue each: '$first'"
[ "$(distinct "$first")" -ge 3 ] || fail "twelve flows on few queues: $first"
[ "$(queues_of 4000)" = "$first" ] || fail "the same flows on other queues"
in_a ethtool -X wn0 equal 2 start 5 || fail "table"
for q in $(queues_of 4000); do
	[ "$q" = 5 ] || [ "$q" = 6 ] || fail "queue $q is not in the table"
done
in_a ethtool -X wn0 weight 0 0 0 1 || fail "weights"
[ "$(queues_of 4000)" = "3 3 3 3 3 3 3 3 3 3 3 3 " ] || fail "one queue has all the weight"
in_a ethtool -X wn0 default || fail "default table"
[ "$(queues_of 4000)" = "$first" ] || fail "default does not bring back the first table"

# another key, another spread; the key reads as written
key=$(printf '%02x:' {1..40})
in_a ethtool -X wn0 hkey "${key%:}" || fail "key"
in_a ethtool -x wn0 | grep -q "${key%:}" || fail "the key as read"
second=$(queues_of 4000)
[ "$second" != "$first" ] || fail "the key changed nothing"

# fields: without ports all of these flows are one
in_a ethtool -N wn0 rx-flow-hash tcp4 sd || fail "fields"
[ "$(distinct "$(queues_of 4000)")" = 1 ] || fail "ports hashed, but not asked for"
in_a ethtool -N wn0 rx-flow-hash tcp4 f || fail "source port only"
[ "$(distinct "$(queues_of 4000)")" -ge 3 ] || fail "source ports do not count"
[ "$(queue_of 4000 5001)" = "$(queue_of 4000 5002)" ] || fail "destination ports count"
in_a ethtool -N wn0 rx-flow-hash tcp4 sdfn || fail "fields back"
[ "$(queues_of 4000)" = "$second" ] || fail "fields back, but another spread"
in_a ethtool -N wn0 rx-flow-hash tcp4 m 2>/dev/null && fail "MAC addresses hashed?"
in_a ethtool -X wn0 hfunc xor 2>/dev/null && fail "xor as hash function?"
in_a ethtool -X wn0 equal 9 2>/dev/null && fail "nine queues of eight"

# symmetric: exchanged ports (and, of one pair of hosts, addresses) hash alike
unlike() {
	local i n=0
	for ((i = 0; i < 6; i++)); do
		[ "$(queue_of $((4100 + i)) $((5100 + i)))" = \
			"$(queue_of $((5100 + i)) $((4100 + i)))" ] || n=$((n + 1))
	done
	echo $n
}
[ "$(unlike)" -ge 1 ] || fail "exchanged ports hash alike, without being asked to"
if in_a ethtool -X wn0 xfrm symmetric-xor 2>/dev/null; then
	[ "$(unlike)" = 0 ] || fail "symmetric-xor is not symmetric"
fi
echo "flows spread as key, table and fields say"
