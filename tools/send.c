/* SPDX-License-Identifier: MIT */
/*
 * send.c - weir send: send a file or pipe as a stream.
 *
 * Theory: one engine, 1 to 128 connections that carry one file.  A file with a size is sent as
 *	chunks get free, inside the callbacks, and the engine runs by itself.  A pipe may have
 *	nothing to read for hours: then poll(2) waits for the pipe and the engine's descriptor
 *	together.  A timer shows progress, watches for silence and tells the receiver that the
 *	source is idle.  Where the bytes come from is send_source.c's.
 * Invariants:
 *	1. exit code 0 means: the receiver said that it has every byte (raw: the peer's kernel
 *	   acknowledged every byte and the end).
 *	2. the command ends: silence is bounded, except while the source itself is silent.
 * Ownership: struct send_app lives on the stack of cmd_send() and owns all.
 * Threads: one.
 * Errors: a line on stderr; 1 for a failed transfer, 2 for usage.
 * Sources: stream.h (wire format).
 * Tests: tests/cli/recv_send.sh, tests/cli/recv_send_faults.sh, tests/cli/recv_send_args.sh,
 *	tests/cli/send_zerocopy.sh
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "send.h"

/* With its header, and that of the next one, it fits into a request of 256 KiB. */
#define CHUNK_DEFAULT (252u << 10)
#define CONNECT_NS UINT64_C(10000000000)
#define GRACE_NS UINT64_C(1000000000)

static struct send_opts opts;
static bool show_lines;

static const struct opt options[] = {
	{ .name = "parallel",
	  .letter = 'P',
	  .kind = OPT_UINT,
	  .target = &opts.streams,
	  .min = 1,
	  .max = STREAM_COUNT_MAX,
	  .help = "connections that carry the file side by side" },
	{ .name = "checksum",
	  .letter = 'c',
	  .kind = OPT_FLAG,
	  .target = &opts.checksum,
	  .help = "have the receiver verify a checksum of the whole file" },
	{ .name = "raw",
	  .kind = OPT_FLAG,
	  .target = &opts.raw,
	  .help = "plain bytes instead of weir's framing, so that any TCP server may receive (nc); "
		  "the end of the file is the end of the stream" },
	{ .name = "length",
	  .letter = 'l',
	  .kind = OPT_BYTES,
	  .target = &opts.chunk_bytes,
	  .min = 1,
	  .max = STREAM_CHUNK_MAX,
	  .help = "bytes sent at a time; 252K if not given" },
	{ .name = "zerocopy",
	  .kind = OPT_ENUM,
	  .target = &opts.engine.zerocopy,
	  .names = tool_zerocopy_names,
	  .help = "send without a copy: where it pays (default auto), never, or wherever the "
		  "kernel can" },
	{ .name = "timeout",
	  .letter = 't',
	  .kind = OPT_SECONDS,
	  .target = &opts.timeout_us,
	  .help = "give up when the receiver took nothing for this long; 0 for never; 60 s if not "
		  "given" },
	STREAM_COMMON_OPTIONS(opts, show_lines),
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir send",
	.operands = "ADDR [FILE|-]",
	.about =
		"Send FILE or (-, the default) standard input to 'weir recv'. ADDR is HOST[:PORT], "
		"[IPV6]:PORT, unix:/path or unix:@name; the port is 9000 if not given.",
	.opts = options,
	.notes = "Exit code: 0 the receiver has every byte, 1 the transfer failed or was "
		 "incomplete,\n2 bad arguments.\n",
	.operands_min = 1,
	.operands_max = 2,
};

