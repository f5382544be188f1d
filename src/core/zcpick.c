// SPDX-License-Identifier: MIT
/*
 * zcpick.c - plain send or zero copy: the choice for a socket that leaves it to us.
 *
 * Theory: what is known is kept per path, that is per family, kind of socket and local address, and
 *	for an address of this machine apart.  A socket goes by what its path knows until it has
 *	sent OWN_AFTER requests; then it gets knowledge of its own, begun with the path's: what
 *	memory a program sends from, hot or cold, registered or not, is the socket's matter.  When
 *	it is closed the path learns from it.  Connections that end sooner share their path's
 *	trials.
 *	In between, a request costs one counter and two comparisons; QUIET of them at most go by
 *	before the choice is looked at again.
 *	What is measured is the thread's CPU time.  For a first answer, and where an engine has much
 *	else to do, that is the cost of single requests, from before one is given to the plane
 *	until the kernel has it; a usual cost of notifications is added.  It is rough: a request
 *	alone costs other than in its batch, and so does memory that meanwhile cooled down.  Where
 *	the kinds come out alike whole cycles of the engine are compared after that, all requests
 *	of one in one kind: notifications, wake-ups and caches are in it.
 *	A program that waits for its memory before it sends the next would be slowed down by zero
 *	copy to a round trip per request, at no cost in CPU.  So after a measured request, time is
 *	taken at its release: if the thread has slept meanwhile, the socket had nothing else to do,
 *	nothing was received, and the next request comes at once, that is a stall; after some
 *	of them zero copy rests, for a second and more.
 * Invariants: 1. zc_from is UINT32_MAX while zero copy rests, or where the path copies.
 * Ownership: struct weir_zcpick and knowledge of its own are the socket's; paths are the engine's.
 * Threads: the engine's.
 * Errors: without memory a socket goes by its path, or sends plain.
 * Sources: include/linux/skbuff.h skb_orphan_frags_rx() (Linux 7.3): what goes to a socket of this
 *	machine is copied.
 * Tests: tests/unit/test_zcpick.c
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core.h"

#define OWN_AFTER 64u
#define ALLOWANCE 512u	 /* measured requests of an engine that need not be earned */
#define EARN 64u	 /* requests for one more */
#define OWN_BYTES 65536u /* a stream's request of so many has packets of its own */
#define IDLE_NS 10000u	 /* idle for less is nothing */
#define IDLE_SHARE 16u	 /* nor is a sixteenth of the time */
#define RING_NS 100.f	 /* a notification, in a first guess */
#define ERRQ_NS 400.f	 /* the same by the error queue */
#define REFUSED_NS 1000000ull
#define REFUSED_MAX_NS 1000000000ull

/**
 * struct weir_zcpath - what is known of a path.
 * @family: key.
 * @kind: key.
 * @own_address: key.
 * @addr: key: local address.
 * @users: sockets.
 * @learn: the knowledge.
 */
struct weir_zcpath {
	uint8_t family;
	uint8_t kind;
	bool own_address;
	uint8_t addr[16];
	uint32_t users;
	struct weir_zclearn learn;
};

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

uint64_t (*weir_zcpick_clock)(clockid_t clock) = read_clock;

static uint64_t count_sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : (uint64_t)usage.ru_nvcsw;
}

uint64_t (*weir_zcpick_sleeps)(void) = count_sleeps;

static void *take(struct weir_engine *e, size_t bytes)
{
	return weir_engine_alloc(e, bytes);
}

static void give(struct weir_engine *e, void *p, size_t bytes)
{
	if (p)
		e->c.stats.heap_bytes -= bytes;
	free(p);
}

static void calibrate(struct weir_zcpicks *z)
{
	uint64_t best = UINT32_MAX;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t a = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID);
		uint64_t b = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID);

		if (b - a < best)
			best = b - a;
	}
	z->clock_ns = (uint32_t)best;
}

static void address(const struct sockaddr_storage *a, uint8_t *to)
{
	memset(to, 0, 16);
	if (a->ss_family == AF_INET)
		memcpy(to, &((const struct sockaddr_in *)a)->sin_addr, 4);
	else if (a->ss_family == AF_INET6)
		memcpy(to, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
}

/* What a socket that is not bound, or not there, has is all zeroes: a path like others. */
static void key_of(const struct weir_sock *s, struct weir_zcpath *key)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t len = sizeof(local);
	uint8_t to[16];

	key->family = s->family;
	key->kind = s->kind;
	if (getsockname(s->fd, (struct sockaddr *)&local, &len))
		local.ss_family = AF_UNSPEC;
	address(&local, key->addr);
	len = sizeof(peer);
	if (local.ss_family == AF_UNSPEC || getpeername(s->fd, (struct sockaddr *)&peer, &len))
		return;
	/* The kernel gives the way to an address of this machine that same address. */
	address(&peer, to);
	key->own_address = peer.ss_family == local.ss_family && !memcmp(to, key->addr, sizeof(to));
}

