/* SPDX-License-Identifier: MIT */
/*
 * iperf3_server.c - `weir iperf3 -s`: one test after the other, whatever clients do.
 *
 * Theory: connections come in as visitors (iperf3_visitor.c); one of them becomes the control
 *	connection of a test, others its streams.
 *
 *	IDLE -> PARAM_EXCHANGE -> CREATE_STREAMS -> TEST_RUNNING -> (TEST_END) DRAIN
 *	     -> EXCHANGE_RESULTS -> DISPLAY_RESULTS -> IPERF_DONE -> IDLE
 *
 *	Each state has a deadline; whatever goes wrong leads to drop_test() and to IDLE.
 *	DRAIN waits up to 20 ms for data that arrived before TEST_END and was not read yet: until
 *	the sockets are empty, and for two turns of the loop more.  The first brings completions
 *	that the look at the sockets came before, the second their callbacks: events of a turn
 *	come behind its timers.
 * Invariants:
 *	1. at most one test is on; a test that is being closed is not on any more.
 *	2. after a test the listener has the options it had before.
 * Ownership: the server lives on the stack of i3_server(); tests free themselves.
 * Threads: the engine's.
 * Errors: of a client: printed, the next client is served.  Of the server itself: exit code 1.
 * Sources: iperf 3.12 iperf_server_api.c (iperf_handle_message_server, iperf_run_server),
 *	iperf_udp.c (iperf_udp_accept).
 * Tests: tests/cli/iperf3_server.sh, iperf3_refused.sh, iperf3_bad.sh
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iperf3_server.h"

#define DRAIN_STEP_US 1000
#define DRAIN_STEPS 20
#define QUIET_LOOKS 3

/* Between tests. */

static void announce(struct server *sv)
{
	static const char line[] = "-----------------------------------------------------------\n";

	sv->test_number++;
	if (sv->conf->json)
		return;
	fprintf(sv->conf->out, "%sServer listening on %u (test #%u)\n%s", line, sv->conf->port,
		sv->test_number, line);
	fflush(sv->conf->out);
}

static void idle_start(struct server *sv)
{
	if (sv->conf->idle_timeout_us &&
	    weir_timer_start(sv->engine, &sv->idle_timer, sv->conf->idle_timeout_us))
		sv->failed = sv->stopping = true;
}

/* An idle iperf3 server listens anew now and then, in case it got stuck; ours has no need to. */
static void idle_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct server *sv = timer->user;

	(void)e;
	if (sv->test)
		return;
	if (sv->conf->one_off)
		sv->stopping = true;
	else
		idle_start(sv);
}

static void drop_test(struct server *sv)
{
	struct i3_test *t = sv->test;
	struct i3_fail ignored = { 0 };
	bool counted = t->params.streams > 0;

	if (sv->options_set && sv->listener)
		i3_listener_options(t, weir_sock_fd(sv->listener), false, &ignored);
	sv->options_set = false;
	if (sv->udp_listener)
		weir_sock_close(sv->udp_listener);
	weir_timer_stop(sv->engine, &sv->drain_timer);
	if (t->params.server_cpu >= 0)
		(void)!i3_pin(sv->conf->cpu_plus_1);
	sv->test = NULL;
	i3_test_drop(t);
	/* a visitor with rubbish is no test */
	if (sv->conf->one_off && counted) {
		sv->stopping = true;
		return;
	}
	announce(sv);
	idle_start(sv);
	i3_settle_visitors(sv);
}

/* What a test tells its role. */

