/* SPDX-License-Identifier: MIT */
/*
 * iperf3_stream.c - data streams: what TCP and UDP share, and the data plane of TCP.
 *
 * Theory: a receiver's callback adds up lengths and touches no payload.  A sender keeps a few
 *	blocks in flight, all from one buffer that never changes, and queues the next when some
 *	are done, so that the kernel always has work and the memory stays in the cache.  Blocks end
 *	in generations of the stream's context; those that went without a copy end when they are
 *	acknowledged, so a stream whose socket has room and whose blocks do is given more.  With -b
 *	a stream may queue as much as its rate gave since the start; what is not due yet waits
 *	for the pacing timer.
 * Invariants:
 *	1. bytes count when the kernel has taken them (senders) or delivered them (receivers),
 *	   and only while the test runs.
 *	2. a client with -n or -k queues no block beyond the limit, one with -t and -b none after
 *	   the time is up.
 *	3. in_flight is the number of sends that have not ended, as long as the stream is well.
 *	4. after i3_tcp_fill() no send waits in an open generation.
 * Ownership: the payload is the test's and lives until the streams are closed.
 * Threads: the engine's.
 * Errors: a stream that fails while the test runs gives the control connection TROUBLE_US to
 *	explain it; then the test fails.
 * Sources: iperf 3.12 iperf_tcp.c (iperf_tcp_send, iperf_tcp_recv), iperf_api.c (iperf_send,
 *	iperf_check_throttle): when a block may be sent and what counts.
 * Tests: tests/unit/test_iperf3_udp.c (limits, pacing), tests/cli/iperf3_tcp.sh, iperf3_many.sh,
 *	iperf3_zerocopy.sh
 */
#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

#include "iperf3.h"

#define TROUBLE_US 1000000
#define IN_FLIGHT_BYTES (512 * 1024) /* with the block: stays in an L2 cache */
#define IN_FLIGHT_MIN 2
#define IN_FLIGHT_MAX 16
#define IN_FLIGHT_ALL 128 /* of all streams: many streams keep the kernel busy with one each */
/* Sends without a copy end when they are acknowledged: so much of a stream may wait for that. */
#define UNACKED_BYTES (16u << 20)
#define UNACKED_MAX 1024u
#define GENERATION_MAX 8u /* sends that end together: fewer events, and still no gap */

void i3_count_received(struct i3_stream *st, uint64_t bytes, uint64_t blocks)
{
	struct i3_test *t = st->test;

	if (!t->running || t->finished)
		return;
	st->bytes += bytes;
	st->interval_bytes += bytes;
	t->bytes_received += bytes;
	t->blocks_received += blocks;
	t->hooks->progress(t);
}

void i3_count_sent(struct i3_stream *st, uint64_t bytes, uint64_t blocks)
{
	struct i3_test *t = st->test;

	if (!t->running || t->finished)
		return;
	st->bytes += bytes;
	st->interval_bytes += bytes;
	t->bytes_sent += bytes;
	t->blocks_sent += blocks;
	t->hooks->progress(t);
}

void i3_stream_trouble(struct i3_stream *st, enum i3_error code, int err)
{
	struct i3_test *t = st->test;

	if (t->finished || t->dropped || t->failed || t->trouble)
		return;
	t->trouble = code;
	t->trouble_err = err;
	i3_deadline(t, TROUBLE_US, "the reason of a broken stream");
}

void i3_stream_ended(struct weir_sock *s, int res, void *user)
{
	struct i3_stream *st = user;

	(void)s;
	st->ended = true;
	/* before the end a stream does not end; a client that is killed breaks all of them */
	if (st->test->running)
		i3_stream_trouble(st, I3E_STREAM_READ, res ? -res : ECONNRESET);
}

/*
 * Blocks that -n and -k leave, one stream's share of them: a client that was held up owes each
 * stream a burst, and the first must not take it all.  A server sends until it is told to stop, as
 * iperf3's does.
 */
static uint64_t blocks_left(const struct i3_test *t)
{
	uint64_t streams = t->params.streams > 1 ? t->params.streams : 1;
	uint64_t limit, queued = t->bytes_queued / t->params.block_bytes;

	if (t->server || t->omitting || (!t->params.bytes && !t->params.blocks))
		return UINT64_MAX;
	limit = t->params.blocks ?
			t->params.blocks :
			(t->params.bytes + t->params.block_bytes - 1) / t->params.block_bytes;
	return limit > queued ? (limit - queued + streams - 1) / streams : 0;
}

unsigned i3_allowance(struct i3_stream *st, uint64_t *retwait_us)
{
	const struct i3_test *t = st->test;
	double bytes_per_s = (double)t->params.rate / 8.0, due;
	uint64_t left = blocks_left(t), blocks, now = t->params.rate ? i3_now_ns() : 0;

	/* a client that was held up does not make up for it with a burst after the end */
	if (t->stop_ns && now >= t->stop_ns)
		return 0;
	if (t->params.rate && !st->burst_left) {
		due = bytes_per_s * i3_seconds(t->started_ns, now);
		if (st->queued_bytes && (double)st->queued_bytes >= due) {
			*retwait_us =
				(uint64_t)(((double)st->queued_bytes - due) / bytes_per_s * 1e6) +
				1;
			return 0;
		}
		blocks = 1 + (uint64_t)((due - (double)st->queued_bytes) / t->params.block_bytes);
		if (t->params.burst)
			st->burst_left = t->params.burst;
		else
			left = blocks < left ? blocks : left;
	}
	if (st->burst_left && st->burst_left < left)
		left = st->burst_left;
	return left < UINT_MAX ? (unsigned)left : UINT_MAX;
}

