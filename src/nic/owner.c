// SPDX-License-Identifier: MIT
/*
 * owner.c - who an owner is, and whether its process still runs.
 *
 * Theory: a process is known by its id, the time at which it started (ids are used again) and the
 *	PID namespace in which the id was given.  In the same namespace /proc/PID/stat tells.  An
 *	owner of another namespace is looked for among all processes that /proc shows: one whose
 *	innermost id is that, and that started then.  The first PID namespace of the machine shows
 *	all processes, so what is not found from there is dead; from elsewhere it is only not seen.
 * Invariants: 1. a process that runs is never taken for dead: whatever cannot be read makes it
 *	alive or elsewhere.
 * Ownership: the caller owns the structures.
 * Threads: any; no shared state.
 * Errors: -ENOENT and the like where /proc is not mounted, with a hint.
 * Sources: proc(5): /proc/PID/stat fields 3 (state), 20 (threads), 22 (start), /proc/PID/status
 *	NSpid; pid_namespaces(7); PROC_PID_INIT_INO in include/linux/proc_ns.h, Linux 6.1 to 7.3.
 * Tests: tests/unit/test_nic_owner.c
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "nl.h"

#define FIRST_PIDNS 0xeffffffcu /* the same on every machine */

struct process {
	char state;
	long long threads;
	unsigned long long start_ticks;
};

/* The process that /proc shows under this name ("self", "812"). */
static int read_process(const char *name, struct process *ret)
{
	char path[64], text[1024];
	const char *at;
	int r;

	*ret = (struct process){ 0 };
	snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
	r = nic_path_read(path, text, sizeof(text));
	if (r)
		return r;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (unsigned field = 3; at && field <= 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			break;
		at++;
		if (field == 3)
			ret->state = *at;
		else if (field == 20)
			ret->threads = strtoll(at, NULL, 10);
		else if (field == 22)
			ret->start_ticks = strtoull(at, NULL, 10);
	}
	return at ? 0 : -EBADMSG;
}

/* PID namespace of a process; 0: it cannot be seen. */
static uint64_t read_pidns(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/pid", name);
	return stat(path, &st) ? 0 : (uint64_t)st.st_ino;
}

/* Is /proc that of this process's own PID namespace? */
static bool proc_is_ours(void)
{
	char link[32];
	ssize_t n = readlink("/proc/self", link, sizeof(link) - 1);

	if (n < 0)
		return false;
	link[n] = '\0';
	return strtol(link, NULL, 10) == getpid();
}

int nic_owner_self(struct nic_owner *ret, struct weir_error *reterr)
{
	struct process self;
	int r = read_process("self", &self);

	if (r)
		return weir_error_set(reterr, r, "read", "/proc/self/stat",
				      "mount /proc: the journal names the process that it is for");
	ret->pid = getpid();
	ret->start_ticks = self.start_ticks;
	ret->pidns = read_pidns("self");
	return 0;
}

/* A leader that has ended is a zombie while its other threads run on. */
static bool runs(const struct process *p, const struct nic_owner *owner)
{
	if (p->start_ticks != owner->start_ticks)
		return false;
	return (p->state != 'Z' && p->state != 'X') || p->threads > 1;
}

/* Innermost id of a process, as its own namespace has it; 0: it cannot be seen. */
static int32_t read_inner_pid(const char *name)
{
	char path[64], line[256];
	int32_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/status", name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			pid = (int32_t)strtol(last + 1, NULL, 10);
	}
	fclose(f);
	return pid;
}

/* Does /proc keep processes of others from some users? */
static bool proc_hides(void)
{
	char line[1024];
	bool hides = false;
	FILE *f = fopen("/proc/self/mounts", "re");

	if (!f)
		return true;
	while (fgets(line, sizeof(line), f))
		hides = hides || (strstr(line, " /proc proc ") && strstr(line, "hidepid="));
	fclose(f);
	return hides;
}

/* An owner of another PID namespace, looked for among all processes. */
static enum nic_life find_process(const struct nic_owner *owner)
{
	enum nic_life life = NIC_DEAD;
	struct dirent *entry;
	DIR *dir;

	/* From any other namespace, not to be found does not mean not to be. */
	if (read_pidns("self") != FIRST_PIDNS || !proc_is_ours() || proc_hides())
		life = NIC_ELSEWHERE;
	dir = opendir("/proc");
	if (!dir)
		return NIC_ELSEWHERE;
	while (life != NIC_ALIVE && (entry = readdir(dir))) {
		struct process p;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    read_inner_pid(entry->d_name) != owner->pid)
			continue;
		/* Its namespace cannot be asked for by everybody; its id and its start will do. */
		if (!read_process(entry->d_name, &p) && runs(&p, owner))
			life = NIC_ALIVE;
	}
	closedir(dir);
	return life;
}

enum nic_life nic_owner_life(const struct nic_owner *owner)
{
	struct process p;
	char name[16];
	int r;

	if (!owner->pid)
		return NIC_KEPT;
	if (!owner->pidns || read_pidns("self") != owner->pidns)
		return find_process(owner);
	if (!proc_is_ours()) /* of an outer namespace, where ids are others */
		return kill(owner->pid, 0) && errno == ESRCH ? NIC_DEAD : NIC_ALIVE;
	snprintf(name, sizeof(name), "%d", owner->pid);
	r = read_process(name, &p);
	if (r == -ENOENT || r == -ESRCH)
		return NIC_DEAD;
	return r || runs(&p, owner) ? NIC_ALIVE : NIC_DEAD;
}
