// SPDX-License-Identifier: MIT
/*
 * rss_table.c - RSS tables: read, compute, say how ethtool makes them.
 *
 * Theory: the low bits of a packet's hash choose an entry of the table, the entry names the queue.
 *
 *	default over 4 queues      0 1 2 3 0 1 2 3
 *	away from 3                0 1 2 0 1 2 0 1    spread anew, as by "ethtool -X equal 3"
 *	away from 1                0 0 2 2 2 3 3 3    the same as by "ethtool -X weight 1 0 1 1"
 *	another   1 1 1 3 1 1 1 3
 *	away from 3                1 1 1 1 1 1 1 1    only what must change
 *
 *	The table is written with ETHTOOL_SRSSH and not with ETHTOOL_SRXFHINDIR, because the latter
 *	hands drivers "no symmetry of the hash" instead of "as it is".  ETHTOOL_SRSSH is given the
 *	symmetry that ETHTOOL_GRSSH read: before 6.8 that byte is reserved, and reads as 0.
 * Invariants: 1. a table names only queues that there are.  2. a table that was made by
 *	nic_rss_away() names no queue that is to be kept free.
 * Ownership: tables are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: as documented; the driver's own otherwise.
 * Sources: net/ethtool/ioctl.c (ethtool_get_rxfh, ethtool_set_rxfh, ethtool_set_rxfh_indir) and
 *	include/linux/ethtool.h (ethtool_rxfh_indir_default) of Linux 7.3; how
 *	ethtool(8) fills a table from "equal" and "weight": fill_indir_table() of ethtool 6.1
 * Tests: tests/unit/test_nic_rss.c, tests/vm/t/nic_kind_set.sh
 */
#include <inttypes.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

#include "nl.h"
#include "rss_table.h"

#define READ_TRIES 5 /* the size may change between being asked for and used */

/* --------------------------------------------------------------------- the kernel */

static struct weir_ethtool_rxfh *request_new(uint32_t entries)
{
	return calloc(1, sizeof(struct weir_ethtool_rxfh) + (size_t)entries * sizeof(uint32_t));
}

/* Sizes first: they are what a question without room is answered with. */
static int read_once(struct nic_ctx *ctx, uint32_t context, struct nic_list *ret,
		     struct weir_ethtool_rxfh *rethead, struct weir_error *reterr)
{
	struct weir_ethtool_rxfh head = { .cmd = ETHTOOL_GRSSH, .rss_context = context };
	struct weir_ethtool_rxfh *full;
	struct nic_list table;
	int r = nic_ioctl(ctx, &head, "ethtool RSS", reterr);

	if (r)
		return r;
	if (!head.indir_size)
		return weir_error_set(reterr, -EOPNOTSUPP, "ethtool RSS", ctx->ifname,
				      "the NIC has no RSS table");
	full = request_new(head.indir_size);
	if (!full || nic_list_new(&table, head.indir_size)) {
		free(full);
		return weir_error_set(reterr, -ENOMEM, "ethtool RSS", ctx->ifname, NULL);
	}
	full->cmd = ETHTOOL_GRSSH;
	full->rss_context = context;
	full->indir_size = head.indir_size;
	r = nic_ioctl(ctx, full, "ethtool RSS table", reterr);
	if (r) {
		nic_list_done(&table);
	} else {
		memcpy(table.at, full->rss_config, (size_t)table.count * sizeof(uint32_t));
		*ret = table;
		if (rethead)
			memcpy(rethead, full, sizeof(*rethead));
	}
	free(full);
	return r;
}

int nic_rss_read(struct nic_ctx *ctx, uint32_t context, struct nic_list *ret,
		 struct weir_ethtool_rxfh *rethead, struct weir_error *reterr)
{
	int r = -EINVAL;

	for (int i = 0; r == -EINVAL && i < READ_TRIES; i++)
		r = read_once(ctx, context, ret, rethead, reterr);
	return r;
}

