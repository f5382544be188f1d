/* SPDX-License-Identifier: MIT */
/*
 * test_io_buf.c - message buffers and their pool.
 *
 * Matrix: plain
 *
 * Theory: data, tail, head and end obey the arithmetic the header promises; memory comes back to
 * the pool and is used again, so that in steady state nobody asks the heap; misuse is counted and
 * does no harm.
 */
#include "test_io.h"

static void room(void **state)
{
	struct rig r;
	struct weir_buf *b;

	(void)state;
	rig_start(&r, NULL, NULL);
	b = weir_buf_new(r.pool, 100, 20);
	assert_non_null(b);
	assert_int_equal(weir_buf_len(b), 0);
	assert_int_equal(weir_buf_headroom(b), 20);
	assert_true(weir_buf_tailroom(b) >= 100);
	assert_false(weir_buf_shared(b));
	assert_null(weir_buf_peer(b));
	assert_null(weir_buf_push(b, 21));
	assert_ptr_equal(weir_buf_push(b, 20), b->head);
	assert_int_equal(weir_buf_len(b), 20);
	assert_null(weir_buf_pull(b, 21));
	assert_non_null(weir_buf_pull(b, 5));
	assert_int_equal(weir_buf_len(b), 15);
	assert_null(weir_buf_put(b, weir_buf_tailroom(b) + 1));
	assert_int_equal(weir_buf_append(b, "abc", 3), 0);
	assert_int_equal(weir_buf_len(b), 18);
	assert_memory_equal(b->tail - 3, "abc", 3);
	assert_int_equal(weir_buf_append(b, "abc", weir_buf_tailroom(b) + 1), -ENOSPC);
	assert_int_equal(weir_buf_trim(b, 19), -EINVAL);
	assert_int_equal(weir_buf_trim(b, 2), 0);
	assert_int_equal(weir_buf_len(b), 2);
	weir_buf_free(b);
	b = weir_buf_new(r.pool, 0, 0);
	assert_non_null(b);
	weir_buf_free(b);
	rig_end(&r);
}

static void own_moves_marks(void **state)
{
	struct rig r;
	struct weir_buf *b;
	uint8_t *before;

	(void)state;
	rig_start(&r, NULL, NULL);
	b = weir_buf_new(r.pool, 200, 0);
	assert_non_null(b);
	t_pattern_fill(weir_buf_put(b, 200), 1, 0, 200);
	b->mark[0] = b->data;
	b->mark[1] = b->data + 77;
	b->mark[2] = b->tail;
	b->mark[3] = (uint8_t *)&r; /* not in the buffer: left alone */
	b->cb[5] = 55;
	before = b->data;
	assert_int_equal(weir_buf_own(b, 0, 0), 0);
	assert_ptr_equal(b->data, before);
	assert_int_equal(weir_buf_own(b, 1000, 5000), 0);
	assert_true(weir_buf_headroom(b) >= 1000);
	assert_true(weir_buf_tailroom(b) >= 5000);
	assert_int_equal(weir_buf_len(b), 200);
	t_pattern_check(b->data, 1, 0, 200);
	assert_ptr_equal(b->mark[0], b->data);
	assert_ptr_equal(b->mark[1], b->data + 77);
	assert_ptr_equal(b->mark[2], b->tail);
	assert_ptr_equal(b->mark[3], (uint8_t *)&r);
	assert_int_equal(b->cb[5], 55);
	assert_int_equal(weir_buf_own(b, SIZE_MAX, 0), -ENOMEM);
	assert_int_equal(weir_buf_own(b, 0, SIZE_MAX), -ENOMEM);
	assert_int_equal(weir_buf_own(b, SIZE_MAX / 2, SIZE_MAX / 2), -ENOMEM);
	t_pattern_check(b->data, 1, 0, 200);
	weir_buf_free(b);
	rig_end(&r);
}

static void too_large(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL, NULL);
	assert_null(weir_buf_new(r.pool, SIZE_MAX, 0));
	assert_null(weir_buf_new(r.pool, 0, SIZE_MAX));
	assert_null(weir_buf_new(r.pool, SIZE_MAX, SIZE_MAX));
	assert_null(weir_buf_new(r.pool, 1 << 30, 1));
	assert_int_equal(pool_stats(&r).bufs, 0);
	rig_end(&r);
}

