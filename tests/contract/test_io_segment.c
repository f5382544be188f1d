/* SPDX-License-Identifier: MIT */
/*
 * test_io_segment.c - weir_io on streams: finding the messages.
 *
 * Theory: whatever the arrival looks like (many messages per slice, messages across slices, a byte
 * at a time) and however the segmentation callback says it, the same messages come out, in order.
 * Nothing is copied where a message lies in one slice.  Nonsense from the callback ends in an
 * error with the bytes in question, never in a loop or a lost byte.
 */
#include "test_io.h"

struct rx {
	struct rig rig;
	uint32_t got;
	uint64_t asked;
	int res;     /* last result that was no message */
	bool told;   /* there was one */
	size_t left; /* bytes in its buffer */
	struct weir_buf *kept[4096];
	unsigned kept_count;
	bool keep;
	unsigned shared;
};

static void on_read(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	if (res <= 0) {
		assert_false(x->told);
		x->told = true;
		x->res = res;
		x->left = buf ? weir_buf_len(buf) : 0;
		weir_buf_free(buf);
		return;
	}
	assert_int_equal(res, weir_buf_len(buf));
	frame_check(buf->data, weir_buf_len(buf), x->got++);
	/* What lies next to a borrowed message is another message. */
	if (weir_buf_shared(buf)) {
		x->shared++;
		assert_int_equal(weir_buf_tailroom(buf), 0);
		assert_int_equal(weir_buf_headroom(buf), 0);
	}
	if (x->keep && x->kept_count < T_COUNT(x->kept))
		x->kept[x->kept_count++] = buf;
	else
		weir_buf_free(buf);
}

static int on_segment(struct weir_io *io, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	x->asked++;
	return frame_segment(io, buf);
}

static const struct weir_io_ops ops = { .read = on_read, .segment = on_segment };

static struct rx *rx_new(const struct weir_engine_opts *eo, const struct weir_io_ops *o,
			 const struct weir_io_opts *io)
{
	struct rx *x = calloc(1, sizeof *x);

	assert_non_null(x);
	rig_start(&x->rig, eo, NULL);
	rig_tcp(&x->rig, WEIR_IO_READ_WRITE, o, x, io);
	return x;
}

static void rx_free(struct rx *x)
{
	for (unsigned i = 0; i < x->kept_count; i++)
		weir_buf_free(x->kept[i]);
	rig_end(&x->rig);
	free(x);
}

/* Send @count frames in writes of up to @chunk bytes; all must arrive. */
static void rx_run(struct rx *x, uint32_t count, uint32_t max, size_t chunk)
{
	size_t len, at = 0;
	char *all = frames_new(count, max, &len);
	uint32_t first = x->got;

	assert_int_equal(first, 0);
	t_note("%u frames of up to %u bytes in writes of %zu", count, max, chunk);
	t_until_polled(x->rig.e, x->got == count,
		       at += raw_push(x->rig.raw, all + at, len - at, 1 + t_rand_below(chunk)));
	assert_int_equal(at, len);
	assert_int_equal(io_stats(&x->rig).rx_messages, count);
	assert_int_equal(io_stats(&x->rig).rx_bytes, len);
	free(all);
}

static const struct weir_engine_opts small_buffers = {
	.size = sizeof small_buffers,
	.buffer_bytes = 4096,
	.area_bytes = 64 << 10,
};

/* Many messages in each slice: none is copied but those that straddle. */
static void many_per_slice(void **state)
{
	struct rx *x = rx_new(NULL, &ops, NULL);
	struct weir_buf_pool_stats s;

	(void)state;
	rx_run(x, 20000, 100, RAW_CHUNK);
	s = pool_stats(&x->rig);
	assert_int_equal(s.copied_bytes, s.straddle_bytes);
	assert_int_equal(s.limit_bytes, 0);
	if (!t_faulty()) {
		/* A few slices of many kilobytes each: at most one message each is copied. */
		assert_true(x->shared > 20000 * 8 / 10);
		assert_true(s.copied_bytes < io_stats(&x->rig).rx_bytes / 4);
	}
	rx_free(x);
}

