// SPDX-License-Identifier: MIT
/*
 * txbuild.c - send requests made from queued writes.
 *
 * Theory: a request takes the longest run of writes from the head of the queue that fits:
 *	streams: up to WEIR_OP_IOVS pieces and STREAM_BYTES (one write of any size always fits);
 *	datagrams: writes of one peer and one segment size, joined to a train (UDP GSO) of up to
 *	64 segments, where only the last segment may be short; SCTP: one message.  Pieces that
 *	are neighbours in memory become one.
 *	The size of segments is said with each train, and to the socket once many trains had the
 *	same: a request without control data costs less.  What is longer and no such
 *	train then says its own.
 *	Writes that are to be copied and writes that are not do not share a request.  Without a
 *	copy a datagram's or a train's memory lies in few pages, or the kernel refuses it.
 * Invariants: 1. a datagram or message is never split over requests.  2. op->first lists exactly
 *	the writes that op->iov covers, in order.
 * Ownership: writes move from the queue to the request.
 * Threads: the engine's.
 * Errors: NULL where no request can be had; the queue is then as before.
 * Sources: udp(7) UDP_SEGMENT; UDP_MAX_SEGMENTS = 64 before Linux 6.10, 128 after; MAX_SKB_FRAGS
 *	(17) and net/core/datagram.c zerocopy_fill_skb_from_iter() (Linux 7.3).
 * Tests: tests/contract/ (order, trains, mixed peers and sizes)
 */
#include <string.h>

#include "core.h"

#define STREAM_BYTES (256u << 10)
#define STREAM_ZC_BYTES (1u << 20)
#define HEADER_BYTES 4096u /* less than this goes with what follows, however large that is */
#define SEGMENT_RUN 16u	 /* equal trains in a row before the socket is told their segments */
#define PACKET_PAGES 17u /* of a datagram, or a train: what a packet has place for */
#define PAGE_BYTES 4096u /* the smallest there are: larger ones make fewer pieces */
#define TRAIN_BYTES 65000u
#define TRAIN_SEGMENTS 64u

static bool add_piece(struct weir_txop *op, const struct weir_tx *t)
{
	struct iovec *last = op->msg.msg_iovlen ? &op->iov[op->msg.msg_iovlen - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == t->data) {
		last->iov_len += t->len;
	} else {
		if (op->msg.msg_iovlen == WEIR_OP_IOVS)
			return false;
		op->iov[op->msg.msg_iovlen].iov_base = (void *)(uintptr_t)t->data;
		op->iov[op->msg.msg_iovlen++].iov_len = t->len;
	}
	op->bytes += t->len;
	return true;
}

/* Cut the queue behind @last: everything up to it belongs to @op. */
static void take(struct weir_sock *s, struct weir_txop *op, struct weir_tx *last)
{
	op->first = s->tx_head;
	s->tx_head = last->next;
	if (!s->tx_head)
		s->tx_tail = &s->tx_head;
	last->next = NULL;
	op->sock = s;
}

bool weir_tx_differs(const struct weir_sock *s, const struct weir_tx *t, bool zc)
{
	if (s->zc_never)
		return false;
	if (zc)
		return t->zc == WEIR_TX_PLAIN;
	return t->zc == WEIR_TX_FORCED || (t->zc == WEIR_TX_AUTO && t->len >= s->zc_from);
}

static void build_stream(struct weir_sock *s, struct weir_txop *op, bool zc)
{
	size_t max = zc ? STREAM_ZC_BYTES : STREAM_BYTES;
	struct weir_tx *t, *last = NULL;

	for (t = s->tx_head; t; t = t->next) {
		if (last && ((op->bytes >= HEADER_BYTES && op->bytes + t->len > max) ||
			     weir_tx_differs(s, t, zc)))
			break;
		if (!add_piece(op, t))
			break;
		last = t;
	}
	/* Held back, it would hold its memory. */
	if (last->more && !last->next && !zc)
		op->msg.msg_flags = MSG_MORE;
	take(s, op, last);
}

static struct weir_tx *group_end(struct weir_tx *t)
{
	while (t->join && t->next)
		t = t->next;
	return t;
}

static bool same_peer(const struct weir_tx *a, const struct weir_tx *b)
{
	return a->peer_len == b->peer_len && !memcmp(&a->peer, &b->peer, a->peer_len);
}

static uint32_t segment_of(const struct weir_tx *t)
{
	return t->segment_bytes ? t->segment_bytes : (uint32_t)t->len;
}

/* May the whole write @t follow in a train of segments of @segment? */
static bool may_follow(const struct weir_sock *s, const struct weir_txop *op,
		       const struct weir_tx *first, const struct weir_tx *t)
{
	uint32_t segment = segment_of(first);

	if (s->no_gso || (s->flags & WEIR_SOCK_NO_GSO) || first->join || t->join || !segment ||
	    !t->len)
		return false;
	if (op->bytes % segment || op->bytes + t->len > TRAIN_BYTES ||
	    (op->bytes + t->len + segment - 1) / segment > TRAIN_SEGMENTS)
		return false;
	/* A write that is itself a train must have the same segments; a single one may be short. */
	if (t->segment_bytes && t->len > t->segment_bytes) {
		if (t->segment_bytes != segment)
			return false;
	} else if (t->len > segment) {
		return false;
	}
	return same_peer(first, t);
}

static void say_segment(struct weir_txop *op, uint32_t segment)
{
	struct cmsghdr *cm = (struct cmsghdr *)op->control;
	uint16_t value = (uint16_t)segment;

	memset(op->control, 0, CMSG_SPACE(sizeof(value)));
	op->msg.msg_control = op->control;
	op->msg.msg_controllen = CMSG_SPACE(sizeof(value));
	cm->cmsg_level = SOL_UDP;
	cm->cmsg_type = UDP_SEGMENT;
	cm->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(cm), &value, sizeof(value));
}

