// SPDX-License-Identifier: MIT
/*
 * sctp.c - receiving messages of SCTP, by both planes.
 *
 * Theory: a message lies in a datagram buffer as a datagram does: header, sender's address, control
 *	data, payload.  One longer than a buffer comes in several reads, and only the last one has
 *	MSG_EOR.  An empty read is the end of the association: SCTP has no empty messages.  The
 *	control data (SCTP_RCVINFO) is turned into struct weir_sctp_info in its place, so that a
 *	slice needs no room for it.  Directly it is read by recvmsg(2), one at a time: recvmmsg(2)
 *	takes the socket's error before the messages that came earlier, and at the end it fills
 *	every place with an empty message.
 * Invariants: 1. an empty read is never reported as a message, so that an end ends.
 * Ownership: as direct.c.
 * Threads: the engine's.
 * Errors: reported up as recv_end(); ENOBUFS where the pool is empty.
 * Sources: RFC 6458 5.3.5, 8.1.29; net/sctp/socket.c sctp_recvmsg(), net/socket.c do_recvmmsg(),
 *	io_uring/net.c io_recvmsg_multishot() (Linux 7.3).
 * Tests: tests/contract/test_sctp.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sctp.h>
#include <string.h>
#include <weir/sctp.h>

#include "../util/util.h"
#include "direct.h"

static bool info_of(struct msghdr *msg, struct weir_sctp_info *ret)
{
	struct sctp_rcvinfo r;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != IPPROTO_SCTP || cm->cmsg_type != SCTP_RCVINFO ||
		    cm->cmsg_len < CMSG_LEN(sizeof(r)))
			continue;
		memcpy(&r, CMSG_DATA(cm), sizeof(r));
		*ret = (struct weir_sctp_info){
			.stream = r.rcv_sid,
			.flags = r.rcv_flags & SCTP_UNORDERED,
			.ppid = ntohl(r.rcv_ppid),
			.assoc_id = r.rcv_assoc_id,
			.ssn = r.rcv_ssn,
			.tsn = r.rcv_tsn,
			.cumtsn = r.rcv_cumtsn,
		};
		return true;
	}
	return false;
}

void weir_sctp_received(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer,
			struct msghdr *msg, uint32_t len)
{
	char *data = weir_pool_data(pool, buffer);
	struct weir_sctp_info info;
	struct weir_rx rx = {
		.pool = pool,
		.buffer = buffer,
		.offset = WEIR_DGRAM_HEAD_BYTES,
		.len = len,
		.last = true,
		.flags = msg->msg_flags & MSG_EOR ? 0 : WEIR_SLICE_MORE,
		.peer = (struct sockaddr *)(data + 16),
	};

	if (msg->msg_flags & MSG_NOTIFICATION) {
		rx.flags |= WEIR_SLICE_NOTIFICATION;
	} else if (info_of(msg, &info)) {
		memcpy(data + WEIR_DGRAM_CONTROL_AT, &info, sizeof(info));
		rx.flags |= WEIR_SLICE_SCTP;
	}
	weir_core_of(s->engine)->up->received(s, &rx);
}

/* One read into a buffer: bytes, 0 at the end, or -errno. */
static int read_one(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer,
		    struct msghdr *msg)
{
	char *data = weir_pool_data(pool, buffer);
	struct iovec iov = { .iov_base = data + WEIR_DGRAM_HEAD_BYTES,
			     .iov_len = pool->buf_bytes - WEIR_DGRAM_HEAD_BYTES };
	ssize_t n;

	*msg = (struct msghdr){
		.msg_name = data + 16,
		.msg_namelen = WEIR_DGRAM_NAME_BYTES,
		.msg_control = data + WEIR_DGRAM_CONTROL_AT,
		.msg_controllen = WEIR_DGRAM_CONTROL_BYTES,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	weir_core_of(s->engine)->stats.syscalls++;
	n = recvmsg(s->fd, msg, MSG_DONTWAIT);
	msg->msg_iov = NULL;
	return n < 0 ? -errno : (int)n;
}

int weir_sctp_recvmsgs(struct weir_sock *s, bool *ret_more)
{
	struct weir_engine *e = s->engine;
	const struct weir_plane_up *up = weir_core_of(e)->up;
	struct weir_pool *pool;
	struct msghdr msg;
	int buffer, n, r = weir_core_dgram_pool(e, &pool);

	*ret_more = false;
	for (n = 0; !r && n < WEIR_DIRECT_BATCH; n++) {
		buffer = weir_pool_take(pool);
		if (buffer < 0) {
			r = -ENOBUFS;
			break;
		}
		r = read_one(s, pool, (uint32_t)buffer, &msg);
		if (r <= 0) {
			weir_pool_kernel_done(pool, (uint32_t)buffer);
			break;
		}
		weir_sctp_received(s, pool, (uint32_t)buffer, &msg, (uint32_t)r);
		r = 0;
	}
	if (n == WEIR_DIRECT_BATCH) {
		*ret_more = true;
		return n;
	}
	if (r == -EAGAIN || r == -EINTR)
		return n ? n : -EAGAIN;
	up->recv_end(s, r);
	return 0;
}
