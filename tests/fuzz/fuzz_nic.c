/* SPDX-License-Identifier: MIT */
/*
 * fuzz_nic.c - a kernel that answers anything about an interface: netlink messages, extack,
 * SIOCETHTOOL; then its state as a report, a verdict, a plan.
 *
 * Theory: the calls by which the library talks to the kernel are this file's (ld --wrap).  An
 * answer is made of the input: messages with attributes of any type, length and content, or raw
 * bytes; the end with any error and any extack; ioctls write as much as a kernel writes.  What is
 * read is printed for people and for programs (which must be JSON), judged, and planned with.
 *
 * Wraps: mnl_socket_sendto mnl_socket_get_fd recvmsg poll ioctl
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <weir/weir.h>

#include "fuzz.h"
#include "nic/journal.h"
#include "nic/plan.h"
#include "uapi/ethtool.h"

#include "../../tools/nic_status.h"

#define ETHTOOL_FAMILY 0x20
#define NETDEV_FAMILY 0x21
#define ANSWERS_MAX 4000 /* calls of one input */

static struct fuzz_in *kernel; /* what it says next */
static uint32_t asked_seq;
static uint16_t asked_type;
static unsigned answers;
static FILE *sink;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_keep_stderr();
	unsetenv("SSH_CONNECTION");
	sink = fopen("/dev/null", "w");
	return sink ? 0 : 1;
}

/* ------------------------------------------------------------------------------- netlink */

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t bytes);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *sock);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_ioctl(int fd, unsigned long request, ...);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t bytes)
{
	const struct nlmsghdr *msg = buf;

	(void)sock;
	must(bytes == msg->nlmsg_len);
	asked_seq = msg->nlmsg_seq;
	asked_type = msg->nlmsg_type;
	return (ssize_t)bytes;
}

int __wrap_mnl_socket_get_fd(const struct mnl_socket *sock)
{
	(void)sock;
	return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)timeout_ms;
	must(n == 1);
	fds->revents = POLLIN;
	return 1;
}

static size_t put_attributes(char *to, size_t room)
{
	size_t used = 0;

	for (unsigned n = fuzz_u8(kernel) % 24; n && room - used > 300; n--) {
		struct nlattr *attr = (void *)(to + used);
		uint8_t len = fuzz_u8(kernel);

		attr->nla_type = fuzz_u8(kernel);
		/* Lengths that numbers have are the ones that lead on. */
		if (len >= 240)
			len = (uint8_t)(1u << (len & 3));
		attr->nla_len = (uint16_t)(sizeof(*attr) + len);
		fuzz_take(kernel, attr + 1, len);
		if (attr->nla_type & 0x80)
			attr->nla_type = (uint16_t)((attr->nla_type & 0x7f) | NLA_F_NESTED);
		used += MNL_ALIGN(attr->nla_len);
	}
	return used;
}

static size_t put_message(char *to, size_t room, uint8_t how)
{
	struct nlmsghdr *h = (void *)to;
	size_t head = asked_type == ETHTOOL_FAMILY || asked_type == NETDEV_FAMILY ?
			      sizeof(struct genlmsghdr) :
			      fuzz_u8(kernel) % 24u;
	size_t bytes = sizeof(*h) + MNL_ALIGN(head);

	memset(h, 0, bytes);
	fuzz_take(kernel, h + 1, head);
	bytes += put_attributes(to + bytes, room - bytes);
	*h = (struct nlmsghdr){ .nlmsg_len = (uint32_t)bytes,
				/* that of a "get" is two below its "new" */
				.nlmsg_type = how & 2 ? fuzz_u8(kernel) :
							(uint16_t)(asked_type - 2),
				.nlmsg_flags = how & 4 ? fuzz_u8(kernel) : NLM_F_MULTI,
				.nlmsg_seq = how & 8 ? asked_seq + 1 : asked_seq };
	if (asked_type == ETHTOOL_FAMILY || asked_type == NETDEV_FAMILY)
		h->nlmsg_type = asked_type;
	if (how & 16)
		h->nlmsg_len = fuzz_u32(kernel);
	return bytes;
}

