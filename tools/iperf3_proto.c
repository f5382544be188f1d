/* SPDX-License-Identifier: MIT */
/*
 * iperf3_proto.c - the control protocol's pieces: bytes, states, JSON texts, parameters.
 *
 * Theory: on the control connection travel, in turn, a cookie (37 bytes), single state bytes and
 *	JSON texts (a length of 4 bytes, big endian, then the text).  What arrives is collected in
 *	a buffer that grows with the bytes that are there, never with the length that is claimed.
 *
 *	client                          server
 *	cookie              ->
 *	                    <-          PARAM_EXCHANGE
 *	JSON (parameters)   ->
 *	                    <-          CREATE_STREAMS (or SERVER_ERROR, errno, errno)
 *	data connections    ->          (TCP: the cookie comes first on each)
 *	                    <-          TEST_START, TEST_RUNNING
 *	TEST_END            ->
 *	                    <-          EXCHANGE_RESULTS
 *	JSON (results)      ->
 *	                    <-          JSON (results), DISPLAY_RESULTS
 *	IPERF_DONE          ->
 * Invariants:
 *	1. a length over the limit is refused before a byte of its text is kept.
 *	2. a number from the peer is used only after it was found finite and in range.
 * Ownership: i3_buf owns its bytes; JSON objects are the caller's.
 * Threads: the engine's.
 * Errors: -EBADMSG (no JSON), -EMSGSIZE (too long), -ENOMEM, what sending says.
 * Sources: iperf 3.12 and 3.18: iperf_api.h (states, error numbers), iperf_api.c
 *	(send_parameters, get_parameters, JSON_write, JSON_read).
 * Tests: tests/unit/test_iperf3_proto.c, tests/cli/iperf3_bad.sh
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "iperf3.h"

int i3_buf_add(struct i3_buf *buf, const void *data, size_t len, size_t max)
{
	if (len > max || buf->len > max - len)
		return -EMSGSIZE;
	if (buf->len + len > buf->room) {
		size_t room = buf->room ? buf->room : 256;
		uint8_t *grown;

		while (room < buf->len + len)
			room *= 2;
		grown = realloc(buf->data, room);
		if (!grown)
			return -ENOMEM;
		buf->data = grown;
		buf->room = room;
	}
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	return 0;
}

void i3_buf_consume(struct i3_buf *buf, size_t len)
{
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len);
}

void i3_buf_fini(struct i3_buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void i3_cookie_make(char cookie[I3_COOKIE_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t random[I3_COOKIE_BYTES];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		uint64_t seed = i3_now_ns();

		for (unsigned i = 0; i < sizeof(random); i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			random[i] = (uint8_t)(seed >> 56);
		}
	}
	for (unsigned i = 0; i < I3_COOKIE_BYTES - 1; i++)
		cookie[i] = letters[random[i] % 32];
	cookie[I3_COOKIE_BYTES - 1] = '\0';
}

static int control_send(struct i3_test *t, const void *data, size_t len)
{
	if (!t->control)
		return -EPIPE;
	return weir_sock_send(t->control, data, len, WEIR_SEND_COPY, 0);
}

int i3_send_state(struct i3_test *t, enum i3_state state)
{
	int8_t byte = (int8_t)state;

	t->state = state;
	return control_send(t, &byte, 1);
}

int i3_send_error(struct i3_test *t, enum i3_error code, int err)
{
	uint8_t out[9];
	uint32_t number;

	out[0] = (uint8_t)(int8_t)I3_SERVER_ERROR;
	number = htonl((uint32_t)code);
	memcpy(out + 1, &number, 4);
	number = htonl((uint32_t)err);
	memcpy(out + 5, &number, 4);
	t->state = I3_SERVER_ERROR;
	return control_send(t, out, sizeof(out));
}

int i3_send_json(struct i3_test *t, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	uint32_t length;
	int rc;

	if (!text)
		return -ENOMEM;
	length = htonl((uint32_t)strlen(text));
	rc = control_send(t, &length, sizeof(length));
	if (!rc)
		rc = control_send(t, text, strlen(text));
	cJSON_free(text);
	return rc;
}

int i3_take_json(struct i3_buf *in, size_t max, cJSON **retjson)
{
	uint32_t length;
	cJSON *json;

	if (in->len < 4)
		return 0;
	memcpy(&length, in->data, 4);
	length = ntohl(length);
	if (!length)
		return -EBADMSG;
	if (length > max)
		return -EMSGSIZE;
	if (in->len < 4 + (size_t)length)
		return 0;
	json = cJSON_ParseWithLength((const char *)in->data + 4, length);
	i3_buf_consume(in, 4 + (size_t)length);
	if (!cJSON_IsObject(json)) {
		cJSON_Delete(json);
		return -EBADMSG;
	}
	*retjson = json;
	return 1;
}

static void encode_limits(cJSON *j, const struct i3_params *p)
{
	cJSON_AddNumberToObject(j, "omit", p->omit_s);
	if (p->server_cpu >= 0)
		cJSON_AddNumberToObject(j, "server_affinity", p->server_cpu);
	cJSON_AddNumberToObject(j, "time", p->time_s);
	cJSON_AddNumberToObject(j, "num", (double)p->bytes);
	cJSON_AddNumberToObject(j, "blockcount", (double)p->blocks);
	if (p->mss)
		cJSON_AddNumberToObject(j, "MSS", p->mss);
	if (p->nodelay)
		cJSON_AddTrueToObject(j, "nodelay");
	cJSON_AddNumberToObject(j, "parallel", p->streams);
	if (p->reverse)
		cJSON_AddTrueToObject(j, "reverse");
	if (p->bidir)
		cJSON_AddTrueToObject(j, "bidirectional");
	if (p->window)
		cJSON_AddNumberToObject(j, "window", p->window);
	if (p->block_bytes)
		cJSON_AddNumberToObject(j, "len", p->block_bytes);
	if (p->rate)
		cJSON_AddNumberToObject(j, "bandwidth", (double)p->rate);
	if (p->fq_rate)
		cJSON_AddNumberToObject(j, "fqrate", (double)p->fq_rate);
	if (p->pacing_us)
		cJSON_AddNumberToObject(j, "pacing_timer", p->pacing_us);
	if (p->burst)
		cJSON_AddNumberToObject(j, "burst", p->burst);
	if (p->tos)
		cJSON_AddNumberToObject(j, "TOS", p->tos);
}

cJSON *i3_params_encode(const struct i3_params *p)
{
	cJSON *j = cJSON_CreateObject();

	if (!j)
		return NULL;
	if (p->udp)
		cJSON_AddTrueToObject(j, "udp");
	else
		cJSON_AddTrueToObject(j, "tcp");
	encode_limits(j, p);
	if (p->title[0])
		cJSON_AddStringToObject(j, "title", p->title);
	if (p->extra_data[0])
		cJSON_AddStringToObject(j, "extra_data", p->extra_data);
	if (p->congestion[0])
		cJSON_AddStringToObject(j, "congestion", p->congestion);
	if (p->get_server_output)
		cJSON_AddNumberToObject(j, "get_server_output", 1);
	if (p->counters64)
		cJSON_AddNumberToObject(j, "udp_counters_64bit", 1);
	if (p->repeating)
		cJSON_AddNumberToObject(j, "repeating_payload", 1);
	if (p->zerocopy)
		cJSON_AddNumberToObject(j, "zerocopy", 1);
	if (p->dont_fragment)
		cJSON_AddNumberToObject(j, "dont_fragment", 1);
	/* servers compare nothing with it; old ones want the word */
	cJSON_AddStringToObject(j, "client_version", "3.12");
	return j;
}

