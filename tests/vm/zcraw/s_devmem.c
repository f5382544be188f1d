/* SPDX-License-Identifier: MIT */
/*
 * s_devmem.c - devmem TCP: receive into a dma-buf with recvmsg(), and give the pieces back.
 *
 * Theory: recvmsg(MSG_SOCK_DEVMEM) describes in control messages where the data lies:
 *
 *     SCM_DEVMEM_DMABUF   offset and size in the dma-buf, and a token that gives the piece back
 *     SCM_DEVMEM_LINEAR   so many bytes are in the buffer of the call (they came in a header)
 *
 * Here the dma-buf is made of a memfd, so that the payload can be verified; the counters of the
 * test NIC prove the placement as for zcrx.
 *
 * Sources: net/ipv4/tcp.c (tcp_recvmsg_dmabuf), net/core/sock.c (sock_devmem_dontneed),
 * Documentation/networking/devmem.rst, Linux 7.3.
 */
#include "bind.h"
#include "zcraw.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define AREA_BYTES (4u << 20)
#define SMALL_AREA (64u * 4096)
#define TOKENS_MAX 128u /* that the kernel takes in one call */
#define HELD_MAX 65536u
#define REBINDS 10
#define HEADER_MAX 128u

struct devmem {
	struct nic nic;
	struct area area;
	struct binding binding;
	struct sender sender;
	struct nic_counts before, after;
	int fd;
	uint64_t bytes, got, linear;
	bool ended, hold;
	long took_ms;
	struct zr_dmabuf_token held[HELD_MAX];
	struct piece {
		uint64_t off, pos;
		uint32_t len;
	} piece[HELD_MAX]; /* of each token */
	unsigned held_count;
};

static struct devmem dev;

struct row {
	bool ip6;
	uint64_t bytes;
};

static void prepare(struct devmem *d, size_t area_bytes, bool ip6)
{
	int err;

	nic_open(&d->nic, RX_NIC);
	nic_prepare(&d->nic);
	nic_rule(&d->nic, ip6, PORT, "action 1");
	area_new(&d->area, AREA_DMABUF, area_bytes);
	err = bind_open(&d->binding, d->nic.ifindex, 1, d->area.dmabuf);
	if (err == -EOPNOTSUPP || err == -EINVAL)
		skip("netdev's BIND_RX on " RX_NIC ": %s", strerror(-err));
	if (err)
		fail("binding the dma-buf to queue 1: %s", strerror(-err));
}

static void start(struct devmem *d, uint64_t bytes, bool ip6, unsigned rto_ms)
{
	struct sender_options so = { .addr = ip6 ? RX_ADDR6 : RX_ADDR4,
				     .bytes = bytes,
				     .rto_ms = rto_ms };
	int listener = tcp_listen(ip6, 0);

	d->bytes = bytes;
	d->got = d->linear = 0;
	d->ended = false;
	sender_start(&d->sender, &so);
	d->fd = tcp_accept(listener);
	close(listener);
	nic_counts(&d->nic, 1, &d->before);
	sender_go(&d->sender);
}

/* What is held must be as it was received. */
static void verify_held(const struct devmem *d)
{
	for (unsigned i = 0; i < d->held_count; i++) {
		const struct piece *p = &d->piece[i];

		pattern_check(0, p->pos, d->area.mem + p->off, p->len);
	}
}

static void give_back(struct devmem *d)
{
	for (unsigned i = 0; i < d->held_count;) {
		unsigned n = d->held_count - i < TOKENS_MAX ? d->held_count - i : TOKENS_MAX;
		int r = setsockopt(d->fd, SOL_SOCKET, ZR_SO_DEVMEM_DONTNEED, &d->held[i],
				   n * (socklen_t)sizeof d->held[0]);

		if (r != (int)n)
			fail("SO_DEVMEM_DONTNEED of %u pieces: %d, %s", n, r,
			     r < 0 ? strerror(errno) : "some were not known");
		i += n;
	}
	d->held_count = 0;
}

