/* SPDX-License-Identifier: MIT */
/*
 * test_pressure.c - what sockets keep of an area, exactly, and what follows.
 *
 * Theory: pieces arrive by hand (fake_rx.h); the sockets' plane counts how often it is asked to
 * stop and to receive.  A model says which buffers each socket keeps; after random steps the charge
 * of every socket is the sum over its buffers.
 */
#include "fake_rx.h"

#define BUF_BYTES 4096u
#define AREA_BUFS 64u

static void opened(struct fake *f, enum weir_pressure pressure, uint64_t max_bufs)
{
	fake_open(f, AREA_BUFS * BUF_BYTES, BUF_BYTES,
		  (struct weir_engine_opts){ .pressure = pressure,
					     .hold_max_bytes = max_bufs * BUF_BYTES });
}

/* The next batch is one PRESSURE event. */
static void told(struct fake *f, const struct weir_sock *s, int res)
{
	fake_batch(f);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->events[0].type, WEIR_EVENT_PRESSURE);
	assert_ptr_equal(f->events[0].sock, s);
	assert_int_equal(f->events[0].res, res);
	fake_done(f);
}

static void told_nothing(struct fake *f)
{
	fake_batch(f);
	assert_int_equal(f->count, 0);
}

static void release(struct weir_slice *v)
{
	assert_int_equal(weir_slice_release(v), 0);
}

/* A buffer counts once per socket that keeps pieces of it, and to the last of them. */
static void once_per_buffer(void **state)
{
	struct weir_slice held[6];
	struct weir_sock *a, *b;
	struct fake f;
	int index;

	(void)state;
	opened(&f, WEIR_PRESSURE_TELL, 100);
	a = fake_sock(&f, WEIR_STREAM);
	b = fake_sock(&f, WEIR_STREAM);
	index = weir_pool_take(f.pool);
	for (unsigned i = 0; i < 6; i++)
		fake_piece(i % 2 ? b : a, f.pool, (uint32_t)index, 100 * i, 50, i == 5);
	fake_batch(&f);
	assert_int_equal(f.count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(weir_slice_hold(f.events[i].slices), 0);
		held[i] = *f.events[i].slices;
		assert_int_equal(a->kept_bytes, BUF_BYTES);
		assert_int_equal(b->kept_bytes, i ? BUF_BYTES : 0);
	}
	fake_done(&f);
	release(&held[0]);
	release(&held[4]);
	release(&held[1]);
	release(&held[5]);
	assert_int_equal(a->kept_bytes, BUF_BYTES);
	assert_int_equal(b->kept_bytes, BUF_BYTES);
	release(&held[2]);
	assert_int_equal(a->kept_bytes, 0);
	/* A socket that goes leaves its pieces. */
	fake_gone(b);
	assert_int_equal(f.pool->count[WEIR_BUF_HELD], 1);
	release(&held[3]);
	assert_int_equal(f.pool->count[WEIR_BUF_HELD], 0);
	fake_gone(a);
	t_close(f.e);
}

static void stop(void **state)
{
	struct weir_engine_stats stats;
	struct weir_slice held[9];
	struct weir_sock *s;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_STOP, 8);
	s = fake_sock(&f, WEIR_STREAM);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			held[i] = fake_held(&f, s, i);
		told_nothing(&f);
		assert_int_equal(f.stops, round);
		/* What exceeds is held all the same. */
		held[8] = fake_held(&f, s, 8);
		told(&f, s, 1);
		assert_int_equal(f.stops, round + 1);
		assert_false(s->rx_armed);
		/* The application's own pause and resume change nothing about it. */
		weir_sock_pause(s);
		weir_sock_resume(s);
		assert_false(s->rx_armed);
		for (int i = 0; i < 4; i++)
			release(&held[i]);
		told_nothing(&f);
		assert_false(s->rx_armed);
		if (round == 1)
			weir_sock_pause(s);
		release(&held[4]);
		told(&f, s, 0);
		assert_int_equal(s->rx_armed, round != 1);
		weir_sock_resume(s);
		assert_true(s->rx_armed);
		assert_int_equal(f.starts, round + 1);
		for (int i = 5; i < 9; i++)
			release(&held[i]);
		told_nothing(&f);
	}
	weir_engine_get_stats(f.e, &stats);
	assert_int_equal(stats.pressures, 3);
	assert_int_equal(stats.spilled_bytes, 0);
	fake_gone(s);
	t_close(f.e);
}

