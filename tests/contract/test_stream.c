/* SPDX-License-Identifier: MIT */
/*
 * test_stream.c - every byte of a stream arrives once, in order, whatever the sizes.
 *
 * Theory: contents are a function of (seed, offset); both ends are the library's on one engine,
 * or one is a plain socket that reads slowly or writes in odd pieces.  The small areas and buffers
 * force the paths where receiving stops for want of memory.
 *
 * Timeout: 60
 * Parts: yes
 * Zerocopy: always
 */
#include "t_end.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <weir/ifq.h>

#define MIB (1u << 20)

static const char *address(unsigned i)
{
	static const char *const inet[] = { "127.0.0.1:0", "[::1]:0" };

	return i % 3 < 2 ? inet[i % 3] : t_unix();
}

static void both_directions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct t_link *l = t_link_new(NULL, 3 * MIB + 17, 2 * MIB + 5);

		t_link_open(l, address(i), NULL);
		t_link_run(l);
		t_link_close(l);
	}
}

static void one_byte_at_a_time(void **state)
{
	struct t_link *l = t_link_new(NULL, 3000, 1500);

	(void)state;
	l->client.piece_max = 1;
	l->server.piece_max = 3;
	t_link_open(l, address(0), NULL);
	t_link_run(l);
	t_link_close(l);
}

/*
 * What of @bytes must have been copied: all, but on interface queues what their own counters say,
 * which must account for every byte.
 */
static uint64_t copied_of(struct weir_engine *e, uint64_t bytes)
{
	struct weir_ifq_stats s;
	struct weir_ifq_info info;
	uint64_t came = 0, copied = 0;

	if (weir_engine_plane(e) != WEIR_PLANE_ZCRX)
		return bytes;
	for (unsigned i = 0; !weir_engine_ifq_stats(e, i, &s); i++) {
		assert_int_equal(weir_engine_ifq(e, i, &info), 0);
		assert_true(s.copied_bytes <= s.bytes);
		if (info.no_nic)
			assert_int_equal(s.copied_bytes, s.bytes);
		came += s.bytes + s.read_bytes;
		copied += s.copied_bytes + s.read_bytes;
	}
	assert_int_equal(came, bytes);
	return copied;
}

/* Much more than the area, so that every buffer goes round many times. */
static void bulk_through_small_area(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o, .area_bytes = MIB };
	uint64_t bytes = t_faulty() || T_SLOW > 1 ? 20ull * MIB : 128ull * MIB;
	struct t_link *l = t_link_new(&o, bytes, 0);
	struct weir_engine_stats stats;

	(void)state;
	l->client.how = T_SEND_TABLE;
	l->client.piece_max = MIB;
	t_link_open(l, address(0), NULL);
	t_link_run(l);
	weir_engine_get_stats(l->e, &stats);
	assert_int_equal(stats.rx_bytes, bytes);
	assert_int_equal(stats.tx_bytes, bytes);
	assert_int_equal(stats.rx_copied_bytes, copied_of(l->e, bytes));
	t_link_close(l);
}

static void small_buffers(void **state)
{
	static const uint32_t sizes[] = { 4096, 8192, 65536 };

	(void)state;
	for (unsigned i = 0; i < T_COUNT(sizes); i++) {
		struct weir_engine_opts o = { .size = sizeof o,
					      .area_bytes = 16 * sizes[i],
					      .buffer_bytes = sizes[i] };
		struct t_link *l = t_link_new(&o, 2 * MIB + 1, MIB + 3);

		t_link_open(l, address(i), NULL);
		t_link_run(l);
		t_link_close(l);
	}
}

/* One single buffer for everything. */
static void one_buffer(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 64 << 10,
				      .buffer_bytes = 64 << 10 };
	struct t_link *l = t_link_new(&o, MIB + 11, MIB / 2 + 1);

	(void)state;
	t_link_open(l, address(0), NULL);
	t_link_run(l);
	t_link_close(l);
}

