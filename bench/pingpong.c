/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - TCP request and response of 64 bytes over loopback: microseconds per round trip.
 *
 * Theory:
 *	Two tables.  Sleeping: both ends sleep until their message is there; on a virtual machine
 *	waking a core is most of the figure.  Spinning: both ends look without sleeping.  Both
 *	ends use the contender's method, or with --one-end the server only, against the blocking
 *	(or, spinning, the spinning blocking) client.  The client records every round trip of the
 *	window; percentiles are of all of them, medians over rounds of the percentiles.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum metric_index { METRIC_P50, METRIC_P99, METRIC_MEAN, METRIC_RX, METRIC_TX };

static const struct bench_metric metrics[] = {
	[METRIC_P50] = { "p50 us", true },	  [METRIC_P99] = { "p99 us", true },
	[METRIC_MEAN] = { "mean us", false },	  [METRIC_RX] = { "server CPU us", false },
	[METRIC_TX] = { "client CPU us", false },
};

/* Records one round trip that began at @start_ns; false when the sample memory is full. */
bool bench_pp_sample(struct bench_side *side, uint64_t start_ns)
{
	struct bench_shared *sh = side->sh;
	uint32_t at;

	if (!atomic_load_explicit(&sh->measuring, memory_order_relaxed))
		return true;
	at = atomic_load_explicit(&sh->sample_count, memory_order_relaxed);
	if (at >= BENCH_SAMPLES_MAX)
		return false;
	sh->sample_ns[at] = (uint32_t)(bench_now_ns() - start_ns);
	atomic_store_explicit(&sh->sample_count, at + 1, memory_order_relaxed);
	return true;
}

/* A way to receive exactly one message: returns 0 or -errno. */
typedef int (*receive_fn)(int fd, int ep, char *buf);

static int receive_blocking(int fd, int ep, char *buf)
{
	size_t have = 0;

	(void)ep;
	while (have < BENCH_PP_BYTES) {
		ssize_t n = recv(fd, buf + have, BENCH_PP_BYTES - have, 0);

		if (n <= 0)
			return n ? -errno : -EPIPE;
		have += (size_t)n;
	}
	return 0;
}

static int receive_spinning(int fd, int ep, char *buf)
{
	size_t have = 0;

	(void)ep;
	while (have < BENCH_PP_BYTES) {
		ssize_t n = recv(fd, buf + have, BENCH_PP_BYTES - have, MSG_DONTWAIT);

		if (n > 0)
			have += (size_t)n;
		else if (!n || errno != EAGAIN)
			return n ? -errno : -EPIPE;
	}
	return 0;
}

static int receive_epoll_for(int fd, int ep, char *buf, int timeout_ms)
{
	struct epoll_event ev;
	size_t have = 0;

	while (have < BENCH_PP_BYTES) {
		ssize_t n;
		int ready = epoll_wait(ep, &ev, 1, timeout_ms);

		if (ready < 0)
			return -errno;
		if (!ready)
			continue;
		n = recv(fd, buf + have, BENCH_PP_BYTES - have, MSG_DONTWAIT);
		if (n > 0)
			have += (size_t)n;
		else if (!n || errno != EAGAIN)
			return n ? -errno : -EPIPE;
	}
	return 0;
}

static int receive_epoll(int fd, int ep, char *buf)
{
	return receive_epoll_for(fd, ep, buf, -1);
}

static int receive_epoll_spinning(int fd, int ep, char *buf)
{
	return receive_epoll_for(fd, ep, buf, 0);
}

static int open_epoll(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		return ep;
	return -errno;
}

static int serve(struct bench_side *side, receive_fn receive)
{
	int fd = bench_tcp_accept(side), ep, res;
	char buf[BENCH_PP_BYTES];

	if (fd < 0)
		return fd;
	bench_set_nodelay(fd);
	ep = open_epoll(fd);
	while (!(res = receive(fd, ep, buf))) {
		if (send(fd, buf, BENCH_PP_BYTES, 0) != BENCH_PP_BYTES)
			return bench_fail(side, -errno, "send");
		bench_rx_add(side, 1, BENCH_PP_BYTES);
	}
	return bench_fail(side, res, "receive");
}

