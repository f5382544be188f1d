/* SPDX-License-Identifier: MIT */
/*
 * zcrx.h - the inside of zero-copy receive, shared by zcrx*.c; what the uring plane calls of it.
 */
#ifndef WEIR_PLANE_ZCRX_H
#define WEIR_PLANE_ZCRX_H

#include <weir/ifq.h>

#include "../ring/ifq.h"
#include "uring.h"

/* plane_bits of a stream on an engine with interface queues. */
#define ZC_ARMED (1u << 8)    /* the receive in flight is a RECV_ZC */
#define ZC_PLAIN (1u << 9)    /* received as by uring: see the reason */
#define ZC_WATCH (1u << 10)   /* a poll for a reset is in flight */
#define ZC_BROKEN (1u << 11)  /* a completion named no buffer */
#define ZC_RESET (1u << 12)   /* it did, and the receive is being cancelled */
#define ZC_CHOSEN (1u << 13)  /* its queue was looked up */
#define ZC_WATCHED (1u << 15) /* the poll saw the end once */
#define ZC_COUNTED (1u << 14) /* one of the streams that share the area */
#define ZC_WHY_SHIFT 16	      /* 4 bits: enum zcrx_why */
#define ZC_QUEUE_SHIFT 20     /* 4 bits: which interface queue */
#define ZC_CHANGES_SHIFT 24   /* 4 bits: how often the way was changed */
#define ZC_FIELD 15u
#define ZC_AGAIN (1u << 28) /* to be received again when the completion queue is in order */

#define ZC_EVENT_FIRST 16u /* in user_data of UD_MISC: number of the queue, after the timers */
#define ZC_EVENT_LAST (ZC_EVENT_FIRST + WEIR_IFQS_MAX - 1)

/**
 * enum zcrx_why - why a stream is received as by uring.
 * @ZC_WHY_NONE: it is not.
 * @ZC_WHY_NOT_STEERED: no rule brings its packets to the queues.
 * @ZC_WHY_OTHER_QUEUE: its packets come by another queue or NIC.
 * @ZC_WHY_COPIED: nearly all of it had to be copied.
 * @ZC_WHY_PROTOCOL: the kernel has no zero-copy receive for it (TLS in the kernel, MPTCP).
 */
enum zcrx_why {
	ZC_WHY_NONE,
	ZC_WHY_NOT_STEERED,
	ZC_WHY_OTHER_QUEUE,
	ZC_WHY_COPIED,
	ZC_WHY_PROTOCOL,
};

/**
 * struct zcrx_queue - an interface queue.
 * @q: its registration.
 * @area: the memory it was registered with, or of which it has a part; referenced.
 * @pools: ledgers of its areas.
 * @buf_shift: log2 of the size of a buffer.
 * @dry: a receive ended for want of a buffer, and none was given back since.
 * @event_due: the kernel told that there was no buffer; it is to be armed again.
 * @given: references given back.
 * @dry_given: the same when @dry was set.
 * @attributed: of the bytes the kernel has copied, those that were found in completions.
 * @info: what it is.
 * @stats: counters; those of buffers and copies are filled in when asked for.
 */
struct zcrx_queue {
	struct weir_ifq q;
	struct weir_area *area;
	struct weir_pool *pools[WEIR_IFQ_AREAS_MAX];
	unsigned buf_shift;
	bool dry;
	bool event_due;
	uint64_t given;
	uint64_t dry_given;
	uint64_t attributed;
	struct weir_ifq_info info;
	struct weir_ifq_stats stats;
};

/**
 * struct zcrx - the interface queues of an engine.
 * @nic: the NIC; NULL: none.
 * @separate: each queue has an area of its own, else a part of one.
 * @nic_buffers: buffers that the NIC keeps for itself, of each queue.
 * @rcvbuf_bytes: what sockets may have in their receive buffers between them, so that they cannot
 *	fill an area; 0: as much as they like.
 * @streams: sockets that share that.
 * @batch_max: buffers of a queue that the application may have in one batch.
 * @ids_read_ns: when the NAPI ids were last read.
 * @count: queues.
 * @queues: the queues.
 */
struct zcrx {
	struct weir_nic *nic;
	bool separate;
	uint32_t nic_buffers;
	uint64_t rcvbuf_bytes;
	uint32_t streams;
	uint32_t batch_max;
	uint64_t ids_read_ns;
	unsigned count;
	struct zcrx_queue queues[WEIR_IFQS_MAX];
};

/* zcrx.c */
int zcrx_open(struct weir_engine *e, struct weir_error *reterr);
void zcrx_free(struct weir_engine *e, struct zcrx *zc);
int zcrx_ifq(const struct weir_engine *e, unsigned i, struct weir_ifq_info *info,
	     struct weir_ifq_stats *stats);
int zcrx_add_area(struct weir_engine *e, unsigned i, struct weir_area *area,
		  struct weir_error *reterr);
void zcrx_read_ids(struct weir_engine *e);

/* zcrx_rx.c: for streams of engines that have interface queues */
bool zcrx_takes(struct weir_sock *s);
void zcrx_attach(struct weir_sock *s);
void zcrx_detach(struct weir_sock *s);
bool zcrx_room(const struct zcrx *zc);
int zcrx_start(struct weir_sock *s);
void zcrx_cqe(struct weir_sock *s, const struct weir_cqe *c);
void zcrx_again(struct weir_sock *s);
void zcrx_watched(struct weir_sock *s, int res);
bool zcrx_must_cancel(const struct weir_sock *s);
bool zcrx_take_back(struct weir_sock *s);
void zcrx_found(struct weir_sock *s);
bool zcrx_can_recv(struct weir_sock *s);
bool zcrx_why(const struct weir_sock *s, char *buf, size_t bytes);

/* zcrx_refill.c */
void zcrx_refill(struct weir_engine *e);
void zcrx_event(struct weir_engine *e, unsigned queue, int type);
bool zcrx_flush(struct weir_engine *e, struct zcrx_queue *z);
bool zcrx_any_free(const struct zcrx_queue *z);
bool zcrx_is_out(const struct zcrx_queue *z);

static inline unsigned zcrx_field(const struct weir_sock *s, unsigned shift)
{
	return s->plane_bits >> shift & ZC_FIELD;
}

static inline void zcrx_set_field(struct weir_sock *s, unsigned shift, unsigned value)
{
	s->plane_bits = (s->plane_bits & ~(ZC_FIELD << shift)) | value << shift;
}

static inline struct zcrx_queue *zcrx_queue_of(const struct weir_sock *s)
{
	return &uring_of(s->engine)->zc->queues[zcrx_field(s, ZC_QUEUE_SHIFT)];
}

#endif
