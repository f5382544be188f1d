/* SPDX-License-Identifier: MIT */
/*
 * test_epoll_zc.c - sends of the epoll plane without a copy, against the kernel.
 *
 * Theory: the plane of a real engine works for a core that only writes down.  What lies behind a
 * closed window of a TCP peer is in use until the peer reads, so that a case decides when memory is
 * released; a release is expected then, once, and not before.  Loopback says "copied".
 */
#include "t.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>

#include "plane/epoll_zc.h"

#define OPS 64u
#define CLOSED_BYTES (256u << 10)

static struct {
	struct weir_engine *e;
	struct weir_core *c;
	const struct weir_plane_up *up;
	struct weir_sock s;
	int peer;
	struct weir_txop ops[OPS];
	struct weir_zc zcs[OPS];
	unsigned count; /* requests given */
	unsigned sent, released, copied, ends, detached;
	int end_res;
	char *data;
} w;

static void core_sent(struct weir_txop *op, int res)
{
	w.c->reports++;
	assert_false(op->done);
	op->done = true;
	op->res = res;
	w.s.ops_head = op->next;
	w.sent++;
	op->zc->accepted = true;
}

static void core_released(struct weir_zc *zc, bool copied)
{
	w.c->reports++;
	assert_true(zc->accepted && !zc->released);
	assert_int_equal(w.detached, 0);
	zc->released = true;
	w.released++;
	w.copied += copied;
}

static void core_recv_end(struct weir_sock *s, int res)
{
	(void)s;
	w.c->reports++;
	w.ends++;
	w.end_res = res;
}

static void core_writable(struct weir_sock *s)
{
	(void)s;
	w.c->reports++;
}

static void core_detached(struct weir_sock *s)
{
	(void)s;
	w.c->reports++;
	w.detached++;
}

static const struct weir_plane_up core_up = {
	.recv_end = core_recv_end,
	.sent = core_sent,
	.released = core_released,
	.writable = core_writable,
	.detached = core_detached,
};

/* One socket of the plane, and its peer. */
static void begin(int fd, int peer, enum weir_sock_kind kind, int family)
{
	struct weir_engine_opts o = { .size = sizeof o, .plane = WEIR_PLANE_EPOLL, .fault = "" };

	memset(&w, 0, sizeof w);
	w.data = calloc(1, CLOSED_BYTES);
	assert_non_null(w.data);
	w.e = t_open(&o);
	w.c = weir_core_of(w.e);
	w.up = w.c->up;
	w.c->up = &core_up;
	w.s.engine = w.e;
	w.s.plane = w.c->ops;
	w.s.fd = fd;
	w.s.kind = (uint8_t)kind;
	w.s.family = (uint8_t)family;
	w.peer = peer;
	assert_true(w.c->ops->zerocopy(w.e));
	assert_int_equal(w.c->ops->attach(&w.s, NULL), 0);
}

static void poll_all(void)
{
	while (w.c->ops->poll(w.e) > 0)
		;
}

static void wait_for(const unsigned *what, unsigned count)
{
	struct weir_wait wait = { .timeout_ns = 1000000, .want = 1 };
	uint64_t end = t_now_us() + (uint64_t)T_DEADLINE_MS * 1000;

	while (*what < count && t_now_us() < end) {
		wait.deadline_ns = t_now_us() * 1000 + 1000000;
		assert_true(w.c->ops->wait(w.e, &wait) >= 0);
	}
	assert_int_equal(*what, count);
}

static void gone(void)
{
	wait_for(&w.detached, 1);
	assert_int_equal(w.s.fd, -1);
	assert_null(w.s.plane_zc);
	assert_int_equal(w.sent, w.count);
	assert_int_equal(w.released, w.count);
	w.c->up = w.up;
	t_close(w.e);
	if (w.peer >= 0)
		close(w.peer);
	free(w.data);
}

static void end(void)
{
	w.c->ops->detach(&w.s);
	gone();
}

static struct weir_txop *give(size_t bytes)
{
	struct weir_txop *op = &w.ops[w.count];

	assert_true(w.count < OPS);
	op->sock = &w.s;
	op->zc = &w.zcs[w.count++];
	op->zc->sock = &w.s;
	op->zc->live = true;
	op->iov[0] = (struct iovec){ .iov_base = w.data, .iov_len = bytes };
	op->msg.msg_iov = op->iov;
	op->msg.msg_iovlen = 1;
	op->bytes = bytes;
	assert_null(w.s.ops_head);
	w.s.ops_head = op;
	w.c->ops->send(&w.s, op, 1);
	return op;
}

static int sent(size_t bytes)
{
	struct weir_txop *op = give(bytes);

	poll_all();
	assert_true(op->done);
	return op->res;
}

