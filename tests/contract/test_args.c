/* SPDX-License-Identifier: MIT */
/*
 * test_args.c - bad arguments: the documented errno, a stage and a hint, and nothing changed.
 *
 * Theory: option structures are tried field by field; outputs must stay as they were on failure,
 * and an engine that saw nothing but refusals must close with nothing open.
 *
 * Matrix: plain
 */
#include "t_end.h"

#include <sched.h>
#include <sys/un.h>

#define UNTOUCHED ((void *)1)

static void refused_engine(const struct weir_engine_opts *o, int code)
{
	struct weir_engine *e = UNTOUCHED;
	struct weir_error err = { 0 };

	t_expect(weir_engine_open(&e, o, &err), &err, code);
	assert_ptr_equal(e, UNTOUCHED);
	assert_int_equal(weir_engine_open(&e, o, NULL), code);
}

static void engine_options(void **state)
{
	static const struct weir_engine_opts good = { .size = sizeof good };
	struct {
		struct weir_engine_opts known;
		uint64_t unknown;
	} longer = { { .size = sizeof longer }, 0 };
	struct weir_engine_opts o;
	struct weir_error err = { 0 };
	struct weir_engine *e;

	(void)state;
	t_expect(weir_engine_open(NULL, NULL, &err), &err, -EINVAL);
#define BAD(field, value)                    \
	do {                                 \
		o = good;                    \
		o.field = value;             \
		refused_engine(&o, -EINVAL); \
	} while (0)
	BAD(size, 0);
	BAD(size, 3);
	BAD(size, 1 << 20);
	BAD(flags, 1);
	BAD(reserved, 1);
	BAD(plane, 77);
	BAD(without, 1u << 31);
	BAD(buffer_bytes, 1000);
	BAD(buffer_bytes, 2048);
	BAD(buffer_bytes, 12288);
	BAD(buffer_bytes, 1u << 31);
	BAD(provider, 99);
	BAD(sq_entries, UINT32_MAX);
	BAD(cq_entries, UINT32_MAX);
	BAD(cpu_plus_1, 100000);
	BAD(fault, "short-read");
	BAD(fault, "short-read=200");
	BAD(fault, "bogus=1");
	BAD(fault, "seed=1,seed=2");
	o = good;
	o.buffer_bytes = 1 << 20;
	o.area_bytes = 4096;
	refused_engine(&o, -EINVAL);
#undef BAD
	/* A longer structure is legal while what we do not know is zero. */
	assert_int_equal(weir_engine_open(&e, &longer.known, NULL), 0);
	t_drop(e);
	longer.unknown = 1;
	refused_engine(&longer.known, -EINVAL);
	/* A shorter one, too. */
	o = good;
	o.size = offsetof(struct weir_engine_opts, spin_us);
	o.fault = UNTOUCHED; /* beyond its size: not looked at */
	assert_int_equal(weir_engine_open(&e, &o, NULL), 0);
	t_drop(e);
}

static void fault_hint_names_keys(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o, .fault = "short-raed=1" };
	struct weir_error err = { 0 };
	struct weir_engine *e;

	(void)state;
	t_expect(weir_engine_open(&e, &o, &err), &err, -EINVAL);
	assert_non_null(strstr(err.object, "short-raed"));
	assert_non_null(strstr(err.hint, "short-read"));
	assert_non_null(strstr(err.hint, "enomem"));
}

/* The environment is checked like options, and the error names the variable. */
static void environment(void **state)
{
	static const struct {
		const char *name, *value, *hint;
	} bad[] = {
		{ "WEIR_PLANE", "bogus", "epoll" },
		{ "WEIR_WITHOUT", "bundle,bogus", "minwait" },
		{ "WEIR_SPIN_US", "fast", "number" },
		{ "WEIR_SPIN_US", "-1", "number" },
		{ "WEIR_MIN_WAIT_US", "1e3", "number" },
		{ "WEIR_FAULT", "late=ten", "percent" },
		{ "WEIR_MIN_WAIT_US", "99999999999", "number" },
	};

	(void)state;
	for (size_t i = 0; i < T_COUNT(bad); i++) {
		const char *old = getenv(bad[i].name);
		char *kept = old ? strdup(old) : NULL;
		struct weir_error err = { 0 };
		struct weir_engine *e = UNTOUCHED;
		int ret;

		setenv(bad[i].name, bad[i].value, 1);
		ret = weir_engine_open(&e, NULL, &err);
		if (kept)
			setenv(bad[i].name, kept, 1);
		else
			unsetenv(bad[i].name);
		free(kept);
		t_note("%s=%s", bad[i].name, bad[i].value);
		t_expect(ret, &err, -EINVAL);
		assert_ptr_equal(e, UNTOUCHED);
		if (!strstr(err.hint, bad[i].hint))
			fail_msg("%s=%s: hint '%s' lacks '%s'", bad[i].name, bad[i].value, err.hint,
				 bad[i].hint);
	}
}

