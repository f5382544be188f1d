/* SPDX-License-Identifier: MIT */
/*
 * test_threads_post.c - messages and stops from other threads.
 *
 * Theory: each thread numbers its messages; the engine's thread checks that each thread's arrive
 * in order, each once, whether it sleeps, spins or is busy.  Run with the thread sanitizer, this
 * shows whether the hand-over is ordered by more than luck.
 *
 * Labels: threads
 */
#include "t_end.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4
#define EACH 3000

struct note {
	struct weir_msg msg; /* first */
	unsigned thread, number;
	unsigned payload; /* written before the post, read by the receiver */
};

struct poster {
	struct weir_engine *e;
	unsigned index;
	struct note *notes;
	unsigned pause; /* every so many messages */
};

static unsigned next[THREADS], total;

static void note_fn(struct weir_engine *e, struct weir_msg *msg)
{
	struct note *n = (struct note *)msg;

	(void)e;
	assert_true(n->thread < THREADS);
	assert_int_equal(n->number, next[n->thread]);
	assert_int_equal(n->payload, n->number * 7 + n->thread);
	n->payload = 0; /* it is the receiver's now */
	next[n->thread]++;
	total++;
}

static void *post_all(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct note *n = &p->notes[i];

		n->msg.fn = note_fn;
		n->thread = p->index;
		n->number = i;
		n->payload = i * 7 + p->index;
		weir_engine_post(p->e, &n->msg);
		if (p->pause && i % p->pause == 0)
			usleep(50); /* let the engine go to sleep now and then */
	}
	return NULL;
}

static void from_threads(uint32_t spin_us, unsigned pause)
{
	struct weir_engine_opts o = { .size = sizeof o, .spin_us = spin_us };
	struct weir_engine *e = t_open(&o);
	struct poster posters[THREADS];
	pthread_t threads[THREADS];

	memset(next, 0, sizeof next);
	total = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){ .e = e,
					      .index = i,
					      .pause = pause,
					      .notes = calloc(EACH, sizeof(struct note)) };
		assert_non_null(posters[i].notes);
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
	}
	t_until(e, total == THREADS * EACH);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(next[i], EACH);
		free(posters[i].notes);
	}
	assert_int_equal(t_step(e, 0), 0);
	t_close(e);
}

static void all_at_once(void **state)
{
	(void)state;
	from_threads(0, 0);
}

static void now_and_then(void **state)
{
	(void)state;
	from_threads(0, 20);
}

static void to_a_spinner(void **state)
{
	(void)state;
	from_threads(100, 20);
	from_threads(UINT32_MAX, 100);
}

/* Messages while streams are busy. */
static void beside_streams(void **state)
{
	struct t_link *l = t_link_new(NULL, 2 << 20, 2 << 20);
	struct poster p = { .e = l->e, .pause = 10, .notes = calloc(EACH, sizeof(struct note)) };
	pthread_t thread;

	(void)state;
	assert_non_null(p.notes);
	memset(next, 0, sizeof next);
	total = 0;
	assert_int_equal(pthread_create(&thread, NULL, post_all, &p), 0);
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	t_until(l->e, total == EACH);
	pthread_join(thread, NULL);
	t_link_close(l);
	free(p.notes);
}

/* Slices travel to another thread and come back by message to be released. */
struct loan {
	struct weir_msg msg; /* first */
	struct loan *next;
	struct weir_slice slice;
	unsigned sum;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct loan *head;
	bool end;
	struct weir_engine *e;
	unsigned lent, back;
} desk = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void loan_back(struct weir_engine *e, struct weir_msg *msg)
{
	struct loan *loan = (struct loan *)msg;

	(void)e;
	assert_int_equal(weir_slice_release(&loan->slice), 0);
	free(loan);
	desk.back++;
}

static void *work(void *arg)
{
	(void)arg;
	for (;;) {
		struct loan *loan;

		pthread_mutex_lock(&desk.lock);
		while (!desk.head && !desk.end)
			pthread_cond_wait(&desk.cond, &desk.lock);
		loan = desk.head;
		if (loan)
			desk.head = loan->next;
		pthread_mutex_unlock(&desk.lock);
		if (!loan)
			return NULL;
		for (uint32_t i = 0; i < loan->slice.len; i++)
			loan->sum += ((unsigned char *)loan->slice.data)[i];
		loan->msg.fn = loan_back;
		weir_engine_post(desk.e, &loan->msg);
	}
}

