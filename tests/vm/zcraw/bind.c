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

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES 4096

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	unsigned char attrs[MESSAGE_BYTES];
};

static void message_init(struct message *msg, unsigned family, unsigned cmd)
{
	memset(msg, 0, sizeof *msg);
	msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nl.nlmsg_type = (uint16_t)family;
	msg->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->nl.nlmsg_seq = 1;
	msg->genl.cmd = (uint8_t)cmd;
	msg->genl.version = 1;
}

static struct nlattr *message_put(struct message *msg, unsigned type, const void *data, size_t len)
{
	struct nlattr *attr = (struct nlattr *)((char *)msg + NLMSG_ALIGN(msg->nl.nlmsg_len));

	attr->nla_type = (uint16_t)type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	msg->nl.nlmsg_len = NLMSG_ALIGN(msg->nl.nlmsg_len) + (uint32_t)NLA_ALIGN(attr->nla_len);
	return attr;
}

static void message_put_u32(struct message *msg, unsigned type, uint32_t value)
{
	message_put(msg, type, &value, sizeof value);
}

/* The first attribute of that type in the answer; NULL: there is none. */
static const void *find(const struct message *msg, unsigned type)
{
	size_t end = msg->nl.nlmsg_len, at = NLMSG_LENGTH(GENL_HDRLEN);

	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *attr = (const struct nlattr *)((const char *)msg + at);

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return (const char *)attr + NLA_HDRLEN;
		if (attr->nla_len < NLA_HDRLEN)
			break;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

/* Sends, and receives until the acknowledgement; the answer before it replaces msg.  -errno. */
static int exchange(int fd, struct message *msg)
{
	struct timeval wait = { 5, 0 };
	struct message in;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	if (send(fd, msg, msg->nl.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, &in, sizeof in, 0);
		char *at = (char *)&in;

		if (n < 0)
			return -errno;
		for (; n >= NLMSG_HDRLEN; n -= NLMSG_ALIGN(((struct nlmsghdr *)at)->nlmsg_len),
					  at += NLMSG_ALIGN(((struct nlmsghdr *)at)->nlmsg_len)) {
			struct nlmsghdr *nl = (struct nlmsghdr *)at;

			if (nl->nlmsg_len < NLMSG_HDRLEN || nl->nlmsg_len > (size_t)n)
				return -EPROTO;
			if (nl->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(nl))->error;
			memcpy(msg, nl, nl->nlmsg_len);
		}
	}
}

static int family_number(int fd)
{
	struct message msg;
	const void *id;
	uint16_t number;
	int err;

	message_init(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	message_put(&msg, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof "netdev");
	err = exchange(fd, &msg);
	if (err)
		return err;
	id = find(&msg, CTRL_ATTR_FAMILY_ID);
	if (!id)
		return -ENOENT;
	memcpy(&number, id, sizeof number);
	return number;
}

int bind_open(struct binding *binding, unsigned ifindex, unsigned queue, int dmabuf)
{
	struct message msg;
	struct nlattr *nest;
	const void *id;
	int family, err;

	binding->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (binding->fd < 0)
		return -errno;
	family = family_number(binding->fd);
	if (family < 0) {
		bind_close(binding);
		return family == -ENOENT ? -EOPNOTSUPP : family;
	}
	message_init(&msg, (unsigned)family, ZR_NETDEV_CMD_BIND_RX);
	message_put_u32(&msg, ZR_NETDEV_A_DMABUF_IFINDEX, ifindex);
	message_put_u32(&msg, ZR_NETDEV_A_DMABUF_FD, (uint32_t)dmabuf);
	nest = message_put(&msg, ZR_NETDEV_A_DMABUF_QUEUES | NLA_F_NESTED, NULL, 0);
	message_put_u32(&msg, ZR_NETDEV_A_QUEUE_ID, queue);
	message_put_u32(&msg, ZR_NETDEV_A_QUEUE_TYPE, ZR_NETDEV_QUEUE_TYPE_RX);
	nest->nla_len = (uint16_t)((char *)&msg + msg.nl.nlmsg_len - (char *)nest);
	err = exchange(binding->fd, &msg);
	id = err ? NULL : find(&msg, ZR_NETDEV_A_DMABUF_ID);
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
