#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_kind_set.sh - each kind of setting: read, set, read by ethtool, and put back
#
# Theory
#	weir-nickind calls one kind of change at a time. What it sets is looked at with ethtool, and
#	so is what it puts back: all that ethtool shows must then be as it was. Each command line
#	that a kind prints is run, and must have made the value that it was printed for.
#
# Timeout: 120
. "$(dirname "$0")/lib.sh"

kind() { in_a weir-nickind wn0 "$@"; }
shown() { in_a ethtool "$1" wn0 2>/dev/null; }
all() {
	local option

	for option in -l -g -k -x -n; do
		shown $option
	done
}

# is KIND KEY VALUE
is() {
	local now

	now=$(kind get "$1" "$2") || fail "$1 $2 cannot be read"
	[ "$now" = "$3" ] || fail "$1 $2 is '$now', not '$3'"
}

# by_line KIND KEY VALUE: the printed command line makes it
by_line() {
	local line

	line=$(kind line "$1" "$2" "$3")
	[ -n "$line" ] || fail "no command line for $1 $2 $3"
	in_a sh -c "$line" >line.out 2>&1 || fail "$line: $(cat line.out)"
	is "$1" "$2" "$3"
}

# there_and_back OPTION KIND KEY VALUE...: each value by us and by its line, and the first one
# again; ethtool shows it with this option
there_and_back() {
	local option=$1 name=$2 key=$3 first before value

	shift 3
	first=$(kind get "$name" "$key") || fail "$name $key cannot be read"
	before=$(shown "$option")
	for value in "$@"; do
		kind set "$name" "$key" "$value" || fail "$name $key to $value"
		[ "$(shown "$option")" != "$before" ] ||
			fail "$name $key to $value: ethtool sees nothing"
		kind set "$name" "$key" "$first" || fail "$name $key back to $first"
		[ "$(shown "$option")" = "$before" ] || {
			shown "$option" | diff <(echo "$before") - | head -n 20
			fail "$name $key back to $first from $value: not as before"
		}
		by_line "$name" "$key" "$value"
	done
	by_line "$name" "$key" "$first"
	[ "$(shown "$option")" = "$before" ] || fail "$name $key by command lines: not as before"
}

# nothing_else WHAT: all that ethtool shows is as it was at the start
nothing_else() {
	[ "$(all)" = "$at_start" ] && return
	all | diff <(echo "$at_start") - | head -n 20
	fail "$1: not all is as it was"
}

# refused ERRNO HINT VERB KIND...: not done, and why
refused() {
	local code=$1 hint=$2

	shift 2
	kind "$@" >out 2>err && fail "$*: was accepted"
	grep -qx "$code" err || fail "$*: not $code: $(cat err)"
	grep -q -- "$hint" err || fail "$*: no word of '$hint': $(cat err)"
}

# table_is ENTRIES: what ethtool shows of the table, entry by entry
table_is() {
	local now

	now=$(shown -x | awk '/^ *[0-9]+:/ {
		for (i = 2; i <= NF; i++)
			printf "%s%s", n++ ? "," : "", $i
	}')
	[ "$now" = "$1" ] || fail "ethtool shows the table $now, not $1"
}

# by another reader than the kind's own
threshold() {
	in_a weir nic status wn0 --json | sed -n 's/.*"hds_threshold_bytes":[ \t]*\([0-9]*\).*/\1/p'
}

pair numrxqueues 8 numtxqueues 8
at_start=$(all)
weir-nickind nosuch get split - 2>err && fail "an interface that there is not"
grep -qx ENODEV err || fail "an interface that there is not: $(cat err)"

# -------------------------------------------------------------------- channels
is channels - 8
there_and_back -l channels - 4 1
refused EINVAL "8 at most" set channels - 9
refused EINVAL "legal is" set channels - 0
refused EINVAL "legal is" set channels - four
[ "$(kind target channels - 8 4)" = 4 ] || fail "target of channels"
refused EBUSY "" target channels - 8 4 5
in_a ethtool -X wn0 equal 6 || fail "equal 6"
refused EINVAL "indirection table" set channels - 4
in_a ethtool -X wn0 default || fail "default table"
nothing_else channels