/* An acknowledgement or a refusal, with the kernel's words. */
static size_t put_end(char *to, size_t room)
{
	struct nlmsghdr *h = (void *)to;
	uint8_t how = fuzz_u8(kernel);
	int32_t code = how & 1 ? -(int32_t)fuzz_u8(kernel) : 0;
	size_t bytes = sizeof(*h) + (how & 2 ? sizeof(struct nlmsgerr) : sizeof(code));

	memset(h, 0, sizeof(*h) + sizeof(struct nlmsgerr));
	h->nlmsg_type = how & 2 ? NLMSG_ERROR : NLMSG_DONE;
	h->nlmsg_flags = how & 4 ? NLM_F_ACK_TLVS | NLM_F_CAPPED : 0;
	h->nlmsg_seq = asked_seq;
	memcpy(h + 1, &code, sizeof(code));
	if (how & 4)
		bytes += put_attributes(to + bytes, room - bytes);
	h->nlmsg_len = (uint32_t)bytes;
	return bytes;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	char *to = msg->msg_iov->iov_base;
	size_t room = msg->msg_iov->iov_len, bytes = 0, raw;
	struct sockaddr_nl *from = msg->msg_name;
	uint8_t how = fuzz_u8(kernel);

	(void)fd;
	(void)flags;
	must(room >= 65536);
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	/* With nothing left to say it says that all is said. */
	if (++answers > ANSWERS_MAX || !kernel->left)
		how = 0;
	if (how == 0xff) {
		raw = fuzz_u16(kernel) % 4096;
		return (ssize_t)fuzz_take(kernel, to, raw);
	}
	if (how == 0xfe) {
		msg->msg_flags = MSG_TRUNC;
		return 0;
	}
	if (how == 0xfd) {
		from->nl_pid = 4711;
		return 0;
	}
	for (unsigned n = how >> 5; n && room - bytes > 8192; n--)
		bytes += put_message(to + bytes, room - bytes, how);
	if (!(how & 1))
		bytes += put_end(to + bytes, room - bytes);
	return (ssize_t)bytes;
}

/* ------------------------------------------------------------------------------- ethtool */

static void ioctl_strings(struct ethtool_gstrings *names)
{
	uint32_t count = fuzz_u8(kernel);
	static const char *const known[] = { "rx-gro", "rx-lro", "rx-ntuple-filter", "toeplitz" };

	for (uint32_t i = 0; i < names->len; i++) {
		char *name = (char *)names->data + (size_t)i * ETH_GSTRING_LEN;
		uint8_t which = fuzz_u8(kernel);

		if (which < 4)
			snprintf(name, ETH_GSTRING_LEN, "%s", known[which]);
		else
			fuzz_take(kernel, name, which % (ETH_GSTRING_LEN + 1));
	}
	if (count & 0x80)
		names->len = count & 0x7f;
}

static void ioctl_rss(struct weir_ethtool_rxfh *rss)
{
	if (!rss->indir_size && !rss->key_size) {
		rss->indir_size = fuzz_u8(kernel);
		rss->key_size = fuzz_u8(kernel);
		return;
	}
	for (uint32_t i = 0; i < rss->indir_size; i++)
		rss->rss_config[i] = fuzz_u8(kernel);
	fuzz_take(kernel, rss->rss_config + rss->indir_size, rss->key_size);
	rss->hfunc = fuzz_u8(kernel);
	rss->input_xfrm = fuzz_u8(kernel);
}

static void ioctl_rules(struct ethtool_rxnfc *rules)
{
	uint32_t room = rules->rule_cnt;

	for (uint32_t i = 0; i < room; i++)
		rules->rule_locs[i] = fuzz_u16(kernel);
	rules->rule_cnt = fuzz_u8(kernel);
	rules->data = fuzz_u32(kernel);
}

