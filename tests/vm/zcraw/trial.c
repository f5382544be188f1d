/* SPDX-License-Identifier: MIT */
/*
 * trial.c - can this queue be bound, and what keeps it: "weir-zcraw trial", "weir-zcraw occupy".
 *
 * Theory: what a program says of a queue before it is bound is worth what binding it then gives.
 * Here it is bound, in the reading of this exerciser and of no library, in the namespace that the
 * program was started in:
 *
 *     trial DEV QUEUE           prints "open", or the name of the errno, and lets go of it
 *     occupy WHAT DEV QUEUE     takes it as WHAT (zcrx, devmem, xsk, xdp), prints "taken", and
 *                               keeps it until it is ended by a signal
 *     hds DEV BYTES             sets the threshold of the header/data split, which Debian 13's
 *                               ethtool cannot
 *
 * An XDP program is attached by a link, which ends with the process as the others do.
 *
 * Sources: as ifq.c, bind.c and s_xdp.c; include/uapi/linux/ethtool_netlink_generated.h, Linux 7.3.
 */
#include "bind.h"
#include "netlink.h"
#include "zcraw.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AREA_BYTES (8u << 20)
#define ENTRIES 1024u
#define UMEM_BYTES (64u * 4096)
#define RINGS_HDS_THRESH 17 /* ETHTOOL_A_RINGS_HDS_THRESH, 6.14 */

struct taken {
	struct ring ring;
	struct area area;
	struct ifq ifq;
};

static int take_zcrx(struct taken *t, unsigned ifindex, unsigned queue)
{
	struct ifq_options o = { .ifindex = ifindex, .queue = queue, .entries = ENTRIES };
	int err = ring_open(&t->ring, 4, 8, RING_FLAGS_ZCRX | ZR_SETUP_CQE32);

	if (err)
		return err;
	area_new(&t->area, AREA_HOST, AREA_BYTES);
	err = ifq_open(&t->ifq, &t->ring, &t->area, &o);
	if (err) {
		ring_close(&t->ring);
		area_free(&t->area);
	}
	return err;
}

static void let_go(struct taken *t)
{
	ring_close(&t->ring);
	ifq_free(&t->ifq);
	area_free(&t->area);
}

static int take_devmem(unsigned ifindex, unsigned queue)
{
	static struct binding binding;
	static struct area area;

	area_new(&area, AREA_DMABUF, AREA_BYTES);
	return bind_open(&binding, ifindex, queue, area.dmabuf);
}

static int take_xsk(unsigned ifindex, unsigned queue)
{
	struct xdp_umem_reg umem = { .len = UMEM_BYTES, .chunk_size = 4096 };
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP,
				   .sxdp_flags = XDP_COPY,
				   .sxdp_ifindex = ifindex,
				   .sxdp_queue_id = queue };
	void *mem =
		mmap(NULL, UMEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), entries = 64;

	umem.addr = (uintptr_t)mem;
	if (mem == MAP_FAILED || fd < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof entries) ||
	    bind(fd, (struct sockaddr *)&to, sizeof to))
		return -errno;
	return 0;
}

static int take_xdp(unsigned ifindex)
{
	int program = xdp_program(true); /* without fragments a NIC that splits refuses it */
	union bpf_attr attr;
	long fd;

	if (program < 0)
		return program;
	memset(&attr, 0, sizeof attr);
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_SKB_MODE;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof attr);
	return fd < 0 ? -errno : 0;
}

/* -1 where the word is no number */
static long queue_of(const char *word)
{
	char *end;
	long queue = strtol(word, &end, 10);

	return end == word || *end || queue < 0 ? -1 : queue;
}

int trial(const char *dev, const char *queue_word)
{
	unsigned ifindex = if_nametoindex(dev);
	long queue = queue_of(queue_word);
	static struct taken t;
	int err;

	if (!ifindex || queue < 0) {
		fprintf(stderr, "weir-zcraw: %s %s: no such queue\n", dev, queue_word);
		return 2;
	}
	err = take_zcrx(&t, ifindex, (unsigned)queue);
	if (!err)
		let_go(&t);
	printf("%s\n", err ? strerrorname_np(-err) : "open");
	return 0;
}

int occupy(const char *what, const char *dev, const char *queue_word)
{
	unsigned ifindex = if_nametoindex(dev);
	long queue = queue_of(queue_word);
	static struct taken t;
	int err = -EINVAL;

	if (ifindex && queue >= 0 && !strcmp(what, "zcrx"))
		err = take_zcrx(&t, ifindex, (unsigned)queue);
	else if (ifindex && queue >= 0 && !strcmp(what, "devmem"))
		err = take_devmem(ifindex, (unsigned)queue);
	else if (ifindex && queue >= 0 && !strcmp(what, "xsk"))
		err = take_xsk(ifindex, (unsigned)queue);
	else if (ifindex && !strcmp(what, "xdp"))
		err = take_xdp(ifindex);
	if (err) {
		fprintf(stderr, "weir-zcraw: %s on %s %s: %s\n", what, dev, queue_word,
			strerror(-err));
		return 1;
	}
	printf("taken\n");
	for (;;)
		pause();
}

int hds(const char *dev, const char *bytes_word)
{
	struct genlmsghdr head = { .cmd = ETHTOOL_MSG_RINGS_SET, .version = 1 };
	int fd = nl_open(NETLINK_GENERIC), family = fd < 0 ? fd : nl_family(fd, "ethtool"), err;
	long bytes = queue_of(bytes_word);
	static struct nl_message msg;
	struct nlattr *nest;

	if (family < 0 || bytes < 0) {
		fprintf(stderr, "weir-zcraw: hds %s %s: %s\n", dev, bytes_word,
			bytes < 0 ? "no number" : strerror(-family));
		return 2;
	}
	nl_init(&msg, (unsigned)family, 0, &head, sizeof head);
	nest = nl_put(&msg, ETHTOOL_A_RINGS_HEADER | NLA_F_NESTED, NULL, 0);
	nl_put_u32(&msg, ETHTOOL_A_HEADER_DEV_INDEX, if_nametoindex(dev));
	nl_nest_end(&msg, nest);
	nl_put_u32(&msg, RINGS_HDS_THRESH, (uint32_t)bytes);
	err = nl_exchange(fd, &msg);
	close(fd);
	if (err)
		fprintf(stderr, "weir-zcraw: hds %s %s: %s (%s)\n", dev, bytes_word, strerror(-err),
			nl_why());
	return err ? 1 : 0;
}
