// SPDX-License-Identifier: MIT
/*
 * spill.c - pieces copied out of an area at once, because their socket keeps too much of it.
 *
 * Theory: memory of the heap in chunks, filled one after the other by all sockets that are over
 *	their budget:
 *
 *	   chunk  [piece A][piece A][piece B]......     at: the chunk being filled
 *
 *	The chunks are the buffers of a pool without an area, so that slices in them are lent, held,
 *	sent and released by the same ledger: KERNEL while being filled, FREE when all pieces are
 *	back.  A piece larger than a chunk has one of its own.  A datagram takes its head (peer,
 *	control data) along.  Memory of FREE chunks is used again while anybody is over, and given
 *	back when a socket is within its budget again.
 * Invariants: 1. used_bytes of the chunk being filled is where the next piece goes.  2. one piece
 *	of the plane becomes one piece here: it needs no more slices than before.
 * Ownership: the engine owns pool and chunks.
 * Threads: the engine's, from inside the plane's reports.
 * Errors: without memory, or where a dma-buf cannot be read, the piece stays where it is.
 * Sources: none.
 * Tests: tests/contract/test_pressure.c, tests/unit/test_pressure.c
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define CHUNK_BYTES (128u << 10)
#define CHUNKS_MIN 16u

static struct weir_pool *pool_of(struct weir_engine *e)
{
	struct weir_spill *sp = &e->budget.spill;

	if (!sp->pool) {
		sp->pool = calloc(1, sizeof(*sp->pool));
		if (sp->pool)
			sp->pool->lent = e->slices;
		sp->at = -1;
	}
	return sp->pool;
}

/* @table with room for @cap elements, those after @had zero; NULL: it is as it was. */
static void *widen(void *table, size_t cap, size_t had, size_t bytes)
{
	char *wide = realloc(table, cap * bytes);

	if (wide)
		memset(wide + had * bytes, 0, (cap - had) * bytes);
	return wide;
}

/* More buffers, without memory so far. */
static int grow(struct weir_engine *e, struct weir_pool *p)
{
	struct weir_spill *sp = &e->budget.spill;
	uint32_t had = p->buf_count, cap = had ? 2 * had : CHUNKS_MIN;
	struct weir_pool_buf *bufs = widen(p->bufs, cap, had, sizeof(*bufs));
	uint32_t *stack = widen(p->free_stack, cap, had, sizeof(*stack));
	struct weir_chunk *chunks = widen(sp->chunks, cap, had, sizeof(*chunks));

	p->bufs = bufs ? bufs : p->bufs;
	p->free_stack = stack ? stack : p->free_stack;
	sp->chunks = chunks ? chunks : sp->chunks;
	if (!bufs || !stack || !chunks)
		return -ENOMEM;
	p->buf_count = cap;
	p->count[WEIR_BUF_FREE] += cap - had;
	for (uint32_t i = cap; i-- > had;)
		p->free_stack[p->free_count++] = i;
	return 0;
}

/* The chunk being filled is full: it is FREE when its pieces are back. */
static void end_chunk(struct weir_spill *sp)
{
	weir_pool_kernel_done(sp->pool, (uint32_t)sp->at);
	sp->at = -1;
}

/* Begin a chunk that has @bytes. */
static int begin_chunk(struct weir_engine *e, size_t bytes)
{
	struct weir_spill *sp = &e->budget.spill;
	struct weir_pool *p = pool_of(e);
	struct weir_chunk *c;

	if (!p || (!p->free_count && grow(e, p)))
		return -ENOMEM;
	c = &sp->chunks[p->free_stack[p->free_count - 1]];
	if (c->bytes < bytes) {
		free(c->data);
		c->bytes = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		c->data = malloc(c->bytes);
		if (!c->data) {
			c->bytes = 0;
			return -ENOMEM;
		}
	}
	sp->at = weir_pool_take(p);
	return 0;
}

bool weir_spill(struct weir_sock *s, const struct weir_rx *rx)
{
	struct weir_spill *sp = &s->engine->budget.spill;
	/* Names are read where they lie: as they are aligned there. */
	uint32_t head = s->kind == WEIR_DGRAM ? WEIR_DGRAM_HEAD_BYTES : 0;
	size_t bytes = (size_t)head + rx->len, used = 0;
	struct weir_rx copy = *rx;
	const char *from;
	char *to;

	if (!rx->pool->base)
		return false;
	if (sp->pool && sp->at >= 0) {
		used = sp->pool->bufs[sp->at].used_bytes;
		used = head ? (used + 15) & ~(size_t)15 : used;
		if (used + bytes > sp->chunks[sp->at].bytes)
			end_chunk(sp);
	}
	if (!sp->pool || sp->at < 0) {
		used = 0;
		if (begin_chunk(s->engine, bytes))
			return false;
	}
	from = weir_pool_data(rx->pool, rx->buffer) + rx->offset - head;
	to = sp->chunks[sp->at].data + used;
	/* Of a device's memory, which may have to be made visible first. */
	if (rx->pool->zc && weir_area_sync_begin(rx->pool->area))
		return false;
	memcpy(to, from, bytes);
	if (rx->pool->zc)
		(void)weir_area_sync_end(rx->pool->area);
	sp->pool->bufs[sp->at].used_bytes = (uint32_t)(used + bytes);
	copy.pool = sp->pool;
	copy.buffer = (uint32_t)sp->at;
	copy.offset = (uint32_t)used + head;
	copy.flags |= WEIR_SLICE_SPILLED;
	if (rx->peer)
		copy.peer = (const struct sockaddr *)(to + ((const char *)rx->peer - from));
	s->engine->c.stats.spilled_bytes += rx->len;
	weir_pool_deliver(copy.pool, copy.buffer);
	weir_event_received(s, &copy);
	weir_pool_return(rx->pool, rx->buffer);
	return true;
}

char *weir_spill_data(const struct weir_engine *e, uint32_t buffer)
{
	return e->budget.spill.chunks[buffer].data;
}

void weir_spill_trim(struct weir_engine *e)
{
	struct weir_spill *sp = &e->budget.spill;

	if (!sp->pool)
		return;
	if (sp->at >= 0)
		end_chunk(sp);
	for (uint32_t i = 0; i < sp->pool->free_count; i++) {
		struct weir_chunk *c = &sp->chunks[sp->pool->free_stack[i]];

		free(c->data);
		*c = (struct weir_chunk){ 0 };
	}
}

void weir_spill_fini(struct weir_engine *e)
{
	struct weir_spill *sp = &e->budget.spill;

	if (!sp->pool)
		return;
	if (sp->at >= 0)
		end_chunk(sp);
	for (uint32_t i = 0; i < sp->pool->buf_count; i++)
		free(sp->chunks[i].data);
	free(sp->chunks);
	weir_pool_free(sp->pool);
}
