// SPDX-License-Identifier: MIT
/*
 * direct.c - socket I/O by plain system calls that never block.
 *
 * Theory: streams are read into the free rest of one buffer until little is left, so that small
 *	messages of many sockets share a buffer and a large one is warm in the cache.  Datagrams
 *	are read several per call (recvmmsg), each into a buffer of its own, with the sender's
 *	address and control data in front of the payload, laid out as io_uring does it.
 * Invariants: 1. the buffer being filled is KERNEL in the ledger until the next one is begun.
 * Ownership: the plane owns struct weir_direct.
 * Threads: the engine's.
 * Errors: reported up as recv_end(); ENOBUFS where the pool is empty.
 * Sources: recv(2), recvmmsg(2), udp(7) UDP_GRO; net/ipv4/udp.c udp_cmsg_recv() (Linux 6.18).
 * Tests: tests/contract/ over the epoll plane, and over uring with WEIR_WITHOUT=bufring
 */
#include "direct.h"

#include <string.h>
#include <unistd.h>

#include "../util/util.h"

#define REST_MIN 2048 /* do not begin a read with less room than this */
#define BATCH WEIR_DIRECT_BATCH

void weir_direct_init(struct weir_direct *d, uint32_t read_bytes)
{
	d->pool = NULL;
	d->buffer = -1;
	d->read_bytes = read_bytes;
}

void weir_direct_fini(struct weir_direct *d)
{
	if (d->buffer >= 0)
		weir_pool_kernel_done(d->pool, (uint32_t)d->buffer);
	d->buffer = -1;
}

static int buffer_ready(struct weir_direct *d, struct weir_engine *e)
{
	int r;

	if (!d->pool) {
		r = weir_core_stream_pool(e, WEIR_DIRECT_BUF_BYTES, &d->pool);
		if (r)
			return r;
	}
	if (d->buffer >= 0)
		return 0;
	d->buffer = weir_pool_take(d->pool);
	return d->buffer < 0 ? -ENOBUFS : 0;
}

static uint32_t rest_min(const struct weir_pool *p)
{
	return p->buf_bytes / 2 < REST_MIN ? p->buf_bytes / 2 : REST_MIN;
}

int weir_direct_recv(struct weir_direct *d, struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	const struct weir_plane_up *up = weir_core_of(e)->up;
	struct weir_rx rx = { 0 };
	struct weir_pool_buf *b;
	size_t room;
	ssize_t n;
	int r = buffer_ready(d, e);

	if (r) {
		up->recv_end(s, r);
		return 0;
	}
	/*
	 * A full stream reads large pieces: from the start of a buffer that is still warm.  Many
	 * such streams must share buffers, or the first ones would take them all.
	 */
	if (s->lowat.raised && d->pool->bufs[d->buffer].used_bytes &&
	    d->pool->free_count > d->pool->buf_count / 2) {
		weir_direct_fini(d);
		r = buffer_ready(d, e);
		if (r) {
			up->recv_end(s, r);
			return 0;
		}
	}
	b = &d->pool->bufs[d->buffer];
	room = d->pool->buf_bytes - b->used_bytes;
	if (room > d->read_bytes)
		room = d->read_bytes;
	weir_core_of(e)->stats.syscalls++;
	n = recv(s->fd, weir_pool_data(d->pool, (uint32_t)d->buffer) + b->used_bytes, room,
		 MSG_DONTWAIT);
	if (n <= 0) {
		r = n ? -errno : 0;
		if (r == -EAGAIN || r == -EINTR)
			return -EAGAIN;
		if (r == -EFAULT && d->tells_fault)
			return r;
		up->recv_end(s, r);
		return 0;
	}
	rx.pool = d->pool;
	rx.buffer = (uint32_t)d->buffer;
	rx.offset = b->used_bytes;
	rx.len = (uint32_t)n;
	b->used_bytes += (uint32_t)n;
	rx.last = d->pool->buf_bytes - b->used_bytes < rest_min(d->pool);
	if (rx.last)
		d->buffer = -1;
	up->received(s, &rx);
	return (int)n;
}

uint32_t weir_dgram_control(struct msghdr *msg)
{
	struct cmsghdr *cm;
	int segment;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level == SOL_UDP && cm->cmsg_type == UDP_GRO &&
		    cm->cmsg_len >= CMSG_LEN(sizeof(segment))) {
			memcpy(&segment, CMSG_DATA(cm), sizeof(segment));
			return segment > 0 ? (uint32_t)segment : 0;
		}
	}
	return 0;
}

