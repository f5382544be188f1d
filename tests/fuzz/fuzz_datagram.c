/* SPDX-License-Identifier: MIT */
/*
 * fuzz_datagram.c - datagrams and SCTP messages as io_uring and recvmsg(2) lay them out.
 *
 * Theory: a buffer holds what a kernel could have written, and a completion names it: any head,
 * any control data, any length that the buffer has.  Each is reported once or the buffer goes back
 * to the pool; a slice lies in its buffer behind the head, and its datagrams are the slice cut in
 * pieces.  The engine is one of the epoll plane, whose place the uring plane's state takes while a
 * completion is looked at; the socket is none.
 */
#include <errno.h>
#include <netinet/in.h>
#include <weir/sctp.h>
#include <weir/weir.h>

#include "core/core.h"
#include "fuzz.h"
#include "plane/direct.h"
#include "plane/zcrx.h"

static struct weir_engine *engine;
static struct weir_pool *pool;
static struct uring_plane uring;

static int recv_start(struct weir_sock *s)
{
	(void)s;
	return 0;
}

static void recv_stop(struct weir_sock *s)
{
	weir_core_up.recv_end(s, -ECANCELED);
}

static const struct weir_plane_ops no_plane = { .recv_start = recv_start, .recv_stop = recv_stop };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct weir_engine_opts o = { .size = sizeof(o),
				      .plane = WEIR_PLANE_EPOLL,
				      .area_bytes = 4u << 20 };

	(void)argc;
	(void)argv;
	fuzz_keep_stderr();
	if (weir_engine_open(&engine, &o, NULL) || weir_core_dgram_pool(engine, &pool))
		return 1;
	uring.dgram_pool = pool;
	return 0;
}

static struct weir_sock *sock_new(bool sctp)
{
	struct weir_sock_opts o = { .size = sizeof(o) };
	struct weir_sock *s = weir_sock_new(engine, -1, WEIR_DGRAM, AF_INET, &o);

	must(s);
	s->flags |= WEIR_SOCK_NO_LOWAT;
	s->plane = &no_plane;
	s->rx_armed = true;
	s->is_sctp = sctp;
	return s;
}

/* A buffer that the kernel has had, with what the input says in it. */
static uint32_t fill(struct fuzz_in *in)
{
	int i = weir_pool_take(pool);
	char *data;

	must(i >= 0);
	data = weir_pool_data(pool, (uint32_t)i);
	fuzz_take(in, data, WEIR_DGRAM_HEAD_BYTES + 256);
	return (uint32_t)i;
}

static void complete(struct weir_sock *s, struct fuzz_in *in)
{
	void *before = weir_core_of(engine)->plane_data;
	uint8_t how = fuzz_u8(in);
	struct io_uring_cqe cqe = { .res = (int16_t)fuzz_u16(in), .flags = IORING_CQE_F_MORE };

	if (how & 1)
		cqe.res = (int32_t)WEIR_DGRAM_HEAD_BYTES + cqe.res;
	if (how & 2)
		cqe.res *= 3;
	if (cqe.res > (int)pool->buf_bytes)
		cqe.res = (int)pool->buf_bytes;
	if (cqe.res >= 0 || how & 4)
		cqe.flags |= IORING_CQE_F_BUFFER | fill(in) << IORING_CQE_BUFFER_SHIFT;
	weir_core_of(engine)->plane_data = &uring;
	uring_rx_cqe(s, &cqe);
	weir_core_of(engine)->plane_data = before;
}

/* Control data that is cut says so in its length: no kernel writes one beyond the room. */
static void keep_to_room(char *control, size_t bytes)
{
	size_t at = 0;

	while (at + sizeof(struct cmsghdr) <= bytes) {
		struct cmsghdr *cm = (void *)(control + at);

		if (cm->cmsg_len > bytes - at)
			cm->cmsg_len = bytes - at;
		if (cm->cmsg_len < sizeof(*cm))
			return;
		at += CMSG_ALIGN(cm->cmsg_len);
	}
}

/* As weir_direct_recvmsgs() finds it, and nothing behind it. */
static void direct(struct fuzz_in *in)
{
	size_t bytes = fuzz_u8(in) % (WEIR_DGRAM_CONTROL_BYTES + 1);
	struct msghdr msg = { .msg_control = malloc(bytes + 1), .msg_controllen = bytes };

	must(msg.msg_control);
	fuzz_take(in, msg.msg_control, bytes);
	keep_to_room(msg.msg_control, bytes);
	must(weir_dgram_control(&msg) <= INT32_MAX);
	free(msg.msg_control);
}

static void look_at(const struct weir_slice *v, bool sctp)
{
	const struct weir_pool *p = v->pool;
	const char *begin = weir_pool_data(p, v->buffer), *at = v->data;
	uint32_t count = weir_slice_datagram_count(v), len;

	must(at >= begin + WEIR_DGRAM_HEAD_BYTES);
	must(at + v->len <= begin + p->buf_bytes);
	if (sctp) {
		struct weir_sctp_info info;

		if (!weir_slice_sctp(v, &info))
			must(v->flags & WEIR_SLICE_SCTP);
		return;
	}
	must(count >= 1);
	for (uint32_t i = 0; i < count && i < 100000; i++) {
		must(weir_slice_datagram(v, i, &len) == (const void *)at);
		must(at + len <= (char *)v->data + v->len);
		must(len || !v->len);
		at += len;
	}
	must(count > 100000 || at == (char *)v->data + v->len);
}

static void take_events(struct weir_sock *s)
{
	struct weir_event events[64];
	unsigned n = weir_event_hand_out(engine, events, 64);

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0;
		     events[i].type == WEIR_EVENT_RECEIVED && k < events[i].slice_count; k++)
			look_at(&events[i].slices[k], s->is_sctp);
	weir_engine_done(engine, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct weir_sock *s = sock_new(fuzz_u8(&in) & 1);

	for (unsigned i = 0; i < 20 && in.left; i++) {
		direct(&in);
		complete(s, &in);
	}
	take_events(s);
	must(weir_pool_check(pool));
	must(pool->count[WEIR_BUF_FREE] == pool->buf_count);
	weir_event_forget_sock(engine, s);
	weir_sock_free(s);
	return 0;
}
