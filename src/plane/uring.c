// SPDX-License-Identifier: MIT
/*
 * uring.c - the uring plane: one io_uring does everything; opening, waiting, completions.
 *
 * Theory: requests are queued as submission entries and given to the kernel by the system call
 *	that waits: one call per round.  Receives and accepts are armed once (multishot) and take
 *	their memory from rings of provided buffers that are refilled before each entry, from the
 *	buffers that came back.  With DEFER_TASKRUN completions are made only while we are in the
 *	kernel, so a round sees all of them and no other moment is disturbed.
 *
 *	   refill -> enter(submit, wait) -> completions -> reports -> (core, application) -> ...
 *
 *	user_data is a pointer with the kind of request in its low three bits.
 * Invariants: 1. plane_refs counts the completions that will still name the socket; it is freed
 *	only at 0.  2. a completion is handled only when the core has room for what it may report.
 * Ownership: the plane closes a socket's descriptor after its last completion.
 * Threads: the engine's (SINGLE_ISSUER).
 * Errors: a full submission queue is flushed; EBUSY (completion queue overflown) is drained.
 * Sources: io_uring_enter(2), io_uring_setup(2); io_uring/io_uring.c, net.c, kbuf.c (Linux 6.18).
 * Tests: tests/contract/ with WEIR_PLANE=uring and each WEIR_WITHOUT
 */
#include "zcrx.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../util/util.h"

/* Make room by giving the kernel what is queued; it always takes some. */
struct io_uring_sqe *uring_sqe(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct io_uring_sqe *sqe = weir_ring_sqe(&p->ring);

	for (int i = 0; !sqe && i < 4; i++) {
		(void)weir_ring_enter(&p->ring, 0, 0, 0);
		weir_core_of(e)->stats.syscalls++;
		sqe = weir_ring_sqe(&p->ring);
	}
	return sqe;
}

void uring_pend(struct weir_sock *s, uint32_t bits)
{
	struct uring_plane *p = uring_of(s->engine);

	s->plane_bits |= bits;
	if (s->plane_bits & UR_PENDING)
		return;
	s->plane_bits |= UR_PENDING;
	s->plane_next = NULL;
	*p->pending_tail = s;
	p->pending_tail = &s->plane_next;
}

void uring_target(const struct weir_sock *s, struct io_uring_sqe *sqe)
{
	sqe->fd = s->plane_slot >= 0 ? s->plane_slot : s->fd;
	if (s->plane_slot >= 0)
		sqe->flags |= IOSQE_FIXED_FILE;
}

void uring_cancel(struct weir_sock *s, uint64_t user_data)
{
	struct io_uring_sqe *sqe = uring_sqe(s->engine);

	if (!sqe)
		return;
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = user_data;
	sqe->user_data = ud(s, UD_CANCEL);
	s->plane_refs++;
}

/*
 * A cancel finds only what waits at that moment.  A request whose task work was due has gone on,
 * and so has the chain behind it, which may wait now: again, for all that the socket has.
 */
static void sweep(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;

	s->plane_bits &= ~UR_SWEEP;
	/* No cancel ends a notification.  An entry that is taken must be filled: look first. */
	if (s->plane_refs == s->plane_notes || !(sqe = uring_sqe(s->engine)))
		return;
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = s->plane_slot >= 0 ? s->plane_slot : s->fd;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	if (s->plane_slot >= 0)
		sqe->cancel_flags |= IORING_ASYNC_CANCEL_FD_FIXED;
	sqe->user_data = ud(s, UD_CANCEL);
	s->plane_refs++;
}

static int files_open(struct uring_plane *p)
{
	struct rlimit lim = { 0, 0 };
	uint32_t n = FILES_MAX;

	if (p->without & WEIR_WITHOUT_FIXED_FILES)
		return -ENOTSUP;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_cur < n)
		n = (uint32_t)lim.rlim_cur;
	if (!n || io_uring_register_files_sparse(&p->ring.u, n))
		return -ENOTSUP;
	p->slots = n >= 2 && uring_probe_files(p) ? calloc(n, sizeof(*p->slots)) : NULL;
	if (!p->slots) {
		(void)io_uring_unregister_files(&p->ring.u);
		return -ENOTSUP;
	}
	for (uint32_t i = 0; i < n; i++)
		p->slots[i] = (uint16_t)(n - 1 - i);
	p->slot_count = n;
	return 0;
}