/* A TCP connection whose peer has a small window and does not read; its sender has much room. */
static void begin_tcp(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 32768,
	    large = 1 << 20;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	socklen_t len = sizeof at;

	assert_true(listener >= 0 && fd >= 0);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0);
	close(listener);
	begin(fd, peer, WEIR_STREAM, AF_INET);
	w.s.is_tcp = true;
}

/* Something lies behind the closed window. */
static void begin_outstanding(void)
{
	begin_tcp();
	assert_int_equal(sent(CLOSED_BYTES), CLOSED_BYTES);
	assert_int_equal(w.released, 0);
	assert_int_equal(weir_epoll_zc_live(&w.s), 1);
}

static void peer_reads(size_t bytes)
{
	static char buf[65536];
	uint64_t until = t_now_us() + (uint64_t)T_DEADLINE_MS * 1000;

	while (bytes && t_now_us() < until) {
		ssize_t n =
			recv(w.peer, buf, bytes < sizeof buf ? bytes : sizeof buf, MSG_DONTWAIT);

		if (n > 0)
			bytes -= (size_t)n;
	}
	assert_int_equal(bytes, 0);
}

static void begin_udp(bool bound)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof at;

	assert_true(peer >= 0 && fd >= 0);
	assert_int_equal(bind(peer, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(peer, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	if (!bound) {
		close(peer);
		peer = -1;
	}
	begin(fd, peer, WEIR_DGRAM, AF_INET);
}

/* ---- streams ---- */

static void released_when_read(void **state)
{
	(void)state;
	begin_outstanding();
	poll_all();
	assert_int_equal(w.released, 0);
	peer_reads(CLOSED_BYTES);
	wait_for(&w.released, 1);
	assert_int_equal(w.copied, 1);
	/* Many small ones, released in ranges. */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(sent(1000), 1000);
	peer_reads(20 * 1000);
	wait_for(&w.released, 21);
	end();
}

/* The sender's buffer is short: each part is a request of its own. */
static void parts(void **state)
{
	int small = 4096, r;
	size_t sum = 0;

	(void)state;
	begin_tcp();
	assert_int_equal(setsockopt(w.s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	while ((r = sent(CLOSED_BYTES)) > 0) {
		assert_true((size_t)r < CLOSED_BYTES);
		sum += (size_t)r;
	}
	assert_int_equal(r, -EAGAIN);
	/* What found no room is released, what did is not. */
	assert_int_equal(weir_epoll_zc_live(&w.s), w.count - w.released);
	assert_true(weir_epoll_zc_live(&w.s) > 0);
	peer_reads(sum);
	wait_for(&w.released, w.count);
	end();
}

/* EPOLLHUP that lasts, nobody who waits for the socket: no spinning, and the release is seen. */
static void quiet_while_hung_up(void **state)
{
	struct weir_wait wait = { .timeout_ns = 50000000, .want = 1 };
	uint64_t before_us;

	(void)state;
	begin_outstanding();
	assert_int_equal(shutdown(w.peer, SHUT_WR), 0);
	assert_int_equal(w.c->ops->shutdown(&w.s), 0);
	poll_all();
	before_us = t_now_us();
	for (unsigned i = 0; i < 5; i++) {
		wait.deadline_ns = t_now_us() * 1000 + 50000000;
		assert_true(w.c->ops->wait(w.e, &wait) >= 0);
	}
	/* An edge or two end a sleep early; a level would end each of them. */
	assert_true(t_now_us() - before_us >= 100000);
	assert_int_equal(w.released, 0);
	peer_reads(CLOSED_BYTES);
	wait_for(&w.released, 1);
	/* Nothing is outstanding: it is taken out of the set, and put back for the next one. */
	poll_all();
	assert_true(sent(1000) < 0);
	end();
}

static void detach_waits(void **state)
{
	struct weir_wait wait = { .timeout_ns = 20000000, .want = 1 };

	(void)state;
	begin_outstanding();
	w.c->ops->detach(&w.s);
	for (unsigned i = 0; i < 3; i++) {
		wait.deadline_ns = t_now_us() * 1000 + 20000000;
		assert_int_equal(w.c->ops->wait(w.e, &wait), 0);
	}
	assert_int_equal(w.detached, 0);
	assert_true(w.s.fd >= 0);
	peer_reads(CLOSED_BYTES);
	gone();
}

/* What the core does with a peer that never reads. */
static void detach_purged(void **state)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	(void)state;
	begin_outstanding();
	w.c->ops->detach(&w.s);
	poll_all();
	assert_int_equal(w.detached, 0);
	assert_int_equal(connect(w.s.fd, &none, sizeof none), 0);
	gone();
}

/* Reset by the peer while it is outstanding, before and after detach(). */
static void reset(void **state)
{
	const struct linger now = { .l_onoff = 1 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin_outstanding();
		if (i)
			w.c->ops->detach(&w.s);
		assert_int_equal(setsockopt(w.peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
		close(w.peer);
		w.peer = -1;
		wait_for(&w.released, 1);
		if (i)
			gone();
		else
			end();
	}
}

/* Given, and not sent yet. */
static void detach_cancels(void **state)
{
	(void)state;
	begin_tcp();
	(void)give(1000);
	w.c->ops->detach(&w.s);
	wait_for(&w.detached, 1);
	assert_int_equal(w.ops[0].res, -ECANCELED);
	assert_int_equal(w.copied, 1);
	gone();
}

/* ---- datagrams ---- */

static void segments(int bytes)
{
	assert_int_equal(setsockopt(w.s.fd, SOL_UDP, UDP_SEGMENT, &bytes, sizeof bytes), 0);
}

/* Sends, without a look at what is ready. */
static int sent_only(size_t bytes)
{
	struct weir_txop *op = give(bytes);

	assert_true(w.c->ops->flush(w.e) >= 0);
	assert_true(op->done);
	return op->res;
}

/*
 * One that fails behind its packet takes a number, one before it none, and an empty one is none of
 * ours.  The book is right at once: nothing may be sent under a number that is another's.
 */
static void numbers(void **state)
{
	const struct weir_epoll_zc *z;
	uint32_t id = 0;

	(void)state;
	begin_udp(true);
	assert_int_equal(sent_only(0), 0);
	assert_null(w.s.plane_zc);
	for (unsigned round = 0; round < 5; round++) {
		assert_int_equal(sent_only(1000), 1000);
		z = w.s.plane_zc;
		assert_int_equal(z->book.next_id, id + 1);
		assert_int_equal(sent_only(0), 0);
		segments(1);
		assert_int_equal(sent_only(2000), -EINVAL);
		segments(0);
		assert_int_equal(z->book.next_id, id + 2);
		assert_int_equal(sent_only(65530), -EMSGSIZE);
		assert_int_equal(sent_only(1000), 1000);
		id += 3;
		assert_int_equal(z->book.next_id, id);
		/* The last one's completion is its own. */
		wait_for(&w.released, w.count);
		assert_int_equal(z->book.next_id, id);
		assert_int_equal(z->book.live, 0);
	}
	assert_int_equal(w.copied, w.count);
	end();
}

/* IP_RECVERR puts the peer's refusal where the completions are: the reader hears of it. */
static void refused_by_peer(void **state)
{
	int on = 1;

	(void)state;
	begin_udp(false);
	assert_int_equal(setsockopt(w.s.fd, SOL_IP, IP_RECVERR, &on, sizeof on), 0);
	assert_int_equal(w.c->ops->recv_start(&w.s), 0);
	assert_int_equal(sent(1000), 1000);
	wait_for(&w.ends, 1);
	assert_int_equal(w.end_res, -ECONNREFUSED);
	wait_for(&w.released, 1);
	/* Once. */
	assert_int_equal(w.c->ops->recv_start(&w.s), 0);
	poll_all();
	assert_int_equal(w.ends, 1);
	end();
}

/* Nobody receives, an error has taken it out of the set: a request puts it back. */
static void back_in_the_set(void **state)
{
	(void)state;
	begin_udp(false);
	assert_int_equal(sent(1000), 1000);
	wait_for(&w.released, 1);
	poll_all();
	/* The error of the first one. */
	assert_int_equal(sent(1000), -ECONNREFUSED);
	assert_int_equal(sent(1000), 1000);
	wait_for(&w.released, 3);
	end();
}

/* ---- where it is not possible ---- */

static void not_here(void **state)
{
	int pair[2], on = 1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	begin(pair[0], pair[1], WEIR_STREAM, AF_UNIX);
	assert_int_equal(sent(1000), -EOPNOTSUPP);
	assert_int_equal(w.released, 1);
	assert_int_equal(w.copied, 1);
	end();
	/* Somebody else counts already. */
	begin_tcp();
	assert_int_equal(setsockopt(w.s.fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
	assert_int_equal(sent(1000), -EOPNOTSUPP);
	assert_null(w.s.plane_zc);
	end();
	/* Switched off. */
	begin_tcp();
	w.c->without |= WEIR_WITHOUT_ZC;
	assert_false(w.c->ops->zerocopy(w.e));
	end();
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(released_when_read), T_CASE(parts),	   T_CASE(quiet_while_hung_up),
		T_CASE(detach_waits),	    T_CASE(detach_purged), T_CASE(reset),
		T_CASE(detach_cancels),	    T_CASE(numbers),	   T_CASE(refused_by_peer),
		T_CASE(back_in_the_set),    T_CASE(not_here),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