static void count_run(struct weir_sock *s, uint32_t segment)
{
	if (s->segment_last != segment) {
		s->segment_last = (uint16_t)segment;
		s->segment_run = 0;
	} else if (s->segment_run < SEGMENT_RUN) {
		s->segment_run++;
	}
}

static void set_segment(struct weir_sock *s, struct weir_txop *op, uint32_t segment)
{
	if (op->datagrams > 1) {
		op->segment_bytes = segment;
		count_run(s, segment);
		if (s->segment_set != segment)
			say_segment(op, segment);
	} else if (s->segment_set && op->bytes > s->segment_set) {
		say_segment(op, 0);
	}
}

void weir_txop_segment(struct weir_sock *s)
{
	int segment = s->segment_off ? 0 : s->segment_last;

	if (s->ops_count || (!s->segment_off && s->segment_run < SEGMENT_RUN) ||
	    s->segment_set == segment)
		return;
	s->engine->c.stats.syscalls++;
	if (setsockopt(s->fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment))) {
		s->segment_off = true;
		segment = 0;
	}
	s->segment_set = (uint16_t)segment;
}

static size_t pages_of(const void *data, size_t len)
{
	size_t at = (uintptr_t)data % PAGE_BYTES;

	return (at + len + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Does the packet have place for these pages, and for those of @more? */
static bool pages_fit(const struct weir_txop *op, const struct weir_tx *more)
{
	size_t pages = more ? pages_of(more->data, more->len) : 0;

	for (size_t i = 0; i < op->msg.msg_iovlen; i++)
		pages += pages_of(op->iov[i].iov_base, op->iov[i].iov_len);
	return pages <= PACKET_PAGES;
}

static void build_dgram(struct weir_sock *s, struct weir_txop *op, bool zc)
{
	struct weir_tx *first = s->tx_head, *last = group_end(first), *t;
	uint32_t segment = segment_of(first);

	for (t = first;; t = t->next) {
		add_piece(op, t);
		if (t == last)
			break;
	}
	if (!first->join)
		for (t = last->next; t && may_follow(s, op, first, t); t = t->next) {
			if (weir_tx_differs(s, t, zc) || (zc && !pages_fit(op, t)) ||
			    !add_piece(op, t))
				break;
			last = t;
		}
	take(s, op, last);
	op->datagrams = 1;
	if (!first->join && op->bytes > segment)
		op->datagrams = (uint32_t)((op->bytes + segment - 1) / segment);
	set_segment(s, op, segment);
	if (first->peer_len) {
		op->msg.msg_name = &first->peer;
		op->msg.msg_namelen = first->peer_len;
	}
}

/* One message, never more: boundaries are what SCTP is chosen for. */
static void build_sctp(struct weir_sock *s, struct weir_txop *op)
{
	struct weir_tx *first = s->tx_head, *last = group_end(first), *t;

	for (t = first;; t = t->next) {
		add_piece(op, t);
		if (t == last)
			break;
	}
	if (last->more && !last->next)
		op->msg.msg_flags = MSG_MORE;
	take(s, op, last);
	op->datagrams = 1;
	if (first->sctp)
		weir_sctp_set_info(op, first);
	if (first->peer_len) {
		op->msg.msg_name = &first->peer;
		op->msg.msg_namelen = first->peer_len;
	}
}

size_t weir_txop_peek(const struct weir_sock *s)
{
	const struct weir_tx *t = s->tx_head;
	size_t bytes = t->len;
	unsigned n = 1;

	if (s->kind == WEIR_DGRAM) {
		while (t->join && (t = t->next))
			bytes += t->len;
		return bytes;
	}
	for (t = t->next; t && n < WEIR_OP_IOVS && bytes + t->len <= STREAM_ZC_BYTES; t = t->next) {
		if (weir_tx_differs(s, t, true))
			break;
		bytes += t->len;
		n++;
	}
	return bytes;
}

struct weir_txop *weir_txop_build(struct weir_sock *s, bool zc)
{
	struct weir_txop *op = weir_txop_new(s->engine);

	if (!op)
		return NULL;
	if (s->kind == WEIR_STREAM)
		build_stream(s, op, zc);
	else if (s->is_sctp)
		build_sctp(s, op);
	else
		build_dgram(s, op, zc);
	/* Too many pages, or no record: with a copy it goes. */
	if (zc && (s->kind == WEIR_STREAM || pages_fit(op, NULL)))
		(void)weir_zc_begin(op);
	return op;
}

/*
 * Trains to single datagrams, for a path without UDP GSO.  Returns the number of writes that the
 * list grew by, or -ENOMEM, after which it still lists the same bytes.
 */
int weir_tx_explode(struct weir_engine *e, struct weir_tx *list)
{
	int added = 0;

	for (struct weir_tx *t = list; t; t = t->next) {
		struct weir_tx *rest;

		if (!t->segment_bytes || t->len <= t->segment_bytes)
			continue;
		rest = weir_tx_new(e);
		if (!rest)
			return -ENOMEM;
		/* The rest keeps tag and memory: it is the one that is finished last. */
		*rest = *t;
		rest->data += t->segment_bytes;
		rest->len -= t->segment_bytes;
		rest->lent |= t->zc != WEIR_TX_PLAIN;
		t->len = t->segment_bytes;
		t->tag = 0;
		t->ctx = 0;
		t->copy = NULL;
		t->pool = NULL;
		t->next = rest;
		added++;
	}
	return added;
}
