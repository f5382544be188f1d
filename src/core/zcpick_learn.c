// SPDX-License-Identifier: MIT
/*
 * zcpick_learn.c - from which size on zero copy pays, learnt from costs and reports.
 *
 * Theory: requests are sorted into classes of half an octave.  A copy costs more the more there is
 *	to copy, so one class where zero copy pays settles all above, and one where it does not
 *	settles all below:
 *
 *	   0 .. lo          lo+1 .. hi-1            hi .. last
 *	   plain            not known: tried        zero copy           unless the path copies
 *
 *	A trial sends bursts of one kind and of the other (plain, zc, zc, plain, ...), so that what
 *	changes slowly meets both alike.  Of each burst the first request is left out, for the two
 *	kinds disturb each other, and the two dearest, for interrupts.  Each pair of bursts says by
 *	which fraction zero copy costs more; mean and variance of that are kept.  The first trial
 *	is of single requests, each measured alone.  It ends after 4 pairs, or earlier where the
 *	answer is clear, and is rough.  Where the kinds come out alike the next trials take whole
 *	cycles of the engine, in its natural batches, and are believed instead: but not where a
 *	cycle holds much else (mixed_rounds).  Trials become rare where the answer is sure.  A
 *	choice is changed only where the other is better by a margin.
 *	Between trials the cost of the chosen kind is measured every DRIFT_EVERY requests: if it
 *	has moved, the answer may have, too.
 *	A path that copies all the same says so: after COPIED_MAX such reports in a row the class,
 *	and those above it, are sent plain; all are where none was ever reported otherwise.  Single
 *	requests probe whether that is still so, ever more rarely.  One report of no copy is enough.
 * Invariants: 1. lo < hi.  2. from is the smallest request of class hi; to that of the lowest class
 *	that the path copies.
 * Ownership: the caller's.
 * Threads: the engine's.
 * Errors: none.  Costs that make no sense (no clock) lead to plain sends.
 * Sources: io_uring/notif.c io_notif_tw_complete() (Linux 7.3): "copied" is said of requests that
 *	shared a packet, too; only "not copied" is sure.
 * Tests: tests/unit/test_zcpick.c
 */
#include <string.h>

#include "core.h"

#define PAIRS_FIRST 4u
#define PAIRS_FEW 10u	 /* fewer may agree by chance */
#define PAIRS_DOUBTED 8u /* weight of it where costs have moved */
#define PAIRS_CAP_CYCLES 16u
#define PAIRS_CAP 64u /* weight of what is known, at most */
#define CLEAR 0.2f    /* such a difference needs no more than 2 pairs */
#define TIE 0.005f    /* zero copy is chosen where it is better by this; */
#define MARGIN 0.012f /* what was chosen is kept within so much of that */
#define SURPRISE 0.05f
#define WILD 0.1f	       /* how far off a pair may be and have weight for that */
#define VAR_MIN 0.0025f	       /* no pair of bursts is better than 5 %, */
#define VAR_MIN_CYCLES 0.0004f /* and no pair of cycles better than 2 % */
#define IDLE_MAX 64u	       /* cycles without a request after which a trial ends */
#define FAR 3 /* times the cost of a single request: the program did something else */
#define FAR_MAX 8u
#define MIXED_ROUNDS 64u /* rounds by single requests, where cycles have others */
#define ROUND_SOON 32u	 /* requests from a rough answer to a better one */
#define ROUND_FIRST 256u
#define ROUND_CLOSE 4096u
#define ROUND_SURE 16384u
#define ROUND_MAX 262144u
#define ROUND_FEW 2048u /* so many requests before one is due by time */
#define ROUND_NS 30000000000ull
#define ROUND_MAX_NS 300000000000ull
#define ABANDON 8192u /* requests after which a trial without traffic ends */
#define PASS_MAX 64u
#define DRIFT_EVERY 512u
#define DRIFT_FAR 1.25f
#define DRIFT_MOST 1.5f
#define DOUBT_MIN 4096u
#define DOUBT_MAX 65536u
#define COPIED_MAX 4u
#define PROBE_MIN 4096u
#define PROBE_MAX 65536u
#define PROBE_NS 10000000000ull
#define PROBE_MAX_NS 60000000000ull
#define QUIET_MAX 255u
#define QUIET_HELD 63u
#define STALLS_MAX 8u
#define STALLS_AGAIN 2u /* after a rest; or where they cost this much: */
#define STALLS_NS 20000000ull
#define WATCH_MAX 64u
#define WAITS_NS 1000000000ull
#define WAITS_MAX_NS 64000000000ull
#define PROBATION 16u