/* Messages that lie in three and more buffers, and small ones between. */
static void across_slices(void **state)
{
	struct rx *x = rx_new(&small_buffers, &ops, NULL);

	(void)state;
	rx_run(x, 3000, 20000, RAW_CHUNK);
	assert_true(pool_stats(&x->rig).straddle_bytes > 0);
	rx_free(x);
}

static void byte_by_byte(void **state)
{
	struct rx *x = rx_new(NULL, &ops, NULL);
	size_t len, at = 0;
	char *all = frames_new(60, 60, &len);

	(void)state;
	for (; at < len; at++) {
		uint64_t bytes;

		t_until_polled(x->rig.e, raw_push(x->rig.raw, all + at, 1, 1) == 1, (void)0);
		/* Each byte arrives by itself: it is a slice of its own. */
		bytes = at + 1;
		t_until_polled(x->rig.e, ({
				       struct weir_sock_stats s;

				       weir_sock_get_stats(weir_io_sock(x->rig.io), &s);
				       s.rx_bytes >= bytes;
			       }),
			       (void)0);
	}
	t_until(x->rig.e, x->got == 60);
	/* Once for each byte of the length, then once when the message is complete. */
	assert_true(x->asked <= 60 * 6);
	free(all);
	rx_free(x);
}

/* One message of 300 KB in many pieces; the length is known after the first: it grows once. */
static void large_message(void **state)
{
	struct rx *x = rx_new(&small_buffers, &ops, NULL);
	uint32_t len = 300000;
	size_t at = 0;
	char *all = malloc(len);

	(void)state;
	assert_non_null(all);
	frame_fill(all, 0, len);
	t_until_polled(x->rig.e, x->got == 1, at += raw_push(x->rig.raw, all + at, len - at, 7000));
	assert_true(pool_stats(&x->rig).copied_bytes <= 2 * len);
	assert_true(x->asked <= 8);
	free(all);
	rx_free(x);
}

/* Says at first only how long the header is. */
static int segment_header_first(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	if (weir_buf_len(buf) < HEADER)
		return HEADER;
	return (int)get32(buf->data);
}

/* Says nothing but "more" until all is there. */
static int segment_only_again(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	if (weir_buf_len(buf) < 4 || weir_buf_len(buf) < get32(buf->data))
		return -EAGAIN;
	return (int)get32(buf->data);
}

/* Shortens the buffer itself, which is the library's business. */
static int segment_trims(struct weir_io *io, struct weir_buf *buf)
{
	uint32_t len;

	(void)io;
	if (weir_buf_len(buf) < 4)
		return -EAGAIN;
	len = get32(buf->data);
	(void)weir_buf_trim(buf, len < weir_buf_len(buf) ? len : 4);
	return (int)len;
}

static void callback_styles(void **state)
{
	int (*const styles[])(struct weir_io *, struct weir_buf *) = {
		segment_header_first,
		segment_only_again,
		segment_trims,
	};
	const size_t chunks[] = { 7, 1000, RAW_CHUNK };

	(void)state;
	for (size_t i = 0; i < T_COUNT(styles) * T_COUNT(chunks); i++) {
		struct weir_io_ops o = {
			.read = on_read,
			.segment = styles[i % T_COUNT(styles)],
		};
		size_t chunk = chunks[i / T_COUNT(styles)];
		struct rx *x = rx_new(&small_buffers, &o, NULL);

		rx_run(x, chunk < 100 ? 100 : 2000, chunk < 100 ? 100 : 9000, chunk);
		rx_free(x);
	}
}

/* The callback parses: takes the header off, leaves a mark and a note for the reader. */
static int segment_parses(struct weir_io *io, struct weir_buf *buf)
{
	uint32_t len;

	(void)io;
	if (weir_buf_len(buf) < HEADER)
		return -EAGAIN;
	len = get32(buf->data);
	buf->mark[0] = buf->data;
	buf->cb[0] = get32(buf->data + 4);
	assert_non_null(weir_buf_pull(buf, HEADER));
	return (int)len;
}

