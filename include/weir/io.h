/* SPDX-License-Identifier: MIT */
/*
 * io.h - callbacks in the shape of osmo_io: messages instead of slices, on top of sock.h.
 *
 * A weir_io moves whole messages.  Three modes: read/write for streams, with a segmentation
 * callback that finds the message boundaries; recvfrom/sendto and recvmsg/sendmsg for datagrams.
 * Messages live in weir_bufs.  A received message that lies within one slice is not copied: its
 * buffer borrows the slice.  Transmit queues are bounded and tell when they are full and when
 * they are low again.  docs/osmo_io.md has the table from osmo_io's calls to these.
 *
 *   weir_engine_open(&e, NULL, &err);
 *   weir_buf_pool_new(&pool, e, NULL, &err);
 *   weir_io_new(&io, pool, WEIR_IO_READ_WRITE, "abis", &ops, user, NULL, &err);
 *   weir_io_connect(io, "192.0.2.1:3002", NULL, &err);     or weir_io_open(io, fd, &err)
 *   weir_engine_run(e);                                    ops.read(), ops.written(), ...
 *   weir_io_free(io);
 *   weir_engine_close(e);
 *   weir_buf_pool_free(pool);                              after the engine: it has the memory
 *
 * The callbacks come from weir_engine_run() or weir_engine_dispatch(); a program that takes batches
 * with weir_engine_wait() cannot use a weir_io.  All calls are legal inside all callbacks, free
 * included.  No callback is called from inside a call of this header, except @tx_full.
 *
 * Threads: everything here belongs to the engine's thread.
 */
#ifndef WEIR_IO_H
#define WEIR_IO_H

#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <weir/base.h>
#include <weir/engine.h>
#include <weir/sock.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_buf_pool;
struct weir_io;
struct weir_io_slice;

/* ------------------------------------------------------------------------------------------ */
/* Message buffers                                                                            */

/**
 * struct weir_buf - one message: memory with room before and after the data.
 * @head: first byte of the memory.
 * @data: first byte of the message.
 * @tail: byte behind the message.
 * @end: byte behind the memory.
 * @mark: the user's pointers into the message, e.g. where a layer's header begins; they follow
 *	when the library moves the message to other memory.
 * @cb: the user's (control buffer); 0 in a new buffer.
 * @user: the user's; NULL in a new buffer.
 *
 *   head        data                     tail        end
 *    | headroom  | the message            | tailroom  |
 *
 * The fields before the private ones may be read and @mark, @cb, @user written directly; use the
 * functions below to move @data and @tail.  A received message that borrows a slice has neither
 * headroom nor tailroom (weir_buf_own() gives it both).  A buffer belongs to whoever got it last:
 * weir_buf_new() and receive callbacks give it to the caller, a send that returns 0 takes it.
 */
struct weir_buf {
	uint8_t *head;
	uint8_t *data;
	uint8_t *tail;
	uint8_t *end;
	uint8_t *mark[4];
	uint64_t cb[6];
	void *user;

	/* private to the library from here on */
	struct weir_buf_pool *pool;
	struct weir_buf *next;
	struct weir_buf *prev;
	struct weir_io_slice *slice;
	int32_t res;
	uint32_t segment_bytes;
	uint16_t send_flags;
	uint16_t peer_len;
	uint8_t kind;
	uint8_t state;
	uint8_t size_class;
	uint8_t slice_flags;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
	uint32_t sctp_ppid;
	int32_t sctp_assoc_id;
	uint16_t sctp_stream;
	uint16_t sctp_flags;
};

/**
 * struct weir_buf_pool_opts - how much memory a pool keeps.
 * @size: sizeof(struct weir_buf_pool_opts), for growth of the structure.
 * @flags: none defined; 0.
 * @hold_max: slices that buffers of this pool may keep from being received into at a time; above
 *	it messages are copied to memory of their own; 0 for half of the engine's receive buffers.
 * @cache_bytes: memory of freed buffers that is kept for new ones; 0 for 8 MiB.
 * @reserved: 0.
 */
struct weir_buf_pool_opts {
	size_t size;
	uint32_t flags;
	uint32_t hold_max;
	size_t cache_bytes;
	uint64_t reserved;
};