unsigned i3_may_queue(struct i3_stream *st)
{
	uint64_t wait_us = 0;
	unsigned blocks = i3_allowance(st, &wait_us);

	if (!blocks && wait_us)
		i3_pace(st->test, wait_us);
	return blocks;
}

void i3_queued(struct i3_stream *st, unsigned blocks)
{
	uint64_t bytes = (uint64_t)blocks * st->test->params.block_bytes;

	st->queued_bytes += bytes;
	st->test->bytes_queued += bytes;
	st->burst_left -= st->burst_left < blocks ? st->burst_left : blocks;
	st->in_flight++;
}

bool i3_fill(struct i3_stream *st)
{
	if (st->test->params.udp)
		return i3_udp_fill(st);
	i3_tcp_fill(st);
	return false;
}

/* TCP */

unsigned i3_send_flags(const struct i3_test *t)
{
	return t->params.zerocopy ? WEIR_SEND_ZEROCOPY : 0;
}

static unsigned in_flight_max(const struct i3_test *t)
{
	unsigned depth = IN_FLIGHT_BYTES / t->params.block_bytes;
	unsigned share = IN_FLIGHT_ALL / t->stream_count;

	if (depth < IN_FLIGHT_MIN)
		depth = IN_FLIGHT_MIN;
	if (depth > IN_FLIGHT_MAX)
		depth = IN_FLIGHT_MAX;
	if (depth > share)
		depth = share;
	return depth ? depth : 1;
}

static int send_block(struct i3_stream *st)
{
	struct i3_test *t = st->test;
	unsigned most = st->window / 2 < GENERATION_MAX ? st->window / 2 : GENERATION_MAX;
	bool last = st->open_sends + 1 >= most || st->in_flight + 1 == st->window;
	struct iovec iov = { .iov_base = t->payload, .iov_len = t->params.block_bytes };
	struct weir_ctx_send send = {
		.size = sizeof(send),
		.ctx = st->ctx_plus_1 - 1,
		.flags = i3_send_flags(t) | (last ? WEIR_SEND_FLUSH : 0),
		.iov = &iov,
		.iov_count = 1,
	};
	int rc = weir_ctx_send(st->sock, &send);

	if (!rc)
		st->open_sends = last ? 0 : st->open_sends + 1;
	return rc;
}

/* Return: 0 where as much is on its way as may be; -ENOBUFS: the queue is full. */
static int fill(struct i3_stream *st)
{
	while (st->in_flight < st->window) {
		int rc;

		if (!i3_may_queue(st))
			return 0;
		rc = send_block(st);
		if (rc)
			return rc;
		i3_queued(st, 1);
	}
	return 0;
}

void i3_tcp_fill(struct i3_stream *st)
{
	struct i3_test *t = st->test;
	int rc = 0;

	if (!t->running || t->finished || t->dropped || !st->sock || st->stalled || st->ended)
		return;
	if (!st->window)
		st->window = in_flight_max(t);
	if (!st->ctx_plus_1)
		rc = i3_ctx_take(st);
	if (!rc)
		rc = fill(st);
	/* What was sent is not to wait for what is not due yet. */
	if (st->open_sends && !weir_ctx_flush(t->engine, st->ctx_plus_1 - 1))
		st->open_sends = 0;
	if (rc == -ENOBUFS && st->ctx_plus_1)
		st->stalled = true;
	else if (rc)
		i3_stream_trouble(st, I3E_STREAM_WRITE, -rc);
}

/* What the kernel has taken waits to be acknowledged, and it could take more. */
static void widen(struct i3_stream *st)
{
	unsigned most = UNACKED_BYTES / st->test->params.block_bytes;
	struct weir_sock_stats stats;

	if (most > UNACKED_MAX)
		most = UNACKED_MAX;
	if (st->window >= most || !st->sock)
		return;
	weir_sock_get_stats(st->sock, &stats);
	if (stats.tx_unreleased && !stats.tx_queued)
		st->window = 2 * st->window < most ? 2 * st->window : most;
}

void i3_tcp_released(struct i3_stream *st, const struct weir_generation *gen, int res)
{
	struct i3_test *t = st->test;
	uint64_t blocks = gen->bytes / t->params.block_bytes;

	st->in_flight -= blocks < st->in_flight ? (unsigned)blocks : st->in_flight;
	if (t->dropped)
		return;
	if (gen->bytes)
		i3_count_sent(st, gen->bytes, blocks);
	if (t->dropped)
		return;
	if (res < 0) {
		i3_stream_trouble(st, I3E_STREAM_WRITE, -res);
		return;
	}
	widen(st);
	i3_tcp_fill(st);
}

static void tcp_received(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct i3_stream *st = user;
	uint64_t bytes = 0;

	(void)s;
	if (st->sender)
		return;
	for (unsigned i = 0; i < n; i++)
		bytes += slices[i].len;
	i3_count_received(st, bytes, 0);
}

static void tcp_writable(struct weir_sock *s, void *user)
{
	struct i3_stream *st = user;

	(void)s;
	st->stalled = false;
	i3_tcp_fill(st);
}

const struct weir_sock_ops i3_tcp_ops = {
	.received = tcp_received,
	.ended = i3_stream_ended,
	.writable = tcp_writable,
	.closed = i3_stream_closed,
};
