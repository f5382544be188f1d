/* SPDX-License-Identifier: MIT */
/*
 * test_place_runs.c - runs of whole, aligned blocks out of any slices.
 *
 * Theory: random slices (aligned or not, long or short) go to random places of a file that is an
 * array; a device that refuses what is not aligned writes the runs, in any order and late.  The
 * model knows of each byte of the file what it must be, and of each block whether one slice brought
 * all of it at an address that fits: exactly these must not be copied.  After each case the file
 * is right and every buffer is free.  The seed is printed when a case fails.
 */
#include <weir/place.h>

#include "core/ledger.h"
#include "t.h"

#define BUFS 64
#define BUF_BYTES 16384u
#define FILE_BYTES (1u << 20)
#define OUT_MAX 16

/**
 * struct world - one case.
 * @want: content of the file as it must be; @have: as it was written.
 * @written: how often each byte was written.
 * @placed: blocks' bytes that must not be copied.
 * @out: runs being written.
 */
struct world {
	struct weir_runs_opts opts;
	struct weir_pool *pool;
	struct weir_runs *runs;
	uint8_t *want, *have, *written;
	uint64_t added, placed, direct, copied, partial, pieces, count;
	struct weir_run *out[OUT_MAX];
	unsigned out_count;
	uint64_t end;
	bool blind;
};

/* Two runs; blocks and addresses of the same unit. */
static struct world world_of(uint32_t block_bytes, uint32_t run_bytes, uint32_t iov_max)
{
	return (struct world){ .opts = { .block_bytes = block_bytes,
					 .memory_align = block_bytes,
					 .run_bytes = run_bytes,
					 .run_count = 2,
					 .iov_max = iov_max } };
}

static void open_world(struct world *w)
{
	struct weir_area_opts ao = { .size = sizeof(ao),
				     .provider = WEIR_PROVIDER_HOST,
				     .bytes = BUFS * BUF_BYTES };
	struct weir_area *area;
	struct weir_area_info info;

	assert_int_equal(weir_area_open(&area, &ao, NULL), 0);
	weir_area_describe(area, &info);
	t_pattern_fill(info.base, t_rand(), 0, info.bytes);
	assert_int_equal(weir_pool_new(&w->pool, area, BUF_BYTES), 0);
	w->opts.size = sizeof(w->opts);
	assert_int_equal(weir_runs_open(&w->runs, &w->opts, NULL), 0);
	w->want = calloc(1, FILE_BYTES);
	w->have = calloc(1, FILE_BYTES);
	w->written = calloc(1, FILE_BYTES);
	assert_true(w->want && w->have && w->written);
}

static void close_world(struct world *w)
{
	weir_runs_close(w->runs);
	assert_int_equal(w->pool->count[WEIR_BUF_FREE], BUFS);
	weir_pool_free(w->pool);
	free(w->want);
	free(w->have);
	free(w->written);
}

/* A slice of a buffer of its own, as an event brings it. */
static struct weir_slice arrive(struct world *w, uint32_t at, uint32_t len)
{
	int i = weir_pool_take(w->pool);
	struct weir_slice v = { .len = len, .area = w->pool->area, .pool = w->pool };

	assert_true(i >= 0);
	weir_pool_deliver(w->pool, (uint32_t)i);
	weir_pool_kernel_done(w->pool, (uint32_t)i);
	v.buffer = (uint32_t)i;
	v.offset = (uint64_t)i * BUF_BYTES + at;
	v.data = w->pool->base + v.offset;
	return v;
}

/* What a run promises; its bytes go to the file. */
static void device(struct world *w, const struct weir_run *run)
{
	uint64_t at = run->offset;

	assert_in_range(run->iov_count, 1, w->opts.iov_max);
	assert_in_range(run->bytes, 1, w->opts.run_bytes);
	for (unsigned i = 0; i < run->iov_count; i++) {
		const struct iovec *v = &run->iov[i];
		const struct weir_run_piece *p = &run->pieces[i];
		const char *base = v->iov_base;

		assert_true(v->iov_len);
		if (run->direct) {
			assert_int_equal(v->iov_len % w->opts.block_bytes, 0);
			assert_int_equal((uintptr_t)base % w->opts.memory_align, 0);
			assert_int_equal(p->offset % w->opts.memory_align, 0);
		}
		assert_true(!p->area || p->area == w->pool->area);
		if (p->area && !w->blind)
			assert_ptr_equal(base, w->pool->base + p->offset);
		if (p->area)
			base = w->pool->base + p->offset;
		memcpy(w->have + at, base, v->iov_len);
		for (size_t k = 0; k < v->iov_len; k++)
			w->written[at + k]++;
		at += v->iov_len;
	}
	assert_int_equal(at - run->offset, run->bytes);
	assert_int_equal(run->direct, run->offset % w->opts.block_bytes == 0 &&
					      run->bytes % w->opts.block_bytes == 0);
	w->direct += run->bytes - run->copied_bytes;
	w->copied += run->copied_bytes;
	if (!run->direct) {
		assert_int_equal(run->iov_count, 1);
		assert_int_equal(run->copied_bytes, run->bytes);
		assert_int_equal(run->offset / w->opts.block_bytes,
				 (run->offset + run->bytes - 1) / w->opts.block_bytes);
		w->partial += run->bytes;
	}
	w->pieces += run->iov_count;
	w->count++;
}

