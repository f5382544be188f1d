// SPDX-License-Identifier: GPL-2.0
/*
 * link.c - the module, pairs of devices, their parents and their carrier
 *
 * Theory:
 *	A pair comes into being and goes as veth's does, with one difference:
 *	each end has a platform device as parent, "weirnic.N", which can do DMA.
 *	The core therefore takes the end for hardware: memory providers can be
 *	bound to its queues.
 *
 *		newlink:  register device, create and register peer, join
 *		dellink:  part (no frame is on the wire after the next grace
 *		          period), unregister both
 *		ndo_init / priv_destructor: parent, queues, steering, debugfs
 *
 *	There is carrier when both ends are up and no flap (fault) is under way.
 *
 * Invariants:
 *	1. peer pointers are set and cleared in pairs, under rtnl.
 *	2. A device's queues exist from ndo_init until after the grace period
 *	   that follows the clearing of its peer's pointer to it.
 *
 * Ownership:
 *	A device owns its parent, its queues and its steering; each end holds a
 *	reference on the other while joined.
 *
 * Threads:
 *	rtnl; carrier under carrier_lock, from any context.
 *
 * Errors:
 *	-errno with a message; a pair is made whole or not at all.
 *
 * Sources:
 *	include/net/rtnetlink.h, register_netdevice() in net/core/dev.c,
 *	drivers/base/platform.c, Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_link.sh, tests/vm/t/nic_cycles.sh
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/idr.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/rtnetlink.h>

#include "uapi.h"
#include "weirnic.h"

#define FLAP_MS		100

static unsigned int queues = 4;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "Rx and Tx queues of a device made without numrxqueues and numtxqueues");

static unsigned int ring = 512;
module_param(ring, uint, 0444);
MODULE_PARM_DESC(ring, "entries of each Rx and Tx ring, a power of two");

unsigned int weirnic_param_pack = 1;
module_param_named(pack, weirnic_param_pack, uint, 0644);
MODULE_PARM_DESC(pack, "payloads share buffers: 0 never, 1 where larger than a page, 2 always");

bool weirnic_param_spread = true;
module_param_named(spread, weirnic_param_spread, bool, 0644);
MODULE_PARM_DESC(spread, "interrupt of Rx queue N on the N-th CPU; else on the sender's CPU; "
		 "in both cases only where /proc/irq leaves it every CPU");

static DEFINE_SPINLOCK(carrier_lock);
static DEFINE_IDA(parent_ids);
static struct rtnl_link_ops weirnic_link_ops;

/* ---- carrier ---- */

static void set_carrier(struct weirnic_dev *wd, bool on)
{
	if (on)
		netif_carrier_on(wd->ndev);
	else
		netif_carrier_off(wd->ndev);
}

/* With carrier_lock held. */
static void update_carrier(struct weirnic_dev *wd)
{
	struct weirnic_dev *peer;
	bool on;

	rcu_read_lock();
	peer = rcu_dereference(wd->peer);
	on = peer && wd->up && peer->up && !wd->flapping && !peer->flapping;
	set_carrier(wd, on);
	if (peer)
		set_carrier(peer, on);
	rcu_read_unlock();
}

void weirnic_link_up(struct weirnic_dev *wd, bool up)
{
	spin_lock_bh(&carrier_lock);
	wd->up = up;
	update_carrier(wd);
	spin_unlock_bh(&carrier_lock);
}

static void flap_over(struct work_struct *work)
{
	struct weirnic_dev *wd = container_of(to_delayed_work(work), struct weirnic_dev, flap_work);

	spin_lock_bh(&carrier_lock);
	WRITE_ONCE(wd->flapping, false);
	update_carrier(wd);
	spin_unlock_bh(&carrier_lock);
}

/**
 * weirnic_link_flap() - lose the carrier for a moment
 * @wd: the device; softirq
 */
void weirnic_link_flap(struct weirnic_dev *wd)
{
	spin_lock_bh(&carrier_lock);
	WRITE_ONCE(wd->flapping, true);
	update_carrier(wd);
	spin_unlock_bh(&carrier_lock);
	mod_delayed_work(system_percpu_wq, &wd->flap_work, msecs_to_jiffies(FLAP_MS));
}

/* ---- the device ---- */

static struct platform_device *parent_new(void)
{
	struct platform_device *pdev;
	int id = ida_alloc(&parent_ids, GFP_KERNEL), err;

