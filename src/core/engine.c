// SPDX-License-Identifier: MIT
/*
 * engine.c - opening and closing an engine, its pools, its memory, its counters.
 *
 * Theory: open: options (structure, then environment) -> eventfd -> plane (choose.c).  The
 *	receive areas are made when the first socket of their kind needs one, so that an engine
 *	that only sends, or only streams, pays for nothing else.  close: every socket is closed,
 *	then the plane is waited for until all of them are detached: after that the kernel uses
 *	none of the application's memory.
 * Invariants: 1. at close both ledgers balance (asserted in debug builds).
 * Ownership: the engine owns sockets, pools, chunks; a given area is referenced.
 * Threads: one; the opening thread.
 * Errors: -EINVAL names the field; a half-made engine is taken down by close.
 * Sources: pthread_setaffinity_np(3).
 * Tests: tests/contract/, tests/unit/
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/ifq.h>

#include "core.h"

#define CLOSE_NS 20000000000ull
#define RELEASE_NS 2000000000ull /* then connections are reset that keep memory */
#define STREAM_BYTES (16u << 20)

void *weir_engine_alloc(struct weir_engine *e, size_t bytes)
{
	void *p = calloc(1, bytes);

	if (p)
		e->c.stats.heap_bytes += bytes;
	return p;
}

/* Memory that lives as long as the engine. */
void *weir_engine_chunk(struct weir_engine *e, size_t bytes)
{
	void *p;

	if (e->chunk_count == e->chunk_cap) {
		unsigned cap = e->chunk_cap ? 2 * e->chunk_cap : 16;
		void **chunks = realloc(e->chunks, cap * sizeof(*chunks));

		if (!chunks)
			return NULL;
		e->chunks = chunks;
		e->chunk_cap = cap;
	}
	p = weir_engine_alloc(e, bytes);
	if (p)
		e->chunks[e->chunk_count++] = p;
	return p;
}

static int pool_open(const struct weir_area_opts *o, struct weir_area *area, uint32_t buf_bytes,
		     struct weir_pool **ret)
{
	int r;

	if (area)
		weir_area_ref(area);
	else if ((r = weir_area_open(&area, o, NULL)))
		return r;
	r = weir_pool_new(ret, area, buf_bytes);
	if (r)
		weir_area_close(area);
	return r;
}

int weir_core_stream_pool(struct weir_engine *e, uint32_t buf_bytes, struct weir_pool **ret)
{
	struct weir_engine_opts *o = &e->c.opts;
	struct weir_area_opts a = { .size = sizeof(a), .provider = o->provider };
	struct weir_area_info info;
	int r;

	if (!e->c.stream_pool) {
		/* Interface queues have the area: this is for what does not come by them. */
		bool own = e->c.ifq_count;

		if (own)
			a.provider = WEIR_PROVIDER_HOST;
		a.bytes = o->area_bytes ? o->area_bytes : STREAM_BYTES;
		if (own && a.bytes > STREAM_BYTES)
			a.bytes = STREAM_BYTES;
		if (o->area && !own) {
			weir_area_describe(o->area, &info);
			a.bytes = info.bytes;
		}
		if (o->buffer_bytes)
			buf_bytes = o->buffer_bytes;
		/* A small area still needs some buffers to turn over. */
		while ((!o->buffer_bytes || own) && buf_bytes > 4096 && a.bytes / buf_bytes < 4)
			buf_bytes /= 2;
		r = pool_open(&a, own ? NULL : o->area, buf_bytes, &e->c.stream_pool);
		if (r)
			return r;
		e->c.stream_pool->lent = e->slices;
	}
	*ret = e->c.stream_pool;
	return 0;
}

void weir_core_add_pool(struct weir_engine *e, struct weir_pool *pool)
{
	pool->lent = e->slices;
}

int weir_core_dgram_pool(struct weir_engine *e, struct weir_pool **ret)
{
	struct weir_area_opts a = { .size = sizeof(a), .provider = WEIR_PROVIDER_HOST };
	int r;

	if (!e->c.dgram_pool) {
		/* Most datagrams are small: touch a buffer's pages only when they are needed. */
		a.flags = WEIR_AREA_LAZY;
		a.bytes = 64 * WEIR_DGRAM_BUF_BYTES;
		r = pool_open(&a, NULL, WEIR_DGRAM_BUF_BYTES, &e->c.dgram_pool);
		if (r)
			return r;
		e->c.dgram_pool->kernel_target = 8;
		e->c.dgram_pool->lent = e->slices;
	}
	*ret = e->c.dgram_pool;
	return 0;
}

