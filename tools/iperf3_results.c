/* SPDX-License-Identifier: MIT */
/*
 * iperf3_results.c - what each side tells the other at the end of a test.
 *
 * Theory: both sides send one JSON object: CPU use, and per stream what they sent or received.
 *	A sender learns from it what arrived (bytes, loss, jitter), a receiver what was sent
 *	(bytes, retransmissions), so that both print both.
 * Invariants:
 *	1. a stream's figures are taken only when all of them are there and in range.
 *	2. figures of an unknown stream refuse the whole text.
 * Ownership: i3_results_decode() takes the JSON object and frees it, but for the server's output,
 *	which moves to the test.
 * Threads: the engine's.
 * Errors: enum i3_error.
 * Sources: iperf 3.12 and 3.18 iperf_api.c (send_results, get_results): names of the fields;
 *	"omitted_errors" and "omitted_packets" come with 3.16 and later.
 * Tests: tests/unit/test_iperf3_proto.c, tests/cli/iperf3_tcp.sh, iperf3_udp.sh
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iperf3.h"

static void encode_stream(cJSON *list, const struct i3_stream *st)
{
	const struct i3_test *t = st->test;
	cJSON *j = cJSON_CreateObject();

	if (!j)
		return;
	cJSON_AddItemToArray(list, j);
	cJSON_AddNumberToObject(j, "id", st->id);
	cJSON_AddNumberToObject(j, "bytes", (double)(st->bytes - st->omitted_bytes));
	cJSON_AddNumberToObject(j, "retransmits",
				st->sender && t->retransmits > 0 ? (double)st->tcp.retransmits :
								   -1.0);
	cJSON_AddNumberToObject(j, "jitter", st->jitter_s);
	cJSON_AddNumberToObject(j, "errors", (double)st->udp.lost);
	cJSON_AddNumberToObject(j, "omitted_errors", (double)st->udp_omitted.lost);
	cJSON_AddNumberToObject(j, "packets", (double)st->udp.packets);
	cJSON_AddNumberToObject(j, "omitted_packets", (double)st->udp_omitted.packets);
	cJSON_AddNumberToObject(j, "start_time", 0);
	cJSON_AddNumberToObject(j, "end_time", i3_seconds(t->start_ns, t->end_ns));
}

cJSON *i3_results_encode(struct i3_test *t)
{
	cJSON *j = cJSON_CreateObject(), *list;

	if (!j)
		return NULL;
	cJSON_AddNumberToObject(j, "cpu_util_total", t->cpu.percent[0]);
	cJSON_AddNumberToObject(j, "cpu_util_user", t->cpu.percent[1]);
	cJSON_AddNumberToObject(j, "cpu_util_system", t->cpu.percent[2]);
	cJSON_AddNumberToObject(j, "sender_has_retransmits", t->retransmits);
	if (t->congestion_used[0])
		cJSON_AddStringToObject(j, "congestion_used", t->congestion_used);
	if (t->server && t->params.get_server_output) {
		if (t->json)
			cJSON_AddItemReferenceToObject(j, "server_output_json", t->json);
		else
			cJSON_AddStringToObject(j, "server_output_text", t->text ? t->text : "");
	}
	list = cJSON_AddArrayToObject(j, "streams");
	for (unsigned i = 0; list && i < t->stream_count; i++)
		encode_stream(list, t->streams[i]);
	return j;
}

static bool get_number(const cJSON *json, const char *key, double *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble > 2.0e19 ||
	    item->valuedouble < -9.0e18)
		return false;
	/* iperf 3.12 writes -1 ("not known") as 18446744073709551615 */
	*ret = item->valuedouble >= 9.0e18 ? -1.0 : item->valuedouble;
	return true;
}

static struct i3_stream *stream_by_id(struct i3_test *t, double id)
{
	for (unsigned i = 0; i < t->stream_count; i++)
		if (t->streams[i]->id == (int)id)
			return t->streams[i];
	return NULL;
}

static enum i3_error decode_stream(struct i3_test *t, const cJSON *json)
{
	double id, bytes, retransmits, jitter, lost, packets, from, to, omitted_lost, omitted;
	struct i3_stream *st;
	struct i3_peer_result r = { .known = true };

	if (!get_number(json, "id", &id) || !get_number(json, "bytes", &bytes) ||
	    !get_number(json, "retransmits", &retransmits) ||
	    !get_number(json, "jitter", &jitter) || !get_number(json, "errors", &lost) ||
	    !get_number(json, "packets", &packets) || bytes < 0)
		return I3E_RECV_RESULTS;
	st = fabs(id) < 1e6 ? stream_by_id(t, id) : NULL;
	if (!st)
		return I3E_STREAM_ID;
	r.bytes = (uint64_t)bytes;
	r.retransmits = (int64_t)retransmits;
	r.jitter_s = jitter;
	r.lost = (int64_t)lost;
	r.packets = (int64_t)packets;
	if (get_number(json, "start_time", &from) && get_number(json, "end_time", &to) && to > from)
		r.seconds = to - from;
	if (get_number(json, "omitted_errors", &omitted_lost) &&
	    get_number(json, "omitted_packets", &omitted)) {
		r.omitted_lost = (int64_t)omitted_lost;
		r.omitted_packets = (int64_t)omitted;
		r.omitted_known = true;
	}
	st->from_peer = r;
	return I3E_NONE;
}

static void take_server_output(struct i3_test *t, cJSON *json)
{
	cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(json, "server_output_json");

	if (item) {
		t->peer_json = item;
		return;
	}
	item = cJSON_GetObjectItemCaseSensitive(json, "server_output_text");
	if (!cJSON_IsString(item))
		return;
	t->peer_text = strdup(item->valuestring);
	/* it ends up on a terminal */
	for (char *c = t->peer_text; c && *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			*c = '?';
}

static enum i3_error decode(struct i3_test *t, cJSON *json)
{
	const cJSON *list, *item, *name;
	double can_count;

	if (!get_number(json, "cpu_util_total", &t->peer_cpu[0]) ||
	    !get_number(json, "cpu_util_user", &t->peer_cpu[1]) ||
	    !get_number(json, "cpu_util_system", &t->peer_cpu[2]) ||
	    !get_number(json, "sender_has_retransmits", &can_count))
		return I3E_RECV_RESULTS;
	t->peer_retransmits = can_count > 0 ? 1 : 0;
	list = cJSON_GetObjectItemCaseSensitive(json, "streams");
	if (!cJSON_IsArray(list))
		return I3E_RECV_RESULTS;
	cJSON_ArrayForEach(item, list)
	{
		enum i3_error code = decode_stream(t, item);

		if (code)
			return code;
	}
	name = cJSON_GetObjectItemCaseSensitive(json, "congestion_used");
	if (cJSON_IsString(name))
		snprintf(t->peer_congestion, sizeof(t->peer_congestion), "%s", name->valuestring);
	if (!t->server && t->params.get_server_output)
		take_server_output(t, json);
	return I3E_NONE;
}

enum i3_error i3_results_decode(struct i3_test *t, cJSON *json)
{
	enum i3_error code = decode(t, json);

	cJSON_Delete(json);
	return code;
}
