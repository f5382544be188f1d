/* SPDX-License-Identifier: MIT */
/*
 * test_io_life.c - weir_io: making, opening, closing, and doing so inside its own callbacks.
 *
 * Theory: every callback may stop, close, reopen or free the weir_io it belongs to, with messages
 * of the same slice still to come; afterwards exactly what was said happens: no callback, or the
 * rest of the messages once it goes on.  What a call refuses it leaves alone.
 */
#include "test_io.h"

#include <sys/un.h>

struct life {
	struct rig rig;
	uint32_t got;
	uint32_t base; /* index of the first message of the present connection */
	enum act act;
	uint32_t act_at;
	bool in_segment; /* act there, not in read */
	bool complete;	 /* and only when all of the message is there */
	bool gone;	 /* no callback may come */
	bool ended;
	int end_res;
	int connected; /* 1 + number of calls */
	int connect_res;
	unsigned closed;
	struct weir_io *server;
	struct weir_sock *listener;
};

static void on_read(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct life *x = weir_io_user(io);

	assert_false(x->gone);
	if (res <= 0) {
		x->ended = true;
		x->end_res = res;
		weir_buf_free(buf);
		return;
	}
	frame_check(buf->data, weir_buf_len(buf), x->got - x->base);
	x->got++;
	if (x->act && !x->in_segment && x->got == x->act_at) {
		x->gone = true;
		do_act(&x->rig, x->act);
		/* The message is ours whatever became of the weir_io. */
		frame_check(buf->data, weir_buf_len(buf), x->got - 1 - x->base);
	}
	weir_buf_free(buf);
}

static int on_segment(struct weir_io *io, struct weir_buf *buf)
{
	struct life *x = weir_io_user(io);

	assert_false(x->gone);
	if (x->complete && (weir_buf_len(buf) < 4 || weir_buf_len(buf) < get32(buf->data)))
		return frame_segment(io, buf);
	if (x->act && x->in_segment && x->got + 1 == x->act_at) {
		enum act act = x->act;

		x->act = ACT_NONE;
		x->gone = true;
		do_act(&x->rig, act);
		/* What it was asked about is still there. */
		if (weir_buf_len(buf) >= 4 && weir_buf_len(buf) >= get32(buf->data))
			frame_check(buf->data, get32(buf->data), x->got - x->base);
	}
	return frame_segment(io, buf);
}

static void on_connected(struct weir_io *io, int res)
{
	struct life *x = weir_io_user(io);

	x->connected++;
	x->connect_res = res;
	if (x->act)
		do_act(&x->rig, x->act);
}

static void on_closed(struct weir_io *io)
{
	struct life *x = weir_io_user(io);

	x->closed++;
	if (x->act)
		do_act(&x->rig, x->act);
}

static const struct weir_io_ops ops = {
	.connected = on_connected,
	.closed = on_closed,
	.read = on_read,
	.segment = on_segment,
};

static struct life *life_new(void)
{
	struct life *x = calloc(1, sizeof *x);

	assert_non_null(x);
	rig_start(&x->rig, NULL, NULL);
	return x;
}

static void life_free(struct life *x)
{
	rig_end(&x->rig);
	free(x);
}

/* ---- arguments ---- */

