/* SPDX-License-Identifier: MIT */
/*
 * test_area_dmabuf.c - areas of dma-bufs: made by /dev/udmabuf, and given by their descriptor.
 *
 * Theory: a udmabuf is mapped in two ways (the memfd's, the dma-buf's), in two processes, and both
 *	see the same bytes in either order of closing.  It is also given as a driver's dma-buf would
 *	be.  One that the CPU may not map is made by refusing mmap(2) of descriptors (seccomp).
 *	Wrong memfds, sizes, users have their errors, and after many rounds the memory is the
 *	system's.  tests/vm/t/lib_areas.sh runs this with and without huge pages, and with a size
 *	limit, and says by the environment what it has set: WEIR_TEST_HUGE=yes|no,
 *	WEIR_TEST_LIMIT_MB.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "area_test.h"

#define BYTES (4ul << 20)
#define NOBODY 65534

static void expect_dmabuf(int fd, size_t bytes)
{
	struct statfs fs;

	assert_int_equal(fstatfs(fd, &fs), 0);
	assert_int_equal(fs.f_type, DMA_BUF_MAGIC);
	assert_int_equal(lseek(fd, 0, SEEK_END), bytes);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* The same bytes through a mapping of the dma-buf as through the area's. */
static void expect_same(const struct weir_area_info *info, uint64_t seed)
{
	void *other = mmap(NULL, info->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, info->fd, 0);

	assert_true(other != MAP_FAILED);
	t_pattern_fill(info->base, seed, 0, info->bytes);
	t_pattern_check(other, seed, 0, info->bytes);
	t_pattern_fill(other, seed + 1, 0, info->bytes);
	t_pattern_check(info->base, seed + 1, 0, info->bytes);
	assert_int_equal(munmap(other, info->bytes), 0);
}

/* May the kernel be given a pointer into it, as for O_DIRECT? */
static bool kernel_takes(void *base)
{
	struct iovec iov = { base, 1 };
	int ends[2];
	bool taken;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	taken = vmsplice(ends[1], &iov, 1, 0) == 1;
	if (!taken)
		assert_int_equal(errno, EFAULT);
	close(ends[0]);
	close(ends[1]);
	return taken;
}

static void made(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES);
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);

	(void)state;
	assert_int_equal(info.provider, WEIR_PROVIDER_UDMABUF);
	assert_int_equal(info.bytes, BYTES);
	assert_non_null(info.base);
	expect_dmabuf(info.fd, BYTES);
	expect_same(&info, 11);
	assert_true(kernel_takes(info.base));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(weir_area_sync_begin(a), 0);
		assert_int_equal(weir_area_sync_end(a), 0);
	}
	print_message("pages of %zu bytes; %s\n", info.page_bytes, info.reason);
	weir_area_close(a);
}

/* 2 MiB pages where the pool and the kernel have them, else the reason. */
static void pages(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF, .bytes = HUGE + 1);
	const char *expected = getenv("WEIR_TEST_HUGE");
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);
	bool got = info.page_bytes == HUGE;

	(void)state;
	if (expected)
		assert_int_equal(got, !strcmp(expected, "yes"));
	assert_int_equal(info.bytes, got ? 2 * HUGE : HUGE + (size_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(info.reason[0] != '\0', !got);
	weir_area_close(a);
	o.flags = WEIR_AREA_STRICT;
	if (got) {
		weir_area_close(area_new(&o, &info));
		assert_int_equal(info.page_bytes, HUGE);
	} else {
		struct weir_error err = { 0 };

		a = NULL;
		assert_true(weir_area_open(&a, &o, &err) < 0);
		assert_null(a);
		assert_true(err.hint[0]);
	}
	/* Ordinary ones when they are asked for: nothing is lacking then. */
	o.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	weir_area_close(area_new(&o, &info));
	assert_int_equal(info.page_bytes, o.page_bytes);
	assert_string_equal(info.reason, "");
}

static void not_mapped(void **state)
{
	struct weir_area_opts o =
		OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES, .flags = WEIR_AREA_NO_MAP);
	size_t before = mapped_bytes();
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info), *b;

	(void)state;
	assert_null(info.base);
	assert_int_equal(info.bytes, BYTES);
	expect_dmabuf(info.fd, BYTES);
	assert_true(mapped_bytes() < before + BYTES);
	assert_int_equal(weir_area_sync_begin(a), 0);
	assert_int_equal(weir_area_sync_end(a), 0);
	/* The same of one that is given. */
	o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = info.fd, .flags = WEIR_AREA_NO_MAP);
	b = area_new(&o, &info);
	assert_null(info.base);
	assert_string_equal(info.reason, "");
	o.flags |= WEIR_AREA_STRICT;
	weir_area_close(area_new(&o, &info));
	assert_null(info.base);
	weir_area_close(a);
	weir_area_close(b);
}

