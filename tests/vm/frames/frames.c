/* SPDX-License-Identifier: MIT */
/*
 * frames.c - weir-frames: one transfer from namespace b to namespace a, every byte verified.
 *
 * Theory: the stream's content is a table of pseudo-random bytes, repeated with a period that is
 * prime, so that a piece of the wrong place never fits.  A child enters namespace b and sends, the
 * parent receives in namespace a and compares.  UDP goes as datagrams of one length, by the
 * kernel's segmentation (UDP_SEGMENT) or each alone; their order and lengths are verified, too.
 * IPv6 extension headers are put before TCP or UDP by the socket's sticky options.
 *
 * Sources: RFC 3542 (sticky options), RFC 8200 (layout of extension headers), udp(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PERIOD 65521u /* a prime */
#define CHUNK 65000u
#define DEADLINE_S 15
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static struct options {
	const char *addr;
	uint64_t bytes;
	uint16_t port;
	unsigned datagram; /* bytes of each; 0: TCP */
	bool segment;	   /* the kernel cuts the datagrams */
	bool hop, dst;
} options = { .port = 5100 };

static unsigned char table[PERIOD + CHUNK];

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("weir-frames: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void fill_table(void)
{
	uint32_t x = 0x9e3779b9u;

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		table[i] = (unsigned char)(x >> 11);
	}
	memcpy(table + PERIOD, table, CHUNK);
}

static void enter(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("namespace %s: %s", name, strerror(errno));
	close(fd);
}

/* The address to send to, or the wildcard of its family. */
static socklen_t address(bool any, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, options.addr, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(options.port);
		if (any)
			four->sin_addr.s_addr = INADDR_ANY;
		return sizeof *four;
	}
	if (inet_pton(AF_INET6, options.addr, &six->sin6_addr) != 1)
		fail("%s is no address", options.addr);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(options.port);
	if (any)
		six->sin6_addr = in6addr_any;
	return sizeof *six;
}

static void set(int fd, int level, int name, const void *value, socklen_t len, const char *what)
{
	if (setsockopt(fd, level, name, value, len))
		fail("%s: %s", what, strerror(errno));
}

static int socket_new(const struct sockaddr_storage *a)
{
	const struct timeval wait = { .tv_sec = DEADLINE_S };
	int fd = socket(a->ss_family, options.datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
	int one = 1, room = 64 << 20;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	set(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one, "SO_REUSEADDR");
	set(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait, "SO_RCVTIMEO");
	set(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait, "SO_SNDTIMEO");
	if (options.datagram)
		set(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room, "SO_RCVBUFFORCE");
	return fd;
}

/* Each header is as short as it can be: 8 bytes, padding only. */
static void add_headers(int fd)
{
	const unsigned char padding[8] = { 0, 0, 1, 4 };

	if (options.hop)
		set(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof padding, "IPV6_HOPOPTS");
	if (options.dst)
		set(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof padding, "IPV6_DSTOPTS");
}

static void send_all(void)
{
	struct sockaddr_storage a;
	socklen_t len = address(false, &a);
	int fd = socket_new(&a);
	unsigned chunk = CHUNK, batch;

	add_headers(fd);
	if (connect(fd, (struct sockaddr *)&a, len))
		fail("connect: %s", strerror(errno));
	if (options.datagram) {
		batch = options.segment ? (CHUNK / options.datagram) : 1;
		chunk = (batch > 60 ? 60 : batch) * options.datagram;
	}
	if (options.segment)
		set(fd, IPPROTO_UDP, UDP_SEGMENT, &(int){ (int)options.datagram }, sizeof(int),
		    "UDP_SEGMENT");
	for (uint64_t sent = 0; sent < options.bytes;) {
		uint64_t left = options.bytes - sent;
		ssize_t n = send(fd, table + sent % PERIOD, left < chunk ? left : chunk, 0);

		if (n <= 0)
			fail("send at %llu: %s", (unsigned long long)sent, strerror(errno));
		sent += (uint64_t)n;
	}
	close(fd);
}

static void receive_all(int fd)
{
	static unsigned char buf[CHUNK];

	for (uint64_t got = 0; got < options.bytes;) {
		uint64_t left = options.bytes - got;
		ssize_t n = recv(fd, buf, sizeof buf, 0);

		if (n <= 0)
			fail("received %llu of %llu, then %s", (unsigned long long)got,
			     (unsigned long long)options.bytes, n ? strerror(errno) : "the end");
		if (memcmp(buf, table + got % PERIOD, (size_t)n))
			fail("wrong content in %zd bytes at %llu", n, (unsigned long long)got);
		if (options.datagram &&
		    (uint64_t)n != (left < options.datagram ? left : options.datagram))
			fail("a datagram of %zd bytes at %llu", n, (unsigned long long)got);
		got += (uint64_t)n;
	}
	if (!options.datagram && recv(fd, buf, 1, 0))
		fail("more than was sent");
}

static void transfer(void)
{
	struct sockaddr_storage a;
	int listener, fd, status;
	pid_t child, parent = getpid();
	socklen_t len;

	enter("a");
	len = address(true, &a);
	fd = listener = socket_new(&a);
	if (bind(listener, (struct sockaddr *)&a, len))
		fail("bind: %s", strerror(errno));
	if (!options.datagram && listen(listener, 1))
		fail("listen: %s", strerror(errno));
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(listener);
		enter("b");
		send_all();
		exit(0);
	}
	if (!options.datagram) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			fail("accept: %s", strerror(errno));
	}
	receive_all(fd);
	if (waitpid(child, &status, 0) != child || status)
		fail("the sender failed");
}

static unsigned long long number(const char *text, unsigned long long max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || !value || value > max)
		fail("%s: not a number from 1 to %llu", text, max);
	return value;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		fail("usage: weir-frames ADDRESS BYTES [udp=LENGTH] [uso=LENGTH] [port=PORT] "
		     "[hop] [dst]");
	options.addr = argv[1];
	options.bytes = number(argv[2], UINT64_MAX);
	for (int i = 3; i < argc; i++) {
		if (!strncmp(argv[i], "udp=", 4) || !strncmp(argv[i], "uso=", 4)) {
			options.datagram = (unsigned)number(argv[i] + 4, CHUNK);
			options.segment = argv[i][1] == 's';
		} else if (!strncmp(argv[i], "port=", 5)) {
			options.port = (uint16_t)number(argv[i] + 5, UINT16_MAX);
		} else if (!strcmp(argv[i], "hop")) {
			options.hop = true;
		} else if (!strcmp(argv[i], "dst")) {
			options.dst = true;
		} else {
			fail("%s: unknown word", argv[i]);
		}
	}
	fill_table();
	transfer();
	return 0;
}
