// SPDX-License-Identifier: MIT
/*
 * nl.c - the ways to an interface: netlink requests, SIOCETHTOOL, files of /proc and /sys.
 *
 * Theory: a request is one message; its answer is collected whole (until NLMSG_DONE for a dump,
 *	until the acknowledgement for others) and only then handed to the caller's function, so that
 *	a dump which a change interrupted can be asked for again without the caller noticing.
 *
 *		begin() -> message, marked with where it goes (in nlmsg_pid, unread by the kernel)
 *		talk()  -> send, collect, check the error, hand out
 *
 *	Where the kernel refuses, its own words (extack) and the place of the attribute that it does
 *	not like go into the error's hint: "9" is attribute 9, "1.2" attribute 2 of the nest 1.
 * Invariants:
 *	1. only messages of the kernel (port 0) with the request's sequence number are taken; the
 *	   late answer to a request that timed out is dropped.
 *	2. the caller's function sees a whole, uninterrupted answer, or nothing.
 *	3. an interface is asked for by its number; where only a name is possible (SIOCETHTOOL), the
 *	   name is looked up by the number each time, so a renamed interface is still found and
 *	   another one with the old name never taken for it.
 * Ownership: nic_ctx owns its three sockets; answers are freed before talk() returns.
 * Threads: one context from one thread at a time.
 * Errors: the kernel's -errno, but -ENODEV only where the interface is gone, and -ENETDOWN where it
 *	is there and does not answer (asleep, being reset); -ETIMEDOUT after 10 s; -EINTR where a
 *	dump was interrupted 5 times; -EBADMSG for an answer that makes no sense.
 * Sources: net/netlink/af_netlink.c (netlink_ack, netlink_dump_done), net/netlink/genetlink.c,
 *	net/core/dev_ioctl.c (SIOCGIFNAME, SIOCETHTOOL), net/core/dev.c (dev_valid_name), Linux 7.3.
 * Tests: tests/unit/test_nic_nl.c, tests/fuzz/fuzz_nic.c, tests/netns/nic_info.sh,
 *	tests/vm/t/nic_info.sh
 */
#include <ctype.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nl.h"
#include "uapi/netdev.h"

#define ANSWER_BYTES 65536 /* more than any single message of the kernel */
#define TALK_NS (10 * 1000000000ull)
#define DUMP_TRIES 5
#define WHOLE_BYTES_MAX (1u << 30) /* of an answer; libmnl counts in int */

/* Where a message goes: in nlmsg_pid until it is sent. */
enum way { TO_ROUTE = 1, TO_CONTROL, TO_ETHTOOL, TO_NETDEV };

/* What the kernel said about a refusal. */
struct told {
	char words[160];
	uint32_t at_bytes; /* offset of the attribute in the request; 0: none */
	uint32_t missing;  /* type of an attribute that is missing; 0: none */
};

/* An answer that is being collected. */
struct answer {
	char *data;
	size_t bytes;
	size_t room;
	bool done;
	bool interrupted;
	int error; /* the kernel's -errno */
	struct told told;
};

/* ------------------------------------------------------------------------------ requests */

static struct nlmsghdr *begin(struct nic_ctx *ctx, void *buf, uint16_t type, uint16_t flags,
			      enum way way)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	if (!(flags & NLM_F_DUMP))
		msg->nlmsg_flags |= NLM_F_ACK;
	msg->nlmsg_seq = ++ctx->seq;
	msg->nlmsg_pid = way;
	return msg;
}

struct nlmsghdr *nic_route_begin(struct nic_ctx *ctx, void *buf, uint16_t type, uint16_t flags,
				 const void *head, size_t head_bytes)
{
	struct nlmsghdr *msg = begin(ctx, buf, type, flags, TO_ROUTE);

	memcpy(mnl_nlmsg_put_extra_header(msg, head_bytes), head, head_bytes);
	return msg;
}