static bool same(const struct weir_zcpath *a, const struct weir_zcpath *b)
{
	return a->family == b->family && a->kind == b->kind && a->own_address == b->own_address &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* The path of @key, made where it is new; one that nobody uses makes room. */
static struct weir_zcpath *path_of(struct weir_engine *e, const struct weir_zcpath *key)
{
	struct weir_zcpicks *z = e->zcpick;
	struct weir_zcpath **place = NULL, *path;

	for (unsigned i = 0; i < z->path_count; i++) {
		if (same(z->paths[i], key))
			return z->paths[i];
		if (!z->paths[i]->users)
			place = &z->paths[i];
	}
	if (z->path_count == WEIR_ZCPICK_PATHS && !place)
		return NULL;
	path = take(e, sizeof(*path));
	if (!path)
		return NULL;
	*path = *key;
	weir_zclearn_init(&path->learn, key->own_address);
	if (z->path_count < WEIR_ZCPICK_PATHS) {
		z->paths[z->path_count++] = path;
		return path;
	}
	if (z->cycle == &(*place)->learn)
		z->cycle = NULL;
	give(e, *place, sizeof(*path));
	*place = path;
	return path;
}

static void begin(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	struct weir_zcpath key = { 0 };
	struct weir_zcpick *p;

	if (!e->zcpick) {
		e->zcpick = take(e, sizeof(*e->zcpick));
		if (!e->zcpick)
			return;
		calibrate(e->zcpick);
	}
	p = take(e, sizeof(*p));
	if (!p)
		return;
	key_of(s, &key);
	p->path = path_of(e, &key);
	if (p->path) {
		p->path->users++;
		p->learn = &p->path->learn;
	} else {
		p->learn = take(e, sizeof(*p->learn));
		if (!p->learn) {
			give(e, p, sizeof(*p));
			return;
		}
		weir_zclearn_init(p->learn, key.own_address);
		p->own = true;
	}
	s->zcpick = p;
}

/* Knowledge of its own, where what it costs to verify that was earned. */
static void own(struct weir_sock *s)
{
	struct weir_zcpicks *z = s->engine->zcpick;
	struct weir_zcpick *p = s->zcpick;
	struct weir_zclearn *l;

	p->requests = 0;
	if (z->measured > ALLOWANCE + z->requests / EARN)
		return;
	l = take(s->engine, sizeof(*l));
	if (!l)
		return;
	weir_zclearn_inherit(l, p->learn);
	p->learn = l;
	p->own = true;
}

/* Requests that went by since the last look; they are past. */
static void count(struct weir_sock *s)
{
	struct weir_zcpick *p = s->zcpick;
	uint32_t n = p->given - p->quiet;

	p->given = p->quiet = 0;
	p->learn->seen += n;
	p->requests += n;
	s->engine->zcpick->requests += n;
}

/* Was the program waiting for the release that the engine's last wait brought? */
static void look_at_stall(struct weir_sock *s)
{
	const struct weir_core *c = &s->engine->c;
	struct weir_zcpick *p = s->zcpick;
	bool stalled = p->stall_wait == c->stats.waits + 1 && p->watch_rx == c->stats.rx_bytes;

	weir_zclearn_stalled(p->learn, stalled, p->stall_ns, c->now_ns);
	p->stall_wait = 0;
}

static void begin_cycles(struct weir_engine *e, struct weir_zclearn *l)
{
	e->zcpick->cycle = l;
	e->zcpick->cycle_ns = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID);
	e->zcpick->cycle_tx = e->c.stats.tx_bytes;
}

void weir_zcpick_cycle_end(struct weir_engine *e)
{
	struct weir_zcpicks *z = e->zcpick;
	uint64_t now = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID);

	weir_zclearn_cycle(z->cycle, (float)(now - z->cycle_ns), e->c.stats.tx_bytes - z->cycle_tx,
			   e->c.now_ns);
	z->measured++;
	z->cycle_ns = now;
	z->cycle_tx = e->c.stats.tx_bytes;
	if (!z->cycle->t.on)
		z->cycle = NULL;
}

