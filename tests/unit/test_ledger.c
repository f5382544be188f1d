/* SPDX-License-Identifier: MIT */
/*
 * test_ledger.c - the buffer ledger: every transition, and a million random ones.
 *
 * Theory: a model beside the pool counts what each buffer should be; after each of many random
 *	steps pool and model agree and weir_pool_check() holds.  The seed is printed on failure.
 */
#include <errno.h>
#include <string.h>
#include <weir/weir.h>

#include "core/ledger.h"
#include "t.h"

#define BUFS 32
#define BUF_BYTES 4096u

static struct weir_pool *pool_new(void)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = BUFS * BUF_BYTES };
	struct weir_area *area;
	struct weir_pool *p;

	assert_int_equal(weir_area_open(&area, &o, NULL), 0);
	assert_int_equal(weir_pool_new(&p, area, BUF_BYTES), 0);
	assert_int_equal(p->buf_count, BUFS);
	return p;
}

static void counts(const struct weir_pool *p, unsigned f, unsigned k, unsigned d, unsigned h)
{
	assert_int_equal(p->count[WEIR_BUF_FREE], f);
	assert_int_equal(p->count[WEIR_BUF_KERNEL], k);
	assert_int_equal(p->count[WEIR_BUF_DELIVERED], d);
	assert_int_equal(p->count[WEIR_BUF_HELD], h);
	assert_true(weir_pool_check(p));
}

static void one_life(void **state)
{
	struct weir_pool *p = pool_new();
	int i;

	(void)state;
	counts(p, BUFS, 0, 0, 0);
	i = weir_pool_take(p);
	counts(p, BUFS - 1, 1, 0, 0);
	weir_pool_deliver(p, i);
	weir_pool_deliver(p, i);
	counts(p, BUFS - 1, 1, 0, 0);
	weir_pool_kernel_done(p, i);
	counts(p, BUFS - 1, 0, 1, 0);
	weir_pool_hold(p, i);
	counts(p, BUFS - 1, 0, 0, 1);
	weir_pool_return(p, i);
	counts(p, BUFS - 1, 0, 0, 1);
	weir_pool_hold_more(p, i);
	assert_int_equal(weir_pool_unhold(p, i), 0);
	assert_int_equal(weir_pool_unhold(p, i), 0);
	counts(p, BUFS, 0, 0, 0);
	assert_int_equal(weir_pool_unhold(p, i), -EINVAL);
	assert_int_equal(weir_pool_unhold(p, BUFS), -EINVAL);
	/* The one freed last, warm in the cache, goes out first. */
	assert_int_equal(weir_pool_take(p), i);
	weir_pool_kernel_done(p, i);
	weir_pool_free(p);
}

