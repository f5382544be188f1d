/* SPDX-License-Identifier: MIT */
/*
 * iperf3_stream.c - data streams: what TCP and UDP share, and the data plane of TCP.
 *
 * Theory: a receiver's callback adds up lengths and touches no payload.  A sender keeps a few
 *	blocks in flight, all from one buffer that never changes, and queues the next when one
 *	is done, so that the kernel always has work and the memory stays in the cache.  With -b
 *	a stream may queue as much as its rate gave since the start; what is not due yet waits
 *	for the pacing timer.
 * Invariants:
 *	1. bytes count when the kernel has taken them (senders) or delivered them (receivers),
 *	   and only while the test runs.
 *	2. a client with -n or -k queues no block beyond the limit, one with -t and -b none after
 *	   the time is up.
 *	3. in_flight is the number of sends whose event is outstanding.
 * Ownership: the payload is the test's and lives until the streams are closed.
 * Threads: the engine's.
 * Errors: a stream that fails while the test runs gives the control connection TROUBLE_US to
 *	explain it; then the test fails.
 * Sources: iperf 3.12 iperf_tcp.c (iperf_tcp_send, iperf_tcp_recv), iperf_api.c (iperf_send,
 *	iperf_check_throttle): when a block may be sent and what counts.
 * Tests: tests/unit/test_iperf3_udp.c (limits, pacing), tests/cli/iperf3_tcp.sh, iperf3_many.sh
 */
#include <errno.h>
#include <limits.h>

#include "iperf3.h"

#define TROUBLE_US 1000000
#define IN_FLIGHT_BYTES (512 * 1024) /* with the block: stays in an L2 cache */
#define IN_FLIGHT_MIN 2
#define IN_FLIGHT_MAX 16
#define IN_FLIGHT_ALL 128 /* of all streams: many streams keep the kernel busy with one each */

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

void i3_tcp_fill(struct i3_stream *st)
{
	struct i3_test *t = st->test;
	uint32_t block = t->params.block_bytes;
	unsigned depth;

	if (!t->running || t->finished || t->dropped || !st->sock || st->stalled || st->ended)
		return;
	depth = in_flight_max(t);
	while (st->in_flight < depth) {
		int rc;

		if (!i3_may_queue(st))
			return;
		rc = weir_sock_send(st->sock, t->payload, block, 0, 1);
		if (rc == -ENOBUFS) {
			st->stalled = true;
			return;
		}
		if (rc) {
			i3_stream_trouble(st, I3E_STREAM_WRITE, -rc);
			return;
		}
		i3_queued(st, 1);
	}
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

static void tcp_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct i3_stream *st = user;
	struct i3_test *t = st->test;

	(void)s;
	(void)tag;
	st->in_flight--;
	if (t->dropped)
		return;
	if (res < 0) {
		i3_stream_trouble(st, I3E_STREAM_WRITE, -res);
		return;
	}
	i3_count_sent(st, (uint64_t)res, (uint32_t)res == t->params.block_bytes);
	i3_tcp_fill(st);
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
	.sent = tcp_sent,
	.writable = tcp_writable,
	.closed = i3_stream_closed,
};
