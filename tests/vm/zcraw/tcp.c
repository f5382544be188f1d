/* SPDX-License-Identifier: MIT */
/*
 * tcp.c - streams of known content, and the process that sends one.
 *
 * Theory: the content of all streams is one table of pseudo-random bytes, repeated with a period
 * that is prime, so that no multiple of a page, segment or buffer size moves data to a place where
 * it would look right; each stream begins elsewhere in it.  Sending and verifying need no
 * generator then: both use the table in place.
 *
 * The sender is a process in the other namespace.  It connects, waits for one byte on a pipe (the
 * receiver's side is then as the scenario wants it), sends, ends its side, and waits for the end of
 * ours, after which the kernel's counts of sent and repeated bytes are final and are reported.
 *
 *     receiver --- go ---> sender ---- TCP over the test NIC ----> receiver
 *              <- report -
 *
 * Sources: net/ipv4/tcp.c (tcp_get_info), io_uring/notif.c (usage report), Linux 7.3.
 */
#include "zcraw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PERIOD 1048573u /* the largest prime below 2^20 */
#define STREAM_STEP 104729u
#define IO_DEADLINE_MS 20000
#define RTO_MIN_MS 200 /* TCP_RTO_MIN */
#define KEPT_FD 900
#define CHUNK_PLAIN (256u << 10)
#define CHUNK_ZC (64u << 10)

static unsigned char *table;

void pattern_init(void)
{
	uint64_t x = zcraw_seed * 2 + 1;

	if (table)
		return;
	table = mmap(NULL, PERIOD + PATTERN_RUN, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		fail("no memory for the pattern");
	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		table[i] = (unsigned char)(x >> 24);
	}
	for (size_t filled = PERIOD; filled < PERIOD + PATTERN_RUN;) {
		size_t n = PERIOD + PATTERN_RUN - filled;

		if (n > PERIOD)
			n = PERIOD;
		memcpy(table + filled, table + filled - PERIOD, n);
		filled += n;
	}
}

const unsigned char *pattern_at(unsigned stream, uint64_t pos)
{
	return table + (pos + (uint64_t)stream * STREAM_STEP) % PERIOD;
}

void pattern_check(unsigned stream, uint64_t pos, const void *data, size_t len)
{
	const unsigned char *got = data;

	while (len) {
		size_t n = len < PATTERN_RUN ? len : PATTERN_RUN;
		const unsigned char *want = pattern_at(stream, pos);

		if (memcmp(got, want, n)) {
			size_t i = 0;

			while (got[i] == want[i])
				i++;
			fail("stream %u: byte %llu is %02x, not %02x (byte %zu of a piece of %zu)",
			     stream, (unsigned long long)(pos + i), got[i], want[i], i, len);
		}
		got += n;
		pos += n;
		len -= n;
	}
}

static socklen_t address(struct sockaddr_storage *ret, const char *text, unsigned port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, text, &in6->sin6_addr);
		return sizeof *in6;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, text, &in4->sin_addr);
	return sizeof *in4;
}

int tcp_listen(bool ip6, unsigned stream)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, ip6 ? "::" : "0.0.0.0", PORT + stream);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) || listen(fd, 8))
		fail("listening on port %u: %s", PORT + stream, strerror(errno));
	return fd;
}

int tcp_accept(int listener)
{
	int fd;

	if (!poll_one(listener, POLLIN, IO_DEADLINE_MS))
		fail("nobody connected in %d ms", IO_DEADLINE_MS);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		fail("accept: %s", strerror(errno));
	return fd;
}

/* Two lines of /proc/net/netstat for each group: the names, then the numbers. */
uint64_t tcp_stat(const char *counter)
{
	static char text[32768];
	char *names, *numbers, *save_name = NULL, *save_number = NULL;
	int err = file_read("/proc/self/net/netstat", text, sizeof text);

	if (err)
		fail("/proc/net/netstat: %s", strerror(-err));
	names = strstr(text, "TcpExt: ");
	numbers = names ? strchr(names, '\n') : NULL;
	if (!numbers)
		fail("/proc/net/netstat has no TcpExt");
	*numbers++ = '\0';
	numbers[strcspn(numbers, "\n")] = '\0';
	names = strtok_r(names, " ", &save_name);
	numbers = strtok_r(numbers, " ", &save_number);
	while (names && numbers && strcmp(names, counter)) {
		names = strtok_r(NULL, " ", &save_name);
		numbers = strtok_r(NULL, " ", &save_number);
	}
	if (!names || !numbers)
		fail("the kernel has no counter TcpExt %s", counter);
	return strtoull(numbers, NULL, 10);
}

