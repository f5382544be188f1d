/* SPDX-License-Identifier: MIT */
/*
 * recv.c - weir recv: receive a stream into a file or pipe.
 *
 * Theory: one engine, one listener, one transfer at a time.  Connections are recv_stream.c's, the
 *	transfer is recv_transfer.c's; this file has the command line, the callbacks, the clock
 *	(progress, silence) and the exit code.  File writes block the engine's thread: the disk is
 *	the only thing this command waits for, and meanwhile TCP holds the sender up.
 * Invariants:
 *	1. exit code 0 means: every transfer's bytes are all in their file, checksums right.
 *	2. the command ends: silence, in every state but "no one has come", is bounded.
 * Ownership: struct recv_app lives on the stack of cmd_recv() and owns all.
 * Threads: one.
 * Errors: a line on stderr; 1 for failed transfers, 2 for usage.
 * Sources: stream.h (wire format).
 * Tests: tests/cli/recv_send.sh, tests/cli/recv_send_faults.sh, tests/cli/recv_send_args.sh
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "recv.h"

#define ADDRS_MAX 16
#define HELLO_NS UINT64_C(10000000000)
#define DRAIN_NS UINT64_C(2000000000)

static struct recv_opts opts;
static bool show_lines, listen_once;

static const struct opt options[] = {
	{ .name = "raw",
	  .kind = OPT_FLAG,
	  .target = &opts.raw,
	  .help = "plain bytes instead of weir's framing, so that any TCP client may send (nc); "
		  "the end of the stream is the end of the file" },
	{ .name = "checksum",
	  .letter = 'c',
	  .kind = OPT_FLAG,
	  .target = &opts.checksum,
	  .help = "refuse a sender that gives no checksum; one that is given is always verified" },
	{ .name = "keep",
	  .letter = 'k',
	  .kind = OPT_FLAG,
	  .target = &opts.keep,
	  .group = 1,
	  .help = "go on after a transfer; each replaces FILE (or is appended to a pipe); SIGINT "
		  "or SIGTERM ends it" },
	{ .name = "listen-once",
	  .letter = '1',
	  .kind = OPT_FLAG,
	  .group = 1,
	  .target = &listen_once,
	  .help = "end after one transfer (the default)" },
	{ .name = "inplace",
	  .kind = OPT_FLAG,
	  .target = &opts.in_place,
	  .help = "write FILE itself; otherwise FILE.part is written and renamed when whole" },
	{ .name = "direct",
	  .kind = OPT_FLAG,
	  .target = &opts.direct,
	  .help = "write FILE past the page cache (O_DIRECT), from the memory it was received "
		  "into; only what is not aligned is copied" },
	{ .name = "json",
	  .kind = OPT_FLAG,
	  .target = &opts.json,
	  .help = "also report on standard output, for a program" },
	{ .name = "sync",
	  .kind = OPT_FLAG,
	  .target = &opts.sync,
	  .help = "fsync FILE before it counts as received" },
	{ .name = "timeout",
	  .letter = 't',
	  .kind = OPT_SECONDS,
	  .target = &opts.timeout_us,
	  .help = "give a transfer up when nothing arrived for this long; 0 for never; 60 s if "
		  "not given" },
	STREAM_COMMON_OPTIONS(opts, show_lines),
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir recv",
	.operands = "[ADDR] [FILE|-]",
	.about = "Receive what 'weir send' sends, and write it to FILE or (-, the default) to "
		 "standard output. ADDR is HOST:PORT, PORT, [IPV6]:PORT, unix:/path or "
		 "unix:@name; *:9000 if not given.",
	.opts = options,
	.notes =
		"Exit code: 0 every byte arrived (and the checksum was right), 1 a transfer failed "
		"or was\nincomplete, 2 bad arguments.\n",
	.operands_max = 2,
};

void recv_close_listener(struct recv_app *app)
{
	struct weir_addr local;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&local.storage;

	if (!app->listener)
		return;
	/* While it listens the name is ours for sure. */
	if (!weir_sock_local(app->listener, &local) && local.sa.sa_family == AF_UNIX &&
	    local.len > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0])
		unlink(un->sun_path);
	weir_sock_close(app->listener);
	app->listener = NULL;
}

static void finish_if_idle(struct recv_app *app)
{
	if (!app->finished)
		return;
	recv_close_listener(app);
	/* Those who have not said what they want would get a refusal only. */
	for (struct recv_stream *s = app->streams; s; s = s->next)
		if (s->state == RECV_HELLO)
			weir_sock_close(s->sock);
	if (!app->streams)
		weir_engine_stop(app->engine);
}

