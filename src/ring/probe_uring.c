// SPDX-License-Identifier: MIT
/*
 * probe_uring.c - what io_uring can do here.
 *
 * Theory: a ring is opened as an engine opens one.  Opcodes are asked for by
 *	IORING_REGISTER_PROBE, bundles and min-wait by feature bits, multishot receive by one byte
 *	through a socket pair, since its flag has no bit.  Buffer rings are registered for a moment.
 *
 *	Zero-copy receive, in the order in which the kernel checks a registration:
 *		unknown operation (before 6.15)         EINVAL
 *		built without CONFIG_IO_URING_ZCRX      EOPNOTSUPP
 *		no CAP_NET_ADMIN                        EPERM
 *		not the ring that it wants              EINVAL
 *		the argument cannot be read             EFAULT
 *	So a registration whose argument is a page without access tells, by EFAULT, that all before
 *	it is well, and cannot register anything.  Without a NIC (NODEV) it is really done, with one
 *	page of memory.  What else there is, the query interface tells.
 * Invariants: 1. every ring is closed before the next question.  2. no interface is touched.
 * Ownership: all local.
 * Threads: any.
 * Errors: kept as the codes of the bits.
 * Sources: io_uring/io_uring.c io_uring_setup(), io_uring/register.c __io_uring_register(),
 *	io_uring/zcrx.c io_register_zcrx() and zcrx.h (stub), io_uring/query.c io_query(), Linux
 *	7.3; io_uring/zcrx.c io_register_zcrx_ifq(), Linux 6.18.
 * Tests: tests/unit/test_probe.c, tests/vm/t/doctor.sh
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "probe.h"
#include "ring.h"

#define TRIAL_GROUP 7
#define PAGE 4096u
#define REFILL_ENTRIES 8

int probe_ring(unsigned setup)
{
	struct io_uring_params p;
	long fd;

	memset(&p, 0, sizeof(p));
	p.flags = setup;
	fd = syscall(__NR_io_uring_setup, 4, &p);
	return fd < 0 ? -errno : (int)fd;
}

int probe_register(int ring, unsigned op, void *arg, unsigned n)
{
	long r = syscall(__NR_io_uring_register, ring, op, arg, n);

	return r < 0 ? -errno : (int)r;
}

int probe_zcrx_ring(void)
{
	return probe_ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			  IORING_SETUP_CQE32);
}

int probe_zcrx_bind(int ring, uint32_t ifindex, uint32_t queue, uint32_t flags, size_t area_bytes,
		    void **retmem, size_t *retbytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct weir_io_uring_region_desc region = { 0 };
	struct weir_io_uring_zcrx_area_reg area = { 0 };
	struct weir_io_uring_zcrx_ifq_reg reg = { 0 };
	size_t bytes = page + area_bytes;
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int r;

	if (mem == MAP_FAILED)
		return -errno;
	(void)madvise(mem, bytes, MADV_DONTFORK);
	/* The refill ring in the first page, the area behind it. */
	region.user_addr = (uint64_t)(uintptr_t)mem;
	region.size = page;
	region.flags = WEIR_IORING_MEM_REGION_TYPE_USER;
	area.addr = (uint64_t)(uintptr_t)(mem + page);
	area.len = area_bytes;
	reg.if_idx = ifindex;
	reg.if_rxq = queue;
	reg.rq_entries = REFILL_ENTRIES;
	reg.flags = flags;
	reg.area_ptr = (uint64_t)(uintptr_t)&area;
	reg.region_ptr = (uint64_t)(uintptr_t)&region;
	r = probe_register(ring, WEIR_IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	if (r < 0) {
		munmap(mem, bytes);
		return r;
	}
	*retmem = mem;
	*retbytes = bytes;
	return 0;
}

/* ------------------------------------------------------------------ zero-copy receive */

int probe_zcrx_known(int ring)
{
	void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (none == MAP_FAILED)
		return -errno;
	r = probe_register(ring, WEIR_IORING_REGISTER_ZCRX_IFQ, none, 1);
	munmap(none, PAGE);
	if (r == -EFAULT)
		return 0;
	return r < 0 ? r : -EPROTO;
}

static int ask_zcrx(void)
{
	int ring = probe_zcrx_ring(), r;

	if (ring < 0)
		return ring;
	r = probe_zcrx_known(ring);
	close(ring);
	return r;
}

static int ask_nodev(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes;
	void *mem;
	int ring = probe_zcrx_ring(), r;

	if (ring < 0)
		return ring;
	r = probe_zcrx_bind(ring, 0, 0, WEIR_ZCRX_REG_NODEV, page, &mem, &bytes);
	close(ring);
	if (!r)
		munmap(mem, bytes);
	return r;
}

