/* SPDX-License-Identifier: MIT */
/*
 * s_memory.c - every kind of memory, large buffers, and little memory for much data.
 *
 * Theory: what the area is made of must make no difference to what arrives.  Where slices have no
 * address their bytes are read through another mapping of the same memory.  A small area that
 * carries hundreds of times its size shows that each buffer comes back.
 */
#include "zctest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL_BYTES (4u << 20)
#define PAGE_BYTES 4096u
#define AREA_BYTES (16u << 20) /* where a row says nothing else */

struct row {
	enum weir_provider provider;
	uint32_t area_flags;
	size_t area_bytes; /* 0: AREA_BYTES */
	uint32_t buffer_bytes;
	uint64_t bytes;
	unsigned lag;
	bool by_fd; /* a dma-buf of ours, given by its descriptor */
	bool huge;  /* the machine has huge pages */
};

static void huge_pages(size_t bytes)
{
	struct area pages;

	area_new(&pages, AREA_HUGE, bytes); /* grows the pool, and skips or fails where it cannot */
	area_free(&pages);
}

static size_t area_bytes(const struct row *row)
{
	return row->area_bytes ? row->area_bytes : AREA_BYTES;
}

static struct weir_area *make_area(const struct row *row, struct area *own)
{
	struct weir_area_opts o = { .size = sizeof o,
				    .provider = row->provider,
				    .flags = (row->huge ? WEIR_AREA_STRICT : 0) | row->area_flags,
				    .bytes = area_bytes(row) };
	struct weir_error err = { 0 };
	struct weir_area *area;

	if (row->by_fd) {
		area_new(own, AREA_DMABUF, area_bytes(row));
		o.dmabuf = own->dmabuf;
		o.bytes = 0;
	}
	if (weir_area_open(&area, &o, &err))
		fail("no area: %s %s: %s (%s)", err.stage, err.object, strerror(-err.code),
		     err.hint);
	return area;
}

/* Where to read slices that have no address. */
static const unsigned char *second_mapping(struct weir_area *area, const struct area *own)
{
	struct weir_area_info info;
	void *mem;

	weir_area_describe(area, &info);
	if (info.base)
		return NULL;
	if (own->mem)
		return own->mem;
	mem = mmap(NULL, info.bytes, PROT_READ, MAP_SHARED, info.fd, 0);
	if (mem == MAP_FAILED)
		fail("the dma-buf cannot be mapped");
	return mem;
}

static void run_row(const struct scenario *self)
{
	const struct row *row = self->arg;
	struct zt_wish wish = { .bytes = row->bytes ? row->bytes : 4u << 20, .lag = row->lag };
	struct area own = { .memfd = -1, .dmabuf = -1 };
	struct weir_area *area;
	struct weir_area_info info;
	static struct zt z;
	bool no_address;

	zt_need();
	if (row->huge)
		huge_pages(area_bytes(row));
	area = make_area(row, &own);
	weir_area_describe(area, &info);
	if (info.provider != row->provider)
		fail("provider %u was asked for, %u came: %s", row->provider, info.provider,
		     info.reason);
	wish.engine.area = area;
	wish.engine.buffer_bytes = row->buffer_bytes;
	wish.mem = second_mapping(area, &own);
	no_address = !!wish.mem;
	zt_whole(&z, &wish, ZT_PLACED);
	if (row->buffer_bytes && z.ifq[0].buffer_bytes != row->buffer_bytes)
		fail("buffers of %u were asked for, %u came: %s", row->buffer_bytes,
		     z.ifq[0].buffer_bytes, z.ifq[0].reason);
	if (no_address != !!(row->area_flags & WEIR_AREA_NO_MAP) ||
	    z.unmapped != (no_address ? z.slices : 0))
		fail("%llu of %llu slices have no address", (unsigned long long)z.unmapped,
		     (unsigned long long)z.slices);
	say(", buffers of %u", z.ifq[0].buffer_bytes);
	weir_area_close(area);
	if (row->by_fd)
		area_free(&own);
}

/* Large buffers of an area that has none: asked for, tried, halved, and told. */
static void run_halved(const struct scenario *self)
{
	struct zt_wish wish = { .engine = { .provider = WEIR_PROVIDER_HOST,
					    .area_bytes = 16u << 20,
					    .buffer_bytes = 2u << 20 } };
	static struct zt z;

	(void)self;
	zt_need();
	zt_whole(&z, &wish, ZT_PLACED);
	say(", buffers of %u: \"%s\"", z.ifq[0].buffer_bytes, z.ifq[0].reason);
	if (z.ifq[0].buffer_bytes < PAGE_BYTES ||
	    (z.ifq[0].buffer_bytes < (2u << 20)) != !!*z.ifq[0].reason)
		fail("buffers of %u, and why is \"%s\"", z.ifq[0].buffer_bytes, z.ifq[0].reason);
}

/* ZCTEST_MIB: how much; with 1024 it is the real thing, which takes a while under emulation. */
static void run_small(const struct scenario *self)
{
	const char *mib = getenv("ZCTEST_MIB");
	struct zt_wish wish = { .bytes = (uint64_t)(mib ? atoi(mib) : 64) << 20,
				.lag = 16,
				.engine.area_bytes = SMALL_BYTES };
	static struct zt z;

	(void)self;
	zt_need();
	zt_whole(&z, &wish, ZT_PLACED);
	if ((uint64_t)z.ifq[0].buffer_count * z.ifq[0].buffer_bytes != SMALL_BYTES)
		fail("an area of %u was asked for, %u buffers of %u came", SMALL_BYTES,
		     z.ifq[0].buffer_count, z.ifq[0].buffer_bytes);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })

