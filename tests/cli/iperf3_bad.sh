#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_bad.sh - clients that send rubbish, vanish or stall: the server serves the next one.
# Timeout: 240
#
# Theory: a hand-written client goes so far in the protocol and then misbehaves.  After each of
# them a stock client must be served within the server's deadlines, which are set short.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

cat >bad.py <<'END'
"""bad.py PORT CASE: one misbehaving client; ends when the server closes, or after 5 s."""
import json, os, random, socket, struct, sys, time

port, case = int(sys.argv[1]), sys.argv[2]
cookie = b"badclientbadclientbadclientbadclient\0"
params = {"tcp": True, "omit": 0, "time": 1, "num": 0, "blockcount": 0, "parallel": 1,
          "len": 131072, "pacing_timer": 1000, "client_version": "3.12"}


def dial():
    return socket.create_connection(("127.0.0.1", port), 5)


def drain(s):
    s.settimeout(5)
    got = b""
    try:
        while True:
            data = s.recv(65536)
            if not data:
                break
            got += data
    except OSError:
        pass
    return got


def send_json(s, text):
    if not isinstance(text, (bytes, str)):
        text = json.dumps(text)
    if isinstance(text, str):
        text = text.encode()
    s.sendall(struct.pack(">I", len(text)) + text)


def hello():
    s = dial()
    s.sendall(cookie)
    state = s.recv(1)
    assert state == b"\x09", state
    return s


def with_params(**more):
    s = hello()
    p = dict(params, **more)
    send_json(s, {k: v for k, v in p.items() if v is not None})
    return s


def to_running(**more):
    s = with_params(**more)
    state = s.recv(1)
    assert state == b"\x0a", state
    streams = []
    for i in range(more.get("parallel", 1) * (2 if more.get("bidirectional") else 1)):
        d = dial()
        d.sendall(cookie)
        streams.append(d)
    got = b""
    while len(got) < 2:
        got += s.recv(2 - len(got))
    assert got == b"\x01\x02", got
    return s, streams


def refused(s, code):
    got = drain(s)
    assert len(got) >= 9 and got[0] == 0xfe, got
    assert struct.unpack(">I", got[1:5])[0] == code, (got, code)


def case_silent():
    drain(dial())


def case_short_cookie():
    s = dial()
    s.sendall(cookie[:20])
    drain(s)


def case_connect_close():
    for _ in range(50):
        dial().close()


def case_control_bytes():
    s = dial()
    s.sendall(bytes(random.randrange(256) for _ in range(5000)))
    drain(s)


def case_http():
    s = dial()
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: scanner of ports\r\n\r\n")
    drain(s)


def case_no_params():
    drain(hello())


def case_huge_length():
    s = hello()
    s.sendall(b"\xff\xff\xff\xff{")
    refused(s, 114)


def case_zero_length():
    s = hello()
    s.sendall(b"\0\0\0\0")
    refused(s, 114)


def case_half_json():
    s = hello()
    s.sendall(struct.pack(">I", 1000) + b'{"tcp":true')
    drain(s)


def case_broken_json():
    s = hello()
    send_json(s, '{"tcp":tru' + "\x01\x02" * 20)
    refused(s, 114)


def case_deep_json():
    s = hello()
    send_json(s, "[" * 30000)
    refused(s, 114)


def case_array_json():
    s = hello()
    send_json(s, "[1,2,3]")
    refused(s, 114)


def absurd(code, **more):
    refused(with_params(**more), code)


def case_absurd():
    absurd(6, parallel=129)
    absurd(6, parallel=0)
    absurd(6, parallel=-1)
    absurd(6, parallel=1e300)
    absurd(6, parallel="8")
    absurd(7, len=2 << 20)
    absurd(7, len=-5)
    absurd(20, len=15, tcp=None, udp=True)
    absurd(20, len=70000, tcp=None, udp=True)
    absurd(5, time=86401)
    absurd(5, time=-1)
    absurd(8, window=1 << 40)
    absurd(10, MSS=100000)
    absurd(12, omit=100000)
    absurd(21, TOS=256)
    absurd(15, burst=100000)
    absurd(25, reverse=True, bidirectional=True)
    absurd(114, bandwidth=-1)
    absurd(114, num=1e19)
    absurd(114, title=[1])
    absurd(114, title="x" * 5000)
    absurd(134, congestion="x" * 100)
    absurd(13, sctp=True)


