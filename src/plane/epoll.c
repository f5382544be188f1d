// SPDX-License-Identifier: MIT
/*
 * epoll.c - the epoll plane: readiness and plain system calls; no io_uring at all.
 *
 * Theory: one level-triggered epoll set.  A socket is in it with what it waits for: EPOLLIN while
 *	it receives, EPOLLOUT while a send found no room or a connect is under way.  A readable
 *	socket is read once per round; what is left makes it readable again in the next round,
 *	which is fair to the others and costs no read that finds nothing.  Sends are tried when
 *	they are given; their results are queued and reported from poll() and wait().
 *
 *	  send() -> sendmsg -> whole: done | short, EAGAIN: done, EPOLLOUT -> up->writable()
 *
 *	Requests for zero copy: epoll_zc.c.  Their completions come as EPOLLERR, which cannot be
 *	switched off: a socket with some outstanding stays in the set also where nobody waits for
 *	anything else, and where EPOLLERR or EPOLLHUP has another reason then, and would be said
 *	for ever, it is watched for edges only.
 * Invariants: 1. the set's interest equals plane_bits & INTEREST.  2. every request is reported
 *	exactly once: plane_word marks those that were.  3. a socket with requests outstanding is
 *	in the set.
 * Ownership: the plane closes the socket's descriptor after detach(), when nothing is outstanding.
 * Threads: the engine's.
 * Errors: a full set (ENOSPC, ENOMEM) fails attach().
 * Sources: epoll(7), epoll_ctl(2), connect(2) (EINPROGRESS and SO_ERROR).
 * Tests: tests/contract/ with WEIR_PLANE=epoll, tests/unit/test_epoll_zc.c
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../core/plane.h"
#include "../uapi/epoll.h"
#include "../util/util.h"
#include "direct.h"
#include "epoll_zc.h"

#define INTEREST (EPOLLIN | EPOLLOUT)
#define IN_SET (1u << 16)  /* the descriptor is in the epoll set */
#define PENDING (1u << 17) /* on the list of sockets with something to report */
#define STOPPED (1u << 18) /* recv_end(-ECANCELED) is to be reported */
#define DETACH (1u << 19)  /* detached() is to be reported */
#define ARMED (1u << 20)   /* receiving: recv_start() without recv_stop() or recv_end() */
#define CONNECT (1u << 21) /* connect under way */
#define EDGE (1u << 22)	   /* in the set for edges of EPOLLERR and EPOLLHUP only */
#define OP_GIVEN 1	   /* plane_word: given to the plane */
#define OP_DONE 2	   /* plane_word: reported */
#define ROUND_MAX 128
#define HOT_STREAK 32	   /* reads of one stream in a row, after which it is looked at alone */
#define HOT_LOOKS 16	   /* looks at it alone before one at all */
#define BUSY_POLL_BUDGET 8 /* packets per poll; over 64 needs CAP_NET_ADMIN */
#define READ_BYTES (512u << 10)
/* Half a read: what is left below a mark as large as a read would wait for the next one. */
#define LOWAT_BYTES (READ_BYTES / 2)
/* Sleeps last this much longer than asked, by default (timer slack); shorter ones do not batch. */
#define SLACK_NS 50000

/**
 * struct epoll_plane - the plane of one engine.
 * @epfd: the set.
 * @timer_fd: timer that ends sleeps, edge-triggered in the set.
 * @timer_ns: when it will expire; UINT64_MAX when it is not running.
 * @direct: buffer that streams are read into.
 * @last_rx: stream that was read last.
 * @rx_streak: times in a row that it was.
 * @hot_looks: looks at it alone since the last look at all.
 * @more: a read of datagrams took all it had room for: there are more, now.
 * @pending: sockets with something to report, linked by plane_next.
 * @ready: result of the last epoll_wait(), ready_at..ready_count not handled yet.
 */