/* Header in front of the payload: name, then control data. */
static void lay_out(struct mmsghdr *m, struct iovec *iov, char *data, uint32_t bytes)
{
	memset(m, 0, sizeof(*m));
	m->msg_hdr.msg_name = data + 16;
	m->msg_hdr.msg_namelen = WEIR_DGRAM_NAME_BYTES;
	m->msg_hdr.msg_control = data + 16 + WEIR_DGRAM_NAME_BYTES;
	m->msg_hdr.msg_controllen = WEIR_DGRAM_CONTROL_BYTES;
	m->msg_hdr.msg_iov = iov;
	m->msg_hdr.msg_iovlen = 1;
	iov->iov_base = data + WEIR_DGRAM_HEAD_BYTES;
	iov->iov_len = bytes - WEIR_DGRAM_HEAD_BYTES;
}

static void report_datagram(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer,
			    struct mmsghdr *m)
{
	struct weir_rx rx = {
		.pool = pool,
		.buffer = buffer,
		.offset = WEIR_DGRAM_HEAD_BYTES,
		.len = m->msg_len,
		.last = true,
		.flags = m->msg_hdr.msg_flags & MSG_TRUNC ? WEIR_SLICE_TRUNCATED : 0,
		.segment_bytes = weir_dgram_control(&m->msg_hdr),
		.peer = m->msg_hdr.msg_name,
	};

	weir_core_of(s->engine)->up->received(s, &rx);
}

int weir_direct_recvmsgs(struct weir_sock *s, bool *ret_more)
{
	struct weir_engine *e = s->engine;
	const struct weir_plane_up *up = weir_core_of(e)->up;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct weir_pool *pool;
	int buffers[BATCH];
	int n = 0, got, max, r;

	if (s->is_sctp)
		return weir_sctp_recvmsgs(s, ret_more);
	r = weir_core_dgram_pool(e, &pool);
	/* Preparing a message costs as much as a look: twice what came the last time. */
	max = r || pool->burst >= BATCH / 2 ? BATCH : 2 * (int)pool->burst + 1;
	while (!r && n < max && (buffers[n] = weir_pool_take(pool)) >= 0) {
		lay_out(&msgs[n], &iov[n], weir_pool_data(pool, (uint32_t)buffers[n]),
			pool->buf_bytes);
		n++;
	}
	if (r || !n) {
		up->recv_end(s, r ? r : -ENOBUFS);
		return 0;
	}
	weir_core_of(e)->stats.syscalls++;
	got = recvmmsg(s->fd, msgs, (unsigned)n, MSG_DONTWAIT, NULL);
	r = got < 0 ? -errno : 0;
	pool->burst = got > 0 ? (uint32_t)got : 0;
	*ret_more = got == n;
	for (int i = got > 0 ? got : 0; i < n; i++)
		weir_pool_kernel_done(pool, (uint32_t)buffers[i]);
	if (got < 0) {
		if (r == -EAGAIN || r == -EINTR)
			return -EAGAIN;
		up->recv_end(s, r);
		return 0;
	}
	for (int i = 0; i < got; i++)
		report_datagram(s, pool, (uint32_t)buffers[i], &msgs[i]);
	return got;
}

int weir_direct_accept(struct weir_sock *s)
{
	struct weir_core *c = weir_core_of(s->engine);
	int fd, n;

	for (n = 0; n < BATCH; n++) {
		c->stats.syscalls++;
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		c->up->accepted(s, fd);
		/* The application's callback cannot run here, so the listener is still open. */
	}
	if (n)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	c->up->recv_end(s, -errno);
	return 0;
}

int weir_direct_send_flags(struct weir_sock *s, const struct msghdr *msg, int flags)
{
	ssize_t n;

	flags |= msg->msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL;
	weir_core_of(s->engine)->stats.syscalls++;
	if (msg->msg_iovlen == 1 && !msg->msg_name && !msg->msg_control)
		n = send(s->fd, msg->msg_iov[0].iov_base, msg->msg_iov[0].iov_len, flags);
	else
		n = sendmsg(s->fd, msg, flags);
	return n < 0 ? -errno : (int)n;
}
