// SPDX-License-Identifier: GPL-2.0
/*
 * link_weirnic.c - lets ip(8) name the other end of a pair
 *
 *	IP_LIB_DIR=DIR ip link add wn0 type weirnic [ring COUNT] [peer OPTIONS]
 *
 * Theory:
 *	ip(8) loads link_KIND.so from IP_LIB_DIR and asks its link_util to parse
 *	the words after the kind. OPTIONS of the peer are those of `ip link add`
 *	(name, netns, address, mtu, numrxqueues, ...), which ip parses itself.
 *
 *	ip(8) installs no header for this; the declarations below are those that
 *	its binary has been built with since iproute2 4.20.
 *
 * Invariants:
 *	1. Attributes are added only behind nlmsg_len, within ip's own buffer.
 *
 * Ownership:
 *	The message is ip's.
 *
 * Threads:
 *	One.
 *
 * Errors:
 *	-1 with a line on stderr, as ip's own parsers do.
 *
 * Sources:
 *	ip/ip_common.h, ip/link_veth.c, include/libnetlink.h, iproute2 6.15.
 *
 * Tests:
 *	tests/vm/t/nic_link.sh
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../uapi.h"

#define MESSAGE_BYTES	1024		/* of buf in ip's request */

/* ---- of ip(8) ---- */

struct iplink_req {
	struct nlmsghdr n;
	struct ifinfomsg i;
	char buf[MESSAGE_BYTES];
};

struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv, struct nlmsghdr *n);
	void (*print_opt)(struct link_util *lu, FILE *f, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *f, struct rtattr *xstats);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *f);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(struct nlmsghdr *n, void *arg);
};

int iplink_parse(int argc, char **argv, struct iplink_req *req, char **type);
int addattr_l(struct nlmsghdr *n, int maxlen, int type, const void *data, int alen);

/* ---- ours ---- */

static void print_usage(FILE *f)
{
	fprintf(f, "Usage: ip link <options> type weirnic [ring COUNT] [peer <options>]\n"
		   "To get <options> type 'ip link add help'\n");
}

static int parse_ring(const char *text, struct nlmsghdr *n)
{
	uint32_t count;
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || value > UINT32_MAX) {
		fprintf(stderr, "Error: argument \"%s\" is wrong: ring is a number\n", text);
		return -1;
	}
	count = value;
	return addattr_l(n, MESSAGE_BYTES, WEIRNIC_INFO_RING, &count, sizeof(count));
}

/* The peer's attribute holds an ifinfomsg and attributes: ip parses them into the message. */
static int parse_peer(int argc, char **argv, struct nlmsghdr *n)
{
	struct ifinfomsg *own = NLMSG_DATA(n), saved = *own;
	struct rtattr *peer = (struct rtattr *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));
	char *type = NULL;
	int used;

	if (addattr_l(n, MESSAGE_BYTES, WEIRNIC_INFO_PEER, NULL, 0))
		return -1;
	own->ifi_index = 0;
	own->ifi_flags = 0;
	own->ifi_change = 0;
	n->nlmsg_len += sizeof(*own);
	used = iplink_parse(argc, argv, (struct iplink_req *)n, &type);
	if (used < 0)
		return used;
	if (type) {
		fprintf(stderr, "Error: argument \"type\" is wrong: the peer has the same type\n");
		return -1;
	}
	memcpy(RTA_DATA(peer), own, sizeof(*own));
	peer->rta_len = (char *)n + NLMSG_ALIGN(n->nlmsg_len) - (char *)peer;
	*own = saved;
	return used;
}

static int parse_opt(struct link_util *lu, int argc, char **argv, struct nlmsghdr *n)
{
	(void)lu;
	while (argc > 0) {
		if (!strcmp(*argv, "ring") && argc > 1) {
			if (parse_ring(argv[1], n))
				return -1;
			argc -= 2;
			argv += 2;
		} else if (!strcmp(*argv, "peer")) {
			int used = parse_peer(argc - 1, argv + 1, n);

			if (used < 0)
				return -1;
			argc -= used + 1;
			argv += used + 1;
		} else {
			if (strcmp(*argv, "help"))
				fprintf(stderr, "Error: what is \"%s\"?\n", *argv);
			print_usage(stderr);
			return -1;
		}
	}
	return 0;
}

static void print_opt(struct link_util *lu, FILE *f, struct rtattr *tb[])
{
	(void)lu;
	if (tb && tb[WEIRNIC_INFO_RING])
		fprintf(f, "ring %u ", *(uint32_t *)RTA_DATA(tb[WEIRNIC_INFO_RING]));
}

static void print_help(struct link_util *lu, int argc, char **argv, FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	print_usage(f);
}

/* ip(8) looks for the symbol KIND_link_util. */
struct link_util weirnic_link_util = {
	.id		= "weirnic",
	.maxattr	= WEIRNIC_INFO_MAX,
	.parse_opt	= parse_opt,
	.print_opt	= print_opt,
	.print_help	= print_help,
};
