/* SPDX-License-Identifier: MIT */
/*
 * s_cost.c - what the receiver costs beside the plane uring, and which plane is taken by itself.
 *
 * Theory: the same stream is received by the two planes in turn, round by round, so that what
 * disturbs the machine disturbs both.  The receiver has one CPU, the sender with the NIC's receive
 * side the other.  What is compared is the CPU time of the receiving thread per megabyte; medians
 * count.  The content is verified in other scenarios: a payload that nobody reads is what the NIC
 * saves a copy for.
 */
#include "zctest.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ROUNDS_MAX 5
#define ROUND_BYTES (16u << 20)

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		skip("one CPU only");
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double one_round(enum weir_plane plane)
{
	struct zt_wish wish = { .bytes = ROUND_BYTES,
				.no_check = true,
				.engine = { .plane = plane, .area_bytes = 16u << 20 } };
	struct zt_senders s = { 0 };
	static struct zt z;
	double used;

	pin(0); /* inherited by the sender */
	zt_senders_start(&s, &wish);
	pin(1);
	zt_open(&z, &wish);
	zt_listen(&z);
	used = cpu_s();
	zt_senders_go(&s);
	zt_until(&z, zt_all_ended, ZT_DEADLINE_MS, "the end of the stream");
	used = cpu_s() - used;
	if (z.bytes != ROUND_BYTES)
		fail("%llu bytes", (unsigned long long)z.bytes);
	zt_until(&z, zt_all_closed, 5000, "all sockets closed");
	zt_senders_end(&s);
	if (plane == WEIR_PLANE_ZCRX)
		zt_prove((struct zt *[]){ &z }, 1, &s, ZT_PLACED);
	zt_close(&z);
	return used * 1e3 / (ROUND_BYTES >> 20);
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void run_cpu(const struct scenario *self)
{
	const char *given = getenv("ZCTEST_ROUNDS");
	int rounds = given ? atoi(given) : ROUNDS_MAX;
	double zcrx[ROUNDS_MAX], uring[ROUNDS_MAX];

	(void)self;
	zt_need();
	if (rounds < 1 || rounds > ROUNDS_MAX)
		fail("ZCTEST_ROUNDS: 1 to %d", ROUNDS_MAX);
	for (int i = 0; i < rounds; i++) {
		zcrx[i] = one_round(WEIR_PLANE_ZCRX);
		uring[i] = one_round(WEIR_PLANE_URING);
	}
	qsort(zcrx, rounds, sizeof *zcrx, order);
	qsort(uring, rounds, sizeof *uring, order);
	say(" receiver's CPU ms per MiB: zcrx %.3f (%.3f to %.3f), uring %.3f (%.3f to %.3f), "
	    "ratio %.2f",
	    zcrx[rounds / 2], zcrx[0], zcrx[rounds - 1], uring[rounds / 2], uring[0],
	    uring[rounds - 1], zcrx[rounds / 2] / uring[rounds / 2]);
	/* Said, not asserted: an emulated processor that had to wait counts that as its time. */
}

/* By itself: zcrx where a NIC is named and can, else uring, with a sentence. */
static void run_auto(const struct scenario *self)
{
	struct weir_engine_opts with = { .size = sizeof with, .ifname = RX_NIC };
	struct weir_engine_opts without = { .size = sizeof without, .ifname = "" };
	struct weir_engine_opts cannot = { .size = sizeof cannot, .ifname = "lo" };
	struct weir_error err = { 0 };
	struct weir_engine *e;

	(void)self;
	zt_need();
	if (weir_engine_open(&e, &with, &err))
		fail("no engine: %s", err.hint);
	say(" with " RX_NIC ": \"%s\";", weir_engine_why(e));
	if (weir_engine_plane(e) != WEIR_PLANE_ZCRX)
		fail("not zcrx: %s", weir_engine_why(e));
	weir_engine_close(e);
	if (weir_engine_open(&e, &without, &err))
		fail("no engine: %s", err.hint);
	if (weir_engine_plane(e) != WEIR_PLANE_URING)
		fail("without a NIC: %s", weir_engine_why(e));
	weir_engine_close(e);
	if (weir_engine_open(&e, &cannot, &err))
		fail("no engine: %s", err.hint);
	say(" with lo: \"%s\"", weir_engine_why(e));
	if (weir_engine_plane(e) != WEIR_PLANE_URING || !strstr(weir_engine_why(e), "lo"))
		fail("lo: %s", weir_engine_why(e));
	weir_engine_close(e);
}

/* For scripts: is there anything to test? */
static void run_need(const struct scenario *self)
{
	(void)self;
	zt_need();
}

const struct scenario scenarios_cost[] = {
	{ "need", "skipped where the kernel has no zero-copy receive", run_need, NULL },
	{ "cpu", "the receiver's CPU time beside the plane uring", run_cpu, NULL },
	{ "auto", "which plane is taken by itself, and why", run_auto, NULL },
	{ NULL, NULL, NULL, NULL }
};
