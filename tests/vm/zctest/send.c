/* SPDX-License-Identifier: MIT */
/*
 * send.c - an engine that sends without a copy over the test NIC, and who reads that.
 *
 * Theory: each stream has some buffers, used in turn.  A buffer is filled with what comes next in
 * the stream, sent, and overwritten with other bytes the moment its memory is said to be free: by
 * the event of the send, or of its generation where contexts are used.  TCP sends again from the
 * same memory what was lost, so a release that comes before the peer has acknowledged is seen by
 * the reader as wrong content.  Events must come in the order of the sends.
 *
 *   reader (namespace a, wn0) <=== wire === wn1 (namespace b), engine
 *
 * The reader is a process that knows nothing of the library: it accepts one connection per port,
 * reads by recv(2), and compares every byte with the pattern.
 */
#include "send.h"

#include <errno.h>
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

#define DEFAULT_BYTES (2u << 20)
#define DEFAULT_CHUNK (64u << 10)
#define DEFAULT_FLIGHT 8
#define READER_MS 30000
#define READ_BYTES (256u << 10)
#define UNREAD_RCVBUF (64 << 10)
#define POISON 0xdd
#define PIECES 4

uint64_t zs_tx_sum(const struct nic *nic, const char *counter)
{
	static char text[32768];
	char path[192], *save = NULL;
	uint64_t sum = 0;
	bool any = false;

	snprintf(path, sizeof path, "%s/stats", nic->dir);
	if (file_read(path, text, sizeof text))
		fail("%s cannot be read", path);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *dot = strchr(line, '.');
		size_t len = strlen(counter);

		if (strncmp(line, "tx", 2) || !dot || strncmp(dot + 1, counter, len) ||
		    dot[1 + len] != ' ')
			continue;
		sum += strtoull(dot + 1 + len, NULL, 10);
		any = true;
	}
	if (!any)
		fail("the test NIC has no counter tx*.%s", counter);
	return sum;
}

void zs_counts(const struct zs *z, struct zs_nic_counts *ret)
{
	memset(ret, 0, sizeof *ret);
	if (z->wish.local)
		return;
	ret->zc_frames = zs_tx_sum(&z->peer, "zc_frames");
	ret->tso_frames = zs_tx_sum(&z->peer, "tso_frames");
	ret->packets = zs_tx_sum(&z->peer, "packets");
}

/* ---------------------------------------------------------------- the reader's process */

struct reading {
	struct pollfd fd[ZS_STREAMS];
	uint64_t pos[ZS_STREAMS], total;
	unsigned open, broken;
};

static void read_some(struct reading *r, unsigned i, const struct zs_wish *wish)
{
	static unsigned char buf[READ_BYTES];
	ssize_t n = recv(r->fd[i].fd, buf, sizeof buf, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		pattern_check(i, r->pos[i], buf, (size_t)n);
		r->pos[i] += (uint64_t)n;
		r->total += (uint64_t)n;
		return;
	}
	if (n < 0 && !wish->may_break)
		fail("reader: stream %u: %s after %llu bytes", i, strerror(errno),
		     (unsigned long long)r->pos[i]);
	if (!n && r->pos[i] != wish->bytes && !wish->may_break)
		fail("reader: stream %u ended after %llu bytes of %llu", i,
		     (unsigned long long)r->pos[i], (unsigned long long)wish->bytes);
	r->broken += n < 0;
	close(r->fd[i].fd);
	r->fd[i].fd = -1;
	r->open--;
}

static void reader_main(const struct zs_wish *wish, const int *listener, int go, int report)
{
	static struct reading r;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < wish->streams; i++) {
		r.fd[i] = (struct pollfd){ .fd = tcp_accept(listener[i]), .events = POLLIN };
		close(listener[i]);
	}
	r.open = wish->streams;
	if (wish->unread && read(go, &byte, 1) != 1)
		_exit(1);
	for (long end = now_ms() + READER_MS; r.open;) {
		if (now_ms() > end)
			fail("reader: %u streams have not ended in %d ms, %llu bytes came", r.open,
			     READER_MS, (unsigned long long)r.total);
		if (poll(r.fd, wish->streams, 100) < 0 && errno != EINTR)
			fail("reader: poll: %s", strerror(errno));
		for (unsigned i = 0; i < wish->streams; i++)
			if (r.fd[i].fd >= 0 && r.fd[i].revents)
				read_some(&r, i, wish);
	}
	_exit(write(report, &r.total, sizeof r.total) != sizeof r.total ||
	      write(report, &r.broken, sizeof r.broken) != sizeof r.broken);
}

