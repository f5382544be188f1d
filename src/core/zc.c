// SPDX-License-Identifier: MIT
/*
 * zc.c - requests for zero copy: which ones there are, and who waits for their memory.
 *
 * Theory: the kernel answers such a request twice: it has taken so many bytes (up->sent()), and
 *	it has let go of their memory (up->released()), in any order among requests.  A record
 *	(struct weir_zc) lives from the start until both were said.  The records of a socket are a
 *	list in the order of the requests, and writes that left the queue hang on the last one
 *	that was taken:
 *
 *	   zc_head ──> taken ──> taken (zc_last) ──> in flight
 *	                 │          │
 *	               writes     writes: sent by it, and by copying requests after it
 *
 *	A record that was taken and released leaves the list when it is its head, and its writes
 *	end.  So writes end in their order, and a write that several requests sent parts of ends
 *	with the last of them.
 * Invariants: 1. zc_last is the last record whose request was taken, or NULL where that one has
 *	gone.  2. a socket is freed only after its last record has gone.
 * Ownership: records are the engine's (txmem.c); planes name them until up->released().
 * Threads: the engine's.
 * Errors: a request that the kernel refuses for a reason of zero copy is sent with a copy.  The
 *	limits are locked memory (ENOMEM), socket option memory (ENOBUFS), pages per packet
 *	(EMSGSIZE), memory without pages (EFAULT), sockets and old kernels (EOPNOTSUPP, EINVAL).
 * Sources: io_uring/net.c, io_uring/notif.c, net/core/skbuff.c, net/ipv4/ip_output.c,
 *	net/ipv4/tcp.c tcp_disconnect() (Linux 7.3).
 * Tests: tests/contract/test_zc.c, tests/contract/test_ctx.c
 */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define CLOSE_WAIT_US 10000000ull

bool weir_zc_wanted(struct weir_sock *s)
{
	const struct weir_tx *t = s->tx_head;
	bool zc;

	if (s->zc_never || t->zc == WEIR_TX_PLAIN)
		return false;
	if (t->zc == WEIR_TX_FORCED)
		return true;
	if (weir_zcpick_known(s, t->len, &zc))
		return zc;
	return weir_zcpick(s, weir_txop_peek(s));
}

bool weir_zc_begin(struct weir_txop *op)
{
	struct weir_sock *s = op->sock;
	struct weir_zc *zc = weir_zc_new(s->engine);

	if (!zc)
		return false;
	zc->sock = s;
	zc->op = op;
	op->zc = zc;
	*s->zc_tail = zc;
	s->zc_tail = &zc->next;
	s->zc_count++;
	s->engine->c.stats.tx_unreleased++;
	return true;
}

static bool refused(int res)
{
	return res == -ENOMEM || res == -ENOBUFS || res == -EMSGSIZE || res == -EFAULT ||
	       res == -EOPNOTSUPP || res == -EINVAL;
}

/* Over a limit that others' requests hold up to: later will do, where that was asked for. */
static bool later(const struct weir_sock *s, const struct weir_txop *op)
{
	return (op->res == -ENOMEM || op->res == -ENOBUFS) && op->first->zc == WEIR_TX_FORCED &&
	       s->engine->c.stats.tx_unreleased > 1;
}

bool weir_zc_sent(struct weir_txop *op)
{
	struct weir_sock *s = op->sock;
	struct weir_zc *zc = op->zc;

	zc->op = NULL;
	zc->accepted = true;
	zc->bytes = op->res > 0 ? (size_t)op->res : 0;
	s->zc_last = zc;
	op->zc = NULL;
	if (s->closing || !refused(op->res))
		return false;
	if (later(s, op)) {
		weir_sock_retry_later(s);
		return true;
	}
	s->engine->c.stats.tx_zc_refused++;
	weir_zcpick_refused(s, op->res);
	if (op->res == -EOPNOTSUPP)
		s->zc_never = true;
	for (struct weir_tx *t = op->first; t; t = t->next)
		t->zc = WEIR_TX_PLAIN;
	return true;
}

/* The memory of a write is free, and the application hears of it. */
static void end(struct weir_sock *s, struct weir_tx *t)
{
	if (t->ctx)
		weir_ctx_ended(s->engine, t);
	else if (t->tag)
		weir_event_push(s->engine, WEIR_EVENT_SENT, s, t->res < 0 ? t->res : (int)t->report)
			->tag = t->tag;
	weir_tx_release(s->engine, t);
}

void weir_zc_ended(struct weir_sock *s, struct weir_tx *t, int res)
{
	t->res = res;
	if (!s->zc_last) {
		end(s, t);
		return;
	}
	/* Its turn to be told of has not come; what it kept is wanted by those who receive. */
	if (!t->lent)
		weir_tx_let_go(s->engine, t);
	t->next = NULL;
	*s->zc_last->last = t;
	s->zc_last->last = &t->next;
}

static void count(struct weir_sock *s, const struct weir_zc *zc)
{
	struct weir_engine_stats *es = &s->engine->c.stats;

	es->tx_unreleased--;
	s->zc_count--;
	if (!zc->bytes)
		return;
	es->tx_zc_requests++;
	s->stats.tx_zc_bytes += zc->bytes;
	if (zc->copied) {
		es->tx_zc_copied++;
		s->stats.tx_zc_copied += zc->bytes;
	}
}

void weir_zc_drain(struct weir_sock *s)
{
	struct weir_zc *zc;
	struct weir_tx *t;

	while ((zc = s->zc_head) && zc->accepted && zc->released) {
		s->zc_head = zc->next;
		if (!s->zc_head)
			s->zc_tail = &s->zc_head;
		if (s->zc_last == zc)
			s->zc_last = NULL;
		count(s, zc);
		while ((t = zc->first)) {
			zc->first = t->next;
			t->copied |= zc->copied;
			end(s, t);
		}
		weir_zc_free(s->engine, zc);
	}
}

void weir_zc_released(struct weir_zc *zc, bool copied)
{
	weir_assert(zc->live && !zc->released);
	zc->released = true;
	zc->copied = copied;
	weir_zcpick_released(zc->sock, zc);
	weir_zc_drain(zc->sock);
}

void weir_zc_purge(struct weir_sock *s)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (s->zc_head && s->is_tcp && s->fd >= 0)
		(void)connect(s->fd, &none, sizeof(none));
}

/*
 * The descriptor stays open until the memory is free, so the end of the stream that a close would
 * send is sent here.  A peer that takes nothing more is not waited for without end.
 */
void weir_zc_closing(struct weir_sock *s)
{
	if (!s->zc_head || !s->is_tcp)
		return;
	(void)shutdown(s->fd, SHUT_WR);
	if (!s->linger)
		s->linger = calloc(1, sizeof(*s->linger));
	if (s->linger) {
		s->linger->fn = weir_sock_linger_expired;
		s->linger->user = s;
	}
	if (!s->linger || weir_timer_start(s->engine, s->linger, CLOSE_WAIT_US))
		weir_zc_purge(s);
}
