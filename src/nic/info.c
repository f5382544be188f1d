// SPDX-License-Identifier: MIT
/*
 * info.c - the state of an interface, put together from what read_*.c, guard.c and the journal say.
 *
 * Theory: one pass over the readers, each of which fills its members and leaves the rest at "not
 *	known". What several of them tell together (rules and table entries of a queue) is counted
 *	at the end. The state is a copy: it does not change with the NIC.
 * Invariants:
 *	1. nothing is changed by reading.
 *	2. queues has rx_queues elements, each with its own index.
 * Ownership: the caller of weir_nic_info_read() owns the state, with all its arrays.
 * Threads: none of its own; a finished state may be read by several.
 * Errors: -ENODEV, -EINVAL, -ENOMEM, those of socket(2), and of a damaged journal.
 * Sources: none of its own.
 * Tests: tests/unit/test_nic_nl.c, tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <stdlib.h>

#include "read.h"

static const struct nic_info *inner(const struct weir_nic_info *info)
{
	return (const struct nic_info *)info;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int nic_ranges_put(const uint32_t *table, size_t n, char *buf, size_t bytes)
{
	uint32_t *sorted = calloc(n + 1, sizeof(*sorted));
	size_t used = 0, last;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = table[i];
	qsort(sorted, n, sizeof(*sorted), by_number);
	buf[0] = '\0';
	for (size_t i = 0; i < n; i = last + 1) {
		char one[32];
		int length;

		for (last = i; last + 1 < n && sorted[last + 1] - sorted[last] <= 1; last++)
			;
		length = snprintf(one, sizeof(one), sorted[last] == sorted[i] ? "%s%u" : "%s%u-%u",
				  i ? "," : "", sorted[i], sorted[last]);
		if (used + (size_t)length + sizeof("...") > bytes) {
			snprintf(buf + used, bytes - used, "...");
			break;
		}
		used += (size_t)snprintf(buf + used, bytes - used, "%s", one);
	}
	free(sorted);
	return 0;
}

/* Rules and table entries of each queue. */
static void count_queues(struct nic_info *info)
{
	for (unsigned i = 0; i < info->rule_count; i++) {
		int32_t queue = info->rules[i].queue;

		if (queue >= 0 && (uint32_t)queue < info->pub.rx_queues)
			info->queues[queue].rules++;
	}
	for (uint32_t i = 0; i < info->pub.rss_table_entries; i++)
		if (info->rss[i] < info->pub.rx_queues)
			info->queues[info->rss[i]].rss++;
}

static uint32_t owner_of(const struct nic_journal *j, const struct nic_object_kind *kind,
			 uint32_t number)
{
	char handle[16];

	snprintf(handle, sizeof(handle), "%u", number);
	return nic_journal_object_owner(j, kind, handle);
}

static int owners_read(struct nic_info *info, const struct nic_journal *j)
{
	const struct nic_owner *owner;
	unsigned n = 0;

	while (nic_journal_owner(j, n))
		n++;
	if (n) {
		info->owners = calloc(n, sizeof(*info->owners));
		if (!info->owners)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		owner = nic_journal_owner(j, i);
		info->owners[i] = (struct weir_nic_owner){
			.id = owner->id,
			.pid = owner->pid,
			.alive = nic_owner_life(owner) != NIC_DEAD,
			.changes = nic_journal_changes(j, owner->id),
		};
		snprintf(info->owners[i].name, sizeof(info->owners[i].name), "%s", owner->name);
	}
	info->owner_count = n;
	for (unsigned i = 0; i < info->rule_count; i++)
		info->rules[i].ours = owner_of(j, &nic_obj_rule, info->rules[i].location);
	for (unsigned i = 0; i < info->context_count; i++)
		info->contexts[i].ours = owner_of(j, &nic_obj_context, info->contexts[i].id);
	return 0;
}

static int read_all(struct nic_info *info, struct nic_ctx *ctx, const struct nic_journal *j)
{
	struct nic_link link;
	int r;

	r = nic_read_link(ctx, &info->pub, &link);
	if (!r)
		r = nic_read_ethtool(ctx, &info->pub);
	if (!r)
		r = nic_read_queues(ctx, info, &link);
	if (!r)
		r = nic_read_rules(ctx, info);
	if (!r)
		r = nic_read_rss(ctx, info);
	if (r)
		return r;
	count_queues(info);
	r = nic_guard(ctx, info->pub.carries, sizeof(info->pub.carries));
	if (r == -ENOMEM)
		return r;
	if (r) /* better asked once too often */
		snprintf(info->pub.carries, sizeof(info->pub.carries),
			 "the routes cannot be read, so it may be the machine's way out");
	return j ? owners_read(info, j) : 0;
}

int nic_info_read(struct nic_info **ret, struct nic_ctx *ctx, const struct nic_journal *j,
		  struct weir_error *reterr)
{
	struct nic_info *info = calloc(1, sizeof(*info));
	int r = info ? read_all(info, ctx, j) : -ENOMEM;

	if (r) {
		weir_nic_info_free(&info->pub);
		return weir_error_set(reterr, r, "reading the state", ctx->ifname, "%s",
				      r == -ENODEV ? "the interface is gone" : "");
	}
	*ret = info;
	return 0;
}

int weir_nic_info_read(const struct weir_nic_info **ret, const char *ifname,
		       struct weir_error *reterr)
{
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	struct nic_info *info = NULL;
	struct nic_ctx ctx;
	int r = nic_ctx_init(&ctx, ifname, &err);

	if (!r)
		r = nic_journal_open(&j, &ctx, false, &err);
	if (!r)
		r = nic_info_read(&info, &ctx, j, &err);
	nic_journal_close(j);
	nic_ctx_fini(&ctx);
	if (!r)
		*ret = &info->pub;
	return nic_error_give(reterr, &err, r, "reading the state", ifname);
}

void weir_nic_info_free(const struct weir_nic_info *info)
{
	struct nic_info *own = (struct nic_info *)(uintptr_t)info;

	if (!own)
		return;
	free(own->queues);
	free(own->rules);
	free(own->contexts);
	free(own->owners);
	free(own->rss);
	free(own);
}

const struct weir_nic_queue *weir_nic_info_queue(const struct weir_nic_info *info, unsigned index)
{
	return index < info->rx_queues ? &inner(info)->queues[index] : NULL;
}

const struct weir_nic_rule *weir_nic_info_rule(const struct weir_nic_info *info, unsigned i)
{
	return i < inner(info)->rule_count ? &inner(info)->rules[i] : NULL;
}

const struct weir_nic_context *weir_nic_info_context(const struct weir_nic_info *info, unsigned i)
{
	return i < inner(info)->context_count ? &inner(info)->contexts[i] : NULL;
}

const struct weir_nic_owner *weir_nic_info_owner(const struct weir_nic_info *info, unsigned i)
{
	return i < inner(info)->owner_count ? &inner(info)->owners[i] : NULL;
}

int weir_nic_info_rss(const struct weir_nic_info *info, unsigned i)
{
	return i < info->rss_table_entries ? (int)inner(info)->rss[i] : -1;
}
