/* SPDX-License-Identifier: MIT */
/*
 * s_cycle.c - the whole life of the test NIC, again and again: load, bind, receive, unload.
 *
 * Theory: what is lost in one life (a page, a reference, an interface) shows only after many.  A
 * program of its own for each step would take most of the time, so that here the module is loaded
 * by system call, and the pair made by netlink.  Each life binds a queue and receives a stream,
 * verified, with its placement proven:
 *
 *     load, pair, addresses, split on -> bind -> stream -> unbind -> unload
 *                                                    \-> unload while bound and receiving
 *
 * Every other NIC has one queue, which gets all; the others have two, and a rule.
 *
 * Sources: testnic/uapi.h, include/uapi/linux/rtnetlink.h, Documentation/netlink/specs/ethtool.yaml
 * (rings-set), Linux 7.3.
 */
#include "netlink.h"
#include "zcraw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIVES 10
#define UNLOADED_BOUND 4 /* one of so many */
#define DEADLINE_MS 25000
#define WAIT_MS 10000
#define STREAM_BYTES (256u << 10)
#define AREA_BYTES (4u << 20)
#define ENDLESS (1ull << 40)
#define INFO_PEER 1	/* WEIRNIC_INFO_PEER */
#define SPLIT_ENABLED 2 /* ETHTOOL_TCP_DATA_SPLIT_ENABLED */

static struct move move;

static void load(const char *path, unsigned queues)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char parameters[32];

	snprintf(parameters, sizeof parameters, "queues=%u", queues);
	if (fd < 0 || syscall(SYS_finit_module, fd, parameters, 0))
		fail("the module %s: %s", path, strerror(errno));
	close(fd);
}

static void unload(void)
{
	if (syscall(SYS_delete_module, "weirnic", O_NONBLOCK))
		fail("unloading: %s", strerror(errno));
	if (!access("/sys/kernel/debug/weirnic", F_OK) || if_nametoindex(RX_NIC))
		fail("unloaded, but debugfs or " RX_NIC " is still there");
}