# ------------------------------------------------------------------- features
there_and_back -k feature ntuple off
there_and_back -k feature rx-gro-hw on
refused EOPNOTSUPP "lets\?.* be changed" set feature lro on
refused EINVAL "legal is" get feature tso
refused EINVAL "legal is" set feature ntuple maybe
nothing_else features

# ------------------------------------------------------- header split, threshold
is split - off
there_and_back -g split - on
kind set split - on && kind set split - on || fail "on, when it is on"
kind set split - off || fail "split off"
refused EINVAL "legal is" set split - maybe
if kind get hds-thresh - >hds 2>err; then
	kind set hds-thresh - 0 || fail "threshold 0"
	for value in 64 4096 0; do # ethtool before 6.15 knows nothing of it
		kind set hds-thresh - $value || fail "threshold $value"
		[ "$(threshold)" = $value ] || fail "threshold $value: $(threshold)"
	done
	if in_a ethtool --help | grep -q hds-thresh; then
		by_line hds-thresh - 64
	fi
	refused EINVAL "4096 at most" set hds-thresh - 4097
	refused EINVAL "legal is" set hds-thresh - -1
	kind set hds-thresh - "$(cat hds)" || fail "threshold back"
	[ "$(threshold)" = "$(cat hds)" ] || fail "threshold back: $(threshold)"
else
	[ "$(fact series)" = 6.12 ] || fail "no threshold: $(cat err)"
	grep -qx EOPNOTSUPP err || fail "no threshold: $(cat err)"
fi
nothing_else "header split"

# ----------------------------------------------------------------------- RSS
is rss - default
away=$(kind target rss - default "away 6,7") || fail "away from 6 and 7"
there_and_back -x rss - "$away"
kind set rss - "$away" || fail "set away from 6 and 7"
table_is "$away"
in_a ethtool -X wn0 default
apart=$(kind target rss - default "away 1" "away 4") || fail "away from 1 and 4"
there_and_back -x rss - "$apart"
kind set rss - "$apart" || fail "set away from 1 and 4"
table_is "$apart"
[ "$(kind target rss - default "away 9")" = default ] || fail "away from a queue that is not there"
refused EINVAL "none would be left" target rss - default "away 0,1,2,3" "away 4,5,6,7"
refused EINVAL "legal is" target rss - default "off 3"
refused EINVAL "to have 2 entries" set rss - 0,1
refused EINVAL "to name queue 8" set rss - "${apart/0/8}"
# somebody's own table: only what must change
in_a ethtool -X wn0 weight 1 2 3 4 || fail "weights"
own=$(kind get rss -) || fail "own table"
table_is "$own"
mine=$(kind target rss - "$own" "away 3") || fail "away from 3"
[ "$(tr , '\n' <<<"$mine" | sort -u | tr '\n' ' ')" = "0 1 2 " ] || fail "queues of $mine"
kind set rss - "$mine" || fail "set $mine"
table_is "$mine"
by_line rss - "$own"
# the symmetry of the hash stays
if in_a ethtool -X wn0 xfrm symmetric-xor 2>err; then
	shown -x | grep -q "symmetric-xor: on" || fail "symmetry cannot be seen"
	kind set rss - "$mine" && kind set rss - default || fail "tables with symmetry"
	shown -x | grep -q "symmetric-xor: on" || fail "the symmetry of the hash was lost"
	in_a ethtool -X wn0 xfrm none || fail "symmetry off"
else
	[ "$(fact series)" = 6.12 ] || fail "symmetry: $(cat err)"
fi
in_a ethtool -X wn0 default || fail "default table"
is rss - default
nothing_else RSS

