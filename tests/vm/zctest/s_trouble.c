/* SPDX-License-Identifier: MIT */
/*
 * s_trouble.c - faults of the NIC, full rings, no buffers, data in the wrong place, no NIC.
 *
 * Theory: whatever the NIC does to frames, queues and buffers, each stream must arrive whole and
 * once.  A fault must have hit, and what it leaves (copied bytes, repeated bytes, the kernel's
 * answers) must be counted where a user looks for it.
 */
#include "zctest.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define AMPLE AREA_AMPLE_BYTES
#define EARLY_BYTES (16 << 10)

struct row {
	const char *fault;
	unsigned every, times;
	enum zt_placement placement;
	unsigned queues;
	bool repeated; /* TCP must have sent something again */
};

static struct zt z;
static struct zt_senders senders;

static void check_streams(void)
{
	for (unsigned i = 0; i < z.wish.streams; i++)
		if (z.stream[i].res || z.stream[i].got != z.wish.bytes)
			fail("stream %u ended with %d after %llu bytes", i, z.stream[i].res,
			     (unsigned long long)z.stream[i].got);
}

/* To the end of all, with proof. */
static void finish(enum zt_placement placement)
{
	zt_until(&z, zt_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	z.took_ms = now_ms() - z.began_ms;
	check_streams();
	zt_until(&z, zt_all_closed, 5000, "all sockets closed");
	zt_release(&z);
	zt_senders_end(&senders);
	zt_say(&z);
	zt_prove((struct zt *[]){ &z }, 1, &senders, placement);
	zt_settled(&z);
	zt_close(&z);
}

static void begin(const struct zt_wish *wish)
{
	zt_need();
	zt_senders_start(&senders, wish);
	zt_open(&z, wish);
	zt_listen(&z);
}

static void run_fault(const struct scenario *self)
{
	const struct row *row = self->arg;
	struct zt_wish wish = { .streams = row->queues > 1 ? 8 : 2,
				.bytes = row->queues > 1 ? 256u << 10 : 1u << 20,
				.rto_ms = 20,
				.lag = 64,
				.engine = { .area_bytes = AMPLE, .queue_count = row->queues } };
	uint64_t hits;

	begin(&wish);
	nic_fault(&z.nic, row->fault, row->every, row->times);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	nic_fault(&z.nic, row->fault, 0, 0);
	hits = nic_fault_hits(&z.nic, row->fault);
	say(" %llu hits,", (unsigned long long)hits);
	if (!hits)
		fail("the fault has not hit");
	finish(row->placement);
	if (row->repeated && !senders.sum.retrans_bytes)
		fail("nothing was repeated");
}

/* The queue does not start: refused with a sentence, and the next try has it. */
static void run_queue_start(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 1u << 20 };
	struct weir_error err = { 0 };
	struct nic nic;
	int r;

	(void)self;
	zt_need();
	nic_open(&nic, RX_NIC);
	nic_fault(&nic, "queue_start", 1, 1);
	r = zt_try_open(&z, &wish, &err);
	if (!r)
		fail("an engine, although the queue does not start");
	say(" refused: \"%s %s: %s (%s)\";", err.stage, err.object, strerror(-err.code), err.hint);
	if (!*err.hint)
		fail("no sentence");
	nic_fault(&nic, "queue_start", 0, 0);
	zt_whole(&z, &wish, ZT_PLACED);
}

/* Every slice is kept until the NIC has none left; then all come back, and the stream goes on. */
static void run_exhaust(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 2u << 20,
				.rto_ms = 20,
				.hold = true,
				.sock.rcvbuf_bytes = 256u << 10,
				.engine = { .pressure = WEIR_PRESSURE_TELL,
					    .hold_max_bytes = UINT64_MAX } };
	struct weir_area_opts o = { .size = sizeof o,
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = 1u << 20 };
	struct weir_error err = { 0 };

	(void)self;
	/* Less than the NIC's ring has entries: the library itself makes none so small. */
	if (weir_area_open(&wish.engine.area, &o, &err))
		fail("no area: %s", err.hint);
	begin(&wish);
	weir_area_close(wish.engine.area);
	zt_senders_go(&senders);
	zt_until(&z, zt_starved, ZT_DEADLINE_MS, "a NIC without buffers");
	say(" starved after %lluK;", (unsigned long long)(z.bytes >> 10));
	zt_release(&z);
	if (z.ifq[0].events && !zt_ifq_sum(&z).no_buffer)
		fail("the kernel told of no lack of buffers");
	finish(ZT_PLACED);
}