static int bad(struct weir_error *reterr, const char *field, const char *hint)
{
	return weir_error_set(reterr, -EINVAL, "weir_engine_opts", field, "%s", hint);
}

static int check(const struct weir_engine_opts *o, struct weir_error *reterr)
{
	if (o->flags)
		return bad(reterr, "flags", "no flag is defined: set it to 0");
	if (o->reserved || o->reserved2)
		return bad(reterr, "reserved", "zero the structure before setting its fields");
	if ((unsigned)o->plane > WEIR_PLANE_ZCRX)
		return bad(reterr, "plane", "only WEIR_PLANE_* are legal");
	if (o->without >> 18)
		return bad(reterr, "without", "only WEIR_WITHOUT_* are legal");
	if (o->buffer_bytes && (o->buffer_bytes < 4096 || o->buffer_bytes > 1u << 30 ||
				(o->buffer_bytes & (o->buffer_bytes - 1))))
		return bad(reterr, "buffer_bytes", "a power of two from 4096 to 1 GiB is needed");
	if (o->area_bytes && o->buffer_bytes && o->area_bytes < o->buffer_bytes)
		return bad(reterr, "area_bytes", "the area must hold at least one buffer");
	if (o->provider == WEIR_PROVIDER_DMABUF)
		return bad(reterr, "provider",
			   "open an area of the dma-buf and give it as weir_engine_opts.area");
	if ((unsigned)o->provider > WEIR_PROVIDER_DMABUF)
		return bad(reterr, "provider", "only WEIR_PROVIDER_* are legal");
	if ((unsigned)o->pressure > WEIR_PRESSURE_TELL)
		return bad(reterr, "pressure", "only WEIR_PRESSURE_* are legal");
	if ((unsigned)o->zerocopy > WEIR_ZEROCOPY_ALWAYS)
		return bad(reterr, "zerocopy", "only WEIR_ZEROCOPY_* are legal");
	if (o->queue_count > WEIR_IFQS_MAX)
		return bad(reterr, "queue_count", "an engine has at most 16 queues");
	if (o->refill_entries > 32768)
		return bad(reterr, "refill_entries", "at most 32768");
	if (o->sq_entries > 32768 || o->cq_entries > 65536)
		return bad(reterr, "sq_entries", "at most 32768 (cq_entries: 65536)");
	return 0;
}

static int zerocopy(struct weir_engine_opts *o, struct weir_error *reterr)
{
	const char *text = getenv("WEIR_ZEROCOPY");

	if (o->zerocopy != WEIR_ZEROCOPY_DEFAULT)
		return 0;
	o->zerocopy = WEIR_ZEROCOPY_AUTO;
	if (!text || !*text || !strcmp(text, "auto"))
		return 0;
	if (!strcmp(text, "never"))
		o->zerocopy = WEIR_ZEROCOPY_NEVER;
	else if (!strcmp(text, "always"))
		o->zerocopy = WEIR_ZEROCOPY_ALWAYS;
	else
		return weir_error_set(reterr, -EINVAL, "WEIR_ZEROCOPY", text,
				      "legal values: auto never always");
	return 0;
}

static int defaults(struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_engine_opts *o = &e->c.opts;
	int r = 0;

	if (!o->spin_us)
		r = weir_env_u32("WEIR_SPIN_US", &o->spin_us, reterr);
	if (!r && !o->min_wait_us) {
		o->min_wait_us = 1000;
		r = weir_env_u32("WEIR_MIN_WAIT_US", &o->min_wait_us, reterr);
	}
	if (r)
		return r;
	if (o->min_wait_us == UINT32_MAX)
		o->min_wait_us = 0;
	if (o->min_wait_us > 1000000)
		return bad(reterr, "min_wait_us", "at most 1000000 (one second)");
	if (!o->sq_entries)
		o->sq_entries = 512;
	/* A chain of sends must fit in one submission. */
	if (o->sq_entries < 64)
		o->sq_entries = 64;
	/* The kernel wants at least as many. */
	if (o->cq_entries && o->cq_entries < o->sq_entries)
		o->cq_entries = o->sq_entries;
	if (!o->ifname && !o->nic)
		o->ifname = getenv("WEIR_IFNAME");
	if (!o->fault)
		o->fault = getenv("WEIR_FAULT");
	r = zerocopy(o, reterr);
	if (r)
		return r;
	e->c.without = o->without;
	return weir_choose_without(getenv("WEIR_WITHOUT"), &e->c.without, reterr);
}