static void take_piece(struct devmem *d, const struct zr_dmabuf_cmsg *piece)
{
	if (piece->dmabuf_id != d->binding.id)
		fail("a piece of dma-buf %u, not %u", piece->dmabuf_id, d->binding.id);
	if (piece->frag_offset + piece->frag_size > d->area.bytes)
		fail("a piece at %llu, %u bytes, of %zu", (unsigned long long)piece->frag_offset,
		     piece->frag_size, d->area.bytes);
	pattern_check(0, d->got, d->area.mem + piece->frag_offset, piece->frag_size);
	if (d->held_count == HELD_MAX)
		fail("more than %u pieces held", HELD_MAX);
	d->piece[d->held_count] = (struct piece){ piece->frag_offset, d->got, piece->frag_size };
	d->got += piece->frag_size;
	d->held[d->held_count].token_start = piece->frag_token;
	d->held[d->held_count++].token_count = 1;
}

/* One recvmsg(): true when it brought something. */
static bool receive(struct devmem *d, long timeout_ms)
{
	static _Alignas(16) unsigned char linear[65536], control[16384];
	struct iovec iov = { linear, sizeof linear };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	struct pollfd p = { d->fd, POLLIN, 0 };
	size_t linear_used = 0;
	uint64_t before = d->got;
	ssize_t n;

	if (poll(&p, 1, (int)timeout_ms) <= 0)
		return false;
	n = recvmsg(d->fd, &msg, ZR_MSG_SOCK_DEVMEM | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		fail("recvmsg after %llu bytes: %s", (unsigned long long)d->got, strerror(errno));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct zr_dmabuf_cmsg piece;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		memcpy(&piece, CMSG_DATA(c), sizeof piece);
		if (c->cmsg_type == ZR_SCM_DEVMEM_DMABUF) {
			take_piece(d, &piece);
		} else if (c->cmsg_type == ZR_SCM_DEVMEM_LINEAR) {
			pattern_check(0, d->got, linear + linear_used, piece.frag_size);
			linear_used += piece.frag_size;
			d->linear += piece.frag_size;
			d->got += piece.frag_size;
		}
	}
	/* data that came wholly in kernel pages is in the buffer, without a control message */
	if (n > 0 && d->got == before) {
		pattern_check(0, d->got, linear, (size_t)n);
		d->got += (uint64_t)n;
		d->linear += (uint64_t)n;
	}
	if (d->got - before != (uint64_t)n)
		fail("recvmsg: %zd bytes, described: %llu", n,
		     (unsigned long long)(d->got - before));
	d->ended = n == 0;
	if (!d->hold)
		give_back(d);
	return true;
}

static void run_to_end(struct devmem *d, bool placed)
{
	struct sender_report r;
	uint64_t provider, kernel, packets;
	long began = now_ms();

	while (!d->ended) {
		if (now_ms() - began > DEADLINE_MS)
			fail("no end in %d ms: %llu bytes of %llu", DEADLINE_MS,
			     (unsigned long long)d->got, (unsigned long long)d->bytes);
		receive(d, 200);
	}
	d->took_ms = now_ms() - began;
	close(d->fd);
	sender_end(&d->sender, &r);
	nic_counts(&d->nic, 1, &d->after);
	provider = d->after.provider - d->before.provider;
	kernel = d->after.kernel - d->before.kernel;
	packets = d->after.packets - d->before.packets;
	if (r.error || d->got != d->bytes)
		fail("%llu bytes of %llu, sender: %s", (unsigned long long)d->got,
		     (unsigned long long)d->bytes, strerror(r.error));
	if (placed && (provider < d->got || provider > d->got + r.retrans_bytes || d->linear ||
		       kernel > packets * HEADER_MAX))
		fail("placement: %llu received, %llu written to the dma-buf, %llu to the kernel in "
		     "%llu frames, %llu repeated",
		     (unsigned long long)d->got, (unsigned long long)provider,
		     (unsigned long long)kernel, (unsigned long long)packets,
		     (unsigned long long)r.retrans_bytes);
}

