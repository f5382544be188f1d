// SPDX-License-Identifier: MIT
/*
 * zcrx.c - the zcrx plane: the uring plane with interface queues; opening and closing them.
 *
 * Theory: the ring is made first, with large completions, and the kernel is asked whether it knows
 *	the registration: until then nothing is changed.  Then the NIC is set up (or was, by who
 *	gave it), the area is cut into a part for each queue, or each gets one where it cannot be
 *	cut, and each queue is bound.  Large buffers are asked for, tried, and halved until the
 *	kernel, the driver and the memory agree.
 *
 *	   ring ──> asked ──> NIC set up ──> area ──> queue bound, ... ──> NAPI ids read
 *
 *	Closing the ring unbinds the queues, some kernels do so a moment later; the NIC is put back
 *	after it (nic/undo.c waits for that moment), the memory goes last.
 *
 *	A queue that a process had that was just killed is still bound for a moment, too: EEXIST and
 *	EBUSY are tried again for a while.
 * Invariants: 1. after a failed open the NIC is as it was.  2. the memory outlives the ring.
 * Ownership: the plane owns ledgers, its references to areas and NIC.
 * Threads: the engine's.
 * Errors: of the step that failed, with what it means and what to do.
 * Sources: io_uring/zcrx.c io_register_zcrx(), io_import_dmabuf() (all of a dma-buf or nothing),
 *	Linux 7.3; tcp(7), tcp_rmem.
 * Tests: tests/vm/t/zc_*.sh
 */
#include "zcrx.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/nic.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"

#define AREA_BYTES (32u << 20)
#define RETRY_NS 2000000000ull
#define RETRY_MS 10
#define IDS_TRIES 10
#define QUEUE_PART 4   /* of what the NIC leaves: in sockets, in completions, in a batch, held */
#define POOL_CACHE 128 /* buffers that a page pool keeps for itself */
#define BATCH_MIN 16
#define PIECE_BYTES 2048

static void pause_ms(void)
{
	/* Nobody tells when a queue is unbound: one can only ask again. */
	(void)poll(NULL, 0, RETRY_MS);
}

/* ------------------------------------------------------------------------------ the NIC */

static int open_named(struct weir_engine *e, struct zcrx *zc, struct weir_error *reterr)
{
	const struct weir_engine_opts *o = &weir_core_of(e)->opts;
	struct weir_nic_opts n = {
		.size = sizeof(n),
		.flags = WEIR_NIC_FOR_ZCRX,
		.ifname = o->ifname,
		.queue_first = o->queue_plus_1 ? (int32_t)o->queue_plus_1 - 1 : -1,
		.queue_count = zc->count,
	};
	uint64_t end_ns = weir_clock_ns() + RETRY_NS;
	int r;

	while ((r = weir_nic_open(&zc->nic, &n, reterr)) == -EBUSY && o->queue_plus_1 &&
	       weir_clock_ns() < end_ns)
		pause_ms();
	return r;
}

/* Queues of a given NIC: how many, from the one that was named on. */
static int count_given(struct weir_nic *nic, const struct weir_engine_opts *o, unsigned *retfirst,
		       unsigned *retcount, struct weir_error *reterr)
{
	unsigned first = 0, n = 0;

	while (o->queue_plus_1 && weir_nic_queue(nic, first) >= 0 &&
	       weir_nic_queue(nic, first) != (int)o->queue_plus_1 - 1)
		first++;
	while (weir_nic_queue(nic, first + n) >= 0)
		n++;
	if (!n || n < o->queue_count)
		return weir_error_set(reterr, -ERANGE, "weir_engine_opts", "queue_plus_1",
				      "the NIC object has not so many queues from that one on: "
				      "open it with a larger queue_count");
	*retfirst = first;
	*retcount = o->queue_count ? o->queue_count : n;
	if (*retcount > WEIR_IFQS_MAX)
		*retcount = WEIR_IFQS_MAX;
	return 0;
}

static int get_nic(struct weir_engine *e, struct zcrx *zc, struct weir_error *reterr)
{
	const struct weir_engine_opts *o = &weir_core_of(e)->opts;
	unsigned first = 0, ifindex;
	char name[IF_NAMESIZE] = "";
	int r = 0;

	zc->count = o->queue_count ? o->queue_count : 1;
	if (!o->nic && !(o->ifname && *o->ifname)) {
		zc->queues[0].info.no_nic = true;
		zc->count = 1;
		return 0;
	}
	if (o->nic) {
		r = count_given(o->nic, o, &first, &zc->count, reterr);
		if (!r)
			zc->nic = weir_nic_ref(o->nic);
	} else {
		r = open_named(e, zc, reterr);
	}
	if (r)
		return r;
	ifindex = weir_nic_ifindex(zc->nic);
	(void)if_indextoname(ifindex, name);
	for (unsigned i = 0; i < zc->count; i++) {
		struct weir_ifq_info *info = &zc->queues[i].info;

		snprintf(info->ifname, sizeof(info->ifname), "%s", name);
		info->ifindex = ifindex;
		info->queue = (uint32_t)weir_nic_queue(zc->nic, first + i);
	}
	return 0;
}

