/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-zcraw: scenarios of zero-copy receive against the kernel, without any library.
 *
 * Theory: what the library does is only worth as much as what the kernel and the test NIC do under
 * it.  This program registers queues, receives and returns buffers by itself, in its own reading of
 * the interface, and so tells a fault of the kernel or of the NIC from one of the library.  The
 * tables of the other files are the scenarios; each runs in a process of its own, is ended after a
 * deadline, and what it changed is undone after it.  "weir-zcraw list" prints them all.
 */
#include "zcraw.h"

#include <stdio.h>
#include <string.h>

static const struct scenario *const tables[] = { scenarios_move,  scenarios_hard, scenarios_life,
						 scenarios_fault, scenarios_send, scenarios_devmem,
						 scenarios_cycle, scenarios_xdp };

static int usage(FILE *to)
{
	fputs("usage: weir-zcraw [seed=N] SCENARIO...\n"
	      "       weir-zcraw list\n"
	      "       weir-zcraw probe STATS\n"
	      "       weir-zcraw qstats DEV [queue|device]\n"
	      "       weir-zcraw trial DEV QUEUE\n"
	      "       weir-zcraw occupy zcrx|devmem|xsk|xdp DEV QUEUE\n"
	      "       weir-zcraw hds DEV BYTES\n"
	      "Namespaces a (" RX_NIC ", receiver) and b (" TX_NIC ", sender) must be there.\n"
	      "Exit: 0 all passed, 77 none failed and some were skipped, 1 some failed, 2 usage.\n",
	      to);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
		return usage(stdout);
	if (argc == 3 && !strcmp(argv[1], "probe"))
		return probe(argv[2]);
	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "qstats"))
		return qstats(argv[2], argc == 4 ? argv[3] : "queue");
	if (argc == 4 && !strcmp(argv[1], "trial"))
		return trial(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "hds"))
		return hds(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "occupy"))
		return occupy(argv[2], argv[3], argv[4]);
	if (argc < 2)
		return usage(stderr);
	return scenarios_main("weir-zcraw", tables, sizeof tables / sizeof *tables, argc, argv);
}
