// SPDX-License-Identifier: MIT
/*
 * uring_rx.c - receiving on the uring plane: provided buffers, completions, their fallbacks.
 *
 * Theory: a stream is received by one multishot request that picks its memory from the stream
 *	group's ring.  Three ways in which a completion names memory, the best the kernel has:
 *	  incremental  buffer id; the bytes follow those of the completion before (used_bytes); the
 *	               buffer is ours again when a completion lacks F_BUF_MORE
 *	  bundle       id of the first buffer; the others follow in the order of the ring
 *	  plain        one buffer per completion
 *	Few buffers are kept with the kernel (pool->kernel_target), so that they stay in the
 *	cache; many sockets running out doubles the number, a long calm lowers it.  Datagrams
 *	come through multishot recvmsg into buffers of their own group, with name and control
 *	data in front.  Without multishot or buffer rings a poll request says when to read
 *	directly (direct.c).
 * Invariants: 1. the buffers of a group are consumed in the order of its ring, and completions
 *	come in the order of consumption.  2. what the ring has is KERNEL in the ledger.
 * Ownership: pools own the buffers, the ring lends them.
 * Threads: the engine's.
 * Errors: ENOBUFS ends the request: reported up, armed again when buffers are back.
 * Sources: io_uring_prep_recv_multishot(3), io_uring_prep_recvmsg_multishot(3);
 *	io_uring/net.c io_recv_finish(), io_recvmsg_multishot(), io_uring/kbuf.c
 *	io_kbuf_inc_commit() (Linux 6.18).
 * Tests: tests/contract/ with each of WEIR_WITHOUT=incremental,bundle,recv,bufring
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "zcrx.h"

#define INC_BYTES (512u << 10)
#define PLAIN_BYTES (32u << 10)
#define PLAIN_MIN 16
#define CALM_REFILLS 65536
#define DGRAM_CACHE_BYTES (256u << 10)

bool uring_rx_incremental(struct weir_engine *e)
{
	return !(uring_of(e)->without & WEIR_WITHOUT_INCREMENTAL);
}

static uint32_t round_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static int stream_ready(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	bool inc = uring_rx_incremental(e);
	int r;

	if (p->stream.ring)
		return 0;
	r = weir_core_stream_pool(e, inc ? INC_BYTES : PLAIN_BYTES, &p->stream_pool);
	if (r)
		return r;
	if (!inc) {
		struct weir_pool *pool = p->stream_pool;

		/* Each completion takes a whole buffer, however little it brings. */
		pool->kernel_min = pool->buf_count < PLAIN_MIN ? pool->buf_count : PLAIN_MIN;
		if (pool->kernel_target < pool->kernel_min)
			pool->kernel_target = pool->kernel_min;
	}
	return weir_bufring_open(&p->stream, &p->ring, GROUP_STREAM,
				 round_pow2(p->stream_pool->buf_count), inc);
}

static int dgram_ready(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	int r;

	if (p->dgram.ring)
		return 0;
	r = weir_core_dgram_pool(e, &p->dgram_pool);
	if (r)
		return r;
	return weir_bufring_open(&p->dgram, &p->ring, GROUP_DGRAM,
				 round_pow2(p->dgram_pool->buf_count), false);
}

/* Memory and buffer ring for what the socket will receive. */
int uring_rx_ready(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	uint32_t without = uring_of(e)->without;
	struct weir_pool *pool;

	/* Received into interface queues; other memory is made when it is needed. */
	if (uring_of(e)->zc && (s->kind == WEIR_LISTENER || zcrx_takes(s)))
		return 0;
	/* A ring that nobody receives from would keep the buffers for itself. */
	if (s->kind == WEIR_DGRAM &&
	    (without & (WEIR_WITHOUT_BUFFER_RING | WEIR_WITHOUT_MULTISHOT_RECV)))
		return weir_core_dgram_pool(e, &pool);
	if (without & WEIR_WITHOUT_BUFFER_RING)
		return weir_core_stream_pool(e, WEIR_DIRECT_BUF_BYTES, &pool);
	return s->kind == WEIR_DGRAM ? dgram_ready(e) : stream_ready(e);
}

