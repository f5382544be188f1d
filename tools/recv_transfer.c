/* SPDX-License-Identifier: MIT */
/*
 * recv_transfer.c - one file on its way into weir recv: joined by streams, written, judged.
 *
 * Theory: the first hello begins a transfer, other connections join it by its id.  Payload goes to
 *	the output at its offset.  When every stream has sent its end record the transfer is
 *	judged: every byte there once, the streams agree on size and checksum, the checksum is
 *	right, the file could be closed and renamed.  Then, and only then, the sender is told 0.
 * Invariants:
 *	1. a transfer ends exactly once: by complete() or by recv_transfer_fail().
 *	2. FILE is not touched by a transfer that fails (unless in place).
 * Ownership: the transfer refers to streams; the app's list owns them.
 * Threads: the engine's.
 * Errors: printed, sent to the peer, counted in app->failures.
 * Sources: stream.h
 * Tests: tests/cli/recv_send.sh, tests/cli/recv_send_faults.sh
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "recv.h"

int recv_transfer_open_file(struct recv_app *app, char *why, size_t why_bytes)
{
	int error;

	error = stream_out_open(&app->out, app->opts.file, app->opts.in_place, why, why_bytes);
	if (!error && app->opts.direct) {
		recv_direct_open(&app->direct, &app->out);
		recv_report_no_direct(app);
	}
	return error;
}

/* Nothing is written to the file any more. */
static void close_direct(struct recv_app *app)
{
	for (unsigned i = 0; i < STREAM_COUNT_MAX; i++)
		if (app->transfer.streams[i])
			recv_direct_leave(&app->direct, &app->transfer.streams[i]->runs);
	recv_direct_close(&app->direct);
}

/* The transfer is over: answers all its streams and forgets them. */
static void reset(struct recv_app *app, const struct stream_result *result)
{
	struct recv_transfer *t = &app->transfer;

	t->active = false;
	for (unsigned i = 0; i < STREAM_COUNT_MAX; i++)
		if (t->streams[i])
			recv_stream_answer(t->streams[i], result);
	stream_cover_fini(&t->cover);
	memset(t, 0, sizeof(*t));
	app->finished = app->finished || !app->opts.keep;
}

/* What does not fit loses its beginning: the reason stands at the end, behind a long name. */
static void shorten(char *to, const char *why)
{
	size_t len = strlen(why);

	if (len < STREAM_TEXT_BYTES)
		memcpy(to, why, len + 1);
	else
		snprintf(to, STREAM_TEXT_BYTES, "...%.*s", STREAM_TEXT_BYTES - 4,
			 why + len - (STREAM_TEXT_BYTES - 4));
}

void recv_transfer_fail(struct recv_app *app, const struct recv_stream *s, const char *format, ...)
{
	struct stream_result result = { .status = 1, .bytes = app->transfer.bytes };
	char why[RECV_WHY_BYTES];
	va_list args;

	if (!app->transfer.active)
		return;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	recv_report_failure(app, s ? s->peer : "", "", why);
	close_direct(app);
	if (app->out.in_place && app->out.regular)
		fprintf(stderr, "weir recv: %s is incomplete\n", app->out.name);
	shorten(result.text, why);
	memcpy(app->failed_why, result.text, sizeof(app->failed_why));
	app->failed_id = app->transfer.hello.id;
	stream_out_abort(&app->out);
	app->failures++;
	reset(app, &result);
}

static void complete(struct recv_app *app)
{
	struct recv_transfer *t = &app->transfer;
	struct stream_result result = { .bytes = t->bytes, .sum = t->sum, .text = "ok" };
	char why[RECV_WHY_BYTES];

	close_direct(app);
	if (stream_out_commit(&app->out, t->bytes, app->opts.sync, why, sizeof(why))) {
		recv_transfer_fail(app, NULL, "%s", why);
		return;
	}
	app->successes++;
	recv_report(app, t->sum);
	reset(app, &result);
}

static void judge(struct recv_app *app)
{
	struct recv_transfer *t = &app->transfer;

	if (!stream_cover_whole(&t->cover, t->end_total))
		recv_transfer_fail(app, NULL,
				   "incomplete: byte %" PRIu64 " of %" PRIu64 " was not sent",
				   stream_cover_gap(&t->cover), t->end_total);
	else if ((t->hello.flags & STREAM_FLAG_CHECKSUM) && t->sum != t->end_sum)
		recv_transfer_fail(app, NULL,
				   "checksum mismatch: sent %016" PRIx64 ", received %016" PRIx64,
				   t->end_sum, t->sum);
	else
		complete(app);
}

/* Return: 0, or -errno with the transfer failed. */
static int end_direct(struct recv_stream *s)
{
	struct recv_direct *d = &s->app->direct;

	if (!s->runs)
		return 0;
	if (recv_direct_end(d, s->runs)) {
		recv_transfer_fail(s->app, NULL, "%s", d->error_text);
		return -EIO;
	}
	recv_direct_leave(d, &s->runs);
	return 0;
}

