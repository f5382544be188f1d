#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_kinds.sh - kinds of NIC settings on a veth pair: what it has goes there and back
#
# Theory: weir-nickind sets, ethtool reads. veth has receive channels, fixed features and nothing
# else of what weir sets; the rest must be said not to be there, and by no wrong word.
. "$(dirname "$0")/lib_netns.sh"

nickind=$WEIR_BUILD/tests/vm/nickind/weir-nickind
[ -x "$nickind" ] || {
	echo "weir-nickind was not built"
	exit 77
}
kind() { "$nickind" v0 "$@"; }
four=(numrxqueues 4 numtxqueues 4)
ip link add v0 "${four[@]}" type veth peer name v1 "${four[@]}" || fail "veth"
ethtool -L v0 rx 4 tx 4 2>/dev/null
ip link set v0 up && ip link set v1 up || fail "up"
shown() { ethtool -l v0; ethtool -k v0; }
refused() { # ERRNO VERB KIND...
	local code=$1
	shift
	kind "$@" >/dev/null 2>"$work/err" && fail "$*: was accepted"
	grep -qx "$code" "$work/err" || fail "$*: not $code: $(cat "$work/err")"
}

before=$(shown)
[ "$(kind get channels -)" = "rx 4" ] || fail "channels are '$(kind get channels -)'"
to=$(kind target channels - "rx 4" 2) || fail "target"
[ "$to" = "rx 2" ] || fail "target is '$to'"
kind set channels - "$to" || fail "rx 2"
ethtool -l v0 | awk '/^Current/ { now = 1 } now && /^RX:/ { print $2 }' | grep -qx 2 ||
	fail "ethtool does not see it: $(ethtool -l v0)"
line=$(kind line channels - "rx 4")
sh -c "$line" || fail "$line"
[ "$(shown)" = "$before" ] || fail "not as before"
refused EINVAL set channels - "rx 5"

[ "$(kind get feature ntuple)" = off ] || fail "ntuple is not off"
refused EOPNOTSUPP set feature ntuple on
refused EOPNOTSUPP get split -
refused EOPNOTSUPP get hds-thresh -
refused EOPNOTSUPP get rss -
refused EOPNOTSUPP make rule "tcp4 dst-port 80 queue 1"
refused EOPNOTSUPP make context "queues 1,2"
[ -z "$(kind list context "queues 1,2")" ] || fail "a context on veth"
[ "$(shown)" = "$before" ] || fail "not as before at the end"
echo "what veth has goes there and back, the rest is said not to be there"
