// SPDX-License-Identifier: GPL-2.0
/*
 * queue.c - queues up and down: memory, restarting one, resizing all
 *
 * Theory:
 *	The memory of an Rx queue (struct weirnic_rx_mem: page pool, ring of
 *	posted buffers) is made and freed apart from the queue, and a queue is
 *	started with memory and gives it back when stopped:
 *
 *		mem_alloc -> start ... stop -> mem_free
 *
 *	The queue management ops are these four steps for one queue: the others
 *	run on. Opening, closing and every change of ring sizes or of the number
 *	of queues are the same steps for all: first all new memory is made,
 *	which may fail and leaves everything as it was; then all queues stop and
 *	start, which cannot fail.
 *
 * Invariants:
 *	1. A queue is up exactly from start to stop; only then does the wire
 *	   touch its memory.
 *	2. NAPIs exist while the device is open, for the queues in use.
 *	3. mem_free() destroys the pool; buffers that the stack still holds keep
 *	   the pool's remains alive, as page pools do.
 *
 * Ownership:
 *	weirnic_rx_mem belongs to the queue from start to stop, else to the
 *	caller.
 *
 * Threads:
 *	Everything here holds the ops lock (kernels without: rtnl).
 *
 * Errors:
 *	-ENOMEM, -EINVAL with a message; the queue_start fault gives -EIO, but
 *	never for memory that was stopped last: the way back always works.
 *
 * Sources:
 *	include/net/netdev_queues.h, net/core/netdev_rx_queue.c,
 *	net/core/page_pool.c, Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_rings.sh, tests/vm/t/nic_channels.sh, tests/vm/t/zcrx_*.sh
 */
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <net/netdev_queues.h>

#include "weirnic.h"

static void mem_free(struct weirnic_rx_mem *mem)
{
	if (mem->pool)
		page_pool_destroy(mem->pool);
	kvfree(mem->posted);
	memset(mem, 0, sizeof(*mem));
}

static int mem_alloc(struct weirnic_dev *wd, u32 index, u32 buf_bytes, struct weirnic_rx_mem *mem)
{
	struct page_pool_params params = {
		.order		= get_order(buf_bytes),
		.pool_size	= wd->rx_ring,
		.nid		= NUMA_NO_NODE,
		.dev		= wd->dma,
		.dma_dir	= DMA_FROM_DEVICE,
		.max_len	= buf_bytes,
		.netdev		= wd->ndev,
		.queue_idx	= index,
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV |
				  PP_FLAG_ALLOW_UNREADABLE_NETMEM,
	};
	struct page_pool *pool;

	memset(mem, 0, sizeof(*mem));
	mem->posted = kvcalloc(wd->rx_ring, sizeof(*mem->posted), GFP_KERNEL);
	if (!mem->posted)
		return -ENOMEM;
	pool = page_pool_create(&params);
	if (IS_ERR(pool)) {
		mem_free(mem);
		return PTR_ERR(pool);
	}
	mem->pool = pool;
	mem->size = wd->rx_ring;
	mem->buf_bytes = buf_bytes;
	mem->provider = weirnic_compat_has_provider(wd->ndev, index);
	return 0;
}

static u32 plain_buf_bytes(const struct weirnic_dev *wd)
{
	return wd->rx_buf_len ?: PAGE_SIZE;
}

static void rxq_start(struct weirnic_rxq *rxq, const struct weirnic_rx_mem *mem)
{
	rxq->mem = *mem;
	rxq->head = 0;
	rxq->tail = 0;
	rxq->partial = 0;
	rxq->safe_pool = NULL;
	rxq->late = false;
	page_pool_enable_direct_recycling(rxq->mem.pool, &rxq->napi);
	weirnic_rx_refill(rxq);
	napi_enable_locked(&rxq->napi);
	spin_lock_bh(&rxq->lock);
	rxq->up = true;
	spin_unlock_bh(&rxq->lock);
}

