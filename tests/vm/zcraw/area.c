/* SPDX-License-Identifier: MIT */
/*
 * area.c - the memory that the NIC writes to: pages, huge pages, or a dma-buf.
 *
 * Theory: a dma-buf is made with /dev/udmabuf from a sealed memfd; we read what the NIC wrote
 * through our own mapping of the memfd.  Huge pages are asked for in /proc/sys/vm/nr_hugepages and
 * handed back after the scenario.  The kernel releases the memory of a closed ring a moment after
 * close() returns, so that a mapping of huge pages is tried until a deadline.
 */
#include "zcraw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define HUGE_BYTES (2u << 20)
#define HUGE_DEADLINE_MS 10000
#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

static unsigned huge_pages(void)
{
	char text[32] = "";

	if (file_read(NR_HUGEPAGES, text, sizeof text))
		skip("this kernel has no huge pages");
	return (unsigned)strtoul(text, NULL, 10);
}

/* The pool is grown once; after the scenario it shrinks to nothing. */
static void huge_reserve(size_t bytes)
{
	unsigned wanted = (unsigned)(bytes / HUGE_BYTES);
	char text[32];
	long end;

	if (huge_pages() >= wanted)
		return;
	snprintf(text, sizeof text, "%u", wanted);
	undo(NULL, "busybox sysctl -q -w vm.nr_hugepages=0");
	/* the kernel stops early where a signal is pending, as is its work for a closed ring */
	for (end = now_ms() + HUGE_DEADLINE_MS; huge_pages() < wanted;)
		if (file_write(NR_HUGEPAGES, text) || now_ms() > end)
			fail("no %u huge pages to be had: %u", wanted, huge_pages());
}

static void map_private(struct area *area, bool huge)
{
	long end = now_ms() + HUGE_DEADLINE_MS;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0);

	for (;;) {
		area->mem = mmap(NULL, area->bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (area->mem != MAP_FAILED)
			return;
		if (!huge || errno != ENOMEM || now_ms() > end)
			fail("area of %zu bytes%s: %s", area->bytes, huge ? ", huge pages" : "",
			     strerror(errno));
		poll(NULL, 0, 5);
	}
}

/* The kernel hands out pages in the order of first use: every second page first. */
static void scatter(struct area *area)
{
	madvise(area->mem, area->bytes, MADV_NOHUGEPAGE);
	for (size_t first = 0; first < 2; first++)
		for (size_t at = first * PAGE_BYTES; at < area->bytes; at += 2 * PAGE_BYTES)
			*(volatile unsigned char *)(area->mem + at) = 0;
}

static void map_dmabuf(struct area *area)
{
	struct udmabuf_create create;
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (device < 0)
		skip("/dev/udmabuf: %s", strerror(errno));
	area->memfd = memfd_create("zcraw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (area->memfd < 0 || ftruncate(area->memfd, (off_t)area->bytes) ||
	    fcntl(area->memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		fail("memfd of %zu bytes: %s", area->bytes, strerror(errno));
	memset(&create, 0, sizeof create);
	create.memfd = (uint32_t)area->memfd;
	create.flags = UDMABUF_FLAGS_CLOEXEC;
	create.size = area->bytes;
	area->dmabuf = ioctl(device, UDMABUF_CREATE, &create);
	if (area->dmabuf < 0)
		fail("UDMABUF_CREATE of %zu bytes: %s", area->bytes, strerror(errno));
	close(device);
	area->mem = mmap(NULL, area->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, area->memfd, 0);
	if (area->mem == MAP_FAILED)
		fail("mapping of the memfd: %s", strerror(errno));
}

void area_new(struct area *area, enum area_kind kind, size_t bytes)
{
	memset(area, 0, sizeof *area);
	area->kind = kind;
	area->bytes = bytes;
	area->memfd = -1;
	area->dmabuf = -1;
	if (kind == AREA_HUGE)
		huge_reserve(bytes);
	if (kind == AREA_DMABUF)
		map_dmabuf(area);
	else
		map_private(area, kind == AREA_HUGE);
	if (kind == AREA_SCATTERED)
		scatter(area);
	/* fork() would copy pages that the kernel holds */
	madvise(area->mem, area->bytes, MADV_DONTFORK);
	/* what the NIC has not written is then told apart from zeros that it wrote */
	memset(area->mem, 0xa5, area->bytes);
}

void area_free(struct area *area)
{
	if (area->mem)
		munmap(area->mem, area->bytes);
	if (area->dmabuf >= 0)
		close(area->dmabuf);
	if (area->memfd >= 0)
		close(area->memfd);
	area->mem = NULL;
	area->dmabuf = -1;
	area->memfd = -1;
}
