# SPDX-License-Identifier: MIT
"""apt.py - packages of any Debian release, by a package client with a state of its own.

Theory: the mirrors are those that this machine's own apt uses; only the suites differ.  Lists,
keys and downloads lie in the cache; the machine's configuration is read (proxies, mirrors) and not
changed.  apt verifies every list by its signature and every package by the hash in its list.

Sources: apt-get(8) `indextargets`, apt.conf(5) Dir::*.
"""
import functools
import glob
import os
import re
import subprocess
import sys
import time

from .common import Failed, cache, locked, note, remove, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_AGE_S = 24 * 3600

# Suites by release, the release of the build root first: its compiler builds for its kernels.
ROOT_RELEASE = "trixie"
SUITES = {
    "trixie": ["trixie", "trixie-updates", "trixie-security", "trixie-backports"],
    "bookworm": ["bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports"],
    "forky": ["forky"],
    "sid": ["sid"],
    "experimental": ["experimental"],
}


def configured():
    """[(label, address)] of the archives that this machine's apt uses; labels may be unknown."""
    def ask(*words):
        return subprocess.run(["apt-get"] + list(words), check=False, capture_output=True,
                              text=True).stdout.splitlines()

    try:
        found = [line.split("|") for line in ask("indextargets", "--format",
                                                 "$(LABEL)|$(REPO_URI)", "Created-By: Packages")]
        if not found:  # without lists, as images of containers are, apt knows only addresses
            found = [["", address] for address in
                     re.findall(r"^'(\S+)/dists/", "\n".join(ask("update", "--print-uris")), re.M)]
    except FileNotFoundError as error:
        raise Failed("no apt-get: kernels for the VM come as Debian packages") from error
    return [(label, plain(address).rstrip("/")) for label, address in found]


def plain(address):
    """The first mirror of a list of mirrors; other addresses as they are."""
    path = re.sub(r"^mirror\+file:/*", "/", address).rstrip("/")
    if path == address.rstrip("/"):
        return address
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split() for line in file if not line.startswith("#")]
    except OSError as error:
        raise Failed(f"apt's list of mirrors: {error}") from error
    return next((words[0] for words in lines if words), address)


def mirrors():
    """(the archive's address, the security archive's) as this machine's apt has them."""
    found = configured()

    def pick(label, end):
        return next((address for name, address in found if name == label),
                    next((address for _, address in found if address.endswith(end)), None))

    archive = pick("Debian", "/debian")
    if not archive:
        raise Failed("apt-get knows no Debian mirror; is this a Debian system?")
    return archive, pick("Debian-Security", "/debian-security")


def source_lines(release, sources=False):
    """Lines for a sources.list with the suites of a release."""
    archive, security = mirrors()
    lines = []
    for suite in SUITES[release]:
        address = security if suite.endswith("-security") else archive
        if address:
            for kind in ["deb"] + (["deb-src"] if sources else []):
                lines.append(f"{kind} [signed-by={KEYRING}] {address} {suite} main")
    return lines


def options():
    base = cache("apt")
    return ["-o", f"Dir::Etc={base}/etc", "-o", f"Dir::State={base}/state",
            "-o", f"Dir::State::status={base}/status", "-o", f"Dir::Cache={base}/cache",
            # some images of containers switch these off, and every query reads all lists
            "-o", "Dir::Cache::pkgcache=pkgcache.bin",
            "-o", "Dir::Cache::srcpkgcache=srcpkgcache.bin",
            "-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64",
            "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
            "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Languages=none",
            "-o", "APT::Update::Error-Mode=any"]


def listed(suite):
    """Whether there are lists of a suite: a mirror may lack one, or have let it expire."""
    pattern = os.path.join(cache("apt"), "state", "lists", f"*_dists_{suite}_*_Packages*")
    return bool(glob.glob(pattern))


def update(force=False):
    """Bring the lists up to date; old ones do where that fails, or those that could be had."""
    base = cache("apt")
    stamp = os.path.join(base, "updated")
    wanted = "\n".join(line for release in SUITES for line in source_lines(release)) + "\n"
    with locked("apt"):
        for folder in ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d",
                       "etc/trusted.gpg.d", "state/lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(base, folder), exist_ok=True)
        open(os.path.join(base, "status"), "w", encoding="utf-8").close()
        have = ""
        if os.path.exists(stamp):
            with open(stamp, encoding="utf-8") as file:
                have = file.read()
            if not force and have == wanted and \
                    time.time() - os.path.getmtime(stamp) < LISTS_AGE_S:
                return
        if not os.path.exists(KEYRING):
            raise Failed(f"no {KEYRING}: install debian-archive-keyring")
        with open(os.path.join(base, "etc", "sources.list"), "w", encoding="utf-8") as file:
            file.write(wanted)
        note("fetching the package lists")
        try:
            run(["apt-get", "-qq"] + options() + ["update"], "apt-get update")
        except Failed as error:
            if have == wanted:
                note(f"{error}; going on with the lists of "
                     + time.strftime("%F %R", time.localtime(os.path.getmtime(stamp))))
                return
            without = [suite for suites in SUITES.values() for suite in suites
                       if not listed(suite)]
            if set(without) & set(SUITES[ROOT_RELEASE]):
                raise
            note(f"{error}\nvm: going on without {' '.join(without) or 'what failed'}")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)
    names.cache_clear()


@functools.lru_cache(maxsize=None)
def names():
    """The names of all kernel packages."""
    return set(run(["apt-cache"] + options() + ["pkgnames", "linux-"], "apt-cache").split())


def versions(packages):
    """[(package, version, suite)] in which these packages are to be had."""
    found = []
    if not packages:
        return found
    listing = run(["apt-cache"] + options() + ["madison"] + packages, "apt-cache")
    for line in listing.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 3 and fields[0] in packages and fields[2].endswith("Packages"):
            found.append((fields[0], fields[1], fields[2].split()[1].split("/")[0]))
    return found


def depends(package, version):
    """Names of the packages it depends on."""
    text = run(["apt-cache"] + options() + ["show", "--no-all-versions",
                                            f"{package}={version}"], "apt-cache")
    line = next((one for one in text.splitlines() if one.startswith("Depends:")), "")
    return re.findall(r"[a-z0-9][a-z0-9.+-]+(?=[ ,(]|$)", line[len("Depends:"):])


def newer(one, other):
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", other],
                          check=False).returncode == 0


def download(folder, packages):
    """Fetch packages, [(name, version or None)], into a folder; return the files."""
    wanted = [f"{name}={version}" if version else name for name, version in packages]
    try:
        run(["apt-get", "-qq"] + options() + ["download"] + wanted, "apt-get download",
            cwd=folder)
    except Failed:
        update(force=True)  # the archive may have moved on since the lists were read
        run(["apt-get", "-qq"] + options() + ["download"] + wanted, "apt-get download",
            cwd=folder)
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith(".deb"))


def unpack(files, folder):
    """Unpack packages into a folder and remove them."""
    for file in files:
        run(["dpkg-deb", "-x", file, folder], f"unpacking {os.path.basename(file)}")
        remove(file)


if __name__ == "__main__":  # python3 -m host.apt: the archive's address, for scripts
    try:
        print(mirrors()[0])
    except Failed as failure:
        sys.exit(str(failure))
