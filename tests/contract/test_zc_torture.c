/* SPDX-License-Identifier: MIT */
/*
 * test_zc_torture.c - sends of every kind, contexts, flushes and closes, at any moment.
 *
 * Theory: each round draws an action and a socket to do it to: sends of random size by TCP
 * and UDP in random contexts, sends with tags, flushes, pauses, ends of every kind, new
 * connections.  Every generation, every tag and every byte is accounted for: model (test_ctx.h)
 * and ends (t_end.c) overwrite memory the moment it is free and fail where an event comes twice,
 * out of its turn or not at all.  In the end sends made equal sends ended, the ledger balances.
 * WEIR_TORTURE_SENDS (or the first argument) says how many sends; the seed is printed.
 *
 * Zerocopy: yes
 */
#include "test_zc.h"

#include <netinet/in.h>

#define LINKS 10
#define SENDS_IN_CHECK 200000u

struct conn {
	struct t_end end[2];
	bool open;
	uint64_t number; /* seeds of its contents */
};

static struct {
	struct ctx_set *c;
	struct t_acceptor acceptor[3];
	struct conn conns[LINKS];
	struct zc_rx rx, tx[2];
	uint32_t number;
	uint64_t sends, tags, connects, resets, closes, flushes;
} w;

static void on_sent(struct t_end *end, uint64_t tag, int res)
{
	(void)end;
	(void)tag;
	(void)res;
	w.tags++;
	w.sends++;
}

static void on_ended(struct t_end *end, int res)
{
	(void)res;
	if (t_rand_below(2))
		t_end_finish(end);
	else
		t_end_close(end);
}

static void end_init(struct conn *p, unsigned side)
{
	struct t_end *end = &p->end[side];
	uint64_t seed = 2 * p->number;

	t_end_init(end, seed + side, 1ull << 40, seed + !side, 1ull << 40);
	end->piece_max = t_rand_size(50000);
	end->in_flight_max = 1 + t_rand_below(16);
	end->on_sent = on_sent;
	end->on_ended = on_ended;
}

static void start(struct conn *p)
{
	static const unsigned flags[] = { 0, WEIR_SOCK_ZEROCOPY, WEIR_SOCK_ZEROCOPY,
					  WEIR_SOCK_PLAIN };
	struct weir_sock_opts so = { .size = sizeof so, .flags = flags[t_rand_below(4)] };
	struct t_acceptor *a = &w.acceptor[t_rand_below(T_COUNT(w.acceptor))];

	if (!t_rand_below(3))
		so.sndbuf_bytes = t_rand_size(100000);
	if (!t_rand_below(3))
		so.tx_queue_max = t_rand_size(64);
	p->number = ++w.connects;
	end_init(p, 0);
	end_init(p, 1);
	p->open = true;
	t_end_connect(&p->end[0], w.c->e, a, &so);
}

/* Which connection does an accepted socket belong to?  The client's address says. */
static void accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct weir_addr peer, local;

	(void)listener;
	(void)user;
	memset(&peer, 0, sizeof peer);
	for (unsigned i = 0; !weir_sock_peer(s, &peer) && i < LINKS; i++) {
		struct conn *p = &w.conns[i];

		memset(&local, 0, sizeof local);
		if (!p->end[0].s || p->end[0].close_called || p->end[1].s ||
		    weir_sock_local(p->end[0].s, &local) || local.len != peer.len ||
		    memcmp(&local.storage, &peer.storage, local.len))
			continue;
		t_end_take(&p->end[1], s);
		return;
	}
	weir_sock_set_ops(s, NULL, NULL); /* its client is closed already */
	weir_sock_close(s);
}

static void listener_closed(struct weir_sock *s, void *user)
{
	(void)s;
	((struct t_acceptor *)user)->closed = true;
}

static const struct weir_sock_ops listener_ops = {
	.accepted = accepted,
	.closed = listener_closed,
};

static bool finished(const struct conn *p)
{
	return (!p->end[0].s || p->end[0].closed) && (!p->end[1].s || p->end[1].closed);
}

static void reset(struct t_end *end)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };
	int fd = weir_sock_fd(end->s);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none))
		return;
	w.resets++;
	t_end_close(end);
}

static void send_in_context(struct t_end *end)
{
	unsigned flags = ctx_any_flags(true);

	if (w.c->unreleased > 2000)
		ctx_flush_any(w.c);
	if (end->broken || end->shut || w.c->unreleased > 3000)
		return;
	if (!t_rand_below(8))
		flags |= WEIR_SEND_FLUSH;
	if (!t_rand_below(8))
		flags |= WEIR_SEND_MORE;
	for (unsigned n = 1 + t_rand_below(6); n; n--)
		if (ctx_send_stream(w.c, t_rand_below(w.c->count), end,
				    t_rand_size(t_rand_below(16) ? 5000 : 100000), flags))
			return;
		else
			w.sends++;
}

static void send_dgrams(void)
{
	struct zc_rx *tx = &w.tx[t_rand_below(2)];

	for (unsigned n = 1 + t_rand_below(8); n; n--) {
		size_t len = t_rand_size(t_rand_below(16) ? 2000 : 60000);
		uint32_t segment = t_rand_below(4) ? 0 : 100 + t_rand_below(1000);

		if (!zc_rx_room(&w.rx, segment ? 1 + len / segment : 1, len))
			return;
		assert_int_equal(ctx_send_dgram(w.c, t_rand_below(w.c->count), tx->s, &w.rx, NULL,
						&w.number, len, segment, ctx_any_flags(true)),
				 0);
		w.sends++;
	}
}

