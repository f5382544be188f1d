/* SPDX-License-Identifier: MIT */
/*
 * mem.h - what src/mem offers beside the public area.h: providers, and the inside of an area.
 */
#ifndef WEIR_MEM_H
#define WEIR_MEM_H

#include <weir/area.h>

#define WEIR_HUGE_BYTES (2ul << 20)

/**
 * struct weir_area - memory to receive into.
 * @info: what was got.
 * @refs: owners: the caller of weir_area_open() and each engine (atomic).
 */
struct weir_area {
	struct weir_area_info info;
	int refs;
};

/**
 * enum weir_provider_takes - fields of weir_area_opts that a provider knows.
 * @WEIR_TAKES_MEMFD: .memfd.
 * @WEIR_TAKES_DMABUF: .dmabuf.
 * @WEIR_TAKES_PAGES: .page_bytes larger than an ordinary page.
 * @WEIR_TAKES_NO_MAP: the flag WEIR_AREA_NO_MAP.
 */
enum weir_provider_takes {
	WEIR_TAKES_MEMFD = 1 << 0,
	WEIR_TAKES_DMABUF = 1 << 1,
	WEIR_TAKES_PAGES = 1 << 2,
	WEIR_TAKES_NO_MAP = 1 << 3,
};

/**
 * struct weir_provider_ops - a provider.
 *
 * What it makes is one mapping and one descriptor, either of which may be missing: to close it,
 * nobody needs to know more.
 *
 * @takes: enum weir_provider_takes.
 * @page_bytes: pages it asks for where the caller asks for none; 0: ordinary ones.
 * @open: make memory of pages of @page_bytes and fill in a->info (.fd is -1); no memory and no
 *	descriptor is kept on failure.  Where larger pages cannot be had, area.c asks again for
 *	ordinary ones.
 */
struct weir_provider_ops {
	unsigned takes;
	size_t page_bytes;
	int (*open)(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
		    struct weir_error *reterr);
};

extern const struct weir_provider_ops weir_provider_host;
extern const struct weir_provider_ops weir_provider_huge;
extern const struct weir_provider_ops weir_provider_memfd;
extern const struct weir_provider_ops weir_provider_udmabuf;
extern const struct weir_provider_ops weir_provider_dmabuf;

/** weir_page_bytes() - size of an ordinary page. */
size_t weir_page_bytes(void);

/** weir_page_round() - the size in bytes, in whole pages. */
static inline size_t weir_page_round(size_t bytes, size_t page_bytes)
{
	return (bytes + page_bytes - 1) & ~(page_bytes - 1);
}

/** weir_area_wanted() - the size asked for, or the default. */
size_t weir_area_wanted(const struct weir_area_opts *o);

/** weir_page_flags() - MAP_HUGETLB with the size; 0 for ordinary pages. */
int weir_page_flags(size_t page_bytes);

/**
 * weir_page_touch() - have every page of a mapping made now.
 * @base: its begin.
 * @bytes: its size.
 *
 * Return: 0 or -errno; a page that cannot be had is told here, not by a signal later.
 */
int weir_page_touch(void *base, size_t bytes);

/**
 * weir_page_refused() - fill an error record: memory that is not to be had.
 * @reterr: record or NULL.
 * @code: -errno.
 * @stage: what was being done.
 * @bytes: what was asked for.
 * @page_bytes: in pages of this size.
 *
 * Return: @code.
 */
int weir_page_refused(struct weir_error *reterr, int code, const char *stage, size_t bytes,
		      size_t page_bytes);

/**
 * weir_memfd_map() - make a memfd, or duplicate the caller's, and map it.
 * @a: its .info receives base, bytes, page_bytes and fd.
 * @o: options.
 * @page_bytes: pages of one that is made.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno; @a is untouched then.
 */
int weir_memfd_map(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
		   struct weir_error *reterr);

#endif