/* Takes what is ready, writes some of it; all of it where @all. */
static void write_some(struct world *w, bool all)
{
	struct weir_run *run;

	while (w->out_count < OUT_MAX && (run = weir_runs_next(w->runs)))
		w->out[w->out_count++] = run;
	while (w->out_count && (all || t_rand_below(3))) {
		unsigned i = (unsigned)t_rand_below(w->out_count);

		run = w->out[i];
		device(w, run);
		w->out[i] = w->out[--w->out_count];
		weir_run_done(run);
		/* A second time changes nothing. */
		weir_run_done(run);
	}
}

static void expect(struct world *w, const struct weir_slice *v, size_t skip, size_t len,
		   uint64_t offset)
{
	uint32_t block = w->opts.block_bytes;
	const char *at = w->pool->base + v->offset + skip;
	uint64_t first = (offset + block - 1) / block * block, end = (offset + len) / block * block;

	memcpy(w->want + offset, at, len);
	w->added += len;
	if (first < end && ((uintptr_t)at - offset) % w->opts.memory_align == 0)
		w->placed += end - first;
}

/* All of @len goes in, some runs being written in between where there is no room. */
static void add(struct world *w, const struct weir_slice *v, size_t skip, size_t len,
		uint64_t offset)
{
	unsigned stuck = 0;

	expect(w, v, skip, len, offset);
	while (len) {
		ssize_t n = weir_runs_add(w->runs, v, skip, len, offset);

		assert_in_range(n, 0, len);
		skip += (size_t)n;
		offset += (size_t)n;
		len -= (size_t)n;
		if (len)
			write_some(w, false);
		stuck = n ? 0 : stuck + 1;
		assert_true(stuck < 1000);
	}
}

static void finish(struct world *w, bool push_only)
{
	while ((push_only ? weir_runs_push(w->runs) : weir_runs_end(w->runs)) == -EAGAIN)
		write_some(w, true);
	write_some(w, true);
}

static void check_world(struct world *w)
{
	struct weir_runs_stats stats;

	finish(w, false);
	assert_memory_equal(w->want, w->have, FILE_BYTES);
	for (uint64_t i = 0; i < FILE_BYTES; i++)
		assert_in_range(w->written[i], 0, 1);
	weir_runs_get_stats(w->runs, &stats);
	assert_int_equal(stats.direct_bytes, w->direct);
	assert_int_equal(stats.copied_bytes, w->copied);
	assert_int_equal(stats.partial_bytes, w->partial);
	assert_int_equal(stats.runs, w->count);
	assert_int_equal(stats.pieces, w->pieces);
	assert_int_equal(w->direct + w->copied, w->added);
	assert_int_equal(w->direct, w->placed);
	assert_int_equal(w->pool->count[WEIR_BUF_FREE], BUFS);
	assert_true(weir_pool_check(w->pool));
}

static void random_opts(struct weir_runs_opts *o)
{
	o->block_bytes = 1u << t_rand_below(14);
	o->memory_align = 1u << t_rand_below(14);
	if (o->memory_align > o->block_bytes)
		o->memory_align = o->block_bytes;
	o->run_bytes = o->block_bytes * (uint32_t)(1 + t_rand_below(40));
	o->run_count = 2 + (uint32_t)t_rand_below(6);
	o->iov_max = 1 + (uint32_t)t_rand_below(8);
}

/* One slice, given in one or more parts, each perhaps somewhere else in the file. */
static void random_slice(struct world *w, bool fit)
{
	uint32_t align = t_rand_below(2) ? w->opts.block_bytes : 1;
	uint32_t at = (uint32_t)(t_rand_below(BUF_BYTES / align) * align);
	uint32_t len = (uint32_t)t_rand_below(BUF_BYTES - at) + 1;
	struct weir_slice v;
	size_t skip = 0;

	/* Where the stream is now, so that blocks can be placed though it began anywhere. */
	if (fit && t_rand_below(4))
		at = at / w->opts.block_bytes * w->opts.block_bytes +
		     (uint32_t)(w->end % w->opts.block_bytes);
	if (at + len > BUF_BYTES)
		at = 0;
	v = arrive(w, at, len);
	while (skip < len) {
		size_t part = t_rand_below(3) ? len - skip : 1 + t_rand_below(len - skip);

		if (!t_rand_below(6))
			w->end += t_rand_below(w->opts.block_bytes * 2);
		if (w->end + part > FILE_BYTES)
			break;
		add(w, &v, skip, part, w->end);
		w->end += part;
		skip += part;
		/* A header that is none of the file's. */
		if (!t_rand_below(4))
			skip += t_rand_below(40);
	}
	weir_pool_return(w->pool, v.buffer);
}

