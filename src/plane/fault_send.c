// SPDX-License-Identifier: MIT
/*
 * fault_send.c - faults of send requests: refused, or shortened.
 *
 * Theory:
 *	Of the requests of a stream those before the fault go to the wrapped plane, the faulty
 *	one is reported with its error (or goes there with fewer bytes than the core gave it), and
 *	those behind it are reported as cancelled, just as a plane does when a request falls
 *	short.  Datagrams are independent: only the faulty one is refused.
 *	A shortened request is changed in place and put right again before the core sees it.
 *	After a refusal with -EAGAIN the core waits for writable(): that is reported once no
 *	earlier request of the socket is in the wrapped plane.
 *	A request for zero copy that does not go on is reported as released, too: the wrapped
 *	plane never hears of its record.  The errors that only such requests have are given in
 *	turn.
 * Invariants: 1. every request is reported once.  2. no byte behind a fault of a stream reaches
 *	the wrapped plane before the core was told.
 * Ownership: requests are the core's; struct weir_fault_cut is the fault plane's.
 * Threads: the engine's.
 * Errors: without memory for a cut nothing is shortened.
 * Sources: struct weir_plane_ops.send in core/plane.h; udp_sendmsg(), tcp_sendmsg() for the
 *	errors a kernel can give (ENOBUFS, ENOMEM); io_uring/net.c io_send_zc_prep() (ENOMEM:
 *	locked memory), io_sg_from_iter() (EMSGSIZE: pieces of a datagram) (Linux 7.3).
 * Tests: tests/contract/ with WEIR_FAULT, tests/unit/test_fault.c
 */
#include <errno.h>
#include <stdlib.h>

#include "fault.h"

/**
 * struct weir_fault_cut - how a shortened request was before.
 * @op: the request.
 * @bytes: its bytes.
 * @iov_count: its pieces.
 * @iov_bytes: bytes of the piece that is now its last.
 */
struct weir_fault_cut {
	struct weir_txop *op;
	size_t bytes;
	size_t iov_count;
	size_t iov_bytes;
};

/* The error to refuse this request with, or 0. */
static int refusal(struct weir_fault *f, const struct weir_txop *op)
{
	static const int zc_errors[] = { -ENOMEM, -EMSGSIZE, -EOPNOTSUPP };

	if (op->zc && weir_fault_hit(f, WEIR_FAULT_ZC_REFUSE))
		return zc_errors[f->zc_refused++ % 3];
	if (weir_fault_hit(f, WEIR_FAULT_EAGAIN))
		return -EAGAIN;
	/* On a datagram socket these are its sender's to see: nothing is tried again. */
	if (!weir_sock_ordered(op->sock))
		return 0;
	if (weir_fault_hit(f, WEIR_FAULT_ENOBUFS))
		return -ENOBUFS;
	return weir_fault_hit(f, WEIR_FAULT_ENOMEM) ? -ENOMEM : 0;
}

static bool grow_cuts(struct weir_fault *f)
{
	unsigned cap = f->cut_cap ? 2 * f->cut_cap : 16;
	struct weir_fault_cut *cuts = realloc(f->cuts, cap * sizeof(*cuts));

	if (!cuts)
		return false;
	f->cuts = cuts;
	f->cut_cap = cap;
	return true;
}

/* Leave some first bytes of the request. */
static bool shorten(struct weir_fault *f, struct weir_txop *op)
{
	struct weir_fault_cut *cut;
	size_t keep, left;
	unsigned i = 0;

	if (op->sock->kind != WEIR_STREAM || op->bytes < 2 ||
	    !weir_fault_hit(f, WEIR_FAULT_SHORT_WRITE))
		return false;
	if (f->cut_count == f->cut_cap && !grow_cuts(f))
		return false;
	keep = 1 + weir_fault_random(f, op->bytes - 1);
	for (left = keep; left > op->iov[i].iov_len; i++)
		left -= op->iov[i].iov_len;
	cut = &f->cuts[f->cut_count++];
	cut->op = op;
	cut->bytes = op->bytes;
	cut->iov_count = op->msg.msg_iovlen;
	cut->iov_bytes = op->iov[i].iov_len;
	op->bytes = keep;
	op->msg.msg_iovlen = i + 1;
	op->iov[i].iov_len = left;
	return true;
}

void weir_fault_uncut(struct weir_fault *f, struct weir_txop *op)
{
	for (unsigned i = 0; i < f->cut_count; i++) {
		struct weir_fault_cut *cut = &f->cuts[i];

		if (cut->op != op)
			continue;
		op->iov[op->msg.msg_iovlen - 1].iov_len = cut->iov_bytes;
		op->msg.msg_iovlen = cut->iov_count;
		op->bytes = cut->bytes;
		*cut = f->cuts[--f->cut_count];
		return;
	}
}

static void report_sent(struct weir_fault *f, struct weir_txop *op, int res)
{
	weir_fault_report(f,
			  &(struct weir_report){
				  .s = op->sock, .kind = WEIR_REPORT_SENT, .op = op, .res = res });
	if (op->zc)
		weir_fault_report(f, &(struct weir_report){ .s = op->sock,
							    .kind = WEIR_REPORT_RELEASED,
							    .zc = op->zc,
							    .res = true });
	if (res == -EAGAIN)
		weir_fault_sock_of(op->sock)->owe_writable = true;
}

/* Give @n requests from @first on to the wrapped plane. */
static void give(struct weir_sock *s, struct weir_txop *first, struct weir_txop *last, unsigned n)
{
	struct weir_txop *rest = last->next;

	weir_fault_sock_of(s)->in_flight += n;
	last->next = NULL;
	weir_fault_of(s)->inner->send(s, first, n);
	last->next = rest;
}

static void send_stream(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	struct weir_fault *f = weir_fault_of(s);
	struct weir_txop *op = ops, *last = NULL;
	unsigned given = 0;
	bool cut = false;
	int res = 0;

	while (given < n && !cut) {
		res = refusal(f, op);
		if (res)
			break;
		cut = shorten(f, op);
		last = op;
		op = op->next;
		given++;
	}
	if (given)
		give(s, ops, last, given);
	for (unsigned i = given; i < n; i++, op = op->next) {
		report_sent(f, op, res ? res : -ECANCELED);
		res = 0;
	}
}

static void send_dgram(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	struct weir_fault *f = weir_fault_of(s);
	struct weir_txop *op = ops, *next;

	for (; n; n--, op = next) {
		int res = refusal(f, op);

		next = op->next;
		if (res)
			report_sent(f, op, res);
		else
			give(s, op, op, 1);
	}
}

void weir_fault_send(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	if (weir_sock_ordered(s))
		send_stream(s, ops, n);
	else
		send_dgram(s, ops, n);
	weir_fault_pay_writable(s);
}

void weir_fault_pay_writable(struct weir_sock *s)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(s);

	if (!fs->owe_writable || fs->in_flight)
		return;
	fs->owe_writable = false;
	weir_fault_report(weir_fault_of(s),
			  &(struct weir_report){ .s = s, .kind = WEIR_REPORT_WRITABLE });
}
