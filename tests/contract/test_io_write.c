/* SPDX-License-Identifier: MIT */
/*
 * test_io_write.c - weir_io, sending: order, partial writes, the bounded queue, errors.
 *
 * Theory: our send buffer is as small as the kernel allows and the peer reads slowly, so that
 * writes are partial.  Still each message is told exactly once, in order, with its whole length,
 * and the peer sees the stream as it was queued.  The queue says full and low with
 * hysteresis, and a buffer is the library's if and only if the call returned 0.
 *
 * Zerocopy: always
 */
#include "test_io.h"

struct tx {
	struct rig rig;
	struct raw_reader reader;
	uint32_t queued; /* messages taken by the library */
	uint32_t told;	 /* results */
	uint32_t failed; /* of these, errors */
	unsigned full, low;
	uint32_t full_at, low_at;
	uint32_t again; /* messages to send from inside the callback */
	uint32_t max;
	enum act act;
	uint32_t act_at;
	bool gone;
};

static uint32_t len_of(const struct tx *x, uint32_t index)
{
	return HEADER + (index * 2654435761u >> 3) % (x->max - HEADER);
}

static int send_one(struct tx *x)
{
	struct weir_buf *b = frame_buf(x->rig.pool, x->queued, len_of(x, x->queued));
	int rc = weir_io_write(x->rig.io, b);

	if (rc)
		weir_buf_free(b); /* still ours */
	else
		x->queued++;
	return rc;
}

static void on_written(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct tx *x = weir_io_user(io);

	assert_false(x->gone);
	assert_non_null(buf);
	assert_int_equal(get32(buf->data + 4), x->told);
	if (res < 0)
		x->failed++;
	else
		assert_int_equal(res, weir_buf_len(buf));
	frame_check(buf->data, weir_buf_len(buf), x->told++);
	if (x->again) {
		x->again--;
		assert_int_equal(send_one(x), 0);
	}
	if (x->act && x->told == x->act_at) {
		x->gone = x->act != ACT_PAUSE;
		do_act(&x->rig, x->act);
	}
}

static void on_full(struct weir_io *io)
{
	struct tx *x = weir_io_user(io);

	assert_int_equal(x->full, x->low);
	x->full++;
	x->full_at = weir_io_tx_queue_len(io);
}

static void on_low(struct weir_io *io)
{
	struct tx *x = weir_io_user(io);

	x->low++;
	assert_int_equal(x->full, x->low);
	x->low_at = weir_io_tx_queue_len(io);
}

static const struct weir_io_ops ops = {
	.written = on_written,
	.tx_full = on_full,
	.tx_low = on_low,
};

enum kind { WIDE, NARROW, NARROW_UNIX };

static struct tx *tx_new(const struct weir_io_opts *o, uint32_t max, enum kind kind)
{
	struct tx *x = calloc(1, sizeof *x);
	int fds[2], small = 1;

	assert_non_null(x);
	x->max = max;
	rig_start(&x->rig, NULL, NULL);
	rig_io(&x->rig, WEIR_IO_READ_WRITE, &ops, x, o);
	if (kind == NARROW_UNIX)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	else
		t_raw_pair(fds);
	if (kind != WIDE)
		assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, 4), 0);
	x->rig.raw = fds[1];
	assert_int_equal(weir_io_open(x->rig.io, fds[0], NULL), 0);
	return x;
}

static void tx_free(struct tx *x)
{
	raw_reader_done(&x->reader);
	rig_end(&x->rig);
	free(x);
}

static void drain(struct tx *x, uint32_t frames)
{
	t_until_polled(x->rig.e, x->reader.frames == frames,
		       raw_pull(x->rig.raw, &x->reader, 1 + t_rand_below(20000)));
}