static void rxq_stop(struct weirnic_rxq *rxq, struct weirnic_rx_mem *ret_mem)
{
	struct weirnic_rx_mem *mem = &rxq->mem;

	spin_lock_bh(&rxq->lock);
	rxq->up = false;
	spin_unlock_bh(&rxq->lock);
	napi_disable_locked(&rxq->napi);
	hrtimer_cancel(&rxq->delay_timer);
	__skb_queue_purge(&rxq->done);
	__skb_queue_purge(&rxq->ready);
	kfree_skb(rxq->held);
	rxq->held = NULL;
	if (rxq->partial)
		page_pool_put_full_netmem(mem->pool, rxq->partial, false);
	rxq->partial = 0;
	for (; rxq->head != rxq->tail; rxq->head++)
		page_pool_put_full_netmem(mem->pool, mem->posted[rxq->head & (mem->size - 1)],
					  false);
	/* The pool is destroyed when the NAPI may run again, with another pool. */
	page_pool_disable_direct_recycling(mem->pool);
	rxq->safe_pool = mem->pool;
	*ret_mem = *mem;
	memset(mem, 0, sizeof(*mem));
	weirnic_rx_wake_waiters(rxq);
}

/* ---- queue management ops ---- */

static int op_mem_alloc(struct net_device *ndev, u32 buf_bytes, void *mem, int index)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	return mem_alloc(wd, index, buf_bytes ?: plain_buf_bytes(wd), mem);
}

static void op_mem_free(struct net_device *ndev, void *mem)
{
	mem_free(mem);
}

static int op_start(struct net_device *ndev, void *mem, int index)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_rxq *rxq = &wd->rxq[index];
	struct weirnic_rx_mem *rx_mem = mem;

	if (rx_mem->pool != rxq->safe_pool && weirnic_fault_hit(wd, WEIRNIC_FAULT_QUEUE_START))
		return -EIO;
	spin_lock_bh(&rxq->lock);
	u64_stats_update_begin(&rxq->stats.syncp);
	u64_stats_inc(&rxq->stats.restarts);
	u64_stats_update_end(&rxq->stats.syncp);
	spin_unlock_bh(&rxq->lock);
	rxq_start(rxq, rx_mem);
	return 0;
}

static int op_stop(struct net_device *ndev, void *mem, int index)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	rxq_stop(&wd->rxq[index], mem);
	return 0;
}

#ifdef WEIRNIC_HAVE_QCFG
static int op_mem_alloc_qcfg(struct net_device *ndev, struct netdev_queue_config *qcfg, void *mem,
			     int index)
{
	return op_mem_alloc(ndev, qcfg->rx_page_size, mem, index);
}

static int op_start_qcfg(struct net_device *ndev, struct netdev_queue_config *qcfg, void *mem,
			 int index)
{
	return op_start(ndev, mem, index);
}

static void op_default_qcfg(struct net_device *ndev, struct netdev_queue_config *qcfg)
{
	qcfg->rx_page_size = plain_buf_bytes(netdev_priv(ndev));
}

static int op_validate_qcfg(struct net_device *ndev, struct netdev_queue_config *qcfg,
			    struct netlink_ext_ack *extack)
{
	u32 bytes = qcfg->rx_page_size;

	if (bytes && (!is_power_of_2(bytes) || bytes < PAGE_SIZE || bytes > WEIRNIC_BUF_MAX)) {
		NL_SET_ERR_MSG(extack, "Rx buffers are a power of two from one page to 4 MiB");
		return -EINVAL;
	}
	return 0;
}
#else
static int op_mem_alloc_plain(struct net_device *ndev, void *mem, int index)
{
	return op_mem_alloc(ndev, 0, mem, index);
}
#endif

#ifdef WEIRNIC_HAVE_QUEUE_DMA_DEV
static struct device *op_dma_dev(struct net_device *ndev, int index)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	return wd->dma;
}
#endif

