/* SPDX-License-Identifier: MIT */
/*
 * test_ctx.c - transmit contexts: registering, generations, their order, bounds, bad arguments.
 *
 * Theory: the model of test_ctx.h checks every event.  What keeps a generation from ending is a
 * peer that does not read, which holds on every plane, with and without zero copy.
 *
 * Zerocopy: yes
 */
#include "test_ctx.h"

#include <netinet/in.h>

#define BLOCKED_BYTES (4 * MIB)

static const struct weir_sock_opts small_buffers = { .size = sizeof small_buffers,
						     .sndbuf_bytes = 16384,
						     .rcvbuf_bytes = 16384 };

/* A link whose reader has stopped; a generation of context 0 that cannot end before it goes on. */
static void block(struct ctx_set *c, struct t_link *l)
{
	ctx_link(c, l, 1, BLOCKED_BYTES, "127.0.0.1:0", &small_buffers);
	weir_sock_pause(l->server.s);
	assert_int_equal(ctx_send_stream(c, 0, &l->client, BLOCKED_BYTES, WEIR_SEND_FLUSH), 0);
	while (t_step(c->e, 2000) > 0)
		;
	assert_int_equal(c->one[0].seen, 0);
}

static void registering(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 0);
	uint64_t tags[WEIR_CTX_MAX + 1] = { 0 }, number = 5;
	struct weir_error err = { 0 };

	(void)state;
	assert_int_equal(weir_ctx_unregister(c->e, 0), -ENOENT);
	assert_int_equal(weir_ctx_unregister(c->e, -1), -ENOENT);
	assert_int_equal(weir_ctx_flush(c->e, 0), -ENOENT);
	assert_int_equal(weir_ctx_generation(c->e, 0, &number), -ENOENT);
	assert_int_equal(number, 5);
	t_expect(weir_ctx_register(c->e, tags, 0, &err), &err, -EINVAL);
	t_expect(weir_ctx_register(c->e, tags, WEIR_CTX_MAX + 1, &err), &err, -EINVAL);
	t_expect(weir_ctx_register(c->e, NULL, 1, &err), &err, -EINVAL);
	assert_int_equal(weir_ctx_register(c->e, tags, 0, NULL), -EINVAL);
	for (unsigned i = 0; i < 4; i++) {
		ctx_register(c, i == 3 ? WEIR_CTX_MAX : 1 + t_rand_below(WEIR_CTX_MAX));
		err = (struct weir_error){ 0 };
		t_expect(weir_ctx_register(c->e, tags, 1, &err), &err, -EBUSY);
		assert_int_equal(weir_ctx_flush(c->e, c->count), -ENOENT);
		assert_int_equal(weir_ctx_generation(c->e, c->count, &number), -ENOENT);
		for (unsigned n = t_rand_below(20); n; n--)
			ctx_flush(c, t_rand_below(c->count));
		ctx_unregister(c);
		assert_int_equal(weir_ctx_flush(c->e, 0), -ENOENT);
	}
	/* Closing the engine ends what is registered. */
	ctx_register(c, 7);
	ctx_flush(c, 3);
	t_step_idle(c->e);
	ctx_forget(c);
	ctx_close(c);
}

/* Equal tags, and 0: the library only hands them back. */
static void any_tag(void **state)
{
	const uint64_t tags[3] = { 0, UINT64_MAX, 0 };
	struct weir_event ev[4];
	struct weir_engine *e = t_open(NULL);

	(void)state;
	assert_int_equal(weir_ctx_register(e, tags, 3, NULL), 0);
	assert_int_equal(weir_ctx_flush(e, 1), 0);
	assert_int_equal(weir_ctx_flush(e, 2), 0);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(weir_engine_wait(e, ev, 1, -1), 1);
		assert_int_equal(ev[0].type, WEIR_EVENT_RELEASED);
		assert_true(ev[0].gen.tag == tags[i]);
		assert_int_equal(ev[0].gen.number, 0);
		assert_int_equal(ev[0].gen.bytes, 0);
		assert_int_equal(ev[0].gen.copied_bytes, 0);
		assert_int_equal(ev[0].res, 0);
	}
	assert_int_equal(weir_ctx_unregister(e, 0), 0);
	assert_int_equal(weir_engine_wait(e, ev, 4, 0), 0);
	t_close(e);
}

