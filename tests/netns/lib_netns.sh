# SPDX-License-Identifier: MIT
#
# lib_netns.sh - a network namespace that ends with the script; sourced first, no test.
#
# Theory: the script starts itself again inside a namespace of its own (with a user namespace
# where it is not root), with a folder of its own for journals.  Everything it makes in the
# namespace ends with it.
set -u

if [ "${INSIDE-}" != yes ]; then
	user=()
	[ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
	unshare "${user[@]}" --net --mount true 2>/dev/null || {
		echo "needs root or user namespaces"
		exit 77
	}
	INSIDE=yes exec unshare "${user[@]}" --net --mount --propagation private bash "$0"
fi

work=$(mktemp -d) || exit 1
cleanup() {
	kill $(jobs -p) 2>/dev/null
	wait
	umount "$work"/* 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
unset SSH_CONNECTION
export WEIR_RUN_DIR=$work/run
checks=0

fail() {
	echo "FAILED: $*"
	exit 1
}

# weir ARGUMENTS...: its exit code; what it prints is in $work/out
weir() {
	"$WEIR" "$@" >"$work/out" 2>&1
}

says() {
	checks=$((checks + 1))
	grep -q -- "$1" "$work/out" || fail "$2: no \"$1\" in: $(cat "$work/out")"
}

# wait_for SECONDS COMMAND...
wait_for() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		read -rt 0.02 <> <(:)
	done
	return 0
}

# state FILE: what ethtool sees of v0
state() {
	{
		ethtool -l v0
		ethtool -k v0
		ethtool -g v0
		ethtool -x v0
		ethtool -n v0
	} >"$1" 2>&1
}

same() {
	state "$work/now"
	checks=$((checks + 1))
	cmp -s "$work/before" "$work/now" ||
		fail "$1: not as before: $(diff "$work/before" "$work/now" | head -5)"
}

no_journal() {
	checks=$((checks + 1))
	[ -z "$(ls "$WEIR_RUN_DIR/nic" 2>/dev/null | grep -v 'lock$')" ] ||
		fail "$1: a journal is left: $(cat "$WEIR_RUN_DIR"/nic/*)"
}

veth() {
	ip link add v0 numrxqueues 8 numtxqueues 8 type veth peer name v1 numrxqueues 8 \
		numtxqueues 8 || fail "no veth"
	ip link set v0 up && ip link set v1 up
	ethtool -L v0 rx 2 tx 2 || fail "channels of veth"
	state "$work/before"
}
