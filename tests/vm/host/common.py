# SPDX-License-Identifier: MIT
"""common.py - the cache, and how commands are run.

Theory: whatever is fetched or made once lies in the cache, outside the source tree.  A part of it
is a folder or file that is made under another name and renamed when it is whole: what exists under
its own name is complete, and what an interrupted run left is removed by the next one.  One lock
file per part lets several runs share the cache.
"""
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
VM = os.path.join(TREE, "tests", "vm")


class Failed(Exception):
    """What a person reads instead of a traceback."""


def note(text):
    print(f"vm: {text}", flush=True)


def cache(*parts):
    """A path in the cache; the folder above it exists."""
    base = os.environ.get("WEIR_VM_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir-vm")
    path = os.path.join(os.path.abspath(base), *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


@contextlib.contextmanager
def locked_file(path, what):
    """Hold a lock file; another run that holds it is waited for."""
    with open(path, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for another run that {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def locked(name):
    """Hold the lock of a part of the cache; another run that makes the same part is waited for."""
    return locked_file(cache("locks", name), f"prepares {name}")


@contextlib.contextmanager
def published(final):
    """An empty folder that becomes `final` when the block ends well, and is removed when not."""
    parent = os.path.dirname(final)
    os.makedirs(parent, exist_ok=True)
    making = os.path.join(parent, "." + os.path.basename(final) + ".making")
    remove(making)
    os.makedirs(making)
    try:
        yield making
        remove(final)
        os.rename(making, final)
    finally:
        remove(making)


@contextlib.contextmanager
def scratch(path):
    """An empty folder for the length of the block."""
    remove(path)
    os.makedirs(path)
    try:
        yield path
    finally:
        remove(path)


def remove(path):
    """Remove a file or a folder, also one that is half there."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)


def run(command, what, **options):
    """Run a command; where it fails, what it printed is the error."""
    options.setdefault("stdin", subprocess.DEVNULL)
    try:
        done = subprocess.run(command, check=False, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    except FileNotFoundError as error:
        raise Failed(f"{what}: {error.filename} is not installed") from error
    if done.returncode:
        raise Failed(f"{what}: exit status {done.returncode}\n{done.stdout[-4000:].rstrip()}")
    return done.stdout


def as_root_user(command):
    """The command in a mount namespace of its own, as root or as what looks like root there."""
    own = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        own += ["--map-root-user"]
    return own + command


def verbose():
    return os.environ.get("V", "") not in ("", "0")


def die(error):
    print(f"vm: {error}", file=sys.stderr, flush=True)