enum opener { LISTEN, CONNECT, UDP, ADOPT, OPENERS };

static int open_sock(enum opener how, struct weir_engine *e, const char *address,
		     const struct weir_sock_opts *o, struct weir_sock **s, struct weir_error *err)
{
	int fd, ret;

	switch (how) {
	case LISTEN:
		return weir_listen(e, address, NULL, NULL, o, s, err);
	case CONNECT:
		return weir_connect(e, address, NULL, NULL, o, s, err);
	case UDP:
		return weir_udp_open(e, address, NULL, NULL, o, s, err);
	default:
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ret = weir_adopt(e, fd, NULL, NULL, o, s, err);
		if (ret)
			close(fd);
		return ret;
	}
}

static void refused_sock(enum opener how, struct weir_engine *e, const char *address,
			 const struct weir_sock_opts *o, int code)
{
	struct weir_sock *s = UNTOUCHED;
	struct weir_error err = { 0 };

	t_note("opener %d address %s", how, address ? address : "NULL");
	t_expect(open_sock(how, e, address, o, &s, &err), &err, code);
	assert_ptr_equal(s, UNTOUCHED);
	assert_int_equal(open_sock(how, e, address, o, NULL, NULL), code);
}

static void sock_options(void **state)
{
	static const struct weir_sock_opts good = { .size = sizeof good };
	struct weir_engine *e = t_open(NULL);
	struct weir_sock_opts o;
	struct weir_engine_stats stats;

	(void)state;
	for (int how = 0; how < OPENERS; how++) {
#define BAD(field, value)                                         \
	do {                                                      \
		o = good;                                         \
		o.field = value;                                  \
		refused_sock(how, e, "127.0.0.1:0", &o, -EINVAL); \
	} while (0)
		BAD(size, 0);
		BAD(size, 1 << 20);
		BAD(flags, 1u << 31);
		BAD(flags, 1u << 10);
		BAD(reserved, 1);
#undef BAD
	}
	o = good;
	o.local = "not an address";
	refused_sock(CONNECT, e, "127.0.0.1:1", &o, -EINVAL);
	o = good;
	o.peer = "not an address";
	refused_sock(UDP, e, "127.0.0.1:0", &o, -EINVAL);
	o.peer = "unix:@x";
	refused_sock(UDP, e, NULL, &o, -EINVAL);
	refused_sock(UDP, e, NULL, NULL, -EINVAL);
	refused_sock(UDP, e, "unix:@x", NULL, -EINVAL);
	o.peer = "[::1]:1";
	refused_sock(UDP, e, "127.0.0.1:0", &o, -EAFNOSUPPORT); /* families differ */
	o = good;
	o.local = "[::1]:0";
	refused_sock(CONNECT, e, "127.0.0.1:1", &o, -EAFNOSUPPORT);
	weir_engine_get_stats(e, &stats);
	assert_int_equal(stats.sockets, 0);
	t_close(e);
}

static void addresses(void **state)
{
	static const char *const bad[] = {
		NULL,		"",
		"localhost:80", "1.2.3.4",
		"1.2.3.4:",	"1.2.3.4:65536",
		"1.2.3.4:x",	"1.2.3.4:-1",
		"1.2.3.4:80 ",	"::1:80:",
		"[::1]",	"[::1:80",
		"[1.2.3.4]:80", "[::1%nosuchif]:80",
		"unix:",	"unix:@",
		"1.2.3.999:1",
	};
	struct weir_engine *e = t_open(NULL);
	char longest[200];

	(void)state;
	for (size_t i = 0; i < T_COUNT(bad); i++) {
		refused_sock(LISTEN, e, bad[i], NULL, -EINVAL);
		refused_sock(CONNECT, e, bad[i], NULL, -EINVAL);
		if (bad[i])
			refused_sock(UDP, e, bad[i], NULL, -EINVAL);
	}
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "unix:/", 6);
	longest[sizeof longest - 1] = 0;
	refused_sock(LISTEN, e, longest, NULL, -ENAMETOOLONG);
	refused_sock(CONNECT, e, longest, NULL, -ENAMETOOLONG);
	/* Not ours. */
	refused_sock(LISTEN, e, "192.0.2.1:0", NULL, -EADDRNOTAVAIL);
	refused_sock(UDP, e, "192.0.2.1:0", NULL, -EADDRNOTAVAIL);
	t_close(e);
}

