/* SPDX-License-Identifier: MIT */
/*
 * test_foreign_uv.c - weir inside libuv's loop: uv_poll.
 *
 * Labels: threads
 *
 * Theory: see test_foreign.h.  libuv polls level-triggered and wants every handle closed before its
 * loop is; the engine keeps its descriptor, uv_poll only watches it.
 */
#ifdef WEIR_HAVE_LIBUV
#include "test_foreign.h"

#include <uv.h>

struct app {
	struct foreign f;
	uv_loop_t loop;
	uv_poll_t poll;
	uv_timer_t tick;
	uv_timer_t deadline;
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct app *a = handle->data;

	assert_int_equal(status, 0);
	assert_true(events & UV_READABLE);
	foreign_ready(&a->f);
	if (!foreign_done(&a->f))
		return;
	uv_close((uv_handle_t *)&a->poll, NULL);
	uv_close((uv_handle_t *)&a->tick, NULL);
	uv_close((uv_handle_t *)&a->deadline, NULL);
}

static void on_tick(uv_timer_t *handle)
{
	struct app *a = handle->data;

	foreign_tick(&a->f);
}

static void on_deadline(uv_timer_t *handle)
{
	(void)handle;
	fail_msg("the loop ran past its deadline");
}

static void run(enum weir_plane plane)
{
	struct app *a = calloc(1, sizeof *a);
	int fd;

	assert_non_null(a);
	t_api = T_API_CALLBACKS;
	fd = foreign_start(&a->f, plane);
	if (fd < 0) {
		free(a);
		skip();
	}
	assert_int_equal(uv_loop_init(&a->loop), 0);
	assert_int_equal(uv_poll_init(&a->loop, &a->poll, fd), 0);
	assert_int_equal(uv_timer_init(&a->loop, &a->tick), 0);
	assert_int_equal(uv_timer_init(&a->loop, &a->deadline), 0);
	a->poll.data = a->tick.data = a->deadline.data = a;
	assert_int_equal(uv_poll_start(&a->poll, UV_READABLE, on_poll), 0);
	assert_int_equal(uv_timer_start(&a->tick, on_tick, 0, 1), 0);
	assert_int_equal(
		uv_timer_start(&a->deadline, on_deadline, (unsigned)(T_DEADLINE_MS * T_SLOW), 0),
		0);
	/* Returns when no handle is open any more. */
	assert_int_equal(uv_run(&a->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&a->loop), 0);
	foreign_end(&a->f);
	free(a);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(over_epoll),
		T_CASE(over_uring),
	};
	uv_loop_t first;

	/* libuv's own signal pipe stays open: have it before descriptors are counted. */
	if (uv_loop_init(&first) || uv_loop_close(&first))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include <stdio.h>

int main(void)
{
	printf("skipped: built without libuv (install libuv1-dev)\n");
	return 77;
}
#endif
