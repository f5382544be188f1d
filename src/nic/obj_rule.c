// SPDX-License-Identifier: MIT
/*
 * obj_rule.c - flow rules as objects: made at a location, known by it, removed when they are ours.
 *
 * Theory: rules have no netlink interface; they are listed, read, made and removed by ioctl.
 *	Drivers differ in who chooses the location of a new one:
 *
 *	any       the driver says so (RX_CLS_LOC_SPECIAL) and is asked for RX_CLS_LOC_ANY (bnxt)
 *	explicit  the highest free location, as ethtool(8) does (mlx5)
 *
 *	A location alone does not make a rule ours: somebody may have put another one there.  So
 *	each use of a handle first reads the rule and compares its text.
 * Invariants: 1. no rule is removed whose text is not that of the specification.  2. no rule is
 *	made over another one, nor beside one that matches the same packets.
 * Ownership: texts and handles are the caller's.
 * Threads: one context from one thread at a time; the journal's lock keeps other owners from taking
 *	the same free location.
 * Errors: -EEXIST, -ENOSPC, -EOPNOTSUPP and the driver's own, with advice.
 * Sources: include/uapi/linux/ethtool.h (struct ethtool_rxnfc), net/ethtool/ioctl.c
 *	(ethtool_get_rxnfc, ethtool_set_rxnfc), drivers/net/ethernet/broadcom/bnxt/bnxt_ethtool.c
 *	(bnxt_srxclsrlins; -EINVAL for a rule that is not there), drivers/net/ethernet/mellanox/
 *	mlx5/core/en_fs_ethtool.c (mlx5e_ethtool_get_all_flows wants the exact number of rules),
 *	Linux 7.3
 * Tests: tests/unit/test_nic_drivers.c, tests/vm/t/nic_kind_object.sh
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"
#include "rule_text.h"
#include "value.h"

#define READ_TRIES 5 /* rules may come and go between being counted and listed */

/* ----------------------------------------------------------------------- the table */

