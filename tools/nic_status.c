// SPDX-License-Identifier: MIT
/*
 * nic_status.c - weir nic status: the state of interfaces, as text or JSON; changes nothing.
 *
 * Theory: the states are read first, then printed: named interfaces in full, all of a network
 *	namespace a line each.  --json prints both in full.
 * Invariants:
 *	1. with --json stdout is one JSON document, also where an interface could not be read.
 *	2. an interface that was not named and is gone when its turn comes is left out.
 * Ownership: struct states, on the stack of nic_status(), owns the states.
 * Threads: one.
 * Errors: a line on stderr for each interface that cannot be read, and exit code 1; the others are
 *	printed.
 * Sources: if_nameindex(3).
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nic_status.h"
#include "weir_tool.h"

struct states {
	const struct weir_nic_info **at;
	unsigned count;
	bool failed;
	cJSON *document; /* NULL: text is wanted */
	cJSON *list;
};

static bool json;

static const struct opt options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .target = &json,
	  .help = "print one JSON document; what is not known is null in it" },
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir nic status",
	.operands = "[IFACE...]",
	.about = "Show what there is to know of interfaces for zero-copy receive: queues and who "
		 "uses them, header split, RSS, flow rules, and what weir holds there. Without "
		 "IFACE all but the loopback device, a line each.",
	.opts = options,
	.operands_max = 64,
};

static void failure(struct states *s, const char *name, const struct weir_error *err)
{
	char text[512];
	cJSON *entry;

	s->failed = true;
	tool_error_text(err, text, sizeof(text));
	fprintf(stderr, "weir nic status: %s\n", text);
	if (!s->document)
		return;
	entry = cJSON_CreateObject();
	cJSON_AddStringToObject(entry, "interface", name);
	cJSON_AddStringToObject(entry, "error", text);
	cJSON_AddItemToArray(s->list, entry);
}

/* @named: by the user, so that it must be there. */
static void add(struct states *s, const char *name, bool named)
{
	const struct weir_nic_info *info, **grown;
	struct weir_error err = { 0 };
	int r = weir_nic_info_read(&info, name, &err);

	if (r == -ENODEV && !named)
		return;
	if (r) {
		failure(s, name, &err);
		return;
	}
	if (s->document)
		cJSON_AddItemToArray(s->list, nic_status_json(info));
	grown = realloc(s->at, (s->count + 1) * sizeof(*grown));
	if (!grown) {
		weir_nic_info_free(info);
		fputs("weir nic status: out of memory\n", stderr);
		s->failed = true;
		return;
	}
	s->at = grown;
	grown[s->count++] = info;
}

static void add_all(struct states *s)
{
	struct if_nameindex *names = if_nameindex();

	if (!names) {
		fprintf(stderr, "weir nic status: interfaces cannot be listed: %s\n",
			strerror(errno));
		s->failed = true;
		return;
	}
	for (const struct if_nameindex *n = names; n->if_name; n++)
		if (strcmp(n->if_name, "lo"))
			add(s, n->if_name, false);
	if_freenameindex(names);
}

static void print(const struct states *s, bool named)
{
	if (named) {
		for (unsigned i = 0; i < s->count; i++) {
			if (i)
				putchar('\n');
			nic_status_text(stdout, s->at[i]);
		}
	} else if (s->count) {
		nic_status_list(stdout, s->at, s->count);
	} else if (!s->failed) {
		puts("no interface but the loopback device in this network namespace");
	}
}

int nic_status(int argc, char **argv)
{
	struct states s = { 0 };
	int first, code;

	json = false;
	code = opt_main(&spec, argc, argv, &first);
	if (code >= 0)
		return code;
	if (json) {
		s.document = cJSON_CreateObject();
		s.list = cJSON_AddArrayToObject(s.document, "interfaces");
	}
	for (int i = first; i < argc; i++)
		add(&s, argv[i], true);
	if (first == argc)
		add_all(&s);
	if (json)
		s.failed |= tool_print_json("weir nic status", s.document) != TOOL_EXIT_OK;
	else
		print(&s, first < argc);
	for (unsigned i = 0; i < s.count; i++)
		weir_nic_info_free(s.at[i]);
	free(s.at);
	return s.failed ? TOOL_EXIT_FAILED : TOOL_EXIT_OK;
}