void zcrx_read_ids(struct weir_engine *e)
{
	struct weir_core *c = weir_core_of(e);
	struct zcrx *zc = uring_of(e)->zc;
	const struct weir_nic_info *info;

	zc->ids_read_ns = c->now_ns;
	if (!zc->nic || weir_nic_info_read(&info, zc->queues[0].info.ifname, NULL))
		return;
	for (unsigned i = 0; i < zc->count; i++) {
		const struct weir_nic_queue *q =
			weir_nic_info_queue(info, zc->queues[i].info.queue);

		c->napi_ids[i] = zc->queues[i].info.napi_id = q ? q->napi_id : 0;
	}
	weir_nic_info_free(info);
	weir_core_napi_changed(e);
}

/* A queue that was just bound may have its NAPI a moment later; old kernels tell none. */
static void await_ids(struct weir_engine *e)
{
	struct weir_core *c = weir_core_of(e);

	for (unsigned tries = 0; tries < IDS_TRIES; tries++) {
		bool all = true;

		zcrx_read_ids(e);
		for (unsigned i = 0; c->nic && i < c->ifq_count; i++)
			all &= c->napi_ids[i] != 0;
		if (all)
			return;
		pause_ms();
	}
}

/* Entries of the NIC's receive ring, which are buffers, too. */
static uint32_t nic_buffers(const struct zcrx *zc)
{
	const struct weir_nic_info *info;
	uint32_t n;

	if (!zc->nic || weir_nic_info_read(&info, zc->queues[0].info.ifname, NULL))
		return 0;
	n = info->ring_entries + POOL_CACHE;
	weir_nic_info_free(info);
	return n;
}

/* --------------------------------------------------------------------------- the memory */

/*
 * An area that the NIC's ring takes whole leaves nothing for what has arrived: each burst would run
 * into the empty ring, and each time TCP would lose a retransmission timeout.
 */
static size_t least_bytes(const struct zcrx *zc)
{
	return (size_t)zc->nic_buffers * 3 / 2 * (size_t)sysconf(_SC_PAGESIZE) * zc->count;
}

static bool is_dmabuf(const struct weir_area_info *info)
{
	return info->provider == WEIR_PROVIDER_UDMABUF || info->provider == WEIR_PROVIDER_DMABUF;
}

/*
 * The kernel takes a dma-buf whole, so it cannot be cut: several queues get one each, which the
 * engine can have made for it, but not be given.
 */
static int get_areas(struct weir_engine *e, struct zcrx *zc, struct weir_error *reterr)
{
	const struct weir_engine_opts *o = &weir_core_of(e)->opts;
	struct weir_area_opts a = { .size = sizeof(a), .provider = o->provider };
	int r = 0;

	a.bytes = o->area_bytes ? o->area_bytes : (size_t)AREA_BYTES * zc->count;
	if (a.bytes < least_bytes(zc))
		a.bytes = least_bytes(zc);
	zc->separate = !o->area && o->provider == WEIR_PROVIDER_UDMABUF && zc->count > 1;
	if (zc->separate)
		a.bytes /= zc->count;
	for (unsigned i = 0; !r && i < zc->count; i++) {
		if (o->area)
			zc->queues[i].area = weir_area_ref(o->area);
		else if (i && !zc->separate)
			zc->queues[i].area = weir_area_ref(zc->queues[0].area);
		else
			r = weir_area_open(&zc->queues[i].area, &a, reterr);
	}
	return r;
}

/* Of all queues. */
static size_t area_bytes(const struct zcrx *zc)
{
	struct weir_area_info info;

	weir_area_describe(zc->queues[0].area, &info);
	return zc->separate ? info.bytes * zc->count : info.bytes;
}

