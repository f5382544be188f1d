/* SPDX-License-Identifier: MIT */
/*
 * test_sctp.c - SCTP: messages, streams, PPIDs, ends, one-to-one and one-to-many.
 *
 * Theory: a message carries its number and length in front and content that is a function of the
 * number behind, its stream and PPID are functions of the number too, so that a receiver knows of
 * each message whether it is whole and where it belongs.  Within a stream the numbers must rise.
 * Ends are made in every way there is, by a peer that is a plain socket where it must misbehave.
 * A kernel without SCTP skips all of it.
 *
 * Parts: yes
 */
#include "test_sctp.h"

#define BIG (300u << 10)

struct peer {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_sock *s, *accepted;
	struct peer *child; /* what an accepted socket becomes */
	bool echo;
	bool repeats; /* all messages have one number */
	/* seen */
	unsigned count, notes, sent, send_errors, writable, pieces, infos;
	int last_error, connect_res, end_res;
	uint32_t next[STREAMS];
	uint32_t at; /* bytes of the message that is being received */
	uint32_t number;
	int32_t assoc_id;
	struct sockaddr_in from;
	uint64_t bytes, tags;
	bool connected, ended, closed;
	char message[BIG];
};

static void check_message(struct peer *p, const char *data, uint32_t len)
{
	uint32_t number, claimed;

	assert_true(len >= HEAD);
	memcpy(&number, data, 4);
	memcpy(&claimed, data + 4, 4);
	assert_int_equal(claimed, len);
	t_pattern_check(data + HEAD, number, HEAD, len - HEAD);
	p->number = number;
	p->count++;
	p->bytes += len;
}

static void check_info(struct peer *p, const struct weir_slice *v)
{
	struct weir_sctp_info i = { 0 };

	assert_true(v->flags & WEIR_SLICE_SCTP);
	assert_int_equal(weir_slice_sctp(v, &i), 0);
	assert_int_equal(i.stream, p->number % STREAMS);
	assert_int_equal(i.ppid, 1000 + p->number);
	if (!(i.flags & WEIR_SCTP_UNORDERED)) {
		assert_true(p->number + 1 > p->next[i.stream] || p->repeats);
		p->next[i.stream] = p->number + 1;
	}
	p->assoc_id = i.assoc_id;
	p->infos++;
}

/* A part of a message and a train of datagrams are refused, not sent as a message. */
static void not_a_message(struct weir_sock *s, const struct weir_slice *v)
{
	struct weir_slice other = *v;

	other.flags |= WEIR_SLICE_MORE;
	assert_int_equal(weir_sock_send_slice(s, &other, 0, 0), -EINVAL);
	other = *v;
	other.segment_bytes = other.len - 1;
	if (other.segment_bytes)
		assert_int_equal(weir_sock_send_slice(s, &other, 0, 0), -EINVAL);
}

static void on_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct peer *p = user;

	assert_ptr_equal(p->s, s);
	for (unsigned i = 0; i < n; i++) {
		struct weir_sctp_info info;

		assert_true(v[i].len > 0);
		assert_non_null(v[i].peer);
		memcpy(&p->from, v[i].peer, sizeof p->from);
		if (v[i].flags & WEIR_SLICE_NOTIFICATION) {
			assert_int_equal(weir_slice_sctp(&v[i], &info), -ENODATA);
			assert_int_equal(weir_sock_send_slice(s, &v[i], 0, 0), -EINVAL);
			p->notes++;
			continue;
		}
		p->pieces++;
		assert_true(p->at + v[i].len <= sizeof p->message);
		memcpy(p->message + p->at, v[i].data, v[i].len);
		p->at += v[i].len;
		if (v[i].flags & WEIR_SLICE_MORE)
			continue;
		check_message(p, p->message, p->at);
		p->at = 0;
		check_info(p, &v[i]);
		if (!p->echo)
			continue;
		not_a_message(s, &v[i]);
		assert_int_equal(weir_sock_send_slice(s, &v[i], 0, 0), 0);
	}
}

