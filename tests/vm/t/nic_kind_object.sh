#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_kind_object.sh - flow rules and RSS contexts: made, found, told from others, removed
#
# Theory
#	weir-nickind makes and removes one object at a time; ethtool is the second reader, and the
#	somebody else who changes things in between. Rules are made on NICs that want to choose the
#	location themselves, that want to be told one, and that take both.
#
# Timeout: 120
. "$(dirname "$0")/lib.sh"

kind() { in_a weir-nickind wn0 "$@"; }
rules() { in_a ethtool -n wn0 2>/dev/null | awk '/^Total/ { print $2 }'; }
refused() { # ERRNO HINT VERB KIND...
	local code=$1 hint=$2

	shift 2
	kind "$@" >out 2>err && fail "$*: was accepted"
	grep -qx "$code" err || fail "$*: not $code: $(cat err)"
	grep -q -- "$hint" err || fail "$*: no word of '$hint': $(cat err)"
}

# rule_life SPEC QUEUE: made, seen, made by its line instead, removed
rule_life() {
	local spec=$1 at line

	at=$(kind make rule "$spec") || fail "make $spec"
	in_a ethtool -n wn0 rule "$at" >seen || fail "$spec: no rule $at"
	grep -q "Action: Direct to queue $2" seen || fail "$spec: $(cat seen)"
	kind check rule "$spec" "$at" || fail "check $spec"
	[ "$(kind list rule "$spec")" = "$at" ] || fail "list $spec"
	refused EEXIST "rule $at takes these packets" make rule "$spec"
	line=$(kind line rule "$spec" "$at")
	in_a sh -c "$line" || fail "$line"
	[ "$(rules)" = 0 ] || fail "$line: is still there"
	refused ENOENT "" check rule "$spec" "$at"
	line=$(kind line rule "$spec")
	in_a sh -c "$line" >/dev/null || fail "$line"
	at=$(kind list rule "$spec")
	[ -n "$at" ] || fail "$line: not found as $spec: $(in_a ethtool -n wn0)"
	kind remove rule "$spec" "$at" || fail "remove $spec"
	[ "$(rules)" = 0 ] || fail "remove $spec: is still there"
	refused ENOENT "" remove rule "$spec" "$at"
}

pair numrxqueues 8 numtxqueues 8
knob=$(debugfs_of wn0)/rules/locations

# ------------------------------------------------------------------------- rules
for habit in both any explicit; do
	echo $habit >"$knob"
	rule_life "tcp4 dst-port 5201 queue 3" 3
	rule_life "udp6 src-ip fd77::2 dst-ip fd77::1 src-port 40000 dst-port 53 queue 7" 7
done
rule_life "tcp4 src-ip 10.77.0.2 dst-ip 10.77.0.1 src-port 1 dst-port 65535 queue 1" 1
rule_life "udp4 queue 2" 2
rule_life "tcp6 dst-ip fd77::1 queue 2" 2

# explicit is still on: the highest free location
spec="tcp4 dst-port 80 queue 2"
in_a ethtool -N wn0 flow-type tcp4 dst-port 81 action 1 loc 255 || fail "loc 255"
[ "$(kind make rule "$spec")" = 254 ] || fail "not at 254"
# somebody puts another rule there, and one that says more than our words can
in_a ethtool -N wn0 flow-type tcp4 dst-port 80 action 4 loc 254 || fail "foreign rule"
refused ESTALE "" check rule "$spec" 254
refused ESTALE "not the one" remove rule "$spec" 254
refused EEXIST "queue 4; remove it: ethtool -N wn0 delete 254" make rule "$spec"
in_a ethtool -N wn0 flow-type tcp4 dst-port 80 m 0xff action 2 loc 254 || fail "masked rule"
refused ESTALE "" check rule "$spec" 254
in_a ethtool -N wn0 flow-type tcp4 dst-port 80 vlan 5 m 0xf000 action 2 loc 254 || fail "VLAN rule"
refused ESTALE "" check rule "$spec" 254
[ -z "$(kind list rule "$spec")" ] || fail "found: $(kind list rule "$spec")"
in_a ethtool -N wn0 delete 254 && in_a ethtool -N wn0 delete 255 || fail "delete"
refused EINVAL "no such queue" make rule "tcp4 dst-port 80 queue 8"
refused EINVAL "no such RSS context" make rule "tcp4 dst-port 80 context 9"
refused EINVAL "legal is" make rule "tcp4 dst-port 80"
refused ENOENT "" check rule "$spec" 256
refused EINVAL "" check rule "$spec" x
kind set feature ntuple off || fail "ntuple off"
refused EOPNOTSUPP "ethtool -K wn0 ntuple on" make rule "$spec"
kind set feature ntuple on || fail "ntuple on"
echo both >"$knob"

