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
 *	the last receive ran out of buffers.  Large pieces are never batched.
 *	A closed loop looks busy but brings no more than its few peers have outstanding, however
 *	long one waits: they wait for our answers.  The same holds for sends whose ends let the
 *	application send on.  So time is cut into windows of a millisecond, with batching or
 *	without, and what they bring is compared.  Where a window of batching waits brought clearly
 *	less (FAR_LESS eighths), or JUDGED windows of them less (LESS eighths), or fewer than
 *	BATCH_PAYS events a wait, batching is put off for a time that doubles each time, and halves
 *	with each judgement that was good.  So a closed loop loses a millisecond in a second.
 * Invariants: 1. an event is never delayed by more than min_wait_us.  2. spinning never lasts
 *	longer than spin_us, unless that is UINT32_MAX.
 * Ownership: state lies in the engine.
 * Threads: the engine's.
 * Errors: none.
 * Sources: io_uring IORING_ENTER_EXT_ARG min_wait_usec (Linux 6.12); BASELINES: waiting for a
 *	count alone runs into the timeout under DEFER_TASKRUN.
 * Tests: tests/unit/test_pace.c, tests/contract/, bench pingpong and udp.
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
#define WINDOW_NS 1000000ull
#define JUDGED 8 /* windows */
#define FAR_LESS 5
#define LESS 7
#define OFF_MIN_NS (2 * WINDOW_NS)
#define OFF_MAX_NS (1024 * WINDOW_NS)

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
	if (e->c.now_ns < p->batch_off_ns)
		return;
	w->min_wait_ns = min_ns;
	w->want = BATCH_WANT;
	p->window_waits++;
}

static void add(struct weir_yield *sum, const struct weir_yield *y)
{
	sum->ns += y->ns;
	sum->events += y->events;
	sum->bytes += y->bytes;
}

/* Is @much in @ns less than so many eighths of @free_much in @free_ns? */
static bool below(uint64_t much, uint64_t ns, uint64_t free_much, uint64_t free_ns,
		  unsigned eighths)
{
	return (double)much * (double)free_ns * 8 < (double)free_much * (double)ns * eighths;
}

/* Where nothing is received (sends only) events alone count, else either will do. */
static bool less(const struct weir_yield *y, const struct weir_yield *free, unsigned eighths)
{
	return below(y->events, y->ns, free->events, free->ns, eighths) &&
	       (!free->bytes || below(y->bytes, y->ns, free->bytes, free->ns, eighths));
}

static void put_off(struct weir_pace *p, uint64_t now_ns)
{
	p->batch_backoff_ns *= 2;
	if (p->batch_backoff_ns < OFF_MIN_NS)
		p->batch_backoff_ns = OFF_MIN_NS;
	if (p->batch_backoff_ns > OFF_MAX_NS)
		p->batch_backoff_ns = OFF_MAX_NS;
	p->batch_off_ns = now_ns + p->batch_backoff_ns;
}

/* A window with batching waits is over. */
static void judge(struct weir_pace *p, uint64_t now_ns)
{
	bool bad = p->window.events < (uint64_t)p->window_waits * BATCH_PAYS ||
		   less(&p->window, &p->free, FAR_LESS);

	add(&p->batched, &p->window);
	if (!bad && ++p->batch_windows < JUDGED)
		return;
	if (bad || less(&p->batched, &p->free, LESS))
		put_off(p, now_ns);
	else
		p->batch_backoff_ns /= 2;
	p->batched = (struct weir_yield){ 0 };
	p->batch_windows = 0;
}

static void end_window(struct weir_pace *p, uint64_t now_ns)
{
	const struct weir_yield *y = &p->window;

	p->rate_per_ms = (uint32_t)(y->events * 1000000ull / y->ns);
	p->bytes_per_us = (uint32_t)(y->bytes * 1000ull / y->ns);
	if (p->window_waits) {
		judge(p, now_ns);
	} else {
		p->free.ns /= 2;
		p->free.events /= 2;
		p->free.bytes /= 2;
		add(&p->free, y);
	}
	p->window = (struct weir_yield){ 0 };
	p->window_waits = 0;
}

void weir_pace_woke(struct weir_engine *e, unsigned events)
{
	struct weir_pace *p = &e->pace;

	p->window.events += events;
	if (e->c.now_ns - p->window_ns < WINDOW_NS)
		return;
	p->window.ns = e->c.now_ns - p->window_ns;
	p->window.bytes = e->c.stats.rx_bytes - p->window_bytes;
	p->window_ns = e->c.now_ns;
	p->window_bytes = e->c.stats.rx_bytes;
	end_window(p, e->c.now_ns);
}