const struct netdev_queue_mgmt_ops weirnic_queue_ops = {
	.ndo_queue_mem_size	= sizeof(struct weirnic_rx_mem),
	.ndo_queue_mem_free	= op_mem_free,
	.ndo_queue_stop		= op_stop,
#ifdef WEIRNIC_HAVE_QCFG
	.ndo_queue_mem_alloc	= op_mem_alloc_qcfg,
	.ndo_queue_start	= op_start_qcfg,
	.ndo_default_qcfg	= op_default_qcfg,
	.ndo_validate_qcfg	= op_validate_qcfg,
	.supported_params	= QCFG_RX_PAGE_SIZE,
#else
	.ndo_queue_mem_alloc	= op_mem_alloc_plain,
	.ndo_queue_start	= op_start,
#endif
#ifdef WEIRNIC_HAVE_QUEUE_DMA_DEV
	.ndo_queue_get_dma_dev	= op_dma_dev,
#endif
};

/* ---- all queues ---- */

/* Everything that starting @count queues needs and that can fail. */
struct prepared {
	u32 count;
	struct weirnic_rx_mem *rx;
	struct sk_buff ***tx;
	u32 tx_size;
};

static void prepared_free(struct prepared *p)
{
	u32 i;

	for (i = 0; i < p->count; i++) {
		if (p->rx)
			mem_free(&p->rx[i]);
		if (p->tx)
			kvfree(p->tx[i]);
	}
	kfree(p->rx);
	kfree(p->tx);
	memset(p, 0, sizeof(*p));
}

static int prepared_room(struct prepared *p, u32 count)
{
	memset(p, 0, sizeof(*p));
	p->rx = kcalloc(count, sizeof(*p->rx), GFP_KERNEL);
	p->tx = kcalloc(count, sizeof(*p->tx), GFP_KERNEL);
	p->count = count;
	if (p->rx && p->tx)
		return 0;
	prepared_free(p);
	return -ENOMEM;
}

static int prepare(struct weirnic_dev *wd, u32 count, struct prepared *p)
{
	int err = prepared_room(p, count);
	u32 i;

	if (err)
		return err;
	p->tx_size = wd->tx_ring;
	for (i = 0; i < count; i++) {
		u32 bytes = weirnic_compat_queue_buf_bytes(wd->ndev, i) ?: plain_buf_bytes(wd);

		err = mem_alloc(wd, i, bytes, &p->rx[i]);
		if (err)
			goto fail;
		p->tx[i] = kvcalloc(p->tx_size, sizeof(**p->tx), GFP_KERNEL);
		if (!p->tx[i]) {
			err = -ENOMEM;
			goto fail;
		}
	}
	return 0;
fail:
	prepared_free(p);
	return err;
}

/* Cannot fail. Takes the memory out of @p. */
static void queues_up(struct weirnic_dev *wd, struct prepared *p)
{
	struct net_device *ndev = wd->ndev;
	u32 i;

	for (i = 0; i < p->count; i++) {
		struct weirnic_rxq *rxq = &wd->rxq[i];
		struct weirnic_txq *txq = &wd->txq[i];

		/* Without its configuration the kernel gives it another id */
		if (weirnic_fault_hit(wd, WEIRNIC_FAULT_NAPI_ID))
			netif_napi_add_locked(ndev, &rxq->napi, weirnic_rx_poll);
		else
			netif_napi_add_config_locked(ndev, &rxq->napi, weirnic_rx_poll, i);
		netif_napi_set_irq_locked(&rxq->napi, rxq->irq);
		rxq_start(rxq, &p->rx[i]);
		netif_queue_set_napi(ndev, i, NETDEV_QUEUE_TYPE_RX, &rxq->napi);
		txq->ring = p->tx[i];
		txq->size = p->tx_size;
		txq->head = 0;
		txq->tail = 0;
		set_bit(NAPI_STATE_NO_BUSY_POLL, &txq->napi.state);
		netif_napi_add_locked(ndev, &txq->napi, weirnic_tx_poll);
		napi_enable_locked(&txq->napi);
		netif_queue_set_napi(ndev, i, NETDEV_QUEUE_TYPE_TX, &txq->napi);
		netif_tx_wake_queue(netdev_get_tx_queue(ndev, i));
	}
	kfree(p->rx);
	kfree(p->tx);
	memset(p, 0, sizeof(*p));
}

