/* SPDX-License-Identifier: MIT */
/*
 * iperf3_net.c - the sockets of a test: made here with their options, then handed to the engine.
 *
 * Theory: MSS, window, port and device must be set before a socket connects or listens, so the
 *	tool makes the descriptor and the engine adopts it.  A client connects blocking, with a
 *	deadline, as it has nothing else to do; a server never blocks: what its data connections
 *	are to inherit is set on the listener while a test's connections come in, and taken back.
 * Invariants:
 *	1. a descriptor is returned or closed, never lost.
 *	2. after a test the listener has the options it had before.
 * Ownership: descriptors are the caller's.
 * Threads: the engine's.
 * Errors: struct i3_fail: the protocol's error number, errno, what it was done to.
 * Sources: iperf 3.12 net.c, iperf_tcp.c (iperf_tcp_listen, iperf_tcp_connect), iperf_udp.c
 *	(iperf_udp_buffercheck); socket(7), tcp(7), ip(7), ipv6(7).
 * Tests: tests/cli/iperf3_options.sh
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "iperf3.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72 /* Linux 5.14: include/uapi/asm-generic/socket.h */
#endif

#define UDP_HELLO_TIMEOUT_MS 30000 /* iperf3's */
#define UDP_RCVBUF (4 * 1024 * 1024)

static int refuse(struct i3_fail *fail, enum i3_error code, int err, const char *what)
{
	fail->code = code;
	fail->err = err;
	snprintf(fail->what, sizeof(fail->what), "%s", what ? what : "");
	return -1;
}

static int close_and_refuse(int fd, struct i3_fail *fail, enum i3_error code, const char *what)
{
	int err = errno;

	close(fd);
	return refuse(fail, code, err, what);
}

static struct addrinfo *resolve(const char *host, uint16_t port, int family, int type, int flags,
				struct i3_fail *fail)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = type, .ai_flags = flags };
	struct addrinfo *list = NULL;
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc) {
		refuse(fail, I3E_CONNECT, rc == EAI_SYSTEM ? errno : 0, "");
		snprintf(fail->what, sizeof(fail->what), "%.100s: %s", host ? host : "*",
			 gai_strerror(rc));
		return NULL;
	}
	return list;
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bind_device(const struct i3_config *conf, int fd)
{
	if (!conf->bind_device)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, conf->bind_device,
			  (socklen_t)strlen(conf->bind_device));
}

int i3_listen_fd(const struct i3_config *conf, int type, int family, struct i3_fail *fail)
{
	/* the wildcard of IPv6 takes IPv4 too, where no family was asked for */
	int ask = family == AF_UNSPEC && !conf->bind_host ? AF_INET6 : family;
	struct addrinfo *list = resolve(conf->bind_host, conf->port, ask, type, AI_PASSIVE, fail);
	int fd;

	if (!list) {
		fail->code = I3E_LISTEN;
		return -1;
	}
	fd = socket(list->ai_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		refuse(fail, I3E_LISTEN, errno, "");
		goto out;
	}
	if (bind_device(conf, fd)) {
		fd = close_and_refuse(fd, fail, I3E_LISTEN, conf->bind_device);
		goto out;
	}
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    (list->ai_family == AF_INET6 &&
	     set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, family == AF_INET6)) ||
	    bind(fd, list->ai_addr, list->ai_addrlen) ||
	    (type == SOCK_STREAM && listen(fd, SOMAXCONN)))
		fd = close_and_refuse(fd, fail, I3E_LISTEN, "");
out:
	freeaddrinfo(list);
	return fd;
}

static void set_port(struct sockaddr *sa, uint16_t port)
{
	if (sa->sa_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
}

static int bind_local(const struct i3_config *conf, int fd, int family, int type, uint16_t port,
		      struct i3_fail *fail)
{
	struct sockaddr_storage any = { .ss_family = (sa_family_t)family };
	struct addrinfo *list;
	int rc;

	if (bind_device(conf, fd))
		return refuse(fail, I3E_CONNECT, errno, conf->bind_device);
	if (!conf->bind_host && !port)
		return 0;
	if (port)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!conf->bind_host) {
		set_port((struct sockaddr *)&any, port);
		rc = bind(fd, (struct sockaddr *)&any,
			  family == AF_INET ? sizeof(struct sockaddr_in) :
					      sizeof(struct sockaddr_in6));
		return rc ? refuse(fail, I3E_CONNECT, errno, "") : 0;
	}
	list = resolve(conf->bind_host, port, family, type, 0, fail);
	if (!list)
		return -1;
	rc = bind(fd, list->ai_addr, list->ai_addrlen) ?
		     refuse(fail, I3E_CONNECT, errno, conf->bind_host) :
		     0;
	freeaddrinfo(list);
	return rc;
}

