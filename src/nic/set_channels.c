// SPDX-License-Identifier: MIT
/*
 * set_channels.c - the number of channels as a setting.
 *
 * Theory: a combined channel is a receive and a transmit queue.  The value is their number ("8");
 *	of a NIC that has none (veth, some old drivers) it is the number of its receive channels
 *	("rx 8").  Owners want a number; target() says which of the two it is here.
 * Invariants: 1. transmit channels and the kind of channels stay as they are.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: the kernel's, with what keeps the queues that would go.
 * Sources: net/ethtool/channels.c (ethnl_set_channels), net/ethtool/common.c
 *	(ethtool_check_max_channel), Linux 7.3; drivers/net/veth.c (veth_get_channels)
 * Tests: tests/vm/t/nic_kind_set.sh, tests/netns/nic_kinds.sh
 */
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "nl.h"
#include "value.h"

#define LEGAL "the number of combined channels, or \"rx N\" where the NIC has none"

static int channels_read(struct nic_ctx *ctx, struct ethtool_channels *ret,
			 struct weir_error *reterr)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int r = nic_ioctl(ctx, &channels, "ethtool channels", reterr);

	if (!r && !channels.max_combined && !channels.max_rx)
		r = weir_error_set(reterr, -EOPNOTSUPP, "ethtool channels", ctx->ifname,
				   "the driver does not tell how many channels there are");
	if (!r)
		*ret = channels;
	return r;
}

static int get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	struct ethtool_channels channels;
	int r = channels_read(ctx, &channels, reterr);

	(void)key;
	if (r)
		return r;
	if (channels.max_combined)
		return nic_text_new(ret, "%" PRIu32, channels.combined_count);
	return nic_text_new(ret, "rx %" PRIu32, channels.rx_count);
}

static int parse(const char *value, bool *retrx, uint32_t *ret)
{
	bool rx = !strncmp(value, "rx ", 3);
	uint64_t n;

	if (nic_number_parse(value + (rx ? 3 : 0), UINT16_MAX, &n) || !n)
		return -EINVAL;
	*retrx = rx;
	*ret = (uint32_t)n;
	return 0;
}

static void advise(struct nic_ctx *ctx, int code, bool rx, uint32_t count,
		   struct weir_error *reterr)
{
	struct ethtool_channels now;
	uint32_t most, before;

	if (code != -EINVAL || channels_read(ctx, &now, NULL))
		return;
	most = rx ? now.max_rx : now.max_combined;
	before = rx ? now.rx_count : now.combined_count;
	if (count > most) {
		nic_advise(reterr, "the NIC has %" PRIu32 " at most", most);
	} else if (count < before) {
		/* the kernel wants one channel more than bound queue N needs: N + 2 */
		nic_bound_advise(ctx, count - 1, reterr);
		nic_advise(reterr,
			   "ethtool -x and -n show what leads to queues from %" PRIu32 " on",
			   count);
	}
}

static int set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
	       struct weir_error *reterr)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg;
	uint32_t count;
	bool rx;
	int r;

	(void)key, (void)from;
	if (parse(to, &rx, &count))
		return nic_value_bad(reterr, "channels", to, LEGAL);
	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_CHANNELS_SET, 0, ETHTOOL_A_CHANNELS_HEADER,
				0);
	mnl_attr_put_u32(msg, rx ? ETHTOOL_A_CHANNELS_RX_COUNT : ETHTOOL_A_CHANNELS_COMBINED_COUNT,
			 count);
	r = nic_nl_talk(ctx, msg, NULL, NULL, "ethtool channels set", reterr);
	if (r)
		advise(ctx, r, rx, count, reterr);
	return r;
}

static int target(struct nic_ctx *ctx, const char *key, const char *base, const char *const *wants,
		  unsigned n, char **ret, struct weir_error *reterr)
{
	struct ethtool_channels channels;
	char *same = NULL, *number;
	uint32_t count;
	bool rx;
	int r = nic_target_same(ctx, key, base, wants, n, &same, reterr);

	if (!r && parse(same, &rx, &count))
		r = nic_value_bad(reterr, "channels", same, LEGAL);
	if (!r)
		r = channels_read(ctx, &channels, reterr);
	if (!r) {
		number = same + (rx ? 3 : 0);
		r = nic_text_new(ret, "%s%s", channels.max_combined ? "" : "rx ", number);
	}
	free(same);
	return r;
}

static void what(const char *key, char *buf, size_t bytes)
{
	(void)key;
	snprintf(buf, bytes, "number of channels");
}

static void ethtool(const char *ifname, const char *key, const char *from, const char *to,
		    char *buf, size_t bytes)
{
	bool rx = !strncmp(to, "rx ", 3);

	(void)key, (void)from;
	snprintf(buf, bytes, "ethtool -L %s %s%s", ifname, rx ? "" : "combined ", to);
}

const struct nic_setting_kind nic_set_channels = {
	.name = "channels",
	.get = get,
	.set = set,
	.target = target,
	.what = what,
	.ethtool = ethtool,
};
