/* SPDX-License-Identifier: MIT */
/*
 * test_io_kick.c - what is to be done soon is done also where there is no memory for a timer.
 *
 * Theory: the array of timers and the queue of events grow by realloc(), which is this program's
 * and fails when told to.  With the array full of timers that never expire a weir_io must still
 * come to its work: registered again, freed meanwhile, kicked by its own callback.  Of more
 * timers than the queue has room for, all expire, each once.
 */
#include <sys/socket.h>
#include <weir/io.h>

#include "t.h"

#ifdef __GLIBC__
#define IOS 8
#define MANY 20000

/* Sanitizers have memory of their own. */
#if T_SLOW == 1
#define real_realloc __libc_realloc
#else
#define real_realloc __interceptor_realloc
#endif

void *real_realloc(void *mem, size_t bytes);

static bool no_memory;

void *realloc(void *mem, size_t bytes)
{
	return no_memory ? NULL : real_realloc(mem, bytes);
}

struct rig {
	struct weir_engine *e;
	struct weir_buf_pool *pool;
	struct weir_timer timers[64];
	unsigned timer_count;
	struct weir_io *ios[IOS];
	int raw[IOS];
	unsigned read[IOS];
	unsigned order[64], told;
	struct weir_io **frees; /* told about one, it frees this one */
	bool again;		/* told about one, it stops and goes on */
};

static struct rig r;

/* Each message stops its weir_io: what comes behind it waits there. */
static void got(struct weir_io *io, int res, struct weir_buf *buf)
{
	unsigned i = 0;

	while (r.ios[i] != io)
		i++;
	assert_int_equal(res, 1);
	weir_buf_free(buf);
	r.read[i]++;
	assert_true(r.told < T_COUNT(r.order));
	r.order[r.told++] = i;
	weir_io_pause(io);
	if (r.again)
		weir_io_resume(io);
	if (r.frees) {
		weir_io_free(*r.frees);
		*r.frees = NULL;
		r.frees = NULL;
	}
}

/* A byte of a stream is a message. */
static int segment(struct weir_io *io, struct weir_buf *buf)
{
	(void)io;
	(void)buf;
	return 1;
}

/* Not t_until(): a weir_io lives by callbacks. */
#define until(cond)                                                          \
	do {                                                                 \
		while (!(cond))                                              \
			assert_true(weir_engine_dispatch(r.e, 1000000) > 0); \
	} while (0)

/* Three messages wait in each weir_io. */
static void start(void)
{
	struct weir_io_ops ops = { .read = got, .segment = segment };
	int fds[2];

	memset(&r, 0, sizeof(r));
	no_memory = false;
	r.e = t_open(NULL);
	assert_int_equal(weir_buf_pool_new(&r.pool, r.e, NULL, NULL), 0);
	for (unsigned i = 0; i < IOS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(weir_io_new(&r.ios[i], r.pool, WEIR_IO_READ_WRITE, NULL, &ops,
					     NULL, NULL, NULL),
				 0);
		assert_int_equal(weir_io_open(r.ios[i], fds[0], NULL), 0);
		r.raw[i] = fds[1];
		assert_int_equal(send(r.raw[i], "abcd", 4, 0), 4);
		until(r.read[i]);
		assert_int_equal(r.read[i], 1);
	}
	r.told = 0;
}

/* No timer can be started any more, until one of these is stopped. */
static void fill_timers(void)
{
	assert_int_equal(weir_timer_start(r.e, &r.timers[r.timer_count++], UINT64_MAX), 0);
	no_memory = true;
	while (!weir_timer_start(r.e, &r.timers[r.timer_count], UINT64_MAX))
		assert_true(++r.timer_count < T_COUNT(r.timers));
}

static void finish(void)
{
	struct weir_buf_pool_stats stats;

	no_memory = false;
	for (unsigned i = 0; i < IOS; i++) {
		weir_io_free(r.ios[i]);
		close(r.raw[i]);
	}
	weir_buf_pool_get_stats(r.pool, &stats);
	assert_int_equal(stats.bufs, 0);
	t_close(r.e);
	weir_buf_pool_free(r.pool);
}

