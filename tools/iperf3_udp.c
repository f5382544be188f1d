/* SPDX-License-Identifier: MIT */
/*
 * iperf3_udp.c - the data plane of UDP streams: stamped datagrams in trains, loss and jitter.
 *
 * Theory: every datagram begins with the time it was sent (seconds, microseconds) and a number
 *	that counts from 1, in 32 or 64 bits, all big endian:
 *
 *		0        4        8              12            16
 *		| sec    | usec   | number (32)  |                 payload
 *		| sec    | usec   | number (64)                |   payload
 *
 *	A sender fills a buffer with as many datagrams as one train (UDP GSO) holds and the rate
 *	allows; each send in flight has a buffer of its own, as only the send's event says that
 *	the kernel is done with it.  A receiver takes slices apart, trains included.
 * Invariants:
 *	1. numbers of a stream are given out in order and once.
 *	2. a buffer is either free (its bit set) or in flight.
 *	3. highest number = datagrams in order + gaps; a datagram below it takes one gap back.
 * Ownership: the stream owns its trains; they are freed after it is closed.
 * Threads: the engine's.
 * Errors: ENOBUFS, EAGAIN and refused datagrams: sending goes on after a pause, the datagrams
 *	count as lost; others end the test.
 * Sources: iperf 3.12 iperf_udp.c (iperf_udp_send, iperf_udp_recv): header, what counts as loss;
 *	RFC 1889 6.3.1 and A.8 (jitter); udp(7) UDP_SEGMENT, net/ipv4/udp.c UDP_MAX_SEGMENTS.
 * Tests: tests/unit/test_iperf3_udp.c, tests/cli/iperf3_udp.sh
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iperf3.h"

#define TRAIN_BYTES_MAX 65000 /* below what an IP packet holds with its headers */
#define TRAIN_PACKETS_MAX 64
#define TRAINS_FEW_STREAMS 4
#define TRAINS_MANY_STREAMS 2
#define RETRY_US 1000

/* tag = 1 + train + (datagrams << 8) */
#define TAG(train, packets) (1 + (uint64_t)(train) + ((uint64_t)(packets) << 8))

int i3_udp_init(struct i3_test *t)
{
	uint32_t block = t->params.block_bytes;

	t->train_packets = TRAIN_BYTES_MAX / block;
	if (t->train_packets < 1)
		t->train_packets = 1;
	if (t->train_packets > TRAIN_PACKETS_MAX)
		t->train_packets = TRAIN_PACKETS_MAX;
	t->train_count = t->stream_count <= 8 ? TRAINS_FEW_STREAMS : TRAINS_MANY_STREAMS;
	for (unsigned i = 0; i < t->stream_count; i++) {
		struct i3_stream *st = t->streams[i];

		if (!st->sender)
			continue;
		st->trains = malloc((size_t)t->train_count * t->train_packets * block);
		if (!st->trains)
			return -ENOMEM;
		for (unsigned k = 0; k < t->train_count * t->train_packets; k++)
			memcpy(st->trains + (size_t)k * block, t->payload, block);
		st->train_free = (1u << t->train_count) - 1;
	}
	return 0;
}

void i3_udp_stamp(struct i3_stream *st, uint8_t *at, uint64_t now_ns)
{
	uint32_t sec = htonl((uint32_t)(now_ns / 1000000000u));
	uint32_t usec = htonl((uint32_t)(now_ns % 1000000000u / 1000));
	uint64_t number = (uint64_t)++st->udp.packets;

	memcpy(at, &sec, 4);
	memcpy(at + 4, &usec, 4);
	if (st->test->params.counters64) {
		number = htobe64(number);
		memcpy(at + 8, &number, 8);
	} else {
		uint32_t low = htonl((uint32_t)number);

		memcpy(at + 8, &low, 4);
	}
}

/* One train; false where nothing (more) could be queued. */
static bool send_train(struct i3_stream *st, unsigned packets)
{
	struct i3_test *t = st->test;
	uint32_t block = t->params.block_bytes;
	unsigned train = (unsigned)__builtin_ctz(st->train_free);
	uint8_t *at = st->trains + (size_t)train * t->train_packets * block;
	uint64_t now = i3_now_ns();
	int64_t before = st->udp.packets;
	int rc;

	if (packets > t->train_packets)
		packets = t->train_packets;
	for (unsigned i = 0; i < packets; i++)
		i3_udp_stamp(st, at + (size_t)i * block, now);
	rc = weir_sock_sendto(st->sock, at, (size_t)packets * block, packets > 1 ? block : 0, NULL,
			      i3_send_flags(t), TAG(train, packets));
	if (rc) {
		st->udp.packets = before;
		if (rc == -ENOBUFS)
			st->stalled = true;
		else
			i3_stream_trouble(st, I3E_STREAM_WRITE, -rc);
		return false;
	}
	st->train_free &= ~(1u << train);
	i3_queued(st, packets);
	return true;
}