#define SECOND_USED 512u /* slices: half of what it holds */

static bool second_used(struct zt *z)
{
	return z->watched_slices >= SECOND_USED;
}

/* False: this kernel adds no areas. */
static bool add_second(struct zt *z)
{
	struct weir_area_opts o = { .size = sizeof o,
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = SMALL_BYTES + 1000 };
	struct weir_error err = { 0 };
	struct weir_ifq_info info;
	struct weir_area *area;
	int r;

	if (weir_area_open(&area, &o, &err))
		fail("no area: %s", err.hint);
	if (weir_engine_add_area(z->e, 1, area, NULL) != -ENOENT)
		fail("there is no second queue");
	z->watched = area;
	r = weir_engine_add_area(z->e, 0, area, &err);
	weir_area_close(area); /* the engine has it */
	if (r == -EOPNOTSUPP)
		return false;
	if (r)
		fail("%s %s: %s (%s)", err.stage, err.object, strerror(-r), err.hint);
	if (weir_engine_ifq(z->e, 0, &info) || info.area_count != 2 ||
	    info.buffer_count != 2 * (SMALL_BYTES / PAGE_BYTES) + 1) /* whole pages */
		fail("it has %u areas with %u buffers", info.area_count, info.buffer_count);
	return true;
}

/*
 * All is kept until the NIC has no buffer left.  With another area the stream goes on; then all is
 * released, and more comes by each area than it has buffers: those of both went back.
 */
static void run_add_area(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 12u << 20,
				.rto_ms = 20,
				.hold = true,
				.sock.rcvbuf_bytes = 256u << 10,
				.engine = { .area_bytes = SMALL_BYTES,
					    .pressure = WEIR_PRESSURE_TELL,
					    .hold_max_bytes = UINT64_MAX } };
	static struct zt_senders senders;
	static struct zt z;
	uint64_t first;

	(void)self;
	zt_need();
	zt_senders_start(&senders, &wish);
	zt_open(&z, &wish);
	zt_listen(&z);
	zt_senders_go(&senders);
	zt_until(&z, zt_starved, ZT_DEADLINE_MS, "a NIC without buffers");
	if (!add_second(&z)) {
		zt_senders_kill(&senders);
		zt_close(&z);
		skip("this kernel adds no areas");
	}
	zt_until(&z, second_used, ZT_DEADLINE_MS, "slices in the added area");
	say(" %llu slices in the first area, %llu in the added one, then",
	    (unsigned long long)(z.slices - z.watched_slices),
	    (unsigned long long)z.watched_slices);
	z.wish.lag = 16;
	zt_release(&z);
	zt_until(&z, zt_all_closed, ZT_DEADLINE_MS, "the end of the stream");
	z.took_ms = now_ms() - z.began_ms;
	first = z.slices - z.watched_slices;
	say(" %llu and %llu;", (unsigned long long)first, (unsigned long long)z.watched_slices);
	if (z.stream[0].res || z.bytes != wish.bytes)
		fail("it ended with %d after %llu bytes", z.stream[0].res,
		     (unsigned long long)z.bytes);
	if (first <= SMALL_BYTES / PAGE_BYTES || z.watched_slices <= SMALL_BYTES / PAGE_BYTES + 1)
		fail("an area was not used again");
	zt_release(&z);
	zt_senders_end(&senders);
	zt_say(&z);
	zt_prove((struct zt *[]){ &z }, 1, &senders, ZT_PLACED);
	zt_settled(&z);
	zt_close(&z);
}

const struct scenario scenarios_memory[] = {
	{ "add_area", "an area is added to a queue in use", run_add_area, NULL },
	{ "host", "ordinary pages", run_row, ROW(.provider = WEIR_PROVIDER_HOST, .lag = 64) },
	{ "huge", "2 MiB pages", run_row,
	  ROW(.provider = WEIR_PROVIDER_HUGE, .huge = true, .lag = 64) },
	{ "huge64k", "2 MiB pages, buffers of 64 KiB", run_row,
	  ROW(.provider = WEIR_PROVIDER_HUGE, .huge = true, .buffer_bytes = 64u << 10, .lag = 8) },
	{ "huge2m", "2 MiB pages, buffers of 2 MiB", run_row,
	  ROW(.provider = WEIR_PROVIDER_HUGE, .huge = true, .buffer_bytes = 2u << 20,
	      .bytes = 16u << 20, .area_bytes = 64u << 20) },
	{ "memfd", "a memfd", run_row, ROW(.provider = WEIR_PROVIDER_MEMFD, .lag = 64) },
	{ "udmabuf", "a dma-buf of a memfd", run_row,
	  ROW(.provider = WEIR_PROVIDER_UDMABUF, .lag = 64) },
	{ "udmabuf_nomap", "the same, not mapped", run_row,
	  ROW(.provider = WEIR_PROVIDER_UDMABUF, .area_flags = WEIR_AREA_NO_MAP, .lag = 64) },
	{ "dmabuf", "somebody's dma-buf", run_row,
	  ROW(.provider = WEIR_PROVIDER_DMABUF, .by_fd = true, .lag = 64) },
	{ "dmabuf_nomap", "the same, not mapped", run_row,
	  ROW(.provider = WEIR_PROVIDER_DMABUF, .by_fd = true, .area_flags = WEIR_AREA_NO_MAP,
	      .lag = 64) },
	{ "halved", "buffers larger than the memory can have", run_halved, NULL },
	{ "small_area", "much data through 4 MiB ($ZCTEST_MIB)", run_small, NULL },
	{ NULL, NULL, NULL, NULL }
};
