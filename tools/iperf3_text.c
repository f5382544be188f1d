/* SPDX-License-Identifier: MIT */
/*
 * iperf3_text.c - reports for people, in iperf3's columns.
 *
 * Theory: all lines of figures begin alike ("[ ID] interval transfer bitrate"); a tail follows that
 *	depends on the protocol and the direction.  A server keeps its text when the client asked
 *	for it.  The last line is weir's own: plane, why, bytes copied.
 * Invariants:
 *	1. columns stand where iperf3 3.12 has them: scripts cut them by position.
 * Ownership: the kept text is the test's.
 * Threads: the engine's.
 * Errors: text that cannot be kept for want of memory is printed only.
 * Sources: iperf 3.12 iperf_locale.c for the columns; iperf3(1).
 * Tests: tests/cli/iperf3_text.sh
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "iperf3.h"

static const char separator[] = "- - - - - - - - - - - - - - - - - - - - - - - - -\n";

static void keep(struct i3_test *t, const char *text)
{
	size_t len = strlen(text);
	char *grown;

	if (t->text_len + len + 1 > t->text_room) {
		size_t room = t->text_room ? t->text_room * 2 : 4096;

		while (room < t->text_len + len + 1)
			room *= 2;
		grown = realloc(t->text, room);
		if (!grown)
			return;
		t->text = grown;
		t->text_room = room;
	}
	memcpy(t->text + t->text_len, text, len + 1);
	t->text_len += len;
}

void i3_print(struct i3_test *t, const char *format, ...)
{
	const struct i3_config *conf = t->conf;
	char line[1200], stamp[128] = "";
	time_t now = time(NULL);
	struct tm tm;
	va_list args;

	if (conf->timestamps && localtime_r(&now, &tm) &&
	    !strftime(stamp, sizeof(stamp), conf->timestamps, &tm))
		stamp[0] = '\0';
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fputs(stamp, conf->out);
	if (!t->server && t->params.title[0])
		fprintf(conf->out, "%s:  ", t->params.title);
	fputs(line, conf->out);
	if (t->server && t->params.get_server_output) {
		keep(t, stamp);
		keep(t, line);
	}
}

static void print_details(struct i3_test *t)
{
	if (!t->conf->verbose)
		return;
	i3_print(t, "      Cookie: %s\n", t->cookie);
	if (!t->params.udp && t->params.mss)
		i3_print(t, "      TCP MSS: %u\n", t->params.mss);
	else if (!t->params.udp)
		i3_print(t, "      TCP MSS: %d (default)\n", t->control_mss);
	if (t->params.rate)
		i3_print(t, "      Target Bitrate: %" PRIu64 "\n", t->params.rate);
}

static void print_time(struct i3_test *t)
{
	time_t now = time(NULL);
	struct utsname uts;
	char text[100];
	struct tm tm;

	if (!t->conf->verbose)
		return;
	if (!uname(&uts))
		i3_print(t, "weir %s on %s %s %s\n", weir_version(), uts.sysname, uts.release,
			 uts.machine);
	if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		i3_print(t, "Time: %s\n", text);
}

void i3_text_accepted(struct i3_test *t)
{
	print_time(t);
	i3_print(t, "Accepted connection from %s, port %u\n", t->peer_host, t->peer_port);
	print_details(t);
}

void i3_text_connecting(struct i3_test *t)
{
	print_time(t);
	i3_print(t, "Connecting to host %s, port %u\n", t->conf->host, t->conf->port);
	if (t->params.reverse)
		i3_print(t, "Reverse mode, remote host %s is sending\n", t->conf->host);
	print_details(t);
}

void i3_text_connected(struct i3_stream *st)
{
	char local[64], peer[64];

	i3_print(st->test, "[%3d] local %s port %u connected to %s port %u\n", st->fd,
		 i3_host(&st->local, local, sizeof(local)), i3_port_of(&st->local),
		 i3_host(&st->peer, peer, sizeof(peer)), i3_port_of(&st->peer));
}

void i3_text_start(struct i3_test *t)
{
	const struct i3_params *p = &t->params;
	char limit[64];

	if (!t->conf->verbose)
		return;
	if (p->bytes)
		snprintf(limit, sizeof(limit), "%" PRIu64 " bytes to send", p->bytes);
	else if (p->blocks)
		snprintf(limit, sizeof(limit), "%" PRIu64 " blocks to send", p->blocks);
	else
		snprintf(limit, sizeof(limit), "%u second test", p->time_s);
	i3_print(t,
		 "Starting Test: protocol: %s, %u streams, %u byte blocks, omitting %u seconds, "
		 "%s, tos %u\n",
		 p->udp ? "UDP" : "TCP", p->streams, p->block_bytes, p->omit_s, limit, p->tos);
}

/* "[ ID]" or "[SUM]", the role in a --bidir test, the interval, bytes and rate */
struct row {
	int fd; /* -1: a sum */
	bool sender;
	double from_s;
	double to_s;
	uint64_t bytes;
	double seconds;
};

