// SPDX-License-Identifier: MIT
/*
 * read_queue.c - the receive queues: who uses them, their NAPI, interrupt, page pool.
 *
 * Theory: the netdev family tells of each queue its NAPI and what is bound to it (queue-get), of
 *	each NAPI its interrupt and settings (napi-get), of each page pool the pages in flight and
 *	its NAPI (page-pool-get); the interrupt leads to the CPUs.
 *
 *		queue --napi_id--> NAPI --irq--> /proc/irq/N/smp_affinity_list
 *		                   NAPI <--napi_id-- page pools
 *
 *	Without that family (before Linux 6.3), without queue-get (6.8), or while the interface is
 *	down, there is only the number of queues: by the driver's ring count, by its channels, by
 *	sysfs where that shows this namespace, by the number of queues it was made with.
 * Invariants:
 *	1. uses, NAPI and page pools are only what the kernel tells.
 *	2. an interrupt that the kernel does not tell is found only where there is one queue and one
 *	   MSI vector: there is nothing to mix up.
 * Ownership: nic_info owns the array of queues.
 * Threads: as nl.c.
 * Errors: -ENODEV (gone), -ENOMEM.
 * Sources: net/core/netdev-genl.c, net/core/page_pool_user.c (page_pool_nl_fill), Linux 7.3.
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <dirent.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

#include "read.h"
#include "uapi/netdev.h"

#define QUEUES_MAX 65536u
#define REQUEST_BYTES 256

/* ------------------------------------------------------------------- the number of queues */

/* Does /sys show this interface, or one of the same name in another namespace? */
static bool sysfs_is_ours(const struct weir_nic_info *pub, const struct nic_link *link)
{
	char path[64], text[sizeof(link->address)];

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", pub->ifname);
	if (nic_path_read(path, text, sizeof(text)) || strtoul(text, NULL, 10) != pub->ifindex)
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", pub->ifname);
	return !nic_path_read(path, text, sizeof(text)) && !strcmp(text, link->address);
}

static uint32_t sysfs_count(const struct weir_nic_info *pub, const struct nic_link *link)
{
	const struct dirent *entry;
	uint32_t count = 0;
	char path[64];
	DIR *dir;

	if (!sysfs_is_ours(pub, link))
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", pub->ifname);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, "rx-", 3);
	closedir(dir);
	return count;
}

static uint32_t count_otherwise(struct nic_ctx *ctx, const struct weir_nic_info *pub,
				const struct nic_link *link)
{
	struct ethtool_rxnfc rings = { .cmd = ETHTOOL_GRXRINGS };
	uint32_t count;

	if (!nic_ioctl(ctx, &rings, "ethtool rings", NULL) && rings.data)
		return (uint32_t)rings.data;
	if (pub->combined + pub->rx_channels)
		return pub->combined + pub->rx_channels;
	count = sysfs_count(pub, link);
	return count ? count : link->queues_max;
}

/* ----------------------------------------------------------------------------- queue-get */