unsigned weir_zclearn_class(size_t bytes)
{
	unsigned top = 63u - (unsigned)__builtin_clzll(bytes | WEIR_ZCPICK_MIN);
	unsigned k = 2 * (top - 9u) + (bytes >> (top - 1) & 1);

	return k < WEIR_ZCPICK_CLASSES ? k : WEIR_ZCPICK_CLASSES - 1;
}

uint32_t weir_zclearn_class_bytes(unsigned k)
{
	uint32_t octave = WEIR_ZCPICK_MIN << k / 2;

	return k % 2 ? octave + octave / 2 : octave;
}

static void settle(struct weir_zclearn *l)
{
	l->from = l->hi < WEIR_ZCPICK_CLASSES ? weir_zclearn_class_bytes((unsigned)l->hi) :
						UINT32_MAX;
}

static void know_nothing(struct weir_zclearn *l)
{
	memset(l->stat, 0, sizeof(l->stat));
	l->lo = -1;
	l->hi = WEIR_ZCPICK_CLASSES;
	l->t.on = false;
	l->drift = 1;
	settle(l);
}

static void probe_later(struct weir_zclearn *l, uint32_t step, uint64_t step_ns, uint64_t now_ns)
{
	l->probe_step = step < PROBE_MAX ? step : PROBE_MAX;
	l->probe_step_ns = step_ns < PROBE_MAX_NS ? step_ns : PROBE_MAX_NS;
	l->probe_at = l->seen + l->probe_step;
	l->probe_ns = now_ns + l->probe_step_ns;
}

void weir_zclearn_init(struct weir_zclearn *l, bool own_address)
{
	memset(l, 0, sizeof(*l));
	know_nothing(l);
	l->to = UINT32_MAX;
	l->doubt_step = DOUBT_MIN;
	l->copies = l->own_address = own_address;
	probe_later(l, PROBE_MIN, PROBE_NS, 0);
	/* The clock was not given: the first look at it sets the time. */
	l->probe_ns = UINT64_MAX;
}

void weir_zclearn_inherit(struct weir_zclearn *l, const struct weir_zclearn *path)
{
	*l = *path;
	memset(&l->t, 0, sizeof(l->t));
	l->seen = 0;
	l->round_at = 0;
	l->inherited = true;
	l->passed = PASS_MAX;
	l->drift = 1;
	l->drift_at = DRIFT_EVERY;
	l->doubt_at = 0;
	l->doubt_step = DOUBT_MIN;
	l->probe_at = l->own_address ? PROBE_MIN : 0;
	for (unsigned k = 0; k < WEIR_ZCPICK_CLASSES; k++)
		if (l->stat[k].n > PAIRS_FIRST)
			l->stat[k].n = PAIRS_FIRST;
}

static bool known(const struct weir_zclearn *l, unsigned k)
{
	return (int)k <= l->lo || (int)k >= l->hi;
}

/* plain, zc, zc, plain, plain, ... */
static bool arm(const struct weir_zctrial *t)
{
	return (t->burst + 1) >> 1 & 1;
}

static void begin(struct weir_zclearn *l, unsigned k, uint32_t pairs, bool cycles)
{
	memset(&l->t, 0, sizeof(l->t));
	l->t.on = true;
	l->t.cycles = cycles;
	/* The cycle is in its midst. */
	l->t.skip = true;
	l->t.klass = (uint8_t)k;
	l->t.want = pairs;
	l->t.begun = l->seen;
	l->passed = 0;
}

static void schedule(struct weir_zclearn *l, uint32_t step, uint64_t step_ns, uint64_t now_ns)
{
	l->round_step = step < ROUND_MAX ? step : ROUND_MAX;
	l->round_step_ns = step_ns < ROUND_MAX_NS ? step_ns : ROUND_MAX_NS;
	l->round_at = l->seen + l->round_step;
	l->round_ns = now_ns + l->round_step_ns;
}

