// SPDX-License-Identifier: MIT
/*
 * guard.c - is an interface the machine's way out: would a change of it cut somebody off.
 *
 * Theory: the ways out of this network namespace are
 *		the devices of default routes (IPv4 and IPv6, tables main and default, all hops);
 *		without a default route, the device of all routes with a gateway, if it is one;
 *		the device by which the client of this SSH session is reached ($SSH_CONNECTION).
 *	A way out stands on other devices, and these on others: the ports of a bond, bridge or team,
 *	the device under a VLAN, macvlan or tunnel.  All of them carry it.
 *
 *		default route -> br0 <-master- bond0 <-master- eth0
 *		default route -> eth1.7 -link-> eth1
 *
 *	The other end of a veth or netkit is no device underneath: it is a peer.
 * Invariants: 1. a device that may carry a way out is named; in doubt, one too many.
 * Ownership: nothing is kept.
 * Threads: as nl.c; reads the environment.
 * Errors: -errno where routes or links cannot be read.
 * Sources: net/ipv4/fib_semantics.c (fib_dump_info), net/ipv6/route.c (rt6_fill_node),
 *	net/ipv4/nexthop.c (nh_fill_node), net/core/rtnetlink.c (IFLA_MASTER, IFLA_LINK), Linux 7.3;
 *	sshd(8) for SSH_CONNECTION.
 * Tests: tests/netns/nic_info.sh
 */
#include <arpa/inet.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "read.h"

#define REQUEST_BYTES 256

/* Why a device is a way out. */
enum reason { BY_DEFAULT = 1, BY_GATEWAY, BY_SSH };

/* A device that is a way out, or carries one; @over: index of what stands on it, -1: nothing. */
struct way {
	uint32_t ifindex;
	enum reason reason;
	int over;
};

struct link {
	uint32_t ifindex;
	uint32_t master;
	uint32_t below; /* 0: none in this namespace */
	char name[16];
};

struct guard {
	struct nic_ctx *ctx;
	struct way *ways;
	unsigned way_count;
	struct link *links;
	unsigned link_count;
	uint32_t *gateways; /* devices of routes with a gateway */
	unsigned gateway_count;
};

/* What one route, or one hop of it, says. */
struct hop {
	uint32_t ifindex;
	bool gateway;
};

