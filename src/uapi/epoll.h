/* SPDX-License-Identifier: MIT */
/*
 * epoll.h - epoll numbers and layouts that older headers lack.
 *
 * Source: include/uapi/linux/eventpoll.h of Linux 6.9 (EPIOCSPARAMS).
 */
#ifndef WEIR_UAPI_EPOLL_H
#define WEIR_UAPI_EPOLL_H

#include <stdint.h>
#include <sys/ioctl.h>

/* struct epoll_params, 6.9. */
struct weir_epoll_params {
	uint32_t busy_poll_usecs;
	uint16_t busy_poll_budget;
	uint8_t prefer_busy_poll;
	uint8_t pad;
};

#define WEIR_EPIOCSPARAMS _IOW(0x8A, 0x01, struct weir_epoll_params)

#endif
