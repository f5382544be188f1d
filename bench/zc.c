/* SPDX-License-Identifier: MIT */
/*
 * zc.c - the group "zerocopy": UDP sends with and without a copy, into devices that drop.
 *
 * Theory:
 *	What a send costs is the sender's CPU time, so there is no receiver.  All contenders of a
 *	row are open at the same time in one process, pinned to one core, and send from the same
 *	memory.  A round gives each a slice of SLICE_S, in an order drawn anew: two slices that are
 *	compared are a fraction of a second apart, and drift meets both.  Ratios are formed within
 *	a round; of their median the report says between which values it lies with 95 %
 *	confidence.  A row whose interval is wide gets more rounds, up to twice as many: their
 *	number depends on the width alone, not on where the interval lies.
 *	CPU time is the thread's (CLOCK_THREAD_CPUTIME_ID; what the device does in the sending
 *	thread is in it); other programs on the machine change wall time much more.
 *	Hot memory (1 MiB) is sent again and again; cold memory (256 MiB) is larger than any cache,
 *	and the place in it goes on from one contender to the next.  The kernel reads it only where
 *	it copies.  Each message begins on a page; pages are of 4 KiB unless the row says "huge".
 *	A contender sends WARM_MESSAGES before the first slice; what it learns after these is not
 *	excused.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "zc.h"

#define SLICE_S 0.020
#define QUICK_SLICE_S 0.005
#define SLICE_WARM_S 0.001
#define WARM_MESSAGES 128u
#define ROUNDS_TIMES 4u /* of the rounds that other groups have */
#define WIDE 0.03	/* an interval that is wider gets more rounds */
#define HOT_BYTES ((size_t)1 << 20)
#define COLD_BYTES ((size_t)256 << 20)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static const uint32_t sizes[] = { 600, 1200, 1472, 4000, 8900, 16000, 32000, 64000 };

/* Rows that are run where neither --full nor --rows is given. */
static const char *const short_rows[] = {
	"ifb-65535/1472/hot",	   "ifb-65535/4000/hot",  "ifb-65535/4000/cold",
	"ifb-1500/64000/hot",	   "ifb-1500/64000/cold", "veth-1500/64000/hot",
	"ifb-1500/64000/hot/huge", "lo/4000/hot",
};

const struct zc_contender zc_contenders[] = {
	{ "send", "send(2), a call for each message", ZC_HAND_SEND, zc_hand_open, zc_hand_send,
	  zc_hand_close },
	{ "sendmmsg", "sendmmsg(2), a call for each batch", ZC_HAND_SENDMMSG, zc_hand_open,
	  zc_hand_sendmmsg, zc_hand_close },
	{ "msg_zerocopy", "send(2) with MSG_ZEROCOPY, the error queue read for each batch",
	  ZC_HAND_MSG_ZEROCOPY, zc_hand_open, zc_hand_msg_zerocopy, zc_hand_close },
	{ "uring-send", "io_uring by hand: SEND", ZC_HAND_URING, zc_hand_open, zc_hand_ring,
	  zc_hand_close },
	{ "send_zc", "io_uring by hand: SEND_ZC", ZC_HAND_SEND_ZC, zc_hand_open, zc_hand_ring,
	  zc_hand_close },
	{ "send_zc-fixed", "SEND_ZC by hand, registered buffer and file", ZC_HAND_SEND_ZC_FIXED,
	  zc_hand_open, zc_hand_ring, zc_hand_close },
	{ "sendmsg_zc-fixed", "SENDMSG_ZC by hand, registered, segment size in each request",
	  ZC_HAND_SENDMSG_ZC, zc_hand_open, zc_hand_ring, zc_hand_close },
	{ "train-by-hand", "SENDMSG_ZC by hand, registered, several datagrams a request (GSO)",
	  ZC_HAND_TRAIN, zc_hand_open, zc_hand_ring, zc_hand_close },
	{ "weir-plain", "weir, copying; generations of 8", ZC_WEIR_PLAIN | 8, zc_weir_open,
	  zc_weir_batch, zc_weir_close },
	{ "weir-zc", "weir, zero copy, registered memory; generations of 8", ZC_WEIR_ALWAYS | 8,
	  zc_weir_open, zc_weir_batch, zc_weir_close },
	{ "weir-zc-1", "the same; generations of 1", ZC_WEIR_ALWAYS | 1, zc_weir_open,
	  zc_weir_batch, zc_weir_close },
	{ "weir-zc-64", "the same; generations of 64", ZC_WEIR_ALWAYS | 64, zc_weir_open,
	  zc_weir_batch, zc_weir_close },
	{ "weir-zc-tags", "the same; no context, an event for each send",
	  ZC_WEIR_ALWAYS | ZC_WEIR_TAGS | 1, zc_weir_open, zc_weir_batch, zc_weir_close },
	{ "weir-zc-memory", "the same, from memory that is not registered",
	  ZC_WEIR_ALWAYS | ZC_WEIR_UNREGISTERED | 8, zc_weir_open, zc_weir_batch, zc_weir_close },
	{ "weir-zc-train", "the same; datagrams may share a train",
	  ZC_WEIR_ALWAYS | ZC_WEIR_TRAINS | 8, zc_weir_open, zc_weir_batch, zc_weir_close },
	{ "weir-epoll-zc", "weir, zero copy, epoll plane; generations of 8",
	  ZC_WEIR_ALWAYS | ZC_WEIR_EPOLL | 8, zc_weir_open, zc_weir_batch, zc_weir_close },
	{ "weir-auto", "weir's own choice; generations of 8", 8, zc_weir_open, zc_weir_batch,
	  zc_weir_close },
	{ "weir-auto-1", "the same; generations of 1", 1, zc_weir_open, zc_weir_batch,
	  zc_weir_close },
	{ "weir-auto-64", "the same; generations of 64", 64, zc_weir_open, zc_weir_batch,
	  zc_weir_close },
	{ "weir-auto-train", "weir's own choice, and datagrams may share a train: the default",
	  ZC_WEIR_TRAINS | 8, zc_weir_open, zc_weir_batch, zc_weir_close },
};