# ---------------------------------------------------------------------- contexts
entries() { # of a context as ethtool shows it
	in_a ethtool -x wn0 context "$1" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) print $i }'
}
near="queues 2,3"
id=$(kind make context "$near") || fail "make a context"
[ "$(entries "$id" | sort | uniq -c | tr -s ' \n' ' ')" = " 64 2 64 3 " ] ||
	fail "table of context $id: $(entries "$id")"
[ "$(kind list context "$near")" = "$id" ] || fail "list: $(kind list context "$near")"
kind check context "$near" "$id" || fail "check"
refused ESTALE "" check context "queues 2,4" "$id"
line=$(kind line context "$near")
two=$(in_a sh -c "$line" | awk '{ print $NF }')
kind check context "$near" "$two" || fail "$line: context $two is not the same"
[ "$(kind list context "$near")" = "$id $two" ] || fail "list of two: $(kind list context "$near")"
far=$(kind make context "queues 1,4,6") || fail "make a context of queues that are apart"
line=$(kind line context "queues 1,4,6")
copy=$(in_a sh -c "$line" | awk '{ print $NF }')
kind check context "queues 1,4,6" "$copy" || fail "$line: context $copy is not the same"
[ "$(kind list context "queues 1,4,6")" = "$far $copy" ] || fail "list of those apart"
# a rule leads to it
spec="tcp4 dst-port 80 context $id"
at=$(kind make rule "$spec") || fail "rule to a context"
in_a ethtool -n wn0 rule "$at" >seen
grep -qE "RSS Context (ID: )?$id$" seen || fail "the rule to context $id: $(cat seen)"
refused EBUSY "flow rules lead to context $id" remove context "$near" "$id"
kind remove rule "$spec" "$at" || fail "remove the rule"
line=$(kind line rule "$spec")
in_a sh -c "$line" >/dev/null || fail "$line"
kind remove rule "$spec" "$(kind list rule "$spec")" || fail "remove the rule of the line"
# somebody changes it
in_a ethtool -X wn0 context "$two" equal 1 start 5 || fail "foreign change"
refused ESTALE "" check context "$near" "$two"
refused ESTALE "was changed" remove context "$near" "$two"
in_a sh -c "$(kind line context "$near" "$two")" || fail "delete by the line"
refused ENOENT "" check context "$near" "$two"
kind remove context "$near" "$id" && kind remove context "queues 1,4,6" "$far" &&
	kind remove context "queues 1,4,6" "$copy" || fail "remove contexts"
refused ENOENT "" remove context "$near" "$id"
[ -z "$(kind list context "$near")" ] || fail "contexts are left"
refused EINVAL "8 receive queues" make context "queues 7,8"
refused EINVAL "legal is" make context "queue 3"
# the symmetry of the hash is not made different
if in_a ethtool -X wn0 xfrm symmetric-xor 2>/dev/null; then
	id=$(kind make context "$near") || fail "make a context with symmetry"
	kind check context "$near" "$id" || fail "check with symmetry"
	kind remove context "$near" "$id" || fail "remove with symmetry"
	in_a ethtool -X wn0 xfrm none
fi

# ---------------------------------------------------------------- a queue is bound
kind set split - on || fail "split on"
weir-zcraw hold >held 2>&1 &
exerciser=$!
started+=("$exerciser")
bound() { [ "$(stat_of wn0 rx1.provider_bytes)" -gt 0 ]; }
if wait_for 20 bound; then
	refused EINVAL "rxq 1 is bound by zcrx: close its ring first" set split - off
	refused EINVAL "rxq 1 is bound by zcrx" set hds-thresh - 64
	refused EINVAL "rxq 1 is bound by zcrx" set channels - 1
	touch hold.end
	wait "$exerciser" || fail "the stream: $(cat held)"
	wait_for 5 kind set split - off || fail "split off"
else
	wait "$exerciser"
	[ $? -eq 77 ] || fail "$(cat held)"
	kind set split - off || fail "split off"
fi
echo "rules and contexts are made, known, and removed when they are ours"
