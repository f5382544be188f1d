/* SPDX-License-Identifier: GPL-2.0 */
/*
 * weirnic.h - the test NIC: its structures, and what each file offers the others.
 *
 * A pair of network devices, joined by a wire of software. Each device has several Rx and Tx
 * queues with one NAPI each, page pools that take memory providers, and a platform device as
 * parent, so that the core treats it as hardware.
 *
 *   ndo_start_xmit -> Tx ring -> Tx NAPI: tso.c cuts, wire.c steers, dma.c writes  (sender's CPU)
 *                                   | frame in rxq->done, interrupt (irq.c)
 *                                   v
 *                     Rx NAPI of the peer: GRO, stack, refill        (the queue's interrupt CPU)
 *
 * Locking, outermost first:
 *   rtnl                 making and deleting pairs, open, stop, carrier
 *   ndev->lock           the "ops lock": queues come and go, ring sizes, split, queue ops
 *                        (kernels without it: rtnl)
 *   steer->lock          changes of steering; the data path reads it by RCU
 *   rxq->lock            softirq-safe. Posted ring, done list, Rx statistics. Taken by the Tx
 *                        NAPIs of the peer and by the own Rx NAPI; nothing is called with it held
 *                        that takes another of these locks
 * The peer is an RCU pointer: who follows it holds rcu_read_lock (or rtnl).
 * Tx ring: the producer holds the kernel's transmit lock of the queue, the consumer is the Tx NAPI.
 */
#ifndef WEIRNIC_H
#define WEIRNIC_H

#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/skbuff.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>
#include <net/page_pool/helpers.h>

#include "compat.h"

#define WEIRNIC_NAME		"weirnic"
#define WEIRNIC_QUEUES_MAX	64
#define WEIRNIC_RING_MIN	32
#define WEIRNIC_RING_MAX	8192
#define WEIRNIC_BUF_MAX		SZ_4M		/* largest Rx buffer, bytes */
#define WEIRNIC_HEADER_MAX	256		/* headers that fit the header buffer, bytes */

struct dentry;
struct weirnic_dev;
struct weirnic_steer;

/* ---- faults (fault.c) ---- */

enum weirnic_fault {
	WEIRNIC_FAULT_DROP,
	WEIRNIC_FAULT_DUPLICATE,
	WEIRNIC_FAULT_REORDER,
	WEIRNIC_FAULT_CORRUPT,
	WEIRNIC_FAULT_SPLIT_LESS,
	WEIRNIC_FAULT_SPLIT_MORE,
	WEIRNIC_FAULT_MISDIRECT,
	WEIRNIC_FAULT_ALLOC_FAIL,
	WEIRNIC_FAULT_NO_BUFFER,
	WEIRNIC_FAULT_DELAY,
	WEIRNIC_FAULT_CARRIER_FLAP,
	WEIRNIC_FAULT_QUEUE_START,
	WEIRNIC_FAULT_NAPI_ID,
	WEIRNIC_FAULT_COUNT
};

struct weirnic_fault_knob {
	u32 every;			/* 0: off */
	u64 limit;			/* hits allowed */
	atomic64_t occasions;		/* decisions so far: the place in the random sequence */
	atomic64_t draws;		/* of weirnic_fault_random() */
	atomic64_t hits;
};

struct weirnic_faults {
	u64 seed;
	u32 delay_us;
	struct weirnic_fault_knob knob[WEIRNIC_FAULT_COUNT];
};

void weirnic_fault_init(struct weirnic_dev *wd);
bool __weirnic_fault_hit(struct weirnic_dev *wd, enum weirnic_fault fault);
u32 weirnic_fault_random(struct weirnic_dev *wd, enum weirnic_fault fault, u32 bound);
u32 weirnic_fault_delay_us(const struct weirnic_dev *wd);

/* ---- what the parser finds in a frame (parse.c), read by steering and split ---- */