static struct nlmsghdr *generic_begin(struct nic_ctx *ctx, void *buf, uint16_t family, uint8_t cmd,
				      uint16_t flags, enum way way)
{
	struct nlmsghdr *msg = begin(ctx, buf, family, flags, way);
	struct genlmsghdr *head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));

	head->cmd = cmd;
	head->version = 1;
	return msg;
}

struct nlmsghdr *nic_ethtool_begin(struct nic_ctx *ctx, void *buf, uint8_t cmd, uint16_t flags,
				   uint16_t header_attr, uint32_t header_flags)
{
	struct nlmsghdr *msg = generic_begin(ctx, buf, ctx->ethtool_family, cmd, flags, TO_ETHTOOL);
	struct nlattr *nest = mnl_attr_nest_start(msg, header_attr);

	mnl_attr_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, ctx->ifindex);
	if (header_flags)
		mnl_attr_put_u32(msg, ETHTOOL_A_HEADER_FLAGS, header_flags);
	mnl_attr_nest_end(msg, nest);
	return msg;
}

struct nlmsghdr *nic_netdev_begin(struct nic_ctx *ctx, void *buf, uint8_t cmd, uint16_t flags)
{
	return generic_begin(ctx, buf, ctx->netdev_family, cmd, flags, TO_NETDEV);
}

/* ----------------------------------------------------------------------------- refusals */

/* The path of the attribute at an offset of the request: "1.2"; empty where there is none. */
static void attribute_path(const struct nlmsghdr *msg, size_t at_bytes, char *buf, size_t bytes)
{
	size_t from = sizeof(*msg) + sizeof(struct genlmsghdr), end = msg->nlmsg_len, used = 0;

	buf[0] = '\0';
	while (from + sizeof(struct nlattr) <= end && used + 12 < bytes) {
		const struct nlattr *attr = (const void *)((const char *)msg + from);
		size_t next = from + MNL_ALIGN(attr->nla_len);

		if (attr->nla_len < sizeof(*attr) || from > at_bytes)
			return;
		if (at_bytes >= next) {
			from = next;
			continue;
		}
		used += (size_t)snprintf(buf + used, bytes - used, "%s%u", used ? "." : "",
					 attr->nla_type & NLA_TYPE_MASK);
		if (at_bytes == from || !(attr->nla_type & NLA_F_NESTED))
			return;
		end = from + attr->nla_len;
		from += sizeof(*attr);
	}
}

static const char *advice(int code)
{
	switch (code) {
	case -EPERM:
	case -EACCES:
		return "this needs CAP_NET_ADMIN in the user namespace of this network namespace";
	case -EOPNOTSUPP:
		return "the driver of this interface, or the kernel, does not offer this";
	case -ENODEV:
		return "the interface is gone";
	case -ENETDOWN:
		return "the device does not answer: it is down, asleep or being reset";
	default:
		return "";
	}
}

/* The present name of the interface. */
static int name_now(const struct nic_ctx *ctx, char name[IFNAMSIZ])
{
	struct ifreq ifr = { .ifr_ifindex = (int)ctx->ifindex };

	if (ioctl(ctx->ioctl_fd, SIOCGIFNAME, &ifr))
		return errno == ENXIO ? -ENODEV : -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	return 0;
}

/* The kernel says "no such device" also of one that is there and does not answer. */
static int gone_or_down(const struct nic_ctx *ctx, int code)
{
	char name[IFNAMSIZ];

	return code == -ENODEV && !name_now(ctx, name) ? -ENETDOWN : code;
}

/* An error record with the kernel's words first. */
static int refused(const struct nic_ctx *ctx, const struct nlmsghdr *msg, const struct told *told,
		   int code, const char *stage, struct weir_error *reterr)
{
	char place[64] = "", path[40] = "";
	const char *more = advice(code);

	if (told->at_bytes && msg->nlmsg_pid != TO_ROUTE)
		attribute_path(msg, told->at_bytes, path, sizeof(path));
	if (path[0])
		snprintf(place, sizeof(place), " (attribute %s)", path);
	else if (told->missing)
		snprintf(place, sizeof(place), " (attribute %u is missing)", told->missing);
	if (!told->words[0])
		return weir_error_set(reterr, code, stage, ctx->ifname, "%s%s", more, place);
	return weir_error_set(reterr, code, stage, ctx->ifname, "the kernel says: %s%s%s%s",
			      told->words, place, more[0] ? "; " : "", more);
}

