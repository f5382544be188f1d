#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# demo.sh - stock iperf3 drives weir's server over each plane of this machine, and, beside it, its
# own server: one table of throughput, CPU time and copies.
#
# Theory: the client is always stock iperf3, pinned to one CPU; the servers share another.  Every
# round runs all servers in all directions, so that what disturbs the machine disturbs all of them;
# table.py prints the medians of the rounds.  All traffic is on 127.0.0.1.  Then the same in a VM
# that has a NIC for zero-copy receive, where `make vm` has made the VM.
#
# Environment: WEIR (the command, default build/weir), DEMO_ROUNDS (3), DEMO_SECONDS (1), DEMO_VM
# (no: without the VM).
set -u

here=$(cd "$(dirname "$0")" && pwd)
WEIR=${WEIR:-$here/../build/weir}
rounds=${DEMO_ROUNDS:-3}
seconds=${DEMO_SECONDS:-1}
work=
server_pid=

stop_server() {
	[ -n "$server_pid" ] || return 0
	kill -INT "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
	server_pid=
}

clean_up() {
	stop_server
	[ -n "$work" ] && rm -rf "$work"
}
trap clean_up EXIT
trap 'echo; exit 130' INT TERM

die() {
	echo "demo: $*" >&2
	exit 1
}

[ -x "$WEIR" ] || die "no command at $WEIR: run make first"
command -v iperf3 >/dev/null || die "iperf3 is not installed: apt-get install iperf3"
command -v python3 >/dev/null || die "python3 is not installed: apt-get install python3"
work=$(mktemp -d) || die "no temporary folder"

# The client on the first CPU we may use, the servers on the second, where there are two.
pin_client=() pin_server=()
mapfile -t cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep="\n")')
if [ ${#cpus[@]} -ge 2 ] && command -v taskset >/dev/null; then
	pin_client=(taskset -c "${cpus[0]}")
	pin_server=(taskset -c "${cpus[1]}")
fi

# A port that nobody has, TCP and UDP.
free_port() {
	python3 -c '
import socket
while True:
    with socket.socket(socket.AF_INET6) as t, \
         socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as u:
        t.bind(("::", 0))
        try:
            u.bind(("::", t.getsockname()[1]))
        except OSError:
            continue
        print(t.getsockname()[1])
        break'
}

listening() {
	local hex
	hex=$(printf ':%04X' "$1")
	awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
		END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# start_server NAME: leaves its JSON documents in $work/server.json
start_server() {
	local tries=0
	port=$(free_port)
	case $1 in
	iperf3) "${pin_server[@]}" iperf3 -s -1 -J -p "$port" ;;
	*) "${pin_server[@]}" "$WEIR" iperf3 -s -1 -J -p "$port" --plane "$1" ;;
	esac >"$work/server.json" 2>"$work/server.err" &
	server_pid=$!
	until listening "$port"; do
		tries=$((tries + 1))
		if [ $tries -gt 500 ] || [ ! -e "/proc/$server_pid" ]; then
			cat "$work/server.err" >&2
			die "the server ($1) does not listen"
		fi
		sleep 0.01 # between two looks at the kernel's list of listening sockets
	done
}

# one ROUND SERVER DIRECTION OPTIONS: one test; its documents are kept for table.py
one() {
	local round=$1 server=$2 direction=$3
	shift 3
	start_server "$server"
	"${pin_client[@]}" timeout -k 2 20 iperf3 -c 127.0.0.1 -p "$port" -J -t "$seconds" "$@" \
		>"$work/$round.$direction.$server.client.json" 2>"$work/client.err" ||
		echo "demo: a client failed: $server, $direction" >&2
	wait "$server_pid"
	server_pid=
	mv "$work/server.json" "$work/$round.$direction.$server.server.json"
}

# Which planes there are is asked from weir: a server that nobody visits ends after a second.
for plane in uring epoll; do
	"$WEIR" iperf3 -s -1 --idle-timeout 1 -p "$(free_port)" --plane "$plane" \
		>/dev/null 2>"$work/$plane.refused" &
done
wait
servers=(iperf3)
for plane in uring epoll; do
	[ -s "$work/$plane.refused" ] || servers+=("$plane")
done
[ ${#servers[@]} -gt 1 ] || die "no plane works here: $(cat "$work"/*.refused)"

echo "Stock $(iperf3 --version | head -n 1 | cut -d ' ' -f 1-2) as the client of each server," \
	"over loopback; medians of $rounds rounds of ${seconds} s."
for ((round = 1; round <= rounds; round++)); do
	for server in "${servers[@]}"; do
		one "$round" "$server" tcp
		one "$round" "$server" reverse -R
		one "$round" "$server" udp -u -b 0 -l 1460
		[ -t 1 ] && printf '\r  round %d of %d: %-8s' "$round" "$rounds" "$server"
	done
done
[ -t 1 ] && printf '\r%60s\r' ''
echo

# what weir takes when nobody asks, and why
start_server auto
timeout 10 iperf3 -c 127.0.0.1 -p "$port" -n 1M >/dev/null 2>&1
wait "$server_pid"
server_pid=
mv "$work/server.json" "$work/auto.json"
python3 -B "$here/table.py" "$work" "${servers[@]}"
status=$?

# A NIC that can receive without a copy is in the VM.
mkdir "$work/vm"
echo
if [ "${DEMO_VM:-yes}" = no ]; then
	echo "Zero-copy receive is left out: DEMO_VM=no."
elif said=$(timeout -k 5 180 "$here/../tests/vm/vm.py" demo "$work/vm" 2>&1); then
	echo "Zero-copy receive: the same client in a VM (${said##*$'\n'}), over the test NIC," \
		"packets of a page; medians of 3 rounds of 1 s."
	echo
	python3 -B "$here/table.py" "$work/vm" --vm iperf3 uring zcrx || status=1
else
	said=${said##*vm: }
	echo "Zero-copy receive is left out: ${said:-no answer from the VM within 180 s}."
fi
exit $status
