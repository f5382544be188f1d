// SPDX-License-Identifier: MIT
/*
 * area.c - areas: memory that payload is received into, from several providers.
 *
 * Theory: a provider makes the memory; everything above it sees base, size, page size and
 *	descriptor.  Here: options are checked against what the provider knows, larger pages that
 *	are not to be had are replaced by ordinary ones with the reason kept for people, references
 *	are counted.
 * Invariants: 1. base and bytes are multiples of page_bytes.  2. provider is never AUTO.
 *	3. refs > 0 while the memory is there.
 * Ownership: the caller of weir_area_open() has one reference, each engine one more; the last
 *	weir_area_close() gives mapping and descriptor back.
 * Threads: any; references are atomic, the description never changes.
 * Errors: -EINVAL names the field; else what the provider says.
 * Sources: none of its own: see the providers.
 * Tests: tests/unit/test_area.c, tests/unit/test_area_dmabuf.c
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../util/util.h"
#include "mem.h"

static const struct weir_provider_ops *const providers[] = {
	[WEIR_PROVIDER_AUTO] = &weir_provider_huge,
	[WEIR_PROVIDER_HOST] = &weir_provider_host,
	[WEIR_PROVIDER_HUGE] = &weir_provider_huge,
	[WEIR_PROVIDER_MEMFD] = &weir_provider_memfd,
	[WEIR_PROVIDER_UDMABUF] = &weir_provider_udmabuf,
	[WEIR_PROVIDER_DMABUF] = &weir_provider_dmabuf,
};

static int bad(struct weir_error *reterr, const char *field, const char *hint)
{
	return weir_error_set(reterr, -EINVAL, "weir_area_opts", field, "%s", hint);
}

static int check(const struct weir_area_opts *o, struct weir_error *reterr)
{
	const uint32_t flags = WEIR_AREA_STRICT | WEIR_AREA_LAZY | WEIR_AREA_NO_MAP;
	unsigned takes;

	if ((unsigned)o->provider >= weir_array_len(providers))
		return bad(reterr, "provider", "only WEIR_PROVIDER_* are legal");
	takes = providers[o->provider]->takes;
	if (o->flags & ~flags)
		return bad(reterr, "flags", "unknown flag: only WEIR_AREA_* are legal");
	if (o->flags & WEIR_AREA_NO_MAP && !(takes & WEIR_TAKES_NO_MAP))
		return bad(reterr, "flags", "WEIR_AREA_NO_MAP is for dma-bufs");
	if (o->reserved)
		return bad(reterr, "reserved", "zero the structure before setting its fields");
	if (o->memfd > 0 && !(takes & WEIR_TAKES_MEMFD))
		return bad(reterr, "memfd", "this provider takes no memfd");
	if (o->dmabuf > 0 && !(takes & WEIR_TAKES_DMABUF))
		return bad(reterr, "dmabuf", "give it with WEIR_PROVIDER_DMABUF");
	if (o->bytes > SIZE_MAX / 4)
		return bad(reterr, "bytes", "the size is out of range");
	if (o->page_bytes &&
	    (o->page_bytes < weir_page_bytes() || (o->page_bytes & (o->page_bytes - 1))))
		return bad(reterr, "page_bytes", "a size of pages, in bytes, is needed");
	if (o->page_bytes > weir_page_bytes() && !(takes & WEIR_TAKES_PAGES))
		return bad(reterr, "page_bytes", "this provider has ordinary pages only");
	if (o->page_bytes && o->memfd > 0)
		return bad(reterr, "page_bytes", "a memfd that exists has the pages it has");
	return 0;
}

/* Memory as the provider makes it; ordinary pages where the larger ones are not to be had. */
static int provide(struct weir_area *a, const struct weir_area_opts *o, struct weir_error *reterr)
{
	const struct weir_provider_ops *ops = providers[o->provider];
	size_t page = o->page_bytes ? o->page_bytes : ops->page_bytes;
	struct weir_error err = { 0 };
	int r;

	if (page <= weir_page_bytes() || o->memfd > 0)
		return ops->open(a, o, weir_page_bytes(), reterr);
	r = ops->open(a, o, page, &err);
	if (!r)
		return 0;
	if (o->flags & WEIR_AREA_STRICT) {
		if (reterr)
			*reterr = err;
		return r;
	}
	r = ops->open(a, o, weir_page_bytes(), reterr);
	if (!r)
		snprintf(a->info.reason, sizeof(a->info.reason),
			 "no huge pages of %zu KiB (%s): %.90s", page >> 10,
			 strerrorname_np(-err.code), err.hint);
	return r;
}

int weir_area_open(struct weir_area **retarea, const struct weir_area_opts *opts,
		   struct weir_error *reterr)
{
	struct weir_area_opts o = { 0 };
	struct weir_area *a;
	int r;

	if (!retarea)
		return weir_error_set(reterr, -EINVAL, "area", "retarea", "it must not be NULL");
	r = weir_opts_read(&o, sizeof(o), opts, "weir_area_opts", reterr);
	if (r)
		return r;
	r = check(&o, reterr);
	if (r)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return weir_error_set(reterr, -ENOMEM, "area", NULL, NULL);
	a->refs = 1;
	a->info.fd = -1;
	r = provide(a, &o, reterr);
	if (r) {
		free(a);
		return r;
	}
	*retarea = a;
	return 0;
}

struct weir_area *weir_area_ref(struct weir_area *area)
{
	__atomic_add_fetch(&area->refs, 1, __ATOMIC_RELAXED);
	return area;
}

void weir_area_close(struct weir_area *a)
{
	if (!a || __atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (a->info.base)
		munmap(a->info.base, a->info.bytes);
	if (a->info.fd >= 0)
		close(a->info.fd);
	free(a);
}

void weir_area_describe(const struct weir_area *area, struct weir_area_info *ret)
{
	*ret = area->info;
}