void uring_close(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);

	if (!p)
		return;
	uring_rx_close(e);
	weir_ring_close(&p->ring);
	zcrx_free(e, p->zc);
	uring_zc_close(p);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	free(p->slots);
	free(p);
	weir_core_of(e)->plane_data = NULL;
}

static void describe(struct weir_engine *e)
{
	struct weir_core *c = weir_core_of(e);
	struct uring_plane *p = uring_of(e);
	uint32_t w = p->without;

	snprintf(c->parts, sizeof(c->parts), "%s%s%s%s%s%s%s%s%s%s",
		 p->ring.setup & IORING_SETUP_DEFER_TASKRUN ? "DEFER_TASKRUN" : "no DEFER_TASKRUN",
		 w & WEIR_WITHOUT_BUFFER_RING	 ? ", poll and read" :
		 w & WEIR_WITHOUT_MULTISHOT_RECV ? ", single receives" :
						   ", multishot receive",
		 w & WEIR_WITHOUT_INCREMENTAL ? "" : ", incremental buffers",
		 w & WEIR_WITHOUT_BUNDLE ? "" : ", bundles",
		 w & WEIR_WITHOUT_MULTISHOT_ACCEPT ? "" : ", multishot accept",
		 w & WEIR_WITHOUT_MIN_WAIT ? "" : ", min-wait",
		 w & WEIR_WITHOUT_FIXED_FILES ? "" : ", registered files",
		 p->ring.fd_registered ? ", registered ring" : "",
		 w & WEIR_WITHOUT_NAPI ? "" : ", NAPI busy poll", p->sends ? ", SEND_ZC" : "");
}

static int open_ring(struct weir_engine *e, struct uring_plane *p, bool large,
		     struct weir_error *reterr)
{
	const struct weir_engine_opts *o = &weir_core_of(e)->opts;
	bool fd = !(p->without & WEIR_WITHOUT_RING_FD);
	unsigned cq_entries = o->cq_entries ? o->cq_entries : 4 * o->sq_entries;

	/* A completion per packet: the queue must hold what one sleep brings. */
	if (large)
		return weir_ring_open_large(&p->ring, o->sq_entries,
					    o->cq_entries ? o->cq_entries : ZCRX_CQ_ENTRIES,
					    !(p->without & WEIR_WITHOUT_MIXED), fd, reterr);
	return weir_ring_open(&p->ring, o->sq_entries, cq_entries,
			      !(p->without & WEIR_WITHOUT_DEFER_TASKRUN), fd, reterr);
}

int uring_open(struct weir_engine *e, bool large, struct weir_error *reterr)
{
	struct weir_core *c = weir_core_of(e);
	struct uring_plane *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return weir_error_set(reterr, -ENOMEM, "uring plane", NULL, NULL);
	p->without = c->without;
	p->signal_fd = -1;
	p->pending_tail = &p->pending;
	weir_direct_init(&p->direct, 128u << 10);
	p->direct.tells_fault = large;
	p->dgram_hdr.msg_namelen = WEIR_DGRAM_NAME_BYTES;
	p->dgram_hdr.msg_controllen = WEIR_DGRAM_CONTROL_BYTES;
	r = open_ring(e, p, large, reterr);
	if (r) {
		free(p);
		return r;
	}
	c->plane_data = p;
	c->lowat_max = LOWAT_BYTES;
	r = uring_probe(e, reterr);
	if (r) {
		uring_close(e);
		return r;
	}
	if (files_open(p))
		p->without |= WEIR_WITHOUT_FIXED_FILES;
	r = uring_zc_open(e);
	if (r) {
		uring_close(e);
		return weir_error_set(reterr, r, "uring plane", NULL, NULL);
	}
	describe(e);
	return 0;
}

static int plane_open(struct weir_engine *e, struct weir_error *reterr)
{
	return uring_open(e, false, reterr);
}

static void wake_arm(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct io_uring_sqe *sqe;

	if (p->wake_armed || !(sqe = uring_sqe(e)))
		return;
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = weir_core_of(e)->wake_fd;
	sqe->len = IORING_POLL_ADD_MULTI;
	sqe->poll32_events = POLLIN;
	sqe->user_data = ud(NULL, UD_MISC);
	p->wake_armed = true;
}

static void slot_take(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);

	if (!p->slot_count)
		return;
	s->plane_slot = p->slots[p->slot_count - 1];
	weir_core_of(s->engine)->stats.syscalls++;
	if (io_uring_register_files_update(&p->ring.u, (unsigned)s->plane_slot, &s->fd, 1) != 1)
		s->plane_slot = -1;
	else
		p->slot_count--;
}

