/* SPDX-License-Identifier: MIT */
/*
 * ends.c - small things the ends of a trial do: sockets, buffers, pinning.
 *
 * Theory:
 *	All traffic is on 127.0.0.1.  The receiving end listens on a free port, writes it into
 *	shared memory and sets rx_ready; the sending end waits for that, connects and sets
 *	tx_ready.  Buffers are touched before they are used, so that no window pays for page
 *	faults.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

/* Records why an end failed and returns @res, -errno. */
int bench_fail(struct bench_side *side, int res, const char *what)
{
	if (!side->sh->why[0])
		snprintf(side->sh->why, sizeof(side->sh->why), "%s: %s", what, strerror(-res));
	return res;
}

void *bench_buffer(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	memset(mem, 0x5a, bytes);
	return mem;
}

int bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int bench_raise_files(unsigned count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	if (limit.rlim_cur >= count)
		return 0;
	limit.rlim_cur = count;
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

void bench_set_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

/* Both ends alike: accepted sockets have their listener's. */
int bench_set_congestion(struct bench_side *side, int fd)
{
	const char *name = side->set->congestion;

	if (name && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)))
		return bench_fail(side, -errno, "TCP_CONGESTION (--congestion)");
	return 0;
}

int bench_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sa;
}

static int bound_port(int fd, uint16_t *ret)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return -errno;
	*ret = ntohs(sa.sin_port);
	return 0;
}

static int bind_loopback(int fd, uint16_t *ret)
{
	struct sockaddr_in sa = loopback(0);

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return bound_port(fd, ret);
}

/* A port that was free a moment ago, for programs that want to be told one. */
int bench_free_port(uint16_t *ret)
{
	int fd, res;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	res = bind_loopback(fd, ret);
	close(fd);
	return res;
}

/* Listens on a free port of all of 127/8 and says so. */
int bench_tcp_listen(struct bench_side *side)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bench_fail(side, -errno, "socket");
	if (bench_set_congestion(side, fd))
		return -EINVAL;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 4096) ||
	    bound_port(fd, &side->sh->port)) {
		int res = -errno;

		close(fd);
		return bench_fail(side, res, "listen");
	}
	atomic_store(&side->sh->rx_ready, 1);
	return fd;
}

/* Listens, takes one connection, closes the listener. */
int bench_tcp_accept(struct bench_side *side)
{
	int listener, fd;

	listener = bench_tcp_listen(side);
	if (listener < 0)
		return listener;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		fd = bench_fail(side, -errno, "accept");
	close(listener);
	return fd;
}

int bench_tcp_connect(struct bench_side *side)
{
	struct sockaddr_in sa = loopback(side->sh->port);
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bench_fail(side, -errno, "socket");
	if (bench_set_congestion(side, fd))
		return -EINVAL;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int res = -errno;

		close(fd);
		return bench_fail(side, res, "connect");
	}
	return fd;
}

int bench_udp_bind(struct bench_side *side)
{
	int fd, res;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bench_fail(side, -errno, "socket");
	res = bind_loopback(fd, &side->sh->port);
	if (res) {
		close(fd);
		return bench_fail(side, res, "bind");
	}
	return fd;
}
