// SPDX-License-Identifier: GPL-2.0
/*
 * steer.c - which queue a frame goes to: flow rules, then RSS
 *
 * Theory:
 *	A rule is a value and a mask over struct rule_key, which has a place
 *	for every header field that a rule may name. A frame is put into the
 *	same shape once; a rule matches if the frame's words differ from its
 *	value nowhere under its mask. Rules are tried by rising location, the
 *	first that matches decides: a queue, an RSS context, or discard. No
 *	match means RSS context 0 (rss.c).
 *
 *	As on most NICs, no fragment has ports here, not even the first one,
 *	which carries them: all fragments of a datagram go the same way.
 *
 * Invariants:
 *	1. Bit l of used is set exactly if rule[l] is not NULL.
 *	2. A published rule does not change.
 *	3. A look-up gives a queue that exists, or -1.
 *
 * Ownership:
 *	The device owns struct weirnic_steer from init to fini, and that owns
 *	rules and contexts.
 *
 * Threads:
 *	Changes hold steer->lock. Look-ups run in the sender's transmit path
 *	under RCU, on any number of CPUs.
 *
 * Errors:
 *	-EOPNOTSUPP: a kind of rule or field there is not, or rules are
 *	switched off; -EINVAL: a queue, context or location out of range, or a
 *	location of the kind that is not allowed; -EEXIST: the same match is
 *	there already and the device was to choose the location; -ENOSPC: the
 *	table is full; -ENOENT: no rule there.
 *
 * Sources:
 *	include/uapi/linux/ethtool.h (struct ethtool_rxnfc: locations and
 *	masks) and net/ethtool/ioctl.c, Linux 7.3
 *
 * Tests:
 *	tests/vm/t/nic_rules.sh
 */
#include <linux/ethtool.h>
#include <linux/slab.h>

#include "control.h"

/*
 * What rules match on. IPv4 addresses stand in the first word of an
 * address. The size is a whole number of unsigned longs and there is no
 * implicit padding: keys are compared and written as words.
 */
struct rule_key {
	struct in6_addr src, dst;
	__be16 sport, dport;
	__be32 l4_bytes;
	__be16 vlan_proto, vlan_tci;
	u8 h_dest[ETH_ALEN];
	u8 h_source[ETH_ALEN];
	__be16 h_proto;
	u8 ip_version, protocol, tos;
	u8 has_ports;
	u8 pad[2];
};

#define KEY_WORDS	(sizeof(struct rule_key) / sizeof(unsigned long))

static_assert(sizeof(struct rule_key) % sizeof(unsigned long) == 0);
static_assert(sizeof(struct rule_key) == 64);

union rule_words {
	struct rule_key key;
	unsigned long word[KEY_WORDS];
};

struct weirnic_rule {
	struct rcu_head rcu;
	union rule_words value, mask;
	struct ethtool_rx_flow_spec spec;	/* as the user gave it */
	u32 context;				/* with FLOW_RSS */
};

static struct weirnic_rule *rule_of(struct weirnic_steer *st, u32 location)
{
	return rcu_dereference_protected(st->rule[location],
					 lockdep_is_held(&st->lock));
}

/* -------------------------------------------------------------- look-up */

static void key_of_flow(const struct weirnic_flow *flow, struct rule_key *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->h_dest, flow->eth->h_dest, ETH_ALEN);
	memcpy(key->h_source, flow->eth->h_source, ETH_ALEN);
	key->h_proto = flow->ethertype;
	key->vlan_proto = flow->vlan_proto;
	key->vlan_tci = htons(flow->vlan_tci);
	key->ip_version = flow->ip_version;
	if (!flow->ip_version)
		return;
	key->src = flow->src;
	key->dst = flow->dst;
	key->protocol = flow->protocol;
	key->tos = flow->tos;
	if (flow->fragment)
		return;
	key->l4_bytes = flow->l4_bytes;
	key->has_ports = flow->has_ports;
	if (flow->has_ports) {
		key->sport = flow->sport;
		key->dport = flow->dport;
	}
}

