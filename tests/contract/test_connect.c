/* SPDX-License-Identifier: MIT */
/*
 * test_connect.c - how sockets come to be: listen, connect, accept, adopt, their options.
 *
 * Theory: what an option asks for is read back from the kernel with getsockopt(2) on the socket's
 * descriptor; adopted descriptors are made by plain system calls, in every state they may be in.
 *
 * Parts: yes
 */
#include "t_end.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

static char unix_path[108];
static char unix_address[128];

static void exchange(struct t_link *l)
{
	t_link_run(l);
	t_link_close(l);
}

static int sockopt(struct weir_sock *s, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(weir_sock_fd(s), level, name, &value, &len), 0);
	return value;
}

static void every_family(void **state)
{
	const char *const to[] = { "127.0.0.1:0", "[::1]:0", t_unix(), unix_address };

	(void)state;
	for (size_t i = 0; i < T_COUNT(to); i++) {
		struct t_link *l = t_link_new(NULL, 5000, 7000);
		char a[128], b[128];
		struct weir_addr peer, local;

		t_link_open(l, to[i], NULL);
		assert_int_equal(weir_sock_peer(l->client.s, &peer), 0);
		local = t_local(l->server.s);
		weir_addr_format(&peer.sa, a, sizeof a);
		weir_addr_format(&local.sa, b, sizeof b);
		assert_string_equal(a, b);
		assert_int_equal(weir_sock_plane(l->client.s), weir_engine_plane(l->e));
		assert_ptr_equal(weir_sock_engine(l->server.s), l->e);
		assert_int_equal(sockopt(l->client.s, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
		assert_true(fcntl(weir_sock_fd(l->client.s), F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(weir_sock_fd(l->server.s), F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(weir_sock_fd(l->acceptor.s), F_GETFD) & FD_CLOEXEC);
		exchange(l);
	}
	unlink(unix_path);
}

/* [::] and *: take IPv4, too; V6ONLY does not. */
static void dual_stack(void **state)
{
	static const char *const any[] = { "[::]:0", "*:0", ":0" };

	(void)state;
	for (size_t i = 0; i < T_COUNT(any); i++) {
		struct t_link *l = t_link_new(NULL, 100, 100);
		char text[64];
		struct weir_addr a;

		t_acceptor_open(&l->acceptor, l->e, any[i], NULL, &l->server, 1);
		a = t_local(l->acceptor.s);
		snprintf(text, sizeof text, "127.0.0.1:%u",
			 ntohs(((struct sockaddr_in6 *)&a.storage)->sin6_port));
		assert_int_equal(
			weir_connect(l->e, text, &t_end_ops, &l->client, NULL, &l->client.s, NULL),
			0);
		exchange(l);
	}
}

static void v6_only(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .flags = WEIR_SOCK_V6ONLY };
	struct t_link *l = t_link_new(NULL, 0, 0);
	struct weir_addr a;
	char text[64];

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, "[::]:0", &so, &l->server, 1);
	assert_int_equal(sockopt(l->acceptor.s, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	a = t_local(l->acceptor.s);
	snprintf(text, sizeof text, "127.0.0.1:%u",
		 ntohs(((struct sockaddr_in6 *)&a.storage)->sin6_port));
	assert_int_equal(weir_connect(l->e, text, &t_end_ops, &l->client, NULL, &l->client.s, NULL),
			 0);
	t_until(l->e, l->client.connected);
	assert_int_equal(l->client.connect_res, -ECONNREFUSED);
	t_link_close(l);
}

static void options(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so,
				     .flags = WEIR_SOCK_NODELAY | WEIR_SOCK_REUSEPORT,
				     .name = "a name that is longer than 23 bytes",
				     .local = "127.0.0.1:0",
				     .backlog = 7,
				     .rcvbuf_bytes = 50000,
				     .sndbuf_bytes = 40000 };
	struct t_link *l = t_link_new(NULL, 9000, 9000);
	struct weir_sock *second = NULL;
	char text[128];

	(void)state;
	t_link_open(l, "127.0.0.1:0", &so);
	assert_int_equal(sockopt(l->acceptor.s, SOL_SOCKET, SO_REUSEPORT), 1);
	for (int i = 0; i < 2; i++) {
		struct weir_sock *s = i ? l->server.s : l->client.s;

		assert_int_equal(sockopt(s, IPPROTO_TCP, TCP_NODELAY), 1);
		assert_int_equal(sockopt(s, SOL_SOCKET, SO_RCVBUF), 100000);
		assert_int_equal(sockopt(s, SOL_SOCKET, SO_SNDBUF), 80000);
	}
	assert_string_equal(weir_sock_name(l->client.s), "a name that is longer t");
	/* REUSEPORT: a second listener on the same port. */
	t_local_text(l->acceptor.s, text, sizeof text);
	assert_int_equal(weir_listen(l->e, text, NULL, NULL, &so, &second, NULL), 0);
	weir_sock_close(second);
	weir_sock_set_ops(second, NULL, NULL);
	exchange(l);
}

static void no_options(void **state)
{
	struct t_link *l = t_link_new(NULL, 10, 10);
	struct weir_error err = { 0 };
	struct weir_sock *none = (void *)1;
	char text[128];

	(void)state;
	t_link_open(l, "127.0.0.1:0", NULL);
	assert_string_equal(weir_sock_name(l->client.s), "");
	assert_int_equal(sockopt(l->acceptor.s, SOL_SOCKET, SO_REUSEPORT), 0);
	t_local_text(l->acceptor.s, text, sizeof text);
	t_expect(weir_listen(l->e, text, NULL, NULL, NULL, &none, &err), &err, -EADDRINUSE);
	assert_non_null(strstr(err.object, text));
	assert_ptr_equal(none, (void *)1); /* outputs untouched on failure */
	exchange(l);
}

/* A local address that is given is used. */
static void local_address(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so, .local = "127.0.0.2:0" };
	struct t_link *l = t_link_new(NULL, 10, 10);
	struct weir_addr a;

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, "127.0.0.1:0", NULL, &l->server, 1);
	t_end_connect(&l->client, l->e, &l->acceptor, &so);
	t_until(l->e, l->client.connected);
	assert_int_equal(l->client.connect_res, 0);
	a = t_local(l->client.s);
	assert_int_equal(ntohl(((struct sockaddr_in *)&a.storage)->sin_addr.s_addr), 0x7f000002);
	exchange(l);
}

/* A UNIX path that is left over is replaced; one in use is not; a plain file is not. */
static void unix_paths(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_error err = { 0 };
	struct weir_sock *s;
	struct weir_addr a;
	int fd;

	(void)state;
	fd = t_raw_listen(unix_address, &a);
	t_expect(weir_listen(e, unix_address, NULL, NULL, NULL, &s, &err), &err, -EADDRINUSE);
	close(fd);
	assert_int_equal(weir_listen(e, unix_address, NULL, NULL, NULL, &s, &err), 0);
	assert_int_equal(weir_listen(e, unix_address, NULL, NULL, NULL, &s, &err), -EADDRINUSE);
	t_close(e);
	unlink(unix_path);
	fd = open(unix_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	e = t_open(NULL);
	t_expect(weir_listen(e, unix_address, NULL, NULL, NULL, &s, &err), &err, -EADDRINUSE);
	t_close(e);
	assert_int_equal(unlink(unix_path), 0);
}

/* Adopted: connected streams, blocking or not, with data that is there already. */
static void adopt_connected(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct weir_engine *e = t_open(NULL);
		struct t_end end[2];
		int fds[2];

		if (i < 3) {
			t_raw_pair(fds);
			assert_int_equal(write(fds[1], t_pattern(2, 0), 1000), 1000);
		} else {
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
			assert_int_equal(write(fds[1], t_pattern(2, 0), 1000), 1000);
		}
		t_raw_nonblock(fds[0], i & 1);
		t_raw_nonblock(fds[1], i & 2);
		t_end_init(&end[0], 1, 500000, 2, 300000);
		t_end_init(&end[1], 2, 300000, 1, 500000);
		end[1].tx_queued = end[1].tx_sent = 1000; /* is there already */
		for (int j = 0; j < 2; j++) {
			assert_int_equal(
				weir_adopt(e, fds[j], &t_end_ops, &end[j], NULL, &end[j].s, NULL),
				0);
			assert_int_equal(weir_sock_fd(end[j].s), fds[j]);
			t_end_pump(&end[j]);
		}
		t_until(e, t_end_complete(&end[0]) && t_end_complete(&end[1]));
		/* Adopted sockets never say CONNECTED. */
		assert_false(end[0].connected || end[1].connected);
		t_end_close(&end[0]);
		t_until(e, end[0].closed && end[1].ended);
		t_end_close(&end[1]);
		t_until(e, end[1].closed);
		assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* the engine's, so closed */
		t_close(e);
	}
}

/* The link's acceptor is the listening socket @fd, its client @peer; @none lends its callbacks. */
static void run_adopted(struct t_link *l, struct t_acceptor *none, int fd, int peer)
{
	t_acceptor_open(none, l->e, "127.0.0.1:0", NULL, NULL, 0);
	l->acceptor.ops = none->ops;
	l->acceptor.ends = &l->server;
	l->acceptor.count = 1;
	assert_int_equal(weir_adopt(l->e, fd, none->ops, &l->acceptor, NULL, &l->acceptor.s, NULL),
			 0);
	assert_int_equal(weir_adopt(l->e, peer, &t_end_ops, &l->client, NULL, &l->client.s, NULL),
			 0);
	t_end_pump(&l->client);
	t_link_run(l);
}

/* Adopted: listeners, also with a connection that waits already. */
static void adopt_listener(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct t_link *l = t_link_new(NULL, 20000, 20000);
		struct t_acceptor none;
		struct weir_addr a;
		int fd, peer;

		fd = t_raw_listen(i & 1 ? "[::1]:0" : t_unix(), &a);
		t_raw_nonblock(fd, i & 2);
		peer = t_raw_connect(&a);
		run_adopted(l, &none, fd, peer);
		weir_sock_close(none.s);
		t_until(l->e, none.closed);
		t_link_close(l);
	}
}

