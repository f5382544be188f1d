/* SPDX-License-Identifier: MIT */
/*
 * test_pressure.c - one reader keeps what it gets, the others go on; each policy, under torture.
 *
 * Theory: some streams share an engine whose sockets may keep a quarter of its area each.  One of
 * them holds every slice it gets.  What that socket keeps is counted from the slices themselves
 * (offset / buffer size), so that the events can be checked against it: 1 only above the bound, 0
 * only at half of it or less, alternating.  The other streams release at once, and must all be
 * complete before the slow one gives anything back.
 */
#include <weir/ifq.h>

#include "t_end.h"

#define MIB (1u << 20)
#define AREA_BYTES (2 * MIB)
#define BUFFER_BYTES (16u << 10)
#define MAX_BYTES (AREA_BYTES / 4)
#define OTHERS 6u
#define HELD_MAX 20000u
#define BUFFERS_MAX 8192u

struct held {
	struct weir_slice slice;
	uint64_t at; /* offset in the stream */
};

static struct {
	struct weir_engine *e;
	struct t_acceptor acceptor;
	struct t_end ends[2 * (1 + OTHERS)]; /* servers, then clients */
	struct held held[HELD_MAX];
	unsigned held_count;
	uint64_t at; /* of the slow one */
	bool slow_is_over;
	unsigned over, within, spilled;
	bool keeps; /* the slow one holds what comes */
} w;

#define SLOW (&w.ends[0])

/* What the engine asked for, or what the NIC's queue got. */
static uint32_t buffer_bytes(void)
{
	struct weir_ifq_info info;

	return weir_engine_ifq(w.e, 0, &info) ? BUFFER_BYTES : info.buffer_bytes;
}

/* What the engine asked for, or more: a NIC's ring has a part of it. */
static uint64_t area_bytes(void)
{
	struct weir_area_info info;

	weir_area_describe(weir_engine_area(w.e), &info);
	return info.bytes;
}

/* The area's buffers that held slices of the slow one lie in, in bytes. */
static uint64_t kept_bytes(void)
{
	static bool kept[BUFFERS_MAX];
	struct weir_area *area = NULL;
	uint64_t sum = 0;

	memset(kept, 0, sizeof kept);
	for (unsigned i = 0; i < w.held_count; i++) {
		const struct weir_slice *v = &w.held[i].slice;
		uint64_t buffer = v->offset / buffer_bytes();

		if (v->flags & WEIR_SLICE_SPILLED)
			continue;
		assert_true(!area || area == v->area);
		area = v->area;
		assert_true(buffer < BUFFERS_MAX);
		sum += kept[buffer] ? 0 : buffer_bytes();
		kept[buffer] = true;
	}
	return sum;
}

static void slow_received(struct t_end *end, struct weir_slice *v, unsigned n)
{
	(void)end;
	for (unsigned i = 0; i < n; i++) {
		w.spilled += !!(v[i].flags & WEIR_SLICE_SPILLED);
		if (w.keeps && w.held_count < HELD_MAX) {
			assert_int_equal(weir_slice_hold(&v[i]), 0);
			w.held[w.held_count].slice = v[i];
			w.held[w.held_count++].at = w.at;
		}
		w.at += v[i].len;
	}
}

static void pressure(struct weir_sock *s, int res, void *user)
{
	assert_ptr_equal(user, SLOW);
	assert_ptr_equal(s, SLOW->s);
	assert_int_equal(res, !w.slow_is_over);
	w.slow_is_over = res;
	w.over += res;
	w.within += !res;
}

static void release_one(unsigned i)
{
	struct held *h = &w.held[i];
	struct weir_slice again = h->slice;

	t_pattern_check(h->slice.data, 1, h->at, h->slice.len);
	assert_int_equal(weir_slice_release(&h->slice), 0);
	assert_int_equal(weir_slice_release(&again), -EINVAL);
	*h = w.held[--w.held_count];
	t_ledger(w.e);
}

