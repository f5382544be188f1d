// SPDX-License-Identifier: MIT
/*
 * open.c - weir_io: giving it a socket and taking the socket away again.
 *
 * Theory: between socket and weir_io stands a port, the socket's user pointer.  It lives as long
 *	as the socket, which closes in its own time; the weir_io can have a new socket, or be gone,
 *	as soon as weir_io_close() returns:
 *
 *	  weir_io ⇄ port ⇄ socket       open
 *	            port ⇄ socket       closed: sends that end now only free their buffers
 *	                                CLOSED: the port goes
 * Invariants: 1. a socket's user pointer is its port until CLOSED.  2. port->flight are the
 *	buffers whose tag the socket has.  3. port->io == NULL, or port->io->port == port.
 * Ownership: the port is freed by the socket's CLOSED event, or by the pool where the engine was
 *	closed first, which brings no CLOSED events.
 * Threads: the engine's.
 * Errors: -errno with an error record; a descriptor or socket that was refused stays the caller's.
 * Sources: socket(7) SO_TYPE, SO_ACCEPTCONN, SO_PROTOCOL.
 * Tests: tests/contract/test_io_life.c
 */
#include "io.h"

#include <stdlib.h>

/* What a weir_io works on. */
enum port_kind { PORT_STREAM, PORT_DGRAM, PORT_SCTP };

static void sock_connected(struct weir_sock *s, int res, void *user)
{
	struct weir_io_port *port = user;

	(void)s;
	if (!port->io)
		return;
	port->io->connect_done = true;
	port->io->connect_res = res;
	weir_io_work(port->io);
}

static void sock_received(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct weir_io_port *port = user;

	(void)s;
	if (port->io)
		weir_io_rx_slices(port->io, slices, n);
}

static void sock_ended(struct weir_sock *s, int res, void *user)
{
	struct weir_io_port *port = user;

	(void)s;
	if (!port->io)
		return;
	port->io->ended = true;
	port->io->end_res = res;
	weir_io_work(port->io);
}

static void sock_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	(void)s;
	weir_io_tx_sent(user, (struct weir_buf *)(uintptr_t)tag, res);
}

static void sock_writable(struct weir_sock *s, void *user)
{
	struct weir_io_port *port = user;

	(void)s;
	if (port->io)
		weir_io_work(port->io);
}

static void sock_failed(struct weir_sock *s, int res, void *user)
{
	struct weir_io_port *port = user;

	(void)s;
	if (port->io)
		weir_io_rx_error(port->io, res);
}

/* Back to where weir_io_new() left it, but for settings and counters. */
static void reset(struct weir_io *io)
{
	io->epoch++;
	io->port = NULL;
	io->registered = false;
	io->rx_on = false;
	io->rx_broken = false;
	io->ended = false;
	io->end_told = false;
	io->connect_done = false;
	io->full_told = false;
	io->finishing = false;
	io->sock_finished = false;
	weir_io_rx_reset(io);
	weir_bufs_put_all(&io->waiting);
	weir_bufs_put_all(&io->done);
	io->queue_len = 0;
}

void weir_io_port_free(struct weir_io_port *port)
{
	if (port->prev)
		port->prev->next = port->next;
	else
		port->pool->ports = port->next;
	if (port->next)
		port->next->prev = port->prev;
	free(port);
}

static void sock_closed(struct weir_sock *s, void *user)
{
	struct weir_io_port *port = user;
	struct weir_io *io = port->io;

	(void)s;
	weir_bufs_put_all(&port->flight);
	if (io) {
		weir_io_enter(io);
		/* What the socket reported before it closed, and nobody was told yet. */
		weir_io_work(io);
		if (io->port == port) {
			reset(io);
			if (io->ops.closed)
				io->ops.closed(io);
		}
		weir_io_leave(io);
	}
	weir_io_port_free(port);
}

static const struct weir_sock_ops port_ops = {
	.connected = sock_connected,
	.received = sock_received,
	.ended = sock_ended,
	.sent = sock_sent,
	.writable = sock_writable,
	.failed = sock_failed,
	.closed = sock_closed,
};

static int port_new(struct weir_io_port **ret, struct weir_io *io, const char *stage,
		    struct weir_error *reterr)
{
	struct weir_io_port *port;

	if (io->port)
		return weir_error_set(reterr, -EISCONN, stage, io->name,
				      "it has a socket already: weir_io_close() first");
	port = calloc(1, sizeof(*port));
	if (!port)
		return weir_error_set(reterr, -ENOMEM, stage, io->name, "no memory for a port");
	port->pool = io->pool;
	port->next = io->pool->ports;
	if (port->next)
		port->next->prev = port;
	io->pool->ports = port;
	*ret = port;
	return 0;
}

static void join(struct weir_io *io, struct weir_io_port *port, struct weir_sock *s,
		 enum port_kind kind)
{
	port->sock = s;
	port->dgram = kind != PORT_STREAM;
	port->sctp = kind == PORT_SCTP;
	port->io = io;
	io->port = port;
	io->registered = true;
	/* The socket may be in either state; say it once, then keep track. */
	io->rx_on = weir_io_rx_live(io);
	if (io->rx_on)
		weir_sock_resume(s);
	else
		weir_sock_pause(s);
	if (io->waiting.count)
		weir_io_kick(io);
}

static int refuse_kind(struct weir_io *io, const char *stage, const char *kind,
		       struct weir_error *reterr)
{
	return weir_error_set(reterr, -EPROTOTYPE, stage, io->name,
			      "mode %s does not work on %s: take another mode",
			      weir_io_mode_name(io->mode), kind);
}

