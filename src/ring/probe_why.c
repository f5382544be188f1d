// SPDX-License-Identifier: MIT
/*
 * probe_why.c - the sentences to what the probe found.
 *
 * Theory: a table has, for each bit, its name, what it is for, and the two usual reasons why it is
 *	not there: the kernel lacks it, or this user is refused.  Which of the two, the code says.
 *	All that needs a ring has the ring's reason where there is no ring.
 * Invariants: 1. each WEIR_CAN_* has a row.  2. a sentence about what is missing says what would
 *	change that.
 * Ownership: none.
 * Threads: any.
 * Errors: none.
 * Sources: the kernels that brought each thing: FACTS and io_uring_setup(2), io_uring_register(2).
 * Tests: tests/unit/test_probe.c
 */
#include <errno.h>
#include <string.h>

#include "../util/util.h"
#include "probe.h"

/**
 * struct row - what is said about one bit.
 * @can: the bit.
 * @name: for people.
 * @use: what it is for.
 * @absent: why the kernel lacks it, and what would change that.
 * @denied: why this user is refused, and what would change that; NULL: as @absent.
 */
struct row {
	uint64_t can;
	const char *name;
	const char *use;
	const char *absent;
	const char *denied;
};

#define FIRST_ADMIN "it needs CAP_NET_ADMIN in the machine's first user namespace: run as root"

static const struct row rows[] = {
	{ WEIR_CAN_IO_URING, "io_uring", "the uring plane", NULL, NULL },
	{ WEIR_CAN_DEFER_TASKRUN, "deferred task work", "fewer interrupts of the engine's thread",
	  "this kernel lacks it: Linux 6.1 or later", NULL },
	{ WEIR_CAN_RECV_MULTISHOT, "multishot receive", "one request receives for a socket's life",
	  "this kernel lacks it: Linux 6.0 or later", NULL },
	{ WEIR_CAN_BUF_RING, "provided-buffer rings", "the kernel picks receive buffers",
	  "this kernel lacks them: Linux 5.19 or later", NULL },
	{ WEIR_CAN_BUF_INCREMENTAL, "incremental buffers", "large buffers filled piece by piece",
	  "this kernel lacks them: Linux 6.12 or later", NULL },
	{ WEIR_CAN_BUNDLE, "bundles", "one completion for several buffers",
	  "this kernel lacks them: Linux 6.10 or later", NULL },
	{ WEIR_CAN_MIN_WAIT, "min-wait", "waiting a little for more completions",
	  "this kernel lacks it: Linux 6.12 or later", NULL },
	{ WEIR_CAN_SEND_ZC, "zero-copy send", "large sends without a copy",
	  "this kernel lacks it: Linux 6.0 or later", NULL },
	{ WEIR_CAN_SENDMSG_ZC, "zero-copy sendmsg", "the same for datagrams and vectors",
	  "this kernel lacks it: Linux 6.1 or later", NULL },
	{ WEIR_CAN_RECV_ZC, "receive-zc operation", "the request of zero-copy receive",
	  "this kernel lacks it: Linux 6.15 or later, with CONFIG_IO_URING_ZCRX", NULL },
	{ WEIR_CAN_ZCRX, "zero-copy receive", "the NIC writes payload into the program's memory",
	  "this kernel lacks it: Linux 6.15 or later, with CONFIG_IO_URING_ZCRX", FIRST_ADMIN },
	{ WEIR_CAN_ZCRX_NODEV, "the same without a NIC",
	  "programs for it can be tried anywhere; it copies",
	  "this kernel lacks it: Linux 7.1 or later", FIRST_ADMIN },
	{ WEIR_CAN_ZCRX_BUF_LEN, "large receive buffers", "fewer, larger pieces where the NIC can",
	  "this kernel lacks them: Linux 7.0 or later", NULL },
	{ WEIR_CAN_CQE_MIXED, "mixed completions", "large completions only where they are needed",
	  "this kernel lacks them: Linux 6.18 or later", NULL },
	{ WEIR_CAN_QUERY, "io_uring queries", "the kernel tells what it has",
	  "this kernel lacks them: Linux 6.18 or later; it is tried instead", NULL },
	{ WEIR_CAN_NETDEV_GENL, "netdev netlink", "queues, NAPIs and page pools are told",
	  "this kernel does not tell them: Linux 6.8 or later", NULL },
	{ WEIR_CAN_ETHTOOL_NL, "ethtool netlink", "header/data split can be seen and set",
	  "this kernel lacks it: CONFIG_ETHTOOL_NETLINK", NULL },
	{ WEIR_CAN_AF_XDP, "AF_XDP sockets", "UDP and frames without a copy",
	  "this kernel lacks them: CONFIG_XDP_SOCKETS",
	  "they need CAP_NET_RAW in this network namespace: run as root" },
	{ WEIR_CAN_BPF, "XDP programs", "they steer packets to AF_XDP",
	  "this kernel lacks them: CONFIG_BPF_SYSCALL",
	  "they need CAP_BPF and CAP_NET_ADMIN in the first user namespace: run as root" },
	{ WEIR_CAN_NET_ADMIN, "right to change NICs", "CAP_NET_ADMIN in this network namespace",
	  "it could not be asked for: netlink is not there",
	  "no CAP_NET_ADMIN in this network namespace: run as root" },
	{ WEIR_CAN_NET_RAW, "right to raw sockets", "CAP_NET_RAW in this network namespace",
	  "it could not be asked for: IPv4 is not there",
	  "no CAP_NET_RAW in this network namespace: run as root" },
	{ WEIR_CAN_IPC_LOCK, "right to lock memory", "areas of any size (CAP_IPC_LOCK)",
	  "it could not be asked for", "no CAP_IPC_LOCK: areas are limited by ulimit -l" },
	{ WEIR_CAN_MSG_ZEROCOPY, "MSG_ZEROCOPY", "sends without a copy, without io_uring",
	  "this kernel lacks it: Linux 4.14 or later", NULL },
	{ WEIR_CAN_UDP_GRO, "UDP GRO", "trains of datagrams in one piece",
	  "this kernel lacks it: Linux 5.0 or later", NULL },
	{ WEIR_CAN_UDMABUF, "udmabuf", "dma-bufs of ordinary memory",
	  "there is no /dev/udmabuf: CONFIG_UDMABUF, or the container hides it",
	  "/dev/udmabuf may not be opened: join the group that owns it, or run as root" },
	{ WEIR_CAN_JOURNAL, "journal of NIC changes",
	  "what is changed is put back, also after a crash", NULL, NULL },
};

