/* SPDX-License-Identifier: MIT */
/*
 * test_engine.c - the loop itself: timers, messages, stop, nesting, the descriptor, counters.
 *
 * Theory: times are compared with the clock with margins of a busy machine: never early by more
 * than the clock's grain, late without bound but the case's deadline.
 *
 * Parts: yes
 */
#include "t_end.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- timers ---- */

struct tick {
	struct weir_timer timer; /* first */
	uint64_t due_ns, latest_ns; /* by the clock before and after it was started */
	unsigned fired;
	struct ticks *all;
	struct tick *stops; /* stops (or restarts) another one when it fires */
	bool restarts;
};

struct ticks {
	uint64_t last_ns;
	unsigned fired;
};

static void tick_start(struct weir_engine *e, struct tick *t, uint64_t after_us)
{
	t->due_ns = now_ns() + after_us * 1000;
	assert_int_equal(weir_timer_start(e, &t->timer, after_us), 0);
	t->latest_ns = now_ns() + after_us * 1000;
}

static void tick_fn(struct weir_engine *e, struct weir_timer *timer)
{
	struct tick *t = (struct tick *)timer;
	uint64_t now = now_ns();

	t->fired++;
	t->all->fired++;
	if (now + 1000 < t->due_ns)
		fail_msg("timer is %llu ns early", (unsigned long long)(t->due_ns - now));
	if (t->latest_ns + 2000000 < t->all->last_ns)
		fail_msg("timers out of order by %llu ns",
			 (unsigned long long)(t->all->last_ns - t->latest_ns));
	if (t->due_ns > t->all->last_ns)
		t->all->last_ns = t->due_ns;
	if (t->stops && t->restarts)
		tick_start(e, t->stops, 1000);
	else if (t->stops)
		weir_timer_stop(e, &t->stops->timer);
}

static struct tick *ticks_new(unsigned count, struct ticks *all)
{
	struct tick *t = calloc(count, sizeof *t);

	assert_non_null(t);
	memset(all, 0, sizeof *all);
	for (unsigned i = 0; i < count; i++) {
		t[i].timer.fn = tick_fn;
		t[i].all = all;
	}
	return t;
}

static void timers_in_order(void **state)
{
	enum { N = 500 };
	struct weir_engine *e = t_open(NULL);
	struct ticks all;
	struct tick *t = ticks_new(N, &all);

	(void)state;
	for (unsigned i = 0; i < N; i++)
		tick_start(e, &t[i], t_rand_below(30000));
	t_until(e, all.fired == N);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(t[i].fired, 1);
	assert_int_equal(t_step(e, 0), 0);
	t_close(e);
	free(t);
}

static void timers_stopped_and_restarted(void **state)
{
	enum { N = 300 };
	struct weir_engine *e = t_open(NULL);
	struct ticks all;
	struct tick *t = ticks_new(N, &all);
	unsigned expected = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		tick_start(e, &t[i], 1000 + t_rand_below(10000));
	for (unsigned i = 0; i < N; i++) {
		if (i % 3 == 0) {
			weir_timer_stop(e, &t[i].timer);
			weir_timer_stop(e, &t[i].timer);
		} else if (i % 3 == 1) {
			tick_start(e, &t[i], 5000 + t_rand_below(10000));
		}
		expected += i % 3 != 0;
	}
	t_until(e, all.fired == expected);
	assert_int_equal(t_step(e, 20000), 0);
	assert_int_equal(all.fired, expected);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(t[i].fired, i % 3 != 0);
	t_close(e);
	free(t);
}

/* A callback stops timers that are due in the same batch; none of them fires. */
static void timer_stops_others(void **state)
{
	enum { N = 20 };
	struct weir_engine *e = t_open(NULL);
	struct ticks all;
	struct tick *t = ticks_new(N, &all);

	(void)state;
	for (unsigned i = 0; i + 1 < N; i++)
		t[i].stops = &t[i + 1];
	for (unsigned i = 0; i < N; i++)
		tick_start(e, &t[i], i);
	usleep(2000); /* all are due now */
	t_until(e, all.fired == N / 2);
	assert_int_equal(t_step(e, 5000), 0);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(t[i].fired, i % 2 == 0);
	t_close(e);
	free(t);
}

/* Restarted while its event waits in the present batch: it fires once, later. */
static void timer_restarts_others(void **state)
{
	enum { N = 20 };
	struct weir_engine *e = t_open(NULL);
	struct ticks all;
	struct tick *t = ticks_new(N, &all);

	(void)state;
	for (unsigned i = 0; i + 1 < N; i += 2) {
		t[i].stops = &t[i + 1];
		t[i].restarts = true;
	}
	for (unsigned i = 0; i < N; i++)
		tick_start(e, &t[i], i);
	usleep(2000); /* all are due now */
	t_until(e, all.fired == N);
	assert_int_equal(t_step(e, 5000), 0);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(t[i].fired, 1);
	t_close(e);
	free(t);
}

