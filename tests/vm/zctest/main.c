/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-zctest: scenarios of the plane zcrx and of sends without a copy, through the
 * public interface only.
 *
 * Theory: weir-zcraw shows what the kernel and the test NIC do by themselves; this program shows
 * what a user of the library gets.  Each scenario runs in a process of its own (zcraw/run.c).
 */
#include "send.h"

#include <stdio.h>
#include <stdlib.h>

static const struct scenario *const tables[] = { scenarios_bulk,    scenarios_memory,
						 scenarios_trouble, scenarios_ends,
						 scenarios_hold,    scenarios_cost,
						 scenarios_send,    scenarios_send_ends };

int main(int argc, char **argv)
{
	const char *limit_s = getenv("ZCTEST_LIMIT_S");
	int code;

	if (limit_s)
		scenario_limit_ms = atol(limit_s) * 1000;
	code = scenarios_main("weir-zctest", tables, sizeof tables / sizeof *tables, argc, argv);
	if (code == EXIT_USAGE)
		fputs("usage: weir-zctest [seed=N] SCENARIO...\n"
		      "       weir-zctest list\n"
		      "Namespaces a (" RX_NIC ", receiver) and b (" TX_NIC ", sender) must be "
		      "there.\n"
		      "Environment: ZCTEST_LIMIT_S, ZCTEST_MIB, ZCTEST_CYCLES, ZCTEST_KILLS, "
		      "ZCTEST_ROUNDS,\nZCTEST_PLANE (another plane; placement is not looked at).\n"
		      "Exit: 0 all passed, 77 none failed and some were skipped, 1 some failed, "
		      "2 usage.\n",
		      stderr);
	return code;
}
