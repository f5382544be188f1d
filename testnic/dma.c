// SPDX-License-Identifier: GPL-2.0
/*
 * dma.c - the receiving NIC's DMA engine: frames into posted buffers
 *
 * Theory:
 *	A frame is a stream of bytes: its header bytes, then a piece of the
 *	sender's skb. The first head_len bytes go into the linear part of the Rx
 *	skb (the header buffer), the others to where the queue's buffers are:
 *
 *		posted buffers	by their bus address, as hardware would. There is
 *				no IOMMU in front of the parent, so the bus
 *				address is the physical one. Readable or not by
 *				the kernel makes no difference here.
 *		kernel pages	taken for the frame, where the queue's buffers
 *				belong to a memory provider and the frame was
 *				not split: a provider gets payload only.
 *
 *	Buffers larger than a page are packed: payloads follow each other in one
 *	buffer, each at a multiple of PACK_ALIGN, each frame with a reference of
 *	its own on the buffer; the queue keeps one until the buffer is full. A
 *	payload that fits a fresh buffer but not the rest of this one starts a
 *	fresh one.
 *
 * Invariants:
 *	1. posted[head .. tail) are owned by the queue, partial too.
 *	2. A frame takes all the buffers it needs, or none.
 *	3. provider_bytes grows only by bytes written to net_iov memory.
 *
 * Ownership:
 *	Buffers pass from the ring to the Rx skb, which recycles them.
 *
 * Threads:
 *	Under rxq->lock, in softirq.
 *
 * Errors:
 *	NULL: no buffer, or no memory.
 *
 * Sources:
 *	include/net/page_pool/helpers.h (fragment references),
 *	include/net/netmem.h, skb_copy_bits() in net/core/skbuff.c, Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh, tests/vm/t/zcrx_*.sh
 */
#include <linux/highmem.h>

#include "weirnic.h"

#define PACK_ALIGN	64u
#define PACK_NEVER	0
#define PACK_LARGE	1
#define PACK_ALWAYS	2

/* Copies bytes [at, at + len) of the frame. */
static void frame_read(const struct weirnic_frame *frame, u32 at, void *to, u32 len)
{
	if (at < frame->header_len) {
		u32 n = min(len, frame->header_len - at);

		memcpy(to, frame->header + at, n);
		at += n;
		to += n;
		len -= n;
	}
	if (len && skb_copy_bits(frame->skb, frame->payload_offset + at - frame->header_len, to,
				 len))
		memset(to, 0, len);
}

/* Writes bytes [at, at + len) of the frame to a bus address. */
static void dma_write(const struct weirnic_frame *frame, u32 at, dma_addr_t to, u32 len)
{
	while (len) {
		u32 offset = offset_in_page(to), n = min_t(u32, len, PAGE_SIZE - offset);
		u8 *page = kmap_local_page(pfn_to_page(PHYS_PFN(to)));

		frame_read(frame, at, page + offset, n);
		kunmap_local(page);
		at += n;
		to += n;
		len -= n;
	}
}

static bool packs(const struct weirnic_rxq *rxq)
{
	u32 pack = READ_ONCE(weirnic_param_pack);

	return pack == PACK_ALWAYS || (pack == PACK_LARGE && rxq->mem.buf_bytes > PAGE_SIZE);
}

static void drop_partial(struct weirnic_rxq *rxq)
{
	if (rxq->partial)
		page_pool_put_full_netmem(rxq->mem.pool, rxq->partial, false);
	rxq->partial = 0;
}

/* Takes room for @want bytes, or for as many as one buffer gives. */
static netmem_ref take(struct weirnic_rxq *rxq, u32 want, bool pack, u32 *ret_offset, u32 *ret_len)
{
	netmem_ref netmem = rxq->partial;
	u32 offset = netmem ? rxq->partial_used : 0, end;

	if (!netmem)
		netmem = rxq->mem.posted[rxq->head++ & (rxq->mem.size - 1)];
	*ret_offset = offset;
	*ret_len = min(want, rxq->mem.buf_bytes - offset);
	rxq->partial = 0;
	end = ALIGN(offset + *ret_len, PACK_ALIGN);
	if (pack && end < rxq->mem.buf_bytes) {
		/* The frame takes one reference, the queue keeps the other. */
		page_pool_ref_netmem(netmem);
		rxq->partial = netmem;
		rxq->partial_used = end;
	}
	return netmem;
}

