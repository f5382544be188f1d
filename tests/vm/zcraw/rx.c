/* SPDX-License-Identifier: MIT */
/*
 * rx.c - a ring with one queue that receives streams.
 *
 * Theory: each stream has a multishot RECV_ZC.  A completion names a slice of the area:
 *
 *     verified -> kept in a queue of "lag" slices -> verified again -> entry of the refill ring
 *
 * The second verification finds a kernel or NIC that writes into a buffer that we own.  With
 * "hold" nothing is returned.  A request that ends with ENOMEM (no buffer for a copy) or ENOSPC
 * (completion queue full) is counted and armed again; an end of stream or another error is final.
 *
 * A ring that is closed unbinds its queue in a work item of the kernel, after close() has returned;
 * until then a new registration gets EEXIST, and is tried again.
 *
 * Every slice must lie inside the area, inside one buffer, and carry the area's token.  Of large
 * buffers it is counted which slices cross the end of a page, and which the middle of their buffer:
 * such a slice has more than one page, or more than half of the buffer, in one piece.
 *
 * "want_filler": completions of a mixed ring have mostly two slots, and so meet the ring's end with
 * one slot left over only when something of one slot came before.  Until a filler was seen, a no-op
 * brings the tail to an odd slot whenever it is at an even one.
 *
 * Sources: io_uring/zcrx.c (io_zcrx_queue_cqe), io_uring/io_uring.c (io_ring_exit_work), Linux 7.3.
 */
#include "zcraw.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AREA_BYTES (8u << 20)
#define UNBIND_MS 5000
#define PAGE_BYTES 4096u
#define SQ_ENTRIES 128u
#define HELD_MAX 65536u
#define FRUITLESS_MAX 5000u

static bool no_mixed_rings(void)
{
	struct ring ring;
	int err = ring_open(&ring, 4, 8, RING_FLAGS_ZCRX | ZR_SETUP_CQE_MIXED);

	ring_close(&ring);
	return err == -EINVAL;
}

int rx_try_open(struct rx *rx, const struct nic *nic, const struct rx_options *o)
{
	unsigned ring_flags = o->ring_flags ? o->ring_flags : ZR_SETUP_CQE32;
	unsigned cq_entries = o->cq_entries ? o->cq_entries : 4096;
	struct ifq_options io = { nic->ifindex, o->queue, o->rq_entries ? o->rq_entries : 4096,
				  o->buf_bytes, o->events };
	int err;

	memset(rx, 0, sizeof *rx);
	rx->lag = o->lag;
	rx->want_filler = o->want_filler;
	rx->len_min = UINT64_MAX;
	rx->held_max = HELD_MAX;
	rx->held = calloc(rx->held_max, sizeof *rx->held);
	if (!rx->held)
		fail("no memory");
	if ((ring_flags & ZR_SETUP_CQE_MIXED) && no_mixed_rings())
		skip("this kernel has no rings with completions of mixed size");
	err = ring_open(&rx->ring, cq_entries < SQ_ENTRIES ? cq_entries : SQ_ENTRIES, cq_entries,
			RING_FLAGS_ZCRX | ring_flags);
	if (err)
		fail("ring with %u completions: %s", cq_entries, strerror(-err));
	area_new(&rx->area, o->area, o->area_bytes ? o->area_bytes : AREA_BYTES);
	err = ifq_open(&rx->ifq, &rx->ring, &rx->area, &io);
	if (err)
		rx_close(rx);
	return err;
}

void rx_open(struct rx *rx, const struct nic *nic, const struct rx_options *o)
{
	long end;
	int err;

	if (o->buf_bytes > PAGE_BYTES && !(ifq_features() & ZR_FEATURE_RX_PAGE_SIZE))
		skip("this kernel's zero-copy receive has no large buffers");
	/* the queue of a ring that was just closed is unbound a moment later */
	for (end = now_ms() + UNBIND_MS; (err = rx_try_open(rx, nic, o)) == -EEXIST;) {
		if (now_ms() > end)
			break;
		poll(NULL, 0, 1);
	}
	if (err)
		fail("registration of %s queue %u, area %zu, buffers %u: %s", nic->name, o->queue,
		     o->area_bytes, o->buf_bytes, strerror(-err));
}

