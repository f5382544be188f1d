/* SPDX-License-Identifier: MIT */
/*
 * zcpick.h - plain send or zero copy: the learnt choice (zcpick.c, zcpick_learn.c).
 *
 * Included at the end of core.h.
 */
#ifndef WEIR_CORE_ZCPICK_H
#define WEIR_CORE_ZCPICK_H

#include <time.h>

#define WEIR_ZCPICK_MIN 512u /* bytes of the smallest request that is ever tried */
#define WEIR_ZCPICK_CLASSES 20
#define WEIR_ZCPICK_BURST 8 /* requests of one kind in a row, while one is on trial */

/** enum weir_zchold - why zero copy rests for a while. */
enum weir_zchold {
	WEIR_ZCHOLD_NONE = 0,
	WEIR_ZCHOLD_WAITS,   /* the program waits for its memory */
	WEIR_ZCHOLD_REFUSED, /* the kernel was over a limit, or could not */
};

/**
 * struct weir_zcstat - what was learnt of one size class.
 * @mean: by how much zero copy costs more than plain, as a fraction of plain; below 0: less.
 * @var: variance of one pair of bursts.
 * @ref: cost of a single request, plain and zero copy, in ns.
 * @n: pairs of bursts in @mean.
 * @rough: they were of single requests.
 */
struct weir_zcstat {
	float mean;
	float var;
	float ref[2];
	uint32_t n;
	bool rough;
};

/**
 * struct weir_zctrial - a trial of one class in progress.
 * @on: there is one.
 * @cycles: whole cycles of the engine are measured, not single requests.
 * @skip: but not this one.
 * @again: all that was known before is doubted.
 * @klass: the class.
 * @burst: bursts done.
 * @pos: requests measured in this burst.
 * @want: pairs to be made.
 * @n: pairs made.
 * @mean: median of these; as in struct weir_zcstat.
 * @m2: sum of squared distances from @mean.
 * @d: the pairs, in order of size.
 * @first: cost of the first burst of a pair.
 * @cost: sums of the bursts' costs, plain and zero copy.
 * @begun: requests seen when it began.
 * @sample: costs of the requests of this burst.
 * @picked: requests in this cycle.
 * @idle: cycles without any, in a row.
 * @count: requests in the cycles of this burst;
 * @ns: what these have cost;
 * @others: requests of other classes in them;
 * @far: bursts that cost so much that they were left out.
 * @picked_bytes: bytes of requests in them; and
 * @sent_bytes: of all that the engine sent.
 */
struct weir_zctrial {
	bool on;
	bool again;
	uint8_t klass;
	uint8_t pos;
	uint32_t burst;
	uint32_t want;
	uint32_t n;
	float mean;
	float m2;
	float d[4];
	float first;
	float cost[2];
	uint64_t begun;
	float sample[WEIR_ZCPICK_BURST];
	bool cycles;
	bool skip;
	uint32_t picked, idle, count, others, far;
	float ns;
	uint64_t picked_bytes, sent_bytes;
};

/**
 * struct weir_zclearn - what is known of a path, or of one socket on it (zcpick_learn.c).
 * @from: requests of so many bytes go without a copy;
 * @to: but not those of so many, because the path copies them.
 * @copies: the path copies all.
 * @own_address: for it leads to this machine.
 * @lo: highest class that is known to cost less with a copy; -1: none.
 * @hi: lowest class that is known to cost less without; WEIR_ZCPICK_CLASSES: none.
 * @copied: reports "copied" in a row, by class.
 * @clean: classes of which the last sure report was "not copied".
 * @stat: by class.
 * @t: the trial.
 * @seen: requests so far.
 * @round_at: when, in requests, the next trial is due; @round_step: what was added last.
 * @round_ns: the same as time, for sockets that send little; @round_step_ns.
 * @inherited: what is known is the path's, and was not verified.
 * @mixed_rounds: trials by single requests, before cycles are measured again.
 * @passed: requests that a due trial has let pass, in want of a class that was tried before.
 * @drift: cost of the present kind against stat.ref, moving average.
 * @drift_at: when it is measured next.
 * @doubt_at: no trial because of @drift before; @doubt_step.
 * @probe_at: when a path that copies is tried again; @probe_step.
 * @probe_ns: the same as time; @probe_step_ns.
 * @held: why zero copy rests.
 * @held_until_ns: until when; @held_ns: for how long, last time.
 * @held_res: REFUSED: -errno.
 * @stalls: times the program was seen to wait for its memory, of @watched; @lost_ns: how long.
 * @probation: requests to be watched after a rest.
 * @flips: times that the choice for a class was changed.
 */
