/* SPDX-License-Identifier: MIT */
/*
 * recv_report.c - what weir recv says at the end of a transfer, to a person and to a program.
 *
 * Theory: lines on standard error, and with --json one document on standard output for each
 *	transfer, also for one that failed.  Bytes on their way to a disk (--direct) are told in
 *	three parts that add up: written from where they were received, copied to be aligned and
 *	then written, written by way of the page cache.
 * Invariants:
 *	1. a transfer has one report.
 *	2. numbers that a checksum or a 64-bit counter is made of are exact in JSON: what a double
 *	   does not hold is text.
 * Ownership: none.
 * Threads: one.
 * Errors: a document for which there is no memory is missing, which is said.
 * Sources: none.
 * Tests: tests/cli/recv_direct.sh, tests/cli/recv_send.sh
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "recv.h"

static void print_direct(const struct recv_direct *d)
{
	fprintf(stderr,
		"disk: %" PRIu64 " bytes direct, %" PRIu64 " copied to be aligned, %" PRIu64
		" by the page cache",
		d->direct_bytes, d->copied_bytes, d->cached_bytes);
	if (d->reason[0])
		fprintf(stderr, "; why: %s", d->reason);
	fputc('\n', stderr);
}

static void print_text(struct recv_app *app, uint64_t sum)
{
	const struct recv_transfer *t = &app->transfer;
	char text[160];

	fprintf(stderr, "received %s",
		stream_summary(t->bytes, app->progress.start_ns, text, sizeof(text)));
	if (t->hello.count > 1)
		fprintf(stderr, ", %u streams", t->hello.count);
	if (t->hello.flags & STREAM_FLAG_CHECKSUM)
		fprintf(stderr, ", checksum %016" PRIx64 " ok", sum);
	fputc('\n', stderr);
	if (app->opts.direct)
		print_direct(&app->direct);
	tool_print_plane(stderr, app->engine);
}

/* null where there is none. */
static void add_text(cJSON *to, const char *key, const char *text)
{
	if (text[0])
		cJSON_AddStringToObject(to, key, text);
	else
		cJSON_AddNullToObject(to, key);
}

static void add_direct(cJSON *to, const struct recv_direct *d)
{
	cJSON *j = cJSON_AddObjectToObject(to, "disk");

	cJSON_AddNumberToObject(j, "direct_bytes", (double)d->direct_bytes);
	cJSON_AddNumberToObject(j, "copied_bytes", (double)d->copied_bytes);
	cJSON_AddNumberToObject(j, "page_cache_bytes", (double)d->cached_bytes);
	add_text(j, "reason", d->reason);
}

static void add_engine(cJSON *to, const struct weir_engine *e)
{
	enum tool_copied known = tool_copied(e);
	struct weir_engine_stats stats;
	char queues[TOOL_QUEUES_BYTES];

	weir_engine_get_stats(e, &stats);
	cJSON_AddStringToObject(to, "plane", weir_plane_name(weir_engine_plane(e)));
	cJSON_AddStringToObject(to, "why", weir_engine_why(e));
	add_text(to, "queues", tool_queues(e, queues, sizeof(queues)));
	cJSON_AddNumberToObject(to, "received_bytes", (double)stats.rx_bytes);
	if (known == TOOL_COPIED_UNKNOWN)
		cJSON_AddNullToObject(to, "kernel_copied_bytes");
	else
		cJSON_AddNumberToObject(to, "kernel_copied_bytes",
					(double)(known == TOOL_COPIED_ALL ? stats.rx_bytes :
									    stats.rx_copied_bytes));
}

static void print_json(struct recv_app *app, uint64_t sum)
{
	const struct recv_transfer *t = &app->transfer;
	uint64_t took_ns = stream_now_ns() - app->progress.start_ns;
	cJSON *j = cJSON_CreateObject();
	char text[24];

	cJSON_AddBoolToObject(j, "ok", true);
	cJSON_AddStringToObject(j, "file", app->opts.file);
	cJSON_AddNumberToObject(j, "bytes", (double)t->bytes);
	cJSON_AddNumberToObject(j, "seconds", (double)took_ns / 1e9);
	cJSON_AddNumberToObject(j, "streams", t->hello.count);
	if (t->hello.flags & STREAM_FLAG_CHECKSUM) {
		snprintf(text, sizeof(text), "%016" PRIx64, sum);
		cJSON_AddStringToObject(j, "checksum", text);
	} else {
		cJSON_AddNullToObject(j, "checksum");
	}
	if (app->opts.direct)
		add_direct(j, &app->direct);
	add_engine(j, app->engine);
	tool_print_json("weir recv", j);
	fflush(stdout);
}

void recv_report(struct recv_app *app, uint64_t sum)
{
	stream_progress_clear(&app->progress);
	if (!app->opts.quiet)
		print_text(app, sum);
	if (app->opts.json)
		print_json(app, sum);
}

void recv_report_failure(struct recv_app *app, const char *who, const char *what, const char *why)
{
	cJSON *j;
	char text[RECV_WHY_BYTES + 192];

	stream_progress_clear(&app->progress);
	snprintf(text, sizeof(text), "%s%s%s%s", who, *who ? ": " : "", what, why);
	fprintf(stderr, "weir recv: %s\n", text);
	if (!app->opts.json)
		return;
	j = cJSON_CreateObject();
	cJSON_AddBoolToObject(j, "ok", false);
	cJSON_AddStringToObject(j, "file", app->opts.file);
	cJSON_AddStringToObject(j, "error", text);
	tool_print_json("weir recv", j);
	fflush(stdout);
}

void recv_report_no_direct(const struct recv_app *app)
{
	if (app->opts.direct && app->direct.reason[0] && !app->opts.quiet)
		fprintf(stderr, "weir recv: %s is written by way of the page cache: %s\n",
			app->out.name, app->direct.reason);
}
