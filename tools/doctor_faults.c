// SPDX-License-Identifier: MIT
/*
 * doctor_faults.c - published faults of kernels in what weir uses, by the kernel's version.
 *
 * Theory: a fault cannot be asked for, so the version is looked at, here and nowhere else.  A
 *	kernel has the fault if it is at least as new as the first that had it, and older than the
 *	fix of its stable series, or, where its series never got one, than the main line's.  A
 *	distribution may have taken the fix into an older version: that is said with the list.
 * Invariants: 1. each row has a record in the list of the kernel's own CVE authority.
 * Ownership: none.
 * Threads: any.
 * Errors: a version that cannot be read has no known fault.
 * Sources: the records of the CVE list (cvelistV5, assigner "Linux"), fields "versions":
 *	CVE-2026-43121, CVE-2026-43174, CVE-2026-45995, CVE-2025-38730, CVE-2025-39816,
 *	CVE-2026-53191, CVE-2026-43092, CVE-2026-53250, CVE-2026-23326, as of August 2026.
 * Tests: tests/unit/test_doctor.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static const struct doctor_fault faults[] = {
	{ "CVE-2026-43121", "zero-copy receive", "6.15", "6.18.16 6.19.6 7.0",
	  "a buffer can be given back twice while its queue is closed, and the kernel writes "
	  "beyond its free list" },
	{ "CVE-2026-43174", "zero-copy receive", "6.15", "6.19.6 7.0",
	  "a registration that fails after the queue was opened frees memory that the NIC may "
	  "still use" },
	{ "CVE-2026-45995", "zero-copy receive", "6.19", "7.0.4 7.1",
	  "freed memory is used when a registration ends" },
	{ "CVE-2025-38730", "provided-buffer rings", "6.4", "6.6.103 6.12.44 6.15.11 6.16.2 6.17",
	  "a receive that is retried can use a buffer that another one got meanwhile" },
	{ "CVE-2025-39816", "incremental buffers", "6.12", "6.16.5 6.17",
	  "the kernel reads a buffer's length twice, which a program can change in between" },
	{ "CVE-2026-53191", "bundles with incremental buffers", "6.12",
	  "6.12.94 6.18.36 7.0.13 7.1",
	  "a program is told too early that a buffer is its own; weir never uses both together" },
	{ "CVE-2026-43092", "AF_XDP without a copy", "6.6", "6.6.136 6.12.83 6.18.24 6.19.14 7.0",
	  "frames larger than the buffers are not refused" },
	{ "CVE-2026-53250", "AF_XDP transmit metadata", "6.8", "6.18.36 7.0.13 7.1",
	  "a program can change checksum offsets after they were checked; whoever may open AF_XDP "
	  "sockets can use it" },
	{ "CVE-2026-23326", "AF_XDP frames of several buffers", "6.13", "6.18.17 6.19.7 7.0",
	  "buffers are lost one by one" },
};

struct version {
	unsigned major, minor, patch;
};

/* "6.18.16-more", "7.0 more": two numbers at least. */
static bool parse(const char *text, struct version *ret)
{
	unsigned long number[3] = { 0 };
	unsigned count = 0;
	char *end;

	while (count < 3 && *text >= '0' && *text <= '9') {
		number[count++] = strtoul(text, &end, 10);
		text = end + (*end == '.');
		if (*end != '.')
			break;
	}
	if (count < 2)
		return false;
	*ret = (struct version){ (unsigned)number[0], (unsigned)number[1], (unsigned)number[2] };
	return true;
}

static bool older(const struct version *a, const struct version *b)
{
	if (a->major != b->major)
		return a->major < b->major;
	if (a->minor != b->minor)
		return a->minor < b->minor;
	return a->patch < b->patch;
}

static bool has(const struct doctor_fault *fault, const struct version *kernel)
{
	struct version v = { 0 };
	const char *at = fault->fixed;

	if (!parse(fault->first, &v) || older(kernel, &v))
		return false;
	for (;;) {
		if (!parse(at, &v))
			return false;
		at = strchr(at, ' ');
		if (!at || (v.major == kernel->major && v.minor == kernel->minor))
			return older(kernel, &v);
		at++;
	}
}

const struct doctor_fault *doctor_fault(unsigned *from, const char *release)
{
	struct version kernel;

	if (!parse(release, &kernel))
		return NULL;
	while (*from < sizeof(faults) / sizeof(faults[0])) {
		const struct doctor_fault *fault = &faults[(*from)++];

		if (has(fault, &kernel))
			return fault;
	}
	return NULL;
}

const char *doctor_kernel_version(const char *release, const char *version, char *buf, size_t bytes)
{
	const char *debian = strstr(version, " Debian ");
	struct version v, d;

	if (!parse(release, &v))
		snprintf(buf, bytes, "%s", release);
	else if (debian && parse(debian + strlen(" Debian "), &d) && d.major == v.major &&
		 d.minor == v.minor)
		snprintf(buf, bytes, "%u.%u.%u", d.major, d.minor, d.patch);
	else
		snprintf(buf, bytes, "%u.%u.%u", v.major, v.minor, v.patch);
	return buf;
}
