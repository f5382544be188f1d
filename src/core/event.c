// SPDX-License-Identifier: MIT
/*
 * event.c - the queue of events, batches, and the slices in them.
 *
 * Theory:
 *	report (up.c) -> queue -> hand_out() -> the application's array -> done -> give_back()
 *	Events are queued in the order of the reports.  A batch is copied out of the queue; slices
 *	stay where they are, in one array that begins anew when queue and batch are both empty.
 *	Several arrivals of one socket in a row become one event; bytes that follow each other in
 *	one buffer become one slice, one reference.  Closing a socket turns its events into NONE,
 *	wherever they are, but their slices still go back through give_back().
 * Invariants: 1. slice_count returns to 0 only when no event refers to a slice.  2. an event is
 *	given back exactly once.  3. a closed socket's events other than SENT and CLOSED are never
 *	seen.
 * Ownership: the engine owns queue and slices; the batch array is the application's.
 * Threads: the engine's.
 * Errors: where the queue cannot grow the event is lost only if memory is; see push().
 * Sources: DESIGN, "batch events".
 * Tests: tests/contract/
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static int queue_grow(struct weir_engine *e)
{
	unsigned cap = e->queue_cap ? e->queue_cap * 2 : 2 * WEIR_REPORTS_MAX;
	struct weir_event *queue = realloc(e->queue, cap * sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	e->c.stats.heap_bytes += (cap - e->queue_cap) * sizeof(*queue);
	e->queue = queue;
	e->queue_cap = cap;
	return 0;
}

struct weir_event *weir_event_push(struct weir_engine *e, enum weir_event_type type,
				   struct weir_sock *s, int res)
{
	static struct weir_event lost;
	struct weir_event *ev;

	if (e->queue_head == e->queue_tail)
		e->queue_head = e->queue_tail = 0;
	/*
	 * The queue is made with room for all reports of a batch; it grows only for a burst of
	 * closes.  A machine that cannot give some KiB then loses the event, not its memory.
	 */
	if (e->queue_tail == e->queue_cap && queue_grow(e))
		return &lost;
	ev = &e->queue[e->queue_tail++];
	memset(ev, 0, sizeof(*ev));
	ev->type = type;
	ev->res = res;
	ev->sock = s;
	ev->user = s ? s->user : NULL;
	e->reports++;
	return ev;
}

bool weir_core_room(const struct weir_engine *e, unsigned pieces)
{
	return e->slice_count + pieces <= WEIR_SLICES_MAX &&
	       e->queue_tail - e->queue_head < WEIR_REPORTS_MAX;
}

bool weir_core_busy(const struct weir_engine *e)
{
	/* Who stands between (fault.c) may have kept the reports. */
	return e->queue_head < e->queue_tail || e->dirty_head || e->starved_head || e->retry_head ||
	       e->c.up != &weir_core_up;
}

uint64_t weir_core_reports(const struct weir_engine *e)
{
	return e->c.reports;
}

/* The first byte of a piece; NULL where the CPU cannot read it. */
static char *data_of(const struct weir_engine *e, const struct weir_rx *rx)
{
	if (rx->flags & WEIR_SLICE_SPILLED)
		return weir_spill_data(e, rx->buffer) + rx->offset;
	return rx->pool->base ? weir_pool_data(rx->pool, rx->buffer) + rx->offset : NULL;
}

/* The same in its area; 0 where it is in none. */
static uint64_t offset_of(const struct weir_rx *rx)
{
	return rx->pool->area ? weir_pool_offset(rx->pool, rx->buffer) + rx->offset : 0;
}

static bool extends(const struct weir_engine *e, const struct weir_slice *last,
		    const struct weir_rx *rx)
{
	if (last->pool != rx->pool || last->buffer != rx->buffer || rx->peer)
		return false;
	if (last->data)
		return (char *)last->data + last->len == data_of(e, rx);
	return last->offset + last->len == offset_of(rx);
}

static void fill_slice(struct weir_sock *s, struct weir_slice *v, const struct weir_rx *rx)
{
	v->data = data_of(s->engine, rx);
	v->len = rx->len;
	v->flags = rx->flags;
	v->area = rx->pool->area;
	v->offset = offset_of(rx);
	v->peer = rx->peer;
	v->segment_bytes = rx->segment_bytes;
	v->buffer = rx->buffer;
	v->pool = rx->pool;
	/* Whose it is, for weir_slice_hold(); the socket lives longer than its events. */
	v->reserved = (uintptr_t)s;
}

