/* SPDX-License-Identifier: MIT */
/*
 * iperf3_client.c - `weir iperf3 -c`: one test, from the cookie to the summary.
 *
 * Theory: the server leads by state bytes, the client answers each:
 *
 *	PARAM_EXCHANGE    send the parameters
 *	CREATE_STREAMS    open the data connections (blocking, one after the other)
 *	TEST_START        start clocks and timers
 *	TEST_RUNNING      let data flow, until -t, -n or -k is reached: send TEST_END
 *	EXCHANGE_RESULTS  send results, take the server's
 *	DISPLAY_RESULTS   print the summary, send IPERF_DONE
 *
 *	ACCESS_DENIED, SERVER_ERROR and SERVER_TERMINATE may come at any time.
 * Invariants:
 *	1. each step but the running test has a deadline.
 *	2. the exit code is 0 only after the server's results were taken and printed.
 *	3. TEST_END is queued when the kernel has every datagram, but for one that it does not take
 *	   for DRAIN_STEPS.
 * Ownership: the client lives on the stack of i3_client(); the test frees itself.
 * Threads: the engine's.
 * Errors: printed (or put into the JSON document), exit code 1.
 * Sources: iperf 3.12 iperf_client_api.c (iperf_handle_message_client, iperf_run_client).
 * Tests: tests/cli/iperf3_tcp.sh, iperf3_badserver.sh, iperf3_refused.sh
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "iperf3.h"

#define DRAIN_STEP_US 1000
#define DRAIN_STEPS 50

struct client {
	const struct i3_config *conf;
	struct weir_engine *engine;
	struct i3_test *test; /* NULL once dropped */
	bool awaiting_results;
	bool results_taken;
	bool draining; /* the test is over, TEST_END waits */
	unsigned drain_steps;
	struct weir_timer drain_timer;
	bool gone; /* the test is freed */
	int code;
};

static void client_end(struct client *c, int code)
{
	struct i3_test *t = c->test;

	if (!t)
		return;
	weir_timer_stop(c->engine, &c->drain_timer);
	c->test = NULL;
	c->code = code;
	i3_report_end(t);
	i3_test_drop(t);
}

static void report_partial(struct i3_test *t)
{
	if (!t->running)
		return;
	i3_test_finish(t);
	i3_report_summary(t);
}

static void client_failed(struct i3_test *t, enum i3_error code, int err)
{
	struct client *c = t->role;
	char text[256], line[320];

	t->failed = true;
	report_partial(t);
	if (code == I3E_TIMEOUT && t->waiting_for)
		snprintf(text, sizeof(text), "no answer from the server: waited for %s",
			 t->waiting_for);
	else
		i3_error_text(code, err, text, sizeof(text));
	snprintf(line, sizeof(line), "error - %s", text);
	i3_report_error(t, t->conf->json ? text : line);
	client_end(c, 1);
}

static void client_expired(struct i3_test *t)
{
	if (t->trouble)
		i3_fail(t, t->trouble, t->trouble_err);
	else
		i3_fail(t, I3E_TIMEOUT, 0);
}

static void say_end(struct i3_test *t)
{
	if (i3_send_state(t, I3_TEST_END)) {
		i3_fail(t, I3E_SEND_MESSAGE, EPIPE);
		return;
	}
	i3_deadline(t, t->conf->control_timeout_us, "the end of the test");
}

/*
 * TEST_END overtakes data that waits in a socket, and a server of iperf3 drops what it has not read
 * by then.  Datagrams that have their numbers leave first, or they were sent and never arrive.  On
 * TCP the last blocks after -t are nobody's loss, after -n and -k they are waited for.
 */
static bool still_leaving(const struct i3_test *t)
{
	if (t->params.udp)
		return i3_sending(t);
	return !t->time_up && t->retransmits > 0 && i3_unacked(t);
}

/* A path that takes nothing more does not keep the test from ending. */
static void drain_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct client *c = timer->user;
	struct i3_test *t = c->test;

	if (!t || !c->draining)
		return;
	if (still_leaving(t) && ++c->drain_steps < DRAIN_STEPS &&
	    !weir_timer_start(e, timer, DRAIN_STEP_US))
		return;
	c->draining = false;
	say_end(t);
}

static void client_progress(struct i3_test *t)
{
	struct client *c = t->role;

	if (!t->running || t->dropped || t->failed)
		return;
	if (!t->finished) {
		if (!i3_limit_reached(t))
			return;
		i3_test_finish(t);
		/* blocks of TCP that were queued just now are not in the socket yet: look later */
		c->draining = t->params.udp ? i3_sending(t) : !t->time_up && t->retransmits > 0;
		if (!c->draining || weir_timer_start(t->engine, &c->drain_timer, DRAIN_STEP_US))
			say_end(t);
		return;
	}
	/* after the end: a datagram that was on its way has left */
	if (!c->draining || !t->params.udp || i3_sending(t))
		return;
	c->draining = false;
	weir_timer_stop(t->engine, &c->drain_timer);
	say_end(t);
}

