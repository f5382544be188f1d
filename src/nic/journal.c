// SPDX-License-Identifier: MIT
/*
 * journal.c - the file of an interface: folder, lock, reading, writing, and the lists in memory.
 *
 * Theory: what weir changed on an interface is written to RUN/nic/NETNS-INDEX before it is changed,
 *	RUN being $WEIR_RUN_DIR or /run/weir, NETNS the cookie of the network namespace (hex) and
 *	INDEX the interface's number.  Whoever changes something holds the lock of the file beside
 *	it:
 *
 *	  NETNS-INDEX        the journal; replaced as a whole by rename(2)
 *	  NETNS-INDEX.new    the next one, while it is written
 *	  NETNS-INDEX.lock   locked by flock(2); holds the id and the name of the process
 *
 *	A reader needs no lock: it sees the old file or the new one.  A journal that holds nothing
 *	is removed together with its lock file; who waited for the lock of a removed file opens it
 *	again. The kernel lets go of a lock when its process dies, at any point.
 * Invariants: 1. the file is always whole: old or new.  2. nic_journal_save() has synced the file
 *	and the folder when it returns 0; on failure the file is as before and the journal is dirty.
 *	3. a folder or file that somebody but root and this user could alter is not used.
 * Ownership: the journal owns its lists and descriptors; the context is the caller's.
 * Threads: one object by one thread; several objects (also of one process) wait for each other.
 * Errors: -errno of the file system with a hint; -ETIMEDOUT where the lock was not let go, naming
 *	who holds it; -EBADMSG for a damaged file, naming it.
 * Sources: flock(2); rename(2); proc(5), random/boot_id; openat(2) for what O_NOFOLLOW gives.
 * Tests: tests/unit/test_nic_journal.c, tests/unit/test_nic_lock.c
 */
#include <fcntl.h>
#include <linux/ethtool.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "nl.h"

#define RUN_DIR "/run/weir"
#define LOCK_STEP_MS 10

static const struct nic_journal_how usual = {
	.kinds = &nic_kinds,
	.lock_wait_ms = 30000,
	.undo_wait_ms = 3000,
	.clock_numbers = true,
};

/* ---------------------------------------------------------------------- folder */

/* What to do about a file system that says no. */
static const char *advice(int code)
{
	switch (code) {
	case -EACCES:
	case -EPERM:
		return "changes of a NIC are journalled there: run as root, or set WEIR_RUN_DIR to "
		       "a folder of this user, the same for all programs that change this NIC";
	case -EROFS:
		return "changes of a NIC are journalled there: set WEIR_RUN_DIR to a folder that "
		       "can be written, the same for all programs that change this NIC";
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return "there is no room for the journal of NIC changes: free some";
	case -ENOENT:
		return "make the folder above it, or set WEIR_RUN_DIR to one that is there";
	case -ELOOP:
	case -ENOTDIR:
		return "it must be a folder or file, not a link or something else: remove it";
	default:
		return "the journal of NIC changes cannot be kept there";
	}
}

static int failed(const struct nic_journal *j, int code, const char *stage, const char *suffix,
		  struct weir_error *reterr)
{
	char object[256];

	snprintf(object, sizeof(object), "%s%s%s%s", j->folder, suffix ? "/" : "",
		 suffix ? j->name : "", suffix ? suffix : "");
	return weir_error_set(reterr, code, stage, object, "%s", advice(code));
}

/* May somebody else have written it, or change it? */
static bool is_foreign(const struct stat *st, bool sticky_is_enough)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return true;
	return (st->st_mode & 0022) && !(sticky_is_enough && (st->st_mode & S_ISVTX));
}

static int foreign(const struct nic_journal *j, const char *suffix, struct weir_error *reterr)
{
	failed(j, -EACCES, "check the NIC journal", suffix, reterr);
	if (reterr)
		snprintf(reterr->hint, sizeof(reterr->hint),
			 "a user other than root and this one owns it or may write it: give it to "
			 "root (chown root, chmod go-w), or set WEIR_RUN_DIR to another folder");
	return -EACCES;
}

/* A folder below @at, made where it is missing and @make says so. */
static int open_folder(struct nic_journal *j, int at, const char *path, bool make, int flags,
		       struct weir_error *reterr)
{
	struct stat st;
	int fd;

	if (make && mkdirat(at, path, 0755) && errno != EEXIST)
		return failed(j, -errno, "make the folder", NULL, reterr);
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	if (fd < 0)
		return failed(j, -errno, "open the folder", NULL, reterr);
	if (fstat(fd, &st) || is_foreign(&st, !(flags & O_NOFOLLOW))) {
		close(fd);
		return foreign(j, NULL, reterr);
	}
	return fd;
}

