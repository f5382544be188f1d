/* SPDX-License-Identifier: MIT */
/*
 * test_foreign.h - what the tests with foreign event loops share: an application that only wakes up
 * when its loop says that weir_engine_fd() is readable.
 *
 * Theory: the loop knows one descriptor and calls foreign_ready() when it is readable.  All that
 * the application does hangs on that: echo over TCP and UDP through weir_ios, timers, messages
 * from another thread, a connect and a close.  If the descriptor were not readable when it must
 * be, the work would stop and the deadline would pass; if it stayed readable with nothing to do,
 * the loop would spin, which is counted.  Requests made outside of weir's callbacks, from the
 * loop's own timer, must go out although nobody calls the engine.
 */
#ifndef WEIR_TESTS_TEST_FOREIGN_H
#define WEIR_TESTS_TEST_FOREIGN_H

#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <weir/io.h>

#define FOREIGN_ECHOES 2000u
#define FOREIGN_FLIGHT 8u
#define FOREIGN_TIMERS 20u
#define FOREIGN_POSTS 500u
#define FOREIGN_TICKS 50u
#define FOREIGN_LEN 300u

struct foreign_msg {
	struct weir_msg msg;
	struct foreign *f;
	uint32_t index;
};

struct foreign {
	struct weir_engine *e;
	struct weir_buf_pool *pool;
	struct weir_sock *listener;
	struct weir_io *server; /* TCP echo */
	struct weir_io *client;
	struct weir_io *udp[2]; /* [1] echoes */
	struct weir_addr udp_addr;
	struct weir_timer timer;
	pthread_t thread;
	struct foreign_msg msgs[FOREIGN_POSTS];
	uint32_t sent, echoed; /* TCP */
	uint32_t udp_sent, udp_echoed;
	uint32_t timers, posts, ticks;
	uint64_t timer_due_ns;
	uint64_t wakeups, idle_wakeups;
	bool closing, closed;
};

/* The loop stops when this is true. */
static inline bool foreign_done(const struct foreign *f)
{
	return f->closed;
}

static inline bool foreign_work_done(const struct foreign *f)
{
	return f->echoed == FOREIGN_ECHOES && f->timers == FOREIGN_TIMERS &&
	       f->posts == FOREIGN_POSTS && f->ticks >= FOREIGN_TICKS &&
	       f->udp_echoed >= FOREIGN_TICKS;
}

static struct weir_buf *foreign_buf(struct foreign *f, uint32_t index)
{
	struct weir_buf *b = weir_buf_new(f->pool, FOREIGN_LEN, 0);

	assert_non_null(b);
	t_pattern_fill(weir_buf_put(b, FOREIGN_LEN), index, 0, FOREIGN_LEN);
	return b;
}

static void foreign_send(struct foreign *f)
{
	while (f->sent < FOREIGN_ECHOES && f->sent - f->echoed < FOREIGN_FLIGHT) {
		assert_int_equal(weir_io_write(f->client, foreign_buf(f, f->sent)), 0);
		f->sent++;
	}
}

static int foreign_segment(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	(void)buf;
	return FOREIGN_LEN;
}

static void foreign_maybe_close(struct foreign *f)
{
	if (f->closing || !foreign_work_done(f))
		return;
	f->closing = true;
	weir_io_free(f->udp[0]);
	weir_io_free(f->udp[1]);
	weir_sock_close(f->listener);
	/* The server sees the end of the stream, closes, and then the client is told. */
	assert_int_equal(weir_io_finish(f->client), 0);
}

static void client_read(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct foreign *f = weir_io_user(io);

	assert_int_equal(res, FOREIGN_LEN);
	t_pattern_check(buf->data, f->echoed, 0, FOREIGN_LEN);
	f->echoed++;
	weir_buf_free(buf);
	foreign_send(f);
	foreign_maybe_close(f);
}

static void client_closed(struct weir_io *io)
{
	struct foreign *f = weir_io_user(io);

	f->closed = true;
}

static void server_read(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct foreign *f = weir_io_user(io);

	if (res > 0) {
		assert_int_equal(weir_io_write(io, buf), 0);
		return;
	}
	weir_buf_free(buf);
	weir_io_free(io);
	f->server = NULL;
}

static void server_accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	static const struct weir_io_ops ops = { .read = server_read, .segment = foreign_segment };
	struct foreign *f = user;

	(void)listener;
	assert_int_equal(
		weir_io_new(&f->server, f->pool, WEIR_IO_READ_WRITE, "server", &ops, f, NULL, NULL),
		0);
	assert_int_equal(weir_io_attach(f->server, s, NULL), 0);
}

static void udp_received(struct weir_io *io, int res, struct weir_buf *buf,
			 const struct sockaddr *peer)
{
	struct foreign *f = weir_io_user(io);

	assert_true(res >= 0);
	if (io == f->udp[1]) {
		assert_int_equal(weir_io_sendto(io, buf, 0, peer), 0);
		return;
	}
	assert_int_equal(res, FOREIGN_LEN);
	f->udp_echoed++;
	weir_buf_free(buf);
	foreign_maybe_close(f);
}

static void timer_fn(struct weir_engine *e, struct weir_timer *timer)
{
	struct foreign *f = timer->user;

	/* Never early. */
	assert_true(weir_engine_now_ns(e) + 1000 >= f->timer_due_ns);
	if (++f->timers < FOREIGN_TIMERS) {
		f->timer_due_ns = weir_engine_now_ns(e) + 2000 * 1000;
		assert_int_equal(weir_timer_start(e, timer, 2000), 0);
	}
	foreign_maybe_close(f);
}

