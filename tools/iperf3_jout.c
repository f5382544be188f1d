/* SPDX-License-Identifier: MIT */
/*
 * iperf3_jout.c - reports for programs: the JSON document of -J, with iperf3's keys and a "weir"
 * object.
 *
 * Theory: one document per test, printed at its end: "start" (who, what, how), "intervals", "end"
 *	(streams, sums, CPU use), "weir" (plane, why, bytes copied), "error" where there was one.
 *	Programs that read iperf3's JSON find all they look for where iperf3 has it.
 * Invariants:
 *	1. each document is complete JSON, also after an error.
 * Ownership: the document is the test's.
 * Threads: the engine's.
 * Errors: what cannot be added for want of memory is missing from the document.
 * Sources: iperf 3.12 and 3.18 iperf_api.c (the iperf_json_printf() calls): names of the keys.
 * Tests: tests/cli/iperf3_json.sh
 */
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "iperf3.h"

static void number(cJSON *j, const char *key, double value)
{
	cJSON_AddNumberToObject(j, key, value);
}

int i3_json_begin(struct i3_test *t)
{
	struct utsname uts;
	char text[512];

	t->json = cJSON_CreateObject();
	t->json_start = cJSON_AddObjectToObject(t->json, "start");
	t->json_connected = cJSON_AddArrayToObject(t->json_start, "connected");
	t->json_intervals = cJSON_AddArrayToObject(t->json, "intervals");
	t->json_end = cJSON_AddObjectToObject(t->json, "end");
	if (!t->json || !t->json_connected || !t->json_intervals || !t->json_end)
		return -1;
	snprintf(text, sizeof(text), "iperf 3.12 compatible, weir %s", weir_version());
	cJSON_AddStringToObject(t->json_start, "version", text);
	if (!uname(&uts)) {
		snprintf(text, sizeof(text), "%s %s %s %s %s", uts.sysname, uts.nodename,
			 uts.release, uts.version, uts.machine);
		cJSON_AddStringToObject(t->json_start, "system_info", text);
	}
	return 0;
}

static void begin_details(struct i3_test *t, const char *key, const char *host, uint16_t port)
{
	cJSON *j = cJSON_AddObjectToObject(t->json_start, "timestamp");
	time_t now = time(NULL);
	char text[100] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	cJSON_AddStringToObject(j, "time", text);
	number(j, "timesecs", (double)now);
	j = cJSON_AddObjectToObject(t->json_start, key);
	cJSON_AddStringToObject(j, "host", host);
	number(j, "port", port);
	cJSON_AddStringToObject(t->json_start, "cookie", t->cookie);
	if (!t->params.udp && t->params.mss)
		number(t->json_start, "tcp_mss", t->params.mss);
	else if (!t->params.udp)
		number(t->json_start, "tcp_mss_default", t->control_mss);
	number(t->json_start, "target_bitrate", (double)t->params.rate);
	number(t->json_start, "fq_rate", (double)t->params.fq_rate);
}

void i3_json_accepted(struct i3_test *t)
{
	begin_details(t, "accepted_connection", t->peer_host, t->peer_port);
}

void i3_json_connecting(struct i3_test *t)
{
	begin_details(t, "connecting_to", t->conf->host, t->conf->port);
}

void i3_json_connected(struct i3_stream *st)
{
	cJSON *j = cJSON_CreateObject();
	char text[64];

	if (!j)
		return;
	cJSON_AddItemToArray(st->test->json_connected, j);
	number(j, "socket", st->fd);
	cJSON_AddStringToObject(j, "local_host", i3_host(&st->local, text, sizeof(text)));
	number(j, "local_port", i3_port_of(&st->local));
	cJSON_AddStringToObject(j, "remote_host", i3_host(&st->peer, text, sizeof(text)));
	number(j, "remote_port", i3_port_of(&st->peer));
}