struct weirnic_flow {
	const struct ethhdr *eth;	/* in the frame's header copy */
	__be16 ethertype;		/* after VLAN tags */
	__be16 vlan_proto;		/* outermost tag, in the frame or beside it; 0: none */
	u16 vlan_tci;
	u8 vlan_depth;			/* tags within the frame: 0, 1, 2 */
	u8 ip_version;			/* 0, 4, 6 */
	u8 protocol;			/* of layer 4, after extension headers */
	u8 tos;				/* IPv4 TOS, IPv6 traffic class */
	bool fragment;			/* any IP fragment: no ports, no split */
	bool has_ports;			/* TCP, UDP, SCTP with both ports present */
	struct in6_addr src, dst;	/* IPv4 in s6_addr32[0] */
	__be16 sport, dport;
	__be32 l4_bytes;		/* the first four bytes after IP, 0 where there are none */
	u16 l3_offset, l4_offset;	/* from the frame's start; 0: not found */
	u16 header_len;			/* end of the TCP or UDP header; 0: not found */
};

/* ---- statistics ---- */

/* All fields are written with rxq->lock held, within u64_stats_update_begin/end(&syncp). */
struct weirnic_rx_stats {
	struct u64_stats_sync syncp;
	u64_stats_t packets;
	u64_stats_t bytes;		/* provider_bytes + kernel_bytes, merged headers */
	u64_stats_t provider_bytes;	/* payload written into a provider's memory */
	u64_stats_t kernel_bytes;	/* written into kernel memory, headers included */
	u64_stats_t head_bytes;		/* of these, into the linear part */
	u64_stats_t no_buffer;		/* frames dropped for want of a buffer */
	u64_stats_t alloc_fail;		/* page pool allocations that failed */
	u64_stats_t restarts;		/* starts by the queue management ops */
	u64_stats_t split_frames;
	u64_stats_t unsplit_frames;
	u64_stats_t csum_bad;		/* bad checksum, payload for a provider: dropped */
	u64_stats_t csum_unnecessary;	/* delivered as verified */
	u64_stats_t csum_none;		/* delivered unverified */
};

/* Written by the Tx NAPI alone. Frames and bytes as on the wire: after segmentation. */
struct weirnic_tx_stats {
	struct u64_stats_sync syncp;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t tso_frames;		/* super frames cut */
	u64_stats_t tso_bytes;		/* their bytes, headers once */
	u64_stats_t tso_wire_frames;	/* the frames made of them */
	u64_stats_t zc_frames;		/* skbs with user pages, read in place */
	u64_stats_t needs_csum;		/* skbs with checksum offload */
	u64_stats_t drops;		/* wire frames that no one received */
	u64_stats_t wakes;
};

/* Written by ndo_start_xmit, under the transmit lock of the queue. */
struct weirnic_xmit_stats {
	struct u64_stats_sync syncp;
	u64_stats_t stops;
};

/* ---- queues (queue.c) ---- */

/* The memory of an Rx queue: what the queue management ops allocate, start, stop and free. */
struct weirnic_rx_mem {
	struct page_pool *pool;
	netmem_ref *posted;		/* ring of size entries */
	u32 size;			/* a power of two */
	u32 buf_bytes;			/* a power of two, at least PAGE_SIZE */
	bool provider;			/* the pool's memory comes from a memory provider */
};

/* What a completed frame carries in skb->cb until the NAPI takes it. */
struct weirnic_rx_cb {
	ktime_t due;			/* not before; 0: at once */
};

#define WEIRNIC_RX_CB(skb)	((struct weirnic_rx_cb *)(skb)->cb)

struct weirnic_rxq {
	struct weirnic_dev *wd;
	u32 index;
	struct napi_struct napi;
	call_single_data_t irq_call;	/* brings the interrupt to its CPU */
	unsigned int irq;		/* its number, for the life of the device */
	int irq_cpu;			/* where it is raised */
	bool irq_bound;			/* not every CPU may have it */
	u32 irq_raised;			/* 1: the NAPI is to be scheduled; irq.c */
	char irq_name[IFNAMSIZ + 16];	/* "wn0-rx-0" */
	u64 *cpu_frames;		/* by CPU: worked off by the NAPI there, NAPI only */
	struct sk_buff_head ready;	/* taken from done by the NAPI, NAPI only */
	struct hrtimer delay_timer;	/* a delayed completion falls due */

	spinlock_t lock ____cacheline_aligned_in_smp;
	bool up;
	bool starved;			/* the last refill fell short */
	bool late;			/* the oldest completion in ready is not due yet */
	struct weirnic_rx_mem mem;
	struct page_pool *safe_pool;	/* stopped last: starting it again may not fail */
	u32 head, tail;			/* posted[head .. tail), free running */
	netmem_ref partial;		/* partly filled buffer, 0: none */
	u32 partial_used;
	struct sk_buff_head done;	/* completed frames, oldest first */
	struct sk_buff *held;		/* reorder fault: waits for its successor */
	u64 waiters;			/* Tx queues of the peer that wait for room */
	struct weirnic_rx_stats stats;
};