static void on_accepted(struct weir_sock *l, struct weir_sock *s, void *user)
{
	struct peer *p = user;

	(void)l;
	assert_null(p->accepted);
	p->accepted = s;
	p->child->s = s;
	weir_sock_set_ops(s, p->child->ops, p->child);
}

static void on_connected(struct weir_sock *s, int res, void *user)
{
	struct peer *p = user;

	(void)s;
	p->connected = true;
	p->connect_res = res;
}

static void on_ended(struct weir_sock *s, int res, void *user)
{
	struct peer *p = user;

	assert_ptr_equal(p->s, s);
	assert_false(p->ended);
	p->ended = true;
	p->end_res = res;
}

static void on_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct peer *p = user;

	(void)s;
	p->sent++;
	p->tags += tag;
	if (res < 0) {
		p->send_errors++;
		p->last_error = res;
	}
}

static void on_writable(struct weir_sock *s, void *user)
{
	(void)s;
	((struct peer *)user)->writable++;
}

static void on_failed(struct weir_sock *s, int res, void *user)
{
	(void)s, (void)user;
	fail_msg("an error that is none: %d", res);
}

static void on_closed(struct weir_sock *s, void *user)
{
	struct peer *p = user;

	assert_ptr_equal(p->s, s);
	p->s = NULL;
	p->closed = true;
}

static const struct weir_sock_ops ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.ended = on_ended,
	.sent = on_sent,
	.writable = on_writable,
	.failed = on_failed,
	.closed = on_closed,
};

static struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->ops = &ops;
	return p;
}

static void peer_free(struct weir_engine *e, struct peer *p)
{
	weir_sock_close(p->s);
	t_until(e, !p->s);
	free(p);
}

struct pair {
	struct weir_engine *e;
	struct peer *listener, *server, *client;
};

static struct pair pair_open(const char *address)
{
	struct pair p = { t_open(NULL), peer_new(), peer_new(), peer_new() };
	struct weir_error err = { 0 };
	char text[128];

