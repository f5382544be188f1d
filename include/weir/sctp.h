/* SPDX-License-Identifier: MIT */
/*
 * sctp.h - messages over SCTP: what sock.h has for datagrams, with stream number, PPID and ends.
 *
 * An SCTP socket is made by weir_listen() or weir_connect() with weir_sock_opts.protocol, or
 * elsewhere and given to weir_adopt(), which also takes one-to-many sockets (SOCK_SEQPACKET).
 * Every send call is one message.  Every slice is one message, or with WEIR_SLICE_MORE a part of
 * one, the rest of which comes in the slices that follow on its stream.  A one-to-one socket ends
 * as a stream does (WEIR_EVENT_ENDED), but SCTP knows no half-closed association: after the end
 * nothing can be sent.  What the socket options of sctp(7) say holds; set them on weir_sock_fd()
 * or before weir_adopt().  Of control data only SCTP_RCVINFO is kept: leave SO_TIMESTAMP and the
 * like off.
 */
#ifndef WEIR_SCTP_H
#define WEIR_SCTP_H

#include <weir/base.h>
#include <weir/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of weir_sctp_info. */
#define WEIR_SCTP_UNORDERED (1u << 0)	     /* delivered without regard to its stream's order */
#define WEIR_SCTP_ADDR_OVER (1u << 1)	     /* send: to this very address of the peer */
#define WEIR_SCTP_ABORT (1u << 2)	     /* send, one-to-many: abort the association */
#define WEIR_SCTP_SACK_IMMEDIATELY (1u << 3) /* send: ask the peer to acknowledge at once */
#define WEIR_SCTP_EOF (1u << 9)		     /* send, one-to-many: shut the association down */

/**
 * struct weir_sctp_info - what belongs to a message beside its bytes.
 * @stream: stream number.
 * @flags: WEIR_SCTP_*; of a received message WEIR_SCTP_UNORDERED or 0.
 * @ppid: payload protocol identifier in host byte order: 3 for M3UA, 18 for S1AP, 46 for Diameter.
 * @assoc_id: association; ignored when sending on a one-to-one socket; 0 for none.
 * @ssn: received: number of the message in its stream.
 * @reserved: 0.
 * @tsn: received: transmission sequence number of its first chunk.
 * @cumtsn: received: for unordered messages the cumulative number at that time.
 */
struct weir_sctp_info {
	uint16_t stream;
	uint16_t flags;
	uint32_t ppid;
	int32_t assoc_id;
	uint16_t ssn;
	uint16_t reserved;
	uint32_t tsn;
	uint32_t cumtsn;
};

/**
 * weir_slice_sctp() - stream, PPID and numbers of a received message.
 * @slice: a slice of a present event, or a held one.
 * @ret: receives them; untouched on failure.
 *
 * Return: 0; -ENODATA for a notification or a slice of another protocol (no WEIR_SLICE_SCTP);
 * -EINVAL where it is no slice.  Threads: the engine's.
 */
WEIR_API WEIR_MUST_CHECK int weir_slice_sctp(const struct weir_slice *slice,
					     struct weir_sctp_info *ret);

/**
 * weir_sock_send_sctp() - queue one message.
 * @s: an SCTP socket.
 * @data: first byte; must stay unchanged until the send's event, unless WEIR_SEND_COPY.
 * @len: bytes; 0 only with WEIR_SCTP_EOF or WEIR_SCTP_ABORT, and then it must be.
 * @info: stream, PPID, flags, association; copied; NULL for the defaults of the socket
 *	(SCTP_DEFAULT_SNDINFO), which weir_sock_send() takes too.
 * @peer: address of the peer; on a one-to-many socket it may open an association; copied; NULL
 *	for the connected one, or that of info->assoc_id.
 * @flags: WEIR_SEND_*.
 * @tag: as weir_sock_send(); res of the event is @len, or -errno for the whole message.
 *
 * Messages leave in the order of the calls.  One the kernel refuses (-EMSGSIZE: longer than
 * SO_SNDBUF; -EINVAL: no such stream) is reported, and those behind it go on.
 *
 * Return: 0; -ENOBUFS, -EPIPE, -EMSGSIZE, -ENOMEM as weir_sock_send(); -EINVAL also for flags or
 * lengths that do not go together; -EOPNOTSUPP where the socket is not SCTP; -EDESTADDRREQ on a
 * one-to-many socket with neither peer nor association.
 */
WEIR_API WEIR_MUST_CHECK int weir_sock_send_sctp(struct weir_sock *s, const void *data, size_t len,
						 const struct weir_sctp_info *info,
						 const struct sockaddr *peer, unsigned flags,
						 uint64_t tag);

#ifdef __cplusplus
}
#endif

#endif
