/* SPDX-License-Identifier: MIT */
/*
 * group.h - engines that share a listening port: each connection goes to the engine whose NIC queue
 * its packets come by.
 *
 *   weir_group_new(&g)                 one group
 *   each thread: weir_engine_open()    with .group = g and a NIC queue of its own (.nic,
 *                                      .queue_plus_1)
 *                weir_listen()         each engine listens on the same address, with the same
 *                                      options (WEIR_SOCK_REUSEPORT comes by itself); port 0 is
 *                                      for the first one, the others take the address it got
 *
 * A connection that one engine accepts and another engine's queue receives is given to that engine
 * before anything was received from it; its WEIR_EVENT_ACCEPTED comes from the other engine's
 * listener.  Nothing is shared between the engines' threads afterwards.  What was given to an
 * engine that closes meanwhile, or whose listener does, goes to another one that listens there.
 */
#ifndef WEIR_GROUP_H
#define WEIR_GROUP_H

#include <weir/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_group;

/**
 * weir_group_new() - make a group without engines.
 * @ret: receives the group; given back by weir_group_free().
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL (@ret is NULL); -ENOMEM.  Threads: any.
 */
WEIR_API WEIR_MUST_CHECK int weir_group_new(struct weir_group **ret, struct weir_error *reterr);

/**
 * weir_group_free() - give the caller's reference back.
 * @group: the group or NULL.
 *
 * The engines of the group have references of their own.  Threads: any.
 */
WEIR_API void weir_group_free(struct weir_group *group);

#ifdef __cplusplus
}
#endif

#endif