static int way_add(struct guard *g, uint32_t ifindex, enum reason reason, int over)
{
	struct way *grown;

	for (unsigned i = 0; i < g->way_count; i++)
		if (g->ways[i].ifindex == ifindex)
			return 0;
	grown = realloc(g->ways, (g->way_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	g->ways = grown;
	grown[g->way_count++] = (struct way){ ifindex, reason, over };
	return 0;
}

static int number_add(uint32_t **list, unsigned *count, uint32_t number)
{
	uint32_t *grown;

	for (unsigned i = 0; i < *count; i++)
		if ((*list)[i] == number)
			return 0;
	grown = realloc(*list, (*count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[(*count)++] = number;
	return 0;
}

/* ------------------------------------------------------------------------------- routes */

static int hop_add(struct guard *g, const struct hop *hop, bool is_default)
{
	int r = 0;

	if (!hop->ifindex)
		return 0;
	if (is_default)
		r = way_add(g, hop->ifindex, BY_DEFAULT, -1);
	if (!r && hop->gateway)
		r = number_add(&g->gateways, &g->gateway_count, hop->ifindex);
	return r;
}

static bool is_gateway(const struct nlattr *attr)
{
	return mnl_attr_get_type(attr) == RTA_GATEWAY || mnl_attr_get_type(attr) == RTA_VIA;
}

/* All hops of a multipath route. */
static int hops_read(struct guard *g, const struct nlattr *multipath, bool is_default)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	int r = 0;

	while (!r && left >= sizeof(*nh) && nh->rtnh_len >= sizeof(*nh) && nh->rtnh_len <= left) {
		struct hop hop = { .ifindex = (uint32_t)nh->rtnh_ifindex };
		const struct nlattr *attr;
		size_t step = RTNH_ALIGN((size_t)nh->rtnh_len);

		mnl_attr_for_each_payload((void *)RTNH_DATA(nh), nh->rtnh_len - RTNH_LENGTH(0))
			hop.gateway |= is_gateway(attr);
		r = hop_add(g, &hop, is_default);
		if (step >= left)
			break;
		left -= step;
		nh = (const void *)((const char *)nh + step);
	}
	return r;
}

struct nexthop {
	struct hop hop;
	uint32_t members[256];
	unsigned member_count;
};

static int nexthop_cb(const struct nlmsghdr *h, void *user)
{
	struct nexthop *to = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct nhmsg)) {
		const struct nexthop_grp *group = mnl_attr_get_payload(attr);
		size_t n = mnl_attr_get_payload_len(attr) / sizeof(*group);

		switch (mnl_attr_get_type(attr)) {
		case NHA_OIF:
			to->hop.ifindex = (uint32_t)nic_attr_uint(attr);
			break;
		case NHA_GATEWAY:
			to->hop.gateway = true;
			break;
		case NHA_GROUP:
			for (size_t i = 0; i < n && to->member_count < 256; i++)
				to->members[to->member_count++] = group[i].id;
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

static int nexthop_get(struct guard *g, uint32_t id, struct nexthop *ret)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nhmsg head = { .nh_family = AF_UNSPEC };
	struct nlmsghdr *msg = nic_route_begin(g->ctx, buf, RTM_GETNEXTHOP, 0, &head, sizeof(head));

	*ret = (struct nexthop){ 0 };
	mnl_attr_put_u32(msg, NHA_ID, id);
	return nic_nl_talk(g->ctx, msg, nexthop_cb, ret, "next hop", NULL);
}

/* A next-hop object, where the route names nothing else (sysctl nexthop_compat_mode = 0). */
static int nexthop_read(struct guard *g, uint32_t id, bool is_default)
{
	struct nexthop nh, member;
	int r = nexthop_get(g, id, &nh);

	if (!r)
		r = hop_add(g, &nh.hop, is_default);
	for (unsigned i = 0; !r && i < nh.member_count; i++) {
		r = nexthop_get(g, nh.members[i], &member);
		if (!r)
			r = hop_add(g, &member.hop, is_default);
		if (r == -ENOENT) /* it has just gone */
			r = 0;
	}
	return r == -ENOENT ? 0 : r;
}

static int route_cb(const struct nlmsghdr *h, void *user)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr, *multipath = NULL;
	uint32_t table, nexthop = 0;
	struct guard *g = user;
	struct hop hop = { 0 };
	int r;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < sizeof(*h) + sizeof(*head) ||
	    head->rtm_type != RTN_UNICAST || head->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	table = head->rtm_table;
	mnl_attr_for_each(attr, h, sizeof(*head)) {
		hop.gateway |= is_gateway(attr);
		if (mnl_attr_get_type(attr) == RTA_TABLE)
			table = (uint32_t)nic_attr_uint(attr);
		if (mnl_attr_get_type(attr) == RTA_OIF)
			hop.ifindex = (uint32_t)nic_attr_uint(attr);
		if (mnl_attr_get_type(attr) == RTA_NH_ID)
			nexthop = (uint32_t)nic_attr_uint(attr);
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			multipath = attr;
	}
	if (table != RT_TABLE_MAIN && table != RT_TABLE_DEFAULT)
		return MNL_CB_OK;
	r = hop_add(g, &hop, !head->rtm_dst_len);
	if (!r && multipath)
		r = hops_read(g, multipath, !head->rtm_dst_len);
	if (!r && nexthop && !multipath && !hop.ifindex)
		r = nexthop_read(g, nexthop, !head->rtm_dst_len);
	errno = -r;
	return r ? MNL_CB_ERROR : MNL_CB_OK;
}

static int routes_read(struct guard *g)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = 0;

	for (size_t i = 0; !r && i < weir_array_len(families); i++) {
		struct rtmsg head = { .rtm_family = families[i] };
		struct nlmsghdr *msg =
			nic_route_begin(g->ctx, buf, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head));

		r = nic_nl_talk(g->ctx, msg, route_cb, g, "routes", NULL);
		if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT) /* a kernel without this family */
			r = 0;
	}
	if (!r && !g->way_count && g->gateway_count == 1)
		r = way_add(g, g->gateways[0], BY_GATEWAY, -1);
	return r;
}

/* ---------------------------------------------------------------------------------- SSH */

static int oif_cb(const struct nlmsghdr *h, void *user)
{
	const struct nlattr *attr;
	uint32_t *ifindex = user;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, h, sizeof(struct rtmsg))
		if (mnl_attr_get_type(attr) == RTA_OIF)
			*ifindex = (uint32_t)nic_attr_uint(attr);
	return MNL_CB_OK;
}

