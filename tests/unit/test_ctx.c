/* SPDX-License-Identifier: MIT */
/*
 * test_ctx.c - the rings of generations, against a model: any order of ends, growth, numbers.
 *
 * Theory: writes join contexts and end in random order, as the kernel may end them, with errors,
 *	parts and copies.  The model keeps every generation as a list of sums; the events of a
 *	context must be its generations, each once, in order, as soon as the oldest has no write
 *	left and not before.  The writes are the test's own: no socket and no time is involved.
 */
#include "t.h"

#include <weir/ctx.h>

#include "core/core.h"

#define WRITES 4096u

struct gen {
	uint64_t bytes, copied;
	unsigned pending;
	int res;
};

struct model {
	uint64_t first, seen, open; /* numbers */
	struct gen *gens;	    /* from number first on */
	uint64_t room;
};

static struct {
	struct weir_engine *e;
	struct model m[WEIR_CTX_MAX];
	unsigned count;
	struct weir_tx writes[WRITES];
	unsigned live[WRITES], live_count, free[WRITES], free_count;
	uint64_t events;
} w;

static struct gen *gen_of(struct model *m, uint64_t number)
{
	uint64_t i = number - m->first;

	if (i >= m->room) {
		uint64_t room = 2 * (i + 8);

		m->gens = realloc(m->gens, room * sizeof(*m->gens));
		assert_non_null(m->gens);
		memset(m->gens + m->room, 0, (room - m->room) * sizeof(*m->gens));
		m->room = room;
	}
	return &m->gens[i];
}

/* @first: the number that every context is set to. */
static void begin(unsigned count, uint64_t first)
{
	uint64_t tags[WEIR_CTX_MAX];

	memset(&w, 0, sizeof(w));
	w.e = t_open(&(struct weir_engine_opts){ .size = sizeof(struct weir_engine_opts),
						 .plane = WEIR_PLANE_EPOLL });
	w.count = count;
	for (unsigned i = 0; i < count; i++)
		tags[i] = 1000 + i;
	assert_int_equal(weir_ctx_register(w.e, tags, count, NULL), 0);
	for (unsigned i = 0; i < count; i++) {
		w.e->ctxs.list[i].head = w.e->ctxs.list[i].open = first;
		w.m[i].first = w.m[i].seen = w.m[i].open = first;
	}
	for (unsigned i = 0; i < WRITES; i++)
		w.free[w.free_count++] = i;
}

/* Takes the events that are there; then every context must be where the model is. */
static void look(void)
{
	struct weir_event ev[64];
	int n;

	while ((n = weir_engine_wait(w.e, ev, T_COUNT(ev), 0)) > 0)
		for (int i = 0; i < n; i++) {
			struct model *m = &w.m[ev[i].gen.tag - 1000];
			struct gen *g = gen_of(m, m->seen);

			assert_int_equal(ev[i].type, WEIR_EVENT_RELEASED);
			assert_true(ev[i].gen.tag - 1000 < w.count);
			assert_true(ev[i].gen.number == m->seen);
			assert_true(m->seen < m->open);
			assert_int_equal(g->pending, 0);
			assert_true(ev[i].gen.bytes == g->bytes);
			assert_true(ev[i].gen.copied_bytes == g->copied);
			assert_int_equal(ev[i].res, g->res);
			m->seen++;
			w.events++;
		}
	assert_int_equal(n, 0);
	for (unsigned i = 0; i < w.count; i++) {
		struct model *m = &w.m[i];
		uint64_t number;

		assert_true(m->seen == m->open || gen_of(m, m->seen)->pending > 0);
		assert_int_equal(weir_ctx_generation(w.e, i, &number), 0);
		assert_true(number == m->open);
	}
}

static void join(unsigned i, unsigned n, unsigned flags)
{
	struct weir_tx *first = NULL, **tail = &first;
	struct model *m = &w.m[i];

	if (n > w.free_count)
		return;
	assert_int_equal(weir_ctx_room(w.e, i, flags), 0);
	for (; n; n--) {
		unsigned k = w.free[--w.free_count];
		struct weir_tx *t = &w.writes[k];

		memset(t, 0, sizeof(*t));
		t->len = t_rand_size(100000);
		*tail = t;
		tail = &t->next;
		w.live[w.live_count++] = k;
		gen_of(m, m->open)->pending++;
	}
	weir_ctx_join(w.e, i, first, flags);
	if (flags & WEIR_SEND_FLUSH)
		m->open++;
}