static void finish(struct devmem *d)
{
	uint64_t ms = d->took_ms > 0 ? (uint64_t)d->took_ms : 1;

	say(" %lluK, %llu of them linear, %llu MB/s", (unsigned long long)(d->got >> 10),
	    (unsigned long long)d->linear, (unsigned long long)(d->got / 1000 / ms));
	bind_close(&d->binding);
	area_free(&d->area);
}

static void run_row(const struct scenario *self)
{
	const struct row *row = self->arg;
	struct devmem *d = &dev;

	prepare(d, AREA_BYTES, row->ip6);
	start(d, row->bytes, row->ip6, 0);
	run_to_end(d, true);
	finish(d);
}

static void run_hold(const struct scenario *self)
{
	struct devmem *d = &dev;
	struct nic_counts c;
	long end;

	(void)self;
	prepare(d, SMALL_AREA, false);
	d->hold = true;
	start(d, 1u << 20, false, 20);
	for (end = now_ms() + WAIT_MS, c = d->before; c.no_buffer == d->before.no_buffer;) {
		if (now_ms() > end)
			fail("the NIC still has buffers: %llu received",
			     (unsigned long long)d->got);
		receive(d, 20);
		nic_counts(&d->nic, 1, &c);
	}
	say(" starved with %u pieces of %lluK;", d->held_count, (unsigned long long)(d->got >> 10));
	if (!d->held_count || d->got - d->linear > SMALL_AREA)
		fail("%u pieces held, %llu bytes of %u", d->held_count,
		     (unsigned long long)(d->got - d->linear), SMALL_AREA);
	verify_held(d);
	d->hold = false;
	give_back(d); /* fails when the kernel does not know one of them as held */
	run_to_end(d, true);
	finish(d);
}

/* Ten bindings in a row; between them the queue serves recv(). */
static void run_rebind(const struct scenario *self)
{
	struct devmem *d = &dev;
	struct sender_report r;

	(void)self;
	prepare(d, AREA_BYTES, false);
	for (int i = 0; i < REBINDS; i++) {
		int err;

		start(d, 256u << 10, false, 0);
		run_to_end(d, true);
		bind_close(&d->binding);
		start(d, 256u << 10, false, 0);
		if (tcp_drain(d->fd, 0, 0, DEADLINE_MS) != d->bytes)
			fail("the stream over the plain queue is short");
		close(d->fd);
		sender_end(&d->sender, &r);
		err = bind_open(&d->binding, d->nic.ifindex, 1, d->area.dmabuf);
		if (err)
			fail("binding %d: %s", i + 2, strerror(-err));
	}
	say(" %d times", REBINDS);
	bind_close(&d->binding);
	area_free(&d->area);
}

static void run_lossy(const struct scenario *self)
{
	const char *fault = self->arg;
	struct devmem *d = &dev;

	prepare(d, AREA_BYTES, false);
	nic_fault(&d->nic, "drop", 0, 0);
	start(d, 1u << 20, false, 20);
	nic_fault(&d->nic, fault, 20, 30);
	run_to_end(d, false);
	say(" %llu hits,", (unsigned long long)nic_fault_hits(&d->nic, fault));
	if (!nic_fault_hits(&d->nic, fault))
		fail("the fault has not hit");
	finish(d);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })

const struct scenario scenarios_devmem[] = {
	{ "devmem", "devmem TCP into a dma-buf", run_row, ROW(.bytes = 4u << 20) },
	{ "devmem_ipv6", "the same over IPv6", run_row, ROW(.ip6 = true, .bytes = 4u << 20) },
	{ "devmem_hold", "all pieces held, then given back", run_hold, NULL },
	{ "devmem_rebind", "ten bindings, and recv() between them", run_rebind, NULL },
	{ "devmem_drop", "frames are lost", run_lossy, "drop" },
	{ "devmem_reorder", "frames change places", run_lossy, "reorder" },
	{ "devmem_corrupt", "frames are spoiled", run_lossy, "corrupt" },
	{ NULL, NULL, NULL, NULL }
};
