/* SPDX-License-Identifier: MIT */
/*
 * stream_in.c - the file or pipe that sent bytes are read from.
 *
 * Theory: a regular file with a size is read by offset, exactly that many bytes; one that got
 *	shorter is an error.  It can be mapped instead: then its pages themselves are sent, and
 *	nobody here looks at them.  Of a page that the file's new end lies in the rest is zeros and
 *	no error, so the size is looked at again.  All else (pipes, terminals, files of /proc that
 *	say size 0) is read to its end.  A pipe is read while poll(2) says there is something, so
 *	that a buffer is filled where there is plenty and sent at once where there is little.
 * Invariants:
 *	1. offset counts the bytes handed out; at the end it is total.
 *	2. no read waits while there is data to hand out.
 *	3. no byte of the mapping is touched by this process.
 * Ownership: descriptor and mapping are the structure's; standard input is not closed.
 * Threads: one.
 * Errors: -errno with one line.
 * Sources: read(2), mmap(2), madvise(2), pipe(7); arch/x86/mm/fault.c do_sigbus() and
 *	mm/filemap.c filemap_fault() (Linux 7.3): a kernel access behind a file's end is -EFAULT.
 * Tests: tests/cli/recv_send.sh, tests/cli/send_zerocopy.sh
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream.h"
#include "stream_file.h"
#include "weir_tool.h"

/* What lies so far behind is not kept mapped: page tables, and pages that the system may want. */
#define FORGET_STEP (UINT64_C(32) << 20)
#define FORGET_BEHIND (UINT64_C(64) << 20)

static int explain(const struct stream_in *in, int error, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "cannot read %.200s: %s", in->name, strerror(error));
	return -error;
}

static int shorter(const struct stream_in *in, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "%.200s got shorter while it was read", in->name);
	return -EIO;
}

/* Not every reader of a half-read standard input starts at 0. */
static uint64_t size_left(struct stream_in *in, const struct stat *st)
{
	off_t at = lseek(in->fd, 0, SEEK_CUR);

	if (at < 0 || at >= st->st_size)
		return 0;
	in->start = (uint64_t)at;
	return (uint64_t)(st->st_size - at);
}

int stream_in_open(struct stream_in *in, const char *name, char *why, size_t why_bytes)
{
	struct stat st;
	uint64_t left;

	*in = (struct stream_in){ .fd = -1, .name = name, .total = STREAM_TOTAL_UNKNOWN };
	if (!strcmp(name, "-")) {
		in->name = "standard input";
		in->fd = STDIN_FILENO;
		/* A closed one was opened the wrong way round (main.c). */
		if ((fcntl(in->fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
			return explain(in, EBADF, why, why_bytes);
	} else {
		in->fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (in->fd < 0 || fstat(in->fd, &st))
		return explain(in, errno, why, why_bytes);
	if (S_ISDIR(st.st_mode)) {
		stream_in_close(in);
		return explain(in, EISDIR, why, why_bytes);
	}
	left = S_ISREG(st.st_mode) ? size_left(in, &st) : 0;
	if (left) {
		in->sized = true;
		in->total = left;
		posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	} else if (S_ISFIFO(st.st_mode)) {
		/* Fewer, larger reads; a refusal changes nothing. */
		fcntl(in->fd, F_SETPIPE_SZ, 1 << 20);
	}
	return 0;
}

static bool has_more(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

int stream_in_read(struct stream_in *in, void *to, size_t len, size_t *retlen, char *why,
		   size_t why_bytes)
{
	size_t have = 0;
	bool at_end = false;

	if (in->sized && len > in->total - in->offset)
		len = (size_t)(in->total - in->offset);
	while (have < len && !at_end) {
		ssize_t n;

		if (!in->sized && have && !has_more(in->fd))
			break;
		n = read(in->fd, (char *)to + have, len - have);
		if (n > 0) {
			have += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR && !tool_signal())
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return explain(in, errno, why, why_bytes);
		if (in->sized)
			return shorter(in, why, why_bytes);
		at_end = true;
	}
	in->offset += have;
	if (at_end || (in->sized && in->offset == in->total)) {
		in->ended = true;
		in->total = in->offset;
	}
	*retlen = have;
	return 0;
}

/* mmap(2) wants whole pages: how much of the first one lies before byte 0. */
static size_t before_start(const struct stream_in *in)
{
	return (size_t)(in->start % (uint64_t)sysconf(_SC_PAGESIZE));
}

int stream_in_map(struct stream_in *in)
{
	size_t before = before_start(in);
	void *map;

	if (!in->sized)
		return -EINVAL;
	if (in->total > PTRDIFF_MAX - before)
		return -EFBIG;
	map = mmap(NULL, (size_t)in->total + before, PROT_READ, MAP_SHARED, in->fd,
		   (off_t)(in->start - before));
	if (map == MAP_FAILED)
		return -errno;
	in->map = (const uint8_t *)map + before;
	madvise(map, (size_t)in->total + before, MADV_SEQUENTIAL);
	return 0;
}

/* Whoever still needs such a page finds it in the page cache. */
static void forget(struct stream_in *in)
{
	const uint8_t *from = in->map - before_start(in) + in->forgotten;

	if (in->offset < in->forgotten + FORGET_BEHIND + FORGET_STEP)
		return;
	madvise((void *)(uintptr_t)from, FORGET_STEP, MADV_DONTNEED);
	in->forgotten += FORGET_STEP;
}

const void *stream_in_take(struct stream_in *in, size_t len, size_t *retlen)
{
	const uint8_t *data = in->map + in->offset;

	if (len > in->total - in->offset)
		len = (size_t)(in->total - in->offset);
	in->offset += len;
	in->ended = in->offset == in->total;
	forget(in);
	*retlen = len;
	return data;
}

int stream_in_check(const struct stream_in *in, char *why, size_t why_bytes)
{
	struct stat st;

	if (!in->sized)
		return 0;
	if (fstat(in->fd, &st))
		return explain(in, errno, why, why_bytes);
	return (uint64_t)st.st_size < in->start + in->total ? shorter(in, why, why_bytes) : 0;
}

void stream_in_close(struct stream_in *in)
{
	if (in->map) {
		size_t before = before_start(in);

		munmap((void *)(uintptr_t)(in->map - before), (size_t)in->total + before);
		in->map = NULL;
	}
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	in->fd = -1;
}
