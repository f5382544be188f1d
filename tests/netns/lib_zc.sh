# SPDX-License-Identifier: MIT
#
# lib_zc.sh - what the tests of sends without a copy share; sourced first, no test.
#
# Theory: weir-zcnet sends from this namespace and receives in another one; each prints one line of
# name=value pairs, which is kept in $work/sent and $work/received.
. "$(dirname "$0")/lib_netns.sh"

zc=$WEIR_BUILD/tests/netns/weir-zcnet
runner=()

skip() {
	echo "$*"
	exit 77
}

# other: another namespace, by the process $other
other_namespace() {
	unshare --net bash -c 'echo; read -r _' <> <(:) >"$work/elsewhere" &
	other=$!
	wait_for 10 test -s "$work/elsewhere" || fail "no other namespace"
}

in_other() {
	nsenter --net="/proc/$other/ns/net" "$@"
}

# send_zc PLANE ARGUMENTS...
send_zc() {
	local plane=$1

	shift
	WEIR_PLANE=$plane "${runner[@]}" "$zc" send "$@" >"$work/sent" 2>"$work/sent.err" ||
		fail "send $* over $plane: $(cat "$work/sent" "$work/sent.err")"
}

# receive_zc ARGUMENTS...: in the other namespace, until `received`
receive_zc() {
	rm -f "$work/received"
	in_other "$zc" receive "$@" >"$work/received" 2>&1 &
	receiver=$!
	wait_for 10 grep -q ready "$work/received" || fail "no receiver: $(cat "$work/received")"
}

received() {
	wait "$receiver" || fail "receiver: $(cat "$work/received")"
}

# of FILE NAME: its value
of() {
	sed -n "s/.*\b$2=\([^ ]*\).*/\1/p" "$work/$1"
}

# expect WHAT FILE NAME TEST VALUE
expect() {
	local value

	value=$(of "$2" "$3")
	checks=$((checks + 1))
	[ -n "$value" ] && [ "$value" "$4" "$5" ] ||
		fail "$1: $3 is '$value', not $4 $5: $(cat "$work/sent" "$work/sent.err" \
			"$work/received" 2>/dev/null)"
}

# neighbour WHERE DEVICE NUMBER ADDRESS
neighbour() {
	$1 ip neigh replace "10.8.0.$3" lladdr "$4" dev "$2" nud permanent
	$1 ip neigh replace "fd08::$3" lladdr "$4" dev "$2" nud permanent
}

# pair RATE: veth, this side slowed down where a rate is given
pair() {
	other_namespace
	ip link add v0 type veth peer name v1 netns "$other" || skip "needs veth"
	ip addr add 10.8.0.1/24 dev v0
	ip -6 addr add fd08::1/64 dev v0 nodad
	ip link set lo up
	ip link set v0 up
	in_other ip addr add 10.8.0.2/24 dev v1
	in_other ip -6 addr add fd08::2/64 dev v1 nodad
	in_other ip link set lo up
	in_other ip link set v1 up
	# No packet waits for an address to be resolved: few may.
	neighbour "" v0 2 "$(in_other ip -br link show v1 | awk '{ print $3 }')"
	neighbour in_other v1 1 "$(ip -br link show v0 | awk '{ print $3 }')"
	[ -z "${1-}" ] && return
	# A burst above the longest packet: what is longer is cut, and copied for that.
	tc qdisc add dev v0 root tbf rate "$1" burst 70k latency 4s 2>"$work/err" ||
		skip "needs tbf: $(head -1 "$work/err")"
}
