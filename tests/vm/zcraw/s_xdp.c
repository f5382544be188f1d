/* SPDX-License-Identifier: MIT */
/*
 * s_xdp.c - XDP programs and AF_XDP sockets beside memory providers: which one the kernel refuses.
 *
 * Theory: an XDP program wants to read payload, and a provider's memory may not be read.  So
 * kernels keep them apart, for the whole device and in both directions:
 *
 *     program attached  ->  a queue is bound           refused
 *     queue bound       ->  a program is attached      refused
 *     split switched on ->  a single-buffer program    refused, and the other way round (6.14)
 *
 * The test NIC has no XDP of its own: what can be attached is generic XDP, which the kernel runs
 * before the stack.  Programs here pass everything.  Single-buffer programs want a frame in one
 * piece; those "with frags" take more.  The kernel's words are compared, too: nothing else tells
 * which of the reasons it was.  Registration with io_uring has no words.
 *
 * An AF_XDP socket in copy mode keeps a queue from being bound, but not the other way round; it
 * receives nothing there, since no program can be attached.
 *
 * Sources: net/core/dev.c (dev_xdp_attach, dev_xdp_install), net/core/netdev_rx_queue.c
 * (netif_mp_open_rxq), net/ethtool/rings.c (ethnl_set_rings), net/xdp/xsk_buff_pool.c
 * (xp_assign_dev), Linux 7.3.
 */
#include "bind.h"
#include "netlink.h"
#include "zcraw.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define STREAM_BYTES (1u << 20)
#define UMEM_BYTES (64u * 4096)
#define NO_PROGRAM (-1)

#define WORDS_NATIVE "does not support XDP in native mode"
#define WORDS_SPLIT "XDP to device using tcp-data-split"
#define WORDS_PROVIDER "XDP to device using memory provider"
#define WORDS_PROGRAM "device with XDP program attached"

static struct move move = { .rx.queue = 1 };

int xdp_program(bool frags)
{
	/* r0 = XDP_PASS; exit */
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = sizeof code / sizeof *code;
	attr.license = (uintptr_t) "MIT";
	attr.prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0;
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
	return fd < 0 ? -errno : (int)fd;
}

static int program_load(bool frags)
{
	int fd = xdp_program(frags);

	if (fd < 0)
		fail("loading a program of two instructions: %s", strerror(-fd));
	return fd;
}

/* 0 or -errno; nl_why() has the words. */
static int program_set(const struct nic *nic, int program, unsigned flags)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)nic->ifindex };
	static struct nl_message msg;
	int fd = nl_open(NETLINK_ROUTE), err;
	struct nlattr *nest;

	if (fd < 0)
		fail("netlink: %s", strerror(-fd));
	nl_init(&msg, RTM_SETLINK, 0, &head, sizeof head);
	nest = nl_put(&msg, IFLA_XDP | NLA_F_NESTED, NULL, 0);
	nl_put(&msg, IFLA_XDP_FD, &program, sizeof program);
	nl_put_u32(&msg, IFLA_XDP_FLAGS, flags);
	nl_nest_end(&msg, nest);
	err = nl_exchange(fd, &msg);
	close(fd);
	return err;
}

/* A link ends with its descriptor: fd or -errno. */
static int program_link(const struct nic *nic, int program)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof attr);
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = nic->ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_SKB_MODE;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof attr);
	return fd < 0 ? -errno : (int)fd;
}

static void attach(const struct nic *nic, int program, const char *when)
{
	int err = program_set(nic, program, XDP_FLAGS_SKB_MODE);

	if (err)
		fail("attaching %s: %s, \"%s\"", when, strerror(-err), nl_why());
}

static void detach(const struct nic *nic)
{
	attach(nic, NO_PROGRAM, "nothing");
}

static void refused(const char *what, int err, int want, const char *words)
{
	if (err != -want || !strstr(nl_why(), words))
		fail("%s: \"%s\" (\"%s\"), not \"%s\" (\"%s\")", what, strerror(-err), nl_why(),
		     strerror(want), words);
}

static void refused_attach(const struct nic *nic, int program, unsigned mode, int want,
			   const char *words)
{
	char what[64];
	int err = program_set(nic, program, mode);

	snprintf(what, sizeof what, "attaching with mode %#x", mode);
	refused(what, err, want, words);
}

