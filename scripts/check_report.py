#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_report.py RESULTS EXPECTED-SKIPS... - read what check.sh left, print it, end in one line.

Theory: ctest writes one JUnit file per build; extra.txt has what was tested outside ctest.  A
program of cmocka tests counts as many tests as it ran: its lines "[       OK ] name" and
"[  SKIPPED ] name" are counted one by one, because a test skipped inside a program that ends with 0
would otherwise be hidden.  A failed program counts at least one failure.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

import expected_skips  # beside this file

OK = re.compile(r"^\[ +OK +\] (\S+)", re.M)
SKIPPED = re.compile(r"^\[ +SKIPPED +\] (\S+)$", re.M)
FAILED = re.compile(r"^\[ +(?:FAILED|ERROR) +\] (\w+)$", re.M)
PROGRESS = re.compile(r"^\[\d+/\d+\] .*\n", re.M)
COUNT_LINE = re.compile(r"^\[=+\] (?:\S+: )?Running \d+ test", re.M)


class Totals:
    """What all builds came to."""

    def __init__(self, expected):
        self.expected = expected
        self.passed = 0
        self.failed = 0
        self.skips = []
        self.unexpected = []

    def skip(self, name, reason):
        self.skips.append((name, reason))
        if not expected_skips.covers(self.expected, name, reason):
            self.unexpected.append((name, reason))


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def reason_near(output, name):
    """The line that a cmocka test printed before it was skipped."""
    before = output[:output.index("SKIPPED ] " + name)]
    started = before.rfind("[ RUN ")
    lines = [line.strip() for line in before[started:].splitlines()[1:]]
    lines = [line for line in lines if line and not line.startswith("[")]
    return lines[-1] if lines else "no reason given"


def report_failure(name, why, output):
    print(f"\n---- FAILED {name}: {why}")
    print(output.rstrip())
    print("----")


def count_case(totals, build, case):
    """Count one <testcase> of ctest's JUnit file."""
    name = f"{build}:{case.get('name')}"
    output = case.findtext("system-out") or ""
    status = case.get("status")
    inner_ok = len(set(OK.findall(output))) if COUNT_LINE.search(output) else 0
    inner_skips = sorted(set(SKIPPED.findall(output))) if COUNT_LINE.search(output) else []

    if status == "disabled":
        totals.skip(name, "disabled")
    elif case.find("skipped") is not None and case.find("skipped").get("message", "") \
            .startswith("SKIP_"):
        totals.skip(name, last_line(output))
    elif status == "run":
        totals.passed += inner_ok or (0 if inner_skips else 1)
        for inner in inner_skips:
            totals.skip(f"{name}.{inner}", reason_near(output, inner))
    else:
        failure = case.find("failure")
        if failure is None:
            failure = case.find("skipped")
        why = failure.get("message", "") if failure is not None else ""
        why = why or f"status {status}"
        totals.passed += inner_ok
        totals.failed += max(1, len(set(FAILED.findall(output))))
        report_failure(name, f"{why}, {float(case.get('time', 0)):.1f} s", output)


def count_extra(totals, path):
    """Count the lines of extra.txt."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            verdict, name, log = line.split(None, 2)
            if verdict == "passed":
                totals.passed += 1
                continue
            if verdict == "skipped":
                totals.skip(name, log.strip())
                continue
            totals.failed += 1
            with open(log.strip(), encoding="utf-8", errors="replace") as text:
                report_failure(name, verdict, PROGRESS.sub("", text.read()))


def count_junit(totals, path):
    """Count one JUnit file; return a line about it."""
    build = os.path.basename(path)[:-len(".xml")]
    before = (totals.passed, totals.failed, len(totals.skips))
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        totals.failed += 1
        report_failure(f"{build}:ctest", f"unreadable result: {error}", "")
        return
    seconds = 0.0
    if root.find("testcase") is None:
        totals.failed += 1
        report_failure(f"{build}:ctest", "no test ran", "")
    for case in root.iter("testcase"):
        count_case(totals, build, case)
        seconds += float(case.get("time", 0))
    print(f"{build}: {totals.passed - before[0]} passed, {totals.failed - before[1]} failed, "
          f"{len(totals.skips) - before[2]} skipped, {seconds:.0f} s of tests")


def main():
    results, lists = sys.argv[1], sys.argv[2:]
    totals = Totals([line for path in lists for line in expected_skips.read(path)])

    count_extra(totals, os.path.join(results, "extra.txt"))
    for entry in sorted(os.listdir(results)):
        if entry.endswith(".xml"):
            count_junit(totals, os.path.join(results, entry))
    for name, reason in totals.skips:
        note = " (NOT EXPECTED)" if (name, reason) in totals.unexpected else ""
        print(f"skipped {name}: {reason}{note}")
    if totals.unexpected:
        print(f"{len(totals.unexpected)} skips are not on {' or '.join(lists)}")
    print(f"{totals.passed} passed, {totals.failed} failed, {len(totals.skips)} skipped",
          flush=True)
    return 1 if totals.failed or totals.unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