static void timer_restarts_itself(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct ticks all;
	struct tick *t = ticks_new(1, &all);

	(void)state;
	t->stops = t;
	t->restarts = true;
	tick_start(e, t, 0);
	t_until(e, t->fired == 20);
	weir_timer_stop(e, &t->timer);
	assert_int_equal(t_step(e, 5000), 0);
	t_close(e);
	free(t);
}

/* A timer's storage may be reused or freed in its callback. */
static void timer_freed_fn(struct weir_engine *e, struct weir_timer *timer)
{
	(void)e;
	++*(int *)timer->user;
	memset(timer, 0xdd, sizeof *timer);
	free(timer);
}

static void timer_freed_in_callback(void **state)
{
	struct weir_engine *e = t_open(NULL);
	int fired = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct weir_timer *t = calloc(1, sizeof *t);

		assert_non_null(t);
		t->fn = timer_freed_fn;
		t->user = &fired;
		assert_int_equal(weir_timer_start(e, t, t_rand_below(3000)), 0);
	}
	t_until(e, fired == 50);
	t_close(e);
}

/* ---- waiting ---- */

static void timeouts(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_event ev[4];

	(void)state;
	for (int i = 0; i < 20; i++) {
		int64_t us = i < 3 ? 0 : (int64_t)t_rand_below(5000);
		uint64_t from = now_ns(), took;

		assert_int_equal(i % 2 ? weir_engine_dispatch(e, us) :
					 weir_engine_wait(e, ev, T_COUNT(ev), us),
				 0);
		took = now_ns() - from;
		if (took + 1000 < (uint64_t)us * 1000)
			fail_msg("a wait of %lld us took %llu ns", (long long)us,
				 (unsigned long long)took);
	}
	t_close(e);
}

static void bad_waits(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_event ev[4];

	(void)state;
	assert_int_equal(weir_engine_wait(e, ev, 0, 0), -EINVAL);
	assert_int_equal(weir_engine_wait(e, NULL, 4, 0), -EINVAL);
	assert_int_equal(weir_engine_wait(NULL, ev, 4, 0), -EINVAL);
	assert_int_equal(weir_engine_wait(e, ev, 4, -2), -EINVAL);
	assert_int_equal(weir_engine_wait(e, ev, 4, INT64_MIN), -EINVAL);
	assert_int_equal(weir_engine_dispatch(NULL, 0), -EINVAL);
	assert_int_equal(weir_engine_wait(e, ev, 4, 0), 0);
	weir_engine_done(e, 0);
	weir_engine_done(e, 1000); /* more than there were */
	t_close(e);
}

static void nested_fn(struct weir_engine *e, struct weir_msg *msg)
{
	struct weir_event ev[4];

	(void)msg;
	assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), 0), -EDEADLK);
	assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), -1), -EDEADLK);
	assert_int_equal(weir_engine_dispatch(e, -1), -EDEADLK);
	assert_int_equal(weir_engine_run(e), -EDEADLK);
}

static void nested_wait(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_msg msg = { .fn = nested_fn };

	(void)state;
	weir_engine_post(e, &msg);
	assert_int_equal(weir_engine_dispatch(e, 1000000), 1);
	t_close(e);
}

/* ---- messages ---- */

struct note {
	struct weir_msg msg; /* first */
	unsigned number;
};

static unsigned note_next;

static void note_fn(struct weir_engine *e, struct weir_msg *msg)
{
	(void)e;
	assert_int_equal(((struct note *)msg)->number, note_next);
	note_next++;
}

static void messages_in_order(void **state)
{
	enum { N = 1000 };
	struct weir_engine *e = t_open(NULL);
	struct note *notes = calloc(N, sizeof *notes);

	(void)state;
	assert_non_null(notes);
	note_next = 0;
	for (unsigned i = 0; i < N; i++) {
		notes[i].msg.fn = note_fn;
		notes[i].number = i;
		weir_engine_post(e, &notes[i].msg);
	}
	t_until(e, note_next == N);
	assert_int_equal(t_step(e, 0), 0);
	t_close(e);
	free(notes);
}

static void repost_fn(struct weir_engine *e, struct weir_msg *msg)
{
	struct note *n = (struct note *)msg;

	if (++n->number < 100)
		weir_engine_post(e, msg); /* it is ours again */
}

static void message_reposted(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct note n = { .msg.fn = repost_fn };

	(void)state;
	weir_engine_post(e, &n.msg);
	t_until(e, n.number == 100);
	t_close(e);
}

static void *post_later(void *arg)
{
	void **a = arg;

	usleep(20000); /* so that the engine sleeps first; any order passes */
	weir_engine_post(a[0], a[1]);
	return NULL;
}