static void pair_new(void)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	static struct nl_message msg;
	struct nlattr *info, *data, *peer;
	int fd = nl_open(NETLINK_ROUTE), ns = open("/run/netns/" TX_NS, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0 || ns < 0)
		fail("netlink, or namespace " TX_NS ": %s", strerror(errno));
	nl_init(&msg, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
	nl_put(&msg, IFLA_IFNAME, RX_NIC, sizeof RX_NIC);
	info = nl_put(&msg, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
	nl_put(&msg, IFLA_INFO_KIND, "weirnic", sizeof "weirnic");
	data = nl_put(&msg, IFLA_INFO_DATA | NLA_F_NESTED, NULL, 0);
	peer = nl_put(&msg, INFO_PEER | NLA_F_NESTED, &head, sizeof head);
	nl_put(&msg, IFLA_IFNAME, TX_NIC, sizeof TX_NIC);
	nl_put_u32(&msg, IFLA_NET_NS_FD, (uint32_t)ns);
	nl_nest_end(&msg, peer);
	nl_nest_end(&msg, data);
	nl_nest_end(&msg, info);
	err = nl_exchange(fd, &msg);
	close(ns);
	close(fd);
	if (err)
		fail("a new pair: %s", strerror(-err));
}

static void change(int fd, unsigned long what, struct ifreq *ifr, const char *text)
{
	if (ioctl(fd, what, ifr))
		fail("%s of %s: %s", text, ifr->ifr_name, strerror(errno));
}

static void address_and_up(const char *ns, const char *dev, const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct ifreq ifr;
	int fd;

	enter_ns(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(&ifr, 0, sizeof ifr);
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", dev);
	inet_pton(AF_INET, address, &a.sin_addr);
	memcpy(&ifr.ifr_addr, &a, sizeof a);
	change(fd, SIOCSIFADDR, &ifr, "the address");
	inet_pton(AF_INET, "255.255.255.0", &a.sin_addr);
	memcpy(&ifr.ifr_netmask, &a, sizeof a);
	change(fd, SIOCSIFNETMASK, &ifr, "the netmask");
	ifr.ifr_flags = IFF_UP;
	change(fd, SIOCSIFFLAGS, &ifr, "the flags");
	close(fd);
}

/* Whether wn0 sends: its queues are switched on by a work item, after its carrier. */
static bool running(void *arg)
{
	struct ifreq ifr = { .ifr_name = RX_NIC };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)arg;
	change(fd, SIOCGIFFLAGS, &ifr, "the flags");
	close(fd);
	return ifr.ifr_flags & IFF_RUNNING;
}

static void split_on(void)
{
	struct genlmsghdr head = { .cmd = ETHTOOL_MSG_RINGS_SET, .version = 1 };
	static struct nl_message msg;
	uint8_t on = SPLIT_ENABLED;
	struct nlattr *nest;
	int fd = nl_open(NETLINK_GENERIC), family, err;

	family = fd < 0 ? fd : nl_family(fd, "ethtool");
	if (family < 0)
		fail("ethtool's netlink: %s", strerror(-family));
	nl_init(&msg, (unsigned)family, 0, &head, sizeof head);
	nest = nl_put(&msg, ETHTOOL_A_RINGS_HEADER | NLA_F_NESTED, NULL, 0);
	nl_put(&msg, ETHTOOL_A_HEADER_DEV_NAME, RX_NIC, sizeof RX_NIC);
	nl_nest_end(&msg, nest);
	nl_put(&msg, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, &on, sizeof on);
	err = nl_exchange(fd, &msg);
	close(fd);
	if (err)
		fail("header/data split on: %s", strerror(-err));
}

/* The stream goes to the queue. */
static void rule(unsigned queue)
{
	struct ifreq ifr = { .ifr_name = RX_NIC };
	struct ethtool_rxnfc nfc;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(&nfc, 0, sizeof nfc);
	nfc.cmd = ETHTOOL_SRXCLSRLINS;
	nfc.fs.flow_type = TCP_V4_FLOW;
	nfc.fs.h_u.tcp_ip4_spec.pdst = htons(PORT);
	nfc.fs.m_u.tcp_ip4_spec.pdst = 0xffff;
	nfc.fs.ring_cookie = queue;
	nfc.fs.location = 0;
	ifr.ifr_data = (char *)&nfc;
	change(fd, SIOCETHTOOL, &ifr, "a rule");
	close(fd);
}

static void make_pair(struct move *m)
{
	pair_new();
	/* the end that is raised last sends at once, but is "running" up to a second later */
	address_and_up(RX_NS, RX_NIC, RX_ADDR4);
	address_and_up(TX_NS, TX_NIC, TX_ADDR4);
	enter_ns(RX_NS);
	wait_until(running, NULL, WAIT_MS, "a link that is running");
	split_on();
	nic_open(&m->nic, RX_NIC);
}

/* The module goes while the stream runs and buffers are held; what was received stays as it was. */
static void unload_bound(struct move *m)
{
	long end = now_ms() + WAIT_MS;
	struct rx *rx = &m->state;

	rx->hold = true;
	while (rx->bytes < STREAM_BYTES) {
		if (now_ms() > end)
			fail("only %llu bytes", (unsigned long long)rx->bytes);
		rx_step(rx, 100);
	}
	unload();
	rx->hold = false;
	rx_release(rx);
	sender_kill(&m->sender[0]);
	rx_close(rx);
}

static void one_life(struct move *m, const char *module, unsigned number)
{
	bool bound = number % UNLOADED_BOUND == 0;
	unsigned queues = 1 + number % 2;

	memset(m, 0, sizeof *m);
	m->streams = 1;
	m->rx = (struct rx_options){ .queue = queues - 1, .area_bytes = AREA_BYTES, .lag = 64 };
	m->bytes = bound ? ENDLESS : STREAM_BYTES;
	m->abrupt = bound;
	load(module, queues);
	make_pair(m);
	if (queues > 1)
		rule(m->rx.queue);
	rx_open(&m->state, &m->nic, &m->rx);
	move_connect(m);
	move_attach(m);
	move_go(m);
	if (bound) {
		unload_bound(m);
	} else {
		move_end(m, DEADLINE_MS, PLACED);
		unload();
	}
}

static void run_cycles(const struct scenario *self)
{
	const char *module = getenv("MODULE");

	(void)self;
	ifq_need();
	if (!module || !access("/sys/module/weirnic", F_OK))
		fail("MODULE must name the module's file, and the module must not be loaded");
	for (unsigned i = 1; i <= LIVES; i++)
		one_life(&move, module, i);
	say(" %d lives", LIVES);
}

const struct scenario scenarios_cycle[] = {
	{ "cycles", "load, bind, receive, unload, ten times ($MODULE is the file)", run_cycles,
	  NULL },
	{ NULL, NULL, NULL, NULL }
};
