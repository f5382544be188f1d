/* SPDX-License-Identifier: MIT */
/*
 * ifq.c - the registration of a queue, its refill ring, and what the kernel offers.
 *
 * Theory: one call binds an area to a receive queue and gives back where in our region the refill
 * ring's head, tail and entries lie (kernels differ, so the reply is believed and nothing else).
 *
 *     region   | head | tail | entries ...        | last page: statistics, where there are any |
 *
 * We write entries and then the tail; the kernel takes them when the NIC's page pool runs dry.  An
 * entry names area and offset.  The kernel skips silently what it does not like, so each offset is
 * checked here first.  A full ring is emptied with FLUSH_RQ.
 *
 * Whether the kernel has zcrx at all is found by registering nothing: an unknown operation is
 * EINVAL, a known one fails to read the argument.
 *
 * Sources: io_uring/zcrx.c (io_register_zcrx, zcrx_rq_iter_next, zcrx_flush_rq), io_uring/query.c,
 * Linux 7.3.
 */
#include "zcraw.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

void ifq_need(void)
{
	struct ring ring;
	int err = ring_open(&ring, 4, 8, RING_FLAGS_ZCRX | ZR_SETUP_CQE32);

	if (err)
		skip("no ring with SINGLE_ISSUER, DEFER_TASKRUN and CQE32: %s", strerror(-err));
	/* an address that nobody has: where the operation is known, its argument cannot be read */
	err = ring_register(&ring, ZR_REGISTER_ZCRX_IFQ, (void *)8, 1);
	ring_close(&ring);
	if (err != -EFAULT)
		skip("this kernel has no zero-copy receive: IORING_REGISTER_ZCRX_IFQ says %s",
		     strerror(-err));
}

unsigned ifq_features(void)
{
	struct zr_query_zcrx answer;
	struct zr_query_hdr hdr;

	memset(&answer, 0, sizeof answer);
	memset(&hdr, 0, sizeof hdr);
	hdr.query_data = (uintptr_t)&answer;
	hdr.query_op = ZR_QUERY_ZCRX;
	hdr.size = sizeof answer;
	if (ring_register(NULL, ZR_REGISTER_QUERY, &hdr, 0) || hdr.result < 0)
		return 0;
	return answer.features;
}

static int map_region(struct ifq *ifq, unsigned entries)
{
	/* a page for the indices, one for the statistics */
	ifq->region_bytes = PAGE + entries * sizeof(struct zr_zcrx_rqe) + PAGE;
	ifq->region_bytes = (ifq->region_bytes + PAGE - 1) / PAGE * PAGE;
	ifq->region = mmap(NULL, ifq->region_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ifq->region == MAP_FAILED) {
		ifq->region = NULL;
		return -errno;
	}
	madvise(ifq->region, ifq->region_bytes, MADV_DONTFORK);
	return 0;
}

int ifq_open(struct ifq *ifq, struct ring *ring, struct area *area, const struct ifq_options *o)
{
	struct zr_zcrx_area_reg area_reg;
	struct zr_zcrx_event_desc events;
	struct zr_region_desc region;
	struct zr_zcrx_ifq_reg reg;
	bool with_events = o->events && (ifq_features() & ZR_FEATURE_EVENT);
	char *base;
	int err;

	memset(ifq, 0, sizeof *ifq);
	memset(&area_reg, 0, sizeof area_reg);
	memset(&events, 0, sizeof events);
	memset(&region, 0, sizeof region);
	memset(&reg, 0, sizeof reg);
	err = map_region(ifq, o->entries);
	if (err)
		return err;
	base = ifq->region;
	region.user_addr = (uintptr_t)base;
	region.size = ifq->region_bytes;
	region.flags = ZR_REGION_TYPE_USER;
	area_reg.len = area->bytes;
	if (area->dmabuf >= 0) {
		area_reg.flags = ZR_AREA_DMABUF;
		area_reg.dmabuf_fd = (uint32_t)area->dmabuf;
	} else {
		area_reg.addr = (uintptr_t)area->mem;
	}
	reg.if_idx = o->ifindex;
	reg.if_rxq = o->queue;
	reg.rq_entries = o->entries;
	reg.area_ptr = (uintptr_t)&area_reg;
	reg.region_ptr = (uintptr_t)&region;
	reg.rx_buf_len = o->buf_bytes;
	if (with_events) {
		events.user_data = IFQ_EVENT;
		events.type_mask = 1u << ZR_EVENT_ALLOC_FAIL | 1u << ZR_EVENT_COPY;
		events.flags = ZR_EVENT_DESC_FLAG_STATS;
		events.stats_offset = ifq->region_bytes - PAGE;
		reg.event_desc = (uintptr_t)&events;
	}
	err = ring_register(ring, ZR_REGISTER_ZCRX_IFQ, &reg, 1);
	if (err < 0) {
		ifq_free(ifq);
		return err;
	}
	ifq->ring = ring;
	ifq->id = reg.zcrx_id;
	ifq->entries = reg.rq_entries;
	ifq->buf_bytes = o->buf_bytes ? o->buf_bytes : PAGE;
	ifq->token = area_reg.rq_area_token;
	ifq->khead = (unsigned *)(base + reg.offsets.head);
	ifq->ktail = (unsigned *)(base + reg.offsets.tail);
	ifq->rqes = (struct zr_zcrx_rqe *)(base + reg.offsets.rqes);
	if (with_events)
		ifq->stats = (struct zr_zcrx_stats *)(base + events.stats_offset);
	return 0;
}

void ifq_free(struct ifq *ifq)
{
	if (ifq->region)
		munmap(ifq->region, ifq->region_bytes);
	ifq->region = NULL;
	ifq->stats = NULL;
}

void ifq_publish(struct ifq *ifq)
{
	/* the kernel must see the entries before the tail that covers them */
	__atomic_store_n(ifq->ktail, ifq->tail, __ATOMIC_RELEASE);
}

static int control(struct ifq *ifq, unsigned op, unsigned event_type)
{
	struct zr_zcrx_ctrl ctrl;

	memset(&ctrl, 0, sizeof ctrl);
	ctrl.zcrx_id = ifq->id;
	ctrl.op = op;
	ctrl.event_type = event_type;
	return ring_register(ifq->ring, ZR_REGISTER_ZCRX_CTRL, &ctrl, 0);
}

int ifq_flush(struct ifq *ifq)
{
	ifq->flushes++;
	return control(ifq, ZR_CTRL_FLUSH_RQ, 0);
}

int ifq_arm_event(struct ifq *ifq, unsigned type)
{
	return control(ifq, ZR_CTRL_ARM_EVENT, type);
}

void ifq_return(struct ifq *ifq, uint64_t off, unsigned len)
{
	struct zr_zcrx_rqe *rqe;

	if (ifq->tail - __atomic_load_n(ifq->khead, __ATOMIC_ACQUIRE) == ifq->entries) {
		int err;

		ifq_publish(ifq);
		err = ifq_flush(ifq);
		if (err)
			fail("full refill ring, FLUSH_RQ: %s", strerror(-err));
		if (ifq->tail - __atomic_load_n(ifq->khead, __ATOMIC_ACQUIRE) == ifq->entries)
			fail("FLUSH_RQ took nothing from a full refill ring");
	}
	rqe = &ifq->rqes[ifq->tail & (ifq->entries - 1)];
	rqe->off = (off & ZR_OFFSET_MASK) | ifq->token;
	rqe->len = len;
	rqe->pad = 0;
	ifq->tail++;
}