static bool rule_matches(const struct weirnic_rule *rule,
			 const union rule_words *frame)
{
	unsigned long differ = 0;
	unsigned int i;

	for (i = 0; i < KEY_WORDS; i++)
		differ |= (frame->word[i] ^ rule->value.word[i]) &
			  rule->mask.word[i];
	return !differ;
}

static const struct weirnic_rule *rule_find(const struct weirnic_steer *st,
					    const struct weirnic_flow *flow)
{
	union rule_words frame;
	unsigned int location;

	key_of_flow(flow, &frame.key);
	for_each_set_bit(location, st->used, WEIRNIC_RULES) {
		const struct weirnic_rule *rule =
			rcu_dereference(st->rule[location]);

		/* The bit may be seen before or after the pointer */
		if (rule && rule_matches(rule, &frame))
			return rule;
	}
	return NULL;
}

/**
 * weirnic_steer_lookup() - the queue of a frame
 * @wd: the receiving device
 * @flow: the frame's header fields
 * @ret_hash: its RSS hash
 * @ret_type: what the hash covers
 *
 * The caller is in an RCU read-side critical section.
 *
 * Return: the queue, or -1 if a rule discards the frame.
 */
int weirnic_steer_lookup(const struct weirnic_dev *wd,
			 const struct weirnic_flow *flow, u32 *ret_hash,
			 enum pkt_hash_types *ret_type)
{
	const struct weirnic_steer *st = wd->steer;
	const struct weirnic_rule *rule = NULL;
	const struct weirnic_rss *rss;
	unsigned int queue;
	u32 context = 0;

	*ret_hash = 0;
	*ret_type = PKT_HASH_TYPE_NONE;
	if (wd->ndev->features & NETIF_F_NTUPLE &&
	    !bitmap_empty(st->used, WEIRNIC_RULES))
		rule = rule_find(st, flow);
	if (rule) {
		if (rule->spec.ring_cookie == RX_CLS_FLOW_DISC)
			return -1;
		if (rule->spec.flow_type & FLOW_RSS)
			context = rule->context;
	}
	rss = rcu_dereference(st->context[context]);
	if (!rss)	/* removed together with the rule, just now */
		rss = rcu_dereference(st->context[0]);
	*ret_hash = weirnic_rss_hash(rss, flow, ret_type);
	if (rule && !(rule->spec.flow_type & FLOW_RSS))
		queue = rule->spec.ring_cookie;
	else if (*ret_type == PKT_HASH_TYPE_NONE)
		queue = rule ? rss->indir[0] : 0;
	else
		queue = rss->indir[*ret_hash % WEIRNIC_INDIR_SIZE];
	return queue < READ_ONCE(wd->ndev->real_num_rx_queues) ? queue : 0;
}

/* ------------------------------------------------- from ethtool's format */

static void mask_byte(u8 *value, u8 *mask, u8 wanted)
{
	*value = wanted;
	*mask = 0xff;
}

static int key_from_l4_ip4(struct rule_key *v, struct rule_key *m,
			   const struct ethtool_tcpip4_spec *value,
			   const struct ethtool_tcpip4_spec *mask, u8 protocol)
{
	v->src.s6_addr32[0] = value->ip4src;
	m->src.s6_addr32[0] = mask->ip4src;
	v->dst.s6_addr32[0] = value->ip4dst;
	m->dst.s6_addr32[0] = mask->ip4dst;
	v->sport = value->psrc;
	m->sport = mask->psrc;
	v->dport = value->pdst;
	m->dport = mask->pdst;
	v->tos = value->tos;
	m->tos = mask->tos;
	mask_byte(&v->ip_version, &m->ip_version, 4);
	mask_byte(&v->protocol, &m->protocol, protocol);
	mask_byte(&v->has_ports, &m->has_ports, 1);
	return 0;
}

static int key_from_l4_ip6(struct rule_key *v, struct rule_key *m,
			   const struct ethtool_tcpip6_spec *value,
			   const struct ethtool_tcpip6_spec *mask, u8 protocol)
{
	memcpy(&v->src, value->ip6src, sizeof(v->src));
	memcpy(&m->src, mask->ip6src, sizeof(m->src));
	memcpy(&v->dst, value->ip6dst, sizeof(v->dst));
	memcpy(&m->dst, mask->ip6dst, sizeof(m->dst));
	v->sport = value->psrc;
	m->sport = mask->psrc;
	v->dport = value->pdst;
	m->dport = mask->pdst;
	v->tos = value->tclass;
	m->tos = mask->tclass;
	mask_byte(&v->ip_version, &m->ip_version, 6);
	mask_byte(&v->protocol, &m->protocol, protocol);
	mask_byte(&v->has_ports, &m->has_ports, 1);
	return 0;
}

