/* SPDX-License-Identifier: MIT */
/*
 * nic.h - the NIC: its state, a plan of changes, changes that are journalled and put back.
 *
 * Zero-copy receive wants a NIC that splits headers from data, spreads other traffic over other
 * queues and brings the wanted flows to the chosen ones.  weir_nic_open() does that with a journal
 * under /run/weir, and weir_nic_close() puts everything back; after a crash the next weir that
 * touches the interface does, or `weir nic restore`.
 *
 * Life: weir_nic_info_read() and weir_nic_plan_new() only read.  weir_nic_open() changes the NIC
 * for one owner (a process, or nobody with WEIR_NIC_KEEP), weir_nic_flow_add() steers more flows,
 * weir_nic_close() undoes what this owner wanted and no other owner still wants.
 *
 * Threads: a struct weir_nic is used by any number of threads, each for as long as it has a
 * reference; other objects by one thread at a time, or by several that only read.  All calls block
 * for as long as the driver takes (up to seconds, where a driver restarts its queues), and changing
 * calls wait for each other by a lock on the journal.
 *
 * Processes: the owner is the process that opened the NIC.  A program that goes into the background
 * by fork() opens it afterwards; a child can only weir_nic_close() what its parent opened.
 */
#ifndef WEIR_NIC_H
#define WEIR_NIC_H

#include <weir/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ what there is */

/**
 * enum weir_nic_state - a switch of a NIC that may be unknown or not there.
 * @WEIR_NIC_UNKNOWN: the kernel or the driver does not tell.
 * @WEIR_NIC_OFF: off.
 * @WEIR_NIC_ON: on.
 * @WEIR_NIC_ABSENT: the NIC has no such thing.
 */
enum weir_nic_state {
	WEIR_NIC_UNKNOWN = 0,
	WEIR_NIC_OFF = 1,
	WEIR_NIC_ON = 2,
	WEIR_NIC_ABSENT = 3,
};

/**
 * struct weir_nic_switch - a feature of the NIC, as "ethtool -k" shows it.
 * @state: on, off, or WEIR_NIC_ABSENT.
 * @fixed: it cannot be changed.
 */
struct weir_nic_switch {
	enum weir_nic_state state;
	bool fixed;
};

/* Kinds of packets: bits of weir_nic_info.rss_hash_ports. */
#define WEIR_NIC_HASH_TCP4 (1u << 0)
#define WEIR_NIC_HASH_UDP4 (1u << 1)
#define WEIR_NIC_HASH_TCP6 (1u << 2)
#define WEIR_NIC_HASH_UDP6 (1u << 3)

/* What a queue is used for, besides the kernel's own memory: bits of weir_nic_queue.uses. */
#define WEIR_NIC_QUEUE_ZCRX (1u << 0)	/* io_uring zero-copy receive has bound it */
#define WEIR_NIC_QUEUE_DEVMEM (1u << 1) /* devmem TCP has bound it */
#define WEIR_NIC_QUEUE_XSK (1u << 2)	/* an AF_XDP socket is on it */
#define WEIR_NIC_QUEUE_LEASED (1u << 3) /* it is leased to another device (netkit) */

/**
 * struct weir_nic_queue - one receive queue.
 * @index: its number.
 * @uses: WEIR_NIC_QUEUE_*; only what the kernel tells (netdev-genl, Linux 6.8 and later).
 * @napi_id: 0 where the kernel does not tell.
 * @irq: number of its interrupt; -1 where there is none or the kernel does not tell.
 * @cpus: CPUs that the interrupt may go to, as a list ("0-3,8"); empty where not known.
 * @defer_hard_irqs: of its NAPI; -1 where the kernel does not tell.
 * @gro_flush_timeout_ns: of its NAPI; -1 where the kernel does not tell.
 * @irq_suspend_timeout_ns: of its NAPI; -1 where the kernel does not tell.
 * @threaded: whether its NAPI is polled by a thread; WEIR_NIC_UNKNOWN before Linux 6.17 or so.
 * @pool_pages_inflight: pages of its page pools that are in use; -1 where the kernel does not tell.
 * @rules: flow rules that name it.
 * @rss: entries of the RSS table (context 0) that name it.
 */
