// SPDX-License-Identifier: MIT
/*
 * zcrx_refill.c - buffers of interface queues on their way back to the kernel.
 *
 * Theory: before each entry into the kernel all buffers that came back are written to the refill
 *	ring, a reference each, and shown with one store.  What finds no room stays FREE in the
 *	ledger and goes with the next round; the kernel is then asked to take what is there.  The
 *	kernel looks at the ring only when the NIC needs buffers.  Where that does not happen, it is
 *	asked, too: without a NIC, and when a copy found no buffer.
 *
 *	   FREE ──> refill ring ──> (NIC needs some | FLUSH_RQ) ──> the kernel's free list
 *
 * Invariants: 1. a reference is given back once.  2. one store of the tail per queue and round.
 * Ownership: as zcrx.c.
 * Threads: the engine's.
 * Errors: a kernel that cannot flush is waited for: the NIC takes buffers when packets come.
 * Sources: io_uring/zcrx.c io_zcrx_ring_refill(), zcrx_flush_rq(), zcrx_send_notif(), Linux 7.3.
 * Tests: tests/vm/t/zc_*.sh
 */
#include "zcrx.h"

bool zcrx_is_out(const struct zcrx_queue *z)
{
	for (unsigned i = 0; i < z->q.area_count; i++)
		if (z->pools[i]->count[WEIR_BUF_DELIVERED] || z->pools[i]->count[WEIR_BUF_HELD])
			return true;
	return false;
}

bool zcrx_flush(struct weir_engine *e, struct zcrx_queue *z)
{
	if (!z->q.can.flush || !weir_ifq_waiting(&z->q))
		return false;
	z->stats.flushes++;
	weir_core_of(e)->stats.syscalls++;
	return !weir_ifq_flush(&z->q);
}

/* All of one area that came back, as far as there is room; how many references went. */
static uint32_t give_area(struct zcrx_queue *z, unsigned area, uint32_t *room)
{
	struct weir_pool *pool = z->pools[area];
	uint32_t given = 0;
	int i;

	while (*room && (i = weir_pool_next_back(pool)) >= 0) {
		uint32_t n = pool->bufs[i].refs < *room ? pool->bufs[i].refs : *room;

		weir_ifq_give(&z->q, area, (uint64_t)i << z->buf_shift, n);
		weir_pool_gave_back(pool, (uint32_t)i, n);
		*room -= n;
		given += n;
	}
	return given;
}

static bool is_left(const struct zcrx_queue *z)
{
	for (unsigned i = 0; i < z->q.area_count; i++)
		if (weir_pool_next_back(z->pools[i]) >= 0)
			return true;
	return false;
}

static uint32_t give(struct zcrx_queue *z)
{
	uint32_t room = weir_ifq_room(&z->q), given = 0;

	for (unsigned i = 0; i < z->q.area_count; i++)
		given += give_area(z, i, &room);
	if (!given)
		return 0;
	weir_ifq_publish(&z->q);
	z->given += given;
	z->stats.refills += given;
	z->stats.refill_stores++;
	return given;
}

bool zcrx_any_free(const struct zcrx_queue *z)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < z->q.area_count; i++)
		n += z->pools[i]->free_count;
	return n > 0;
}

static void refill_queue(struct weir_engine *e, struct zcrx_queue *z)
{
	uint32_t given = give(z);

	if (is_left(z)) {
		z->stats.refill_full++;
		if (zcrx_flush(e, z))
			given += give(z);
	}
	if (!given)
		return;
	/* Who copies takes buffers from the free list only, which the ring does not fill. */
	if (z->dry || (z->info.no_nic && weir_ifq_waiting(&z->q) > z->info.buffer_count / 8))
		(void)zcrx_flush(e, z);
	if (z->event_due) {
		z->event_due = false;
		weir_core_of(e)->stats.syscalls++;
		(void)weir_ifq_arm(&z->q);
	}
}

void zcrx_refill(struct weir_engine *e)
{
	struct zcrx *zc = uring_of(e)->zc;

	for (unsigned i = 0; i < zc->count; i++)
		if (zcrx_any_free(&zc->queues[i]))
			refill_queue(e, &zc->queues[i]);
}

void zcrx_event(struct weir_engine *e, unsigned queue, int type)
{
	struct zcrx *zc = uring_of(e)->zc;

	(void)type; /* only this one was asked for */
	if (!zc || queue >= zc->count)
		return;
	zc->queues[queue].stats.no_buffer++;
	/* Armed again when buffers went back: at once it would fire at once. */
	zc->queues[queue].event_due = true;
}
