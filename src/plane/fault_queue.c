// SPDX-License-Identifier: MIT
/*
 * fault_queue.c - reports on their way to the core: kept, delayed, mixed.
 *
 * Theory: every report of the wrapped plane goes into one queue and is passed on at the end of
 *	the round.  The order is kept within a lane and free between lanes:
 *
 *	   socket A, receiving   accepted connected received received recv_end
 *	   socket A, sending     sent sent writable        (sents may overtake each other only)
 *	   socket A, releases    released released         (each after its own sent, no other order)
 *	   socket B, ...
 *	   detached              after everything else of its socket
 *
 *	A late report waits some rounds, and with it its lane.
 * Invariants: 1. a stream's pieces are passed on in the order of their arrival.  2. the last
 *	piece of a buffer that is passed on is the one that says so: with incremental buffers
 *	several sockets share one, and the core may give it away after "last".  3. a report is
 *	passed on exactly once.  4. a queued piece counts as lent in the ledger.
 * Ownership: reports belong to the queue; what they point to stays the plane's or the core's.
 * Threads: the engine's.
 * Errors: without memory for a report the engine could not go on: the process is out of memory
 *	in a test; the report is passed on at once, out of turn.
 * Sources: struct weir_plane_up in core/plane.h.
 * Tests: tests/contract/ with WEIR_FAULT, tests/unit/test_fault.c
 */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "fault.h"

#define LATE_ROUNDS 4
#define LATE_RELEASE_ROUNDS 64

void weir_fault_queue_init(struct weir_fault *f)
{
	f->tail = &f->head;
}

void weir_fault_queue_fini(struct weir_fault *f)
{
	struct weir_report *r;

	weir_assert(!f->head);
	while ((r = f->free)) {
		f->free = r->next;
		free(r);
	}
}

static void pass_on(struct weir_fault *f, const struct weir_report *r)
{
	struct weir_sock *s = r->s;

	f->passed++;
	switch (r->kind) {
	case WEIR_REPORT_ACCEPTED:
		f->up->accepted(s, r->res);
		break;
	case WEIR_REPORT_CONNECTED:
		f->up->connected(s, r->res);
		break;
	case WEIR_REPORT_RECEIVED:
		f->up->received(s, &r->rx);
		break;
	case WEIR_REPORT_RECV_END:
		f->up->recv_end(s, r->res);
		break;
	case WEIR_REPORT_SENT:
		f->up->sent(r->op, r->res);
		break;
	case WEIR_REPORT_RELEASED:
		f->up->released(r->zc, r->res);
		break;
	case WEIR_REPORT_WRITABLE:
		f->up->writable(s);
		break;
	case WEIR_REPORT_DETACHED:
		free(s->fault_data);
		s->fault_data = NULL;
		f->up->detached(s);
		break;
	}
}

static uint64_t lateness(struct weir_fault *f, enum weir_report_kind kind)
{
	bool release = kind == WEIR_REPORT_RELEASED;

	if (!weir_fault_hit(f, release ? WEIR_FAULT_LATE_RELEASE : WEIR_FAULT_LATE))
		return 0;
	return 1 + weir_fault_random(f, release ? LATE_RELEASE_ROUNDS : LATE_ROUNDS);
}

void weir_fault_report(struct weir_fault *f, const struct weir_report *like)
{
	struct weir_report *r = f->free;

	/* A plane that has reported does not sleep: what it reported is to be passed on. */
	weir_core_of(like->s->engine)->reports++;
	if (r)
		f->free = r->next;
	else
		r = malloc(sizeof(*r));
	if (!r) {
		pass_on(f, like);
		return;
	}
	*r = *like;
	/* A plane may write again to a buffer that nobody has a piece of. */
	if (r->kind == WEIR_REPORT_RECEIVED)
		weir_pool_delay(r->rx.pool, r->rx.buffer);
	r->next = NULL;
	if (!f->head && f->owe_fd >= 0)
		(void)eventfd_write(f->owe_fd, 1);
	r->due = f->round + lateness(f, r->kind);
	*f->tail = r;
	f->tail = &r->next;
	f->queued++;
}

