# SPDX-License-Identifier: MIT
#
# lib_iperf3.sh - what the tests of `weir iperf3` share: servers on free ports, clients with a time
# limit, figures out of JSON documents.
#
# Theory: a server is started with its output in server.out and is ready when its port is in the
# kernel's list of listening sockets.  Whatever a test starts is ended by its process id, on
# every way out.  A test goes on after a failed check, so that one run shows all that is wrong.
# Parts that wait more than they compute run at the same time, each in a shell and a folder of its
# own with ports that no other part of the test takes.  Tests that run at the same time keep off
# each other's ports by locks on bytes of one file, which the shell's open file holds until it
# ends.

WEIR=${WEIR:?the path of the weir command}
exec {port_locks}<>"$(dirname "$WEIR")/ports.lock" || exit 1
server_pid=
failures=0
started=()
parts=()
part_names=()
part_number=0

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*" >&2
	failures=$((failures + 1))
}

stop_all() {
	local pid
	for pid in "${started[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	started=()
	for pid in "${parts[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${parts[@]}"; do
		wait "$pid" 2>/dev/null
	done
	parts=()
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# Stock iperf3 later than 3.12 (3.18 was looked at): as a client it ends UDP tests of -n and -k
# after the amount, counts what it sent before the last bytes, and pads a column by one space more.
later=False
slack=1
if [ "$(iperf3 --version 2>/dev/null | sed -n '1s/^iperf \([0-9.]*\).*/\1/p')" != 3.12 ]; then
	later=True
	slack=1.1
fi

need() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# A port that is free for TCP and for UDP, and kept for this test.
# Below the range the kernel gives out by itself, and with a free one behind it.
free_port() {
	python3 - "$part_number" "$port_locks" <<-'END'
	import fcntl, random, socket, struct, sys
	part, locks = int(sys.argv[1]), int(sys.argv[2])
	def kept(port):
	    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, port, 2, 0)
	    try:
	        fcntl.fcntl(locks, fcntl.F_OFD_SETLK, lock)
	    except OSError:
	        return False
	    return True
	def free(port):
	    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
	        with socket.socket(socket.AF_INET6, kind) as s:
	            try:
	                s.bind(("::", port))
	            except OSError:
	                return False
	    return True
	while True:
	    port = 20000 + 2 * part + 64 * random.randrange(190)
	    if kept(port) and free(port) and free(port + 1):
	        print(port)
	        break
	END
}

# until_true SECONDS COMMAND...: look again until it succeeds or the time is over
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.02 # between two looks at the state that is waited for
	done
}

listening() {
	local hex
	hex=$(printf ':%04X' "$1")
	awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
		END { exit !found }' /proc/net/tcp /proc/net/tcp6
}

# start_server weir|stock [OPTIONS]: sets port and server_pid
start_server() {
	local kind=$1
	shift
	port=$(free_port)
	if [ "$kind" = stock ]; then
		"${STOCK:-iperf3}" -s -p "$port" --forceflush "$@" >server.out 2>&1 &
	else
		"$WEIR" iperf3 -s -p "$port" "$@" >server.out 2>&1 &
	fi
	server_pid=$!
	started+=("$server_pid")
	until_true 10 listening "$port" || {
		cat server.out
		fail "$kind server with '$*' does not listen"
		exit 1
	}
}

# stop_server: as a user would, and it must end
stop_server() {
	kill -INT "$server_pid" 2>/dev/null
	if ! until_true 10 gone "$server_pid"; then
		fail "the server did not end on SIGINT"
		kill -KILL "$server_pid" 2>/dev/null
	fi
	wait "$server_pid" 2>/dev/null
	forget "$server_pid"
	grep -E "Sanitizer|runtime error" server.out && fail "a sanitizer complains of the server"
}

# at_most_open NUMBER: the server has no more descriptors (the shell's locks are one)
at_most_open() {
	[ "$(ls "/proc/$server_pid/fd" | wc -l)" -le "$1" ]
}

