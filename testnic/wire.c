// SPDX-License-Identifier: GPL-2.0
/*
 * wire.c - one frame from the wire into a queue of the receiving device
 *
 * Theory:
 *	Runs in the sender's Tx NAPI and plays the receiving NIC's hardware:
 *
 *		steer -> room? -> faults -> split -> DMA -> done list -> interrupt
 *		           |
 *		           no: wait (the driver has not run), or drop (no buffers)
 *
 *	Steering is asked once for all frames of a super frame: a rule that is
 *	changed meanwhile holds from the next one on.
 *
 *	Room is asked for before the first fault is drawn, so that a frame that
 *	waits is not drawn for twice. A queue without room whose driver simply
 *	has not run yet makes the sender wait; a queue whose last refill fell
 *	short, or whose ring is full of completions that are late (a fault),
 *	drops, as hardware does, and its NAPI is scheduled so that it tries to
 *	refill again.
 *
 *	Hardware GRO (rx-gro-hw): the frames of a super frame come as one, see
 *	tso.c; their payloads lie one after the other in the buffers, behind one
 *	header. Where there are not enough buffers for that the sender cuts.
 *
 *	Checksums: the wire carries what the sender's stack left, the sum of the
 *	pseudo header where it asked for offload. The receiver hands that on as
 *	CHECKSUM_PARTIAL, which means "good" and survives forwarding. Frames
 *	with a full checksum are verified here where their payload goes where
 *	the CPU may not read it.
 *
 * Invariants:
 *	1. WAIT leaves no trace of the frame, but the waiter's bit and a kick.
 *	2. A frame that is counted as received lies in done, ready or held, or
 *	   has been given to the stack, or was dropped by a stopping queue.
 *	3. A frame with a wrong checksum never reaches a provider's memory.
 *
 * Ownership:
 *	The frame stays the sender's. The Rx skb belongs to the queue.
 *
 * Threads:
 *	The sender's Tx NAPIs, several at once; rxq->lock orders them.
 *
 * Errors:
 *	Counters; enum weirnic_wire_result.
 *
 * Sources:
 *	include/linux/skbuff.h ("DOC: skb checksums"), Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh, tests/vm/t/nic_faults.sh
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>

#include "weirnic.h"

#define HELD_MS		10		/* a reordered frame waits that long for a successor */
#define NOT_CORRUPT	(-1)

/* How a frame is to be received. */
struct fate {
	u32 head_len;			/* bytes for the linear part */
	bool split;
	bool verified;			/* checksum found right here */
	bool reorder;
	int corrupt_at;			/* which byte, or NOT_CORRUPT */
	u32 delay_us;
};

static void count_no_buffer(struct weirnic_rxq *rxq)
{
	u64_stats_update_begin(&rxq->stats.syncp);
	u64_stats_inc(&rxq->stats.no_buffer);
	u64_stats_update_end(&rxq->stats.syncp);
}

static void count_csum_bad(struct weirnic_rxq *rxq)
{
	u64_stats_update_begin(&rxq->stats.syncp);
	u64_stats_inc(&rxq->stats.csum_bad);
	u64_stats_update_end(&rxq->stats.syncp);
}

/* A completion occupies the ring until the stack has its frame, be the frame in a buffer or not. */
static bool ring_full(const struct weirnic_rxq *rxq)
{
	return skb_queue_len(&rxq->done) + skb_queue_len_lockless(&rxq->ready) >= rxq->mem.size;
}

static bool has_room(const struct weirnic_rxq *rxq, const struct weirnic_frame *frame)
{
	u32 need = DIV_ROUND_UP(frame->payload_len, rxq->mem.buf_bytes) + 1;

	return !ring_full(rxq) && rxq->tail - rxq->head >= min(need, rxq->mem.size);
}

/* There is no room: whether the driver, when it runs, makes some. */
static bool driver_helps(const struct weirnic_rxq *rxq)
{
	return ring_full(rxq) ? !rxq->late : !rxq->starved;
}

/* RECEIVED here means: go on. */
static enum weirnic_wire_result reserve(struct weirnic_rxq *rxq, u32 tx_index,
					const struct weirnic_frame *frame, u64 *kick)
{
	enum weirnic_wire_result result = WEIRNIC_WIRE_RECEIVED;

	spin_lock(&rxq->lock);
	if (!rxq->up) {
		result = WEIRNIC_WIRE_DROPPED;
	} else if (!has_room(rxq, frame)) {
		*kick |= BIT_ULL(rxq->index);
		if (driver_helps(rxq)) {
			rxq->waiters |= BIT_ULL(tx_index);
			result = WEIRNIC_WIRE_WAIT;
		} else if (frame->segments > 1) {
			result = WEIRNIC_WIRE_CUT;
		}
	}
	spin_unlock(&rxq->lock);
	return result;
}

