/* SPDX-License-Identifier: MIT */
/*
 * nic.c - weir nic: the table of its subcommands; restore.
 *
 * Theory: weir nic WORD [ARGUMENTS] calls the function in the word's row.  status and plan only
 *	read; apply changes with a journal, restore puts back what the journals say.
 * Invariants: 1. a word is known exactly when it has a row.
 * Ownership: none.
 * Threads: one.
 * Errors: a line on stderr; 1 where something could not be done, 2 for usage.
 * Sources: none.
 * Tests: tests/netns/nic_apply.sh, tests/vm/t/nic_apply.sh, tests/cli/nic_args.sh
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

#include "nic_cmd.h"
#include "weir_tool.h"

/* ----------------------------------------------------------------------------- restore */

static bool dead_only, alive_too, forget;

static const struct opt restore_options[] = {
	{ .name = "dead-only",
	  .kind = OPT_FLAG,
	  .target = &dead_only,
	  .group = 1,
	  .help = "only what processes left that have ended; what 'weir nic apply' set stays" },
	{ .name = "alive",
	  .kind = OPT_FLAG,
	  .target = &alive_too,
	  .group = 1,
	  .help = "also what running processes hold: their zero-copy receive may end by that" },
	{ .name = "forget",
	  .kind = OPT_FLAG,
	  .target = &forget,
	  .help = "drop what cannot be put back from the journal: nobody will try again" },
	{ .kind = OPT_END },
};

static const struct opt_spec restore_spec = {
	.command = "weir nic restore",
	.operands = "[IFACE...]",
	.about = "Put back what weir changed: what ended processes left behind and what 'weir nic "
		 "apply' set. Without IFACE: on all interfaces of this network namespace. What "
		 "somebody else changed meanwhile is left alone and named.",
	.opts = restore_options,
	.notes = "Exit code: 0 all is put back that was to be, 1 something could not be, 2 bad "
		 "arguments.\n",
	.operands_max = 64,
};

static void say(void *user, const char *line)
{
	(void)user;
	puts(line);
}

static unsigned restore_flags(void)
{
	unsigned flags = forget ? WEIR_NIC_RESTORE_FORGET : 0;

	if (!dead_only)
		flags |= WEIR_NIC_RESTORE_KEPT;
	return alive_too ? flags | WEIR_NIC_RESTORE_ALIVE : flags;
}

/* 0, or the exit code; @quiet: nothing is said of an interface with nothing to undo. */
static int restore_one(const char *ifname, bool quiet)
{
	struct weir_nic_restored done = { 0 };
	struct weir_error err = { 0 };
	char text[512];
	int r = weir_nic_restore(ifname, restore_flags(), say, NULL, &done, &err);

	if (r) {
		fprintf(stderr, "weir nic restore: %s\n",
			tool_error_text(&err, text, sizeof(text)));
		if (done.failed)
			fprintf(stderr,
				"weir nic restore: %s: %u changes could not be put back; %s\n",
				ifname, done.failed,
				forget ? "the journal has forgotten them" :
					 "they stay in the journal (--forget drops them)");
		return TOOL_EXIT_FAILED;
	}
	if (!quiet || done.undone || done.left_alone || done.held) {
		printf("%s: %u changes put back", ifname, done.undone);
		if (done.left_alone)
			printf(", %u left alone (changed by somebody else)", done.left_alone);
		if (done.held)
			printf(", %u held by others ('weir nic status %s')", done.held, ifname);
		putchar('\n');
	}
	return TOOL_EXIT_OK;
}

static int restore_all(void)
{
	struct if_nameindex *list = if_nameindex();
	int code = TOOL_EXIT_OK;

	if (!list) {
		fputs("weir nic restore: the interfaces cannot be listed\n", stderr);
		return TOOL_EXIT_FAILED;
	}
	for (const struct if_nameindex *i = list; i->if_index; i++)
		if (restore_one(i->if_name, true))
			code = TOOL_EXIT_FAILED;
	if_freenameindex(list);
	return code;
}

int nic_restore(int argc, char **argv)
{
	int first, result = TOOL_EXIT_OK;
	int code = opt_main(&restore_spec, argc, argv, &first);

	if (code >= 0)
		return code;
	if (first == argc)
		return restore_all();
	for (int i = first; i < argc; i++)
		if (restore_one(argv[i], false))
			result = TOOL_EXIT_FAILED;
	return result;
}

/* --------------------------------------------------------------------- the subcommands */

struct word {
	const char *name;
	const char *about;
	int (*run)(int argc, char **argv);
};

static const struct word words[] = {
	{ "status", "show interfaces, their queues and who holds them", nic_status },
	{ "plan", "show what would be changed, and how ethtool would", nic_plan },
	{ "apply", "change it, with a journal", nic_apply },
	{ "restore", "put back what the journals say", nic_restore },
	{ NULL, NULL, NULL },
};

static const char *word_at(const void *user, unsigned i)
{
	(void)user;
	return words[i].name;
}

static void print_usage(FILE *to)
{
	fputs("Usage: weir nic WORD [ARGUMENTS]\n"
	      "       weir nic WORD --help\n\n",
	      to);
	for (const struct word *w = words; w->name; w++)
		fprintf(to, "  %-8s %s\n", w->name, w->about);
}

int cmd_nic(int argc, char **argv)
{
	const char *near;

	if (argc < 2) {
		print_usage(stderr);
		return TOOL_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_usage(stdout);
		return TOOL_EXIT_OK;
	}
	for (const struct word *w = words; w->name; w++)
		if (!strcmp(w->name, argv[1]))
			return w->run(argc - 1, argv + 1);
	near = tool_nearest(argv[1], word_at, NULL);
	fprintf(stderr, "weir nic: unknown word '%.80s'%s%s%s\nTry 'weir nic --help'.\n", argv[1],
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return TOOL_EXIT_USAGE;
}
