// SPDX-License-Identifier: MIT
/*
 * txq.c - the transmit queue of a socket: writes go in, requests go out, results come back.
 *
 * Theory:
 *	send() -> tx queue -> flush -> requests in flight (ops) -> results in order -> SENT
 *	Sends only queue; all sockets with something queued are flushed together when the batch
 *	is done, so that small writes become few requests.  A stream has one chain of requests in
 *	flight; a request that sent less than asked ends the chain (the plane cancels what is
 *	behind it), and what it left, with all the rest in order, goes back to the head of the
 *	queue when the whole chain is back.  Results are looked at in the order of the requests,
 *	whatever order they come in.  A request for zero copy goes alone on a stream, and its
 *	writes end when their memory is released (zc.c).
 * Invariants: 1. every write is in the queue, in a request, or among the leftovers (left_head):
 *	exactly one, or waits for the kernel to release its memory.  2. every tag is
 *	reported exactly once, in the order of the sends.  3. bytes of a stream leave in the
 *	order of the calls.
 * Ownership: data belongs to the caller until SENT, except copies; slices are referenced.
 * Threads: the engine's.
 * Errors: ENOBUFS, ENOMEM, EINTR on a stream: tried again after WEIR_RETRY_NS; other errors break
 *	the stream: all tags come back with them.  On datagram sockets each error is its tag's.
 *	SCTP: see sctp_result().
 * Sources: io_uring linked requests with MSG_WAITALL (io_uring_enter(2), IOSQE_IO_LINK): a short
 *	transfer fails the link.  net/sctp/socket.c sctp_sendmsg_to_asoc(), sctp_error(): a send
 *	takes the socket's error away from the reader (Linux 7.3).
 * Tests: tests/contract/
 */
#include <string.h>
#include <weir/sctp.h>

#include "core.h"

#define DGRAM_OPS_MAX 32
#define NOW_PIECES 8	  /* of a queue that may be sent without a request */
#define NOW_BYTES 131072u /* the same */

void weir_txq_init(struct weir_sock *s)
{
	s->tx_tail = &s->tx_head;
	s->zc_tail = &s->zc_head;
	s->left_tail = &s->left_head;
	s->ops_tail = &s->ops_head;
}

void weir_txq_dirty(struct weir_sock *s)
{
	if (s->tx_dirty)
		return;
	s->tx_dirty = true;
	s->dirty_next = s->engine->dirty_head;
	s->engine->dirty_head = s;
}

/* Outside of batches a foreign loop may sleep next: give the kernel its requests now. */
void weir_txq_kick(struct weir_engine *e)
{
	bool now;

	if (e->foreign_fd < 0 || e->in_callback || e->batch || e->closing)
		return;
	weir_txq_flush_all(e);
	now = e->c.ops->flush(e) > 0 || e->queue_head < e->queue_tail;
	weir_foreign_arm(e, now ? 1 : weir_loop_next_ns(e));
}

void weir_txq_append(struct weir_sock *s, struct weir_tx *t)
{
	*s->tx_tail = t;
	s->tx_tail = &t->next;
	s->tx_count++;
	s->tx_bytes_queued += t->len;
	weir_txq_dirty(s);
}

/* Some of a write was sent. */
static void mark(struct weir_tx *t, bool zc)
{
	if (zc)
		t->lent = true;
	else
		t->copied = true;
}

/* A write has been taken, or never will be. */
static void leave_queue(struct weir_sock *s, struct weir_tx *t, int res)
{
	s->tx_count--;
	s->tx_bytes_queued -= t->len;
	weir_zc_ended(s, t, res);
}

static void room_again(struct weir_sock *s)
{
	if (!s->tx_refused || s->tx_count > s->tx_max / 2 || s->closing || s->finishing)
		return;
	s->tx_refused = false;
	weir_event_push(s->engine, WEIR_EVENT_WRITABLE, s, 0);
}

/* Writes that were not sent come back: to the head of the queue, in order. */
static void put_back(struct weir_sock *s)
{
	if (!s->left_head)
		return;
	*s->left_tail = s->tx_head;
	if (!s->tx_head)
		s->tx_tail = s->left_tail;
	s->tx_head = s->left_head;
	s->left_head = NULL;
	s->left_tail = &s->left_head;
	if (!s->closing)
		weir_txq_dirty(s);
}