/* Messages larger than the send buffer, a reader that takes a few kilobytes at a time. */
static void partial_writes(void **state)
{
	const uint32_t flights[] = { 0, 1, 5 };

	(void)state;
	for (size_t i = 0; i < 2 * T_COUNT(flights); i++) {
		const struct weir_io_opts o = { .size = sizeof o, .tx_flight_max = flights[i / 2] };
		/* TCP takes 64 KiB at once, however small the buffer is. */
		bool tcp = i % 2;
		uint32_t count = tcp ? 10 : 150;
		struct tx *x = tx_new(&o, tcp ? 300000 : 30000, tcp ? NARROW : NARROW_UNIX);
		struct weir_sock_stats s;

		while (x->queued < count)
			assert_int_equal(send_one(x), 0);
		drain(x, count);
		t_until(x->rig.e, x->told == count);
		assert_int_equal(x->failed, 0);
		weir_sock_get_stats(weir_io_sock(x->rig.io), &s);
		/* io_uring continues them in the kernel; elsewhere they must be seen. */
		if (weir_engine_plane(x->rig.e) == WEIR_PLANE_EPOLL)
			assert_true(s.tx_partial > 0);
		assert_int_equal(io_stats(&x->rig).tx_messages, count);
		assert_int_equal(io_stats(&x->rig).tx_bytes, x->reader.len);
		assert_int_equal(weir_io_tx_queue_len(x->rig.io), 0);
		tx_free(x);
	}
}

/* Small ones by the thousand: several are in flight, the order stays. */
static void many_small(void **state)
{
	const struct weir_io_opts o = { .size = sizeof o, .tx_queue_max = 30000 };
	struct tx *x = tx_new(&o, 80, WIDE);

	(void)state;
	while (x->queued < 20000)
		assert_int_equal(send_one(x), 0);
	drain(x, 20000);
	t_until(x->rig.e, x->told == 20000);
	tx_free(x);
}

/* What is sent from inside the callback takes its place behind what waits. */
static void order_from_written(void **state)
{
	const struct weir_io_opts o = { .size = sizeof o, .tx_flight_max = 4 };
	struct tx *x = tx_new(&o, 3000, WIDE);

	(void)state;
	x->again = 300;
	while (x->queued < 50)
		assert_int_equal(send_one(x), 0);
	drain(x, 350);
	t_until(x->rig.e, x->told == 350);
	tx_free(x);
}

/* Each result sends the next: a queue of one is enough. */
static void send_from_written(void **state)
{
	const struct weir_io_opts o = { .size = sizeof o, .tx_queue_max = 1 };
	struct tx *x = tx_new(&o, 3000, WIDE);

	(void)state;
	x->again = 500;
	assert_int_equal(send_one(x), 0);
	assert_int_equal(x->full, 1);
	assert_int_equal(send_one(x), -ENOSPC);
	drain(x, 501);
	t_until(x->rig.e, x->told == 501);
	assert_int_equal(io_stats(&x->rig).tx_queue_max_seen, 1);
	tx_free(x);
}

static void full_and_low(void **state)
{
	const struct weir_io_opts o = {
		.size = sizeof o,
		.tx_queue_max = 40,
		.tx_queue_low = 10,
		.tx_flight_max = 8,
	};
	struct tx *x = tx_new(&o, 30000, NARROW_UNIX);

	(void)state;
	for (unsigned round = 1; round <= 5; round++) {
		int rc;

		while ((rc = send_one(x)) == 0)
			t_step(x->rig.e, 0);
		assert_int_equal(rc, -ENOSPC);
		assert_int_equal(x->full, round);
		assert_int_equal(x->full_at, 40);
		assert_int_equal(weir_io_tx_queue_len(x->rig.io), 40);
		/* Refused again and again: still one signal. */
		assert_int_equal(send_one(x), -ENOSPC);
		assert_int_equal(x->full, round);
		t_until_polled(x->rig.e, x->low == round, raw_pull(x->rig.raw, &x->reader, 5000));
		assert_true(x->low_at <= 10);
	}
	assert_true(io_stats(&x->rig).tx_refused >= 10);
	assert_int_equal(io_stats(&x->rig).tx_queue_max_seen, 40);
	drain(x, x->queued);
	t_until(x->rig.e, x->told == x->queued);
	tx_free(x);
}

