/* SPDX-License-Identifier: MIT */
/*
 * iperf3_test.c - one test, whatever the role: its control connection, streams, timers and end.
 *
 * Theory: the roles (client, server) drive the protocol; what both need is here.
 *
 *	new -> control set -> streams added -> start -> run -> finish -> drop -> freed
 *
 *	start makes what sending needs; from run on data counts; finish freezes the figures while
 *	sockets stay open, so that both sides can report; drop closes the sockets.  Each socket
 *	that is open keeps the test alive, as its events name the test.
 * Invariants:
 *	1. after i3_test_drop() the caller does not touch the test: it may be gone.
 *	2. no timer of a test runs once it is freed.
 *	3. a test that waits for the other side has a deadline or a watchdog running.
 * Ownership: the test owns its streams, buffers, texts and JSON objects.
 * Threads: the engine's.
 * Errors: through the role's failed() hook.
 * Sources: iperf 3.12 iperf_api.c (iperf_init_test, iperf_reset_stats), iperf_server_api.c and
 *	iperf_client_api.c (timers).
 * Tests: tests/cli/iperf3_*.sh
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "iperf3.h"

#define LINGER_US 1000000 /* for the last bytes of a control connection */
#define WATCH_US 250000

static void release(struct i3_test *t)
{
	const struct i3_hooks *hooks = t->hooks;
	void *role = t->role;

	if (!t->dropped || t->sockets)
		return;
	weir_timer_stop(t->engine, &t->deadline);
	for (unsigned i = 0; i < t->stream_count; i++) {
		free(t->streams[i]->trains);
		free(t->streams[i]);
	}
	i3_buf_fini(&t->in);
	free(t->payload);
	free(t->text);
	free(t->peer_text);
	cJSON_Delete(t->peer_json);
	cJSON_Delete(t->json);
	free(t);
	hooks->freed(role);
}

void i3_fail(struct i3_test *t, enum i3_error code, int err)
{
	if (t->dropped || t->failed)
		return;
	t->failed = true;
	t->hooks->failed(t, code, err);
}

static void deadline_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;

	(void)e;
	if (t->dropped) {
		weir_sock_close(t->control);
		return;
	}
	t->hooks->expired(t);
}

void i3_deadline(struct i3_test *t, uint64_t after_us, const char *waiting_for)
{
	t->waiting_for = waiting_for;
	weir_timer_stop(t->engine, &t->deadline);
	if (after_us && weir_timer_start(t->engine, &t->deadline, after_us))
		i3_fail(t, I3E_INIT, ENOMEM);
}

/* The control connection. */

static void control_received(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user)
{
	struct i3_test *t = user;
	size_t max = 4 + (t->server ? I3_RESULTS_JSON_MAX : I3_OUTPUT_JSON_MAX) + 64;

	(void)s;
	if (t->dropped || t->failed)
		return;
	for (unsigned i = 0; i < n; i++) {
		int rc = i3_buf_add(&t->in, slices[i].data, slices[i].len, max);

		if (rc) {
			i3_fail(t, I3E_RECV_MESSAGE, -rc);
			return;
		}
	}
	t->hooks->bytes(t);
}

static void control_ended(struct weir_sock *s, int res, void *user)
{
	struct i3_test *t = user;

	(void)s;
	i3_fail(t, I3E_CTRL_CLOSED, -res);
}

static void control_closed(struct weir_sock *s, void *user)
{
	struct i3_test *t = user;

	(void)s;
	t->control = NULL;
	t->sockets--;
	release(t);
}

static const struct weir_sock_ops control_ops = {
	.received = control_received,
	.ended = control_ended,
	.closed = control_closed,
};

void i3_test_set_control(struct i3_test *t, struct weir_sock *s)
{
	struct weir_addr peer = { 0 };

	t->control = s;
	t->sockets++;
	weir_sock_set_ops(s, &control_ops, t);
	t->control_mss = i3_tcp_mss(weir_sock_fd(s));
	if (weir_sock_peer(s, &peer))
		return;
	i3_host(&peer, t->peer_host, sizeof(t->peer_host));
	t->peer_port = i3_port_of(&peer);
}

/* Timers. */

static void interval_schedule(struct i3_test *t)
{
	uint64_t now = i3_now_ns(), step = t->conf->interval_us * 1000;
	uint64_t next, stop = UINT64_MAX;

	if (!step || t->finished)
		return;
	next = t->start_ns + ((now - t->start_ns + step / 10) / step + 1) * step;
	if (!t->server && t->params.time_s && !t->omitting)
		stop = t->start_ns + t->params.time_s * UINT64_C(1000000000);
	/* the end of the test reports its last interval itself */
	if (next >= stop - (stop == UINT64_MAX ? 0 : step / 10))
		return;
	if (weir_timer_start(t->engine, &t->interval_timer, (next - now) / 1000 + 1))
		i3_fail(t, I3E_INIT, ENOMEM);
}

static void interval_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;

	(void)e;
	i3_stats_interval(t);
	i3_report_interval(t);
	interval_schedule(t);
}

