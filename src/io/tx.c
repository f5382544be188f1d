// SPDX-License-Identifier: MIT
/*
 * tx.c - weir_io, sending: the bounded transmit queue.
 *
 * Theory: a message goes to the socket at once while fewer than tx_flight_max are there, else it
 *	waits.  The socket sends several at a time and continues partial writes, so a result is
 *	about the whole message.  Results are put in a list and told from the loop:
 *
 *	  weir_io_write() ── waiting ── flight (port) ── done ── ops.written(), freed
 *	                     └───────── queue_len ─────────┘
 *
 *	At tx_queue_max the queue is full: tx_full() is called and sends are refused.  Then, at
 *	tx_queue_low, tx_low() is called once.  The two marks keep a sender that is faster than
 *	its peer from being woken for every message.
 * Invariants: 1. queue_len == flight + waiting + done.  2. messages reach a stream in the order of
 *	the calls: nothing overtakes waiting.  3. after a refused send, tx_low() follows.
 *	4. a message that was told is not in any list.
 * Ownership: a message is the library's from a return of 0 on, and freed after its result was told
 *	or its socket closed.  The socket's tag is the address of its buffer.
 * Threads: the engine's.
 * Errors: what the socket says at once is returned, and the message stays the caller's; what it
 *	says later is told.
 * Sources: libosmocore src/core/osmo_io.c, commits 68b7b0b3, 46e5b638, 3021739a and 0f123aa6 (what
 *	went wrong with partial writes and with closing inside the write callback).
 * Tests: tests/contract/test_io_write.c, tests/contract/test_io_dgram.c
 */
#include "io.h"

#define DATAGRAM_MAX 65507u

/* Give one message to the socket: 0, or -errno with the message where it was. */
static int submit(struct weir_io *io, struct weir_buf *buf)
{
	struct weir_io_port *port = io->port;
	unsigned flags = buf->send_flags;
	uint64_t tag = (uintptr_t)buf;
	size_t len = weir_buf_len(buf);

	if (port->sctp)
		return weir_io_sctp_submit(port->sock, buf);
	if (flags & WEIR_IO_SEND_INFO)
		return -EOPNOTSUPP;
	if (port->dgram)
		return weir_sock_sendto(port->sock, buf->data, len, 0, weir_buf_peer(buf), flags,
					tag);
	return weir_sock_send(port->sock, buf->data, len, flags, tag);
}

void weir_io_tx_pump(struct weir_io *io)
{
	struct weir_buf *buf;
	int rc;

	if (!io->port || !io->registered)
		return;
	while ((buf = io->waiting.first) && io->port->flight.count < io->opts.tx_flight_max) {
		rc = submit(io, buf);
		/*
		 * -ENOBUFS: the socket says when there is room.  Any other failure is told after
		 * the results of those before it: results come in order too.
		 */
		if (rc == -ENOBUFS || (rc && io->port->flight.count))
			return;
		buf_list_remove(&io->waiting, buf);
		if (!rc) {
			buf_list_push(&io->port->flight, buf);
			continue;
		}
		buf->res = rc;
		buf_list_push(&io->done, buf);
		weir_io_kick(io);
	}
}

static void tell_one(struct weir_io *io, struct weir_buf *buf)
{
	if (buf->res < 0) {
		io->stats.tx_errors++;
	} else {
		io->stats.tx_messages++;
		io->stats.tx_bytes += (uint32_t)buf->res;
	}
	switch (io->mode) {
	case WEIR_IO_READ_WRITE:
		if (io->ops.written)
			io->ops.written(io, buf->res, buf);
		break;
	case WEIR_IO_RECVFROM_SENDTO:
		if (io->ops.sent_to)
			io->ops.sent_to(io, buf->res, buf, weir_buf_peer(buf));
		break;
	case WEIR_IO_RECVMSG_SENDMSG:
		if (io->ops.sent_msg)
			io->ops.sent_msg(io, buf->res, buf);
		break;
	}
}

void weir_io_tx_tell(struct weir_io *io)
{
	struct weir_buf *buf;

	while (io->registered && (buf = buf_list_pop(&io->done))) {
		/* Before the callback, so that it can send another in its place. */
		io->queue_len--;
		tell_one(io, buf);
		weir_bufs_put(buf);
	}
	if (io->registered && io->full_told && io->queue_len <= io->opts.tx_queue_low) {
		io->full_told = false;
		if (io->ops.tx_low)
			io->ops.tx_low(io);
	}
}

void weir_io_tx_sent(struct weir_io_port *port, struct weir_buf *buf, int res)
{
	struct weir_io *io = port->io;

	buf_list_remove(&port->flight, buf);
	if (!io) {
		weir_bufs_put(buf);
		return;
	}
	/* The socket continues partial writes: less than all of it is a broken connection. */
	if (res >= 0 && (size_t)res < weir_buf_len(buf))
		res = -EPIPE;
	buf->res = res;
	buf_list_push(&io->done, buf);
	weir_io_work(io);
}

