// SPDX-License-Identifier: MIT
/*
 * verdict.c - which way the payload of a NIC's queue could take, by what was read.
 *
 * Theory: each condition of a way is looked at in an order of weight, and is one of
 *
 *	never    nothing that a person can do on this machine helps       can no
 *	fix      it is otherwise now, and a command changes it            can yes, now no
 *	unsure   the kernel does not say; a trial does                    can yes, now no, unsure
 *
 *	The first of the heaviest kind that was met is the verdict; where none was, the way is open.
 *	That something is unsure is said beside a fix, too.
 *
 *	What the kernel wants of a queue for zero-copy receive can be read, but for three things:
 *	whether the driver has queue operations, whether its page pool takes memory of others, and
 *	whether header/data split was switched on by somebody.  A split that a driver reports as on
 *	because it always splits is refused all the same, until somebody has set it.  These three
 *	are known for drivers in the table below, as far as their sources tell; what depends there
 *	on firmware or model stays unsure.  A virtual interface has no device that does DMA: never.
 * Invariants: 1. unsure implies can and not now.  2. fix is empty only where nothing would change
 *	it, or nothing has to be changed.
 * Ownership: none.
 * Threads: any.
 * Errors: -EINVAL, -ERANGE.
 * Sources: Linux 7.3: net/core/netdev_rx_queue.c netif_mp_open_rxq(), __netif_mp_open_rxq();
 *	net/core/netdev_queues.c netdev_queue_get_dma_dev(); net/ethtool/rings.c
 *	rings_prepare_data() (what the driver says hides what was set); net/core/dev.c
 *	dev_xdp_install(); struct netdev_queue_mgmt_ops in bnxt.c (BNXT_SUPPORTS_QUEUE_API in
 *	bnxt.h), mlx5 en_main.c (PP_FLAG_ALLOW_UNREADABLE_NETMEM only with SHAMPO) and en_ethtool.c
 *	mlx5e_ethtool_set_tcp_data_split(), gve_main.c and gve_buffer_mgmt_dqo.c, fbnic_txrx.c;
 *	netdevsim has queue operations and no DMA; no other driver has any.
 * Tests: tests/unit/test_verdict.c, tests/vm/t/doctor.sh
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <weir/probe.h>

#include "util/util.h"

/* In order of weight. */
enum weight { OPEN, UNSURE, FIX, NEVER };

struct finding {
	enum weight weight;
	bool known;  /* all that is unsure in general is known of this driver */
	bool unsure; /* something was, whatever weighs more */
	struct weir_verdict *ret;
};

__attribute__((format(printf, 4, 5))) static void found(struct finding *f, enum weight weight,
							const char *fix, const char *why, ...)
{
	va_list ap;

	f->unsure |= weight == UNSURE;
	if (weight <= f->weight)
		return;
	f->weight = weight;
	va_start(ap, why);
	vsnprintf(f->ret->why, sizeof(f->ret->why), why, ap);
	va_end(ap);
	snprintf(f->ret->fix, sizeof(f->ret->fix), "%s", fix);
}

static void finish(struct finding *f)
{
	f->ret->can = f->weight != NEVER;
	f->ret->now = f->weight == OPEN;
	f->ret->unsure = f->unsure && f->ret->can;
}

/* -------------------------------------------------------------------------- drivers */

enum account {
	ACCOUNT_NONE,	 /* nothing is known of this driver */
	ACCOUNT_SURE,	 /* it accepts every queue, and reports the split as it was set */
	ACCOUNT_DEPENDS, /* it can, but not every model, firmware or setting does */
	ACCOUNT_NEVER,
};

static const struct driver {
	const char *name;
	enum account account;
	const char *text;
} drivers[] = {
	{ "weirnic", ACCOUNT_SURE, "" },
	{ "bnxt_en", ACCOUNT_DEPENDS,
	  "it depends on the firmware whether one queue can be restarted" },
	{ "mlx5_core", ACCOUNT_DEPENDS, "it depends on the model and on hardware GRO" },
	{ "gve", ACCOUNT_DEPENDS, "it depends on the machine type whether headers are split" },
	{ "fbnic", ACCOUNT_DEPENDS, "the split must have been set, which cannot be seen" },
	{ "netdevsim", ACCOUNT_NEVER, "netdevsim has no device that does DMA" },
};