/* Attributes of extack behind an error or the end of a dump. */
static void extack_read(const struct nlmsghdr *h, size_t from, struct told *told)
{
	size_t bytes = h->nlmsg_len;

	while (from + sizeof(struct nlattr) <= bytes) {
		const struct nlattr *attr = (const void *)((const char *)h + from);
		size_t payload = mnl_attr_get_payload_len(attr);

		if (attr->nla_len < sizeof(*attr) || from + attr->nla_len > bytes)
			return;
		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			snprintf(told->words, sizeof(told->words), "%.*s", (int)payload,
				 mnl_attr_get_str(attr));
			break;
		case NLMSGERR_ATTR_OFFS:
			told->at_bytes = payload == 4 ? mnl_attr_get_u32(attr) : 0;
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			told->missing = payload == 4 ? mnl_attr_get_u32(attr) : 0;
			break;
		default:
			break;
		}
		from += MNL_ALIGN(attr->nla_len);
	}
	for (char *c = told->words; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = ' ';
}

/* ------------------------------------------------------------------------------- answers */

static int keep(struct answer *a, const struct nlmsghdr *h)
{
	size_t bytes = MNL_ALIGN(h->nlmsg_len);

	if (a->bytes + bytes > WHOLE_BYTES_MAX)
		return -EMSGSIZE;
	if (a->bytes + bytes > a->room) {
		size_t room = a->room ? 2 * a->room : ANSWER_BYTES;
		char *data;

		while (room < a->bytes + bytes)
			room *= 2;
		data = realloc(a->data, room);
		if (!data)
			return -ENOMEM;
		a->data = data;
		a->room = room;
	}
	memset(a->data + a->bytes, 0, bytes);
	memcpy(a->data + a->bytes, h, h->nlmsg_len);
	a->bytes += bytes;
	return 0;
}

/* An acknowledgement or a refusal: NLMSG_ERROR, NLMSG_DONE. */
static int end_read(struct answer *a, const struct nlmsghdr *h)
{
	int32_t code = 0;
	size_t from = sizeof(*h) + sizeof(code);

	if (h->nlmsg_len >= from)
		memcpy(&code, mnl_nlmsg_get_payload(h), sizeof(code));
	else if (h->nlmsg_type == NLMSG_ERROR)
		return -EBADMSG;
	if (h->nlmsg_type == NLMSG_ERROR) {
		from = sizeof(*h) + sizeof(struct nlmsgerr);
		/* the request follows, but for NETLINK_CAP_ACK */
		if (!(h->nlmsg_flags & NLM_F_CAPPED) && h->nlmsg_len > from)
			from = h->nlmsg_len;
	}
	a->done = true;
	a->error = code < 0 ? code : 0;
	if (h->nlmsg_flags & NLM_F_ACK_TLVS)
		extack_read(h, from, &a->told);
	return 0;
}

/* As mnl_nlmsg_ok(), which takes a length over INT_MAX for a negative, and so for a small one. */
static bool message_fits(const struct nlmsghdr *h, int left)
{
	return left >= (int)sizeof(*h) && h->nlmsg_len >= sizeof(*h) &&
	       h->nlmsg_len <= (unsigned)left;
}