/**
 * struct weir_buf_pool_stats - counters of a pool.
 * @bufs: buffers in use now: with the user, in transmit queues, or waiting to be received.
 * @bufs_max: most of them at a time.
 * @memory_bytes: memory the pool has from the heap now.
 * @heap_calls: times the pool asked the heap for memory; constant in steady state.
 * @slices_held: slices that buffers keep now.
 * @copied_bytes: bytes of received messages that were copied, for whatever reason.
 * @straddle_bytes: of these, because a message did not lie within one slice.
 * @limit_bytes: of these, because @hold_max slices were held.
 * @bad_frees: buffers that were freed while they were not in use; each is a fault of the caller.
 */
struct weir_buf_pool_stats {
	uint64_t bufs;
	uint64_t bufs_max;
	uint64_t memory_bytes;
	uint64_t heap_calls;
	uint64_t slices_held;
	uint64_t copied_bytes;
	uint64_t straddle_bytes;
	uint64_t limit_bytes;
	uint64_t bad_frees;
};

/**
 * weir_buf_pool_new() - make the memory that weir_ios of one engine work with.
 * @retpool: receives the pool; untouched on failure.
 * @e: the engine.
 * @opts: options; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_buf_pool_new(struct weir_buf_pool **retpool,
					       struct weir_engine *e,
					       const struct weir_buf_pool_opts *opts,
					       struct weir_error *reterr);

/**
 * weir_buf_pool_free() - free a pool with all its buffers and all weir_ios made from it.
 * @pool: the pool, or NULL.
 *
 * Only after weir_engine_close(): until then the kernel may use the memory.
 */
WEIR_API void weir_buf_pool_free(struct weir_buf_pool *pool);

/**
 * weir_buf_pool_get_stats() - read the counters.
 * @pool: the pool.
 * @ret: receives them.
 */
WEIR_API void weir_buf_pool_get_stats(const struct weir_buf_pool *pool,
				      struct weir_buf_pool_stats *ret);

/**
 * weir_buf_new() - an empty message buffer.
 * @pool: where from.
 * @bytes: room for the message and what is put behind it.
 * @headroom: room before it.
 *
 * Return: the buffer, or NULL where there is no memory or the sum exceeds 1 GiB.
 */
WEIR_API WEIR_MUST_CHECK struct weir_buf *weir_buf_new(struct weir_buf_pool *pool, size_t bytes,
						       size_t headroom);

/**
 * weir_buf_free() - give a buffer back.
 * @buf: the buffer, or NULL.
 *
 * A buffer that is freed already, or that a transmit queue has, is left alone and counted
 * (weir_buf_pool_stats.bad_frees).
 */
WEIR_API void weir_buf_free(struct weir_buf *buf);

/**
 * weir_buf_own() - make sure that a buffer has memory of its own and room.
 * @buf: the buffer.
 * @headroom: bytes wanted before the message.
 * @tailroom: bytes wanted behind it.
 *
 * Copies the message unless it has all that already; a borrowed slice is given back.  For messages
 * that are kept for long: a borrowed one keeps a whole receive buffer from being used.
 *
 * Return: 0, or -ENOMEM with the buffer as it was.
 */
WEIR_API WEIR_MUST_CHECK int weir_buf_own(struct weir_buf *buf, size_t headroom, size_t tailroom);

/**
 * weir_buf_shared() - does the message borrow a slice?
 * @buf: the buffer.
 *
 * Return: true for a message that was received without a copy.
 */
static inline bool weir_buf_shared(const struct weir_buf *buf)
{
	return buf->slice != NULL;
}

/**
 * weir_buf_peer() - where a datagram came from, or goes to.
 * @buf: the buffer.
 *
 * Return: the address, part of the buffer; NULL where there is none.
 */
static inline const struct sockaddr *weir_buf_peer(const struct weir_buf *buf)
{
	return buf->peer_len ? &buf->peer.sa : NULL;
}

/**
 * weir_buf_len() - length of the message in bytes.
 * @buf: the buffer.
 *
 * Return: the length.
 */
static inline size_t weir_buf_len(const struct weir_buf *buf)
{
	return (size_t)(buf->tail - buf->data);
}

/**
 * weir_buf_headroom() - bytes that weir_buf_push() can give.
 * @buf: the buffer.
 *
 * Return: bytes.
 */
static inline size_t weir_buf_headroom(const struct weir_buf *buf)
{
	return (size_t)(buf->data - buf->head);
}

/**
 * weir_buf_tailroom() - bytes that weir_buf_put() can give.
 * @buf: the buffer.
 *
 * Return: bytes.
 */