static int pin(const struct weir_engine_opts *o, struct weir_error *reterr)
{
	cpu_set_t set;
	char text[16];

	if (!o->cpu_plus_1)
		return 0;
	snprintf(text, sizeof(text), "CPU %u", o->cpu_plus_1 - 1);
	if (o->cpu_plus_1 > CPU_SETSIZE)
		return weir_error_set(reterr, -EINVAL, "sched_setaffinity", text, "no such CPU");
	CPU_ZERO(&set);
	CPU_SET(o->cpu_plus_1 - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return weir_error_set(reterr, -errno, "sched_setaffinity", text,
				      "the CPU is offline or not in this process's cpuset");
	return 0;
}

static int memory(struct weir_engine *e, struct weir_error *reterr)
{
	e->slices = weir_engine_chunk(e, WEIR_SLICES_MAX * sizeof(*e->slices));
	e->dispatch_events = weir_engine_chunk(e, WEIR_DISPATCH_MAX * sizeof(struct weir_event));
	e->queue_cap = 2 * WEIR_REPORTS_MAX;
	e->queue = weir_engine_alloc(e, e->queue_cap * sizeof(*e->queue));
	if (!e->slices || !e->dispatch_events || !e->queue)
		return weir_error_set(reterr, -ENOMEM, "weir_engine_open", NULL, NULL);
	return 0;
}

/* Without interface queues the kernel copies to the area by its address. */
static int readable(const struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_area_info info;

	if (!e->c.opts.area || e->c.ifq_count)
		return 0;
	weir_area_describe(e->c.opts.area, &info);
	if (info.base)
		return 0;
	return weir_error_set(reterr, -EINVAL, "weir_engine_opts", "area",
			      "memory without an address serves only NIC queues: %s", e->why);
}

int weir_engine_open(struct weir_engine **retengine, const struct weir_engine_opts *opts,
		     struct weir_error *reterr)
{
	struct weir_engine *e;
	int r;

	if (!retengine)
		return bad(reterr, "retengine", "it must not be NULL");
	e = calloc(1, sizeof(*e));
	if (!e)
		return weir_error_set(reterr, -ENOMEM, "weir_engine_open", NULL, NULL);
	e->c.stats.heap_bytes = sizeof(*e);
	e->c.wake_fd = e->foreign_fd = e->timer_fd = -1;
	e->thread = pthread_self();
	e->c.now_ns = weir_clock_ns();
	r = weir_opts_read(&e->c.opts, sizeof(e->c.opts), opts, "weir_engine_opts", reterr);
	if (!r)
		r = check(&e->c.opts, reterr);
	if (!r)
		r = defaults(e, reterr);
	/* Now, not when the pool is made: the caller may close its own at once. */
	if (!r && e->c.opts.area)
		e->given_area = weir_area_ref(e->c.opts.area);
	if (!r)
		r = pin(&e->c.opts, reterr);
	if (!r)
		r = memory(e, reterr);
	if (!r)
		r = weir_post_init(e, reterr);
	if (!r)
		r = weir_group_join(e, reterr);
	if (!r)
		r = weir_choose_plane(e, reterr);
	if (r)
		e->c.ops = NULL;
	else
		r = readable(e, reterr);
	if (r) {
		weir_engine_close(e);
		return r;
	}
	*retengine = e;
	return 0;
}

static void wait_once(struct weir_engine *e, struct weir_wait *w)
{
	w->deadline_ns = weir_clock_ns() + (uint64_t)w->timeout_ns;
	(void)e->c.ops->wait(e, w);
}

static void close_socks(struct weir_engine *e)
{
	struct weir_wait w = { .timeout_ns = 10000000, .want = 1 };
	struct weir_event ev[16];
	uint64_t begun = weir_clock_ns();
	struct weir_sock *s;
	int n;

	for (s = e->socks; s; s = s->all_next)
		weir_sock_close(s);
	while (e->socks && weir_clock_ns() - begun < CLOSE_NS) {
		while ((n = (int)weir_event_hand_out(e, ev, 16)) > 0)
			weir_engine_done(e, (unsigned)n);
		weir_engine_done(e, 0);
		if (e->socks)
			wait_once(e, &w);
		if (weir_clock_ns() - begun > RELEASE_NS)
			for (s = e->socks; s; s = s->all_next)
				weir_zc_purge(s);
	}
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void weir_engine_close(struct weir_engine *e)
{
	if (!e)
		return;
	e->closing = true;
	weir_group_leave(e);
	if (e->batch)
		weir_engine_done(e, e->batch_count);
	if (e->c.ops) {
		close_socks(e);
		e->c.ops->close(e);
	}
	weir_zcpick_fini(e);
	weir_ctxs_fini(e);
	weir_holds_fini(e);
	weir_budget_fini(e);
	weir_pool_free(e->c.stream_pool);
	weir_pool_free(e->c.dgram_pool);
	weir_area_close(e->given_area);
	close_fd(e->foreign_fd);
	close_fd(e->timer_fd);
	close_fd(e->c.wake_fd);
	for (uint32_t i = 0; i < e->timer_count; i++)
		e->timers[i]->index_plus_1 = 0;
	free(e->timers);
	free(e->queue);
	for (unsigned i = 0; i < e->chunk_count; i++)
		free(e->chunks[i]);
	free(e->chunks);
	free(e);
}

enum weir_plane weir_engine_plane(const struct weir_engine *e)
{
	return e->plane_id;
}

const char *weir_engine_why(const struct weir_engine *e)
{
	return e->why;
}

const char *weir_sock_why(const struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	char *text = e->sock_why;
	size_t room = sizeof(e->sock_why), at;

	if (!s->plane->why || !s->plane->why(s, text, room))
		snprintf(text, room, "%s", e->why);
	at = strlen(text);
	if (at + 3 < room && weir_zcpick_why(s, text + at + 2, room - at - 2))
		memcpy(text + at, "; ", 2);
	return text;
}

struct weir_area *weir_engine_area(const struct weir_engine *e)
{
	struct weir_ifq_info info;

	if (!weir_engine_ifq(e, 0, &info))
		return info.area;
	return e->c.stream_pool ? e->c.stream_pool->area : NULL;
}

int weir_engine_ifq(const struct weir_engine *e, unsigned i, struct weir_ifq_info *ret)
{
	return e->c.ops->ifq ? e->c.ops->ifq(e, i, ret, NULL) : -ENOENT;
}

int weir_engine_ifq_stats(const struct weir_engine *e, unsigned i, struct weir_ifq_stats *ret)
{
	return e->c.ops->ifq ? e->c.ops->ifq(e, i, NULL, ret) : -ENOENT;
}

int weir_engine_add_area(struct weir_engine *e, unsigned i, struct weir_area *area,
			 struct weir_error *reterr)
{
	struct weir_ifq_info info;

	if (!area)
		return weir_error_set(reterr, -EINVAL, "weir_engine_add_area", "area",
				      "it must not be NULL");
	if (!e->c.ops->add_area || weir_engine_ifq(e, i, &info))
		return weir_error_set(reterr, -ENOENT, "weir_engine_add_area", "queue",
				      "the engine has no such interface queue: %s", e->why);
	return e->c.ops->add_area(e, i, area, reterr);
}

int weir_engine_send_area(struct weir_engine *e, struct weir_area *area, struct weir_error *reterr)
{
	const char *stage = "weir_engine_send_area";

	if (!e || !area)
		return weir_error_set(reterr, -EINVAL, stage, e ? "area" : "engine",
				      "it must not be NULL");
	if (!e->c.zerocopy || !e->c.ops->send_area)
		return weir_error_set(reterr, -ENOTSUP, stage, "plane",
				      "no registered buffers for zero copy: %s", e->why);
	return e->c.ops->send_area(e, area, reterr);
}

void weir_engine_get_stats(const struct weir_engine *e, struct weir_engine_stats *ret)
{
	const struct weir_pool *pools[] = { e->c.stream_pool, e->c.dgram_pool };
	struct weir_ifq_stats q;

	*ret = e->c.stats;
	for (unsigned i = 0; i < weir_array_len(pools); i++) {
		const struct weir_pool *p = pools[i];

		if (!p)
			continue;
		ret->buffers_free += p->count[WEIR_BUF_FREE];
		ret->buffers_kernel += p->count[WEIR_BUF_KERNEL];
		ret->buffers_delivered += p->count[WEIR_BUF_DELIVERED];
		ret->buffers_held += p->count[WEIR_BUF_HELD];
	}
	for (unsigned i = 0; !weir_engine_ifq_stats(e, i, &q); i++) {
		ret->buffers_free += q.buffers_free;
		ret->buffers_kernel += q.buffers_kernel;
		ret->buffers_delivered += q.buffers_delivered;
		ret->buffers_held += q.buffers_held;
	}
	ret->buffers = ret->buffers_free + ret->buffers_kernel + ret->buffers_delivered +
		       ret->buffers_held;
}
