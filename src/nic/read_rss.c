// SPDX-License-Identifier: MIT
/*
 * read_rss.c - how an interface spreads packets: RSS table, key, function, fields, contexts.
 *
 * Theory: table, key and function of context 0 come by ETHTOOL_GRSSH, which every kernel has: once
 *	with sizes 0, which gives the sizes, then with room for both.  Contexts are dumped by
 *	netlink (Linux 6.12); older kernels are asked for each id that a rule names, and for the
 *	small ones, because they have no list.
 * Invariants: 1. contexts are in the order of their ids, each once; context 0 is none of them.
 * Ownership: nic_info owns its arrays.
 * Threads: as nl.c.
 * Errors: -ENODEV (gone), -ENOMEM.
 * Sources: net/ethtool/ioctl.c (ethtool_get_rxfh), net/ethtool/rss.c (ethnl_rss_dumpit), Linux 7.3.
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <stdlib.h>
#include <string.h>

#include "read.h"
#include "rss_table.h"
#include "uapi/ethtool.h"

#define CONTEXT_TRIES 64 /* ids that are asked for where the kernel has no list */

static int context_add(struct nic_info *info, uint32_t id, const uint32_t *table, size_t n)
{
	struct weir_nic_context *grown;

	for (unsigned i = 0; i < info->context_count; i++)
		if (info->contexts[i].id == id)
			return 0;
	grown = realloc(info->contexts, (info->context_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	info->contexts = grown;
	grown[info->context_count] = (struct weir_nic_context){ .id = id };
	if (nic_ranges_put(table, n, grown[info->context_count].queues, sizeof(grown->queues)))
		return -ENOMEM;
	info->context_count++;
	return 0;
}

/* Table, key and function of context 0; the caller frees *ret. */
static int rxfh_get(struct nic_ctx *ctx, struct weir_ethtool_rxfh **ret)
{
	struct weir_ethtool_rxfh sizes = { .cmd = ETHTOOL_GRSSH }, *whole;
	int r = nic_ioctl(ctx, &sizes, "ethtool RSS", NULL);

	if (r)
		return r;
	whole = calloc(1, sizeof(*whole) + sizes.indir_size * sizeof(uint32_t) + sizes.key_size);
	if (!whole)
		return -ENOMEM;
	*whole = (struct weir_ethtool_rxfh){
		.cmd = ETHTOOL_GRSSH,
		.indir_size = sizes.indir_size,
		.key_size = sizes.key_size,
	};
	r = nic_ioctl(ctx, whole, "ethtool RSS", NULL);
	/* Asked without room, as there was nothing, it tells sizes again: there may be some now. */
	if (!r && (whole->indir_size != sizes.indir_size || whole->key_size != sizes.key_size))
		r = -EBADMSG;
	if (r)
		free(whole);
	else
		*ret = whole;
	return r;
}

/* The function's name, from the kernel's list; empty where there is none or no memory. */
static void function_name(struct nic_ctx *ctx, uint32_t hfunc, char *buf, size_t bytes)
{
	struct ethtool_gstrings *names;
	unsigned bit = 0;

	if (!hfunc || nic_strings_read(ctx, ETH_SS_RSS_HASH_FUNCS, &names, NULL))
		return;
	while (!(hfunc & 1u << bit))
		bit++;
	if (bit < names->len)
		snprintf(buf, bytes, "%.*s", ETH_GSTRING_LEN,
			 (const char *)names->data + bit * ETH_GSTRING_LEN);
	free(names);
}

/* Which packets are hashed by addresses and ports. */
static int fields_read(struct nic_ctx *ctx, struct weir_nic_info *pub)
{
	const uint32_t all = RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3;
	const struct {
		uint32_t flow_type;
		uint32_t bit;
	} kinds[] = {
		{ TCP_V4_FLOW, WEIR_NIC_HASH_TCP4 },
		{ UDP_V4_FLOW, WEIR_NIC_HASH_UDP4 },
		{ TCP_V6_FLOW, WEIR_NIC_HASH_TCP6 },
		{ UDP_V6_FLOW, WEIR_NIC_HASH_UDP6 },
	};

	for (size_t i = 0; i < weir_array_len(kinds); i++) {
		struct ethtool_rxnfc fields = {
			.cmd = ETHTOOL_GRXFH,
			.flow_type = kinds[i].flow_type,
		};
		int r = nic_ioctl(ctx, &fields, "ethtool hash fields", NULL);

		if (!r && (fields.data & all) == all)
			pub->rss_hash_ports |= kinds[i].bit;
		r = nic_read_failed(r);
		if (r)
			return r;
	}
	return 0;
}

static int table_read(struct nic_ctx *ctx, struct nic_info *info)
{
	struct weir_ethtool_rxfh *whole;
	int r = rxfh_get(ctx, &whole);

	if (r)
		return nic_read_failed(r);
	if (whole->indir_size) {
		info->rss = calloc(whole->indir_size, sizeof(*info->rss));
		if (!info->rss) {
			free(whole);
			return -ENOMEM;
		}
		memcpy(info->rss, whole->rss_config, whole->indir_size * sizeof(*info->rss));
		info->pub.rss_table_entries = whole->indir_size;
	}
	if (whole->key_size <= sizeof(info->pub.rss_key)) {
		memcpy(info->pub.rss_key, whole->rss_config + whole->indir_size, whole->key_size);
		info->pub.rss_key_bytes = whole->key_size;
	}
	info->pub.rss_symmetric = whole->input_xfrm != WEIR_RXH_XFRM_NO_CHANGE &&
				  whole->input_xfrm &
					  (WEIR_RXH_XFRM_SYM_XOR | WEIR_RXH_XFRM_SYM_OR_XOR);
	function_name(ctx, whole->hfunc, info->pub.rss_hash, sizeof(info->pub.rss_hash));
	free(whole);
	return fields_read(ctx, &info->pub);
}

static int context_cb(const struct nlmsghdr *h, void *user)
{
	const uint32_t *table = NULL;
	struct nic_info *info = user;
	const struct nlattr *attr;
	uint32_t id = 0;
	size_t n = 0;
	int r;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		switch (mnl_attr_get_type(attr)) {
		case WEIR_ETHTOOL_A_RSS_CONTEXT:
			id = (uint32_t)nic_attr_uint(attr);
			break;
		case WEIR_ETHTOOL_A_RSS_INDIR:
			table = mnl_attr_get_payload(attr);
			n = mnl_attr_get_payload_len(attr) / sizeof(*table);
			break;
		default:
			break;
		}
	if (!id)
		return MNL_CB_OK;
	r = context_add(info, id, table, n);
	if (r) {
		errno = -r;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

/* One context by its id, where the kernel has it. */
static int context_ask(struct nic_ctx *ctx, struct nic_info *info, uint32_t id)
{
	struct nic_list table;
	int r = nic_rss_read(ctx, id, &table, NULL, NULL);

	if (r)
		return r;
	r = context_add(info, id, table.at, table.count);
	nic_list_done(&table);
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct weir_nic_context *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int contexts_ask(struct nic_ctx *ctx, struct nic_info *info)
{
	int r = 0;

	/* -EOPNOTSUPP: this driver has no contexts */
	for (uint32_t id = 1; r != -EOPNOTSUPP && id <= CONTEXT_TRIES; id++) {
		r = context_ask(ctx, info, id);
		if (nic_read_failed(r))
			return nic_read_failed(r);
	}
	for (unsigned i = 0; i < info->rule_count; i++) {
		if (info->rules[i].queue != WEIR_NIC_TO_CONTEXT || !info->rules[i].context)
			continue;
		r = nic_read_failed(context_ask(ctx, info, info->rules[i].context));
		if (r)
			return r;
	}
	return 0;
}

int nic_read_rss(struct nic_ctx *ctx, struct nic_info *info)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg;
	int r = table_read(ctx, info);

	if (r)
		return r;
	msg = nic_ethtool_begin(ctx, buf, WEIR_ETHTOOL_MSG_RSS_GET, NLM_F_DUMP,
				WEIR_ETHTOOL_A_RSS_HEADER, 0);
	r = nic_nl_talk(ctx, msg, context_cb, info, "ethtool RSS contexts", NULL);
	if (r == -ENOMEM)
		return r;
	if (r)
		r = contexts_ask(ctx, info);
	if (info->context_count)
		qsort(info->contexts, info->context_count, sizeof(*info->contexts), by_id);
	return r;
}