static int rcvbuf_of(int fd)
{
	int bytes = 0;
	socklen_t len = sizeof bytes;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len), 0);
	return bytes;
}

/* A receive buffer whose size somebody chose stays: of adopted sockets, and of what they accept. */
static void adopt_rcvbuf(void **state)
{
	static const int sizes[] = { 30000, 90000, 3000000 };

	(void)state;
	for (size_t i = 0; i < T_COUNT(sizes); i++) {
		struct t_link *l = t_link_new(NULL, 200000, 100000);
		struct t_acceptor none;
		struct weir_addr a;
		int fd = t_raw_listen("127.0.0.1:0", &a), peer, size;

		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &sizes[i], sizeof sizes[i]),
				 0);
		size = rcvbuf_of(fd);
		peer = t_raw_connect(&a);
		assert_int_equal(
			setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &sizes[i], sizeof sizes[i]), 0);
		run_adopted(l, &none, fd, peer);
		assert_int_equal(rcvbuf_of(peer), size);
		assert_int_equal(rcvbuf_of(weir_sock_fd(l->server.s)), size);
		weir_sock_close(none.s);
		t_until(l->e, none.closed);
		t_link_close(l);
	}
}

/* A peer that has gone already: its data, then the end. */
static void adopt_ended(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct t_end end;
	int fds[2];

	(void)state;
	t_raw_pair(fds);
	t_end_init(&end, 1, 0, 2, 777);
	assert_int_equal(write(fds[1], t_pattern(2, 0), 777), 777);
	close(fds[1]);
	assert_int_equal(weir_adopt(e, fds[0], &t_end_ops, &end, NULL, &end.s, NULL), 0);
	t_until(e, end.ended);
	assert_int_equal(end.end_res, 0);
	assert_int_equal(end.rx_bytes, 777);
	t_end_close(&end);
	t_until(e, end.closed);
	t_close(e);
}

