/* SPDX-License-Identifier: MIT */
/*
 * io_uring.h - io_uring numbers and layouts that Debian 12's liburing 2.3 header lacks.
 *
 * Source: include/uapi/linux/io_uring.h of Linux 6.18; each line names the kernel that brought it.
 */
#ifndef WEIR_UAPI_IO_URING_H
#define WEIR_UAPI_IO_URING_H

#include <stdint.h>

#define WEIR_IORING_FEAT_RECVSEND_BUNDLE (1u << 14) /* 6.10 */
#define WEIR_IORING_FEAT_MIN_TIMEOUT (1u << 15)	    /* 6.12 */

#define WEIR_IORING_RECVSEND_BUNDLE (1u << 4) /* sqe->ioprio, 6.10 */

#define WEIR_IORING_CQE_F_BUF_MORE (1u << 4) /* 6.12: more will be put into this buffer */

#define WEIR_IOU_PBUF_RING_INC 2u /* 6.12: flags of weir_io_uring_buf_reg */

#define WEIR_IORING_REGISTER_PBUF_RING 22u
#define WEIR_IORING_UNREGISTER_PBUF_RING 23u
#define WEIR_IORING_REGISTER_NAPI 27u /* 6.9 */

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

#endif
