// SPDX-License-Identifier: MIT
/*
 * sock.c - the life of a socket after it was opened.
 *
 * Theory:
 *	            ┌── pause ──┐                          finish(): queue drains, end of stream
 *	open ──> receiving ──> paused        ended ──> ... ──> lingering ──┐
 *	            └────────── close() ──────────────────────────────────┴─> closing
 *	closing: the plane cancels what is in flight and reports detached; then queued writes are
 *	reported as cancelled, CLOSED is queued, and the memory is freed when that event was given
 *	back.  Memory that the kernel still sends from is waited for (zc.c).  finish() of a stream
 *	whose peer has not ended yet sends end of stream and discards what still comes, for at most
 *	LINGER_US: closing at once with unread data would reset the connection and could cost the
 *	peer the last bytes.
 * Invariants: 1. rx_armed is true exactly while the plane has a receive of the socket.  2. after
 *	closing no request is started.  3. freed only after detached and CLOSED.
 * Ownership: the engine's list owns every socket; the plane closes the descriptor.
 * Threads: the engine's.
 * Errors: receiving that cannot be started is tried again later (starved or retry list).
 * Sources: RFC 1122 4.2.2.13 (a close with unread data resets), tcp(7); net/sctp/socket.c
 *	sctp_close() (the same, Linux 7.3).
 * Tests: tests/contract/
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define LINGER_US 2000000ull
#define STARVED_MANY 4

static uint8_t zc_mode(const struct weir_engine *e, uint32_t flags)
{
	if (flags & WEIR_SOCK_PLAIN)
		return WEIR_TX_PLAIN;
	if (flags & WEIR_SOCK_ZEROCOPY || e->c.opts.zerocopy == WEIR_ZEROCOPY_ALWAYS)
		return WEIR_TX_FORCED;
	return e->c.opts.zerocopy == WEIR_ZEROCOPY_NEVER ? WEIR_TX_PLAIN : WEIR_TX_AUTO;
}

struct weir_sock *weir_sock_new(struct weir_engine *e, int fd, int kind, int family,
				const struct weir_sock_opts *o)
{
	struct weir_sock *s = weir_engine_alloc(e, sizeof(*s));

	if (!s)
		return NULL;
	s->engine = e;
	s->plane = e->c.ops;
	s->fd = fd;
	s->kind = (uint8_t)kind;
	s->family = (uint8_t)family;
	s->flags = (uint16_t)o->flags;
	/* On a listener the flag speaks of the connections it will accept. */
	s->paused = kind != WEIR_LISTENER && (o->flags & WEIR_SOCK_PAUSED);
	s->is_tcp = kind == WEIR_STREAM && (family == AF_INET || family == AF_INET6);
	s->plane_slot = -1;
	s->tx_max = o->tx_queue_max ? o->tx_queue_max : 1024;
	if (e->c.without & WEIR_WITHOUT_LOWAT)
		s->flags |= WEIR_SOCK_NO_LOWAT;
	if (e->c.without & WEIR_WITHOUT_GSO)
		s->no_gso = true;
	s->zc_from = UINT32_MAX;
	s->zc_mode = zc_mode(e, o->flags);
	s->zc_never = !e->c.zerocopy || !(s->is_tcp || kind == WEIR_DGRAM);
	if (o->name)
		snprintf(s->name, sizeof(s->name), "%s", o->name);
	weir_txq_init(s);
	s->all_next = e->socks;
	if (e->socks)
		e->socks->all_prev = s;
	e->socks = s;
	e->c.stats.sockets++;
	return s;
}

static void unlist(struct weir_sock **head, struct weir_sock *s, size_t link)
{
	while (*head) {
		if (*head == s) {
			*head = *(struct weir_sock **)((char *)s + link);
			return;
		}
		head = (struct weir_sock **)((char *)*head + link);
	}
}

void weir_sock_free(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;

	weir_lowat_drop(s);
	weir_zcpick_close(s);
	weir_keep_forget_sock(s);
	if (s->tx_dirty)
		unlist(&e->dirty_head, s, offsetof(struct weir_sock, dirty_next));
	if (s->rx_starved)
		unlist(&e->starved_head, s, offsetof(struct weir_sock, starved_next));
	if (s->tx_retry)
		unlist(&e->retry_head, s, offsetof(struct weir_sock, retry_next));
	if (s->all_prev)
		s->all_prev->all_next = s->all_next;
	else
		e->socks = s->all_next;
	if (s->all_next)
		s->all_next->all_prev = s->all_prev;
	if (s->linger)
		weir_timer_stop(e, s->linger);
	free(s->linger);
	free(s->connect_to);
	weir_tie_end(&s->tie);
	e->c.stats.sockets--;
	e->c.stats.heap_bytes -= sizeof(*s);
	free(s);
}

