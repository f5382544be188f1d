/* SPDX-License-Identifier: MIT */
/*
 * prove.c - where the bytes went, by three counts that do not know of each other.
 *
 * Theory: the library counts what its completions say (struct weir_ifq_stats), the kernel counts
 * what it copied (copied_bytes), and the test NIC counts every byte that it wrote into a provider's
 * memory and into the kernel's.  With every byte placed, the NIC wrote at least what was received
 * and at most that and what TCP repeated into the area; into kernel pages went headers only; the
 * kernel copied nothing; and the library saw each byte once, in completions.
 */
#include "zctest.h"

#include <stdio.h>
#include <string.h>

#define HEADER_MAX 128u

void zt_counts(struct zt *z, struct nic_counts *ret)
{
	memset(ret, 0, sizeof *ret);
	for (unsigned i = 0; i < z->ifqs; i++) {
		struct nic_counts c;

		nic_counts(&z->nic, z->ifq[i].queue, &c);
		ret->packets += c.packets;
		ret->provider += c.provider;
		ret->kernel += c.kernel;
		ret->head += c.head;
		ret->no_buffer += c.no_buffer;
		ret->alloc_fail += c.alloc_fail;
		ret->restarts += c.restarts;
		ret->split += c.split;
	}
}

bool zt_starved(struct zt *z)
{
	struct nic_counts c;

	zt_counts(z, &c);
	return c.no_buffer != z->before.no_buffer;
}

struct weir_ifq_stats zt_ifq_sum(struct zt *z)
{
	struct weir_ifq_stats sum = { .copied_known = true }, s;

	for (unsigned i = 0; i < z->ifqs; i++) {
		if (weir_engine_ifq_stats(z->e, i, &s))
			fail("queue %u of %u has no counters", i, z->ifqs);
		sum.bytes += s.bytes;
		sum.completions += s.completions;
		sum.copied_bytes += s.copied_bytes;
		sum.copied_fragments += s.copied_fragments;
		sum.read_bytes += s.read_bytes;
		sum.refills += s.refills;
		sum.refill_stores += s.refill_stores;
		sum.refill_full += s.refill_full;
		sum.flushes += s.flushes;
		sum.no_buffer += s.no_buffer;
		sum.copy_no_buffer += s.copy_no_buffer;
		sum.cq_full += s.cq_full;
		sum.rearmed += s.rearmed;
		sum.bad_completions += s.bad_completions;
		sum.copied_known &= s.copied_known;
	}
	return sum;
}

struct proof {
	uint64_t total, ours, engine, copied, read, provider, kernel, packets, bad;
	bool copied_known;
};

static void collect(struct proof *p, struct zt *z)
{
	struct weir_ifq_stats q = zt_ifq_sum(z);
	struct weir_engine_stats s;

	weir_engine_get_stats(z->e, &s);
	zt_counts(z, &z->after);
	p->ours += q.bytes;
	p->engine += s.rx_bytes;
	p->copied += q.copied_bytes;
	p->read += q.read_bytes;
	p->bad += q.bad_completions;
	p->copied_known &= q.copied_known;
	p->provider += z->after.provider - z->before.provider;
	p->kernel += z->after.kernel - z->before.kernel;
	p->packets += z->after.packets - z->before.packets;
}

static bool is_wrong(const struct proof *p, uint64_t repeated, enum zt_placement placement)
{
	uint64_t not_placed = p->copied + p->read;

	if (p->engine != p->total || p->bad)
		return true;
	switch (placement) {
	case ZT_PLACED:
		return p->ours != p->total || not_placed || p->provider < p->total ||
		       p->provider > p->total + repeated || p->kernel > p->packets * HEADER_MAX;
	case ZT_PARTLY:
		return !p->provider || p->provider >= p->total + repeated ||
		       (p->copied_known && !not_placed);
	case ZT_COPIED:
		return p->provider || (p->copied_known && not_placed < p->total / 2);
	default:
		return false;
	}
}

void zt_prove(struct zt *const *all, unsigned count, const struct zt_senders *s,
	      enum zt_placement placement)
{
	struct proof p = { .copied_known = true };

	for (unsigned i = 0; i < count; i++) {
		p.total += all[i]->bytes;
		collect(&p, all[i]);
	}
	if (p.total != s->sum.sent)
		fail("%llu bytes sent, %llu received", (unsigned long long)s->sum.sent,
		     (unsigned long long)p.total);
	if (zt_plane() == WEIR_PLANE_ZCRX && is_wrong(&p, s->sum.retrans_bytes, placement))
		fail("placement: %llu received, %llu repeated; completions say %llu, the engine "
		     "%llu; the kernel copied %llu%s, the library read %llu; the NIC wrote %llu to "
		     "the area, %llu to the kernel in %llu frames; %llu bad completions",
		     (unsigned long long)p.total, (unsigned long long)s->sum.retrans_bytes,
		     (unsigned long long)p.ours, (unsigned long long)p.engine,
		     (unsigned long long)p.copied, p.copied_known ? "" : " (not counted)",
		     (unsigned long long)p.read, (unsigned long long)p.provider,
		     (unsigned long long)p.kernel, (unsigned long long)p.packets,
		     (unsigned long long)p.bad);
}

void zt_say(struct zt *z)
{
	struct weir_ifq_stats q = zt_ifq_sum(z);
	uint64_t ms = (uint64_t)(z->took_ms > 0 ? z->took_ms : 1);

	say(" %lluK in %llu slices, %llu MB/s, %llu refills in %llu stores",
	    (unsigned long long)(z->bytes >> 10), (unsigned long long)z->slices,
	    (unsigned long long)(z->bytes / 1000 / ms), (unsigned long long)q.refills,
	    (unsigned long long)q.refill_stores);
	if (q.copied_bytes || q.read_bytes)
		say(", %lluK copied, %lluK read", (unsigned long long)(q.copied_bytes >> 10),
		    (unsigned long long)(q.read_bytes >> 10));
	if (q.refill_full || q.flushes)
		say(", refill ring full %llu times, %llu flushes",
		    (unsigned long long)q.refill_full, (unsigned long long)q.flushes);
	if (q.cq_full || q.copy_no_buffer || q.no_buffer || q.rearmed)
		say(", CQ full %llu, no buffer to copy to %llu, none for the NIC %llu, rearmed "
		    "%llu",
		    (unsigned long long)q.cq_full, (unsigned long long)q.copy_no_buffer,
		    (unsigned long long)q.no_buffer, (unsigned long long)q.rearmed);
	if (z->spilled)
		say(", %lluK spilled", (unsigned long long)(z->spilled >> 10));
}

void zt_whole(struct zt *z, const struct zt_wish *wish, enum zt_placement placement)
{
	struct zt_senders s = { 0 };

	zt_senders_start(&s, wish);
	zt_open(z, wish);
	if (wish->connects) {
		zt_connect(z);
		zt_senders_go(&s);
	} else {
		zt_listen(z);
		zt_senders_go(&s);
	}
	zt_until(z, zt_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	z->took_ms = now_ms() - z->began_ms;
	for (unsigned i = 0; i < z->wish.streams; i++)
		if (z->stream[i].res || z->stream[i].got != z->wish.bytes)
			fail("stream %u ended with %d after %llu bytes of %llu", i,
			     z->stream[i].res, (unsigned long long)z->stream[i].got,
			     (unsigned long long)z->wish.bytes);
	zt_until(z, zt_all_closed, 5000, "all sockets closed");
	zt_release(z);
	zt_senders_end(&s);
	zt_say(z);
	zt_prove(&z, 1, &s, placement);
	zt_settled(z);
	zt_close(z);
}
