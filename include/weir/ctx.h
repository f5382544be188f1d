/* SPDX-License-Identifier: MIT */
/*
 * ctx.h - transmit contexts: memory of many sends that is released together.
 *
 * A zero-copy send leaves its memory with the kernel until the last byte was acknowledged (TCP) or
 * has left the machine (UDP).  A context collects sends, of any number of sockets of the engine,
 * into generations, numbered from 0; one event per generation tells when all its memory is the
 * application's again:
 *
 *   weir_ctx_register(e, tags, 16, &err)        contexts 0 to 15, each in its generation 0
 *   weir_ctx_send(s, &send)  ...                sends of the open generation
 *   weir_ctx_send(s, &last)                     with WEIR_SEND_FLUSH: the last one of it
 *   WEIR_EVENT_RELEASED                         event.gen: tag, generation, bytes, copied bytes
 *
 * Generations of one context end in their order, whatever order the kernel ends sends in.  Where
 * nothing is sent without a copy (plane, kernel, path, choice) all this works the same: memory is
 * released as soon as it was copied.  Threads: the engine's.
 */
#ifndef WEIR_CTX_H
#define WEIR_CTX_H

#include <weir/sock.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_CTX_MAX 1024u		/* contexts of a registration */
#define WEIR_CTX_GENERATIONS_MAX 65536u /* of a context, that have not ended */

/**
 * struct weir_ctx_send - a send of a context.
 * @size: sizeof(struct weir_ctx_send), for growth of the structure.
 * @ctx: number of the context.
 * @flags: WEIR_SEND_*; WEIR_SEND_FLUSH makes it the last send of its generation.
 * @iov: pieces; the array itself may be reused on return, what it points to must stay unchanged
 *	until the generation's event, unless WEIR_SEND_COPY.
 * @iov_count: 1 to 16.  One datagram (with @segment_bytes a train) on datagram sockets.
 * @segment_bytes: UDP: size of the datagrams of a train, of one piece; 0 for one datagram.
 * @peer: UDP: where to; NULL for the connected peer; copied.  NULL on other sockets.
 */
struct weir_ctx_send {
	size_t size;
	uint32_t ctx;
	uint32_t flags;
	const struct iovec *iov;
	uint32_t iov_count;
	uint32_t segment_bytes;
	const struct sockaddr *peer;
};

/**
 * weir_ctx_register() - register the engine's contexts.
 * @e: the engine.
 * @tags: @count numbers: context i's comes back in its events as event.gen.tag; any value.
 * @count: 1 to WEIR_CTX_MAX.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EBUSY where contexts are registered (weir_ctx_unregister()); -EINVAL; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_ctx_register(struct weir_engine *e, const uint64_t *tags,
					       unsigned count, struct weir_error *reterr);

/**
 * weir_ctx_unregister() - end the engine's contexts.
 * @e: the engine.
 * @timeout_us: microseconds to wait for generations that have not ended; 0: refuse; -1: no limit.
 *
 * Open generations that have sends are flushed; all events of the contexts are in the engine's
 * queue when it returns 0, and sends made before go on.  While it waits, other events are queued
 * as well; where there is no room for more of them it ends with -ENOBUFS.
 *
 * Return: 0; -ENOENT where none are registered; -EBUSY (@timeout_us 0) or -ETIMEDOUT where
 * generations have not ended: nothing was changed but what was flushed, call again; -ENOBUFS: take
 * events by weir_engine_wait(), then call again; -EDEADLK: it would have to wait, in a callback.
 */
WEIR_API WEIR_MUST_CHECK int weir_ctx_unregister(struct weir_engine *e, int64_t timeout_us);

/**
 * weir_ctx_send() - queue data, as weir_sock_sendv() or weir_sock_sendto(), in a context.
 * @s: a stream or UDP socket.
 * @send: what, where to, and the context.
 *
 * There is no WEIR_EVENT_SENT; the generation's event says when the memory is free.
 *
 * Return: as weir_sock_sendv(); -ENOENT: there is no such context; -ENOBUFS also where
 * WEIR_CTX_GENERATIONS_MAX generations have not ended.  A send that is refused belongs to no
 * generation, and its WEIR_SEND_FLUSH did not happen.
 */
WEIR_API WEIR_MUST_CHECK int weir_ctx_send(struct weir_sock *s, const struct weir_ctx_send *send);

/**
 * weir_ctx_flush() - end the open generation of a context; the next send begins another.
 * @e: the engine.
 * @ctx: number of the context.
 *
 * A generation without sends ends as well, with an event of 0 bytes, in its turn.
 *
 * Return: 0; -ENOENT: there is no such context; -ENOBUFS where WEIR_CTX_GENERATIONS_MAX
 * generations have not ended; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_ctx_flush(struct weir_engine *e, unsigned ctx);

/**
 * weir_ctx_generation() - the number of a context's open generation.
 * @e: the engine.
 * @ctx: number of the context.
 * @ret: receives the number: the next send belongs to it.
 *
 * Return: 0; -ENOENT: there is no such context.
 */
WEIR_API int weir_ctx_generation(const struct weir_engine *e, unsigned ctx, uint64_t *ret);

#ifdef __cplusplus
}
#endif

#endif
