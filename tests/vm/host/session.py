# SPDX-License-Identifier: MIT
"""session.py - the machines of a run: start them, hand out the tests, follow what they say.

Theory: the tests of a run are a queue.  Each machine asks for the next one when it has done one
("vm: next"), so that all are busy until the end whatever the tests take.  Longest first, by their
time limits; a machine takes its tests one by one, so tests on one machine never meet.  Where a
machine crashes or hangs, the test that ran on it has failed, and it is booted again for the rest.
Where the emulator is to blame, that test is run again and only the second time counts.

Files: everything a machine says lies in the run's folder under the machine's number.
"""
import os
import resource

from . import machine, report
from .common import Failed, cache, note, remove, verbose

MACHINES = 2  # one leaves a processor idle half of the time
BETWEEN_S = 60  # what PID 1 may take where no test runs
AGAIN = 3  # boots after the first, of all machines together


def machine_count(tests):
    """How many machines share that many tests: as WEIR_VM_MACHINES says, or as is good here."""
    asked = os.environ.get("WEIR_VM_MACHINES")
    if asked and (not asked.isdigit() or not 1 <= int(asked) <= 16):
        raise Failed(f"WEIR_VM_MACHINES={asked}: a number from 1 to 16")
    return max(1, min(int(asked) if asked else min(MACHINES, os.cpu_count() or 1), tests))


def arguments_of(kernel):
    """Of the kernel's command line: the debug kernel has no mitigations and says so as an error."""
    return "" if kernel.get("tree") else "mitigations=off"


class Guest:
    """One machine of a session, from one boot to its end."""

    def __init__(self, folder, stream, kernel, initramfs, accel):
        self.folder = folder
        self.stream = stream
        self.test = None  # that runs, or was asked for
        self.machine = machine.Machine(kernel["image"], initramfs, folder, accel,
                                       arguments_of(kernel))
        self.log = open(os.path.join(folder, "serial.log"), "w", encoding="utf-8")
        self.machine.start()

    def end(self):
        self.machine.end()
        self.log.close()

    def silence_s(self):
        """How long it may say nothing now."""
        if self.stream.boot_s is None:
            return machine.BOOT_S
        return (self.test.timeout_s if self.test else BETWEEN_S) + machine.HANG_MARGIN_S


class Session:
    """All boots with all tests of a plan."""

    def __init__(self, kernel, folder, initramfs, quiet):
        self.kernel = kernel
        self.folder = folder
        self.initramfs = initramfs
        self.quiet = quiet
        self.accel = None
        self.guests = {}  # by machine
        self.machines = []
        self.queue = []
        self.again = AGAIN

    def run(self, run, plan, accel):
        """Fill the report.Run; the plan's order is kept."""
        self.queue = list(plan)
        self.accel = accel
        try:
            for number, stream in enumerate(run.streams, 1):
                remove(os.path.join(self.folder, str(number)))
                self.start(os.path.join(self.folder, str(number)), stream)
            for one, line in machine.lines(self.machines, lambda one: self.guests[one].silence_s()):
                if line is None:
                    self.over(self.guests[one])
                else:
                    self.take(self.guests[one], line)
        finally:
            for guest in self.guests.values():
                guest.end()

    def start(self, folder, stream):
        guest = Guest(folder, stream, self.kernel, self.initramfs, self.accel)
        self.guests[guest.machine] = guest
        self.machines.append(guest.machine)

    def take(self, guest, line):
        guest.log.write(line + "\n")
        guest.log.flush()
        for result in guest.stream.take(line):
            self.print(result)
        if line == "vm: next":
            guest.test = self.queue.pop(0) if self.queue else None
            guest.machine.say(f"{guest.test.name} {guest.test.timeout_s}" if guest.test else "end")

    def over(self, guest):
        """A machine is over: all is done, or it crashed, or it is silent."""
        why = "the machine ended in it"
        if not guest.machine.ended:
            note("a machine says nothing any more: asking the kernel for its tasks")
            guest.machine.ask_for_tasks()
            why = "the machine hung, and was asked for its tasks"
        guest.end()
        if guest.stream.done:
            return
        is_up = guest.stream.boot_s is not None
        is_emulators = guest.machine.is_emulators_fault()
        is_again = self.again > 0 and (is_emulators or is_up and len(self.queue) > 0)
        log = self.keep_console(guest) if is_again else os.path.join(guest.folder, "console.log")
        if is_again and is_emulators:
            note(f"the emulator broke the kernel (Oops: int3): booting again; see {log}")
            if guest.test:
                self.queue.insert(0, guest.test)
        elif is_up:
            self.print(guest.stream.broke_off(f"{why}; see {log}"))
        if is_again:
            guest.stream.restart()
            self.start(guest.folder, guest.stream)

    def keep_console(self, guest):
        """Count one more boot, which begins a new console.log, and keep the old one."""
        self.again -= 1
        kept = os.path.join(guest.folder, f"console.{AGAIN - self.again}.log")
        os.replace(os.path.join(guest.folder, "console.log"), kept)
        return kept

    def print(self, result):
        if not self.quiet:
            report.print_result(result)
            if result.verdict == "failed" or verbose():
                report.print_output(result)


def tail(path, count):
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            print("".join(file.readlines()[-count:]).rstrip())


def boot(kernel, label, folder, plan, initramfs, count=1, quiet=False):
    """
    Boot by the best way there is and run the plan; (the report.Run, the way).  The initramfs is
    removed, quiet prints no results.
    """
    def attempt(accel):
        run = report.Run(label, [test.name for test in plan], count)
        Session(kernel, folder, initramfs, quiet).run(run, plan, accel)
        return run

    try:
        accel = machine.accelerator()
        run = attempt(accel)
        if run.boot_s is None and accel == "kvm" and not os.environ.get("WEIR_VM_ACCEL"):
            note("no guest starts by this machine's KVM: emulating")
            open(machine.no_kvm_mark(), "w", encoding="utf-8").close()
            accel = "tcg"
            run = attempt(accel)
    finally:
        remove(initramfs)
    for number, stream in enumerate(run.streams, 1):
        if stream.boot_s is None:
            tail(os.path.join(folder, str(number), "qemu.log"), 5)
            tail(os.path.join(folder, str(number), "console.log"), 40)
            stream.broke_off("the kernel did not reach user space")
    return run, accel


def processor_s():
    """Processor time of all ended children of this process, the emulators among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
