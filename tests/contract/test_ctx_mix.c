/* SPDX-License-Identifier: MIT */
/*
 * test_ctx_mix.c - generations shared by sockets of several kinds; memory overwritten at once.
 *
 * Theory: sends of random sizes go by TCP, UNIX and UDP in random contexts, with copies and
 * without.  The model overwrites the memory of a generation the moment that it is reported; the
 * receivers check every byte.  On TCP over loopback what a closed window holds back lies in the
 * sender's own pages until it is acknowledged, so that a release which came too early is seen:
 * the case overwritten_early proves that by doing it on purpose.
 *
 * Zerocopy: yes
 */
#include "test_zc.h"

#define TCP_LINKS 4
#define LINKS (TCP_LINKS + 1)
#define LINK_BYTES (t_faulty() ? 300000u : 1500000u)

struct mix {
	struct ctx_set *c;
	struct t_link links[LINKS];
	struct zc_rx rx[2], tx[2];
	struct weir_addr to[2];
	uint32_t number;
	unsigned copy_percent;
};

static void mix_open(struct mix *x, unsigned contexts, unsigned sock_flags)
{
	static const char *const locals[] = { "127.0.0.1:0", "[::1]:0" };
	struct weir_sock_opts so = { .size = sizeof so, .flags = sock_flags };
	char text[128];

	memset(x, 0, sizeof *x);
	x->c = ctx_open(NULL, contexts);
	for (unsigned i = 0; i < LINKS; i++) {
		so.tx_queue_max = i ? 0 : 32;
		ctx_link(x->c, &x->links[i], 1 + i, LINK_BYTES,
			 i == TCP_LINKS ? t_unix() : locals[i % 2], &so);
	}
	for (unsigned i = 0; i < 2; i++) {
		zc_udp_open(&x->rx[i], x->c->e, locals[i], NULL, sock_flags);
		x->to[i] = t_local(x->rx[i].s);
		t_local_text(x->rx[i].s, text, sizeof text);
		zc_udp_open(&x->tx[i], x->c->e, NULL, text, sock_flags);
	}
}

static void send_udp(struct mix *x, unsigned ctx, unsigned flags)
{
	unsigned i = t_rand_below(2);
	size_t len = t_rand_size(t_rand_below(8) ? 3000 : DGRAM_MAX) - 1;
	uint32_t segment = len && !t_rand_below(4) ? 500 + t_rand_below(1000) : 0;
	int ret;

	if (!zc_rx_room(&x->rx[i], segment ? 1 + len / segment : 1, len))
		return;
	ret = ctx_send_dgram(x->c, ctx, x->tx[i].s, &x->rx[i],
			     t_rand_below(2) ? &x->to[i].sa : NULL, &x->number, len, segment,
			     flags);
	assert_int_equal(ret, 0);
}

static void send_stream(struct mix *x, struct t_link *l, unsigned ctx, unsigned flags)
{
	uint64_t left = LINK_BYTES - l->client.tx_queued;
	size_t len = t_rand_size(200000);

	if (!left)
		return;
	if (!t_rand_below(3))
		flags |= WEIR_SEND_MORE;
	if (len >= left) {
		len = left;
		flags &= ~WEIR_SEND_MORE;
	}
	(void)ctx_send_stream(x->c, ctx, &l->client, len, flags);
}

static bool mix_fed(const struct mix *x)
{
	for (unsigned i = 0; i < LINKS; i++)
		if (x->links[i].client.tx_queued < LINK_BYTES)
			return false;
	return true;
}

static bool mix_arrived(const struct mix *x)
{
	for (unsigned i = 0; i < LINKS; i++)
		if (x->links[i].server.rx_bytes < LINK_BYTES)
			return false;
	return x->rx[0].count == x->rx[0].sent && x->rx[1].count == x->rx[1].sent;
}

static void mix_act(struct mix *x)
{
	unsigned ctx = t_rand_below(t_rand_below(4) ? x->c->count : 2);
	struct t_link *l = &x->links[t_rand_below(LINKS)];
	unsigned flags = ctx_any_flags(t_rand_below(100) < x->copy_percent);

	if (!t_rand_below(4))
		flags |= WEIR_SEND_FLUSH;
	switch (t_rand_below(16)) {
	case 0:
		ctx_flush(x->c, ctx);
		break;
	case 1:
		weir_sock_pause(l->server.s);
		break;
	case 2 ... 3:
		weir_sock_resume(l->server.s);
		break;
	case 4 ... 7:
		send_udp(x, ctx, flags);
		break;
	default:
		/* A reader that has stopped gets no more than a little. */
		if (x->c->unreleased < 400)
			send_stream(x, l, ctx, flags);
		else
			ctx_flush_any(x->c);
	}
}

static void mix_run(struct mix *x)
{
	while (!mix_fed(x)) {
		for (unsigned n = 1 + t_rand_below(12); n; n--)
			mix_act(x);
		t_step(x->c->e, t_rand_below(8) ? 0 : 500);
	}
	for (unsigned i = 0; i < LINKS; i++)
		weir_sock_resume(x->links[i].server.s);
	for (unsigned i = 0; i < x->c->count; i++)
		if (x->c->one[i].has_sends)
			ctx_flush(x->c, i);
	t_until(x->c->e, ctx_all_seen(x->c) && mix_arrived(x));
	assert_int_equal(x->c->unreleased, 0);
	assert_int_equal(x->rx[0].errors + x->rx[1].errors + x->tx[0].errors + x->tx[1].errors, 0);
}