/* Makes room for @count queues, those that are new with nothing known. */
static int queues_grow(struct nic_info *info, uint32_t count)
{
	struct weir_nic_queue *grown;

	if (count <= info->pub.rx_queues)
		return 0;
	if (count > QUEUES_MAX)
		return -E2BIG;
	grown = realloc(info->queues, count * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	info->queues = grown;
	for (uint32_t i = info->pub.rx_queues; i < count; i++)
		grown[i] = (struct weir_nic_queue){
			.index = i,
			.irq = -1,
			.defer_hard_irqs = -1,
			.gro_flush_timeout_ns = -1,
			.irq_suspend_timeout_ns = -1,
			.pool_pages_inflight = -1,
		};
	info->pub.rx_queues = count;
	return 0;
}

static int queue_cb(const struct nlmsghdr *h, void *user)
{
	uint64_t type = ~0ull, id = ~0ull, napi_id = 0;
	struct nic_info *info = user;
	const struct nlattr *attr;
	uint32_t uses = 0;
	int r;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		switch (mnl_attr_get_type(attr)) {
		case WEIR_NETDEV_A_QUEUE_ID:
			id = nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_TYPE:
			type = nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_NAPI_ID:
			napi_id = nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_DMABUF:
			uses |= WEIR_NIC_QUEUE_DEVMEM;
			break;
		case WEIR_NETDEV_A_QUEUE_IO_URING:
			uses |= WEIR_NIC_QUEUE_ZCRX;
			break;
		case WEIR_NETDEV_A_QUEUE_XSK:
			uses |= WEIR_NIC_QUEUE_XSK;
			break;
		case WEIR_NETDEV_A_QUEUE_LEASE:
			uses |= WEIR_NIC_QUEUE_LEASED;
			break;
		default:
			break;
		}
	if (type != WEIR_NETDEV_QUEUE_TYPE_RX || id >= QUEUES_MAX)
		return MNL_CB_OK;
	r = queues_grow(info, (uint32_t)id + 1);
	if (r) {
		errno = -r;
		return MNL_CB_ERROR;
	}
	info->queues[id].napi_id = (uint32_t)napi_id;
	info->queues[id].uses = uses;
	return MNL_CB_OK;
}

/* -------------------------------------------------------------------- napi-get, page-pool-get */

static void napi_read(const struct nlmsghdr *h, struct weir_nic_queue *q)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		switch (mnl_attr_get_type(attr)) {
		case WEIR_NETDEV_A_NAPI_IRQ:
			q->irq = (int32_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_NAPI_DEFER_HARD_IRQS:
			q->defer_hard_irqs = (int64_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT:
			q->gro_flush_timeout_ns = (int64_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_NAPI_IRQ_SUSPEND_TIMEOUT:
			q->irq_suspend_timeout_ns = (int64_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_NAPI_THREADED:
			q->threaded = nic_attr_uint(attr) == WEIR_NETDEV_NAPI_THREADED_DISABLED ?
					      WEIR_NIC_OFF :
					      WEIR_NIC_ON;
			break;
		default:
			break;
		}
}

/* The number in an attribute of a message; 0 where it has none. */
static uint64_t number_of(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == type)
			return nic_attr_uint(attr);
	return 0;
}

static int napi_cb(const struct nlmsghdr *h, void *user)
{
	uint64_t napi_id = number_of(h, WEIR_NETDEV_A_NAPI_ID);
	struct nic_info *info = user;

	for (uint32_t i = 0; napi_id && i < info->pub.rx_queues; i++)
		if (info->queues[i].napi_id == napi_id)
			napi_read(h, &info->queues[i]);
	return MNL_CB_OK;
}

static int pool_cb(const struct nlmsghdr *h, void *user)
{
	uint64_t napi_id = number_of(h, WEIR_NETDEV_A_PAGE_POOL_NAPI_ID);
	uint64_t pages = number_of(h, WEIR_NETDEV_A_PAGE_POOL_INFLIGHT);
	struct nic_info *info = user;

	if (number_of(h, WEIR_NETDEV_A_PAGE_POOL_IFINDEX) != info->pub.ifindex)
		return MNL_CB_OK;
	for (uint32_t i = 0; napi_id && i < info->pub.rx_queues; i++) {
		struct weir_nic_queue *q = &info->queues[i];

		if (q->napi_id == napi_id)
			q->pool_pages_inflight =
				(q->pool_pages_inflight < 0 ? 0 : q->pool_pages_inflight) +
				(int64_t)pages;
	}
	return MNL_CB_OK;
}

static int device_cb(const struct nlmsghdr *h, void *user)
{
	struct weir_nic_info *pub = user;

	if (number_of(h, WEIR_NETDEV_A_DEV_IFINDEX) == pub->ifindex)
		pub->zerocopy_xsk = number_of(h, WEIR_NETDEV_A_DEV_XDP_FEATURES) &
						    WEIR_NETDEV_XDP_ACT_XSK_ZEROCOPY ?
					    WEIR_NIC_ON :
					    WEIR_NIC_OFF;
	return MNL_CB_OK;
}

/* --------------------------------------------------------------------------- interrupts */

/* The only MSI vector of the device; -1 where there is another number of them. */
static int only_vector(const struct weir_nic_info *pub, const struct nic_link *link)
{
	const struct dirent *entry;
	int vector = -1, count = 0;
	char path[64];
	DIR *dir;

	if (!sysfs_is_ours(pub, link))
		return -1;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/msi_irqs", pub->ifname);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			vector = (int)strtol(entry->d_name, NULL, 10);
			count++;
		}
	closedir(dir);
	return count == 1 ? vector : -1;
}

static void cpus_read(struct weir_nic_queue *q)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", q->irq);
	if (nic_path_read(path, q->cpus, sizeof(q->cpus)))
		q->cpus[0] = '\0';
}

int nic_read_queues(struct nic_ctx *ctx, struct nic_info *info, const struct nic_link *link)
{
	const struct {
		uint8_t cmd;
		uint16_t flags;
		uint16_t ifindex_attr; /* 0: this request cannot be narrowed down */
		mnl_cb_t cb;
		void *user;
	} asks[] = {
		{ WEIR_NETDEV_CMD_DEV_GET, 0, WEIR_NETDEV_A_DEV_IFINDEX, device_cb, &info->pub },
		{ WEIR_NETDEV_CMD_QUEUE_GET, NLM_F_DUMP, WEIR_NETDEV_A_QUEUE_IFINDEX, queue_cb,
		  info },
		{ WEIR_NETDEV_CMD_NAPI_GET, NLM_F_DUMP, WEIR_NETDEV_A_NAPI_IFINDEX, napi_cb, info },
		{ WEIR_NETDEV_CMD_PAGE_POOL_GET, NLM_F_DUMP, 0, pool_cb, info },
	};
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r;

	for (size_t i = 0; i < weir_array_len(asks); i++) {
		struct nlmsghdr *msg = nic_netdev_begin(ctx, buf, asks[i].cmd, asks[i].flags);

		if (asks[i].ifindex_attr)
			mnl_attr_put_u32(msg, asks[i].ifindex_attr, ctx->ifindex);
		r = nic_nl_talk(ctx, msg, asks[i].cb, asks[i].user, "netdev", NULL);
		r = nic_read_failed(r);
		if (r)
			return r;
	}
	if (!info->pub.rx_queues) {
		r = queues_grow(info, count_otherwise(ctx, &info->pub, link));
		if (r)
			return nic_read_failed(r);
	}
	if (info->pub.rx_queues == 1 && info->queues[0].irq < 0)
		info->queues[0].irq = only_vector(&info->pub, link);
	for (uint32_t i = 0; i < info->pub.rx_queues; i++)
		if (info->queues[i].irq >= 0)
			cpus_read(&info->queues[i]);
	return 0;
}
