// SPDX-License-Identifier: MIT
/*
 * init.c - PID 1 of the test VM: runs the tests that the host asks for, and reports in TAP.
 *
 * Theory: the first line of the report is "vm: up" with the kernel's clock, by which the host knows
 * that user space runs.  At each "vm: next" the host answers with a test and its time limit in
 * seconds, or with "end"; so several machines can share the tests of a run.  Between the tests' own
 * lines ("| ") and the kernel's ("K ", bad ones "K! ") stand the lines of TAP.  Two more results
 * frame the tests: kernel_boot (the log until user space) and kernel_end (the log after the last
 * test, and leaks, where the kernel looks for them).  "vm: done" is the last line; without it the
 * host knows that the rest is missing.  With a file /shell there is a shell instead of all that.
 *
 * Invariants: 1. every test asked for has exactly one result, unless the machine stops.
 * 2. Nothing but kernel threads runs between two tests.
 *
 * Ownership: PID 1 reaps everything.  Threads: one.  Errors: what cannot be done is said on the
 * serial line; PID 1 never ends.
 *
 * Sources: Documentation/admin-guide/{sysrq,init}.rst, Documentation/dev-tools/kmemleak.rst.
 * Tests: t/harness_basic.sh, and the scripts of bad/ with host/selftest.py.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
#define KMEMLEAK_AGE_MS 6000 /* what is younger than 5 s is not reported */
#define HOST_ANSWERS_MS 60000 /* a host that is gone asks for nothing more */

static unsigned result_count;

static void report(bool good, const char *name, uint64_t wall_ms, const char *skip,
		   const char *reason)
{
	const char *mark = skip ? " # SKIP " : !good ? " # " : "";

	say("%s %u - %s # time %.2f%s%s", good ? "ok" : "not ok", ++result_count, name,
	    (double)wall_ms / 1000, mark,
	    skip ? skip :
	    good ? "" :
		   reason);
}

/* Everything an unused object would be found by: scan twice, because the first finds suspects. */
static unsigned leaks(void)
{
	char *found;
	size_t len = 0;

	if (access(KMEMLEAK, W_OK))
		return 0;
	file_write(KMEMLEAK, "scan");
	poll(NULL, 0, KMEMLEAK_AGE_MS);
	file_write(KMEMLEAK, "scan");
	found = file_read(KMEMLEAK, &len);
	if (found)
		say_text("K! ", found, len);
	free(found);
	return len > 0;
}

static void run_line(const char *line)
{
	char name[100];
	unsigned timeout_s;
	struct run_result result;

	if (sscanf(line, "%99s %u", name, &timeout_s) != 2) {
		say("# not understood: %s", line);
		return;
	}
	say("# run %s", name);
	run_test(name, timeout_s, &result);
	report(result.verdict == VERDICT_PASS || result.verdict == VERDICT_SKIP, name,
	       result.wall_ms, result.verdict == VERDICT_SKIP ? result.reason : NULL,
	       result.reason);
	if (result.verdict == VERDICT_STUCK) {
		say("Bail out! a process of %s cannot be killed", name);
		sync();
		reboot(RB_AUTOBOOT);
	}
}

/* Ask the host for the next test; false where there is none. */
static bool next_line(char *line, size_t size)
{
	say("vm: next");
	return hear(line, size, HOST_ANSWERS_MS) && strcmp(line, "end") != 0;
}

static void run_tests(void)
{
	uint64_t began = now_ms();
	char line[200];
	unsigned bad;

	say("TAP version 13");
	bad = kmsg_scan(false);
	report(bad == 0, "kernel_boot", now_ms() - began, NULL, "bad lines in the kernel's log");
	while (next_line(line, sizeof(line)))
		run_line(line);
	began = now_ms();
	bad = leaks() + kmsg_scan(false);
	report(bad == 0, "kernel_end", now_ms() - began, NULL,
	       "bad lines in the kernel's log, or leaks");
	say("1..%u", result_count);
}

/* A shell on the serial line; when it ends, the machine does. */
static void run_shell(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		/* a fresh open: the terminal's own settings, and a controlling terminal */
		close(0);
		if (open("/dev/ttyS0", O_RDWR) == 0)
			ioctl(0, TIOCSCTTY, 1);
		dup2(0, 1);
		dup2(0, 2);
		chdir("/tmp");
		execl("/etc/shell.sh", "/etc/shell.sh", NULL);
		_exit(126);
	}
	while (waitpid(pid, NULL, 0) != pid && kill(pid, 0) == 0)
		;
}

int main(void)
{
	char *uptime;

	setenv("PATH", "/bin:/host/bin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("TERM", "linux", 1);
	setenv("LC_ALL", "C", 1);
	signal(SIGPIPE, SIG_IGN);
	setup_system();
	uptime = file_read("/proc/uptime", NULL);
	say("vm: up %.*s", uptime ? (int)strcspn(uptime, " ") : 0, uptime ? uptime : "");
	free(uptime);
	kmsg_open();
	if (access("/shell", F_OK))
		run_tests();
	else
		run_shell();
	say("vm: done");
	sync();
	poll(NULL, 0, 50); /* the serial line's buffer is sent */
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
