/* SPDX-License-Identifier: MIT */
/*
 * test_fault.c - the fault plane: its specification, and that each fault happens and is legal.
 *
 * Theory: a plane made of nothing records what it is asked for and reports what the test says;
 * the fault plane around it must pass on every report once, keep each lane's order, and inject
 * what it was told to.  The same seed gives the same run.
 */
#include "t.h"

#include "plane/fault.h"

static void legal(void **state)
{
	struct weir_fault_spec s;

	(void)state;
	assert_int_equal(weir_fault_parse("", &s, NULL), 0);
	assert_int_equal(s.seed, 1);
	for (int i = 0; i < WEIR_FAULT_KINDS; i++)
		assert_int_equal(s.percent[i], 0);
	assert_int_equal(weir_fault_parse("seed=7,short-read=20,short-write=21,late=22,reorder=23,"
					  "eagain=24,enobufs=25,enomem=26,late-release=27,"
					  "reorder-release=28,zc-refuse=29,zc-copied=30",
					  &s, NULL),
			 0);
	assert_int_equal(s.seed, 7);
	for (unsigned i = 0; i < WEIR_FAULT_KINDS; i++)
		assert_int_equal(s.percent[i], 20 + i);
	assert_int_equal(weir_fault_parse("late=90, seed=0xffffffffffffffff", &s, NULL), 0);
	assert_true(s.seed == UINT64_MAX);
	assert_int_equal(s.percent[WEIR_FAULT_LATE], 90);
}

static void illegal(void **state)
{
	static const char *const bad[] = {
		"late",	    "late=",	     "late=x",	      "late=91",
		"late=-1",  "late=1.5",	     "late=1,late=1", "lates=1",
		"=1",	    "seed=",	     "seed=-1",	      "seed=99999999999999999999999",
		"late=1 2", "seed=1,,bogus",
	};
	struct weir_fault_spec s, before;
	struct weir_error err;
	char long_text[1000];

	(void)state;
	memset(&s, 0x5a, sizeof s);
	before = s;
	memset(long_text, ',', sizeof long_text);
	long_text[sizeof long_text - 1] = 0;
	for (size_t i = 0; i < T_COUNT(bad); i++) {
		memset(&err, 0, sizeof err);
		t_note("%s", bad[i]);
		t_expect(weir_fault_parse(bad[i], &s, &err), &err, -EINVAL);
		assert_memory_equal(&s, &before, sizeof s);
	}
	t_expect(weir_fault_parse(long_text, &s, &err), &err, -EINVAL);
	t_expect(weir_fault_parse(NULL, &s, &err), &err, -EINVAL);
	t_expect(weir_fault_parse("bogus=1", &s, &err), &err, -EINVAL);
	assert_string_equal(err.object, "bogus");
	assert_non_null(strstr(err.hint, "short-write"));
	assert_non_null(strstr(err.hint, "zc-copied"));
}

/* ---- the plane made of nothing, and a core that only writes down ---- */

#define LOG_MAX 100000

static struct {
	struct weir_core core;
	struct weir_sock socks[4];
	int stops, starts, sends, given;
	int detaches;
	char log[LOG_MAX]; /* what the core saw */
	size_t used;
	unsigned seen[4];
	struct weir_txop *held[64]; /* requests in the wrapped plane */
	unsigned held_count;
	unsigned releases;
} w;

static void say(char kind, const struct weir_sock *s, int res)
{
	w.used += snprintf(w.log + w.used, LOG_MAX - w.used, "%c%d:%d ", kind, (int)(s - w.socks),
			   res);
	assert_true(w.used < LOG_MAX);
}

static int nothing_open(struct weir_engine *e, struct weir_error *err)
{
	(void)e;
	(void)err;
	return 0;
}

static void nothing_close(struct weir_engine *e)
{
	(void)e;
}

static int nothing_poll(struct weir_engine *e)
{
	(void)e;
	return 0;
}

static int nothing_attach(struct weir_sock *s, struct weir_error *err)
{
	(void)s;
	(void)err;
	return 0;
}

static void nothing_detach(struct weir_sock *s)
{
	(void)s;
	w.detaches++;
}

static int nothing_start(struct weir_sock *s)
{
	(void)s;
	w.starts++;
	return 0;
}

