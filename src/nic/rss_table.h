/* SPDX-License-Identifier: MIT */
/*
 * rss_table.h - RSS tables: read, compute, say how ethtool makes them.
 */
#ifndef WEIR_NIC_RSS_TABLE_H
#define WEIR_NIC_RSS_TABLE_H

#include "nic.h"
#include "uapi/ethtool.h"
#include "value.h"

/**
 * nic_rss_read() - the table of an RSS context.
 * @ctx: the interface.
 * @context: its number; 0: the one that serves what no rule claims.
 * @ret: receives the queues; given back by nic_list_done().
 * @rethead: receives the kernel's answer without the table; may be NULL.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EOPNOTSUPP: no table, or no contexts; -ENOENT: no such context; others of the
 * driver's.
 */
WEIR_MUST_CHECK int nic_rss_read(struct nic_ctx *ctx, uint32_t context, struct nic_list *ret,
				 struct weir_ethtool_rxfh *rethead, struct weir_error *reterr);

/**
 * nic_rss_write() - set a context's table.
 * @ctx: the interface.
 * @head: as nic_rss_read() gave it, with the context; indir_size and what follows are ignored.  Its
 *	context is changed to the new one's where it was ETH_RXFH_CONTEXT_ALLOC.
 * @table: the queues; NULL: the default for context 0, removal of another context.
 * @stage: for the error record.
 * @reterr: error record or NULL.
 *
 * The key, the hash function and its symmetry stay.  Return: 0 or the driver's -errno.
 */
WEIR_MUST_CHECK int nic_rss_write(struct nic_ctx *ctx, struct weir_ethtool_rxfh *head,
				  const struct nic_list *table, const char *stage,
				  struct weir_error *reterr);

/** nic_rss_rings() - how many receive queues a table may name; 0 or -errno. */
WEIR_MUST_CHECK int nic_rss_rings(struct nic_ctx *ctx, uint32_t *ret, struct weir_error *reterr);

/** nic_rss_is_default() - whether it is the kernel's default for so many receive queues. */
bool nic_rss_is_default(const struct nic_list *table, uint32_t rings);

/**
 * nic_rss_spread() - a table of @entries over the queues.
 *
 * Neighbouring queues take turns, as by "ethtool -X equal"; others have blocks, as by "ethtool -X
 * weight", so that there is always a command line that makes the same.
 *
 * Return: 0 or -ENOMEM.
 */
WEIR_MUST_CHECK int nic_rss_spread(const struct nic_list *queues, uint32_t entries,
				   struct nic_list *ret);

/**
 * nic_rss_away() - a table without the queues that are to be kept free.
 * @base: the table that is changed; NULL: the default one.
 * @entries: length of the new table.
 * @rings: how many receive queues there are.
 * @away: queues to keep free.
 * @ret: receives the table; given back by nic_list_done().
 *
 * The default is spread anew over the other queues.  In another table only entries that name a
 * queue to be kept free, or one that there is not, change: round robin to the queues that the table
 * names otherwise, or to all others where it names none.
 *
 * Return: 0; -EINVAL: no queue would be left; -ENOMEM.
 */
WEIR_MUST_CHECK int nic_rss_away(const struct nic_list *base, uint32_t entries, uint32_t rings,
				 const struct nic_list *away, struct nic_list *ret);

/**
 * nic_rss_words() - words for "ethtool -X" that make this table: "equal 3 start 1", "weight 2 0 1".
 * @table: the table.
 * @buf: receives them; empty where ethtool cannot make it.
 * @bytes: size of @buf.
 */
void nic_rss_words(const struct nic_list *table, char *buf, size_t bytes);

#endif
