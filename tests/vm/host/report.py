# SPDX-License-Identifier: MIT
"""report.py - from the lines of a VM to results: printed, written, judged.

Theory: PID 1 prints TAP; lines before a result that begin with "| ", "K " or "K! " belong to the
test that is running.  A planned test without a result failed: the machine ended or hung in it, or
before it.  Skips must be on the list of expected ones, tests/vm/expected-skips.txt; one that is
not is a failure of the run, though not of the test.
"""
import fnmatch
import os
import re
import xml.etree.ElementTree as ElementTree

RESULT = re.compile(r"^(ok|not ok) (\d+) - (\S+) # time ([\d.]+)(?: # (SKIP )?(.*))?$")


class Result:
    """What became of one test."""

    def __init__(self, name):
        self.name = name
        self.verdict = "failed"
        self.reason = "did not run"
        self.seconds = 0.0
        self.output = []


class Run:
    """The results of one machine."""

    def __init__(self, label, names):
        self.label = label
        self.results = {name: Result(name) for name in names}
        self.output = []
        self.running = None
        self.boot_s = None
        self.done = False

    def take(self, line):
        """Take one line of the report; returns the Result that it ends, if any."""
        match = RESULT.match(line)
        if match:
            return self.end_result(match)
        if line.startswith("# run "):
            self.running = line[len("# run "):]
        elif line.startswith("vm: up "):
            self.boot_s = float(line.split()[2])
        elif line == "vm: done":
            self.done = True
        elif not line.startswith(("TAP version", "1..")):
            self.output.append(line)
        return None

    def end_result(self, match):
        result = self.results.setdefault(match.group(3), Result(match.group(3)))
        result.seconds = float(match.group(4))
        result.reason = match.group(6) or ""
        result.verdict = "failed" if match.group(1) == "not ok" else \
            "skipped" if match.group(5) else "passed"
        result.output, self.output = self.output, []
        self.running = None
        return result

    def broke_off(self, why):
        """The machine is gone: what was running failed by that."""
        result = self.results.get(self.running) or next(
            (each for each in self.results.values() if each.reason == "did not run"), None)
        if result:
            result.reason = why
            result.output, self.output = self.output, []
        return result

    def add_failure(self, name, text):
        """A failure outside the machine."""
        result = self.results[name] = Result(name)
        result.reason, *result.output = text.split("\n")
        print_result(result)
        print_output(result)

    def count(self, verdict):
        return sum(result.verdict == verdict for result in self.results.values())


def expected_skips(path):
    """[(pattern, words)] as in tests/expected-skips.txt; patterns are SERIES:TEST."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines if line]


def unexpected_skips(run, path):
    """Skipped results that no line of the list covers."""
    lines = expected_skips(path)
    for result in run.results.values():
        name = f"vm-{run.label}:{result.name}"
        if result.verdict == "skipped" and not any(
                fnmatch.fnmatchcase(name, pattern) and words in result.reason
                for pattern, words in lines):
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
