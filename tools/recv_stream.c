/* SPDX-License-Identifier: MIT */
/*
 * recv_stream.c - one connection of weir recv: from slices to records and payload.
 *
 * Theory: a machine over enum recv_state eats bytes wherever slices cut them; only headers are
 *	copied, payload is written from the slice.  Where the output wants bytes in order (a pipe),
 *	a connection whose chunk is not next is RECV_BLOCKED: what still arrives waits in a queue,
 *	in held slices while at most half of the receive buffers are held, else in copies, so
 *	that the connection whose turn it is never starves.  Above QUEUE_MAX the socket is paused
 *	and TCP holds the sender up.
 * Invariants:
 *	1. at most one connection is in RECV_PAYLOAD when the output is ordered.
 *	2. bytes are queued only behind a RECV_BLOCKED connection's header.
 *	3. every held slice is released: when eaten, when drained, when the stream is freed.
 * Ownership: the app's list owns streams; the engine owns sockets; recv_stream_free() on CLOSED.
 * Threads: the engine's.
 * Errors: what is wrong with a connection fails its transfer, or, outside of one, itself.
 * Sources: stream.h
 * Tests: tests/cli/recv_send.sh, tests/cli/recv_send_faults.sh
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recv.h"

#define QUEUE_MAX (512u << 10)

int recv_stream_new(struct recv_app *app, struct weir_sock *sock, struct recv_stream **ret)
{
	struct recv_stream *s = calloc(1, sizeof(*s));
	struct weir_addr addr;

	if (!s)
		return -ENOMEM;
	s->app = app;
	s->sock = sock;
	s->transfer_index = -1;
	s->since_ns = weir_engine_now_ns(app->engine);
	/* A peer may be gone before it was accepted. */
	if (weir_sock_peer(sock, &addr))
		snprintf(s->peer, sizeof(s->peer), "a peer that is gone");
	else
		weir_addr_format(&addr.sa, s->peer, sizeof(s->peer));
	s->sum = stream_sum_new();
	if (!s->sum) {
		free(s);
		return -ENOMEM;
	}
	s->next = app->streams;
	app->streams = s;
	*ret = s;
	return 0;
}

static void drop_queue(struct recv_stream *s)
{
	while (s->first) {
		struct recv_piece *piece = s->first;

		s->first = piece->next;
		if (piece->held)
			weir_slice_release(&piece->slice);
		free(piece);
	}
	s->last = NULL;
	s->queued = 0;
}

void recv_stream_free(struct recv_stream *s)
{
	struct recv_stream **link = &s->app->streams;

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	if (s->transfer_index >= 0)
		s->app->transfer.streams[s->transfer_index] = NULL;
	drop_queue(s);
	recv_direct_leave(&s->app->direct, &s->runs);
	stream_sum_free(s->sum);
	free(s);
}

/* Return: 0 or -ENOMEM. */
static int queue_piece(struct recv_stream *s, struct weir_slice *slice, size_t skip)
{
	size_t len = slice->len - skip;
	const uint8_t *at = (const uint8_t *)slice->data + skip;
	struct weir_engine_stats stats;
	struct recv_piece *piece;
	bool hold;

	weir_engine_get_stats(s->app->engine, &stats);
	hold = stats.buffers_held * 2 < stats.buffers && !weir_slice_hold(slice);
	piece = malloc(sizeof(*piece) + (hold ? 0 : len));
	if (!piece) {
		if (hold)
			weir_slice_release(slice);
		return -ENOMEM;
	}
	*piece = (struct recv_piece){ .slice = *slice, .held = hold, .at = at, .len = len };
	if (!hold) {
		memcpy(piece->copy, at, len);
		piece->at = piece->copy;
	}
	if (s->last)
		s->last->next = piece;
	else
		s->first = piece;
	s->last = piece;
	s->queued += len;
	if (s->queued > QUEUE_MAX && !s->paused) {
		s->paused = true;
		weir_sock_pause(s->sock);
	}
	return 0;
}

