// SPDX-License-Identifier: MIT
/*
 * uring_hot.c - one busy stream, read directly while the engine spins.
 *
 * Theory: a request/response peer that is waited for by spinning gains nothing from a request in
 *	the ring: the wake-up, the task work and the completion only add to the latency.  When the
 *	engine spins and STREAK receive completions in a row were for one stream, its multishot
 *	request is cancelled and each look of the spin reads it directly; its single sends go out
 *	directly too.  Before the engine sleeps the request is armed again.  A single small send
 *	of any stream goes out directly when nothing else waits to be submitted.
 *
 *	   armed ── STREAK ──> cancelled ── recv_start() ──> hot ── sleep, stop ──> armed
 *
 * Invariants: 1. a hot stream has no receive request in the ring: nobody else takes its bytes.
 *	2. at most one stream is hot.
 * Ownership: as uring.c.
 * Threads: the engine's.
 * Errors: as direct.c.
 * Sources: measured: ping-pong of 64 B, spinning, Linux 6.18 (bench pingpong-spin).
 * Tests: tests/contract/ with WEIR_SPIN_US set; WEIR_WITHOUT=direct switches it off
 */
#include <errno.h>

#include "zcrx.h"

#define STREAK 32
#define DIRECT_BYTES 4096

void uring_hot_count(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);

	if (s != p->last_rx) {
		p->last_rx = s;
		p->rx_streak = 0;
	}
	if (++p->rx_streak != STREAK || s->kind != WEIR_STREAM || s == p->hot)
		return;
	if (!weir_core_of(s->engine)->opts.spin_us || (p->without & WEIR_WITHOUT_DIRECT) ||
	    s->closing || s->rx_stopping || (s->plane_bits & UR_POLLIN))
		return;
	if (p->hot)
		uring_hot_sleep(s->engine);
	s->plane_bits |= UR_HOT;
	uring_cancel(s, ud(s, UD_RECV));
}

/* The request has ended and the core receives again: directly, if that was the plan. */
bool uring_hot_take(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);

	if (!(s->plane_bits & UR_HOT))
		return false;
	s->plane_bits &= ~UR_HOT;
	if (p->hot || p->last_rx != s || (p->zc && zcrx_takes(s)))
		return false;
	p->hot = s;
	return true;
}

bool uring_hot_drop(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);

	if (p->last_rx == s)
		p->last_rx = NULL;
	s->plane_bits &= ~UR_HOT;
	if (p->hot != s)
		return false;
	p->hot = NULL;
	return true;
}

void uring_hot_read(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct weir_sock *s = p->hot;
	int r;

	if (!s || !weir_core_room(e, 1))
		return;
	/* recv_end() may start it again, as hot or not. */
	p->hot = NULL;
	r = weir_direct_recv(&p->direct, s);
	if (r && r != -EFAULT) {
		p->hot = s;
		return;
	}
	p->last_rx = NULL;
	if (r)
		zcrx_found(s);
}

/* About to sleep, or another stream is busier: a request again. */
void uring_hot_sleep(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct weir_sock *s = p->hot;

	if (!s)
		return;
	p->hot = NULL;
	p->rx_streak = 0;
	if (uring_rx_start(s))
		weir_core_of(e)->up->recv_end(s, -EAGAIN);
}

/*
 * A small write is sent directly: the request, its completion and its submission cost more than
 * the system call.  Where more is to be submitted the call is shared, and the ring wins.
 */
int uring_hot_send(struct weir_sock *s, const struct msghdr *msg, size_t bytes, bool alone)
{
	struct uring_plane *p = uring_of(s->engine);

	if (p->without & WEIR_WITHOUT_DIRECT)
		return -EAGAIN;
	if (p->hot != s &&
	    (!alone || bytes > DIRECT_BYTES || weir_ring_queued(&p->ring) || p->pending))
		return -EAGAIN;
	return weir_direct_send(s, msg);
}
