// SPDX-License-Identifier: MIT
/*
 * txbuild.c - send requests made from queued writes.
 *
 * Theory: a request takes the longest run of writes from the head of the queue that fits:
 *	streams: up to WEIR_OP_IOVS pieces and STREAM_BYTES (one write of any size always fits);
 *	datagrams: writes of one peer and one segment size, joined to a train (UDP GSO) of up to
 *	64 segments, where only the last segment may be short; SCTP: one message.  Pieces that
 *	are neighbours in memory become one.
 * Invariants: 1. a datagram or message is never split over requests.  2. op->first lists exactly
 *	the writes that op->iov covers, in order.
 * Ownership: writes move from the queue to the request.
 * Threads: the engine's.
 * Errors: NULL where no request can be had; the queue is then as before.
 * Sources: udp(7) UDP_SEGMENT; UDP_MAX_SEGMENTS = 64 before Linux 6.10, 128 after.
 * Tests: tests/contract/ (order, trains, mixed peers and sizes)
 */
#include <string.h>

#include "core.h"

#define STREAM_BYTES (256u << 10)
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

static void build_stream(struct weir_sock *s, struct weir_txop *op)
{
	struct weir_tx *t, *last = NULL;

	for (t = s->tx_head; t; t = t->next) {
		if (last && op->bytes + t->len > STREAM_BYTES)
			break;
		if (!add_piece(op, t))
			break;
		last = t;
	}
	if (last->more && !last->next)
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

static void set_segment(struct weir_txop *op, uint32_t segment)
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
	op->segment_bytes = segment;
}

static void build_dgram(struct weir_sock *s, struct weir_txop *op)
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
			if (!add_piece(op, t))
				break;
			last = t;
		}
	take(s, op, last);
	op->datagrams = 1;
	if (!first->join && op->bytes > segment) {
		op->datagrams = (uint32_t)((op->bytes + segment - 1) / segment);
		set_segment(op, segment);
	}
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

struct weir_txop *weir_txop_build(struct weir_sock *s)
{
	struct weir_txop *op = weir_txop_new(s->engine);

	if (!op)
		return NULL;
	if (s->kind == WEIR_STREAM)
		build_stream(s, op);
	else if (s->is_sctp)
		build_sctp(s, op);
	else
		build_dgram(s, op);
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
		t->len = t->segment_bytes;
		t->tag = 0;
		t->copy = NULL;
		t->pool = NULL;
		t->next = rest;
		added++;
	}
	return added;
}
