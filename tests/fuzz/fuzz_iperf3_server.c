/* SPDX-License-Identifier: MIT */
/*
 * fuzz_iperf3_server.c - `weir iperf3 -s` against clients that do anything.
 *
 * Theory: the input is a list of acts of up to six clients: connect, say bytes, the cookie, a
 * state, a JSON text with its length, datagrams to the test's UDP port, stop, reset, leave.
 * Whatever they do, when they have left, the server has no test, no visitor and no socket but its
 * listener; the same where it is told to end under them.
 */
#include "fuzz_peer.h"

/* The part under test: its state is looked at. */
#include "../../tools/iperf3_server.c"

static FILE *sink;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	peers_init();
	sink = fopen("/dev/null", "w");
	return sink ? 0 : 1;
}

static void say_json(struct fuzz_in *in, unsigned peer)
{
	const uint8_t *text;
	size_t bytes = fuzz_part(in, fuzz_u16(in) % 2048, &text);
	uint32_t length = htonl((uint32_t)bytes);

	peer_say(peer, &length, sizeof(length));
	peer_say(peer, text, bytes);
}

static void say_datagram(struct server *sv, struct fuzz_in *in)
{
	const uint8_t *data;
	size_t bytes = fuzz_part(in, fuzz_u8(in), &data);
	struct weir_addr to;
	uint32_t hello = I3_UDP_HELLO;
	int fd;

	if (!sv->udp_listener || weir_sock_local(sv->udp_listener, &to))
		return;
	if (to.sa.sa_family == AF_INET6)
		((struct sockaddr_in6 *)&to.storage)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&to.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(fd >= 0);
	(void)sendto(fd, bytes ? (const void *)data : &hello, bytes ? bytes : sizeof(hello), 0,
		     &to.sa, to.len);
	close(fd);
}

static void act(struct server *sv, const struct weir_addr *at, struct fuzz_in *in)
{
	static const char cookie[I3_COOKIE_BYTES] = "abcdefghijklmnopqrstuvwxyz234567abcd";
	uint8_t what = fuzz_u8(in), peer = fuzz_u8(in), state;
	const uint8_t *data;
	size_t bytes;

	peer %= PEERS;
	switch (what) {
	case 'c':
		peer_connect(peer, &at->sa, at->len);
		break;
	case 'k':
		peer_connect(peer, &at->sa, at->len);
		peer_say(peer, cookie, sizeof(cookie));
		break;
	case 'b':
		bytes = fuzz_part(in, fuzz_u8(in), &data);
		peer_say(peer, data, bytes);
		break;
	case 's':
		state = fuzz_u8(in);
		peer_say(peer, &state, 1);
		break;
	case 'j':
		say_json(in, peer);
		break;
	case 'u':
		say_datagram(sv, in);
		break;
	case 'x':
		peer_close(peer, fuzz_u8(in));
		break;
	default:
		break;
	}
	peers_step();
}

/* All clients leave, or the server is told to end while they are there. */
static void leave(struct server *sv, bool interrupted)
{
	uint64_t end = peers_now_s() + HANG_S;

	if (interrupted)
		server_interrupted(sv);
	peers_close();
	while (sv->test) {
		must(peers_now_s() < end);
		must(weir_engine_dispatch(peer_engine, 100000) >= 0);
	}
	sv->stopping = true;
	if (sv->listener)
		weir_sock_close(sv->listener);
	while (sv->tests_alive || sv->visitors_alive || sv->listener) {
		must(peers_now_s() < end);
		i3_settle_visitors(sv);
		must(weir_engine_dispatch(peer_engine, 100000) >= 0);
	}
	must(!sv->test && !sv->visitors && !sv->visitor_count);
	weir_timer_stop(peer_engine, &sv->drain_timer);
	weir_timer_stop(peer_engine, &sv->idle_timer);
	peers_over();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in);
	struct i3_config conf = { .out = sink,
				  .bind_host = "127.0.0.1",
				  .family = AF_INET,
				  .json = how & 1,
				  .verbose = how & 2,
				  .one_off = how & 4,
				  .interval_us = 1000000,
				  .control_timeout_us = 60000000,
				  .stall_timeout_us = 60000000 };
	struct server sv = { .conf = &conf, .engine = peer_engine };
	struct weir_addr at;

	if (size > 1 << 14)
		return 0;
	sv.drain_timer = (struct weir_timer){ .fn = drain_fired, .user = &sv };
	sv.idle_timer = (struct weir_timer){ .fn = idle_fired, .user = &sv };
	must(!server_listen(&sv));
	must(!weir_sock_local(sv.listener, &at));
	for (unsigned acts = 0; in.left && acts < 100; acts++)
		act(&sv, &at, &in);
	leave(&sv, how & 8);
	return 0;
}
