/* SPDX-License-Identifier: MIT */
/*
 * test_zc_dgram.c - datagrams without a copy: pieces, pages, trains, errors.
 *
 * Theory: a packet holds so many pages and no more (17 where pages have 4 KiB): a datagram whose
 * pieces lie on more of them cannot be sent without a copy and must be sent with one, in its
 * place.  Each piece here lies on pages of its own, which are counted.
 *
 * Zerocopy: yes
 */
#include "test_zc.h"

#include <netinet/in.h>

#define PAGE 4096u
#define PAGES_MAX 20u

struct pair {
	struct ctx_set *c;
	struct zc_rx rx, tx;
	uint32_t number;
	unsigned sends;
};

static void pair_open(struct pair *p, unsigned family, unsigned sock_flags)
{
	char text[128];

	memset(p, 0, sizeof *p);
	p->c = ctx_open(NULL, 2);
	zc_udp_open(&p->rx, p->c->e, family ? "[::1]:0" : "127.0.0.1:0", NULL, 0);
	t_local_text(p->rx.s, text, sizeof text);
	zc_udp_open(&p->tx, p->c->e, NULL, text, sock_flags);
}

static void pair_wait(struct pair *p)
{
	t_until(p->c->e, p->rx.count == p->rx.sent);
	assert_int_equal(p->rx.bytes, p->rx.sent_bytes);
}

static void pair_close(struct pair *p)
{
	struct weir_engine_stats st;

	ctx_unregister(p->c);
	weir_engine_get_stats(p->c->e, &st);
	assert_int_equal(st.tx_bytes, p->c->bytes);
	assert_int_equal(st.tx_datagrams, p->rx.sent);
	assert_int_equal(st.tx_unreleased, 0);
	zc_udp_close(p->c->e, &p->tx);
	zc_udp_close(p->c->e, &p->rx);
	ctx_close(p->c);
}

/* A datagram of @n pieces on @pages pages, each of a piece of its own; false: too long for one. */
static bool send_on_pages(struct pair *p, unsigned n, unsigned pages, bool longest)
{
	struct ctx_mem *m = ctx_mem_new(0);
	struct iovec iov[16];
	struct weir_ctx_send send = { .flags = WEIR_SEND_ZEROCOPY, .iov = iov, .iov_count = n };
	static unsigned char content[DGRAM_MAX];
	size_t total = 0, at = 0;
	unsigned char *base;
	int ret;

	free(m->data);
	m->room = PAGES_MAX * (size_t)PAGE;
	m->data = base = aligned_alloc(PAGE, m->room);
	assert_non_null(base);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = pages / n + (i < pages % n); /* pages of this piece */
		unsigned skip = longest ? 0 : k > 1 ? PAGE - 1 : t_rand_below(PAGE - 8);

		iov[i].iov_base = base + skip;
		/* As short as it can be on so many pages, or as long. */
		iov[i].iov_len = longest ? k * PAGE : k > 1 ? (k - 2) * PAGE + 2 : 8;
		total += iov[i].iov_len;
		base += k * (size_t)PAGE;
	}
	if (total > DGRAM_MAX) {
		free(m->data);
		free(m);
		return false;
	}
	dgram_fill(content, p->number++, total);
	for (unsigned i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, content + at, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	if (!t_rand_below(3))
		send.flags |= WEIR_SEND_FLUSH;
	m->len = total;
	ret = ctx_send_pieces(p->c, t_rand_below(2), p->tx.s, &send, m);
	assert_int_equal(ret, 0);
	p->rx.sent++;
	p->rx.sent_bytes += total;
	p->sends++;
	return true;
}

static void pieces_on_pages(void **state)
{
	struct pair p;

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		unsigned tried = 0;

		pair_open(&p, family, 0);
		for (unsigned n = 1; n <= 16; n++)
			for (unsigned pages = n; pages <= PAGES_MAX; pages++)
				for (unsigned longest = 0; longest < 2; longest++) {
					if (!zc_rx_room(&p.rx, 1, DGRAM_MAX))
						pair_wait(&p);
					tried += send_on_pages(&p, n, pages, longest);
				}
		pair_wait(&p);
		assert_true(tried > 300);
		ctx_expect_zerocopy(p.c->e, true);
		pair_close(&p);
	}
}

