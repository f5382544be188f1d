/* SPDX-License-Identifier: MIT */
/*
 * test_answer.c - answers: one small write for each arrival, which need not wait for its batch.
 *
 * Theory: a plain peer in the same thread asks; inside the callback that answers the kernel is
 * asked how many bytes of the connection it has sent.  After many lone answers the present one must
 * be among them; after a batch with a second write it must not be for a while.  The peer is not
 * asked: over a wire it has the answer later.  Whenever a write leaves: bytes in order, each tag
 * once, an error of the connection not lost, and nobody starved.
 *
 * Timeout: 60
 * Parts: yes
 */
#include "t.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define SEED 7
#define ASK_BYTES 64u
#define ANSWER_MAX 4096u
#define TRAINING 60u /* answers, after which they go out at once */

static bool chain_over;

/**
 * struct answerer - a server with one connection, and its peer.
 * @s: the accepted socket.
 * @peer: the other end, a plain descriptor.
 * @writes: writes per arrival.
 * @bytes: bytes per write.
 * @tagged: writes have tags: 1, 2, ...
 * @chain: each SENT brings another write.
 * @reset: the peer resets the connection before the answer.
 * @queued: bytes written so far.
 * @asked: bytes that arrived.
 * @at_once: answers that the kernel had sent inside the callback.
 * @tag: last tag given out.
 * @sent: tags that came back in order with all bytes.
 * @failed: tags that came back with an error.
 */
struct answerer {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_engine *e;
	struct weir_sock *listener, *s;
	int peer;
	unsigned writes;
	size_t bytes;
	bool tagged, chain, reset;
	uint64_t queued, asked;
	unsigned at_once;
	uint64_t tag, sent, failed;
	bool refused, ended, closed;
	int end_res;
};

static void write_one(struct answerer *a, size_t bytes)
{
	char data[ANSWER_MAX];
	int r;

	t_pattern_fill(data, SEED, a->queued, bytes);
	r = weir_sock_send(a->s, data, bytes, WEIR_SEND_COPY, a->tagged ? a->tag + 1 : 0);
	/* It is a copy already, or it is out. */
	memset(data, 0, sizeof(data));
	if (r == -ENOBUFS) {
		a->refused = true;
		return;
	}
	assert_int_equal(r, 0);
	a->queued += bytes;
	a->tag += a->tagged;
}

/* Over a wire the reset is on its way for a while: until it is here. */
static void reset_by_peer(struct answerer *a)
{
	struct linger now = { .l_onoff = 1 };
	struct pollfd p = { .fd = weir_sock_fd(a->s) };

	assert_int_equal(setsockopt(a->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(a->peer);
	a->peer = -1;
	assert_int_equal(poll(&p, 1, T_DEADLINE_MS), 1);
}

/* Has TCP sent all that was written, first transmissions only? */
static bool has_left(const struct answerer *a)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !getsockopt(weir_sock_fd(a->s), IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_bytes_sent - info.tcpi_bytes_retrans == a->queued;
}

static void received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct answerer *a = user;

	assert_ptr_equal(s, a->s);
	for (unsigned i = 0; i < n; i++)
		a->asked += v[i].len;
	if (a->reset)
		reset_by_peer(a);
	for (unsigned i = 0; i < a->writes; i++)
		write_one(a, a->bytes);
	if (a->peer >= 0 && a->writes)
		a->at_once += has_left(a);
}

static void sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct answerer *a = user;

	(void)s;
	assert_true(tag == a->sent + a->failed + 1);
	if (res < 0) {
		a->failed++;
		return;
	}
	assert_int_equal(a->failed, 0);
	a->sent++;
	if (a->chain)
		write_one(a, a->bytes);
}

static void accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct answerer *a = user;

	assert_ptr_equal(listener, a->listener);
	a->s = s;
}

static void ended(struct weir_sock *s, int res, void *user)
{
	struct answerer *a = user;

	(void)s;
	a->ended = true;
	a->end_res = res;
}

