#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_irq.sh - the interrupts of the test NIC's queues: numbers, CPUs, coming and going
#
# Timeout: 60
#
# Theory
#	/proc/interrupts counts each interrupt by CPU, and the NIC's file "cpus" counts the frames
#	that a queue's NAPI worked off there. Frames for one queue are sent from each CPU, with the
#	interrupt left to itself and bound to each CPU: both counters must grow there and nowhere
#	else. Then channels, queues, links, names, a CPU, devices and the module go and come: in
#	/proc/interrupts is always what is in use, and what was bound stays bound.
. "$(dirname "$0")/lib.sh"

cpus=$(nproc)
[ "$cpus" -ge 2 ] || fail "a VM with one CPU"
# names: of all interrupts of the NIC that have a handler
names() { awk '$NF ~ /^w.*-rx-[0-9]+$/ { print $NF }' /proc/interrupts | sort | xargs; }
# raised CPU, worked CPU: interrupts and frames of queue 3 there
raised() {
	awk -v irq="$irq:" -v column=$(($1 + 2)) '$1 == irq { print $column }' /proc/interrupts
}
worked() { sed -n "s/^rx3.cpu$1 //p" "$folder/cpus"; }
total() { awk '/^rx3\./ { n += $2 } END { print n }' "$folder/cpus"; }
arrived() { [ "$(total)" -ge $enough ]; }
bind() { echo "$2" >/proc/irq/"$1"/smp_affinity_list || fail "interrupt $1 to CPU $2"; }
is_bound() { # WHAT CPUS
	[ "$(cat /proc/irq/$irq/smp_affinity_list)" = "$2" ] ||
		fail "$1: interrupt $irq on $(cat /proc/irq/$irq/smp_affinity_list), not $2"
}
named() { # WHAT NAMES
	[ "$(names)" = "$2" ] || fail "$1: interrupts '$(names)', not '$2'"
}

# frames_on CPU SENDER WHAT: 20 frames for queue 3, sent on CPU SENDER, are worked off on CPU
frames_on() {
	local cpu=$1 sender=$2 what=$3 were=() calls=() i

	for ((i = 0; i < cpus; i++)); do
		were[i]=$(worked $i) calls[i]=$(raised $i)
	done
	enough=$(($(total) + 20))
	in_b taskset -c "$sender" bash -c 'for ((i = 0; i < 20; i++)); do
		echo >/dev/udp/10.77.0.1/9000; done'
	wait_for 10 arrived || fail "$what: $(total) frames of $enough"
	for ((i = 0; i < cpus; i++)); do
		[ $i = $cpu ] && continue
		[ "$(worked $i)" = "${were[i]}" ] || fail "$what: CPU $i worked, not $cpu"
		[ "$(raised $i)" = "${calls[i]}" ] || fail "$what: interrupts on $i, not $cpu"
	done
	[ "$(worked $cpu)" = $((were[cpu] + 20)) ] || fail "$what: not 20 frames on $cpu"
	[ "$(raised $cpu)" -gt "${calls[cpu]}" ] || fail "$what: no interrupt on CPU $cpu"
}

ls /proc/irq >before.irqs
quiet_pair numrxqueues 4 numtxqueues 4
folder=$(debugfs_of wn0)
all0="wn0-rx-0 wn0-rx-1 wn0-rx-2 wn0-rx-3"
all1="wn1-rx-0 wn1-rx-1 wn1-rx-2 wn1-rx-3"
named "a new pair" "$all0 $all1"
irq=$(irq_of wn0-rx-3)
every="0-$((cpus - 1))"
is_bound "a new pair" "$every"
in_a ethtool -N wn0 flow-type udp4 dst-port 9000 action 3 >/dev/null || fail "a rule"

for sender in 0 1; do
	frames_on $((3 % cpus)) $sender "left to itself, sent on $sender"
done
for cpu in 0 1; do
	bind "$irq" $cpu
	[ "$(cat /proc/irq/"$irq"/effective_affinity_list)" = $cpu ] || fail "not on CPU $cpu"
	for sender in 0 1; do
		frames_on $cpu $sender "bound to $cpu, sent on $sender"
	done
done
# without spreading what is bound stays, the rest is the sender's
echo 0 >/sys/module/weirnic/parameters/spread
frames_on 1 0 "bound to 1, no spreading"
bind "$irq" "$every"
for sender in 0 1; do
	frames_on $sender $sender "no spreading, sent on $sender"
