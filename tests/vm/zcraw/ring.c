/* SPDX-License-Identifier: MIT */
/*
 * ring.c - an io_uring by raw system calls, with completions of 16, 32 or both sizes.
 *
 * Theory: the kernel's three shared arrays and their four indices:
 *
 *     submission   we write sqes and tail      the kernel writes head
 *     completion   the kernel writes tail      we write head
 *
 * With CQE32 every completion takes 32 bytes and the indices count those.  With CQE_MIXED the array
 * is one of 16-byte slots: a completion with F_32 takes two of them, never across the end of the
 * array; the slot that is left over there is filled with a completion that says F_SKIP.
 * Nothing here is fast or clever; it is an independent reading of the interface, against which
 * the library's own is worth comparing.
 *
 * Sources: io_uring/io_uring.c (io_fill_nop_cqe, io_cqe_cache_refill), Linux 7.3.
 */
#include "ring.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int map(struct ring *ring, const struct io_uring_params *p)
{
	size_t cqe_bytes = sizeof(struct io_uring_cqe) << !!(ring->flags & ZR_SETUP_CQE32);
	size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_bytes = p->cq_off.cqes + p->cq_entries * cqe_bytes;
	char *base;

	ring->rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	ring->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	base = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    ring->fd, IORING_OFF_SQ_RING);
	if (base == MAP_FAILED)
		return -errno;
	ring->rings = base;
	ring->sqes = mmap(NULL, ring->sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  ring->fd, IORING_OFF_SQES);
	if (ring->sqes == MAP_FAILED) {
		ring->sqes = NULL;
		return -errno;
	}
	/* a forked child that kept the mappings would keep the ring alive after our close() */
	madvise(ring->rings, ring->rings_bytes, MADV_DONTFORK);
	madvise(ring->sqes, ring->sqes_bytes, MADV_DONTFORK);
	ring->sq_head = (unsigned *)(base + p->sq_off.head);
	ring->sq_tail = (unsigned *)(base + p->sq_off.tail);
	ring->sq_array = (unsigned *)(base + p->sq_off.array);
	ring->cq_head = (unsigned *)(base + p->cq_off.head);
	ring->cq_tail = (unsigned *)(base + p->cq_off.tail);
	ring->cq_overflow = (unsigned *)(base + p->cq_off.overflow);
	ring->cqes = (struct io_uring_cqe *)(base + p->cq_off.cqes);
	ring->sq_entries = p->sq_entries;
	ring->sq_mask = p->sq_entries - 1;
	ring->cq_entries = p->cq_entries;
	ring->cq_mask = p->cq_entries - 1;
	return 0;
}

int ring_open(struct ring *ring, unsigned sq_entries, unsigned cq_entries, unsigned flags)
{
	struct io_uring_params p;
	int err;

	memset(ring, 0, sizeof *ring);
	memset(&p, 0, sizeof p);
	p.flags = flags | IORING_SETUP_CQSIZE;
	p.cq_entries = cq_entries;
	ring->flags = flags;
	ring->fd = (int)syscall(SYS_io_uring_setup, sq_entries, &p);
	if (ring->fd < 0)
		return -errno;
	err = map(ring, &p);
	if (err)
		ring_close(ring);
	return err;
}

void ring_close(struct ring *ring)
{
	if (!ring || ring->fd <= 0)
		return;
	if (ring->sqes)
		munmap(ring->sqes, ring->sqes_bytes);
	if (ring->rings)
		munmap(ring->rings, ring->rings_bytes);
	close(ring->fd);
	memset(ring, 0, sizeof *ring);
	ring->fd = -1;
}

int ring_register(struct ring *ring, unsigned op, void *arg, unsigned count)
{
	long r = syscall(SYS_io_uring_register, ring ? ring->fd : -1, op, arg, count);

	return r < 0 ? -errno : (int)r;
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
	unsigned index = ring->sq_local & ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[index];

	if (ring->sq_local - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) == ring->sq_entries)
		return NULL;
	memset(sqe, 0, sizeof *sqe);
	ring->sq_array[index] = index;
	ring->sq_local++;
	return sqe;
}

static int enter(struct ring *ring, unsigned min, long timeout_ms)
{
	struct __kernel_timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	struct io_uring_getevents_arg arg;
	unsigned count = ring->sq_local - ring->sq_submitted;
	long r;

	memset(&arg, 0, sizeof arg);
	arg.sigmask_sz = _NSIG / 8;
	arg.ts = (uintptr_t)&ts;
	/* the kernel must see the entries before the tail that covers them */
	__atomic_store_n(ring->sq_tail, ring->sq_local, __ATOMIC_RELEASE);
	r = syscall(SYS_io_uring_enter, ring->fd, count, min,
		    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
	if (r < 0)
		r = -errno;
	/* a time-out is reported as such only when nothing was submitted; the head is exact */
	ring->sq_submitted = __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
	return r < 0 ? (int)r : 0;
}

static bool ready(const struct ring *ring)
{
	return *ring->cq_head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
}

int ring_wait(struct ring *ring, long timeout_ms)
{
	int err = enter(ring, 1, timeout_ms);

	if (ready(ring))
		return 0;
	return err && err != -EINTR ? err : -ETIME;
}

int ring_kick(struct ring *ring)
{
	return enter(ring, 0, 0);
}

bool ring_next(struct ring *ring, struct completion *ret)
{
	bool cqe32 = ring->flags & ZR_SETUP_CQE32;

	while (ready(ring)) {
		unsigned head = *ring->cq_head, slots = 1;
		const struct io_uring_cqe *cqe = &ring->cqes[(head & ring->cq_mask) << cqe32];
		bool skip = !cqe32 && (cqe->flags & ZR_CQE_F_SKIP);

		memset(ret, 0, sizeof *ret);
		ret->user_data = cqe->user_data;
		ret->res = cqe->res;
		ret->flags = cqe->flags;
		ret->has_more = cqe->flags & ZR_CQE_F_MORE;
		if (cqe32 || (cqe->flags & ZR_CQE_F_32)) {
			ret->big = true;
			memcpy(&ret->off, cqe + 1, sizeof ret->off);
			if (!cqe32)
				slots = 2;
		}
		/* what was read of the slot must be read before the kernel may reuse it */
		__atomic_store_n(ring->cq_head, head + slots, __ATOMIC_RELEASE);
		if (!skip)
			return true;
		ring->fillers++;
	}
	return false;
}

bool ring_at_odd_slot(const struct ring *ring)
{
	return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) & 1;
}
