/* SPDX-License-Identifier: MIT */
/*
 * zc.h - what the files of the group "zerocopy" share.
 *
 * A row is a path, a size and a kind of memory.  All contenders of a row live in one process, each
 * with a socket of its own, and take turns in short slices; nobody receives.  A message is one
 * datagram, or one GSO train where the row's size is over the path's MTU.
 */
#ifndef WEIR_BENCH_ZC_H
#define WEIR_BENCH_ZC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "bench.h"

#define ZC_BATCH 32u	       /* messages that a contender gives to the kernel at once */
#define ZC_SEGMENT_BYTES 1472u /* of a train at MTU 1500 */
#define ZC_TRAIN_BYTES 64000u  /* most bytes of a train of several messages */
#define ZC_PAGE_BYTES 4096u
#define ZC_FRAGS_MAX 16u /* pages of one request: a packet has room for 17 */
#define ZC_SNDBUF_BYTES (1 << 20)
#define ZC_CONTENDERS_MAX 20
#define ZC_ROWS_MAX 128
#define ZC_PORT 9 /* discard; nobody listens but on the path "lo" */

struct weir_area;
struct zc_run;

/**
 * struct zc_path - where datagrams go.
 * @name: for tables.
 * @what: one line for people.
 * @peer: IPv4 address.
 * @mtu: of the path.
 * @copies: every zero-copy send is copied on the way.
 */
struct zc_path {
	const char *name;
	const char *what;
	const char *peer;
	unsigned mtu;
	bool copies;
};

/**
 * struct zc_row - one row of the experiment.
 * @path: where to.
 * @bytes: size of a message.
 * @cold: memory that no cache holds.
 * @huge: memory of huge pages.
 */
struct zc_row {
	const struct zc_path *path;
	uint32_t bytes;
	bool cold;
	bool huge;
};

/**
 * struct zc_load - a row at work.
 * @row: the row.
 * @segment: bytes of a train's datagrams; 0 where messages are datagrams.
 * @area: the memory as weir knows it.
 * @memory: the memory that all contenders send from.
 * @bytes: its size.
 * @stride: from one message to the next.
 * @at: where the next message begins, whoever sends it.
 */
struct zc_load {
	struct zc_row row;
	uint32_t segment;
	struct weir_area *area;
	char *memory;
	size_t bytes;
	size_t stride;
	size_t at;
};

/**
 * struct zc_contender - one way to send.
 * @name: for tables.
 * @what: one line for people.
 * @kind: for its functions, which serve several contenders.
 * @open: makes its socket; -ENOTSUP where the row or the machine is not for it (run->why says why
 *	where that is worth a line), else -errno with run->why.
 * @batch: sends ZC_BATCH messages and waits until memory of all it can is free; 0 or -errno.
 * @close: undoes @open, also where that failed.
 */
struct zc_contender {
	const char *name;
	const char *what;
	unsigned kind;
	int (*open)(struct zc_run *run);
	int (*batch)(struct zc_run *run);
	void (*close)(struct zc_run *run);
};

/**
 * struct zc_run - a contender in a row.
 * @load: the row.
 * @contender: the contender.
 * @state: its own.
 * @released: messages of which a report said whether they were copied.
 * @copied: of these, those that were.
 * @why: what failed.
 */
struct zc_run {
	struct zc_load *load;
	const struct zc_contender *contender;
	void *state;
	uint64_t released;
	uint64_t copied;
	char why[200];
};

/* The next message's memory. */
static inline char *zc_next(struct zc_load *load)
{
	char *ret = load->memory + load->at;

	load->at += load->stride;
	if (load->at + load->stride > load->bytes)
		load->at = 0;
	return ret;
}

static inline int zc_fail(struct zc_run *run, int res, const char *what)
{
	if (!run->why[0])
		snprintf(run->why, sizeof(run->why), "%s: %s", what, strerror(-res));
	return res;
}

