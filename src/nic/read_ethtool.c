// SPDX-License-Identifier: MIT
/*
 * read_ethtool.c - channels, rings, header/data split, features of an interface.
 *
 * Theory: two netlink requests and the features by ioctl.  The kernel leaves out what a driver does
 *	not tell: an attribute that is missing leaves its member "not known".  Only a driver without
 *	any ring settings (-EOPNOTSUPP) is known to have no header split.
 * Invariants: 1. a member is a number of this interface or the value for "not known", not a
 *	guess.
 * Ownership: none.
 * Threads: as nl.c.
 * Errors: -ENODEV (gone), -ENOMEM.
 * Sources: net/ethtool/rings.c (rings_fill_reply), net/ethtool/channels.c (channels_fill_reply),
 *	Linux 7.3.
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <linux/ethtool_netlink.h>

#include "read.h"
#include "uapi/ethtool.h"

#define REQUEST_BYTES 256

static int channels_cb(const struct nlmsghdr *h, void *user)
{
	struct weir_nic_info *pub = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_CHANNELS_COMBINED_COUNT:
			pub->combined = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_CHANNELS_COMBINED_MAX:
			pub->combined_max = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_CHANNELS_RX_COUNT:
			pub->rx_channels = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_CHANNELS_RX_MAX:
			pub->rx_channels_max = (uint32_t)nic_attr_uint(attr);
			break;
		default:
			break;
		}
	return MNL_CB_OK;
}

static void split_read(const struct nlattr *attr, struct weir_nic_info *pub)
{
	uint64_t value = nic_attr_uint(attr);

	pub->split = value == ETHTOOL_TCP_DATA_SPLIT_ENABLED  ? WEIR_NIC_ON :
		     value == ETHTOOL_TCP_DATA_SPLIT_DISABLED ? WEIR_NIC_OFF :
								WEIR_NIC_UNKNOWN;
}

static int rings_cb(const struct nlmsghdr *h, void *user)
{
	struct weir_nic_info *pub = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_RINGS_RX:
			pub->ring_entries = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_RINGS_RX_MAX:
			pub->ring_entries_max = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_RINGS_RX_BUF_LEN:
			pub->rx_buf_bytes = (uint32_t)nic_attr_uint(attr);
			break;
		case ETHTOOL_A_RINGS_TCP_DATA_SPLIT:
			split_read(attr, pub);
			break;
		case WEIR_ETHTOOL_A_RINGS_HDS_THRESH:
			pub->hds_threshold_bytes = (int64_t)nic_attr_uint(attr);
			break;
		case WEIR_ETHTOOL_A_RINGS_HDS_THRESH_MAX:
			pub->hds_threshold_max_bytes = (int64_t)nic_attr_uint(attr);
			break;
		default:
			break;
		}
	return MNL_CB_OK;
}

static int features_read(struct nic_ctx *ctx, struct weir_nic_info *pub)
{
	const struct {
		const char *name;
		struct weir_nic_switch *to;
	} wanted[] = {
		{ "rx-ntuple-filter", &pub->ntuple },
		{ "rx-hashing", &pub->rx_hash },
		{ "rx-gro", &pub->gro },
		{ "rx-gro-hw", &pub->gro_hw },
		{ "rx-lro", &pub->lro },
	};
	int r = 0;

	for (size_t i = 0; !r && i < weir_array_len(wanted); i++)
		r = nic_feature_read(ctx, wanted[i].name, wanted[i].to, NULL);
	return nic_read_failed(r);
}

int nic_read_ethtool(struct nic_ctx *ctx, struct weir_nic_info *pub)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg;
	int r;

	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_CHANNELS_GET, 0, ETHTOOL_A_CHANNELS_HEADER,
				0);
	r = nic_read_failed(nic_nl_talk(ctx, msg, channels_cb, pub, "ethtool channels", NULL));
	if (r)
		return r;
	pub->split = WEIR_NIC_UNKNOWN;
	pub->hds_threshold_bytes = -1;
	pub->hds_threshold_max_bytes = -1;
	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_GET, 0, ETHTOOL_A_RINGS_HEADER, 0);
	r = nic_nl_talk(ctx, msg, rings_cb, pub, "ethtool rings", NULL);
	if (r == -EOPNOTSUPP && ctx->ethtool_family)
		pub->split = WEIR_NIC_ABSENT;
	r = nic_read_failed(r);
	return r ? r : features_read(ctx, pub);
}