static const struct driver *driver_of(const struct weir_nic_info *info)
{
	for (size_t i = 0; i < weir_array_len(drivers); i++)
		if (!strcmp(drivers[i].name, info->driver))
			return &drivers[i];
	return NULL;
}

/* Kinds of links that are made by software alone; netkit can have a lease, so it is not here. */
static bool is_virtual(const char *kind)
{
	static const char *const kinds[] = {
		"veth",	    "dummy",  "bridge",	   "bond",	"team",	     "vlan",   "macvlan",
		"macvtap",  "ipvlan", "ipvtap",	   "tun",	"ifb",	     "vxlan",  "geneve",
		"gre",	    "gretap", "erspan",	   "ip6gre",	"ip6gretap", "ipip",   "sit",
		"ip6tnl",   "vti",    "vti6",	   "xfrm",	"wireguard", "vrf",    "nlmon",
		"vsockmon", "vcan",   "vxcan",	   "batadv",	"hsr",	     "ovpn",   "bareudp",
		"amt",	    "gtp",    "ip6erspan", "virt_wifi", "pfcp",	     "macsec",
	};

	for (size_t i = 0; i < weir_array_len(kinds); i++)
		if (!strcmp(kinds[i], kind))
			return true;
	return false;
}

/* ----------------------------------------------------------------------------- zcrx */

static void zcrx_kernel(struct finding *f, const struct weir_probe *p)
{
	static const uint64_t need[] = { WEIR_CAN_IO_URING, WEIR_CAN_DEFER_TASKRUN, WEIR_CAN_ZCRX,
					 WEIR_CAN_RECV_ZC };
	char why[200];

	for (size_t i = 0; i < weir_array_len(need); i++) {
		int code = p->code[__builtin_ctzll(need[i])];
		const char *name;

		if (weir_probe_why(p, need[i], &name, why, sizeof(why)))
			continue;
		if (code == -EPERM || code == -EACCES)
			found(f, FIX,
			      need[i] != WEIR_CAN_ZCRX ? "allow io_uring here" :
			      p->first_userns	       ? "run as root" :
							 "run as root outside of the container",
			      "%s: %s", name, why);
		else if (code == -ENOMEM || code == -EMFILE || code == -ENFILE)
			found(f, FIX, code == -ENOMEM ? "raise ulimit -l" : "raise ulimit -n",
			      "%s: %s", name, why);
		else
			found(f, NEVER,
			      need[i] == WEIR_CAN_ZCRX || need[i] == WEIR_CAN_RECV_ZC ?
				      "Linux 6.15 or later, with CONFIG_IO_URING_ZCRX" :
				      "",
			      "%s: %s", name, why);
	}
	if (!(p->can & WEIR_CAN_IPC_LOCK) && p->memlock_bytes < 1u << 20)
		found(f, FIX, "raise ulimit -l", "only %llu KiB of memory may be locked",
		      (unsigned long long)p->memlock_bytes >> 10);
}

static void zcrx_driver(struct finding *f, const struct weir_nic_info *info)
{
	const struct driver *d = driver_of(info);

	if (info->loopback)
		found(f, NEVER, "", "a loopback device has no NIC behind it");
	else if (d && d->account == ACCOUNT_NEVER)
		found(f, NEVER, "", "%s", d->text);
	else if (!d && is_virtual(info->kind))
		found(f, NEVER, "", "a virtual device (%s) has no NIC behind it", info->kind);
	if (d && d->account == ACCOUNT_SURE)
		f->known = true;
}

static void apply_line(const struct weir_nic_info *info, unsigned queue, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "weir nic apply %s --queue %u%s", info->ifname, queue,
		 info->carries[0] ? " --really" : "");
}

