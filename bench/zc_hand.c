/* SPDX-License-Identifier: MIT */
/*
 * zc_hand.c - UDP sends by hand, each in the way that is cheapest for its interface.
 *
 * Theory:
 *	A batch is ZC_BATCH messages.  send(2) needs a call for each; sendmmsg(2) one for all;
 *	MSG_ZEROCOPY a call for each and one read of the error queue, where the batch's numbers
 *	came together as one range; io_uring one call that submits the batch and waits for all
 *	completions, with zero copy also for the notifications.  Trains: the segment size is an
 *	option of the socket, which spares a control message; but ZC_HAND_SENDMSG_ZC has it in
 *	each request, as a library must that shares the socket between sizes, and ZC_HAND_TRAIN
 *	makes trains of several messages: one request and one packet for up to 16 buffers.
 *	REPORT_USAGE is asked for, so that what is called zero copy has been.
 * Sources: Documentation/networking/msg_zerocopy.rst, io_uring_enter(2), udp(7); io_uring/net.c
 *	of Linux 6.18 (IORING_SEND_ZC_REPORT_USAGE, IORING_RECVSEND_FIXED_BUF with SENDMSG_ZC).
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zc.h"

#define REPORT_USAGE (1u << 3)	/* IORING_SEND_ZC_REPORT_USAGE */
#define USAGE_COPIED (1u << 31) /* IORING_NOTIF_USAGE_ZC_COPIED */
#define REGISTER_MAX_BYTES ((size_t)1 << 30)

/**
 * struct hand - a contender by hand.
 * @fd: its socket.
 * @ring_open: @ring is there.
 * @next_id: number that the next MSG_ZEROCOPY call gets.
 */
struct hand {
	int fd;
	bool ring_open;
	uint32_t next_id;
	struct io_uring ring;
	struct mmsghdr msgs[ZC_BATCH];
	struct iovec iov[ZC_BATCH];
	_Alignas(8) char control[ZC_BATCH][CMSG_SPACE(sizeof(uint16_t))];
};

static bool is_ring(const struct zc_run *run)
{
	return run->contender->kind >= ZC_HAND_URING;
}

/* Messages that one request of ZC_HAND_TRAIN carries. */
static unsigned train_messages(const struct zc_load *load)
{
	unsigned pages = (load->row.bytes + ZC_PAGE_BYTES - 1) / ZC_PAGE_BYTES;
	unsigned n = ZC_TRAIN_BYTES / load->row.bytes;

	if (load->row.huge)
		pages = 1;
	n = n * pages > ZC_FRAGS_MAX ? ZC_FRAGS_MAX / pages : n;
	return n > ZC_BATCH ? ZC_BATCH : n;
}

static int open_socket(struct zc_run *run, struct hand *h)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(ZC_PORT) };
	const struct zc_load *load = run->load;
	bool option = run->contender->kind < ZC_HAND_SENDMSG_ZC;

	h->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (h->fd < 0 || inet_pton(AF_INET, load->row.path->peer, &sa.sin_addr) != 1 ||
	    connect(h->fd, (struct sockaddr *)&sa, sizeof(sa)))
		return zc_fail(run, -errno, "socket");
	setsockopt(h->fd, SOL_SOCKET, SO_SNDBUF, &(int){ ZC_SNDBUF_BYTES }, sizeof(int));
	if (option && load->segment &&
	    setsockopt(h->fd, SOL_UDP, UDP_SEGMENT, &(int){ (int)load->segment }, sizeof(int)))
		return zc_fail(run, -errno, "UDP_SEGMENT");
	if (run->contender->kind == ZC_HAND_MSG_ZEROCOPY &&
	    setsockopt(h->fd, SOL_SOCKET, SO_ZEROCOPY, &(int){ 1 }, sizeof(int)))
		return zc_fail(run, -errno, "SO_ZEROCOPY");
	return 0;
}

