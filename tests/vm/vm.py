#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
vm.py test [SERIES [PATTERN]]   run the tests whose name begins with PATTERN on one kernel
vm.py all [PATTERN]             the same on every kernel of the list; a missing one is reported
vm.py check FOLDER              selftest, newest kernel, and the library's tests on one without
                                zero-copy receive; JUnit to FOLDER
vm.py shell [SERIES]            a shell in the VM, two namespaces with the test NIC between them
vm.py debug [PATTERN]           the tests on a kernel built with KASAN, lockdep, kmemleak, UBSAN
vm.py demo FOLDER               the VM's part of `make demo`: iperf3's documents to FOLDER
vm.py soak SECONDS SEED         the VM's part of `make soak`: random scenarios over zcrx
vm.py selftest [SERIES]         tests that misbehave must be found out
vm.py fetch [SERIES...]         only fetch and make what the others need

Theory: a run takes a kernel (kernels.py), a root with compiler and programs (root.py), what this
tree gives (parts.py), writes an initramfs (image.py), boots machines with it that share the tests
(session.py, machine.py), and reads PID 1's report (report.py).  Everything of a run lies in
build/vm/SERIES/: results.txt, junit.xml, and for each machine, in a folder with its number, the
report serial.log and the kernel's console.log.

Environment: WEIR_VM_CACHE (where kernels and root lie), WEIR_VM_ACCEL (kvm or tcg),
WEIR_VM_MACHINES (how many share the tests), V=1 (print the output of tests that passed, too).
Exit status: 0 where all passed and every skip was expected, 1 where not, 2 where it cannot be run.
"""
from concurrent import futures
import os
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True

from host import debugkernel, demo, image, kernels, machine, parts, report, root  # noqa: E402
from host import selftest, session  # noqa: E402
from host.common import Failed, TREE, VM, die, locked_file, note, remove, verbose  # noqa: E402
from host.common import run as run_command  # noqa: E402

# Oldest first.  One entry may name alternatives: the first that there is.
SERIES = [["6.1"], ["6.12"], ["6.19", "6.18"], ["7.2"], ["7.3"]]
NEWEST = "7.3"
WITHOUT_ZCRX = "6.12"
# Time limits of tests are for a machine that does nothing else; on a busy one all is slower.
BUSY = 2
DEBUG_SLOW = 6  # as SLOW in t/lib.sh
SOAK_ENDS_S = 300  # for what is under way when a soak's time is over
# Older kernels take fallbacks that are in no other run; the host's tests run on a new one anyhow.
WHOLE_CONTRACT = ["6.1", "6.12", "6.18", "6.19"]
EXPECTED = os.path.join(VM, "expected-skips.txt")


def folder_of(label):
    folder = os.path.join(TREE, "build", "vm", label)
    os.makedirs(folder, exist_ok=True)
    return folder


def own_folder(label):
    """The run's folder belongs to one run at a time, which is as long as its lock is held."""
    return locked_file(os.path.join(folder_of(label), "lock"), f"uses build/vm/{label}")


def build_programs(targets):
    """What the VM takes of build/release, as the sources are now; all of it without targets."""
    with locked_file(os.path.join(TREE, "build", "vm", "lock"), "builds the programs"):
        run_command([os.path.join(TREE, "scripts", "build.sh"), "release"] + list(targets),
                    "building the programs")


def prepare(kernel, label, broken, shell=False, thorough=False, targets=(), facts=""):
    """
    Write the initramfs of a run; return its path.  Why the module cannot be built, where it should,
    is added to the list `broken`.  Tests that try each of many cases take a part of them where the
    run is not thorough.
    """
    folder = folder_of(label)
    build_programs(targets)
    system = root.get()
    module = plugin = None
    try:
        module, plugin = parts.build_module(kernel, folder)
    except Failed as error:
        if kernel["headers"]:
            broken.append(str(error))
        note(f"{error}: going on without the test NIC")
    path = os.path.join(folder, "initramfs")
    whole = kernel["series"] in WHOLE_CONTRACT
    files = {"testnic.readme": parts.testnic_readme(),
             "contract.list": parts.contract_list(with_faults=whole),
             "contract.faults": parts.contract_faults(),
             "kernel.facts": f"series={kernel['series']}\nversion={kernel['version']}\n"
                             f"module={'yes' if module else 'no'}\n"
                             f"debug={'yes' if kernel.get('tree') else 'no'}\n"
                             f"thorough={'yes' if thorough else 'no'}\n{facts}"}
    if shell:
        files["shell"] = ""
    image.write(path, system, kernel,
                {"init": parts.init_program(), "module": module, "ip_plugin": plugin,
                 "programs": parts.programs(), "files": files}, VM)
    return path