static void freed_twice(void **state)
{
	struct rig r;
	struct weir_buf *b;

	(void)state;
	rig_start(&r, NULL, NULL);
	weir_buf_free(NULL);
	b = weir_buf_new(r.pool, 10, 0);
	assert_non_null(b);
	weir_buf_free(b);
	weir_buf_free(b);
	assert_int_equal(pool_stats(&r).bad_frees, 1);
	assert_int_equal(pool_stats(&r).bufs, 0);
	t_close(r.e);
	weir_buf_pool_free(r.pool);
}

/* Once the memory is there the heap is left alone, whatever the sizes. */
static void no_heap_in_steady_state(void **state)
{
	struct weir_buf *held[100] = { NULL };
	struct rig r;
	uint64_t calls = 0, bytes = 0;

	(void)state;
	rig_start(&r, NULL, NULL);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned size = 1; size <= 9000; size += 900) {
			for (unsigned i = 0; i < T_COUNT(held); i++) {
				held[i] = weir_buf_new(r.pool, size, 0);
				assert_non_null(held[i]);
				memset(weir_buf_put(held[i], size), (int)i, size);
			}
			for (unsigned i = 0; i < T_COUNT(held); i++)
				weir_buf_free(held[i]);
		}
		if (!round) {
			calls = pool_stats(&r).heap_calls;
			bytes = pool_stats(&r).memory_bytes;
		}
	}
	assert_int_equal(pool_stats(&r).heap_calls, calls);
	assert_int_equal(pool_stats(&r).memory_bytes, bytes);
	assert_int_equal(pool_stats(&r).bufs_max, 100);
	rig_end(&r);
}

static void cache_is_bounded(void **state)
{
	const struct weir_buf_pool_opts o = { .size = sizeof o, .cache_bytes = 100000 };
	struct weir_buf *held[100];
	struct rig r;

	(void)state;
	rig_start(&r, NULL, &o);
	for (unsigned i = 0; i < T_COUNT(held); i++) {
		held[i] = weir_buf_new(r.pool, 16384, 0);
		assert_non_null(held[i]);
	}
	assert_true(pool_stats(&r).memory_bytes >= 1638400);
	for (unsigned i = 0; i < T_COUNT(held); i++)
		weir_buf_free(held[i]);
	assert_true(pool_stats(&r).memory_bytes < 200000);
	rig_end(&r);
}

static void bad_options(void **state)
{
	struct weir_buf_pool_opts o = { .size = sizeof o };
	struct weir_buf_pool *pool = NULL;
	struct weir_error err = { 0 };
	struct rig r;

	(void)state;
	rig_start(&r, NULL, NULL);
	t_expect(weir_buf_pool_new(&pool, NULL, NULL, &err), &err, -EINVAL);
	t_expect(weir_buf_pool_new(NULL, r.e, NULL, &err), &err, -EINVAL);
	o.flags = 1;
	t_expect(weir_buf_pool_new(&pool, r.e, &o, &err), &err, -EINVAL);
	o.flags = 0;
	o.reserved = 1;
	t_expect(weir_buf_pool_new(&pool, r.e, &o, &err), &err, -EINVAL);
	assert_null(pool);
	weir_buf_pool_free(NULL);
	rig_end(&r);
}

/* The pool frees what nobody did: buffers, weir_ios, their sockets' ports (LSan looks on). */
static void pool_frees_all(void **state)
{
	static const struct weir_io_ops ops;
	struct rig r;

	(void)state;
	rig_start(&r, NULL, NULL);
	for (unsigned i = 0; i < 100; i++)
		assert_non_null(weir_buf_new(r.pool, i * 100, 0));
	rig_tcp(&r, WEIR_IO_READ_WRITE, &ops, NULL, NULL);
	assert_int_equal(weir_io_write(r.io, frame_buf(r.pool, 0, 100)), 0);
	rig_io(&r, WEIR_IO_READ_WRITE, &ops, NULL, NULL);
	assert_int_equal(weir_io_write(r.io, frame_buf(r.pool, 0, 100)), 0);
	weir_engine_close(r.e);
	weir_buf_pool_free(r.pool);
	close(r.raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(room),	     T_CASE(own_moves_marks),	      T_CASE(too_large),
		T_CASE(freed_twice), T_CASE(no_heap_in_steady_state), T_CASE(cache_is_bounded),
		T_CASE(bad_options), T_CASE(pool_frees_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
