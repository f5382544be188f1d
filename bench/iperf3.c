/* SPDX-License-Identifier: MIT */
/*
 * iperf3.c - the iperf3 servers as contenders: stock, and weir's, both driven by stock iperf3 -c.
 *
 * Theory:
 *	The ends become the programs (exec keeps the pid and the pinning), so the harness measures
 *	them like any other end: CPU by the process's CPU clock, bytes by TCP_INFO.  Both run far
 *	longer than a window and are killed.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static int become(struct bench_side *side, const char *program, char *const argv[])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	execvp(program, argv);
	return bench_fail(side, -errno, program);
}

static int serve(struct bench_side *side, const char *program, const char *argument)
{
	char port[8];
	char *argv[] = { (char *)program,
			 (char *)argument,
			 (char *)"-s",
			 (char *)"-1",
			 (char *)"-p",
			 port,
			 NULL };
	int res;

	res = bench_free_port(&side->sh->port);
	if (res)
		return bench_fail(side, res, "port");
	snprintf(port, sizeof(port), "%u", side->sh->port);
	if (!argument)
		memmove(&argv[1], &argv[2], 5 * sizeof(argv[0]));
	/* The client waits until the port listens. */
	atomic_store(&side->sh->rx_ready, 1);
	return become(side, program, argv);
}

int bench_iperf3_rx(struct bench_side *side)
{
	return serve(side, "iperf3", NULL);
}

int bench_iperf3_rx_weir(struct bench_side *side)
{
	return serve(side, side->set->weir_path, "iperf3");
}

int bench_iperf3_tx(struct bench_side *side)
{
	char port[8];
	char *argv[] = { (char *)"iperf3",
			 (char *)"-c",
			 (char *)"127.0.0.1",
			 (char *)"-p",
			 port,
			 (char *)"-t",
			 (char *)"3600",
			 (char *)"-i",
			 (char *)"0",
			 (char *)"-C",
			 (char *)side->set->congestion,
			 NULL };
	double end = bench_now_s() + 5;

	if (!side->set->congestion)
		argv[9] = NULL;
	snprintf(port, sizeof(port), "%u", side->sh->port);
	while (!bench_tcp_port_listens(side->sh->port)) {
		if (bench_now_s() > end)
			return bench_fail(side, -ETIMEDOUT, "server does not listen");
		bench_sleep_s(0.002);
	}
	atomic_store(&side->sh->tx_ready, 1);
	return become(side, "iperf3", argv);
}

const char *bench_iperf3_missing(const struct bench_settings *set)
{
	char path[1024], file[1100];
	const char *env = getenv("PATH");
	char *save = NULL;

	(void)set;
	snprintf(path, sizeof(path), "%s", env ? env : "/usr/bin:/bin");
	for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/iperf3", dir);
		if (!access(file, X_OK))
			return NULL;
	}
	return "no iperf3 in PATH";
}

const char *bench_iperf3_weir_missing(const struct bench_settings *set)
{
	if (!set->weir_path[0] || access(set->weir_path, X_OK))
		return "no weir command (--weir PATH)";
	return bench_iperf3_missing(set);
}
