// SPDX-License-Identifier: GPL-2.0
/*
 * irq.c - the interrupts of Rx queues: a number each, and the CPU they are raised on
 *
 * Theory:
 *	Each Rx queue has an interrupt of the machine, with a number that stays
 *	the same as long as the device lives, as MSI-X vectors do. It has a chip
 *	of its own, which has nothing to mask: what keeps it quiet is that the
 *	queue's NAPI is scheduled already.
 *
 *	  weirnic_irq_raise() --csd--> [CPU of the interrupt] arrive()
 *	      generic_handle_irq_safe() -> handle() -> the NAPI, on this CPU
 *
 *	Whoever writes /proc/irq/N/smp_affinity_list calls the chip, which
 *	chooses one CPU of the list and tells it back (effective_affinity_list).
 *	The choice is the N-th CPU for queue N where it is in the list, so that
 *	queues spread over the CPUs as long as nobody asks for anything else.
 *
 *	The interrupt has a handler while its queue is in use; the name of it is
 *	that of the interface when this began, "wn0-rx-0". What the person wrote
 *	stays in force without a handler, too.
 *
 * Invariants:
 *	1. raised is set only by the owner of the NAPI (NAPI_STATE_SCHED), and
 *	   whoever clears it schedules the NAPI: none is lost or doubled.
 *	2. Where the kernel does not call the handler (it is still at work on
 *	   another CPU, or the interrupt is disabled), the NAPI is scheduled all
 *	   the same: an interrupt is late, never lost.
 *	3. Handlers go only after the grace period that follows the end of the
 *	   NAPIs of their queues.
 *
 * Ownership:
 *	The device owns the numbers; they name no module as their owner, for
 *	else nobody could unload it while a device is there.
 *
 * Threads:
 *	Making, freeing, requesting: rtnl, ops lock. set_affinity() under the
 *	lock of the interrupt, interrupts off. Raising: bottom halves off.
 *
 * Errors:
 *	-errno of the kernel: no numbers, no memory.
 *
 * Sources:
 *	kernel/irq/irqdesc.c (__irq_alloc_descs(), generic_handle_irq_safe()),
 *	kernel/irq/chip.c (handle_simple_irq()), kernel/irq/manage.c
 *	(irq_do_set_affinity(), irq_setup_affinity()), Linux 7.3.
 *
 * Tests:
 *	tests/vm/t/nic_irq.sh, tests/vm/t/nic_link.sh, tests/vm/t/nic_apply.sh
 */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "weirnic.h"

/* The N-th CPU for queue N, where it may be; else the first that may. */
static int choose_cpu(const struct weirnic_rxq *rxq, const struct cpumask *mask)
{
	unsigned int cpu = cpumask_local_spread(rxq->index, NUMA_NO_NODE);

	return cpumask_test_cpu(cpu, mask) ? cpu : cpumask_first_and(mask, cpu_online_mask);
}

static int set_affinity(struct irq_data *data, const struct cpumask *mask, bool force)
{
	struct weirnic_rxq *rxq = irq_data_get_irq_chip_data(data);
	int cpu = choose_cpu(rxq, mask);

	if (cpu >= nr_cpu_ids)
		return -EINVAL;
	WRITE_ONCE(rxq->irq_cpu, cpu);
	WRITE_ONCE(rxq->irq_bound, !cpumask_subset(cpu_online_mask, mask));
	irq_data_update_effective_affinity(data, cpumask_of(cpu));
	return IRQ_SET_MASK_OK;
}

static void nothing(struct irq_data *data)
{
}

static struct irq_chip chip = {
	.name			= WEIRNIC_NAME,
	.irq_mask		= nothing,
	.irq_unmask		= nothing,
	.irq_set_affinity	= set_affinity,
};

static irqreturn_t handle(int irq, void *data)
{
	struct weirnic_rxq *rxq = data;

	if (!xchg(&rxq->irq_raised, 0))
		return IRQ_NONE;
	__napi_schedule_irqoff(&rxq->napi);
	return IRQ_HANDLED;
}

