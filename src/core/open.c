// SPDX-License-Identifier: MIT
/*
 * open.c - sockets made: listen, connect, UDP, foreign descriptors.
 *
 * Theory: plain system calls on the control path: socket, options, bind, listen; then the plane
 *	takes the descriptor (attach) and receives.  A dual-stack wildcard needs IPV6_V6ONLY off,
 *	which is set rather than trusted.
 * Invariants: 1. on failure the descriptor is closed (not the one given to weir_adopt()) and
 *	nothing is left in the engine.
 * Ownership: the socket owns its descriptor from attach() on.
 * Threads: the engine's.
 * Errors: -errno of the system call that failed, named in the stage, with a hint.
 * Sources: ipv6(7), tcp(7), udp(7), sctp(7), unix(7), socket(7).
 * Tests: tests/contract/
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define SOCK_FLAGS                                                                       \
	(WEIR_SOCK_PAUSED | WEIR_SOCK_NODELAY | WEIR_SOCK_REUSEPORT | WEIR_SOCK_V6ONLY | \
	 WEIR_SOCK_NO_GRO | WEIR_SOCK_NO_GSO | WEIR_SOCK_NO_LOWAT | WEIR_SOCK_NO_STEER | \
	 WEIR_SOCK_ZEROCOPY | WEIR_SOCK_PLAIN)

static int read_opts(struct weir_engine *e, struct weir_sock_opts *o,
		     const struct weir_sock_opts *from, struct weir_error *reterr)
{
	int r;

	memset(o, 0, sizeof(*o));
	if (!e)
		return weir_error_set(reterr, -EINVAL, "socket", "engine", "it must not be NULL");
	r = weir_opts_read(o, sizeof(*o), from, "weir_sock_opts", reterr);
	if (r)
		return r;
	if (o->flags & ~(uint32_t)SOCK_FLAGS)
		return weir_error_set(reterr, -EINVAL, "weir_sock_opts", "flags",
				      "only WEIR_SOCK_* are legal");
	if ((o->flags & WEIR_SOCK_ZEROCOPY) && (o->flags & WEIR_SOCK_PLAIN))
		return weir_error_set(reterr, -EINVAL, "weir_sock_opts", "flags",
				      "WEIR_SOCK_ZEROCOPY or WEIR_SOCK_PLAIN, not both");
	if (o->reserved || o->reserved2 || o->backlog < 0)
		return weir_error_set(reterr, -EINVAL, "weir_sock_opts",
				      o->backlog < 0 ? "backlog" : "reserved",
				      "zero the structure before setting its fields");
	if (o->protocol && o->protocol != IPPROTO_SCTP)
		return weir_error_set(reterr, -EINVAL, "weir_sock_opts", "protocol",
				      "0 or IPPROTO_SCTP; UDP has weir_udp_open()");
	if (o->plane != WEIR_PLANE_AUTO && o->plane != e->plane_id)
		return weir_error_set(reterr, -ENOTSUP, "weir_sock_opts", "plane",
				      "this engine has the %s plane: %s",
				      weir_plane_name(e->plane_id), e->why);
	return 0;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int apply(int fd, int family, const struct weir_sock_opts *o, bool tcp,
		 struct weir_error *reterr)
{
	bool inet = family == AF_INET || family == AF_INET6;
	int r = 0;

	if (family == AF_INET6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !!(o->flags & WEIR_SOCK_V6ONLY));
	if (!r && inet && (o->flags & WEIR_SOCK_REUSEPORT))
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!r && o->rcvbuf_bytes)
		r = set_int(fd, SOL_SOCKET, SO_RCVBUF, (int)o->rcvbuf_bytes);
	if (!r && o->sndbuf_bytes)
		r = set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)o->sndbuf_bytes);
	if (!r && inet && tcp && (o->flags & WEIR_SOCK_NODELAY))
		r = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (r)
		return weir_error_set(reterr, r, "setsockopt", NULL, NULL);
	return 0;
}

static const char *socket_hint(int code, const struct weir_sock_opts *o)
{
	if (code == EMFILE)
		return "raise ulimit -n";
	if (o->protocol && (code == EPROTONOSUPPORT || code == ESOCKTNOSUPPORT))
		return "this kernel has no SCTP: modprobe sctp, or a kernel with CONFIG_IP_SCTP";
	return "";
}

static int new_fd(const struct weir_addr *a, int type, const struct weir_sock_opts *o, int *ret,
		  struct weir_error *reterr)
{
	int family = a->sa.sa_family, fd, r;

	if (o->protocol && (family == AF_UNIX || type != SOCK_STREAM))
		return weir_error_set(
			reterr, -EINVAL, "weir_sock_opts", "protocol",
			"SCTP is for weir_listen() and weir_connect() of IP addresses");
	fd = socket(family, type | SOCK_CLOEXEC, (int)o->protocol);
	if (fd < 0)
		return weir_error_set(reterr, -errno, o->protocol ? "socket sctp" : "socket", NULL,
				      "%s", socket_hint(errno, o));
	r = apply(fd, family, o, type == SOCK_STREAM && !o->protocol, reterr);
	if (r) {
		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

/* Give the descriptor to the plane; on failure it stays the caller's. */
static int enter(struct weir_engine *e, int fd, int kind, int family,
		 const struct weir_sock_ops *ops, void *user, const struct weir_sock_opts *o,
		 struct weir_sock **ret, struct weir_error *reterr)
{
	struct weir_sock *s = weir_sock_new(e, fd, kind, family, o);
	int r;