static void copy(void **state)
{
	struct weir_slice held[5], spilled[40], *v;
	struct weir_engine_stats stats;
	struct weir_sock *s, *other;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_COPY, 4);
	s = fake_sock(&f, WEIR_STREAM);
	other = fake_sock(&f, WEIR_STREAM);
	for (int i = 0; i < 5; i++)
		held[i] = fake_held(&f, s, i);
	told(&f, s, 1);
	assert_int_equal(f.stops, 0);
	/* 41 buffers of 4 KiB: more than one chunk of memory. */
	for (int i = 0; i < 40; i++) {
		spilled[i] = fake_held(&f, s, 100 + i);
		assert_int_equal(spilled[i].flags, WEIR_SLICE_SPILLED | WEIR_SLICE_HELD);
		assert_null(spilled[i].area);
		assert_int_equal(spilled[i].offset, 0);
		assert_int_equal(f.pool->count[WEIR_BUF_HELD], 5);
		assert_int_equal(s->kept_bytes, 5 * BUF_BYTES);
	}
	told_nothing(&f);
	/* Only who keeps too much: others' pieces stay where they are. */
	fake_buffer(&f, other, 77);
	v = fake_slice(&f);
	assert_int_equal(v->flags, 0);
	assert_ptr_equal(v->area, f.pool->area);
	fake_done(&f);
	/* Pieces that follow each other become one, also here. */
	fake_buffer(&f, s, 1);
	fake_buffer(&f, s, 2);
	v = fake_slice(&f);
	assert_int_equal(v->len, 2 * BUF_BYTES);
	assert_int_equal(v->flags, WEIR_SLICE_SPILLED);
	fake_done(&f);
	for (int i = 0; i < 40; i++) {
		for (unsigned at = 0; at < BUF_BYTES; at++)
			assert_int_equal(((unsigned char *)spilled[i].data)[at], 100 + i);
		release(&spilled[i]);
	}
	told_nothing(&f);
	for (int i = 0; i < 3; i++)
		release(&held[i]);
	told(&f, s, 0);
	fake_buffer(&f, s, 3);
	assert_int_equal(fake_slice(&f)->flags, 0);
	fake_done(&f);
	weir_engine_get_stats(f.e, &stats);
	assert_int_equal(stats.spilled_bytes, 42 * BUF_BYTES);
	assert_int_equal(stats.buffers, AREA_BUFS);
	/* The rest goes with the engine. */
	fake_gone(s);
	fake_gone(other);
	t_drop(f.e);
}

/* A datagram takes its sender along, and a piece larger than a chunk finds room. */
static void copy_others(void **state)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = 4711 };
	struct weir_slice held[2], kept[5];
	struct weir_sock *s, *d;
	struct weir_pool *pool;
	struct fake f;

	(void)state;
	fake_open(&f, 16u << 20, 1u << 20,
		  (struct weir_engine_opts){ .pressure = WEIR_PRESSURE_COPY, .hold_max_bytes = 1 });
	s = fake_sock(&f, WEIR_STREAM);
	held[0] = fake_held(&f, s, 1);
	told(&f, s, 1);
	held[1] = fake_held(&f, s, 2);
	assert_true(held[1].flags & WEIR_SLICE_SPILLED);
	assert_int_equal(held[1].len, 1u << 20);
	assert_int_equal(((char *)held[1].data)[held[1].len - 1], 2);
	d = fake_sock(&f, WEIR_DGRAM);
	assert_int_equal(weir_core_dgram_pool(f.e, &pool), 0);
	for (int i = 0; i < 5; i++) {
		int index = weir_pool_take(pool);
		char *head = weir_pool_data(pool, (uint32_t)index);
		struct weir_rx rx = { .pool = pool,
				      .buffer = (uint32_t)index,
				      .offset = WEIR_DGRAM_HEAD_BYTES,
				      .len = 33,
				      .last = true,
				      .peer = (struct sockaddr *)(head + 16) };

		peer.sin_port = (in_port_t)i;
		memcpy(head + 16, &peer, sizeof(peer));
		memset(head + WEIR_DGRAM_HEAD_BYTES, i, 33);
		weir_core_up.received(d, &rx);
		kept[i] = *fake_slice(&f);
		assert_int_equal(weir_slice_hold(f.events[0].slices), 0);
		kept[i] = *f.events[0].slices;
		fake_done(&f);
		if (!i)
			told(&f, d, 1);
	}
	for (int i = 0; i < 5; i++) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)kept[i].peer;

		assert_int_equal(!(kept[i].flags & WEIR_SLICE_SPILLED), !i);
		assert_int_equal((uintptr_t)in % _Alignof(struct sockaddr_in), 0);
		assert_int_equal(in->sin_family, AF_INET);
		assert_int_equal(in->sin_port, i);
		assert_int_equal(((char *)kept[i].data)[32], i);
		release(&kept[i]);
	}
	told(&f, d, 0);
	release(&held[1]);
	release(&held[0]);
	told(&f, s, 0);
	fake_gone(d);
	fake_gone(s);
	t_close(f.e);
}