static void post_fn(struct weir_engine *e, struct weir_msg *msg)
{
	struct foreign_msg *m = (struct foreign_msg *)msg;

	(void)e;
	assert_int_equal(m->index, m->f->posts);
	m->f->posts++;
	foreign_maybe_close(m->f);
}

static void *poster(void *arg)
{
	struct foreign *f = arg;

	for (uint32_t i = 0; i < FOREIGN_POSTS; i++) {
		f->msgs[i].msg.fn = post_fn;
		f->msgs[i].f = f;
		f->msgs[i].index = i;
		weir_engine_post(f->e, &f->msgs[i].msg);
		/* In lumps: a lump finds the loop busy, the first after a pause finds it asleep. */
		if (i % 50 == 49)
			poll(NULL, 0, 1);
	}
	return NULL;
}

/* What the loop calls when the descriptor is readable. */
static void foreign_ready(struct foreign *f)
{
	int n = weir_engine_dispatch(f->e, 0);

	f->wakeups++;
	if (n == 0)
		f->idle_wakeups++;
	while (n > 0)
		n = weir_engine_dispatch(f->e, 0);
	assert_int_equal(n, 0);
}

/* What the loop's own timer calls: a request from outside of weir's callbacks. */
static void foreign_tick(struct foreign *f)
{
	if (f->closing)
		return;
	f->ticks++;
	/* UDP may lose: ticks go on until enough came back. */
	if (weir_io_tx_queue_len(f->udp[0]) < 100)
		assert_int_equal(weir_io_sendto(f->udp[0], foreign_buf(f, 0), 0, &f->udp_addr.sa),
				 0);
}

/* Returns the descriptor, or -1 where this machine cannot have the plane. */
static int foreign_start(struct foreign *f, enum weir_plane plane)
{
	static const struct weir_sock_ops listener = { .accepted = server_accepted };
	static const struct weir_io_ops client = {
		.read = client_read,
		.segment = foreign_segment,
		.closed = client_closed,
	};
	static const struct weir_io_ops udp = { .received_from = udp_received };
	struct weir_engine_opts o = { .size = sizeof o, .plane = plane };
	struct weir_error err = { 0 };
	char text[128];
	int fd;

	memset(f, 0, sizeof *f);
	if (weir_engine_open(&f->e, &o, &err)) {
		weir_error_print(stderr, &err);
		assert_int_equal(plane, WEIR_PLANE_URING);
		return -1;
	}
	assert_int_equal(weir_engine_plane(f->e), plane);
	t_note("%s", weir_engine_why(f->e));
	fd = weir_engine_fd(f->e);
	assert_true(fd >= 0);
	assert_int_equal(weir_engine_fd(f->e), fd);
	assert_int_equal(weir_buf_pool_new(&f->pool, f->e, NULL, NULL), 0);
	assert_int_equal(weir_listen(f->e, "127.0.0.1:0", &listener, f, NULL, &f->listener, NULL),
			 0);
	t_local_text(f->listener, text, sizeof text);
	assert_int_equal(weir_io_new(&f->client, f->pool, WEIR_IO_READ_WRITE, "client", &client, f,
				     NULL, NULL),
			 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(weir_io_new(&f->udp[i], f->pool, WEIR_IO_RECVFROM_SENDTO, "udp",
					     &udp, f, NULL, NULL),
				 0);
		assert_int_equal(weir_io_udp_open(f->udp[i], "127.0.0.1:0", NULL, NULL), 0);
	}
	f->udp_addr = t_local(weir_io_sock(f->udp[1]));
	/* All of this happens outside of callbacks, and nobody calls the engine afterwards. */
	assert_int_equal(weir_io_connect(f->client, text, NULL, NULL), 0);
	foreign_send(f);
	f->timer.fn = timer_fn;
	f->timer.user = f;
	f->timer_due_ns = t_now_us() * 1000 + 2000 * 1000;
	assert_int_equal(weir_timer_start(f->e, &f->timer, 2000), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, poster, f), 0);
	t_note("%s: foreign loop runs", weir_plane_name(plane));
	return fd;
}

static void foreign_end(struct foreign *f)
{
	struct pollfd p = { .fd = weir_engine_fd(f->e), .events = POLLIN };
	struct weir_buf_pool_stats s;

	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_true(foreign_work_done(f));
	print_message("%s: %llu wake-ups, %llu of them for nothing\n",
		      weir_plane_name(weir_engine_plane(f->e)), (unsigned long long)f->wakeups,
		      (unsigned long long)f->idle_wakeups);
	/* It does not spin: a wake-up without work is the exception. */
	assert_true(f->idle_wakeups <= 20 + f->wakeups / 4);
	t_until_polled(f->e, !f->server, (void)0);
	weir_io_free(f->client);
	t_until_polled(f->e, (weir_buf_pool_get_stats(f->pool, &s), s.bufs == 0), (void)0);
	while (weir_engine_dispatch(f->e, 0) > 0)
		;
	/* Nothing to do, nothing to read. */
	assert_int_equal(poll(&p, 1, 0), 0);
	t_close(f->e);
	weir_buf_pool_free(f->pool);
}

#endif
