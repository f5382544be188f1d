/* SPDX-License-Identifier: MIT */
/*
 * test_io.h - what the tests of weir_io share: a rig, a framed protocol, raw peers that move bytes.
 *
 * Theory: the protocol is a frame of 8 bytes (length of all, index; both big-endian) and contents
 * that follow from the index, so that every message says by itself whether it is the right one.
 * One side is a weir_io, the other plain system calls.  At the end of each test nothing may be
 * left: no buffer in use, no slice held, no descriptor.
 */
#ifndef WEIR_TESTS_TEST_IO_H
#define WEIR_TESTS_TEST_IO_H

#include "t.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <weir/io.h>

#define UNUSED __attribute__((unused))
#define HEADER 8u
#define RAW_CHUNK 65536

enum act { ACT_NONE, ACT_PAUSE, ACT_UNREGISTER, ACT_CLOSE, ACT_REOPEN, ACT_FREE, ACT_COUNT };

static const char *const act_names[] UNUSED = { "none",	 "pause",  "unregister",
						"close", "reopen", "free" };

struct rig {
	struct weir_engine *e;
	struct weir_buf_pool *pool;
	struct weir_io *io;
	int raw;	/* the other side, -1 for none */
	int spare;	/* a second connection, for ACT_REOPEN; -1 for none */
	int spare_raw;	/* its other side */
	unsigned frees; /* ACT_FREE was done */
};

static UNUSED void be32(void *to, uint32_t v)
{
	v = htonl(v);
	memcpy(to, &v, sizeof v);
}

static UNUSED uint32_t get32(const void *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof v);
	return ntohl(v);
}

/* ---- frames ---- */

static UNUSED void frame_fill(void *to, uint32_t index, uint32_t len)
{
	assert_true(len >= HEADER);
	be32(to, len);
	be32((char *)to + 4, index);
	t_pattern_fill((char *)to + HEADER, index, 0, len - HEADER);
}

static UNUSED void frame_check(const void *data, size_t len, uint32_t index)
{
	if (len < HEADER || get32(data) != len)
		fail_msg("message %u: %zu bytes, header says %u", index, len,
			 len >= 4 ? get32(data) : 0);
	if (get32((const char *)data + 4) != index)
		fail_msg("message %u came, not %u", get32((const char *)data + 4), index);
	t_pattern_check((const char *)data + HEADER, index, 0, len - HEADER);
}

/* The whole stream of @count frames, lengths drawn from HEADER to @max. */
static UNUSED char *frames_new(uint32_t count, uint32_t max, size_t *retlen)
{
	size_t room = (size_t)count * max, at = 0;
	char *all = malloc(room ? room : 1);

	assert_non_null(all);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len = HEADER + (uint32_t)t_rand_size(max - HEADER + 1) - 1;

		frame_fill(all + at, i, len);
		at += len;
	}
	*retlen = at;
	return all;
}

static UNUSED int frame_segment(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	if (weir_buf_len(buf) < 4)
		return -EAGAIN;
	return (int)get32(buf->data);
}

static UNUSED struct weir_buf *frame_buf(struct weir_buf_pool *pool, uint32_t index, uint32_t len)
{
	struct weir_buf *b = weir_buf_new(pool, len, 16);

	assert_non_null(b);
	frame_fill(weir_buf_put(b, len), index, len);
	return b;
}

/* ---- raw side ---- */

