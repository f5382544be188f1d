/* SPDX-License-Identifier: MIT */
/*
 * fuzz_runs.c - runs of whole, aligned blocks, and slices as iovecs and headers.
 *
 * Theory: the input chooses blocks and runs, cuts slices anywhere, gives them for any place of a
 * file, and takes, writes and finishes runs in any order.  A direct run begins and ends at
 * blocks and lies at aligned addresses; no run is longer than was asked for; what is written is
 * what was given, the last one given for a place that was given twice without a run in between
 * being left out of account.  All references are back at the end.
 */
#include <errno.h>
#include <weir/place.h>
#include <weir/weir.h>

#include "core/ledger.h"
#include "fuzz.h"

#define BUFS 16
#define BUF_BYTES 8192u
#define FILE_BYTES 65536u
#define OUT_MAX 8

struct world {
	struct weir_runs_opts opts;
	struct weir_runs *runs;
	struct weir_run *out[OUT_MAX];
	unsigned out_count;
	uint64_t given, written;
};

static struct weir_pool *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = BUFS * BUF_BYTES };
	struct weir_area_info info;
	struct weir_area *area;

	(void)argc;
	(void)argv;
	fuzz_keep_stderr();
	if (weir_area_open(&area, &o, NULL) || weir_pool_new(&pool, area, BUF_BYTES))
		return 1;
	weir_area_describe(area, &info);
	/* Each byte says where it is. */
	for (size_t i = 0; i < info.bytes; i++)
		((uint8_t *)info.base)[i] = (uint8_t)(i ^ i >> 8);
	return 0;
}

/* A piece of a buffer, as an event brings it; the event is over when it is returned. */
static struct weir_slice arrive(uint32_t at, uint32_t len, bool blind)
{
	int i = weir_pool_take(pool);
	struct weir_slice v = { .len = len, .area = pool->area, .pool = pool };

	if (i < 0)
		return (struct weir_slice){ 0 };
	weir_pool_deliver(pool, (uint32_t)i);
	weir_pool_kernel_done(pool, (uint32_t)i);
	v.buffer = (uint32_t)i;
	v.offset = (uint64_t)i * BUF_BYTES + at;
	v.data = blind ? NULL : pool->base + v.offset;
	return v;
}

/* The run's promises. */
static void write_run(struct world *w, struct weir_run *run)
{
	const struct weir_runs_opts *o = &w->opts;
	uint64_t bytes = 0;

	must(run->iov_count >= 1 && run->iov_count <= o->iov_max);
	must(run->bytes >= 1 && run->bytes <= o->run_bytes);
	must(run->copied_bytes <= run->bytes);
	must(run->direct ==
	     (run->offset % o->block_bytes == 0 && run->bytes % o->block_bytes == 0));
	for (unsigned i = 0; i < run->iov_count; i++) {
		const struct iovec *v = &run->iov[i];

		must(v->iov_len);
		if (v->iov_base)
			for (size_t k = 0; k < v->iov_len; k += 512)
				*(volatile char *)((char *)v->iov_base + k);
		must(v->iov_base || run->pieces[i].area);
		if (run->direct) {
			must(v->iov_len % o->block_bytes == 0);
			must((v->iov_base ? (uintptr_t)v->iov_base : run->pieces[i].offset) %
				     o->memory_align ==
			     0);
		}
		bytes += v->iov_len;
	}
	must(bytes == run->bytes);
	w->written += bytes;
	weir_run_done(run);
	weir_run_done(run); /* changes nothing */
}

static void write_all(struct world *w)
{
	struct weir_run *run;

	while ((run = weir_runs_next(w->runs)))
		write_run(w, run);
	while (w->out_count)
		write_run(w, w->out[--w->out_count]);
}

static void add(struct world *w, struct fuzz_in *in)
{
	uint32_t at = fuzz_u16(in) % BUF_BYTES, len = fuzz_u16(in) % (BUF_BYTES - at + 1);
	uint32_t skip = fuzz_u16(in), n = fuzz_u16(in);
	uint64_t offset = fuzz_u32(in) % FILE_BYTES;
	uint8_t how = fuzz_u8(in);
	struct weir_slice v = arrive(at, len, how & 1);
	unsigned stuck = 0;
	ssize_t taken;

	if (!v.pool)
		return;
	if (how & 2)
		offset = (uint64_t)INT64_MAX - offset % 70000;
	if (how & 4) {
		skip %= len + 1;
		n = len - skip;
	}
	do {
		taken = weir_runs_add(w->runs, &v, skip, n, offset);
		if (taken < 0)
			break;
		must((uint32_t)taken <= n);
		w->given += (uint64_t)taken;
		skip += (uint32_t)taken;
		n -= (uint32_t)taken;
		offset += (uint64_t)taken;
		if (n)
			write_all(w);
		must(++stuck < 10000);
	} while (n);
	must(taken >= 0 || taken == -EINVAL || taken == -EFAULT);
	weir_pool_return(pool, v.buffer);
}