void i3_json_start(struct i3_test *t)
{
	const struct i3_params *p = &t->params;
	cJSON *j;

	number(t->json_start, "sock_bufsize", p->window);
	number(t->json_start, "sndbuf_actual", t->sndbuf_actual);
	number(t->json_start, "rcvbuf_actual", t->rcvbuf_actual);
	j = cJSON_AddObjectToObject(t->json_start, "test_start");
	cJSON_AddStringToObject(j, "protocol", p->udp ? "UDP" : "TCP");
	number(j, "num_streams", p->streams);
	number(j, "blksize", p->block_bytes);
	number(j, "omit", p->omit_s);
	number(j, "duration", p->time_s);
	number(j, "bytes", (double)p->bytes);
	number(j, "blocks", (double)p->blocks);
	number(j, "reverse", p->reverse);
	number(j, "tos", p->tos);
	number(j, "target_bitrate", (double)p->rate);
	number(j, "bidir", p->bidir);
	number(j, "fqrate", (double)p->fq_rate);
	number(j, "interval", (double)t->conf->interval_us / 1e6);
}

/* Figures that all objects with an interval have. */
static cJSON *span(double from_s, double to_s, double seconds, uint64_t bytes)
{
	cJSON *j = cJSON_CreateObject();

	number(j, "start", from_s);
	number(j, "end", to_s);
	number(j, "seconds", seconds);
	number(j, "bytes", (double)bytes);
	number(j, "bits_per_second", i3_rate(bytes, seconds) * 8);
	return j;
}

static void loss(cJSON *j, double jitter_s, int64_t lost, int64_t packets, int64_t of)
{
	number(j, "jitter_ms", jitter_s * 1000.0);
	number(j, "lost_packets", (double)lost);
	number(j, "packets", (double)packets);
	number(j, "lost_percent", i3_percent(lost, of));
}

static cJSON *interval_object(struct i3_test *t, bool sender, int fd, const struct i3_interval *v)
{
	cJSON *j = span(i3_seconds(t->start_ns, t->interval_start_ns),
			i3_seconds(t->start_ns, t->interval_end_ns),
			i3_seconds(t->interval_start_ns, t->interval_end_ns), v->bytes);

	if (fd >= 0)
		number(j, "socket", fd);
	if (t->params.udp && sender)
		number(j, "packets", (double)v->packets);
	else if (t->params.udp)
		loss(j, v->jitter_s, v->lost, v->packets, v->packets);
	else if (sender)
		number(j, "retransmits", v->retransmits);
	if (fd >= 0 && !t->params.udp && sender) {
		number(j, "snd_cwnd", (double)v->cwnd_bytes);
		number(j, "snd_wnd", (double)v->window_bytes);
		number(j, "rtt", v->rtt_us);
		number(j, "rttvar", v->rttvar_us);
		number(j, "pmtu", v->pmtu);
	}
	cJSON_AddBoolToObject(j, "omitted", t->interval_omitted);
	cJSON_AddBoolToObject(j, "sender", sender);
	return j;
}

void i3_json_interval(struct i3_test *t)
{
	bool senders[2];
	unsigned directions = i3_directions(t, senders);
	cJSON *j = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(j, "streams");
	struct i3_sum sum;

	cJSON_AddItemToArray(t->json_intervals, j);
	for (unsigned d = 0; d < directions; d++) {
		for (unsigned i = 0; i < t->stream_count; i++) {
			struct i3_stream *st = t->streams[i];

			if (st->sender == senders[d])
				cJSON_AddItemToArray(
					list, interval_object(t, st->sender, st->fd, &st->last));
		}
		i3_sum_make(t, senders[d], &sum);
		cJSON_AddItemToObject(j, sum.reverse ? "sum_bidir_reverse" : "sum",
				      interval_object(t, senders[d], -1, &sum.interval));
	}
}