static int datagram_read(struct answer *a, const char *data, size_t bytes, uint32_t seq)
{
	const struct nlmsghdr *h = (const void *)data;
	int left = (int)bytes, r;

	for (; !a->done && message_fits(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != seq || h->nlmsg_type == NLMSG_NOOP)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			a->interrupted = true;
		if (h->nlmsg_type == NLMSG_OVERRUN)
			return -EBADMSG;
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
			r = end_read(a, h);
		else
			r = keep(a, h);
		if (r)
			return r;
	}
	return 0;
}

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = weir_clock_ns();
	int n;

	if (now >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((deadline_ns - now) / 1000000 + 1));
	if (n < 0 && errno != EINTR)
		return -errno;
	return n > 0 ? 1 : 0;
}

static int collect(int fd, struct answer *a, uint32_t seq, char *buf)
{
	uint64_t deadline_ns = weir_clock_ns() + TALK_NS;

	while (!a->done) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { buf, ANSWER_BYTES };
		struct msghdr m = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		int r = wait_readable(fd, deadline_ns);
		ssize_t n;

		if (r < 0)
			return r;
		n = r ? recvmsg(fd, &m, MSG_DONTWAIT) : -1;
		if (n < 0 && (!r || errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		if (m.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid)
			continue;
		r = datagram_read(a, buf, (size_t)n, seq);
		if (r)
			return r;
	}
	return 0;
}

static int hand_out(const struct answer *a, mnl_cb_t cb, void *user)
{
	const struct nlmsghdr *h = (const void *)a->data;
	int left = (int)a->bytes;

	for (; cb && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		int r;

		errno = 0;
		r = cb(h, user);
		if (r == MNL_CB_STOP)
			return 0;
		if (r < 0)
			return errno ? -errno : -EBADMSG;
	}
	return 0;
}

/* One try of a request; 1: interrupted, ask again. */
static int talk_once(struct mnl_socket *sock, const struct nlmsghdr *msg, struct answer *a,
		     mnl_cb_t cb, void *user)
{
	char *buf = malloc(ANSWER_BYTES);
	struct nlmsghdr *sent;
	int r = -ENOMEM;

	if (!buf)
		return r;
	sent = memcpy(buf, msg, msg->nlmsg_len);
	sent->nlmsg_pid = 0;
	r = mnl_socket_sendto(sock, sent, sent->nlmsg_len) < 0 ? -errno : 0;
	if (!r)
		r = collect(mnl_socket_get_fd(sock), a, msg->nlmsg_seq, buf);
	free(buf);
	if (!r)
		r = a->error;
	if (!r && a->interrupted)
		r = 1;
	if (!r)
		r = hand_out(a, cb, user);
	return r;
}

int nic_nl_talk(struct nic_ctx *ctx, struct nlmsghdr *msg, mnl_cb_t cb, void *user,
		const char *stage, struct weir_error *reterr)
{
	struct mnl_socket *sock = msg->nlmsg_pid == TO_ROUTE ? ctx->route : ctx->generic;
	int r = 1;

	if (!sock || !msg->nlmsg_type)
		return weir_error_set(reterr, -EOPNOTSUPP, stage, ctx->ifname,
				      "this kernel has no netlink family \"%s\"",
				      msg->nlmsg_pid == TO_NETDEV ? "netdev" : "ethtool");
	for (int i = 0; r == 1 && i < DUMP_TRIES; i++) {
		struct answer a = { 0 };

		if (i) /* what is left of the answer before must not be taken for this one */
			msg->nlmsg_seq = ++ctx->seq;
		r = talk_once(sock, msg, &a, cb, user);
		free(a.data);
		if (r < 0)
			return refused(ctx, msg, &a.told, gone_or_down(ctx, r), stage, reterr);
	}
	if (r == 1)
		return weir_error_set(reterr, -EINTR, stage, ctx->ifname,
				      "it changed each time while it was read; try again");
	return 0;
}

/* -------------------------------------------------------------------- opening, closing */

static struct mnl_socket *socket_new(int bus, int *retcode)
{
	struct mnl_socket *sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int on = 1;

	if (!sock) {
		*retcode = -errno;
		return NULL;
	}
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		*retcode = -errno;
		mnl_socket_close(sock);
		return NULL;
	}
	/* without them errors have fewer words, and dumps fewer filters: no reason to fail */
	mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(sock, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return sock;
}

static int family_cb(const struct nlmsghdr *h, void *user)
{
	const struct nlattr *attr;
	uint16_t *id = user;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			*id = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

/* Number of a family; 0 where this kernel has none. */
static int family_find(struct nic_ctx *ctx, const char *name, uint16_t *ret,
		       struct weir_error *reterr)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct weir_error err;
	struct nlmsghdr *msg;
	uint16_t id = 0;
	int r;

	if (!ctx->generic)
		return 0;
	msg = generic_begin(ctx, buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, TO_CONTROL);
	mnl_attr_put_strz(msg, CTRL_ATTR_FAMILY_NAME, name);
	r = nic_nl_talk(ctx, msg, family_cb, &id, "netlink family", &err);
	if (r && r != -ENOENT) {
		if (reterr)
			*reterr = err;
		return r;
	}
	*ret = id;
	return 0;
}

static int sockets_open(struct nic_ctx *ctx, struct weir_error *reterr)
{
	socklen_t bytes = sizeof(ctx->netns_cookie);
	int r = 0;

	ctx->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctx->ioctl_fd < 0 && errno == EAFNOSUPPORT)
		ctx->ioctl_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctx->ioctl_fd < 0)
		return weir_error_set(reterr, -errno, "socket", ctx->ifname, NULL);
	if (getsockopt(ctx->ioctl_fd, SOL_SOCKET, SO_NETNS_COOKIE, &ctx->netns_cookie, &bytes))
		return weir_error_set(reterr, -errno, "SO_NETNS_COOKIE", ctx->ifname,
				      "Linux 5.14 or later is needed");
	ctx->route = socket_new(NETLINK_ROUTE, &r);
	if (!ctx->route)
		return weir_error_set(reterr, r, "rtnetlink socket", ctx->ifname, NULL);
	ctx->generic = socket_new(NETLINK_GENERIC, &r);
	if (!ctx->generic && r != -EPROTONOSUPPORT)
		return weir_error_set(reterr, r, "generic netlink socket", ctx->ifname, NULL);
	return 0;
}

