#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""soak_host.py BUILD SECONDS SEED JOBS FOLDER - random runs on the planes of the host, for a time.

Theory: JOBS workers draw runs until the time is over: a contract program with a seed of its own,
on a plane, with faults, with parts of the uring plane switched off, spinning; a unit test that
draws numbers; an iperf3 test between two ends of which at least one is ours; a file from weir send
to weir recv.  A worker's numbers come from SEED and its own number alone, so the same seed draws
the same runs in the same order, as far as the time reaches.  A run fails by its exit status, by
its time limit, by a sanitizer's words, by wrong figures or a file that is not the one that was
sent; its output and what starts it again stay in FOLDER.  The last line but one is
"N passed, N failed, N skipped" of the host.

Traffic stays on loopback.  Processes are ended by their process groups, which are theirs alone.
"""
import filecmp
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIP = 77
TIME_LIMIT_S = 300  # of a run; contract programs end a case that hangs by themselves
PATIENCE = "4"
# Its bounds are of time, which a machine that does much else does not keep.
LEFT_OUT = {"lowat"}
OFTEN = {"torture": 8, "zc_torture": 4, "close": 3, "io_life": 3, "io_segment": 3,
         "io_write": 3, "io_dgram": 3, "pressure": 3, "stream": 2, "slices": 2, "udp": 2}
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:")


class Failed(Exception):
    """Why a run failed."""


class Skipped(Exception):
    """Why a run could not be made."""


def first_lines(path):
    with open(path, encoding="utf-8") as file:
        return [next(file, "") for _ in range(60)]


def marker(lines, word):
    for line in lines:
        match = re.match(rf"[ #*]*{word}: *(.*)", line)
        if match:
            return match.group(1).strip()
    return ""


def matrix_lists():
    """Parts, and the highest percentage of each fault, as the contract's matrix has them."""
    with open(os.path.join(TREE, "tests", "contract", "CMakeLists.txt"),
              encoding="utf-8") as file:
        found = dict(re.findall(r"^set\((\w+)\s+([^)]*)\)", file.read(), re.M))
    faults = {}
    for name in ("faults", "zc_faults"):
        pairs = re.findall(r"([\w-]+)=(\d+)", found.get(name, ""))
        faults[name] = {key: int(value) for key, value in pairs if key != "seed"}
    return faults["faults"], faults["zc_faults"], found["parts"].split(), \
        found.get("zc_parts", "").split()


FAULTS, ZC_FAULTS, PARTS, ZC_PARTS = matrix_lists()


class Program:
    """A program of cmocka tests."""

    def __init__(self, build, kind, source):
        name = os.path.basename(source)[len("test_"):-len(".c")]
        lines = first_lines(source)
        self.name = f"{kind}.{name}"
        self.path = os.path.join(build, "tests", kind, f"{kind}_{name}")
        self.matrix = marker(lines, "Matrix")
        self.parts = PARTS if marker(lines, "Parts") == "yes" else []
        self.zerocopy = bool(marker(lines, "Zerocopy"))
        if marker(lines, "Zerocopy") == "yes":
            self.parts = self.parts + ZC_PARTS
        self.weight = OFTEN.get(name, 1)


def programs(build):
    """Contract programs, and unit tests that draw numbers."""
    found = []
    for kind in ("contract", "unit"):
        folder = os.path.join(TREE, "tests", kind)
        for file in sorted(os.listdir(folder)):
            path = os.path.join(folder, file)
            if not re.match(r"test_\w+\.c$", file) or file[5:-2] in LEFT_OUT:
                continue
            with open(path, encoding="utf-8") as text:
                if kind == "unit" and "t_rand" not in text.read():
                    continue
            program = Program(build, kind, path)
            if os.access(program.path, os.X_OK):
                found.append(program)
    return found


class Run:
    """One run: what it is called, how it is started again, its processes and its folder."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.commands = []
        self.started = []

    def start(self, name, argv, env=None):
        """Start a process in a group of its own; its output goes to a file of that name."""
        settings = " ".join(f"{key}={shlex.quote(value)}" for key, value in (env or {}).items())
        self.commands.append(f"{settings} {shlex.join(argv)}".strip())
        clean = {key: value for key, value in os.environ.items() if not key.startswith("WEIR_")}
        with open(os.path.join(self.folder, name), "wb") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, cwd=self.folder,
                                       env={**clean, **(env or {})}, start_new_session=True)
        self.started.append(process)
        return process

    def output(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self, process, name, limit_s=TIME_LIMIT_S):
        """Its exit status; a sanitizer's words fail the run whatever that is."""
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{name}: no end after {limit_s} s") from None
        if SANITIZER.search(self.output(name)):
            raise Failed(f"{name}: a sanitizer spoke")
        return status

    def end(self):
        """Who is left of its processes' groups."""
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def draw_faults(rng, known):
    chosen = rng.sample(sorted(known), rng.randint(1, len(known)))
    return ",".join([f"seed={rng.getrandbits(32)}"] +
                    [f"{name}={rng.randint(1, known[name])}" for name in chosen])


