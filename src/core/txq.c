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
 *	whatever order they come in.
 *	A stream that answers each arrival by one small write does not queue it: see send_lone().
 * Invariants: 1. every write is in the queue, in a request, or among the leftovers (left_head):
 *	exactly one.  2. every tag is reported exactly once.  3. bytes of a stream leave in the
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

#define DGRAM_OPS_MAX 16
#define NOW_PIECES 8	  /* of a queue that may be sent without a request */
#define NOW_BYTES 131072u /* the same */
#define LONE_BYTES 4096u  /* of a write that does not wait for the end of its batch */
#define LONE_MIN 16	  /* flushes in a row of one write each, before the first such write */
#define LONE_PENALTY 100  /* such flushes more, where a batch brought a second write */

void weir_txq_init(struct weir_sock *s)
{
	s->tx_tail = &s->tx_head;
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

static void report(struct weir_sock *s, const struct weir_tx *t, int res)
{
	s->tx_count--;
	s->tx_bytes_queued -= t->len;
	if (t->tag)
		weir_event_push(s->engine, WEIR_EVENT_SENT, s, res < 0 ? res : (int)t->report)
			->tag = t->tag;
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
		report(s, t, res);
		weir_tx_release(s->engine, t);
	}
	s->tx_tail = &s->tx_head;
}

/* @sent bytes of the run went out: report whole writes, keep the rest. */
static void consume(struct weir_sock *s, struct weir_txop *op, size_t sent)
{
	struct weir_tx *t;

	while ((t = op->first) && t->len <= sent) {
		sent -= t->len;
		op->first = t->next;
		report(s, t, 0);
		weir_tx_release(s->engine, t);
	}
	if (!t)
		return;
	t->data += sent;
	t->len -= sent;
	s->tx_bytes_queued -= sent;
	leave(s, op->first);
	op->first = NULL;
}

static bool transient(int res)
{
	return res == -ENOBUFS || res == -ENOMEM || res == -EINTR;
}

/*
 * Nothing can be sent any more.  What was received before is still to be had, so the end of the
 * stream is reported by the receiving side (up.c), with this error.
 */
static void broken(struct weir_sock *s, int res)
{
	if (s->tx_broken || s->closing)
		return;
	s->tx_broken = true;
	s->tx_error = res;
}

static void count_sent(struct weir_sock *s, size_t bytes, size_t asked)
{
	s->stats.tx_bytes += bytes;
	s->engine->c.stats.tx_bytes += bytes;
	if (bytes < asked)
		s->stats.tx_partial++;
}

static void stream_result(struct weir_sock *s, struct weir_txop *op)
{
	int res = op->res;

	if (res > 0) {
		count_sent(s, (size_t)res, op->bytes);
		/* Bytes behind a gap would be out of order: never seen, and never to be hidden. */
		if (s->left_head)
			broken(s, -EIO);
		consume(s, op, (size_t)res);
		return;
	}
	leave(s, op->first);
	op->first = NULL;
	if (res == -EAGAIN)
		s->tx_blocked = !s->closing;
	else if (transient(res) || res == 0)
		weir_sock_retry_later(s);
	else if (res != -ECANCELED)
		broken(s, res);
}

static bool gso_refused(const struct weir_txop *op)
{
	return op->segment_bytes && (op->res == -EIO || op->res == -EINVAL ||
				     op->res == -EOPNOTSUPP || op->res == -EMSGSIZE);
}

static void dgram_result(struct weir_sock *s, struct weir_txop *op)
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
		report(s, t, res);
		weir_tx_release(e, t);
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

	if (res == -EAGAIN || res == -ECANCELED || transient(res)) {
		leave(s, op->first);
		op->first = NULL;
		if (res == -EAGAIN)
			s->tx_blocked = !s->closing;
		else if (res != -ECANCELED)
			weir_sock_retry_later(s);
		return;
	}
	if (res >= 0) {
		count_sent(s, op->bytes, op->bytes);
		s->stats.tx_datagrams++;
		s->engine->c.stats.tx_datagrams++;
	} else if (s->one_to_one && res != -EMSGSIZE && res != -EINVAL && !s->closing) {
		broken(s, res);
		/* The reader still gets what came before, and then must find an end. */
		(void)shutdown(s->fd, SHUT_RD);
	}
	while ((t = op->first)) {
		op->first = t->next;
		report(s, t, res);
		weir_tx_release(s->engine, t);
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
		if (s->kind == WEIR_STREAM)
			stream_result(s, op);
		else if (s->is_sctp)
			sctp_result(s, op);
		else
			dgram_result(s, op);
		weir_txop_release(s->engine, op);
	}
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
	if (lone && s->lone_writes < LONE_MIN)
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
		if (msg.msg_iovlen == NOW_PIECES)
			return;
		iov[msg.msg_iovlen].iov_base = (void *)(uintptr_t)t->data;
		iov[msg.msg_iovlen++].iov_len = t->len;
		bytes += t->len;
		msg.msg_flags = t->more ? MSG_MORE : 0;
	}
	r = bytes && bytes <= NOW_BYTES ? s->plane->send_now(s, &msg, bytes, alone) : -EAGAIN;
	/* Memory that lacks, and interruption: the usual way knows what to do. */
	if (r == -EAGAIN || transient(r))
		return;
	s->stats.tx_requests++;
	if (r < 0) {
		broken(s, r);
		return;
	}
	sent = (size_t)r;
	count_sent(s, sent, bytes);
	count_lone(s, msg.msg_iovlen == 1 && sent == bytes);
	while ((t = s->tx_head) && t->len <= sent) {
		sent -= t->len;
		s->tx_head = t->next;
		report(s, t, 0);
		weir_tx_release(s->engine, t);
	}
	if (!t) {
		s->tx_tail = &s->tx_head;
		room_again(s);
		return;
	}
	t->data += sent;
	t->len -= sent;
	s->tx_bytes_queued -= sent;
}