struct weir_zclearn {
	uint32_t from, to;
	bool copies;
	bool own_address;
	int8_t lo, hi;
	uint8_t copied[WEIR_ZCPICK_CLASSES];
	uint32_t clean;
	struct weir_zcstat stat[WEIR_ZCPICK_CLASSES];
	struct weir_zctrial t;
	uint64_t seen;
	uint64_t round_at, round_ns, round_step_ns;
	uint32_t round_step;
	bool inherited;
	uint32_t mixed_rounds;
	uint32_t passed;
	float drift;
	uint64_t drift_at;
	uint64_t doubt_at;
	uint32_t doubt_step;
	uint32_t probe_step;
	uint64_t probe_at, probe_ns, probe_step_ns;
	enum weir_zchold held;
	int32_t held_res;
	uint64_t held_until_ns, held_ns;
	uint32_t stalls, watched, probation;
	uint32_t flips;
	uint64_t lost_ns;
};

/**
 * struct weir_zcpick - the choice for one socket that sends.
 * @learn: what it goes by: that of its path, or its own.
 * @path: its path; NULL: none.
 * @own: @learn is its own.
 * @due: the request that is being made is to be measured, and
 * @zc: goes without a copy.
 * @alone: nothing sent without a copy was unreleased when the last request was made.
 * @quiet: requests until the choice is to be looked at again; @given: the same, at first.
 * @to: learn->to.
 * @requests: how many there were, up to a bound.
 * @bytes: of the request that is due.
 * @op_bytes: of what was made for it; 0 where that is told by @tx_bytes, the socket's before it.
 * @cpu_ns: clock at its begin.
 * @sending: the request being measured; @watch: the one whose release is waited for.
 * @watch_cpu_ns: clocks at its end; @watch_wall_ns.
 * @watch_sleeps: how often the thread had slept, the same.
 * @watch_rx: the engine's received bytes, the same.
 * @stall_wait: waits of the engine when that release came, plus 1, if the program was idle until
 *	then; 0.
 * @stall_ns: for how long.
 */
struct weir_zcpick {
	struct weir_zclearn *learn;
	struct weir_zcpath *path;
	bool own;
	bool due;
	bool zc;
	bool alone;
	uint32_t quiet, given;
	uint32_t to;
	uint32_t requests;
	size_t bytes;
	size_t op_bytes;
	uint64_t tx_bytes;
	uint64_t cpu_ns;
	const struct weir_zc *sending;
	const struct weir_zc *watch;
	uint64_t watch_cpu_ns, watch_wall_ns, watch_sleeps, watch_rx;
	uint64_t stall_wait, stall_ns;
};

#define WEIR_ZCPICK_PATHS 64

/**
 * struct weir_zcpicks - the choice, for an engine.
 * @paths: what was learnt, by local address.
 * @path_count: how many.
 * @requests: of all sockets, as far as they were counted; @measured: of these.
 * @clock_ns: what a look at the clock costs.
 * @cycle: whose trial takes whole cycles; NULL: none.
 * @cycle_ns: clock at the begin of this one; @cycle_tx: bytes that the engine had sent.
 */
struct weir_zcpicks {
	struct weir_zcpath *paths[WEIR_ZCPICK_PATHS];
	unsigned path_count;
	uint64_t requests, measured;
	uint32_t clock_ns;
	struct weir_zclearn *cycle;
	uint64_t cycle_ns, cycle_tx;
};

/** weir_zcpick_clock - reads a clock, in ns; a test may replace it. */
extern uint64_t (*weir_zcpick_clock)(clockid_t clock);

/** weir_zcpick_sleeps - how often the thread has given up its CPU; a test may replace it. */
extern uint64_t (*weir_zcpick_sleeps)(void);

bool weir_zcpick_slow(struct weir_sock *s, size_t bytes);

/**
 * weir_zcpick() - is the next request of a socket that leaves it to us to go without a copy?
 * @s: the socket.
 * @bytes: the request's.
 *
 * Asked once for each request that is made.
 */
static inline bool weir_zcpick(struct weir_sock *s, size_t bytes)
{
	struct weir_zcpick *p = s->zcpick;

	if (bytes < WEIR_ZCPICK_MIN)
		return false;
	if (!p || !p->quiet)
		return weir_zcpick_slow(s, bytes);
	p->quiet--;
	p->alone = !s->zc_count;
	return bytes >= s->zc_from && bytes < p->to;
}

/**
 * weir_zcpick_known() - the same, where the answer does not depend on the size.
 * @s: the socket.
 * @least: the request has so many bytes, or more.
 * @ret: receives the answer.
 *
 * Asked before weir_zcpick(), which need not be asked then: the size has a cost, too.
 */
