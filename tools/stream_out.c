/* SPDX-License-Identifier: MIT */
/*
 * stream_out.c - the file or pipe that received bytes are written to.
 *
 * Theory: a file is written as FILE.part, locked, and renamed to FILE once every byte is there,
 *	so that a file of that name is always whole.  Devices, pipes, standard output and --inplace
 *	are written under their own name.  What can seek is written at any offset, the rest in
 *	order.
 * Invariants:
 *	1. FILE appears (or changes) only in stream_out_commit(), unless in_place.
 *	2. after commit or abort nothing is open and no FILE.part of ours is left.
 * Ownership: the descriptor and both paths are the structure's; standard output is never closed.
 * Threads: one.
 * Errors: -errno with one line; a full disk and a broken pipe are errors like others.
 * Sources: rename(2), flock(2), write(2)
 * Tests: tests/cli/recv_send_faults.sh
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream_file.h"
#include "weir_tool.h"

#define OPEN_TRIES 10

static int explain(int error, const char *doing, const char *name, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%s %.200s: %s", doing, name, strerror(error));
	return -error;
}

static int out_of_memory(const struct stream_out *out, char *why, size_t why_bytes)
{
	return explain(ENOMEM, "cannot open", out->name, why, why_bytes);
}

/* One descriptor that holds the lock of the file that has this name now; -1 with errno. */
static int open_locked(const char *path)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct stat by_fd, by_name;
		int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
		int error;

		if (fd < 0)
			return -1;
		if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &by_fd)) {
			/* The one who held it before may have renamed or removed it. */
			if (!stat(path, &by_name) && by_fd.st_ino == by_name.st_ino &&
			    by_fd.st_dev == by_name.st_dev)
				return fd;
			close(fd);
			continue;
		}
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	errno = EBUSY;
	return -1;
}

static int open_part(struct stream_out *out, const struct stat *old, char *why, size_t why_bytes)
{
	int fd;

	if (asprintf(&out->part, "%s.part", out->path) < 0) {
		out->part = NULL;
		return out_of_memory(out, why, why_bytes);
	}
	fd = open_locked(out->part);
	if (fd < 0) {
		int error = errno;

		if (error == EWOULDBLOCK)
			snprintf(why, why_bytes, "%.200s is being written by another process",
				 out->part);
		else
			explain(error, "cannot create", out->part, why, why_bytes);
		/* It is not ours to remove. */
		free(out->part);
		out->part = NULL;
		return -error;
	}
	out->fd = fd;
	if (old)
		fchmod(fd, old->st_mode & 0777);
	if (ftruncate(fd, 0))
		return explain(errno, "cannot empty", out->part, why, why_bytes);
	return 0;
}

static int open_in_place(struct stream_out *out, char *why, size_t why_bytes)
{
	struct stat st;

	/* Not by path: what /dev/stdout names has none. */
	out->fd = open(out->name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (out->fd < 0 || fstat(out->fd, &st))
		return explain(errno, "cannot open", out->name, why, why_bytes);
	out->in_place = true;
	out->regular = S_ISREG(st.st_mode);
	out->ordered = lseek(out->fd, 0, SEEK_CUR) < 0;
	return 0;
}

static int open_file(struct stream_out *out, bool in_place, char *why, size_t why_bytes)
{
	struct stat st;
	bool exists = !stat(out->name, &st);

	if (!exists && errno != ENOENT)
		return explain(errno, "cannot open", out->name, why, why_bytes);
	if (exists && S_ISDIR(st.st_mode))
		return explain(EISDIR, "cannot write", out->name, why, why_bytes);
	/* A symbolic link stays; the file it names is replaced. */
	if (in_place || (exists && !S_ISREG(st.st_mode)))
		return open_in_place(out, why, why_bytes);
	out->path = exists ? realpath(out->name, NULL) : strdup(out->name);
	if (!out->path)
		return explain(errno, "cannot open", out->name, why, why_bytes);
	out->regular = true;
	return open_part(out, exists ? &st : NULL, why, why_bytes);
}

int stream_out_open(struct stream_out *out, const char *name, bool in_place, char *why,
		    size_t why_bytes)
{
	int error;

	*out = (struct stream_out){ .fd = -1, .name = name };
	if (!strcmp(name, "-")) {
		out->name = "standard output";
		out->in_place = true;
		out->ordered = true;
		/* A closed one was opened the wrong way round (main.c). */
		if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
			return explain(EBADF, "cannot write", out->name, why, why_bytes);
		out->fd = STDOUT_FILENO;
		return 0;
	}
	error = open_file(out, in_place, why, why_bytes);
	if (error)
		stream_out_abort(out);
	return error;
}

static int wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, -1) < 0 ? -errno : 0;
}

int stream_out_write(struct stream_out *out, const void *data, size_t len, uint64_t offset,
		     char *why, size_t why_bytes)
{
	const char *at = data;

	while (len) {
		ssize_t n = out->ordered ? write(out->fd, at, len) :
					   pwrite(out->fd, at, len, (off_t)offset);

		if (n > 0) {
			at += n;
			offset += (size_t)n;
			len -= (size_t)n;
			continue;
		}
		if (!n)
			return explain(EIO, "cannot write", out->name, why, why_bytes);
		/* A pipe that another process made non-blocking. */
		if (errno == EAGAIN && (!wait_writable(out->fd) || errno == EINTR)) {
			if (!tool_signal())
				continue;
			errno = EINTR;
		}
		if (errno == EINTR && !tool_signal())
			continue;
		return explain(errno, "cannot write", out->name, why, why_bytes);
	}
	return 0;
}

static int finish_file(struct stream_out *out, uint64_t total, bool sync, char *why,
		       size_t why_bytes)
{
	int fd = out->fd;

	if (out->regular && ftruncate(fd, (off_t)total))
		return explain(errno, "cannot set the size of", out->name, why, why_bytes);
	if (sync && fsync(fd) && errno != EINVAL && errno != EROFS)
		return explain(errno, "cannot sync", out->name, why, why_bytes);
	/* Renamed while locked, so that no other process takes the name in between. */
	if (out->part && rename(out->part, out->path))
		return explain(errno, "cannot rename to", out->path, why, why_bytes);
	free(out->part);
	out->part = NULL;
	if (fd == STDOUT_FILENO)
		return 0;
	out->fd = -1;
	if (close(fd) && errno != EINTR)
		return explain(errno, "cannot close", out->name, why, why_bytes);
	return 0;
}

int stream_out_commit(struct stream_out *out, uint64_t total, bool sync, char *why,
		      size_t why_bytes)
{
	int error = finish_file(out, total, sync, why, why_bytes);

	stream_out_abort(out);
	return error;
}

void stream_out_abort(struct stream_out *out)
{
	if (out->part)
		unlink(out->part);
	if (out->fd >= 0 && out->fd != STDOUT_FILENO)
		close(out->fd);
	free(out->part);
	free(out->path);
	out->part = NULL;
	out->path = NULL;
	out->fd = -1;
}
