/* SPDX-License-Identifier: MIT */
/*
 * fuzz_iperf3_client.c - `weir iperf3 -c` against a server that does anything.
 *
 * Theory: the input is a list of acts of the server: say bytes, a state, a JSON text with its
 * length, send data on a stream, take connections, stop, reset, leave.  When the server has left,
 * the client's test is over with an exit code, and all its sockets are gone.  Of TCP only: UDP's
 * greeting waits for an answer, as the client has nothing else to do then.
 */
#include "fuzz_peer.h"

/* The part under test: its state is looked at. */
#include "../../tools/iperf3_client.c"

#define CONTROL 0 /* the first connection */

static FILE *sink;
static int listener;
static struct sockaddr_in where = { .sin_family = AF_INET };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	socklen_t len = sizeof(where);

	(void)argc;
	(void)argv;
	peers_init();
	sink = fopen("/dev/null", "w");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!sink || bind(listener, (struct sockaddr *)&where, sizeof(where)) ||
	    listen(listener, 64) || getsockname(listener, (struct sockaddr *)&where, &len))
		return 1;
	return 0;
}

static void take_connections(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i] < 0 &&
		    (peers[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
			return;
}

/* Those that nobody took, so that the next input begins with its own. */
static void drop_connections(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

static void act(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), peer, state;
	const uint8_t *data;
	uint32_t length;
	size_t bytes;

	switch (what) {
	case 'b':
		bytes = fuzz_part(in, fuzz_u8(in), &data);
		peer_say(CONTROL, data, bytes);
		break;
	case 'j':
		bytes = fuzz_part(in, fuzz_u16(in) % 4096, &data);
		length = htonl((uint32_t)bytes);
		peer_say(CONTROL, &length, sizeof(length));
		peer_say(CONTROL, data, bytes);
		break;
	case 'd':
		peer = fuzz_u8(in) % PEERS;
		bytes = fuzz_part(in, fuzz_u16(in), &data);
		if (peer != CONTROL)
			peer_say(peer, data, bytes);
		break;
	case 'x':
		peer = fuzz_u8(in) % PEERS;
		peer_close(peer, fuzz_u8(in));
		break;
	case 'n':
		break;
	default:
		state = what;
		peer_say(CONTROL, &state, 1);
		break;
	}
	peers_step();
	take_connections();
	peers_step();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in), more = fuzz_u8(&in);
	struct i3_config conf = { .out = sink,
				  .host = "127.0.0.1",
				  .port = ntohs(where.sin_port),
				  .family = AF_INET,
				  .json = how & 1,
				  .verbose = how & 2,
				  .interval_us = 1000000,
				  .control_timeout_us = 60000000,
				  .stall_timeout_us = 60000000,
				  .test = { .streams = 1 + (how >> 2 & 1),
					    .reverse = (how >> 3 & 3) == 1,
					    .bidir = (how >> 3 & 3) == 2,
					    .get_server_output = how & 32,
					    .bytes = 1 + more * 500u,
					    .block_bytes = 1 + more * 50u,
					    .repeating = true,
					    .server_cpu = -1 } };
	struct client c = { .conf = &conf, .engine = peer_engine };
	uint64_t end = peers_now_s() + HANG_S;

	if (size > 1 << 14)
		return 0;
	c.drain_timer = (struct weir_timer){ .fn = drain_fired, .user = &c };
	c.test = i3_test_new(&conf, peer_engine, &hooks, &c);
	must(c.test);
	c.test->params = conf.test;
	must(!client_start(&c));
	take_connections();
	for (unsigned acts = 0; in.left && acts < 100 && !c.gone; acts++)
		act(&in);
	peers_close();
	drop_connections();
	while (!c.gone) {
		must(peers_now_s() < end);
		must(weir_engine_dispatch(peer_engine, 100000) >= 0);
		drop_connections();
	}
	must(!c.test && (c.code == 0 || c.code == 1));
	must(c.code || c.results_taken);
	peers_over();
	drop_connections();
	return 0;
}