static inline bool weir_zcpick_known(struct weir_sock *s, size_t least, bool *ret)
{
	struct weir_zcpick *p = s->zcpick;

	if (!p || !p->quiet)
		return false;
	*ret = least >= s->zc_from && p->to == UINT32_MAX;
	if (!*ret && s->zc_from != UINT32_MAX)
		return false;
	p->quiet--;
	p->alone = !s->zc_count;
	return true;
}

/** weir_zcpick_due() - is the request just asked about to be measured? */
static inline bool weir_zcpick_due(const struct weir_sock *s)
{
	return s->zcpick && s->zcpick->due;
}

/**
 * weir_zcpick_begin() - before a request that is due is given to the plane.
 * @s: the socket.
 * @op: the request; NULL for one that has no such record (send_now()).
 */
void weir_zcpick_begin(struct weir_sock *s, const struct weir_txop *op);

/** weir_zcpick_end() - after that, and after the plane's flush(). */
void weir_zcpick_end(struct weir_sock *s);

/** weir_zcpick_released() - a request's memory is free; before that is acted upon. */
void weir_zcpick_released(struct weir_sock *s, const struct weir_zc *zc);

/** weir_zcpick_refused() - the kernel did not take a request for zero copy: @res. */
void weir_zcpick_refused(struct weir_sock *s, int res);

/** weir_zcpick_close() - the socket goes. */
void weir_zcpick_close(struct weir_sock *s);

/** weir_zcpick_fini() - the engine goes; all its sockets have. */
void weir_zcpick_fini(struct weir_engine *e);

/** weir_zcpick_why() - a sentence on how a socket sends; returns its length, 0 for none. */
size_t weir_zcpick_why(const struct weir_sock *s, char *buf, size_t bytes);

void weir_zcpick_cycle_end(struct weir_engine *e);

/** weir_zcpick_cycle() - before the requests of another cycle are made. */
static inline void weir_zcpick_cycle(struct weir_engine *e)
{
	if (e->zcpick && e->zcpick->cycle)
		weir_zcpick_cycle_end(e);
}

/* zcpick_learn.c */

/** weir_zclearn_init() - nothing is known. @own_address: but that the path copies. */
void weir_zclearn_init(struct weir_zclearn *l, bool own_address);

/** weir_zclearn_inherit() - what is known of the path is to be verified for one socket. */
void weir_zclearn_inherit(struct weir_zclearn *l, const struct weir_zclearn *path);

/** weir_zclearn_class() - size class of a request of at least WEIR_ZCPICK_MIN bytes. */
unsigned weir_zclearn_class(size_t bytes);

/** weir_zclearn_class_bytes() - smallest request of a class. */
uint32_t weir_zclearn_class_bytes(unsigned k);

/**
 * weir_zclearn_ask() - how is a request to go, and is it to be measured?
 * @l: what is known; l->seen counts the request.
 * @bytes: its size.
 * @may_cycle: whole cycles may be measured.
 * @now_ns: CLOCK_MONOTONIC.
 * @retdue: receives whether it is to be measured alone.
 *
 * Return: without a copy.
 */
bool weir_zclearn_ask(struct weir_zclearn *l, size_t bytes, bool may_cycle, uint64_t now_ns,
		      bool *retdue);

/** weir_zclearn_quiet() - how many requests need not be asked about. */
uint32_t weir_zclearn_quiet(const struct weir_zclearn *l);

/**
 * weir_zclearn_sample() - what a request has cost.
 * @l: what is known.
 * @bytes: its size, as asked.
 * @zc: it went without a copy.
 * @ns: cost of its submission.
 * @excess_ns: what zero copy costs more after that.
 * @now_ns: CLOCK_MONOTONIC.
 */
void weir_zclearn_sample(struct weir_zclearn *l, size_t bytes, bool zc, float ns, float excess_ns,
			 uint64_t now_ns);

/**
 * weir_zclearn_cycle() - what a cycle of the engine has cost, where a trial takes them.
 * @l: what is known.
 * @ns: cost.
 * @sent_bytes: what was sent in it, by all.
 * @now_ns: CLOCK_MONOTONIC.
 */
void weir_zclearn_cycle(struct weir_zclearn *l, float ns, uint64_t sent_bytes, uint64_t now_ns);

/** weir_zclearn_report() - the kernel's word on a request that had packets of its own. */
void weir_zclearn_report(struct weir_zclearn *l, size_t bytes, bool copied, uint64_t now_ns);

/** weir_zclearn_hold() - zero copy rests, for @base_ns at first, and longer each time. */
void weir_zclearn_hold(struct weir_zclearn *l, enum weir_zchold why, uint64_t base_ns,
		       uint64_t max_ns, uint64_t now_ns);

/** weir_zclearn_stalled() - the program was watched: did it wait for its memory, how long? */
void weir_zclearn_stalled(struct weir_zclearn *l, bool stalled, uint64_t ns, uint64_t now_ns);

#endif