static void any_slices(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300 / T_SLOW; i++) {
		struct world w = { 0 };

		random_opts(&w.opts);
		open_world(&w);
		w.end = t_rand_below(2) * t_rand_below(20000);
		for (unsigned k = 0; k < 200 && w.end < FILE_BYTES - BUF_BYTES; k++) {
			/* What keeps a buffer must be bounded by the runs that there are. */
			if (w.pool->count[WEIR_BUF_FREE] < 4)
				finish(&w, true);
			random_slice(&w, i % 2);
			if (!t_rand_below(5))
				write_some(&w, t_rand_below(2));
			if (!t_rand_below(20))
				finish(&w, t_rand_below(2));
		}
		check_world(&w);
		close_world(&w);
	}
}

/* Payload of 4,096 bytes in page after page: nothing is copied. */
static void pages(void **state)
{
	struct world w = world_of(4096, 65536, 16);

	(void)state;
	open_world(&w);
	for (unsigned i = 0; i < 200; i++) {
		struct weir_slice v = arrive(&w, 4096 * (i % 4), 4096);

		add(&w, &v, 0, 4096, w.end);
		w.end += 4096;
		weir_pool_return(w.pool, v.buffer);
	}
	check_world(&w);
	assert_int_equal(w.copied, 0);
	assert_int_equal(w.direct, 200 * 4096);
	/* 16 pages to a run, as they were of different buffers. */
	assert_int_equal(w.count, 13);
	close_world(&w);
}

/* Bytes that follow each other in one buffer, in several arrivals, are one piece. */
static void one_buffer(void **state)
{
	struct world w = world_of(512, BUF_BYTES, 4);
	struct weir_slice v, part;

	(void)state;
	open_world(&w);
	v = arrive(&w, 0, BUF_BYTES);
	for (uint32_t at = 0; at < BUF_BYTES; at += 1024) {
		part = v;
		part.data = (char *)v.data + at;
		part.offset += at;
		part.len = 1024;
		add(&w, &part, 0, 1024, at);
	}
	weir_pool_return(w.pool, v.buffer);
	check_world(&w);
	assert_int_equal(w.pieces, 1);
	close_world(&w);
}

/* Two buffers beside each other are two pieces: each has to be kept. */
static void two_buffers(void **state)
{
	struct world w = world_of(512, 4 * BUF_BYTES, 4);
	struct weir_slice a, b;

	(void)state;
	open_world(&w);
	a = arrive(&w, 0, BUF_BYTES);
	b = arrive(&w, 0, BUF_BYTES);
	assert_ptr_equal((char *)a.data + BUF_BYTES, b.data);
	add(&w, &a, 0, BUF_BYTES, 0);
	add(&w, &b, 0, BUF_BYTES, BUF_BYTES);
	weir_pool_return(w.pool, a.buffer);
	weir_pool_return(w.pool, b.buffer);
	assert_int_equal(w.pool->count[WEIR_BUF_HELD], 2);
	check_world(&w);
	assert_int_equal(w.pieces, 2);
	close_world(&w);
}

/* The last bytes: part of a block, a run that is not direct. */
static void last_block(void **state)
{
	static const uint32_t sizes[] = { 1, 511, 512, 513, 4095, 4096, 4097 };

	(void)state;
	for (unsigned i = 0; i < T_COUNT(sizes); i++) {
		struct world w = world_of(512, 4096, 4);
		struct weir_slice v;

		open_world(&w);
		v = arrive(&w, 0, sizes[i]);
		add(&w, &v, 0, sizes[i], 0);
		weir_pool_return(w.pool, v.buffer);
		check_world(&w);
		assert_int_equal(w.partial, sizes[i] % 512);
		assert_int_equal(w.copied, sizes[i] % 512);
		close_world(&w);
	}
}

/* Memory without an address: taken where nothing has to be copied, refused elsewhere. */
static void no_address(void **state)
{
	struct world w = world_of(512, 65536, 4);
	struct weir_slice v;

	(void)state;
	open_world(&w);
	w.blind = true;
	v = arrive(&w, 512, 8192);
	v.data = NULL;
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 513, 0), -EFAULT);
	assert_int_equal(weir_runs_add(w.runs, &v, 1, 512, 0), -EFAULT);
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 512, 1), -EFAULT);
	assert_int_equal(weir_runs_add(w.runs, &v, 512, 1024, 0), 1024);
	assert_int_equal(weir_runs_add(w.runs, &v, 1536, 512, 1024), 512);
	expect(&w, &v, 512, 1536, 0);
	weir_pool_return(w.pool, v.buffer);
	check_world(&w);
	assert_int_equal(w.pieces, 1);
	close_world(&w);
}