static int key_from_ip4(struct rule_key *v, struct rule_key *m,
			const struct ethtool_usrip4_spec *value,
			const struct ethtool_usrip4_spec *mask)
{
	if (value->ip_ver != ETH_RX_NFC_IP4 || mask->ip_ver)
		return -EINVAL;
	v->src.s6_addr32[0] = value->ip4src;
	m->src.s6_addr32[0] = mask->ip4src;
	v->dst.s6_addr32[0] = value->ip4dst;
	m->dst.s6_addr32[0] = mask->ip4dst;
	v->l4_bytes = value->l4_4_bytes;
	m->l4_bytes = mask->l4_4_bytes;
	v->tos = value->tos;
	m->tos = mask->tos;
	v->protocol = value->proto;
	m->protocol = mask->proto;
	mask_byte(&v->ip_version, &m->ip_version, 4);
	return 0;
}

static int key_from_ip6(struct rule_key *v, struct rule_key *m,
			const struct ethtool_usrip6_spec *value,
			const struct ethtool_usrip6_spec *mask)
{
	memcpy(&v->src, value->ip6src, sizeof(v->src));
	memcpy(&m->src, mask->ip6src, sizeof(m->src));
	memcpy(&v->dst, value->ip6dst, sizeof(v->dst));
	memcpy(&m->dst, mask->ip6dst, sizeof(m->dst));
	v->l4_bytes = value->l4_4_bytes;
	m->l4_bytes = mask->l4_4_bytes;
	v->tos = value->tclass;
	m->tos = mask->tclass;
	v->protocol = value->l4_proto;
	m->protocol = mask->l4_proto;
	mask_byte(&v->ip_version, &m->ip_version, 6);
	return 0;
}

static int key_from_ether(struct rule_key *v, struct rule_key *m,
			  const struct ethhdr *value, const struct ethhdr *mask)
{
	ether_addr_copy(v->h_dest, value->h_dest);
	ether_addr_copy(m->h_dest, mask->h_dest);
	ether_addr_copy(v->h_source, value->h_source);
	ether_addr_copy(m->h_source, mask->h_source);
	v->h_proto = value->h_proto;
	m->h_proto = mask->h_proto;
	return 0;
}

static int key_from_ext(struct rule_key *v, struct rule_key *m,
			const struct ethtool_rx_flow_spec *fs)
{
	if (fs->flow_type & FLOW_EXT) {
		if (fs->m_ext.data[0] || fs->m_ext.data[1])
			return -EOPNOTSUPP;
		v->vlan_proto = fs->h_ext.vlan_etype;
		m->vlan_proto = fs->m_ext.vlan_etype;
		v->vlan_tci = fs->h_ext.vlan_tci;
		m->vlan_tci = fs->m_ext.vlan_tci;
	}
	if (fs->flow_type & FLOW_MAC_EXT) {
		ether_addr_copy(v->h_dest, fs->h_ext.h_dest);
		ether_addr_copy(m->h_dest, fs->m_ext.h_dest);
	}
	return 0;
}

