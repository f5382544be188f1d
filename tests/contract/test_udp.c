/* SPDX-License-Identifier: MIT */
/*
 * test_udp.c - datagrams: bounds, peers, sizes, trains (GSO, GRO), errors.
 *
 * Theory: a datagram carries its number and length in front where there is room and content that
 * is a function of the number behind, so that a receiver can tell which it is whatever way it
 * came.  Loopback loses datagrams only where a receive buffer is full; the tests keep less in
 * flight than fits.  The order is not asserted under faults.
 *
 * Parts: yes
 * Zerocopy: always
 */
#include "t.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define LIMIT 65507u /* largest payload over IPv4 */
#define KEPT 4096

struct got {
	uint32_t len;
	uint16_t port; /* of the peer */
	bool train;
	bool right; /* content fits its number */
	uint32_t number;
};

struct udp {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_sock *s;
	struct got got[KEPT];
	unsigned count, errors, sent, send_errors, refused, trains;
	int last_error;
	uint64_t sent_bytes;
	bool closed, echo;
};

static void fill(char *to, uint32_t number, uint32_t len)
{
	t_pattern_fill(to, number, 0, len);
	if (len >= 8) {
		memcpy(to, &number, 4);
		memcpy(to + 4, &len, 4);
	}
}

static bool right(const char *data, uint32_t len, uint32_t *number)
{
	uint32_t claimed;

	*number = UINT32_MAX;
	if (len < 8)
		return true;
	memcpy(number, data, 4);
	memcpy(&claimed, data + 4, 4);
	return claimed == len && *number < 1u << 24 &&
	       !memcmp(data + 8, (const char *)t_pattern(*number, 0) + 8, len - 8);
}

static uint16_t port_of(const struct sockaddr *sa)
{
	assert_non_null(sa);
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	assert_int_equal(sa->sa_family, AF_INET6);
	return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
}

static void udp_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct udp *u = user;

	assert_ptr_equal(u->s, s);
	for (unsigned i = 0; i < n; i++) {
		uint32_t count = weir_slice_datagram_count(&v[i]), sum = 0;

		assert_int_equal(v[i].flags, 0); /* legal datagrams are never cut */
		assert_non_null(v[i].area);
		u->trains += count > 1;
		for (uint32_t j = 0; j < count; j++) {
			struct got *g = &u->got[u->count % KEPT];
			uint32_t len;
			char *data = weir_slice_datagram(&v[i], j, &len);

			assert_ptr_equal(data, (char *)v[i].data + sum);
			sum += len;
			g->len = len;
			g->train = count > 1;
			g->port = port_of(v[i].peer);
			g->right = right(data, len, &g->number);
			if (!g->right)
				fail_msg("datagram of %u bytes, number %u: wrong content", len,
					 g->number);
			u->count++;
		}
		assert_int_equal(sum, v[i].len);
		if (u->echo)
			assert_int_equal(weir_sock_send_slice(s, &v[i], 0, 0), 0);
	}
}

static void udp_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct udp *u = user;

	assert_ptr_equal(u->s, s);
	assert_true(tag > 0);
	u->sent++;
	if (res < 0)
		u->send_errors++;
	else
		u->sent_bytes += res;
}

static void udp_writable(struct weir_sock *s, void *user)
{
	(void)s;
	(void)user;
}

static void udp_failed(struct weir_sock *s, int res, void *user)
{
	struct udp *u = user;

	assert_ptr_equal(u->s, s);
	assert_true(res < 0);
	u->errors++;
	u->last_error = res;
}

static void udp_closed(struct weir_sock *s, void *user)
{
	struct udp *u = user;

	assert_ptr_equal(u->s, s);
	u->closed = true;
	u->s = NULL;
}

static const struct weir_sock_ops udp_ops = {
	.received = udp_received,
	.sent = udp_sent,
	.writable = udp_writable,
	.failed = udp_failed,
	.closed = udp_closed,
};

