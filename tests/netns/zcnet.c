/* SPDX-License-Identifier: MIT */
/*
 * zcnet.c - sends without a copy over interfaces of network namespaces, and plain receivers.
 *
 * Theory: the sender has some buffers, each with a context of its own.  A buffer is filled with
 * content that says which message it is, sent, and overwritten the moment that its generation is
 * reported; the receiver, a plain socket in another process, checks every byte.  With --early a
 * buffer is overwritten as soon as the kernel has it, on purpose: where pages are read later the
 * receiver must then see it.  One line of name=value pairs says how it went.
 *
 *	weir-zcnet send PEER [--stream] [--bytes N] [--count N] [--segment N] [--pieces N]
 *	           [--buffers N] [--registered] [--plain] [--early] [--unread]
 *	weir-zcnet receive ADDRESS [--stream] [--closed-window]
 *
 * PEER and ADDRESS are as weir_addr_parse() takes them.  A receiver prints "ready" first and ends
 * at the end of the stream, or at the datagram that says so.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#define BUFFERS_MAX 1024u
#define END_NUMBER UINT32_MAX /* of the datagram that ends a receiver */
#define GIVE_UP_MS 20000

static struct {
	bool stream, registered, plain, early, unread, closed_window;
	size_t bytes;
	unsigned count, segment, pieces, buffers;
} o = { .bytes = 1400, .count = 1000, .pieces = 1, .buffers = 64 };

static struct {
	struct weir_engine *e;
	struct weir_sock *s;
	struct weir_area *area;
	unsigned char *mem;
	bool busy[BUFFERS_MAX];
	uint32_t number;
	unsigned outstanding, errors;
	uint64_t at; /* in the stream */
	uint64_t released, bytes, copied;
	bool closed;
} w;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void die(const char *what, int code)
{
	fprintf(stderr, "weir-zcnet: %s: %s\n", what, strerror(code < 0 ? -code : code));
	exit(1);
}

/* Byte @i of message @number (a stream is message 0); no two messages are alike at any shift. */
static unsigned char content(uint32_t number, uint64_t i)
{
	uint64_t z = (i >> 3) * 0x9e3779b97f4a7c15ull + number * 0xbf58476d1ce4e5b9ull;

	z = (z ^ (z >> 31)) * 0x94d049bb133111ebull;
	return (z >> 33) >> (i & 7);
}

static void fill(unsigned char *to, uint32_t number, uint64_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = content(number, from + i);
}

static bool right(const unsigned char *data, uint32_t number, uint64_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != content(number, from + i))
			return false;
	return true;
}

/* A datagram: its number, then content. */
static void fill_dgram(unsigned char *to, uint32_t number, size_t len)
{
	fill(to, number, 0, len);
	memcpy(to, &number, sizeof number);
}

/* ---- the sender ---- */

static void released(struct weir_engine *e, const struct weir_event *ev, void *user)
{
	unsigned i = ev->gen.tag;

	(void)e;
	(void)user;
	memset(w.mem + i * o.bytes, 0xdd, o.bytes);
	w.busy[i] = false;
	w.outstanding--;
	w.released++;
	w.bytes += ev->gen.bytes;
	w.copied += ev->gen.copied_bytes;
	if (ev->res) {
		w.errors++;
		fprintf(stderr, "weir-zcnet: a send ended with %s\n", strerror(-ev->res));
	}
}

static void sock_closed(struct weir_sock *s, void *user)
{
	(void)s;
	(void)user;
	w.closed = true;
}

static void sock_connected(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	if (res)
		die("connect", res);
}

static void sock_failed(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	w.errors++;
	fprintf(stderr, "weir-zcnet: error event: %s\n", strerror(-res));
}

static const struct weir_sock_ops ops = {
	.connected = sock_connected,
	.failed = sock_failed,
	.closed = sock_closed,
};

static void dispatch(int64_t timeout_us)
{
	int r = weir_engine_dispatch(w.e, timeout_us);

	if (r < 0)
		die("weir_engine_dispatch", r);
}

static void make_content(unsigned char *at)
{
	size_t step = o.segment ? o.segment : o.bytes;

	if (o.stream) {
		fill(at, 0, w.at, o.bytes);
		return;
	}
	for (size_t done = 0; done < o.bytes; done += step)
		fill_dgram(at + done, w.number++, o.bytes - done < step ? o.bytes - done : step);
}

