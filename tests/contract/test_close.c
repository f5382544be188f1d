/* SPDX-License-Identifier: MIT */
/*
 * test_close.c - the end of streams and of sockets: shutdown, finish, close, reset, engine close.
 *
 * Theory: after a close only SENT and CLOSED come, CLOSED last, each tag exactly once; t_end.c
 * checks that at every event.  A finish sends what is queued first; a shutdown ends one direction.
 *
 * Parts: yes
 * Zerocopy: always
 */
#include "t_end.h"

#include <netinet/in.h>

#define MIB (1u << 20)

static const char *address(unsigned i)
{
	static const char *const inet[] = { "127.0.0.1:0", "[::1]:0" };

	return i % 3 < 2 ? inet[i % 3] : t_unix();
}

/* Data after the other side's end of stream. */
static void half_close(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct t_link *l = t_link_new(NULL, MIB, MIB);

		l->client.shutdown_after = true;
		l->server.tx_total = 0; /* for now */
		t_link_open(l, address(i), NULL);
		t_until(l->e, l->server.ended);
		assert_int_equal(l->server.end_res, 0);
		assert_int_equal(l->server.rx_bytes, MIB);
		assert_int_equal(weir_sock_send(l->client.s, "x", 1, 0, 1), -EPIPE);
		l->server.tx_total = MIB;
		l->server.shutdown_after = true;
		t_end_pump(&l->server);
		t_until(l->e, l->client.ended);
		assert_int_equal(l->client.end_res, 0);
		t_link_run(l);
		t_link_close(l);
	}
}

/* A shutdown before the connection is there takes its turn after the queue. */
static void shutdown_before_connected(void **state)
{
	struct t_link *l = t_link_new(NULL, 30000, 0);

	(void)state;
	l->client.shutdown_after = true;
	t_acceptor_open(&l->acceptor, l->e, address(0), NULL, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	l->client.in_flight_max = T_SENDS;
	l->client.piece_max = 30000;
	while (l->client.tx_queued < 30000 && l->client.in_flight < T_SENDS)
		t_end_pump(&l->client);
	t_until(l->e, l->server.ended);
	assert_int_equal(l->server.rx_bytes, 30000);
	t_link_run(l);
	t_link_close(l);
}

/* Finish: all that is queued arrives, then the end of stream. */
static void finish_with_queue(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct t_link *l = t_link_new(NULL, 4 * MIB, 0);

		l->client.in_flight_max = T_SENDS;
		l->client.piece_max = MIB;
		t_link_open(l, address(i), NULL);
		t_until(l->e, l->client.tx_queued == l->client.tx_total);
		t_end_finish(&l->client);
		weir_sock_finish(l->client.s);
		assert_int_equal(weir_sock_send(l->client.s, "x", 1, 0, 1), -EPIPE);
		t_until(l->e, l->server.ended);
		assert_int_equal(l->server.end_res, 0);
		t_end_close(&l->server);
		t_until(l->e, l->client.closed && l->server.closed);
		assert_int_equal(l->server.rx_bytes, 4 * MIB);
		assert_int_equal(l->client.tx_sent, 4 * MIB);
		assert_int_equal(l->client.canceled, 0);
		t_link_close(l);
	}
}

/* The peer reads and never closes: finish does not wait for it for ever. */
static void finish_with_lasting_peer(void **state)
{
	struct t_link *l;
	uint64_t from;

	(void)state;
	if (getenv("WEIR_WITHOUT") || getenv("WEIR_SPIN_US"))
		return; /* it takes two seconds, and no part has to do with it */
	l = t_link_new(NULL, 100000, 0);
	t_link_open(l, address(0), NULL);
	t_link_run(l);
	t_end_finish(&l->client);
	from = t_now_us();
	t_until(l->e, l->server.ended);
	assert_int_equal(l->server.end_res, 0);
	t_until(l->e, l->client.closed);
	assert_true(t_now_us() - from < 5000000);
	t_link_close(l);
}

