/* SPDX-License-Identifier: MIT */
/*
 * iperf3_stats.c - what a test's streams did in an interval and in all.
 *
 * Theory: an interval is taken by looking at running counters and subtracting what they were at
 *	the last look.  TCP senders add what the kernel says (TCP_INFO).  When the omitted first
 *	part ends, the counters' present values become the zero from which the test proper counts.
 *	A send counts when it is done, but the kernel takes the last ones in part: at the end
 *	i3_stats_settle() asks it how much it took, or more would be received than was sent.
 * Invariants:
 *	1. intervals meet: each begins where the one before ended.
 *	2. the sum of all intervals that are not omitted is the stream's total.
 * Ownership: none.
 * Threads: the engine's.
 * Errors: a TCP_INFO that fails leaves the figures of that interval at 0.
 * Sources: iperf 3.12 iperf_api.c (iperf_stats_callback, iperf_reset_stats): which figures;
 *	tcp(7) and linux/tcp.h for struct tcp_info.
 * Tests: tests/cli/iperf3_tcp.sh, iperf3_udp.sh, iperf3_json.sh
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "iperf3.h"

double i3_seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0.0;
}

static bool tcp_info(const struct i3_stream *st, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);
	int fd = st->sock ? weir_sock_fd(st->sock) : -1;

	memset(info, 0, sizeof(*info));
	return fd >= 0 && !getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len);
}

static void tcp_interval(struct i3_stream *st)
{
	struct tcp_info info;
	struct i3_tcp_sum *sum = &st->tcp;

	if (!st->sender || st->test->retransmits <= 0 || !tcp_info(st, &info))
		return;
	st->last.retransmits = (uint32_t)(info.tcpi_total_retrans - sum->total_retransmits);
	sum->total_retransmits = info.tcpi_total_retrans;
	sum->retransmits += st->last.retransmits;
	st->last.cwnd_bytes = (uint64_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss;
	st->last.window_bytes = info.tcpi_snd_wnd;
	st->last.rtt_us = info.tcpi_rtt;
	st->last.rttvar_us = info.tcpi_rttvar;
	st->last.pmtu = info.tcpi_pmtu;
	if (st->last.cwnd_bytes > sum->max_cwnd_bytes)
		sum->max_cwnd_bytes = st->last.cwnd_bytes;
	if (st->last.window_bytes > sum->max_window_bytes)
		sum->max_window_bytes = st->last.window_bytes;
	if (info.tcpi_rtt > sum->max_rtt_us)
		sum->max_rtt_us = info.tcpi_rtt;
	if (!sum->min_rtt_us || info.tcpi_rtt < sum->min_rtt_us)
		sum->min_rtt_us = info.tcpi_rtt;
	sum->rtt_sum_us += info.tcpi_rtt;
	sum->rtt_count++;
}

static void stream_interval(struct i3_stream *st)
{
	memset(&st->last, 0, sizeof(st->last));
	st->last.bytes = st->interval_bytes;
	st->interval_bytes = 0;
	if (!st->test->params.udp) {
		tcp_interval(st);
		return;
	}
	st->last.packets = st->udp.packets - st->udp_before.packets;
	st->last.lost = st->udp.lost - st->udp_before.lost;
	st->last.out_of_order = st->udp.out_of_order - st->udp_before.out_of_order;
	st->last.jitter_s = st->jitter_s;
	st->udp_before = st->udp;
}

/* Payload the kernel ever took from a stream, whether sent yet or not. */
static uint64_t bytes_written(const struct i3_stream *st)
{
	struct tcp_info info;

	if (!tcp_info(st, &info))
		return 0;
	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

void i3_stats_begin(struct i3_test *t)
{
	/* the cookie, and what a server said before */
	for (unsigned i = 0; i < t->stream_count && !t->params.udp; i++)
		t->streams[i]->tcp.written_before = bytes_written(t->streams[i]);
}

void i3_stats_settle(struct i3_test *t)
{
	for (unsigned i = 0; i < t->stream_count && !t->params.udp; i++) {
		struct i3_stream *st = t->streams[i];
		uint64_t written;

		if (!st->sender)
			continue;
		written = bytes_written(st);
		written -= written < st->tcp.written_before ? written : st->tcp.written_before;
		if (written > st->queued_bytes)
			written = st->queued_bytes;
		if (written <= st->bytes)
			continue;
		st->last.bytes += written - st->bytes;
		st->bytes = written;
	}
}

void i3_stats_interval(struct i3_test *t)
{
	t->interval_start_ns = t->interval_end_ns;
	t->interval_end_ns = i3_now_ns();
	t->end_ns = t->interval_end_ns;
	t->interval_omitted = t->omitting;
	for (unsigned i = 0; i < t->stream_count; i++)
		stream_interval(t->streams[i]);
}

void i3_stats_reset(struct i3_test *t)
{
	struct tcp_info info;

	t->start_ns = i3_now_ns();
	t->interval_end_ns = t->start_ns;
	t->bytes_sent = t->bytes_received = 0;
	t->blocks_sent = t->blocks_received = 0;
	t->bytes_queued = 0;
	for (unsigned i = 0; i < t->stream_count; i++) {
		struct i3_stream *st = t->streams[i];

		st->omitted_bytes = st->bytes;
		st->interval_bytes = 0;
		st->udp_omitted = st->udp;
		st->udp_before = st->udp;
		st->jitter_s = 0;
		t->bytes_queued += st->queued_bytes - st->bytes;
		if (t->params.udp || !st->sender)
			continue;
		if (tcp_info(st, &info))
			st->tcp.total_retransmits = info.tcpi_total_retrans;
		st->tcp.retransmits = 0;
	}
}