static void print_row(struct i3_test *t, const struct row *r, const char *tail)
{
	char transfer[I3_UNIT_BYTES], rate[I3_UNIT_BYTES], id[16], role[8] = "";

	if (r->fd < 0)
		snprintf(id, sizeof(id), "SUM");
	else
		snprintf(id, sizeof(id), "%3d", r->fd);
	if (t->params.bidir)
		snprintf(role, sizeof(role), "[%s-%c]", r->sender ? "TX" : "RX",
			 t->server ? 'S' : 'C');
	i3_print(t, "[%s]%s %6.2f-%-6.2f sec  %ss  %ss/sec%s\n", id, role, r->from_s, r->to_s,
		 i3_format_unit((double)r->bytes, 'A', transfer),
		 i3_format_unit(i3_rate(r->bytes, r->seconds),
				t->conf->format ? t->conf->format : 'a', rate),
		 tail);
}

/* Columns to the right of the bitrate. */
enum columns { COL_PLAIN, COL_RETR, COL_RETR_CWND, COL_UDP, COL_UDP_SENDER };

static void print_header(struct i3_test *t, enum columns columns)
{
	static const char *const tails[] = {
		[COL_PLAIN] = "",
		[COL_RETR] = "         Retr",
		[COL_RETR_CWND] = "         Retr  Cwnd",
		[COL_UDP] = "         Jitter    Lost/Total Datagrams",
		[COL_UDP_SENDER] = "         Total Datagrams",
	};

	i3_print(t, "[ ID]%s Interval           Transfer     Bitrate%s\n",
		 t->params.bidir ? "[Role]" : "", tails[columns]);
}

static const char *udp_tail(char *buf, size_t bytes, double jitter_s, int64_t lost, int64_t total,
			    const char *word)
{
	if (lost < 0)
		snprintf(buf, bytes, "  %5.3f ms  Unknown/%" PRId64 "  %s", jitter_s * 1000.0,
			 total, word);
	else
		snprintf(buf, bytes, "  %5.3f ms  %" PRId64 "/%" PRId64 " (%.2g%%)  %s",
			 jitter_s * 1000.0, lost, total, i3_percent(lost, total), word);
	return buf;
}

static void interval_row(struct i3_test *t, int fd, bool sender, const struct i3_interval *v,
			 bool retransmits)
{
	const char *word = t->interval_omitted ? "(omitted)" : "";
	struct row r = { .fd = fd, .sender = sender, .bytes = v->bytes };
	char tail[128], cwnd[I3_UNIT_BYTES];

	r.from_s = i3_seconds(t->start_ns, t->interval_start_ns);
	r.to_s = i3_seconds(t->start_ns, t->interval_end_ns);
	r.seconds = i3_seconds(t->interval_start_ns, t->interval_end_ns);
	if (t->params.udp && sender)
		snprintf(tail, sizeof(tail), " %s %" PRId64 "  %s",
			 t->params.bidir ? "          " : "", v->packets, word);
	else if (t->params.udp)
		udp_tail(tail, sizeof(tail), v->jitter_s, v->lost, v->packets, word);
	else if (!retransmits)
		snprintf(tail, sizeof(tail), "                  %s", word);
	else if (fd < 0)
		snprintf(tail, sizeof(tail), "  %3u             %s", v->retransmits, word);
	else
		snprintf(tail, sizeof(tail), "  %3u   %ss       %s", v->retransmits,
			 i3_format_unit((double)v->cwnd_bytes, 'A', cwnd), word);
	print_row(t, &r, tail);
}

