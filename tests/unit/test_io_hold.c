/* SPDX-License-Identifier: MIT */
/*
 * test_io_hold.c - messages of a weir_io whose slices cannot be held: copied, or said to be lost.
 *
 * Theory: the table of held slices grows by realloc(), copies are made by malloc(); both are this
 * program's and fail when told to.  The application keeps every message while more data comes,
 * which would be written over a slice that went back with its event.  Frames are of ten bytes, so
 * that one slice has many: where the application stops after the first, the rest waits.
 */
#include <sys/socket.h>
#include <weir/io.h>

#include "t.h"

#ifdef __GLIBC__
#define FRAME 10
#define MESSAGES 100

/* Sanitizers have memory of their own. */
#if T_SLOW == 1
#define real_realloc __libc_realloc
#define real_malloc __libc_malloc
#else
#define real_realloc __interceptor_realloc
#define real_malloc __interceptor_malloc
#endif

void *real_realloc(void *mem, size_t bytes);
void *real_malloc(size_t bytes);

static bool no_holds, no_copies;

void *realloc(void *mem, size_t bytes)
{
	return no_holds ? NULL : real_realloc(mem, bytes);
}

void *malloc(size_t bytes)
{
	return no_copies ? NULL : real_malloc(bytes);
}

/* Not t_until(): a weir_io lives by callbacks. */
#define until(e, cond)                                                     \
	do {                                                               \
		while (!(cond))                                            \
			assert_true(weir_engine_dispatch(e, 1000000) > 0); \
	} while (0)

struct rig {
	struct weir_engine *e;
	struct weir_buf_pool *pool;
	struct weir_io *io;
	int raw;
	struct weir_buf *kept[MESSAGES + 1];
	unsigned count;
	unsigned errors;
	int error;
	bool pauses;	/* at each message */
	bool last_copy; /* behind this message there is no memory */
	bool frees;
};

static int segment(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	(void)buf;
	return FRAME;
}

static void got(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rig *r = weir_io_user(io);

	if (res < 0) {
		assert_null(buf);
		r->error = res;
		r->errors++;
		return;
	}
	assert_int_equal(res, weir_buf_len(buf));
	assert_true(r->count < T_COUNT(r->kept));
	if (r->frees)
		weir_buf_free(buf);
	else
		r->kept[r->count] = buf;
	r->count++;
	if (r->pauses)
		weir_io_pause(io);
	if (r->last_copy)
		no_copies = true;
}

static void got_from(struct weir_io *io, int res, struct weir_buf *buf, const struct sockaddr *peer)
{
	(void)peer;
	got(io, res, buf);
}

