# SPDX-License-Identifier: MIT
"""kernels.py - a Debian kernel of a series, the newest patch version there is.

Theory: a series ("7.3") is looked for in the releases in the order of apt.SUITES, the build
root's first, because a module must be built by the compiler that built its kernel; within a
release the highest version wins.  Kernels come in two shapes: one package linux-image-* with
everything (until 6.18), or linux-binary-* and linux-modules-* (since 6.19); an image that is not
signed yet does as well.  A kernel lies in the cache by its version, so that an update is a new
folder.
"""
import json
import os
import re

from . import apt
from .common import Failed, cache, locked, note, published, remove

FLAVOUR = "cloud-amd64"
IMAGE = re.compile(r"^linux-(image|binary|binary-unsigned)-(\d+\.\d+\S*?)-" + FLAVOUR
                   + r"(-unsigned)?$")


def series_of(version):
    match = re.match(r"\d+\.\d+", version)
    return match.group(0) if match else ""


def release_rank(suite):
    for rank, (_, suites) in enumerate(apt.SUITES.items()):
        if suite in suites:
            return rank
    return len(apt.SUITES)


def is_whole(kind, abi):
    """
    Is the kernel complete with that package?  linux-image-* is empty where there is linux-binary-*;
    linux-modules-* of an older version may have left the archive, while its image stays.
    """
    if kind == "image":
        return f"linux-binary-{abi}-{FLAVOUR}" not in apt.names()
    return f"linux-modules-{abi}-{FLAVOUR}" in apt.names()


def candidates(series):
    """(rank, version, abi, package, suite) of every image package of the series."""
    abi_of = {}
    for name in apt.names():
        match = IMAGE.match(name)
        if match and series_of(match.group(2)) == series and \
                is_whole(match.group(1), match.group(2)):
            abi_of[name] = match.group(2)
    for name, version, suite in apt.versions(sorted(abi_of)):
        if series_of(version) == series:
            yield release_rank(suite), version, abi_of[name], name, suite


def better(one, other):
    """Is that candidate to be preferred?"""
    if other is None or one[0] != other[0]:
        return other is None or one[0] < other[0]
    if one[1] != other[1]:
        return apt.newer(one[1], other[1])
    return "unsigned" in other[3] and "unsigned" not in one[3]


def choose(series):
    """What there is of a series: a dict with package names and version."""
    best = None
    for candidate in candidates(series):
        if better(candidate, best):
            best = candidate
    if best is None:
        return None
    rank, version, abi, image, suite = best
    packages = [image]
    for name in (f"linux-modules-{abi}-{FLAVOUR}", f"linux-base-{abi}-{FLAVOUR}"):
        if name in apt.names():
            packages.append(name)
    headers = f"linux-headers-{abi}-{FLAVOUR}"
    if rank != 0 or headers not in apt.names():
        headers = None
    return {"series": series, "version": version, "abi": abi, "suite": suite,
            "packages": packages, "headers": headers}


def tidy_up(series, keep):
    """Remove older kernels of the series."""
    base = os.path.dirname(cache("kernels", "x"))
    for name in os.listdir(base):
        if name.startswith(series + "_") and name != keep:
            remove(os.path.join(base, name))


def cached(series):
    """The kernel of the series that is in the cache, or None."""
    base = os.path.dirname(cache("kernels", "x"))
    os.makedirs(base, exist_ok=True)
    for name in sorted(os.listdir(base)):
        if name.startswith(series + "_"):
            return load(os.path.join(base, name))
    return None


def load(folder):
    with open(os.path.join(folder, "kernel.json"), encoding="utf-8") as file:
        kernel = json.load(file)
    kernel["folder"] = folder
    kernel["modules"] = os.path.join(folder, "modules")
    kernel["image"] = os.path.join(folder, "vmlinuz")
    return kernel


def lay_out(unpacked, folder):
    """From the packages' files: vmlinuz, config and modules/."""
    image = modules = None
    for base, folders, files in os.walk(unpacked):
        for name in files:
            if name.startswith("vmlinuz"):
                image = os.path.join(base, name)
        if os.path.basename(base) == "modules" and base.endswith("lib/modules"):
            modules = next((os.path.join(base, name) for name in folders
                            if os.path.isdir(os.path.join(base, name, "kernel"))), modules)
    if not image or not modules:
        raise Failed("the kernel's packages have no vmlinuz or no modules")
    os.rename(image, os.path.join(folder, "vmlinuz"))
    os.rename(modules, os.path.join(folder, "modules"))


def get(series):
    """The kernel of a series as load() gives it, fetched where needed; None where there is none."""
    try:
        apt.update()
        chosen = choose(series)
    except Failed as error:
        kernel = cached(series)
        if kernel is None:
            raise
        note(f"{error}; going on with {kernel['version']} of the cache")
        return kernel
    if chosen is None:
        return None
    name = f"{series}_{chosen['version']}"
    folder = cache("kernels", name)
    with locked("kernel-" + series):
        if not os.path.exists(folder):
            note(f"fetching Linux {chosen['version']} from {chosen['suite']}")
            with published(folder) as making:
                unpacked = os.path.join(making, "unpacked")
                os.mkdir(unpacked)
                files = apt.download(making, [(package, chosen["version"])
                                              for package in chosen["packages"]])
                apt.unpack(files, unpacked)
                lay_out(unpacked, making)
                remove(unpacked)
                with open(os.path.join(making, "kernel.json"), "w", encoding="utf-8") as file:
                    json.dump(chosen, file, indent=1)
        tidy_up(series, name)
    return load(folder)
