/* SPDX-License-Identifier: MIT */
/*
 * sock.h - sockets: listen, connect, datagrams, foreign descriptors; receiving and sending.
 *
 * Life of a socket: opened by weir_listen(), weir_connect(), weir_udp_open(), weir_adopt() or an
 * accept -> events -> weir_sock_finish() (send what is queued, then close) or weir_sock_close()
 * (now) -> WEIR_EVENT_CLOSED, after which the handle is gone.  All calls are legal inside
 * callbacks and while a batch is looked at.  Threads: the engine's.
 */
#ifndef WEIR_SOCK_H
#define WEIR_SOCK_H

#include <sys/uio.h>
#include <weir/base.h>
#include <weir/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_nic; /* nic.h */

/**
 * struct weir_sock_ops - callbacks, called by weir_engine_dispatch() and weir_engine_run().
 * @accepted: a listener accepted @s, which has the listener's ops and user pointer until
 *	weir_sock_set_ops(); it receives already.  NULL: nothing to do.
 * @connected: a connect ended, @res 0 or -errno.  NULL: a failed socket is closed.
 * @received: @n slices arrived; they go back on return unless held.
 * @ended: the stream ended: @res 0 (peer's end of stream) or -errno.  NULL: weir_sock_finish().
 * @sent: the send with @tag ended, @res bytes or -errno; its memory is the caller's.
 * @writable: the transmit queue has room again after -ENOBUFS.
 * @failed: a datagram socket or a listener reported @res = -errno.
 * @closed: last call for @s: release what belongs to it.
 * @pressure: @s keeps more of an area than it may (@res 1), or not any more (0).
 *
 * Any may be NULL.  The structure must outlive its sockets.
 */
struct weir_sock_ops {
	void (*accepted)(struct weir_sock *listener, struct weir_sock *s, void *user);
	void (*connected)(struct weir_sock *s, int res, void *user);
	void (*received)(struct weir_sock *s, struct weir_slice *slices, unsigned n, void *user);
	void (*ended)(struct weir_sock *s, int res, void *user);
	void (*sent)(struct weir_sock *s, uint64_t tag, int res, void *user);
	void (*writable)(struct weir_sock *s, void *user);
	void (*failed)(struct weir_sock *s, int res, void *user);
	void (*closed)(struct weir_sock *s, void *user);
	void (*pressure)(struct weir_sock *s, int res, void *user);
};

/* Flags of weir_sock_opts. */
#define WEIR_SOCK_PAUSED \
	(1u << 0)		      /* receive nothing before weir_sock_resume(); on a listener:
					the sockets it accepts */
#define WEIR_SOCK_NODELAY (1u << 1)   /* TCP_NODELAY or SCTP_NODELAY, also on accepted sockets */
#define WEIR_SOCK_REUSEPORT (1u << 2) /* SO_REUSEPORT */
#define WEIR_SOCK_V6ONLY (1u << 3)    /* IPV6_V6ONLY; otherwise [::] takes IPv4 too */
#define WEIR_SOCK_NO_GRO (1u << 4)    /* UDP: every datagram a slice of its own */
#define WEIR_SOCK_NO_GSO (1u << 5)    /* UDP: every datagram a packet of its own */
#define WEIR_SOCK_NO_LOWAT (1u << 6)  /* TCP: never raise the receive low-water mark */
#define WEIR_SOCK_NO_STEER (1u << 7)  /* no rule for it on the engine's own NIC */
#define WEIR_SOCK_ZEROCOPY (1u << 8)  /* its sends have WEIR_SEND_ZEROCOPY, or */
#define WEIR_SOCK_PLAIN (1u << 9)     /* WEIR_SEND_PLAIN, where they have neither */