static void zcrx_settings(struct finding *f, const struct weir_nic_info *info, unsigned queue)
{
	const struct driver *d = driver_of(info);
	char fix[120];

	apply_line(info, queue, fix, sizeof(fix));
	if (info->xdp_prog_id) {
		char off[80];

		snprintf(off, sizeof(off), "ip link set dev %s xdp%s off", info->ifname,
			 !strcmp(info->xdp_mode, "generic") ? "generic" : "");
		found(f, FIX, off, "an XDP program (id %u) is attached", info->xdp_prog_id);
	}
	if (d && !strcmp(d->name, "mlx5_core") && info->gro_hw.state == WEIR_NIC_OFF) {
		char on[80];

		snprintf(on, sizeof(on), "ethtool -K %s rx-gro-hw on", info->ifname);
		found(f, FIX, on, "hardware GRO is off, without which mlx5_core does not split");
	}
	if (info->split == WEIR_NIC_OFF)
		found(f, FIX, fix, "header/data split (tcp-data-split) is off");
	else if (info->split == WEIR_NIC_ABSENT && f->known)
		found(f, NEVER, "", "the NIC does not split headers from data");
	if (info->hds_threshold_bytes > 0)
		found(f, FIX, fix, "frames below %lld bytes are not split (hds-thresh)",
		      (long long)info->hds_threshold_bytes);
}

static void zcrx_queue(struct finding *f, const struct weir_nic_queue *q)
{
	static const struct {
		uint32_t use;
		const char *why, *fix;
	} uses[] = {
		{ WEIR_NIC_QUEUE_ZCRX, "another program has bound it for zero-copy receive",
		  "end that program, or take another queue" },
		{ WEIR_NIC_QUEUE_DEVMEM, "another program has bound it for devmem TCP",
		  "end that program, or take another queue" },
		{ WEIR_NIC_QUEUE_XSK, "an AF_XDP socket is on it",
		  "end the program that has it, or take another queue" },
		{ WEIR_NIC_QUEUE_LEASED, "it is leased to another device",
		  "use it through that device, or take another queue" },
	};

	for (size_t i = 0; i < weir_array_len(uses); i++)
		if (q->uses & uses[i].use)
			found(f, FIX, uses[i].fix, "%s", uses[i].why);
}

static void zcrx_unsure(struct finding *f, const struct weir_probe *p,
			const struct weir_nic_info *info, unsigned queue)
{
	const struct driver *d = driver_of(info);
	bool split_told = info->split == WEIR_NIC_ON || info->split == WEIR_NIC_OFF;
	bool uses_told = p->can & WEIR_CAN_NETDEV_GENL;
	char fix[160];

	if (f->known && split_told && uses_told)
		return;
	snprintf(fix, sizeof(fix), "weir doctor %s --queue %u --try%s", info->ifname, queue,
		 info->carries[0] ? " --really" : "");
	if (d && d->account == ACCOUNT_DEPENDS)
		found(f, UNSURE, fix, "%s can; %s: only a trial tells", d->name, d->text);
	else if (f->known && split_told)
		found(f, UNSURE, fix, "the kernel does not tell who uses the queue");
	else if (f->known)
		found(f, UNSURE, fix, "the NIC does not tell whether it splits headers from data");
	else
		found(f, UNSURE, fix,
		      "nothing is known of the driver %s (Linux 7.3 has what it takes in bnxt_en, "
		      "mlx5_core, gve and fbnic): only a trial tells",
		      info->driver[0] ? info->driver : "of this interface");
}

static void verdict_zcrx(struct finding *f, const struct weir_probe *p,
			 const struct weir_nic_info *info, const struct weir_nic_queue *q)
{
	zcrx_driver(f, info);
	zcrx_kernel(f, p);
	zcrx_queue(f, q);
	zcrx_settings(f, info, q->index);
	zcrx_unsure(f, p, info, q->index);
}

/* ------------------------------------------------------------------------------ xdp */

static void xdp_kernel(struct finding *f, const struct weir_probe *p)
{
	static const uint64_t need[] = { WEIR_CAN_AF_XDP, WEIR_CAN_BPF, WEIR_CAN_NET_ADMIN };
	char why[200];

	for (size_t i = 0; i < weir_array_len(need); i++) {
		int code = p->code[__builtin_ctzll(need[i])];
		const char *name;

		if (weir_probe_why(p, need[i], &name, why, sizeof(why)))
			continue;
		if (code == -EPERM || code == -EACCES)
			found(f, FIX, "run as root", "%s: %s", name, why);
		else
			found(f, NEVER, "", "%s: %s", name, why);
	}
}