	if (id < 0)
		return ERR_PTR(id);
	err = -ENOMEM;
	pdev = platform_device_alloc(WEIRNIC_NAME, id);
	if (!pdev)
		goto free_id;
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!err)
		err = platform_device_add(pdev);
	if (!err)
		return pdev;
	platform_device_put(pdev);
free_id:
	ida_free(&parent_ids, id);
	return ERR_PTR(err);
}

static void parent_free(struct platform_device *pdev)
{
	int id = pdev->id;

	platform_device_unregister(pdev);
	ida_free(&parent_ids, id);
}

static int weirnic_init_device(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	u32 count = min3(ndev->num_rx_queues, ndev->num_tx_queues, WEIRNIC_QUEUES_MAX + 0u);
	int err;

	netdev_lockdep_set_classes(ndev);
	INIT_DELAYED_WORK(&wd->flap_work, flap_over);
	err = netif_set_real_num_queues(ndev, count, count);
	if (err)
		return err;
	wd->pdev = parent_new();
	if (IS_ERR(wd->pdev))
		return PTR_ERR(wd->pdev);
	wd->dma = &wd->pdev->dev;
	SET_NETDEV_DEV(ndev, wd->dma);
	weirnic_fault_init(wd);
	err = weirnic_queues_init(wd);
	if (err)
		goto free_parent;
	err = weirnic_steer_init(wd);
	if (err)
		goto free_queues;
	weirnic_debugfs_add(wd);
	return 0;
free_queues:
	weirnic_queues_fini(wd);
free_parent:
	parent_free(wd->pdev);
	return err;
}

static void weirnic_uninit_device(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	cancel_delayed_work_sync(&wd->flap_work);
}

static void weirnic_destroy(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	weirnic_debugfs_remove(wd);
	weirnic_steer_fini(wd);
	weirnic_queues_fini(wd);
	parent_free(wd->pdev);
}

/* What the cutting of super frames cannot do is left to the stack. */
static netdev_features_t weirnic_features_check(struct sk_buff *skb, struct net_device *ndev,
						netdev_features_t features)
{
	if (skb_is_gso(skb)) {
		u32 bytes = skb_transport_offset(skb);

		if (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4)
			bytes += sizeof(struct udphdr);
		else
			bytes += tcp_hdrlen(skb);
		if (skb->encapsulation || bytes > WEIRNIC_HEADER_MAX - 2 * VLAN_HLEN)
			features &= ~NETIF_F_GSO_MASK;
	}
	return vlan_features_check(skb, features);
}

static const struct net_device_ops weirnic_netdev_ops = {
	.ndo_init		= weirnic_init_device,
	.ndo_uninit		= weirnic_uninit_device,
	.ndo_open		= weirnic_open,
	.ndo_stop		= weirnic_stop,
	.ndo_start_xmit		= weirnic_start_xmit,
	.ndo_features_check	= weirnic_features_check,
	.ndo_get_stats64	= weirnic_stats_get64,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

#define OFFLOADS	(NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | NETIF_F_TSO | \
			 NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_TSO_MANGLEID | \
			 NETIF_F_GSO_UDP_L4)

static void weirnic_setup(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	ether_setup(ndev);
	wd->ndev = ndev;
	wd->rx_ring = ring;
	wd->tx_ring = ring;
	ndev->netdev_ops = &weirnic_netdev_ops;
	ndev->ethtool_ops = &weirnic_ethtool_ops;
	ndev->queue_mgmt_ops = &weirnic_queue_ops;
	ndev->stat_ops = &weirnic_stat_ops;
	ndev->priv_destructor = weirnic_destroy;
	ndev->needs_free_netdev = true;
	ndev->priv_flags &= ~IFF_TX_SKB_SHARING;
	ndev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	ndev->min_mtu = ETH_MIN_MTU;
	ndev->max_mtu = ETH_MAX_MTU;
	ndev->vlan_features = OFFLOADS;
	ndev->features = OFFLOADS | NETIF_F_RXCSUM | NETIF_F_RXHASH | NETIF_F_NTUPLE |
			 NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX;
	ndev->hw_features = (ndev->features & ~NETIF_F_HIGHDMA) | NETIF_F_GRO_HW;
}

/* ---- pairs ---- */

static int weirnic_validate(struct nlattr *tb[], struct nlattr *data[],
			    struct netlink_ext_ack *extack)
{
	if (tb[IFLA_ADDRESS]) {
		if (nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN)
			return -EINVAL;
		if (!is_valid_ether_addr(nla_data(tb[IFLA_ADDRESS])))
			return -EADDRNOTAVAIL;
	}
	if (data && data[WEIRNIC_INFO_RING] &&
	    !is_power_of_2(nla_get_u32(data[WEIRNIC_INFO_RING]))) {
		NL_SET_ERR_MSG(extack, "the ring size is a power of two");
		return -EINVAL;
	}
	return 0;
}

