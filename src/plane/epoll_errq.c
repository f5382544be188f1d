// SPDX-License-Identifier: MIT
/*
 * epoll_errq.c - the book of a socket's MSG_ZEROCOPY requests: numbers to records.
 *
 * Theory: the kernel numbers the calls of a socket that take memory without a copy, from 0, modulo
 *	2^32, and reports them as done in ranges, in any order:
 *
 *	  slots   | 7 | - | 9 | 10 | 13 |        - released before; 11, 12 were never ours
 *	          head                   tail    next_id 14
 *
 *	A slot is found by halving: ids rise from head to tail.  Slots are given up from the head
 *	only, so that one request that stays long keeps those behind it; there is a bound.
 *	All comparisons are of distances from the oldest id, so that nothing happens at the wrap.
 * Invariants: 1. ids rise from head to tail, over less than 2^31.  2. the slot at the head is live.
 *	3. a record is released once, and is in one slot until then.
 * Ownership: the ring is the book's; records are the core's.
 * Threads: the engine's.
 * Errors: -ENOMEM, and -ENOBUFS for a ring that would grow past SLOTS_MAX.
 * Sources: net/core/skbuff.c msg_zerocopy_alloc(), __msg_zerocopy_callback() (ranges grow at the
 *	tail of the queue and keep the tail's code); net/ipv4/ip_sockglue.c ip_recv_error()
 *	(Linux 7.3).
 * Tests: tests/unit/test_errq.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Uses struct timespec without saying so. */
#include <linux/errqueue.h>

#include "epoll_zc.h"

#define SLOTS_MIN 16u
#define SLOTS_MAX 65536u

static struct weir_errq_slot *slot_at(const struct weir_errq *q, uint32_t at)
{
	return &q->slots[at & (q->cap - 1)];
}

void weir_errq_fini(struct weir_errq *q)
{
	weir_assert(!q->live);
	free(q->slots);
	memset(q, 0, sizeof(*q));
}

int weir_errq_reserve(struct weir_errq *q)
{
	uint32_t cap = q->cap ? 2 * q->cap : SLOTS_MIN;
	struct weir_errq_slot *slots;

	if (q->tail - q->head < q->cap)
		return 0;
	if (cap > SLOTS_MAX)
		return -ENOBUFS;
	slots = malloc(cap * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t at = q->head; at != q->tail; at++)
		slots[at & (cap - 1)] = *slot_at(q, at);
	free(q->slots);
	q->slots = slots;
	q->cap = cap;
	return 0;
}

void weir_errq_add(struct weir_errq *q, struct weir_zc *zc)
{
	weir_assert(q->tail - q->head < q->cap);
	*slot_at(q, q->tail++) = (struct weir_errq_slot){ .zc = zc, .id = q->next_id++ };
	q->live++;
}

/* Where is the first slot that lies @distance or more behind the oldest? */
static uint32_t find(const struct weir_errq *q, uint32_t distance)
{
	uint32_t base = slot_at(q, q->head)->id;
	uint32_t from = 0, to = q->tail - q->head;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (slot_at(q, q->head + middle)->id - base < distance)
			from = middle + 1;
		else
			to = middle;
	}
	return q->head + from;
}

void weir_errq_complete(struct weir_errq *q, const struct weir_errq_note *note,
			void (*released)(struct weir_zc *zc, bool copied))
{
	uint32_t ahead = note->last - q->next_id;
	uint32_t base, first, last, at;

	if (ahead < 1u << 31)
		q->next_id = note->last + 1;
	if (q->head == q->tail)
		return;
	base = slot_at(q, q->head)->id;
	first = note->first - base;
	last = note->last - base;
	/* A range that began before the oldest. */
	at = first > last ? q->head : find(q, first);
	for (; at != q->tail && slot_at(q, at)->id - base <= last; at++) {
		struct weir_zc *zc = slot_at(q, at)->zc;

		slot_at(q, at)->zc = NULL;
		if (!zc)
			continue;
		q->live--;
		released(zc, note->copied);
	}
	while (q->head != q->tail && !slot_at(q, q->head)->zc)
		q->head++;
}

static bool is_error(const struct cmsghdr *cm)
{
	if (cm->cmsg_len < CMSG_LEN(sizeof(struct sock_extended_err)))
		return false;
	return (cm->cmsg_level == SOL_IP && cm->cmsg_type == IP_RECVERR) ||
	       (cm->cmsg_level == SOL_IPV6 && cm->cmsg_type == IPV6_RECVERR);
}

void weir_errq_parse(struct msghdr *msg, struct weir_errq_note *ret)
{
	struct sock_extended_err ee;
	struct cmsghdr *cm;

	*ret = (struct weir_errq_note){ 0 };
	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		if (!is_error(cm))
			continue;
		memcpy(&ee, CMSG_DATA(cm), sizeof(ee));
		if (ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY && !ee.ee_errno) {
			ret->completion = true;
			ret->first = ee.ee_info;
			ret->last = ee.ee_data;
			ret->copied = ee.ee_code & SO_EE_CODE_ZEROCOPY_COPIED;
		} else if (ee.ee_origin == SO_EE_ORIGIN_ICMP ||
			   ee.ee_origin == SO_EE_ORIGIN_ICMP6 ||
			   ee.ee_origin == SO_EE_ORIGIN_LOCAL) {
			ret->error = (int)ee.ee_errno;
		}
		return;
	}
}
