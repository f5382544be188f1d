// SPDX-License-Identifier: MIT
/*
 * set_rss.c - the RSS table as a setting: which queues serve what no flow rule claims.
 *
 * Theory: the value is "default" where the table is the kernel's own for the present number of
 *	receive queues, else all entries.  So a NIC whose table follows the number of queues is put
 *	back to following it, and not to a table that was right for another number.  An owner wants
 *	queues kept free ("away 2,3"); the table is computed from the first one and all that owners
 *	want.
 * Invariants: 1. the target names no queue that an owner wants to be kept free.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -EINVAL where no queue would be left; the driver's own with advice.
 * Sources: net/ethtool/ioctl.c (ethtool_set_rxfh: size 0 resets), Linux 7.3.  That a user set a
 *	table which equals the default cannot be read (IFF_RXFH_CONFIGURED, rss_indir_user_size):
 *	such a one is put back as the default.
 * Tests: tests/unit/test_nic_rss.c, tests/vm/t/nic_kind_set.sh
 */
#include <string.h>

#include "rss_table.h"

static int get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	struct nic_list table;
	uint32_t rings = 0;
	int r = nic_rss_read(ctx, 0, &table, NULL, reterr);

	(void)key;
	if (r)
		return r;
	r = nic_rss_rings(ctx, &rings, reterr);
	if (!r && nic_rss_is_default(&table, rings))
		r = nic_text_new(ret, "default");
	else if (!r)
		r = nic_list_text(&table, ret);
	nic_list_done(&table);
	return r;
}

/* The table of a value that is not "default". */
static int parse(const char *value, struct nic_list *ret, struct weir_error *reterr)
{
	int r = nic_list_parse(value, ret);

	if (r == -EINVAL)
		return nic_value_bad(reterr, "RSS table", value,
				     "default, or the queue of each entry: 0,1,0,1");
	return r;
}

/* A table that the NIC as it is now can have. */
static int fits(struct nic_ctx *ctx, const struct nic_list *table, uint32_t entries,
		struct weir_error *reterr)
{
	uint32_t rings = 0;
	int r;

	if (table->count != entries)
		return weir_error_set(
			reterr, -EINVAL, "ethtool RSS set", ctx->ifname,
			"the table is to have %u entries and the NIC's has %u, because "
			"its channels were changed meanwhile: set it by hand with "
			"ethtool -X",
			table->count, entries);
	r = nic_rss_rings(ctx, &rings, reterr);
	for (uint32_t i = 0; !r && i < table->count; i++)
		if (table->at[i] >= rings)
			r = weir_error_set(reterr, -EINVAL, "ethtool RSS set", ctx->ifname,
					   "the table is to name queue %u, and the NIC has %u",
					   table->at[i], rings);
	return r;
}

static int set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
	       struct weir_error *reterr)
{
	struct nic_list now = { 0 }, table = { 0 };
	struct weir_ethtool_rxfh head;
	bool reset = !strcmp(to, "default");
	int r = nic_rss_read(ctx, 0, &now, &head, reterr);

	(void)key, (void)from;
	if (!r && !reset)
		r = parse(to, &table, reterr);
	if (!r && !reset)
		r = fits(ctx, &table, now.count, reterr);
	if (!r)
		r = nic_rss_write(ctx, &head, reset ? NULL : &table, "ethtool RSS set", reterr);
	nic_list_done(&now);
	nic_list_done(&table);
	return r;
}

/* The queues of all wants "away 2,3". */
static int away_join(const char *const *wants, unsigned n, struct nic_list *ret,
		     struct weir_error *reterr)
{
	struct nic_list all = { 0 };
	int r = 0;

	for (unsigned i = 0; !r && i < n; i++) {
		struct nic_list one = { 0 }, both = { 0 };

		r = strncmp(wants[i], "away ", 5) ? -EINVAL : nic_list_parse(wants[i] + 5, &one);
		if (!r)
			r = nic_list_new(&both, all.count + one.count);
		if (!r) {
			if (all.count)
				memcpy(both.at, all.at, all.count * sizeof(*all.at));
			memcpy(both.at + all.count, one.at, one.count * sizeof(*one.at));
			nic_list_done(&all);
			all = both;
		}
		nic_list_done(&one);
		if (r == -EINVAL)
			nic_value_bad(reterr, "RSS table", wants[i], "away 2,3");
	}
	if (r)
		nic_list_done(&all);
	else
		*ret = all;
	return r;
}

static int target(struct nic_ctx *ctx, const char *key, const char *base, const char *const *wants,
		  unsigned n, char **ret, struct weir_error *reterr)
{
	struct nic_list now = { 0 }, first = { 0 }, away = { 0 }, table = { 0 };
	bool is_default = !strcmp(base, "default");
	uint32_t rings = 0;
	int r = nic_rss_read(ctx, 0, &now, NULL, reterr);

	(void)key;
	if (!r && ctx->plan_rings)
		rings = ctx->plan_rings;
	else if (!r)
		r = nic_rss_rings(ctx, &rings, reterr);
	if (!r && !is_default)
		r = parse(base, &first, reterr);
	if (!r)
		r = away_join(wants, n, &away, reterr);
	if (!r) {
		r = nic_rss_away(is_default ? NULL : &first, now.count, rings, &away, &table);
		if (r == -EINVAL)
			weir_error_set(reterr, r, "RSS table", ctx->ifname,
				       "the NIC has %u receive queues and none would be left for "
				       "other traffic: raise the number of channels, or keep fewer "
				       "queues free",
				       rings);
	}
	if (!r)
		r = nic_rss_is_default(&table, rings) ? nic_text_new(ret, "default") :
							nic_list_text(&table, ret);
	nic_list_done(&now);
	nic_list_done(&first);
	nic_list_done(&away);
	nic_list_done(&table);
	return r;
}

static void what(const char *key, char *buf, size_t bytes)
{
	(void)key;
	snprintf(buf, bytes, "RSS table");
}

static void ethtool(const char *ifname, const char *key, const char *from, const char *to,
		    char *buf, size_t bytes)
{
	struct nic_list table;
	char words[4096] = "default"; /* a weight for each of many queues */

	(void)key, (void)from;
	buf[0] = '\0';
	if (strcmp(to, "default")) {
		if (nic_list_parse(to, &table))
			return;
		nic_rss_words(&table, words, sizeof(words));
		nic_list_done(&table);
	}
	if (words[0])
		snprintf(buf, bytes, "ethtool -X %s %s", ifname, words);
}

const struct nic_setting_kind nic_set_rss = {
	.name = "rss",
	.get = get,
	.set = set,
	.target = target,
	.what = what,
	.ethtool = ethtool,
};