/* Runs that wait for more bytes must not keep the memory that these are to be received into. */
static void relieve(struct recv_app *app)
{
	struct weir_engine_stats stats;

	if (!app->direct.on)
		return;
	weir_engine_get_stats(app->engine, &stats);
	if (stats.buffers_held * 2 < stats.buffers)
		return;
	for (struct recv_stream *s = app->streams; s; s = s->next)
		if (s->runs)
			recv_direct_relieve(&app->direct, s->runs);
}

static void on_received(struct weir_sock *sock, struct weir_slice *slices, unsigned n, void *user)
{
	struct recv_stream *s = user;

	(void)sock;
	for (unsigned i = 0; i < n; i++)
		recv_stream_take(s, &slices[i]);
	recv_run_ordered(s->app);
	relieve(s->app);
}

static void on_ended(struct weir_sock *sock, int res, void *user)
{
	struct recv_stream *s = user;

	(void)sock;
	recv_stream_ended(s, res);
	recv_run_ordered(s->app);
}

static void on_closed(struct weir_sock *sock, void *user)
{
	struct recv_stream *s = user;
	struct recv_app *app = s->app;

	(void)sock;
	recv_stream_free(s);
	finish_if_idle(app);
}

static const struct weir_sock_ops stream_ops = {
	.received = on_received,
	.ended = on_ended,
	.closed = on_closed,
};

static void on_accepted(struct weir_sock *listener, struct weir_sock *sock, void *user)
{
	struct recv_app *app = user;
	struct recv_stream *s;

	(void)listener;
	if (recv_stream_new(app, sock, &s)) {
		weir_sock_set_ops(sock, NULL, NULL);
		weir_sock_close(sock);
		return;
	}
	weir_sock_set_ops(sock, &stream_ops, s);
	stream_tune_socket(weir_sock_fd(sock));
	if (app->opts.raw)
		recv_transfer_raw_begin(s);
	if (!app->timer.index_plus_1 &&
	    weir_timer_start(app->engine, &app->timer, STREAM_PROGRESS_US))
		recv_stream_refuse(s, "out of memory");
}

static const struct weir_sock_ops listener_ops = { .accepted = on_accepted };

static void check_silence(struct recv_app *app, uint64_t now)
{
	struct recv_transfer *t = &app->transfer;
	uint64_t limit = app->opts.timeout_us * 1000;

	if (!t->active || !limit || now < t->moved_ns + limit)
		return;
	if (t->joined < t->hello.count)
		recv_transfer_fail(app, NULL,
				   "only %u of %u streams came within %.1f s (--timeout)",
				   t->joined, t->hello.count, (double)limit / 1e9);
	else
		recv_transfer_fail(app, NULL, "nothing arrived for %.1f s (--timeout)",
				   (double)limit / 1e9);
}

static void on_timer(struct weir_engine *e, struct weir_timer *timer)
{
	struct recv_app *app = timer->user;
	uint64_t now = stream_now_ns();

	for (struct recv_stream *s = app->streams; s; s = s->next) {
		if (s->state == RECV_HELLO && now > s->since_ns + HELLO_NS)
			recv_stream_refuse(s, "the peer said nothing for 10 s");
		else if (s->state == RECV_DRAIN && now > s->since_ns + DRAIN_NS)
			weir_sock_close(s->sock);
	}
	check_silence(app, now);
	if (app->transfer.active)
		stream_progress_update(&app->progress, app->transfer.bytes,
				       app->transfer.hello.total);
	finish_if_idle(app);
	/* Nothing can be done about a failure; the heap entry was there a moment ago. */
	if (app->streams && weir_timer_start(e, timer, STREAM_PROGRESS_US))
		recv_transfer_fail(app, NULL, "out of memory");
}

static int listen_on(struct recv_app *app, const struct weir_addr *addrs, int count)
{
	struct weir_sock_opts sock_opts = { .size = sizeof(sock_opts), .name = "recv" };
	struct weir_error err = { 0 };
	char text[512], address[160];
	int error = -EADDRNOTAVAIL;

	if (app->opts.family == AF_INET6)
		sock_opts.flags |= WEIR_SOCK_V6ONLY;
	for (int i = 0; i < count; i++) {
		weir_addr_format(&addrs[i].sa, address, sizeof(address));
		error = weir_listen(app->engine, address, &listener_ops, app, &sock_opts,
				    &app->listener, &err);
		/* A machine without IPv6 has an IPv4 address as well. */
		if (!error || (error != -EAFNOSUPPORT && error != -EADDRNOTAVAIL))
			break;
	}
	if (error)
		fprintf(stderr, "weir recv: %s\n", tool_error_text(&err, text, sizeof(text)));
	return error;
}

