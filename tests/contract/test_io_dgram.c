/* SPDX-License-Identifier: MIT */
/*
 * test_io_dgram.c - weir_io on datagrams: peers, trains, the two datagram modes.
 *
 * Theory: datagrams may be lost (faults do), never changed, joined, split or told of the wrong
 * peer.  A datagram says its sender, its number and its length by itself.  Trains are made by a
 * plain sender with UDP_SEGMENT, so that the kernel delivers them joined (UDP GRO) and the weir_io
 * must take them apart.  Replies go to the address that came with the message.
 *
 * Zerocopy: always
 */
#include "test_io.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define PEERS 5

struct peer {
	int fd;
	struct weir_addr addr;
	uint32_t sent;
	uint32_t next; /* lowest number that may come next */
	uint32_t back; /* answers it got */
};

struct dg {
	struct rig rig;
	struct weir_addr local;
	struct peer peers[PEERS];
	uint32_t got, sent, failed, errors;
	size_t last_len;
	int last_res;
	bool answer;
	bool saw_empty;
	bool no_peer;
	int flags;
	enum act act;
	uint32_t act_at;
	bool gone;
	struct weir_buf *kept[64];
	unsigned kept_count;
};

static struct peer *peer_of(struct dg *x, const struct sockaddr *sa)
{
	char a[128], b[128];

	weir_addr_format(sa, a, sizeof a);
	for (unsigned i = 0; i < PEERS; i++) {
		weir_addr_format(&x->peers[i].addr.sa, b, sizeof b);
		if (!strcmp(a, b))
			return &x->peers[i];
	}
	fail_msg("a datagram from %s, whom nobody knows", a);
	return NULL;
}

/* Contents: length, number, then the pattern; the number's top byte is the peer. */
static void check(struct dg *x, struct weir_buf *buf, const struct sockaddr *from)
{
	struct peer *p = peer_of(x, from);
	size_t len = weir_buf_len(buf);
	uint32_t index;

	if (!len) {
		x->saw_empty = true;
		return;
	}
	assert_true(len >= HEADER);
	index = get32(buf->data + 4);
	frame_check(buf->data, len, index);
	assert_int_equal(index >> 24, p - x->peers);
	/* Loopback keeps the order; what is missing was dropped. */
	assert_true((index & 0xffffff) >= p->next);
	p->next = (index & 0xffffff) + 1;
}

static void on_received(struct weir_io *io, int res, struct weir_buf *buf,
			const struct sockaddr *from)
{
	struct dg *x = weir_io_user(io);

	assert_false(x->gone);
	if (res < 0) {
		assert_null(buf);
		assert_null(from);
		x->errors++;
		x->last_res = res;
		return;
	}
	assert_int_equal(res, weir_buf_len(buf));
	assert_ptr_equal(from, weir_buf_peer(buf));
	x->last_len = weir_buf_len(buf);
	x->got++;
	check(x, buf, from);
	if (x->act && x->got == x->act_at) {
		x->gone = true;
		do_act(&x->rig, x->act);
		weir_buf_free(buf);
	} else if (x->answer) {
		int rc = weir_io_sendto(io, buf, 0, from);

		if (rc)
			weir_buf_free(buf);
		assert_true(rc == 0 || rc == -ENOSPC);
	} else if (x->kept_count < T_COUNT(x->kept)) {
		x->kept[x->kept_count++] = buf;
	} else {
		weir_buf_free(buf);
	}
}

static void on_sent(struct weir_io *io, int res, struct weir_buf *buf, const struct sockaddr *to)
{
	struct dg *x = weir_io_user(io);

	assert_non_null(buf);
	assert_ptr_equal(to, weir_buf_peer(buf));
	if (x->no_peer)
		assert_null(to);
	x->sent++;
	if (res < 0)
		x->failed++;
	else
		assert_int_equal(res, weir_buf_len(buf));
}

static const struct weir_io_ops ops = { .received_from = on_received, .sent_to = on_sent };

