/* SPDX-License-Identifier: MIT */
/* bind.h - a dma-buf bound to a receive queue for devmem TCP. */
#ifndef ZCRAW_BIND_H
#define ZCRAW_BIND_H

#include "uapi.h"

struct binding {
	int fd; /* the netlink socket; the binding ends with it */
	uint32_t id;
};

/* 0 or -errno; -EOPNOTSUPP or -EINVAL where the kernel has no such command. */
int bind_open(struct binding *binding, unsigned ifindex, unsigned queue, int dmabuf);
void bind_close(struct binding *binding);

#endif
