# SPDX-License-Identifier: MIT
"""debugkernel.py - a kernel with KASAN, lockdep, kmemleak, UBSAN and fault injection.

Theory: built in the root from Debian's source package, on the options of debug.config over
allnoconfig, so that it is small enough to compile in half an hour on two cores.  Each line of
debug.config must hold in the result: an option that the kernel has renamed stops the build.  The
compiled tree stays in the cache (the module is built against it), without its objects.

Sources: scripts/kconfig (KCONFIG_ALLCONFIG), Documentation/dev-tools of Linux.
"""
import hashlib
import os
import re

from . import apt, root
from .common import Failed, VM, cache, locked, note, published, remove, run, scratch

CONFIG = os.path.join(VM, "debug.config")
KEPT = ("arch", "include", "scripts", "tools")
MAKE = "make -s CC=gcc-14 HOSTCC=gcc-14 LOCALVERSION=-weirdebug"


def source_package(series):
    """(name, version, suite) of the newest source package of the series."""
    name = "linux-source-" + series
    best = None
    for _, version, suite in apt.versions([name]) if name in apt.names() else []:
        if best is None or apt.newer(version, best[1]):
            best = (name, version, suite)
    if best is None:
        raise Failed(f"no Debian suite has {name}")
    return best


def fetch(name, version, folder):
    """Unpack the source into the folder."""
    note(f"fetching the source of Linux {version}")
    with scratch(cache("source.making")) as making:
        apt.unpack(apt.download(making, [(name, version)]), os.path.join(making, "x"))
        archive = os.path.join(making, "x", "usr/src", name + ".tar.xz")
        run(["tar", "-C", folder, "--strip-components=1", "--no-same-owner", "-xf", archive],
            "unpacking the source")


def check_config(folder):
    """Options of debug.config that the configured kernel does not have as asked."""
    with open(os.path.join(folder, ".config"), encoding="utf-8") as file:
        have = set(file.read().split("\n"))
    with open(CONFIG, encoding="utf-8") as file:
        wanted = [line.strip() for line in file if re.match(r"CONFIG_\w+=", line)]
    missing = [line for line in wanted if line not in have]
    if missing:
        raise Failed("debug.config asks for what this kernel does not take: " + ", ".join(missing))


def compile_tree(folder):
    with open(CONFIG, encoding="utf-8") as config, \
            open(os.path.join(folder, "weir.config"), "w", encoding="utf-8") as copy:
        copy.write(config.read())
    binds = {folder: "/weir"}
    root.enter(f"cd /weir && {MAKE} allnoconfig KCONFIG_ALLCONFIG=weir.config", binds,
               "configuring the debug kernel")
    check_config(folder)
    note("compiling the debug kernel (half an hour on two cores); it is kept")
    jobs = os.environ.get("JOBS") or os.cpu_count() or 2
    root.enter(f"cd /weir && nice -n 10 {MAKE} -j{jobs} bzImage modules", binds,
               "compiling the debug kernel")


def prune(folder):
    """Keep the image and what modules are built against: headers, tools, makefiles."""
    for name in os.listdir(folder):
        if os.path.isdir(os.path.join(folder, name)) and name not in KEPT or \
                name.startswith("vmlinux"):
            remove(os.path.join(folder, name))
    for name in os.listdir(os.path.join(folder, "arch")):
        if name not in ("x86", "Kconfig"):
            remove(os.path.join(folder, "arch", name))
    for base, _, files in os.walk(os.path.join(folder, "arch")):
        for name in files:
            if name.endswith((".o", ".a", ".cmd")):
                os.unlink(os.path.join(base, name))


def get(series):
    """The debug kernel, compiled where it is not in the cache; a dict as kernels.load() gives."""
    apt.update()
    name, version, _ = source_package(series)
    with open(CONFIG, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:12]
    folder = cache("kernels", f"debug-{version}-{digest}")
    with locked("debug-kernel"):
        if not os.path.exists(folder):
            with published(folder) as making:
                fetch(name, version, making)
                compile_tree(making)
                prune(making)
            base = os.path.dirname(folder)
            for other in os.listdir(base):
                if other.startswith("debug-") and os.path.join(base, other) != folder:
                    remove(os.path.join(base, other))
    return {"series": series, "version": version + " (debug)", "abi": "", "folder": folder,
            "image": os.path.join(folder, "arch/x86/boot/bzImage"), "modules": None,
            "headers": "its own", "tree": folder}
