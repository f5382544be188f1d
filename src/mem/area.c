// SPDX-License-Identifier: MIT
/*
 * area.c - areas: memory that payload is received into, from several providers.
 *
 * Theory: a provider maps the memory; everything above it sees base, size and page size.  Huge
 *	pages come from the system's reserved pool (MAP_HUGETLB), which is empty on most machines:
 *	then host pages are taken and the reason is kept for people.  Pages are touched at once
 *	(MAP_POPULATE), because a first touch on the data path costs more than the copy into it.
 * Invariants: 1. base and bytes are multiples of page_bytes.  2. provider is never AUTO.
 *	3. refs > 0 while mapped.
 * Ownership: the caller of weir_area_open() has one reference, each engine one more; the last
 *	weir_area_close() unmaps.
 * Threads: any; references are atomic, the description never changes.
 * Errors: -errno of mmap(2), memfd_create(2), ftruncate(2), with a hint.
 * Sources: mmap(2) MAP_HUGETLB, memfd_create(2), madvise(2) MADV_HUGEPAGE;
 *	Documentation/admin-guide/mm/hugetlbpage.rst (/proc/sys/vm/nr_hugepages).
 * Tests: tests/unit/test_area.c
 */
#include "mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util/util.h"

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1u
#endif

#define HUGE_BYTES (2ul << 20)
#define DEFAULT_BYTES (8ul << 20)

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

static void *map(size_t bytes, int fd, int flags, const struct weir_area_opts *o)
{
	if (!(o->flags & WEIR_AREA_LAZY))
		flags |= MAP_POPULATE;
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
}

/*
 * Anonymous memory that begins where a 2 MiB page can: only then can transparent huge pages cover
 * all of it, and a copy into it misses the TLB 512 times less often.
 */
static void *map_aligned(size_t bytes)
{
	size_t room = bytes + HUGE_BYTES;
	char *all, *base;

	if (bytes < HUGE_BYTES)
		return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	all = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return all;
	base = (char *)round_up((size_t)all, HUGE_BYTES);
	if (base > all)
		munmap(all, (size_t)(base - all));
	if (base + bytes < all + room)
		munmap(base + bytes, (size_t)(all + room - (base + bytes)));
	return base;
}

static int open_host(struct weir_area *a, const struct weir_area_opts *o, struct weir_error *reterr)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = round_up(o->bytes, page);
	void *base;

	/* Touched only after madvise(): huge pages come with the first touch or not at all. */
	base = map_aligned(bytes);
	if (base == MAP_FAILED)
		return weir_error_set(reterr, -errno, "mmap", "area",
				      "%zu bytes are not to be had: ask for fewer", bytes);
	(void)madvise(base, bytes, MADV_HUGEPAGE);
	(void)madvise(base, bytes, MADV_DONTFORK);
	if (!(o->flags & WEIR_AREA_LAZY)) {
		for (size_t at = 0; at < bytes; at += page)
			((volatile char *)base)[at] = 0;
	}
	a->info.provider = WEIR_PROVIDER_HOST;
	a->info.base = base;
	a->info.bytes = bytes;
	a->info.page_bytes = page;
	return 0;
}

static int open_huge(struct weir_area *a, const struct weir_area_opts *o, struct weir_error *reterr)
{
	size_t bytes = round_up(o->bytes, HUGE_BYTES);
	void *base = map(bytes, -1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, o);

	if (base == MAP_FAILED)
		return weir_error_set(reterr, -errno, "mmap", "huge pages",
				      "reserve 2 MiB pages: sysctl vm.nr_hugepages=%zu",
				      bytes / HUGE_BYTES);
	(void)madvise(base, bytes, MADV_DONTFORK);
	a->info.provider = WEIR_PROVIDER_HUGE;
	a->info.base = base;
	a->info.bytes = bytes;
	a->info.page_bytes = HUGE_BYTES;
	return 0;
}

static int memfd_get(const struct weir_area_opts *o, size_t *bytes, struct weir_error *reterr)
{
	struct stat st;
	int fd;

	if (o->memfd > 0) {
		fd = fcntl(o->memfd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return weir_error_set(reterr, -errno, "memfd", NULL,
					      "descriptor %d is not open", o->memfd);
	} else {
		fd = memfd_create("weir-area", MFD_CLOEXEC);
		if (fd < 0)
			return weir_error_set(reterr, -errno, "memfd_create", NULL, NULL);
		if (ftruncate(fd, (off_t)*bytes)) {
			int code = -errno;

			close(fd);
			return weir_error_set(reterr, code, "ftruncate", "memfd", NULL);
		}
	}
	/* A file shorter than the mapping would kill the reader with SIGBUS. */
	if (fstat(fd, &st) || (size_t)st.st_size < *bytes) {
		close(fd);
		return weir_error_set(reterr, -EINVAL, "memfd", NULL,
				      "the file is shorter than the %zu bytes asked for", *bytes);
	}
	return fd;
}

static int open_memfd(struct weir_area *a, const struct weir_area_opts *o,
		      struct weir_error *reterr)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = round_up(o->bytes, page);
	int fd = memfd_get(o, &bytes, reterr);
	void *base;

	if (fd < 0)
		return fd;
	base = map(bytes, fd, MAP_SHARED, o);
	if (base == MAP_FAILED) {
		int code = -errno;

		close(fd);
		return weir_error_set(reterr, code, "mmap", "memfd", NULL);
	}
	a->info.provider = WEIR_PROVIDER_MEMFD;
	a->info.base = base;
	a->info.bytes = bytes;
	a->info.page_bytes = page;
	a->info.fd = fd;
	return 0;
}

static int open_huge_or_host(struct weir_area *a, const struct weir_area_opts *o,
			     struct weir_error *reterr)
{
	struct weir_error err = { 0 };
	int r = open_huge(a, o, &err);

	if (!r)
		return 0;
	if (o->flags & WEIR_AREA_STRICT) {
		if (reterr)
			*reterr = err;
		return r;
	}
	r = open_host(a, o, reterr);
	if (!r)
		snprintf(a->info.reason, sizeof(a->info.reason), "no huge pages (%s): %.100s",
			 strerrorname_np(-err.code), err.hint);
	return r;
}

static int check(struct weir_area_opts *o, struct weir_error *reterr)
{
	if (o->flags & ~(uint32_t)(WEIR_AREA_STRICT | WEIR_AREA_LAZY))
		return weir_error_set(reterr, -EINVAL, "area", "flags",
				      "unknown flag: only WEIR_AREA_* are legal");
	if (o->reserved)
		return weir_error_set(reterr, -EINVAL, "area", "reserved",
				      "zero the structure before setting its fields");
	if (!o->bytes)
		o->bytes = DEFAULT_BYTES;
	if (o->bytes > SIZE_MAX / 2)
		return weir_error_set(reterr, -EINVAL, "area", "bytes", "the size is out of range");
	return 0;
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
	switch (o.provider) {
	case WEIR_PROVIDER_AUTO:
	case WEIR_PROVIDER_HUGE:
		r = open_huge_or_host(a, &o, reterr);
		break;
	case WEIR_PROVIDER_HOST:
		r = open_host(a, &o, reterr);
		break;
	case WEIR_PROVIDER_MEMFD:
		r = open_memfd(a, &o, reterr);
		break;
	default:
		r = weir_error_set(reterr, -EINVAL, "area", "provider",
				   "only WEIR_PROVIDER_* are legal");
	}
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