/* On the CPU of the interrupt. */
static void arrive(void *data)
{
	struct weirnic_rxq *rxq = data;

	generic_handle_irq_safe(rxq->irq);
	if (unlikely(READ_ONCE(rxq->irq_raised)) && xchg(&rxq->irq_raised, 0))
		__napi_schedule(&rxq->napi);
}

/**
 * weirnic_irq_raise() - raise the interrupt of a queue on its CPU
 * @rxq: the queue; the caller owns its NAPI (napi_schedule_prep()) and has bottom halves off
 */
void weirnic_irq_raise(struct weirnic_rxq *rxq)
{
	int cpu = READ_ONCE(rxq->irq_cpu);
	bool anywhere = !READ_ONCE(weirnic_param_spread) && !READ_ONCE(rxq->irq_bound);

	WRITE_ONCE(rxq->irq_raised, 1);
	if (anywhere || cpu == smp_processor_id() || !cpu_online(cpu) ||
	    smp_call_function_single_async(cpu, &rxq->irq_call))
		arrive(rxq);
}

/**
 * weirnic_irqs_request() - give the interrupts of the first queues their handler
 * @wd: the device
 * @count: how many queues; those that have one keep it
 *
 * Return: 0, or -errno: nothing has changed.
 */
int weirnic_irqs_request(struct weirnic_dev *wd, u32 count)
{
	u32 before = wd->irq_count;
	int err;

	for (; wd->irq_count < count; wd->irq_count++) {
		struct weirnic_rxq *rxq = &wd->rxq[wd->irq_count];

		snprintf(rxq->irq_name, sizeof(rxq->irq_name), "%s-rx-%u", wd->ndev->name,
			 rxq->index);
		err = request_irq(rxq->irq, handle, IRQF_NO_THREAD, rxq->irq_name, rxq);
		if (err) {
			weirnic_irqs_release(wd, before);
			return err;
		}
	}
	return 0;
}

/**
 * weirnic_irqs_release() - take the handlers of all queues but the first away
 * @wd: the device
 * @count: how many queues keep theirs; the NAPIs of the others are no more
 */
void weirnic_irqs_release(struct weirnic_dev *wd, u32 count)
{
	while (wd->irq_count > count) {
		struct weirnic_rxq *rxq = &wd->rxq[--wd->irq_count];

		free_irq(rxq->irq, rxq);
	}
}

/**
 * weirnic_irqs_init() - make the interrupts of a device
 * @wd: the device; its Rx queues are there
 *
 * Return: 0, or -errno.
 */
int weirnic_irqs_init(struct weirnic_dev *wd)
{
	u32 i, count = wd->ndev->num_rx_queues;
	int first = __irq_alloc_descs(-1, 1, count, NUMA_NO_NODE, NULL, NULL);

	if (first < 0)
		return first;
	wd->irq_first = first;
	for (i = 0; i < count; i++) {
		struct weirnic_rxq *rxq = &wd->rxq[i];

		rxq->irq = first + i;
		INIT_CSD(&rxq->irq_call, arrive, rxq);
		irq_set_chip_and_handler(rxq->irq, &chip, handle_simple_irq);
		irq_set_chip_data(rxq->irq, rxq);
		irq_modify_status(rxq->irq, IRQ_NOREQUEST, IRQ_NOPROBE | WEIRNIC_IRQ_STATUS);
	}
	return 0;
}

/**
 * weirnic_irqs_fini() - free the interrupts of a device
 * @wd: the device, none of its queues in use; also where there are no interrupts
 */
void weirnic_irqs_fini(struct weirnic_dev *wd)
{
	if (wd->irq_first)
		irq_free_descs(wd->irq_first, wd->ndev->num_rx_queues);
	wd->irq_first = 0;
}