void rx_close(struct rx *rx)
{
	for (unsigned i = 0; i < rx->conns; i++)
		if (rx->conn[i].fd >= 0)
			close(rx->conn[i].fd);
	rx->conns = 0;
	ring_close(&rx->ring);
	ifq_free(&rx->ifq);
	area_free(&rx->area);
	free(rx->held);
	rx->held = NULL;
}

void rx_add(struct rx *rx, int fd, unsigned stream)
{
	struct rx_conn *conn = &rx->conn[rx->conns++];

	memset(conn, 0, sizeof *conn);
	conn->fd = fd;
	conn->stream = stream;
}

uint64_t rx_copied(const struct rx *rx)
{
	return rx->ifq.stats ? __atomic_load_n(&rx->ifq.stats->copy_bytes, __ATOMIC_RELAXED) : 0;
}

static void arm(struct rx *rx)
{
	for (unsigned i = 0; i < rx->conns; i++) {
		struct rx_conn *conn = &rx->conn[i];
		struct io_uring_sqe *sqe;

		if (conn->armed || conn->done)
			continue;
		sqe = ring_sqe(&rx->ring);
		if (!sqe)
			return;
		sqe->opcode = ZR_OP_RECV_ZC;
		sqe->fd = conn->fd;
		sqe->ioprio = ZR_RECV_MULTISHOT;
		sqe->file_index = rx->ifq.id; /* the place of zcrx_ifq_idx */
		sqe->user_data = i + 1;
		conn->armed = true;
	}
}

void rx_cancel(struct rx *rx, unsigned conn)
{
	struct io_uring_sqe *sqe = ring_sqe(&rx->ring);

	if (!sqe)
		fail("no entry for a cancellation");
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = conn + 1;
	sqe->user_data = RX_CANCEL;
}

static void verify(const struct rx *rx, const struct slice *s)
{
	pattern_check(s->stream, s->pos, rx->area.mem + s->off, s->len);
}

static void give_back(struct rx *rx)
{
	struct slice *s = &rx->held[rx->held_first % rx->held_max];

	if (rx->lag || rx->was_held)
		verify(rx, s);
	ifq_return(&rx->ifq, s->off, s->len);
	rx->held_first++;
	rx->held_count--;
}

static void keep(struct rx *rx, const struct slice *s)
{
	if (rx->held_count == rx->held_max)
		fail("more than %zu slices held", rx->held_max);
	rx->held[(rx->held_first + rx->held_count++) % rx->held_max] = *s;
	rx->was_held |= rx->hold;
	while (!rx->hold && rx->held_count > rx->lag)
		give_back(rx);
}

void rx_release(struct rx *rx)
{
	while (rx->held_count)
		give_back(rx);
	ifq_publish(&rx->ifq);
}

static void take_slice(struct rx *rx, struct rx_conn *conn, const struct completion *c)
{
	struct slice s = { c->off & ZR_OFFSET_MASK, conn->got, (unsigned)c->res, conn->stream };
	uint64_t in_buf = s.off % rx->ifq.buf_bytes, half = rx->ifq.buf_bytes / 2;

	if (!c->big || c->res <= 0)
		fail("a completion of %d bytes without an offset, flags %x", c->res, c->flags);
	if ((c->off & ~ZR_OFFSET_MASK) != rx->ifq.token)
		fail("offset %llx is not of area %llx", (unsigned long long)c->off,
		     (unsigned long long)rx->ifq.token);
	if (s.off + s.len > rx->area.bytes || in_buf + s.len > rx->ifq.buf_bytes)
		fail("slice at %llu, %u bytes: area of %zu, buffers of %u",
		     (unsigned long long)s.off, s.len, rx->area.bytes, rx->ifq.buf_bytes);
	verify(rx, &s);
	conn->got += s.len;
	rx->bytes += s.len;
	rx->completions++;
	rx->big += (c->flags & ZR_CQE_F_32) != 0;
	rx->over_page += s.off / PAGE_BYTES != (s.off + s.len - 1) / PAGE_BYTES;
	rx->over_half += in_buf < half && in_buf + s.len > half;
	rx->len_min = s.len < rx->len_min ? s.len : rx->len_min;
	rx->len_max = s.len > rx->len_max ? s.len : rx->len_max;
	keep(rx, &s);
}

