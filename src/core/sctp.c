// SPDX-License-Identifier: MIT
/*
 * sctp.c - what SCTP sockets have beside datagrams: options, message information, their end.
 *
 * Theory: an SCTP socket has the kind WEIR_DGRAM: messages come and go whole, with a name and
 *	control data, and the planes receive it so.  Where it differs the bit is_sctp says so: its
 *	requests keep the order and are never joined, an empty message is the end of stream
 *	(src/plane/sctp.c).  one_to_one says that it has one association, with which it ends.
 *
 *	The side that shuts an association down is never told by reading that this is done: the
 *	kernel marks a socket as ended only where the peer's SHUTDOWN arrived.  So before our
 *	shutdown the notification of association changes is switched on, and swallowed here where
 *	the application had not asked for it:
 *
 *	  shutdown() -> SHUTDOWN ... SHUTDOWN COMPLETE -> SCTP_ASSOC_CHANGE -> ENDED
 *	  peer's SHUTDOWN -> empty message -> ENDED        peer's ABORT -> errno -> ENDED
 * Invariants: 1. a notification that the application did not subscribe to is never seen by it.
 * Ownership: messages as in txq.c; struct weir_sctp_info of a slice lies in its buffer.
 * Threads: the engine's.
 * Errors: an option that the kernel does not have is left out: stream numbers are then missing, or
 *	the end after a shutdown of ours is seen only by the timeout of weir_sock_finish().
 * Sources: RFC 6458; net/sctp/socket.c sctp_recvmsg(), sctp_sendmsg(), sctp_shutdown(),
 *	net/sctp/sm_sideeffect.c sctp_cmd_new_state() (Linux 7.3).
 * Tests: tests/contract/test_sctp.c
 */
#include <arpa/inet.h>
#include <linux/sctp.h>
#include <string.h>
#include <weir/sctp.h>

#include "core.h"

_Static_assert(WEIR_SCTP_UNORDERED == SCTP_UNORDERED && WEIR_SCTP_ADDR_OVER == SCTP_ADDR_OVER &&
		       WEIR_SCTP_ABORT == SCTP_ABORT && WEIR_SCTP_EOF == SCTP_EOF &&
		       WEIR_SCTP_SACK_IMMEDIATELY == SCTP_SACK_IMMEDIATELY,
	       "flags are the kernel's");
_Static_assert(CMSG_SPACE(sizeof(struct sctp_sndinfo)) <= WEIR_OP_CONTROL_BYTES,
	       "room in a request");
_Static_assert(sizeof(struct weir_sctp_info) <= WEIR_DGRAM_CONTROL_BYTES, "room in a buffer");

#define ENDS (WEIR_SCTP_EOF | WEIR_SCTP_ABORT)
#define SEND_FLAGS (WEIR_SEND_COPY | WEIR_SEND_MORE | WEIR_SEND_ZEROCOPY | WEIR_SEND_PLAIN)
#define LEGAL (WEIR_SCTP_UNORDERED | WEIR_SCTP_ADDR_OVER | WEIR_SCTP_SACK_IMMEDIATELY | ENDS)

static int set(const struct weir_sock *s, int name, const void *value, size_t bytes)
{
	return setsockopt(s->fd, IPPROTO_SCTP, name, value, (socklen_t)bytes) ? -errno : 0;
}

/* Each option alone: a kernel that lacks one has the others, and messages come without news. */
void weir_sctp_begin(struct weir_sock *s, bool one_to_one)
{
	int on = 1, off = 0;

	s->is_sctp = true;
	s->no_gso = true;
	s->zc_never = true;
	s->one_to_one = one_to_one && s->kind != WEIR_LISTENER;
	s->connected_peer = s->one_to_one;
	/* The two together would not fit before the payload. */
	if (s->kind != WEIR_LISTENER) {
		(void)set(s, SCTP_RECVNXTINFO, &off, sizeof(off));
		(void)set(s, SCTP_RECVRCVINFO, &on, sizeof(on));
	}
	if (s->flags & WEIR_SOCK_NODELAY)
		(void)set(s, SCTP_NODELAY, &on, sizeof(on));
}

void weir_sctp_end_wanted(struct weir_sock *s)
{
	struct sctp_event event = { .se_type = SCTP_ASSOC_CHANGE };
	socklen_t len = sizeof(event);

	if (getsockopt(s->fd, IPPROTO_SCTP, SCTP_EVENT, &event, &len) || event.se_on)
		return;
	event.se_on = 1;
	s->hide_change = !set(s, SCTP_EVENT, &event, sizeof(event));
}