static void closed(struct weir_sock *s, void *user)
{
	struct answerer *a = user;

	a->closed |= s == a->s;
}

static const struct weir_sock_ops ops = {
	.accepted = accepted, .received = received, .sent = sent, .ended = ended, .closed = closed
};

static void begin(struct answerer *a, const char *address, const struct weir_sock_opts *opts)
{
	struct weir_addr to;

	*a = (struct answerer){ .ops = &ops, .e = t_open(NULL), .writes = 1, .bytes = ASK_BYTES };
	assert_int_equal(weir_listen(a->e, address, &ops, a, opts, &a->listener, NULL), 0);
	to = t_local(a->listener);
	a->peer = t_raw_connect(&to);
	t_until(a->e, a->s);
}

static void finish(struct answerer *a)
{
	weir_sock_close(a->s);
	weir_sock_close(a->listener);
	t_until(a->e, a->closed);
	if (a->peer >= 0)
		close(a->peer);
	t_step_idle(a->e);
	t_ledger_idle(a->e);
	t_close(a->e);
}

static void ask(struct answerer *a, size_t bytes)
{
	static const char question[ASK_BYTES];

	assert_int_equal(send(a->peer, question, bytes, 0), bytes);
}

/* What is there; the stream's next bytes. */
static void read_some(struct answerer *a, uint64_t *at)
{
	char data[65536];
	ssize_t n = recv(a->peer, data, sizeof(data), MSG_DONTWAIT);

	assert_true(n > 0 || (n < 0 && errno == EAGAIN));
	if (n > 0)
		t_pattern_check(data, SEED, *at, (size_t)n);
	*at += n > 0 ? (size_t)n : 0;
}

/* Asks @n times, one after the other; returns how many answers were there at once. */
static unsigned converse(struct answerer *a, unsigned n)
{
	uint64_t at = a->queued, asked = a->asked;
	unsigned before = a->at_once;

	for (unsigned i = 0; i < n; i++) {
		ask(a, ASK_BYTES);
		asked += ASK_BYTES;
		t_until_polled(a->e, a->asked == asked && at == a->queued, read_some(a, &at));
	}
	return a->at_once - before;
}

/*
 * Can an answer leave before its batch is done?  Where each receive is a request of its own, the
 * next one waits to be submitted, and the answer goes with it.
 */
static bool direct(void)
{
	const char *plane = getenv("WEIR_PLANE");

	return (plane && !strcmp(plane, "epoll")) ||
	       !(t_without("direct") || t_without("recv") || t_without("bufring"));
}

/* Faults split questions, and then an answer is there while the next one is made. */
static void expect_none(struct answerer *a, unsigned n)
{
	unsigned got = converse(a, n);

	assert_true(t_faulty() || !got);
}

/* One may share the ring with a request, when a spinning engine begins to read directly. */
static void expect_all(struct answerer *a, unsigned n)
{
	unsigned got = converse(a, n);

	if (!t_faulty())
		assert_in_range(got, direct() ? n - 1 : 0, direct() ? n : 0);
}

static void at_once_after_a_while(void **state)
{
	struct answerer a;

	(void)state;
	begin(&a, "127.0.0.1:0", NULL);
	expect_none(&a, 8);
	converse(&a, TRAINING);
	expect_all(&a, 50);
	finish(&a);
}

/* Two writes of one batch share a system call: a wrong guess is not made again soon. */
static void second_write(void **state)
{
	struct answerer a;

	(void)state;
	begin(&a, "127.0.0.1:0", NULL);
	converse(&a, TRAINING);
	a.writes = 2;
	converse(&a, 1);
	expect_none(&a, 20);
	a.writes = 1;
	expect_none(&a, 50);
	converse(&a, 100);
	expect_all(&a, 20);
	finish(&a);
}

