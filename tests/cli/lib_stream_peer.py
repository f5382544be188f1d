#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lib_stream_peer.py MODE ... - the other side of weir recv and weir send, good and bad.

Theory: each mode is one peer.  Servers listen on a free port of 127.0.0.1 and print
"listening on ADDRESS, peer" to standard error, as weir recv does.  The wire format is written down
here a second time (from tools/stream.h), so that a mistake in it on both sides of weir is seen.
"""
import itertools
import os
import random
import select
import socket
import struct
import sys

CHUNK, IDLE, END, RESULT = b"WCHK", b"WIDL", b"WEND", b"WRES"
UNKNOWN = (1 << 64) - 1
TIMEOUT_S = 50
# A receiver refuses late streams of the transfer that failed last: each has an id of its own.
IDENTS = itertools.count(1 + (os.getpid() << 20))


def connect(address):
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
    return s


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(64)
    s.settimeout(TIMEOUT_S)
    print(f"listening on 127.0.0.1:{s.getsockname()[1]}, peer", file=sys.stderr, flush=True)
    return s


def hello(index=0, count=1, ident=None, flags=0, chunk=1 << 18, total=UNKNOWN, version=1):
    if ident is None:
        ident = next(IDENTS)
    return struct.pack(">4sHHHHIQQ", b"WEIR", version, flags, index, count, chunk, ident, total)


def record(magic, length=0, offset=0, value=0):
    return struct.pack(">4sIQQ", magic, length, offset, value)


def chunk(offset, data):
    return record(CHUNK, len(data), offset) + data


def read_all(s):
    data = bytearray()
    try:
        while piece := s.recv(65536):
            data += piece
    except ConnectionError:
        pass
    return bytes(data)


def result(s):
    """(status, bytes, text) of a result; status -1 where none came."""
    data = read_all(s)
    if len(data) != 96 or data[:4] != RESULT:
        return -1, 0, repr(data[:40])
    status, count = struct.unpack(">IQ", data[4:16])
    return status, count, data[24:].rstrip(b"\0").decode()


def mode_content(size):
    """Bytes of a fixed generator: every block differs from every other."""
    source = random.Random(20261120)
    left = int(size)
    while left:
        n = min(left, 1 << 20)
        sys.stdout.buffer.write(source.randbytes(n))
        left -= n


def mode_proxy(address, at, action):
    """Passes connections on; at byte AT from the client: flip it, cut (close both), or reset."""
    server = listen()
    at = int(at)
    seen = 0
    poller = {}
    inward = set()
    while True:
        readable, _, _ = select.select([server, *poller], [], [], TIMEOUT_S)
        if not readable:
            return
        for s in readable:
            if s is server:
                client, _ = server.accept()
                target = connect(address)
                poller[client], poller[target] = target, client
                inward.add(client)
                continue
            if s not in poller:
                continue
            try:
                data = bytearray(s.recv(65536))
            except ConnectionError:
                data = bytearray()
            other = poller[s]
            if not data:
                del poller[s]
                try:
                    other.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                if not poller:
                    return
                continue
            if s in inward:
                place, seen = at - seen, seen + len(data)
                if 0 <= place < len(data):
                    if action == "flip":
                        data[place] ^= 0x10
                    else:
                        if action == "reset":
                            linger = struct.pack("ii", 1, 0)
                            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        other.sendall(data[:place])
                        for gone in poller:
                            gone.close()
                        return
            try:
                other.sendall(data)
            except OSError:
                pass


def mode_raw_send(address, path):
    s = connect(address)
    with open(path, "rb") as file:
        s.sendfile(file)
    s.shutdown(socket.SHUT_WR)
    read_all(s)


def mode_raw_pieces(address, path, seed):
    """A raw sender whose pieces have random sizes, each a packet of its own if it is small."""
    source = random.Random(int(seed))
    s = connect(address)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with open(path, "rb") as file:
        while piece := file.read(source.choice([1, 100, 511, 512, 513, 1448, 4096, 9999])):
            s.sendall(piece)
    s.shutdown(socket.SHUT_WR)
    read_all(s)


def mode_raw_recv(path):
    s, _ = listen().accept()
    with open(path, "wb") as file:
        file.write(read_all(s))


def mode_answer(what):
    """A server that answers a sender with rubbish, silence, or an early end."""
    s, _ = listen().accept()
    if what == "rubbish":
        s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 200)
        read_all(s)
    elif what == "short":
        s.recv(1000)
        s.sendall(RESULT + b"\0" * 20)
    elif what == "wrong":
        s.recv(1000)
        s.sendall(RESULT + struct.pack(">IQQ", 0, 12345, 0) + b"\0" * 72)
        read_all(s)
    elif what == "silence":
        sys.stdin.read()
    s.close()


def expect(address, name, data, status, word):
    """Sends one bad stream; the result must be a refusal that says why."""
    s = connect(address)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except ConnectionError:
        pass
    got = result(s)
    if got[0] != status or word not in got[2]:
        print(f"{name}: got {got}, wanted status {status} and '{word}'")
        return 1
    return 0


def mode_rubbish(address):
    """Every way in which a stream can be wrong, one after the other, then a good one."""
    good = chunk(0, b"x" * 10)
    end = record(END, 0, 10)
    cases = [
        ("http", b"GET / HTTP/1.0\r\n\r\n" + b"x" * 64, "not weir send"),
        ("short", b"WEIR\0\1", "not weir send"),
        ("version", hello(version=9), "version"),
        ("flags", hello(flags=0x8000), "flags"),
        ("index", hello(index=4, count=4), "stream number"),
        ("count", hello(count=129), "stream number"),
        ("no streams", hello(count=0), "stream number"),
        ("chunk size", hello(chunk=1 << 30), "chunk size"),
        ("total", hello(total=1 << 63), "file size"),
        ("no record", hello() + b"rubbish" * 10, "no record"),
        ("long chunk", hello() + record(CHUNK, 1 << 20, 0), "bad length"),
        ("empty chunk", hello() + record(CHUNK, 0, 0), "bad length"),
        ("far chunk", hello() + record(CHUNK, 10, (1 << 63) - 5), "beyond"),
        ("farther chunk", hello() + record(CHUNK, 10, (1 << 64) - 5), "beyond"),
        ("past the end", hello(total=5) + good, "beyond"),
        ("twice", hello() + good + good, "twice"),
        ("overlap", hello() + good + chunk(5, b"y" * 10), "twice"),
        ("gap", hello() + chunk(5, b"y" * 10) + record(END, 0, 15), "not sent"),
        ("wrong total", hello() + good + record(END, 0, 11), "not sent"),
        ("disagreeing total", hello(total=10) + good + record(END, 0, 9), "bad end"),
        ("after the end", hello(count=2) + good + end + good, "after its end"),
        ("cut in a chunk", hello() + record(CHUNK, 10, 0) + b"x" * 9, "incomplete"),
        ("cut in a header", hello() + good + b"WEN", "incomplete"),
        ("no end", hello() + good, "incomplete"),
        ("bad checksum", hello(flags=1) + good + record(END, 0, 10, 1), "checksum mismatch"),
        ("idle with a length", hello() + record(IDLE, 5), "bad idle"),
    ]
    wrong = 0
    for name, data, word in cases:
        wrong += expect(address, name, data, 1, word)
    late = hello(count=2, ident=11)
    wrong += expect(address, "failed", late + record(b"WHAT"), 1, "no record")
    wrong += expect(address, "late", hello(count=2, index=1, ident=11), 1, "no record")
    wrong += expect(address, "good", hello() + record(IDLE) + good + end, 0, "ok")
    return wrong


def mode_fuzz(address, seed, count):
    """Good streams with damage: whatever happens, an answer or an end must come."""
    rand = random.Random(int(seed))
    for _ in range(int(count)):
        data = bytearray(hello(flags=rand.randint(0, 1)))
        offset = 0
        for _ in range(rand.randint(0, 5)):
            piece = rand.randbytes(rand.randint(1, 3000))
            data += chunk(offset, piece)
            offset += len(piece)
        data += record(END, 0, offset)
        for _ in range(rand.randint(1, 4)):
            data[rand.randrange(len(data))] = rand.randrange(256)
        del data[rand.randint(1, len(data)):]
        s = connect(address)
        try:
            s.sendall(data)
            if rand.randint(0, 1):
                s.shutdown(socket.SHUT_WR)
            elif rand.randint(0, 1):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
                continue
            else:
                s.shutdown(socket.SHUT_WR)
            read_all(s)
        except ConnectionError:
            pass
        s.close()


def mode_busy(address):
    """Begins a transfer, is told of another one's refusal, then finishes its own."""
    first = connect(address)
    first.sendall(hello(ident=1) + chunk(0, b"a" * 10))
    if expect(address, "other transfer", hello(ident=2) + chunk(0, b"b"), 1, "another transfer"):
        return 1
    if expect(address, "same stream", hello(ident=1) + chunk(10, b"b"), 1, "already"):
        return 1
    if expect(address, "other count", hello(ident=1, count=2, index=1), 1, "does not fit"):
        return 1
    first.sendall(record(END, 0, 10))
    got = result(first)
    if got != (0, 10, "ok"):
        print(f"the first transfer: {got}")
        return 1
    return 0


