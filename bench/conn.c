/* SPDX-License-Identifier: MIT */
/*
 * conn.c - 10,000 TCP connections, some of them active: CPU per message, memory per idle one.
 *
 * Theory:
 *	A trial has phases, each with a window of its own:
 *	  1,000 connections, all active in a closed loop    cost of a message with none idle
 *	  9,000 more, all idle                              memory of an idle one; CPU of none
 *	  10,000 connections, 1,000 active in a closed loop cost of a message with 9,000 idle
 *	  100, then 1,000 active, 20 messages a second each CPU at a given load
 *	Closed loop: the client sends the next message of a connection when the echo of the last is
 *	there.  Paced: sent by the clock.  Memory is taken from the server before and after the
 *	9,000: by its own count (weir: heap_bytes; others: mallinfo2), by its anonymous resident
 *	pages, and by the kernel's slab (both ends of the connections, and what else runs on the
 *	machine).
 */
#include <string.h>

#include "bench.h"

#define OPEN_FEW 1000
#define OPEN_ALL 10000
#define ACTIVE 1000
#define ACTIVE_FEW 100
#define RATE_EACH 20
#define DEADLINE_S 30.0

enum metric_index {
	METRIC_CPU,
	METRIC_RATE,
	METRIC_CPU_FEW,
	METRIC_PACED_FEW,
	METRIC_PACED,
	METRIC_IDLE,
	METRIC_HEAP,
	METRIC_RSS,
	METRIC_SLAB,
};

static const struct bench_metric metrics[] = {
	[METRIC_CPU] = { "CPU us/message", true },
	[METRIC_RATE] = { "k messages/s", false },
	[METRIC_CPU_FEW] = { "same, 0 idle", false },
	[METRIC_PACED_FEW] = { "CPU% 2k msg/s", false },
	[METRIC_PACED] = { "CPU% 20k msg/s", false },
	[METRIC_IDLE] = { "CPU% idle", false },
	[METRIC_HEAP] = { "heap B/idle", false },
	[METRIC_RSS] = { "RSS B/idle", false },
	[METRIC_SLAB] = { "slab B/idle", false },
};

struct memory {
	double heap;
	double rss;
	double slab;
};

static void worst_of(struct bench_window *all, const struct bench_window *one)
{
	all->delay = one->delay > all->delay ? one->delay : all->delay;
	all->steal = one->steal > all->steal ? one->steal : all->steal;
	all->preempted = one->preempted > all->preempted ? one->preempted : all->preempted;
}

/* One phase: command, warm up, window, silence again. */
static int phase(struct bench_pair *p, enum bench_command command, uint32_t active, uint32_t rate,
		 struct bench_window *all, struct bench_window *ret)
{
	int res;

	res = bench_pair_command(p, command, active, rate, DEADLINE_S);
	if (res)
		return res;
	bench_sleep_s(p->side.set->warmup);
	res = bench_pair_window(p, p->side.set->seconds, ret);
	if (res)
		return res;
	worst_of(all, ret);
	return bench_pair_command(p, BENCH_COMMAND_IDLE, 0, 0, DEADLINE_S);
}

static int memory_of(struct bench_pair *p, struct memory *ret)
{
	int res = bench_pair_report(p, DEADLINE_S);

	ret->heap = (double)atomic_load(&p->side.sh->heap_bytes);
	ret->rss = (double)bench_process_rss_bytes(p->rx_pid);
	ret->slab = (double)bench_kernel_slab_bytes();
	return res;
}

static int measure_memory(struct bench_pair *p, double *values)
{
	const double idle = OPEN_ALL - OPEN_FEW;
	struct memory before, after;
	int res;

	res = memory_of(p, &before);
	if (!res)
		res = bench_pair_command(p, BENCH_COMMAND_OPEN, OPEN_ALL, 0, DEADLINE_S);
	if (!res)
		res = memory_of(p, &after);
	if (res)
		return res;
	values[METRIC_HEAP] = (after.heap - before.heap) / idle;
	values[METRIC_RSS] = (after.rss - before.rss) / idle;
	values[METRIC_SLAB] = (after.slab - before.slab) / idle;
	return 0;
}

static double per_message_us(const struct bench_window *w)
{
	return w->tx_units ? w->rx_cpu_s * 1e6 / (double)w->tx_units : 0;
}