static void bad_arguments(void **state)
{
	struct weir_io_opts o = { .size = sizeof o };
	struct weir_io_ops mixed = { .read = on_read };
	struct weir_error err = { 0 };
	struct weir_io *io = NULL;
	struct rig r;

	(void)state;
	rig_start(&r, NULL, NULL);
	t_expect(weir_io_new(&io, NULL, 0, "x", &ops, NULL, NULL, &err), &err, -EINVAL);
	t_expect(weir_io_new(NULL, r.pool, 0, "x", &ops, NULL, NULL, &err), &err, -EINVAL);
	t_expect(weir_io_new(&io, r.pool, (enum weir_io_mode)3, "x", NULL, NULL, NULL, &err), &err,
		 -EINVAL);
	t_expect(weir_io_new(&io, r.pool, WEIR_IO_RECVFROM_SENDTO, "x", &mixed, NULL, NULL, &err),
		 &err, -EINVAL);
	t_expect(weir_io_new(&io, r.pool, WEIR_IO_RECVMSG_SENDMSG, "x", &mixed, NULL, NULL, &err),
		 &err, -EINVAL);
	o.flags = 1u << 31;
	t_expect(weir_io_new(&io, r.pool, 0, "x", &ops, NULL, &o, &err), &err, -EINVAL);
	o.flags = 0;
	o.reserved = 1;
	t_expect(weir_io_new(&io, r.pool, 0, "x", &ops, NULL, &o, &err), &err, -EINVAL);
	o.reserved = 0;
	o.tx_queue_low = 2000;
	t_expect(weir_io_new(&io, r.pool, 0, "x", &ops, NULL, &o, &err), &err, -EINVAL);
	o.tx_queue_low = 0;
	o.message_max = UINT32_MAX;
	t_expect(weir_io_new(&io, r.pool, 0, "x", &ops, NULL, &o, &err), &err, -EINVAL);
	o.message_max = 0;
	o.alloc_bytes = 2 << 20;
	t_expect(weir_io_new(&io, r.pool, 0, "x", &ops, NULL, &o, &err), &err, -EINVAL);
	assert_null(io);
	rig_io(&r, WEIR_IO_READ_WRITE, &ops, NULL, NULL);
	mixed.received_from = NULL;
	mixed.sent_msg = (void (*)(struct weir_io *, int, struct weir_buf *))on_read;
	assert_int_equal(weir_io_set_ops(r.io, &mixed), -EINVAL);
	assert_int_equal(weir_io_set_ops(r.io, NULL), -EINVAL);
	assert_int_equal(weir_io_set_alloc(r.io, 2 << 20, 0), -EINVAL);
	rig_end(&r);
}

static void settings(void **state)
{
	struct weir_io_opts o = { .size = sizeof o, .priv_nr = 7 };
	char text[256], tiny[8];
	struct life *x = life_new();
	struct weir_io *io;

	(void)state;
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, &o);
	io = x->rig.io;
	assert_string_equal(weir_io_name(io), "rig");
	assert_string_equal(weir_sock_name(weir_io_sock(io)), "rig");
	weir_io_set_name(io, "%s-%d", weir_io_name(io), 5);
	assert_string_equal(weir_io_name(io), "rig-5");
	weir_io_set_name(io, "%0100d", 5);
	assert_int_equal(strlen(weir_io_name(io)), 63);
	weir_io_set_name(io, NULL);
	assert_string_equal(weir_io_name(io), "");
	assert_int_equal(weir_io_priv_nr(io), 7);
	weir_io_set_priv_nr(io, 9);
	assert_int_equal(weir_io_priv_nr(io), 9);
	assert_ptr_equal(weir_io_user(io), x);
	weir_io_set_user(io, NULL);
	assert_null(weir_io_user(io));
	weir_io_set_user(io, x);
	assert_ptr_equal(weir_io_pool(io), x->rig.pool);
	assert_int_equal(weir_io_mode(io), WEIR_IO_READ_WRITE);
	assert_true(weir_io_fd(io) >= 0);
	assert_string_equal(weir_io_mode_name(WEIR_IO_READ_WRITE), "read/write");
	assert_string_equal(weir_io_mode_name(WEIR_IO_RECVFROM_SENDTO), "recvfrom/sendto");
	assert_string_equal(weir_io_mode_name(WEIR_IO_RECVMSG_SENDMSG), "recvmsg/sendmsg");
	assert_string_equal(weir_io_mode_name((enum weir_io_mode)77), "?");
	weir_io_set_name(io, "abis");
	assert_non_null(strstr(weir_io_describe(io, text, sizeof text), "abis: read/write"));
	assert_non_null(strstr(text, weir_plane_name(weir_engine_plane(x->rig.e))));
	assert_int_equal(strlen(weir_io_describe(io, tiny, sizeof tiny)), 7);
	weir_io_close(io);
	assert_non_null(strstr(weir_io_describe(io, text, sizeof text), "closed"));
	assert_int_equal(weir_io_unregister(io), -ENOTCONN);
	assert_int_equal(weir_io_register(io), -ENOTCONN);
	assert_int_equal(weir_io_finish(io), -ENOTCONN);
	weir_io_close(io);
	life_free(x);
}

