// SPDX-License-Identifier: MIT
/*
 * pool.c - message buffers: memory that is asked from the heap once and used again and again.
 *
 * Theory: a weir_buf is a small structure cut from slabs; the bytes lie elsewhere: in memory of
 *	its own, by size class (256 bytes, 512, ... each with a free list), or in a received slice
 *	that it borrows.  Several messages of one slice share one reference (weir_io_slice).  A
 *	message may outlive the event once the application has it, and then it cannot be moved
 *	any more; so its slice is held before, once per slice, where a failure still leaves the
 *	choice to copy:
 *
 *	  event begins      refs = 1 + messages, not held
 *	  first delivery    weir_slice_hold()
 *	  last message      refs = 1: weir_slice_release() at once, also while the event lasts
 *	  event ends        refs = messages; 0: forgotten; else a copy of the slice is kept
 *
 *	A held slice keeps a whole receive buffer, so there is a limit, above which messages are
 *	copied: an application that keeps messages slows itself down, not the engine.  Slices of
 *	the present event that wait in a queue count before they are held, for one event may bring
 *	all buffers of the engine.
 * Invariants: 1. a buffer is in one list at most, and its state says whose it is.  2. a buffer in
 *	state FREE has neither memory nor slice.  3. stats.bufs counts the buffers that are not
 *	FREE.  4. a reference with event == NULL is held or unused.  5. event_slices counts the
 *	references with an event and refs > 1 that are not held; it is 0 between events.
 *	6. what borrows of a buffer in state USER is held.
 * Ownership: the pool owns slabs and memory and frees both at the end, whoever has a buffer then.
 * Threads: the engine's.
 * Errors: no memory is NULL or -ENOMEM, with everything as it was.
 * Sources: none; the idea of head, data, tail and end is that of the kernel's sk_buff and of
 *	libosmocore's msgb.
 * Tests: tests/contract/test_io_buf.c, tests/unit/test_io_hold.c
 */
#include "io.h"

#include <stdlib.h>
#include <weir/ifq.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
/* A pool hides uses after free from the sanitizer, unless it is told. */
#include <sanitizer/asan_interface.h>
#define poison(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define unpoison(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
#define poison(at, bytes) ((void)(at), (void)(bytes))
#define unpoison(at, bytes) ((void)(at), (void)(bytes))
#endif

#define SLAB_COUNT 64
#define CLASS_BYTES(c) ((size_t)256 << (c))
#define BYTES_MAX ((size_t)1 << 30)
#define DEFAULT_CACHE_BYTES ((size_t)8 << 20)
#define LEAST_HOLD_LIMIT 4
#define NO_MEMORY 255

struct buf_slab {
	struct buf_slab *next;
	struct weir_buf bufs[SLAB_COUNT];
};

struct slice_slab {
	struct slice_slab *next;
	struct weir_io_slice slices[SLAB_COUNT];
};

int weir_buf_pool_new(struct weir_buf_pool **retpool, struct weir_engine *e,
		      const struct weir_buf_pool_opts *opts, struct weir_error *reterr)
{
	struct weir_buf_pool_opts o = { 0 };
	struct weir_buf_pool *pool;
	int rc;

	if (!retpool || !e)
		return weir_error_set(reterr, -EINVAL, "weir_buf_pool_new", NULL,
				      "give a place for the pool and an open engine");
	rc = weir_opts_read(&o, sizeof(o), opts, "weir_buf_pool_opts", reterr);
	if (rc)
		return rc;
	if (o.flags || o.reserved)
		return weir_error_set(reterr, -EINVAL, "weir_buf_pool_new", "weir_buf_pool_opts",
				      "flags and reserved must be 0");
	if (!o.cache_bytes)
		o.cache_bytes = DEFAULT_CACHE_BYTES;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return weir_error_set(reterr, -ENOMEM, "weir_buf_pool_new", NULL,
				      "no memory for a pool");
	pool->engine = e;
	pool->opts = o;
	pool->hold_limit = o.hold_max ? o.hold_max : LEAST_HOLD_LIMIT;
	weir_io_kicks_init(pool);
	*retpool = pool;
	return 0;
}

