/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what the files of the fault plane share: the specification and the queue of reports.
 */
#ifndef WEIR_PLANE_FAULT_H
#define WEIR_PLANE_FAULT_H

#include "../core/plane.h"

/**
 * enum weir_fault_kind - what can be injected; the order of the table in fault_spec.c.
 * @WEIR_FAULT_SHORT_READ: a received piece is reported as two.
 * @WEIR_FAULT_SHORT_WRITE: a send request of a stream sends less than asked.
 * @WEIR_FAULT_LATE: a report comes some rounds later than others.
 * @WEIR_FAULT_REORDER: a report of another socket or kind goes first.
 * @WEIR_FAULT_EAGAIN: a send is refused, a receive ends for no reason.
 * @WEIR_FAULT_ENOBUFS: the same with -ENOBUFS; on a receive all free buffers are gone for a while.
 * @WEIR_FAULT_ENOMEM: the same with -ENOMEM.
 * @WEIR_FAULT_LATE_RELEASE: the release of a request for zero copy comes many rounds later.
 * @WEIR_FAULT_REORDER_RELEASE: a release goes before what was reported earlier.
 * @WEIR_FAULT_ZC_REFUSE: a request for zero copy is refused.
 * @WEIR_FAULT_ZC_COPIED: a release says the contrary of what the kernel said about copies.
 */
enum weir_fault_kind {
	WEIR_FAULT_SHORT_READ,
	WEIR_FAULT_SHORT_WRITE,
	WEIR_FAULT_LATE,
	WEIR_FAULT_REORDER,
	WEIR_FAULT_EAGAIN,
	WEIR_FAULT_ENOBUFS,
	WEIR_FAULT_ENOMEM,
	WEIR_FAULT_LATE_RELEASE,
	WEIR_FAULT_REORDER_RELEASE,
	WEIR_FAULT_ZC_REFUSE,
	WEIR_FAULT_ZC_COPIED,
	WEIR_FAULT_KINDS,
};

/**
 * struct weir_fault_spec - what to inject and how often.
 * @seed: of the random numbers.
 * @percent: how often, by kind: 0 to 90.
 */
struct weir_fault_spec {
	uint64_t seed;
	uint32_t percent[WEIR_FAULT_KINDS];
};

/**
 * weir_fault_parse() - specification from text.
 * @text: "seed=7,short-read=20,late=10"; keys in any order, each at most once.
 * @ret: receives it; untouched on failure.
 * @reterr: error record or NULL; the hint names the legal keys.
 *
 * Return: 0 or -EINVAL.
 */
int weir_fault_parse(const char *text, struct weir_fault_spec *ret, struct weir_error *reterr);

/* Kinds of reports, as struct weir_plane_up has them. */
enum weir_report_kind {
	WEIR_REPORT_ACCEPTED,
	WEIR_REPORT_CONNECTED,
	WEIR_REPORT_RECEIVED,
	WEIR_REPORT_RECV_END,
	WEIR_REPORT_SENT,
	WEIR_REPORT_RELEASED,
	WEIR_REPORT_WRITABLE,
	WEIR_REPORT_DETACHED,
};

/**
 * struct weir_report - a report that was not passed on yet.
 * @next: queue or free list.
 * @s: socket.
 * @kind: which function of struct weir_plane_up.
 * @res: its result; the descriptor of ACCEPTED; of RELEASED whether it was copied.
 * @due: round from which on it may be passed on.
 * @op: of SENT.
 * @zc: of RELEASED.
 * @rx: of RECEIVED.
 */
struct weir_report {
	struct weir_report *next;
	struct weir_sock *s;
	enum weir_report_kind kind;
	int res;
	uint64_t due;
	struct weir_txop *op;
	struct weir_zc *zc;
	struct weir_rx rx;
};

/* Orders that must be kept within one socket. */
enum weir_lane {
	WEIR_LANE_RX,
	WEIR_LANE_SENT,
	WEIR_LANE_RELEASED,
	WEIR_LANE_WRITABLE,
	WEIR_LANES,
};