static int open_folders(struct nic_journal *j, struct weir_error *reterr)
{
	const char *run = getenv("WEIR_RUN_DIR");
	int parent;

	if (!run || !*run)
		run = RUN_DIR;
	if (asprintf(&j->folder, "%s/nic", run) < 0) {
		j->folder = NULL;
		return weir_error_set(reterr, -ENOMEM, "open the NIC journal", NULL, NULL);
	}
	if (*run != '/')
		return weir_error_set(reterr, -EINVAL, "WEIR_RUN_DIR", run,
				      "it must be a path from the root of the file system, because "
				      "every program must find the same folder");
	parent = open_folder(j, AT_FDCWD, run, j->write, 0, reterr);
	if (parent < 0)
		return parent;
	j->folder_fd = open_folder(j, parent, "nic", j->write, O_NOFOLLOW, reterr);
	close(parent);
	return j->folder_fd < 0 ? j->folder_fd : 0;
}

static void name_file(const struct nic_journal *j, const char *suffix, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "%s%s", j->name, suffix);
}

static void remove_file(const struct nic_journal *j, const char *suffix)
{
	char name[sizeof(j->name) + 8];

	name_file(j, suffix, name, sizeof(name));
	unlinkat(j->folder_fd, name, 0);
}

/* ------------------------------------------------------------------------ lock */

static void lock_sign(const struct nic_journal *j)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d (%.31s)\n", getpid(),
			 program_invocation_short_name);

	/* Only for the message to one who waits: on a full disk the lock holds all the same. */
	if (ftruncate(j->lock_fd, 0) || pwrite(j->lock_fd, text, (size_t)n, 0) != n)
		return;
}

static int lock_held(const struct nic_journal *j, struct weir_error *reterr)
{
	char who[64];
	ssize_t n = pread(j->lock_fd, who, sizeof(who) - 1, 0);

	who[n > 0 ? n : 0] = '\0';
	who[strcspn(who, "\n")] = '\0';
	failed(j, -ETIMEDOUT, "lock the NIC journal", ".lock", reterr);
	if (reterr)
		snprintf(reterr->hint, sizeof(reterr->hint),
			 "process %s has held it for %u s: wait until it is done, or end it",
			 who[0] ? who : "(not known)", (j->how->lock_wait_ms + 999) / 1000);
	return -ETIMEDOUT;
}

/* Locks the lock file that is open; 1: it has been removed meanwhile. */
static int lock_opened(struct nic_journal *j, const char *name, uint64_t deadline_ns,
		       struct weir_error *reterr)
{
	struct stat own, named;

