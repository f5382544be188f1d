// SPDX-License-Identifier: MIT
/*
 * uring_probe.c - what this kernel's io_uring can do, found by asking and by trying.
 *
 * Theory: opcodes are asked for by IORING_REGISTER_PROBE, bundles and min-wait by feature bits,
 *	incremental buffer rings by registering one, and the heart of the plane, a multishot
 *	receive into a provided buffer, by doing it: one byte through a socket pair.  What is
 *	missing is left out (plane->without); what cannot be left out refuses the plane.
 *	Registered files are used only where the kernel lets go of one as soon as it is taken out
 *	of the table.  Older ones keep it until every request that was in flight on any registered
 *	file has ended: a closed socket's peer would not see the end while another receives.
 * Invariants: 1. the trial leaves nothing behind: group and sockets are gone.
 * Ownership: all local.
 * Threads: the engine's.
 * Errors: -ENOSYS names the opcode that is missing.
 * Sources: io_uring_register(2) IORING_REGISTER_PROBE, IORING_REGISTER_PBUF_RING;
 *	io_uring/rsrc.c, one node for all files of the table before Linux 6.13 (seen on 6.1).
 * Tests: tests/contract/ with each WEIR_WITHOUT
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "uring.h"

#define TRIAL_GROUP 7

static int need_opcodes(struct uring_plane *p, struct weir_error *reterr)
{
	static const struct {
		int op;
		const char *name;
	} need[] = {
		{ IORING_OP_ACCEPT, "ACCEPT" },	    { IORING_OP_CONNECT, "CONNECT" },
		{ IORING_OP_RECV, "RECV" },	    { IORING_OP_SEND, "SEND" },
		{ IORING_OP_SENDMSG, "SENDMSG" },   { IORING_OP_RECVMSG, "RECVMSG" },
		{ IORING_OP_POLL_ADD, "POLL_ADD" }, { IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL" },
		{ IORING_OP_TIMEOUT, "TIMEOUT" },
	};
	struct io_uring_probe *probe = io_uring_get_probe_ring(&p->ring.u);

	if (!probe)
		return weir_error_set(reterr, -ENOSYS, "io_uring", "REGISTER_PROBE",
				      "the kernel's io_uring is too old");
	for (unsigned i = 0; i < weir_array_len(need); i++) {
		if (io_uring_opcode_supported(probe, need[i].op))
			continue;
		io_uring_free_probe(probe);
		return weir_error_set(reterr, -ENOSYS, "io_uring", need[i].name,
				      "the kernel's io_uring lacks this operation");
	}
	io_uring_free_probe(probe);
	return 0;
}

static int trial(struct uring_plane *p, bool incremental)
{
	struct weir_bufring b;
	int answer, r = weir_bufring_open(&b, &p->ring, TRIAL_GROUP, 2, incremental);

	if (r)
		return r;
	r = weir_bufring_try(&b, &p->ring, ud(NULL, UD_MISC), &answer);
	weir_bufring_close(&b, &p->ring);
	return r ? r : answer ? -ENOTSUP : 0;
}

static void probe_receive(struct uring_plane *p)
{
	int r = -ENOTSUP;

	if (!(p->without & (WEIR_WITHOUT_INCREMENTAL | WEIR_WITHOUT_BUFFER_RING)))
		r = trial(p, true);
	if (r)
		p->without |= WEIR_WITHOUT_INCREMENTAL;
	if (r && !(p->without & WEIR_WITHOUT_BUFFER_RING)) {
		r = trial(p, false);
		if (r == -ENOTSUP)
			p->without |= WEIR_WITHOUT_MULTISHOT_RECV;
		else if (r)
			p->without |= WEIR_WITHOUT_BUFFER_RING;
	}
	if (p->without & WEIR_WITHOUT_BUFFER_RING)
		p->without |= WEIR_WITHOUT_MULTISHOT_RECV | WEIR_WITHOUT_INCREMENTAL |
			      WEIR_WITHOUT_BUNDLE;
}

/* A request that stays in flight on a registered file, @fixed; -errno if it cannot be begun. */
static int begin_poll(struct uring_plane *p, int fixed)
{
	struct io_uring_sqe *sqe = weir_ring_sqe(&p->ring);

	if (!sqe)
		return -EBUSY;
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = fixed;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->poll32_events = POLLIN;
	sqe->user_data = ud(NULL, UD_MISC);
	return weir_ring_enter(&p->ring, 0, 0, 0);
}

/* Takes @end, in slot 0, out of the table and closes it while slot 1 is in use: gone at once? */
static bool let_go(struct uring_plane *p, int *end, int peer)
{
	struct pollfd gone = { .fd = peer, .events = POLLIN };
	int none = -1;

	if (io_uring_register_files_update(&p->ring.u, 0, &none, 1) != 1)
		return false;
	close(*end);
	*end = -1;
	return poll(&gone, 1, 0) == 1;
}

bool uring_probe_files(struct uring_plane *p)
{
	int pair[2] = { -1, -1 }, none[2] = { -1, -1 }, held = eventfd(0, EFD_CLOEXEC), slots[2];
	struct weir_cqe cqe;
	uint64_t one = 1;
	bool good = false;

	if (held < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		close(held);
		return false;
	}
	slots[0] = pair[0];
	slots[1] = held;
	if (io_uring_register_files_update(&p->ring.u, 0, slots, 2) == 2 && !begin_poll(p, 1)) {
		good = let_go(p, &pair[0], pair[1]);
		good &= write(held, &one, sizeof(one)) == sizeof(one) &&
			!weir_ring_await_one(&p->ring, &cqe);
	}
	(void)io_uring_register_files_update(&p->ring.u, 0, none, 2);
	if (pair[0] >= 0)
		close(pair[0]);
	close(pair[1]);
	close(held);
	return good;
}

static int probe_napi(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	uint32_t us = weir_core_of(e)->opts.busy_poll_us;
	struct weir_io_uring_napi arg = { .busy_poll_to = us, .prefer_busy_poll = 1 };

	if (!us || (p->without & WEIR_WITHOUT_NAPI))
		return -ENOTSUP;
	/* From now on sockets with a NAPI id are polled while we wait; others are not touched. */
	return syscall(__NR_io_uring_register, p->ring.u.ring_fd, WEIR_IORING_REGISTER_NAPI, &arg,
		       1) < 0 ?
		       -errno :
		       0;
}

int uring_probe(struct weir_engine *e, struct weir_error *reterr)
{
	struct uring_plane *p = uring_of(e);
	int r = need_opcodes(p, reterr);

	if (r)
		return r;
	probe_receive(p);
	/*
	 * Incremental buffers make bundles needless: one completion covers a large buffer anyway.
	 * Bundles are for the kernels (6.10, 6.11) that have only them.
	 */
	if (!(p->ring.features & WEIR_IORING_FEAT_RECVSEND_BUNDLE) ||
	    !(p->without & WEIR_WITHOUT_INCREMENTAL))
		p->without |= WEIR_WITHOUT_BUNDLE;
	if (!(p->ring.features & WEIR_IORING_FEAT_MIN_TIMEOUT))
		p->without |= WEIR_WITHOUT_MIN_WAIT;
	if (probe_napi(e))
		p->without |= WEIR_WITHOUT_NAPI;
	return 0;
}