/* Sizes from one byte to more than what leaves at once, with tags. */
static void all_sizes(void **state)
{
	struct answerer a;

	(void)state;
	begin(&a, "127.0.0.1:0", NULL);
	a.tagged = true;
	converse(&a, TRAINING);
	for (unsigned i = 0; i < 200; i++) {
		a.bytes = t_rand_size(ANSWER_MAX);
		converse(&a, 1);
	}
	t_until(a.e, a.sent == a.tag);
	assert_int_equal(a.failed, 0);
	finish(&a);
}

/* The peer asks and does not read: answers wait, and on a UNIX socket some wait in part. */
static void fill(struct answerer *a)
{
	uint64_t at, asked;

	a->bytes = ASK_BYTES;
	converse(a, 200);
	t_until(a->e, a->sent == a->tag);
	at = a->queued;
	asked = a->asked;
	while (a->tag - a->sent < 20) {
		a->bytes = 1 + t_rand_below(ANSWER_MAX);
		ask(a, 1);
		asked++;
		t_until_polled(a->e, a->asked == asked, (void)0);
		t_step_idle(a->e);
	}
	t_until_polled(a->e, at == a->queued, read_some(a, &at));
	t_until(a->e, a->sent == a->tag);
}

static void no_room(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_NODELAY };
	int bytes = 2048;
	struct weir_sock_stats stats;
	struct answerer a;

	(void)state;
	for (unsigned unix_socket = 0; unix_socket < 2; unix_socket++) {
		begin(&a, unix_socket ? t_unix() : "127.0.0.1:0", &so);
		a.tagged = true;
		assert_int_equal(
			setsockopt(weir_sock_fd(a.s), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)),
			0);
		/* TCP delays acknowledgements, and so small a buffer waits for each. */
		for (unsigned round = 0; round < (unix_socket ? 20 : 2); round++)
			fill(&a);
		weir_sock_get_stats(a.s, &stats);
		assert_true(!unix_socket || !direct() || t_faulty() || stats.tx_partial > 0);
		assert_int_equal(stats.tx_bytes, a.queued);
		assert_false(a.refused);
		assert_int_equal(a.failed, 0);
		finish(&a);
	}
}

static void stop_chain(struct weir_engine *e, struct weir_timer *timer)
{
	(void)timer;
	(void)e;
	chain_over = true;
}

/* A stream that writes whenever a write is done leaves time for everything else. */
static void chain_starves_nobody(void **state)
{
	struct weir_timer timer = { .fn = stop_chain };
	struct answerer a;
	uint64_t at;

	(void)state;
	begin(&a, "127.0.0.1:0", NULL);
	a.tagged = true;
	converse(&a, TRAINING);
	t_until(a.e, a.sent == a.tag);
	at = a.queued;
	a.chain = true;
	chain_over = false;
	ask(&a, 1);
	assert_int_equal(weir_timer_start(a.e, &timer, 20000), 0);
	t_until_polled(a.e, chain_over, read_some(&a, &at));
	assert_true(a.sent > TRAINING + 1);
	/* An arrival among the chain's events. */
	ask(&a, 1);
	t_until_polled(a.e, a.asked == TRAINING * ASK_BYTES + 2, read_some(&a, &at));
	a.chain = false;
	t_until_polled(a.e, a.sent == a.tag && at == a.queued, read_some(&a, &at));
	finish(&a);
}

/* The connection breaks while it is answered: the tag comes back, and the end is told. */
static void reset_meanwhile(void **state)
{
	struct answerer a;

	(void)state;
	begin(&a, "127.0.0.1:0", NULL);
	a.tagged = true;
	converse(&a, TRAINING);
	t_until(a.e, a.sent == a.tag);
	a.reset = true;
	ask(&a, 1);
	t_until(a.e, a.ended && a.sent + a.failed == a.tag);
	assert_int_equal(a.failed, 1);
	assert_true(a.end_res == -ECONNRESET || a.end_res == -EPIPE);
	finish(&a);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(at_once_after_a_while),
		T_CASE(second_write),
		T_CASE(all_sizes),
		T_CASE(no_room),
		T_CASE(chain_starves_nobody),
		T_CASE(reset_meanwhile),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
