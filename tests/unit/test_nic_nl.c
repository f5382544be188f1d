/* SPDX-License-Identifier: MIT */
/*
 * test_nic_nl.c - requests to the kernel: refusals with its own words, lists of queues.
 *
 * Theory: the loopback device is everywhere, so each request is about it.  Requests that the kernel
 *	must refuse show that its words, and the attribute that it means, come through.
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "nic/read.h"
#include "t.h"
#include "uapi/netdev.h"

static int open_lo(void **state)
{
	static struct nic_ctx ctx;
	struct weir_error err = { 0 };

	if (nic_ctx_init(&ctx, "lo", &err)) {
		weir_error_print(stderr, &err);
		return -1;
	}
	*state = &ctx;
	return 0;
}

static int close_lo(void **state)
{
	nic_ctx_fini(*state);
	return 0;
}

static void opens(void **state)
{
	struct nic_ctx *ctx = *state;

	assert_int_equal(ctx->ifindex, 1);
	assert_string_equal(ctx->ifname, "lo");
	assert_true(ctx->netns_cookie > 0);
}

/* Also where this kernel lacks a family. */
static void leaves_the_record_alone(void **state)
{
	struct weir_error err = { .code = 12345 };
	struct nic_ctx ctx;

	(void)state;
	assert_int_equal(nic_ctx_init(&ctx, "lo", &err), 0);
	assert_int_equal(err.code, 12345);
	nic_ctx_fini(&ctx);
}

static void refuses_names(void **state)
{
	static const char *const bad[] = { "",	  ".",	 "..",	 "a/b",
					   "a b", "a:b", "a\tb", "abcdefghijklmnop" };
	struct nic_ctx ctx;
	struct weir_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct weir_error){ 0 };
		assert_int_equal(nic_ctx_init(&ctx, bad[i], &err), -EINVAL);
		assert_string_equal(err.object, bad[i]);
		assert_non_null(strstr(err.hint, "1 to 15 bytes"));
		nic_ctx_fini(&ctx);
	}
	assert_int_equal(nic_ctx_init(&ctx, NULL, NULL), -EINVAL);
	nic_ctx_fini(&ctx);
	assert_int_equal(nic_ctx_init(&ctx, "no%s%nsuch", &err), -ENODEV);
	assert_string_equal(err.object, "no%s%nsuch");
	nic_ctx_fini(&ctx);
	nic_ctx_fini(&ctx); /* twice is legal */
}

/* The offending attribute is named by its path, after the kernel's words. */
static void names_the_attribute(void **state)
{
	char buf[NIC_NL_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nic_ctx *ctx = *state;
	struct weir_error err = { 0 };
	struct nlmsghdr *msg;
	struct nlattr *nest;

	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_GET, 0, ETHTOOL_A_RINGS_HEADER, 0);
	mnl_attr_put_u32(msg, 999, 1);
	assert_int_equal(nic_nl_talk(ctx, msg, NULL, NULL, "stage", &err), -EINVAL);
	assert_string_equal(err.stage, "stage");
	assert_string_equal(err.object, "lo");
	assert_int_equal(strncmp(err.hint, "the kernel says: ", 17), 0);
	assert_non_null(strstr(err.hint, "(attribute 999)"));

	/* within the header: a flag that there is not */
	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_GET, 0, ETHTOOL_A_RINGS_HEADER,
				1u << 31);
	assert_int_equal(nic_nl_talk(ctx, msg, NULL, NULL, "stage", &err), -EINVAL);
	assert_non_null(strstr(err.hint, "(attribute 1.3)"));

	/* an interface that there is not, by a second header */
	msg = nic_ethtool_begin(ctx, buf, ETHTOOL_MSG_RINGS_GET, 0, ETHTOOL_A_RINGS_HEADER, 0);
	nest = mnl_attr_nest_start(msg, ETHTOOL_A_RINGS_HEADER);
	mnl_attr_put_u32(msg, ETHTOOL_A_HEADER_DEV_INDEX, 0x7fffffff);
	mnl_attr_nest_end(msg, nest);
	/* lo is still there, so this is not -ENODEV */
	assert_int_equal(nic_nl_talk(ctx, msg, NULL, NULL, "stage", &err), -ENETDOWN);
}