struct weir_nic_queue {
	uint32_t index;
	uint32_t uses;
	uint32_t napi_id;
	int32_t irq;
	char cpus[64];
	int64_t defer_hard_irqs;
	int64_t gro_flush_timeout_ns;
	int64_t irq_suspend_timeout_ns;
	enum weir_nic_state threaded;
	int64_t pool_pages_inflight;
	uint32_t rules;
	uint32_t rss;
};

/* Where a rule of weir_nic_rule leads to, when it names no queue. */
#define WEIR_NIC_TO_DROP (-1)
#define WEIR_NIC_TO_CONTEXT (-2)
#define WEIR_NIC_TO_OTHER (-3) /* a virtual function, wake-on-LAN */

/**
 * struct weir_nic_rule - one flow rule (ntuple filter) of the NIC.
 * @location: where it stands in the NIC's table.
 * @queue: queue it leads to, or WEIR_NIC_TO_*.
 * @context: RSS context, where @queue is WEIR_NIC_TO_CONTEXT.
 * @text: the rule in the words of ethtool: "tcp4 dst-port 5201".
 * @ours: owner that made it (weir_nic_owner.id); 0: not weir.
 */
struct weir_nic_rule {
	uint32_t location;
	int32_t queue;
	uint32_t context;
	char text[200];
	uint32_t ours;
};

/**
 * struct weir_nic_context - an additional RSS context.
 * @id: its number.
 * @queues: queues of its table as a list ("2-3").
 * @ours: owner that made it (weir_nic_owner.id); 0: not weir.
 */
struct weir_nic_context {
	uint32_t id;
	char queues[64];
	uint32_t ours;
};

/**
 * struct weir_nic_owner - who holds changes, from the journal.
 * @id: number in the journal.
 * @pid: process; 0: nobody, kept until `weir nic restore`.
 * @alive: whether the process still runs; true for @pid 0.
 * @name: name that was given.
 * @changes: what it holds.
 */
struct weir_nic_owner {
	uint32_t id;
	int32_t pid;
	bool alive;
	char name[32];
	uint32_t changes;
};

/**
 * struct weir_nic_info - the state of an interface.
 * @ifname: name.
 * @ifindex: number in its namespace.
 * @netns_cookie: number of its network namespace, unique since boot (SO_NETNS_COOKIE).
 * @driver: driver.
 * @driver_version: version of the driver.
 * @firmware: version of the firmware.
 * @bus_info: where it sits, e.g. its PCI address.
 * @kind: kind of a virtual device ("veth", "bond", ...); empty for a physical one.
 * @up: it was raised.
 * @carrier: it has a carrier.
 * @loopback: it is a loopback device.
 * @mtu_bytes: MTU.
 * @rx_queues: number of receive queues in use.
 * @combined: combined channels; 0 where the driver has none or does not tell.
 * @combined_max: most combined channels.
 * @rx_channels: receive-only channels.
 * @rx_channels_max: most of them.
 * @ring_entries: entries of a receive ring; 0 where the driver does not tell.
 * @ring_entries_max: most of them.
 * @rx_buf_bytes: size of a receive buffer; 0 where the driver does not tell.
 * @split: header/data split of TCP (tcp-data-split).
 * @hds_threshold_bytes: frames below it are not split; -1 where the driver does not tell.
 * @hds_threshold_max_bytes: most of it; -1 where the driver does not tell.
 * @ntuple: flow rules.
 * @rx_hash: the hash of a packet is told.
 * @gro: generic receive offload.
 * @gro_hw: receive offload by hardware that can be undone.
 * @lro: large receive offload, which changes headers.
 * @rule_room: rules that the NIC can hold; 0 where it has none or does not tell.
 * @rule_any: the driver chooses the location of a rule.
 * @rss_hash: hash function: "toeplitz", "xor", "crc32"; empty where not known.
 * @rss_hash_ports: WEIR_NIC_HASH_*: packets whose ports are hashed, too, with all of their
 *	addresses.
 * @rss_symmetric: both directions of a flow get the same hash.
 * @rss_key: the key.
 * @rss_key_bytes: its length; 0 where not known.
 * @rss_table_entries: entries of the table; 0 where not known.
 * @zerocopy_xsk: the driver has AF_XDP without a copy, by its own account (dev-get).
 * @xdp_prog_id: XDP program that is attached; 0: none.
 * @xdp_mode: "native", "generic", "offload"; empty: none.
 * @carries: why a change could cut the machine off ("it carries the default route"); empty: it
 *	could not.
 */