/* Whether the checksum of a TCP or UDP frame that carries a full one is right. */
static bool checksum_good(const struct weirnic_frame *frame)
{
	const struct weirnic_flow *flow = &frame->flow;
	u32 bytes = frame->header_len - flow->l4_offset + frame->payload_len, len;
	const u8 *ip = frame->header + flow->l3_offset;
	__wsum sum;

	if (flow->ip_version == 4)
		len = ntohs(((const struct iphdr *)ip)->tot_len);
	else
		len = ntohs(((const struct ipv6hdr *)ip)->payload_len) + sizeof(struct ipv6hdr);
	if (len < flow->l4_offset - flow->l3_offset)
		return false;
	len = min(len - (flow->l4_offset - flow->l3_offset), bytes);
	sum = skb_checksum(frame->skb, flow->l4_offset, len, 0);
	if (flow->ip_version == 4)
		return !csum_tcpudp_magic(flow->src.s6_addr32[0], flow->dst.s6_addr32[0], len,
					  flow->protocol, sum);
	return !csum_ipv6_magic(&flow->src, &flow->dst, len, flow->protocol, sum);
}

/* Where the headers end: what the split, or the copying of small frames, puts into the head. */
static void decide_split(struct weirnic_dev *to, const struct weirnic_frame *frame,
			 struct fate *fate)
{
	u32 total = frame->header_len + frame->payload_len, payload = frame->payload_len;

	if (frame->segments > 1)
		payload = frame->segment_bytes;
	fate->split = READ_ONCE(to->split) && frame->flow.protocol == IPPROTO_TCP &&
		      frame->flow.header_len && payload && payload > READ_ONCE(to->hds_thresh);
	if (fate->split || total > WEIRNIC_HEADER_MAX)
		fate->head_len = frame->header_len;
	else
		fate->head_len = total;
	if (!fate->split)
		return;
	if (weirnic_fault_hit(to, WEIRNIC_FAULT_SPLIT_LESS))
		fate->head_len -= 1 + weirnic_fault_random(to, WEIRNIC_FAULT_SPLIT_LESS,
							   sizeof(struct tcphdr));
	if (weirnic_fault_hit(to, WEIRNIC_FAULT_SPLIT_MORE))
		fate->head_len += 1 + weirnic_fault_random(to, WEIRNIC_FAULT_SPLIT_MORE,
							   min(frame->payload_len, 1024u));
}

static void decide_corruption(struct weirnic_dev *to, const struct weirnic_frame *frame,
			      struct fate *fate)
{
	u32 total = frame->header_len + frame->payload_len, first;

	if (!weirnic_fault_hit(to, WEIRNIC_FAULT_CORRUPT))
		return;
	first = frame->payload_len ? frame->header_len : frame->flow.l4_offset;
	if (first >= total)
		first = ETH_HLEN;
	if (first < total)
		fate->corrupt_at = first + weirnic_fault_random(to, WEIRNIC_FAULT_CORRUPT,
								total - first);
}

/* The kernel fills in sums of the linear part only; a frame split too early has its outside. */
static bool complete_checksum(struct sk_buff *skb)
{
	u32 end = skb_checksum_start_offset(skb) + skb->csum_offset + sizeof(__sum16);

	return pskb_may_pull(skb, end) && !skb_checksum_help(skb);
}

static void deliver_checksum(struct weirnic_rxq *rxq, struct sk_buff *skb,
			     const struct weirnic_frame *frame, const struct fate *fate)
{
	const struct sk_buff *tx = frame->skb;
	u8 byte;

	if (tx->ip_summed == CHECKSUM_PARTIAL) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_headroom(skb) + skb_checksum_start_offset(tx);
		skb->csum_offset = tx->csum_offset;
		if (skb_frags_readable(skb) &&
		    (fate->corrupt_at != NOT_CORRUPT ||
		     !(rxq->wd->ndev->features & NETIF_F_RXCSUM)) && !complete_checksum(skb))
			skb->ip_summed = CHECKSUM_NONE;
	} else if (fate->verified) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	}
	if (fate->corrupt_at == NOT_CORRUPT)
		return;
	skb->ip_summed = CHECKSUM_NONE;
	if (!skb_copy_bits(skb, fate->corrupt_at, &byte, 1)) {
		byte ^= 1 << (fate->corrupt_at & 7);
		skb_store_bits(skb, fate->corrupt_at, &byte, 1);
	}
}