/* Collects a header; true once it is there. */
static bool collect(struct recv_stream *s, size_t want, const uint8_t **at, size_t *len)
{
	size_t n = want - s->header_have < *len ? want - s->header_have : *len;

	memcpy(s->header + s->header_have, *at, n);
	s->header_have += n;
	*at += n;
	*len -= n;
	if (s->header_have < want)
		return false;
	s->header_have = 0;
	return true;
}

static void take_hello(struct recv_stream *s)
{
	const char *why;

	if (stream_get_hello(s->header, &s->hello, &why))
		recv_stream_refuse(s, why);
	else
		recv_transfer_join(s);
}

static void take_chunk(struct recv_stream *s)
{
	struct recv_transfer *t = &s->app->transfer;
	int error = stream_cover_add(&t->cover, s->record.offset, s->record.len);

	if (error) {
		recv_transfer_fail(s->app, s, "%s",
				   error == -EEXIST ? "the peer sent some bytes twice" :
				   error == -E2BIG  ? "the peer's chunks are in no order" :
						      strerror(-error));
		return;
	}
	s->left = s->record.len;
	s->offset = s->record.offset;
	stream_sum_begin(s->sum, s->offset);
	s->state = s->app->out.ordered && s->offset != t->frontier ? RECV_BLOCKED : RECV_PAYLOAD;
}

static void take_record(struct recv_stream *s)
{
	const char *why;

	if (stream_get_record(s->header, &s->hello, &s->record, &why))
		recv_transfer_fail(s->app, s, "%s", why);
	else if (s->record.magic == STREAM_MAGIC_END)
		recv_transfer_end(s);
	else if (s->record.magic == STREAM_MAGIC_CHUNK)
		take_chunk(s);
	else
		s->app->transfer.moved_ns = stream_now_ns();
}

static void take_payload(struct recv_stream *s, const struct weir_slice *slice, const uint8_t **at,
			 size_t *len)
{
	size_t n = s->left < *len ? (size_t)s->left : *len;

	if (s->state == RECV_RAW)
		n = *len;
	if (recv_transfer_write(s, slice, *at, n))
		return;
	*at += n;
	*len -= n;
	if (s->state == RECV_RAW)
		return;
	s->left -= n;
	if (s->left)
		return;
	if (s->hello.flags & STREAM_FLAG_CHECKSUM)
		s->app->transfer.sum += stream_sum_end(s->sum);
	s->state = RECV_RECORD;
}

/*
 * @data lies in @slice; NULL: in a copy.  Return: bytes used; fewer than @len only when the stream
 * is blocked.
 */
static size_t eat(struct recv_stream *s, const struct weir_slice *slice, const uint8_t *data,
		  size_t len)
{
	const uint8_t *at = data;

	while (len && s->state != RECV_BLOCKED) {
		switch (s->state) {
		case RECV_HELLO:
			if (collect(s, STREAM_HELLO_BYTES, &at, &len))
				take_hello(s);
			break;
		case RECV_RECORD:
			if (collect(s, STREAM_RECORD_BYTES, &at, &len))
				take_record(s);
			break;
		case RECV_PAYLOAD:
		case RECV_RAW:
			take_payload(s, slice, &at, &len);
			break;
		case RECV_DONE:
			recv_transfer_fail(s->app, s, "the peer sent data after its end");
			break;
		default:
			at += len;
			len = 0;
		}
	}
	return (size_t)(at - data);
}

/* The peer's end matters once all that came before it was eaten. */
static void check_ended(struct recv_stream *s)
{
	const char *how = s->end_res ? strerror(-s->end_res) : "the connection was closed";

	if (!s->peer_ended || s->first)
		return;
	switch (s->state) {
	case RECV_HELLO:
		recv_stream_refuse(s, s->end_res     ? how :
				      s->header_have ? "the peer is not weir send" :
						       "the peer closed without a word");
		break;
	case RECV_RECORD:
	case RECV_PAYLOAD:
	case RECV_BLOCKED:
		recv_transfer_fail(s->app, s, "the stream is incomplete: %s", how);
		break;
	case RECV_RAW:
		if (s->end_res)
			recv_transfer_fail(s->app, s, "the stream is incomplete: %s", how);
		else
			recv_transfer_raw_end(s);
		break;
	case RECV_DRAIN:
		/* The result may still be queued. */
		if (s->end_res)
			weir_sock_close(s->sock);
		else
			weir_sock_finish(s->sock);
		break;
	case RECV_DONE:
		if (s->end_res)
			recv_transfer_fail(s->app, s, "lost before the other streams ended: %s",
					   how);
		break;
	}
}