static void flush(struct weir_sock *s, bool alone)
{
	unsigned max = weir_sock_ordered(s) ? WEIR_CHAIN_MAX : DGRAM_OPS_MAX - s->ops_count;
	struct weir_txop *first = NULL, **tail = &first, *op;
	unsigned n = 0;

	if (s->tx_broken && !s->closing && !s->ops_count)
		weir_txq_cancel_all(s, s->tx_error);
	if (s->closing || s->connecting || s->tx_blocked || s->tx_retry || s->tx_broken)
		return;
	if (s->ops_count && weir_sock_ordered(s))
		return;
	if (s->kind == WEIR_STREAM && s->plane->send_now && s->tx_head)
		send_now(s, alone);
	if (s->tx_broken)
		weir_txq_cancel_all(s, s->tx_error);
	if (s->engine->c.without & WEIR_WITHOUT_LINK)
		max = s->ops_count ? 0 : 1;
	while (s->tx_head && n < max && (op = weir_txop_build(s))) {
		*tail = op;
		tail = &op->next;
		n++;
	}
	if (n) {
		*s->ops_tail = first;
		s->ops_tail = tail;
		s->ops_count += n;
		s->plane->send(s, first, n);
	} else if (s->tx_head && n < max) {
		weir_sock_retry_later(s);
	}
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

int weir_txq_may_send(struct weir_sock *s, unsigned flags, unsigned legal, unsigned pieces)
{
	if (!s || (flags & ~legal))
		return -EINVAL;
	if (s->kind == WEIR_LISTENER)
		return -EINVAL;
	if (s->closing || s->finishing || s->tx_broken || s->shut_wanted)
		return -EPIPE;
	if (s->tx_count + pieces > s->tx_max && s->tx_count) {
		s->tx_refused = true;
		return -ENOBUFS;
	}
	return 0;
}

struct weir_tx *weir_txq_make(struct weir_sock *s, const void *data, size_t len, unsigned flags)
{
	struct weir_tx *t = weir_tx_new(s->engine);

	if (!t)
		return NULL;
	if (flags & WEIR_SEND_COPY) {
		t->copy = weir_copy_new(s->engine, len);
		if (!t->copy) {
			weir_tx_release(s->engine, t);
			return NULL;
		}
		if (len)
			memcpy(t->copy->data, data, len);
		data = t->copy->data;
	}
	t->data = data;
	t->len = len;
	t->more = flags & WEIR_SEND_MORE;
	return t;
}

void weir_txq_append(struct weir_sock *s, struct weir_tx *t)
{
	*s->tx_tail = t;
	s->tx_tail = &t->next;
	s->tx_count++;
	s->tx_bytes_queued += t->len;
	weir_txq_dirty(s);
}

/* A train on a path without UDP GSO goes out as single datagrams. */
static int append_datagrams(struct weir_sock *s, struct weir_tx *list)
{
	struct weir_tx *t;

	if ((s->no_gso || (s->flags & WEIR_SOCK_NO_GSO)) && weir_tx_explode(s->engine, list) < 0) {
		while ((t = list)) {
			list = t->next;
			weir_tx_release(s->engine, t);
		}
		return -ENOMEM;
	}
	while ((t = list)) {
		list = t->next;
		t->next = NULL;
		weir_txq_append(s, t);
	}
	weir_txq_kick(s->engine);
	return 0;
}

/* Is this write to be the only one that the batch brings, of one arrival? */
static bool is_lone(struct weir_sock *s, const struct iovec *iov, unsigned flags)
{
	const struct weir_engine *e = s->engine;

	if (!e->batch || e->batch_count != 1 || e->batch->type != WEIR_EVENT_RECEIVED ||
	    e->queue_head != e->queue_tail)
		return false;
	/* It was not: the two would have shared a system call, and perhaps a packet. */
	if (e->lone_batch == e->c.stats.events) {
		s->lone_writes = -LONE_PENALTY;
		return false;
	}
	return !e->dirty_head && !s->tx_head && !s->ops_count && !s->tx_blocked && !s->tx_retry &&
	       !s->tx_broken && !s->shut_wanted && !s->finishing && !s->closing && iov->iov_base &&
	       iov->iov_len && iov->iov_len <= LONE_BYTES && !(flags & ~WEIR_SEND_COPY);
}

/* What the kernel had no room for is queued as if it were a write of its own. */
static void queue_rest(struct weir_sock *s, const struct iovec *iov, size_t sent, unsigned flags,
		       uint64_t tag)
{
	struct weir_tx *t =
		weir_txq_make(s, (const char *)iov->iov_base + sent, iov->iov_len - sent, flags);

	if (t) {
		t->tag = tag;
		t->report = (uint32_t)iov->iov_len;
		weir_txq_append(s, t);
		return;
	}
	/* Half a write is out: nothing may follow it. */
	broken(s, -ENOMEM);
	weir_txq_dirty(s);
	if (tag)
		weir_event_push(s->engine, WEIR_EVENT_SENT, s, -ENOMEM)->tag = tag;
}

/*
 * The answer to an arrival, the only write of its batch as it was LONE_MIN times before: sent from
 * the caller's memory, now.  All that lies between the callback and the flush is code that a sleep
 * left cold, and the peer would wait for it.  A wrong guess costs one system call, then none for
 * LONE_PENALTY batches.
 * Return: 1 where the write is taken, 0 where it is not, -errno where the stream is broken.
 */
static int send_lone(struct weir_sock *s, const struct iovec *iov, unsigned flags, uint64_t tag)
{
	struct weir_engine *e = s->engine;
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = 1 };
	int r;

	if (!is_lone(s, iov, flags))
		return 0;
	r = s->plane->send_now(s, &msg, iov->iov_len, true);
	if (r == -EAGAIN || transient(r))
		return 0;
	s->stats.tx_requests++;
	if (r < 0)
		return r;
	e->lone_batch = e->c.stats.events;
	count_sent(s, (size_t)r, iov->iov_len);
	if ((size_t)r < iov->iov_len)
		queue_rest(s, iov, (size_t)r, flags, tag);
	else if (tag)
		weir_event_push(e, WEIR_EVENT_SENT, s, r)->tag = tag;
	return 1;
}