/* Receive (or accept) if that is wanted and possible and not done already. */
void weir_sock_want_rx(struct weir_sock *s)
{
	int r;

	if (s->paused || s->rx_held_up || s->rx_armed || s->rx_ended || s->closing ||
	    s->connecting || s->rx_starved || s->tx_retry)
		return;
	s->rx_armed = true;
	r = s->plane->recv_start(s);
	if (!r)
		return;
	s->rx_armed = false;
	if (r == -ENOBUFS)
		weir_sock_starve(s);
	else
		weir_sock_retry_later(s);
}

/* No buffer: receive again as soon as one is free. */
void weir_sock_starve(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;

	e->c.stats.starved++;
	if (s->rx_starved)
		return;
	s->rx_starved = true;
	s->starved_next = e->starved_head;
	e->starved_head = s;
}

static bool has_buffers(const struct weir_pool *p)
{
	return p && (p->free_count || p->count[WEIR_BUF_KERNEL]);
}

/*
 * One socket that takes all buffers in one go is just fast: starting it again costs little, and
 * few buffers stay in the cache.  Many that wait at once need more buffers.  (How many buffers
 * datagrams get follows from their size: uring_rx.c.)
 */
static void grow_target(struct weir_engine *e)
{
	unsigned streams = 0;

	for (const struct weir_sock *s = e->starved_head; s; s = s->starved_next)
		streams += s->kind == WEIR_STREAM;
	if (streams >= STARVED_MANY && e->c.stream_pool)
		weir_pool_starved(e->c.stream_pool);
}

static bool can_recv(struct weir_sock *s, bool stream, bool dgram)
{
	if (s->kind == WEIR_DGRAM)
		return dgram;
	return s->plane->can_recv ? s->plane->can_recv(s) : stream;
}

/* The list grows at its head: who has waited longest is served first. */
static struct weir_sock *oldest_first(struct weir_sock *s)
{
	struct weir_sock *list = NULL, *next;

	for (; s; s = next) {
		next = s->starved_next;
		s->starved_next = list;
		list = s;
	}
	return list;
}

void weir_sock_feed_starved(struct weir_engine *e)
{
	struct weir_sock *s, *next;
	bool stream = has_buffers(e->c.stream_pool), dgram = has_buffers(e->c.dgram_pool);

	if (!e->starved_head || (!stream && !dgram && !e->c.ifq_count))
		return;
	grow_target(e);
	s = oldest_first(e->starved_head);
	e->starved_head = NULL;
	for (; s; s = next) {
		next = s->starved_next;
		s->rx_starved = false;
		if (s->closing)
			continue;
		if (can_recv(s, stream, dgram)) {
			weir_sock_want_rx(s);
		} else {
			s->rx_starved = true;
			s->starved_next = e->starved_head;
			e->starved_head = s;
		}
	}
}

void weir_sock_retry_later(struct weir_sock *s)
{
	struct weir_engine *e = s->engine;

	if (s->tx_retry || s->closing)
		return;
	if (!e->retry_head)
		e->retry_at_ns = e->c.now_ns + WEIR_RETRY_NS;
	s->tx_retry = true;
	s->retry_next = e->retry_head;
	e->retry_head = s;
}

void weir_sock_run_retries(struct weir_engine *e)
{
	struct weir_sock *s = e->retry_head, *next;

	if (!s || e->c.now_ns < e->retry_at_ns)
		return;
	e->retry_head = NULL;
	for (; s; s = next) {
		next = s->retry_next;
		s->tx_retry = false;
		weir_sock_want_rx(s);
		weir_txq_dirty(s);
	}
}

static bool is_connection(const struct weir_sock *s)
{
	return s->kind == WEIR_STREAM || s->one_to_one;
}

static void linger(struct weir_sock *s)
{
	if (s->linger)
		return;
	s->linger = calloc(1, sizeof(*s->linger));
	if (!s->linger) {
		weir_sock_close(s);
		return;
	}
	s->linger->fn = weir_sock_linger_expired;
	s->linger->user = s;
	s->paused = s->rx_held_up = false;
	weir_sock_want_rx(s);
	if (weir_timer_start(s->engine, s->linger, LINGER_US))
		weir_sock_close(s);
}

void weir_sock_linger_expired(struct weir_engine *e, struct weir_timer *t)
{
	struct weir_sock *s = t->user;

	(void)e;
	if (s->closing)
		weir_zc_purge(s);
	else
		weir_sock_close(s);
}

/* Called when the queue may have drained: end of stream and close that waited for it. */
void weir_sock_progress(struct weir_sock *s)
{
	if (s->closing || s->connecting || s->tx_retry)
		return;
	if (s->tx_broken && s->finishing && !s->ops_count) {
		weir_sock_close(s);
		return;
	}
	if (s->tx_head || s->ops_count || s->left_head)
		return;
	if (s->shut_wanted && !s->shut_done && !s->tx_broken) {
		s->shut_done = true;
		if (s->one_to_one)
			weir_sctp_end_wanted(s);
		if (s->plane->shutdown(s))
			s->tx_broken = true;
	}
	if (!s->finishing)
		return;
	if (!is_connection(s) || s->rx_ended || s->tx_broken)
		weir_sock_close(s);
	else
		linger(s);
}