struct weir_nic_info {
	char ifname[16];
	uint32_t ifindex;
	uint64_t netns_cookie;
	char driver[32];
	char driver_version[32];
	char firmware[32];
	char bus_info[32];
	char kind[16];
	bool up;
	bool carrier;
	bool loopback;
	uint32_t mtu_bytes;
	uint32_t rx_queues;
	uint32_t combined;
	uint32_t combined_max;
	uint32_t rx_channels;
	uint32_t rx_channels_max;
	uint32_t ring_entries;
	uint32_t ring_entries_max;
	uint32_t rx_buf_bytes;
	enum weir_nic_state split;
	int64_t hds_threshold_bytes;
	int64_t hds_threshold_max_bytes;
	struct weir_nic_switch ntuple;
	struct weir_nic_switch rx_hash;
	struct weir_nic_switch gro;
	struct weir_nic_switch gro_hw;
	struct weir_nic_switch lro;
	uint32_t rule_room;
	bool rule_any;
	char rss_hash[16];
	uint32_t rss_hash_ports;
	bool rss_symmetric;
	uint8_t rss_key[128];
	uint32_t rss_key_bytes;
	uint32_t rss_table_entries;
	enum weir_nic_state zerocopy_xsk;
	uint32_t xdp_prog_id;
	char xdp_mode[12];
	char carries[120];
};

/**
 * weir_nic_info_read() - read the state of an interface; changes nothing.
 * @ret: receives it; given back by weir_nic_info_free().
 * @ifname: interface of this thread's network namespace.
 * @reterr: error record or NULL.
 *
 * What the kernel, the driver or this user cannot tell is marked so and is no error.
 *
 * Return: 0; -ENODEV (no such interface); -EINVAL (no interface's name); -EBADMSG (its journal is
 * damaged; the hint names it); -ENOMEM; others of socket(2) for netlink.
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_info_read(const struct weir_nic_info **ret,
						const char *ifname, struct weir_error *reterr);

/**
 * weir_nic_info_free() - give back what weir_nic_info_read() returned.
 * @info: the state or NULL.
 */
WEIR_API void weir_nic_info_free(const struct weir_nic_info *info);

/**
 * weir_nic_info_queue() - one receive queue.
 * @info: the state.
 * @index: number of the queue.
 *
 * Return: the queue, which lives as long as @info; NULL where @index is rx_queues or more.
 */
WEIR_API const struct weir_nic_queue *weir_nic_info_queue(const struct weir_nic_info *info,
							  unsigned index);

/**
 * weir_nic_info_rule() - one flow rule.
 * @info: the state.
 * @i: 0, 1, ... in the order of locations.
 *
 * Return: the rule, which lives as long as @info; NULL after the last.
 */
WEIR_API const struct weir_nic_rule *weir_nic_info_rule(const struct weir_nic_info *info,
							unsigned i);

/**
 * weir_nic_info_context() - one additional RSS context.
 * @info: the state.
 * @i: 0, 1, ... in the order of their numbers.
 *
 * Return: the context, which lives as long as @info; NULL after the last.
 */