struct epoll_plane {
	int epfd;
	int timer_fd;
	uint64_t timer_ns;
	struct weir_direct direct;
	struct weir_sock *last_rx;
	uint32_t rx_streak, hot_looks;
	bool more;
	struct weir_sock *pending, **pending_tail;
	struct epoll_event ready[ROUND_MAX];
	int ready_at, ready_count;
};

static struct epoll_plane *plane_of(struct weir_engine *e)
{
	return weir_core_of(e)->plane_data;
}

static void plane_close(struct weir_engine *e)
{
	struct epoll_plane *p = plane_of(e);

	if (!p)
		return;
	weir_direct_fini(&p->direct);
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	if (p->epfd >= 0)
		close(p->epfd);
	free(p);
	weir_core_of(e)->plane_data = NULL;
}

/* The kernel polls the NAPI id of a ready socket that has one; others are not touched. */
static int busy_poll(struct weir_engine *e)
{
	struct weir_core *c = weir_core_of(e);
	struct weir_epoll_params arg = { .busy_poll_usecs = c->opts.busy_poll_us,
					 .busy_poll_budget = BUSY_POLL_BUDGET };

	if (!c->opts.busy_poll_us || (c->without & WEIR_WITHOUT_NAPI))
		return -ENOTSUP;
	return ioctl(plane_of(e)->epfd, WEIR_EPIOCSPARAMS, &arg) ? -errno : 0;
}

static int plane_open(struct weir_engine *e, struct weir_error *reterr)
{
	struct weir_core *c = weir_core_of(e);
	struct epoll_event ev = { .events = EPOLLIN };
	/* Nobody reads the timer: an edge per expiry is all that is wanted. */
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET };
	struct epoll_plane *p = calloc(1, sizeof(*p));
	int code;

	if (!p)
		return weir_error_set(reterr, -ENOMEM, "epoll plane", NULL, NULL);
	c->plane_data = p;
	c->lowat_max = LOWAT_BYTES;
	c->zc_reports = true;
	p->pending_tail = &p->pending;
	weir_direct_init(&p->direct, READ_BYTES);
	p->timer_ns = UINT64_MAX;
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->timer_fd < 0 || p->epfd < 0 || epoll_ctl(p->epfd, EPOLL_CTL_ADD, c->wake_fd, &ev) ||
	    epoll_ctl(p->epfd, EPOLL_CTL_ADD, p->timer_fd, &edge)) {
		code = -errno;
		plane_close(e);
		return weir_error_set(reterr, code, "epoll_create1", NULL, "raise ulimit -n");
	}
	snprintf(c->parts, sizeof(c->parts), "level-triggered, reads of %u KiB%s", READ_BYTES >> 10,
		 busy_poll(e) ? "" : ", NAPI busy poll");
	return 0;
}

static int plane_fd(struct weir_engine *e)
{
	return plane_of(e)->epfd;
}

static void interest(struct weir_sock *s, uint32_t set, uint32_t clear)
{
	uint32_t now = ((s->plane_bits & INTEREST) | set) & ~clear;
	struct epoll_event ev = { .events = now, .data.ptr = s };
	struct epoll_plane *p = plane_of(s->engine);

	if (now == (s->plane_bits & INTEREST))
		return;
	s->plane_bits = (s->plane_bits & ~(INTEREST | EDGE)) | now;
	weir_core_of(s->engine)->stats.syscalls++;
	/* handle() takes a dead descriptor that nobody waits for out of the set. */
	if (!epoll_ctl(p->epfd, s->plane_bits & IN_SET ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &ev))
		s->plane_bits |= IN_SET;
}

static void pend(struct weir_sock *s, uint32_t bits)
{
	struct epoll_plane *p = plane_of(s->engine);

	s->plane_bits |= bits;
	if (s->plane_bits & PENDING)
		return;
	s->plane_bits |= PENDING;
	s->plane_next = NULL;
	*p->pending_tail = s;
	p->pending_tail = &s->plane_next;
}