static inline size_t weir_buf_tailroom(const struct weir_buf *buf)
{
	return (size_t)(buf->end - buf->tail);
}

/**
 * weir_buf_put() - lengthen the message at its end.
 * @buf: the buffer.
 * @bytes: how much.
 *
 * Return: first of the new bytes, to be written by the caller; NULL where there is no room.
 */
static inline uint8_t *weir_buf_put(struct weir_buf *buf, size_t bytes)
{
	uint8_t *at = buf->tail;

	if (weir_buf_tailroom(buf) < bytes)
		return NULL;
	buf->tail += bytes;
	return at;
}

/**
 * weir_buf_push() - lengthen the message at its front.
 * @buf: the buffer.
 * @bytes: how much.
 *
 * Return: the new first byte; NULL where there is no room.
 */
static inline uint8_t *weir_buf_push(struct weir_buf *buf, size_t bytes)
{
	if (weir_buf_headroom(buf) < bytes)
		return NULL;
	buf->data -= bytes;
	return buf->data;
}

/**
 * weir_buf_pull() - take bytes off the front of the message.
 * @buf: the buffer.
 * @bytes: how much.
 *
 * Return: the new first byte; NULL where the message is shorter.
 */
static inline uint8_t *weir_buf_pull(struct weir_buf *buf, size_t bytes)
{
	if (weir_buf_len(buf) < bytes)
		return NULL;
	buf->data += bytes;
	return buf->data;
}

/**
 * weir_buf_trim() - shorten the message at its end.
 * @buf: the buffer.
 * @len: length it shall have.
 *
 * Return: 0; -EINVAL where the message is shorter already.
 */
WEIR_API int weir_buf_trim(struct weir_buf *buf, size_t len);

/**
 * weir_buf_append() - copy bytes behind the message.
 * @buf: the buffer.
 * @data: first byte.
 * @len: bytes.
 *
 * Return: 0; -ENOSPC where there is no room.
 */
WEIR_API WEIR_MUST_CHECK int weir_buf_append(struct weir_buf *buf, const void *data, size_t len);

/* ------------------------------------------------------------------------------------------ */
/* I/O with callbacks                                                                         */

/**
 * enum weir_io_mode - which of the three families of callbacks is in use.
 * @WEIR_IO_READ_WRITE: streams: @read, @written, @segment; weir_io_write().
 * @WEIR_IO_RECVFROM_SENDTO: datagrams: @received_from, @sent_to; weir_io_sendto().
 * @WEIR_IO_RECVMSG_SENDMSG: datagrams, SCTP or streams: @received_msg, @sent_msg;
 *	weir_io_sendmsg().
 */
enum weir_io_mode {
	WEIR_IO_READ_WRITE = 0,
	WEIR_IO_RECVFROM_SENDTO = 1,
	WEIR_IO_RECVMSG_SENDMSG = 2,
};

/**
 * weir_io_mode_name() - name of a mode.
 * @mode: the mode.
 *
 * Return: "read/write", "recvfrom/sendto", "recvmsg/sendmsg"; "?" for a value out of range.
 */
WEIR_API const char *weir_io_mode_name(enum weir_io_mode mode);

/**
 * struct weir_io_ops - callbacks.  Any may be NULL; those of another mode must be.
 * @connected: weir_io_connect() ended, @res 0 or -errno.  After an error the weir_io is closed
 *	on return, unless the callback closed or freed it itself.  Data may arrive before it.
 * @tx_full: the transmit queue has reached its maximum: sends are refused with -ENOSPC.  Called
 *	from inside the send that filled it, once until @tx_low.
 * @tx_low: after @tx_full or a refused send: the queue has shrunk to its low mark.
 * @closed: weir_io_finish() is done; the weir_io may be opened again or freed.
 * @read: @res > 0: a message of @res bytes in @buf; what @segment pulled off its front is counted
 *	in @res, not in @buf.  @res == 0: end of stream; @buf is NULL, or holds the bytes of a
 *	message that was not complete.  @res < 0: the connection broke, or @segment refused the
 *	bytes (-EPROTO for an impossible length, else what it returned): then @buf has the bytes in
 *	question and nothing more is received before weir_io_register().  -ENOMEM: what arrived
 *	could neither be kept nor copied, and is lost; then likewise, and @buf may be NULL.  A @buf
 *	that is not NULL is the callback's: it must free or send it.
 * @written: the message in @buf left, @res its length, or failed, @res -errno (never a part of
 *	it).  @buf is freed after the call.
 * @segment: where does the first message in @buf end?  Returns its length in bytes, counted from
 *	where @buf began at the call; weir_buf_pull() in it is legal and kept.  A value
 *	larger than the data means "not before there are that many"; -EAGAIN means "not before
 *	there are more".  Then it is asked again.  0 and other negative values are errors: see
 *	@read.  It must not free @buf.  NULL: every slice is a message.
 * @received_from: a datagram of @res bytes in @buf (0 is legal), sent by @peer; or @res = -errno
 *	with @buf and @peer NULL, e.g. for an ICMP error.  @buf is the callback's.
 * @sent_to: as @written; @peer is where it was sent to, NULL for the connected peer.
 * @received_msg: as @received_from, or as @read without @segment; of @msg are valid, during the
 *	call, msg_name, msg_namelen and msg_flags (MSG_TRUNC, or 0); msg_control is NULL.  Over
 *	SCTP msg_flags has MSG_EOR at the end of a message and MSG_NOTIFICATION, and msg_control
 *	of a message SCTP_RCVINFO and SCTP_SNDRCV; it ends as a stream does.
 * @sent_msg: as @written.
 */