const unsigned zc_contender_count = sizeof(zc_contenders) / sizeof(zc_contenders[0]);
_Static_assert(sizeof(zc_contenders) / sizeof(zc_contenders[0]) <= ZC_CONTENDERS_MAX,
	       "zc_measured has room for all");

int zc_find(const char *name)
{
	for (unsigned c = 0; c < zc_contender_count; c++)
		if (!strcmp(zc_contenders[c].name, name))
			return (int)c;
	return -1;
}

void zc_row_name(const struct zc_row *row, char *to, size_t bytes)
{
	snprintf(to, bytes, "%s/%u/%s%s", row->path->name, row->bytes, row->cold ? "cold" : "hot",
		 row->huge ? "/huge" : "");
}

/* Memory: one area at a time, kept for the next row of its kind. */
static struct {
	struct weir_area *area;
	char *base;
	bool cold;
	bool huge;
} memory;

static void forget_memory(void)
{
	weir_area_close(memory.area);
	memory.area = NULL;
}

static int take_memory(struct zc_load *load)
{
	size_t bytes = load->row.cold ? COLD_BYTES : HOT_BYTES;
	struct weir_area_opts opts = { .size = sizeof(opts),
				       .provider = WEIR_PROVIDER_HOST,
				       .flags = WEIR_AREA_LAZY,
				       .bytes = bytes + 2 * HUGE_PAGE_BYTES };
	struct weir_area_info info;
	int res;

	if (memory.area && (memory.cold != load->row.cold || memory.huge != load->row.huge))
		forget_memory();
	if (!memory.area) {
		res = weir_area_open(&memory.area, &opts, NULL);
		if (res)
			return res;
		weir_area_describe(memory.area, &info);
		if (!load->row.huge && madvise(info.base, info.bytes, MADV_NOHUGEPAGE))
			return -errno;
		memset(info.base, 0x5a, info.bytes);
		memory.base = info.base;
		memory.base += -(uintptr_t)info.base % HUGE_PAGE_BYTES;
		memory.cold = load->row.cold;
		memory.huge = load->row.huge;
	}
	load->area = memory.area;
	load->memory = memory.base;
	load->bytes = bytes;
	return 0;
}

static double thread_cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int slice(struct zc_run *run, double seconds, double *retcpu_ns, double *retwall_ns)
{
	double start = bench_now_s(), now = start, cpu;
	unsigned messages = 0;
	int res = 0;

	while (!res && (now < start + SLICE_WARM_S)) {
		res = run->contender->batch(run);
		now = bench_now_s();
	}
	cpu = thread_cpu_s();
	start = bench_now_s();
	do {
		if (!res)
			res = run->contender->batch(run);
		messages += ZC_BATCH;
		now = bench_now_s();
	} while (!res && now < start + seconds);
	*retcpu_ns = (thread_cpu_s() - cpu) * 1e9 / messages;
	*retwall_ns = (now - start) * 1e9 / messages;
	return res;
}

