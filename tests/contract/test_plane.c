/* SPDX-License-Identifier: MIT */
/*
 * test_plane.c - which plane an engine gets, and why: asked for, forbidden, absent, unknown.
 *
 * Theory: io_uring is taken away from a forked child by a seccomp filter that answers
 * io_uring_setup with EPERM or ENOSYS, as container runtimes do, or by a limit on descriptors or
 * locked memory.  The child opens engines, moves bytes over one and reports by its exit status.
 *
 * Matrix: none
 */
#include "t_end.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void clean_environment(void)
{
	unsetenv("WEIR_PLANE");
	unsetenv("WEIR_FAULT");
	unsetenv("WEIR_WITHOUT");
}

static int forbid_io_uring(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = T_COUNT(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return -errno;
	return 0;
}

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

/* In a child: bytes move whatever the plane. */
static void move_bytes(struct weir_engine *e)
{
	struct weir_event ev[8];
	struct weir_sock *s;
	int fds[2], got = 0;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	CHECK(!weir_adopt(e, fds[0], NULL, NULL, NULL, &s, NULL));
	CHECK(write(fds[1], "0123456789", 10) == 10);
	while (got < 10) {
		int n = weir_engine_wait(e, ev, T_COUNT(ev), 5000000);

		CHECK(n > 0);
		for (int i = 0; i < n; i++)
			if (ev[i].type == WEIR_EVENT_RECEIVED)
				got += ev[i].slices[0].len;
		weir_engine_done(e, n);
	}
	close(fds[1]);
}

static void expect_fallback(const char *word)
{
	struct weir_engine_opts o = { .size = sizeof o, .plane = WEIR_PLANE_URING };
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };
	int ret;

	/* auto: epoll, and why says what is wrong with uring */
	CHECK(!weir_engine_open(&e, NULL, &err));
	CHECK(weir_engine_plane(e) == WEIR_PLANE_EPOLL);
	if (!strstr(weir_engine_why(e), "uring") || !strstr(weir_engine_why(e), word)) {
		fprintf(stderr, "why: %s\n", weir_engine_why(e));
		_exit(1);
	}
	move_bytes(e);
	weir_engine_close(e);
	/* by name: an error that helps, never another plane */
	e = NULL;
	ret = weir_engine_open(&e, &o, &err);
	CHECK(ret < 0 && ret == err.code && !e);
	CHECK(err.stage[0] && err.hint[0]);
	setenv("WEIR_PLANE", "uring", 1);
	CHECK(weir_engine_open(&e, NULL, &err) == ret);
	setenv("WEIR_PLANE", "epoll", 1);
	CHECK(!weir_engine_open(&e, NULL, &err));
	CHECK(weir_engine_plane(e) == WEIR_PLANE_EPOLL);
	weir_engine_close(e);
}

static void in_child(void (*fn)(int), int arg)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(30);
		fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("child ended with status 0x%x", status);
}

static void child_forbidden(int code)
{
	int ret = forbid_io_uring(code);

	if (ret) {
		fprintf(stderr, "no seccomp filter here: %s\n", strerror(-ret));
		_exit(77);
	}
	expect_fallback(code == EPERM ? "EPERM" : "ENOSYS");
}

static void forbidden_by_seccomp(void **state)
{
	(void)state;
	in_child(child_forbidden, EPERM);
}

static void hidden_by_seccomp(void **state)
{
	(void)state;
	in_child(child_forbidden, ENOSYS);
}

/* No descriptor for the ring: both planes fail, the error says so, nothing leaks. */
static void child_no_descriptor(int unused)
{
	struct rlimit lim = { 4, 4 };
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };
	int ret;

	(void)unused;
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	ret = weir_engine_open(&e, NULL, &err);
	CHECK(ret == -EMFILE && err.code == ret && !e);
	CHECK(err.stage[0] && err.hint[0]);
	CHECK(dup(0) == 3); /* nothing leaked */
}

static void no_descriptor(void **state)
{
	(void)state;
	in_child(child_no_descriptor, 0);
}

