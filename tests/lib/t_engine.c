/* SPDX-License-Identifier: MIT */
/*
 * t_engine.c - engines of the tests: opening, the ledger, rounds by callbacks and by batches.
 *
 * Theory: callbacks are a thin layer on batches, so every test may mix both from round to round;
 * t_step() draws lots.  After each round the ledger must balance.
 */
#include "t.h"

enum t_api t_api;

/* A batch that is not given back is looked at by the next wait: each engine has its own array. */
static struct {
	struct weir_engine *e;
	void (*released)(struct weir_engine *e, const struct weir_event *ev, void *user);
	void *user;
	struct weir_event events[64];
} batches[8];

static struct weir_event *batch_of(struct weir_engine *e, unsigned *max)
{
	unsigned i = 0;

	while (i < T_COUNT(batches) && batches[i].e && batches[i].e != e)
		i++;
	assert_true(i < T_COUNT(batches));
	batches[i].e = e;
	*max = T_COUNT(batches[i].events);
	return batches[i].events;
}

static void batch_forget(struct weir_engine *e)
{
	for (unsigned i = 0; i < T_COUNT(batches); i++)
		if (batches[i].e == e) {
			batches[i].e = NULL;
			batches[i].released = NULL;
		}
}

/* Who is told of generations: the callback layer knows it from the options. */
static void batch_released(struct weir_engine *e, const struct weir_engine_opts *opts)
{
	unsigned max;

	if (!opts || opts->size <= offsetof(struct weir_engine_opts, released) || !opts->released)
		return;
	(void)batch_of(e, &max);
	for (unsigned i = 0; i < T_COUNT(batches); i++)
		if (batches[i].e == e) {
			batches[i].released = opts->released;
			batches[i].user = opts->user;
		}
}

static void handle_released(struct weir_engine *e, const struct weir_event *ev)
{
	assert_null(ev->user);
	for (unsigned i = 0; i < T_COUNT(batches); i++)
		if (batches[i].e == e && batches[i].released)
			batches[i].released(e, ev, batches[i].user);
}

struct weir_engine *t_open(const struct weir_engine_opts *opts)
{
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };
	int ret = weir_engine_open(&e, opts, &err);

	if (ret) {
		char text[600];

		fail_msg("weir_engine_open: %d: %s", ret,
			 weir_error_format(&err, text, sizeof text));
	}
	assert_non_null(e);
	batch_forget(e); /* of an engine at the same address that was not closed by t_close() */
	batch_released(e, opts);
	t_ledger(e);
	return e;
}

void t_ledger(struct weir_engine *e)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(e, &s);
	if (s.buffers == s.buffers_free + s.buffers_kernel + s.buffers_delivered + s.buffers_held)
		return;
	fail_msg("ledger: %llu buffers, but free %llu kernel %llu delivered %llu held %llu",
		 (unsigned long long)s.buffers, (unsigned long long)s.buffers_free,
		 (unsigned long long)s.buffers_kernel, (unsigned long long)s.buffers_delivered,
		 (unsigned long long)s.buffers_held);
}

void t_ledger_idle(struct weir_engine *e)
{
	struct weir_engine_stats s;

	weir_engine_done(e, UINT32_MAX);
	t_ledger(e);
	weir_engine_get_stats(e, &s);
	assert_int_equal(s.buffers_delivered, 0);
	assert_int_equal(s.buffers_held, 0);
}