/* What the kernel writes behind the command, as far as it has the size from there. */
static void ioctl_answer(uint32_t *cmd)
{
	struct ethtool_rxnfc *rule = (void *)cmd;
	struct ethtool_gfeatures *features = (void *)cmd;

	switch (*cmd) {
	case ETHTOOL_GDRVINFO:
		fuzz_take(kernel, cmd + 1, sizeof(struct ethtool_drvinfo) - sizeof(*cmd));
		break;
	case ETHTOOL_GCHANNELS:
		fuzz_take(kernel, cmd + 1, sizeof(struct ethtool_channels) - sizeof(*cmd));
		break;
	case ETHTOOL_GSSET_INFO:
		((struct ethtool_sset_info *)cmd)->data[0] = fuzz_u8(kernel);
		break;
	case ETHTOOL_GSTRINGS:
		ioctl_strings((void *)cmd);
		break;
	case ETHTOOL_GFEATURES:
		fuzz_take(kernel, features->features,
			  features->size * sizeof(features->features[0]));
		break;
	case ETHTOOL_GRSSH:
		ioctl_rss((void *)cmd);
		break;
	case ETHTOOL_GRXRINGS:
		rule->data = fuzz_u16(kernel);
		break;
	case ETHTOOL_GRXFH:
		rule->data = fuzz_u32(kernel);
		break;
	case ETHTOOL_GRXCLSRLCNT:
		rule->rule_cnt = fuzz_u8(kernel) % 32;
		rule->data = fuzz_u32(kernel);
		break;
	case ETHTOOL_GRXCLSRLALL:
		ioctl_rules(rule);
		break;
	case ETHTOOL_GRXCLSRULE:
		fuzz_take(kernel, &rule->fs, sizeof(rule->fs));
		rule->rss_context = fuzz_u8(kernel);
		break;
	default:
		break;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	static const int errors[] = { EOPNOTSUPP, ENODEV, EINVAL, EPERM,
				      EBUSY,	  ENOENT, EIO,	  EMSGSIZE };
	struct ifreq *ifr;
	uint8_t how;
	va_list args;

	(void)fd;
	va_start(args, request);
	ifr = va_arg(args, struct ifreq *);
	va_end(args);
	how = fuzz_u8(kernel);
	if (++answers > ANSWERS_MAX || how >= 248) {
		errno = errors[how & 7];
		return -1;
	}
	if (request == SIOCGIFNAME)
		memcpy(ifr->ifr_name, "fuzz0", sizeof("fuzz0"));
	else if (request == SIOCETHTOOL)
		ioctl_answer((void *)ifr->ifr_data);
	return 0;
}

/* ------------------------------------------------------------------------ what is made of it */

static void report(const struct weir_nic_info *info)
{
	cJSON *json = nic_status_json(info), *again;
	char *text = cJSON_PrintUnformatted(json);

	must(text);
	again = cJSON_Parse(text);
	must(cJSON_IsObject(again));
	cJSON_Delete(again);
	cJSON_free(text);
	cJSON_Delete(json);
	nic_status_text(sink, info);
	nic_status_list(sink, &info, 1);
}

static void judge(const struct weir_nic_info *info)
{
	struct weir_probe probe = { .can = UINT64_MAX >> 38, .memlock_bytes = UINT64_MAX };
	struct weir_verdict v;

	for (unsigned i = 0; i < info->rx_queues && i < 4; i++)
		for (int way = WEIR_WAY_ZCRX; way <= WEIR_WAY_EPOLL; way++) {
			must(!weir_verdict_queue(&probe, info, i, (enum weir_way)way, &v));
			must(v.now <= v.can && (v.now || v.why[0]));
		}
}

static void plan(struct nic_ctx *ctx, struct fuzz_in *in)
{
	static const struct nic_journal_how how = { &nic_kinds, 1000, 300, false };
	struct nic_journal j = { .ctx = ctx, .how = &how, .folder_fd = -1, .lock_fd = -1 };
	uint32_t cpus[4] = { 0, 1, 0, 1 };
	struct weir_nic_flow flow = { 0 };
	struct weir_nic_opts opts = { .size = sizeof(opts),
				      .ifname = "fuzz0",
				      .flags = (fuzz_u8(in) & 0x3f) | WEIR_NIC_REALLY,
				      .queue_first = (int8_t)fuzz_u8(in),
				      .queue_count = fuzz_u8(in) % 5,
				      .channels = fuzz_u8(in) & 15,
				      .cpus = cpus,
				      .gro_flush_timeout_ns = fuzz_u16(in),
				      .defer_hard_irqs = fuzz_u8(in) };
	struct weir_error err = { 0 };
	struct weir_nic_plan *p;
	int r;

	if (fuzz_u8(in) & 1 && !weir_nic_flow_parse("tcp:10.0.0.1:80", &flow, NULL)) {
		opts.flow_count = 1;
		opts.flows = &flow;
	}
	r = nic_plan_make(&p, ctx, &j, &opts, &err);
	if (r) {
		must(r == err.code && err.stage[0]);
		return;
	}
	for (unsigned i = 0; weir_nic_plan_step(p, i); i++)
		must(weir_nic_plan_step(p, i)->what[0]);
	weir_nic_plan_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mnl_socket *sock = (void *)&sink; /* never looked into */
	struct nic_ctx ctx = { .ifname = "fuzz0",
			       .ifindex = 7,
			       .netns_cookie = 1,
			       .route = sock,
			       .generic = sock,
			       .ioctl_fd = -1,
			       .ethtool_family = ETHTOOL_FAMILY,
			       .netdev_family = NETDEV_FAMILY };
	struct weir_error err = { 0 };
	struct nic_info *info;
	struct fuzz_in wish = { 0 };
	int r;

	wish.left = fuzz_part(&in, 12, &wish.at);
	kernel = &in;
	answers = 0;
	r = nic_info_read(&info, &ctx, NULL, &err);
	if (r) {
		must(r == err.code && r < 0);
		return 0;
	}
	/* Thousands of queues only take time. */
	if (info->pub.rx_queues <= 64)
		report(&info->pub);
	judge(&info->pub);
	weir_nic_info_free(&info->pub);
	if (in.left)
		plan(&ctx, &wish);
	return 0;
}
