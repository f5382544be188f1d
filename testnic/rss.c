// SPDX-License-Identifier: GPL-2.0
/*
 * rss.c - receive side scaling: Toeplitz hash, indirection tables, contexts
 *
 * Theory:
 *	A frame's addresses and ports are hashed with a key; the low bits of
 *	the hash pick an entry of the indirection table, which names the queue.
 *	Context 0 serves all frames that no rule claims; further contexts, each
 *	with its own key, table and choice of hashed fields, serve the frames
 *	that rules send to them.
 *
 *	The Toeplitz hash is the XOR of a 32 bit window of the key for each
 *	set bit of the input. Windows of four neighbouring bits are combined
 *	beforehand for all 16 values, so that a frame costs one look-up per
 *	four bits of its addresses and ports.
 *
 *	The input is source address, destination address, source port,
 *	destination port, in network order. A field that is not to be hashed
 *	counts as zero, which leaves the others where they are.
 *
 * Invariants:
 *	1. context[0] is never NULL between init and fini.
 *	2. A published context does not change; a change publishes a copy.
 *	3. A context that a rule names is not removed.
 *
 * Ownership:
 *	struct weirnic_steer owns its contexts. A replaced one is freed after
 *	a grace period.
 *
 * Threads:
 *	Changes hold steer->lock, which nests inside ethtool's rss_lock.
 *	Hashing runs in the sender's transmit path under RCU.
 *
 * Errors:
 *	-EOPNOTSUPP for another hash function, mixing or field than there is;
 *	-ENOSPC for a context id beyond the last; -EBUSY for the removal of a
 *	context in use; -ENOMEM.
 *
 * Sources:
 *	include/linux/ethtool.h (struct ethtool_rxfh_param, what
 *	create_rxfh_context must fill in) and net/ethtool/rss.c, Linux 7.3;
 *	the hash and its test vectors are those of Microsoft's "RSS hashing
 *	types".
 *
 * Tests:
 *	tests/vm/t/nic_rss.sh, tests/vm/t/nic_contexts.sh
 */
#include <linux/ethtool.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "control.h"

#define RSS_IP_FIELDS	(RXH_IP_SRC | RXH_IP_DST)
#define RSS_L4_FIELDS	(RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* 32 bits of the key, beginning at bit @bit, the first bit being the highest */
static u32 key_window(const u8 *key, unsigned int bit)
{
	const u8 *at = key + bit / 8;

	return (((u64)get_unaligned_be32(at) << 8) | at[4]) >> (8 - bit % 8);
}

static void rss_set_key(struct weirnic_rss *rss, const u8 *key)
{
	unsigned int nibble, value;

	memcpy(rss->key, key, WEIRNIC_KEY_BYTES);
	for (nibble = 0; nibble < ARRAY_SIZE(rss->partial); nibble++) {
		u32 *part = rss->partial[nibble];

		part[0] = 0;
		for (value = 1; value < 16; value++)
			part[value] = part[value & (value - 1)] ^
				key_window(rss->key, nibble * 4 + 3 -
					   __ffs(value));
	}
}

static u32 toeplitz(const struct weirnic_rss *rss, const u8 *input,
		    unsigned int len)
{
	unsigned int i;
	u32 hash = 0;

	for (i = 0; i < len; i++)
		hash ^= rss->partial[2 * i][input[i] >> 4] ^
			rss->partial[2 * i + 1][input[i] & 15];
	return hash;
}

static enum weirnic_rss_kind flow_kind(const struct weirnic_flow *flow)
{
	bool v6 = flow->ip_version == 6;

	if (!flow->has_ports)
		return v6 ? WEIRNIC_RSS_IP6 : WEIRNIC_RSS_IP4;
	switch (flow->protocol) {
	case IPPROTO_TCP:
		return v6 ? WEIRNIC_RSS_TCP6 : WEIRNIC_RSS_TCP4;
	case IPPROTO_UDP:
		return v6 ? WEIRNIC_RSS_UDP6 : WEIRNIC_RSS_UDP4;
	default:
		return v6 ? WEIRNIC_RSS_IP6 : WEIRNIC_RSS_IP4;
	}
}

