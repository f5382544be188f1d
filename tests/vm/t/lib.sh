# SPDX-License-Identifier: MIT
#
# lib.sh - what the tests of the VM share; sourced by them, no test.
#
# Theory: a test makes its NIC pair by `pair`, and everything that it makes or starts is removed
# when it ends, however it ends: processes, namespaces (and with them the NICs), the module.
#
#   namespace a                        namespace b
#   wn0 (receiver) ------ wire ------- wn1 (sender)
#   10.77.0.1/24, fd77::1/64           10.77.0.2/24, fd77::2/64
#
# PID 1 looks at what is left after the test; what is left fails it.

export IP_LIB_DIR=/lib/ip
MODULE=/lib/weirnic.ko
DEBUGFS=/sys/kernel/debug/weirnic

fail() {
	echo "FAILED: $*"
	exit 1
}

# skip REASON: the test cannot run on this kernel.
skip() {
	echo "$*"
	exit 77
}

# fact NAME: of the kernel that runs: series, version, module, debug.
fact() {
	sed -n "s/^$1=//p" /kernel.facts
}

# How much slower than the usual kernel this one is: deadlines are multiplied by it, here and in
# weir-zcraw.
SLOW=1
[ "$(fact debug)" = yes ] && SLOW=6
export SLOW

# wait_for DEADLINE_S COMMAND...: until the command succeeds; fails after the deadline.
wait_for() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * SLOW * 1000000))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
		read -rt 0.02 <> <(:) # a pause without a process
	done
	return 0
}

# A program in namespace a or b.  It sees debugfs, and /sys of the first namespace.
in_a() {
	nsenter --net=/run/netns/a "$@"
}

in_b() {
	nsenter --net=/run/netns/b "$@"
}

# with_sys NAMESPACE PROGRAM...: with the namespace's own /sys, which takes ip longer
with_sys() {
	ip netns exec "$@"
}

nic_available() {
	[ -e $MODULE ]
}

# nic_load [PARAMETER=VALUE...]: load the module, where it is not loaded.
nic_load() {
	nic_available || skip "no test NIC: no headers for this kernel"
	[ -d /sys/module/weirnic ] && return
	insmod $MODULE "$@" || fail "the module cannot be loaded"
}

nic_unload() {
	[ -d /sys/module/weirnic ] || return 0
	rmmod weirnic
}

# pair [WORDS...]: the pair of the drawing above, both ends up; the words stand before "type" of
# `ip link add` (numrxqueues 8 ...).  MTU=... gives both another MTU than 1500.
pair() {
	nic_load
	ip netns add a && ip netns add b || fail "no network namespaces"
	ip -n a link add wn0 "$@" type weirnic peer name wn1 netns b || fail "ip link add"
	pair_up
}

# quiet_pair [WORDS...]: a pair with IPv4 only, where nobody sends anything by itself: no IPv6, no
# ARP.  What is counted then is what the test sent.
quiet_pair() {
	local name

	nic_load
	for name in a b; do
		ip netns add $name || fail "no network namespaces"
		in_$name sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1
	done
	ip -n a link add wn0 "$@" type weirnic peer name wn1 netns b || fail "ip link add"
	quiet_end_up a wn0 1 2 && quiet_end_up b wn1 2 1 || fail "the links cannot be raised"
	carrier_comes
}

# quiet_end_up NAMESPACE DEV NUMBER PEERS_NUMBER
quiet_end_up() {
	ip -n "$1" -batch - <<-END
		link set lo up
		link set $2 address 02:00:00:00:00:0$3 ${MTU:+mtu $MTU} up
		addr add 10.77.0.$3/24 dev $2
		neigh add 10.77.0.$4 lladdr 02:00:00:00:00:0$4 dev $2 nud permanent
	END
}

# Addresses, and both ends up: one process for each end, because a process costs 10 ms here.
pair_up() {
	end_up a wn0 1 && end_up b wn1 2 || fail "the links cannot be raised"
	# who connects from ports that it chooses may meet one that waits for its minute to end
	in_b sysctl -qw net.ipv4.tcp_tw_reuse=1
	carrier_comes
}

# end_up NAMESPACE DEV NUMBER
end_up() {
	ip -n "$1" -batch - <<-END
		link set lo up
		link set $2 ${MTU:+mtu $MTU} up
		addr add 10.77.0.$3/24 dev $2
		addr add fd77::$3/64 dev $2 nodad
	END
}

# Of wn0, after its link was raised.
carrier_comes() {
	wait_for 5 running || fail "wn0 has no carrier"
}

running() {
	in_a ifconfig wn0 | grep -qw RUNNING
}

