/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - what weir's data path asks of the kernel and of malloc, per packet.
 *
 * Theory:
 *	Two windows in each trial.  In the first the receiving end runs as always; the library's own
 *	count of system calls (weir_engine_stats.syscalls) and the process's count of malloc, calloc
 *	and realloc give calls per packet (a datagram, a message, or 128 KiB written by the bulk
 *	sender).  In the second the end is traced with ptrace(2) and every system call is counted
 *	by the kernel's own report; "traced/counted" is that number over the library's, and must
 *	be 1: the library's count hides nothing.  Speed means nothing here.
 * Sources: ptrace(2), PTRACE_O_TRACESYSGOOD.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define CHUNK_BYTES (128 * 1024)
#define DATAGRAM_BYTES 128
#define TRAIN 64
#define ECHO_CONNS 1000
#define GROWTH 0.002 /* free lists may grow a little; test_quiet_path.c is strict about it */

enum metric_index { METRIC_CALLS, METRIC_ALLOCATIONS, METRIC_RATE, METRIC_CHECK };

static const struct bench_metric metrics[] = {
	[METRIC_CALLS] = { "syscalls/packet", false },
	[METRIC_ALLOCATIONS] = { "allocs/packet", false },
	[METRIC_RATE] = { "k packets/s", false },
	[METRIC_CHECK] = { "traced/counted", false },
};

/*
 * Counts the system calls of @pid for @seconds, and by how much @own grew meanwhile; both begin and
 * end while the process is stopped.  Of two stops one is the entry, the other the exit.
 */
int bench_count_syscalls(pid_t pid, double seconds, _Atomic uint64_t *own, uint64_t *rettraced,
			 uint64_t *retown)
{
	double end = bench_now_s() + seconds;
	uint64_t stops = 0, own_before = 0;
	bool begun = false, ending = false;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		return -errno;
	for (;;) {
		pid_t got = waitpid(pid, &status, __WALL | WNOHANG);

		if (got < 0 || (got == pid && !WIFSTOPPED(status)))
			return -ECHILD;
		if (!got) {
			if (!ending && bench_now_s() > end) {
				ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
				ending = true;
			}
			bench_sleep_s(0.00002);
			continue;
		}
		if (!begun)
			own_before = atomic_load(own);
		begun = true;
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
		if (bench_now_s() > end)
			break;
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL))
			return -errno;
	}
	*retown = atomic_load(own) - own_before;
	*rettraced = stops / 2;
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

/*
 * The senders.  Each workload has one; what they send is what the other groups' senders send.
 */
static int tx_bulk(struct bench_side *side)
{
	void *buf = bench_buffer(CHUNK_BYTES);
	int fd = bench_tcp_connect(side);
	ssize_t n;

	if (fd < 0)
		return fd;
	atomic_store(&side->sh->tx_ready, 1);
	while ((n = write(fd, buf, CHUNK_BYTES)) > 0)
		bench_tx_add(side, 1, (uint64_t)n);
	return bench_fail(side, -errno, "write");
}

static int tx_udp(struct bench_side *side)
{
	struct bench_side single = *side;

	single.group = &bench_udp[0];
	return bench_udp[0].tx(&single);
}

static int tx_udp_gso(struct bench_side *side)
{
	struct bench_side gso = *side;

	gso.group = &bench_udp[2];
	return bench_udp[2].tx(&gso);
}

static int tx_pingpong(struct bench_side *side)
{
	return bench_pp_client_blocking(side);
}

/* Two windows; the command is for the client of many connections and empty for the others. */
static int windows(struct bench_pair *p, double *values, struct bench_window *w)
{
	struct bench_shared *sh = p->side.sh;
	uint64_t calls, allocations, traced = 0;
	double packets;
	int res;

	bench_sleep_s(p->side.set->warmup);
	calls = atomic_load(&sh->syscalls);
	allocations = atomic_load(&sh->allocations);
	res = bench_pair_window(p, p->side.set->seconds, w);
	if (res)
		return res;
	calls = atomic_load(&sh->syscalls) - calls;
	allocations = atomic_load(&sh->allocations) - allocations;
	packets = (double)(w->tx_units < w->rx_units || !w->rx_units ? w->tx_units : w->rx_units);
	if (packets < 1)
		return bench_fail(&p->side, -ENODATA, "nothing received");
	values[METRIC_CALLS] = (double)calls / packets;
	values[METRIC_ALLOCATIONS] = (double)allocations / packets;
	values[METRIC_RATE] = packets * 1e-3 / w->seconds;
	res = bench_count_syscalls(p->rx_pid, p->side.set->seconds, &sh->syscalls, &traced, &calls);
	values[METRIC_CHECK] = calls ? (double)traced / (double)calls : 0;
	return res;
}