static bool create_stream(struct i3_test *t, bool sender, unsigned index)
{
	struct weir_sock_opts opts = { .size = sizeof(opts), .flags = WEIR_SOCK_PAUSED };
	uint16_t port = t->conf->client_port;
	struct i3_fail why = { 0 };
	struct i3_stream *st;
	struct weir_sock *s;
	int fd, rc;

	if (port)
		port = (uint16_t)(port + index);
	fd = i3_dial_stream(t, port, &why);
	if (fd < 0) {
		i3_fail(t, why.code, why.err);
		return false;
	}
	/* paused: what a fast sender sends before the test runs waits in the kernel */
	rc = weir_adopt(t->engine, fd, t->params.udp ? &i3_udp_ops : &i3_tcp_ops, NULL, &opts, &s,
			NULL);
	if (rc) {
		close(fd);
		i3_fail(t, I3E_STREAM_CREATE, -rc);
		return false;
	}
	st = i3_stream_add(t, s, sender);
	if (!st) {
		weir_sock_set_ops(s, NULL, NULL);
		weir_sock_close(s);
		i3_fail(t, I3E_STREAM_CREATE, ENOMEM);
		return false;
	}
	i3_report_connected(st);
	return true;
}

static void create_streams(struct i3_test *t)
{
	unsigned count = t->params.streams, total = t->params.bidir ? 2 * count : count;

	/* a --bidir client first opens what it sends on, then what it receives on */
	for (unsigned i = 0; i < total; i++)
		if (!create_stream(t, t->params.bidir ? i < count : !t->params.reverse, i))
			return;
	i3_deadline(t, t->conf->control_timeout_us, "the start of the test");
}

static void send_params(struct i3_test *t)
{
	cJSON *json = i3_params_encode(&t->params);
	int rc = json ? i3_send_json(t, json) : -ENOMEM;

	cJSON_Delete(json);
	if (rc) {
		i3_fail(t, I3E_SEND_MESSAGE, -rc);
		return;
	}
	i3_report_connecting(t);
	i3_deadline(t, t->conf->control_timeout_us, "the answer to the parameters");
}

static void send_results(struct i3_test *t)
{
	struct client *c = t->role;
	cJSON *json;
	int rc;

	i3_test_finish(t);
	i3_stats_settle(t);
	json = i3_results_encode(t);
	rc = json ? i3_send_json(t, json) : -ENOMEM;
	cJSON_Delete(json);
	if (rc) {
		i3_fail(t, I3E_SEND_MESSAGE, -rc);
		return;
	}
	c->awaiting_results = true;
	i3_deadline(t, t->conf->control_timeout_us, "the server's results");
}

static void display_results(struct i3_test *t)
{
	struct client *c = t->role;

	if (!c->results_taken) {
		i3_fail(t, I3E_MESSAGE, 0);
		return;
	}
	i3_report_summary(t);
	if (!t->conf->json)
		i3_print(t, "\niperf Done.\n");
	(void)!i3_send_state(t, I3_DONE); /* a server that is gone by now changes nothing */
	client_end(c, 0);
}

/* I3_SERVER_ERROR is followed by an error number and an errno. */
static void server_error(struct i3_test *t)
{
	uint32_t code, err;

	if (t->in.len < 1 + 8)
		return;
	memcpy(&code, t->in.data + 1, 4);
	memcpy(&err, t->in.data + 5, 4);
	code = ntohl(code);
	err = ntohl(err);
	i3_fail(t, code ? (enum i3_error)code : I3E_MESSAGE, err < 4096 ? (int)err : 0);
}

/* The states up to the running test come once each, and in this order. */
static bool in_order(const struct i3_test *t, int state)
{
	switch (state) {
	case I3_PARAM_EXCHANGE:
	case I3_CREATE_STREAMS:
		return !t->stream_count && !t->started_ns;
	case I3_TEST_START:
		return t->stream_count && !t->started_ns;
	case I3_TEST_RUNNING:
		return t->started_ns && !t->running;
	default:
		return true;
	}
}

static void handle_state(struct i3_test *t, int state)
{
	if (!in_order(t, state)) {
		i3_fail(t, I3E_MESSAGE, 0);
		return;
	}
	switch (state) {
	case I3_PARAM_EXCHANGE:
		send_params(t);
		break;
	case I3_CREATE_STREAMS:
		create_streams(t);
		break;
	case I3_TEST_START:
		if (i3_test_start(t))
			i3_fail(t, I3E_INIT, ENOMEM);
		break;
	case I3_TEST_RUNNING:
		i3_deadline(t, 0, NULL);
		i3_test_run(t);
		break;
	case I3_EXCHANGE_RESULTS:
		send_results(t);
		break;
	case I3_DISPLAY_RESULTS:
		display_results(t);
		break;
	case I3_DONE:
		break;
	case I3_SERVER_TERMINATE:
		i3_fail(t, I3E_SERVER_TERM, 0);
		break;
	case I3_ACCESS_DENIED:
		i3_fail(t, I3E_ACCESS_DENIED, 0);
		break;
	default:
		i3_fail(t, I3E_MESSAGE, 0);
		break;
	}
}