struct weirnic_frame {			/* one frame on the wire */
	struct sk_buff *skb;		/* payload is read from here, in place */
	struct weirnic_flow flow;
	u32 header_len;			/* bytes of header[] */
	u32 payload_offset;		/* the rest of the frame: in skb */
	u32 payload_len;
	u32 segments;			/* 1, or how many frames hardware GRO makes one of */
	u32 segment_bytes;		/* payload of each of these but the last */
	bool steered;			/* rx_queue and hash are known; the same for all of skb */
	int rx_queue;			/* -1: a rule drops it */
	u32 hash;
	enum pkt_hash_types hash_type;
	u8 pad[2];			/* so that IP headers lie aligned */
	u8 header[WEIRNIC_HEADER_MAX];	/* the frame's first bytes, as on the wire */
};

struct weirnic_txq {
	struct weirnic_dev *wd;
	u32 index;
	struct napi_struct napi;
	struct sk_buff **ring;
	u32 size;			/* a power of two */
	u32 head;			/* consumer: Tx NAPI */
	u32 tail ____cacheline_aligned_in_smp;	/* producer: ndo_start_xmit */
	struct weirnic_xmit_stats xmit_stats;

	/* What follows is the Tx NAPI's alone. */
	struct sk_buff *skb ____cacheline_aligned_in_smp; /* being cut */
	struct weirnic_frame frame;	/* the next frame of skb */
	u8 template[WEIRNIC_HEADER_MAX]; /* TSO: the super frame's headers */
	u32 segment_index, segment_bytes;
	bool frame_ready;		/* frame is filled and not yet received */
	struct weirnic_tx_stats stats;
};

/* ---- the device ---- */

struct weirnic_dev {			/* netdev_priv() */
	struct net_device *ndev;
	struct weirnic_dev __rcu *peer;
	struct platform_device *pdev;	/* parent: "weirnic.N" */
	struct device *dma;		/* = &pdev->dev */
	struct weirnic_rxq *rxq;	/* ndev->num_rx_queues of them */
	struct weirnic_txq *txq;	/* ndev->num_tx_queues */
	unsigned int irq_first;		/* of num_rx_queues interrupts; 0: there are none */
	u32 irq_count;			/* as many queues have a handler: those in use */

	/* Under the ops lock; the data path reads split and hds_thresh by READ_ONCE. */
	u32 rx_ring, tx_ring;		/* wanted sizes, powers of two */
	u32 rx_buf_len;			/* wanted Rx buffer of plain queues, 0: PAGE_SIZE */
	u32 hds_thresh;			/* payloads up to this stay with the headers */
	bool split;			/* tcp-data-split */

	bool up;			/* opened; link.c's lock */
	bool flapping;			/* carrier_flap fault in progress; the same */
	struct delayed_work flap_work;

	struct weirnic_steer *steer;	/* steer.c's own */
	struct weirnic_faults faults;
	struct dentry *debugfs;		/* debugfs.c's own */
	netdevice_tracker peer_tracker;
};

/* Bytes of a frame on the wire, of all its parts where it is a merged one. */
static inline u32 weirnic_frame_wire_bytes(const struct weirnic_frame *frame)
{
	return frame->segments * frame->header_len + frame->payload_len;
}

static inline bool weirnic_fault_hit(struct weirnic_dev *wd, enum weirnic_fault fault)
{
	return unlikely(READ_ONCE(wd->faults.knob[fault].every)) && __weirnic_fault_hit(wd, fault);
}

/* Buffers posted and not yet used. */
static inline u32 weirnic_rxq_posted(const struct weirnic_rxq *rxq)
{
	return READ_ONCE(rxq->tail) - READ_ONCE(rxq->head);
}

/* link.c: pairs, module parameters, carrier */
extern unsigned int weirnic_param_pack;
extern bool weirnic_param_spread;
void weirnic_link_up(struct weirnic_dev *wd, bool up);	/* this end opened or closed */
void weirnic_link_flap(struct weirnic_dev *wd);		/* any context */