static void names_what_is_missing(void **state)
{
	char buf[NIC_NL_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nic_ctx *ctx = *state;
	struct weir_error err = { 0 };
	struct nlmsghdr *msg;

	if (!ctx->netdev_family) {
		msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_DEV_GET, 0);
		assert_int_equal(nic_nl_talk(ctx, msg, NULL, NULL, "stage", &err), -EOPNOTSUPP);
		assert_non_null(strstr(err.hint, "no netlink family \"netdev\""));
		return;
	}
	msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_DEV_GET, 0);
	assert_int_equal(nic_nl_talk(ctx, msg, NULL, NULL, "stage", &err), -EINVAL);
	assert_non_null(strstr(err.hint, "(attribute 1 is missing)"));
}

static int count_cb(const struct nlmsghdr *h, void *user)
{
	int *n = user;

	assert_int_equal(h->nlmsg_type, RTM_NEWLINK);
	++*n;
	return MNL_CB_OK;
}

static int stop_cb(const struct nlmsghdr *h, void *user)
{
	int *n = user;

	(void)h;
	++*n;
	return MNL_CB_STOP;
}

static int fail_cb(const struct nlmsghdr *h, void *user)
{
	(void)h;
	errno = *(int *)user;
	return MNL_CB_ERROR;
}

static int dump_links(struct nic_ctx *ctx, mnl_cb_t cb, void *user, struct weir_error *err)
{
	char buf[NIC_NL_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *msg =
		nic_route_begin(ctx, buf, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));

	return nic_nl_talk(ctx, msg, cb, user, "links", err);
}

static void dumps(void **state)
{
	struct weir_error err = { 0 };
	int n = 0, code = ENOSPC;

	assert_int_equal(dump_links(*state, count_cb, &n, &err), 0);
	assert_true(n >= 1);
	n = 0;
	assert_int_equal(dump_links(*state, stop_cb, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(err.code, 0); /* nothing failed so far */
	assert_int_equal(dump_links(*state, fail_cb, &code, &err), -ENOSPC);
	assert_int_equal(err.code, -ENOSPC);
	code = 0;
	assert_int_equal(dump_links(*state, fail_cb, &code, &err), -EBADMSG);
	assert_int_equal(dump_links(*state, NULL, NULL, NULL), 0);
}

static void ioctls(void **state)
{
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct weir_nic_switch s = { WEIR_NIC_UNKNOWN, false };
	struct weir_error err = { 0 };

	assert_int_equal(nic_feature_read(*state, "rx-gro", &s, &err), 0);
	assert_true(s.state == WEIR_NIC_ON || s.state == WEIR_NIC_OFF);
	assert_int_equal(nic_feature_read(*state, "no-such-feature", &s, &err), 0);
	assert_int_equal(s.state, WEIR_NIC_ABSENT);
	assert_int_equal(nic_ioctl(*state, &channels, "channels", &err), -EOPNOTSUPP);
	assert_string_equal(err.stage, "channels");
	assert_non_null(strstr(err.hint, "does not offer"));
	(void)!nic_ioctl(*state, &drv, "driver", NULL); /* without a record */
}

static void ranges(void **state)
{
	static const struct {
		uint32_t table[8];
		size_t n;
		size_t bytes;
		const char *text;
	} cases[] = {
		{ { 0 }, 0, 64, "" },
		{ { 5 }, 1, 64, "5" },
		{ { 1, 0, 1, 0 }, 4, 64, "0-1" },
		{ { 7, 2, 3, 0 }, 4, 64, "0,2-3,7" },
		{ { 4, 3, 2, 1, 0 }, 5, 64, "0-4" },
		{ { UINT32_MAX, 0 }, 2, 64, "0,4294967295" },
		{ { 10, 20, 30, 40 }, 4, 12, "10,20,30..." },
		{ { 10, 20, 30, 40 }, 4, 11, "10,20..." },
		{ { 10, 20 }, 2, 9, "10,20" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(nic_ranges_put(cases[i].table, cases[i].n, buf, cases[i].bytes),
				 0);
		assert_string_equal(buf, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens, open_lo, close_lo),
		cmocka_unit_test(leaves_the_record_alone),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test_setup_teardown(names_the_attribute, open_lo, close_lo),
		cmocka_unit_test_setup_teardown(names_what_is_missing, open_lo, close_lo),
		cmocka_unit_test_setup_teardown(dumps, open_lo, close_lo),
		cmocka_unit_test_setup_teardown(ioctls, open_lo, close_lo),
		cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
