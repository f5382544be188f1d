// SPDX-License-Identifier: MIT
/*
 * obj_context.c - RSS contexts as objects: further tables, to which flow rules lead.
 *
 * Theory: a context is a table over some queues, with the hash function and the key that the driver
 *	gives it.  It is made by netlink, whose refusals have words, or by ioctl where the kernel is
 *	older than that; both return its number.  Contexts have no name: one is ours if its table is
 *	the one we would make, so a context whose table somebody changed is left alone.
 * Invariants: 1. no context is removed whose table is not that of the specification.
 * Ownership: texts and handles are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -EOPNOTSUPP where the NIC has no contexts, -ENOSPC or -EBUSY where it has no more of
 *	them, -EBUSY for the removal of one that rules lead to.
 * Sources: net/ethtool/rss.c (ethnl_rss_create_doit, ethnl_rss_dumpit), net/ethtool/ioctl.c
 *	(ethtool_set_rxfh: ETH_RXFH_CONTEXT_ALLOC; size 0 removes), Linux 7.3; before 6.12 contexts
 *	cannot be listed and are looked for by number
 * Tests: tests/vm/t/nic_kind_object.sh
 */
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"
#include "rss_table.h"

#define WORDS_ENTRIES 4096 /* of a table that is only made for its words */
#define LOOK_MAX 128	   /* numbers that are tried where contexts cannot be listed */
#define STAGE_MAKE "ethtool RSS context new"

/* ------------------------------------------------------------------------ texts */

static int queues_parse(const char *spec, struct nic_list *ret, struct weir_error *reterr)
{
	int r = strncmp(spec, "queues ", 7) ? -EINVAL : nic_list_parse(spec + 7, ret);

	if (r == -EINVAL)
		return nic_value_bad(reterr, "RSS context", spec, "queues 2,3");
	return r;
}

static int id_parse(const char *handle, uint32_t *ret)
{
	uint64_t n;

	if (nic_number_parse(handle, ETH_RXFH_CONTEXT_ALLOC - 1u, &n) || !n)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* ----------------------------------------------------------------------- looking */

/* 0: the table of context @id is over these queues; -ENOENT; -ESTALE. */
static int compare(struct nic_ctx *ctx, const struct nic_list *queues, uint32_t id)
{
	struct nic_list table, ours = { 0 };
	int r = nic_rss_read(ctx, id, &table, NULL, NULL);

	if (r == -EINVAL) /* of drivers before 6.11, which kept contexts themselves */
		r = -ENOENT;
	if (r)
		return r;
	r = nic_rss_spread(queues, table.count, &ours);
	if (!r && memcmp(ours.at, table.at, table.count * sizeof(*table.at)))
		r = -ESTALE;
	nic_list_done(&table);
	nic_list_done(&ours);
	return r;
}

static int id_cb(const struct nlmsghdr *h, void *user)
{
	struct nic_list *ids = user;
	const struct nlattr *attr;
	uint32_t *at;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != WEIR_ETHTOOL_A_RSS_CONTEXT ||
		    mnl_attr_validate(attr, MNL_TYPE_U32) < 0 || !mnl_attr_get_u32(attr))
			continue;
		at = realloc(ids->at, (ids->count + 1ull) * sizeof(*at));
		if (!at) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		at[ids->count++] = mnl_attr_get_u32(attr);
		ids->at = at;
	}
	return MNL_CB_OK;
}

