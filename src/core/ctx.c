// SPDX-License-Identifier: MIT
/*
 * ctx.c - transmit contexts: sends collected into generations that end together.
 *
 * Theory: a context has a ring of the generations that have not ended, oldest (head) to open, and
 *	counts the writes of each that have not ended.  A flush makes the next one the open one.
 *	A generation ends when it is the oldest, is not open any more and has no writes left: so
 *	they end in their order, whatever the order of the writes is.
 *
 *	   gens: [head] ... [open]      number modulo cap is the place; cap doubles when it is full
 * Invariants: 1. each write of a context is counted in one generation, once.  2. the open one
 *	always has a place.
 * Ownership: tables are the engine's; they never shrink, so that flushing allocates nothing once
 *	the busiest moment was seen.
 * Threads: the engine's.
 * Errors: as ctx.h says; what cannot be had is asked for before anything is changed.
 * Sources: none.
 * Tests: tests/unit/test_ctx.c, tests/contract/test_ctx.c
 */
#include <stdlib.h>
#include <string.h>
#include <weir/ctx.h>

#include "core.h"

#define GENS_MIN 4u

static struct weir_gen *gen_at(struct weir_ctx *c, uint64_t number)
{
	return &c->gens[number & (c->cap - 1)];
}

static int grow(struct weir_engine *e, struct weir_ctx *c)
{
	uint32_t cap = c->cap ? 2 * c->cap : GENS_MIN;
	struct weir_gen *gens = calloc(cap, sizeof(*gens));

	if (!gens)
		return -ENOMEM;
	for (uint64_t n = c->head; c->cap && n <= c->open; n++)
		gens[n & (cap - 1)] = *gen_at(c, n);
	e->c.stats.heap_bytes += (cap - c->cap) * sizeof(*gens);
	free(c->gens);
	c->gens = gens;
	c->cap = cap;
	return 0;
}

static struct weir_ctx *ctx_of(const struct weir_engine *e, unsigned ctx)
{
	return ctx < e->ctxs.count ? &e->ctxs.list[ctx] : NULL;
}

int weir_ctx_register(struct weir_engine *e, const uint64_t *tags, unsigned count,
		      struct weir_error *reterr)
{
	const char *stage = "weir_ctx_register";

	if (!e || !tags)
		return weir_error_set(reterr, -EINVAL, stage, e ? "tags" : "engine",
				      "it must not be NULL");
	if (!count || count > WEIR_CTX_MAX)
		return weir_error_set(reterr, -EINVAL, stage, "count", "1 to %u contexts",
				      WEIR_CTX_MAX);
	if (e->ctxs.list)
		return weir_error_set(reterr, -EBUSY, stage, NULL,
				      "%u are registered: weir_ctx_unregister() first",
				      e->ctxs.count);
	e->ctxs.list = weir_engine_alloc(e, count * sizeof(*e->ctxs.list));
	if (!e->ctxs.list)
		return weir_error_set(reterr, -ENOMEM, stage, NULL, NULL);
	e->ctxs.count = count;
	for (unsigned i = 0; i < count; i++)
		e->ctxs.list[i].tag = tags[i];
	return 0;
}

void weir_ctxs_fini(struct weir_engine *e)
{
	struct weir_ctxs *all = &e->ctxs;

	if (!all->list)
		return;
	for (unsigned i = 0; i < all->count; i++) {
		e->c.stats.heap_bytes -= all->list[i].cap * sizeof(*all->list[i].gens);
		free(all->list[i].gens);
	}
	e->c.stats.heap_bytes -= all->count * sizeof(*all->list);
	free(all->list);
	*all = (struct weir_ctxs){ 0 };
}

/* Generations that are over, oldest first. */
static void advance(struct weir_engine *e, struct weir_ctx *c)
{
	for (; c->head < c->open && !gen_at(c, c->head)->pending; c->head++) {
		struct weir_gen *g = gen_at(c, c->head);

		weir_event_push(e, WEIR_EVENT_RELEASED, NULL, g->res)->gen =
			(struct weir_generation){ .tag = c->tag,
						  .number = c->head,
						  .bytes = g->bytes,
						  .copied_bytes = g->copied };
		memset(g, 0, sizeof(*g));
	}
}

