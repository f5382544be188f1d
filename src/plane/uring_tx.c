// SPDX-License-Identifier: MIT
/*
 * uring_tx.c - sends of the uring plane.
 *
 * Theory: a stream's requests go out as one chain of linked entries with MSG_WAITALL: the kernel
 *	sends each one whole, waiting for room inside the kernel, before it begins the next; one
 *	that ends short fails the link and the rest come back cancelled.  So several writes are in
 *	flight and none can overtake another.  So do messages of SCTP, which the kernel takes whole
 *	or not at all.  Datagram requests are independent.
 * Invariants: 1. a chain lies in one submission (a chain that is cut would not be linked).
 * Ownership: requests are the core's; plane_word is 1 once reported.
 * Threads: the engine's.
 * Errors: as the completion says; a chain that finds no room is reported with EAGAIN.
 * Sources: net/socket.c __sys_sendmsg_sock(), PROTO_CMSG_DATA_ONLY (Linux 6.1);
 *	io_uring_enter(2) IOSQE_IO_LINK; io_uring/net.c io_sendmsg() (Linux 6.18): short
 *	transfers with MSG_WAITALL are retried, and fail the link if they stay short.
 * Tests: tests/contract/
 */
#include <errno.h>
#include <poll.h>

#include "uring.h"

static void fill(struct weir_txop *op, struct io_uring_sqe *sqe, bool stream)
{
	uring_target(op->sock, sqe);
	sqe->msg_flags = (unsigned)op->msg.msg_flags | MSG_NOSIGNAL;
	if (stream)
		sqe->msg_flags |= MSG_WAITALL;
	if (op->zc) {
		uring_zc_fill(op, sqe);
		return;
	}
	if (op->msg.msg_iovlen == 1 && !op->msg.msg_name && !op->msg.msg_control) {
		sqe->opcode = IORING_OP_SEND;
		sqe->addr = (uint64_t)(uintptr_t)op->iov[0].iov_base;
		sqe->len = (uint32_t)op->iov[0].iov_len;
	} else {
		sqe->opcode = IORING_OP_SENDMSG;
		sqe->addr = (uint64_t)(uintptr_t)&op->msg;
		sqe->len = 1;
	}
	sqe->user_data = ud(op, UD_SEND);
}

static void poll_out(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;

	if ((s->plane_bits & (UR_POLLOUT | UR_DETACH)) || !(sqe = uring_sqe(s->engine)))
		return;
	sqe->opcode = IORING_OP_POLL_ADD;
	uring_target(s, sqe);
	sqe->poll32_events = POLLOUT;
	sqe->user_data = ud(s, UD_POLLOUT);
	s->plane_bits |= UR_POLLOUT;
	s->plane_refs++;
}

/* Entries that name the slot are given to the kernel before it is free. */
static void leave_table(struct weir_sock *s)
{
	struct weir_ring *ring = &uring_of(s->engine)->ring;

	for (int i = 0; weir_ring_queued(ring) && i < 4; i++) {
		(void)weir_ring_enter(ring, 0, 0, 0);
		weir_core_of(s->engine)->stats.syscalls++;
	}
	if (!weir_ring_queued(ring))
		uring_slot_release(s);
}

void uring_tx_send(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	struct weir_engine *e = s->engine;
	struct uring_plane *p = uring_of(e);
	bool ordered = weir_sock_ordered(s);
	struct io_uring_sqe *sqe;

	/*
	 * A ring whose process has died lets go of its table of files only after the last
	 * notification; a connection would stay open for that long, and those between two sockets
	 * of one process for ever.
	 */
	if (n && ops->zc && s->is_tcp && s->plane_slot >= 0)
		leave_table(s);
	/* A chain must not be cut by a submission in its middle. */
	if (weir_ring_space(&p->ring) < n) {
		(void)weir_ring_enter(&p->ring, 0, 0, 0);
		weir_core_of(e)->stats.syscalls++;
	}
	for (unsigned i = 0; i < n; i++, ops = ops->next) {
		sqe = weir_ring_sqe(&p->ring);
		if (!sqe) {
			/* Not even after a flush: end the chain here; the core comes again. */
			for (; i < n; i++, ops = ops->next)
				ops->plane_word = OP_UNSENT;
			uring_pend(s, UR_UNSENT);
			return;
		}
		fill(ops, sqe, s->kind == WEIR_STREAM);
		/* Its notification counts, too. */
		s->plane_refs += ops->zc != NULL;
		if (ordered && i + 1 < n && weir_ring_space(&p->ring))
			sqe->flags |= IOSQE_IO_LINK;
		s->plane_refs++;
	}
}

void uring_tx_cqe(struct weir_txop *op, int res)
{
	/* Old kernels refuse control data of SCTP in a ring; other faults are found again. */
	if (res == -EINVAL && op->sock->is_sctp && op->msg.msg_control && !op->sock->closing)
		res = weir_direct_send(op->sock, &op->msg);
	if (res == -EAGAIN)
		poll_out(op->sock);
	op->plane_word = OP_REPORTED;
	weir_core_of(op->sock->engine)->up->sent(op, res);
}

void uring_tx_unsent(struct weir_sock *s)
{
	struct weir_txop *op, *next;

	s->plane_bits &= ~UR_UNSENT;
	for (op = s->ops_head; op; op = next) {
		next = op->next;
		if (op->plane_word == OP_UNSENT) {
			struct weir_zc *zc = op->zc;

			uring_tx_cqe(op, -ENOBUFS);
			if (zc)
				weir_core_of(s->engine)->up->released(zc, true);
		}
	}
}

void uring_tx_cancel(struct weir_sock *s)
{
	for (struct weir_txop *op = s->ops_head; op; op = op->next)
		if (!op->plane_word)
			uring_cancel(s, op->zc ? uring_zc_ud(op->zc) : ud(op, UD_SEND));
}
