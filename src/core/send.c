// SPDX-License-Identifier: MIT
/*
 * send.c - the calls that send: what they take, and how it gets into the transmit queue.
 *
 * Theory: a call checks what it was given, makes queue entries (a vector has one for each piece,
 *	a long train one for each request that it will need) and appends them all or none.  A
 *	stream that answers each arrival by one small write does not queue it: see send_lone().
 * Invariants: 1. a call that fails leaves no entry behind.
 * Ownership: entries are the queue's from weir_txq_append() on (txq.c).
 * Threads: the engine's.
 * Errors: as sock.h and ctx.h say.
 * Sources: none.
 * Tests: tests/contract/
 */
#include <string.h>
#include <weir/ctx.h>
#include <weir/sctp.h>

#include "core.h"

#define LONE_BYTES 4096u /* of a write that does not wait for the end of its batch */
#define LONE_PENALTY 100 /* such flushes more, where a batch brought a second write */
#define PIECES_MAX 16
#define LEGAL (WEIR_SEND_COPY | WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN)

int weir_send_check(struct weir_sock *s, unsigned flags, unsigned legal, unsigned pieces)
{
	if (!s || (flags & ~legal) || s->kind == WEIR_LISTENER)
		return -EINVAL;
	if ((flags & WEIR_SEND_ZEROCOPY) && (flags & (WEIR_SEND_PLAIN | WEIR_SEND_COPY)))
		return -EINVAL;
	if (s->closing || s->finishing || s->tx_broken || s->shut_wanted)
		return -EPIPE;
	if (s->tx_count + pieces > s->tx_max && s->tx_count) {
		s->tx_refused = true;
		return -ENOBUFS;
	}
	return 0;
}

/* Small things that were copied once are best copied again. */
static enum weir_tx_zc choice(const struct weir_sock *s, unsigned flags)
{
	if (flags & (WEIR_SEND_PLAIN | WEIR_SEND_COPY))
		return WEIR_TX_PLAIN;
	return flags & WEIR_SEND_ZEROCOPY ? WEIR_TX_FORCED : s->zc_mode;
}

struct weir_tx *weir_send_make(struct weir_sock *s, const void *data, size_t len, unsigned flags)
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
	t->zc = choice(s, flags);
	return t;
}

static void free_list(struct weir_engine *e, struct weir_tx *list)
{
	struct weir_tx *t;

	while ((t = list)) {
		list = t->next;
		weir_tx_release(e, t);
	}
}

/* A train on a path without UDP GSO goes out as single datagrams. */
static int ready(struct weir_sock *s, struct weir_tx *list)
{
	if (s->kind != WEIR_DGRAM || s->is_sctp || !(s->no_gso || (s->flags & WEIR_SOCK_NO_GSO)) ||
	    weir_tx_explode(s->engine, list) >= 0)
		return 0;
	free_list(s->engine, list);
	return -ENOMEM;
}

static void append(struct weir_sock *s, struct weir_tx *list)
{
	struct weir_tx *t;

	while ((t = list)) {
		list = t->next;
		t->next = NULL;
		weir_txq_append(s, t);
	}
	weir_txq_kick(s->engine);
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
	/* Nor is an end told before that of an earlier write. */
	if (s->zc_head || (!flags && choice(s, 0) != WEIR_TX_PLAIN && iov->iov_len >= s->zc_from))
		return false;
	return !e->dirty_head && !s->tx_head && !s->ops_count && !s->tx_blocked && !s->tx_retry &&
	       !s->tx_broken && !s->shut_wanted && !s->finishing && !s->closing && iov->iov_base &&
	       iov->iov_len && iov->iov_len <= LONE_BYTES && !(flags & ~WEIR_SEND_COPY);
}

/* What the kernel had no room for is queued as if it were a write of its own. */
static void queue_rest(struct weir_sock *s, const struct iovec *iov, size_t sent, unsigned flags,
		       uint64_t tag)
{
	struct weir_tx *t =
		weir_send_make(s, (const char *)iov->iov_base + sent, iov->iov_len - sent, flags);

	if (t) {
		t->tag = tag;
		t->report = (uint32_t)iov->iov_len;
		weir_txq_append(s, t);
		return;
	}
	/* Half a write is out: nothing may follow it. */
	weir_txq_broken(s, -ENOMEM);
	weir_txq_dirty(s);
	if (tag)
		weir_event_push(s->engine, WEIR_EVENT_SENT, s, -ENOMEM)->tag = tag;
}