/*
 * Stops the Tx queues and puts their rings into @ret_rings. A Tx NAPI wakes its queue when it
 * completes: only without the NAPIs does a stopped queue stay stopped.
 */
static void txqs_down(struct weirnic_dev *wd, u32 count, struct sk_buff ***ret_rings)
{
	struct net_device *ndev = wd->ndev;
	u32 i;

	for (i = 0; i < count; i++) {
		netif_queue_set_napi(ndev, i, NETDEV_QUEUE_TYPE_TX, NULL);
		napi_disable_locked(&wd->txq[i].napi);
	}
	netif_tx_disable(ndev);
	for (i = 0; i < count; i++) {
		weirnic_tx_purge(&wd->txq[i]);
		__netif_napi_del_locked(&wd->txq[i].napi);
		ret_rings[i] = wd->txq[i].ring;
		wd->txq[i].ring = NULL;
	}
}

static void rxq_down(struct weirnic_rxq *rxq, struct weirnic_rx_mem *ret_mem)
{
	netif_queue_set_napi(rxq->wd->ndev, rxq->index, NETDEV_QUEUE_TYPE_RX, NULL);
	rxq_stop(rxq, ret_mem);
	__netif_napi_del_locked(&rxq->napi);
}

/* Stops all queues and puts their memory into @p, made by prepared_room(). */
static void queues_down(struct weirnic_dev *wd, struct prepared *p)
{
	u32 i;

	p->tx_size = wd->txq[0].size;
	txqs_down(wd, p->count, p->tx);
	for (i = 0; i < p->count; i++)
		rxq_down(&wd->rxq[i], &p->rx[i]);
	synchronize_net();
}

int weirnic_open(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct prepared p;
	int err = prepare(wd, ndev->real_num_rx_queues, &p);

	if (err)
		return err;
	err = weirnic_irqs_request(wd, p.count);
	if (err) {
		prepared_free(&p);
		return err;
	}
	queues_up(wd, &p);
	weirnic_link_up(wd, true);
	return 0;
}

int weirnic_stop(struct net_device *ndev)
{
	struct sk_buff **rings[WEIRNIC_QUEUES_MAX];
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_rx_mem mem;
	u32 i;

	weirnic_link_up(wd, false);
	txqs_down(wd, ndev->real_num_tx_queues, rings);
	for (i = 0; i < ndev->real_num_tx_queues; i++)
		kvfree(rings[i]);
	for (i = 0; i < ndev->real_num_rx_queues; i++) {
		rxq_down(&wd->rxq[i], &mem);
		mem_free(&mem);
	}
	synchronize_net();
	weirnic_irqs_release(wd, 0);
	return 0;
}

/* All queues with new memory, @count of them: all or nothing. */
static int reconfigure(struct weirnic_dev *wd, u32 count)
{
	u32 old_count = wd->ndev->real_num_rx_queues;
	struct prepared old, new;
	int err;

	if (!netif_running(wd->ndev))
		return count == old_count ? 0 : netif_set_real_num_queues(wd->ndev, count, count);
	err = prepared_room(&old, old_count);
	if (err)
		return err;
	err = prepare(wd, count, &new);
	if (err)
		goto free_old;
	err = weirnic_irqs_request(wd, count);
	if (err)
		goto free_new;
	queues_down(wd, &old);
	if (count != old_count)
		err = netif_set_real_num_queues(wd->ndev, count, count);
	queues_up(wd, err ? &old : &new);
	weirnic_irqs_release(wd, wd->ndev->real_num_rx_queues);
free_new:
	prepared_free(&new);
free_old:
	prepared_free(&old);
	return err;
}

