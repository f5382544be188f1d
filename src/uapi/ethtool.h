/* SPDX-License-Identifier: MIT */
/*
 * ethtool.h - numbers of the ethtool interface that Debian 12's headers (Linux 6.1) lack.
 *
 * Source: include/uapi/linux/ethtool_netlink_generated.h and include/uapi/linux/ethtool.h of Linux
 * 7.3; each line names the kernel that brought it.
 */
#ifndef WEIR_UAPI_ETHTOOL_H
#define WEIR_UAPI_ETHTOOL_H

#include <stdint.h>

#define WEIR_ETHTOOL_MSG_RSS_GET 38	   /* 6.2 */
#define WEIR_ETHTOOL_MSG_RSS_SET 48	   /* 6.17 */
#define WEIR_ETHTOOL_MSG_RSS_CREATE_ACT 49 /* 6.17 */
#define WEIR_ETHTOOL_MSG_RSS_DELETE_ACT 50 /* 6.17 */

/* Attributes of rings beyond ETHTOOL_A_RINGS_TX_PUSH (13). */
#define WEIR_ETHTOOL_A_RINGS_HDS_THRESH 17     /* u32, 6.14 */
#define WEIR_ETHTOOL_A_RINGS_HDS_THRESH_MAX 18 /* u32, 6.14 */

/* Attributes of RSS messages. */
#define WEIR_ETHTOOL_A_RSS_HEADER 1	   /* nest, 6.2 */
#define WEIR_ETHTOOL_A_RSS_CONTEXT 2	   /* u32, 6.2 */
#define WEIR_ETHTOOL_A_RSS_HFUNC 3	   /* u32, 6.2 */
#define WEIR_ETHTOOL_A_RSS_INDIR 4	   /* array of u32, 6.2 */
#define WEIR_ETHTOOL_A_RSS_HKEY 5	   /* bytes, 6.2 */
#define WEIR_ETHTOOL_A_RSS_INPUT_XFRM 6	   /* u32, 6.8 */
#define WEIR_ETHTOOL_A_RSS_START_CONTEXT 7 /* u32, in dump requests, 6.12 */
#define WEIR_ETHTOOL_A_RSS_FLOW_HASH 8	   /* nest, 6.17 */

/* struct ethtool_rxfh of 6.8: its first reserved byte became input_xfrm. */
struct weir_ethtool_rxfh {
	uint32_t cmd;
	uint32_t rss_context;
	uint32_t indir_size;
	uint32_t key_size;
	uint8_t hfunc;
	uint8_t input_xfrm; /* 0 before 6.8 */
	uint8_t rsvd8[2];
	uint32_t rsvd32;
	uint32_t rss_config[];
};

#define WEIR_RXH_XFRM_SYM_XOR (1u << 0)	   /* 6.8 */
#define WEIR_RXH_XFRM_SYM_OR_XOR (1u << 1) /* 6.15 */
#define WEIR_RXH_XFRM_NO_CHANGE 0xffu	   /* 6.8 */

#endif
