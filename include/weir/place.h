/* SPDX-License-Identifier: MIT */
/*
 * place.h - where received bytes lie, and how the next hop takes them without a copy.
 *
 * A slice tells its alignment (weir_slice_place()).  Slices are walked as iovecs
 * (weir_slices_iov()), and a header that straddles them is read with a copy of the header only
 * (weir_slices_pull()).  Runs (struct weir_runs) make of a stream of slices what a device takes
 * that wants aligned memory, lengths and offsets, above all a file opened with O_DIRECT:
 *
 *	weir_runs_add(runs, slice, 0, slice->len, offset)	while bytes arrive
 *	run = weir_runs_next(runs)
 *	pwritev(direct_fd, run->iov, run->iov_count, run->offset)
 *	weir_run_done(run)		gives the slices' memory back
 *	weir_runs_end(runs)		the last, partial block becomes a run
 */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <sys/uio.h>
#include <weir/area.h>
#include <weir/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct weir_place - how a slice lies.
 * @memory_align: largest power of two that divides the address of its first byte, 2 GiB at most; 0
 *	where it has no address.
 * @area_align: the same for its offset in the area, which is what a device sees; 0 where it lies in
 *	no area (WEIR_SLICE_SPILLED).
 * @ends_page: its last byte is the last of a page of the area (weir_area_info.page_bytes).
 * @ends_block: its last byte is the last of a block, counted from the start of the area (by its
 *	address where it lies in no area).
 */
struct weir_place {
	uint32_t memory_align;
	uint32_t area_align;
	bool ends_page;
	bool ends_block;
};

/**
 * weir_slice_place() - how a slice lies.
 * @slice: the slice.
 * @block_bytes: size of a block, a power of two; 0 where blocks are of no interest.
 * @ret: receives the answer; untouched on failure.
 *
 * Return: 0; -EINVAL where @block_bytes is not a power of two.  Threads: any.
 */
WEIR_API WEIR_MUST_CHECK int weir_slice_place(const struct weir_slice *slice, uint32_t block_bytes,
					      struct weir_place *ret);

/**
 * weir_slices_bytes() - bytes of slices together.
 * @slices: slices, in order.
 * @n: number of slices.
 *
 * Return: sum of their lengths.  Threads: any.
 */
WEIR_API size_t weir_slices_bytes(const struct weir_slice *slices, unsigned n);

/**
 * weir_slices_iov() - slices as iovecs, without a copy.
 * @slices: slices, in order.
 * @n: number of slices.
 * @skip: bytes at the beginning to leave out.
 * @iov: receives up to @max pieces; slices that follow each other in memory become one.
 * @max: room in @iov.
 * @retbytes: receives the bytes of the pieces; may be NULL.
 *
 * To go on, call again with @skip + *@retbytes.  The walk ends before a slice without an address.
 *
 * Return: number of pieces, 0 where no byte is left (or @max is 0); -EFAULT where the first wanted
 * byte has no address.  Threads: any.
 */
WEIR_API int weir_slices_iov(const struct weir_slice *slices, unsigned n, size_t skip,
			     struct iovec *iov, unsigned max, size_t *retbytes);

/**
 * weir_slices_pull() - a header in one piece.
 * @slices: slices, in order.
 * @n: number of slices.
 * @skip: bytes before the header.
 * @len: bytes of the header.
 * @buf: room for @len bytes, used only where the header does not lie in one piece; may be NULL
 *	where the caller knows that it does.
 * @ret: receives the address of the header, in a slice or @buf; untouched on failure.
 *
 * Return: bytes copied to @buf: 0 where the header lies in one piece, else @len.  -ENODATA where
 * fewer bytes are there; -EFAULT where one of them has no address; -EINVAL where @buf is needed and
 * NULL.  Threads: any.
 */
WEIR_API WEIR_MUST_CHECK ssize_t weir_slices_pull(const struct weir_slice *slices, unsigned n,
						  size_t skip, size_t len, void *buf,
						  const void **ret);

struct weir_runs;

/**
 * struct weir_runs_opts - what the next hop wants.
 * @size: sizeof(struct weir_runs_opts), for growth of the structure.
 * @block_bytes: offsets and lengths are multiples of this, a power of two up to 1 MiB; 0 for 4,096.
 * @memory_align: addresses are multiples of this, a power of two up to @block_bytes; 0 for
 *	@block_bytes.  A file opened with O_DIRECT tells both by statx(2), STATX_DIOALIGN.
 * @run_bytes: most bytes of a run, a multiple of @block_bytes up to 1 GiB; 0 for 512 KiB (or a
 *	block, where that is more).
 * @run_count: runs that exist at once, being filled, ready or being written: 2 to 1,024; 0 for 4.
 * @iov_max: most pieces of a run, 1 to 1,024; 0: as many as a run has pages of 4 KiB, 16 at least.
 */
struct weir_runs_opts {
	size_t size;
	uint32_t block_bytes;
	uint32_t memory_align;
	uint32_t run_bytes;
	uint32_t run_count;
	uint32_t iov_max;
};

/**
 * struct weir_run_piece - a piece of a run, as its area knows it.
 * @area: the area; NULL for bytes that were copied, and for slices that lie in none.
 * @offset: of the piece from the start of the area.
 */
