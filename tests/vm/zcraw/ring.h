/* SPDX-License-Identifier: MIT */
/* ring.h - an io_uring by raw system calls, with completions of 16, 32 or both sizes. */
#ifndef ZCRAW_RING_H
#define ZCRAW_RING_H

#include "uapi.h"

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>

struct ring {
	int fd;
	unsigned flags;
	unsigned *sq_head, *sq_tail, *sq_array;
	unsigned sq_mask, sq_entries, sq_local, sq_submitted;
	unsigned *cq_head, *cq_tail, *cq_overflow;
	unsigned cq_mask, cq_entries;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *rings;
	size_t rings_bytes, sqes_bytes;
	uint64_t fillers; /* completions that only filled the end of a mixed ring */
};

/* One completion, copied out of the ring. */
struct completion {
	uint64_t user_data;
	int res;
	unsigned flags;
	uint64_t off;  /* of a 32-byte completion: the first extra word */
	bool has_more; /* F_MORE */
	bool big;      /* it had the 16 extra bytes */
};

#define RING_FLAGS_ZCRX (ZR_SETUP_SINGLE_ISSUER | ZR_SETUP_DEFER_TASKRUN)

/* 0 or -errno of the system call. */
int ring_open(struct ring *ring, unsigned sq_entries, unsigned cq_entries, unsigned flags);
/* Takes NULL and a ring that was never opened (all zero, or fd -1). */
void ring_close(struct ring *ring);
int ring_register(struct ring *ring, unsigned op, void *arg, unsigned count);
/* A zeroed entry; submitted by the next ring_wait(). */
struct io_uring_sqe *ring_sqe(struct ring *ring);
/* Submits, then waits until one completion is there: 0, -ETIME, or -errno. */
int ring_wait(struct ring *ring, long timeout_ms);
/* Submits and runs the kernel's pending work without waiting. */
int ring_kick(struct ring *ring);
bool ring_next(struct ring *ring, struct completion *ret);
/* Whether the kernel's next completion goes to a slot of odd number. */
bool ring_at_odd_slot(const struct ring *ring);

#endif
