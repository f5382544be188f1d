/* SPDX-License-Identifier: MIT */
/*
 * s_hold.c - a reader that keeps its slices, and what the engine does for the others.
 *
 * Theory: of several streams on one queue, the first one's slices are kept.  Beyond its budget the
 * policy takes hold: it is stopped, or copied out of the area, or only told of; the other streams
 * must come to their end meanwhile, by zero copy.  When the slices are released the first stream
 * goes on and must be whole.
 *
 * That a stream is stopped is seen where something is left to be read: unread bytes lie in its
 * socket, and rounds of the engine bring none of them.  Beyond its budget comes what was on its way
 * at that moment: the rest of one request, which asks for 1 MiB at most, and what the next one
 * brings before it is cancelled, 20 packets of up to 17 pieces.
 */
#include "zctest.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#define BUDGET (1u << 20)
#define RCVBUF (256u << 10)
#define ON_ITS_WAY ((1u << 20) + (512u << 10))
#define STOPPED_ROUNDS 10
#define ROUND_MS 20
#define STREAMS 4

static struct zt z;
static struct zt_senders senders;

static bool others_ended(struct zt *at)
{
	for (unsigned i = 1; i < at->wish.streams; i++)
		if (!at->stream[i].ended)
			return false;
	return true;
}

static bool first_ended(struct zt *at)
{
	return at->stream[0].ended;
}

static bool pressed(struct zt *at)
{
	return at->pressed > 0;
}

static int unread(void)
{
	int n = 0;

	if (!z.stream[0].sock)
		fail("it was not stopped: the whole stream came");
	if (ioctl(weir_sock_fd(z.stream[0].sock), SIOCINQ, &n))
		fail("SIOCINQ");
	return n;
}

/* Unread bytes, and in a whole round none of them was read and none came. */
static bool at_rest(struct zt *at)
{
	uint64_t got = at->stream[0].got;
	int left = unread();

	zt_round(at, ROUND_MS);
	return left && left == unread() && got == at->stream[0].got;
}

static void check_stopped(void)
{
	uint64_t got;

	zt_until(&z, at_rest, ZT_DEADLINE_MS, "unread bytes of the slow one");
	got = z.stream[0].got;
	for (unsigned i = 0; i < STOPPED_ROUNDS; i++)
		zt_round(&z, ROUND_MS);
	say(" %dK unread,", unread() >> 10);
	if (z.stream[0].got != got || !unread())
		fail("it was not stopped: %llu bytes, then %llu, %d unread",
		     (unsigned long long)got, (unsigned long long)z.stream[0].got, unread());
	if (got > BUDGET / 2 + ON_ITS_WAY) /* a page of the budget brings no more than half */
		fail("it was stopped late: %llu bytes", (unsigned long long)got);
}

static void run_policy(const struct scenario *self)
{
	enum weir_pressure policy = *(const enum weir_pressure *)self->arg;
	struct zt_wish wish = {
		.streams = STREAMS,
		.bytes = policy == WEIR_PRESSURE_STOP ? 8u << 20 : 3u << 20,
		.hold = true,
		.hold_only_plus_1 = 1,
		.sock.rcvbuf_bytes = RCVBUF,
		.engine = { .area_bytes = 24u << 20, .pressure = policy, .hold_max_bytes = BUDGET }
	};
	struct weir_engine_stats s;

	zt_need();
	zt_senders_start(&senders, &wish);
	zt_open(&z, &wish);
	zt_listen(&z);
	zt_senders_go(&senders);
	zt_until(&z, others_ended, ZT_DEADLINE_MS, "the end of the other streams");
	zt_until(&z, pressed, ZT_DEADLINE_MS, "the event of the slow one");
	if (policy != WEIR_PRESSURE_STOP)
		zt_until(&z, first_ended, ZT_DEADLINE_MS, "the end of the slow one");
	weir_engine_get_stats(z.e, &s);
	say(" slow one at %lluK, %llu buffers held, %lluK spilled;",
	    (unsigned long long)(z.stream[0].got >> 10), (unsigned long long)s.buffers_held,
	    (unsigned long long)(z.spilled >> 10));
	if (policy == WEIR_PRESSURE_STOP)
		check_stopped();
	if ((policy == WEIR_PRESSURE_COPY) != (z.spilled > 0) || s.spilled_bytes != z.spilled)
		fail("%llu bytes spilled, the engine says %llu", (unsigned long long)z.spilled,
		     (unsigned long long)s.spilled_bytes);
	if (!s.pressures)
		fail("the engine counted no pressure");
	zt_release(&z);
	zt_until(&z, zt_all_closed, ZT_DEADLINE_MS, "the end of all streams");
	if (policy == WEIR_PRESSURE_STOP && !z.relieved)
		fail("no event for its end");
	for (unsigned i = 0; i < STREAMS; i++)
		if (z.stream[i].res || z.stream[i].got != wish.bytes)
			fail("stream %u ended with %d after %llu bytes", i, z.stream[i].res,
			     (unsigned long long)z.stream[i].got);
	z.took_ms = now_ms() - z.began_ms;
	zt_release(&z);
	zt_senders_end(&senders);
	zt_say(&z);
	zt_prove((struct zt *[]){ &z }, 1, &senders, ZT_PLACED);
	zt_settled(&z);
	zt_close(&z);
}

#define POLICY(p) (&(const enum weir_pressure){ p })

const struct scenario scenarios_hold[] = {
	{ "press_stop", "a slow reader is stopped", run_policy, POLICY(WEIR_PRESSURE_STOP) },
	{ "press_copy", "a slow reader is copied out of the area", run_policy,
	  POLICY(WEIR_PRESSURE_COPY) },
	{ "press_tell", "a slow reader is told of", run_policy, POLICY(WEIR_PRESSURE_TELL) },
	{ NULL, NULL, NULL, NULL }
};