done
echo 1 >/sys/module/weirnic/parameters/spread

# what comes and goes, with the interrupt where it would not be by itself
bind "$irq" 0
in_a ethtool -N wn0 delete 255 2>/dev/null || in_a ethtool -N wn0 delete 0 || fail "no rule"
in_a ethtool -L wn0 combined 2 || fail "two channels"
named "two channels" "wn0-rx-0 wn0-rx-1 $all1"
is_bound "two channels" 0
in_a ethtool -L wn0 combined 4 || fail "four channels"
in_a ethtool -N wn0 flow-type udp4 dst-port 9000 action 3 >/dev/null || fail "a rule again"
named "four channels" "$all0 $all1"
frames_on 0 1 "four channels again"
in_a ethtool -G wn0 rx 128 || fail "another ring"
frames_on 0 1 "another ring"
ip -n a link set wn0 down
named "link down" "$all1"
is_bound "link down" 0
ip -n a link set wn0 name wx0 && ip -n a link set wx0 up || fail "another name"
named "another name" "$all1 ${all0//wn0/wx0}"
ip -n a link set wx0 down && ip -n a link set wx0 name wn0
ip -n a link set wn0 up && carrier_comes
ip -n a neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev wn0 nud permanent
ip -n b neigh replace 10.77.0.1 lladdr 02:00:00:00:00:01 dev wn1 nud permanent
frames_on 0 1 "link up again"
in_a ethtool -G wn0 tcp-data-split on 2>/dev/null
before=$(stat_of wn0 rx3.restarts)
if [ "$(in_a weir-zcraw trial wn0 3)" = open ]; then
	wait_for 5 eval '[ "$(stat_of wn0 rx3.restarts)" = $((before + 2)) ]' || fail "no restart"
	frames_on 0 1 "the queue restarted"
else
	[ "$(fact series)" = 6.12 ] || fail "queue 3 cannot be registered"
fi
with_sys a sh -c 'echo 1 >/sys/class/net/wn0/threaded' || fail "threaded NAPI"
enough=$(($(total) + 5)) calls=$(raised 0)
in_b bash -c 'for i in 1 2 3 4 5; do echo >/dev/udp/10.77.0.1/9000; done'
wait_for 10 arrived || fail "threaded: $(total) frames of $enough"
[ "$(raised 0)" -gt "$calls" ] || fail "threaded: no interrupt"

# to and fro under traffic, by a thread and without
in_a ethtool -N wn0 flow-type tcp4 dst-port 5201 action 3 >/dev/null || fail "a rule for a stream"
stream_start "$folder/stats" -b 100M
stream_goes_on "before any move"
for threaded in 1 0; do
	with_sys a sh -c "echo $threaded >/sys/class/net/wn0/threaded"
	for ((i = 0; i < 100; i++)); do
		echo $((i % 2)) >/proc/irq/$irq/smp_affinity_list
	done
	stream_goes_on "threaded $threaded, moved a hundred times"
done
# the kernel moves it when its CPU goes
bind "$irq" 1
if echo 0 >/sys/devices/system/cpu/cpu1/online; then
	stream_goes_on "its CPU is gone"
	[ "$(cat /proc/irq/$irq/effective_affinity_list)" = 0 ] || fail "it stays on CPU 1"
	echo 1 >/sys/devices/system/cpu/cpu1/online || fail "CPU 1 does not come back"
	stream_goes_on "the CPU is there again"
fi
stream_end

ip -n a link delete wn0
wait_for 10 no_device || fail "a device is left"
named "devices gone" ""
ls /proc/irq >after.irqs
cmp before.irqs after.irqs || fail "interrupts left: $(diff before.irqs after.irqs | xargs)"
ip -n a link add wn0 numrxqueues 4 numtxqueues 4 type weirnic peer name wn1 netns b &&
	quiet_end_up a wn0 1 2 && quiet_end_up b wn1 2 1 || fail "another pair"
named "another pair" "$all0 $all1"
rmmod weirnic || fail "unload with interrupts in use"
named "the module gone" ""
ls /proc/irq >after.irqs
cmp before.irqs after.irqs || fail "interrupts left: $(diff before.irqs after.irqs | xargs)"
echo "each interrupt is raised where /proc/irq says, and none is left"
