/* SPDX-License-Identifier: MIT */
/*
 * test_iperf3_proto.c - the control protocol's texts: cut in pieces, too long, absurd, broken.
 *
 * Theory: parameters that were encoded must decode to themselves; every number just outside of its
 *	range, and every kind of value that is not a number, must be refused with the error that
 *	iperf3's client has a sentence for.  Results are decoded into streams that are made by hand.
 */
#include <arpa/inet.h>
#include <math.h>

#include "t.h"

#include "iperf3.h"

static void buffer_grows(void **state)
{
	struct i3_buf buf = { 0 };
	uint8_t data[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(i3_buf_add(&buf, data, 300, 1000), 0);
	assert_int_equal(i3_buf_add(&buf, data, 300, 1000), 0);
	assert_int_equal(i3_buf_add(&buf, data, 300, 1000), 0);
	assert_int_equal(i3_buf_add(&buf, data, 101, 1000), -EMSGSIZE);
	assert_int_equal(i3_buf_add(&buf, data, 100, 1000), 0);
	assert_int_equal(buf.len, 1000);
	i3_buf_consume(&buf, 299);
	assert_int_equal(buf.len, 701);
	assert_int_equal(buf.data[0], 299 & 0xff);
	assert_int_equal(buf.data[1], 0);
	i3_buf_consume(&buf, 701);
	assert_int_equal(buf.len, 0);
	i3_buf_fini(&buf);
	assert_null(buf.data);
}

static void frame(struct i3_buf *buf, const char *text, uint32_t length)
{
	uint32_t head = htonl(length);

	assert_int_equal(i3_buf_add(buf, &head, 4, 1 << 20), 0);
	assert_int_equal(i3_buf_add(buf, text, strlen(text), 1 << 20), 0);
}

static void json_in_pieces(void **state)
{
	static const char text[] = "{\"a\":1}";
	uint8_t wire[4 + sizeof(text) - 1] = { 0, 0, 0, sizeof(text) - 1 };
	struct i3_buf buf = { 0 };
	cJSON *json = NULL;

	(void)state;
	memcpy(wire + 4, text, sizeof(text) - 1);
	for (unsigned i = 0; i < sizeof(wire); i++) {
		assert_int_equal(i3_take_json(&buf, 100, &json), 0);
		assert_int_equal(i3_buf_add(&buf, wire + i, 1, 100), 0);
	}
	assert_int_equal(i3_buf_add(&buf, "\x0e", 1, 100), 0);
	assert_int_equal(i3_take_json(&buf, 100, &json), 1);
	assert_non_null(cJSON_GetObjectItem(json, "a"));
	/* what follows stays */
	assert_int_equal(buf.len, 1);
	assert_int_equal(buf.data[0], 14);
	cJSON_Delete(json);
	i3_buf_fini(&buf);
}

static void bad_json(void **state)
{
	static const char *const texts[] = {
		"{",	       "[1]", "1", "\"x\"", "{\"a\":}", "nonsense", "{\"a\":1e999999999}x",
		"\x01\x02\x03"
	};
	struct i3_buf buf = { 0 };
	cJSON *json = NULL;

	(void)state;
	for (unsigned i = 0; i < T_COUNT(texts); i++) {
		int rc;

		frame(&buf, texts[i], (uint32_t)strlen(texts[i]));
		rc = i3_take_json(&buf, 100, &json);
		/* cJSON lets trailing text pass */
		if (rc == 1)
			cJSON_Delete(json);
		else
			assert_int_equal(rc, -EBADMSG);
		assert_int_equal(buf.len, 0);
	}
	frame(&buf, "{}", 0);
	assert_int_equal(i3_take_json(&buf, 100, &json), -EBADMSG);
	i3_buf_fini(&buf);
	frame(&buf, "{}", 101);
	assert_int_equal(i3_take_json(&buf, 100, &json), -EMSGSIZE);
	i3_buf_fini(&buf);
	frame(&buf, "{}", UINT32_MAX);
	assert_int_equal(i3_take_json(&buf, 1 << 20, &json), -EMSGSIZE);
	i3_buf_fini(&buf);
}

static void cookies(void **state)
{
	char a[I3_COOKIE_BYTES], b[I3_COOKIE_BYTES];

	(void)state;
	i3_cookie_make(a);
	i3_cookie_make(b);
	assert_int_equal(strlen(a), I3_COOKIE_BYTES - 1);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), I3_COOKIE_BYTES - 1);
	assert_string_not_equal(a, b);
}