static void server_failed(struct i3_test *t, enum i3_error code, int err)
{
	struct server *sv = t->role;
	char text[256], line[320];
	bool client_left = code == I3E_CTRL_CLOSED || code == I3E_CLIENT_TERM;

	t->failed = true;
	if (t->running && !t->finished) {
		i3_test_finish(t);
		i3_report_summary(t);
	}
	if (code == I3E_CTRL_CLOSED && !err)
		snprintf(text, sizeof(text), "the client has unexpectedly closed the connection");
	else if (code == I3E_TIMEOUT && t->waiting_for)
		snprintf(text, sizeof(text), "the client stalled: waited for %s", t->waiting_for);
	else
		i3_error_text(code, err, text, sizeof(text));
	snprintf(line, sizeof(line), "%s%s", client_left ? "" : "error - ", text);
	/* no document was begun for a client that named no test */
	if (!t->params.streams)
		i3_complain(t->conf, "%s", line);
	else
		i3_report_error(t, t->conf->json ? text : line);
	sv->failed |= t->params.streams > 0;
	/* a client in a running test looks for states; in an exchange it would read a length */
	if (t->control && !client_left && t->state == I3_TEST_RUNNING)
		(void)!i3_send_state(t, I3_SERVER_TERMINATE);
	if (t->params.streams)
		i3_report_end(t);
	drop_test(sv);
}

static void server_expired(struct i3_test *t)
{
	if (t->trouble)
		i3_fail(t, t->trouble, t->trouble_err);
	else
		i3_fail(t, I3E_TIMEOUT, 0);
}

static void server_progress(struct i3_test *t)
{
	(void)t; /* the client decides when a test is over */
}

static void server_freed(void *role)
{
	struct server *sv = role;

	sv->tests_alive--;
}

/* The end of a test. */

static void end_report(struct server *sv)
{
	struct i3_test *t = sv->test;

	i3_test_finish(t);
	i3_stats_settle(t);
	for (unsigned i = 0; i < t->stream_count; i++)
		weir_sock_close(t->streams[i]->sock);
	i3_report_summary(t);
	if (i3_send_state(t, I3_EXCHANGE_RESULTS)) {
		i3_fail(t, I3E_SEND_MESSAGE, EPIPE);
		return;
	}
	i3_deadline(t, t->conf->control_timeout_us, "the client's results");
}

static void drain_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct server *sv = timer->user;

	sv->quiet_looks = i3_unread(sv->test) ? 0 : sv->quiet_looks + 1;
	if (sv->quiet_looks < QUIET_LOOKS && ++sv->drain_steps < DRAIN_STEPS &&
	    !weir_timer_start(e, timer, sv->quiet_looks ? 0 : DRAIN_STEP_US))
		return;
	end_report(sv);
}

static void take_results(struct server *sv)
{
	struct i3_test *t = sv->test;
	cJSON *json;
	enum i3_error code;
	int rc = i3_take_json(&t->in, I3_RESULTS_JSON_MAX, &json);

	if (!rc)
		return;
	code = rc < 0 ? I3E_RECV_RESULTS : i3_results_decode(t, json);
	if (code) {
		i3_fail(t, code, rc < 0 ? -rc : 0);
		return;
	}
	json = i3_results_encode(t);
	rc = json ? i3_send_json(t, json) : -ENOMEM;
	cJSON_Delete(json);
	if (!rc)
		rc = i3_send_state(t, I3_DISPLAY_RESULTS);
	if (rc)
		i3_fail(t, I3E_SEND_MESSAGE, -rc);
	else
		i3_deadline(t, t->conf->control_timeout_us, "the client's goodbye");
}

static void test_done(struct server *sv)
{
	i3_report_end(sv->test);
	sv->failed = false;
	drop_test(sv);
}

/* The start of a test. */

static void start_test(struct server *sv)
{
	struct i3_test *t = sv->test;
	struct i3_fail ignored = { 0 };
	uint64_t limit_us = (uint64_t)(t->params.time_s + t->params.omit_s) * 1000000;

	if (sv->options_set)
		i3_listener_options(t, weir_sock_fd(sv->listener), false, &ignored);
	sv->options_set = false;
	if (sv->udp_listener)
		weir_sock_close(sv->udp_listener);
	i3_cpu_start(&t->cpu);
	if (i3_send_state(t, I3_TEST_START) || i3_test_start(t) ||
	    i3_send_state(t, I3_TEST_RUNNING)) {
		i3_fail(t, I3E_INIT, ENOMEM);
		return;
	}
	/* -n and -k end when the client says so; the watchdog looks at the data meanwhile */
	i3_deadline(t, t->params.time_s ? limit_us + I3_GRACE_US : 0, "the end of the test");
	i3_test_run(t);
	i3_settle_visitors(sv);
}

