#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""standin.py FAULT MARK QEMU'S-ARGUMENTS... - says on its output what PID 1 of a machine would say.

Theory: crashes of the emulator cannot be planted in a real one.  This takes QEMU's place in
selftest.py: it answers as init.c does, passes every test, and has one fault: "boot" ends by a
breakpoint before user space, "test" the same in the test "bad", "crash" ends that test by another
oops, "silent" says nothing in it.  The file MARK is there after the fault: it comes once.
"""
import os
import re
import sys
import time


def say(line):
    print(line, flush=True)


def main():
    fault, mark = sys.argv[1:3]
    log = re.search(r"logfile=(\S+)", " ".join(sys.argv)).group(1)

    def comes(kind):
        if fault != kind or os.path.exists(mark):
            return False
        open(mark, "w", encoding="utf-8").close()
        return True

    with open(log, "w", encoding="utf-8") as console:
        if comes("boot"):
            console.write("Oops: int3: 0000 [#1]\n")
            return
        say("vm: up 1.0")
        say("ok 1 - kernel_boot # time 0.00")
        while True:
            say("vm: next")
            words = sys.stdin.readline().split()
            if not words or words[0] == "end":
                break
            say("# run " + words[0])
            if words[0] == "bad" and (comes("test") or comes("crash")):
                console.write("Oops: int3: 0000" if fault == "test" else "Oops: 0002")
                return
            if words[0] == "bad" and comes("silent"):
                time.sleep(60)
            say(f"ok 2 - {words[0]} # time 0.00")
    say("ok 3 - kernel_end # time 0.00")
    say("vm: done")


if __name__ == "__main__":
    main()