# ---------------------------------------------------------------------- NAPI
if first=$(kind get napi 1 2>err); then
	busy="defer-hard-irqs 7 gro-flush-timeout 200000 irq-suspend-timeout 20000000000"
	kind set napi 1 "$busy" || fail "NAPI"
	is napi 0 "$first"
	kind set channels - 1 && kind set channels - 8 || fail "channels down and up"
	is napi 1 "$busy" # the kernel keeps it for the queue's next NAPI
	[ -z "$(kind line napi 1 "$busy")" ] || fail "a command line for NAPI"
	kind set napi 1 "defer-hard-irqs 7 gro-flush-timeout 0" 2>/dev/null # the third is left
	is napi 1 "defer-hard-irqs 7 gro-flush-timeout 0 irq-suspend-timeout 20000000000"
	refused EINVAL "no rxq 8" get napi 8
	refused EINVAL "legal is" set napi 1 "gro-flush-timeout 1 defer-hard-irqs 2"
	refused EINVAL "legal is" set napi 1 "defer-hard-irqs 2147483648 gro-flush-timeout 0"
	ip -n a link set wn0 down
	refused ENETDOWN "down" get napi 1
	ip -n a link set wn0 up && carrier_comes
	kind set napi 1 "$first" || fail "NAPI back"
else
	[ "$(fact series)" = 6.12 ] || fail "NAPI: $(cat err)"
	grep -qx EOPNOTSUPP err || fail "NAPI: $(cat err)"
fi

# ----------------------------------------------------------------- interrupts
cpus() { cat "/proc/irq/$irq/smp_affinity_list"; }
irq=$(irq_of wn0-rx-5)
first=$(kind get irq "$irq") || fail "CPUs of $irq"
[ "$first" = "$(cpus)" ] || fail "CPUs of $irq: '$first'"
kind set irq "$irq" 1 || fail "interrupt $irq to CPU 1"
[ "$(cpus)" = 1 ] || fail "CPUs of $irq: $(cpus)"
by_line irq "$irq" 0
kind set irq "$irq" "$first" || fail "interrupt $irq back"
[ "$(cpus)" = "$first" ] || fail "CPUs of $irq at the end: $(cpus)"
kind set irq "$irq" 99 2>err && fail "a CPU that there is not"
grep -q "list of CPUs" err || fail "a CPU that there is not: $(cat err)"
[ "$(cpus)" = "$first" ] || fail "CPUs of $irq after refusals: $(cpus)"
# another device's is left alone
refused ENOENT "not one of wn0" set irq "$(irq_of ttyS0)" 1
refused ENOENT "not one of wn0" get irq "$(irq_of wn1-rx-1)"
refused ENOENT "not one of wn0" get irq 9999
# a queue that is switched off keeps its interrupt, which nobody handles then
kind set channels - 4 || fail "four channels"
kind set irq "$irq" 1 || fail "interrupt $irq of a queue that is off"
[ "$(cpus)" = 1 ] || fail "CPUs of $irq of a queue that is off: $(cpus)"
refused ENOENT "not one of wn0" set irq "$(irq_of wn1-rx-1)" 1
kind set channels - 8 || fail "eight channels"
is irq "$irq" 1
kind set irq "$irq" "$first" || fail "interrupt $irq back, with its queue"
# with the link down nobody tells whose it is; the timer's may not be moved, as a managed one
ip -n a link set wn0 down
kind set irq 0 1 2>err && fail "the timer was moved"
grep -qxE 'EIO|EPERM' err && grep -q managed err || fail "the timer: $(cat err)"
refused ENOENT "" get irq 9999
kind set irq "$irq" 1 || fail "interrupt $irq to CPU 1 with the link down"
[ "$(cpus)" = 1 ] || fail "CPUs of $irq with the link down: $(cpus)"
ip -n a link set wn0 up && carrier_comes
is irq "$irq" 1
kind set irq "$irq" "$first" || fail "interrupt $irq back with the link up"
refused EINVAL "legal is" get irq ttyS0
[ "$(kind target irq "$irq" 0-1 1)" = 1 ] || fail "target of an interrupt"
nothing_else "at the end"
echo "settings go there and back, and ethtool sees the same"
