/* SPDX-License-Identifier: MIT */
/*
 * fuzz_peer.h - harnesses with sockets: one engine for all inputs, and raw peers that the input
 * drives.
 *
 * Every input begins and ends without a socket, so that what one leaves behind is seen at once.
 */
#ifndef WEIR_TESTS_FUZZ_PEER_H
#define WEIR_TESTS_FUZZ_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <weir/weir.h>

#include "fuzz.h"

#define PEERS 6
#define HANG_S 10

static struct weir_engine *peer_engine;
static int peers[PEERS];

static inline void peers_init(void)
{
	struct weir_engine_opts o = { .size = sizeof(o),
				      .plane = WEIR_PLANE_EPOLL,
				      .area_bytes = 1u << 20 };
	struct weir_error err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	fuzz_keep_stderr();
	if (weir_engine_open(&peer_engine, &o, &err)) {
		weir_error_print(stderr, &err);
		exit(1);
	}
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = -1;
}

/* Takes what there is to take; the peers read what they were sent. */
static inline void peers_step(void)
{
	static char sink[65536];

	for (unsigned round = 0; round < 20; round++) {
		bool moved = weir_engine_dispatch(peer_engine, 0) > 0;

		for (unsigned i = 0; i < PEERS; i++)
			if (peers[i] >= 0)
				moved |= recv(peers[i], sink, sizeof(sink), MSG_DONTWAIT) > 0;
		if (!moved)
			return;
	}
}

static inline void peer_connect(unsigned i, const struct sockaddr *to, socklen_t len)
{
	if (peers[i] >= 0)
		return;
	peers[i] = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(peers[i] >= 0 && !connect(peers[i], to, len));
	must(!fcntl(peers[i], F_SETFL, O_NONBLOCK));
}

static inline void peer_say(unsigned i, const void *data, size_t bytes)
{
	/* What does not fit, or comes too late, is not said. */
	if (peers[i] >= 0 && send(peers[i], data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static inline void peer_close(unsigned i, unsigned how)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (peers[i] < 0)
		return;
	if (how % 3 == 0) {
		shutdown(peers[i], SHUT_WR);
		return;
	}
	if (how % 3 == 1)
		setsockopt(peers[i], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(peers[i]);
	peers[i] = -1;
}

static inline void peers_close(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(i, 2);
}

static inline uint64_t peers_now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* No socket of the input before is left, and every buffer is back. */
static inline void peers_over(void)
{
	uint64_t end = peers_now_s() + HANG_S;
	struct weir_engine_stats stats;

	for (;;) {
		weir_engine_get_stats(peer_engine, &stats);
		if (!stats.sockets)
			break;
		must(peers_now_s() < end);
		must(weir_engine_dispatch(peer_engine, 100000) >= 0);
	}
	while (weir_engine_dispatch(peer_engine, 0) > 0)
		;
	weir_engine_get_stats(peer_engine, &stats);
	must(!stats.buffers_delivered && !stats.buffers_held);
}

#endif
