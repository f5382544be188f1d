/* SPDX-License-Identifier: MIT */
/*
 * test_probe.c - the probe: whole, consistent, without traces, and true where it can be proved.
 *
 * Theory: each bit has a code, a name and a sentence.  What the probe says of sockets, rights and
 *	io_uring is compared with what this process can really do; then the same in a process
 *	without any capability.  Descriptors and memory are as before.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/probe.h>
#include <weir/weir.h>

#include "t.h"

#define BITS 26

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void consistent(void **state)
{
	struct weir_probe p;

	(void)state;
	assert_int_equal(weir_probe_read(&p, sizeof(p)), 0);
	assert_int_equal(p.can >> BITS, 0);
	assert_true(p.release[0]);
	assert_true(p.cpus >= 1);
	for (unsigned i = 0; i < BITS; i++) {
		uint64_t can = UINT64_C(1) << i;
		const char *name = NULL;
		char text[256] = "";

		assert_int_equal(!(p.can & can), p.code[i] < 0);
		assert_int_equal(weir_probe_why(&p, can, &name, text, sizeof(text)),
				 !!(p.can & can));
		assert_non_null(name);
		assert_string_not_equal(name, "?");
		assert_true(strlen(text) > 5);
	}
	/* What needs the other is not there without it. */
	if (!(p.can & WEIR_CAN_IO_URING))
		assert_int_equal(p.can & (WEIR_CAN_ZCRX | WEIR_CAN_SEND_ZC | WEIR_CAN_BUF_RING), 0);
	if (p.can & WEIR_CAN_ZCRX)
		assert_true(p.can & WEIR_CAN_RECV_ZC && p.can & WEIR_CAN_DEFER_TASKRUN);
	if (p.can & WEIR_CAN_ZCRX_NODEV)
		assert_true(p.can & WEIR_CAN_ZCRX);
	if (p.can & WEIR_CAN_BUF_INCREMENTAL)
		assert_true(p.can & WEIR_CAN_BUF_RING);
}

static void sentences(void **state)
{
	static const int codes[] = { -EPERM,  -EACCES, -ENOSYS, -EINVAL,
				     -ENOMEM, -EMFILE, -EROFS,	-EOPNOTSUPP };
	struct weir_probe p = { 0 };
	char text[256];

	(void)state;
	for (unsigned c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
		for (unsigned i = 0; i < 64; i++)
			p.code[i] = (int16_t)codes[c];
		p.can = c & 1 ? 0 : WEIR_CAN_IO_URING;
		for (unsigned i = 0; i < BITS; i++) {
			memset(text, 'x', sizeof(text));
			if (!(p.can >> i & 1))
				assert_false(weir_probe_why(&p, UINT64_C(1) << i, NULL, text,
							    sizeof(text)));
			else
				assert_true(weir_probe_why(&p, UINT64_C(1) << i, NULL, text,
							   sizeof(text)));
			assert_true(strlen(text) > 5 && strlen(text) < sizeof(text) - 1);
		}
	}
	assert_false(weir_probe_why(&p, UINT64_C(1) << 60, NULL, text, sizeof(text)));
	assert_false(weir_probe_why(NULL, WEIR_CAN_ZCRX, NULL, text, sizeof(text)));
	assert_string_equal(text, "");
}

static void sizes(void **state)
{
	struct weir_probe whole;
	struct {
		struct weir_probe p;
		char more[64];
	} large;
	char part[offsetof(struct weir_probe, seccomp) + 8];

	(void)state;
	assert_int_equal(weir_probe_read(NULL, sizeof(whole)), -EINVAL);
	assert_int_equal(weir_probe_read(&whole, 0), -EINVAL);
	assert_int_equal(weir_probe_read(&whole, sizeof(whole)), 0);
	memset(&large, 0xff, sizeof(large));
	assert_int_equal(weir_probe_read(&large.p, sizeof(large)), 0);
	assert_memory_equal(large.p.release, whole.release, sizeof(whole.release));
	for (unsigned i = 0; i < sizeof(large.more); i++)
		assert_int_equal(large.more[i], 0);
	memset(part, 0x55, sizeof(part));
	assert_int_equal(weir_probe_read((struct weir_probe *)(void *)part, sizeof(part) - 8), 0);
	assert_memory_equal(part, &whole.can, sizeof(whole.can));
	for (unsigned i = sizeof(part) - 8; i < sizeof(part); i++)
		assert_int_equal(part[i], 0x55);
}