struct weir_io_ops {
	void (*connected)(struct weir_io *io, int res);
	void (*tx_full)(struct weir_io *io);
	void (*tx_low)(struct weir_io *io);
	void (*closed)(struct weir_io *io);

	void (*read)(struct weir_io *io, int res, struct weir_buf *buf);
	void (*written)(struct weir_io *io, int res, struct weir_buf *buf);
	int (*segment)(struct weir_io *io, struct weir_buf *buf);

	void (*received_from)(struct weir_io *io, int res, struct weir_buf *buf,
			      const struct sockaddr *peer);
	void (*sent_to)(struct weir_io *io, int res, struct weir_buf *buf,
			const struct sockaddr *peer);

	void (*received_msg)(struct weir_io *io, int res, struct weir_buf *buf,
			     const struct msghdr *msg);
	void (*sent_msg)(struct weir_io *io, int res, struct weir_buf *buf);
};

#define WEIR_IO_COPY (1u << 0) /* every received message in memory of its own */

/**
 * struct weir_io_opts - how a weir_io works.
 * @size: sizeof(struct weir_io_opts), for growth of the structure.
 * @flags: WEIR_IO_*.
 * @tx_queue_max: messages in the transmit queue, in flight included, before -ENOSPC; 0 for 1,024.
 * @tx_queue_low: @tx_low comes at this length; 0 for half of the maximum.
 * @tx_flight_max: messages given to the socket at a time; 0 for 64; 1 is what osmo_io does.
 * @message_max: longest message @segment may ask for; 0 for 1 MiB.
 * @alloc_bytes: least room of a received message; over 0 it implies WEIR_IO_COPY.
 * @headroom_bytes: headroom of a received message; over 0 it implies WEIR_IO_COPY.
 * @priv_nr: weir_io_priv_nr().
 * @reserved: 0.
 */
struct weir_io_opts {
	size_t size;
	uint32_t flags;
	uint32_t tx_queue_max;
	uint32_t tx_queue_low;
	uint32_t tx_flight_max;
	uint32_t message_max;
	uint32_t alloc_bytes;
	uint32_t headroom_bytes;
	uint32_t priv_nr;
	uint64_t reserved;
};

/**
 * weir_io_new() - make a weir_io; it has no socket yet.
 * @retio: receives it; untouched on failure.
 * @pool: memory for its buffers, and through it the engine.
 * @mode: which callbacks are in use.
 * @name: for people; copied, cut after 63 bytes; NULL for none.
 * @ops: callbacks; copied; NULL for none yet.
 * @user: user pointer.
 * @opts: options; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * Messages may be sent before there is a socket; they wait in the transmit queue.
 *
 * Return: 0; -EINVAL: unknown mode, callbacks of another mode, bad options; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_io_new(struct weir_io **retio, struct weir_buf_pool *pool,
					 enum weir_io_mode mode, const char *name,
					 const struct weir_io_ops *ops, void *user,
					 const struct weir_io_opts *opts,
					 struct weir_error *reterr);

/**
 * weir_io_free() - close and free; not after weir_engine_close().
 * @io: the weir_io, or NULL.
 *
 * No callback follows.  Queued messages are freed.  Messages the user got stay the user's.
 */
