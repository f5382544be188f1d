// SPDX-License-Identifier: MIT
/*
 * host.c - providers of private memory: ordinary pages, huge pages.
 *
 * Theory: huge pages come from the system's reserved pool (MAP_HUGETLB), which is empty on most
 *	machines; area.c then asks again for ordinary pages.  These begin where a 2 MiB page can,
 *	so that transparent huge pages can cover all of them, where the system makes any: a copy
 *	into one misses the TLB 512 times less often.
 * Invariants: 1. base and bytes are multiples of page_bytes.
 * Ownership: the mapping is the area's.
 * Threads: any.
 * Errors: -errno of mmap(2) and madvise(2), with a hint.
 * Sources: mmap(2) MAP_HUGETLB; madvise(2) MADV_HUGEPAGE, MADV_DONTFORK: a child that had the pages
 *	too would take what is received after fork(2) away from the parent.
 * Tests: tests/unit/test_area.c
 */
#include <sys/mman.h>

#include "../util/util.h"
#include "mem.h"

#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static void *map(size_t bytes, int flags)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, PRIVATE | flags, -1, 0);
}

/* Ordinary pages, from an address at which a 2 MiB page can begin. */
static void *map_aligned(size_t bytes)
{
	size_t room = bytes + WEIR_HUGE_BYTES;
	char *all, *base;

	if (bytes < WEIR_HUGE_BYTES)
		return map(bytes, 0);
	all = map(room, 0);
	if (all == MAP_FAILED)
		return all;
	base = (char *)weir_page_round((size_t)all, WEIR_HUGE_BYTES);
	if (base > all)
		munmap(all, (size_t)(base - all));
	if (base + bytes < all + room)
		munmap(base + bytes, (size_t)(all + room - (base + bytes)));
	return base;
}

static int open_private(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
			struct weir_error *reterr)
{
	size_t bytes = weir_page_round(weir_area_wanted(o), page_bytes);
	int flags = weir_page_flags(page_bytes);
	void *base = flags ? map(bytes, flags) : map_aligned(bytes);
	int r = 0;

	if (base == MAP_FAILED)
		return weir_page_refused(reterr, -errno, "mmap", bytes, page_bytes);
	/* Before the first touch: huge pages come with it or not at all. */
	if (!flags)
		(void)madvise(base, bytes, MADV_HUGEPAGE);
	(void)madvise(base, bytes, MADV_DONTFORK);
	if (!(o->flags & WEIR_AREA_LAZY))
		r = weir_page_touch(base, bytes);
	if (r) {
		munmap(base, bytes);
		return weir_page_refused(reterr, r, "madvise", bytes, page_bytes);
	}
	a->info.provider = flags ? WEIR_PROVIDER_HUGE : WEIR_PROVIDER_HOST;
	a->info.base = base;
	a->info.bytes = bytes;
	a->info.page_bytes = page_bytes;
	return 0;
}

const struct weir_provider_ops weir_provider_host = {
	.open = open_private,
};

const struct weir_provider_ops weir_provider_huge = {
	.takes = WEIR_TAKES_PAGES,
	.page_bytes = WEIR_HUGE_BYTES,
	.open = open_private,
};
