# SPDX-License-Identifier: MIT
"""root.py - a small Debian 13: the compiler for modules, the VM's programs, and the emulator.

Theory: mmdebstrap makes it as a tar file, as root or by user namespaces, and it is unpacked
without its devices; so it needs no root to use either.  Headers of kernels are unpacked into it,
not installed, because their dependencies would bring whole kernels.  Commands run in it by chroot,
in a mount namespace of their own that has the host's /dev and the source tree at /weir.  The
emulator runs outside, by the root's own loader and libraries: no mounts, the user's own rights.

Invariants: a root is complete where it exists under its name; its name has a hash of what is in
it, so that a changed list makes a new one.  Source trees of different age may each use their own:
one is removed when nothing has used it for a week.
"""
import hashlib
import os
import pwd
import re
import shlex
import time

from . import apt
from .common import Failed, as_root_user, cache, locked, note, published, remove, run, scratch

PACKAGES = [
    # programs of the VM
    "bash", "busybox-static", "ethtool", "iperf3", "iproute2", "kmod",
    # compiles modules, plugins of ip, and the kernel of `make vm-debug`
    "gcc-14", "libc6-dev", "make", "pahole", "bc", "bison", "flex", "libelf-dev", "libssl-dev",
    "perl-base", "xz-utils",
    # the emulator: see machine.py for why not the host's
    "qemu-system-x86",
]
LOADER = "/usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
UNUSED_S = 7 * 24 * 3600
EXCLUDED = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*"]
MOUNT_SCRIPT = """set -e
PATH=$PATH:/usr/sbin:/sbin
root=$1; shift
mkdir -p "$root/dev" "$root/proc" "$root/weir" "$root/build"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
exec chroot "$root" "$@"
"""


def path():
    digest = hashlib.sha256("\n".join(PACKAGES + EXCLUDED + ["1"]).encode()).hexdigest()[:12]
    return cache(f"{apt.ROOT_RELEASE}-{digest}")


def remove_unused(folder):
    """Remove other roots that no tree uses any more."""
    base, own = os.path.split(folder)
    for name in os.listdir(base):
        other = os.path.join(base, name)
        if name.startswith(apt.ROOT_RELEASE + "-") and name != own and \
                time.time() - os.path.getmtime(other) > UNUSED_S:
            remove(other)


def must_have_namespaces():
    """Who is not root becomes root in a user namespace; Failed where that is not allowed."""
    if os.geteuid() == 0:
        return
    try:
        run(as_root_user(["true"]), "unshare")
    except Failed as error:
        raise Failed("this needs root, or user namespaces, which this machine does not allow to "
                     f"this user ({' '.join(str(error).split())})") from error


def must_have_numbers():
    """Packages own files by several users: who is not root needs numbers for these."""
    must_have_namespaces()
    if os.geteuid() == 0:
        return
    names = [str(os.geteuid())]
    try:
        names.append(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        pass  # a user by number only
    for file in ("/etc/subuid", "/etc/subgid"):
        lines = []
        if os.path.exists(file):
            with open(file, encoding="utf-8") as opened:
                lines = opened.read().splitlines()
        if not any(line.split(":")[0] in names for line in lines):
            raise Failed("making a Debian 13 root needs root, or 65536 numbers for the user "
                         f"{names[-1]} in /etc/subuid and /etc/subgid, which root gives with "
                         "usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST")


def make(folder):
    must_have_numbers()
    note("making a Debian 13 root for compiler, emulator and programs (one to two minutes)")
    tar = cache("root.tar")
    sources = apt.source_lines(apt.ROOT_RELEASE)
    command = ["mmdebstrap", "--variant=apt", "--format=tar", "--architectures=amd64",
               "--include=" + ",".join(PACKAGES)]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    run(command + [apt.ROOT_RELEASE, tar] + sources, "mmdebstrap")
    with published(folder) as making:
        run(["tar", "-C", making, "--exclude=./dev/*", "--no-same-owner", "-xf", tar],
            "unpacking the root")
    remove(tar)


def get():
    """The root's folder, made where it is not there."""
    folder = path()
    with locked("root"):
        if not os.path.exists(folder):
            make(folder)
            remove_unused(folder)
        os.utime(folder)
    return folder


def loader_of(folder):
    """The words that, before a program of the root, run it outside with its own libraries."""
    return [folder + LOADER, "--inhibit-cache", "--library-path", folder + LIBRARIES]


def enter(command, binds, what):
    """Run a shell command in the root, with folders of the host bound: {host: inside}."""
    root = get()
    must_have_namespaces()
    mounts = [word for pair in binds.items() for word in pair]
    return run(as_root_user(["sh", "-c", MOUNT_SCRIPT, "sh", root] + mounts
                            + ["--", "/bin/sh", "-c", command]), what)


def wanted_headers(kernel):
    """The header packages of a kernel: its own, the common ones, and their tools."""
    wanted = [(kernel["headers"], kernel["version"])]
    for name in apt.depends(kernel["headers"], kernel["version"]):
        if re.match(r"linux-(headers-.*-common|kbuild-.*|base-\d)", name):
            wanted.append((name, kernel["version"]))
    return wanted


def headers(kernel):
    """The folder, as seen in the root, against which modules of this kernel are built."""
    if not kernel["headers"]:
        raise Failed(f"no headers for {kernel['version']} that {apt.ROOT_RELEASE} can use")
    root = get()
    inside = "/usr/src/" + kernel["headers"]
    stamp = os.path.join(root, "usr/src", "." + kernel["headers"] + ".complete")
    with locked("headers"):
        if os.path.exists(stamp):
            return inside
        note(f"fetching the headers of Linux {kernel['version']}")
        with scratch(cache("headers.making")) as making:
            unpacked = os.path.join(making, "unpacked")
            os.mkdir(unpacked)
            apt.unpack(apt.download(making, wanted_headers(kernel)), unpacked)
            for part in ("usr/src", "usr/lib", "usr/lib/modules"):
                source = os.path.join(unpacked, part)
                for name in os.listdir(source) if os.path.isdir(source) else []:
                    target = os.path.join(root, part, name)
                    if name.startswith(("linux-", kernel["abi"])):
                        os.makedirs(os.path.dirname(target), exist_ok=True)
                        remove(target)
                        os.rename(os.path.join(source, name), target)
        open(stamp, "w", encoding="utf-8").close()
    return inside


def quote(*words):
    return " ".join(shlex.quote(word) for word in words)
