/* SPDX-License-Identifier: MIT */
/*
 * core.h - the inside of an engine, shared by the files of src/core only.
 */
#ifndef WEIR_CORE_CORE_H
#define WEIR_CORE_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/nic.h>

#include "../util/util.h"
#include "plane.h"

#define WEIR_SLICES_MAX 512  /* slices in one batch */
#define WEIR_REPORTS_MAX 256 /* events after which a plane stops reporting receives */
#define WEIR_DISPATCH_MAX 64 /* events per round of the callback layer */
#define WEIR_COPY_CLASSES 4
#define WEIR_RETRY_NS 1000000ull /* after ENOBUFS, ENOMEM, EMFILE: try again */

/**
 * struct weir_copy - memory of one WEIR_SEND_COPY.
 * @next: free list.
 * @class_index: size class; WEIR_COPY_CLASSES for one made for itself.
 * @data: the copy.
 */
struct weir_copy {
	struct weir_copy *next;
	uint32_t class_index;
	_Alignas(16) char data[];
};

/** Whether a write goes without a copy (weir_tx.zc). */
enum weir_tx_zc {
	WEIR_TX_AUTO = 0, /* where that was learnt to pay */
	WEIR_TX_PLAIN,	  /* no */
	WEIR_TX_FORCED,	  /* where the kernel can */
};

/**
 * struct weir_tx - one queued write, or one piece of it.
 * @next: queue or free list.
 * @data: next byte to send.
 * @len: bytes left.
 * @report: bytes to report with @tag when all is sent.
 * @tag: 0 for no event.
 * @keep: with @pool: what its socket is charged with.
 * @segment_bytes: size of the datagrams in it; 0 for one datagram.
 * @stream: SCTP, in its place: stream number.
 * @sctp_flags: the same: WEIR_SCTP_*.
 * @join: the next entry belongs to the same datagram.
 * @more: WEIR_SEND_MORE.
 * @sctp: an SCTP message with stream, flags, @ppid and @assoc_id of its own.
 * @zc: enum weir_tx_zc.
 * @copied: the kernel has copied some of it, or all.
 * @lent: the kernel was given some of its memory without a copy.
 * @peer_len: bytes of @peer, 0 for the connected peer.
 * @copy: memory of its own.
 * @pool: pool of a slice that is being sent; it has no @copy.
 * @buffer: its buffer.
 * @peer: where to.
 * @assoc_id: SCTP: the same as an association, where there is no peer.
 * @ppid: SCTP: in network byte order.
 * @ctx: its context, plus 1; 0 for none.
 * @generation: the context's, its low bits.
 * @res: once it has ended: 0 or -errno.
 */
struct weir_tx {
	struct weir_tx *next;
	const char *data;
	size_t len;
	uint64_t tag;
	union {
		struct weir_copy *copy;
		uint32_t keep;
	};
	struct weir_pool *pool;
	uint32_t buffer;
	uint32_t report;
	union {
		uint32_t segment_bytes;
		struct {
			uint16_t stream;
			uint16_t sctp_flags;
		};
	};
	uint8_t peer_len;
	bool join : 1;
	bool more : 1;
	bool sctp : 1;
	bool copied : 1;
	bool lent : 1;
	uint8_t zc;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		int32_t assoc_id;
	} peer;
	uint32_t ppid;
	uint32_t ctx;
	uint32_t generation;
	int32_t res;
};

/**
 * struct weir_gen - a generation of a context that has not ended (ctx.c).
 * @bytes: of its writes that have ended.
 * @copied: of these, with a copy.
 * @pending: writes that have not ended.
 * @res: first error of them.
 * @used: it has, or had, writes.
 */
struct weir_gen {
	uint64_t bytes;
	uint64_t copied;
	uint32_t pending;
	int32_t res;
	bool used;
};

/**
 * struct weir_ctx - a context (ctx.c).
 * @tag: the application's.
 * @head: oldest generation that has not ended; the open one where all others have.
 * @open: the open one.
 * @gens: those of @head to @open, each at its number modulo @cap.
 * @cap: a power of two.
 */
struct weir_ctx {
	uint64_t tag;
	uint64_t head;
	uint64_t open;
	struct weir_gen *gens;
	uint32_t cap;
};

