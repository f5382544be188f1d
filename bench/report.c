/* SPDX-License-Identifier: MIT */
/*
 * report.c - a group's result as a table, as goals met or not, and as JSON.
 *
 * Theory: the table gives median (min..max) over the rounds; "xNAME" columns the ratio to the
 * reference contender, formed round by round.  JSON carries every single value.
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

#define VALUE_WIDTH 24
#define RATIO_WIDTH 18
#define PLAIN_WIDTH 15 /* a column without ratio shows its median only */

static void print_stat(struct bench_stat st, const char *format, int width)
{
	char text[64] = "-";

	if (st.count)
		snprintf(text, sizeof(text), format, st.median, st.min, st.max);
	printf("  %-*s", width, text);
}

static void print_head(const struct bench_result *r)
{
	const struct bench_group *g = r->group;
	char head[64];

	printf("\n%s: %s\n", g->name, g->what);
	printf("median (min..max) of %u rounds; x = ratio to \"%s\" within each round\n", r->rounds,
	       g->contenders[g->reference].name);
	printf("%-19s", "contender");
	for (unsigned m = 0; m < g->metric_count; m++) {
		if (!g->metrics[m].ratio) {
			printf("  %-*s", PLAIN_WIDTH, g->metrics[m].name);
			continue;
		}
		snprintf(head, sizeof(head), "x %s", g->metrics[m].name);
		printf("  %-*s  %-*s", VALUE_WIDTH, g->metrics[m].name, RATIO_WIDTH, head);
	}
	printf("  again\n");
}

void bench_report_table(const struct bench_result *r)
{
	const struct bench_group *g = r->group;
	unsigned disturbed = 0;

	print_head(r);
	for (unsigned c = 0; c < g->contender_count; c++) {
		unsigned bad = 0, missing = 0;

		if (!r->in[c]) {
			if (r->why[c][0])
				printf("%-19s  not run: %s\n", g->contenders[c].name, r->why[c]);
			continue;
		}
		printf("%-19s", g->contenders[c].name);
		for (unsigned m = 0; m < g->metric_count; m++) {
			if (!g->metrics[m].ratio) {
				print_stat(bench_result_stat(r, c, m), "%.3g", PLAIN_WIDTH);
				continue;
			}
			print_stat(bench_result_stat(r, c, m), "%.4g (%.4g..%.4g)", VALUE_WIDTH);
			print_stat(bench_result_ratio(r, c, g->reference, m), "%.2f (%.2f..%.2f)",
				   RATIO_WIDTH);
		}
		for (unsigned i = 0; i < r->rounds; i++)
			bad += r->cells[c][i].disturbed;
		disturbed += bad;
		for (unsigned i = 0; i < r->rounds; i++)
			missing += !r->cells[c][i].have;
		printf("  %u", r->retries[c]);
		if (missing)
			printf(" (%u failed: %s)", missing, r->why[c]);
		if (bad)
			printf(" (%u disturbed)", bad);
		printf("\n");
	}
	if (disturbed)
		printf("%u values come from trials that stayed disturbed after all retries\n",
		       disturbed);
}

/*
 * The figure a goal is about.  Return: false where a contender was not run.
 */
static bool goal_figure(const struct bench_result *r, const struct bench_goal *goal,
			struct bench_stat *ret)
{
	int c = bench_contender_index(r->group, goal->contender);
	int ref = goal->reference ? bench_contender_index(r->group, goal->reference) : c;

	if (c < 0 || ref < 0 || !r->in[c] || !r->in[ref])
		return false;
	*ret = goal->reference ? bench_result_ratio(r, (unsigned)c, (unsigned)ref, goal->metric) :
				 bench_result_stat(r, (unsigned)c, goal->metric);
	return ret->count > 0;
}

/* Are most values behind a goal from disturbed trials? */
static bool goal_doubtful(const struct bench_result *r, const struct bench_goal *goal)
{
	const char *names[2] = { goal->contender, goal->reference };
	unsigned bad = 0, all = 0;

	for (unsigned k = 0; k < 2 && names[k]; k++) {
		int c = bench_contender_index(r->group, names[k]);

		for (unsigned i = 0; i < r->rounds; i++, all++)
			bad += r->cells[c][i].disturbed;
	}
	return bad * 2 > all;
}

static bool goal_met(const struct bench_goal *goal, double figure)
{
	return goal->at_least ? figure >= goal->limit : figure <= goal->limit;
}

/* Return: number of goals that were measured and not met. */
unsigned bench_report_goals(const struct bench_result *r)
{
	unsigned missed = 0;

	for (unsigned i = 0; i < r->group->goal_count; i++) {
		const struct bench_goal *goal = &r->group->goals[i];
		struct bench_stat st;

		if (!goal_figure(r, goal, &st))
			continue;
		missed += !goal_met(goal, st.median);
		printf("goal: %s: %.4g (%.4g..%.4g), %s %.4g wanted: %s%s\n", goal->text, st.median,
		       st.min, st.max, goal->at_least ? ">=" : "<=", goal->limit,
		       goal_met(goal, st.median) ? "met" : "NOT MET",
		       goal_doubtful(r, goal) ? " (doubtful: most trials were disturbed)" : "");
	}
	return missed;
}