int weir_sock_send(struct weir_sock *s, const void *data, size_t len, unsigned flags, uint64_t tag)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	int lone = s && s->lone_writes == LONE_MIN ? send_lone(s, &iov, flags, tag) : 0;
	int r;

	if (lone > 0)
		return 0;
	r = weir_sock_sendv(s, &iov, 1, flags, tag);
	/* The kernel tells an error once.  The write is in the queue, and goes with the stream. */
	if (lone < 0)
		broken(s, lone);
	return r;
}

static int check_sizes(const struct weir_sock *s, const struct iovec *iov, unsigned n,
		       size_t *total)
{
	*total = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!iov[i].iov_base && iov[i].iov_len)
			return -EINVAL;
		if (!iov[i].iov_len && (weir_sock_ordered(s) || n > 1))
			return -EINVAL;
		if (iov[i].iov_len > INT32_MAX || *total + iov[i].iov_len > INT32_MAX)
			return -EMSGSIZE;
		*total += iov[i].iov_len;
	}
	if (s->kind == WEIR_DGRAM && !s->is_sctp && *total > 65507)
		return -EMSGSIZE;
	return 0;
}

int weir_sock_sendv(struct weir_sock *s, const struct iovec *iov, unsigned iov_count,
		    unsigned flags, uint64_t tag)
{
	struct weir_tx *list[16];
	size_t total;
	unsigned n;
	int r = weir_txq_may_send(s, flags, WEIR_SEND_COPY | WEIR_SEND_MORE, iov_count);

	if (r)
		return r;
	if (!iov || !iov_count || iov_count > weir_array_len(list))
		return -EINVAL;
	if (s->kind == WEIR_DGRAM && !s->connected_peer)
		return -EDESTADDRREQ;
	r = check_sizes(s, iov, iov_count, &total);
	if (r)
		return r;
	for (n = 0; n < iov_count; n++) {
		list[n] = weir_txq_make(s, iov[n].iov_base, iov[n].iov_len, flags);
		if (!list[n])
			break;
	}
	if (n < iov_count) {
		while (n)
			weir_tx_release(s->engine, list[--n]);
		return -ENOMEM;
	}
	for (n = 0; n < iov_count; n++) {
		list[n]->join = s->kind == WEIR_DGRAM && n + 1 < iov_count;
		list[n]->tag = n + 1 < iov_count ? 0 : tag;
		list[n]->report = (uint32_t)total;
		weir_txq_append(s, list[n]);
	}
	weir_txq_kick(s->engine);
	return 0;
}

