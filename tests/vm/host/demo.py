# SPDX-License-Identifier: MIT
"""demo.py - the VM's part of `make demo`: boots once, and leaves iperf3's documents in a folder.

Theory: the guest (tests/vm/demo/demo.sh) prints the documents as lines of its output; here they
become files again, named as demo/table.py wants them, and beside each "*.placed", the bytes that
the test NIC wrote into the server's own memory.  A demo has no five minutes: where the VM was never
made, that is what it says.
"""
import glob
import os

from .common import Failed, cache

TEST = "demo"


def must_be_there():
    """Failed where kernels or the root would have to be fetched first."""
    if not glob.glob(cache("trixie-*")) or not os.path.isdir(cache("kernels")):
        raise Failed("the VM was never made here; `make vm` makes it in about five minutes")


def take(result, folder):
    """Documents and counts of the guest's output as files; their number."""
    count = 0
    file = None
    for line in result.output:
        line = line[2:] if line.startswith("| ") else line
        words = line.split()
        if line == "end of document" and file:
            file.close()
            file = None
            count += 1
        elif file:
            file.write(line + "\n")
        elif len(words) == 2 and words[0] == "document" and "/" not in words[1]:
            file = open(os.path.join(folder, words[1]), "w", encoding="utf-8")
        elif len(words) == 3 and words[0] == "placed" and "/" not in words[1]:
            with open(os.path.join(folder, words[1] + ".placed"), "w",
                      encoding="utf-8") as placed:
                placed.write(words[2] + "\n")
    if file:
        file.close()
    return count