static struct udp *udp_new(struct weir_engine *e, const char *local, const char *peer,
			   uint32_t flags)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = flags,
				     .peer = peer,
				     .rcvbuf_bytes = 4 << 20,
				     .sndbuf_bytes = 1 << 20 };
	struct udp *u = calloc(1, sizeof *u);
	struct weir_error err = { 0 };

	assert_non_null(u);
	u->ops = &udp_ops;
	if (weir_udp_open(e, local, &udp_ops, u, &so, &u->s, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("weir_udp_open");
	}
	return u;
}

static void udp_free(struct weir_engine *e, struct udp *u)
{
	weir_sock_close(u->s);
	t_until(e, u->closed);
	free(u);
}

static const char *const locals[] = { "127.0.0.1:0", "[::1]:0" };

/* Sizes that are special, each alone, both ways of naming the peer. */
static void sizes(void **state)
{
	static const uint32_t list[] = { 0,    1,    7,	   8,	  512,	 1472,
					 1473, 4096, 9000, 32768, 65000, LIMIT };

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct weir_engine *e = t_open(NULL);
		struct udp *rx = udp_new(e, locals[family], NULL, 0);
		struct weir_addr to = t_local(rx->s);
		char text[128], *mem = malloc(LIMIT);
		struct udp *tx = udp_new(e, NULL, t_local_text(rx->s, text, sizeof text), 0);
		struct weir_addr from = t_local(tx->s);
		uint16_t port = port_of(&from.sa);
		unsigned expected = 0;

		for (unsigned i = 0; i < 3 * T_COUNT(list); i++) {
			uint32_t len = list[i / 3];
			int ret;

			fill(mem, i, len);
			if (i % 3 == 0)
				ret = weir_sock_send(tx->s, mem, len, 0, i + 1);
			else if (i % 3 == 1)
				ret = weir_sock_sendto(tx->s, mem, len, 0, NULL, WEIR_SEND_COPY,
						       i + 1);
			else
				ret = weir_sock_sendto(tx->s, mem, len, 0, family ? NULL : &to.sa,
						       0, i + 1);
			assert_int_equal(ret, 0);
			expected++;
			t_until(e, rx->count == expected && tx->sent == expected);
			assert_int_equal(rx->got[expected - 1].len, len);
			assert_int_equal(rx->got[expected - 1].port, port);
			if (len >= 8)
				assert_int_equal(rx->got[expected - 1].number, i);
		}
		assert_int_equal(tx->send_errors, 0);
		udp_free(e, tx);
		udp_free(e, rx);
		t_close(e);
		free(mem);
	}
}

static void too_long(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct udp *u = udp_new(e, "127.0.0.1:0", NULL, 0);
	struct weir_addr a = t_local(u->s);
	char *mem = calloc(1, 1 << 20);
	struct iovec iov[2] = { { mem, 40000 }, { mem, 40000 } };

	(void)state;
	assert_int_equal(weir_sock_sendto(u->s, mem, LIMIT + 1, 0, &a.sa, 0, 1), -EMSGSIZE);
	assert_int_equal(weir_sock_sendto(u->s, mem, 1 << 20, LIMIT + 1, &a.sa, 0, 1), -EMSGSIZE);
	assert_int_equal(weir_sock_sendto(u->s, mem, 100, 0, NULL, 0, 1), -EDESTADDRREQ);
	assert_int_equal(weir_sock_send(u->s, mem, 100, 0, 1), -EDESTADDRREQ);
	assert_int_equal(weir_sock_sendv(u->s, iov, 2, 0, 1), -EDESTADDRREQ);
	assert_int_equal(weir_sock_shutdown(u->s), -EINVAL);
	t_step_idle(e);
	assert_int_equal(u->sent, 0);
	udp_free(e, u);
	/* With a peer. */
	u = udp_new(e, "127.0.0.1:0", "127.0.0.1:9", 0);
	assert_int_equal(weir_sock_send(u->s, mem, LIMIT + 1, 0, 1), -EMSGSIZE);
	assert_int_equal(weir_sock_sendv(u->s, iov, 2, 0, 1), -EMSGSIZE);
	udp_free(e, u);
	free(mem);
	t_close(e);
}

