// SPDX-License-Identifier: GPL-2.0
/*
 * rx.c - the receiving driver: NAPI, refill
 *
 * Theory:
 *	The wire leaves completed frames in rxq->done and raises the queue's
 *	interrupt (irq.c), which schedules the NAPI on the interrupt's CPU. So
 *	sender and receiver use different CPUs, as with hardware.
 *
 *	The NAPI moves done to its own list, gives frames to GRO, refills the
 *	posted ring and wakes the Tx queues that wait for room. A frame whose
 *	completion is delayed (fault) stops the list until it falls due.
 *
 * Invariants:
 *	1. After a poll either the ring is full or starved is set.
 *	2. A waiter's bit is set before its kick, and each poll takes all bits:
 *	   no waiter is forgotten.
 *	3. done and ready together hold no more frames than the ring has entries,
 *	   but for one of each sender that asked for room at the same moment and
 *	   for those that the faults misdirect and duplicate add.
 *	4. The NAPI is owned (NAPI_STATE_SCHED) from weirnic_rx_kick() until its
 *	   poll is complete: no interrupt is under way when the NAPI is disabled.
 *
 * Ownership:
 *	Frames in done, ready and held belong to the queue.
 *
 * Threads:
 *	weirnic_rx_poll() in the NAPI's context; the lock guards what the wire
 *	also touches. Kicks come from softirqs and from the timer.
 *
 * Errors:
 *	Failed allocations are counted; the ring stays short until the next kick.
 *
 * Sources:
 *	net/core/dev.c (napi_schedule_prep(), napi_complete_done()), Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_wire.sh, tests/vm/t/zcrx_*.sh
 */
#include <linux/etherdevice.h>

#include "weirnic.h"

#define REFILL_BATCH	32

/**
 * weirnic_rx_kick() - the queue's interrupt, where its NAPI is not scheduled anyhow
 * @rxq: the queue; any context with bottom halves off, or hard interrupts
 */
void weirnic_rx_kick(struct weirnic_rxq *rxq)
{
	if (napi_schedule_prep(&rxq->napi))
		weirnic_irq_raise(rxq);
}

static enum hrtimer_restart delay_over(struct hrtimer *timer)
{
	weirnic_rx_kick(container_of(timer, struct weirnic_rxq, delay_timer));
	return HRTIMER_NORESTART;
}

/**
 * weirnic_rx_init() - set up what a queue has for all its life
 * @rxq: the queue, zeroed but for wd and index
 *
 * Return: 0 or -ENOMEM; cpu_frames is the caller's to free.
 */