/* As the dma-buf of a device's driver would be given. */
static void given(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES);
	struct weir_area_info info, second;
	struct weir_area *a = area_new(&o, &info), *b;

	(void)state;
	o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = info.fd);
	b = area_new(&o, &second);
	assert_int_equal(second.provider, WEIR_PROVIDER_DMABUF);
	assert_int_equal(second.bytes, BYTES);
	assert_int_not_equal(second.fd, info.fd);
	expect_dmabuf(second.fd, BYTES);
	expect_same(&second, 21);
	assert_false(kernel_takes(second.base));
	/* Whole or not at all. */
	o.bytes = BYTES;
	weir_area_close(area_new(&o, &second));
	o.bytes = BYTES - 4096;
	area_refused(&o, -EINVAL, "4194304 bytes");
	o.bytes = BYTES + 1;
	area_refused(&o, -EINVAL, "4194304 bytes");
	weir_area_describe(b, &second);
	t_pattern_fill(info.base, 23, 0, BYTES);
	weir_area_close(a);
	assert_int_equal(weir_area_sync_begin(b), 0);
	t_pattern_check(second.base, 23, 0, BYTES);
	assert_int_equal(weir_area_sync_end(b), 0);
	weir_area_close(b);
}

/* In the other process: take what was given as a dma-buf, answer in it. */
static int shares(int fd)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = fd);
	struct weir_area_info info;
	struct weir_area *a = NULL;
	char *at;

	if (fd < 0 || weir_area_open(&a, &o, NULL))
		return 2;
	close(fd);
	weir_area_describe(a, &info);
	at = info.base;
	if (!at || weir_area_sync_begin(a) || at[0] != 'q' || at[info.bytes - 1] != 'z')
		return 3;
	at[1] = 'a';
	if (weir_area_sync_end(a))
		return 4;
	weir_area_close(a);
	return 0;
}

static void another_process(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES);
	struct other other = other_new(shares);
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);
	char *at = info.base;

	(void)state;
	at[0] = 'q';
	at[BYTES - 1] = 'z';
	other_give(&other, info.fd);
	other_free(&other);
	assert_int_equal(at[1], 'a');
	assert_int_equal(at[2], (char)0xa5);
	weir_area_close(a);
}

/* From a memfd that the caller made and sealed, and from others. */
static void of_a_memfd(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF);
	struct weir_area_info info;
	struct weir_area *a = NULL;
	char *theirs;

	(void)state;
	o.memfd = memfd_create("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(o.memfd >= 0);
	assert_int_equal(ftruncate(o.memfd, BYTES), 0);
	theirs = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, o.memfd, 0);
	assert_true(theirs != MAP_FAILED);
	t_pattern_fill(theirs, 31, 0, BYTES);
	area_refused(&o, -EINVAL, "F_SEAL_SHRINK");
	assert_int_equal(fcntl(o.memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(weir_area_open(&a, &o, NULL), 0);
	weir_area_describe(a, &info);
	assert_int_equal(info.bytes, BYTES);
	assert_string_equal(info.reason, "");
	t_pattern_check(info.base, 31, 0, BYTES);
	expect_same(&info, 33);
	t_pattern_check(theirs, 34, 0, BYTES);
	weir_area_close(a);
	/* A part of it, from its begin. */
	o.bytes = BYTES / 2;
	weir_area_close(area_new(&o, &info));
	assert_int_equal(info.bytes, BYTES / 2);
	o.bytes = BYTES + 1;
	area_refused(&o, -EINVAL, "shorter");
	o.bytes = 0;
	assert_int_equal(munmap(theirs, BYTES), 0);
	assert_int_equal(fcntl(o.memfd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	area_refused(&o, -EPERM, "sealed against writing");
	close(o.memfd);
	o.memfd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (o.memfd < 0)
		return;
	assert_int_equal(ftruncate(o.memfd, BYTES), 0);
	assert_true(weir_area_open(&a, &o, NULL) < 0);
	close(o.memfd);
}

/* Refuse mmap(2) with a descriptor from now on, as an exporter without mmap does. */
static bool no_more_mmap(void)
{
#ifdef __x86_64__
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { T_COUNT(code), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
#else
	return false;
#endif
}

/* In the other process: a dma-buf that the CPU cannot have. */
static int cannot_map(int fd)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = fd);
	struct weir_area_info info;
	struct weir_error err = { 0 };
	struct weir_area *a = NULL;

	if (!no_more_mmap())
		return 2;
	if (weir_area_open(&a, &o, &err))
		return 3;
	weir_area_describe(a, &info);
	if (info.base || info.bytes != BYTES || !strstr(info.reason, "EINVAL"))
		return 4;
	if (weir_area_sync_begin(a) || weir_area_sync_end(a))
		return 5;
	weir_area_close(a);
	a = NULL;
	o.flags = WEIR_AREA_STRICT;
	if (weir_area_open(&a, &o, &err) != -EINVAL || a || !strstr(err.hint, "exporter"))
		return 6;
	return 0;
}

static void unmappable(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES);
	struct other other;
	struct weir_area_info info;
	struct weir_area *a;

	(void)state;
#ifndef __x86_64__
	print_message("the filter is written for x86-64\n");
	skip();
#endif
	other = other_new(cannot_map);
	a = area_new(&o, &info);
	other_give(&other, info.fd);
	other_free(&other);
	weir_area_close(a);
}

/* In the other process, as a user who may not. */
static int may_not(int fd)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF);
	struct weir_error err = { 0 };
	struct weir_area *a = NULL;
	int r;

	close(fd);
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		return 2;
	r = weir_area_open(&a, &o, &err);
	return r == -EACCES && !a && strstr(err.hint, "root") &&
			       !strcmp(err.object, "/dev/udmabuf") ?
		       0 :
		       3;
}

