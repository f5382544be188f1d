/* SPDX-License-Identifier: MIT */
/*
 * ifq.h - a NIC's receive queue bound to a ring: registration, refill ring, events.
 */
#ifndef WEIR_RING_IFQ_H
#define WEIR_RING_IFQ_H

#include "ring.h"

#define WEIR_IFQ_AREAS_MAX 8
#define WEIR_IFQ_REFILL_MAX 32768u

struct weir_io_uring_zcrx_rqe;
struct weir_io_uring_zcrx_stats;

/**
 * struct weir_ifq_can - what this kernel's zero-copy receive can do.
 * @no_nic: interface queues without a NIC.
 * @large_buffers: buffers larger than a page.
 * @events: it tells when the NIC finds no buffer, and counts what it copies.
 * @flush: it takes back the refill ring's entries when asked.
 * @add_area: areas can be added to a queue.
 */
struct weir_ifq_can {
	bool no_nic;
	bool large_buffers;
	bool events;
	bool flush;
	bool add_area;
};

/**
 * struct weir_ifq_mem - memory for an area.
 * @base: first byte, page aligned; not used for a dma-buf.
 * @bytes: size, whole pages; of a dma-buf all of it.
 * @dmabuf: descriptor of the dma-buf; -1: host memory.
 */
struct weir_ifq_mem {
	void *base;
	size_t bytes;
	int dmabuf;
};

/**
 * struct weir_ifq_req - what is asked for.
 * @ifindex: interface; 0: without a NIC.
 * @queue: its receive queue.
 * @entries: of the refill ring, a power of two.
 * @buf_bytes: size of a buffer; 0: a page.
 * @mem: the first area.
 * @event_data: user_data of completions that tell of events.
 * @name: of queue and interface, for error records.
 */
struct weir_ifq_req {
	uint32_t ifindex;
	uint32_t queue;
	uint32_t entries;
	uint32_t buf_bytes;
	struct weir_ifq_mem mem;
	uint64_t event_data;
	const char *name;
};

/**
 * struct weir_ifq - a queue that is bound.
 * @ring: its ring.
 * @can: what the kernel can do.
 * @id: the kernel's number of it, which receive requests name.
 * @buf_bytes: size of a buffer.
 * @entries: of the refill ring.
 * @tail: entries ever written.
 * @khead: entries the kernel has taken (shared).
 * @ktail: entries the kernel may take (shared).
 * @rqes: the entries (shared).
 * @stats: the kernel's counters (shared); NULL: it has none.
 * @tokens: of each area, what offsets in it begin with.
 * @area_count: areas.
 * @region: memory of the refill ring; NULL: not open.
 * @region_bytes: its size.
 */
struct weir_ifq {
	struct weir_ring *ring;
	struct weir_ifq_can can;
	uint32_t id;
	uint32_t buf_bytes;
	uint32_t entries;
	uint32_t tail;
	uint32_t *khead;
	uint32_t *ktail;
	struct weir_io_uring_zcrx_rqe *rqes;
	struct weir_io_uring_zcrx_stats *stats;
	uint64_t tokens[WEIR_IFQ_AREAS_MAX];
	unsigned area_count;
	void *region;
	size_t region_bytes;
};

/**
 * weir_ifq_supported() - does this kernel, for this user, register interface queues?
 * @r: a ring of weir_ring_open_large().
 * @retcan: receives what it can do.
 * @reterr: error record or NULL.
 *
 * Return: 0; -ENOSYS; -EPERM.
 */
int weir_ifq_supported(struct weir_ring *r, struct weir_ifq_can *retcan, struct weir_error *reterr);

/** weir_ifq_meaning() - what an -errno of a registration means, and what to do about it. */
const char *weir_ifq_meaning(int code);

/**
 * weir_ifq_open() - bind a queue.
 * @q: storage.
 * @r: a ring of weir_ring_open_large().
 * @can: of weir_ifq_supported().
 * @req: what is asked for; the memory must live until the ring is closed.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL, -EEXIST, -EBUSY, -ERANGE, -EOPNOTSUPP, -ENODEV, -ENOMEM, -EPERM and the
 * driver's own, each with what it means.
 */
int weir_ifq_open(struct weir_ifq *q, struct weir_ring *r, const struct weir_ifq_can *can,
		  const struct weir_ifq_req *req, struct weir_error *reterr);

/** weir_ifq_free() - free the refill ring; the ring, and so the queue, is closed. */
void weir_ifq_free(struct weir_ifq *q);

/** weir_ifq_room() - free entries of the refill ring. */
uint32_t weir_ifq_room(const struct weir_ifq *q);

/** weir_ifq_waiting() - entries that the kernel has not taken. */
uint32_t weir_ifq_waiting(const struct weir_ifq *q);

/**
 * weir_ifq_give() - write @n entries for one buffer; the kernel sees them after publish().
 * @q: the queue, with room for them.
 * @area: number of the area.
 * @offset: of the buffer in it.
 * @n: references that go back.
 */
void weir_ifq_give(struct weir_ifq *q, unsigned area, uint64_t offset, uint32_t n);

/** weir_ifq_publish() - show the kernel all that was given, with one store. */
void weir_ifq_publish(struct weir_ifq *q);

/** weir_ifq_flush() - let the kernel take what it was shown; 0, -EOPNOTSUPP or other -errno. */
int weir_ifq_flush(struct weir_ifq *q);

/** weir_ifq_arm() - be told of the next time that the NIC finds no buffer; 0 or -errno. */
int weir_ifq_arm(struct weir_ifq *q);

/** weir_ifq_add_area() - one more area; 0, -EOPNOTSUPP, -EINVAL or other -errno. */
int weir_ifq_add_area(struct weir_ifq *q, const struct weir_ifq_mem *mem);

#endif