static bool wanted_contender(const struct bench_settings *set, const char *name)
{
	const char *at = set->only;
	size_t len = strlen(name);

	while (at && *at) {
		if (!strncmp(at, name, len) && (at[len] == ',' || !at[len]))
			return true;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return !set->only;
}

/* Rows with generations of other lengths are many: only where they are asked for. */
static bool part_of_run(const struct bench_settings *set, const struct zc_contender *c)
{
	bool extra = !strcmp(c->name, "weir-auto-1") || !strcmp(c->name, "weir-auto-64");

	return wanted_contender(set, c->name) && (set->full || set->only || !extra);
}

static void leave(struct zc_measured *m, struct zc_run *run, unsigned c, int res)
{
	m->in[c] = false;
	m->failed |= res != -ENOTSUP;
	snprintf(m->why[c], sizeof(m->why[c]), "%s", run->why);
}

static void enter(const struct bench_settings *set, struct zc_measured *m, struct zc_run *runs,
		  struct zc_load *load)
{
	for (unsigned c = 0; c < zc_contender_count; c++) {
		struct zc_run *run = &runs[c];
		int res;

		*run = (struct zc_run){ .load = load, .contender = &zc_contenders[c] };
		if (!part_of_run(set, run->contender))
			continue;
		res = run->contender->open(run);
		for (unsigned n = 0; !res && n < WARM_MESSAGES; n += ZC_BATCH)
			res = run->contender->batch(run);
		m->in[c] = !res;
		if (res)
			leave(m, run, c, res);
		run->released = run->copied = 0;
	}
}

static void round_of(struct zc_measured *m, struct zc_run *runs, double seconds)
{
	unsigned order[ZC_CONTENDERS_MAX], n = 0;

	for (unsigned c = 0; c < zc_contender_count; c++)
		if (m->in[c])
			order[n++] = c;
	for (unsigned i = n; i > 1; i--) {
		unsigned j = (unsigned)random() % i, keep = order[j];

		order[j] = order[i - 1];
		order[i - 1] = keep;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned c = order[i];
		int res = slice(&runs[c], seconds, &m->cpu_ns[c][m->rounds],
				&m->wall_ns[c][m->rounds]);

		if (res)
			leave(m, &runs[c], c, res);
	}
	m->rounds++;
}

/* Would more rounds help?  The comparison with the tightest goal says. */
static bool is_wide(const struct zc_measured *m)
{
	int automatic = zc_find("weir-auto"), better = zc_better(m), by_hand;
	struct zc_interval in;

	if (better >= 0 && automatic >= 0 && m->in[automatic]) {
		in = zc_speed(m, (unsigned)automatic, (unsigned)better, false);
	} else {
		automatic = zc_find("send_zc-fixed");
		by_hand = zc_find("msg_zerocopy");
		if (!m->in[automatic] || !m->in[by_hand])
			return false;
		in = zc_speed(m, (unsigned)automatic, (unsigned)by_hand, false);
	}
	return !in.sure || in.high - in.low > WIDE;
}

static void run_row(const struct bench_settings *set, struct zc_measured *m)
{
	static struct zc_run runs[ZC_CONTENDERS_MAX];
	struct zc_load load = { .row = m->row };
	unsigned rounds = set->rounds * ROUNDS_TIMES, most;
	int res;

	rounds = rounds < BENCH_ROUNDS_MAX ? rounds : BENCH_ROUNDS_MAX;
	most = 2 * rounds < BENCH_ROUNDS_MAX ? 2 * rounds : BENCH_ROUNDS_MAX;
	load.segment = m->row.bytes + 28 > m->row.path->mtu ? ZC_SEGMENT_BYTES : 0;
	load.stride = (m->row.bytes + ZC_PAGE_BYTES - 1) / ZC_PAGE_BYTES * ZC_PAGE_BYTES;
	res = take_memory(&load);
	if (res) {
		m->failed = true;
		for (unsigned c = 0; c < zc_contender_count; c++)
			snprintf(m->why[c], sizeof(m->why[c]), "memory: %s", strerror(-res));
		return;
	}
	enter(set, m, runs, &load);
	while (m->rounds < rounds || (m->rounds < most && !set->quick && is_wide(m)))
		round_of(m, runs, set->quick ? QUICK_SLICE_S : SLICE_S);
	for (unsigned c = 0; c < zc_contender_count; c++) {
		if (runs[c].state)
			runs[c].contender->close(&runs[c]);
		m->copied[c] = -1;
		if (runs[c].released)
			m->copied[c] = (double)runs[c].copied / (double)runs[c].released;
	}
}

static bool wanted_row(const struct bench_settings *set, const struct zc_row *row)
{
	char name[64], pattern[64];
	const char *at = set->rows;

	zc_row_name(row, name, sizeof(name));
	while (at && *at) {
		size_t len = strcspn(at, ",");

		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, at);
		if (!fnmatch(pattern, name, 0))
			return true;
		at += len + (at[len] == ',');
	}
	if (set->rows)
		return false;
	if (set->full)
		return !row->huge || (row->bytes >= 4000 && !row->path->copies);
	for (unsigned i = 0; i < sizeof(short_rows) / sizeof(short_rows[0]); i++)
		if (!strcmp(short_rows[i], name))
			return true;
	return false;
}

