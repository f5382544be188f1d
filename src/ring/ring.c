// SPDX-License-Identifier: MIT
/*
 * ring.c - the io_uring of an engine: set-up, submission, completion, waiting.
 *
 * Theory: liburing makes and maps the ring; entering is done here, because waiting with a minimum
 *	(min-wait) needs an argument that older liburing has no name for.  One system call submits
 *	and waits.  The set-up flags are tried from the best set to the plainest; a kernel that
 *	lacks one refuses the set with EINVAL.
 *
 *	Zero-copy receive wants completions of 32 bytes.  A mixed ring is an array of 16-byte slots:
 *	a completion with F_32 takes two, never across the end of the array, where a filler with
 *	F_SKIP stands in.  Kernels without mixed rings (before 6.18) make all of 32 bytes; indices
 *	then count those.  So do we where a mixed ring that is full loses completions (before 7.3):
 *	a large one that finds no two slots goes to the overflow list, but a slot that was set
 *	aside before stays so, and a small one that comes next takes it: the tail then is further
 *	from the head than there are slots.  A ring of four slots shows it.
 *	Barriers: the kernel reads the submission tail after the entries (release on the tail);
 *	we read completions after their tail (acquire), and give them back after reading them
 *	(release on the head).
 * Invariants: 1. only this file and bufring.c touch memory shared with the kernel.
 * Ownership: struct weir_ring is the plane's.
 * Threads: the engine's (SINGLE_ISSUER).
 * Errors: EPERM (io_uring_disabled, seccomp), ENOSYS, ENOMEM (memlock) with a hint.
 * Sources: io_uring_setup(2), io_uring_enter(2); io_uring/io_uring.c (Linux 6.18)
 *	io_uring_setup(), io_cqring_wait(), io_fill_nop_cqe(), io_cqe_cache_refill() (mended in
 *	7.3); liburing src/queue.c for the order of stores.
 * Tests: tests/contract/ with WEIR_PLANE=uring; tests/unit/test_ifq.c; small_cq and tiny_cq of
 *	tests/vm/t/zc_trouble.sh
 */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"

static const char *setup_hint(int code)
{
	switch (code) {
	case -EPERM:
		return "io_uring is forbidden here: see sysctl kernel.io_uring_disabled, or the "
		       "container's seccomp profile";
	case -ENOSYS:
		return "the kernel has no io_uring, or a seccomp profile hides it";
	case -ENOMEM:
		return "raise ulimit -l (locked memory)";
	case -EMFILE:
	case -ENFILE:
		return "raise ulimit -n";
	default:
		return "";
	}
}

static int open_first(struct weir_ring *r, unsigned sq_entries, unsigned cq_entries,
		      const unsigned *tries, unsigned count, bool register_fd,
		      struct weir_error *reterr)
{
	struct io_uring_params p;
	int code = -EINVAL;

	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < count && code == -EINVAL; i++) {
		memset(&p, 0, sizeof(p));
		p.flags = tries[i];
		p.cq_entries = cq_entries;
		code = io_uring_queue_init_params(sq_entries, &r->u, &p);
	}
	if (code)
		return weir_error_set(reterr, code, "io_uring_setup", NULL, "%s", setup_hint(code));
	r->features = p.features;
	r->setup = p.flags;
	r->cqe_shift = p.flags & IORING_SETUP_CQE32 ? 1 : 0;
	r->mixed = p.flags & WEIR_IORING_SETUP_CQE_MIXED;
	if (!(p.features & IORING_FEAT_EXT_ARG) || !(p.features & IORING_FEAT_NODROP)) {
		io_uring_queue_exit(&r->u);
		return weir_error_set(reterr, -ENOSYS, "io_uring_setup", "features",
				      "the kernel's io_uring is too old: it lacks timed waits");
	}
	r->fd_registered = register_fd && io_uring_register_ring_fd(&r->u) == 1;
	return 0;
}

