// SPDX-License-Identifier: MIT
/*
 * fault.c - the fault plane: wraps another plane and makes it behave as badly as it may.
 *
 * Theory:
 *	core ── ops ──> fault ── ops ──> wrapped plane
 *	core <── up ─── fault <── up ─── wrapped plane
 *	What the core asks for goes through, except what a fault stops.  What the wrapped plane
 *	reports goes into a queue (fault_queue.c) and is passed on at the end of each round, split,
 *	late, or out of turn.  Receives are ended for no reason by stopping them in the wrapped
 *	plane and giving its -ECANCELED another name.  All of it is legal behaviour of a plane: a
 *	core or a program that fails under faults fails in the field.
 *	"Late" counts rounds, not time: whenever nothing else happens, late reports are passed on,
 *	so that no program becomes slower than its deadlines, and a run repeats.
 * Invariants: 1. nothing sleeps while a report is queued or buffers are taken away.  2. what the
 *	wrapped plane was told about a receive is known in weir_fault_sock: it is stopped once.
 * Ownership: weir_core.fault_data is made by weir_fault_wrap() and freed by close(), or by an
 *	open() that fails; weir_sock.fault_data from attach() to detached().
 * Threads: the engine's.
 * Errors: those of the wrapped plane, and the injected ones.
 * Sources: core/plane.h; nbdkit's filters for the idea of faults as a feature.
 * Tests: tests/contract/ with WEIR_FAULT, tests/unit/test_fault.c
 */
#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../util/util.h"

#define QUEUE_MAX 256 /* reports kept before the wrapped plane is left alone for a round */
#define LATE_ROUNDS_MAX 16

static struct weir_fault *fault_of(struct weir_engine *e)
{
	return weir_core_of(e)->fault_data;
}

uint64_t weir_fault_random(struct weir_fault *f, uint64_t below)
{
	uint64_t z = (f->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return below ? z % below : 0;
}

bool weir_fault_hit(struct weir_fault *f, enum weir_fault_kind kind)
{
	return f->spec.percent[kind] && weir_fault_random(f, 100) < f->spec.percent[kind];
}

/* ---- buffers exhausted ---- */

static void give_back_buffers(struct weir_fault *f)
{
	while (f->taken_count)
		weir_pool_kernel_done(f->taken_pool, f->taken[--f->taken_count]);
	free(f->taken);
	f->taken = NULL;
}

static void take_buffers(struct weir_engine *e, struct weir_fault *f, const struct weir_sock *s)
{
	struct weir_core *c = weir_core_of(e);
	struct weir_pool *pool = s->kind == WEIR_DGRAM ? c->dgram_pool : c->stream_pool;
	int index;

	if (f->taken || !pool || !pool->free_count)
		return;
	f->taken = calloc(pool->free_count, sizeof(*f->taken));
	if (!f->taken)
		return;
	f->taken_pool = pool;
	while ((index = weir_pool_take(pool)) >= 0)
		f->taken[f->taken_count++] = (uint32_t)index;
	f->taken_until = f->round + 1 + weir_fault_random(f, 8);
}

/* ---- receives that end for no reason ---- */

/* Remember to end the receive after this round: a plane is not to be called from its report. */
static void maybe_end(struct weir_fault *f, struct weir_sock *s)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(s);
	int res = 0;

	if (!fs->armed || fs->stopping || fs->inject)
		return;
	if (weir_fault_hit(f, WEIR_FAULT_EAGAIN))
		res = -EAGAIN;
	else if (s->kind == WEIR_LISTENER)
		return;
	else if (weir_fault_hit(f, WEIR_FAULT_ENOBUFS))
		res = -ENOBUFS;
	else if (weir_fault_hit(f, WEIR_FAULT_ENOMEM))
		res = -ENOMEM;
	if (!res)
		return;
	fs->inject = res;
	if (!fs->listed) {
		fs->listed = true;
		fs->next = f->to_end;
		f->to_end = s;
	}
}

static void end_receives(struct weir_engine *e, struct weir_fault *f)
{
	struct weir_sock *s;

	while ((s = f->to_end)) {
		struct weir_fault_sock *fs = weir_fault_sock_of(s);

		f->to_end = fs->next;
		fs->listed = false;
		if (!fs->armed || fs->stopping || fs->detaching) {
			fs->inject = 0;
			continue;
		}
		if (fs->inject == -ENOBUFS)
			take_buffers(e, f, s);
		fs->stopping = true;
		/* As the core would: a plane repeats a cancel that came too early. */
		s->rx_stopping = true;
		f->inner->recv_stop(s);
	}
}

/* ---- reports of the wrapped plane ---- */

static void up_accepted(struct weir_sock *s, int fd)
{
	struct weir_fault *f = weir_fault_of(s);

	weir_fault_report(f,
			  &(struct weir_report){ .s = s, .kind = WEIR_REPORT_ACCEPTED, .res = fd });
	maybe_end(f, s);
}

static void up_connected(struct weir_sock *s, int res)
{
	weir_fault_report(
		weir_fault_of(s),
		&(struct weir_report){ .s = s, .kind = WEIR_REPORT_CONNECTED, .res = res });
}