int probe_query(uint32_t op, void *data, size_t bytes)
{
	struct weir_io_uring_query_hdr hdr = { .query_op = op, .size = (uint32_t)bytes };
	int r;

	memset(data, 0, bytes);
	hdr.query_data = (uint64_t)(uintptr_t)data;
	r = probe_register(-1, WEIR_IORING_REGISTER_QUERY, &hdr, 0);
	if (r < 0)
		return r == -EBADF ? -EINVAL : r;
	return hdr.result;
}

static void probe_zcrx(struct weir_probe *p)
{
	struct weir_io_uring_query_opcode opcodes;
	struct weir_io_uring_query_zcrx zcrx;
	int ring, r;

	probe_set(p, WEIR_CAN_QUERY,
		  probe_query(WEIR_IO_URING_QUERY_OPCODES, &opcodes, sizeof(opcodes)));
	probe_set(p, WEIR_CAN_ZCRX, ask_zcrx());
	probe_set(p, WEIR_CAN_ZCRX_NODEV, ask_nodev());
	r = probe_query(WEIR_IO_URING_QUERY_ZCRX, &zcrx, sizeof(zcrx));
	if (!r && !(zcrx.features & WEIR_ZCRX_FEATURE_RX_PAGE_SIZE))
		r = -EOPNOTSUPP;
	probe_set(p, WEIR_CAN_ZCRX_BUF_LEN, r);
	ring = probe_ring(WEIR_IORING_SETUP_CQE_MIXED);
	probe_set(p, WEIR_CAN_CQE_MIXED, ring);
	if (ring >= 0)
		close(ring);
}

/* -------------------------------------------------------------------- plain io_uring */

static void probe_opcodes(struct weir_probe *p, struct weir_ring *r)
{
	static const struct {
		int op;
		uint64_t can;
	} ops[] = {
		{ IORING_OP_SEND_ZC, WEIR_CAN_SEND_ZC },
		{ IORING_OP_SENDMSG_ZC, WEIR_CAN_SENDMSG_ZC },
		{ WEIR_IORING_OP_RECV_ZC, WEIR_CAN_RECV_ZC },
	};
	struct io_uring_probe *probe = io_uring_get_probe_ring(&r->u);

	for (size_t i = 0; i < weir_array_len(ops); i++)
		probe_set(p, ops[i].can,
			  probe && io_uring_opcode_supported(probe, ops[i].op) ? 0 : -EOPNOTSUPP);
	io_uring_free_probe(probe);
}

static int ask_multishot(struct weir_ring *r, struct weir_bufring *b)
{
	int answer, code = weir_bufring_try(b, r, 0, &answer);

	return code ? code : answer;
}

static void probe_buffers(struct weir_probe *p, struct weir_ring *r)
{
	struct weir_bufring b;
	int code = weir_bufring_open(&b, r, TRIAL_GROUP, 2, true);

	probe_set(p, WEIR_CAN_BUF_INCREMENTAL, code);
	if (!code)
		weir_bufring_close(&b, r);
	code = weir_bufring_open(&b, r, TRIAL_GROUP, 2, false);
	probe_set(p, WEIR_CAN_BUF_RING, code);
	probe_set(p, WEIR_CAN_RECV_MULTISHOT, code ? code : ask_multishot(r, &b));
	if (!code)
		weir_bufring_close(&b, r);
}

void probe_uring(struct weir_probe *p)
{
	struct weir_ring r;
	int code = weir_ring_open(&r, 4, 8, true, false, NULL), ring;

	probe_set(p, WEIR_CAN_IO_URING, code);
	if (code) {
		/* One reason for all that needs a ring. */
		for (uint64_t can = WEIR_CAN_DEFER_TASKRUN; can <= WEIR_CAN_QUERY; can <<= 1)
			probe_set(p, can, code);
		return;
	}
	probe_set(p, WEIR_CAN_BUNDLE,
		  r.features & WEIR_IORING_FEAT_RECVSEND_BUNDLE ? 0 : -EOPNOTSUPP);
	probe_set(p, WEIR_CAN_MIN_WAIT,
		  r.features & WEIR_IORING_FEAT_MIN_TIMEOUT ? 0 : -EOPNOTSUPP);
	probe_opcodes(p, &r);
	probe_buffers(p, &r);
	weir_ring_close(&r);
	ring = probe_ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	probe_set(p, WEIR_CAN_DEFER_TASKRUN, ring);
	if (ring >= 0)
		close(ring);
	probe_zcrx(p);
}