static void no_rights(void **state)
{
	struct other other;
	struct stat st;

	(void)state;
	assert_int_equal(stat("/dev/udmabuf", &st), 0);
	if (getuid() || st.st_mode & 06) {
		print_message("this user's rights cannot be given up, or anybody has them\n");
		skip();
	}
	other = other_new(may_not);
	other_give(&other, 0);
	other_free(&other);
}

static void sizes(void **state)
{
	const size_t odd[] = { 1, 4095, 4097, HUGE - 1, HUGE + 1 };
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF);
	const char *limit = getenv("WEIR_TEST_LIMIT_MB");
	struct weir_area_info info;

	(void)state;
	for (unsigned i = 0; i < T_COUNT(odd); i++) {
		o.bytes = odd[i];
		weir_area_close(area_new(&o, &info));
		assert_true(info.bytes >= odd[i] && info.bytes - odd[i] < info.page_bytes);
	}
	o.bytes = (size_t)1 << 60;
	area_refused(&o, -ENOMEM, "not to be had");
	if (!limit)
		return;
	o.bytes = strtoul(limit, NULL, 10) << 20;
	weir_area_close(area_new(&o, &info));
	o.bytes++;
	area_refused(&o, -EINVAL, "size_limit_mb");
	o.flags = WEIR_AREA_STRICT;
	o.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	area_refused(&o, -EINVAL, limit);
}

/* Every way of opening, many times. */
static void nothing_is_left(void **state)
{
	struct weir_area_opts bad = OPTS(WEIR_PROVIDER_DMABUF, .bytes = 4096);
	size_t before = mapped_bytes();
	unsigned long huge = meminfo("HugePages_Free"), shmem = meminfo("Shmem"), now = shmem;
	uint64_t end;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct weir_area_opts o =
			OPTS(WEIR_PROVIDER_UDMABUF, .bytes = BYTES,
			     .flags = i % 3 ? 0 : WEIR_AREA_NO_MAP,
			     .page_bytes = i % 2 ? 0 : (uint32_t)sysconf(_SC_PAGESIZE));
		struct weir_area_info info;
		struct weir_area *a = area_new(&o, &info), *b;

		bad.dmabuf = info.fd;
		area_refused(&bad, -EINVAL, "whole");
		o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = info.fd);
		b = area_new(&o, &info);
		weir_area_close(i % 5 ? a : b);
		weir_area_close(i % 5 ? b : a);
	}
	assert_true(mapped_bytes() < before + 10 * BYTES);
	/* The kernel lets go of a file a moment after it was closed. */
	end = t_now_us() + T_DEADLINE_MS * 1000ull;
	do {
		now = meminfo("Shmem");
		if (now < shmem + 4 * (BYTES >> 10) && meminfo("HugePages_Free") == huge)
			return;
		poll(NULL, 0, 10); /* until it is so */
	} while (t_now_us() < end);
	fail_msg("shared memory %lu -> %lu KiB, free huge pages %lu -> %lu", shmem, now, huge,
		 meminfo("HugePages_Free"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(made),
		T_CASE(pages),
		T_CASE(not_mapped),
		T_CASE(given),
		T_CASE(another_process),
		T_CASE(of_a_memfd),
		T_CASE(unmappable),
		T_CASE(no_rights),
		T_CASE(sizes),
		T_CASE(nothing_is_left),
	};

	if (access("/dev/udmabuf", R_OK | W_OK)) {
		printf("no /dev/udmabuf, or not for this user\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
