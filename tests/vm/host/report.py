# SPDX-License-Identifier: MIT
"""report.py - from the lines of the VM's machines to results: printed, written, judged.

Theory: PID 1 prints TAP; lines before a result that begin with "| ", "K " or "K! " belong to the
test that is running on that machine.  A test that runs programs says which of them, and which
tests in them, were skipped: these are results of their own.  A planned test without a result
failed: the machine ended or hung in it, or no machine was left.  Skips must be on the list of
expected ones, tests/vm/expected-skips.txt; one that is not is a failure of the run, though not of
the test.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

from .common import TREE

sys.path.append(os.path.join(TREE, "scripts"))
import expected_skips  # noqa: E402

RESULT = re.compile(r"^(ok|not ok) (\d+) - (\S+) # time ([\d.]+)(?: # (SKIP )?(.*))?$")
# what run_programs() of t/lib.sh says of programs, and of tests in programs
INSIDE = re.compile(r"^\| skipped(?: 0|-inside) (\S+): (.*)$")


class Result:
    """What became of one test."""

    def __init__(self, name):
        self.name = name
        self.verdict = "failed"
        self.reason = "did not run"
        self.seconds = 0.0
        self.output = []


class Run:
    """The results of all machines of a run."""

    def __init__(self, label, names, machines=1):
        self.label = label
        self.streams = [Stream(self, "" if number == 0 else f".{number + 1}")
                        for number in range(machines)]
        ordered = [stream.boot for stream in self.streams] + names + \
                  [stream.end for stream in self.streams]
        self.results = {name: Result(name) for name in ordered}

    @property
    def boot_s(self):
        """Until the last machine was in user space; None where one was not."""
        booted = [stream.boot_s for stream in self.streams]
        return None if None in booted else max(booted, default=None)

    @property
    def done(self):
        return all(stream.done for stream in self.streams)

    def add_failure(self, name, text):
        """A failure outside the machines."""
        result = self.results[name] = Result(name)
        result.reason, *result.output = text.split("\n")
        print_result(result)
        print_output(result)

    def count(self, verdict):
        return sum(result.verdict == verdict for result in self.results.values())


class Stream:
    """What one machine of a run says."""

    def __init__(self, run, suffix):
        self.run = run
        self.boot, self.end = "kernel_boot" + suffix, "kernel_end" + suffix
        self.suffix = suffix
        self.restart()

    def restart(self):
        """It is booted again."""
        self.output = []
        self.running = None
        self.boot_s = None
        self.done = False

    def take(self, line):
        """Take one line of the report; returns the Results that it ends, most often none."""
        match = RESULT.match(line)
        if match:
            result = self.end_result(match)
            return [result] + list(self.inside(result))
        if line.startswith("# run "):
            self.running = line[len("# run "):]
        elif line.startswith("vm: up "):
            self.boot_s = float(line.split()[2])
        elif line == "vm: done":
            self.done = True
        elif line != "vm: next" and not line.startswith(("TAP version", "1..")):
            self.output.append(line)
        return []

    def end_result(self, match):
        name = match.group(3)
        if name in ("kernel_boot", "kernel_end"):
            name += self.suffix
        result = self.run.results.setdefault(name, Result(name))
        result.seconds = float(match.group(4))
        result.reason = match.group(6) or ""
        result.verdict = "failed" if match.group(1) == "not ok" else \
            "skipped" if match.group(5) else "passed"
        result.output, self.output = self.output, []
        self.running = None
        return result

    def inside(self, result):
        """Results for what a test's programs skipped."""
        for match in filter(None, map(INSIDE.match, result.output)):
            skipped = Result(f"{result.name}.{match.group(1)}")
            skipped.verdict, skipped.reason = "skipped", match.group(2)
            self.run.results[skipped.name] = skipped
            yield skipped

    def broke_off(self, why):
        """The machine is gone: what was running failed by that."""
        results = self.run.results
        name = self.running or next((name for name in (self.boot, self.end)
                                     if results[name].reason == "did not run"), self.end)
        results[name].reason = why
        results[name].output, self.output = self.output, []
        return results[name]


def unexpected_skips(run, path):
    """Skipped results that no line of the list covers."""
    lines = expected_skips.read(path)
    for result in run.results.values():
        if result.verdict == "skipped" and not expected_skips.covers(
                lines, f"vm-{run.label}:{result.name}", result.reason):
            yield result


def print_result(result):
    mark = {"passed": "ok", "failed": "FAILED", "skipped": "skip"}[result.verdict]
    reason = f"  {result.reason}" if result.reason else ""
    print(f"{mark:>6} {result.name:<32} {result.seconds:7.2f} s{reason}", flush=True)


def output_of(result):
    """The lines of a test, without the pages of the scheduler's figures in a dump of tasks."""
    scheduler = False
    for line in result.output:
        scheduler = line.startswith("K ") and (scheduler or "Sched Debug Version" in line)
        if not scheduler:
            yield line


def print_output(result):
    print(f"------ {result.name}: {result.reason}")
    for line in output_of(result):
        print(line)
    print("------", flush=True)


def write_junit(run, path):
    """A JUnit file of the shape ctest writes."""
    suite = ElementTree.Element("testsuite", {
        "name": "vm-" + run.label, "tests": str(len(run.results)),
        "failures": str(run.count("failed")), "skipped": str(run.count("skipped"))})
    for result in run.results.values():
        status = {"passed": "run", "failed": "fail", "skipped": "notrun"}[result.verdict]
        case = ElementTree.SubElement(suite, "testcase", {
            "name": result.name, "classname": result.name, "status": status,
            "time": f"{result.seconds:.2f}"})
        text = "\n".join(line[2:] if line.startswith("| ") else line for line in output_of(result))
        if result.verdict == "failed":
            ElementTree.SubElement(case, "failure", {"message": result.reason})
        if result.verdict == "skipped":
            ElementTree.SubElement(case, "skipped", {"message": "SKIP_RETURN_CODE=77"})
            text += "\n" + result.reason
        ElementTree.SubElement(case, "system-out").text = re.sub(r"[^\t\n\x20-\x7e]", ".", text)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def write_lines(run, path):
    """One line for each test: verdict, name, seconds, reason."""
    with open(path, "w", encoding="utf-8") as file:
        for result in run.results.values():
            file.write(f"{result.verdict} {result.name} {result.seconds:.2f} "
                       f"{result.reason}".rstrip() + "\n")


def write_all(run, folder):
    os.makedirs(folder, exist_ok=True)
    write_junit(run, os.path.join(folder, "junit.xml"))
    write_lines(run, os.path.join(folder, "results.txt"))