int weirnic_rx_init(struct weirnic_rxq *rxq)
{
	spin_lock_init(&rxq->lock);
	u64_stats_init(&rxq->stats.syncp);
	__skb_queue_head_init(&rxq->done);
	__skb_queue_head_init(&rxq->ready);
	hrtimer_setup(&rxq->delay_timer, delay_over, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	rxq->cpu_frames = kcalloc(nr_cpu_ids, sizeof(*rxq->cpu_frames), GFP_KERNEL);
	return rxq->cpu_frames ? 0 : -ENOMEM;
}

static u32 allocate(struct weirnic_rxq *rxq, netmem_ref *batch, u32 want, u32 *failed)
{
	u32 n;

	for (n = 0; n < want; n++) {
		batch[n] = 0;
		if (!weirnic_fault_hit(rxq->wd, WEIRNIC_FAULT_ALLOC_FAIL))
			batch[n] = page_pool_alloc_netmems(rxq->mem.pool,
							   GFP_ATOMIC | __GFP_NOWARN);
		if (!batch[n]) {
			(*failed)++;
			break;
		}
	}
	return n;
}

/**
 * weirnic_rx_refill() - post buffers until the ring is full or allocation fails
 * @rxq: the queue; in its NAPI, or while that is disabled
 */
void weirnic_rx_refill(struct weirnic_rxq *rxq)
{
	netmem_ref batch[REFILL_BATCH];
	u32 want, n, i, failed = 0;

	do {
		want = min(rxq->mem.size - weirnic_rxq_posted(rxq), REFILL_BATCH);
		n = allocate(rxq, batch, want, &failed);
		spin_lock_bh(&rxq->lock);
		for (i = 0; i < n; i++)
			rxq->mem.posted[rxq->tail++ & (rxq->mem.size - 1)] = batch[i];
		rxq->starved = failed;
		if (failed) {
			u64_stats_update_begin(&rxq->stats.syncp);
			u64_stats_inc(&rxq->stats.alloc_fail);
			u64_stats_update_end(&rxq->stats.syncp);
		}
		spin_unlock_bh(&rxq->lock);
	} while (n == REFILL_BATCH);
}

/**
 * weirnic_rx_wake_waiters() - schedule the Tx queues that wait for room here
 * @rxq: the queue
 */
void weirnic_rx_wake_waiters(struct weirnic_rxq *rxq)
{
	struct weirnic_dev *peer;
	u64 waiters;

	if (!READ_ONCE(rxq->waiters))
		return;
	spin_lock_bh(&rxq->lock);
	waiters = rxq->waiters;
	rxq->waiters = 0;
	spin_unlock_bh(&rxq->lock);
	local_bh_disable();
	rcu_read_lock();
	peer = rcu_dereference(rxq->wd->peer);
	for (; peer && waiters; waiters &= waiters - 1)
		napi_schedule(&peer->txq[__ffs64(waiters)].napi);
	rcu_read_unlock();
	local_bh_enable();
}

static void collect(struct weirnic_rxq *rxq)
{
	spin_lock(&rxq->lock);
	skb_queue_splice_tail_init(&rxq->done, &rxq->ready);
	if (rxq->held && !ktime_before(ktime_get(), WEIRNIC_RX_CB(rxq->held)->due)) {
		__skb_queue_tail(&rxq->ready, rxq->held);
		rxq->held = NULL;
	}
	spin_unlock(&rxq->lock);
}

/* The oldest frame whose completion is due. */
static struct sk_buff *next_due(struct weirnic_rxq *rxq)
{
	struct sk_buff *skb = skb_peek(&rxq->ready);

	if (!skb)
		return NULL;
	if (WEIRNIC_RX_CB(skb)->due && ktime_after(WEIRNIC_RX_CB(skb)->due, ktime_get()))
		return NULL;
	__skb_unlink(skb, &rxq->ready);
	return skb;
}

/* Nothing is due: come back for what will be, the oldest completion or the frame that is held. */
static void await_due(struct weirnic_rxq *rxq)
{
	struct sk_buff *skb = skb_peek(&rxq->ready);
	ktime_t due = skb ? WEIRNIC_RX_CB(skb)->due : KTIME_MAX;

	spin_lock(&rxq->lock);
	rxq->late = !!skb;
	if (rxq->held && ktime_before(WEIRNIC_RX_CB(rxq->held)->due, due))
		due = WEIRNIC_RX_CB(rxq->held)->due;
	spin_unlock(&rxq->lock);
	if (due != KTIME_MAX)
		hrtimer_start(&rxq->delay_timer, due, HRTIMER_MODE_ABS_SOFT);
}

int weirnic_rx_poll(struct napi_struct *napi, int budget)
{
	struct weirnic_rxq *rxq = container_of(napi, struct weirnic_rxq, napi);
	u64 *frames = &rxq->cpu_frames[smp_processor_id()];
	struct sk_buff *skb;
	int work = 0;

	if (!budget)
		return 0;
	collect(rxq);
	while (work < budget) {
		skb = next_due(rxq);
		if (!skb)
			break;
		memset(skb->cb, 0, sizeof(struct weirnic_rx_cb));
		skb->protocol = eth_type_trans(skb, rxq->wd->ndev);
		napi_gro_receive(napi, skb);
		work++;
	}
	WRITE_ONCE(*frames, *frames + work);
	weirnic_rx_refill(rxq);
	weirnic_rx_wake_waiters(rxq);
	if (work < budget) {
		await_due(rxq);
		napi_complete_done(napi, work);
	}
	return work;
}