static void refuse(struct weir_engine *e, int fd, int code)
{
	struct weir_sock *s = (void *)1;
	struct weir_error err = { 0 };

	t_expect(weir_adopt(e, fd, NULL, NULL, NULL, &s, &err), &err, code);
	assert_ptr_equal(s, (void *)1);
	if (fd >= 0 && code != -EBADF) {
		assert_true(fcntl(fd, F_GETFD) >= 0); /* still the caller's */
		close(fd);
	}
}

static void adopt_wrong_kinds(void **state)
{
	struct weir_engine *e = t_open(NULL);
	int fds[2], fd;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	refuse(e, fds[0], -ENOTSOCK);
	refuse(e, fds[1], -ENOTSOCK);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	refuse(e, fd, -ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	refuse(e, fds[0], -EOPNOTSUPP);
	refuse(e, fds[1], -EOPNOTSUPP);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	refuse(e, fds[0], -EOPNOTSUPP);
	refuse(e, fds[1], -EOPNOTSUPP);
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	assert_true(fd >= 0);
	refuse(e, fd, -EOPNOTSUPP);
	refuse(e, -1, -EBADF);
	refuse(e, 100000, -EBADF);
	t_close(e);
}

/* A stream that is neither connected nor listening ends at once. */
static void adopt_unconnected(void **state)
{
	struct weir_engine *e = t_open(NULL);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct weir_error err = { 0 };
	struct t_end end;
	int ret;

	(void)state;
	t_end_init(&end, 1, 0, 2, 0);
	ret = weir_adopt(e, fd, &t_end_ops, &end, NULL, &end.s, &err);
	if (ret) {
		t_expect(ret, &err, -EINVAL);
		close(fd);
	} else {
		t_until(e, end.ended);
		assert_int_equal(end.end_res, -ENOTCONN);
		t_end_close(&end);
		t_until(e, end.closed);
	}
	t_close(e);
}

/* A paused listener accepts nothing; resumed, it accepts what waited. */
static void paused_listener(void **state)
{
	struct t_link *l = t_link_new(NULL, 100, 100);

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, "127.0.0.1:0", NULL, &l->server, 1);
	t_step_idle(l->e);
	weir_sock_pause(l->acceptor.s);
	while (t_step(l->e, 2000) > 0)
		;
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	t_until(l->e, l->client.connected);
	while (t_step(l->e, 5000) > 0)
		;
	assert_int_equal(l->acceptor.taken, 0);
	weir_sock_resume(l->acceptor.s);
	t_until(l->e, l->acceptor.taken == 1);
	exchange(l);
}

