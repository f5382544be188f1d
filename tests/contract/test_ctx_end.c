/* SPDX-License-Identifier: MIT */
/*
 * test_ctx_end.c - partial sends, and every end of a socket, with memory that the kernel uses.
 *
 * Theory: every generation ends once, whatever becomes of its sockets, and when CLOSED has come no
 * memory of that socket's sends is in use.  The model overwrites memory the moment it is free, and
 * the peer reads on: what it gets must be a prefix of the content, never anything else.  A peer
 * that does not read is waited for no longer than sock.h says.
 *
 * Zerocopy: yes
 */
#include "test_ctx.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/wait.h>

#define CLOSE_WAIT_US (10 * 1000000u)

/* Cases that wait for a bound of seconds run where no part is off, and with faults only once. */
static bool parts_off(void)
{
	return getenv("WEIR_WITHOUT") || getenv("WEIR_SPIN_US") ||
	       (t_faulty() && !getenv("WEIR_ZEROCOPY"));
}

static const char *address(unsigned i)
{
	static const char *const inet[] = { "127.0.0.1:0", "[::1]:0" };

	return i % 3 < 2 ? inet[i % 3] : t_unix();
}

/* Requests that are cut again and again, copied ones between the others. */
static void partial_sends(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .sndbuf_bytes = 1 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t total = t_faulty() ? 300000 : 1 * MIB;
		struct ctx_set *c = ctx_open(NULL, 4);
		struct t_link l;

		ctx_link(c, &l, 1, total, address(i), &so);
		while (l.client.tx_queued < total) {
			uint64_t left = total - l.client.tx_queued;
			size_t len = t_rand_size(200000);
			unsigned flags = ctx_any_flags(true);

			if (!t_rand_below(3))
				flags |= WEIR_SEND_FLUSH;
			if (len < left && !t_rand_below(3))
				flags |= WEIR_SEND_MORE;
			ctx_send_stream(c, t_rand_below(4), &l.client, len < left ? len : left,
					flags);
			while (c->unreleased > 8) {
				ctx_flush_any(c);
				t_step(c->e, 1000);
			}
		}
		ctx_unregister(c);
		t_until(c->e, l.server.rx_bytes == total);
		ctx_unlink(&l);
		ctx_close(c);
	}
}

/* Sends until something is in use, some of it taken by the kernel. */
static void fill_up(struct ctx_set *c, struct t_link *l, unsigned ctx)
{
	for (unsigned i = 0; i < 12 && !l->client.broken; i++) {
		ctx_send_stream(c, ctx, &l->client, 1 + t_rand_below(300000),
				ctx_any_flags(true) | (t_rand_below(3) ? 0 : WEIR_SEND_FLUSH));
		if (!t_rand_below(3))
			t_step(c->e, 0);
	}
	if (c->one[ctx].has_sends)
		ctx_flush(c, ctx);
}

static void close_with_sends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 24; i++) {
		struct ctx_set *c = ctx_open(NULL, 2);
		struct t_link l;

		c->may_fail = true;
		ctx_link(c, &l, 1, UINT32_MAX, address(i), NULL);
		if (t_rand_below(2))
			weir_sock_pause(l.server.s);
		fill_up(c, &l, i % 2);
		for (unsigned n = t_rand_below(20); n; n--)
			t_step(c->e, t_rand_below(2) ? 0 : 500);
		t_end_close(&l.client);
		assert_int_equal(ctx_send(c, 0, l.client.s, ctx_mem_new(1), WEIR_SEND_FLUSH),
				 -EPIPE);
		weir_sock_resume(l.server.s);
		t_until(c->e, l.client.closed);
		assert_true(ctx_all_seen(c));
		t_until(c->e, l.server.ended);
		ctx_unlink(&l);
		ctx_close(c);
	}
}