/**
 * struct weir_fault_sock - what the fault plane knows of a socket (weir_sock.fault_data).
 * @next: list of sockets whose receive is to be ended.
 * @armed: the wrapped plane receives.
 * @stopping: the wrapped plane was told to stop.
 * @core_stop: the core asked for the stop.
 * @listed: on the list.
 * @detaching: the core closes it.
 * @owe_writable: a send was refused with -EAGAIN; WRITABLE is due.
 * @inject: end the receive with this, 0 for nothing.
 * @in_flight: send requests in the wrapped plane.
 * @mark: scan in which a report of the lane was met (fault_queue.c).
 */
struct weir_fault_sock {
	struct weir_sock *next;
	bool armed;
	bool stopping;
	bool core_stop;
	bool listed;
	bool detaching;
	bool owe_writable;
	int inject;
	uint32_t in_flight;
	uint64_t mark[WEIR_LANES];
};

/**
 * struct weir_fault - the fault plane of one engine (weir_core.fault_data).
 * @ops: what the core calls: ours, with name and id of the wrapped plane.
 * @inner: the wrapped plane.
 * @up: the core.
 * @spec: what to inject.
 * @random: state of the random numbers.
 * @round: calls of poll() and wait(), and steps of waiting for late reports.
 * @scan: number of the present look at the queue.
 * @head: reports not passed on.
 * @tail: their end.
 * @queued: their number.
 * @free: unused reports.
 * @passed: reports passed on so far.
 * @to_end: sockets whose receive is to be ended.
 * @zc_refused: requests for zero copy that were refused, to take the errors in turn.
 * @cuts: shortened send requests, cut_count of them.
 * @taken: buffers that were taken away, taken_count of them, from @taken_pool.
 * @fd: descriptor for foreign loops: the wrapped plane's and @owe_fd; -1 before fd().
 * @owe_fd: eventfd, readable while reports are queued.
 * @taken_until: round in which they come back.
 */
struct weir_fault {
	struct weir_plane_ops ops;
	const struct weir_plane_ops *inner;
	const struct weir_plane_up *up;
	struct weir_fault_spec spec;
	uint64_t random;
	uint64_t round;
	uint64_t scan;
	struct weir_report *head, **tail;
	unsigned queued;
	struct weir_report *free;
	uint64_t passed;
	struct weir_sock *to_end;
	unsigned zc_refused;
	struct weir_fault_cut *cuts;
	unsigned cut_count, cut_cap;
	uint32_t *taken;
	uint32_t taken_count;
	struct weir_pool *taken_pool;
	uint64_t taken_until;
	int fd;
	int owe_fd;
};

static inline struct weir_fault *weir_fault_of(const struct weir_sock *s)
{
	return weir_core_of(s->engine)->fault_data;
}

static inline struct weir_fault_sock *weir_fault_sock_of(const struct weir_sock *s)
{
	return s->fault_data;
}

/** weir_fault_random() - 0 to @below - 1. */
uint64_t weir_fault_random(struct weir_fault *f, uint64_t below);

/** weir_fault_hit() - is it time for a fault of this kind? */
bool weir_fault_hit(struct weir_fault *f, enum weir_fault_kind kind);

/* fault_queue.c */
void weir_fault_queue_init(struct weir_fault *f);
void weir_fault_queue_fini(struct weir_fault *f);

/** weir_fault_report() - queue a report; @like holds all but the private fields. */
void weir_fault_report(struct weir_fault *f, const struct weir_report *like);

/** weir_fault_pass() - pass on what is due, in an order drawn by lot where order is free. */
void weir_fault_pass(struct weir_fault *f);

/* fault_send.c */
void weir_fault_send(struct weir_sock *s, struct weir_txop *ops, unsigned n);

/** weir_fault_pay_writable() - report writable() if it is owed and nothing is in flight. */
void weir_fault_pay_writable(struct weir_sock *s);

/** weir_fault_uncut() - undo the shortening of a request that came back. */
void weir_fault_uncut(struct weir_fault *f, struct weir_txop *op);

#endif