static void opened(enum weir_pressure policy, uint64_t slow_bytes, uint64_t other_bytes)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = AREA_BYTES,
				      .buffer_bytes = BUFFER_BYTES,
				      .pressure = policy,
				      .hold_max_bytes = MAX_BYTES };
	static struct weir_sock_ops ops;

	memset(&w, 0, sizeof w);
	ops = t_end_ops;
	ops.pressure = pressure;
	w.e = t_open(&o);
	w.keeps = true;
	for (unsigned i = 0; i <= OTHERS; i++) {
		uint64_t bytes = i ? other_bytes : slow_bytes;

		t_end_init(&w.ends[i], 0, 0, 1 + i, bytes);
		t_end_init(&w.ends[1 + OTHERS + i], 1 + i, bytes, 0, 0);
		w.ends[i].ops = &ops;
		w.ends[1 + OTHERS + i].how = T_SEND_TABLE;
	}
	SLOW->may_spill = policy == WEIR_PRESSURE_COPY;
	SLOW->on_received = slow_received;
	t_acceptor_open(&w.acceptor, w.e, "127.0.0.1:0", NULL, w.ends, 1 + OTHERS);
	/* One after the other: accepted in that order. */
	for (unsigned i = 0; i <= OTHERS; i++) {
		t_end_connect(&w.ends[1 + OTHERS + i], w.e, &w.acceptor, NULL);
		t_until(w.e, w.ends[i].s != NULL);
	}
}

static void closed(void)
{
	for (unsigned i = 0; i < T_COUNT(w.ends); i++) {
		t_end_close(&w.ends[i]);
		t_until(w.e, w.ends[i].closed);
	}
	weir_sock_close(w.acceptor.s);
	t_until(w.e, w.acceptor.closed);
	while (w.held_count)
		release_one(0);
	t_close(w.e);
}

static bool others_complete(void)
{
	for (unsigned i = 1; i <= OTHERS; i++)
		if (!t_end_complete(&w.ends[i]))
			return false;
	return true;
}

static struct weir_engine_stats stats(void)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(w.e, &s);
	return s;
}

static void stop(void **state)
{
	uint64_t bytes = 4 * MIB, stood;

	(void)state;
	opened(WEIR_PRESSURE_STOP, bytes, bytes);
	t_until(w.e, w.over == 1 && others_complete());
	/* What was on its way when it stopped may be as much as the area; no more comes then. */
	while (t_step(w.e, 20000) > 0)
		;
	stood = SLOW->rx_bytes;
	assert_true(kept_bytes() > MAX_BYTES);
	assert_true(stood < bytes);
	while (t_step(w.e, 20000) > 0)
		;
	assert_int_equal(SLOW->rx_bytes, stood);
	/* In the order of arrival, as a reader would; what comes then is not kept. */
	w.keeps = false;
	while (!w.within) {
		release_one(0);
		t_step_idle(w.e);
		assert_int_equal(w.within, kept_bytes() <= MAX_BYTES / 2);
		assert_true(w.within || SLOW->rx_bytes == stood);
	}
	while (w.held_count)
		release_one(w.held_count - 1);
	t_until(w.e, t_end_complete(SLOW));
	assert_int_equal(w.spilled, 0);
	assert_int_equal(stats().spilled_bytes, 0);
	assert_int_equal(stats().pressures, w.over);
	closed();
}

static void copy(void **state)
{
	uint64_t bytes = 4 * MIB;

	(void)state;
	opened(WEIR_PRESSURE_COPY, bytes, bytes);
	/* It gets everything, although it gives nothing back. */
	t_until(w.e, t_end_complete(SLOW) && others_complete());
	t_step_idle(w.e);
	assert_int_equal(w.over, 1);
	assert_int_equal(w.within, 0);
	assert_true(w.spilled > 0);
	assert_true(kept_bytes() > MAX_BYTES);
	assert_in_range(stats().spilled_bytes, bytes > area_bytes() ? bytes - area_bytes() : 1,
			bytes);
	while (w.held_count)
		release_one(t_rand_below(w.held_count));
	t_step_idle(w.e);
	assert_int_equal(w.within, 1);
	t_ledger_idle(w.e);
	assert_int_equal(stats().pressures, 1);
	closed();
}