def draw_plane(rng, env, parts, zerocopy):
    """Plane, faults, parts, spinning: as the contract's matrix has them, but any of them."""
    env["WEIR_PLANE"] = rng.choice(["epoll", "uring", "uring"])
    faults = rng.random() < 0.6
    zerocopy = zerocopy and bool(ZC_FAULTS) and rng.random() < 0.6
    if zerocopy:
        env["WEIR_ZEROCOPY"] = "always"
    if faults:
        env["WEIR_FAULT"] = draw_faults(rng, {**FAULTS, **(ZC_FAULTS if zerocopy else {})})
    if env["WEIR_PLANE"] != "uring":
        return
    if parts and rng.random() < 0.4:
        env["WEIR_WITHOUT"] = ",".join(rng.sample(sorted(set(parts)), rng.randint(1, 3)))
    elif faults and rng.random() < 0.3:
        env["WEIR_WITHOUT"] = "incremental,bundle"
    if parts and not faults and rng.random() < 0.2:
        env["WEIR_SPIN_US"] = rng.choice(["100", "4294967295"])


def run_program(run, rng, program):
    env = {"WEIR_TEST_SEED": str(rng.getrandbits(48)), "WEIR_TEST_PATIENCE": PATIENCE}
    if program.name.startswith("contract.") and program.matrix != "none":
        draw_plane(rng, env, program.parts, program.zerocopy)
        if program.matrix == "plain":
            env.pop("WEIR_FAULT", None)
    status = run.wait(run.start("out", [program.path], env), "out")
    if status == SKIP:
        raise Skipped(run.output("out").strip().split("\n")[-1])
    if status:
        raise Failed(f"exit status {status}")


# -------------------------------------------------------------------------- the command

