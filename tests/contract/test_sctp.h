/* SPDX-License-Identifier: MIT */
/*
 * test_sctp.h - what the tests of SCTP share: numbered messages, plain sockets as peers.
 *
 * Theory: a message carries its number and length in front and content that is a function of the
 * number behind; its stream and PPID are functions of the number, too.
 */
#ifndef WEIR_TESTS_SCTP_H
#define WEIR_TESTS_SCTP_H

#include "t.h"

#include <arpa/inet.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <poll.h>
#include <weir/sctp.h>

#define HEAD 8u
#define STREAMS 10u /* what Linux asks for by default */

static const struct weir_sock_opts sctp = { .size = sizeof sctp,
					    .flags = WEIR_SOCK_NODELAY,
					    .protocol = IPPROTO_SCTP,
					    .sndbuf_bytes = 1 << 20,
					    .rcvbuf_bytes = 1 << 20 };

static inline void fill(char *to, uint32_t number, uint32_t len)
{
	t_pattern_fill(to, number, 0, len);
	memcpy(to, &number, 4);
	memcpy(to + 4, &len, 4);
}

static inline int raw_sctp(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, IPPROTO_SCTP);

	assert_true(fd >= 0);
	return fd;
}

static inline void raw_loopback(int fd, struct sockaddr_in *ret)
{
	socklen_t len = sizeof *ret;

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof *ret), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
}

static inline bool becomes_connected(int fd)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof error;

	if (poll(&out, 1, 10000) == 1 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) &&
	    !error)
		return true;
	errno = error ? error : ETIMEDOUT;
	return false;
}

static inline int raw_connected(const struct sockaddr_in *to)
{
	int fd = raw_sctp(SOCK_STREAM);

	/*
	 * A ring's task work interrupts the call, and the kernel begins it again: that says
	 * EISCONN, which is success, or EALREADY, and the connection comes a little later.
	 */
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) && errno != EISCONN &&
	    !(errno == EALREADY && becomes_connected(fd)))
		fail_msg("connect to port %u: %s", ntohs(to->sin_port), strerror(errno));
	return fd;
}

static inline void raw_send(int fd, const struct sockaddr_in *to, uint32_t number, uint32_t len)
{
	struct sctp_sndinfo info = { .snd_sid = (uint16_t)(number % STREAMS),
				     .snd_ppid = htonl(1000 + number) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof info)] = { 0 };
	char data[2000];
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_name = (void *)(uintptr_t)to,
			      .msg_namelen = to ? sizeof *to : 0,
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

	cm->cmsg_level = IPPROTO_SCTP;
	cm->cmsg_type = SCTP_SNDINFO;
	cm->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(cm), &info, sizeof info);
	fill(data, number, len);
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), len);
}

static inline void raw_receive(int fd, unsigned count)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char data[2000];

	while (count--) {
		assert_int_equal(poll(&pfd, 1, T_DEADLINE_MS), 1);
		assert_true(recv(fd, data, sizeof data, 0) > 0);
	}
}

/* Does the kernel have it?  If not, say so: the test is skipped. */
static inline bool have_sctp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);

	if (fd < 0)
		printf("this kernel has no SCTP\n");
	else
		close(fd);
	return fd >= 0;
}

#endif