static void refill(struct weir_bufring *b, struct weir_pool *pool)
{
	bool added = false;
	int i;

	if (!b->ring)
		return;
	while (pool->count[WEIR_BUF_KERNEL] < pool->kernel_target &&
	       (i = weir_pool_take(pool)) >= 0) {
		weir_bufring_add(b, weir_pool_data(pool, (uint32_t)i), pool->buf_bytes,
				 (uint16_t)i);
		added = true;
	}
	if (!added)
		return;
	weir_bufring_publish(b);
	if (++pool->calm > CALM_REFILLS && pool->kernel_target / 2 >= pool->kernel_min) {
		pool->kernel_target /= 2;
		pool->calm = 0;
	}
}

/* As many as stay in the cache together: many for small datagrams, few for long trains. */
static uint32_t dgram_target(const struct weir_pool *pool)
{
	uint32_t n = DGRAM_CACHE_BYTES / (pool->mean_bytes + WEIR_DGRAM_HEAD_BYTES);

	if (n < 8)
		n = 8;
	return n < pool->buf_count ? n : pool->buf_count;
}

void uring_rx_refill(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);

	refill(&p->stream, p->stream_pool);
	if (p->dgram.ring)
		p->dgram_pool->kernel_target = dgram_target(p->dgram_pool);
	refill(&p->dgram, p->dgram_pool);
	if (p->zc)
		zcrx_refill(e);
}

void uring_rx_close(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);

	weir_direct_fini(&p->direct);
	weir_bufring_close(&p->stream, &p->ring);
	weir_bufring_close(&p->dgram, &p->ring);
}

int uring_rx_arm(struct weir_sock *s, uint8_t opcode, unsigned kind, struct io_uring_sqe **ret)
{
	struct io_uring_sqe *sqe = uring_sqe(s->engine);

	if (!sqe)
		return -EBUSY;
	sqe->opcode = opcode;
	uring_target(s, sqe);
	sqe->user_data = ud(s, kind);
	s->plane_refs++;
	*ret = sqe;
	return 0;
}

static int arm_accept(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;
	int r = uring_rx_arm(s, IORING_OP_ACCEPT, UD_ACCEPT, &sqe);

	if (r)
		return r;
	sqe->accept_flags = SOCK_CLOEXEC;
	if (!(uring_of(s->engine)->without & WEIR_WITHOUT_MULTISHOT_ACCEPT))
		sqe->ioprio = IORING_ACCEPT_MULTISHOT;
	return 0;
}

static int arm_poll(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;
	int r = uring_rx_arm(s, IORING_OP_POLL_ADD, UD_POLLIN, &sqe);

	if (r)
		return r;
	sqe->poll32_events = POLLIN;
	s->plane_bits |= UR_POLLIN;
	return 0;
}

static int arm_stream(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);
	struct io_uring_sqe *sqe;
	int r = stream_ready(s->engine);

	if (!r)
		r = uring_rx_arm(s, IORING_OP_RECV, UD_RECV, &sqe);
	if (r)
		return r;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_STREAM;
	if (!(p->without & WEIR_WITHOUT_MULTISHOT_RECV))
		sqe->ioprio |= IORING_RECV_MULTISHOT;
	if (!(p->without & WEIR_WITHOUT_BUNDLE))
		sqe->ioprio |= WEIR_IORING_RECVSEND_BUNDLE;
	return 0;
}

static int arm_dgram(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);
	struct io_uring_sqe *sqe;
	int r = dgram_ready(s->engine);

	if (!r)
		r = uring_rx_arm(s, IORING_OP_RECVMSG, UD_RECV, &sqe);
	if (r)
		return r;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_DGRAM;
	sqe->addr = (uint64_t)(uintptr_t)&p->dgram_hdr;
	sqe->len = 1;
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	return 0;
}