/* Descriptors that do not suit are refused and stay the caller's. */
static void wrong_descriptors(void **state)
{
	struct weir_error err = { 0 };
	struct weir_addr a;
	struct rig r;
	int fds[2], fd;

	(void)state;
	rig_start(&r, NULL, NULL);
	rig_io(&r, WEIR_IO_READ_WRITE, &ops, NULL, NULL);
	assert_int_equal(pipe(fds), 0);
	t_expect(weir_io_open(r.io, fds[0], &err), &err, -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
	t_expect(weir_io_open(r.io, -1, &err), &err, -EBADF);
	fd = t_raw_listen("127.0.0.1:0", &a);
	t_expect(weir_io_open(r.io, fd, &err), &err, -EPROTOTYPE);
	close(fd);
	fd = t_raw_udp("127.0.0.1:0", &a);
	t_expect(weir_io_open(r.io, fd, &err), &err, -EPROTOTYPE);
	t_expect(weir_io_udp_open(r.io, "127.0.0.1:0", NULL, &err), &err, -EPROTOTYPE);
	close(fd);
	t_expect(weir_io_connect(r.io, "nonsense", NULL, &err), &err, -EINVAL);
	t_raw_pair(fds);
	assert_int_equal(weir_io_open(r.io, fds[0], &err), 0);
	t_expect(weir_io_open(r.io, fds[1], &err), &err, -EISCONN);
	r.raw = fds[1];
	rig_end(&r);

	rig_start(&r, NULL, NULL);
	rig_io(&r, WEIR_IO_RECVFROM_SENDTO, NULL, NULL, NULL);
	t_raw_pair(fds);
	t_expect(weir_io_open(r.io, fds[0], &err), &err, -EPROTOTYPE);
	t_expect(weir_io_connect(r.io, "127.0.0.1:1", NULL, &err), &err, -EPROTOTYPE);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	t_expect(weir_io_open(r.io, fds[0], &err), &err, -EOPNOTSUPP);
	close(fds[0]);
	close(fds[1]);
	rig_end(&r);
}

/* ---- inside the receive callbacks ---- */

static void act_case(enum act act, bool in_segment, bool complete, size_t chunk)
{
	struct life *x = life_new();
	size_t len, at = 0;
	char *all = frames_new(40, 300, &len);

	t_note("%s inside %s, writes of %zu", act_names[act], in_segment ? "segment" : "read",
	       chunk);
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
	rig_spare(&x->rig);
	x->act = act;
	x->act_at = 5;
	x->in_segment = in_segment;
	x->complete = complete;
	t_until_polled(x->rig.e, x->gone, at += raw_push(x->rig.raw, all + at, len - at, chunk));
	/* Whatever else arrives, nothing may be called. */
	at += raw_push(x->rig.raw, all + at, len - at, len);
	t_step_idle(x->rig.e);
	assert_int_equal(x->got, in_segment ? 4 : 5);
	x->gone = false;
	x->act = ACT_NONE;
	if (act == ACT_PAUSE || act == ACT_UNREGISTER) {
		if (act == ACT_PAUSE)
			weir_io_resume(x->rig.io);
		else
			assert_int_equal(weir_io_register(x->rig.io), 0);
		t_until_polled(x->rig.e, x->got == 40,
			       at += raw_push(x->rig.raw, all + at, len - at, chunk));
	} else if (act == ACT_REOPEN) {
		/* The new connection begins with a clean slate. */
		x->base = x->got;
		at = 0;
		t_until_polled(x->rig.e, x->got == x->base + 40,
			       at += raw_push(x->rig.spare_raw, all + at, len - at, chunk));
	}
	free(all);
	life_free(x);
}

static void act_inside_read(void **state)
{
	(void)state;
	for (enum act act = ACT_PAUSE; act < ACT_COUNT; act++) {
		act_case(act, false, false, RAW_CHUNK);
		act_case(act, false, false, 50);
	}
}

static void act_inside_segment(void **state)
{
	(void)state;
	for (enum act act = ACT_PAUSE; act < ACT_COUNT; act++) {
		act_case(act, true, false, RAW_CHUNK);
		act_case(act, true, false, 50);
		act_case(act, true, true, 50);
	}
}

/* Also in the call that tells the end of the stream. */
static void read_end_frees(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct life *x = weir_io_user(io);

	assert_int_equal(res, 0);
	assert_null(buf);
	do_act(&x->rig, x->act);
	x->ended = true;
}

static void act_inside_end(void **state)
{
	const struct weir_io_ops o = { .read = read_end_frees };

	(void)state;
	for (enum act act = ACT_PAUSE; act < ACT_COUNT; act++) {
		struct life *x = life_new();

		rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &o, x, NULL);
		rig_spare(&x->rig);
		x->act = act;
		shutdown(x->rig.raw, SHUT_WR);
		t_until(x->rig.e, x->ended);
		t_step_idle(x->rig.e);
		life_free(x);
	}
}