static void read_parsed(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	assert_true(res > 0 && buf);
	assert_int_equal(buf->cb[0], x->got);
	assert_ptr_equal(buf->mark[0] + HEADER, buf->data);
	assert_int_equal(res, weir_buf_len(buf) + HEADER);
	assert_int_equal(get32(buf->mark[0]), res);
	t_pattern_check(buf->data, x->got, 0, weir_buf_len(buf));
	/* What was pulled can be pushed. */
	assert_ptr_equal(weir_buf_push(buf, HEADER), buf->mark[0]);
	frame_check(buf->data, weir_buf_len(buf), x->got++);
	weir_buf_free(buf);
}

static void parsing_is_kept(void **state)
{
	const struct weir_io_ops o = { .read = read_parsed, .segment = segment_parses };
	struct rx *x = rx_new(&small_buffers, &o, NULL);
	size_t len, at = 0;
	char *all = frames_new(3000, 3000, &len); /* some are a header alone */

	(void)state;
	t_until_polled(x->rig.e, x->got == 3000,
		       at += raw_push(x->rig.raw, all + at, len - at, 1 + t_rand_below(9000)));
	free(all);
	rx_free(x);
}

/* ---- errors ---- */

static int verdict;

static int segment_verdict(struct weir_io *io, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	x->asked++;
	return x->got < 3 ? frame_segment(io, buf) : verdict;
}

static void verdict_case(int given, int expected)
{
	const struct weir_io_ops o = { .read = on_read, .segment = segment_verdict };
	const struct weir_io_opts io = { .size = sizeof io, .message_max = 5000 };
	struct rx *x = rx_new(NULL, &o, &io);
	size_t len, at = 0;
	char *all = frames_new(10, 40, &len);
	uint64_t asked;

	t_note("verdict %d", given);
	verdict = given;
	t_until_polled(x->rig.e, x->told, at += raw_push(x->rig.raw, all + at, len - at, len));
	assert_int_equal(x->res, expected);
	assert_int_equal(x->got, 3);
	assert_true(x->left > 0);
	assert_int_equal(io_stats(&x->rig).rx_errors, 1);
	/* Nothing more is looked at, though more arrives. */
	asked = x->asked;
	assert_int_equal(raw_push(x->rig.raw, "more", 4, 4), 4);
	t_step_idle(x->rig.e);
	assert_int_equal(x->asked, asked);
	/* Sending goes on. */
	assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, 0, 20)), 0);
	t_until(x->rig.e, weir_io_tx_queue_len(x->rig.io) == 0);
	free(all);
	rx_free(x);
}

static void impossible_lengths(void **state)
{
	(void)state;
	verdict_case(0, -EPROTO);
	verdict_case(5001, -EPROTO);
	verdict_case(INT32_MAX, -EPROTO);
	verdict_case(-EBADMSG, -EBADMSG);
	verdict_case(-1000, -1000);
	verdict_case(INT32_MIN, INT32_MIN);
}

/* A text that never ends: refused at message_max, not collected for ever. */
static int segment_never(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	(void)buf;
	return -EAGAIN;
}

static void endless_message(void **state)
{
	const struct weir_io_ops o = { .read = on_read, .segment = segment_never };
	const struct weir_io_opts io = { .size = sizeof io, .message_max = 50000 };
	struct rx *x = rx_new(&small_buffers, &o, &io);
	static const char some[1000];

	(void)state;
	t_until_polled(x->rig.e, x->told, (void)raw_push(x->rig.raw, some, sizeof some, 1000));
	assert_int_equal(x->res, -EPROTO);
	assert_true(x->left > 50000);
	rx_free(x);
}