static bool round_due(const struct weir_zclearn *l, uint64_t now_ns)
{
	uint32_t few = l->round_step < ROUND_FEW ? l->round_step : ROUND_FEW;

	return l->seen >= l->round_at ||
	       (now_ns >= l->round_ns && l->seen + l->round_step >= l->round_at + few);
}

/* Is @x more than @times its error away from 0, where @var is that of one of @n? */
static bool beyond(float x, float times, float var, uint32_t n)
{
	return x * x * (float)n > times * times * var;
}

static bool sure(const struct weir_zcstat *st)
{
	if (st->n < PAIRS_FEW && st->mean * st->mean < CLEAR * CLEAR / 4)
		return false;
	return st->n >= (st->rough ? PAIRS_CAP : PAIRS_CAP_CYCLES) ||
	       beyond(st->mean + TIE, 3, st->var, st->n);
}

/* Is the difference so small that single requests say too little? */
static bool close_call(const struct weir_zcstat *st)
{
	return st->mean * st->mean < CLEAR * CLEAR;
}

static void begin_if_due(struct weir_zclearn *l, unsigned k, bool may_cycle, uint64_t now_ns)
{
	const struct weir_zcstat *st = &l->stat[k];

	if (l->t.on && l->seen - l->t.begun > ABANDON) {
		l->t.on = false;
		schedule(l, ROUND_SURE, ROUND_NS, now_ns);
	}
	if (l->t.on)
		return;
	if (!known(l, k)) {
		begin(l, k, PAIRS_FIRST, false);
		return;
	}
	if (!round_due(l, now_ns))
		return;
	if (!st->n) {
		/* To know better what is known in part comes first. */
		if (l->passed++ >= PASS_MAX)
			begin(l, k, PAIRS_FIRST, false);
	} else if (l->inherited || l->mixed_rounds ||
		   (!close_call(st) && (st->rough || sure(st)))) {
		begin(l, k, l->inherited || st->n <= PAIRS_FIRST ? 2 : 1, false);
	} else if (may_cycle) {
		begin(l, k, PAIRS_FIRST, true);
	} else {
		schedule(l, ROUND_FIRST, ROUND_NS, now_ns);
	}
}

static bool drift_due(struct weir_zclearn *l, unsigned k)
{
	if (l->seen < l->drift_at)
		return false;
	l->drift_at = l->seen + (l->stat[k].n ? DRIFT_EVERY : DRIFT_EVERY / 4);
	return l->stat[k].n;
}

static bool probe_due(struct weir_zclearn *l, uint64_t now_ns)
{
	if (l->probe_ns == UINT64_MAX)
		l->probe_ns = now_ns + l->probe_step_ns;
	if (l->seen < l->probe_at && now_ns < l->probe_ns)
		return false;
	probe_later(l, 2 * l->probe_step, 2 * l->probe_step_ns, now_ns);
	return true;
}

bool weir_zclearn_ask(struct weir_zclearn *l, size_t bytes, bool may_cycle, uint64_t now_ns,
		      bool *retdue)
{
	unsigned k = weir_zclearn_class(bytes);
	bool zc;

	*retdue = false;
	if (l->held) {
		if (now_ns < l->held_until_ns)
			return false;
		l->held = WEIR_ZCHOLD_NONE;
		l->probation = PROBATION;
	}
	if (l->copies || bytes >= l->to) {
		*retdue = probe_due(l, now_ns);
		return *retdue;
	}
	begin_if_due(l, k, may_cycle, now_ns);
	if (l->t.on && k == l->t.klass) {
		zc = arm(&l->t);
		l->t.picked++;
		l->t.picked_bytes += bytes;
	} else {
		zc = bytes >= l->from;
		l->t.others += l->t.on;
	}
	/* A request alone spoils a cycle. */
	if (l->t.on && l->t.cycles)
		return zc;
	*retdue = l->t.on && k == l->t.klass;
	if (!*retdue)
		*retdue = drift_due(l, k) || (zc && (l->probation || l->stalls));
	return zc;
}

uint32_t weir_zclearn_quiet(const struct weir_zclearn *l)
{
	uint64_t next = l->drift_at < l->round_at ? l->drift_at : l->round_at;

	if (l->held)
		return QUIET_HELD;
	if (l->t.on || l->stalls || l->probation)
		return 0;
	if (l->copies)
		next = l->probe_at;
	else if (l->to != UINT32_MAX && l->probe_at < next)
		next = l->probe_at;
	if (next <= l->seen + 1)
		return 0;
	next -= l->seen + 1;
	return next < QUIET_MAX ? (uint32_t)next : QUIET_MAX;
}

