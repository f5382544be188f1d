#!/bin/bash
# SPDX-License-Identifier: MIT
#
# doctor.sh - what weir doctor says of a queue, against binding it
# Timeout: 120
#
# Theory
#	Each state of a NIC is brought about. Then doctor is asked first, and the raw exerciser,
#	which shares nothing with the library, binds the queue second: "yes" must mean that it can
#	be bound, "not yet" and "no" that it cannot; "perhaps" is said where nothing tells, which
#	the test NIC never is. The line that doctor prints as the fix is run as it stands; then it
#	must say "yes". Devices without a NIC behind them, users without rights and kernels without
#	zero-copy receive are asked the same way; so is the uring plane, with io_uring switched off
#	and on.
. "$(dirname "$0")/lib.sh"

asked=0
zcrx=yes # whether this kernel has zero-copy receive
case $(weir-zcraw trial lo 0) in
EINVAL | ENOSYS) zcrx=no ;;
esac

# doctor_says RUNNER DEV QUEUE: yes, not yet, perhaps or no, for zero-copy receive
doctor_says() {
	$1 weir doctor "$2" --queue "$3" >doctor.out 2>doctor.err ||
		fail "weir doctor $2 --queue $3: $(cat doctor.err)"
	sed -n 's/^      zcrx  \(yes\|not yet\|perhaps\|no\)  *.*/\1/p' doctor.out
}

# agrees WORD RUNNER DEV QUEUE WHAT: doctor says WORD, and binding the queue proves it
agrees() {
	local word=$1 what=$5 said bound status=1

	[ $zcrx = yes ] || word=no
	said=$(doctor_says "$2" "$3" "$4")
	[ "$said" = "$word" ] || fail "$what: doctor says '$said', not '$word': $(cat doctor.out)"
	[ "$said" = yes ] && status=0
	$2 weir doctor "$3" --queue "$4" --require zcrx >require.out 2>require.err
	[ $? -eq $status ] || fail "$what: --require zcrx ends with $?: $(cat require.err)"
	[ $status = 0 ] || grep -q "^weir doctor: zcrx on $3 queue $4: " require.err ||
		fail "$what: --require does not say why: $(cat require.err)"
	bound=$($2 weir-zcraw trial "$3" "$4")
	case $said:$bound in
	yes:open | perhaps:*) ;;
	yes:* | *:open) fail "$what: doctor says '$said', binding gives '$bound'" ;;
	esac
	echo "$what: $said, binding gives $bound"
	asked=$((asked + 1))
}

# mentions TEXT: the last answer has it
mentions() {
	[ $zcrx = no ] || grep -qF -- "$1" doctor.out || fail "no '$1' in: $(cat doctor.out)"
}

# fixed QUEUE WHAT: a queue that is "not yet" ready is ready by the line that doctor prints, run as
# it stands; a kernel without zero-copy receive prints none, and gets what other planes want
fixed() {
	if [ $zcrx = no ]; then
		in_a ethtool -G wn0 tcp-data-split on || fail "the split cannot be switched on"
		return
	fi
	agrees "not yet" in_a wn0 "$1" "$2"
	sed -n 's/^ *\(weir nic apply \)/\1/p' doctor.out | sort -u >fix
	[ "$(wc -l <fix)" = 1 ] || fail "$2: not one fix in: $(cat doctor.out)"
	in_a sh -e fix >fix.out 2>&1 || fail "$2: $(cat fix): $(cat fix.out)"
	agrees yes in_a wn0 "$1" "$2, after $(cat fix)"
}
unfixed() {
	[ $zcrx = no ] || nic restore wn0 >restore.out || fail "restore: $(cat restore.out)"
}

restarts() { # of queue 2
	stat_of wn0 rx2.restarts
}

# feature yes|no NAME
feature() {
	grep -q "^  $1  *$2  " doctor.out || fail "not '$1' for $2: $(cat doctor.out)"
}

# ---- what Linux is known to have, by series
weir doctor >doctor.out || fail "weir doctor"
series=$(fact series)
feature yes io_uring
feature yes 'multishot receive'
feature yes 'zero-copy send'
feature yes 'XDP programs'
feature yes 'right to change NICs'
case $series in
6.1) feature no 'incremental buffers'; feature no 'zero-copy receive'
     feature no 'netdev netlink' ;;