static struct dg *dg_new(const char *address, enum weir_io_mode mode, const struct weir_io_ops *o,
			 const struct weir_io_opts *io)
{
	const struct weir_sock_opts so = { .size = sizeof so, .rcvbuf_bytes = 4 << 20 };
	struct dg *x = calloc(1, sizeof *x);

	assert_non_null(x);
	rig_start(&x->rig, NULL, NULL);
	rig_io(&x->rig, mode, o, x, io);
	assert_int_equal(weir_io_udp_open(x->rig.io, address, &so, NULL), 0);
	x->local = t_local(weir_io_sock(x->rig.io));
	for (unsigned i = 0; i < PEERS; i++) {
		x->peers[i].fd = t_raw_udp(address, &x->peers[i].addr);
		assert_int_equal(connect(x->peers[i].fd, &x->local.sa, x->local.len), 0);
	}
	x->kept_count = T_COUNT(x->kept); /* keeps none */
	return x;
}

static void dg_free(struct dg *x)
{
	for (unsigned i = 0; i < PEERS; i++)
		close(x->peers[i].fd);
	rig_end(&x->rig);
	free(x);
}

/* One datagram, or a train of @count, each of @len bytes but the last of @last. */
static bool peer_send(struct dg *x, unsigned who, unsigned count, uint32_t len, uint32_t last)
{
	static char data[65536];
	struct peer *p = &x->peers[who];
	size_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		uint32_t n = i + 1 < count ? len : last;

		frame_fill(data + at, who << 24 | (p->sent + i), n);
		at += n;
	}
	if (count > 1) {
		int gso = (int)len;

		if (setsockopt(p->fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof gso))
			return false;
	}
	t_until_polled(x->rig.e, send(p->fd, data, at, 0) == (ssize_t)at, (void)0);
	if (count > 1) {
		int gso = 0;

		setsockopt(p->fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof gso);
	}
	p->sent += count;
	return true;
}

static uint32_t all_sent(const struct dg *x)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < PEERS; i++)
		n += x->peers[i].sent;
	return n;
}

/* Under faults datagrams get lost: then it is enough that nothing more comes. */
static void all_arrive(struct dg *x)
{
	t_note("%u of %u datagrams", x->got, all_sent(x));
	if (t_faulty()) {
		t_step_idle(x->rig.e);
		assert_true(x->got <= all_sent(x));
	} else {
		t_until(x->rig.e, x->got == all_sent(x));
	}
}

static void many_peers(void **state)
{
	const char *const addresses[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < T_COUNT(addresses); i++) {
		struct dg *x = dg_new(addresses[i], WEIR_IO_RECVFROM_SENDTO, &ops, NULL);

		for (unsigned n = 0; n < 2000; n++) {
			peer_send(x, (unsigned)t_rand_below(PEERS), 1, 0,
				  HEADER + (uint32_t)t_rand_below(2000));
			if (n % 50 == 0)
				all_arrive(x);
		}
		all_arrive(x);
		assert_int_equal(x->errors, 0);
		dg_free(x);
	}
}

/* Trains of several peers, lengths and counts: split where the datagrams end, right peers. */
static void trains(void **state)
{
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
	struct weir_sock_stats s;

	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		unsigned count = 2 + (unsigned)t_rand_below(43);
		uint32_t len = HEADER + 1 + (uint32_t)t_rand_below(1400);
		uint32_t last = HEADER + (uint32_t)t_rand_below(len - HEADER + 1);

		if (!peer_send(x, (unsigned)t_rand_below(PEERS), count, len, last)) {
			dg_free(x);
			skip(); /* no UDP_SEGMENT */
		}
		if (n % 4 == 0)
			all_arrive(x);
	}
	all_arrive(x);
	weir_sock_get_stats(weir_io_sock(x->rig.io), &s);
	if (!t_faulty() && !t_without("gro")) {
		/* They did come joined, else this test proves nothing. */
		assert_true(s.rx_completions < all_sent(x) / 2);
		assert_int_equal(pool_stats(&x->rig).copied_bytes, 0);
	}
	dg_free(x);
}