/* The dearest two were interrupted, or they are as good as the others. */
static float burst_cost(const float *sample)
{
	float sum = 0, first = 0, second = 0;

	for (unsigned i = 1; i < WEIR_ZCPICK_BURST; i++) {
		sum += sample[i];
		if (sample[i] > first) {
			second = first;
			first = sample[i];
		} else if (sample[i] > second) {
			second = sample[i];
		}
	}
	return (sum - first - second) / (WEIR_ZCPICK_BURST - 3);
}

static float within(float x, float most)
{
	return x > most ? most : x < -most ? -most : x;
}

static void merge(struct weir_zcstat *st, const struct weir_zctrial *t)
{
	float least = t->cycles ? VAR_MIN_CYCLES : VAR_MIN;
	float var = t->n > 1 ? t->m2 / (float)(t->n - 1) : 4 * least;
	float share, off;
	uint32_t most;

	/* Single requests say nothing new to who knows better; or else all. */
	if (!t->cycles && st->n && !st->rough && !t->again)
		return;
	if (t->again || !st->n || (t->cycles && st->rough)) {
		st->n = t->n;
		st->mean = t->mean;
		st->var = var;
		st->rough = !t->cycles;
	} else {
		most = t->cycles ? PAIRS_CAP_CYCLES : PAIRS_CAP;
		st->n = st->n + t->n < most ? st->n + t->n : most;
		share = (float)t->n / (float)st->n;
		off = t->mean - st->mean;
		if (t->n < PAIRS_FIRST)
			off = within(off, WILD);
		st->mean += share * off;
		/* Of a single pair all that is known is its distance. */
		var = (t->n > 1 ? var : 0) + off * off;
		st->var += share * (var - st->var);
	}
	if (st->var < least)
		st->var = least;
}

static void choose(struct weir_zclearn *l, unsigned k, bool zc)
{
	if (zc && (int)k < l->hi)
		l->hi = (int8_t)k;
	if (zc && l->lo >= (int)k)
		l->lo = (int8_t)((int)k - 1);
	if (!zc && (int)k > l->lo)
		l->lo = (int8_t)k;
	if (!zc && l->hi <= (int)k)
		l->hi = (int8_t)((int)k + 1);
	weir_assert(l->lo < l->hi);
	settle(l);
}

static void finish(struct weir_zclearn *l, uint64_t now_ns)
{
	struct weir_zctrial *t = &l->t;
	struct weir_zcstat *st = &l->stat[t->klass];
	bool was_known = known(l, t->klass), was = (int)t->klass >= l->hi, zc;
	uint32_t step = 2 * l->round_step;
	uint64_t step_ns = 2 * l->round_step_ns;

	merge(st, t);
	/* What is not known well is not held on to. */
	if (!was_known || !sure(st))
		zc = st->mean < -TIE;
	else
		zc = st->mean < (was ? MARGIN - TIE : -MARGIN - TIE);
	if (!t->cycles) {
		st->ref[0] = t->cost[0] / (float)t->n;
		st->ref[1] = t->cost[1] / (float)t->n;
	}
	choose(l, t->klass, zc);
	if (was_known && zc != was) {
		l->flips++;
		l->doubt_step = DOUBT_MIN;
		step = 0;
	}
	l->drift = 1;
	l->inherited = false;
	if (l->mixed_rounds && !t->cycles)
		l->mixed_rounds--;
	t->on = false;
	l->drift_at = l->seen + DRIFT_EVERY;
	if (st->rough && close_call(st) && !l->mixed_rounds)
		schedule(l, ROUND_SOON, ROUND_NS, now_ns);
	else if (!sure(st))
		schedule(l, st->n < PAIRS_FEW ? ROUND_FIRST : 2 * ROUND_FIRST, ROUND_NS, now_ns);
	else if (!st->rough && close_call(st))
		/* What is cold now may get hot, and the difference is small: look again. */
		schedule(l,
			 step < ROUND_CLOSE	? ROUND_CLOSE :
			 step < 8 * ROUND_CLOSE ? step :
						  8 * ROUND_CLOSE,
			 ROUND_NS, now_ns);
	else if (step < ROUND_SURE)
		schedule(l, ROUND_SURE, ROUND_NS, now_ns);
	else
		schedule(l, step, step_ns, now_ns);
}