def run_plan(kernel, label, plan, results, thorough):
    """Run the planned tests on one kernel and print what came of it; True where all is well."""
    began = time.monotonic()
    broken = []
    initramfs = prepare(kernel, label, broken, thorough=thorough)
    prepared_s = time.monotonic() - began
    used_s = session.processor_s()
    plan.sort(key=lambda test: -test.timeout_s)
    count = session.machine_count(len(plan))
    run, accel = session.boot(kernel, label, folder_of(label), plan, initramfs, count)
    used_s = session.processor_s() - used_s
    for text in broken:
        run.add_failure("module_build", text)
    report.write_all(run, folder_of(label))
    if results:
        report.write_junit(run, os.path.join(results, f"vm-{label}.xml"))
    unexpected = list(report.unexpected_skips(run, EXPECTED))
    for result in unexpected:
        print(f"skip not on tests/vm/expected-skips.txt: vm-{label}:{result.name}: "
              f"{result.reason}")
    print(f"vm-{label}: Linux {kernel['version']} by {accel} on {count} machines, user space after "
          f"{run.boot_s if run.boot_s is not None else '-'} s, prepared in {prepared_s:.0f} s, "
          f"{time.monotonic() - began:.0f} s in all, {used_s:.0f} s of processor time: "
          f"{run.count('passed')} passed, "
          f"{run.count('failed')} failed, {run.count('skipped')} skipped", flush=True)
    return run.count("failed") == 0 and not unexpected


def run_kernel(kernel, label, pattern, slow_by=1, results=None, thorough=None):
    """Run the tests whose name begins with the pattern; those that are named do all they can,
    unless thorough says."""
    plan = parts.tests(pattern, slow_by * BUSY)
    if not plan:
        raise Failed(f"no test in tests/vm/t begins with {pattern!r}")
    with own_folder(label):
        return run_plan(kernel, label, plan, results,
                        bool(pattern) if thorough is None else thorough)


def kernel_of(names):
    """The kernel of the first series of the names that there is; None where there is none."""
    for series in names:
        kernel = kernels.get(series)
        if kernel:
            return kernel
    return None


def must_kernel(series):
    kernel = kernel_of([series])
    if not kernel:
        raise Failed(f"no Debian suite has Linux {series}")
    return kernel


def command_test(arguments):
    series = (arguments[0:1] or [""])[0] or NEWEST
    return run_kernel(must_kernel(series), series, (arguments[1:2] or [""])[0])


def command_all(arguments):
    good = True
    for names in SERIES:
        try:
            kernel = kernel_of(names)
            if not kernel:
                raise Failed(f"MISSING: no Debian suite has Linux {' or '.join(names)}")
            good &= run_kernel(kernel, kernel["series"], (arguments[0:1] or [""])[0],
                               thorough=True)
        except Failed as error:
            print(f"vm-{names[0]}: {error}", flush=True)
            good = False
    return good


def command_check(arguments):
    results = arguments[0]
    with futures.ThreadPoolExecutor(1) as beside:
        selftests = beside.submit(run_selftest, NEWEST, results)  # most of it is waiting
        good = check_kernels(results)
    return good & selftests.result()


def check_kernels(results):
    good = True
    for series, pattern in ((NEWEST, ""), (WITHOUT_ZCRX, "lib_")):
        good &= run_kernel(must_kernel(series), series, pattern, results=results, thorough=False)
    return good


def command_shell(arguments):
    series = (arguments[0:1] or [""])[0] or NEWEST
    kernel = must_kernel(series)
    label = series + "-shell"
    with own_folder(label):
        initramfs = prepare(kernel, label, [], shell=True)
        guest = machine.Machine(kernel["image"], initramfs, folder_of(label),
                                machine.accelerator(), session.arguments_of(kernel))
        print("^A x ends the machine at once", flush=True)
        try:
            return guest.run_shell() == 0
        finally:
            remove(initramfs)


