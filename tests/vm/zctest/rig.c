/* SPDX-License-Identifier: MIT */
/*
 * rig.c - an engine on the plane zcrx with its listener and its streams.
 *
 * Theory: one port is listened on, as a server does; a stream is known by the port that its sender
 * bound to.  Each slice is verified where it lies, and, where slices are kept, once more before it
 * is released: so a buffer that was handed to the NIC too early is seen.  The senders are forked
 * before the engine is there, and connect when told to.
 */
#include "zctest.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_BYTES (2u << 20)
#define LISTEN_DEADLINE_MS 5000

static unsigned from_port; /* of stream 0 of the present senders */

__attribute__((noreturn)) static void fail_with(const char *what, const struct weir_error *err)
{
	fail("%s: %s %s: %s (%s)", what, err->stage, err->object, strerror(-err->code), err->hint);
}

void zt_need(void)
{
	struct weir_probe probe;

	if (weir_probe_read(&probe, sizeof probe))
		fail("weir_probe_read");
	if (zt_plane() == WEIR_PLANE_ZCRX && !(probe.can & WEIR_CAN_ZCRX))
		skip("this kernel has no zero-copy receive");
}

void zt_round(struct zt *z, long timeout_ms)
{
	int r = weir_engine_dispatch(z->e, timeout_ms * slow() * 1000);

	if (r < 0)
		fail("weir_engine_dispatch: %s", strerror(-r));
}

void zt_until(struct zt *z, bool (*check)(struct zt *z), long deadline_ms, const char *what)
{
	long end = now_ms() + deadline_ms;

	while (!check(z)) {
		if (now_ms() > end)
			fail("not in %ld ms: %s (%llu bytes received, %u accepted, %u ended)",
			     deadline_ms, what, (unsigned long long)z->bytes, z->accepted,
			     z->ended);
		zt_round(z, 20);
	}
}

static const void *bytes_of(const struct zt *z, const struct weir_slice *v)
{
	struct weir_area_info area;

	if (v->flags & WEIR_SLICE_SPILLED)
		return v->data;
	weir_area_describe(v->area, &area);
	if (v->offset + v->len > area.bytes)
		fail("a slice of %u at %llu lies outside of its area of %zu", v->len,
		     (unsigned long long)v->offset, area.bytes);
	if (!v->data && (area.base || !z->wish.mem))
		fail("a slice without an address");
	if (v->data && v->data != (char *)area.base + v->offset)
		fail("a slice at %llu has another address than its area's",
		     (unsigned long long)v->offset);
	return v->data ? v->data : z->wish.mem + v->offset;
}

static void check_slice(const struct zt *z, const struct weir_slice *v, unsigned stream,
			uint64_t pos)
{
	if (!z->wish.no_check)
		pattern_check(stream, pos, bytes_of(z, v), v->len);
}

static void release_oldest(struct zt *z)
{
	struct zt_held *h = &z->held[z->held_first++];
	int r;

	check_slice(z, &h->slice, h->stream, h->pos);
	r = weir_slice_release(&h->slice);
	if (r)
		fail("weir_slice_release: %s", strerror(-r));
	if (weir_slice_release(&h->slice) != -EINVAL)
		fail("a second release was not refused");
	if (!--z->held_count)
		z->held_first = 0;
}

static void keep(struct zt *z, struct weir_slice *v, unsigned stream, uint64_t pos)
{
	int r = weir_slice_hold(v);

	if (r)
		fail("weir_slice_hold: %s", strerror(-r));
	if (z->held_first + z->held_count == z->held_max) {
		memmove(z->held, z->held + z->held_first, z->held_count * sizeof *z->held);
		z->held_first = 0;
	}
	if (z->held_count == z->held_max) {
		z->held_max = z->held_max ? 2 * z->held_max : 1024;
		z->held = realloc(z->held, z->held_max * sizeof *z->held);
		if (!z->held)
			fail("no memory");
	}
	z->held[z->held_first + z->held_count++] = (struct zt_held){ *v, pos, stream };
	while (!z->holding && z->held_count > z->wish.lag)
		release_oldest(z);
}

static bool is_kept(const struct zt *z, const struct zt_stream *t)
{
	unsigned only = z->wish.hold_only_plus_1;

	return z->wish.lag || (z->holding && (!only || only == t->number + 1));
}

static void on_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct zt_stream *t = user;
	struct zt *z = t->z;

	(void)s;
	if (t->ended)
		fail("stream %u: data after its end", t->number);
	for (unsigned i = 0; i < n; i++) {
		uint64_t pos = t->got;

		check_slice(z, &v[i], t->number, pos);
		z->unmapped += !v[i].data;
		z->spilled += v[i].flags & WEIR_SLICE_SPILLED ? v[i].len : 0;
		z->bytes += v[i].len;
		z->slices++;
		z->watched_slices += z->watched && v[i].area == z->watched;
		t->got += v[i].len;
		if (is_kept(z, t))
			keep(z, &v[i], t->number, pos);
	}
}