static void null_engine(void **state)
{
	struct weir_timer timer = { 0 };
	struct weir_sock *s = UNTOUCHED;

	(void)state;
	for (int how = 0; how < OPENERS; how++)
		refused_sock(how, NULL, "127.0.0.1:0", NULL, -EINVAL);
	assert_int_equal(weir_engine_fd(NULL), -EINVAL);
	assert_int_equal(weir_engine_run(NULL), -EINVAL);
	assert_int_equal(weir_timer_start(NULL, &timer, 0), -EINVAL);
	weir_engine_done(NULL, 1);
	weir_timer_stop(NULL, NULL);
	weir_sock_pause(NULL);
	weir_sock_resume(NULL);
	weir_sock_close(NULL);
	weir_sock_finish(NULL);
	weir_area_close(NULL);
	assert_int_equal(weir_sock_shutdown(NULL), -EINVAL);
	(void)s;
}

/* Sends that make no sense leave no trace. */
static void sends(void **state)
{
	struct weir_engine *e = t_open(NULL);
	struct iovec iov[17], none = { NULL, 5 };
	struct weir_sock_stats stats;
	struct weir_slice zero;
	struct weir_sock *s, *l;
	char byte[] = "x";
	int fds[2];

	(void)state;
	memset(&zero, 0, sizeof zero);
	for (int i = 0; i < 17; i++) {
		iov[i].iov_base = byte;
		iov[i].iov_len = 1;
	}
	t_raw_pair(fds);
	assert_int_equal(weir_adopt(e, fds[0], NULL, NULL, NULL, &s, NULL), 0);
	assert_int_equal(weir_sock_send(NULL, "x", 1, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_send(s, "x", 0, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_send(s, NULL, 1, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_send(s, "x", 1, 1u << 9, 1), -EINVAL);
	assert_int_equal(weir_sock_sendv(s, NULL, 1, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_sendv(s, iov, 0, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_sendv(s, iov, 17, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_sendv(s, &none, 1, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_sendto(s, "x", 1, 0, NULL, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_send_slice(s, &zero, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_send_slice(s, NULL, 0, 1), -EINVAL);
	assert_int_equal(weir_listen(e, "127.0.0.1:0", NULL, NULL, NULL, &l, NULL), 0);
	assert_int_equal(weir_sock_send(l, "x", 1, 0, 1), -EINVAL);
	assert_int_equal(weir_sock_shutdown(l), -EINVAL);
	weir_sock_get_stats(s, &stats);
	assert_int_equal(stats.tx_queued, 0);
	weir_sock_close(s);
	weir_sock_close(l);
	t_api = T_API_CALLBACKS;
	t_step_idle(e);
	close(fds[1]);
	t_close(e);
}

/* Options that only tune: everything works with them; the thread is where it was asked to be. */
static void tuning(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o,
				      .busy_poll_us = 50,
				      .cpu_plus_1 = 1,
				      .spin_us = 20,
				      .min_wait_us = 500,
				      .buffer_bytes = 1 << 20,
				      .area_bytes = 4 << 20,
				      .provider = WEIR_PROVIDER_HUGE };
	struct t_link *l;
	cpu_set_t before, now;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	if (!CPU_ISSET(0, &before))
		o.cpu_plus_1 = 0;
	l = t_link_new(&o, 1 << 20, 1 << 20);
	assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
	if (o.cpu_plus_1)
		assert_true(CPU_COUNT(&now) == 1 && CPU_ISSET(0, &now));
	t_link_open(l, "127.0.0.1:0", NULL);
	t_link_run(l);
	t_link_close(l);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void given_area(void **state)
{
	struct weir_area_opts ao = { .size = sizeof ao,
				     .bytes = 1 << 20,
				     .provider = WEIR_PROVIDER_MEMFD };
	struct weir_engine_opts o = { .size = sizeof o, .buffer_bytes = 65536 };
	struct weir_area_info info;
	struct weir_engine *e;
	struct weir_sock *s;
	int fds[2];

	(void)state;
	assert_int_equal(weir_area_open(&o.area, &ao, NULL), 0);
	e = t_open(&o);
	weir_area_close(o.area); /* the engine has a reference of its own */
	t_raw_pair(fds);
	assert_int_equal(weir_adopt(e, fds[0], NULL, NULL, NULL, &s, NULL), 0);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	for (int got = 0; got < 5;) {
		struct weir_event ev[4];
		int n = weir_engine_wait(e, ev, 4, -1);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			if (ev[i].type != WEIR_EVENT_RECEIVED)
				continue;
			assert_ptr_equal(ev[i].slices[0].area, weir_engine_area(e));
			got += ev[i].slices[0].len;
		}
		weir_engine_done(e, n);
	}
	weir_area_describe(weir_engine_area(e), &info);
	assert_int_equal(info.provider, WEIR_PROVIDER_MEMFD);
	assert_int_equal(info.bytes, 1 << 20);
	t_drop(e);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(engine_options), T_CASE(fault_hint_names_keys),
		T_CASE(environment),	T_CASE(sock_options),
		T_CASE(addresses),	T_CASE(null_engine),
		T_CASE(sends),		T_CASE(given_area),
		T_CASE(tuning),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