/* ---- stopping and going on ---- */

/* No reader, no reading: what was sent meanwhile comes with the first reader. */
static void reader_later(void **state)
{
	static const struct weir_io_ops none;
	struct life *x = life_new();
	size_t len, at = 0;
	char *all = frames_new(100, 3000, &len);

	(void)state;
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, NULL, x, NULL);
	at += raw_push(x->rig.raw, all, len, len);
	t_step_idle(x->rig.e);
	assert_int_equal(weir_io_set_ops(x->rig.io, &ops), 0);
	t_until_polled(x->rig.e, x->got >= 10,
		       at += raw_push(x->rig.raw, all + at, len - at, 3000));
	assert_int_equal(weir_io_set_ops(x->rig.io, &none), 0);
	at += raw_push(x->rig.raw, all + at, len - at, len);
	t_step_idle(x->rig.e);
	assert_int_equal(weir_io_set_ops(x->rig.io, &ops), 0);
	t_until_polled(x->rig.e, x->got == 100,
		       at += raw_push(x->rig.raw, all + at, len - at, len));
	free(all);
	life_free(x);
}

/* On and off again and again: nothing is lost, nothing comes while it is off. */
static void on_and_off(void **state)
{
	struct life *x = life_new();
	size_t len, at = 0;
	char *all = frames_new(5000, 200, &len);

	(void)state;
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
	while (x->got < 5000) {
		bool pause = t_rand_below(2);
		uint32_t got;

		if (pause)
			weir_io_pause(x->rig.io);
		else
			assert_int_equal(weir_io_unregister(x->rig.io), 0);
		x->gone = true;
		at += raw_push(x->rig.raw, all + at, len - at, 1 + t_rand_below(20000));
		t_step_idle(x->rig.e);
		x->gone = false;
		got = x->got;
		if (pause)
			weir_io_resume(x->rig.io);
		else
			assert_int_equal(weir_io_register(x->rig.io), 0);
		assert_int_equal(got, x->got); /* no callback from inside a call */
		t_step(x->rig.e, 2000);
	}
	free(all);
	life_free(x);
}

/* The end of the stream is told after everything before it, also if it waited. */
static void end_waits(void **state)
{
	struct life *x = life_new();
	size_t len;
	char *all = frames_new(20, 200, &len);

	(void)state;
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
	assert_int_equal(weir_io_unregister(x->rig.io), 0);
	assert_int_equal(raw_push(x->rig.raw, all, len, len), len);
	shutdown(x->rig.raw, SHUT_WR);
	x->gone = true;
	t_step_idle(x->rig.e);
	x->gone = false;
	assert_int_equal(weir_io_register(x->rig.io), 0);
	t_until(x->rig.e, x->ended);
	assert_int_equal(x->got, 20);
	assert_int_equal(x->end_res, 0);
	free(all);
	life_free(x);
}