static void params_round_trip(void **state)
{
	struct i3_params p = { .udp = true,
			       .reverse = true,
			       .counters64 = true,
			       .time_s = 7,
			       .omit_s = 2,
			       .streams = 128,
			       .block_bytes = 1400,
			       .window = 1 << 20,
			       .tos = 255,
			       .burst = 1000,
			       .pacing_us = 500,
			       .server_cpu = 3,
			       .rate = UINT64_C(400000000000),
			       .get_server_output = true,
			       .bytes = UINT64_C(1) << 52,
			       .dont_fragment = true };
	struct i3_params q;
	cJSON *json;

	(void)state;
	snprintf(p.title, sizeof(p.title), "a \"title\"");
	snprintf(p.congestion, sizeof(p.congestion), "bbr");
	json = i3_params_encode(&p);
	assert_non_null(json);
	assert_int_equal(i3_params_decode(json, &q), I3E_NONE);
	assert_int_equal(q.bytes, p.bytes);
	assert_int_equal(q.rate, p.rate);
	assert_memory_equal(&p, &q, sizeof(p));
	cJSON_Delete(json);
}

/* The decoding of one text; the parameters are untouched after a refusal. */
static enum i3_error decode(const char *text, struct i3_params *ret)
{
	cJSON *json = cJSON_Parse(text);
	enum i3_error code;

	assert_non_null(json);
	memset(ret, 0x5a, sizeof(*ret));
	code = i3_params_decode(json, ret);
	if (code)
		assert_int_equal(ret->streams, 0x5a5a5a5a);
	cJSON_Delete(json);
	return code;
}

static void params_refused(void **state)
{
	static const struct {
		const char *text;
		enum i3_error code;
	} cases[] = {
		{ "{\"parallel\":129}", I3E_STREAMS },
		{ "{\"parallel\":0}", I3E_STREAMS },
		{ "{\"parallel\":-1}", I3E_STREAMS },
		{ "{\"parallel\":1e300}", I3E_STREAMS },
		{ "{\"parallel\":\"8\"}", I3E_STREAMS },
		{ "{\"parallel\":[8]}", I3E_STREAMS },
		{ "{\"parallel\":null}", I3E_STREAMS },
		{ "{\"time\":86401}", I3E_DURATION },
		{ "{\"omit\":601}", I3E_OMIT },
		{ "{\"len\":1048577}", I3E_BLOCK },
		{ "{\"udp\":true,\"len\":15}", I3E_UDP_BLOCK },
		{ "{\"udp\":true,\"len\":65508}", I3E_UDP_BLOCK },
		{ "{\"window\":536870913}", I3E_WINDOW },
		{ "{\"MSS\":9217}", I3E_MSS },
		{ "{\"TOS\":256}", I3E_TOS },
		{ "{\"burst\":1001}", I3E_BURST },
		{ "{\"num\":1e17}", I3E_RECV_PARAMS },
		{ "{\"bandwidth\":-5}", I3E_RECV_PARAMS },
		{ "{\"pacing_timer\":1e9}", I3E_RECV_PARAMS },
		{ "{\"congestion\":\"0123456789abcdef\"}", I3E_SET_CONGESTION },
		{ "{\"congestion\":7}", I3E_SET_CONGESTION },
		{ "{\"title\":{}}", I3E_RECV_PARAMS },
		{ "{\"server_affinity\":-7}", I3E_RECV_PARAMS },
		{ "{\"reverse\":true,\"bidirectional\":true}", I3E_REVERSE_BIDIR },
		{ "{\"sctp\":true}", I3E_UNIMPLEMENTED },
	};
	struct i3_params p;

	(void)state;
	for (unsigned i = 0; i < T_COUNT(cases); i++) {
		t_note("%s", cases[i].text);
		assert_int_equal(decode(cases[i].text, &p), cases[i].code);
	}
}

static void params_taken(void **state)
{
	struct i3_params p;

	(void)state;
	assert_int_equal(decode("{}", &p), I3E_NONE);
	assert_int_equal(p.streams, 1);
	assert_int_equal(p.block_bytes, I3_TCP_BLOCK);
	assert_int_equal(p.pacing_us, I3_PACING_US);
	assert_int_equal(p.server_cpu, -1);
	assert_int_equal(decode("{\"udp\":true}", &p), I3E_NONE);
	assert_int_equal(p.block_bytes, I3_UDP_BLOCK);
	/* old and new clients say yes in two ways; unknown keys are none of ours */
	assert_int_equal(decode("{\"nodelay\":1,\"zerocopy\":true,\"repeating_payload\":0,"
				"\"skip_rx_copy\":1,\"x\":[{}]}",
				&p),
			 I3E_NONE);
	assert_true(p.nodelay && p.zerocopy && !p.repeating);
	assert_int_equal(decode("{\"title\":\"a\\u0007\\u001b[31mb\"}", &p), I3E_NONE);
	assert_string_equal(p.title, "a??[31mb");
}

static void greetings(void **state)
{
	(void)state;
	assert_true(i3_udp_is_hello("\x39\x38\x37\x36", 4));
	assert_true(i3_udp_is_hello("\x36\x37\x38\x39", 4));
	assert_true(i3_udp_is_hello("\x15\xcd\x5b\x07", 4));
	assert_true(i3_udp_is_reply("\x36\x37\x38\x39", 4));
	assert_true(i3_udp_is_reply("\xb1\x68\xde\x3a", 4));
	assert_false(i3_udp_is_hello("\x39\x38\x37\x36", 5));
	assert_false(i3_udp_is_hello("\0\0\0\0", 4));
	assert_false(i3_udp_is_reply("", 0));
}

