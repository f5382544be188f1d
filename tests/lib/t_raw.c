/* SPDX-License-Identifier: MIT */
/*
 * t_raw.c - plain non-blocking sockets: the other side of tests that must not trust the library.
 *
 * Theory: addresses go through weir_addr_parse(), which the unit tests cover, and nothing else of
 * the library is used here.
 */
#include "t.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

const char *t_unix(void)
{
	static char text[4][64];
	static unsigned number;
	char *to = text[number % 4];

	snprintf(to, sizeof text[0], "unix:@weir-test-%ld-%u", (long)getpid(), number++);
	return to;
}

void t_raw_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	assert_true(flags >= 0);
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static int bound(const char *address, int type, struct weir_addr *ret)
{
	struct weir_addr a;
	socklen_t len = sizeof ret->storage;
	int fd;

	assert_int_equal(weir_addr_parse(address, &a, NULL), 0);
	fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	if (bind(fd, &a.sa, a.len))
		fail_msg("bind %s: %s", address, strerror(errno));
	memset(ret, 0, sizeof *ret);
	assert_int_equal(getsockname(fd, &ret->sa, &len), 0);
	ret->len = len;
	return fd;
}

int t_raw_listen(const char *address, struct weir_addr *ret)
{
	int fd = bound(address, SOCK_STREAM, ret);

	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

int t_raw_udp(const char *address, struct weir_addr *ret)
{
	return bound(address, SOCK_DGRAM, ret);
}

int t_raw_connect(const struct weir_addr *to)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	/* Blocking: over loopback it ends as soon as the backlog has room. */
	if (connect(fd, &to->sa, to->len))
		fail_msg("connect: %s", strerror(errno));
	t_raw_nonblock(fd, true);
	return fd;
}

int t_raw_accept(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int got;

	assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
	got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(got >= 0);
	return got;
}

struct weir_addr t_local(struct weir_sock *s)
{
	struct weir_addr a;

	memset(&a, 0, sizeof a);
	assert_int_equal(weir_sock_local(s, &a), 0);
	assert_true(a.len > 0);
	return a;
}

const char *t_local_text(struct weir_sock *s, char *buf, size_t bytes)
{
	struct weir_addr a = t_local(s);

	return weir_addr_format(&a.sa, buf, bytes);
}

void t_raw_pair(int fds[2])
{
	struct weir_addr a;
	int l = t_raw_listen("127.0.0.1:0", &a);
	int one = 1;

	fds[0] = t_raw_connect(&a);
	fds[1] = t_raw_accept(l);
	close(l);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
}
