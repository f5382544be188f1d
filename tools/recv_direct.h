/* SPDX-License-Identifier: MIT */
/*
 * recv_direct.h - weir recv --direct: payload from the memory it was received into to the disk.
 */
#ifndef WEIR_TOOLS_RECV_DIRECT_H
#define WEIR_TOOLS_RECV_DIRECT_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>

#include "stream_file.h"

#define RECV_DIRECT_WHY_BYTES 320

/**
 * struct recv_direct - a file that is written past the page cache, and writes in flight.
 * @on: asked for, and FILE is one that may be written so.
 * @fd: FILE opened with O_DIRECT; -1: everything goes by the page cache, @reason says why.
 * @refused: the file system refused a direct write: there are to be no more.
 * @out: the file, as others write it; the transfer's.
 * @block_bytes, @memory_align: what its file system wants.
 * @reserved_end: the file system was asked for room up to here; UINT64_MAX: it has no such call.
 * @ring_on: several writes can be in flight.
 * @in_flight: writes in the ring.
 * @error: first failed write, -errno, with @error_text.
 * @direct_bytes: bytes that went to the disk from where they were received.
 * @copied_bytes: bytes that were copied to be aligned, then written directly.
 * @cached_bytes: bytes written by way of the page cache.
 */
struct recv_direct {
	bool on;
	int fd;
	bool refused;
	struct stream_out *out;
	uint32_t block_bytes;
	uint32_t memory_align;
	uint64_t reserved_end;
	bool ring_on;
	struct io_uring ring;
	unsigned in_flight;
	int error;
	char error_text[RECV_DIRECT_WHY_BYTES];
	char reason[RECV_DIRECT_WHY_BYTES];
	uint64_t direct_bytes;
	uint64_t copied_bytes;
	uint64_t cached_bytes;
};

/* Prepares for a command; @several: writes overlap, where io_uring can be had. */
void recv_direct_init(struct recv_direct *d, bool several);
void recv_direct_fini(struct recv_direct *d);

/* Opens @out, which is open, once more.  Where that cannot be d->fd is -1, d->reason says why. */
void recv_direct_open(struct recv_direct *d, struct stream_out *out);
/* Waits for what is in flight; the file may be closed then. */
void recv_direct_close(struct recv_direct *d);

/* The three below return 0, or -errno with one line in d->error_text. */

/* Runs for one of @stream_count streams. */
int recv_direct_join(struct recv_direct *d, unsigned stream_count, struct weir_runs **ret);
/* @len bytes of @slice, from @skip on, go to @offset; blocks while all runs are being written. */
int recv_direct_write(struct recv_direct *d, struct weir_runs *runs, const struct weir_slice *slice,
		      size_t skip, size_t len, uint64_t offset);
/* All that was given to @runs is written when this returns. */
int recv_direct_end(struct recv_direct *d, struct weir_runs *runs);

/* Writes what is there in whole blocks and waits, so that its memory goes back. */
void recv_direct_relieve(struct recv_direct *d, struct weir_runs *runs);
/* Gives up what was not written. */
void recv_direct_leave(struct recv_direct *d, struct weir_runs **runs);

#endif