	if (!s)
		return weir_error_set(reterr, -ENOMEM, "socket", NULL, NULL);
	s->ops = ops;
	s->user = user;
	r = weir_group_add(s, reterr);
	if (!r)
		r = e->c.ops->attach(s, reterr);
	if (r) {
		weir_group_remove(s);
		s->fd = -1;
		weir_sock_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* Options of SCTP that old kernels lack are left out: the messages still come. */
static void begin(struct weir_sock *s, int protocol, bool one_to_one)
{
	if (protocol == IPPROTO_SCTP)
		weir_sctp_begin(s, one_to_one);
}

static const char *bind_hint(int code)
{
	switch (code) {
	case -EADDRINUSE:
		return "another socket has the address: take another port or stop its owner";
	case -EACCES:
		return "ports below 1024 need CAP_NET_BIND_SERVICE, paths need write permission";
	case -EADDRNOTAVAIL:
		return "no interface of this machine has the address";
	case -EAFNOSUPPORT:
		return "local address and peer must be of one family, which this machine has";
	case -ENETUNREACH:
		return "no route leads there: see ip route get";
	case -ENOENT:
		return "the folder of the path does not exist";
	default:
		return "see the manual page of the system call for this error";
	}
}

static int bind_to(int fd, const struct weir_addr *a, const char *text, struct weir_error *reterr)
{
	int code;

	weir_unix_unlink_stale(a);
	if (!bind(fd, &a->sa, a->len))
		return 0;
	code = -errno;
	return weir_error_set(reterr, code, "bind", text, "%s", bind_hint(code));
}

/* The protocol whose packets are to be steered. */
static int tie_protocol(const struct weir_sock_opts *o)
{
	return o->protocol ? (int)o->protocol : IPPROTO_TCP;
}

/* The rule of the NIC that was named, or of the engine's own. */
static int steer(struct weir_engine *e, struct weir_tie *tie, const struct weir_sock_opts *o,
		 int fd, const struct weir_addr *peer, struct weir_error *reterr)
{
	if (o->nic)
		return weir_tie_begin(tie, e, o->nic, fd, tie_protocol(o), peer, reterr);
	if (!(o->flags & WEIR_SOCK_NO_STEER) && tie_protocol(o) == IPPROTO_TCP)
		weir_tie_own(tie, e, fd, peer);
	return 0;
}

int weir_listen(struct weir_engine *e, const char *address, const struct weir_sock_ops *ops,
		void *user, const struct weir_sock_opts *opts, struct weir_sock **retsock,
		struct weir_error *reterr)
{
	struct weir_sock *s = NULL;
	struct weir_tie tie = { 0 };
	struct weir_sock_opts o;
	struct weir_addr a;
	int fd = -1;
	int r = read_opts(e, &o, opts, reterr);

	if (!r)
		r = weir_addr_parse(address, &a, reterr);
	if (!r && e->member && !o.protocol)
		o.flags |= WEIR_SOCK_REUSEPORT;
	if (!r)
		r = new_fd(&a, SOCK_STREAM, &o, &fd, reterr);
	if (r)
		return r;
	if (a.sa.sa_family != AF_UNIX)
		(void)set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	r = bind_to(fd, &a, address, reterr);
	if (!r)
		r = steer(e, &tie, &o, fd, NULL, reterr);
	if (!r && listen(fd, o.backlog ? o.backlog : SOMAXCONN)) {
		int code = -errno;

		r = weir_error_set(reterr, code, "listen", address, "%s", bind_hint(code));
	}
	if (!r)
		r = enter(e, fd, WEIR_LISTENER, a.sa.sa_family, ops, user, &o, &s, reterr);
	if (r) {
		close(fd);
		weir_tie_end(&tie);
		return r;
	}
	s->tie = tie;
	weir_unix_remember(s, &a);
	begin(s, (int)o.protocol, true);
	weir_sock_want_rx(s);
	weir_txq_kick(e);
	if (retsock)
		*retsock = s;
	return 0;
}

/* A connect that cannot even start ends like one that failed: by its event. */
static void start_connect(struct weir_sock *s, const struct weir_addr *to)
{
	int r = -ENOMEM;

	s->connecting = true;
	s->connect_to = malloc(sizeof(*to));
	if (s->connect_to) {
		*s->connect_to = *to;
		r = s->plane->connect(s, s->connect_to);
	}
	if (r)
		weir_core_up.connected(s, r);
}

int weir_connect(struct weir_engine *e, const char *address, const struct weir_sock_ops *ops,
		 void *user, const struct weir_sock_opts *opts, struct weir_sock **retsock,
		 struct weir_error *reterr)
{
	struct weir_addr a, local = { 0 };
	struct weir_sock *s = NULL;
	struct weir_tie tie = { 0 };
	struct weir_sock_opts o;
	int fd = -1;
	int r = read_opts(e, &o, opts, reterr);

	if (!r)
		r = weir_addr_parse(address, &a, reterr);
	if (!r && o.local)
		r = weir_addr_parse(o.local, &local, reterr);
	if (!r)
		r = new_fd(&a, SOCK_STREAM, &o, &fd, reterr);
	if (r)
		return r;
	if (local.len)
		r = bind_to(fd, &local, o.local, reterr);
	if (!r)
		r = steer(e, &tie, &o, fd, &a, reterr);
	if (!r)
		r = enter(e, fd, o.protocol ? WEIR_DGRAM : WEIR_STREAM, a.sa.sa_family, ops, user,
			  &o, &s, reterr);
	if (r) {
		close(fd);
		weir_tie_end(&tie);
		return r;
	}
	s->tie = tie;
	begin(s, (int)o.protocol, true);
	start_connect(s, &a);
	weir_txq_kick(e);
	if (retsock)
		*retsock = s;
	return 0;
}

/* Ask the kernel what it can do; the answer is kept on the socket. */
static void udp_offloads(struct weir_sock *s)
{
	int value = 0;
	socklen_t len = sizeof(value);

	weir_pace_dgram(s->engine, s->fd);
	if (getsockopt(s->fd, SOL_UDP, UDP_SEGMENT, &value, &len))
		s->no_gso = true;
	if (!(s->flags & WEIR_SOCK_NO_GRO) && !(s->engine->c.without & WEIR_WITHOUT_GRO))
		(void)set_int(s->fd, SOL_UDP, UDP_GRO, 1);
}

static int udp_addresses(struct weir_addr *local, struct weir_addr *peer, const char *text,
			 const struct weir_sock_opts *o, struct weir_error *reterr)
{
	int r = 0;

	memset(local, 0, sizeof(*local));
	memset(peer, 0, sizeof(*peer));
	if (text)
		r = weir_addr_parse(text, local, reterr);
	if (!r && o->peer)
		r = weir_addr_parse(o->peer, peer, reterr);
	if (!r && !text && !o->peer)
		r = weir_error_set(reterr, -EINVAL, "weir_udp_open", "local",
				   "a local address or opts->peer is needed");
	if (!r && (local->sa.sa_family == AF_UNIX || peer->sa.sa_family == AF_UNIX))
		r = weir_error_set(reterr, -EINVAL, "weir_udp_open", "address",
				   "UNIX addresses are for streams");
	return r;
}

int weir_udp_open(struct weir_engine *e, const char *local, const struct weir_sock_ops *ops,
		  void *user, const struct weir_sock_opts *opts, struct weir_sock **retsock,
		  struct weir_error *reterr)
{
	struct weir_sock *s = NULL;
	struct weir_tie tie = { 0 };
	struct weir_sock_opts o;
	struct weir_addr a, peer;
	int fd = -1;
	int r = read_opts(e, &o, opts, reterr);

	if (!r)
		r = udp_addresses(&a, &peer, local, &o, reterr);
	if (!r)
		r = new_fd(a.len ? &a : &peer, SOCK_DGRAM, &o, &fd, reterr);
	if (r)
		return r;
	if (a.len)
		r = bind_to(fd, &a, local, reterr);
	if (!r && peer.len && connect(fd, &peer.sa, peer.len))
		r = weir_error_set(reterr, -errno, "connect", o.peer, "%s", bind_hint(-errno));
	if (!r)
		r = weir_tie_begin(&tie, e, o.nic, fd, IPPROTO_UDP, &peer, reterr);
	if (!r)
		r = enter(e, fd, WEIR_DGRAM, (a.len ? &a : &peer)->sa.sa_family, ops, user, &o, &s,
			  reterr);
	if (r) {
		close(fd);
		weir_tie_end(&tie);
		return r;
	}
	s->tie = tie;
	s->connected_peer = peer.len;
	udp_offloads(s);
	weir_sock_want_rx(s);
	weir_txq_kick(e);
	if (retsock)
		*retsock = s;
	return 0;
}

static int sock_int(int fd, int name, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, name, ret, &len) ? -errno : 0;
}

/**
 * struct found - what a descriptor is.
 * @type: SOCK_*.
 * @family: AF_*.
 * @protocol: IPPROTO_*.
 * @kind: WEIR_STREAM, WEIR_LISTENER or WEIR_DGRAM.
 */
struct found {
	int type, family, protocol, kind;
};

static int classify(int fd, struct found *f, struct weir_error *reterr)
{
	int listening = 0, r = sock_int(fd, SO_TYPE, &f->type);
	bool inet;

	if (!r)
		r = sock_int(fd, SO_DOMAIN, &f->family);
	if (!r)
		r = sock_int(fd, SO_PROTOCOL, &f->protocol);
	if (r)
		return weir_error_set(reterr, r, "weir_adopt", "descriptor",
				      "an open socket is needed");
	(void)sock_int(fd, SO_ACCEPTCONN, &listening);
	inet = f->family == AF_INET || f->family == AF_INET6;
	if (f->type == SOCK_STREAM &&
	    (f->family == AF_UNIX ||
	     (inet && (f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_SCTP)))) {
		f->kind = listening		      ? WEIR_LISTENER :
			  f->protocol == IPPROTO_SCTP ? WEIR_DGRAM :
							WEIR_STREAM;
		return 0;
	}
	/* A one-to-many socket listens and receives. */
	if (inet && ((f->type == SOCK_DGRAM && f->protocol == IPPROTO_UDP) ||
		     (f->type == SOCK_SEQPACKET && f->protocol == IPPROTO_SCTP))) {
		f->kind = WEIR_DGRAM;
		return 0;
	}
	return weir_error_set(reterr, -EOPNOTSUPP, "weir_adopt", "descriptor",
			      "TCP, UDP, SCTP and UNIX stream sockets can be adopted");
}

int weir_adopt(struct weir_engine *e, int fd, const struct weir_sock_ops *ops, void *user,
	       const struct weir_sock_opts *opts, struct weir_sock **retsock,
	       struct weir_error *reterr)
{
	struct weir_sock *s = NULL;
	struct weir_sock_opts o;
	struct weir_addr peer = { .len = sizeof(peer.storage) };
	struct weir_tie tie = { 0 };
	struct found f = { 0 };
	int r = read_opts(e, &o, opts, reterr);

	if (!r)
		r = classify(fd, &f, reterr);
	if (!r && getpeername(fd, &peer.sa, &peer.len))
		peer.len = 0;
	if (!r)
		r = o.nic ? weir_tie_begin(&tie, e, o.nic, fd, f.protocol, &peer, reterr) : 0;
	if (!r && !o.nic && f.protocol == IPPROTO_TCP && !(o.flags & WEIR_SOCK_NO_STEER))
		weir_tie_own(&tie, e, fd, &peer);
	if (!r)
		r = enter(e, fd, f.kind, f.family, ops, user, &o, &s, reterr);
	if (r) {
		weir_tie_end(&tie);
		return r;
	}
	s->tie = tie;
	if (f.protocol == IPPROTO_SCTP) {
		begin(s, f.protocol, f.type == SOCK_STREAM);
	} else if (f.kind == WEIR_DGRAM) {
		s->connected_peer = peer.len > 0;
		udp_offloads(s);
	} else if (f.family != AF_UNIX && (o.flags & WEIR_SOCK_NODELAY)) {
		(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	}
	weir_sock_want_rx(s);
	weir_txq_kick(e);
	if (retsock)
		*retsock = s;
	return 0;
}