/* The peer does not read: finish waits, close ends it and every tag comes back. */
static void finish_then_close(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .sndbuf_bytes = 8192,
				     .rcvbuf_bytes = 8192 };
	struct t_link *l = t_link_new(NULL, 64 * MIB, 0);

	(void)state;
	l->client.piece_max = MIB;
	l->client.how = T_SEND_OWN;
	t_link_open(l, address(0), &so);
	weir_sock_pause(l->server.s);
	t_until(l->e, l->client.in_flight == l->client.in_flight_max);
	while (t_step(l->e, 5000) > 0)
		;
	t_end_finish(&l->client);
	while (t_step(l->e, 5000) > 0)
		;
	assert_false(l->client.closed);
	weir_sock_close(l->client.s);
	t_until(l->e, l->client.closed);
	assert_true(l->client.canceled > 0);
	t_link_close(l);
}

/* Close with sends in flight, at random moments. */
static void close_with_sends(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++) {
		struct t_link *l = t_link_new(NULL, 64 * MIB, 64 * MIB);
		uint64_t until;

		l->client.piece_max = t_rand_size(MIB);
		until = t_rand_below(l->client.piece_max < MIB / 40 ? 40 * l->client.piece_max :
								      MIB);
		l->server.piece_max = t_rand_size(MIB);
		l->client.in_flight_max = 1 + t_rand_below(T_SENDS);
		l->server.in_flight_max = 1 + t_rand_below(T_SENDS);
		t_link_open(l, address(i), NULL);
		t_until(l->e, l->server.rx_bytes >= until);
		t_end_close(&l->client);
		weir_sock_close(l->client.s);
		weir_sock_finish(l->client.s);
		assert_int_equal(weir_sock_fd(l->client.s), -1);
		assert_int_equal(weir_sock_send(l->client.s, "x", 1, 0, 9999999), -EPIPE);
		t_until(l->e, l->client.closed);
		/* The other side: broken, ended or reset, and its tags come back, too. */
		t_until(l->e, l->server.ended);
		t_end_close(&l->server);
		t_until(l->e, l->server.closed);
		t_link_close(l);
	}
}

static void close_before_connected(void **state)
{
	struct t_link *l = t_link_new(NULL, 1000, 0);

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, address(0), NULL, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	t_end_pump(&l->client);
	t_end_close(&l->client);
	t_until(l->e, l->client.closed);
	t_step_idle(l->e);
	t_link_close(l);
	weir_sock_close(NULL);
	weir_sock_finish(NULL);
	weir_engine_close(NULL);
}

/* Sockets that never saw an event. */
static void close_at_once(void **state)
{
	struct weir_engine *e = t_open(NULL);

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct t_acceptor a;
		struct t_end ends[3];

		for (int j = 0; j < 3; j++)
			t_end_init(&ends[j], 0, 0, 0, 0);
		t_acceptor_open(&a, e, address(i), NULL, ends, 1);
		t_end_connect(&ends[1], e, &a, NULL);
		t_end_connect(&ends[2], e, &a, NULL);
		weir_sock_close(a.s);
		t_end_close(&ends[1]);
		t_end_close(&ends[2]);
		t_until(e, a.closed && ends[1].closed && ends[2].closed);
		assert_int_equal(a.taken, 0);
	}
	t_close(e);
}

/* The listener goes, what it accepted stays. */
static void listener_closed_first(void **state)
{
	struct t_link *l = t_link_new(NULL, MIB, MIB);
	struct weir_error err = { 0 };
	struct t_end late;
	char text[128];

	(void)state;
	t_end_init(&late, 0, 0, 0, 0);
	t_link_open(l, address(0), NULL);
	t_local_text(l->acceptor.s, text, sizeof text);
	weir_sock_close(l->acceptor.s);
	t_until(l->e, l->acceptor.closed);
	t_link_run(l);
	assert_int_equal(weir_connect(l->e, text, &t_end_ops, &late, NULL, &late.s, &err), 0);
	t_until(l->e, late.connected);
	assert_int_equal(late.connect_res, -ECONNREFUSED);
	t_end_close(&late);
	t_until(l->e, late.closed);
	t_link_close(l);
}

