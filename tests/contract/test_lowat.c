/* SPDX-License-Identifier: MIT */
/*
 * test_lowat.c - no byte waits: bulk that turns into odd tails and one-byte requests.
 *
 * Theory: a thread with a plain socket saturates the receiver, so that it raises its low-water
 * mark and batches its waits; then it goes quiet in the middle, and single bytes and odd tails
 * follow.  Each must arrive within the bound that weir_engine_opts.min_wait_us sets, measured by
 * the clock with a margin for a busy machine: nine of ten within 20 bounds, all within a second, in
 * one of three runs: what the engine keeps back it keeps back in each of them.
 *
 * Serial: yes
 */
#include "t_end.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define BULK_MAX (256ull << 20)
#define MARGIN 20
#define WORST_US 1000000
#define RUNS 3

static bool late;

struct bulk {
	int fd;
	uint64_t sent, until;
	atomic_bool stop;
};

static void *bulk_thread(void *arg)
{
	struct bulk *b = arg;

	while (b->sent < b->until && !atomic_load(&b->stop)) {
		uint64_t left = b->until - b->sent;
		size_t len = left < T_PATTERN_RUN ? left : T_PATTERN_RUN;
		struct pollfd p = { .fd = b->fd, .events = POLLOUT };
		ssize_t n = write(b->fd, t_pattern(1, b->sent), len);

		if (n > 0)
			b->sent += n;
		else
			poll(&p, 1, 100);
	}
	return NULL;
}

/* Saturate until the mark goes up (or does not); then all that was sent arrives, tail included. */
static uint64_t saturate(struct weir_engine *e, struct t_end *end, struct bulk *b)
{
	struct weir_engine_stats before, now;
	uint64_t enough = end->rx_bytes + (t_faulty() || T_SLOW > 1 ? 4ull << 20 : 24ull << 20);
	pthread_t thread;
	uint64_t from;

	b->until = end->rx_bytes + BULK_MAX;
	end->rx_total = b->until;
	atomic_store(&b->stop, false);
	weir_engine_get_stats(e, &before);
	assert_int_equal(pthread_create(&thread, NULL, bulk_thread, b), 0);
	do {
		t_step_some(e, "bulk");
		weir_engine_get_stats(e, &now);
	} while (end->rx_bytes < b->until &&
		 (end->rx_bytes < enough / 4 ||
		  (end->rx_bytes < enough && now.lowat_raised == before.lowat_raised)));
	atomic_store(&b->stop, true);
	/* The sender may wait for room: go on until it has ended. */
	while (pthread_tryjoin_np(thread, NULL))
		t_step(e, 1000);
	from = t_now_us();
	t_until(e, end->rx_bytes == b->sent);
	return t_now_us() - from;
}

struct delays {
	uint64_t us[600];
	unsigned count;
};

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void note_delay(struct delays *d, uint64_t us)
{
	assert_true(d->count < T_COUNT(d->us));
	d->us[d->count++] = us;
}

static void check_delays(struct delays *d, uint32_t bound_us, const char *what)
{
	uint64_t p50, p90, worst;

	qsort(d->us, d->count, sizeof d->us[0], ascending);
	p50 = d->us[d->count / 2];
	p90 = d->us[d->count * 9 / 10];
	worst = d->us[d->count - 1];
	print_message("%s: bound %u us; delay p50 %llu p90 %llu worst %llu us (%u)\n", what,
		      bound_us, (unsigned long long)p50, (unsigned long long)p90,
		      (unsigned long long)worst, d->count);
	if ((d->count >= 50 && p90 > (uint64_t)MARGIN * bound_us) || worst > WORST_US)
		late = true;
}

/* One piece of @len bytes from the plain side: how long until all of it is here? */
static uint64_t one_piece(struct weir_engine *e, struct t_end *end, struct bulk *b, size_t len)
{
	uint64_t from = t_now_us();

	while (len) {
		ssize_t n = write(b->fd, t_pattern(1, b->sent), len);

		if (n < 0) {
			t_step_some(e, "room");
			continue;
		}
		b->sent += n;
		len -= n;
	}
	t_until(e, end->rx_bytes == b->sent);
	return t_now_us() - from;
}