/* Rings that are too small for what goes through them. */
static void run_small_cq(const struct scenario *self)
{
	const unsigned *entries = self->arg; /* submission, completion */
	struct zt_wish wish = { .streams = 4,
				.bytes = 256u << 10,
				.lag = 16,
				.engine = { .sq_entries = entries[0], .cq_entries = entries[1] } };

	begin(&wish);
	zt_senders_go(&senders);
	finish(ZT_PLACED);
}

static void run_small_refill(const struct scenario *self)
{
	struct zt_wish wish = { .streams = 4,
				.bytes = 1u << 20,
				.hold = true,
				.engine = { .refill_entries = 64,
					    .area_bytes = AMPLE,
					    .pressure = WEIR_PRESSURE_TELL,
					    .hold_max_bytes = UINT64_MAX } };
	struct weir_ifq_stats q;
	uint64_t stores;

	(void)self;
	begin(&wish);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	stores = zt_ifq_sum(&z).refill_stores;
	if (z.held_count < 1024)
		fail("only %zu slices are kept", z.held_count);
	zt_release(&z); /* more than the ring holds, at once */
	zt_round(&z, 0);
	q = zt_ifq_sum(&z);
	if (z.ifq[0].refill_entries != 64 || !q.refill_full)
		fail("%u entries, full %llu times", z.ifq[0].refill_entries,
		     (unsigned long long)q.refill_full);
	say(" %llu stores for the release;", (unsigned long long)(q.refill_stores - stores));
	finish(ZT_PLACED);
}

/* Data that is in the socket, in kernel pages, before the engine is there. */
static bool has_early(void *arg)
{
	int n = 0;

	return !ioctl(*(int *)arg, SIOCINQ, &n) && n >= EARLY_BYTES;
}

static void run_early(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 2u << 20, .lag = 16 };
	struct sender_options o = { .bytes = wish.bytes, .stream = 0 };
	struct weir_error err = { 0 };
	struct weir_sock *s;
	int listener, fd;

	(void)self;
	zt_need();
	listener = tcp_listen(false, 0);
	senders.count = 1;
	sender_start(&senders.sender[0], &o);
	fd = tcp_accept(listener);
	close(listener);
	sender_go(&senders.sender[0]);
	wait_until(has_early, &fd, 10000, "unread data");
	zt_open(&z, &wish);
	if (weir_adopt(z.e, fd, NULL, NULL, NULL, &s, &err))
		fail("weir_adopt: %s", err.hint);
	zt_add(&z, 0, s);
	finish(ZT_ANY);
}

/* A connection that no rule leads to the queue: everything is copied, and said so. */
static void run_unsteered(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 2u << 20, .lag = 16, .sock.flags = WEIR_SOCK_NO_STEER };

	(void)self;
	begin(&wish);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_accepted, ZT_DEADLINE_MS, "the connection");
	if (z.stream[0].sock)
		say(" \"%s\";", weir_sock_why(z.stream[0].sock));
	finish(ZT_COPIED);
}

/* Without a NIC: the kernel copies all, and the engine says so. */
static void run_nodev(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = 2u << 20, .streams = 4, .lag = 16, .engine.ifname = "" };
	struct weir_error err = { 0 };
	struct weir_probe probe;

	(void)self;
	zt_need();
	if (weir_probe_read(&probe, sizeof probe))
		fail("weir_probe_read");
	zt_senders_start(&senders, &wish);
	if (zt_try_open(&z, &wish, &err)) {
		if (probe.can & WEIR_CAN_ZCRX_NODEV)
			fail("no engine: %s", err.hint);
		skip("this kernel has no zcrx without a NIC: %s", err.hint);
	}
	say(" \"%s\";", weir_engine_why(z.e));
	if (!z.ifqs || !z.ifq[0].no_nic)
		fail("an interface queue with a NIC");
	zt_listen(&z);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	check_streams();
	zt_until(&z, zt_all_closed, 5000, "all sockets closed");
	zt_release(&z);
	zt_senders_end(&senders);
	zt_say(&z);
	if (zt_ifq_sum(&z).copied_known &&
	    zt_ifq_sum(&z).copied_bytes + zt_ifq_sum(&z).read_bytes < z.bytes / 2)
		fail("%llu bytes came without a copy and without a NIC",
		     (unsigned long long)z.bytes);
	zt_settled(&z);
	zt_close(&z);
}

/* What happens to the device while a stream goes on. */
static uint64_t mark;

static bool more(struct zt *at)
{
	return at->bytes >= mark;
}

static void go_on(const char *what)
{
	mark = z.bytes + (1u << 20);
	zt_until(&z, more, ZT_DEADLINE_MS, what);
}

