/* SPDX-License-Identifier: MIT */
/*
 * weir_ends.c - weir as a contender: the ends of all groups, on either plane.
 *
 * Theory:
 *	Written as a user would write it: an engine, callbacks, weir_engine_run().  The callbacks
 *	count and, where the group says so, answer.  Nothing is tuned for a group but what its
 *	table names (spin_us in the spinning ping-pong; TCP_NODELAY there and with many
 *	connections, as the others have it; SO_RCVBUF with UDP, as the others have it).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <weir/weir.h>

#include "bench.h"

#define RCVBUF_BYTES (4u << 20)

/**
 * struct end - a weir end.
 * @side: the trial.
 * @e: its engine.
 * @sock: client of the ping-pong.
 * @start_ns: when the request under way was sent.
 * @have: bytes of its answer that are there.
 */
struct end {
	struct bench_side *side;
	struct weir_engine *e;
	struct weir_sock *sock;
	uint64_t start_ns;
	uint32_t have;
	char message[BENCH_PP_BYTES];
};

static int fail_record(struct bench_side *side, int res, const struct weir_error *err)
{
	if (!side->sh->why[0])
		weir_error_format(err, side->sh->why, sizeof(side->sh->why));
	return res;
}

static void publish(struct end *end)
{
	struct bench_shared *sh = end->side->sh;
	struct weir_engine_stats stats;

	weir_engine_get_stats(end->e, &stats);
	atomic_store(&sh->heap_bytes, stats.heap_bytes);
	atomic_store(&sh->syscalls, stats.syscalls);
	atomic_store(&sh->allocations, bench_alloc_count());
	atomic_store(&sh->reports, atomic_load(&sh->reports) + 1);
}

static int open_engine(struct end *end, struct bench_side *side, enum weir_plane plane)
{
	struct weir_engine_opts opts = {
		.size = sizeof(opts),
		.plane = plane,
		.spin_us = side->group->spin ? UINT32_MAX : 0,
	};
	struct weir_error err = { 0 };
	int res;

	*end = (struct end){ .side = side };
	res = weir_engine_open(&end->e, &opts, &err);
	return res ? fail_record(side, res, &err) : 0;
}

static void say_ready(struct end *end, const struct weir_sock *s)
{
	struct weir_addr addr = { 0 };

	if (weir_sock_local(s, &addr))
		bench_fail(end->side, -EINVAL, "weir_sock_local");
	end->side->sh->port = ntohs(((struct sockaddr_in *)&addr.sa)->sin_port);
	atomic_store(&end->side->sh->rx_ready, 1);
}

static int run_engine(struct end *end)
{
	int res = weir_engine_run(end->e);

	return bench_fail(end->side, res ? res : -EPIPE, "weir_engine_run");
}

static void give_up(struct end *end, int res, const char *what)
{
	bench_fail(end->side, res, what);
	weir_engine_stop(end->e);
}

static void ended(struct weir_sock *s, int res, void *user)
{
	struct end *end = user;

	(void)s;
	give_up(end, res ? res : -EPIPE, "connection");
}

/* Bulk and datagrams: count. */

static void count_bytes(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;
	uint64_t bytes = 0;

	(void)s;
	for (unsigned i = 0; i < n; i++)
		bytes += v[i].len;
	bench_rx_add(end->side, n, bytes);
	if (end->side->group->publish)
		publish(end);
}

static void count_datagrams(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;
	uint64_t bytes = 0, datagrams = 0;

	(void)s;
	for (unsigned i = 0; i < n; i++) {
		bytes += v[i].len;
		datagrams += weir_slice_datagram_count(&v[i]);
	}
	bench_rx_add(end->side, datagrams, bytes);
	if (end->side->group->publish)
		publish(end);
}

static int serve(struct bench_side *side, enum weir_plane plane, const struct weir_sock_ops *ops,
		 uint32_t flags)
{
	struct weir_sock_opts opts = { .size = sizeof(opts), .flags = flags };
	struct weir_error err = { 0 };
	struct weir_sock *s;
	struct end end;
	int res;

	res = open_engine(&end, side, plane);
	if (res)
		return res;
	res = weir_listen(end.e, "0.0.0.0:0", ops, &end, &opts, &s, &err);
	if (res)
		return fail_record(side, res, &err);
	if (bench_set_congestion(side, weir_sock_fd(s)))
		return -EINVAL;
	say_ready(&end, s);
	return run_engine(&end);
}

static int bulk(struct bench_side *side, enum weir_plane plane)
{
	static const struct weir_sock_ops ops = { .received = count_bytes, .ended = ended };

	return serve(side, plane, &ops, 0);
}

