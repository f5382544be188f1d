// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool.c - what ethtool can ask and set
 *
 * Theory:
 *	One table of operations. Rings, channels and header/data split are
 *	changed by queue.c; flow rules by steer.c; RSS by rss.c; counters come
 *	from stats.c. This file translates, checks what the kernel's common
 *	code has not checked, and says in words why something is refused.
 *
 *	Kernels differ in where hashed fields are read and set (rxnfc before
 *	6.17, operations of their own since); both end in weirnic_get_fields()
 *	and weirnic_set_fields().
 *
 * Invariants:
 *	1. A refused request has changed nothing.
 *
 * Ownership:
 *	No state of its own.
 *
 * Threads:
 *	Operations hold the device's instance lock (or RTNL before 6.15). Those
 *	in op_needs_rtnl hold RTNL too: changing the number of queues reaches
 *	the queueing disciplines, and reading the link state the link watcher.
 *
 * Errors:
 *	-EINVAL with a text for values out of range; else those of the
 *	functions called.
 *
 * Sources:
 *	include/linux/ethtool.h (struct ethtool_ops), net/ethtool/rings.c and
 *	channels.c (what is checked before drivers are asked), Linux 7.3
 *
 * Tests:
 *	tests/vm/t/nic_rings.sh, tests/vm/t/nic_channels.sh,
 *	tests/vm/t/nic_stats.sh
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/log2.h>

#include "control.h"

#define HDS_THRESH_MAX	4096	/* bytes of payload */

static void get_drvinfo(struct net_device *ndev, struct ethtool_drvinfo *info)
{
	const struct weirnic_dev *wd = netdev_priv(ndev);

	strscpy(info->driver, WEIRNIC_NAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(wd->dma),
		sizeof(info->bus_info));
}

/* A link has a speed; this one's is that of the CPU, so a usual one is named */
static int get_link_ksettings(struct net_device *ndev,
			      struct ethtool_link_ksettings *ks)
{
	ks->base.speed = SPEED_100000;
	ks->base.duplex = DUPLEX_FULL;
	ks->base.port = PORT_OTHER;
	ks->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

/* ----------------------------------------------------------------- rings */

static void get_ringparam(struct net_device *ndev, struct ethtool_ringparam *r,
			  struct kernel_ethtool_ringparam *kr,
			  struct netlink_ext_ack *extack)
{
	const struct weirnic_dev *wd = netdev_priv(ndev);

	r->rx_max_pending = WEIRNIC_RING_MAX;
	r->tx_max_pending = WEIRNIC_RING_MAX;
	r->rx_pending = wd->rx_ring;
	r->tx_pending = wd->tx_ring;
	kr->tcp_data_split = wd->split ? ETHTOOL_TCP_DATA_SPLIT_ENABLED :
					   ETHTOOL_TCP_DATA_SPLIT_DISABLED;
#ifdef WEIRNIC_HAVE_HDS_THRESH
	kr->hds_thresh = wd->hds_thresh;
	kr->hds_thresh_max = HDS_THRESH_MAX;
#endif
	kr->rx_buf_len = wd->rx_buf_len ? wd->rx_buf_len : PAGE_SIZE;
}

static int ring_count_check(u32 count, const char *which,
			    struct netlink_ext_ack *extack)
{
	if (is_power_of_2(count) && count >= WEIRNIC_RING_MIN)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack,
			       "%s ring: %u is no power of two from %u to %u",
			       which, count, WEIRNIC_RING_MIN,
			       WEIRNIC_RING_MAX);
	return -EINVAL;
}

static int set_ringparam(struct net_device *ndev, struct ethtool_ringparam *r,
			 struct kernel_ethtool_ringparam *kr,
			 struct netlink_ext_ack *extack)
{
	/* "auto" is off, as for a NIC that splits only when told to */
	bool split = kr->tcp_data_split == ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	u32 hds_thresh = 0;
	int err;

#ifdef WEIRNIC_HAVE_HDS_THRESH
	hds_thresh = kr->hds_thresh;
#endif
	err = ring_count_check(r->rx_pending, "Rx", extack);
	if (!err)
		err = ring_count_check(r->tx_pending, "Tx", extack);
	if (err)
		return err;
	return weirnic_rings_set(netdev_priv(ndev), r->rx_pending,
				 r->tx_pending, kr->rx_buf_len, split,
				 hds_thresh, extack);
}

/* -------------------------------------------------------------- channels */

static void get_channels(struct net_device *ndev, struct ethtool_channels *c)
{
	c->max_combined = min(ndev->num_rx_queues, ndev->num_tx_queues);
	c->combined_count = ndev->real_num_rx_queues;
}