/* Sizes at which something changes, whole and in pieces. */
static void sizes(void **state)
{
	static const uint32_t list[] = {
		0,    1,     7,	    8,	   1472,  1473,	 4095,	4096,
		4097, 32768, 61440, 65000, 65487, 65488, 65489, DGRAM_MAX
	};
	struct pair p;

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		pair_open(&p, family, WEIR_SOCK_ZEROCOPY);
		for (unsigned i = 0; i < 2 * T_COUNT(list); i++) {
			assert_int_equal(
				ctx_send_dgram(p.c, 0, p.tx.s, &p.rx, NULL, &p.number, list[i / 2],
					       0, i % 2 ? WEIR_SEND_ZEROCOPY : WEIR_SEND_FLUSH),
				0);
			pair_wait(&p);
		}
		pair_close(&p);
	}
}

static void trains(void **state)
{
	struct pair p;

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		pair_open(&p, family, family ? WEIR_SOCK_NO_GSO : 0);
		for (unsigned i = 0; i < 60; i++) {
			uint32_t segment = 1 + t_rand_below(i % 4 ? 1400 : 30000);
			unsigned count = 1 + t_rand_below(DGRAMS_ON_THE_WAY);
			size_t len = (size_t)segment * count;

			if (len > DGRAM_MAX)
				len = DGRAM_MAX;
			len -= t_rand_below(segment < len ? segment : len);
			if (!zc_rx_room(&p.rx, count, len))
				pair_wait(&p);
			assert_int_equal(ctx_send_dgram(p.c, t_rand_below(2), p.tx.s, &p.rx, NULL,
							&p.number, len, segment,
							t_rand_below(4) ? WEIR_SEND_ZEROCOPY :
									  WEIR_SEND_PLAIN),
					 0);
			if (!t_rand_below(4))
				ctx_flush(p.c, t_rand_below(2));
		}
		pair_wait(&p);
		pair_close(&p);
	}
}

/* What the kernel refuses with a copy as well is an error, of its own generation only. */
static void too_long(void **state)
{
	struct pair p;
	int one = 1;

	(void)state;
	pair_open(&p, 1, WEIR_SOCK_ZEROCOPY);
	assert_int_equal(
		setsockopt(weir_sock_fd(p.tx.s), IPPROTO_IPV6, IPV6_DONTFRAG, &one, sizeof one), 0);
	for (unsigned i = 0; i < 12; i++) {
		bool bad = i % 3 == 1;
		/* Loopback carries 65,536 bytes, of which 48 are headers. */
		size_t len = bad ? 65489 + t_rand_below(19) : 1000;

		assert_int_equal(ctx_send_dgram(p.c, 0, p.tx.s, &p.rx, NULL, &p.number, len, 0,
						WEIR_SEND_FLUSH),
				 0);
		p.c->may_fail = bad;
		if (bad) {
			p.rx.sent--;
			p.rx.sent_bytes -= len;
		}
		t_until(p.c->e, ctx_all_seen(p.c));
		assert_int_equal(p.c->last_res, bad ? -EMSGSIZE : 0);
	}
	assert_int_equal(p.c->failed, 4);
	pair_wait(&p);
	pair_close(&p);
}

/* Nobody listens: errors come, generations end, the socket goes on. */
static void nobody(void **state)
{
	struct pair p;
	struct weir_addr a;
	char text[128];
	int fd = t_raw_udp("127.0.0.1:0", &a);
	struct zc_rx tx;

	(void)state;
	pair_open(&p, 0, 0);
	weir_addr_format(&a.sa, text, sizeof text);
	close(fd);
	zc_udp_open(&tx, p.c->e, NULL, text, WEIR_SOCK_ZEROCOPY);
	p.c->may_fail = true;
	for (unsigned i = 0; i < 40; i++) {
		uint32_t number = 0;
		struct zc_rx lost = { 0 };

		assert_int_equal(ctx_send_dgram(p.c, i % 2, tx.s, &lost, NULL, &number,
						t_rand_size(20000), 0, 0),
				 0);
		ctx_flush(p.c, i % 2);
		if (i % 4 == 3)
			t_until(p.c->e, ctx_all_seen(p.c));
	}
	t_until(p.c->e, ctx_all_seen(p.c));
	assert_true(tx.errors + p.c->failed > 0);
	weir_sock_close(tx.s);
	t_until(p.c->e, tx.closed);
	zc_udp_close(p.c->e, &p.tx);
	zc_udp_close(p.c->e, &p.rx);
	ctx_close(p.c);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(pieces_on_pages), T_CASE(sizes),	 T_CASE(trains),
		T_CASE(too_long),	 T_CASE(nobody),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