static void on_ended(struct weir_sock *s, int res, void *user)
{
	struct zt_stream *t = user;

	t->ended = true;
	t->res = res;
	t->z->ended++;
	if (!t->z->wish.keep_open)
		weir_sock_close(s);
}

static void on_closed(struct weir_sock *s, void *user)
{
	struct zt_stream *t = user;

	(void)s;
	t->closed = true;
	t->sock = NULL;
	t->z->closed++;
}

static void on_pressure(struct weir_sock *s, int res, void *user)
{
	struct zt_stream *t = user;

	(void)s;
	*(res ? &t->z->pressed : &t->z->relieved) += 1;
}

static void on_connected(struct weir_sock *s, int res, void *user)
{
	struct zt_stream *t = user;

	if (res && res != -ECONNREFUSED)
		fail("stream %u: connect: %s", t->number, strerror(-res));
	t->connected = !res;
	if (res)
		weir_sock_close(s);
}

static const struct weir_sock_ops stream_ops = { .connected = on_connected,
						 .received = on_received,
						 .ended = on_ended,
						 .closed = on_closed,
						 .pressure = on_pressure };

void zt_add(struct zt *z, unsigned number, struct weir_sock *s)
{
	struct zt_stream *t = &z->stream[number];

	if (number >= ZT_STREAMS || t->sock || t->got)
		fail("stream %u came twice", number);
	*t = (struct zt_stream){ .z = z, .sock = s, .number = number };
	z->accepted++;
	weir_sock_set_ops(s, &stream_ops, t);
}

static void on_accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	struct zt *z = user;
	struct weir_addr peer;
	unsigned port, number;

	(void)listener;
	if (weir_sock_peer(s, &peer)) { /* the peer has reset it meanwhile */
		z->lost++;
		weir_sock_set_ops(s, NULL, NULL);
		weir_sock_close(s);
		return;
	}
	port = ntohs(peer.sa.sa_family == AF_INET6 ? ((struct sockaddr_in6 *)&peer.sa)->sin6_port :
						     ((struct sockaddr_in *)&peer.sa)->sin_port);
	number = (port - from_port) / ZT_PORT_STEP;
	if (port != from_port + number * ZT_PORT_STEP)
		fail("a stream from port %u", port);
	zt_add(z, number, s);
	if (z->wish.greets && weir_sock_send(s, "", 1, 0, 0))
		fail("stream %u: no byte can be sent", number);
}

static const struct weir_sock_ops listener_ops = { .accepted = on_accepted };

static unsigned streams_of(const struct zt_wish *wish)
{
	return wish->streams ? wish->streams : 1;
}

void zt_senders_start(struct zt_senders *s, const struct zt_wish *wish)
{
	static unsigned calls;
	unsigned call = (unsigned)getpid() + calls++;

	from_port = ZT_FROM_PORT + call % ZT_PORT_STEP +
		    call / ZT_PORT_STEP % ZT_PORT_SETS * ZT_STREAMS * ZT_PORT_STEP;
	s->count = streams_of(wish);
	for (unsigned i = 0; i < s->count; i++) {
		struct sender_options o = {
			.addr = wish->ip6 ? RX_ADDR6 : RX_ADDR4,
			.stream = i,
			.bytes = wish->bytes ? wish->bytes : DEFAULT_BYTES,
			.mode = wish->mode,
			.rto_ms = wish->rto_ms,
			.pause_ms = wish->pause_ms,
			.chunk_bytes = wish->chunk_bytes,
			.abrupt = wish->abrupt,
			.reset = wish->reset,
			.awaits_byte = wish->greets,
			.late = !wish->connects,
			.accepts = wish->connects,
			.port = ZT_PORT,
			.from_port = from_port + i * ZT_PORT_STEP,
		};

		sender_start(&s->sender[i], &o);
	}
}

void zt_senders_go(struct zt_senders *s)
{
	for (unsigned i = 0; i < s->count; i++)
		sender_go(&s->sender[i]);
}

void zt_senders_end(struct zt_senders *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct sender_report r;

		sender_end(&s->sender[i], &r);
		if (r.error)
			fail("sender of stream %u, after %llu bytes: %s", i,
			     (unsigned long long)r.sent, strerror(r.error));
		s->sum.sent += r.sent;
		s->sum.retrans_bytes += r.retrans_bytes;
		s->sum.tcp_bytes += r.tcp_bytes;
	}
}

void zt_senders_kill(struct zt_senders *s)
{
	for (unsigned i = 0; i < s->count; i++)
		sender_kill(&s->sender[i]);
}

enum weir_plane zt_plane(void)
{
	enum weir_plane plane = WEIR_PLANE_ZCRX;
	const char *name = getenv("ZCTEST_PLANE");