/* Bursts of mixed sizes to one peer: every bound is kept. */
static void mixed_sizes(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		struct weir_engine *e = t_open(NULL);
		struct udp *rx =
			udp_new(e, locals[round & 1], NULL, round & 2 ? WEIR_SOCK_NO_GRO : 0);
		char text[128];
		struct udp *tx = udp_new(e, NULL, t_local_text(rx->s, text, sizeof text),
					 round & 4 ? WEIR_SOCK_NO_GSO : 0);
		unsigned expected = 0;
		uint64_t bytes = 0;

		for (unsigned burst = 0; burst < 12; burst++) {
			unsigned n = 1 + t_rand_below(20);
			uint32_t same = 8 + t_rand_below(1400);
			uint32_t sent[20];

			for (unsigned i = 0; i < n; i++) {
				uint32_t len = t_rand_below(4) ? same : t_rand_size(3000);
				char mem[3000];

				fill(mem, expected + i, len);
				assert_int_equal(weir_sock_send(tx->s, mem, len, WEIR_SEND_COPY,
								expected + i + 1),
						 0);
				sent[i] = len;
				bytes += len;
			}
			t_until(e, rx->count == expected + n && tx->sent == expected + n);
			for (unsigned i = 0; i < n && !t_faulty(); i++) {
				struct got *g = &rx->got[expected + i];

				assert_int_equal(g->len, sent[i]);
				if (sent[i] >= 8)
					assert_int_equal(g->number, expected + i);
			}
			expected += n;
		}
		assert_int_equal(tx->sent_bytes, bytes);
		assert_int_equal(tx->send_errors, 0);
		if (round & 2)
			assert_int_equal(rx->trains, 0);
		udp_free(e, tx);
		udp_free(e, rx);
		t_close(e);
	}
}

/* One call, many datagrams: the last one shorter, or not, or alone. */
static void trains(void **state)
{
	static const uint32_t segments[] = { 8, 100, 512, 1472, 9000, 20000 };

	(void)state;
	for (unsigned i = 0; i < 2 * T_COUNT(segments); i++) {
		struct weir_engine *e = t_open(NULL);
		struct udp *rx = udp_new(e, "127.0.0.1:0", NULL, 0);
		struct weir_addr to = t_local(rx->s);
		struct udp *tx = udp_new(e, "127.0.0.1:0", NULL, i & 1 ? WEIR_SOCK_NO_GSO : 0);
		uint32_t segment = segments[i / 2];

		for (unsigned round = 0; round < 6; round++) {
			uint32_t fit = 60000 / segment < 64 ? 60000 / segment : 64;
			uint32_t count = 1 + t_rand_below(fit);
			uint32_t last = round % 2 ? segment : 1 + t_rand_below(segment);
			uint32_t len = (count - 1) * segment + last, before = rx->count;
			unsigned flags = round % 3 ? 0 : WEIR_SEND_COPY;
			char *mem = malloc(len);
			bool seen[64] = { false };

			assert_non_null(mem);
			for (uint32_t j = 0; j < count; j++)
				fill(mem + j * segment, j, j + 1 < count ? segment : last);
			assert_int_equal(weir_sock_sendto(tx->s, mem, len, segment, &to.sa, flags,
							  round + 1),
					 0);
			if (flags)
				memset(mem, 0xdd, len);
			t_until(e, rx->count == before + count && tx->sent == round + 1);
			for (uint32_t j = 0; j < count; j++) {
				struct got *g = &rx->got[(before + j) % KEPT];

				if (g->len < 8)
					continue;
				assert_true(g->number < count && !seen[g->number]);
				seen[g->number] = true;
				assert_int_equal(g->len, g->number + 1 < count ? segment : last);
			}
			free(mem);
		}
		assert_int_equal(tx->send_errors, 0);
		udp_free(e, tx);
		udp_free(e, rx);
		t_close(e);
	}
}

