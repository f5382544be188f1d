// SPDX-License-Identifier: MIT
/*
 * bound.c - what the kernel says of one receive queue, and which queues somebody has bound.
 *
 * Theory: a queue that is bound to memory of an application restricts the whole NIC: its header
 *	split stays on, its channels stay.  The kernel's refusal does not name the queue, so it is
 *	looked up for the person.
 * Invariants: none.
 * Ownership: nothing is allocated.
 * Threads: one context from one thread at a time.
 * Errors: of netlink; an advice that cannot be given is left out.
 * Sources: net/core/netdev-genl.c (netdev_nl_queue_fill_one),
 *	Documentation/netlink/specs/netdev.yaml, Linux 7.3
 * Tests: tests/vm/t/nic_kind_object.sh
 */
#include <linux/genetlink.h>

#include "bound.h"
#include "read.h"
#include "uapi/netdev.h"
#include "value.h"

/* What a message about a queue says. */
struct queue {
	uint32_t type, id, napi_id;
	const char *user; /* who has bound it; NULL: nobody */
};

static void queue_parse(const struct nlmsghdr *h, struct queue *ret)
{
	const struct nlattr *attr;

	*ret = (struct queue){ .type = UINT32_MAX };
	mnl_attr_for_each(attr, h, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case WEIR_NETDEV_A_QUEUE_TYPE:
			ret->type = (uint32_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_ID:
			ret->id = (uint32_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_NAPI_ID:
			ret->napi_id = (uint32_t)nic_attr_uint(attr);
			break;
		case WEIR_NETDEV_A_QUEUE_IO_URING:
			ret->user = "bound by zcrx: close its ring";
			break;
		case WEIR_NETDEV_A_QUEUE_DMABUF:
			ret->user = "bound by devmem TCP: close its netlink socket";
			break;
		case WEIR_NETDEV_A_QUEUE_XSK:
			ret->user = "used by AF_XDP: close its socket";
			break;
		case WEIR_NETDEV_A_QUEUE_LEASE:
			ret->user = "leased to another device: remove that";
			break;
		default:
			break;
		}
	}
}

static int napi_cb(const struct nlmsghdr *h, void *user)
{
	struct queue queue;

	queue_parse(h, &queue);
	*(uint32_t *)user = queue.napi_id;
	return MNL_CB_OK;
}

int nic_queue_napi(struct nic_ctx *ctx, uint32_t queue, uint32_t *ret, struct weir_error *reterr)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_QUEUE_GET, 0);
	uint32_t id = 0;
	int r;

	mnl_attr_put_u32(msg, WEIR_NETDEV_A_QUEUE_IFINDEX, ctx->ifindex);
	mnl_attr_put_u32(msg, WEIR_NETDEV_A_QUEUE_TYPE, WEIR_NETDEV_QUEUE_TYPE_RX);
	mnl_attr_put_u32(msg, WEIR_NETDEV_A_QUEUE_ID, queue);
	r = nic_nl_talk(ctx, msg, napi_cb, &id, "netdev queue", reterr);
	if (r == -ENOENT) /* the kernel's word for this */
		r = weir_error_set(reterr, -ENETDOWN, "netdev queue", ctx->ifname,
				   "its queues have no NAPI while the interface is down");
	else if (r == -EINVAL || r == -ERANGE)
		nic_advise(reterr, "there is no rxq %u", queue);
	else if (!r && !id)
		r = weir_error_set(reterr, -EOPNOTSUPP, "netdev queue", ctx->ifname,
				   "the driver does not tell which NAPI rxq %u has", queue);
	if (!r)
		*ret = id;
	return r;
}

/* The lowest bound queue from one on. */
struct search {
	uint32_t from;
	struct queue found;
};

static int bound_cb(const struct nlmsghdr *h, void *user)
{
	struct search *search = user;
	struct queue queue;

	queue_parse(h, &queue);
	if (queue.type == WEIR_NETDEV_QUEUE_TYPE_RX && queue.user && queue.id >= search->from &&
	    (!search->found.user || queue.id < search->found.id))
		search->found = queue;
	return MNL_CB_OK;
}

void nic_bound_advise(struct nic_ctx *ctx, uint32_t from, struct weir_error *err)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = nic_netdev_begin(ctx, buf, WEIR_NETDEV_CMD_QUEUE_GET, NLM_F_DUMP);
	struct search search = { .from = from };

	mnl_attr_put_u32(msg, WEIR_NETDEV_A_QUEUE_IFINDEX, ctx->ifindex);
	if (!nic_nl_talk(ctx, msg, bound_cb, &search, "netdev queues", NULL) && search.found.user)
		nic_advise(err, "rxq %u is %s first", search.found.id, search.found.user);
}