bool weir_zcpick_slow(struct weir_sock *s, size_t bytes)
{
	struct weir_engine *e = s->engine;
	struct weir_zcpick *p;
	struct weir_zclearn *l;

	if (!s->zcpick)
		begin(s);
	p = s->zcpick;
	if (!p)
		return false;
	/* What is due, and was not made after all, is still due. */
	if (p->due && weir_zclearn_class(bytes) == weir_zclearn_class(p->bytes)) {
		p->bytes = bytes;
		return p->zc;
	}
	count(s);
	if (p->stall_wait)
		look_at_stall(s);
	if (!p->own && p->requests >= OWN_AFTER && !p->learn->t.on)
		own(s);
	l = p->learn;
	l->seen++;
	p->requests++;
	e->zcpick->requests++;
	p->zc = weir_zclearn_ask(l, bytes, !e->zcpick->cycle || e->zcpick->cycle == l, e->c.now_ns,
				 &p->due);
	if (l->t.on && l->t.cycles && !e->zcpick->cycle)
		begin_cycles(e, l);
	p->bytes = bytes;
	p->alone = !s->zc_count;
	p->to = l->to;
	s->zc_from = l->copies || l->held ? UINT32_MAX : l->from;
	/* A plain request of a trial is made of what others would be made of. */
	if ((p->due || l->t.on) && !p->zc)
		s->zc_from = UINT32_MAX;
	p->quiet = p->due ? 0 : weir_zclearn_quiet(l);
	if (!p->own && p->quiet >= OWN_AFTER)
		p->quiet = OWN_AFTER - 1;
	p->given = p->quiet;
	return p->zc;
}

void weir_zcpick_begin(struct weir_sock *s, const struct weir_txop *op)
{
	struct weir_zcpick *p = s->zcpick;

	p->sending = op ? op->zc : NULL;
	p->op_bytes = op ? op->bytes : 0;
	p->tx_bytes = s->stats.tx_bytes;
	p->cpu_ns = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID);
}

void weir_zcpick_end(struct weir_sock *s)
{
	struct weir_zcpick *p = s->zcpick;
	struct weir_engine *e = s->engine;
	uint64_t now = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID), ns = now - p->cpu_ns;
	size_t bytes = p->op_bytes ? p->op_bytes : (size_t)(s->stats.tx_bytes - p->tx_bytes);

	/* Refused, or not sent in the end: it is still due. */
	if (!p->due || !bytes)
		return;
	p->due = false;
	ns -= ns < e->zcpick->clock_ns ? ns : e->zcpick->clock_ns;
	e->zcpick->measured++;
	/* Peeked at, a request may have been larger or smaller than it was then made. */
	weir_zclearn_sample(p->learn, p->bytes, p->zc, (float)ns * (float)p->bytes / (float)bytes,
			    e->plane_id == WEIR_PLANE_EPOLL ? ERRQ_NS : RING_NS, e->c.now_ns);
	s->zc_from = p->learn->copies || p->learn->held ? UINT32_MAX : p->learn->from;
	if (!p->sending)
		return;
	p->watch = p->sending;
	p->sending = NULL;
	p->watch_cpu_ns = now;
	p->watch_wall_ns = weir_zcpick_clock(CLOCK_MONOTONIC);
	p->watch_sleeps = weir_zcpick_sleeps();
	p->watch_rx = e->c.stats.rx_bytes;
}

/* How long was the thread idle since the request that is watched? */
static void watched(struct weir_sock *s)
{
	struct weir_zcpick *p = s->zcpick;
	uint64_t wall = weir_zcpick_clock(CLOCK_MONOTONIC) - p->watch_wall_ns;
	uint64_t cpu = weir_zcpick_clock(CLOCK_THREAD_CPUTIME_ID) - p->watch_cpu_ns;

	p->watch = NULL;
	/* Others had the CPU, perhaps another machine: that is no waiting. */
	if (weir_zcpick_sleeps() == p->watch_sleeps || wall < cpu + IDLE_NS ||
	    (wall - cpu) * IDLE_SHARE < wall || s->tx_head || s->ops_count) {
		weir_zclearn_stalled(p->learn, false, 0, s->engine->c.now_ns);
		return;
	}
	p->stall_wait = s->engine->c.stats.waits + 1;
	p->stall_ns = wall - cpu;
	count(s);
}

