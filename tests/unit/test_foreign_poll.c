/* SPDX-License-Identifier: MIT */
/*
 * test_foreign_poll.c - weir inside a loop of poll(2).
 *
 * Labels: threads
 *
 * Theory: see test_foreign.h.  Here the loop is the smallest there is, which also allows to ask
 * after each step whether the descriptor says the truth.
 */
#include "test_foreign.h"

#include "../../src/plane/uring.h"

static void run(enum weir_plane plane)
{
	struct foreign *f = calloc(1, sizeof *f);
	struct pollfd p = { .events = POLLIN };
	uint64_t next_tick = t_now_us();
	uint64_t end = next_tick + T_DEADLINE_MS * 1000ull * T_SLOW;

	assert_non_null(f);
	t_api = T_API_CALLBACKS;
	p.fd = foreign_start(f, plane);
	if (p.fd < 0) {
		free(f);
		skip();
	}
	while (!foreign_done(f)) {
		uint64_t now = t_now_us();
		int n;

		assert_true(now < end);
		if (now >= next_tick) {
			foreign_tick(f);
			next_tick = now + 1000;
		}
		n = poll(&p, 1, 1);
		assert_true(n >= 0);
		if (n)
			foreign_ready(f);
	}
	foreign_end(f);
	free(f);
}

static void over_epoll(void **state)
{
	(void)state;
	run(WEIR_PLANE_EPOLL);
}

static void over_uring(void **state)
{
	(void)state;
	run(WEIR_PLANE_URING);
}

/* A wait that must not end before it has to: the descriptor alone says when a timer is due. */
static void timer_alone(void **state)
{
	const enum weir_plane planes[] = { WEIR_PLANE_EPOLL, WEIR_PLANE_URING };

	(void)state;
	for (size_t i = 0; i < T_COUNT(planes); i++) {
		struct weir_engine_opts o = { .size = sizeof o, .plane = planes[i] };
		struct foreign f = { 0 };
		struct pollfd p = { .events = POLLIN };

		t_api = T_API_CALLBACKS;
		if (weir_engine_open(&f.e, &o, NULL))
			continue;
		p.fd = weir_engine_fd(f.e);
		assert_true(p.fd >= 0);
		f.timer.fn = timer_fn;
		f.timer.user = &f;
		f.timers = FOREIGN_TIMERS - 1; /* the last one */
		f.timer_due_ns = t_now_us() * 1000 + 30000 * 1000;
		assert_int_equal(weir_timer_start(f.e, &f.timer, 30000), 0);
		while (f.timers < FOREIGN_TIMERS) {
			assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
			foreign_ready(&f);
		}
		assert_true(f.wakeups <= 3);
		/* Stopped: never readable for it. */
		assert_int_equal(weir_timer_start(f.e, &f.timer, 1000), 0);
		weir_timer_stop(f.e, &f.timer);
		assert_true(poll(&p, 1, 5) == 0 || weir_engine_dispatch(f.e, 0) == 0);
		assert_int_equal(poll(&p, 1, 0), 0);
		t_close(f.e);
	}
}

static void count_fn(struct weir_engine *e, struct weir_msg *msg)
{
	(void)e;
	(void)msg;
}

/*
 * The kernel marks work as waiting after it has queued it, so that the mark may come when the work
 * is done, and stay: no reason to come back.  Here the mark is set as such a kernel would.
 */
static void late_mark(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o, .plane = WEIR_PLANE_URING };
	struct weir_msg msg = { .fn = count_fn };
	struct pollfd p = { .events = POLLIN };
	struct weir_engine *e;
	struct weir_ring *ring;

	(void)state;
	if (weir_engine_open(&e, &o, NULL))
		skip();
	p.fd = weir_engine_fd(e);
	assert_true(p.fd >= 0);
	ring = &uring_of(e)->ring;
	for (int i = 0; i < 3; i++) {
		while (poll(&p, 1, 0) == 1)
			assert_int_equal(weir_engine_dispatch(e, 0), 0);
		__atomic_fetch_or(ring->u.sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_RELAXED);
		assert_int_equal(weir_engine_dispatch(e, 0), 0);
		assert_int_equal(poll(&p, 1, 0), 0);
		/* Real work behind such a mark is told all the same. */
		weir_engine_post(e, &msg);
		assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
		assert_int_equal(weir_engine_dispatch(e, 0), 1);
	}
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(over_epoll),
		T_CASE(over_uring),
		T_CASE(timer_alone),
		T_CASE(late_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