/* Interface queues have a bound by themselves: half; host pools have none. */
static void bounds(void **state)
{
	struct weir_slice held[AREA_BUFS];
	struct weir_pool *zc = NULL;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_TELL, 0);
	s = fake_sock(&f, WEIR_STREAM);
	for (unsigned i = 0; i < AREA_BUFS * 3 / 4; i++)
		held[i] = fake_held(&f, s, 1);
	told_nothing(&f);
	assert_int_equal(s->kept_bytes, 0);
	for (unsigned i = 0; i < AREA_BUFS * 3 / 4; i++)
		release(&held[i]);
	assert_int_equal(weir_pool_new_zc(&zc, weir_area_ref(f.pool->area), 2 * BUF_BYTES,
					  8 * BUF_BYTES, BUF_BYTES),
			 0);
	zc->lent = f.e->slices;
	for (uint32_t i = 0; i < 3; i++) { /* a quarter of 8 buffers, and one more */
		struct weir_slice *v;

		fake_piece(s, zc, i, 10, 20, false);
		v = fake_slice(&f);
		assert_int_equal(v->offset, (2 + i) * BUF_BYTES + 10);
		assert_ptr_equal(v->data, (char *)f.pool->base + v->offset);
		assert_int_equal(weir_slice_hold(v), 0);
		held[i] = *v;
		fake_done(&f);
		if (i < 2)
			told_nothing(&f);
		assert_int_equal(s->kept_bytes, (i + 1) * BUF_BYTES);
	}
	told(&f, s, 1);
	for (int i = 0; i < 3; i++)
		release(&held[i]);
	told(&f, s, 0);
	assert_int_equal(zc->count[WEIR_BUF_FREE], 3);
	fake_gone(s);
	weir_pool_free(zc);
	t_close(f.e);
}

/* Memory without an address: pieces are joined by their offsets, and COPY becomes STOP. */
static void no_address(void **state)
{
	struct weir_slice held[2], *v;
	struct weir_pool *zc = NULL;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_COPY, 1);
	s = fake_sock(&f, WEIR_STREAM);
	assert_int_equal(weir_pool_new_zc(&zc, weir_area_ref(f.pool->area), BUF_BYTES,
					  8 * BUF_BYTES, BUF_BYTES),
			 0);
	zc->lent = f.e->slices;
	zc->base = NULL;
	fake_piece(s, zc, 3, 0, 100, false);
	fake_piece(s, zc, 3, 100, 50, false);
	fake_piece(s, zc, 3, 151, 50, false);
	fake_batch(&f);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.events[0].slice_count, 2);
	v = f.events[0].slices;
	assert_null(v[0].data);
	assert_int_equal(v[0].len, 150);
	assert_int_equal(v[0].offset, 4 * BUF_BYTES);
	assert_null(v[1].data);
	assert_int_equal(v[1].offset, 4 * BUF_BYTES + 151);
	assert_int_equal(zc->bufs[3].lent, 2);
	assert_int_equal(weir_slice_hold(&v[0]), 0);
	held[0] = v[0];
	fake_done(&f);
	fake_piece(s, zc, 4, 0, 100, false);
	v = fake_slice(&f);
	assert_int_equal(weir_slice_hold(v), 0);
	held[1] = *v;
	fake_done(&f);
	told(&f, s, 1);
	assert_int_equal(f.stops, 1);
	/* What was on its way cannot be copied either. */
	fake_piece(s, zc, 5, 0, 100, false);
	assert_int_equal(fake_slice(&f)->flags, 0);
	fake_done(&f);
	release(&held[0]);
	release(&held[1]);
	told(&f, s, 0);
	assert_int_equal(f.starts, 1);
	fake_gone(s);
	weir_pool_free(zc);
	t_close(f.e);
}