bool i3_udp_fill(struct i3_stream *st)
{
	struct i3_test *t = st->test;
	unsigned packets;

	if (!t->running || t->finished || t->dropped || !st->sock || st->stalled || !st->train_free)
		return false;
	packets = i3_may_queue(st);
	return packets && send_train(st, packets);
}

static void udp_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct i3_stream *st = user;
	struct i3_test *t = st->test;

	(void)s;
	st->in_flight--;
	st->train_free |= 1u << ((tag - 1) & 0xff);
	if (t->dropped)
		return;
	if (res < 0) {
		/* these datagrams are gone; a full queue or a peer that left may come back */
		if (res != -ENOBUFS && res != -EAGAIN && res != -ECONNREFUSED && res != -ECANCELED)
			i3_stream_trouble(st, I3E_STREAM_WRITE, -res);
		st->stalled = true;
		if (!t->finished)
			i3_pace(t, RETRY_US);
		/* without a retry a limit in blocks is never reached */
		t->bytes_queued -= (tag >> 8) * t->params.block_bytes;
		if (t->finished)
			t->hooks->progress(t);
		return;
	}
	if (t->finished) {
		/* on its way when the test ended: it has its numbers, the other end counts it */
		st->bytes += (uint64_t)res;
		st->last.bytes += (uint64_t)res;
		t->hooks->progress(t);
		return;
	}
	i3_count_sent(st, (uint64_t)res, (uint64_t)res / t->params.block_bytes);
	i3_udp_fill(st);
}

static void udp_writable(struct weir_sock *s, void *user)
{
	struct i3_stream *st = user;

	(void)s;
	st->stalled = false;
	while (i3_udp_fill(st))
		;
}

void i3_udp_account(struct i3_stream *st, const uint8_t *data, uint32_t len, double now_s)
{
	bool wide = st->test->params.counters64;
	uint32_t sec, usec, low;
	uint64_t number;
	double transit;

	/* too short for a header: counts as bytes only */
	if (len < (wide ? 16u : 12u))
		return;
	memcpy(&sec, data, 4);
	memcpy(&usec, data + 4, 4);
	if (wide) {
		memcpy(&number, data + 8, 8);
		number = be64toh(number);
	} else {
		memcpy(&low, data + 8, 4);
		number = ntohl(low);
	}
	if (number > INT64_MAX)
		return;
	if ((int64_t)number > st->udp.packets) {
		st->udp.lost += (int64_t)number - 1 - st->udp.packets;
		st->udp.packets = (int64_t)number;
	} else {
		st->udp.out_of_order++;
		if (st->udp.lost > 0)
			st->udp.lost--;
	}
	/* the clocks differ by a constant, which the difference of two transits has not */
	transit = now_s - ((double)ntohl(sec) + (double)ntohl(usec) / 1e6);
	if (st->transit_known)
		st->jitter_s += (fabs(transit - st->transit_s) - st->jitter_s) / 16.0;
	st->transit_s = transit;
	st->transit_known = true;
}

static void udp_received(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct i3_stream *st = user;
	struct i3_test *t = st->test;
	uint64_t bytes = 0, packets = 0;
	double now_s = (double)i3_now_ns() / 1e9;

	(void)s;
	if (st->sender || !t->running || t->finished)
		return;
	for (unsigned i = 0; i < n; i++) {
		uint32_t count = weir_slice_datagram_count(&slices[i]), len;

		for (uint32_t k = 0; k < count; k++) {
			const uint8_t *data = weir_slice_datagram(&slices[i], k, &len);

			i3_udp_account(st, data, len, now_s);
		}
		bytes += slices[i].len;
		packets += count;
	}
	i3_count_received(st, bytes, packets);
}

static void udp_failed(struct weir_sock *s, int res, void *user)
{
	/* ICMP errors: the other side closes its socket first at the end of each test */
	(void)s;
	(void)res;
	(void)user;
}

const struct weir_sock_ops i3_udp_ops = {
	.received = udp_received,
	.ended = i3_stream_ended,
	.sent = udp_sent,
	.writable = udp_writable,
	.failed = udp_failed,
	.closed = i3_stream_closed,
};
