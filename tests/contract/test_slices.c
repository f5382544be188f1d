/* SPDX-License-Identifier: MIT */
/*
 * test_slices.c - slices: held, released, sent on; the ledger in every state.
 *
 * Theory: held slices keep their content until released, in whatever order that is; when all
 * buffers are held nothing arrives and nothing is lost; once some are released all goes on.  The
 * ledger is checked by t_step() after every round and, through the hooks here, inside callbacks.
 *
 * Parts: yes
 * Zerocopy: always
 */
#include "t_echo.h"
#include "t_end.h"

#include <weir/ifq.h>

#define MIB (1u << 20)
#define HELD_MAX 4096

struct held {
	struct weir_slice slice;
	uint64_t at; /* offset in the stream */
};

struct keeper {
	struct held held[HELD_MAX];
	unsigned count;
	unsigned hold_percent;
	uint64_t rx_bytes; /* of the stream, before the present event */
	struct weir_engine *e;
};

static void keep(struct t_end *end, struct weir_slice *v, unsigned n)
{
	struct keeper *k = end->test;

	for (unsigned i = 0; i < n; i++) {
		struct weir_slice copy = v[i];

		if (t_rand_below(100) < k->hold_percent && k->count < HELD_MAX) {
			assert_int_equal(weir_slice_hold(&v[i]), 0);
			assert_true(v[i].flags & WEIR_SLICE_HELD);
			assert_int_equal(weir_slice_hold(&v[i]), -EALREADY);
			k->held[k->count].slice = v[i];
			k->held[k->count].at = k->rx_bytes;
			k->count++;
		}
		k->rx_bytes += copy.len;
		t_ledger(k->e);
	}
}

static void release_one(struct keeper *k, uint64_t seed)
{
	unsigned i = t_rand_below(k->count);
	struct held *h = &k->held[i];

	t_pattern_check(h->slice.data, seed, h->at, h->slice.len);
	assert_int_equal(weir_slice_release(&h->slice), 0);
	assert_false(h->slice.flags & WEIR_SLICE_HELD);
	assert_int_equal(weir_slice_release(&h->slice), -EINVAL);
	*h = k->held[--k->count];
	t_ledger(k->e);
}

static struct keeper *keeper_new(struct t_link *l, unsigned hold_percent)
{
	struct keeper *k = calloc(1, sizeof *k);

	assert_non_null(k);
	k->hold_percent = hold_percent;
	k->e = l->e;
	l->server.test = k;
	l->server.on_received = keep;
	return k;
}

static void held_across_batches(void **state)
{
	/* No bound: half of all buffers are left by the loop below. */
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 512 << 10,
				      .buffer_bytes = 16 << 10,
				      .hold_max_bytes = UINT64_MAX };
	struct t_link *l = t_link_new(&o, 4 * MIB, 0);
	struct keeper *k = keeper_new(l, 30);
	struct weir_engine_stats stats;

	(void)state;
	l->client.piece_max = 20000;
	t_link_open(l, "127.0.0.1:0", NULL);
	while (!t_end_complete(&l->server)) {
		weir_engine_get_stats(l->e, &stats);
		while (k->count && (t_rand_below(4) || stats.buffers_held > stats.buffers / 2)) {
			release_one(k, 1);
			weir_engine_get_stats(l->e, &stats);
		}
		t_step_some(l->e, "server complete");
	}
	while (k->count)
		release_one(k, 1);
	t_link_run(l);
	t_link_close(l);
	free(k);
}

/* Times that the NIC, or a copy, found no buffer; only where the plane has interface queues. */
static uint64_t without_buffer(struct weir_engine *e)
{
	struct weir_ifq_stats s;
	uint64_t n = 0;

	for (unsigned i = 0; !weir_engine_ifq_stats(e, i, &s); i++)
		n += s.no_buffer + s.copy_no_buffer;
	return n;
}