/* An area is told of at three quarters, once, and again when half of it is back. */
static void area(void **state)
{
	struct weir_slice held[AREA_BUFS];
	unsigned n = 0, quarter = AREA_BUFS / 4;
	struct weir_sock *s;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_TELL, 0);
	s = fake_sock(&f, WEIR_STREAM);
	for (int round = 0; round < 3; round++) {
		while (n < 3 * quarter)
			held[n++] = fake_held(&f, s, 1);
		told_nothing(&f);
		held[n++] = fake_held(&f, s, 1);
		told(&f, NULL, 1);
		while (n < AREA_BUFS)
			held[n++] = fake_held(&f, s, 1);
		told_nothing(&f);
		while (n > 2 * quarter + 1)
			release(&held[--n]);
		told_nothing(&f);
		release(&held[--n]);
		told(&f, NULL, 0);
	}
	while (n)
		release(&held[--n]);
	told_nothing(&f);
	fake_gone(s);
	t_close(f.e);
}

/* Slices on their way out count for the socket they came by. */
static void sends(void **state)
{
	struct weir_slice held, again, *v;
	uint32_t keep[3], none = 1;
	struct fake f, g;
	struct weir_sock *s;

	(void)state;
	opened(&f, WEIR_PRESSURE_STOP, 1);
	s = fake_sock(&f, WEIR_STREAM);
	fake_buffer(&f, s, 1);
	v = fake_slice(&f);
	held = *v;
	assert_int_equal(weir_slice_more(f.e, v, &keep[0]), 0);
	assert_int_equal(s->kept_bytes, BUF_BYTES);
	assert_int_equal(weir_slice_hold(v), 0);
	assert_int_equal(weir_slice_more(f.e, v, &keep[1]), 0);
	assert_int_equal(s->kept_bytes, BUF_BYTES);
	/* A copy that is not held: whose it is cannot be told. */
	assert_int_equal(weir_slice_more(f.e, &held, &none), 0);
	assert_int_equal(none, 0);
	/* Sent by a socket of another engine of this thread. */
	fake_open(&g, 4 * BUF_BYTES, BUF_BYTES, (struct weir_engine_opts){ 0 });
	assert_int_equal(weir_slice_more(g.e, v, &none), 0);
	assert_int_equal(none, 0);
	t_close(g.e);
	fake_of = &f;
	held = *v;
	fake_done(&f);
	fake_buffer(&f, s, 1);
	v = fake_slice(&f);
	assert_int_equal(weir_slice_more(f.e, v, &keep[2]), 0);
	weir_pressure_kept(f.e, f.pool, keep[2]);
	fake_done(&f);
	told(&f, s, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(weir_pool_unhold(f.pool, held.buffer), 0);
	weir_keep_put(f.e, keep[0]);
	weir_keep_put(f.e, keep[1]);
	weir_keep_put(f.e, 0);
	assert_int_equal(weir_pool_unhold(f.pool, !held.buffer), 0);
	weir_keep_put(f.e, keep[2]);
	assert_int_equal(s->kept_bytes, BUF_BYTES);
	again = held;
	release(&held);
	told(&f, s, 0);
	assert_int_equal(weir_slice_more(f.e, &again, &none), -EINVAL);
	fake_gone(s);
	t_close(f.e);
}

struct piece {
	struct weir_slice slice;
	unsigned sock;
};

#define SOCKS 12u
#define PIECES 400u

static struct weir_sock *socks[SOCKS];
static struct piece pieces[PIECES];

static void check_charges(const struct fake *f, unsigned count)
{
	bool keeps[SOCKS][AREA_BUFS] = { 0 };

	for (unsigned i = 0; i < count; i++)
		if (pieces[i].sock < SOCKS && !(pieces[i].slice.flags & WEIR_SLICE_SPILLED))
			keeps[pieces[i].sock][pieces[i].slice.buffer] = true;
	for (unsigned s = 0; s < SOCKS; s++) {
		uint64_t want = 0;

		for (unsigned b = 0; b < AREA_BUFS; b++)
			want += keeps[s][b] ? BUF_BYTES : 0;
		assert_int_equal(socks[s]->kept_bytes, want);
	}
	assert_true(weir_pool_check(f->pool));
}

/* A buffer shared by a few sockets; some of what comes is held. */
static void arrive(struct fake *f, unsigned *count)
{
	uint32_t at = 0;
	int index = weir_pool_take(f->pool);

	while (index >= 0 && at < BUF_BYTES) {
		uint32_t len = 1 + (uint32_t)t_rand_below(900);

		len = len < BUF_BYTES - at ? len : BUF_BYTES - at;
		fake_piece(socks[t_rand_below(SOCKS)], f->pool, (uint32_t)index, at, len,
			   at + len == BUF_BYTES);
		at += len;
	}
	fake_batch(f);
	for (unsigned i = 0; i < f->count; i++) {
		struct weir_event *ev = &f->events[i];

		if (ev->type != WEIR_EVENT_RECEIVED)
			continue;
		for (unsigned j = 0; j < ev->slice_count && *count < PIECES; j++) {
			if (t_rand_below(2))
				continue;
			assert_int_equal(weir_slice_hold(&ev->slices[j]), 0);
			pieces[*count].slice = ev->slices[j];
			for (unsigned s = 0; s < SOCKS; s++)
				if (socks[s] == ev->sock)
					pieces[*count].sock = s;
			++*count;
		}
	}
	fake_done(f);
}

static void random_steps(void **state)
{
	unsigned count = 0, i;
	struct fake f;

	(void)state;
	opened(&f, WEIR_PRESSURE_COPY, 3);
	for (i = 0; i < SOCKS; i++)
		socks[i] = fake_sock(&f, WEIR_STREAM);
	for (int n = 0; n < 20000; n++) {
		switch (t_rand_below(8)) {
		case 0 ... 2:
			arrive(&f, &count);
			break;
		case 3:
			/* A socket goes, a new one comes. */
			if (t_rand_below(10))
				break;
			i = (unsigned)t_rand_below(SOCKS);
			fake_gone(socks[i]);
			socks[i] = fake_sock(&f, WEIR_STREAM);
			for (unsigned p = 0; p < count; p++)
				if (pieces[p].sock == i)
					pieces[p].sock = SOCKS;
			break;
		default:
			for (unsigned some = (unsigned)t_rand_below(8); some && count; some--) {
				struct weir_slice again;

				i = (unsigned)t_rand_below(count);
				again = pieces[i].slice;
				release(&pieces[i].slice);
				assert_int_equal(weir_slice_release(&again), -EINVAL);
				pieces[i] = pieces[--count];
			}
		}
		if (n % 16 == 0)
			check_charges(&f, count);
	}
	while (count)
		release(&pieces[--count].slice);
	check_charges(&f, 0);
	for (i = 0; i < SOCKS; i++)
		fake_gone(socks[i]);
	t_close(f.e);
}

static void refused(void **state)
{
	struct weir_engine_opts o = { .size = sizeof(o), .pressure = WEIR_PRESSURE_TELL + 1 };
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };

	(void)state;
	t_expect(weir_engine_open(&e, &o, &err), &err, -EINVAL);
	assert_null(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(once_per_buffer), T_CASE(stop),	     T_CASE(copy), T_CASE(copy_others),
		T_CASE(bounds),		 T_CASE(no_address), T_CASE(area), T_CASE(sends),
		T_CASE(random_steps),	 T_CASE(refused),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
