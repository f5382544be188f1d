/* SPDX-License-Identifier: MIT */
/*
 * harness.c - rounds of trials: interleaved, in random order, disturbed ones again.
 *
 * Theory:
 *	A round runs every contender once, in an order drawn anew for each round, so that what
 *	drifts (temperature, neighbours, memory) meets all alike.  A trial is disturbed when an
 *	end waited for its core (somebody else ran there), when the hypervisor took time, or when
 *	the kernel preempted the ends often.  It stands out when a metric is far from the median
 *	of the contender's other rounds.  Either is run again, RETRIES_MAX times at most and for
 *	a third of a group's trials in all; the least disturbed attempt counts and is marked where
 *	it is still disturbed.  Values are never dropped without a new measurement in their place,
 *	and the table says how many were.  Ratios are formed within a round and only then is
 *	their median taken: A/B of the same second, not of two medians.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define RETRIES_MAX 2
#define OUTLIER 0.15
#define STEAL_LIMIT 0.02
#define PREEMPTED_LIMIT 500.0
#define OUTLIER_ROUNDS 3 /* earlier rounds needed to say what stands out */

struct bench_stat bench_result_stat(const struct bench_result *r, unsigned c, unsigned metric)
{
	double values[BENCH_ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < r->rounds; i++)
		if (r->cells[c][i].have)
			values[n++] = r->cells[c][i].values[metric];
	return bench_stat_of(values, n);
}

struct bench_stat bench_result_ratio(const struct bench_result *r, unsigned c, unsigned ref,
				     unsigned metric)
{
	double values[BENCH_ROUNDS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < r->rounds; i++) {
		const struct bench_cell *a = &r->cells[c][i], *b = &r->cells[ref][i];

		if (a->have && b->have && b->values[metric] > 0)
			values[n++] = a->values[metric] / b->values[metric];
	}
	return bench_stat_of(values, n);
}

int bench_contender_index(const struct bench_group *g, const char *name)
{
	for (unsigned i = 0; i < g->contender_count; i++)
		if (!strcmp(g->contenders[i].name, name))
			return (int)i;
	return -1;
}

