/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-bench-host: weir's planes of the host and the usual alternatives, side by side.
 *
 * Theory: see README.md for the method and harness.c for the rounds.  The exit code is 0 when
 * everything ran (goals that were not met are printed, and fail only with --strict), 1 when
 * something failed, 2 for wrong arguments, 77 when the machine has too few cores.
 */
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

struct choice {
	const char *name;
	const struct bench_group *groups;
	unsigned count;
};

static const struct choice choices[] = {
	{ "tcp", &bench_tcp, 1 },	    { "udp", bench_udp, 4 },
	{ "pingpong", bench_pingpong, 2 },  { "connections", &bench_connections, 1 },
	{ "syscalls", &bench_syscalls, 1 }, { "zerocopy", NULL, 0 },
};

#define CHOICE_COUNT (sizeof(choices) / sizeof(choices[0]))

static const char usage[] =
	"usage: weir-bench-host [tcp|udp|pingpong|connections|syscalls|zerocopy|all]... "
	"[options]\n"
	"  --rounds N      times each contender runs (5)\n"
	"  --seconds S     length of one measured window (0.5)\n"
	"  --quick         2 rounds of 0.25 s: shows that all works, not how fast\n"
	"  --full          zerocopy: all rows, about half an hour\n"
	"  --rows P,Q      zerocopy: rows by name, \"ifb-1500/64000/*\"\n"
	"  --only A,B      these contenders only (--list names them)\n"
	"  --one-end       pingpong: the other end is always the blocking client\n"
	"  --congestion C  TCP's (cubic, which has no pacing timers; \"system\": what is set)\n"
	"  --json FILE     all values as JSON\n"
	"  --weir PATH     the weir command (default: beside this program)\n"
	"  --patience S    before each trial wait up to S seconds for both cores to be idle (0)\n"
	"  --nice N        run the ends with this nice value (negative ones need root)\n"
	"  --seed N        of the order of contenders\n"
	"  --strict        goals that are not met fail\n"
	"  --verbose       each trial on stderr\n"
	"  --list          groups and contenders\n";

static void list(void)
{
	for (unsigned i = 0; i < CHOICE_COUNT; i++) {
		for (unsigned k = 0; k < choices[i].count; k++) {
			const struct bench_group *g = &choices[i].groups[k];

			printf("%s: %s\n", g->name, g->what);
			for (unsigned c = 0; c < g->contender_count; c++)
				printf("  %-19s %s\n", g->contenders[c].name,
				       g->contenders[c].what);
		}
	}
	bench_zc_list();
}

static void find_weir(struct bench_settings *set)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (set->weir_path[0] || n <= 0)
		return;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(set->weir_path, sizeof(set->weir_path), "%s/weir", self);
	if (access(set->weir_path, X_OK))
		snprintf(set->weir_path, sizeof(set->weir_path), "%s/../tools/weir", self);
	if (access(set->weir_path, X_OK))
		set->weir_path[0] = 0;
}

static bool cores_there(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_ISSET(BENCH_RX_CPU, &set) &&
	       CPU_ISSET(BENCH_TX_CPU, &set);
}

/* Return: 0, or 1 where a contender failed; adds missed goals to @missed. */
static int run_choice(const struct choice *ch, const struct bench_settings *set, FILE *json,
		      bool *first, unsigned *missed)
{
	static struct bench_result result;
	int ret = 0;

	if (!ch->groups)
		return bench_zc_run(set, json, first, missed);
	for (unsigned i = 0; i < ch->count; i++) {
		int res = bench_harness_run(&ch->groups[i], set, &result);

		if (res == -ENOENT && set->only)
			continue;
		bench_report_table(&result);
		*missed += bench_report_goals(&result);
		fflush(stdout);
		if (json)
			bench_json_group(json, &result, *first);
		*first = false;
		if (res)
			ret = 1;
	}
	return ret;
}

