// SPDX-License-Identifier: MIT
/*
 * set_feature.c - switches of the NIC ("ethtool -K") as settings.
 *
 * Theory: the key is ethtool's short word, the kernel knows the feature by another name.  A feature
 *	can be wanted and yet off, because another one or the driver prevents it; the value is what
 *	is in effect.  The kernel then answers without an error, and the caller, who reads back,
 *	sees it.
 * Invariants: 1. one bit is changed, and no other by our wish.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -ENOENT for a feature that the kernel does not know; -EOPNOTSUPP for one that is fixed.
 * Sources: net/ethtool/features.c (ethnl_set_features), net/ethtool/common.c
 *	(netdev_features_strings), Linux 7.3
 * Tests: tests/vm/t/nic_kind_set.sh, tests/netns/nic_kinds.sh
 */
#include <linux/ethtool_netlink.h>
#include <string.h>

#include "nl.h"
#include "value.h"

static const struct {
	const char *key, *name, *what;
} features[] = {
	{ "ntuple", "rx-ntuple-filter", "flow rules" },
	{ "rx-gro-hw", "rx-gro-hw", "receive offload by hardware" },
	{ "lro", "rx-lro", "large receive offload" },
};

static int find(const char *key, const char **retname, struct weir_error *reterr)
{
	for (size_t i = 0; i < weir_array_len(features); i++)
		if (!strcmp(features[i].key, key)) {
			*retname = features[i].name;
			return 0;
		}
	return nic_value_bad(reterr, "feature", key, "ntuple, rx-gro-hw, lro");
}

static int read_switch(struct nic_ctx *ctx, const char *key, struct weir_nic_switch *ret,
		       struct weir_error *reterr)
{
	const char *name;
	int r = find(key, &name, reterr);

	if (!r)
		r = nic_feature_read(ctx, name, ret, reterr);
	if (!r && ret->state != WEIR_NIC_ON && ret->state != WEIR_NIC_OFF)
		r = weir_error_set(reterr, -ENOENT, "ethtool features", ctx->ifname,
				   "the kernel has no feature \"%s\"", name);
	return r;
}

static int get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	struct weir_nic_switch now;
	int r = read_switch(ctx, key, &now, reterr);

	return r ? r : nic_text_new(ret, "%s", now.state == WEIR_NIC_ON ? "on" : "off");
}

static int write_switch(struct nic_ctx *ctx, const char *name, bool on, struct weir_error *reterr)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_FEATURES_SET, 0,
						 ETHTOOL_A_FEATURES_HEADER,
						 ETHTOOL_FLAG_OMIT_REPLY);
	struct nlattr *wanted = mnl_attr_nest_start(msg, ETHTOOL_A_FEATURES_WANTED);
	struct nlattr *bits = mnl_attr_nest_start(msg, ETHTOOL_A_BITSET_BITS);
	struct nlattr *bit = mnl_attr_nest_start(msg, ETHTOOL_A_BITSET_BITS_BIT);

	mnl_attr_put_strz(msg, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (on)
		mnl_attr_put(msg, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(msg, bit);
	mnl_attr_nest_end(msg, bits);
	mnl_attr_nest_end(msg, wanted);
	return nic_nl_talk(ctx, msg, NULL, NULL, "ethtool features set", reterr);
}

static int set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
	       struct weir_error *reterr)
{
	bool on = !strcmp(to, "on");
	struct weir_nic_switch now;
	const char *name;
	int r = find(key, &name, reterr);

	(void)from;
	if (r)
		return r;
	if (!on && strcmp(to, "off"))
		return nic_value_bad(reterr, "feature", to, "on, off");
	r = read_switch(ctx, key, &now, reterr);
	if (!r && now.fixed && on != (now.state == WEIR_NIC_ON))
		r = weir_error_set(reterr, -EOPNOTSUPP, "ethtool features set", ctx->ifname,
				   "the driver does not let \"%s\" be changed", name);
	return r ? r : write_switch(ctx, name, on, reterr);
}

static void what(const char *key, char *buf, size_t bytes)
{
	for (size_t i = 0; i < weir_array_len(features); i++)
		if (!strcmp(features[i].key, key))
			snprintf(buf, bytes, "%s (%s)", features[i].what, key);
}

static void ethtool(const char *ifname, const char *key, const char *from, const char *to,
		    char *buf, size_t bytes)
{
	(void)from;
	snprintf(buf, bytes, "ethtool -K %s %s %s", ifname, key, to);
}

const struct nic_setting_kind nic_set_feature = {
	.name = "feature",
	.get = get,
	.set = set,
	.target = nic_target_same,
	.what = what,
	.ethtool = ethtool,
};