	while (flock(j->lock_fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed(j, -errno, "lock the NIC journal", ".lock", reterr);
		if (weir_clock_ns() >= deadline_ns)
			return lock_held(j, reterr);
		/* flock() has no deadline, and a library has no signal to interrupt it with. */
		poll(NULL, 0, LOCK_STEP_MS);
	}
	if (fstat(j->lock_fd, &own))
		return failed(j, -errno, "lock the NIC journal", ".lock", reterr);
	if (is_foreign(&own, false) || !S_ISREG(own.st_mode))
		return foreign(j, ".lock", reterr);
	return fstatat(j->folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) ||
	       own.st_ino != named.st_ino || own.st_dev != named.st_dev;
}

static int lock(struct nic_journal *j, struct weir_error *reterr)
{
	uint64_t deadline_ns = weir_clock_ns() + j->how->lock_wait_ms * 1000000ull;
	char name[sizeof(j->name) + 8];
	int r;

	name_file(j, ".lock", name, sizeof(name));
	do {
		/* Nobody else may open it: who can open a file can lock it. */
		j->lock_fd = openat(j->folder_fd, name,
				    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (j->lock_fd < 0)
			return failed(j, -errno, "open the lock", ".lock", reterr);
		r = lock_opened(j, name, deadline_ns, reterr);
		if (r) {
			close(j->lock_fd);
			j->lock_fd = -1;
		}
	} while (r > 0);
	if (!r)
		lock_sign(j);
	return r;
}

/* --------------------------------------------------------------- reading, writing */

static int read_all(int fd, size_t bytes, char *text)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = read(fd, text + done, bytes - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

static int damaged(const struct nic_journal *j, const char *why, struct weir_error *reterr)
{
	failed(j, -EBADMSG, "read the NIC journal", "", reterr);
	if (reterr)
		snprintf(reterr->hint, sizeof(reterr->hint),
			 "%s. What weir changed on %s is not known: set the NIC right by hand "
			 "(ethtool), then remove this file",
			 why, j->ctx->ifname);
	return -EBADMSG;
}

/* The open file @fd into the lists. */
static int load_file(struct nic_journal *j, int fd, struct weir_error *reterr)
{
	struct stat st;
	char why[96];
	char *text;
	int r;

	if (fstat(fd, &st))
		return failed(j, -errno, "read the NIC journal", "", reterr);
	if (!S_ISREG(st.st_mode) || is_foreign(&st, false))
		return foreign(j, "", reterr);
	if (st.st_size > NIC_JOURNAL_BYTES_MAX)
		return damaged(j, "it is far too long", reterr);
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return weir_error_set(reterr, -ENOMEM, "read the NIC journal", NULL, NULL);
	r = read_all(fd, (size_t)st.st_size, text);
	snprintf(why, sizeof(why), "it was cut or altered");
	if (!r)
		r = nic_journal_parse(j, text, (size_t)st.st_size, why, sizeof(why));
	free(text);
	if (r == -EBADMSG)
		return damaged(j, why, reterr);
	return r ? failed(j, r, "read the NIC journal", "", reterr) : 0;
}

static int load(struct nic_journal *j, struct weir_error *reterr)
{
	int fd = openat(j->folder_fd, j->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return failed(j, -errno, "open the NIC journal", "", reterr);
	r = load_file(j, fd, reterr);
	close(fd);
	return r;
}

static int write_synced(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, text, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		bytes -= (size_t)n;
	}
	/* The process's mask for new files is not the journal's business: others may read it. */
	if (fchmod(fd, 0644) || fsync(fd))
		return -errno;
	return 0;
}

static int write_new(struct nic_journal *j, const char *text, size_t bytes)
{
	char name[sizeof(j->name) + 8];
	int fd, r;

	name_file(j, ".new", name, sizeof(name));
	unlinkat(j->folder_fd, name, 0); /* of a process that was killed */
	fd = openat(j->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = write_synced(fd, text, bytes);
	if (close(fd) && !r)
		r = -errno;
	if (!r && renameat(j->folder_fd, name, j->folder_fd, j->name))
		r = -errno;
	if (r)
		unlinkat(j->folder_fd, name, 0);
	return r;
}

static bool is_empty(const struct nic_journal *j)
{
	return !j->owners && !j->settings && !j->objects;
}

int nic_journal_save(struct nic_journal *j, struct weir_error *reterr)
{
	char *text = NULL;
	size_t bytes = 0;
	int r = 0;

	j->dirty = true;
	if (is_empty(j)) {
		if (unlinkat(j->folder_fd, j->name, 0) && errno != ENOENT)
			r = -errno;
	} else {
		r = nic_journal_format(j, &text, &bytes);
		if (!r)
			r = write_new(j, text, bytes);
		free(text);
	}
	/* Some file systems have nothing to sync in a folder, and say so. */
	if (!r && fsync(j->folder_fd) && errno != EINVAL)
		r = -errno;
	if (r)
		return failed(j, r, "write the NIC journal", "", reterr);
	j->dirty = false;
	return 0;
}

/* --------------------------------------------------------------- opening, closing */

static int read_identity(struct nic_journal *j, struct weir_error *reterr)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	int r;

	snprintf(j->name, sizeof(j->name), "%llx-%u", (unsigned long long)j->ctx->netns_cookie,
		 j->ctx->ifindex);
	r = nic_path_read("/proc/sys/kernel/random/boot_id", j->boot, sizeof(j->boot));
	if (r)
		return weir_error_set(reterr, r, "read", "/proc/sys/kernel/random/boot_id",
				      "mount /proc: the journal of NIC changes names this boot");
	/* Not every interface has one: then its number alone has to do. */
	if (!nic_ioctl(j->ctx, &info, "ethtool driver", NULL))
		snprintf(j->driver, sizeof(j->driver), "%.31s", info.driver);
	return 0;
}

static int open_journal(struct nic_journal *j, struct weir_error *reterr)
{
	struct weir_error ignored;
	int r = read_identity(j, reterr);

	if (r)
		return r;
	r = open_folders(j, j->write ? reterr : &ignored);
	if (r && !j->write && r != -EINVAL && r != -ENOMEM)
		return 0; /* nothing is known there by this user */
	if (!r && j->write)
		r = lock(j, reterr);
	if (r) {
		if (!j->write && reterr)
			*reterr = ignored;
		return r;
	}
	r = load(j, reterr);
	if (r == -EACCES && !j->write)
		return 0;
	return r;
}

int nic_journal_open_how(struct nic_journal **ret, struct nic_ctx *ctx, bool write,
			 const struct nic_journal_how *how, struct weir_error *reterr)
{
	struct nic_journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return weir_error_set(reterr, -ENOMEM, "open the NIC journal", ctx->ifname, NULL);
	j->ctx = ctx;
	j->how = how;
	j->write = write;
	j->folder_fd = -1;
	j->lock_fd = -1;
	r = open_journal(j, reterr);
	if (r) {
		j->write = false; /* a file that could not be read is not to be removed */
		nic_journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

int nic_journal_open(struct nic_journal **ret, struct nic_ctx *ctx, bool write,
		     struct weir_error *reterr)
{
	return nic_journal_open_how(ret, ctx, write, &usual, reterr);
}

void nic_journal_close(struct nic_journal *j)
{
	if (!j)
		return;
	if (j->write) {
		/* The file may hold a journal that was void, or more than there still is. */
		if ((j->dirty || is_empty(j)) && nic_journal_save(j, NULL))
			j->dirty = true;
		remove_file(j, ".new");
		if (is_empty(j) && !j->dirty)
			remove_file(j, ".lock");
	}
	nic_journal_clear(j);
	if (j->lock_fd >= 0) {
		/* A process forked meanwhile has the descriptor, too, and the lock with it. */
		(void)flock(j->lock_fd, LOCK_UN);
		close(j->lock_fd);
	}
	if (j->folder_fd >= 0)
		close(j->folder_fd);
	free(j->folder);
	free(j);
}