static int list_once(struct nic_ctx *ctx, struct nic_rules *ret, struct weir_error *reterr)
{
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	struct ethtool_rxnfc *all;
	int r = nic_ioctl(ctx, &count, "ethtool rules", reterr);

	if (r)
		return r;
	all = calloc(1, sizeof(*all) + (size_t)count.rule_cnt * sizeof(uint32_t));
	ret->location = calloc(count.rule_cnt + 1ull, sizeof(uint32_t));
	if (!all || !ret->location) {
		free(all);
		return weir_error_set(reterr, -ENOMEM, "ethtool rules", ctx->ifname, NULL);
	}
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = count.rule_cnt;
	r = nic_ioctl(ctx, all, "ethtool rules", reterr);
	if (!r) {
		ret->count = all->rule_cnt < count.rule_cnt ? all->rule_cnt : count.rule_cnt;
		memcpy(ret->location, all->rule_locs, ret->count * sizeof(uint32_t));
		ret->any = count.data & RX_CLS_LOC_SPECIAL;
		ret->room = (uint32_t)(all->data & ~(uint64_t)RX_CLS_LOC_SPECIAL);
		if (!ret->room)
			ret->room = (uint32_t)(count.data & ~(uint64_t)RX_CLS_LOC_SPECIAL);
	}
	free(all);
	return r;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int nic_rules_read(struct nic_ctx *ctx, struct nic_rules *ret, struct weir_error *reterr)
{
	struct nic_rules rules;
	int r = -EMSGSIZE;

	for (int i = 0; i < READ_TRIES && (r == -EMSGSIZE || r == -EINVAL); i++) {
		rules = (struct nic_rules){ 0 };
		r = list_once(ctx, &rules, reterr);
		if (r)
			nic_rules_done(&rules);
	}
	if (r)
		return r;
	qsort(rules.location, rules.count, sizeof(uint32_t), by_number);
	*ret = rules;
	return 0;
}

void nic_rules_done(struct nic_rules *rules)
{
	free(rules->location);
	*rules = (struct nic_rules){ 0 };
}

int nic_rule_read(struct nic_ctx *ctx, uint32_t location, struct ethtool_rxnfc *ret,
		  struct weir_error *reterr)
{
	struct ethtool_rxnfc rule = { .cmd = ETHTOOL_GRXCLSRULE, .fs.location = location };
	int r = nic_ioctl(ctx, &rule, "ethtool rule", reterr);

	if (r == -EINVAL) /* of some drivers, for a location without a rule */
		r = weir_error_set(reterr, -ENOENT, "ethtool rule", ctx->ifname, NULL);
	if (!r)
		*ret = rule;
	return r;
}

static bool has(const struct nic_rules *rules, uint32_t location)
{
	return bsearch(&location, rules->location, rules->count, sizeof(uint32_t), by_number);
}

/* -------------------------------------------------------------------------- making */

/* Another rule that matches the same packets: drivers differ in which of the two decides. */
static int same_match(struct nic_ctx *ctx, const struct nic_rules *rules,
		      const struct ethtool_rxnfc *rule, struct weir_error *reterr)
{
	char ours[NIC_RULE_BYTES], theirs[NIC_RULE_BYTES];

	nic_rule_match(&rule->fs, ours, sizeof(ours));
	for (uint32_t i = 0; i < rules->count; i++) {
		struct ethtool_rxnfc other;
		int r = nic_rule_read(ctx, rules->location[i], &other, reterr);

		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		if (strcmp(nic_rule_match(&other.fs, theirs, sizeof(theirs)), ours))
			continue;
		return weir_error_set(reterr, -EEXIST, "ethtool rule insert", ctx->ifname,
				      "rule %" PRIu32 " takes these packets already: %s; remove "
				      "it: ethtool -N %s delete %" PRIu32,
				      rules->location[i],
				      nic_rule_text(&other, theirs, sizeof(theirs)), ctx->ifname,
				      rules->location[i]);
	}
	return 0;
}

static int location_choose(struct nic_ctx *ctx, const struct nic_rules *rules, uint32_t *ret,
			   struct weir_error *reterr)
{
	if (rules->any) {
		*ret = RX_CLS_LOC_ANY;
		return 0;
	}
	for (uint32_t location = rules->room; location-- > 0;)
		if (!has(rules, location)) {
			*ret = location;
			return 0;
		}
	if (!rules->room)
		return weir_error_set(reterr, -EOPNOTSUPP, "ethtool rule insert", ctx->ifname,
				      "the NIC has no room for flow rules");
	return weir_error_set(reterr, -ENOSPC, "ethtool rule insert", ctx->ifname,
			      "all %" PRIu32
			      " places for flow rules are taken: ethtool -n %s lists "
			      "them",
			      rules->room, ctx->ifname);
}

static void advise(struct nic_ctx *ctx, int code, const struct ethtool_rxnfc *rule,
		   struct weir_error *reterr)
{
	switch (code) {
	case -EEXIST:
		nic_advise(reterr, "a rule takes these packets already: ethtool -n %s lists them",
			   ctx->ifname);
		break;
	case -ENOSPC:
		nic_advise(reterr,
			   "the NIC has no place for another flow rule: ethtool -n %s lists "
			   "them",
			   ctx->ifname);
		break;
	case -EOPNOTSUPP:
		nic_advise(reterr,
			   "if flow rules are switched off: ethtool -K %s ntuple on; else "
			   "the NIC cannot match these fields together",
			   ctx->ifname);
		break;
	case -EINVAL:
		nic_advise(reterr, "%s, or the NIC cannot match these fields together",
			   rule->fs.flow_type & FLOW_RSS ? "there is no such RSS context" :
							   "there is no such queue");
		break;
	default:
		break;
	}
}

/* Handles of all rules that are the same as @spec. */
static int find(struct nic_ctx *ctx, const char *spec, char **ret, struct weir_error *reterr)
{
	struct nic_rules rules;
	char text[NIC_RULE_BYTES];
	char *all = NULL;
	int r = nic_rules_read(ctx, &rules, reterr);

	if (r)
		return r;
	r = nic_text_new(&all, "%s", "");
	for (uint32_t i = 0; !r && i < rules.count; i++) {
		struct ethtool_rxnfc rule;
		char *longer = NULL;

		r = nic_rule_read(ctx, rules.location[i], &rule, reterr);
		if (r == -ENOENT ||
		    (!r && strcmp(nic_rule_text(&rule, text, sizeof(text)), spec))) {
			r = 0;
			continue;
		}
		if (!r)
			r = nic_text_new(&longer, "%s%s%" PRIu32, all, all[0] ? " " : "",
					 rules.location[i]);
		if (!r) {
			free(all);
			all = longer;
		}
	}
	nic_rules_done(&rules);
	if (r)
		free(all);
	else
		*ret = all;
	return r;
}

/* The driver chose a location and did not say which. */
static int find_made(struct nic_ctx *ctx, const char *spec, char **ret, struct weir_error *reterr)
{
	int r = find(ctx, spec, ret, reterr);

	if (!r && !(*ret)[0]) {
		free(*ret);
		return weir_error_set(reterr, -EIO, "ethtool rule insert", ctx->ifname,
				      "the driver accepted the rule and does not list it");
	}
	if (!r)
		(*ret)[strcspn(*ret, " ")] = '\0'; /* one: there was none before */
	return r;
}

static int make(struct nic_ctx *ctx, const char *spec, char **rethandle, struct weir_error *reterr)
{
	struct ethtool_rxnfc rule;
	struct nic_rules rules;
	int r = nic_rule_parse(spec, &rule, reterr);

	if (r)
		return r;
	r = nic_rules_read(ctx, &rules, reterr);
	if (r == -EOPNOTSUPP)
		nic_advise(reterr, "the NIC has no flow rules");
	if (r)
		return r;
	r = same_match(ctx, &rules, &rule, reterr);
	if (!r)
		r = location_choose(ctx, &rules, &rule.fs.location, reterr);
	nic_rules_done(&rules);
	if (r)
		return r;
	rule.cmd = ETHTOOL_SRXCLSRLINS;
	r = nic_ioctl(ctx, &rule, "ethtool rule insert", reterr);
	if (r) {
		advise(ctx, r, &rule, reterr);
		return r;
	}
	if (rule.fs.location & RX_CLS_LOC_SPECIAL)
		return find_made(ctx, spec, rethandle, reterr);
	return nic_text_new(rethandle, "%" PRIu32, rule.fs.location);
}

/* ------------------------------------------------------------------ afterwards */

static int location_parse(const char *handle, uint32_t *ret)
{
	uint64_t n;

	if (nic_number_parse(handle, RX_CLS_LOC_SPECIAL - 1u, &n))
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

static int check(struct nic_ctx *ctx, const char *spec, const char *handle)
{
	struct ethtool_rxnfc rule;
	char text[NIC_RULE_BYTES];
	uint32_t location;
	int r = location_parse(handle, &location);

	if (!r)
		r = nic_rule_read(ctx, location, &rule, NULL);
	if (r)
		return r;
	return strcmp(nic_rule_text(&rule, text, sizeof(text)), spec) ? -ESTALE : 0;
}

static int remove_rule(struct nic_ctx *ctx, const char *spec, const char *handle,
		       struct weir_error *reterr)
{
	struct ethtool_rxnfc rule = { .cmd = ETHTOOL_SRXCLSRLDEL };
	int r = check(ctx, spec, handle);

	if (r)
		return weir_error_set(reterr, r, "ethtool rule delete", ctx->ifname,
				      r == -ESTALE ? "rule %s is not the one that was made" :
						     "rule %s cannot be read",
				      handle);
	r = location_parse(handle, &rule.fs.location);
	return r ? r : nic_ioctl(ctx, &rule, "ethtool rule delete", reterr);
}

static void what(const char *spec, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "flow rule %s", spec);
}

/* The text is ethtool's own language but for the word "queue".  A plan also has "context new". */
static void ethtool(const char *ifname, const char *spec, const char *handle, char *buf,
		    size_t bytes)
{
	const char *queue = strstr(spec, " queue ");

	if (handle)
		snprintf(buf, bytes, "ethtool -N %s delete %s", ifname, handle);
	else if (queue)
		snprintf(buf, bytes, "ethtool -N %s flow-type %.*s action %s", ifname,
			 (int)(queue - spec), spec, queue + strlen(" queue "));
	else
		snprintf(buf, bytes, "ethtool -N %s flow-type %s", ifname, spec);
}

const struct nic_object_kind nic_obj_rule = {
	.name = "rule",
	.list = find,
	.make = make,
	.check = check,
	.remove = remove_rule,
	.what = what,
	.ethtool = ethtool,
};