static void refused(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_addr a;
	struct t_end ends[3];
	char text[128];
	int fd = t_raw_listen("127.0.0.1:0", &a);

	(void)state;
	close(fd);
	weir_addr_format(&a.sa, text, sizeof text);
	for (int i = 0; i < 3; i++) {
		static const char *const to[] = { NULL, "unix:/nonexistent/weir", "unix:@weir-no" };

		t_end_init(&ends[i], 1, 5000, 2, 0);
		assert_int_equal(weir_connect(e, to[i] ? to[i] : text, &t_end_ops, &ends[i], NULL,
					      &ends[i].s, NULL),
				 0);
		t_end_pump(&ends[i]); /* queued sends come back, too */
	}
	for (int i = 0; i < 3; i++) {
		t_until(e, ends[i].connected);
		assert_int_equal(ends[i].connect_res, i == 1 ? -ENOENT : -ECONNREFUSED);
		assert_int_equal(weir_sock_send(ends[i].s, "x", 1, 0, 99999), -EPIPE);
		assert_false(ends[i].ended);
		t_end_close(&ends[i]);
		t_until(e, ends[i].closed);
		assert_true(ends[i].canceled > 0 || ends[i].broken);
	}
	t_close(e);
}

/* Finish of a connect that fails. */
static void finish_then_refused(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_addr a;
	struct t_end end;
	char text[128];
	int fd = t_raw_listen("127.0.0.1:0", &a);

	(void)state;
	close(fd);
	weir_addr_format(&a.sa, text, sizeof text);
	t_end_init(&end, 1, 5000, 2, 0);
	assert_int_equal(weir_connect(e, text, &t_end_ops, &end, NULL, &end.s, NULL), 0);
	t_end_pump(&end);
	t_end_finish(&end);
	t_until(e, end.closed);
	assert_int_equal(end.tx_sent, 0);
	t_close(e);
}

static void linger_reset(int fd)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	close(fd);
}

/* A reset is -ECONNRESET, once; sends in flight come back. */
static void peer_reset(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		struct weir_engine *e = t_open(NULL);
		struct t_end end;
		int fds[2];

		t_raw_pair(fds);
		t_end_init(&end, 1, i % 2 ? 64 * MIB : 0, 2, 10);
		end.piece_max = MIB;
		assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
		t_end_pump(&end);
		assert_int_equal(write(fds[1], t_pattern(2, 0), 10), 10);
		t_until(e, end.rx_bytes == 10);
		if (i % 2)
			t_until(e, end.in_flight == end.in_flight_max);
		linger_reset(fds[1]);
		t_until(e, end.ended);
		/* A send that took the error may be reported late: only an end is seen then. */
		if (end.end_res || !t_faulty())
			assert_int_equal(end.end_res, -ECONNRESET);
		t_until(e, end.in_flight == 0);
		assert_int_equal(weir_sock_send(end.s, "x", 1, 0, 99999), -EPIPE);
		assert_int_equal(weir_sock_shutdown(end.s), -EPIPE);
		t_step_idle(e);
		t_end_close(&end);
		t_until(e, end.closed);
		t_close(e);
	}
}

/* A reset while nobody receives is found when somebody does again. */
static void peer_reset_while_paused(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_engine *e = t_open(NULL);
		struct t_end end;
		int fds[2];

		t_raw_pair(fds);
		t_end_init(&end, 1, 0, 2, 10);
		assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
		assert_int_equal(write(fds[1], t_pattern(2, 0), 10), 10);
		t_until(e, end.rx_bytes == 10);
		weir_sock_pause(end.s);
		t_step_idle(e);
		if (i % 2)
			linger_reset(fds[1]);
		else
			close(fds[1]);
		while (t_step(e, 5000) > 0)
			;
		assert_false(end.ended);
		weir_sock_resume(end.s);
		t_until(e, end.ended);
		assert_int_equal(end.end_res, i % 2 ? -ECONNRESET : 0);
		t_end_close(&end);
		t_until(e, end.closed);
		t_close(e);
	}
}