/*
 * Has the reader all that it can have?  On host planes that is every buffer, but for one that may
 * lie with the kernel, written to in part.  On interface queues it is what a socket may keep, and
 * what is not read stays in the kernel; without such a bound it is all but what lies in the kernel
 * behind a packet that found no buffer.
 */
static bool has_all(struct weir_engine *e, bool bounded, const struct weir_engine_stats *before)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(e, &s);
	if (weir_engine_plane(e) != WEIR_PLANE_ZCRX)
		return s.buffers_held >= s.buffers - 1;
	if (bounded)
		return s.pressures > before->pressures;
	return s.buffers_held >= s.buffers / 4 * 3;
}

/* Hold until nothing comes any more; release all; it goes on. */
static void starve_once(struct t_link *l, struct keeper *k, bool bounded)
{
	struct weir_engine_stats from;
	uint64_t before;
	int n;

	weir_engine_get_stats(l->e, &from);
	k->hold_percent = 100;
	t_note("all held");
	do {
		before = l->server.rx_bytes;
		n = t_step(l->e, 20000);
	} while (n > 0 || before != l->server.rx_bytes || !has_all(l->e, bounded, &from));
	assert_true(l->server.rx_bytes < l->server.rx_total);
	k->hold_percent = 0;
	while (k->count)
		release_one(k, 1);
	t_until(l->e, l->server.rx_bytes > before + (64 << 10));
}

/* Did the NIC, or a copy, find no buffer?  Not every kernel tells. */
static void check_starved(struct weir_engine *e, bool bounded)
{
	struct weir_engine_stats stats;
	struct weir_ifq_info info;

	weir_engine_get_stats(e, &stats);
	if (weir_engine_ifq(e, 0, &info))
		assert_true(stats.starved > 0);
	else if (!bounded && (info.events || info.no_nic))
		assert_true(without_buffer(e) > 0);
	/* Stopped in time: there always were some.  Without a NIC one receive may take so few. */
	else if (bounded && !info.no_nic)
		assert_int_equal(without_buffer(e), 0);
}

/* All memory held: nothing arrives, nothing is lost; released: all goes on. */
static void starve(uint64_t hold_max_bytes)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 64 << 10,
				      .buffer_bytes = 8 << 10,
				      .hold_max_bytes = hold_max_bytes };
	struct t_link *l = t_link_new(&o, 16 * MIB, 0);
	struct keeper *k = keeper_new(l, 100);

	t_link_open(l, "127.0.0.1:0", NULL);
	for (unsigned round = 0; round < 3; round++)
		starve_once(l, k, !hold_max_bytes);
	check_starved(l->e, !hold_max_bytes);
	t_link_run(l);
	t_link_close(l);
	free(k);
}

static void starvation(void **state)
{
	(void)state;
	starve(0);
}

/* Without a bound, so that also interface queues run dry. */
static void starvation_unbounded(void **state)
{
	(void)state;
	starve(UINT64_MAX);
}

/* One reader holds everything; a release lets the others go on, too. */
static void starvation_of_others(void **state)
{
	enum { N = 8 };
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 64 << 10,
				      .buffer_bytes = 8 << 10 };
	struct weir_engine *e = t_open(&o);
	struct keeper *k = calloc(1, sizeof *k);
	struct t_end ends[2 * N];
	struct t_acceptor a;

	(void)state;
	assert_non_null(k);
	k->hold_percent = 50;
	k->e = e;
	for (unsigned i = 0; i < 2 * N; i++)
		t_end_init(&ends[i], 1, i < N ? 0 : 300000, 1, i < N ? 300000 : 0);
	ends[0].test = k;
	ends[0].on_received = keep;
	t_acceptor_open(&a, e, "127.0.0.1:0", NULL, ends, N);
	for (unsigned i = N; i < 2 * N; i++)
		t_end_connect(&ends[i], e, &a, NULL);
	for (unsigned i = 0; i < 2 * N; i++)
		while (!t_end_complete(&ends[i])) {
			if (t_step(e, 1000) > 0)
				continue;
			while (k->count)
				release_one(k, 1);
		}
	while (k->count)
		release_one(k, 1);
	for (unsigned i = 0; i < 2 * N; i++)
		t_end_close(&ends[i]);
	weir_sock_close(a.s);
	for (unsigned i = 0; i < 2 * N; i++)
		t_until(e, ends[i].closed);
	t_until(e, a.closed);
	t_close(e);
	free(k);
}