WEIR_API void weir_io_free(struct weir_io *io);

/**
 * weir_io_open() - give a weir_io a descriptor and register it.
 * @io: the weir_io, closed.
 * @fd: a connected TCP or UNIX stream socket, a UDP socket, or an SCTP socket of either style for
 *	mode WEIR_IO_RECVMSG_SENDMSG.  Owned and closed by the weir_io from a successful return on.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EISCONN where it has a socket; -EPROTOTYPE where the kind of socket does not suit
 * the mode; -ENOTSOCK (files and pipes), -EOPNOTSUPP (UNIX datagrams); others of weir_adopt().
 */
WEIR_API WEIR_MUST_CHECK int weir_io_open(struct weir_io *io, int fd, struct weir_error *reterr);

/**
 * weir_io_attach() - give a weir_io a socket of weir and register it.
 * @io: the weir_io, closed.
 * @s: a stream or datagram socket of the same engine: one that a listener's accepted() callback
 *	just brought, or one that was just opened.  Its callbacks are replaced.  Owned by the
 *	weir_io from a successful return on.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EISCONN; -EPROTOTYPE; -EXDEV for another engine's socket; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_io_attach(struct weir_io *io, struct weir_sock *s,
					    struct weir_error *reterr);

/**
 * weir_io_connect() - connect a stream and register it; does not block.
 * @io: the weir_io, closed, not in recvfrom/sendto mode.
 * @address: as weir_addr_parse().
 * @opts: options of the socket; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * Return: 0 (then @connected follows); -EISCONN; -EPROTOTYPE; others of weir_connect().
 */
WEIR_API WEIR_MUST_CHECK int weir_io_connect(struct weir_io *io, const char *address,
					     const struct weir_sock_opts *opts,
					     struct weir_error *reterr);

/**
 * weir_io_udp_open() - make a UDP socket and register it.
 * @io: the weir_io, closed, not in read/write mode.
 * @local: as weir_udp_open().
 * @opts: options of the socket, the peer to connect to among them; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EISCONN; -EPROTOTYPE; others of weir_udp_open().
 */
WEIR_API WEIR_MUST_CHECK int weir_io_udp_open(struct weir_io *io, const char *local,
					      const struct weir_sock_opts *opts,
					      struct weir_error *reterr);

/**
 * weir_io_close() - close the socket now; the weir_io may be opened again.
 * @io: the weir_io.
 *
 * Queued messages and received bytes that were not delivered are freed; no callback follows for
 * them.  Nothing happens where it is closed.
 */
WEIR_API void weir_io_close(struct weir_io *io);

/**
 * weir_io_finish() - send what is queued, then close; @closed follows.
 * @io: the weir_io.
 *
 * Receiving ends at once.  @written and the like still come.  As with weir_sock_finish(), a peer
 * that does not read keeps the socket until weir_io_close(), and one that does not end its own side
 * keeps it for some seconds.
 *
 * Return: 0; -ENOTCONN where it is closed.
 */
WEIR_API int weir_io_finish(struct weir_io *io);

/**
 * weir_io_unregister() - stop all I/O and all callbacks; the socket stays.
 * @io: the weir_io.
 *
 * What arrives meanwhile is kept, as far as the kernel had it on its way already; the rest stays
 * in the kernel and holds the peer up.  Queued messages stay queued; results of those in flight
 * are told after weir_io_register().
 *
 * Return: 0; -ENOTCONN where it is closed.
 */
WEIR_API int weir_io_unregister(struct weir_io *io);

/**
 * weir_io_register() - go on after weir_io_unregister(), or after @segment refused the stream.
 * @io: the weir_io.
 *
 * No byte was lost in between (except those @read got with the error).
 *
 * Return: 0, also where it is registered; -ENOTCONN where it is closed.
 */
WEIR_API int weir_io_register(struct weir_io *io);

/**
 * weir_io_pause() - stop receiving only.
 * @io: the weir_io.
 *
 * Takes effect at once, in the middle of a batch of messages too; none is lost.
 */
WEIR_API void weir_io_pause(struct weir_io *io);

/**
 * weir_io_resume() - go on receiving.
 * @io: the weir_io.
 */
WEIR_API void weir_io_resume(struct weir_io *io);

