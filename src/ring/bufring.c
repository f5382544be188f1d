// SPDX-License-Identifier: MIT
/*
 * bufring.c - rings of provided buffers: memory that the kernel picks receive buffers from.
 *
 * Theory:
 *	   head (kernel) ──> [ id ][ id ][ id ] <── tail (we)
 *	Entries are consumed in order.  An incremental ring's entry stays at the head until it is
 *	full; the kernel moves its address on.  Many buffers are added, then published with one
 *	store of the tail.
 *	Barrier: the kernel must see an entry before the tail that covers it (release).
 * Invariants: 1. tail - head <= entries.
 * Ownership: the ring's memory is ours; buffers belong to the pool.
 * Threads: the engine's.
 * Errors: -EINVAL where the kernel has no buffer rings or no incremental ones; -ENOMEM.
 * Sources: io_uring_register(2) IORING_REGISTER_PBUF_RING; io_uring/kbuf.c (Linux 6.18)
 *	io_ring_buffer_select(), io_kbuf_inc_commit().
 * Tests: tests/contract/ with WEIR_PLANE=uring
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "ring.h"

static size_t ring_bytes(uint32_t entries)
{
	return entries * sizeof(struct io_uring_buf);
}

static int reg(const struct weir_ring *r, unsigned op, struct weir_io_uring_buf_reg *arg)
{
	long n = syscall(__NR_io_uring_register, r->u.ring_fd, op, arg, 1);

	return n < 0 ? -errno : 0;
}

int weir_bufring_open(struct weir_bufring *b, struct weir_ring *r, uint16_t group, uint32_t entries,
		      bool incremental)
{
	struct weir_io_uring_buf_reg arg = { .bgid = group, .ring_entries = entries };
	void *mem = mmap(NULL, ring_bytes(entries), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int code;

	if (mem == MAP_FAILED)
		return -errno;
	(void)madvise(mem, ring_bytes(entries), MADV_DONTFORK);
	arg.ring_addr = (uint64_t)(uintptr_t)mem;
	arg.flags = incremental ? WEIR_IOU_PBUF_RING_INC : 0;
	code = reg(r, WEIR_IORING_REGISTER_PBUF_RING, &arg);
	if (code) {
		munmap(mem, ring_bytes(entries));
		return code;
	}
	memset(b, 0, sizeof(*b));
	b->ring = mem;
	b->entries = entries;
	b->group = group;
	b->incremental = incremental;
	return 0;
}

void weir_bufring_close(struct weir_bufring *b, struct weir_ring *r)
{
	struct weir_io_uring_buf_reg arg = { .bgid = b->group };

	if (!b->ring)
		return;
	(void)reg(r, WEIR_IORING_UNREGISTER_PBUF_RING, &arg);
	munmap(b->ring, ring_bytes(b->entries));
	b->ring = NULL;
}

void weir_bufring_add(struct weir_bufring *b, void *data, uint32_t bytes, uint16_t id)
{
	struct io_uring_buf *buf = &b->ring->bufs[b->tail & (b->entries - 1)];

	buf->addr = (uint64_t)(uintptr_t)data;
	buf->len = bytes;
	buf->bid = id;
	b->tail++;
	b->dirty = true;
}

void weir_bufring_publish(struct weir_bufring *b)
{
	if (!b->dirty)
		return;
	__atomic_store_n(&b->ring->tail, b->tail, __ATOMIC_RELEASE);
	b->dirty = false;
}

uint16_t weir_bufring_at_head(const struct weir_bufring *b)
{
	return b->ring->bufs[b->head & (b->entries - 1)].bid;
}