/* Makes both directions of a flow hash alike, as the user asked for */
static void mix_symmetric(u8 xfrm, u8 *source, u8 *destination,
			  unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		u8 xored = source[i] ^ destination[i];

		source[i] = xfrm & RXH_XFRM_SYM_XOR ?
			    xored : source[i] | destination[i];
		destination[i] = xored;
	}
}

/**
 * weirnic_rss_hash() - the hash of a frame
 * @rss: the context
 * @flow: the frame's header fields
 * @ret_type: what the hash covers
 *
 * Return: the hash, 0 where nothing is hashed.
 */
u32 weirnic_rss_hash(const struct weirnic_rss *rss,
		     const struct weirnic_flow *flow,
		     enum pkt_hash_types *ret_type)
{
	unsigned int addr = flow->ip_version == 6 ? 16 : 4;
	u8 input[WEIRNIC_HASH_BYTES] = {};
	u8 *ports = input + 2 * addr;
	u32 fields;

	*ret_type = PKT_HASH_TYPE_NONE;
	if (!flow->ip_version)
		return 0;
	fields = rss->fields[flow_kind(flow)];
	if (!fields)
		return 0;
	if (fields & RXH_IP_SRC)
		memcpy(input, &flow->src, addr);
	if (fields & RXH_IP_DST)
		memcpy(input + addr, &flow->dst, addr);
	if (fields & RXH_L4_B_0_1)
		memcpy(ports, &flow->sport, 2);
	if (fields & RXH_L4_B_2_3)
		memcpy(ports + 2, &flow->dport, 2);
	if (rss->xfrm) {
		mix_symmetric(rss->xfrm, input, input + addr, addr);
		mix_symmetric(rss->xfrm, ports, ports + 2, 2);
	}
	*ret_type = fields & RSS_L4_FIELDS ? PKT_HASH_TYPE_L4 :
					    PKT_HASH_TYPE_L3;
	return toeplitz(rss, input, 2 * addr + 4);
}

/* ------------------------------------------------------------- contexts */

static struct weirnic_steer *steer_of(struct net_device *ndev)
{
	struct weirnic_dev *wd = netdev_priv(ndev);

	return wd->steer;
}

static struct weirnic_rss *rss_of(struct weirnic_steer *st, u32 context)
{
	if (context >= WEIRNIC_CONTEXTS)
		return NULL;
	return rcu_dereference_protected(st->context[context],
					 lockdep_is_held(&st->lock));
}

static void rss_publish(struct weirnic_steer *st, u32 context,
			struct weirnic_rss *rss)
{
	struct weirnic_rss *old = rss_of(st, context);

	rcu_assign_pointer(st->context[context], rss);
	if (old)
		kfree_rcu(old, rcu);
}

static struct weirnic_rss *rss_copy(struct weirnic_steer *st, u32 context)
{
	struct weirnic_rss *rss = rss_of(st, context);

	if (!rss)
		return ERR_PTR(-ENOENT);
	rss = kmemdup(rss, sizeof(*rss), GFP_KERNEL);
	return rss ? rss : ERR_PTR(-ENOMEM);
}

static void rss_spread(struct weirnic_rss *rss, unsigned int queues)
{
	unsigned int i;

	for (i = 0; i < WEIRNIC_INDIR_SIZE; i++)
		rss->indir[i] = ethtool_rxfh_indir_default(i, queues);
}

static int rss_apply(struct weirnic_rss *rss,
		     const struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack)
{
	unsigned int i;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG_MOD(extack, "the hash function is toeplitz");
		return -EOPNOTSUPP;
	}
	if (rxfh->input_xfrm != RXH_XFRM_NO_CHANGE) {
		if (rxfh->input_xfrm & ~WEIRNIC_RSS_XFRM) {
			NL_SET_ERR_MSG_MOD(extack, "unknown input transformation");
			return -EOPNOTSUPP;
		}
		rss->xfrm = rxfh->input_xfrm;
	}
	if (rxfh->key)
		rss_set_key(rss, rxfh->key);
	if (rxfh->indir)
		for (i = 0; i < WEIRNIC_INDIR_SIZE; i++)
			rss->indir[i] = rxfh->indir[i];
	return 0;
}