static bool enough_buffers(struct weirnic_rxq *rxq, u32 bytes)
{
	u32 buf = rxq->mem.buf_bytes, rest = rxq->partial ? buf - rxq->partial_used : 0;
	u32 need;

	if (rest && bytes > rest && bytes <= buf) {
		drop_partial(rxq);
		rest = 0;
	}
	need = bytes > rest ? DIV_ROUND_UP(bytes - rest, buf) : 0;
	return need + !!rest <= MAX_SKB_FRAGS && rxq->tail - rxq->head >= need;
}

static void into_buffers(struct weirnic_rxq *rxq, const struct weirnic_frame *frame,
			 struct sk_buff *skb, u32 at)
{
	u32 left = frame->header_len + frame->payload_len - at;
	bool pack = packs(rxq);
	int i;

	for (i = 0; left; i++) {
		u32 offset, n;
		netmem_ref netmem = take(rxq, left, pack, &offset, &n);

		dma_write(frame, at, page_pool_get_dma_addr_netmem(netmem) + offset, n);
		page_pool_dma_sync_netmem_for_cpu(rxq->mem.pool, netmem, offset, n);
		skb_add_rx_frag_netmem(skb, i, netmem, offset, n,
				       pack ? ALIGN(n, PACK_ALIGN) : rxq->mem.buf_bytes);
		if (netmem_is_net_iov(netmem))
			u64_stats_add(&rxq->stats.provider_bytes, n);
		else
			u64_stats_add(&rxq->stats.kernel_bytes, n);
		at += n;
		left -= n;
	}
	skb_mark_for_recycle(skb);
}

/* A frame for kernel memory, on a queue whose buffers are a provider's. */
static struct sk_buff *into_pages(struct weirnic_rxq *rxq, const struct weirnic_frame *frame,
				  u32 head_len)
{
	u32 at = head_len, left = frame->header_len + frame->payload_len - head_len;
	struct sk_buff *skb;
	int i, err;

	skb = alloc_skb_with_frags(NET_SKB_PAD + NET_IP_ALIGN + head_len, left, 0, &err,
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb->dev = rxq->wd->ndev;
	skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
	frame_read(frame, 0, skb_put(skb, head_len), head_len);
	skb->len += left;
	skb->data_len += left;
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
		u8 *page = kmap_local_page(skb_frag_page(frag));

		frame_read(frame, at, page + skb_frag_off(frag), skb_frag_size(frag));
		kunmap_local(page);
		at += skb_frag_size(frag);
	}
	u64_stats_add(&rxq->stats.kernel_bytes, left);
	return skb;
}

/**
 * weirnic_dma_receive() - put a frame into memory of a queue
 * @rxq: the queue; lock held, within an update of its statistics
 * @frame: the frame
 * @head_len: how many bytes go to the linear part, at most the frame's length
 * @split: whether the split applied: the rest may go to a provider's memory
 *
 * Return: the Rx skb, beginning with the Ethernet header; or NULL: no buffer.
 */
struct sk_buff *weirnic_dma_receive(struct weirnic_rxq *rxq, const struct weirnic_frame *frame,
				    u32 head_len, bool split)
{
	u32 total = frame->header_len + frame->payload_len;
	struct sk_buff *skb;

	if (total > head_len && rxq->mem.provider && !split) {
		skb = into_pages(rxq, frame, head_len);
		if (!skb)
			return NULL;
	} else {
		if (total > head_len && !enough_buffers(rxq, total - head_len))
			return NULL;
		skb = napi_alloc_skb(&rxq->napi, head_len);
		if (!skb)
			return NULL;
		frame_read(frame, 0, __skb_put(skb, head_len), head_len);
		if (total > head_len)
			into_buffers(rxq, frame, skb, head_len);
	}
	u64_stats_add(&rxq->stats.kernel_bytes, head_len);
	u64_stats_add(&rxq->stats.head_bytes, head_len);
	return skb;
}
