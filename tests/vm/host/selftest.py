# SPDX-License-Identifier: MIT
"""selftest.py - tests that misbehave, each of which must be found out.

Theory: each script of bad/ names in its line "Found:" what the reason of its failure must begin
with; "nothing" means that it must pass, "SKIP words" that it must be skipped with these words.
The last one stops the kernel, so the result of kernel_end must be missing.
"""
import os

from . import parts, report
from .common import VM

FOLDER = os.path.join(VM, "bad")


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


def judge(run):
    """A report.Run in which passed means that the planted fault was found out; printed."""
    judged = report.Run("selftest", [test.name for test in plan()] + ["incomplete"])
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