WEIR_API const struct weir_nic_context *weir_nic_info_context(const struct weir_nic_info *info,
							      unsigned i);

/**
 * weir_nic_info_owner() - who holds changes of this interface, by the journal.
 * @info: the state.
 * @i: 0, 1, ...
 *
 * Return: the owner, which lives as long as @info; NULL after the last.
 */
WEIR_API const struct weir_nic_owner *weir_nic_info_owner(const struct weir_nic_info *info,
							  unsigned i);

/**
 * weir_nic_info_rss() - the RSS table (context 0).
 * @info: the state.
 * @i: 0 .. rss_table_entries - 1.
 *
 * Return: queue of that entry; -1 where @i is out of range.
 */
WEIR_API int weir_nic_info_rss(const struct weir_nic_info *info, unsigned i);

/* --------------------------------------------------------------------- what is wanted */

/**
 * struct weir_nic_flow - packets that are to come to the chosen queues.
 * @protocol: IPPROTO_TCP or IPPROTO_UDP.
 * @local: our end; its port is needed, a wildcard address (0.0.0.0, ::) means any.
 * @remote: the peer's end; len 0 means any (a listening port), port 0 any port.
 *
 * A flow with the address "[::]" and no peer is taken for IPv6 and IPv4 alike.
 */
struct weir_nic_flow {
	int protocol;
	struct weir_addr local;
	struct weir_addr remote;
};

/* Flags of weir_nic_opts. */
#define WEIR_NIC_SPLIT (1u << 0)     /* header/data split on, with threshold 0 */
#define WEIR_NIC_RSS_AWAY (1u << 1)  /* RSS keeps other flows off the chosen queues */
#define WEIR_NIC_NO_LRO (1u << 2)    /* large receive offload off (XDP wants that) */
#define WEIR_NIC_GRO_HW (1u << 3)    /* receive offload by hardware on, where the NIC has it */
#define WEIR_NIC_IRQ_CPU (1u << 4)   /* interrupts of the chosen queues to weir_nic_opts.cpus */
#define WEIR_NIC_BUSY_POLL (1u << 5) /* NAPI settings for busy polling (.._ns, defer_hard_irqs) */
#define WEIR_NIC_REALLY (1u << 6)    /* also an interface that the machine's way out depends on */
#define WEIR_NIC_KEEP (1u << 7)	     /* owned by nobody: kept until weir_nic_restore() */
/* What zero-copy receive (zcrx) wants. */
#define WEIR_NIC_FOR_ZCRX (WEIR_NIC_SPLIT | WEIR_NIC_RSS_AWAY)

/**
 * struct weir_nic_opts - what is wanted of a NIC.
 * @size: sizeof(struct weir_nic_opts), for growth of the structure.
 * @flags: WEIR_NIC_*.
 * @ifname: the interface.
 * @queue_first: first of the chosen queues; -1: the highest ones that are free.
 * @queue_count: how many; 0 for 1.
 * @channels: combined channels wanted (receive channels, where the driver has only those); 0 leaves
 *	them.
 * @flow_count: number of @flows.
 * @flows: what is steered to the chosen queues: to the queue where there is one, to an RSS context
 *	of them where there are several.
 * @cpus: with WEIR_NIC_IRQ_CPU: CPU of each chosen queue's interrupt, @queue_count numbers.
 * @gro_flush_timeout_ns: with WEIR_NIC_BUSY_POLL.
 * @irq_suspend_timeout_ns: with WEIR_NIC_BUSY_POLL; 0 where the kernel has none (before 6.13).
 * @defer_hard_irqs: with WEIR_NIC_BUSY_POLL.
 * @reserved: 0.
 * @name: of the owner, for the journal and for people; copied, cut after 31 bytes; NULL: the
 *	program's.
 */
