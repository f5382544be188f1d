/* SPDX-License-Identifier: MIT */
/*
 * run.c - the supervised process of a scenario.
 *
 * Theory: a scenario may hang in the kernel, be killed on purpose, or leave processes, rules and
 * faults behind.  So it runs as a child with a process group of its own, and the parent keeps what
 * must outlive it in memory that both share: the commands that undo its changes, and the figures
 * that it had to say.  The parent is the reaper of all descendants; it goes on when none is left.
 */
#include "zcraw.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNDO_MAX 96

uint64_t zcraw_seed = 20260;
long scenario_limit_ms = 40000;

struct shared {
	char said[1024];
	char why[1024];
	struct {
		char ns[16];
		char line[160];
	} undo[UNDO_MAX];
	unsigned undo_count;
	bool faults; /* some were switched on */
};

static struct shared *shared;
static char last_why[1024]; /* why the last one failed or was skipped */

void say(const char *format, ...)
{
	size_t used = strlen(shared->said);
	va_list args;

	va_start(args, format);
	vsnprintf(shared->said + used, sizeof shared->said - used, format, args);
	va_end(args);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shared->why, sizeof shared->why, format, args);
	va_end(args);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shared->why, sizeof shared->why, format, args);
	va_end(args);
	_exit(EXIT_SKIP);
}

void undo(const char *ns, const char *format, ...)
{
	unsigned n = __atomic_fetch_add(&shared->undo_count, 1, __ATOMIC_RELAXED);
	va_list args;

	if (n >= UNDO_MAX)
		fail("more than %d changes to undo", UNDO_MAX);
	snprintf(shared->undo[n].ns, sizeof shared->undo[n].ns, "%s", ns ? ns : "");
	va_start(args, format);
	vsnprintf(shared->undo[n].line, sizeof shared->undo[n].line, format, args);
	va_end(args);
}

void undo_faults(void)
{
	shared->faults = true;
}

/* In reverse order; a device that has gone meanwhile took its settings with it. */
static void undo_all(void)
{
	unsigned n = shared->undo_count < UNDO_MAX ? shared->undo_count : UNDO_MAX;
	char out[512];

	if (shared->faults)
		nic_faults_off();
	while (n--) {
		const char *ns = shared->undo[n].ns;

		if (command(*ns ? ns : NULL, shared->undo[n].line, out, sizeof out) &&
		    !strstr(out, "No such device"))
			printf("# undo \"%s\": %s\n", shared->undo[n].line, out);
	}
}

static void child(const struct scenario *scenario)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	pattern_init();
	enter_ns(RX_NS);
	scenario->run(scenario);
	_exit(0);
}

/* The child's status, or -1 when the deadline passed first. */
static int await(pid_t pid, long limit_ms)
{
	long end = now_ms() + limit_ms;
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		long left = end - now_ms();
		struct timespec ts = { left / 1000, left % 1000 * 1000000 };

		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (left <= 0)
			return -1;
		sigtimedwait(&chld, NULL, &ts);
	}
}

static void report(const struct scenario *scenario, int status, long took_ms)
{
	char ending[64] = "";

	if (status == -1)
		snprintf(ending, sizeof ending, "no end after %ld ms", took_ms);
	else if (WIFSIGNALED(status))
		snprintf(ending, sizeof ending, "ended by signal %d", WTERMSIG(status));
	if (!*ending && WIFEXITED(status) && !WEXITSTATUS(status))
		printf("ok   %-18s %5ld ms%s\n", scenario->name, took_ms, shared->said);
	else if (!*ending && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
		printf("skip %-18s %s\n", scenario->name, shared->why);
	else
		printf("FAIL %-18s %5ld ms: %s%s (seed=%llu)%s%s\n", scenario->name, took_ms,
		       ending, shared->why, (unsigned long long)zcraw_seed,
		       *shared->said ? "; so far:" : "", shared->said);
}

static int supervise(const struct scenario *scenario)
{
	long began = now_ms();
	sigset_t chld;
	pid_t pid;
	int status;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	pid = fork();
	if (!pid)
		child(scenario);
	if (pid < 0) {
		perror("fork");
		return 1;
	}
	setpgid(pid, pid); /* whichever of the two comes first */
	status = await(pid, scenario_limit_ms);
	kill(-pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	report(scenario, status, now_ms() - began);
	snprintf(last_why, sizeof last_why, "%s", shared->why);
	undo_all();
	munmap(shared, sizeof *shared);
	return status == -1 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}

static const struct scenario *find(const struct scenario *const *tables, size_t count,
				   const char *name)
{
	for (size_t i = 0; i < count; i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

static int list(const struct scenario *const *tables, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			printf("%-20s %s\n", s->name, s->what);
	return 0;
}

static int seed_given(const char *program, const char *word)
{
	char *end;

	if (strncmp(word, "seed=", 5))
		return 0;
	errno = 0;
	zcraw_seed = strtoull(word + 5, &end, 0);
	if (!errno && end != word + 5 && !*end)
		return 1;
	fprintf(stderr, "%s: %s: not a number\n", program, word);
	return -1;
}

int scenarios_main(const char *program, const struct scenario *const *tables, size_t count,
		   int argc, char **argv)
{
	int failed = 0, skipped = 0, first = 1, seed = 0;
	char why[1024] = "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list(tables, count);
	while (first < argc && (seed = seed_given(program, argv[first])) > 0)
		first++;
	if (seed < 0 || first == argc)
		return EXIT_USAGE;
	for (int i = first; i < argc; i++) {
		if (find(tables, count, argv[i]))
			continue;
		fprintf(stderr, "%s: no scenario %s; \"%s list\" has them\n", program, argv[i],
			program);
		return EXIT_USAGE;
	}
	for (int i = first; i < argc; i++) {
		int r = supervise(find(tables, count, argv[i]));

		failed += r && r != EXIT_SKIP;
		skipped += r == EXIT_SKIP;
		if (r == EXIT_SKIP)
			snprintf(why, sizeof why, "%s", last_why);
	}
	if (failed)
		printf("%d of %d scenarios failed\n", failed, argc - first);
	else if (skipped)
		printf("%d of %d scenarios skipped: %s\n", skipped, argc - first, why);
	return failed ? 1 : skipped ? EXIT_SKIP : 0;
}
