/* SPDX-License-Identifier: MIT */
/*
 * nl.h - requests to the kernel about an interface: netlink (libmnl framing) and SIOCETHTOOL.
 */
#ifndef WEIR_NIC_NL_H
#define WEIR_NIC_NL_H

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "nic.h"

#define NIC_NL_BYTES 16384 /* room for one request */

/**
 * nic_route_begin() - start an rtnetlink request.
 * @ctx: the interface.
 * @buf: NIC_NL_BYTES, aligned as struct nlmsghdr.
 * @type: RTM_GETLINK...
 * @flags: NLM_F_DUMP or 0; NLM_F_REQUEST and, for a request without NLM_F_DUMP, NLM_F_ACK are
 *	added.
 * @head: the family's header.
 * @head_bytes: its size.
 *
 * Return: the message, to which attributes are added by mnl_attr_put_*().
 */
struct nlmsghdr *nic_route_begin(struct nic_ctx *ctx, void *buf, uint16_t type, uint16_t flags,
				 const void *head, size_t head_bytes);

/**
 * nic_ethtool_begin() - start a request of the ethtool family, with the header that names @ctx.
 * @ctx: the interface; without the family the talk fails with -EOPNOTSUPP.
 * @buf: NIC_NL_BYTES.
 * @cmd: ETHTOOL_MSG_*.
 * @flags: as nic_route_begin().
 * @header_attr: number of the header's attribute in this message (ETHTOOL_A_RINGS_HEADER...).
 * @header_flags: ETHTOOL_FLAG_* (compact bitsets...).
 *
 * With NLM_F_DUMP, too: RSS contexts are then dumped of this interface alone; the kernel's other
 * dumps ignore the name.
 */
struct nlmsghdr *nic_ethtool_begin(struct nic_ctx *ctx, void *buf, uint8_t cmd, uint16_t flags,
				   uint16_t header_attr, uint32_t header_flags);

/** nic_netdev_begin() - start a request of the netdev family. */
struct nlmsghdr *nic_netdev_begin(struct nic_ctx *ctx, void *buf, uint8_t cmd, uint16_t flags);

/**
 * nic_nl_talk() - send a request and hand each message of the answer to a function.
 * @ctx: the interface.
 * @msg: the request, from one of the above (they choose the socket).
 * @cb: called for each message of the answer, once it is there as a whole (libmnl's mnl_cb_t:
 *	MNL_CB_OK to go on, MNL_CB_STOP to end, MNL_CB_ERROR to fail with -errno); NULL: nobody.
 * @user: for @cb.
 * @stage: for the error record ("ethtool rings set").
 * @reterr: error record or NULL: object is the interface, the hint begins with the kernel's own
 *	words (extack) where it gave any.
 *
 * A dump that was interrupted by a change is repeated (up to 5 times).  Waits at most 10 s.
 *
 * Return: 0; the kernel's -errno; -ENODEV: the interface is gone; -ENETDOWN: it is there, but the
 * driver does not answer (asleep, being reset); -EOPNOTSUPP where the family is not there;
 * -ETIMEDOUT.
 */
WEIR_MUST_CHECK int nic_nl_talk(struct nic_ctx *ctx, struct nlmsghdr *msg, mnl_cb_t cb, void *user,
				const char *stage, struct weir_error *reterr);

/**
 * nic_ioctl() - SIOCETHTOOL.
 * @ctx: the interface, by its number, whatever its name is by now.
 * @cmd: a structure of <linux/ethtool.h>, beginning with its command.
 * @stage: for the error record.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno; -ENODEV and -ENETDOWN as nic_nl_talk().
 */
WEIR_MUST_CHECK int nic_ioctl(struct nic_ctx *ctx, void *cmd, const char *stage,
			      struct weir_error *reterr);

struct ethtool_gstrings;

/**
 * nic_strings_read() - names of the kernel's or the driver's: features, hash functions.
 * @ctx: the interface.
 * @set: ETH_SS_*.
 * @ret: receives @len names of ETH_GSTRING_LEN bytes each in @data; the caller frees it.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno.
 */
WEIR_MUST_CHECK int nic_strings_read(struct nic_ctx *ctx, uint32_t set,
				     struct ethtool_gstrings **ret, struct weir_error *reterr);

/**
 * nic_feature_read() - one feature by its name ("rx-ntuple-filter", "rx-lro", "rx-gro-hw").
 * @ctx: the interface.
 * @name: as "ethtool -k" of the kernel's string set names it.
 * @ret: receives it; WEIR_NIC_ABSENT where the kernel does not know the name.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno.
 */
WEIR_MUST_CHECK int nic_feature_read(struct nic_ctx *ctx, const char *name,
				     struct weir_nic_switch *ret, struct weir_error *reterr);

/** nic_path_read() - a file of /proc or /sys without its line end; 0 or -errno. */
WEIR_MUST_CHECK int nic_path_read(const char *path, char *buf, size_t bytes);

#endif
