// SPDX-License-Identifier: MIT
/*
 * foreign.c - one descriptor for foreign event loops.
 *
 * Theory: an epoll set that holds the plane's own descriptor, the eventfd of posted messages and
 *	a timerfd.  It is readable when weir_engine_wait(e, ..., 0) would find something.  The
 *	timerfd is set after each look to the next deadline of timers, retries and low-water
 *	marks.
 * Invariants: 1. made at the first weir_engine_fd(); before, it costs nothing.  2. the timerfd is
 *	armed for the earliest deadline whenever the application's loop may sleep.
 * Ownership: the engine closes all three.
 * Threads: the engine's; polling the descriptor: any.
 * Errors: -errno of epoll_create1(2), timerfd_create(2), epoll_ctl(2).
 * Sources: epoll(7) (an epoll descriptor is itself pollable), io_uring_register(2)
 *	IORING_REGISTER_EVENTFD.
 * Tests: tests/unit/test_foreign_*.c
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core.h"

static int add(int epfd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int weir_engine_fd(struct weir_engine *e)
{
	int epfd, r;

	if (!e)
		return -EINVAL;
	if (e->foreign_fd >= 0)
		return e->foreign_fd;
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return -errno;
	if (e->timer_fd < 0)
		e->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (e->timer_fd < 0) {
		r = -errno;
		close(epfd);
		return r;
	}
	r = e->c.ops->fd(e);
	if (r >= 0)
		r = add(epfd, r);
	if (!r)
		r = add(epfd, e->timer_fd);
	if (!r)
		r = add(epfd, e->c.wake_fd);
	if (r) {
		close(epfd);
		return r;
	}
	e->foreign_fd = epfd;
	e->timer_fd_ns = UINT64_MAX;
	weir_txq_kick(e);
	return epfd;
}

void weir_foreign_arm(struct weir_engine *e, uint64_t next_ns)
{
	struct itimerspec its = { 0 };

	/* One that is due is set anew, to never if need be: it may fire only after we looked. */
	if (e->foreign_fd < 0 || (next_ns == e->timer_fd_ns && e->timer_fd_ns > e->c.now_ns))
		return;
	if (next_ns != UINT64_MAX) {
		its.it_value.tv_sec = (time_t)(next_ns / 1000000000ull);
		its.it_value.tv_nsec = (long)(next_ns % 1000000000ull);
	}
	(void)timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
	e->c.stats.syscalls++;
	e->timer_fd_ns = next_ns;
}