uint64_t tcp_drain(int fd, unsigned stream, uint64_t pos, long deadline_ms)
{
	static unsigned char buf[256 << 10];
	long end = now_ms() + deadline_ms;
	uint64_t began = pos;

	for (;;) {
		ssize_t n;

		if (!poll_one(fd, POLLIN, end - now_ms()))
			fail("stream %u: no end in %ld ms, %llu bytes", stream, deadline_ms,
			     (unsigned long long)pos);
		n = recv(fd, buf, sizeof buf, 0);
		if (n < 0 && errno != EINTR)
			fail("stream %u: recv at %llu: %s", stream, (unsigned long long)pos,
			     strerror(errno));
		if (n == 0)
			return pos - began;
		if (n > 0) {
			pattern_check(stream, pos, buf, (size_t)n);
			pos += (uint64_t)n;
		}
	}
}

/* --- the sender's process; it reports errors, and never calls fail() after it has connected --- */

static int send_plain(int fd, const struct sender_options *o, struct sender_report *r)
{
	size_t chunk = o->chunk_bytes ? o->chunk_bytes : CHUNK_PLAIN;

	while (r->sent < o->bytes) {
		uint64_t left = o->bytes - r->sent;
		ssize_t n = send(fd, pattern_at(o->stream, r->sent), left < chunk ? left : chunk,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			r->sent += (uint64_t)n;
		if (o->pause_ms)
			poll(NULL, 0, (int)o->pause_ms);
	}
	return 0;
}

static void reap(struct ring *ring, struct sender_report *r, int *ret_sent, unsigned *ret_notifs)
{
	struct completion c;

	while (ring_next(ring, &c)) {
		if (c.flags & ZR_CQE_F_NOTIF) {
			r->zc_copied += !!((unsigned)c.res & ZR_NOTIF_USAGE_ZC_COPIED);
			++*ret_notifs;
		} else {
			*ret_sent = c.res;
			/* without F_MORE there will be no notification */
			*ret_notifs += !c.has_more;
		}
	}
}

static int send_zc(int fd, const struct sender_options *o, struct sender_report *r)
{
	size_t chunk = o->chunk_bytes ? o->chunk_bytes : CHUNK_ZC;
	long end = now_ms() + IO_DEADLINE_MS;
	unsigned notifs = 0;
	struct ring ring;
	int err = ring_open(&ring, 8, 1024, ZR_SETUP_SINGLE_ISSUER | ZR_SETUP_DEFER_TASKRUN);

	if (err)
		return -err;
	while (r->sent < o->bytes || notifs < r->zc_sends) {
		int sent = INT32_MIN;

		if (r->sent < o->bytes) {
			uint64_t left = o->bytes - r->sent;
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			sqe->opcode = ZR_OP_SEND_ZC;
			sqe->fd = fd;
			sqe->addr = (uintptr_t)pattern_at(o->stream, r->sent);
			sqe->len = (uint32_t)(left < chunk ? left : chunk);
			sqe->ioprio = ZR_SEND_ZC_REPORT_USAGE;
			sqe->msg_flags = MSG_NOSIGNAL;
			r->zc_sends++;
		} else {
			sent = 0;
		}
		do {
			err = ring_wait(&ring, 1000);
			if ((err && err != -ETIME) || now_ms() > end) {
				ring_close(&ring);
				return err && err != -ETIME ? -err : ETIMEDOUT;
			}
			reap(&ring, r, &sent, &notifs);
		} while (sent == INT32_MIN || (o->mode == SEND_ZC_SERIAL && notifs < r->zc_sends));
		if (sent < 0) {
			ring_close(&ring);
			return -sent;
		}
		r->sent += (uint64_t)sent;
	}
	ring_close(&ring);
	return 0;
}

static int connect_to(const struct sender_options *o)
{
	const char *to = o->addr ? o->addr : RX_ADDR4;
	struct sockaddr_storage a, from;
	socklen_t len = address(&a, to, o->port ? o->port : PORT + o->stream);
	struct timeval wait = { IO_DEADLINE_MS / 1000 * slow(), 0 };
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	/* also bounds connect() */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (o->from_port) {
		socklen_t from_len =
			address(&from, strchr(to, ':') ? "::" : "0.0.0.0", o->from_port);

		if (bind(fd, (struct sockaddr *)&from, from_len))
			fail("sender of stream %u: bind to port %u: %s", o->stream, o->from_port,
			     strerror(errno));
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, len))
		fail("sender of stream %u: connect to %s: %s", o->stream, to, strerror(errno));
	return fd;
}