static cJSON *stream_tcp(const struct i3_stream *st, const struct i3_line *v, bool retransmits)
{
	cJSON *j = cJSON_CreateObject(), *half;
	const struct i3_tcp_sum *sum = &st->tcp;
	uint64_t mean_us;

	half = span(0, v->sent_s, v->sent_s, v->sent);
	number(half, "socket", st->fd);
	if (retransmits) {
		number(half, "retransmits", (double)v->retransmits);
		number(half, "max_snd_cwnd", (double)sum->max_cwnd_bytes);
		number(half, "max_snd_wnd", (double)sum->max_window_bytes);
		number(half, "max_rtt", (double)sum->max_rtt_us);
		number(half, "min_rtt", (double)sum->min_rtt_us);
		/* whole microseconds, as iperf3 has them */
		mean_us = sum->rtt_count ? sum->rtt_sum_us / sum->rtt_count : 0;
		number(half, "mean_rtt", (double)mean_us);
	}
	cJSON_AddBoolToObject(half, "sender", st->sender);
	cJSON_AddItemToObject(j, "sender", half);
	half = span(0, v->received_s, v->received_s, v->received);
	number(half, "socket", st->fd);
	cJSON_AddBoolToObject(half, "sender", st->sender);
	cJSON_AddItemToObject(j, "receiver", half);
	return j;
}

static cJSON *stream_udp(const struct i3_stream *st, const struct i3_line *v)
{
	int64_t packets = v->sender_packets ? v->sender_packets : v->receiver_packets;
	cJSON *j = cJSON_CreateObject(), *half;

	half = span(0, v->sent_s, v->sent_s, v->sent);
	number(half, "socket", st->fd);
	loss(half, v->jitter_s, v->lost, packets, packets);
	number(half, "out_of_order", (double)v->out_of_order);
	cJSON_AddBoolToObject(half, "sender", st->sender);
	cJSON_AddItemToObject(j, "udp", half);
	return j;
}

static void sums_tcp(cJSON *end, const struct i3_sum *sum)
{
	cJSON *j = span(0, sum->sent_s, sum->sent_s, sum->sent);

	if (sum->retransmits)
		number(j, "retransmits", (double)sum->retransmit_count);
	cJSON_AddBoolToObject(j, "sender", sum->sender);
	cJSON_AddItemToObject(end, sum->reverse ? "sum_sent_bidir_reverse" : "sum_sent", j);
	j = span(0, sum->received_s, sum->received_s, sum->received);
	cJSON_AddBoolToObject(j, "sender", sum->sender);
	cJSON_AddItemToObject(end, sum->reverse ? "sum_received_bidir_reverse" : "sum_received", j);
}

static void sums_udp(cJSON *end, const struct i3_sum *sum)
{
	cJSON *j = span(0, sum->received_s, sum->received_s, sum->sent);

	loss(j, sum->jitter_s, sum->lost, sum->packets, sum->packets);
	cJSON_AddBoolToObject(j, "sender", sum->sender);
	cJSON_AddItemToObject(end, sum->reverse ? "sum_bidir_reverse" : "sum", j);
	j = span(0, sum->sent_s, sum->sent_s, sum->sent);
	loss(j, 0, 0, sum->sender_packets, 0);
	cJSON_AddBoolToObject(j, "sender", true);
	cJSON_AddItemToObject(end, sum->reverse ? "sum_sent_bidir_reverse" : "sum_sent", j);
	j = span(0, sum->received_s, sum->received_s, sum->received);
	loss(j, sum->jitter_s, sum->lost, sum->receiver_packets, sum->packets);
	cJSON_AddBoolToObject(j, "sender", false);
	cJSON_AddItemToObject(end, sum->reverse ? "sum_received_bidir_reverse" : "sum_received", j);
}

static void summary_direction(struct i3_test *t, cJSON *list, bool sender)
{
	struct i3_line line;
	struct i3_sum sum;

	i3_sum_make(t, sender, &sum);
	for (unsigned i = 0; i < t->stream_count; i++) {
		struct i3_stream *st = t->streams[i];

		if (st->sender != sender)
			continue;
		i3_line_make(st, &line);
		if (line.lost < 0)
			line.lost = 0;
		cJSON_AddItemToArray(list, t->params.udp ? stream_udp(st, &line) :
							   stream_tcp(st, &line, sum.retransmits));
	}
	if (t->params.udp)
		sums_udp(t->json_end, &sum);
	else
		sums_tcp(t->json_end, &sum);
}