/**
 * struct weir_ctxs - contexts of an engine (ctx.c).
 * @list: the contexts; NULL: none are registered.
 * @count: how many.
 */
struct weir_ctxs {
	struct weir_ctx *list;
	uint32_t count;
};

/**
 * struct weir_ticket - a piece that the application holds, or a free entry (hold.c).
 * @generation: of this use of the entry.
 * @next_plus_1: free list.
 * @pool: where the piece lies; NULL: the entry is free.
 * @buffer: its buffer.
 * @keep: what it counts for; 0 for nothing.
 */
struct weir_ticket {
	uint32_t generation;
	uint32_t next_plus_1;
	struct weir_pool *pool;
	uint32_t buffer;
	uint32_t keep;
};

/**
 * struct weir_holds - tickets of an engine (hold.c).
 * @tickets: the entries.
 * @cap: how many.
 * @free_plus_1: first free one.
 * @slot: the engine's, in the process's table; 0 before the first hold.
 */
struct weir_holds {
	struct weir_ticket *tickets;
	uint32_t cap;
	uint32_t free_plus_1;
	uint32_t slot;
};

/**
 * struct weir_keep - a buffer that a socket keeps, or a free entry (pressure.c).
 * @sock: who is charged; NULL where it is gone.
 * @pool: where the buffer lies.
 * @buffer: which.
 * @count: pieces of it, held or in flight.
 * @next_plus_1: others of the same hash, or the free list.
 * @sock_prev_plus_1: others of the same socket.
 * @sock_next_plus_1: the same.
 */
struct weir_keep {
	struct weir_sock *sock;
	struct weir_pool *pool;
	uint32_t buffer;
	uint32_t count;
	uint32_t next_plus_1;
	uint32_t sock_prev_plus_1, sock_next_plus_1;
};

/**
 * struct weir_chunk - memory that pieces are copied to (spill.c).
 * @data: the memory, or NULL.
 * @bytes: how much.
 */
struct weir_chunk {
	char *data;
	size_t bytes;
};

/**
 * struct weir_spill - pieces copied out of areas (spill.c).
 * @pool: their ledger, without memory of its own; NULL before the first.
 * @chunks: memory of each of its buffers.
 * @at: buffer being filled; -1 for none.
 */
struct weir_spill {
	struct weir_pool *pool;
	struct weir_chunk *chunks;
	int at;
};

/**
 * struct weir_budget - who keeps how much of which area (pressure.c).
 * @keeps: the entries.
 * @buckets: heads of the hash lists; as many.
 * @cap: how many of both; a power of two.
 * @free_plus_1: first free entry.
 * @news: an event was queued outside of the loop.
 * @low: pools that are nearly used up, as told to the application; low_count of them.
 * @spill: what was copied out.
 */
struct weir_budget {
	struct weir_keep *keeps;
	uint32_t *buckets;
	uint32_t cap;
	uint32_t free_plus_1;
	bool news;
	unsigned low_count;
	struct weir_pool *low[WEIR_IFQS_MAX + 2];
	struct weir_spill spill;
};

/** struct weir_yield - what comes in some time: events and bytes received. */
struct weir_yield {
	uint64_t ns;
	uint64_t events;
	uint64_t bytes;
};

/**
 * struct weir_pace - what the engine learnt about how events come (pace.c).
 * @spin_score: above 0: spinning pays.
 * @spin_skip: sleeps without a spin before the next attempt.
 * @spin_backoff: the next @spin_skip.
 * @rate_per_ms: events per millisecond in the last window.
 * @bytes_per_us: bytes received per microsecond in it.
 * @dgram_room: bytes that may wait in the smallest datagram receive buffer; 0 for no socket.
 * @starved: count of starved receives at the last batching wait.
 * @window: what has come in the present window.
 * @window_ns: when it began.
 * @window_bytes: bytes received until then.
 * @window_waits: batching waits in it.
 * @free: what comes without batching: the sum of the last windows, older ones halved each time.
 * @batched: what came since batching was begun, or last judged.
 * @batch_windows: windows in @batched.
 * @batch_off_ns: no batching before then.
 * @batch_backoff_ns: for how long it was put off the last time; 0: not.
 */