static int connect_deadline(int fd, const struct sockaddr *sa, socklen_t len, uint64_t timeout_us)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int flags = fcntl(fd, F_GETFL), err = 0;
	socklen_t err_len = sizeof(err);
	int rc;

	if (!timeout_us)
		return connect(fd, sa, len);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	rc = connect(fd, sa, len);
	if (rc && errno == EINPROGRESS) {
		rc = poll(&p, 1, (int)((timeout_us + 999) / 1000));
		if (!rc)
			err = ETIMEDOUT;
		else if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len))
			err = errno;
		errno = err;
		rc = err ? -1 : 0;
	}
	fcntl(fd, F_SETFL, flags);
	return rc;
}

int i3_dial_control(const struct i3_config *conf, struct i3_fail *fail)
{
	struct addrinfo *list = resolve(conf->host, conf->port, conf->family, SOCK_STREAM, 0, fail);
	int fd = -1;

	if (!list)
		return -1;
	/* a name may have several addresses; a server often listens on one of them only */
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			refuse(fail, I3E_CONNECT, errno, conf->host);
			continue;
		}
		if (bind_local(conf, fd, a->ai_family, SOCK_STREAM, 0, fail)) {
			close(fd);
			fd = -1;
		} else if (connect_deadline(fd, a->ai_addr, a->ai_addrlen,
					    conf->connect_timeout_us)) {
			fd = close_and_refuse(fd, fail, I3E_CONNECT, "");
		}
	}
	freeaddrinfo(list);
	if (fd >= 0) {
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		if (conf->user_timeout_ms)
			set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)conf->user_timeout_ms);
	}
	return fd;
}

int i3_tcp_mss(int fd)
{
	socklen_t len = sizeof(int);
	int mss = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len) || mss < 0 ||
	    mss > I3_UDP_BLOCK_MAX)
		return 0;
	return mss;
}

int i3_set_buffers(struct i3_test *t, int fd, struct i3_fail *fail)
{
	uint32_t want = t->params.window;
	int sndbuf = 0, rcvbuf = 0;
	socklen_t len = sizeof(int);

	/* as much as an unprivileged user gets: twice the default, where nobody tuned anything */
	if (t->params.udp && !want)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_RCVBUF);
	for (int tries = 0; tries < 2; tries++) {
		if (want && (set_int(fd, SOL_SOCKET, SO_RCVBUF, (int)want) ||
			     set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)want)))
			return refuse(fail, I3E_SET_BUF, errno, "");
		if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, &len) ||
		    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, &len))
			return refuse(fail, I3E_SET_BUF, errno, "");
		/* a datagram must fit, also where nobody asked for a size */
		if (!t->params.udp || t->params.window ||
		    (t->params.block_bytes <= (uint32_t)sndbuf &&
		     t->params.block_bytes <= (uint32_t)rcvbuf))
			break;
		want = t->params.block_bytes + 1024;
	}
	if (t->params.window > (uint32_t)sndbuf || t->params.window > (uint32_t)rcvbuf)
		return refuse(fail, I3E_BUF_SIZE, 0, "");
	t->sndbuf_actual = (uint32_t)sndbuf;
	t->rcvbuf_actual = (uint32_t)rcvbuf;
	return 0;
}

void i3_note_congestion(struct i3_test *t, int fd)
{
	char name[16 + 1] = "";
	socklen_t len = 16;

	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len))
		snprintf(name, sizeof(name), "unknown");
	snprintf(t->congestion_used, sizeof(t->congestion_used), "%.15s", name);
}

static int set_congestion(struct i3_test *t, int fd, struct i3_fail *fail)
{
	const char *name = t->params.congestion;

	if (name[0] && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name))) {
		/* a server goes on with what it has: the client's choice may be unknown here */
		if (!t->server || errno != ENOENT)
			return refuse(fail, I3E_SET_CONGESTION, 0, name);
		i3_warn("TCP congestion control algorithm %s not supported here", name);
	}
	i3_note_congestion(t, fd);
	return 0;
}

static int set_tos(int fd, int family, int tos)
{
	if (family == AF_INET)
		return set_int(fd, IPPROTO_IP, IP_TOS, tos);
	/* an IPv6 socket may carry IPv4: what does not apply is refused and ignored */
	set_int(fd, IPPROTO_IP, IP_TOS, tos);
	return set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
}

