/* SPDX-License-Identifier: MIT */
/*
 * iperf3_report.c - figures that the text and the JSON reports have in common, and the choice
 * between the two.
 *
 * Theory: a sender knows what it sent and learns at the end what arrived; a receiver the other way
 *	round.  A line puts both sides' figures of one stream into one place; a sum adds up the
 *	lines of one direction.  A --bidir test has two directions, the side's own sending first
 *	on the client and last on the server.
 * Invariants:
 *	1. a server's report does not wait for the client's figures: those come later.
 * Ownership: none.
 * Threads: the engine's.
 * Errors: none.
 * Sources: iperf 3.12 iperf_api.c (iperf_print_intermediate, iperf_print_results): what is summed,
 *	in which order, and which intervals are left out.
 * Tests: tests/unit/test_iperf3_proto.c, tests/cli/iperf3_json.sh
 */
#include <stdarg.h>
#include <string.h>

#include "iperf3.h"

double i3_rate(uint64_t bytes, double seconds)
{
	return seconds > 0 ? (double)bytes / seconds : 0.0;
}

double i3_percent(int64_t part, int64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

unsigned i3_directions(const struct i3_test *t, bool ret_sender[2])
{
	ret_sender[0] = t->params.bidir ? !t->server : t->server == t->params.reverse;
	ret_sender[1] = !ret_sender[0];
	return t->params.bidir ? 2 : 1;
}

static void line_of_sender(const struct i3_stream *st, struct i3_line *ret)
{
	const struct i3_peer_result *peer = &st->from_peer;
	int64_t omitted = st->udp_omitted.packets;

	ret->sent = st->bytes - st->omitted_bytes;
	ret->sent_s = i3_seconds(st->test->start_ns, st->test->end_ns);
	ret->received = peer->bytes;
	ret->received_s = peer->seconds > 0 ? peer->seconds : ret->sent_s;
	ret->retransmits = st->tcp.retransmits;
	ret->sender_packets = st->udp.packets - omitted;
	if (!peer->known)
		return;
	ret->receiver_packets =
		peer->packets - (peer->omitted_known ? peer->omitted_packets : omitted);
	ret->lost = peer->lost - peer->omitted_lost;
	/* an old receiver counts what was lost in the omitted part too, and does not say so */
	if (!peer->omitted_known && omitted && peer->lost)
		ret->lost = -1;
	ret->jitter_s = peer->jitter_s;
}

static void line_of_receiver(const struct i3_stream *st, struct i3_line *ret)
{
	const struct i3_peer_result *peer = &st->from_peer;
	int64_t omitted = st->udp_omitted.packets;

	ret->received = st->bytes - st->omitted_bytes;
	ret->received_s = i3_seconds(st->test->start_ns, st->test->end_ns);
	ret->sent = peer->bytes;
	ret->sent_s = peer->seconds > 0 ? peer->seconds : ret->received_s;
	ret->retransmits = peer->retransmits;
	ret->receiver_packets = st->udp.packets - omitted;
	ret->lost = st->udp.lost - st->udp_omitted.lost;
	ret->out_of_order = st->udp.out_of_order - st->udp_omitted.out_of_order;
	ret->jitter_s = st->jitter_s;
	if (peer->known)
		ret->sender_packets =
			peer->packets - (peer->omitted_known ? peer->omitted_packets : omitted);
}

void i3_line_make(const struct i3_stream *st, struct i3_line *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (st->sender)
		line_of_sender(st, ret);
	else
		line_of_receiver(st, ret);
}

static void sum_interval(struct i3_interval *sum, const struct i3_interval *one)
{
	sum->bytes += one->bytes;
	sum->packets += one->packets;
	sum->lost += one->lost;
	sum->retransmits += one->retransmits;
	sum->jitter_s += one->jitter_s;
}

void i3_sum_make(const struct i3_test *t, bool sender, struct i3_sum *ret)
{
	struct i3_line line;

	memset(ret, 0, sizeof(*ret));
	ret->sender = sender;
	ret->reverse = t->params.bidir && sender == t->server;
	ret->retransmits = sender ? t->retransmits > 0 : t->peer_retransmits > 0;
	for (unsigned i = 0; i < t->stream_count; i++) {
		const struct i3_stream *st = t->streams[i];

		if (st->sender != sender)
			continue;
		i3_line_make(st, &line);
		if (!ret->count++) {
			ret->sent_s = line.sent_s;
			ret->received_s = line.received_s;
		}
		ret->sent += line.sent;
		ret->received += line.received;
		ret->retransmit_count += line.retransmits;
		ret->sender_packets += line.sender_packets;
		ret->receiver_packets += line.receiver_packets;
		ret->packets += line.sender_packets ? line.sender_packets : line.receiver_packets;
		ret->lost += line.lost > 0 ? line.lost : 0;
		ret->jitter_s += line.jitter_s;
		sum_interval(&ret->interval, &st->last);
	}
	if (ret->count) {
		ret->jitter_s /= ret->count;
		ret->interval.jitter_s /= ret->count;
	}
}

bool i3_interval_worth(const struct i3_test *t)
{
	double length_us = i3_seconds(t->interval_start_ns, t->interval_end_ns) * 1e6;

	/* the end often leaves a sliver without data: control and data share the path */
	if (length_us >= (double)t->conf->interval_us * 0.1)
		return true;
	for (unsigned i = 0; i < t->stream_count; i++)
		if (t->streams[i]->last.bytes)
			return true;
	return false;
}

void i3_report_accepted(struct i3_test *t)
{
	if (t->conf->json)
		i3_json_accepted(t);
	else
		i3_text_accepted(t);
}

void i3_report_connecting(struct i3_test *t)
{
	if (t->conf->json)
		i3_json_connecting(t);
	else
		i3_text_connecting(t);
}

void i3_report_connected(struct i3_stream *st)
{
	if (st->test->conf->json)
		i3_json_connected(st);
	else
		i3_text_connected(st);
}

void i3_report_start(struct i3_test *t)
{
	if (t->conf->json)
		i3_json_start(t);
	else
		i3_text_start(t);
}

void i3_report_interval(struct i3_test *t)
{
	if (!t->stream_count || !i3_interval_worth(t))
		return;
	if (t->conf->json)
		i3_json_interval(t);
	else
		i3_text_interval(t);
	/* as --forceflush asks for, but always: a report that is not seen is of no use */
	fflush(t->conf->out);
}

void i3_report_summary(struct i3_test *t)
{
	i3_report_interval(t);
	if (t->conf->json)
		i3_json_summary(t);
	else
		i3_text_summary(t);
}

void i3_report_error(struct i3_test *t, const char *text)
{
	if (t->conf->json)
		i3_json_error(t, text);
	else
		i3_complain(t->conf, "%s", text);
}

void i3_report_end(struct i3_test *t)
{
	if (t->conf->json)
		i3_json_end(t);
	fflush(t->conf->out);
}

void i3_complain(const struct i3_config *conf, const char *format, ...)
{
	FILE *to = conf && conf->logfile && conf->out ? conf->out : stderr;
	va_list args;

	/* reports first, where both go to one terminal */
	if (conf && conf->out)
		fflush(conf->out);
	fputs("weir iperf3: ", to);
	va_start(args, format);
	vfprintf(to, format, args);
	va_end(args);
	fputc('\n', to);
	fflush(to);
}

void i3_warn(const char *format, ...)
{
	va_list args;

	fputs("weir iperf3: warning: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}