static bool take_results(struct i3_test *t)
{
	struct client *c = t->role;
	enum i3_error code;
	cJSON *json;
	int rc = i3_take_json(&t->in, I3_OUTPUT_JSON_MAX, &json);

	if (!rc)
		return false;
	c->awaiting_results = false;
	code = rc < 0 ? I3E_RECV_RESULTS : i3_results_decode(t, json);
	c->results_taken = !code;
	if (code)
		i3_fail(t, code, rc < 0 ? -rc : 0);
	else
		i3_deadline(t, t->conf->control_timeout_us, "the end of the exchange of results");
	return true;
}

static void client_bytes(struct i3_test *t)
{
	struct client *c = t->role;

	while (c->test && !t->failed && t->in.len) {
		int state = (int8_t)t->in.data[0];

		if (c->awaiting_results) {
			if (!take_results(t))
				return;
			continue;
		}
		if (state == I3_SERVER_ERROR) {
			server_error(t);
			return;
		}
		i3_buf_consume(&t->in, 1);
		t->state = (enum i3_state)state;
		handle_state(t, state);
	}
}

static void client_freed(void *role)
{
	struct client *c = role;

	c->gone = true;
}

static const struct i3_hooks hooks = {
	.bytes = client_bytes,
	.failed = client_failed,
	.expired = client_expired,
	.progress = client_progress,
	.freed = client_freed,
};

static void choose_block(struct i3_test *t)
{
	uint32_t mss = (uint32_t)t->control_mss;

	if (!t->params.udp)
		return;
	if (!t->params.block_bytes)
		t->params.block_bytes = mss >= I3_UDP_BLOCK_MIN ? mss : I3_UDP_BLOCK;
	if (mss && t->params.block_bytes > mss)
		i3_warn("UDP block size %u exceeds TCP MSS %u, may result in fragmentation / drops",
			t->params.block_bytes, mss);
}

static int start_failed(struct i3_test *t, enum i3_error code, int err, const char *what)
{
	char text[256], line[512];

	i3_error_text(code, err, text, sizeof(text));
	snprintf(line, sizeof(line), "%s%s%s%s%s", t->conf->json ? "" : "error - ", text,
		 what[0] ? " (" : "", what, what[0] ? ")" : "");
	i3_report_error(t, line);
	return -1;
}

static int client_start(struct client *c)
{
	struct weir_sock_opts opts = { .size = sizeof(opts), .flags = WEIR_SOCK_NO_LOWAT };
	struct i3_test *t = c->test;
	struct i3_fail why = { 0 };
	struct weir_sock *s;
	int fd, rc;

	i3_cookie_make(t->cookie);
	fd = i3_dial_control(c->conf, &why);
	if (fd < 0)
		return start_failed(t, why.code, why.err, why.what);
	rc = weir_adopt(c->engine, fd, NULL, NULL, &opts, &s, NULL);
	if (rc) {
		close(fd);
		return start_failed(t, I3E_CONNECT, -rc, "");
	}
	i3_test_set_control(t, s);
	choose_block(t);
	i3_cpu_start(&t->cpu);
	rc = weir_sock_send(s, t->cookie, I3_COOKIE_BYTES, WEIR_SEND_COPY, 0);
	if (rc)
		return start_failed(t, I3E_SEND_MESSAGE, -rc, "");
	i3_deadline(t, c->conf->control_timeout_us, "its first answer");
	return 0;
}

static void client_interrupted(struct client *c)
{
	struct i3_test *t = c->test;
	char text[160];

	t->failed = true;
	report_partial(t);
	i3_error_text(I3E_CLIENT_TERM, 0, text, sizeof(text));
	if (t->conf->json)
		i3_report_error(t, text);
	else
		i3_complain(t->conf, "interrupt - %s", text);
	if (t->control)
		(void)!i3_send_state(t, I3_CLIENT_TERMINATE);
	client_end(c, 1);
}

int i3_client(const struct i3_config *conf, struct weir_engine *e)
{
	struct client c = { .conf = conf, .engine = e };
	int rc = 0;

	c.drain_timer = (struct weir_timer){ .fn = drain_fired, .user = &c };
	c.test = i3_test_new(conf, e, &hooks, &c);
	if (!c.test) {
		i3_complain(conf, "out of memory");
		return 1;
	}
	c.test->params = conf->test;
	if (client_start(&c))
		client_end(&c, 1);
	while (!c.gone && rc >= 0) {
		rc = weir_engine_dispatch(e, -1);
		if (c.test && i3_signal())
			client_interrupted(&c);
	}
	if (rc < 0)
		i3_complain(conf, "error - waiting for events: %s", strerror(-rc));
	return rc < 0 ? 1 : c.code;
}