6.12) feature yes 'incremental buffers'; feature no 'zero-copy receive'
      feature yes 'netdev netlink' ;;
6.18) feature yes 'zero-copy receive'; feature no 'the same without a NIC' ;;
7.*) feature yes 'zero-copy receive'; feature yes 'the same without a NIC'
     feature yes 'large receive buffers'; feature yes 'io_uring queries'
     feature yes 'mixed completions' ;;
esac

# ---- devices without a NIC behind them
cat >as_nobody <<-'END'
	#!/bin/sh
	exec su -s /bin/sh -c 'exec "$0" "$@"' -- nobody "$@"
END
chmod 755 as_nobody
a_as_nobody() { in_a ./as_nobody "$@"; }
ip netns add b && ip netns add a || fail "no network namespaces"
in_a ip link set lo up
agrees no in_a lo 0 "loopback"
for kind in "veth peer name other" dummy bridge vrf "bond" ifb; do
	name=${kind%% *}0
	[ "$kind" = vrf ] && kind="vrf table 10"
	ip -n a link add "$name" type $kind 2>/dev/null || continue
	agrees no in_a "$name" 0 "${name%0}"
	ip -n a link delete "$name"
done
[ $asked -ge 3 ] || fail "neither veth nor dummy can be made"
ip netns delete a
ip netns delete b

# ---- the uring plane
disabled=/proc/sys/kernel/io_uring_disabled
engine() { # RUNNER: does an engine on io_uring open
	local receiver

	background $1 weir recv --plane uring 127.0.0.1:0 recv.out.$asked 2>recv.err
	receiver=$!
	wait_for 10 eval "grep -q '^listening on' recv.err || ! kill -0 $receiver 2>/dev/null" ||
		fail "weir recv neither listens nor ends: $(cat recv.err)"
	kill $receiver 2>/dev/null
	wait $receiver
	grep -q '^listening on' recv.err
}
plane() { # yes|no RUNNER WHAT
	local opens=no open=no

	$2 weir doctor lo --require uring >doctor.out 2>doctor.err && opens=yes
	engine "$2" && open=yes
	[ $opens = "$1" ] && [ $open = "$1" ] ||
		fail "$3: doctor says $opens, an engine $open: $(cat doctor.err recv.err)"
	$2 weir doctor lo --require epoll >doctor.out || fail "$3: epoll"
	asked=$((asked + 1))
}
ip link set lo up
chmod 777 . # for nobody's files
plane yes env "io_uring as it is"
plane yes ./as_nobody "io_uring of nobody"
if [ -e $disabled ]; then
	echo 1 >$disabled
	plane yes env "io_uring for root alone"
	plane no ./as_nobody "io_uring of nobody, for root alone"
	grep -q "io_uring_disabled is 1" doctor.err recv.err || cat doctor.out
	echo 2 >$disabled
	plane no env "io_uring switched off"
	weir doctor lo >doctor.out && grep -q 'io_uring_disabled is 2' doctor.out ||
		fail "the sysctl is not named: $(cat doctor.out)"
	echo 0 >$disabled
fi

# ---- the test NIC
if ! nic_available; then
	echo "$asked answers agree; no test NIC on this kernel"
	exit 0
fi
pair numrxqueues 4 numtxqueues 4
if in_a weir-zcraw hds wn0 64 2>hds.err; then
	fixed 2 "threshold 64, split off"
	unfixed
	in_a ethtool -G wn0 tcp-data-split on || fail "the split cannot be switched on"
	agrees "not yet" in_a wn0 2 "threshold 64"
	mentions "below 64 bytes"
	in_a weir-zcraw hds wn0 0 || fail "the threshold cannot be put back"
	agrees yes in_a wn0 2 "threshold 0"
	in_a ethtool -G wn0 tcp-data-split off || fail "the split cannot be switched off"
else
	[ $zcrx = no ] || fail "no threshold can be set: $(cat hds.err)"
fi
fixed 2 "split off"
agrees yes in_a wn0 0 "split on, first queue"