/**
 * struct weir_sock_opts - how a socket is made.
 * @size: sizeof(struct weir_sock_opts), for growth of the structure.
 * @flags: WEIR_SOCK_*.
 * @plane: plane asked for; one the engine does not have is refused with -ENOTSUP.
 * @name: for people (weir_sock_name()); copied, cut after 23 bytes; NULL for none.
 * @local: weir_connect(): address to bind to first; NULL for any.
 * @peer: weir_udp_open(): address to connect to; NULL for none.
 * @backlog: weir_listen(): 0 for the system's maximum.
 * @rcvbuf_bytes: SO_RCVBUF; 0 leaves it: TCP then tunes it by itself, and the plane zcrx sets it to
 *	a share of its area, unless it was set before (on an adopted socket, on the listener).
 * @sndbuf_bytes: SO_SNDBUF; 0 leaves it.
 * @tx_queue_max: writes that may wait or be in flight before -ENOBUFS; each piece of a
 *	weir_sock_sendv() and each train of up to 64 datagrams is one; 0 for 1,024.
 * @reserved: 0.
 * @protocol: weir_listen(), weir_connect(): 0 for TCP (or UNIX, by the address), IPPROTO_SCTP for
 *	one-to-one SCTP (sctp.h).
 * @reserved2: 0.
 * @nic: TCP and UDP: a NIC (nic.h) that steers the socket's packets to its queues for as long as
 *	the socket lives: all that a listener or a UDP socket is sent, or the one connection of
 *	weir_connect().  Accepted connections keep their listener's rule.  The socket has a
 *	reference: weir_nic_close() may come first.  Opening and closing block for the driver's
 *	time then.  NULL: TCP listeners and connections of an engine on the plane zcrx are steered
 *	to the engine's own queues where their packets come by its NIC (weir_sock_why() tells).
 */
struct weir_sock_opts {
	size_t size;
	uint32_t flags;
	enum weir_plane plane;
	const char *name;
	const char *local;
	const char *peer;
	int backlog;
	uint32_t rcvbuf_bytes;
	uint32_t sndbuf_bytes;
	uint32_t tx_queue_max;
	uint64_t reserved;
	uint32_t protocol;
	uint32_t reserved2;
	struct weir_nic *nic;
};

/**
 * weir_listen() - accept stream connections.
 * @e: the engine.
 * @address: as weir_addr_parse(); port 0 takes a free one (weir_sock_local()).
 * @ops: callbacks of the listener and of accepted sockets; NULL with the batch interface.
 * @user: user pointer of both.
 * @opts: options of both; NULL for the defaults.
 * @retsock: receives the listener; may be NULL: the engine closes it at the end.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL (address, options); -EADDRINUSE; -EACCES; -EPROTONOSUPPORT where the kernel
 * has no SCTP; others of socket(2), bind(2), listen(2).  A UNIX path that is a socket nobody
 * listens on is replaced; the path is removed when the listener is closed, unless it has become
 * somebody else's.
 */
WEIR_API WEIR_MUST_CHECK int weir_listen(struct weir_engine *e, const char *address,
					 const struct weir_sock_ops *ops, void *user,
					 const struct weir_sock_opts *opts,
					 struct weir_sock **retsock, struct weir_error *reterr);

/**
 * weir_connect() - open a stream connection; does not block.
 * @e: the engine.
 * @address: as weir_addr_parse().
 * @ops: callbacks; NULL with the batch interface.
 * @user: user pointer.
 * @opts: options; NULL for the defaults.
 * @retsock: receives the socket; may be NULL.
 * @reterr: error record or NULL.
 *
 * WEIR_EVENT_CONNECTED says how it ended.  Sends made before are queued.
 *
 * Return: 0; -EINVAL; -EPROTONOSUPPORT where the kernel has no SCTP; others of socket(2) and
 * bind(2).
 */
WEIR_API WEIR_MUST_CHECK int weir_connect(struct weir_engine *e, const char *address,
					  const struct weir_sock_ops *ops, void *user,
					  const struct weir_sock_opts *opts,
					  struct weir_sock **retsock, struct weir_error *reterr);

/**
 * weir_udp_open() - open a UDP socket.
 * @e: the engine.
 * @local: address to bind to; NULL for any (the family of opts->peer).
 * @ops: callbacks; NULL with the batch interface.
 * @user: user pointer.
 * @opts: options; NULL for the defaults.
 * @retsock: receives the socket; may be NULL.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL; others of socket(2), bind(2), connect(2).
 */
