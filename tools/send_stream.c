/* SPDX-License-Identifier: MIT */
/*
 * send_stream.c - the connections of weir send: chunks out, one result back.
 *
 * Theory: each stream has a few chunks.  A free one takes the next piece of the source, its
 *	header in front, and is sent; SENT frees it and it takes another.  So pieces go to whichever
 *	stream drains, and at most streams x chunks x chunk bytes are on their way.  Where sends
 *	without a copy end so late that the kernel runs out of them, the stream has more of them.
 *	When the source has ended, an end record follows on every stream, and the receiver's
 *	result is waited for.  A connection that breaks is not reported at once: the result that
 *	says why may be on its way behind it.
 * Invariants:
 *	1. a chunk is taken only when its sent_bytes is 0.
 *	2. the command succeeds only with a result of status 0 on every stream (raw: everything
 *	   acknowledged), with all memory back, and with a file that is as long as it was.
 * Ownership: chunks are the app's; they are the library's from send to SENT.
 * Threads: the engine's.
 * Errors: send_fail(), once.
 * Sources: stream.h; SIOCOUTQ in tcp(7) and unix(7).
 * Tests: tests/cli/recv_send.sh, tests/cli/recv_send_faults.sh, tests/cli/send_zerocopy.sh
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "send.h"

static void broke(struct send_stream *s, const char *what, int res)
{
	struct send_app *app = s->app;

	if (app->broken_ns || app->done || s->answered)
		return;
	app->broken_ns = stream_now_ns();
	snprintf(app->broken, sizeof(app->broken), "%s: %s: %s", app->address, what,
		 res ? strerror(-res) : "the receiver closed the connection without a result");
}

static void sent_bytes(struct send_app *app, const struct send_chunk *c)
{
	app->bytes += c->sent_bytes - (app->opts.raw ? 0 : STREAM_RECORD_BYTES);
	app->moved_ns = stream_now_ns();
}

/* Header and payload: one piece in a buffer, two where the payload is the file's own memory. */
static int send_pieces(struct send_stream *s, struct send_chunk *c, const void *data, size_t len,
		       uint64_t offset)
{
	struct stream_record record = { .magic = STREAM_MAGIC_CHUNK,
					.len = (uint32_t)len,
					.offset = offset };
	struct iovec iov[2] = {
		{ .iov_base = c->header, .iov_len = STREAM_RECORD_BYTES },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	c->sent_bytes = len + (s->app->opts.raw ? 0 : STREAM_RECORD_BYTES);
	if (s->app->opts.raw)
		return weir_sock_send(s->sock, data, len, 0, (uintptr_t)c);
	if (!c->data) {
		stream_put_record(c->header, &record);
		return weir_sock_sendv(s->sock, iov, 2, 0, (uintptr_t)c);
	}
	stream_put_record(c->data - STREAM_RECORD_BYTES, &record);
	return weir_sock_send(s->sock, c->data - STREAM_RECORD_BYTES, c->sent_bytes, 0,
			      (uintptr_t)c);
}

/* Return: 0; -EAGAIN where the source has nothing now or nothing more; or the error. */
static int send_chunk(struct send_stream *s, struct send_chunk *c)
{
	struct send_app *app = s->app;
	uint64_t offset = app->in.offset;
	const void *data;
	char why[SEND_WHY_BYTES];
	size_t len = 0;
	int error;

	if (send_source_next(app, c, &data, &len, why, sizeof(why))) {
		send_fail(app, "%s", why);
		return -EIO;
	}
	if (!len)
		return -EAGAIN;
	if (app->opts.checksum)
		app->sum += stream_sum_once(offset, data, len);
	error = send_pieces(s, c, data, len, offset);
	if (error) {
		/* The bytes were taken from the source: there is no way to go on. */
		c->sent_bytes = 0;
		broke(s, "cannot send", error);
		return error;
	}
	s->in_flight++;
	return 0;
}

static int fill_stream(struct send_stream *s)
{
	for (unsigned i = 0; s->in_flight < s->window && !s->app->in.ended; i++) {
		int error;

		if (s->chunks[i].sent_bytes)
			continue;
		error = send_chunk(s, &s->chunks[i]);
		if (error)
			return error;
		/* A pipe may be empty now: poll again before the next read. */
		if (!s->app->in.sized)
			return -EAGAIN;
	}
	return 0;
}

/* What the kernel has taken waits to be acknowledged, and it could take more. */
static void widen(struct send_stream *s)
{
	struct weir_sock_stats stats;

	if (s->window == s->app->chunk_count || s->app->in.ended)
		return;
	weir_sock_get_stats(s->sock, &stats);
	if (!stats.tx_unreleased || stats.tx_queued)
		return;
	s->window *= 2;
	if (s->window > s->app->chunk_count)
		s->window = s->app->chunk_count;
}

static void send_end(struct send_stream *s)
{
	struct send_app *app = s->app;
	struct stream_record record = { .magic = STREAM_MAGIC_END, .offset = app->in.total };
	uint8_t bytes[STREAM_RECORD_BYTES];
	int error;

	s->end_sent = true;
	if (app->opts.raw) {
		error = weir_sock_shutdown(s->sock);
		/* From now on the timer asks whether all was acknowledged. */
		if (!error)
			error = weir_timer_start(app->engine, &app->timer, SEND_RAW_CHECK_US);
	} else {
		record.sum = app->sum;
		stream_put_record(bytes, &record);
		error = weir_sock_send(s->sock, bytes, sizeof(bytes), WEIR_SEND_COPY, 0);
	}
	if (error)
		broke(s, "cannot send", error);
}

static bool can_send(const struct send_stream *s)
{
	return s->sock && s->connected && !s->end_sent && !s->answered;
}

bool send_wants_data(const struct send_app *app)
{
	if (app->in.ended || app->broken_ns || app->done)
		return false;
	for (unsigned i = 0; i < app->opts.streams; i++)
		if (can_send(&app->streams[i]) &&
		    app->streams[i].in_flight < app->streams[i].window)
			return true;
	return false;
}

static bool all_connected(const struct send_app *app)
{
	for (unsigned i = 0; i < app->opts.streams; i++)
		if (!app->streams[i].connected)
			return false;
	return true;
}

static bool any_in_flight(const struct send_app *app)
{
	for (unsigned i = 0; i < app->opts.streams; i++)
		if (app->streams[i].in_flight)
			return true;
	return false;
}

/*
 * A mapped file that gets shorter may have become zeros up to the end of a page, which the kernel
 * sends as any other bytes.  So the receiver hears that all is there when the kernel needs the file
 * no more, and the file is still as long as it was.
 */
static bool may_end(struct send_app *app)
{
	char why[SEND_WHY_BYTES];

	if (!app->in.ended || app->broken_ns || app->done || !all_connected(app))
		return false;
	if (!app->in.map)
		return true;
	if (any_in_flight(app))
		return false;
	if (!stream_in_check(&app->in, why, sizeof(why)))
		return true;
	send_fail(app, "%s", why);
	return false;
}

void send_fill(struct send_app *app)
{
	for (unsigned i = 0; i < app->opts.streams && send_wants_data(app); i++)
		if (can_send(&app->streams[i]) &&
		    app->streams[i].in_flight < app->streams[i].window &&
		    fill_stream(&app->streams[i]))
			break;
	if (!may_end(app))
		return;
	for (unsigned i = 0; i < app->opts.streams; i++)
		if (can_send(&app->streams[i]))
			send_end(&app->streams[i]);
}

void send_idle(struct send_app *app)
{
	struct stream_record record = { .magic = STREAM_MAGIC_IDLE };
	struct send_stream *s = &app->streams[0];
	uint8_t bytes[STREAM_RECORD_BYTES];

	if (app->opts.raw || !can_send(s) || s->in_flight)
		return;
	stream_put_record(bytes, &record);
	if (weir_sock_send(s->sock, bytes, sizeof(bytes), WEIR_SEND_COPY, 0))
		broke(s, "cannot send", -EPIPE);
}

static void send_hello(struct send_stream *s)
{
	struct send_app *app = s->app;
	struct stream_hello hello = {
		.flags = app->opts.checksum ? STREAM_FLAG_CHECKSUM : 0,
		.index = (uint16_t)s->index,
		.count = (uint16_t)app->opts.streams,
		.chunk_max = (uint32_t)app->opts.chunk_bytes,
		.id = app->id,
		.total = app->in.sized ? app->in.total : STREAM_TOTAL_UNKNOWN,
	};
	uint8_t bytes[STREAM_HELLO_BYTES];
	int error;

	if (app->opts.raw)
		return;
	stream_put_hello(bytes, &hello);
	error = weir_sock_send(s->sock, bytes, sizeof(bytes), WEIR_SEND_COPY, 0);
	if (error)
		broke(s, "cannot send", error);
}

static int open_stream(struct send_stream *s, struct weir_error *err)
{
	struct weir_sock_opts sock_opts = { .size = sizeof(sock_opts), .name = "send" };

	return weir_connect(s->app->engine, s->app->address, &send_stream_ops, s, &sock_opts,
			    &s->sock, err);
}

void send_connect_next(struct send_app *app, const char *why)
{
	struct weir_error err = { 0 };
	char text[512];

	if (why)
		snprintf(text, sizeof(text), "cannot connect to %s: %s", app->address, why);
	while (app->address_next < app->address_count) {
		const struct weir_addr *addr = &app->addrs[app->address_next++];

		weir_addr_format(&addr->sa, app->address, sizeof(app->address));
		app->moved_ns = stream_now_ns();
		if (!open_stream(&app->streams[0], &err))
			return;
		tool_error_text(&err, text, sizeof(text));
	}
	send_fail(app, "%s", text);
}

static void on_connected(struct weir_sock *sock, int res, void *user)
{
	struct send_stream *s = user;
	struct send_app *app = s->app;
	struct weir_error err = { 0 };
	char text[512];

	if (res) {
		weir_sock_set_ops(sock, NULL, NULL);
		weir_sock_close(sock);
		s->sock = NULL;
		if (!s->index)
			send_connect_next(app, strerror(-res));
		else
			broke(s, "cannot connect another stream", res);
		return;
	}
	s->connected = true;
	app->moved_ns = stream_now_ns();
	stream_tune_socket(weir_sock_fd(sock));
	send_hello(s);
	for (unsigned i = 1; !s->index && i < app->opts.streams && !app->done; i++)
		if (open_stream(&app->streams[i], &err))
			send_fail(app, "%s", tool_error_text(&err, text, sizeof(text)));
	if (app->in.sized)
		send_fill(app);
}

static void finish(struct send_app *app)
{
	if (app->answered && !app->done && !any_in_flight(app))
		send_succeed(app);
}

static void sending_failed(struct send_stream *s, int res)
{
	struct send_app *app = s->app;
	char why[SEND_WHY_BYTES];

	/* The kernel could not read the mapping. */
	if (res == -EFAULT && app->in.map) {
		if (!stream_in_check(&app->in, why, sizeof(why)))
			snprintf(why, sizeof(why), "cannot read %.200s: %s", app->in.name,
				 strerror(EIO));
		send_fail(app, "%s", why);
		return;
	}
	broke(s, "sending failed", res < 0 ? res : -EIO);
}

static void on_sent(struct weir_sock *sock, uint64_t tag, int res, void *user)
{
	struct send_chunk *c = (struct send_chunk *)(uintptr_t)tag;
	struct send_stream *s = user;
	struct send_app *app = s->app;
	bool whole = res >= 0 && (size_t)res == c->sent_bytes;

	(void)sock;
	s->in_flight--;
	if (whole)
		sent_bytes(app, c);
	c->sent_bytes = 0;
	if (!whole) {
		sending_failed(s, res);
	} else if (app->in.sized) {
		widen(s);
		send_fill(app);
	}
	finish(app);
}

static void judge(struct send_app *app, const struct stream_result *r)
{
	if (r->status)
		send_fail(app, "the receiver says: %s", r->text[0] ? r->text : "failed");
	else if (!app->in.ended || r->bytes != app->in.total)
		send_fail(app, "the receiver has %llu bytes, not %llu",
			  (unsigned long long)r->bytes, (unsigned long long)app->in.total);
	else if (app->opts.checksum && r->sum != app->sum)
		send_fail(app, "the receiver has another checksum");
}

static void take_answer(struct send_stream *s)
{
	struct send_app *app = s->app;
	struct stream_result result;
	const char *why;

	if (stream_get_result(s->answer, &result, &why)) {
		send_fail(app, "%s: %s", app->address, why);
		return;
	}
	s->answered = true;
	app->moved_ns = stream_now_ns();
	judge(app, &result);
	for (unsigned i = 0; i < app->opts.streams; i++)
		if (!app->streams[i].answered)
			return;
	app->answered = true;
	finish(app);
}

static void on_received(struct weir_sock *sock, struct weir_slice *slices, unsigned n, void *user)
{
	struct send_stream *s = user;

	(void)sock;
	/* A raw peer may say what it likes. */
	for (unsigned i = 0; i < n && !s->app->opts.raw && !s->app->done && !s->answered; i++) {
		size_t room = sizeof(s->answer) - s->answer_have;
		size_t len = slices[i].len < room ? slices[i].len : room;

		memcpy(s->answer + s->answer_have, slices[i].data, len);
		s->answer_have += len;
		if (s->answer_have == sizeof(s->answer))
			take_answer(s);
	}
}

static void on_ended(struct weir_sock *sock, int res, void *user)
{
	struct send_stream *s = user;

	(void)sock;
	/* A raw peer may end its own direction and still read. */
	if (s->app->opts.raw && !res)
		return;
	s->ended = true;
	broke(s, "the connection broke", res);
	/* Where no stream can bring a result any more, there is nothing to wait for. */
	for (unsigned i = 0; i < s->app->opts.streams; i++)
		if (s->app->streams[i].connected && !s->app->streams[i].ended)
			return;
	if (s->app->broken_ns)
		send_fail(s->app, "%s", s->app->broken);
}

static void on_closed(struct weir_sock *sock, void *user)
{
	struct send_stream *s = user;

	(void)sock;
	s->sock = NULL;
}

const struct weir_sock_ops send_stream_ops = {
	.connected = on_connected,
	.received = on_received,
	.ended = on_ended,
	.sent = on_sent,
	.closed = on_closed,
};

void send_check_raw(struct send_app *app)
{
	struct send_stream *s = &app->streams[0];
	int left = 1, error = 0;
	socklen_t len = sizeof(error);

	if (!app->opts.raw || !s->end_sent || s->in_flight || app->broken_ns || app->done)
		return;
	if (ioctl(weir_sock_fd(s->sock), SIOCOUTQ, &left) ||
	    getsockopt(weir_sock_fd(s->sock), SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error)
		broke(s, "the connection broke", -error);
	else if (!left)
		send_succeed(app);
}
