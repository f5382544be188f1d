/* SPDX-License-Identifier: MIT */
/*
 * test_zc.c - sends without a copy: who decides, what refuses it, sends without a context.
 *
 * Theory: the counters say which way a send went.  Memory of a send is overwritten and freed at its
 * event (t_end.c), so that one which came too early is seen at the receiver.  Sockets that know no
 * zero copy take the flag and copy.
 *
 * Zerocopy: yes
 */
#include "test_zc.h"
#include "t_echo.h"
#include "test_sctp.h"

#define ALL_CALLS (WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN | WEIR_SEND_COPY)

/* ---- events of sends without a context ---- */

static uint64_t last_tag;

static void in_order(struct t_end *end, uint64_t tag, int res)
{
	(void)end;
	assert_true(res > 0);
	assert_true(tag > last_tag);
	last_tag = tag;
}

static void sent_in_order(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_ZEROCOPY };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t total = t_faulty() ? MIB : 3 * MIB;
		struct t_link *l = t_link_new(NULL, total, i % 2 ? total : 0);

		so.sndbuf_bytes = i < 2 ? 0 : 1;
		l->client.on_sent = in_order;
		l->client.piece_max = i % 2 ? 3000 : 300000;
		l->client.in_flight_max = 1 + t_rand_below(T_SENDS);
		/* Who waits for a write that says "more follows" waits for 200 ms. */
		l->client.how &= ~T_SEND_MORE;
		l->server.how &= ~T_SEND_MORE;
		last_tag = 0;
		t_link_open(l, i % 2 ? "[::1]:0" : "127.0.0.1:0", &so);
		t_link_run(l);
		ctx_expect_zerocopy(l->e, true);
		t_link_close(l);
	}
}

/* ---- who decides ---- */

static void drain_sent(struct t_end *end, uint64_t tag, int res)
{
	(void)tag;
	assert_true(res > 0);
	(*(unsigned *)end->test)++;
}

/* Does a send of so many bytes go without a copy? */
static void one_way(const struct weir_engine_opts *o, unsigned sock_flags, unsigned call_flags,
		    bool expect)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = sock_flags };
	static unsigned char mem[100000];
	struct t_link *l = t_link_new(o, sizeof mem, 0);
	struct weir_sock_stats st;
	unsigned sent = 0;

	t_note("socket %x, call %x, expect %d", sock_flags, call_flags, expect);
	l->client.tx_total = 0;
	l->client.on_sent = drain_sent;
	l->client.test = &sent;
	t_link_open(l, "127.0.0.1:0", &so);
	t_pattern_fill(mem, 1, 0, sizeof mem);
	l->client.sends[0] = (struct t_send){ .tag = 1, .len = sizeof mem, .busy = true };
	l->client.in_flight = 1;
	assert_int_equal(weir_sock_send(l->client.s, mem, sizeof mem, call_flags, 1), 0);
	t_until(l->e, sent == 1 && l->server.rx_bytes == sizeof mem);
	weir_sock_get_stats(l->client.s, &st);
	assert_int_equal(st.tx_unreleased, 0);
	assert_true(st.tx_zc_copied_bytes <= st.tx_zc_bytes && st.tx_zc_bytes <= st.tx_bytes);
	ctx_expect_zerocopy(l->e, expect);
	if (!t_faulty())
		assert_int_equal(st.tx_zc_bytes, expect && !t_without("zc") ? sizeof mem : 0);
	l->client.tx_sent = 0;
	t_link_close(l);
}

/* The call says it, else the socket, else the engine. */
static void who_decides(void **state)
{
	static const unsigned calls[] = { 0, WEIR_SEND_ZEROCOPY, WEIR_SEND_PLAIN, WEIR_SEND_COPY };
	static const unsigned socks[] = { 0, WEIR_SOCK_ZEROCOPY, WEIR_SOCK_PLAIN };
	struct weir_engine_opts o = { .size = sizeof o };

	(void)state;
	for (unsigned engine = 0; engine < 2; engine++)
		for (unsigned sock = 0; sock < 3; sock++)
			for (unsigned call = 0; call < 4; call++) {
				bool expect = engine;

				o.zerocopy = engine ? WEIR_ZEROCOPY_ALWAYS : WEIR_ZEROCOPY_NEVER;
				if (sock)
					expect = sock == 1;
				if (call)
					expect = call == 1;
				one_way(&o, socks[sock], calls[call], expect);
			}
	o.without = WEIR_WITHOUT_ZC;
	one_way(&o, WEIR_SOCK_ZEROCOPY, WEIR_SEND_ZEROCOPY, false);
}

