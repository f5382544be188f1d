/* SPDX-License-Identifier: MIT */
/*
 * test_hold.c - tickets of held slices: what is not held, or not any more, is not released.
 *
 * Theory: pieces arrive by hand (fake_rx.h).  Several pieces of one buffer are held, so that a
 * release that is let through wrongly would free another piece; a model counts what must be held.
 */
#include <pthread.h>

#include "fake_rx.h"

#define BUF_BYTES 4096u

#if T_SLOW == 1 && defined(__GLIBC__)
#define MEMORY_CAN_END 1

void *__libc_realloc(void *mem, size_t bytes);

static bool memory_ends;

void *realloc(void *mem, size_t bytes)
{
	return memory_ends ? NULL : __libc_realloc(mem, bytes);
}
#endif

/* Pieces of one buffer that leave gaps, so that they do not become one slice; all are held. */
static void hold_pieces(struct fake *f, struct weir_sock *s, struct weir_slice *ret, unsigned n)
{
	int index = weir_pool_take(f->pool);

	assert_true(index >= 0);
	for (unsigned i = 0; i < n; i++)
		fake_piece(s, f->pool, (uint32_t)index, 16 * i, 8, i + 1 == n);
	fake_batch(f);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->events[0].slice_count, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(weir_slice_hold(&f->events[0].slices[i]), 0);
		ret[i] = f->events[0].slices[i];
	}
	fake_done(f);
	assert_int_equal(f->pool->bufs[index].held, n);
}

static void refuse(struct weir_slice *slice)
{
	struct weir_slice before = *slice;

	assert_int_equal(weir_slice_release(slice), -EINVAL);
	assert_memory_equal(slice, &before, sizeof(before));
}

static void twice(void **state)
{
	struct weir_slice held[3], copy;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	fake_open(&f, 16 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	hold_pieces(&f, s, held, 3);
	copy = held[1];
	assert_int_equal(weir_slice_release(&held[1]), 0);
	assert_null(held[1].pool);
	refuse(&copy);
	refuse(&held[1]);
	assert_int_equal(f.pool->bufs[held[0].buffer].held, 2);
	assert_int_equal(weir_slice_release(&held[0]), 0);
	refuse(&copy);
	/* The entry is used again, by another piece. */
	hold_pieces(&f, s, held, 2);
	refuse(&copy);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_slice_release(&held[i]), 0);
	assert_int_equal(weir_slice_release(&held[2]), 0);
	assert_int_equal(f.pool->count[WEIR_BUF_HELD], 0);
	fake_gone(s);
	t_close(f.e);
}

