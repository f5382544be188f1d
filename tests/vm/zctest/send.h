/* SPDX-License-Identifier: MIT */
/* send.h - what the scenarios of zero-copy send share: a sending engine, its streams, a reader. */
#ifndef ZCTEST_SEND_H
#define ZCTEST_SEND_H

#include "zctest.h"

#define ZS_STREAMS 64
#define ZS_FLIGHT_MAX 256

struct zs;

/* A stream that is sent; its buffers are used in turn. */
struct zs_stream {
	struct zs *z;
	struct weir_sock *sock; /* NULL: closed */
	unsigned number;
	uint64_t queued;     /* bytes given to the library */
	uint64_t made, done; /* sends, and those whose memory is ours again */
	size_t len[ZS_FLIGHT_MAX];
	bool connected, shut, ended, closed;
	int res; /* of the end */
	struct weir_sock_stats stats;
	char why[256];
};

/* Set before zs_open(). */
struct zs_wish {
	struct weir_engine_opts engine; /* plane 0 means uring */
	unsigned streams;		/* 0: 1 */
	uint64_t bytes;			/* of each; 0: 2 MiB */
	size_t chunk;			/* of a send, at most; 0: 64 KiB */
	unsigned flight;		/* sends at a time; 0: 8 */
	bool random;			/* sends of any size up to chunk */
	bool pieces;			/* of up to 4 pieces each */
	bool shared;	 /* more is announced, and every other send is plain: requests are small */
	bool ctx;	 /* each stream has a context, each send is a generation */
	bool registered; /* the memory is an area known to the kernel */
	bool ip6, local; /* over IPv6; over loopback, without the NIC */
	bool unread;	 /* the reader reads nothing before zs_reader_go() */
	bool may_break;	 /* streams may end early, at the reader, too */
	unsigned rto_ms;
};

/* The process in the other namespace that reads and verifies all streams. */
struct zs_reader {
	pid_t pid;
	int go, report;
	uint64_t bytes; /* after zs_reader_end() */
	unsigned broken;
};

struct zs_nic_counts {
	uint64_t zc_frames, tso_frames, packets;
};

/* An engine of this process that sends. */
struct zs {
	struct zs_wish wish;
	struct weir_engine *e;
	struct weir_area *area;
	unsigned char *mem;
	size_t mem_bytes;
	struct zs_reader reader;
	struct zs_stream stream[ZS_STREAMS];
	unsigned connected, ended, closed;
	uint64_t released, copied; /* bytes, of generations */
	struct nic nic, peer;	   /* wn0 and wn1 */
	struct zs_nic_counts before, after;
	struct weir_sock_stats sum;
	long began_ms, took_ms;
};

/* The reader is forked, then we go to the sender's namespace and open the engine. */
void zs_open(struct zs *z, const struct zs_wish *wish);
/* Only the second part, in a process that has entered the namespace; connects all streams. */
void zs_engine(struct zs *z);
void zs_round(struct zs *z, long timeout_ms);
/* Rounds until check(z); what the reader found wrong ends the scenario, too. */
void zs_until(struct zs *z, bool (*check)(struct zs *z), long deadline_ms, const char *what);
bool zs_all_ended(struct zs *z);
bool zs_all_closed(struct zs *z);
void zs_reader_go(struct zs *z);
/* Waits for its end; all that it has read was right. */
void zs_reader_end(struct zs *z);
void zs_reader_kill(struct zs *z);
void zs_counts(const struct zs *z, struct zs_nic_counts *ret);
/* Streams to their end, counters to z->sum and z->after, sockets closed. */
void zs_transfer(struct zs *z);
void zs_close(struct zs *z);
/* Sum of the counter over all transmit queues. */
uint64_t zs_tx_sum(const struct nic *nic, const char *counter);

extern const struct scenario scenarios_send[], scenarios_send_ends[];

#endif