static void leave(struct weir_sock *s, struct weir_tx *list)
{
	*s->left_tail = list;
	while (*s->left_tail)
		s->left_tail = &(*s->left_tail)->next;
}

void weir_txq_cancel_all(struct weir_sock *s, int res)
{
	struct weir_tx *t;

	put_back(s);
	while ((t = s->tx_head)) {
		s->tx_head = t->next;
		leave_queue(s, t, res);
	}
	s->tx_tail = &s->tx_head;
}

/* @sent bytes of the run went out: report whole writes, keep the rest. */
static void consume(struct weir_sock *s, struct weir_txop *op, size_t sent, bool zc)
{
	struct weir_tx *t;

	while ((t = op->first) && t->len <= sent) {
		sent -= t->len;
		op->first = t->next;
		mark(t, zc);
		leave_queue(s, t, 0);
	}
	if (!t)
		return;
	t->data += sent;
	t->len -= sent;
	if (sent)
		mark(t, zc);
	s->tx_bytes_queued -= sent;
	leave(s, op->first);
	op->first = NULL;
}

/*
 * Nothing can be sent any more.  What was received before is still to be had, so the end of the
 * stream is reported by the receiving side (up.c), with this error.
 */
void weir_txq_broken(struct weir_sock *s, int res)
{
	if (s->tx_broken || s->closing)
		return;
	s->tx_broken = true;
	s->tx_error = res;
}

void weir_txq_count(struct weir_sock *s, size_t bytes, size_t asked)
{
	s->stats.tx_bytes += bytes;
	s->engine->c.stats.tx_bytes += bytes;
	if (bytes < asked)
		s->stats.tx_partial++;
}

static void stream_result(struct weir_sock *s, struct weir_txop *op, bool zc)
{
	int res = op->res;

	if (res > 0) {
		weir_txq_count(s, (size_t)res, op->bytes);
		/* Bytes behind a gap would be out of order: never seen, and never to be hidden. */
		if (s->left_head)
			weir_txq_broken(s, -EIO);
		consume(s, op, (size_t)res, zc);
		return;
	}
	leave(s, op->first);
	op->first = NULL;
	if (res == -EAGAIN)
		s->tx_blocked = !s->closing;
	else if (weir_txq_transient(res) || res == 0)
		weir_sock_retry_later(s);
	else if (res != -ECANCELED)
		weir_txq_broken(s, res);
}

static bool gso_refused(const struct weir_txop *op)
{
	return op->segment_bytes && (op->res == -EIO || op->res == -EINVAL ||
				     op->res == -EOPNOTSUPP || op->res == -EMSGSIZE);
}

static void dgram_result(struct weir_sock *s, struct weir_txop *op, bool zc)
{
	struct weir_engine *e = s->engine;
	struct weir_tx *t;
	int added, res = op->res;

	if (!s->closing && gso_refused(op)) {
		s->no_gso = true;
		added = weir_tx_explode(e, op->first);
		if (added > 0)
			s->tx_count += (uint32_t)added;
	}
	if (!s->closing && (gso_refused(op) || res == -EAGAIN || res == -EINTR)) {
		s->tx_blocked = res == -EAGAIN;
		leave(s, op->first);
		op->first = NULL;
		return;
	}
	if (res >= 0) {
		s->stats.tx_bytes += op->bytes;
		s->stats.tx_datagrams += op->datagrams;
		e->c.stats.tx_bytes += op->bytes;
		e->c.stats.tx_datagrams += op->datagrams;
	} else if (res == -ECANCELED && !s->closing) {
		leave(s, op->first);
		op->first = NULL;
		return;
	}
	while ((t = op->first)) {
		op->first = t->next;
		mark(t, zc);
		leave_queue(s, t, res);
	}
}

/*
 * A message goes out whole or not at all.  What the kernel says of the message itself is its
 * sender's to see; everything else is the end of an association, if it is the socket's only one.
 */