static void environment(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o };
	const char *old = getenv("WEIR_ZEROCOPY");
	char *kept = old ? strdup(old) : NULL;
	struct weir_error err = { 0 };
	struct weir_engine *e;

	(void)state;
	setenv("WEIR_ZEROCOPY", "always", 1);
	one_way(NULL, 0, 0, true);
	o.zerocopy = WEIR_ZEROCOPY_NEVER;
	one_way(&o, 0, 0, false);
	setenv("WEIR_ZEROCOPY", "never", 1);
	one_way(NULL, 0, 0, false);
	o.zerocopy = WEIR_ZEROCOPY_ALWAYS;
	one_way(&o, 0, 0, true);
	setenv("WEIR_ZEROCOPY", "auto", 1);
	t_close(t_open(NULL));
	setenv("WEIR_ZEROCOPY", "", 1);
	t_close(t_open(NULL));
	setenv("WEIR_ZEROCOPY", "sometimes", 1);
	t_expect(weir_engine_open(&e, NULL, &err), &err, -EINVAL);
	assert_non_null(strstr(err.hint, "always"));
	assert_non_null(strstr(err.hint, "never"));
	if (kept)
		setenv("WEIR_ZEROCOPY", kept, 1);
	else
		unsetenv("WEIR_ZEROCOPY");
	free(kept);
}

/* ---- bad flags and options ---- */

static void bad_flags(void **state)
{
	static const unsigned bad[] = { WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN,
					WEIR_SEND_ZEROCOPY | WEIR_SEND_COPY, ALL_CALLS,
					WEIR_SEND_FLUSH, WEIR_SEND_FLUSH | WEIR_SEND_ZEROCOPY };
	struct t_link *l = t_link_new(NULL, 0, 0);
	char x = 'x';
	struct iovec iov = { &x, 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct weir_sock *udp;

	(void)state;
	t_link_open(l, "127.0.0.1:0", NULL);
	assert_int_equal(weir_udp_open(l->e, "127.0.0.1:0", NULL, NULL, NULL, &udp, NULL), 0);
	for (unsigned i = 0; i < T_COUNT(bad); i++) {
		struct weir_sock *s = l->client.s;

		assert_int_equal(weir_sock_send(s, "x", 1, bad[i], 1), -EINVAL);
		assert_int_equal(weir_sock_sendv(s, &iov, 1, bad[i], 1), -EINVAL);
		assert_int_equal(
			weir_sock_sendto(udp, "x", 1, 0, (struct sockaddr *)&to, bad[i], 1),
			-EINVAL);
	}
	weir_sock_close(udp);
	t_step_idle(l->e);
	t_link_close(l);
}

static void bad_options(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_ZEROCOPY | WEIR_SOCK_PLAIN };
	struct weir_engine_opts o = { .size = sizeof o };
	struct weir_engine *e = t_open(NULL), *none;
	struct weir_error err = { 0 };

	(void)state;
	t_expect(weir_listen(e, "127.0.0.1:0", NULL, NULL, &so, NULL, &err), &err, -EINVAL);
	t_expect(weir_connect(e, "127.0.0.1:9", NULL, NULL, &so, NULL, &err), &err, -EINVAL);
	t_expect(weir_udp_open(e, "127.0.0.1:0", NULL, NULL, &so, NULL, &err), &err, -EINVAL);
	t_close(e);
	o.zerocopy = WEIR_ZEROCOPY_ALWAYS + 1;
	t_expect(weir_engine_open(&none, &o, &err), &err, -EINVAL);
	o.zerocopy = WEIR_ZEROCOPY_ALWAYS;
	o.reserved2 = 1;
	t_expect(weir_engine_open(&none, &o, &err), &err, -EINVAL);
	/* An older, shorter structure has no such field. */
	o.size = offsetof(struct weir_engine_opts, zerocopy);
	e = t_open(&o);
	t_close(e);
}

/* ---- sockets that do not know zero copy ---- */

static void unix_copies(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_ZEROCOPY };
	struct ctx_set *c = ctx_open(NULL, 2);
	struct weir_sock_stats st;
	struct t_link l;

	(void)state;
	ctx_link(c, &l, 1, MIB, t_unix(), &so);
	while (l.client.tx_queued < MIB) {
		size_t left = MIB - l.client.tx_queued, len = t_rand_size(100000);

		ctx_send_stream(c, t_rand_below(2), &l.client, len < left ? len : left,
				ctx_any_flags(true) | (t_rand_below(2) ? WEIR_SEND_FLUSH : 0));
		t_step(c->e, 0);
	}
	t_until(c->e, l.server.rx_bytes == MIB);
	ctx_unregister(c);
	weir_sock_get_stats(l.client.s, &st);
	assert_int_equal(st.tx_bytes, MIB);
	assert_int_equal(st.tx_zc_bytes, st.tx_zc_copied_bytes);
	assert_int_equal(c->copied, MIB);
	ctx_unlink(&l);
	ctx_close(c);
}