/* Is the notification the core's own?  *ret_end: the association ended as it should. */
bool weir_sctp_notified(struct weir_sock *s, const struct weir_rx *rx, bool *ret_end)
{
	struct sctp_assoc_change change = { 0 };
	size_t bytes = rx->len < sizeof(change) ? rx->len : sizeof(change);

	memcpy(&change, weir_pool_data(rx->pool, rx->buffer) + rx->offset, bytes);
	*ret_end = false;
	if (change.sac_type != SCTP_ASSOC_CHANGE)
		return false;
	*ret_end = s->one_to_one && change.sac_state == SCTP_SHUTDOWN_COMP;
	return s->hide_change;
}

int weir_slice_sctp(const struct weir_slice *slice, struct weir_sctp_info *ret)
{
	if (!slice || !slice->pool || !ret)
		return -EINVAL;
	if (!(slice->flags & WEIR_SLICE_SCTP))
		return -ENODATA;
	/* Behind the peer's name, wherever that lies. */
	memcpy(ret, (const char *)slice->peer + WEIR_DGRAM_NAME_BYTES, sizeof(*ret));
	return 0;
}

static void mark(struct weir_tx *t, const struct weir_sctp_info *info)
{
	t->sctp = true;
	t->stream = info->stream;
	t->sctp_flags = info->flags;
	t->ppid = htonl(info->ppid);
}

/* A message that is sent on: as it came, to where it came from; not a part of it or a train. */
int weir_sctp_of_slice(struct weir_tx *t, const struct weir_slice *slice)
{
	struct weir_sctp_info info;

	if ((slice->flags & (WEIR_SLICE_NOTIFICATION | WEIR_SLICE_MORE)) ||
	    weir_slice_datagram_count(slice) > 1)
		return -EINVAL;
	if (weir_slice_sctp(slice, &info))
		return 0;
	mark(t, &info);
	if (!t->peer_len)
		t->peer.assoc_id = 0;
	return 0;
}

void weir_sctp_set_info(struct weir_txop *op, const struct weir_tx *t)
{
	struct cmsghdr *cm = (struct cmsghdr *)op->control;
	struct sctp_sndinfo info = {
		.snd_sid = t->stream,
		.snd_flags = t->sctp_flags,
		.snd_ppid = t->ppid,
		.snd_assoc_id = t->peer_len ? 0 : t->peer.assoc_id,
	};

	memset(op->control, 0, sizeof(op->control));
	op->msg.msg_control = op->control;
	op->msg.msg_controllen = CMSG_SPACE(sizeof(info));
	cm->cmsg_level = IPPROTO_SCTP;
	cm->cmsg_type = SCTP_SNDINFO;
	cm->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cm), &info, sizeof(info));
}

static int check(const struct weir_sock *s, const void *data, size_t len,
		 const struct weir_sctp_info *info)
{
	uint16_t flags = info ? info->flags : 0;

	if (!s->is_sctp)
		return -EOPNOTSUPP;
	if ((flags & ~LEGAL) || (info && info->reserved) || (len && !data))
		return -EINVAL;
	/* An end is no message, and a message is not empty; a socket's only one is shut down. */
	if (!(flags & ENDS) != (len != 0) || (flags & ENDS) == ENDS ||
	    ((flags & ENDS) && s->one_to_one))
		return -EINVAL;
	return len > INT32_MAX ? -EMSGSIZE : 0;
}

int weir_sock_send_sctp(struct weir_sock *s, const void *data, size_t len,
			const struct weir_sctp_info *info, const struct sockaddr *peer,
			unsigned flags, uint64_t tag)
{
	int r = weir_send_check(s, flags, SEND_FLAGS, 1);
	struct weir_tx *t;

	if (!r)
		r = check(s, data, len, info);
	if (r)
		return r;
	t = weir_send_make(s, data, len, flags);
	if (!t)
		return -ENOMEM;
	if (info)
		mark(t, info);
	if (peer || !info || !info->assoc_id || s->one_to_one)
		r = weir_send_peer(s, t, peer);
	if (r) {
		weir_tx_release(s->engine, t);
		return r;
	}
	if (!t->peer_len)
		t->peer.assoc_id = info ? info->assoc_id : 0;
	t->tag = tag;
	t->report = (uint32_t)len;
	weir_txq_append(s, t);
	weir_txq_kick(s->engine);
	return 0;
}