/* Sends larger than every buffer of the kernel are continued in order. */
static void partial_writes(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .sndbuf_bytes = 4096 };
	struct t_link *l = t_link_new(NULL, 6 * MIB, 6 * MIB);
	struct weir_sock_stats stats;

	(void)state;
	l->client.piece_max = MIB;
	l->server.piece_max = 200 << 10;
	l->client.in_flight_max = 5;
	l->server.in_flight_max = T_SENDS;
	t_link_open(l, address(0), &so);
	t_link_run(l);
	weir_sock_get_stats(l->client.s, &stats);
	assert_int_equal(stats.tx_bytes, 6 * MIB);
	assert_int_equal(stats.rx_bytes, 6 * MIB);
	assert_int_equal(stats.tx_queued, 0);
	assert_int_equal(stats.tx_queued_bytes, 0);
	assert_true(stats.tx_requests > 0 && stats.rx_completions > 0);
	t_link_close(l);
}

static void many(const struct weir_engine_opts *o)
{
	enum { N = 80 };
	struct t_end *ends = calloc(2 * N, sizeof *ends);
	struct t_acceptor a;
	struct weir_engine *e = t_open(o);
	struct weir_engine_stats stats;
	unsigned i;

	assert_non_null(ends);
	for (i = 0; i < 2 * N; i++) {
		bool client = i >= N;

		/* One seed per direction: the order of acceptance is the kernel's. */
		t_end_init(&ends[i], client ? 1 : 2, 100000, client ? 2 : 1, 100000);
		ends[i].piece_max = 1 + t_rand_below(40000);
		ends[i].in_flight_max = 1 + t_rand_below(8);
	}
	t_acceptor_open(&a, e, address(0), NULL, ends, N);
	for (i = N; i < 2 * N; i++)
		t_end_connect(&ends[i], e, &a, NULL);
	for (i = 0; i < 2 * N; i++)
		t_until(e, t_end_complete(&ends[i]));
	weir_engine_get_stats(e, &stats);
	assert_int_equal(stats.sockets, 2 * N + 1);
	for (i = 0; i < 2 * N; i++)
		t_end_close(&ends[i]);
	weir_sock_close(a.s);
	for (i = 0; i < 2 * N; i++)
		t_until(e, ends[i].closed);
	t_until(e, a.closed);
	weir_engine_done(e, 64);
	weir_engine_get_stats(e, &stats);
	assert_int_equal(stats.sockets, 0);
	t_close(e);
	free(ends);
}

static void many_connections(void **state)
{
	(void)state;
	many(NULL);
}

/* Rings that hold next to nothing: queues are cut anywhere, completions overflow. */
static void tiny_rings(void **state)
{
	static const uint32_t entries[][2] = {
		{ 1, 2 }, { 2, 4 }, { 4, 4 }, { 8, 2048 }, { 64, 64 }
	};

	(void)state;
	for (unsigned i = 0; i < T_COUNT(entries); i++) {
		struct weir_engine_opts o = { .size = sizeof o,
					      .sq_entries = entries[i][0],
					      .cq_entries = entries[i][1] };

		t_note("%u submission, %u completion entries", entries[i][0], entries[i][1]);
		many(&o);
	}
}

static void read_some(int fd, uint64_t seed, uint64_t *at, size_t max)
{
	static char buf[256 << 10];
	ssize_t n = read(fd, buf, max < sizeof buf ? max : sizeof buf);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	t_pattern_check(buf, seed, *at, n);
	*at += n;
}

static void write_some(int fd, uint64_t seed, uint64_t *at, uint64_t total, size_t max)
{
	size_t len = total - *at < max ? total - *at : max;
	ssize_t n;

	if (!len)
		return;
	n = write(fd, t_pattern(seed, *at), len);
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	else
		*at += n;
}