static void free_slabs(struct weir_buf_pool *pool)
{
	struct buf_slab *bs;
	struct slice_slab *ss;

	while ((bs = pool->buf_slabs)) {
		pool->buf_slabs = bs->next;
		unpoison(bs, sizeof(*bs));
		for (unsigned i = 0; i < SLAB_COUNT; i++) {
			struct weir_buf *b = &bs->bufs[i];

			if (b->state != BUF_FREE && !b->slice && b->size_class != NO_MEMORY)
				free(b->head);
		}
		free(bs);
	}
	while ((ss = pool->slice_slabs)) {
		pool->slice_slabs = ss->next;
		free(ss);
	}
}

void weir_buf_pool_free(struct weir_buf_pool *pool)
{
	if (!pool)
		return;
	while (pool->ports) {
		struct weir_io_port *port = pool->ports;

		pool->ports = port->next;
		free(port);
	}
	while (pool->ios) {
		struct weir_io *io = pool->ios;

		pool->ios = io->next;
		free(io);
	}
	free_slabs(pool);
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		void *m;

		while ((m = pool->mem[c])) {
			pool->mem[c] = *(void **)m;
			unpoison(m, CLASS_BYTES(c));
			free(m);
		}
	}
	free(pool);
}

void weir_buf_pool_get_stats(const struct weir_buf_pool *pool, struct weir_buf_pool_stats *ret)
{
	*ret = pool->stats;
}

static void *heap(struct weir_buf_pool *pool, size_t bytes)
{
	void *m = malloc(bytes);

	if (m) {
		pool->stats.memory_bytes += bytes;
		pool->stats.heap_calls++;
	}
	return m;
}

static void *mem_take(struct weir_buf_pool *pool, unsigned c)
{
	void *m = pool->mem[c];

	if (!m)
		return heap(pool, CLASS_BYTES(c));
	pool->mem[c] = *(void **)m;
	pool->cached_bytes -= CLASS_BYTES(c);
	unpoison(m, CLASS_BYTES(c));
	return m;
}

static void mem_put(struct weir_buf_pool *pool, void *m, unsigned c)
{
	size_t bytes = CLASS_BYTES(c);

	if (pool->cached_bytes + bytes > pool->opts.cache_bytes) {
		pool->stats.memory_bytes -= bytes;
		free(m);
		return;
	}
	*(void **)m = pool->mem[c];
	pool->mem[c] = m;
	pool->cached_bytes += bytes;
	poison((char *)m + sizeof(void *), bytes - sizeof(void *));
}

static int size_class_of(size_t bytes)
{
	unsigned c = 0;

	while (c < SIZE_CLASSES && CLASS_BYTES(c) < bytes)
		c++;
	return c < SIZE_CLASSES ? (int)c : -1;
}

static bool more_bufs(struct weir_buf_pool *pool)
{
	struct buf_slab *slab = heap(pool, sizeof(*slab));

	if (!slab)
		return false;
	memset(slab, 0, sizeof(*slab));
	slab->next = pool->buf_slabs;
	pool->buf_slabs = slab;
	for (unsigned i = SLAB_COUNT; i-- > 0;) {
		slab->bufs[i].pool = pool;
		slab->bufs[i].next = pool->bufs;
		pool->bufs = &slab->bufs[i];
	}
	return true;
}

struct weir_buf *weir_bufs_take(struct weir_buf_pool *pool, enum buf_state state)
{
	struct weir_buf *b;

	if (!pool->bufs && !more_bufs(pool))
		return NULL;
	b = pool->bufs;
	pool->bufs = b->next;
	unpoison(b, offsetof(struct weir_buf, pool));
	memset(b, 0, sizeof(*b));
	b->pool = pool;
	b->state = (uint8_t)state;
	b->size_class = NO_MEMORY;
	if (++pool->stats.bufs > pool->stats.bufs_max)
		pool->stats.bufs_max = pool->stats.bufs;
	return b;
}