/* A train of which the messages are kept: their bytes and peers stay. */
static void keep_a_train(void **state)
{
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
	uint32_t last[PEERS] = { 0 };

	(void)state;
	x->kept_count = 0;
	if (!peer_send(x, 1, 30, 500, 100) || !peer_send(x, 3, 30, 300, 300)) {
		dg_free(x);
		skip();
	}
	all_arrive(x);
	/* Others come meanwhile. */
	for (unsigned n = 1; n <= 500; n++) {
		peer_send(x, 2, 1, 0, 1000);
		if (n % 50 == 0)
			all_arrive(x); /* a small receive buffer takes no more at a time */
	}
	for (unsigned i = 0; i < x->kept_count; i++) {
		struct weir_buf *b = x->kept[i];
		unsigned who = peer_of(x, weir_buf_peer(b)) - x->peers;
		uint32_t index = get32(b->data + 4);

		assert_int_equal(index >> 24, who);
		frame_check(b->data, weir_buf_len(b), index);
		assert_true((index & 0xffffff) >= last[who]);
		last[who] = (index & 0xffffff) + 1;
		weir_buf_free(b);
	}
	dg_free(x);
}

/* Everything goes back where it came from. */
static void answer(void **state)
{
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
	char data[4096];

	(void)state;
	x->answer = true;
	for (unsigned n = 0; n < 1000; n++) {
		unsigned who = (unsigned)t_rand_below(PEERS);
		struct peer *p = &x->peers[who];
		ssize_t got = -1;

		peer_send(x, who, 1, 0, HEADER + (uint32_t)t_rand_below(3000));
		all_arrive(x);
		if (t_faulty()) {
			got = recv(p->fd, data, sizeof data, MSG_DONTWAIT);
			if (got < 0)
				continue;
		} else {
			t_until_polled(x->rig.e,
				       (got = recv(p->fd, data, sizeof data, MSG_DONTWAIT)) >= 0,
				       (void)0);
		}
		p->back++;
		frame_check(data, (size_t)got, get32(data + 4));
		assert_int_equal(get32(data + 4) >> 24, who);
	}
	t_until(x->rig.e, weir_io_tx_queue_len(x->rig.io) == 0);
	if (!t_faulty())
		assert_int_equal(x->failed, 0);
	dg_free(x);
}

static void empty_datagrams(void **state)
{
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
	struct weir_buf *b = weir_buf_new(x->rig.pool, 0, 0);
	char c;

	(void)state;
	assert_non_null(b);
	t_until_polled(x->rig.e, x->saw_empty, (void)send(x->peers[0].fd, "", 0, MSG_DONTWAIT));
	assert_int_equal(weir_io_sendto(x->rig.io, b, 0, &x->peers[1].addr.sa), 0);
	t_until(x->rig.e, x->sent == 1);
	if (!x->failed)
		assert_int_equal(recv(x->peers[1].fd, &c, 1, MSG_DONTWAIT), 0);
	dg_free(x);
}

/* A queue of datagrams to several peers, larger than the flight. */
static void send_many(void **state)
{
	const struct weir_io_opts o = { .size = sizeof o, .tx_queue_max = 5000 };
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, &o);
	static char data[65536];
	uint32_t back = 0, next[PEERS] = { 0 };

	(void)state;
	for (unsigned n = 0; n < 1000; n++) {
		unsigned who = (unsigned)t_rand_below(PEERS);
		uint32_t len = t_rand_below(4) ? 200 : HEADER + (uint32_t)t_rand_below(1200);
		struct weir_buf *b = frame_buf(x->rig.pool, who << 24 | n, len);

		assert_int_equal(weir_io_sendto(x->rig.io, b, MSG_NOSIGNAL, &x->peers[who].addr.sa),
				 0);
	}
	t_until_polled(x->rig.e, x->sent == 1000, {
		for (unsigned i = 0; i < PEERS; i++) {
			ssize_t n;

			while ((n = recv(x->peers[i].fd, data, sizeof data, MSG_DONTWAIT)) > 0) {
				uint32_t index = get32(data + 4);

				frame_check(data, (size_t)n, index);
				assert_int_equal(index >> 24, i);
				assert_true((index & 0xffffff) >= next[i] || t_faulty());
				next[i] = (index & 0xffffff) + 1;
				back++;
			}
		}
	});
	if (!t_faulty())
		assert_int_equal(x->failed, 0);
	assert_true(back > 0 && back <= 1000);
	dg_free(x);
}

/* ---- misuse ---- */

