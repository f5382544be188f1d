/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - what differs between the kernels that the test NIC is built for
 *
 * Full support: Linux 7.2 and 7.3. On 6.12 the queue API is there without the ops lock (rtnl does
 * its work), without per-queue configuration and without a way for io_uring to bind a queue; devmem
 * TCP works. Each macro names a property, so that the other files never look at a version.
 */
#ifndef WEIRNIC_COMPAT_H
#define WEIRNIC_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define WEIRNIC_HAVE_QCFG	1	/* struct netdev_queue_config, rx_page_size */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define WEIRNIC_HAVE_OPS_LOCK	1	/* netdev->lock around driver operations */
#define WEIRNIC_HAVE_NEWLINK_PARAMS 1	/* struct rtnl_newlink_params, peer_type */
#define WEIRNIC_HAVE_MP_OPS	1	/* memory provider ops in struct netdev_rx_queue */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define WEIRNIC_HAVE_QUEUE_DMA_DEV 1	/* ndo_queue_get_dma_dev */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define WEIRNIC_HAVE_HDS_THRESH	1	/* hds_thresh in struct kernel_ethtool_ringparam */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define WEIRNIC_HAVE_RXFH_FIELDS 1	/* get_rxfh_fields, set_rxfh_fields, also per context */
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define WEIRNIC_HAVE_RX_RING_COUNT 1	/* get_rx_ring_count */
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *timer),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define page_pool_enable_direct_recycling(pool, napi) do { } while (0)
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define unregister_netdevice_queue_net(net, dev, head) unregister_netdevice_queue(dev, head)
#endif

#ifdef WEIRNIC_HAVE_OPS_LOCK
#include <net/netdev_lock.h>
#else
#define napi_enable_locked(napi)			napi_enable(napi)
#define napi_disable_locked(napi)			napi_disable(napi)
#define __netif_napi_del_locked(napi)			__netif_napi_del(napi)
#define netif_napi_add_locked(dev, napi, poll)		netif_napi_add(dev, napi, poll)
#define netif_napi_add_config_locked(dev, napi, poll, index) netif_napi_add(dev, napi, poll)
#define netif_napi_set_irq_locked(napi, irq)		netif_napi_set_irq(napi, irq)
#endif
/* Kbuild looks for it. What an interrupt says of itself so that any context may move it. */
#ifdef WEIRNIC_HAVE_MOVE_PCNTXT
#define WEIRNIC_IRQ_STATUS	IRQ_MOVE_PCNTXT
#else
#define WEIRNIC_IRQ_STATUS	0
#endif
/* Kbuild looks for it: stable kernels got it late. */
#ifndef WEIRNIC_HAVE_NETMEM_SYNC
#define page_pool_dma_sync_netmem_for_cpu(pool, netmem, offset, bytes) do { } while (0)
#endif

/* Whether the memory of queue @index comes from a memory provider; under the ops lock. */
static inline bool weirnic_compat_has_provider(struct net_device *ndev, u32 index)
{
#ifdef WEIRNIC_HAVE_MP_OPS
	return __netif_get_rx_queue(ndev, index)->mp_params.mp_ops;
#else
	return __netif_get_rx_queue(ndev, index)->mp_params.mp_priv;
#endif
}

/* The Rx buffer size in bytes that the core wants for queue @index, 0: no wish. */
static inline u32 weirnic_compat_queue_buf_bytes(struct net_device *ndev, u32 index)
{
#ifdef WEIRNIC_HAVE_QCFG
	struct netdev_queue_config qcfg;

	netdev_queue_config(ndev, index, &qcfg);
	return qcfg.rx_page_size;
#else
	return 0;
#endif
}

#endif