/* Numbers of all contexts but 0; where the kernel does not list them, all that may be. */
static int ids_read(struct nic_ctx *ctx, struct nic_list *ret, struct weir_error *reterr)
{
	char buf[NIC_NL_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nic_list ids = { 0 };
	struct nlmsghdr *msg = nic_ethtool_begin(ctx, buf, WEIR_ETHTOOL_MSG_RSS_GET, NLM_F_DUMP,
						 WEIR_ETHTOOL_A_RSS_HEADER, 0);
	int r = nic_nl_talk(ctx, msg, id_cb, &ids, "ethtool RSS contexts", reterr);

	if (r == -EOPNOTSUPP) {
		nic_list_done(&ids);
		r = nic_list_new(&ids, LOOK_MAX);
		for (uint32_t i = 0; !r && i < LOOK_MAX; i++)
			ids.at[i] = i + 1;
	}
	if (r)
		nic_list_done(&ids);
	else
		*ret = ids;
	return r;
}

static int list(struct nic_ctx *ctx, const char *spec, char **ret, struct weir_error *reterr)
{
	struct nic_list queues = { 0 }, ids = { 0 };
	char *all = NULL;
	int r = queues_parse(spec, &queues, reterr);

	if (!r)
		r = ids_read(ctx, &ids, reterr);
	if (!r)
		r = nic_text_new(&all, "%s", "");
	for (uint32_t i = 0; !r && i < ids.count; i++) {
		char *longer = NULL;

		r = compare(ctx, &queues, ids.at[i]);
		if (r == -EOPNOTSUPP) { /* no contexts at all */
			r = 0;
			break;
		}
		if (r == -ENOENT || r == -ESTALE) {
			r = 0;
			continue;
		}
		if (!r)
			r = nic_text_new(&longer, "%s%s%" PRIu32, all, all[0] ? " " : "",
					 ids.at[i]);
		if (!r) {
			free(all);
			all = longer;
		}
	}
	nic_list_done(&queues);
	nic_list_done(&ids);
	if (r)
		free(all);
	else
		*ret = all;
	return r;
}

static int check(struct nic_ctx *ctx, const char *spec, const char *handle)
{
	struct nic_list queues = { 0 };
	uint32_t id;
	int r = queues_parse(spec, &queues, NULL);

	if (!r)
		r = id_parse(handle, &id);
	if (!r)
		r = compare(ctx, &queues, id);
	nic_list_done(&queues);
	return r;
}

/* ------------------------------------------------------------- making and removing */

static int make_by_netlink(struct nic_ctx *ctx, const struct nic_list *table, uint32_t *retid,
			   struct weir_error *reterr)
{
	size_t bytes = (size_t)table->count * sizeof(uint32_t);
	char *buf = calloc(1, NIC_NL_BYTES + bytes);
	struct nic_list ids = { 0 };
	struct nlmsghdr *msg;
	int r;

	if (!buf)
		return weir_error_set(reterr, -ENOMEM, STAGE_MAKE, ctx->ifname, NULL);
	msg = nic_ethtool_begin(ctx, buf, WEIR_ETHTOOL_MSG_RSS_CREATE_ACT, 0,
				WEIR_ETHTOOL_A_RSS_HEADER, 0);
	mnl_attr_put(msg, WEIR_ETHTOOL_A_RSS_INDIR, bytes, table->at);
	r = nic_nl_talk(ctx, msg, id_cb, &ids, STAGE_MAKE, reterr);
	free(buf);
	if (!r && ids.count != 1)
		r = weir_error_set(reterr, -EBADMSG, STAGE_MAKE, ctx->ifname,
				   "the kernel did not say which number the context has");
	if (!r)
		*retid = ids.at[0];
	nic_list_done(&ids);
	return r;
}

/* The symmetry of the hash is left to the driver where the kernel knows of it. */
static int make_by_ioctl(struct nic_ctx *ctx, const struct weir_ethtool_rxfh *first,
			 const struct nic_list *table, uint32_t *retid, struct weir_error *reterr)
{
	struct weir_ethtool_rxfh head = {
		.rss_context = ETH_RXFH_CONTEXT_ALLOC,
		.input_xfrm = first->input_xfrm ? WEIR_RXH_XFRM_NO_CHANGE : 0,
	};
	int r = nic_rss_write(ctx, &head, table, STAGE_MAKE, reterr);

	if (!r)
		*retid = head.rss_context;
	return r;
}

static void advise(struct nic_ctx *ctx, int code, struct weir_error *reterr)
{
	uint32_t rings = 0;

	if (code == -EOPNOTSUPP)
		nic_advise(reterr, "the NIC has no further RSS contexts: use one queue for a port");
	else if (code == -ENOSPC || code == -EBUSY)
		nic_advise(reterr,
			   "the NIC has no more RSS contexts: ethtool -x %s context N shows "
			   "one, ethtool -X %s context N delete removes it",
			   ctx->ifname, ctx->ifname);
	else if (code == -EINVAL && !nic_rss_rings(ctx, &rings, NULL))
		nic_advise(reterr, "the NIC has %" PRIu32 " receive queues", rings);
}

static int make(struct nic_ctx *ctx, const char *spec, char **rethandle, struct weir_error *reterr)
{
	struct nic_list queues = { 0 }, first = { 0 }, table = { 0 };
	struct weir_ethtool_rxfh head;
	uint32_t id = 0;
	int r = queues_parse(spec, &queues, reterr);

	if (!r)
		r = nic_rss_read(ctx, 0, &first, &head, reterr);
	if (!r)
		r = nic_rss_spread(&queues, first.count, &table);
	if (!r) {
		r = make_by_netlink(ctx, &table, &id, reterr);
		if (r == -EOPNOTSUPP) /* also where the kernel has no such message */
			r = make_by_ioctl(ctx, &head, &table, &id, reterr);
		if (r)
			advise(ctx, r, reterr);
	}
	if (!r)
		r = nic_text_new(rethandle, "%" PRIu32, id);
	nic_list_done(&queues);
	nic_list_done(&first);
	nic_list_done(&table);
	return r;
}

static int remove_context(struct nic_ctx *ctx, const char *spec, const char *handle,
			  struct weir_error *reterr)
{
	struct weir_ethtool_rxfh head = { 0 };
	int r = check(ctx, spec, handle);

	if (r)
		return weir_error_set(reterr, r, "ethtool RSS context delete", ctx->ifname,
				      r == -ESTALE ? "the table of context %s was changed" :
						     "context %s cannot be read",
				      handle);
	r = id_parse(handle, &head.rss_context);
	if (!r)
		r = nic_rss_write(ctx, &head, NULL, "ethtool RSS context delete", reterr);
	if (r == -EBUSY)
		nic_advise(reterr, "flow rules lead to context %s: ethtool -n %s lists them",
			   handle, ctx->ifname);
	return r;
}

static void what(const char *spec, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "RSS context of %s", spec);
}

static void ethtool(const char *ifname, const char *spec, const char *handle, char *buf,
		    size_t bytes)
{
	struct nic_list queues, table;
	char words[4096];

	buf[0] = '\0';
	if (handle) {
		snprintf(buf, bytes, "ethtool -X %s context %s delete", ifname, handle);
		return;
	}
	if (queues_parse(spec, &queues, NULL))
		return;
	/* the words are the same for any table that has an entry for each of the queues */
	if (!nic_rss_spread(&queues, WORDS_ENTRIES, &table)) {
		nic_rss_words(&table, words, sizeof(words));
		if (words[0])
			snprintf(buf, bytes, "ethtool -X %s context new %s", ifname, words);
		nic_list_done(&table);
	}
	nic_list_done(&queues);
}

const struct nic_object_kind nic_obj_context = {
	.name = "context",
	.list = list,
	.make = make,
	.check = check,
	.remove = remove_context,
	.what = what,
	.ethtool = ethtool,
};