int weir_bufs_room(struct weir_buf *buf, size_t bytes, size_t headroom)
{
	uint8_t *mem;
	int c;

	if (bytes > BYTES_MAX || headroom > BYTES_MAX - bytes)
		return -ENOMEM;
	c = size_class_of(bytes + headroom);
	if (c < 0)
		return -ENOMEM;
	mem = mem_take(buf->pool, (unsigned)c);
	if (!mem)
		return -ENOMEM;
	buf->size_class = (uint8_t)c;
	buf->head = mem;
	buf->end = buf->head + CLASS_BYTES(c);
	buf->data = buf->tail = buf->head + headroom;
	return 0;
}

struct weir_buf *weir_bufs_borrow(struct weir_io_slice *ref, uint8_t *data, size_t len)
{
	struct weir_buf *b = weir_bufs_take(ref->pool, BUF_RX);

	if (!b)
		return NULL;
	if (ref->refs++ == 1 && ref->event)
		ref->pool->event_slices++;
	b->slice = ref;
	b->head = b->data = data;
	b->tail = b->end = data + len;
	return b;
}

static bool is_held(const struct weir_io_slice *ref)
{
	return !ref->event || (ref->event->flags & WEIR_SLICE_HELD);
}

int weir_slices_hold(struct weir_io_slice *ref)
{
	int rc;

	if (is_held(ref))
		return 0;
	rc = weir_slice_hold(ref->event);
	if (rc)
		return rc;
	ref->pool->stats.slices_held++;
	ref->pool->event_slices--;
	return 0;
}

static void slice_forget(struct weir_io_slice *ref)
{
	struct weir_buf_pool *pool = ref->pool;

	ref->event = NULL;
	ref->next = pool->slices;
	pool->slices = ref;
}

static void slice_release(struct weir_io_slice *ref, struct weir_slice *slice)
{
	ref->pool->stats.slices_held--;
	(void)weir_slice_release(slice);
}

static void slice_drop(struct weir_io_slice *ref)
{
	if (--ref->refs > 1)
		return;
	if (ref->refs == 0) {
		/* The event has a reference of its own, so the event is over here. */
		slice_release(ref, &ref->slice);
		slice_forget(ref);
	} else if (ref->event && is_held(ref)) {
		slice_release(ref, ref->event);
	} else if (ref->event) {
		ref->pool->event_slices--;
	}
}

static void bytes_put(struct weir_buf *b)
{
	if (b->slice)
		slice_drop(b->slice);
	else if (b->size_class != NO_MEMORY)
		mem_put(b->pool, b->head, b->size_class);
	b->slice = NULL;
	b->size_class = NO_MEMORY;
}

void weir_bufs_put(struct weir_buf *b)
{
	struct weir_buf_pool *pool;

	if (!b)
		return;
	pool = b->pool;
	bytes_put(b);
	b->state = BUF_FREE;
	b->next = pool->bufs;
	pool->bufs = b;
	pool->stats.bufs--;
	/* The private part stays readable: a second free must be recognised. */
	poison(b, offsetof(struct weir_buf, pool));
}

void weir_bufs_put_all(struct buf_list *list)
{
	struct weir_buf *b;

	while ((b = buf_list_pop(list)))
		weir_bufs_put(b);
}

struct weir_buf *weir_buf_new(struct weir_buf_pool *pool, size_t bytes, size_t headroom)
{
	struct weir_buf *b = weir_bufs_take(pool, BUF_USER);

	if (b && weir_bufs_room(b, bytes, headroom)) {
		weir_bufs_put(b);
		return NULL;
	}
	return b;
}

void weir_buf_free(struct weir_buf *buf)
{
	if (!buf)
		return;
	if (buf->state != BUF_USER) {
		buf->pool->stats.bad_frees++;
		return;
	}
	weir_bufs_put(buf);
}

static void move_marks(struct weir_buf *b, const uint8_t *head, const uint8_t *end, ptrdiff_t by)
{
	for (unsigned i = 0; i < weir_array_len(b->mark); i++) {
		uintptr_t at = (uintptr_t)b->mark[i];

		if (b->mark[i] && at >= (uintptr_t)head && at <= (uintptr_t)end)
			b->mark[i] = (uint8_t *)(at + (uintptr_t)by);
	}
}