/* A peer that ended its stream and then threw ours away has ended, not failed: nothing was lost. */
static void peer_reset_behind_its_end(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_engine *e = t_open(NULL);
		struct t_end end;
		int fds[2];

		t_raw_pair(fds);
		t_end_init(&end, 1, 10, 2, 20);
		assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
		assert_int_equal(write(fds[1], t_pattern(2, 0), 10), 10);
		t_until(e, end.rx_bytes == 10);
		t_end_pump(&end);
		t_until(e, end.tx_sent == 10);
		if (i % 2) {
			weir_sock_pause(end.s);
			t_step_idle(e);
		}
		assert_int_equal(write(fds[1], t_pattern(2, 10), 10), 10);
		assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		close(fds[1]); /* with our bytes unread: a reset */
		while (t_step(e, 5000) > 0)
			;
		if (i % 2)
			weir_sock_resume(end.s);
		t_until(e, end.ended);
		assert_int_equal(end.end_res, 0);
		assert_int_equal(end.rx_bytes, 20);
		t_end_close(&end);
		t_until(e, end.closed);
		t_close(e);
	}
}

/* Which callback closes. */
enum where { ACCEPTED, CONNECTED, RECEIVED, ENDED, SENT, WRITABLE, WHERES };

struct closer {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	enum where where;
	bool finish;
	struct weir_sock *s, *listener;
	struct closer *child;
	struct closer *victim; /* instead of itself */
	bool fired, gone, closed;
	unsigned out;
};

static void fire(struct closer *c, enum where where, struct weir_sock *s)
{
	bool finish = c->finish;

	if (c->where != where || c->fired)
		return;
	c->fired = true;
	if (c->victim) {
		s = c->victim->s;
		c = c->victim;
	}
	c->gone = true;
	if (finish)
		weir_sock_finish(s);
	else
		weir_sock_close(s);
	if (t_rand_below(2))
		weir_sock_close(s);
}

static void send_a_lot(struct closer *c)
{
	int ret = 0;

	for (uint64_t i = 0; i < 40 && !ret; i++) {
		ret = weir_sock_send(c->s, t_pattern(1, 0), 50000, 0, i + 1);
		c->out += !ret;
	}
	assert_true(!ret || ret == -ENOBUFS || ret == -EPIPE);
}

static void closer_accepted(struct weir_sock *l, struct weir_sock *s, void *user)
{
	struct closer *c = user;

	if (l != c->listener || c->child->s)
		fail_msg("accepted twice");
	c->child->s = s;
	weir_sock_set_ops(s, c->child->ops, c->child);
	fire(c->child, ACCEPTED, s);
	if (!c->child->gone)
		send_a_lot(c->child);
}

static void closer_connected(struct weir_sock *s, int res, void *user)
{
	struct closer *c = user;

	assert_int_equal(res, 0);
	fire(c, CONNECTED, s);
	if (!c->gone)
		send_a_lot(c);
}

static void closer_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct closer *c = user;
	unsigned char sum = 0;

	assert_false(c->gone);
	fire(c, RECEIVED, s);
	/* The slices of the present event stay valid. */
	for (unsigned i = 0; i < n; i++)
		sum += ((unsigned char *)v[i].data)[v[i].len - 1];
	(void)sum;
	if (n && c->where == RECEIVED) {
		struct weir_slice kept;

		assert_int_equal(weir_slice_hold(&v[0]), 0);
		kept = v[0];
		assert_int_equal(weir_slice_release(&kept), 0);
	}
}

