// SPDX-License-Identifier: GPL-2.0
/*
 * tx.c - transmit: the Tx ring, and the NAPI that plays NIC with it
 *
 * Theory:
 *	ndo_start_xmit() puts the skb into the ring and schedules the queue's
 *	NAPI, no more. The NAPI takes skbs from the ring, cuts them (tso.c) and
 *	gives each frame to the peer (wire.c), then frees the skb and reports
 *	completion, as a NIC's completion interrupt would. So completions, and
 *	with them the notifications of zero-copy senders, are asynchronous.
 *
 *	The link is as fast as the receiving driver: where its queue has no room
 *	only because its NAPI has not run yet, the frame stays (txq->frame), the
 *	Tx queue waits, and the receiver's NAPI schedules it again. Byte queue
 *	limits and the stopped queue carry the pressure to the sockets. A
 *	receiver that cannot get buffers makes frames drop instead (wire.c).
 *
 *	The frags of an skb are read in place, also a user's: the skb is never
 *	orphaned, so zero-copy senders are told "not copied".
 *
 * Invariants:
 *	1. tail - head <= size; ring[head .. tail) holds skbs.
 *	2. An skb is counted for byte queue limits with the length it had in
 *	   ndo_start_xmit(), which nobody changes.
 *	3. frame_ready is set only while txq->skb is.
 *
 * Ownership:
 *	From ndo_start_xmit() to completion the queue owns the skb.
 *
 * Threads:
 *	One producer (the kernel's lock of the Tx queue), one consumer (NAPI).
 *
 * Errors:
 *	Frames that nobody receives are counted as drops; the skb completes.
 *
 * Sources:
 *	include/net/netdev_queues.h (lockless stop and wake), net/core/dev.c,
 *	Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh, tests/vm/t/nic_stats.sh
 */
#include <linux/etherdevice.h>
#include <net/netdev_queues.h>

#include "weirnic.h"

#define FRAMES_PER_POLL	256		/* on the wire */
#define ROOM_STOP	1u		/* free slots below which the queue stops */
#define ROOM_START	8u

struct completed {
	unsigned int packets, bytes;
};

static u32 room(const struct weirnic_txq *txq)
{
	return txq->size - (READ_ONCE(txq->tail) - smp_load_acquire(&txq->head));
}

netdev_tx_t weirnic_start_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_txq *txq = &wd->txq[skb_get_queue_mapping(skb)];
	struct netdev_queue *queue = netdev_get_tx_queue(ndev, txq->index);
	bool notify;

	if (unlikely(!room(txq))) {
		netif_tx_stop_queue(queue);
		return NETDEV_TX_BUSY;
	}
	skb_tx_timestamp(skb);
	notify = __netdev_tx_sent_queue(queue, skb->len, netdev_xmit_more());
	txq->ring[txq->tail & (txq->size - 1)] = skb;
	/* The slot must be seen before the tail that covers it. */
	smp_store_release(&txq->tail, txq->tail + 1);
	if (!netif_txq_maybe_stop(queue, room(txq), ROOM_STOP, ROOM_START)) {
		u64_stats_update_begin(&txq->xmit_stats.syncp);
		u64_stats_inc(&txq->xmit_stats.stops);
		u64_stats_update_end(&txq->xmit_stats.syncp);
		notify = true;
	}
	if (notify)
		napi_schedule(&txq->napi);
	return NETDEV_TX_OK;
}

static void count_skb(struct weirnic_txq *txq, struct sk_buff *skb)
{
	u64_stats_update_begin(&txq->stats.syncp);
	if (txq->segment_bytes) {
		u64_stats_inc(&txq->stats.tso_frames);
		u64_stats_add(&txq->stats.tso_bytes, skb->len);
		u64_stats_add(&txq->stats.tso_wire_frames, txq->segment_index);
	}
	if (skb_zcopy(skb) && skb_shinfo(skb)->nr_frags)
		u64_stats_inc(&txq->stats.zc_frames);
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		u64_stats_inc(&txq->stats.needs_csum);
	u64_stats_update_end(&txq->stats.syncp);
}

static void count_drop(struct weirnic_txq *txq, u32 frames)
{
	u64_stats_update_begin(&txq->stats.syncp);
	u64_stats_add(&txq->stats.drops, frames);
	u64_stats_update_end(&txq->stats.syncp);
}

