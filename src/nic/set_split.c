// SPDX-License-Identifier: MIT
/*
 * set_split.c - header/data split of TCP, and the size from which frames are split, as settings.
 *
 * Theory: both belong to the rings (ethtool -G).  Zero-copy receive wants the split on and the
 *	threshold 0, since the kernel must be able to read headers and need not read anything else.
 *
 *	split  "on", "off"; "auto" (the driver decides) can be set, and reads as what the driver
 *	       decided, so it cannot be put back where it was.  Some drivers (bnxt) refuse "off" and
 *	       take "auto" for it: where "off" is refused, "auto" is tried.
 *	hds    bytes; frames with no more payload stay whole.
 * Invariants: 1. no other setting of the rings is changed.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -EOPNOTSUPP where the driver has no such thing; the kernel's, with the queue that is
 *	bound.
 * Sources: net/ethtool/rings.c (rings_fill_reply, ethnl_set_rings), net/core/netdev_rx_queue.c
 *	(a provider needs the split to be on by the user's wish),
 *	drivers/net/ethernet/broadcom/bnxt/bnxt_ethtool.c (bnxt_set_ringparam), Linux 7.3
 * Tests: tests/unit/test_nic_drivers.c, tests/vm/t/nic_kind_set.sh
 */
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "bound.h"
#include "read.h"
#include "uapi/ethtool.h"
#include "value.h"

#define STAGE_SET "ethtool rings set"

/* ------------------------------------------------------------------------ the kernel */

/* What rings say of the split; -1: nothing. */
struct rings {
	int64_t split, hds, hds_max;
};

static int rings_cb(const struct nlmsghdr *h, void *user)
{
	struct rings *rings = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr)) {
		int64_t n = (int64_t)nic_attr_uint(attr);

		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_RINGS_TCP_DATA_SPLIT:
			rings->split = n;
			break;
		case WEIR_ETHTOOL_A_RINGS_HDS_THRESH:
			rings->hds = n;
			break;
		case WEIR_ETHTOOL_A_RINGS_HDS_THRESH_MAX:
			rings->hds_max = n;
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

static int rings_read(struct nic_ctx *ctx, struct rings *ret, struct weir_error *reterr)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg =
		nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_GET, 0, ETHTOOL_A_RINGS_HEADER, 0);

	*ret = (struct rings){ -1, -1, -1 };
	return nic_nl_talk(ctx, msg, rings_cb, ret, "ethtool rings", reterr);
}

static struct nlmsghdr *set_begin(struct nic_ctx *ctx, void *buf)
{
	return nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_SET, 0, ETHTOOL_A_RINGS_HEADER, 0);
}

/* ---------------------------------------------------------------------------- split */

static int split_get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	struct rings rings;
	int r = rings_read(ctx, &rings, reterr);

	(void)key;
	if (r)
		return r;
	switch (rings.split) {
	case ETHTOOL_TCP_DATA_SPLIT_ENABLED:
		return nic_text_new(ret, "on");
	case ETHTOOL_TCP_DATA_SPLIT_DISABLED:
		return nic_text_new(ret, "off");
	default:
		return weir_error_set(
			reterr, -EOPNOTSUPP, "ethtool rings", ctx->ifname,
			"the driver has no header/data split of TCP (tcp-data-split)");
	}
}

static int split_write(struct nic_ctx *ctx, uint8_t value, struct weir_error *reterr)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = set_begin(ctx, buf);

	mnl_attr_put_u8(msg, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, value);
	return nic_nl_talk(ctx, msg, NULL, NULL, STAGE_SET, reterr);
}

static int split_off(struct nic_ctx *ctx, struct weir_error *reterr)
{
	int r = split_write(ctx, ETHTOOL_TCP_DATA_SPLIT_DISABLED, reterr);

	if (r == -EINVAL && !split_write(ctx, ETHTOOL_TCP_DATA_SPLIT_UNKNOWN, NULL))
		r = 0;
	return r;
}

static int split_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
		     struct weir_error *reterr)
{
	int r;

	(void)key, (void)from;
	if (!strcmp(to, "on"))
		r = split_write(ctx, ETHTOOL_TCP_DATA_SPLIT_ENABLED, reterr);
	else if (!strcmp(to, "off"))
		r = split_off(ctx, reterr);
	else if (!strcmp(to, "auto"))
		r = split_write(ctx, ETHTOOL_TCP_DATA_SPLIT_UNKNOWN, reterr);
	else
		return nic_value_bad(reterr, "header/data split", to, "on, off, auto");
	if (r == -EINVAL && reterr && strstr(reterr->hint, "XDP"))
		nic_advise(reterr, "detach the XDP program: ip link set dev %s xdp off",
			   ctx->ifname);
	else if (r == -EINVAL)
		nic_bound_advise(ctx, 0, reterr);
	return r;
}

static void split_what(const char *key, char *buf, size_t bytes)
{
	(void)key;
	snprintf(buf, bytes, "header/data split");
}

static void split_ethtool(const char *ifname, const char *key, const char *from, const char *to,
			  char *buf, size_t bytes)
{
	(void)key, (void)from;
	snprintf(buf, bytes, "ethtool -G %s tcp-data-split %s", ifname, to);
}

const struct nic_setting_kind nic_set_split = {
	.name = "split",
	.get = split_get,
	.set = split_set,
	.target = nic_target_same,
	.what = split_what,
	.ethtool = split_ethtool,
	.again = true, /* zcrx asks for what was set, not for what is shown */
};

/* ------------------------------------------------------------------------------ hds */

static int hds_get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	struct rings rings;
	int r = rings_read(ctx, &rings, reterr);

	(void)key;
	if (r)
		return r;
	if (rings.hds < 0)
		return weir_error_set(reterr, -EOPNOTSUPP, "ethtool rings", ctx->ifname,
				      "the kernel or the driver has no threshold of the split "
				      "(hds-thresh)");
	return nic_text_new(ret, "%" PRId64, rings.hds);
}

static int hds_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
		   struct weir_error *reterr)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = set_begin(ctx, buf);
	struct rings rings;
	uint64_t n;
	int r;

	(void)key, (void)from;
	if (nic_number_parse(to, UINT32_MAX, &n))
		return nic_value_bad(reterr, "hds-thresh", to, "a number of bytes");
	mnl_attr_put_u32(msg, WEIR_ETHTOOL_A_RINGS_HDS_THRESH, (uint32_t)n);
	r = nic_nl_talk(ctx, msg, NULL, NULL, STAGE_SET, reterr);
	if (r != -EINVAL || rings_read(ctx, &rings, NULL))
		return r;
	if (rings.hds_max >= 0 && (int64_t)n > rings.hds_max)
		nic_advise(reterr, "hds-thresh is %" PRId64 " at most", rings.hds_max);
	else
		nic_bound_advise(ctx, 0, reterr);
	return r;
}

static void hds_what(const char *key, char *buf, size_t bytes)
{
	(void)key;
	snprintf(buf, bytes, "threshold of the header/data split");
}

static void hds_ethtool(const char *ifname, const char *key, const char *from, const char *to,
			char *buf, size_t bytes)
{
	(void)key, (void)from;
	snprintf(buf, bytes, "ethtool -G %s hds-thresh %s", ifname, to);
}

const struct nic_setting_kind nic_set_hds = {
	.name = "hds-thresh",
	.get = hds_get,
	.set = hds_set,
	.target = nic_target_same,
	.what = hds_what,
	.ethtool = hds_ethtool,
};