static int key_from_spec(struct weirnic_rule *rule,
			 const struct ethtool_rx_flow_spec *fs)
{
	struct rule_key *v = &rule->value.key, *m = &rule->mask.key;
	const union ethtool_flow_union *value = &fs->h_u, *mask = &fs->m_u;
	u32 flow_type = fs->flow_type & ~(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS);
	int err;

	switch (flow_type) {
	case TCP_V4_FLOW:
		err = key_from_l4_ip4(v, m, &value->tcp_ip4_spec,
				      &mask->tcp_ip4_spec, IPPROTO_TCP);
		break;
	case UDP_V4_FLOW:
		err = key_from_l4_ip4(v, m, &value->udp_ip4_spec,
				      &mask->udp_ip4_spec, IPPROTO_UDP);
		break;
	case TCP_V6_FLOW:
		err = key_from_l4_ip6(v, m, &value->tcp_ip6_spec,
				      &mask->tcp_ip6_spec, IPPROTO_TCP);
		break;
	case UDP_V6_FLOW:
		err = key_from_l4_ip6(v, m, &value->udp_ip6_spec,
				      &mask->udp_ip6_spec, IPPROTO_UDP);
		break;
	case IPV4_USER_FLOW:
		err = key_from_ip4(v, m, &value->usr_ip4_spec,
				   &mask->usr_ip4_spec);
		break;
	case IPV6_USER_FLOW:
		err = key_from_ip6(v, m, &value->usr_ip6_spec,
				   &mask->usr_ip6_spec);
		break;
	case ETHER_FLOW:
		err = key_from_ether(v, m, &value->ether_spec,
				     &mask->ether_spec);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return err ? err : key_from_ext(v, m, fs);
}

/* --------------------------------------------------------------- changes */

/* Are the destination and the context of a new rule there? */
static int rule_check(struct net_device *ndev, struct weirnic_steer *st,
		      const struct ethtool_rxnfc *nfc)
{
	const struct ethtool_rx_flow_spec *fs = &nfc->fs;

	if (!(ndev->features & NETIF_F_NTUPLE))
		return -EOPNOTSUPP;
	if (fs->ring_cookie == RX_CLS_FLOW_DISC)
		return fs->flow_type & FLOW_RSS ? -EINVAL : 0;
	if (fs->ring_cookie == RX_CLS_FLOW_WAKE ||
	    ethtool_get_flow_spec_ring_vf(fs->ring_cookie))
		return -EOPNOTSUPP;
	if (fs->ring_cookie >= ndev->real_num_rx_queues)
		return -EINVAL;
	if (!(fs->flow_type & FLOW_RSS))
		return 0;
	if (fs->ring_cookie || nfc->rss_context >= WEIRNIC_CONTEXTS ||
	    !rcu_access_pointer(st->context[nfc->rss_context]))
		return -EINVAL;
	return 0;
}

static bool rule_present(struct weirnic_steer *st,
			 const struct weirnic_rule *rule)
{
	unsigned int location;

	for_each_set_bit(location, st->used, WEIRNIC_RULES) {
		const struct weirnic_rule *other = rule_of(st, location);

		if (!memcmp(&other->mask, &rule->mask, sizeof(rule->mask)) &&
		    !memcmp(&other->value, &rule->value, sizeof(rule->value)))
			return true;
	}
	return false;
}

/* The location that an insertion gets, or -errno */
static int rule_place(struct weirnic_steer *st, const struct weirnic_rule *rule)
{
	u32 wanted = rule->spec.location;
	int location;

	if (wanted & RX_CLS_LOC_SPECIAL) {
		if (st->locations == WEIRNIC_LOCATIONS_EXPLICIT)
			return -EINVAL;
		if (rule_present(st, rule))
			return -EEXIST;
	} else if (st->locations == WEIRNIC_LOCATIONS_ANY) {
		return -EINVAL;
	}
	switch (wanted) {
	case RX_CLS_LOC_ANY:
	case RX_CLS_LOC_FIRST:
		location = find_first_zero_bit(st->used, WEIRNIC_RULES);
		return location < WEIRNIC_RULES ? location : -ENOSPC;
	case RX_CLS_LOC_LAST:
		for (location = WEIRNIC_RULES - 1; location >= 0; location--)
			if (!test_bit(location, st->used))
				return location;
		return -ENOSPC;
	default:
		return wanted < WEIRNIC_RULES ? wanted : -EINVAL;
	}
}

static void rule_publish(struct weirnic_steer *st, u32 location,
			 struct weirnic_rule *rule)
{
	struct weirnic_rule *old = rule_of(st, location);

	rcu_assign_pointer(st->rule[location], rule);
	if (rule)
		set_bit(location, st->used);
	else
		clear_bit(location, st->used);
	if (old)
		kfree_rcu(old, rcu);
}

static int rule_insert(struct net_device *ndev, struct weirnic_steer *st,
		       struct ethtool_rxnfc *nfc)
{
	struct weirnic_rule *rule;
	int err, location;

	err = rule_check(ndev, st, nfc);
	if (err)
		return err;
	rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	rule->spec = nfc->fs;
	if (nfc->fs.flow_type & FLOW_RSS)
		rule->context = nfc->rss_context;
	err = key_from_spec(rule, &nfc->fs);
	if (err)
		goto free;
	location = rule_place(st, rule);
	if (location < 0) {
		err = location;
		goto free;
	}
	rule->spec.location = location;
	nfc->fs.location = location;
	rule_publish(st, location, rule);
	return 0;
free:
	kfree(rule);
	return err;
}

/* ----------------------------------------------------- ethtool operations */

int weirnic_set_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_steer *st = wd->steer;
	u32 location = nfc->fs.location;

	guard(mutex)(&st->lock);
	switch (nfc->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		return rule_insert(ndev, st, nfc);
	case ETHTOOL_SRXCLSRLDEL:
		if (location >= WEIRNIC_RULES || !rule_of(st, location))
			return -ENOENT;
		rule_publish(st, location, NULL);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int rules_list(struct weirnic_steer *st, struct ethtool_rxnfc *nfc,
		      u32 *locations)
{
	unsigned int location, count = 0;

	for_each_set_bit(location, st->used, WEIRNIC_RULES) {
		if (count == nfc->rule_cnt)
			return -EMSGSIZE;
		locations[count++] = location;
	}
	nfc->rule_cnt = count;
	nfc->data = WEIRNIC_RULES;
	return 0;
}

int weirnic_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc,
		      u32 *locations)
{
	struct weirnic_dev *wd = netdev_priv(ndev);
	struct weirnic_steer *st = wd->steer;
	const struct weirnic_rule *rule;

	guard(mutex)(&st->lock);
	switch (nfc->cmd) {
	case ETHTOOL_GRXRINGS:
		nfc->data = ndev->real_num_rx_queues;
		return 0;
	case ETHTOOL_GRXCLSRLCNT:
		nfc->rule_cnt = bitmap_weight(st->used, WEIRNIC_RULES);
		nfc->data = WEIRNIC_RULES;
		if (st->locations != WEIRNIC_LOCATIONS_EXPLICIT)
			nfc->data |= RX_CLS_LOC_SPECIAL;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		if (nfc->fs.location >= WEIRNIC_RULES)
			return -EINVAL;
		rule = rule_of(st, nfc->fs.location);
		if (!rule)
			return -ENOENT;
		nfc->fs = rule->spec;
		if (rule->spec.flow_type & FLOW_RSS)
			nfc->rss_context = rule->context;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		return rules_list(st, nfc, locations);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * weirnic_steer_uses_context() - does a rule name this RSS context?
 * @st: the steering; its lock is held
 * @context: the context
 */
bool weirnic_steer_uses_context(struct weirnic_steer *st, u32 context)
{
	unsigned int location;

	for_each_set_bit(location, st->used, WEIRNIC_RULES) {
		const struct weirnic_rule *rule = rule_of(st, location);

		if (rule->spec.flow_type & FLOW_RSS && rule->context == context)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ life */

int weirnic_steer_init(struct weirnic_dev *wd)
{
	struct weirnic_steer *st = kvzalloc(sizeof(*st), GFP_KERNEL);
	int err;

	if (!st)
		return -ENOMEM;
	mutex_init(&st->lock);
	err = weirnic_rss_init(wd, st);
	if (err) {
		kvfree(st);
		return err;
	}
	wd->steer = st;
	return 0;
}

/* Nothing looks up any more: the device is unregistered, its peer unlinked */
void weirnic_steer_fini(struct weirnic_dev *wd)
{
	struct weirnic_steer *st = wd->steer;
	unsigned int location;

	if (!st)
		return;
	for (location = 0; location < WEIRNIC_RULES; location++)
		kfree(rcu_dereference_protected(st->rule[location], true));
	weirnic_rss_fini(st);
	mutex_destroy(&st->lock);
	kvfree(st);
	wd->steer = NULL;
}