static void reader_start(struct zs *z)
{
	int listener[ZS_STREAMS], small = UNREAD_RCVBUF, go[2], report[2];

	for (unsigned i = 0; i < z->wish.streams; i++) {
		listener[i] = tcp_listen(z->wish.ip6, i);
		if (z->wish.unread)
			setsockopt(listener[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	}
	if (pipe(go) || pipe(report))
		fail("pipe: %s", strerror(errno));
	z->reader.pid = fork();
	if (z->reader.pid < 0)
		fail("fork: %s", strerror(errno));
	if (!z->reader.pid)
		reader_main(&z->wish, listener, go[0], report[1]);
	for (unsigned i = 0; i < z->wish.streams; i++)
		close(listener[i]);
	close(go[0]);
	close(report[1]);
	z->reader.go = go[1];
	z->reader.report = report[0];
}

void zs_reader_go(struct zs *z)
{
	if (write(z->reader.go, "g", 1) != 1)
		fail("the reader is gone: %s", strerror(errno));
}

/* It has said why. */
static void look_at_reader(struct zs *z)
{
	int status;

	if (z->reader.pid <= 0 || waitpid(z->reader.pid, &status, WNOHANG) != z->reader.pid)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		_exit(1);
	z->reader.pid = 0;
}

void zs_reader_end(struct zs *z)
{
	struct zs_reader *r = &z->reader;

	if (!poll_one(r->report, POLLIN, READER_MS))
		fail("no report of the reader in %d ms", READER_MS);
	if (read(r->report, &r->bytes, sizeof r->bytes) != sizeof r->bytes ||
	    read(r->report, &r->broken, sizeof r->broken) != sizeof r->broken)
		_exit(1);
	if (r->pid > 0)
		waitpid(r->pid, NULL, 0);
	r->pid = 0;
	close(r->go);
	close(r->report);
}

void zs_reader_kill(struct zs *z)
{
	if (z->reader.pid > 0) {
		kill(z->reader.pid, SIGKILL);
		waitpid(z->reader.pid, NULL, 0);
	}
	z->reader.pid = 0;
}

/* ---------------------------------------------------------------- the engine */

static unsigned char *buffer_of(const struct zs_stream *t, uint64_t seq)
{
	const struct zs_wish *w = &t->z->wish;

	return t->z->mem + (t->number * w->flight + seq % w->flight) * w->chunk;
}

static size_t next_len(const struct zs_stream *t)
{
	const struct zs_wish *w = &t->z->wish;
	uint64_t left = w->bytes - t->queued;
	size_t len = w->random ? (size_t)random() % w->chunk + 1 : w->chunk;

	return left < len ? (size_t)left : len;
}

/* The same memory, cut into pieces where that is wanted. */
static unsigned cut(const struct zs *z, struct iovec *iov, unsigned char *mem, size_t len)
{
	unsigned n = 0;

	while (z->wish.pieces && n + 1 < PIECES && len > 1) {
		size_t part = (size_t)random() % len;

		if (!part)
			break;
		iov[n++] = (struct iovec){ mem, part };
		mem += part;
		len -= part;
	}
	iov[n++] = (struct iovec){ mem, len };
	return n;
}

static int send_one(struct zs_stream *t, unsigned char *mem, size_t len)
{
	struct iovec iov[PIECES];
	unsigned count = cut(t->z, iov, mem, len);
	bool shared = t->z->wish.shared && t->queued + len < t->z->wish.bytes;
	unsigned flags = shared ? WEIR_SEND_MORE | (t->made % 2 ? WEIR_SEND_PLAIN : 0) : 0;
	struct weir_ctx_send send = { .size = sizeof send,
				      .ctx = t->number,
				      .flags = flags | WEIR_SEND_FLUSH,
				      .iov = iov,
				      .iov_count = count };

	if (t->z->wish.ctx)
		return weir_ctx_send(t->sock, &send);
	return weir_sock_sendv(t->sock, iov, count, flags, t->made + 1);
}

static void fill(struct zs_stream *t)
{
	const struct zs_wish *w = &t->z->wish;

	while (t->connected && !t->ended && t->queued < w->bytes && t->made - t->done < w->flight) {
		unsigned char *mem = buffer_of(t, t->made);
		size_t len = next_len(t);
		int r;

		memcpy(mem, pattern_at(t->number, t->queued), len);
		r = send_one(t, mem, len);
		if (r == -ENOBUFS || (r == -EPIPE && w->may_break))
			return;
		if (r)
			fail("stream %u: send: %s", t->number, strerror(-r));
		t->len[t->made++ % w->flight] = len;
		t->queued += len;
	}
	if (t->queued == w->bytes && !t->shut && !t->ended) {
		t->shut = true;
		if (weir_sock_shutdown(t->sock) && !w->may_break)
			fail("stream %u: weir_sock_shutdown", t->number);
	}
}

/* The memory of the oldest send is ours: it is overwritten at once. */
static void take_back(struct zs_stream *t, uint64_t seq, int64_t res)
{
	size_t len = t->len[seq % t->z->wish.flight];

	if (seq != t->done || t->done == t->made)
		fail("stream %u: the event of send %llu, %llu of %llu are done", t->number,
		     (unsigned long long)seq, (unsigned long long)t->done,
		     (unsigned long long)t->made);
	if (res != (int64_t)len && !t->z->wish.may_break)
		fail("stream %u: a send of %zu ended with %lld", t->number, len, (long long)res);
	memset(buffer_of(t, seq), POISON, len);
	t->done++;
	t->z->released += len;
}

static void on_sent(struct weir_sock *s, uint64_t tag, int res, void *user)
{
	struct zs_stream *t = user;

	(void)s;
	take_back(t, tag - 1, res);
	if (res > 0)
		fill(t);
}

static void on_released(struct weir_engine *e, const struct weir_event *ev, void *user)
{
	struct zs *z = user;
	struct zs_stream *t = &z->stream[ev->gen.tag];

	(void)e;
	if (ev->gen.tag >= z->wish.streams)
		fail("a generation of a context that there is not");
	z->copied += ev->gen.copied_bytes;
	take_back(t, ev->gen.number, ev->res ? ev->res : (int64_t)ev->gen.bytes);
	if (!ev->res && t->sock)
		fill(t);
}

static void on_connected(struct weir_sock *s, int res, void *user)
{
	struct zs_stream *t = user;

	(void)s;
	if (res)
		fail("stream %u: connect: %s", t->number, strerror(-res));
	t->connected = true;
	t->z->connected++;
	fill(t);
}

static void on_writable(struct weir_sock *s, void *user)
{
	(void)s;
	fill(user);
}

static void on_ended(struct weir_sock *s, int res, void *user)
{
	struct zs_stream *t = user;

	(void)s;
	if ((res || t->queued < t->z->wish.bytes) && !t->z->wish.may_break)
		fail("stream %u: ended with %d, %llu bytes sent", t->number, res,
		     (unsigned long long)t->queued);
	t->ended = true;
	t->res = res;
	t->z->ended++;
}

static void on_closed(struct weir_sock *s, void *user)
{
	struct zs_stream *t = user;

	(void)s;
	t->closed = true;
	t->sock = NULL;
	t->z->closed++;
}

static const struct weir_sock_ops ops = { .connected = on_connected,
					  .sent = on_sent,
					  .writable = on_writable,
					  .ended = on_ended,
					  .closed = on_closed };

static void memory(struct zs *z)
{
	struct weir_area_opts o = { .size = sizeof o, .provider = WEIR_PROVIDER_HOST };
	struct weir_error err = { 0 };
	struct weir_area_info info;

	z->mem_bytes = z->wish.streams * z->wish.flight * z->wish.chunk;
	o.bytes = (z->mem_bytes + 4095) / 4096 * 4096;
	if (weir_area_open(&z->area, &o, &err))
		fail("no area: %s", err.hint);
	weir_area_describe(z->area, &info);
	z->mem = info.base;
}

static void connect_all(struct zs *z)
{
	const char *to = z->wish.local ? "127.0.0.1" : RX_ADDR4;
	struct weir_sock_opts so = { .size = sizeof so };
	struct weir_error err = { 0 };
	char address[64];

	for (unsigned i = 0; i < z->wish.streams; i++) {
		struct zs_stream *t = &z->stream[i];

		*t = (struct zs_stream){ .z = z, .number = i };
		if (z->wish.ip6)
			snprintf(address, sizeof address, "[%s]:%u", RX_ADDR6, PORT + i);
		else
			snprintf(address, sizeof address, "%s:%u", to, PORT + i);
		if (weir_connect(z->e, address, &ops, t, &so, &t->sock, &err))
			fail("connect to %s: %s: %s", address, err.stage, strerror(-err.code));
	}
}

void zs_engine(struct zs *z)
{
	struct weir_error err = { 0 };
	uint64_t tags[ZS_STREAMS];
	int r;

	z->wish.engine.released = on_released;
	z->wish.engine.user = z;
	if (weir_engine_open(&z->e, &z->wish.engine, &err))
		fail("no engine: %s %s: %s (%s)", err.stage, err.object, strerror(-err.code),
		     err.hint);
	memory(z);
	r = z->wish.registered ? weir_engine_send_area(z->e, z->area, &err) : 0;
	if (r)
		fail("weir_engine_send_area: %s (%s)", strerror(-r), err.hint);
	for (unsigned i = 0; i < z->wish.streams; i++)
		tags[i] = i;
	if (z->wish.ctx && weir_ctx_register(z->e, tags, z->wish.streams, &err))
		fail("weir_ctx_register: %s (%s)", strerror(-err.code), err.hint);
	connect_all(z);
}

/* Where the kernel has it (6.11): repeats come sooner, and tests with loss end sooner. */
static void hasten(unsigned rto_ms)
{
	char text[32];

	snprintf(text, sizeof text, "%u", rto_ms * 1000);
	file_write("/proc/sys/net/ipv4/tcp_rto_min_us", text);
}

void zs_open(struct zs *z, const struct zs_wish *wish)
{
	struct zs_wish *w = &z->wish;

	memset(z, 0, sizeof *z);
	*w = *wish;
	srandom((unsigned)zcraw_seed);
	w->streams = w->streams ? w->streams : 1;
	w->bytes = w->bytes ? w->bytes : DEFAULT_BYTES;
	w->chunk = w->chunk ? w->chunk : DEFAULT_CHUNK;
	w->flight = w->flight ? w->flight : DEFAULT_FLIGHT;
	w->engine.size = sizeof w->engine;
	w->engine.plane = w->engine.plane ? w->engine.plane : WEIR_PLANE_URING;
	if (!w->local)
		nic_open(&z->nic, RX_NIC);
	reader_start(z);
	if (!w->local) {
		enter_ns(TX_NS);
		nic_open(&z->peer, TX_NIC);
		hasten(w->rto_ms ? w->rto_ms : 200);
	}
	zs_counts(z, &z->before);
	z->began_ms = now_ms();
}

void zs_round(struct zs *z, long timeout_ms)
{
	int r = weir_engine_dispatch(z->e, timeout_ms * slow() * 1000);

	if (r < 0)
		fail("weir_engine_dispatch: %s", strerror(-r));
	look_at_reader(z);
}

void zs_until(struct zs *z, bool (*check)(struct zs *z), long deadline_ms, const char *what)
{
	long end = now_ms() + deadline_ms;

	while (!check(z)) {
		if (now_ms() > end)
			fail("not in %ld ms: %s (%llu bytes released, %u of %u connected, "
			     "%u ended, %u closed)",
			     deadline_ms, what, (unsigned long long)z->released, z->connected,
			     z->wish.streams, z->ended, z->closed);
		zs_round(z, 20);
	}
}

/* Ended by the reader, who has it all, and the memory is back. */
bool zs_all_ended(struct zs *z)
{
	if (z->ended < z->wish.streams)
		return false;
	for (unsigned i = 0; i < z->wish.streams; i++)
		if (z->stream[i].done < z->stream[i].made)
			return false;
	return true;
}

bool zs_all_closed(struct zs *z)
{
	return z->closed == z->wish.streams;
}

static void add_stats(struct zs *z, struct zs_stream *t)
{
	weir_sock_get_stats(t->sock, &t->stats);
	z->sum.tx_bytes += t->stats.tx_bytes;
	z->sum.tx_requests += t->stats.tx_requests;
	z->sum.tx_zc_bytes += t->stats.tx_zc_bytes;
	z->sum.tx_zc_copied_bytes += t->stats.tx_zc_copied_bytes;
	z->sum.tx_unreleased += t->stats.tx_unreleased;
	snprintf(t->why, sizeof t->why, "%s", weir_sock_why(t->sock));
}

void zs_transfer(struct zs *z)
{
	uint64_t total = z->wish.bytes * z->wish.streams;

	zs_until(z, zs_all_ended, ZT_DEADLINE_MS, "the end of all streams");
	z->took_ms = now_ms() - z->began_ms;
	for (unsigned i = 0; i < z->wish.streams; i++) {
		add_stats(z, &z->stream[i]);
		weir_sock_close(z->stream[i].sock);
	}
	zs_until(z, zs_all_closed, 5000, "all sockets closed");
	zs_counts(z, &z->after);
	zs_reader_end(z);
	if (z->reader.bytes != total || z->released != total || z->sum.tx_bytes != total)
		fail("%llu bytes: %llu read, %llu released, %llu counted",
		     (unsigned long long)total, (unsigned long long)z->reader.bytes,
		     (unsigned long long)z->released, (unsigned long long)z->sum.tx_bytes);
	if (z->sum.tx_unreleased)
		fail("%llu requests are unreleased, the memory is said to be free",
		     (unsigned long long)z->sum.tx_unreleased);
}

void zs_close(struct zs *z)
{
	weir_engine_close(z->e);
	z->e = NULL;
	memset(z->mem, POISON, z->mem_bytes);
	weir_area_close(z->area);
	z->area = NULL;
}
