/* SPDX-License-Identifier: MIT */
/*
 * test_ctx.h - a model of contexts, and of the memory that their sends use.
 *
 * Theory: the model knows for every generation how many bytes were given to it and in which memory
 * they lie.  A RELEASED event must name the next generation of its context, which must be flushed,
 * and its bytes; that moment all its memory is overwritten and freed, so that a release that came
 * too early is seen as wrong content at the receiver, or by ASan.  A send that is refused leaves
 * the model, and the number of the open generation, as they were.  Contents of streams are those
 * of t.h; a datagram carries its number and length, and content that is a function of them.
 */
#ifndef WEIR_TESTS_CTX_H
#define WEIR_TESTS_CTX_H

#include "t_end.h"

#include <weir/ctx.h>

#define MIB (1u << 20)

struct ctx_mem {
	struct ctx_mem *next;
	size_t len;  /* payload */
	size_t room; /* all there is */
	unsigned char *data;
};

struct ctx_gen {
	uint64_t bytes;
	struct ctx_mem *mem;
};

struct ctx_one {
	uint64_t tag;
	uint64_t open;	      /* number of the open generation */
	uint64_t seen;	      /* of the next one to be released */
	bool has_sends;	      /* the open one */
	struct ctx_gen *gens; /* from number 0 */
	uint64_t room;
};

struct ctx_set {
	struct weir_engine *e;
	unsigned count;
	struct ctx_one *one;
	bool may_fail;	/* a socket was closed or broke: generations may have errors */
	bool all_plain; /* nothing was sent without a copy */
	bool one_piece; /* each send is of one piece */
	uint64_t events, empty, failed, bytes, copied;
	int last_res;
	uint64_t unreleased; /* sends whose memory is in use */
	void (*on_released)(struct ctx_set *c, unsigned i, const struct weir_event *ev);
};

/* Tags are random numbers whose last bits say which context it is. */
static inline struct ctx_one *ctx_of_tag(struct ctx_set *c, uint64_t tag)
{
	unsigned i = tag % WEIR_CTX_MAX;

	if (i >= c->count || c->one[i].tag != tag)
		fail_msg("an event with the tag %llx, which no context has",
			 (unsigned long long)tag);
	return &c->one[i];
}

static inline void ctx_mem_free(struct ctx_mem *m)
{
	memset(m->data, 0xdd, m->room);
	free(m->data);
	free(m);
}

/* What weir_engine_opts.released is set to; the event of a batch comes the same way. */
static inline void ctx_released(struct weir_engine *e, const struct weir_event *ev, void *user)
{
	struct ctx_set *c = user;
	struct ctx_one *one = ctx_of_tag(c, ev->gen.tag);
	struct ctx_gen *g = &one->gens[one->seen];
	struct ctx_mem *m;

	assert_ptr_equal(e, c->e);
	assert_int_equal(ev->type, WEIR_EVENT_RELEASED);
	assert_null(ev->sock);
	if (ev->gen.number != one->seen || one->seen >= one->open)
		fail_msg("context %llu: generation %llu ended, %llu is next, %llu is open",
			 (unsigned long long)(one - c->one), (unsigned long long)ev->gen.number,
			 (unsigned long long)one->seen, (unsigned long long)one->open);
	assert_true(ev->res <= 0);
	if (ev->res && !c->may_fail)
		fail_msg("a generation ended with %s", strerror(-ev->res));
	if (ev->gen.bytes > g->bytes || (!ev->res && ev->gen.bytes != g->bytes))
		fail_msg("a generation of %llu bytes ended with %llu, res %d",
			 (unsigned long long)g->bytes, (unsigned long long)ev->gen.bytes, ev->res);
	assert_true(ev->gen.copied_bytes <= ev->gen.bytes);
	if (c->all_plain)
		assert_int_equal(ev->gen.copied_bytes, ev->gen.bytes);
	while ((m = g->mem)) {
		g->mem = m->next;
		ctx_mem_free(m);
		c->unreleased--;
	}
	one->seen++;
	c->events++;
	c->empty += !g->bytes;
	c->failed += ev->res < 0;
	c->last_res = ev->res;
	c->bytes += ev->gen.bytes;
	c->copied += ev->gen.copied_bytes;
	if (c->on_released)
		c->on_released(c, one - c->one, ev);
}

/* Room for generation @open. */
static inline void ctx_gen_room(struct ctx_one *one)
{
	uint64_t room = one->room ? 2 * one->room : 16;

	if (one->open < one->room)
		return;
	one->gens = realloc(one->gens, room * sizeof *one->gens);
	assert_non_null(one->gens);
	memset(one->gens + one->room, 0, (room - one->room) * sizeof *one->gens);
	one->room = room;
}

static inline void ctx_check_open(struct ctx_set *c, unsigned i)
{
	uint64_t number = 77;

	assert_int_equal(weir_ctx_generation(c->e, i, &number), 0);
	assert_int_equal(number, c->one[i].open);
}