/* What is no slice of an event is neither held nor released. */
static void refused(void **state)
{
	struct t_link *l = t_link_new(NULL, 1000, 0);
	struct weir_slice *seen = NULL, copy, zero;
	struct weir_event events[64];
	uint64_t got = 0;

	(void)state;
	memset(&zero, 0, sizeof zero);
	memset(&copy, 0, sizeof copy);
	t_link_open(l, "127.0.0.1:0", NULL);
	while (got < 1000) {
		int n = weir_engine_wait(l->e, events, T_COUNT(events), -1);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			if (events[i].type != WEIR_EVENT_RECEIVED)
				continue;
			seen = &events[i].slices[0];
			copy = *seen;
			assert_int_equal(weir_slice_release(&copy), -EINVAL);
			assert_int_equal(weir_slice_release(seen), -EINVAL);
			assert_int_equal(weir_slice_hold(&copy), -EINVAL);
			got += seen->len;
			t_ledger(l->e);
		}
		t_handle(l->e, events, n);
		weir_engine_done(l->e, n);
	}
	/* The event is over. */
	assert_int_equal(weir_slice_hold(seen), -EINVAL);
	assert_int_equal(weir_slice_release(seen), -EINVAL);
	assert_int_equal(weir_slice_release(&copy), -EINVAL);
	assert_int_equal(weir_slice_hold(&zero), -EINVAL);
	assert_int_equal(weir_slice_release(&zero), -EINVAL);
	assert_int_equal(weir_slice_hold(NULL), -EINVAL);
	assert_int_equal(weir_slice_release(NULL), -EINVAL);
	t_link_run(l);
	t_link_close(l);
}

/* weir_engine_done() of a part gives back that part only. */
static void done_in_parts(void **state)
{
	struct t_link *l = t_link_new(NULL, 300000, 0);
	struct weir_event events[64];

	(void)state;
	l->client.piece_max = 2000;
	t_link_open(l, "127.0.0.1:0", NULL);
	while (!t_end_complete(&l->server) || !t_end_complete(&l->client)) {
		int n = weir_engine_wait(l->e, events, T_COUNT(events), -1);
		int done = 0;

		assert_true(n > 0);
		while (done < n) {
			int part = 1 + t_rand_below(n - done);

			t_handle(l->e, events + done, part);
			weir_engine_done(l->e, part);
			t_ledger(l->e);
			done += part;
		}
		t_ledger_idle(l->e);
	}
	t_link_close(l);
}

/* Held slices outlive their socket. */
static void held_beyond_socket(void **state)
{
	struct t_link *l = t_link_new(NULL, 100000, 0);
	struct keeper *k = keeper_new(l, 100);

	(void)state;
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	t_end_close(&l->server);
	t_end_close(&l->client);
	t_until(l->e, l->server.closed && l->client.closed);
	assert_true(k->count > 0);
	t_step_idle(l->e);
	while (k->count)
		release_one(k, 1);
	t_ledger_idle(l->e);
	t_link_close(l);
	free(k);
}

/* Held slices are no reason for the engine's close to hang or to leak. */
static void held_at_engine_close(void **state)
{
	struct t_link *l = t_link_new(NULL, 100000, 0);
	struct keeper *k = keeper_new(l, 100);
	struct weir_engine_stats stats;

	(void)state;
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	assert_true(k->count > 0);
	weir_engine_get_stats(l->e, &stats);
	assert_true(stats.buffers_held + stats.buffers_kernel > 0);
	t_drop(l->e);
	free(l);
	free(k);
}

