/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control.h - what the files of the control side share: steer.c (rules), rss.c
 * (hash, contexts), ethtool.c, stats.c, fault.c, debugfs.c.
 *
 * Steering belongs to one device. Writers hold struct weirnic_steer's lock;
 * the wire reads under RCU. A rule and a context never change once they are
 * published: a change replaces the whole object.
 */
#ifndef WEIRNIC_CONTROL_H
#define WEIRNIC_CONTROL_H

#include "weirnic.h"

#define WEIRNIC_RULES		256	/* locations 0..255, 0 looked at first */
#define WEIRNIC_CONTEXTS	64	/* RSS contexts with the default one, 0 */
#define WEIRNIC_INDIR_SIZE	128	/* entries; a power of two */
#define WEIRNIC_KEY_BYTES	40
#define WEIRNIC_HASH_BYTES	36	/* 2 IPv6 addresses and 2 ports */

/* The ways that this kernel knows to make both directions hash alike */
#ifdef RXH_XFRM_SYM_OR_XOR
#define WEIRNIC_RSS_XFRM	(RXH_XFRM_SYM_XOR | RXH_XFRM_SYM_OR_XOR)
#else
#define WEIRNIC_RSS_XFRM	RXH_XFRM_SYM_XOR
#endif

/* Kinds of flow whose hashed header fields can be set one by one */
enum weirnic_rss_kind {
	WEIRNIC_RSS_IP4,		/* also fragments and other protocols */
	WEIRNIC_RSS_IP6,
	WEIRNIC_RSS_TCP4,
	WEIRNIC_RSS_TCP6,
	WEIRNIC_RSS_UDP4,
	WEIRNIC_RSS_UDP6,
	WEIRNIC_RSS_KINDS,
};

/**
 * struct weirnic_rss - an RSS context
 * @rcu: frees it after the last reader
 * @key: the hash key, as the user wrote it
 * @xfrm: RXH_XFRM_*: how addresses and ports are mixed before hashing
 * @fields: RXH_*: what is hashed, per kind of flow
 * @indir: the queue for each hash value modulo WEIRNIC_INDIR_SIZE
 * @partial: the key's contribution to the hash for each 4 bits of input
 */
struct weirnic_rss {
	struct rcu_head rcu;
	u8 key[WEIRNIC_KEY_BYTES];
	u8 xfrm;
	u32 fields[WEIRNIC_RSS_KINDS];
	u16 indir[WEIRNIC_INDIR_SIZE];
	u32 partial[WEIRNIC_HASH_BYTES * 2][16];
};

struct weirnic_rule;

/* Which rule locations an insertion may name: NICs differ */
enum weirnic_locations {
	WEIRNIC_LOCATIONS_BOTH,
	WEIRNIC_LOCATIONS_ANY,		/* the device chooses (like bnxt) */
	WEIRNIC_LOCATIONS_EXPLICIT,	/* the user chooses (like mlx5) */
};

/**
 * struct weirnic_steer - a device's steering
 * @lock: taken by everything that changes steering; inside rss_lock
 * @locations: which locations insertions may name, enum weirnic_locations
 * @used: which locations hold a rule
 * @rule: the rules by location
 * @context: the RSS contexts by id; 0 always exists
 */
struct weirnic_steer {
	struct mutex lock;
	u32 locations;
	DECLARE_BITMAP(used, WEIRNIC_RULES);
	struct weirnic_rule __rcu *rule[WEIRNIC_RULES];
	struct weirnic_rss __rcu *context[WEIRNIC_CONTEXTS];
};

int weirnic_rss_init(struct weirnic_dev *wd, struct weirnic_steer *st);
void weirnic_rss_fini(struct weirnic_steer *st);
u32 weirnic_rss_hash(const struct weirnic_rss *rss,
		     const struct weirnic_flow *flow,
		     enum pkt_hash_types *ret_type);
bool weirnic_steer_uses_context(struct weirnic_steer *st, u32 context);

/* ethtool operations; the tables of them are in ethtool.c */
int weirnic_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc,
		      u32 *locations);
int weirnic_set_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *nfc);
u32 weirnic_get_rxfh_key_size(struct net_device *ndev);
u32 weirnic_get_rxfh_indir_size(struct net_device *ndev);
int weirnic_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh);
int weirnic_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack);
int weirnic_get_fields(struct net_device *ndev, u32 context, u32 flow_type,
		       u64 *ret_fields);
int weirnic_set_fields(struct net_device *ndev, u32 context, u32 flow_type,
		       u64 fields);
int weirnic_create_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx,
			   const struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack);
int weirnic_modify_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx,
			   const struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack);
int weirnic_remove_context(struct net_device *ndev,
			   struct ethtool_rxfh_context *ctx, u32 context,
			   struct netlink_ext_ack *extack);

/* stats.c */
struct seq_file;
void weirnic_stats_print(struct weirnic_dev *wd, struct seq_file *s);
int weirnic_get_sset_count(struct net_device *ndev, int sset);
void weirnic_get_strings(struct net_device *ndev, u32 sset, u8 *data);
void weirnic_get_ethtool_stats(struct net_device *ndev,
			       struct ethtool_stats *stats, u64 *data);

/* fault.c */
extern const char * const weirnic_fault_names[WEIRNIC_FAULT_COUNT];
void weirnic_fault_seed(struct weirnic_faults *wf, u64 seed);
int weirnic_fault_set(struct weirnic_fault_knob *knob, char *text);

#endif
