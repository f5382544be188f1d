// SPDX-License-Identifier: MIT
/*
 * zcrx_rx.c - streams received by RECV_ZC, and what is done where that does not go.
 *
 * Theory: a stream has one RECV_ZC request, which names an interface queue and stays armed.  Each
 *	completion names a piece of the queue's area.  The request ends for many reasons:
 *
 *	  0                all that it asked for has come: once more; else the end of the stream,
 *	                   or a reset whose error somebody else took
 *	  ENOSPC           the completion queue was full: once more when it is in order
 *	  ENOMEM           payload in kernel pages, and no buffer to copy it to: what can be read
 *	                   is read with recv() into other memory; the rest waits for buffers
 *	  EFAULT           payload in another queue's memory: the request names the wrong queue; or
 *	                   a dma-buf, to which the kernel cannot copy: read with recv()
 *	  EPROTONOSUPPORT  not plain TCP: received as by uring from now on
 *
 *	Which queue a stream's packets come by is told by its NAPI id, once a packet came.  A stream
 *	whose packets come by none of them would be copied page by page, which is slower than the
 *	uring plane does it: where the plane was not asked for by name it is received as by uring.
 *	recv() answers EFAULT as soon as payload lies in a queue's memory: then back to RECV_ZC.
 *
 *	A reset that comes while much is unread does not end the request on some kernels (7.3): a
 *	poll for errors beside it notices, the request is cancelled and begun anew, and that ends;
 *	where it begins with bytes unread, it may miss the end as the first did, and has a poll of
 *	its own.
 *
 *	       ┌── RECV_ZC on queue i ──EFAULT──> on queue j
 *	start ─┤        │ copied, not by name            ^
 *	       └──> as by uring ──────EFAULT─────────────┘      15 changes without a byte: an error
 *
 * Invariants: 1. at most one receive of a socket is in flight.  2. every completion that names a
 *	buffer is counted in the ledger before it is reported.  3. bytes are reported in the order
 *	of the stream: nothing else reads from the socket while a RECV_ZC is armed.
 * Ownership: as uring.c.
 * Threads: the engine's.
 * Errors: a completion that names no buffer ends the stream with -EPROTO; payload that nobody here
 *	can read ends it with -EFAULT.
 * Sources: io_uring/zcrx.c io_zcrx_recv_skb(), io_zcrx_recv_frag(), io_zcrx_tcp_recvmsg();
 *	io_uring/net.c io_recvzc(); io_uring/poll.c io_poll_check_events(); net/ipv4/tcp.c
 *	tcp_recvmsg_locked() (unreadable skbs: EFAULT); net/core/sock.c sk_getsockopt(): SO_BUF_LOCK
 *	(what SO_RCVBUF was given for, Linux 5.14), Linux 7.3.
 * Tests: tests/vm/t/zc_*.sh
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "../uapi/io_uring.h"
#include "../util/util.h"
#include "zcrx.h"

#define CHANGES_MAX 15 /* without a byte between them */
#define SHARE_STREAMS 4
#define RCVBUF_MIN (256u << 10) /* some packets of 64 KiB must find room */
#define LEAVE_BYTES (256u << 10)
#define READ_PART 4 /* of a receive buffer: a packet of 1,500 bytes has a page */
#define READ_MIN (64u << 10)
#define READ_MAX (1u << 20)
#define OFFSET_MASK ((UINT64_C(1) << WEIR_ZCRX_AREA_SHIFT) - 1)
#define IDS_AGE_NS 10000000ull

#define RCVBUF_LOCK 2 /* SOCK_RCVBUF_LOCK of linux/socket.h, which has more than programs need */

#ifndef SO_INCOMING_NAPI_ID
#define SO_INCOMING_NAPI_ID 56
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

bool zcrx_takes(struct weir_sock *s)
{
	return s->kind == WEIR_STREAM && s->is_tcp && !(s->plane_bits & ZC_PLAIN);
}

/* Somebody has chosen the size: by an option of ours, on an adopted socket, on its listener. */
static bool rcvbuf_is_set(struct weir_sock *s)
{
	int locks = 0;
	socklen_t len = sizeof(locks);

	weir_core_of(s->engine)->stats.syscalls++;
	return !getsockopt(s->fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &len) && (locks & RCVBUF_LOCK);
}

