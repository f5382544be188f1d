// SPDX-License-Identifier: MIT
/*
 * hold.c - slices the application keeps: tickets, which make a release exact.
 *
 * Theory: a held slice is a copy in the application's hands, and copies can be released twice, be
 *	made up, or belong to another engine.  Counting the held pieces of a buffer cannot tell:
 *	the second release of one piece would free another one.  So each hold takes an entry of a
 *	table, and the slice carries its name:
 *
 *	   slice->reserved   of an event's slice   the socket it came by
 *	                     of a held slice       [ slot : 10 | index : 22 | generation : 32 ]
 *
 *	Slot names the engine in a table of the process, index the entry in the table of the
 *	engine, generation the use of that entry; a release ends the use.  Nothing that a slice
 *	says is followed before all three are found right: the slot must be one of an engine of
 *	the calling thread, which therefore cannot be closed meanwhile.  A slot that a later
 *	engine takes over goes on with higher generations.
 * Invariants: 1. an entry is in use exactly while pool is not NULL, else it is on the free list.
 *	2. a generation of an entry is given out once (they begin anew after 2^32 uses).  3. slot
 *	0 is nobody's: an address is no ticket.
 * Ownership: the engine owns its table, freed when it is closed: its tickets are void then.
 * Threads: the engine's.  Slots are taken and left by any thread: `taken` by compare-and-swap;
 *	owner is written with release after engine, so that who reads his own thread there sees
 *	the engine; another thread's slot is not looked into further.
 * Errors: -ENOMEM where the table cannot grow, or is full (4,194,302 pieces), or 1,023 engines
 *	of the process have tables.
 * Sources: none.
 * Tests: tests/unit/test_hold.c, tests/contract/test_slices.c, tests/contract/test_pressure.c
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define SLOTS 1024u
#define INDEX_BITS 22
#define TICKETS_MAX ((1u << INDEX_BITS) - 2)
#define TICKETS_MIN 64u

/**
 * struct slot - an engine that has tickets.
 * @taken: somebody has it.
 * @owner: thread of @engine; 0 before it is complete.
 * @engine: who has it.
 * @generation: first generation that no entry under this slot has had.
 */
static struct slot {
	atomic_bool taken;
	_Atomic(pthread_t) owner;
	struct weir_engine *engine;
	uint32_t generation;
} slots[SLOTS];

static int slot_take(struct weir_engine *e)
{
	for (uint32_t i = 1; i < SLOTS; i++) {
		bool taken = false;

		if (!atomic_compare_exchange_strong(&slots[i].taken, &taken, true))
			continue;
		slots[i].engine = e;
		atomic_store_explicit(&slots[i].owner, e->thread, memory_order_release);
		e->holds.slot = i;
		return 0;
	}
	return -ENOMEM;
}

static int grow(struct weir_engine *e)
{
	struct weir_holds *h = &e->holds;
	uint32_t cap = h->cap ? 2 * h->cap : TICKETS_MIN;
	struct weir_ticket *tickets;

	if (!h->slot && slot_take(e))
		return -ENOMEM;
	if (cap > TICKETS_MAX)
		cap = TICKETS_MAX;
	if (cap == h->cap)
		return -ENOMEM;
	tickets = realloc(h->tickets, cap * sizeof(*tickets));
	if (!tickets)
		return -ENOMEM;
	e->c.stats.heap_bytes += (cap - h->cap) * sizeof(*tickets);
	/* The first one goes out first. */
	for (uint32_t i = cap; i-- > h->cap;) {
		tickets[i] = (struct weir_ticket){
			.generation = slots[h->slot].generation,
			.next_plus_1 = h->free_plus_1,
		};
		h->free_plus_1 = i + 1;
	}
	h->tickets = tickets;
	h->cap = cap;
	return 0;
}

void weir_holds_fini(struct weir_engine *e)
{
	struct weir_holds *h = &e->holds;
	struct slot *slot = &slots[h->slot];
	uint32_t next = slot->generation;

	/* Without a slot there are no tickets. */
	if (!h->slot)
		return;
	for (uint32_t i = 0; i < h->cap; i++)
		if (h->tickets[i].generation - slot->generation >= next - slot->generation)
			next = h->tickets[i].generation + 1;
	free(h->tickets);
	memset(h, 0, sizeof(*h));
	slot->generation = next;
	slot->engine = NULL;
	atomic_store_explicit(&slot->owner, 0, memory_order_relaxed);
	atomic_store(&slot->taken, false);
}

