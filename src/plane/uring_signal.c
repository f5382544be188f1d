// SPDX-License-Identifier: MIT
/*
 * uring_signal.c - the descriptor that tells a foreign loop of the uring plane's work.
 *
 * Theory: the ring's own descriptor would not do: with DEFER_TASKRUN an epoll set that holds it is
 *	not woken when work arrives (seen on Linux 6.18).  A registered eventfd is.
 *	Some kernels lose its signals.  Where a socket's wake-up brings the work, the kernel writes
 *	to the eventfd only after an RCU grace period, and marks that it will; kernels that have
 *	taken this over without its mend never remove the mark, and write no second time (seen on
 *	Linux 6.12.117).  A new registration has no mark.  So where a trial shows one signal but
 *	not the next, the eventfd is registered anew before each look.
 *
 *	   read, register anew -> look for work -> sleep -> (one signal) -> read, register ...
 *
 *	Work that waits is no reason to come back unless it is certain: the ring's TASKRUN flag is
 *	set after the work was queued, so that we may have run the work already, and nothing but
 *	more work clears the flag then.  A loop that came back for the flag would spin (seen on
 *	Linux 7.3).  So before the loop sleeps all that is queued is run, by a call that may run as
 *	many as the completion queue holds; what is queued after it signals.
 * Invariants: 1. the eventfd is read and registered before the plane looks: what comes later
 *	signals again, what came before is seen.
 * Ownership: the plane closes the eventfd; the trial's ring and descriptors are local.
 * Threads: the engine's.
 * Errors: -errno of eventfd(2) and io_uring_register(2); a trial that cannot be made counts as a
 *	kernel that loses signals, which costs two system calls a look.
 * Sources: io_uring_register(2) IORING_REGISTER_EVENTFD; io_uring/eventfd.c
 *	IO_EVENTFD_OP_SIGNAL_BIT: cleared by io_eventfd_do_signal() in Linux 7.3, not in 6.12.117;
 *	io_uring/tw.c io_req_local_work_add() (queued, then marked), __io_run_local_work() (at most
 *	20 unless more are waited for), io_uring/wait.c io_cqring_wait() (runs nothing, clears
 *	nothing where nothing is queued), Linux 7.3.
 * Tests: tests/contract/test_engine.c foreign_loop, in the VM on 6.12, too
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../util/util.h"
#include "uring.h"

#define TRIAL_MS 50

static int new_eventfd(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void take(int fd)
{
	uint64_t count;

	/* Nothing in it is no error. */
	if (read(fd, &count, sizeof(count)) < 0)
		count = 0;
}

/* A poll on @source that its next write completes: is @signal_fd written to? */
static bool signals(struct weir_ring *ring, int source, int signal_fd)
{
	struct pollfd look = { .fd = signal_fd, .events = POLLIN };
	struct io_uring_sqe *sqe = weir_ring_sqe(ring);
	struct weir_cqe cqe;
	uint64_t one = 1;
	bool seen;

	if (!sqe)
		return false;
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = source;
	sqe->poll32_events = POLLIN;
	if (weir_ring_enter(ring, 0, 0, 0) || write(source, &one, sizeof(one)) != sizeof(one))
		return false;
	seen = poll(&look, 1, TRIAL_MS) == 1;
	/* The request ends here, or with the ring. */
	if (weir_ring_enter(ring, 0, 0, 0) || !weir_ring_take(ring, &cqe))
		return false;
	take(source);
	take(signal_fd);
	return seen;
}

/* Tried on a ring of its own: the plane's has requests in flight that would signal, too. */
static bool loses_signals(const struct uring_plane *p)
{
	bool defer = !(p->without & WEIR_WITHOUT_DEFER_TASKRUN), good = false;
	int source = new_eventfd(), signal_fd = new_eventfd();
	struct weir_ring ring;

	if (source >= 0 && signal_fd >= 0 && !weir_ring_open(&ring, 4, 8, defer, false, NULL)) {
		good = !io_uring_register_eventfd(&ring.u, signal_fd) &&
		       signals(&ring, source, signal_fd) && signals(&ring, source, signal_fd);
		weir_ring_close(&ring);
	}
	if (source >= 0)
		close(source);
	if (signal_fd >= 0)
		close(signal_fd);
	return !good;
}

int uring_signal_fd(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	int fd;

	if (p->signal_fd >= 0)
		return p->signal_fd;
	fd = new_eventfd();
	if (fd < 0)
		return -errno;
	if (io_uring_register_eventfd(&p->ring.u, fd)) {
		close(fd);
		return -ENOTSUP;
	}
	p->signal_lost = loses_signals(p);
	p->signal_fd = fd;
	return fd;
}

/* Before looking: what arrives later signals again. */
void uring_signal_clear(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	struct weir_core *c = weir_core_of(e);

	if (p->signal_fd < 0)
		return;
	c->stats.syscalls++;
	take(p->signal_fd);
	if (!p->signal_lost)
		return;
	c->stats.syscalls += 2;
	(void)io_uring_unregister_eventfd(&p->ring.u);
	/* Without it the loop must come back by itself, and does: the descriptor stays readable. */
	if (io_uring_register_eventfd(&p->ring.u, p->signal_fd) &&
	    write(p->signal_fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		return;
}

/* A foreign loop is about to sleep: nothing may be left that would not signal. */
int uring_signal_settle(struct weir_engine *e)
{
	struct uring_plane *p = uring_of(e);
	int r;

	if (p->signal_fd < 0 || weir_ring_ready(&p->ring) || !weir_ring_work_pending(&p->ring))
		return 0;
	weir_core_of(e)->stats.syscalls++;
	/* To wait for as many as there can be, for no time, is to run what is queued. */
	r = weir_ring_enter(&p->ring, p->ring.u.cq.ring_entries, 0, 0);
	return uring_unless_usual(r);
}