static int run(const struct bench_group *g, const struct bench_contender *c,
	       const struct bench_settings *set, double *values, struct bench_window *w, char *why)
{
	struct bench_pair p;
	int res;

	res = bench_raise_files(ECHO_CONNS + 200);
	if (!res)
		res = bench_pair_start(&p, g, c, set);
	if (!res && c->tx == bench_conn_client)
		res = bench_pair_command(&p, BENCH_COMMAND_OPEN, ECHO_CONNS, 0, 10);
	if (!res && c->tx == bench_conn_client)
		res = bench_pair_command(&p, BENCH_COMMAND_LOOP, ECHO_CONNS, 0, 10);
	if (!res)
		res = windows(&p, values, w);
	bench_pair_stop(&p, why);
	if (res && !why[0])
		snprintf(why, 256, "%s", strerror(-res));
	return res;
}

static const struct bench_contender contenders[] = {
	{ .name = "bulk-uring",
	  .what = "TCP bulk, packet = 128 KiB written",
	  .rx = bench_tcp_rx_weir_uring,
	  .tx = tx_bulk },
	{ .name = "bulk-epoll",
	  .what = "the same, epoll plane",
	  .rx = bench_tcp_rx_weir_epoll,
	  .tx = tx_bulk },
	{ .name = "udp-uring",
	  .what = "UDP 128 B one by one",
	  .rx = bench_udp_rx_weir_uring,
	  .tx = tx_udp },
	{ .name = "udp-epoll",
	  .what = "the same, epoll plane",
	  .rx = bench_udp_rx_weir_epoll,
	  .tx = tx_udp },
	{ .name = "udp-gso-uring",
	  .what = "UDP 128 B in trains of 64",
	  .rx = bench_udp_rx_weir_uring,
	  .tx = tx_udp_gso },
	{ .name = "udp-gso-epoll",
	  .what = "the same, epoll plane",
	  .rx = bench_udp_rx_weir_epoll,
	  .tx = tx_udp_gso },
	{ .name = "pingpong-uring",
	  .what = "TCP 64 B request/response, server",
	  .rx = bench_pp_server_weir_uring,
	  .tx = tx_pingpong },
	{ .name = "pingpong-epoll",
	  .what = "the same, epoll plane",
	  .rx = bench_pp_server_weir_epoll,
	  .tx = tx_pingpong },
	{ .name = "echo1000-uring",
	  .what = "echo of 128 B on 1,000 connections",
	  .rx = bench_conn_rx_weir_uring,
	  .tx = bench_conn_client },
	{ .name = "echo1000-epoll",
	  .what = "the same, epoll plane",
	  .rx = bench_conn_rx_weir_epoll,
	  .tx = bench_conn_client },
};

static const struct bench_goal goals[] = {
	{ "uring, UDP, allocations per packet", METRIC_ALLOCATIONS, "udp-uring", NULL, false,
	  GROWTH },
	{ "uring, 1,000 connections, allocations per message", METRIC_ALLOCATIONS, "echo1000-uring",
	  NULL, false, GROWTH },
	{ "epoll, 1,000 connections, allocations per message", METRIC_ALLOCATIONS, "echo1000-epoll",
	  NULL, false, GROWTH },
	{ "uring, trains, system calls per datagram", METRIC_CALLS, "udp-gso-uring", NULL, false,
	  0.1 },
	{ "uring, 1,000 connections, system calls per message", METRIC_CALLS, "echo1000-uring",
	  NULL, false, 0.1 },
};

const struct bench_group bench_syscalls = {
	.name = "syscalls",
	.what = "system calls and allocations per packet, counted by weir and by ptrace",
	.contenders = contenders,
	.contender_count = sizeof(contenders) / sizeof(contenders[0]),
	.metrics = metrics,
	.metric_count = sizeof(metrics) / sizeof(metrics[0]),
	.goals = goals,
	.goal_count = sizeof(goals) / sizeof(goals[0]),
	.reference = 0,
	.run = run,
	.delay_limit = 1,
	.flows = ECHO_CONNS,
	.rounds_max = 2,
	.publish = true,
};