/* As another user with next to no locked memory; kernels since 5.12 do not count it for rings. */
static void child_no_memlock(int unused)
{
	struct rlimit lim = { 0, 0 };
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };

	(void)unused;
	CHECK(!setrlimit(RLIMIT_MEMLOCK, &lim));
	if (setresuid(65534, 65534, 65534))
		_exit(77);
	CHECK(!weir_engine_open(&e, NULL, &err));
	CHECK(weir_engine_why(e)[0]);
	move_bytes(e);
	weir_engine_close(e);
}

static void no_memlock(void **state)
{
	(void)state;
	in_child(child_no_memlock, 0);
}

static void bogus_name(void **state)
{
	struct weir_engine *e = (void *)1;
	struct weir_error err = { 0 };
	int ret;

	(void)state;
	setenv("WEIR_PLANE", "bogus", 1);
	ret = weir_engine_open(&e, NULL, &err);
	unsetenv("WEIR_PLANE");
	t_expect(ret, &err, -EINVAL);
	assert_non_null(strstr(err.hint, "auto"));
	assert_non_null(strstr(err.hint, "epoll"));
	assert_non_null(strstr(err.hint, "uring"));
	assert_non_null(strstr(err.object, "bogus"));
}

/* The program's wish goes before the environment's; auto leaves it to the environment. */
static void who_decides(void **state)
{
	struct weir_engine_opts o = { .size = sizeof o, .plane = WEIR_PLANE_EPOLL };
	struct weir_engine *e;

	(void)state;
	setenv("WEIR_PLANE", "auto", 1);
	e = t_open(NULL);
	assert_non_null(strstr(weir_engine_why(e), weir_plane_name(weir_engine_plane(e))));
	t_drop(e);
	setenv("WEIR_PLANE", "bogus", 1);
	e = t_open(&o); /* not asked: not read */
	assert_int_equal(weir_engine_plane(e), WEIR_PLANE_EPOLL);
	t_drop(e);
	setenv("WEIR_PLANE", "epoll", 1);
	e = t_open(NULL);
	assert_int_equal(weir_engine_plane(e), WEIR_PLANE_EPOLL);
	assert_non_null(strstr(weir_engine_why(e), "WEIR_PLANE"));
	t_drop(e);
	setenv("WEIR_PLANE", "", 1); /* empty is unset */
	t_drop(t_open(NULL));
	unsetenv("WEIR_PLANE");
	t_drop(t_open(NULL));
}

static void names(void **state)
{
	enum weir_plane plane = 42;

	(void)state;
	for (int p = WEIR_PLANE_AUTO; p <= WEIR_PLANE_URING; p++) {
		assert_int_equal(weir_plane_parse(weir_plane_name(p), &plane), 0);
		assert_int_equal(plane, p);
	}
	plane = 42;
	assert_int_equal(weir_plane_parse("URING", &plane), -EINVAL);
	assert_int_equal(weir_plane_parse("", &plane), -EINVAL);
	assert_int_equal(weir_plane_parse(NULL, &plane), -EINVAL);
	assert_int_equal(plane, 42);
	assert_string_equal(weir_plane_name(99), "?");
	assert_string_equal(weir_plane_name(-1), "?");
}

/* Everything off at once still works; what is off does not appear in why. */
static void child_without_all(int unused)
{
	struct weir_engine_opts o = { .size = sizeof o, .without = (1u << 15) - 1 };
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };

	(void)unused;
	o.plane = WEIR_PLANE_URING;
	if (weir_engine_open(&e, &o, &err))
		_exit(77); /* no io_uring on this machine */
	move_bytes(e);
	CHECK(!strstr(weir_engine_why(e), "multishot"));
	weir_engine_close(e);
}

static void without_all(void **state)
{
	(void)state;
	in_child(child_without_all, 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		T_CASE(forbidden_by_seccomp),
		T_CASE(hidden_by_seccomp),
		T_CASE(no_descriptor),
		T_CASE(no_memlock),
		T_CASE(bogus_name),
		T_CASE(who_decides),
		T_CASE(names),
		T_CASE(without_all),
	};

	clean_environment();
	return cmocka_run_group_tests(cases, NULL, NULL);
}