/* Bounds can be changed; a queue longer than its new bound refuses until it is low. */
static void change_bounds(void **state)
{
	struct tx *x = tx_new(NULL, 30000, NARROW_UNIX);

	(void)state;
	while (x->queued < 50)
		assert_int_equal(send_one(x), 0);
	assert_int_equal(weir_io_set_tx_queue(x->rig.io, 10, 10), -EINVAL);
	assert_int_equal(weir_io_set_tx_queue(x->rig.io, 10, 2), 0);
	assert_int_equal(send_one(x), -ENOSPC);
	x->full = 1; /* refused is as good as told */
	t_until_polled(x->rig.e, x->low == 1, raw_pull(x->rig.raw, &x->reader, 9000));
	assert_true(x->low_at <= 2);
	drain(x, 50);
	t_until(x->rig.e, x->told == 50);
	tx_free(x);
}

/* Queued before there is a socket: sent when there is one. */
static void queue_first(void **state)
{
	struct tx *x = calloc(1, sizeof *x);
	int fds[2];

	(void)state;
	assert_non_null(x);
	x->max = 500;
	rig_start(&x->rig, NULL, NULL);
	rig_io(&x->rig, WEIR_IO_READ_WRITE, &ops, x, NULL);
	while (x->queued < 200)
		assert_int_equal(send_one(x), 0);
	t_step_idle(x->rig.e);
	assert_int_equal(weir_io_tx_queue_len(x->rig.io), 200);
	t_raw_pair(fds);
	x->rig.raw = fds[1];
	assert_int_equal(weir_io_open(x->rig.io, fds[0], NULL), 0);
	drain(x, 200);
	t_until(x->rig.e, x->told == 200);
	tx_free(x);
}

/* What waits can be taken back; what the socket has goes its way. */
static void clear(void **state)
{
	const struct weir_io_opts o = {
		.size = sizeof o,
		.tx_flight_max = 4,
		.tx_queue_max = 100,
	};
	struct tx *x = tx_new(&o, 30000, NARROW_UNIX);

	(void)state;
	while (send_one(x) == 0)
		;
	assert_int_equal(weir_io_tx_queue_len(x->rig.io), 100);
	weir_io_tx_queue_clear(x->rig.io);
	assert_int_equal(weir_io_tx_queue_len(x->rig.io), 4);
	assert_int_equal(pool_stats(&x->rig).bufs, 4);
	t_until(x->rig.e, x->low == 1);
	drain(x, 4);
	t_until(x->rig.e, x->told == 4);
	tx_free(x);
}

/* Misuse is refused, and the message stays the caller's. */
static void misuse(void **state)
{
	struct tx *x = tx_new(NULL, 3000, WIDE);
	struct rig other;
	struct weir_buf *b = weir_buf_new(x->rig.pool, 10, 0);

	(void)state;
	assert_non_null(b);
	assert_int_equal(weir_io_write(x->rig.io, b), -EINVAL); /* empty */
	assert_int_equal(weir_buf_append(b, "x", 1), 0);
	assert_int_equal(weir_io_sendto(x->rig.io, b, 0, NULL), -EPROTOTYPE);
	assert_int_equal(weir_io_sendmsg(x->rig.io, b, 0, NULL), -EPROTOTYPE);
	weir_buf_free(b);

	rig_start(&other, NULL, NULL);
	b = frame_buf(other.pool, 0, 20);
	assert_int_equal(weir_io_write(x->rig.io, b), -EXDEV);
	weir_buf_free(b);
	rig_end(&other);

	/* A buffer in a queue is nobody's to send or free. */
	weir_io_close(x->rig.io);
	b = frame_buf(x->rig.pool, 0, 20);
	assert_int_equal(weir_io_write(x->rig.io, b), 0);
	assert_int_equal(weir_io_write(x->rig.io, b), -EBUSY);
	weir_buf_free(b);
	assert_int_equal(pool_stats(&x->rig).bad_frees, 1);
	assert_int_equal(pool_stats(&x->rig).bufs, 1);
	weir_io_free(x->rig.io);
	t_step_idle(x->rig.e);
	close(x->rig.raw);
	t_close(x->rig.e);
	weir_buf_pool_free(x->rig.pool);
	free(x);
}