static int check_queues(const struct net_device *ndev, struct netlink_ext_ack *extack)
{
	if (ndev->num_rx_queues <= WEIRNIC_QUEUES_MAX && ndev->num_tx_queues <= WEIRNIC_QUEUES_MAX)
		return 0;
	NL_SET_ERR_MSG(extack, "at most 64 queues");
	return -EINVAL;
}

static void set_rings(struct net_device *ndev, struct nlattr *data[])
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	if (!data || !data[WEIRNIC_INFO_RING])
		return;
	wd->rx_ring = nla_get_u32(data[WEIRNIC_INFO_RING]);
	wd->tx_ring = wd->rx_ring;
}

/* Creates, registers and configures the other end. */
static struct net_device *peer_new(struct net *net, struct nlattr *tb[], struct nlattr *data[],
				   bool have_index, struct netlink_ext_ack *extack)
{
	struct nlattr *peer_tb[IFLA_MAX + 1], **used = tb;
	unsigned char assigned = NET_NAME_ENUM;
	const struct ifinfomsg *ifm = NULL;
	char name[IFNAMSIZ] = "wn%d";
	struct net_device *peer;
	int err;

	if (data && data[WEIRNIC_INFO_PEER]) {
		ifm = nla_data(data[WEIRNIC_INFO_PEER]);
		err = rtnl_nla_parse_ifinfomsg(peer_tb, data[WEIRNIC_INFO_PEER], extack);
		if (err)
			return ERR_PTR(err);
		used = peer_tb;
		if (used[IFLA_IFNAME]) {
			nla_strscpy(name, used[IFLA_IFNAME], IFNAMSIZ);
			assigned = NET_NAME_USER;
		}
	}
	peer = rtnl_create_link(net, name, assigned, &weirnic_link_ops, used, extack);
	if (IS_ERR(peer))
		return peer;
	if (!ifm || !used[IFLA_ADDRESS])
		eth_hw_addr_random(peer);
	if (ifm && have_index)
		peer->ifindex = ifm->ifi_index;
	set_rings(peer, data);
	err = check_queues(peer, extack);
	if (!err)
		err = register_netdevice(peer);
	if (err) {
		free_netdev(peer);
		return ERR_PTR(err);
	}
	netif_carrier_off(peer);
	err = rtnl_configure_link(peer, ifm, 0, NULL);
	if (err) {
		unregister_netdevice(peer);
		return ERR_PTR(err);
	}
	return peer;
}

static void join(struct weirnic_dev *wd, struct weirnic_dev *peer)
{
	netdev_hold(peer->ndev, &wd->peer_tracker, GFP_KERNEL);
	netdev_hold(wd->ndev, &peer->peer_tracker, GFP_KERNEL);
	rcu_assign_pointer(wd->peer, peer);
	rcu_assign_pointer(peer->peer, wd);
	spin_lock_bh(&carrier_lock);
	update_carrier(wd);
	spin_unlock_bh(&carrier_lock);
}

static int pair_new(struct net *peer_net, struct net_device *ndev, struct nlattr *tb[],
		    struct nlattr *data[], struct netlink_ext_ack *extack)
{
	bool have_index = ndev->ifindex;
	struct net_device *peer;
	int err = check_queues(ndev, extack);

	if (err)
		return err;
	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_random(ndev);
	if (tb[IFLA_IFNAME])
		nla_strscpy(ndev->name, tb[IFLA_IFNAME], IFNAMSIZ);
	else
		strscpy(ndev->name, "wn%d", IFNAMSIZ);
	set_rings(ndev, data);
	err = register_netdevice(ndev);
	if (err)
		return err;
	netif_carrier_off(ndev);
	peer = peer_new(peer_net, tb, data, have_index, extack);
	if (IS_ERR(peer)) {
		unregister_netdevice(ndev);
		return PTR_ERR(peer);
	}
	join(netdev_priv(ndev), netdev_priv(peer));
	return 0;
}