struct weir_nic_opts {
	size_t size;
	uint32_t flags;
	const char *ifname;
	int32_t queue_first;
	uint32_t queue_count;
	uint32_t channels;
	uint32_t flow_count;
	const struct weir_nic_flow *flows;
	const uint32_t *cpus;
	uint64_t gro_flush_timeout_ns;
	uint64_t irq_suspend_timeout_ns;
	uint32_t defer_hard_irqs;
	uint32_t reserved;
	const char *name;
};

/**
 * weir_nic_flow_parse() - a flow from text.
 * @text: "tcp:5201" (listening port, IPv6 and IPv4), "tcp:10.0.0.1:5201", "udp:[::1]:53",
 *	"tcp:10.0.0.1:40000-10.0.0.2:80" (local end, then the peer's).
 * @ret: receives the flow; untouched on failure.
 * @reterr: error record or NULL.
 *
 * Return: 0, or -EINVAL with a hint that says what is legal.
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_flow_parse(const char *text, struct weir_nic_flow *ret,
						 struct weir_error *reterr);

/**
 * weir_nic_flow_format() - text of a flow, in the form weir_nic_flow_parse() takes.
 * @flow: the flow.
 * @buf: receives the text, NUL-terminated.
 * @bytes: size of @buf; 160 hold any flow.
 *
 * Return: @buf.
 */
WEIR_API const char *weir_nic_flow_format(const struct weir_nic_flow *flow, char *buf,
					  size_t bytes);

/* ---------------------------------------------------------------------- a plan */

struct weir_nic_plan;

/**
 * struct weir_nic_step - one change of a plan.
 * @kind: what is changed: "channels", "split", "hds-thresh", "feature", "rss", "context", "rule",
 *	"irq", "napi".
 * @what: which one, for people: "RSS table", "flow rule tcp4 dst-port 5201".
 * @before: value before, as text; empty: it is not there.
 * @after: value after; "" means removed.
 * @ethtool: the same change as a command line; empty where there is none.
 * @undo: the command line that puts it back; empty where there is none.
 * @note: what to know about it; empty: nothing.
 * @done: it is so already: nothing will be changed now, but the step is journalled, so that another
 *	owner does not undo it.
 *
 * The strings live as long as the plan.
 */
struct weir_nic_step {
	const char *kind;
	const char *what;
	const char *before;
	const char *after;
	const char *ethtool;
	const char *undo;
	const char *note;
	bool done;
};

/**
 * weir_nic_plan_new() - what weir_nic_open() would change; changes nothing.
 * @ret: receives the plan; given back by weir_nic_plan_free().
 * @opts: what is wanted.
 * @reterr: error record or NULL.
 *
 * What dead owners left is shown as it will be when it is undone.
 *
 * Return: 0; -EINVAL (options; two flows that are the same packets); -ENODEV (no such interface);
 * -ERANGE (no such queue, not so many channels, no queue for other traffic); -EBUSY (a chosen
 * queue is taken; another owner wants something else; fewer channels would take queues away that
 * are used); -EEXIST (a rule takes these packets already); -EOPNOTSUPP (the NIC cannot do it, with
 * the reason); -EPERM (the interface is the machine's way out and WEIR_NIC_REALLY is not set);
 * -EBADMSG (the journal is damaged; the hint names it); -ENOMEM; others of the kernel's.
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_plan_new(struct weir_nic_plan **ret,
					       const struct weir_nic_opts *opts,
					       struct weir_error *reterr);

/**
 * weir_nic_plan_free() - give a plan back.
 * @plan: the plan or NULL.
 */
WEIR_API void weir_nic_plan_free(struct weir_nic_plan *plan);

/**
 * weir_nic_plan_step() - one step of a plan.
 * @plan: the plan.
 * @i: 0, 1, ... in the order in which they are applied.
 *
 * Return: the step, which lives as long as the plan; NULL after the last.
 */
WEIR_API const struct weir_nic_step *weir_nic_plan_step(const struct weir_nic_plan *plan,
							unsigned i);