static unsigned choose_rows(const struct bench_settings *set, struct zc_measured *all)
{
	unsigned n = 0, size_count = sizeof(sizes) / sizeof(sizes[0]);
	unsigned count = 4 * zc_path_count * size_count;

	for (unsigned i = 0; i < count && n < ZC_ROWS_MAX; i++) {
		struct zc_row row = { .huge = i / size_count / zc_path_count / 2,
				      .cold = i / size_count / zc_path_count % 2,
				      .path = &zc_paths[i / size_count % zc_path_count],
				      .bytes = sizes[i % size_count] };

		if (wanted_row(set, &row))
			all[n++].row = row;
	}
	return n;
}

/* Return: whether a contender that was to run failed. */
static bool any_failed(const struct zc_measured *all, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (all[i].failed)
			return true;
	return false;
}

struct outcome {
	unsigned missed;
	bool json;
};

static int child(const struct bench_settings *set, FILE *json, bool first, struct outcome *out)
{
	static struct zc_measured all[ZC_ROWS_MAX];
	unsigned n = choose_rows(set, all), undecided = 0;
	char why[256] = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (set->nice)
		setpriority(PRIO_PROCESS, 0, set->nice);
	if (bench_pin(BENCH_TX_CPU) || zc_net_open(why, sizeof(why))) {
		printf("\nzerocopy: not run: %s\n", why[0] ? why : "no core");
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		run_row(set, &all[i]);
		if (set->verbose)
			fprintf(stderr, "zerocopy: row %u of %u, %u rounds\n", i + 1, n,
				all[i].rounds);
	}
	forget_memory();
	zc_report_rows(all, n);
	out->missed = zc_report_goals(all, n, &undecided);
	if (undecided)
		printf("%u undecided: the interval holds both sides of the goal\n", undecided);
	if (json && n) {
		zc_json(json, all, n, first);
		out->json = true;
		fflush(json);
	}
	fflush(stdout);
	return any_failed(all, n) ? 1 : 0;
}

static bool any_wanted(const struct bench_settings *set)
{
	for (unsigned c = 0; c < zc_contender_count; c++)
		if (wanted_contender(set, zc_contenders[c].name))
			return true;
	return false;
}

void bench_zc_list(void)
{
	printf("zerocopy: UDP sends with and without a copy into devices that drop\n");
	for (unsigned c = 0; c < zc_contender_count; c++)
		printf("  %-19s %s\n", zc_contenders[c].name, zc_contenders[c].what);
}

/*
 * Runs the group in a process of its own, which the namespace ends with.  Return: 0, or 1 where a
 * contender failed; adds missed goals to @missed; @first is cleared where JSON was written.
 */
int bench_zc_run(const struct bench_settings *set, FILE *json, bool *first, unsigned *missed)
{
	struct outcome *out;
	int status = 0;
	pid_t pid;

	if (!any_wanted(set))
		return 0;
	out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (out == MAP_FAILED)
		return 1;
	fflush(stdout);
	if (json)
		fflush(json);
	pid = fork();
	if (!pid)
		_exit(child(set, json, *first, out));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFSIGNALED(status))
		printf("\nzerocopy: ended by signal %d\n", WTERMSIG(status));
	*missed += out->missed;
	*first = *first && !out->json;
	munmap(out, sizeof(*out));
	return !WIFEXITED(status) || WEXITSTATUS(status) ? 1 : 0;
}