/* The peer resets: every message that was taken is told once. */
static void peer_gone(void **state)
{
	const struct linger hard = { .l_onoff = 1 };
	struct tx *x = tx_new(NULL, 30000, NARROW_UNIX);
	int rc;

	(void)state;
	while (x->queued < 300)
		assert_int_equal(send_one(x), 0);
	t_step(x->rig.e, 1000);
	setsockopt(x->rig.raw, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(x->rig.raw);
	x->rig.raw = -1;
	t_until(x->rig.e, x->told == x->queued);
	assert_true(x->failed > 0);
	assert_int_equal(io_stats(&x->rig).tx_errors, x->failed);
	/* Now the call itself says it. */
	rc = send_one(x);
	assert_true(rc == -EPIPE || rc == -ECONNRESET);
	assert_int_equal(weir_io_tx_queue_len(x->rig.io), 0);
	tx_free(x);
}

/* Closing, freeing, unregistering and so on inside the callback, with a queue behind it. */
static void act_inside_written(void **state)
{
	const struct weir_io_opts o = { .size = sizeof o, .tx_flight_max = 8 };

	(void)state;
	for (enum act act = ACT_PAUSE; act < ACT_COUNT; act++) {
		struct tx *x = tx_new(&o, 3000, WIDE);
		struct raw_reader spare = { 0 };

		t_note("%s inside the write callback", act_names[act]);
		rig_spare(&x->rig);
		x->act = act;
		x->act_at = 3;
		while (x->queued < 100)
			assert_int_equal(send_one(x), 0);
		t_until(x->rig.e, x->told >= 3);
		if (act == ACT_PAUSE) {
			/* Sending is not concerned. */
			drain(x, 100);
		} else if (act == ACT_UNREGISTER) {
			t_step_idle(x->rig.e);
			assert_int_equal(x->told, 3);
			/* What was in flight arrives, the rest stays. */
			for (unsigned i = 0; i < 100; i++)
				raw_pull(x->rig.raw, &x->reader, RAW_CHUNK);
			assert_true(x->reader.frames <= 3 + 8);
			assert_int_equal(weir_io_tx_queue_len(x->rig.io), 97);
			x->gone = false;
			assert_int_equal(weir_io_register(x->rig.io), 0);
			drain(x, 100);
			t_until(x->rig.e, x->told == 100);
		} else if (act == ACT_REOPEN) {
			t_step_idle(x->rig.e);
			assert_int_equal(x->told, 3);
			assert_int_equal(weir_io_tx_queue_len(x->rig.io), 0);
			x->gone = false;
			x->queued = x->told = 0;
			x->act = ACT_NONE;
			assert_int_equal(send_one(x), 0);
			t_until_polled(x->rig.e, spare.frames == 1,
				       raw_pull(x->rig.spare_raw, &spare, RAW_CHUNK));
			t_until(x->rig.e, x->told == 1);
			raw_reader_done(&spare);
		} else {
			/* The peer sees the end; nothing is told any more. */
			t_until_polled(x->rig.e, x->reader.ended,
				       raw_pull(x->rig.raw, &x->reader, RAW_CHUNK));
			assert_int_equal(x->told, 3);
		}
		tx_free(x);
	}
}

static void act_on_full(struct weir_io *io)
{
	struct tx *x = weir_io_user(io);

	x->full++;
	x->gone = true;
	do_act(&x->rig, x->act);
}

static void act_on_low(struct weir_io *io)
{
	struct tx *x = weir_io_user(io);

	x->low++;
	x->gone = true;
	do_act(&x->rig, x->act);
}

static void act_inside_full_and_low(void **state)
{
	const struct weir_io_opts o = {
		.size = sizeof o,
		.tx_queue_max = 20,
		.tx_flight_max = 4,
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct weir_io_ops mine = ops;
		struct tx *x = tx_new(&o, 3000, WIDE);
		enum act act = i % 2 ? ACT_FREE : ACT_CLOSE;

		mine.tx_full = i < 2 ? act_on_full : NULL;
		mine.tx_low = i < 2 ? NULL : act_on_low;
		assert_int_equal(weir_io_set_ops(x->rig.io, &mine), 0);
		x->act = act;
		x->act_at = UINT32_MAX;
		while (x->queued < 20)
			assert_int_equal(send_one(x), 0);
		if (i >= 2)
			t_until(x->rig.e, x->low == 1);
		else
			assert_int_equal(x->full, 1);
		tx_free(x);
	}
}

/* A graceful end: all of the queue arrives, every result is told, then closed(). */
static bool finished;

static void on_closed(struct weir_io *io)
{
	finished = true;
	assert_int_equal(weir_io_fd(io), -1);
	assert_null(weir_io_sock(io));
	weir_io_set_priv_nr(io, 4711);
}

static void finish(void **state)
{
	struct weir_io_ops mine = ops;
	struct tx *x = tx_new(NULL, 20000, NARROW_UNIX);

	(void)state;
	finished = false;
	mine.closed = on_closed;
	assert_int_equal(weir_io_set_ops(x->rig.io, &mine), 0);
	while (x->queued < 80)
		assert_int_equal(send_one(x), 0);
	assert_int_equal(weir_io_finish(x->rig.io), 0);
	assert_int_equal(weir_io_finish(x->rig.io), 0);
	assert_int_equal(send_one(x), -EPIPE);
	assert_int_equal(weir_io_register(x->rig.io), -ENOTCONN);
	t_until_polled(x->rig.e, x->reader.ended && finished, {
		raw_pull(x->rig.raw, &x->reader, RAW_CHUNK);
		if (x->reader.ended)
			shutdown(x->rig.raw, SHUT_WR);
	});
	assert_int_equal(x->reader.frames, 80);
	assert_int_equal(x->told, 80);
	assert_int_equal(x->failed, 0);
	assert_int_equal(weir_io_priv_nr(x->rig.io), 4711);
	assert_int_equal(weir_io_finish(x->rig.io), -ENOTCONN);
	tx_free(x);
}

/* Steady state: no heap. */
static void no_heap(void **state)
{
	struct tx *x = tx_new(NULL, 3000, WIDE);
	struct weir_buf *warm[32];
	uint64_t calls;

	(void)state;
	for (unsigned size = 200; size < 5000; size *= 2) {
		for (unsigned i = 0; i < T_COUNT(warm); i++) {
			warm[i] = weir_buf_new(x->rig.pool, size, 0);
			assert_non_null(warm[i]);
		}
		for (unsigned i = 0; i < T_COUNT(warm); i++)
			weir_buf_free(warm[i]);
	}
	calls = pool_stats(&x->rig).heap_calls;
	x->again = 2000;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(send_one(x), 0);
	drain(x, 2020);
	t_until(x->rig.e, x->told == 2020);
	assert_int_equal(pool_stats(&x->rig).heap_calls, calls);
	tx_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(partial_writes),
		T_CASE(many_small),
		T_CASE(order_from_written),
		T_CASE(send_from_written),
		T_CASE(full_and_low),
		T_CASE(change_bounds),
		T_CASE(queue_first),
		T_CASE(clear),
		T_CASE(misuse),
		T_CASE(peer_gone),
		T_CASE(act_inside_written),
		T_CASE(act_inside_full_and_low),
		T_CASE(finish),
		T_CASE(no_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