# Both ends of a pair are gone, and so are the namespaces.
pair_down() {
	local name

	for name in a b; do
		[ -e /run/netns/$name ] && ip netns delete $name
	done
	[ ! -d $DEBUGFS ] || wait_for 10 no_device || fail "a device is left: $(ls $DEBUGFS)"
}

no_device() {
	! ls $DEBUGFS | grep -q '^weirnic\.'
}

# device_of DEV: the parent device, which names the folder of debugfs.
device_of() {
	local end=a

	[ "$1" = wn1 ] && end=b
	in_$end ethtool -i "$1" | sed -n 's/^bus-info: //p'
}

# debugfs_of DEV: its folder
debugfs_of() {
	echo "$DEBUGFS/$(device_of "$1")"
}

# stat_of DEV COUNTER: one number, as of "stat_of wn0 rx2.packets"
stat_of() {
	sed -n "s/^$2 //p" "$(debugfs_of "$1")/stats"
}

# sum FILE rx|tx COUNTER: over all queues, of a device's file "stats"
sum() {
	awk -v name="^$2[0-9]+\\\\.$3\$" '$1 ~ name { n += $2 } END { printf "%d", n }' "$1"
}

# fault DEV NAME EVERY [TIMES]; also fault DEV seed N
fault() {
	local dev=$1 name=$2

	shift 2
	echo "$*" >"$(debugfs_of "$dev")/fault/$name"
}

# In the background, ended with the test: background PROGRAM..., no function; $! is its id.
started=()
background() {
	"$@" &
	started+=($!)
}

# iperf_server: a server of iperf3 in a, for one client; $server is its id.
iperf_server() {
	background nsenter --net=/run/netns/a iperf3 -s -1 -B 10.77.0.1 >server.out 2>&1
	server=$!
	wait_for 5 in_a grep -q ":1451 .* 0A " /proc/net/tcp ||
		fail "iperf3 does not listen: $(cat server.out)"
}

# stream_start FILE WORDS...: a stream of iperf3 from b to a, with these words for the client, until
# stream_end; FILE is the receiving device's "stats".
stream_start() {
	stream_stats=$1
	shift
	iperf_server
	background nsenter --net=/run/netns/b iperf3 -c 10.77.0.1 -t $((100 * SLOW)) "$@" \
		>client.out 2>&1
	stream=$!
}

stream_past() {
	[ "$(sum "$stream_stats" rx bytes)" -gt "$1" ]
}

# stream_goes_on WHAT: a megabyte more arrives
stream_goes_on() {
	wait_for 15 stream_past $(($(sum "$stream_stats" rx bytes) + 1000000)) ||
		fail "$1: the stream stands still: $(cat client.out)"
}

# It must have lasted until now.
stream_end() {
	kill "$stream" 2>/dev/null || fail "the stream has ended: $(cat client.out)"
	wait "$stream"
	wait_for 5 stream_gone || fail "the server of iperf3 goes on: $(cat server.out)"
}

stream_gone() {
	! kill -0 "$server" 2>/dev/null
}

# irq_of NAME: the number of the interrupt that is called so ("wn0-rx-3")
irq_of() {
	awk -v name="$1" '$NF == name { print $1 + 0 }' /proc/interrupts
}

# nic_irqs DEV: where the interrupts of its queues may go
nic_irqs() {
	local irq name

	awk -v name="^$1-rx-" '$NF ~ name { print $1 + 0, $NF }' /proc/interrupts |
		while read -r irq name; do
			echo "$name: CPUs $(<"/proc/irq/$irq/smp_affinity_list")"
		done
}
export -f nic_irqs

# nic_state FILE: all that independent readers see of wn0
nic_state() {
	in_a bash -c '
		nic_irqs wn0
		ethtool -g wn0
		ethtool -k wn0
		ethtool -l wn0
		ethtool -x wn0
		ethtool -x wn0 context 1
		ethtool -x wn0 context 2
		ethtool -n wn0' >"$1" 2>&1
}

# nic_same FILE WHAT: the state is that of the file, to the byte
nic_same() {
	nic_state now.state
	cmp -s "$1" now.state ||
		fail "$2: the NIC is not as before: $(diff "$1" now.state | head -8)"
}

# no_journal WHAT
no_journal() {
	[ -z "$(ls /run/weir/nic 2>/dev/null | grep -v 'lock$')" ] ||
		fail "$1: a journal is left: $(cat /run/weir/nic/*)"
}

nic() {
	in_a weir nic "$@"
}

# zctest SCENARIO...: weir-zctest on the plane zcrx, which sets wn0 up by itself; afterwards the NIC
# must be as before, to the byte, and no journal left
zctest() {
	local status

	nic_state before.state
	weir-zctest "$@"
	status=$?
	[ $status -eq 0 ] || return $status
	nic_same before.state "after weir-zctest"
	no_journal "after weir-zctest"
}

