// SPDX-License-Identifier: MIT
/*
 * place_runs.c - runs: a stream of slices as writes of whole, aligned blocks.
 *
 * Theory:
 *	file    |  block  |  block  |  block  |  block  |  block  |
 *	stream  ....AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBC
 *	run     .   |copied: A,B edges, where A or B is not  |  | partial: at the end only
 *	        |   |aligned; whole blocks of A, B elsewhere |  |
 *	        partial: where the stream begins inside a block
 *	At a block boundary of the file a slice gives all its whole blocks in place, if its address
 *	fits; since offset and address then rise together it fits at every boundary of that slice,
 *	or at none.  What is not whole is copied to the run's bounce memory, where the next slice's
 *	bytes join it until the block is whole.
 *
 *	FREE -> open (being filled) -> ready (FIFO) -> out (the caller's) -> FREE
 * Invariants:
 *	1. a direct run begins at a block boundary; so does each of its pieces, and all of them
 *	   but the last one of the open run end at one.
 *	2. bytes copied to a run are at most its bytes: bounce memory cannot overflow.
 *	3. a run that is not direct lies inside one block and is one piece of bounce memory.
 *	4. the open run is not full: it was made ready when it became so.
 * Ownership: each piece that lies in a slice has one reference on the slice's buffer, as the memory
 *	of a send has; weir_run_done() and weir_runs_close() give them back.
 * Threads: the engine's; opening and closing any.
 * Errors: -EAGAIN and short counts are back-pressure: the caller writes runs and calls again.
 * Sources: open(2) O_DIRECT, statx(2) STATX_DIOALIGN; block/fops.c, Linux 6.18.
 * Tests: tests/unit/test_place_runs.c
 */
#include <weir/place.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../util/util.h"
#include "ledger.h"

#define BLOCK_MAX (1u << 20)
#define RUN_MAX (1u << 30)
#define RUNS_MAX 1024u
#define IOVS_MAX 1024u
#define PAGE 4096u

/* A reference on a slice's buffer; pool NULL: none. */
struct owner {
	struct weir_pool *pool;
	uint32_t buffer;
};

/**
 * struct run - a run and what it has.
 * @pub: what the caller sees; first.
 * @next: free list or FIFO of ready ones.
 * @runs: whose it is.
 * @bounce: memory for copies, run_bytes of it.
 * @owners: of each piece its reference.
 * @places: of each piece its place in its area.
 * @out: the caller has it.
 */
struct run {
	struct weir_run pub;
	struct run *next;
	struct weir_runs *runs;
	char *bounce;
	struct owner *owners;
	struct weir_run_piece *places;
	bool out;
};

/**
 * struct weir_runs - runs of one stream.
 * @opts: with defaults filled in.
 * @runs: all of them.
 * @free: those not in use.
 * @open: the one being filled; NULL: none.
 * @ready_head, @ready_tail: those to be written.
 * @next_offset: where the stream goes on, while there is an open run.
 * @memory: bounce memory.
 */
struct weir_runs {
	struct weir_runs_opts opts;
	struct run *runs;
	struct run *free;
	struct run *open;
	struct run *ready_head, *ready_tail;
	uint64_t next_offset;
	struct weir_runs_stats stats;
	char *memory;
	struct iovec *iovs;
	struct owner *owners;
	struct weir_run_piece *places;
};

static bool power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static void set_defaults(struct weir_runs_opts *o)
{
	if (!o->block_bytes)
		o->block_bytes = PAGE;
	if (!o->memory_align)
		o->memory_align = o->block_bytes;
	if (!o->run_bytes)
		o->run_bytes = o->block_bytes > 512u << 10 ? o->block_bytes : 512u << 10;
	if (!o->run_count)
		o->run_count = 4;
	if (!o->iov_max) {
		o->iov_max = o->run_bytes / PAGE;
		if (o->iov_max < 16)
			o->iov_max = 16;
		if (o->iov_max > IOVS_MAX)
			o->iov_max = IOVS_MAX;
	}
}