static void run_tails(void)
{
	static const uint32_t bounds[] = { 200, 2000, 0 };

	for (size_t i = 0; i < T_COUNT(bounds); i++) {
		struct weir_engine_opts o = { .size = sizeof o, .min_wait_us = bounds[i] };
		uint32_t bound = bounds[i] ? bounds[i] : 1000;
		struct weir_engine *e = t_open(&o);
		struct delays bulk = { .count = 0 }, small = { .count = 0 };
		struct bulk b = { .fd = -1 };
		struct weir_engine_stats stats;
		struct t_end end;
		int fds[2];

		t_raw_pair(fds);
		b.fd = fds[1];
		t_end_init(&end, 2, 0, 1, BULK_MAX);
		assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
		for (unsigned round = 0; round < 5; round++) {
			note_delay(&bulk, saturate(e, &end, &b));
			for (unsigned j = 0; j < 40; j++) {
				size_t len = j % 3 ? 1 : 1 + t_rand_below(70000);

				note_delay(&small, one_piece(e, &end, &b, len));
			}
		}
		weir_engine_get_stats(e, &stats);
		print_message("marks raised %llu, expired %llu\n",
			      (unsigned long long)stats.lowat_raised,
			      (unsigned long long)stats.lowat_expired);
		if (t_without("lowat"))
			assert_int_equal(stats.lowat_raised, 0);
		check_delays(&small, bound, "pieces after bulk");
		check_delays(&bulk, bound, "tail of the bulk");
		t_end_close(&end);
		t_until(e, end.closed);
		close(fds[1]);
		t_close(e);
	}
}

/* Bytes that trickle in: none of them waits for the others. */
static void run_trickle(void)
{
	struct weir_engine_opts o = { .size = sizeof o, .min_wait_us = 200 };
	struct weir_engine *e = t_open(&o);
	struct delays d = { .count = 0 };
	struct bulk b = { .fd = -1 };
	struct t_end end;
	int fds[2];

	t_raw_pair(fds);
	b.fd = fds[1];
	t_end_init(&end, 2, 0, 1, BULK_MAX);
	assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
	(void)saturate(e, &end, &b);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 10 == 0)
			t_step(e, 300);
		note_delay(&d, one_piece(e, &end, &b, 1));
	}
	check_delays(&d, 200, "trickle");
	t_end_close(&end);
	t_until(e, end.closed);
	close(fds[1]);
	t_close(e);
}

/* The peer answers each byte in a thread of its own: request/response after bulk. */
struct responder {
	int fd;
	uint64_t skip;
	unsigned rounds;
};

static void *respond(void *arg)
{
	struct responder *r = arg;

	for (unsigned i = 0; i < r->rounds; i++) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		char c;

		while (read(r->fd, &c, 1) != 1)
			if (poll(&p, 1, T_DEADLINE_MS) < 1)
				return (void *)1;
		while (write(r->fd, t_pattern(1, r->skip + i), 1) != 1)
			;
	}
	return NULL;
}

static void run_request_response(void)
{
	enum { ROUNDS = 500 };
	struct weir_engine_opts o = { .size = sizeof o, .min_wait_us = 200 };
	struct weir_engine *e = t_open(&o);
	struct delays d = { .count = 0 };
	struct bulk b = { .fd = -1 };
	struct responder r;
	struct t_end end;
	pthread_t thread;
	void *ret;
	int fds[2];

	t_raw_pair(fds);
	b.fd = fds[1];
	t_end_init(&end, 2, 0, 1, BULK_MAX);
	assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
	(void)saturate(e, &end, &b);
	r = (struct responder){ .fd = fds[1], .skip = b.sent, .rounds = ROUNDS };
	assert_int_equal(pthread_create(&thread, NULL, respond, &r), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t from = t_now_us(), want = b.sent + i + 1;

		assert_int_equal(weir_sock_send(end.s, "?", 1, WEIR_SEND_COPY, 0), 0);
		t_until(e, end.rx_bytes == want);
		note_delay(&d, t_now_us() - from);
	}
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_null(ret);
	check_delays(&d, 200, "request/response");
	t_end_close(&end);
	t_until(e, end.closed);
	close(fds[1]);
	t_close(e);
}

/* NO_LOWAT: the mark stays where it is. */
static void in_time(void **state, void (*run)(void))
{
	(void)state;
	for (int i = 0; i < RUNS; i++) {
		late = false;
		run();
		if (!late)
			return;
	}
	fail_msg("bytes waited too long, each time");
}

static void tails(void **state)
{
	in_time(state, run_tails);
}

static void trickle(void **state)
{
	in_time(state, run_trickle);
}

static void request_response(void **state)
{
	in_time(state, run_request_response);
}

static void switched_off(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_NO_LOWAT };
	struct weir_engine_opts o = { .size = sizeof o, .min_wait_us = UINT32_MAX };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_engine *e = t_open(i ? &o : NULL);
		struct bulk b = { .fd = -1 };
		struct weir_engine_stats stats;
		struct t_end end;
		int fds[2];

		t_raw_pair(fds);
		b.fd = fds[1];
		t_end_init(&end, 2, 0, 1, BULK_MAX);
		assert_int_equal(
			weir_adopt(e, fds[0], &t_end_ops, &end, i ? NULL : &so, &end.s, NULL), 0);
		(void)saturate(e, &end, &b);
		weir_engine_get_stats(e, &stats);
		assert_int_equal(stats.lowat_raised, 0);
		(void)one_piece(e, &end, &b, 1);
		t_end_close(&end);
		t_until(e, end.closed);
		close(fds[1]);
		t_close(e);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(tails),
		T_CASE(trickle),
		T_CASE(request_response),
		T_CASE(switched_off),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