static struct i3_stream *add_stream(struct server *sv, struct weir_sock *s)
{
	struct i3_test *t = sv->test;
	struct i3_fail why = { 0 };
	struct i3_stream *st;
	bool sender;

	/* a --bidir client first opens what it sends on */
	sender = t->params.bidir ? t->stream_count >= t->params.streams : t->params.reverse;
	if ((t->params.udp && i3_set_buffers(t, weir_sock_fd(s), &why)) ||
	    i3_set_stream_options(t, weir_sock_fd(s), &why)) {
		i3_fail(t, why.code, why.err);
		return NULL;
	}
	st = i3_stream_add(t, s, sender);
	if (!st) {
		i3_fail(t, I3E_STREAM_CREATE, ENOMEM);
		return NULL;
	}
	i3_report_connected(st);
	return st;
}

/*
 * UDP: a datagram's sender becomes a stream on the socket it came to; a new socket listens.  The
 * engine is handed a duplicate: whether a socket has a peer it asks only when it adopts it.
 */
static struct weir_sock *udp_connected(struct server *sv, struct weir_sock *s,
				       const struct sockaddr *peer)
{
	struct weir_sock_opts opts = { .size = sizeof(opts) };
	struct weir_sock *stream;
	int fd, rc;

	if (connect(weir_sock_fd(s), peer,
		    peer->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
						 sizeof(struct sockaddr_in6)))
		return NULL;
	fd = fcntl(weir_sock_fd(s), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	rc = weir_adopt(sv->engine, fd, NULL, NULL, &opts, &stream, NULL);
	if (rc) {
		close(fd);
		errno = -rc;
		return NULL;
	}
	return stream;
}

static int udp_listen(struct server *sv);

static void udp_hello(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct server *sv = user;
	struct i3_test *t = sv->test;
	uint32_t len, reply = I3_UDP_REPLY;
	const struct sockaddr *peer = slices[0].peer;
	const void *data = weir_slice_datagram(&slices[0], 0, &len);
	struct weir_sock *stream;
	int rc;

	(void)n;
	/* stragglers of an earlier test come here too: only a hello is one */
	if (s != sv->udp_listener || !t || t->state != I3_CREATE_STREAMS || !peer ||
	    !i3_udp_is_hello(data, len))
		return;
	stream = udp_connected(sv, s, peer);
	if (!stream) {
		i3_fail(t, I3E_STREAM_ACCEPT, errno);
		return;
	}
	sv->udp_listener = NULL;
	weir_sock_close(s);
	if (!add_stream(sv, stream)) {
		weir_sock_close(stream);
		return;
	}
	if (t->stream_count < sv->streams_wanted && udp_listen(sv)) {
		i3_fail(t, I3E_STREAM_LISTEN, errno);
		return;
	}
	rc = weir_sock_send(stream, &reply, sizeof(reply), WEIR_SEND_COPY, 0);
	if (rc)
		i3_fail(t, I3E_STREAM_WRITE, -rc);
	else if (t->stream_count == sv->streams_wanted)
		start_test(sv);
}

static void udp_listener_closed(struct weir_sock *s, void *user)
{
	struct server *sv = user;

	if (sv->udp_listener == s)
		sv->udp_listener = NULL;
}

static const struct weir_sock_ops udp_listener_ops = {
	.received = udp_hello,
	.closed = udp_listener_closed,
};

static int udp_listen(struct server *sv)
{
	struct weir_sock_opts opts = { .size = sizeof(opts) };
	struct i3_fail why = { 0 };
	struct weir_addr at = { 0 };
	int fd, rc;

	(void)!weir_sock_local(sv->listener, &at);
	fd = i3_listen_fd(sv->conf, SOCK_DGRAM,
			  at.sa.sa_family == AF_INET ? AF_INET : sv->conf->family, &why);
	if (fd < 0) {
		errno = why.err;
		return -1;
	}
	rc = weir_adopt(sv->engine, fd, &udp_listener_ops, sv, &opts, &sv->udp_listener, NULL);
	if (rc) {
		close(fd);
		errno = -rc;
		return -1;
	}
	return 0;
}

/* The control connection. */

static void refuse_params(struct i3_test *t, enum i3_error code, int err)
{
	/* a client of iperf3 prints these two numbers as words */
	(void)!i3_send_error(t, code, err);
	i3_fail(t, code, err);
}

static void take_params(struct server *sv)
{
	struct i3_test *t = sv->test;
	struct i3_fail why = { 0 };
	enum i3_error code;
	cJSON *json = NULL;
	int rc = i3_take_json(&t->in, I3_PARAMS_JSON_MAX, &json);

	if (!rc)
		return;
	code = rc < 0 ? I3E_RECV_PARAMS : i3_params_decode(json, &t->params);
	cJSON_Delete(json);
	if (code) {
		refuse_params(t, code, 0);
		return;
	}
	sv->streams_wanted = t->params.streams * (t->params.bidir ? 2 : 1);
	if (t->params.server_cpu >= 0 && i3_pin((unsigned)t->params.server_cpu + 1))
		i3_warn("cannot pin to CPU %d", t->params.server_cpu);
	i3_report_accepted(t);
	if (t->params.udp) {
		if (udp_listen(sv))
			why = (struct i3_fail){ .code = I3E_STREAM_LISTEN, .err = errno };
		else
			i3_set_buffers(t, weir_sock_fd(sv->udp_listener), &why);
	} else {
		sv->options_set = true;
		i3_listener_options(t, weir_sock_fd(sv->listener), true, &why);
	}
	if (why.code) {
		refuse_params(t, why.code, why.err);
		return;
	}
	if (i3_send_state(t, I3_CREATE_STREAMS)) {
		i3_fail(t, I3E_SEND_MESSAGE, EPIPE);
		return;
	}
	i3_deadline(t, t->conf->control_timeout_us, "the data connections");
}

static void handle_state(struct server *sv, int state)
{
	struct i3_test *t = sv->test;

	switch (state) {
	case I3_TEST_START:
		break;
	case I3_TEST_END:
		if (!t->running || t->finished) {
			i3_fail(t, I3E_MESSAGE, 0);
			break;
		}
		/* what is on its way to us was sent before: look once more */
		sv->drain_steps = 0;
		sv->quiet_looks = 0;
		i3_deadline(t, 0, NULL);
		if (weir_timer_start(sv->engine, &sv->drain_timer, DRAIN_STEP_US))
			i3_fail(t, I3E_INIT, ENOMEM);
		break;
	case I3_DONE:
		if (t->state == I3_DISPLAY_RESULTS)
			test_done(sv);
		else
			i3_fail(t, I3E_CTRL_CLOSED, 0);
		break;
	case I3_CLIENT_TERMINATE:
		i3_fail(t, I3E_CLIENT_TERM, 0);
		break;
	default:
		i3_fail(t, I3E_MESSAGE, 0);
		break;
	}
}

static void server_bytes(struct i3_test *t)
{
	struct server *sv = t->role;

	while (sv->test == t && !t->failed && t->in.len) {
		size_t before = t->in.len;
		int state;

		if (t->state == I3_PARAM_EXCHANGE) {
			take_params(sv);
		} else if (t->state == I3_EXCHANGE_RESULTS) {
			take_results(sv);
		} else {
			state = (int8_t)t->in.data[0];
			i3_buf_consume(&t->in, 1);
			handle_state(sv, state);
			continue;
		}
		if (sv->test == t && t->in.len == before)
			return;
	}
}

static const struct i3_hooks hooks = {
	.bytes = server_bytes,
	.failed = server_failed,
	.expired = server_expired,
	.progress = server_progress,
	.freed = server_freed,
};

/* Visitors that got a place. */

void i3_become_control(struct server *sv, struct weir_sock *s, const uint8_t *cookie)
{
	struct i3_test *t = i3_test_new(sv->conf, sv->engine, &hooks, sv);

	if (!t) {
		weir_sock_set_ops(s, NULL, NULL);
		weir_sock_close(s);
		return;
	}
	sv->test = t;
	sv->tests_alive++;
	sv->failed = false;
	t->server = true;
	t->params.server_cpu = -1;
	memcpy(t->cookie, cookie, I3_COOKIE_BYTES);
	t->cookie[I3_COOKIE_BYTES - 1] = '\0';
	for (char *c = t->cookie; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	i3_test_set_control(t, s);
	if (i3_send_state(t, I3_PARAM_EXCHANGE)) {
		i3_fail(t, I3E_SEND_MESSAGE, EPIPE);
		return;
	}
	i3_deadline(t, sv->conf->control_timeout_us, "the parameters");
}

void i3_become_stream(struct server *sv, struct weir_sock *s)
{
	weir_sock_set_ops(s, NULL, NULL);
	if (!add_stream(sv, s))
		weir_sock_close(s);
	else if (sv->test->stream_count == sv->streams_wanted)
		start_test(sv);
}

static int server_listen(struct server *sv)
{
	struct weir_sock_opts opts = { .size = sizeof(opts) };
	struct weir_error err = { 0 };
	struct i3_fail why = { 0 };
	char text[256];
	int fd;

	fd = i3_listen_fd(sv->conf, SOCK_STREAM, sv->conf->family, &why);
	if (fd < 0 && why.err == EAFNOSUPPORT && sv->conf->family == AF_UNSPEC) {
		i3_warn("this system does not seem to support IPv6 - trying IPv4");
		fd = i3_listen_fd(sv->conf, SOCK_STREAM, AF_INET, &why);
	}
	if (fd < 0) {
		i3_complain(sv->conf, "error - %s%s%s",
			    i3_error_text(why.code, why.err, text, sizeof(text)),
			    why.what[0] ? ": " : "", why.what);
		return -1;
	}
	if (weir_adopt(sv->engine, fd, &i3_listener_ops, sv, &opts, &sv->listener, &err)) {
		close(fd);
		weir_error_print(stderr, &err);
		return -1;
	}
	return 0;
}

static void server_interrupted(struct server *sv)
{
	struct i3_test *t = sv->test;
	char text[160];

	sv->stopping = true;
	sv->failed = true;
	i3_error_text(I3E_SERVER_TERM, 0, text, sizeof(text));
	if (!t) {
		i3_complain(sv->conf, "interrupt - %s", text);
		return;
	}
	t->failed = true;
	if (t->running && !t->finished) {
		i3_test_finish(t);
		i3_report_summary(t);
	}
	if (t->conf->json)
		i3_report_error(t, text);
	else
		i3_complain(t->conf, "interrupt - %s", text);
	(void)!i3_send_state(t, I3_SERVER_TERMINATE);
	i3_report_end(t);
	sv->test = NULL;
	i3_test_drop(t);
}

int i3_server(const struct i3_config *conf, struct weir_engine *e)
{
	struct server sv = { .conf = conf, .engine = e };
	int rc = 0;

	sv.drain_timer = (struct weir_timer){ .fn = drain_fired, .user = &sv };
	sv.idle_timer = (struct weir_timer){ .fn = idle_fired, .user = &sv };
	if (server_listen(&sv))
		return 1;
	announce(&sv);
	idle_start(&sv);
	while (!sv.stopping && rc >= 0) {
		rc = weir_engine_dispatch(e, -1);
		if (i3_signal())
			server_interrupted(&sv);
	}
	/* the last client still reads what it was told; a second signal ends that too */
	weir_sock_close(sv.listener);
	while ((sv.tests_alive || sv.visitors_alive) && rc >= 0 && i3_signal() < 2) {
		i3_settle_visitors(&sv);
		rc = weir_engine_dispatch(e, -1);
	}
	if (rc < 0)
		i3_complain(conf, "error - waiting for events: %s", strerror(-rc));
	return rc < 0 || sv.failed;
}
