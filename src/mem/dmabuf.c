// SPDX-License-Identifier: MIT
/*
 * dmabuf.c - providers of dma-bufs: made of a memfd by /dev/udmabuf, or by a device's driver.
 *
 * Theory: a dma-buf is memory that devices address; a NIC's queue takes it as an area by its
 *	descriptor, always whole.  Two kinds:
 *	udmabuf: the pages are a memfd's, pinned by the kernel from UDMABUF_CREATE on.  The CPU has
 *	    them by a mapping of the memfd, not of the dma-buf: those are the same pages, but the
 *	    dma-buf's mapping has no page structures (VM_PFNMAP), and a pointer into it is refused
 *	    as memory of O_DIRECT and of zero-copy sends.  The memfd itself is closed then: whoever
 *	    is to share the area maps the dma-buf.
 *	dma-buf: what its exporter lets the CPU have.  Many let it have nothing; then there is no
 *	    base.
 * Invariants: 1. info.fd is the dma-buf, info.bytes all of it.  2. base is NULL or all of it.
 * Ownership: the area has a descriptor of its own and the mapping; the caller keeps the dma-buf it
 *	gave; the pages live until the last of descriptors, mappings and devices is gone.
 * Threads: any.
 * Errors: -errno of open(2), ioctl(2), fcntl(2), with a hint for each that a user can remedy.
 * Sources: drivers/dma-buf/udmabuf.c (check_memfd_seals, udmabuf_create: EINVAL over size_limit_mb;
 *	EBADFD for huge pages before Linux 6.11), drivers/dma-buf/dma-buf.c (dma_buf_llseek,
 *	dma_buf_ioctl), io_uring/zcrx.c (io_import_dmabuf: offset 0 and the whole length),
 *	Linux 7.3; Documentation/driver-api/dma-buf.rst (CPU access).
 * Tests: tests/unit/test_area.c, tests/unit/test_area_dmabuf.c, tests/vm/t/lib_areas.sh
 */
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/magic.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../util/util.h"
#include "mem.h"

#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

#define DEVICE "/dev/udmabuf"
#define SIZE_LIMIT "/sys/module/udmabuf/parameters/size_limit_mb"

static int device_open(struct weir_error *reterr)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	const char *hint = NULL;

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		hint = "the kernel lacks CONFIG_UDMABUF, or the container lacks the device";
		break;
	case ENXIO:
	case ENODEV:
		hint = "the kernel has no udmabuf driver (CONFIG_UDMABUF)";
		break;
	case EACCES:
	case EPERM:
		hint = "it takes root, or the group that owns the device (often kvm)";
		break;
	}
	return weir_error_set(reterr, -errno, "open", DEVICE, hint ? "%s" : NULL, hint);
}

/* In MiB; 0 where it cannot be read. */
static unsigned long size_limit(void)
{
	FILE *file = fopen(SIZE_LIMIT, "re");
	unsigned long mib = 0;

	if (file) {
		if (fscanf(file, "%lu", &mib) != 1)
			mib = 0;
		fclose(file);
	}
	return mib;
}

static int create_refused(const struct weir_area_info *memfd, int code, bool given,
			  struct weir_error *reterr)
{
	unsigned long mib = code == -EINVAL ? size_limit() : 0;
	const char *hint = NULL;

	if (mib && memfd->bytes >> 20 >= mib && memfd->bytes > mib << 20)
		return weir_error_set(reterr, code, "UDMABUF_CREATE", DEVICE,
				      "at most %lu MiB: ask for less, or raise " SIZE_LIMIT, mib);
	if (given && code == -EINVAL)
		hint = "seal the memfd with F_SEAL_SHRINK, and not against writing";
	else if (given && code == -EBADFD)
		hint = "it is no memfd, or one of huge pages, which Linux before 6.11 refuses";
	else if (code == -EBADFD)
		hint = "Linux before 6.11 takes no huge pages";
	else if (code == -ENOMEM)
		hint = "the pages cannot all be pinned: ask for fewer";
	return weir_error_set(reterr, code, "UDMABUF_CREATE", DEVICE, hint ? "%s" : NULL, hint);
}

