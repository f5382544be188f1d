/* SPDX-License-Identifier: MIT */
/*
 * s_hard.c - what goes wrong in use: no buffer left, a full ring, data in the wrong place.
 *
 * Theory: each scenario brings the kernel into one state that a user of zero-copy receive meets,
 * sees that the kernel says so in the expected way, and then that the stream goes on without a byte
 * lost or doubled.
 *
 * Sources: io_uring/zcrx.c (io_zcrx_recv_skb, io_zcrx_copy_chunk, io_zcrx_recv_frag, io_parse_rqe),
 * net/core/netdev_rx_queue.c (netif_mp_open_rxq), net/ipv4/tcp.c (tcp_recvmsg_locked), Linux 7.3.
 */
#include "zcraw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define UNREAD_BYTES (16 << 10) /* fits into every socket's receive buffer */
#define SMALL_AREA (64u * 4096)
#define COPY_AREA (1024u * 4096)

static struct move move = { .rx.queue = 1 };

struct unread {
	int fd, bytes;
};

static bool has_unread(void *arg)
{
	struct unread *u = arg;
	int n = 0;

	return !ioctl(u->fd, SIOCINQ, &n) && n >= u->bytes;
}

static void wait_unread(int fd, int bytes)
{
	struct unread u = { fd, bytes };

	wait_until(has_unread, &u, WAIT_MS, "unread data in the receiver's socket");
}

/* Pumps until the NIC has dropped frames of the queue for want of a buffer. */
static void pump_until_starved(struct move *m)
{
	long end = now_ms() + WAIT_MS;
	struct nic_counts c;

	do {
		if (now_ms() > end)
			fail("the NIC still has buffers: %llu received, %zu slices held",
			     (unsigned long long)m->state.bytes, m->state.held_count);
		rx_step(&m->state, 20);
		nic_counts(&m->nic, m->rx.queue, &c);
	} while (c.no_buffer == m->before.no_buffer);
}

/*
 * The window is bounded to less than the area.  Without that the stream may stop for good: data
 * behind a hole fills all buffers, and none is left for what fills the hole, however often it is
 * sent (seen on 7.3: 64 packets out of order, 64 buffers).
 */
static void run_exhaust(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	m->rcvbuf = SMALL_AREA / 4;
	m->bytes = 1u << 20;
	m->rto_ms = 20;
	m->rx.area_bytes = SMALL_AREA;
	move_open(m);
	m->state.hold = true;
	move_connect(m);
	move_attach(m);
	move_go(m);
	pump_until_starved(m);
	if (m->state.bytes > SMALL_AREA)
		fail("%llu bytes received into an area of %u", (unsigned long long)m->state.bytes,
		     SMALL_AREA);
	if (!m->state.conn[0].armed)
		fail("the request ended, although data comes by zero copy");
	say(" starved after %lluK;", (unsigned long long)(m->state.bytes >> 10));
	m->state.hold = false;
	rx_release(&m->state);
	move_finish(m, DEADLINE_MS, PLACED);
	if (m->state.ifq.stats && !m->state.events[ZR_EVENT_ALLOC_FAIL])
		fail("the kernel sent no event ALLOC_FAIL");
}