static struct {
	struct weir_sock *s;
	unsigned sent, closed;
} sc;

static void sctp_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	(void)s;
	(void)user;
	sc.sent++;
	assert_int_equal(tag, sc.sent);
	assert_int_equal(res, 1000);
}

static void sctp_closed(struct weir_sock *s, void *user)
{
	(void)s;
	(void)user;
	sc.closed++;
}

static const struct weir_sock_ops sctp_ops = { .sent = sctp_sent, .closed = sctp_closed };

static void sctp_copies(void **state)
{
	static const struct t_user user = { &sctp_ops };
	struct weir_sock_opts so = sctp;
	struct sockaddr_in a;
	struct weir_engine *e;
	char text[64], mem[1000];
	int l, fd;

	(void)state;
	if (!have_sctp())
		return;
	e = t_open(NULL);
	memset(&sc, 0, sizeof sc);
	so.flags |= WEIR_SOCK_ZEROCOPY;
	l = raw_sctp(SOCK_STREAM);
	raw_loopback(l, &a);
	snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(
		weir_connect(e, text, &sctp_ops, (void *)(uintptr_t)&user, &so, &sc.s, NULL), 0);
	for (unsigned i = 0; i < 20; i++) {
		fill(mem, i, sizeof mem);
		assert_int_equal(weir_sock_send(sc.s, mem, sizeof mem,
						i % 2 ? WEIR_SEND_ZEROCOPY : 0, i + 1),
				 0);
		t_until(e, sc.sent == i + 1);
	}
	t_raw_nonblock(l, true);
	fd = t_raw_accept(l);
	raw_receive(fd, 20);
	weir_sock_close(sc.s);
	t_until(e, sc.closed);
	close(fd);
	close(l);
	t_close(e);
}

/* ---- what was received goes on without a copy ---- */

static void echo(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 1 << 20,
				      .buffer_bytes = 32 << 10 };
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_ZEROCOPY };
	uint64_t total = t_faulty() ? MIB : 4 * MIB;
	struct weir_engine *e = t_open(&o);
	struct t_echo echo;
	struct t_end end;
	char text[128];

	(void)state;
	t_echo_open(&echo, e, "127.0.0.1:0", &so);
	t_end_init(&end, 1, total, 1, total);
	end.piece_max = 200000;
	t_local_text(echo.listener, text, sizeof text);
	assert_int_equal(weir_connect(e, text, end.ops, &end, &so, &end.s, NULL), 0);
	t_until(e, t_end_complete(&end));
	t_end_close(&end);
	t_until(e, end.closed);
	assert_true(echo.by_slice > 0);
	ctx_expect_zerocopy(e, true);
	t_echo_close(&echo);
	t_close(e);
}

static void echo_dgrams(void **state)
{
	struct ctx_set *c = ctx_open(NULL, 1);
	struct zc_rx back, far;
	char text[128];
	uint32_t number = 0;

	(void)state;
	zc_udp_open(&far, c->e, "127.0.0.1:0", NULL, 0);
	t_local_text(far.s, text, sizeof text);
	zc_udp_open(&back, c->e, NULL, text, 0);
	far.echo = true;
	far.echo_flags = WEIR_SEND_ZEROCOPY;
	for (unsigned i = 0; i < 200; i++) {
		size_t len = t_rand_size(i % 8 ? 3000 : 60000);

		t_until(c->e, back.count == far.sent || zc_rx_room(&far, 1, len));
		assert_int_equal(ctx_send_dgram(c, 0, back.s, &far, NULL, &number, len, 0,
						WEIR_SEND_ZEROCOPY | WEIR_SEND_FLUSH),
				 0);
		back.sent++;
		t_until(c->e, back.count == back.sent); /* one way at a time: nothing is lost */
	}
	assert_int_equal(far.echoed, 200);
	zc_udp_close(c->e, &far);
	zc_udp_close(c->e, &back);
	ctx_expect_zerocopy(c->e, true);
	ctx_close(c);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(sent_in_order), T_CASE(who_decides), T_CASE(environment),
		T_CASE(bad_flags),     T_CASE(bad_options), T_CASE(unix_copies),
		T_CASE(sctp_copies),   T_CASE(echo),	    T_CASE(echo_dgrams),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
