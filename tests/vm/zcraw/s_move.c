/* SPDX-License-Identifier: MIT */
/*
 * s_move.c - scenarios that move streams: kinds of memory, sizes, completions, sockets, addresses.
 *
 * Theory: a row says how the queue is registered and what is sent; move.c does the rest, verifies
 * every byte and proves the placement.  VLAN and RSS context need a device or a context first.
 */
#include "zcraw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 25000
#define SMALL_RQ 64u
#define VLAN "7"
#define VLAN_RX4 "10.78.0.1"
#define VLAN_RX6 "fd78::1"

struct row {
	struct rx_options rx;
	unsigned streams;
	bool ip6;
	uint64_t bytes;
	const char *vlan_addr; /* NULL: untagged */
};

static struct move *move_of(const struct row *row)
{
	static struct move m;

	memset(&m, 0, sizeof m);
	m.rx = row->rx;
	m.rx.queue = 1;
	m.streams = row->streams;
	m.ip6 = row->ip6;
	m.bytes = row->bytes ? row->bytes : 4u << 20;
	m.addr = row->vlan_addr;
	return &m;
}

static void run_open(struct move *m)
{
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

static void run_row(const struct scenario *self)
{
	struct move *m = move_of(self->arg);

	move_open(m);
	run_open(m);
	if (m->rx.ring_flags == ZR_SETUP_CQE_MIXED && m->state.big != m->state.completions)
		fail("%llu of %llu completions say that they have 32 bytes",
		     (unsigned long long)m->state.big, (unsigned long long)m->state.completions);
	if (!m->rx.want_filler)
		return;
	say(", %llu fillers", (unsigned long long)m->state.fillers);
	if (!m->state.fillers)
		fail("the end of the ring was never filled");
}

/* Many times what the refill ring takes is given back at once: it is full, and must be flushed. */
static void run_small_rq(const struct scenario *self)
{
	struct move *m = move_of(self->arg);
	long end = now_ms() + DEADLINE_MS;
	struct rx *rx = &m->state;

	move_open(m);
	if (rx->ifq.entries != SMALL_RQ)
		fail("%u entries asked for, %u given", SMALL_RQ, rx->ifq.entries);
	rx->hold = true;
	move_connect(m);
	move_attach(m);
	move_go(m);
	while (rx->held_count < 8 * SMALL_RQ) {
		if (now_ms() > end)
			fail("only %zu slices in %d ms", rx->held_count, DEADLINE_MS);
		rx_step(rx, 100);
	}
	rx->hold = false;
	if (rx->ifq.flushes)
		fail("a refill ring that nothing was put into was full");
	rx_release(rx);
	say(" %llu flushes,", (unsigned long long)rx->ifq.flushes);
	if (!rx->ifq.flushes)
		fail("%u slices and more fit into %u entries", 8 * SMALL_RQ, SMALL_RQ);
	move_finish(m, DEADLINE_MS, PLACED);
}

static void vlan_device(const char *ns, const char *parent, unsigned host)
{
	char line[128], out[256];

	snprintf(line, sizeof line, "ip link add link %s name %s.%s type vlan id %s", parent,
		 parent, VLAN, VLAN);
	if (command(ns, line, out, sizeof out))
		skip("this kernel makes no VLAN device: %s", out);
	undo(ns, "ip link del %s.%s", parent, VLAN);
	must(ns, "ip addr add 10.78.0.%u/24 dev %s.%s", host, parent, VLAN);
	must(ns, "ip addr add fd78::%u/64 dev %s.%s nodad", host, parent, VLAN);
	must(ns, "ip link set %s.%s up", parent, VLAN);
}

static void run_vlan(const struct scenario *self)
{
	struct move *m = move_of(self->arg);

	ifq_need();
	vlan_device(RX_NS, RX_NIC, 1);
	vlan_device(TX_NS, TX_NIC, 2);
	move_open(m);
	run_open(m);
}

static void run_rss(const struct scenario *self)
{
	struct move *m = move_of(self->arg);
	char out[256], target[32];
	const char *at;
	unsigned context;

	ifq_need();
	nic_open(&m->nic, RX_NIC);
	if (command(NULL, "ethtool -X " RX_NIC " context new start 2 equal 1", out, sizeof out))
		fail("a new RSS context: %s", out);
	at = strstr(out, "context is ");
	if (!at)
		fail("ethtool names no RSS context: %s", out);
	context = (unsigned)strtoul(at + strlen("context is "), NULL, 10);
	undo(RX_NS, "ethtool -X " RX_NIC " context %u delete", context);
	snprintf(target, sizeof target, "context %u", context);
	m->target = target;
	m->rx.queue = 2;
	move_open(m);
	run_open(m);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })

