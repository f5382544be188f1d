/* SPDX-License-Identifier: MIT */
/*
 * netlink.c - one request to the kernel by netlink, and its answer.
 *
 * Theory: a message is netlink's header, the family's header, and attributes:
 *
 *     nlmsghdr | family's header | attribute | attribute ...       all aligned to 4 bytes
 *
 * Each request asks for an acknowledgement; what comes before it is the answer.
 *
 * Sources: include/uapi/linux/netlink.h, net/netlink/af_netlink.c (netlink_ack), Linux 7.3.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S 5

int nl_open(int protocol)
{
	struct timeval wait = { ANSWER_S, 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	return fd;
}

void nl_init(struct nl_message *msg, unsigned type, unsigned flags, const void *head, size_t len)
{
	memset(msg, 0, sizeof *msg);
	msg->nl.nlmsg_len = NLMSG_LENGTH(NLMSG_ALIGN(len));
	msg->nl.nlmsg_type = (uint16_t)type;
	msg->nl.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	msg->nl.nlmsg_seq = 1;
	memcpy(msg->body, head, len);
}

struct nlattr *nl_put(struct nl_message *msg, unsigned type, const void *data, size_t len)
{
	struct nlattr *attr = (struct nlattr *)((char *)msg + NLMSG_ALIGN(msg->nl.nlmsg_len));

	attr->nla_type = (uint16_t)type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	msg->nl.nlmsg_len = NLMSG_ALIGN(msg->nl.nlmsg_len) + (uint32_t)NLA_ALIGN(attr->nla_len);
	return attr;
}

void nl_put_u32(struct nl_message *msg, unsigned type, uint32_t value)
{
	nl_put(msg, type, &value, sizeof value);
}

void nl_nest_end(struct nl_message *msg, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)((char *)msg + msg->nl.nlmsg_len - (char *)nest);
}

const void *nl_find(const struct nl_message *msg, size_t head_bytes, unsigned type)
{
	size_t end = msg->nl.nlmsg_len, at = NLMSG_LENGTH(NLMSG_ALIGN(head_bytes));

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

int nl_family(int fd, const char *name)
{
	struct genlmsghdr head = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	static struct nl_message msg;
	const void *id;
	uint16_t number;
	int err;

	nl_init(&msg, GENL_ID_CTRL, 0, &head, sizeof head);
	nl_put(&msg, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	err = nl_exchange(fd, &msg);
	if (err)
		return err;
	id = nl_find(&msg, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
	if (!id)
		return -ENOENT;
	memcpy(&number, id, sizeof number);
	return number;
}

int nl_exchange(int fd, struct nl_message *msg)
{
	static struct nl_message in;

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
