// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - the counters' names, and the ways to read them
 *
 * Theory:
 *	Each queue counts in a structure of 64 bit counters next to its other
 *	state (weirnic.h); every counter has one writer at a time, who holds
 *	the queue's lock or is its NAPI. Readers take a copy under the
 *	structure's sequence. The tables below give each counter its name, for
 *	debugfs and ethtool -S alike.
 *
 *	The queue statistics of netdev-genl and those of ip -s link are sums
 *	of the same counters.
 *
 * Invariants:
 *	1. A counter never falls while its device lives.
 *	2. Counters of queues that are switched off by ethtool -L stay: the
 *	   sum over all queues is that of the device's life.
 *
 * Ownership:
 *	Queues own their counters.
 *
 * Threads:
 *	Readers run anywhere and take no lock that writers take.
 *
 * Errors:
 *	None.
 *
 * Sources:
 *	include/net/netdev_queues.h (struct netdev_stat_ops: what base counters
 *	are), Documentation/netlink/specs/netdev.yaml (what each value counts),
 *	include/linux/u64_stats_sync.h, Linux 7.3
 *
 * Tests:
 *	tests/vm/t/nic_stats.sh, tests/vm/t/nic_qstats.sh
 */
#include <linux/ethtool.h>
#include <linux/seq_file.h>
#include <net/netdev_queues.h>

#include "control.h"

struct counter {
	const char *name;
	unsigned int at;	/* offset of the u64_stats_t */
};

#define RX(name)	{ #name, offsetof(struct weirnic_rx_stats, name) }
#define TX(name)	{ #name, offsetof(struct weirnic_tx_stats, name) }

static const struct counter rx_counters[] = {
	RX(packets), RX(bytes), RX(provider_bytes), RX(kernel_bytes),
	RX(head_bytes), RX(no_buffer), RX(alloc_fail), RX(restarts),
	RX(split_frames), RX(unsplit_frames), RX(csum_unnecessary),
	RX(csum_none), RX(csum_bad),
};

static const struct counter tx_counters[] = {
	TX(packets), TX(bytes), TX(tso_frames), TX(tso_bytes),
	TX(tso_wire_frames), TX(zc_frames), TX(needs_csum), TX(drops),
	TX(wakes),
};

/* Each Rx queue adds its gauge "posted", each Tx queue its sender's "stops" */
#define RX_VALUES	(ARRAY_SIZE(rx_counters) + 1)
#define TX_VALUES	(ARRAY_SIZE(tx_counters) + 1)

static u64 counter_of(const void *stats, const struct counter *c)
{
	return u64_stats_read((const u64_stats_t *)(stats + c->at));
}

static void rx_copy(const struct weirnic_rxq *q, struct weirnic_rx_stats *to)
{
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&q->stats.syncp);
		*to = q->stats;
	} while (u64_stats_fetch_retry(&q->stats.syncp, start));
}

static void tx_copy(const struct weirnic_txq *q, struct weirnic_tx_stats *to)
{
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&q->stats.syncp);
		*to = q->stats;
	} while (u64_stats_fetch_retry(&q->stats.syncp, start));
}

static u64 tx_stops(const struct weirnic_txq *q)
{
	const struct weirnic_xmit_stats *stats = &q->xmit_stats;
	unsigned int start;
	u64 stops;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		stops = u64_stats_read(&stats->stops);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	return stops;
}

/* --------------------------------------------------------------- debugfs */

/**
 * weirnic_stats_print() - all counters of a device, for its stats file
 * @wd: the device
 * @s: where to
 */