static void closer_ended(struct weir_sock *s, int res, void *user)
{
	struct closer *c = user;

	(void)res;
	assert_false(c->gone);
	fire(c, ENDED, s);
	if (!c->gone)
		weir_sock_close(s);
}

static void closer_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct closer *c = user;

	(void)tag;
	(void)res;
	assert_true(c->out > 0);
	assert_false(c->closed);
	c->out--;
	fire(c, SENT, s);
}

static void closer_writable(struct weir_sock *s, void *user)
{
	struct closer *c = user;

	assert_false(c->gone);
	fire(c, WRITABLE, s);
	if (!c->gone)
		send_a_lot(c);
}

static void closer_closed(struct weir_sock *s, void *user)
{
	struct closer *c = user;

	assert_false(c->closed);
	assert_int_equal(c->out, 0);
	weir_sock_close(s); /* legal until the event is over */
	c->closed = true;
	c->s = NULL;
}

static const struct weir_sock_ops closer_ops = {
	.accepted = closer_accepted,
	.connected = closer_connected,
	.received = closer_received,
	.ended = closer_ended,
	.sent = closer_sent,
	.writable = closer_writable,
	.closed = closer_closed,
};

static void listener_is_closed(struct weir_sock *s, void *user)
{
	(void)s;
	((struct closer *)user)->closed = true;
}

static const struct weir_sock_ops closer_listener_ops = {
	.accepted = closer_accepted,
	.closed = listener_is_closed,
};

/* Client or server (@side 0 or 1) closes itself (or its peer: the other end) in one callback. */
static void close_in(enum where where, int side, bool finish, bool other)
{
	struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 20 };
	struct weir_engine *e = t_open(NULL);
	struct closer ends[2], l;
	char text[128];

	t_note("callback %d side %d finish %d other %d", where, side, finish, other);
	memset(ends, 0, sizeof ends);
	memset(&l, 0, sizeof l);
	for (int i = 0; i < 2; i++) {
		ends[i].ops = &closer_ops;
		ends[i].where = i == side ? where : WHERES;
		ends[i].finish = finish;
	}
	l.ops = &closer_listener_ops;
	l.child = &ends[1];
	l.where = WHERES;
	assert_int_equal(weir_listen(e, address(t_rand_below(3)), &closer_listener_ops, &l, &so,
				     &l.listener, NULL),
			 0);
	l.s = l.listener;
	t_local_text(l.s, text, sizeof text);
	assert_int_equal(weir_connect(e, text, &closer_ops, &ends[0], &so, &ends[0].s, NULL), 0);
	while (!ends[0].closed || !ends[1].closed) {
		t_step_some(e, "both ends closed");
		if (other && ends[0].s && ends[1].s && !ends[side].victim)
			ends[side].victim = &ends[!side];
		/* A callback that needs the other side to go first. */
		if (where == ENDED && ends[0].s && ends[1].s) {
			ends[!side].gone = true;
			weir_sock_close(ends[!side].s);
		}
	}
	assert_true(ends[side].fired || other);
	weir_sock_close(l.s);
	t_until(e, l.closed);
	t_close(e);
}

static void close_in_every_callback(void **state)
{
	(void)state;
	for (int where = 0; where < WHERES; where++)
		for (int side = 0; side < 2; side++)
			for (int how = 0; how < 2; how++)
				if ((where == ACCEPTED) <= side && (where == CONNECTED) <= !side)
					close_in(where, side, how, false);
}

static void close_other_in_callback(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		close_in(RECEIVED, side, false, true);
		close_in(SENT, side, false, true);
		close_in(WRITABLE, side, true, true);
	}
}

