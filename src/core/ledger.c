// SPDX-License-Identifier: MIT
/*
 * ledger.c - the buffer ledger: every buffer of an area is in exactly one state.
 *
 * Theory:
 *	             take                 kernel_done, pieces out
 *	  FREE ─────────────> KERNEL ───────────────────────────> DELIVERED <──> HELD
 *	   ^                    │                                      │           │
 *	   └────────────────────┴──────────── last piece back ─────────┴───────────┘
 *	A buffer that is consumed incrementally delivers pieces while it is still KERNEL: the
 *	kernel goes on writing behind them.  It becomes FREE only when the kernel is done with
 *	it AND every piece came back.  HELD means that at least one piece is kept beyond its
 *	batch.  The state is derived from (kernel, held, lent) in one place, settle().
 *
 *	Buffers of an interface queue (zc) the kernel takes by itself, and shares between packets:
 *	each completion is a reference, which the kernel wants back by an entry of the refill ring
 *
 *	           arrived, deliver               last piece back             references given back
 *	  KERNEL ───────────────────> DELIVERED ─────────────────> FREE ──────────────────────>
 *	  KERNEL
 *	                              <──> HELD      <── deliver ──┘
 *
 *	More of a FREE buffer may arrive: the stack then has a buffer that is not FREE, and
 *	next_back() skips it.
 * Invariants: 1. count[] sums to buf_count.  2. a buffer is on the free stack exactly when it is
 *	FREE (zc: whenever it is).  3. lent and held never go below 0.  Debug builds assert 1 and 3
 *	at every step; weir_pool_check() verifies all, at close.
 * Ownership: the pool owns its area reference and tables; the last freed buffer goes out first,
 *	because it is warm in the cache.
 * Threads: the engine's only.
 * Errors: -EINVAL for a release of what is not held.
 * Sources: DESIGN "The life of a received buffer"; io_uring IOU_PBUF_RING_INC (Linux 6.12).
 * Tests: tests/unit/test_ledger.c
 */
#include "ledger.h"

#include <stdlib.h>

#include "../util/util.h"
#include "plane.h"

static struct weir_pool *pool_alloc(struct weir_area *area, uint32_t buf_bytes, size_t count)
{
	struct weir_area_info info;
	struct weir_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bufs = calloc(count, sizeof(*p->bufs));
	p->free_stack = calloc(count, sizeof(*p->free_stack));
	if (!p->bufs || !p->free_stack) {
		free(p->bufs);
		free(p->free_stack);
		free(p);
		return NULL;
	}
	weir_area_describe(area, &info);
	p->area = area;
	p->base = info.base;
	p->buf_bytes = buf_bytes;
	p->buf_count = (uint32_t)count;
	return p;
}

int weir_pool_new(struct weir_pool **ret, struct weir_area *area, uint32_t buf_bytes)
{
	struct weir_area_info info;
	struct weir_pool *p;
	size_t count;

	weir_area_describe(area, &info);
	count = buf_bytes ? info.bytes / buf_bytes : 0;
	if (!count)
		return -EINVAL;
	/* A buffer ring has at most 32,768 entries. */
	if (count > 32768)
		count = 32768;
	p = pool_alloc(area, buf_bytes, count);
	if (!p)
		return -ENOMEM;
	/* Index 0 goes out first. */
	for (uint32_t i = 0; i < count; i++)
		p->free_stack[i] = (uint32_t)count - 1 - i;
	p->free_count = p->count[WEIR_BUF_FREE] = (uint32_t)count;
	p->kernel_min = count < 2 ? (uint32_t)count : 2;
	p->kernel_target = p->kernel_min;
	*ret = p;
	return 0;
}

int weir_pool_new_zc(struct weir_pool **ret, struct weir_area *area, uint64_t area_offset,
		     size_t bytes, uint32_t buf_bytes)
{
	size_t count = buf_bytes ? bytes / buf_bytes : 0;
	struct weir_pool *p;

	if (!count || count > UINT32_MAX)
		return -EINVAL;
	p = pool_alloc(area, buf_bytes, count);
	if (!p)
		return -ENOMEM;
	p->zc = true;
	p->hold_bytes = bytes / 4;
	p->area_offset = area_offset;
	if (p->base)
		p->base += area_offset;
	for (uint32_t i = 0; i < p->buf_count; i++)
		p->bufs[i].state = WEIR_BUF_KERNEL;
	p->count[WEIR_BUF_KERNEL] = p->buf_count;
	*ret = p;
	return 0;
}

void weir_pool_free(struct weir_pool *pool)
{
	if (!pool)
		return;
	weir_assert(weir_pool_check(pool));
	weir_area_close(pool->area);
	free(pool->bufs);
	free(pool->free_stack);
	free(pool);
}

static uint8_t derive(const struct weir_pool *p, const struct weir_pool_buf *b)
{
	if (b->kernel)
		return WEIR_BUF_KERNEL;
	if (b->held)
		return WEIR_BUF_HELD;
	if (b->lent)
		return WEIR_BUF_DELIVERED;
	return p->zc && (!b->refs || b->late) ? WEIR_BUF_KERNEL : WEIR_BUF_FREE;
}

static void settle_free(struct weir_pool *p, struct weir_pool_buf *b)
{
	if (p->zc && b->listed)
		return;
	if (p->zc)
		b->listed = true;
	else
		b->used_bytes = 0;
	p->free_stack[p->free_count++] = (uint32_t)(b - p->bufs);
}

