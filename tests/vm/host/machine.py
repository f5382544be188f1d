# SPDX-License-Identifier: MIT
"""machine.py - QEMU: start it, follow its serial line, end it.

Theory: the first serial line carries what PID 1 and the host say to each other, the second the
kernel's console into a file.  KVM is used where a guest really starts by it; a machine that has
/dev/kvm but cannot run a guest is found out by the first boot, which is then repeated without.  A
machine that says nothing for longer than the running test may take is hung: the kernel is asked
for its tasks by a break on its console (sysrq), and the machine is ended by its process id.

The emulator is that of the root, QEMU 10, not the host's.  Before QEMU 8.1 one emulated processor
could translate code while another one was writing it, and then ran for ever the breakpoint by which
the kernel patches its own code: "Oops: int3", once in twenty runs.  With QEMU 10 it was seen once
in sixty boots on a machine with a load of 50; why is not proved (our guess: a translation is
dropped before the write that makes it wrong, not with it).  is_emulators_fault() tells such an end;
session.py boots again.

Sources: qemu-system-x86_64(1), QMP `chardev-send-break`, Documentation/admin-guide/sysrq.rst;
QEMU's commit deba78709ae8 ("accel/tcg: Always lock pages before translation"), and notdirty_write()
in its accel/tcg/cputlb.c; smp_text_poke_batch_finish() in arch/x86/kernel/alternative.c, Linux 7.3.
"""
import json
import os
import selectors
import signal
import socket
import subprocess
import time

from . import root
from .common import Failed, cache, note

CPUS = 2
MEMORY_MIB = 2048
BOOT_S = 120
HANG_MARGIN_S = 45
DUMP_S = 15
# What emulation does slowly: five levels of page tables, and "rep movsb", which the kernel takes
# for every copy where the processor claims to do it fast (erms, fsrm).
TCG_CPU = "max,la57=off,-erms,-fsrm"
KERNEL_ARGUMENTS = ("console=ttyS1,115200 loglevel=7 panic=-1 oops=panic nokaslr "
                    "random.trust_cpu=on no_timer_check rcupdate.rcu_cpu_stall_timeout=60 "
                    "print-fatal-signals=0 net.ifnames=0")


def accelerator():
    """The way to try first: KVM where this user may open it, unless WEIR_VM_ACCEL says."""
    asked = os.environ.get("WEIR_VM_ACCEL")
    if asked:
        if asked not in ("kvm", "tcg"):
            raise Failed(f"WEIR_VM_ACCEL={asked}: kvm or tcg")
        return asked
    if os.path.exists(no_kvm_mark()) or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    return "kvm"


def no_kvm_mark():
    """The file that says that no guest started by KVM since this machine's last start."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return cache("no-kvm", file.read().strip())


def emulator():
    """The words that start the root's QEMU."""
    base = root.get()
    return root.loader_of(base) + [base + "/usr/bin/qemu-system-x86_64", "-L",
                                   base + "/usr/share/qemu", "-L", base + "/usr/share/seabios"]


def send_command(stream, name, **arguments):
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    stream.readline()


class Machine:
    """One running QEMU; its files lie in the folder."""

    def __init__(self, image, initramfs, folder, accel, extra=""):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.accel = accel
        self.socket_path = os.path.join(folder, "qmp")
        self.command = [
            *emulator(), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-machine", "pc", "-smp", str(CPUS), "-m", str(MEMORY_MIB),
            "-kernel", image, "-initrd", initramfs,
            "-append", (KERNEL_ARGUMENTS + " " + extra).strip(),
            "-serial", "chardev:report",
            "-chardev", f"socket,id=console,path={folder}/console,server=on,wait=off,"
            f"logfile={folder}/console.log", "-serial", "chardev:console"]
        if accel == "kvm":
            self.command += ["-accel", "kvm", "-cpu", "host"]
        else:
            self.command += ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", TCG_CPU]
        self.process = None
        self.buffer = b""
        self.heard = None  # when it said something the last time
        self.ended = False

    def start(self):
        """Start with the report on a pipe."""
        self.remove_sockets()
        self.command += ["-chardev", "stdio,id=report,signal=off",
                         "-qmp", f"unix:{self.socket_path},server=on,wait=off"]
        with open(os.path.join(self.folder, "qemu.log"), "wb") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.heard = time.monotonic()

    def run_shell(self):
        """Run with this terminal as the first serial line, until the machine ends."""
        self.command += ["-chardev", "stdio,id=report,mux=on,signal=off", "-mon",
                         "chardev=report"]
        return subprocess.run(self.command, check=False).returncode

    def take_lines(self):
        """Whole lines that have come since the last call; None at the end of the machine."""
        data = self.process.stdout.read(65536)
        if data == b"":
            self.ended = True
            return None
        self.heard = time.monotonic()
        self.buffer += data or b""
        *whole, self.buffer = self.buffer.split(b"\n")
        return [line.decode("ascii", "replace").rstrip("\r") for line in whole]

    def say(self, line):
        """A line to PID 1; one that is gone does not hear it."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def is_emulators_fault(self):
        """Did the kernel end by a breakpoint of its own, which only an emulator lets it meet?"""
        if self.accel != "tcg":
            return False
        with open(os.path.join(self.folder, "console.log"), encoding="utf-8",
                  errors="replace") as file:
            return "Oops: int3" in file.read()

    def ask_for_tasks(self):
        """Have the kernel print where each processor and each task is, into console.log."""
        try:
            with socket.socket(socket.AF_UNIX) as control, \
                    socket.socket(socket.AF_UNIX) as console:
                for end, path in ((control, self.socket_path),
                                  (console, os.path.join(self.folder, "console"))):
                    end.settimeout(5)
                    end.connect(path)
                stream = control.makefile("rw")
                stream.readline()
                send_command(stream, "qmp_capabilities")
                for key in (b"l", b"w", b"t"):
                    send_command(stream, "chardev-send-break", id="console")
                    console.sendall(key)
                    time.sleep(1)
                self.drain(console)
        except OSError as error:
            note(f"the machine cannot be asked for its tasks: {error}")

    def drain(self, console):
        """Read the console until it is silent for two seconds, or DUMP_S at most."""
        deadline = time.monotonic() + DUMP_S
        console.settimeout(2)
        try:
            while time.monotonic() < deadline and console.recv(65536):
                pass
        except TimeoutError:
            pass

    def end(self):
        """End the machine, if it still runs, by its process id."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except OSError:  # what it was told last it did not hear
            pass
        self.remove_sockets()

    def remove_sockets(self):
        for name in ("qmp", "console"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                os.unlink(path)


def lines(machines, limit_s):
    """
    (machine, line) as they come from the machines of a list, to which more may be added meanwhile.
    The last of each is (machine, None): it has ended, or said nothing for limit_s(machine) seconds.
    """
    waiter = selectors.DefaultSelector()
    followed = 0
    while followed < len(machines) or waiter.get_map():
        for each in machines[followed:]:
            waiter.register(each.process.stdout, selectors.EVENT_READ, each)
        followed = len(machines)
        over = []
        for key, _ in waiter.select(1.0):
            whole = key.data.take_lines()
            if whole is None:
                over.append(key.data)
                whole = [key.data.buffer.decode("ascii", "replace")] if key.data.buffer else []
            yield from ((key.data, line) for line in whole)
        now = time.monotonic()
        over += [key.data for key in waiter.get_map().values() if key.data not in over
                 and now - key.data.heard > limit_s(key.data)][:1]
        for each in over:
            waiter.unregister(each.process.stdout)
            yield each, None
    waiter.close()