/* The piece is counted in the ledger already: once per slice. */
void weir_event_received(struct weir_sock *s, const struct weir_rx *rx)
{
	struct weir_engine *e = s->engine;
	struct weir_event *ev = NULL;
	struct weir_slice *v = &e->slices[e->slice_count];

	if (e->queue_tail > e->queue_head)
		ev = &e->queue[e->queue_tail - 1];
	if (!ev || ev->type != WEIR_EVENT_RECEIVED || ev->sock != s ||
	    ev->slices + ev->slice_count != v) {
		ev = weir_event_push(e, WEIR_EVENT_RECEIVED, s, 0);
		ev->slices = v;
	} else {
		e->reports++;
	}
	if (ev->slice_count && s->kind == WEIR_STREAM && extends(e, v - 1, rx)) {
		/* One slice, one reference. */
		v[-1].len += rx->len;
		weir_pool_return(rx->pool, rx->buffer);
		return;
	}
	weir_assert(e->slice_count < WEIR_SLICES_MAX);
	fill_slice(s, v, rx);
	ev->slice_count++;
	e->slice_count++;
}

void weir_event_give_back(struct weir_engine *e, struct weir_event *ev)
{
	if (ev->type == WEIR_EVENT_CLOSED) {
		weir_sock_free(ev->sock);
		return;
	}
	if (ev->type != WEIR_EVENT_RECEIVED && ev->type != WEIR_EVENT_NONE)
		return;
	for (unsigned i = 0; i < ev->slice_count; i++) {
		struct weir_slice *v = &ev->slices[i];

		if (!(v->flags & WEIR_SLICE_HELD) && v->pool)
			weir_pool_return(v->pool, v->buffer);
		v->pool = NULL;
	}
	(void)e;
}

/* Void events at the head of the queue go, and their slices go back. */
void weir_event_drop_void(struct weir_engine *e)
{
	while (e->queue_head < e->queue_tail && e->queue[e->queue_head].type == WEIR_EVENT_NONE)
		weir_event_give_back(e, &e->queue[e->queue_head++]);
	if (e->queue_head == e->queue_tail && !e->batch)
		e->slice_count = 0;
}

unsigned weir_event_hand_out(struct weir_engine *e, struct weir_event *events, unsigned max)
{
	unsigned n = 0;

	while (e->queue_head < e->queue_tail && n < max) {
		struct weir_event *ev = &e->queue[e->queue_head++];

		if (ev->type == WEIR_EVENT_NONE) {
			weir_event_give_back(e, ev);
			continue;
		}
		events[n++] = *ev;
	}
	e->batch = events;
	e->batch_count = n;
	e->batch_done = 0;
	e->c.stats.events += n;
	if (!n) {
		/* No batch: requests made now are outside of one (weir_txq_kick()). */
		e->batch = NULL;
		e->slice_count = 0;
	}
	return n;
}

void weir_engine_done(struct weir_engine *e, unsigned n)
{
	if (!e || !e->batch)
		return;
	if (n > e->batch_count - e->batch_done)
		n = e->batch_count - e->batch_done;
	for (; n; n--)
		weir_event_give_back(e, &e->batch[e->batch_done++]);
	if (e->batch_done < e->batch_count)
		return;
	e->batch = NULL;
	e->batch_count = e->batch_done = 0;
	if (e->queue_head == e->queue_tail)
		e->slice_count = 0;
}

static void forget(struct weir_event *ev, const struct weir_sock *s)
{
	if (ev->sock != s || ev->type == WEIR_EVENT_SENT || ev->type == WEIR_EVENT_CLOSED)
		return;
	/* Void already (a close after a finish): its slices still have to go back. */
	if (ev->type == WEIR_EVENT_NONE)
		return;
	if (ev->type != WEIR_EVENT_RECEIVED)
		ev->slice_count = 0;
	ev->type = WEIR_EVENT_NONE;
}

static void accepted_unseen(struct weir_event *ev, const struct weir_sock *s)
{
	/* A connection that the application never saw goes with its listener. */
	if (ev->sock == s && ev->type == WEIR_EVENT_ACCEPTED)
		weir_sock_close(ev->accepted);
}

void weir_event_forget_sock(struct weir_engine *e, const struct weir_sock *s)
{
	for (unsigned i = e->queue_head; i < e->queue_tail; i++) {
		accepted_unseen(&e->queue[i], s);
		forget(&e->queue[i], s);
	}
	/* An ACCEPTED in the batch may have been looked at: its connection is the application's. */
	for (unsigned i = e->batch_done; i < e->batch_count; i++)
		if (e->batch[i].type != WEIR_EVENT_ACCEPTED)
			forget(&e->batch[i], s);
}

static void forget_timer(struct weir_event *ev, const struct weir_timer *t)
{
	if (ev->type != WEIR_EVENT_TIMER || ev->timer != t)
		return;
	ev->type = WEIR_EVENT_NONE;
	ev->slice_count = 0;
}

void weir_event_forget_timer(struct weir_engine *e, const struct weir_timer *t)
{
	for (unsigned i = e->queue_head; i < e->queue_tail; i++)
		forget_timer(&e->queue[i], t);
	for (unsigned i = e->batch_done; i < e->batch_count; i++)
		forget_timer(&e->batch[i], t);
}