static void omit_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;
	uint64_t since = i3_now_ns() - t->interval_end_ns;

	(void)e;
	weir_timer_stop(t->engine, &t->interval_timer);
	if (t->conf->interval_us && since >= t->conf->interval_us * 100) {
		i3_stats_interval(t);
		i3_report_interval(t);
	}
	t->omitting = false;
	i3_stats_reset(t);
	if (t->conf->verbose && !t->conf->json && !t->conf->interval_us)
		i3_print(t, "Finished omit period, starting real test\n");
	interval_schedule(t);
}

static void end_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;

	(void)e;
	t->time_up = true;
	t->hooks->progress(t);
}

/*
 * Streams that may not send before their rate allows it, or had no room, are looked at again: by
 * turns, so that what is due of one does not go out before the others'.
 */
static void pacing_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;
	bool more = true;

	(void)e;
	for (unsigned i = 0; i < t->stream_count; i++)
		t->streams[i]->stalled = false;
	while (more) {
		more = false;
		for (unsigned i = 0; i < t->stream_count && !t->finished && !t->dropped; i++)
			more |= t->streams[i]->sender && i3_fill(t->streams[i]);
	}
}

void i3_pace(struct i3_test *t, uint64_t wait_us)
{
	uint64_t due_ns;

	/* a tenth of what was asked for: late by that much, a paced sender is still smooth */
	if (wait_us < t->params.pacing_us / 10)
		wait_us = t->params.pacing_us / 10;
	due_ns = i3_now_ns() + wait_us * 1000;
	if (t->pacing_timer.index_plus_1 && t->pacing_due_ns <= due_ns)
		return;
	t->pacing_due_ns = due_ns;
	if (weir_timer_start(t->engine, &t->pacing_timer, wait_us))
		i3_fail(t, I3E_INIT, ENOMEM);
}

static void watchdog_fired(struct weir_engine *e, struct weir_timer *timer)
{
	struct i3_test *t = timer->user;
	uint64_t seen = 0, now = i3_now_ns();
	bool waiting = false;

	(void)e;
	for (unsigned i = 0; i < t->stream_count; i++) {
		const struct i3_stream *st = t->streams[i];

		seen += st->bytes;
		waiting |= !st->sender || st->in_flight;
	}
	if (seen != t->progress_seen || !waiting) {
		t->progress_seen = seen;
		t->progress_ns = now;
	} else if (now - t->progress_ns > t->conf->stall_timeout_us * 1000) {
		i3_fail(t, I3E_NO_DATA, 0);
		return;
	}
	if (weir_timer_start(t->engine, &t->watchdog, WATCH_US))
		i3_fail(t, I3E_INIT, ENOMEM);
}

/* The life of a test. */

struct i3_test *i3_test_new(const struct i3_config *conf, struct weir_engine *e,
			    const struct i3_hooks *hooks, void *role)
{
	struct i3_test *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->conf = conf;
	t->engine = e;
	t->hooks = hooks;
	t->role = role;
	t->state = I3_START;
	t->peer_retransmits = -1;
	t->interval_timer = (struct weir_timer){ .fn = interval_fired, .user = t };
	t->omit_timer = (struct weir_timer){ .fn = omit_fired, .user = t };
	t->end_timer = (struct weir_timer){ .fn = end_fired, .user = t };
	t->pacing_timer = (struct weir_timer){ .fn = pacing_fired, .user = t };
	t->deadline = (struct weir_timer){ .fn = deadline_fired, .user = t };
	t->watchdog = (struct weir_timer){ .fn = watchdog_fired, .user = t };
	if (conf->json && i3_json_begin(t)) {
		cJSON_Delete(t->json);
		free(t);
		return NULL;
	}
	return t;
}

static void stop_timers(struct i3_test *t)
{
	weir_timer_stop(t->engine, &t->interval_timer);
	weir_timer_stop(t->engine, &t->omit_timer);
	weir_timer_stop(t->engine, &t->end_timer);
	weir_timer_stop(t->engine, &t->pacing_timer);
	weir_timer_stop(t->engine, &t->watchdog);
	weir_timer_stop(t->engine, &t->deadline);
}

void i3_test_drop(struct i3_test *t)
{
	if (t->dropped)
		return;
	t->dropped = true;
	stop_timers(t);
	for (unsigned i = 0; i < t->stream_count; i++)
		weir_sock_close(t->streams[i]->sock);
	if (t->control) {
		/* what was said last (a refusal, IPERF_DONE) should arrive, within reason */
		weir_sock_finish(t->control);
		if (weir_timer_start(t->engine, &t->deadline, LINGER_US))
			weir_sock_close(t->control);
	}
	release(t);
}

struct i3_stream *i3_stream_add(struct i3_test *t, struct weir_sock *s, bool sender)
{
	struct i3_stream *st;

