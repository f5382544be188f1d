/* SPDX-License-Identifier: MIT */
/*
 * qstats.c - statistics of queues as netdev-genl has them: "weir-zcraw qstats DEV [queue|device]".
 *
 * Theory: QSTATS_GET is a dump.  With the scope "queue" each message of the answer is a queue that
 * is switched on; without, the one message is the device, and has what queues counted that are
 * switched off now.  A driver leaves out what it does not count.  One line for each value, with the
 * names of the specification:
 *
 *     rx0.packets 17        device.rx-packets 42
 *
 * Sources: Documentation/netlink/specs/netdev.yaml (qstats) and net/core/netdev-genl.c
 * (netdev_nl_qstats_get_dumpit), Linux 7.3.
 */
#include "netlink.h"
#include "zcraw.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS_MAX 128u /* looked for, also above the ones that have names here */

/* In the order of their numbers. */
static const char *const names[] = {
	"rx-packets",
	"rx-bytes",
	"tx-packets",
	"tx-bytes",
	"rx-alloc-fail",
	"rx-hw-drops",
	"rx-hw-drop-overruns",
	"rx-csum-complete",
	"rx-csum-unnecessary",
	"rx-csum-none",
	"rx-csum-bad",
	"rx-hw-gro-packets",
	"rx-hw-gro-bytes",
	"rx-hw-gro-wire-packets",
	"rx-hw-gro-wire-bytes",
	"rx-hw-drop-ratelimits",
	"tx-hw-drops",
	"tx-hw-drop-errors",
	"tx-csum-none",
	"tx-needs-csum",
	"tx-hw-gso-packets",
	"tx-hw-gso-bytes",
	"tx-hw-gso-wire-packets",
	"tx-hw-gso-wire-bytes",
	"tx-hw-drop-ratelimits",
	"tx-stop",
	"tx-wake",
};

static void print_value(const char *queue, unsigned number, uint64_t value)
{
	const unsigned known = sizeof names / sizeof *names;
	const char *name = number - ZR_QSTATS_FIRST < known ? names[number - ZR_QSTATS_FIRST] : "";

	printf("%s.", queue);
	if (*name) /* a queue's name begins with its kind */
		printf("%s", strncmp(queue, name, 2) ? name : name + strlen("rx-"));
	else
		printf("number-%u", number);
	printf(" %llu\n", (unsigned long long)value);
}

static void print_queue(const struct nl_message *answer, void *arg)
{
	const void *type = nl_find(answer, GENL_HDRLEN, ZR_QSTATS_QUEUE_TYPE);
	const void *id = nl_find(answer, GENL_HDRLEN, ZR_QSTATS_QUEUE_ID);
	char queue[32] = "device";

	(void)arg;
	if (type && id)
		snprintf(queue, sizeof queue, "%s%u",
			 nl_uint(type) == ZR_NETDEV_QUEUE_TYPE_RX ? "rx" : "tx",
			 (unsigned)nl_uint(id));
	for (unsigned i = ZR_QSTATS_FIRST; i < NUMBERS_MAX; i++) {
		const void *value = nl_find(answer, GENL_HDRLEN, i);

		if (value)
			print_value(queue, i, nl_uint(value));
	}
}

static int die(const char *what, int err)
{
	fprintf(stderr, "weir-zcraw: %s: %s%s%s\n", what, strerror(-err), *nl_why() ? ": " : "",
		nl_why());
	return 1;
}

int qstats(const char *name, const char *scope)
{
	struct genlmsghdr head = { .cmd = ZR_NETDEV_CMD_QSTATS_GET, .version = 1 };
	unsigned ifindex = if_nametoindex(name);
	bool queues = !strcmp(scope, "queue");
	static struct nl_message msg;
	int fd, family, err;

	if (!queues && strcmp(scope, "device")) {
		fprintf(stderr, "weir-zcraw: scope %s: neither queue nor device\n", scope);
		return 2;
	}
	if (!ifindex)
		return die(name, -errno);
	fd = nl_open(NETLINK_GENERIC);
	if (fd < 0)
		return die("netlink", fd);
	family = nl_family(fd, "netdev");
	if (family < 0) {
		close(fd);
		return die("the netlink family netdev", family);
	}
	nl_init(&msg, (unsigned)family, NLM_F_DUMP, &head, sizeof head);
	nl_put_u32(&msg, ZR_QSTATS_IFINDEX, ifindex);
	if (queues)
		nl_put_u32(&msg, ZR_QSTATS_SCOPE, ZR_QSTATS_SCOPE_QUEUE);
	err = nl_dump(fd, &msg, print_queue, NULL);
	close(fd);
	return err ? die(name, err) : 0;
}