#ifdef WEIRNIC_HAVE_NEWLINK_PARAMS
static int weirnic_newlink(struct net_device *ndev, struct rtnl_newlink_params *params,
			   struct netlink_ext_ack *extack)
{
	return pair_new(rtnl_newlink_peer_net(params), ndev, params->tb, params->data, extack);
}
#else
/* Here the driver has to find the peer's namespace by itself. */
static int weirnic_newlink(struct net *src_net, struct net_device *ndev, struct nlattr *tb[],
			   struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct nlattr *peer_tb[IFLA_MAX + 1], **used = tb;
	struct net *net;
	int err;

	if (data && data[WEIRNIC_INFO_PEER]) {
		err = rtnl_nla_parse_ifinfomsg(peer_tb, data[WEIRNIC_INFO_PEER], extack);
		if (!err) /* newer kernels do it themselves */
			err = weirnic_validate(peer_tb, NULL, extack);
		if (err)
			return err;
		used = peer_tb;
	}
	net = rtnl_link_get_net(src_net, used);
	if (IS_ERR(net))
		return PTR_ERR(net);
	err = pair_new(net, ndev, tb, data, extack);
	put_net(net);
	return err;
}
#endif

static void weirnic_dellink(struct net_device *ndev, struct list_head *head)
{
	struct weirnic_dev *wd = netdev_priv(ndev), *peer = rtnl_dereference(wd->peer);

	if (!peer)	/* its other end was deleted and took it along */
		return;
	spin_lock_bh(&carrier_lock);
	RCU_INIT_POINTER(wd->peer, NULL);
	RCU_INIT_POINTER(peer->peer, NULL);
	spin_unlock_bh(&carrier_lock);
	unregister_netdevice_queue(ndev, head);
	unregister_netdevice_queue_net(dev_net(ndev), peer->ndev, head);
	netdev_put(peer->ndev, &wd->peer_tracker);
	netdev_put(ndev, &peer->peer_tracker);
}

static unsigned int weirnic_queue_count(void)
{
	return queues;
}

static struct net *weirnic_link_net(const struct net_device *ndev)
{
	const struct weirnic_dev *wd = netdev_priv(ndev), *peer = rtnl_dereference(wd->peer);

	return dev_net(peer ? peer->ndev : ndev);
}

static size_t weirnic_info_size(const struct net_device *ndev)
{
	return nla_total_size(sizeof(u32));
}

static int weirnic_fill_info(struct sk_buff *skb, const struct net_device *ndev)
{
	const struct weirnic_dev *wd = netdev_priv(ndev);

	return nla_put_u32(skb, WEIRNIC_INFO_RING, wd->rx_ring);
}

static const struct nla_policy weirnic_policy[WEIRNIC_INFO_MAX + 1] = {
	[WEIRNIC_INFO_PEER]	= { .len = sizeof(struct ifinfomsg) },
	[WEIRNIC_INFO_RING]	= NLA_POLICY_RANGE(NLA_U32, WEIRNIC_RING_MIN, WEIRNIC_RING_MAX),
};

static struct rtnl_link_ops weirnic_link_ops = {
	.kind			= WEIRNIC_NAME,
	.priv_size		= sizeof(struct weirnic_dev),
	.setup			= weirnic_setup,
	.validate		= weirnic_validate,
	.newlink		= weirnic_newlink,
	.dellink		= weirnic_dellink,
	.policy			= weirnic_policy,
	.maxtype		= WEIRNIC_INFO_MAX,
#ifdef WEIRNIC_HAVE_NEWLINK_PARAMS
	.peer_type		= WEIRNIC_INFO_PEER,
#endif
	.get_link_net		= weirnic_link_net,
	.get_num_tx_queues	= weirnic_queue_count,
	.get_num_rx_queues	= weirnic_queue_count,
	.get_size		= weirnic_info_size,
	.fill_info		= weirnic_fill_info,
};

/* ---- the module ---- */

static int __init weirnic_module_init(void)
{
	int err;

	if (!queues || queues > WEIRNIC_QUEUES_MAX || !is_power_of_2(ring) ||
	    ring < WEIRNIC_RING_MIN || ring > WEIRNIC_RING_MAX) {
		pr_err("queues is 1 to 64, ring a power of two from 32 to 8192\n");
		return -EINVAL;
	}
	weirnic_debugfs_init();
	err = rtnl_link_register(&weirnic_link_ops);
	if (err)
		weirnic_debugfs_exit();
	return err;
}

static void __exit weirnic_module_exit(void)
{
	rtnl_link_unregister(&weirnic_link_ops);
	weirnic_debugfs_exit();
}

module_init(weirnic_module_init);
module_exit(weirnic_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test NIC: pairs of devices whose queues take memory providers");
MODULE_ALIAS_RTNL_LINK(WEIRNIC_NAME);
