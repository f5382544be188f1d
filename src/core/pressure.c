// SPDX-License-Identifier: MIT
/*
 * pressure.c - how much of an area each socket keeps, and what becomes of those that keep too much.
 *
 * Theory: a piece that is kept keeps its whole buffer from being received into, so a socket is
 *	charged with the whole buffer, once, however many of its pieces it keeps; two sockets
 *	that keep pieces of one buffer are charged both.  Pieces in flight as memory of sends are
 *	charged to the socket they came by.  One entry per (socket, buffer), found by a hash:
 *
 *	   buckets[] -> keep -> keep          each keep: socket, pool, buffer, pieces
 *	   socket    -> keep <-> keep         so that a socket that is freed can be taken out
 *
 *	Tickets (hold.c) and writes (txq.c) name their keep.  Where there is no bound nothing is
 *	counted and the number is 0.
 *
 *	          kept > bound: event 1, policy
 *	  within ──────────────────────────────> over
 *	         <──────────────────────────────
 *	          kept <= bound / 2: event 0
 *
 *	Areas: when less than a quarter of a pool's buffers is neither DELIVERED nor HELD, as seen
 *	at a hold, the engine tells (an event without a socket); it is over at half.
 * Invariants: 1. kept_bytes of a socket is the sum of the buffer sizes of its keeps.  2. a keep is
 *	in use exactly while count > 0.  3. events 1 and 0 of a socket or an area alternate.
 *	4. the plane is asked to stop receiving only from the application's calls, never from a
 *	report.
 * Ownership: the engine owns the tables.
 * Threads: the engine's.
 * Errors: -ENOMEM where the tables cannot grow: nothing is kept then.
 * Sources: none.
 * Tests: tests/unit/test_pressure.c, tests/contract/test_pressure.c
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define KEEPS_MIN 64u

/* What a socket may keep of a pool, in bytes. */
static uint64_t bound_of(const struct weir_engine *e, const struct weir_pool *pool)
{
	/* What was copied out of an area takes nothing of it. */
	if (pool == e->budget.spill.pool)
		return UINT64_MAX;
	if (e->c.opts.hold_max_bytes)
		return e->c.opts.hold_max_bytes;
	return pool->zc ? pool->hold_bytes : UINT64_MAX;
}

/* ---- keeps ---- */

static uint32_t *bucket_of(struct weir_budget *b, const struct weir_sock *s,
			   const struct weir_pool *pool, uint32_t buffer)
{
	uint64_t h = (uintptr_t)s * 0x9e3779b97f4a7c15ull;

	h = (h ^ (uintptr_t)pool ^ buffer) * 0xbf58476d1ce4e5b9ull;
	return &b->buckets[(h >> 32) & (b->cap - 1)];
}

static void hash(struct weir_budget *b, struct weir_keep *k, uint32_t id)
{
	uint32_t *at = bucket_of(b, k->sock, k->pool, k->buffer);

	k->next_plus_1 = *at;
	*at = id;
}

static void unhash(struct weir_budget *b, const struct weir_keep *k, uint32_t id)
{
	uint32_t *at = bucket_of(b, k->sock, k->pool, k->buffer);

	while (*at != id)
		at = &b->keeps[*at - 1].next_plus_1;
	*at = k->next_plus_1;
}

static int keeps_grow(struct weir_engine *e)
{
	struct weir_budget *b = &e->budget;
	uint32_t cap = b->cap ? 2 * b->cap : KEEPS_MIN, old = b->cap;
	uint32_t *buckets = calloc(cap, sizeof(*buckets));
	struct weir_keep *keeps = realloc(b->keeps, cap * sizeof(*keeps));

	if (keeps)
		b->keeps = keeps;
	if (!buckets || !keeps) {
		free(buckets);
		return -ENOMEM;
	}
	e->c.stats.heap_bytes += (cap - old) * (sizeof(*keeps) + sizeof(*buckets));
	free(b->buckets);
	b->buckets = buckets;
	b->cap = cap;
	for (uint32_t i = cap; i-- > old;) {
		keeps[i] = (struct weir_keep){ .next_plus_1 = b->free_plus_1 };
		b->free_plus_1 = i + 1;
	}
	/* All old ones are in use: that is why it grows. */
	for (uint32_t i = 0; i < old; i++)
		if (keeps[i].sock)
			hash(b, &keeps[i], i + 1);
	return 0;
}

static void list_add(struct weir_budget *b, struct weir_keep *k, uint32_t id)
{
	struct weir_sock *s = k->sock;

	k->sock_prev_plus_1 = 0;
	k->sock_next_plus_1 = s->keeps_plus_1;
	if (s->keeps_plus_1)
		b->keeps[s->keeps_plus_1 - 1].sock_prev_plus_1 = id;
	s->keeps_plus_1 = id;
}

static void list_remove(struct weir_budget *b, struct weir_keep *k)
{
	if (k->sock_prev_plus_1)
		b->keeps[k->sock_prev_plus_1 - 1].sock_next_plus_1 = k->sock_next_plus_1;
	else
		k->sock->keeps_plus_1 = k->sock_next_plus_1;
	if (k->sock_next_plus_1)
		b->keeps[k->sock_next_plus_1 - 1].sock_prev_plus_1 = k->sock_prev_plus_1;
}