/* zc_net.c: the namespace. */
extern const struct zc_path zc_paths[];
extern const unsigned zc_path_count;
int zc_net_open(char *why, size_t why_bytes);

/* zc_hand.c, zc_weir.c: the contenders. */
int zc_hand_open(struct zc_run *run);
void zc_hand_close(struct zc_run *run);
int zc_hand_send(struct zc_run *run);
int zc_hand_sendmmsg(struct zc_run *run);
int zc_hand_msg_zerocopy(struct zc_run *run);
int zc_hand_ring(struct zc_run *run);

enum zc_hand_kind {
	ZC_HAND_SEND,
	ZC_HAND_SENDMMSG,
	ZC_HAND_MSG_ZEROCOPY,
	ZC_HAND_URING,
	ZC_HAND_SEND_ZC,
	ZC_HAND_SEND_ZC_FIXED,
	ZC_HAND_SENDMSG_ZC, /* registered; the segment size in each request */
	ZC_HAND_TRAIN,	    /* registered; several datagrams a request */
};

int zc_weir_open(struct zc_run *run);
void zc_weir_close(struct zc_run *run);
int zc_weir_batch(struct zc_run *run);

/* What a contender's kind says to zc_weir.c; the low bits are the sends of a generation. */
#define ZC_WEIR_GENERATION 0xffu
#define ZC_WEIR_PLAIN (1u << 8)
#define ZC_WEIR_ALWAYS (1u << 9)
#define ZC_WEIR_TRAINS (1u << 10)	/* datagrams may share a train */
#define ZC_WEIR_UNREGISTERED (1u << 11) /* without weir_engine_send_area() */
#define ZC_WEIR_TAGS (1u << 12)		/* no context: an event for each send */
#define ZC_WEIR_EPOLL (1u << 13)	/* the epoll plane, which has MSG_ZEROCOPY */

/* zc.c, zc_report.c: what was measured. */

/**
 * struct zc_measured - a row's figures.
 * @row: the row.
 * @rounds: how many there are.
 * @in: the contender ran.
 * @why: why it did not; "" where the row is not for it.
 * @failed: one did not for another reason than that row or machine are not for it.
 * @copied: part of its messages that were reported copied; -1 where nothing is reported.
 * @cpu_ns: CPU time for each message.
 * @wall_ns: wall time for each message.
 */
struct zc_measured {
	struct zc_row row;
	unsigned rounds;
	bool in[ZC_CONTENDERS_MAX];
	char why[ZC_CONTENDERS_MAX][200];
	bool failed;
	double copied[ZC_CONTENDERS_MAX];
	double cpu_ns[ZC_CONTENDERS_MAX][BENCH_ROUNDS_MAX];
	double wall_ns[ZC_CONTENDERS_MAX][BENCH_ROUNDS_MAX];
};

/**
 * struct zc_interval - a median and what it may be.
 * @count: values behind it.
 * @median: their median.
 * @low: the true median lies between @low and @high with 95 % confidence.
 * @high: see @low.
 * @sure: there were enough values for that; else they are the smallest and the largest.
 */
struct zc_interval {
	unsigned count;
	double median;
	double low;
	double high;
	bool sure;
};

extern const struct zc_contender zc_contenders[];
extern const unsigned zc_contender_count;

struct zc_interval zc_interval_of(const double *values, unsigned count);
struct zc_interval zc_speed(const struct zc_measured *m, unsigned c, unsigned ref, bool wall);
int zc_find(const char *name);
void zc_row_name(const struct zc_row *row, char *to, size_t bytes);
int zc_better(const struct zc_measured *m);
void zc_report_rows(const struct zc_measured *all, unsigned count);
unsigned zc_report_goals(const struct zc_measured *all, unsigned count, unsigned *retundecided);
void zc_json(FILE *to, const struct zc_measured *all, unsigned count, bool first);

#endif
