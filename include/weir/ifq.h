/* SPDX-License-Identifier: MIT */
/*
 * ifq.h - interface queues: NIC queues that write payload into an engine's memory.
 *
 * An engine on the plane zcrx binds one or more receive queues of a NIC (weir_engine_opts.nic or
 * .ifname).  Each has an area, cut into buffers that the NIC writes payload to, and a refill ring
 * by which buffers go back.  Headers never come into the area.
 */
#ifndef WEIR_IFQ_H
#define WEIR_IFQ_H

#include <weir/area.h>
#include <weir/base.h>
#include <weir/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct weir_ifq_info - one interface queue.
 * @ifname: the interface; empty where there is none (every byte is copied).
 * @ifindex: its number; 0 for none.
 * @queue: number of the NIC's receive queue.
 * @napi_id: NAPI that handles it; 0 where not known.
 * @buffer_bytes: size of a buffer in the area.
 * @buffer_count: number of buffers, in all areas.
 * @refill_entries: entries of the refill ring.
 * @hold_max_bytes: what a socket may keep of it (weir_engine_opts.hold_max_bytes, or its default).
 * @area: memory it writes to; the first, where some were added.
 * @area_offset: where in @area its part begins, in bytes.
 * @area_count: areas it has.
 * @no_nic: without a NIC: the kernel copies every byte.
 * @large_buffers: the kernel can make buffers larger than a page.
 * @events: the kernel tells when it finds no buffer.
 * @copies_known: the kernel counts what it copies.
 * @can_flush: the kernel takes back buffers when asked, not only when the NIC needs some.
 * @reason: what was asked for and could not be had ("buffers of 65536 bytes: ..."); may be empty.
 */
struct weir_ifq_info {
	char ifname[16];
	uint32_t ifindex;
	uint32_t queue;
	uint32_t napi_id;
	uint32_t buffer_bytes;
	uint32_t buffer_count;
	uint32_t refill_entries;
	uint64_t hold_max_bytes;
	struct weir_area *area;
	uint64_t area_offset;
	uint32_t area_count;
	bool no_nic;
	bool large_buffers;
	bool events;
	bool copies_known;
	bool can_flush;
	char reason[160];
};

/**
 * struct weir_ifq_stats - counters of an interface queue since it was bound.
 * @bytes: payload that came through it.
 * @completions: pieces it came in.
 * @copied_bytes: of @bytes, what the kernel copied from pages that were not this queue's; 0 where
 *	that is not known.  What lay in the linear part of a packet is copied, too, and not counted.
 * @copied_fragments: pieces copied.
 * @read_bytes: payload that the library read into other memory, because the kernel had no buffer to
 *	copy it to.
 * @refills: entries written to the refill ring.
 * @refill_stores: times its tail was moved.
 * @refill_full: times it had no room, and buffers waited in user space.
 * @flushes: times the kernel was asked to take back what is in the ring.
 * @no_buffer: times the NIC was seen to find no buffer (weir_ifq_info.events); a lower bound: the
 *	kernel tells of it once, and again only when it has been asked for the next.
 * @copy_no_buffer: receives that ended because there was no buffer to copy to.
 * @cq_full: receives that ended because the completion queue was full.
 * @rearmed: receives that were begun again after an end that was none of the stream's.
 * @bad_completions: completions that name no buffer of the queue; their sockets were ended.
 * @buffers_free: buffers back in user space and not in the refill ring yet.
 * @buffers_kernel: buffers of the kernel's or the NIC's.
 * @buffers_delivered: buffers in the batch the application looks at.
 * @buffers_held: buffers with held slices.
 * @copied_known: @copied_bytes is counted by the kernel.
 */
struct weir_ifq_stats {
	uint64_t bytes;
	uint64_t completions;
	uint64_t copied_bytes;
	uint64_t copied_fragments;
	uint64_t read_bytes;
	uint64_t refills;
	uint64_t refill_stores;
	uint64_t refill_full;
	uint64_t flushes;
	uint64_t no_buffer;
	uint64_t copy_no_buffer;
	uint64_t cq_full;
	uint64_t rearmed;
	uint64_t bad_completions;
	uint64_t buffers_free;
	uint64_t buffers_kernel;
	uint64_t buffers_delivered;
	uint64_t buffers_held;
	bool copied_known;
};

/**
 * weir_engine_ifq() - describe one of an engine's interface queues.
 * @e: the engine.
 * @i: 0, 1, ...
 * @ret: receives the description.
 *
 * Return: 0; -ENOENT after the last (at once on other planes than zcrx).
 */
WEIR_API WEIR_MUST_CHECK int weir_engine_ifq(const struct weir_engine *e, unsigned i,
					     struct weir_ifq_info *ret);

/**
 * weir_engine_ifq_stats() - read the counters of one of an engine's interface queues.
 * @e: the engine.
 * @i: 0, 1, ...
 * @ret: receives them.
 *
 * Return: 0; -ENOENT as weir_engine_ifq().
 */
WEIR_API WEIR_MUST_CHECK int weir_engine_ifq_stats(const struct weir_engine *e, unsigned i,
						   struct weir_ifq_stats *ret);

/**
 * weir_engine_add_area() - more memory for an interface queue that is in use.
 * @e: the engine.
 * @i: number of the queue, as weir_engine_ifq().
 * @area: memory of the same kind as the queue's (with or without an address for the kernel); the
 *	engine takes a reference.  What is over a whole number of buffers is not used.
 * @reterr: error record or NULL.
 *
 * Slices may then lie in any of the queue's areas.  Threads: the engine's.
 *
 * Return: 0; -ENOENT (no such queue); -EOPNOTSUPP where the kernel cannot (before Linux 7.3), or
 * the queue has 8 areas: open the engine with a larger area then; -EINVAL (smaller than a buffer; a
 * dma-buf beside other memory, or the reverse); -ERANGE (its pages are smaller than the buffers);
 * -ENOMEM; others of the kernel's.
 */
WEIR_API WEIR_MUST_CHECK int weir_engine_add_area(struct weir_engine *e, unsigned i,
						  struct weir_area *area,
						  struct weir_error *reterr);

#ifdef __cplusplus
}
#endif

#endif