int weir_ctx_room(struct weir_engine *e, unsigned ctx, unsigned flags)
{
	struct weir_ctx *c = ctx_of(e, ctx);
	uint64_t used;

	if (!c)
		return -ENOENT;
	used = c->open - c->head + 1 + !!(flags & WEIR_SEND_FLUSH);
	if (used > WEIR_CTX_GENERATIONS_MAX)
		return -ENOBUFS;
	return used > c->cap ? grow(e, c) : 0;
}

static void flush(struct weir_engine *e, struct weir_ctx *c)
{
	c->open++;
	advance(e, c);
}

void weir_ctx_join(struct weir_engine *e, unsigned ctx, struct weir_tx *first, unsigned flags)
{
	struct weir_ctx *c = ctx_of(e, ctx);
	struct weir_gen *g = gen_at(c, c->open);

	for (struct weir_tx *t = first; t; t = t->next) {
		t->ctx = ctx + 1;
		t->generation = (uint32_t)c->open;
		t->report = (uint32_t)t->len;
		g->pending++;
	}
	g->used = true;
	if (flags & WEIR_SEND_FLUSH)
		flush(e, c);
}

void weir_ctx_ended(struct weir_engine *e, const struct weir_tx *t)
{
	struct weir_ctx *c = ctx_of(e, t->ctx - 1);
	struct weir_gen *g = gen_at(c, t->generation);
	/* Of a write that broke off the part that went out counts. */
	uint64_t bytes = t->res < 0 ? t->report - t->len : t->report;

	weir_assert(g->pending);
	g->bytes += bytes;
	if (t->copied)
		g->copied += bytes;
	if (t->res < 0 && !g->res)
		g->res = t->res;
	if (!--g->pending && t->generation == (uint32_t)c->head)
		advance(e, c);
}

int weir_ctx_flush(struct weir_engine *e, unsigned ctx)
{
	int r = e ? weir_ctx_room(e, ctx, WEIR_SEND_FLUSH) : -EINVAL;

	if (r)
		return r;
	flush(e, ctx_of(e, ctx));
	weir_txq_kick(e);
	return 0;
}

int weir_ctx_generation(const struct weir_engine *e, unsigned ctx, uint64_t *ret)
{
	const struct weir_ctx *c;

	if (!e || !ret)
		return -EINVAL;
	c = ctx_of(e, ctx);
	if (!c)
		return -ENOENT;
	*ret = c->open;
	return 0;
}

/* The open generations that have sends end, too. */
static int flush_used(struct weir_engine *e)
{
	for (unsigned i = 0; i < e->ctxs.count; i++) {
		struct weir_ctx *c = &e->ctxs.list[i];
		int r;

		if (!c->cap || !gen_at(c, c->open)->used)
			continue;
		r = weir_ctx_flush(e, i);
		if (r)
			return r;
	}
	return 0;
}

static bool idle(const struct weir_engine *e)
{
	for (unsigned i = 0; i < e->ctxs.count; i++)
		if (e->ctxs.list[i].head != e->ctxs.list[i].open)
			return false;
	return true;
}

static int await_idle(struct weir_engine *e, int64_t timeout_us)
{
	uint64_t end_ns = weir_loop_end_ns(e, timeout_us);
	int r = 0;

	while (!r && !idle(e)) {
		if (e->c.now_ns >= end_ns)
			return -ETIMEDOUT;
		r = weir_loop_pump(e, end_ns);
	}
	return r;
}

int weir_ctx_unregister(struct weir_engine *e, int64_t timeout_us)
{
	int r;

	if (!e || timeout_us < -1)
		return -EINVAL;
	if (!pthread_equal(e->thread, pthread_self()))
		return -EPERM;
	if (!e->ctxs.list)
		return -ENOENT;
	r = flush_used(e);
	if (!r && !idle(e))
		r = !timeout_us ? -EBUSY : e->in_callback ? -EDEADLK : await_idle(e, timeout_us);
	if (!r)
		weir_ctxs_fini(e);
	return r;
}
