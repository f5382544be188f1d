/* SPDX-License-Identifier: MIT */
/*
 * zc_report.c - what the group "zerocopy" measured: tables, goals, JSON.
 *
 * Theory:
 *	A ratio is that of two slices of one round.  Of n ratios in order, the k-th and the
 *	(n+1-k)-th hold the true median between them unless it is below k-1 of them or above as
 *	many, each of which has the probability of fewer than k heads in n tosses: k is the largest
 *	for which that is at most 2.5 %.  Nothing is assumed of how the noise is distributed; below
 *	six rounds there is no such k.  A goal is met or missed when the whole interval says so,
 *	else the row is undecided.
 */
#include <string.h>

#include "zc.h"

#define TAIL 0.025
#define NAME_WIDTH 17

/**
 * struct zc_goal - what a row of some kind has to show.
 * @text: for people.
 * @contender: whose speed, against
 * @reference: whose; NULL: the better of weir-plain and weir-zc.
 * @limit: at least this much.
 * @bytes: rows of this size; 0 for all.
 * @cold_only: cold rows only.
 * @huge: also rows of huge pages.
 * @real_only: not on paths that copy.
 */
struct zc_goal {
	const char *text;
	const char *contender;
	const char *reference;
	double limit;
	uint32_t bytes;
	bool cold_only;
	bool huge;
	bool real_only;
};

static const struct zc_goal goals[] = {
	{ "64,000 B without a copy against MSG_ZEROCOPY", "weir-zc", "msg_zerocopy", 1.6, 64000,
	  false, false, true },
	{ "4,000 B without a copy against MSG_ZEROCOPY", "weir-zc", "msg_zerocopy", 1.28, 4000,
	  false, false, true },
	{ "64,000 B without a copy against send, cold", "weir-zc", "send", 3.4, 64000, true, false,
	  true },
	{ "contexts against an event for each send", "weir-zc", "weir-zc-tags", 0.97, 0, false,
	  true, false },
	{ "contexts against SEND_ZC by hand", "weir-zc", "send_zc-fixed", 0.97, 0, false, true,
	  false },
	{ "auto against the better of copy and zero copy", "weir-auto", NULL, 0.97, 0, false, true,
	  false },
	{ "auto against send", "weir-auto", "send", 0.97, 0, false, true, false },
};

#define GOAL_COUNT (sizeof(goals) / sizeof(goals[0]))

struct zc_interval zc_interval_of(const double *values, unsigned count)
{
	struct zc_interval ret = { .count = count };
	double sorted[BENCH_ROUNDS_MAX], chance = 1, below = 0;
	unsigned k = 0;

	if (!count || count > BENCH_ROUNDS_MAX)
		return (struct zc_interval){ 0 };
	for (unsigned i = 0; i < count; i++) {
		unsigned at = i;

		for (; at && sorted[at - 1] > values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values[i];
	}
	for (unsigned i = 0; i < count; i++)
		chance /= 2;
	/* @chance: of exactly k heads; @below: of at most that many. */
	while (below + chance <= TAIL && k < count) {
		below += chance;
		chance = chance * (count - k) / (k + 1);
		k++;
	}
	ret.sure = k > 0;
	ret.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
	ret.low = sorted[k ? k - 1 : 0];
	ret.high = sorted[k ? count - k : count - 1];
	return ret;
}

/* How many times as fast as @ref @c is. */
struct zc_interval zc_speed(const struct zc_measured *m, unsigned c, unsigned ref, bool wall)
{
	double ratio[BENCH_ROUNDS_MAX];