int recv_transfer_end(struct recv_stream *s)
{
	struct recv_transfer *t = &s->app->transfer;

	if (end_direct(s))
		return -EIO;
	s->state = RECV_DONE;
	t->moved_ns = stream_now_ns();
	if (t->done && (t->end_total != s->record.offset || t->end_sum != s->record.sum)) {
		recv_transfer_fail(s->app, s, "the streams do not agree on the size");
		return -EPROTO;
	}
	t->end_total = s->record.offset;
	t->end_sum = s->record.sum;
	if (++t->done == t->hello.count)
		judge(s->app);
	return 0;
}

/* Return: 0; -EIO where the output cannot be opened (the transfer is failed). */
static int begin(struct recv_stream *s)
{
	struct recv_app *app = s->app;
	struct recv_transfer *t = &app->transfer;
	char why[RECV_WHY_BYTES];

	memset(t, 0, sizeof(*t));
	t->active = true;
	t->hello = s->hello;
	t->moved_ns = stream_now_ns();
	stream_progress_start(&app->progress);
	if (app->out.fd < 0 && recv_transfer_open_file(app, why, sizeof(why))) {
		t->streams[s->hello.index] = s;
		recv_transfer_fail(app, NULL, "%s", why);
		return -EIO;
	}
	return 0;
}

/* NULL where the hello fits the transfer. */
static const char *misfit(const struct recv_transfer *t, const struct stream_hello *h)
{
	if (t->hello.id != h->id)
		return "another transfer is running";
	if (t->hello.count != h->count || t->hello.flags != h->flags || t->hello.total != h->total)
		return "the hello does not fit the other streams'";
	if (t->streams[h->index])
		return "this stream is there already";
	return NULL;
}

/* Return: 0, or -errno with the transfer failed. */
static int join_direct(struct recv_stream *s)
{
	struct recv_app *app = s->app;

	if (!app->direct.on || !recv_direct_join(&app->direct, app->transfer.hello.count, &s->runs))
		return 0;
	recv_transfer_fail(app, NULL, "%s", app->direct.error_text);
	return -EIO;
}

int recv_transfer_join(struct recv_stream *s)
{
	struct recv_app *app = s->app;
	struct recv_transfer *t = &app->transfer;
	const char *why = NULL;

	if (t->active)
		why = misfit(t, &s->hello);
	else if (app->failed_id && app->failed_id == s->hello.id)
		why = app->failed_why;
	else if (app->finished)
		why = "the transfer is over";
	else if (app->opts.checksum && !(s->hello.flags & STREAM_FLAG_CHECKSUM))
		why = "the sender gives no checksum (weir send --checksum)";
	if (why) {
		recv_stream_refuse(s, why);
		return -EPROTO;
	}
	if (!t->active && begin(s))
		return -EIO;
	t->streams[s->hello.index] = s;
	s->transfer_index = s->hello.index;
	s->state = RECV_RECORD;
	t->joined++;
	if (join_direct(s))
		return -EIO;
	/* Who comes now cannot be served: let the kernel say so. */
	if (t->joined == t->hello.count && !app->opts.keep)
		recv_close_listener(app);
	return 0;
}

int recv_transfer_write(struct recv_stream *s, const struct weir_slice *slice, const void *data,
			size_t len)
{
	struct recv_transfer *t = &s->app->transfer;
	struct recv_direct *d = &s->app->direct;
	char why[RECV_WHY_BYTES];
	int error;

	if (s->runs && slice) {
		size_t skip = (size_t)((const char *)data - (const char *)slice->data);

		error = recv_direct_write(d, s->runs, slice, skip, len, s->offset);
		if (error)
			snprintf(why, sizeof(why), "%s", d->error_text);
	} else {
		error = stream_out_write(&s->app->out, data, len, s->offset, why, sizeof(why));
		d->cached_bytes += len;
	}
	if (error) {
		recv_transfer_fail(s->app, NULL, "%s", why);
		return error;
	}
	if (t->hello.flags & STREAM_FLAG_CHECKSUM)
		stream_sum_feed(s->sum, data, len);
	s->offset += len;
	t->bytes += len;
	t->frontier = s->offset;
	/* Writing may have taken long: the engine's clock is that of the batch. */
	t->moved_ns = stream_now_ns();
	return 0;
}

int recv_transfer_raw_begin(struct recv_stream *s)
{
	struct recv_app *app = s->app;

	s->hello = (struct stream_hello){ .count = 1, .total = STREAM_TOTAL_UNKNOWN };
	if (app->transfer.active || app->finished) {
		recv_stream_refuse(s, "another transfer is running");
		return -EBUSY;
	}
	if (begin(s))
		return -EIO;
	app->transfer.streams[0] = s;
	app->transfer.joined = 1;
	s->transfer_index = 0;
	s->state = RECV_RAW;
	if (join_direct(s))
		return -EIO;
	if (!app->opts.keep)
		recv_close_listener(app);
	return 0;
}

void recv_transfer_raw_end(struct recv_stream *s)
{
	if (!end_direct(s))
		complete(s->app);
}
