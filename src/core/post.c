// SPDX-License-Identifier: MIT
/*
 * post.c - messages from other threads to an engine's thread.
 *
 * Theory: posters push onto a lock-free stack; the one who finds it empty writes to an eventfd
 *	that ends the engine's sleep.  The engine takes the whole stack with one exchange and
 *	turns it round, which gives the order of each poster.  The library's own messages
 *	(group.c) come the same way and end here: the application never sees them.
 * Invariants: 1. a message is on the stack or is the receiver's, never both.  2. the eventfd is
 *	written after the push and read before the exchange, so that no push is slept over.
 * Ownership: messages are the posters' until their event.
 * Threads: post() and stop() any; the rest the engine's.  The release of the push pairs with the
 *	acquire of the exchange: the receiver sees what the poster wrote before posting.
 * Errors: none; a full eventfd counter still wakes.
 * Sources: eventfd(2), signal-safety(7) (write is async-signal-safe).
 * Tests: tests/unit/test_threads_post.c
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "core.h"

int weir_post_init(struct weir_engine *e, struct weir_error *reterr)
{
	e->c.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->c.wake_fd < 0)
		return weir_error_set(reterr, -errno, "eventfd", NULL, "raise ulimit -n");
	return 0;
}

static void wake(struct weir_engine *e)
{
	uint64_t one = 1;
	ssize_t r = write(e->c.wake_fd, &one, sizeof(one));

	/* EAGAIN: the counter is full, so it is readable. */
	(void)r;
}

void weir_engine_post(struct weir_engine *e, struct weir_msg *msg)
{
	struct weir_msg *head = atomic_load_explicit(&e->messages, memory_order_relaxed);

	do {
		msg->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&e->messages, &head, msg, memory_order_release, memory_order_relaxed));
	if (!head)
		wake(e);
}

void weir_engine_stop(struct weir_engine *e)
{
	int saved = errno;

	atomic_store_explicit(&e->stop, 1, memory_order_release);
	wake(e);
	errno = saved;
}

/* A stop was taken.  A message that came with it must still wake whoever sleeps next. */
void weir_post_clear(struct weir_engine *e)
{
	uint64_t count;

	e->c.stats.syscalls++;
	if (read(e->c.wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	if (atomic_load_explicit(&e->messages, memory_order_relaxed))
		wake(e);
}

/* Everything that was posted, the oldest first. */
struct weir_msg *weir_post_take(struct weir_engine *e)
{
	struct weir_msg *list, *fifo = NULL;

	list = atomic_exchange_explicit(&e->messages, NULL, memory_order_acquire);
	while (list) {
		struct weir_msg *next = list->next;

		list->next = fifo;
		fifo = list;
		list = next;
	}
	return fifo;
}

void weir_post_collect(struct weir_engine *e)
{
	struct weir_msg *fifo;
	uint64_t count;

	if (!atomic_load_explicit(&e->messages, memory_order_relaxed) &&
	    !atomic_load_explicit(&e->stop, memory_order_relaxed))
		return;
	/* Read before the exchange: a later push finds the stack empty and wakes again. */
	if (read(e->c.wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	e->c.stats.syscalls++;
	fifo = weir_post_take(e);
	while (fifo) {
		struct weir_msg *next = fifo->next;

		if (!weir_group_arrived(e, fifo))
			weir_event_push(e, WEIR_EVENT_MESSAGE, NULL, 0)->msg = fifo;
		fifo = next;
	}
}