# occupied WHAT: taken for queue 2 by another process, until released
occupied() {
	background nsenter --net=/run/netns/a weir-zcraw occupy "$1" wn0 2 >taken.out 2>&1
	holder=$!
	wait_for 10 eval "grep -q taken taken.out || ! kill -0 $holder 2>/dev/null"
	grep -q taken taken.out && return 0
	echo "not tried, $1: $(cat taken.out)"
	wait $holder
	return 1
}
released() {
	kill $holder || fail "the occupier has ended: $(cat taken.out)"
	wait $holder
	# The kernel unbinds a moment after a process was killed.
	wait_for 10 eval '[ "$(in_a weir-zcraw trial wn0 2)" = open ] || [ $zcrx = no ]' ||
		fail "queue 2 does not become free again"
}
# no_xdp_beside WHAT: doctor says so, and attaching a program proves it
no_xdp_beside() {
	local said

	in_a weir doctor wn0 --queue 1 >doctor.out || fail "weir doctor"
	said=$(sed -n 's/^      xdp   \(yes\|not yet\|perhaps\|no\)  *.*/\1/p' doctor.out)
	in_a timeout 10 weir-zcraw occupy xdp wn0 1 >xdp.out 2>&1
	[ $? = 1 ] && [ "$said" = "not yet" ] ||
		fail "$1: doctor says '$said' of XDP, attaching gives: $(cat xdp.out)"
	asked=$((asked + 1))
}
for what in zcrx devmem xsk; do
	occupied $what || { [ $zcrx = no ] || fail "$what cannot be had"; continue; }
	[ $what = xsk ] || no_xdp_beside $what
	agrees "not yet" in_a wn0 2 "$what on the queue"
	agrees yes in_a wn0 1 "$what on another queue"
	released
	agrees yes in_a wn0 2 "$what gone"
done
if occupied xdp; then
	agrees "not yet" in_a wn0 2 "an XDP program"
	mentions "XDP program (id "
	released
	agrees yes in_a wn0 2 "no XDP program any more"
fi
agrees "not yet" a_as_nobody wn0 2 "no rights"
mentions "CAP_NET_ADMIN"
unfixed
in_a ethtool -L wn0 combined 2 || fail "channels"
in_a weir doctor wn0 --queue 3 >doctor.out 2>doctor.err && fail "queue 3 of 2 is looked at"
grep -q "it has 2 receive queues" doctor.err || fail "queue 3 of 2: $(cat doctor.err)"
fixed 1 "fewer channels"
unfixed
in_a ethtool -L wn0 combined 4 || fail "channels back"
fixed 2 "channels back"
ip -n a link set wn0 down
agrees yes in_a wn0 2 "link down"
ip -n a link set wn0 up
carrier_comes

# ---- the trial of doctor itself
before=$(restarts)
in_a weir doctor wn0 --queue 2 >/dev/null && in_a weir doctor >/dev/null || fail "doctor"
[ "$(restarts)" = "$before" ] || fail "doctor without --try restarts the queue"
in_a weir doctor wn0 --queue 2 --try --require zcrx >doctor.out 2>doctor.err
status=$?
if [ $zcrx = yes ]; then
	[ $status = 0 ] || fail "--try: $(cat doctor.err)"
	grep -q '^      zcrx  yes  *tried' doctor.out || fail "--try: $(cat doctor.out)"
	wait_for 5 eval '[ "$(restarts)" = $((before + 2)) ]' || fail "--try: $(restarts) restarts"
	before=$(restarts)
	# A driver that fails: what was read says yes, the trial knows better.
	fault wn0 queue_start 1
	in_a weir doctor wn0 --queue 2 --try --require zcrx >doctor.out 2>doctor.err &&
		fail "--try: a driver that fails is taken for a yes"
	grep -q 'the trial gave EIO' doctor.err || fail "--try: $(cat doctor.err)"
	fault wn0 queue_start 0
	agrees yes in_a wn0 2 "after a trial that failed"
else
	[ $status = 1 ] || fail "--try on a kernel without zero-copy receive: $status"
fi
ip -n a route add default via 10.77.0.2 || fail "a default route"
before=$(restarts)
in_a weir doctor wn0 --queue 2 --try >doctor.out 2>doctor.err && fail "the way out was tried"
grep -q 'add --really' doctor.err || fail "--really is not named: $(cat doctor.err)"
[ "$(restarts)" = "$before" ] || fail "the way out was restarted"
in_a weir doctor wn0 --queue 2 --try --really >doctor.out || fail "--really"
[ $zcrx = no ] || grep -q '^      zcrx  yes  *tried' doctor.out ||
	fail "--really: $(cat doctor.out)"
ip -n a route delete default
unfixed
no_journal "at the end"
echo "$asked answers agree"
