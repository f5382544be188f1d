/* SPDX-License-Identifier: MIT */
/*
 * iperf3_visitor.c - connections to the server before they are part of a test.
 *
 * Theory: a connection is a visitor until it has sent its cookie (37 bytes).  The first visitor
 *	with a cookie, while no test is on, becomes a test's control connection.  While that
 *	test's streams are created, visitors with its cookie become its streams; all others are
 *	told ACCESS_DENIED.  So neither a silent visitor nor a port scanner holds the server up.
 * Invariants:
 *	1. streams get their numbers in the order their connections were accepted, as the client
 *	   counts them in the order it made them.
 *	2. visitors are at most VISITORS_MAX (the oldest leaves), and each has a deadline.
 * Ownership: a visitor frees itself when its socket is closed or handed over.
 * Threads: the engine's.
 * Errors: a visitor that sends no cookie in time is closed without a word.
 * Sources: iperf 3.12 iperf_server_api.c (iperf_accept), iperf_tcp.c (iperf_tcp_accept).
 * Tests: tests/cli/iperf3_refused.sh, tests/cli/iperf3_bad.sh
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "iperf3_server.h"

#define VISITORS_MAX 512
#define DENIED_LINGER_US 1000000

static void visitor_unlink(struct visitor *v)
{
	struct visitor **at = &v->server->visitors;

	while (*at && *at != v)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = v->next;
	v->server->visitor_count--;
}

static void visitor_free(struct visitor *v)
{
	visitor_unlink(v);
	v->server->visitors_alive--;
	weir_timer_stop(v->server->engine, &v->timer);
	free(v);
}

static void visitor_evict(struct visitor *v)
{
	visitor_unlink(v);
	weir_timer_stop(v->server->engine, &v->timer);
	weir_sock_close(v->sock);
}

static void visitor_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct visitor *v = timer->user;
	struct server *sv = v->server;

	(void)e;
	visitor_evict(v);
	/* it may have held up the numbering of those behind it */
	i3_settle_visitors(sv);
}

/* Says no, and leaves the client time to read it: closing at once would reset the connection. */
static void visitor_deny(struct visitor *v)
{
	int8_t no = I3_ACCESS_DENIED;

	if (v->denied)
		return;
	v->denied = true;
	visitor_unlink(v);
	if (weir_sock_send(v->sock, &no, 1, WEIR_SEND_COPY, 0) || weir_sock_shutdown(v->sock) ||
	    weir_timer_start(v->server->engine, &v->timer, DENIED_LINGER_US))
		weir_sock_close(v->sock);
}

static void take_control(struct visitor *v)
{
	struct server *sv = v->server;
	struct weir_sock *s = v->sock;
	uint8_t cookie[I3_COOKIE_BYTES];

	memcpy(cookie, v->cookie, sizeof(cookie));
	visitor_free(v);
	i3_become_control(sv, s, cookie);
}

static void take_stream(struct visitor *v)
{
	struct server *sv = v->server;
	struct weir_sock *s = v->sock;

	visitor_free(v);
	i3_become_stream(sv, s);
}

void i3_settle_visitors(struct server *sv)
{
	struct visitor *v = sv->visitors;

	while (v) {
		bool streams = sv->test && sv->test->state == I3_CREATE_STREAMS &&
			       !sv->test->params.udp;
		bool whole = v->have == I3_COOKIE_BYTES;

		if (sv->stopping ||
		    (sv->test && !streams && sv->test->state != I3_PARAM_EXCHANGE)) {
			visitor_deny(v);
		} else if (!whole) {
			/* the streams behind it may only be numbered when it is known */
			if (streams)
				return;
			v = v->next;
			continue;
		} else if (!sv->test) {
			take_control(v);
		} else if (streams && !memcmp(v->cookie, sv->test->cookie, I3_COOKIE_BYTES)) {
			take_stream(v);
		} else {
			visitor_deny(v);
		}
		v = sv->visitors; /* the list has changed, and the test may have */
	}
}

static void visitor_received(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct visitor *v = user;

	(void)s;
	if (v->denied)
		return;
	for (unsigned i = 0; i < n; i++) {
		uint32_t room = I3_COOKIE_BYTES - v->have;
		uint32_t take = slices[i].len < room ? slices[i].len : room;

		memcpy(v->cookie + v->have, slices[i].data, take);
		v->have += take;
	}
	if (v->have == I3_COOKIE_BYTES)
		i3_settle_visitors(v->server);
}

static void visitor_ended(struct weir_sock *s, int res, void *user)
{
	struct visitor *v = user;

	(void)res;
	visitor_unlink(v);
	weir_sock_close(s);
	i3_settle_visitors(v->server);
}

static void visitor_closed(struct weir_sock *s, void *user)
{
	(void)s;
	visitor_free(user);
}

static const struct weir_sock_ops visitor_ops = {
	.received = visitor_received,
	.ended = visitor_ended,
	.closed = visitor_closed,
};

static void visitor_accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct server *sv = user;
	struct visitor **at = &sv->visitors, *v;
	int on = 1;

	(void)listener;
	/* the newest is the likeliest to say something */
	if (sv->visitor_count >= VISITORS_MAX)
		visitor_evict(sv->visitors);
	v = calloc(1, sizeof(*v));
	if (!v) {
		weir_sock_set_ops(s, NULL, NULL);
		weir_sock_close(s);
		return;
	}
	v->server = sv;
	v->sock = s;
	v->timer = (struct weir_timer){ .fn = visitor_fired, .user = v };
	while (*at)
		at = &(*at)->next;
	*at = v;
	sv->visitor_count++;
	sv->visitors_alive++;
	weir_sock_set_ops(s, &visitor_ops, v);
	setsockopt(weir_sock_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* half the time that a test waits for its streams: a silent stranger must not eat it up */
	if (weir_timer_start(sv->engine, &v->timer, sv->conf->control_timeout_us / 2)) {
		weir_sock_close(s);
		return;
	}
	i3_settle_visitors(sv);
}

static void listener_closed(struct weir_sock *s, void *user)
{
	struct server *sv = user;

	(void)s;
	sv->listener = NULL;
}

const struct weir_sock_ops i3_listener_ops = {
	.accepted = visitor_accepted,
	.closed = listener_closed,
};
