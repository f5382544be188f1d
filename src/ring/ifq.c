// SPDX-License-Identifier: MIT
/*
 * ifq.c - a NIC's receive queue bound to a ring: registration, refill ring, events.
 *
 * Theory: one registration binds an area to a receive queue.  From then on the NIC's page pool
 *	takes buffers of the area, and the driver has payload written into them.  A completion names
 *	(area, offset); an entry of the refill ring with the same name gives the reference back:
 *
 *	   region  | head | tail | entries ...                       | counters |
 *	             kernel  we    kernel takes head..tail when the page pool has run dry
 *
 *	Where the parts lie in the region is told by the kernel; it differs between kernels.  An
 *	entry that names nothing is skipped by the kernel without a word, so all that is written
 *	here comes from the ledger, and from completions that were checked.  The kernel takes
 *	entries when the NIC needs buffers; where nothing else would make it look (no NIC, or a copy
 *	that finds no buffer while the ring has some), FLUSH_RQ does.
 *	Barriers: the kernel must see the entries before the tail that covers them (release on the
 *	tail); an entry may be overwritten when the kernel has taken it (acquire on the head).
 *
 *	Whether the kernel knows the operation is asked by an argument that cannot be read:
 *	EFAULT says that everything before the argument is well.
 * Invariants: 1. tail - head <= entries.
 * Ownership: the region is ours; areas are the caller's and live until the ring is closed.
 * Threads: the engine's.
 * Errors: the kernel's, with their meaning.
 * Sources: io_uring/zcrx.c io_register_zcrx(), io_zcrx_ring_refill(), zcrx_flush_rq(),
 *	zcrx_arm_notif(), zcrx_ctrl_add_area(), io_uring/query.c, Linux 7.3.
 * Tests: tests/vm/t/zc_*.sh, tests/unit/test_ifq.c
 */
#include "ifq.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "probe.h"

const char *weir_ifq_meaning(int code)
{
	switch (code) {
	case -EPERM:
		return "CAP_NET_ADMIN in the machine's first user namespace is missing";
	case -EINVAL:
		return "header/data split was not switched on, or its threshold is not 0 "
		       "(ethtool -G IFACE tcp-data-split on hds-thresh 0), or the driver does not "
		       "take memory of others";
	case -EEXIST:
		return "the queue is bound already, or an XDP program is "
		       "attached to the interface";
	case -EBUSY:
		return "an AF_XDP socket is on the queue, or it is leased";
	case -ERANGE:
		return "the interface has no such queue, or the area's pages are smaller than the "
		       "buffers";
	case -EOPNOTSUPP:
		return "the driver has no queue operations, takes no foreign memory, or its device "
		       "does no DMA";
	case -ENODATA:
		return "the driver takes no memory of others";
	case -ENODEV:
		return "no such interface";
	case -ENOMEM:
		return "not enough memory, or ulimit -l (locked memory) is too small";
	case -ENOSYS:
		return "this kernel has no zero-copy receive (Linux 6.15 or later, with "
		       "CONFIG_IO_URING_ZCRX)";
	default:
		return "the driver refused it";
	}
}

static void ask(struct weir_ifq_can *can)
{
	struct weir_io_uring_query_zcrx q;

	memset(can, 0, sizeof(*can));
	if (probe_query(WEIR_IO_URING_QUERY_ZCRX, &q, sizeof(q)))
		return;
	can->no_nic = q.register_flags & WEIR_ZCRX_REG_NODEV;
	can->large_buffers = q.features & WEIR_ZCRX_FEATURE_RX_PAGE_SIZE;
	can->events = q.features & WEIR_ZCRX_FEATURE_EVENT;
	can->flush = q.nr_ctrl_opcodes > WEIR_ZCRX_CTRL_FLUSH_RQ;
	can->add_area = q.nr_ctrl_opcodes > WEIR_ZCRX_CTRL_ADD_AREA;
}