static bool named(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list;

	while (at && *at) {
		if (!strncmp(at, name, len) && (at[len] == ',' || !at[len]))
			return true;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return false;
}

/* Largest deviation of a metric that has a ratio column from other rounds' median, over OUTLIER. */
static double stands_out(const struct bench_result *r, unsigned c, unsigned round,
			 const double *values)
{
	double worst = 0;

	for (unsigned m = 0; m < r->group->metric_count; m++) {
		double others[BENCH_ROUNDS_MAX], by;
		struct bench_stat st;
		unsigned n = 0;

		if (!r->group->metrics[m].ratio)
			continue;
		for (unsigned i = 0; i < r->rounds; i++)
			if (i != round && r->cells[c][i].have)
				others[n++] = r->cells[c][i].values[m];
		st = bench_stat_of(others, n);
		if (n < OUTLIER_ROUNDS || st.median <= 0)
			continue;
		by = values[m] / st.median - 1;
		by = (by < 0 ? -by : by) / OUTLIER;
		worst = by > worst ? by : worst;
	}
	return worst;
}

static double disturbance(const struct bench_group *g, const struct bench_window *w)
{
	double score = w->delay / g->delay_limit;

	if (w->steal / STEAL_LIMIT > score)
		score = w->steal / STEAL_LIMIT;
	if (w->preempted / PREEMPTED_LIMIT > score)
		score = w->preempted / PREEMPTED_LIMIT;
	return score;
}

static void say_trial(const struct bench_group *g, unsigned c, unsigned round, unsigned attempt,
		      const double *values, const struct bench_window *w, double out)
{
	fprintf(stderr, "%s %u.%u %-18s", g->name, round, attempt, g->contenders[c].name);
	for (unsigned m = 0; m < g->metric_count; m++)
		fprintf(stderr, " %s=%.4g", g->metrics[m].name, values[m]);
	fprintf(stderr, " (delay %.3f steal %.3f preempted %.0f/s out %.2f)\n", w->delay, w->steal,
		w->preempted, out);
}

#define QUIET_S 0.15
#define QUIET_IDLE 0.85

/* Waits until both cores were idle for a while, or the patience ends. */
static void wait_quiet(const struct bench_settings *set)
{
	double end = bench_now_s() + set->patience;
	bool quiet = false;

	while (!quiet && bench_now_s() < end) {
		double rx = bench_core_idle_s(BENCH_RX_CPU), tx = bench_core_idle_s(BENCH_TX_CPU);

		bench_sleep_s(QUIET_S);
		rx = bench_core_idle_s(BENCH_RX_CPU) - rx;
		tx = bench_core_idle_s(BENCH_TX_CPU) - tx;
		quiet = rx > QUIET_S * QUIET_IDLE && tx > QUIET_S * QUIET_IDLE;
	}
}

/* One cell of the table: a trial, and again while it is disturbed or stands out. */
static int run_cell(struct bench_result *r, const struct bench_settings *set, unsigned c,
		    unsigned round)
{
	const struct bench_group *g = r->group;
	struct bench_cell *cell = &r->cells[c][round];
	int res = 0;

	for (unsigned attempt = 0; attempt <= RETRIES_MAX; attempt++) {
		double values[BENCH_METRICS_MAX] = { 0 }, score, out;
		struct bench_window w = { 0 };
		char why[256] = "";

		if (attempt && !r->retries_left && cell->have)
			break;
		r->retries[c] += attempt > 0;
		r->retries_left -= attempt > 0 && r->retries_left;
		wait_quiet(set);
		res = g->run(g, &g->contenders[c], set, values, &w, why);
		if (res) {
			snprintf(r->why[c], sizeof(r->why[c]), "%s", why);
			if (set->verbose)
				fprintf(stderr, "%s %u.%u %s: %s\n", g->name, round, attempt,
					g->contenders[c].name, why);
			continue;
		}
		out = stands_out(r, c, round, values);
		score = disturbance(g, &w);
		if (set->verbose)
			say_trial(g, c, round, attempt, values, &w, out);
		if (!cell->have || (score > out ? score : out) < cell->score) {
			memcpy(cell->values, values, sizeof(values));
			cell->score = score > out ? score : out;
			cell->disturbed = score > 1;
			cell->have = true;
		}
		if (cell->score <= 1)
			return 0;
	}
	return cell->have ? 0 : res;
}

static void shuffle(unsigned *order, unsigned n)
{
	for (unsigned i = n; i > 1; i--) {
		unsigned j = (unsigned)random() % i, keep = order[j];

		order[j] = order[i - 1];
		order[i - 1] = keep;
	}
}

static void choose(struct bench_result *r, const struct bench_settings *set)
{
	const struct bench_group *g = r->group;

	for (unsigned c = 0; c < g->contender_count; c++) {
		const struct bench_contender *one = &g->contenders[c];
		const char *why = one->missing ? one->missing(set) : NULL;

		r->in[c] = !why && (!set->only || named(set->only, one->name));
		if (why)
			snprintf(r->why[c], sizeof(r->why[c]), "%s", why);
	}
}

/* Early rounds had nothing to be compared with: look again when all is known. */
static void second_look(struct bench_result *r, const struct bench_settings *set)
{
	for (unsigned c = 0; c < r->group->contender_count; c++) {
		for (unsigned i = 0; r->in[c] && i < OUTLIER_ROUNDS && i < r->rounds; i++) {
			struct bench_cell *cell = &r->cells[c][i];
			double out = stands_out(r, c, i, cell->values);

			if (!cell->have || (out <= 1 && !cell->disturbed) || !r->retries_left)
				continue;
			cell->score = cell->score > out ? cell->score : out;
			r->retries[c]++;
			r->retries_left--;
			run_cell(r, set, c, i);
		}
	}
}

/* A contender of which nothing came: once may be the machine's fault, twice is its own. */
static bool hopeless(const struct bench_result *r, unsigned c, unsigned rounds)
{
	unsigned have = 0;

	for (unsigned i = 0; i < rounds; i++)
		have += r->cells[c][i].have;
	return !have && (rounds > 1 || rounds == r->rounds);
}

/*
 * Runs all rounds of @g.  Return: 0; -ENOENT where no contender was left; -EIO where one failed
 * (its reason is in the result, the others' values too).
 */
int bench_harness_run(const struct bench_group *g, const struct bench_settings *set,
		      struct bench_result *ret)
{
	unsigned order[BENCH_CONTENDERS_MAX], n = 0;
	bool failed = false;

	memset(ret, 0, sizeof(*ret));
	ret->group = g;
	ret->rounds = set->rounds;
	if (!set->rounds_asked && g->rounds_max && ret->rounds > g->rounds_max)
		ret->rounds = g->rounds_max;
	if (set->quick && !set->rounds_asked && g->rounds_max && ret->rounds > 1)
		ret->rounds = g->rounds_max / 2;
	choose(ret, set);
	for (unsigned c = 0; c < g->contender_count; c++)
		if (ret->in[c])
			order[n++] = c;
	if (!n)
		return -ENOENT;
	/* On a busy machine the run takes at most a third longer, and says that it was busy. */
	ret->retries_left = (n * ret->rounds + 2) / 3;
	for (unsigned round = 0; round < ret->rounds; round++) {
		shuffle(order, n);
		for (unsigned i = 0; i < n; i++) {
			unsigned c = order[i];

			if (!ret->in[c] || !run_cell(ret, set, c, round))
				continue;
			if (hopeless(ret, c, round + 1)) {
				ret->in[c] = false;
				failed = true;
			}
		}
	}
	second_look(ret, set);
	return failed ? -EIO : 0;
}