# need_zcrx: skips the test where the kernel has no zero-copy receive
need_zcrx() {
	weir-zctest need >/dev/null || skip "this kernel has no zero-copy receive"
}

# thorough MANY FEW: the first word in a thorough run, else the second
thorough() {
	[ "$(fact thorough)" = yes ] && echo "$1" || echo "$2"
}

cleanup() {
	local status=$? pid

	trap - EXIT
	for pid in "${started[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in "${started[@]}"; do
		wait "$pid" 2>/dev/null
	done
	(pair_down && nic_unload) || status=1
	# It would be taken for the next test's.
	(no_journal "at the end") || status=1
	rm -rf /run/weir/nic
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# skips_inside NAME: tests that a program of cmocka skipped, with the line before as the reason; the
# host takes these lines for results (host/report.py)
skips_inside() {
	awk -v name="$1" '
		$1 == "[" && $2 == "RUN" { reason = "no reason given" }
		$1 == "[" && $2 == "SKIPPED" && NF == 4 && !seen[$4]++ {
			print "skipped-inside " name "." $4 ": " reason
		}
		!/^\[/ && NF { reason = $0 }
	' out
}
export -f skips_inside

# one NAME PROGRAM SETTINGS...: of run_programs
one() {
	local name=$1 program=$2 began=$SECONDS status

	shift 2
	mkdir "$name" && cd "$name" || exit 1
	# in this order: busybox's env would take busybox's timeout, which leaves a watcher behind
	timeout $((300 * SLOW)) env WEIR_TEST_PATIENCE=$((4 * SLOW)) "$@" "$program" >out 2>&1
	status=$?
	case $status in
	0) echo "passed $(grep -c '^\[ *OK ' out) $name $((SECONDS - began)) s"
	   skips_inside "$name" ;;
	77) echo "skipped 0 $name: $(tail -n 1 out)" ;;
	*) echo "failed $status $name $((SECONDS - began)) s"
	   tail -n 60 out ;;
	esac
}
export -f one

# run_programs LIST: the test programs of the file, a line each: name, program, settings.  Two at a
# time, as many as the VM has processors.
run_programs() {
	local programs counted

	tr '\n' '\0' <"$1" | xargs -0 -P 2 -n 1 bash -c 'one $0' >results
	cat results
	programs=$(grep -c . "$1")
	counted=$(grep -cE '^(passed|skipped|failed) ' results)
	[ "$counted" = "$programs" ] || fail "$counted of $programs came to an end"
	awk '$1 == "passed" { tests += $2 } END { print tests " tests passed" }' results
	grep -q '^passed ' results || fail "no program ran"
	! grep -q '^failed ' results || fail "$(grep -c '^failed ' results) of $programs failed"
}

# contract_wire QUEUES: 127.0.0.0/8 belongs to wn0, and TCP from this machine to it leaves by wn1
# and crosses the wire, in namespace a:
#
#	socket --- rule 10: TCP from this machine, 127/8 by wn1 ---> wn1 ===wire=== wn0 ---> socket
#	           rule 20: what comes in is for us (table local)
contract_wire() {
	local dev

	ip netns add a || fail "no network namespace"
	ip -n a link add wn0 numrxqueues "$1" numtxqueues "$1" type weirnic peer name wn1 ||
		fail "ip link add"
	for dev in all wn0 wn1; do
		in_a sysctl -qw net.ipv4.conf.$dev.route_localnet=1 \
			net.ipv4.conf.$dev.rp_filter=0 net.ipv4.conf.$dev.accept_local=1
	done
	ip -n a -batch - <<-END || fail "addresses and routes"
		link set lo up
		link set wn0 address 02:00:00:00:00:01 up
		link set wn1 address 02:00:00:00:00:02 up
		addr add 127.0.0.1/8 dev wn0
		neigh add 127.0.0.1 lladdr 02:00:00:00:00:01 dev wn1 nud permanent
		neigh add 127.0.0.2 lladdr 02:00:00:00:00:01 dev wn1 nud permanent
		route add 127.0.0.0/8 dev wn1 src 127.0.0.1 table 100
		rule add pref 10 iif lo ipproto 6 lookup 100
		rule add pref 20 lookup local
		rule del pref 0
	END
	wait_for 5 running || fail "wn0 has no carrier"
}

# run_contract WANTED [UNWANTED]: the contract tests of the host whose names match the one and not
# the other.  A run that is not thorough leaves the epoll plane without faults, and all that is sent
# without a copy because it was demanded, to the host, which has the same.
run_contract() {
	[ -s /contract.list ] || fail "no contract tests were packed"
	grep -E "$1" /contract.list | grep -vE "${2:-^$}" |
		grep -vE "^contract\.[a-z_]*\.$(thorough none '(epoll|[a-z]*\.zc-[a-z]*)') " >list
	run_programs list
}