static void unregister_waits(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 8);
	struct t_link l;
	uint64_t from;
	int ret;

	(void)state;
	block(c, &l);
	assert_int_equal(weir_ctx_unregister(c->e, 0), -EBUSY);
	from = t_now_us();
	assert_int_equal(weir_ctx_unregister(c->e, 20000), -ETIMEDOUT);
	assert_true(t_now_us() - from >= 20000);
	/* Nothing was changed: it goes on, in the generation that is open. */
	for (unsigned i = 0; i < c->count; i++)
		ctx_check_open(c, i);
	l.server.rx_total += 1000;
	assert_int_equal(ctx_send_stream(c, 5, &l.client, 1000, 0), 0);
	assert_int_equal(weir_ctx_unregister(c->e, 0), -EBUSY);
	ctx_flushed_all(c); /* context 5 has sends */
	for (unsigned i = 0; i < c->count; i++)
		ctx_check_open(c, i);
	assert_int_equal(c->one[5].open, 1);
	weir_sock_resume(l.server.s);
	while ((ret = weir_ctx_unregister(c->e, -1)) == -ENOBUFS)
		t_step_some(c->e, "room for events");
	assert_int_equal(ret, 0);
	/* Its events are in the queue; the next set has nothing to do with them. */
	t_step_idle(c->e);
	assert_true(ctx_all_seen(c));
	assert_int_equal(c->events, 2);
	ctx_forget(c);
	ctx_register(c, 3);
	ctx_flush(c, 0);
	t_until(c->e, c->events == 3);
	t_until(c->e, l.server.rx_bytes == BLOCKED_BYTES + 1000);
	ctx_unlink(&l);
	ctx_close(c);
}

/* Slices of the batch that is looked at stay valid while it waits. */
static void unregister_in_a_batch(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 2);
	struct weir_event ev[1];
	struct t_link l;
	bool seen = false;
	int ret;

	(void)state;
	ctx_link(c, &l, 1, 300000, "127.0.0.1:0", NULL);
	assert_int_equal(ctx_send_stream(c, 1, &l.client, 300000, 0), 0);
	while (!seen) {
		ret = weir_engine_wait(c->e, ev, 1, (int64_t)T_DEADLINE_MS * 1000);
		assert_int_equal(ret, 1);
		seen = ev->type == WEIR_EVENT_RECEIVED;
		if (seen) {
			ctx_flushed_all(c);
			ret = weir_ctx_unregister(c->e, -1);
			assert_true(ret == 0 || ret == -ENOBUFS);
		}
		t_handle(c->e, ev, 1); /* checks the content */
		weir_engine_done(c->e, 1);
	}
	while (ret == -ENOBUFS) {
		t_step_some(c->e, "room for events");
		ret = weir_ctx_unregister(c->e, -1);
	}
	assert_int_equal(ret, 0);
	t_until(c->e, ctx_all_seen(c) && l.server.rx_bytes == 300000);
	ctx_forget(c);
	ctx_unlink(&l);
	ctx_close(c);
}

static struct {
	struct ctx_set *c;
	int refused, would_wait, unlimited;
	bool released;
} in_callback;

static void call_back(struct weir_engine *e, struct weir_timer *timer)
{
	(void)timer;
	in_callback.refused = weir_ctx_unregister(e, 0);
	in_callback.would_wait = weir_ctx_unregister(e, 1000);
	in_callback.unlimited = weir_ctx_unregister(e, -1);
}

static void released_back(struct ctx_set *c, unsigned i, const struct weir_event *ev)
{
	(void)ev;
	/* The whole interface is legal here; nothing is to be waited for. */
	assert_int_equal(i, 0);
	in_callback.unlimited = weir_ctx_unregister(c->e, -1);
	in_callback.released = true;
}