static int ticket_new(struct weir_engine *e, const struct weir_slice *slice, uint32_t keep,
		      uint64_t *ret)
{
	struct weir_holds *h = &e->holds;
	struct weir_ticket *t;
	uint32_t index;

	if (!h->free_plus_1 && grow(e))
		return -ENOMEM;
	index = h->free_plus_1 - 1;
	t = &h->tickets[index];
	h->free_plus_1 = t->next_plus_1;
	t->pool = slice->pool;
	t->buffer = slice->buffer;
	t->keep = keep;
	*ret = ((uint64_t)h->slot << INDEX_BITS | index) << 32 | t->generation;
	return 0;
}

/* The entry of a held slice, and its engine; NULL where the slice is none of this thread's. */
static struct weir_ticket *ticket_of(const struct weir_slice *slice, struct weir_engine **ret)
{
	uint32_t index = (uint32_t)(slice->reserved >> 32) & ((1u << INDEX_BITS) - 1);
	uint32_t at = (uint32_t)(slice->reserved >> (32 + INDEX_BITS));
	struct weir_ticket *t;

	if (!at || atomic_load_explicit(&slots[at].owner, memory_order_acquire) != pthread_self() ||
	    index >= slots[at].engine->holds.cap)
		return NULL;
	t = &slots[at].engine->holds.tickets[index];
	if (!t->pool || t->pool != slice->pool || t->buffer != slice->buffer ||
	    t->generation != (uint32_t)slice->reserved)
		return NULL;
	*ret = slots[at].engine;
	return t;
}

static bool is_lent(const struct weir_slice *slice)
{
	const struct weir_pool *p = slice->pool;

	return slice >= p->lent && slice < p->lent + WEIR_SLICES_MAX;
}

static struct weir_sock *sock_of(const struct weir_slice *slice)
{
	return (struct weir_sock *)(uintptr_t)slice->reserved;
}

int weir_slice_hold(struct weir_slice *slice)
{
	struct weir_engine *e;
	struct weir_sock *s;
	uint64_t ticket;
	uint32_t keep;
	int r;

	/* Holding a copy would count the piece twice: once held, once given back by its event. */
	if (!slice || !slice->pool || !is_lent(slice))
		return -EINVAL;
	if (slice->flags & WEIR_SLICE_HELD)
		return -EALREADY;
	s = sock_of(slice);
	e = s->engine;
	r = weir_keep_get(s, slice->pool, slice->buffer, &keep);
	if (r)
		return r;
	r = ticket_new(e, slice, keep, &ticket);
	if (r) {
		weir_keep_put(e, keep);
		return r;
	}
	weir_pool_hold(slice->pool, slice->buffer);
	slice->flags |= WEIR_SLICE_HELD;
	slice->reserved = ticket;
	weir_pressure_kept(e, slice->pool, keep);
	return 0;
}

int weir_slice_release(struct weir_slice *slice)
{
	struct weir_engine *e;
	struct weir_ticket *t;
	uint32_t keep;

	if (!slice || !slice->pool || !(slice->flags & WEIR_SLICE_HELD))
		return -EINVAL;
	t = ticket_of(slice, &e);
	if (!t || weir_pool_unhold(t->pool, t->buffer))
		return -EINVAL;
	keep = t->keep;
	t->pool = NULL;
	t->generation++;
	t->next_plus_1 = e->holds.free_plus_1;
	e->holds.free_plus_1 = (uint32_t)(t - e->holds.tickets) + 1;
	slice->flags &= ~WEIR_SLICE_HELD;
	slice->pool = NULL;
	slice->reserved = 0;
	weir_keep_put(e, keep);
	weir_pressure_eased(e);
	/* Outside of a batch of an engine in a foreign loop nobody would come by for a while. */
	if (e->foreign_fd >= 0 && !e->in_callback && !e->batch &&
	    (e->starved_head || e->c.ifq_count)) {
		weir_sock_feed_starved(e);
		weir_txq_kick(e);
	}
	return 0;
}

int weir_slice_more(struct weir_engine *e, const struct weir_slice *slice, uint32_t *retkeep)
{
	struct weir_engine *of = NULL;
	struct weir_ticket *t;
	uint32_t keep = 0;
	int r = 0;

	/* Another engine's table is not to be changed when the send ends; nor is a copy's known. */
	if (slice->flags & WEIR_SLICE_HELD) {
		t = ticket_of(slice, &of);
		if (!t)
			return -EINVAL;
		if (of == e)
			keep = weir_keep_more(e, t->keep);
	} else if (is_lent(slice) && sock_of(slice)->engine == e) {
		r = weir_keep_get(sock_of(slice), slice->pool, slice->buffer, &keep);
		if (r)
			return r;
	}
	weir_pool_hold_more(slice->pool, slice->buffer);
	*retkeep = keep;
	return 0;
}
