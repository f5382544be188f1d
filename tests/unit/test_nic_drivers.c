/* SPDX-License-Identifier: MIT */
/*
 * test_nic_drivers.c - flow rules and header split against drivers that nobody here has.
 *
 * Theory: the kinds are compiled into this program with the calls to the kernel replaced by small
 *	drivers in memory, each with the habits of a real one, so far as its source shows them:
 *
 *	bnxt    chooses locations itself, refuses others; -EINVAL for a location without a rule;
 *		refuses to switch the split off and takes "auto" for it
 *	mlx5    wants an explicit location and the exact number of rules; -ENOENT
 *	mute    chooses a location and does not say which
 *	moving  has another number of rules each time it is asked, for a while
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <string.h>

#include "nic/nl.h"
#include "t.h"

static int driver_ioctl(struct nic_ctx *ctx, void *cmd, const char *stage,
			struct weir_error *reterr);
static int driver_talk(struct nic_ctx *ctx, struct nlmsghdr *msg, mnl_cb_t cb, void *user,
		       const char *stage, struct weir_error *reterr);

#define nic_ioctl driver_ioctl
#define nic_nl_talk driver_talk
#include "nic/obj_rule.c"
#include "nic/set_split.c"

#define ROOM 16

enum habit { BNXT, MLX5, MUTE, MOVING };

static struct {
	enum habit habit;
	struct ethtool_rx_flow_spec rule[ROOM];
	bool used[ROOM];
	unsigned count;
	unsigned moves;	   /* times that it will still count wrong */
	unsigned requests; /* changes that it made */
	uint8_t split;
	bool bound;
} nic;

static struct nic_ctx ctx = { .ifname = "fake0", .ifindex = 7, .ethtool_family = 20 };

static void nic_new(enum habit habit)
{
	memset(&nic, 0, sizeof(nic));
	nic.habit = habit;
	nic.split = ETHTOOL_TCP_DATA_SPLIT_DISABLED;
}

static bool chooses(void)
{
	return nic.habit == BNXT || nic.habit == MUTE;
}

static int insert(struct ethtool_rxnfc *nfc)
{
	uint32_t at = nfc->fs.location;

	if (chooses() != (at == RX_CLS_LOC_ANY))
		return -EINVAL;
	for (at = chooses() ? 0 : at; chooses() && at < ROOM && nic.used[at]; at++)
		;
	if (at >= ROOM)
		return -ENOSPC;
	nic.count += !nic.used[at];
	nic.used[at] = true;
	nic.rule[at] = nfc->fs;
	nic.rule[at].location = at;
	nic.requests++;
	if (nic.habit != MUTE)
		nfc->fs.location = at;
	return 0;
}

/* As mlx5 does it: location by location until so many were found. */
static int all(struct ethtool_rxnfc *nfc)
{
	uint32_t n = 0;

	for (uint32_t at = 0; n < nfc->rule_cnt; at++) {
		if (at >= ROOM)
			return -EINVAL;
		if (nic.used[at])
			nfc->rule_locs[n++] = at;
	}
	if (n < nic.count)
		return -EMSGSIZE;
	nfc->data = ROOM | (chooses() ? RX_CLS_LOC_SPECIAL : 0);
	return 0;
}