static void made_up(void **state)
{
	struct weir_slice held[2], v;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	fake_open(&f, 16 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	hold_pieces(&f, s, held, 2);
	/* Any one bit of its name, its pool or its buffer. */
	for (int bit = 0; bit < 64; bit++) {
		v = held[0];
		v.reserved ^= 1ull << bit;
		/* Another index of the same generation would be the other piece: it is in use. */
		if (v.reserved != held[1].reserved)
			refuse(&v);
		v = held[0];
		v.pool = (void *)((uintptr_t)v.pool ^ (uintptr_t)1 << bit);
		refuse(&v);
		v = held[0];
		v.buffer ^= 1u << (bit % 32);
		refuse(&v);
	}
	for (int i = 0; i < 100000; i++) {
		v = held[0];
		v.reserved = t_rand() >> t_rand_below(40);
		if (v.reserved != held[0].reserved && v.reserved != held[1].reserved)
			refuse(&v);
	}
	v = held[0];
	v.flags &= ~WEIR_SLICE_HELD;
	refuse(&v);
	memset(&v, 0xff, sizeof(v));
	refuse(&v);
	memset(&v, 0, sizeof(v));
	v.flags = WEIR_SLICE_HELD;
	refuse(&v);
	/* A slice of an event, called held. */
	fake_buffer(&f, s, 1);
	v = *fake_slice(&f);
	v.flags |= WEIR_SLICE_HELD;
	refuse(&v);
	assert_int_equal(weir_slice_hold(&v), -EINVAL);
	fake_done(&f);
	assert_int_equal(f.pool->bufs[held[0].buffer].held, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_slice_release(&held[i]), 0);
	fake_gone(s);
	t_close(f.e);
}

static void *release_elsewhere(void *slice)
{
	return (void *)(intptr_t)weir_slice_release(slice);
}

static void of_others(void **state)
{
	struct weir_slice a, b, v;
	struct weir_sock *s, *t;
	struct fake f, g;
	pthread_t thread;
	void *r;

	(void)state;
	fake_open(&f, 16 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	hold_pieces(&f, s, &a, 1);
	fake_open(&g, 16 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	t = fake_sock(&g, WEIR_STREAM);
	hold_pieces(&g, t, &b, 1);
	assert_int_equal(a.buffer, b.buffer);
	v = a;
	v.pool = b.pool;
	refuse(&v);
	v = a;
	v.reserved = b.reserved;
	refuse(&v);
	/* From another thread. */
	v = a;
	assert_int_equal(pthread_create(&thread, NULL, release_elsewhere, &v), 0);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, -EINVAL);
	/* The engine is gone: nothing of it is looked at. */
	fake_gone(t);
	t_drop(g.e);
	refuse(&b);
	assert_int_equal(weir_slice_release(&a), 0);
	fake_gone(s);
	t_close(f.e);
}

/* Engines come and go: their slot and their memory are used again, their tickets are not. */
static void of_the_past(void **state)
{
	enum { N = 3000 };
	struct weir_slice old[40], now;
	unsigned kept = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		struct weir_sock *s;
		struct fake f;

		fake_open(&f, 4 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
		s = fake_sock(&f, WEIR_STREAM);
		hold_pieces(&f, s, &now, 1);
		for (unsigned j = 0; j < kept; j++) {
			struct weir_slice v = old[j];

			refuse(&v);
			/* What if the pool came to lie where the old one was? */
			v.pool = now.pool;
			v.buffer = now.buffer;
			refuse(&v);
		}
		old[kept < T_COUNT(old) ? kept++ : t_rand_below(kept)] = now;
		fake_gone(s);
		t_drop(f.e);
	}
}

struct model {
	struct weir_slice held[20000], gone[64];
	unsigned count, gone_count;
};

static void random_step(struct fake *f, struct weir_sock *s, struct model *m)
{
	struct weir_slice some[50];
	unsigned i, n = 1 + (unsigned)t_rand_below(T_COUNT(some));

	if (t_rand_below(3) == 0 && m->count + n <= T_COUNT(m->held) && f->pool->free_count) {
		hold_pieces(f, s, some, n);
		memcpy(&m->held[m->count], some, n * sizeof(some[0]));
		m->count += n;
	} else if (m->gone_count && t_rand_below(4) == 0) {
		refuse(&m->gone[t_rand_below(m->gone_count)]);
	}
	for (n = (unsigned)t_rand_below(40); n && m->count; n--) {
		i = (unsigned)t_rand_below(m->count);
		m->gone[m->gone_count < T_COUNT(m->gone) ? m->gone_count++ :
							   t_rand_below(T_COUNT(m->gone))] =
			m->held[i];
		assert_int_equal(weir_slice_release(&m->held[i]), 0);
		m->held[i] = m->held[--m->count];
	}
}

static void random_steps(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct weir_engine_stats stats;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	assert_non_null(m);
	fake_open(&f, 512 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	for (int n = 0; n < 30000; n++) {
		uint64_t held = 0;

		random_step(&f, s, m);
		if (n % 64)
			continue;
		for (uint32_t i = 0; i < f.pool->buf_count; i++)
			held += f.pool->bufs[i].held;
		assert_int_equal(held, m->count);
	}
	while (m->count)
		assert_int_equal(weir_slice_release(&m->held[--m->count]), 0);
	weir_engine_get_stats(f.e, &stats);
	assert_int_equal(stats.buffers_held, 0);
	fake_gone(s);
	t_close(f.e);
	free(m);
}

/* The table grows to the most that were held at once, and no more. */
static void steady(void **state)
{
	enum { N = 500 };
	struct weir_slice held[N];
	struct weir_engine_stats stats;
	struct weir_sock *s;
	uint64_t heap = 0;
	struct fake f;

	(void)state;
	fake_open(&f, 2 * N * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < N; i++)
			held[i] = fake_held(&f, s, i);
		for (int i = 0; i < N; i++) {
			assert_int_equal(*(unsigned char *)held[i].data, i & 0xff);
			assert_int_equal(weir_slice_release(&held[i]), 0);
		}
		weir_engine_get_stats(f.e, &stats);
		if (round)
			assert_int_equal(stats.heap_bytes, heap);
		heap = stats.heap_bytes;
	}
	fake_gone(s);
	t_close(f.e);
}

#ifdef MEMORY_CAN_END
static void no_memory(void **state)
{
	struct weir_slice *v, held[64];
	struct weir_sock *s;
	struct fake f;

	(void)state;
	fake_open(&f, 256 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	s = fake_sock(&f, WEIR_STREAM);
	for (unsigned i = 0; i < T_COUNT(held); i++)
		held[i] = fake_held(&f, s, 1);
	fake_buffer(&f, s, 1);
	v = fake_slice(&f);
	memory_ends = true;
	assert_int_equal(weir_slice_hold(v), -ENOMEM);
	memory_ends = false;
	assert_int_equal(v->flags & WEIR_SLICE_HELD, 0);
	fake_done(&f);
	assert_int_equal(f.pool->count[WEIR_BUF_HELD], T_COUNT(held));
	for (unsigned i = 0; i < T_COUNT(held); i++)
		assert_int_equal(weir_slice_release(&held[i]), 0);
	fake_gone(s);
	t_close(f.e);
}
#endif

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(twice),	     T_CASE(made_up),	   T_CASE(of_others),
		T_CASE(of_the_past), T_CASE(random_steps), T_CASE(steady),
#ifdef MEMORY_CAN_END
		T_CASE(no_memory),
#endif
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