/* A number in [0, max]; 0 where there is none; false where it is something else. */
static bool take_number(const cJSON *json, const char *key, double max, double *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	*ret = 0;
	if (!item)
		return true;
	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble < 0 ||
	    item->valuedouble > max)
		return false;
	*ret = floor(item->valuedouble);
	return true;
}

static bool take_u32(const cJSON *json, const char *key, uint32_t max, uint32_t *ret)
{
	double value;

	if (!take_number(json, key, max, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* 2^53: what a JSON number holds without loss */
static bool take_u64(const cJSON *json, const char *key, uint64_t *ret)
{
	double value;

	if (!take_number(json, key, 9007199254740992.0, &value))
		return false;
	*ret = (uint64_t)value;
	return true;
}

/* Present and neither false nor 0; peers say yes as true or as 1. */
static bool take_flag(const cJSON *json, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	return cJSON_IsTrue(item) || (cJSON_IsNumber(item) && item->valuedouble != 0);
}

static bool take_text(const cJSON *json, const char *key, char *buf, size_t bytes)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	buf[0] = '\0';
	if (!item)
		return true;
	if (!cJSON_IsString(item) || strlen(item->valuestring) >= bytes)
		return false;
	memcpy(buf, item->valuestring, strlen(item->valuestring) + 1);
	return true;
}

/* A title or a name ends up on the server's terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static enum i3_error decode_sizes(const cJSON *json, struct i3_params *p)
{
	if (!take_u32(json, "omit", I3_OMIT_MAX_S, &p->omit_s))
		return I3E_OMIT;
	if (!take_u32(json, "time", I3_TIME_MAX_S, &p->time_s))
		return I3E_DURATION;
	if (!take_u32(json, "parallel", I3_STREAMS_MAX, &p->streams))
		return I3E_STREAMS;
	if (!p->streams && cJSON_HasObjectItem(json, "parallel"))
		return I3E_STREAMS;
	if (!p->streams)
		p->streams = 1;
	if (!take_u32(json, "MSS", I3_MSS_MAX, &p->mss))
		return I3E_MSS;
	if (!take_u32(json, "window", I3_WINDOW_MAX, &p->window))
		return I3E_WINDOW;
	if (!take_u32(json, "TOS", 255, &p->tos))
		return I3E_TOS;
	if (!take_u32(json, "burst", I3_BURST_MAX, &p->burst))
		return I3E_BURST;
	if (!take_u32(json, "len", p->udp ? I3_UDP_BLOCK_MAX : I3_BLOCK_MAX, &p->block_bytes))
		return p->udp ? I3E_UDP_BLOCK : I3E_BLOCK;
	if (!p->block_bytes)
		p->block_bytes = p->udp ? I3_UDP_BLOCK : I3_TCP_BLOCK;
	if (p->udp && p->block_bytes < I3_UDP_BLOCK_MIN)
		return I3E_UDP_BLOCK;
	if (!take_u64(json, "num", &p->bytes) || !take_u64(json, "blockcount", &p->blocks) ||
	    !take_u64(json, "bandwidth", &p->rate) || !take_u64(json, "fqrate", &p->fq_rate) ||
	    !take_u32(json, "pacing_timer", 1000000, &p->pacing_us))
		return I3E_RECV_PARAMS;
	if (!p->pacing_us)
		p->pacing_us = I3_PACING_US;
	return I3E_NONE;
}

enum i3_error i3_params_decode(const cJSON *json, struct i3_params *ret)
{
	struct i3_params p = { .server_cpu = -1 };
	enum i3_error code;
	double cpu;

	p.udp = take_flag(json, "udp");
	if (take_flag(json, "sctp") || take_flag(json, "mptcp"))
		return I3E_UNIMPLEMENTED;
	code = decode_sizes(json, &p);
	if (code)
		return code;
	p.nodelay = take_flag(json, "nodelay");
	p.reverse = take_flag(json, "reverse");
	p.bidir = take_flag(json, "bidirectional");
	if (p.reverse && p.bidir)
		return I3E_REVERSE_BIDIR;
	p.get_server_output = take_flag(json, "get_server_output");
	p.counters64 = take_flag(json, "udp_counters_64bit");
	p.repeating = take_flag(json, "repeating_payload");
	p.zerocopy = take_flag(json, "zerocopy");
	p.dont_fragment = take_flag(json, "dont_fragment");
	if (!take_text(json, "title", p.title, sizeof(p.title)) ||
	    !take_text(json, "extra_data", p.extra_data, sizeof(p.extra_data)))
		return I3E_RECV_PARAMS;
	if (!take_text(json, "congestion", p.congestion, sizeof(p.congestion)))
		return I3E_SET_CONGESTION;
	make_printable(p.title);
	make_printable(p.congestion);
	if (cJSON_HasObjectItem(json, "server_affinity")) {
		if (!take_number(json, "server_affinity", 1024, &cpu))
			return I3E_RECV_PARAMS;
		p.server_cpu = (int)cpu;
	}
	*ret = p;
	return I3E_NONE;
}

/* What a UDP stream begins with may come from a machine of the other byte order. */
static bool word_is(const void *data, size_t len, uint32_t a, uint32_t b)
{
	uint32_t word;

	if (len != sizeof(word))
		return false;
	memcpy(&word, data, sizeof(word));
	return word == a || word == b || word == __builtin_bswap32(a) ||
	       word == __builtin_bswap32(b);
}

bool i3_udp_is_hello(const void *data, size_t len)
{
	return word_is(data, len, I3_UDP_HELLO, I3_UDP_HELLO_OLD);
}

bool i3_udp_is_reply(const void *data, size_t len)
{
	return word_is(data, len, I3_UDP_REPLY, I3_UDP_REPLY_OLD);
}
