#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_badserver.sh - servers that send rubbish, stall or vanish: our client says so and ends.
#
# Theory: a hand-written server goes so far in the protocol and then misbehaves.  The client must
# end by itself, with exit code 1 and one line that says what was wrong.

. "$(dirname "$0")/lib_iperf3.sh"

cat >fake.py <<'END'
"""fake.py CASE: a server for one client that misbehaves; prints its port first."""
import json, os, random, socket, struct, sys, time

case = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0), backlog=200)
print(listener.getsockname()[1], flush=True)
control = listener.accept()[0]
control.settimeout(5)


def take(n):
    data = b""
    while len(data) < n:
        piece = control.recv(n - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def take_json():
    return json.loads(take(struct.unpack(">I", take(4))[0]))


def send_json(text):
    control.sendall(struct.pack(">I", len(text)) + text)


def to_streams():
    take(37)
    control.sendall(b"\x09")
    params = take_json()
    control.sendall(b"\x0a")
    streams = [listener.accept()[0] for _ in range(params["parallel"])]
    for s in streams:
        assert len(s.recv(37)) == 37
    return streams


def to_results():
    streams = to_streams()
    control.sendall(b"\x01\x02")
    for s in streams:
        s.setblocking(False)
    while True:
        control.settimeout(0.01)
        try:
            if control.recv(1) == b"\x04":
                break
        except TimeoutError:
            pass
        for s in streams:
            try:
                s.recv(1 << 20)
            except BlockingIOError:
                pass
    control.settimeout(5)
    control.sendall(b"\x0d")
    take_json()
    return streams


def linger():
    try:
        while control.recv(1000):
            pass
    except OSError:
        pass


def case_close():
    control.close()


def case_rubbish():
    take(37)
    control.sendall(bytes(random.randrange(1, 128) for _ in range(100)))
    linger()


def case_http():
    take(37)
    control.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    linger()


def case_silent():
    linger()


def case_error_codes():
    take(37)
    control.sendall(b"\xfe" + struct.pack(">II", 6, 0))
    linger()


def case_strange_error():
    take(37)
    control.sendall(b"\xfe" + struct.pack(">II", 0xffffffff, 0xffffffff))
    linger()


def case_half_error():
    take(37)
    control.sendall(b"\xfe\0\0")
    linger()


def case_denied():
    control.sendall(b"\xff")
    linger()


def case_running_at_once():
    take(37)
    control.sendall(b"\x02")
    linger()


def case_results_at_once():
    take(37)
    control.sendall(b"\x0e")
    linger()


def case_no_stream_listener():
    take(37)
    control.sendall(b"\x09")
    take_json()
    listener.close()
    control.sendall(b"\x0a")
    linger()


def case_streams_twice():
    to_streams()
    control.sendall(b"\x0a")
    linger()


def case_streams_closed():
    for s in to_streams():
        s.close()
    control.sendall(b"\x01\x02")
    linger()


def case_no_start():
    streams = to_streams()
    control.sendall(b"\x02")
    linger()


def case_start_twice():
    streams = to_streams()
    control.sendall(b"\x01\x01\x02")
    linger()


def case_params_again():
    streams = to_streams()
    control.sendall(b"\x09")
    linger()


def case_never_starts():
    streams = to_streams()
    linger()


def case_stalls():
    streams = to_streams()
    control.sendall(b"\x01\x02")
    linger()


def case_stalls_reverse():
    case_stalls()


def case_terminates():
    streams = to_streams()
    control.sendall(b"\x01\x02\x0b")
    linger()


def case_no_results():
    streams = to_results()
    linger()


def case_bad_results():
    streams = to_results()
    send_json(b'{"cpu_util_total":"x"}')
    linger()


def case_broken_results():
    streams = to_results()
    send_json(b'{"cpu_')
    linger()


def case_huge_results():
    streams = to_results()
    control.sendall(b"\xff\xff\xff\xff")
    linger()


def case_no_display():
    streams = to_results()
    send_json(b'{"cpu_util_total":1,"cpu_util_user":1,"cpu_util_system":1,'
              b'"sender_has_retransmits":-1,"streams":[]}')
    linger()


random.seed(int(os.environ.get("SEED", "1")))
globals()["case_" + case]()
END

SEED=$RANDOM
export SEED
echo "SEED=$SEED"
declare -A says=(
	[close]="closed unexpectedly" [rubbish]="." [http]="unknown control message"
	[silent]="no answer from the server: waited for its first answer"
	[error_codes]="number of parallel streams" [strange_error]="error number"
	[half_error]="no answer" [denied]="server is busy"
	[running_at_once]="unknown control message" [no_start]="unknown control message"
	[start_twice]="unknown control message" [params_again]="unknown control message"
	[results_at_once]="unknown control message" [no_stream_listener]="unable to connect stream"
	[streams_twice]="unknown control message" [streams_closed]="stream"
	[never_starts]="waited for the start of the test" [stalls]="waited for the end of the test"
	[stalls_reverse]="idle timeout for receiving data"
	[terminates]="the server has terminated" [no_results]="waited for the server's results"
	[bad_results]="unable to receive results" [broken_results]="unable to receive results"
	[huge_results]="unable to receive results" [no_display]="waited for"
)
# one_case PLANE NAME [-J]
one_case() {
	local plane=$1 name=$2 json=${3-} fake code reverse=()

	: >fake.out
	timeout 20 python3 ../fake.py "$name" >fake.out 2>fake.err &
	fake=$!
	started+=("$fake")
	until_true 10 grep -q '[0-9]' fake.out || fail "the fake server does not start"
	port=$(cat fake.out)
	[ "$name" = stalls_reverse ] && reverse=(-R --rcv-timeout 300)
	client weir -c 127.0.0.1 -t 1 -P 2 $json --plane "$plane" \
		--control-timeout 1000 "${reverse[@]}"
	code=$?
	[ $code -eq 1 ] || fail "$plane, $name $json: exit code $code"
	if [ -n "$json" ]; then
		json client.out "$plane, $name" 'len(j["error"]) > 5'
	else
		grep -q -e "${says[$name]}" client.err ||
			fail "$plane, $name: $(tail -2 client.err)"
	fi
	grep -E "Sanitizer|runtime error" client.err && fail "$plane, $name: a sanitizer complains"
	kill "$fake" 2>/dev/null
	wait "$fake" 2>/dev/null
	forget "$fake"
}

find_planes
json=
for plane in "${planes[@]}"; do
	for name in "${!says[@]}"; do
		[ ${#parts[@]} -lt 8 ] || join
		beside "$plane, $name" one_case "$plane" "$name" $json
	done
	json=-J # one plane prints text, the other JSON
done
join
finish