void uring_slot_release(struct weir_sock *s)
{
	struct uring_plane *p = uring_of(s->engine);
	int none = -1;

	if (s->plane_slot < 0)
		return;
	weir_core_of(s->engine)->stats.syscalls++;
	(void)io_uring_register_files_update(&p->ring.u, (unsigned)s->plane_slot, &none, 1);
	p->slots[p->slot_count++] = (uint16_t)s->plane_slot;
	s->plane_slot = -1;
}

static int attach(struct weir_sock *s, struct weir_error *reterr)
{
	int flags = fcntl(s->fd, F_GETFL);
	int r = uring_rx_ready(s);

	/* Memory that cannot be had is an error of the one who opens, not of the first arrival. */
	if (r)
		return weir_error_set(reterr, r, "receive area", NULL,
				      "less memory: set area_bytes, or raise the limit");
	/* On a non-blocking descriptor io_uring answers EAGAIN where it should wait. */
	if (flags < 0 || ((flags & O_NONBLOCK) && fcntl(s->fd, F_SETFL, flags & ~O_NONBLOCK)))
		return weir_error_set(reterr, -errno, "fcntl", NULL, NULL);
	s->plane_slot = -1;
	slot_take(s);
	if (uring_of(s->engine)->zc && zcrx_takes(s))
		zcrx_attach(s);
	return 0;
}

static void detach(struct weir_sock *s)
{
	if (s->rx_armed && s->kind == WEIR_LISTENER)
		uring_cancel(s, ud(s, UD_ACCEPT));
	else if (s->rx_armed && !uring_hot_drop(s))
		uring_cancel(s, ud(s, s->plane_bits & UR_POLLIN ? UD_POLLIN : UD_RECV));
	if (s->connecting)
		uring_cancel(s, ud(s, UD_CONNECT));
	if (s->plane_bits & UR_POLLOUT)
		uring_cancel(s, ud(s, UD_POLLOUT));
	if (s->plane_bits & ZC_WATCH)
		uring_cancel(s, ud(s, UD_MISC));
	uring_tx_cancel(s);
	uring_pend(s, UR_DETACH);
}

static int start_connect(struct weir_sock *s, const struct weir_addr *to)
{
	struct io_uring_sqe *sqe = uring_sqe(s->engine);

	if (!sqe)
		return -EBUSY;
	sqe->opcode = IORING_OP_CONNECT;
	uring_target(s, sqe);
	sqe->addr = (uint64_t)(uintptr_t)&to->sa;
	sqe->off = to->len;
	sqe->user_data = ud(s, UD_CONNECT);
	s->plane_refs++;
	return 0;
}

static int plane_shutdown(struct weir_sock *s)
{
	weir_core_of(s->engine)->stats.syscalls++;
	return shutdown(s->fd, SHUT_WR) ? -errno : 0;
}

static bool try_detach(struct weir_sock *s)
{
	if (!(s->plane_bits & UR_DETACH) || s->plane_refs)
		return false;
	s->plane_bits &= ~UR_DETACH;
	if (s->plane_bits & ZC_COUNTED)
		zcrx_detach(s);
	uring_slot_release(s);
	close(s->fd);
	s->fd = -1;
	weir_core_of(s->engine)->up->detached(s);
	return true;
}

static void run_pending(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct weir_sock *s = p->pending, *next;

	p->pending = NULL;
	p->pending_tail = &p->pending;
	for (; s; s = next) {
		next = s->plane_next;
		s->plane_bits &= ~UR_PENDING;
		if (s->plane_bits & ZC_AGAIN) {
			/* It would fail at once: uring.c, in_order(). */
			if (weir_ring_overflown(&p->ring) && !s->closing) {
				uring_pend(s, 0);
				continue;
			}
			s->plane_bits &= ~ZC_AGAIN;
			zcrx_again(s);
		}
		if (s->plane_bits & UR_STOPPED) {
			s->plane_bits &= ~UR_STOPPED;
			weir_core_of(e)->up->recv_end(s, -ECANCELED);
		}
		if (s->plane_bits & UR_UNSENT)
			uring_tx_unsent(s);
		if (s->plane_bits & UR_SWEEP)
			sweep(s);
		(void)try_detach(s);
	}
}

