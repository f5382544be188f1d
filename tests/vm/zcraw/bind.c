/* SPDX-License-Identifier: MIT */
/*
 * bind.c - binds a dma-buf to a receive queue for devmem TCP, by netdev generic netlink.
 *
 * Theory: the family's number is asked for by its name ("netdev"); BIND_RX then carries the
 * interface, the queue and the dma-buf, and its answer the binding's id.  The binding lives as
 * long as the netlink socket does.
 *
 * Sources: net/core/netdev-genl.c (netdev_nl_bind_rx_doit) and
 * Documentation/netlink/specs/netdev.yaml, Linux 7.3.
 */
#include "bind.h"
#include "netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>
#include <unistd.h>

int bind_open(struct binding *binding, unsigned ifindex, unsigned queue, int dmabuf)
{
	struct genlmsghdr head = { .cmd = ZR_NETDEV_CMD_BIND_RX, .version = 1 };
	static struct nl_message msg;
	struct nlattr *nest;
	const void *id;
	int family, err;

	binding->fd = nl_open(NETLINK_GENERIC);
	if (binding->fd < 0)
		return binding->fd;
	family = nl_family(binding->fd, "netdev");
	if (family < 0) {
		bind_close(binding);
		return family == -ENOENT ? -EOPNOTSUPP : family;
	}
	nl_init(&msg, (unsigned)family, 0, &head, sizeof head);
	nl_put_u32(&msg, ZR_NETDEV_A_DMABUF_IFINDEX, ifindex);
	nl_put_u32(&msg, ZR_NETDEV_A_DMABUF_FD, (uint32_t)dmabuf);
	nest = nl_put(&msg, ZR_NETDEV_A_DMABUF_QUEUES | NLA_F_NESTED, NULL, 0);
	nl_put_u32(&msg, ZR_NETDEV_A_QUEUE_ID, queue);
	nl_put_u32(&msg, ZR_NETDEV_A_QUEUE_TYPE, ZR_NETDEV_QUEUE_TYPE_RX);
	nl_nest_end(&msg, nest);
	err = nl_exchange(binding->fd, &msg);
	id = err ? NULL : nl_find(&msg, GENL_HDRLEN, ZR_NETDEV_A_DMABUF_ID);
	if (!id) {
		bind_close(binding);
		return err ? err : -EPROTO;
	}
	memcpy(&binding->id, id, sizeof binding->id);
	return 0;
}

void bind_close(struct binding *binding)
{
	if (binding->fd >= 0)
		close(binding->fd);
	binding->fd = -1;
}