/* Ops and user pointer can be changed inside the accepted callback and any time later. */
static int changed;

static void other_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	(void)s;
	(void)v;
	assert_ptr_equal(user, &changed);
	changed += n;
}

static void set_ops(void **state)
{
	static const struct weir_sock_ops other = { .received = other_received };
	struct t_link *l = t_link_new(NULL, 0, 10);

	(void)state;
	t_api = T_API_CALLBACKS; /* the batch helper wants a struct t_user */
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	weir_sock_set_ops(l->client.s, &other, &changed);
	assert_ptr_equal(weir_sock_user(l->client.s), &changed);
	changed = 0;
	assert_int_equal(weir_sock_send(l->server.s, "x", 1, 0, 0), 0);
	t_until(l->e, changed == 1);
	weir_sock_set_ops(l->client.s, NULL, NULL);
	assert_int_equal(weir_sock_send(l->server.s, "y", 1, WEIR_SEND_COPY, 0), 0);
	while (t_step(l->e, 5000) > 0)
		;
	assert_int_equal(changed, 1);
	weir_sock_set_ops(l->client.s, &t_end_ops, &l->client);
	t_link_close(l);
}

/* No descriptor left: the listener says so, goes on and accepts once there is one. */
static unsigned listener_failed;

static void on_listener_failed(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	assert_true(res == -EMFILE || res == -ENFILE);
	listener_failed++;
}