def free_port():
    """Nobody listens there; who takes it before us makes the run fail to listen, not wrongly."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_listening(run, process, name, port, limit_s=30):
    end = time.monotonic() + limit_s
    wanted = f":{port:04X}"
    while time.monotonic() < end:
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(path, encoding="ascii") as table:
                for line in table:
                    words = line.split()
                    if words[3] == "0A" and words[1].endswith(wanted):
                        return
        if process.poll() is not None:
            if "ddress already in use" in run.output(name):
                raise Skipped(f"somebody else took port {port}")
            raise Failed(f"{name} ended before it listened")
        time.sleep(0.05)
    raise Failed(f"{name} does not listen")


def command_env(rng):
    env = {}
    draw_plane(rng, env, PARTS, False)
    return env


def iperf3_options(rng):
    """Words for the client that are legal together, and take seconds at the most."""
    words = rng.choice([["-n", f"{rng.randint(1, 4096)}K"], ["-k", str(rng.randint(1, 200))],
                        ["-t", "1"]])
    if rng.random() < 0.4:
        words += ["-u", "-b", rng.choice(["1M", "20M", "100M"])] if words[0] == "-t" else \
            ["-u", "-b", "200M"]
        sizes = [500, 1460, 8000, 65507]
    else:
        sizes = [1000, 131072, 1048576]
        words += ["-N"] if rng.random() < 0.2 else []
    if rng.random() < 0.5:
        words += ["-l", str(rng.choice(sizes + [16] if words[0] == "-k" else sizes))]
    words += rng.choice([[], [], ["-R"], ["--bidir"]])
    words += ["-P", str(rng.choice([1, 1, 2, 4, 9]))]
    words += ["--get-server-output"] if rng.random() < 0.2 else []
    words += ["-O", "1"] if words[0] == "-t" and rng.random() < 0.2 else []
    return words


def iperf3_figures(run, name):
    text = run.output(name)
    try:
        document = json.loads(text[text.index("{"):])
    except ValueError:
        raise Failed(f"{name}: no JSON") from None
    if "error" in document:
        raise Failed(f"{name}: {document['error']}")
    return document["end"]


def run_iperf3(run, rng, weir, stock):
    ends = rng.choice([(weir, weir), (weir, weir), (weir, stock), (stock, weir)])
    if None in ends:
        ends = (weir, weir)
    port = str(free_port())
    env = {True: command_env(rng), False: {}}
    at = ["-p", port, "--control-timeout", "60000"]
    server = run.start("server", ends[0] + ["-s", "-1", "-B", "127.0.0.1"] +
                       (at if ends[0] == weir else at[:2]), env[ends[0] == weir])
    wait_listening(run, server, "server", int(port))
    words = iperf3_options(rng)
    client = run.start("client", ends[1] + ["-c", "127.0.0.1", "-J"] + words +
                       (at if ends[1] == weir else at[:2]), env[ends[1] == weir])
    status = run.wait(client, "client")
    if status:
        raise Failed(f"client: exit status {status}")
    figures = iperf3_figures(run, "client")
    total = figures.get("sum_received") or figures.get("sum") or {}
    sent = figures.get("sum_sent") or figures.get("sum") or {}
    if not sent.get("bytes") or total.get("bytes", 0) > sent["bytes"] * 1.1 + (8 << 20):
        raise Failed(f"client: sent {sent.get('bytes')} bytes, received {total.get('bytes')}")
    status = run.wait(server, "server", 60)
    if status and ends[0] == weir:
        raise Failed(f"server: exit status {status}")


def run_file(run, rng, command):
    port = str(free_port())
    source, target = os.path.join(run.folder, "source"), os.path.join(run.folder, "target")
    size = rng.choice([0, 1, rng.randint(1, 5000), rng.randint(1, 8 << 20)])
    with open(source, "wb") as file:
        file.write((rng.randbytes(65521) * (size // 65521 + 1))[:size])
    words = ["--direct"] if rng.random() < 0.3 else []
    receiver = run.start("receiver", [command, "recv", *words, f"127.0.0.1:{port}", target],
                         command_env(rng))
    wait_listening(run, receiver, "receiver", int(port))
    words = ["-P", str(rng.choice([1, 1, 2, 7, 16]))]
    words += ["-c"] if rng.random() < 0.5 else []
    words += ["-l", str(rng.choice([100, 5000, 65536, 1048576]))] if rng.random() < 0.5 else []
    sender = run.start("sender", [command, "send", *words, f"127.0.0.1:{port}", source],
                       command_env(rng))
    for name, process in (("sender", sender), ("receiver", receiver)):
        status = run.wait(process, name)
        if status:
            raise Failed(f"{name}: exit status {status}")
    if not filecmp.cmp(source, target, shallow=False):
        raise Failed("the file that arrived is another one")


# ------------------------------------------------------------------------------ workers

class Soak:
    """What all workers share."""

    def __init__(self, build, seconds, folder):
        self.end = time.monotonic() + seconds
        self.folder = folder
        self.programs = programs(build)
        self.weir = os.path.join(build, "tools", "weir")
        self.iperf3 = next((os.path.join(path, "iperf3") for path in os.get_exec_path()
                            if os.access(os.path.join(path, "iperf3"), os.X_OK)), None)
        self.lock = threading.Lock()
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.by_name = {}
        self.runs = set()
        self.broken = None

    def draw(self, rng):
        """(name, function) of the next run."""
        kind = rng.random()
        if kind < 0.15 and os.access(self.weir, os.X_OK):
            stock = [self.iperf3] if self.iperf3 else None
            return "iperf3", lambda run: run_iperf3(run, rng, [self.weir, "iperf3"], stock)
        if kind < 0.25 and os.access(self.weir, os.X_OK):
            return "file", lambda run: run_file(run, rng, self.weir)
        program = rng.choices(self.programs, [each.weight for each in self.programs])[0]
        return program.name, lambda run: run_program(run, rng, program)

    def report(self, verdict, run, reason):
        with self.lock:
            self.counts[verdict] += 1
            count = self.by_name.setdefault(run.name, [0, 0])
            count[verdict == "failed"] += 1
            if verdict != "failed":
                return
            number = self.counts["failed"]
            log = os.path.join(self.folder, f"failed.{number}.log")
            with open(log, "w", encoding="utf-8") as file:
                print(reason, *run.commands, sep="\n", file=file)
                for name in sorted(os.listdir(run.folder)):
                    if name not in ("source", "target", "target.part"):
                        print(f"\n---- {name}\n{run.output(name)}", file=file)
            print(f"---- FAILED {run.name}: {reason}", *run.commands, sep="\n")
            print("\n".join(run.output(name)[-3000:] for name in
                            ("out", "server", "client", "receiver", "sender")
                            if os.path.exists(os.path.join(run.folder, name))).rstrip())
            print(f"---- all of it: {os.path.relpath(log, TREE)}", flush=True)

    def one(self, rng):
        name, function = self.draw(rng)
        with tempfile.TemporaryDirectory(prefix="weir-soak.") as folder:
            run = Run(name, folder)
            self.runs.add(run)
            verdict, reason = "passed", ""
            try:
                function(run)
            except Failed as error:
                verdict, reason = "failed", str(error)
            except Skipped as error:
                verdict, reason = "skipped", str(error)
            finally:
                run.end()
                self.runs.discard(run)
            if self.broken is None:
                self.report(verdict, run, reason)

    def stop(self, *ignored):
        """Of a signal."""
        self.broken = self.broken or KeyboardInterrupt()
        for run in list(self.runs):
            for process in run.started:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def work(self, seed):
        rng = random.Random(seed)
        try:
            while time.monotonic() < self.end and self.broken is None:
                self.one(random.Random(rng.getrandbits(64)))
        except BaseException as error:  # a fault of this program: no run may seem to have passed
            self.broken = error
            raise


def main():
    build, seconds, seed, jobs, folder = sys.argv[1:]
    soak = Soak(os.path.abspath(build), float(seconds), folder)
    if not soak.programs:
        print(f"soak_host.py: no test programs in {build}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, soak.stop)
    workers = [threading.Thread(target=soak.work, args=(f"{seed}-{number}",))
               for number in range(int(jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():  # signals are seen in between
            worker.join(0.5)
    for name, (good, bad) in sorted(soak.by_name.items()):
        print(f"  {good + bad:5} {name}" + (f", {bad} FAILED" if bad else ""))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**soak.counts))
    if soak.broken is not None:
        return 2
    return 1 if soak.counts["failed"] or not soak.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
