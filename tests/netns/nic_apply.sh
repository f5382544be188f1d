#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_apply.sh - plan, apply, restore over what veth has (channels), and clear refusals of the rest
#
# Timeout: 120
#
# Theory
#	ethtool is the independent reader, before and after.  veth has channels and no flow rules,
#	no split, no RSS table: what it lacks must be refused in a sentence, with nothing changed.
. "$(dirname "$0")/lib_netns.sh"

veth
set_4=(v0 --for none --channels 4)

weir nic plan "${set_4[@]}" || fail "plan: $(cat "$work/out")"
says "rx 2 -> rx 4" plan
same plan
weir nic plan "${set_4[@]}" --json && python3 -c '
import json, sys
plan = json.load(open(sys.argv[1]))
assert not plan["applied"] and plan["interface"] == "v0", plan
(step,) = plan["steps"]
assert step["kind"] == "channels" and step["before"] == "rx 2" and step["after"] == "rx 4"
assert step["ethtool"] == "ethtool -L v0 rx 4" and step["undo"] == "ethtool -L v0 rx 2"
' "$work/out" || fail "the plan as JSON: $(cat "$work/out")"
same "plan as JSON"
no_journal plan

weir nic apply "${set_4[@]}" || fail "apply: $(cat "$work/out")"
ethtool -l v0 | grep -A 9 Current | grep -q "RX:.*4" || fail "apply did nothing"
weir nic apply "${set_4[@]}" || fail "a second owner that wants the same: $(cat "$work/out")"
weir nic plan v0 --for none --channels 6 && fail "an owner that contradicts others"
says "owner" "contradiction"
weir nic restore v0 || fail "restore: $(cat "$work/out")"
same restore
no_journal restore
weir nic restore v0 || fail "restore of nothing"
says "0 changes" "restore of nothing"
weir nic restore v0 --forget || fail "restore of nothing with --forget"

# a person changes it meanwhile
weir nic apply "${set_4[@]}" || fail "apply"
ethtool -L v0 rx 3
weir nic restore v0 || fail "restore after a foreign change: $(cat "$work/out")"
says "left alone" "a foreign change"
ethtool -l v0 | grep -A 9 Current | grep -q "RX:.*3" || fail "the foreign value was changed"
no_journal "a foreign change"
ethtool -L v0 rx 2

# --hold: a signal puts it back; SIGKILL leaves it to the next one
for how in TERM INT HUP KILL; do
	rm -f "$work/hold"
	"$WEIR" nic apply "${set_4[@]}" --hold >"$work/hold" 2>&1 &
	holder=$!
	wait_for 10 grep -q "set up" "$work/hold" || fail "--hold: $(cat "$work/hold")"
	kill -s $how $holder
	wait $holder
	status=$?
	if [ $how = KILL ]; then
		weir nic status v0
		says "no longer runs\|ended\|dead" "status of a dead owner"
		weir nic plan v0 --for none --channels 5 ||
			fail "plan after a death: $(cat "$work/out")"
		says "first: 1 changes are put back" "leftovers in a plan"
		says "rx 2 -> rx 5" "the value before, when leftovers are put back"
		weir nic apply v0 --for none --channels 5 || fail "apply after a death"
		weir nic restore v0 || fail "restore after a death"
	else
		[ $status = 0 ] || fail "--hold ends with $status: $(cat "$work/hold")"
	fi
	same "--hold and $how"
	no_journal "--hold and $how"
done

# refused, each with a sentence
refused() {
	weir nic apply "$@" && fail "nic apply $* works"
	checks=$((checks + 1))
	[ -s "$work/out" ] || fail "nic apply $* says nothing"
	same "$*"
	no_journal "$*"
}
refused v0
says "tcp-data-split" "no split"
refused v0 --for xdp
says "RSS table" "no table"
refused v0 --for none --flow tcp:80
says "ntuple" "no rules"
refused v0 --for none --channels 99
says "at most" "too many channels"
refused v0 --for none --queue 7
says "0 to 1" "no such queue"
refused v0 --for none --irq-cpu 0
says "interrupt" "no interrupt"
refused nosuch0
says "ip link" "no such interface"
refused lo
refused v0 --for none --channels 4 --queue 1 --queues 9

# the way out
ip address add 10.9.0.1/24 dev v0
ip route add default via 10.9.0.2
refused "${set_4[@]}"
says "default route" "the way out"
says "--really" "the way out"
weir nic apply "${set_4[@]}" --really || fail "--really: $(cat "$work/out")"
weir nic restore v0
ip route del default
same "--really"

# the journal cannot be written: nothing is changed
mkdir -p "$work/ro" && mount -t tmpfs -o ro none "$work/ro" || fail "no tmpfs"
WEIR_RUN_DIR=$work/ro/run refused "${set_4[@]}"
says "ead-only" "read-only folder"
umount "$work/ro"

# without the right to
if command -v setpriv >/dev/null; then
	setpriv --bounding-set -net_admin --inh-caps -net_admin "$WEIR" nic apply "${set_4[@]}" \
		>"$work/out" 2>&1 && fail "without CAP_NET_ADMIN"
	says "CAP_NET_ADMIN\|not permitted" "without CAP_NET_ADMIN"
	same "without CAP_NET_ADMIN"
	no_journal "without CAP_NET_ADMIN"
fi

# the interface goes while it is held
rm -f "$work/hold"
"$WEIR" nic apply "${set_4[@]}" --hold >"$work/hold" 2>&1 &
holder=$!
wait_for 10 grep -q "set up" "$work/hold" || fail "--hold: $(cat "$work/hold")"
ip link delete v0
kill $holder
wait $holder || fail "the end without an interface: $? $(cat "$work/hold")"
no_journal "without an interface"
weir nic restore v0 && fail "restore of what is not there"
weir nic restore || fail "restore of all: $(cat "$work/out")"
echo "$checks checks"