int uring_rx_start_stream(struct weir_sock *s)
{
	return uring_of(s->engine)->without & WEIR_WITHOUT_BUFFER_RING ? arm_poll(s) :
									 arm_stream(s);
}

int uring_rx_start(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);

	s->plane_bits &= ~(UR_STOPPED | UR_POLLIN);
	if (s->kind == WEIR_LISTENER)
		return arm_accept(s);
	if (uring_hot_take(s))
		return 0;
	if (p->zc && zcrx_takes(s))
		return zcrx_start(s);
	if (s->kind == WEIR_STREAM)
		return uring_rx_start_stream(s);
	return p->without & (WEIR_WITHOUT_BUFFER_RING | WEIR_WITHOUT_MULTISHOT_RECV) ? arm_poll(s) :
										       arm_dgram(s);
}

void uring_rx_stop(struct weir_sock *s)
{
	if (s->kind == WEIR_LISTENER)
		uring_cancel(s, ud(s, UD_ACCEPT));
	else if (uring_hot_drop(s))
		uring_pend(s, UR_STOPPED);
	else
		uring_cancel(s, ud(s, s->plane_bits & UR_POLLIN ? UD_POLLIN : UD_RECV));
}

static void report(struct weir_sock *s, struct weir_pool *pool, uint32_t id, uint32_t offset,
		   uint32_t len, bool last)
{
	struct weir_rx rx = {
		.pool = pool, .buffer = id, .offset = offset, .len = len, .last = last
	};

	weir_core_of(s->engine)->up->received(s, &rx);
}

/*
 * A completion of @len bytes that begin in the buffer at the head of the ring and go on through
 * the ring's order.
 */
static void stream_data(struct weir_sock *s, uint32_t len, bool more)
{
	struct uring_plane *p = uring_of(s->engine);
	struct weir_bufring *b = &p->stream;
	struct weir_pool *pool = p->stream_pool;

	while (len) {
		uint32_t id = weir_bufring_at_head(b);
		struct weir_pool_buf *buf = &pool->bufs[id];
		uint32_t offset = buf->used_bytes;
		uint32_t n = pool->buf_bytes - offset < len ? pool->buf_bytes - offset : len;
		bool last;

		weir_assert(buf->kernel && n);
		len -= n;
		buf->used_bytes += n;
		/* A buffer that is not incremental is gone with its first byte. */
		last = !(b->incremental && !len && more) &&
		       (buf->used_bytes == pool->buf_bytes || !len);
		if (last)
			b->head++;
		report(s, pool, id, offset, n, last);
	}
}