int weir_ifq_supported(struct weir_ring *r, struct weir_ifq_can *retcan, struct weir_error *reterr)
{
	int code = probe_zcrx_known(r->u.ring_fd);

	/* Unknown operation, or built without it. */
	if (code == -EINVAL || code == -EOPNOTSUPP)
		code = -ENOSYS;
	if (code)
		return weir_error_set(reterr, code, "zero-copy receive", NULL, "%s",
				      weir_ifq_meaning(code));
	ask(retcan);
	return 0;
}

static int map_region(struct weir_ifq *q, uint32_t entries, size_t page)
{
	/* A page for the indices, the entries, a page for the counters. */
	size_t bytes = page + entries * sizeof(*q->rqes) + page;
	void *mem;

	bytes = (bytes + page - 1) / page * page;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		   -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	(void)madvise(mem, bytes, MADV_DONTFORK);
	q->region = mem;
	q->region_bytes = bytes;
	return 0;
}

static void fill_area(struct weir_io_uring_zcrx_area_reg *area, const struct weir_ifq_mem *mem)
{
	memset(area, 0, sizeof(*area));
	area->len = mem->bytes;
	if (mem->dmabuf >= 0) {
		area->flags = WEIR_ZCRX_AREA_DMABUF;
		area->dmabuf_fd = (uint32_t)mem->dmabuf;
	} else {
		area->addr = (uint64_t)(uintptr_t)mem->base;
	}
}

/* The answer names places in our region: are they in it? */
static bool believable(const struct weir_ifq *q, const struct weir_io_uring_zcrx_ifq_reg *reg)
{
	uint64_t end = (uint64_t)reg->offsets.rqes + reg->rq_entries * sizeof(*q->rqes);

	return reg->rq_entries && !(reg->rq_entries & (reg->rq_entries - 1)) &&
	       end <= q->region_bytes && reg->offsets.head + 4ull <= q->region_bytes &&
	       reg->offsets.tail + 4ull <= q->region_bytes;
}

static int try_register(struct weir_ifq *q, struct weir_ring *r, const struct weir_ifq_req *req)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct weir_io_uring_region_desc region = { 0 };
	struct weir_io_uring_zcrx_area_reg area;
	struct weir_io_uring_zcrx_event_desc events = { 0 };
	struct weir_io_uring_zcrx_ifq_reg reg = { 0 };
	char *base = q->region;
	int code;

	region.user_addr = (uint64_t)(uintptr_t)base;
	region.size = q->region_bytes;
	region.flags = WEIR_IORING_MEM_REGION_TYPE_USER;
	fill_area(&area, &req->mem);
	reg.if_idx = req->ifindex;
	reg.if_rxq = req->queue;
	reg.flags = req->ifindex ? 0 : WEIR_ZCRX_REG_NODEV;
	reg.rq_entries = req->entries;
	reg.area_ptr = (uint64_t)(uintptr_t)&area;
	reg.region_ptr = (uint64_t)(uintptr_t)&region;
	reg.rx_buf_len = req->buf_bytes > page ? req->buf_bytes : 0;
	if (q->can.events) {
		events.user_data = req->event_data;
		events.type_mask = 1u << WEIR_ZCRX_EVENT_ALLOC_FAIL;
		events.flags = WEIR_ZCRX_EVENT_DESC_FLAG_STATS;
		events.stats_offset = q->region_bytes - page;
		reg.event_desc = (uint64_t)(uintptr_t)&events;
	}
	code = probe_register(r->u.ring_fd, WEIR_IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	if (code < 0)
		return code;
	if (!believable(q, &reg))
		return -EPROTO;
	q->id = reg.zcrx_id;
	q->entries = reg.rq_entries;
	q->buf_bytes = reg.rx_buf_len ? reg.rx_buf_len : (uint32_t)page;
	q->tokens[0] = area.rq_area_token;
	q->area_count = 1;
	q->khead = (uint32_t *)(base + reg.offsets.head);
	q->ktail = (uint32_t *)(base + reg.offsets.tail);
	q->rqes = (struct weir_io_uring_zcrx_rqe *)(base + reg.offsets.rqes);
	if (q->can.events)
		q->stats = (struct weir_io_uring_zcrx_stats *)(base + events.stats_offset);
	return 0;
}