/* ---- connect, accept ---- */

static void server_read(struct weir_io *io, int res, struct weir_buf *buf)
{
	if (res > 0) {
		assert_int_equal(weir_io_write(io, buf), 0);
		return;
	}
	weir_buf_free(buf);
	weir_io_free(io);
}

static void accepted(struct weir_sock *listener, struct weir_sock *s, void *user)
{
	static const struct weir_io_ops server = { .read = server_read };
	struct life *x = user;

	(void)listener;
	assert_int_equal(weir_io_new(&x->server, x->rig.pool, WEIR_IO_READ_WRITE, "server", &server,
				     NULL, NULL, NULL),
			 0);
	assert_int_equal(weir_io_attach(x->server, s, NULL), 0);
	assert_int_equal(weir_io_attach(x->server, s, NULL), -EISCONN);
}

static const char *listen_on(struct life *x, const char *address, char *text, size_t bytes)
{
	static const struct weir_sock_ops listener = { .accepted = accepted };

	assert_int_equal(weir_listen(x->rig.e, address, &listener, x, NULL, &x->listener, NULL), 0);
	return t_local_text(x->listener, text, bytes);
}

static void connect_and_accept(void **state)
{
	const char *const addresses[] = { "127.0.0.1:0", "[::1]:0", t_unix() };

	(void)state;
	for (size_t i = 0; i < T_COUNT(addresses); i++) {
		struct life *x = life_new();
		char to[128];

		listen_on(x, addresses[i], to, sizeof to);
		rig_io(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
		assert_int_equal(weir_io_connect(x->rig.io, to, NULL, NULL), 0);
		/* Sent before it is connected: queued. */
		for (uint32_t n = 0; n < 50; n++)
			assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, n, 99)),
					 0);
		t_until(x->rig.e, x->got == 50);
		assert_int_equal(x->connected, 1);
		assert_int_equal(x->connect_res, 0);
		weir_sock_close(x->listener);
		life_free(x);
	}
}

/* Nobody listens: told once, with the reason, then it is closed and can be used again. */
static void connect_refused(void **state)
{
	struct life *x = life_new();
	struct weir_addr a;
	char to[128];
	int fd = t_raw_listen("127.0.0.1:0", &a);

	(void)state;
	close(fd);
	weir_addr_format(&a.sa, to, sizeof to);
	rig_io(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(weir_io_connect(x->rig.io, to, NULL, NULL), 0);
		assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, 0, 9)), 0);
		t_until(x->rig.e, x->connected == i);
		assert_int_equal(x->connect_res, -ECONNREFUSED);
		assert_int_equal(weir_io_fd(x->rig.io), -1);
		assert_int_equal(weir_io_tx_queue_len(x->rig.io), 0);
	}
	life_free(x);
}

static void act_inside_connected(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * ACT_COUNT; i++) {
		struct life *x = life_new();
		enum act act = i / 2;
		struct weir_addr a;
		char to[128];
		int fd = t_raw_listen("127.0.0.1:0", &a);

		weir_addr_format(&a.sa, to, sizeof to);
		if (i % 2) {
			close(fd);
			fd = -1;
			if (act == ACT_UNREGISTER || act == ACT_PAUSE)
				act = ACT_FREE;
		}
		t_note("%s inside connected", act_names[act]);
		rig_io(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
		rig_spare(&x->rig);
		x->act = act;
		assert_int_equal(weir_io_connect(x->rig.io, to, NULL, NULL), 0);
		assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, 0, 9)), 0);
		t_until(x->rig.e, x->connected);
		t_step_idle(x->rig.e);
		assert_int_equal(x->connected, 1);
		if (act == ACT_REOPEN)
			assert_true(weir_io_fd(x->rig.io) >= 0);
		if (fd >= 0)
			close(fd);
		life_free(x);
	}
}

