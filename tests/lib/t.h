/* SPDX-License-Identifier: MIT */
/*
 * t.h - what all contract and unit tests share: seeds, contents, deadlines, engines, raw peers.
 *
 * Theory: every test case runs between t_setup() and t_teardown(), which arm a watchdog (a case
 * that hangs prints where and in what state, then fails) and compare the open descriptors before
 * and after.  All randomness comes from one seed, printed at the start and taken from
 * WEIR_TEST_SEED where set.  Stream contents are a function of (seed, offset), so that a receiver
 * can check any piece without the sender.
 */
#ifndef WEIR_TESTS_T_H
#define WEIR_TESTS_T_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/area.h>
#include <weir/base.h>
#include <weir/engine.h>
#include <weir/sock.h>

/* One entry of a cmocka table: with the watchdog and the descriptor check around it. */
#define T_CASE(fn) cmocka_unit_test_prestate_setup_teardown(fn, t_setup, t_teardown, (void *)#fn)

/* How long anything may take before it counts as never; an emulated machine is given more. */
#define T_DEADLINE_MS (15000 * t_patience())
#define T_PATTERN_RUN (1u << 20)
#define T_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define T_SLOW 2
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define T_SLOW 2
#endif
#endif
#ifndef T_SLOW
#define T_SLOW 1
#endif

/* WEIR_TEST_PATIENCE, a factor from 1 to 20; 1 without it. */
int t_patience(void);
int t_setup(void **state);
int t_teardown(void **state);

/* A line for the watchdog's report. */
void t_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

uint64_t t_rand(void);
/* 0 to n - 1 */
uint64_t t_rand_below(uint64_t n);
/* 1 to max, small values as likely as large ones */
size_t t_rand_size(size_t max);
uint64_t t_now_us(void);

/* The stream's bytes from @offset on: up to T_PATTERN_RUN of them lie at the returned address. */
const void *t_pattern(uint64_t seed, uint64_t offset);
void t_pattern_fill(void *to, uint64_t seed, uint64_t offset, size_t len);
/* Fails the test where @data is not the stream's content at @offset. */
void t_pattern_check(const void *data, uint64_t seed, uint64_t offset, size_t len);

/* Is a fault spec in force, so that only what faults leave alone may be asserted? */
bool t_faulty(void);
/* Is this part (name as in WEIR_WITHOUT) switched off by the environment? */
bool t_without(const char *name);

/* An engine that must open; the ledger is checked by t_close(). */
struct weir_engine *t_open(const struct weir_engine_opts *opts);
void t_close(struct weir_engine *e);
/* Close in any state: sockets open, slices held. */
void t_drop(struct weir_engine *e);
/* buffers == free + kernel + delivered + held */
void t_ledger(struct weir_engine *e);
/* Nothing delivered, nothing held. */
void t_ledger_idle(struct weir_engine *e);

/*
 * Everything given as user pointer to sockets begins with this, so that a batch can be handled
 * as the callback layer would.
 */
struct t_user {
	const struct weir_sock_ops *ops;
};

/* What the callback layer does, on a batch (the sockets' user pointers are struct t_user). */
void t_handle(struct weir_engine *e, struct weir_event *events, unsigned n);

enum t_api { T_API_MIXED, T_API_CALLBACKS, T_API_EVENTS };
extern enum t_api t_api;

/* One round by callbacks or by a batch of random size; returns the number of events. */
int t_step(struct weir_engine *e, int64_t timeout_us);
/* The same for the time of a deadline: no event is a failure. */
void t_step_some(struct weir_engine *e, const char *what);
/* All that can be had without waiting. */
void t_step_idle(struct weir_engine *e);

#define t_until(e, cond)                       \
	do {                                   \
		while (!(cond))                \
			t_step_some(e, #cond); \
	} while (0)

/* For conditions that other things than events bring about. */
#define t_until_polled(e, cond, action)                                                 \
	do {                                                                            \
		uint64_t t_end_ = t_now_us() + (uint64_t)T_DEADLINE_MS * 1000 * T_SLOW; \
		while (!(cond)) {                                                       \
			action;                                                         \
			if (cond)                                                       \
				break;                                                  \
			t_step(e, 1000);                                                \
			if (t_now_us() > t_end_)                                        \
				fail_msg("never: %s", #cond);                           \
		}                                                                       \
	} while (0)

/* "unix:@..." that no other process and no earlier case of this one has: rings go late. */
const char *t_unix(void);

/* Raw peers: plain non-blocking sockets driven by the test itself. */
int t_raw_listen(const char *address, struct weir_addr *ret);
int t_raw_connect(const struct weir_addr *to);
int t_raw_accept(int fd);
int t_raw_udp(const char *address, struct weir_addr *ret);
void t_raw_nonblock(int fd, bool on);
/* Address of a socket of weir, port included. */
struct weir_addr t_local(struct weir_sock *s);
/* Its text; for weir_connect(). */
const char *t_local_text(struct weir_sock *s, char *buf, size_t bytes);
/* A connected pair of TCP descriptors. */
void t_raw_pair(int fds[2]);

/* Control-path calls must fail with @code and say where and what to do. */
void t_expect(int ret, const struct weir_error *err, int code);

#endif
