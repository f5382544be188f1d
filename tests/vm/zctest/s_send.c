/* SPDX-License-Identifier: MIT */
/*
 * s_send.c - sends without a copy over the test NIC: content, counts, the choice, faults.
 *
 * Theory: what was sent without a copy is counted three times: by the library, by what the kernel
 * reports, and by the NIC, which counts packets that carry user pages (zc_frames).  All packets of
 * more than one frame are such packets where every send is one without a copy; none is where no
 * send is.
 *
 * The kernel says "copied" of a request, too, whose data went into a packet of the one before it.
 * So reports must be clean only where each send waits for the one before, and with MSG_ZEROCOPY;
 * and the library must not take such reports for a path that copies.
 *
 * Sources: io_uring/notif.c io_link_skb(), io_tx_ubuf_complete() (Linux 7.3); testnic/README.md.
 */
#include "send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUTO_BYTES (96u << 20)
#define AUTO_FLIGHT 128 /* more memory than TCP takes: a program that waits for it gets copies */
#define WIRE_MAX 65536u /* of one packet, before it is cut into frames */

enum proof {
	ALL_ZC,	 /* everything without a copy */
	CLEAN,	 /* ... and the kernel reports no copy */
	LINKED,	 /* part of it, and the kernel reports copies that were none */
	NO_ZC,	 /* nothing */
	MOST_ZC, /* the choice fell on it, and stays */
	ANY,
};

struct row {
	enum proof proof;
	const char *fault;
	unsigned every, times;
	bool acks; /* the fault meets what the reader sends */
	struct zs_wish wish;
};

static struct zs z;

static void tell(void)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(z.e, &s);
	say(" %lluK in %llu requests, %lluK without a copy, %lluK reported as copied, %llu "
	    "refused; %llu packets with user pages, %llu large ones, %llu MB/s",
	    (unsigned long long)(z.sum.tx_bytes >> 10), (unsigned long long)z.sum.tx_requests,
	    (unsigned long long)(z.sum.tx_zc_bytes >> 10),
	    (unsigned long long)(z.sum.tx_zc_copied_bytes >> 10),
	    (unsigned long long)s.tx_zc_refused,
	    (unsigned long long)(z.after.zc_frames - z.before.zc_frames),
	    (unsigned long long)(z.after.tso_frames - z.before.tso_frames),
	    (unsigned long long)(z.sum.tx_bytes / 1000 /
				 (uint64_t)(z.took_ms > 0 ? z.took_ms : 1)));
}

static void check(enum proof proof)
{
	uint64_t zc = z.after.zc_frames - z.before.zc_frames;
	uint64_t large = z.after.tso_frames - z.before.tso_frames;
	bool all = proof == ALL_ZC || proof == CLEAN;

	if (all &&
	    (z.sum.tx_zc_bytes != z.sum.tx_bytes || zc < large || zc * WIRE_MAX < z.sum.tx_bytes))
		fail("not all of it was sent without a copy");
	if (proof == CLEAN && z.sum.tx_zc_copied_bytes)
		fail("the kernel reports copies");
	if (proof == LINKED && (!z.sum.tx_zc_copied_bytes || !zc))
		fail("no two sends went into one packet");
	if (proof == NO_ZC && (zc || z.sum.tx_zc_bytes))
		fail("packets with user pages, and none was wanted");
	if (z.sum.tx_zc_copied_bytes > z.sum.tx_zc_bytes || z.copied > z.sum.tx_bytes)
		fail("more was copied than sent");
	if (z.wish.engine.zerocopy == WEIR_ZEROCOPY_AUTO && strstr(z.stream[0].why, "path copies"))
		fail("the NIC copies nothing, and it is said: \"%s\"", z.stream[0].why);
	if (proof == MOST_ZC && z.sum.tx_zc_bytes < z.sum.tx_bytes / 2)
		fail("the choice did not fall on zero copy: \"%s\"", z.stream[0].why);
	if (proof == MOST_ZC && !strstr(z.stream[0].why, "zero-copy from"))
		fail("sends go without a copy, and it is said: \"%s\"", z.stream[0].why);
}