/**
 * weir_nic_plan_queue() - the queues that were chosen.
 * @plan: the plan.
 * @i: 0 .. queue_count - 1.
 *
 * Return: number of the queue; -1 where @i is out of range.
 */
WEIR_API int weir_nic_plan_queue(const struct weir_nic_plan *plan, unsigned i);

/**
 * weir_nic_plan_leftovers() - changes of dead owners that would be undone first.
 * @plan: the plan.
 *
 * Return: their number.
 */
WEIR_API unsigned weir_nic_plan_leftovers(const struct weir_nic_plan *plan);

/* ------------------------------------------------------------------- holding a NIC */

struct weir_nic;

/**
 * weir_nic_open() - change a NIC as wanted, until weir_nic_close().
 * @ret: receives the NIC; NULL is legal with WEIR_NIC_KEEP.
 * @opts: what is wanted.
 * @reterr: error record or NULL: stage and interface, the kernel's own words, a hint.
 *
 * What dead owners left is undone first.  Each change is written to the journal and synced before
 * it is made, and read back after it.  Where one fails, those made before it are undone.
 *
 * Return: 0; as weir_nic_plan_new(); -EACCES, -EROFS, -ENOSPC (the journal cannot be written);
 * -ETIMEDOUT (another process has had the journal's lock for 30 s; the hint names it); -EPERM (no
 * CAP_NET_ADMIN); -EIO (the driver took a change and did not make it); others of the kernel's.
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_open(struct weir_nic **ret, const struct weir_nic_opts *opts,
					   struct weir_error *reterr);

/**
 * weir_nic_ref() - one more reference to a NIC, for who must not see it closed.
 * @nic: the NIC or NULL.
 *
 * Each reference is given back by a weir_nic_close() of its own.  Sockets that were opened with
 * weir_sock_opts.nic have one.
 *
 * Return: @nic.  Threads: any.
 */
WEIR_API struct weir_nic *weir_nic_ref(struct weir_nic *nic);

/**
 * weir_nic_close() - give a reference back; with the last one, put back what this owner changed.
 * @nic: the NIC or NULL; not to be used after the call, whatever it returns.
 * @reterr: error record or NULL.
 *
 * What another owner still wants stays; what somebody else changed meanwhile is left alone.  With
 * WEIR_NIC_KEEP nothing is put back, nor in a forked child: the changes are its parent's.
 *
 * Return: 0: all is as it was, or others have references, or nothing was to be put back; a positive
 * number of changes that were left alone because somebody else changed them; -errno where an undo
 * failed (it stays in the journal for `weir nic restore`).
 */
WEIR_API int weir_nic_close(struct weir_nic *nic, struct weir_error *reterr);

/**
 * weir_nic_queue() - the queues that are held.
 * @nic: the NIC.
 * @i: 0 .. queue_count - 1.
 *
 * Return: number of the queue; -1 where @i is out of range.
 */
WEIR_API int weir_nic_queue(const struct weir_nic *nic, unsigned i);

/**
 * weir_nic_ifindex() - the interface.
 * @nic: the NIC.
 *
 * Return: its number in its namespace.
 */
WEIR_API unsigned weir_nic_ifindex(const struct weir_nic *nic);

