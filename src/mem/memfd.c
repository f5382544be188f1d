// SPDX-License-Identifier: MIT
/*
 * memfd.c - provider of memory with a descriptor: another process can map it, too.
 *
 * Theory: a memfd that is made here is sealed at its size before anybody else can have it, so that
 *	no owner can cut it off under another: a mapping behind the end of its file is a SIGBUS at
 *	each access.  One that the caller made is taken as it is; its pages have the size that its
 *	file system says.
 * Invariants: 1. base and bytes are multiples of page_bytes, which munmap(2) needs with huge pages.
 *	2. the file has at least bytes.
 * Ownership: the area has a descriptor and a mapping of its own; the caller keeps the descriptor it
 *	gave.
 * Threads: any.
 * Errors: -errno of memfd_create(2), ftruncate(2), fcntl(2), mmap(2), with a hint; -EINVAL for a
 *	descriptor that is too short or no memory at all.
 * Sources: memfd_create(2), F_ADD_SEALS in fcntl(2); MFD_NOEXEC_SEAL: mm/memfd.c, Linux 6.3
 *	(-EINVAL before; where vm.memfd_noexec is 2, -EACCES without it).
 * Tests: tests/unit/test_area.c, tests/unit/test_area_dmabuf.c
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../util/util.h"
#include "mem.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/* A file before it is mapped. */
struct file {
	int fd;
	size_t bytes;
	size_t page_bytes;
};

static int file_refused(struct file *f, int code, const char *stage, struct weir_error *reterr)
{
	close(f->fd);
	return weir_page_refused(reterr, code, stage, f->bytes, f->page_bytes);
}

static int file_make(struct file *f, struct weir_error *reterr)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	/* The bits of MFD_HUGETLB and MAP_HUGETLB differ, those of the page size do not. */
	if (weir_page_flags(f->page_bytes))
		flags |= ((unsigned)weir_page_flags(f->page_bytes) & ~(unsigned)MAP_HUGETLB) |
			 MFD_HUGETLB;
	f->fd = memfd_create("weir-area", flags | MFD_NOEXEC_SEAL);
	if (f->fd < 0 && errno == EINVAL)
		f->fd = memfd_create("weir-area", flags);
	if (f->fd < 0)
		return weir_page_refused(reterr, -errno, "memfd_create", f->bytes, f->page_bytes);
	if (ftruncate(f->fd, (off_t)f->bytes))
		return file_refused(f, -errno, "ftruncate", reterr);
	if (fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return file_refused(f, -errno, "F_ADD_SEALS", reterr);
	return 0;
}

static int given_bad(struct file *f, int given, const char *what, struct weir_error *reterr)
{
	char object[24];

	close(f->fd);
	snprintf(object, sizeof(object), "descriptor %d", given);
	return weir_error_set(reterr, -EINVAL, "memfd", object, "%s", what);
}

static int file_given(struct file *f, const struct weir_area_opts *o, struct weir_error *reterr)
{
	struct statfs fs;
	struct stat st;

	f->fd = fcntl(o->memfd, F_DUPFD_CLOEXEC, 3);
	if (f->fd < 0)
		return weir_error_set(reterr, -errno, "memfd", NULL, "descriptor %d is not open",
				      o->memfd);
	if (fstat(f->fd, &st) || fstatfs(f->fd, &fs) || !S_ISREG(st.st_mode))
		return given_bad(f, o->memfd, "it is no memfd", reterr);
	f->page_bytes = weir_page_bytes();
	if ((unsigned long)fs.f_type == HUGETLBFS_MAGIC)
		f->page_bytes = (size_t)fs.f_bsize;
	f->bytes = weir_page_round(o->bytes ? o->bytes : (size_t)st.st_size, f->page_bytes);
	if (!f->bytes)
		return given_bad(f, o->memfd, "it is empty: give it a size by ftruncate()", reterr);
	/* A file shorter than the mapping would kill the reader with SIGBUS. */
	if ((size_t)st.st_size < f->bytes)
		return given_bad(f, o->memfd, "the file is shorter than the whole pages asked for",
				 reterr);
	return 0;
}

int weir_memfd_map(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
		   struct weir_error *reterr)
{
	struct file f = { .bytes = weir_page_round(weir_area_wanted(o), page_bytes),
			  .page_bytes = page_bytes };
	int r = o->memfd > 0 ? file_given(&f, o, reterr) : file_make(&f, reterr);
	void *base;

	if (r)
		return r;
	base = mmap(NULL, f.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	if (base == MAP_FAILED && (errno == EACCES || errno == EPERM)) {
		r = -errno;
		close(f.fd);
		return weir_error_set(reterr, r, "mmap", "memfd",
				      "it is open for reading only, or sealed against writing");
	}
	if (base == MAP_FAILED)
		return file_refused(&f, -errno, "mmap", reterr);
	(void)madvise(base, f.bytes, MADV_HUGEPAGE);
	if (!(o->flags & WEIR_AREA_LAZY))
		r = weir_page_touch(base, f.bytes);
	if (r) {
		munmap(base, f.bytes);
		return file_refused(&f, r, "madvise", reterr);
	}
	a->info.base = base;
	a->info.bytes = f.bytes;
	a->info.page_bytes = f.page_bytes;
	a->info.fd = f.fd;
	return 0;
}

static int open_memfd(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
		      struct weir_error *reterr)
{
	int r = weir_memfd_map(a, o, page_bytes, reterr);

	if (!r)
		a->info.provider = WEIR_PROVIDER_MEMFD;
	return r;
}

const struct weir_provider_ops weir_provider_memfd = {
	.takes = WEIR_TAKES_MEMFD | WEIR_TAKES_PAGES,
	.open = open_memfd,
};