WEIR_API WEIR_MUST_CHECK int weir_udp_open(struct weir_engine *e, const char *local,
					   const struct weir_sock_ops *ops, void *user,
					   const struct weir_sock_opts *opts,
					   struct weir_sock **retsock, struct weir_error *reterr);

/**
 * weir_adopt() - use a descriptor that was made elsewhere.
 * @e: the engine.
 * @fd: a TCP, UNIX or one-to-one SCTP socket, connected or listening, or a UDP or one-to-many
 *	SCTP socket.  The engine owns it from a successful return on and closes it; its O_NONBLOCK
 *	flag may change, and on SCTP so do SCTP_RECVRCVINFO (on) and SCTP_RECVNXTINFO (off).
 * @ops: callbacks; NULL with the batch interface.
 * @user: user pointer.
 * @opts: options; addresses, buffer sizes and protocol in it are ignored; NULL for the defaults.
 * @retsock: receives the socket; may be NULL.
 * @reterr: error record or NULL.
 *
 * Return: 0; -ENOTSOCK; -EOPNOTSUPP for other kinds of sockets; -EINVAL.
 */
WEIR_API WEIR_MUST_CHECK int weir_adopt(struct weir_engine *e, int fd,
					const struct weir_sock_ops *ops, void *user,
					const struct weir_sock_opts *opts,
					struct weir_sock **retsock, struct weir_error *reterr);

/* Flags of the send calls. */
#define WEIR_SEND_COPY (1u << 0)     /* the library copies the data: it is the caller's on return */
#define WEIR_SEND_MORE (1u << 1)     /* more follows: the kernel may hold a partial segment back */
#define WEIR_SEND_FLUSH (1u << 2)    /* weir_ctx_send(): the last send of its generation */
#define WEIR_SEND_ZEROCOPY (1u << 3) /* without a copy wherever the kernel can */
#define WEIR_SEND_PLAIN (1u << 4)    /* the kernel copies the data */

/**
 * weir_sock_send() - queue data for a stream or a connected datagram socket.
 * @s: the socket.
 * @data: first byte; must stay unchanged until the send's event, unless WEIR_SEND_COPY.
 * @len: bytes; over 0 for streams; for datagrams the datagram's size.
 * @flags: WEIR_SEND_*.
 * @tag: comes back in WEIR_EVENT_SENT; 0 for no event.
 *
 * The data is given to the kernel when the present batch or callback is done, together with what
 * else is queued; a small write to a stream that was the only one of its batch many times before
 * is given to it at once.  Streams keep the order; a partial write is continued.  On SCTP each
 * call is one message (weir_sock_send_sctp() says on which stream).
 *
 * Whether the kernel copies the data is said by @flags, else by the socket's options, else by the
 * engine's (weir_engine_opts.zerocopy).  A write without a copy ends (WEIR_EVENT_SENT) when the
 * peer has acknowledged all of it, on UDP when it has left the machine; the events of a socket come
 * in the order of its sends; those of datagrams in the order in which they went, where the kernel
 * had no room for one of them at first.  tx_queue_max counts it only until the kernel has taken it.
 * A UDP socket that only sends is best opened with WEIR_SOCK_PAUSED: an armed receive is woken for
 * each datagram that is freed.
 *
 * Return: 0; -ENOBUFS where the transmit queue is full (WEIR_EVENT_WRITABLE follows); -EPIPE
 * after a failure, weir_sock_shutdown() or close; -EINVAL; -EMSGSIZE; -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_sock_send(struct weir_sock *s, const void *data, size_t len,
					    unsigned flags, uint64_t tag);

/**
 * weir_sock_sendv() - as weir_sock_send(), from several pieces.
 * @s: the socket.
 * @iov: pieces; the array itself may be reused on return.  One datagram on datagram sockets, one
 *	message on SCTP.
 * @iov_count: 1 to 16.
 * @flags: WEIR_SEND_*.
 * @tag: as weir_sock_send(); one event for all pieces.
 *
 * Return: as weir_sock_send().
 */
WEIR_API WEIR_MUST_CHECK int weir_sock_sendv(struct weir_sock *s, const struct iovec *iov,
					     unsigned iov_count, unsigned flags, uint64_t tag);

