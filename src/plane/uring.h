/* SPDX-License-Identifier: MIT */
/*
 * uring.h - the inside of the uring plane, shared by uring*.c.
 */
#ifndef WEIR_PLANE_URING_H
#define WEIR_PLANE_URING_H

#include "../core/plane.h"
#include "../ring/ring.h"
#include "direct.h"

/* Kinds of requests: the low three bits of user_data; the rest is a pointer. */
enum {
	UD_RECV = 0,	/* sock */
	UD_ACCEPT = 1,	/* sock */
	UD_CONNECT = 2, /* sock */
	UD_SEND = 3,	/* txop */
	UD_CANCEL = 4,	/* sock */
	UD_POLLOUT = 5, /* sock */
	UD_POLLIN = 6,	/* sock: poll, then read directly */
	UD_MISC = 7,	/* none: the eventfd; number of a timer, from 1, or of an event; or sock */
};

#define UD_KIND 7ull
#define UD_ZC 8ull /* with UD_SEND: the pointer is a record for zero copy; both are aligned to 16 */

/* plane_word of a send request: 0 while in flight. */
#define OP_REPORTED 1 /* its result was reported */
#define OP_UNSENT 2   /* it found no submission entry */

/* plane_bits */
#define UR_DETACH (1u << 0)  /* report detached when plane_refs is 0 */
#define UR_PENDING (1u << 1) /* on the list of sockets to look after */
#define UR_STOPPED (1u << 2) /* report recv_end(-ECANCELED) */
#define UR_POLLOUT (1u << 3) /* a poll for room is in flight */
#define UR_POLLIN (1u << 4)  /* the receive in flight is a poll */
#define UR_UNSENT (1u << 5)  /* has requests that found no submission entry */
#define UR_SWEEP (1u << 6)   /* a cancel of a closing socket came back: is anything left? */
#define UR_HOT (1u << 7)     /* to be read directly once its request has ended */

#define GROUP_STREAM 0
#define GROUP_DGRAM 1
#define FILES_MAX 16384
#define BUNDLE_PIECES 64
#define TIMERS_MAX 4
#define LOWAT_BYTES (512u << 10)
#define ZCRX_CQ_ENTRIES 16384

/**
 * struct uring_plane - the plane of one engine.
 * @ring: the io_uring.
 * @stream: provided buffers for streams; ring NULL before first use.
 * @dgram: provided buffers for datagrams.
 * @stream_pool: what @stream is filled from.
 * @dgram_pool: what @dgram is filled from.
 * @dgram_hdr: sizes of name and control data for multishot recvmsg.
 * @direct: for sockets that are polled and then read.
 * @without: WEIR_WITHOUT_*: asked for, or found to be missing in the kernel.
 * @slots: free slots of the registered file table, a stack.
 * @slot_count: entries in @slots.
 * @pending: sockets to look after, linked by plane_next.
 * @wake_armed: the engine's eventfd is watched.
 * @timers: deadlines of the timers in flight, 0 for a free place.
 * @timer_ts: their times as the kernel takes them.
 * @hot: stream that is read directly while the engine spins, not by a request; or NULL.
 * @last_rx: stream that the last receive completion was for.
 * @rx_streak: completions for it in a row.
 * @signal_fd: eventfd that the kernel writes to when there is work, for foreign loops; or -1.
 * @zc: interface queues (plane zcrx); NULL: none.
 * @signal_lost: this kernel does not write to it a second time: it is registered anew.
 * @sends: sends without a copy (uring_zc.c); NULL: there are none.
 */
struct uring_plane {
	struct weir_ring ring;
	struct weir_bufring stream;
	struct weir_bufring dgram;
	struct weir_pool *stream_pool;
	struct weir_pool *dgram_pool;
	struct msghdr dgram_hdr;
	struct weir_direct direct;
	uint32_t without;
	uint16_t *slots;
	uint32_t slot_count;
	struct weir_sock *pending, **pending_tail;
	bool wake_armed;
	uint64_t timers[TIMERS_MAX];
	struct __kernel_timespec timer_ts[TIMERS_MAX];
	struct weir_sock *hot, *last_rx;
	uint32_t rx_streak;
	int signal_fd;
	bool signal_lost;
	struct zcrx *zc;
	struct uring_sends *sends;
};

static inline struct uring_plane *uring_of(struct weir_engine *e)
{
	return weir_core_of(e)->plane_data;
}

static inline uint64_t ud(const void *ptr, unsigned kind)
{
	return (uint64_t)(uintptr_t)ptr | kind;
}

/* uring.c */
int uring_open(struct weir_engine *e, bool large, struct weir_error *reterr);
void uring_close(struct weir_engine *e);
struct io_uring_sqe *uring_sqe(struct weir_engine *e);
void uring_pend(struct weir_sock *s, uint32_t bits);
void uring_target(const struct weir_sock *s, struct io_uring_sqe *sqe);
void uring_cancel(struct weir_sock *s, uint64_t user_data);
void uring_slot_release(struct weir_sock *s);

/* uring_rx.c */
int uring_rx_ready(struct weir_sock *s);
int uring_rx_start(struct weir_sock *s);
int uring_rx_start_stream(struct weir_sock *s);
int uring_rx_arm(struct weir_sock *s, uint8_t opcode, unsigned kind, struct io_uring_sqe **ret);
void uring_rx_stop(struct weir_sock *s);
void uring_rx_cqe(struct weir_sock *s, const struct io_uring_cqe *cqe);
void uring_rx_pollin(struct weir_sock *s, int res);
void uring_rx_refill(struct weir_engine *e);
void uring_rx_accept(struct weir_sock *s, const struct io_uring_cqe *cqe);
bool uring_rx_incremental(struct weir_engine *e);
void uring_rx_close(struct weir_engine *e);

/* uring_signal.c */
int uring_signal_fd(struct weir_engine *e);
void uring_signal_clear(struct weir_engine *e);
int uring_signal_settle(struct weir_engine *e);

/* uring_hot.c */
void uring_hot_count(struct weir_sock *s);
bool uring_hot_take(struct weir_sock *s);
bool uring_hot_drop(struct weir_sock *s);
void uring_hot_read(struct weir_engine *e);
void uring_hot_sleep(struct weir_engine *e);
int uring_hot_send(struct weir_sock *s, const struct msghdr *msg, size_t bytes, bool alone);

/* uring_tx.c */
void uring_tx_send(struct weir_sock *s, struct weir_txop *ops, unsigned n);
void uring_tx_cqe(struct weir_txop *op, int res);
void uring_tx_cancel(struct weir_sock *s);
void uring_tx_unsent(struct weir_sock *s);

/* uring_zc.c */
int uring_zc_open(struct weir_engine *e);
void uring_zc_close(struct uring_plane *p);
bool uring_zc_can(const struct weir_engine *e);
void uring_zc_fill(struct weir_txop *op, struct io_uring_sqe *sqe);
void uring_zc_cqe(struct weir_zc *zc, const struct io_uring_cqe *cqe);
int uring_zc_area(struct weir_engine *e, struct weir_area *area, struct weir_error *reterr);

static inline uint64_t uring_zc_ud(const struct weir_zc *zc)
{
	return (uint64_t)(uintptr_t)zc | UD_ZC | UD_SEND;
}

/* uring_probe.c */
int uring_probe(struct weir_engine *e, struct weir_error *reterr);
bool uring_probe_files(struct uring_plane *p);

/* Answers of io_uring_enter() that say nothing but "later" are none. */
static inline int uring_unless_usual(int r)
{
	return r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN ? 0 : r;
}

#endif
