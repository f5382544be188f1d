/* SPDX-License-Identifier: MIT */
/*
 * test_doctor.c - published faults by the kernel's version, and the version itself.
 *
 * Theory: versions on both sides of each border of a fault: before it came, the last with it in a
 *	stable series and the first without, a series that never got the fix, the main line.
 */
#include <string.h>

#include "doctor.h"
#include "t.h"

static bool has(const char *id, const char *release)
{
	const struct doctor_fault *f;
	unsigned at = 0;

	while ((f = doctor_fault(&at, release)))
		if (!strcmp(f->id, id))
			return true;
	return false;
}

static unsigned count(const char *release)
{
	unsigned at = 0, n = 0;

	while (doctor_fault(&at, release))
		n++;
	return n;
}

static void borders(void **state)
{
	static const struct {
		const char *id, *release;
		bool there;
	} rows[] = {
		{ "CVE-2026-43121", "6.14.11", false },
		{ "CVE-2026-43121", "6.15", true },
		{ "CVE-2026-43121", "6.15.0", true },
		{ "CVE-2026-43121", "6.17.9-amd64", true },
		{ "CVE-2026-43121", "6.18.15", true },
		{ "CVE-2026-43121", "6.18.16", false },
		{ "CVE-2026-43121", "6.18.44-fc", false },
		{ "CVE-2026-43121", "6.19.5", true },
		{ "CVE-2026-43121", "6.19.6", false },
		{ "CVE-2026-43121", "7.0.0", false },
		{ "CVE-2026-43121", "7.3.4+deb14-cloud-amd64", false },
		{ "CVE-2026-43174", "6.18.99", true },
		{ "CVE-2026-43174", "6.19.6", false },
		{ "CVE-2026-45995", "6.18.1", false },
		{ "CVE-2026-45995", "7.0.3", true },
		{ "CVE-2026-45995", "7.0.4", false },
		{ "CVE-2026-45995", "7.1", false },
		{ "CVE-2025-38730", "6.1.170", false },
		{ "CVE-2025-38730", "6.6.102", true },
		{ "CVE-2025-38730", "6.6.103", false },
		{ "CVE-2025-39816", "6.12.90", true },
		{ "CVE-2026-53191", "6.12.93", true },
		{ "CVE-2026-53191", "6.12.94", false },
		{ "CVE-2026-53191", "6.19.20", true },
		{ "CVE-2026-53250", "6.12.94", true },
		{ "CVE-2026-53250", "7.0.13", false },
		{ "CVE-2026-43092", "6.12.83", false },
		{ "CVE-2026-23326", "6.18.16", true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (has(rows[i].id, rows[i].release) != rows[i].there)
			fail_msg("%s on %s: %d", rows[i].id, rows[i].release, !rows[i].there);
	assert_int_equal(count("7.3.4"), 0);
	assert_int_equal(count("6.1.0"), 0);
	assert_int_equal(count(""), 0);
	assert_int_equal(count("unknown"), 0);
	assert_int_equal(count("7"), 0);
}

static void whole(void **state)
{
	const struct doctor_fault *f;
	unsigned at = 0, n = 0;

	(void)state;
	while ((f = doctor_fault(&at, "6.15.0"))) {
		assert_true(f->id[0] && f->feature[0] && f->text[0] && f->fixed[0]);
		n++;
	}
	assert_true(n >= 5);
}

static void versions(void **state)
{
	static const char debian12[] =
		"Linux version 6.1.0-38-amd64 (debian-kernel@lists.debian.org) "
		"(gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0) #1 SMP "
		"PREEMPT_DYNAMIC Debian 6.1.147-1 (2026-08-02)";
	char buf[32];

	(void)state;
	assert_string_equal(doctor_kernel_version("6.1.0-38-amd64", debian12, buf, sizeof(buf)),
			    "6.1.147");
	assert_string_equal(
		doctor_kernel_version("6.18.44-fc", "Linux version 6.18.44-fc", buf, sizeof(buf)),
		"6.18.44");
	/* The compiler's Debian is not the kernel's. */
	assert_string_equal(doctor_kernel_version("6.18.44", "gcc Debian 12.2.0", buf, sizeof(buf)),
			    "6.18.44");
	assert_string_equal(doctor_kernel_version("7.3", "", buf, sizeof(buf)), "7.3.0");
	assert_string_equal(doctor_kernel_version("odd", "", buf, sizeof(buf)), "odd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(borders),
		T_CASE(whole),
		T_CASE(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