static void world_act(struct world *w, struct fuzz_in *in)
{
	struct weir_run *run;

	switch (fuzz_u8(in) % 8) {
	case 0:
		(void)!weir_runs_push(w->runs);
		break;
	case 1:
		(void)!weir_runs_end(w->runs);
		break;
	case 2:
		write_all(w);
		break;
	case 3:
		if (w->out_count < OUT_MAX && (run = weir_runs_next(w->runs)))
			w->out[w->out_count++] = run;
		break;
	default:
		add(w, in);
		break;
	}
}

static void runs(struct fuzz_in *in)
{
	struct world w = { 0 };
	struct weir_runs_stats stats;
	struct weir_error err = { 0 };
	bool whole = fuzz_u8(in) & 1;
	int r;

	w.opts.size = sizeof(w.opts);
	w.opts.block_bytes = 1u << fuzz_u8(in) % 14;
	w.opts.memory_align = 1u << fuzz_u8(in) % 14;
	w.opts.run_bytes = fuzz_u16(in);
	w.opts.run_count = fuzz_u8(in) % 8;
	w.opts.iov_max = fuzz_u8(in);
	r = weir_runs_open(&w.runs, &w.opts, &err);
	if (r) {
		must(r == -EINVAL && err.hint[0]);
		return;
	}
	if (!w.opts.run_bytes)
		w.opts.run_bytes = 512 << 10;
	if (!w.opts.iov_max)
		w.opts.iov_max = 1024;
	while (in->left)
		world_act(&w, in);
	if (whole) {
		write_all(&w);
		while ((r = weir_runs_end(w.runs)) == -EAGAIN)
			write_all(&w);
		must(!r);
		write_all(&w);
		must(w.given == w.written);
		weir_runs_get_stats(w.runs, &stats);
		must(stats.direct_bytes + stats.copied_bytes == w.written);
	}
	while (w.out_count)
		weir_run_done(w.out[--w.out_count]);
	weir_runs_close(w.runs);
	must(pool->count[WEIR_BUF_FREE] == BUFS && weir_pool_check(pool));
}

/* Slices of one buffer; what is asked for lies in them, in order. */
static void slices(struct fuzz_in *in)
{
	struct weir_slice v[6] = { 0 };
	struct iovec iov[8];
	unsigned n = 1 + fuzz_u8(in) % 6, max = fuzz_u8(in) % 9;
	size_t skip, len, bytes = 0, got = 0, at = 0;
	uint8_t buf[512], model[6 * 256];
	const void *where;
	ssize_t r;

	for (unsigned i = 0; i < n; i++) {
		v[i].len = fuzz_u8(in);
		v[i].data = pool->base + fuzz_u16(in) % BUF_BYTES;
		memcpy(model + bytes, v[i].data, v[i].len);
		bytes += v[i].len;
	}
	skip = fuzz_u16(in) % (bytes + 2);
	len = fuzz_u16(in) % sizeof(buf);
	must(weir_slices_bytes(v, n) == bytes);
	r = weir_slices_iov(v, n, skip, iov, max, &got);
	must(r >= 0 && r <= (int)max);
	for (int i = 0; i < (int)r; i++) {
		must(!memcmp(iov[i].iov_base, model + skip + at, iov[i].iov_len));
		at += iov[i].iov_len;
	}
	must(at == got && skip + at <= bytes + 1);
	r = weir_slices_pull(v, n, skip, len, buf, &where);
	if (r < 0) {
		must(r == -ENODATA && skip + len > bytes);
		return;
	}
	must(skip + len <= bytes || !len);
	must(r == 0 || r == (ssize_t)len);
	if (len)
		must(!memcmp(where, model + skip, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	if (fuzz_u8(&in) == 's')
		slices(&in);
	else
		runs(&in);
	return 0;
}
