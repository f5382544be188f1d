/* SPDX-License-Identifier: MIT */
/*
 * epoll_zc.h - sends of the epoll plane without a copy: the book of requests, and its calls.
 */
#ifndef WEIR_PLANE_EPOLL_ZC_H
#define WEIR_PLANE_EPOLL_ZC_H

#include "../core/plane.h"

/* ---- epoll_errq.c: the book; no system calls ---- */

/**
 * struct weir_errq_slot - a request that the kernel has numbered.
 * @zc: its record; NULL once released.
 * @id: its number.
 */
struct weir_errq_slot {
	struct weir_zc *zc;
	uint32_t id;
};

/**
 * struct weir_errq - the requests of one socket whose memory is in use, by number.
 * @slots: ring of @cap slots (a power of two), oldest at @head; ids rise from there to @tail.
 * @head: first slot in use; counts on, as @tail does.
 * @tail: where the next one goes.
 * @live: slots with a record.
 * @next_id: number that the kernel will give to the next call.
 */
struct weir_errq {
	struct weir_errq_slot *slots;
	uint32_t cap;
	uint32_t head, tail;
	uint32_t live;
	uint32_t next_id;
};

/**
 * struct weir_errq_note - what one message of an error queue says.
 * @completion: requests @first to @last (the numbers wrap) are done.
 * @copied: the kernel says that it copied (one of) them.
 * @error: otherwise: errno of what is reported, 0 where it is no error.
 */
struct weir_errq_note {
	bool completion;
	bool copied;
	uint32_t first, last;
	int error;
};

/** weir_errq_fini() - free the ring; nothing is live. */
void weir_errq_fini(struct weir_errq *q);

/** weir_errq_reserve() - make room for one more: 0, -ENOMEM; -ENOBUFS: there are too many. */
int weir_errq_reserve(struct weir_errq *q);

/** weir_errq_add() - a call took the next number; there is room. */
void weir_errq_add(struct weir_errq *q, struct weir_zc *zc);

/** weir_errq_parse() - read a message of the error queue. */
void weir_errq_parse(struct msghdr *msg, struct weir_errq_note *ret);

/**
 * weir_errq_complete() - release the requests of a completion.
 * @q: the book.
 * @note: the completion.
 * @released: called for each of them that was not released before.
 *
 * Numbers from next_id on belong to calls that failed and were numbered all the same: next_id goes
 * on behind them.
 */
void weir_errq_complete(struct weir_errq *q, const struct weir_errq_note *note,
			void (*released)(struct weir_zc *zc, bool copied));

/* ---- epoll_zc.c: the calls ---- */

/**
 * struct weir_epoll_zc - what is known of a socket that sends without a copy (weir_sock.plane_zc).
 * @book: requests whose memory is in use.
 * @error: -errno out of the error queue, not reported yet.
 * @unsure: the kernel's count is not known any more.
 * @full_round: one more than the engine's waits when the limit was met; 0: it was not, or
 *	completions were read since.
 */
struct weir_epoll_zc {
	struct weir_errq book;
	uint64_t full_round;
	int error;
	bool unsure;
};

/** weir_epoll_zc_can() - struct weir_plane_ops.zerocopy. */
bool weir_epoll_zc_can(const struct weir_engine *e);

/**
 * weir_epoll_zc_send() - send a request without a copy; the socket is in the epoll set.
 * @s: its socket.
 * @op: the request.
 *
 * Reports completions of other requests where the call fails.
 *
 * Return: bytes, over 0: op->zc is in the book, and up->released() follows; otherwise it is not,
 * and the caller reports that: -EOPNOTSUPP: never on this socket; -ENOBUFS, -ENOMEM: not now; 0 or
 * -errno as sendmsg(2).
 */
int weir_epoll_zc_send(struct weir_sock *s, struct weir_txop *op);

/** weir_epoll_zc_read() - take what is in the error queue, report releases; number of messages. */
unsigned weir_epoll_zc_read(struct weir_sock *s);

/** weir_epoll_zc_live() - requests whose memory the kernel still uses. */
uint32_t weir_epoll_zc_live(const struct weir_sock *s);

/** weir_epoll_zc_has_error() - was an error met in the error queue, and not taken? */
bool weir_epoll_zc_has_error(const struct weir_sock *s);

/** weir_epoll_zc_take_error() - that error, once: -errno, or 0. */
int weir_epoll_zc_take_error(struct weir_sock *s);

/** weir_epoll_zc_free() - the socket goes; nothing is live. */
void weir_epoll_zc_free(struct weir_sock *s);

#endif