static const struct option options[] = {
	{ "rounds", required_argument, NULL, 'r' },
	{ "seconds", required_argument, NULL, 's' },
	{ "quick", no_argument, NULL, 'q' },
	{ "full", no_argument, NULL, 'f' },
	{ "rows", required_argument, NULL, 'R' },
	{ "json", required_argument, NULL, 'j' },
	{ "only", required_argument, NULL, 'o' },
	{ "one-end", no_argument, NULL, '1' },
	{ "seed", required_argument, NULL, 'S' },
	{ "strict", no_argument, NULL, 'x' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "weir", required_argument, NULL, 'w' },
	{ "patience", required_argument, NULL, 'p' },
	{ "nice", required_argument, NULL, 'n' },
	{ "congestion", required_argument, NULL, 'C' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct command_line {
	struct bench_settings set;
	const char *json_path;
	bool strict;
	bool wanted[CHOICE_COUNT];
};

static int parse_groups(int argc, char **argv, struct command_line *cl)
{
	bool any = false;

	for (int i = optind; i < argc; i++) {
		bool known = !strcmp(argv[i], "all");

		for (unsigned k = 0; k < CHOICE_COUNT; k++) {
			if (!strcmp(argv[i], "all") || !strcmp(argv[i], choices[k].name)) {
				cl->wanted[k] = true;
				known = true;
			}
		}
		if (!known) {
			fprintf(stderr, "weir-bench-host: no group \"%s\"\n%s", argv[i], usage);
			return -EINVAL;
		}
		any = true;
	}
	for (unsigned k = 0; k < CHOICE_COUNT && !any; k++)
		cl->wanted[k] = true;
	return 0;
}

/* Options without a value.  Return: false where @opt is none of them. */
static bool parse_flag(int opt, struct command_line *cl)
{
	switch (opt) {
	case 'q':
		return cl->set.quick = true;
	case 'f':
		return cl->set.full = true;
	case '1':
		return cl->set.one_end = true;
	case 'x':
		return cl->strict = true;
	case 'v':
		return cl->set.verbose = true;
	default:
		return false;
	}
}

/* Return: -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct command_line *cl)
{
	struct bench_settings *set = &cl->set;
	double rounds = 0, seconds = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		char *end = (char *)"";

		switch (opt) {
		case 'r':
			rounds = (double)strtoul(optarg, &end, 10);
			break;
		case 's':
			seconds = strtod(optarg, &end);
			break;
		case 'p':
			set->patience = strtod(optarg, &end);
			break;
		case 'n':
			set->nice = (int)strtol(optarg, &end, 10);
			break;
		case 'S':
			set->seed = (unsigned)strtoul(optarg, &end, 10);
			break;
		case 'R':
			set->rows = optarg;
			break;
		case 'j':
			cl->json_path = optarg;
			break;
		case 'o':
			set->only = optarg;
			break;
		case 'C':
			set->congestion = strcmp(optarg, "system") ? optarg : NULL;
			break;
		case 'w':
			snprintf(set->weir_path, sizeof(set->weir_path), "%s", optarg);
			break;
		case 'l':
			list();
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			if (parse_flag(opt, cl))
				break;
			fputs(usage, stderr);
			return 2;
		}
		if (*end || (opt == 'r' && (rounds < 1 || rounds > BENCH_ROUNDS_MAX)) ||
		    (opt == 's' && !(seconds >= 0.05 && seconds <= 600))) {
			fprintf(stderr, "weir-bench-host: bad value \"%s\"\n%s", optarg, usage);
			return 2;
		}
	}
	set->rounds_asked = rounds > 0;
	set->rounds = rounds > 0 ? (unsigned)rounds : set->quick ? 2 : 5;
	set->seconds = seconds > 0 ? seconds : set->quick ? 0.25 : 0.5;
	set->warmup = set->quick ? 0.1 : 0.2;
	return parse_groups(argc, argv, cl) ? 2 : -1;
}

int main(int argc, char **argv)
{
	struct command_line cl = { .set = { .seed = (unsigned)time(NULL), .congestion = "cubic" } };
	unsigned missed = 0;
	FILE *json = NULL;
	bool first = true;
	int res, ret = 0;

	res = parse(argc, argv, &cl);
	if (res >= 0)
		return res;
	find_weir(&cl.set);
	if (!cores_there()) {
		fprintf(stderr, "skip: needs cores %d and %d\n", BENCH_TX_CPU, BENCH_RX_CPU);
		return 77;
	}
	if (cl.json_path && bench_json_open(cl.json_path, &cl.set, &json)) {
		perror(cl.json_path);
		return 1;
	}
	srandom(cl.set.seed);
	printf("sender on core %d, receiver on core %d; windows of %.2f s; seed %u\n", BENCH_TX_CPU,
	       BENCH_RX_CPU, cl.set.seconds, cl.set.seed);
	for (unsigned k = 0; k < CHOICE_COUNT; k++)
		if (cl.wanted[k])
			ret |= run_choice(&choices[k], &cl.set, json, &first, &missed);
	if (json && bench_json_close(json)) {
		fprintf(stderr, "weir-bench-host: %s: write error\n", cl.json_path);
		ret = 1;
	}
	printf("\n%u goals not met\n", missed);
	return ret || (cl.strict && missed) ? 1 : 0;
}