static void echo_run(const struct weir_engine_opts *o, const struct weir_sock_opts *so,
		     const char *address, unsigned count, uint64_t bytes)
{
	struct t_end *ends = calloc(count, sizeof *ends);
	struct weir_engine *e = t_open(o);
	struct t_echo echo;
	char text[128];

	assert_non_null(ends);
	t_echo_open(&echo, e, address, so);
	t_local_text(echo.listener, text, sizeof text);
	for (unsigned i = 0; i < count; i++) {
		t_end_init(&ends[i], i, bytes, i, bytes);
		assert_int_equal(
			weir_connect(e, text, &t_end_ops, &ends[i], NULL, &ends[i].s, NULL), 0);
	}
	for (unsigned i = 0; i < count; i++)
		t_until(e, t_end_complete(&ends[i]));
	assert_int_equal(echo.open, count);
	/* Half of them by end of stream, half by close. */
	for (unsigned i = 0; i < count; i++) {
		if (i % 2) {
			t_end_close(&ends[i]);
			continue;
		}
		assert_int_equal(weir_sock_shutdown(ends[i].s), 0);
		t_until(e, ends[i].ended);
		assert_int_equal(ends[i].end_res, 0);
		t_end_close(&ends[i]);
	}
	for (unsigned i = 0; i < count; i++)
		t_until(e, ends[i].closed);
	t_until(e, !echo.open);
	if (bytes * count > 1000000)
		assert_true(echo.by_slice && echo.by_copy && echo.by_hold);
	t_echo_close(&echo);
	t_close(e);
	free(ends);
}

static void echo_many(void **state)
{
	(void)state;
	echo_run(NULL, NULL, "127.0.0.1:0", 72, 70001);
	echo_run(NULL, NULL, t_unix(), 5, 70001);
}

static void echo_long(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = MIB,
				      .buffer_bytes = 32 << 10 };
	struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 6 };

	(void)state;
	echo_run(&o, &so, "[::1]:0", 2, 5 * MIB);
}

/* A received slice goes to another socket; the relay's memory is the area. */
static void relay_received(struct t_end *end, struct weir_slice *v, unsigned n)
{
	struct t_end *to = end->test;

	for (unsigned i = 0; i < n; i++) {
		int ret = weir_sock_send_slice(to->s, &v[i], i + 1 < n ? WEIR_SEND_MORE : 0, 0);

		assert_int_equal(ret, 0);
	}
}

static void relay(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 100000 };
	struct weir_engine *e = t_open(NULL);
	struct t_end in, out;
	uint64_t put = 0, got = 0, total = 3 * MIB + 1;
	int a[2], b[2];

	(void)state;
	t_raw_pair(a);
	t_raw_pair(b);
	t_end_init(&in, 0, 0, 9, total);
	t_end_init(&out, 0, 0, 0, 0);
	in.on_received = relay_received;
	in.test = &out;
	assert_int_equal(weir_adopt(e, a[1], &t_end_ops, &in, &so, &in.s, NULL), 0);
	assert_int_equal(weir_adopt(e, b[1], &t_end_ops, &out, &so, &out.s, NULL), 0);
	t_until_polled(e, got == total, {
		static char buf[100000];
		size_t left = total - put;
		ssize_t n = write(a[0], t_pattern(9, put), left < 100000 ? left : 100000);

		put += n > 0 ? n : 0;
		n = read(b[0], buf, sizeof buf);
		if (n > 0) {
			t_pattern_check(buf, 9, got, n);
			got += n;
		}
	});
	assert_int_equal(in.rx_bytes, total);
	t_end_close(&in);
	t_end_close(&out);
	t_until(e, in.closed && out.closed);
	close(a[0]);
	close(b[0]);
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(held_across_batches),
		T_CASE(starvation),
		T_CASE(starvation_unbounded),
		T_CASE(starvation_of_others),
		T_CASE(refused),
		T_CASE(done_in_parts),
		T_CASE(held_beyond_socket),
		T_CASE(held_at_engine_close),
		T_CASE(echo_many),
		T_CASE(echo_long),
		T_CASE(relay),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