	if (t->stream_count >= sizeof(t->streams) / sizeof(t->streams[0]))
		return NULL;
	st = calloc(1, sizeof(*st));
	if (!st)
		return NULL;
	st->test = t;
	st->sock = s;
	st->sender = sender;
	/* the protocol's numbering has no 2 */
	st->id = t->stream_count ? (int)t->stream_count + 2 : 1;
	st->fd = weir_sock_fd(s);
	if (weir_sock_local(s, &st->local) || weir_sock_peer(s, &st->peer)) {
		free(st);
		return NULL;
	}
	t->streams[t->stream_count++] = st;
	t->sockets++;
	weir_sock_set_ops(s, t->params.udp ? &i3_udp_ops : &i3_tcp_ops, st);
	return st;
}

void i3_stream_closed(struct weir_sock *s, void *user)
{
	struct i3_stream *st = user;
	struct i3_test *t = st->test;

	(void)s;
	i3_note_uncopied(st);
	i3_ctx_drop(st);
	st->sock = NULL;
	st->ended = true;
	t->sockets--;
	release(t);
}

static int make_payload(struct i3_test *t)
{
	size_t bytes = t->params.block_bytes;

	t->payload = malloc(bytes);
	if (!t->payload)
		return -ENOMEM;
	for (size_t i = 0; i < bytes; i++)
		t->payload[i] = (uint8_t)('0' + i % 10);
	/* noise, so that nothing on the way can compress it */
	for (size_t at = 0; !t->params.repeating && at < bytes;) {
		ssize_t n = getrandom(t->payload + at, bytes - at < 256 ? bytes - at : 256, 0);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return 0;
}

int i3_test_start(struct i3_test *t)
{
	bool sends = t->params.bidir || t->server == t->params.reverse;
	int rc = 0;

	t->retransmits = !sends ? -1 : t->params.udp ? 0 : 1;
	if (sends)
		rc = make_payload(t);
	if (!rc && sends && t->params.udp)
		rc = i3_udp_init(t);
	if (rc)
		return rc;
	weir_engine_get_stats(t->engine, &t->stats_before);
	t->omitting = t->params.omit_s > 0;
	i3_stats_begin(t);
	i3_stats_reset(t);
	t->started_ns = t->start_ns;
	t->progress_ns = t->start_ns;
	i3_report_start(t);
	return 0;
}

void i3_test_run(struct i3_test *t)
{
	uint64_t omit_us = t->params.omit_s * UINT64_C(1000000);

	t->running = true;
	if (!t->server && t->params.time_s)
		t->stop_ns = i3_now_ns() + omit_us * 1000 + t->params.time_s * UINT64_C(1000000000);
	interval_schedule(t);
	if ((omit_us && weir_timer_start(t->engine, &t->omit_timer, omit_us)) ||
	    (!t->server && t->params.time_s &&
	     weir_timer_start(t->engine, &t->end_timer,
			      omit_us + t->params.time_s * UINT64_C(1000000))) ||
	    weir_timer_start(t->engine, &t->watchdog, WATCH_US)) {
		i3_fail(t, I3E_INIT, ENOMEM);
		return;
	}
	for (unsigned i = 0; i < t->stream_count; i++)
		weir_sock_resume(t->streams[i]->sock);
	/* starts all senders */
	pacing_fired(t->engine, &t->pacing_timer);
}

void i3_test_finish(struct i3_test *t)
{
	if (t->finished)
		return;
	stop_timers(t);
	i3_cpu_stop(&t->cpu);
	if (t->running)
		i3_stats_interval(t);
	t->finished = true;
	weir_engine_get_stats(t->engine, &t->stats);
}

bool i3_limit_reached(const struct i3_test *t)
{
	const struct i3_params *p = &t->params;
	uint64_t blocks;

	if (t->time_up)
		return true;
	if (t->omitting)
		return false;
	if (p->bytes)
		return t->bytes_sent >= p->bytes || t->bytes_received >= p->bytes;
	if (p->blocks) {
		/* a stream has no blocks on arrival, so its bytes are counted as blocks */
		blocks = p->udp ? t->blocks_received : t->bytes_received / p->block_bytes;
		return t->blocks_sent >= p->blocks || blocks >= p->blocks;
	}
	return false;
}

static bool any_waiting(const struct i3_test *t, bool senders, unsigned long request)
{
	for (unsigned i = 0; i < t->stream_count; i++) {
		const struct i3_stream *st = t->streams[i];
		int waiting = 0, fd = st->sock ? weir_sock_fd(st->sock) : -1;

		if (st->sender == senders && fd >= 0 && !ioctl(fd, request, &waiting) &&
		    waiting > 0)
			return true;
	}
	return false;
}

bool i3_unread(const struct i3_test *t)
{
	return any_waiting(t, false, SIOCINQ);
}

bool i3_unacked(const struct i3_test *t)
{
	return any_waiting(t, true, SIOCOUTQ);
}

bool i3_sending(const struct i3_test *t)
{
	for (unsigned i = 0; i < t->stream_count; i++)
		if (t->streams[i]->sender && t->streams[i]->sock && t->streams[i]->in_flight)
			return true;
	return false;
}