#define BASE (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)
#define BEST                                                           \
	(BASE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | \
	 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

int weir_ring_open(struct weir_ring *r, unsigned sq_entries, unsigned cq_entries, bool defer,
		   bool register_fd, struct weir_error *reterr)
{
	static const unsigned tries[] = {
		BEST,
		BASE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG,
		BASE,
	};
	unsigned from = defer ? 0 : 1;

	return open_first(r, sq_entries, cq_entries, tries + from, weir_array_len(tries) - from,
			  register_fd, reterr);
}

#define TRIAL_SLOTS 4u

/* Three small ones, a large one that finds a filler and no room, a small one behind it. */
static bool mixed_keeps(void)
{
	static const unsigned mixed = BEST | WEIR_IORING_SETUP_CQE_MIXED;
	struct weir_ring r;
	bool keeps;

	if (open_first(&r, TRIAL_SLOTS, TRIAL_SLOTS, &mixed, 1, false, NULL))
		return false;
	for (unsigned i = 0; i <= TRIAL_SLOTS; i++) {
		struct io_uring_sqe *sqe = weir_ring_sqe(&r);

		sqe->opcode = IORING_OP_NOP;
		sqe->fd = -1;
		sqe->rw_flags = i == TRIAL_SLOTS - 1 ? WEIR_IORING_NOP_CQE32 : 0;
		(void)weir_ring_enter(&r, 0, 0, 0);
	}
	keeps = weir_ring_ready(&r) <= TRIAL_SLOTS;
	weir_ring_close(&r);
	return keeps;
}

int weir_ring_open_large(struct weir_ring *r, unsigned sq_entries, unsigned cq_entries, bool mixed,
			 bool register_fd, struct weir_error *reterr)
{
	static const unsigned tries[] = {
		BEST | WEIR_IORING_SETUP_CQE_MIXED,
		BEST | IORING_SETUP_CQE32,
	};
	unsigned from = mixed && mixed_keeps() ? 0 : 1;

	return open_first(r, sq_entries, cq_entries, tries + from, weir_array_len(tries) - from,
			  register_fd, reterr);
}

void weir_ring_close(struct weir_ring *r)
{
	io_uring_queue_exit(&r->u);
}

struct io_uring_sqe *weir_ring_sqe(struct weir_ring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->u);

	if (sqe)
		memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

unsigned weir_ring_space(struct weir_ring *r)
{
	return io_uring_sq_space_left(&r->u);
}

unsigned weir_ring_queued(struct weir_ring *r)
{
	return r->u.sq.sqe_tail - __atomic_load_n(r->u.sq.khead, __ATOMIC_ACQUIRE);
}

bool weir_ring_work_pending(struct weir_ring *r)
{
	/* Relaxed: a bit seen late is seen at the next look. */
	return __atomic_load_n(r->u.sq.kflags, __ATOMIC_RELAXED) &
	       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

unsigned weir_ring_ready(struct weir_ring *r)
{
	return __atomic_load_n(r->u.cq.ktail, __ATOMIC_ACQUIRE) - *r->u.cq.khead;
}

bool weir_ring_take(struct weir_ring *r, struct weir_cqe *ret)
{
	while (weir_ring_ready(r)) {
		unsigned head = *r->u.cq.khead, slots = 1;
		const struct io_uring_cqe *cqe =
			&r->u.cq.cqes[(head & *r->u.cq.kring_mask) << r->cqe_shift];
		bool skip = r->mixed && (cqe->flags & WEIR_IORING_CQE_F_SKIP);

		ret->cqe = *cqe;
		if (r->cqe_shift || (r->mixed && (cqe->flags & WEIR_IORING_CQE_F_32))) {
			memcpy(&ret->off, cqe + 1, sizeof(ret->off));
			slots += r->mixed;
		}
		/* The kernel may overwrite an entry only after we have read it. */
		__atomic_store_n(r->u.cq.khead, head + slots, __ATOMIC_RELEASE);
		if (!skip)
			return true;
	}
	return false;
}

static unsigned publish_sqes(struct weir_ring *r)
{
	struct io_uring_sq *sq = &r->u.sq;

	if (sq->sqe_head != sq->sqe_tail) {
		sq->sqe_head = sq->sqe_tail;
		/* The kernel must see the entries before the tail that covers them. */
		__atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
	}
	return weir_ring_queued(r);
}

bool weir_ring_overflown(struct weir_ring *r)
{
	return __atomic_load_n(r->u.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW;
}

int weir_ring_unfold(struct weir_ring *r)
{
	unsigned flags = IORING_ENTER_GETEVENTS;

	if (r->fd_registered)
		flags |= IORING_ENTER_REGISTERED_RING;
	r->syscalls++;
	return syscall(__NR_io_uring_enter, r->u.enter_ring_fd, 0, 0, flags, NULL, _NSIG / 8) < 0 ?
		       -errno :
		       0;
}

int weir_ring_enter(struct weir_ring *r, unsigned want, uint32_t min_wait_us, int64_t timeout_ns)
{
	struct weir_io_uring_getevents_arg arg = { .min_wait_usec = want ? min_wait_us : 0 };
	unsigned flags = IORING_ENTER_GETEVENTS;
	unsigned submit = publish_sqes(r);
	struct __kernel_timespec ts;
	void *argp = NULL;
	size_t arg_bytes = _NSIG / 8;
	long n;

	if (want && (timeout_ns >= 0 || min_wait_us)) {
		if (timeout_ns >= 0) {
			ts.tv_sec = timeout_ns / 1000000000;
			ts.tv_nsec = timeout_ns % 1000000000;
			arg.ts = (uint64_t)(uintptr_t)&ts;
		}
		flags |= IORING_ENTER_EXT_ARG;
		argp = &arg;
		arg_bytes = sizeof(arg);
	}
	if (r->fd_registered)
		flags |= IORING_ENTER_REGISTERED_RING;
	/*
	 * Not IORING_ENTER_NO_IOWAIT (Linux 6.15): a sleep that counts as waiting for I/O wakes
	 * sooner.  Sleeping ping-pong was 3 to 6 % slower with it.
	 */
	r->syscalls++;
	n = syscall(__NR_io_uring_enter, r->u.enter_ring_fd, submit, want, flags, argp, arg_bytes);
	return n < 0 ? -errno : 0;
}