int weir_tx_set_peer(const struct weir_sock *s, struct weir_tx *t, const struct sockaddr *peer)
{
	if (!peer)
		return s->connected_peer ? 0 : -EDESTADDRREQ;
	if (peer->sa_family == AF_INET)
		t->peer_len = sizeof(t->peer.in);
	else if (peer->sa_family == AF_INET6)
		t->peer_len = sizeof(t->peer.in6);
	else
		return -EINVAL;
	memcpy(&t->peer, peer, t->peer_len);
	return 0;
}

/* How much of a train goes into one write, so that one request can hold it. */
static size_t train_step(uint32_t segment_bytes)
{
	size_t step = 64u * (size_t)segment_bytes;

	if (step > 65000u)
		step = 65000u / segment_bytes * segment_bytes;
	return step ? step : segment_bytes;
}

int weir_sock_sendto(struct weir_sock *s, const void *data, size_t len, uint32_t segment_bytes,
		     const struct sockaddr *peer, unsigned flags, uint64_t tag)
{
	struct weir_tx probe = { 0 }, *first = NULL, **tail = &first, *t;
	size_t step, at = 0;
	int r = weir_txq_may_send(s, flags, WEIR_SEND_COPY, 1);

	if (r)
		return r;
	if (s->kind != WEIR_DGRAM || (!data && len))
		return -EINVAL;
	if (s->is_sctp)
		return segment_bytes ? -EINVAL :
				       weir_sock_send_sctp(s, data, len, NULL, peer, flags, tag);
	if (segment_bytes > 65507 || (!segment_bytes && len > 65507) || len > INT32_MAX)
		return -EMSGSIZE;
	r = weir_tx_set_peer(s, &probe, peer);
	if (r)
		return r;
	step = segment_bytes ? train_step(segment_bytes) : len;
	do {
		size_t n = len - at < step ? len - at : step;

		t = weir_txq_make(s, (const char *)data + at, n, flags);
		if (!t)
			goto fail;
		t->peer = probe.peer;
		t->peer_len = probe.peer_len;
		t->segment_bytes = segment_bytes;
		*tail = t;
		tail = &t->next;
		at += n;
	} while (at < len);
	t->tag = tag;
	t->report = (uint32_t)len;
	return append_datagrams(s, first);
fail:
	while ((t = first)) {
		first = t->next;
		weir_tx_release(s->engine, t);
	}
	return -ENOMEM;
}

int weir_sock_send_slice(struct weir_sock *s, const struct weir_slice *slice, unsigned flags,
			 uint64_t tag)
{
	struct weir_tx *t;
	uint32_t keep;
	int r = weir_txq_may_send(s, flags, WEIR_SEND_MORE, 1);

	if (r)
		return r;
	if (!slice || !slice->pool || !slice->data)
		return -EINVAL;
	if (!slice->len && weir_sock_ordered(s))
		return -EINVAL;
	if (s->kind == WEIR_DGRAM && !slice->peer && !s->connected_peer)
		return -EDESTADDRREQ;
	t = weir_txq_make(s, slice->data, slice->len, flags);
	if (!t)
		return -ENOMEM;
	if (s->kind == WEIR_DGRAM && !s->connected_peer)
		(void)weir_tx_set_peer(s, t, slice->peer);
	if (!s->is_sctp)
		t->segment_bytes = s->kind == WEIR_DGRAM ? slice->segment_bytes : 0;
	if (s->is_sctp && weir_sctp_of_slice(t, slice)) {
		weir_tx_release(s->engine, t);
		return -EINVAL;
	}
	r = weir_slice_more(s->engine, slice, &keep);
	if (r) {
		weir_tx_release(s->engine, t);
		return r;
	}
	t->pool = slice->pool;
	t->buffer = slice->buffer;
	t->keep = keep;
	weir_pressure_kept(s->engine, t->pool, keep);
	t->tag = tag;
	t->report = slice->len;
	if (!s->is_sctp)
		return append_datagrams(s, t);
	weir_txq_append(s, t);
	weir_txq_kick(s->engine);
	return 0;
}
