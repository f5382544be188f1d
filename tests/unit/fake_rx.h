/* SPDX-License-Identifier: MIT */
/*
 * fake_rx.h - arrivals without a network: an engine, sockets that are none, pieces by hand.
 *
 * Theory: what a plane does when a piece arrives is done by the test: a buffer is taken, written
 * to and reported by weir_core_up.  The sockets have a plane of their own, which counts what the
 * core asks of it.  The events are then taken as an application takes them.
 */
#ifndef WEIR_TESTS_FAKE_RX_H
#define WEIR_TESTS_FAKE_RX_H

#include <weir/weir.h>

#include "core/core.h"
#include "t.h"

struct fake {
	struct weir_engine *e;
	struct weir_pool *pool;
	struct weir_event events[256];
	unsigned count;
	unsigned stops, starts;
};

static struct fake *fake_of; /* whose plane the sockets have */

static int fake_recv_start(struct weir_sock *s)
{
	(void)s;
	fake_of->starts++;
	return 0;
}

static void fake_recv_stop(struct weir_sock *s)
{
	fake_of->stops++;
	weir_core_up.recv_end(s, -ECANCELED);
}

static const struct weir_plane_ops fake_plane = {
	.recv_start = fake_recv_start,
	.recv_stop = fake_recv_stop,
};

/* @area_bytes of buffers of @buf_bytes. */
static inline void fake_open(struct fake *f, size_t area_bytes, uint32_t buf_bytes,
			     struct weir_engine_opts o)
{
	memset(f, 0, sizeof(*f));
	o.size = sizeof(o);
	o.plane = WEIR_PLANE_EPOLL;
	o.area_bytes = area_bytes;
	o.buffer_bytes = buf_bytes;
	f->e = t_open(&o);
	assert_int_equal(weir_core_stream_pool(f->e, buf_bytes, &f->pool), 0);
	fake_of = f;
}

static inline struct weir_sock *fake_sock(struct fake *f, int kind)
{
	struct weir_sock_opts o = { .size = sizeof(o) };
	struct weir_sock *s = weir_sock_new(f->e, -1, kind, AF_INET, &o);

	assert_non_null(s);
	s->flags |= WEIR_SOCK_NO_LOWAT;
	s->plane = &fake_plane;
	s->rx_armed = true;
	return s;
}

/* It was closed, and that was seen. */
static inline void fake_gone(struct weir_sock *s)
{
	weir_event_forget_sock(s->engine, s);
	weir_sock_free(s);
}

/* @len bytes at @offset of a buffer that the kernel has. */
static inline void fake_piece(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer,
			      uint32_t offset, uint32_t len, bool last)
{
	struct weir_rx rx = {
		.pool = pool, .buffer = buffer, .offset = offset, .len = len, .last = last
	};

	if (pool->zc)
		weir_pool_arrived(pool, buffer);
	weir_core_up.received(s, &rx);
}

/* A whole buffer; its content is @fill. */
static inline void fake_buffer(struct fake *f, struct weir_sock *s, int fill)
{
	int index = weir_pool_take(f->pool);

	assert_true(index >= 0);
	memset(weir_pool_data(f->pool, (uint32_t)index), fill, f->pool->buf_bytes);
	fake_piece(s, f->pool, (uint32_t)index, 0, f->pool->buf_bytes, true);
}

/* What is queued, as a batch. */
static inline void fake_batch(struct fake *f)
{
	f->count = weir_event_hand_out(f->e, f->events, T_COUNT(f->events));
	assert_true(f->count < T_COUNT(f->events));
}

static inline void fake_done(struct fake *f)
{
	weir_engine_done(f->e, f->count);
	assert_true(weir_pool_check(f->pool));
	t_ledger(f->e);
}

/* The only slice of the only event of the next batch. */
static inline struct weir_slice *fake_slice(struct fake *f)
{
	fake_batch(f);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->events[0].type, WEIR_EVENT_RECEIVED);
	assert_int_equal(f->events[0].slice_count, 1);
	return f->events[0].slices;
}

/* A buffer arrives and is held. */
static inline struct weir_slice fake_held(struct fake *f, struct weir_sock *s, int fill)
{
	struct weir_slice *v, held;

	fake_buffer(f, s, fill);
	v = fake_slice(f);
	assert_int_equal(weir_slice_hold(v), 0);
	held = *v;
	fake_done(f);
	return held;
}

#endif