def mode_join(address, count, say):
    """Begins a transfer of COUNT streams with one only and waits for what comes of it."""
    s = connect(address)
    s.sendall(hello(count=int(count)) + chunk(0, b"a" * 10) + record(END, 0, 10))
    got = result(s)
    if got[0] != 1 or say not in got[2]:
        print(f"got {got}, wanted '{say}'")
        return 1
    return 0


def mode_stuck(address):
    """Two streams, and nobody ever sends the first byte: a pipe could wait for ever."""
    one, two = connect(address), connect(address)
    one.sendall(hello(count=2, index=0, ident=1) + chunk(10, b"a" * 10) + record(END, 0, 20))
    two.sendall(hello(count=2, index=1, ident=1) + chunk(20, b"a" * 10) + record(END, 0, 20))
    got = result(one)
    if got[0] != 1 or "left out" not in got[2]:
        print(f"got {got}")
        return 1
    return 0


def echo_once(path, rand, connections, size):
    """Writes without reading until nothing moves, then reads all back."""
    data = rand.randbytes(size)
    socks = {}
    for _ in range(connections):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.setblocking(False)
        socks[s] = [0, bytearray(), False]
    reading = False
    while any(len(state[1]) < size for state in socks.values()):
        writers = [s for s, state in socks.items() if state[0] < size]
        readers = list(socks) if reading else []
        ready_r, ready_w, _ = select.select(readers, writers, [], TIMEOUT_S if reading else 0.5)
        if not ready_r and not ready_w:
            if reading:
                return f"nothing moves: {[(st[0], len(st[1])) for st in socks.values()]}"
            reading = True
        for s in ready_w:
            state = socks[s]
            state[0] += s.send(data[state[0]:state[0] + rand.randint(1, 200000)])
            if state[0] == size:
                s.shutdown(socket.SHUT_WR)
        for s in ready_r:
            state = socks[s]
            piece = s.recv(rand.randint(1, 200000))
            if not piece and len(state[1]) < size:
                return f"ended after {len(state[1])} bytes"
            state[1] += piece
        reading = reading or not writers
    for s, state in socks.items():
        s.settimeout(TIMEOUT_S)
        if state[1] != data:
            return "other bytes came back"
        if s.recv(1):
            return "more came back than was sent"
        s.close()
    return ""


def mode_echo(path, seed):
    """A client of the echo servers in examples/."""
    rand = random.Random(int(seed))
    for connections, size in ((1, 1), (3, 100000), (1, 40000000), (4, 10000000)):
        wrong = echo_once(path, rand, connections, size)
        if wrong:
            print(f"{connections} connections, {size} bytes: {wrong}")
            return 1
    return 0


def mode_mute(address):
    """Connects and says nothing."""
    read_all(connect(address))


def main():
    mode = globals()[f"mode_{sys.argv[1]}"]
    return 1 if mode(*sys.argv[2:]) else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