static void exhaustion(void **state)
{
	struct weir_pool *p = pool_new();
	bool seen[BUFS] = { false };

	(void)state;
	for (int n = 0; n < BUFS; n++) {
		int i = weir_pool_take(p);

		assert_in_range(i, 0, BUFS - 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_ptr_equal(weir_pool_data(p, i), p->base + i * BUF_BYTES);
	}
	assert_int_equal(weir_pool_take(p), -1);
	counts(p, 0, BUFS, 0, 0);
	for (int n = 0; n < 10; n++)
		weir_pool_starved(p);
	assert_int_equal(p->kernel_target, BUFS);
	for (int i = 0; i < BUFS; i++)
		weir_pool_kernel_done(p, i);
	counts(p, BUFS, 0, 0, 0);
	weir_pool_free(p);
	weir_pool_free(NULL);
}

struct model {
	bool kernel;
	unsigned lent, held;
};

static void step(struct weir_pool *p, struct model *m, uint32_t i, unsigned what)
{
	if (what == 0 && m[i].kernel) {
		weir_pool_deliver(p, i);
		m[i].lent++;
	} else if (what == 1 && m[i].kernel) {
		weir_pool_kernel_done(p, i);
		m[i].kernel = false;
	} else if (what == 2 && m[i].lent) {
		weir_pool_return(p, i);
		m[i].lent--;
	} else if (what == 3 && m[i].lent) {
		weir_pool_hold(p, i);
		m[i].lent--;
		m[i].held++;
	} else if (what == 4) {
		assert_int_equal(weir_pool_unhold(p, i), m[i].held ? 0 : -EINVAL);
		m[i].held -= m[i].held ? 1 : 0;
	} else if (what == 5) {
		int taken = weir_pool_take(p);

		if (taken < 0)
			return;
		assert_false(m[taken].kernel || m[taken].lent || m[taken].held);
		m[taken].kernel = true;
	}
}

static void random_steps(void **state)
{
	struct weir_pool *p = pool_new();
	struct model m[BUFS];

	(void)state;
	memset(m, 0, sizeof(m));
	for (int n = 0; n < 1000000; n++) {
		unsigned want[4] = { 0 };

		step(p, m, (uint32_t)t_rand_below(BUFS), (unsigned)t_rand_below(6));
		if (n % 64)
			continue;
		for (int i = 0; i < BUFS; i++)
			want[m[i].kernel ? 1 : m[i].held ? 3 : m[i].lent ? 2 : 0]++;
		counts(p, want[0], want[1], want[2], want[3]);
	}
	weir_pool_free(p);
}

static void bad_sizes(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = 4096 };
	struct weir_area *area;
	struct weir_pool *p = NULL;

	(void)state;
	assert_int_equal(weir_area_open(&area, &o, NULL), 0);
	assert_int_equal(weir_pool_new(&p, area, 0), -EINVAL);
	assert_int_equal(weir_pool_new(&p, area, 8192), -EINVAL);
	assert_null(p);
	weir_area_close(area);
}

/* ---- interface queues: the kernel takes buffers by itself ---- */

static struct weir_pool *pool_new_zc(void)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = 2 * BUFS * BUF_BYTES };
	struct weir_area *area;
	struct weir_pool *p;

	assert_int_equal(weir_area_open(&area, &o, NULL), 0);
	assert_int_equal(weir_pool_new_zc(&p, area, BUFS * BUF_BYTES, BUFS * BUF_BYTES, BUF_BYTES),
			 0);
	assert_int_equal(p->buf_count, BUFS);
	return p;
}

static void zc_life(void **state)
{
	struct weir_pool *p = pool_new_zc();
	struct weir_area_info info;

	(void)state;
	weir_area_describe(p->area, &info);
	assert_ptr_equal(weir_pool_data(p, 1), (char *)info.base + (BUFS + 1) * BUF_BYTES);
	assert_int_equal(weir_pool_offset(p, 1), (BUFS + 1) * BUF_BYTES);
	counts(p, 0, BUFS, 0, 0);
	assert_int_equal(weir_pool_next_back(p), -1);
	/* two packets in one buffer */
	weir_pool_arrived(p, 3);
	weir_pool_deliver(p, 3);
	weir_pool_arrived(p, 3);
	weir_pool_deliver(p, 3);
	counts(p, 0, BUFS - 1, 1, 0);
	weir_pool_return(p, 3);
	counts(p, 0, BUFS - 1, 1, 0);
	assert_int_equal(weir_pool_next_back(p), -1);
	weir_pool_hold(p, 3);
	counts(p, 0, BUFS - 1, 0, 1);
	assert_int_equal(weir_pool_unhold(p, 3), 0);
	counts(p, 1, BUFS - 1, 0, 0);
	/* the ring has room for one of the two */
	assert_int_equal(weir_pool_next_back(p), 3);
	assert_int_equal(p->bufs[3].refs, 2);
	weir_pool_gave_back(p, 3, 1);
	counts(p, 1, BUFS - 1, 0, 0);
	/* a third packet of it arrives before the second reference went */
	weir_pool_arrived(p, 3);
	weir_pool_deliver(p, 3);
	counts(p, 0, BUFS - 1, 1, 0);
	assert_int_equal(weir_pool_next_back(p), -1);
	weir_pool_return(p, 3);
	assert_int_equal(weir_pool_next_back(p), 3);
	assert_int_equal(p->bufs[3].refs, 2);
	weir_pool_gave_back(p, 3, 2);
	counts(p, 0, BUFS, 0, 0);
	assert_int_equal(weir_pool_next_back(p), -1);
	weir_pool_free(p);
}