const struct scenario scenarios_move[] = {
	{ "host", "area of ordinary pages", run_row, ROW(.rx.lag = 64) },
	{ "huge", "area of huge pages", run_row, ROW(.rx = { .area = AREA_HUGE, .lag = 64 }) },
	{ "dmabuf", "area that is a dma-buf", run_row,
	  ROW(.rx = { .area = AREA_DMABUF, .lag = 64 }) },
	{ "buf64k", "huge pages, buffers of 64 KiB", run_row,
	  ROW(.rx = { .area = AREA_HUGE,
		      .area_bytes = 32u << 20,
		      .buf_bytes = 64u << 10,
		      .lag = 8 }) },
	{ "buf2m", "huge pages, buffers of 2 MiB", run_row,
	  ROW(.bytes = 8u << 20,
	      .rx = { .area = AREA_HUGE, .area_bytes = 64u << 20, .buf_bytes = 2u << 20 }) },
	{ "mixed", "completions of mixed size", run_row,
	  ROW(.rx = { .ring_flags = ZR_SETUP_CQE_MIXED, .lag = 16 }) },
	{ "mixed_wrap", "completions of mixed size, small ring, its end filled", run_row,
	  ROW(.rx = { .ring_flags = ZR_SETUP_CQE_MIXED, .cq_entries = 64, .want_filler = true }) },
	{ "mixed_dmabuf", "the same, with a dma-buf", run_row,
	  ROW(.rx = { .ring_flags = ZR_SETUP_CQE_MIXED, .area = AREA_DMABUF }) },
	{ "ipv6", "data over IPv6", run_row, ROW(.ip6 = true, .rx.lag = 64) },
	{ "ipv6_dmabuf", "data over IPv6 into a dma-buf", run_row,
	  ROW(.ip6 = true, .rx = { .area = AREA_DMABUF, .ring_flags = ZR_SETUP_CQE_MIXED }) },
	{ "sockets16", "16 sockets on one queue", run_row,
	  ROW(.streams = 16, .bytes = 256u << 10, .rx = { .area_bytes = 32u << 20, .lag = 32 }) },
	{ "sockets16_mixed", "16 sockets over IPv6, mixed completions", run_row,
	  ROW(.streams = 16, .ip6 = true, .bytes = 256u << 10,
	      .rx = { .ring_flags = ZR_SETUP_CQE_MIXED, .area_bytes = 32u << 20 }) },
	{ "small_rq", "a refill ring of 64 entries, and more to give back", run_small_rq,
	  ROW(.rx.rq_entries = SMALL_RQ) },
	{ "vlan4", "IPv4 data with a VLAN tag", run_vlan,
	  ROW(.vlan_addr = VLAN_RX4, .bytes = 2u << 20) },
	{ "vlan6", "IPv6 data with a VLAN tag", run_vlan,
	  ROW(.vlan_addr = VLAN_RX6, .ip6 = true, .bytes = 2u << 20) },
	{ "rss_context", "a rule that leads to an RSS context", run_rss, ROW(.bytes = 2u << 20) },
	{ NULL, NULL, NULL, NULL }
};
