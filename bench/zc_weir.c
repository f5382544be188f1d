/* SPDX-License-Identifier: MIT */
/*
 * zc_weir.c - weir in the group "zerocopy".
 *
 * Theory:
 *	As a program would do it: an engine of its own for each contender, one context, a send for
 *	each message, the last of each generation flushes, and the events are waited for once per
 *	batch.  At the end of a batch all generations that were flushed have ended, so that no
 *	contender has more in flight than the ones by hand; of generations longer than a batch the
 *	rest goes on into the next one.  Datagrams go one by one, as with the others, but for
 *	ZC_WEIR_TRAINS: there the library may put them into trains, which is its default.
 *	The socket is one that only sends (WEIR_SOCK_PAUSED), as the others are: while a receive
 *	waits on a socket, the kernel wakes that waiter for each packet that has left.
 */
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "zc.h"

#define EVENTS 64
#define WAIT_US 1000000 /* nothing here takes as long */
#define TAG 1u

/**
 * struct sender - a contender of weir.
 * @e: its engine.
 * @sock: its socket.
 * @generation: sends of a generation.
 * @open_sends: sends of the open generation.
 * @pending: sends of generations that were flushed and have not ended.
 */
struct sender {
	struct weir_engine *e;
	struct weir_sock *sock;
	unsigned generation;
	unsigned open_sends;
	unsigned pending;
	struct weir_event events[EVENTS];
};

static int fail_record(struct zc_run *run, int res, const struct weir_error *err)
{
	if (!run->why[0])
		weir_error_format(err, run->why, sizeof(run->why));
	return res;
}

static int open_engine(struct zc_run *run, struct sender *t)
{
	unsigned kind = run->contender->kind;
	struct weir_engine_opts opts = { .size = sizeof(opts),
					 .plane = kind & ZC_WEIR_EPOLL ? WEIR_PLANE_EPOLL :
									 WEIR_PLANE_URING,
					 .area_bytes = 1 << 20,
					 .zerocopy = WEIR_ZEROCOPY_AUTO };
	struct weir_error err = { 0 };
	int res;

	if (kind & ZC_WEIR_PLAIN)
		opts.zerocopy = WEIR_ZEROCOPY_NEVER;
	if (kind & ZC_WEIR_ALWAYS)
		opts.zerocopy = WEIR_ZEROCOPY_ALWAYS;
	res = weir_engine_open(&t->e, &opts, &err);
	if (res)
		return fail_record(run, res, &err);
	if (!(kind & (ZC_WEIR_PLAIN | ZC_WEIR_UNREGISTERED | ZC_WEIR_EPOLL)))
		res = weir_engine_send_area(t->e, run->load->area, &err);
	if (res && res != -ENOTSUP && res != -ENOMEM)
		return fail_record(run, res, &err);
	/* Its own choice takes what there is; what is forced is to be what its name says. */
	if (res && (kind & ZC_WEIR_ALWAYS))
		return fail_record(run, -ENOTSUP, &err);
	res = weir_ctx_register(t->e, &(uint64_t){ TAG }, 1, &err);
	return res ? fail_record(run, res, &err) : 0;
}

int zc_weir_open(struct zc_run *run)
{
	unsigned kind = run->contender->kind;
	struct weir_sock_opts opts = { .size = sizeof(opts),
				       .flags = WEIR_SOCK_PAUSED,
				       .sndbuf_bytes = ZC_SNDBUF_BYTES };
	struct weir_error err = { 0 };
	struct sender *t;
	char peer[64];
	int res;

	if ((kind & ZC_WEIR_TRAINS) && run->load->segment)
		return -ENOTSUP;
	if (!(kind & ZC_WEIR_TRAINS) && !run->load->segment)
		opts.flags |= WEIR_SOCK_NO_GSO;
	t = calloc(1, sizeof(*t));
	if (!t)
		return zc_fail(run, -ENOMEM, "memory");
	run->state = t;
	t->generation = kind & ZC_WEIR_GENERATION;
	res = open_engine(run, t);
	if (res)
		return res;
	snprintf(peer, sizeof(peer), "%s:%u", run->load->row.path->peer, ZC_PORT);
	opts.peer = peer;
	res = weir_udp_open(t->e, NULL, NULL, NULL, &opts, &t->sock, &err);
	return res ? fail_record(run, res, &err) : 0;
}

void zc_weir_close(struct zc_run *run)
{
	struct sender *t = run->state;

	if (!t)
		return;
	weir_engine_close(t->e);
	free(t);
	run->state = NULL;
}

static int queue_message(struct zc_run *run, struct sender *t)
{
	struct iovec iov = { zc_next(run->load), run->load->row.bytes };
	struct weir_ctx_send send = { .size = sizeof(send),
				      .iov = &iov,
				      .iov_count = 1,
				      .segment_bytes = run->load->segment };
	int res;

	if (t->open_sends + 1 == t->generation)
		send.flags = WEIR_SEND_FLUSH;
	res = weir_ctx_send(t->sock, &send);
	if (res)
		return zc_fail(run, res, "weir_ctx_send");
	if (++t->open_sends == t->generation) {
		t->pending += t->open_sends;
		t->open_sends = 0;
	}
	return 0;
}

static int queue_tagged(struct zc_run *run, struct sender *t)
{
	struct iovec iov = { zc_next(run->load), run->load->row.bytes };
	int res;

	if (run->load->segment)
		res = weir_sock_sendto(t->sock, iov.iov_base, iov.iov_len, run->load->segment, NULL,
				       0, TAG);
	else
		res = weir_sock_send(t->sock, iov.iov_base, iov.iov_len, 0, TAG);
	t->pending++;
	return res ? zc_fail(run, res, "weir_sock_send") : 0;
}

static int take_events(struct zc_run *run, struct sender *t, unsigned n)
{
	uint64_t bytes = run->load->row.bytes;
	int res = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct weir_event *ev = &t->events[i];

		if (ev->type == WEIR_EVENT_RELEASED) {
			t->pending -= t->generation;
			run->released += t->generation;
			run->copied += ev->gen.copied_bytes / bytes;
			if (ev->res || ev->gen.bytes != bytes * t->generation)
				res = ev->res ? ev->res : -EIO;
		} else if (ev->type == WEIR_EVENT_SENT) {
			t->pending--;
			if (ev->res != (int)bytes)
				res = ev->res < 0 ? ev->res : -EIO;
		} else if (ev->type == WEIR_EVENT_ERROR) {
			res = ev->res;
		}
	}
	weir_engine_done(t->e, n);
	return res ? zc_fail(run, res, "send") : 0;
}

int zc_weir_batch(struct zc_run *run)
{
	struct sender *t = run->state;
	bool tags = run->contender->kind & ZC_WEIR_TAGS;
	int res = 0;

	for (unsigned i = 0; i < ZC_BATCH && !res; i++)
		res = tags ? queue_tagged(run, t) : queue_message(run, t);
	/* At least once: a batch that flushed nothing is given to the kernel as well. */
	do {
		int n = res ? res :
			      weir_engine_wait(t->e, t->events, EVENTS, t->pending ? WAIT_US : 0);

		if (n < 0)
			return zc_fail(run, n, "weir_engine_wait");
		if (!n && t->pending)
			return zc_fail(run, -ETIMEDOUT, "weir_engine_wait");
		res = take_events(run, t, (unsigned)n);
	} while (!res && t->pending);
	return res;
}