static void run_row(const struct scenario *self)
{
	const struct row *row = self->arg;
	const struct nic *nic;
	uint64_t hits;

	zs_open(&z, &row->wish);
	nic = row->acks ? &z.peer : &z.nic;
	if (row->fault)
		nic_fault(nic, row->fault, row->every, row->times);
	zs_engine(&z);
	zs_transfer(&z);
	if (row->fault) {
		nic_fault(nic, row->fault, 0, 0);
		hits = nic_fault_hits(nic, row->fault);
		say(" %llu hits;", (unsigned long long)hits);
		if (!hits)
			fail("the fault has not hit");
	}
	tell();
	if (row->wish.engine.zerocopy == WEIR_ZEROCOPY_AUTO)
		say(" \"%s\"", z.stream[0].why);
	check(row->proof);
	zs_close(&z);
}

/* What the kernel's zero-copy sends can do, found out by the library and seen over loopback. */
static void run_forms(const struct scenario *self)
{
	static const struct zs_wish wish = { .local = true,
					     .pieces = true,
					     .random = true,
					     .bytes = 4u << 20,
					     .engine.zerocopy = WEIR_ZEROCOPY_ALWAYS };
	struct weir_engine_stats s;
	struct weir_error err = { 0 };
	bool can;
	int r;

	(void)self;
	zs_open(&z, &wish);
	zs_engine(&z);
	can = strstr(weir_engine_why(z.e), ", SEND_ZC");
	r = weir_engine_send_area(z.e, z.area, &err);
	if (r && r != -ENOTSUP)
		fail("weir_engine_send_area: %s (%s)", strerror(-r), err.hint);
	zs_transfer(&z);
	weir_engine_get_stats(z.e, &s);
	say(" forms:%s%s%s; %llu of %llu requests reported as copied, %llu refused",
	    can ? " SEND_ZC" : "", s.tx_zc_copied ? " REPORT" : "", r ? "" : " FIXED_BUF",
	    (unsigned long long)s.tx_zc_copied, (unsigned long long)s.tx_zc_requests,
	    (unsigned long long)s.tx_zc_refused);
	if (can != (s.tx_zc_requests > 0) || (can && z.sum.tx_zc_bytes != z.sum.tx_bytes))
		fail("what the engine says (\"%s\") is not what it does", weir_engine_why(z.e));
	/* loopback copies everything: a kernel that reports says so of every request */
	if (s.tx_zc_copied && s.tx_zc_copied != s.tx_zc_requests)
		fail("loopback copied %llu of %llu", (unsigned long long)s.tx_zc_copied,
		     (unsigned long long)s.tx_zc_requests);
	zs_close(&z);
}

#define ALWAYS .engine.zerocopy = WEIR_ZEROCOPY_ALWAYS
#define AUTO .engine.zerocopy = WEIR_ZEROCOPY_AUTO
#define EPOLL .engine.plane = WEIR_PLANE_EPOLL
#define ROW(p, ...) (&(const struct row){ .proof = p, .wish = { __VA_ARGS__ } })
#define FAULT(name, n, limit, ...)                                                             \
	(&(const struct row){ .proof = ANY,                                                    \
			      .fault = name,                                                   \
			      .every = n,                                                      \
			      .times = limit,                                                  \
			      .wish = { ALWAYS, .rto_ms = 20, .streams = 4, .bytes = 1u << 20, \
					.random = true, .flight = 16, .chunk = 40000,          \
					__VA_ARGS__ } })

