/* SPDX-License-Identifier: MIT */
/*
 * test_iperf3_udp.c - numbers of datagrams: loss, order, jitter, both widths of the counter.
 *
 * Theory: datagrams are stamped by a sender's stream and given to a receiver's in an order that
 *	the test chooses; what the receiver then says is known.  A random run drops, duplicates
 *	nothing, and swaps neighbours: in the end loss is what was dropped.
 */
#include <arpa/inet.h>
#include <math.h>

#include "t.h"

#include "iperf3.h"

static struct i3_test test;
static struct i3_stream sender, receiver;

static void begin(bool counters64)
{
	memset(&test, 0, sizeof(test));
	memset(&sender, 0, sizeof(sender));
	memset(&receiver, 0, sizeof(receiver));
	test.params.counters64 = counters64;
	sender.test = receiver.test = &test;
	sender.sender = true;
}

static void counts(int64_t packets, int64_t lost, int64_t out_of_order)
{
	assert_int_equal(receiver.udp.packets, packets);
	assert_int_equal(receiver.udp.lost, lost);
	assert_int_equal(receiver.udp.out_of_order, out_of_order);
}

static void header(void **state)
{
	uint8_t narrow[16], wide[16];
	static const uint8_t want_narrow[12] = { 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 1 };
	static const uint8_t want_wide[16] = { 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 3 };

	(void)state;
	begin(false);
	memset(narrow, 0xee, sizeof(narrow));
	i3_udp_stamp(&sender, narrow, UINT64_C(5000007999));
	assert_memory_equal(narrow, want_narrow, 12);
	assert_int_equal(narrow[12], 0xee);
	begin(true);
	sender.udp.packets = 0x200000002;
	i3_udp_stamp(&sender, wide, UINT64_C(5000007000));
	assert_memory_equal(wide, want_wide, 16);
}

static void order(void **state)
{
	uint8_t d[6][16];

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		begin(wide);
		for (int i = 0; i < 6; i++)
			i3_udp_stamp(&sender, d[i], 1000000000);
		i3_udp_account(&receiver, d[0], 16, 1.0);
		counts(1, 0, 0);
		i3_udp_account(&receiver, d[3], 16, 1.0);
		counts(4, 2, 0);
		i3_udp_account(&receiver, d[1], 16, 1.0);
		counts(4, 1, 1);
		i3_udp_account(&receiver, d[2], 16, 1.0);
		counts(4, 0, 2);
		/* a second copy takes nothing back */
		i3_udp_account(&receiver, d[2], 16, 1.0);
		counts(4, 0, 3);
		i3_udp_account(&receiver, d[5], 16, 1.0);
		counts(6, 1, 3);
	}
}

static void short_and_absurd(void **state)
{
	uint8_t d[16];

	(void)state;
	begin(false);
	i3_udp_stamp(&sender, d, 0);
	i3_udp_account(&receiver, d, 11, 1.0);
	i3_udp_account(&receiver, d, 0, 1.0);
	counts(0, 0, 0);
	i3_udp_account(&receiver, d, 12, 1.0);
	counts(1, 0, 0);
	begin(true);
	i3_udp_account(&receiver, d, 15, 1.0);
	counts(0, 0, 0);
	memset(d, 0xff, sizeof(d));
	i3_udp_account(&receiver, d, 16, 1.0);
	counts(0, 0, 0);
	d[8] = 0x7f;
	i3_udp_account(&receiver, d, 16, 1.0);
	assert_true(receiver.udp.lost == INT64_MAX - 1);
}

static void jitter(void **state)
{
	uint8_t d[16];

	(void)state;
	begin(false);
	/* a constant transit has none, whatever the clocks say */
	for (unsigned i = 0; i < 100; i++) {
		i3_udp_stamp(&sender, d, (uint64_t)i * 1000000);
		i3_udp_account(&receiver, d, 16, 777.0 + i * 0.001);
	}
	assert_true(receiver.jitter_s < 1e-9);
	/* one step of 16 ms counts a sixteenth */
	i3_udp_stamp(&sender, d, 100 * 1000000);
	i3_udp_account(&receiver, d, 16, 777.0 + 0.100 + 0.016);
	assert_true(fabs(receiver.jitter_s - 0.001) < 1e-6);
}

static void random_loss(void **state)
{
	uint8_t d[2][16];
	int64_t dropped = 0, delivered = 0;

	(void)state;
	begin(false);
	for (unsigned i = 0; i < 20000; i++) {
		bool swap = t_rand_below(10) == 0;

		i3_udp_stamp(&sender, d[0], 0);
		i3_udp_stamp(&sender, d[1], 0);
		for (unsigned k = 0; k < 2; k++) {
			/* the last ones arrive: what is lost behind them nobody can know */
			if (i < 19999 && t_rand_below(20) == 0) {
				dropped++;
				continue;
			}
			i3_udp_account(&receiver, d[swap ? 1 - k : k], 16, 0);
			delivered++;
		}
	}
	assert_int_equal(receiver.udp.lost, dropped);
	assert_int_equal(receiver.udp.packets, 40000);
	assert_int_equal(delivered + dropped, 40000);
}

static void allowance(void **state)
{
	uint64_t wait_us = 0;

	(void)state;
	begin(false);
	test.params.block_bytes = 1000;
	test.params.bytes = 4500;
	assert_int_equal(i3_allowance(&sender, &wait_us), 5);
	i3_queued(&sender, 4);
	assert_int_equal(i3_allowance(&sender, &wait_us), 1);
	i3_queued(&sender, 1);
	assert_int_equal(i3_allowance(&sender, &wait_us), 0);
	/* of several streams none takes what is the others' */
	test.params.streams = 3;
	test.params.bytes = 9500;
	assert_int_equal(i3_allowance(&sender, &wait_us), 2);
	test.params.streams = 1;
	test.params.bytes = 4500;
	test.omitting = true;
	assert_true(i3_allowance(&sender, &wait_us) > 1000);
	test.omitting = false;
	test.server = true;
	assert_true(i3_allowance(&sender, &wait_us) > 1000);
	/* 8 Mbit/s: a block per millisecond; 5 s ago began, 5,000 were due, 5 are sent */
	test.params.bytes = 0;
	test.params.rate = 8000000;
	test.started_ns = i3_now_ns() - UINT64_C(5000000000);
	assert_in_range(i3_allowance(&sender, &wait_us), 4990, 5200);
	sender.queued_bytes = 100 * 1000 * 1000;
	assert_int_equal(i3_allowance(&sender, &wait_us), 0);
	assert_in_range(wait_us, 94000000, 96000000);
	sender.queued_bytes = 0;
	test.params.burst = 7;
	assert_int_equal(i3_allowance(&sender, &wait_us), 7);
	i3_queued(&sender, 3);
	assert_int_equal(i3_allowance(&sender, &wait_us), 4);
	/* a client's time is up: nothing more, nor is there anything to wait for */
	test.server = false;
	test.stop_ns = i3_now_ns();
	wait_us = 0;
	assert_int_equal(i3_allowance(&sender, &wait_us), 0);
	test.params.burst = sender.burst_left = 0;
	assert_int_equal(i3_allowance(&sender, &wait_us), 0);
	assert_int_equal(wait_us, 0);
	test.stop_ns += UINT64_C(3600000000000);
	assert_in_range(i3_allowance(&sender, &wait_us), 4990, 5200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(header), T_CASE(order),	     T_CASE(short_and_absurd),
		T_CASE(jitter), T_CASE(random_loss), T_CASE(allowance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