void weirnic_stats_print(struct weirnic_dev *wd, struct seq_file *s)
{
	struct weirnic_rx_stats rx;
	struct weirnic_tx_stats tx;
	unsigned int i, j;

	for (i = 0; i < wd->ndev->num_rx_queues; i++) {
		rx_copy(&wd->rxq[i], &rx);
		for (j = 0; j < ARRAY_SIZE(rx_counters); j++)
			seq_printf(s, "rx%u.%s %llu\n", i, rx_counters[j].name,
				   counter_of(&rx, &rx_counters[j]));
		seq_printf(s, "rx%u.posted %u\n", i,
			   weirnic_rxq_posted(&wd->rxq[i]));
	}
	for (i = 0; i < wd->ndev->num_tx_queues; i++) {
		tx_copy(&wd->txq[i], &tx);
		for (j = 0; j < ARRAY_SIZE(tx_counters); j++)
			seq_printf(s, "tx%u.%s %llu\n", i, tx_counters[j].name,
				   counter_of(&tx, &tx_counters[j]));
		seq_printf(s, "tx%u.stops %llu\n", i, tx_stops(&wd->txq[i]));
	}
	for (i = 0; i < WEIRNIC_FAULT_COUNT; i++)
		seq_printf(s, "fault.%s %lld\n", weirnic_fault_names[i],
			   atomic64_read(&wd->faults.knob[i].hits));
}

/* ------------------------------------------------------------ ethtool -S */

int weirnic_get_sset_count(struct net_device *ndev, int sset)
{
	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return ndev->num_rx_queues * RX_VALUES +
	       ndev->num_tx_queues * TX_VALUES;
}

void weirnic_get_strings(struct net_device *ndev, u32 sset, u8 *data)
{
	unsigned int i, j;

	if (sset != ETH_SS_STATS)
		return;
	for (i = 0; i < ndev->num_rx_queues; i++) {
		for (j = 0; j < ARRAY_SIZE(rx_counters); j++)
			ethtool_sprintf(&data, "rx%u_%s", i,
					rx_counters[j].name);
		ethtool_sprintf(&data, "rx%u_posted", i);
	}
	for (i = 0; i < ndev->num_tx_queues; i++) {
		for (j = 0; j < ARRAY_SIZE(tx_counters); j++)
			ethtool_sprintf(&data, "tx%u_%s", i,
					tx_counters[j].name);
		ethtool_sprintf(&data, "tx%u_stops", i);
	}
}

void weirnic_get_ethtool_stats(struct net_device *ndev,
			       struct ethtool_stats *stats, u64 *data)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_rx_stats rx;
	struct weirnic_tx_stats tx;
	unsigned int i, j;

	for (i = 0; i < ndev->num_rx_queues; i++) {
		rx_copy(&wd->rxq[i], &rx);
		for (j = 0; j < ARRAY_SIZE(rx_counters); j++)
			*data++ = counter_of(&rx, &rx_counters[j]);
		*data++ = weirnic_rxq_posted(&wd->rxq[i]);
	}
	for (i = 0; i < ndev->num_tx_queues; i++) {
		tx_copy(&wd->txq[i], &tx);
		for (j = 0; j < ARRAY_SIZE(tx_counters); j++)
			*data++ = counter_of(&tx, &tx_counters[j]);
		*data++ = tx_stops(&wd->txq[i]);
	}
}

/* ----------------------------------------------------------- netdev-genl */

static void counters_add(void *sum, const void *one, const struct counter *c,
			 unsigned int count)
{
	for (; count; count--, c++)
		u64_stats_add((u64_stats_t *)(sum + c->at), counter_of(one, c));
}

/* The sum over Rx queues [@from, @end) */
static void rx_sum(const struct weirnic_dev *wd, unsigned int from,
		   unsigned int end, struct netdev_queue_stats_rx *to)
{
	struct weirnic_rx_stats sum = {}, one;
	unsigned int i;

	for (i = from; i < end; i++) {
		rx_copy(&wd->rxq[i], &one);
		counters_add(&sum, &one, rx_counters, ARRAY_SIZE(rx_counters));
	}
	to->packets = u64_stats_read(&sum.packets);
	to->bytes = u64_stats_read(&sum.bytes);
	to->alloc_fail = u64_stats_read(&sum.alloc_fail);
	to->csum_unnecessary = u64_stats_read(&sum.csum_unnecessary);
	to->csum_none = u64_stats_read(&sum.csum_none);
	to->hw_drop_overruns = u64_stats_read(&sum.no_buffer);
	/* The kernel's csum_bad is of frames that are delivered all the same. */
	to->hw_drops = to->hw_drop_overruns + u64_stats_read(&sum.csum_bad);
}

