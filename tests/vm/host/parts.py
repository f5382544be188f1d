# SPDX-License-Identifier: MIT
"""parts.py - what of this tree goes into the VM: PID 1, the module, programs, tests.

Theory: programs come from build/release, which `make vm` builds before; the module is built in the
root against the headers of each kernel, in a copy of testnic/ below build/vm, so that builds for
several kernels do not meet.  A kernel without headers has no module, and its tests that need one
skip.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from . import root
from .common import Failed, TREE, VM, note, remove

RELEASE = os.path.join(TREE, "build", "release")
DEFAULT_TIMEOUT_S = 60
BUILT = shutil.ignore_patterns("*.o", "*.ko", "*.mod*", ".*", "Module.symvers",
                               "modules.order", "*.so")
CONTRACT_EXCLUDED = re.compile(r"\.(without|spin)-")
CONTRACT_FAULTS = re.compile(r"[.-]faults$")


class Test:
    """A test of the plan."""

    def __init__(self, name, timeout_s):
        self.name = name
        self.timeout_s = timeout_s


def markers(path):
    """{"Timeout": "60", ...} of the first comment."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                break
            match = re.match(r"#\s*(Timeout|Found): *(.*)", line)
            if match:
                found[match.group(1)] = match.group(2).strip()
    return found


def tests(pattern, slow_by=1, folder=os.path.join(VM, "t")):
    """Tests whose name begins with the pattern, in the order of their names."""
    found = []
    for file in sorted(os.listdir(folder)):
        name, suffix = os.path.splitext(file)
        if suffix != ".sh" or name.startswith("lib.") or name == "lib":
            continue
        if name.startswith(pattern or ""):
            timeout_s = int(markers(os.path.join(folder, file)).get("Timeout",
                                                                    DEFAULT_TIMEOUT_S))
            found.append(Test(name, timeout_s * slow_by))
    return found


def digest_of(source, *more):
    """A hash over the files of a folder, by name and content."""
    digest = hashlib.sha256("\n".join(more).encode())
    for base, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(base, name)
            digest.update(os.path.relpath(path, source).encode())
            with open(path, "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()


def build_module(kernel, folder):
    """The module for a kernel, and the plugin of ip; Failed where it cannot be had."""
    source = os.path.join(TREE, "testnic")
    build = os.path.join(folder, "testnic")
    where = kernel.get("tree") or root.headers(kernel)
    made = (os.path.join(build, "weirnic.ko"), os.path.join(build, "link_weirnic.so"))
    stamp = os.path.join(folder, "testnic.digest")
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        copy = os.path.join(fresh, "testnic")
        shutil.copytree(source, copy, ignore=BUILT)
        digest = digest_of(copy, kernel["version"], where)
        if os.path.exists(stamp) and all(map(os.path.exists, made)):
            with open(stamp, encoding="utf-8") as file:
                if file.read() == digest:
                    return made
        remove(build)
        os.rename(copy, build)
    binds = {build: "/build"}
    if kernel.get("tree"):  # built here
        binds[where] = "/weir"
        where = "/weir"
    root.enter(f"make -s -C /build KDIR={where} CC=gcc-14 HOSTCC=gcc-14", binds,
               f"building the module for {kernel['version']}")
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(digest)
    return made


def programs():
    """{name: path} of the programs built on the host; those of tests/vm/PART are weir-PART."""
    found = {"weir": os.path.join(RELEASE, "tools", "weir")}
    folder = os.path.join(RELEASE, "tests", "vm")
    for part in sorted(os.listdir(folder)):
        program = os.path.join(folder, part, "weir-" + part)
        if part != "init" and os.path.isfile(program):
            found["weir-" + part] = program
    for part, begins in ("contract", "contract_"), ("unit", "unit_area"):
        folder = os.path.join(RELEASE, "tests", part)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.startswith(begins) and os.access(os.path.join(folder, name), os.X_OK):
                found[name] = os.path.join(folder, name)
    example = os.path.join(RELEASE, "examples", "zerocopy")
    if os.path.isfile(example):
        found["zerocopy"] = example
    return found


def contract_tests():
    """The contract tests as ctest knows them: (name, program, settings) each."""
    done = subprocess.run(["ctest", "--test-dir", RELEASE, "--show-only=json-v1", "-L",
                           "^contract$"], check=False, capture_output=True, text=True)
    try:
        known = json.loads(done.stdout)["tests"]
    except (ValueError, KeyError):
        note("ctest has no list of contract tests in build/release")
        return
    for test in known:
        if CONTRACT_EXCLUDED.search(test["name"]) or "command" not in test:
            continue
        settings = []
        for prop in test.get("properties", []):
            if prop["name"] == "ENVIRONMENT_MODIFICATION":
                settings = [re.sub("=set:", "=", change) for change in prop["value"]
                            if "=set:" in change]
        yield test["name"], os.path.basename(test["command"][0]), settings


def contract_list(with_faults):
    """
    The contract tests, one a line.  Parts of the uring plane switched off and endless spinning are
    left to the host.
    """
    return "".join(" ".join([name, program] + settings) + "\n"
                   for name, program, settings in contract_tests()
                   if with_faults or not CONTRACT_FAULTS.search(name))


def contract_faults():
    """The faults of those that have some: the value of WEIR_FAULT."""
    for _, _, settings in contract_tests():
        for setting in settings:
            if setting.startswith("WEIR_FAULT="):
                return setting.partition("=")[2] + "\n"
    return ""


def testnic_readme():
    """Its commands are run in the VM."""
    with open(os.path.join(TREE, "testnic", "README.md"), encoding="utf-8") as file:
        return file.read()


def init_program():
    path = os.path.join(RELEASE, "tests", "vm", "init", "weir-vm-init")
    if not os.path.exists(path):
        raise Failed(f"{path} is not there: build it first (scripts/build.sh release)")
    return path
