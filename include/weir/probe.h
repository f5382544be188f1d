/* SPDX-License-Identifier: MIT */
/*
 * probe.h - what this kernel and this user can do, and which plane a NIC queue would get.
 *
 * Everything is found by asking or by a harmless trial (a ring that is closed again, a registration
 * that must fail at a later check); nothing of the machine is changed, and no version is looked at
 * but for known faults, where nothing else tells.
 */
#ifndef WEIR_PROBE_H
#define WEIR_PROBE_H

#include <weir/base.h>
#include <weir/nic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What there is, bit by bit: weir_probe.can; weir_probe.code has the bits' numbers. */
#define WEIR_CAN_IO_URING (UINT64_C(1) << 0)	  /* a ring can be opened by this user */
#define WEIR_CAN_DEFER_TASKRUN (UINT64_C(1) << 1) /* as zcrx needs it */
#define WEIR_CAN_RECV_MULTISHOT (UINT64_C(1) << 2)
#define WEIR_CAN_BUF_RING (UINT64_C(1) << 3)
#define WEIR_CAN_BUF_INCREMENTAL (UINT64_C(1) << 4)
#define WEIR_CAN_BUNDLE (UINT64_C(1) << 5)
#define WEIR_CAN_MIN_WAIT (UINT64_C(1) << 6)
#define WEIR_CAN_SEND_ZC (UINT64_C(1) << 7)
#define WEIR_CAN_SENDMSG_ZC (UINT64_C(1) << 8)
#define WEIR_CAN_RECV_ZC (UINT64_C(1) << 9)	  /* the opcode */
#define WEIR_CAN_ZCRX (UINT64_C(1) << 10)	  /* interface queues can be registered */
#define WEIR_CAN_ZCRX_NODEV (UINT64_C(1) << 11)	  /* without a NIC, by copying */
#define WEIR_CAN_ZCRX_BUF_LEN (UINT64_C(1) << 12) /* large receive buffers */
#define WEIR_CAN_CQE_MIXED (UINT64_C(1) << 13)
#define WEIR_CAN_QUERY (UINT64_C(1) << 14) /* IORING_REGISTER_QUERY */
#define WEIR_CAN_NETDEV_GENL (UINT64_C(1) << 15)
#define WEIR_CAN_ETHTOOL_NL (UINT64_C(1) << 16)
#define WEIR_CAN_AF_XDP (UINT64_C(1) << 17)
#define WEIR_CAN_BPF (UINT64_C(1) << 18)       /* this user may load an XDP program */
#define WEIR_CAN_NET_ADMIN (UINT64_C(1) << 19) /* CAP_NET_ADMIN in this network namespace */
#define WEIR_CAN_NET_RAW (UINT64_C(1) << 20)
#define WEIR_CAN_IPC_LOCK (UINT64_C(1) << 21)
#define WEIR_CAN_MSG_ZEROCOPY (UINT64_C(1) << 22)
#define WEIR_CAN_UDP_GRO (UINT64_C(1) << 23)
#define WEIR_CAN_UDMABUF (UINT64_C(1) << 24)
#define WEIR_CAN_JOURNAL (UINT64_C(1) << 25) /* the journal of NIC changes can be written */

/**
 * struct weir_probe - what this kernel and this user can do.
 * @can: WEIR_CAN_*.
 * @release: the kernel's name for itself (uname -r).
 * @io_uring_disabled: sysctl kernel.io_uring_disabled; -1: there is none.
 * @memlock_bytes: RLIMIT_MEMLOCK; UINT64_MAX: no limit.
 * @seccomp: mode of seccomp (0 none, 1 strict, 2 filter); -1: not known.
 * @container: "docker", "lxc", ...; empty: none was noticed.
 * @huge_pages_free: free huge pages of @huge_page_bytes.
 * @huge_page_bytes: default size of huge pages; 0: none.
 * @cpus: CPUs of this process.
 * @first_userns: this is the machine's first user namespace, whose capabilities zero-copy receive
 *	asks for: 1 yes, 0 no, -1 not known.
 * @code: for each bit of @can: 0 where it is there, else the -errno that the kernel answered with.
 */
struct weir_probe {
	uint64_t can;
	char release[64];
	int32_t io_uring_disabled;
	uint64_t memlock_bytes;
	int32_t seccomp;
	char container[32];
	uint64_t huge_pages_free;
	uint64_t huge_page_bytes;
	uint32_t cpus;
	int32_t first_userns;
	int16_t code[64];
};

