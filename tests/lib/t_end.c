/* SPDX-License-Identifier: MIT */
/*
 * t_end.c - one end of a stream: sends known content, checks what comes.
 *
 * Theory: see t_end.h.
 */
#include "t_end.h"

void t_end_init(struct t_end *end, uint64_t tx_seed, uint64_t tx_total, uint64_t rx_seed,
		uint64_t rx_total)
{
	memset(end, 0, sizeof *end);
	end->ops = &t_end_ops;
	end->how = T_SEND_ANY;
	end->in_flight_max = 16;
	end->piece_max = 64 << 10;
	end->tx_seed = tx_seed;
	end->tx_total = tx_total;
	end->rx_seed = rx_seed;
	end->rx_total = rx_total;
	end->next_tag = 1;
}

static struct t_send *slot(struct t_end *end)
{
	for (unsigned i = 0; i < T_SENDS; i++)
		if (!end->sends[i].busy)
			return &end->sends[i];
	return NULL;
}

static int send_vec(struct t_end *end, const char *data, size_t len, unsigned flags, uint64_t tag)
{
	struct iovec iov[16];
	unsigned n = 0;
	int ret;

	while (n < T_COUNT(iov) && len) {
		iov[n].iov_base = (char *)data;
		iov[n].iov_len = n + 1 == T_COUNT(iov) ? len : t_rand_size(len);
		data += iov[n].iov_len;
		len -= iov[n].iov_len;
		n++;
	}
	ret = weir_sock_sendv(end->s, iov, n, flags, tag);
	memset(iov, 0xee, sizeof iov); /* the array may be reused on return */
	return ret;
}

/* Draw one of the allowed calls; returns what it returned. */
static int send_one(struct t_end *end, struct t_send *send, size_t len)
{
	static const unsigned kinds[] = { T_SEND_OWN, T_SEND_COPY, T_SEND_VEC, T_SEND_TABLE };
	bool last = end->tx_queued + len == end->tx_total;
	unsigned kind, flags = 0;
	char *mem;
	int ret;

	do
		kind = kinds[t_rand_below(T_COUNT(kinds))];
	while (!(kind & end->how));
	if ((end->how & T_SEND_MORE) && !last && !t_rand_below(4))
		flags |= WEIR_SEND_MORE;
	if (kind == T_SEND_TABLE)
		return weir_sock_send(end->s, t_pattern(end->tx_seed, end->tx_queued), len, flags,
				      send->tag);
	mem = malloc(len);
	assert_non_null(mem);
	t_pattern_fill(mem, end->tx_seed, end->tx_queued, len);
	if (kind == T_SEND_COPY && t_rand_below(2))
		ret = send_vec(end, mem, len, flags | WEIR_SEND_COPY, send->tag);
	else if (kind == T_SEND_COPY)
		ret = weir_sock_send(end->s, mem, len, flags | WEIR_SEND_COPY, send->tag);
	else if (kind == T_SEND_VEC)
		ret = send_vec(end, mem, len, flags, send->tag);
	else
		ret = weir_sock_send(end->s, mem, len, flags, send->tag);
	if (ret || kind == T_SEND_COPY) {
		memset(mem, 0xdd, len);
		free(mem);
		mem = NULL;
	}
	send->mem = mem;
	return ret;
}

void t_end_pump(struct t_end *end)
{
	while (end->s && !end->close_called && !end->broken && end->tx_queued < end->tx_total &&
	       end->in_flight < end->in_flight_max) {
		uint64_t left = end->tx_total - end->tx_queued;
		size_t len = t_rand_size(end->piece_max);
		struct t_send *send = slot(end);
		int ret;

		if (!send)
			return;
		if (len > left)
			len = left;
		memset(send, 0, sizeof *send);
		send->tag = end->next_tag;
		send->len = len;
		ret = send_one(end, send, len);
		if (ret == -ENOBUFS) {
			end->refused++;
			return; /* WRITABLE comes */
		}
		if (ret == -EPIPE) {
			end->broken = true;
			return; /* ENDED or CONNECTED says why */
		}
		if (ret)
			fail_msg("send of %zu bytes: %s", len, strerror(-ret));
		end->next_tag++;
		end->tx_queued += len;
		send->busy = true;
		end->in_flight++;
	}
	if (end->s && !end->close_called && !end->shut && end->shutdown_after &&
	    end->tx_queued == end->tx_total) {
		end->shut = true;
		assert_int_equal(weir_sock_shutdown(end->s), 0);
	}
}

bool t_end_complete(const struct t_end *end)
{
	return end->tx_sent == end->tx_total && end->rx_bytes == end->rx_total;
}

static void maybe_finish(struct t_end *end)
{
	if (end->finish_after && !end->close_called && t_end_complete(end))
		t_end_finish(end);
}

/* No events but SENT and CLOSED follow a close; none at all follows CLOSED. */
static void alive(const struct t_end *end, const struct weir_sock *s)
{
	assert_ptr_equal(end->s, s);
	assert_false(end->close_called);
	assert_false(end->closed);
}

static void end_connected(struct weir_sock *s, int res, void *user)
{
	struct t_end *end = user;

	alive(end, s);
	assert_false(end->connected);
	end->connected = true;
	end->connect_res = res;
	if (!res)
		t_end_pump(end);
}

