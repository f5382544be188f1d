/* SPDX-License-Identifier: MIT */
/*
 * conn_servers.c - echo servers written by hand with epoll and with libuv.
 *
 * Theory:
 *	Both do what a good program of their kind does and nothing more: epoll level-triggered, 256
 *	events a wait, one recv and one send for each; libuv with one receive buffer for all and
 *	uv_try_write.  Neither has memory of its own per connection beyond what the library needs.
 *	A message that begins with 'R' makes the server publish its memory figures.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS 256
#define BUFFER_BYTES 65536

static void publish(struct bench_side *side)
{
	struct bench_shared *sh = side->sh;
	struct mallinfo2 info = mallinfo2();

	atomic_store(&sh->heap_bytes, info.uordblks + info.hblkhd);
	atomic_store(&sh->allocations, bench_alloc_count());
	atomic_fetch_add(&sh->reports, 1);
}

static int accept_all(struct bench_side *side, int ep, int listener)
{
	for (;;) {
		struct epoll_event ev = { .events = EPOLLIN };
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return errno == EAGAIN ? 0 : bench_fail(side, -errno, "accept");
		bench_set_nodelay(fd);
		ev.data.fd = fd;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
			return bench_fail(side, -errno, "epoll_ctl");
	}
}

static int echo(struct bench_side *side, int fd, char *buf)
{
	ssize_t n = recv(fd, buf, BUFFER_BYTES, 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return bench_fail(side, n ? -errno : -EPIPE, "recv");
	if (buf[0] == 'R')
		publish(side);
	if (send(fd, buf, (size_t)n, 0) != n)
		return bench_fail(side, -errno, "send");
	bench_rx_add(side, 1, (uint64_t)n);
	return 0;
}

int bench_conn_rx_epoll(struct bench_side *side)
{
	static char buf[BUFFER_BYTES];
	struct epoll_event events[EVENTS];
	struct epoll_event ev = { .events = EPOLLIN };
	int listener = bench_tcp_listen(side), ep, res = 0;

	if (listener < 0)
		return listener;
	ep = epoll_create1(EPOLL_CLOEXEC);
	ev.data.fd = listener;
	if (ep < 0 || bench_set_nonblock(listener) || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev))
		return bench_fail(side, -errno, "epoll");
	while (!res) {
		int n = epoll_wait(ep, events, EVENTS, -1);

		if (n < 0)
			return bench_fail(side, -errno, "epoll_wait");
		for (int i = 0; i < n && !res; i++)
			res = events[i].data.fd == listener ? accept_all(side, ep, listener) :
							      echo(side, events[i].data.fd, buf);
	}
	return res;
}

#ifdef WEIR_HAVE_LIBUV

#include <uv.h>

static void uv_give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	static char buf[BUFFER_BYTES];

	(void)handle;
	(void)wanted;
	*ret = uv_buf_init(buf, sizeof(buf));
}

static void uv_gone(uv_handle_t *handle)
{
	free(handle);
}

static void uv_received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct bench_side *side = stream->data;
	uv_buf_t out;

	if (n < 0) {
		uv_close((uv_handle_t *)stream, uv_gone);
		return;
	}
	if (!n)
		return;
	if (buf->base[0] == 'R')
		publish(side);
	out = uv_buf_init(buf->base, (unsigned)n);
	if (uv_try_write(stream, &out, 1) != n)
		bench_fail(side, -EAGAIN, "uv_try_write");
	bench_rx_add(side, 1, (uint64_t)n);
}

static void uv_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *tcp = status ? NULL : malloc(sizeof(*tcp));

	if (!tcp)
		return;
	uv_tcp_init(listener->loop, tcp);
	tcp->data = listener->data;
	if (uv_accept(listener, (uv_stream_t *)tcp)) {
		uv_close((uv_handle_t *)tcp, uv_gone);
		return;
	}
	uv_tcp_nodelay(tcp, 1);
	uv_read_start((uv_stream_t *)tcp, uv_give_buffer, uv_received);
}

int bench_conn_rx_uv(struct bench_side *side)
{
	static uv_tcp_t listener;
	uv_loop_t *loop = uv_default_loop();
	int fd = bench_tcp_listen(side), res;

	if (fd < 0)
		return fd;
	uv_tcp_init(loop, &listener);
	listener.data = side;
	res = uv_tcp_open(&listener, fd);
	if (!res)
		res = uv_listen((uv_stream_t *)&listener, 4096, uv_connection);
	if (res)
		return bench_fail(side, res, "libuv");
	uv_run(loop, UV_RUN_DEFAULT);
	return bench_fail(side, -EPIPE, "uv_run");
}

const char *bench_conn_uv_missing(const struct bench_settings *set)
{
	(void)set;
	return NULL;
}

#else

int bench_conn_rx_uv(struct bench_side *side)
{
	return bench_fail(side, -ENOSYS, "libuv");
}

const char *bench_conn_uv_missing(const struct bench_settings *set)
{
	(void)set;
	return "built without libuv";
}

#endif
