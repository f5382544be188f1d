// SPDX-License-Identifier: MIT
/*
 * set_napi.c - how a queue's NAPI polls, as a setting: what busy polling wants.
 *
 * Theory: the key is the receive queue.  Its NAPI gets another number whenever the queue is
 *	restarted, and the kernel keeps the settings for the queue's next NAPI, so the number is
 *	looked up anew at each call.
 *
 *	defer-hard-irqs      rounds of polling without a packet, before the interrupt is on again
 *	gro-flush-timeout    ns until the next round
 *	irq-suspend-timeout  ns that a busy-polling application may let pass; 0: it does not poll
 *
 * Invariants: 1. the value has irq-suspend-timeout exactly where the kernel has it.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -EOPNOTSUPP before Linux 6.13; -ENETDOWN while the interface is down, when the kernel
 *	keeps the settings and shows none.
 * Sources: net/core/netdev-genl.c (netdev_nl_napi_fill_one, netdev_nl_napi_set_config),
 *	Documentation/networking/napi.rst, Linux 7.3
 * Tests: tests/vm/t/nic_kind_set.sh
 */
#include <inttypes.h>
#include <linux/genetlink.h>
#include <string.h>

#include "bound.h"
#include "read.h"
#include "uapi/netdev.h"
#include "value.h"

#define LEGAL "defer-hard-irqs N gro-flush-timeout NS irq-suspend-timeout NS"

enum { DEFER, FLUSH, SUSPEND, FIELDS };

static const struct {
	const char *word;
	uint16_t attr;
	uint64_t max;
} fields[FIELDS] = {
	[DEFER] = { "defer-hard-irqs", WEIR_NETDEV_A_NAPI_DEFER_HARD_IRQS, INT32_MAX },
	[FLUSH] = { "gro-flush-timeout", WEIR_NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT, INT64_MAX },
	[SUSPEND] = { "irq-suspend-timeout", WEIR_NETDEV_A_NAPI_IRQ_SUSPEND_TIMEOUT, INT64_MAX },
};

struct napi {
	uint64_t value[FIELDS];
	bool has[FIELDS];
};

static int napi_cb(const struct nlmsghdr *h, void *user)
{
	struct napi *napi = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		for (unsigned i = 0; i < FIELDS; i++)
			if (mnl_attr_get_type(attr) == fields[i].attr) {
				napi->value[i] = nic_attr_uint(attr);
				napi->has[i] = true;
			}
	return MNL_CB_OK;
}

static int napi_of(struct nic_ctx *ctx, const char *key, uint32_t *ret, struct weir_error *reterr)
{
	uint64_t queue;

	if (nic_number_parse(key, UINT16_MAX, &queue))
		return nic_value_bad(reterr, "netdev NAPI", key, "the number of a receive queue");
	return nic_queue_napi(ctx, (uint32_t)queue, ret, reterr);
}

static int get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg;
	struct napi napi = { 0 };
	uint32_t id;
	int r = napi_of(ctx, key, &id, reterr);

	if (r)
		return r;
	msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_NAPI_GET, 0);
	mnl_attr_put_u32(msg, WEIR_NETDEV_A_NAPI_ID, id);
	r = nic_nl_talk(ctx, msg, napi_cb, &napi, "netdev NAPI", reterr);
	if (r)
		return r;
	if (!napi.has[DEFER] || !napi.has[FLUSH])
		return weir_error_set(reterr, -EOPNOTSUPP, "netdev NAPI", ctx->ifname,
				      "the kernel has no settings per NAPI: Linux 6.13 has");
	if (!napi.has[SUSPEND])
		return nic_text_new(ret, "%s %" PRIu64 " %s %" PRIu64, fields[DEFER].word,
				    napi.value[DEFER], fields[FLUSH].word, napi.value[FLUSH]);
	return nic_text_new(ret, "%s %" PRIu64 " %s %" PRIu64 " %s %" PRIu64, fields[DEFER].word,
			    napi.value[DEFER], fields[FLUSH].word, napi.value[FLUSH],
			    fields[SUSPEND].word, napi.value[SUSPEND]);
}

static int parse(const char *value, struct napi *ret)
{
	char copy[160], *rest = NULL, *at;
	struct napi napi = { 0 };

	if (strlen(value) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, value, strlen(value) + 1);
	at = strtok_r(copy, " ", &rest);
	for (unsigned i = 0; i < FIELDS && at; i++) {
		if (strcmp(at, fields[i].word))
			return -EINVAL;
		at = strtok_r(NULL, " ", &rest);
		if (!at || nic_number_parse(at, fields[i].max, &napi.value[i]))
			return -EINVAL;
		napi.has[i] = true;
		at = strtok_r(NULL, " ", &rest);
	}
	if (at || !napi.has[FLUSH])
		return -EINVAL;
	*ret = napi;
	return 0;
}

static void put_uint(struct nlmsghdr *msg, uint16_t attr, uint64_t n)
{
	if (n <= UINT32_MAX)
		mnl_attr_put_u32(msg, attr, (uint32_t)n);
	else
		mnl_attr_put_u64(msg, attr, n);
}

static int set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
	       struct weir_error *reterr)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg;
	struct napi napi;
	uint32_t id;
	int r;

	(void)from;
	if (parse(to, &napi))
		return nic_value_bad(reterr, "netdev NAPI set", to, LEGAL);
	r = napi_of(ctx, key, &id, reterr);
	if (r)
		return r;
	msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_NAPI_SET, 0);
	mnl_attr_put_u32(msg, WEIR_NETDEV_A_NAPI_ID, id);
	for (unsigned i = 0; i < FIELDS; i++)
		if (napi.has[i])
			put_uint(msg, fields[i].attr, napi.value[i]);
	return nic_nl_talk(ctx, msg, NULL, NULL, "netdev NAPI set", reterr);
}

static void what(const char *key, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "NAPI of rxq %s", key);
}

/* There is no program on most machines that sets these. */
static void ethtool(const char *ifname, const char *key, const char *from, const char *to,
		    char *buf, size_t bytes)
{
	(void)ifname, (void)key, (void)from, (void)to, (void)bytes;
	buf[0] = '\0';
}

const struct nic_setting_kind nic_set_napi = {
	.name = "napi",
	.get = get,
	.set = set,
	.target = nic_target_same,
	.what = what,
	.ethtool = ethtool,
};
