// SPDX-License-Identifier: MIT
/*
 * read_link.c - what rtnetlink and the driver say of an interface: flags, MTU, kind, XDP, names.
 *
 * Theory: one RTM_GETLINK by number, and ETHTOOL_GDRVINFO, which the kernel answers for every
 *	device that has a parent or a kind.
 * Invariants: 1. what is not told is zero, empty or off.
 * Ownership: none.
 * Threads: as nl.c.
 * Errors: -ENODEV (gone), -ENOMEM.
 * Sources: net/core/rtnetlink.c (rtnl_fill_ifinfo, rtnl_xdp_fill), net/ethtool/ioctl.c
 *	(ethtool_get_drvinfo), Linux 7.3.
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "read.h"

struct asked {
	struct weir_nic_info *pub;
	struct nic_link *link;
};

static void xdp_read(const struct nlattr *nest, struct weir_nic_info *pub)
{
	static const char *const modes[] = {
		[XDP_ATTACHED_DRV] = "native",
		[XDP_ATTACHED_SKB] = "generic",
		[XDP_ATTACHED_HW] = "offload",
	};
	uint32_t id[XDP_ATTACHED_MULTI + 1] = { 0 };
	const struct nlattr *attr;
	unsigned mode = 0;

	mnl_attr_for_each_nested(attr, nest)
		switch (mnl_attr_get_type(attr)) {
		case IFLA_XDP_ATTACHED:
			mode = (unsigned)nic_attr_uint(attr);
			break;
		case IFLA_XDP_DRV_PROG_ID:
			id[XDP_ATTACHED_DRV] = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_XDP_SKB_PROG_ID:
			id[XDP_ATTACHED_SKB] = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_XDP_HW_PROG_ID:
			id[XDP_ATTACHED_HW] = (uint32_t)nic_attr_uint(attr);
			break;
		default:
			break;
		}
	if (mode == XDP_ATTACHED_MULTI) /* the one nearest to the driver's queues */
		mode = id[XDP_ATTACHED_DRV] ? XDP_ATTACHED_DRV :
		       id[XDP_ATTACHED_HW]  ? XDP_ATTACHED_HW :
					      XDP_ATTACHED_SKB;
	if (mode == XDP_ATTACHED_NONE || mode >= weir_array_len(modes))
		return;
	pub->xdp_prog_id = id[mode];
	snprintf(pub->xdp_mode, sizeof(pub->xdp_mode), "%s", modes[mode]);
}

static void address_put(const struct nlattr *attr, char *buf, size_t bytes)
{
	const uint8_t *from = mnl_attr_get_payload(attr);
	size_t used = 0;

	for (size_t i = 0; i < mnl_attr_get_payload_len(attr) && used + 4 <= bytes; i++)
		used += (size_t)snprintf(buf + used, bytes - used, "%s%02x", i ? ":" : "", from[i]);
}

static int link_cb(const struct nlmsghdr *h, void *user)
{
	const struct ifinfomsg *head = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr, *inner;
	struct asked *l = user;

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < sizeof(*h) + sizeof(*head))
		return MNL_CB_OK;
	l->pub->up = head->ifi_flags & IFF_UP;
	l->pub->loopback = head->ifi_flags & IFF_LOOPBACK;
	mnl_attr_for_each(attr, h, sizeof(*head))
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			nic_attr_text(attr, l->pub->ifname, sizeof(l->pub->ifname));
			break;
		case IFLA_MTU:
			l->pub->mtu_bytes = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_CARRIER:
			l->pub->carrier = nic_attr_uint(attr) != 0;
			break;
		case IFLA_NUM_RX_QUEUES:
			l->link->queues_max = (uint32_t)nic_attr_uint(attr);
			break;
		case IFLA_ADDRESS:
			address_put(attr, l->link->address, sizeof(l->link->address));
			break;
		case IFLA_XDP:
			xdp_read(attr, l->pub);
			break;
		case IFLA_LINKINFO:
			mnl_attr_for_each_nested(inner, attr)
				if (mnl_attr_get_type(inner) == IFLA_INFO_KIND)
					nic_attr_text(inner, l->pub->kind, sizeof(l->pub->kind));
			break;
		default:
			break;
		}
	return MNL_CB_OK;
}

int nic_read_link(struct nic_ctx *ctx, struct weir_nic_info *pub, struct nic_link *ret)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ctx->ifindex };
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct asked l = { .pub = pub, .link = ret };
	struct nlmsghdr *msg;
	int r;

	*ret = (struct nic_link){ 0 };
	snprintf(pub->ifname, sizeof(pub->ifname), "%s", ctx->ifname);
	pub->ifindex = ctx->ifindex;
	pub->netns_cookie = ctx->netns_cookie;
	msg = nic_route_begin(ctx, buf, RTM_GETLINK, 0, &head, sizeof(head));
	mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = nic_nl_talk(ctx, msg, link_cb, &l, "interface", NULL);
	if (r)
		return r;
	pub->carrier = pub->carrier && pub->up; /* a device that is down is not asked */
	r = nic_ioctl(ctx, &drv, "driver", NULL);
	if (r)
		return nic_read_failed(r);
	snprintf(pub->driver, sizeof(pub->driver), "%.*s", (int)sizeof(drv.driver), drv.driver);
	snprintf(pub->driver_version, sizeof(pub->driver_version), "%.*s", (int)sizeof(drv.version),
		 drv.version);
	snprintf(pub->firmware, sizeof(pub->firmware), "%.*s", (int)sizeof(drv.fw_version),
		 drv.fw_version);
	snprintf(pub->bus_info, sizeof(pub->bus_info), "%.*s", (int)sizeof(drv.bus_info),
		 drv.bus_info);
	return 0;
}