static void end_at(unsigned at)
{
	unsigned k = w.live[at];
	struct weir_tx *t = &w.writes[k];
	struct model *m = &w.m[t->ctx - 1];
	/* Its number, of which it keeps 32 bits. */
	uint64_t number = m->seen + (uint32_t)(t->generation - (uint32_t)m->seen);
	struct gen *g = gen_of(m, number);
	uint64_t bytes = t->len;

	assert_true(number <= m->open && g->pending > 0);
	if (!t_rand_below(8)) { /* broken off: the rest stays in it */
		t->res = -EPIPE - (int)t_rand_below(3);
		bytes = t_rand_below(t->len + 1);
		t->len -= bytes;
	}
	t->copied = t_rand_below(2);
	g->bytes += bytes;
	g->copied += t->copied ? bytes : 0;
	if (!g->res)
		g->res = t->res;
	g->pending--;
	weir_ctx_ended(w.e, t);
	w.live[at] = w.live[--w.live_count];
	w.free[w.free_count++] = k;
}

static void flush(unsigned i)
{
	assert_int_equal(weir_ctx_flush(w.e, i), 0);
	w.m[i].open++;
}

static void finish(void)
{
	uint64_t heap, tables = 0;

	while (w.live_count)
		end_at(t_rand_below(w.live_count));
	for (unsigned i = 0; i < w.count; i++)
		flush(i);
	look();
	heap = w.e->c.stats.heap_bytes;
	for (unsigned i = 0; i < w.count; i++) {
		tables += sizeof(struct weir_ctx);
		tables += w.e->ctxs.list[i].cap * sizeof(struct weir_gen);
		free(w.m[i].gens);
		w.m[i].gens = NULL;
		w.m[i].room = 0;
		w.m[i].first = w.m[i].seen;
	}
	assert_int_equal(weir_ctx_unregister(w.e, 0), 0);
	assert_true(w.e->c.stats.heap_bytes == heap - tables);
	t_close(w.e);
}

static void random_order(void **state)
{
	static const unsigned counts[] = { 1, 3, 40, WEIR_CTX_MAX };

	(void)state;
	for (unsigned k = 0; k < T_COUNT(counts); k++) {
		begin(counts[k], 0);
		for (unsigned n = 0; n < 60000; n++) {
			unsigned i = t_rand_below(w.count);

			switch (t_rand_below(8)) {
			case 0:
				flush(i);
				break;
			case 1 ... 2:
				join(i, 1 + t_rand_below(3), t_rand_below(3) ? 0 : WEIR_SEND_FLUSH);
				break;
			default:
				if (w.live_count)
					end_at(t_rand_below(w.live_count));
			}
			if (!t_rand_below(w.count > 40 ? 500 : 20))
				look();
		}
		t_note("%u contexts, %llu events", w.count, (unsigned long long)w.events);
		assert_true(w.events > 1000);
		finish();
	}
}

/* Last first: nothing comes before the oldest has ended, then everything. */
static void last_first(void **state)
{
	(void)state;
	begin(1, 0);
	for (unsigned n = 0; n < 1000; n++)
		join(0, 1, WEIR_SEND_FLUSH);
	while (w.live_count > 1) {
		end_at(w.live_count - 1);
		if (!(w.live_count % 100))
			look();
		assert_int_equal(w.events, 0);
	}
	end_at(0);
	look();
	assert_int_equal(w.events, 1000);
	finish();
}

/* Numbers go on where 32 bits end. */
static void large_numbers(void **state)
{
	static const uint64_t starts[] = { UINT32_MAX - 700ull, (7ull << 32) - 3, 1ull << 63 };

	(void)state;
	for (unsigned k = 0; k < T_COUNT(starts); k++) {
		begin(2, starts[k]);
		for (unsigned n = 0; n < 20000; n++) {
			if (t_rand_below(2))
				join(t_rand_below(2), 1, t_rand_below(2) ? WEIR_SEND_FLUSH : 0);
			else if (w.live_count)
				end_at(t_rand_below(w.live_count));
			if (!t_rand_below(30))
				look();
		}
		finish();
	}
}

/* The ring grows to its bound, keeps what is in it, and then needs no memory any more. */
static void growth(void **state)
{
	uint32_t cap = 0;

	(void)state;
	begin(1, 12345);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t events = w.events, n = 0;

		join(0, 1, 0);
		while (!weir_ctx_room(w.e, 0, WEIR_SEND_FLUSH)) {
			if (w.free_count && !t_rand_below(32))
				join(0, 1, WEIR_SEND_FLUSH);
			else
				flush(0);
			n++;
		}
		assert_int_equal(weir_ctx_flush(w.e, 0), -ENOBUFS);
		assert_true(n >= WEIR_CTX_GENERATIONS_MAX - 1 && n <= WEIR_CTX_GENERATIONS_MAX);
		look();
		assert_int_equal(w.events, events);
		while (w.live_count)
			end_at(t_rand_below(w.live_count));
		look();
		assert_true(w.events == events + n);
		if (round)
			assert_int_equal(w.e->ctxs.list[0].cap, cap);
		cap = w.e->ctxs.list[0].cap;
	}
	finish();
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(random_order),
		T_CASE(last_first),
		T_CASE(large_numbers),
		T_CASE(growth),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