static int register_memory(struct zc_run *run, struct hand *h)
{
	struct iovec all = { run->load->memory, run->load->bytes };
	int res;

	if (all.iov_len > REGISTER_MAX_BYTES)
		return zc_fail(run, -EINVAL, "more memory than one registered buffer can be");
	res = io_uring_register_buffers(&h->ring, &all, 1);
	if (!res)
		res = io_uring_register_files(&h->ring, &h->fd, 1);
	if (res)
		zc_fail(run, res, "registration");
	/* The limit of locked memory is the machine's, or its user's, matter. */
	return res == -ENOMEM ? -ENOTSUP : res;
}

static int open_ring(struct zc_run *run, struct hand *h)
{
	struct io_uring_params par = { .flags = IORING_SETUP_SINGLE_ISSUER |
						IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
				       .cq_entries = ZC_BATCH * 4 };
	int res = io_uring_queue_init_params(ZC_BATCH, &h->ring, &par);

	if (res)
		return zc_fail(run, res, "io_uring");
	h->ring_open = true;
	io_uring_register_ring_fd(&h->ring);
	if (run->contender->kind == ZC_HAND_SEND_ZC)
		return 0;
	return register_memory(run, h);
}

/* The parts of the messages that are the same each time. */
static void prepare_messages(struct zc_run *run, struct hand *h, uint32_t segment, unsigned pieces)
{
	for (unsigned i = 0; i < ZC_BATCH; i++) {
		struct msghdr *m = &h->msgs[i].msg_hdr;
		struct cmsghdr *c;

		h->iov[i].iov_len = run->load->row.bytes;
		*m = (struct msghdr){ .msg_iov = &h->iov[i], .msg_iovlen = pieces };
		if (i + pieces > ZC_BATCH)
			m->msg_iovlen = ZC_BATCH - i;
		if (run->contender->kind < ZC_HAND_SENDMSG_ZC)
			continue;
		m->msg_control = h->control[i];
		m->msg_controllen = sizeof(h->control[i]);
		c = CMSG_FIRSTHDR(m);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		memcpy(CMSG_DATA(c), &(uint16_t){ (uint16_t)segment }, sizeof(uint16_t));
	}
}

