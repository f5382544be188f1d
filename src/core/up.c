// SPDX-License-Identifier: MIT
/*
 * up.c - what planes report, turned into state and events.
 *
 * Theory: one function per report of struct weir_plane_up.  Each updates the socket and the
 *	ledger and queues at most one event.  Nothing here calls the application; nothing here
 *	starts requests except receiving again where a receive ended for no reason that matters.
 * Invariants: 1. reports of a closing socket change the ledger and nothing else.  2. ENDED is
 *	queued once per socket.
 * Ownership: accepted descriptors are the socket's that is made for them, or closed.
 * Threads: the engine's, from inside the plane's poll() and wait().
 * Errors: a failed accept is retried after WEIR_RETRY_NS where waiting helps (EMFILE, ENFILE,
 *	ENOBUFS, ENOMEM); the application sees ERROR.
 * Sources: accept(2), errors that a new connection already has.
 * Tests: tests/contract/
 */
#include <netinet/tcp.h>
#include <unistd.h>

#include "core.h"

/* By this listener's plane, or by that of another engine of the group. */
void weir_sock_accepted(struct weir_sock *listener, int fd)
{
	struct weir_engine *e = listener->engine;
	struct weir_sock_opts o = { .flags = listener->flags, .tx_queue_max = listener->tx_max };
	struct weir_sock *s;

	s = weir_sock_new(e, fd, listener->is_sctp ? WEIR_DGRAM : WEIR_STREAM, listener->family,
			  &o);
	if (!s) {
		close(fd);
		weir_event_push(e, WEIR_EVENT_ERROR, listener, -ENOMEM);
		return;
	}
	s->ops = listener->ops;
	s->user = listener->user;
	if (e->c.ops->attach(s, NULL)) {
		s->fd = -1;
		close(fd);
		weir_sock_free(s);
		weir_event_push(e, WEIR_EVENT_ERROR, listener, -ENOMEM);
		return;
	}
	/* An option that cannot be set costs stream numbers, not the connection. */
	if (listener->is_sctp)
		weir_sctp_begin(s, true);
	weir_tie_share(&s->tie, &listener->tie);
	weir_event_push(e, WEIR_EVENT_ACCEPTED, listener, 0)->accepted = s;
	weir_sock_want_rx(s);
}

static void up_accepted(struct weir_sock *listener, int fd)
{
	weir_core_of(listener->engine)->reports++;
	if (listener->closing)
		close(fd);
	else if (!weir_group_move(listener, fd))
		weir_sock_accepted(listener, fd);
}

static void up_connected(struct weir_sock *s, int res)
{
	weir_core_of(s->engine)->reports++;
	s->connecting = false;
	if (s->closing)
		return;
	if (!s->finishing)
		weir_event_push(s->engine, WEIR_EVENT_CONNECTED, s, res);
	if (res) {
		s->tx_broken = true;
		s->tx_error = res;
		s->rx_ended = true;
		weir_txq_cancel_all(s, res);
		weir_txq_dirty(s);
		return;
	}
	weir_sock_want_rx(s);
	weir_txq_dirty(s);
}

static uint32_t datagrams_in(const struct weir_rx *rx)
{
	if (!rx->segment_bytes || rx->len <= rx->segment_bytes)
		return 1;
	return (rx->len + rx->segment_bytes - 1) / rx->segment_bytes;
}

/*
 * A reset is told once: to the send that is in flight, if there is one (which may say that it has
 * sent a part, instead), and the reader then finds a mere end.  The state of the connection tells
 * the two apart where something is left to be sent: a peer that only ended its stream leaves it in
 * CLOSE_WAIT.  Where all was sent, a reset behind the peer's end takes nothing from either.
 */
static bool was_reset(const struct weir_sock *s)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!s->is_tcp || s->shut_done || (!s->ops_count && !s->tx_head && !s->left_head))
		return false;
	return !getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_state == TCP_CLOSE;
}

static void stream_end(struct weir_sock *s, int res)
{
	if (!res && was_reset(s))
		res = -ECONNRESET;
	s->rx_ended = true;
	weir_lowat_drop(s);
	if (s->tx_broken && (res == 0 || res == -ENOTCONN))
		res = s->tx_error;
	if (res < 0) {
		s->tx_broken = true;
		s->tx_error = s->tx_error ? s->tx_error : res;
	}
	if (!s->finishing)
		weir_event_push(s->engine, WEIR_EVENT_ENDED, s, res);
	weir_txq_dirty(s);
}