/* Sends one buffer; false where none is free, or the queue is full. */
static bool send_one(void)
{
	struct weir_ctx_send send = { .size = sizeof send,
				      .flags = WEIR_SEND_FLUSH,
				      .segment_bytes = o.segment };
	struct iovec iov[16];
	unsigned char *at;
	unsigned i = 0;
	int ret;

	while (i < o.buffers && w.busy[i])
		i++;
	if (i == o.buffers)
		return false;
	at = w.mem + i * o.bytes;
	make_content(at);
	for (unsigned k = 0; k < o.pieces; k++) {
		size_t from = o.bytes * k / o.pieces;

		iov[k].iov_base = at + from;
		iov[k].iov_len = o.bytes * (k + 1) / o.pieces - from;
	}
	send.ctx = i;
	send.iov = iov;
	send.iov_count = o.pieces;
	send.flags |= o.plain ? WEIR_SEND_PLAIN : WEIR_SEND_ZEROCOPY;
	ret = weir_ctx_send(w.s, &send);
	if (ret == -ENOBUFS)
		return false;
	if (ret)
		die("weir_ctx_send", ret);
	w.at += o.bytes;
	w.busy[i] = true;
	w.outstanding++;
	if (o.early) {
		dispatch(0);
		memset(at, 0xdd, o.bytes);
	}
	return true;
}

static void open_sender(const char *peer)
{
	static uint64_t tags[BUFFERS_MAX];
	struct weir_engine_opts eo = { .size = sizeof eo, .released = released };
	struct weir_sock_opts so = { .size = sizeof so, .peer = peer, .sndbuf_bytes = 1 << 20 };
	struct weir_error err = { 0 };
	struct weir_area_opts ao = { .size = sizeof ao };
	struct weir_area *area = NULL;
	struct weir_area_info info;
	int registered = 0;

	if (weir_engine_open(&w.e, &eo, &err))
		goto failed;
	ao.bytes = o.bytes * o.buffers;
	if (weir_area_open(&area, &ao, &err))
		goto failed;
	weir_area_describe(area, &info);
	w.mem = info.base;
	if (o.registered)
		registered = weir_engine_send_area(w.e, area, NULL);
	printf("area=%s ", !o.registered ? "unused" : registered ? strerror(-registered) : "ok");
	for (unsigned i = 0; i < o.buffers; i++)
		tags[i] = i;
	if (weir_ctx_register(w.e, tags, o.buffers, &err))
		goto failed;
	if (o.stream ? weir_connect(w.e, peer, &ops, NULL, &so, &w.s, &err) :
		       weir_udp_open(w.e, NULL, &ops, NULL, &so, &w.s, &err))
		goto failed;
	w.area = area;
	return;
failed:
	weir_error_print(stderr, &err);
	exit(1);
}

static int run_sender(const char *peer)
{
	struct weir_engine_stats st;
	uint64_t end, closing;
	unsigned sent = 0;

	open_sender(peer);
	end = now_ms() + GIVE_UP_MS;
	while ((sent < o.count || w.outstanding) && now_ms() < end) {
		while (sent < o.count && send_one())
			sent++;
		if (o.unread && sent == o.count)
			break;
		dispatch(100000);
	}
	if (o.unread) /* until nothing moves any more */
		for (unsigned i = 0; i < 20; i++)
			dispatch(10000);
	printf("outstanding=%u ", w.outstanding);
	closing = now_ms();
	if (!o.stream) {
		unsigned char last[8];

		fill_dgram(last, END_NUMBER, sizeof last);
		for (unsigned i = 0; i < 3; i++)
			if (weir_sock_send(w.s, last, sizeof last, WEIR_SEND_COPY, 0))
				w.errors++;
	}
	if (o.unread)
		weir_sock_close(w.s);
	else
		weir_sock_finish(w.s);
	while (!w.closed && now_ms() < closing + GIVE_UP_MS)
		dispatch(100000);
	closing = now_ms() - closing;
	dispatch(0);
	weir_engine_get_stats(w.e, &st);
	printf("plane=%d sends=%u released=%llu left=%u errors=%u bytes=%llu copied_bytes=%llu "
	       "requests=%llu copied=%llu refused=%llu closed=%d closed_ms=%llu\n",
	       weir_engine_plane(w.e), sent, (unsigned long long)w.released, w.outstanding,
	       w.errors, (unsigned long long)w.bytes, (unsigned long long)w.copied,
	       (unsigned long long)st.tx_zc_requests, (unsigned long long)st.tx_zc_copied,
	       (unsigned long long)st.tx_zc_refused, w.closed, (unsigned long long)closing);
	weir_engine_close(w.e);
	weir_area_close(w.area);
	return 0;
}

