/* SPDX-License-Identifier: MIT */
/*
 * test_iperf3_unit.c - figures as iperf3 prints them, CPU use, texts of errors.
 *
 * Theory: expected texts were taken from iperf 3.12's own output; the edges are where rounding
 *	would add a digit, or where the next unit begins.
 */
#include "t.h"

#include "iperf3.h"

static void says(double value, char format, const char *want)
{
	char buf[I3_UNIT_BYTES];

	assert_string_equal(i3_format_unit(value, format, buf), want);
	assert_true(strlen(buf) < I3_UNIT_BYTES);
}

static void adaptive_bytes(void **state)
{
	(void)state;
	says(0, 'A', "0.00 Byte");
	says(1, 'A', "1.00 Byte");
	says(999, 'A', " 999 Byte");
	says(1023, 'A', "1023 Byte");
	says(1024, 'A', "1.00 KByte");
	says(10 * 1024.0, 'A', "10.0 KByte");
	says(9.994 * 1024, 'A', "9.99 KByte");
	says(9.996 * 1024, 'A', "10.0 KByte");
	says(99.94 * 1024, 'A', "99.9 KByte");
	says(99.96 * 1024, 'A', " 100 KByte");
	says(1047552, 'A', "1023 KByte");
	says(1 << 20, 'A', "1.00 MByte");
	says(1181116006.4, 'A', "1.10 GByte");
	says(1.5 * 1024 * 1024 * 1024 * 1024, 'A', "1.50 TByte");
	says(5e18, 'A', "4547474 TByte");
}

static void adaptive_bits(void **state)
{
	(void)state;
	says(0, 'a', "0.00 bit");
	says(125, 'a', "1.00 Kbit");
	says(124.9, 'a', " 999 bit");
	says(125e3, 'a', "1.00 Mbit");
	says(125e6, 'a', "1.00 Gbit");
	says(31e9 / 8, 'a', "31.0 Gbit");
	says(125e9, 'a', "1.00 Tbit");
}

static void fixed_units(void **state)
{
	(void)state;
	says(125e6, 'k', "1000000 Kbit");
	says(125e6, 'm', "1000 Mbit");
	says(125e6, 'g', "1.00 Gbit");
	says(125e6, 't', "0.00 Tbit");
	says(1 << 20, 'K', "1024 KByte");
	says(1 << 20, 'M', "1.00 MByte");
	says(1 << 20, 'G', "0.00 GByte");
	says(1 << 20, 'T', "0.00 TByte");
}

static void cpu_use(void **state)
{
	struct i3_cpu cpu;
	uint64_t end;
	volatile unsigned work = 0;

	(void)state;
	i3_cpu_start(&cpu);
	for (end = i3_now_ns() + 50000000; i3_now_ns() < end;)
		work = work + 1;
	i3_cpu_stop(&cpu);
	/* a busy loop on a busy machine: some of the time, and not more than there is */
	assert_true(cpu.percent[0] > 1 && cpu.percent[0] < 110);
	assert_true(cpu.percent[1] + cpu.percent[2] < 160);
}

static void errors(void **state)
{
	char buf[256];

	(void)state;
	i3_error_text(I3E_ACCESS_DENIED, 0, buf, sizeof(buf));
	assert_string_equal(buf, "the server is busy running a test. try again later");
	i3_error_text(I3E_CONNECT, ECONNREFUSED, buf, sizeof(buf));
	assert_string_equal(buf, "unable to connect to server: Connection refused");
	i3_error_text((enum i3_error)4711, 0, buf, sizeof(buf));
	assert_string_equal(buf, "error number 4711");
	i3_error_text(I3E_SET_CONGESTION, EPERM, buf, 10);
	assert_int_equal(strlen(buf), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(adaptive_bytes), T_CASE(adaptive_bits), T_CASE(fixed_units),
		T_CASE(cpu_use),	T_CASE(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