static int rss_change(struct net_device *ndev, u32 context,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack)
{
	struct weirnic_steer *st = steer_of(ndev);
	struct weirnic_rss *rss;
	int err;

	guard(mutex)(&st->lock);
	rss = rss_copy(st, context);
	if (IS_ERR(rss))
		return PTR_ERR(rss);
	err = rss_apply(rss, rxfh, extack);
	if (err) {
		kfree(rss);
		return err;
	}
	rss_publish(st, context, rss);
	return 0;
}

u32 weirnic_get_rxfh_key_size(struct net_device *ndev)
{
	return WEIRNIC_KEY_BYTES;
}

u32 weirnic_get_rxfh_indir_size(struct net_device *ndev)
{
	return WEIRNIC_INDIR_SIZE;
}

int weirnic_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh)
{
	struct weirnic_steer *st = steer_of(ndev);
	const struct weirnic_rss *rss;
	unsigned int i;

	guard(mutex)(&st->lock);
	rss = rss_of(st, 0);
	rxfh->hfunc = ETH_RSS_HASH_TOP;
	rxfh->input_xfrm = rss->xfrm;
	if (rxfh->key)
		memcpy(rxfh->key, rss->key, WEIRNIC_KEY_BYTES);
	if (rxfh->indir)
		for (i = 0; i < WEIRNIC_INDIR_SIZE; i++)
			rxfh->indir[i] = rss->indir[i];
	return 0;
}

int weirnic_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack)
{
	return rss_change(ndev, 0, rxfh, extack);
}

int weirnic_create_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx,
			   const struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack)
{
	struct weirnic_steer *st = steer_of(ndev);
	struct weirnic_rss *rss;
	unsigned int i;
	int err;

	if (rxfh->rss_context >= WEIRNIC_CONTEXTS) {
		NL_SET_ERR_MSG_MOD(extack, "no such RSS context: the last is 63");
		return -ENOSPC;
	}
	guard(mutex)(&st->lock);
	rss = rss_copy(st, 0);	/* key and fields are those of the default */
	if (IS_ERR(rss))
		return PTR_ERR(rss);
	rss_spread(rss, ndev->real_num_rx_queues);
	err = rss_apply(rss, rxfh, extack);
	if (err) {
		kfree(rss);
		return err;
	}
	for (i = 0; i < WEIRNIC_INDIR_SIZE; i++)
		ethtool_rxfh_context_indir(ctx)[i] = rss->indir[i];
	memcpy(ethtool_rxfh_context_key(ctx), rss->key, WEIRNIC_KEY_BYTES);
	ctx->hfunc = ETH_RSS_HASH_TOP;
	ctx->input_xfrm = rss->xfrm;
	rss_publish(st, rxfh->rss_context, rss);
	return 0;
}

int weirnic_modify_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx,
			   const struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack)
{
	return rss_change(ndev, rxfh->rss_context, rxfh, extack);
}

int weirnic_remove_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx, u32 context,
			   struct netlink_ext_ack *extack)
{
	struct weirnic_steer *st = steer_of(ndev);

	guard(mutex)(&st->lock);
	if (!context || !rss_of(st, context))
		return -ENOENT;
	/* A device that goes away loses its rules too: nothing is refused */
	if (ndev->reg_state == NETREG_REGISTERED &&
	    weirnic_steer_uses_context(st, context)) {
		NL_SET_ERR_MSG_MOD(extack, "a flow rule uses this RSS context");
		return -EBUSY;
	}
	rss_publish(st, context, NULL);
	return 0;
}

/* -------------------------------------------------------- hashed fields */