int zc_hand_open(struct zc_run *run)
{
	struct zc_load *load = run->load;
	unsigned kind = run->contender->kind, pieces = 1;
	uint32_t segment = load->segment;
	struct hand *h;
	int res;

	if (kind == ZC_HAND_SENDMSG_ZC && !segment)
		return -ENOTSUP;
	if (kind == ZC_HAND_TRAIN) {
		if (segment || train_messages(load) < 2)
			return -ENOTSUP;
		segment = load->row.bytes;
		pieces = train_messages(load);
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return zc_fail(run, -ENOMEM, "memory");
	h->fd = -1;
	run->state = h;
	res = open_socket(run, h);
	if (!res && is_ring(run))
		res = open_ring(run, h);
	if (!res)
		prepare_messages(run, h, segment, pieces);
	return res;
}

void zc_hand_close(struct zc_run *run)
{
	struct hand *h = run->state;

	if (!h)
		return;
	if (h->ring_open)
		io_uring_queue_exit(&h->ring);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
	run->state = NULL;
}

int zc_hand_send(struct zc_run *run)
{
	struct hand *h = run->state;
	uint32_t bytes = run->load->row.bytes;

	for (unsigned i = 0; i < ZC_BATCH; i++)
		if (send(h->fd, zc_next(run->load), bytes, 0) != (ssize_t)bytes)
			return zc_fail(run, -errno, "send");
	return 0;
}

int zc_hand_sendmmsg(struct zc_run *run)
{
	struct hand *h = run->state;
	unsigned done = 0;

	for (unsigned i = 0; i < ZC_BATCH; i++)
		h->iov[i].iov_base = zc_next(run->load);
	while (done < ZC_BATCH) {
		int n = sendmmsg(h->fd, h->msgs + done, ZC_BATCH - done, 0);

		if (n <= 0)
			return zc_fail(run, -errno, "sendmmsg");
		done += (unsigned)n;
	}
	return 0;
}

/* One read of the error queue.  Return: 0; -EAGAIN; -errno. */
static int read_range(struct zc_run *run, struct hand *h, uint32_t *retlast)
{
	char control[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in))];
	struct msghdr m = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct sock_extended_err err;
	struct cmsghdr *c;

	if (recvmsg(h->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c)
		return zc_fail(run, -EPROTO, "error queue");
	memcpy(&err, CMSG_DATA(c), sizeof(err));
	if (err.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
		return zc_fail(run, -(int)err.ee_errno, "error queue");
	run->released += err.ee_data - err.ee_info + 1;
	if (err.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		run->copied += err.ee_data - err.ee_info + 1;
	*retlast = err.ee_data;
	return 0;
}

int zc_hand_msg_zerocopy(struct zc_run *run)
{
	struct hand *h = run->state;
	uint32_t bytes = run->load->row.bytes, last = h->next_id - 1;
	int res;

	for (unsigned i = 0; i < ZC_BATCH; i++)
		if (send(h->fd, zc_next(run->load), bytes, MSG_ZEROCOPY) != (ssize_t)bytes)
			return zc_fail(run, -errno, "send");
	h->next_id += ZC_BATCH;
	while (last != h->next_id - 1) {
		res = read_range(run, h, &last);
		if (res && res != -EAGAIN)
			return zc_fail(run, res, "error queue");
	}
	return 0;
}

static void prepare_request(struct zc_run *run, struct hand *h, struct io_uring_sqe *sqe,
			    unsigned i)
{
	uint32_t bytes = run->load->row.bytes;
	unsigned pieces;

	switch ((enum zc_hand_kind)run->contender->kind) {
	case ZC_HAND_URING:
		io_uring_prep_send(sqe, 0, zc_next(run->load), bytes, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		break;
	case ZC_HAND_SEND_ZC:
		io_uring_prep_send_zc(sqe, h->fd, zc_next(run->load), bytes, 0, REPORT_USAGE);
		break;
	case ZC_HAND_SEND_ZC_FIXED:
		io_uring_prep_send_zc_fixed(sqe, 0, zc_next(run->load), bytes, 0, REPORT_USAGE, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		break;
	default:
		pieces = (unsigned)h->msgs[i].msg_hdr.msg_iovlen;
		for (unsigned k = i; k < i + pieces; k++)
			h->iov[k].iov_base = zc_next(run->load);
		bytes *= pieces;
		io_uring_prep_sendmsg_zc(sqe, 0, &h->msgs[i].msg_hdr, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		sqe->ioprio |= REPORT_USAGE | IORING_RECVSEND_FIXED_BUF;
		sqe->buf_index = 0;
	}
	sqe->user_data = bytes;
}

int zc_hand_ring(struct zc_run *run)
{
	struct hand *h = run->state;
	struct io_uring_cqe *cqe;
	unsigned head, want = 0, step = 1, seen = 0;
	bool zero = run->contender->kind != ZC_HAND_URING;
	int res = 0;

	if (run->contender->kind == ZC_HAND_TRAIN)
		step = (unsigned)h->msgs[0].msg_hdr.msg_iovlen;
	for (unsigned i = 0; i < ZC_BATCH; i += step, want += zero ? 2 : 1)
		prepare_request(run, h, io_uring_get_sqe(&h->ring), i);
	while (want && !res) {
		int n = io_uring_submit_and_wait(&h->ring, want);

		if (n < 0 && n != -EINTR)
			return zc_fail(run, n, "io_uring_enter");
		seen = 0;
		io_uring_for_each_cqe(&h->ring, head, cqe)
		{
			seen++;
			if (cqe->flags & IORING_CQE_F_NOTIF) {
				run->released++;
				run->copied += !!((uint32_t)cqe->res & USAGE_COPIED);
			} else if (cqe->res != (int)cqe->user_data) {
				res = cqe->res < 0 ? cqe->res : -EIO;
			}
		}
		io_uring_cq_advance(&h->ring, seen);
		want -= seen < want ? seen : want;
	}
	return res ? zc_fail(run, res, "send") : 0;
}