/* All that was queued arrives, then the end of stream. */
static void shutdown_and_finish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct ctx_set *c = ctx_open(NULL, 1);
		struct t_link l;

		ctx_link(c, &l, 1, UINT32_MAX, address(i), NULL);
		fill_up(c, &l, 0);
		if (i % 2)
			assert_int_equal(weir_sock_shutdown(l.client.s), 0);
		else
			t_end_finish(&l.client);
		assert_int_equal(ctx_send(c, 0, l.client.s, ctx_mem_new(9), 0), -EPIPE);
		t_until(c->e, l.server.ended);
		assert_int_equal(l.server.end_res, 0);
		assert_int_equal(l.server.rx_bytes, l.client.tx_queued);
		t_until(c->e, ctx_all_seen(c));
		assert_int_equal(c->failed, 0);
		ctx_unlink(&l);
		ctx_close(c);
	}
}

static void reset(int fd)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	close(fd);
}

static void reset_by_peer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct ctx_set *c = ctx_open(NULL, 2);
		struct t_link l = { .e = c->e };
		char some[4096];
		int fd = ctx_raw_peer(c, &l.client, NULL, t_rand_below(2) ? 8192 : 0);

		c->may_fail = true;
		l.client.tx_total = 0;
		fill_up(c, &l, 0);
		for (unsigned n = t_rand_below(4); n; n--) {
			t_step(c->e, 500);
			(void)!recv(fd, some, sizeof some, MSG_DONTWAIT);
		}
		reset(fd);
		t_until(c->e, l.client.ended);
		assert_true(l.client.end_res < 0);
		if (t_rand_below(2)) { /* its memory comes back without a close, too */
			t_until(c->e, ctx_all_seen(c));
			fill_up(c, &l, 1);
			assert_true(l.client.broken);
		}
		t_end_close(&l.client);
		t_until(c->e, l.client.closed);
		assert_true(ctx_all_seen(c));
		ctx_close(c);
	}
}

/* Nobody listens: the sends that waited end with an error, in their generations. */
static void refused(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 2);
	struct t_link l = { .e = c->e };
	struct weir_addr a;
	char text[128];
	int fd = t_raw_listen("127.0.0.1:0", &a);

	(void)state;
	close(fd);
	c->may_fail = true;
	weir_addr_format(&a.sa, text, sizeof text);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t failed = c->failed;

		t_end_init(&l.client, 1, 0, 0, 0);
		assert_int_equal(
			weir_connect(c->e, text, l.client.ops, &l.client, NULL, &l.client.s, NULL),
			0);
		for (unsigned j = 0; j < 5; j++)
			ctx_send_stream(c, 1, &l.client, 1000, i % 2 ? WEIR_SEND_ZEROCOPY : 0);
		ctx_flush(c, 1);
		if (i < 2) {
			t_until(c->e, l.client.connected);
			assert_int_equal(l.client.connect_res, -ECONNREFUSED);
			t_until(c->e, ctx_all_seen(c));
		}
		t_end_close(&l.client);
		t_until(c->e, l.client.closed);
		assert_true(ctx_all_seen(c));
		assert_int_equal(c->failed, failed + 1);
		assert_int_equal(c->bytes, 0);
	}
	ctx_close(c);
}

/* What the peer has is the beginning of the content, and its end of stream or reset. */
static uint64_t read_prefix(int fd)
{
	static unsigned char buf[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t at = 0;
	ssize_t n;

	t_raw_nonblock(fd, true);
	for (;;) {
		assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
		n = recv(fd, buf, sizeof buf, 0);
		if (n <= 0)
			break;
		t_pattern_check(buf, 1, at, n);
		at += n;
	}
	close(fd);
	return at;
}

/* Peers that do not read: closed in time, and what they read later is as it was sent. */
static void closed_window(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY,
				     .sndbuf_bytes = 1 << 20 };
	struct t_link plain = { 0 }, zc[3] = { 0 };
	struct ctx_set *c;
	int fd[4];
	uint64_t from;

	(void)state;
	if (parts_off())
		return;
	c = ctx_open(NULL, 4);
	c->may_fail = true;
	for (unsigned i = 0; i < 3; i++) {
		zc[i].e = c->e;
		fd[i] = ctx_raw_peer(c, &zc[i].client, &so, 8192);
		while (zc[i].client.tx_queued < (i + 1) * 200000)
			ctx_send_stream(c, i, &zc[i].client, 1 + t_rand_below(100000), 0);
		ctx_flush(c, i);
	}
	so.flags = WEIR_SOCK_PLAIN;
	fd[3] = ctx_raw_peer(c, &plain.client, &so, 8192);
	while (plain.client.tx_queued < 2 * MIB)
		ctx_send_stream(c, 3, &plain.client, 100000, WEIR_SEND_FLUSH);
	while (t_step(c->e, 5000) > 0)
		;
	from = t_now_us();
	t_end_close(&plain.client);
	t_until(c->e, plain.client.closed);
	assert_true(t_now_us() - from < CLOSE_WAIT_US / 4); /* the kernel has it all */
	from = t_now_us();
	for (unsigned i = 0; i < 2; i++)
		t_end_close(&zc[i].client);
	t_end_finish(&zc[2].client);
	t_until(c->e, zc[0].client.closed && zc[1].client.closed);
	assert_true(t_now_us() - from < CLOSE_WAIT_US + 3 * 1000000u * T_SLOW);
	if (!zc[2].client.closed)
		weir_sock_close(zc[2].client.s);
	reset(fd[2]);
	t_until(c->e, zc[2].client.closed);
	assert_true(ctx_all_seen(c));
	for (unsigned i = 0; i < 2; i++)
		assert_true(read_prefix(fd[i]) < zc[i].client.tx_queued);
	close(fd[3]);
	ctx_close(c);
}

