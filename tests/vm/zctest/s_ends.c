/* SPDX-License-Identifier: MIT */
/*
 * s_ends.c - ends of sockets, engines, processes and the device, with data and slices about.
 *
 * Theory: whatever ends, ends in the middle of a stream with buffers at the application, in
 * sockets and in the NIC's ring.  Afterwards the queue can be bound again at once, which a whole
 * stream proves, and the ledger of what lives on must balance.
 */
#include "zctest.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CYCLE_BYTES (24u << 10)
#define LOT 25 /* connections of a cycle */
#define CHUNK (8u << 10)
#define UNREAD_BYTES (2u << 20)
#define RESET_ROUNDS 4
#define RESET_STREAMS 4

static struct zt z;
static struct zt_senders senders;

static unsigned times(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned)atoi(text) : otherwise;
}

static uint64_t mark;

static bool more(struct zt *at)
{
	return at->bytes >= mark;
}

/* An endless stream, of which some was received. */
static void begin_endless(const struct zt_wish *extra, uint64_t bytes)
{
	struct zt_wish wish = *extra;

	wish.bytes = ZT_ENDLESS;
	wish.abrupt = true;
	zt_senders_start(&senders, &wish);
	zt_open(&z, &wish);
	zt_listen(&z);
	zt_senders_go(&senders);
	mark = bytes;
	zt_until(&z, more, ZT_DEADLINE_MS, "some of the stream");
}

/* A whole stream over a queue that is bound anew. */
static void whole_stream(void)
{
	static struct zt fresh;

	zt_whole(&fresh, &(struct zt_wish){ .bytes = 1u << 20, .lag = 16 }, ZT_PLACED);
}

/* Slices of a socket that is closed stay valid, and go back when they are released. */
static void run_close_held(const struct scenario *self)
{
	struct weir_engine_stats s;

	(void)self;
	zt_need();
	begin_endless(&(struct zt_wish){ .hold = true }, 512u << 10);
	weir_sock_close(z.stream[0].sock);
	zt_until(&z, zt_all_closed, 5000, "the socket closed");
	weir_engine_get_stats(z.e, &s);
	if (!s.buffers_held)
		fail("nothing is held");
	say(" %llu buffers held after the close;", (unsigned long long)s.buffers_held);
	zt_senders_kill(&senders);
	zt_release(&z);
	zt_settled(&z);
	zt_close(&z);
	whole_stream();
}

/* The engine is closed with sockets open, data coming, and slices held. */
static void run_engine_close(const struct scenario *self)
{
	(void)self;
	zt_need();
	begin_endless(&(struct zt_wish){ .streams = 4, .lag = 64 }, 1u << 20);
	zt_close(&z);
	zt_senders_kill(&senders);
	whole_stream();
}

/* The next lot of connections on the same listener.  None is reset before it was accepted. */
static uint64_t one_lot(unsigned count, bool reset)
{
	struct zt_wish wish = { .streams = count,
				.bytes = CYCLE_BYTES,
				.chunk_bytes = CHUNK,
				.reset = reset,
				.greets = reset,
				.lag = 8 };
	uint64_t bytes = 0;

	memset(&senders, 0, sizeof senders);
	zt_senders_start(&senders, &wish);
	if (!z.e) {
		zt_open(&z, &wish);
		zt_listen(&z);
	}
	z.wish.streams = count;
	z.wish.greets = reset;
	z.accepted = z.ended = z.closed = 0;
	memset(z.stream, 0, sizeof z.stream);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_closed, ZT_DEADLINE_MS, "the end of a lot of streams");
	for (unsigned i = 0; i < count; i++) {
		const struct zt_stream *t = &z.stream[i];

		if (reset ? t->res != -ECONNRESET : t->res || t->got != CYCLE_BYTES)
			fail("stream %u ended with %d after %llu bytes", i, t->res,
			     (unsigned long long)t->got);
		bytes += t->got;
	}
	zt_senders_end(&senders);
	return bytes;
}