/**
 * weir_sock_sendto() - queue datagrams for a peer.
 * @s: a datagram socket.
 * @data: first byte of the first datagram.
 * @len: bytes in all.
 * @segment_bytes: 0: one datagram of @len bytes; else a train of datagrams of this size, the last
 *	one possibly shorter.  SCTP: 0.
 * @peer: where to; NULL for the connected peer; copied.
 * @flags: WEIR_SEND_*.
 * @tag: as weir_sock_send(); res of the event is the bytes sent.
 *
 * Datagrams of equal size to one peer that are queued together leave as one train (UDP GSO) where
 * the kernel can.
 *
 * Return: as weir_sock_send(); -EDESTADDRREQ without a peer.
 */
WEIR_API WEIR_MUST_CHECK int weir_sock_sendto(struct weir_sock *s, const void *data, size_t len,
					      uint32_t segment_bytes, const struct sockaddr *peer,
					      unsigned flags, uint64_t tag);

/**
 * weir_sock_send_slice() - send what was received, without a copy by the library.
 * @s: the socket.
 * @slice: a slice of a present event, or a held one; the socket takes a reference of its own.
 *	On SCTP it is a message; one that came over SCTP keeps stream number, PPID and order.
 *	A part of a message (WEIR_SLICE_MORE, and what follows it) is to be put together first,
 *	and a train of datagrams to be sent datagram by datagram (weir_sock_send_sctp()).
 * @flags: WEIR_SEND_MORE, WEIR_SEND_ZEROCOPY, WEIR_SEND_PLAIN.
 * @tag: as weir_sock_send().
 *
 * While half of its area is held, by sends or otherwise, a slice is sent with a copy, whatever was
 * asked for: what a peer does not take must not stop all receiving.
 *
 * Return: as weir_sock_send(); on SCTP -EINVAL for a notification, a part of a message, a train.
 */
WEIR_API WEIR_MUST_CHECK int weir_sock_send_slice(struct weir_sock *s,
						  const struct weir_slice *slice, unsigned flags,
						  uint64_t tag);

/**
 * weir_sock_shutdown() - end the stream towards the peer once all queued data is sent.
 * @s: a stream or one-to-one SCTP socket; receiving goes on.
 *
 * Return: 0; -EINVAL for datagram sockets and listeners; -EPIPE after a failure.
 */
WEIR_API int weir_sock_shutdown(struct weir_sock *s);

/**
 * weir_sock_finish() - stop receiving, send what is queued, then close.
 * @s: the socket, or NULL.
 *
 * A stream then sends end of stream and waits up to two seconds for the peer's, discarding what
 * comes: closing with unread data would reset the connection and could cost the peer the last
 * bytes.  A peer that does not read keeps the socket until weir_sock_close().
 */
WEIR_API void weir_sock_finish(struct weir_sock *s);

/**
 * weir_sock_close() - close now; queued sends that did not end have -ECANCELED events.
 * @s: the socket, or NULL; a second call is legal until WEIR_EVENT_CLOSED.
 *
 * What the kernel still sends from the application's memory (sends without a copy) is waited for,
 * up to ten seconds; then the connection is reset, and the memory with it.
 *
 * No events but SENT and CLOSED follow, save an ACCEPTED of a listener that is in the present
 * batch already: its connection is yours.  Slices of this socket, held or in the present batch,
 * stay valid.
 */
WEIR_API void weir_sock_close(struct weir_sock *s);

/**
 * weir_sock_pause() - stop receiving (or accepting); the peer is held up by flow control.
 * @s: the socket.
 *
 * Events that are under way already may still come.
 */
WEIR_API void weir_sock_pause(struct weir_sock *s);

/**
 * weir_sock_resume() - go on receiving (or accepting).
 * @s: the socket.
 */
WEIR_API void weir_sock_resume(struct weir_sock *s);

/**
 * weir_sock_set_ops() - give a socket other callbacks and another user pointer.
 * @s: the socket.
 * @ops: callbacks or NULL.
 * @user: user pointer.
 */
WEIR_API void weir_sock_set_ops(struct weir_sock *s, const struct weir_sock_ops *ops, void *user);