struct weir_pace {
	int spin_score;
	uint32_t spin_skip;
	uint32_t spin_backoff;
	uint32_t rate_per_ms;
	uint32_t bytes_per_us;
	uint32_t dgram_room;
	uint32_t window_waits;
	uint64_t starved;
	struct weir_yield window;
	uint64_t window_ns;
	uint64_t window_bytes;
	struct weir_yield free;
	struct weir_yield batched;
	uint32_t batch_windows;
	uint64_t batch_off_ns;
	uint64_t batch_backoff_ns;
};

/**
 * struct weir_engine - an engine.
 * @c: the part that planes see; first.
 * @queue: events that were not handed out: queue[queue_head..queue_tail).
 * @slices: slices of the batch and of queued events; slice_count in use.
 * @batch: the application's array while it looks at it, batch[0..batch_count).
 * @batch_done: events of it given back.
 * @reports: arrivals and other events ever reported.
 * @member: the engine in its group; NULL for none.
 * @lone_batch: count of events handed out when a write did not wait for the end of its batch.
 * @why: text of weir_engine_why().
 * @sock_why: the last text of weir_sock_why().
 */
struct weir_engine {
	struct weir_core c;
	pthread_t thread;

	struct weir_event *queue;
	unsigned queue_head, queue_tail, queue_cap;
	struct weir_slice *slices;
	unsigned slice_count;
	struct weir_event *batch;
	unsigned batch_count, batch_done;
	struct weir_event *dispatch_events;
	bool in_callback;
	bool running;
	bool closing;
	uint64_t reports;

	atomic_int stop;
	_Atomic(struct weir_msg *) messages;

	struct weir_timer **timers;
	uint32_t timer_count, timer_cap;

	struct weir_sock *socks;
	struct weir_sock *dirty_head;
	struct weir_sock *starved_head;
	struct weir_sock *retry_head;
	uint64_t retry_at_ns;
	struct weir_sock *lowat_head;
	uint64_t lowat_at_ns;

	struct weir_tx *tx_free;
	struct weir_txop *op_free;
	struct weir_zc *zc_free;
	struct weir_copy *copy_free[WEIR_COPY_CLASSES];
	void **chunks;
	unsigned chunk_count, chunk_cap;

	struct weir_pace pace;
	uint64_t lone_batch;
	struct weir_ctxs ctxs;
	struct weir_zcpicks *zcpick;
	struct weir_holds holds;
	struct weir_budget budget;
	struct weir_area *given_area;
	int foreign_fd;
	int timer_fd;
	uint64_t timer_fd_ns;
	struct weir_member *member;
	enum weir_plane plane_id;
	char why[512];
	char sock_why[768];
};

/* engine.c */
void *weir_engine_alloc(struct weir_engine *e, size_t bytes);
void *weir_engine_chunk(struct weir_engine *e, size_t bytes);

/* choose.c */
int weir_choose_plane(struct weir_engine *e, struct weir_error *reterr);
int weir_choose_without(const char *text, uint32_t *ret, struct weir_error *reterr);

/* event.c */
struct weir_event *weir_event_push(struct weir_engine *e, enum weir_event_type type,
				   struct weir_sock *s, int res);
void weir_event_drop_void(struct weir_engine *e);
unsigned weir_event_hand_out(struct weir_engine *e, struct weir_event *events, unsigned max);
void weir_event_received(struct weir_sock *s, const struct weir_rx *rx);
void weir_event_forget_sock(struct weir_engine *e, const struct weir_sock *s);
void weir_event_forget_timer(struct weir_engine *e, const struct weir_timer *t);
void weir_event_give_back(struct weir_engine *e, struct weir_event *ev);

/* hold.c */

/** weir_holds_fini() - all tickets are void. */
void weir_holds_fini(struct weir_engine *e);

/**
 * weir_slice_more() - one more reference on the piece of a slice, as memory of a send.
 * @e: engine of the socket that sends.
 * @slice: an event's, a copy of it, or held.
 * @retkeep: receives what it counts for; given back by weir_keep_put(), after weir_pool_unhold().
 *
 * Return: 0; -EINVAL where a held slice is none any more; -ENOMEM.
 */
int weir_slice_more(struct weir_engine *e, const struct weir_slice *slice, uint32_t *retkeep);

/* pressure.c */

/**
 * weir_keep_get() - a socket keeps a piece of a buffer.
 * @s: whom it came by.
 * @pool: where.
 * @buffer: which.
 * @ret: receives the number of the entry; 0 where nothing is counted.
 *
 * Return: 0 or -ENOMEM.
 */