static void mix_close(struct mix *x)
{
	struct weir_engine_stats st;

	weir_engine_get_stats(x->c->e, &st);
	assert_int_equal(st.tx_unreleased, 0);
	assert_int_equal(st.tx_bytes, x->c->bytes);
	for (unsigned i = 0; i < LINKS; i++)
		ctx_unlink(&x->links[i]);
	for (unsigned i = 0; i < 2; i++) {
		zc_udp_close(x->c->e, &x->rx[i]);
		zc_udp_close(x->c->e, &x->tx[i]);
	}
	ctx_close(x->c);
}

static void few_contexts(void **state)
{
	struct mix x;

	(void)state;
	mix_open(&x, 3, 0);
	x.copy_percent = 20;
	mix_run(&x);
	ctx_expect_zerocopy(x.c->e, true);
	mix_close(&x);
}

static void all_contexts(void **state)
{
	struct mix x;

	(void)state;
	mix_open(&x, WEIR_CTX_MAX, WEIR_SOCK_ZEROCOPY);
	mix_run(&x);
	mix_close(&x);
}

/* Whatever the engine's setting: the sockets say no, and so does each call. */
static void all_plain(void **state)
{
	struct mix x;

	(void)state;
	mix_open(&x, 4, WEIR_SOCK_PLAIN);
	x.c->all_plain = true;
	for (unsigned i = 0; i < LINKS; i++) {
		assert_int_equal(ctx_send_stream(x.c, 0, &x.links[i].client, LINK_BYTES / 2, 0), 0);
		assert_int_equal(ctx_send_stream(x.c, 1, &x.links[i].client,
						 LINK_BYTES - LINK_BYTES / 2, WEIR_SEND_PLAIN),
				 0);
	}
	for (unsigned i = 0; i < 20; i++)
		send_udp(&x, 2, i % 2 ? WEIR_SEND_PLAIN : 0);
	mix_run(&x);
	ctx_expect_zerocopy(x.c->e, false);
	assert_int_equal(x.c->copied, x.c->bytes);
	mix_close(&x);
}

/* A reader that stops and goes on: the rest waits in the sender's own memory. */
static void slow_reader(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY,
				     .sndbuf_bytes = 1 << 20,
				     .rcvbuf_bytes = 32768 };
	struct ctx_set *c = ctx_open(NULL, 4);
	uint64_t total = t_faulty() ? 2 * MIB : 6 * MIB;
	struct t_link l;

	(void)state;
	ctx_link(c, &l, 1, total, "127.0.0.1:0", &so);
	while (l.server.rx_bytes < total) {
		uint64_t left = total - l.client.tx_queued;
		size_t len = t_rand_size(400000);

		if (left && c->unreleased < 24)
			ctx_send_stream(c, t_rand_below(4), &l.client, len < left ? len : left,
					t_rand_below(3) ? 0 : WEIR_SEND_FLUSH);
		else
			ctx_flush_any(c);
		if (t_rand_below(3))
			weir_sock_pause(l.server.s);
		else
			weir_sock_resume(l.server.s);
		t_step(c->e, t_rand_below(20) ? 0 : 300);
	}
	weir_sock_resume(l.server.s);
	ctx_unregister(c);
	ctx_unlink(&l);
	ctx_expect_zerocopy(c->e, true);
	ctx_close(c);
}

/* Bytes in front that are the stream's own; the rest was overwritten by 0xdd. */
static size_t bytes_right(const unsigned char *data, size_t len)
{
	const unsigned char *want = t_pattern(1, 0);
	size_t n = 0;

	while (n < len && data[n] == want[n])
		n++;
	return n;
}

/*
 * The proof that the checks above can fail: memory that is still in use is overwritten, and the
 * receiver sees it.
 */
static void overwritten_early(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY,
				     .sndbuf_bytes = 1 << 20 };
	struct ctx_set *c = ctx_open(NULL, 1);
	size_t len = 150000, got = 0;
	unsigned char *seen = calloc(1, len);
	struct ctx_mem *m = ctx_mem_new(len);
	struct weir_engine_stats st;
	struct t_end end;
	ssize_t n;
	int fd;

	(void)state;
	assert_non_null(seen);
	fd = ctx_raw_peer(c, &end, &so, 32768);
	t_pattern_fill(m->data, 1, 0, len);
	assert_int_equal(ctx_send(c, 0, end.s, m, WEIR_SEND_FLUSH), 0);
	do {
		t_step(c->e, 5000);
		weir_engine_get_stats(c->e, &st);
		t_note("%llu bytes taken", (unsigned long long)st.tx_bytes);
	} while (st.tx_bytes < len && !t_faulty());
	if (st.tx_unreleased) {
		assert_int_equal(c->events, 0);
		memset(m->data, 0xdd, len);
	}
	while (got < len) {
		n = recv(fd, seen + got, len - got, MSG_DONTWAIT);
		t_note("%zu bytes arrived, %d", got, (int)n);
		if (n > 0)
			got += n;
		else
			t_step(c->e, 1000);
	}
	n = bytes_right(seen, len);
	if (st.tx_unreleased)
		assert_true((size_t)n < len);
	else
		assert_int_equal(n, len);
	if (!t_faulty())
		assert_int_equal(st.tx_unreleased > 0, !t_without("zc"));
	t_until(c->e, ctx_all_seen(c));
	t_end_close(&end);
	t_until(c->e, end.closed);
	close(fd);
	free(seen);
	ctx_close(c);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(few_contexts), T_CASE(all_contexts),	 T_CASE(all_plain),
		T_CASE(slow_reader),  T_CASE(overwritten_early),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