static int rule_op(struct ethtool_rxnfc *nfc)
{
	uint32_t at = nfc->fs.location;
	bool there = at < ROOM && nic.used[at];

	switch (nfc->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		nfc->rule_cnt = nic.count;
		nfc->data = chooses() ? ROOM | RX_CLS_LOC_SPECIAL : 0;
		if (nic.moves) {
			nfc->rule_cnt += nic.moves % 2 ? 1 : -1u;
			nic.moves--;
		}
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		return all(nfc);
	case ETHTOOL_GRXCLSRULE:
		if (there)
			nfc->fs = nic.rule[at];
		return there ? 0 : nic.habit == MLX5 ? -ENOENT : -EINVAL;
	case ETHTOOL_SRXCLSRLINS:
		return insert(nfc);
	case ETHTOOL_SRXCLSRLDEL:
		if (!there)
			return -ENOENT;
		nic.used[at] = false;
		nic.count--;
		nic.requests++;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int driver_ioctl(struct nic_ctx *c, void *cmd, const char *stage, struct weir_error *reterr)
{
	int r = rule_op(cmd);

	return r ? weir_error_set(reterr, r, stage, c->ifname, NULL) : 0;
}

/* Rings: the split alone. */
static int driver_talk(struct nic_ctx *c, struct nlmsghdr *msg, mnl_cb_t cb, void *user,
		       const char *stage, struct weir_error *reterr)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	uint8_t wanted = nic.split;

	if (head->cmd == ETHTOOL_MSG_RINGS_GET) {
		struct nlmsghdr *answer =
			nic_ethtool_begin(c, buf, ETHTOOL_MSG_RINGS_GET_REPLY, 0, 1, 0);

		mnl_attr_put_u8(answer, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, nic.split);
		return cb(answer, user) == MNL_CB_OK ? 0 : -EBADMSG;
	}
	if (head->cmd != ETHTOOL_MSG_RINGS_SET)
		return -EOPNOTSUPP;
	mnl_attr_for_each(attr, msg, sizeof(*head))
		if (mnl_attr_get_type(attr) == ETHTOOL_A_RINGS_TCP_DATA_SPLIT)
			wanted = mnl_attr_get_u8(attr);
	if ((nic.habit == BNXT && wanted == ETHTOOL_TCP_DATA_SPLIT_DISABLED) ||
	    (nic.bound && wanted != ETHTOOL_TCP_DATA_SPLIT_ENABLED))
		return weir_error_set(reterr, -EINVAL, stage, c->ifname, "the kernel says: no");
	nic.split = wanted == ETHTOOL_TCP_DATA_SPLIT_ENABLED ? wanted :
							       ETHTOOL_TCP_DATA_SPLIT_DISABLED;
	nic.requests++;
	return 0;
}

/* ------------------------------------------------------------------------------ rules */

static void spec_of(unsigned i, char *spec, size_t bytes)
{
	snprintf(spec, bytes, "tcp4 dst-port %u queue %u", 5000 + i, i % 4);
}

static uint32_t made(const char *spec)
{
	struct weir_error err = { 0 };
	char *handle = NULL, *found = NULL;
	uint32_t at;

	if (nic_obj_rule.make(&ctx, spec, &handle, &err))
		fail_msg("%s: %s %s", spec, err.stage, err.hint);
	assert_int_equal(nic_obj_rule.check(&ctx, spec, handle), 0);
	assert_int_equal(nic_obj_rule.list(&ctx, spec, &found, NULL), 0);
	assert_string_equal(found, handle);
	at = (uint32_t)strtoul(handle, NULL, 10);
	free(found);
	free(handle);
	return at;
}

/* As many rules as there is room for, then one more; then each goes. */
static void fill(enum habit habit)
{
	struct weir_error err = { 0 };
	char spec[64], *handle = NULL;

	nic_new(habit);
	for (unsigned i = 0; i < ROOM; i++) {
		spec_of(i, spec, sizeof(spec));
		assert_int_equal(made(spec), habit == MLX5 ? ROOM - 1 - i : i);
	}
	assert_int_equal(nic_obj_rule.make(&ctx, "udp4 queue 1", &handle, &err), -ENOSPC);
	assert_true(err.hint[0]);
	assert_null(handle);
	spec_of(3, spec, sizeof(spec));
	assert_int_equal(nic_obj_rule.make(&ctx, "tcp4 dst-port 5003 queue 0", &handle, &err),
			 -EEXIST);
	assert_non_null(strstr(err.hint, spec));
	assert_int_equal(nic.requests, ROOM);
	for (unsigned i = 0; i < ROOM; i++) {
		char *at = NULL;

		spec_of(i, spec, sizeof(spec));
		assert_int_equal(nic_obj_rule.list(&ctx, spec, &at, NULL), 0);
		assert_int_equal(nic_obj_rule.remove(&ctx, spec, at, &err), 0);
		assert_int_equal(nic_obj_rule.check(&ctx, spec, at), -ENOENT);
		free(at);
	}
	assert_int_equal(nic.count, 0);
}

static void habits(void **state)
{
	(void)state;
	fill(BNXT);
	fill(MLX5);
	fill(MUTE);
}

static void moving(void **state)
{
	(void)state;
	nic_new(MLX5);
	nic.habit = MOVING;
	made("udp6 queue 1");
	nic.moves = 3;
	made("udp6 dst-port 4 queue 1");
	nic.moves = 1000;
	assert_true(nic_obj_rule.make(&ctx, "udp6 dst-port 5 queue 1", &(char *){ NULL }, NULL) <
		    0);
	assert_int_equal(nic.requests, 2);
}

/* What somebody else put at the same place stays. */
static void foreign(void **state)
{
	const char *spec = "tcp4 dst-port 80 queue 3";
	struct weir_error err = { 0 };
	char handle[16];

	(void)state;
	nic_new(MLX5);
	snprintf(handle, sizeof(handle), "%u", made(spec));
	nic.rule[ROOM - 1].ring_cookie = 2;
	assert_int_equal(nic_obj_rule.check(&ctx, spec, handle), -ESTALE);
	assert_int_equal(nic_obj_rule.remove(&ctx, spec, handle, &err), -ESTALE);
	assert_true(err.hint[0]);
	assert_int_equal(nic.count, 1);
	/* what a driver adds without a meaning is no change */
	nic.rule[ROOM - 1].ring_cookie = 3;
	nic.rule[ROOM - 1].flow_type |= FLOW_EXT;
	nic.rule[ROOM - 1].h_ext.vlan_tci = 9;
	assert_int_equal(nic_obj_rule.check(&ctx, spec, handle), 0);
	assert_int_equal(nic_obj_rule.remove(&ctx, spec, handle, &err), 0);
	assert_int_equal(nic.count, 0);
}

/* ------------------------------------------------------------------------------ split */

static void split_is(const char *want)
{
	char *now = NULL;

	assert_int_equal(nic_set_split.get(&ctx, "", &now, NULL), 0);
	assert_string_equal(now, want);
	free(now);
}

static void split(void **state)
{
	static const enum habit all_habits[] = { BNXT, MLX5 };
	struct weir_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < T_COUNT(all_habits); i++) {
		nic_new(all_habits[i]);
		split_is("off");
		assert_int_equal(nic_set_split.set(&ctx, "", "off", "on", &err), 0);
		split_is("on");
		nic.bound = true;
		assert_int_equal(nic_set_split.set(&ctx, "", "on", "off", &err), -EINVAL);
		assert_non_null(strstr(err.hint, "the kernel says: no"));
		split_is("on");
		nic.bound = false;
		assert_int_equal(nic_set_split.set(&ctx, "", "on", "off", &err), 0);
		split_is("off");
	}
	nic.split = ETHTOOL_TCP_DATA_SPLIT_UNKNOWN; /* a driver that knows no split */
	assert_int_equal(nic_set_split.get(&ctx, "", &(char *){ NULL }, &err), -EOPNOTSUPP);
	assert_true(err.hint[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(habits),
		T_CASE(moving),
		T_CASE(foreign),
		T_CASE(split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