/* A stream over a plain queue, which the program that is attached passes. */
static void plain_stream(unsigned port)
{
	struct sender_options so = { .addr = RX_ADDR4, .stream = port, .bytes = STREAM_BYTES };
	int listener = tcp_listen(false, port), fd;
	struct sender_report r;
	struct sender sender;

	sender_start(&sender, &so);
	fd = tcp_accept(listener);
	close(listener);
	sender_go(&sender);
	if (tcp_drain(fd, port, 0, DEADLINE_MS) != STREAM_BYTES)
		fail("the stream with a program attached is short");
	close(fd);
	sender_end(&sender, &r);
	if (r.error)
		fail("sender: %s", strerror(r.error));
}

/* Since 6.14 the core knows of the split. */
static bool core_knows_split(const struct nic *nic, int single)
{
	int err = program_set(nic, single, XDP_FLAGS_SKB_MODE);

	if (!err) {
		detach(nic);
		return false;
	}
	refused("a single-buffer program, split on", err, EBUSY, WORDS_SPLIT);
	return true;
}

/* No provider: what can be attached, and that frames pass. */
static void run_plain(const struct scenario *self)
{
	int single, frags, link;
	char out[512];
	struct nic nic;

	(void)self;
	nic_open(&nic, RX_NIC);
	nic_prepare(&nic);
	undo(RX_NS, "ip link set dev " RX_NIC " xdpgeneric off");
	single = program_load(false);
	frags = program_load(true);
	refused_attach(&nic, single, XDP_FLAGS_DRV_MODE, EOPNOTSUPP, WORDS_NATIVE);
	refused_attach(&nic, frags, XDP_FLAGS_DRV_MODE, EOPNOTSUPP, WORDS_NATIVE);
	attach(&nic, frags, "a program with frags, split on");
	plain_stream(0);
	detach(&nic);
	link = program_link(&nic, frags);
	if (link < 0)
		fail("a link, split on: %s", strerror(-link));
	plain_stream(1);
	close(link);
	if (core_knows_split(&nic, single)) {
		must(NULL, "ethtool -G " RX_NIC " tcp-data-split off");
		attach(&nic, single, "a single-buffer program, split off");
		plain_stream(2);
		if (!command(NULL, "ethtool -G " RX_NIC " tcp-data-split on", out, sizeof out) ||
		    !strstr(out, "single buffer XDP"))
			fail("the split with a single-buffer program: \"%s\"", out);
		say(" the split and single-buffer programs exclude each other");
	} else {
		attach(&nic, single, "a single-buffer program, split on");
		plain_stream(2);
		say(" the split does not matter");
	}
	detach(&nic);
	must(NULL, "ethtool -G " RX_NIC " tcp-data-split on");
}

/* While a queue is bound. */
static void all_refused(const struct nic *nic, int single, int frags, int want)
{
	int err = program_set(nic, single, XDP_FLAGS_SKB_MODE);

	if (!strstr(nl_why(), WORDS_SPLIT)) /* which is looked at first, since 6.14 */
		refused("a single-buffer program", err, want, WORDS_PROVIDER);
	else
		refused("a single-buffer program", err, EBUSY, WORDS_SPLIT);
	refused_attach(nic, frags, XDP_FLAGS_SKB_MODE, want, WORDS_PROVIDER);
	refused_attach(nic, frags, 0, want, WORDS_PROVIDER);
	refused_attach(nic, frags, XDP_FLAGS_DRV_MODE, EOPNOTSUPP, WORDS_NATIVE);
	detach(nic); /* nothing is attached: nothing to refuse */
	err = program_link(nic, frags);
	if (err != -want)
		fail("a link: %s, not \"%s\"", err < 0 ? strerror(-err) : "made", strerror(want));
}

static void run_devmem(const struct scenario *self)
{
	struct binding binding;
	int single, frags, err;
	struct area area;
	struct nic nic;

	(void)self;
	nic_open(&nic, RX_NIC);
	nic_prepare(&nic);
	undo(RX_NS, "ip link set dev " RX_NIC " xdpgeneric off");
	single = program_load(false);
	frags = program_load(true);
	area_new(&area, AREA_DMABUF, UMEM_BYTES);
	attach(&nic, frags, "a program with frags, nothing bound");
	err = bind_open(&binding, nic.ifindex, 1, area.dmabuf);
	refused("binding with a program attached", err, EEXIST, WORDS_PROGRAM);
	detach(&nic);
	err = bind_open(&binding, nic.ifindex, 1, area.dmabuf);
	if (err)
		fail("binding after the program: %s, \"%s\"", strerror(-err), nl_why());
	all_refused(&nic, single, frags, EBUSY);
	bind_close(&binding);
	attach(&nic, frags, "a program with frags, after unbinding");
	plain_stream(0);
	detach(&nic);
	area_free(&area);
}