int i3_set_stream_options(struct i3_test *t, int fd, struct i3_fail *fail)
{
	const struct i3_params *p = &t->params;
	int family = AF_INET;
	socklen_t len = sizeof(family);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	if (p->tos && set_tos(fd, family, (int)p->tos))
		return refuse(fail, I3E_SET_TOS, errno, "");
	if (p->fq_rate) {
		uint64_t bytes_per_s = p->fq_rate / 8;

		if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_s,
			       sizeof(bytes_per_s)))
			i3_warn("unable to set socket pacing");
	}
	if (p->udp) {
		if (p->dont_fragment && family == AF_INET)
			set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
		return 0;
	}
	if (p->nodelay)
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (t->conf->user_timeout_ms)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)t->conf->user_timeout_ms);
	return set_congestion(t, fd, fail);
}

void i3_listener_options(struct i3_test *t, int fd, bool on, struct i3_fail *fail)
{
	if (on) {
		if (t->params.mss && set_int(fd, IPPROTO_TCP, TCP_MAXSEG, (int)t->params.mss))
			refuse(fail, I3E_SET_MSS, errno, "");
		else
			i3_set_buffers(t, fd, fail);
		return;
	}
	if (t->params.mss)
		set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 0);
	/* without the locks TCP tunes the buffers of later connections by itself again */
	if (t->params.window)
		set_int(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
}

static int hello(int fd, struct i3_fail *fail)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t word = I3_UDP_HELLO;
	uint8_t answer[16];
	ssize_t n;

	if (send(fd, &word, sizeof(word), 0) != (ssize_t)sizeof(word))
		return refuse(fail, I3E_STREAM_WRITE, errno, "");
	for (;;) {
		int rc = poll(&p, 1, UDP_HELLO_TIMEOUT_MS);

		if (rc <= 0)
			return refuse(fail, I3E_STREAM_READ, rc ? errno : ETIMEDOUT, "");
		/* MSG_TRUNC: a datagram of an early sender must not pass for an answer */
		n = recv(fd, answer, sizeof(answer), MSG_TRUNC | MSG_DONTWAIT);
		if (n < 0)
			return refuse(fail, I3E_STREAM_READ, errno, "");
		if (i3_udp_is_reply(answer, (size_t)n))
			return 0;
	}
}

int i3_dial_stream(struct i3_test *t, uint16_t client_port, struct i3_fail *fail)
{
	const struct i3_config *conf = t->conf;
	int type = t->params.udp ? SOCK_DGRAM : SOCK_STREAM;
	struct weir_addr to = { 0 };
	int fd;

	/* where the control connection went, also when the name has several addresses */
	if (weir_sock_peer(t->control, &to))
		return refuse(fail, I3E_STREAM_CONNECT, ENOTCONN, "");
	fd = socket(to.sa.sa_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse(fail, I3E_STREAM_CONNECT, errno, "");
	if (bind_local(conf, fd, to.sa.sa_family, type, client_port, fail)) {
		close(fd);
		fail->code = I3E_STREAM_CONNECT;
		return -1;
	}
	if (t->params.mss && !t->params.udp &&
	    set_int(fd, IPPROTO_TCP, TCP_MAXSEG, (int)t->params.mss))
		return close_and_refuse(fd, fail, I3E_SET_MSS, "");
	if (i3_set_buffers(t, fd, fail) || i3_set_stream_options(t, fd, fail)) {
		close(fd);
		return -1;
	}
	if (connect_deadline(fd, &to.sa, to.len, conf->control_timeout_us))
		return close_and_refuse(fd, fail, I3E_STREAM_CONNECT, "");
	if (t->params.udp && hello(fd, fail)) {
		close(fd);
		return -1;
	}
	if (!t->params.udp && send(fd, t->cookie, I3_COOKIE_BYTES, MSG_NOSIGNAL) != I3_COOKIE_BYTES)
		return close_and_refuse(fd, fail, I3E_STREAM_CONNECT, "");
	return fd;
}

const char *i3_host(const struct weir_addr *a, char *buf, size_t bytes)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;

	snprintf(buf, bytes, "?");
	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, buf, (socklen_t)bytes);
	else if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], buf, (socklen_t)bytes);
	else if (a->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, buf, (socklen_t)bytes);
	return buf;
}

uint16_t i3_port_of(const struct weir_addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
	if (a->sa.sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return 0;
}