int weir_keep_get(struct weir_sock *s, struct weir_pool *pool, uint32_t buffer, uint32_t *ret);

/** weir_keep_more() - another piece for an entry, or for none; returns @keep. */
uint32_t weir_keep_more(struct weir_engine *e, uint32_t keep);

/** weir_keep_put() - a piece less; 0 is legal. */
void weir_keep_put(struct weir_engine *e, uint32_t keep);

/** weir_keep_forget_sock() - the socket goes, its pieces stay. */
void weir_keep_forget_sock(struct weir_sock *s);

/** weir_pressure_kept() - after weir_keep_get() and the ledger: is that too much? */
void weir_pressure_kept(struct weir_engine *e, struct weir_pool *pool, uint32_t keep);

/** weir_pressure_recover() - tell of areas that have buffers again; where budget.low_count. */
void weir_pressure_recover(struct weir_engine *e);

/** weir_pressure_eased() - the application gave something back. */
void weir_pressure_eased(struct weir_engine *e);

/** weir_budget_fini() - free the tables and what was copied out. */
void weir_budget_fini(struct weir_engine *e);

/* spill.c */

/** weir_spill() - copy an arrived piece out and report the copy; false: nothing was done. */
bool weir_spill(struct weir_sock *s, const struct weir_rx *rx);

/** weir_spill_data() - first byte of a buffer of the spill pool. */
char *weir_spill_data(const struct weir_engine *e, uint32_t buffer);

/** weir_spill_trim() - free memory that nobody uses. */
void weir_spill_trim(struct weir_engine *e);

/** weir_spill_fini() - free all. */
void weir_spill_fini(struct weir_engine *e);

/* up.c */
extern const struct weir_plane_up weir_core_up;
void weir_sock_accepted(struct weir_sock *listener, int fd);

/* sock.c */
struct weir_sock *weir_sock_new(struct weir_engine *e, int fd, int kind, int family,
				const struct weir_sock_opts *o);
void weir_sock_free(struct weir_sock *s);
void weir_sock_progress(struct weir_sock *s);
void weir_sock_want_rx(struct weir_sock *s);
void weir_sock_hold_up(struct weir_sock *s, bool on);
void weir_sock_starve(struct weir_sock *s);
void weir_sock_feed_starved(struct weir_engine *e);
void weir_sock_retry_later(struct weir_sock *s);
void weir_sock_run_retries(struct weir_engine *e);
void weir_sock_finish_closed(struct weir_sock *s);
void weir_sock_linger_expired(struct weir_engine *e, struct weir_timer *t);

/* unixname.c */
void weir_unix_unlink_stale(const struct weir_addr *a);
void weir_unix_remember(struct weir_sock *s, const struct weir_addr *a);
void weir_unix_forget(struct weir_sock *s);

/* txq.c */
#define WEIR_LONE_MIN 16 /* flushes in a row of one write each, before one that does not wait */

void weir_txq_init(struct weir_sock *s);
void weir_txq_dirty(struct weir_sock *s);
void weir_txq_flush_all(struct weir_engine *e);
void weir_txq_complete(struct weir_txop *op, int res);
void weir_txq_cancel_all(struct weir_sock *s, int res);
void weir_txq_kick(struct weir_engine *e);
void weir_txq_append(struct weir_sock *s, struct weir_tx *t);

/** weir_txq_broken() - nothing can be sent any more, because of @res. */
void weir_txq_broken(struct weir_sock *s, int res);

/** weir_txq_count() - @bytes of @asked were sent. */
void weir_txq_count(struct weir_sock *s, size_t bytes, size_t asked);

/** weir_txq_transient() - an error of the moment, not of the connection. */
static inline bool weir_txq_transient(int res)
{
	return res == -ENOBUFS || res == -ENOMEM || res == -EINTR;
}

/* send.c */

/** weir_send_check() - may @s send now, @pieces entries with @flags? 0 or -errno. */
int weir_send_check(struct weir_sock *s, unsigned flags, unsigned legal, unsigned pieces);

/** weir_send_make() - a queue entry; NULL where memory is out. */
struct weir_tx *weir_send_make(struct weir_sock *s, const void *data, size_t len, unsigned flags);