/* What the kernel takes for a name; anything else cannot be one. */
static bool name_valid(const char *name)
{
	if (!name[0] || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (const char *c = name; *c; c++)
		if (*c == '/' || *c == ':' || isspace((unsigned char)*c))
			return false;
	return true;
}

static int interface_find(struct nic_ctx *ctx, const char *ifname, struct weir_error *reterr)
{
	struct ifreq ifr = { 0 };
	int r;

	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(ctx->ioctl_fd, SIOCGIFINDEX, &ifr)) {
		r = -errno;
		return weir_error_set(reterr, r, "interface", ctx->ifname,
				      r == -ENODEV ? "`ip link` lists those of this network "
						     "namespace" :
						     NULL);
	}
	ctx->ifindex = (uint32_t)ifr.ifr_ifindex;
	r = name_now(ctx, ctx->ifname); /* an alternative name may have been given */
	return r ? weir_error_set(reterr, r, "interface", ifname, "%s", advice(r)) : 0;
}

int nic_ctx_init(struct nic_ctx *ctx, const char *ifname, struct weir_error *reterr)
{
	int r;

	*ctx = (struct nic_ctx){ .ioctl_fd = -1 };
	if (!ifname || !name_valid(ifname))
		return weir_error_set(reterr, -EINVAL, "interface", ifname ? ifname : "(no name)",
				      "a name has 1 to 15 bytes, no blank, no '/' and no ':'");
	snprintf(ctx->ifname, sizeof(ctx->ifname), "%s", ifname);
	r = sockets_open(ctx, reterr);
	if (!r)
		r = interface_find(ctx, ifname, reterr);
	if (!r)
		r = family_find(ctx, ETHTOOL_GENL_NAME, &ctx->ethtool_family, reterr);
	if (!r)
		r = family_find(ctx, WEIR_NETDEV_FAMILY_NAME, &ctx->netdev_family, reterr);
	return r;
}