/* A message ends a sleep without a timeout. */
static void message_wakes(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_engine_opts o = { .size = sizeof o, .spin_us = i / 2 * 100 };
		struct weir_engine *e = t_open(&o);
		struct note n = { .msg.fn = note_fn };
		void *arg[] = { e, &n.msg };
		pthread_t thread;

		note_next = 0;
		assert_int_equal(pthread_create(&thread, NULL, post_later, arg), 0);
		if (i % 2) {
			assert_int_equal(weir_engine_dispatch(e, -1), 1);
		} else {
			struct weir_event ev[4];

			assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), -1), 1);
			assert_int_equal(ev[0].type, WEIR_EVENT_MESSAGE);
			assert_ptr_equal(ev[0].msg, &n.msg);
			assert_null(ev[0].sock);
			weir_engine_done(e, 1);
		}
		pthread_join(thread, NULL);
		t_close(e);
	}
}

/* ---- stop ---- */

static void *stop_later(void *arg)
{
	usleep(20000); /* so that the engine sleeps first; any order passes */
	weir_engine_stop(arg);
	return NULL;
}

static struct weir_engine *to_stop;

static void on_signal(int sig)
{
	(void)sig;
	weir_engine_stop(to_stop);
}

static void stop_fn(struct weir_engine *e, struct weir_msg *msg)
{
	(void)msg;
	weir_engine_stop(e);
}

static void stop_from_thread(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_event ev[4];
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, stop_later, e), 0);
		if (i == 0)
			assert_int_equal(weir_engine_run(e), 0);
		else if (i == 1)
			assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), -1), 0);
		else
			assert_int_equal(weir_engine_dispatch(e, -1), 0);
		pthread_join(thread, NULL);
	}
	t_close(e);
}

static void stop_from_signal(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct weir_engine *e = t_open(NULL);

	(void)state;
	to_stop = e;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
		struct itimerspec when = { .it_value.tv_nsec = 20000000 };
		timer_t id;

		assert_int_equal(timer_create(CLOCK_MONOTONIC, &se, &id), 0);
		assert_int_equal(timer_settime(id, 0, &when, NULL), 0);
		assert_int_equal(weir_engine_run(e), 0);
		timer_delete(id);
	}
	signal(SIGUSR1, SIG_DFL);
	t_close(e);
}

/* A stop inside a callback, and one before the run. */
static void stop_from_callback(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_msg msg = { .fn = stop_fn };

	(void)state;
	weir_engine_post(e, &msg);
	assert_int_equal(weir_engine_run(e), 0);
	weir_engine_stop(e);
	assert_int_equal(weir_engine_run(e), 0);
	t_close(e);
}

/* A stop ends one wait, also one that begins later, and leaves nothing behind that spins. */
static void one_stop_one_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct weir_engine_opts o = { .size = sizeof o, .spin_us = i / 3 * 50 };
		struct weir_engine *e = t_open(&o);
		struct weir_engine_stats before, after;
		struct weir_event ev[4];
		uint64_t from;

		weir_engine_stop(e);
		weir_engine_stop(e);
		if (i % 3 == 0)
			assert_int_equal(weir_engine_run(e), 0);
		else if (i % 3 == 1)
			assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), -1), 0);
		else
			assert_int_equal(weir_engine_dispatch(e, -1), 0);
		weir_engine_get_stats(e, &before);
		from = now_ns();
		assert_int_equal(weir_engine_wait(e, ev, T_COUNT(ev), 30000), 0);
		assert_true(now_ns() - from >= 29000000);
		weir_engine_get_stats(e, &after);
		if (!o.spin_us && !getenv("WEIR_SPIN_US") && after.waits - before.waits > 10)
			fail_msg("%llu waits in 30 ms of nothing",
				 (unsigned long long)(after.waits - before.waits));
		t_close(e);
	}
}

/* A signal that stops nothing does not end a wait. */
static void nothing(int sig)
{
	(void)sig;
}

static void signals_do_not_end_waits(void **state)
{
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec when = { .it_value.tv_nsec = 2000000, .it_interval.tv_nsec = 2000000 };
	struct sigaction sa = { .sa_handler = nothing };
	struct weir_engine *e = t_open(NULL);
	struct weir_event ev[4];
	uint64_t from = now_ns();
	timer_t id;
	int n;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &se, &id), 0);
	assert_int_equal(timer_settime(id, 0, &when, NULL), 0);
	n = weir_engine_wait(e, ev, T_COUNT(ev), 50000);
	timer_delete(id);
	signal(SIGUSR1, SIG_DFL);
	assert_int_equal(n, 0);
	assert_true(now_ns() - from >= 49000000);
	t_close(e);
}

/* ---- the descriptor ---- */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void drain(struct weir_engine *e)
{
	while (weir_engine_dispatch(e, 0) > 0)
		;
}