def command_demo(arguments):
    """The documents of the demo in a folder."""
    demo.must_be_there()
    kernel = must_kernel(NEWEST)
    broken = []
    with own_folder(demo.TEST):
        initramfs = prepare(kernel, demo.TEST, broken, targets=["product", "weir-vm-init"])
        if broken:
            remove(initramfs)
            raise Failed(broken[0])
        run, accel = session.boot(kernel, demo.TEST, folder_of(demo.TEST),
                                  parts.tests("", folder=os.path.join(VM, "demo")), initramfs,
                                  quiet=True)
    result = run.results[demo.TEST]
    count = demo.take(result, arguments[0])
    if result.verdict != "passed" or not count:
        raise Failed("\n".join([result.reason] + result.output[-20:]))
    print(f"Linux {kernel['version']}, {'emulated' if accel == 'tcg' else 'by ' + accel}")
    return True


def command_soak(arguments):
    """One machine, one test: tests/vm/soak/soak.sh; its last lines are printed."""
    seconds, seed = int(arguments[0]), int(arguments[1])
    kernel = must_kernel(NEWEST)
    broken = []
    with own_folder("soak"):
        initramfs = prepare(kernel, "soak", broken,
                            facts=f"soak_seconds={seconds}\nsoak_seed={seed}\n")
        if broken:
            remove(initramfs)
            raise Failed(broken[0])
        plan = parts.tests("", folder=os.path.join(VM, "soak"))
        plan[0].timeout_s = seconds + SOAK_ENDS_S
        run, accel = session.boot(kernel, "soak", folder_of("soak"), plan, initramfs, quiet=True)
    for result in run.results.values():
        if result.verdict == "failed" or verbose():
            report.print_result(result)
            report.print_output(result)
    ran = [line for line in run.results["soak"].output if line.startswith("| runs ")]
    passed, skipped = ran[0].split()[2:] if ran else ("0", "0")
    print(f"vm-soak: Linux {kernel['version']} by {accel}: {passed} passed, "
          f"{run.count('failed')} failed, {skipped} skipped", flush=True)
    return run.count("failed") == 0 and bool(ran)


def command_debug(arguments):
    kernel = debugkernel.get(NEWEST)
    return run_kernel(kernel, "debug", (arguments[0:1] or [""])[0], slow_by=DEBUG_SLOW)


def run_selftest(series, results=None):
    """The misbehaving tests on a kernel; True where each was found out."""
    kernel = must_kernel(series)
    plan = selftest.plan()
    with own_folder("selftest"):
        initramfs = prepare(kernel, "selftest", [])
        run, _ = session.boot(kernel, "selftest", folder_of("selftest"), plan, initramfs,
                              quiet=True)
    judged = selftest.judge(run, folder_of("selftest"))
    if results:
        report.write_junit(judged, os.path.join(results, "vm-selftest.xml"))
    print(f"vm-selftest: {judged.count('passed')} passed, {judged.count('failed')} failed",
          flush=True)
    return judged.count("failed") == 0


def command_selftest(arguments):
    return run_selftest((arguments[0:1] or [""])[0] or NEWEST)


def command_fetch(arguments):
    root.get()
    good = True
    for names in [[name] for name in arguments] or SERIES:
        kernel = kernel_of(names)
        print(f"{names[0]}: {kernel['version'] if kernel else 'MISSING'}")
        good &= kernel is not None
        if kernel and kernel["headers"]:
            root.headers(kernel)
    return good


COMMANDS = {"test": command_test, "all": command_all, "check": command_check,
            "shell": command_shell, "demo": command_demo, "debug": command_debug,
            "soak": command_soak, "fetch": command_fetch, "selftest": command_selftest}


def main():
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(143))
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    words = {command_check: 1, command_demo: 1, command_soak: 2}.get(command, 0)
    if not command or len(sys.argv) < 2 + words:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return 0 if command(sys.argv[2:]) else 1
    except Failed as error:
        die(error)
        return 2
    except KeyboardInterrupt:
        die("ended by the user")
        return 130
    except Exception:  # a fault of this program is not a failed test
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    sys.exit(main())
