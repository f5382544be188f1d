/* SPDX-License-Identifier: MIT */
/*
 * fuzz_recv.c - `weir recv` against senders that do anything: hellos, records, payload.
 *
 * Theory: the input is a list of acts of up to six senders: connect, say bytes, a hello, a record,
 * stop, reset, leave.  The output is a file or, where bytes must come in order, a pipe's like.
 * When all have left there is no transfer, no connection and no held slice.  The headers and the
 * coverage of ranges are also tried alone: what is taken is in its limits and written as it came.
 */
#include <sys/mman.h>

#include "fuzz_peer.h"
#include "recv.h"

static char path[64];
static struct recv_app app;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	peers_init();
	/* A file that is nowhere else and goes with the process. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd_create("fuzz_recv", MFD_CLOEXEC));
	return 0;
}

static void on_received(struct weir_sock *sock, struct weir_slice *slices, unsigned n, void *user)
{
	struct recv_stream *s = user;

	(void)sock;
	for (unsigned i = 0; i < n; i++)
		recv_stream_take(s, &slices[i]);
	recv_run_ordered(s->app);
}

static void on_ended(struct weir_sock *sock, int res, void *user)
{
	struct recv_stream *s = user;

	(void)sock;
	recv_stream_ended(s, res);
	recv_run_ordered(s->app);
}

static void on_closed(struct weir_sock *sock, void *user)
{
	(void)sock;
	recv_stream_free(user);
}

static const struct weir_sock_ops stream_ops = {
	.received = on_received,
	.ended = on_ended,
	.closed = on_closed,
};

void recv_close_listener(struct recv_app *a)
{
	(void)a;
}

static void sender_comes(unsigned i)
{
	struct recv_stream *s;
	struct weir_sock *sock;
	int fds[2];

	if (peers[i] >= 0)
		return;
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	peers[i] = fds[1];
	must(!weir_adopt(peer_engine, fds[0], NULL, NULL, NULL, &sock, NULL));
	must(!recv_stream_new(&app, sock, &s));
	weir_sock_set_ops(sock, &stream_ops, s);
	if (app.opts.raw)
		recv_transfer_raw_begin(s);
}

static void say_hello(struct fuzz_in *in, unsigned peer)
{
	struct stream_hello h = { .flags = fuzz_u8(in) & 1,
				  .index = fuzz_u8(in),
				  .count = fuzz_u8(in),
				  .chunk_max = fuzz_u32(in),
				  .id = fuzz_u8(in),
				  .total = fuzz_u16(in) };
	uint8_t wire[STREAM_HELLO_BYTES];

	if (h.total == 0xffff)
		h.total = STREAM_TOTAL_UNKNOWN;
	stream_put_hello(wire, &h);
	peer_say(peer, wire, sizeof(wire));
}

static void say_record(struct fuzz_in *in, unsigned peer)
{
	static const uint32_t magics[] = { STREAM_MAGIC_CHUNK, STREAM_MAGIC_IDLE, STREAM_MAGIC_END,
					   STREAM_MAGIC_CHUNK };
	uint8_t what = fuzz_u8(in);
	struct stream_record r = { .magic = magics[what % 4],
				   .len = fuzz_u16(in),
				   .offset = fuzz_u16(in) };
	uint8_t wire[STREAM_RECORD_BYTES];
	const uint8_t *payload;
	size_t bytes;

	if (what & 4)
		r.sum = fuzz_u32(in);
	if (what & 8)
		r.offset = INT64_MAX - r.offset;
	stream_put_record(wire, &r);
	peer_say(peer, wire, sizeof(wire));
	if (r.magic != STREAM_MAGIC_CHUNK)
		return;
	bytes = fuzz_part(in, r.len, &payload);
	peer_say(peer, payload, bytes);
	/* The rest is what it is. */
	for (uint32_t left = r.len - (uint32_t)bytes; left && !(what & 16); left--)
		peer_say(peer, "", 1);
}

static void act(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), peer = fuzz_u8(in) % PEERS;
	const uint8_t *data;
	size_t bytes;

	switch (what) {
	case 'c':
		sender_comes(peer);
		break;
	case 'h':
		sender_comes(peer);
		say_hello(in, peer);
		break;
	case 'r':
		say_record(in, peer);
		break;
	case 'b':
		bytes = fuzz_part(in, fuzz_u8(in), &data);
		peer_say(peer, data, bytes);
		break;
	case 'x':
		peer_close(peer, fuzz_u8(in));
		break;
	default:
		break;
	}
	peers_step();
}

static void headers(const uint8_t *data, size_t size)
{
	uint8_t wire[STREAM_RESULT_BYTES] = { 0 }, back[STREAM_RESULT_BYTES];
	struct stream_hello hello = { .chunk_max = 1000, .total = STREAM_TOTAL_UNKNOWN };
	struct stream_record record;
	struct stream_result result;
	const char *why;

	memcpy(wire, data, size < sizeof(wire) ? size : sizeof(wire));
	if (!stream_get_hello(wire, &hello, &why)) {
		must(hello.count <= STREAM_COUNT_MAX && hello.index < hello.count);
		stream_put_hello(back, &hello);
		must(!memcmp(wire, back, STREAM_HELLO_BYTES));
	}
	if (!stream_get_record(wire, &hello, &record, &why)) {
		must(record.len <= hello.chunk_max);
		must(record.offset <= STREAM_OFFSET_MAX - record.len);
		stream_put_record(back, &record);
		must(!memcmp(wire, back, STREAM_RECORD_BYTES));
	}
	if (!stream_get_result(wire, &result, &why))
		must(strlen(result.text) < sizeof(result.text));
}

/* A map of 64 bytes says the same. */
static void cover(struct fuzz_in *in)
{
	struct stream_cover c = { 0 };
	uint64_t map = 0, first = 0;

	while (in->left) {
		uint8_t start = fuzz_u8(in) % 64, len = 1 + fuzz_u8(in) % (64 - start);
		uint64_t bits = (len == 64 ? ~0ull : (1ull << len) - 1) << start;

		must(stream_cover_add(&c, start, len) == (map & bits ? -EEXIST : 0));
		if (!(map & bits))
			map |= bits;
	}
	while (first < 64 && map >> first & 1)
		first++;
	must(stream_cover_gap(&c) == first);
	for (unsigned n = 0; n <= 64; n++)
		must(stream_cover_whole(&c, n) == (n < 64 ? map == (1ull << n) - 1 : map == ~0ull));
	stream_cover_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t how = fuzz_u8(&in);

	if (size > 1 << 14)
		return 0;
	headers(data, size);
	if (how == 'v') {
		cover(&in);
		return 0;
	}
	memset(&app, 0, sizeof(app));
	app.engine = peer_engine;
	app.out.fd = app.direct.fd = -1;
	app.opts.raw = (how & 3) == 3;
	app.opts.keep = how & 4;
	app.opts.checksum = how & 8;
	app.opts.quiet = true;
	app.opts.in_place = true;
	app.opts.file = how & 16 ? "/dev/null" : path;
	for (unsigned acts = 0; in.left && acts < 100; acts++)
		act(&in);
	peers_close();
	peers_step();
	/* As after --timeout: a stream that did not come is waited for. */
	if (app.transfer.active)
		recv_transfer_fail(&app, NULL, "nothing arrived");
	peers_over();
	must(!app.streams && !app.transfer.active);
	stream_out_abort(&app.out);
	return 0;
}
