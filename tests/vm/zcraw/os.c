/* SPDX-License-Identifier: MIT */
/*
 * os.c - time, files, commands, namespaces.
 *
 * Theory: settings are changed with the programs that people use (ip, ethtool), in the namespace
 * where the device lives; a command line is split at blanks, no shell reads it.  Waiting means
 * looking at a state again until a deadline; between two looks the process waits a millisecond in
 * poll(), so that the other side can run on a machine with one processor.
 */
#include "zcraw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 32

long slow(void)
{
	static long factor;

	if (!factor) {
		const char *text = getenv("SLOW");

		factor = text ? strtol(text, NULL, 10) : 1;
		if (factor < 1)
			factor = 1;
	}
	return factor;
}

long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * 1000 + ts.tv_nsec / 1000000) / slow();
}

void enter_ns(const char *ns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("namespace %s: %s (\"pair\" of tests/vm/t/lib.sh makes both)", ns,
		     strerror(errno));
	close(fd);
}

static void run_words(const char *ns, char *line, int out)
{
	char *words[WORDS_MAX], *save = NULL;
	int n = 0;

	for (char *w = strtok_r(line, " ", &save); w && n < WORDS_MAX - 1;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	words[n] = NULL;
	dup2(out, 1);
	dup2(out, 2);
	if (ns)
		enter_ns(ns);
	execvp(words[0], words);
	dprintf(2, "%s: %s", words[0], strerror(errno));
	_exit(127);
}

int command(const char *ns, const char *line, char *out, size_t out_bytes)
{
	char copy[256], text[512];
	size_t used = 0;
	int pipes[2], status = -1;
	ssize_t n;
	pid_t pid;

	snprintf(copy, sizeof copy, "%s", line);
	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		run_words(ns, copy, pipes[1]);
	close(pipes[1]);
	*out = '\0';
	while ((n = read(pipes[0], text, sizeof text)) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < n && used + 1 < out_bytes; i++)
			out[used++] = text[i] == '\n' ? ' ' : text[i];
		out[used] = '\0';
	}
	close(pipes[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void must(const char *ns, const char *format, ...)
{
	char line[256], out[512];
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	r = command(ns, line, out, sizeof out);
	if (r)
		fail("\"%s\": status %d: %s", line, r, out);
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int file_read(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (used + 1 < bytes && (n = read(fd, text + used, bytes - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
	return 0;
}

void wait_until(bool (*check)(void *arg), void *arg, long deadline_ms, const char *what)
{
	long end = now_ms() + deadline_ms;

	while (!check(arg)) {
		if (now_ms() > end)
			fail("not in %ld ms: %s", deadline_ms, what);
		poll(NULL, 0, 1);
	}
}

bool poll_one(int fd, short events, long timeout_ms)
{
	struct pollfd p = { fd, events, 0 };
	long end = now_ms() + timeout_ms;
	int r;

	do {
		long left = end - now_ms();

		r = poll(&p, 1, left > 0 ? (int)(left * slow()) : 0);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}