/* The other side is a plain socket that reads slowly and writes odd pieces. */
static void slow_plain_peer(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_addr a;
	uint64_t got = 0, put = 0, total = MIB + 77;
	struct t_end end;
	int fds[2];

	(void)state;
	(void)a;
	t_raw_pair(fds);
	t_end_init(&end, 5, total, 6, total);
	assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
	t_end_pump(&end);
	t_until_polled(e, t_end_complete(&end) && got == total && put == total, {
		read_some(fds[1], 5, &got, t_rand_size(90000));
		write_some(fds[1], 6, &put, total, t_rand_size(90000));
	});
	t_end_close(&end);
	t_until(e, end.closed);
	close(fds[1]);
	t_close(e);
}

/* Bytes the kernel holds for a receiver that does not read. */
static int unread(struct weir_sock *s)
{
	int n = 0;

	assert_int_equal(ioctl(weir_sock_fd(s), SIOCINQ, &n), 0);
	return n;
}

/* Paused: the peer is held up by flow control, memory does not grow; resumed: all arrives. */
static void pause_and_resume(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .rcvbuf_bytes = 64 << 10,
				     .sndbuf_bytes = 64 << 10 };
	struct t_link *l = t_link_new(NULL, 4 * MIB, 0);
	uint64_t before = 0;

	(void)state;
	l->client.piece_max = 100 << 10;
	t_link_open(l, address(0), &so);
	while (!t_end_complete(&l->server)) {
		weir_sock_pause(l->server.s);
		weir_sock_pause(l->server.s); /* twice is legal */
		/* Until what was under way is in and the peer is held up. */
		do {
			before = l->server.rx_bytes;
			t_step(l->e, 2000);
		} while (l->server.rx_bytes != before ||
			 (l->client.tx_sent < l->client.tx_total && !unread(l->server.s)));
		weir_sock_resume(l->server.s);
		weir_sock_resume(l->server.s);
		before = l->server.rx_bytes;
		if (!t_end_complete(&l->server))
			t_until(l->e, l->server.rx_bytes > before);
		for (int i = t_rand_below(20); i && !t_end_complete(&l->server); i--)
			t_step(l->e, 1000);
	}
	t_link_run(l);
	t_link_close(l);
}

/* A socket opened paused receives nothing before it is resumed. */
static void opened_paused(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_PAUSED };
	struct t_link *l = t_link_new(NULL, 1000, 1000);

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, address(0), &so, &l->server, 1);
	/* The flag stops sockets that are accepted, and accepting itself. */
	weir_sock_resume(l->acceptor.s);
	t_end_connect(&l->client, l->e, &l->acceptor, &so);
	t_until(l->e, l->client.connected && l->server.connected);
	t_until(l->e, l->client.tx_sent == 1000 && l->server.tx_sent == 1000);
	t_until_polled(l->e, unread(l->server.s) == 1000 && unread(l->client.s) == 1000, (void)0);
	t_step(l->e, 5000);
	assert_int_equal(l->server.rx_bytes + l->client.rx_bytes, 0);
	weir_sock_resume(l->server.s);
	t_until(l->e, l->server.rx_bytes == 1000);
	assert_int_equal(l->client.rx_bytes, 0);
	weir_sock_resume(l->client.s);
	t_link_run(l);
	t_link_close(l);
}

/* -ENOBUFS at tx_queue_max, WRITABLE after it, once per refusal. */
static void queue_full(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 4 };
	struct t_link *l = t_link_new(NULL, MIB, MIB);
	struct weir_sock_stats stats;

	(void)state;
	l->client.how = T_SEND_OWN; /* each piece of a gathered send counts */
	l->client.in_flight_max = T_SENDS;
	l->server.in_flight_max = T_SENDS;
	l->client.piece_max = 5000;
	l->server.piece_max = 50000;
	t_link_open(l, address(0), &so);
	while (!t_end_complete(&l->client) || !t_end_complete(&l->server)) {
		weir_sock_get_stats(l->client.s, &stats);
		assert_true(stats.tx_queued <= 4);
		t_step_some(l->e, "both complete");
	}
	assert_true(l->client.refused > 0 && l->client.writable > 0);
	t_link_close(l);
}