/* Connections that each transfer a little, and then end by a reset or in order. */
static void run_cycles(const struct scenario *self)
{
	unsigned count = times("ZCTEST_CYCLES", 100), resets = 0;
	uint64_t bytes = 0;

	(void)self;
	zt_need();
	for (unsigned done = 0; done < count; done += LOT) {
		bool reset = done / LOT % 2;

		bytes += one_lot(LOT, reset);
		resets += reset ? LOT : 0;
	}
	say(" %u connections, %u of them reset, %lluK;", count, resets,
	    (unsigned long long)(bytes >> 10));
	if (z.lost)
		fail("%u were reset before they were accepted", z.lost);
	zt_release(&z);
	zt_settled(&z);
	zt_say(&z);
	zt_close(&z);
}

/* Connections that are reset with data unread before the engine has looked at them. */
static void run_reset_early(const struct scenario *self)
{
	struct zt_wish wish = { .streams = LOT, .bytes = CYCLE_BYTES, .reset = true };

	(void)self;
	zt_need();
	zt_senders_start(&senders, &wish);
	zt_open(&z, &wish);
	zt_listen(&z);
	zt_round(&z, 0);
	zt_senders_go(&senders);
	zt_senders_end(&senders); /* without the engine, which accepts in its rounds only */
	zt_until(&z, zt_all_closed, ZT_DEADLINE_MS, "the end of what was reset");
	say(" %u connections;", z.lost);
	if (z.lost != LOT || z.slices)
		fail("%u of %u had been reset, %llu slices", z.lost, LOT,
		     (unsigned long long)z.slices);
	zt_settled(&z);
	zt_close(&z);
	whole_stream();
}

/* Sent, and not received by the engine. */
static uint64_t unread(void)
{
	int n = 0;

	if (ioctl(weir_sock_fd(z.stream[0].sock), SIOCINQ, &n))
		fail("SIOCINQ: %s", strerror(errno));
	return (uint64_t)n;
}

static bool all_sent(void *arg)
{
	(void)arg;
	return z.bytes + unread() == UNREAD_BYTES;
}

/*
 * A reset behind more than one request may read, in hundreds of packets: all of it comes, and then
 * the reset.
 */
static void run_reset_unread(const struct scenario *self)
{
	struct zt_wish wish = { .bytes = UNREAD_BYTES,
				.reset = true,
				.greets = true,
				.lag = 8,
				.sock.rcvbuf_bytes = 4u << 20,
				.engine.area_bytes = AREA_AMPLE_BYTES };

	(void)self;
	zt_need();
	must(NULL, "ethtool -K " RX_NIC " gro off");
	undo(RX_NS, "ethtool -K " RX_NIC " gro on");
	zt_senders_start(&senders, &wish);
	zt_open(&z, &wish);
	z.wish.greets = false; /* later */
	zt_listen(&z);
	zt_senders_go(&senders);
	zt_until(&z, zt_all_accepted, ZT_DEADLINE_MS, "an accepted connection");
	wait_until(all_sent, NULL, ZT_DEADLINE_MS, "all of the stream in the socket");
	say(" %lluK unread;", (unsigned long long)unread() >> 10);
	if (send(weir_sock_fd(z.stream[0].sock), "", 1, MSG_NOSIGNAL) != 1)
		fail("send: %s", strerror(errno));
	zt_senders_end(&senders);
	zt_until(&z, zt_all_closed, ZT_DEADLINE_MS, "the end by a reset");
	if (z.stream[0].res != -ECONNRESET || z.bytes != UNREAD_BYTES)
		fail("it ended with %d after %llu bytes", z.stream[0].res,
		     (unsigned long long)z.bytes);
	zt_release(&z);
	zt_settled(&z);
	zt_close(&z);
	whole_stream();
}