int weir_ifq_open(struct weir_ifq *q, struct weir_ring *r, const struct weir_ifq_can *can,
		  const struct weir_ifq_req *req, struct weir_error *reterr)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int code;

	memset(q, 0, sizeof(*q));
	q->ring = r;
	q->can = *can;
	if (req->buf_bytes > page && !can->large_buffers)
		return weir_error_set(reterr, -EOPNOTSUPP, "zero-copy receive", req->name,
				      "this kernel has no buffers larger than a page (Linux 7.0)");
	if (!req->ifindex && !can->no_nic)
		return weir_error_set(reterr, -EOPNOTSUPP, "zero-copy receive", req->name,
				      "this kernel needs a NIC for it (Linux 7.1 does not): name "
				      "one by WEIR_IFNAME");
	code = map_region(q, req->entries, page);
	if (!code)
		code = try_register(q, r, req);
	if (code) {
		weir_ifq_free(q);
		return weir_error_set(reterr, code, "zero-copy receive", req->name, "%s",
				      weir_ifq_meaning(code));
	}
	return 0;
}

void weir_ifq_free(struct weir_ifq *q)
{
	if (q->region)
		munmap(q->region, q->region_bytes);
	q->region = NULL;
	q->stats = NULL;
}

uint32_t weir_ifq_waiting(const struct weir_ifq *q)
{
	return q->tail - __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);
}

uint32_t weir_ifq_room(const struct weir_ifq *q)
{
	return q->entries - weir_ifq_waiting(q);
}

void weir_ifq_give(struct weir_ifq *q, unsigned area, uint64_t offset, uint32_t n)
{
	for (; n; n--) {
		struct weir_io_uring_zcrx_rqe *e = &q->rqes[q->tail++ & (q->entries - 1)];

		e->off = q->tokens[area] | offset;
		e->len = q->buf_bytes;
		e->pad = 0;
	}
}

void weir_ifq_publish(struct weir_ifq *q)
{
	/* The kernel must see the entries before the tail that covers them. */
	__atomic_store_n(q->ktail, q->tail, __ATOMIC_RELEASE);
}

static int control(struct weir_ifq *q, struct weir_io_uring_zcrx_ctrl *ctrl)
{
	int code;

	ctrl->zcrx_id = q->id;
	code = probe_register(q->ring->u.ring_fd, WEIR_IORING_REGISTER_ZCRX_CTRL, ctrl, 0);
	return code < 0 ? code : 0;
}

int weir_ifq_flush(struct weir_ifq *q)
{
	struct weir_io_uring_zcrx_ctrl ctrl = { .op = WEIR_ZCRX_CTRL_FLUSH_RQ };

	return q->can.flush ? control(q, &ctrl) : -EOPNOTSUPP;
}

int weir_ifq_arm(struct weir_ifq *q)
{
	struct weir_io_uring_zcrx_ctrl ctrl = { .op = WEIR_ZCRX_CTRL_ARM_EVENT };

	ctrl.event_type = WEIR_ZCRX_EVENT_ALLOC_FAIL;
	return q->can.events ? control(q, &ctrl) : -EOPNOTSUPP;
}

int weir_ifq_add_area(struct weir_ifq *q, const struct weir_ifq_mem *mem)
{
	struct weir_io_uring_zcrx_ctrl ctrl = { .op = WEIR_ZCRX_CTRL_ADD_AREA };
	struct weir_io_uring_zcrx_area_reg area;
	int code;

	if (!q->can.add_area || q->area_count == WEIR_IFQ_AREAS_MAX)
		return -EOPNOTSUPP;
	fill_area(&area, mem);
	ctrl.area_ptr = (uint64_t)(uintptr_t)&area;
	code = control(q, &ctrl);
	if (!code)
		q->tokens[q->area_count++] = area.rq_area_token;
	return code;
}