/** weir_send_peer() - @peer, or the connected one, becomes the entry's; 0 or -errno. */
int weir_send_peer(const struct weir_sock *s, struct weir_tx *t, const struct sockaddr *peer);

/* zc.c */

/** weir_zc_wanted() - is the next request of this socket to go without a copy? */
bool weir_zc_wanted(struct weir_sock *s);

/** weir_zc_begin() - @op, which was built, becomes a request for zero copy; false: no memory. */
bool weir_zc_begin(struct weir_txop *op);

/**
 * weir_zc_sent() - before its result is looked at: the request for zero copy was taken or refused.
 * @op: the request; op->res says which.
 *
 * Return: true where nothing was sent and its writes have to be sent with a copy, or later.
 */
bool weir_zc_sent(struct weir_txop *op);

/** weir_zc_ended() - a write has left the queue: its memory may have to wait for the kernel. */
void weir_zc_ended(struct weir_sock *s, struct weir_tx *t, int res);

/** weir_zc_released() - the kernel has let go of the memory of a request. */
void weir_zc_released(struct weir_zc *zc, bool copied);

/** weir_zc_drain() - writes end whose memory is free. */
void weir_zc_drain(struct weir_sock *s);

/** weir_zc_closing() - the socket closes: its connection must not keep memory for ever. */
void weir_zc_closing(struct weir_sock *s);

/** weir_zc_purge() - the connection is reset, and what it still had to send is thrown away. */
void weir_zc_purge(struct weir_sock *s);

/* ctx.c */

/**
 * weir_ctx_join() - the open generation of a context is given more writes.
 * @e: the engine.
 * @ctx: number of the context.
 * @first: the writes, in a list; set to the generation.
 * @flags: with WEIR_SEND_FLUSH they are the last ones.
 */
void weir_ctx_join(struct weir_engine *e, unsigned ctx, struct weir_tx *first, unsigned flags);

/** weir_ctx_room() - 0 where that will go; -ENOENT, -ENOBUFS or -ENOMEM. */
int weir_ctx_room(struct weir_engine *e, unsigned ctx, unsigned flags);

/** weir_ctx_ended() - a write of a context has ended, and its memory is free. */
void weir_ctx_ended(struct weir_engine *e, const struct weir_tx *t);

/** weir_ctxs_fini() - free the tables. */
void weir_ctxs_fini(struct weir_engine *e);

/* txmem.c */
struct weir_tx *weir_tx_new(struct weir_engine *e);
void weir_tx_release(struct weir_engine *e, struct weir_tx *t);

/** weir_tx_let_go() - a copy or a slice that it has is needed no more. */
void weir_tx_let_go(struct weir_engine *e, struct weir_tx *t);
struct weir_txop *weir_txop_new(struct weir_engine *e);
void weir_txop_release(struct weir_engine *e, struct weir_txop *op);
struct weir_zc *weir_zc_new(struct weir_engine *e);
void weir_zc_free(struct weir_engine *e, struct weir_zc *zc);
struct weir_copy *weir_copy_new(struct weir_engine *e, size_t bytes);
void weir_copy_release(struct weir_engine *e, struct weir_copy *copy);

/* txbuild.c */

/** weir_txop_build() - a request of the head of the queue, @zc: to go without a copy. */
struct weir_txop *weir_txop_build(struct weir_sock *s, bool zc);

/** weir_txop_segment() - between requests: let the socket know the segments of its trains. */
void weir_txop_segment(struct weir_sock *s);

/** weir_tx_differs() - is a write to be copied (@zc: not) where its request is not (is)? */
bool weir_tx_differs(const struct weir_sock *s, const struct weir_tx *t, bool zc);

/** weir_txop_peek() - how many bytes that request would have. */
size_t weir_txop_peek(const struct weir_sock *s);

int weir_tx_explode(struct weir_engine *e, struct weir_tx *list);

/* sctp.c */
void weir_sctp_begin(struct weir_sock *s, bool one_to_one);
bool weir_sctp_notified(struct weir_sock *s, const struct weir_rx *rx, bool *ret_end);
void weir_sctp_end_wanted(struct weir_sock *s);
void weir_sctp_set_info(struct weir_txop *op, const struct weir_tx *t);
int weir_sctp_of_slice(struct weir_tx *t, const struct weir_slice *slice);