int nic_rss_write(struct nic_ctx *ctx, struct weir_ethtool_rxfh *head, const struct nic_list *table,
		  const char *stage, struct weir_error *reterr)
{
	uint32_t entries = table ? table->count : 0;
	struct weir_ethtool_rxfh *full = request_new(entries);
	int r;

	if (!full)
		return weir_error_set(reterr, -ENOMEM, stage, ctx->ifname, NULL);
	full->cmd = ETHTOOL_SRSSH;
	full->rss_context = head->rss_context;
	full->input_xfrm = head->input_xfrm;
	full->indir_size = entries;
	if (table)
		memcpy(full->rss_config, table->at, (size_t)entries * sizeof(uint32_t));
	r = nic_ioctl(ctx, full, stage, reterr);
	if (!r)
		head->rss_context = full->rss_context;
	free(full);
	return r;
}

int nic_rss_rings(struct nic_ctx *ctx, uint32_t *ret, struct weir_error *reterr)
{
	struct ethtool_rxnfc rings = { .cmd = ETHTOOL_GRXRINGS };
	int r = nic_ioctl(ctx, &rings, "ethtool Rx queues", reterr);

	if (!r && (!rings.data || rings.data > UINT16_MAX))
		r = weir_error_set(reterr, -EOPNOTSUPP, "ethtool Rx queues", ctx->ifname,
				   "the driver tells no sensible number of receive queues");
	if (!r)
		*ret = (uint32_t)rings.data;
	return r;
}

/* -------------------------------------------------------------------------- tables */

bool nic_rss_is_default(const struct nic_list *table, uint32_t rings)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->at[i] != i % rings)
			return false;
	return true;
}

/* How ethtool(8) fills a table by weights: @weight of queue 0, 1, ... */
static void fill_by_weight(const struct nic_list *weight, struct nic_list *table)
{
	uint64_t sum = 0, partial = 0;
	uint32_t next = 0;

	for (uint32_t q = 0; q < weight->count; q++)
		sum += weight->at[q];
	for (uint32_t i = 0; i < table->count; i++) {
		while (i >= table->count * partial / sum)
			partial += weight->at[next++];
		table->at[i] = next - 1;
	}
}

/* Weight 1 for each queue that is in the list, 0 for the others. */
static int weights_new(const struct nic_list *queues, struct nic_list *ret)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < queues->count; i++)
		if (queues->at[i] > last)
			last = queues->at[i];
	if (last >= UINT16_MAX || nic_list_new(ret, last + 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < queues->count; i++)
		ret->at[queues->at[i]] = 1;
	return 0;
}

int nic_rss_spread(const struct nic_list *queues, uint32_t entries, struct nic_list *ret)
{
	struct nic_list table, weight = { 0 };
	bool rising = true;

	if (nic_list_new(&table, entries))
		return -ENOMEM;
	for (uint32_t i = 1; i < queues->count; i++)
		rising = rising && queues->at[i] == queues->at[i - 1] + 1;
	for (uint32_t i = 0; rising && i < entries; i++)
		table.at[i] = queues->at[i % queues->count];
	if (!rising) {
		if (weights_new(queues, &weight)) {
			nic_list_done(&table);
			return -ENOMEM;
		}
		fill_by_weight(&weight, &table);
		nic_list_done(&weight);
	}
	*ret = table;
	return 0;
}

/* Queues below @rings that are not in @away; with @among, only those that it names. */
static int allowed_new(uint32_t rings, const struct nic_list *away, const struct nic_list *among,
		       struct nic_list *ret)
{
	struct nic_list list;

	if (nic_list_new(&list, rings))
		return -ENOMEM;
	list.count = 0;
	for (uint32_t q = 0; q < rings; q++)
		if (!nic_list_has(away, q) && (!among || nic_list_has(among, q)))
			list.at[list.count++] = q;
	*ret = list;
	return 0;
}

