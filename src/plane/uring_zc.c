// SPDX-License-Identifier: MIT
/*
 * uring_zc.c - sends of the uring plane that copy nothing.
 *
 * Theory: SEND_ZC and SENDMSG_ZC have two completions: one says how much was taken, and whether
 *	another one follows (F_MORE); that one (F_NOTIF) says that the memory is free, and with
 *	REPORT_USAGE whether the kernel had copied it after all.  Both name the record of the
 *	request (struct weir_zc), told from other sends by a bit of user_data.  One piece without
 *	control data goes by SEND_ZC, which costs less.  Memory that was registered (areas given
 *	to weir_engine_send_area()) is found by its address and named by the number of its buffer,
 *	so that the kernel need not pin pages.
 *	Such a request is never linked: one that is cancelled because a link before it failed has
 *	a completion without F_MORE and a notification all the same.
 * Invariants: 1. plane_refs counts the completion and the notification of each.  2. ranges of
 *	registered memory do not overlap and never move while the ring is open.
 * Ownership: records are the core's; areas are referenced until the ring is closed.
 * Threads: the engine's.
 * Errors: found by asking, once, on a UNIX socket, which refuses each form with EOPNOTSUPP where
 *	the kernel knows it, with EINVAL where it does not.
 * Sources: io_uring/net.c io_send_zc_prep(), io_sendmsg_zc(), io_sendrecv_fail(); io_uring/notif.c
 *	io_notif_tw_complete(); io_uring/rsrc.c io_sqe_buffer_register(), io_uring/timeout.c
 *	io_req_tw_fail_links() (Linux 6.1, 6.18, 7.3); REPORT_USAGE since Linux 6.2 (and in
 *	6.1.192), registered buffers of SENDMSG_ZC since 6.15.
 * Tests: tests/contract/test_zc.c, tests/netns/zc_ifb.sh
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "uring.h"

#define SLOTS 64u		/* registered buffers */
#define SLOT_BYTES (1ull << 30) /* the most that one may have */

/**
 * struct uring_sends - what sends without a copy need.
 * @report: the kernel says whether it copied.
 * @fixed: registered buffers go.
 * @fixed_msg: the same for vectors.
 * @table: the table of registered buffers was made.
 * @count: registered buffers.
 * @last: the one that was found last.
 * @begin: first byte of each.
 * @end: behind its last byte.
 * @area_count: areas that they are of.
 * @areas: these.
 */
struct uring_sends {
	bool report;
	bool fixed;
	bool fixed_msg;
	bool table;
	unsigned count;
	unsigned last;
	uintptr_t begin[SLOTS], end[SLOTS];
	unsigned area_count;
	struct weir_area *areas[SLOTS];
};

/* The kernel's answer to a request on a socket that can do none; -EIO where there is none. */
static int ask(struct uring_plane *p, int fd, bool msg, unsigned ioprio)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t) "", .iov_len = 1 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct io_uring_sqe *sqe = weir_ring_sqe(&p->ring);
	struct weir_cqe c = { 0 };
	int res;

	if (!sqe)
		return -EIO;
	sqe->opcode = msg ? WEIR_IORING_OP_SENDMSG_ZC : IORING_OP_SEND_ZC;
	sqe->fd = fd;
	sqe->addr = msg ? (uint64_t)(uintptr_t)&hdr : (uint64_t)(uintptr_t)iov.iov_base;
	sqe->len = 1;
	sqe->ioprio = (uint16_t)ioprio;
	sqe->user_data = ud(NULL, UD_MISC);
	if (weir_ring_enter(&p->ring, 0, 0, 0) < 0 || weir_ring_await_one(&p->ring, &c))
		return -EIO;
	res = c.cqe.res;
	if ((c.cqe.flags & IORING_CQE_F_MORE) && weir_ring_await_one(&p->ring, &c))
		return -EIO;
	return res;
}

/* The form is known where the socket, or the buffer, is what is wrong. */
static bool is_known(int answer)
{
	return answer == -EOPNOTSUPP || answer == -EFAULT;
}

