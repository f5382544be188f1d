// SPDX-License-Identifier: MIT
/*
 * probe_try.c - bind one queue of a NIC for zero-copy receive, for a moment.
 *
 * Theory: the kernel does not say whether a driver has queue operations, whether it takes memory of
 *	others, or whether header/data split was switched on by a person or only happens to be on:
 *	it is known when it was tried.  The area is as large as the NIC's ring may want it, so that
 *	a driver that fills its ring at once does not fail for want of buffers.
 * Invariants: 1. when the call returns, the queue is unbound: closing the last descriptor of a ring
 *	unbinds before close(2) returns.
 * Ownership: all local.
 * Threads: any.
 * Errors: the kernel's, each with what it means here.
 * Sources: io_uring/zcrx.c zcrx_register_netdev(), net/core/netdev_rx_queue.c
 *	__netif_mp_open_rxq(), net/core/page_pool.c page_pool_init(), Linux 7.3; the same in 6.18 as
 *	net_mp_open_rxq().
 * Tests: tests/vm/t/doctor.sh
 */
#include <errno.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../util/util.h"
#include "ifq.h"
#include "probe.h"

/* Rings of 8,192 pages, as drivers have them at most by default. */
#define AREA_BYTES (32u << 20)
#define AREA_SMALL_BYTES (1u << 20)

static int bind_once(unsigned ifindex, unsigned queue, size_t area_bytes)
{
	size_t bytes;
	void *mem;
	int ring = probe_zcrx_ring(), r;

	if (ring < 0)
		return ring;
	r = probe_zcrx_bind(ring, ifindex, queue, 0, area_bytes, &mem, &bytes);
	close(ring);
	if (!r)
		munmap(mem, bytes);
	return r;
}

int weir_probe_try_zcrx(unsigned ifindex, unsigned queue, struct weir_error *reterr)
{
	struct weir_probe p;
	char name[IF_NAMESIZE] = "", object[48];
	int r = weir_probe_read(&p, sizeof(p));

	if (r)
		return weir_error_set(reterr, r, "zcrx trial", NULL, NULL);
	if (!if_indextoname(ifindex, name))
		r = -ENODEV;
	else if (!(p.can & WEIR_CAN_ZCRX))
		r = p.code[__builtin_ctzll(WEIR_CAN_ZCRX)];
	snprintf(object, sizeof(object), "%s rxq %u", name[0] ? name : "?", queue);
	/* Before a NIC is named, EINVAL means that the kernel does not know the operation. */
	if (r == -EINVAL || r == -EOPNOTSUPP)
		r = -ENOSYS;
	if (!r) {
		r = bind_once(ifindex, queue, AREA_BYTES);
		if (r == -ENOMEM)
			r = bind_once(ifindex, queue, AREA_SMALL_BYTES);
	}
	if (r)
		return weir_error_set(reterr, r, "zcrx trial", object, "%s", weir_ifq_meaning(r));
	return 0;
}
