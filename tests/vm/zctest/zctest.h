/* SPDX-License-Identifier: MIT */
/* zctest.h - what the files of weir-zctest share: a receiving engine, its streams, the proof. */
#ifndef ZCTEST_H
#define ZCTEST_H

#include <weir/weir.h>

#include "zcraw.h" /* processes, the test NIC, streams of known content */

#define ZT_STREAMS 64
#define ZT_QUEUES 4
#define ZT_PORT 5400	   /* all streams come to this one */
#define ZT_FROM_PORT 21000 /* senders' ports begin here; those of the last ones are in TIME_WAIT */
#define ZT_PORT_STEP 97 /* from one to the next: neighbours' hashes are alike in all but few bits */
#define ZT_PORT_SETS 4
#define ZT_DEADLINE_MS (scenario_limit_ms / 8 * 5)
#define ZT_ENDLESS (1ull << 40)

struct zt;

/* A stream that is received. */
struct zt_stream {
	struct zt *z;
	struct weir_sock *sock; /* NULL: not accepted yet, or closed */
	unsigned number;
	uint64_t got;
	bool connected, ended, closed;
	int res; /* of the end */
};

/* A slice that is kept, and verified again when it is released. */
struct zt_held {
	struct weir_slice slice;
	uint64_t pos;
	unsigned stream;
};

/* Set before zt_open(); all zero is a good choice. */
struct zt_wish {
	struct weir_engine_opts engine; /* plane 0 means zcrx, ifname NULL means wn0 */
	struct weir_sock_opts sock;	/* of the listener */
	unsigned streams;		/* 0: 1 */
	uint64_t bytes;			/* of each; 0: 2 MiB */
	bool ip6;
	enum send_mode mode;
	unsigned rto_ms, pause_ms;
	size_t chunk_bytes;
	bool abrupt, reset;
	bool greets;		   /* each accepted stream gets a byte: only then it may reset */
	unsigned lag;		   /* slices kept for a while */
	bool hold;		   /* all are kept until zt_release() */
	unsigned hold_only_plus_1; /* ... of this stream only */
	bool keep_open;		   /* a stream that has ended is not closed by itself */
	bool connects;		   /* the engine connects, the senders accept */
	bool no_check;		   /* the content is not looked at */
	const unsigned char *mem;  /* the area, where slices have no address */
};

/* An engine of this thread with its listener and streams. */
struct zt {
	struct zt_wish wish;
	struct nic nic;
	struct weir_engine *e;
	struct weir_sock *listener;
	struct zt_stream stream[ZT_STREAMS];
	unsigned accepted, ended, closed;
	unsigned lost; /* reset before they were accepted */
	uint64_t bytes, slices, unmapped, spilled;
	const struct weir_area *watched; /* slices that lie in this one are counted */
	uint64_t watched_slices;
	struct zt_held *held;
	size_t held_first, held_count, held_max;
	bool holding; /* as wish.hold, until zt_release() */
	unsigned pressed, relieved;
	struct weir_ifq_info ifq[ZT_QUEUES];
	unsigned ifqs;
	struct nic_counts before, after; /* of all bound queues */
	long began_ms, took_ms;
};

/* The processes that send. */
struct zt_senders {
	struct sender sender[ZT_STREAMS];
	unsigned count;
	struct sender_report sum;
};

enum zt_placement {
	ZT_PLACED, /* every payload byte by the NIC, none copied */
	ZT_PARTLY, /* some were copied, some were not */
	ZT_COPIED, /* none by the NIC */
	ZT_ANY,
};

/* rig.c */
/* One round; what the engine says wrong fails the scenario. */
void zt_round(struct zt *z, long timeout_ms);
/* Rounds until check(z); fails with the text when that does not come in time. */
void zt_until(struct zt *z, bool (*check)(struct zt *z), long deadline_ms, const char *what);
/* Forks the senders; they connect when told to go (or wait for our connections). */
void zt_senders_start(struct zt_senders *s, const struct zt_wish *wish);
void zt_senders_go(struct zt_senders *s);
void zt_senders_end(struct zt_senders *s);
void zt_senders_kill(struct zt_senders *s);
/* Why an engine cannot be had, in the library's words; 0 or -errno. */
int zt_try_open(struct zt *z, const struct zt_wish *wish, struct weir_error *err);
void zt_open(struct zt *z, const struct zt_wish *wish);
void zt_listen(struct zt *z);
void zt_connect(struct zt *z);
/* Adds a stream that was not accepted by the listener. */
void zt_add(struct zt *z, unsigned number, struct weir_sock *s);
bool zt_all_accepted(struct zt *z);
bool zt_all_ended(struct zt *z);
bool zt_all_closed(struct zt *z);
void zt_release(struct zt *z);
/* The NIC had a packet and no buffer for it. */
bool zt_starved(struct zt *z);
/* All buffers back: none delivered, none held, none lost. */
void zt_settled(struct zt *z);
void zt_close(struct zt *z);
/* Skips where the kernel has no zero-copy receive. */
void zt_need(void);
/* What scenarios run on that name no plane: zcrx, or $ZCTEST_PLANE, which then proves only that
 * the scenarios are right: placement is not looked at. */
enum weir_plane zt_plane(void);

/* prove.c */
void zt_counts(struct zt *z, struct nic_counts *ret);
struct weir_ifq_stats zt_ifq_sum(struct zt *z);
/* The three counts agree with the placement. */
void zt_prove(struct zt *const *all, unsigned count, const struct zt_senders *s,
	      enum zt_placement placement);
void zt_say(struct zt *z);
/* The whole of it: senders, engine, listener, streams to their end, proof, close. */
void zt_whole(struct zt *z, const struct zt_wish *wish, enum zt_placement placement);

/* The tables of scenarios. */
extern const struct scenario scenarios_bulk[], scenarios_memory[], scenarios_trouble[],
	scenarios_ends[], scenarios_hold[], scenarios_cost[];

#endif
