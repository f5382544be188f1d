/* SPDX-License-Identifier: MIT */
/* netlink.h - one request to the kernel by netlink, and its answer. */
#ifndef ZCRAW_NETLINK_H
#define ZCRAW_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#define NL_BODY_BYTES 16384

struct nl_message {
	struct nlmsghdr nl;
	unsigned char body[NL_BODY_BYTES];
};

/* A netlink socket of our namespace, for NETLINK_ROUTE, NETLINK_GENERIC...: fd or -errno. */
int nl_open(int protocol);
/* head: the header of the family, which stands before the attributes. */
void nl_init(struct nl_message *msg, unsigned type, unsigned flags, const void *head, size_t len);
/* Adds an attribute; of a nest (len 0) nl_nest_end() is called when what it holds was added. */
struct nlattr *nl_put(struct nl_message *msg, unsigned type, const void *data, size_t len);
void nl_put_u32(struct nl_message *msg, unsigned type, uint32_t value);
void nl_nest_end(struct nl_message *msg, struct nlattr *nest);
/* Sends, and receives until the acknowledgement; the answer before it replaces msg.  -errno. */
int nl_exchange(int fd, struct nl_message *msg);
/* The same, with each() called for every message of the answer; for requests with NLM_F_DUMP. */
typedef void nl_each(const struct nl_message *answer, void *arg);
int nl_dump(int fd, const struct nl_message *request, nl_each *each, void *arg);
/* What the kernel said about its last answer; "" where it said nothing. */
const char *nl_why(void);
/* The number of a generic netlink family, or -errno. */
int nl_family(int fd, const char *name);
/* The first attribute of that type behind a header of head_bytes; NULL: there is none. */
const void *nl_find(const struct nl_message *msg, size_t head_bytes, unsigned type);
/* A number of 4 or of 8 bytes, as the kernel sends it: where nl_find() found it. */
uint64_t nl_uint(const void *payload);

#endif