static void nothing_stop(struct weir_sock *s)
{
	w.stops++;
	w.core.up->recv_end(s, -ECANCELED);
}

static void nothing_send(struct weir_sock *s, struct weir_txop *ops, unsigned n)
{
	(void)s;
	w.sends++;
	for (; n; n--, ops = ops->next) {
		assert_non_null(ops);
		w.held[w.held_count++] = ops;
		w.given++;
	}
}

static bool nothing_zerocopy(const struct weir_engine *e)
{
	(void)e;
	return true;
}

static int nothing_send_area(struct weir_engine *e, struct weir_area *area, struct weir_error *err)
{
	(void)e;
	(void)area;
	(void)err;
	return -ENOSPC;
}

static const struct weir_plane_ops nothing = {
	.name = "nothing",
	.open = nothing_open,
	.close = nothing_close,
	.poll = nothing_poll,
	.flush = nothing_poll,
	.attach = nothing_attach,
	.detach = nothing_detach,
	.recv_start = nothing_start,
	.recv_stop = nothing_stop,
	.send = nothing_send,
	.send_area = nothing_send_area,
	.zerocopy = nothing_zerocopy,
};

static void core_received(struct weir_sock *s, const struct weir_rx *rx)
{
	weir_pool_deliver(rx->pool, rx->buffer);
	if (rx->last)
		weir_pool_kernel_done(rx->pool, rx->buffer);
	weir_pool_return(rx->pool, rx->buffer);
	/* In order, without a gap. */
	assert_int_equal(rx->offset, w.seen[s - w.socks]);
	w.seen[s - w.socks] += rx->len;
	say('r', s, rx->len);
}

static void core_recv_end(struct weir_sock *s, int res)
{
	say('e', s, res);
}

static void core_sent(struct weir_txop *op, int res)
{
	op->done = true;
	op->res = res;
	if (op->zc) {
		assert_false(op->zc->accepted);
		op->zc->accepted = true;
	}
	say('s', op->sock, res);
}

static void core_released(struct weir_zc *zc, bool copied)
{
	assert_true(zc->accepted); /* never before its own result */
	assert_false(zc->released);
	assert_non_null(zc->sock->fault_data); /* never after detached */
	zc->released = true;
	zc->copied = copied;
	zc->plane_word = ++w.releases;
	say('z', zc->sock, copied);
}

static void core_writable(struct weir_sock *s)
{
	say('w', s, 0);
}

static void core_detached(struct weir_sock *s)
{
	say('d', s, 0);
}

static const struct weir_plane_up core_up = {
	.received = core_received,
	.recv_end = core_recv_end,
	.sent = core_sent,
	.released = core_released,
	.writable = core_writable,
	.detached = core_detached,
};

static struct weir_engine *wrap(const char *spec)
{
	struct weir_engine *e = (struct weir_engine *)&w.core;
	struct weir_error err = { 0 };

	memset(&w, 0, sizeof w);
	w.core.ops = &nothing;
	w.core.up = &core_up;
	if (weir_fault_wrap(e, spec, &err)) {
		weir_error_print(stderr, &err);
		fail();
	}
	assert_string_equal(w.core.ops->name, "nothing");
	assert_int_equal(w.core.ops->open(e, NULL), 0);
	for (unsigned i = 0; i < T_COUNT(w.socks); i++) {
		w.socks[i].engine = e;
		w.socks[i].kind = WEIR_STREAM;
		assert_int_equal(w.core.ops->attach(&w.socks[i], NULL), 0);
		w.core.ops->recv_start(&w.socks[i]);
	}
	return e;
}

static void unwrap(struct weir_engine *e)
{
	for (unsigned i = 0; i < T_COUNT(w.socks); i++) {
		w.core.ops->detach(&w.socks[i]);
		w.core.up->detached(&w.socks[i]);
	}
	while (w.core.ops->poll(e) > 0)
		;
	for (unsigned i = 0; i < T_COUNT(w.socks); i++)
		assert_null(w.socks[i].fault_data);
	w.core.ops->close(e);
	assert_null(w.core.fault_data);
}

static unsigned count(char kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < w.used; i++)
		n += w.log[i] == kind && (!i || w.log[i - 1] == ' ');
	return n;
}