static void check_slice(struct t_end *end, const struct weir_slice *v)
{
	struct weir_area_info info;

	assert_true(v->len > 0);
	assert_int_equal(v->flags & ~WEIR_SLICE_SPILLED, 0);
	assert_null(v->peer);
	assert_int_equal(v->segment_bytes, 0);
	assert_int_equal(weir_slice_datagram_count(v), 1);
	if (v->flags & WEIR_SLICE_SPILLED) {
		assert_true(end->may_spill);
		assert_null(v->area);
		assert_int_equal(v->offset, 0);
	} else {
		assert_non_null(v->area);
		weir_area_describe(v->area, &info);
		assert_ptr_equal((char *)info.base + v->offset, v->data);
		assert_true(v->offset + v->len <= info.bytes);
	}
	if (end->rx_bytes + v->len > end->rx_total)
		fail_msg("stream %llu: %llu bytes arrived of %llu",
			 (unsigned long long)end->rx_seed,
			 (unsigned long long)(end->rx_bytes + v->len),
			 (unsigned long long)end->rx_total);
	t_pattern_check(v->data, end->rx_seed, end->rx_bytes, v->len);
	end->rx_bytes += v->len;
}

static void end_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct t_end *end = user;

	alive(end, s);
	assert_false(end->ended);
	assert_true(n > 0);
	end->rx_events++;
	for (unsigned i = 0; i < n; i++)
		check_slice(end, &v[i]);
	if (end->on_received)
		end->on_received(end, v, n);
	t_end_pump(end);
	maybe_finish(end);
}

static void end_ended(struct weir_sock *s, int res, void *user)
{
	struct t_end *end = user;

	alive(end, s);
	assert_false(end->ended);
	assert_true(res <= 0);
	end->ended = true;
	end->end_res = res;
	if (end->on_ended)
		end->on_ended(end, res);
}

static void end_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct t_end *end = user;
	struct t_send *send = NULL;

	assert_ptr_equal(end->s, s);
	assert_false(end->closed);
	for (unsigned i = 0; i < T_SENDS; i++)
		if (end->sends[i].busy && end->sends[i].tag == tag)
			send = &end->sends[i];
	if (!send)
		fail_msg("tag %llu came back and is not out", (unsigned long long)tag);
	send->busy = false;
	end->in_flight--;
	if (send->mem) {
		memset(send->mem, 0xdd, send->len);
		free(send->mem);
		send->mem = NULL;
	}
	if (res < 0)
		end->canceled++;
	else if ((size_t)res != send->len)
		fail_msg("tag %llu: %d of %zu bytes", (unsigned long long)tag, res, send->len);
	else
		end->tx_sent += res;
	if (end->on_sent)
		end->on_sent(end, tag, res);
	if (res >= 0)
		t_end_pump(end);
	maybe_finish(end);
}

static void end_writable(struct weir_sock *s, void *user)
{
	struct t_end *end = user;

	alive(end, s);
	end->writable++;
	assert_true(end->writable <= end->refused);
	t_end_pump(end);
}

static void end_failed(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	fail_msg("ERROR event (%d) on a stream", res);
}

static void end_closed(struct weir_sock *s, void *user)
{
	struct t_end *end = user;

	assert_ptr_equal(end->s, s);
	assert_false(end->closed);
	assert_true(end->close_called);
	/* All memory given to sends is ours: every tag came back. */
	assert_int_equal(end->in_flight, 0);
	end->closed = true;
	end->s = NULL;
}

const struct weir_sock_ops t_end_ops = {
	.connected = end_connected,
	.received = end_received,
	.ended = end_ended,
	.sent = end_sent,
	.writable = end_writable,
	.failed = end_failed,
	.closed = end_closed,
};

void t_end_take(struct t_end *end, struct weir_sock *s)
{
	end->s = s;
	weir_sock_set_ops(s, end->ops, end);
	assert_ptr_equal(weir_sock_user(s), end);
	end->connected = true;
	t_end_pump(end);
}

void t_end_close(struct t_end *end)
{
	if (end->s)
		weir_sock_close(end->s);
	end->close_called = true;
}

void t_end_finish(struct t_end *end)
{
	if (end->s)
		weir_sock_finish(end->s);
	end->close_called = true;
}

static void acceptor_accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct t_acceptor *a = user;

	assert_ptr_equal(a->s, listener);
	assert_ptr_equal(weir_sock_user(s), a);
	assert_true(a->taken < a->count);
	t_end_take(&a->ends[a->taken++], s);
}

static void acceptor_closed(struct weir_sock *s, void *user)
{
	struct t_acceptor *a = user;

	assert_ptr_equal(a->s, s); /* no accepted socket is left with the listener's ops */
	assert_false(a->closed);
	a->closed = true;
	a->s = NULL;
}

static void acceptor_ended(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	fail_msg("listener ended: %d", res);
}

static const struct weir_sock_ops acceptor_ops = {
	.accepted = acceptor_accepted,
	.ended = acceptor_ended,
	.closed = acceptor_closed,
};

void t_acceptor_open(struct t_acceptor *a, struct weir_engine *e, const char *address,
		     const struct weir_sock_opts *opts, struct t_end *ends, unsigned count)
{
	struct weir_error err = { 0 };

	memset(a, 0, sizeof *a);
	a->ops = &acceptor_ops;
	a->ends = ends;
	a->count = count;
	if (weir_listen(e, address, a->ops, a, opts, &a->s, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("listen on %s", address);
	}
	assert_ptr_equal(weir_sock_user(a->s), a);
}

void t_end_connect(struct t_end *end, struct weir_engine *e, const struct t_acceptor *a,
		   const struct weir_sock_opts *opts)
{
	struct weir_error err = { 0 };
	char text[128];

	t_local_text(a->s, text, sizeof text);
	if (weir_connect(e, text, end->ops, end, opts, &end->s, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("connect to %s", text);
	}
	assert_false(end->connected); /* never from inside the call */
}