static void count_frame(struct weirnic_txq *txq)
{
	u64_stats_update_begin(&txq->stats.syncp);
	u64_stats_add(&txq->stats.packets, txq->frame.segments);
	u64_stats_add(&txq->stats.bytes, weirnic_frame_wire_bytes(&txq->frame));
	u64_stats_update_end(&txq->stats.syncp);
}

static void complete_skb(struct weirnic_txq *txq, int budget, struct completed *done)
{
	struct sk_buff *skb = txq->skb;

	count_skb(txq, skb);
	done->packets++;
	done->bytes += skb->len;
	txq->skb = NULL;
	napi_consume_skb(skb, budget);
}

/* Makes txq->frame the next frame to send; false: nothing left. */
static bool next_frame(struct weirnic_txq *txq, bool merge, int budget, struct completed *done)
{
	for (;;) {
		if (txq->skb) {
			if (weirnic_tso_next(txq, merge))
				return true;
			complete_skb(txq, budget, done);
		}
		/* Pairs with the release in weirnic_start_xmit(). */
		if (txq->head == smp_load_acquire(&txq->tail))
			return false;
		txq->skb = txq->ring[txq->head & (txq->size - 1)];
		/* The slot is read before the producer may use it again; pairs with room(). */
		smp_store_release(&txq->head, txq->head + 1);
		if (!weirnic_tso_start(txq, txq->skb)) {
			count_drop(txq, 1);
			txq->segment_bytes = 0;
			complete_skb(txq, budget, done);
		}
	}
}

static void kick_receivers(struct weirnic_dev *to, u64 kick)
{
	while (kick) {
		u32 index = __ffs64(kick);

		kick &= kick - 1;
		weirnic_rx_kick(&to->rxq[index]);
	}
}

/* Sends up to FRAMES_PER_POLL frames; returns how many. */
static int send_frames(struct weirnic_txq *txq, int budget, struct completed *done)
{
	enum weirnic_wire_result result;
	struct weirnic_dev *to;
	bool merge, cut = false;
	int frames = 0;
	u64 kick = 0;

	rcu_read_lock();
	to = rcu_dereference(txq->wd->peer);
	merge = to && weirnic_wire_merges(to);
	while (frames < FRAMES_PER_POLL) {
		if (!txq->frame_ready && !next_frame(txq, merge && !cut, budget, done))
			break;
		cut = false;
		txq->frame_ready = true;
		result = to ? weirnic_wire_frame(to, txq->index, &txq->frame, &kick) :
			      WEIRNIC_WIRE_DROPPED;
		if (result == WEIRNIC_WIRE_WAIT)
			break;
		txq->frame_ready = false;
		cut = result == WEIRNIC_WIRE_CUT;
		if (cut) {
			weirnic_tso_undo(txq);
			continue;
		}
		frames += txq->frame.segments;
		if (result == WEIRNIC_WIRE_DROPPED)
			count_drop(txq, txq->frame.segments);
		count_frame(txq);
	}
	if (to)
		kick_receivers(to, kick);
	rcu_read_unlock();
	return frames;
}

int weirnic_tx_poll(struct napi_struct *napi, int budget)
{
	struct weirnic_txq *txq = container_of(napi, struct weirnic_txq, napi);
	struct netdev_queue *queue = netdev_get_tx_queue(txq->wd->ndev, txq->index);
	struct completed done = {};
	int frames = send_frames(txq, budget, &done);

	if (!__netif_txq_completed_wake(queue, done.packets, done.bytes, room(txq), ROOM_START,
					false)) {
		u64_stats_update_begin(&txq->stats.syncp);
		u64_stats_inc(&txq->stats.wakes);
		u64_stats_update_end(&txq->stats.syncp);
	}
	if (!budget)
		return 0;
	if (frames >= FRAMES_PER_POLL)
		return budget;
	frames = min(frames, budget - 1);
	napi_complete_done(napi, frames);
	return frames;
}

/* Frees what the ring holds; NAPI and transmit are disabled. */
void weirnic_tx_purge(struct weirnic_txq *txq)
{
	txq->frame_ready = false;
	if (txq->skb)
		dev_kfree_skb_any(txq->skb);
	txq->skb = NULL;
	for (; txq->head != txq->tail; txq->head++)
		dev_kfree_skb_any(txq->ring[txq->head & (txq->size - 1)]);
	netdev_tx_reset_queue(netdev_get_tx_queue(txq->wd->ndev, txq->index));
}