void recv_stream_ended(struct recv_stream *s, int res)
{
	s->peer_ended = true;
	s->end_res = res;
	check_ended(s);
}

void recv_stream_take(struct recv_stream *s, struct weir_slice *slice)
{
	size_t used = s->first ? 0 : eat(s, slice, slice->data, slice->len);

	if (used < slice->len && queue_piece(s, slice, used))
		recv_transfer_fail(s->app, NULL, "out of memory");
}

static void run_queue(struct recv_stream *s)
{
	while (s->first && s->state != RECV_BLOCKED) {
		struct recv_piece *piece = s->first;
		size_t used = eat(s, piece->held ? &piece->slice : NULL, piece->at, piece->len);

		/* A failed transfer has thrown the queue away. */
		if (s->first != piece)
			return;
		s->queued -= used;
		piece->at += used;
		piece->len -= used;
		if (piece->len)
			return;
		s->first = piece->next;
		if (!s->first)
			s->last = NULL;
		if (piece->held)
			weir_slice_release(&piece->slice);
		free(piece);
	}
	if (!s->first && s->paused) {
		s->paused = false;
		weir_sock_resume(s->sock);
	}
	check_ended(s);
}

/* Nobody is left who could bring the next byte. */
static void check_stuck(struct recv_app *app)
{
	struct recv_transfer *t = &app->transfer;
	bool blocked = false;

	if (!t->active || t->joined < t->hello.count)
		return;
	for (unsigned i = 0; i < t->hello.count; i++) {
		struct recv_stream *s = t->streams[i];

		if (s && s->state == RECV_BLOCKED)
			blocked = true;
		else if (s && s->state != RECV_DONE)
			return;
	}
	if (blocked)
		recv_transfer_fail(app, NULL, "the sender left out the bytes from %llu on",
				   (unsigned long long)t->frontier);
}

void recv_run_ordered(struct recv_app *app)
{
	struct recv_transfer *t = &app->transfer;
	bool moved = true;

	while (moved && t->active && app->out.ordered) {
		moved = false;
		for (unsigned i = 0; t->active && i < t->hello.count; i++) {
			struct recv_stream *s = t->streams[i];

			if (!s || s->state != RECV_BLOCKED || s->offset != t->frontier)
				continue;
			s->state = RECV_PAYLOAD;
			run_queue(s);
			moved = true;
		}
	}
	if (app->out.ordered)
		check_stuck(app);
}

void recv_stream_answer(struct recv_stream *s, const struct stream_result *result)
{
	uint8_t text[STREAM_RESULT_BYTES];

	drop_queue(s);
	s->state = RECV_DRAIN;
	s->since_ns = stream_now_ns();
	s->transfer_index = -1;
	if (s->paused) {
		s->paused = false;
		weir_sock_resume(s->sock);
	}
	if (s->app->opts.raw) {
		weir_sock_close(s->sock);
		return;
	}
	stream_put_result(text, result);
	/* A peer that is gone cannot be told. */
	if (s->end_res || weir_sock_send(s->sock, text, sizeof(text), WEIR_SEND_COPY, 0))
		weir_sock_close(s->sock);
	else if (!result->status || s->peer_ended)
		weir_sock_finish(s->sock);
	else
		weir_sock_shutdown(s->sock);
}

void recv_stream_refuse(struct recv_stream *s, const char *why)
{
	struct stream_result result = { .status = 1 };
	struct recv_app *app = s->app;

	recv_report_failure(app, s->peer, "refused: ", why);
	snprintf(result.text, sizeof(result.text), "%s", why);
	recv_stream_answer(s, &result);
	if (app->transfer.active)
		return;
	app->failures++;
	app->finished = app->finished || !app->opts.keep;
}