static inline void ctx_next_gen(struct ctx_one *one)
{
	one->open++;
	one->has_sends = false;
	ctx_gen_room(one);
}

/* Register @count contexts of an engine that was opened by ctx_open(). */
static inline void ctx_register(struct ctx_set *c, unsigned count)
{
	uint64_t *tags = calloc(count, sizeof *tags);
	struct weir_error err = { 0 };

	assert_non_null(tags);
	c->count = count;
	c->one = calloc(count, sizeof *c->one);
	assert_non_null(c->one);
	for (unsigned i = 0; i < count; i++) {
		tags[i] = c->one[i].tag = t_rand() / WEIR_CTX_MAX * WEIR_CTX_MAX + i;
		ctx_gen_room(&c->one[i]);
	}
	if (weir_ctx_register(c->e, tags, count, &err)) {
		weir_error_print(stderr, &err);
		fail_msg("weir_ctx_register");
	}
	memset(tags, 0xee, count * sizeof *tags); /* the array may be reused on return */
	free(tags);
	for (unsigned i = 0; i < count; i++)
		ctx_check_open(c, i);
}

static inline void ctx_forget(struct ctx_set *c)
{
	assert_int_equal(c->unreleased, 0);
	for (unsigned i = 0; i < c->count; i++)
		free(c->one[i].gens);
	free(c->one);
	c->one = NULL;
	c->count = 0;
}

/* Closes the engine in whatever state it is; its memory is ours when the call returns. */
static inline void ctx_drop(struct ctx_set *c)
{
	struct ctx_mem *m;

	t_drop(c->e);
	for (unsigned i = 0; i < c->count; i++)
		for (uint64_t g = c->one[i].seen; g <= c->one[i].open; g++)
			while ((m = c->one[i].gens[g].mem)) {
				c->one[i].gens[g].mem = m->next;
				ctx_mem_free(m);
				c->unreleased--;
			}
	ctx_forget(c);
	free(c);
}

/* An engine whose RELEASED events come to the model. */
static inline struct ctx_set *ctx_open(const struct weir_engine_opts *opts, unsigned count)
{
	struct weir_engine_opts o = { .size = sizeof o };
	struct ctx_set *c = calloc(1, sizeof *c);

	assert_non_null(c);
	if (opts)
		o = *opts;
	o.released = ctx_released;
	o.user = c;
	c->e = t_open(&o);
	if (count)
		ctx_register(c, count);
	return c;
}

/* Every flushed generation has ended. */
static inline bool ctx_all_seen(const struct ctx_set *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->one[i].seen != c->one[i].open)
			return false;
	return true;
}

/* What the library flushes when it unregisters. */
static inline void ctx_flushed_all(struct ctx_set *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->one[i].has_sends)
			ctx_next_gen(&c->one[i]);
}

/* Unregister, waiting if need be; all events come. */
static inline void ctx_unregister(struct ctx_set *c)
{
	int ret;

	ctx_flushed_all(c);
	while ((ret = weir_ctx_unregister(c->e, -1)) == -ENOBUFS)
		t_step_some(c->e, "room for events");
	assert_int_equal(ret, 0);
	t_step_idle(c->e);
	assert_true(ctx_all_seen(c));
	ctx_forget(c);
}

static inline void ctx_close(struct ctx_set *c)
{
	if (c->count)
		ctx_unregister(c);
	t_close(c->e);
	free(c);
}

/* Memory of @len bytes for one send. */
static inline struct ctx_mem *ctx_mem_new(size_t len)
{
	struct ctx_mem *m = calloc(1, sizeof *m);

	assert_non_null(m);
	m->len = m->room = len;
	m->data = malloc(len + !len);
	assert_non_null(m->data);
	return m;
}

/* Cut into 1 to @max pieces. */
static inline unsigned ctx_cut(const struct ctx_mem *m, struct iovec *iov, unsigned max)
{
	unsigned n = 0, want = 1 + t_rand_below(max);
	size_t at = 0;

	do {
		iov[n].iov_base = m->data + at;
		iov[n].iov_len = n + 1 == want ? m->len - at : t_rand_size(m->len - at + 1) - 1;
		if (!iov[n].iov_len && n + 1 < want && at < m->len)
			iov[n].iov_len = 1;
		at += iov[n].iov_len;
		n++;
	} while (at < m->len);
	return n;
}

/* The call itself, with pieces that the caller made; the memory is the model's after success. */
static inline int ctx_send_pieces(struct ctx_set *c, unsigned i, struct weir_sock *s,
				  struct weir_ctx_send *send, struct ctx_mem *m)
{
	struct ctx_one *one = &c->one[i];
	struct ctx_gen *g = &one->gens[one->open];
	int ret;