static void verdict_xdp(struct finding *f, const struct weir_probe *p,
			const struct weir_nic_info *info, const struct weir_nic_queue *q)
{
	const struct weir_nic_queue *other;
	char fix[100];

	xdp_kernel(f, p);
	if (q->uses & WEIR_NIC_QUEUE_XSK)
		found(f, FIX, "end the program that has it, or take another queue",
		      "an AF_XDP socket is on it");
	for (unsigned i = 0; (other = weir_nic_info_queue(info, i)); i++)
		if (other->uses & (WEIR_NIC_QUEUE_ZCRX | WEIR_NIC_QUEUE_DEVMEM))
			found(f, FIX, "end the program that has bound it",
			      "queue %u is bound for zero-copy receive: no XDP beside it", i);
	if (info->xdp_prog_id) {
		snprintf(fix, sizeof(fix), "ip link set dev %s xdp%s off", info->ifname,
			 !strcmp(info->xdp_mode, "generic") ? "generic" : "");
		found(f, FIX, fix, "an XDP program (id %u) is attached", info->xdp_prog_id);
	}
	if (info->lro.state == WEIR_NIC_ON && !info->lro.fixed) {
		snprintf(fix, sizeof(fix), "ethtool -K %s lro off", info->ifname);
		found(f, FIX, fix, "large receive offload (LRO) is on");
	}
	if (f->weight == OPEN && info->zerocopy_xsk != WEIR_NIC_ON)
		snprintf(f->ret->why, sizeof(f->ret->why), "with a copy%s",
			 info->zerocopy_xsk == WEIR_NIC_UNKNOWN ?
				 ", unless the driver can without: the kernel does not tell" :
				 ": the driver has no AF_XDP without one");
}

/* ---------------------------------------------------------------------------- uring */

static void verdict_uring(struct finding *f, const struct weir_probe *p)
{
	char why[200];

	if (weir_probe_why(p, WEIR_CAN_IO_URING, NULL, why, sizeof(why)))
		return;
	switch (p->code[__builtin_ctzll(WEIR_CAN_IO_URING)]) {
	case -EPERM:
	case -EACCES:
		found(f, FIX,
		      p->io_uring_disabled > 0 ? "sysctl -w kernel.io_uring_disabled=0" :
						 "another seccomp profile",
		      "%s", why);
		break;
	case -ENOMEM:
		found(f, FIX, "raise ulimit -l", "%s", why);
		break;
	case -EMFILE:
	case -ENFILE:
		found(f, FIX, "raise ulimit -n", "%s", why);
		break;
	default:
		if (p->seccomp == 2)
			found(f, FIX, "another seccomp profile", "%s", why);
		else
			found(f, NEVER, "a kernel with CONFIG_IO_URING", "%s", why);
		break;
	}
}

int weir_verdict_queue(const struct weir_probe *probe, const struct weir_nic_info *info,
		       unsigned queue, enum weir_way way, struct weir_verdict *ret)
{
	struct weir_verdict v = { 0 };
	struct finding f = { .weight = OPEN, .ret = &v };
	const struct weir_nic_queue *q = NULL;

	if (!probe || !ret || (unsigned)way > WEIR_WAY_EPOLL)
		return -EINVAL;
	if (!info && (way == WEIR_WAY_ZCRX || way == WEIR_WAY_XDP))
		return -EINVAL;
	if (info) {
		q = weir_nic_info_queue(info, queue);
		if (!q)
			return -ERANGE;
	}
	switch (way) {
	case WEIR_WAY_ZCRX:
		verdict_zcrx(&f, probe, info, q);
		break;
	case WEIR_WAY_XDP:
		verdict_xdp(&f, probe, info, q);
		break;
	case WEIR_WAY_URING:
		verdict_uring(&f, probe);
		break;
	case WEIR_WAY_EPOLL:
		break;
	}
	finish(&f);
	*ret = v;
	return 0;
}
