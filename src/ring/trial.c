// SPDX-License-Identifier: MIT
/*
 * trial.c - one byte through a multishot receive: does this kernel have what it takes.
 *
 * Theory: whether the kernel knows buffer rings says nothing of multishot receive. So one byte goes
 *	through a socket pair: the request must stay armed and name its buffer. End of stream then
 *	ends it, so that nothing is left in flight.
 * Invariants: 1. nothing of the trial is in flight after it, unless -ETIME is returned.
 * Ownership: descriptors and memory are local; ring and buffer ring are the caller's.
 * Threads: the ring's.
 * Errors: -errno of socketpair(2), write(2), io_uring_enter(2); -ETIME.
 * Sources: io_uring_enter(2), io_uring_prep_recv_multishot(3).
 * Tests: tests/unit/test_probe.c, tests/contract/ with WEIR_PLANE=uring
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring.h"

#define TRIAL_NS 1000000000ll

int weir_ring_await_one(struct weir_ring *r, struct weir_cqe *retcqe)
{
	int code = weir_ring_enter(r, 1, 0, TRIAL_NS);

	if (!weir_ring_take(r, retcqe))
		return code ? code : -ETIME;
	return 0;
}

static int send_byte(struct weir_ring *r, uint16_t group, uint64_t user_data, int rx, int tx,
		     int *retanswer)
{
	struct io_uring_sqe *sqe = weir_ring_sqe(r);
	struct weir_cqe got;
	bool alive;
	int code;

	if (!sqe)
		return -EBUSY;
	sqe->opcode = IORING_OP_RECV;
	sqe->fd = rx;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
	sqe->user_data = user_data;
	if (write(tx, "w", 1) != 1)
		return -errno;
	code = weir_ring_await_one(r, &got);
	if (code)
		return code;
	alive = got.cqe.flags & IORING_CQE_F_MORE;
	if (got.cqe.res < 0)
		*retanswer = got.cqe.res;
	else
		*retanswer = got.cqe.res == 1 && alive && (got.cqe.flags & IORING_CQE_F_BUFFER) ?
				     0 :
				     -EOPNOTSUPP;
	/* End of stream ends the request. */
	shutdown(tx, SHUT_WR);
	while (alive && !weir_ring_await_one(r, &got))
		alive = got.cqe.flags & IORING_CQE_F_MORE;
	return alive ? -ETIME : 0;
}

int weir_bufring_try(struct weir_bufring *b, struct weir_ring *r, uint64_t user_data,
		     int *retanswer)
{
	char memory[64];
	int pair[2], code;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	weir_bufring_add(b, memory, sizeof(memory) / 2, 0);
	weir_bufring_add(b, memory + sizeof(memory) / 2, sizeof(memory) / 2, 1);
	weir_bufring_publish(b);
	code = send_byte(r, b->group, user_data, pair[0], pair[1], retanswer);
	close(pair[0]);
	close(pair[1]);
	return code;
}