/*
 * The answer to an arrival, the only write of its batch as it was WEIR_LONE_MIN times before: sent
 * from the caller's memory, now.  All that lies between the callback and the flush is code that a
 * sleep left cold, and the peer would wait for it.  A wrong guess costs one system call, then none
 * for LONE_PENALTY batches.
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
	if (r == -EAGAIN || weir_txq_transient(r))
		return 0;
	s->stats.tx_requests++;
	if (r < 0)
		return r;
	e->lone_batch = e->c.stats.events;
	weir_txq_count(s, (size_t)r, iov->iov_len);
	if ((size_t)r < iov->iov_len)
		queue_rest(s, iov, (size_t)r, flags, tag);
	else if (tag)
		weir_event_push(e, WEIR_EVENT_SENT, s, r)->tag = tag;
	return 1;
}

int weir_sock_send(struct weir_sock *s, const void *data, size_t len, unsigned flags, uint64_t tag)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	int lone = s && s->lone_writes == WEIR_LONE_MIN ? send_lone(s, &iov, flags, tag) : 0;
	int r;

	if (lone > 0)
		return 0;
	r = weir_sock_sendv(s, &iov, 1, flags, tag);
	/* The kernel tells an error once.  The write is in the queue, and goes with the stream. */
	if (lone < 0)
		weir_txq_broken(s, lone);
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

/* One entry for each piece; the last one has the tag. */
static int make_pieces(struct weir_sock *s, const struct iovec *iov, unsigned n, unsigned flags,
		       uint64_t tag, struct weir_tx **ret)
{
	struct weir_tx *first = NULL, **tail = &first, *t = NULL;
	size_t total;
	int r;

	if (!iov || !n || n > PIECES_MAX)
		return -EINVAL;
	r = check_sizes(s, iov, n, &total);
	if (r)
		return r;
	for (unsigned i = 0; i < n; i++) {
		t = weir_send_make(s, iov[i].iov_base, iov[i].iov_len, flags);
		if (!t) {
			free_list(s->engine, first);
			return -ENOMEM;
		}
		t->join = s->kind == WEIR_DGRAM && i + 1 < n;
		*tail = t;
		tail = &t->next;
	}
	t->tag = tag;
	t->report = (uint32_t)total;
	*ret = first;
	return 0;
}

int weir_sock_sendv(struct weir_sock *s, const struct iovec *iov, unsigned iov_count,
		    unsigned flags, uint64_t tag)
{
	int r = weir_send_check(s, flags, LEGAL | WEIR_SEND_MORE, iov_count);
	struct weir_tx *first;

	if (!r && s->kind == WEIR_DGRAM && !s->connected_peer)
		r = iov && iov_count ? -EDESTADDRREQ : -EINVAL;
	if (!r)
		r = make_pieces(s, iov, iov_count, flags, tag, &first);
	if (r)
		return r;
	append(s, first);
	return 0;
}

int weir_send_peer(const struct weir_sock *s, struct weir_tx *t, const struct sockaddr *peer)
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

/* One entry for each request that a train will need; the last one has the tag. */
static int make_train(struct weir_sock *s, const struct iovec *train, uint32_t segment_bytes,
		      const struct sockaddr *peer, unsigned flags, uint64_t tag,
		      struct weir_tx **ret)
{
	struct weir_tx probe = { 0 }, *first = NULL, **tail = &first, *t;
	size_t step, at = 0, len = train->iov_len;
	int r;

	if (s->kind != WEIR_DGRAM || (!train->iov_base && len))
		return -EINVAL;
	if (segment_bytes > 65507 || (!segment_bytes && len > 65507) || len > INT32_MAX)
		return -EMSGSIZE;
	r = weir_send_peer(s, &probe, peer);
	if (r)
		return r;
	step = segment_bytes ? train_step(segment_bytes) : len;
	do {
		size_t n = len - at < step ? len - at : step;

		t = weir_send_make(s, (const char *)train->iov_base + at, n, flags);
		if (!t) {
			free_list(s->engine, first);
			return -ENOMEM;
		}
		t->peer = probe.peer;
		t->peer_len = probe.peer_len;
		t->segment_bytes = segment_bytes;
		*tail = t;
		tail = &t->next;
		at += n;
	} while (at < len);
	t->tag = tag;
	t->report = (uint32_t)len;
	*ret = first;
	return ready(s, first);
}

