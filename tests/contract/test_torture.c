/* SPDX-License-Identifier: MIT */
/*
 * test_torture.c - many connections, every call at any moment.
 *
 * Theory: each round draws an action (connect, send, pause, resume, shut down, finish, close,
 * reset by the peer, hold, release, new listener) and a connection to do it to, inside callbacks
 * and outside.  Nothing but the rules of t_end.c is checked, which is enough: content in order,
 * each tag once, no event after a close, CLOSED at the end, a ledger that balances, no leak.
 *
 * Parts: yes
 * Zerocopy: always
 */
#include "t_end.h"

#include <netinet/in.h>

#define PAIRS 24
#define HELD 256

struct pair {
	struct t_end end[2];
	bool open;
};

static struct {
	struct weir_engine *e;
	struct t_acceptor acceptor;
	struct pair pairs[PAIRS];
	struct weir_slice held[HELD];
	unsigned held_count;
	unsigned actions, connects, resets;
} w;

static void act(struct pair *p);

static void release_some(unsigned keep)
{
	while (w.held_count > keep) {
		unsigned i = t_rand_below(w.held_count);

		assert_int_equal(weir_slice_release(&w.held[i]), 0);
		w.held[i] = w.held[--w.held_count];
	}
}

static void on_received(struct t_end *end, struct weir_slice *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (t_rand_below(4) || w.held_count == HELD)
			continue;
		assert_int_equal(weir_slice_hold(&v[i]), 0);
		w.held[w.held_count++] = v[i];
	}
	if (!t_rand_below(8))
		act(end->test);
}

static void on_sent(struct t_end *end, uint64_t tag, int res)
{
	(void)tag;
	(void)res;
	if (!t_rand_below(8))
		act(end->test);
}

static void on_ended(struct t_end *end, int res)
{
	(void)res;
	if (t_rand_below(2))
		t_end_finish(end);
	else
		t_end_close(end);
}

static void end_new(struct pair *p, int side)
{
	struct t_end *end = &p->end[side];

	t_end_init(end, 1 + side, 1ull << 40, 2 - side, 1ull << 40);
	end->piece_max = t_rand_size(100000);
	end->in_flight_max = 1 + t_rand_below(20);
	end->on_received = on_received;
	end->on_sent = on_sent;
	end->on_ended = on_ended;
	end->test = p;
}

/* Which pair does an accepted socket belong to?  The client's port says. */
static void accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct weir_addr peer, local;

	(void)listener;
	(void)user;
	if (weir_sock_peer(s, &peer)) {
		weir_sock_set_ops(s, NULL, NULL);
		weir_sock_close(s); /* gone already */
		return;
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		struct pair *p = &w.pairs[i];

		if (!p->end[0].s || p->end[0].close_called || p->end[1].s ||
		    weir_sock_local(p->end[0].s, &local) ||
		    ((struct sockaddr_in *)&local.storage)->sin_port !=
			    ((struct sockaddr_in *)&peer.storage)->sin_port)
			continue;
		t_end_take(&p->end[1], s);
		return;
	}
	weir_sock_set_ops(s, NULL, NULL);
	weir_sock_close(s); /* its client is closed already */
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

static void start(struct pair *p)
{
	char text[128];

	end_new(p, 0);
	end_new(p, 1);
	p->open = true;
	w.connects++;
	t_local_text(w.acceptor.s, text, sizeof text);
	assert_int_equal(weir_connect(w.e, text, &t_end_ops, &p->end[0], NULL, &p->end[0].s, NULL),
			 0);
}

static void reset(struct t_end *end)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };
	int fd = weir_sock_fd(end->s);

	if (fd < 0)
		return;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	w.resets++;
	t_end_close(end);
}

static bool finished(const struct pair *p)
{
	return (!p->end[0].s || p->end[0].closed) && (!p->end[1].s || p->end[1].closed);
}

static void act(struct pair *p)
{
	struct t_end *end = &p->end[t_rand_below(2)];

	w.actions++;
	if (!p->open || !end->s || end->close_called)
		return;
	switch (t_rand_below(40)) {
	case 0:
		t_end_close(end);
		break;
	case 1:
		t_end_finish(end);
		break;
	case 2:
		reset(end);
		break;
	case 3:
		if (!end->shut && end->connected && !end->broken) {
			end->tx_total = end->tx_queued;
			end->shut = true;
			(void)weir_sock_shutdown(end->s);
		}
		break;
	case 4 ... 9:
		weir_sock_pause(end->s);
		break;
	case 10 ... 18:
		weir_sock_resume(end->s);
		break;
	case 19 ... 21:
		release_some(w.held_count / 2);
		break;
	default:
		t_end_pump(end);
	}
}

static void run(uint32_t area_bytes, uint32_t buffer_bytes, uint32_t spin_us)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = area_bytes,
				      .buffer_bytes = buffer_bytes,
				      .spin_us = spin_us };
	uint64_t end_us = t_now_us() + 150000ull * T_SLOW;

	memset(&w, 0, sizeof w);
	w.e = t_open(&o);
	w.acceptor.ops = &listener_ops;
	assert_int_equal(weir_listen(w.e, "127.0.0.1:0", &listener_ops, &w.acceptor, NULL,
				     &w.acceptor.s, NULL),
			 0);
	while (t_now_us() < end_us || w.actions <= 100) {
		struct pair *p = &w.pairs[t_rand_below(PAIRS)];

		if (!p->open || (finished(p) && t_rand_below(2)))
			start(p);
		act(p);
		if (t_step(w.e, t_rand_below(50) ? 0 : 1000) <= 0)
			release_some(t_rand_below(w.held_count + 1));
	}
	for (unsigned i = 0; i < PAIRS; i++)
		for (int side = 0; side < 2; side++)
			if (w.pairs[i].open && w.pairs[i].end[side].s)
				t_end_close(&w.pairs[i].end[side]);
	for (unsigned i = 0; i < PAIRS; i++)
		if (w.pairs[i].open)
			t_until(w.e, finished(&w.pairs[i]));
	weir_sock_close(w.acceptor.s);
	t_until(w.e, w.acceptor.closed);
	release_some(0);
	assert_true(w.connects > 0);
	t_close(w.e);
}

static void large_area(void **state)
{
	(void)state;
	run(0, 0, 0);
}

static void small_area(void **state)
{
	(void)state;
	run(256 << 10, 8 << 10, 0);
}

static void spinning(void **state)
{
	(void)state;
	run(1 << 20, 0, 100);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(large_area),
		T_CASE(small_area),
		T_CASE(spinning),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