/* The device that packets to the client of this SSH session leave by. */
static int ssh_read(struct guard *g)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const char *connection = getenv("SSH_CONNECTION");
	struct rtmsg head = { 0 };
	char client[64], *scope;
	struct nlmsghdr *msg;
	unsigned char to[16];
	uint32_t ifindex = 0;

	if (!connection)
		return 0;
	snprintf(client, sizeof(client), "%.*s", (int)strcspn(connection, " "), connection);
	scope = strchr(client, '%');
	if (scope) {
		ifindex = if_nametoindex(scope + 1);
		*scope = '\0';
	}
	head.rtm_family = strchr(client, ':') ? AF_INET6 : AF_INET;
	head.rtm_dst_len = head.rtm_family == AF_INET6 ? 128 : 32;
	if (!ifindex && inet_pton(head.rtm_family, client, to) == 1) {
		msg = nic_route_begin(g->ctx, buf, RTM_GETROUTE, 0, &head, sizeof(head));
		mnl_attr_put(msg, RTA_DST, head.rtm_dst_len / 8u, to);
		/* no route to it: then it is not reached from this namespace */
		if (nic_nl_talk(g->ctx, msg, oif_cb, &ifindex, "route", NULL) == -ENOMEM)
			return -ENOMEM;
	}
	return ifindex ? way_add(g, ifindex, BY_SSH, -1) : 0;
}

/* --------------------------------------------------------------------------- underneath */

static int link_cb(const struct nlmsghdr *h, void *user)
{
	const struct ifinfomsg *head = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr, *inner;
	struct guard *g = user;
	struct link link = { 0 }, *grown;
	bool elsewhere = false;

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < sizeof(*h) + sizeof(*head))
		return MNL_CB_OK;
	link.ifindex = (uint32_t)head->ifi_index;
	mnl_attr_for_each(attr, h, sizeof(*head)) {
		char kind[16] = "";

		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			nic_attr_text(attr, link.name, sizeof(link.name));
			break;
		case IFLA_MASTER:
			link.master = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_LINK:
			link.below = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			mnl_attr_for_each_nested(inner, attr)
				if (mnl_attr_get_type(inner) == IFLA_INFO_KIND)
					nic_attr_text(inner, kind, sizeof(kind));
			/* the number of these is their peer's */
			elsewhere |= !strcmp(kind, "veth") || !strcmp(kind, "netkit");
			break;
		default:
			break;
		}
	}
	if (elsewhere || link.below == link.ifindex)
		link.below = 0;
	grown = realloc(g->links, (g->link_count + 1) * sizeof(*grown));
	if (!grown) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	g->links = grown;
	grown[g->link_count++] = link;
	return MNL_CB_OK;
}

static int links_read(struct guard *g)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *msg =
		nic_route_begin(g->ctx, buf, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));

	mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nic_nl_talk(g->ctx, msg, link_cb, g, "interfaces", NULL);
}

/* Adds what the ways stand on; those that are added are looked at in turn. */
static int spread(struct guard *g)
{
	int r = 0;

	for (unsigned i = 0; !r && i < g->way_count; i++)
		for (unsigned k = 0; !r && k < g->link_count; k++) {
			const struct link *link = &g->links[k];

			if (link->master == g->ways[i].ifindex)
				r = way_add(g, link->ifindex, g->ways[i].reason, (int)i);
			else if (link->ifindex == g->ways[i].ifindex && link->below)
				r = way_add(g, link->below, g->ways[i].reason, (int)i);
		}
	return r;
}

static const char *name_of(const struct guard *g, uint32_t ifindex)
{
	for (unsigned k = 0; k < g->link_count; k++)
		if (g->links[k].ifindex == ifindex)
			return g->links[k].name;
	return "?";
}

static void explain(const struct guard *g, char *why, size_t bytes)
{
	static const char *const does[] = {
		[BY_DEFAULT] = "carries the default route",
		[BY_GATEWAY] = "carries all routes with a gateway",
		[BY_SSH] = "leads to the client of this SSH session",
	};
	const struct way *way = NULL;
	int top;

	for (unsigned i = 0; i < g->way_count; i++)
		if (g->ways[i].ifindex == g->ctx->ifindex)
			way = &g->ways[i];
	if (!way)
		return;
	if (way->over < 0) {
		snprintf(why, bytes, "it %s", does[way->reason]);
		return;
	}
	for (top = way->over; g->ways[top].over >= 0; top = g->ways[top].over)
		;
	snprintf(why, bytes, "%s, which %s, stands on it", name_of(g, g->ways[top].ifindex),
		 does[way->reason]);
}

int nic_guard(struct nic_ctx *ctx, char *why, size_t bytes)
{
	struct guard g = { .ctx = ctx };
	int r;

	why[0] = '\0';
	r = routes_read(&g);
	if (!r)
		r = ssh_read(&g);
	if (!r)
		r = links_read(&g);
	if (!r)
		r = spread(&g);
	if (!r)
		explain(&g, why, bytes);
	free(g.ways);
	free(g.links);
	free(g.gateways);
	return r;
}