/* The kernel's side: how many references it has given out and not got back. */
struct zc_model {
	unsigned out, lent, held, late;
};

static void zc_step(struct weir_pool *p, struct zc_model *m)
{
	uint32_t i = (uint32_t)t_rand_below(BUFS);
	int back;

	switch (t_rand_below(8)) {
	case 0:
	case 1:
		weir_pool_arrived(p, i);
		weir_pool_deliver(p, i);
		m[i].out++;
		m[i].lent++;
		break;
	case 5:
		weir_pool_arrived(p, i);
		weir_pool_delay(p, i);
		m[i].out++;
		m[i].late++;
		break;
	case 6:
		if (m[i].late) {
			weir_pool_deliver(p, i);
			weir_pool_undelay(p, i);
			m[i].late--;
			m[i].lent++;
		}
		break;
	case 2:
		if (m[i].lent) {
			weir_pool_return(p, i);
			m[i].lent--;
		}
		break;
	case 3:
		if (m[i].lent) {
			weir_pool_hold(p, i);
			m[i].lent--;
			m[i].held++;
		}
		break;
	case 4:
		assert_int_equal(weir_pool_unhold(p, i), m[i].held ? 0 : -EINVAL);
		m[i].held -= m[i].held > 0;
		break;
	default:
		back = weir_pool_next_back(p);
		if (back < 0)
			break;
		assert_true(m[back].out && !m[back].lent && !m[back].held && !m[back].late);
		assert_int_equal(p->bufs[back].refs, m[back].out);
		weir_pool_gave_back(p, (uint32_t)back, 1);
		m[back].out--;
	}
}

/* What is kept back is not the application's. */
static void zc_counts(struct weir_pool *p, const struct zc_model *m)
{
	unsigned held = 0, lent = 0, idle = 0;

	for (unsigned b = 0; b < BUFS; b++) {
		held += m[b].held > 0;
		lent += !m[b].held && m[b].lent > 0;
		idle += !m[b].held && !m[b].lent && (!m[b].out || m[b].late);
	}
	counts(p, BUFS - held - lent - idle, idle, lent, held);
	assert_true(weir_pool_check(p));
}

static void zc_random(void **state)
{
	struct zc_model m[BUFS] = { 0 };
	struct weir_pool *p = pool_new_zc();
	int i;

	(void)state;
	for (unsigned n = 0; n < 200000; n++) {
		zc_step(p, m);
		if (n % 64 == 0)
			zc_counts(p, m);
	}
	for (uint32_t b = 0; b < BUFS; b++) {
		for (; m[b].late; m[b].late--)
			weir_pool_undelay(p, b);
		for (; m[b].lent; m[b].lent--)
			weir_pool_return(p, b);
		for (; m[b].held; m[b].held--)
			assert_int_equal(weir_pool_unhold(p, b), 0);
	}
	while ((i = weir_pool_next_back(p)) >= 0) {
		assert_int_equal(p->bufs[i].refs, m[i].out);
		weir_pool_gave_back(p, (uint32_t)i, m[i].out);
		m[i].out = 0;
	}
	counts(p, 0, BUFS, 0, 0);
	for (unsigned b = 0; b < BUFS; b++)
		assert_int_equal(m[b].out, 0);
	weir_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(one_life),  T_CASE(exhaustion), T_CASE(random_steps),
		T_CASE(bad_sizes), T_CASE(zc_life),    T_CASE(zc_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