def case_no_streams():
    s = with_params(parallel=4)
    assert s.recv(1) == b"\x0a"
    drain(s)


def case_some_streams():
    s = with_params(parallel=4)
    assert s.recv(1) == b"\x0a"
    streams = [dial(), dial()]
    for d in streams:
        d.sendall(cookie)
    drain(s)


def case_strange_cookie():
    """A stranger between the streams is denied, silent ones only delay the start."""
    s = with_params(parallel=2, reverse=True)
    assert s.recv(1) == b"\x0a"
    a = dial()
    a.sendall(cookie)
    stranger = dial()
    stranger.sendall(b"x" * 37)
    stranger.settimeout(3)
    assert stranger.recv(1) == b"\xff"
    silent = dial()
    b = dial()
    b.sendall(cookie)
    s.settimeout(3)
    assert s.recv(1) == b"\x01"
    for sock in (a, b, s, silent):
        sock.close()


def case_vanish():
    """Gone without a word in each state."""
    dial().close()
    hello().close()
    with_params().close()
    s, streams = to_running()
    for d in streams + [s]:
        d.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        d.close()


def case_streams_vanish():
    s, streams = to_running(parallel=3)
    for d in streams:
        d.close()
    drain(s)


def case_reset_reverse():
    s, streams = to_running(parallel=2, reverse=True)
    for d in streams:
        d.recv(1000)
        d.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        d.close()
    drain(s)


def case_unknown_state():
    s, streams = to_running()
    s.sendall(b"\x63")
    drain(s)


def case_flood_states():
    s, streams = to_running()
    try:
        for _ in range(100):
            s.sendall(bytes(random.randrange(256) for _ in range(1000)))
    except OSError:
        pass
    drain(s)


def case_stall_running():
    """-n without data: only the watchdog of the server can see it."""
    s, streams = to_running(time=0, num=1000000)
    drain(s)


def case_stall_reverse():
    """Never reads what the server sends."""
    s, streams = to_running(time=0, num=10 ** 9, reverse=True)
    drain(s)


def case_stall_results():
    s, streams = to_running()
    s.sendall(b"\x04")
    while s.recv(1) != b"\x0d":
        pass
    drain(s)


def case_bad_results():
    for text in ("{}", '{"cpu_util_total":1}', "[]", "x", '{"cpu_util_total":1,"cpu_util_user":1,'
                 '"cpu_util_system":1,"sender_has_retransmits":-1,"streams":[{"id":77,"bytes":1,'
                 '"retransmits":0,"jitter":0,"errors":0,"packets":0}]}',
                 '{"cpu_util_total":1,"cpu_util_user":1,"cpu_util_system":1,'
                 '"sender_has_retransmits":-1,"streams":[{"id":1,"bytes":-1e300,'
                 '"retransmits":0,"jitter":0,"errors":0,"packets":0}]}'):
        s, streams = to_running()
        s.sendall(b"\x04")
        while s.recv(1) != b"\x0d":
            pass
        send_json(s, text)
        drain(s)


def case_huge_results():
    s, streams = to_running()
    s.sendall(b"\x04")
    while s.recv(1) != b"\x0d":
        pass
    s.sendall(struct.pack(">I", 1 << 30))
    try:
        for _ in range(64):
            s.sendall(b" " * 65536)
    except OSError:
        pass
    drain(s)


def case_no_goodbye():
    s, streams = to_running()
    s.sendall(b"\x04")
    while s.recv(1) != b"\x0d":
        pass
    send_json(s, {"cpu_util_total": 1, "cpu_util_user": 1, "cpu_util_system": 1,
                  "sender_has_retransmits": -1, "streams": []})
    drain(s)