/* Pulls more than it says the message has. */
static int segment_pulls_all(struct weir_io *io, struct weir_buf *buf)
{
	int len = (int)weir_buf_len(buf);

	(void)io;
	(void)weir_buf_pull(buf, weir_buf_len(buf));
	return len - 1;
}

static void pull_beyond_message(void **state)
{
	const struct weir_io_ops o = { .read = on_read, .segment = segment_pulls_all };
	struct rx *x = rx_new(NULL, &o, NULL);

	(void)state;
	assert_int_equal(raw_push(x->rig.raw, "0123456789", 10, 10), 10);
	t_until(x->rig.e, x->told);
	assert_int_equal(x->res, -EPROTO);
	rx_free(x);
}

/* After an error weir_io_register() goes on behind the refused bytes. */
static int segment_refuses_x(struct weir_io *io, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	x->asked++;
	if (buf->data[0] == 'x')
		return -EBADMSG;
	return frame_segment(io, buf);
}

static void go_on_after_error(void **state)
{
	const struct weir_io_ops o = { .read = on_read, .segment = segment_refuses_x };
	struct rx *x = rx_new(NULL, &o, NULL);
	char frame[50];

	(void)state;
	assert_int_equal(raw_push(x->rig.raw, "x", 1, 1), 1);
	t_until(x->rig.e, x->told);
	assert_int_equal(x->left, 1);
	x->told = false;
	frame_fill(frame, 0, sizeof frame);
	assert_int_equal(raw_push(x->rig.raw, frame, sizeof frame, 50), 50);
	assert_int_equal(weir_io_register(x->rig.io), 0);
	t_until(x->rig.e, x->got == 1);
	rx_free(x);
}

/* ---- the end of the stream ---- */

static void end_in_a_message(void **state)
{
	struct rx *x = rx_new(NULL, &ops, NULL);
	char frame[100];

	(void)state;
	frame_fill(frame, 0, 100);
	assert_int_equal(raw_push(x->rig.raw, frame, 100, 100), 100);
	frame_fill(frame, 1, 100);
	assert_int_equal(raw_push(x->rig.raw, frame, 70, 70), 70);
	shutdown(x->rig.raw, SHUT_WR);
	t_until(x->rig.e, x->told);
	assert_int_equal(x->got, 1);
	assert_int_equal(x->res, 0);
	assert_int_equal(x->left, 70);
	rx_free(x);
}

static void end_after_a_message(void **state)
{
	struct rx *x = rx_new(NULL, &ops, NULL);
	char frame[100];

	(void)state;
	frame_fill(frame, 0, 100);
	assert_int_equal(raw_push(x->rig.raw, frame, 100, 100), 100);
	shutdown(x->rig.raw, SHUT_WR);
	t_until(x->rig.e, x->told);
	assert_int_equal(x->got, 1);
	assert_int_equal(x->res, 0);
	assert_int_equal(x->left, 0);
	/* Told once, also if other things happen. */
	assert_int_equal(weir_io_write(x->rig.io, frame_buf(x->rig.pool, 0, 20)), 0);
	t_until(x->rig.e, weir_io_tx_queue_len(x->rig.io) == 0);
	t_step_idle(x->rig.e);
	rx_free(x);
}

