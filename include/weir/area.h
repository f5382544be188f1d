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
 * @WEIR_PROVIDER_HUGE: 2 MiB pages from the system's pool; falls back to host pages, the reason
 *	in weir_area_info.reason, unless WEIR_AREA_STRICT is set.
 * @WEIR_PROVIDER_MEMFD: a memfd, to be shared with another process by its fd.
 */
enum weir_provider {
	WEIR_PROVIDER_AUTO = 0,
	WEIR_PROVIDER_HOST = 1,
	WEIR_PROVIDER_HUGE = 2,
	WEIR_PROVIDER_MEMFD = 3,
};

#define WEIR_AREA_STRICT (1u << 0) /* no fallback to another provider: fail instead */
#define WEIR_AREA_LAZY (1u << 1)   /* do not touch the pages beforehand */

/**
 * struct weir_area_opts - what memory to make.
 * @size: sizeof(struct weir_area_opts), for growth of the structure.
 * @provider: where the memory comes from.
 * @flags: WEIR_AREA_*.
 * @bytes: size in bytes; rounded up to the provider's page size; 0 means 8 MiB.
 * @memfd: an existing memfd to map (WEIR_PROVIDER_MEMFD), -1 or 0 to make one; the area keeps
 *	a duplicate, the caller keeps its own.
 */
struct weir_area_opts {
	size_t size;
	enum weir_provider provider;
	uint32_t flags;
	size_t bytes;
	int memfd;
	uint32_t reserved;
};

/**
 * struct weir_area_info - what memory was got.
 * @provider: the provider that made it (never AUTO).
 * @base: first byte, or NULL where the CPU cannot read the memory.
 * @bytes: size in bytes.
 * @page_bytes: page size of the memory in bytes.
 * @fd: the memfd, owned by the area; -1 for others.
 * @reason: why another provider than the asked-for one was taken; "" where none was.
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
 * Return: 0; -EINVAL for unknown flags, non-zero reserved fields or a size of 0 after rounding;
 * -ENOMEM; what memfd_create(2) or mmap(2) say.  Threads: any.  Blocks while pages are made
 * (about 15 us per MiB), unless WEIR_AREA_LAZY is set.
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

/* Flags of a slice. */
#define WEIR_SLICE_HELD (1u << 0)      /* the application keeps it; set by weir_slice_hold() */
#define WEIR_SLICE_TRUNCATED (1u << 1) /* datagram was longer than the buffer; the rest is lost */
#define WEIR_SLICE_SENT (1u << 2)      /* in flight as the memory of a send */
#define WEIR_SLICE_MORE (1u << 3)      /* SCTP: the message goes on in another slice */
#define WEIR_SLICE_NOTIFICATION \
	(1u << 4)		  /* SCTP: an event the fd's owner subscribed to, no message */
#define WEIR_SLICE_SCTP (1u << 5) /* SCTP message: weir_slice_sctp() tells the rest */

/**
 * struct weir_slice - one received piece, borrowed from an area.
 * @data: first byte; NULL where the CPU cannot read the area.
 * @len: bytes.
 * @flags: WEIR_SLICE_*.
 * @area: the area it lies in.
 * @offset: of the first byte from the start of the area, in bytes.
 * @peer: sender of a datagram or SCTP message, valid as long as the slice; NULL for streams.
 * @segment_bytes: 0 where the slice is one datagram (or a piece of a stream); else the slice is
 *	a train of datagrams of this many bytes each, the last one possibly shorter, all from @peer
 *	(UDP GRO).  weir_slice_datagram() takes one out.
 * @buffer: private to the library.
 * @pool: private to the library.
 *
 * A slice is the application's from the event that brings it until weir_engine_done() (or the
 * return of the callback), or, once held, until weir_slice_release().  Copy the structure freely;
 * release exactly one copy.
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
 * slice keeps its whole buffer (weir_engine_opts.buffer_bytes) from being received into.
 *
 * Return: 0; -EALREADY where it is held already; -EINVAL where it is no slice of an event.
 * Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK int weir_slice_hold(struct weir_slice *slice);

/**
 * weir_slice_release() - give a held slice back.
 * @slice: the held slice; WEIR_SLICE_HELD is cleared in it.
 *
 * Return: 0; -EINVAL where it is not held (a second release is refused).
 * Threads: the engine's; from elsewhere post a message (weir_engine_post()).
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