/* queue.c: up and down, resizing; the queue management ops */
extern const struct netdev_queue_mgmt_ops weirnic_queue_ops;
int weirnic_queues_init(struct weirnic_dev *wd);	/* ndo_init */
void weirnic_queues_fini(struct weirnic_dev *wd);
int weirnic_open(struct net_device *ndev);
int weirnic_stop(struct net_device *ndev);
/*
 * For ethtool.c, under the ops lock, with the link up or down, all or nothing: on failure the
 * old setting is in force and works. Counts are powers of two within WEIRNIC_RING_MIN/MAX
 * (-EINVAL else). rx_buf_len: 0 or a power of two from PAGE_SIZE to WEIRNIC_BUF_MAX. channels:
 * 1 to the smaller of num_rx_queues and num_tx_queues. Neither calls steer.c: the caller does.
 */
int weirnic_rings_set(struct weirnic_dev *wd, u32 rx_count, u32 tx_count, u32 rx_buf_len,
		      bool split, u32 hds_thresh, struct netlink_ext_ack *extack);
int weirnic_channels_set(struct weirnic_dev *wd, u32 count);

/* irq.c: interrupts of the Rx queues */
int weirnic_irqs_init(struct weirnic_dev *wd);
void weirnic_irqs_fini(struct weirnic_dev *wd);
int weirnic_irqs_request(struct weirnic_dev *wd, u32 count);
void weirnic_irqs_release(struct weirnic_dev *wd, u32 count);
void weirnic_irq_raise(struct weirnic_rxq *rxq);

/* rx.c: refill, Rx NAPI */
int weirnic_rx_poll(struct napi_struct *napi, int budget);
void weirnic_rx_refill(struct weirnic_rxq *rxq);
void weirnic_rx_kick(struct weirnic_rxq *rxq);		/* schedule the NAPI on its CPU */
void weirnic_rx_wake_waiters(struct weirnic_rxq *rxq);
int weirnic_rx_init(struct weirnic_rxq *rxq);

/* tx.c: transmit, Tx NAPI */
netdev_tx_t weirnic_start_xmit(struct sk_buff *skb, struct net_device *ndev);
int weirnic_tx_poll(struct napi_struct *napi, int budget);
void weirnic_tx_purge(struct weirnic_txq *txq);

/* parse.c */
void weirnic_parse(const u8 *header, u32 len, const struct sk_buff *skb,
		   struct weirnic_flow *ret_flow);

/* tso.c: from an skb to the frames on the wire */
bool weirnic_tso_start(struct weirnic_txq *txq, struct sk_buff *skb);
bool weirnic_tso_next(struct weirnic_txq *txq, bool merge);	/* false: no more frames */
void weirnic_tso_undo(struct weirnic_txq *txq);		/* of a merged frame: cut it after all */

/* wire.c: one frame to the peer */
enum weirnic_wire_result {
	WEIRNIC_WIRE_RECEIVED,
	WEIRNIC_WIRE_DROPPED,
	WEIRNIC_WIRE_WAIT,
	WEIRNIC_WIRE_CUT,		/* no room for the merged frame: send its parts */
};

bool weirnic_wire_merges(const struct weirnic_dev *to);
enum weirnic_wire_result weirnic_wire_frame(struct weirnic_dev *to, u32 tx_index,
					    struct weirnic_frame *frame, u64 *kick);

/* dma.c: the receiving end's DMA engine: from a frame to an Rx skb in posted buffers */
struct sk_buff *weirnic_dma_receive(struct weirnic_rxq *rxq, const struct weirnic_frame *frame,
				    u32 head_len, bool split);

/* steer.c */
int weirnic_steer_init(struct weirnic_dev *wd);
void weirnic_steer_fini(struct weirnic_dev *wd);
void weirnic_steer_resize(struct weirnic_dev *wd, u32 queue_count);
int weirnic_steer_lookup(const struct weirnic_dev *wd, const struct weirnic_flow *flow,
			 u32 *ret_hash, enum pkt_hash_types *ret_type);

/* ethtool.c, stats.c, debugfs.c */
extern const struct ethtool_ops weirnic_ethtool_ops;
extern const struct netdev_stat_ops weirnic_stat_ops;
void weirnic_stats_get64(struct net_device *netdev, struct rtnl_link_stats64 *ret_stats);
void weirnic_debugfs_init(void);
void weirnic_debugfs_exit(void);
void weirnic_debugfs_add(struct weirnic_dev *wd);
void weirnic_debugfs_remove(struct weirnic_dev *wd);

#endif