static void up_received(struct weir_sock *s, const struct weir_rx *rx)
{
	struct weir_fault *f = weir_fault_of(s);
	struct weir_report r = { .s = s, .kind = WEIR_REPORT_RECEIVED, .rx = *rx };

	while (s->kind == WEIR_STREAM && r.rx.len > 1 && weir_fault_hit(f, WEIR_FAULT_SHORT_READ)) {
		uint32_t whole = r.rx.len;

		r.rx.len = 1 + (uint32_t)weir_fault_random(f, whole - 1);
		r.rx.last = false;
		/* Counted once, with the last piece. */
		r.rx.copied = 0;
		weir_fault_report(f, &r);
		r.rx.offset += r.rx.len;
		r.rx.len = whole - r.rx.len;
	}
	r.rx.last = rx->last;
	r.rx.copied = rx->copied;
	weir_fault_report(f, &r);
	maybe_end(f, s);
}

static void up_recv_end(struct weir_sock *s, int res)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(s);

	if (res == -ECANCELED && fs->inject && !fs->core_stop && !fs->detaching)
		res = fs->inject;
	fs->armed = fs->stopping = fs->core_stop = false;
	fs->inject = 0;
	weir_fault_report(
		weir_fault_of(s),
		&(struct weir_report){ .s = s, .kind = WEIR_REPORT_RECV_END, .res = res });
}

static void up_sent(struct weir_txop *op, int res)
{
	struct weir_sock *s = op->sock;
	struct weir_fault *f = weir_fault_of(s);

	weir_fault_uncut(f, op);
	weir_fault_sock_of(s)->in_flight--;
	weir_fault_report(
		f, &(struct weir_report){ .s = s, .kind = WEIR_REPORT_SENT, .op = op, .res = res });
	weir_fault_pay_writable(s);
}

static void up_released(struct weir_zc *zc, bool copied)
{
	struct weir_fault *f = weir_fault_of(zc->sock);

	if (weir_fault_hit(f, WEIR_FAULT_ZC_COPIED))
		copied = !copied;
	weir_fault_report(
		f, &(struct weir_report){
			   .s = zc->sock, .kind = WEIR_REPORT_RELEASED, .zc = zc, .res = copied });
}

static void up_writable(struct weir_sock *s)
{
	weir_fault_report(weir_fault_of(s),
			  &(struct weir_report){ .s = s, .kind = WEIR_REPORT_WRITABLE });
}

static void up_detached(struct weir_sock *s)
{
	weir_fault_report(weir_fault_of(s),
			  &(struct weir_report){ .s = s, .kind = WEIR_REPORT_DETACHED });
}

static const struct weir_plane_up fault_up = {
	.accepted = up_accepted,
	.connected = up_connected,
	.received = up_received,
	.recv_end = up_recv_end,
	.sent = up_sent,
	.released = up_released,
	.writable = up_writable,
	.detached = up_detached,
};

/* ---- what the core asks for ---- */

static void close_fds(struct weir_fault *f)
{
	if (f->owe_fd >= 0)
		close(f->owe_fd);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = f->owe_fd = -1;
}

static void fault_free(struct weir_engine *e)
{
	struct weir_fault *f = fault_of(e);

	weir_fault_queue_fini(f);
	give_back_buffers(f);
	free(f->cuts);
	close_fds(f);
	free(f);
	weir_core_of(e)->fault_data = NULL;
}

static int fault_open(struct weir_engine *e, struct weir_error *reterr)
{
	int r = fault_of(e)->inner->open(e, reterr);

	if (r)
		fault_free(e);
	return r;
}

static void fault_close(struct weir_engine *e)
{
	struct weir_fault *f = fault_of(e);

	if (!f)
		return;
	f->inner->close(e);
	fault_free(e);
}

/* A foreign loop must also wake for reports that are here and not in the wrapped plane. */
static int fault_fd(struct weir_engine *e)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct weir_fault *f = fault_of(e);
	int code, inner = f->inner->fd(e);

	if (inner < 0 || f->fd >= 0)
		return inner < 0 ? inner : f->fd;
	f->owe_fd = eventfd(f->head != NULL, EFD_CLOEXEC | EFD_NONBLOCK);
	f->fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->owe_fd >= 0 && f->fd >= 0 && !epoll_ctl(f->fd, EPOLL_CTL_ADD, inner, &ev) &&
	    !epoll_ctl(f->fd, EPOLL_CTL_ADD, f->owe_fd, &ev))
		return f->fd;
	code = -errno;
	close_fds(f);
	return code;
}

/* After the wrapped plane made its reports: pass on what is due. */
static int finish_round(struct weir_engine *e, struct weir_fault *f, uint64_t before)
{
	uint64_t owed;

	end_receives(e, f);
	if (f->taken && f->round >= f->taken_until)
		give_back_buffers(f);
	weir_fault_pass(f);
	/* Nothing but late ones: time flies. */
	for (int i = 0; f->head && f->passed == before && i < LATE_ROUNDS_MAX; i++) {
		f->round++;
		weir_fault_pass(f);
	}
	if (f->passed == before)
		give_back_buffers(f);
	if (!f->head && f->owe_fd >= 0 && read(f->owe_fd, &owed, sizeof(owed)) < 0)
		owed = 0;
	return (int)(f->passed - before);
}

