/* SPDX-License-Identifier: MIT */
/*
 * iperf3_ctx.c - the contexts that TCP senders send by: which stream a generation belongs to.
 *
 * Theory: the engine's contexts are registered once, and each sender takes one for its life.  What
 *	an earlier stream sent by the same context is told by the generation's number.  How many
 *	bytes went without a copy is asked of the sockets, which know it for UDP as well.
 * Invariants:
 *	1. a context has one stream at a time, from its first send to its socket's end.
 * Ownership: one engine for each process, and so one table.
 * Threads: the engine's.
 * Errors: none free: -ENOBUFS.  There are four times as many as the streams of a test, and sockets
 *	of tests that are over end within seconds.
 * Sources: none.
 * Tests: tests/cli/iperf3_zerocopy.sh, tests/cli/iperf3_tcp.sh
 */
#include <errno.h>
#include <string.h>

#include "iperf3.h"

static struct {
	struct i3_stream *stream;
	uint64_t first; /* generation of @stream */
} users[WEIR_CTX_MAX];

int i3_ctxs_register(struct weir_engine *e, struct weir_error *reterr)
{
	uint64_t tags[WEIR_CTX_MAX];

	for (unsigned i = 0; i < WEIR_CTX_MAX; i++)
		tags[i] = i;
	return weir_ctx_register(e, tags, WEIR_CTX_MAX, reterr);
}

int i3_ctx_take(struct i3_stream *st)
{
	for (unsigned i = 0; i < WEIR_CTX_MAX; i++) {
		if (users[i].stream)
			continue;
		if (weir_ctx_generation(st->test->engine, i, &users[i].first))
			return -ENOENT;
		users[i].stream = st;
		st->ctx_plus_1 = i + 1;
		return 0;
	}
	return -ENOBUFS;
}

void i3_ctx_drop(struct i3_stream *st)
{
	if (!st->ctx_plus_1)
		return;
	/*
	 * What was sent has ended; the generation it belongs to is not to be the next stream's.
	 * Where it cannot be ended nothing was sent by it: i3_tcp_fill() leaves none open.
	 */
	(void)!weir_ctx_flush(st->test->engine, st->ctx_plus_1 - 1);
	users[st->ctx_plus_1 - 1].stream = NULL;
	st->ctx_plus_1 = 0;
}

void i3_released(struct weir_engine *e, const struct weir_event *ev, void *user)
{
	struct i3_stream *st = users[ev->gen.tag].stream;

	(void)e;
	(void)user;
	if (st && ev->gen.number >= users[ev->gen.tag].first)
		i3_tcp_released(st, &ev->gen, ev->res);
}

void i3_note_uncopied(struct i3_stream *st)
{
	struct weir_sock_stats stats;

	if (!st->sender || !st->sock)
		return;
	weir_sock_get_stats(st->sock, &stats);
	st->uncopied = stats.tx_zc_bytes - stats.tx_zc_copied_bytes;
}

uint64_t i3_uncopied(struct i3_test *t)
{
	uint64_t sent = t->stats.tx_bytes - t->stats_before.tx_bytes, sum = 0;

	for (unsigned i = 0; i < t->stream_count; i++) {
		i3_note_uncopied(t->streams[i]);
		sum += t->streams[i]->uncopied;
	}
	/* what was given to the kernel before the end of the test, and came back since */
	return sum < sent ? sum : sent;
}

const char *i3_sends_why(const struct i3_test *t)
{
	for (unsigned i = 0; i < t->stream_count; i++) {
		const struct i3_stream *st = t->streams[i];
		const char *why =
			st->sender && st->sock ? strstr(weir_sock_why(st->sock), "sends") : NULL;

		if (why)
			return why;
	}
	return "";
}