# Neither running nor waiting to be waited for.
gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}

forget() {
	local pid kept=()
	for pid in "${started[@]}"; do
		[ "$pid" = "$1" ] || kept+=("$pid")
	done
	started=("${kept[@]}")
}

# client weir|stock [OPTIONS]: output in client.out; the status is the client's
client() {
	local kind=$1 status
	shift
	if [ "$kind" = stock ]; then
		timeout -k 2 30 "${STOCK:-iperf3}" -p "$port" "$@" >client.out 2>client.err
	else
		timeout -k 2 30 "$WEIR" iperf3 -p "$port" "$@" >client.out 2>client.err
	fi
	status=$?
	grep -E "Sanitizer|runtime error" client.err && fail "client $*: a sanitizer complains"
	return $status
}

# must_client NAME weir|stock [OPTIONS]: a client that must succeed
must_client() {
	local name=$1
	shift
	if ! client "$@"; then
		fail "$name: client ($*) failed: $(head -c 600 client.out client.err)"
		return 1
	fi
}

# json FILE NAME EXPRESSION...: python expressions that must hold over the document j, its parts
# start, intervals and end, and the bytes that were sent and received in all
json() {
	local file=$1 name=$2
	shift 2
	python3 - "$file" "$name" "$@" <<-'END' || failures=$((failures + 1))
	import json, math, sys
	path, name = sys.argv[1:3]
	try:
	    with open(path) as f:
	        j = json.load(f)
	except Exception as e:
	    print("FAIL: %s: %s is no JSON document: %s" % (name, path, e))
	    print(open(path, errors="replace").read()[:500])
	    sys.exit(1)
	start, intervals, end = j["start"], j["intervals"], j["end"]
	sent, received = (end.get(key, {}).get("bytes") for key in ("sum_sent", "sum_received"))
	bad = 0
	for text in sys.argv[3:]:
	    try:
	        good = eval(text)
	        note = ""
	    except Exception as e:
	        good, note = False, " (%s: %s)" % (type(e).__name__, e)
	    if not good:
	        print("FAIL: %s: not true: %s%s" % (name, text, note))
	        bad = 1
	if bad:
	    print(json.dumps({k: j[k] for k in j if k != "intervals"})[:3000])
	sys.exit(bad)
	END
}

# beside NAME COMMAND...: a part of the test, at the same time as the other parts; at most 31
beside() {
	local name=$1 folder=part.$((${#parts[@]} + 1))
	shift
	rm -rf "$folder"
	mkdir "$folder" || exit 1
	(
		started=() parts=() failures=0 part_number=${folder#part.}
		trap stop_all EXIT
		trap 'exit 1' INT TERM
		cd "$folder" || exit 1
		"$@"
		exit $((failures > 0))
	) >"$folder/part.out" 2>&1 &
	parts+=("$!")
	part_names+=("$name")
}

# join: waits for all parts; what they printed, and what failed
join() {
	local i
	for i in "${!parts[@]}"; do
		wait "${parts[i]}" || fail "${part_names[i]}"
		cat "part.$((i + 1))/part.out"
	done
	parts=()
	part_names=()
}

# find_planes: sets planes to those this machine has, best first; there is always one.
find_planes() {
	local plane
	planes=()
	for plane in uring epoll; do
		timeout 10 "$WEIR" iperf3 -s -1 --idle-timeout 1 -p "$(free_port)" \
			--plane "$plane" >plane.out 2>&1 && planes+=("$plane")
	done
	if [ ${#planes[@]} -eq 0 ]; then
		fail "no plane works: $(cat plane.out)"
		exit 1
	fi
}

finish() {
	stop_all
	if [ "$failures" -gt 0 ]; then
		echo "$failures checks failed"
		exit 1
	fi
	echo "all checks passed"
	exit 0
}

need python3 timeout awk
