// SPDX-License-Identifier: MIT
/*
 * loop.c - the cycle of an engine: flush, wait, collect, hand out, dispatch.
 *
 * Theory: one cycle of weir_engine_wait():
 *	give back the last batch -> due timers, retries, low-water marks, messages
 *	-> flush transmit queues -> plane poll (submit and look, no sleep)
 *	-> nothing there: spin if that pays, else sleep in the plane, until the next deadline
 *	-> events to the application.
 *	The plane submits and sleeps in one system call where it can: poll() before a sleep is
 *	left out when there is nothing to expire.  Callbacks are a loop over the same events.
 * Invariants: 1. the application's array is known while it looks at it (closing a socket turns
 *	its events into NONE).  2. no callback runs inside a callback.
 * Ownership: see event.c.
 * Threads: the engine's; checked, because a second thread corrupts silently otherwise.
 * Errors: -EINVAL, -EDEADLK, -EPERM; what the plane's wait returns.
 * Sources: DESIGN, "layers".
 * Tests: tests/contract/
 */
#include "core.h"

uint64_t weir_loop_next_ns(const struct weir_engine *e)
{
	uint64_t next = weir_timers_next_ns(e);

	if (e->retry_head && e->retry_at_ns < next)
		next = e->retry_at_ns;
	if (e->lowat_head && e->lowat_at_ns < next)
		next = e->lowat_at_ns;
	return next;
}

/* Everything that is due now, and everything the plane can be given. */
static void prepare(struct weir_engine *e)
{
	weir_timers_run(e);
	weir_sock_run_retries(e);
	weir_lowat_run(e);
	weir_post_collect(e);
	if (e->budget.low_count)
		weir_pressure_recover(e);
	weir_sock_feed_starved(e);
	weir_zcpick_cycle(e);
	weir_txq_flush_all(e);
}

/* Events that a close made void are none: a wait must not end for them. */
static bool have_events(struct weir_engine *e)
{
	weir_event_drop_void(e);
	return e->queue_head < e->queue_tail;
}

static bool stopped(const struct weir_engine *e)
{
	return atomic_load_explicit(&e->stop, memory_order_acquire);
}

static int spin(struct weir_engine *e, uint64_t until_ns, uint64_t deadline_ns)
{
	uint64_t end = until_ns < deadline_ns ? until_ns : deadline_ns;
	unsigned look = 0;
	int r;

	do {
		r = e->c.ops->poll(e);
		/* A report without an event (a send without a tag) may leave more to be sent. */
		if (r || have_events(e))
			break;
		weir_post_collect(e);
		if (have_events(e) || atomic_load_explicit(&e->stop, memory_order_relaxed))
			break;
		/* The clock costs as much as a look: not every time. */
		if (++look % 8 == 0 && end != UINT64_MAX)
			e->c.now_ns = weir_clock_ns();
	} while (e->c.now_ns < end);
	weir_pace_spun(e, r > 0 || have_events(e));
	return r;
}

static int64_t sleep_ns(const struct weir_engine *e, uint64_t deadline_ns)
{
	if (deadline_ns == UINT64_MAX)
		return -1;
	return deadline_ns > e->c.now_ns ? (int64_t)(deadline_ns - e->c.now_ns) : 0;
}

/* One attempt to get events, not past @end_ns. */
static int attempt(struct weir_engine *e, uint64_t end_ns)
{
	uint64_t deadline = weir_loop_next_ns(e), until;
	struct weir_wait w = { 0 };
	uint64_t before = e->reports;
	int r;

	if (end_ns < deadline)
		deadline = end_ns;
	if (deadline > e->c.now_ns && weir_pace_spin(e, &until)) {
		r = spin(e, until, deadline);
		/* A stop that the spin saw: its eventfd is read, a sleep would not end. */
		if (r || have_events(e) || stopped(e))
			return r < 0 ? r : 0;
	}
	w.timeout_ns = sleep_ns(e, deadline);
	w.deadline_ns = deadline;
	weir_pace_wait(e, &w);
	/* The plane reads the clock when it comes back from the kernel. */
	r = w.timeout_ns ? e->c.ops->wait(e, &w) : e->c.ops->poll(e);
	weir_pace_woke(e, (unsigned)(e->reports - before));
	return r < 0 ? r : 0;
}

static bool spins_for_a_while(const struct weir_engine *e)
{
	return e->c.opts.spin_us && e->c.opts.spin_us != UINT32_MAX;
}

/* A stop ends one wait or one run; what it wrote to the eventfd must not end the next. */
static void take_stop(struct weir_engine *e)
{
	atomic_store_explicit(&e->stop, 0, memory_order_relaxed);
	weir_post_clear(e);
}

uint64_t weir_loop_end_ns(struct weir_engine *e, int64_t timeout_us)
{
	e->c.now_ns = weir_clock_ns();
	if (timeout_us < 0 || timeout_us >= INT64_MAX / 2000)
		return UINT64_MAX;
	return e->c.now_ns + (uint64_t)timeout_us * WEIR_NS_PER_US;
}

int weir_loop_pump(struct weir_engine *e, uint64_t end_ns)
{
	if (!weir_core_room(e, WEIR_SLICES_MAX / 4))
		return -ENOBUFS;
	prepare(e);
	return attempt(e, end_ns);
}