/* A notification: the application's, unless the core alone asked for it; some are an end. */
static void notified(struct weir_sock *s, const struct weir_rx *rx)
{
	bool end, ours = weir_sctp_notified(s, rx, &end);

	if (ours || s->closing || s->finishing)
		weir_pool_return(rx->pool, rx->buffer);
	else
		weir_event_received(s, rx);
	if (end && !s->closing && !s->rx_ended)
		stream_end(s, 0);
}

static void up_received(struct weir_sock *s, const struct weir_rx *rx)
{
	struct weir_engine *e = s->engine;
	struct weir_engine_stats *es = &e->c.stats;
	uint32_t copied;

	weir_core_of(s->engine)->reports++;
	weir_pool_deliver(rx->pool, rx->buffer);
	if (rx->last)
		weir_pool_kernel_done(rx->pool, rx->buffer);
	if (rx->flags & WEIR_SLICE_NOTIFICATION) {
		notified(s, rx);
		return;
	}
	if (s->closing || s->finishing) {
		weir_pool_return(rx->pool, rx->buffer);
		return;
	}
	s->stats.rx_bytes += rx->len;
	s->stats.rx_completions++;
	es->rx_bytes += rx->len;
	/* Only interface queues are written to by others than the kernel. */
	copied = rx->pool->zc ? rx->copied : rx->len;
	s->stats.rx_copied += copied;
	es->rx_copied_bytes += copied;
	if (s->kind == WEIR_DGRAM) {
		s->stats.rx_datagrams += datagrams_in(rx);
		es->rx_datagrams += datagrams_in(rx);
	} else {
		weir_lowat_received(s, rx->len);
	}
	if (!s->rx_spills || !weir_spill(s, rx))
		weir_event_received(s, rx);
}

static void accept_failed(struct weir_sock *s, int res)
{
	bool later = res == -EMFILE || res == -ENFILE || res == -ENOBUFS || res == -ENOMEM;

	if (later || (res != -ECONNABORTED && res != -EPROTO && res != -EPERM))
		weir_event_push(s->engine, WEIR_EVENT_ERROR, s, res);
	if (res == -EINVAL || res == -EBADF || res == -EOPNOTSUPP) {
		s->rx_ended = true;
		return;
	}
	if (later)
		weir_sock_retry_later(s);
	else
		weir_sock_want_rx(s);
}

static void up_recv_end(struct weir_sock *s, int res)
{
	weir_core_of(s->engine)->reports++;
	s->rx_armed = false;
	s->rx_stopping = false;
	if (s->closing || s->rx_ended)
		return;
	switch (res) {
	case -EAGAIN:
	case -EINTR:
	case -ECANCELED:
		weir_sock_want_rx(s);
		return;
	case -ENOBUFS:
		if (s->kind != WEIR_LISTENER) {
			weir_sock_starve(s);
			return;
		}
		break;
	case -ENOMEM:
		if (s->kind != WEIR_LISTENER) {
			weir_sock_retry_later(s);
			return;
		}
		break;
	default:
		break;
	}
	if (s->kind == WEIR_LISTENER) {
		accept_failed(s, res);
	} else if (s->kind == WEIR_STREAM || s->one_to_one || (s->is_sctp && !res)) {
		stream_end(s, res);
	} else {
		if (res)
			weir_event_push(s->engine, WEIR_EVENT_ERROR, s, res);
		weir_sock_want_rx(s);
	}
}

static void up_sent(struct weir_txop *op, int res)
{
	weir_core_of(op->sock->engine)->reports++;
	weir_txq_complete(op, res);
}

static void up_released(struct weir_zc *zc, bool copied)
{
	weir_core_of(zc->sock->engine)->reports++;
	weir_zc_released(zc, copied);
}

static void up_writable(struct weir_sock *s)
{
	weir_core_of(s->engine)->reports++;
	s->tx_blocked = false;
	if (!s->closing)
		weir_txq_dirty(s);
}

static void up_detached(struct weir_sock *s)
{
	weir_core_of(s->engine)->reports++;
	s->detached = true;
	weir_sock_finish_closed(s);
}

const struct weir_plane_up weir_core_up = {
	.accepted = up_accepted,
	.connected = up_connected,
	.received = up_received,
	.recv_end = up_recv_end,
	.sent = up_sent,
	.released = up_released,
	.writable = up_writable,
	.detached = up_detached,
};