static int kind_of_flow_type(u32 flow_type)
{
	switch (flow_type) {
	case TCP_V4_FLOW:
		return WEIRNIC_RSS_TCP4;
	case UDP_V4_FLOW:
		return WEIRNIC_RSS_UDP4;
	case TCP_V6_FLOW:
		return WEIRNIC_RSS_TCP6;
	case UDP_V6_FLOW:
		return WEIRNIC_RSS_UDP6;
	case IPV4_FLOW:
		return WEIRNIC_RSS_IP4;
	case IPV6_FLOW:
		return WEIRNIC_RSS_IP6;
	default:
		return -EOPNOTSUPP;
	}
}

int weirnic_get_fields(struct net_device *ndev, u32 context, u32 flow_type,
		       u64 *ret_fields)
{
	struct weirnic_steer *st = steer_of(ndev);
	int kind = kind_of_flow_type(flow_type);
	const struct weirnic_rss *rss;

	if (kind < 0)
		return kind;
	guard(mutex)(&st->lock);
	rss = rss_of(st, context);
	if (!rss)
		return -ENOENT;
	*ret_fields = rss->fields[kind];
	return 0;
}

int weirnic_set_fields(struct net_device *ndev, u32 context, u32 flow_type,
		       u64 fields)
{
	struct weirnic_steer *st = steer_of(ndev);
	int kind = kind_of_flow_type(flow_type);
	u64 allowed = RSS_IP_FIELDS;
	struct weirnic_rss *rss;

	if (kind < 0)
		return kind;
	if (kind != WEIRNIC_RSS_IP4 && kind != WEIRNIC_RSS_IP6)
		allowed |= RSS_L4_FIELDS;
	if (fields & ~allowed)
		return -EOPNOTSUPP;
	guard(mutex)(&st->lock);
	rss = rss_copy(st, context);
	if (IS_ERR(rss))
		return PTR_ERR(rss);
	rss->fields[kind] = fields;
	rss_publish(st, context, rss);
	return 0;
}

/* ----------------------------------------------------------------- life */

int weirnic_rss_init(struct weirnic_dev *wd, struct weirnic_steer *st)
{
	struct weirnic_rss *rss = kzalloc(sizeof(*rss), GFP_KERNEL);
	u8 key[WEIRNIC_KEY_BYTES];
	unsigned int kind;

	if (!rss)
		return -ENOMEM;
	netdev_rss_key_fill(key, sizeof(key));
	rss_set_key(rss, key);
	rss_spread(rss, wd->ndev->real_num_rx_queues);
	for (kind = 0; kind < WEIRNIC_RSS_KINDS; kind++)
		rss->fields[kind] = RSS_IP_FIELDS | RSS_L4_FIELDS;
	rss->fields[WEIRNIC_RSS_IP4] = RSS_IP_FIELDS;
	rss->fields[WEIRNIC_RSS_IP6] = RSS_IP_FIELDS;
	RCU_INIT_POINTER(st->context[0], rss);
	return 0;
}

void weirnic_rss_fini(struct weirnic_steer *st)
{
	unsigned int i;

	for (i = 0; i < WEIRNIC_CONTEXTS; i++)
		kfree(rcu_dereference_protected(st->context[i], true));
}

/**
 * weirnic_steer_resize() - the number of Rx queues changed
 * @wd: the device
 * @queues: how many there are now
 *
 * The default table is spread over them, unless the user has set it; then
 * ethtool has made sure that it names none that is gone.
 */
void weirnic_steer_resize(struct weirnic_dev *wd, u32 queues)
{
	struct weirnic_steer *st = wd->steer;
	struct weirnic_rss *rss;

	if (netif_is_rxfh_configured(wd->ndev))
		return;
	guard(mutex)(&st->lock);
	rss = rss_copy(st, 0);
	if (IS_ERR(rss))	/* look-ups turn missing queues into queue 0 */
		return;
	rss_spread(rss, queues);
	rss_publish(st, 0, rss);
}