	for (unsigned i = 0; i < m->rounds; i++)
		ratio[i] = wall ? m->wall_ns[ref][i] / m->wall_ns[c][i] :
				  m->cpu_ns[ref][i] / m->cpu_ns[c][i];
	return zc_interval_of(ratio, m->rounds);
}

static double median_of(const double *values, unsigned count)
{
	return zc_interval_of(values, count).median;
}

/* Of copy and zero copy by weir the one that costs less; -1 where there are not both. */
int zc_better(const struct zc_measured *m)
{
	int plain = zc_find("weir-plain"), zc = zc_find("weir-zc");

	if (plain < 0 || zc < 0 || !m->in[plain] || !m->in[zc] || !m->rounds)
		return -1;
	return median_of(m->cpu_ns[plain], m->rounds) <= median_of(m->cpu_ns[zc], m->rounds) ?
		       plain :
		       zc;
}

static bool same_table(const struct zc_row *a, const struct zc_row *b)
{
	return a->path == b->path && a->cold == b->cold && a->huge == b->huge;
}

static void print_heads(const struct zc_measured *part, unsigned n, const char *corner, int width)
{
	printf("%-*s", NAME_WIDTH, corner);
	for (unsigned i = 0; i < n; i++)
		printf("  %-*u", width, part[i].row.bytes);
	printf("\n");
}

static bool in_any(const struct zc_measured *part, unsigned n, unsigned c)
{
	for (unsigned i = 0; i < n; i++)
		if (part[i].in[c])
			return true;
	return false;
}

#define COST_WIDTH 13
#define RATIO_WIDTH 17

static void print_costs(const struct zc_measured *part, unsigned n)
{
	print_heads(part, n, "us a message", COST_WIDTH);
	for (unsigned c = 0; c < zc_contender_count; c++) {
		if (!in_any(part, n, c))
			continue;
		printf("%-*s", NAME_WIDTH, zc_contenders[c].name);
		for (unsigned i = 0; i < n; i++) {
			const struct zc_measured *m = &part[i];
			char text[48] = "-";

			if (m->in[c])
				snprintf(text, sizeof(text), "%.3f (%.2f)%s",
					 median_of(m->cpu_ns[c], m->rounds) * 1e-3,
					 median_of(m->wall_ns[c], m->rounds) * 1e-3,
					 m->copied[c] > 0.5 ? "c" : "");
			printf("  %-*s", COST_WIDTH, text);
		}
		printf("\n");
	}
}

static void print_ratios(const struct zc_measured *part, unsigned n, const char *reference)
{
	unsigned ref = (unsigned)zc_find(reference);
	char corner[32];

	if (!in_any(part, n, ref))
		return;
	snprintf(corner, sizeof(corner), "x %s", reference);
	print_heads(part, n, corner, RATIO_WIDTH);
	for (unsigned c = 0; c < zc_contender_count; c++) {
		if (c == ref || !in_any(part, n, c))
			continue;
		printf("%-*s", NAME_WIDTH, zc_contenders[c].name);
		for (unsigned i = 0; i < n; i++) {
			char text[48] = "-";

			if (part[i].in[c] && part[i].in[ref]) {
				struct zc_interval in = zc_speed(&part[i], c, ref, false);

				snprintf(text, sizeof(text), "%.2f [%.2f,%.2f]", in.median, in.low,
					 in.high);
			}
			printf("  %-*s", RATIO_WIDTH, text);
		}
		printf("\n");
	}
}

static void print_failures(const struct zc_measured *part, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned c = 0; c < zc_contender_count; c++)
			if (part[i].why[c][0])
				printf("%s at %u B not run: %s\n", zc_contenders[c].name,
				       part[i].row.bytes, part[i].why[c]);
}

void zc_report_rows(const struct zc_measured *all, unsigned count)
{
	unsigned least = BENCH_ROUNDS_MAX;

	if (!count)
		return;
	for (unsigned i = 0; i < count; i++)
		least = all[i].rounds < least ? all[i].rounds : least;
	printf("\nzerocopy: UDP sends with and without a copy into devices that drop\n"
	       "CPU time a message, in brackets wall time, medians of %u rounds or more\n"
	       "c: reported copied; x = times as fast in CPU time within each round, median "
	       "[95 %% interval]\n",
	       least);
	for (unsigned i = 0, n; i < count; i += n) {
		const struct zc_row *row = &all[i].row;

		for (n = 1; i + n < count && same_table(row, &all[i + n].row); n++)
			;
		printf("\n%s; %s memory%s\n", row->path->what, row->cold ? "cold" : "hot",
		       row->huge ? " of huge pages" : "");
		print_costs(&all[i], n);
		print_ratios(&all[i], n, "send");
		print_ratios(&all[i], n, "msg_zerocopy");
		print_failures(&all[i], n);
	}
}

/* Return: whether @goal is about this row and both were run. */
static bool goal_figure(const struct zc_goal *goal, const struct zc_measured *m,
			struct zc_interval *ret)
{
	int c = zc_find(goal->contender);
	int ref = goal->reference ? zc_find(goal->reference) : zc_better(m);

	if ((goal->bytes && goal->bytes != m->row.bytes) || (goal->cold_only && !m->row.cold) ||
	    (m->row.huge && !goal->huge) || (goal->real_only && m->row.path->copies))
		return false;
	if (c < 0 || ref < 0 || !m->in[c] || !m->in[ref] || !m->rounds)
		return false;
	*ret = zc_speed(m, (unsigned)c, (unsigned)ref, false);
	return true;
}