static void add_weir(struct i3_test *t)
{
	cJSON *j = cJSON_AddObjectToObject(t->json, "weir");
	const struct weir_engine_stats *now = &t->stats, *was = &t->stats_before;

	cJSON_AddStringToObject(j, "version", weir_version());
	tool_json_plane(j, t->engine, now->rx_bytes - was->rx_bytes,
			now->rx_copied_bytes - was->rx_copied_bytes);
	number(j, "rx_datagrams", (double)(now->rx_datagrams - was->rx_datagrams));
	number(j, "tx_bytes", (double)(now->tx_bytes - was->tx_bytes));
	number(j, "tx_copied_bytes", (double)(now->tx_bytes - was->tx_bytes - i3_uncopied(t)));
	number(j, "tx_uncopied_bytes", (double)i3_uncopied(t));
	cJSON_AddStringToObject(j, "tx_why", i3_sends_why(t));
	number(j, "tx_datagrams", (double)(now->tx_datagrams - was->tx_datagrams));
	number(j, "syscalls", (double)(now->syscalls - was->syscalls));
	number(j, "waits", (double)(now->waits - was->waits));
	number(j, "sleeps", (double)(now->sleeps - was->sleeps));
	number(j, "starved", (double)(now->starved - was->starved));
}

static void add_cpu(struct i3_test *t)
{
	cJSON *j = cJSON_AddObjectToObject(t->json_end, "cpu_utilization_percent");

	number(j, "host_total", t->cpu.percent[0]);
	number(j, "host_user", t->cpu.percent[1]);
	number(j, "host_system", t->cpu.percent[2]);
	number(j, "remote_total", t->peer_cpu[0]);
	number(j, "remote_user", t->peer_cpu[1]);
	number(j, "remote_system", t->peer_cpu[2]);
}

void i3_json_summary(struct i3_test *t)
{
	bool senders[2];
	unsigned directions = i3_directions(t, senders);
	cJSON *list = cJSON_AddArrayToObject(t->json_end, "streams");
	bool last = senders[directions - 1]; /* which of the two --bidir means is iperf3's choice */
	const char *own = last ? "sender_tcp_congestion" : "receiver_tcp_congestion";
	const char *peer = last ? "receiver_tcp_congestion" : "sender_tcp_congestion";

	for (unsigned d = 0; d < directions; d++)
		summary_direction(t, list, senders[d]);
	add_cpu(t);
	if (!t->params.udp && t->congestion_used[0])
		cJSON_AddStringToObject(t->json_end, own, t->congestion_used);
	if (!t->params.udp && t->peer_congestion[0])
		cJSON_AddStringToObject(t->json_end, peer, t->peer_congestion);
	add_weir(t);
}

void i3_json_error(struct i3_test *t, const char *text)
{
	if (!cJSON_HasObjectItem(t->json, "error"))
		cJSON_AddStringToObject(t->json, "error", text);
}

void i3_json_end(struct i3_test *t)
{
	char *text;

	if (t->params.title[0])
		cJSON_AddStringToObject(t->json, "title", t->params.title);
	if (t->params.extra_data[0])
		cJSON_AddStringToObject(t->json, "extra_data", t->params.extra_data);
	if (t->peer_json) {
		cJSON_AddItemToObject(t->json, "server_output_json", t->peer_json);
		t->peer_json = NULL;
	}
	if (t->peer_text)
		cJSON_AddStringToObject(t->json, "server_output_text", t->peer_text);
	text = cJSON_Print(t->json);
	/* the other side's words are in it */
	if (text)
		tool_make_utf8(text);
	fprintf(t->conf->out, "%s\n", text ? text : "{}");
	cJSON_free(text);
}