static void sctp_result(struct weir_sock *s, struct weir_txop *op)
{
	struct weir_tx *t;
	int res = op->res;

	if (res == -EAGAIN || res == -ECANCELED || weir_txq_transient(res)) {
		leave(s, op->first);
		op->first = NULL;
		if (res == -EAGAIN)
			s->tx_blocked = !s->closing;
		else if (res != -ECANCELED)
			weir_sock_retry_later(s);
		return;
	}
	if (res >= 0) {
		weir_txq_count(s, op->bytes, op->bytes);
		s->stats.tx_datagrams++;
		s->engine->c.stats.tx_datagrams++;
	} else if (s->one_to_one && res != -EMSGSIZE && res != -EINVAL && !s->closing) {
		weir_txq_broken(s, res);
		/* The reader still gets what came before, and then must find an end. */
		(void)shutdown(s->fd, SHUT_RD);
	}
	while ((t = op->first)) {
		op->first = t->next;
		t->copied = true;
		leave_queue(s, t, res);
	}
}

/* With segments of its own a socket may refuse what it would take without (a smaller MTU). */
static bool unset_segment(struct weir_sock *s, int res)
{
	if (!s->segment_set || s->closing || (res != -EINVAL && res != -EMSGSIZE && res != -EIO))
		return false;
	s->segment_off = true;
	return true;
}

static void result(struct weir_sock *s, struct weir_txop *op)
{
	bool zc = op->zc, unset = unset_segment(s, op->res);

	if ((zc && weir_zc_sent(op)) || unset) {
		leave(s, op->first);
		op->first = NULL;
	} else if (s->kind == WEIR_STREAM) {
		stream_result(s, op, zc);
	} else if (s->is_sctp) {
		sctp_result(s, op);
	} else {
		dgram_result(s, op, zc);
	}
}

void weir_txq_complete(struct weir_txop *op, int res)
{
	struct weir_sock *s = op->sock;

	op->res = res;
	op->done = true;
	s->stats.tx_requests++;
	while ((op = s->ops_head) && op->done) {
		s->ops_head = op->next;
		if (!s->ops_head)
			s->ops_tail = &s->ops_head;
		s->ops_count--;
		result(s, op);
		weir_txop_release(s->engine, op);
	}
	if (s->zc_head)
		weir_zc_drain(s);
	if (s->ops_count)
		return;
	put_back(s);
	if (s->tx_broken && !s->closing)
		weir_txq_cancel_all(s, s->tx_error);
	room_again(s);
	if (s->tx_head || s->shut_wanted || s->finishing)
		weir_txq_dirty(s);
}

/* For send_lone(): what a flush consisted of. */
static void count_lone(struct weir_sock *s, bool lone)
{
	if (lone && s->lone_writes < WEIR_LONE_MIN)
		s->lone_writes++;
	else if (!lone && s->lone_writes > 0)
		s->lone_writes = 0;
}

/*
 * The common case of a server that answers: one short queue, nothing in flight.  A request would
 * cost more than it carries.
 */