/* Nobody waits for it, but the set would report it for ever. */
static void unwatch(struct weir_sock *s)
{
	struct epoll_event edge = { .events = EPOLLET, .data.ptr = s };
	struct epoll_plane *p = plane_of(s->engine);

	if (!weir_epoll_zc_live(s)) {
		(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, s->fd, NULL);
		s->plane_bits &= ~(IN_SET | EDGE);
		return;
	}
	/* What is there now is reported once more. */
	if (!(s->plane_bits & EDGE) && !epoll_ctl(p->epfd, EPOLL_CTL_MOD, s->fd, &edge))
		s->plane_bits |= EDGE;
}

static void forget_ready(struct weir_sock *s)
{
	struct epoll_plane *p = plane_of(s->engine);

	for (int i = p->ready_at; i < p->ready_count; i++)
		if (p->ready[i].data.ptr == s)
			p->ready[i].events = 0;
}

static int attach(struct weir_sock *s, struct weir_error *reterr)
{
	struct epoll_event ev = { .events = 0, .data.ptr = s };
	struct weir_pool *pool;
	int flags, r;

	/* Memory that cannot be had is an error of the one who opens, not of the first arrival. */
	if (s->kind == WEIR_DGRAM)
		r = weir_core_dgram_pool(s->engine, &pool);
	else
		r = weir_core_stream_pool(s->engine, WEIR_DIRECT_BUF_BYTES, &pool);
	if (r)
		return weir_error_set(reterr, r, "receive area", NULL,
				      "less memory: set area_bytes, or raise the limit");
	/* A listener that blocks would stop the engine when its client has gone. */
	if (s->kind == WEIR_LISTENER) {
		flags = fcntl(s->fd, F_GETFL);
		if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK))
			return weir_error_set(reterr, -errno, "fcntl", NULL, NULL);
	}
	weir_core_of(s->engine)->stats.syscalls++;
	if (epoll_ctl(plane_of(s->engine)->epfd, EPOLL_CTL_ADD, s->fd, &ev))
		return weir_error_set(reterr, -errno, "epoll_ctl", NULL,
				      "raise fs.epoll.max_user_watches");
	s->plane_bits = IN_SET;
	return 0;
}

static void detach(struct weir_sock *s)
{
	struct epoll_plane *p = plane_of(s->engine);

	forget_ready(s);
	if (p->last_rx == s) {
		p->last_rx = NULL;
		p->rx_streak = 0;
	}
	/* An edge may just have been forgotten: not EDGE, so that it is asked for again. */
	s->plane_bits &= ~(INTEREST | EDGE);
	if (s->plane_bits & IN_SET)
		unwatch(s);
	pend(s, DETACH);
}

static int start_connect(struct weir_sock *s, const struct weir_addr *to)
{
	int flags = fcntl(s->fd, F_GETFL);

	if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	if (connect(s->fd, &to->sa, to->len) && errno != EINPROGRESS)
		return -errno;
	s->plane_bits |= CONNECT;
	/* Also when it succeeded at once: the report comes from the next round. */
	interest(s, EPOLLOUT, 0);
	return 0;
}

static int recv_start(struct weir_sock *s)
{
	s->plane_bits &= ~STOPPED;
	s->plane_bits |= ARMED;
	interest(s, EPOLLIN, 0);
	return 0;
}

static void recv_stop(struct weir_sock *s)
{
	interest(s, 0, EPOLLIN);
	s->plane_bits &= ~ARMED;
	pend(s, STOPPED);
}

static void plane_send(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	for (; n; n--, ops = ops->next)
		ops->plane_word = OP_GIVEN;
	/* They are on s->ops_head, too: sent, and reported, by the next poll(). */
	pend(s, 0);
}

static int plane_shutdown(struct weir_sock *s)
{
	return shutdown(s->fd, SHUT_WR) ? -errno : 0;
}

/* The first request that was not reported yet. */
static struct weir_txop *next_op(struct weir_sock *s)
{
	struct weir_txop *op = s->ops_head;

