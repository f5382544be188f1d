/* SPDX-License-Identifier: MIT */
/*
 * netlink.c - one request to the kernel by netlink, and its answer.
 *
 * Theory: a message is netlink's header, the family's header, and attributes:
 *
 *     nlmsghdr | family's header | attribute | attribute ...       all aligned to 4 bytes
 *
 * Each request asks for an acknowledgement; what comes before it is the answer.  A dump is
 * answered by any number of messages, several in one datagram, and a last one that says how it
 * ended.  Behind a refusal the kernel may say why, in words ("extended acknowledgement").
 *
 * Sources: include/uapi/linux/netlink.h, net/netlink/af_netlink.c (netlink_ack, netlink_dump_done),
 * Linux 7.3.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S 5

static char why[128];

int nl_open(int protocol)
{
	struct timeval wait = { ANSWER_S, 0 };
	int one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
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

uint64_t nl_uint(const void *payload)
{
	const struct nlattr *attr = (const struct nlattr *)((const char *)payload - NLA_HDRLEN);
	uint64_t wide;
	uint32_t narrow;

	if (attr->nla_len == NLA_HDRLEN + sizeof wide) {
		memcpy(&wide, payload, sizeof wide);
		return wide;
	}
	memcpy(&narrow, payload, sizeof narrow);
	return narrow;
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

/* The kernel's words behind the head_bytes of the message that ended the answer. */
static void keep_why(const struct nl_message *msg, size_t head_bytes)
{
	const char *text = NULL;

	if (msg->nl.nlmsg_flags & NLM_F_ACK_TLVS)
		text = nl_find(msg, head_bytes, NLMSGERR_ATTR_MSG);
	snprintf(why, sizeof why, "%s", text ? text : "");
}

const char *nl_why(void)
{
	return why;
}

/* Whether the message ends the answer, and how. */
static bool ends(const struct nl_message *msg, int *ret_error)
{
	const struct nlmsgerr *error = (const struct nlmsgerr *)msg->body;
	size_t head_bytes = sizeof *error;

	if (msg->nl.nlmsg_type == NLMSG_DONE) {
		memcpy(ret_error, msg->body, sizeof *ret_error);
		keep_why(msg, sizeof *ret_error);
		return true;
	}
	if (msg->nl.nlmsg_type == NLMSG_ERROR) {
		*ret_error = error->error;
		/* a refusal carries the whole request, unless it was capped */
		if (error->error && !(msg->nl.nlmsg_flags & NLM_F_CAPPED))
			head_bytes += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
		keep_why(msg, head_bytes);
		return true;
	}
	/* what is listed has changed while it was being listed */
	*ret_error = -EINTR;
	return msg->nl.nlmsg_flags & NLM_F_DUMP_INTR;
}

int nl_dump(int fd, const struct nl_message *request, nl_each *each, void *arg)
{
	static struct nl_message in;
	int err;

	if (send(fd, request, request->nl.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t left = recv(fd, &in, sizeof in, MSG_TRUNC);
		const char *at = (const char *)&in;

		if (left < 0)
			return -errno;
		if (left > (ssize_t)sizeof in)
			return -EMSGSIZE;
		while (left >= NLMSG_HDRLEN) {
			const struct nl_message *msg = (const struct nl_message *)at;

			if (msg->nl.nlmsg_len < NLMSG_HDRLEN || msg->nl.nlmsg_len > (size_t)left)
				return -EPROTO;
			if (ends(msg, &err))
				return err;
			each(msg, arg);
			left -= NLMSG_ALIGN(msg->nl.nlmsg_len);
			at += NLMSG_ALIGN(msg->nl.nlmsg_len);
		}
	}
}

static void keep_answer(const struct nl_message *answer, void *arg)
{
	memcpy(arg, answer, answer->nl.nlmsg_len);
}

int nl_exchange(int fd, struct nl_message *msg)
{
	return nl_dump(fd, msg, keep_answer, msg);
}
