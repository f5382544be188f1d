/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - buffers of an area, and who has each: the ledger.
 */
#ifndef WEIR_CORE_LEDGER_H
#define WEIR_CORE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/area.h>

/**
 * enum weir_buf_state - where a buffer is; exactly one at any time.
 * @WEIR_BUF_FREE: in the pool's free list.  Of interface queues: all of it came back, and it is
 *	not in the refill ring yet.
 * @WEIR_BUF_KERNEL: the kernel may write to it (it may have delivered pieces already).
 *	Of interface queues: nothing of it is out.
 * @WEIR_BUF_DELIVERED: full, with pieces in the batch the application looks at.
 * @WEIR_BUF_HELD: full, with pieces the application keeps.
 */
enum weir_buf_state {
	WEIR_BUF_FREE,
	WEIR_BUF_KERNEL,
	WEIR_BUF_DELIVERED,
	WEIR_BUF_HELD,
	WEIR_BUF_STATES,
};

/**
 * struct weir_pool_buf - one buffer.
 * @lent: pieces in the present batch.
 * @held: pieces kept by the application or in flight as memory of sends.
 * @used_bytes: how much of it has been received into (incremental consumption).
 * @refs: of interface queues: completions that named it and are to be answered by entries of the
 *	refill ring.
 * @late: of interface queues: pieces that the fault plane keeps back.
 * @kernel: the kernel may write to it.
 * @listed: of interface queues: it is on the free stack (but need not be FREE any more).
 * @state: where it is, derived from the fields above.
 */
struct weir_pool_buf {
	uint32_t lent;
	uint32_t held;
	union {
		uint32_t used_bytes;
		uint32_t refs;
	};
	uint16_t late;
	bool kernel : 1;
	bool listed : 1;
	uint8_t state;
};

/**
 * struct weir_pool - an area cut into buffers of one size.
 * @area: the memory.
 * @area_offset: where in @area the first buffer begins, in bytes.
 * @zc: of an interface queue: the kernel takes buffers by itself, and gets them back by references.
 * @hold_bytes: of an interface queue: what a socket may keep of it, unless the program says.
 * @base: first byte of the first buffer; NULL where the CPU cannot read the memory.
 * @buf_bytes: size of a buffer.
 * @buf_count: number of buffers.
 * @bufs: their states.
 * @free_stack: indices of FREE buffers; the last one freed, warm in the cache, goes out first.
 * @free_count: entries in @free_stack.
 * @count: buffers in each state.
 * @kernel_min: below this @kernel_target does not fall.
 * @kernel_target: how many buffers the plane should keep with the kernel.
 * @lent: the engine's array of slices, to tell a slice of an event from a copy.
 * @mean_bytes: what a buffer held when it was full, smoothed; kept by the plane.
 * @burst: datagrams that the last direct read brought; kept by direct.c.
 * @calm: refills since the kernel last ran out of buffers.
 */
struct weir_pool {
	struct weir_area *area;
	uint64_t area_offset;
	bool zc;
	uint64_t hold_bytes;
	char *base;
	uint32_t buf_bytes;
	uint32_t buf_count;
	struct weir_pool_buf *bufs;
	uint32_t *free_stack;
	uint32_t free_count;
	uint32_t count[WEIR_BUF_STATES];
	uint32_t kernel_min;
	uint32_t kernel_target;
	uint32_t mean_bytes;
	uint32_t burst;
	uint32_t calm;
	const struct weir_slice *lent;
};

/**
 * weir_pool_new() - cut an area into buffers, all FREE.
 * @ret: receives the pool; untouched on failure.
 * @area: memory; the pool takes over the caller's reference on success.
 * @buf_bytes: size of a buffer; not over the area's.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int weir_pool_new(struct weir_pool **ret, struct weir_area *area, uint32_t buf_bytes);

/**
 * weir_pool_new_zc() - cut a part of an area into buffers of an interface queue, all KERNEL.
 * @ret: receives the pool; untouched on failure.
 * @area: memory; the pool takes over the caller's reference on success.
 * @area_offset: where the part begins, in bytes.
 * @bytes: its size, a multiple of @buf_bytes.
 * @buf_bytes: size of a buffer.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int weir_pool_new_zc(struct weir_pool **ret, struct weir_area *area, uint64_t area_offset,
		     size_t bytes, uint32_t buf_bytes);

/** weir_pool_arrived() - a completion named the buffer: one reference; deliver() follows. */
void weir_pool_arrived(struct weir_pool *pool, uint32_t index);

/** weir_pool_next_back() - a FREE buffer, whose references are to go back; -1: none. */
int weir_pool_next_back(struct weir_pool *pool);

/** weir_pool_gave_back() - @n of its references went back; with the last one it is KERNEL. */
void weir_pool_gave_back(struct weir_pool *pool, uint32_t index, uint32_t n);

/** weir_pool_free() - free a pool and close its area; NULL is legal. */
void weir_pool_free(struct weir_pool *pool);

/** weir_pool_take() - FREE to KERNEL: index of a buffer, or -1 where none is free. */
int weir_pool_take(struct weir_pool *pool);

/** weir_pool_deliver() - a piece of a KERNEL buffer goes to the application. */
void weir_pool_deliver(struct weir_pool *pool, uint32_t index);

/** weir_pool_kernel_done() - the kernel will not write to the buffer any more. */
void weir_pool_kernel_done(struct weir_pool *pool, uint32_t index);

/** weir_pool_return() - a delivered piece comes back. */
void weir_pool_return(struct weir_pool *pool, uint32_t index);

/** weir_pool_hold() - a delivered piece is kept. */
void weir_pool_hold(struct weir_pool *pool, uint32_t index);

/** weir_pool_hold_more() - one more reference on a buffer with pieces out. */
void weir_pool_hold_more(struct weir_pool *pool, uint32_t index);

/** weir_pool_unhold() - a kept piece comes back; -EINVAL where none is kept. */
int weir_pool_unhold(struct weir_pool *pool, uint32_t index);

/**
 * weir_pool_delay() - a piece is on its way to the core and will be for a while: until undelay()
 * the buffer does not become FREE.  It counts as KERNEL as far as nobody has other pieces of it.
 */
void weir_pool_delay(struct weir_pool *pool, uint32_t index);

/** weir_pool_undelay() - the piece was delivered. */
void weir_pool_undelay(struct weir_pool *pool, uint32_t index);

/** weir_pool_starved() - the kernel ran out: keep more buffers with it from now on. */
void weir_pool_starved(struct weir_pool *pool);

/** weir_pool_check() - true if every buffer's state and all counts agree (slow). */
bool weir_pool_check(const struct weir_pool *pool);

/** weir_pool_data() - first byte of a buffer. */
static inline char *weir_pool_data(const struct weir_pool *pool, uint32_t index)
{
	return pool->base + (size_t)index * pool->buf_bytes;
}

/** weir_pool_offset() - where a buffer begins in its area, in bytes. */
static inline uint64_t weir_pool_offset(const struct weir_pool *pool, uint32_t index)
{
	return pool->area_offset + (uint64_t)index * pool->buf_bytes;
}

#endif