/* Another process that reads what comes; it ends with 0 where all of it was content. */
static pid_t reader(int l)
{
	static unsigned char buf[65536];
	pid_t pid = fork();
	uint64_t at = 0;
	ssize_t n;
	int fd;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	alarm((unsigned)T_DEADLINE_MS / 1000 * T_SLOW);
	t_raw_nonblock(l, false);
	fd = accept(l, NULL, NULL);
	while ((n = read(fd, buf, 1 + t_rand_below(sizeof buf))) > 0) {
		if (memcmp(buf, t_pattern(1, at), n))
			_exit(2);
		at += n;
	}
	_exit(fd < 0);
}

/* The engine goes while memory is in use: it is ours when the call returns. */
static void engine_close(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY,
				     .sndbuf_bytes = 1 << 20 };
	char text[128];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct weir_addr a;
		int fd = t_raw_listen("127.0.0.1:0", &a), how = -1;
		pid_t pid = reader(fd); /* before the engine, whose descriptors it must not have */
		struct ctx_set *c = ctx_open(NULL, 2);
		struct t_link l = { .e = c->e };

		close(fd);
		t_end_init(&l.client, 1, 0, 0, 0);
		weir_addr_format(&a.sa, text, sizeof text);
		assert_int_equal(
			weir_connect(c->e, text, l.client.ops, &l.client, &so, &l.client.s, NULL),
			0);
		if (i)
			t_until(c->e, l.client.connected);
		fill_up(c, &l, 0);
		ctx_send_stream(c, 1, &l.client, 100, 0);
		for (unsigned n = t_rand_below(3); n; n--)
			t_step(c->e, 200);
		ctx_drop(c);
		assert_int_equal(waitpid(pid, &how, 0), pid);
		assert_int_equal(how, 0);
	}
}

/* The same with a peer that does not read: no longer than for a close. */
static void engine_close_unread(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY,
				     .sndbuf_bytes = 1 << 20 };
	struct t_link l = { 0 };
	struct ctx_set *c;
	uint64_t from, queued;
	int fd;

	(void)state;
	if (parts_off())
		return;
	c = ctx_open(NULL, 2);
	c->may_fail = true;
	l.e = c->e;
	fd = ctx_raw_peer(c, &l.client, &so, 8192);
	fill_up(c, &l, 0);
	while (t_step(c->e, 5000) > 0)
		;
	queued = l.client.tx_queued;
	from = t_now_us();
	ctx_drop(c);
	assert_true(t_now_us() - from < CLOSE_WAIT_US + 3 * 1000000u * T_SLOW);
	assert_true(read_prefix(fd) <= queued);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(partial_sends),
		T_CASE(close_with_sends),
		T_CASE(shutdown_and_finish),
		T_CASE(reset_by_peer),
		T_CASE(refused),
		T_CASE(closed_window),
		T_CASE(engine_close),
		T_CASE(engine_close_unread),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