static int collect(struct weir_engine *e, int64_t timeout_us)
{
	uint64_t end_ns = UINT64_MAX;
	int r;

	/* Without deadlines the time of the last batch will do: a look at the clock is not free. */
	if (timeout_us >= 0 || weir_loop_next_ns(e) != UINT64_MAX || spins_for_a_while(e))
		end_ns = weir_loop_end_ns(e, timeout_us);
	for (;;) {
		prepare(e);
		if (have_events(e)) {
			/* Expired timers and the like: submit, do not wait. */
			r = e->c.ops->poll(e);
			break;
		}
		/* Stopped before: prepare() has read the eventfd that would have ended a sleep. */
		r = attempt(e, stopped(e) ? e->c.now_ns : end_ns);
		if (r < 0 || have_events(e))
			break;
		if (stopped(e) || e->c.now_ns >= end_ns) {
			/* What the last look brought to do must not wait for the next call. */
			prepare(e);
			r = e->c.ops->flush(e);
			break;
		}
	}
	/* Completions that came with the flush: a foreign loop must come back for them. */
	weir_foreign_arm(e, r > 0 && !have_events(e) ? 1 : weir_loop_next_ns(e));
	return r;
}

int weir_engine_wait(struct weir_engine *e, struct weir_event *events, unsigned max,
		     int64_t timeout_us)
{
	unsigned n;
	int r = 0;

	if (!e || !events || !max || timeout_us < -1)
		return -EINVAL;
	if (e->in_callback)
		return -EDEADLK;
	if (!pthread_equal(e->thread, pthread_self()))
		return -EPERM;
	if (e->batch)
		weir_engine_done(e, e->batch_count);
	if (!have_events(e))
		r = collect(e, timeout_us);
	if (r < 0 && !have_events(e))
		return r;
	n = weir_event_hand_out(e, events, max);
	if (!n && stopped(e) && !e->running)
		take_stop(e);
	return (int)n;
}

static void call_received(struct weir_event *ev, const struct weir_sock_ops *ops)
{
	if (ops->received)
		ops->received(ev->sock, ev->slices, ev->slice_count, ev->user);
}

static void call_connected(struct weir_event *ev, const struct weir_sock_ops *ops)
{
	if (ops->connected)
		ops->connected(ev->sock, ev->res, ev->user);
	else if (ev->res)
		weir_sock_close(ev->sock);
}

static void call_ended(struct weir_event *ev, const struct weir_sock_ops *ops)
{
	if (ops->ended)
		ops->ended(ev->sock, ev->res, ev->user);
	else
		weir_sock_finish(ev->sock);
}

static void call_sock(struct weir_event *ev)
{
	static const struct weir_sock_ops none;
	const struct weir_sock_ops *ops = ev->sock->ops ? ev->sock->ops : &none;

	ev->user = ev->sock->user;
	switch (ev->type) {
	case WEIR_EVENT_RECEIVED:
		call_received(ev, ops);
		break;
	case WEIR_EVENT_SENT:
		if (ops->sent)
			ops->sent(ev->sock, ev->tag, ev->res, ev->user);
		break;
	case WEIR_EVENT_ACCEPTED:
		if (ops->accepted)
			ops->accepted(ev->sock, ev->accepted, ev->user);
		break;
	case WEIR_EVENT_CONNECTED:
		call_connected(ev, ops);
		break;
	case WEIR_EVENT_ENDED:
		call_ended(ev, ops);
		break;
	case WEIR_EVENT_WRITABLE:
		if (ops->writable)
			ops->writable(ev->sock, ev->user);
		break;
	case WEIR_EVENT_ERROR:
		if (ops->failed)
			ops->failed(ev->sock, ev->res, ev->user);
		break;
	case WEIR_EVENT_CLOSED:
		if (ops->closed)
			ops->closed(ev->sock, ev->user);
		break;
	case WEIR_EVENT_PRESSURE:
		if (ops->pressure)
			ops->pressure(ev->sock, ev->res, ev->user);
		break;
	default:
		break;
	}
}

static void call(struct weir_engine *e, struct weir_event *ev)
{
	if (ev->type == WEIR_EVENT_NONE)
		return;
	if (ev->type == WEIR_EVENT_MESSAGE) {
		if (ev->msg->fn)
			ev->msg->fn(e, ev->msg);
	} else if (ev->type == WEIR_EVENT_TIMER) {
		if (ev->timer->fn)
			ev->timer->fn(e, ev->timer);
	} else if (ev->type == WEIR_EVENT_RELEASED) {
		if (e->c.opts.released)
			e->c.opts.released(e, ev, e->c.opts.user);
	} else if (ev->sock) {
		call_sock(ev);
	}
}

int weir_engine_dispatch(struct weir_engine *e, int64_t timeout_us)
{
	int n;

	if (!e)
		return -EINVAL;
	n = weir_engine_wait(e, e->dispatch_events, WEIR_DISPATCH_MAX, timeout_us);
	if (n <= 0)
		return n;
	for (int i = 0; i < n; i++) {
		e->in_callback = true;
		call(e, &e->dispatch_events[i]);
		e->in_callback = false;
		/* One by one: a close in the next callback must not look at this event again. */
		weir_engine_done(e, 1);
	}
	return n;
}

int weir_engine_run(struct weir_engine *e)
{
	int r = 0;

	if (!e)
		return -EINVAL;
	if (e->in_callback)
		return -EDEADLK;
	e->running = true;
	while (r >= 0 && !stopped(e))
		r = weir_engine_dispatch(e, -1);
	e->running = false;
	if (r < 0)
		return r;
	take_stop(e);
	return 0;
}

uint64_t weir_engine_now_ns(const struct weir_engine *e)
{
	return e->c.now_ns;
}