const struct scenario scenarios_send[] = {
	{ "zs_forms", "what the kernel's zero-copy sends can do", run_forms, NULL },
	{ "zs_serial", "one send at a time: the kernel reports no copy", run_row,
	  ROW(CLEAN, ALWAYS, .flight = 1) },
	{ "zs_one", "one stream in generations, registered memory", run_row,
	  ROW(ALL_ZC, ALWAYS, .bytes = 16u << 20, .flight = 16, .ctx = true, .registered = true) },
	{ "zs_many", "64 streams, a context each", run_row,
	  ROW(ALL_ZC, ALWAYS, .streams = 64, .bytes = 256u << 10, .chunk = 32u << 10, .flight = 4,
	      .ctx = true) },
	{ "zs_random", "sends of any size and several pieces", run_row,
	  ROW(ALL_ZC, ALWAYS, .streams = 8, .bytes = 1u << 20, .chunk = 100000, .random = true,
	      .pieces = true, .registered = true) },
	{ "zs_small", "many small sends, several in a packet", run_row,
	  ROW(ALL_ZC, ALWAYS, .streams = 4, .bytes = 512u << 10, .chunk = 3000, .random = true,
	      .flight = 64) },
	{ "zs_linked", "small sends that TCP puts into one packet", run_row,
	  ROW(LINKED, ALWAYS, .streams = 4, .bytes = 128u << 10, .chunk = 200, .random = true,
	      .flight = ZS_FLIGHT_MAX, .shared = true) },
	{ "zs_ip6", "over IPv6", run_row, ROW(ALL_ZC, ALWAYS, .ip6 = true, .registered = true) },
	{ "zs_epoll", "MSG_ZEROCOPY: the kernel reports no copy", run_row,
	  ROW(CLEAN, ALWAYS, EPOLL, .bytes = 8u << 20, .ctx = true) },
	{ "zs_epoll_many", "the same, 64 streams", run_row,
	  ROW(CLEAN, ALWAYS, EPOLL, .streams = 64, .bytes = 256u << 10, .flight = 4) },
	{ "zs_never", "without zero copy the NIC sees no user pages", run_row,
	  ROW(NO_ZC, .engine.zerocopy = WEIR_ZEROCOPY_NEVER) },
	{ "zs_auto", "large sends: the choice falls on zero copy, and stays", run_row,
	  ROW(MOST_ZC, AUTO, .bytes = AUTO_BYTES, .chunk = 64u << 10, .flight = AUTO_FLIGHT,
	      .ctx = true, .registered = true) },
	{ "zs_auto_many", "64 streams, of which none lasts long", run_row,
	  ROW(ANY, AUTO, .streams = 64, .bytes = AUTO_BYTES / 64, .chunk = 64u << 10, .ctx = true,
	      .registered = true) },
	{ "zs_auto_linked", "reports of packets that are shared are no reports of a copy", run_row,
	  ROW(ANY, AUTO, .bytes = 4u << 20, .chunk = 4000, .random = true, .flight = 32,
	      .shared = true) },
	{ "zs_auto_mixed", "sends of any size", run_row,
	  ROW(ANY, AUTO, .bytes = AUTO_BYTES / 4, .chunk = 200000, .random = true, .flight = 16) },
	{ "zs_drop", "frames are lost, and sent again from the same memory", run_row,
	  FAULT("drop", 30, 60, .ctx = true, .registered = true) },
	{ "zs_drop_epoll", "the same with MSG_ZEROCOPY", run_row, FAULT("drop", 30, 60, EPOLL) },
	{ "zs_acks", "acknowledgements are lost", run_row,
	  (&(const struct row){ .proof = ALL_ZC,
				.fault = "drop",
				.every = 4,
				.acks = true,
				.wish = { ALWAYS, .rto_ms = 20, .streams = 4, .bytes = 1u << 20,
					  .ctx = true } }) },
	{ "zs_reorder", "frames change places", run_row, FAULT("reorder", 20, 100, .ctx = true) },
	{ "zs_duplicate", "frames come twice", run_row, FAULT("duplicate", 10, 100, .ctx = true) },
	{ "zs_corrupt", "frames are spoiled", run_row, FAULT("corrupt", 40, 40, .ctx = true) },
	{ "zs_delay", "completions are late", run_row, FAULT("delay", 10, 100, .ctx = true) },
	{ "zs_carrier", "the carrier goes and comes", run_row,
	  FAULT("carrier_flap", 200, 2, .ctx = true) },
	{ NULL, NULL, NULL, NULL }
};
