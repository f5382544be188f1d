# SPDX-License-Identifier: MIT
"""selftest.py - tests and machines that misbehave, each of which must be found out.

Theory: each script of bad/ names in its line "Found:" what the reason of its failure must begin
with; "nothing" means that it must pass, "SKIP words" that it must be skipped with these words.
The last one stops the kernel, so the result of kernel_end must be missing.  Before that, a stand-in
for the emulator (standin.py) crashes and hangs, and the session must come to the right results.
"""
import os
import sys
from unittest import mock

from . import machine, parts, report, session
from .common import VM, remove, scratch

FOLDER = os.path.join(VM, "bad")
STANDIN = os.path.join(VM, "host", "standin.py")
# fault of standin.py: names of failed results that it must lead to, with one machine
FAULTS = {"none": [], "boot": [], "test": [], "crash": ["bad"], "silent": ["bad"]}


def plan():
    return parts.tests("", folder=FOLDER)


def found_out(run, test):
    """Did the test come out as its script says?"""
    wanted = parts.markers(os.path.join(FOLDER, test.name + ".sh"))["Found"]
    result = run.results[test.name]
    if wanted.startswith("SKIP "):
        return result.verdict == "skipped" and wanted[len("SKIP "):] in result.reason
    if wanted != "nothing":
        return result.verdict == "failed" and result.reason.startswith(wanted)
    return result.verdict == "passed"


def stand_in(folder, fault, count):
    """Run four tests on machines that are none, one of which has the fault; the report.Run."""
    mark = os.path.join(folder, "mark")
    remove(mark)
    initramfs = os.path.join(folder, "initramfs")
    open(initramfs, "w", encoding="utf-8").close()
    tests = [parts.Test(name, 0) for name in ("bad", "a", "b", "c")]
    with mock.patch.object(machine, "emulator", lambda: [sys.executable, STANDIN, fault, mark]), \
            mock.patch.object(machine, "accelerator", lambda: "tcg"), \
            mock.patch.object(machine, "HANG_MARGIN_S", 1):
        return session.boot({"image": "none"}, "standin", folder, tests, initramfs, count, True)[0]


def stand_ins(folder):
    """(name, whether the session came to the right results, failed results) of each fault."""
    with scratch(os.path.join(folder, "standin")) as base:
        for fault, wanted in FAULTS.items():
            for count in (1, 2):
                run = stand_in(base, fault, count)
                failed = [name for name, result in run.results.items()
                          if result.verdict == "failed"]
                # a second machine may have done the rest: then the first is not booted again
                good = [name for name in failed if not name.startswith("kernel_end")] == wanted
                yield f"session.{fault}.{count}", good and (count == 2 or failed == wanted), failed


def judge(run, folder):
    """A report.Run in which passed means that the planted fault was found out; printed."""
    judged = report.Run("selftest", [test.name for test in plan()] + ["incomplete"], machines=0)
    for name, good, failed in stand_ins(folder):
        result = judged.results[name] = report.Result(name)
        result.verdict = "passed" if good else "failed"
        result.reason = "failed were: " + (" ".join(failed) or "none")
    for test in plan():
        result = judged.results[test.name]
        result.reason = f"came out as {run.results[test.name].verdict}: " \
                        f"{run.results[test.name].reason}"
        result.seconds = run.results[test.name].seconds
        result.output = run.results[test.name].output
        result.verdict = "passed" if found_out(run, test) else "failed"
    incomplete = judged.results["incomplete"]
    incomplete.reason = "the kernel was stopped before the end"
    if not run.done and run.results["kernel_end"].verdict == "failed":
        incomplete.verdict = "passed"
    for result in judged.results.values():
        report.print_result(result)
    return judged
