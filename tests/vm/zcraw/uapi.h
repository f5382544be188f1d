/* SPDX-License-Identifier: MIT */
/*
 * uapi.h - kernel numbers and layouts that the headers of Debian 12 (Linux 6.1) lack.
 *
 * Sources, Linux 7.3: include/uapi/linux/io_uring.h and io_uring/zcrx.h, io_uring/query.h,
 * include/uapi/linux/netdev.h, include/uapi/linux/uio.h, include/uapi/asm-generic/socket.h,
 * include/linux/socket.h (MSG_SOCK_DEVMEM).  Written anew under names of our own, so that they also
 * compile beside headers that have them.
 */
#ifndef ZCRAW_UAPI_H
#define ZCRAW_UAPI_H

#include <stdint.h>

/* Ring flags, operations and completion flags. */
#define ZR_SETUP_CQE32 (1u << 11)
#define ZR_SETUP_SINGLE_ISSUER (1u << 12)
#define ZR_SETUP_DEFER_TASKRUN (1u << 13)
#define ZR_SETUP_CQE_MIXED (1u << 18) /* 6.18 */

#define ZR_OP_SEND_ZC 47
#define ZR_OP_RECV_ZC 58 /* 6.15 */

#define ZR_RECV_MULTISHOT (1u << 1)	    /* sqe->ioprio */
#define ZR_SEND_ZC_REPORT_USAGE (1u << 3)   /* sqe->ioprio, 6.2 */
#define ZR_NOTIF_USAGE_ZC_COPIED (1u << 31) /* cqe->res of a notification */

#define ZR_CQE_F_MORE (1u << 1)
#define ZR_CQE_F_NOTIF (1u << 3)
#define ZR_CQE_F_SKIP (1u << 5) /* 6.18: fills the end of a mixed ring */
#define ZR_CQE_F_32 (1u << 15)	/* 6.18: this completion takes two slots */

/* Registrations. */
#define ZR_REGISTER_ZCRX_IFQ 32u  /* 6.15 */
#define ZR_REGISTER_QUERY 35u	  /* 6.18 */
#define ZR_REGISTER_ZCRX_CTRL 36u /* 6.19 */

#define ZR_REGION_TYPE_USER 1u
#define ZR_AREA_DMABUF 1u
#define ZR_AREA_SHIFT 48
#define ZR_OFFSET_MASK ((1ull << ZR_AREA_SHIFT) - 1)

struct zr_zcrx_rqe {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

struct zr_zcrx_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t rqes;
	uint32_t resv2;
	uint64_t resv[2];
};

struct zr_zcrx_area_reg {
	uint64_t addr;
	uint64_t len;
	uint64_t rq_area_token;
	uint32_t flags;
	uint32_t dmabuf_fd;
	uint64_t resv2[2];
};

struct zr_region_desc {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t resv[4];
};

struct zr_zcrx_ifq_reg {
	uint32_t if_idx;
	uint32_t if_rxq;
	uint32_t rq_entries;
	uint32_t flags;
	uint64_t area_ptr;
	uint64_t region_ptr;
	struct zr_zcrx_offsets offsets;
	uint32_t zcrx_id;
	uint32_t rx_buf_len; /* 7.0 */
	uint64_t event_desc; /* 7.2 */
	uint64_t resv[2];
};

/* Events and shared statistics, 7.2. */
#define ZR_EVENT_ALLOC_FAIL 0u
#define ZR_EVENT_COPY 1u
#define ZR_EVENT_DESC_FLAG_STATS 1u

struct zr_zcrx_stats {
	uint64_t copy_count;
	uint64_t copy_bytes;
};

struct zr_zcrx_event_desc {
	uint64_t user_data;
	uint32_t type_mask;
	uint32_t flags;
	uint64_t stats_offset;
	uint64_t resv2[9];
};

#define ZR_CTRL_FLUSH_RQ 0u
#define ZR_CTRL_ARM_EVENT 2u

struct zr_zcrx_ctrl {
	uint32_t zcrx_id;
	uint32_t op;
	uint64_t resv[2];
	uint32_t event_type; /* of ARM_EVENT */
	uint32_t resv1[11];
};

/* The query interface, 6.18; its zcrx part, 6.19. */
#define ZR_QUERY_ZCRX 1u
#define ZR_FEATURE_RX_PAGE_SIZE 1u
#define ZR_FEATURE_EVENT 2u

struct zr_query_hdr {
	uint64_t next_entry;
	uint64_t query_data;
	uint32_t query_op;
	uint32_t size;
	int32_t result;
	uint32_t resv[3];
};

struct zr_query_zcrx {
	uint64_t register_flags;
	uint64_t area_flags;
	uint32_t nr_ctrl_opcodes;
	uint32_t features;
	uint32_t rq_hdr_size;
	uint32_t rq_hdr_alignment;
	uint64_t resv2;
};

/* netdev generic netlink: binding a dma-buf to receive queues, 6.12. */
#define ZR_NETDEV_CMD_BIND_RX 13
#define ZR_NETDEV_A_QUEUE_ID 1
#define ZR_NETDEV_A_QUEUE_TYPE 3
#define ZR_NETDEV_A_DMABUF_IFINDEX 1
#define ZR_NETDEV_A_DMABUF_QUEUES 2
#define ZR_NETDEV_A_DMABUF_FD 3
#define ZR_NETDEV_A_DMABUF_ID 4
#define ZR_NETDEV_QUEUE_TYPE_RX 0

/* ... and statistics of queues, 6.9; the values are numbered from ZR_QSTATS_FIRST. */
#define ZR_NETDEV_CMD_QSTATS_GET 12
#define ZR_QSTATS_IFINDEX 1
#define ZR_QSTATS_QUEUE_TYPE 2
#define ZR_QSTATS_QUEUE_ID 3
#define ZR_QSTATS_SCOPE 4
#define ZR_QSTATS_SCOPE_QUEUE 1
#define ZR_QSTATS_FIRST 8

/* devmem TCP on a socket, 6.12. */
#define ZR_SCM_DEVMEM_LINEAR 78
#define ZR_SCM_DEVMEM_DMABUF 79
#define ZR_SO_DEVMEM_DONTNEED 80
#define ZR_MSG_SOCK_DEVMEM 0x2000000

struct zr_dmabuf_cmsg {
	uint64_t frag_offset;
	uint32_t frag_size;
	uint32_t frag_token;
	uint32_t dmabuf_id;
	uint32_t flags;
};

struct zr_dmabuf_token {
	uint32_t token_start;
	uint32_t token_count;
};

#endif