static void unregister_in_a_callback(void **state)
{
	struct weir_timer timer = { .fn = call_back };
	struct ctx_set *c = ctx_open(NULL, 4);
	struct t_link l;

	(void)state;
	t_api = T_API_CALLBACKS;
	memset(&in_callback, 0, sizeof in_callback);
	block(c, &l);
	assert_int_equal(weir_timer_start(c->e, &timer, 0), 0);
	t_until(c->e, in_callback.unlimited);
	assert_int_equal(in_callback.refused, -EBUSY);
	assert_int_equal(in_callback.would_wait, -EDEADLK);
	assert_int_equal(in_callback.unlimited, -EDEADLK);
	c->on_released = released_back;
	weir_sock_resume(l.server.s);
	t_until(c->e, in_callback.released);
	assert_int_equal(in_callback.unlimited, 0);
	assert_true(ctx_all_seen(c));
	ctx_forget(c);
	t_until(c->e, l.server.rx_bytes == BLOCKED_BYTES);
	ctx_unlink(&l);
	ctx_close(c);
}

/* As many generations as there may be that have not ended, behind one that cannot. */
static void many_generations(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 2);
	uint64_t open, count;
	struct t_link l;
	int ret;

	(void)state;
	block(c, &l);
	while (!(ret = weir_ctx_flush(c->e, 0)))
		ctx_next_gen(&c->one[0]);
	assert_int_equal(ret, -ENOBUFS);
	open = c->one[0].open;
	if (open < WEIR_CTX_GENERATIONS_MAX - 1 || open > WEIR_CTX_GENERATIONS_MAX)
		fail_msg("%llu generations", (unsigned long long)open);
	ctx_check_open(c, 0);
	/* A send that would end one more is refused, and is in none. */
	l.server.rx_total += 100;
	assert_int_equal(ctx_send_stream(c, 0, &l.client, 100, WEIR_SEND_FLUSH), -ENOBUFS);
	l.client.refused--; /* there is room in the queue: no WRITABLE comes */
	/* The other context has its own bound. */
	assert_int_equal(ctx_send_stream(c, 1, &l.client, 100, WEIR_SEND_FLUSH), 0);
	ctx_flush(c, 1);
	t_step_idle(c->e);
	assert_int_equal(c->events, 0);
	weir_sock_resume(l.server.s);
	t_until(c->e, ctx_all_seen(c));
	assert_int_equal(c->events, open + 2);
	/* Room again; and numbers go on. */
	for (count = 0; count < 100; count++)
		ctx_flush(c, 0);
	t_until(c->e, ctx_all_seen(c));
	assert_int_equal(c->one[0].seen, open + 100);
	t_until(c->e, l.server.rx_bytes == BLOCKED_BYTES + 100);
	ctx_unlink(&l);
	ctx_close(c);
}

/* A generation without sends ends in its turn, not before. */
static void empty_generations(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 3);
	struct t_link l;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		ctx_flush(c, 1);
		t_until(c->e, ctx_all_seen(c));
	}
	assert_int_equal(c->empty, 5);
	block(c, &l);
	ctx_flush(c, 0);
	ctx_flush(c, 2); /* waits for nobody */
	ctx_flush(c, 0);
	t_until(c->e, c->one[2].seen == 1);
	t_step_idle(c->e);
	assert_int_equal(c->one[0].seen, 0);
	weir_sock_resume(l.server.s);
	t_until(c->e, ctx_all_seen(c));
	assert_int_equal(c->one[0].seen, 3);
	t_until(c->e, l.server.rx_bytes == BLOCKED_BYTES);
	ctx_unlink(&l);
	ctx_close(c);
}

/* The queue is full: neither the send nor its flush has happened. */
static void refused_with_its_flush(void **state)
{
	struct weir_sock_opts so = small_buffers;
	struct ctx_set *c = ctx_open(NULL, 2);
	uint64_t before;
	struct t_link l;
	int ret;

	(void)state;
	so.tx_queue_max = 4;
	c->one_piece = true; /* each piece is a write of its own */
	ctx_link(c, &l, 1, UINT32_MAX, "127.0.0.1:0", &so);
	weir_sock_pause(l.server.s);
	do {
		before = c->one[0].open;
		ret = ctx_send_stream(c, 0, &l.client, 100000, WEIR_SEND_FLUSH);
		if (!ret)
			t_step(c->e, 500);
	} while (!ret);
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(c->one[0].open, before);
	ctx_check_open(c, 0);
	weir_sock_resume(l.server.s);
	t_until(c->e, l.client.writable == 1);
	assert_int_equal(ctx_send_stream(c, 0, &l.client, 5000, WEIR_SEND_FLUSH), 0);
	t_until(c->e, ctx_all_seen(c));
	assert_int_equal(c->one[0].seen, before + 1);
	t_until(c->e, l.server.rx_bytes == l.client.tx_queued);
	ctx_unlink(&l);
	ctx_close(c);
}