/* The part of its area that queue @i gets, in whole buffers of @buf_bytes. */
static int cut(const struct zcrx *zc, unsigned i, size_t buf_bytes, struct weir_ifq_mem *ret,
	       uint64_t *retoffset, struct weir_error *reterr)
{
	unsigned parts = zc->separate ? 1 : zc->count;
	struct weir_area_info info;
	size_t part;

	weir_area_describe(zc->queues[i].area, &info);
	part = info.bytes / parts / buf_bytes * buf_bytes;
	if (is_dmabuf(&info) && zc->queues[i].info.no_nic)
		return weir_error_set(reterr, -EINVAL, "area", "dma-buf",
				      "only a NIC writes to a dma-buf: name one by WEIR_IFNAME");
	if (is_dmabuf(&info) && parts > 1)
		return weir_error_set(reterr, -EINVAL, "area", "dma-buf",
				      "the kernel takes a dma-buf whole: one queue per engine");
	if (is_dmabuf(&info))
		part = info.bytes;
	if (!part || part % buf_bytes)
		return weir_error_set(reterr, -EINVAL, "area", NULL,
				      "%zu bytes are not a multiple of buffers of %zu bytes for "
				      "%u queues: take a larger area",
				      info.bytes, buf_bytes, parts);
	ret->bytes = part;
	ret->dmabuf = is_dmabuf(&info) ? info.fd : -1;
	*retoffset = zc->separate ? 0 : part * i;
	ret->base = info.base ? (char *)info.base + *retoffset : NULL;
	return 0;
}

/* --------------------------------------------------------------------------- the queues */

/* A large buffer is shared by many packets, and each wants an entry. */
static uint32_t refill_entries(const struct weir_engine_opts *o, size_t area_bytes)
{
	uint64_t want = o->refill_entries ? o->refill_entries : area_bytes / PIECE_BYTES;
	uint32_t n = 8;

	while (n < want && n < WEIR_IFQ_REFILL_MAX)
		n *= 2;
	return n;
}

static int bind_as(struct weir_engine *e, struct zcrx *zc, unsigned i, uint32_t buf_bytes,
		   const struct weir_ifq_can *can, struct weir_error *reterr)
{
	const struct weir_engine_opts *o = &weir_core_of(e)->opts;
	struct zcrx_queue *z = &zc->queues[i];
	uint64_t end_ns = weir_clock_ns() + RETRY_NS, offset = 0;
	struct weir_ifq_req req = { .buf_bytes = buf_bytes };
	char name[48] = "without a NIC";
	int r = cut(zc, i, buf_bytes, &req.mem, &offset, reterr);

	if (r)
		return r;
	if (!z->info.no_nic)
		snprintf(name, sizeof(name), "%s rxq %u", z->info.ifname, z->info.queue);
	req.name = name;
	req.ifindex = z->info.ifindex;
	req.queue = z->info.queue;
	req.entries = refill_entries(o, req.mem.bytes);
	req.event_data = ud(NULL, UD_MISC) | (uint64_t)(ZC_EVENT_FIRST + i) << 3;
	while ((r = weir_ifq_open(&z->q, &uring_of(e)->ring, can, &req, reterr)) == -EEXIST &&
	       weir_clock_ns() < end_ns)
		pause_ms();
	if (r)
		return r;
	z->buf_shift = (unsigned)__builtin_ctz(z->q.buf_bytes);
	z->info.area_offset = offset;
	r = weir_pool_new_zc(&z->pools[0], weir_area_ref(z->area), offset, req.mem.bytes,
			     z->q.buf_bytes);
	if (r) {
		weir_area_close(z->area);
		return weir_error_set(reterr, r, "zero-copy receive", name, NULL);
	}
	weir_core_add_pool(e, z->pools[0]);
	return 0;
}

/* As large as asked for, or half of that, ... */
static int bind_queue(struct weir_engine *e, struct zcrx *zc, unsigned i,
		      const struct weir_ifq_can *can, struct weir_error *reterr)
{
	const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	struct zcrx_queue *z = &zc->queues[i];
	uint32_t asked = weir_core_of(e)->opts.buffer_bytes, now;
	struct weir_error first = { 0 }, err = { 0 };
	int r;

	if (asked < page)
		asked = page;
	/* The parts are cut by the size of buffers: it must not grow from queue to queue. */
	if (i && asked > zc->queues[i - 1].q.buf_bytes)
		asked = zc->queues[i - 1].q.buf_bytes;
	for (now = asked;; now /= 2) {
		r = bind_as(e, zc, i, now, can, &err);
		if (!r || z->q.region || now == page ||
		    (r != -ERANGE && r != -EINVAL && r != -EOPNOTSUPP && r != -ENOMEM))
			break;
		if (!first.code)
			first = err;
	}
	if (r) {
		if (reterr)
			*reterr = err;
		return r;
	}
	if (first.code)
		snprintf(z->info.reason, sizeof(z->info.reason), "buffers of %u bytes: %.120s",
			 asked, first.hint);
	z->info.buffer_bytes = z->q.buf_bytes;
	z->info.buffer_count = z->pools[0]->buf_count;
	z->info.refill_entries = z->q.entries;
	z->info.area = z->area;
	z->info.area_count = 1;
	z->info.large_buffers = can->large_buffers;
	z->info.events = can->events;
	z->info.copies_known = can->events || z->info.no_nic;
	z->info.can_flush = can->flush;
	z->stats.copied_known = z->info.copies_known;
	return 0;
}