/* Write what goes, in pieces of up to @max bytes; returns bytes written. */
static UNUSED size_t raw_push(int fd, const char *data, size_t len, size_t max)
{
	ssize_t n;

	if (!len)
		return 0;
	n = send(fd, data, len < max ? len : max, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
		fail_msg("send: %s", strerror(errno));
	return n > 0 ? (size_t)n : 0;
}

struct raw_reader {
	char *data;
	size_t len, room;
	uint32_t frames; /* complete and checked */
	size_t checked;
	bool ended;
};

/* Read what is there and check the frames it completes. */
static UNUSED void raw_pull(int fd, struct raw_reader *r, size_t max)
{
	ssize_t n;

	if (r->room < r->len + max) {
		r->room = 2 * (r->len + max);
		r->data = realloc(r->data, r->room);
		assert_non_null(r->data);
	}
	n = recv(fd, r->data + r->len, max, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		r->ended = true;
	else if (n < 0 && errno != EAGAIN)
		fail_msg("recv: %s", strerror(errno));
	if (n > 0)
		r->len += (size_t)n;
	while (r->len - r->checked >= HEADER) {
		uint32_t len = get32(r->data + r->checked);

		if (r->len - r->checked < len)
			break;
		frame_check(r->data + r->checked, len, r->frames++);
		r->checked += len;
	}
}

static UNUSED void raw_reader_done(struct raw_reader *r)
{
	free(r->data);
	memset(r, 0, sizeof *r);
}

/* ---- rig ---- */

static UNUSED void rig_start(struct rig *r, const struct weir_engine_opts *eo,
			     const struct weir_buf_pool_opts *po)
{
	memset(r, 0, sizeof *r);
	r->raw = r->spare = r->spare_raw = -1;
	t_api = T_API_CALLBACKS;
	r->e = t_open(eo);
	assert_int_equal(weir_buf_pool_new(&r->pool, r->e, po, NULL), 0);
}

static UNUSED void rig_io(struct rig *r, enum weir_io_mode mode, const struct weir_io_ops *ops,
			  void *user, const struct weir_io_opts *o)
{
	struct weir_error err = { 0 };

	if (weir_io_new(&r->io, r->pool, mode, "rig", ops, user, o, &err))
		fail_msg("weir_io_new: %s: %s", err.stage, err.hint);
}

/* A weir_io on one end of a TCP connection. */
static UNUSED void rig_tcp(struct rig *r, enum weir_io_mode mode, const struct weir_io_ops *ops,
			   void *user, const struct weir_io_opts *o)
{
	int fds[2];

	rig_io(r, mode, ops, user, o);
	t_raw_pair(fds);
	r->raw = fds[1];
	assert_int_equal(weir_io_open(r->io, fds[0], NULL), 0);
}

static UNUSED void rig_spare(struct rig *r)
{
	int fds[2];

	t_raw_pair(fds);
	r->spare = fds[0];
	r->spare_raw = fds[1];
}

static UNUSED struct weir_buf_pool_stats pool_stats(struct rig *r)
{
	struct weir_buf_pool_stats s;

	weir_buf_pool_get_stats(r->pool, &s);
	return s;
}

static UNUSED struct weir_io_stats io_stats(struct rig *r)
{
	struct weir_io_stats s;

	weir_io_get_stats(r->io, &s);
	return s;
}

/* Everything the pool gave out has come back. */
static UNUSED void rig_settle(struct rig *r)
{
	struct weir_buf_pool_stats s;

	t_note("buffers coming back");
	t_until_polled(r->e, pool_stats(r).bufs == 0, (void)0);
	s = pool_stats(r);
	assert_int_equal(s.slices_held, 0);
	assert_int_equal(s.bad_frees, 0);
}

static UNUSED void rig_end(struct rig *r)
{
	struct weir_engine_stats es;

	if (!r->frees)
		weir_io_free(r->io);
	r->io = NULL;
	rig_settle(r);
	t_note("sockets closing");
	t_until_polled(r->e, (weir_engine_get_stats(r->e, &es), es.sockets == 0), (void)0);
	if (r->raw >= 0)
		close(r->raw);
	if (r->spare >= 0)
		close(r->spare);
	if (r->spare_raw >= 0)
		close(r->spare_raw);
	t_close(r->e);
	weir_buf_pool_free(r->pool);
}

/* What a callback does to its weir_io. */
static UNUSED void do_act(struct rig *r, enum act act)
{
	switch (act) {
	case ACT_PAUSE:
		weir_io_pause(r->io);
		break;
	case ACT_UNREGISTER:
		assert_int_equal(weir_io_unregister(r->io), 0);
		break;
	case ACT_CLOSE:
		weir_io_close(r->io);
		assert_int_equal(weir_io_fd(r->io), -1);
		break;
	case ACT_REOPEN:
		weir_io_close(r->io);
		assert_int_equal(weir_io_open(r->io, r->spare, NULL), 0);
		r->spare = -1;
		break;
	case ACT_FREE:
		weir_io_free(r->io);
		r->io = NULL;
		r->frees = 1;
		break;
	default:
		break;
	}
}

#endif