static int replace(const struct nic_list *base, uint32_t entries, const struct nic_list *allowed,
		   struct nic_list *ret)
{
	struct nic_list table;
	uint32_t turn = 0;

	if (nic_list_new(&table, entries))
		return -ENOMEM;
	for (uint32_t i = 0; i < entries; i++) {
		uint32_t queue = base->at[i % base->count];

		table.at[i] = nic_list_has(allowed, queue) ? queue :
							     allowed->at[turn++ % allowed->count];
	}
	*ret = table;
	return 0;
}

int nic_rss_away(const struct nic_list *base, uint32_t entries, uint32_t rings,
		 const struct nic_list *away, struct nic_list *ret)
{
	struct nic_list allowed = { 0 };
	int r = allowed_new(rings, away, base, &allowed);

	if (!r && !allowed.count && base) {
		nic_list_done(&allowed);
		r = allowed_new(rings, away, NULL, &allowed);
	}
	if (!r && !allowed.count)
		r = -EINVAL;
	if (!r)
		r = base ? replace(base, entries, &allowed, ret) :
			   nic_rss_spread(&allowed, entries, ret);
	nic_list_done(&allowed);
	return r;
}

/* ------------------------------------------------------------------- ethtool's words */

static bool equal_words(const struct nic_list *table, char *buf, size_t bytes)
{
	uint32_t start = table->at[0], most = start;

	for (uint32_t i = 0; i < table->count; i++)
		if (table->at[i] > most)
			most = table->at[i];
	for (uint32_t i = 0; i < table->count; i++)
		if (table->at[i] != start + i % (most - start + 1))
			return false;
	if (start)
		snprintf(buf, bytes, "equal %" PRIu32 " start %" PRIu32, most - start + 1, start);
	else
		snprintf(buf, bytes, "equal %" PRIu32, most + 1);
	return true;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Entries that name @queue. */
static uint32_t share(const struct nic_list *table, uint32_t queue)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->count; i++)
		n += table->at[i] == queue;
	return n;
}

static bool same_table(const struct nic_list *a, const struct nic_list *b)
{
	return a->count == b->count && !memcmp(a->at, b->at, a->count * sizeof(*a->at));
}

/* "weight 1 0 1", where ethtool makes this table of these weights. */
static bool weight_words(const struct nic_list *table, const struct nic_list *weight, char *buf,
			 size_t bytes)
{
	struct nic_list made;
	size_t len;
	bool same;

	if (nic_list_new(&made, table->count))
		return false;
	fill_by_weight(weight, &made);
	same = same_table(&made, table);
	nic_list_done(&made);
	len = (size_t)snprintf(buf, bytes, "weight");
	for (uint32_t q = 0; same && len < bytes && q < weight->count; q++)
		len += (size_t)snprintf(buf + len, bytes - len, " %" PRIu32, weight->at[q]);
	if (!same || len >= bytes)
		buf[0] = '\0';
	return buf[0];
}

/* Weights: all alike, or the number of entries that each queue has. */
static void some_weight_words(const struct nic_list *table, char *buf, size_t bytes)
{
	struct nic_list weight;
	uint32_t divisor = 0;

	if (weights_new(table, &weight))
		return;
	if (!weight_words(table, &weight, buf, bytes)) {
		for (uint32_t q = 0; q < weight.count; q++) {
			weight.at[q] = share(table, q);
			divisor = common_divisor(weight.at[q], divisor);
		}
		for (uint32_t q = 0; q < weight.count; q++)
			weight.at[q] /= divisor;
		weight_words(table, &weight, buf, bytes);
	}
	nic_list_done(&weight);
}

void nic_rss_words(const struct nic_list *table, char *buf, size_t bytes)
{
	buf[0] = '\0';
	if (table->count && !equal_words(table, buf, bytes))
		some_weight_words(table, buf, bytes);
}
