#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""expected_skips.py - lists of the tests that may be skipped.

Theory: a line has a shell pattern for the test's name and, after a space, words that the reason
must have; "#" begins a comment.  `make check` and the VM judge their skips by such lists.
"""
import fnmatch


def read(path):
    """The lines of a list as (pattern, words)."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines if line]


def covers(lines, name, reason):
    """Is a skip of that name for that reason expected?"""
    return any(fnmatch.fnmatchcase(name, pattern) and words in reason for pattern, words in lines)