static int open_udmabuf(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
			struct weir_error *reterr)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	struct weir_area_opts pages = *o;
	int r, dmabuf, device = device_open(reterr);

	if (device < 0)
		return device;
	/* The kernel makes all of them in any case; huge ones that are lacking are told here. */
	pages.flags &= ~(uint32_t)WEIR_AREA_LAZY;
	r = weir_memfd_map(a, &pages, page_bytes, reterr);
	if (r) {
		close(device);
		return r;
	}
	create.memfd = (uint32_t)a->info.fd;
	create.size = a->info.bytes;
	dmabuf = ioctl(device, UDMABUF_CREATE, &create);
	if (dmabuf < 0)
		r = create_refused(&a->info, -errno, o->memfd > 0, reterr);
	close(device);
	close(a->info.fd);
	if (r || o->flags & WEIR_AREA_NO_MAP) {
		munmap(a->info.base, a->info.bytes);
		a->info.base = NULL;
	}
	a->info.provider = WEIR_PROVIDER_UDMABUF;
	a->info.fd = r ? -1 : dmabuf;
	return r;
}

/* Duplicate what the caller gave, if it is a dma-buf of whole pages. */
static int dmabuf_get(const struct weir_area_opts *o, size_t *retbytes, struct weir_error *reterr)
{
	char object[24];
	struct statfs fs;
	off_t end;
	int fd;

	if (o->dmabuf <= 0)
		return weir_error_set(reterr, -EINVAL, "dma-buf", "dmabuf",
				      "give its descriptor in weir_area_opts.dmabuf");
	snprintf(object, sizeof(object), "descriptor %d", o->dmabuf);
	fd = fcntl(o->dmabuf, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return weir_error_set(reterr, -errno, "dma-buf", object, "it is not open");
	end = lseek(fd, 0, SEEK_END);
	if (fstatfs(fd, &fs) || (unsigned long)fs.f_type != DMA_BUF_MAGIC || end <= 0) {
		close(fd);
		return weir_error_set(reterr, -EINVAL, "dma-buf", object, "it is no dma-buf");
	}
	if ((size_t)end % weir_page_bytes() || (o->bytes && o->bytes != (size_t)end)) {
		close(fd);
		return weir_error_set(reterr, -EINVAL, "dma-buf", object,
				      "it has %zu bytes: a queue takes a dma-buf whole, and whole "
				      "pages; leave weir_area_opts.bytes 0",
				      (size_t)end);
	}
	*retbytes = (size_t)end;
	return fd;
}

static int open_dmabuf(struct weir_area *a, const struct weir_area_opts *o, size_t page_bytes,
		       struct weir_error *reterr)
{
	static const char why[] = "the CPU may not have it, or only read it: so says its exporter";
	void *base = NULL;
	size_t bytes = 0;
	int r = 0, fd = dmabuf_get(o, &bytes, reterr);

	if (fd < 0)
		return fd;
	if (!(o->flags & WEIR_AREA_NO_MAP)) {
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (base == MAP_FAILED) {
			r = -errno;
			base = NULL;
		}
	}
	if (r && o->flags & WEIR_AREA_STRICT) {
		close(fd);
		return weir_error_set(reterr, r, "mmap", "dma-buf", "%s", why);
	}
	if (r)
		snprintf(a->info.reason, sizeof(a->info.reason), "not mapped (%s): %s",
			 strerrorname_np(-r), why);
	a->info.provider = WEIR_PROVIDER_DMABUF;
	a->info.base = base;
	a->info.bytes = bytes;
	a->info.page_bytes = page_bytes;
	a->info.fd = fd;
	return 0;
}

static int sync_cpu(const struct weir_area *area, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_READ };
	int r;

	if (area->info.provider != WEIR_PROVIDER_UDMABUF &&
	    area->info.provider != WEIR_PROVIDER_DMABUF)
		return 0;
	do
		r = ioctl(area->info.fd, DMA_BUF_IOCTL_SYNC, &sync);
	while (r && (errno == EINTR || errno == EAGAIN));
	return r ? -errno : 0;
}

int weir_area_sync_begin(const struct weir_area *area)
{
	return sync_cpu(area, DMA_BUF_SYNC_START);
}

int weir_area_sync_end(const struct weir_area *area)
{
	return sync_cpu(area, DMA_BUF_SYNC_END);
}

const struct weir_provider_ops weir_provider_udmabuf = {
	.takes = WEIR_TAKES_MEMFD | WEIR_TAKES_PAGES | WEIR_TAKES_NO_MAP,
	.page_bytes = WEIR_HUGE_BYTES,
	.open = open_udmabuf,
};

const struct weir_provider_ops weir_provider_dmabuf = {
	.takes = WEIR_TAKES_DMABUF | WEIR_TAKES_NO_MAP,
	.open = open_dmabuf,
};