/* A train longer than one request holds. */
static void long_train(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct udp *rx = udp_new(e, "127.0.0.1:0", NULL, 0);
	struct weir_addr to = t_local(rx->s);
	struct udp *tx = udp_new(e, "127.0.0.1:0", NULL, 0);
	uint32_t count = 300, segment = 200;
	char *mem = malloc(count * segment);

	(void)state;
	assert_non_null(mem);
	for (uint32_t j = 0; j < count; j++)
		fill(mem + j * segment, j, j + 1 < count ? segment : segment - 50);
	assert_int_equal(weir_sock_sendto(tx->s, mem, count * segment - 50, segment, &to.sa,
					  WEIR_SEND_COPY, 77),
			 0);
	t_until(e, rx->count == count && tx->sent == 1);
	assert_int_equal(tx->sent_bytes, count * segment - 50);
	free(mem);
	udp_free(e, tx);
	udp_free(e, rx);
	t_close(e);
}

/* Several peers and one socket: each train has one peer, each peer its own content. */
static void mixed_peers(void **state)
{
	enum { PEERS = 5 };
	struct weir_engine *e = t_open(NULL);
	struct udp *tx = udp_new(e, "127.0.0.1:0", NULL, 0);
	struct udp *rx[PEERS];
	struct weir_addr to[PEERS];
	unsigned expected[PEERS] = { 0 }, total = 0;

	(void)state;
	for (unsigned i = 0; i < PEERS; i++) {
		rx[i] = udp_new(e, i % 2 ? "127.0.0.1:0" : "127.0.0.2:0", NULL, 0);
		to[i] = t_local(rx[i]->s);
	}
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned n = 1 + t_rand_below(16); n; n--) {
			unsigned p = t_rand_below(3) ? round % PEERS : t_rand_below(PEERS);
			uint32_t len = 100 + 100 * t_rand_below(3);
			char mem[400];

			/* The number says which peer it is for. */
			fill(mem, 1000 * p + expected[p], len);
			assert_int_equal(weir_sock_sendto(tx->s, mem, len, 0, &to[p].sa,
							  WEIR_SEND_COPY, ++total),
					 0);
			expected[p]++;
		}
		for (unsigned i = 0; i < PEERS; i++)
			t_until(e, rx[i]->count == expected[i]);
	}
	t_until(e, tx->sent == total);
	for (unsigned i = 0; i < PEERS; i++) {
		for (unsigned j = 0; j < expected[i]; j++) {
			assert_int_equal(rx[i]->got[j].number / 1000, i);
			if (!t_faulty())
				assert_int_equal(rx[i]->got[j].number % 1000, j);
		}
		udp_free(e, rx[i]);
	}
	udp_free(e, tx);
	t_close(e);
}

/* Trains of a plain sender with UDP_SEGMENT, and of several senders to one socket. */
static void plain_gso_sender(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct udp *rx = udp_new(e, "127.0.0.1:0", NULL, 0);
	struct weir_addr to = t_local(rx->s), a[2];
	int fd[2], segment = 1200;
	unsigned expected = 0, trains_possible = 0;
	uint16_t port[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = t_raw_udp("127.0.0.1:0", &a[i]);
		port[i] = port_of(&a[i].sa);
		if (!setsockopt(fd[i], IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment))
			trains_possible++;
	}
	if (trains_possible < 2)
		skip();
	for (unsigned round = 0; round < 30; round++) {
		unsigned who = t_rand_below(2), count = 1 + t_rand_below(40);
		uint32_t last = 8 + t_rand_below(segment - 7);
		uint32_t len = (count - 1) * segment + last, before = rx->count;
		char *mem = malloc(len);

		assert_non_null(mem);
		for (unsigned j = 0; j < count; j++)
			fill(mem + j * segment, expected + j,
			     j + 1 < count ? (uint32_t)segment : last);
		assert_int_equal(sendto(fd[who], mem, len, 0, &to.sa, to.len), len);
		free(mem);
		t_until(e, rx->count == before + count);
		for (unsigned j = 0; j < count; j++) {
			struct got *g = &rx->got[(before + j) % KEPT];

			assert_int_equal(g->port, port[who]);
			if (!t_faulty())
				assert_int_equal(g->number, expected + j);
		}
		expected += count;
	}
	/* With GRO trains arrive as trains. */
	if (!t_without("gro"))
		assert_true(rx->trains > 0);
	close(fd[0]);
	close(fd[1]);
	udp_free(e, rx);
	t_close(e);
}

