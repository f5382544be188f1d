// SPDX-License-Identifier: GPL-2.0
/*
 * parse.c - find the headers of a frame, for steering and for header/data split
 *
 * Theory:
 *	One walk over the first bytes of a frame:
 *
 *		Ethernet | up to two VLAN tags | IPv4 with options      | TCP, UDP, SCTP
 *		         |                     | IPv6 with extensions   |
 *
 *	What is not recognised, cut short or malformed ends the walk: fields
 *	found until then stay, header_len stays 0, and such a frame is neither
 *	split nor, unless its ports are there, steered by them. That is what a
 *	NIC's parser does.
 *
 * Invariants:
 *	1. No byte at or beyond len is read.
 *	2. header_len is 0, or at most len.
 *	3. A fragment has neither ports nor header_len.
 *
 * Ownership:
 *	The result points into the caller's header bytes (eth).
 *
 * Threads:
 *	Pure functions.
 *
 * Errors:
 *	None: what cannot be parsed is described as such.
 *
 * Sources:
 *	RFC 791, RFC 8200 (section 4: extension headers), RFC 9293,
 *	IEEE 802.1Q; struct layouts of include/uapi/linux, Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "weirnic.h"

#define EXTENSIONS_MAX	8		/* a longer chain is not followed */

/* Returns the offset after the VLAN tags, or 0. */
static u32 parse_ethernet(const u8 *header, u32 len, const struct sk_buff *skb,
			  struct weirnic_flow *flow)
{
	u32 at = ETH_HLEN;

	if (len < ETH_HLEN)
		return 0;
	flow->eth = (const struct ethhdr *)header;
	flow->ethertype = flow->eth->h_proto;
	if (skb_vlan_tag_present(skb)) {
		flow->vlan_proto = skb->vlan_proto;
		flow->vlan_tci = skb_vlan_tag_get(skb);
	}
	while (eth_type_vlan(flow->ethertype) && flow->vlan_depth < 2) {
		const struct vlan_hdr *tag = (const void *)(header + at);

		if (len < at + VLAN_HLEN)
			return 0;
		if (!flow->vlan_proto) {
			flow->vlan_proto = flow->ethertype;
			flow->vlan_tci = ntohs(tag->h_vlan_TCI);
		}
		flow->ethertype = tag->h_vlan_encapsulated_proto;
		flow->vlan_depth++;
		at += VLAN_HLEN;
	}
	return at;
}

static u32 parse_ipv4(const u8 *header, u32 len, u32 at, struct weirnic_flow *flow)
{
	const struct iphdr *ip = (const void *)(header + at);

	if (len < at + sizeof(*ip) || ip->version != 4 || ip->ihl < 5)
		return 0;
	flow->ip_version = 4;
	flow->protocol = ip->protocol;
	flow->tos = ip->tos;
	flow->src.s6_addr32[0] = ip->saddr;
	flow->dst.s6_addr32[0] = ip->daddr;
	flow->fragment = ip_is_fragment(ip);
	return at + ip->ihl * 4;
}

/* The bytes of an extension header, 0 if @next is none that is skipped. */
static u32 extension_len(u8 next, const u8 *extension)
{
	switch (next) {
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_DEST:
		return (extension[1] + 1) * 8;
	case NEXTHDR_AUTH:
		return (extension[1] + 2) * 4;
	case NEXTHDR_FRAGMENT:
		return sizeof(struct frag_hdr);
	default:
		return 0;
	}
}

static u32 parse_ipv6(const u8 *header, u32 len, u32 at, struct weirnic_flow *flow)
{
	const struct ipv6hdr *ip = (const void *)(header + at);
	unsigned int i;
	u8 next;

	if (len < at + sizeof(*ip) || ip->version != 6)
		return 0;
	flow->ip_version = 6;
	flow->tos = ipv6_get_dsfield(ip);
	flow->src = ip->saddr;
	flow->dst = ip->daddr;
	next = ip->nexthdr;
	at += sizeof(*ip);
	for (i = 0; i < EXTENSIONS_MAX && len >= at + 8; i++) {
		u32 bytes = extension_len(next, header + at);

		if (!bytes)
			break;
		if (next == NEXTHDR_FRAGMENT) {
			const struct frag_hdr *fragment = (const void *)(header + at);

			if (fragment->frag_off & htons(IP6_OFFSET | IP6_MF))
				flow->fragment = true;
		}
		next = header[at];
		at += bytes;
	}
	flow->protocol = next;
	return at;
}

static void parse_layer4(const u8 *header, u32 len, u32 at, struct weirnic_flow *flow)
{
	const struct tcphdr *tcp = (const void *)(header + at);

	if (len < at + 4)
		return;
	flow->l4_offset = at;
	memcpy(&flow->l4_bytes, header + at, sizeof(flow->l4_bytes));
	if (flow->fragment)
		return;
	switch (flow->protocol) {
	case IPPROTO_TCP:
		if (len >= at + sizeof(*tcp) && tcp->doff >= 5 && len >= at + tcp->doff * 4)
			flow->header_len = at + tcp->doff * 4;
		break;
	case IPPROTO_UDP:
		if (len >= at + sizeof(struct udphdr))
			flow->header_len = at + sizeof(struct udphdr);
		break;
	case IPPROTO_SCTP:
		break;
	default:
		return;
	}
	flow->sport = tcp->source;
	flow->dport = tcp->dest;
	flow->has_ports = true;
}

/**
 * weirnic_parse() - describe a frame
 * @header: its first bytes
 * @len: how many, at most WEIRNIC_HEADER_MAX
 * @skb: the frame, for a VLAN tag that is kept beside it
 * @ret_flow: the description
 */
void weirnic_parse(const u8 *header, u32 len, const struct sk_buff *skb,
		   struct weirnic_flow *ret_flow)
{
	struct weirnic_flow *flow = ret_flow;
	u32 at;

	memset(flow, 0, sizeof(*flow));
	at = parse_ethernet(header, len, skb, flow);
	if (!at)
		return;
	flow->l3_offset = at;
	if (flow->ethertype == htons(ETH_P_IP))
		at = parse_ipv4(header, len, at, flow);
	else if (flow->ethertype == htons(ETH_P_IPV6))
		at = parse_ipv6(header, len, at, flow);
	else
		return;
	if (at)
		parse_layer4(header, len, at, flow);
}