	while (op && op->plane_word != OP_GIVEN)
		op = op->next;
	return op;
}

static void op_report(struct weir_txop *op, int res)
{
	const struct weir_plane_up *up = weir_core_of(op->sock->engine)->up;
	struct weir_zc *zc = op->zc;

	op->plane_word = OP_DONE;
	up->sent(op, res);
	/* Of what was sent, the kernel says it. */
	if (zc && res <= 0)
		up->released(zc, true);
}

static void cancel_ops(struct weir_sock *s)
{
	struct weir_txop *op;

	while ((op = next_op(s)))
		op_report(op, -ECANCELED);
}

/* Without a copy: where it was taken out of the set, it must be in it again. */
static int send_zc(struct weir_sock *s, struct weir_txop *op)
{
	struct epoll_event ev = { .events = s->plane_bits & INTEREST, .data.ptr = s };

	if (!(s->plane_bits & IN_SET)) {
		weir_core_of(s->engine)->stats.syscalls++;
		if (epoll_ctl(plane_of(s->engine)->epfd, EPOLL_CTL_ADD, s->fd, &ev))
			return -ENOBUFS;
		s->plane_bits |= IN_SET;
	}
	return weir_epoll_zc_send(s, op);
}

static void send_ops(struct weir_sock *s)
{
	struct weir_txop *op;
	int r;

	while ((op = next_op(s))) {
		size_t asked = op->bytes;

		r = op->zc ? send_zc(s, op) : weir_direct_send(s, &op->msg);
		if (r == -EAGAIN || (r >= 0 && (size_t)r < asked && s->kind == WEIR_STREAM))
			interest(s, EPOLLOUT, 0);
		op_report(op, r);
		if (!weir_sock_ordered(s) && r != -EAGAIN)
			continue;
		if (r < 0 || (size_t)r < asked) {
			cancel_ops(s);
			return;
		}
	}
}

static int send_now(struct weir_sock *s, const struct msghdr *msg, size_t bytes, bool alone)
{
	(void)bytes, (void)alone;
	return weir_direct_send(s, msg);
}

static void let_go(struct weir_sock *s)
{
	/* A descriptor that somebody has copied would stay in the set. */
	if (s->plane_bits & IN_SET)
		unwatch(s);
	forget_ready(s);
	weir_epoll_zc_free(s);
	close(s->fd);
	s->fd = -1;
	weir_core_of(s->engine)->up->detached(s);
}

static void run_pending(struct weir_engine *e)
{
	struct epoll_plane *p = plane_of(e);
	const struct weir_plane_up *up = weir_core_of(e)->up;
	struct weir_sock *s = p->pending, *next;

	p->pending = NULL;
	p->pending_tail = &p->pending;
	for (; s; s = next) {
		next = s->plane_next;
		s->plane_bits &= ~PENDING;
		if (s->plane_bits & DETACH) {
			cancel_ops(s);
			/* After close(2) the kernel would not say when it is done. */
			if (!weir_epoll_zc_live(s))
				let_go(s);
			continue;
		}
		send_ops(s);
		if (s->plane_bits & STOPPED) {
			s->plane_bits &= ~STOPPED;
			up->recv_end(s, -ECANCELED);
		}
	}
}

static void connect_done(struct weir_sock *s)
{
	socklen_t len = sizeof(int);
	int code = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &code, &len))
		code = errno;
	s->plane_bits &= ~CONNECT;
	interest(s, 0, EPOLLOUT);
	weir_core_of(s->engine)->up->connected(s, -code);
}

static void count_streak(struct epoll_plane *p, struct weir_sock *s)
{
	if (s == p->last_rx) {
		p->rx_streak++;
		return;
	}
	p->last_rx = s;
	p->rx_streak = 0;
}