/* The tag beside the frame or in it, as the receiver's setting wants it. */
static void deliver_vlan(struct weirnic_rxq *rxq, struct sk_buff *skb,
			 const struct weirnic_frame *frame)
{
	bool strip = rxq->wd->ndev->features & NETIF_F_HW_VLAN_CTAG_RX;
	const struct weirnic_flow *flow = &frame->flow;
	bool beside = skb_vlan_tag_present(frame->skb);

	if (strip && flow->vlan_proto == htons(ETH_P_8021Q)) {
		__vlan_hwaccel_put_tag(skb, flow->vlan_proto, flow->vlan_tci);
		if (!beside) {
			memmove(skb->data + VLAN_HLEN, skb->data, 2 * ETH_ALEN);
			__skb_pull(skb, VLAN_HLEN);
		}
	} else if (beside) {
		struct vlan_ethhdr *eth = skb_push(skb, VLAN_HLEN);

		memmove(eth, skb->data + VLAN_HLEN, 2 * ETH_ALEN);
		eth->h_vlan_proto = flow->vlan_proto;
		eth->h_vlan_TCI = htons(flow->vlan_tci);
	}
}

/* Frames are counted as on the wire, also where several are merged in one skb. */
static void count_received(struct weirnic_rxq *rxq, const struct sk_buff *skb,
			   const struct weirnic_frame *frame, const struct fate *fate)
{
	struct weirnic_rx_stats *stats = &rxq->stats;
	u32 n = frame->segments;

	u64_stats_add(&stats->packets, n);
	u64_stats_add(&stats->bytes, weirnic_frame_wire_bytes(frame));
	u64_stats_add(fate->split ? &stats->split_frames : &stats->unsplit_frames, n);
	u64_stats_add(skb->ip_summed == CHECKSUM_NONE ? &stats->csum_none :
							&stats->csum_unnecessary, n);
}

/* Hardware GRO: what the stack must know of a merged frame. */
static void deliver_merged(struct sk_buff *skb, const struct weirnic_frame *frame)
{
	struct skb_shared_info *info = skb_shinfo(skb);

	if (frame->segments == 1)
		return;
	info->gso_size = frame->segment_bytes;
	info->gso_segs = frame->segments;
	info->gso_type = frame->flow.ip_version == 4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
}

static void finish(struct weirnic_rxq *rxq, struct sk_buff *skb, const struct fate *fate)
{
	ktime_t due = 0;

	if (fate->delay_us)
		due = ktime_add_us(ktime_get(), fate->delay_us);
	WEIRNIC_RX_CB(skb)->due = due;
	if (fate->reorder && !rxq->held) {
		WEIRNIC_RX_CB(skb)->due = ktime_add_ms(ktime_get(), HELD_MS);
		rxq->held = skb;
		return;
	}
	__skb_queue_tail(&rxq->done, skb);
	if (rxq->held) {
		WEIRNIC_RX_CB(rxq->held)->due = due;
		__skb_queue_tail(&rxq->done, rxq->held);
		rxq->held = NULL;
	}
}

static enum weirnic_wire_result receive(struct weirnic_rxq *rxq, const struct weirnic_frame *frame,
					const struct fate *fate, u64 *kick)
{
	enum weirnic_wire_result result = WEIRNIC_WIRE_DROPPED;
	struct sk_buff *skb;

	spin_lock(&rxq->lock);
	if (!rxq->up)	/* nor may its NAPI be touched: perhaps it never was */
		goto unlock;
	*kick |= BIT_ULL(rxq->index);
	if (fate->split && rxq->mem.provider &&
	    (fate->corrupt_at != NOT_CORRUPT ||
	     (frame->skb->ip_summed != CHECKSUM_PARTIAL && !fate->verified))) {
		count_csum_bad(rxq);
		goto unlock;
	}
	u64_stats_update_begin(&rxq->stats.syncp);
	if (rxq->late && ring_full(rxq))
		skb = NULL;
	else
		skb = weirnic_dma_receive(rxq, frame, fate->head_len, fate->split);
	if (skb) {
		deliver_checksum(rxq, skb, frame, fate);
		deliver_merged(skb, frame);
		count_received(rxq, skb, frame, fate);
	} else {
		u64_stats_inc(&rxq->stats.no_buffer);
	}
	u64_stats_update_end(&rxq->stats.syncp);
	if (!skb)
		goto unlock;
	deliver_vlan(rxq, skb, frame);
	skb_set_hash(skb, frame->hash, frame->hash_type);
	skb_record_rx_queue(skb, rxq->index);
	finish(rxq, skb, fate);
	result = WEIRNIC_WIRE_RECEIVED;
unlock:
	spin_unlock(&rxq->lock);
	return result;
}