/* Echo by slice: trains go back as trains, to whom they came from. */
static void echo(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct udp *server = udp_new(e, "127.0.0.1:0", NULL, 0);
	char text[128];
	struct udp *client = udp_new(e, NULL, t_local_text(server->s, text, sizeof text), 0);
	char *mem = malloc(60000);

	(void)state;
	assert_non_null(mem);
	server->echo = true;
	for (unsigned round = 0; round < 20; round++) {
		uint32_t segment = 8 + t_rand_below(1400), count = 1 + t_rand_below(40);
		uint32_t before = client->count;

		for (uint32_t j = 0; j < count; j++)
			fill(mem + j * segment, j, segment);
		assert_int_equal(weir_sock_sendto(client->s, mem, count * segment, segment, NULL, 0,
						  round + 1),
				 0);
		t_until(e, client->count == before + count && client->sent == round + 1);
	}
	udp_free(e, client);
	udp_free(e, server);
	free(mem);
	t_close(e);
}

/* Nobody there: ERROR, and the socket goes on. */
static void unreachable(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_addr a;
	int fd = t_raw_udp("127.0.0.1:0", &a);
	struct udp *u;
	char text[128], mem[100];
	uint16_t port;

	(void)state;
	close(fd);
	u = udp_new(e, "127.0.0.1:0", weir_addr_format(&a.sa, text, sizeof text), 0);
	port = port_of(&a.sa);
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = u->errors + u->send_errors;

		fill(mem, i, sizeof mem);
		assert_int_equal(weir_sock_send(u->s, mem, sizeof mem, WEIR_SEND_COPY, i + 1), 0);
		/* The kernel tells the receive or the next send: either is an answer. */
		while (u->errors + u->send_errors == before)
			t_step_some(e, "an error");
		if (u->errors)
			assert_int_equal(u->last_error, -ECONNREFUSED);
	}
	assert_true(u->errors > 0);
	/* Now somebody is there. */
	t_until(e, u->sent == 5);
	a = t_local(u->s);
	snprintf(text, sizeof text, "127.0.0.1:%u", port);
	{
		struct udp *server = udp_new(e, text, NULL, 0);

		fill(mem, 99, sizeof mem);
		while (!server->count) {
			unsigned sent = u->sent;

			assert_int_equal(weir_sock_send(u->s, mem, sizeof mem, WEIR_SEND_COPY, 9),
					 0);
			while (u->sent == sent)
				t_step_some(e, "sent");
			t_step(e, 2000);
		}
		assert_int_equal(server->got[0].number, 99);
		assert_int_equal(
			weir_sock_sendto(server->s, mem, sizeof mem, 0, &a.sa, WEIR_SEND_COPY, 0),
			0);
		t_until(e, u->count == 1);
		udp_free(e, server);
	}
	udp_free(e, u);
	t_close(e);
}

/* Close with sends queued: their tags come back. */
static void close_with_sends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct weir_engine *e = t_open(NULL);
		struct udp *rx = udp_new(e, "127.0.0.1:0", NULL, 0);
		struct weir_addr to = t_local(rx->s);
		struct udp *tx = udp_new(e, "127.0.0.1:0", NULL, 0);
		unsigned n = 1 + t_rand_below(100);

		for (unsigned j = 0; j < n; j++)
			assert_int_equal(weir_sock_sendto(tx->s, t_pattern(j, 0), 1000, 0, &to.sa,
							  WEIR_SEND_COPY, j + 1),
					 0);
		rx->ops = NULL; /* the content is not that of fill() */
		weir_sock_set_ops(rx->s, NULL, NULL);
		if (i % 2)
			t_step(e, 0);
		if (i % 3)
			weir_sock_finish(tx->s);
		else
			weir_sock_close(tx->s);
		t_until(e, tx->closed);
		assert_int_equal(tx->sent, n);
		if (i % 3)
			assert_int_equal(tx->send_errors, 0);
		free(tx);
		rx->ops = &udp_ops;
		weir_sock_set_ops(rx->s, &udp_ops, rx);
		weir_sock_pause(rx->s);
		weir_sock_set_ops(rx->s, NULL, NULL);
		weir_sock_close(rx->s);
		t_step_idle(e);
		t_close(e);
		free(rx);
	}
}