static void in_order(bool memory)
{
	start();
	if (!memory)
		fill_timers();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = IOS; i-- > 0;)
			weir_io_resume(r.ios[i]);
		until(r.told == (round + 1) * IOS);
	}
	for (unsigned i = 0; i < 3 * IOS; i++)
		assert_int_equal(r.order[i], IOS - 1 - i % IOS);
	assert_int_equal(weir_engine_dispatch(r.e, 0), 0);
	finish();
}

static void timer(void **state)
{
	(void)state;
	in_order(true);
}

static void no_timer(void **state)
{
	(void)state;
	in_order(false);
}

/* A timer there was no memory for, then one there is. */
static void memory_again(void **state)
{
	(void)state;
	start();
	fill_timers();
	weir_io_resume(r.ios[0]);
	until(r.read[0] == 2);
	weir_timer_stop(r.e, &r.timers[0]);
	weir_io_resume(r.ios[0]);
	until(r.read[0] == 3);
	no_memory = false;
	weir_io_resume(r.ios[0]);
	until(r.read[0] == 4);
	finish();
}

static void freed_meanwhile(void **state)
{
	(void)state;
	start();
	fill_timers();
	for (unsigned i = 0; i < IOS; i++)
		weir_io_resume(r.ios[i]);
	weir_io_free(r.ios[0]);
	r.ios[0] = NULL;
	r.frees = &r.ios[4];
	until(r.told == IOS - 2);
	assert_int_equal(r.read[0], 1);
	assert_int_equal(r.read[4], 1);
	/* All that were asked for are gone: nobody is worked on. */
	weir_io_resume(r.ios[7]);
	weir_io_free(r.ios[7]);
	r.ios[7] = NULL;
	while (weir_engine_dispatch(r.e, 0) > 0)
		;
	weir_io_resume(r.ios[6]);
	until(r.read[6] == 3);
	finish();
}

static void by_itself(void **state)
{
	(void)state;
	start();
	fill_timers();
	r.again = true;
	weir_io_resume(r.ios[2]);
	until(r.read[2] == 4);
	while (weir_engine_dispatch(r.e, 0) > 0)
		;
	assert_int_equal(r.told, 3);
	finish();
}

/* The engine goes first; nobody is worked on after it. */
static void engine_closed(void **state)
{
	(void)state;
	start();
	fill_timers();
	for (unsigned i = 0; i < IOS; i++) {
		weir_io_resume(r.ios[i]);
		close(r.raw[i]);
	}
	no_memory = false;
	t_drop(r.e);
	weir_buf_pool_free(r.pool);
	assert_int_equal(r.told, 0);
}

static unsigned expired;

static void count(struct weir_engine *e, struct weir_timer *t)
{
	(void)e;
	assert_int_equal((uintptr_t)t->user, expired);
	expired++;
}

/* More timers expire at once than events can be queued. */
static void full_queue(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct weir_timer *t = calloc(MANY, sizeof(*t));

	(void)state;
	assert_non_null(t);
	expired = 0;
	for (unsigned i = 0; i < MANY; i++) {
		t[i].fn = count;
		t[i].user = (void *)(uintptr_t)i;
		/* Not before one another: of the same time any may be the first. */
		assert_int_equal(weir_timer_start(e, &t[i], 20000 + i), 0);
	}
	for (uint64_t end = t_now_us() + 20000 + 2 * MANY; t_now_us() < end;)
		;
	no_memory = true;
	while (expired < MANY)
		assert_true(weir_engine_dispatch(e, 1000000) > 0);
	no_memory = false;
	assert_int_equal(weir_engine_dispatch(e, 0), 0);
	free(t);
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(timer),		 T_CASE(no_timer),  T_CASE(memory_again),
		T_CASE(freed_meanwhile), T_CASE(by_itself), T_CASE(engine_closed),
		T_CASE(full_queue),
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