void i3_text_interval(struct i3_test *t)
{
	bool senders[2];
	unsigned directions = i3_directions(t, senders);
	bool sends = senders[0] || directions == 2;
	struct i3_sum sum;

	if (!t->header_printed)
		print_header(t, t->params.udp ?
					(directions == 2 || !sends ? COL_UDP : COL_UDP_SENDER) :
				sends ? COL_RETR_CWND :
					COL_PLAIN);
	else if (t->params.streams > 1)
		i3_print(t, "%s", separator);
	t->header_printed = true;
	for (unsigned d = 0; d < directions; d++) {
		for (unsigned i = 0; i < t->stream_count; i++) {
			struct i3_stream *st = t->streams[i];

			if (st->sender == senders[d])
				interval_row(t, st->fd, st->sender, &st->last, st->sender);
		}
		if (t->params.streams < 2)
			continue;
		i3_sum_make(t, senders[d], &sum);
		interval_row(t, -1, senders[d], &sum.interval, senders[d]);
	}
}

static void summary_tcp(struct i3_test *t, struct row *r, bool retransmits, int64_t count,
			const char *word)
{
	char tail[128];

	if (retransmits)
		snprintf(tail, sizeof(tail), "  %3" PRId64 "             %s", count, word);
	else
		snprintf(tail, sizeof(tail), "                  %s", word);
	print_row(t, r, tail);
}

/*
 * The two lines of a stream or a sum: what was sent, what was received.  A server does not know
 * the client's side yet and leaves that line out.
 */
static void summary_rows(struct i3_test *t, int fd, bool sender, const struct i3_line *v,
			 bool retransmits)
{
	struct row r = { .fd = fd, .sender = sender, .bytes = v->sent, .seconds = v->sent_s };
	bool know_sent = !t->server || sender, know_received = !t->server || !sender;
	char tail[128];

	r.to_s = r.seconds;
	if (know_sent && t->params.udp)
		print_row(t, &r, udp_tail(tail, sizeof(tail), 0, 0, v->sender_packets, "sender"));
	else if (know_sent)
		summary_tcp(t, &r, retransmits, v->retransmits, "sender");
	else if (t->conf->verbose)
		i3_print(t, "[%3d] (sender statistics not available)\n", fd);
	if (fd >= 0 && v->out_of_order)
		i3_print(t, "[SUM] %4.1f-%4.1f sec  %" PRId64 " datagrams received out-of-order\n",
			 0.0, v->received_s, v->out_of_order);
	r.bytes = v->received;
	r.to_s = r.seconds = v->received_s;
	if (know_received && t->params.udp)
		print_row(t, &r,
			  udp_tail(tail, sizeof(tail), v->jitter_s, v->lost, v->receiver_packets,
				   "receiver"));
	else if (know_received)
		summary_tcp(t, &r, false, 0, "receiver");
	else if (t->conf->verbose)
		i3_print(t, "[%3d] (receiver statistics not available)\n", fd);
}

static void summary_direction(struct i3_test *t, bool sender)
{
	struct i3_line line;
	struct i3_sum sum;

	i3_sum_make(t, sender, &sum);
	for (unsigned i = 0; i < t->stream_count; i++) {
		struct i3_stream *st = t->streams[i];

		if (st->sender != sender)
			continue;
		i3_line_make(st, &line);
		summary_rows(t, st->fd, sender, &line, sum.retransmits);
	}
	if (t->params.streams < 2)
		return;
	line = (struct i3_line){
		.sent = sum.sent,
		.sent_s = sum.sent_s,
		.received = sum.received,
		.received_s = sum.received_s,
		.retransmits = sum.retransmit_count,
		.sender_packets = sum.sender_packets,
		.receiver_packets = sum.receiver_packets,
		.lost = sum.lost,
		.jitter_s = sum.jitter_s,
	};
	summary_rows(t, -1, sender, &line, sum.retransmits);
}

