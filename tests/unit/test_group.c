/* SPDX-License-Identifier: MIT */
/*
 * test_group.c - connections between the engines of a group, one step at a time.
 *
 * Theory: the engines are all this thread's, and what a listener accepted is reported by the test,
 * as a plane does it, so that the moment of each step is chosen: the message is under way for as
 * long as its engine does nothing.  The question for the NAPI id is answered by the test, because
 * on loopback it is always 0.  A connection that was lost is seen by its peer.
 */
#include "t.h"

#include <arpa/inet.h>
#include <poll.h>
#include <weir/group.h>

#include "../../src/core/core.h"

#define NAPI_BASE 5000u
#define ENGINES 3
#define MANY 100

struct side {
	struct weir_engine *e;
	struct weir_sock *listener;
	struct weir_sock *accepted[MANY];
	unsigned count, messages;
	int received;
};

static struct weir_group *group;
static struct side sides[ENGINES];
static char address[64];
static int peers[MANY];
static uint32_t answer; /* what the kernel would say */

static uint32_t ask_test(int fd)
{
	(void)fd;
	return answer;
}

/* All that the engine of a side has to tell. */
static void look(struct side *side)
{
	struct weir_event ev[16];
	int n;

	while ((n = weir_engine_wait(side->e, ev, 16, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			assert_int_not_equal(ev[i].type, WEIR_EVENT_ERROR);
			if (ev[i].type == WEIR_EVENT_MESSAGE)
				side->messages++;
			if (ev[i].type == WEIR_EVENT_RECEIVED)
				side->received += (int)ev[i].slices[0].len;
			if (ev[i].type != WEIR_EVENT_ACCEPTED)
				continue;
			assert_true(side->count < MANY);
			assert_ptr_equal(ev[i].sock, side->listener);
			assert_ptr_equal(ev[i].user, side);
			assert_ptr_equal(weir_sock_user(ev[i].accepted), side);
			assert_ptr_equal(weir_sock_engine(ev[i].accepted), side->e);
			side->accepted[side->count++] = ev[i].accepted;
		}
		weir_engine_done(side->e, (unsigned)n);
	}
	assert_int_equal(n, 0);
}

static void side_open(struct side *side, uint32_t napi)
{
	struct weir_engine_opts o = { .size = sizeof o, .group = group };

	memset(side, 0, sizeof *side);
	side->e = t_open(&o);
	side->e->c.napi_ids[0] = napi;
	side->e->c.ifq_count = 1;
	weir_core_napi_changed(side->e);
}

static void side_listen(struct side *side, const char *at)
{
	struct weir_error err = { 0 };

	if (weir_listen(side->e, at, NULL, side, NULL, &side->listener, &err))
		fail_msg("listen: %s %s %s", err.stage, err.object, err.hint);
}

static void begin(unsigned engines)
{
	assert_int_equal(weir_group_new(&group, NULL), 0);
	weir_group_napi_id = ask_test;
	memset(sides, 0, sizeof sides);
	for (unsigned i = 0; i < engines; i++)
		side_open(&sides[i], NAPI_BASE + i);
	weir_group_free(group); /* the engines have references */
	for (unsigned i = 0; i < engines; i++) {
		side_listen(&sides[i], i ? address : "127.0.0.1:0");
		t_local_text(sides[0].listener, address, sizeof address);
	}
	for (unsigned i = 0; i < MANY; i++)
		peers[i] = -1;
}

static void end(void)
{
	for (unsigned i = 0; i < ENGINES; i++)
		if (sides[i].e)
			t_drop(sides[i].e);
	for (unsigned i = 0; i < MANY; i++)
		if (peers[i] >= 0)
			close(peers[i]);
}

/* The listener's plane reports connections that came by the queue of that id. */
static void accept_some(struct side *side, unsigned first, unsigned n, uint32_t napi)
{
	answer = napi;
	for (unsigned i = first; i < first + n; i++) {
		int fds[2];

		t_raw_pair(fds);
		peers[i] = fds[0];
		weir_core_up.accepted(side->listener, fds[1]);
	}
}

static bool is_of(struct weir_sock *s, int peer)
{
	struct weir_addr a = { .len = sizeof a.storage }, b;

	assert_int_equal(getsockname(peer, &a.sa, &a.len), 0);
	assert_int_equal(weir_sock_peer(s, &b), 0);
	return a.len == b.len && !memcmp(&a.sa, &b.sa, a.len);
}

static uint64_t moved(const struct side *side)
{
	struct weir_engine_stats st;

	weir_engine_get_stats(side->e, &st);
	return st.moved;
}

/* Peers first to first + n - 1, in that order, and nothing else. */
static void has(struct side *side, unsigned first, unsigned n)
{
	look(side);
	assert_int_equal(side->count, n);
	for (unsigned i = 0; i < n; i++)
		assert_true(is_of(side->accepted[i], peers[first + i]));
}

static void peer_sees_end(int peer)
{
	struct pollfd p = { .fd = peer, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
	assert_true(read(peer, &c, 1) <= 0);
}

static void talks(struct side *side, unsigned i, int peer)
{
	char got[8];
	uint64_t until = t_now_us() + 1000ull * T_DEADLINE_MS * T_SLOW;

	side->received = 0;
	assert_int_equal(write(peer, "hello", 5), 5);
	while (side->received < 5 && t_now_us() < until)
		look(side);
	assert_int_equal(side->received, 5);
	assert_int_equal(weir_sock_send(side->accepted[i], "back", 4, WEIR_SEND_COPY, 0), 0);
	t_raw_nonblock(peer, true);
	while (read(peer, got, sizeof got) != 4) {
		assert_true(t_now_us() < until);
		look(side);
	}
}

static void in_order(void **state)
{
	(void)state;
	begin(3);
	accept_some(&sides[0], 0, MANY / 2, NAPI_BASE + 1);
	accept_some(&sides[2], MANY / 2, MANY / 2, NAPI_BASE + 1);
	assert_int_equal(moved(&sides[0]), MANY / 2);
	assert_int_equal(moved(&sides[2]), MANY / 2);
	has(&sides[0], 0, 0);
	has(&sides[2], 0, 0);
	has(&sides[1], 0, MANY);
	assert_int_equal(moved(&sides[1]), 0);
	assert_int_equal(sides[1].messages, 0);
	for (unsigned i = 0; i < MANY; i += 9)
		talks(&sides[1], i, peers[i]);
	end();
}

static void stays(void **state)
{
	static const uint32_t ids[] = { 0, NAPI_BASE, NAPI_BASE + 77 };

	(void)state;
	begin(2);
	for (unsigned i = 0; i < T_COUNT(ids); i++)
		accept_some(&sides[0], i, 1, ids[i]);
	has(&sides[0], 0, T_COUNT(ids));
	assert_int_equal(moved(&sides[0]), 0);
	/* the owner does not listen there */
	weir_sock_close(sides[1].listener);
	side_listen(&sides[1], "127.0.0.1:0");
	accept_some(&sides[0], 3, 1, NAPI_BASE + 1);
	has(&sides[0], 0, 4);
	assert_int_equal(moved(&sides[0]), 0);
	talks(&sides[0], 3, peers[3]);
	end();
}

/* An engine without a NIC queue gives away, too, and is given nothing. */
static void without_queue(void **state)
{
	(void)state;
	begin(2);
	sides[0].e->c.ifq_count = 0;
	weir_core_napi_changed(sides[0].e);
	accept_some(&sides[0], 0, 1, NAPI_BASE + 1);
	has(&sides[1], 0, 1);
	accept_some(&sides[1], 1, 1, NAPI_BASE);
	has(&sides[1], 0, 2);
	has(&sides[0], 0, 0);
	end();
}

/* The queue's NAPI changes: connections go by the new id. */
static void renewed(void **state)
{
	(void)state;
	begin(2);
	sides[1].e->c.napi_ids[1] = 99000;
	sides[1].e->c.ifq_count = 2;
	accept_some(&sides[0], 0, 1, 99000);
	has(&sides[0], 0, 1);
	weir_core_napi_changed(sides[1].e);
	accept_some(&sides[0], 1, 1, 99000);
	has(&sides[1], 1, 1);
	end();
}

static void listener_gone_meanwhile(void **state)
{
	(void)state;
	begin(3);
	accept_some(&sides[0], 0, 10, NAPI_BASE + 1);
	weir_sock_close(sides[1].listener);
	look(&sides[1]);
	assert_int_equal(sides[1].count, 0);
	look(&sides[2]);
	look(&sides[0]);
	assert_int_equal(sides[0].count + sides[2].count, 10);
	/* and back again, by a new listener */
	side_listen(&sides[1], address);
	accept_some(&sides[0], 10, 1, NAPI_BASE + 1);
	has(&sides[1], 10, 1);
	end();
}

static void engine_closes_meanwhile(void **state)
{
	(void)state;
	begin(2);
	accept_some(&sides[0], 0, 20, NAPI_BASE + 1);
	t_drop(sides[1].e);
	sides[1].e = NULL;
	has(&sides[0], 0, 20);
	talks(&sides[0], 7, peers[7]);
	/* nobody has that queue now */
	accept_some(&sides[0], 20, 1, NAPI_BASE + 1);
	has(&sides[0], 0, 21);
	end();
}

static void giver_closes_meanwhile(void **state)
{
	(void)state;
	begin(2);
	accept_some(&sides[0], 0, 5, NAPI_BASE + 1);
	t_drop(sides[0].e);
	sides[0].e = NULL;
	has(&sides[1], 0, 5);
	talks(&sides[1], 0, peers[0]);
	end();
}

static void all_close(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		begin(2);
		accept_some(&sides[0], 0, 5, NAPI_BASE + 1);
		accept_some(&sides[1], 5, 5, NAPI_BASE);
		for (unsigned i = 0; i < 2; i++) {
			t_drop(sides[first ^ i].e);
			sides[first ^ i].e = NULL;
		}
		for (unsigned i = 0; i < 10; i++)
			peer_sees_end(peers[i]);
		end();
	}
}

static void last_listener_closes(void **state)
{
	(void)state;
	begin(2);
	accept_some(&sides[0], 0, 5, NAPI_BASE + 1);
	weir_sock_close(sides[0].listener);
	weir_sock_close(sides[1].listener);
	look(&sides[1]);
	for (unsigned i = 0; i < 5; i++)
		peer_sees_end(peers[i]);
	assert_int_equal(sides[0].count + sides[1].count, 0);
	end();
}

static void paused(void **state)
{
	(void)state;
	begin(2);
	weir_sock_pause(sides[1].listener);
	look(&sides[1]);
	accept_some(&sides[0], 0, 8, NAPI_BASE + 1);
	has(&sides[1], 0, 0);
	has(&sides[0], 0, 0);
	weir_sock_resume(sides[1].listener);
	accept_some(&sides[0], 8, 2, NAPI_BASE + 1);
	has(&sides[1], 0, 10);
	/* what waits at a listener that is closed goes on, too */
	weir_sock_pause(sides[1].listener);
	accept_some(&sides[0], 10, 3, NAPI_BASE + 1);
	has(&sides[1], 0, 10);
	weir_sock_close(sides[1].listener);
	has(&sides[0], 10, 3);
	end();
	/* and at an engine that is closed */
	begin(2);
	weir_sock_pause(sides[1].listener);
	accept_some(&sides[0], 0, 3, NAPI_BASE + 1);
	has(&sides[1], 0, 0);
	t_drop(sides[1].e);
	sides[1].e = NULL;
	has(&sides[0], 0, 3);
	end();
}

/* Messages of the application come between the group's, and are not lost by them. */
static void beside_messages(void **state)
{
	struct weir_msg mine[4] = { 0 };

	(void)state;
	begin(2);
	for (unsigned i = 0; i < T_COUNT(mine); i++) {
		weir_engine_post(sides[1].e, &mine[i]);
		accept_some(&sides[0], i, 1, NAPI_BASE + 1);
	}
	has(&sides[1], 0, T_COUNT(mine));
	assert_int_equal(sides[1].messages, T_COUNT(mine));
	/* an engine that closes does not touch what it was posted */
	for (unsigned i = 0; i < T_COUNT(mine); i++) {
		weir_engine_post(sides[1].e, &mine[i]);
		accept_some(&sides[0], 4 + i, 1, NAPI_BASE + 1);
	}
	t_drop(sides[1].e);
	sides[1].e = NULL;
	has(&sides[0], 4, T_COUNT(mine));
	assert_int_equal(sides[0].messages, 0);
	end();
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* The engine sleeps in somebody else's loop: its descriptor must tell each thing. */
static void in_foreign_loop(void **state)
{
	struct side *b = &sides[1];
	int fd;

	(void)state;
	begin(2);
	fd = weir_engine_fd(b->e);
	assert_true(fd >= 0);
	look(b);
	assert_false(readable(fd, 0));
	accept_some(&sides[0], 0, 1, NAPI_BASE + 1);
	assert_true(readable(fd, T_DEADLINE_MS));
	has(b, 0, 1);
	assert_false(readable(fd, 0));
	/* receiving has begun without another call */
	assert_int_equal(write(peers[0], "hello", 5), 5);
	assert_true(readable(fd, T_DEADLINE_MS));
	while (b->received < 5)
		look(b);
	/* resumed between two looks */
	weir_sock_pause(b->listener);
	look(b);
	accept_some(&sides[0], 1, 1, NAPI_BASE + 1);
	assert_true(readable(fd, T_DEADLINE_MS));
	has(b, 0, 1);
	weir_sock_resume(b->listener);
	assert_true(readable(fd, T_DEADLINE_MS));
	has(b, 0, 2);
	end();
}

/* From a callback, where the layer of callbacks hands the events out. */
static void on_accepted(struct weir_sock *from, struct weir_sock *s, void *user)
{
	struct side *side = user;

	assert_ptr_equal(from, side->listener);
	side->accepted[side->count++] = s;
}

static void by_callbacks(void **state)
{
	static const struct weir_sock_ops ops = { .accepted = on_accepted };

	(void)state;
	begin(2);
	weir_sock_set_ops(sides[1].listener, &ops, &sides[1]);
	accept_some(&sides[0], 0, 3, NAPI_BASE + 1);
	while (sides[1].count < 3)
		assert_true(weir_engine_dispatch(sides[1].e, 1000000 * T_SLOW) > 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(is_of(sides[1].accepted[i], peers[i]));
	end();
}

/* Only a group may have an address twice, and only its TCP listeners move anything. */
static void addresses(void **state)
{
	struct weir_sock *s = NULL, *other = NULL;
	struct weir_error err = { 0 };
	struct weir_engine *alone;
	const char *path = t_unix();
	int fds[2];

	(void)state;
	begin(2);
	alone = t_open(NULL);
	t_expect(weir_listen(alone, address, NULL, NULL, NULL, &s, &err), &err, -EADDRINUSE);
	t_drop(alone);
	assert_int_equal(weir_listen(sides[0].e, path, NULL, NULL, NULL, &s, NULL), 0);
	err = (struct weir_error){ 0 };
	t_expect(weir_listen(sides[1].e, path, NULL, NULL, NULL, &other, &err), &err, -EADDRINUSE);
	answer = NAPI_BASE + 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	weir_core_up.accepted(s, fds[1]);
	peers[0] = fds[0];
	assert_int_equal(moved(&sides[0]), 0);
	weir_sock_close(s);
	end();
}

static void arguments(void **state)
{
	struct weir_error err = { 0 };

	(void)state;
	t_expect(weir_group_new(NULL, &err), &err, -EINVAL);
	weir_group_free(NULL);
	assert_int_equal(weir_group_new(&group, NULL), 0);
	weir_group_free(group);
}

/* An engine that cannot be opened has left the group again. */
static void half_open(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o, .fault = "nonsense=1" };
	struct weir_engine *e = NULL;

	(void)state;
	assert_int_equal(weir_group_new(&group, NULL), 0);
	o.group = group;
	assert_int_equal(weir_engine_open(&e, &o, NULL), -EINVAL);
	weir_group_free(group);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(in_order),
		T_CASE(stays),
		T_CASE(without_queue),
		T_CASE(renewed),
		T_CASE(listener_gone_meanwhile),
		T_CASE(engine_closes_meanwhile),
		T_CASE(giver_closes_meanwhile),
		T_CASE(all_close),
		T_CASE(last_listener_closes),
		T_CASE(paused),
		T_CASE(beside_messages),
		T_CASE(in_foreign_loop),
		T_CASE(by_callbacks),
		T_CASE(addresses),
		T_CASE(arguments),
		T_CASE(half_open),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