static const char *verdict(const struct zc_goal *goal, struct zc_interval in)
{
	if (!in.sure)
		return "undecided";
	if (in.low >= goal->limit)
		return "met";
	return in.high < goal->limit ? "NOT MET" : "undecided";
}

/* Goals of every row fill pages where they are met: these are counted, the others named. */
static void report_goal(const struct zc_goal *goal, const struct zc_measured *all, unsigned count,
			unsigned *missed, unsigned *undecided)
{
	unsigned met = 0, rows = 0;
	struct zc_interval in;
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		const char *said;

		if (!goal_figure(goal, &all[i], &in))
			continue;
		rows++;
		said = verdict(goal, in);
		met += !strcmp(said, "met");
		*undecided += !strcmp(said, "undecided");
		*missed += !strcmp(said, "NOT MET");
		if (!goal->bytes && !strcmp(said, "met"))
			continue;
		zc_row_name(&all[i].row, name, sizeof(name));
		printf("goal: %s, %s: %.3f [%.3f,%.3f], >= %.4g wanted: %s\n", goal->text, name,
		       in.median, in.low, in.high, goal->limit, said);
	}
	if (rows && !goal->bytes)
		printf("goal: %s: met in %u rows of %u\n", goal->text, met, rows);
}

/* Return: rows in which a goal was not met; adds undecided ones to @retundecided. */
unsigned zc_report_goals(const struct zc_measured *all, unsigned count, unsigned *retundecided)
{
	unsigned missed = 0;

	printf("\n");
	for (unsigned i = 0; i < GOAL_COUNT; i++)
		report_goal(&goals[i], all, count, &missed, retundecided);
	return missed;
}

static void json_values(FILE *to, const char *name, const double *values, unsigned count)
{
	struct zc_interval in = zc_interval_of(values, count);

	fprintf(to, ",\"%s\":{\"median\":%.6g,\"low\":%.6g,\"high\":%.6g,\"values\":[", name,
		in.median, in.low, in.high);
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "%s%.6g", i ? "," : "", values[i]);
	fprintf(to, "]}");
}

static void json_row(FILE *to, const struct zc_measured *m)
{
	char name[64];
	unsigned n = 0;

	zc_row_name(&m->row, name, sizeof(name));
	fprintf(to, "\n   {\"row\":\"%s\",\"bytes\":%u,\"rounds\":%u,\"contenders\":[", name,
		m->row.bytes, m->rounds);
	for (unsigned c = 0; c < zc_contender_count; c++) {
		if (!m->in[c] && !m->why[c][0])
			continue;
		fprintf(to, "%s\n    {\"name\":\"%s\"", n++ ? "," : "", zc_contenders[c].name);
		if (!m->in[c]) {
			fprintf(to, ",\"not_run\":");
			bench_json_string(to, m->why[c]);
			fprintf(to, "}");
			continue;
		}
		if (m->copied[c] >= 0)
			fprintf(to, ",\"copied\":%.4g", m->copied[c]);
		json_values(to, "cpu_ns", m->cpu_ns[c], m->rounds);
		json_values(to, "wall_ns", m->wall_ns[c], m->rounds);
		fprintf(to, "}");
	}
	fprintf(to, "]}");
}

void zc_json(FILE *to, const struct zc_measured *all, unsigned count, bool first)
{
	struct zc_interval in;
	unsigned n = 0;
	char name[64];

	fprintf(to, "%s\n {\"name\":\"zerocopy\",\"rows\":[", first ? "" : ",");
	for (unsigned i = 0; i < count; i++) {
		fprintf(to, "%s", i ? "," : "");
		json_row(to, &all[i]);
	}
	fprintf(to, "],\n  \"goals\":[");
	for (unsigned k = 0; k < GOAL_COUNT; k++) {
		for (unsigned i = 0; i < count; i++) {
			if (!goal_figure(&goals[k], &all[i], &in))
				continue;
			zc_row_name(&all[i].row, name, sizeof(name));
			fprintf(to, "%s\n    {\"goal\":\"%s\",\"row\":\"%s\"", n++ ? "," : "",
				goals[k].text, name);
			fprintf(to,
				",\"figure\":{\"median\":%.6g,\"low\":%.6g,\"high\":%.6g},"
				"\"at_least\":true,\"limit\":%.6g,\"met\":%s,\"doubtful\":%s}",
				in.median, in.low, in.high, goals[k].limit,
				strcmp(verdict(&goals[k], in), "met") ? "false" : "true",
				strcmp(verdict(&goals[k], in), "undecided") ? "false" : "true");
		}
	}
	fprintf(to, "]}");
}