/* ---- the receiver ---- */

static int open_receiver(const char *address)
{
	struct weir_addr a;
	int one = 1, small = 4096, large = 8 << 20, fd;

	if (weir_addr_parse(address, &a, NULL))
		die(address, EINVAL);
	fd = socket(a.sa.sa_family, o.stream ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (fd < 0)
		die("socket", errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (o.closed_window)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	else if (!o.stream && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
	if (bind(fd, &a.sa, a.len) || (o.stream && listen(fd, 1)))
		die("bind", errno);
	puts("ready");
	fflush(stdout);
	if (o.stream) {
		int s = accept(fd, NULL, NULL);

		if (s < 0)
			die("accept", errno);
		close(fd);
		fd = s;
	}
	return fd;
}

static int run_receiver(const char *address)
{
	static unsigned char buf[65536];
	struct pollfd p = { .events = POLLIN };
	uint64_t got = 0, bytes = 0, wrong = 0;
	const char *how = "idle";

	p.fd = open_receiver(address);
	if (o.closed_window) { /* until the other side is gone: its reset, or the end of time */
		p.events = 0;
		how = poll(&p, 1, GIVE_UP_MS) == 1 ? "reset" : "idle";
		p.events = POLLIN;
	}
	while (poll(&p, 1, GIVE_UP_MS) == 1) {
		ssize_t n = recv(p.fd, buf, sizeof buf, 0);
		uint32_t number = 0;

		if (n < 0) {
			how = strerror(errno);
			break;
		}
		if (!n && o.stream) {
			how = "end";
			break;
		}
		if (!o.stream && n >= (ssize_t)sizeof number)
			memcpy(&number, buf, sizeof number);
		if (number == END_NUMBER) {
			how = "end";
			break;
		}
		if (o.stream ? !right(buf, 0, bytes, n) :
			       !right(buf + sizeof number, number, sizeof number,
				      (size_t)n - sizeof number))
			wrong++;
		got++;
		bytes += n;
	}
	printf("received=%llu bytes=%llu wrong=%llu end=%s\n", (unsigned long long)got,
	       (unsigned long long)bytes, (unsigned long long)wrong, how);
	return 0;
}

static const struct option options[] = {
	{ "stream", 0, NULL, 's' },	   { "bytes", 1, NULL, 'b' },
	{ "count", 1, NULL, 'c' },	   { "segment", 1, NULL, 'g' },
	{ "pieces", 1, NULL, 'p' },	   { "buffers", 1, NULL, 'n' },
	{ "registered", 0, NULL, 'r' },	   { "plain", 0, NULL, 'l' },
	{ "early", 0, NULL, 'e' },	   { "unread", 0, NULL, 'u' },
	{ "closed-window", 0, NULL, 'w' }, { NULL, 0, NULL, 0 },
};

static void take(int c)
{
	unsigned long n = optarg ? strtoul(optarg, NULL, 0) : 0;

	switch (c) {
	case 's':
		o.stream = true;
		break;
	case 'b':
		o.bytes = n;
		break;
	case 'c':
		o.count = n;
		break;
	case 'g':
		o.segment = n;
		break;
	case 'p':
		o.pieces = n;
		break;
	case 'n':
		o.buffers = n;
		break;
	case 'r':
		o.registered = true;
		break;
	case 'l':
		o.plain = true;
		break;
	case 'e':
		o.early = true;
		break;
	case 'u':
		o.unread = true;
		break;
	case 'w':
		o.closed_window = true;
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	int c;

	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		take(c);
	if (argc - optind != 2 || o.bytes < 8 || !o.buffers || o.buffers > BUFFERS_MAX ||
	    !o.pieces || o.pieces > 16 || (o.segment && o.segment < 8)) {
		fputs("weir-zcnet: see the comment at the top of zcnet.c\n", stderr);
		return 2;
	}
	if (!strcmp(argv[optind], "send"))
		return run_sender(argv[optind + 1]);
	if (!strcmp(argv[optind], "receive"))
		return run_receiver(argv[optind + 1]);
	return 2;
}
