// SPDX-License-Identifier: MIT
/*
 * timer.c - one-shot timers of an engine, in the callers' storage.
 *
 * Theory: a binary heap of pointers, the earliest at index 0; each timer knows its place, so that
 *	stopping one costs no search.  Expired timers become TIMER events before the engine sleeps.
 * Invariants: 1. timers[t->index_plus_1 - 1] == t for a running timer.  2. no timer is earlier
 *	than its parent.
 * Ownership: timers are the callers'; the array is the engine's and only grows.
 * Threads: the engine's.
 * Errors: -ENOMEM where the array cannot grow; where the queue of events cannot, an expired timer
 *	waits in the array.
 * Sources: none.
 * Tests: tests/unit/test_timer.c, tests/unit/test_io_kick.c
 */
#include <stdlib.h>

#include "core.h"

static void place(struct weir_engine *e, uint32_t i, struct weir_timer *t)
{
	e->timers[i] = t;
	t->index_plus_1 = i + 1;
}

static void sift_up(struct weir_engine *e, uint32_t i)
{
	struct weir_timer *t = e->timers[i];

	while (i) {
		uint32_t parent = (i - 1) / 2;

		if (e->timers[parent]->deadline_ns <= t->deadline_ns)
			break;
		place(e, i, e->timers[parent]);
		i = parent;
	}
	place(e, i, t);
}

static void sift_down(struct weir_engine *e, uint32_t i)
{
	struct weir_timer *t = e->timers[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= e->timer_count)
			break;
		if (child + 1 < e->timer_count &&
		    e->timers[child + 1]->deadline_ns < e->timers[child]->deadline_ns)
			child++;
		if (t->deadline_ns <= e->timers[child]->deadline_ns)
			break;
		place(e, i, e->timers[child]);
		i = child;
	}
	place(e, i, t);
}

static void remove_at(struct weir_engine *e, uint32_t i)
{
	struct weir_timer *last;

	e->timers[i]->index_plus_1 = 0;
	last = e->timers[--e->timer_count];
	if (i == e->timer_count)
		return;
	place(e, i, last);
	sift_up(e, i);
	sift_down(e, last->index_plus_1 - 1);
}

int weir_timer_start(struct weir_engine *e, struct weir_timer *timer, uint64_t after_us)
{
	uint64_t now = weir_clock_ns();

	if (!e || !timer)
		return -EINVAL;
	weir_timer_stop(e, timer);
	if (e->timer_count == e->timer_cap) {
		uint32_t cap = e->timer_cap ? 2 * e->timer_cap : 16;
		struct weir_timer **timers = realloc(e->timers, cap * sizeof(*timers));

		if (!timers)
			return -ENOMEM;
		e->c.stats.heap_bytes += (cap - e->timer_cap) * sizeof(*timers);
		e->timers = timers;
		e->timer_cap = cap;
	}
	timer->deadline_ns = UINT64_MAX - 1;
	if (after_us < (UINT64_MAX - 1 - now) / WEIR_NS_PER_US)
		timer->deadline_ns = now + after_us * WEIR_NS_PER_US;
	e->timers[e->timer_count] = timer;
	sift_up(e, e->timer_count++);
	weir_txq_kick(e);
	return 0;
}

void weir_timer_stop(struct weir_engine *e, struct weir_timer *timer)
{
	if (!e || !timer)
		return;
	if (timer->index_plus_1)
		remove_at(e, timer->index_plus_1 - 1);
	else
		weir_event_forget_timer(e, timer);
}

uint64_t weir_timers_next_ns(const struct weir_engine *e)
{
	return e->timer_count ? e->timers[0]->deadline_ns : UINT64_MAX;
}

void weir_timers_run(struct weir_engine *e)
{
	while (e->timer_count && e->timers[0]->deadline_ns <= e->c.now_ns) {
		struct weir_timer *t = e->timers[0];
		struct weir_event *ev;

		if (t->fn == weir_sock_linger_expired) {
			remove_at(e, 0);
			t->fn(e, t);
			continue;
		}
		ev = weir_event_push(e, WEIR_EVENT_TIMER, NULL, 0);
		/* No memory for one more event: its turn comes when some are handed out. */
		if (ev->type != WEIR_EVENT_TIMER)
			return;
		remove_at(e, 0);
		ev->timer = t;
	}
}
