# SPDX-License-Identifier: MIT
"""image.py - the initramfs: programs, modules, tests.

Theory: an initramfs is one or several cpio archives ("newc") one after the other.  It is written
here, uncompressed, because unpacking under emulation costs more than copying.  Programs of Debian
13 lie in /bin with their libraries where their loader looks for them.  Programs built on the host
may want other libraries: these lie in /host/lib with the host's own loader, and /host/bin/NAME is
a script that starts the program by that loader.

Sources: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""
import lzma
import os
import re
import stat
import subprocess

from .common import Failed, run
from .root import LIBRARIES, LOADER, loader_of

LOADED_LATER = ["libgcc_s.so.1"]  # by pthread_cancel(), not by the loader
# timeout: the one of busybox leaves a watcher behind for a second
PROGRAMS = ["bash", "ip", "ss", "tc", "ethtool", "iperf3", "timeout"]

# Modules that tests use, where the kernel does not have them built in; the rest is not packed.
MODULES = ["veth", "dummy", "tun", "8021q", "tls", "sctp", "sch_netem", "sch_fq", "inet_diag",
           "tcp_diag", "udp_diag", "vrf", "virtio_net", "udmabuf", "xsk_diag", "sch_ingress"]

SHELL = """#!/bin/bash
# What `make vm-shell` starts: two namespaces, the test NIC between them, a prompt.
cd /tmp
. /t/lib.sh
trap - EXIT
stty rows 50 cols 140 2>/dev/null
if nic_available && pair; then
	echo "namespaces a (wn0, 10.77.0.1) and b (wn1, 10.77.0.2): ip netns exec a bash"
else
	echo "no test NIC on this kernel"
fi
echo "weir-zcraw list; poweroff -f or ^D ends the machine"
exec bash --noprofile --norc -i
"""

RECOVER = """#!/bin/bash
# What PID 1 runs after a test that left something behind.
for each in /run/netns/*; do
	[ -e "$each" ] && ip netns delete "${each##*/}"