static void lend(struct t_end *end, struct weir_slice *v, unsigned n)
{
	(void)end;
	for (unsigned i = 0; i < n; i++) {
		struct loan *loan = calloc(1, sizeof *loan);

		assert_non_null(loan);
		assert_int_equal(weir_slice_hold(&v[i]), 0);
		loan->slice = v[i];
		desk.lent++;
		pthread_mutex_lock(&desk.lock);
		loan->next = desk.head;
		desk.head = loan;
		pthread_cond_signal(&desk.cond);
		pthread_mutex_unlock(&desk.lock);
	}
}

static void slices_on_loan(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .area_bytes = 512 << 10,
				      .buffer_bytes = 32 << 10 };
	struct t_link *l = t_link_new(&o, 8 << 20, 0);
	pthread_t threads[2];

	(void)state;
	desk.e = l->e;
	desk.lent = desk.back = 0;
	desk.end = false;
	l->server.on_received = lend;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	t_until(l->e, desk.back == desk.lent);
	pthread_mutex_lock(&desk.lock);
	desk.end = true;
	pthread_cond_broadcast(&desk.cond);
	pthread_mutex_unlock(&desk.lock);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	t_link_close(l);
}

/*
 * An engine per thread, all at once.  Opening and closing take turns: liburing maps and unmaps
 * rings by system calls that the thread sanitizer does not see, so that one engine's ring at the
 * address of another's that is gone looks to it like shared memory.
 */
static pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER;

static int open_in_turn(struct weir_engine **e)
{
	int ret;

	pthread_mutex_lock(&turns);
	ret = weir_engine_open(e, NULL, NULL);
	pthread_mutex_unlock(&turns);
	return ret;
}

static void close_in_turn(struct weir_engine *e)
{
	pthread_mutex_lock(&turns);
	weir_engine_close(e);
	pthread_mutex_unlock(&turns);
}

static void *engine_thread(void *arg)
{
	struct weir_engine *e = NULL;
	struct weir_sock *s = NULL;
	struct weir_event ev[8];
	int fds[2], got = 0;

	(void)arg;
	if (open_in_turn(&e) || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ||
	    weir_adopt(e, fds[0], NULL, NULL, NULL, &s, NULL))
		return (void *)1;
	for (int i = 0; i < 200; i++) {
		if (write(fds[1], "0123456789", 10) != 10)
			return (void *)2;
		while (got < 10 * (i + 1)) {
			int n = weir_engine_wait(e, ev, 8, 10000000);

			if (n <= 0)
				return (void *)3;
			for (int j = 0; j < n; j++)
				if (ev[j].type == WEIR_EVENT_RECEIVED)
					for (unsigned k = 0; k < ev[j].slice_count; k++)
						got += ev[j].slices[k].len;
			weir_engine_done(e, n);
		}
	}
	close_in_turn(e);
	close(fds[1]);
	return NULL;
}

static void engine_per_thread(void **state)
{
	pthread_t threads[THREADS];
	void *ret;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, engine_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &ret);
		assert_null(ret);
	}
}

/* An engine is its thread's: a wait elsewhere is refused. */
static void *wrong_thread(void *arg)
{
	struct weir_event ev;

	return (void *)(intptr_t)weir_engine_wait(arg, &ev, 1, 0);
}

static void wait_elsewhere(void **state)
{
	struct weir_engine *e = t_open(NULL);
	pthread_t thread;
	void *ret;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, wrong_thread, e), 0);
	pthread_join(thread, &ret);
	assert_int_equal((intptr_t)ret, -EPERM);
	t_close(e);
}

static atomic_bool stops_over;

/* Stops that come before anybody looks are one: so there are more as long as they are wanted. */
static void *stopper(void *arg)
{
	while (!atomic_load(&stops_over)) {
		weir_engine_stop(arg);
		usleep(200); /* spread over waits; any timing passes */
	}
	return NULL;
}

static void many_stops(void **state)
{
	struct weir_engine *e = t_open(NULL);
	pthread_t thread;

	(void)state;
	atomic_store(&stops_over, false);
	assert_int_equal(pthread_create(&thread, NULL, stopper, e), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(weir_engine_run(e), 0);
	atomic_store(&stops_over, true);
	pthread_join(thread, NULL);
	t_close(e);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(all_at_once),	T_CASE(now_and_then),	T_CASE(to_a_spinner),
		T_CASE(beside_streams), T_CASE(slices_on_loan), T_CASE(engine_per_thread),
		T_CASE(wait_elsewhere), T_CASE(many_stops),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
