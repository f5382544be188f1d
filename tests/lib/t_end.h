/* SPDX-License-Identifier: MIT */
/*
 * t_end.h - one end of a stream that sends and receives known content and checks every rule.
 *
 * Theory: an end sends the content of stream tx_seed from 0 to tx_total in pieces of random size
 * by a random call (own memory, copied, gathered, shared) and expects the content of rx_seed from
 * 0 to rx_total.  Memory of a send is overwritten and freed when its event comes, so that a send
 * that ended early is seen as wrong content at the peer or by ASan.  Every event is checked
 * against the life of a socket: nothing but SENT and CLOSED after a close, nothing after CLOSED,
 * each tag once.
 */
#ifndef WEIR_TESTS_T_END_H
#define WEIR_TESTS_T_END_H

#include "t.h"

#define T_SENDS 64

/* Which send calls an end may draw from. */
#define T_SEND_OWN (1u << 0)   /* weir_sock_send() from memory of its own */
#define T_SEND_COPY (1u << 1)  /* WEIR_SEND_COPY, memory overwritten at once */
#define T_SEND_VEC (1u << 2)   /* weir_sock_sendv() of 1 to 16 pieces */
#define T_SEND_MORE (1u << 3)  /* with WEIR_SEND_MORE at times, never on the last piece */
#define T_SEND_TABLE (1u << 4) /* from the content table: no copy by the test */
#define T_SEND_ANY (T_SEND_OWN | T_SEND_COPY | T_SEND_VEC | T_SEND_MORE)

struct t_send {
	uint64_t tag;
	size_t len;
	void *mem;
	bool busy;
};

struct t_end {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_sock *s;
	unsigned how; /* T_SEND_* */
	unsigned in_flight_max;
	size_t piece_max;
	uint64_t tx_seed, rx_seed;
	uint64_t tx_total, rx_total;
	bool shutdown_after; /* shut down once all is queued */
	bool may_spill;	     /* the engine may copy its pieces out */
	bool finish_after;   /* finish once all is queued and all has arrived */
	/* seen */
	uint64_t tx_queued, tx_sent, rx_bytes;
	uint64_t next_tag;
	unsigned in_flight, canceled, refused, writable, rx_events;
	bool shut;
	bool broken; /* a send was refused with -EPIPE: the connection broke */
	bool connected, ended, closed, close_called;
	int connect_res, end_res;
	struct t_send sends[T_SENDS];
	/* hooks of the test, called after the checks */
	void (*on_received)(struct t_end *end, struct weir_slice *v, unsigned n);
	void (*on_sent)(struct t_end *end, uint64_t tag, int res);
	void (*on_ended)(struct t_end *end, int res);
	void *test;
};

extern const struct weir_sock_ops t_end_ops;

/* Defaults: any send call, 16 in flight, pieces up to 64 KiB. */
void t_end_init(struct t_end *end, uint64_t tx_seed, uint64_t tx_total, uint64_t rx_seed,
		uint64_t rx_total);
/* Take over a socket that exists (accepted, adopted). */
void t_end_take(struct t_end *end, struct weir_sock *s);
/* Queue what may be queued. */
void t_end_pump(struct t_end *end);
void t_end_close(struct t_end *end);
void t_end_finish(struct t_end *end);
/* All sent, all received. */
bool t_end_complete(const struct t_end *end);

/*
 * A listener whose accepted sockets become the ends given to it, in order of acceptance.
 */
struct t_acceptor {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_sock *s;
	struct t_end *ends;
	unsigned count, taken;
	bool closed;
};

void t_acceptor_open(struct t_acceptor *a, struct weir_engine *e, const char *address,
		     const struct weir_sock_opts *opts, struct t_end *ends, unsigned count);
/* Connect to it. */
void t_end_connect(struct t_end *end, struct weir_engine *e, const struct t_acceptor *a,
		   const struct weir_sock_opts *opts);

/* Two ends of one connection, both complete, both closed; for most tests. */
struct t_link {
	struct weir_engine *e;
	struct t_acceptor acceptor;
	struct t_end client, server;
};

/* Content: client to server @up bytes, server to client @down bytes. */
struct t_link *t_link_new(const struct weir_engine_opts *opts, uint64_t up, uint64_t down);
/* Listen and connect; the ends may have been changed before. */
void t_link_open(struct t_link *l, const char *address, const struct weir_sock_opts *opts);
/* Run until both ends are complete. */
void t_link_run(struct t_link *l);
/* Close what is open, check the ledger, close the engine, free. */
void t_link_close(struct t_link *l);

#endif