/* Nothing but the event: the area bears it, since the slow one gets less than that. */
static void tell(void **state)
{
	uint64_t bytes = AREA_BYTES / 2;

	(void)state;
	opened(WEIR_PRESSURE_TELL, bytes, 4 * MIB);
	SLOW->rx_total = bytes;
	t_until(w.e, t_end_complete(SLOW) && others_complete());
	t_step_idle(w.e);
	assert_int_equal(w.over, 1);
	assert_int_equal(w.spilled, 0);
	while (w.held_count)
		release_one(t_rand_below(w.held_count));
	t_step_idle(w.e);
	assert_int_equal(w.within, 1);
	closed();
}

/* Holds, releases, pauses at random, in each policy; all bytes arrive in the end. */
static void torture(void **state)
{
	(void)state;
	for (unsigned policy = WEIR_PRESSURE_STOP; policy <= WEIR_PRESSURE_TELL; policy++) {
		opened(policy, 3 * MIB, MIB);
		while (!t_end_complete(SLOW) || !others_complete()) {
			w.keeps = t_rand_below(4);
			if (SLOW->s && !t_rand_below(16))
				weir_sock_pause(SLOW->s);
			if (t_step(w.e, t_rand_below(2) ? 0 : 2000) > 0 && t_rand_below(4))
				continue;
			if (SLOW->s)
				weir_sock_resume(SLOW->s);
			for (unsigned n = t_rand_below(w.held_count + 1); n; n--)
				release_one(t_rand_below(w.held_count));
		}
		while (w.held_count)
			release_one(0);
		t_step_idle(w.e);
		assert_int_equal(w.over, w.within);
		assert_int_equal(stats().pressures, w.over);
		closed();
	}
}

/* The socket goes while it is over; its slices stay, and the engine with them. */
static void closed_while_over(void **state)
{
	(void)state;
	for (unsigned policy = WEIR_PRESSURE_STOP; policy <= WEIR_PRESSURE_TELL; policy++) {
		opened(policy, MAX_BYTES + 8 * BUFFER_BYTES, 10000);
		t_until(w.e, w.over == 1 && others_complete());
		if (t_rand_below(2))
			t_end_finish(SLOW);
		else
			t_end_close(SLOW);
		t_end_close(&w.ends[1 + OTHERS]);
		t_until(w.e, SLOW->closed);
		assert_int_equal(w.within, 0);
		while (w.held_count > 3)
			release_one(t_rand_below(w.held_count));
		t_step_idle(w.e);
		assert_int_equal(w.within, 0);
		closed();
	}
}

/* A slice that is sent on keeps its buffer, for the socket it came by. */
static void sent_on(void **state)
{
	enum { BYTES = 4 * MIB };
	struct weir_sock_opts so = { .size = sizeof so, .tx_queue_max = 100000 };
	struct weir_slice v;
	struct t_end out;
	int pair[2], small = 64 << 10;
	uint64_t sent = 0, got = 0;

	(void)state;
	opened(WEIR_PRESSURE_STOP, BYTES, 0);
	t_raw_pair(pair);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	t_end_init(&out, 0, 0, 0, 0);
	assert_int_equal(weir_adopt(w.e, pair[1], &t_end_ops, &out, &so, &out.s, NULL), 0);
	/*
	 * What is held is sent and released: only the send keeps it.  Nobody reads.  What came
	 * while the others connected is held, too, and may be more than the bound.
	 */
	for (;;) {
		while (w.held_count) {
			v = w.held[0].slice;
			sent += v.len;
			assert_int_equal(weir_sock_send_slice(out.s, &v, 0, 0), 0);
			assert_int_equal(weir_slice_release(&w.held[0].slice), 0);
			assert_int_equal(weir_sock_send_slice(out.s, &v, 0, 0), -EINVAL);
			memmove(&w.held[0], &w.held[1], --w.held_count * sizeof w.held[0]);
		}
		if (w.slow_is_over)
			break;
		t_step_some(w.e, "over");
	}
	w.keeps = false;
	t_until_polled(w.e, got == sent && !w.slow_is_over, {
		static char buf[100000];
		ssize_t n = read(pair[0], buf, sizeof buf);
		if (n > 0) {
			t_pattern_check(buf, 1, got, n);
			got += n;
		}
	});
	t_end_close(&out);
	t_until(w.e, out.closed);
	close(pair[0]);
	closed();
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(stop),
		T_CASE(copy),
		T_CASE(tell),
		T_CASE(torture),
		T_CASE(closed_while_over),
		T_CASE(sent_on),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
