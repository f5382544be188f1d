// SPDX-License-Identifier: MIT
/*
 * sctp.c - weir_io over SCTP: control data of sctp(7) from and to what the library has.
 *
 * Theory: in recvmsg/sendmsg mode a program for SCTP reads stream number and PPID out of
 *	msg_control and puts them there to send, by the structures of RFC 6458.  It gets
 *	SCTP_RCVINFO and its older form SCTP_SNDRCV together, and may send with SCTP_SNDINFO or
 *	SCTP_SNDRCV, whichever it was written for.
 * Invariants: 1. PPIDs in control data are in network byte order, as the kernel has them.
 * Ownership: the control data of a received message lies on the caller's stack.
 * Threads: the engine's.
 * Errors: -EOPNOTSUPP for other control data; -EINVAL for structures that are too short, and for
 *	fields of them that the library does not send (a lifetime, a context).
 * Sources: RFC 6458 5.3.
 * Tests: tests/contract/test_sctp_io.c
 */
#include "io.h"

#include <arpa/inet.h>
#include <linux/sctp.h>
#include <weir/sctp.h>

static void put(struct msghdr *msg, int type, const void *data, size_t bytes)
{
	struct cmsghdr *cm = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);

	memset(cm, 0, CMSG_SPACE(bytes));
	cm->cmsg_level = IPPROTO_SCTP;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cm), data, bytes);
	msg->msg_controllen += CMSG_SPACE(bytes);
}

_Static_assert(CMSG_SPACE(sizeof(struct sctp_rcvinfo)) +
			       CMSG_SPACE(sizeof(struct sctp_sndrcvinfo)) <=
		       WEIR_IO_SCTP_CONTROL_BYTES,
	       "room for both");

void weir_io_sctp_header(const struct weir_buf *buf, struct msghdr *msg, void *control)
{
	const struct weir_slice *slice;
	struct weir_sctp_info i;

	if (!(buf->slice_flags & WEIR_SLICE_MORE))
		msg->msg_flags |= MSG_EOR;
	if (buf->slice_flags & WEIR_SLICE_NOTIFICATION)
		msg->msg_flags |= MSG_NOTIFICATION;
	if (!buf->slice)
		return;
	slice = buf->slice->event ? buf->slice->event : &buf->slice->slice;
	if (weir_slice_sctp(slice, &i))
		return;
	msg->msg_control = control;
	put(msg, SCTP_RCVINFO,
	    &(struct sctp_rcvinfo){ .rcv_sid = i.stream,
				    .rcv_ssn = i.ssn,
				    .rcv_flags = i.flags,
				    .rcv_ppid = htonl(i.ppid),
				    .rcv_tsn = i.tsn,
				    .rcv_cumtsn = i.cumtsn,
				    .rcv_assoc_id = i.assoc_id },
	    sizeof(struct sctp_rcvinfo));
	put(msg, SCTP_SNDRCV,
	    &(struct sctp_sndrcvinfo){ .sinfo_stream = i.stream,
				       .sinfo_ssn = i.ssn,
				       .sinfo_flags = i.flags,
				       .sinfo_ppid = htonl(i.ppid),
				       .sinfo_tsn = i.tsn,
				       .sinfo_cumtsn = i.cumtsn,
				       .sinfo_assoc_id = i.assoc_id },
	    sizeof(struct sctp_sndrcvinfo));
}

static int take(struct weir_buf *buf, const struct cmsghdr *cm)
{
	struct sctp_sndinfo s;
	struct sctp_sndrcvinfo old;

	if (cm->cmsg_level != IPPROTO_SCTP)
		return -EOPNOTSUPP;
	if (cm->cmsg_type == SCTP_SNDINFO && cm->cmsg_len >= CMSG_LEN(sizeof(s))) {
		memcpy(&s, CMSG_DATA(cm), sizeof(s));
	} else if (cm->cmsg_type == SCTP_SNDRCV && cm->cmsg_len >= CMSG_LEN(sizeof(old))) {
		memcpy(&old, CMSG_DATA(cm), sizeof(old));
		if (old.sinfo_timetolive)
			return -EINVAL;
		s = (struct sctp_sndinfo){ .snd_sid = old.sinfo_stream,
					   .snd_flags = old.sinfo_flags,
					   .snd_ppid = old.sinfo_ppid,
					   .snd_context = old.sinfo_context,
					   .snd_assoc_id = old.sinfo_assoc_id };
	} else {
		return cm->cmsg_type == SCTP_SNDINFO || cm->cmsg_type == SCTP_SNDRCV ? -EINVAL :
										       -EOPNOTSUPP;
	}
	if (s.snd_context)
		return -EINVAL;
	buf->sctp_stream = s.snd_sid;
	buf->sctp_flags = s.snd_flags;
	buf->sctp_ppid = ntohl(s.snd_ppid);
	buf->sctp_assoc_id = s.snd_assoc_id;
	return 0;
}

int weir_io_sctp_parse(struct weir_buf *buf, const struct msghdr *msg)
{
	struct msghdr copy = *msg;
	struct cmsghdr *cm;
	int rc = -EINVAL;

	for (cm = CMSG_FIRSTHDR(&copy); cm; cm = CMSG_NXTHDR(&copy, cm)) {
		rc = take(buf, cm);
		if (rc)
			return rc;
	}
	return rc;
}

int weir_io_sctp_submit(struct weir_sock *s, struct weir_buf *buf)
{
	struct weir_sctp_info i = { .stream = buf->sctp_stream,
				    .flags = buf->sctp_flags,
				    .ppid = buf->sctp_ppid,
				    .assoc_id = buf->sctp_assoc_id };

	return weir_sock_send_sctp(
		s, buf->data, weir_buf_len(buf), buf->send_flags & WEIR_IO_SEND_INFO ? &i : NULL,
		weir_buf_peer(buf), buf->send_flags & ~WEIR_IO_SEND_INFO, (uintptr_t)buf);
}