/* Sends with tag 0 have no event; the content arrives all the same. */
static void untagged(void **state)
{
	struct t_link *l = t_link_new(NULL, 0, 0);
	struct weir_sock_stats stats;

	(void)state;
	l->server.rx_total = 5000;
	t_link_open(l, address(0), NULL);
	for (int i = 0; i < 50; i++)
		assert_int_equal(weir_sock_send(l->client.s, t_pattern(1, i * 100), 100,
						i % 3 ? 0 : WEIR_SEND_COPY, 0),
				 0);
	weir_sock_get_stats(l->client.s, &stats);
	assert_int_equal(stats.tx_queued, 50);
	assert_int_equal(stats.tx_queued_bytes, 5000);
	t_link_run(l);
	t_link_close(l);
}

/* Many more than one chain of requests holds, and no event of the sender in between. */
static void untagged_many(void **state)
{
	static const uint32_t spins[] = { 0, 50, UINT32_MAX };

	(void)state;
	if (getenv("WEIR_ZEROCOPY"))
		return; /* each such write is a page to the kernel: not all go into one window */
	for (size_t i = 0; i < T_COUNT(spins); i++) {
		struct weir_engine_opts o = { .size = sizeof o, .spin_us = spins[i] };
		struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 10000 };
		struct weir_engine *e = t_open(&o);
		struct weir_sock *s;
		uint64_t got = 0, total = 0;
		int fds[2], wait_us;

		t_raw_pair(fds);
		assert_int_equal(weir_adopt(e, fds[0], NULL, NULL, &so, &s, NULL), 0);
		weir_sock_pause(s);
		/* Every other one is not a neighbour in memory, so none can be joined. */
		for (int j = 0; j < 5000; j++, total += 10)
			assert_int_equal(weir_sock_send(s, t_pattern(3, total), 10,
							j % 2 ? WEIR_SEND_COPY : 0, 0),
					 0);
		/* One wait, to its end: all must leave in it, refusals by faults included. */
		wait_us = (t_faulty() ? 400000 : 100000) * t_patience() * T_SLOW;
		assert_int_equal(weir_engine_dispatch(e, wait_us), 0);
		while (got < total) {
			uint64_t before = got;

			read_some(fds[1], 3, &got, 1 << 20);
			if (got == before)
				fail_msg("%llu of %llu bytes left", (unsigned long long)got,
					 (unsigned long long)total);
		}
		t_drop(e);
		close(fds[1]);
	}
}

/* Sends made before a connection is there are queued. */
static void sends_before_connected(void **state)
{
	struct t_link *l = t_link_new(NULL, 200000, 100);

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, address(1), NULL, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	t_end_pump(&l->client);
	assert_true(l->client.in_flight > 0);
	t_until(l->e, l->client.connected);
	assert_int_equal(l->client.connect_res, 0);
	t_link_run(l);
	t_link_close(l);
}

/* WEIR_SEND_MORE alone never keeps data back for ever. */
static void more_then_nothing(void **state)
{
	struct t_link *l = t_link_new(NULL, 0, 0);

	(void)state;
	l->server.rx_total = 10;
	t_link_open(l, address(0), NULL);
	assert_int_equal(weir_sock_send(l->client.s, t_pattern(1, 0), 10, WEIR_SEND_MORE, 0), 0);
	t_until(l->e, l->server.rx_bytes == 10);
	t_link_close(l);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(both_directions),
		T_CASE(one_byte_at_a_time),
		T_CASE(bulk_through_small_area),
		T_CASE(small_buffers),
		T_CASE(one_buffer),
		T_CASE(partial_writes),
		T_CASE(many_connections),
		T_CASE(tiny_rings),
		T_CASE(slow_plain_peer),
		T_CASE(pause_and_resume),
		T_CASE(opened_paused),
		T_CASE(queue_full),
		T_CASE(untagged),
		T_CASE(untagged_many),
		T_CASE(sends_before_connected),
		T_CASE(more_then_nothing),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
