/* SPDX-License-Identifier: MIT */
/*
 * test_zc.h - numbered datagrams, and receivers that check them.
 *
 * Theory: a datagram carries its number and length in front where there is room, and content that
 * is a function of the number behind, so that a receiver knows which it is and whether all of it
 * is as it was sent.  Loopback loses datagrams only where a receive buffer is full: the senders
 * here keep less on the way than fits into the smallest one.
 */
#ifndef WEIR_TESTS_ZC_H
#define WEIR_TESTS_ZC_H

#include "test_ctx.h"

#define DGRAM_MAX 65507u /* largest payload over IPv4 */
#define DGRAM_BYTES_ON_THE_WAY 65507u
#define DGRAMS_ON_THE_WAY 48u

struct zc_rx {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_sock *s;
	uint64_t count, bytes;	   /* received */
	uint64_t sent, sent_bytes; /* by the test, to it */
	unsigned errors, echoed;
	bool echo; /* each goes back whence it came */
	unsigned echo_flags;
	bool closed;
};

static inline void dgram_fill(unsigned char *to, uint32_t number, uint32_t len)
{
	t_pattern_fill(to, number, 0, len);
	if (len >= 8) {
		memcpy(to, &number, 4);
		memcpy(to + 4, &len, 4);
	}
}

static inline void dgram_check(const unsigned char *data, uint32_t len)
{
	uint32_t number, claimed;

	if (len < 8)
		return;
	memcpy(&number, data, 4);
	memcpy(&claimed, data + 4, 4);
	if (claimed != len)
		fail_msg("a datagram of %u bytes says %u, number %u", len, claimed, number);
	t_pattern_check(data + 8, number, 8, len - 8);
}

static inline void zc_rx_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct zc_rx *rx = user;

	assert_ptr_equal(rx->s, s);
	for (unsigned i = 0; i < n; i++) {
		uint32_t count = weir_slice_datagram_count(&v[i]), len;

		assert_int_equal(v[i].flags, 0);
		for (uint32_t j = 0; j < count; j++) {
			const unsigned char *data = weir_slice_datagram(&v[i], j, &len);

			dgram_check(data, len);
			rx->count++;
			rx->bytes += len;
		}
		if (rx->echo) {
			assert_int_equal(weir_sock_send_slice(s, &v[i], rx->echo_flags, 0), 0);
			rx->echoed += count;
		}
	}
	assert_true(rx->echo || rx->count <= rx->sent);
}

static inline void zc_rx_failed(struct weir_sock *s, int res, void *user)
{
	(void)s;
	assert_true(res < 0);
	((struct zc_rx *)user)->errors++;
}

static inline void zc_rx_closed(struct weir_sock *s, void *user)
{
	struct zc_rx *rx = user;

	assert_ptr_equal(rx->s, s);
	assert_false(rx->closed);
	rx->closed = true;
	rx->s = NULL;
}

static const struct weir_sock_ops zc_rx_ops = {
	.received = zc_rx_received,
	.failed = zc_rx_failed,
	.closed = zc_rx_closed,
};

static inline void zc_udp_open(struct zc_rx *rx, struct weir_engine *e, const char *local,
			       const char *peer, unsigned flags)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = flags,
				     .peer = peer,
				     .rcvbuf_bytes = 4 << 20,
				     .sndbuf_bytes = 1 << 20 };
	struct weir_error err = { 0 };

	memset(rx, 0, sizeof *rx);
	rx->ops = &zc_rx_ops;
	if (weir_udp_open(e, local, &zc_rx_ops, rx, &so, &rx->s, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("weir_udp_open");
	}
}

static inline void zc_udp_close(struct weir_engine *e, struct zc_rx *rx)
{
	weir_sock_close(rx->s);
	t_until(e, rx->closed);
}

/* Is there room for @count more datagrams of @bytes in all? */
static inline bool zc_rx_room(const struct zc_rx *rx, uint64_t count, uint64_t bytes)
{
	uint64_t way = rx->sent - rx->count, way_bytes = rx->sent_bytes - rx->bytes;

	return !way ||
	       (way + count <= DGRAMS_ON_THE_WAY && way_bytes + bytes <= DGRAM_BYTES_ON_THE_WAY);
}

/*
 * One datagram or a train (@segment_bytes) in a context, from @from to @rx.  Every datagram of a
 * train has content of its own.
 */
static inline int ctx_send_dgram(struct ctx_set *c, unsigned i, struct weir_sock *from,
				 struct zc_rx *rx, const struct sockaddr *peer, uint32_t *number,
				 size_t len, uint32_t segment_bytes, unsigned flags)
{
	struct ctx_mem *m = ctx_mem_new(len);
	uint32_t step = segment_bytes ? segment_bytes : len, count = 0;
	struct iovec iov[16] = { { m->data, len } };
	struct weir_ctx_send send = { .flags = flags,
				      .iov = iov,
				      .iov_count = 1,
				      .segment_bytes = segment_bytes,
				      .peer = peer };
	size_t at = 0;
	int ret;

	do {
		uint32_t n = len - at < step ? len - at : step;

		dgram_fill(m->data + at, (*number)++ & 0xffffff, n);
		at += n;
		count++;
	} while (at < len);
	if (!segment_bytes)
		send.iov_count = ctx_cut(m, iov, t_rand_below(2) ? 1 : T_COUNT(iov));
	ret = ctx_send_pieces(c, i, from, &send, m);
	if (!ret) {
		rx->sent += count;
		rx->sent_bytes += len;
	}
	return ret;
}

#endif