/* ------------------------------------------------------------------------------ the plane */

/* The most that TCP lets a receive buffer grow to by itself. */
static uint64_t tcp_rmem_max(void)
{
	unsigned long long min, def, max = 6ull << 20;
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_rmem", "re");

	if (!f)
		return max;
	if (fscanf(f, "%llu %llu %llu", &min, &def, &max) != 3)
		max = 6ull << 20;
	(void)fclose(f);
	return max;
}

/*
 * Buffers lie in the NIC's ring, in the sockets' receive queues, in completions, in the batch that
 * the application looks at, and are held.  The last four are bounded, so that the first never runs
 * dry; the ring of an area that is smaller than it should be has to do with less.
 */
static void share_out(struct weir_engine *e, struct zcrx *zc)
{
	struct weir_core *c = weir_core_of(e);
	const struct weir_ifq_info *info = &zc->queues[0].info;
	uint64_t all = (uint64_t)info->buffer_bytes * info->buffer_count, part;
	uint64_t nic = (uint64_t)zc->nic_buffers * (uint64_t)sysconf(_SC_PAGESIZE);

	part = (nic < all / 4 * 3 ? all - nic : all / 4) / QUEUE_PART;
	zc->batch_max = (uint32_t)(part / info->buffer_bytes);
	if (zc->batch_max < BATCH_MIN)
		zc->batch_max = BATCH_MIN;
	if (c->lowat_max > part / 4)
		c->lowat_max = (uint32_t)(part / 4);
	/* 0 would mean no bound; zcrx_attach() raises what is too small. */
	if (part < tcp_rmem_max())
		zc->rcvbuf_bytes = part ? part : 1;
	if (part < info->buffer_bytes)
		part = info->buffer_bytes;
	for (unsigned i = 0; i < zc->count; i++) {
		zc->queues[i].pools[0]->hold_bytes = part;
		zc->queues[i].info.hold_max_bytes =
			c->opts.hold_max_bytes ? c->opts.hold_max_bytes : part;
	}
}

static void describe(struct weir_engine *e, const struct zcrx *zc)
{
	struct weir_core *c = weir_core_of(e);
	const struct weir_ifq_info *info = &zc->queues[0].info;
	char where[64] = "without a NIC: the kernel copies every byte";
	if (!info->no_nic && zc->count == 1)
		snprintf(where, sizeof(where), "%s rxq %u", info->ifname, info->queue);
	else if (!info->no_nic)
		snprintf(where, sizeof(where), "%s, %u queues from rxq %u on", info->ifname,
			 zc->count, info->queue);
	snprintf(c->parts, sizeof(c->parts), "%s, %u buffers of %u bytes each%s%s%s%s", where,
		 info->buffer_count, info->buffer_bytes,
		 area_bytes(zc) < least_bytes(zc) ? " (less than the NIC's ring needs)" : "",
		 uring_of(e)->ring.mixed ? ", mixed completions" : "",
		 info->events ? ", events" : ", no events", info->can_flush ? "" : ", no flush");
}

static int set_up(struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_core *c = weir_core_of(e);
	struct uring_plane *p = uring_of(e);
	struct weir_ifq_can can;
	int r = weir_ifq_supported(&p->ring, &can, reterr);

	if (r)
		return r;
	p->zc = calloc(1, sizeof(*p->zc));
	if (!p->zc)
		return weir_error_set(reterr, -ENOMEM, "zcrx plane", NULL, NULL);
	r = get_nic(e, p->zc, reterr);
	p->zc->nic_buffers = nic_buffers(p->zc);
	if (!r)
		r = get_areas(e, p->zc, reterr);
	for (unsigned i = 0; !r && i < p->zc->count; i++)
		r = bind_queue(e, p->zc, i, &can, reterr);
	if (r)
		return r;
	c->nic = p->zc->nic;
	c->ifq_count = p->zc->count;
	await_ids(e);
	share_out(e, p->zc);
	describe(e, p->zc);
	return 0;
}