/* Another piece of the same buffer is still here: it becomes the last one. */
static void move_last(struct weir_fault *f, struct weir_report *from)
{
	if (!from->rx.last)
		return;
	for (struct weir_report *r = f->head; r; r = r->next) {
		if (r->kind != WEIR_REPORT_RECEIVED || r->rx.pool != from->rx.pool ||
		    r->rx.buffer != from->rx.buffer)
			continue;
		r->rx.last = true;
		from->rx.last = false;
		return;
	}
}

/* A report of this kind was met in the present scan: those behind it in its lane must wait. */
static bool met(const struct weir_fault *f, const struct weir_fault_sock *fs, enum weir_lane lane)
{
	return fs->mark[lane] == f->scan;
}

/* Is the result of the request that @release belongs to still in the queue? */
static bool sent_waits(const struct weir_fault *f, const struct weir_report *release)
{
	for (const struct weir_report *r = f->head; r != release; r = r->next)
		if (r->kind == WEIR_REPORT_SENT && r->op->zc == release->zc)
			return true;
	return false;
}

/* May @r go now, as far as those before it are concerned?  Called in the order of the queue. */
static bool is_free(struct weir_fault *f, const struct weir_report *r)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(r->s);
	bool clear;

	switch (r->kind) {
	case WEIR_REPORT_DETACHED:
		clear = !met(f, fs, WEIR_LANE_RX) && !met(f, fs, WEIR_LANE_SENT) &&
			!met(f, fs, WEIR_LANE_RELEASED) && !met(f, fs, WEIR_LANE_WRITABLE);
		break;
	case WEIR_REPORT_RELEASED:
		clear = !met(f, fs, WEIR_LANE_SENT) || !sent_waits(f, r);
		fs->mark[WEIR_LANE_RELEASED] = f->scan;
		break;
	case WEIR_REPORT_SENT:
		clear = !met(f, fs, WEIR_LANE_WRITABLE);
		fs->mark[WEIR_LANE_SENT] = f->scan;
		break;
	case WEIR_REPORT_WRITABLE:
		clear = !met(f, fs, WEIR_LANE_SENT) && !met(f, fs, WEIR_LANE_WRITABLE);
		fs->mark[WEIR_LANE_WRITABLE] = f->scan;
		break;
	default:
		clear = !met(f, fs, WEIR_LANE_RX);
		fs->mark[WEIR_LANE_RX] = f->scan;
	}
	if (!clear || r->due > f->round)
		return false;
	return r->kind != WEIR_REPORT_RECEIVED || weir_core_room(r->s->engine, 1);
}

/* The first that may go, or with @any one of those that may; with @releases of no other kind. */
static struct weir_report **look(struct weir_fault *f, bool any, bool releases)
{
	struct weir_report **chosen = NULL;
	unsigned count = 0;

	f->scan++;
	for (struct weir_report **at = &f->head; *at; at = &(*at)->next) {
		if (!is_free(f, *at) || (releases && (*at)->kind != WEIR_REPORT_RELEASED))
			continue;
		if (weir_fault_random(f, ++count) == 0)
			chosen = at;
		if (!any)
			break;
	}
	return chosen;
}

static struct weir_report **choose(struct weir_fault *f)
{
	struct weir_report **release = NULL;

	if (weir_fault_hit(f, WEIR_FAULT_REORDER_RELEASE))
		release = look(f, true, true);
	return release ? release : look(f, weir_fault_hit(f, WEIR_FAULT_REORDER), false);
}

void weir_fault_pass(struct weir_fault *f)
{
	struct weir_report **at;

	while (f->head && (at = choose(f))) {
		struct weir_report *r = *at;

		*at = r->next;
		if (!r->next)
			f->tail = at;
		f->queued--;
		if (r->kind == WEIR_REPORT_RECEIVED)
			move_last(f, r);
		pass_on(f, r);
		if (r->kind == WEIR_REPORT_RECEIVED)
			weir_pool_undelay(r->rx.pool, r->rx.buffer);
		r->next = f->free;
		f->free = r;
	}
}