static void sock_cqe(struct weir_sock *s, unsigned kind, const struct weir_cqe *c)
{
	const struct weir_plane_up *up = weir_core_of(s->engine)->up;
	const struct io_uring_cqe *cqe = &c->cqe;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		s->plane_refs--;
	switch (kind) {
	case UD_RECV:
		if (s->plane_bits & ZC_ARMED)
			zcrx_cqe(s, c);
		else
			uring_rx_cqe(s, cqe);
		break;
	case UD_ACCEPT:
		uring_rx_accept(s, cqe);
		break;
	case UD_CONNECT:
		up->connected(s, cqe->res);
		break;
	case UD_POLLOUT:
		s->plane_bits &= ~UR_POLLOUT;
		if (cqe->res != -ECANCELED)
			up->writable(s);
		break;
	case UD_POLLIN:
		uring_rx_pollin(s, cqe->res);
		break;
	case UD_CANCEL:
		/* The receive was on its way to be issued again and not to be found. */
		if (cqe->res == -ENOENT && !s->closing && (s->rx_stopping || zcrx_must_cancel(s)))
			uring_rx_stop(s);
		break;
	case UD_MISC:
		zcrx_watched(s, cqe->res);
		break;
	default:
		break;
	}
	if ((s->plane_bits & UR_DETACH) && (!s->plane_refs || kind == UD_CANCEL))
		uring_pend(s, s->plane_refs ? UR_SWEEP : 0);
}

/* Numbers are small, sockets are pointers. */
static void misc_cqe(struct weir_engine *e, const struct weir_cqe *c)
{
	uint64_t n = c->cqe.user_data >> 3;

	if (!n && !(c->cqe.flags & IORING_CQE_F_MORE))
		uring_of(e)->wake_armed = false;
	else if (n && n <= TIMERS_MAX)
		uring_of(e)->timers[n - 1] = 0;
	else if (n >= ZC_EVENT_FIRST && n <= ZC_EVENT_LAST)
		zcrx_event(e, (unsigned)n - ZC_EVENT_FIRST, c->cqe.res);
	else if (n > ZC_EVENT_LAST)
		sock_cqe((struct weir_sock *)(uintptr_t)(n << 3), UD_MISC, c);
}

static void handle(struct weir_engine *e, const struct weir_cqe *c)
{
	void *ptr = (void *)(uintptr_t)(c->cqe.user_data & ~UD_KIND);
	unsigned kind = c->cqe.user_data & UD_KIND;

	if (kind == UD_MISC) {
		misc_cqe(e, c);
	} else if (kind == UD_SEND && (c->cqe.user_data & UD_ZC)) {
		uring_zc_cqe((struct weir_zc *)((uintptr_t)ptr & ~(uintptr_t)UD_ZC), &c->cqe);
	} else if (kind == UD_SEND) {
		struct weir_sock *s = ((struct weir_txop *)ptr)->sock;

		s->plane_refs--;
		uring_tx_cqe(ptr, c->cqe.res);
		if (!s->plane_refs && (s->plane_bits & UR_DETACH))
			uring_pend(s, 0);
	} else {
		sock_cqe(ptr, kind, c);
	}
}

static void reap(struct weir_engine *e)
{
	struct weir_ring *ring = &uring_of(e)->ring;
	struct weir_cqe cqe;

	const struct zcrx *zc = uring_of(e)->zc;

	/* Copied and given back first: handling may enter the kernel again. */
	while (weir_core_room(e, BUNDLE_PIECES) && (!zc || zcrx_room(zc)) &&
	       weir_ring_take(ring, &cqe))
		handle(e, &cqe);
}

/*
 * See to it that a timer ends the sleep by @deadline_ns.  One that ends it earlier will do: the
 * core looks at its clock and waits again.  False where there is no place for another one.
 */
static bool timer_covers(struct weir_engine *e, uint64_t deadline_ns)
{
	struct uring_plane *p = uring_of(e);
	struct io_uring_sqe *sqe;
	unsigned place = TIMERS_MAX;

	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		if (!p->timers[i])
			place = i;
		else if (p->timers[i] <= deadline_ns)
			return true;
	}
	if (place == TIMERS_MAX || !(sqe = uring_sqe(e)))
		return false;
	p->timers[place] = deadline_ns;
	p->timer_ts[place].tv_sec = (int64_t)(deadline_ns / 1000000000);
	p->timer_ts[place].tv_nsec = (long long)(deadline_ns % 1000000000);
	sqe->opcode = IORING_OP_TIMEOUT;
	sqe->fd = -1;
	sqe->addr = (uint64_t)(uintptr_t)&p->timer_ts[place];
	sqe->len = 1;
	sqe->timeout_flags = IORING_TIMEOUT_ABS;
	sqe->user_data = (uint64_t)(place + 1) << 3 | UD_MISC;
	return true;
}