static void misuse(void **state)
{
	struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
	struct weir_buf *b = weir_buf_new(x->rig.pool, 70000, 0);
	struct sockaddr odd = { .sa_family = AF_UNIX };

	(void)state;
	assert_non_null(b);
	assert_non_null(weir_buf_put(b, 65508));
	memset(b->data, 0, 65508);
	assert_int_equal(weir_io_sendto(x->rig.io, b, 0, &x->peers[0].addr.sa), -EMSGSIZE);
	assert_int_equal(weir_buf_trim(b, 100), 0);
	assert_int_equal(weir_io_sendto(x->rig.io, b, 0, &odd), -EAFNOSUPPORT);
	assert_int_equal(weir_io_sendto(x->rig.io, b, MSG_OOB, &x->peers[0].addr.sa), -EINVAL);
	assert_int_equal(weir_io_sendto(x->rig.io, b, 0, NULL), -EDESTADDRREQ);
	assert_int_equal(weir_io_write(x->rig.io, b), -EPROTOTYPE);
	assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, NULL), -EPROTOTYPE);
	assert_int_equal(weir_io_set_segmentation(x->rig.io, NULL), -EPROTOTYPE);
	weir_buf_free(b);
	dg_free(x);
}

/* ---- recvmsg and sendmsg ---- */

static void on_received_msg(struct weir_io *io, int res, struct weir_buf *buf,
			    const struct msghdr *msg)
{
	struct dg *x = weir_io_user(io);

	assert_true(res >= 0);
	assert_non_null(msg);
	x->got++;
	x->flags = msg->msg_flags;
	assert_null(msg->msg_control);
	if (msg->msg_name) {
		assert_int_equal(msg->msg_namelen, x->local.len);
		check(x, buf, msg->msg_name);
		if (x->answer) {
			const struct msghdr back = {
				.msg_name = msg->msg_name,
				.msg_namelen = msg->msg_namelen,
			};

			assert_int_equal(weir_io_sendmsg(io, buf, 0, &back), 0);
			return;
		}
	}
	weir_buf_free(buf);
}

static void on_sent_msg(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct dg *x = weir_io_user(io);

	x->sent++;
	if (res < 0)
		x->failed++;
	else
		assert_int_equal(res, weir_buf_len(buf));
}

static const struct weir_io_ops msg_ops = {
	.received_msg = on_received_msg,
	.sent_msg = on_sent_msg,
};

static void message_mode(void **state)
{
	const char *const addresses[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < T_COUNT(addresses); i++) {
		struct dg *x = dg_new(addresses[i], WEIR_IO_RECVMSG_SENDMSG, &msg_ops, NULL);
		struct weir_buf *b = frame_buf(x->rig.pool, 0, 50);
		struct iovec iov = { .iov_base = &x, .iov_len = 1 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		char data[64];

		assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, &msg), -EINVAL);
		msg = (struct msghdr){ .msg_control = data, .msg_controllen = sizeof data };
		assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, &msg), -EOPNOTSUPP);
		msg = (struct msghdr){ .msg_name = &x->peers[0].addr.sa, .msg_namelen = 3 };
		assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, &msg), -EINVAL);
		assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, NULL), -EDESTADDRREQ);
		assert_int_equal(weir_io_sendto(x->rig.io, b, 0, NULL), -EPROTOTYPE);
		weir_buf_free(b);

		x->answer = true;
		for (unsigned n = 0; n < 300; n++)
			peer_send(x, n % PEERS, 1, 0, 300);
		if (i == 0)
			peer_send(x, 0, 20, 100, 50);
		all_arrive(x);
		t_until(x->rig.e, x->sent == x->got);
		assert_int_equal(x->flags, 0);
		dg_free(x);
	}
}