/* Faults of the wire itself: true if the frame is lost. */
static bool lost(struct weirnic_dev *to)
{
	if (READ_ONCE(to->flapping))
		return true;
	if (weirnic_fault_hit(to, WEIRNIC_FAULT_CARRIER_FLAP)) {
		weirnic_link_flap(to);
		return true;
	}
	return weirnic_fault_hit(to, WEIRNIC_FAULT_DROP);
}

static struct weirnic_rxq *misdirected(struct weirnic_dev *to, struct weirnic_rxq *rxq)
{
	u32 count = READ_ONCE(to->ndev->real_num_rx_queues);
	u32 step;

	if (count < 2 || !weirnic_fault_hit(to, WEIRNIC_FAULT_MISDIRECT))
		return rxq;
	step = 1 + weirnic_fault_random(to, WEIRNIC_FAULT_MISDIRECT, count - 1);
	return &to->rxq[(rxq->index + step) % count];
}

static bool no_buffer(struct weirnic_dev *to, struct weirnic_rxq *rxq)
{
	if (!weirnic_fault_hit(to, WEIRNIC_FAULT_NO_BUFFER))
		return false;
	spin_lock(&rxq->lock);
	count_no_buffer(rxq);
	spin_unlock(&rxq->lock);
	return true;
}

/**
 * weirnic_wire_merges() - whether a device does hardware GRO now
 * @to: the device
 *
 * While any fault is on it does not: faults act on single frames.
 */
bool weirnic_wire_merges(const struct weirnic_dev *to)
{
	unsigned int i;

	if (!(READ_ONCE(to->ndev->features) & NETIF_F_GRO_HW))
		return false;
	for (i = 0; i < WEIRNIC_FAULT_COUNT; i++)
		if (READ_ONCE(to->faults.knob[i].every))
			return false;
	return true;
}

/**
 * weirnic_wire_frame() - one frame to a device
 * @to: the receiving device
 * @tx_index: the sender's Tx queue, to be woken when there is room again
 * @frame: the frame
 * @kick: gets the bit of each Rx queue whose interrupt is due; the caller raises them
 *
 * Called in the sender's Tx NAPI, under rcu_read_lock().
 */
enum weirnic_wire_result weirnic_wire_frame(struct weirnic_dev *to, u32 tx_index,
					    struct weirnic_frame *frame, u64 *kick)
{
	struct fate fate = { .corrupt_at = NOT_CORRUPT };
	enum weirnic_wire_result result;
	struct weirnic_rxq *rxq;
	unsigned int copies = 1;

	if (!frame->steered) {
		frame->rx_queue = weirnic_steer_lookup(to, &frame->flow, &frame->hash,
						       &frame->hash_type);
		frame->steered = true;
	}
	if (frame->rx_queue < 0)
		return WEIRNIC_WIRE_DROPPED;
	rxq = &to->rxq[frame->rx_queue];
	result = reserve(rxq, tx_index, frame, kick);
	if (result != WEIRNIC_WIRE_RECEIVED)
		return result;
	if (lost(to))
		return WEIRNIC_WIRE_DROPPED;
	rxq = misdirected(to, rxq);
	if (no_buffer(to, rxq))
		return WEIRNIC_WIRE_DROPPED;
	if (weirnic_fault_hit(to, WEIRNIC_FAULT_DUPLICATE))
		copies++;
	decide_split(to, frame, &fate);
	decide_corruption(to, frame, &fate);
	fate.reorder = weirnic_fault_hit(to, WEIRNIC_FAULT_REORDER);
	if (weirnic_fault_hit(to, WEIRNIC_FAULT_DELAY))
		fate.delay_us = weirnic_fault_delay_us(to);
	if (frame->skb->ip_summed != CHECKSUM_PARTIAL && fate.split)
		fate.verified = checksum_good(frame);
	result = receive(rxq, frame, &fate, kick);
	if (copies > 1 && result == WEIRNIC_WIRE_RECEIVED)
		receive(rxq, frame, &fate, kick);
	return result;
}