/* Slices of datagrams are held like others. */
static struct weir_slice kept[100];
static unsigned kept_count;

static void hold_all(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	(void)s;
	(void)user;
	for (unsigned i = 0; i < n; i++) {
		assert_true(kept_count < T_COUNT(kept));
		assert_int_equal(weir_slice_hold(&v[i]), 0);
		kept[kept_count++] = v[i];
	}
}

static void hold_everything(void **state)
{
	static const struct weir_sock_ops ops = { .received = hold_all };
	static struct t_user user = { &ops };
	struct weir_engine *e = t_open(NULL);
	struct weir_sock *s;
	struct weir_engine_stats stats;
	struct weir_addr a, from;
	unsigned number = 0, wave = 0;
	int fd;

	(void)state;
	assert_int_equal(weir_udp_open(e, "127.0.0.1:0", &ops, &user, NULL, &s, NULL), 0);
	a = t_local(s);
	fd = t_raw_udp("127.0.0.1:0", &from);
	kept_count = 0;
	for (wave = 0; wave < 3; wave++) {
		unsigned before = kept_count;
		char mem[500];

		/* One by one, so that none is lost, until there is no buffer. */
		do {
			before = kept_count;
			fill(mem, number++, sizeof mem);
			assert_int_equal(sendto(fd, mem, sizeof mem, 0, &a.sa, a.len), sizeof mem);
			for (int i = 0; i < 10 && kept_count == before; i++)
				t_step(e, 2000);
			weir_engine_get_stats(e, &stats);
		} while (kept_count > before);
		assert_true(kept_count > 0);
		while (kept_count) {
			uint32_t seen;

			kept_count--;
			assert_true(right(kept[kept_count].data, kept[kept_count].len, &seen));
			assert_int_equal(port_of(kept[kept_count].peer), port_of(&from.sa));
			assert_int_equal(weir_slice_release(&kept[kept_count]), 0);
		}
		/* The one that waited arrives. */
		t_until(e, kept_count > 0);
	}
	while (kept_count)
		assert_int_equal(weir_slice_release(&kept[--kept_count]), 0);
	close(fd);
	weir_sock_close(s);
	t_step_idle(e);
	t_close(e);
}

static void adopted(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_addr a, b;
	struct udp *u = calloc(1, sizeof *u);
	char mem[300];
	int fd, peer;

	(void)state;
	assert_non_null(u);
	u->ops = &udp_ops;
	fd = t_raw_udp("127.0.0.1:0", &a);
	peer = t_raw_udp("127.0.0.1:0", &b);
	fill(mem, 5, sizeof mem);
	assert_int_equal(sendto(peer, mem, sizeof mem, 0, &a.sa, a.len), sizeof mem);
	assert_int_equal(weir_adopt(e, fd, &udp_ops, u, NULL, &u->s, NULL), 0);
	t_until(e, u->count == 1);
	assert_int_equal(u->got[0].port, port_of(&b.sa));
	assert_int_equal(weir_sock_sendto(u->s, mem, sizeof mem, 0, &b.sa, 0, 1), 0);
	t_until(e, u->sent == 1);
	assert_int_equal(recv(peer, mem, sizeof mem, 0), sizeof mem);
	close(peer);
	udp_free(e, u);
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(sizes),
		T_CASE(too_long),
		T_CASE(mixed_sizes),
		T_CASE(trains),
		T_CASE(long_train),
		T_CASE(mixed_peers),
		T_CASE(plain_gso_sender),
		T_CASE(echo),
		T_CASE(unreachable),
		T_CASE(close_with_sends),
		T_CASE(hold_everything),
		T_CASE(adopted),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