static void reset_by_peer(void **state)
{
	const struct linger hard = { .l_onoff = 1 };
	struct rx *x = rx_new(NULL, &ops, NULL);

	(void)state;
	setsockopt(x->rig.raw, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(x->rig.raw);
	x->rig.raw = -1;
	t_until(x->rig.e, x->told);
	assert_int_equal(x->res, -ECONNRESET);
	assert_int_equal(io_stats(&x->rig).rx_errors, 1);
	rx_free(x);
}

/* ---- changes at run time ---- */

static int segment_lines(struct weir_io *io, struct weir_buf *buf)
{
	const uint8_t *nl = memchr(buf->data, '\n', weir_buf_len(buf));

	(void)io;
	return nl ? (int)(nl + 1 - buf->data) : -EAGAIN;
}

static void read_lines(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	assert_true(res > 0);
	if (weir_buf_len(buf) == 5 && !memcmp(buf->data, "go b\n", 5)) {
		/* The rest of this very slice is of another protocol. */
		assert_int_equal(weir_io_set_ops(io, &ops), 0);
	}
	x->shared++;
	weir_buf_free(buf);
}

static void change_protocol(void **state)
{
	const struct weir_io_ops lines = { .read = read_lines, .segment = segment_lines };
	struct rx *x = rx_new(NULL, &lines, NULL);
	char text[200] = "hello\nworld\ngo b\n";
	size_t at = strlen(text);

	(void)state;
	frame_fill(text + at, 0, 50);
	frame_fill(text + at + 50, 1, 60);
	assert_int_equal(raw_push(x->rig.raw, text, at + 110, at + 110), at + 110);
	t_until(x->rig.e, x->got == 2);
	rx_free(x);
}

/* An incomplete message is looked at again when the callback changes, also by none at all. */
static void change_with_pending(void **state)
{
	struct rx *x = rx_new(NULL, &ops, NULL);
	const struct weir_io_ops lines = { .read = read_lines, .segment = segment_lines };
	struct weir_io_ops now;

	(void)state;
	assert_int_equal(raw_push(x->rig.raw, "\0\1\0\0some text\n", 14, 14), 14);
	t_until(x->rig.e, x->asked > 0);
	t_step_idle(x->rig.e);
	assert_int_equal(weir_io_set_ops(x->rig.io, &lines), 0);
	weir_io_get_ops(x->rig.io, &now);
	assert_memory_equal(&now, &lines, sizeof now);
	x->shared = 0;
	t_until(x->rig.e, x->shared == 1);
	assert_int_equal(raw_push(x->rig.raw, "no newline", 10, 10), 10);
	t_until(x->rig.e, pool_stats(&x->rig).bufs == 1);
	t_step_idle(x->rig.e);
	assert_int_equal(x->shared, 1);
	assert_int_equal(weir_io_set_segmentation(x->rig.io, NULL), 0);
	t_until(x->rig.e, x->shared >= 2);
	rx_free(x);
}

/* Changed inside the segmentation callback itself, which says "not yet". */
static int segment_changes_itself(struct weir_io *io, struct weir_buf *buf)
{
	(void)buf;
	assert_int_equal(weir_io_set_segmentation(io, on_segment), 0);
	return -EAGAIN;
}

static void change_inside_segment(void **state)
{
	const struct weir_io_ops o = { .read = on_read, .segment = segment_changes_itself };
	struct rx *x = rx_new(NULL, &o, NULL);
	char frame[70];

	(void)state;
	frame_fill(frame, 0, sizeof frame);
	assert_int_equal(raw_push(x->rig.raw, frame, sizeof frame, 70), 70);
	t_until(x->rig.e, x->got == 1);
	rx_free(x);
}

/* Takes back what it said: first wants 30 bytes, then says that 10 are a message. */
static int segment_takes_back(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	return weir_buf_len(buf) < 30 ? 30 : 10;
}

static void read_tens(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	if (res == 0) {
		x->told = true;
		x->left = buf ? weir_buf_len(buf) : 0;
		weir_buf_free(buf);
		return;
	}
	assert_int_equal(res, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(buf->data[i], 'a' + (x->got * 10 + i) % 26);
	x->got++;
	weir_buf_free(buf);
}

static void callback_takes_back(void **state)
{
	const struct weir_io_ops o = { .read = read_tens, .segment = segment_takes_back };
	struct rx *x = rx_new(NULL, &o, NULL);
	char text[1000];
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = 'a' + i % 26;
	while (at < sizeof text) {
		at += raw_push(x->rig.raw, text + at, sizeof text - at, 1 + t_rand_below(25));
		t_step(x->rig.e, 2000);
	}
	shutdown(x->rig.raw, SHUT_WR);
	t_until(x->rig.e, x->told);
	/* All but what never became 30. */
	assert_int_equal(x->got * 10 + x->left, sizeof text);
	rx_free(x);
}

/* ---- memory ---- */

/* Room asked for: every message is copied, with headroom and tailroom, writable and separate. */
static void read_with_room(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	assert_true(res > 0);
	assert_false(weir_buf_shared(buf));
	assert_true(weir_buf_headroom(buf) >= 64);
	assert_true(weir_buf_len(buf) + weir_buf_tailroom(buf) >= 2048);
	memset(weir_buf_push(buf, 64), 0xee, 64);
	memset(weir_buf_put(buf, weir_buf_tailroom(buf)), 0xee, 1);
	weir_buf_pull(buf, 64);
	assert_int_equal(weir_buf_trim(buf, (size_t)res), 0);
	frame_check(buf->data, weir_buf_len(buf), x->got++);
	weir_buf_free(buf);
}

static void alloc_info(void **state)
{
	const struct weir_io_ops o = { .read = read_with_room, .segment = on_segment };
	const struct weir_io_opts io = {
		.size = sizeof io,
		.alloc_bytes = 2048,
		.headroom_bytes = 64,
	};
	struct rx *x = rx_new(&small_buffers, &o, &io);

	(void)state;
	rx_run(x, 2000, 1500, 10000);
	assert_true(io_stats(&x->rig).rx_copied_bytes >= io_stats(&x->rig).rx_bytes);
	rx_free(x);
}

/* Messages that are kept stay as they were; above the limit they are copied, nothing starves. */
static void keep_messages(void **state)
{
	struct rx *x = rx_new(&small_buffers, &ops, NULL);
	struct weir_buf_pool_stats s;

	(void)state;
	x->keep = true;
	rx_run(x, 4000, 500, RAW_CHUNK);
	s = pool_stats(&x->rig);
	assert_int_equal(s.bufs, 4000);
	assert_true(s.limit_bytes > 0);
	for (unsigned i = 0; i < x->kept_count; i++)
		frame_check(x->kept[i]->data, weir_buf_len(x->kept[i]), i);
	for (unsigned i = 0; i < x->kept_count; i++) {
		if (i % 2)
			assert_int_equal(weir_buf_own(x->kept[i], i % 100, i % 300), 0);
		frame_check(x->kept[i]->data, weir_buf_len(x->kept[i]), i);
	}
	rx_free(x);
}

/* Back to the peer without a copy: the message goes out of the slice it came in. */
static void read_echo(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct rx *x = weir_io_user(io);

	assert_true(res > 0);
	x->got++;
	assert_int_equal(weir_io_write(io, buf), 0);
}

static void echo(void **state)
{
	const struct weir_io_ops o = { .read = read_echo, .segment = on_segment };
	const struct weir_io_opts io = { .size = sizeof io, .tx_queue_max = 100000 };
	struct rx *x = rx_new(NULL, &o, &io);
	struct raw_reader r = { 0 };
	size_t len, at = 0;
	char *all = frames_new(20000, 300, &len);

	(void)state;
	t_until_polled(x->rig.e, r.frames == 20000, {
		at += raw_push(x->rig.raw, all + at, len - at, 5000);
		raw_pull(x->rig.raw, &r, RAW_CHUNK);
	});
	assert_int_equal(x->got, 20000);
	free(all);
	raw_reader_done(&r);
	rx_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(many_per_slice),	     T_CASE(across_slices),
		T_CASE(byte_by_byte),	     T_CASE(large_message),
		T_CASE(callback_styles),     T_CASE(parsing_is_kept),
		T_CASE(impossible_lengths),  T_CASE(endless_message),
		T_CASE(pull_beyond_message), T_CASE(go_on_after_error),
		T_CASE(end_in_a_message),    T_CASE(end_after_a_message),
		T_CASE(reset_by_peer),	     T_CASE(change_protocol),
		T_CASE(change_with_pending), T_CASE(change_inside_segment),
		T_CASE(callback_takes_back), T_CASE(alloc_info),
		T_CASE(keep_messages),	     T_CASE(echo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