/* Free and reopen inside closed(). */
static void act_inside_closed(void **state)
{
	const enum act acts[] = { ACT_NONE, ACT_CLOSE, ACT_REOPEN, ACT_FREE };

	(void)state;
	for (size_t i = 0; i < T_COUNT(acts); i++) {
		struct life *x = life_new();

		rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
		rig_spare(&x->rig);
		x->act = acts[i];
		assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, 0, 90)), 0);
		assert_int_equal(weir_io_finish(x->rig.io), 0);
		/* A peer that does not end its side either would be waited for. */
		shutdown(x->rig.raw, SHUT_WR);
		t_until(x->rig.e, x->closed == 1);
		x->act = ACT_NONE;
		if (acts[i] == ACT_REOPEN) {
			char frame[30];

			frame_fill(frame, 0, sizeof frame);
			assert_int_equal(raw_push(x->rig.spare_raw, frame, 30, 30), 30);
			t_until(x->rig.e, x->got == 1);
		}
		t_step_idle(x->rig.e);
		assert_int_equal(x->closed, 1);
		life_free(x);
	}
}

/* Freed outside of callbacks, at random moments of lively traffic. */
static void free_any_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct life *x = life_new();
		size_t len, at = 0;
		char *all = frames_new(200, 2000, &len);
		unsigned steps = (unsigned)t_rand_below(30);

		rig_tcp(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
		while (steps--) {
			struct weir_buf *b = frame_buf(x->rig.pool, steps, 2000);

			at += raw_push(x->rig.raw, all + at, len - at, 20000);
			if (weir_io_write(x->rig.io, b))
				weir_buf_free(b);
			t_step(x->rig.e, 0);
		}
		if (t_rand_below(2))
			weir_io_close(x->rig.io);
		free(all);
		life_free(x);
	}
}

/* Two weir_ios that free each other from their callbacks. */
struct couple {
	struct rig rig;
	struct weir_io *io[2];
	int raw[2];
	unsigned calls;
};

static void read_frees_other(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct couple *c = weir_io_user(io);
	unsigned other = io == c->io[0];

	assert_true(res > 0);
	assert_non_null(c->io[0]);
	weir_buf_free(buf);
	c->calls++;
	weir_io_free(c->io[other]);
	weir_io_free(c->io[!other]);
	c->io[0] = c->io[1] = NULL;
}

static void free_each_other(void **state)
{
	const struct weir_io_ops o = { .read = read_frees_other };
	struct couple c = { 0 };

	(void)state;
	rig_start(&c.rig, NULL, NULL);
	for (unsigned i = 0; i < 2; i++) {
		int fds[2];

		rig_io(&c.rig, WEIR_IO_READ_WRITE, &o, &c, NULL);
		c.io[i] = c.rig.io;
		t_raw_pair(fds);
		c.raw[i] = fds[1];
		assert_int_equal(weir_io_open(c.io[i], fds[0], NULL), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(raw_push(c.raw[i], "hello", 5, 5), 5);
	t_until(c.rig.e, c.calls);
	t_step_idle(c.rig.e);
	assert_int_equal(c.calls, 1);
	c.rig.frees = 1;
	rig_end(&c.rig);
	close(c.raw[0]);
	close(c.raw[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(bad_arguments),	    T_CASE(settings),
		T_CASE(wrong_descriptors),  T_CASE(act_inside_read),
		T_CASE(act_inside_segment), T_CASE(act_inside_end),
		T_CASE(reader_later),	    T_CASE(on_and_off),
		T_CASE(end_waits),	    T_CASE(connect_and_accept),
		T_CASE(connect_refused),    T_CASE(act_inside_connected),
		T_CASE(act_inside_closed),  T_CASE(free_any_time),
		T_CASE(free_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