static void run_overflow(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	m->bytes = 1u << 20;
	m->rx.cq_entries = 8;
	move_open(m);
	move_connect(m);
	move_attach(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	move_finish(m, DEADLINE_MS, PLACED);
	if (!m->state.enospc)
		fail("a queue of 8 completions took %llu without an end by ENOSPC",
		     (unsigned long long)m->state.completions);
}

static void run_early(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	m->bytes = 2u << 20;
	move_prepare(m);
	move_connect(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	rx_open(&m->state, &m->nic, &m->rx);
	move_attach(m);
	move_finish(m, DEADLINE_MS, PLACED_PARTLY);
}

/* Connected and sent after the registration, but before the request: nothing is copied. */
static void run_unarmed(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	m->bytes = 2u << 20;
	move_open(m);
	move_connect(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	move_attach(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

/* No rule leads to the queue: all data comes in kernel pages. */
static void run_copy(const struct scenario *self)
{
	struct move *m = &move;

	(void)self;
	m->bytes = 2u << 20;
	m->target = "";
	move_open(m);
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED_NOT);
	if (m->state.ifq.stats && !m->state.events[ZR_EVENT_COPY])
		fail("the kernel sent no event COPY");
}

/* The NIC's ring and the pool keep their buffers; what is left of the area takes the copies. */
static void run_copy_nobuf(const struct scenario *self)
{
	struct move *m = &move;
	long end = now_ms() + WAIT_MS;

	(void)self;
	m->bytes = 8u << 20;
	m->target = "";
	m->rx.area_bytes = COPY_AREA;
	move_open(m);
	m->state.hold = true;
	move_connect(m);
	move_attach(m);
	move_go(m);
	while (!m->state.enomem) {
		if (now_ms() > end)
			fail("%llu bytes were copied into %u, and no end by ENOMEM",
			     (unsigned long long)m->state.bytes, COPY_AREA);
		rx_step(&m->state, 100);
	}
	say(" ENOMEM after %lluK;", (unsigned long long)(m->state.bytes >> 10));
	m->state.hold = false;
	rx_release(&m->state);
	if (ifq_flush(&m->state.ifq) == -EINVAL)
		skip("this kernel has no FLUSH_RQ");
	move_finish(m, DEADLINE_MS, PLACED_NOT);
}

/* A dma-buf cannot be copied into: the request ends each time, the data stays in the socket. */
static void run_dmabuf_copy(const struct scenario *self)
{
	struct move *m = &move;
	struct sender_report r;

	(void)self;
	m->bytes = 1u << 20;
	m->target = "";
	m->rx.area = AREA_DMABUF;
	move_open(m);
	move_connect(m);
	move_attach(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	while (m->state.enomem < 4 && !m->state.conn[0].done)
		if (rx_step(&m->state, WAIT_MS))
			fail("no completion");
	if (m->state.bytes || (m->state.conn[0].done && m->state.conn[0].error != EFAULT))
		fail("%llu bytes, error %d", (unsigned long long)m->state.bytes,
		     m->state.conn[0].error);
	say(" ENOMEM %llu, then recv():", (unsigned long long)m->state.enomem);
	/* an armed request would take the data first */
	m->state.pause_arm = true;
	while (m->state.conn[0].armed)
		if (rx_step(&m->state, WAIT_MS))
			fail("the request has no end");
	if (tcp_drain(m->fd[0], 0, 0, DEADLINE_MS) != m->bytes)
		fail("the stream ended early");
	rx_close(&m->state);
	sender_end(&m->sender[0], &r);
	say(" %lluK", (unsigned long long)(m->bytes >> 10));
}

/* The flow reaches the bound queue, but its reader uses recv(): an error, and nothing lost. */
static void run_plain_reader(const struct scenario *self)
{
	struct move *m = &move;
	char byte;

	(void)self;
	m->bytes = 1u << 20;
	move_open(m);
	move_connect(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	if (recv(m->fd[0], &byte, 1, MSG_DONTWAIT) >= 0 || errno != EFAULT)
		fail("recv() of data in provider memory: %s, not EFAULT", strerror(errno));
	if (recv(m->fd[0], &byte, 1, MSG_DONTWAIT | ZR_MSG_SOCK_DEVMEM) >= 0 || errno == EAGAIN)
		fail("recv(MSG_SOCK_DEVMEM) of io_uring's memory: %s", strerror(errno));
	move_attach(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

/* The flow reaches queue 1, the request names the registration of queue 2. */
static void run_wrong_ifq(const struct scenario *self)
{
	static struct rx other;
	struct move *m = &move;
	struct rx_options o = { .queue = 2, .events = true };
	int fd;

	(void)self;
	m->bytes = 1u << 20;
	move_open(m);
	rx_open(&other, &m->nic, &o);
	move_connect(m);
	move_go(m);
	wait_unread(m->fd[0], UNREAD_BYTES);
	fd = fcntl(m->fd[0], F_DUPFD_CLOEXEC, 3);
	rx_add(&other, fd, 0);
	while (!other.conn[0].done)
		if (rx_step(&other, WAIT_MS))
			fail("no completion on the wrong queue");
	if (other.conn[0].error != EFAULT || other.bytes)
		fail("data of queue 1 on queue 2: %llu bytes, %s", (unsigned long long)other.bytes,
		     strerror(other.conn[0].error));
	rx_close(&other);
	move_attach(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

static void run_two_queues(const struct scenario *self)
{
	static struct move second = { .rx.queue = 2 };
	struct move *m = &move;
	long end;

	(void)self;
	/* ports of the second begin after those of the first: streams 0..3 and 4..7 */
	m->bytes = 1u << 20;
	m->streams = 4;
	m->rx.area_bytes = second.rx.area_bytes = 16u << 20;
	move_open(m);
	second.nic = m->nic;
	second.rx.events = true;
	second.bytes = m->bytes;
	second.streams = 4;
	second.first = 4;
	for (unsigned i = 0; i < second.streams; i++)
		nic_rule(&m->nic, false, PORT + second.first + i, "action 2");
	rx_open(&second.state, &second.nic, &second.rx);
	move_connect(m);
	move_connect(&second);
	move_attach(m);
	move_attach(&second);
	move_go(m);
	move_go(&second);
	for (end = now_ms() + DEADLINE_MS; !rx_ended(&m->state) || !rx_ended(&second.state);) {
		if (now_ms() > end)
			fail("no end: %llu and %llu bytes", (unsigned long long)m->state.bytes,
			     (unsigned long long)second.state.bytes);
		rx_step(&m->state, rx_ended(&m->state) ? 0 : 5);
		rx_step(&second.state, rx_ended(&second.state) ? 0 : 5);
	}
	move_finish(m, DEADLINE_MS, PLACED);
	move_finish(&second, DEADLINE_MS, PLACED);
}

/* Entries that the kernel must skip; the stream does not notice. */
static void run_bad_refill(const struct scenario *self)
{
	struct move *m = &move;
	const struct zr_zcrx_rqe bad[] = {
		{ 1ull << 40, 4096, 0 },	    /* outside of the area */
		{ 5ull << ZR_AREA_SHIFT, 4096, 0 }, /* of no area */
		{ 4096, 4096, 0 },		    /* not ours */
		{ 8192, 4096, 1 },		    /* padding that is not zero */
		{ ~0ull, 0xffffffff, 0xffffffff },
	};
	struct ifq *ifq = &m->state.ifq;

	(void)self;
	m->bytes = 4u << 20;
	m->rx.area_bytes = 2u << 20;
	move_open(m);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ifq->rqes[ifq->tail++ & (ifq->entries - 1)] = bad[i];
	ifq_publish(ifq);
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

struct refusal {
	const char *what;
	int want, or ;	   /* errno; another that kernels give */
	unsigned nic_flag; /* 0: wn0, 1: lo, 2: none */
	struct rx_options o;
};

static void expect_refusal(const struct nic *nic, const struct refusal *r)
{
	static struct rx rx;
	struct nic n = *nic;
	int err;

	if (r->nic_flag)
		n.ifindex = r->nic_flag == 1 ? if_nametoindex("lo") : 9999;
	err = -rx_try_open(&rx, &n, &r->o);
	if (!err)
		rx_close(&rx);
	if (err != r->want && err != r->or)
		fail("%s: %s, not %s", r->what, strerror(err), strerror(r->want));
}

static void run_refusals(const struct scenario *self)
{
	static const struct refusal refusals[] = {
		{ .what = "a queue that is not there", .want = ERANGE, .o.queue = 200 },
		{ .what = "a queue that is bound", .want = EEXIST, .o.queue = 1 },
		{ .what = "a device without queue management", .want = EOPNOTSUPP, .nic_flag = 1 },
		{ .what = "no such device", .want = ENODEV, .o.queue = 1, .nic_flag = 2 },
		{ .what = "an area that is no multiple of a page",
		  .want = EINVAL,
		  .o = { .queue = 2, .area_bytes = (1u << 20) + 512 } },
		{ .what = "a refill ring that is too large",
		  .want = EINVAL,
		  .o = { .queue = 2, .rq_entries = 65536 } },
		{ .what = "large buffers in ordinary pages",
		  .want = ERANGE,
		  .or = EINVAL,
		  .o = { .queue = 2, .area = AREA_SCATTERED, .buf_bytes = 64u << 10 } },
	};
	struct move *m = &move;
	struct rx_options plain = { .queue = 1 };
	static struct rx rx;
	char out[256];

	(void)self;
	ifq_need();
	nic_open(&m->nic, RX_NIC);
	must(NULL, "ethtool -G " RX_NIC " tcp-data-split off");
	if (rx_try_open(&rx, &m->nic, &plain) != -EINVAL)
		fail("registered with tcp-data-split off");
	move_open(m);
	if (!command(NULL, "ethtool -G " RX_NIC " tcp-data-split off", out, sizeof out))
		fail("the split was switched off under a bound queue");
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		expect_refusal(&m->nic, &refusals[i]);
	/* the bound queue has not noticed */
	m->bytes = 1u << 20;
	move_connect(m);
	move_attach(m);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
}

const struct scenario scenarios_hard[] = {
	{ "exhaust", "all buffers held, then given back", run_exhaust, NULL },
	{ "cq_overflow", "a completion queue of 8", run_overflow, NULL },
	{ "early_data", "data from before the registration", run_early, NULL },
	{ "unarmed_data", "data from before the request", run_unarmed, NULL },
	{ "copy", "all data comes on a plain queue", run_copy, NULL },
	{ "copy_nobuf", "the same, and no buffer for the copy", run_copy_nobuf, NULL },
	{ "dmabuf_copy", "the same, with an area that cannot be copied to", run_dmabuf_copy, NULL },
	{ "plain_reader", "recv() on a flow of the bound queue", run_plain_reader, NULL },
	{ "wrong_ifq", "a request that names another queue", run_wrong_ifq, NULL },
	{ "two_queues", "two queues with a ring each", run_two_queues, NULL },
	{ "bad_refill", "refill entries that the kernel must skip", run_bad_refill, NULL },
	{ "refusals", "registrations that must fail, and how", run_refusals, NULL },
	{ NULL, NULL, NULL, NULL }
};
