#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_order.sh - the client's word that a UDP test is over comes behind its last datagram.
#
# Theory: a server of iperf3 counts no datagram that comes behind TEST_END.  A hand-written server
# takes one test and asks the kernel when each datagram and when TEST_END came in: on loopback that
# is when they were sent.  A client with -b is stopped before its time is up and goes on after it,
# as on a busy machine: what is due for sending and the end are then due at once, and the numbers
# it gave out must still have arrived before the end.  Without a limit its queue is full when the
# time is up; datagrams are lost then, but none may come late.

. "$(dirname "$0")/lib_iperf3.sh"

cat >order.py <<'END'
"""order.py held|full COMMAND...: a server for one client, COMMAND with the port's number behind."""
import json, os, select, signal, socket, struct, subprocess, sys, time

held = sys.argv[1] == "held"
SO_TIMESTAMPNS = 35
TEST_START, TEST_RUNNING, TEST_END, RESULTS = b"\x01", b"\x02", b"\x04", b"\x0d"
deadline = time.monotonic() + 20


def left():
    if time.monotonic() > deadline:
        raise TimeoutError("the client took more than 20 seconds")
    return deadline - time.monotonic()


def stamped(sock, most):
    """What is there, and when the kernel got it in ns; None where nothing is there."""
    try:
        data, extra, _, _ = sock.recvmsg(most, 256, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    stamps = [struct.unpack("=qq", value) for level, kind, value in extra
              if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)]
    return data, stamps[0][0] * 10**9 + stamps[0][1] if stamps else None


def take(n):
    data = b""
    while len(data) < n:
        control.settimeout(left())
        piece = control.recv(n - len(data))
        assert piece, "the client left"
        data += piece
    return data


def take_json():
    return json.loads(take(struct.unpack(">I", take(4))[0]))


def send_json(value):
    text = json.dumps(value).encode()
    control.sendall(struct.pack(">I", len(text)) + text)


def drain():
    while got := stamped(udp, 65536):
        assert got[1] is not None, "the kernel stamps no datagrams"
        arrived.append((struct.unpack(">I", got[0][8:12])[0], got[1]))


def flow():
    """Until TEST_END; returns when it came in."""
    stop_at = go_at = None
    while True:
        now = time.monotonic()
        if held and arrived and stop_at is None:
            stop_at, go_at = now + 0.9, now + 1.1
        if stop_at and now >= stop_at:
            os.kill(client.pid, signal.SIGSTOP)
            stop_at = 0
        if go_at and now >= go_at:
            os.kill(client.pid, signal.SIGCONT)
            go_at = 0
        nexts = [at - now for at in (stop_at, go_at) if at]
        readable = select.select([control, udp], [], [], max(0, min(nexts + [left()])))[0]
        if udp in readable:
            drain()
        if control in readable:
            state, when = stamped(control, 1)
            assert state == TEST_END, "%r in place of the end" % state
            assert when is not None, "the kernel stamps no state"
            return when


def check():
    numbers = [number for number, _ in arrived]
    late = [number for number, when in arrived if when > end]
    assert arrived, "no datagram"
    assert not late, "%d datagrams after TEST_END, the first is %d" % (len(late), late[0])
    assert numbers == sorted(set(numbers)), "out of order"
    if held:
        given = results["streams"][0]["packets"]
        assert len(numbers) == numbers[-1] == given, \
            "%d of %d datagrams, the last is %d" % (len(numbers), given, numbers[-1])


listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", port))
udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
arrived = []
client = subprocess.Popen(sys.argv[2:] + ["-p", str(port)])
try:
    listener.settimeout(left())
    control = listener.accept()[0]
    control.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    take(37)
    control.sendall(b"\x09")
    take_json()
    control.sendall(b"\x0a")
    udp.settimeout(left())
    hello, peer = udp.recvfrom(100)
    udp.connect(peer)
    udp.setblocking(False)
    udp.send(b"6789")
    control.sendall(TEST_START + TEST_RUNNING)
    end = flow()
    drain()
    control.sendall(RESULTS)
    results = take_json()
    drain()
    send_json({"cpu_util_total": 0, "cpu_util_user": 0, "cpu_util_system": 0,
               "sender_has_retransmits": 0, "streams": [
                   {"id": 1, "bytes": 0, "retransmits": -1, "jitter": 0, "errors": 0,
                    "packets": len(arrived), "start_time": 0, "end_time": 1}]})
    control.sendall(b"\x0e")
    assert take(1) == b"\x10", "no goodbye"
    control.close()
    assert client.wait(left()) == 0, "the client failed"
    check()
    print("%d datagrams, the last %.3f ms before the end" %
          (len(arrived), (end - arrived[-1][1]) / 1e6))
except (AssertionError, OSError) as e:
    sys.exit("%s" % e)
finally:
    if client.poll() is None:
        client.kill()
        client.wait()
END

# run NAME held|full PLANE OPTIONS...
run() {
	local name=$1 how=$2 plane=$3
	shift 3
	python3 ../order.py "$how" "$WEIR" iperf3 -c 127.0.0.1 -u --plane "$plane" -t 1 "$@" \
		>order.out 2>order.err || fail "$name: $(tail -3 order.err)"
	grep -h "datagrams, the last" order.out
	grep -E "Sanitizer|runtime error" order.err && fail "$name: a sanitizer complains"
}

part() {
	beside "$1" run "$@"
}

find_planes
for plane in "${planes[@]}"; do
	part "$plane, held up" held "$plane" -b 4M -l 1400
	part "$plane, held up, bursts" held "$plane" -b 4M/30 -l 1400
done
join
for plane in "${planes[@]}"; do
	part "$plane, without a limit" full "$plane" -b 0 -l 1000
	join
	part "$plane, without a limit, large" full "$plane" -b 0 -l 16000
	join
done
finish
