// SPDX-License-Identifier: MIT
/*
 * procs.c - what else runs in the VM: after a test, nothing may.
 *
 * Theory: a process of user space has an executable (/proc/N/exe can be read), a kernel thread has
 * none.  Every process whose parent has ended belongs to PID 1, which reaps it.
 */
#include <ctype.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define STEP_MS 10
#define KILL_MS 5000

void procs_reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* How many there are besides this one; each is named where asked for. */
static unsigned count(bool name_them)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	unsigned found = 0;

	if (!folder)
		return 0;
	while ((entry = readdir(folder)) != NULL) {
		char path[300], exe[256], *words;
		size_t len = 0;

		if (!isdigit((unsigned char)entry->d_name[0]) || !strcmp(entry->d_name, "1"))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
		if (readlink(path, exe, sizeof(exe)) < 0)
			continue; /* a kernel thread, or just ending */
		found++;
		if (!name_them)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		words = file_read(path, &len);
		for (size_t i = 0; words && i + 1 < len; i++)
			if (words[i] == '\0')
				words[i] = ' ';
		say("| left behind: process %s: %s", entry->d_name, words ? words : "?");
		free(words);
	}
	closedir(folder);
	return found;
}

static unsigned wait_until_none(unsigned limit_ms)
{
	uint64_t deadline = now_ms() + limit_ms;
	unsigned found;

	for (;;) {
		procs_reap();
		found = count(false);
		if (found == 0 || now_ms() >= deadline)
			return found;
		poll(NULL, 0, STEP_MS);
	}
}

/*
 * Give what is just ending grace_ms, then name and kill the rest.  Returns how many had to be
 * killed; UINT_MAX where some cannot be.
 */
unsigned procs_end(unsigned grace_ms)
{
	unsigned left = wait_until_none(grace_ms);

	if (left == 0)
		return 0;
	count(true);
	kill(-1, SIGKILL);
	if (wait_until_none(KILL_MS) == 0)
		return left;
	say("| these cannot be killed:");
	count(true);
	return (unsigned)-1;
}
