// SPDX-License-Identifier: MIT
/*
 * epoll_zc.c - sends of the epoll plane without a copy: MSG_ZEROCOPY and the error queue.
 *
 * Theory:
 *	sendmsg(MSG_ZEROCOPY) -> bytes: the call has the socket's next number -> the book
 *	EPOLLERR -> recvmmsg(MSG_ERRQUEUE) until it is empty -> ranges of numbers -> up->released()
 *
 *	A call that fails on a stream takes no number.  One that fails on a datagram socket may
 *	have taken one, where the error came after the packet was made; its completion is in the
 *	queue already when the call returns, since the packet was freed inside it.  So the queue is
 *	read after each failure that can be of that sort, and a number that the book does not know
 *	moves it on.  Where a failed packet may live on (a part of a train was sent, or a filter
 *	has kept a clone) the count is not sure any more, and the socket sends by copying for ever.
 *	Completions that nobody has read are charged to the socket (net.core.optmem_max): on
 *	ENOBUFS they are read, and the call is made once more.  Where there are none, all further
 *	requests of the round would fail as well: no call is made for them.
 *	What else is in the queue, with IP_RECVERR, is an error that a read would have reported
 *	had it not been taken away here: it is kept for the next read.  Time stamps are lost.
 * Invariants: 1. a request of the book was numbered by the kernel and not reported by it.  2. the
 *	descriptor stays open while the book is not empty: after close(2) nothing is reported.
 * Ownership: weir_sock.plane_zc is made at the first request and freed when the socket goes.
 * Threads: the engine's.
 * Errors: -EOPNOTSUPP where the kind of socket cannot, or where somebody else has numbered calls
 *	already (SO_ZEROCOPY was set before).
 * Sources: net/core/skbuff.c msg_zerocopy_realloc(), msg_zerocopy_put_abort(),
 *	sock_dequeue_err_skb(); net/core/sock.c SO_ZEROCOPY; net/ipv4/ip_output.c
 *	__ip_append_data(); net/ipv4/udp.c udp_send_skb() (ENOBUFS is hidden without IP_RECVERR);
 *	net/socket.c do_recvmmsg() (Linux 7.3).
 * Tests: tests/unit/test_epoll_zc.c, tests/contract/ over the epoll plane with WEIR_ZEROCOPY=always
 */
#include "epoll_zc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "direct.h"

#define BATCH 8		  /* messages per call */
#define CONTROL_BYTES 256 /* time stamps that were asked for come first */

bool weir_epoll_zc_can(const struct weir_engine *e)
{
	const struct weir_core *c = (const struct weir_core *)e;
	int fd, on = 1;
	bool can;

	if (c->without & WEIR_WITHOUT_ZC)
		return false;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	can = !setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
	close(fd);
	return can;
}

static int begin(struct weir_sock *s)
{
	socklen_t len = sizeof(int);
	struct weir_epoll_zc *z;
	int on = 0;

	weir_core_of(s->engine)->stats.syscalls += 2;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ZEROCOPY, &on, &len) || on)
		return -EOPNOTSUPP;
	z = calloc(1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	on = 1;
	if (setsockopt(s->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on))) {
		free(z);
		return -EOPNOTSUPP;
	}
	s->plane_zc = z;
	return 0;
}

static unsigned read_some(struct weir_sock *s, struct weir_epoll_zc *z)
{
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_BYTES];
	const struct weir_plane_up *up = weir_core_of(s->engine)->up;
	struct mmsghdr msgs[BATCH];
	int got;

	memset(msgs, 0, sizeof(msgs));
	for (unsigned i = 0; i < BATCH; i++) {
		msgs[i].msg_hdr.msg_control = control[i];
		msgs[i].msg_hdr.msg_controllen = CONTROL_BYTES;
	}
	weir_core_of(s->engine)->stats.syscalls++;
	got = recvmmsg(s->fd, msgs, BATCH, MSG_ERRQUEUE | MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		struct weir_errq_note note;

		weir_errq_parse(&msgs[i].msg_hdr, &note);
		if (note.completion)
			weir_errq_complete(&z->book, &note, up->released);
		else if (note.error)
			z->error = -note.error;
	}
	return got < 0 ? 0 : (unsigned)got;
}

unsigned weir_epoll_zc_read(struct weir_sock *s)
{
	struct weir_epoll_zc *z = s->plane_zc;
	unsigned got, sum = 0;

	if (!z)
		return 0;
	do {
		got = read_some(s, z);
		sum += got;
	} while (got == BATCH);
	if (sum)
		z->full_round = 0;
	return sum;
}

static bool has_recverr(const struct weir_sock *s)
{
	bool v6 = s->family == AF_INET6;
	socklen_t len = sizeof(int);
	int on = 0;

	/* Unknown is yes: that costs copies, not correctness. */
	if (getsockopt(s->fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &on, &len))
		return true;
	return on;
}

/* May a packet of a call that failed so still be somewhere? */
static bool may_live(const struct weir_sock *s, int res)
{
	if (res == -EPERM || res == -ENETDOWN)
		return true;
	return res == -ENOBUFS && has_recverr(s);
}

/* After a failed call: what it did to the count.  Number of messages read. */
static unsigned look_after(struct weir_sock *s, struct weir_epoll_zc *z, int res)
{
	uint32_t before = z->book.next_id;
	unsigned n = weir_epoll_zc_read(s);

	if (s->kind == WEIR_DGRAM && z->book.next_id == before && may_live(s, res))
		z->unsure = true;
	return n;
}

int weir_epoll_zc_send(struct weir_sock *s, struct weir_txop *op)
{
	uint64_t round = weir_core_of(s->engine)->stats.waits + 1;
	struct weir_epoll_zc *z;
	int r;

	/* Numbered on some kinds of sockets, and nothing to be kept. */
	if (!op->bytes)
		return weir_direct_send(s, &op->msg);
	r = s->plane_zc ? 0 : begin(s);
	if (r)
		return r;
	z = s->plane_zc;
	if (z->unsure)
		return -EOPNOTSUPP;
	if (z->full_round == round)
		return -ENOBUFS;
	r = weir_errq_reserve(&z->book);
	if (r)
		return r;
	for (int tries = 0; tries < 2; tries++) {
		r = weir_direct_send_flags(s, &op->msg, MSG_ZEROCOPY);
		/* What finds no room gives its number back. */
		if (r >= 0 || r == -EAGAIN)
			break;
		if (s->kind != WEIR_DGRAM && r != -ENOBUFS)
			break;
		if (!look_after(s, z, r) || r != -ENOBUFS || z->unsure)
			break;
	}
	if (r > 0)
		weir_errq_add(&z->book, op->zc);
	else if (r == -ENOBUFS)
		z->full_round = round;
	return r;
}

uint32_t weir_epoll_zc_live(const struct weir_sock *s)
{
	const struct weir_epoll_zc *z = s->plane_zc;

	return z ? z->book.live : 0;
}

bool weir_epoll_zc_has_error(const struct weir_sock *s)
{
	const struct weir_epoll_zc *z = s->plane_zc;

	return z && z->error;
}

int weir_epoll_zc_take_error(struct weir_sock *s)
{
	struct weir_epoll_zc *z = s->plane_zc;
	int error = z ? z->error : 0;

	if (error)
		z->error = 0;
	return error;
}

void weir_epoll_zc_free(struct weir_sock *s)
{
	struct weir_epoll_zc *z = s->plane_zc;

	if (!z)
		return;
	weir_errq_fini(&z->book);
	free(z);
	s->plane_zc = NULL;
}