static void udp_pair(int fds[2])
{
	struct weir_addr at[2];

	for (int i = 0; i < 2; i++)
		fds[i] = t_raw_udp("127.0.0.1:0", &at[i]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(connect(fds[i], &at[1 - i].sa, at[1 - i].len), 0);
}

static void start(struct rig *r, int type, bool frames)
{
	struct weir_engine_opts eo = { .size = sizeof(eo), .plane = WEIR_PLANE_EPOLL };
	/* Freed memory does not stay: each copy asks for its own. */
	struct weir_buf_pool_opts po = { .size = sizeof(po), .cache_bytes = 1, .hold_max = 1000 };
	struct weir_io_ops ops = { .read = got, .segment = frames ? segment : NULL };
	int mode = WEIR_IO_READ_WRITE, fds[2];
	struct weir_timer timer = { 0 };

	memset(r, 0, sizeof(*r));
	no_holds = no_copies = false;
	if (type == SOCK_DGRAM) {
		ops = (struct weir_io_ops){ .received_from = got_from };
		mode = WEIR_IO_RECVFROM_SENDTO;
	}
	if (type == SOCK_DGRAM)
		udp_pair(fds);
	else
		assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	r->raw = fds[1];
	r->e = t_open(&eo);
	assert_int_equal(weir_buf_pool_new(&r->pool, r->e, &po, NULL), 0);
	assert_int_equal(weir_io_new(&r->io, r->pool, mode, NULL, &ops, r, NULL, NULL), 0);
	assert_int_equal(weir_io_open(r->io, fds[0], NULL), 0);
	/* All memory but that of holds and copies is there: timers', and with the first message. */
	assert_int_equal(weir_timer_start(r->e, &timer, 1), 0);
	weir_timer_stop(r->e, &timer);
	no_holds = true;
	r->frees = true;
	assert_int_equal(send(r->raw, "0000000000", FRAME, 0), FRAME);
	until(r->e, r->count);
	r->frees = false;
	r->count = 0;
}

static struct weir_buf_pool_stats stats(const struct rig *r)
{
	struct weir_buf_pool_stats s;

	weir_buf_pool_get_stats(r->pool, &s);
	return s;
}

/* The number @i, over and over. */
static void push(struct rig *r, unsigned i)
{
	char frame[FRAME];

	memset(frame, (int)i + 1, sizeof(frame));
	assert_int_equal(send(r->raw, frame, FRAME, 0), FRAME);
}

static void check_kept(const struct rig *r, unsigned count)
{
	assert_int_equal(r->count, count);
	for (unsigned i = 0; i < count; i++)
		for (size_t k = 0; k < weir_buf_len(r->kept[i]); k++)
			assert_int_equal(r->kept[i]->data[k], i + 1);
}

static void finish(struct rig *r)
{
	no_holds = no_copies = false;
	for (unsigned i = 0; i < r->count; i++)
		weir_buf_free(r->kept[i]);
	assert_int_equal(stats(r).slices_held, 0);
	weir_io_free(r->io);
	assert_int_equal(stats(r).bufs, 0);
	assert_int_equal(stats(r).bad_frees, 0);
	close(r->raw);
	t_close(r->e);
	weir_buf_pool_free(r->pool);
}

static void run_copied(int type)
{
	struct rig r;

	start(&r, type, false);
	for (unsigned i = 0; i < MESSAGES; i++) {
		/* Half way there is memory again. */
		no_holds = i < MESSAGES / 2;
		push(&r, i);
		until(r.e, r.count == i + 1);
		assert_true(weir_buf_shared(r.kept[i]) == !no_holds);
	}
	check_kept(&r, MESSAGES);
	assert_int_equal(stats(&r).copied_bytes, FRAME * (1 + MESSAGES / 2));
	assert_true(stats(&r).slices_held >= 1);
	finish(&r);
}

static void stream_copied(void **state)
{
	(void)state;
	run_copied(SOCK_STREAM);
}

static void datagrams_copied(void **state)
{
	(void)state;
	run_copied(SOCK_DGRAM);
}

static void datagram_lost(void **state)
{
	struct weir_io_stats s;
	struct rig r;

	(void)state;
	start(&r, SOCK_DGRAM, false);
	push(&r, 0);
	until(r.e, r.count == 1);
	no_copies = true;
	for (unsigned i = 0; i < 3; i++) {
		push(&r, 50);
		until(r.e, (weir_io_get_stats(r.io, &s), s.rx_errors == i + 1));
	}
	no_copies = false;
	push(&r, 1);
	until(r.e, r.count == 2);
	check_kept(&r, 2);
	assert_int_equal(r.errors, 0);
	finish(&r);
}

/* What is lost of a stream is said once, and what comes next only to who wants it. */
static void stream_lost(void **state)
{
	struct rig r;

	(void)state;
	start(&r, SOCK_STREAM, false);
	push(&r, 0);
	until(r.e, r.count == 1);
	no_copies = true;
	push(&r, 50);
	until(r.e, r.errors);
	no_copies = false;
	assert_int_equal(r.error, -ENOMEM);
	push(&r, 1);
	for (unsigned i = 0; i < 10; i++)
		assert_true(weir_engine_dispatch(r.e, 0) >= 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(weir_io_register(r.io), 0);
	until(r.e, r.count == 2);
	check_kept(&r, 2);
	assert_int_equal(r.errors, 1);
	finish(&r);
}

static void push_frames(struct rig *r, unsigned count)
{
	char all[MESSAGES * FRAME];

	for (unsigned i = 0; i < count; i++)
		memset(all + i * FRAME, (int)i + 1, FRAME);
	assert_int_equal(send(r->raw, all, count * FRAME, 0), count * FRAME);
}

/* The rest of a slice waits; data that comes later must not be written over it. */
static void waiting_copied(void **state)
{
	struct rig r;

	(void)state;
	start(&r, SOCK_STREAM, true);
	r.pauses = true;
	push_frames(&r, 20);
	for (unsigned i = 1; i <= 20; i++) {
		until(r.e, r.count == i);
		/* the next one follows the first of these to be asked for */
		if (i == 5)
			push(&r, 20);
		weir_io_resume(r.io);
	}
	until(r.e, r.count == 21);
	check_kept(&r, 21);
	assert_int_equal(r.errors, 0);
	finish(&r);
}

static void waiting_lost(void **state)
{
	struct rig r;

	(void)state;
	start(&r, SOCK_STREAM, true);
	r.pauses = r.last_copy = true;
	push_frames(&r, 20);
	until(r.e, r.count == 1);
	no_copies = r.last_copy = r.pauses = false;
	/* Nothing is said while it does not want to hear. */
	assert_int_equal(r.errors, 0);
	assert_int_equal(stats(&r).bufs, 1);
	weir_io_resume(r.io);
	until(r.e, r.errors);
	assert_int_equal(r.error, -ENOMEM);
	check_kept(&r, 1);
	push(&r, 1);
	assert_int_equal(weir_io_register(r.io), 0);
	until(r.e, r.count == 2);
	check_kept(&r, 2);
	assert_int_equal(r.errors, 1);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(stream_copied), T_CASE(datagrams_copied), T_CASE(datagram_lost),
		T_CASE(stream_lost),   T_CASE(waiting_copied),	 T_CASE(waiting_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	puts("only glibc's malloc can be taken the place of");
	return 77;
}
#endif