static void no_descriptors(void **state)
{
	struct t_link *l = t_link_new(NULL, 1000, 1000);
	struct weir_sock_ops ops;
	struct rlimit old, few;

	(void)state;
	t_acceptor_open(&l->acceptor, l->e, "127.0.0.1:0", NULL, &l->server, 1);
	ops = *l->acceptor.ops;
	ops.failed = on_listener_failed;
	l->acceptor.ops = &ops;
	weir_sock_set_ops(l->acceptor.s, &ops, &l->acceptor);
	listener_failed = 0;
	t_end_connect(&l->client, l->e, &l->acceptor, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	t_until(l->e, listener_failed > 0 && l->client.connected);
	assert_int_equal(l->acceptor.taken, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	t_until(l->e, l->acceptor.taken == 1);
	exchange(l);
}

/* A plane that the engine does not have is refused. */
static void other_plane(void **state)
{
	struct weir_sock_opts so = { .size = sizeof so };
	struct weir_engine *e = t_open(NULL);
	struct weir_error err = { 0 };
	struct weir_sock *s;

	(void)state;
	so.plane = weir_engine_plane(e) == WEIR_PLANE_EPOLL ? WEIR_PLANE_URING : WEIR_PLANE_EPOLL;
	t_expect(weir_listen(e, "127.0.0.1:0", NULL, NULL, &so, &s, &err), &err, -ENOTSUP);
	t_expect(weir_connect(e, "127.0.0.1:1", NULL, NULL, &so, &s, &err), &err, -ENOTSUP);
	t_expect(weir_udp_open(e, "127.0.0.1:0", NULL, NULL, &so, &s, &err), &err, -ENOTSUP);
	so.plane = weir_engine_plane(e);
	assert_int_equal(weir_listen(e, "127.0.0.1:0", NULL, NULL, &so, &s, &err), 0);
	t_close(e);
}

/* A listener removes its name, unless it has become somebody else's. */
static void unix_name(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_sock *l;
	int fd;

	(void)state;
	assert_int_equal(weir_listen(e, unix_address, NULL, NULL, NULL, &l, NULL), 0);
	assert_int_equal(access(unix_path, F_OK), 0);
	weir_sock_close(l);
	assert_int_equal(access(unix_path, F_OK), -1);
	assert_int_equal(weir_listen(e, unix_address, NULL, NULL, NULL, &l, NULL), 0);
	assert_int_equal(unlink(unix_path), 0);
	fd = open(unix_path, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	weir_sock_close(l);
	assert_int_equal(access(unix_path, F_OK), 0);
	assert_int_equal(unlink(unix_path), 0);
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(every_family),	   T_CASE(dual_stack),	    T_CASE(v6_only),
		T_CASE(options),	   T_CASE(no_options),	    T_CASE(local_address),
		T_CASE(unix_paths),	   T_CASE(adopt_connected), T_CASE(adopt_listener),
		T_CASE(adopt_rcvbuf),	   T_CASE(adopt_ended),	    T_CASE(adopt_wrong_kinds),
		T_CASE(adopt_unconnected), T_CASE(paused_listener), T_CASE(unix_name),
		T_CASE(set_ops),	   T_CASE(no_descriptors),  T_CASE(other_plane),
	};
	int ret;

	snprintf(unix_path, sizeof unix_path, "%s/weir-test-%ld.sock", P_tmpdir, (long)getpid());
	snprintf(unix_address, sizeof unix_address, "unix:%s", unix_path);
	ret = cmocka_run_group_tests(cases, NULL, NULL);
	unlink(unix_path);
	return ret;
}