static void refused(void **state)
{
	struct world w = world_of(512, 512, 1);
	struct weir_slice v, stale;
	struct weir_run *run;

	(void)state;
	open_world(&w);
	v = arrive(&w, 0, 4096);
	stale = v;
	stale.pool = NULL;
	assert_int_equal(weir_runs_add(w.runs, &stale, 0, 1, 0), -EINVAL);
	assert_int_equal(weir_runs_add(w.runs, &v, 4097, 0, 0), -EINVAL);
	assert_int_equal(weir_runs_add(w.runs, &v, 1, 4096, 0), -EINVAL);
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 2, INT64_MAX - 1), -EINVAL);
	assert_int_equal(weir_runs_add(NULL, &v, 0, 1, 0), -EINVAL);
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 0, 0), 0);
	assert_null(weir_runs_next(w.runs));
	/* Two runs and no more: what is written makes room again. */
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 4096, 0), 1024);
	assert_int_equal(weir_runs_add(w.runs, &v, 1024, 3072, 1024), 0);
	assert_int_equal(weir_runs_add(w.runs, &v, 1024, 3072, 8192), 0);
	run = weir_runs_next(w.runs);
	assert_int_equal(run->offset, 0);
	assert_int_equal(weir_runs_add(w.runs, &v, 1024, 3072, 1024), 0);
	weir_run_done(run);
	weir_run_done(NULL);
	/* Closed with one run ready and one open: nothing stays. */
	assert_int_equal(weir_runs_add(w.runs, &v, 1024, 100, 1024), 100);
	weir_pool_return(w.pool, v.buffer);
	assert_int_equal(w.pool->count[WEIR_BUF_HELD], 1);
	close_world(&w);
}

/* A partial block waits for a free run to move to. */
static void push_waits(void **state)
{
	struct world w = world_of(512, 4096, 4);
	struct weir_slice v;
	struct weir_run *run;

	(void)state;
	open_world(&w);
	v = arrive(&w, 0, 8192);
	assert_int_equal(weir_runs_push(w.runs), 0);
	assert_int_equal(weir_runs_end(w.runs), 0);
	assert_int_equal(weir_runs_add(w.runs, &v, 0, 4096 + 600, 0), 4096 + 600);
	assert_int_equal(weir_runs_push(w.runs), -EAGAIN);
	assert_int_equal(weir_runs_end(w.runs), -EAGAIN);
	run = weir_runs_next(w.runs);
	assert_int_equal(run->bytes, 4096);
	device(&w, run);
	weir_run_done(run);
	assert_int_equal(weir_runs_push(w.runs), 0);
	/* 88 bytes stay; nothing is whole now. */
	assert_int_equal(weir_runs_push(w.runs), 0);
	expect(&w, &v, 0, 4096, 0);
	expect(&w, &v, 4096, 600, 4096);
	weir_pool_return(w.pool, v.buffer);
	check_world(&w);
	assert_int_equal(w.partial, 88);
	close_world(&w);
}

static void opts(void **state)
{
	static const struct weir_runs_opts bad[] = {
		{ .block_bytes = 3 },
		{ .block_bytes = 2u << 20 },
		{ .memory_align = 24 },
		{ .block_bytes = 512, .memory_align = 1024 },
		{ .block_bytes = 4096, .run_bytes = 4097 },
		{ .run_bytes = (1u << 30) + 4096 },
		{ .run_count = 1 },
		{ .run_count = 1025 },
		{ .iov_max = 1025 },
	};
	struct weir_runs *runs = NULL;
	struct weir_error err;

	(void)state;
	for (unsigned i = 0; i < T_COUNT(bad); i++) {
		struct weir_runs_opts o = bad[i];

		o.size = sizeof(o);
		memset(&err, 0, sizeof(err));
		assert_int_equal(weir_runs_open(&runs, &o, &err), -EINVAL);
		assert_null(runs);
		assert_true(err.hint[0]);
	}
	assert_int_equal(weir_runs_open(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(weir_runs_open(&runs, NULL, NULL), 0);
	weir_runs_close(runs);
	weir_runs_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(any_slices),  T_CASE(pages),	 T_CASE(one_buffer),
		T_CASE(two_buffers), T_CASE(last_block), T_CASE(no_address),
		T_CASE(refused),     T_CASE(push_waits), T_CASE(opts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