static struct weir_pool *pool_new(void)
{
	struct weir_area_opts o = { .size = sizeof o,
				    .bytes = 4 * 65536,
				    .provider = WEIR_PROVIDER_HOST };
	struct weir_area *area;
	struct weir_pool *p;

	assert_int_equal(weir_area_open(&area, &o, NULL), 0);
	assert_int_equal(weir_pool_new(&p, area, 65536), 0);
	return p;
}

/* Each socket fills a buffer of its own in pieces, all in turn. */
static void receive(struct weir_engine *e, struct weir_pool *pool)
{
	int buffer[4];

	for (unsigned i = 0; i < 4; i++) {
		buffer[i] = weir_pool_take(pool);
		assert_true(buffer[i] >= 0);
	}
	for (unsigned piece = 0; piece < 64; piece++) {
		for (unsigned i = 0; i < 4; i++) {
			struct weir_rx rx = { .pool = pool,
					      .buffer = buffer[i],
					      .offset = piece * 1024,
					      .len = 1024,
					      .last = piece == 63 };

			w.core.up->received(&w.socks[i], &rx);
		}
		if (piece % 3 == 0)
			w.core.ops->poll(e);
	}
	while (w.core.ops->poll(e) > 0)
		;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(w.seen[i], 65536);
	assert_true(weir_pool_check(pool));
	assert_int_equal(pool->count[WEIR_BUF_FREE], pool->buf_count);
}

static void receiving(void **state)
{
	struct weir_pool *pool = pool_new();
	struct weir_engine *e;

	(void)state;
	e = wrap("seed=3");
	receive(e, pool);
	assert_int_equal(count('r'), 256);
	assert_int_equal(w.stops, 0);
	unwrap(e);
	e = wrap("seed=3,short-read=50");
	receive(e, pool);
	assert_true(count('r') > 300);
	unwrap(e);
	e = wrap("seed=3,short-read=10,late=30,reorder=30,eagain=20");
	receive(e, pool);
	assert_true(w.stops > 0);
	unwrap(e);
	weir_pool_free(pool);
}

static void same_seed_same_run(void **state)
{
	static const char *const specs[] = {
		"seed=5,short-read=20,late=30,reorder=30,eagain=10",
		"seed=6,short-read=20,late=30,reorder=30,eagain=10",
	};
	struct weir_pool *pool = pool_new();
	char *logs[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_engine *e = wrap(specs[i / 2]);

		receive(e, pool);
		logs[i] = strdup(w.log);
		assert_non_null(logs[i]);
		unwrap(e);
	}
	assert_string_equal(logs[0], logs[1]);
	assert_string_equal(logs[2], logs[3]);
	assert_string_not_equal(logs[0], logs[2]);
	for (int i = 0; i < 4; i++)
		free(logs[i]);
	weir_pool_free(pool);
}

/* One chain of requests; the wrapped plane sends each whole. */
static void send_chain(struct weir_engine *e, struct weir_txop *ops, unsigned n)
{
	struct weir_sock *s = &w.socks[0];
	unsigned before = w.held_count;

	for (unsigned i = 0; i < n; i++) {
		memset(&ops[i], 0, sizeof ops[i]);
		ops[i].sock = s;
		ops[i].next = i + 1 < n ? &ops[i + 1] : NULL;
		ops[i].msg.msg_iov = ops[i].iov;
		ops[i].msg.msg_iovlen = 3;
		for (unsigned j = 0; j < 3; j++)
			ops[i].iov[j].iov_len = 100;
		ops[i].bytes = 300;
	}
	w.core.ops->send(s, ops, n);
	for (; before < w.held_count; before++)
		w.core.up->sent(w.held[before], (int)w.held[before]->bytes);
	w.held_count = 0;
	while (w.core.ops->poll(e) > 0)
		;
}