static int phases(struct bench_pair *p, double *values, struct bench_window *all)
{
	struct bench_window w;
	int res;

	res = bench_pair_command(p, BENCH_COMMAND_OPEN, OPEN_FEW, 0, DEADLINE_S);
	if (!res)
		res = phase(p, BENCH_COMMAND_LOOP, ACTIVE, 0, all, &w);
	if (res)
		return res;
	values[METRIC_CPU_FEW] = per_message_us(&w);
	res = measure_memory(p, values);
	if (!res)
		res = phase(p, BENCH_COMMAND_IDLE, 0, 0, all, &w);
	if (res)
		return res;
	values[METRIC_IDLE] = 100 * w.rx_cpu_s / w.seconds;
	res = phase(p, BENCH_COMMAND_LOOP, ACTIVE, 0, all, &w);
	if (res)
		return res;
	values[METRIC_CPU] = per_message_us(&w);
	values[METRIC_RATE] = (double)w.tx_units * 1e-3 / w.seconds;
	res = phase(p, BENCH_COMMAND_PACED, ACTIVE_FEW, ACTIVE_FEW * RATE_EACH, all, &w);
	if (res)
		return res;
	values[METRIC_PACED_FEW] = 100 * w.rx_cpu_s / w.seconds;
	res = phase(p, BENCH_COMMAND_PACED, ACTIVE, ACTIVE * RATE_EACH, all, &w);
	values[METRIC_PACED] = 100 * w.rx_cpu_s / w.seconds;
	return res;
}

static int run(const struct bench_group *g, const struct bench_contender *c,
	       const struct bench_settings *set, double *values, struct bench_window *w, char *why)
{
	struct bench_pair p;
	int res;

	res = bench_raise_files(OPEN_ALL + 200);
	if (res) {
		snprintf(why, 256, "RLIMIT_NOFILE under %d: %s", OPEN_ALL + 200, strerror(-res));
		return res;
	}
	res = bench_pair_start(&p, g, c, set);
	if (!res)
		res = phases(&p, values, w);
	bench_pair_stop(&p, why);
	if (res && !why[0])
		snprintf(why, 256, "an end stopped: %s", strerror(-res));
	return res;
}

static const struct bench_contender contenders[] = {
	{ .name = "epoll", .what = "epoll_wait, recv, send by hand", .rx = bench_conn_rx_epoll },
	{ .name = "libuv",
	  .what = "libuv: uv_read_start, uv_try_write",
	  .rx = bench_conn_rx_uv,
	  .missing = bench_conn_uv_missing },
	{ .name = "weir-uring", .what = "weir, uring plane", .rx = bench_conn_rx_weir_uring },
	{ .name = "weir-epoll", .what = "weir, epoll plane", .rx = bench_conn_rx_weir_epoll },
};

static const struct bench_goal goals[] = {
	{ "weir-uring, memory of an idle connection (bytes, own count)", METRIC_HEAP, "weir-uring",
	  NULL, false, 1024 },
	{ "weir-uring, memory of an idle connection (bytes, resident)", METRIC_RSS, "weir-uring",
	  NULL, false, 1024 },
	{ "weir-epoll, memory of an idle connection (bytes, resident)", METRIC_RSS, "weir-epoll",
	  NULL, false, 1024 },
	{ "weir-uring, CPU per message against epoll by hand", METRIC_CPU, "weir-uring", "epoll",
	  false, 1.0 },
	{ "weir-uring, CPU per message against libuv", METRIC_CPU, "weir-uring", "libuv", false,
	  1.0 },
};

const struct bench_group bench_connections = {
	.name = "connections",
	.what = "echo of 128 B, 10,000 TCP connections, 1,000 active",
	.contenders = contenders,
	.contender_count = sizeof(contenders) / sizeof(contenders[0]),
	.metrics = metrics,
	.metric_count = sizeof(metrics) / sizeof(metrics[0]),
	.goals = goals,
	.goal_count = sizeof(goals) / sizeof(goals[0]),
	.reference = 0,
	.run = run,
	.tx = bench_conn_client,
	.delay_limit = 0.05,
	.flows = OPEN_ALL,
	.rounds_max = 3,
};