static int bad(struct weir_error *reterr, const char *field, const char *legal)
{
	return weir_error_set(reterr, -EINVAL, "runs", field, "%s", legal);
}

static int check(const struct weir_runs_opts *o, struct weir_error *reterr)
{
	if (!power_of_two(o->block_bytes) || o->block_bytes > BLOCK_MAX)
		return bad(reterr, "block_bytes", "legal is a power of two up to 1 MiB");
	if (!power_of_two(o->memory_align) || o->memory_align > o->block_bytes)
		return bad(reterr, "memory_align", "legal is a power of two up to block_bytes");
	if (o->run_bytes % o->block_bytes || o->run_bytes > RUN_MAX)
		return bad(reterr, "run_bytes", "legal is a multiple of block_bytes up to 1 GiB");
	if (o->run_count < 2 || o->run_count > RUNS_MAX)
		return bad(reterr, "run_count", "legal is 2 to 1024");
	if (o->iov_max > IOVS_MAX)
		return bad(reterr, "iov_max", "legal is 1 to 1024");
	return 0;
}

static int alloc(struct weir_runs *r)
{
	const struct weir_runs_opts *o = &r->opts;
	size_t pieces = (size_t)o->run_count * o->iov_max;
	size_t align = o->block_bytes > PAGE ? o->block_bytes : PAGE;
	size_t bytes = (size_t)o->run_count * o->run_bytes;

	r->runs = calloc(o->run_count, sizeof(*r->runs));
	r->iovs = calloc(pieces, sizeof(*r->iovs));
	r->owners = calloc(pieces, sizeof(*r->owners));
	r->places = calloc(pieces, sizeof(*r->places));
	r->memory = aligned_alloc(align, (bytes + align - 1) / align * align);
	return r->runs && r->iovs && r->owners && r->places && r->memory ? 0 : -ENOMEM;
}

static void put_free(struct run *run)
{
	run->next = run->runs->free;
	run->runs->free = run;
}

int weir_runs_open(struct weir_runs **ret, const struct weir_runs_opts *opts,
		   struct weir_error *reterr)
{
	struct weir_runs_opts o = { 0 };
	struct weir_runs *r;
	int error;

	if (!ret)
		return bad(reterr, "ret", "it must not be NULL");
	error = weir_opts_read(&o, sizeof(o), opts, "weir_runs_opts", reterr);
	if (error)
		return error;
	set_defaults(&o);
	error = check(&o, reterr);
	if (error)
		return error;
	r = calloc(1, sizeof(*r));
	if (!r)
		return weir_error_set(reterr, -ENOMEM, "runs", NULL, NULL);
	r->opts = o;
	if (alloc(r)) {
		weir_runs_close(r);
		return weir_error_set(reterr, -ENOMEM, "runs", NULL,
				      "ask for fewer or smaller runs");
	}
	for (uint32_t i = o.run_count; i-- > 0;) {
		struct run *run = &r->runs[i];

		run->runs = r;
		run->bounce = r->memory + (size_t)i * o.run_bytes;
		run->owners = r->owners + (size_t)i * o.iov_max;
		run->places = r->places + (size_t)i * o.iov_max;
		run->pub.iov = r->iovs + (size_t)i * o.iov_max;
		run->pub.pieces = run->places;
		put_free(run);
	}
	*ret = r;
	return 0;
}

static void give_back(struct run *run)
{
	for (unsigned i = 0; i < run->pub.iov_count; i++)
		if (run->owners[i].pool)
			(void)weir_pool_unhold(run->owners[i].pool, run->owners[i].buffer);
	run->pub.iov_count = 0;
}

void weir_runs_close(struct weir_runs *r)
{
	if (!r)
		return;
	if (r->open)
		give_back(r->open);
	for (struct run *run = r->ready_head; run; run = run->next)
		give_back(run);
	free(r->runs);
	free(r->iovs);
	free(r->owners);
	free(r->places);
	free(r->memory);
	free(r);
}

