/* SPDX-License-Identifier: MIT */
/*
 * s_fault.c - every fault of the test NIC, under zero-copy receive.
 *
 * Theory: the fault is switched on when the streams are connected and before the first byte.  It
 * must have hit; the stream must arrive whole; and its trace must be where it belongs: frames that
 * were lost or spoiled are repeated, payload that the split left in the headers or that went to
 * another queue is copied, a frame that was overtaken makes TCP queue the one that came too soon,
 * a carrier that was lost is counted with the link, and a queue that does not start is refused and
 * then starts.  Of delay it is only known that it hit: nic_faults.sh looks at what it does.
 */
#include "zcraw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define EARLY 2 /* of so many frames that are overtaken, one is so by one of its own stream */

enum trace {
	TRACE_NONE,
	TRACE_TWICE,	/* more was written than sent */
	TRACE_REPEATED, /* TCP sent something again */
	TRACE_COPIED,	/* some payload went elsewhere */
	TRACE_NO_BUFFER,
	TRACE_ALLOC_FAIL,
	TRACE_EARLY,   /* TCP got something before what belongs in front of it */
	TRACE_CARRIER, /* the carrier went and came as often as the fault has hit */
};

struct row {
	const char *fault;
	unsigned every, times;
	enum trace trace;
	unsigned delay_us;
};

static struct move move = { .rx.queue = 1 };

/* What the kernel counts of the receiver's namespace and device. */
struct traces {
	uint64_t early; /* TcpExtTCPOFOQueue */
	uint64_t carrier_changes;
};

static void traces_take(const struct move *m, struct traces *ret)
{
	ret->early = tcp_stat("TCPOFOQueue");
	ret->carrier_changes = nic_carrier_changes(&m->nic);
}

struct flaps {
	const struct nic *nic;
	uint64_t before, changes;
};

static bool come_back(void *arg)
{
	struct flaps *f = arg;

	f->changes = nic_carrier_changes(f->nic) - f->before;
	return f->changes && f->changes % 2 == 0;
}

/*
 * The last flap may have hit the last frame, and then ends after the stream.  Two hits at the same
 * moment, by senders on two CPUs, are one flap.
 */
static void check_carrier(const struct move *m, uint64_t before, uint64_t hits)
{
	struct flaps f = { &m->nic, before, 0 };

	wait_until(come_back, &f, WAIT_MS, "a carrier that has gone and come back");
	say(", %llu changes of the carrier", (unsigned long long)f.changes);
	if (f.changes > 2 * hits)
		fail("the carrier changed %llu times, with %llu hits",
		     (unsigned long long)f.changes, (unsigned long long)hits);
	if (!m->sum.retrans_bytes)
		fail("nothing was lost with the carrier");
}

/* Nothing was lost, so that only another order makes TCP queue what it cannot deliver yet. */
static void check_early(const struct move *m, uint64_t early, uint64_t hits)
{
	say(", %llu too early", (unsigned long long)early);
	if (m->after.no_buffer != m->before.no_buffer)
		fail("%llu frames were dropped for want of a buffer",
		     (unsigned long long)(m->after.no_buffer - m->before.no_buffer));
	if (early < (hits + EARLY - 1) / EARLY || early > hits)
		fail("TCP queued %llu segments that came early, of %llu frames that came late",
		     (unsigned long long)early, (unsigned long long)hits);
}

/* @copied: bytes that the kernel copied, or -1 where it does not count them. */
static void check_trace(const struct move *m, const struct row *row, int64_t copied)
{
	uint64_t provider = m->after.provider - m->before.provider;
	uint64_t total = m->bytes * m->streams;
	bool wrong = false;

	if (row->trace == TRACE_COPIED)
		wrong = provider >= total + m->sum.retrans_bytes || !copied;
	else if (row->trace != TRACE_NONE)
		wrong = provider < total + (row->trace == TRACE_TWICE) || copied > 0;
	if (wrong)
		fail("%llu bytes sent, %llu repeated, %llu written, %lld copied",
		     (unsigned long long)total, (unsigned long long)m->sum.retrans_bytes,
		     (unsigned long long)provider, (long long)copied);
	if (row->trace == TRACE_REPEATED && !m->sum.retrans_bytes)
		fail("nothing was repeated");
	if (row->trace == TRACE_NO_BUFFER && m->after.no_buffer == m->before.no_buffer)
		fail("no frame was dropped for want of a buffer");
	if (row->trace == TRACE_ALLOC_FAIL && m->after.alloc_fail == m->before.alloc_fail)
		fail("no allocation failed");
}

/* Frames that come whole, in time or not, are placed as ever; check_trace() judges the others. */
static enum placement placement_of(const struct row *row)
{
	bool whole = row->trace == TRACE_NONE || row->trace == TRACE_EARLY ||
		     row->trace == TRACE_CARRIER;

	return whole ? PLACED : PLACED_ANY;
}

