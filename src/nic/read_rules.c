// SPDX-License-Identifier: MIT
/*
 * read_rules.c - the flow rules (ntuple filters) of an interface, for its state.
 *
 * Theory: the locations first, then each rule (obj_rule.c asks the kernel, rule_text.c finds the
 *	words). A rule that goes in between is left out.
 * Invariants: 1. rules are in the order of their locations.
 * Ownership: nic_info owns the array.
 * Threads: as nl.c.
 * Errors: -ENODEV (gone), -ENOMEM.
 * Sources: include/uapi/linux/ethtool.h (struct ethtool_rxnfc), Linux 7.3.
 * Tests: tests/vm/t/nic_info.sh
 */
#include <stdlib.h>

#include "read.h"
#include "rule_text.h"

int nic_read_rules(struct nic_ctx *ctx, struct nic_info *info)
{
	struct nic_rules rules;
	int r = nic_rules_read(ctx, &rules, NULL);

	if (r)
		return nic_read_failed(r);
	info->pub.rule_any = rules.any;
	info->pub.rule_room = rules.room;
	if (rules.count)
		info->rules = calloc(rules.count, sizeof(*info->rules));
	if (rules.count && !info->rules)
		r = -ENOMEM;
	for (uint32_t i = 0; !r && i < rules.count; i++) {
		struct weir_nic_rule *to = &info->rules[info->rule_count];
		struct ethtool_rxnfc rule;

		r = nic_rule_read(ctx, rules.location[i], &rule, NULL);
		if (r) {
			r = nic_read_failed(r);
			continue;
		}
		to->location = rules.location[i];
		to->queue = nic_rule_queue(&rule);
		to->context = to->queue == WEIR_NIC_TO_CONTEXT ? rule.rss_context : 0;
		nic_rule_match(&rule.fs, to->text, sizeof(to->text));
		info->rule_count++;
	}
	nic_rules_done(&rules);
	return r;
}
