/* SPDX-License-Identifier: MIT */
/*
 * ring.h - what src/ring offers: the io_uring of an engine, and rings of provided buffers.
 */
#ifndef WEIR_RING_H
#define WEIR_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/base.h>

/**
 * struct weir_ring - an io_uring.
 * @u: liburing's.
 * @features: IORING_FEAT_* of the kernel.
 * @setup: IORING_SETUP_* it was made with.
 * @fd_registered: entering needs no file lookup.
 * @mixed: completions take one or two slots.
 * @cqe_shift: 1 where all completions have 32 bytes.
 * @syscalls: io_uring_enter calls made.
 */
struct weir_ring {
	struct io_uring u;
	uint32_t features;
	uint32_t setup;
	bool fd_registered;
	bool mixed;
	uint8_t cqe_shift;
	uint64_t syscalls;
};

/**
 * struct weir_cqe - a completion.
 * @off: the first 8 bytes behind a large one: where zero-copy receive has put the payload.
 * @cqe: the completion.
 */
struct weir_cqe {
	uint64_t off;
	struct io_uring_cqe cqe;
};

/**
 * weir_ring_open() - make a ring with the best set of set-up flags the kernel takes.
 * @r: storage.
 * @sq_entries: submission queue.
 * @cq_entries: completion queue.
 * @defer: try SINGLE_ISSUER and DEFER_TASKRUN.
 * @register_fd: register the ring's descriptor, so that entering costs no file lookup.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno; then nothing is left open.
 */
int weir_ring_open(struct weir_ring *r, unsigned sq_entries, unsigned cq_entries, bool defer,
		   bool register_fd, struct weir_error *reterr);

/**
 * weir_ring_open_large() - the same with large completions, as zero-copy receive wants it.
 * @r: storage.
 * @sq_entries: submission queue.
 * @cq_entries: completion queue; each completion of a receive takes two where the ring is mixed.
 * @mixed: try CQE_MIXED before CQE32, where this kernel's mixed rings lose nothing.
 * @register_fd: as weir_ring_open().
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno; then nothing is left open.
 */
int weir_ring_open_large(struct weir_ring *r, unsigned sq_entries, unsigned cq_entries, bool mixed,
			 bool register_fd, struct weir_error *reterr);

/** weir_ring_close() - close it. */
void weir_ring_close(struct weir_ring *r);

/** weir_ring_sqe() - a zeroed submission entry; NULL where the queue is full. */
struct io_uring_sqe *weir_ring_sqe(struct weir_ring *r);

/** weir_ring_space() - free submission entries. */
unsigned weir_ring_space(struct weir_ring *r);

/** weir_ring_queued() - entries not given to the kernel yet. */
unsigned weir_ring_queued(struct weir_ring *r);

/** weir_ring_work_pending() - must the kernel be entered for completions to appear? */
bool weir_ring_work_pending(struct weir_ring *r);

/** weir_ring_ready() - is anything in the completion queue: slots in it. */
unsigned weir_ring_ready(struct weir_ring *r);

/**
 * weir_ring_enter() - submit, and wait.
 * @r: the ring.
 * @want: completions to wait for; 0 does not sleep.
 * @min_wait_us: wait this long for @want, after that for one (0: not used).
 * @timeout_ns: longest sleep; -1 for ever.
 *
 * Return: 0; -ETIME; -EINTR; -EBUSY (completions must be taken first); other -errno.
 */
int weir_ring_enter(struct weir_ring *r, unsigned want, uint32_t min_wait_us, int64_t timeout_ns);

/** weir_ring_overflown() - does the kernel have completions that found no room in the queue? */
bool weir_ring_overflown(struct weir_ring *r);

/** weir_ring_unfold() - let it put them there, and submit nothing; 0 or -errno. */
int weir_ring_unfold(struct weir_ring *r);

/** weir_ring_take() - the next completion, which the kernel may then overwrite; false: none. */
bool weir_ring_take(struct weir_ring *r, struct weir_cqe *ret);

/**
 * struct weir_bufring - a ring of provided buffers.
 * @ring: shared with the kernel.
 * @entries: its size, a power of two.
 * @group: buffer group.
 * @tail: entries ever added; published by weir_bufring_publish().
 * @head: entries the kernel is known to have consumed.
 * @incremental: a buffer is consumed piece by piece.
 * @dirty: something was added since the last publish.
 */
struct weir_bufring {
	struct io_uring_buf_ring *ring;
	uint32_t entries;
	uint16_t group;
	uint16_t tail;
	uint16_t head;
	bool incremental;
	bool dirty;
};

/** weir_bufring_open() - make and register one; 0 or -errno (-EINVAL: kernel cannot). */
int weir_bufring_open(struct weir_bufring *b, struct weir_ring *r, uint16_t group, uint32_t entries,
		      bool incremental);

/** weir_bufring_close() - unregister and free it. */
void weir_bufring_close(struct weir_bufring *b, struct weir_ring *r);

/** weir_bufring_add() - add a buffer; the kernel sees it after weir_bufring_publish(). */
void weir_bufring_add(struct weir_bufring *b, void *data, uint32_t bytes, uint16_t id);

/** weir_bufring_publish() - show the kernel all that was added, with one store. */
void weir_bufring_publish(struct weir_bufring *b);

/** weir_bufring_at_head() - id of the buffer that the kernel consumes next. */
uint16_t weir_bufring_at_head(const struct weir_bufring *b);

/**
 * weir_ring_await_one() - take one completion; waits a second at most.
 * @r: the ring.
 * @retcqe: receives it.
 *
 * Return: 0; -ETIME; other -errno of weir_ring_enter().
 */
int weir_ring_await_one(struct weir_ring *r, struct weir_cqe *retcqe);

/**
 * weir_bufring_try() - does multishot receive work with this buffer ring.
 * @b: an empty one of two entries; to be closed afterwards.
 * @r: its ring, with nothing in flight.
 * @user_data: of the request.
 * @retanswer: receives 0 where it works, else -errno.
 *
 * Return: 0, or -errno where it could not be tried.
 */
int weir_bufring_try(struct weir_bufring *b, struct weir_ring *r, uint64_t user_data,
		     int *retanswer);

#endif