static int enter(struct weir_engine *e, struct weir_wait *w)
{
	struct uring_plane *p = uring_of(e);
	struct weir_core *c = weir_core_of(e);
	uint64_t min_wait_us = 0;
	unsigned want = 0;
	int64_t timeout = 0;

	if (w && w->timeout_ns && !weir_ring_ready(&p->ring)) {
		timeout = w->timeout_ns;
		if (timeout > 0 && timer_covers(e, w->deadline_ns))
			timeout = -1;
		c->stats.sleeps++;
		if (p->without & WEIR_WITHOUT_MIN_WAIT)
			w->min_wait_ns = 0;
		min_wait_us = w->min_wait_ns / WEIR_NS_PER_US;
		want = min_wait_us ? w->want : 1;
	} else if (w) {
		w->min_wait_ns = 0;
	}
	c->stats.waits++;
	c->stats.syscalls++;
	return weir_ring_enter(&p->ring, want, (uint32_t)min_wait_us, timeout);
}

/*
 * A request for zero-copy receive fails at once while completions wait outside of a full queue, and
 * adds one of its own: begun again and again, such requests would keep the queue full for ever.  So
 * nothing is submitted before the queue is in order.  False: it is not, the core has no room.
 */
static bool in_order(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);

	while (p->zc && weir_ring_overflown(&p->ring)) {
		reap(e);
		if (weir_ring_ready(&p->ring))
			return false;
		weir_core_of(e)->stats.syscalls++;
		if (weir_ring_unfold(&p->ring))
			break;
	}
	return true;
}

static int round_trip(struct weir_engine *e, struct weir_wait *w)
{
	struct uring_plane *p = uring_of(e);
	uint64_t before = weir_core_reports(e);
	bool ordered;
	int r = 0;

	uring_signal_clear(e);
	wake_arm(e);
	run_pending(e);
	uring_hot_read(e);
	if (weir_core_reports(e) != before)
		w = NULL;
	if (w)
		uring_hot_sleep(e);
	uring_rx_refill(e);
	ordered = in_order(e);
	if (p->zc)
		run_pending(e);
	if (ordered && (w || weir_ring_queued(&p->ring) || weir_ring_work_pending(&p->ring))) {
		/* What came meanwhile is to be seen first. */
		r = enter(e, weir_core_reports(e) == before ? w : NULL);
		weir_core_of(e)->now_ns = weir_clock_ns();
	}
	reap(e);
	run_pending(e);
	r = uring_unless_usual(r);
	return r < 0 ? r : (int)(weir_core_reports(e) - before);
}

static int plane_poll(struct weir_engine *e)
{
	return round_trip(e, NULL);
}

static int plane_wait(struct weir_engine *e, struct weir_wait *w)
{
	return round_trip(e, w);
}

static int plane_flush(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	int r = 0;

	wake_arm(e);
	uring_rx_refill(e);
	if (weir_ring_queued(&p->ring)) {
		weir_core_of(e)->stats.syscalls++;
		r = uring_unless_usual(weir_ring_enter(&p->ring, 0, 0, 0));
	}
	if (!r && !p->pending)
		r = uring_signal_settle(e);
	return r < 0 ? r : p->pending || weir_ring_ready(&p->ring) || weir_ring_overflown(&p->ring);
}

/* What both planes do alike. */
#define COMMON_OPS                                                                           \
	.close = uring_close, .fd = uring_signal_fd, .poll = plane_poll, .wait = plane_wait, \
	.flush = plane_flush, .attach = attach, .detach = detach, .connect = start_connect,  \
	.recv_start = uring_rx_start, .recv_stop = uring_rx_stop, .send = uring_tx_send,     \
	.send_now = uring_hot_send, .shutdown = plane_shutdown, .send_area = uring_zc_area,  \
	.zerocopy = uring_zc_can

const struct weir_plane_ops weir_plane_uring = {
	.name = "uring",
	.id = WEIR_PLANE_URING,
	.open = plane_open,
	COMMON_OPS,
};

const struct weir_plane_ops weir_plane_zcrx = {
	.name = "zcrx",
	.id = WEIR_PLANE_ZCRX,
	.open = zcrx_open,
	COMMON_OPS,
	.can_recv = zcrx_can_recv,
	.ifq = zcrx_ifq,
	.why = zcrx_why,
	.add_area = zcrx_add_area,
};