static void readable(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	bool more = false;
	int r, error = weir_epoll_zc_take_error(s);

	/* Inside recv_end() the core may start again: ARMED must be off before. */
	s->plane_bits &= ~ARMED;
	if (error) {
		weir_core_of(e)->up->recv_end(s, error);
		r = 0;
	} else if (s->kind == WEIR_LISTENER) {
		r = weir_direct_accept(s);
	} else if (s->kind == WEIR_DGRAM) {
		r = weir_direct_recvmsgs(s, &more);
	} else {
		r = weir_direct_recv(&plane_of(e)->direct, s);
	}
	if (r)
		s->plane_bits |= ARMED;
	plane_of(e)->more |= more;
	if (r > 0 && s->kind == WEIR_STREAM)
		count_streak(plane_of(e), s);
	if (!(s->plane_bits & ARMED))
		interest(s, 0, EPOLLIN);
}

/* Returns the events without EPOLLERR where completions were the reason: others come again. */
static uint32_t take_completions(struct weir_sock *s, uint32_t events)
{
	if (!(events & EPOLLERR) || !weir_epoll_zc_read(s))
		return events;
	if ((s->plane_bits & DETACH) && !weir_epoll_zc_live(s))
		pend(s, 0);
	return weir_epoll_zc_has_error(s) ? events : events & ~(uint32_t)EPOLLERR;
}

static void handle(struct weir_sock *s, uint32_t events)
{
	if (s->plane_bits & CONNECT) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			connect_done(s);
		return;
	}
	events = take_completions(s, events);
	if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && (s->plane_bits & EPOLLOUT)) {
		interest(s, 0, EPOLLOUT);
		weir_core_of(s->engine)->up->writable(s);
	}
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && (s->plane_bits & EPOLLIN))
		readable(s);
	else if ((events & (EPOLLERR | EPOLLHUP)) && !(s->plane_bits & INTEREST) &&
		 (s->plane_bits & IN_SET))
		unwatch(s);
}

/* A timer that ends the sleep by @deadline_ns, or earlier: the core waits again then. */
static void timer_cover(struct weir_engine *e, uint64_t deadline_ns)
{
	struct epoll_plane *p = plane_of(e);
	struct itimerspec its = { 0 };

	if (p->timer_ns <= weir_core_of(e)->now_ns)
		p->timer_ns = UINT64_MAX;
	if (p->timer_ns <= deadline_ns)
		return;
	its.it_value.tv_sec = (time_t)(deadline_ns / 1000000000);
	its.it_value.tv_nsec = (long)(deadline_ns % 1000000000);
	weir_core_of(e)->stats.syscalls++;
	if (!timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &its, NULL))
		p->timer_ns = deadline_ns;
}

static void serve_ready(struct weir_engine *e)
{
	struct epoll_plane *p = plane_of(e);

	while (p->ready_at < p->ready_count && weir_core_room(e, WEIR_DIRECT_BATCH)) {
		struct epoll_event *ev = &p->ready[p->ready_at++];

		if (ev->data.ptr && ev->events)
			handle(ev->data.ptr, ev->events);
	}
}

static int round_trip(struct weir_engine *e, int64_t timeout_ns)
{
	struct epoll_plane *p = plane_of(e);
	struct weir_core *c = weir_core_of(e);
	uint64_t before = weir_core_reports(e);
	struct timespec ts;
	int n;

	/* What had no room the last time comes first: sends that end at once might not stop. */
	serve_ready(e);
	run_pending(e);
	if ((weir_core_reports(e) != before && weir_core_busy(e)) || p->pending)
		timeout_ns = 0;
	if (p->ready_at == p->ready_count) {
		ts.tv_sec = timeout_ns / 1000000000;
		ts.tv_nsec = timeout_ns % 1000000000;
		c->stats.waits++;
		c->stats.syscalls++;
		c->stats.sleeps += timeout_ns != 0;
		n = epoll_pwait2(p->epfd, p->ready, ROUND_MAX, timeout_ns < 0 ? NULL : &ts, NULL);
		if (n < 0 && errno != EINTR)
			return -errno;
		p->ready_at = 0;
		p->ready_count = n > 0 ? n : 0;
		/* A spin that found nothing keeps its own clock. */
		if (n > 0 || timeout_ns)
			c->now_ns = weir_clock_ns();
	}
	serve_ready(e);
	run_pending(e);
	return (int)(weir_core_reports(e) - before);
}

