#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_faults.sh - each fault does what it says, as often as it says, the same for the same seed
#
# Timeout: 120
#
# Theory
#	Datagrams are sent one by one to a queue that a rule keeps for them; the counters of that
#	queue and the fault's hits say what became of each. A stream is sent by TCP through the
#	faults that TCP must heal, and must arrive whole. Nothing else is on the wire.
. "$(dirname "$0")/lib.sh"

datagrams() {
	local n
	for ((n = 0; n < $1; n++)); do
		echo x >/dev/udp/10.77.0.1/5001
	done 2>/dev/null
}
export -f datagrams
send() { in_b bash -c "datagrams $1"; }
hits() { sed -n 's/.* hits //p' "$dir/fault/$1"; }
fault() { echo "${*:3}" >"$dir/fault/$2"; } # that of lib.sh asks for the folder each time
off() { fault wn0 "$1" 0; }
frames() { sed -n "s/^rx$1.packets //p" "$dir/stats"; }
all() { sum "$dir/stats" rx "$1"; }
arrived() { [ "$(frames 2)" -eq "$1" ]; }
# snmp NAMESPACE FILE PROTOCOL COUNTER
snmp() {
	"in_$1" awk -v proto="$3:" -v name="$4" '
		$1 == proto && have { print $col[name] }
		$1 == proto && !have { for (i = 2; i <= NF; i++) col[$i] = i; have = 1 }
	' "/proc/net/$2"
}

# expect NAME EVERY TIMES SENT ARRIVE: of SENT datagrams, ARRIVE frames arrive at queue 2
expect() {
	local before
	before=$(frames 2)
	fault wn0 "$1" "$2" "$3"
	send "$4"
	wait_for 5 arrived $((before + $5)) ||
		fail "$1: $(($(frames 2) - before)) frames of $4 datagrams, $5 expected"
	[ "$(hits "$1")" = "$3" ] || fail "$1: $(hits "$1") hits, $3 wanted"
	off "$1"
}

# copy: a megabyte by TCP, each byte compared
copy() {
	weir-zcraw plain >out 2>&1 || fail "$1: $(cat out)"
}

# heals NAME EVERY [TIMES]: TCP heals it, and it did act
heals() {
	fault wn0 "$@"
	copy "$1"
	[ "$(hits "$1")" -gt 0 ] || fail "$1 never acted"
	off "$1"
}

quiet_pair numrxqueues 4 numtxqueues 4
dir=$(debugfs_of wn0)
in_a ethtool -X wn0 equal 1 || fail "RSS table"
in_a ethtool -N wn0 flow-type udp4 dst-port 5001 action 2 >/dev/null || fail "rule"

# what knobs take
for text in "" x "1 x" "0 1" -1 "1 2 3" 99999999999; do
	(echo "$text" >"$dir/fault/drop") 2>/dev/null && fail "knob takes '$text'"
done
[ "$(cat "$dir/fault/drop")" = "every 0 times 0 hits 0" ] || fail "knob: $(cat "$dir/fault/drop")"
fault wn0 drop 7 9
[ "$(cat "$dir/fault/drop")" = "every 7 times 9 hits 0" ] || fail "knob: $(cat "$dir/fault/drop")"
off drop

# exact numbers
expect drop 1 10 25 15
expect duplicate 1 5 10 15
before=$(all packets)
expect misdirect 1 4 10 6
[ "$(all packets)" -ge $((before + 10)) ] || fail "misdirected frames did not arrive elsewhere"
dropped() { sed -n "s/^rx2.no_buffer //p" "$dir/stats"; }
before=$(dropped)
expect no_buffer 1 3 10 7
[ "$(dropped)" = $((before + 3)) ] || fail "no_buffer is not counted"
expect corrupt 1 5 8 8

# the same seed, the same datagrams: which of 24 are lost
pattern() {
	fault wn0 seed "$1"
	fault wn0 drop 3
	in_b bash -c \
		"for n in {1..24}; do datagrams 1; cat '$dir/fault/drop'; done" |
		awk '{ print $6 - last; last = $6 }' | tr -d '\n'
	off drop
}
one=$(pattern 7)
[ "$(pattern 7)" = "$one" ] || fail "seed 7 twice: two patterns"
[ "$(pattern 8)" != "$one" ] || fail "seeds 7 and 8: one pattern"
grep -q 1 <<<"$one" && grep -q 0 <<<"$one" || fail "one of three: $one"

# delay: the echo comes back no sooner
fault wn0 delay_us 60000
fault wn0 delay 1
ms=$(in_b ping -c 1 -W 5 10.77.0.1 | sed -n 's/.*time=\([0-9]*\).*/\1/p')
[ "${ms:-0}" -ge 60 ] || fail "delay of 60 ms: ping took '$ms' ms"
off delay

# what TCP heals
in_a ethtool -G wn0 tcp-data-split on || fail "split"
heals drop 100
heals duplicate 20
before=$(snmp a netstat TcpExt TCPOFOQueue)
heals reorder 20
[ "$(snmp a netstat TcpExt TCPOFOQueue)" -gt "$before" ] || fail "reorder: TCP saw all in order"
before=$(snmp a snmp Tcp InCsumErrors)
heals corrupt 100
[ "$(snmp a snmp Tcp InCsumErrors)" -gt "$before" ] || fail "corrupt: TCP saw no wrong checksum"
before=$(all head_bytes)
heals split_more 10
more=$(($(all head_bytes) - before))
before=$(all head_bytes)
heals split_less 10
[ $(($(all head_bytes) - before)) -lt $more ] || fail "split_more puts no more into the head"
# the receiver's kernel verifies: sums lie outside of the linear part where the split is too early
in_a ethtool -K wn0 rx off >/dev/null || fail "receiver's offload off"
heals split_less 3
in_a ethtool -K wn0 rx on >/dev/null || fail "receiver's offload on"
before=$(all no_buffer)
heals no_buffer 100
[ "$(all no_buffer)" -gt "$before" ] || fail "no_buffer is not counted"
before=$(all alloc_fail)
heals alloc_fail 10
[ "$(all alloc_fail)" -gt "$before" ] || fail "alloc_fail is not counted"
heals misdirect 10
fault wn0 delay_us 2000
heals delay 50

# the link goes and comes back by itself
changes() { with_sys a cat /sys/class/net/wn0/carrier_changes; }
flapped() { [ "$(changes)" -ge "$1" ]; }
before=$(changes)
fault wn0 carrier_flap 1 1
send 1
wait_for 5 flapped $((before + 2)) ||
	fail "carrier_flap: the carrier did not go and come"
wait_for 5 in_b ping -q -c 1 -W 1 10.77.0.1 || fail "carrier_flap: no ping afterwards"
off carrier_flap
copy "no fault"
for name in "$dir"/fault/*; do
	case $name in */seed | */delay_us) continue ;; esac
	grep -q "^every 0 " "$name" || fail "left on: $name"
done
echo "faults act as told"
