// SPDX-License-Identifier: MIT
/*
 * set_irq.c - the CPUs that an interrupt may go to, as a setting.
 *
 * Theory: the kernel has them in /proc/irq/N/smp_affinity_list.  Interrupts are numbers of the
 *	machine and are used again: when a driver gave one back, another device may get it.  So
 *	where the kernel tells the interrupts of this interface, one that is not among them is none
 *	of ours any more if anybody handles it.  One that nobody handles may be that of a queue of
 *	ours that is switched off, which the kernel tells no longer; to move it harms nobody.
 * Invariants: 1. an interrupt that another device handles is neither read nor written where the
 *	kernel tells ours.
 * Ownership: texts are the caller's.
 * Threads: one context from one thread at a time.
 * Errors: -ENOENT: no such interrupt, or it is not this interface's; -EPERM, -EIO: the kernel keeps
 *	the CPUs itself (a managed interrupt); -EACCES, -EROFS: /proc is not ours to write.
 * Sources: kernel/irq/proc.c (write_irq_affinity: -EPERM, in older kernels -EIO),
 *	kernel/irq/manage.c (irq_can_set_affinity_usr), net/core/netdev-genl.c
 *	(netdev_nl_napi_fill_one), kernel/irq/irqdesc.c (actions_show), Linux 7.3
 * Tests: tests/vm/t/nic_kind_set.sh, tests/vm/t/nic_apply.sh
 */
#include <fcntl.h>
#include <linux/genetlink.h>
#include <string.h>
#include <unistd.h>

#include "read.h"
#include "uapi/netdev.h"
#include "value.h"

struct search {
	uint32_t irq;
	bool any, found;
};

static int napi_cb(const struct nlmsghdr *h, void *user)
{
	struct search *search = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == WEIR_NETDEV_A_NAPI_IRQ) {
			search->any = true;
			if (nic_attr_uint(attr) == search->irq)
				search->found = true;
		}
	return MNL_CB_OK;
}

static bool unhandled(uint32_t irq)
{
	char path[64], handlers[256];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/actions", irq);
	return !nic_path_read(path, handlers, sizeof(handlers)) && !handlers[0];
}

/* Where the kernel does not tell interrupts, it may be this interface's. */
static bool may_be_ours(struct nic_ctx *ctx, uint32_t irq)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_NAPI_GET, NLM_F_DUMP);
	struct search search = { .irq = irq };

	mnl_attr_put_u32(msg, WEIR_NETDEV_A_NAPI_IFINDEX, ctx->ifindex);
	if (nic_nl_talk(ctx, msg, napi_cb, &search, "netdev NAPI", NULL))
		return true;
	return search.found || !search.any || unhandled(irq);
}

static int path_of(struct nic_ctx *ctx, const char *key, char *path, size_t bytes,
		   struct weir_error *reterr)
{
	uint64_t irq;

	if (nic_number_parse(key, INT32_MAX, &irq))
		return nic_value_bad(reterr, "interrupt", key, "its number in /proc/interrupts");
	if (!may_be_ours(ctx, (uint32_t)irq))
		return weir_error_set(reterr, -ENOENT, "interrupt", key, "it is not one of %s",
				      ctx->ifname);
	snprintf(path, bytes, "/proc/irq/%s/smp_affinity_list", key);
	return 0;
}

static int get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr)
{
	char path[64], cpus[512];
	int r = path_of(ctx, key, path, sizeof(path), reterr);

	if (r)
		return r;
	r = nic_path_read(path, cpus, sizeof(cpus));
	if (r)
		return weir_error_set(reterr, r, "interrupt", path, "it cannot be read");
	return nic_text_new(ret, "%s", cpus);
}

static const char *advice(int code)
{
	switch (code) {
	case -EPERM:
	case -EIO:
		return "the kernel keeps the CPUs of this interrupt itself (a managed one): "
		       "choose the queue whose interrupt is on the wanted CPU";
	case -EACCES:
	case -EROFS:
		return "/proc/irq must be writable: not in a container, and as root";
	case -EINVAL:
	case -ERANGE:
	case -EOVERFLOW:
		return "a list of CPUs such as 0-3,8 is wanted, and one of them must be running";
	case -ENOSPC:
		return "these CPUs have no vector left for another interrupt";
	default:
		return "";
	}
}

static int set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
	       struct weir_error *reterr)
{
	char path[64];
	ssize_t n;
	int fd, r = path_of(ctx, key, path, sizeof(path), reterr);

	(void)from;
	if (r)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		r = -errno;
	else {
		n = write(fd, to, strlen(to));
		r = n < 0 ? -errno : 0;
		close(fd);
	}
	return r ? weir_error_set(reterr, r, "interrupt set", path, "%s", advice(r)) : 0;
}

static void what(const char *key, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "CPUs of interrupt %s", key);
}

static void ethtool(const char *ifname, const char *key, const char *from, const char *to,
		    char *buf, size_t bytes)
{
	(void)ifname, (void)from;
	snprintf(buf, bytes, "echo %s > /proc/irq/%s/smp_affinity_list", to, key);
}

const struct nic_setting_kind nic_set_irq = {
	.name = "irq",
	.get = get,
	.set = set,
	.target = nic_target_same,
	.what = what,
	.ethtool = ethtool,
};