int weir_buf_own(struct weir_buf *buf, size_t headroom, size_t tailroom)
{
	size_t len = weir_buf_len(buf);
	struct weir_buf old = *buf;
	int rc;

	if (!buf->slice && weir_buf_headroom(buf) >= headroom && weir_buf_tailroom(buf) >= tailroom)
		return 0;
	if (tailroom > BYTES_MAX - len)
		return -ENOMEM;
	rc = weir_bufs_room(buf, len + tailroom, headroom);
	if (rc)
		return rc;
	if (len)
		memcpy(buf->data, old.data, len);
	buf->tail += len;
	move_marks(buf, old.head, old.end, (ptrdiff_t)((uintptr_t)buf->data - (uintptr_t)old.data));
	if (old.slice)
		weir_bufs_copied(buf->pool, len, false);
	buf->slice = NULL;
	bytes_put(&old);
	return 0;
}

int weir_buf_trim(struct weir_buf *buf, size_t len)
{
	if (len > weir_buf_len(buf))
		return -EINVAL;
	buf->tail = buf->data + len;
	return 0;
}

int weir_buf_append(struct weir_buf *buf, const void *data, size_t len)
{
	uint8_t *to = weir_buf_put(buf, len);

	if (!to)
		return -ENOSPC;
	if (len)
		memcpy(to, data, len);
	return 0;
}

void weir_bufs_copied(struct weir_buf_pool *pool, size_t bytes, bool straddles)
{
	pool->stats.copied_bytes += bytes;
	if (straddles)
		pool->stats.straddle_bytes += bytes;
}

struct weir_io_slice *weir_slices_take(struct weir_buf_pool *pool, struct weir_slice *event)
{
	struct weir_io_slice *ref;

	if (!pool->slices) {
		struct slice_slab *slab = heap(pool, sizeof(*slab));

		if (!slab)
			return NULL;
		memset(slab, 0, sizeof(*slab));
		slab->next = pool->slice_slabs;
		pool->slice_slabs = slab;
		for (unsigned i = SLAB_COUNT; i-- > 0;) {
			slab->slices[i].pool = pool;
			slab->slices[i].next = pool->slices;
			pool->slices = &slab->slices[i];
		}
	}
	ref = pool->slices;
	pool->slices = ref->next;
	ref->next = NULL;
	ref->event = event;
	ref->refs = 1;
	return ref;
}

void weir_slices_event_over(struct weir_io_slice *ref)
{
	if (ref->refs == 1) {
		slice_forget(ref);
		return;
	}
	ref->slice = *ref->event;
	ref->event = NULL;
	ref->refs--;
}

/* On NIC queues below what a socket may keep (weir_engine_opts.hold_max_bytes). */
static uint64_t share_of_buffers(struct weir_engine *e)
{
	struct weir_engine_stats stats;
	struct weir_ifq_info info;
	uint64_t may;

	if (!weir_engine_ifq(e, 0, &info)) {
		may = info.hold_max_bytes / info.buffer_bytes / 2;
		return may < info.buffer_count / 4 ? may : info.buffer_count / 4;
	}
	weir_engine_get_stats(e, &stats);
	return stats.buffers / 2;
}

bool weir_slices_limit(struct weir_buf_pool *pool, unsigned waiting)
{
	uint64_t held = pool->stats.slices_held, share;

	/* One event may bring all buffers there are: its slices count before they are held. */
	if (pool->event_slices > waiting)
		held += pool->event_slices - waiting;
	if (held < pool->hold_limit)
		return false;
	if (pool->opts.hold_max)
		return true;
	/* Engines make receive buffers when the first socket wants them: look again. */
	share = share_of_buffers(pool->engine);
	pool->hold_limit = share > LEAST_HOLD_LIMIT ? share : LEAST_HOLD_LIMIT;
	return held >= pool->hold_limit;
}