static int set_channels(struct net_device *ndev, struct ethtool_channels *c)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	int err;

	if (c->rx_count || c->tx_count || c->other_count)
		return -EINVAL;
	err = weirnic_channels_set(wd, c->combined_count);
	if (!err)
		weirnic_steer_resize(wd, c->combined_count);
	return err;
}

/* -------------------------------------------------------- hashed fields */

#ifdef WEIRNIC_HAVE_RXFH_FIELDS
static int get_rxfh_fields(struct net_device *ndev,
			   struct ethtool_rxfh_fields *f)
{
	u64 fields;
	int err;

	err = weirnic_get_fields(ndev, f->rss_context, f->flow_type, &fields);
	if (!err)
		f->data = fields;
	return err;
}

static int set_rxfh_fields(struct net_device *ndev,
			   const struct ethtool_rxfh_fields *f,
			   struct netlink_ext_ack *extack)
{
	int err = weirnic_set_fields(ndev, f->rss_context, f->flow_type,
				     f->data);

	if (err == -EOPNOTSUPP)
		NL_SET_ERR_MSG_MOD(extack,
				   "IP addresses are hashed, and ports of TCP and UDP");
	return err;
}
#endif

#ifdef WEIRNIC_HAVE_RX_RING_COUNT
static u32 get_rx_ring_count(struct net_device *ndev)
{
	return ndev->real_num_rx_queues;
}
#endif

static u32 fields_context(const struct ethtool_rxnfc *nfc)
{
	return nfc->flow_type & FLOW_RSS ? nfc->rss_context : 0;
}

static int get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc,
		     u32 *locations)
{
	if (nfc->cmd == ETHTOOL_GRXFH)
		return weirnic_get_fields(ndev, fields_context(nfc),
					  nfc->flow_type & ~FLOW_RSS,
					  &nfc->data);
	return weirnic_get_rxnfc(ndev, nfc, locations);
}

static int set_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc)
{
	if (nfc->cmd == ETHTOOL_SRXFH)
		return weirnic_set_fields(ndev, fields_context(nfc),
					  nfc->flow_type & ~FLOW_RSS,
					  nfc->data);
	return weirnic_set_rxnfc(ndev, nfc);
}

const struct ethtool_ops weirnic_ethtool_ops = {
	.supported_ring_params	= ETHTOOL_RING_USE_TCP_DATA_SPLIT |
#ifdef WEIRNIC_HAVE_HDS_THRESH
				  ETHTOOL_RING_USE_HDS_THRS |
#endif
				  ETHTOOL_RING_USE_RX_BUF_LEN,
	.rxfh_per_ctx_key	= 1,
	.rxfh_max_num_contexts	= WEIRNIC_CONTEXTS,
	.supported_input_xfrm	= WEIRNIC_RSS_XFRM,
#ifdef WEIRNIC_HAVE_RXFH_FIELDS
	.rxfh_per_ctx_fields	= 1,
	.get_rxfh_fields	= get_rxfh_fields,
	.set_rxfh_fields	= set_rxfh_fields,
#else
	.cap_rss_ctx_supported	= 1,
#endif
#ifdef WEIRNIC_HAVE_RX_RING_COUNT
	.get_rx_ring_count	= get_rx_ring_count,
#endif
#ifdef ETHTOOL_OP_NEEDS_RTNL_SCHANNELS
	.op_needs_rtnl		= ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |
				  ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM |
				  ETHTOOL_OP_NEEDS_RTNL_GLINK,
#endif
	.get_drvinfo		= get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= get_link_ksettings,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_ringparam		= get_ringparam,
	.set_ringparam		= set_ringparam,
	.get_channels		= get_channels,
	.set_channels		= set_channels,
	.get_rxnfc		= get_rxnfc,
	.set_rxnfc		= set_rxnfc,
	.get_rxfh_key_size	= weirnic_get_rxfh_key_size,
	.get_rxfh_indir_size	= weirnic_get_rxfh_indir_size,
	.get_rxfh		= weirnic_get_rxfh,
	.set_rxfh		= weirnic_set_rxfh,
	.create_rxfh_context	= weirnic_create_context,
	.modify_rxfh_context	= weirnic_modify_context,
	.remove_rxfh_context	= weirnic_remove_context,
	.get_sset_count		= weirnic_get_sset_count,
	.get_strings		= weirnic_get_strings,
	.get_ethtool_stats	= weirnic_get_ethtool_stats,
};