static int ask(struct bench_side *side, receive_fn receive)
{
	int fd = bench_tcp_connect(side), ep, res = 0;
	char buf[BENCH_PP_BYTES] = { 0 };

	if (fd < 0)
		return fd;
	bench_set_nodelay(fd);
	ep = open_epoll(fd);
	atomic_store(&side->sh->tx_ready, 1);
	while (!res) {
		uint64_t start = bench_now_ns();

		if (send(fd, buf, BENCH_PP_BYTES, 0) != BENCH_PP_BYTES)
			return bench_fail(side, -errno, "send");
		res = receive(fd, ep, buf);
		bench_pp_sample(side, start);
		bench_tx_add(side, 1, BENCH_PP_BYTES);
	}
	return bench_fail(side, res, "receive");
}

static int server_blocking(struct bench_side *side)
{
	return serve(side, side->group->spin ? receive_spinning : receive_blocking);
}

static int server_epoll(struct bench_side *side)
{
	return serve(side, side->group->spin ? receive_epoll_spinning : receive_epoll);
}

int bench_pp_client_blocking(struct bench_side *side)
{
	return ask(side, side->group->spin ? receive_spinning : receive_blocking);
}

static int client_epoll(struct bench_side *side)
{
	return ask(side, side->group->spin ? receive_epoll_spinning : receive_epoll);
}

static int run(const struct bench_group *g, const struct bench_contender *c,
	       const struct bench_settings *set, double *values, struct bench_window *w, char *why)
{
	struct bench_shared *sh = bench_shared_get();
	struct bench_contender one_end = *c;
	uint32_t count;
	int res;

	if (set->one_end)
		one_end.tx = bench_pp_client_blocking;
	res = bench_pair_simple(g, &one_end, set, w, why);
	if (res)
		return res;
	count = atomic_load(&sh->sample_count);
	if (!count) {
		snprintf(why, 256, "no round trip ended");
		return -ENODATA;
	}
	values[METRIC_P50] = bench_percentile_us(sh->sample_ns, count, 0.50);
	values[METRIC_P99] = bench_percentile_us(sh->sample_ns, count, 0.99);
	values[METRIC_MEAN] = w->seconds * 1e6 / (double)w->tx_units;
	values[METRIC_RX] = w->rx_cpu_s * 1e6 / (double)w->tx_units;
	values[METRIC_TX] = w->tx_cpu_s * 1e6 / (double)w->tx_units;
	return 0;
}

static const struct bench_contender contenders[] = {
	{ .name = "blocking",
	  .what = "send and recv; spinning: recv with MSG_DONTWAIT",
	  .rx = server_blocking,
	  .tx = bench_pp_client_blocking },
	{ .name = "epoll",
	  .what = "epoll_wait, recv, send; spinning: epoll_wait with timeout 0",
	  .rx = server_epoll,
	  .tx = client_epoll },
	{ .name = "uring-by-hand",
	  .what = "multishot receive, io_uring_enter, plain send; spinning: without sleep",
	  .rx = bench_pp_server_by_hand,
	  .tx = bench_pp_client_by_hand },
	{ .name = "weir-uring",
	  .what = "weir, uring plane; spinning: spin_us without end",
	  .rx = bench_pp_server_weir_uring,
	  .tx = bench_pp_client_weir_uring },
	{ .name = "weir-epoll",
	  .what = "weir, epoll plane; spinning: spin_us without end",
	  .rx = bench_pp_server_weir_epoll,
	  .tx = bench_pp_client_weir_epoll },
};

static const struct bench_goal goals[] = {
	{ "weir-uring, p50 against blocking", METRIC_P50, "weir-uring", "blocking", false, 1.05 },
	{ "weir-uring, p99 against blocking", METRIC_P99, "weir-uring", "blocking", false, 1.05 },
	{ "weir-epoll, p50 against epoll by hand", METRIC_P50, "weir-epoll", "epoll", false, 1.05 },
	{ "weir-epoll, p99 against epoll by hand", METRIC_P99, "weir-epoll", "epoll", false, 1.05 },
};

#define GROUP(name_, what_, spin_, delay_)                                                         \
	{                                                                                          \
		.name = name_, .what = what_, .contenders = contenders,                            \
		.contender_count = sizeof(contenders) / sizeof(contenders[0]), .metrics = metrics, \
		.metric_count = sizeof(metrics) / sizeof(metrics[0]), .goals = goals,              \
		.goal_count = sizeof(goals) / sizeof(goals[0]), .reference = 0, .run = run,        \
		.delay_limit = delay_, .flows = 1, .spin = spin_,                                  \
	}

const struct bench_group bench_pingpong[2] = {
	GROUP("pingpong-sleep", "TCP 64 B request/response, both ends sleep", false, 0.06),
	GROUP("pingpong-spin", "TCP 64 B request/response, both ends spin", true, 0.03),
};