static void run_shaken(const struct scenario *self)
{
	const char *const *commands = self->arg;
	struct zt_wish wish = { .bytes = ZT_ENDLESS,
				.rto_ms = 20,
				.abrupt = true,
				.lag = 32,
				.engine = { .area_bytes = AMPLE, .queue_plus_1 = 3 } };
	unsigned count = 0;

	/* fewer channels than there may be, so that they can be changed without the RSS table */
	must(NULL, "ethtool -L " RX_NIC " combined 6");
	undo(RX_NS, "ethtool -L " RX_NIC " combined 8");
	begin(&wish);
	must(NULL, "busybox sysctl -q -w net.ipv6.conf." RX_NIC ".keep_addr_on_down=1");
	zt_senders_go(&senders);
	go_on("the first megabyte");
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; commands[i]; i++, count++) {
			must(NULL, "%s", commands[i]);
			/* with the link down nothing goes on */
			if (!strstr(commands[i], " down"))
				go_on(commands[i]);
		}
	}
	say(" %u changes,", count);
	zt_senders_kill(&senders);
	zt_until(&z, zt_all_closed, 10000, "the end of the stream");
	zt_release(&z);
	zt_say(&z);
	zt_settled(&z);
	zt_close(&z);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })
#define ENTRIES(sq, cq) ((const unsigned[]){ sq, cq })
#define COMMANDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct scenario scenarios_trouble[] = {
	{ "f_drop", "frames are lost", run_fault,
	  ROW(.fault = "drop", .every = 40, .times = 20, .repeated = true) },
	{ "f_duplicate", "frames come twice", run_fault,
	  ROW(.fault = "duplicate", .every = 10, .times = 100, .placement = ZT_ANY) },
	{ "f_reorder", "frames change places", run_fault,
	  ROW(.fault = "reorder", .every = 20, .times = 40) },
	{ "f_corrupt", "frames are spoiled", run_fault,
	  ROW(.fault = "corrupt", .every = 40, .times = 20, .placement = ZT_ANY) },
	{ "f_split_less", "part of the header lands in the payload buffer", run_fault,
	  ROW(.fault = "split_less", .every = 40, .times = 20, .placement = ZT_ANY,
	      .repeated = true) },
	{ "f_split_more", "part of the payload lands with the headers", run_fault,
	  ROW(.fault = "split_more", .every = 10, .placement = ZT_PARTLY) },
	{ "f_misdirect", "frames go to a queue that is not bound", run_fault,
	  ROW(.fault = "misdirect", .every = 20, .times = 40, .placement = ZT_PARTLY) },
	{ "f_misdirect2", "frames go to each other's queue", run_fault,
	  ROW(.fault = "misdirect", .every = 20, .times = 80, .placement = ZT_ANY, .queues = 3) },
	{ "f_alloc_fail", "the page pool gives nothing", run_fault,
	  ROW(.fault = "alloc_fail", .every = 4, .times = 40) },
	{ "f_no_buffer", "no posted buffer", run_fault,
	  ROW(.fault = "no_buffer", .every = 40, .times = 20) },
	{ "f_delay", "completions are late", run_fault,
	  ROW(.fault = "delay", .every = 10, .times = 100) },
	{ "f_carrier_flap", "the carrier goes and comes", run_fault,
	  ROW(.fault = "carrier_flap", .every = 200, .times = 2, .repeated = true) },
	{ "f_queue_start", "the queue does not start", run_queue_start, NULL },
	{ "exhaust", "all buffers are kept until the NIC has none", run_exhaust, NULL },
	{ "small_cq", "a completion queue of 8", run_small_cq, ENTRIES(4, 8) },
	{ "tiny_cq", "a completion queue of 2", run_small_cq, ENTRIES(1, 2) },
	{ "small_refill", "a refill ring of 64, and more to give back", run_small_refill, NULL },
	{ "early", "data that came before the engine", run_early, NULL },
	{ "unsteered", "a connection without a rule", run_unsteered, NULL },
	{ "nodev", "without a NIC", run_nodev, NULL },
	{ "link", "the link goes down and up under us", run_shaken,
	  COMMANDS("ip link set " RX_NIC " down", "ip link set " RX_NIC " up") },
	{ "resize", "rings and channels change under us", run_shaken,
	  COMMANDS("ethtool -G " RX_NIC " rx 128", "ethtool -G " RX_NIC " rx 512",
		   "ethtool -L " RX_NIC " combined 8", "ethtool -L " RX_NIC " combined 6") },
	{ NULL, NULL, NULL, NULL }
};