/* No callbacks at all: streams end by themselves. */
static void no_callbacks(void **state)
{
	static const struct weir_sock_ops none;
	struct weir_engine *e = t_open(NULL);
	struct t_user user = { &none };
	struct weir_engine_stats stats;
	struct weir_sock *l, *s;
	struct weir_addr a;
	char text[128];
	int fd;

	(void)state;
	assert_int_equal(weir_listen(e, "127.0.0.1:0", &none, &user, NULL, &l, NULL), 0);
	a = t_local(l);
	fd = t_raw_connect(&a);
	assert_int_equal(write(fd, "abc", 3), 3);
	do {
		t_step_some(e, "three bytes");
		weir_engine_done(e, 64); /* a closed socket goes when its event is given back */
		weir_engine_get_stats(e, &stats);
	} while (stats.rx_bytes < 3);
	assert_int_equal(stats.sockets, 2);
	close(fd);
	do {
		t_step_some(e, "accepted socket gone");
		weir_engine_done(e, 64);
		weir_engine_get_stats(e, &stats);
	} while (stats.sockets > 1);
	t_local_text(l, text, sizeof text);
	weir_sock_close(l);
	do {
		t_step_some(e, "listener gone");
		weir_engine_done(e, 64);
		weir_engine_get_stats(e, &stats);
	} while (stats.sockets > 0);
	/* A failed connect closes itself. */
	assert_int_equal(weir_connect(e, text, &none, &user, NULL, &s, NULL), 0);
	do {
		t_step_some(e, "refused socket gone");
		weir_engine_done(e, 64);
		weir_engine_get_stats(e, &stats);
	} while (stats.sockets > 0);
	t_close(e);
}

static void timer_never(struct weir_engine *e, struct weir_timer *t)
{
	(void)e;
	(void)t;
	fail_msg("timer of a closed engine");
}

/* Everything open: sends in flight, timers, messages, connects; at random moments. */
static void engine_close_with_all(void **state)
{
	static struct weir_timer timers[4];
	static struct weir_msg msg;

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct t_link *l = t_link_new(NULL, 64 * MIB, 64 * MIB);
		struct weir_engine *e = l->e;
		struct weir_sock *u;

		l->client.how = l->server.how = T_SEND_TABLE;
		l->client.piece_max = l->server.piece_max = MIB;
		memset(timers, 0, sizeof timers);
		t_link_open(l, address(i), NULL);
		assert_int_equal(weir_udp_open(e, "127.0.0.1:0", NULL, NULL, NULL, &u, NULL), 0);
		if (i > 3)
			t_until(e, l->server.rx_bytes >= t_rand_below(2 * MIB));
		for (unsigned j = 0; j < T_COUNT(timers); j++) {
			timers[j].fn = timer_never;
			assert_int_equal(weir_timer_start(e, &timers[j], 60000000), 0);
		}
		if (i % 2)
			weir_engine_post(e, &msg);
		if (i % 3 == 0)
			t_end_close(&l->server);
		if (i % 4 == 0)
			weir_sock_finish(l->client.s);
		t_drop(e);
		free(l);
	}
}

static void engine_close_empty(void **state)
{
	(void)state;
	t_drop(t_open(NULL));
	for (int i = 0; i < 5; i++) {
		struct weir_engine *e = t_open(NULL);

		assert_int_equal(weir_listen(e, "127.0.0.1:0", NULL, NULL, NULL, NULL, NULL), 0);
		if (i % 2)
			assert_int_equal(weir_engine_dispatch(e, 0), 0);
		t_drop(e);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(half_close),
		T_CASE(shutdown_before_connected),
		T_CASE(finish_with_queue),
		T_CASE(finish_with_lasting_peer),
		T_CASE(finish_then_close),
		T_CASE(close_with_sends),
		T_CASE(close_before_connected),
		T_CASE(close_at_once),
		T_CASE(listener_closed_first),
		T_CASE(refused),
		T_CASE(finish_then_refused),
		T_CASE(peer_reset),
		T_CASE(peer_reset_while_paused),
		T_CASE(peer_reset_behind_its_end),
		T_CASE(close_in_every_callback),
		T_CASE(close_other_in_callback),
		T_CASE(no_callbacks),
		T_CASE(engine_close_with_all),
		T_CASE(engine_close_empty),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