static void send_now(struct weir_sock *s, bool alone)
{
	struct iovec iov[NOW_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	size_t bytes = 0, sent;
	struct weir_tx *t;
	int r;

	for (t = s->tx_head; t; t = t->next) {
		if (msg.msg_iovlen == NOW_PIECES || weir_tx_differs(s, t, false))
			return;
		iov[msg.msg_iovlen].iov_base = (void *)(uintptr_t)t->data;
		iov[msg.msg_iovlen++].iov_len = t->len;
		bytes += t->len;
		msg.msg_flags = t->more ? MSG_MORE : 0;
	}
	r = bytes && bytes <= NOW_BYTES ? s->plane->send_now(s, &msg, bytes, alone) : -EAGAIN;
	/* Memory that lacks, and interruption: the usual way knows what to do. */
	if (r == -EAGAIN || weir_txq_transient(r))
		return;
	s->stats.tx_requests++;
	if (r < 0) {
		weir_txq_broken(s, r);
		return;
	}
	sent = (size_t)r;
	weir_txq_count(s, sent, bytes);
	count_lone(s, msg.msg_iovlen == 1 && sent == bytes);
	while ((t = s->tx_head) && t->len <= sent) {
		sent -= t->len;
		s->tx_head = t->next;
		t->copied = true;
		leave_queue(s, t, 0);
	}
	if (!t) {
		s->tx_tail = &s->tx_head;
		room_again(s);
		return;
	}
	t->data += sent;
	t->len -= sent;
	t->copied |= sent > 0;
	s->tx_bytes_queued -= sent;
}

/*
 * Requests of the head of the queue, @max at most, the first one with @zc; returns how many.  One
 * for zero copy is not for a stream's chain: cancelled there, it would be told of too late.
 */
static unsigned build(struct weir_sock *s, bool zc, unsigned max, struct weir_txop **retfirst,
		      struct weir_txop ***rettail)
{
	bool ordered = weir_sock_ordered(s);
	struct weir_txop *op;
	unsigned n = 0;

	*rettail = retfirst;
	while (n < max && (op = weir_txop_build(s, zc))) {
		**rettail = op;
		*rettail = &op->next;
		n++;
		if ((op->zc && ordered) || !s->tx_head)
			break;
		zc = weir_zc_wanted(s);
		/* The next one: what is measured goes alone. */
		if ((zc && ordered) || weir_zcpick_due(s))
			break;
	}
	return n;
}

/* Where its cost is to be known nothing but its submission lies between two looks at the clock. */
static void give(struct weir_sock *s, struct weir_txop *first, unsigned n, bool due)
{
	struct weir_engine *e = s->engine;

	if (!due) {
		s->plane->send(s, first, n);
		return;
	}
	(void)e->c.ops->flush(e);
	weir_zcpick_begin(s, first);
	s->plane->send(s, first, n);
	(void)e->c.ops->flush(e);
	weir_zcpick_end(s);
}

static void send_requests(struct weir_sock *s, bool zc)
{
	unsigned max = weir_sock_ordered(s) ? WEIR_CHAIN_MAX : DGRAM_OPS_MAX - s->ops_count;
	struct weir_txop *first = NULL, **tail;
	bool due = weir_zcpick_due(s);
	unsigned n;

	if (s->engine->c.without & WEIR_WITHOUT_LINK)
		max = s->ops_count ? 0 : 1;
	if (due && max > 1)
		max = 1;
	n = build(s, zc, max, &first, &tail);
	if (n) {
		*s->ops_tail = first;
		s->ops_tail = tail;
		s->ops_count += n;
		give(s, first, n, due);
	} else if (n < max) {
		weir_sock_retry_later(s);
	}
}

/* True: the head of the queue is another one now. */
static bool sent_now(struct weir_sock *s, bool alone)
{
	uint64_t queued = s->tx_bytes_queued;
	bool due = weir_zcpick_due(s);

	if (due)
		weir_zcpick_begin(s, NULL);
	send_now(s, alone);
	if (due)
		weir_zcpick_end(s);
	return s->tx_bytes_queued != queued;
}

static void flush(struct weir_sock *s, bool alone)
{
	bool zc;

	if (s->tx_broken && !s->closing && !s->ops_count)
		weir_txq_cancel_all(s, s->tx_error);
	if (s->closing || s->connecting || s->tx_blocked || s->tx_retry || s->tx_broken ||
	    !s->tx_head)
		return;
	if (s->ops_count && weir_sock_ordered(s))
		return;
	if (s->segment_off || s->segment_run)
		weir_txop_segment(s);
	zc = weir_zc_wanted(s);
	if (!zc && s->kind == WEIR_STREAM && s->plane->send_now && sent_now(s, alone) && s->tx_head)
		zc = weir_zc_wanted(s);
	if (s->tx_broken)
		weir_txq_cancel_all(s, s->tx_error);
	if (s->tx_head)
		send_requests(s, zc);
}

void weir_txq_flush_all(struct weir_engine *e)
{
	struct weir_sock *s = e->dirty_head;
	bool alone = s && !s->dirty_next;

	e->dirty_head = NULL;
	while (s) {
		struct weir_sock *next = s->dirty_next;

		s->tx_dirty = false;
		flush(s, alone);
		weir_sock_progress(s);
		s = next;
	}
}
