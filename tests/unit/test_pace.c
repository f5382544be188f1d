/* SPDX-License-Identifier: MIT */
/*
 * test_pace.c - batching waits: taken where they pay, left where peers wait for us.
 *
 * Theory: weir_pace_wait() and weir_pace_woke() are asked by a simulated engine with a clock of its
 *	own.  An event costs EVENT_NS to handle, a sleep SLEEP_NS.  Three loads: an open one, whose
 *	events come whatever we do; a closed one with N peers, each of which sends again
 *	PEER_NS after its answer; one that is closed, becomes open, and is closed again.  No real
 *	time passes, so each run is the same.
 */
#include "t.h"

#include <inttypes.h>

#include "core/core.h"

#define EVENT_NS 3000ull
#define SLEEP_NS 2000ull
#define PEER_NS 6000ull
#define MS 1000000ull

struct sim {
	struct weir_engine e;
	uint64_t now;
	uint64_t next_open;	/* when the next event of an open load comes */
	uint64_t open_every_ns; /* 0: closed */
	uint64_t peers[64];	/* when each sends */
	unsigned peer_count;
	uint64_t events, waits, batched;
};

static void sim_init(struct sim *s)
{
	memset(s, 0, sizeof(*s));
	s->now = MS;
	s->e.c.now_ns = s->now;
	s->e.c.opts.min_wait_us = 100;
}

/* When the @n-th event from now is there, and no later than @until. */
static uint64_t arrival(const struct sim *s, unsigned n, uint64_t until)
{
	uint64_t sorted[64];

	if (s->open_every_ns)
		return s->next_open + (n - 1) * s->open_every_ns;
	if (n > s->peer_count)
		return until;
	memcpy(sorted, s->peers, sizeof(sorted));
	for (unsigned i = 0; i < s->peer_count; i++)
		for (unsigned j = i + 1; j < s->peer_count; j++)
			if (sorted[j] < sorted[i]) {
				uint64_t t = sorted[i];

				sorted[i] = sorted[j];
				sorted[j] = t;
			}
	return sorted[n - 1];
}

/* Take what is there now; how many. */
static unsigned take(struct sim *s)
{
	unsigned n = 0;

	if (s->open_every_ns) {
		for (; s->next_open <= s->now; s->next_open += s->open_every_ns)
			n++;
		return n;
	}
	for (unsigned i = 0; i < s->peer_count; i++)
		if (s->peers[i] <= s->now) {
			n++;
			s->peers[i] = s->now + n * EVENT_NS + PEER_NS;
		}
	return n;
}

/* One cycle of an engine: wait, take, handle. */
static void cycle(struct sim *s)
{
	struct weir_wait w = { .timeout_ns = -1, .deadline_ns = UINT64_MAX };
	uint64_t first, enough;
	unsigned n;

	s->e.c.now_ns = s->now;
	weir_pace_wait(&s->e, &w);
	first = arrival(s, 1, UINT64_MAX);
	if (w.min_wait_ns) {
		uint64_t until = s->now + w.min_wait_ns;

		enough = arrival(s, w.want, until);
		if (enough > until)
			enough = until;
		s->now = enough > first ? enough : first;
		s->batched++;
	} else if (first > s->now) {
		s->now = first;
	}
	s->now += SLEEP_NS;
	s->waits++;
	n = take(s);
	s->events += n;
	s->e.c.stats.rx_bytes += n * 64;
	s->e.c.now_ns = s->now;
	weir_pace_woke(&s->e, n);
	s->now += n * EVENT_NS;
}

/* Run for so many milliseconds; events per millisecond. */
static uint64_t run_ms(struct sim *s, unsigned ms)
{
	uint64_t end = s->now + ms * MS;

	s->events = s->waits = s->batched = 0;
	while (s->now < end)
		cycle(s);
	return s->events / ms;
}

static void closed(struct sim *s, unsigned peers)
{
	s->open_every_ns = 0;
	s->peer_count = peers;
	for (unsigned i = 0; i < peers; i++)
		s->peers[i] = s->now + i * 100;
}

static void open_load(struct sim *s, uint64_t every_ns)
{
	s->open_every_ns = every_ns;
	s->next_open = s->now + every_ns;
}

/* Whatever the number of peers that wait for answers: nearly as fast as without batching. */
static void closed_loops(void **state)
{
	(void)state;
	for (unsigned peers = 1; peers <= 64; peers++) {
		struct sim with, without;
		uint64_t a, b;

		sim_init(&with);
		sim_init(&without);
		without.e.c.opts.min_wait_us = 0;
		closed(&with, peers);
		closed(&without, peers);
		a = run_ms(&with, 1000);
		b = run_ms(&without, 1000);
		if (a * 8 < b * 7) /* the bound of pace.c */
			fail_msg("%u peers: %" PRIu64 " events per ms, %" PRIu64 " without", peers,
				 a, b);
	}
}

/* What comes whatever we do is batched: far fewer waits than events. */
static void open_loads(void **state)
{
	static const unsigned every_ns[] = { 4000, 5000, 8000, 12000, 20000 };

	(void)state;
	for (unsigned i = 0; i < T_COUNT(every_ns); i++) {
		struct sim s;

		sim_init(&s);
		open_load(&s, every_ns[i]);
		run_ms(&s, 20);
		run_ms(&s, 200);
		if (s.batched * 10 < s.waits * 9)
			fail_msg("an event each %u ns: %" PRIu64 " of %" PRIu64 " waits batched",
				 every_ns[i], s.batched, s.waits);
		assert_true(s.waits * 3 < s.events);
	}
}

/* What was learnt is unlearnt. */
static void from_one_to_the_other(void **state)
{
	struct sim s;
	uint64_t slow, fast;

	(void)state;
	sim_init(&s);
	closed(&s, 4);
	fast = run_ms(&s, 500);
	open_load(&s, 8000);
	run_ms(&s, 100);
	run_ms(&s, 200);
	assert_true(s.batched * 10 > s.waits * 8);
	closed(&s, 4);
	run_ms(&s, 20);
	slow = run_ms(&s, 500);
	assert_true(slow * 100 >= fast * 95);
}

/* A single event is never waited upon with others in mind. */
static void few_are_not_batched(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s);
	open_load(&s, 50000);
	run_ms(&s, 500);
	assert_int_equal(s.batched, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_loops),
		cmocka_unit_test(open_loads),
		cmocka_unit_test(from_one_to_the_other),
		cmocka_unit_test(few_are_not_batched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
