/* SPDX-License-Identifier: MIT */
/*
 * conn_client.c - the client of the many-connections group: one for all servers.
 *
 * Theory:
 *	One epoll loop.  The harness gives commands through shared memory (bench_command); the
 *	client looks for a new one between waits, which last 1 ms at most.  A connection has at
 *	most one message under way.  Several addresses of 127/8 are connected to, so that local
 *	ports do not run short.  Every 256 connections one message is echoed, so that the server's
 *	accept queue cannot overflow.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define MESSAGE_BYTES 128
#define EVENTS 256
#define ADDRESSES 8
#define ACCEPT_STRIDE 256

struct conn {
	int fd;
	uint32_t have;
	bool under_way;
};

struct client {
	struct bench_side *side;
	struct conn *conns;
	unsigned open;
	unsigned active; /* closed loop: the first so many */
	unsigned under_way;
	unsigned next; /* paced: whose turn it is */
	unsigned paced;
	double rate;
	double paced_since;
	uint64_t paced_sent;
	int ep;
	uint32_t serial;
	char message[MESSAGE_BYTES];
};

static int send_one(struct client *c, unsigned i, char first)
{
	struct conn *conn = &c->conns[i];

	c->message[0] = first;
	if (send(conn->fd, c->message, MESSAGE_BYTES, MSG_DONTWAIT) != MESSAGE_BYTES)
		return bench_fail(c->side, -errno, "client's send");
	conn->under_way = true;
	c->under_way++;
	return 0;
}

static int receive_one(struct client *c, unsigned i)
{
	struct conn *conn = &c->conns[i];
	char buf[MESSAGE_BYTES];
	ssize_t n;

	n = recv(conn->fd, buf, MESSAGE_BYTES - conn->have, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return bench_fail(c->side, n ? -errno : -EPIPE, "client's recv");
	conn->have += (uint32_t)n;
	if (conn->have < MESSAGE_BYTES)
		return 0;
	conn->have = 0;
	conn->under_way = false;
	c->under_way--;
	bench_tx_add(c->side, 1, MESSAGE_BYTES);
	return i < c->active ? send_one(c, i, 'm') : 0;
}

static int wait_events(struct client *c, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n, res = 0;

	n = epoll_wait(c->ep, events, EVENTS, timeout_ms);
	for (int i = 0; i < n && !res; i++)
		res = receive_one(c, events[i].data.u32);
	return n < 0 ? bench_fail(c->side, -errno, "client's epoll_wait") : res;
}

/* Waits until no message is under way. */
static int settle(struct client *c)
{
	double end = bench_now_s() + 10;
	int res = 0;

	c->active = 0;
	c->paced = 0;
	while (!res && c->under_way) {
		res = wait_events(c, 10);
		if (bench_now_s() > end)
			return bench_fail(c->side, -ETIMEDOUT, "echo that does not come");
	}
	return res;
}

static int echo_one(struct client *c, unsigned i, char first)
{
	int res = send_one(c, i, first);

	return res ? res : settle(c);
}

static int open_one(struct client *c, unsigned i)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(c->side->sh->port) };
	int fd;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i % ADDRESSES);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bench_set_congestion(c->side, fd))
		return -EINVAL;
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &ev))
		return bench_fail(c->side, -errno, "client's connect");
	bench_set_nodelay(fd);
	c->conns[i].fd = fd;
	c->open = i + 1;
	return 0;
}

static int open_up_to(struct client *c, unsigned count)
{
	int res = 0;

	while (!res && c->open < count) {
		res = open_one(c, c->open);
		if (!res && (!(c->open % ACCEPT_STRIDE) || c->open == count))
			res = echo_one(c, c->open - 1, 'm');
	}
	return res;
}

static int carry_out(struct client *c, enum bench_command command, unsigned arg, unsigned rate)
{
	int res = 0;

	switch (command) {
	case BENCH_COMMAND_OPEN:
		return open_up_to(c, arg);
	case BENCH_COMMAND_LOOP:
		c->active = arg;
		for (unsigned i = 0; i < arg && !res; i++)
			res = c->conns[i].under_way ? 0 : send_one(c, i, 'm');
		return res;
	case BENCH_COMMAND_PACED:
		c->paced = arg;
		c->rate = rate;
		c->paced_since = bench_now_s();
		c->paced_sent = 0;
		return 0;
	case BENCH_COMMAND_IDLE:
		return settle(c);
	case BENCH_COMMAND_REPORT:
		res = settle(c);
		return res ? res : echo_one(c, 0, 'R');
	default:
		return 0;
	}
}

/* Paced: sends what is due by now, each connection in turn. */
static int send_due(struct client *c)
{
	uint64_t due = (uint64_t)((bench_now_s() - c->paced_since) * c->rate);
	int res = 0;

	for (; !res && c->paced_sent < due; c->paced_sent++) {
		if (!c->conns[c->next % c->paced].under_way)
			res = send_one(c, c->next % c->paced, 'm');
		c->next++;
	}
	return res;
}

int bench_conn_client(struct bench_side *side)
{
	struct client c = { .side = side };
	struct bench_shared *sh = side->sh;
	int res = 0;

	c.conns = calloc(side->group->flows, sizeof(*c.conns));
	c.ep = epoll_create1(EPOLL_CLOEXEC);
	if (!c.conns || c.ep < 0)
		return bench_fail(side, c.conns ? -errno : -ENOMEM, "client");
	atomic_store(&sh->tx_ready, 1);
	while (!res) {
		uint32_t serial = atomic_load(&sh->command_serial);

		if (serial != c.serial) {
			c.serial = serial;
			res = carry_out(&c, atomic_load(&sh->command), sh->command_arg,
					sh->command_rate);
			if (!res)
				atomic_store(&sh->command_done, serial);
		}
		if (!res && c.paced)
			res = send_due(&c);
		if (!res)
			res = wait_events(&c, 1);
	}
	return res;
}
