// SPDX-License-Identifier: MIT
/*
 * page.c - pages: their sizes, having them made, why there are none.
 *
 * Theory: memory is asked for in pages of one size.  All of them are made when the area is: a first
 *	touch on the data path costs more than the copy into it, and a page that is not to be had
 *	(a control group's bound, a pool of huge pages that others drew from) is then an error with
 *	a sentence, not a SIGBUS in the middle of a transfer.
 * Invariants: 1. page sizes are powers of two, at least the ordinary one.
 * Ownership: nothing.
 * Threads: any.
 * Errors: -errno of madvise(2); weir_page_refused() adds the sentence.
 * Sources: madvise(2) MADV_POPULATE_WRITE (Linux 5.14; -EINVAL before);
 *	Documentation/admin-guide/mm/hugetlbpage.rst.
 * Tests: tests/unit/test_area.c, tests/unit/test_area_dmabuf.c
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../util/util.h"
#include "mem.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

#define DEFAULT_BYTES (8ul << 20)

size_t weir_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

size_t weir_area_wanted(const struct weir_area_opts *o)
{
	return o->bytes ? o->bytes : DEFAULT_BYTES;
}

int weir_page_flags(size_t page_bytes)
{
	if (page_bytes <= weir_page_bytes())
		return 0;
	return MAP_HUGETLB | __builtin_ctzl(page_bytes) << MAP_HUGE_SHIFT;
}

int weir_page_touch(void *base, size_t bytes)
{
	size_t page = weir_page_bytes();

	if (!madvise(base, bytes, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* What is there stays, also what another process writes meanwhile. */
	for (size_t at = 0; at < bytes; at += page)
		__atomic_fetch_or((char *)base + at, 0, __ATOMIC_RELAXED);
	return 0;
}

int weir_page_refused(struct weir_error *reterr, int code, const char *stage, size_t bytes,
		      size_t page_bytes)
{
	size_t kib = page_bytes >> 10;

	if (page_bytes <= weir_page_bytes())
		return weir_error_set(reterr, code, stage, "area",
				      "%zu bytes are not to be had: ask for fewer", bytes);
	if (code == -EINVAL)
		return weir_error_set(reterr, code, stage, "huge pages",
				      "there may be no pages of %zu KiB on this machine: "
				      "ls /sys/kernel/mm/hugepages",
				      kib);
	return weir_error_set(reterr, code, stage, "huge pages",
			      "reserve %zu more: "
			      "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
			      bytes / page_bytes, kib);
}
