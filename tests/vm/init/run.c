// SPDX-License-Identifier: MIT
/*
 * run.c - one test: start, follow, end, and look at what it left.
 *
 * Theory: the test is a session of its own in a fresh folder; its output goes through a pipe to
 * the serial line, each line after "| ", and the last line is kept, because a skipped test's
 * last line is its reason.  The verdict is the exit status (0, 77, else), made worse by what it
 * leaves: processes, what state.c compares, bad lines in the kernel's log.  A test that is over
 * its time gets the kernel's dump of all tasks, and is killed; what a failed test left is
 * removed, so that the next one starts clean; where even that does not end it, the
 * machine is stuck, and no further test would tell anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define EXIT_SKIP 77
#define POLL_MS 20
#define GRACE_MS 500
#define SETTLE_MS 2000
#define RECOVER_MS 20000
#define LAST_BYTES 200
#define WORK_DIR "/tmp/work"

struct output {
	int fd;
	char line[4096];
	size_t used;
	char last[LAST_BYTES];
};

static void output_line(struct output *output)
{
	say_text("| ", output->line, output->used);
	if (output->used > 0)
		snprintf(output->last, sizeof(output->last), "%.*s", (int)output->used,
			 output->line);
	output->used = 0;
}

/* Take what there is; false at the end of the pipe. */
static bool output_take(struct output *output)
{
	char data[4096];
	ssize_t got = read(output->fd, data, sizeof(data));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < got; i++) {
		if (data[i] == '\n' || output->used == sizeof(output->line))
			output_line(output);
		if (data[i] != '\n')
			output->line[output->used++] = data[i];
	}
	return got > 0;
}

static void child_exec(const char *path, int out)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	signal(SIGPIPE, SIG_DFL);
	execl(path, path, NULL);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(126);
}

static pid_t start(const char *path, struct output *output)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0)
		child_exec(path, ends[1]);
	close(ends[1]);
	output->fd = ends[0];
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return pid;
}

/* Follow until the test has ended (true) or the time is over (false). */
static bool follow(pid_t pid, struct output *output, uint64_t deadline, int *retstatus)
{
	bool is_open = true;

	while (now_ms() < deadline) {
		struct pollfd wait_for = { .fd = is_open ? output->fd : -1, .events = POLLIN };

		poll(&wait_for, 1, POLL_MS);
		if (wait_for.revents)
			is_open = output_take(output);
		if (waitpid(pid, retstatus, WNOHANG) == pid) {
			while (is_open && poll(&wait_for, 1, 0) > 0)
				is_open = output_take(output);
			if (output->used)
				output_line(output);
			return true;
		}
	}
	return false;
}

static void dump_tasks(void)
{
	say("| over its time: the kernel's tasks follow");
	kmsg_scan(true);
	file_write("/proc/sysrq-trigger", "l");
	file_write("/proc/sysrq-trigger", "w");
	file_write("/proc/sysrq-trigger", "t");
	kmsg_scan(true);
}

/* What a failed test left must not fail the next one. */
static void recover(void)
{
	struct output output = { .fd = -1 };
	int status;
	pid_t pid = start("/etc/recover.sh", &output);

	if (pid > 0 && !follow(pid, &output, now_ms() + RECOVER_MS, &status))
		say("| what it left cannot be removed");
	procs_end(0);
	close(output.fd);
}

static void fail(struct run_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The first reason stays. */
static void fail(struct run_result *result, const char *format, ...)
{
	va_list args;

	if (result->verdict == VERDICT_FAIL || result->verdict == VERDICT_STUCK)
		return;
	result->verdict = VERDICT_FAIL;
	va_start(args, format);
	vsnprintf(result->reason, sizeof(result->reason), format, args);
	va_end(args);
}

static void judge_status(int status, const struct output *output, struct run_result *result)
{
	if (WIFSIGNALED(status)) {
		fail(result, "ended by signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) == EXIT_SKIP) {
		result->verdict = VERDICT_SKIP;
		snprintf(result->reason, sizeof(result->reason), "%s",
			 output->last[0] ? output->last : "no reason given");
	} else if (WEXITSTATUS(status) != 0) {
		fail(result, "exit status %d", WEXITSTATUS(status));
	}
}

/*
 * The kernel ends namespaces and interfaces in the background: what is left is what is left after
 * a while.
 */
static bool judge_state(const struct state *before, struct run_result *result)
{
	uint64_t deadline = now_ms() + SETTLE_MS;
	struct state *after = state_take();
	unsigned differ;

	while (state_compare(before, after, false) && now_ms() < deadline) {
		state_free(after);
		poll(NULL, 0, POLL_MS);
		after = state_take();
	}
	differ = state_compare(before, after, true);
	if (differ)
		fail(result, "it left something changed or behind");
	state_free(after);
	return differ == 0;
}

void run_test(const char *name, unsigned timeout_s, struct run_result *result)
{
	struct output output = { .fd = -1 };
	struct state *before = state_take();
	uint64_t began = now_ms();
	char path[300];
	int status = 0;
	unsigned left, bad;
	pid_t pid;

	*result = (struct run_result){ .verdict = VERDICT_PASS };
	file_remove_below("/tmp");
	mkdir(WORK_DIR, 0755);
	if (chdir(WORK_DIR))
		fail(result, WORK_DIR ": %s", strerror(errno));
	snprintf(path, sizeof(path), TESTS_DIR "/%s.sh", name);
	pid = start(path, &output);
	if (pid < 0) {
		fail(result, "cannot be started: %s", strerror(errno));
	} else if (follow(pid, &output, began + timeout_s * 1000ull, &status)) {
		judge_status(status, &output, result);
	} else {
		dump_tasks();
		kill(-pid, SIGKILL);
		fail(result, "over its time of %u s", timeout_s);
	}
	left = procs_end(result->verdict == VERDICT_FAIL ? 0 : GRACE_MS);
	if (left == (unsigned)-1)
		result->verdict = VERDICT_STUCK;
	else if (left)
		fail(result, "it left %u processes", left);
	close(output.fd);
	if (chdir("/") || !judge_state(before, result))
		recover();
	state_free(before);
	bad = kmsg_scan(false);
	if (bad)
		fail(result, "%u bad lines in the kernel's log", bad);
	result->wall_ms = now_ms() - began;
}