int weir_keep_get(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer, uint32_t *ret)
{
	struct weir_engine *e = s->engine;
	struct weir_budget *b = &e->budget;
	struct weir_keep *k;
	uint32_t id = 0;

	*ret = 0;
	if (bound_of(e, pool) == UINT64_MAX)
		return 0;
	if (b->cap)
		id = *bucket_of(b, s, pool, buffer);
	for (; id; id = k->next_plus_1) {
		k = &b->keeps[id - 1];
		if (k->sock == s && k->pool == pool && k->buffer == buffer) {
			k->count++;
			*ret = id;
			return 0;
		}
	}
	if (!b->free_plus_1 && keeps_grow(e))
		return -ENOMEM;
	id = b->free_plus_1;
	k = &b->keeps[id - 1];
	b->free_plus_1 = k->next_plus_1;
	*k = (struct weir_keep){ .sock = s, .pool = pool, .buffer = buffer, .count = 1 };
	hash(b, k, id);
	list_add(b, k, id);
	s->kept_bytes += pool->buf_bytes;
	*ret = id;
	return 0;
}

uint32_t weir_keep_more(struct weir_engine *e, uint32_t keep)
{
	if (keep)
		e->budget.keeps[keep - 1].count++;
	return keep;
}

static void keep_free(struct weir_budget *b, uint32_t id)
{
	struct weir_keep *k = &b->keeps[id - 1];

	*k = (struct weir_keep){ .next_plus_1 = b->free_plus_1 };
	b->free_plus_1 = id;
}

/* ---- sockets ---- */

static void tell(struct weir_engine *e, struct weir_sock *s, int res)
{
	weir_event_push(e, WEIR_EVENT_PRESSURE, s, res);
	e->budget.news = true;
}

static void over(struct weir_sock *s, const struct weir_pool *pool)
{
	struct weir_engine *e = s->engine;
	enum weir_pressure policy = e->c.opts.pressure;

	s->kept_over = true;
	e->c.stats.pressures++;
	/* What the CPU cannot read cannot be copied. */
	s->rx_spills = policy == WEIR_PRESSURE_COPY && pool->base;
	if (policy == WEIR_PRESSURE_STOP || (policy == WEIR_PRESSURE_COPY && !pool->base))
		weir_sock_hold_up(s, true);
	tell(e, s, 1);
}

static void within(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;

	s->kept_over = false;
	if (s->rx_spills) {
		s->rx_spills = false;
		weir_spill_trim(e);
	}
	if (s->closing || s->finishing)
		return;
	tell(e, s, 0);
	if (s->rx_held_up)
		weir_sock_hold_up(s, false);
}

void weir_keep_put(struct weir_engine *e, uint32_t keep)
{
	struct weir_budget *b = &e->budget;
	struct weir_keep *k = keep ? &b->keeps[keep - 1] : NULL;
	struct weir_sock *s;
	uint64_t half;

	if (!k || --k->count)
		return;
	s = k->sock;
	if (!s) {
		keep_free(b, keep);
		return;
	}
	half = bound_of(e, k->pool) / 2;
	s->kept_bytes -= k->pool->buf_bytes;
	unhash(b, k, keep);
	list_remove(b, k);
	keep_free(b, keep);
	if (s->kept_over && s->kept_bytes <= half)
		within(s);
}

void weir_keep_forget_sock(struct weir_sock *s)
{
	struct weir_budget *b = &s->engine->budget;

	while (s->keeps_plus_1) {
		uint32_t id = s->keeps_plus_1;
		struct weir_keep *k = &b->keeps[id - 1];

		unhash(b, k, id);
		list_remove(b, k);
		k->sock = NULL;
	}
	s->kept_bytes = 0;
	if (s->rx_spills)
		weir_spill_trim(s->engine);
}

/* ---- areas ---- */

static uint32_t out(const struct weir_pool *pool)
{
	return pool->count[WEIR_BUF_DELIVERED] + pool->count[WEIR_BUF_HELD];
}

static void look_at_area(struct weir_engine *e, struct weir_pool *pool)
{
	struct weir_budget *b = &e->budget;

	if (4 * (uint64_t)(pool->buf_count - out(pool)) >= pool->buf_count || pool == b->spill.pool)
		return;
	for (unsigned i = 0; i < b->low_count; i++)
		if (b->low[i] == pool)
			return;
	if (b->low_count == weir_array_len(b->low))
		return;
	b->low[b->low_count++] = pool;
	tell(e, NULL, 1);
}

void weir_pressure_recover(struct weir_engine *e)
{
	struct weir_budget *b = &e->budget;

	for (unsigned i = b->low_count; i-- > 0;) {
		if (2 * (uint64_t)out(b->low[i]) > b->low[i]->buf_count)
			continue;
		b->low[i] = b->low[--b->low_count];
		tell(e, NULL, 0);
	}
}

void weir_pressure_kept(struct weir_engine *e, struct weir_pool *pool, uint32_t keep)
{
	struct weir_sock *s = keep ? e->budget.keeps[keep - 1].sock : NULL;

	if (s && !s->kept_over && !s->closing && !s->finishing && s->kept_bytes > bound_of(e, pool))
		over(s, pool);
	look_at_area(e, pool);
}

void weir_pressure_eased(struct weir_engine *e)
{
	if (e->budget.low_count)
		weir_pressure_recover(e);
	if (!e->budget.news)
		return;
	e->budget.news = false;
	/* Outside of a batch a foreign loop sleeps next. */
	weir_txq_kick(e);
}

void weir_budget_fini(struct weir_engine *e)
{
	weir_spill_fini(e);
	free(e->budget.keeps);
	free(e->budget.buckets);
	memset(&e->budget, 0, sizeof(e->budget));
}
