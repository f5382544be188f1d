/* SPDX-License-Identifier: MIT */
/*
 * netdev.h - numbers of the generic netlink family "netdev", which Debian 12's headers lack.
 *
 * Source: include/uapi/linux/netdev.h of Linux 7.3; each line names the kernel that brought it.
 */
#ifndef WEIR_UAPI_NETDEV_H
#define WEIR_UAPI_NETDEV_H

#define WEIR_NETDEV_FAMILY_NAME "netdev" /* 6.3 */
#define WEIR_NETDEV_FAMILY_VERSION 1

#define WEIR_NETDEV_CMD_DEV_GET 1	/* 6.3 */
#define WEIR_NETDEV_CMD_PAGE_POOL_GET 5 /* 6.8 */
#define WEIR_NETDEV_CMD_QUEUE_GET 10	/* 6.8 */
#define WEIR_NETDEV_CMD_NAPI_GET 11	/* 6.8 */
#define WEIR_NETDEV_CMD_QSTATS_GET 12	/* 6.9 */
#define WEIR_NETDEV_CMD_BIND_RX 13	/* 6.12 */
#define WEIR_NETDEV_CMD_NAPI_SET 14	/* 6.13 */

#define WEIR_NETDEV_A_DEV_IFINDEX 1	 /* u32, 6.3 */
#define WEIR_NETDEV_A_DEV_XDP_FEATURES 3 /* u64, 6.3 */

#define WEIR_NETDEV_XDP_ACT_XSK_ZEROCOPY (1u << 3) /* 6.3 */

#define WEIR_NETDEV_QUEUE_TYPE_RX 0 /* 6.8 */

#define WEIR_NETDEV_A_QUEUE_ID 1       /* u32, 6.8 */
#define WEIR_NETDEV_A_QUEUE_IFINDEX 2  /* u32, 6.8 */
#define WEIR_NETDEV_A_QUEUE_TYPE 3     /* u32, 6.8 */
#define WEIR_NETDEV_A_QUEUE_NAPI_ID 4  /* u32, 6.8 */
#define WEIR_NETDEV_A_QUEUE_DMABUF 5   /* u32: id of the binding, 6.12 */
#define WEIR_NETDEV_A_QUEUE_IO_URING 6 /* nest, 6.15 */
#define WEIR_NETDEV_A_QUEUE_XSK 7      /* nest, 6.15 */
#define WEIR_NETDEV_A_QUEUE_LEASE 8    /* nest, 7.1 */

#define WEIR_NETDEV_A_NAPI_IFINDEX 1		 /* u32, 6.8 */
#define WEIR_NETDEV_A_NAPI_ID 2			 /* u32, 6.8 */
#define WEIR_NETDEV_A_NAPI_IRQ 3		 /* u32, 6.8 */
#define WEIR_NETDEV_A_NAPI_PID 4		 /* u32: its thread, 6.8 */
#define WEIR_NETDEV_A_NAPI_DEFER_HARD_IRQS 5	 /* u32, 6.13 */
#define WEIR_NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT 6	 /* uint, ns, 6.13 */
#define WEIR_NETDEV_A_NAPI_IRQ_SUSPEND_TIMEOUT 7 /* uint, ns, 6.13 */
#define WEIR_NETDEV_A_NAPI_THREADED 8		 /* u32, 6.17 */

#define WEIR_NETDEV_NAPI_THREADED_DISABLED 0

#define WEIR_NETDEV_A_PAGE_POOL_ID 1	       /* uint, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_IFINDEX 2      /* u32, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_NAPI_ID 3      /* uint, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_INFLIGHT 4     /* uint: pages, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_INFLIGHT_MEM 5 /* uint: bytes, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_DETACH_TIME 6  /* uint, 6.8 */
#define WEIR_NETDEV_A_PAGE_POOL_DMABUF 7       /* u32, 6.12 */
#define WEIR_NETDEV_A_PAGE_POOL_IO_URING 8     /* nest, 6.15 */

#endif