static void sending(void **state)
{
	struct weir_engine *e = wrap("seed=9,short-write=20,eagain=10,enobufs=5,enomem=5,late=20,"
				     "reorder=20");
	static struct weir_txop ops[8];
	unsigned whole = 0, cut = 0, refused = 0, cancelled = 0;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		bool behind = false;

		w.used = 0;
		send_chain(e, ops, 8);
		for (unsigned i = 0; i < 8; i++) {
			assert_true(ops[i].done); /* each once, none forgotten */
			/* As the core gave it. */
			assert_int_equal(ops[i].bytes, 300);
			assert_int_equal(ops[i].msg.msg_iovlen, 3);
			for (unsigned j = 0; j < 3; j++)
				assert_int_equal(ops[i].iov[j].iov_len, 100);
			if (behind)
				assert_int_equal(ops[i].res, -ECANCELED);
			cancelled += behind;
			whole += ops[i].res == 300;
			cut += ops[i].res > 0 && ops[i].res < 300;
			refused += ops[i].res < 0 && !behind;
			behind |= ops[i].res != 300;
		}
		assert_int_equal(count('s'), 8);
	}
	assert_true(whole && cut && refused && cancelled);
	unwrap(e);
}

/* After -EAGAIN writable() comes, and not before it. */
static void writable_follows(void **state)
{
	struct weir_engine *e = wrap("seed=2,eagain=30,late=50,reorder=50");
	static struct weir_txop ops[8];
	unsigned blocked = 0;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		char want[16];
		const char *again, *writable;

		w.used = 0;
		w.log[0] = 0;
		send_chain(e, ops, 8);
		snprintf(want, sizeof want, "s0:%d ", -EAGAIN);
		again = strstr(w.log, want);
		writable = strstr(w.log, "w0:");
		assert_int_equal(!again, !writable);
		if (!again)
			continue;
		blocked++;
		/* All results of the chain come before it. */
		assert_null(strstr(writable, "s0:"));
	}
	assert_true(blocked > 0);
	unwrap(e);
}

/* ---- requests for zero copy ---- */

#define ZCS 8u

static struct weir_zc zcs[ZCS];
static struct weir_txop zc_ops[ZCS];

/* Requests of one socket, each with a record, given on; a stream's come alone. */
static void send_zc(struct weir_sock *s, unsigned n)
{
	memset(zcs, 0, sizeof zcs);
	memset(zc_ops, 0, sizeof zc_ops);
	for (unsigned i = 0; i < n; i++) {
		struct weir_txop *op = &zc_ops[i];

		zcs[i].sock = s;
		zcs[i].op = op;
		op->sock = s;
		op->zc = &zcs[i];
		op->next = i + 1 < n ? op + 1 : NULL;
		op->msg.msg_iov = op->iov;
		op->msg.msg_iovlen = 3;
		for (unsigned j = 0; j < 3; j++)
			op->iov[j].iov_len = 100;
		op->bytes = 300;
	}
	w.held_count = 0;
	w.releases = 0;
	w.core.ops->send(s, zc_ops, n);
}

/* The wrapped plane: a result each, and a release each, some between the results of others. */
static void answer_zc(void)
{
	struct weir_zc *owed[ZCS], *zc;
	unsigned n = 0, at;

	while (w.held_count || n) {
		if (w.held_count && (!n || t_rand_below(2))) {
			struct weir_txop *op = w.held[--w.held_count];

			owed[n++] = op->zc;
			w.core.up->sent(op, (int)op->bytes);
			continue;
		}
		at = (unsigned)t_rand_below(n);
		zc = owed[at];
		owed[at] = owed[--n];
		w.core.up->released(zc, false);
	}
}

/* A release may be later than what one quiet look lets pass. */
static void drain(struct weir_engine *e)
{
	const struct weir_fault *f = w.core.fault_data;

	while (w.core.ops->poll(e) > 0 || f->queued)
		;
}

static void all_released(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(zc_ops[i].done);
		assert_true(zcs[i].released);
		/* As the core gave it. */
		assert_int_equal(zc_ops[i].bytes, 300);
		assert_int_equal(zc_ops[i].msg.msg_iovlen, 3);
	}
	assert_int_equal(count('z'), n);
	assert_int_equal(count('s'), n);
}

static unsigned out_of_turn(unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i + 1 < n; i++)
		k += zcs[i].plane_word > zcs[i + 1].plane_word;
	return k;
}

/* Results of all, then releases in turn: what the core sees of the order. */
static unsigned mixed(const char *spec)
{
	struct weir_engine *e = wrap(spec);
	struct weir_sock *s = &w.socks[1];
	unsigned k = 0;

	s->kind = WEIR_DGRAM;
	for (unsigned round = 0; round < 100; round++) {
		w.used = 0;
		send_zc(s, ZCS);
		for (unsigned i = 0; i < ZCS; i++)
			w.core.up->sent(&zc_ops[i], 300);
		for (unsigned i = 0; i < ZCS; i++)
			w.core.up->released(&zcs[i], false);
		drain(e);
		all_released(ZCS);
		for (unsigned i = 0; i < ZCS; i++)
			assert_false(zcs[i].copied);
		k += out_of_turn(ZCS);
	}
	unwrap(e);
	return k;
}

