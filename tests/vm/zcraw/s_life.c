/* SPDX-License-Identifier: MIT */
/*
 * s_life.c - ends and beginnings: peers and processes that die, links, rebinding, the module.
 *
 * Theory: whatever ends, ends in the middle of a stream with buffers at the program, in sockets and
 * in the NIC's ring.  After it the queue must be usable again, which a full stream proves.
 */
#include "zcraw.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define ENDLESS (1ull << 40)
#define FLAPS 2
#define FLAP_BYTES (1u << 20) /* that cross the link between one flap and the next */
#define REBINDS 20
#define HOLD_END "hold.end" /* the file that ends "hold" */
#define HOLD_CHUNK (16u << 10)
#define HOLD_PAUSE_MS 4
#define QUIET_MAX 5 /* rounds of 100 ms without a completion */

static struct move move = { .rx.queue = 1 };

/* Connects a stream that has no end within the scenario, and receives some of it. */
static void begin_sender(struct move *m, const struct sender_options *so, uint64_t bytes)
{
	long end = now_ms() + WAIT_MS;
	int listener = tcp_listen(false, 0);

	sender_start(&m->sender[0], so);
	rx_add(&m->state, tcp_accept(listener), 0);
	close(listener);
	nic_counts(&m->nic, m->rx.queue, &m->before);
	sender_go(&m->sender[0]);
	while (m->state.bytes < bytes / 2) {
		if (now_ms() > end)
			fail("only %llu bytes", (unsigned long long)m->state.bytes);
		rx_step(&m->state, 100);
	}
}

static void begin_endless(struct move *m, bool reset, uint64_t bytes)
{
	struct sender_options so = { .addr = RX_ADDR4, .bytes = ENDLESS, .reset = reset };

	if (reset)
		so.bytes = bytes;
	begin_sender(m, &so, bytes);
}

/* A whole stream over a queue that is newly registered. */
static void whole_stream(struct move *m, uint64_t bytes)
{
	memset(&m->state, 0, sizeof m->state);
	memset(&m->sum, 0, sizeof m->sum);
	m->bytes = bytes;
	rx_open(&m->state, &m->nic, &m->rx);
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

/* Runs the first stream to its end, whatever that is. */
static void run_out(struct move *m)
{
	long end = now_ms() + WAIT_MS;

	while (!rx_ended(&m->state)) {
		if (now_ms() > end)
			fail("no end after the peer's: %llu bytes",
			     (unsigned long long)m->state.bytes);
		rx_step(&m->state, 100);
	}
}

static void run_peer_killed(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	move_open(m);
	begin_endless(m, false, 2u << 20);
	sender_kill(&m->sender[0]);
	run_out(m);
	if (m->state.conn[0].error && m->state.conn[0].error != ECONNRESET)
		fail("the stream ended by %s", strerror(m->state.conn[0].error));
	say(" ended after %lluK;", (unsigned long long)(m->state.bytes >> 10));
	rx_close(&m->state);
	whole_stream(m, 1u << 20);
}

/*
 * A reset that comes while more than 20 skbs are unread does not end the request of some kernels:
 * the pass that would see the error is lost when the request is queued again after 20 of them, and
 * a reset does not mark the socket as an orderly end does.  poll() sees it, and a second request.
 * Source: io_uring/poll.c (io_poll_check_events), io_uring/zcrx.c (IO_SKBS_PER_CALL_LIMIT), 7.3.4.
 */
static void run_out_reset(struct move *m)
{
	struct pollfd p = { m->state.conn[0].fd, 0, 0 };
	long quiet;

	for (quiet = 0; !rx_ended(&m->state) && quiet < QUIET_MAX;)
		quiet = rx_step(&m->state, 100) ? quiet + 1 : 0;
	if (rx_ended(&m->state))
		return;
	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLHUP | POLLERR)))
		fail("no end, and poll() sees no reset: %llu bytes",
		     (unsigned long long)m->state.bytes);
	say(" lost by the request;");
	rx_cancel(&m->state, 0);
	run_out(m);
}

