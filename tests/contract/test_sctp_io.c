/* SPDX-License-Identifier: MIT */
/*
 * test_sctp_io.c - weir_io over SCTP: recvmsg/sendmsg mode, with control data both ways.
 *
 * Theory: a weir_io is connected to a plain socket.  Messages go both ways with stream numbers and
 * PPIDs in control data, by the present structures and by the older ones; other modes refuse.
 */
#include "test_sctp.h"

#include <weir/io.h>

struct io_user {
	unsigned messages, ends, sent;
	uint32_t number;
	bool connected, closed;
};

static void io_received(struct weir_io *io, int res, struct weir_buf *buf, const struct msghdr *msg)
{
	struct io_user *u = weir_io_user(io);
	struct msghdr copy = *msg;
	unsigned known = 0;

	if (!buf) {
		assert_int_equal(res, 0);
		u->ends++;
		return;
	}
	assert_int_equal(res, weir_buf_len(buf));
	assert_int_equal(msg->msg_flags, MSG_EOR);
	memcpy(&u->number, buf->data, 4);
	t_pattern_check(buf->data + HEAD, u->number, HEAD, (size_t)res - HEAD);
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&copy); cm; cm = CMSG_NXTHDR(&copy, cm)) {
		struct sctp_rcvinfo r;
		struct sctp_sndrcvinfo old;

		assert_int_equal(cm->cmsg_level, IPPROTO_SCTP);
		if (cm->cmsg_type == SCTP_RCVINFO) {
			memcpy(&r, CMSG_DATA(cm), sizeof r);
			assert_int_equal(r.rcv_sid, u->number % STREAMS);
			assert_int_equal(ntohl(r.rcv_ppid), 1000 + u->number);
			known |= 1;
		} else if (cm->cmsg_type == SCTP_SNDRCV) {
			memcpy(&old, CMSG_DATA(cm), sizeof old);
			assert_int_equal(old.sinfo_stream, u->number % STREAMS);
			assert_int_equal(ntohl(old.sinfo_ppid), 1000 + u->number);
			known |= 2;
		}
	}
	assert_int_equal(known, 3);
	u->messages++;
	weir_buf_free(buf);
}

static void io_sent(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct io_user *u = weir_io_user(io);

	assert_int_equal(res, weir_buf_len(buf));
	u->sent++;
}

static void io_connected(struct weir_io *io, int res)
{
	assert_int_equal(res, 0);
	((struct io_user *)weir_io_user(io))->connected = true;
}

static void io_closed(struct weir_io *io)
{
	((struct io_user *)weir_io_user(io))->closed = true;
}

static int io_send(struct weir_io *io, struct weir_buf_pool *pool, uint32_t number, bool old)
{
	struct sctp_sndinfo info = { .snd_sid = (uint16_t)(number % STREAMS),
				     .snd_ppid = htonl(1000 + number) };
	struct sctp_sndrcvinfo older = { .sinfo_stream = info.snd_sid,
					 .sinfo_ppid = info.snd_ppid };
	size_t bytes = old ? sizeof older : sizeof info;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof older)] = { 0 };
	struct msghdr msg = { .msg_control = control, .msg_controllen = CMSG_SPACE(bytes) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	struct weir_buf *buf = weir_buf_new(pool, 500, 0);
	int r;

	assert_non_null(buf);
	fill((char *)weir_buf_put(buf, 500), number, 500);
	cm->cmsg_level = IPPROTO_SCTP;
	cm->cmsg_type = old ? SCTP_SNDRCV : SCTP_SNDINFO;
	cm->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cm), old ? (void *)&older : &info, bytes);
	r = weir_io_sendmsg(io, buf, 0, &msg);
	if (r)
		weir_buf_free(buf);
	return r;
}

/* recvmsg/sendmsg mode: control data both ways, messages sent before the connection is there. */
static void io_mode(void **state)
{
	static const struct weir_io_ops io_ops = { .connected = io_connected,
						   .received_msg = io_received,
						   .sent_msg = io_sent,
						   .closed = io_closed };
	struct weir_engine *e = t_open(NULL);
	struct weir_buf_pool *pool;
	struct io_user u = { 0 };
	struct sockaddr_in to;
	struct weir_io *io, *stream;
	struct weir_error err = { 0 };
	char text[64];
	int l = raw_sctp(SOCK_STREAM), fd;

	(void)state;
	t_api = T_API_CALLBACKS;
	raw_loopback(l, &to);
	weir_addr_format((struct sockaddr *)&to, text, sizeof text);
	assert_int_equal(weir_buf_pool_new(&pool, e, NULL, NULL), 0);
	assert_int_equal(weir_io_new(&stream, pool, WEIR_IO_READ_WRITE, "s",
				     &(struct weir_io_ops){ 0 }, NULL, NULL, NULL),
			 0);
	t_expect(weir_io_connect(stream, text, &sctp, &err), &err, -EPROTOTYPE);
	weir_io_free(stream);
	assert_int_equal(
		weir_io_new(&io, pool, WEIR_IO_RECVMSG_SENDMSG, "m", &io_ops, &u, NULL, NULL), 0);
	assert_int_equal(io_send(io, pool, 0, false), 0);
	assert_int_equal(weir_io_connect(io, text, &sctp, &err), 0);
	t_until(e, u.connected);
	fd = accept(l, NULL, NULL);
	assert_true(fd >= 0);
	for (uint32_t n = 1; n < 40; n++)
		assert_int_equal(io_send(io, pool, n, n % 2), 0);
	t_until(e, u.sent == 40);
	raw_receive(fd, 40);
	for (uint32_t n = 0; n < 40; n++)
		raw_send(fd, NULL, n, 100 + n);
	t_until(e, u.messages == 40);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	t_until(e, u.ends == 1);
	assert_int_equal(weir_io_finish(io), 0);
	t_until(e, u.closed);
	close(fd);
	close(l);
	weir_io_free(io);
	t_close(e);
	weir_buf_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(io_mode),
	};

	return have_sctp() ? cmocka_run_group_tests(cases, NULL, NULL) : 77;
}