/* Do these pairs say something else than those before? */
static bool surprises(const struct weir_zcstat *st, const struct weir_zctrial *t)
{
	float off = t->mean < st->mean ? st->mean - t->mean : t->mean - st->mean;

	return st->n > 1 && off > SURPRISE && beyond(off - SURPRISE, 3, st->var, t->n);
}

/* One more pair.  The median of them is taken: somebody else's work makes some of them wild. */
static void add(struct weir_zctrial *t, float d)
{
	uint32_t i = t->n++;

	for (; i && t->d[i - 1] > d; i--)
		t->d[i] = t->d[i - 1];
	t->d[i] = d;
	t->mean = (t->d[(t->n - 1) / 2] + t->d[t->n / 2]) / 2;
	t->m2 = 0;
	for (i = 0; i < t->n; i++) {
		float off = within(t->d[i] - t->mean, 2 * WILD);

		t->m2 += off * off;
	}
}

static void pair(struct weir_zclearn *l, float d, uint64_t now_ns)
{
	struct weir_zctrial *t = &l->t;
	bool enough, clear;

	add(t, d);
	enough = t->n >= t->want;
	clear = t->n > 1 && t->mean * t->mean > CLEAR * CLEAR &&
		beyond(t->mean, 4, t->m2 / (float)(t->n - 1), 1);
	if (!enough && !clear)
		return;
	if (!t->again && !(t->cycles && l->stat[t->klass].rough) &&
	    surprises(&l->stat[t->klass], t)) {
		t->again = clear || t->want == PAIRS_FIRST;
		t->want = PAIRS_FIRST;
		if (!t->again)
			return;
	}
	finish(l, now_ns);
}

static void drifted(struct weir_zclearn *l, unsigned k, float ns)
{
	float ref = l->stat[k].ref[(int)k >= l->hi], ratio = ns / (ref > 1 ? ref : 1);

	/* One interrupt is no drift. */
	if (ratio > DRIFT_MOST)
		ratio = DRIFT_MOST;
	l->drift += (ratio - l->drift) / 8;
	if (l->drift < DRIFT_FAR && l->drift > 1 / DRIFT_FAR)
		return;
	if (l->t.on || l->seen < l->doubt_at)
		return;
	l->doubt_at = l->seen + l->doubt_step;
	l->doubt_step = l->doubt_step < DOUBT_MAX ? 2 * l->doubt_step : DOUBT_MAX;
	if (l->stat[k].n > PAIRS_DOUBTED)
		l->stat[k].n = PAIRS_DOUBTED;
	begin(l, k, PAIRS_FIRST, false);
}

/* A burst of @cost a request has ended. */
static void burst(struct weir_zclearn *l, float cost, float excess_ns, uint64_t now_ns)
{
	struct weir_zctrial *t = &l->t;
	bool second = t->burst & 1, kind = arm(t);

	t->burst++;
	t->skip = arm(t) != kind;
	t->cost[kind] += cost;
	if (kind)
		cost += excess_ns;
	if (!second) {
		t->first = cost;
		return;
	}
	/* The plain one is the second where this is of zero copy, and the first where it is not. */
	pair(l,
	     kind ? (cost - t->first) / (t->first > 1 ? t->first : 1) :
		    (t->first - cost) / (cost > 1 ? cost : 1),
	     now_ns);
}

void weir_zclearn_sample(struct weir_zclearn *l, size_t bytes, bool zc, float ns, float excess_ns,
			 uint64_t now_ns)
{
	unsigned k = weir_zclearn_class(bytes);
	struct weir_zctrial *t = &l->t;

	if (l->copies || l->held)
		return;
	if (t->on && !t->cycles && k == t->klass && zc == arm(t)) {
		t->sample[t->pos++] = ns;
		if (t->pos < WEIR_ZCPICK_BURST)
			return;
		t->pos = 0;
		burst(l, burst_cost(t->sample), excess_ns, now_ns);
	} else if (l->stat[k].n && zc == ((int)k >= l->hi)) {
		drifted(l, k, ns);
	}
}

