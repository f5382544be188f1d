/* SPDX-License-Identifier: MIT */
/*
 * area.h - areas (memory that payload is received into) and slices (pieces of received payload).
 */
#ifndef WEIR_AREA_H
#define WEIR_AREA_H

#include <weir/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum weir_provider - where an area's memory comes from.
 * @WEIR_PROVIDER_AUTO: huge pages if there are any, else host pages.
 * @WEIR_PROVIDER_HOST: ordinary pages, transparent huge pages asked for.
 * @WEIR_PROVIDER_HUGE: huge pages from the system's pool; falls back to host pages.
 * @WEIR_PROVIDER_MEMFD: a memfd, to be shared with another process by its fd (weir_area_info.fd).
 * @WEIR_PROVIDER_UDMABUF: a dma-buf made of a memfd by /dev/udmabuf (root or the device's group);
 *	2 MiB pages where there are any.  The CPU has it as it has a memfd, also for O_DIRECT.
 *	Another process shares it by mapping its fd.
 * @WEIR_PROVIDER_DMABUF: a dma-buf that a device's driver made, given by its fd: memory of a GPU,
 *	for example.  Mapped where its exporter allows that, else slices in it have no address.  The
 *	kernel refuses pointers into such a mapping as memory of O_DIRECT and of zero-copy sends.
 *
 * An engine without NIC queues needs an area that the CPU has: one without weir_area_info.base is
 * refused there.  One dma-buf serves one NIC queue: the kernel takes it whole.
 */
enum weir_provider {
	WEIR_PROVIDER_AUTO = 0,
	WEIR_PROVIDER_HOST = 1,
	WEIR_PROVIDER_HUGE = 2,
	WEIR_PROVIDER_MEMFD = 3,
	WEIR_PROVIDER_UDMABUF = 4,
	WEIR_PROVIDER_DMABUF = 5,
};

/*
 * No fallback, but an error: neither to ordinary pages in place of huge ones nor, for a dma-buf, to
 * having no address.  The others tell in weir_area_info.reason what was not to be had.
 */
#define WEIR_AREA_STRICT (1u << 0)
#define WEIR_AREA_LAZY (1u << 1)   /* do not make the pages beforehand; no effect on dma-bufs */
#define WEIR_AREA_NO_MAP (1u << 2) /* dma-bufs: not mapped, their slices have no address */

/**
 * struct weir_area_opts - what memory to make.
 * @size: sizeof(struct weir_area_opts), for growth of the structure.
 * @provider: where the memory comes from.
 * @flags: WEIR_AREA_*.
 * @bytes: size in bytes; rounded up to whole pages; 0 means 8 MiB, or all of what @memfd or @dmabuf
 *	gives.  A dma-buf is taken whole: 0, or its size.
 * @memfd: an existing memfd to map (WEIR_PROVIDER_MEMFD, WEIR_PROVIDER_UDMABUF), -1 or 0 to make
 *	one, which is sealed at its size; the area keeps a duplicate, the caller keeps its own.
 *	It must not be made shorter while the area lives: each access behind its end is a SIGBUS.
 *	F_SEAL_SHRINK makes sure of that, and is needed for WEIR_PROVIDER_UDMABUF.
 * @reserved: 0.
 * @dmabuf: the dma-buf (WEIR_PROVIDER_DMABUF), else -1 or 0; the area keeps a duplicate, the caller
 *	keeps its own.
 * @page_bytes: size of the pages (WEIR_PROVIDER_HUGE, _MEMFD, _UDMABUF), such as 2 MiB or 1 GiB; 0:
 *	2 MiB for AUTO, HUGE and UDMABUF, ordinary ones for MEMFD.
 */
struct weir_area_opts {
	size_t size;
	enum weir_provider provider;
	uint32_t flags;
	size_t bytes;
	int memfd;
	uint32_t reserved;
	int dmabuf;
	uint32_t page_bytes;
};

/**
 * struct weir_area_info - what memory was got.
 * @provider: the provider that made it (never AUTO).
 * @base: first byte, or NULL where the CPU cannot have the memory.
 * @bytes: size in bytes.
 * @page_bytes: size of the memory's pages in bytes; of WEIR_PROVIDER_DMABUF, whose pages nobody
 *	tells, that of an ordinary one.
 * @fd: the memfd (MEMFD) or dma-buf (UDMABUF, DMABUF), owned by the area; -1 for others.
 * @reason: what was asked for and could not be had; "" where nothing was lacking.
 */
struct weir_area_info {
	enum weir_provider provider;
	void *base;
	size_t bytes;
	size_t page_bytes;
	int fd;
	char reason[160];
};

struct weir_area;

/**
 * weir_area_open() - make an area.
 * @retarea: receives the area; untouched on failure.
 * @opts: what to make; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL for a field that is out of range or that the provider does not know, for a
 * descriptor that is no memfd or no dma-buf, is too short or has seals that forbid its use, and for
 * more than the kernel makes one dma-buf of; -EBADF for a descriptor that is not open; -EACCES or
 * -EPERM for a memfd that may only be read and where /dev/udmabuf may not be opened; -ENOENT,
 * -ENXIO or -ENODEV where it does not exist; -EBADFD for a memfd that it does not take; -ENOMEM or
 * -EFAULT where pages are lacking; what else memfd_create(2), mmap(2) and madvise(2) say.
 * Threads: any.  Blocks while pages are made, unless WEIR_AREA_LAZY is set: 0.1 to 1 ms per MiB.
 */
WEIR_API WEIR_MUST_CHECK int weir_area_open(struct weir_area **retarea,
					    const struct weir_area_opts *opts,
					    struct weir_error *reterr);

/**
 * weir_area_close() - let go of an area.
 * @area: the area, or NULL.
 *
 * An area that engines still use lives until the last of them is closed.
 */
WEIR_API void weir_area_close(struct weir_area *area);

/**
 * weir_area_ref() - one more owner for an area.
 * @area: the area.
 *
 * Each owner calls weir_area_close() once.  Threads: any.
 *
 * Return: @area.
 */
WEIR_API struct weir_area *weir_area_ref(struct weir_area *area);

/**
 * weir_area_describe() - what memory an area is made of.
 * @area: the area.
 * @ret: receives the description.
 */
WEIR_API void weir_area_describe(const struct weir_area *area, struct weir_area_info *ret);

/**
 * weir_area_sync_begin() - the CPU is about to read what a device wrote.
 * @area: the area.
 *
 * For dma-bufs (UDMABUF, DMABUF): the kernel waits for the device and makes its writes visible to
 * the CPU (DMA_BUF_IOCTL_SYNC).  To be called once per batch, before the first slice is looked at,
 * and again for each later batch; weir_area_sync_end() follows when the CPU has read.  Needed where
 * the memory is a device's own, and on machines whose caches do not see DMA; a program that wants
 * to run everywhere calls both.  One system call on dma-bufs; nothing at all on other areas, and
 * so legal for any.  The library calls both where it copies payload of its own accord
 * (WEIR_PRESSURE_COPY); what a program has it copy out of a batch, as weir_slices_pull() and
 * weir_runs_add() do, belongs between the program's own two calls.
 *
 * Return: 0, or -errno of the dma-buf's exporter.  Threads: any.  Blocks where a device has not
 * done its work.
 */
WEIR_API WEIR_MUST_CHECK int weir_area_sync_begin(const struct weir_area *area);

/**
 * weir_area_sync_end() - the CPU has read; see weir_area_sync_begin().
 * @area: the area.
 *
 * Return: 0; -errno of the dma-buf's exporter (-EINVAL of udmabuf where nothing was ever begun).
 * Threads: any.
 */
WEIR_API int weir_area_sync_end(const struct weir_area *area);

/* Flags of a slice. */
#define WEIR_SLICE_HELD (1u << 0)      /* the application keeps it; set by weir_slice_hold() */
#define WEIR_SLICE_TRUNCATED (1u << 1) /* datagram was longer than the buffer; the rest is lost */
#define WEIR_SLICE_SENT (1u << 2)      /* in flight as the memory of a send */
#define WEIR_SLICE_MORE (1u << 3)      /* SCTP: the message goes on in another slice */
#define WEIR_SLICE_NOTIFICATION \
	(1u << 4)		  /* SCTP: an event the fd's owner subscribed to, no message */
#define WEIR_SLICE_SCTP (1u << 5) /* SCTP message: weir_slice_sctp() tells the rest */
#define WEIR_SLICE_SPILLED \
	(1u << 6) /* the library copied it out of its area (weir_engine_opts.pressure) */

/**
 * struct weir_slice - one received piece, borrowed from an area.
 * @data: first byte; NULL where the CPU cannot read the area.
 * @len: bytes.
 * @flags: WEIR_SLICE_*.
 * @area: the area it lies in; NULL with WEIR_SLICE_SPILLED.
 * @offset: of the first byte from the start of the area, in bytes; 0 where there is none.
 * @peer: sender of a datagram or SCTP message, valid as long as the slice; NULL for streams.
 * @segment_bytes: 0 where the slice is one datagram (or a piece of a stream); else the slice is
 *	a train of datagrams of this many bytes each, the last one possibly shorter, all from @peer
 *	(UDP GRO).  weir_slice_datagram() takes one out.
 * @buffer: private to the library.
 * @pool: private to the library.
 *
 * A slice is the application's from the event that brings it until weir_engine_done() (or the
 * return of the callback), or, once held, until weir_slice_release() or
 * weir_engine_close().  Copy the structure freely; release one copy: each further release of any
 * copy is refused.
 */
struct weir_slice {
	void *data;
	uint32_t len;
	uint32_t flags;
	struct weir_area *area;
	uint64_t offset;
	const struct sockaddr *peer;
	uint32_t segment_bytes;
	uint32_t buffer;
	void *pool;
	uint64_t reserved;
};

/**
 * weir_slice_hold() - keep a slice beyond its event.
 * @slice: the slice inside the event (not a copy of it).
 *
 * Sets WEIR_SLICE_HELD; copy the structure afterwards and release the copy when done.  A held
 * slice keeps its whole buffer (weir_engine_opts.buffer_bytes) from being received into; with
 * weir_engine_opts.hold_max_bytes each buffer of which a socket keeps pieces counts once for it.  A
 * hold that exceeds that succeeds; what follows is weir_engine_opts.pressure.
 *
 * Return: 0; -EALREADY where it is held already; -EINVAL where it is no slice of an event; -ENOMEM
 * (also with 4,194,302 slices held, or where 1,023 engines of the process hold slices): it is then
 * not held, and goes back with its event.  Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK int weir_slice_hold(struct weir_slice *slice);

/**
 * weir_slice_release() - give a held slice back.
 * @slice: the held slice; on success WEIR_SLICE_HELD is cleared in it, and it names nothing more.
 *
 * Return: 0; -EINVAL where it is not held, is no slice at all, was released by another copy, was
 * held by an engine that is closed, or belongs to an engine of another thread: nothing is changed
 * then.  Threads: the engine's; from elsewhere post a message (weir_engine_post()).
 */
WEIR_API int weir_slice_release(struct weir_slice *slice);

/**
 * weir_slice_datagram_count() - number of datagrams in a slice.
 * @slice: the slice.
 *
 * Return: 1 for a slice that is one datagram (also an empty one) or a piece of a stream.
 */
static inline uint32_t weir_slice_datagram_count(const struct weir_slice *slice)
{
	if (!slice->segment_bytes || slice->len <= slice->segment_bytes)
		return 1;
	return (slice->len + slice->segment_bytes - 1) / slice->segment_bytes;
}

/**
 * weir_slice_datagram() - bounds of one datagram of a slice.
 * @slice: the slice.
 * @index: 0 to weir_slice_datagram_count() - 1.
 * @retlen: receives its length in bytes.
 *
 * Return: its first byte.
 */
static inline void *weir_slice_datagram(const struct weir_slice *slice, uint32_t index,
					uint32_t *retlen)
{
	uint32_t at = index * slice->segment_bytes;
	uint32_t left = slice->len - at;

	*retlen = slice->segment_bytes && left > slice->segment_bytes ? slice->segment_bytes : left;
	return (char *)slice->data + at;
}

#ifdef __cplusplus
}
#endif

#endif
