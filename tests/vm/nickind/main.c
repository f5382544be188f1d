// SPDX-License-Identifier: MIT
/*
 * main.c - weir-nickind: one call of one kind of change, from the command line.
 *
 * Theory: the kinds of changes of src/nic (nic.h) are called by plans and by the journal only.
 *	This program lets a script call them one by one, and compare each with what ethtool says:
 *
 *	weir-nickind IFACE get KIND KEY                       prints the value
 *	weir-nickind IFACE set KIND KEY VALUE                 sets it and reads it back
 *	weir-nickind IFACE target KIND KEY BASE WANT...       prints what would be set
 *	weir-nickind IFACE line KIND KEY VALUE                prints the command line for it
 *	weir-nickind IFACE make|list|line KIND SPEC           prints the handle, handles, line
 *	weir-nickind IFACE check|remove|line KIND SPEC HANDLE
 *
 *	Where a key is needed and there is none, "-" stands for it.  What failed is printed with its
 *	errno's name on the first line, so that a script can look for it, and the status is 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nic/nic.h"

static int failed(int r, const struct weir_error *err)
{
	fprintf(stderr, "%s\n", strerrorname_np(-r));
	weir_error_print(stderr, err);
	return 1;
}

static int usage(void)
{
	fputs("weir-nickind IFACE get|set|target|line|make|list|check|remove KIND ...\n", stderr);
	return 2;
}

/* A result: printed, or the failure. */
static int done(int r, char *text, const struct weir_error *err)
{
	if (r)
		return failed(r, err);
	puts(text);
	free(text);
	return 0;
}

static int set(struct nic_ctx *ctx, const struct nic_setting_kind *kind, const char *key,
	       const char *to)
{
	struct weir_error err = { 0 };
	char *from = NULL, *now = NULL;
	int r = kind->get(ctx, key, &from, &err);

	if (!r)
		r = kind->set(ctx, key, from, to, &err);
	free(from);
	if (!r)
		r = kind->get(ctx, key, &now, &err);
	if (!r && strcmp(now, to))
		fprintf(stderr, "EIO\nset to \"%s\", reads \"%s\"\n", to, now);
	r = r ? failed(r, &err) : strcmp(now, to) != 0;
	free(now);
	return r;
}

static int setting(struct nic_ctx *ctx, const struct nic_setting_kind *kind, int n, char **args)
{
	const char *verb = args[0], *key = n > 2 && strcmp(args[2], "-") ? args[2] : "";
	struct weir_error err = { 0 };
	char line[512], *text = NULL;
	int r;

	if (!strcmp(verb, "get") && n == 3) {
		r = kind->get(ctx, key, &text, &err);
		return done(r, text, &err);
	}
	if (!strcmp(verb, "set") && n == 4)
		return set(ctx, kind, key, args[3]);
	if (!strcmp(verb, "target") && n >= 5) {
		r = kind->target(ctx, key, args[3], (const char *const *)args + 4, (unsigned)n - 4,
				 &text, &err);
		return done(r, text, &err);
	}
	if (!strcmp(verb, "line") && n == 4) {
		kind->ethtool(ctx->ifname, key, "", args[3], line, sizeof(line));
		puts(line);
		return 0;
	}
	return usage();
}

static int object(struct nic_ctx *ctx, const struct nic_object_kind *kind, int n, char **args)
{
	const char *verb = args[0], *spec = args[2], *handle = n > 3 ? args[3] : NULL;
	struct weir_error err = { 0 };
	char line[512], *text = NULL;
	int r;

	if (n != 3 && n != 4)
		return usage();
	if (!strcmp(verb, "line")) {
		kind->ethtool(ctx->ifname, spec, handle, line, sizeof(line));
		puts(line);
		return 0;
	}
	if (!strcmp(verb, "make") && !handle) {
		r = kind->make(ctx, spec, &text, &err);
		return done(r, text, &err);
	}
	if (!strcmp(verb, "list") && !handle) {
		r = kind->list(ctx, spec, &text, &err);
		return done(r, text, &err);
	}
	if (!handle)
		return usage();
	if (!strcmp(verb, "check"))
		r = kind->check(ctx, spec, handle);
	else if (!strcmp(verb, "remove"))
		r = kind->remove(ctx, spec, handle, &err);
	else
		return usage();
	return r ? failed(r, &err) : 0;
}

int main(int argc, char **argv)
{
	const struct nic_setting_kind *setting_kind;
	const struct nic_object_kind *object_kind;
	struct weir_error err = { 0 };
	struct nic_ctx ctx;
	int r;

	if (argc < 5)
		return usage();
	setting_kind = nic_setting_kind_find(argv[3]);
	object_kind = nic_object_kind_find(argv[3]);
	if (!setting_kind && !object_kind)
		return usage();
	r = nic_ctx_init(&ctx, argv[1], &err);
	if (r)
		r = failed(r, &err);
	else if (setting_kind)
		r = setting(&ctx, setting_kind, argc - 2, argv + 2);
	else
		r = object(&ctx, object_kind, argc - 2, argv + 2);
	nic_ctx_fini(&ctx);
	return r;
}
