/* SPDX-License-Identifier: MIT */
/*
 * direct.h - socket I/O by plain system calls: the epoll plane, and the uring plane's fallbacks.
 */
#ifndef WEIR_PLANE_DIRECT_H
#define WEIR_PLANE_DIRECT_H

#include "../core/plane.h"

#define WEIR_DIRECT_BUF_BYTES (512u << 10) /* stream buffers, where the options name no size */

#define WEIR_DIRECT_BATCH 32 /* datagrams, or connections, per call: room for as many slices */

/**
 * struct weir_direct - the buffer that streams are read into.
 * @pool: stream pool; NULL before the first read.
 * @buffer: buffer being filled, -1 for none.
 * @read_bytes: longest read.
 * @tells_fault: -EFAULT (payload in an interface queue's memory) is returned, not reported.
 */
struct weir_direct {
	struct weir_pool *pool;
	int buffer;
	uint32_t read_bytes;
	bool tells_fault;
};

/** weir_direct_init() - begin with no buffer. */
void weir_direct_init(struct weir_direct *d, uint32_t read_bytes);

/** weir_direct_fini() - let go of the buffer; it goes back to the pool. */
void weir_direct_fini(struct weir_direct *d);

/**
 * weir_direct_recv() - read once from a stream that is said to be readable; reports up.
 * @d: buffer state.
 * @s: stream socket.
 *
 * Return: bytes reported; 0 where up->recv_end() was called; -EAGAIN where there was nothing;
 * -EFAULT where the caller asked for it.
 */
int weir_direct_recv(struct weir_direct *d, struct weir_sock *s);

/**
 * weir_direct_recvmsgs() - read some datagrams; reports up.
 * @s: datagram socket.
 * @ret_more: receives whether all that was read had room for came, so that there may be more.
 *
 * Return: as weir_direct_recv(), but the number of buffers filled.
 */
int weir_direct_recvmsgs(struct weir_sock *s, bool *ret_more);

/** weir_sctp_recvmsgs() - the same for SCTP (sctp.c). */
int weir_sctp_recvmsgs(struct weir_sock *s, bool *ret_more);

/**
 * weir_sctp_received() - report a message that was read.
 * @s: SCTP socket.
 * @pool: datagram pool.
 * @buffer: where it lies, behind its head.
 * @msg: what the kernel said of it: flags and control data.
 * @len: bytes, over 0.
 */
void weir_sctp_received(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer,
			struct msghdr *msg, uint32_t len);

/** weir_direct_accept() - accept some connections; as weir_direct_recv(). */
int weir_direct_accept(struct weir_sock *s);

/** weir_direct_send_flags() - send(2) or sendmsg(2), never blocking: bytes or -errno. */
int weir_direct_send_flags(struct weir_sock *s, const struct msghdr *msg, int flags);

/** weir_direct_send() - the same without flags of its own. */
static inline int weir_direct_send(struct weir_sock *s, const struct msghdr *msg)
{
	return weir_direct_send_flags(s, msg, 0);
}

/** weir_dgram_control() - GRO segment size out of received control data; 0 for none. */
uint32_t weir_dgram_control(struct msghdr *msg);

#endif