int weirnic_channels_set(struct weirnic_dev *wd, u32 count)
{
	if (!count || count > min(wd->ndev->num_rx_queues, wd->ndev->num_tx_queues))
		return -EINVAL;
	return count == wd->ndev->real_num_rx_queues ? 0 : reconfigure(wd, count);
}

static bool ring_valid(u32 count)
{
	return is_power_of_2(count) && count >= WEIRNIC_RING_MIN && count <= WEIRNIC_RING_MAX;
}

int weirnic_rings_set(struct weirnic_dev *wd, u32 rx_count, u32 tx_count, u32 rx_buf_len,
		      bool split, u32 hds_thresh, struct netlink_ext_ack *extack)
{
	u32 old_rx = wd->rx_ring, old_tx = wd->tx_ring, old_len = wd->rx_buf_len;
	int err;

	if (!ring_valid(rx_count) || !ring_valid(tx_count)) {
		NL_SET_ERR_MSG(extack, "ring sizes are powers of two from 32 to 8192");
		return -EINVAL;
	}
	if (rx_buf_len && (!is_power_of_2(rx_buf_len) || rx_buf_len < PAGE_SIZE ||
			   rx_buf_len > WEIRNIC_BUF_MAX)) {
		NL_SET_ERR_MSG(extack, "Rx buffers are a power of two from one page to 4 MiB");
		return -EINVAL;
	}
	if (rx_buf_len == PAGE_SIZE)	/* what 0 reads as */
		rx_buf_len = 0;
	if (rx_count != old_rx || tx_count != old_tx || rx_buf_len != old_len) {
		wd->rx_ring = rx_count;
		wd->tx_ring = tx_count;
		wd->rx_buf_len = rx_buf_len;
		err = reconfigure(wd, wd->ndev->real_num_rx_queues);
		if (err) {
			wd->rx_ring = old_rx;
			wd->tx_ring = old_tx;
			wd->rx_buf_len = old_len;
			return err;
		}
	}
	WRITE_ONCE(wd->split, split);
	WRITE_ONCE(wd->hds_thresh, hds_thresh);
	return 0;
}

/* ---- for the life of the device ---- */

int weirnic_queues_init(struct weirnic_dev *wd)
{
	int err = -ENOMEM;
	u32 i;

	wd->rxq = kvcalloc(wd->ndev->num_rx_queues, sizeof(*wd->rxq), GFP_KERNEL);
	wd->txq = kvcalloc(wd->ndev->num_tx_queues, sizeof(*wd->txq), GFP_KERNEL);
	if (!wd->rxq || !wd->txq)
		goto fail;
	for (i = 0; i < wd->ndev->num_rx_queues; i++) {
		wd->rxq[i].wd = wd;
		wd->rxq[i].index = i;
		err = weirnic_rx_init(&wd->rxq[i]);
		if (err)
			goto fail;
	}
	for (i = 0; i < wd->ndev->num_tx_queues; i++) {
		wd->txq[i].wd = wd;
		wd->txq[i].index = i;
		u64_stats_init(&wd->txq[i].stats.syncp);
		u64_stats_init(&wd->txq[i].xmit_stats.syncp);
	}
	err = weirnic_irqs_init(wd);
	if (!err)
		return 0;
fail:
	weirnic_queues_fini(wd);
	return err;
}

void weirnic_queues_fini(struct weirnic_dev *wd)
{
	u32 i;

	weirnic_irqs_fini(wd);
	for (i = 0; wd->rxq && i < wd->ndev->num_rx_queues; i++)
		kfree(wd->rxq[i].cpu_frames);
	kvfree(wd->rxq);
	kvfree(wd->txq);
	wd->rxq = NULL;
	wd->txq = NULL;
}
