/* SPDX-License-Identifier: MIT */
/*
 * test_timer.c - timers of an engine: order, restart, stop, in batch and callback.
 *
 * Theory: thousands of timers with random deadlines expire in the order of their deadlines, never
 *	early; those that were stopped never do.  Time is read, not slept for.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/weir.h>

#include "t.h"

#define MANY 3000

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static struct weir_engine *engine_new(void)
{
	struct weir_error err = { 0 };
	struct weir_engine *e;

	if (weir_engine_open(&e, NULL, &err))
		fail_msg("%s %s", err.stage, err.hint);
	return e;
}

static void order(void **state)
{
	struct weir_engine *e = engine_new();
	struct weir_timer *t = calloc(MANY, sizeof(*t));
	uint64_t *due = calloc(MANY, sizeof(*due));
	struct weir_event ev[32];
	unsigned expired = 0, stopped = 0;
	uint64_t last = 0;

	(void)state;
	assert_true(t && due);
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t after = t_rand_below(30000);

		due[i] = clock_ns() + after * 1000;
		assert_int_equal(weir_timer_start(e, &t[i], after), 0);
	}
	for (unsigned i = 0; i < MANY; i += 7) {
		/* Those in a later batch; stopping twice is legal. */
		weir_timer_stop(e, &t[i]);
		weir_timer_stop(e, &t[i]);
		stopped++;
	}
	while (expired + stopped < MANY) {
		int n = weir_engine_wait(e, ev, 32, 5000000);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			unsigned k = (unsigned)(ev[i].timer - t);

			assert_int_equal(ev[i].type, WEIR_EVENT_TIMER);
			assert_true(k < MANY && k % 7);
			assert_true(clock_ns() >= due[k]);
			assert_true(t[k].deadline_ns >= last);
			last = t[k].deadline_ns;
			expired++;
		}
		weir_engine_done(e, (unsigned)n);
	}
	assert_int_equal(weir_engine_wait(e, ev, 32, 0), 0);
	free(t);
	free(due);
	weir_engine_close(e);
}

static void restart(void **state)
{
	struct weir_engine *e = engine_new();
	struct weir_timer t = { 0 };
	struct weir_event ev[4];

	(void)state;
	assert_int_equal(weir_timer_start(e, &t, 60000000), 0);
	assert_int_equal(weir_timer_start(e, &t, 1000), 0);
	assert_int_equal(weir_engine_wait(e, ev, 4, 5000000), 1);
	assert_ptr_equal(ev[0].timer, &t);
	weir_engine_done(e, 1);
	/* From the end of time, which must not wrap. */
	assert_int_equal(weir_timer_start(e, &t, UINT64_MAX), 0);
	assert_int_equal(weir_engine_wait(e, ev, 4, 1000), 0);
	assert_int_equal(weir_timer_start(e, NULL, 1), -EINVAL);
	assert_int_equal(weir_timer_start(NULL, &t, 1), -EINVAL);
	weir_engine_close(e);
	assert_int_equal(t.index_plus_1, 0);
}

/* Two timers of one batch, of which the first stops the second. */
static void stop_in_batch(void **state)
{
	struct weir_engine *e = engine_new();
	struct weir_timer t[2];
	struct weir_event ev[4];
	uint64_t end;

	(void)state;
	memset(t, 0, sizeof(t));
	assert_int_equal(weir_timer_start(e, &t[0], 1), 0);
	assert_int_equal(weir_timer_start(e, &t[1], 2), 0);
	for (end = clock_ns() + 1000000; clock_ns() < end;)
		;
	assert_int_equal(weir_engine_wait(e, ev, 4, 5000000), 2);
	weir_timer_stop(e, ev[1].timer);
	assert_int_equal(ev[1].type, WEIR_EVENT_NONE);
	weir_engine_done(e, 2);
	weir_engine_close(e);
}

static int called;

static void again(struct weir_engine *e, struct weir_timer *t)
{
	assert_ptr_equal(t->user, &called);
	if (++called == 5)
		weir_engine_stop(e);
	else
		assert_int_equal(weir_timer_start(e, t, 100), 0);
}

static void callback(void **state)
{
	struct weir_engine *e = engine_new();
	struct weir_timer t = { .fn = again, .user = &called };

	(void)state;
	called = 0;
	assert_int_equal(weir_timer_start(e, &t, 0), 0);
	assert_int_equal(weir_engine_run(e), 0);
	assert_int_equal(called, 5);
	weir_engine_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(order),
		T_CASE(restart),
		T_CASE(stop_in_batch),
		T_CASE(callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