	if (name && weir_plane_parse(name, &plane))
		fail("ZCTEST_PLANE=%s is no plane", name);
	return plane;
}

int zt_try_open(struct zt *z, const struct zt_wish *wish, struct weir_error *err)
{
	int r;

	memset(z, 0, sizeof *z);
	z->wish = *wish;
	z->holding = wish->hold;
	z->wish.streams = streams_of(wish);
	z->wish.bytes = wish->bytes ? wish->bytes : DEFAULT_BYTES;
	z->wish.engine.size = sizeof z->wish.engine;
	z->wish.sock.size = sizeof z->wish.sock;
	if (!z->wish.engine.plane)
		z->wish.engine.plane = zt_plane();
	if (!z->wish.engine.ifname && !z->wish.engine.nic)
		z->wish.engine.ifname = z->wish.engine.plane == WEIR_PLANE_ZCRX ? RX_NIC : "";
	nic_open(&z->nic, RX_NIC);
	r = weir_engine_open(&z->e, &z->wish.engine, err);
	for (; !r && z->ifqs < ZT_QUEUES; z->ifqs++)
		if (weir_engine_ifq(z->e, z->ifqs, &z->ifq[z->ifqs]))
			break;
	if (!r && z->ifqs && !z->ifq[0].no_nic)
		zt_counts(z, &z->before);
	z->began_ms = now_ms();
	return r;
}

void zt_open(struct zt *z, const struct zt_wish *wish)
{
	struct weir_error err = { 0 };

	if (zt_try_open(z, wish, &err))
		fail_with("no engine", &err);
	if (z->wish.engine.plane != WEIR_PLANE_AUTO &&
	    weir_engine_plane(z->e) != z->wish.engine.plane)
		fail("asked for plane %s, got %s", weir_plane_name(z->wish.engine.plane),
		     weir_plane_name(weir_engine_plane(z->e)));
}

/* A process that was killed a moment ago may have its listener still: its ring ends later. */
void zt_listen(struct zt *z)
{
	long end = now_ms() + LISTEN_DEADLINE_MS;
	struct weir_error err = { 0 };
	char address[32];
	int r;

	snprintf(address, sizeof address, "%s:%u", z->wish.ip6 ? "[::]" : "0.0.0.0", ZT_PORT);
	do {
		r = weir_listen(z->e, address, &listener_ops, z, &z->wish.sock, &z->listener, &err);
		if (r)
			zt_round(z, 5);
	} while (r == -EADDRINUSE && now_ms() < end);
	if (r)
		fail_with("listen", &err);
}

static bool answered(struct zt *z)
{
	const struct zt_stream *t = &z->stream[z->accepted - 1];

	return t->connected || t->closed;
}

/* The senders listen soon after their start; before that the port refuses. */
void zt_connect(struct zt *z)
{
	long end = now_ms() + ZT_DEADLINE_MS;
	struct weir_error err = { 0 };
	struct weir_sock *s;
	char address[64];

	for (unsigned i = 0; i < z->wish.streams;) {
		snprintf(address, sizeof address, TX_ADDR4 ":%u", PORT + i);
		if (weir_connect(z->e, address, NULL, NULL, &z->wish.sock, &s, &err))
			fail_with("connect", &err);
		zt_add(z, i, s);
		zt_until(z, answered, ZT_DEADLINE_MS, "an answer to a connect");
		if (z->stream[i].connected) {
			i++;
			continue;
		}
		if (now_ms() > end)
			fail("the peer refuses");
		z->accepted--;
		z->closed--;
	}
}

bool zt_all_accepted(struct zt *z)
{
	return z->accepted == z->wish.streams;
}

bool zt_all_ended(struct zt *z)
{
	return z->ended == z->wish.streams;
}

bool zt_all_closed(struct zt *z)
{
	return z->closed + z->lost == z->wish.streams;
}

void zt_release(struct zt *z)
{
	z->holding = false;
	while (z->held_count)
		release_oldest(z);
}

static bool settled(struct zt *z)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(z->e, &s);
	if (s.buffers_free + s.buffers_kernel + s.buffers_delivered + s.buffers_held != s.buffers)
		fail("the ledger: %llu free, %llu kernel, %llu delivered, %llu held of %llu",
		     (unsigned long long)s.buffers_free, (unsigned long long)s.buffers_kernel,
		     (unsigned long long)s.buffers_delivered, (unsigned long long)s.buffers_held,
		     (unsigned long long)s.buffers);
	return !s.buffers_delivered && !s.buffers_held;
}

void zt_settled(struct zt *z)
{
	zt_until(z, settled, 2000, "all buffers back");
}

void zt_close(struct zt *z)
{
	weir_engine_close(z->e);
	free(z->held);
	z->e = NULL;
	z->held = NULL;
	z->held_count = z->held_max = 0;
}