/*
 * Nothing to do: the descriptor says so.  A kernel may signal once more for what was taken already
 * (Linux 6.1 does); a loop around it then finds nothing, but must not spin.
 */
static bool quiet(struct weir_engine *e, int fd)
{
	for (int i = 0; i < 4; i++) {
		drain(e);
		if (!readable(fd, 0))
			return true;
	}
	return false;
}

static void foreign_loop(void **state)
{
	struct t_link *l = t_link_new(NULL, 300000, 300000);
	struct note n = { .msg.fn = note_fn };
	struct ticks all;
	struct tick *t = ticks_new(1, &all);
	uint64_t began_ns;
	int fd;

	(void)state;
	fd = weir_engine_fd(l->e);
	assert_true(fd >= 0);
	assert_int_equal(weir_engine_fd(l->e), fd);
	t_acceptor_open(&l->acceptor, l->e, "127.0.0.1:0", NULL, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	while (!t_end_complete(&l->client) || !t_end_complete(&l->server)) {
		if (!readable(fd, T_DEADLINE_MS))
			fail_msg("the engine's descriptor never became readable");
		drain(l->e);
	}
	assert_true(quiet(l->e, fd));
	note_next = 0;
	weir_engine_post(l->e, &n.msg);
	assert_true(readable(fd, T_DEADLINE_MS));
	drain(l->e);
	assert_int_equal(note_next, 1);
	began_ns = now_ns();
	tick_start(l->e, t, 10000);
	/* On a machine that was busy elsewhere the 10 ms may be over. */
	assert_true(quiet(l->e, fd) || now_ns() - began_ns >= 10000000);
	while (!all.fired) {
		assert_true(readable(fd, T_DEADLINE_MS));
		drain(l->e);
	}
	/* A request made outside of callbacks goes to the kernel at once. */
	l->client.tx_total += 10;
	l->server.rx_total += 10;
	t_end_pump(&l->client);
	while (!t_end_complete(&l->server)) {
		assert_true(readable(fd, T_DEADLINE_MS));
		drain(l->e);
	}
	t_link_close(l);
	free(t);
}

/* ---- what an engine says of itself ---- */

static void describes_itself(void **state)
{
	const char *asked = getenv("WEIR_PLANE");
	struct weir_engine *e = t_open(NULL);
	enum weir_plane plane;
	struct weir_engine_stats s;
	uint64_t now = weir_engine_now_ns(e);

	(void)state;
	assert_true(weir_engine_why(e) && weir_engine_why(e)[0]);
	if (asked && *asked && strcmp(asked, "auto")) {
		assert_int_equal(weir_plane_parse(asked, &plane), 0);
		assert_int_equal(weir_engine_plane(e), plane);
	}
	assert_int_not_equal(weir_engine_plane(e), WEIR_PLANE_AUTO);
	assert_true(now <= now_ns() && now + 60000000000ull > now_ns());
	assert_int_equal(weir_engine_dispatch(e, 1000), 0);
	assert_true(weir_engine_now_ns(e) >= now);
	weir_engine_get_stats(e, &s);
	assert_true(s.syscalls >= s.waits);
	if (!getenv("WEIR_SPIN_US"))
		assert_true(s.waits > 0 && s.sleeps > 0);
	assert_int_equal(s.sockets, 0);
	t_close(e);
}

/* Two engines in one thread, each with its own area. */
static void two_engines(void **state)
{
	struct t_link *a = t_link_new(NULL, 100000, 100000);
	struct t_link *b = t_link_new(NULL, 100000, 100000);

	(void)state;
	t_link_open(a, "127.0.0.1:0", NULL);
	t_link_open(b, "127.0.0.1:0", NULL);
	t_link_run(b);
	t_link_run(a);
	assert_ptr_not_equal(weir_engine_area(a->e), weir_engine_area(b->e));
	assert_ptr_equal(weir_sock_engine(a->client.s), a->e);
	t_link_close(a);
	t_link_close(b);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(timers_in_order),
		T_CASE(timers_stopped_and_restarted),
		T_CASE(timer_stops_others),
		T_CASE(timer_restarts_others),
		T_CASE(timer_restarts_itself),
		T_CASE(timer_freed_in_callback),
		T_CASE(timeouts),
		T_CASE(bad_waits),
		T_CASE(nested_wait),
		T_CASE(messages_in_order),
		T_CASE(message_reposted),
		T_CASE(message_wakes),
		T_CASE(stop_from_thread),
		T_CASE(stop_from_signal),
		T_CASE(stop_from_callback),
		T_CASE(one_stop_one_wait),
		T_CASE(signals_do_not_end_waits),
		T_CASE(foreign_loop),
		T_CASE(describes_itself),
		T_CASE(two_engines),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