static void settle(struct weir_pool *p, struct weir_pool_buf *b)
{
	uint8_t now = derive(p, b);

	if (now == b->state)
		return;
	p->count[b->state]--;
	p->count[now]++;
	b->state = now;
	if (now == WEIR_BUF_FREE)
		settle_free(p, b);
	weir_assert(p->count[0] + p->count[1] + p->count[2] + p->count[3] == p->buf_count);
	weir_assert(p->zc || p->free_count == p->count[WEIR_BUF_FREE]);
}

int weir_pool_take(struct weir_pool *p)
{
	struct weir_pool_buf *b;

	weir_assert(!p->zc);
	if (!p->free_count)
		return -1;
	b = &p->bufs[p->free_stack[--p->free_count]];
	weir_assert(b->state == WEIR_BUF_FREE);
	b->kernel = true;
	settle(p, b);
	return (int)(b - p->bufs);
}

void weir_pool_deliver(struct weir_pool *p, uint32_t index)
{
	/* Not always KERNEL: the fault plane has pieces of its own out while it delays some. */
	weir_assert(index < p->buf_count && (p->zc || p->bufs[index].state != WEIR_BUF_FREE));
	weir_assert(!p->zc || p->bufs[index].refs);
	p->bufs[index].lent++;
	if (p->zc)
		settle(p, &p->bufs[index]);
}

void weir_pool_arrived(struct weir_pool *p, uint32_t index)
{
	weir_assert(p->zc && index < p->buf_count);
	p->bufs[index].refs++;
}

int weir_pool_next_back(struct weir_pool *p)
{
	while (p->free_count) {
		uint32_t index = p->free_stack[p->free_count - 1];

		if (p->bufs[index].state == WEIR_BUF_FREE)
			return (int)index;
		p->bufs[index].listed = false;
		p->free_count--;
	}
	return -1;
}

void weir_pool_gave_back(struct weir_pool *p, uint32_t index, uint32_t n)
{
	struct weir_pool_buf *b = &p->bufs[index];

	weir_assert(p->zc && b->state == WEIR_BUF_FREE && n <= b->refs);
	b->refs -= n;
	if (b->refs)
		return;
	b->listed = false;
	p->free_count--;
	settle(p, b);
}

void weir_pool_kernel_done(struct weir_pool *p, uint32_t index)
{
	weir_assert(index < p->buf_count && p->bufs[index].kernel);
	p->bufs[index].kernel = false;
	settle(p, &p->bufs[index]);
}

void weir_pool_return(struct weir_pool *p, uint32_t index)
{
	weir_assert(index < p->buf_count && p->bufs[index].lent);
	p->bufs[index].lent--;
	settle(p, &p->bufs[index]);
}

void weir_pool_hold(struct weir_pool *p, uint32_t index)
{
	weir_assert(index < p->buf_count && p->bufs[index].lent);
	p->bufs[index].lent--;
	p->bufs[index].held++;
	settle(p, &p->bufs[index]);
}

void weir_pool_hold_more(struct weir_pool *p, uint32_t index)
{
	weir_assert(index < p->buf_count && (p->bufs[index].held || p->bufs[index].lent));
	p->bufs[index].held++;
	settle(p, &p->bufs[index]);
}

int weir_pool_unhold(struct weir_pool *p, uint32_t index)
{
	if (index >= p->buf_count || !p->bufs[index].held)
		return -EINVAL;
	p->bufs[index].held--;
	settle(p, &p->bufs[index]);
	return 0;
}

/* Elsewhere the plane counts KERNEL, to know what it has to receive into. */
void weir_pool_delay(struct weir_pool *p, uint32_t index)
{
	if (!p->zc) {
		weir_pool_deliver(p, index);
		return;
	}
	weir_assert(index < p->buf_count && p->bufs[index].refs);
	p->bufs[index].late++;
	weir_assert(p->bufs[index].late);
	settle(p, &p->bufs[index]);
}

void weir_pool_undelay(struct weir_pool *p, uint32_t index)
{
	if (!p->zc) {
		weir_pool_return(p, index);
		return;
	}
	weir_assert(index < p->buf_count && p->bufs[index].late);
	p->bufs[index].late--;
	settle(p, &p->bufs[index]);
}

void weir_pool_starved(struct weir_pool *p)
{
	p->kernel_target *= 2;
	if (p->kernel_target > p->buf_count)
		p->kernel_target = p->buf_count;
	p->calm = 0;
}

bool weir_pool_check(const struct weir_pool *p)
{
	uint32_t count[WEIR_BUF_STATES] = { 0 };

	for (uint32_t i = 0; i < p->buf_count; i++) {
		if (p->bufs[i].state != derive(p, &p->bufs[i]))
			return false;
		count[p->bufs[i].state]++;
	}
	for (unsigned s = 0; s < WEIR_BUF_STATES; s++)
		if (count[s] != p->count[s])
			return false;
	for (uint32_t i = 0; i < p->free_count; i++) {
		const struct weir_pool_buf *b = &p->bufs[p->free_stack[i]];

		if (p->zc ? !b->listed : b->state != WEIR_BUF_FREE)
			return false;
	}
	return p->zc ? p->free_count >= count[WEIR_BUF_FREE] :
		       p->free_count == count[WEIR_BUF_FREE];
}
