/* SPDX-License-Identifier: MIT */
/*
 * rule_text.h - flow rules: from ethtool's structure to text and back, and the NIC's table of them.
 */
#ifndef WEIR_NIC_RULE_TEXT_H
#define WEIR_NIC_RULE_TEXT_H

#include <linux/ethtool.h>

#include "nic.h"

#define NIC_RULE_BYTES 200 /* holds any rule's text */

/**
 * nic_rule_parse() - a rule from its canonical text.
 * @spec: "tcp4 [src-ip A] [dst-ip A] [src-port N] [dst-port N] queue N|context N"; the first word
 *	is one of tcp4 udp4 tcp6 udp6, addresses are as inet_ntop(3) writes them.
 * @ret: receives @fs and @rss_context; the other members are 0.
 * @reterr: error record or NULL.
 *
 * Return: 0, or -EINVAL: also for a text that says the same in another form.
 */
WEIR_MUST_CHECK int nic_rule_parse(const char *spec, struct ethtool_rxnfc *ret,
				   struct weir_error *reterr);

/**
 * nic_rule_match() - text of what a rule matches: "tcp4 dst-port 80"; any packet of TCP: "tcp4".
 * @fs: the rule as the kernel gave it.
 * @buf: receives the text.
 * @bytes: its size; NIC_RULE_BYTES hold any.
 *
 * What these words cannot say (a kind of flow, a partial mask, a VLAN) is "other 0xFLOWTYPE", which
 * is never the text of a rule that was parsed.
 *
 * Return: @buf.
 */
const char *nic_rule_match(const struct ethtool_rx_flow_spec *fs, char *buf, size_t bytes);

/**
 * nic_rule_text() - text of a rule: what it matches, and "queue 3", "context 1", "drop", "wake",
 * "vf 2 queue 0", "context 1 plus queue 2".
 */
const char *nic_rule_text(const struct ethtool_rxnfc *rule, char *buf, size_t bytes);

/** nic_rule_queue() - the queue a rule leads to, or WEIR_NIC_TO_*. */
int32_t nic_rule_queue(const struct ethtool_rxnfc *rule);

/**
 * struct nic_rules - the NIC's table of rules.
 * @location: where there are rules, rising, allocated.
 * @count: how many.
 * @room: how many the table can hold; 0 where the driver does not tell.
 * @any: the driver chooses the location of a new rule.
 */
struct nic_rules {
	uint32_t *location;
	uint32_t count;
	uint32_t room;
	bool any;
};

/**
 * nic_rules_read() - where the NIC has rules.
 * @ctx: the interface.
 * @ret: receives the table; given back by nic_rules_done().
 * @reterr: error record or NULL.
 *
 * Return: 0; -EOPNOTSUPP: the NIC has no rules; others of the driver's.
 */
WEIR_MUST_CHECK int nic_rules_read(struct nic_ctx *ctx, struct nic_rules *ret,
				   struct weir_error *reterr);

/** nic_rules_done() - give back what a table holds. */
void nic_rules_done(struct nic_rules *rules);

/** nic_rule_read() - the rule at a location; -ENOENT: there is none; others of the driver's. */
WEIR_MUST_CHECK int nic_rule_read(struct nic_ctx *ctx, uint32_t location, struct ethtool_rxnfc *ret,
				  struct weir_error *reterr);

#endif