static void run_peer_reset(const struct scenario *self)
{
	struct sender_report r;
	struct move *m = &move;

	(void)self;
	move_open(m);
	begin_endless(m, true, 1u << 20);
	sender_end(&m->sender[0], &r);
	run_out_reset(m);
	if (m->state.conn[0].error != ECONNRESET)
		fail("the stream ended by \"%s\" after %llu bytes, not by a reset",
		     strerror(m->state.conn[0].error), (unsigned long long)m->state.bytes);
	say(" reset after %lluK;", (unsigned long long)(m->state.bytes >> 10));
	rx_close(&m->state);
	whole_stream(m, 1u << 20);
}

/* A process with a registered queue, a running stream, and buffers that it holds. */
static void victim(struct move *m, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rx_open(&m->state, &m->nic, &m->rx);
	m->state.hold = true;
	begin_endless(m, false, 1u << 20);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		rx_step(&m->state, 100);
}

struct restarted {
	const struct nic *nic;
	uint64_t count;
};

static bool restarted(void *arg)
{
	const struct restarted *r = arg;
	struct nic_counts c;

	nic_counts(r->nic, 1, &c);
	return c.restarts >= r->count;
}

static void run_killed(const struct scenario *self)
{
	struct nic_counts before;
	struct restarted unbound;
	struct move *m = &move;
	int ready[2], status;
	char byte;
	pid_t pid;

	(void)self;
	m->rx.area_bytes = 8u << 20;
	move_prepare(m);
	nic_counts(&m->nic, 1, &before);
	if (pipe(ready))
		fail("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		victim(m, ready[1]);
	close(ready[1]);
	if (!poll_one(ready[0], POLLIN, WAIT_MS))
		fail("no stream at the receiver in %d ms", WAIT_MS);
	if (read(ready[0], &byte, 1) != 1)
		_exit(1); /* the victim has said why */
	close(ready[0]);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		fail("the receiver was not killed: %x", status);
	unbound = (struct restarted){ &m->nic, before.restarts + 2 }; /* bound, and unbound */
	wait_until(restarted, &unbound, WAIT_MS, "a queue that is unbound after its process");
	whole_stream(m, 1u << 20);
}

/* Until so much more has come over the link: what waited in the socket meanwhile proves nothing. */
static void receive_flap_bytes(struct move *m, int flaps)
{
	struct nic_counts began, now;
	long end = now_ms() + WAIT_MS;

	nic_counts(&m->nic, m->rx.queue, &began);
	now = began;
	do {
		if (now_ms() > end)
			fail("%d ms after flap %d: %llu bytes more from the link, %llu received; "
			     "%llu frames had no buffer",
			     WAIT_MS, flaps, (unsigned long long)(now.provider - began.provider),
			     (unsigned long long)m->state.bytes,
			     (unsigned long long)(now.no_buffer - began.no_buffer));
		rx_step(&m->state, 100);
		nic_counts(&m->nic, m->rx.queue, &now);
	} while (now.provider < began.provider + FLAP_BYTES);
}

/*
 * While the link is switched nobody receives: up to a socket's buffer full (6 MB at most) comes in
 * that time.  The stream is longer than all this together.
 */
static void run_link(const struct scenario *self)
{
	struct move *m = &move;
	uint64_t changes;

	(void)self;
	m->rto_ms = 20;
	m->bytes = (FLAPS + 1) * (FLAP_BYTES + (6u << 20));
	m->rx.lag = 32;
	m->rx.area_bytes = AREA_AMPLE_BYTES;
	move_open(m);
	/* else the device loses its IPv6 addresses, which other scenarios need */
	must(NULL, "busybox sysctl -q -w net.ipv6.conf." RX_NIC ".keep_addr_on_down=1");
	move_connect(m);
	move_attach(m);
	move_go(m);
	changes = nic_carrier_changes(&m->nic);
	receive_flap_bytes(m, 0);
	for (int i = 1; i <= FLAPS; i++) {
		must(NULL, "ip link set " RX_NIC " down");
		must(NULL, "ip link set " RX_NIC " up");
		receive_flap_bytes(m, i);
	}
	changes = nic_carrier_changes(&m->nic) - changes;
	if (changes != 2 * FLAPS)
		fail("the carrier changed %llu times in %d flaps", (unsigned long long)changes,
		     FLAPS);
	move_finish(m, DEADLINE_MS, PLACED);
}

static void run_rebind(const struct scenario *self)
{
	struct move *m = &move;
	char said[32];

	(void)self;
	move_prepare(m);
	for (int i = 0; i < REBINDS; i++) {
		struct rx *rx = &m->state;

		m->rx.area = i % 3 == 2 ? AREA_DMABUF : AREA_HOST;
		m->rx.area_bytes = 1u << 20;
		m->rx.queue = 1;
		rx_open(rx, &m->nic, &m->rx);
		m->bytes = 128u << 10;
		memset(&m->sum, 0, sizeof m->sum);
		move_connect(m);
		move_attach(m);
		move_go(m);
		move_end(m, DEADLINE_MS, PLACED);
	}
	snprintf(said, sizeof said, " %d times", REBINDS);
	say("%s", said);
}

/* A queue that is bound, with a slow stream alive, for as long as somebody else needs it. */
static void run_hold(const struct scenario *self)
{
	struct sender_options so = { .addr = RX_ADDR4,
				     .bytes = ENDLESS,
				     .chunk_bytes = HOLD_CHUNK,
				     .pause_ms = HOLD_PAUSE_MS,
				     .rto_ms = 20,
				     .abrupt = true };
	struct move *m = &move;

	(void)self;
	m->rx.lag = 64;
	move_open(m);
	begin_sender(m, &so, HOLD_CHUNK);
	while (access(HOLD_END, F_OK)) {
		rx_step(&m->state, 50);
		if (rx_ended(&m->state))
			fail("the stream has ended after %llu bytes: %s",
			     (unsigned long long)m->state.bytes, strerror(m->state.conn[0].error));
	}
	rx_release(&m->state);
	sender_kill(&m->sender[0]);
	rx_close(&m->state);
	say(" %lluK received", (unsigned long long)(m->state.bytes >> 10));
}

static void run_rmmod(const struct scenario *self)
{
	struct sender_options so = { .addr = RX_ADDR4, .bytes = ENDLESS, .abrupt = true };
	struct move *m = &move;
	unsigned head;
	long end;

	(void)self;
	move_open(m);
	m->state.hold = true;
	begin_sender(m, &so, 1u << 20);
	must(NULL, "busybox rmmod weirnic");
	if (!access("/sys/module/weirnic", F_OK) || if_nametoindex(RX_NIC))
		fail("rmmod returned, but the module or " RX_NIC " is still there");
	/* what is still in the socket comes, too */
	for (end = now_ms() + 200; now_ms() < end;)
		if (rx_step(&m->state, 50))
			break;
	/* what arrived is as it was: rx_release() verifies it; nobody takes what is given back */
	head = __atomic_load_n(m->state.ifq.khead, __ATOMIC_ACQUIRE);
	m->state.hold = false;
	rx_release(&m->state);
	if (__atomic_load_n(m->state.ifq.khead, __ATOMIC_ACQUIRE) != head)
		fail("somebody takes buffers of a device that is gone");
	sender_kill(&m->sender[0]);
	rx_close(&m->state);
	say(" with %lluK received", (unsigned long long)(m->state.bytes >> 10));
}

const struct scenario scenarios_life[] = {
	{ "peer_killed", "the sending process is killed", run_peer_killed, NULL },
	{ "peer_reset", "the sender resets the connection", run_peer_reset, NULL },
	{ "killed", "the receiving process is killed", run_killed, NULL },
	{ "link", "the link goes down and up, twice", run_link, NULL },
	{ "rebind", "20 registrations in a row, with a stream each", run_rebind, NULL },
	{ "hold", "bound, with a slow stream, until there is a file " HOLD_END, run_hold, NULL },
	{ "rmmod_bound", "the module is removed while bound, and stays so", run_rmmod, NULL },
	{ NULL, NULL, NULL, NULL }
};