/* What all modes check before a message is taken. */
static int check(struct weir_io *io, struct weir_buf *buf, enum weir_io_mode mode)
{
	if (io->mode != mode)
		return -EPROTOTYPE;
	if (buf->state != BUF_USER)
		return -EBUSY;
	if (buf->pool->engine != io->pool->engine)
		return -EXDEV;
	if (io->finishing)
		return -EPIPE;
	return 0;
}

static int enqueue(struct weir_io *io, struct weir_buf *buf, unsigned flags)
{
	int rc = -ENOBUFS;

	if (io->queue_len >= io->opts.tx_queue_max) {
		io->stats.tx_refused++;
		io->full_told = true;
		return -ENOSPC;
	}
	buf->send_flags = (uint16_t)flags;
	if (io->port && io->registered && !io->waiting.count &&
	    io->port->flight.count < io->opts.tx_flight_max)
		rc = submit(io, buf);
	if (rc && rc != -ENOBUFS)
		return rc;
	buf->state = BUF_TX;
	buf_list_push(rc ? &io->waiting : &io->port->flight, buf);
	io->queue_len++;
	if (io->queue_len > io->stats.tx_queue_max_seen)
		io->stats.tx_queue_max_seen = io->queue_len;
	if (io->queue_len >= io->opts.tx_queue_max && !io->full_told) {
		io->full_told = true;
		weir_io_enter(io);
		if (io->ops.tx_full)
			io->ops.tx_full(io);
		weir_io_leave(io);
	}
	return 0;
}

int weir_io_write(struct weir_io *io, struct weir_buf *buf)
{
	int rc = check(io, buf, WEIR_IO_READ_WRITE);

	if (!rc && !weir_buf_len(buf))
		rc = -EINVAL;
	if (rc)
		return rc;
	buf->peer_len = 0;
	return enqueue(io, buf, 0);
}

static int set_peer(struct weir_buf *buf, const struct sockaddr *peer)
{
	size_t len = 0;

	if (peer) {
		if (peer->sa_family == AF_INET)
			len = sizeof(struct sockaddr_in);
		else if (peer->sa_family == AF_INET6)
			len = sizeof(struct sockaddr_in6);
		else
			return -EAFNOSUPPORT;
		/* It may be the buffer's own: the sender of a datagram that is answered. */
		memmove(&buf->peer, peer, len);
	}
	buf->peer_len = (uint16_t)len;
	return 0;
}

static int send_flags(int flags, unsigned *ret)
{
	/* The library neither blocks nor raises signals, whether asked for or not. */
	if (flags & ~(MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT))
		return -EINVAL;
	*ret = flags & MSG_MORE ? WEIR_SEND_MORE : 0;
	return 0;
}

int weir_io_sendto(struct weir_io *io, struct weir_buf *buf, int flags, const struct sockaddr *peer)
{
	unsigned more;
	int rc = check(io, buf, WEIR_IO_RECVFROM_SENDTO);

	if (!rc)
		rc = send_flags(flags, &more);
	if (!rc && weir_buf_len(buf) > DATAGRAM_MAX)
		rc = -EMSGSIZE;
	if (!rc)
		rc = set_peer(buf, peer);
	return rc ? rc : enqueue(io, buf, more);
}

int weir_io_sendmsg(struct weir_io *io, struct weir_buf *buf, int flags, const struct msghdr *msg)
{
	const struct sockaddr *peer = NULL;
	unsigned more;
	int rc = check(io, buf, WEIR_IO_RECVMSG_SENDMSG);

	if (!rc)
		rc = send_flags(flags, &more);
	if (rc)
		return rc;
	if (msg) {
		if (msg->msg_iovlen)
			return -EINVAL;
		if (msg->msg_controllen && io->port && !io->port->sctp)
			return -EOPNOTSUPP;
		if (msg->msg_controllen && (rc = weir_io_sctp_parse(buf, msg)))
			return rc;
		more |= msg->msg_controllen ? WEIR_IO_SEND_INFO : 0;
		if (msg->msg_name && msg->msg_namelen < sizeof(struct sockaddr_in))
			return -EINVAL;
		peer = msg->msg_name;
		if (peer && peer->sa_family == AF_INET6 &&
		    msg->msg_namelen < sizeof(struct sockaddr_in6))
			return -EINVAL;
	}
	if (io->port && !io->port->dgram) {
		if (peer)
			return -EISCONN;
		if (!weir_buf_len(buf))
			return -EINVAL;
	} else if (weir_buf_len(buf) > DATAGRAM_MAX && !(io->port && io->port->sctp)) {
		return -EMSGSIZE;
	}
	rc = set_peer(buf, peer);
	return rc ? rc : enqueue(io, buf, more);
}

uint32_t weir_io_tx_queue_len(const struct weir_io *io)
{
	return io->queue_len;
}

void weir_io_tx_queue_clear(struct weir_io *io)
{
	io->queue_len -= io->waiting.count;
	weir_bufs_put_all(&io->waiting);
	if (io->full_told)
		weir_io_kick(io);
}
