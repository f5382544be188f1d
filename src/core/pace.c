// SPDX-License-Identifier: MIT
/*
 * pace.c - when to spin, when to batch, when to sleep.
 *
 * Theory: two decisions before a sleep, both made from what the last ones brought.
 *	Spin: worth it if the next event comes within spin_us.  A hit makes the next spin surer, a
 *	miss less so; when spinning does not pay, it is left out for a growing number of sleeps.
 *	Batch (min-wait): worth it when small arrivals come so fast that several fall into
 *	min_wait_us.  The kernel then collects for that long, but not for longer than it takes
 *	BATCH_BYTES, or a quarter of the smallest datagram receive buffer, to arrive, and not when
 *	the last receive ran out of buffers.  Large pieces are never batched.  A closed loop
 *	(ping-pong) looks busy but never brings more than one event however long one waits: a
 *	batching wait that brought fewer than BATCH_PAYS events switches batching off for a growing
 *	number of waits.
 * Invariants: 1. an event is never delayed by more than min_wait_us.  2. spinning never lasts
 *	longer than spin_us, unless that is UINT32_MAX.
 * Ownership: state lies in the engine.
 * Threads: the engine's.
 * Errors: none.
 * Sources: io_uring IORING_ENTER_EXT_ARG min_wait_usec (Linux 6.12); BASELINES: waiting for a
 *	count alone runs into the timeout under DEFER_TASKRUN.
 * Tests: tests/contract/, bench pingpong and udp.
 */
#include "core.h"

#define SCORE_MAX 8
#define BACKOFF_MAX 4096
#define BATCH_WANT 24 /* fewer than the buffers that the kernel has at a time */
#define BATCH_PAYS 4
#define BATCH_BYTES (128u << 10)
#define BATCH_NS 100000ull
#define ROOM_PART 4	  /* of a receive buffer, bookkeeping included, may fill meanwhile */
#define BATCH_SMALL 16384 /* bytes per arrival; larger ones need no batching */
#define RATE_WINDOW_NS 1000000ull

bool weir_pace_spin(struct weir_engine *e, uint64_t *until_ns)
{
	uint32_t spin_us = e->c.opts.spin_us;
	struct weir_pace *p = &e->pace;

	if (!spin_us)
		return false;
	if (spin_us == UINT32_MAX) {
		*until_ns = UINT64_MAX;
		return true;
	}
	if (p->spin_skip) {
		p->spin_skip--;
		return false;
	}
	*until_ns = e->c.now_ns + spin_us * WEIR_NS_PER_US;
	return true;
}

void weir_pace_spun(struct weir_engine *e, bool hit)
{
	struct weir_pace *p = &e->pace;

	if (hit) {
		e->c.stats.spin_hits++;
		if (p->spin_score < SCORE_MAX)
			p->spin_score++;
		p->spin_backoff = 0;
		return;
	}
	e->c.stats.spin_misses++;
	if (p->spin_score > 0) {
		p->spin_score -= 2;
		return;
	}
	p->spin_backoff = p->spin_backoff ? p->spin_backoff * 2 : 4;
	if (p->spin_backoff > BACKOFF_MAX)
		p->spin_backoff = BACKOFF_MAX;
	p->spin_skip = p->spin_backoff;
}

static void count_rate(struct weir_engine *e, unsigned events)
{
	struct weir_pace *p = &e->pace;
	uint64_t ns = e->c.now_ns - p->rate_since_ns;

	p->rate_events += events;
	if (ns < RATE_WINDOW_NS)
		return;
	p->rate_per_ms = (uint32_t)(p->rate_events * 1000000ull / ns);
	p->bytes_per_us = (uint32_t)((e->c.stats.rx_bytes - p->rate_bytes) * 1000ull / ns);
	p->rate_bytes = e->c.stats.rx_bytes;
	p->rate_events = 0;
	p->rate_since_ns = e->c.now_ns;
}

static uint32_t batch_bytes(const struct weir_pace *p)
{
	return p->dgram_room && p->dgram_room < BATCH_BYTES ? p->dgram_room : BATCH_BYTES;
}

/* A datagram socket was opened: its receive buffer bounds how much may wait in it. */
void weir_pace_dgram(struct weir_engine *e, int fd)
{
	struct weir_pace *p = &e->pace;
	socklen_t len = sizeof(int);
	int bytes = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) || bytes < ROOM_PART)
		return;
	bytes /= ROOM_PART;
	if (!p->dgram_room || (uint32_t)bytes < p->dgram_room)
		p->dgram_room = (uint32_t)bytes;
}

void weir_pace_wait(struct weir_engine *e, struct weir_wait *w)
{
	struct weir_pace *p = &e->pace;
	uint64_t min_ns = e->c.opts.min_wait_us * WEIR_NS_PER_US;

	w->want = 1;
	w->min_wait_ns = 0;
	if (!min_ns || !w->timeout_ns || e->c.opts.spin_us)
		return;
	if (min_ns > BATCH_NS)
		min_ns = BATCH_NS;
	if (p->bytes_per_us && min_ns > batch_bytes(p) * 1000ull / p->bytes_per_us)
		min_ns = batch_bytes(p) * 1000ull / p->bytes_per_us;
	if (p->rate_per_ms * min_ns / 1000000ull < BATCH_PAYS ||
	    p->bytes_per_us * 1000ull > p->rate_per_ms * (uint64_t)BATCH_SMALL)
		return;
	/* The kernel ran out of buffers: there is more, now. */
	if (p->starved != e->c.stats.starved) {
		p->starved = e->c.stats.starved;
		return;
	}
	if (p->min_wait_skip) {
		p->min_wait_skip--;
		return;
	}
	w->min_wait_ns = min_ns;
	w->want = BATCH_WANT;
}

void weir_pace_woke(struct weir_engine *e, const struct weir_wait *w, unsigned events)
{
	struct weir_pace *p = &e->pace;

	count_rate(e, events);
	if (!w->min_wait_ns)
		return;
	if (events >= BATCH_PAYS) {
		p->min_wait_backoff = 0;
		return;
	}
	p->min_wait_backoff = p->min_wait_backoff ? p->min_wait_backoff * 2 : 16;
	if (p->min_wait_backoff > BACKOFF_MAX)
		p->min_wait_backoff = BACKOFF_MAX;
	p->min_wait_skip = p->min_wait_backoff;
}