static void release_order(void **state)
{
	(void)state;
	assert_int_equal(mixed("seed=1"), 0);
	assert_true(mixed("seed=1,reorder-release=50") > 100);
	assert_true(mixed("seed=1,late-release=50") > 100);
}

/* Whatever else happens to them. */
static void releases(void **state)
{
	struct weir_engine *e = wrap("seed=4,late-release=40,reorder-release=40,late=30,reorder=30,"
				     "short-write=30,eagain=10,zc-refuse=10,zc-copied=40");
	unsigned cut = 0, refused = 0, copied = 0, clean = 0;

	(void)state;
	w.socks[1].kind = WEIR_DGRAM;
	for (unsigned round = 0; round < 500; round++) {
		struct weir_sock *s = &w.socks[round % 2];
		unsigned n = s->kind == WEIR_STREAM ? 1 : ZCS;

		w.used = 0;
		send_zc(s, n);
		answer_zc();
		drain(e);
		all_released(n);
		for (unsigned i = 0; i < n; i++) {
			cut += zc_ops[i].res > 0 && zc_ops[i].res < 300;
			refused += zc_ops[i].res < 0;
			if (zc_ops[i].res > 0)
				copied += zcs[i].copied;
			else
				assert_true(zcs[i].copied);
			clean += !zcs[i].copied;
		}
	}
	assert_true(cut && refused && copied && clean);
	unwrap(e);
}

/* Refused before the wrapped plane hears of it, by errors in turn; others are left alone. */
static void refused(void **state)
{
	static const int errors[] = { -ENOMEM, -EMSGSIZE, -EOPNOTSUPP };
	struct weir_engine *e = wrap("seed=8,zc-refuse=50");
	static struct weir_txop plain[8];
	unsigned seen = 0, taken = 0;

	(void)state;
	assert_true(w.core.ops->zerocopy(e));
	assert_int_equal(w.core.ops->send_area(e, NULL, NULL), -ENOSPC);
	for (unsigned round = 0; round < 200; round++) {
		unsigned given = w.given;

		w.used = 0;
		send_zc(&w.socks[round % 2], 1);
		taken += w.given - given;
		assert_int_equal(w.given - given, w.held_count);
		answer_zc();
		drain(e);
		all_released(1);
		if (zc_ops[0].res == 300) {
			assert_int_equal(w.given - given, 1);
			continue;
		}
		assert_int_equal(w.given, given);
		assert_int_equal(zc_ops[0].res, errors[seen++ % 3]);
	}
	assert_true(seen > 50 && taken > 50);
	for (unsigned round = 0; round < 50; round++) {
		send_chain(e, plain, 8);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(plain[i].res, 300);
	}
	unwrap(e);
}

/* A socket goes after its last release, however late that is. */
static void detached_after_release(void **state)
{
	unsigned waited = 0;

	(void)state;
	for (unsigned seed = 0; seed < 50; seed++) {
		struct weir_engine *e;
		struct weir_sock *s;
		char spec[80];

		snprintf(spec, sizeof spec, "seed=%u,late-release=90,reorder=90,late=50", seed);
		e = wrap(spec);
		s = &w.socks[1];
		s->kind = WEIR_DGRAM;
		send_zc(s, ZCS);
		answer_zc();
		w.core.ops->detach(s);
		w.core.up->detached(s);
		drain(e);
		all_released(ZCS);
		assert_null(s->fault_data);
		assert_non_null(strstr(w.log, "d1:0"));
		waited += zcs[0].plane_word != ZCS;
		assert_int_equal(w.core.ops->attach(s, NULL), 0);
		unwrap(e);
	}
	assert_true(waited > 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(legal),	   T_CASE(illegal),
		T_CASE(receiving), T_CASE(same_seed_same_run),
		T_CASE(sending),   T_CASE(writable_follows),
		T_CASE(releases),  T_CASE(release_order),
		T_CASE(refused),   T_CASE(detached_after_release),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