static void run_row(const struct scenario *self)
{
	const struct row *row = self->arg;
	struct move *m = &move;
	char path[192], text[32];
	struct traces before, after;
	int64_t copied;
	uint64_t hits;

	m->bytes = 1u << 20;
	m->streams = 2;
	m->rto_ms = 20;
	m->rx.lag = 64;
	m->rx.area_bytes = AREA_AMPLE_BYTES;
	move_open(m);
	move_connect(m);
	move_attach(m);
	if (row->delay_us) {
		snprintf(path, sizeof path, "%s/fault/delay_us", m->nic.dir);
		snprintf(text, sizeof text, "%u", row->delay_us);
		if (file_write(path, text))
			fail("%s cannot be written", path);
	}
	traces_take(m, &before);
	nic_fault(&m->nic, row->fault, row->every, row->times);
	move_go(m);
	rx_run(&m->state, DEADLINE_MS);
	nic_fault(&m->nic, row->fault, 0, 0);
	hits = nic_fault_hits(&m->nic, row->fault);
	say(" %llu hits,", (unsigned long long)hits);
	if (!hits)
		fail("the fault has not hit in %llu bytes", (unsigned long long)m->state.bytes);
	traces_take(m, &after);
	copied = m->state.ifq.stats ? (int64_t)rx_copied(&m->state) : -1;
	move_finish(m, DEADLINE_MS, placement_of(row));
	check_trace(m, row, copied);
	if (row->trace == TRACE_EARLY)
		check_early(m, after.early - before.early, hits);
	if (row->trace == TRACE_CARRIER)
		check_carrier(m, before.carrier_changes, hits);
}

static void run_queue_start(const struct scenario *self)
{
	static struct rx rx;
	struct move *m = &move;
	int err;

	(void)self;
	m->bytes = 1u << 20;
	move_prepare(m);
	nic_fault(&m->nic, "queue_start", 1, 1);
	err = rx_try_open(&rx, &m->nic, &m->rx);
	if (!err)
		fail("registered, although the queue does not start");
	if (nic_fault_hits(&m->nic, "queue_start") != 1)
		fail("%llu hits", (unsigned long long)nic_fault_hits(&m->nic, "queue_start"));
	say(" refused: %s;", strerror(-err));
	nic_fault(&m->nic, "queue_start", 0, 0);
	/* the queue works as a plain one, as it did before */
	move_connect(m);
	move_go(m);
	if (tcp_drain(m->fd[0], 0, 0, DEADLINE_MS) != m->bytes)
		fail("the stream over the plain queue is short");
	close(m->fd[0]);
	sender_end(&m->sender[0], &m->sum);
	rx_open(&m->state, &m->nic, &m->rx);
	memset(&m->sum, 0, sizeof m->sum);
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })

const struct scenario scenarios_fault[] = {
	{ "f_drop", "frames are lost", run_row,
	  ROW(.fault = "drop", .every = 40, .times = 20, .trace = TRACE_REPEATED) },
	{ "f_duplicate", "frames come twice", run_row,
	  ROW(.fault = "duplicate", .every = 10, .times = 100, .trace = TRACE_TWICE) },
	{ "f_reorder", "frames change places", run_row,
	  ROW(.fault = "reorder", .every = 20, .times = 40, .trace = TRACE_EARLY) },
	{ "f_corrupt", "frames are spoiled", run_row,
	  ROW(.fault = "corrupt", .every = 40, .times = 20, .trace = TRACE_REPEATED) },
	{ "f_split_less", "part of the header lands in the payload buffer", run_row,
	  ROW(.fault = "split_less", .every = 40, .times = 20, .trace = TRACE_REPEATED) },
	{ "f_split_more", "part of the payload lands with the headers", run_row,
	  ROW(.fault = "split_more", .every = 10, .times = 0, .trace = TRACE_COPIED) },
	{ "f_misdirect", "frames go to another queue", run_row,
	  ROW(.fault = "misdirect", .every = 20, .times = 40, .trace = TRACE_COPIED) },
	{ "f_alloc_fail", "the page pool gives nothing", run_row,
	  ROW(.fault = "alloc_fail", .every = 4, .times = 40, .trace = TRACE_ALLOC_FAIL) },
	{ "f_no_buffer", "no posted buffer", run_row,
	  ROW(.fault = "no_buffer", .every = 40, .times = 20, .trace = TRACE_NO_BUFFER) },
	{ "f_delay", "completions are late", run_row,
	  ROW(.fault = "delay", .every = 10, .times = 100, .delay_us = 2000) },
	{ "f_carrier_flap", "the carrier goes and comes", run_row,
	  ROW(.fault = "carrier_flap", .every = 200, .times = 2, .trace = TRACE_CARRIER) },
	{ "f_queue_start", "the queue does not start", run_queue_start, NULL },
	{ NULL, NULL, NULL, NULL }
};
