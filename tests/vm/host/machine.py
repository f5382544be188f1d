# SPDX-License-Identifier: MIT
"""machine.py - QEMU: start it, follow its serial line, end it.

Theory: the first serial line carries PID 1's report, the second the kernel's console into a file.
KVM is used where a guest really starts by it; a machine that has /dev/kvm but cannot run a guest
is found out by the first boot, which is then repeated without.  A machine that says nothing for
longer than the running test may take is hung: the kernel is asked for its tasks by a break on its
console (sysrq), and the machine is ended by its process id.

Sources: qemu-system-x86_64(1), QMP `chardev-send-break`, Documentation/admin-guide/sysrq.rst.
"""
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time

from .common import Failed, cache, note

QEMU = "qemu-system-x86_64"
CPUS = 2
MEMORY_MIB = 2048
BOOT_S = 120
HANG_MARGIN_S = 45
DUMP_S = 15
# What emulation does slowly: five levels of page tables, and "rep movsb", which the kernel takes
# for every copy where the processor claims to do it fast (erms, fsrm).
TCG_CPU = "max,la57=off,-erms,-fsrm"
KERNEL_ARGUMENTS = ("console=ttyS1,115200 loglevel=7 panic=-1 nokaslr "
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


def send_command(stream, name, **arguments):
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    stream.readline()


class Machine:
    """One running QEMU."""

    def __init__(self, image, initramfs, folder, accel, extra=""):
        self.folder = folder
        self.accel = accel
        self.socket_path = os.path.join(folder, "qmp")
        self.command = [
            QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
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

    def start(self):
        """Start with the report on a pipe."""
        if not shutil.which(QEMU):
            raise Failed(f"{QEMU} is not installed")
        self.remove_sockets()
        self.command += ["-chardev", "stdio,id=report,signal=off",
                         "-qmp", f"unix:{self.socket_path},server=on,wait=off"]
        with open(os.path.join(self.folder, "qemu.log"), "wb") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)

    def run_shell(self):
        """Run with this terminal as the first serial line, until the machine ends."""
        self.command += ["-chardev", "stdio,id=report,mux=on,signal=off", "-mon",
                         "chardev=report"]
        return subprocess.run(self.command, check=False).returncode

    def lines(self, limit_s):
        """
        Lines of the report as they come; None each time that nothing came for limit_s()
        seconds.  Ends when the machine does.
        """
        waiter = selectors.DefaultSelector()
        waiter.register(self.process.stdout, selectors.EVENT_READ)
        last = time.monotonic()
        while True:
            if waiter.select(1.0):
                data = self.process.stdout.read(65536)
                if data == b"":
                    break
                last = time.monotonic()
                self.buffer += data or b""
                *whole, self.buffer = self.buffer.split(b"\n")
                for line in whole:
                    yield line.decode("ascii", "replace").rstrip("\r")
            elif time.monotonic() - last > limit_s():
                last = time.monotonic()
                yield None
        if self.buffer:
            yield self.buffer.decode("ascii", "replace")

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
        self.process.stdin.close()
        self.process.stdout.close()
        self.remove_sockets()

    def remove_sockets(self):
        for name in ("qmp", "console"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                os.unlink(path)
