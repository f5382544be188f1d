/* SPDX-License-Identifier: MIT */
/*
 * read.h - what info.c asks the read_*.c for: each reads one part of the state of an interface.
 *
 * All of them return 0 where a part cannot be read (it is then marked as not known), and fail only
 * with -ENOMEM and, where the interface is really gone, -ENODEV.
 */
#ifndef WEIR_NIC_READ_H
#define WEIR_NIC_READ_H

#include "nl.h"

/**
 * nic_read_failed() - does this error end the reading.
 * @code: of a request: 0 or -errno.
 *
 * Return: 0: go on without this part; -ENOMEM, -ENODEV.
 */
static inline int nic_read_failed(int code)
{
	return code == -ENOMEM || code == -ENODEV ? code : 0;
}

/**
 * struct nic_link - what rtnetlink says besides that only other readers want.
 * @queues_max: receive queues that the device was made with.
 * @address: its hardware address, as sysfs writes it.
 */
struct nic_link {
	uint32_t queues_max;
	char address[100];
};

/* read_link.c: name, kind, flags, MTU, XDP, driver */
WEIR_MUST_CHECK int nic_read_link(struct nic_ctx *ctx, struct weir_nic_info *pub,
				  struct nic_link *ret);

/* read_ethtool.c: channels, rings, header split, features. */
WEIR_MUST_CHECK int nic_read_ethtool(struct nic_ctx *ctx, struct weir_nic_info *pub);

/* read_queue.c: queues, after channels are known */
WEIR_MUST_CHECK int nic_read_queues(struct nic_ctx *ctx, struct nic_info *info,
				    const struct nic_link *link);

/* read_rules.c */
WEIR_MUST_CHECK int nic_read_rules(struct nic_ctx *ctx, struct nic_info *info);

/* read_rss.c: table, key, function, contexts; after queues and rules are known. */
WEIR_MUST_CHECK int nic_read_rss(struct nic_ctx *ctx, struct nic_info *info);

/**
 * nic_ranges_put() - numbers of a table as a list: "0-3,8".
 * @table: the numbers, in any order, also several times.
 * @n: how many.
 * @buf: receives the list; one that does not fit ends in "...".
 * @bytes: size of @buf, at least 8.
 *
 * Return: 0 or -ENOMEM.
 */
WEIR_MUST_CHECK int nic_ranges_put(const uint32_t *table, size_t n, char *buf, size_t bytes);

/* An attribute's unsigned number, of 1 to 8 bytes. */
static inline uint64_t nic_attr_uint(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return mnl_attr_get_u16(attr);
	case 4:
		return mnl_attr_get_u32(attr);
	case 8:
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

/* A string attribute, cut where it does not fit. */
static inline void nic_attr_text(const struct nlattr *attr, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "%.*s", (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
}

#endif