done
for each in /sys/class/net/*; do
	[ "${each##*/}" = lo ] || ip link delete "${each##*/}" 2>/dev/null
done
echo 0 >/proc/sys/vm/nr_hugepages
[ ! -d /sys/module/weirnic ] || rmmod weirnic
"""

SYSCTLS = """# Unread data of a dead receiver waits on a per-CPU list, which then looks like a leak.
net.core.skb_defer_max = 0
kernel.hung_task_timeout_secs = 120
kernel.printk_ratelimit = 0
kernel.sysrq = 511
net.ipv6.conf.default.accept_dad = 0
net.ipv6.conf.all.accept_dad = 0
"""


class Archive:
    """A cpio archive that is being written."""

    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.known = set()

    def entry(self, path, mode, data=b"", device=(0, 0)):
        path = path.strip("/")
        if path in self.known:
            return
        if "/" in path:
            self.folder(os.path.dirname(path))
        self.known.add(path)
        self.write(path, mode, data, device)

    def write(self, path, mode, data, device=(0, 0)):
        self.inode += 1
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = [self.inode, mode, 0, 0, links, 0, len(data), 0, 0, device[0], device[1],
                  len(name), 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        self.file.write(head + b"\0" * (-len(head) % 4))
        self.file.write(data + b"\0" * (-len(data) % 4))

    def folder(self, path):
        self.entry(path, stat.S_IFDIR | 0o755)

    def text(self, path, text, mode=0o644):
        self.entry(path, stat.S_IFREG | mode, text.encode())

    def link(self, path, target):
        self.entry(path, stat.S_IFLNK | 0o777, target.encode())

    def copy(self, path, source, mode=None):
        with open(source, "rb") as file:
            data = file.read()
        if mode is None:
            mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self.entry(path, stat.S_IFREG | mode, data)

    def end(self):
        self.write("TRAILER!!!", 0, b"")


def libraries_of(program, root=None):
    """Paths of the shared libraries a program needs; of a root's program, those of that root."""
    if root:
        command = loader_of(root) + ["--list", program]
    else:
        command = ["ldd", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        if "not a dynamic" in done.stdout + done.stderr:
            return []
        raise Failed(f"{' '.join(command)}: {done.stdout}{done.stderr}".rstrip())
    found = []
    for line in done.stdout.splitlines():
        match = re.search(r"(?:=> )?(/\S+) \(0x", line)
        if match:
            found.append(match.group(1))
        elif "not found" in line:
            raise Failed(f"{program}: {line.strip()}")
    return found


def add_userland(archive, root):
    """Debian 13's programs below /bin, busybox for the rest."""
    archive.folder("usr")
    for link, target in (("usr/bin", "../bin"), ("sbin", "bin"), ("usr/sbin", "../bin"),
                         ("lib64", "lib"), ("usr/lib", "../lib")):
        archive.link(link, target)
    for name in PROGRAMS:
        program = next((os.path.join(root, place, name) for place in
                        ("usr/bin", "usr/sbin", "bin", "sbin")
                        if os.path.exists(os.path.join(root, place, name))), None)
        if program is None:
            raise Failed(f"the root has no {name}")
        archive.copy("bin/" + name, program)
        for library in libraries_of(program, root):
            archive.copy("lib/" + os.path.basename(library), os.path.realpath(library))
    for library in LOADED_LATER:
        archive.copy("lib/" + library, os.path.realpath(root + LIBRARIES + "/" + library))
    archive.copy("lib/" + os.path.basename(LOADER), os.path.realpath(root + LOADER))
    busybox = os.path.join(root, "usr/bin/busybox")
    archive.copy("bin/busybox", busybox)
    for applet in run([busybox, "--list"], "busybox --list").split():
        archive.link("bin/" + applet, "busybox")


def add_system(archive):
    """Folders and the few files of /etc that programs ask for."""
    for folder in ("proc", "sys", "dev", "run", "tmp", "etc", "root", "var", "host/bin",
                   "host/lib"):
        archive.folder(folder)
    archive.entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.text("etc/passwd", "root:x:0:0:root:/tmp:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n")
    archive.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    archive.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    archive.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    archive.text("etc/sysctl.conf", SYSCTLS)
    archive.text("etc/shell.sh", SHELL, 0o755)
    archive.text("etc/recover.sh", RECOVER, 0o755)


def add_host_program(archive, name, program):
    """A program built on the host, with its libraries and its loader; static ones as they are."""
    libraries = libraries_of(program)
    if not libraries:
        archive.copy("host/bin/" + name, program)
        return
    loader = None
    for library in libraries:
        base = os.path.basename(library)
        archive.copy("host/lib/" + base, os.path.realpath(library))
        if base.startswith("ld-linux"):
            loader = "/host/lib/" + base
    for library in LOADED_LATER:
        archive.copy("host/lib/" + library,
                     os.path.realpath(os.path.join(os.path.dirname(libraries[0]), library)))
    archive.copy("host/lib/programs/" + name, program)
    archive.text("host/bin/" + name, "#!/bin/busybox sh\n"
                 f"exec {loader} --library-path /host/lib --argv0 \"$0\" "
                 f"/host/lib/programs/{name} \"$@\"\n", 0o755)


def module_data(path):
    """A module's bytes; Debian packs them with xz."""
    with open(path, "rb") as file:
        data = file.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def module_files(modules):
    """{name: path} of the modules below a folder."""
    found = {}
    for base, _, files in os.walk(modules):
        for name in files:
            match = re.match(r"(.+)\.ko(\.xz)?$", name)
            if match:
                found[match.group(1).replace("-", "_")] = os.path.join(base, name)
    return found


def add_modules(archive, modules):
    """The wanted modules and what they need, and the order in which PID 1 loads them."""
    files = module_files(modules)
    order = []

    def add(name):
        if name in order or name not in files:
            return
        data = module_data(files[name])
        needs = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in (needs.group(1).decode().split(",") if needs else []):
            add(other.replace("-", "_"))
        order.append(name)
        archive.entry(f"lib/modules/{name}.ko", stat.S_IFREG | 0o644, data)

    for name in MODULES:
        add(name.replace("-", "_"))
    archive.text("lib/modules.load", "".join(f"/lib/modules/{name}.ko\n" for name in order))


def add_tests(archive, vm):
    """The tests, and what judges the kernel's log."""
    for folder in ("t", "bad", "demo", "soak"):
        for name in sorted(os.listdir(os.path.join(vm, folder))):
            if not name.startswith("."):
                archive.copy("t/" + name, os.path.join(vm, folder, name), 0o755)
    archive.copy("kmsg.bad", os.path.join(vm, "kmsg-bad.txt"))
    archive.copy("kmsg.allow", os.path.join(vm, "kmsg-allow.txt"))


def write(path, root, kernel, parts, vm):
    """
    Write the initramfs.  parts: "init" (PID 1), "module", "ip_plugin" (or None), "programs"
    ({name: path} of the host), "files" ({path in the VM: text}).
    """
    with open(path, "wb") as file:
        archive = Archive(file)
        add_userland(archive, root)
        add_system(archive)
        archive.copy("init", parts["init"], 0o755)
        if kernel["modules"]:
            add_modules(archive, kernel["modules"])
        else:
            archive.text("lib/modules.load", "")
        if parts["module"]:
            archive.copy("lib/weirnic.ko", parts["module"])
        if parts["ip_plugin"]:
            archive.copy("lib/ip/link_weirnic.so", parts["ip_plugin"], 0o644)
        for name, program in parts["programs"].items():
            add_host_program(archive, name, program)
        for name, text in parts["files"].items():
            archive.text(name, text)
        add_tests(archive, vm)
        archive.end()