/* Senders that are killed at full speed, with whatever is on its way at that moment. */
static void run_reset_running(const struct scenario *self)
{
	uint64_t bytes = 0;

	(void)self;
	zt_need();
	for (unsigned round = 0; round < RESET_ROUNDS; round++) {
		begin_endless(&(struct zt_wish){ .streams = RESET_STREAMS, .lag = 32 }, 2u << 20);
		zt_senders_kill(&senders);
		zt_until(&z, zt_all_closed, 5000, "the end of what was reset");
		for (unsigned i = 0; i < RESET_STREAMS; i++)
			if (z.stream[i].sock || (z.stream[i].z && z.stream[i].res != -ECONNRESET))
				fail("stream %u ended with %d", i, z.stream[i].res);
		bytes += z.bytes;
		zt_release(&z);
		zt_settled(&z);
		zt_close(&z);
	}
	say(" %u streams, %lluK", RESET_ROUNDS * RESET_STREAMS, (unsigned long long)(bytes >> 10));
}

/* ---------------------------------------------------------------- the process dies */

static void victim(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	begin_endless(&(struct zt_wish){ .lag = 64 }, 256u << 10);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		zt_round(&z, 100);
}

static void kill_one(void)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	if (pipe(ready))
		fail("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		victim(ready[1]);
	close(ready[1]);
	if (!poll_one(ready[0], POLLIN, ZT_DEADLINE_MS))
		fail("no stream at the receiver");
	if (read(ready[0], &byte, 1) != 1)
		_exit(1); /* the victim has said why */
	close(ready[0]);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		fail("the receiver was not killed: %x", (unsigned)status);
}

/* Each next one undoes what the dead one left on the NIC, and binds the queue at once. */
static void run_kills(const struct scenario *self)
{
	unsigned count = times("ZCTEST_KILLS", 4);

	(void)self;
	zt_need();
	for (unsigned i = 0; i < count; i++)
		kill_one();
	say(" %u processes;", count);
	whole_stream();
}

/* ---------------------------------------------------------------- the device goes */

/* The stream cannot go on, and the engine must not mind: no busy loop, no hang at its close. */
static void run_rmmod(const struct scenario *self)
{
	struct weir_engine_stats before, after;
	long end;

	(void)self;
	zt_need();
	begin_endless(&(struct zt_wish){ .lag = 64 }, 1u << 20);
	must(NULL, "busybox rmmod weirnic");
	if (!access("/sys/module/weirnic", F_OK) || if_nametoindex(RX_NIC))
		fail("the module or " RX_NIC " is still there");
	zt_round(&z, 100);
	weir_engine_get_stats(z.e, &before);
	for (end = now_ms() + 300; now_ms() < end;)
		zt_round(&z, 50);
	weir_engine_get_stats(z.e, &after);
	if (after.waits - before.waits > 60)
		fail("%llu waits in 300 ms without a device",
		     (unsigned long long)(after.waits - before.waits));
	zt_release(&z); /* verified again: the memory is still ours */
	zt_close(&z);
	zt_senders_kill(&senders);
	say(" with %lluK received", (unsigned long long)(z.bytes >> 10));
}

const struct scenario scenarios_ends[] = {
	{ "close_held", "a socket is closed while its slices are held", run_close_held, NULL },
	{ "engine_close", "the engine is closed with streams and slices", run_engine_close, NULL },
	{ "cycles", "connect, transfer, end or reset ($ZCTEST_CYCLES)", run_cycles, NULL },
	{ "reset_early", "connections are reset before they are accepted", run_reset_early, NULL },
	{ "reset_unread", "a reset behind much that was not read", run_reset_unread, NULL },
	{ "reset_running", "senders are killed at full speed", run_reset_running, NULL },
	{ "kills", "the process is killed, the next one binds ($ZCTEST_KILLS)", run_kills, NULL },
	{ "rmmod", "the module is removed, and stays so", run_rmmod, NULL },
	{ NULL, NULL, NULL, NULL }
};