	p.listener->child = p.server;
	if (weir_listen(p.e, address, &ops, p.listener, &sctp, &p.listener->s, &err) ||
	    weir_connect(p.e, t_local_text(p.listener->s, text, sizeof text), &ops, p.client, &sctp,
			 &p.client->s, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("no SCTP pair");
	}
	t_until(p.e, p.client->connected && p.server->s);
	assert_int_equal(p.client->connect_res, 0);
	return p;
}

static void pair_close(struct pair *p)
{
	peer_free(p->e, p->client);
	peer_free(p->e, p->server);
	peer_free(p->e, p->listener);
	t_close(p->e);
}

static int send_numbered(struct weir_sock *s, uint32_t number, uint32_t len, uint16_t flags,
			 int32_t assoc_id, uint64_t tag)
{
	struct weir_sctp_info i = { .stream = (uint16_t)(number % STREAMS),
				    .flags = flags,
				    .ppid = 1000 + number,
				    .assoc_id = assoc_id };
	char *data = malloc(len);
	int r;

	assert_non_null(data);
	fill(data, number, len);
	r = weir_sock_send_sctp(s, data, len, &i, NULL, WEIR_SEND_COPY, tag);
	free(data);
	return r;
}

/* Many messages, there and back: each whole, on its stream, in order. */
static void messages(void **state)
{
	static const char *const addresses[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct pair p = pair_open(addresses[family]);
		unsigned total = 600 / T_SLOW, tags = 0;

		p.server->echo = true;
		for (unsigned n = 0; n < total;) {
			uint32_t len = HEAD + (uint32_t)t_rand_below(t_rand_below(4) ? 200 : 20000);
			uint16_t how = t_rand_below(8) ? 0 : WEIR_SCTP_UNORDERED;

			if (n - p.client->count < 64) {
				assert_int_equal(send_numbered(p.client->s, n, len, how, 0, n + 1),
						 0);
				tags += ++n;
			} else {
				t_step_some(p.e, "echoes");
			}
		}
		t_until(p.e, p.client->count == total && p.client->sent == total);
		assert_int_equal(p.server->count, total);
		assert_int_equal(p.client->tags, tags);
		assert_int_equal(p.client->send_errors, 0);
		assert_int_equal(p.client->infos, total);
		assert_int_equal(p.client->notes + p.server->notes, 0);
		pair_close(&p);
	}
}

/* Plain sends: one message each, of one piece or several; options reach accepted sockets. */
static void plain_sends(void **state)
{
	struct pair p = pair_open("127.0.0.1:0");
	char data[3000], one[HEAD], *got = p.server->message;
	struct iovec iov[3] = { { data, 1000 }, { data + 1000, 1500 }, { data + 2500, 500 } };
	struct weir_sock_stats st;
	socklen_t len = sizeof(int);
	int value = 0;

	(void)state;
	p.server->repeats = true;
	fill(data, 0, sizeof data);
	fill(one, 0, sizeof one);
	/* Number 0 has stream 0; the PPID is set as the socket's default. */
	assert_int_equal(setsockopt(weir_sock_fd(p.client->s), IPPROTO_SCTP, SCTP_DEFAULT_SNDINFO,
				    &(struct sctp_sndinfo){ .snd_ppid = htonl(1000) },
				    sizeof(struct sctp_sndinfo)),
			 0);
	assert_int_equal(weir_sock_sendv(p.client->s, iov, 3, 0, 7), 0);
	t_until(p.e, p.server->count == 1 && p.client->sent == 1);
	assert_int_equal(p.server->bytes, sizeof data);
	assert_memory_equal(got, data, sizeof data);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(weir_sock_send(p.client->s, one, sizeof one, 0, i == 4), 0);
	t_until(p.e, p.server->count == 6 && p.client->sent == 2);
	assert_int_equal(p.server->pieces, 6); /* nothing was joined */
	weir_sock_get_stats(p.client->s, &st);
	assert_int_equal(st.tx_datagrams, 6);
	assert_int_equal(st.tx_bytes, sizeof data + 5 * HEAD);
	assert_int_equal(
		getsockopt(weir_sock_fd(p.server->s), IPPROTO_SCTP, SCTP_NODELAY, &value, &len), 0);
	assert_int_equal(value, 1);
	pair_close(&p);
}

/* Longer than a buffer: pieces, of which all but the last say that there is more. */
static void long_messages(void **state)
{
	struct pair p = pair_open("127.0.0.1:0");

	(void)state;
	for (uint32_t n = 0; n < 4; n++)
		assert_int_equal(send_numbered(p.client->s, n, BIG - n, 0, 0, n + 1), 0);
	t_until(p.e, p.server->count == 4 && p.client->sent == 4);
	assert_true(p.server->pieces > 4);
	assert_int_equal(p.client->send_errors, 0);
	pair_close(&p);
}

/* What the kernel refuses is told; what is behind it goes on. */
static void refused(void **state)
{
	struct pair p = pair_open("127.0.0.1:0");
	struct weir_sctp_info bad = { .stream = 60000 };
	struct sockaddr_in nobody = { .sin_family = AF_INET };
	size_t huge = 16 << 20;
	char *data = calloc(1, huge);
	struct weir_sock *c = p.client->s;

	(void)state;
	assert_int_equal(send_numbered(c, 0, 100, 0, 0, 1), 0);
	assert_int_equal(weir_sock_send_sctp(c, data, 10, &bad, NULL, 0, 2), 0);
	assert_int_equal(send_numbered(c, 1, 100, 0, 0, 4), 0);
	assert_int_equal(weir_sock_send_sctp(c, data, huge, NULL, NULL, 0, 8), 0);
	assert_int_equal(send_numbered(c, 2, 100, 0, 0, 16), 0);
	t_until(p.e, p.client->sent == 5 && p.server->count == 3);
	assert_int_equal(p.client->tags, 31);
	assert_int_equal(p.client->send_errors, 2);
	/* And what the library itself refuses. */
	assert_int_equal(weir_sock_send(c, data, 0, 0, 0), -EINVAL);
	assert_int_equal(weir_sock_sendto(c, data, 10, 5, NULL, 0, 0), -EINVAL);
	assert_int_equal(weir_sock_send_sctp(c, data, 0, NULL, NULL, 0, 0), -EINVAL);
	bad = (struct weir_sctp_info){ .flags = WEIR_SCTP_EOF };
	assert_int_equal(weir_sock_send_sctp(c, NULL, 0, &bad, NULL, 0, 0), -EINVAL);
	bad = (struct weir_sctp_info){ .flags = 1 << 14 };
	assert_int_equal(weir_sock_send_sctp(c, data, 1, &bad, NULL, 0, 0), -EINVAL);
	bad = (struct weir_sctp_info){ .reserved = 1 };
	assert_int_equal(weir_sock_send_sctp(c, data, 1, &bad, NULL, 0, 0), -EINVAL);
	assert_int_equal(weir_sock_send_sctp(p.listener->s, data, 1, NULL, NULL, 0, 0), -EINVAL);
	nobody.sin_family = AF_UNIX;
	assert_int_equal(weir_sock_sendto(c, data, 1, 0, (void *)&nobody, 0, 0), -EINVAL);
	assert_int_equal(weir_slice_sctp(NULL, &bad), -EINVAL);
	assert_false(p.client->ended || p.server->ended);
	free(data);
	pair_close(&p);
}

static void bad_options(void **state)
{
	struct weir_sock_opts o = sctp;
	struct weir_error err = { 0 };
	struct weir_engine *e = t_open(NULL);
	struct weir_sock *s;
	int fds[2];

	(void)state;
	o.protocol = IPPROTO_UDP;
	t_expect(weir_listen(e, "127.0.0.1:0", NULL, NULL, &o, NULL, &err), &err, -EINVAL);
	o.protocol = IPPROTO_SCTP;
	t_expect(weir_listen(e, t_unix(), NULL, NULL, &o, NULL, &err), &err, -EINVAL);
	t_expect(weir_udp_open(e, "127.0.0.1:0", NULL, NULL, &o, NULL, &err), &err, -EINVAL);
	o.reserved2 = 1;
	t_expect(weir_listen(e, "127.0.0.1:0", NULL, NULL, &o, NULL, &err), &err, -EINVAL);
	t_raw_pair(fds);
	assert_int_equal(weir_adopt(e, fds[0], NULL, NULL, NULL, &s, NULL), 0);
	assert_int_equal(weir_sock_send_sctp(s, "x", 1, NULL, NULL, 0, 0), -EOPNOTSUPP);
	t_drop(e);
	close(fds[1]);
}

enum how { SHUTDOWN, FINISH, FINISH_BOTH, HOWS };

/* One association with messages on their way, ended in that way; how long the end took. */
static uint64_t end_us(enum how how)
{
	struct pair p = pair_open("127.0.0.1:0");
	uint64_t took, begin = t_now_us();

	for (uint32_t n = 0; n < 50; n++)
		assert_int_equal(send_numbered(p.client->s, n, 1000, 0, 0, n + 1), 0);
	if (how == SHUTDOWN)
		assert_int_equal(weir_sock_shutdown(p.client->s), 0);
	else
		weir_sock_finish(p.client->s);
	if (how == FINISH_BOTH) /* the other side, too, at the same time */
		assert_int_equal(weir_sock_shutdown(p.server->s), 0);
	t_until(p.e, p.server->ended);
	assert_int_equal(p.server->end_res, 0);
	if (how == SHUTDOWN) {
		t_until(p.e, p.client->ended);
		assert_int_equal(p.client->end_res, 0);
		assert_int_equal(weir_sock_send(p.client->s, "x", 1, 0, 0), -EPIPE);
	} else {
		t_until(p.e, p.client->closed);
	}
	took = t_now_us() - begin;
	/* Each message has arrived, or its sender was told that it will not. */
	t_until(p.e, p.client->sent == 50);
	assert_int_equal(p.server->count + p.client->send_errors, 50);
	/* Only the other side's shutdown can be in the way of a send. */
	if (how != FINISH_BOTH)
		assert_int_equal(p.client->send_errors, 0);
	assert_int_equal(p.client->notes + p.server->notes, 0);
	pair_close(&p);
	return took;
}

/*
 * Ends by shutdown: everything queued arrives, and both sides see an end, soon: the library does
 * not wait for the two seconds that a finish may take.  One that does takes them every time, a slow
 * machine only sometimes, so that the test has as many tries as the machine needs patience.
 */
static void ends(void **state)
{
	(void)state;
	for (enum how how = SHUTDOWN; how < HOWS; how++) {
		uint64_t took = UINT64_MAX;

		for (int tries = 2 * t_patience() * T_SLOW; tries && took > 1500000; tries--)
			took = end_us(how);
		if (took > 1500000)
			fail_msg("way %d: the end took %u ms", how, (unsigned)(took / 1000));
	}
}

/* A peer that aborts: what came before is received, then the reset; a send may find it first. */
static void reset(void **state)
{
	(void)state;
	for (unsigned sends = 0; sends < 2; sends++) {
		struct weir_engine *e = t_open(NULL);
		struct peer *p = peer_new();
		struct sockaddr_in to;
		int l = raw_sctp(SOCK_STREAM), fd, got;

		raw_loopback(l, &to);
		fd = raw_connected(&to);
		got = accept(l, NULL, NULL);
		assert_true(got >= 0);
		assert_int_equal(weir_adopt(e, fd, &ops, p, &sctp, &p->s, NULL), 0);
		raw_send(got, NULL, 3, 500);
		t_until(e, p->count == 1);
		if (sends)
			weir_sock_pause(p->s);
		t_step_idle(e);
		raw_send(got, NULL, 4, 500);
		assert_int_equal(setsockopt(got, SOL_SOCKET, SO_LINGER,
					    &(struct linger){ .l_onoff = 1 },
					    sizeof(struct linger)),
				 0);
		close(got);
		if (sends) {
			assert_int_equal(send_numbered(p->s, 0, 100, 0, 0, 1), 0);
			t_until(e, p->sent);
			assert_int_equal(p->send_errors, 1);
			weir_sock_resume(p->s);
		}
		t_until(e, p->ended);
		assert_true(p->end_res == -ECONNRESET || (sends && p->end_res == -EPIPE));
		assert_int_equal(p->count, 2);
		peer_free(e, p);
		close(l);
		t_close(e);
	}
}

static void refused_connect(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct peer *p = peer_new();
	struct sockaddr_in to;
	char text[64];
	int l = raw_sctp(SOCK_STREAM);

	(void)state;
	raw_loopback(l, &to);
	close(l);
	assert_int_equal(weir_connect(e,
				      weir_addr_format((struct sockaddr *)&to, text, sizeof text),
				      &ops, p, &sctp, &p->s, NULL),
			 0);
	t_until(e, p->connected);
	assert_int_equal(p->connect_res, -ECONNREFUSED);
	peer_free(e, p);
	t_close(e);
}

/* A listener made elsewhere; the peer ends before anybody looked. */
static void adopted_listener(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct peer *p = peer_new(), *child = peer_new();
	struct sockaddr_in to;
	int l = raw_sctp(SOCK_STREAM), fd;

	(void)state;
	raw_loopback(l, &to);
	p->child = child;
	fd = raw_connected(&to);
	raw_send(fd, NULL, 7, 100);
	close(fd);
	assert_int_equal(weir_adopt(e, l, &ops, p, NULL, &p->s, NULL), 0);
	t_until(e, child->ended);
	assert_int_equal(child->end_res, 0);
	assert_int_equal(child->count, 1);
	peer_free(e, child);
	peer_free(e, p);
	t_close(e);
}

static void subscribe(int fd, uint16_t type)
{
	struct sctp_event ev = { .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = type, .se_on = 1 };

	assert_int_equal(setsockopt(fd, IPPROTO_SCTP, SCTP_EVENT, &ev, sizeof ev), 0);
}

/* One socket, many peers: answered by address and by association; one of them is shut down. */
static void one_to_many(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct peer *p = peer_new();
	struct weir_sctp_info eof = { .flags = WEIR_SCTP_EOF };
	struct pollfd pfd = { .events = POLLIN };
	struct sockaddr_in to;
	int fd = raw_sctp(SOCK_SEQPACKET), peers[5];
	char byte;

	(void)state;
	raw_loopback(fd, &to);
	subscribe(fd, SCTP_ASSOC_CHANGE);
	p->echo = true;
	assert_int_equal(weir_adopt(e, fd, &ops, p, &sctp, &p->s, NULL), 0);
	assert_int_equal(weir_sock_send(p->s, "x", 1, 0, 0), -EDESTADDRREQ);
	assert_int_equal(weir_sock_shutdown(p->s), -EINVAL);
	for (unsigned i = 0; i < T_COUNT(peers); i++) {
		peers[i] = raw_connected(&to);
		memset(p->next, 0, sizeof p->next);
		for (uint32_t n = 0; n < 20; n++)
			raw_send(peers[i], NULL, n, 100 + n);
		t_until(e, p->count == 20 * (i + 1));
		assert_int_equal(send_numbered(p->s, 1, 50, 0, p->assoc_id, 1), 0);
		t_until(e, p->sent == i + 1);
		raw_receive(peers[i], 21);
	}
	assert_int_equal(p->send_errors, 0);
	assert_true(p->notes >= T_COUNT(peers)); /* COMM_UP of each */
	assert_int_equal(weir_sock_sendto(p->s, "to an address", 13, 0, (void *)&p->from, 0, 9), 0);
	t_until(e, p->sent == 6);
	raw_receive(peers[4], 1);
	/* An end of one association is a notification, not the end of the socket. */
	eof.assoc_id = p->assoc_id;
	assert_int_equal(weir_sock_send_sctp(p->s, NULL, 0, &eof, NULL, 0, 10), 0);
	t_until(e, p->sent == 7 && p->notes >= T_COUNT(peers) + 1);
	assert_int_equal(p->send_errors, 0);
	pfd.fd = peers[4];
	assert_int_equal(poll(&pfd, 1, T_DEADLINE_MS), 1);
	assert_int_equal(recv(peers[4], &byte, 1, 0), 0);
	assert_false(p->ended);
	raw_send(peers[0], NULL, 30, 100);
	t_until(e, p->count == 101);
	for (unsigned i = 0; i < T_COUNT(peers); i++)
		close(peers[i]);
	peer_free(e, p);
	t_close(e);
}

/* The kernel takes no more: the queue fills, is refused, and drains in order. */
static void back_pressure(void **state)
{
	struct pair p = pair_open("127.0.0.1:0");
	struct weir_engine *e = p.e;
	uint32_t n = 0, len = 4000;
	int r;

	(void)state;
	weir_sock_pause(p.server->s);
	for (;;) {
		r = send_numbered(p.client->s, n, len, 0, 0, n + 1);
		if (r)
			break;
		n++;
		if (n % 100 == 0)
			t_step(e, 0);
	}
	assert_int_equal(r, -ENOBUFS);
	weir_sock_resume(p.server->s);
	t_until(e, p.server->count == n && p.client->sent == n && p.client->writable);
	assert_int_equal(p.client->send_errors, 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(messages),    T_CASE(plain_sends),     T_CASE(long_messages),
		T_CASE(refused),     T_CASE(bad_options),     T_CASE(ends),
		T_CASE(reset),	     T_CASE(refused_connect), T_CASE(adopted_listener),
		T_CASE(one_to_many), T_CASE(back_pressure),
	};

	return have_sctp() ? cmocka_run_group_tests(cases, NULL, NULL) : 77;
}