static int fault_poll(struct weir_engine *e)
{
	struct weir_fault *f = fault_of(e);
	uint64_t before = f->passed;
	int r, n;

	f->round++;
	r = f->queued < QUEUE_MAX ? f->inner->poll(e) : f->inner->flush(e);
	n = finish_round(e, f, before);
	return r < 0 ? r : n;
}

static int fault_wait(struct weir_engine *e, struct weir_wait *w)
{
	struct weir_fault *f = fault_of(e);
	uint64_t before = f->passed;
	int r, n;

	/* What is owed must not wait for something else to happen. */
	if (f->head || f->taken) {
		w->min_wait_ns = 0;
		return fault_poll(e);
	}
	f->round++;
	r = f->inner->wait(e, w);
	n = finish_round(e, f, before);
	return r < 0 ? r : n;
}

static int fault_flush(struct weir_engine *e)
{
	struct weir_fault *f = fault_of(e);
	int r = f->inner->flush(e);

	/* A foreign loop must come back for what is owed, too. */
	return r ? r : f->head || f->taken;
}

static int fault_attach(struct weir_sock *s, struct weir_error *reterr)
{
	int r;

	s->fault_data = calloc(1, sizeof(struct weir_fault_sock));
	if (!s->fault_data)
		return weir_error_set(reterr, -ENOMEM, "fault", NULL, NULL);
	r = weir_fault_of(s)->inner->attach(s, reterr);
	if (r) {
		free(s->fault_data);
		s->fault_data = NULL;
	}
	return r;
}

static void fault_detach(struct weir_sock *s)
{
	weir_fault_sock_of(s)->detaching = true;
	weir_fault_of(s)->inner->detach(s);
}

static int fault_connect(struct weir_sock *s, const struct weir_addr *to)
{
	return weir_fault_of(s)->inner->connect(s, to);
}

static int fault_recv_start(struct weir_sock *s)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(s);
	struct weir_fault *f = weir_fault_of(s);
	int r = 0;

	if (weir_fault_hit(f, WEIR_FAULT_EAGAIN))
		r = -EAGAIN;
	else if (s->kind != WEIR_LISTENER && weir_fault_hit(f, WEIR_FAULT_ENOBUFS))
		r = -ENOBUFS;
	else if (s->kind != WEIR_LISTENER && weir_fault_hit(f, WEIR_FAULT_ENOMEM))
		return -ENOMEM;
	if (r) {
		/* It started, and ended at once. */
		weir_fault_report(
			f, &(struct weir_report){ .s = s, .kind = WEIR_REPORT_RECV_END, .res = r });
		return 0;
	}
	fs->armed = true;
	r = f->inner->recv_start(s);
	if (r)
		fs->armed = false;
	return r;
}

static void fault_recv_stop(struct weir_sock *s)
{
	struct weir_fault_sock *fs = weir_fault_sock_of(s);

	/* Not armed: its end is queued, "another recv_end comes first". */
	if (!fs->armed)
		return;
	fs->core_stop = true;
	if (fs->stopping)
		return;
	fs->stopping = true;
	weir_fault_of(s)->inner->recv_stop(s);
}

static int fault_shutdown(struct weir_sock *s)
{
	return weir_fault_of(s)->inner->shutdown(s);
}

int weir_fault_wrap(struct weir_engine *e, const char *spec, struct weir_error *reterr)
{
	struct weir_core *c = weir_core_of(e);
	struct weir_fault_spec parsed;
	struct weir_fault *f;
	int r = weir_fault_parse(spec, &parsed, reterr);

	if (r)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return weir_error_set(reterr, -ENOMEM, "fault", NULL, NULL);
	f->spec = parsed;
	f->random = parsed.seed;
	f->fd = f->owe_fd = -1;
	f->inner = c->ops;
	f->up = c->up;
	weir_fault_queue_init(f);
	f->ops = (struct weir_plane_ops){
		.name = c->ops->name,
		.id = c->ops->id,
		.open = fault_open,
		.close = fault_close,
		.fd = fault_fd,
		.poll = fault_poll,
		.wait = fault_wait,
		.flush = fault_flush,
		.attach = fault_attach,
		.detach = fault_detach,
		.connect = fault_connect,
		.recv_start = fault_recv_start,
		.recv_stop = fault_recv_stop,
		.send = weir_fault_send,
		.shutdown = fault_shutdown,
		/* These ask and change nothing. */
		.can_recv = c->ops->can_recv,
		.ifq = c->ops->ifq,
		.why = c->ops->why,
		.add_area = c->ops->add_area,
		.send_area = c->ops->send_area,
		.zerocopy = c->ops->zerocopy,
	};
	c->fault_data = f;
	c->ops = &f->ops;
	c->up = &fault_up;
	return 0;
}
