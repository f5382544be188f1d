#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_sock.sh - rules that live as long as a socket, source ports that lead to a queue
#
# Timeout: 90
#
# Theory
#	weir-nicsock opens the NIC by the public interface and sockets with it, says what it did,
#	and does the next thing at each line it reads. ethtool shows the rules meanwhile, and the
#	test NIC's counters show on which queue the bytes arrived.
. "$(dirname "$0")/lib.sh"

pair numrxqueues 4 numtxqueues 4
in_a ethtool -g wn0 | grep -q "TCP data split" || skip "this kernel cannot set tcp-data-split"
nic_state before.state
rules() { in_a ethtool -n wn0 | grep -c '^Filter:'; }
has_rules() { [ "$(rules)" = "$1" ]; }

# begin WORDS...: the program in namespace a; its lines go to said, ours by file descriptor 9
begin() {
	rm -f ask && mkfifo ask
	: >said
	exec 9<>ask # both ways: opening does not wait for the other end
	nsenter --net=/run/netns/a weir-nicsock wn0 "$@" <ask >said 2>&1 &
	program=$!
	started+=($program)
}
said() { grep -q "$1" said; }
wait_said() { wait_for 10 said "$1" || fail "it does not say \"$1\": $(cat said)"; }
next() { echo >&9; }
over() {
	wait $program || fail "the program failed: $(cat said)"
	exec 9>&-
	nic_same before.state "$1"
	no_journal "$1"
}

# listener: its rule comes with it, stays for the connection it accepted, goes with that
begin listen 10.77.0.1:7000
wait_said listening
has_rules 1 || fail "the listener's rule: $(in_a ethtool -n wn0)"
before=$(stat_of wn0 rx3.bytes)
background nsenter --net=/run/netns/b bash -c \
	'exec 5<>/dev/tcp/10.77.0.1/7000; head -c 100000 /dev/zero >&5; cat <&5'
wait_said "received 100000"
[ $(($(stat_of wn0 rx3.bytes) - before)) -ge 100000 ] || fail "the bytes came by another queue"
next # the listener is closed, the connection is not
wait_said "listener closed"
has_rules 1 || fail "the rule went with the listener, the connection is there"
next # the connection is closed
wait_said "connection closed"
wait_for 5 has_rules 0 || fail "a rule outlives its sockets"
next
over "listener"

# connect: a rule for the one connection
background nsenter --net=/run/netns/b weir-nicsock - serve 10.77.0.2:7001 50000 >serve.out 2>&1
wait_for 5 grep -q listening serve.out || fail "the other end does not listen: $(cat serve.out)"
before=$(stat_of wn0 rx3.bytes)
begin connect 10.77.0.2:7001
wait_said "received 50000"
has_rules 1 || fail "the connection's rule: $(in_a ethtool -n wn0)"
in_a ethtool -n wn0 | grep -q "Src port: 7001" || fail "not of the connection"
[ $(($(stat_of wn0 rx3.bytes) - before)) -ge 50000 ] || fail "the answer came by another queue"
next
wait_said "connection closed"
has_rules 0 || fail "a rule outlives its connection"
next
over "connect"

# udp
begin udp "[fd77::1]:7002"
wait_said bound
has_rules 1 || fail "the UDP socket's rule: $(in_a ethtool -n wn0)"
next
wait_said "socket closed"
has_rules 0 || fail "a rule outlives its socket"
next
over "udp"

# the process dies with all that open: the next one that touches the NIC puts it back
begin listen 10.77.0.1:7000
wait_said listening
kill -9 $program
wait $program 2>/dev/null
exec 9>&-
has_rules 1 || fail "nothing was left behind: is this test right?"
nic restore wn0 >/dev/null || fail "restore"
nic_same before.state "a process that was killed"

# without a rule: a source port that the RSS hash leads to the queue
for queue in 0 1 2 3; do
	before=$(stat_of wn0 rx$queue.bytes)
	begin port 10.77.0.1:0 10.77.0.2:7001 $queue
	wait_said "received 50000"
	[ $(($(stat_of wn0 rx$queue.bytes) - before)) -ge 50000 ] ||
		fail "to rxq $queue: $(cat said; grep rx.*bytes "$(debugfs_of wn0)/stats")"
	next
	over "source port"
done
echo "rules come and go with their sockets"