/* A queue is unbound a moment after its ring was closed. */
static void attach_soon(const struct nic *nic, int program)
{
	long end = now_ms() + WAIT_MS;
	int err;

	while ((err = program_set(nic, program, XDP_FLAGS_SKB_MODE)) == -EBUSY && now_ms() < end)
		poll(NULL, 0, 1);
	if (err)
		fail("attaching after the registration: %s, \"%s\"", strerror(-err), nl_why());
}

static void run_zcrx(const struct scenario *self)
{
	struct rx_options plain = { .queue = 1 };
	struct move *m = &move;
	int single, frags, err;
	static struct rx rx;

	(void)self;
	m->bytes = STREAM_BYTES;
	move_prepare(m);
	undo(RX_NS, "ip link set dev " RX_NIC " xdpgeneric off");
	single = program_load(false);
	frags = program_load(true);
	attach(&m->nic, frags, "a program with frags, nothing bound");
	err = rx_try_open(&rx, &m->nic, &plain);
	if (err != -EEXIST)
		fail("registering with a program attached: %s, not EEXIST",
		     err ? strerror(-err) : "done");
	detach(&m->nic);
	rx_open(&m->state, &m->nic, &m->rx);
	move_connect(m);
	move_attach(m);
	all_refused(&m->nic, single, frags, EBUSY);
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
	attach_soon(&m->nic, frags);
	plain_stream(1);
	detach(&m->nic);
}

/* An AF_XDP socket bound to a queue in copy mode: fd or -errno. */
static int xsk_bind(const struct nic *nic, unsigned queue)
{
	void *mem =
		mmap(NULL, UMEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xdp_umem_reg umem = { .addr = (uintptr_t)mem,
				     .len = UMEM_BYTES,
				     .chunk_size = 4096 };
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP,
				   .sxdp_flags = XDP_COPY,
				   .sxdp_ifindex = nic->ifindex,
				   .sxdp_queue_id = queue };
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), entries = 64, err;

	if (mem == MAP_FAILED || fd < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof entries))
		fail("an AF_XDP socket: %s", strerror(errno));
	if (!bind(fd, (struct sockaddr *)&to, sizeof to))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* So is a queue free a moment after an AF_XDP socket was closed. */
static void open_soon(struct move *m)
{
	long end = now_ms() + WAIT_MS;
	int err;

	while ((err = rx_try_open(&m->state, &m->nic, &m->rx)) == -EBUSY && now_ms() < end)
		poll(NULL, 0, 1);
	if (err)
		fail("registering after the AF_XDP socket: %s", strerror(-err));
}

static void run_xsk(const struct scenario *self)
{
	struct rx_options plain = { .queue = 1 };
	struct move *m = &move;
	static struct rx rx;
	int fd, err;

	(void)self;
	m->bytes = STREAM_BYTES;
	move_prepare(m);
	fd = xsk_bind(&m->nic, 1);
	if (fd < 0)
		fail("an AF_XDP socket in copy mode: %s", strerror(-fd));
	err = rx_try_open(&rx, &m->nic, &plain);
	if (err != -EBUSY)
		fail("registering beside an AF_XDP socket: %s, not EBUSY",
		     err ? strerror(-err) : "done");
	close(fd);
	open_soon(m);
	move_connect(m);
	move_attach(m);
	fd = xsk_bind(&m->nic, 1);
	if (fd < 0)
		fail("an AF_XDP socket in copy mode on a bound queue: %s", strerror(-fd));
	move_go(m);
	move_finish(m, DEADLINE_MS, PLACED);
	close(fd);
}

const struct scenario scenarios_xdp[] = {
	{ "xdp_plain", "XDP programs, and no provider", run_plain, NULL },
	{ "xdp_devmem", "XDP programs beside a dma-buf's binding", run_devmem, NULL },
	{ "xdp_zcrx", "XDP programs beside a registration", run_zcrx, NULL },
	{ "xdp_socket", "AF_XDP sockets beside a registration", run_xsk, NULL },
	{ NULL, NULL, NULL, NULL }
};
