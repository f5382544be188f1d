/* SPDX-License-Identifier: MIT */
/*
 * bound.h - what the kernel says of one receive queue, and which queues somebody has bound.
 */
#ifndef WEIR_NIC_BOUND_H
#define WEIR_NIC_BOUND_H

#include "nic.h"

/**
 * nic_queue_napi() - the NAPI of a receive queue, at this moment.
 * @ctx: the interface.
 * @queue: number of the queue.
 * @ret: receives its number.
 * @reterr: error record or NULL.
 *
 * Return: 0; -ENETDOWN; -EOPNOTSUPP: the kernel or the driver does not tell; -EINVAL, -ERANGE: no
 * such queue.
 */
WEIR_MUST_CHECK int nic_queue_napi(struct nic_ctx *ctx, uint32_t queue, uint32_t *ret,
				   struct weir_error *reterr);

/**
 * nic_bound_advise() - add to a hint which queue is bound by whom, and what to do.
 * @ctx: the interface.
 * @from: the first queue that matters.
 * @err: a filled record or NULL; unchanged where no queue is bound, or the kernel does not tell.
 */
void nic_bound_advise(struct nic_ctx *ctx, uint32_t from, struct weir_error *err);

#endif