static void print_cpu(struct i3_test *t)
{
	bool senders[2];
	const char *local, *remote;

	if (!t->conf->verbose)
		return;
	i3_directions(t, senders);
	local = senders[0] ? "sender" : "receiver";
	remote = senders[0] ? "receiver" : "sender";
	i3_print(t,
		 "CPU Utilization: local/%s %.1f%% (%.1f%%u/%.1f%%s), remote/%s %.1f%% "
		 "(%.1f%%u/%.1f%%s)\n",
		 local, t->cpu.percent[0], t->cpu.percent[1], t->cpu.percent[2], remote,
		 t->peer_cpu[0], t->peer_cpu[1], t->peer_cpu[2]);
	if (t->params.udp)
		return;
	if (t->congestion_used[0])
		i3_print(t, "%s_tcp_congestion %s\n", senders[0] ? "snd" : "rcv",
			 t->congestion_used);
	if (t->peer_congestion[0])
		i3_print(t, "%s_tcp_congestion %s\n", senders[0] ? "rcv" : "snd",
			 t->peer_congestion);
}

/* What the plane zcrx has to add: what the NIC has placed, as far as it is known. */
static const char *placed(struct i3_test *t, uint64_t bytes, char *buf, size_t buf_bytes)
{
	char queues[TOOL_QUEUES_BYTES], unit[I3_UNIT_BYTES];

	tool_queues(t->engine, queues, sizeof(queues));
	switch (tool_copied(t->engine)) {
	case TOOL_COPIED_COUNTED:
		snprintf(buf, buf_bytes, "; placed by the NIC %ss (%s)",
			 i3_format_unit((double)bytes, 'A', unit), queues);
		break;
	case TOOL_COPIED_UNKNOWN:
		snprintf(buf, buf_bytes, "; this kernel does not count what it copied (%s)",
			 queues);
		break;
	case TOOL_COPIED_ALL:
		snprintf(buf, buf_bytes, "; no NIC: the kernel copied all");
		break;
	case TOOL_COPIED_BY_PLANE:
		buf[0] = '\0';
		break;
	}
	return buf;
}

static void print_plane(struct i3_test *t)
{
	uint64_t received = t->stats.rx_bytes - t->stats_before.rx_bytes;
	uint64_t copied = t->stats.rx_copied_bytes - t->stats_before.rx_copied_bytes;
	uint64_t sent = t->stats.tx_bytes - t->stats_before.tx_bytes;
	uint64_t uncopied = i3_uncopied(t);
	const char *why = i3_sends_why(t);
	char a[I3_UNIT_BYTES], b[I3_UNIT_BYTES], sends[96], more[TOOL_QUEUES_BYTES + 64];

	if (tool_copied(t->engine) == TOOL_COPIED_ALL)
		copied = received;
	snprintf(sends, sizeof(sends), "%ss sent (%ss without a copy)",
		 i3_format_unit((double)sent, 'A', a), i3_format_unit((double)uncopied, 'A', b));
	i3_print(t, "weir: plane %s%s%s; copied %ss of %ss received, %s%s\n",
		 weir_engine_why(t->engine), /* begins with the plane's name */
		 *why ? "; " : "", why, i3_format_unit((double)(copied + sent - uncopied), 'A', a),
		 i3_format_unit((double)received, 'A', b), sends,
		 placed(t, received - copied, more, sizeof(more)));
}

void i3_text_summary(struct i3_test *t)
{
	bool senders[2];
	unsigned directions = i3_directions(t, senders);
	struct i3_sum sum;
	bool retransmits = false;

	for (unsigned d = 0; d < directions; d++) {
		i3_sum_make(t, senders[d], &sum);
		retransmits |= sum.retransmits;
	}
	i3_print(t, "%s", separator);
	if (t->conf->verbose)
		i3_print(t, "Test Complete. Summary Results:\n");
	print_header(t, t->params.udp ? COL_UDP : retransmits ? COL_RETR : COL_PLAIN);
	for (unsigned d = 0; d < directions; d++)
		summary_direction(t, senders[d]);
	print_cpu(t);
	if (t->peer_json) {
		char *text = cJSON_Print(t->peer_json);

		i3_print(t, "\nServer JSON output:\n");
		fprintf(t->conf->out, "%s\n", text ? text : "");
		cJSON_free(text);
	}
	if (t->peer_text) {
		i3_print(t, "\nServer output:\n");
		fprintf(t->conf->out, "%s\n", t->peer_text);
	}
	print_plane(t);
}