static int can_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Compared with real attempts of this process. */
static void compare(void)
{
	struct weir_engine_opts opts = { .size = sizeof(opts), .plane = WEIR_PLANE_URING };
	struct weir_engine *e = NULL;
	struct weir_verdict v;
	struct weir_probe p;

	assert_int_equal(weir_probe_read(&p, sizeof(p)), 0);
	assert_int_equal(!!(p.can & WEIR_CAN_NET_RAW), can_socket(AF_PACKET, SOCK_RAW, 0));
	assert_int_equal(!!(p.can & WEIR_CAN_AF_XDP), can_socket(AF_XDP, SOCK_RAW, 0));
	assert_int_equal(weir_verdict_queue(&p, NULL, 0, WEIR_WAY_URING, &v), 0);
	assert_int_equal(v.now, weir_engine_open(&e, &opts, NULL) == 0);
	weir_engine_close(e);
	opts.plane = WEIR_PLANE_EPOLL;
	e = NULL;
	assert_int_equal(weir_verdict_queue(&p, NULL, 0, WEIR_WAY_EPOLL, &v), 0);
	assert_int_equal(v.now, weir_engine_open(&e, &opts, NULL) == 0);
	weir_engine_close(e);
}

static void true_here(void **state)
{
	(void)state;
	compare();
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	return (int)syscall(__NR_capset, &head, data);
}

/* In a process of its own: 0 where all is as it must be. */
static int without_rights(void)
{
	struct weir_probe p;

	if (drop_capabilities() || weir_probe_read(&p, sizeof(p)))
		return 10;
	if (p.can & (WEIR_CAN_NET_ADMIN | WEIR_CAN_NET_RAW | WEIR_CAN_IPC_LOCK | WEIR_CAN_ZCRX |
		     WEIR_CAN_ZCRX_NODEV | WEIR_CAN_AF_XDP | WEIR_CAN_BPF))
		return 11;
	if (p.code[__builtin_ctzll(WEIR_CAN_NET_ADMIN)] != -EPERM)
		return 12;
	return 0;
}

static void true_without_rights(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(without_rights());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void no_traces(void **state)
{
	struct weir_probe a, b;
	unsigned before;

	(void)state;
	assert_int_equal(weir_probe_read(&a, sizeof(a)), 0);
	before = descriptors();
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(weir_probe_read(&b, sizeof(b)), 0);
		for (unsigned bit = 0; bit < BITS; bit++)
			if (a.code[bit] != b.code[bit])
				fail_msg("bit %u: %d, then %d", bit, a.code[bit], b.code[bit]);
	}
	assert_int_equal(descriptors(), before);
}

static void trial_refused(void **state)
{
	struct weir_error err = { 0 };
	int code = weir_probe_try_zcrx(0x7ffffff0, 0, &err);

	(void)state;
	assert_int_equal(code, -ENODEV);
	assert_int_equal(err.code, code);
	assert_true(err.hint[0]);
	code = weir_probe_try_zcrx(1, 0,
				   &err); /* loopback: no DMA, or no right, or no such kernel */
	assert_true(code == -EOPNOTSUPP || code == -EPERM || code == -ENOSYS);
	assert_true(err.hint[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(consistent),    T_CASE(sentences),	    T_CASE(sizes),
		T_CASE(true_here),     T_CASE(true_without_rights), T_CASE(no_traces),
		T_CASE(trial_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