static void take_event(struct rx *rx, const struct completion *c)
{
	int err;

	if (c->res < 0 || c->res > (int)ZR_EVENT_COPY)
		fail("an event of type %d", c->res);
	rx->events[c->res]++;
	err = ifq_arm_event(&rx->ifq, (unsigned)c->res);
	if (err)
		fail("arming event %d: %s", c->res, strerror(-err));
}

static void take(struct rx *rx, const struct completion *c)
{
	struct rx_conn *conn;

	if (c->user_data == IFQ_EVENT) {
		take_event(rx, c);
		return;
	}
	if (c->user_data == RX_NOP)
		return;
	if (c->user_data == RX_CANCEL) {
		if (c->res)
			fail("cancellation: %s", strerror(-c->res));
		return;
	}
	if (c->user_data - 1 >= rx->conns)
		fail("a completion of nobody: %llx", (unsigned long long)c->user_data);
	conn = &rx->conn[c->user_data - 1];
	if (c->has_more) {
		take_slice(rx, conn, c);
		return;
	}
	conn->armed = false;
	if (c->res == -ENOMEM) {
		rx->enomem++;
	} else if (c->res == -ENOSPC) {
		rx->enospc++;
	} else if (c->res != -ECANCELED) {
		conn->done = true;
		conn->error = -c->res;
	}
}

static void bring_to_odd_slot(struct rx *rx)
{
	struct io_uring_sqe *sqe = ring_at_odd_slot(&rx->ring) ? NULL : ring_sqe(&rx->ring);

	if (!sqe)
		return;
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = RX_NOP;
}

int rx_step(struct rx *rx, long timeout_ms)
{
	uint64_t enomem = rx->enomem;
	struct completion c;
	int err;

	if (rx->want_filler && !rx->fillers)
		bring_to_odd_slot(rx);
	if (!rx->pause_arm)
		arm(rx);
	err = ring_wait(&rx->ring, timeout_ms);
	if (err && err != -ETIME)
		fail("io_uring_enter: %s", strerror(-err));
	while (ring_next(&rx->ring, &c))
		take(rx, &c);
	rx->fillers = rx->ring.fillers;
	ifq_publish(&rx->ifq);
	if (rx->enomem != enomem) {
		/* what we returned must be free for the next copy */
		err = ifq_flush(&rx->ifq);
		if (err && err != -EINVAL && err != -EOPNOTSUPP)
			fail("FLUSH_RQ: %s", strerror(-err));
		if (rx->enomem > FRUITLESS_MAX)
			fail("%llu ends for want of memory", (unsigned long long)rx->enomem);
		return err == -ETIME ? -ETIME : 0;
	}
	return err;
}

bool rx_ended(const struct rx *rx)
{
	for (unsigned i = 0; i < rx->conns; i++)
		if (!rx->conn[i].done)
			return false;
	return true;
}

void rx_run(struct rx *rx, long deadline_ms)
{
	long end = now_ms() + deadline_ms;

	while (!rx_ended(rx)) {
		if (now_ms() > end)
			fail("no end in %ld ms: %llu bytes, %llu completions, %zu held, "
			     "ENOMEM %llu, ENOSPC %llu",
			     deadline_ms, (unsigned long long)rx->bytes,
			     (unsigned long long)rx->completions, rx->held_count,
			     (unsigned long long)rx->enomem, (unsigned long long)rx->enospc);
		rx_step(rx, 200);
	}
	for (unsigned i = 0; i < rx->conns; i++)
		if (rx->conn[i].error)
			fail("stream %u ended at %llu: %s", rx->conn[i].stream,
			     (unsigned long long)rx->conn[i].got, strerror(rx->conn[i].error));
	if (!rx->hold)
		rx_release(rx);
}