static struct run *begin(struct weir_runs *r, uint64_t offset)
{
	struct run *run = r->free;

	if (!run)
		return NULL;
	r->free = run->next;
	run->pub.offset = offset;
	run->pub.bytes = 0;
	run->pub.copied_bytes = 0;
	run->pub.iov_count = 0;
	run->pub.direct = offset % r->opts.block_bytes == 0;
	run->pub.user = NULL;
	return run;
}

static void make_ready(struct weir_runs *r, struct run *run)
{
	run->next = NULL;
	if (r->ready_head)
		r->ready_tail->next = run;
	else
		r->ready_head = run;
	r->ready_tail = run;
	r->stats.runs++;
	r->stats.pieces += run->pub.iov_count;
	r->stats.direct_bytes += run->pub.bytes - run->pub.copied_bytes;
	r->stats.copied_bytes += run->pub.copied_bytes;
	if (!run->pub.direct)
		r->stats.partial_bytes += run->pub.bytes;
}

static struct iovec *new_piece(struct run *run, void *base)
{
	unsigned i = run->pub.iov_count++;

	run->owners[i] = (struct owner){ 0 };
	run->places[i] = (struct weir_run_piece){ 0 };
	run->pub.iov[i] = (struct iovec){ .iov_base = base };
	return &run->pub.iov[i];
}

/* Then what is copied next lies behind it. */
static bool ends_in_copy(const struct run *run)
{
	return run->pub.iov_count && !run->owners[run->pub.iov_count - 1].pool;
}

static void append_copy(struct run *run, const void *data, size_t n)
{
	struct iovec *last;

	if (ends_in_copy(run))
		last = &run->pub.iov[run->pub.iov_count - 1];
	else
		last = new_piece(run, run->bounce + run->pub.copied_bytes);
	memcpy((char *)last->iov_base + last->iov_len, data, n);
	last->iov_len += n;
	run->pub.bytes += n;
	run->pub.copied_bytes += n;
}

/* Whether what begins here in a slice lies behind the last piece, in the same buffer. */
static bool goes_on(const struct run *run, const struct weir_slice *slice, size_t skip)
{
	unsigned i = run->pub.iov_count - 1;

	if (!run->pub.iov_count || run->owners[i].pool != slice->pool ||
	    run->owners[i].buffer != slice->buffer)
		return false;
	if (slice->data)
		return (char *)run->pub.iov[i].iov_base + run->pub.iov[i].iov_len ==
		       (char *)slice->data + skip;
	return run->places[i].offset + run->pub.iov[i].iov_len == slice->offset + skip;
}

static void append_place(struct run *run, const struct weir_slice *slice, size_t skip, size_t n)
{
	unsigned i = run->pub.iov_count;

	run->pub.bytes += n;
	if (goes_on(run, slice, skip)) {
		run->pub.iov[i - 1].iov_len += n;
		return;
	}
	new_piece(run, slice->data ? (char *)slice->data + skip : NULL)->iov_len = n;
	run->owners[i] = (struct owner){ .pool = slice->pool, .buffer = slice->buffer };
	weir_pool_hold_more(slice->pool, slice->buffer);
	run->places[i].area = slice->area;
	run->places[i].offset = slice->area ? slice->offset + skip : 0;
}

