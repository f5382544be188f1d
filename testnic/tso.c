// SPDX-License-Identifier: GPL-2.0
/*
 * tso.c - from a transmitted skb to the frames on the wire
 *
 * Theory:
 *	An skb is one frame, or a super frame that the NIC has to cut: TCP over
 *	IPv4 or IPv6 (TSO), or UDP (USO), with VLAN tags or without. The headers
 *	are copied once, as a template; each frame gets the template with its
 *	lengths, its IP identification, its sequence number and its flags.
 *	Payload is not touched here: a frame names the piece of the skb that
 *	holds it, and the receiver's DMA engine (dma.c) reads it there, be it
 *	kernel memory or pages of a user.
 *
 *		skb:    | headers | payload 0 | payload 1 | payload 2 |
 *		frames: | headers'| (0)  | headers'| (1)  | headers'| (2)
 *
 *	A receiver that does hardware GRO puts the frames of one super frame
 *	together again. Then they are not cut at all: one merged frame stands for
 *	them, and is counted and delivered as what they are. Frames whose flags
 *	GRO may not merge (CWR, URG, SYN, RST) are cut.
 *
 *	A frame waits in the queue (txq->frame) until the receiver has taken it:
 *	a super frame may be interrupted anywhere.
 *
 * Invariants:
 *	1. header_len + payload_len of a frame is its length on the wire.
 *	2. The frames of one skb cover its payload exactly once, in order.
 *
 * Ownership:
 *	The queue owns txq->skb until it is complete; frames point into it.
 *
 * Threads:
 *	The queue's Tx NAPI alone.
 *
 * Errors:
 *	False for a frame that cannot be sent: no headers that could be cut.
 *
 * Sources:
 *	tcp_gso_segment() in net/ipv4/tcp_offload.c, __udp_gso_segment() in
 *	net/ipv4/udp_offload.c, Linux 7.3; RFC 3168 (CWR on the first only).
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>

#include "weirnic.h"

/**
 * weirnic_tso_start() - begin with an skb
 * @txq: the queue
 * @skb: what the stack gave
 *
 * Return: true, and weirnic_tso_next() gives its first frame; or false: it cannot be sent.
 */
bool weirnic_tso_start(struct weirnic_txq *txq, struct sk_buff *skb)
{
	u32 n = min_t(u32, skb->len, WEIRNIC_HEADER_MAX);
	struct weirnic_frame *frame = &txq->frame;
	struct weirnic_flow *flow = &frame->flow;

	if (n < ETH_HLEN || skb_copy_bits(skb, 0, txq->template, n))
		return false;
	weirnic_parse(txq->template, n, skb, flow);
	flow->eth = (const struct ethhdr *)frame->header;
	frame->skb = skb;
	frame->steered = false;
	frame->segments = 1;
	txq->segment_index = 0;
	txq->segment_bytes = 0;
	if (!skb_is_gso(skb)) {
		frame->header_len = flow->header_len ?: n;
		return true;
	}
	if (!flow->header_len || !(skb_shinfo(skb)->gso_type &
				   (SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_UDP_L4)))
		return false;
	frame->header_len = flow->header_len;
	txq->segment_bytes = skb_shinfo(skb)->gso_size;
	return txq->segment_bytes;
}

static void write_ip(const struct weirnic_txq *txq, struct weirnic_frame *frame)
{
	const struct weirnic_flow *flow = &frame->flow;
	u16 len = frame->header_len - flow->l3_offset + frame->payload_len;
	u8 *at = frame->header + flow->l3_offset;

	if (flow->ip_version == 4) {
		struct iphdr *ip = (struct iphdr *)at;

		ip->tot_len = htons(len);
		if (!(skb_shinfo(frame->skb)->gso_type & SKB_GSO_TCP_FIXEDID))
			ip->id = htons(ntohs(ip->id) + txq->segment_index);
		ip_send_check(ip);
	} else {
		((struct ipv6hdr *)at)->payload_len = htons(len - sizeof(struct ipv6hdr));
	}
}

/* What the stack leaves in the field for a NIC to complete: the pseudo header's sum. */
static __sum16 pseudo_sum(const struct weirnic_frame *frame)
{
	const struct weirnic_flow *flow = &frame->flow;
	u32 len = frame->header_len - flow->l4_offset + frame->payload_len;

	if (flow->ip_version == 4)
		return ~csum_tcpudp_magic(flow->src.s6_addr32[0], flow->dst.s6_addr32[0], len,
					  flow->protocol, 0);
	return ~csum_ipv6_magic(&flow->src, &flow->dst, len, flow->protocol, 0);
}

static void write_layer4(const struct weirnic_txq *txq, struct weirnic_frame *frame, bool last)
{
	u8 *at = frame->header + frame->flow.l4_offset;

	if (frame->flow.protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (struct tcphdr *)at;
		u32 sent = txq->segment_index * txq->segment_bytes;

		tcp->seq = htonl(ntohl(tcp->seq) + sent);
		if (!last) {
			tcp->fin = 0;
			tcp->psh = 0;
		}
		if (txq->segment_index)
			tcp->cwr = 0;
		tcp->check = pseudo_sum(frame);
	} else {
		struct udphdr *udp = (struct udphdr *)at;

		udp->len = htons(sizeof(*udp) + frame->payload_len);
		udp->check = pseudo_sum(frame);
	}
}

static bool can_merge(const struct weirnic_txq *txq)
{
	const struct weirnic_flow *flow = &txq->frame.flow;
	const struct tcphdr *tcp = (const void *)(txq->template + flow->l4_offset);

	return !txq->segment_index && flow->protocol == IPPROTO_TCP &&
	       !tcp->cwr && !tcp->urg && !tcp->syn && !tcp->rst;
}

/**
 * weirnic_tso_next() - make the next frame of txq->skb, in txq->frame
 * @txq: the queue
 * @merge: the receiver does hardware GRO: all frames of a super frame at once
 *
 * Return: false when there is no further frame.
 */
bool weirnic_tso_next(struct weirnic_txq *txq, bool merge)
{
	struct weirnic_frame *frame = &txq->frame;
	u32 payload = frame->skb->len - frame->header_len, sent, left;

	if (!txq->segment_bytes) {
		if (txq->segment_index++)
			return false;
		memcpy(frame->header, txq->template, frame->header_len);
		frame->payload_offset = frame->header_len;
		frame->payload_len = payload;
		return true;
	}
	sent = txq->segment_index * txq->segment_bytes;
	if (sent >= payload)
		return false;
	left = payload - sent;
	memcpy(frame->header, txq->template, frame->header_len);
	frame->payload_offset = frame->header_len + sent;
	frame->segment_bytes = txq->segment_bytes;
	frame->segments = merge && can_merge(txq) ? DIV_ROUND_UP(left, txq->segment_bytes) : 1;
	frame->payload_len = frame->segments > 1 ? left : min(left, txq->segment_bytes);
	write_ip(txq, frame);
	write_layer4(txq, frame, left == frame->payload_len);
	txq->segment_index += frame->segments;
	return true;
}

/**
 * weirnic_tso_undo() - begin the super frame again, which was not received
 * @txq: the queue, with a merged frame made by weirnic_tso_next()
 */
void weirnic_tso_undo(struct weirnic_txq *txq)
{
	txq->segment_index = 0;
}
