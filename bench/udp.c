/* SPDX-License-Identifier: MIT */
/*
 * udp.c - UDP, 128-byte datagrams over loopback: packets per second and CPU per packet.
 *
 * Theory:
 *	Four tables: the sender sends one by one (sendto) or in trains of 64 (UDP GSO), from 1 or
 *	from 64 sockets in turn.  It sends as fast as it can, so a slow receiver loses packets; what
 *	counts is what arrives.  Without UDP_GRO the kernel cuts a train up before the receiver's
 *	socket, one packet each; with it the train is one completion.  "loss" is the part of the
 *	sent that was not received in the window.
 * Sources: udp(7), UDP_SEGMENT and UDP_GRO.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define DATAGRAM_BYTES 128
#define TRAIN 64
#define FLOWS_MAX 64
#define BATCH 64
#define GRO_BYTES 65536
#define RCVBUF_BYTES (4 << 20)

enum metric_index { METRIC_RATE, METRIC_RX, METRIC_LOSS, METRIC_SENT };

static const struct bench_metric metrics[] = {
	[METRIC_RATE] = { "Mpps", true },
	[METRIC_RX] = { "rx CPU us/packet", true },
	[METRIC_LOSS] = { "loss", false },
	[METRIC_SENT] = { "sent Mpps", false },
};

static int rx_open(struct bench_side *side)
{
	int fd = bench_udp_bind(side);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RCVBUF_BYTES }, sizeof(int));
	return fd;
}

static int rx_recvfrom(struct bench_side *side)
{
	char *buf = bench_buffer(GRO_BYTES);
	int fd = rx_open(side);

	if (fd < 0)
		return fd;
	atomic_store(&side->sh->rx_ready, 1);
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, GRO_BYTES, 0, (struct sockaddr *)&from, &len);

		if (n < 0)
			return bench_fail(side, -errno, "recvfrom");
		bench_rx_add(side, 1, (uint64_t)n);
	}
}

static int rx_recvmmsg(struct bench_side *side)
{
	static struct sockaddr_in from[BATCH];
	static struct mmsghdr msgs[BATCH];
	static struct iovec iov[BATCH];
	char *buf = bench_buffer((size_t)BATCH * 2048);
	int fd = rx_open(side);

	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ buf + (size_t)i * 2048, 2048 };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						   .msg_iov = &iov[i],
						   .msg_iovlen = 1 };
	}
	atomic_store(&side->sh->rx_ready, 1);
	for (;;) {
		uint64_t bytes = 0;
		int n;

		for (unsigned i = 0; i < BATCH; i++)
			msgs[i].msg_hdr.msg_namelen = sizeof(from[i]);
		n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0)
			return bench_fail(side, -errno, "recvmmsg");
		for (int i = 0; i < n; i++)
			bytes += msgs[i].msg_len;
		bench_rx_add(side, (uint64_t)n, bytes);
	}
}

static uint64_t datagrams_of(struct msghdr *msg, size_t len)
{
	struct cmsghdr *c;
	int segment = 0;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	return segment > 0 ? (len + (size_t)segment - 1) / (size_t)segment : 1;
}

static int rx_gro(struct bench_side *side)
{
	char *buf = bench_buffer(GRO_BYTES);
	struct iovec iov = { buf, GRO_BYTES };
	char control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_in from;
	int fd = rx_open(side);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_UDP, UDP_GRO, &(int){ 1 }, sizeof(int)))
		return bench_fail(side, -errno, "UDP_GRO");
	atomic_store(&side->sh->rx_ready, 1);
	for (;;) {
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < 0)
			return bench_fail(side, -errno, "recvmsg");
		bench_rx_add(side, datagrams_of(&msg, (size_t)n), (uint64_t)n);
	}
}

static int open_flows(struct bench_side *side, int *fds)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(side->sh->port) };

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < side->group->flows; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)))
			return bench_fail(side, -errno, "sender's socket");
		if (side->group->gso &&
		    setsockopt(fds[i], SOL_UDP, UDP_SEGMENT, &(int){ DATAGRAM_BYTES }, sizeof(int)))
			return bench_fail(side, -errno, "UDP_SEGMENT");
	}
	return 0;
}

static int tx_send(struct bench_side *side)
{
	size_t len = side->group->gso ? DATAGRAM_BYTES * TRAIN : DATAGRAM_BYTES;
	char *buf = bench_buffer(DATAGRAM_BYTES * TRAIN);
	int fds[FLOWS_MAX], res;
	unsigned at = 0;

	res = open_flows(side, fds);
	if (res)
		return res;
	atomic_store(&side->sh->tx_ready, 1);
	for (;;) {
		ssize_t n = send(fds[at], buf, len, 0);

		if (n < 0 && errno != ENOBUFS)
			return bench_fail(side, -errno, "send");
		if (n > 0)
			bench_tx_add(side, (uint64_t)n / DATAGRAM_BYTES, (uint64_t)n);
		if (++at == side->group->flows)
			at = 0;
	}
}

static int run(const struct bench_group *g, const struct bench_contender *c,
	       const struct bench_settings *set, double *values, struct bench_window *w, char *why)
{
	int res;

	res = bench_pair_simple(g, c, set, w, why);
	if (res)
		return res;
	if (!w->rx_units) {
		snprintf(why, 256, "nothing received");
		return -ENODATA;
	}
	values[METRIC_RATE] = (double)w->rx_units * 1e-6 / w->seconds;
	values[METRIC_RX] = w->rx_cpu_s * 1e6 / (double)w->rx_units;
	/* The two counts are read a moment apart: a little more received than sent is no loss. */
	if (w->tx_units > w->rx_units)
		values[METRIC_LOSS] = 1 - (double)w->rx_units / (double)w->tx_units;
	values[METRIC_SENT] = (double)w->tx_units * 1e-6 / w->seconds;
	return 0;
}

