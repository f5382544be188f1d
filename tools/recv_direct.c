/* SPDX-License-Identifier: MIT */
/*
 * recv_direct.c - files written with O_DIRECT, from the memory that was received into.
 *
 * Theory: weir_runs_add() makes of payload, wherever slices cut it, runs that O_DIRECT takes; only
 *	misaligned edges are copied.  Runs are written by an io_uring of this command's own, several
 *	at once: nothing waits for the disk until every run of a stream is being written, and then
 *	TCP holds the sender up.  On the plane epoll, and where io_uring cannot be had, each run is
 *	written by pwritev(2) as soon as it is full.  The last part of a block, which O_DIRECT does
 *	not take, goes by the page cache through the file's other descriptor.
 *	Blocks are as small as the file system allows, because each slice whose place in the file is
 *	off by less than a page gives its whole blocks still.  A page may then be written both ways:
 *	the kernel keeps these in step as long as they do not overlap in time.  The file system is
 *	asked for room ahead of the writes, because writes beyond the end of a file are made one
 *	after another.
 * Invariants:
 *	1. a run's memory is given back only when its write is done.
 *	2. direct_bytes + copied_bytes + cached_bytes is what was written.
 *	3. recv_direct_close() returns with nothing in flight.
 *	4. nothing is in flight while something is written by the page cache.
 * Ownership: the app has the structure; each stream its runs; d->fd is a second descriptor of the
 *	file that stream_out.c has.
 * Threads: one.
 * Errors: a file system that does not take direct writes is none: d->reason says why, and the page
 *	cache is used.  A failed write is kept in d->error, later ones are not tried.
 * Sources: open(2) O_DIRECT, statx(2) STATX_DIOALIGN (Linux 6.1), fallocate(2);
 *	mm/filemap.c generic_file_direct_write, Linux 6.18.
 * Tests: tests/cli/recv_direct.sh
 */
#include "recv_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
#define IN_FLIGHT_MAX 64u
#define RUN_COUNT 4u
#define IOV_MAX_OF_RUN 256u /* pages of payload, each perhaps with an edge */
#define RUN_BYTES (512u << 10)
#define RUN_BYTES_MIN (64u << 10)
#define RESERVE_BYTES (64u << 20)

void recv_direct_init(struct recv_direct *d, bool several)
{
	*d = (struct recv_direct){ .fd = -1 };
	d->ring_on = several && !io_uring_queue_init(IN_FLIGHT_MAX, &d->ring, 0);
}

void recv_direct_fini(struct recv_direct *d)
{
	recv_direct_close(d);
	if (d->ring_on)
		io_uring_queue_exit(&d->ring);
	d->ring_on = false;
}

__attribute__((format(printf, 2, 3))) static void no_direct(struct recv_direct *d,
							    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->reason, sizeof(d->reason), format, args);
	va_end(args);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* What the file system says it wants; pages where it says nothing. */
static bool ask_alignment(struct recv_direct *d)
{
	struct statx st = { 0 };

	d->block_bytes = PAGE;
	d->memory_align = PAGE;
	if (statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) || !(st.stx_mask & STATX_DIOALIGN))
		return true;
	if (!st.stx_dio_mem_align || !st.stx_dio_offset_align)
		return false;
	d->memory_align = st.stx_dio_mem_align;
	d->block_bytes = st.stx_dio_offset_align;
	if (d->block_bytes < d->memory_align)
		d->block_bytes = d->memory_align;
	return true;
}

