/* SPDX-License-Identifier: MIT */
/*
 * fuzz_iperf3_json.c - iperf3's JSON texts from a peer: parameters and results, and the reports
 * that are made of them.
 *
 * Theory: the first byte chooses.  Parameters that are taken are in their limits, and those that
 * are written again are taken as the same.  Results that are taken go through both kinds of
 * report; the report for programs must be JSON again.  The text also comes in two pieces with its
 * length before it, as on the wire: cut anywhere it is the same.
 */
#include <arpa/inet.h>
#include <math.h>

#include "fuzz.h"
#include "iperf3.h"

static struct weir_engine *engine; /* whose plane and counters reports name */
static FILE *sink;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct weir_engine_opts o = { .size = sizeof(o), .plane = WEIR_PLANE_EPOLL };

	(void)argc;
	(void)argv;
	fuzz_keep_stderr();
	sink = fopen("/dev/null", "w");
	return sink && !weir_engine_open(&engine, &o, NULL) ? 0 : 1;
}

/* The text as it comes from the wire; NULL where it is refused. */
static cJSON *from_wire(struct fuzz_in *in)
{
	size_t cut = fuzz_u8(in);
	struct i3_buf buf = { 0 };
	cJSON *json = NULL;
	uint32_t length;
	int rc;

	cut %= in->left + 1;
	length = htonl((uint32_t)in->left);
	must(!i3_buf_add(&buf, &length, sizeof(length), 1 << 20));
	if (i3_buf_add(&buf, in->at, cut, 1 << 20)) {
		i3_buf_fini(&buf);
		return NULL;
	}
	rc = i3_take_json(&buf, 1 << 16, &json);
	if (!rc && !i3_buf_add(&buf, in->at + cut, in->left - cut, 1 << 20))
		rc = i3_take_json(&buf, 1 << 16, &json);
	must(rc <= 1 && (rc != 1 || cJSON_IsObject(json)));
	must(rc != 0);
	if (rc == 1)
		must(!buf.len);
	i3_buf_fini(&buf);
	return rc == 1 ? json : NULL;
}

static void params(struct fuzz_in *in)
{
	struct i3_params p = { 0 }, again = { 0 };
	cJSON *json = from_wire(in);

	if (!json)
		return;
	if (!i3_params_decode(json, &p)) {
		must(p.streams >= 1 && p.streams <= I3_STREAMS_MAX);
		must(p.block_bytes >= 1 && p.block_bytes <= I3_BLOCK_MAX);
		must(!p.udp ||
		     (p.block_bytes >= I3_UDP_BLOCK_MIN && p.block_bytes <= I3_UDP_BLOCK_MAX));
		must(p.time_s <= I3_TIME_MAX_S && p.omit_s <= I3_OMIT_MAX_S);
		must(p.mss <= I3_MSS_MAX && p.window <= I3_WINDOW_MAX && p.tos < 256);
		must(p.pacing_us >= 1 && p.server_cpu >= -1 && p.server_cpu <= 1024);
		must(!(p.reverse && p.bidir));
		cJSON_Delete(json);
		json = i3_params_encode(&p);
		must(json && !i3_params_decode(json, &again));
		must(!memcmp(&p, &again, offsetof(struct i3_params, congestion)));
		must(!strcmp(p.congestion, again.congestion) && !strcmp(p.title, again.title) &&
		     !strcmp(p.extra_data, again.extra_data));
	}
	cJSON_Delete(json);
}

static void results(struct fuzz_in *in)
{
	uint8_t how = fuzz_u8(in);
	struct i3_config conf = { .out = sink, .json = how & 1, .verbose = how & 2 };
	struct i3_test *t = calloc(1, sizeof(*t));
	struct i3_stream streams[3] = { 0 };
	cJSON *json, *again;
	char *text;

	must(t);
	t->conf = &conf;
	t->engine = engine;
	t->params.udp = how & 4;
	t->params.bidir = how & 8;
	t->server = how & 16;
	t->params.get_server_output = how & 32;
	t->params.streams = 2;
	t->params.block_bytes = 1000;
	t->params.omit_s = how & 64 ? 1 : 0;
	t->retransmits = how & 4 ? -1 : 1;
	t->end_ns = 2000000000;
	t->stream_count = 3;
	for (int i = 0; i < 3; i++) {
		streams[i].test = t;
		streams[i].id = i ? i + 2 : 1;
		streams[i].sender = !i;
		streams[i].bytes = 10000;
		streams[i].udp.packets = 10;
		t->streams[i] = &streams[i];
	}
	json = from_wire(in);
	if (json && !i3_results_decode(t, json) && (!conf.json || !i3_json_begin(t))) {
		must(isfinite(t->peer_cpu[0]) && isfinite(t->peer_cpu[1]));
		i3_report_start(t);
		i3_report_summary(t);
		if (t->json) {
			text = cJSON_PrintUnformatted(t->json);
			again = cJSON_Parse(text);
			must(cJSON_IsObject(again));
			cJSON_Delete(again);
			cJSON_free(text);
		}
		i3_report_end(t);
	}
	free(t->text);
	free(t->peer_text);
	cJSON_Delete(t->peer_json);
	cJSON_Delete(t->json);
	free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	if (!size || size > 1 << 15)
		return 0;
	if (fuzz_u8(&in) == 'p')
		params(&in);
	else
		results(&in);
	return 0;
}