/**
 * weir_io_write() - queue a message on a stream.
 * @io: the weir_io, in read/write mode.
 * @buf: the message.  On success it is the library's; on failure it stays the caller's.
 *
 * Messages leave in the order of the calls.
 *
 * Return: 0; -ENOSPC: the queue is full (@tx_low follows); -EINVAL: an empty message;
 * -EPROTOTYPE: another mode; -EXDEV: a buffer of another engine; -EBUSY: the buffer is in a queue
 * already; -EPIPE after weir_io_finish(), or where the connection is broken.
 */
WEIR_API WEIR_MUST_CHECK int weir_io_write(struct weir_io *io, struct weir_buf *buf);

/**
 * weir_io_sendto() - queue a datagram.
 * @io: the weir_io, in recvfrom/sendto mode.
 * @buf: the datagram, at most 65,507 bytes; an empty one is legal.  On success it is the
 *	library's.
 * @flags: MSG_MORE, MSG_NOSIGNAL, MSG_DONTWAIT or 0.
 * @peer: where to (IPv4 or IPv6); NULL for the connected peer; copied.
 *
 * Return: as weir_io_write(); -EMSGSIZE; -EAFNOSUPPORT; -EDESTADDRREQ; -EINVAL for other flags.
 */
WEIR_API WEIR_MUST_CHECK int weir_io_sendto(struct weir_io *io, struct weir_buf *buf, int flags,
					    const struct sockaddr *peer);

/**
 * weir_io_sendmsg() - queue a message with a header as sendmsg(2) takes it.
 * @io: the weir_io, in recvmsg/sendmsg mode.
 * @buf: the message.  On success it is the library's.
 * @flags: as weir_io_sendto().
 * @msg: msg_name and msg_namelen are used, and over SCTP msg_control: SCTP_SNDINFO or SCTP_SNDRCV
 *	without context and lifetime; msg_iovlen must be 0; may be NULL.
 *
 * Return: as weir_io_sendto(); -EINVAL for pieces in @msg, or control data that makes no sense;
 * -EOPNOTSUPP for other control data; -EISCONN for an address on a stream.
 */
WEIR_API WEIR_MUST_CHECK int weir_io_sendmsg(struct weir_io *io, struct weir_buf *buf, int flags,
					     const struct msghdr *msg);

/**
 * weir_io_tx_queue_len() - messages in the transmit queue, in flight included.
 * @io: the weir_io.
 *
 * Return: the number.
 */
WEIR_API uint32_t weir_io_tx_queue_len(const struct weir_io *io);

/**
 * weir_io_tx_queue_clear() - free the queued messages that the socket does not have yet.
 * @io: the weir_io.
 *
 * Those in flight cannot be taken back: a stream may have sent a part of one.  @tx_low comes
 * where it is due.
 */
WEIR_API void weir_io_tx_queue_clear(struct weir_io *io);

/**
 * weir_io_set_tx_queue() - change the bounds of the transmit queue.
 * @io: the weir_io.
 * @max: as weir_io_opts.tx_queue_max; 0 for the default.
 * @low: as weir_io_opts.tx_queue_low; 0 for half of @max.
 *
 * Return: 0; -EINVAL where @low is not below @max.
 */
WEIR_API int weir_io_set_tx_queue(struct weir_io *io, uint32_t max, uint32_t low);

/**
 * weir_io_set_alloc() - change the room of received messages, from the next one on.
 * @io: the weir_io.
 * @alloc_bytes: as weir_io_opts.alloc_bytes.
 * @headroom_bytes: as weir_io_opts.headroom_bytes.
 *
 * Return: 0; -EINVAL for more than 1 MiB of either.
 */
WEIR_API int weir_io_set_alloc(struct weir_io *io, uint32_t alloc_bytes, uint32_t headroom_bytes);

/**
 * weir_io_set_ops() - change the callbacks.
 * @io: the weir_io.
 * @ops: callbacks; copied.  Without a receive callback nothing is received until there is one.
 *
 * Takes effect at once, between two messages of one slice too.
 *
 * Return: 0; -EINVAL for callbacks of another mode, nothing changed.
 */
WEIR_API int weir_io_set_ops(struct weir_io *io, const struct weir_io_ops *ops);

/**
 * weir_io_get_ops() - the present callbacks.
 * @io: the weir_io.
 * @ret: receives them.
 */
WEIR_API void weir_io_get_ops(const struct weir_io *io, struct weir_io_ops *ret);