static const struct row *row_of(uint64_t can)
{
	for (size_t i = 0; i < weir_array_len(rows); i++)
		if (rows[i].can == can)
			return &rows[i];
	return NULL;
}

static bool needs_ring(uint64_t can)
{
	return can >= WEIR_CAN_DEFER_TASKRUN && can <= WEIR_CAN_QUERY;
}

static void why_no_ring(const struct weir_probe *p, int code, char *buf, size_t bytes)
{
	switch (code) {
	case -EPERM:
	case -EACCES:
		if (p->io_uring_disabled > 0)
			snprintf(buf, bytes,
				 "sysctl kernel.io_uring_disabled is %d%s: sysctl -w "
				 "kernel.io_uring_disabled=0",
				 p->io_uring_disabled,
				 p->io_uring_disabled == 1 ? " (only kernel.io_uring_group may)" :
							     "");
		else
			snprintf(buf, bytes,
				 "%s forbids it: let io_uring_setup, io_uring_enter and "
				 "io_uring_register through",
				 p->seccomp == 2 ? "a seccomp filter (the container's profile)" :
						   "a security module or a seccomp filter");
		break;
	case -ENOSYS:
		snprintf(buf, bytes, "%s%s",
			 p->seccomp == 2 ?
				 "a seccomp filter hides it (the container's profile), or " :
				 "",
			 "this kernel lacks it: CONFIG_IO_URING");
		break;
	case -ENOMEM:
		snprintf(buf, bytes,
			 "not enough memory, or ulimit -l (locked memory) is too small");
		break;
	case -EMFILE:
	case -ENFILE:
		snprintf(buf, bytes, "no file descriptor is left: raise ulimit -n");
		break;
	default:
		snprintf(buf, bytes, "io_uring_setup says %s", strerrordesc_np(-code));
	}
}

static void why_no_journal(int code, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "/run/weir cannot be written (%s): %s", strerrordesc_np(-code),
		 code == -EROFS ? "set WEIR_RUN_DIR to a folder that can, or make /run writable" :
				  "run as root, or set WEIR_RUN_DIR to a folder of yours");
}

bool weir_probe_why(const struct weir_probe *probe, uint64_t can, const char **name, char *buf,
		    size_t bytes)
{
	const struct row *row = row_of(can);
	int code;

	if (name)
		*name = row ? row->name : "?";
	if (!bytes)
		return probe && row && (probe->can & can);
	buf[0] = '\0';
	if (!probe || !row)
		return false;
	if (probe->can & can) {
		snprintf(buf, bytes, "%s", row->use);
		return true;
	}
	code = probe->code[__builtin_ctzll(can)];
	if (can == WEIR_CAN_JOURNAL) {
		why_no_journal(code, buf, bytes);
	} else if (can == WEIR_CAN_IO_URING) {
		why_no_ring(probe, code, buf, bytes);
	} else if (needs_ring(can) && !(probe->can & WEIR_CAN_IO_URING)) {
		snprintf(buf, bytes, "io_uring is not there");
	} else if ((code == -EPERM || code == -EACCES) && row->denied) {
		snprintf(buf, bytes, "%s", row->denied);
	} else if (code == -ENOMEM) {
		snprintf(buf, bytes,
			 "not enough memory, or ulimit -l (locked memory) is too small");
	} else {
		snprintf(buf, bytes, "%s", row->absent);
	}
	return false;
}