int zcrx_open(struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_core *c = weir_core_of(e);
	const struct weir_engine_opts *o = &c->opts;
	int r;

	if (!c->by_name && !o->nic && !(o->ifname && *o->ifname))
		return weir_error_set(reterr, -ENODEV, "zero-copy receive", NULL,
				      "no NIC was named (weir_engine_opts.ifname, WEIR_IFNAME)");
	r = uring_open(e, true, reterr);
	if (r)
		return r;
	r = set_up(e, reterr);
	if (r)
		uring_close(e);
	return r;
}

/* The ring is closed: the kernel writes to the memory no more. */
void zcrx_free(struct weir_engine *e, struct zcrx *zc)
{
	struct weir_core *c = weir_core_of(e);

	if (!zc)
		return;
	c->nic = NULL;
	c->ifq_count = 0;
	weir_core_napi_changed(e);
	for (unsigned i = 0; i < zc->count; i++) {
		weir_ifq_free(&zc->queues[i].q);
		for (unsigned k = 0; k < WEIR_IFQ_AREAS_MAX; k++)
			weir_pool_free(zc->queues[i].pools[k]);
		weir_area_close(zc->queues[i].area);
	}
	/* What cannot be put back now is in the journal. */
	(void)weir_nic_close(zc->nic, NULL);
	free(zc);
}

int zcrx_add_area(struct weir_engine *e, unsigned i, struct weir_area *area,
		  struct weir_error *reterr)
{
	struct zcrx_queue *z = &uring_of(e)->zc->queues[i];
	struct weir_ifq_mem mem = { .dmabuf = -1 };
	struct weir_area_info info;
	struct weir_pool *pool;
	int r;

	weir_area_describe(area, &info);
	mem.base = info.base;
	mem.bytes = info.bytes / z->q.buf_bytes * z->q.buf_bytes;
	if (is_dmabuf(&info)) {
		mem.bytes = info.bytes;
		mem.dmabuf = info.fd;
	}
	if (!mem.bytes || mem.bytes % z->q.buf_bytes)
		return weir_error_set(reterr, -EINVAL, "weir_engine_add_area", "area",
				      "%zu bytes are no whole number of buffers of %u bytes",
				      info.bytes, z->q.buf_bytes);
	/* The ledger first: a piece may come from the area as soon as the kernel has it. */
	r = weir_pool_new_zc(&pool, weir_area_ref(area), 0, mem.bytes, z->q.buf_bytes);
	if (r) {
		weir_area_close(area);
		return weir_error_set(reterr, r, "weir_engine_add_area", "area", NULL);
	}
	r = weir_ifq_add_area(&z->q, &mem);
	if (r) {
		weir_pool_free(pool);
		return weir_error_set(
			reterr, r, "weir_engine_add_area", "area",
			r == -EOPNOTSUPP ? "this kernel adds none (Linux 7.3 does, up to 8): open "
					   "the engine with a larger area" :
					   "memory of the kind that the queue has is needed, in "
					   "pieces no smaller than its buffers");
	}
	weir_core_add_pool(e, pool);
	z->pools[z->q.area_count - 1] = pool;
	z->info.buffer_count += pool->buf_count;
	z->info.area_count = z->q.area_count;
	return 0;
}

int zcrx_ifq(const struct weir_engine *e, unsigned i, struct weir_ifq_info *info,
	     struct weir_ifq_stats *stats)
{
	const struct zcrx *zc = uring_of((struct weir_engine *)(uintptr_t)e)->zc;
	const struct zcrx_queue *z;

	if (!zc || i >= zc->count)
		return -ENOENT;
	z = &zc->queues[i];
	if (info)
		*info = z->info;
	if (!stats)
		return 0;
	*stats = z->stats;
	if (z->info.no_nic) {
		stats->copied_bytes = stats->bytes;
		stats->copied_fragments = stats->completions;
	} else if (z->q.stats) {
		stats->copied_bytes = __atomic_load_n(&z->q.stats->copy_bytes, __ATOMIC_RELAXED);
		stats->copied_fragments =
			__atomic_load_n(&z->q.stats->copy_count, __ATOMIC_RELAXED);
	}
	for (unsigned k = 0; k < z->q.area_count; k++) {
		stats->buffers_free += z->pools[k]->count[WEIR_BUF_FREE];
		stats->buffers_kernel += z->pools[k]->count[WEIR_BUF_KERNEL];
		stats->buffers_delivered += z->pools[k]->count[WEIR_BUF_DELIVERED];
		stats->buffers_held += z->pools[k]->count[WEIR_BUF_HELD];
	}
	return 0;
}