/**
 * weir_io_set_segmentation() - change the segmentation callback only.
 * @io: the weir_io, in read/write mode.
 * @segment: the callback or NULL; bytes that were kept as an incomplete message are looked at
 *	again by the new one.
 *
 * Return: 0; -EPROTOTYPE in another mode.
 */
WEIR_API int weir_io_set_segmentation(struct weir_io *io,
				      int (*segment)(struct weir_io *io, struct weir_buf *buf));

/**
 * weir_io_user() - the user pointer.
 * @io: the weir_io.
 *
 * Return: the pointer given to weir_io_new() or weir_io_set_user().
 */
WEIR_API void *weir_io_user(const struct weir_io *io);

/**
 * weir_io_set_user() - change the user pointer.
 * @io: the weir_io.
 * @user: the pointer.
 */
WEIR_API void weir_io_set_user(struct weir_io *io, void *user);

/**
 * weir_io_priv_nr() - the user's number beside the user pointer.
 * @io: the weir_io.
 *
 * Return: the number.
 */
WEIR_API uint32_t weir_io_priv_nr(const struct weir_io *io);

/**
 * weir_io_set_priv_nr() - change the user's number.
 * @io: the weir_io.
 * @priv_nr: the number.
 */
WEIR_API void weir_io_set_priv_nr(struct weir_io *io, uint32_t priv_nr);

/**
 * weir_io_name() - the name, for people.
 * @io: the weir_io.
 *
 * Return: the name, "" for none; owned by the weir_io.
 */
WEIR_API const char *weir_io_name(const struct weir_io *io);

/**
 * weir_io_set_name() - change the name.
 * @io: the weir_io.
 * @format: as printf(3); the result is cut after 63 bytes; NULL for no name.
 */
WEIR_API __attribute__((format(printf, 2, 3))) void weir_io_set_name(struct weir_io *io,
								     const char *format, ...);

/**
 * weir_io_fd() - the descriptor, for getsockopt(2) and setsockopt(2); see weir_sock_fd().
 * @io: the weir_io.
 *
 * Return: the descriptor, -1 where it is closed.
 */
WEIR_API int weir_io_fd(const struct weir_io *io);

/**
 * weir_io_sock() - the socket underneath, for its addresses, plane and counters.
 * @io: the weir_io, which owns the socket; closing it or changing its callbacks breaks both.
 *
 * Return: the socket, NULL where it is closed.
 */
WEIR_API struct weir_sock *weir_io_sock(const struct weir_io *io);

/**
 * weir_io_mode() - the mode.
 * @io: the weir_io.
 *
 * Return: the mode given to weir_io_new().
 */
WEIR_API enum weir_io_mode weir_io_mode(const struct weir_io *io);

/**
 * weir_io_pool() - the pool, e.g. for weir_buf_new().
 * @io: the weir_io.
 *
 * Return: the pool given to weir_io_new().
 */
WEIR_API struct weir_buf_pool *weir_io_pool(const struct weir_io *io);

/**
 * struct weir_io_stats - counters of a weir_io since it was made.
 * @rx_messages: messages delivered.
 * @rx_bytes: their bytes.
 * @rx_copied_bytes: bytes copied to deliver them, for whatever reason.
 * @rx_errors: times the stream broke or was refused by the segmentation callback.
 * @tx_messages: messages that left.
 * @tx_bytes: their bytes.
 * @tx_errors: messages that failed.
 * @tx_refused: sends refused with -ENOSPC.
 * @tx_queue_max_seen: longest transmit queue.
 */
struct weir_io_stats {
	uint64_t rx_messages;
	uint64_t rx_bytes;
	uint64_t rx_copied_bytes;
	uint64_t rx_errors;
	uint64_t tx_messages;
	uint64_t tx_bytes;
	uint64_t tx_errors;
	uint64_t tx_refused;
	uint64_t tx_queue_max_seen;
};

/**
 * weir_io_get_stats() - read the counters.
 * @io: the weir_io.
 * @ret: receives them.
 */
WEIR_API void weir_io_get_stats(const struct weir_io *io, struct weir_io_stats *ret);

/**
 * weir_io_describe() - one line on a weir_io, for logs.
 * @io: the weir_io.
 * @buf: receives the text, NUL-terminated.
 * @bytes: size of @buf; 256 hold any.
 *
 * E.g. "abis: read/write, uring, fd 7, rx 12 messages 3400 bytes, tx 3 queued".
 *
 * Return: @buf.
 */
WEIR_API const char *weir_io_describe(const struct weir_io *io, char *buf, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
