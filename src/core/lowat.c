// SPDX-License-Identifier: MIT
/*
 * lowat.c - the adaptive receive low-water mark: fewer, larger receives while a stream is full.
 *
 * Theory: a receiver that is woken for every few packets spends its time being woken.  While a
 *	stream is saturated, SO_RCVLOWAT makes the kernel wait for a large piece.  A stream counts
 *	as saturated when WINDOW_BYTES arrived so fast that the mark would have been reached
 *	within half of the bound (weir_engine_opts.min_wait_us).  Bytes below a raised mark would
 *	wait for ever when the stream pauses: the engine looks after every raised socket at least
 *	once per bound, and one that received nothing since gets its mark back to 1, at which the
 *	kernel reports what is there.  After such an expiry it takes longer (penalty) until the
 *	mark goes up again: a request/response peer pays once, then rarely.
 *
 *	The look is a deadline of the loop, fixed until it is reached, so that no timer is set per
 *	receive.
 *
 *	   1 ── saturated window (times penalty) ──> raised ── nothing for one bound ──> 1
 *
 * Invariants: 1. a socket is on the engine's list exactly while raised != 0.  2. no byte waits
 *	below a mark for more than one bound: the look comes one bound after the last arrival that
 *	the look before has seen, or earlier.
 * Ownership: state lies in the socket; the kernel's mark is 1 again when the socket is closed.
 * Threads: the engine's.
 * Errors: where the kernel refuses the mark, it stays at 1 for good.
 * Sources: net/ipv4/tcp.c tcp_set_rcvlowat() (Linux 6.18): the mark is capped at half of the
 *	receive buffer, and lowering it wakes the reader at once.
 * Tests: tests/contract/ (request/response after bulk), bench tcp.
 */
#include "core.h"

#define WINDOW_BYTES (1u << 20)
#define MARK_MIN (64u << 10)
#define PENALTY_MAX 64

static uint64_t bound_ns(const struct weir_engine *e)
{
	return e->c.opts.min_wait_us * WEIR_NS_PER_US;
}

static int set_mark(struct weir_sock *s, int bytes)
{
	s->engine->c.stats.syscalls++;
	return setsockopt(s->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)) ? -errno : 0;
}

static void list_add(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;

	s->lowat.prev = NULL;
	s->lowat.next = e->lowat_head;
	if (e->lowat_head)
		e->lowat_head->lowat.prev = s;
	else
		e->lowat_at_ns = e->c.now_ns + bound_ns(e);
	e->lowat_head = s;
}

static void list_remove(struct weir_sock *s)
{
	if (s->lowat.prev)
		s->lowat.prev->lowat.next = s->lowat.next;
	else
		s->engine->lowat_head = s->lowat.next;
	if (s->lowat.next)
		s->lowat.next->lowat.prev = s->lowat.prev;
	s->lowat.prev = s->lowat.next = NULL;
}

static void raise(struct weir_sock *s, uint32_t mark)
{
	if (set_mark(s, (int)mark)) {
		s->flags |= WEIR_SOCK_NO_LOWAT;
		return;
	}
	list_add(s);
	s->lowat.raised = mark;
	s->engine->c.stats.lowat_raised++;
}

/* The largest mark that this window would have filled within half of the bound; 0 for none. */
static uint32_t mark_for(const struct weir_engine *e, uint32_t bytes, uint64_t ns)
{
	uint64_t fit = ns ? bytes * (bound_ns(e) / 2) / ns : UINT64_MAX;
	uint32_t mark = e->c.lowat_max;

	while (mark >= MARK_MIN && mark > fit)
		mark /= 2;
	return mark >= MARK_MIN ? mark : 0;
}

static void window_end(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	struct weir_lowat *l = &s->lowat;
	uint32_t mark = mark_for(e, l->window_bytes, e->c.now_ns - l->window_start_ns);

	l->window_bytes = 0;
	l->window_start_ns = e->c.now_ns;
	if (!mark) {
		l->streak = 0;
		return;
	}
	if (++l->streak > l->penalty) {
		l->streak = 0;
		/* A long calm in saturation forgives. */
		l->penalty /= 2;
		if (!l->raised)
			raise(s, mark);
	}
}

void weir_lowat_received(struct weir_sock *s, uint32_t bytes)
{
	struct weir_engine *e = s->engine;
	struct weir_lowat *l = &s->lowat;

	if (!s->is_tcp || (s->flags & WEIR_SOCK_NO_LOWAT) || !e->c.opts.min_wait_us)
		return;
	/* A window that began before a pause says nothing about now. */
	if (e->c.now_ns - l->last_rx_ns > bound_ns(e)) {
		l->window_bytes = 0;
		l->streak = 0;
		l->window_start_ns = e->c.now_ns;
	}
	l->last_rx_ns = e->c.now_ns;
	l->window_bytes += bytes;
	if (l->window_bytes >= WINDOW_BYTES)
		window_end(s);
}

void weir_lowat_drop(struct weir_sock *s)
{
	if (!s->lowat.raised)
		return;
	list_remove(s);
	s->lowat.raised = 0;
	s->lowat.streak = 0;
	s->lowat.window_bytes = 0;
	if (s->fd >= 0 && !s->closing)
		(void)set_mark(s, 1);
}

void weir_lowat_run(struct weir_engine *e)
{
	uint64_t next = UINT64_MAX;
	struct weir_sock *s, *following;

	if (!e->lowat_head || e->c.now_ns < e->lowat_at_ns)
		return;
	for (s = e->lowat_head; s; s = following) {
		uint64_t due = s->lowat.last_rx_ns + bound_ns(e);

		following = s->lowat.next;
		if (due <= e->c.now_ns) {
			e->c.stats.lowat_expired++;
			s->lowat.penalty = s->lowat.penalty ? s->lowat.penalty * 2 : 1;
			if (s->lowat.penalty > PENALTY_MAX)
				s->lowat.penalty = PENALTY_MAX;
			weir_lowat_drop(s);
		} else if (due < next) {
			next = due;
		}
	}
	e->lowat_at_ns = next;
}
