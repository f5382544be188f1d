/* SPDX-License-Identifier: MIT */
/*
 * by_hand.c - io_uring written by hand: the figures weir has to come near.
 *
 * Theory:
 *	Bulk: one multishot receive into a provided-buffer ring of 2 x 256 KiB which are consumed
 *	incrementally: each completion takes the next piece of the buffer, and only the last
 *	piece of a buffer (no F_BUF_MORE) gives it back to be refilled.  512 KiB stay in L2.
 *	SO_RCVLOWAT of 256 KiB, fixed: fewer wake-ups; a stream that ends in less would wait for
 *	its end, which is why this is a bound and not a program.
 *	Ping-pong: the same ring without the mark; the answer is a plain send(2), then one
 *	io_uring_enter() that waits (spinning: that does not).  One connection and nothing else:
 *	no timers, no messages from threads, no second socket.
 * Sources: io_uring/kbuf.c and io_uring/net.c of Linux 6.12 and later (IOU_PBUF_RING_INC,
 *	IORING_CQE_F_BUF_MORE); layouts newer than liburing 2.3 are defined below.
 */
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"

#define BUFFERS 2u
#define BUFFER_BYTES (256u * 1024)
#define LOWAT_BYTES (256 * 1024)
#define GROUP 1
#define PBUF_RING_INC 2u     /* IOU_PBUF_RING_INC */
#define CQE_F_BUF_MORE 0x10u /* IORING_CQE_F_BUF_MORE */

struct hand {
	struct io_uring ring;
	struct io_uring_buf_ring *br;
	char *memory;
	int fd;
};

static void put_buffer(struct hand *h, unsigned id)
{
	io_uring_buf_ring_add(h->br, h->memory + (size_t)id * BUFFER_BYTES, BUFFER_BYTES,
			      (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(h->br, 1);
}

static int open_ring(struct hand *h)
{
	struct io_uring_params par = { .flags = IORING_SETUP_SINGLE_ISSUER |
						IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
				       .cq_entries = 256 };
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };
	int res;

	h->memory = bench_buffer((size_t)BUFFERS * BUFFER_BYTES);
	h->br = bench_buffer(4096);
	if (!h->memory || !h->br)
		return -ENOMEM;
	res = io_uring_queue_init_params(8, &h->ring, &par);
	if (res)
		return res;
	reg.ring_addr = (unsigned long)h->br;
	memcpy((char *)&reg + offsetof(struct io_uring_buf_reg, bgid) + 2,
	       &(uint16_t){ PBUF_RING_INC }, 2);
	io_uring_buf_ring_init(h->br);
	res = io_uring_register_buf_ring(&h->ring, &reg, 0);
	if (res)
		return res;
	io_uring_register_ring_fd(&h->ring);
	for (unsigned i = 0; i < BUFFERS; i++)
		put_buffer(h, i);
	return io_uring_register_files(&h->ring, &h->fd, 1);
}

static void arm(struct hand *h)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&h->ring);

	io_uring_prep_recv_multishot(sqe, 0, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
	sqe->buf_group = GROUP;
}

int bench_tcp_rx_uring(struct bench_side *side)
{
	struct hand h = { .fd = bench_tcp_accept(side) };
	int res;

	if (h.fd < 0)
		return h.fd;
	setsockopt(h.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ LOWAT_BYTES }, sizeof(int));
	res = open_ring(&h);
	if (res)
		return bench_fail(side, res, "io_uring with incremental buffers");
	arm(&h);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;
		bool again = false;

		res = io_uring_submit_and_wait(&h.ring, 1);
		if (res < 0)
			return bench_fail(side, res, "io_uring_enter");
		io_uring_for_each_cqe(&h.ring, head, cqe)
		{
			n++;
			if (cqe->res > 0)
				bench_rx_add(side, 1, (uint64_t)cqe->res);
			if ((cqe->flags & IORING_CQE_F_BUFFER) && !(cqe->flags & CQE_F_BUF_MORE))
				put_buffer(&h, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
			if (!(cqe->flags & IORING_CQE_F_MORE))
				again = true;
			if (cqe->res <= 0 && cqe->res != -ENOBUFS)
				return bench_fail(side, cqe->res ? cqe->res : -EPIPE, "recv");
		}
		io_uring_cq_advance(&h.ring, n);
		if (again)
			arm(&h);
	}
}

/* Receives one message of @bytes; 0 or -errno. */
static int receive_message(struct hand *h, size_t bytes, bool spin)
{
	struct io_uring_cqe *cqe;
	unsigned head, n;
	size_t have = 0;
	int res;

	while (have < bytes) {
		res = spin ? io_uring_get_events(&h->ring) : io_uring_submit_and_wait(&h->ring, 1);
		if (res < 0)
			return res;
		n = 0;
		io_uring_for_each_cqe(&h->ring, head, cqe)
		{
			n++;
			if (cqe->res <= 0)
				return cqe->res ? cqe->res : -EPIPE;
			have += (size_t)cqe->res;
			if ((cqe->flags & IORING_CQE_F_BUFFER) && !(cqe->flags & CQE_F_BUF_MORE))
				put_buffer(h, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
			if (!(cqe->flags & IORING_CQE_F_MORE)) {
				arm(h);
				io_uring_submit(&h->ring);
			}
		}
		io_uring_cq_advance(&h->ring, n);
	}
	return 0;
}

static int begin_pingpong(struct hand *h, struct bench_side *side)
{
	int res;

	if (h->fd < 0)
		return h->fd;
	bench_set_nodelay(h->fd);
	res = open_ring(h);
	if (res)
		return bench_fail(side, res, "io_uring with incremental buffers");
	arm(h);
	res = io_uring_submit(&h->ring);
	return res < 0 ? bench_fail(side, res, "io_uring_submit") : 0;
}

int bench_pp_server_by_hand(struct bench_side *side)
{
	struct hand h = { .fd = bench_tcp_accept(side) };
	char answer[BENCH_PP_BYTES] = { 0 };
	int res;

	res = begin_pingpong(&h, side);
	if (res)
		return res;
	while (!(res = receive_message(&h, sizeof(answer), side->group->spin))) {
		if (send(h.fd, answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
			return bench_fail(side, -errno, "send");
		bench_rx_add(side, 1, sizeof(answer));
	}
	return bench_fail(side, res, "receive");
}

int bench_pp_client_by_hand(struct bench_side *side)
{
	struct hand h = { .fd = bench_tcp_connect(side) };
	char question[BENCH_PP_BYTES] = { 0 };
	int res;

	res = begin_pingpong(&h, side);
	if (res)
		return res;
	atomic_store(&side->sh->tx_ready, 1);
	while (!res) {
		uint64_t start = bench_now_ns();

		if (send(h.fd, question, sizeof(question), 0) != (ssize_t)sizeof(question))
			return bench_fail(side, -errno, "send");
		res = receive_message(&h, sizeof(question), side->group->spin);
		bench_pp_sample(side, start);
		bench_tx_add(side, 1, sizeof(question));
	}
	return bench_fail(side, res, "receive");
}