struct weir_run_piece {
	struct weir_area *area;
	uint64_t offset;
};

/**
 * struct weir_run - one write: adjacent bytes of the file.
 * @offset: of the first byte in the file.
 * @bytes: of all pieces.
 * @copied_bytes: of these, what was copied.
 * @iov: the pieces, to be changed at will (to go on after a short write); iov_base is NULL where
 *	the CPU cannot read the memory.
 * @pieces: the same pieces in their areas, for a device that takes its memory that way.
 * @iov_count: number of pieces.
 * @direct: @offset and each piece's length are multiples of the block, each piece's address is
 *	aligned.  Else the run is a part of one block, copied, to be written some other way: with a
 *	descriptor without O_DIRECT, for example.
 * @user: the caller's.
 */
struct weir_run {
	uint64_t offset;
	size_t bytes;
	size_t copied_bytes;
	struct iovec *iov;
	const struct weir_run_piece *pieces;
	unsigned iov_count;
	bool direct;
	void *user;
};

/**
 * struct weir_runs_stats - what became of the bytes.
 * @direct_bytes: bytes in runs that lie where they were received.
 * @copied_bytes: bytes that were copied because they, or what is beside them in their block, were
 *	not aligned.
 * @partial_bytes: of @copied_bytes, those in runs that are not direct.
 * @runs: runs made.
 * @pieces: pieces in them.
 *
 * A run counts from when it is complete.
 */
struct weir_runs_stats {
	uint64_t direct_bytes;
	uint64_t copied_bytes;
	uint64_t partial_bytes;
	uint64_t runs;
	uint64_t pieces;
};

/**
 * weir_runs_open() - make runs for one stream of bytes.
 * @ret: receives them; untouched on failure.
 * @opts: what the next hop wants; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * All memory is taken here: run_count x run_bytes of address space for copies, of which only what
 * is copied to becomes memory.
 *
 * Return: 0; -EINVAL for options that make no sense; -ENOMEM.  Threads: any.
 */
WEIR_API WEIR_MUST_CHECK int weir_runs_open(struct weir_runs **ret,
					    const struct weir_runs_opts *opts,
					    struct weir_error *reterr);

/**
 * weir_runs_close() - let go of runs.
 * @runs: the runs, or NULL; none of them may be in use by a write.
 *
 * Bytes in runs that were not written are lost; the slices' memory goes back.  To be called before
 * the engine that the slices came from is closed.
 */
WEIR_API void weir_runs_close(struct weir_runs *runs);

/**
 * weir_runs_add() - bytes of a slice go to the file.
 * @runs: the runs.
 * @slice: a slice of the present event, or a held one.
 * @skip: bytes of it to leave out at the beginning.
 * @len: bytes of it to take.
 * @offset: where the first of them goes in the file.
 *
 * Bytes that follow those added before become one run with them; others begin anew, and what was
 * left of a block becomes a run of its own (weir_runs_end()).  Whole blocks whose address fits are
 * taken where they lie, the rest is copied.  The runs take references of their own on the slice's
 * buffer, which are given back by weir_run_done(); the slice itself stays whose it was, and is
 * given back or released as ever.
 *
 * Return: bytes taken; fewer than @len where all runs are ready or being written: write some, then
 * call again for the rest.  -EINVAL where @skip, @len or @offset is out of range or the slice is
 * given back already; -EFAULT where bytes would have to be copied that have no address: the part
 * of the slice that is not a row of whole, aligned blocks; nothing is taken then.
 * Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK ssize_t weir_runs_add(struct weir_runs *runs,
					       const struct weir_slice *slice, size_t skip,
					       size_t len, uint64_t offset);

/**
 * weir_runs_push() - make ready what there is in whole blocks.
 * @runs: the runs.
 *
 * A partial block at the end, which is a copy, stays for the bytes that follow it.  To be called to
 * give slices back sooner than when a run is full.
 *
 * Return: 0; -EAGAIN where there is a partial block and no free run for it: write some, call again.
 * Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK int weir_runs_push(struct weir_runs *runs);

/**
 * weir_runs_end() - make ready all there is: the stream, or this part of the file, has ended.
 * @runs: the runs.
 *
 * A partial block at the end becomes a run that is not direct.
 *
 * Return: as weir_runs_push().  Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK int weir_runs_end(struct weir_runs *runs);

/**
 * weir_runs_next() - take the next run to write.
 * @runs: the runs.
 *
 * Runs come in the order in which they were begun; they may be written and done in any order.
 *
 * Return: a run, the caller's until weir_run_done(); NULL where none is ready.
 * Threads: the engine's.
 */
WEIR_API struct weir_run *weir_runs_next(struct weir_runs *runs);

/**
 * weir_run_done() - a run is written (or given up): its memory goes back.
 * @run: a run of weir_runs_next(); NULL and one that is done already are left alone.
 *
 * Threads: the engine's.
 */
WEIR_API void weir_run_done(struct weir_run *run);

/**
 * weir_runs_get_stats() - read the counters.
 * @runs: the runs.
 * @ret: receives them.
 */
WEIR_API void weir_runs_get_stats(const struct weir_runs *runs, struct weir_runs_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