static const struct bench_contender contenders[] = {
	{ .name = "recvfrom", .what = "blocking recvfrom", .rx = rx_recvfrom },
	{ .name = "recvmmsg", .what = "blocking recvmmsg of 64, no GRO", .rx = rx_recvmmsg },
	{ .name = "recv+gro", .what = "blocking recvmsg with UDP_GRO", .rx = rx_gro },
	{ .name = "weir-uring", .what = "weir, uring plane", .rx = bench_udp_rx_weir_uring },
	{ .name = "weir-epoll", .what = "weir, epoll plane", .rx = bench_udp_rx_weir_epoll },
};

static const struct bench_goal goals_single[] = {
	{ "weir-uring, receiver CPU per packet against recvfrom", METRIC_RX, "weir-uring",
	  "recvfrom", false, 1.0 },
	{ "weir-epoll, receiver CPU per packet against recvfrom", METRIC_RX, "weir-epoll",
	  "recvfrom", false, 1.0 },
};

static const struct bench_goal goals_gso[] = {
	{ "weir-uring, packets per second against recvmmsg", METRIC_RATE, "weir-uring", "recvmmsg",
	  true, 9.0 },
	{ "weir-uring, packets per second against recv with GRO", METRIC_RATE, "weir-uring",
	  "recv+gro", true, 1.0 },
	{ "weir-epoll, packets per second against recv with GRO", METRIC_RATE, "weir-epoll",
	  "recv+gro", true, 1.0 },
};

#define GROUP(name_, what_, goals_, flows_, gso_, reference_)                                      \
	{                                                                                          \
		.name = name_, .what = what_, .contenders = contenders,                            \
		.contender_count = sizeof(contenders) / sizeof(contenders[0]), .metrics = metrics, \
		.metric_count = sizeof(metrics) / sizeof(metrics[0]), .goals = goals_,             \
		.goal_count = sizeof(goals_) / sizeof(goals_[0]), .reference = reference_,         \
		.run = run, .tx = tx_send, .delay_limit = 0.03, .flows = flows_, .gso = gso_,      \
		.rounds_max = 3,                                                                   \
	}

const struct bench_group bench_udp[4] = {
	GROUP("udp-single-1", "UDP 128 B, sent one by one, 1 flow", goals_single, 1, false, 0),
	GROUP("udp-single-64", "UDP 128 B, sent one by one, 64 flows", goals_single, 64, false, 0),
	GROUP("udp-gso-1", "UDP 128 B, sent in trains of 64 (GSO), 1 flow", goals_gso, 1, true, 1),
	GROUP("udp-gso-64", "UDP 128 B, sent in trains of 64 (GSO), 64 flows", goals_gso, 64, true,
	      1),
};