static uint64_t share_of(const struct zcrx *zc)
{
	return zc->rcvbuf_bytes / (1 + zc->streams / SHARE_STREAMS);
}

/*
 * Sockets that are not read must not have all buffers between them: TCP closes its window by the
 * size of the receive buffer.  A few read one after the other get more than their share.
 */
void zcrx_attach(struct weir_sock *s)
{
	struct weir_core *c = weir_core_of(s->engine);
	struct zcrx *zc = uring_of(s->engine)->zc;
	uint64_t share;
	int bytes;

	s->plane_bits |= ZC_COUNTED;
	zc->streams++;
	share = share_of(zc);
	if (!share || rcvbuf_is_set(s))
		return;
	/* The kernel doubles the value. */
	bytes = (int)(share < RCVBUF_MIN ? RCVBUF_MIN : share) / 2;
	c->stats.syscalls++;
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void zcrx_detach(struct weir_sock *s)
{
	s->plane_bits &= ~ZC_COUNTED;
	uring_of(s->engine)->zc->streams--;
}

/* A batch must not take the NIC's buffers away. */
bool zcrx_room(const struct zcrx *zc)
{
	for (unsigned i = 0; i < zc->count; i++) {
		const struct zcrx_queue *z = &zc->queues[i];
		uint32_t out = 0;

		for (unsigned k = 0; k < z->q.area_count; k++)
			out += z->pools[k]->count[WEIR_BUF_DELIVERED];
		if (out >= zc->batch_max)
			return false;
	}
	return true;
}

static unsigned napi_of(struct weir_sock *s)
{
	unsigned id = 0;
	socklen_t len = sizeof(id);

	weir_core_of(s->engine)->stats.syscalls++;
	return getsockopt(s->fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &len) ? 0 : id;
}

static int find(const struct weir_core *c, unsigned id)
{
	for (unsigned i = 0; id && i < c->ifq_count; i++)
		if (c->napi_ids[i] == id)
			return (int)i;
	return -1;
}

/* Queue of the last packet; -1: none of ours, or not known. */
static int queue_of_packets(struct weir_sock *s, unsigned *retid)
{
	struct weir_core *c = weir_core_of(s->engine);
	struct zcrx *zc = uring_of(s->engine)->zc;
	int i;

	*retid = zc->nic ? napi_of(s) : 0;
	i = find(c, *retid);
	/* NAPIs get other ids when the link goes down and up, or channels change. */
	if (i < 0 && *retid && c->now_ns - zc->ids_read_ns > IDS_AGE_NS) {
		zcrx_read_ids(s->engine);
		i = find(c, *retid);
	}
	return i;
}

static void go_plain(struct weir_sock *s, enum zcrx_why why)
{
	s->plane_bits |= ZC_PLAIN;
	zcrx_set_field(s, ZC_WHY_SHIFT, why);
}

/* Nothing speaks for the NIC's queues.  Who asked for the plane by name stays on it. */
static void go_copying(struct weir_sock *s, enum zcrx_why why)
{
	if (weir_core_of(s->engine)->by_name)
		zcrx_set_field(s, ZC_WHY_SHIFT, why);
	else
		go_plain(s, why);
}

static void choose(struct weir_sock *s)
{
	struct zcrx *zc = uring_of(s->engine)->zc;
	unsigned id;
	int i;

	s->plane_bits |= ZC_CHOSEN;
	if (!zc->nic)
		return;
	i = queue_of_packets(s, &id);
	if (i >= 0)
		zcrx_set_field(s, ZC_QUEUE_SHIFT, (unsigned)i);
	else if (id)
		go_copying(s, ZC_WHY_OTHER_QUEUE);
	else if (s->tie.nic != zc->nic)
		go_copying(s, ZC_WHY_NOT_STEERED);
}

/*
 * What one request may bring.  The kernel takes what lies in the socket, and tells the peer to go
 * on, each time that we enter it: without a bound an application that is slower than its peer had
 * the whole area in completions, out of the reach of TCP's window and of a stop.
 */
static uint32_t read_max(const struct zcrx *zc)
{
	uint64_t share = share_of(zc) / READ_PART;

	if (!zc->rcvbuf_bytes || share > READ_MAX)
		return READ_MAX;
	return share < READ_MIN ? READ_MIN : (uint32_t)share;
}

static bool is_unread(struct weir_sock *s)
{
	int n = 0;

	weir_core_of(s->engine)->stats.syscalls++;
	return !ioctl(s->fd, SIOCINQ, &n) && n > 0;
}

static void watch(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;

	if (s->plane_bits & ZC_WATCH)
		return;
	/* The end was seen.  A request that finds nothing to read sees it, too, when it begins. */
	if ((s->plane_bits & ZC_WATCHED) && !is_unread(s))
		return;
	if (!(sqe = uring_sqe(s->engine)))
		return;
	sqe->opcode = IORING_OP_POLL_ADD;
	uring_target(s, sqe);
	sqe->poll32_events = POLLERR | POLLHUP;
	sqe->user_data = ud(s, UD_MISC);
	s->plane_bits |= ZC_WATCH;
	s->plane_refs++;
}

int zcrx_start(struct weir_sock *s)
{
	struct io_uring_sqe *sqe;
	int r;

	if (!(s->plane_bits & ZC_CHOSEN))
		choose(s);
	if (s->plane_bits & ZC_PLAIN)
		return uring_rx_start_stream(s);
	r = uring_rx_arm(s, WEIR_IORING_OP_RECV_ZC, UD_RECV, &sqe);
	if (r)
		return r;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->len = s->plane_left = read_max(uring_of(s->engine)->zc);
	/* The union member zcrx_ifq_idx of newer headers. */
	sqe->file_index = zcrx_queue_of(s)->q.id;
	s->plane_bits |= ZC_ARMED;
	/* A cancel of the request before, answered late, does not mean this one. */
	s->plane_bits &= ~ZC_RESET;
	watch(s);
	return 0;
}

/* What the kernel says it copied and was not found yet is taken to be in the pieces that come. */
static uint32_t copied_of(struct zcrx_queue *z, uint32_t len)
{
	uint64_t copied;

	if (z->info.no_nic)
		return len;
	if (!z->q.stats)
		return 0;
	copied = __atomic_load_n(&z->q.stats->copy_bytes, __ATOMIC_RELAXED) - z->attributed;
	if (copied > len)
		copied = len;
	z->attributed += copied;
	return (uint32_t)copied;
}

/* Nearly all of it copied: the uring plane does that better. */
static void maybe_leave(struct weir_sock *s, const struct zcrx_queue *z)
{
	if ((s->plane_bits & ZC_PLAIN) || weir_core_of(s->engine)->by_name || z->info.no_nic ||
	    s->stats.rx_copied < LEAVE_BYTES || s->stats.rx_copied < s->stats.rx_bytes / 8 * 7 ||
	    s->closing || zcrx_field(s, ZC_CHANGES_SHIFT) == CHANGES_MAX)
		return;
	go_plain(s, ZC_WHY_COPIED);
	uring_cancel(s, ud(s, UD_RECV));
}

static void broken(struct weir_sock *s, struct zcrx_queue *z)
{
	z->stats.bad_completions++;
	if (s->plane_bits & ZC_BROKEN)
		return;
	s->plane_bits |= ZC_BROKEN;
	uring_cancel(s, ud(s, UD_RECV));
}

static void data(struct weir_sock *s, uint32_t len, uint64_t off)
{
	struct zcrx_queue *z = zcrx_queue_of(s);
	uint64_t area = off >> WEIR_ZCRX_AREA_SHIFT, at = off & OFFSET_MASK;
	uint64_t index = at >> z->buf_shift;
	struct weir_pool *pool = area < z->q.area_count ? z->pools[area] : NULL;
	struct weir_rx rx = { .pool = pool, .buffer = (uint32_t)index, .len = len };

	s->plane_left -= len < s->plane_left ? len : s->plane_left;
	rx.offset = (uint32_t)(at - (index << z->buf_shift));
	if (!pool || index >= pool->buf_count || (uint64_t)rx.offset + len > pool->buf_bytes) {
		broken(s, z);
		return;
	}
	if (s->plane_bits & ZC_BROKEN) {
		/* Behind a hole in the stream: the buffer goes back, the bytes are nobody's. */
		weir_pool_arrived(pool, rx.buffer);
		weir_pool_deliver(pool, rx.buffer);
		weir_pool_return(pool, rx.buffer);
		return;
	}
	rx.copied = copied_of(z, len);
	z->stats.completions++;
	z->stats.bytes += len;
	weir_pool_arrived(pool, rx.buffer);
	weir_core_of(s->engine)->up->received(s, &rx);
	zcrx_set_field(s, ZC_CHANGES_SHIFT, 0);
	if (rx.copied)
		maybe_leave(s, z);
	else if (z->q.stats && !(s->plane_bits & ZC_PLAIN))
		zcrx_set_field(s, ZC_WHY_SHIFT, ZC_WHY_NONE);
}

static bool spill_is_out(struct weir_engine *e)
{
	const struct weir_pool *pool = weir_core_of(e)->stream_pool;

	return pool && !pool->free_count && uring_of(e)->direct.buffer < 0;
}

/**
 * salvage() - read what lies in kernel pages, up to payload that only RECV_ZC can read.
 * @s: the stream, with no receive in flight.
 *
 * Return: whether anything was read; -ECANCELED: recv_end() was reported.
 */
static int salvage(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	int got = 0, n;
	char c;

	while (!s->closing && weir_core_room(e, 1)) {
		weir_core_of(e)->stats.syscalls++;
		if (recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
		if (spill_is_out(e)) {
			/* No memory of ours either: a moment later. */
			weir_core_of(e)->up->recv_end(s, -ENOMEM);
			return -ECANCELED;
		}
		n = weir_direct_recv(&uring_of(e)->direct, s);
		if (n == 0)
			return -ECANCELED;
		if (n < 0)
			break;
		zcrx_queue_of(s)->stats.read_bytes += (uint32_t)n;
		got = 1;
	}
	return got;
}

void zcrx_again(struct weir_sock *s)
{
	zcrx_queue_of(s)->stats.rearmed++;
	weir_core_of(s->engine)->up->recv_end(s, s->rx_stopping ? -ECANCELED : -EAGAIN);
}

/* No buffer for a copy. */
static void dry(struct weir_sock *s)
{
	struct zcrx_queue *z = zcrx_queue_of(s);
	bool back = zcrx_flush(s->engine, z) || z->given != z->dry_given;
	int r;

	z->stats.copy_no_buffer++;
	r = salvage(s);
	if (r < 0)
		return;
	z->dry_given = z->given;
	if (r || back) {
		zcrx_again(s);
		return;
	}
	z->dry = true;
	/* Either the application has them, or the kernel's own must come round first. */
	weir_core_of(s->engine)->up->recv_end(s, zcrx_is_out(z) && !zcrx_any_free(z) ? -ENOBUFS :
										       -ENOMEM);
}

static bool may_change(struct weir_sock *s)
{
	unsigned n = zcrx_field(s, ZC_CHANGES_SHIFT);

	if (n == CHANGES_MAX)
		return false;
	zcrx_set_field(s, ZC_CHANGES_SHIFT, n + 1);
	return true;
}

/*
 * Payload in memory that is not this queue's, or that a dma-buf has no copy for.  The queue of the
 * last packet is the best guess; then each of them has its turn.
 */
static void astray(struct weir_sock *s)
{
	struct zcrx *zc = uring_of(s->engine)->zc;
	unsigned id, now = zcrx_field(s, ZC_QUEUE_SHIFT), tried = zcrx_field(s, ZC_CHANGES_SHIFT);
	int i = tried ? -1 : queue_of_packets(s, &id), r = salvage(s);

	if (r < 0)
		return;
	if (r) {
		zcrx_again(s);
	} else if (zc->count > 1 && tried <= zc->count && may_change(s)) {
		if (i < 0 || (unsigned)i == now)
			i = (int)((now + 1) % zc->count);
		zcrx_set_field(s, ZC_QUEUE_SHIFT, (unsigned)i);
		zcrx_again(s);
	} else {
		weir_core_of(s->engine)->up->recv_end(s, -EFAULT);
	}
}

static void ended(struct weir_sock *s, int res)
{
	const struct weir_plane_up *up = weir_core_of(s->engine)->up;

	s->plane_bits &= ~ZC_ARMED;
	if (s->plane_bits & ZC_BROKEN)
		res = -EPROTO;
	if (s->closing) {
		up->recv_end(s, res);
		return;
	}
	switch (res) {
	case 0:
		if (!s->plane_left) {
			/* Not the stream's end: all that was asked for has come. */
			up->recv_end(s, s->rx_stopping ? -ECANCELED : -EAGAIN);
			return;
		}
		up->recv_end(s, 0);
		return;
	case -ECANCELED:
		/* Ours: another way is to be taken. */
		up->recv_end(s, s->rx_stopping ? -ECANCELED : -EAGAIN);
		return;
	case -ENOSPC:
		zcrx_queue_of(s)->stats.cq_full++;
		uring_pend(s, ZC_AGAIN);
		return;
	case -ENOMEM:
		dry(s);
		return;
	case -EFAULT:
		astray(s);
		return;
	case -EPROTONOSUPPORT:
	case -EOPNOTSUPP:
		go_plain(s, ZC_WHY_PROTOCOL);
		up->recv_end(s, -EAGAIN);
		return;
	default:
		up->recv_end(s, res);
	}
}

void zcrx_cqe(struct weir_sock *s, const struct weir_cqe *c)
{
	if (c->cqe.flags & IORING_CQE_F_MORE)
		data(s, (uint32_t)c->cqe.res, c->off);
	else
		ended(s, c->cqe.res);
}

/* The connection ended both ways or by an error; the request may not have noticed. */
void zcrx_watched(struct weir_sock *s, int res)
{
	s->plane_bits &= ~ZC_WATCH;
	if (res < 0 || s->closing || !(s->plane_bits & ZC_ARMED))
		return;
	s->plane_bits |= ZC_RESET | ZC_WATCHED;
	uring_cancel(s, ud(s, UD_RECV));
}

/* A cancel of ours did not find the request: it was on its way to be issued again. */
bool zcrx_must_cancel(const struct weir_sock *s)
{
	return (s->plane_bits & ZC_ARMED) && (s->plane_bits & (ZC_PLAIN | ZC_RESET | ZC_BROKEN));
}

/* recv() met payload in a queue's memory. */
bool zcrx_take_back(struct weir_sock *s)
{
	unsigned id;
	int i;

	if (!(s->plane_bits & ZC_PLAIN) || !may_change(s))
		return false;
	s->plane_bits &= ~ZC_PLAIN;
	i = queue_of_packets(s, &id);
	if (i >= 0)
		zcrx_set_field(s, ZC_QUEUE_SHIFT, (unsigned)i);
	zcrx_set_field(s, ZC_WHY_SHIFT, ZC_WHY_NONE);
	return true;
}

/* The same, met by a read of ours. */
void zcrx_found(struct weir_sock *s)
{
	weir_core_of(s->engine)->up->recv_end(s, zcrx_take_back(s) ? -EAGAIN : -EFAULT);
}

bool zcrx_can_recv(struct weir_sock *s)
{
	const struct weir_pool *spill = weir_core_of(s->engine)->stream_pool;
	struct zcrx_queue *z = zcrx_queue_of(s);

	if (!zcrx_takes(s))
		return spill && (spill->free_count || spill->count[WEIR_BUF_KERNEL]);
	/* What came back goes to the kernel before the request does. */
	if (z->dry && z->given == z->dry_given && !zcrx_any_free(z))
		return false;
	z->dry = false;
	return true;
}

bool zcrx_why(const struct weir_sock *s, char *buf, size_t bytes)
{
	static const char *const reasons[] = {
		[ZC_WHY_NONE] = "",
		[ZC_WHY_NOT_STEERED] = "no rule brings its packets to the queues of the engine",
		[ZC_WHY_OTHER_QUEUE] = "its packets come by another queue or NIC",
		[ZC_WHY_COPIED] = "nearly all of it came in kernel pages",
		[ZC_WHY_PROTOCOL] = "not plain TCP (TLS in the kernel, MPTCP): no zero copy",
	};
	const struct zcrx_queue *z;
	unsigned why;

	if (s->kind != WEIR_STREAM || !s->is_tcp)
		return false;
	if (s->plane_bits & ZC_PLAIN) {
		snprintf(buf, bytes, "uring: %s", reasons[zcrx_field(s, ZC_WHY_SHIFT)]);
		return true;
	}
	z = zcrx_queue_of(s);
	why = zcrx_field(s, ZC_WHY_SHIFT);
	if (z->info.no_nic)
		snprintf(buf, bytes, "zcrx: without a NIC, every byte is copied");
	else
		snprintf(buf, bytes, "zcrx: %s rxq %u%s%s", z->info.ifname, z->info.queue,
			 why ? ", but with a copy: " : "", reasons[why]);
	return true;
}