/* The table of registered buffers, all empty. */
static int slots_make(struct uring_plane *p, struct uring_sends *z)
{
	if (!z->table) {
		int r = io_uring_register_buffers_sparse(&p->ring.u, SLOTS);

		if (r)
			return r;
		z->table = true;
	}
	return 0;
}

static void ask_all(struct uring_plane *p, struct uring_sends *z, int fd)
{
	unsigned report = WEIR_IORING_SEND_ZC_REPORT_USAGE;

	z->report = ask(p, fd, false, report) == -EOPNOTSUPP;
	if (p->without & WEIR_WITHOUT_FIXED_BUFFERS)
		return;
	/* Without it kernels before 6.15 find fault with the buffer before they refuse the form. */
	if (slots_make(p, z))
		return;
	z->fixed = is_known(ask(p, fd, false, IORING_RECVSEND_FIXED_BUF));
	z->fixed_msg = is_known(ask(p, fd, true, IORING_RECVSEND_FIXED_BUF));
}

int uring_zc_open(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct io_uring_probe *probe;
	struct uring_sends *z;
	bool known;
	int pair[2];

	if (p->without & WEIR_WITHOUT_ZC)
		return 0;
	probe = io_uring_get_probe_ring(&p->ring.u);
	if (!probe)
		return -ENOMEM;
	known = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) &&
		io_uring_opcode_supported(probe, WEIR_IORING_OP_SENDMSG_ZC);
	io_uring_free_probe(probe);
	if (!known || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	z = calloc(1, sizeof(*z));
	if (z && ask(p, pair[0], false, 0) == -EOPNOTSUPP &&
	    ask(p, pair[0], true, 0) == -EOPNOTSUPP) {
		ask_all(p, z, pair[0]);
		weir_core_of(e)->zc_reports = z->report;
		p->sends = z;
	} else {
		free(z);
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}

void uring_zc_close(struct uring_plane *p)
{
	if (!p->sends)
		return;
	for (unsigned i = 0; i < p->sends->area_count; i++)
		weir_area_close(p->sends->areas[i]);
	free(p->sends);
	p->sends = NULL;
}

bool uring_zc_can(const struct weir_engine *e)
{
	return uring_of((struct weir_engine *)(uintptr_t)e)->sends;
}

static bool holds(const struct uring_sends *z, unsigned i, const struct iovec *v)
{
	uintptr_t at = (uintptr_t)v->iov_base;

	return at >= z->begin[i] && at < z->end[i] && v->iov_len <= z->end[i] - at;
}

/* The registered buffer that all pieces lie in; -1 for none. */
static int buffer_of(struct uring_sends *z, const struct msghdr *msg)
{
	if (!z->count)
		return -1;
	if (!holds(z, z->last, &msg->msg_iov[0])) {
		unsigned i = 0;

		while (i < z->count && !holds(z, i, &msg->msg_iov[0]))
			i++;
		if (i == z->count)
			return -1;
		z->last = i;
	}
	for (size_t i = 1; i < msg->msg_iovlen; i++)
		if (!holds(z, z->last, &msg->msg_iov[i]))
			return -1;
	return (int)z->last;
}

void uring_zc_fill(struct weir_txop *op, struct io_uring_sqe *sqe)
{
	struct uring_sends *z = uring_of(op->sock->engine)->sends;
	bool msg = op->msg.msg_iovlen > 1 || op->msg.msg_control;
	int buffer = -1;

	if (msg ? z->fixed_msg : z->fixed)
		buffer = buffer_of(z, &op->msg);
	if (msg) {
		sqe->opcode = WEIR_IORING_OP_SENDMSG_ZC;
		sqe->addr = (uint64_t)(uintptr_t)&op->msg;
		sqe->len = 1;
	} else {
		sqe->opcode = IORING_OP_SEND_ZC;
		sqe->addr = (uint64_t)(uintptr_t)op->iov[0].iov_base;
		sqe->len = (uint32_t)op->iov[0].iov_len;
		sqe->addr2 = (uint64_t)(uintptr_t)op->msg.msg_name;
		sqe->addr_len = (uint16_t)op->msg.msg_namelen;
	}
	sqe->ioprio = z->report ? WEIR_IORING_SEND_ZC_REPORT_USAGE : 0;
	if (buffer >= 0) {
		sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
		sqe->buf_index = (uint16_t)buffer;
	}
	sqe->user_data = uring_zc_ud(op->zc);
}

void uring_zc_cqe(struct weir_zc *zc, const struct io_uring_cqe *cqe)
{
	const struct weir_plane_up *up;
	struct weir_sock *s;

	/* A notification too many would be the kernel's mistake: not to be followed. */
	if (!zc->live)
		return;
	s = zc->sock;
	up = weir_core_of(s->engine)->up;
	if (cqe->flags & IORING_CQE_F_NOTIF) {
		s->plane_refs--;
		s->plane_notes--;
		up->released(zc, (uint32_t)cqe->res & WEIR_IORING_NOTIF_USAGE_ZC_COPIED);
	} else {
		bool more = cqe->flags & IORING_CQE_F_MORE;

		s->plane_refs -= more ? 1 : 2;
		s->plane_notes += more;
		uring_tx_cqe(zc->op, cqe->res);
		if (!more)
			up->released(zc, true);
	}
	if (!s->plane_refs && (s->plane_bits & UR_DETACH))
		uring_pend(s, 0);
}

static int slots_fill(struct uring_plane *p, const struct weir_area_info *info)
{
	struct uring_sends *z = p->sends;
	unsigned n = 0;

	for (size_t at = 0; at < info->bytes; at += SLOT_BYTES) {
		size_t left = info->bytes - at;
		struct iovec iov = { .iov_base = (char *)info->base + at,
				     .iov_len = left < SLOT_BYTES ? left : SLOT_BYTES };
		__u64 tag = 0;
		int r = z->count + n < SLOTS ? io_uring_register_buffers_update_tag(
						       &p->ring.u, z->count + n, &iov, &tag, 1) :
					       -ENOSPC;

		/* Those before it stay registered: found by nobody, replaced by the next area. */
		if (r != 1)
			return r < 0 ? r : -EIO;
		z->begin[z->count + n] = (uintptr_t)iov.iov_base;
		z->end[z->count + n] = (uintptr_t)iov.iov_base + iov.iov_len;
		n++;
	}
	z->count += n;
	return 0;
}

static const char *hint_of(int r)
{
	switch (r) {
	case -ENOMEM:
		return "over the limit of locked memory: raise RLIMIT_MEMLOCK, or CAP_IPC_LOCK";
	case -ENOSPC:
		return "64 registered buffers of up to 1 GiB are what an engine takes";
	case -EFAULT:
	case -EOPNOTSUPP:
		return "memory without pages of the kernel's cannot be registered";
	default:
		return "sends from this area work without registration";
	}
}

int uring_zc_area(struct weir_engine *e, struct weir_area *area, struct weir_error *reterr)
{
	struct uring_plane *p = uring_of(e);
	struct uring_sends *z = p->sends;
	const char *stage = "weir_engine_send_area";
	struct weir_area_info info;
	int r;

	if (!z->fixed)
		return weir_error_set(reterr, -ENOTSUP, stage, "FIXED_BUF",
				      "this kernel has no registered buffers for zero copy");
	for (unsigned i = 0; i < z->area_count; i++)
		if (z->areas[i] == area)
			return 0;
	weir_area_describe(area, &info);
	r = info.base ? slots_make(p, z) : -EFAULT;
	if (!r)
		r = slots_fill(p, &info);
	if (r)
		return weir_error_set(reterr, r, stage, "io_uring buffers", "%s", hint_of(r));
	z->areas[z->area_count++] = weir_area_ref(area);
	return 0;
}