/*
 * While the engine spins, a stream that was the only one for a while is read without asking the
 * set first; the set is asked every HOT_LOOKS times.
 */
static bool hot_read(struct weir_engine *e, uint64_t before)
{
	struct epoll_plane *p = plane_of(e);
	struct weir_sock *s = p->last_rx;

	if (p->rx_streak < HOT_STREAK || ++p->hot_looks % HOT_LOOKS == 0 ||
	    !weir_core_of(e)->opts.spin_us || (weir_core_of(e)->without & WEIR_WITHOUT_DIRECT) ||
	    !(s->plane_bits & ARMED) || !weir_core_room(e, 1))
		return false;
	run_pending(e);
	/* It may have been closed by what was reported. */
	if (weir_core_reports(e) == before && p->last_rx == s && (s->plane_bits & ARMED))
		readable(s);
	return true;
}

static int plane_poll(struct weir_engine *e)
{
	uint64_t before = weir_core_reports(e);

	if (hot_read(e, before))
		return (int)(weir_core_reports(e) - before);
	return round_trip(e, 0);
}

/*
 * Batching: sleep without watching the set.  What arrives meanwhile wakes nobody, which is most of
 * what a small datagram costs, and is read in one go.
 */
static int batch(struct weir_engine *e, const struct weir_wait *w)
{
	struct timespec ts = { .tv_nsec = (long)w->min_wait_ns };
	struct weir_core *c = weir_core_of(e);

	c->stats.syscalls++;
	c->stats.sleeps++;
	/* A signal ends it early, as it may end any wait. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	c->now_ns = weir_clock_ns();
	return round_trip(e, 0);
}

/* Nothing is known to be there, nothing waits to be sent, and the sleep is a small error. */
static bool may_batch(struct weir_engine *e, const struct weir_wait *w)
{
	struct epoll_plane *p = plane_of(e);

	return w->min_wait_ns >= SLACK_NS && !p->more && !p->pending &&
	       p->ready_at == p->ready_count &&
	       (w->timeout_ns < 0 || (uint64_t)w->timeout_ns > w->min_wait_ns);
}

static int plane_wait(struct weir_engine *e, struct weir_wait *w)
{
	struct epoll_plane *p = plane_of(e);
	int64_t timeout_ns = w->timeout_ns;
	int r;

	if (may_batch(e, w)) {
		r = batch(e, w);
		if (r)
			return r;
		timeout_ns -= timeout_ns < 0 ? 0 : (int64_t)w->min_wait_ns;
	} else {
		w->min_wait_ns = 0;
	}
	p->more = false;
	if (timeout_ns <= 0)
		return round_trip(e, timeout_ns);
	timer_cover(e, w->deadline_ns);
	return round_trip(e, p->timer_ns <= w->deadline_ns ? -1 : timeout_ns);
}

static int plane_flush(struct weir_engine *e)
{
	run_pending(e);
	return 0;
}

const struct weir_plane_ops weir_plane_epoll = {
	.name = "epoll",
	.id = WEIR_PLANE_EPOLL,
	.open = plane_open,
	.close = plane_close,
	.fd = plane_fd,
	.poll = plane_poll,
	.wait = plane_wait,
	.flush = plane_flush,
	.attach = attach,
	.detach = detach,
	.connect = start_connect,
	.recv_start = recv_start,
	.recv_stop = recv_stop,
	.send = plane_send,
	.send_now = send_now,
	.shutdown = plane_shutdown,
	.zerocopy = weir_epoll_zc_can,
};