static void stream_cqe(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	struct uring_plane *p = uring_of(s->engine);
	struct weir_bufring *b = &p->stream;

	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return;
	if (cqe->res > 0) {
		weir_assert(weir_bufring_at_head(b) == cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		stream_data(s, (uint32_t)cqe->res, cqe->flags & WEIR_IORING_CQE_F_BUF_MORE);
	} else if (!b->incremental) {
		/* Picked and not written to: it is ours again. */
		b->head++;
		weir_pool_kernel_done(p->stream_pool, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	}
}

/*
 * A completion with a message: its head, its payload's length, its control data as in recvmsg(2);
 * NULL where there is no buffer, or one of less than a head and @least bytes, which goes back.
 */
static char *message(struct weir_sock *s, const struct io_uring_cqe *cqe, int least,
		     struct weir_rx *rx, struct msghdr *msg)
{
	struct weir_pool *pool = uring_of(s->engine)->dgram_pool;
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	struct io_uring_recvmsg_out *out;

	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return NULL;
	uring_of(s->engine)->dgram.head++;
	if (cqe->res < (int)WEIR_DGRAM_HEAD_BYTES + least) {
		weir_pool_kernel_done(pool, id);
		return NULL;
	}
	out = (struct io_uring_recvmsg_out *)weir_pool_data(pool, id);
	*msg = (struct msghdr){
		.msg_flags = (int)out->flags,
		.msg_control = (char *)out + WEIR_DGRAM_CONTROL_AT,
		.msg_controllen = out->controllen < WEIR_DGRAM_CONTROL_BYTES ?
					  out->controllen :
					  WEIR_DGRAM_CONTROL_BYTES,
	};
	*rx = (struct weir_rx){
		.pool = pool,
		.buffer = id,
		.last = true,
		.offset = WEIR_DGRAM_HEAD_BYTES,
		.len = (uint32_t)cqe->res - WEIR_DGRAM_HEAD_BYTES,
	};
	pool->mean_bytes += ((int)rx->len - (int)pool->mean_bytes) / 8;
	return (char *)out;
}

static void dgram_cqe(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	struct msghdr msg;
	struct weir_rx rx;
	char *head = message(s, cqe, 0, &rx, &msg);

	if (!head)
		return;
	rx.flags = msg.msg_flags & MSG_TRUNC ? WEIR_SLICE_TRUNCATED : 0;
	rx.segment_bytes = weir_dgram_control(&msg);
	rx.peer = (struct sockaddr *)(head + sizeof(struct io_uring_recvmsg_out));
	weir_core_of(s->engine)->up->received(s, &rx);
}

static void sctp_cqe(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	struct msghdr msg;
	struct weir_rx rx;

	if (message(s, cqe, 1, &rx, &msg))
		weir_sctp_received(s, rx.pool, rx.buffer, &msg, rx.len);
}

/* Why a request ended, in the core's terms. */
static int end_reason(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	if (cqe->res == -EFAULT && uring_of(s->engine)->zc && s->is_tcp && zcrx_take_back(s))
		return -EAGAIN;
	/* The head of an empty message: the end. */
	if (s->is_sctp && cqe->res == (int)WEIR_DGRAM_HEAD_BYTES)
		return 0;
	if (cqe->res > 0 || s->kind == WEIR_DGRAM)
		return cqe->res >= 0 ? -EAGAIN : cqe->res;
	return cqe->res;
}

void uring_rx_cqe(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	if (s->kind == WEIR_STREAM)
		stream_cqe(s, cqe);
	else if (s->is_sctp)
		sctp_cqe(s, cqe);
	else
		dgram_cqe(s, cqe);
	if (cqe->res > 0)
		uring_hot_count(s);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		weir_core_of(s->engine)->up->recv_end(s, end_reason(s, cqe));
}

void uring_rx_pollin(struct weir_sock *s, int res)
{
	const struct weir_plane_up *up = weir_core_of(s->engine)->up;
	bool more;
	int r;

	s->plane_bits &= ~UR_POLLIN;
	if (res < 0 || s->closing) {
		up->recv_end(s, res < 0 ? res : -ECANCELED);
		return;
	}
	if (s->kind == WEIR_DGRAM)
		r = weir_direct_recvmsgs(s, &more);
	else
		r = weir_direct_recv(&uring_of(s->engine)->direct, s);
	/* 0: recv_end() was reported.  Otherwise poll again. */
	if (r == -EFAULT)
		zcrx_found(s);
	else if (r)
		up->recv_end(s, -EAGAIN);
}

void uring_rx_accept(struct weir_sock *s, const struct io_uring_cqe *cqe)
{
	struct uring_plane *p = uring_of(s->engine);
	const struct weir_plane_up *up = weir_core_of(s->engine)->up;
	int res = cqe->res;

	if (res >= 0) {
		up->accepted(s, res);
		res = -EAGAIN;
	} else if (res == -EINVAL && !(p->without & WEIR_WITHOUT_MULTISHOT_ACCEPT)) {
		/* The kernel may lack multishot accept: once more without. */
		p->without |= WEIR_WITHOUT_MULTISHOT_ACCEPT;
		res = -EAGAIN;
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		up->recv_end(s, res);
}
