/* SPDX-License-Identifier: MIT */
/*
 * tcp.c - TCP bulk over loopback: who receives a gigabyte with the least CPU.
 *
 * Theory:
 *	One sender for all (a blocking write of 128 KiB in a loop), but for the two that speak the
 *	iperf3 protocol: those are driven by stock "iperf3 -c".  Receivers count bytes and look at
 *	none.  "trunc" is the bound: MSG_TRUNC takes bytes off the socket without copying them.
 *	"uring-by-hand" is the best that was known by hand (by_hand.c).  On loopback much of the
 *	receive path runs in the sender's context; what is compared is the receiver's share.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK_BYTES (128 * 1024)

enum metric_index { METRIC_RATE, METRIC_RX, METRIC_TX, METRIC_CHUNK };

static const struct bench_metric metrics[] = {
	[METRIC_RATE] = { "GB/s", true },
	[METRIC_RX] = { "rx CPU s/GB", true },
	[METRIC_TX] = { "tx CPU s/GB", false },
	[METRIC_CHUNK] = { "KB/completion", false },
};

static int tx_write(struct bench_side *side)
{
	void *buf = bench_buffer(CHUNK_BYTES);
	int fd = bench_tcp_connect(side);
	ssize_t n;

	if (fd < 0 || !buf)
		return fd < 0 ? fd : bench_fail(side, -ENOMEM, "buffer");
	atomic_store(&side->sh->tx_ready, 1);
	while ((n = write(fd, buf, CHUNK_BYTES)) > 0)
		bench_tx_add(side, 1, (uint64_t)n);
	return bench_fail(side, n ? -errno : -EPIPE, "write");
}

static int rx_read(struct bench_side *side)
{
	void *buf = bench_buffer(CHUNK_BYTES);
	int fd = bench_tcp_accept(side);
	ssize_t n;

	if (fd < 0 || !buf)
		return fd < 0 ? fd : bench_fail(side, -ENOMEM, "buffer");
	while ((n = read(fd, buf, CHUNK_BYTES)) > 0)
		bench_rx_add(side, 1, (uint64_t)n);
	return bench_fail(side, n ? -errno : -EPIPE, "read");
}

static int rx_trunc(struct bench_side *side)
{
	int fd = bench_tcp_accept(side);
	char byte;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = recv(fd, &byte, CHUNK_BYTES, MSG_TRUNC)) > 0)
		bench_rx_add(side, 1, (uint64_t)n);
	return bench_fail(side, n ? -errno : -EPIPE, "recv");
}

static int rx_epoll(struct bench_side *side)
{
	struct epoll_event ev = { .events = EPOLLIN };
	void *buf = bench_buffer(CHUNK_BYTES);
	int fd = bench_tcp_accept(side), ep;
	ssize_t n;

	if (fd < 0 || !buf)
		return fd < 0 ? fd : bench_fail(side, -ENOMEM, "buffer");
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return bench_fail(side, -errno, "epoll");
	for (;;) {
		if (epoll_wait(ep, &ev, 1, -1) < 0)
			return bench_fail(side, -errno, "epoll_wait");
		n = recv(fd, buf, CHUNK_BYTES, MSG_DONTWAIT);
		if (n <= 0 && !(n < 0 && errno == EAGAIN))
			return bench_fail(side, n ? -errno : -EPIPE, "recv");
		if (n > 0)
			bench_rx_add(side, 1, (uint64_t)n);
	}
}

static int run(const struct bench_group *g, const struct bench_contender *c,
	       const struct bench_settings *set, double *values, struct bench_window *w, char *why)
{
	double gb;
	int res;

	res = bench_pair_simple(g, c, set, w, why);
	if (res)
		return res;
	if (!w->rx_bytes) {
		snprintf(why, 256, "nothing received");
		return -ENODATA;
	}
	gb = (double)w->rx_bytes * 1e-9;
	values[METRIC_RATE] = gb / w->seconds;
	values[METRIC_RX] = w->rx_cpu_s / gb;
	values[METRIC_TX] = w->tx_cpu_s / gb;
	values[METRIC_CHUNK] = w->rx_units ? gb * 1e6 / (double)w->rx_units : 0;
	return 0;
}

static const struct bench_contender contenders[] = {
	{ .name = "read", .what = "blocking read of 128 KiB", .rx = rx_read },
	{ .name = "weir-uring", .what = "weir, uring plane", .rx = bench_tcp_rx_weir_uring },
	{ .name = "weir-epoll", .what = "weir, epoll plane", .rx = bench_tcp_rx_weir_epoll },
	{ .name = "epoll+read", .what = "epoll_wait, then one recv of 128 KiB", .rx = rx_epoll },
	{ .name = "trunc",
	  .what = "recv with MSG_TRUNC: no copy at all: the bound",
	  .rx = rx_trunc },
	{ .name = "uring-by-hand",
	  .what = "multishot, incremental 2 x 256 KiB, SO_RCVLOWAT 256 KiB, fixed",
	  .rx = bench_tcp_rx_uring },
	{ .name = "iperf3",
	  .what = "stock iperf3 -s, driven by stock iperf3 -c",
	  .rx = bench_iperf3_rx,
	  .tx = bench_iperf3_tx,
	  .missing = bench_iperf3_missing,
	  .tool_bytes = true },
	{ .name = "weir-iperf3",
	  .what = "weir iperf3 -s, driven by stock iperf3 -c",
	  .rx = bench_iperf3_rx_weir,
	  .tx = bench_iperf3_tx,
	  .missing = bench_iperf3_weir_missing,
	  .tool_bytes = true },
};

static const struct bench_goal goals[] = {
	{ "weir-uring, receiver CPU per GB against read", METRIC_RX, "weir-uring", "read", false,
	  0.92 },
	{ "weir-uring, receiver CPU per GB against iperf3", METRIC_RX, "weir-uring", "iperf3",
	  false, 0.80 },
	{ "weir-uring, throughput against iperf3", METRIC_RATE, "weir-uring", "iperf3", true, 1.0 },
	{ "weir iperf3 server, receiver CPU per GB against iperf3", METRIC_RX, "weir-iperf3",
	  "iperf3", false, 0.80 },
	{ "weir iperf3 server, throughput against iperf3", METRIC_RATE, "weir-iperf3", "iperf3",
	  true, 1.0 },
	{ "weir-epoll, receiver CPU per GB against epoll+read", METRIC_RX, "weir-epoll",
	  "epoll+read", false, 1.0 },
};

const struct bench_group bench_tcp = {
	.name = "tcp",
	.what = "TCP bulk over loopback, sender writes 128 KiB",
	.contenders = contenders,
	.contender_count = sizeof(contenders) / sizeof(contenders[0]),
	.metrics = metrics,
	.metric_count = sizeof(metrics) / sizeof(metrics[0]),
	.goals = goals,
	.goal_count = sizeof(goals) / sizeof(goals[0]),
	.reference = 0,
	.run = run,
	.tx = tx_write,
	.delay_limit = 0.03,
	.flows = 1,
};
