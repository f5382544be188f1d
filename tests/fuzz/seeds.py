#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py FOLDER - inputs that the harnesses begin with, and words that they are altered with.

Theory: what a peer, a file or a kernel really says, in the form that each harness takes apart (see
its comment).  FOLDER/NAME/ has the inputs of fuzz_NAME, FOLDER/NAME.dict the words for libFuzzer.
"""
import json
import os
import struct
import sys

PARAMS = {"tcp": True, "omit": 0, "time": 1, "num": 0, "blockcount": 0, "parallel": 1,
          "len": 1000, "pacing_timer": 1000, "client_version": "3.12"}
STREAM = {"id": 1, "bytes": 5000, "retransmits": 18446744073709551615, "jitter": 0.5,
          "errors": 2, "packets": 20, "start_time": 0, "end_time": 1.5}
RESULTS = {"cpu_util_total": 10.5, "cpu_util_user": 1, "cpu_util_system": 9.5,
           "sender_has_retransmits": 1, "congestion_used": "cubic", "streams": [STREAM]}
OMITTED = {"omitted_errors": 1, "omitted_packets": 5}


def text(value):
    return json.dumps(value).encode()


def with_keys(value, **more):
    return {**value, **more}


# ------------------------------------------------------------------------------- small texts

def addr():
    return [b"127.0.0.1:9000", b"[::1]:80", b"*:0", b":65535", b"unix:/run/x", b"unix:@name",
            b"[fe80::1%lo]:1", b"[::ffff:1.2.3.4]:99", b"tcp:5201", b"udp:[::1]:53",
            b"tcp:10.0.0.1:40000-10.0.0.2:80", b"tcp:[::]:80", b"256.1.1.1:1", b"[::1]80"]


def spec():
    return [b"seed=7,short-read=20,short-write=21,late=22,reorder=23,eagain=1,enobufs=2,enomem=3",
            b"late=90, seed=0xffffffffffffffff", b"accept,recv,bufring,incremental,bundle",
            b"minwait,files,ringfd,defer,napi,lowat,gro,gso,link,direct,mixed", b"uring", b"zcrx",
            b"epoll", b"auto", b"4294967295", b"0x10", b"late=91", b"nothing"]


def rule():
    flow = struct.pack("<IIQI", 0, 0, 0, 1) + b"\x0a\0\0\1" * 2 + b"\0\x50\x1f\x90"
    return [b"rtcp4 dst-port 80 queue 3", b"rudp6 src-ip ::1 dst-ip fd77::1 src-port 1 queue 0",
            b"rtcp4 src-ip 10.0.0.2 dst-ip 10.0.0.1 src-port 40000 dst-port 80 context 1",
            b"l\x080,1,2,3,0,1,2,3", b"l\x100", b"l\x041,1,1,3,1,1,1,3", b"l\xff4294967295,7",
            b"d" + flow + b"\xff" * 60, b"d" + flow + b"\0" * 160]


def journal():
    head = ('weir-nic-journal 1\nboot id="a boot" driver="fuzz"\n'
            'interface name="fuzz0" index=7 netns=1f\nlast owner=2 change=7\n')
    owners = ('owner id=1 pid=812 start=90211 pidns=4026531836 name="weir"\n'
              'owner id=2 pid=0 start=0 pidns=0 name="a\\"b\\\\c\\x01"\n')
    setting = ('setting kind="rss" key="" base="default" set="default" next="0,1,2"\n'
               'want owner=2 change=6 value="away 3"\nwant owner=1 change=5 value="away 2"\n'
               'setting kind="feature" key="ntuple" base="off" set="on"\n'
               'want owner=1 change=1 value="on"\n')
    things = ('object owner=2 change=7 kind="rule" spec="tcp4 dst-port 80 queue 3" '
              'handle="1023"\nobject owner=1 change=4 kind="context" spec="queues 0,1" '
              'before="1,2"\n')
    other = head.replace("a boot", "another")
    return [part.encode() for part in
            (head, head + owners, head + owners + setting, head + owners + setting + things,
             other + owners)]


# -------------------------------------------------------------------------------- iperf3

def iperf3_json():
    params = [PARAMS, with_keys(PARAMS, udp=True, len=1460, bandwidth=1000000, burst=2),
              with_keys(PARAMS, reverse=True, MSS=1400, window=100000, nodelay=True, TOS=16),
              with_keys(PARAMS, bidirectional=True, title="t\x01x", congestion="reno",
                        get_server_output=1, udp_counters_64bit=1, server_affinity=0,
                        repeating_payload=1, zerocopy=1, dont_fragment=1, fqrate=10 ** 9,
                        extra_data="e")]
    streams = [STREAM, with_keys(STREAM, id=3, **OMITTED), with_keys(STREAM, id=4, bytes=0)]
    results = [RESULTS, with_keys(RESULTS, streams=streams),
               with_keys(RESULTS, streams=streams, server_output_text="hello\n"),
               with_keys(RESULTS, streams=streams, server_output_json={"end": {"x": [1, "y"]}})]
    return [b"p\x05" + text(value) for value in params] + \
        [b"r" + bytes([how, 9]) + text(value) for value in results for how in (0, 5, 10, 47, 127)]


def act(what, peer=0, data=b""):
    return what.encode() + bytes([peer]) + data


def framed(what, value, *peer):
    data = text(value)
    return what.encode() + bytes(peer) + struct.pack("<H", len(data)) + data


def server_test(params, streams, end):
    """One client: cookie, parameters, data connections, payload, what it says at the end."""
    said = act("k") + framed("j", params, 0)
    for peer in range(1, streams + 1):
        said += act("k", peer) + act("b", peer, b"\xc8" + b"x" * 200)
    return said + end


def iperf3_server():
    done = act("s", 0, b"\x04") + act("n") * 30
    results = framed("j", RESULTS, 0) + act("s", 0, b"\x10")
    udp = with_keys(PARAMS, udp=True, len=1000)
    both = [STREAM, with_keys(STREAM, id=3)]
    return [how + said for how in (b"\0", b"\1", b"\7") for said in
            (server_test(PARAMS, 1, done + results),
             server_test(with_keys(PARAMS, reverse=True), 1, act("n") * 3 + done + results),
             server_test(with_keys(PARAMS, bidirectional=True, get_server_output=1), 2,
                         done + framed("j", with_keys(RESULTS, streams=both), 0) +
                         act("s", 0, b"\x10")),
             server_test(with_keys(PARAMS, parallel=3), 3, act("s", 0, b"\x0c")),
             server_test(udp, 0, act("u", 0, b"\0") + act("n") * 3 + done + results),
             server_test(udp, 0, act("u", 0, b"\x04\x39\x38\x37\x36") + act("x", 0, b"\1")),
             act("c") + act("b", 0, b"\5abcde") + act("k", 1) + act("x", 1, b"\0"),
             act("k") + act("j", 0, b"\3\0{}x"))]


def iperf3_client():
    def states(*numbers):
        return bytes(number & 0xff for number in numbers)

    start = states(9, 10, 1, 2)
    end = states(13) + framed("j", RESULTS) + states(14)
    both = with_keys(RESULTS, streams=[STREAM, with_keys(STREAM, id=3)])
    data = b"d\x01" + struct.pack("<H", 500) + b"x" * 500
    return [bytes([how, 1]) + said for how in (0, 1, 3) for said in
            (start + b"nnn" + end, states(9, 255), states(9, 254) + b"b\x08" + b"\0" * 8,
             start + states(11), states(9, 10, 10), states(9) + b"x\0\1")] + \
        [bytes([8 | how, 1]) + start + data + end for how in (0, 33)] + \
        [bytes([16, 1]) + start + data + data + states(13) + framed("j", both) + states(14)]


# ------------------------------------------------------------------------------ weir recv

def hello(peer, index, count, total, flags=0):
    return act("h", peer, bytes([flags, index, count]) + struct.pack("<IBH", 1000, 7, total))


def record(peer, what, length, offset, payload=b""):
    return act("r", peer, bytes([what]) + struct.pack("<HH", length, offset) + payload)


def recv():
    one = hello(0, 0, 1, 8) + record(0, 0, 8, 0, b"abcdefgh") + record(0, 2, 0, 8)
    two = hello(0, 0, 2, 8) + hello(1, 1, 2, 8) + record(1, 0, 4, 4, b"efgh") + \
        record(1, 2, 0, 8) + record(0, 0, 4, 0, b"abcd") + record(0, 2, 0, 8)
    return [how + said for how in (b"\0", b"\x10", b"\x04") for said in
            (one, two, hello(0, 0, 1, 0xffff) + record(0, 1, 0, 0) + act("x", 0, b"\0"),
             hello(0, 0, 1, 8) + record(0, 0, 4, 0, b"abcd") + record(0, 0, 4, 2, b"cdef"),
             hello(0, 0, 1, 8) + record(0, 8, 1, 4, b"x"), act("c") + act("b", 0, b"\4WEIR"))] + \
        [b"\x13" + act("c") + act("b", 0, b"\5hello") + act("x", 0, b"\2"),
         b"v" + bytes([0, 9, 10, 4, 20, 9, 14, 5]), b"v" + bytes([63, 0, 0, 62])]


# ----------------------------------------------------------------------- kernel's datagrams

def control(level, kind, data):
    return struct.pack("<QII", 16 + len(data), level, kind) + data


def datagram():
    name = struct.pack("<HH4s", 2, 0x5000, b"\x7f\0\0\1").ljust(32, b"\0")
    gro = control(17, 104, struct.pack("<i", 100)).ljust(24, b"\0")
    info = control(132, 3, struct.pack("<HHHIIIII", 1, 2, 4, 7, 8, 9, 10, 11).ljust(28, b"\0"))

    def completion(how, res, flags, data):
        first = struct.pack("<B", len(gro)) + gro
        head = struct.pack("<IIII", 16, len(data), 100, flags) + name + data.ljust(64, b"\0")
        return first + bytes([how]) + struct.pack("<h", res) + head + b"p" * 256
    return [b"\0" + completion(1, 200, 0, gro), b"\0" + completion(1, 1, 0x20, b""),
            b"\0" + completion(1, 0, 0, gro) + b"\x18" + completion(0, -105, 0, b""),
            b"\1" + completion(1, 20, 0x80, info), b"\1" + completion(1, 20, 0x8000, b""),
            b"\1" + completion(1, 0, 0x80, info), b"\0\x10" + control(17, 104, b"")]


def runs():
    def world(block, align, run, acts):
        return b"w\1" + bytes([block, align]) + struct.pack("<HBB", run, 2, 8) + acts

    def piece(at, length, offset, how=4):
        return b"\7" + struct.pack("<HHHHIB", at, length, 0, length, offset, how)
    return [world(9, 9, 4096, piece(0, 4096, 0) + piece(512, 3000, 4096) + b"\1\2"),
            world(12, 9, 8192, piece(100, 5000, 100) + b"\0" + piece(0, 8000, 5100) + b"\3"),
            world(9, 0, 2048, piece(0, 512, 512, 5) + piece(7, 1, 1) + b"\1"),
            world(4, 4, 64, piece(0, 300, 3, 4) + piece(3, 300, 303, 6)),
            b"s\3\4" + bytes([10, 0, 0, 20, 10, 0, 30, 0, 1]) + struct.pack("<HH", 5, 30),
            b"s\1\0" + bytes([200, 1, 0]) + struct.pack("<HH", 0, 100)]


# ------------------------------------------------------------------------- kernel's answers

def attributes(*pairs):
    """As put_attributes() of fuzz_nic.c takes them: length, type, content."""
    said = bytes([len(pairs)])
    for kind, content in pairs:
        said += bytes([len(content), kind]) + content
    return said


def nested(*pairs):
    said = b""
    for kind, content in pairs:
        one = struct.pack("<HH", 4 + len(content), kind) + content
        said += one + b"\0" * (-len(one) % 4)
    return said


def u32(value):
    return struct.pack("<I", value)


def generic(*messages):
    """One datagram of the ethtool or netdev family, and its end."""
    return bytes([len(messages) << 5]) + b"".join(b"\1\1\0\0" + one for one in messages) + b"\0"


def route(head, *messages):
    return bytes([len(messages) << 5]) + \
        b"".join(bytes([len(head)]) + head + one for one in messages) + b"\0"


def nic():
    link = struct.pack("<BBHiII", 0, 0, 1, 7, 1, 0)
    rtm = struct.pack("<BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0)
    interface = route(link, attributes(
        (3, b"fuzz0\0"), (4, u32(1500)), (33, b"\1"), (32, u32(8)), (1, b"\2\0\0\0\0\1"),
        (18 | 0x80, nested((1, b"veth\0"))), (43 | 0x80, nested((2, b"\1"), (5, u32(3))))))
    driver = b"\0" + b"weirnic".ljust(192, b"\0")
    channels = generic(attributes((9, u32(4)), (5, u32(8))))
    rings = generic(attributes((5, u32(512)), (1, u32(4096)), (11, b"\2")))
    features = b"".join(b"\0\4\0" + bytes([0, 1, 2, 3]) + b"\0" + b"\0" + b"\x0f\0\0\0" * 4
                        for _ in range(5))
    queue = generic(*(attributes((1, u32(i)), (2, u32(7)), (3, u32(0)), (4, u32(100 + i)))
                      for i in range(4)))
    napi = generic(attributes((1, u32(7)), (2, u32(100)), (3, u32(0)), (5, u32(2))))
    pool = generic(attributes((1, u32(1)), (2, u32(7)), (3, u32(100)), (4, u32(50))))
    rules = b"\0\2\0\0\0\x80" + b"\0\1\0\2\0\2" + b"\0\0\0\0" + \
        (b"\0" + b"\1\0\0\0" + b"\x0a\0\0\1" * 2 + b"\0\x50\x1f\x90" + b"\0" * 150) * 2
    rss = b"\0\4\x28" + b"\0\0\1\2\3" + b"k" * 40 + b"\1\0" + b"\0\4\0" + b"\3\3\3\3\0" + \
        b"\0\xff\0\0\0" * 4
    contexts = generic(attributes((2, u32(1)), (4, u32(0) + u32(1))))
    routes = route(rtm, attributes((4, u32(9)), (5, b"\x0a\0\0\1"), (15, u32(254)))) + \
        route(rtm, attributes((4, u32(7)), (30, u32(1)))) + \
        route(b"\0" * 8, attributes((5, u32(7)), (2, struct.pack("<IBBH", 2, 0, 0, 0))))
    good = interface + driver + channels + rings + features + queue + napi + pool + rules + \
        rss + contexts + routes
    wish = bytes([3, 255, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    long = bytes([0x20 | 16]) + b"\x10" + link + attributes() + u32(0x99999999) + b"\0"
    refused = b"\0\7\x16" + attributes((1, b"no such thing\0"), (2, u32(20)), (3, u32(1)))
    return [wish + good, wish + interface + driver + refused * 3,
            bytes([0x3f, 1, 2, 4, 1, 0, 1, 1, 0, 0, 0, 0]) + good, wish + interface[:30],
            wish + long, wish]


WORDS = {
    "addr": ["unix:", "unix:@", "[", "]", "%lo", "tcp:", "udp:", "-", "::", "0.0.0.0", ":65535"],
    "spec": ["seed=", "short-read=", "short-write=", "late=", "reorder=", "eagain=", "enobufs=",
             "enomem=", "0x", ",", "bundle", "incremental", "minwait", "mixed", "uring"],
    "rule": ["tcp4", "udp4", "tcp6", "udp6", " src-ip ", " dst-ip ", " src-port ", " dst-port ",
             " queue ", " context ", "10.0.0.1", "::1"],
    "journal": ["owner", "setting", "want", "object", " id=", " pid=", " start=", " pidns=",
                " name=\"", " kind=\"", " key=\"", " base=\"", " set=\"", " next=\"", " value=\"",
                " owner=", " change=", " spec=\"", " handle=\"", " before=\"", "\\x", "\\\"",
                "rss", "channels", "feature", "split", "hds-thresh", "irq", "napi", "rule",
                "context"],
    "iperf3_json": [f'"{key}"' for key in
                    [*PARAMS, *STREAM, *RESULTS, *OMITTED, "udp", "reverse", "bidirectional",
                     "MSS", "window", "bandwidth", "burst", "TOS", "title", "extra_data",
                     "congestion", "get_server_output", "udp_counters_64bit", "server_affinity",
                     "server_output_text", "server_output_json", "sctp"]] +
                   ["-1", "1e308", "1e19", "-1e19", "9e18", "true", "null", "[", "{", "}", "]"],
    "recv": ["WEIR", "WCHK", "WIDL", "WEND", "WRES"],
}
WORDS["iperf3_server"] = WORDS["iperf3_client"] = WORDS["iperf3_json"]

INPUTS = {"addr": addr, "spec": spec, "rule": rule, "journal": journal,
          "iperf3_json": iperf3_json, "iperf3_server": iperf3_server,
          "iperf3_client": iperf3_client, "recv": recv, "datagram": datagram, "runs": runs,
          "nic": nic}


def quoted(word):
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main():
    folder = sys.argv[1]
    for name, inputs in INPUTS.items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for number, data in enumerate(inputs()):
            with open(os.path.join(folder, name, f"{number:03}"), "wb") as file:
                file.write(data)
        with open(os.path.join(folder, name + ".dict"), "w", encoding="ascii") as file:
            file.writelines(quoted(word) + "\n" for word in WORDS.get(name, []))


if __name__ == "__main__":
    main()