static void bad_send(struct ctx_set *c, struct weir_sock *s, const struct weir_ctx_send *send,
		     int code)
{
	int ret = weir_ctx_send(s, send);

	if (ret != code)
		fail_msg("%d (%s), not %s", ret, strerror(-ret), strerror(-code));
	for (unsigned i = 0; i < c->count; i++)
		ctx_check_open(c, i);
}

static void bad_arguments(void **state)
{
	static char mem[70000];
	static const struct iovec iov[17] = { { mem, 40000 }, { mem, 40000 }, { mem, 10 } };
	const struct weir_ctx_send good = { sizeof good, 1, 0, iov, 1, 0, NULL };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct weir_sock_opts connected = { .size = sizeof connected, .peer = "127.0.0.1:9" };
	struct ctx_set *c = ctx_open(NULL, 2);
	struct weir_sock *udp, *free_udp;
	struct weir_ctx_send bad;
	struct t_link l;
	int tcp;

	(void)state;
	ctx_link(c, &l, 1, 0, "127.0.0.1:0", NULL);
	assert_int_equal(weir_udp_open(c->e, NULL, NULL, NULL, &connected, &udp, NULL), 0);
	assert_int_equal(weir_udp_open(c->e, "127.0.0.1:0", NULL, NULL, NULL, &free_udp, NULL), 0);
#define BAD(sock, field, value, code)          \
	do {                                   \
		bad = good;                    \
		bad.field = value;             \
		bad_send(c, sock, &bad, code); \
	} while (0)
	for (tcp = 0; tcp < 2; tcp++) {
		struct weir_sock *s = tcp ? l.client.s : udp;

		BAD(s, size, 0, -EINVAL);
		BAD(s, size, 3, -EINVAL);
		BAD(s, ctx, 2, -ENOENT);
		BAD(s, ctx, WEIR_CTX_MAX, -ENOENT);
		BAD(s, ctx, UINT32_MAX, -ENOENT);
		BAD(s, flags, 1u << 31, -EINVAL);
		BAD(s, flags, WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN, -EINVAL);
		BAD(s, flags, WEIR_SEND_ZEROCOPY | WEIR_SEND_COPY, -EINVAL);
		BAD(s, flags, WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN | WEIR_SEND_FLUSH, -EINVAL);
		BAD(s, iov, NULL, -EINVAL);
		BAD(s, iov_count, 0, -EINVAL);
		BAD(s, iov_count, 17, -EINVAL);
	}
	BAD(l.client.s, peer, (struct sockaddr *)&to, -EINVAL);
	BAD(l.client.s, segment_bytes, 100, -EINVAL);
	BAD(l.acceptor.s, ctx, 0, -EINVAL);
	BAD(free_udp, flags, WEIR_SEND_FLUSH, -EDESTADDRREQ);
	bad = good;
	bad.peer = (struct sockaddr *)&to;
	bad.iov_count = 2; /* 80,000 bytes: no datagram is so long */
	bad.flags = WEIR_SEND_FLUSH;
	bad_send(c, udp, &bad, -EMSGSIZE);
	bad.segment_bytes = 1000; /* a train is of one piece */
	bad_send(c, udp, &bad, -EINVAL);
#undef BAD
	assert_int_equal(weir_sock_shutdown(l.client.s), 0);
	bad = good;
	bad.flags = WEIR_SEND_FLUSH;
	bad_send(c, l.client.s, &bad, -EPIPE);
	t_until(c->e, l.server.ended);
	weir_sock_close(udp);
	weir_sock_close(free_udp);
	ctx_unlink(&l);
	assert_int_equal(c->events, 0);
	ctx_close(c);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(registering),
		T_CASE(any_tag),
		T_CASE(unregister_waits),
		T_CASE(unregister_in_a_batch),
		T_CASE(unregister_in_a_callback),
		T_CASE(many_generations),
		T_CASE(empty_generations),
		T_CASE(refused_with_its_flush),
		T_CASE(bad_arguments),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