/* The other way round: the receiver connects to us. */
static int accept_from(const struct sender_options *o)
{
	int listener = tcp_listen(o->addr && strchr(o->addr, ':'), o->stream), fd;

	fd = tcp_accept(listener);
	close(listener);
	return fd;
}

/* Of our files only the two pipes: a ring, a dma-buf or a socket would outlive its close(). */
static void keep_pipes(int *go, int *report)
{
	*go = fcntl(*go, F_DUPFD, KEPT_FD);
	*report = fcntl(*report, F_DUPFD, KEPT_FD + 1);
	if (*go != KEPT_FD || *report != KEPT_FD + 1)
		_exit(1);
	close_range(3, KEPT_FD - 1, 0);
	close_range(KEPT_FD + 2, ~0u, 0);
}

/* What the next receive is to return: a byte, or the end (0); 0 or errno. */
static int expect(int fd, ssize_t want)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n < 0 ? errno : n != want ? EPROTO : 0;
}

static void sender_main(const struct sender_options *o, int go, int report)
{
	struct linger now = { 1, 0 };
	struct sender_report r;
	struct tcp_info info;
	socklen_t len = sizeof info;
	char byte, text[32];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	keep_pipes(&go, &report);
	enter_ns(TX_NS);
	memset(&r, 0, sizeof r);
	memset(&info, 0, sizeof info);
	/* where the kernel has it (6.11): repeats come sooner, and tests with loss end sooner */
	snprintf(text, sizeof text, "%u", (o->rto_ms ? o->rto_ms : RTO_MIN_MS) * 1000);
	file_write("/proc/sys/net/ipv4/tcp_rto_min_us", text);
	if (o->late && read(go, &byte, 1) != 1)
		_exit(1);
	fd = o->accepts ? accept_from(o) : connect_to(o);
	if (o->abrupt) /* when this process is killed, nothing of the connection is left */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	if (!o->late && read(go, &byte, 1) != 1)
		_exit(1);
	r.error = o->mode == SEND_PLAIN ? send_plain(fd, o, &r) : send_zc(fd, o, &r);
	if (o->reset) {
		if (o->awaits_byte && !r.error)
			r.error = expect(fd, 1);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	} else if (!r.error) {
		shutdown(fd, SHUT_WR);
		r.error = expect(fd, 0);
	}
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	r.retrans_bytes = info.tcpi_bytes_retrans;
	r.tcp_bytes = info.tcpi_bytes_sent;
	close(fd);
	_exit(write(report, &r, sizeof r) != sizeof r);
}

void sender_start(struct sender *sender, const struct sender_options *o)
{
	int go[2], report[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	sender->pid = fork();
	if (sender->pid < 0)
		fail("fork: %s", strerror(errno));
	if (!sender->pid) {
		close(go[1]);
		sender_main(o, go[0], report[1]);
	}
	close(go[0]);
	close(report[1]);
	sender->go = go[1];
	sender->report = report[0];
}

void sender_go(struct sender *sender)
{
	if (write(sender->go, "g", 1) != 1)
		fail("the sender is gone: %s", strerror(errno));
}

void sender_end(struct sender *sender, struct sender_report *ret)
{
	if (!poll_one(sender->report, POLLIN, IO_DEADLINE_MS))
		fail("no report from the sender in %d ms", IO_DEADLINE_MS);
	if (read(sender->report, ret, sizeof *ret) != sizeof *ret)
		fail("the sender ended without a report");
	waitpid(sender->pid, NULL, 0);
	close(sender->go);
	close(sender->report);
}

void sender_kill(struct sender *sender)
{
	kill(sender->pid, SIGKILL);
	waitpid(sender->pid, NULL, 0);
	close(sender->go);
	close(sender->report);
}