void weir_zcpick_released(struct weir_sock *s, const struct weir_zc *zc)
{
	struct weir_zcpick *p = s->zcpick;
	bool own_packets = !weir_sock_ordered(s) || zc->bytes >= OWN_BYTES ||
			   (p && p->alone && s->zc_count <= 1);

	if (!p)
		return;
	if (p->sending == zc)
		p->sending = NULL;
	if (p->watch == zc)
		watched(s);
	if (zc->bytes < WEIR_ZCPICK_MIN || (zc->copied && !own_packets) || !s->engine->c.zc_reports)
		return;
	weir_zclearn_report(p->learn, zc->bytes, zc->copied, s->engine->c.now_ns);
	/* What has just turned out is to be acted upon by the next request. */
	if (s->zc_from != UINT32_MAX && p->learn->copies)
		s->zc_from = UINT32_MAX;
}

void weir_zcpick_refused(struct weir_sock *s, int res)
{
	struct weir_zcpick *p = s->zcpick;

	if (!p)
		return;
	p->due = false;
	p->sending = p->watch = NULL;
	if (s->zc_never || res == -EOPNOTSUPP)
		return;
	p->learn->held_res = res;
	weir_zclearn_hold(p->learn, WEIR_ZCHOLD_REFUSED, REFUSED_NS, REFUSED_MAX_NS,
			  s->engine->c.now_ns);
	s->zc_from = UINT32_MAX;
	count(s);
}

static size_t say(char *buf, size_t bytes, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, bytes, fmt, args);
	va_end(args);
	if (n < 0 || !bytes)
		return 0;
	return (size_t)n < bytes ? (size_t)n : bytes - 1;
}

static double kib(uint32_t bytes)
{
	return (double)bytes / 1024;
}

static size_t why_learnt(const struct weir_zclearn *l, char *buf, size_t bytes)
{
	if (l->from != UINT32_MAX && l->to != UINT32_MAX)
		return say(buf, bytes, "sends: zero-copy from %.3g to %.3g KiB (learnt)",
			   kib(l->from), kib(l->to));
	if (l->from != UINT32_MAX)
		return say(buf, bytes, "sends: zero-copy from %.3g KiB (learnt)", kib(l->from));
	if (l->lo < 0)
		return say(buf, bytes, "sends copy: zero copy is being tried");
	return say(buf, bytes, "sends copy: zero copy does not pay below %.3g KiB (learnt)",
		   kib(weir_zclearn_class_bytes((unsigned)l->lo + 1)));
}

size_t weir_zcpick_why(const struct weir_sock *s, char *buf, size_t bytes)
{
	const struct weir_zclearn *l;
	const char *name;

	if (s->kind == WEIR_LISTENER)
		return 0;
	if (s->zc_mode == WEIR_TX_PLAIN)
		return say(buf, bytes, "sends copy: as asked for");
	if (s->zc_never)
		return say(buf, bytes, "sends copy: %s",
			   s->engine->c.zerocopy ?
				   "this socket has no zero copy (EOPNOTSUPP)" :
				   "the plane has no zero copy here, or not to be used");
	if (s->zc_mode == WEIR_TX_FORCED)
		return say(buf, bytes, "sends: zero-copy, as asked for");
	if (!s->zcpick)
		return 0;
	l = s->zcpick->learn;
	if (l->held == WEIR_ZCHOLD_WAITS)
		return say(buf, bytes, "sends copy: the program waits for the end of each send");
	if (l->held == WEIR_ZCHOLD_REFUSED) {
		name = strerrorname_np(-l->held_res);
		return say(buf, bytes, "sends copy: the kernel refused zero copy (%s)",
			   name ? name : "?");
	}
	if (l->copies)
		return say(buf, bytes, "sends copy: the path copies%s",
			   l->own_address ? " (to this machine)" : "");
	return why_learnt(l, buf, bytes);
}

void weir_zcpick_close(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;
	struct weir_zcpick *p = s->zcpick;

	if (!p)
		return;
	count(s);
	if (p->own) {
		/* Where it was not merely inherited. */
		if (p->path && p->learn->round_at && !p->learn->t.on && !p->learn->held)
			p->path->learn = *p->learn;
		if (e->zcpick->cycle == p->learn)
			e->zcpick->cycle = NULL;
		give(e, p->learn, sizeof(*p->learn));
	}
	if (p->path)
		p->path->users--;
	give(e, p, sizeof(*p));
	s->zcpick = NULL;
}

void weir_zcpick_fini(struct weir_engine *e)
{
	struct weir_zcpicks *z = e->zcpick;

	if (!z)
		return;
	while (z->path_count)
		give(e, z->paths[--z->path_count], sizeof(struct weir_zcpath));
	give(e, z, sizeof(*z));
	e->zcpick = NULL;
}