	send->size = sizeof *send;
	send->ctx = i;
	ret = weir_ctx_send(s, send);
	if (!ret) {
		g->bytes += m->len;
		one->has_sends = true;
		if (!(send->flags & WEIR_SEND_COPY)) {
			m->next = g->mem;
			g->mem = m;
			m = NULL;
			c->unreleased++;
		}
		if (send->flags & WEIR_SEND_FLUSH)
			ctx_next_gen(one);
	}
	if (m)
		ctx_mem_free(m);
	if (ret || !t_rand_below(4))
		ctx_check_open(c, i);
	return ret;
}

static inline int ctx_send(struct ctx_set *c, unsigned i, struct weir_sock *s, struct ctx_mem *m,
			   unsigned flags)
{
	struct iovec iov[16];
	struct weir_ctx_send send = { .flags = flags, .iov = iov };
	int ret;

	send.iov_count = ctx_cut(m, iov, c->one_piece || t_rand_below(2) ? 1 : T_COUNT(iov));
	ret = ctx_send_pieces(c, i, s, &send, m);
	memset(iov, 0xee, sizeof iov);
	return ret;
}

/* The next @len bytes of a stream end's content, in a context. */
static inline int ctx_send_stream(struct ctx_set *c, unsigned i, struct t_end *end, size_t len,
				  unsigned flags)
{
	struct ctx_mem *m = ctx_mem_new(len);
	int ret;

	t_pattern_fill(m->data, end->tx_seed, end->tx_queued, len);
	ret = ctx_send(c, i, end->s, m, flags);
	if (!ret)
		end->tx_queued += len;
	else if (ret == -ENOBUFS)
		end->refused++; /* WRITABLE comes */
	else if (ret == -EPIPE)
		end->broken = true;
	else
		fail_msg("weir_ctx_send of %zu bytes: %s", len, strerror(-ret));
	return ret;
}

static inline void ctx_flush(struct ctx_set *c, unsigned i)
{
	assert_int_equal(weir_ctx_flush(c->e, i), 0);
	ctx_next_gen(&c->one[i]);
	if (!t_rand_below(4))
		ctx_check_open(c, i);
}

/* Ends one generation that has sends: memory of open ones never comes back. */
static inline void ctx_flush_any(struct ctx_set *c)
{
	unsigned from = t_rand_below(c->count), i = from;

	do {
		if (c->one[i].has_sends) {
			ctx_flush(c, i);
			return;
		}
		i = (i + 1) % c->count;
	} while (i != from);
}

/* Flags that say something about copying, at random; COPY only where @copy. */
static inline unsigned ctx_any_flags(bool copy)
{
	static const unsigned list[] = { 0, WEIR_SEND_ZEROCOPY, WEIR_SEND_ZEROCOPY, WEIR_SEND_PLAIN,
					 WEIR_SEND_COPY };

	return list[t_rand_below(T_COUNT(list) - !copy)];
}

/*
 * A link between two ends on the model's engine.  The sender's ends are fed by the test, through
 * ctx_send_stream(): of its own it sends nothing.
 */
static inline void ctx_link(struct ctx_set *c, struct t_link *l, uint64_t seed, uint64_t total,
			    const char *address, const struct weir_sock_opts *so)
{
	memset(l, 0, sizeof *l);
	l->e = c->e;
	t_end_init(&l->client, seed, 0, 0, 0);
	t_end_init(&l->server, 0, 0, seed, total);
	t_link_open(l, address, so);
}

static inline void ctx_unlink(struct t_link *l)
{
	if (l->client.s)
		t_end_close(&l->client);
	if (l->server.s)
		t_end_close(&l->server);
	if (l->acceptor.s)
		weir_sock_close(l->acceptor.s);
	t_until(l->e, !l->client.s && !l->server.s && !l->acceptor.s);
}

/* A raw peer of a socket of the engine. */
static inline int ctx_raw_peer(struct ctx_set *c, struct t_end *end,
			       const struct weir_sock_opts *so, int rcvbuf)
{
	struct weir_addr a;
	int l = t_raw_listen("127.0.0.1:0", &a), fd;
	char text[128];

	if (rcvbuf)
		assert_int_equal(setsockopt(l, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf), 0);
	t_end_init(end, 1, 0, 0, 0);
	weir_addr_format(&a.sa, text, sizeof text);
	assert_int_equal(weir_connect(c->e, text, end->ops, end, so, &end->s, NULL), 0);
	t_until(c->e, end->connected);
	assert_int_equal(end->connect_res, 0);
	fd = t_raw_accept(l);
	close(l);
	return fd;
}

/* Of all that was asked without a copy something was: where the kernel can and no fault forbids. */
static inline void ctx_expect_zerocopy(struct weir_engine *e, bool some)
{
	struct weir_engine_stats st;

	weir_engine_get_stats(e, &st);
	if (t_without("zc"))
		some = false;
	else if (some && t_faulty())
		return;
	if ((st.tx_zc_requests > 0) != some)
		fail_msg("%llu requests for zero copy, %llu refused",
			 (unsigned long long)st.tx_zc_requests,
			 (unsigned long long)st.tx_zc_refused);
	assert_true(st.tx_zc_copied <= st.tx_zc_requests);
}

#endif