/* Whether this byte's address fits its place in the file; then it does for all of the slice. */
static bool fits(const struct weir_runs *r, const struct weir_slice *slice, size_t skip,
		 uint64_t offset)
{
	uint64_t at = (slice->data ? (uintptr_t)slice->data : slice->offset) + skip;

	return (at - offset) % r->opts.memory_align == 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Takes what one piece can take at the stream's end; 0 where no run is free. */
static size_t take(struct weir_runs *r, const struct weir_slice *slice, size_t skip, size_t len)
{
	uint32_t block = r->opts.block_bytes;
	size_t inside = r->next_offset % block, n = len;
	bool place = !inside && len >= block && fits(r, slice, skip, r->next_offset);
	struct run *run = r->open;

	/* A new piece begins at a boundary only: there the run can be closed. */
	if (run && !inside && run->pub.iov_count == r->opts.iov_max &&
	    (place || !ends_in_copy(run))) {
		make_ready(r, run);
		r->open = run = NULL;
	}
	if (!run) {
		run = begin(r, r->next_offset);
		if (!run)
			return 0;
		r->open = run;
	}
	n = least(n, run->pub.direct ? r->opts.run_bytes - run->pub.bytes : block - inside);
	if (place) {
		n -= n % block;
		append_place(run, slice, skip, n);
	} else {
		/* Blocks behind this one may be whole and fit. */
		if (inside)
			n = least(n, block - inside);
		append_copy(run, (const char *)slice->data + skip, n);
	}
	r->next_offset += n;
	if (run->pub.bytes == r->opts.run_bytes ||
	    (!run->pub.direct && r->next_offset % block == 0)) {
		make_ready(r, run);
		r->open = NULL;
	}
	return n;
}

static bool needs_copy(const struct weir_runs *r, const struct weir_slice *slice, size_t skip,
		       size_t len, uint64_t offset)
{
	return offset % r->opts.block_bytes || len % r->opts.block_bytes ||
	       !fits(r, slice, skip, offset);
}

ssize_t weir_runs_add(struct weir_runs *r, const struct weir_slice *slice, size_t skip, size_t len,
		      uint64_t offset)
{
	size_t taken = 0;

	if (!r || !slice || !slice->pool || skip > slice->len || len > slice->len - skip ||
	    offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	if (!len)
		return 0;
	if (!slice->data && needs_copy(r, slice, skip, len, offset))
		return -EFAULT;
	if (r->open && offset != r->next_offset && weir_runs_end(r))
		return 0;
	r->next_offset = offset;
	while (taken < len) {
		size_t n = take(r, slice, skip + taken, len - taken);

		if (!n)
			break;
		taken += n;
	}
	return (ssize_t)taken;
}

/* Moves the partial block at the end of the open run to a run of its own. */
static struct run *split(struct weir_runs *r, size_t tail)
{
	struct run *from = r->open, *to = begin(r, r->next_offset - tail);
	struct iovec *last = &from->pub.iov[from->pub.iov_count - 1];

	if (!to)
		return NULL;
	append_copy(to, (char *)last->iov_base + last->iov_len - tail, tail);
	last->iov_len -= tail;
	if (!last->iov_len)
		from->pub.iov_count--;
	from->pub.bytes -= tail;
	from->pub.copied_bytes -= tail;
	return to;
}

int weir_runs_push(struct weir_runs *r)
{
	struct run *run = r->open, *rest = NULL;
	size_t tail = r->next_offset % r->opts.block_bytes;

	/* What lies in one block only waits for its end. */
	if (!run || !run->pub.direct || run->pub.bytes == tail)
		return 0;
	if (tail) {
		rest = split(r, tail);
		if (!rest)
			return -EAGAIN;
	}
	make_ready(r, run);
	r->open = rest;
	return 0;
}

int weir_runs_end(struct weir_runs *r)
{
	int error = weir_runs_push(r);

	if (error || !r->open)
		return error;
	r->open->pub.direct = false;
	make_ready(r, r->open);
	r->open = NULL;
	return 0;
}

struct weir_run *weir_runs_next(struct weir_runs *r)
{
	struct run *run = r->ready_head;

	if (!run)
		return NULL;
	r->ready_head = run->next;
	run->out = true;
	return &run->pub;
}

void weir_run_done(struct weir_run *pub)
{
	struct run *run = (struct run *)pub;

	if (!run || !run->out)
		return;
	run->out = false;
	give_back(run);
	put_free(run);
}

void weir_runs_get_stats(const struct weir_runs *r, struct weir_runs_stats *ret)
{
	*ret = r->stats;
}