/**
 * weir_probe_read() - ask the kernel.
 * @ret: receives the answers.
 * @bytes: sizeof(struct weir_probe), for growth of the structure.
 *
 * Blocks for some milliseconds.  A smaller structure (older caller) receives its part; what a
 * larger one has more is zeroed.  Threads: any.
 *
 * Return: 0; -EINVAL (@ret, @bytes).
 */
WEIR_API WEIR_MUST_CHECK int weir_probe_read(struct weir_probe *ret, size_t bytes);

/**
 * weir_probe_why() - why something is not there.
 * @probe: the answers.
 * @can: one of WEIR_CAN_*.
 * @name: receives its name for people ("zero-copy receive"); may be NULL.
 * @buf: receives a sentence: what it is for where it is there, else why not and what would change
 *	that.
 * @bytes: size of @buf; 256 hold any.
 *
 * Return: whether it is there.
 */
WEIR_API bool weir_probe_why(const struct weir_probe *probe, uint64_t can, const char **name,
			     char *buf, size_t bytes);

/**
 * enum weir_way - the ways that payload can take, best first.
 * @WEIR_WAY_ZCRX: io_uring zero-copy receive on a NIC queue.
 * @WEIR_WAY_XDP: AF_XDP on a NIC queue.
 * @WEIR_WAY_URING: io_uring, one copy.
 * @WEIR_WAY_EPOLL: epoll, one copy.
 */
enum weir_way {
	WEIR_WAY_ZCRX = 0,
	WEIR_WAY_XDP = 1,
	WEIR_WAY_URING = 2,
	WEIR_WAY_EPOLL = 3,
};

/**
 * struct weir_verdict - whether a queue could take a way.
 * @can: it could, as things are or after @fix.
 * @now: it could without any change.
 * @unsure: nothing that can be read speaks against it, or nothing that @fix would not change, but
 *	only a trial tells, because the kernel does not say what the driver is able to: then @can is
 *	true and @now is false.
 * @why: the first reason why not (not @can), or what must change or is not known (@can, not @now);
 *	for @now a remark, mostly empty.
 * @fix: what would change that: a command line, a sysctl, a kernel; empty where nothing would.
 */
struct weir_verdict {
	bool can;
	bool now;
	bool unsure;
	char why[240];
	char fix[200];
};

/**
 * weir_verdict_queue() - could this queue take this way.
 * @probe: what the kernel can do.
 * @info: the NIC; NULL: no NIC is asked about (uring, epoll).
 * @queue: number of the queue.
 * @way: the way.
 * @ret: receives the verdict.
 *
 * By what was read; nothing is tried.  WEIR_WAY_XDP says whether AF_XDP can have the queue, with or
 * without a copy (remark in weir_verdict.why).
 *
 * Return: 0; -EINVAL (no probe, no such way, no NIC for a way that needs one); -ERANGE (no such
 * queue).
 */
WEIR_API WEIR_MUST_CHECK int weir_verdict_queue(const struct weir_probe *probe,
						const struct weir_nic_info *info, unsigned queue,
						enum weir_way way, struct weir_verdict *ret);

/**
 * weir_probe_try_zcrx() - bind a queue for zero-copy receive, and let go of it at once.
 * @ifindex: the interface's number in this thread's network namespace.
 * @queue: number of the queue.
 * @reterr: error record or NULL; the hint says what the kernel's answer means.
 *
 * The only sure answer for a NIC whose driver is not known.  Not harmless: the driver restarts the
 * queue twice, packets that arrive meanwhile may be lost, and packets that lie in it go to memory
 * that nobody reads.  Blocks for as long as the driver takes; when it returns the queue is unbound.
 *
 * Return: 0: it could be bound; -EINVAL (header/data split is off, its threshold is not 0);
 * -EEXIST (the queue is bound, or an XDP program is attached); -EBUSY (AF_XDP is on the queue);
 * -ERANGE (no such queue); -EOPNOTSUPP (no queue operations, no DMA); -ENODEV; -EPERM; -ENOSYS
 * (this kernel has no zero-copy receive); -ENOMEM (locked memory); others of the driver's.
 */
WEIR_API WEIR_MUST_CHECK int weir_probe_try_zcrx(unsigned ifindex, unsigned queue,
						 struct weir_error *reterr);

#ifdef __cplusplus
}
#endif

#endif