/**
 * weir_nic_flow_add() - steer one more flow to the NIC's queues.
 * @nic: the NIC.
 * @flow: the flow.
 * @queue: one of the NIC's queues; -1: as weir_nic_opts.flows.
 * @retid: receives a number for weir_nic_flow_remove(), which is never 0.
 * @reterr: error record or NULL.
 *
 * A flow that this object steers already is counted: it goes when it was removed as often as added.
 *
 * Return: 0; -EINVAL (no flow that a rule can name; @queue is not held); -EPERM (a forked child);
 * -ENOENT (what this NIC held was put back by weir_nic_restore()); -EOPNOTSUPP (the NIC cannot
 * match it); -ENOSPC (its table is full); -EEXIST (another rule takes these packets); others of the
 * kernel's, and of the journal as weir_nic_open().
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_flow_add(struct weir_nic *nic,
					       const struct weir_nic_flow *flow, int queue,
					       uint32_t *retid, struct weir_error *reterr);

/**
 * weir_nic_flow_ref() - count a flow once more.
 * @nic: the NIC.
 * @id: number of the flow.
 *
 * Return: 0, also in a forked child, which changes nothing; -ENOENT (no such number).  Each needs a
 * weir_nic_flow_remove().
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_flow_ref(struct weir_nic *nic, uint32_t id);

/**
 * weir_nic_flow_remove() - end what weir_nic_flow_add() began.
 * @nic: the NIC.
 * @id: number of the flow.
 * @reterr: error record or NULL.
 *
 * Return: 0, also in a forked child, which changes nothing; 1: somebody else changed the rule, it
 * was left alone; -EINVAL (no NIC); -ENOENT (no such number); others of the kernel's, and of the
 * journal as weir_nic_open(): the rule then stays until the NIC is closed.
 */
WEIR_API int weir_nic_flow_remove(struct weir_nic *nic, uint32_t id, struct weir_error *reterr);

/**
 * weir_nic_source_port() - a source port whose answers come to a queue by RSS, without a rule.
 * @info: state of the NIC that the peer's packets arrive on.
 * @local: our address; its port, where 1024 or more, is the first that is tried.
 * @remote: the peer's address and port.
 * @protocol: IPPROTO_TCP or IPPROTO_UDP.
 * @queue: the queue wanted, which the RSS table must name.
 * @retport: receives the port, in host order.
 * @reterr: error record or NULL.
 *
 * The port is computed, not reserved: bind() may find it taken, then ask again from the next.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP (not a Toeplitz hash over addresses and ports, or it is not
 * known); -ENOENT (no port leads there).  Source: the Toeplitz hash of Microsoft's RSS
 * specification, which all NICs with that name compute.
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_source_port(const struct weir_nic_info *info,
						  const struct weir_addr *local,
						  const struct weir_addr *remote, int protocol,
						  unsigned queue, uint16_t *retport,
						  struct weir_error *reterr);

/* ------------------------------------------------------------------------ restore */

/* Flags of weir_nic_restore(). */
#define WEIR_NIC_RESTORE_KEPT (1u << 0)	  /* also what nobody owns (WEIR_NIC_KEEP) */
#define WEIR_NIC_RESTORE_ALIVE (1u << 1)  /* also what running processes hold */
#define WEIR_NIC_RESTORE_FORGET (1u << 2) /* what cannot be put back leaves the journal */

/**
 * struct weir_nic_restored - what weir_nic_restore() did.
 * @undone: changes that were put back.
 * @left_alone: changes that somebody else had changed meanwhile.
 * @failed: changes that could not be put back; they stay in the journal, unless
 *	WEIR_NIC_RESTORE_FORGET was given.
 * @held: changes that owners hold who were not asked for.
 */
struct weir_nic_restored {
	uint32_t undone;
	uint32_t left_alone;
	uint32_t failed;
	uint32_t held;
};

/**
 * weir_nic_restore() - put back what owners left behind.
 * @ifname: the interface.
 * @flags: WEIR_NIC_RESTORE_*; 0: of dead owners only.
 * @say: called with a line for each change (@user first); NULL: nobody.
 * @user: for @say.
 * @ret: receives the counts, of what was done before a failure, too; may be NULL.
 * @reterr: error record or NULL.
 *
 * Return: 0, also where there was nothing to do; the first failure's -errno; -EINVAL (@flags);
 * -ENODEV; of the journal as weir_nic_open().
 */
WEIR_API WEIR_MUST_CHECK int weir_nic_restore(const char *ifname, unsigned flags,
					      void (*say)(void *user, const char *line), void *user,
					      struct weir_nic_restored *ret,
					      struct weir_error *reterr);

#ifdef __cplusplus
}
#endif

#endif