int weir_sock_shutdown(struct weir_sock *s)
{
	if (!s || !is_connection(s))
		return -EINVAL;
	if (s->closing || s->tx_broken)
		return -EPIPE;
	s->shut_wanted = true;
	weir_txq_dirty(s);
	weir_txq_kick(s->engine);
	return 0;
}

void weir_sock_finish(struct weir_sock *s)
{
	if (!s || s->closing || s->finishing)
		return;
	weir_event_forget_sock(s->engine, s);
	s->finishing = true;
	s->shut_wanted = is_connection(s);
	weir_txq_dirty(s);
	weir_txq_kick(s->engine);
}

void weir_sock_close(struct weir_sock *s)
{
	if (!s || s->closing)
		return;
	weir_event_forget_sock(s->engine, s);
	weir_lowat_drop(s);
	weir_unix_forget(s);
	weir_group_remove(s);
	s->closing = true;
	s->plane->detach(s);
	weir_zc_closing(s);
	weir_txq_kick(s->engine);
}

/* The plane has let go: nothing is in flight, all memory is the application's again. */
void weir_sock_finish_closed(struct weir_sock *s)
{
	weir_assert(s->closing && !s->ops_count && !s->zc_head && !s->closed);
	s->closed = true;
	weir_txq_cancel_all(s, -ECANCELED);
	weir_event_push(s->engine, WEIR_EVENT_CLOSED, s, 0);
}

static void stop_rx(struct weir_sock *s)
{
	if (!s->rx_armed || s->rx_stopping || s->closing)
		return;
	s->rx_stopping = true;
	s->plane->recv_stop(s);
	weir_txq_kick(s->engine);
}

void weir_sock_pause(struct weir_sock *s)
{
	if (!s || s->paused || s->finishing)
		return;
	s->paused = true;
	stop_rx(s);
}

/* As pause and resume, but the library's own: a socket that keeps too much (pressure.c). */
void weir_sock_hold_up(struct weir_sock *s, bool on)
{
	s->rx_held_up = on;
	if (on)
		stop_rx(s);
	else
		weir_sock_want_rx(s);
}

void weir_sock_resume(struct weir_sock *s)
{
	if (!s || !s->paused)
		return;
	s->paused = false;
	weir_group_resume(s);
	/* A stop that is under way ends in recv_end(), which receives again. */
	weir_sock_want_rx(s);
	weir_txq_kick(s->engine);
}

void weir_sock_set_ops(struct weir_sock *s, const struct weir_sock_ops *ops, void *user)
{
	s->ops = ops;
	s->user = user;
}

void *weir_sock_user(const struct weir_sock *s)
{
	return s->user;
}

int weir_sock_fd(const struct weir_sock *s)
{
	return s->closing ? -1 : s->fd;
}

struct weir_engine *weir_sock_engine(const struct weir_sock *s)
{
	return s->engine;
}

const char *weir_sock_name(const struct weir_sock *s)
{
	return s->name;
}

int weir_sock_local(const struct weir_sock *s, struct weir_addr *ret)
{
	struct weir_addr addr = { .len = sizeof(addr.storage) };

	if (getsockname(s->fd, &addr.sa, &addr.len))
		return -errno;
	*ret = addr;
	return 0;
}

int weir_sock_peer(const struct weir_sock *s, struct weir_addr *ret)
{
	struct weir_addr addr = { .len = sizeof(addr.storage) };

	if (getpeername(s->fd, &addr.sa, &addr.len))
		return -errno;
	*ret = addr;
	return 0;
}

enum weir_plane weir_sock_plane(const struct weir_sock *s)
{
	return s->engine->plane_id;
}

void weir_sock_get_stats(const struct weir_sock *s, struct weir_sock_stats *ret)
{
	*ret = (struct weir_sock_stats){
		.rx_bytes = s->stats.rx_bytes,
		.rx_copied_bytes = s->stats.rx_copied,
		.rx_datagrams = s->stats.rx_datagrams,
		.rx_completions = s->stats.rx_completions,
		.tx_bytes = s->stats.tx_bytes,
		.tx_datagrams = s->stats.tx_datagrams,
		.tx_requests = s->stats.tx_requests,
		.tx_partial = s->stats.tx_partial,
		.tx_queued = s->tx_count,
		.tx_queued_bytes = s->tx_bytes_queued,
		.tx_zc_bytes = s->stats.tx_zc_bytes,
		.tx_zc_copied_bytes = s->stats.tx_zc_copied,
		.tx_unreleased = s->zc_count,
	};
}