/* timer.c */
uint64_t weir_timers_next_ns(const struct weir_engine *e);
void weir_timers_run(struct weir_engine *e);

/* loop.c */
uint64_t weir_loop_next_ns(const struct weir_engine *e);

/** weir_loop_end_ns() - reads the clock: what it shows in @timeout_us; UINT64_MAX for -1. */
uint64_t weir_loop_end_ns(struct weir_engine *e, int64_t timeout_us);

/**
 * weir_loop_pump() - one round without handing events out: they stay queued.
 * @e: the engine.
 * @end_ns: not longer.
 *
 * Return: 0; -ENOBUFS where there is no room for more events; what the plane's wait returns.
 */
int weir_loop_pump(struct weir_engine *e, uint64_t end_ns);

/* post.c */
int weir_post_init(struct weir_engine *e, struct weir_error *reterr);
void weir_post_collect(struct weir_engine *e);
void weir_post_clear(struct weir_engine *e);
struct weir_msg *weir_post_take(struct weir_engine *e);

/* group.c */

/** weir_group_napi_id - asks for a socket's NAPI id, 0 for none; a test may replace it. */
extern uint32_t (*weir_group_napi_id)(int fd);

/** weir_group_join() - the engine becomes a member of its group, where it has one; 0 or -ENOMEM. */
int weir_group_join(struct weir_engine *e, struct weir_error *reterr);

/** weir_group_leave() - before anything of the engine is closed; what came too late goes on. */
void weir_group_leave(struct weir_engine *e);

/** weir_group_add() - other engines may give connections to this TCP listener; 0 or -errno. */
int weir_group_add(struct weir_sock *listener, struct weir_error *reterr);

/** weir_group_remove() - they may not any more. */
void weir_group_remove(struct weir_sock *listener);

/** weir_group_resume() - the listener accepts again: what came meanwhile enters. */
void weir_group_resume(struct weir_sock *listener);

/** weir_group_move() - give an accepted connection to the engine of its queue; false: it stays. */
bool weir_group_move(struct weir_sock *listener, int fd);

/** weir_group_arrived() - take a message of the group's; false: it is the application's. */
bool weir_group_arrived(struct weir_engine *e, struct weir_msg *msg);

/* lowat.c */
void weir_lowat_received(struct weir_sock *s, uint32_t bytes);
void weir_lowat_drop(struct weir_sock *s);
void weir_lowat_run(struct weir_engine *e);

/* pace.c */
bool weir_pace_spin(struct weir_engine *e, uint64_t *until_ns);
void weir_pace_spun(struct weir_engine *e, bool hit);
void weir_pace_dgram(struct weir_engine *e, int fd);
void weir_pace_wait(struct weir_engine *e, struct weir_wait *w);
void weir_pace_woke(struct weir_engine *e, unsigned events);

/* foreign.c */
void weir_foreign_arm(struct weir_engine *e, uint64_t next_ns);

/* tie.c */

/**
 * weir_tie_begin() - steer a socket's packets; where @nic is NULL nothing is done.
 * @tie: zeroed.
 * @e: the engine; where it has only some of the NIC's queues, to one of those.
 * @nic: the NIC.
 * @fd: the socket, bound or to be bound here.
 * @protocol: IPPROTO_TCP or IPPROTO_UDP.
 * @peer: whom it will be connected to; NULL or len 0: nobody.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno; then @tie is as it was.
 */
int weir_tie_begin(struct weir_tie *tie, struct weir_engine *e, struct weir_nic *nic, int fd,
		   int protocol, const struct weir_addr *peer, struct weir_error *reterr);

/**
 * weir_tie_own() - the same on the engine's own NIC, where there is one and packets come by it.
 * @tie: zeroed.
 * @e: the engine.
 * @fd: the TCP socket, bound or to be bound here.
 * @peer: as above.
 *
 * Where it does not go, the socket is received with a copy: weir_sock_why() tells.
 */
void weir_tie_own(struct weir_tie *tie, struct weir_engine *e, int fd,
		  const struct weir_addr *peer);

/** weir_tie_share() - an accepted socket keeps its listener's rule. */
void weir_tie_share(struct weir_tie *tie, const struct weir_tie *from);

/** weir_tie_end() - the rule goes with the last socket that has it; blocks for that. */
void weir_tie_end(struct weir_tie *tie);

#include "zcpick.h"

#endif