void recv_direct_open(struct recv_direct *d, struct stream_out *out)
{
	const char *path = out->part ? out->part : out->name;
	struct stat a, b;

	d->on = !out->ordered;
	d->out = out;
	d->refused = false;
	d->reserved_end = out->regular ? 0 : UINT64_MAX;
	d->error = 0;
	d->reason[0] = '\0';
	d->direct_bytes = d->copied_bytes = d->cached_bytes = 0;
	if (!d->on) {
		no_direct(d, "bytes go to it in order, as to a pipe");
		return;
	}
	d->fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY);
	if (d->fd < 0 && errno == EINVAL)
		no_direct(d, "it does not take O_DIRECT");
	else if (d->fd < 0)
		no_direct(d, "it cannot be opened once more: %s", strerror(errno));
	else if (fstat(d->fd, &a) || fstat(out->fd, &b) || a.st_dev != b.st_dev ||
		 a.st_ino != b.st_ino)
		no_direct(d, "another file has its name now");
	else if (!ask_alignment(d))
		no_direct(d, "it takes no direct writes");
	if (d->fd < 0)
		d->on = false;
}

static void fail(struct recv_direct *d, int error)
{
	if (d->error)
		return;
	d->error = error;
	snprintf(d->error_text, sizeof(d->error_text), "cannot write %.200s: %s", d->out->name,
		 strerror(-error));
}

static void wait_all(struct recv_direct *d);

/* By the page cache, without the first @skip bytes. */
static void write_cached(struct recv_direct *d, const struct weir_run *run, size_t skip)
{
	uint64_t offset = run->offset;

	wait_all(d);
	for (unsigned i = 0; i < run->iov_count && !d->error; i++) {
		const struct iovec *v = &run->iov[i];
		size_t over = skip < v->iov_len ? skip : v->iov_len;
		size_t left = v->iov_len - over;

		d->error = stream_out_write(d->out, (const char *)v->iov_base + over, left,
					    offset + over, d->error_text, sizeof(d->error_text));
		if (!d->error)
			d->cached_bytes += left;
		offset += v->iov_len;
		skip -= over;
	}
}

static void count(struct recv_direct *d, const struct weir_run *run, size_t written)
{
	size_t copied = run->copied_bytes < written ? run->copied_bytes : written;

	d->copied_bytes += copied;
	d->direct_bytes += written - copied;
}

/* A direct write has ended with @res. */
static void written(struct recv_direct *d, struct weir_run *run, ssize_t res)
{
	if (res == -EINVAL || res == -EFAULT || res == -EOPNOTSUPP) {
		/* Some file systems tell only now, as does memory that no device may read. */
		if (!d->refused)
			snprintf(d->reason, sizeof(d->reason), "a direct write was refused: %s",
				 strerror((int)-res));
		d->refused = true;
		res = 0;
	} else if (res == -EINTR || res == -EAGAIN || res == -ECANCELED) {
		res = 0;
	}
	if (res < 0) {
		fail(d, (int)res);
	} else {
		count(d, run, (size_t)res);
		if ((size_t)res < run->bytes)
			write_cached(d, run, (size_t)res);
	}
	weir_run_done(run);
}

static void take_completion(struct recv_direct *d, struct io_uring_cqe *cqe)
{
	struct weir_run *run = io_uring_cqe_get_data(cqe);
	int res = cqe->res;

	io_uring_cqe_seen(&d->ring, cqe);
	d->in_flight--;
	written(d, run, res);
}

/* Not ended by a signal: the memory is the kernel's until the write is done, and disks are. */
static void wait_one(struct recv_direct *d)
{
	struct io_uring_cqe *cqe = NULL;

	while (io_uring_wait_cqe(&d->ring, &cqe))
		;
	take_completion(d, cqe);
}

static void wait_all(struct recv_direct *d)
{
	while (d->in_flight)
		wait_one(d);
}

static void reap(struct recv_direct *d)
{
	struct io_uring_cqe *cqe;

	while (d->in_flight && !io_uring_peek_cqe(&d->ring, &cqe))
		take_completion(d, cqe);
}