/* Does the kind of socket suit the mode? */
static int suits(struct weir_io *io, enum port_kind kind, const char *stage,
		 struct weir_error *reterr)
{
	if (kind == PORT_SCTP && io->mode != WEIR_IO_RECVMSG_SENDMSG)
		return refuse_kind(io, stage, "an SCTP socket", reterr);
	if (kind == PORT_DGRAM && io->mode == WEIR_IO_READ_WRITE)
		return refuse_kind(io, stage, "a datagram socket", reterr);
	if (kind == PORT_STREAM && io->mode == WEIR_IO_RECVFROM_SENDTO)
		return refuse_kind(io, stage, "a stream", reterr);
	return 0;
}

static int look_at_fd(struct weir_io *io, int fd, const char *stage, enum port_kind *ret,
		      struct weir_error *reterr)
{
	int type = 0, listening = 0, protocol = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return weir_error_set(reterr, -errno, stage, io->name,
				      "give it a socket: files, pipes and terminals are not read");
	len = sizeof(listening);
	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
	/* A one-to-many socket listens and is read from. */
	if (listening && type != SOCK_SEQPACKET)
		return refuse_kind(io, stage, "a listening socket (use weir_listen())", reterr);
	len = sizeof(protocol);
	(void)getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	*ret = protocol == IPPROTO_SCTP ? PORT_SCTP : type == SOCK_DGRAM ? PORT_DGRAM : PORT_STREAM;
	return suits(io, *ret, stage, reterr);
}

static int sock_opts(struct weir_io *io, const struct weir_sock_opts *from,
		     struct weir_sock_opts *to, struct weir_error *reterr)
{
	int rc = weir_opts_read(to, sizeof(*to), from, "weir_sock_opts", reterr);

	if (rc)
		return rc;
	to->size = sizeof(*to);
	if (!to->name && io->name[0])
		to->name = io->name;
	return 0;
}

int weir_io_open(struct weir_io *io, int fd, struct weir_error *reterr)
{
	struct weir_sock_opts o = { 0 };
	struct weir_io_port *port;
	struct weir_sock *s;
	enum port_kind kind;
	int rc;

	rc = look_at_fd(io, fd, "weir_io_open", &kind, reterr);
	if (!rc)
		rc = sock_opts(io, NULL, &o, reterr);
	if (!rc)
		rc = port_new(&port, io, "weir_io_open", reterr);
	if (rc)
		return rc;
	rc = weir_adopt(io->pool->engine, fd, &port_ops, port, &o, &s, reterr);
	if (rc) {
		weir_io_port_free(port);
		return rc;
	}
	join(io, port, s, kind);
	return 0;
}

int weir_io_attach(struct weir_io *io, struct weir_sock *s, struct weir_error *reterr)
{
	struct weir_io_port *port;
	enum port_kind kind;
	int rc;

	if (weir_sock_engine(s) != io->pool->engine)
		return weir_error_set(reterr, -EXDEV, "weir_io_attach", io->name,
				      "the socket belongs to another engine than the pool");
	rc = look_at_fd(io, weir_sock_fd(s), "weir_io_attach", &kind, reterr);
	if (!rc)
		rc = port_new(&port, io, "weir_io_attach", reterr);
	if (rc)
		return rc;
	weir_sock_set_ops(s, &port_ops, port);
	join(io, port, s, kind);
	return 0;
}

int weir_io_connect(struct weir_io *io, const char *address, const struct weir_sock_opts *opts,
		    struct weir_error *reterr)
{
	struct weir_sock_opts o = { 0 };
	struct weir_io_port *port;
	struct weir_sock *s;
	enum port_kind kind;
	int rc;

	rc = sock_opts(io, opts, &o, reterr);
	kind = o.protocol == IPPROTO_SCTP ? PORT_SCTP : PORT_STREAM;
	if (!rc)
		rc = suits(io, kind, "weir_io_connect", reterr);
	if (!rc)
		rc = port_new(&port, io, "weir_io_connect", reterr);
	if (rc)
		return rc;
	rc = weir_connect(io->pool->engine, address, &port_ops, port, &o, &s, reterr);
	if (rc) {
		weir_io_port_free(port);
		return rc;
	}
	join(io, port, s, kind);
	return 0;
}

int weir_io_udp_open(struct weir_io *io, const char *local, const struct weir_sock_opts *opts,
		     struct weir_error *reterr)
{
	struct weir_sock_opts o = { 0 };
	struct weir_io_port *port;
	struct weir_sock *s;
	int rc;

	rc = suits(io, PORT_DGRAM, "weir_io_udp_open", reterr);
	if (rc)
		return rc;
	rc = sock_opts(io, opts, &o, reterr);
	if (!rc)
		rc = port_new(&port, io, "weir_io_udp_open", reterr);
	if (rc)
		return rc;
	rc = weir_udp_open(io->pool->engine, local, &port_ops, port, &o, &s, reterr);
	if (rc) {
		weir_io_port_free(port);
		return rc;
	}
	join(io, port, s, PORT_DGRAM);
	return 0;
}

void weir_io_close(struct weir_io *io)
{
	struct weir_io_port *port = io->port;

	if (!port)
		return;
	port->io = NULL;
	reset(io);
	weir_sock_close(port->sock);
}

int weir_io_finish(struct weir_io *io)
{
	if (!io->port)
		return -ENOTCONN;
	if (io->finishing)
		return 0;
	io->finishing = true;
	io->registered = true;
	weir_io_rx_update(io);
	weir_io_kick(io);
	return 0;
}