static void announce(const struct recv_app *app)
{
	struct weir_addr local;
	char address[160];

	if (app->opts.quiet || weir_sock_local(app->listener, &local))
		return;
	fprintf(stderr, "listening on %s, plane %s\n",
		weir_addr_format(&local.sa, address, sizeof(address)),
		weir_plane_name(weir_engine_plane(app->engine)));
}

static int exit_code(struct recv_app *app)
{
	if (tool_signal() && app->transfer.active) {
		recv_transfer_fail(app, NULL, "stopped by signal %d", tool_signal());
		/* One round, so that the sender hears of it. */
		weir_engine_dispatch(app->engine, 0);
	} else if (tool_signal() && !app->opts.keep && !app->successes) {
		fprintf(stderr, "weir recv: stopped by signal %d\n", tool_signal());
	}
	if (app->failures || (!app->opts.keep && !app->successes))
		return TOOL_EXIT_FAILED;
	return TOOL_EXIT_OK;
}

static int serve(struct recv_app *app, const struct weir_addr *addrs, int count)
{
	char why[RECV_WHY_BYTES];
	int code = TOOL_EXIT_FAILED, error = 0;

	if (tool_engine_open(&app->engine, "weir recv", &app->opts.engine))
		return TOOL_EXIT_FAILED;
	tool_stop_on_signals(app->engine);
	stream_progress_init(&app->progress, app->opts.show, app->opts.quiet,
			     weir_plane_name(weir_engine_plane(app->engine)));
	recv_direct_init(&app->direct, weir_engine_plane(app->engine) != WEIR_PLANE_EPOLL);
	if (recv_transfer_open_file(app, why, sizeof(why))) {
		fprintf(stderr, "weir recv: %s\n", why);
	} else if (!listen_on(app, addrs, count)) {
		announce(app);
		while (!error && !tool_signal() && (!app->finished || app->streams))
			error = weir_engine_run(app->engine);
		if (error)
			recv_transfer_fail(app, NULL, "waiting failed: %s", strerror(-error));
		code = error ? TOOL_EXIT_FAILED : exit_code(app);
	}
	recv_direct_close(&app->direct);
	stream_out_abort(&app->out);
	tool_stop_on_signals(NULL);
	recv_close_listener(app);
	/* Held slices must go back before the engine goes. */
	while (app->streams) {
		weir_sock_set_ops(app->streams->sock, NULL, NULL);
		recv_stream_free(app->streams);
	}
	recv_direct_fini(&app->direct);
	weir_engine_close(app->engine);
	return code;
}

int cmd_recv(int argc, char **argv)
{
	struct recv_app app = { .out = { .fd = -1 }, .direct = { .fd = -1 } };
	struct weir_addr addrs[ADDRS_MAX];
	char why[RECV_WHY_BYTES];
	int first, code, count;

	opts = (struct recv_opts){ .address = "*:9000", .file = "-", .timeout_us = 60000000 };
	code = opt_main(&spec, argc, argv, &first);
	if (code >= 0)
		return code;
	if (first < argc)
		opts.address = argv[first];
	if (first + 1 < argc)
		opts.file = argv[first + 1];
	if (opts.raw && opts.checksum)
		return opt_usage_error(&spec, "--raw and --checksum exclude each other: plain "
					      "bytes carry no checksum");
	if (!*opts.file)
		return opt_usage_error(&spec, "bad FILE '': legal is a path or -");
	if (!strcmp(opts.file, "-") && (opts.direct || opts.json))
		return opt_usage_error(&spec,
				       "--%s wants a FILE: standard output is where the "
				       "bytes go",
				       opts.direct ? "direct" : "json");
	count = tool_resolve(opts.address, STREAM_PORT, opts.family, true, addrs, ADDRS_MAX, why,
			     sizeof(why));
	if (count == -EINVAL)
		return opt_usage_error(&spec, "%s", why);
	if (count < 0) {
		fprintf(stderr, "weir recv: %s\n", why);
		return TOOL_EXIT_FAILED;
	}
	opts.show = show_lines ? STREAM_SHOW_LINES : STREAM_SHOW_AUTO;
	app.opts = opts;
	app.timer.fn = on_timer;
	app.timer.user = &app;
	return serve(&app, addrs, count);
}
