/* SPDX-License-Identifier: MIT */
/*
 * io_uring.h - io_uring numbers and layouts that Debian 12's liburing 2.3 header lacks.
 *
 * Sources: include/uapi/linux/io_uring.h of Linux 6.18, include/uapi/linux/io_uring/zcrx.h and
 * query.h of Linux 7.3; each line names the kernel that brought it.
 */
#ifndef WEIR_UAPI_IO_URING_H
#define WEIR_UAPI_IO_URING_H

#include <stdint.h>

#define WEIR_IORING_FEAT_RECVSEND_BUNDLE (1u << 14) /* 6.10 */
#define WEIR_IORING_FEAT_MIN_TIMEOUT (1u << 15)	    /* 6.12 */

#define WEIR_IORING_RECVSEND_BUNDLE (1u << 4) /* sqe->ioprio, 6.10 */

#define WEIR_IORING_CQE_F_BUF_MORE (1u << 4) /* 6.12: more will be put into this buffer */

#define WEIR_IORING_CQE_F_SKIP (1u << 5) /* 6.18: fills the end of a mixed ring */
#define WEIR_IORING_CQE_F_32 (1u << 15)	 /* 6.18: this completion takes two slots */

#define WEIR_IOU_PBUF_RING_INC 2u /* 6.12: flags of weir_io_uring_buf_reg */

#define WEIR_IORING_REGISTER_PBUF_RING 22u
#define WEIR_IORING_UNREGISTER_PBUF_RING 23u
#define WEIR_IORING_REGISTER_NAPI 27u	   /* 6.9 */
#define WEIR_IORING_REGISTER_ZCRX_IFQ 32u  /* 6.15 */
#define WEIR_IORING_REGISTER_QUERY 35u	   /* 6.18 */
#define WEIR_IORING_REGISTER_ZCRX_CTRL 36u /* 6.19 */

#define WEIR_IORING_OP_SENDMSG_ZC 48 /* 6.1 */
#define WEIR_IORING_OP_RECV_ZC 58    /* 6.15 */

#define WEIR_IORING_SEND_ZC_REPORT_USAGE (1u << 3)   /* sqe->ioprio, 6.2 */
#define WEIR_IORING_NOTIF_USAGE_ZC_COPIED (1u << 31) /* cqe->res of a notification, 6.2 */

#define WEIR_IORING_SETUP_CQE_MIXED (1u << 18) /* 6.18 */
#define WEIR_IORING_NOP_CQE32 (1u << 5)	       /* 6.18 */

/* struct io_uring_buf_reg as of 6.12 (flags was padding before). */
struct weir_io_uring_buf_reg {
	uint64_t ring_addr;
	uint32_t ring_entries;
	uint16_t bgid;
	uint16_t flags;
	uint64_t resv[3];
};

/* struct io_uring_getevents_arg as of 6.12 (min_wait_usec was padding before). */
struct weir_io_uring_getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t min_wait_usec;
	uint64_t ts;
};

/* struct io_uring_napi, 6.9. */
struct weir_io_uring_napi {
	uint32_t busy_poll_to;
	uint8_t prefer_busy_poll;
	uint8_t opcode;
	uint8_t pad[2];
	uint32_t op_param;
	uint32_t resv;
};

/* Memory of the caller that the kernel shares, 6.13. */
#define WEIR_IORING_MEM_REGION_TYPE_USER 1u
struct weir_io_uring_region_desc {
	uint64_t user_addr;
	uint64_t size;
	uint32_t flags;
	uint32_t id;
	uint64_t mmap_offset;
	uint64_t resv[4];
};

/* Zero-copy receive, 6.15. */
#define WEIR_ZCRX_REG_NODEV 2u /* 7.1: without a NIC, every byte is copied */
struct weir_io_uring_zcrx_area_reg {
	uint64_t addr;
	uint64_t len;
	uint64_t rq_area_token;
	uint32_t flags;
	uint32_t dmabuf_fd;
	uint64_t resv[2];
};

/* Where the parts of the refill ring lie in the region; differs between kernels. */
struct weir_io_uring_zcrx_offsets {
	uint32_t head;
	uint32_t tail;
	uint32_t rqes;
	uint32_t resv2;
	uint64_t resv[2];
};

struct weir_io_uring_zcrx_ifq_reg {
	uint32_t if_idx;
	uint32_t if_rxq;
	uint32_t rq_entries;
	uint32_t flags;
	uint64_t area_ptr;
	uint64_t region_ptr;
	struct weir_io_uring_zcrx_offsets offsets; /* written by the kernel */
	uint32_t zcrx_id;
	uint32_t rx_buf_len; /* 7.0 */
	uint64_t event_desc; /* 7.2 */
	uint64_t resv[2];
};

#define WEIR_ZCRX_AREA_DMABUF 1u
#define WEIR_ZCRX_AREA_SHIFT 48 /* number of the area, in offsets of completions and refills */

/* An entry of the refill ring. */
struct weir_io_uring_zcrx_rqe {
	uint64_t off;
	uint32_t len;
	uint32_t pad;
};

/* Events and shared statistics, 7.2. */
#define WEIR_ZCRX_EVENT_ALLOC_FAIL 0u
#define WEIR_ZCRX_EVENT_DESC_FLAG_STATS 1u
struct weir_io_uring_zcrx_stats {
	uint64_t copy_count;
	uint64_t copy_bytes;
};

struct weir_io_uring_zcrx_event_desc {
	uint64_t user_data;
	uint32_t type_mask;
	uint32_t flags;
	uint64_t stats_offset; /* from the start of the refill ring's region */
	uint64_t resv[9];
};

/* IORING_REGISTER_ZCRX_CTRL. */
#define WEIR_ZCRX_CTRL_FLUSH_RQ 0u  /* 6.19 */
#define WEIR_ZCRX_CTRL_ARM_EVENT 2u /* 7.2 */
#define WEIR_ZCRX_CTRL_ADD_AREA 3u  /* 7.3 */
struct weir_io_uring_zcrx_ctrl {
	uint32_t zcrx_id;
	uint32_t op;
	uint64_t resv[2];
	union {
		uint32_t event_type; /* ARM_EVENT */
		uint64_t area_ptr;   /* ADD_AREA: struct weir_io_uring_zcrx_area_reg * */
		uint64_t room[6];
	};
};

/* Questions that need no ring, 6.18; the one about zero-copy receive: 6.19. */
#define WEIR_IO_URING_QUERY_OPCODES 0u
#define WEIR_IO_URING_QUERY_ZCRX 1u
struct weir_io_uring_query_hdr {
	uint64_t next_entry;
	uint64_t query_data;
	uint32_t query_op;
	uint32_t size;
	int32_t result;
	uint32_t resv[3];
};

struct weir_io_uring_query_opcode {
	uint32_t nr_request_opcodes;
	uint32_t nr_register_opcodes;
	uint64_t feature_flags;
	uint64_t ring_setup_flags;
	uint64_t enter_flags;
	uint64_t sqe_flags;
	uint32_t nr_query_opcodes;
	uint32_t pad;
};

#define WEIR_ZCRX_FEATURE_RX_PAGE_SIZE 1u /* 7.0: rx_buf_len */
#define WEIR_ZCRX_FEATURE_EVENT 2u	  /* 7.2 */
struct weir_io_uring_query_zcrx {
	uint64_t register_flags;
	uint64_t area_flags;
	uint32_t nr_ctrl_opcodes;
	uint32_t features;
	uint32_t rq_hdr_size;
	uint32_t rq_hdr_alignment;
	uint64_t resv;
};

#endif