/* The same mode on a stream: no boundaries, no addresses. */
static void message_mode_on_stream(void **state)
{
	struct dg *x = calloc(1, sizeof *x);
	struct msghdr msg = { 0 };
	struct weir_buf *b;
	char data[64];

	(void)state;
	assert_non_null(x);
	rig_start(&x->rig, NULL, NULL);
	rig_tcp(&x->rig, WEIR_IO_RECVMSG_SENDMSG, &msg_ops, x, NULL);
	b = frame_buf(x->rig.pool, 0, 50);
	msg.msg_name = &x->local.sa;
	msg.msg_namelen = sizeof(struct sockaddr_in);
	x->local.sa.sa_family = AF_INET;
	assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, &msg), -EISCONN);
	assert_int_equal(weir_io_sendmsg(x->rig.io, b, MSG_MORE, NULL), 0);
	assert_int_equal(weir_io_sendmsg(x->rig.io, frame_buf(x->rig.pool, 1, 9), 0, NULL), 0);
	t_until(x->rig.e, x->sent == 2);
	/* SENT says that the kernel has it; a wire takes its time. */
	t_until_polled(x->rig.e, recv(x->rig.raw, data, sizeof data, MSG_PEEK | MSG_DONTWAIT) == 59,
		       (void)0);
	assert_int_equal(recv(x->rig.raw, data, sizeof data, MSG_DONTWAIT), 59);
	assert_int_equal(raw_push(x->rig.raw, "hello", 5, 5), 5);
	t_until(x->rig.e, x->got > 0);
	rig_end(&x->rig);
	free(x);
}

/* ---- connected, errors, closing ---- */

static void connected_peer(void **state)
{
	struct dg *x = calloc(1, sizeof *x);
	struct weir_sock_opts so = { .size = sizeof so };
	struct weir_addr a;
	char to[128], c[200];
	int fd = t_raw_udp("127.0.0.1:0", &a);

	(void)state;
	assert_non_null(x);
	x->no_peer = true;
	so.peer = weir_addr_format(&a.sa, to, sizeof to);
	rig_start(&x->rig, NULL, NULL);
	rig_io(&x->rig, WEIR_IO_RECVFROM_SENDTO, &ops, x, NULL);
	assert_int_equal(weir_io_udp_open(x->rig.io, NULL, &so, NULL), 0);
	assert_int_equal(weir_io_sendto(x->rig.io, frame_buf(x->rig.pool, 0, 90), 0, NULL), 0);
	t_until(x->rig.e, x->sent == 1);
	if (!x->failed)
		assert_int_equal(recv(fd, c, sizeof c, MSG_DONTWAIT), 90);
	/* Nobody is there any more: the ICMP error is told, and it goes on. */
	close(fd);
	for (unsigned n = 0; !x->errors && !x->failed; n++) {
		assert_true(n < 1000);
		assert_int_equal(weir_io_sendto(x->rig.io, frame_buf(x->rig.pool, 0, 90), 0, NULL),
				 0);
		t_until(x->rig.e, weir_io_tx_queue_len(x->rig.io) == 0);
	}
	if (x->errors && !t_faulty())
		assert_int_equal(x->last_res, -ECONNREFUSED);
	rig_end(&x->rig);
	free(x);
}

static void act_inside_received(void **state)
{
	(void)state;
	for (enum act act = ACT_PAUSE; act < ACT_COUNT; act++) {
		struct dg *x = dg_new("127.0.0.1:0", WEIR_IO_RECVFROM_SENDTO, &ops, NULL);
		struct weir_addr a;

		t_note("%s inside received_from", act_names[act]);
		if (act == ACT_REOPEN)
			x->rig.spare = t_raw_udp("127.0.0.1:0", &a);
		x->act = act;
		x->act_at = 3;
		/* The rest of the train belongs to the same slice. */
		t_until_polled(x->rig.e, x->gone, {
			if (!peer_send(x, 0, 20, 100, 100))
				peer_send(x, 0, 1, 0, 100);
		});
		t_step_idle(x->rig.e);
		assert_int_equal(x->got, 3);
		x->gone = false;
		x->act = ACT_NONE;
		if (act == ACT_PAUSE)
			weir_io_resume(x->rig.io);
		else if (act == ACT_UNREGISTER)
			assert_int_equal(weir_io_register(x->rig.io), 0);
		if (act == ACT_PAUSE || act == ACT_UNREGISTER)
			all_arrive(x);
		dg_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(many_peers),
		T_CASE(trains),
		T_CASE(keep_a_train),
		T_CASE(answer),
		T_CASE(empty_datagrams),
		T_CASE(send_many),
		T_CASE(misuse),
		T_CASE(message_mode),
		T_CASE(message_mode_on_stream),
		T_CASE(connected_peer),
		T_CASE(act_inside_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