void send_fail(struct send_app *app, const char *format, ...)
{
	va_list args;

	if (app->done)
		return;
	stream_progress_clear(&app->progress);
	fputs("weir send: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	app->done = true;
	app->failed = true;
	weir_engine_stop(app->engine);
}

void send_succeed(struct send_app *app)
{
	stream_progress_clear(&app->progress);
	app->done = true;
	weir_engine_stop(app->engine);
	if (!app->opts.quiet)
		send_report(app);
}

/* Is it the receiver's turn to do something? */
static bool waits_for_peer(const struct send_app *app)
{
	for (unsigned i = 0; i < app->opts.streams; i++) {
		const struct send_stream *s = &app->streams[i];

		if (!s->connected || s->in_flight || (s->end_sent && !s->answered))
			return true;
	}
	return false;
}

static void check_connecting(struct send_app *app, uint64_t now)
{
	struct send_stream *s = &app->streams[0];

	if (s->connected || !s->sock || now < app->moved_ns + CONNECT_NS)
		return;
	weir_sock_set_ops(s->sock, NULL, NULL);
	weir_sock_close(s->sock);
	s->sock = NULL;
	send_connect_next(app, "no answer for 10 s");
}

static void check_silence(struct send_app *app, uint64_t now)
{
	uint64_t limit = app->opts.timeout_us * 1000;

	if (app->broken_ns && now > app->broken_ns + GRACE_NS)
		send_fail(app, "%s", app->broken);
	check_connecting(app, now);
	if (limit && now > app->moved_ns + limit && waits_for_peer(app))
		send_fail(app, "%s took nothing for %.1f s (--timeout)", app->address,
			  (double)limit / 1e9);
}

static void on_timer(struct weir_engine *e, struct weir_timer *timer)
{
	struct send_app *app = timer->user;
	uint64_t now = stream_now_ns();
	bool raw_end = app->opts.raw && app->in.ended;

	check_silence(app, now);
	send_check_raw(app);
	if (app->done)
		return;
	if (now >= app->progress.last_ns + STREAM_PROGRESS_US * UINT64_C(1000))
		stream_progress_update(&app->progress, app->bytes, app->in.total);
	if (!app->in.ended && now > app->moved_ns + STREAM_IDLE_US * UINT64_C(1000) &&
	    !waits_for_peer(app)) {
		app->moved_ns = now;
		send_idle(app);
	}
	if (weir_timer_start(e, timer, raw_end ? SEND_RAW_CHECK_US : STREAM_PROGRESS_US))
		send_fail(app, "out of memory");
}

/* A source that may have nothing: wait for it and for the engine together. */
static int poll_both(struct send_app *app, int engine_fd)
{
	struct pollfd fds[2] = {
		{ .fd = engine_fd, .events = POLLIN },
		{ .fd = send_wants_data(app) ? app->in.fd : -1, .events = POLLIN },
	};
	int events;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		send_fill(app);
	do {
		events = weir_engine_dispatch(app->engine, 0);
	} while (events > 0 && !app->done);
	return events < 0 ? events : 0;
}

static int run(struct send_app *app)
{
	int engine_fd = -1, error = 0;

	if (!app->in.sized) {
		engine_fd = weir_engine_fd(app->engine);
		if (engine_fd < 0)
			return engine_fd;
	}
	while (!app->done && !tool_signal() && !error) {
		if (app->in.sized) {
			error = weir_engine_run(app->engine);
			continue;
		}
		error = poll_both(app, engine_fd);
		if (!error && app->in.ended)
			send_fill(app);
	}
	return error;
}

static int make_streams(struct send_app *app)
{
	app->streams = calloc(app->opts.streams, sizeof(*app->streams));
	if (!app->streams)
		return -ENOMEM;
	for (unsigned i = 0; i < app->opts.streams; i++) {
		app->streams[i].app = app;
		app->streams[i].index = i;
	}
	return 0;
}

static void transfer(struct send_app *app)
{
	char why[SEND_WHY_BYTES];
	int error;

	if (make_streams(app)) {
		send_fail(app, "out of memory");
		return;
	}
	if (send_source_open(app, why, sizeof(why))) {
		send_fail(app, "%s", why);
		return;
	}
	if (weir_timer_start(app->engine, &app->timer, STREAM_PROGRESS_US)) {
		send_fail(app, "out of memory");
		return;
	}
	send_connect_next(app, NULL);
	error = run(app);
	if (error)
		send_fail(app, "waiting failed: %s", strerror(-error));
	else if (tool_signal())
		send_fail(app, "stopped by signal %d", tool_signal());
}

static int serve(struct send_app *app)
{
	app->in.fd = -1;
	if (tool_engine_open(&app->engine, "weir send", &app->opts.engine))
		return TOOL_EXIT_FAILED;
	tool_stop_on_signals(app->engine);
	stream_progress_init(&app->progress, app->opts.show, app->opts.quiet,
			     weir_plane_name(weir_engine_plane(app->engine)));
	transfer(app);
	tool_stop_on_signals(NULL);
	weir_engine_close(app->engine);
	send_source_close(app);
	free(app->streams);
	return app->failed ? TOOL_EXIT_FAILED : TOOL_EXIT_OK;
}

static int check_opts(void)
{
	if (opts.raw && opts.checksum)
		return opt_usage_error(&spec, "--raw and --checksum exclude each other: plain "
					      "bytes carry no checksum");
	if (opts.raw && opts.streams > 1)
		return opt_usage_error(&spec,
				       "--raw and -P %u exclude each other: plain bytes "
				       "say nothing of their place",
				       (unsigned)opts.streams);
	if (!*opts.file)
		return opt_usage_error(&spec, "bad FILE '': legal is a path or -");
	return TOOL_EXIT_OK;
}

int cmd_send(int argc, char **argv)
{
	struct send_app app = { 0 };
	char why[SEND_WHY_BYTES];
	int first, code;

	opts = (struct send_opts){
		.file = "-", .streams = 1, .chunk_bytes = CHUNK_DEFAULT, .timeout_us = 60000000
	};
	code = opt_main(&spec, argc, argv, &first);
	if (code >= 0)
		return code;
	opts.address = argv[first];
	if (first + 1 < argc)
		opts.file = argv[first + 1];
	code = check_opts();
	if (code)
		return code;
	app.address_count = tool_resolve(opts.address, STREAM_PORT, opts.family, false, app.addrs,
					 SEND_ADDRS_MAX, why, sizeof(why));
	if (app.address_count == -EINVAL)
		return opt_usage_error(&spec, "%s", why);
	if (app.address_count < 0) {
		fprintf(stderr, "weir send: %s\n", why);
		return TOOL_EXIT_FAILED;
	}
	opts.show = show_lines ? STREAM_SHOW_LINES : STREAM_SHOW_AUTO;
	app.opts = opts;
	app.timer.fn = on_timer;
	app.timer.user = &app;
	if (getrandom(&app.id, sizeof(app.id), 0) != sizeof(app.id))
		app.id = stream_now_ns() ^ ((uint64_t)getpid() << 32);
	return serve(&app);
}