/**
 * weir_sock_user() - the socket's user pointer.
 * @s: the socket.
 *
 * Return: the pointer given when it was opened or by weir_sock_set_ops().
 */
WEIR_API void *weir_sock_user(const struct weir_sock *s);

/**
 * weir_sock_fd() - the socket's file descriptor, for getsockopt(2) and setsockopt(2).
 * @s: the socket, which owns the descriptor.
 *
 * Return: the descriptor; -1 after close.  Reading, writing, closing it or setting O_NONBLOCK
 * breaks the socket.
 */
WEIR_API int weir_sock_fd(const struct weir_sock *s);

/**
 * weir_sock_engine() - the engine a socket belongs to.
 * @s: the socket.
 *
 * Return: the engine.
 */
WEIR_API struct weir_engine *weir_sock_engine(const struct weir_sock *s);

/**
 * weir_sock_name() - the name given in the options.
 * @s: the socket.
 *
 * Return: the name, "" for none; owned by the socket.
 */
WEIR_API const char *weir_sock_name(const struct weir_sock *s);

/**
 * weir_sock_local() - the address the socket is bound to.
 * @s: the socket.
 * @ret: receives the address.
 *
 * Return: 0 or -errno of getsockname(2).
 */
WEIR_API int weir_sock_local(const struct weir_sock *s, struct weir_addr *ret);

/**
 * weir_sock_peer() - the address the socket is connected to.
 * @s: the socket.
 * @ret: receives the address.
 *
 * Return: 0 or -errno of getpeername(2).
 */
WEIR_API int weir_sock_peer(const struct weir_sock *s, struct weir_addr *ret);

/**
 * weir_sock_plane() - the plane the socket's bytes move by.
 * @s: the socket.
 *
 * Return: the plane; never AUTO.
 */
WEIR_API enum weir_plane weir_sock_plane(const struct weir_sock *s);

/**
 * weir_sock_why() - one line on how the socket's payload comes and goes.
 * @s: the socket.
 *
 * On the plane zcrx: which queue it is received from, or why it is received with a copy; else the
 * engine's line (weir_engine_why()).  Then whether its sends are copied, and why.
 *
 * Return: text valid until the next call for a socket of the same engine.
 */
WEIR_API const char *weir_sock_why(const struct weir_sock *s);

/**
 * struct weir_sock_stats - counters of a socket.
 * @rx_bytes: payload received.
 * @rx_copied_bytes: of these, bytes the kernel copied into the area.  On the plane zcrx the kernel
 *	counts them for a queue, not for a socket: where several sockets received in one round it is
 *	the most it can have been.
 * @rx_datagrams: datagrams received, each of a GRO train counted.
 * @rx_completions: receive completions (or read calls).
 * @tx_bytes: payload given to the kernel.
 * @tx_datagrams: datagrams sent, each of a GSO train counted.
 * @tx_requests: send requests (or write calls).
 * @tx_partial: requests that sent less than asked.
 * @tx_queued: writes waiting or in flight now, counted as for tx_queue_max.
 * @tx_queued_bytes: their bytes.
 * @tx_zc_bytes: of @tx_bytes, sent by requests for zero copy whose memory the kernel has released.
 * @tx_zc_copied_bytes: of these, by requests that the kernel says it has copied (the path cannot
 *	do without, or the data went into one packet with another request's).
 * @tx_unreleased: requests without a copy whose memory is in use now.
 */
struct weir_sock_stats {
	uint64_t rx_bytes;
	uint64_t rx_copied_bytes;
	uint64_t rx_datagrams;
	uint64_t rx_completions;
	uint64_t tx_bytes;
	uint64_t tx_datagrams;
	uint64_t tx_requests;
	uint64_t tx_partial;
	uint64_t tx_queued;
	uint64_t tx_queued_bytes;
	uint64_t tx_zc_bytes;
	uint64_t tx_zc_copied_bytes;
	uint64_t tx_unreleased;
};

/**
 * weir_sock_get_stats() - read the counters.
 * @s: the socket.
 * @ret: receives them.
 */
WEIR_API void weir_sock_get_stats(const struct weir_sock *s, struct weir_sock_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