int weir_sock_sendto(struct weir_sock *s, const void *data, size_t len, uint32_t segment_bytes,
		     const struct sockaddr *peer, unsigned flags, uint64_t tag)
{
	struct iovec train = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	int r = weir_send_check(s, flags, LEGAL, 1);
	struct weir_tx *first;

	if (r)
		return r;
	if (s->is_sctp && (data || !len))
		return segment_bytes ? -EINVAL :
				       weir_sock_send_sctp(s, data, len, NULL, peer, flags, tag);
	r = make_train(s, &train, segment_bytes, peer, flags, tag, &first);
	if (!r)
		append(s, first);
	return r;
}

/* The pieces of one datagram have one peer. */
static int make_datagram(struct weir_sock *s, const struct weir_ctx_send *send,
			 struct weir_tx **ret)
{
	struct weir_tx probe = { 0 };
	int r = weir_send_peer(s, &probe, send->peer);

	if (!r)
		r = make_pieces(s, send->iov, send->iov_count, send->flags, 0, ret);
	for (struct weir_tx *t = r ? NULL : *ret; t; t = t->next) {
		t->peer = probe.peer;
		t->peer_len = probe.peer_len;
	}
	return r;
}

static int send_in_ctx(struct weir_sock *s, const struct weir_ctx_send *o)
{
	struct weir_tx *first;
	int r = weir_send_check(s, o->flags, LEGAL | WEIR_SEND_MORE | WEIR_SEND_FLUSH,
				o->iov_count);

	if (r)
		return r;
	if (!o->iov || !o->iov_count || o->iov_count > PIECES_MAX || s->is_sctp ||
	    (s->kind == WEIR_STREAM && (o->peer || o->segment_bytes)) ||
	    (s->kind == WEIR_DGRAM && (o->flags & WEIR_SEND_MORE)) ||
	    (o->segment_bytes && o->iov_count != 1))
		return -EINVAL;
	r = weir_ctx_room(s->engine, o->ctx, o->flags);
	if (r)
		return r;
	if (o->segment_bytes)
		r = make_train(s, o->iov, o->segment_bytes, o->peer, o->flags, 0, &first);
	else if (s->kind == WEIR_DGRAM)
		r = make_datagram(s, o, &first);
	else
		r = make_pieces(s, o->iov, o->iov_count, o->flags, 0, &first);
	if (r)
		return r;
	weir_ctx_join(s->engine, o->ctx, first, o->flags);
	append(s, first);
	return 0;
}

int weir_ctx_send(struct weir_sock *s, const struct weir_ctx_send *send)
{
	struct weir_ctx_send o = { 0 };
	int r;

	if (!send)
		return -EINVAL;
	if (send->size == sizeof(o))
		return send_in_ctx(s, send);
	r = weir_opts_read(&o, sizeof(o), send, "weir_ctx_send", NULL);
	return r ? r : send_in_ctx(s, &o);
}

/*
 * Memory that a peer's window holds back must not use up what everybody receives into: two that
 * send to each other by one area could both wait for ever.
 */
static bool is_short(const struct weir_pool *pool)
{
	uint64_t held = pool->count[WEIR_BUF_HELD];

	return pool->zc ? held * pool->buf_bytes >= pool->hold_bytes : held * 2 >= pool->buf_count;
}

int weir_sock_send_slice(struct weir_sock *s, const struct weir_slice *slice, unsigned flags,
			 uint64_t tag)
{
	struct weir_tx *t;
	uint32_t keep;
	int r = weir_send_check(s, flags, WEIR_SEND_MORE | WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN, 1);

	if (r)
		return r;
	if (!slice || !slice->pool || !slice->data)
		return -EINVAL;
	if (!slice->len && weir_sock_ordered(s))
		return -EINVAL;
	if (s->kind == WEIR_DGRAM && !slice->peer && !s->connected_peer)
		return -EDESTADDRREQ;
	t = weir_send_make(s, slice->data, slice->len, flags);
	if (!t)
		return -ENOMEM;
	if (s->kind == WEIR_DGRAM && !s->connected_peer)
		(void)weir_send_peer(s, t, slice->peer);
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
	if (is_short(slice->pool))
		t->zc = WEIR_TX_PLAIN;
	t->pool = slice->pool;
	t->buffer = slice->buffer;
	t->keep = keep;
	weir_pressure_kept(s->engine, t->pool, keep);
	t->tag = tag;
	t->report = slice->len;
	r = ready(s, t);
	if (!r)
		append(s, t);
	return r;
}