def case_udp_rubbish():
    s = with_params(tcp=None, udp=True, len=1000, bandwidth=1000000)
    assert s.recv(1) == b"\x0a"
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect(("127.0.0.1", port))
    for size in (0, 1, 3, 5, 100, 1400, 9000):
        u.send(os.urandom(size))
    u.settimeout(0.3)
    try:
        u.recv(100)
        raise AssertionError("an answer to rubbish")
    except socket.timeout:
        pass
    u.send(struct.pack("<I", 0x36373839))
    assert u.recv(100) == struct.pack("<I", 0x39383736)
    got = b""
    while len(got) < 2:
        got += s.recv(2)
    for size in (0, 1, 11, 12, 15, 16, 1000, 9000):
        for _ in range(20):
            u.send(os.urandom(size))
    u.send(b"\xff" * 16)
    s.sendall(b"\x04")
    drain(s)


def case_many_visitors():
    """More silent connections than the server has room for, and one that is served."""
    silent = []
    for _ in range(600):
        try:
            silent.append(dial())
        except OSError:
            break
    s = dial()
    s.sendall(cookie)
    s.settimeout(5)
    assert s.recv(1) == b"\x09"


random.seed(int(os.environ.get("SEED", "1")))
globals()["case_" + case]()
END

# served KIND: a client of that kind is served, if not at once then after the bad one's deadline.
# -i: later stock clients notice that all of -n is sent at their next timer, by default of 1 s.
served() {
	local end=$((SECONDS + 6))
	until client "$1" -c 127.0.0.1 -n 256K -i 0.1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.1 # until the server's deadline for the bad client has passed
	done
}

# cases PLANE NAME...: one server, and one bad client after the other
cases() {
	local plane=$1 name
	shift

	start_server weir --plane "$plane" --control-timeout 1000 --rcv-timeout 400
	for name in "$@"; do
		if ! timeout 20 python3 ../bad.py "$port" "$name" >bad.out 2>&1; then
			fail "$plane, $name: the bad client saw: $(tail -3 bad.out)"
		fi
		if ! served stock; then
			fail "$plane, $name: the next client is not served: $(cat client.err)"
			tail -20 server.out
		fi
		if gone "$server_pid"; then
			fail "$plane, $name: the server is gone: $(tail -20 server.out)"
			return
		fi
	done
	at_last "$plane"
}

# a client that is killed, one that is stopped in the middle and killed later
victims() {
	local plane=$1 signal victim child

	start_server weir --plane "$plane" --control-timeout 1000 --rcv-timeout 400
	for signal in KILL STOP; do
		: >victim.out # here: the shell in the background may be late
		timeout 30 iperf3 -p "$port" -c 127.0.0.1 -t 20 -R --forceflush >victim.out 2>&1 &
		victim=$!
		started+=("$victim")
		until_true 10 grep -q "sec .*Bytes" victim.out ||
			until_true 2 grep -q "connected to" victim.out
		child=$(cat "/proc/$victim/task/$victim/children")
		kill "-$signal" $child
		started+=($child)
		served weir || fail "$plane: after SIG$signal the next client is not served:
$(cat client.err)"
		kill -CONT $child 2>/dev/null
		kill -KILL $child 2>/dev/null
		kill -KILL "$victim" 2>/dev/null
		wait "$victim" 2>/dev/null
		forget "$victim"
		forget "$child"
	done
	at_last "$plane"
}

at_last() {
	must_client "$1, at last" stock -c 127.0.0.1 -n 1M -P 4 -i 0.1
	until_true 5 at_most_open 17 ||
		fail "$1: the server has open: $(ls -l "/proc/$server_pid/fd")"
	stop_server
}

SEED=$RANDOM
export SEED
echo "SEED=$SEED"
names=($(sed -n 's/^def case_\([a-z_]*\).*/\1/p' bad.py))
quarter=$(((${#names[@]} + 3) / 4))
find_planes
for plane in "${planes[@]}"; do
	for ((i = 0; i < ${#names[@]}; i += quarter)); do
		beside "$plane, from ${names[i]}" cases "$plane" "${names[@]:i:quarter}"
	done
	beside "$plane, clients that are killed" victims "$plane"
done
join
finish