/* A client's test with one sender and one receiver. */
static struct i3_test *test_of_two(struct i3_config *conf, struct i3_stream st[2])
{
	struct i3_test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->conf = conf;
	t->params.streams = 1;
	t->params.bidir = true;
	t->stream_count = 2;
	for (int i = 0; i < 2; i++) {
		memset(&st[i], 0, sizeof(st[i]));
		st[i].test = t;
		st[i].id = i ? 3 : 1;
		st[i].sender = !i;
		t->streams[i] = &st[i];
	}
	t->end_ns = 2000000000;
	return t;
}

#define RESULTS_HEAD                                                          \
	"{\"cpu_util_total\":10.5,\"cpu_util_user\":1,\"cpu_util_system\":9," \
	"\"sender_has_retransmits\":1,\"congestion_used\":\"cubic\",\"streams\":["
#define STREAM(id, bytes)                                                                         \
	"{\"id\":" id ",\"bytes\":" bytes ",\"retransmits\":18446744073709551615,\"jitter\":0.5," \
	"\"errors\":2,\"packets\":20,\"start_time\":0,\"end_time\":1.5"

static void results_taken(void **state)
{
	struct i3_config conf = { 0 };
	struct i3_stream st[2];
	struct i3_test *t = test_of_two(&conf, st);
	struct i3_line line;

	(void)state;
	st[0].bytes = 1000;
	assert_int_equal(
		i3_results_decode(
			t, cJSON_Parse(RESULTS_HEAD STREAM("1", "900") "}," STREAM(
				   "3", "50") ",\"omitted_errors\":1,\"omitted_packets\":5}]}")),
		I3E_NONE);
	assert_true(fabs(t->peer_cpu[0] - 10.5) < 1e-9);
	assert_string_equal(t->peer_congestion, "cubic");
	i3_line_make(&st[0], &line);
	assert_int_equal(line.sent, 1000);
	assert_int_equal(line.received, 900);
	assert_int_equal(line.lost, 2);
	assert_true(fabs(line.received_s - 1.5) < 1e-9);
	i3_line_make(&st[1], &line);
	assert_int_equal(line.sent, 50);
	assert_int_equal(line.retransmits, -1);
	assert_int_equal(line.sender_packets, 15);
	free(t);
}

static void results_refused(void **state)
{
	static const char *const texts[] = {
		"{}",
		RESULTS_HEAD "5]}",
		RESULTS_HEAD STREAM("2", "1") "}]}",
		RESULTS_HEAD STREAM("1e300", "1") "}]}",
		RESULTS_HEAD STREAM("1", "-1") "}]}",
		RESULTS_HEAD STREAM("1", "1e300") "}]}",
		RESULTS_HEAD STREAM("1", "\"7\"") "}]}",
		RESULTS_HEAD
		"{\"id\":1,\"bytes\":1,\"retransmits\":-1e19,\"jitter\":0,\"errors\":0,"
		"\"packets\":0}]}",
		"{\"cpu_util_total\":1,\"cpu_util_user\":1,\"cpu_util_system\":1,"
		"\"sender_has_retransmits\":0}",
		"{\"cpu_util_total\":true,\"cpu_util_user\":1,\"cpu_util_system\":1,"
		"\"sender_has_retransmits\":0,\"streams\":[]}",
	};
	struct i3_config conf = { 0 };
	struct i3_stream st[2];
	struct i3_test *t = test_of_two(&conf, st);

	(void)state;
	for (unsigned i = 0; i < T_COUNT(texts); i++) {
		t_note("%s", texts[i]);
		assert_int_not_equal(i3_results_decode(t, cJSON_Parse(texts[i])), I3E_NONE);
		assert_false(st[0].from_peer.known || st[1].from_peer.known);
	}
	free(t);
}

static void results_encoded(void **state)
{
	struct i3_config conf = { 0 };
	struct i3_stream st[2];
	struct i3_test *t = test_of_two(&conf, st);
	cJSON *json, *list;

	(void)state;
	st[0].bytes = 1000;
	st[0].omitted_bytes = 100;
	json = i3_results_encode(t);
	list = cJSON_GetObjectItem(json, "streams");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "bytes")->valueint, 900);
	assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "id")->valueint, 3);
	assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "end_time")->valueint, 2);
	/* what one side writes the other takes */
	assert_int_equal(i3_results_decode(t, json), I3E_NONE);
	assert_int_equal(st[0].from_peer.bytes, 900);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(buffer_grows),	 T_CASE(json_in_pieces),    T_CASE(bad_json),
		T_CASE(cookies),	 T_CASE(params_round_trip), T_CASE(params_refused),
		T_CASE(params_taken),	 T_CASE(greetings),	    T_CASE(results_taken),
		T_CASE(results_refused), T_CASE(results_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