/* The sum over Tx queues [@from, @end) */
static void tx_sum(const struct weirnic_dev *wd, unsigned int from,
		   unsigned int end, struct netdev_queue_stats_tx *to)
{
	struct weirnic_tx_stats sum = {}, one;
	u64 stops = 0;
	unsigned int i;

	for (i = from; i < end; i++) {
		tx_copy(&wd->txq[i], &one);
		counters_add(&sum, &one, tx_counters, ARRAY_SIZE(tx_counters));
		stops += tx_stops(&wd->txq[i]);
	}
	to->packets = u64_stats_read(&sum.packets);
	to->bytes = u64_stats_read(&sum.bytes);
	to->hw_gso_packets = u64_stats_read(&sum.tso_frames);
	to->hw_gso_bytes = u64_stats_read(&sum.tso_bytes);
	to->hw_gso_wire_packets = u64_stats_read(&sum.tso_wire_frames);
	/* The kernel counts each frame made of a super frame. */
	to->needs_csum = u64_stats_read(&sum.needs_csum) +
			 to->hw_gso_wire_packets - to->hw_gso_packets;
	to->hw_drops = u64_stats_read(&sum.drops);
	to->stop = stops;
	to->wake = u64_stats_read(&sum.wakes);
}

static void get_queue_stats_rx(struct net_device *ndev, int idx,
			       struct netdev_queue_stats_rx *stats)
{
	rx_sum(netdev_priv(ndev), idx, idx + 1, stats);
}

static void get_queue_stats_tx(struct net_device *ndev, int idx,
			       struct netdev_queue_stats_tx *stats)
{
	tx_sum(netdev_priv(ndev), idx, idx + 1, stats);
}

/* What queues counted that are switched off now */
static void get_base_stats(struct net_device *ndev,
			   struct netdev_queue_stats_rx *rx,
			   struct netdev_queue_stats_tx *tx)
{
	const struct weirnic_dev *wd = netdev_priv(ndev);

	rx_sum(wd, ndev->real_num_rx_queues, ndev->num_rx_queues, rx);
	tx_sum(wd, ndev->real_num_tx_queues, ndev->num_tx_queues, tx);
}

const struct netdev_stat_ops weirnic_stat_ops = {
	.get_queue_stats_rx	= get_queue_stats_rx,
	.get_queue_stats_tx	= get_queue_stats_tx,
	.get_base_stats		= get_base_stats,
};

/* ------------------------------------------------------------ ip -s link */

/**
 * weirnic_stats_get64() - the device's sums
 * @ndev: the device
 * @ret_stats: where to, zeroed by the caller
 */
void weirnic_stats_get64(struct net_device *ndev,
			 struct rtnl_link_stats64 *ret_stats)
{
	const struct weirnic_dev *wd = netdev_priv(ndev);
	struct netdev_queue_stats_rx rx;
	struct netdev_queue_stats_tx tx;

	rx_sum(wd, 0, ndev->num_rx_queues, &rx);
	tx_sum(wd, 0, ndev->num_tx_queues, &tx);
	ret_stats->rx_packets = rx.packets;
	ret_stats->rx_bytes = rx.bytes;
	ret_stats->rx_missed_errors = rx.hw_drop_overruns;
	ret_stats->rx_crc_errors = rx.hw_drops - rx.hw_drop_overruns;
	ret_stats->rx_errors = ret_stats->rx_crc_errors;
	ret_stats->tx_packets = tx.packets;
	ret_stats->tx_bytes = tx.bytes;
	ret_stats->tx_dropped = tx.hw_drops;
}