static int datagrams(struct bench_side *side, enum weir_plane plane)
{
	static const struct weir_sock_ops ops = { .received = count_datagrams };
	struct weir_sock_opts opts = { .size = sizeof(opts), .rcvbuf_bytes = RCVBUF_BYTES };
	struct weir_error err = { 0 };
	struct weir_sock *s;
	struct end end;
	int res;

	res = open_engine(&end, side, plane);
	if (res)
		return res;
	res = weir_udp_open(end.e, "127.0.0.1:0", &ops, &end, &opts, &s, &err);
	if (res)
		return fail_record(side, res, &err);
	say_ready(&end, s);
	return run_engine(&end);
}

/* Echo: the ping-pong's server and the server of many connections. */

static void echo(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;
	uint64_t bytes = 0;
	bool report = end->side->group->publish;

	for (unsigned i = 0; i < n; i++) {
		int res = weir_sock_send(s, v[i].data, v[i].len, WEIR_SEND_COPY, 0);

		if (res)
			give_up(end, res, "weir_sock_send");
		bytes += v[i].len;
		report |= *(const char *)v[i].data == 'R';
	}
	bench_rx_add(end->side, 1, bytes);
	if (report)
		publish(end);
}

static int echo_server(struct bench_side *side, enum weir_plane plane)
{
	static const struct weir_sock_ops ops = { .received = echo };

	return serve(side, plane, &ops, WEIR_SOCK_NODELAY);
}

/* The ping-pong's client. */

static void ask(struct end *end)
{
	int res;

	end->start_ns = bench_now_ns();
	res = weir_sock_send(end->sock, end->message, BENCH_PP_BYTES, WEIR_SEND_COPY, 0);
	if (res)
		give_up(end, res, "weir_sock_send");
}

static void connected(struct weir_sock *s, int res, void *user)
{
	struct end *end = user;

	(void)s;
	if (res) {
		give_up(end, res, "weir_connect");
		return;
	}
	atomic_store(&end->side->sh->tx_ready, 1);
	ask(end);
}

static void answered(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;

	(void)s;
	for (unsigned i = 0; i < n; i++)
		end->have += v[i].len;
	if (end->have < BENCH_PP_BYTES)
		return;
	end->have = 0;
	bench_pp_sample(end->side, end->start_ns);
	bench_tx_add(end->side, 1, BENCH_PP_BYTES);
	ask(end);
}

static int client(struct bench_side *side, enum weir_plane plane)
{
	static const struct weir_sock_ops ops = { .connected = connected,
						  .received = answered,
						  .ended = ended };
	struct weir_sock_opts opts = { .size = sizeof(opts), .flags = WEIR_SOCK_NODELAY };
	struct weir_error err = { 0 };
	char address[32];
	struct end end;
	int res;

	res = open_engine(&end, side, plane);
	if (res)
		return res;
	snprintf(address, sizeof(address), "127.0.0.1:%u", side->sh->port);
	res = weir_connect(end.e, address, &ops, &end, &opts, &end.sock, &err);
	if (res)
		return fail_record(side, res, &err);
	if (bench_set_congestion(side, weir_sock_fd(end.sock)))
		return -EINVAL;
	return run_engine(&end);
}

int bench_tcp_rx_weir_uring(struct bench_side *side)
{
	return bulk(side, WEIR_PLANE_URING);
}

int bench_tcp_rx_weir_epoll(struct bench_side *side)
{
	return bulk(side, WEIR_PLANE_EPOLL);
}

int bench_udp_rx_weir_uring(struct bench_side *side)
{
	return datagrams(side, WEIR_PLANE_URING);
}

int bench_udp_rx_weir_epoll(struct bench_side *side)
{
	return datagrams(side, WEIR_PLANE_EPOLL);
}

int bench_pp_server_weir_uring(struct bench_side *side)
{
	return echo_server(side, WEIR_PLANE_URING);
}

int bench_pp_server_weir_epoll(struct bench_side *side)
{
	return echo_server(side, WEIR_PLANE_EPOLL);
}

int bench_conn_rx_weir_uring(struct bench_side *side)
{
	return echo_server(side, WEIR_PLANE_URING);
}

int bench_conn_rx_weir_epoll(struct bench_side *side)
{
	return echo_server(side, WEIR_PLANE_EPOLL);
}

int bench_pp_client_weir_uring(struct bench_side *side)
{
	return client(side, WEIR_PLANE_URING);
}

int bench_pp_client_weir_epoll(struct bench_side *side)
{
	return client(side, WEIR_PLANE_EPOLL);
}