static void handle(struct weir_engine *e, struct weir_event *ev)
{
	/* Not event.user: an earlier event of the batch may have called weir_sock_set_ops(). */
	struct t_user *u = ev->sock ? weir_sock_user(ev->sock) : NULL;
	const struct weir_sock_ops *ops = u ? u->ops : NULL;

	switch (ev->type) {
	case WEIR_EVENT_ACCEPTED:
		if (ops && ops->accepted)
			ops->accepted(ev->sock, ev->accepted, u);
		break;
	case WEIR_EVENT_CONNECTED:
		if (ops && ops->connected)
			ops->connected(ev->sock, ev->res, u);
		else if (ev->res)
			weir_sock_close(ev->sock);
		break;
	case WEIR_EVENT_RECEIVED:
		assert_true(ev->slice_count > 0);
		if (ops && ops->received)
			ops->received(ev->sock, ev->slices, ev->slice_count, u);
		break;
	case WEIR_EVENT_ENDED:
		if (ops && ops->ended)
			ops->ended(ev->sock, ev->res, u);
		else
			weir_sock_finish(ev->sock);
		break;
	case WEIR_EVENT_SENT:
		if (ops && ops->sent)
			ops->sent(ev->sock, ev->tag, ev->res, u);
		break;
	case WEIR_EVENT_WRITABLE:
		if (ops && ops->writable)
			ops->writable(ev->sock, u);
		break;
	case WEIR_EVENT_ERROR:
		if (ops && ops->failed)
			ops->failed(ev->sock, ev->res, u);
		break;
	case WEIR_EVENT_CLOSED:
		if (ops && ops->closed)
			ops->closed(ev->sock, u);
		break;
	case WEIR_EVENT_PRESSURE:
		if (ops && ops->pressure)
			ops->pressure(ev->sock, ev->res, u);
		break;
	case WEIR_EVENT_MESSAGE:
		ev->msg->fn(e, ev->msg);
		break;
	case WEIR_EVENT_TIMER:
		ev->timer->fn(e, ev->timer);
		break;
	case WEIR_EVENT_RELEASED:
		handle_released(e, ev);
		break;
	case WEIR_EVENT_NONE:
		break;
	default:
		fail_msg("event of unknown type %d", ev->type);
	}
}

void t_handle(struct weir_engine *e, struct weir_event *events, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		/* The type is read here, not before: an earlier event may have made it NONE. */
		handle(e, &events[i]);
		t_ledger(e);
	}
}

void t_drop(struct weir_engine *e)
{
	batch_forget(e);
	weir_engine_close(e);
}

void t_close(struct weir_engine *e)
{
	/* Slices of events that a close made void go back when the queue is drained. */
	t_step_idle(e);
	t_ledger_idle(e);
	t_drop(e);
}

int t_step(struct weir_engine *e, int64_t timeout_us)
{
	struct weir_event *events;
	unsigned max;
	int n;

	if (t_api == T_API_CALLBACKS || (t_api == T_API_MIXED && t_rand_below(2))) {
		n = weir_engine_dispatch(e, timeout_us);
		t_ledger(e);
		return n;
	}
	events = batch_of(e, &max);
	if (!t_rand_below(8))
		max = 1 + t_rand_below(3);
	n = weir_engine_wait(e, events, max, timeout_us);
	assert_true(n >= -4095 && n <= (int)max);
	t_ledger(e);
	if (n > 0) {
		t_handle(e, events, n);
		if (t_rand_below(4)) /* else the next wait gives the batch back */
			weir_engine_done(e, n);
		t_ledger(e);
	}
	return n;
}

void t_step_some(struct weir_engine *e, const char *what)
{
	int n;

	t_note("waiting for %s", what);
	n = t_step(e, t_rand_below(2) ? -1 : (int64_t)T_DEADLINE_MS * 1000 * T_SLOW);
	if (n <= 0)
		fail_msg("no event (%d) while waiting for: %s", n, what);
}

void t_step_idle(struct weir_engine *e)
{
	while (t_step(e, 0) > 0)
		;
}

void t_expect(int ret, const struct weir_error *err, int code)
{
	if (ret != code)
		fail_msg("returned %d (%s), not %d (%s); stage '%s' hint '%s'", ret, strerror(-ret),
			 code, strerror(-code), err ? err->stage : "", err ? err->hint : "");
	if (!err)
		return;
	assert_int_equal(err->code, code);
	if (!err->stage[0])
		fail_msg("%s: empty stage", strerror(-code));
	if (!err->hint[0])
		fail_msg("%s at stage %s: empty hint", strerror(-code), err->stage);
}