static void flush_some(void)
{
	unsigned i = t_rand_below(w.c->count);

	if (w.c->one[i].open - w.c->one[i].seen > WEIR_CTX_GENERATIONS_MAX - 10)
		return;
	ctx_flush(w.c, i);
	w.flushes++;
}

static void act(struct conn *p)
{
	struct t_end *end = &p->end[t_rand_below(2)];
	unsigned what = t_rand_below(400);

	if (what < 40)
		flush_some();
	else if (what < 80)
		send_dgrams();
	if (!p->open || !end->s || end->close_called)
		return;
	switch (what) {
	case 80:
		w.closes++;
		t_end_close(end);
		break;
	case 81:
		t_end_finish(end);
		break;
	case 82:
		reset(end);
		break;
	case 83:
		if (!end->shut && end->connected && !end->broken) {
			end->shut = true;
			end->tx_total = end->tx_queued;
			(void)weir_sock_shutdown(end->s);
		}
		break;
	case 84 ... 100:
		weir_sock_pause(end->s);
		break;
	case 101 ... 150:
		weir_sock_resume(end->s);
		break;
	case 151 ... 200:
		t_end_pump(end);
		break;
	default:
		if (end->connected)
			send_in_context(end);
	}
}

static void open_all(unsigned contexts)
{
	static const char *const locals[] = { "127.0.0.1:0", "[::1]:0", "127.0.0.1:0" };
	char text[128];

	memset(&w, 0, sizeof w);
	w.c = ctx_open(NULL, contexts);
	w.c->may_fail = true;
	for (unsigned i = 0; i < T_COUNT(w.acceptor); i++) {
		w.acceptor[i].ops = &listener_ops;
		assert_int_equal(weir_listen(w.c->e, locals[i], &listener_ops, &w.acceptor[i], NULL,
					     &w.acceptor[i].s, NULL),
				 0);
	}
	zc_udp_open(&w.rx, w.c->e, locals[0], NULL, 0);
	t_local_text(w.rx.s, text, sizeof text);
	zc_udp_open(&w.tx[0], w.c->e, NULL, text, WEIR_SOCK_ZEROCOPY);
	zc_udp_open(&w.tx[1], w.c->e, NULL, text, 0);
}

static void close_all(void)
{
	struct weir_engine_stats st;

	for (unsigned i = 0; i < LINKS; i++)
		for (int side = 0; side < 2; side++)
			if (w.conns[i].open && w.conns[i].end[side].s)
				t_end_close(&w.conns[i].end[side]);
	for (unsigned i = 0; i < LINKS; i++)
		if (w.conns[i].open)
			t_until(w.c->e, finished(&w.conns[i]));
	for (unsigned i = 0; i < T_COUNT(w.acceptor); i++) {
		weir_sock_close(w.acceptor[i].s);
		t_until(w.c->e, w.acceptor[i].closed);
	}
	t_until(w.c->e, w.rx.count == w.rx.sent);
	ctx_unregister(w.c);
	zc_udp_close(w.c->e, &w.rx);
	zc_udp_close(w.c->e, &w.tx[0]);
	zc_udp_close(w.c->e, &w.tx[1]);
	weir_engine_get_stats(w.c->e, &st);
	assert_int_equal(st.tx_unreleased, 0);
	ctx_expect_zerocopy(w.c->e, true);
	fprintf(stderr, "%llu sends (%llu with tags), %llu generations (%llu failed, %llu empty)\n",
		(unsigned long long)w.sends, (unsigned long long)w.tags,
		(unsigned long long)w.c->events, (unsigned long long)w.c->failed,
		(unsigned long long)w.c->empty);
	fprintf(stderr, "%llu connections, %llu resets, %llu closes, %llu flushes\n",
		(unsigned long long)w.connects, (unsigned long long)w.resets,
		(unsigned long long)w.closes, (unsigned long long)w.flushes);
	fprintf(stderr, "%llu requests without a copy, %llu copied, %llu refused\n",
		(unsigned long long)st.tx_zc_requests, (unsigned long long)st.tx_zc_copied,
		(unsigned long long)st.tx_zc_refused);
	ctx_close(w.c);
}

static uint64_t sends_wanted;

static void torture(void **state)
{
	static const unsigned contexts[] = { 1, 16, WEIR_CTX_MAX };
	uint64_t done = 0, each;

	(void)state;
	/* Engine after engine: a soak is many runs, each with another number of contexts. */
	each = sends_wanted / 3 < 200000 ? sends_wanted / 3 + 1 : 200000;
	for (unsigned run = 0; done < sends_wanted; run++) {
		alarm((unsigned)T_DEADLINE_MS / 1000 * T_SLOW * 4);
		open_all(contexts[run % T_COUNT(contexts)]);
		while (w.sends < each) {
			struct conn *p = &w.conns[t_rand_below(LINKS)];

			if (!p->open || (finished(p) && !t_rand_below(4)))
				start(p);
			for (unsigned n = 1 + t_rand_below(30); n; n--)
				act(&w.conns[t_rand_below(LINKS)]);
			t_step(w.c->e, t_rand_below(50) ? 0 : 1000);
		}
		done += w.sends;
		close_all();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest cases[] = {
		T_CASE(torture),
	};
	const char *wanted = argc > 1 ? argv[1] : getenv("WEIR_TORTURE_SENDS");

	sends_wanted = wanted	  ? strtoull(wanted, NULL, 0) :
		       t_faulty() ? SENDS_IN_CHECK / 4 :
				    SENDS_IN_CHECK;
	return cmocka_run_group_tests(cases, NULL, NULL);
}
