#!/bin/bash
# SPDX-License-Identifier: MIT
#
# nic_info.sh - what weir reads of the test NIC, against ethtool, ip and sysfs
#
# Theory
#	Each setting is changed by ethtool or sysfs and read by "weir nic status --json", which
#	must then say what the other reader says.  Queues are occupied one way after the other.
#
# Timeout: 150
. "$(dirname "$0")/lib.sh"

checks=0

# look [WORDS...]: $state is then path=value of each value of the JSON, "queues.3.irq=null"
look() {
	state=$(in_a weir nic status --json "${@:-wn0}" | awk '
		function path(   i, p) {
			for (i = 1; i <= depth; i++)
				p = p names[i] "." (index_of[i] == "" ? "" : index_of[i] ".")
			return p
		}
		{ gsub(/^\t+|,$/, "") }
		/^\{$/ { next }
		/^\}, \{$/ { index_of[depth]++; next }
		/^\}\]?$/ { depth--; next }
		{
			key = $0
			sub(/":\t.*/, "", key)
			sub(/^"/, "", key)
			value = $0
			sub(/^[^\t]*\t/, "", value)
			if (value == "[{" || value == "{") {
				names[++depth] = key
				index_of[depth] = value == "{" ? "" : 0
				next
			}
			gsub(/^"|"$/, "", value)
			sub(/^interfaces\.0\./, "", key)
			print path() key "=" value
		}')
	[ -n "$state" ] || fail "no JSON"
}
of() { sed -n "s/^interfaces\.0\.$1=//p" <<<"$state"; }
is() { # PATH VALUE
	checks=$((checks + 1))
	[ "$(of "$1")" = "$2" ] || fail "$1 is '$(of "$1")', not '$2'"
}
now() { # PATH VALUE: after another look
	look
	is "$@"
}
e() { in_a ethtool "$@" || fail "ethtool $*"; }

# ring max|now NAME: of ethtool -g
ring() {
	in_a ethtool -g wn0 | awk -F: -v part="$1" -v name="$2" '
		/^Current/ { now = 1 }
		now == (part == "now") && $1 == name { gsub(/[ \t]/, "", $2); print $2 }'
}
indirection() { # of ethtool -x, as our list
	in_a ethtool -x wn0 "$@" | awk '/^ *[0-9]+:/ { $1 = ""; printf "%s", $0 }' |
		sed 's/^ */[/; s/  */, /g; s/$/]/'
}
feature() { # NAME: state and whether it is fixed
	in_a ethtool -k wn0 |
		awk -v name="$1:" '$1 == name { print $2, $3 == "[fixed]" ? "true" : "false" }'
}
features() {
	local pair

	for pair in ntuple:ntuple-filters rx_hash:receive-hashing gro_hw:rx-gro-hw \
		lro:large-receive-offload gro:generic-receive-offload; do
		checks=$((checks + 1))
		[ "$(of "features.${pair%:*}.state") $(of "features.${pair%:*}.fixed")" = \
			"$(feature "${pair#*:}")" ] || fail "${pair%:*}: $(feature "${pair#*:}")?"
	done
}

device() {
	look
	is interface wn0
	is ifindex "$(with_sys a cat /sys/class/net/wn0/ifindex)"
	is driver "$(in_a ethtool -i wn0 | sed -n 's/^driver: //p')"
	is bus_info "$(device_of wn0)"
	is kind weirnic
	is up true
	is carrier true
	is mtu_bytes 1500
	is rx_queues 8
	is xdp_mode null
	is owners '[]'
	is carries null
	is features.ntuple.state on
	features
	e -K wn0 ntuple off gro off
	look
	is features.ntuple.state off
	is features.gro.state off
	features
	e -K wn0 ntuple on gro on
	ip -n a route add default via 10.77.0.2
	now carries "it carries the default route"
	ip -n a route del default
}

channels_and_rings() {
	is combined 8
	is combined_max 8
	e -L wn0 combined 5
	look
	is combined 5
	is rx_queues 5
	is queues.4.index 4
	is queues.5.index ""
	ip -n a link set wn0 down
	look
	is up false
	is carrier false
	is rx_queues 5
	is queues.0.napi_id null
	ip -n a link set wn0 up
	e -L wn0 combined 8
	e -G wn0 rx 512
	look
	is ring_entries 512
	is ring_entries "$(ring now RX)"
	is ring_entries_max "$(ring max RX)"
	is rx_buf_bytes "$(ring now 'RX Buf Len' | sed 's,n/a,null,')"
	e -G wn0 tcp-data-split on
	now split on
	# ethtool 6.14 does not know the threshold; setting it has code of its own
	if [ "$(fact series)" = 6.12 ]; then
		is hds_threshold_bytes null
		is hds_threshold_max_bytes null
	else
		is hds_threshold_max_bytes 4096 # HDS_THRESH_MAX of testnic
		in_a weir-nickind wn0 set hds-thresh - 100 || fail "threshold"
		now hds_threshold_bytes 100
		in_a weir-nickind wn0 set hds-thresh - 0 || fail "threshold"
		now hds_threshold_bytes 0
	fi
	e -G wn0 tcp-data-split off
	now split off
	is split "$(ring now 'TCP data split')"
}

rss() {
	local key

	is rss.table "$(indirection)"
	e -X wn0 equal 3 start 1
	look
	is rss.table "$(indirection)"
	is queues.0.rss_entries 0
	is queues.1.rss_entries 43
	is queues.3.rss_entries 42
	e -X wn0 weight 1 0 7
	look
	is rss.table "$(indirection)"
	is queues.2.rss_entries 112
	key=$(in_a ethtool -x wn0 | sed -n '/^RSS hash key/{n;p}' | tr -d ' ')
	is rss.key "$key"
	key=$(sed 's/../a5/' <<<"$key")
	e -X wn0 hkey "$key"
	now rss.key "$key"
	is rss.hash "$(in_a ethtool -x wn0 | awk '$2 == "on" { sub(":", "", $1); print $1 }')"
	is rss.symmetric false
	if in_a ethtool -X wn0 xfrm symmetric-xor 2>/dev/null; then
		now rss.symmetric true
		e -X wn0 xfrm none
		now rss.symmetric false
	fi
	is rss.hash_ports '["tcp4", "udp4", "tcp6", "udp6"]'
	e -N wn0 rx-flow-hash tcp4 sd
	now rss.hash_ports '["udp4", "tcp6", "udp6"]'
	e -N wn0 rx-flow-hash tcp4 sdfn
	now rss.hash_ports '["tcp4", "udp4", "tcp6", "udp6"]'
	e -X wn0 default
}

contexts() {
	local one two

	is rss.contexts '[]'
	one=$(in_a ethtool -X wn0 context new equal 2 start 2 | awk '{ print $NF }')
	two=$(in_a ethtool -X wn0 context new weight 1 0 1 1 0 0 0 1 | awk '{ print $NF }')
	[ -n "$one" ] && [ -n "$two" ] || fail "contexts"
	look
	is rss.contexts.0.id "$one"
	is rss.contexts.0.queues 2-3
	is rss.contexts.0.owner null
	is rss.contexts.1.id "$two"
	is rss.contexts.1.queues 0,2-3,7
	is rss.contexts.2.id ""
	e -N wn0 flow-type tcp4 dst-port 80 context "$one" loc 9
	look
	is rules.0.to context
	is rules.0.context "$one"
	is rules.0.queue null
	e -N wn0 delete 9
	e -X wn0 context "$one" delete
	now rss.contexts.0.id "$two"
	e -X wn0 context "$two" delete
	now rss.contexts '[]'
}

# rule LOCATION MATCH TO QUEUE WORDS...: made by these words of ethtool, it reads so
rule() {
	e -N wn0 "${@:5}" loc "$1"
	look
	is rules.0.location "$1"
	is rules.0.match "$2"
	is rules.0.to "$3"
	is rules.0.queue "$4"
	is rules.0.owner null
	e -N wn0 delete "$1"
}

rules() {
	is rules '[]'
	is rule_room 256
	is rule_any true
	rule 3 "tcp4 dst-port 80" queue 2 flow-type tcp4 dst-port 80 action 2
	rule 255 "udp4 dst-ip 10.77.0.1 dst-port 53" queue 7 \
		flow-type udp4 dst-ip 10.77.0.1 dst-port 53 action 7
	rule 0 "tcp6 src-ip fd77::2 dst-ip fd77::1 src-port 4000 dst-port 443" queue 1 \
		flow-type tcp6 src-ip fd77::2 dst-ip fd77::1 src-port 4000 dst-port 443 action 1
	rule 5 "udp6 dst-port 53" drop null flow-type udp6 dst-port 53 action -1
	e -N wn0 flow-type tcp4 dst-port 1000 m 0xff action 1 loc 8
	e -N wn0 flow-type ip4 dst-ip 10.77.0.1 action 3 loc 6
	e -N wn0 flow-type tcp4 dst-port 80 action 3 loc 7
	look
	is rules.0.location 6
	is rules.1.location 7
	is rules.1.match "tcp4 dst-port 80"
	is rules.2.location 8
	is queues.3.rules 2
	is queues.1.rules 1
	is queues.0.rules 0
	for checked in 0 2; do # our words cannot say what these match
		case $(of rules.$checked.match) in
		"other "*) ;;
		*) fail "rule $checked: '$(of rules.$checked.match)'" ;;
		esac
	done
	for location in 6 7 8; do
		e -N wn0 delete $location
	done
	now rules '[]'
	echo explicit >"$(debugfs_of wn0)/rules/locations"
	now rule_any false
	echo both >"$(debugfs_of wn0)/rules/locations"
}

sysfs() { with_sys a sh -c "echo $2 >/sys/class/net/wn0/$1"; }

napi() {
	local ids every_cpu checked

	every_cpu="0-$(($(nproc) - 1))"
	look
	ids=$(sed -n 's/.*\.napi_id=//p' <<<"$state" | sort -u | wc -l)
	[ "$ids" = 8 ] || fail "$ids NAPI numbers of 8 queues"
	for checked in 0 3 7; do
		is queues.$checked.irq "$(irq_of wn0-rx-$checked)"
		is queues.$checked.cpus "$every_cpu"
	done
	echo 1 >"/proc/irq/$(irq_of wn0-rx-3)/smp_affinity_list"
	now queues.3.cpus 1
	is queues.2.cpus "$every_cpu"
	echo "$every_cpu" >"/proc/irq/$(irq_of wn0-rx-3)/smp_affinity_list"
	now queues.3.cpus "$every_cpu"
	is queues.0.uses '[]'
	sysfs napi_defer_hard_irqs 9
	sysfs gro_flush_timeout 50000
	look
	if [ "$(fact series)" = 6.12 ]; then
		is queues.7.defer_hard_irqs null
		is queues.7.irq_suspend_timeout_ns null
		is queues.7.threaded null
	else
		is queues.7.defer_hard_irqs 9
		is queues.7.gro_flush_timeout_ns 50000
		is queues.7.irq_suspend_timeout_ns 0
		is queues.7.threaded off
		sysfs threaded 1
		now queues.7.threaded on
		sysfs threaded 0
		now queues.7.threaded off
	fi
	sysfs napi_defer_hard_irqs 0
	sysfs gro_flush_timeout 0
	# on 6.12 the NIC's page pools name no NAPI, so that they belong to no queue
	if [ "$(fact series)" = 6.12 ]; then
		is queues.2.pool_pages_inflight null
	else
		[ "$(of queues.2.pool_pages_inflight)" -gt 0 ] || fail "no page pool of queue 2"
	fi
}

# occupied WHAT USES: the queue, by another program
occupied() {
	coproc OCCUPY { exec nsenter --net=/run/netns/a weir-zcraw occupy "$1" wn0 3 2>&1; }
	started+=("$OCCUPY_PID")
	read -rt 20 -u "${OCCUPY[0]}" || fail "$1: no answer"
	if [ "$REPLY" != taken ]; then
		echo "not taken as $1: $REPLY"
		wait "$OCCUPY_PID"
		return 1
	fi
	look
	[ "$1" = xdp ] || is queues.3.uses "$2"
	is queues.2.uses '[]'
}
released() {
	kill "$OCCUPY_PID"
	wait "$OCCUPY_PID" 2>/dev/null
	wait_for 10 free || fail "$1: queue 3 is still used: $(of queues.3.uses)"
}
free() {
	look
	[ "$(of queues.3.uses)" = '[]' ] && [ "$(of xdp_mode)" = null ]
}

occupants() {
	local xsk='["xsk"]'

	[ "$(fact series)" != 6.12 ] || xsk='[]' # told since 6.15
	e -G wn0 tcp-data-split on
	if occupied zcrx '["zcrx"]'; then
		in_a weir nic status | grep -q "1 queue bound" || fail "zcrx: not in the list"
		in_a weir nic status wn0 | grep -q "^ *3 *zcrx" || fail "zcrx: not in the table"
		released zcrx
	else
		[ "$(fact series)" = 6.12 ] || fail "no zero-copy receive"
	fi
	occupied devmem '["devmem"]' || fail "no devmem TCP"
	released devmem
	e -G wn0 tcp-data-split off
	occupied xsk "$xsk" || fail "no AF_XDP"
	released xsk
	occupied xdp "" || fail "no XDP"
	is xdp_mode generic
	is xdp_prog_id "$(ip -n a -d link show wn0 |
		sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')"
	released xdp
}

names() {
	local long=abcdefghijklmno

	ip -n a link set wn0 down && ip -n a link set wn0 name $long || fail "rename"
	look $long
	is interface $long
	is rule_room 256
	is rss.hash toeplitz
	ip -n a link set $long name wn0 && ip -n a link set wn0 up || fail "rename back"
	in_a weir nic status wn9 2>err && fail "an interface that there is not"
	grep -q "No such device" err || fail "$(cat err)"
}

pair numrxqueues 8 numtxqueues 8
device
channels_and_rings
rss
contexts
rules
napi
occupants
names
echo "$checks values are as others read them"