void nic_ctx_fini(struct nic_ctx *ctx)
{
	if (ctx->route)
		mnl_socket_close(ctx->route);
	if (ctx->generic)
		mnl_socket_close(ctx->generic);
	if (ctx->ioctl_fd >= 0)
		close(ctx->ioctl_fd);
	*ctx = (struct nic_ctx){ .ioctl_fd = -1 };
}

/* ---------------------------------------------------------------------- ioctl, features */

int nic_ioctl(struct nic_ctx *ctx, void *cmd, const char *stage, struct weir_error *reterr)
{
	struct ifreq ifr = { 0 };
	int r = name_now(ctx, ifr.ifr_name);

	ifr.ifr_data = cmd;
	if (!r && ioctl(ctx->ioctl_fd, SIOCETHTOOL, &ifr))
		r = gone_or_down(ctx, -errno);
	return r ? weir_error_set(reterr, r, stage, ctx->ifname, "%s", advice(r)) : 0;
}

/* Number of strings in a set of the kernel's. */
static int strings_count(struct nic_ctx *ctx, uint32_t set, uint32_t *ret,
			 struct weir_error *reterr)
{
	union {
		struct ethtool_sset_info head;
		char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << set } };
	int r = nic_ioctl(ctx, &info, "ethtool string sets", reterr);

	if (!r)
		*ret = info.head.sset_mask ? info.head.data[0] : 0;
	return r;
}

int nic_strings_read(struct nic_ctx *ctx, uint32_t set, struct ethtool_gstrings **ret,
		     struct weir_error *reterr)
{
	struct ethtool_gstrings *names;
	uint32_t count = 0;
	int r = strings_count(ctx, set, &count, reterr);

	if (r)
		return r;
	names = calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	if (!names)
		return weir_error_set(reterr, -ENOMEM, "ethtool strings", ctx->ifname, NULL);
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = set;
	names->len = count; /* newer kernels write nothing where this is another number */
	r = count ? nic_ioctl(ctx, names, "ethtool strings", reterr) : 0;
	if (!r && names->len > count)
		r = weir_error_set(reterr, -EBADMSG, "ethtool strings", ctx->ifname, NULL);
	if (r)
		free(names);
	else
		*ret = names;
	return r;
}

int nic_feature_read(struct nic_ctx *ctx, const char *name, struct weir_nic_switch *ret,
		     struct weir_error *reterr)
{
	const struct ethtool_get_features_block *block;
	struct ethtool_gfeatures *features;
	struct ethtool_gstrings *names;
	uint32_t count, at = 0, bit;
	int r = nic_strings_read(ctx, ETH_SS_FEATURES, &names, reterr);

	if (r)
		return r;
	count = names->len;
	while (at < count && strncmp((const char *)names->data + (size_t)at * ETH_GSTRING_LEN, name,
				     ETH_GSTRING_LEN))
		at++;
	free(names);
	if (at == count) {
		*ret = (struct weir_nic_switch){ WEIR_NIC_ABSENT, true };
		return 0;
	}
	features = calloc(1, sizeof(*features) + (count + 31) / 32 * sizeof(*block));
	if (!features)
		return weir_error_set(reterr, -ENOMEM, "ethtool features", ctx->ifname, NULL);
	features->cmd = ETHTOOL_GFEATURES;
	features->size = (count + 31) / 32;
	r = nic_ioctl(ctx, features, "ethtool features", reterr);
	if (!r) {
		block = &features->features[at / 32];
		bit = 1u << at % 32;
		ret->state = block->active & bit ? WEIR_NIC_ON : WEIR_NIC_OFF;
		ret->fixed = !(block->available & bit) || block->never_changed & bit;
	}
	free(features);
	return r;
}

int nic_path_read(const char *path, char *buf, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, bytes - 1);
	r = n < 0 ? -errno : 0;
	close(fd);
	if (r)
		return r;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}