/* Our own strings hold no control characters but may hold quotes and backslashes. */
void bench_json_string(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		if ((unsigned char)*text >= 0x20)
			fputc(*text, to);
	}
	fputc('"', to);
}

static void json_stat(FILE *to, struct bench_stat st)
{
	fprintf(to, "{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g", st.median, st.min, st.max);
}

static void json_contender(FILE *to, const struct bench_result *r, unsigned c)
{
	const struct bench_group *g = r->group;

	fprintf(to, "\n    {\"name\":");
	bench_json_string(to, g->contenders[c].name);
	fprintf(to, ",\"what\":");
	bench_json_string(to, g->contenders[c].what);
	if (!r->in[c]) {
		fprintf(to, ",\"not_run\":");
		bench_json_string(to, r->why[c]);
		fprintf(to, "}");
		return;
	}
	fprintf(to, ",\"retries\":%u,\"metrics\":{", r->retries[c]);
	for (unsigned m = 0; m < g->metric_count; m++) {
		fprintf(to, "%s\n      ", m ? "," : "");
		bench_json_string(to, g->metrics[m].name);
		fprintf(to, ":");
		json_stat(to, bench_result_stat(r, c, m));
		fprintf(to, ",\"values\":[");
		for (unsigned i = 0, n = 0; i < r->rounds; i++)
			if (r->cells[c][i].have)
				fprintf(to, "%s%.6g", n++ ? "," : "", r->cells[c][i].values[m]);
		fprintf(to, "],\"ratio\":");
		json_stat(to, bench_result_ratio(r, c, g->reference, m));
		fprintf(to, "}}");
	}
	fprintf(to, "},\"disturbed\":[");
	for (unsigned i = 0; i < r->rounds; i++)
		fprintf(to, "%s%s", i ? "," : "", r->cells[c][i].disturbed ? "true" : "false");
	fprintf(to, "]}");
}

void bench_json_group(FILE *to, const struct bench_result *r, bool first)
{
	const struct bench_group *g = r->group;
	unsigned n = 0;

	fprintf(to, "%s\n {\"name\":", first ? "" : ",");
	bench_json_string(to, g->name);
	fprintf(to, ",\"what\":");
	bench_json_string(to, g->what);
	fprintf(to, ",\"rounds\":%u,\"reference\":", r->rounds);
	bench_json_string(to, g->contenders[g->reference].name);
	fprintf(to, ",\n  \"contenders\":[");
	for (unsigned c = 0; c < g->contender_count; c++) {
		if (!r->in[c] && !r->why[c][0])
			continue;
		if (n++)
			fprintf(to, ",");
		json_contender(to, r, c);
	}
	fprintf(to, "],\n  \"goals\":[");
	n = 0;
	for (unsigned i = 0; i < g->goal_count; i++) {
		const struct bench_goal *goal = &g->goals[i];
		struct bench_stat st;

		if (!goal_figure(r, goal, &st))
			continue;
		fprintf(to, "%s\n    {\"goal\":", n++ ? "," : "");
		bench_json_string(to, goal->text);
		fprintf(to, ",\"figure\":");
		json_stat(to, st);
		fprintf(to, "},\"at_least\":%s,\"limit\":%.6g,\"met\":%s,\"doubtful\":%s}",
			goal->at_least ? "true" : "false", goal->limit,
			goal_met(goal, st.median) ? "true" : "false",
			goal_doubtful(r, goal) ? "true" : "false");
	}
	fprintf(to, "]}");
}

int bench_json_open(const char *path, const struct bench_settings *set, FILE **ret)
{
	struct utsname un;
	FILE *to;

	to = fopen(path, "we");
	if (!to)
		return -errno;
	uname(&un);
	fprintf(to, "{\"weir_bench_host\":1,\"kernel\":");
	bench_json_string(to, un.release);
	fprintf(to, ",\"machine\":");
	bench_json_string(to, un.machine);
	fprintf(to, ",\"cpus\":%ld,\"rounds\":%u,\"seconds\":%.6g,\"warmup\":%.6g,\"seed\":%u,",
		sysconf(_SC_NPROCESSORS_ONLN), set->rounds, set->seconds, set->warmup, set->seed);
	fprintf(to, "\n\"groups\":[");
	*ret = to;
	return 0;
}

int bench_json_close(FILE *to)
{
	bool bad;

	fprintf(to, "]}\n");
	bad = ferror(to);
	return fclose(to) || bad ? -EIO : 0;
}