/* True where the write is in flight. */
static bool submit(struct recv_direct *d, struct weir_run *run)
{
	struct io_uring_sqe *sqe;
	int r;

	if (!d->ring_on)
		return false;
	if (d->in_flight == IN_FLIGHT_MAX)
		wait_one(d);
	sqe = io_uring_get_sqe(&d->ring);
	io_uring_prep_writev(sqe, d->fd, run->iov, run->iov_count, run->offset);
	io_uring_sqe_set_data(sqe, run);
	do {
		r = io_uring_submit(&d->ring);
		if ((r == -EAGAIN || r == -EBUSY) && d->in_flight)
			wait_one(d);
	} while (r == -EINTR || ((r == -EAGAIN || r == -EBUSY) && d->in_flight));
	if (r >= 0) {
		d->in_flight++;
		return true;
	}
	/* The request is in the ring still: the ring goes, and it with it. */
	wait_all(d);
	io_uring_queue_exit(&d->ring);
	d->ring_on = false;
	return false;
}

/* Writes that make a file longer wait for each other, those into room that it has do not. */
static void reserve(struct recv_direct *d, uint64_t end)
{
	if (end <= d->reserved_end || end - d->reserved_end > RESERVE_BYTES)
		return;
	/* Where there is too little room the write that does not fit says so. */
	if (fallocate(d->out->fd, 0, (off_t)d->reserved_end, RESERVE_BYTES))
		d->reserved_end = UINT64_MAX;
	else
		d->reserved_end += RESERVE_BYTES;
}

static void start(struct recv_direct *d, struct weir_run *run)
{
	ssize_t n;

	if (d->error) {
		weir_run_done(run);
		return;
	}
	if (!run->direct || d->refused) {
		write_cached(d, run, 0);
		weir_run_done(run);
		return;
	}
	reserve(d, run->offset + run->bytes);
	if (submit(d, run))
		return;
	n = pwritev(d->fd, run->iov, (int)run->iov_count, (off_t)run->offset);
	written(d, run, n < 0 ? -errno : n);
}

static void start_ready(struct recv_direct *d, struct weir_runs *runs)
{
	struct weir_run *run;

	while ((run = weir_runs_next(runs)))
		start(d, run);
}

int recv_direct_join(struct recv_direct *d, unsigned stream_count, struct weir_runs **ret)
{
	struct weir_runs_opts o = { .size = sizeof(o),
				    .block_bytes = d->block_bytes,
				    .memory_align = d->memory_align,
				    .run_count = RUN_COUNT,
				    .iov_max = IOV_MAX_OF_RUN };
	uint32_t bytes = RUN_BYTES * 4 / stream_count;
	int error;

	if (bytes > RUN_BYTES)
		bytes = RUN_BYTES;
	if (bytes < RUN_BYTES_MIN)
		bytes = RUN_BYTES_MIN;
	o.run_bytes = (bytes + d->block_bytes - 1) / d->block_bytes * d->block_bytes;
	error = weir_runs_open(ret, &o, NULL);
	if (error)
		fail(d, error);
	return error;
}

int recv_direct_write(struct recv_direct *d, struct weir_runs *runs, const struct weir_slice *slice,
		      size_t skip, size_t len, uint64_t offset)
{
	while (len && !d->error) {
		ssize_t n = weir_runs_add(runs, slice, skip, len, offset);

		if (n < 0) {
			fail(d, (int)n);
			break;
		}
		skip += (size_t)n;
		offset += (uint64_t)n;
		len -= (size_t)n;
		start_ready(d, runs);
		if (len && d->in_flight)
			wait_one(d);
	}
	reap(d);
	return d->error;
}

int recv_direct_end(struct recv_direct *d, struct weir_runs *runs)
{
	while (weir_runs_end(runs) && !d->error) {
		start_ready(d, runs);
		if (d->in_flight)
			wait_one(d);
	}
	start_ready(d, runs);
	wait_all(d);
	return d->error;
}

void recv_direct_relieve(struct recv_direct *d, struct weir_runs *runs)
{
	while (weir_runs_push(runs)) {
		start_ready(d, runs);
		if (d->in_flight)
			wait_one(d);
	}
	start_ready(d, runs);
	wait_all(d);
}

void recv_direct_leave(struct recv_direct *d, struct weir_runs **runs)
{
	wait_all(d);
	weir_runs_close(*runs);
	*runs = NULL;
}

void recv_direct_close(struct recv_direct *d)
{
	wait_all(d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	d->on = false;
}