void weir_zclearn_cycle(struct weir_zclearn *l, float ns, uint64_t sent_bytes, uint64_t now_ns)
{
	struct weir_zctrial *t = &l->t;
	uint32_t picked = t->picked;

	t->picked = 0;
	if (!t->on || !t->cycles)
		return;
	if (!picked && ++t->idle > IDLE_MAX) {
		t->on = false;
		schedule(l, ROUND_SURE, ROUND_NS, now_ns);
		return;
	}
	if (picked)
		t->idle = 0;
	/* What the kind before has left behind ends in the first cycle. */
	if (t->skip) {
		t->skip = !picked;
		t->picked_bytes = t->sent_bytes = 0;
		t->others = 0;
		return;
	}
	t->ns += ns;
	t->count += picked;
	t->sent_bytes += sent_bytes;
	if (t->count < WEIR_ZCPICK_BURST)
		return;
	if (t->others > t->count / 4 || t->sent_bytes > 2 * t->picked_bytes || t->far > FAR_MAX) {
		l->mixed_rounds = MIXED_ROUNDS;
		t->on = false;
		schedule(l, ROUND_FIRST, ROUND_NS, now_ns);
		return;
	}
	ns = t->ns / (float)t->count;
	t->ns = 0;
	t->count = t->others = 0;
	t->picked_bytes = t->sent_bytes = 0;
	/* The program had much else to do. */
	if (ns > FAR * l->stat[t->klass].ref[arm(t)])
		t->far++;
	else
		burst(l, ns, 0, now_ns);
}

static void path_copies(struct weir_zclearn *l, unsigned k, uint64_t now_ns)
{
	uint32_t bytes = weir_zclearn_class_bytes(k);

	l->clean &= ~(1u << k);
	if (!l->clean)
		l->copies = true;
	else if (bytes < l->to)
		l->to = bytes;
	else
		return;
	l->t.on = false;
	probe_later(l, PROBE_MIN, PROBE_NS, now_ns);
}

void weir_zclearn_report(struct weir_zclearn *l, size_t bytes, bool copied, uint64_t now_ns)
{
	unsigned k = weir_zclearn_class(bytes);

	if (copied) {
		if (l->copied[k] < COPIED_MAX && ++l->copied[k] == COPIED_MAX)
			path_copies(l, k, now_ns);
		return;
	}
	l->copied[k] = 0;
	l->clean |= 1u << k;
	if (bytes >= l->to) {
		l->to = UINT32_MAX;
		memset(l->copied, 0, sizeof(l->copied));
	}
	if (!l->copies)
		return;
	l->copies = l->own_address = false;
	memset(l->copied, 0, sizeof(l->copied));
	know_nothing(l);
}

void weir_zclearn_hold(struct weir_zclearn *l, enum weir_zchold why, uint64_t base_ns,
		       uint64_t max_ns, uint64_t now_ns)
{
	bool again = l->held_ns && now_ns < l->held_until_ns + 8 * l->held_ns;
	uint64_t ns = again ? 2 * l->held_ns : base_ns;

	if (ns > max_ns)
		ns = max_ns;
	if (ns < base_ns)
		ns = base_ns;
	l->held = why;
	l->held_ns = ns;
	l->held_until_ns = now_ns + ns;
	l->t.on = false;
	l->stalls = l->watched = l->probation = 0;
	l->lost_ns = 0;
}

void weir_zclearn_stalled(struct weir_zclearn *l, bool stalled, uint64_t ns, uint64_t now_ns)
{
	bool again = l->held_ns && now_ns < l->held_until_ns + 8 * l->held_ns;
	uint64_t base;

	l->watched++;
	if (l->probation)
		l->probation--;
	if (stalled) {
		l->stalls++;
		l->lost_ns += ns;
	}
	if (l->stalls >= (again ? STALLS_AGAIN : STALLS_MAX) ||
	    (l->stalls >= STALLS_AGAIN && l->lost_ns >= STALLS_NS)) {
		/* So long that what was lost is a hundredth. */
		base = 100 * l->lost_ns > WAITS_NS ? 100 * l->lost_ns : WAITS_NS;
		weir_zclearn_hold(l, WEIR_ZCHOLD_WAITS, base, WAITS_MAX_NS, now_ns);
	} else if (l->watched >= WATCH_MAX) {
		l->stalls = l->watched = 0;
		l->lost_ns = 0;
	}
}
