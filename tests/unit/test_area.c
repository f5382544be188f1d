/* SPDX-License-Identifier: MIT */
/*
 * test_area.c - areas of memory that every machine has, their fallback and their sharing.
 *
 * Theory: memory that was got is written to its last byte; a memfd is seen by a second mapping and
 *	by another process, in either order of closing, and cannot be cut off; huge pages are either
 *	there or replaced with a reason, and refused where strict; every wrong option, size and
 *	descriptor has its error; after many rounds no descriptor and no mapping is left.
 */
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>

#include "area_test.h"
#include "mem/mem.h"

static void host(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_HOST, .bytes = 1);
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);

	(void)state;
	assert_int_equal(info.provider, WEIR_PROVIDER_HOST);
	assert_int_equal(info.bytes, sysconf(_SC_PAGESIZE));
	assert_int_equal(info.fd, -1);
	assert_string_equal(info.reason, "");
	/* Nothing to be done for the CPU, and nothing refused. */
	assert_int_equal(weir_area_sync_begin(a), 0);
	assert_int_equal(weir_area_sync_end(a), 0);
	/* Two owners: the memory lives until the second has closed. */
	assert_ptr_equal(weir_area_ref(a), a);
	weir_area_close(a);
	memset(info.base, 1, info.bytes);
	weir_area_close(a);
	weir_area_close(NULL);
}

static void defaults(void **state)
{
	struct weir_area_info info;
	struct weir_area *a = area_new(NULL, &info);

	(void)state;
	assert_int_equal(info.bytes, 8 << 20);
	assert_int_equal((uintptr_t)info.base % HUGE, 0);
	weir_area_close(a);
}

static unsigned resident(const struct weir_area_opts *o)
{
	struct weir_area_info info;
	unsigned char vec[64];
	struct weir_area *a = NULL;
	unsigned n = 0;

	assert_int_equal(weir_area_open(&a, o, NULL), 0);
	weir_area_describe(a, &info);
	assert_int_equal(info.bytes, 64 * sysconf(_SC_PAGESIZE));
	assert_int_equal(mincore(info.base, info.bytes, vec), 0);
	for (unsigned i = 0; i < 64; i++)
		n += vec[i] & 1;
	weir_area_close(a);
	return n;
}

static void lazy(void **state)
{
	const enum weir_provider kinds[] = { WEIR_PROVIDER_HOST, WEIR_PROVIDER_MEMFD };

	(void)state;
	for (unsigned i = 0; i < T_COUNT(kinds); i++) {
		struct weir_area_opts o =
			OPTS(kinds[i], .bytes = 64 * (size_t)sysconf(_SC_PAGESIZE));

		assert_int_equal(resident(&o), 64);
		o.flags = WEIR_AREA_LAZY;
		assert_int_equal(resident(&o), 0);
	}
}

/* 2 MiB pages where the pool has them, else the reason, with its remedy. */
static void huge_pages(enum weir_provider kind, enum weir_provider instead)
{
	struct weir_area_opts o = OPTS(kind, .bytes = 3 << 20, .page_bytes = HUGE);
	bool there = huge_to_be_had(2);
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);

	if (there) {
		assert_int_equal(info.provider, kind);
		assert_int_equal(info.bytes, 4 << 20);
		assert_int_equal(info.page_bytes, HUGE);
		assert_string_equal(info.reason, "");
	} else {
		assert_int_equal(info.provider, instead);
		assert_int_equal(info.page_bytes, sysconf(_SC_PAGESIZE));
		assert_int_equal(info.bytes, 3 << 20);
		assert_non_null(strstr(info.reason, "huge"));
		assert_non_null(strstr(info.reason, "2048kB/nr_hugepages"));
	}
	weir_area_close(a);
	/* More than any pool has. */
	o.bytes = (size_t)1 << 40;
	o.flags = WEIR_AREA_STRICT;
	area_refused(&o, -ENOMEM, "hugepages-2048kB/nr_hugepages");
}

static void huge(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_HUGE, .bytes = 1, .flags = WEIR_AREA_STRICT);
	struct weir_area_info info;

	(void)state;
	huge_pages(WEIR_PROVIDER_HUGE, WEIR_PROVIDER_HOST);
	huge_pages(WEIR_PROVIDER_MEMFD, WEIR_PROVIDER_MEMFD);
	/* A size that this machine may not know, and one that none knows. */
	o.page_bytes = 1u << 30;
	if (access("/sys/kernel/mm/hugepages/hugepages-1048576kB", F_OK))
		area_refused(&o, -EINVAL, "no pages of 1048576 KiB");
	else if (meminfo("Hugepagesize") != 1u << 20)
		area_refused(&o, -ENOMEM, "hugepages-1048576kB/nr_hugepages");
	o.page_bytes = 1u << 31;
	area_refused(&o, -EINVAL, "no pages of 2097152 KiB");
	/* Without STRICT it is ordinary memory all the same. */
	o.flags = 0;
	weir_area_close(area_new(&o, &info));
	assert_int_equal(info.provider, WEIR_PROVIDER_HOST);
	assert_non_null(strstr(info.reason, "2097152 KiB"));
}

static void memfd(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD, .bytes = 1 << 20);
	struct weir_area_info info, second;
	struct weir_area *a = area_new(&o, &info), *b;

	(void)state;
	assert_true(info.fd >= 0);
	assert_int_equal(info.page_bytes, sysconf(_SC_PAGESIZE));
	assert_string_equal(info.reason, "");
	/* No owner can cut it off under the others. */
	assert_int_equal(ftruncate(info.fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	memcpy((char *)info.base + 77, "shared", 6);
	o.memfd = info.fd;
	o.bytes = 0; /* all of it */
	assert_int_equal(weir_area_open(&b, &o, NULL), 0);
	weir_area_describe(b, &second);
	assert_int_equal(second.bytes, info.bytes);
	assert_int_not_equal(second.fd, info.fd);
	assert_ptr_not_equal(second.base, info.base);
	assert_memory_equal((char *)second.base + 77, "shared", 6);
	weir_area_close(a);
	memset(second.base, 1, second.bytes);
	weir_area_close(b);
}

/* A memfd of huge pages that somebody else made. */
static void memfd_of_huge_pages(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD);
	struct weir_area_info info;
	struct weir_area *a;

	(void)state;
	if (!huge_to_be_had(2)) {
		print_message("no 2 MiB pages are reserved here\n");
		skip();
	}
	o.memfd = memfd_create("theirs", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26);
	assert_true(o.memfd >= 0);
	assert_int_equal(ftruncate(o.memfd, 2 * HUGE), 0);
	/* Less than a page of it is a page. */
	o.bytes = HUGE + 4096;
	a = area_new(&o, &info);
	assert_int_equal(info.bytes, 2 * HUGE);
	assert_int_equal(info.page_bytes, HUGE);
	weir_area_close(a);
	o.bytes = 2 * HUGE + 1;
	area_refused(&o, -EINVAL, "shorter");
	close(o.memfd);
	assert_true(huge_to_be_had(2));
}

static void bad_fd(int fd, int code, const char *hint)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD, .memfd = fd);

	area_refused(&o, code, hint);
	o.flags = WEIR_AREA_LAZY;
	o.bytes = 4096;
	area_refused(&o, code, hint);
	if (code != -EBADF)
		close(fd);
}

static int their_memfd(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void bad_memfds(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD, .bytes = 8193);
	char path[64];
	int fd, ends[2];

	(void)state;
	bad_fd(9999, -EBADF, "9999 is not open");
	bad_fd(INT_MAX, -EBADF, "not open");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	bad_fd(ends[0], -EINVAL, "no memfd");
	bad_fd(ends[1], -EINVAL, "no memfd");
	bad_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -EINVAL, "no memfd");
	bad_fd(open("/dev/null", O_RDWR | O_CLOEXEC), -EINVAL, "no memfd");
	bad_fd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EINVAL, "no memfd");
	bad_fd(open("/", O_PATH | O_CLOEXEC), -EINVAL, "no memfd");
	/* All of its 4095 bytes would be a page of 4096. */
	bad_fd(their_memfd("odd", 4095), -EINVAL, "shorter");
	/* Not to be written. */
	fd = their_memfd("read only", 8192);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	bad_fd(open(path, O_RDONLY | O_CLOEXEC), -EACCES, "reading only");
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	bad_fd(fd, -EPERM, "sealed against writing");
	/* Two pages of three asked for; an empty one. */
	o.memfd = their_memfd("short", 8192);
	area_refused(&o, -EINVAL, "shorter");
	close(o.memfd);
	o.memfd = their_memfd("empty", 0);
	o.bytes = 0;
	area_refused(&o, -EINVAL, "empty");
	close(o.memfd);
}

/* What is in a memfd stays when it becomes an area. */
static void contents_stay(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD);
	struct weir_area_info info;
	struct weir_area *a = NULL;
	const size_t bytes = 1 << 20;
	char *theirs;

	(void)state;
	o.memfd = their_memfd("theirs", bytes);
	theirs = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, o.memfd, 0);
	assert_true(theirs != MAP_FAILED);
	t_pattern_fill(theirs, 5, 0, bytes);
	assert_int_equal(weir_area_open(&a, &o, NULL), 0);
	weir_area_describe(a, &info);
	assert_int_equal(info.bytes, bytes);
	t_pattern_check(info.base, 5, 0, bytes);
	weir_area_close(a);
	t_pattern_check(theirs, 5, 0, bytes);
	assert_int_equal(munmap(theirs, bytes), 0);
	close(o.memfd);
}

/* In the other process: make an area of what was given, answer in it, look for the owner's end. */
static int shares(int fd)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD, .memfd = fd);
	struct weir_area_info info;
	struct weir_area *a = NULL;
	volatile char *at;

	if (fd < 0 || weir_area_open(&a, &o, NULL))
		return 2;
	close(fd);
	weir_area_describe(a, &info);
	at = info.base;
	if (at[0] != 'q' || at[info.bytes - 1] != 'z')
		return 3;
	at[1] = 'a';
	/* The owner closes its area and then says so by the last byte, through its own mapping. */
	while (at[info.bytes - 1] != 'c')
		poll(NULL, 0, 1); /* until it is so */
	for (size_t i = 2; i < info.bytes - 1; i++)
		if (at[i] != (char)0xa5)
			return 4;
	weir_area_close(a);
	return 0;
}

static void another_process(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_MEMFD, .bytes = 1 << 20);
	uint64_t end = t_now_us() + T_DEADLINE_MS * 1000ull;
	struct other other = other_new(shares);
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);
	volatile char *at = info.base;
	char *kept;

	(void)state;
	at[0] = 'q';
	at[info.bytes - 1] = 'z';
	other_give(&other, info.fd);
	while (at[1] != 'a' && t_now_us() < end)
		poll(NULL, 0, 1); /* until it is so */
	assert_int_equal(at[1], 'a');
	kept = mmap(NULL, info.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
	assert_true(kept != MAP_FAILED);
	weir_area_close(a);
	((volatile char *)kept)[info.bytes - 1] = 'c';
	munmap(kept, info.bytes);
	other_free(&other);
}

/* A page that is not to be had is an error, not a signal. */
static void touching_fails(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = their_memfd("one page", page);
	void *base = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)state;
	assert_true(base != MAP_FAILED);
	assert_int_equal(weir_page_touch(base, page), 0);
	assert_int_equal(weir_page_touch(base, 2 * page), -EFAULT);
	munmap(base, 2 * page);
	close(fd);
}

static void sizes(void **state)
{
	const enum weir_provider kinds[] = { WEIR_PROVIDER_AUTO, WEIR_PROVIDER_HOST,
					     WEIR_PROVIDER_HUGE, WEIR_PROVIDER_MEMFD };
	const size_t odd[] = { 1, 4095, 4097, HUGE - 1, HUGE + 1, 3 * HUGE + 12345 };
	struct weir_area_info info;

	(void)state;
	for (unsigned k = 0; k < T_COUNT(kinds); k++) {
		struct weir_area_opts o = OPTS(kinds[k]);

		for (unsigned i = 0; i < T_COUNT(odd); i++) {
			o.bytes = odd[i];
			weir_area_close(area_new(&o, &info));
			assert_true(info.bytes >= odd[i] && info.bytes - odd[i] < info.page_bytes);
		}
		o.bytes = (size_t)1 << 60;
		area_refused(&o, -ENOMEM, "not to be had");
		o.bytes = SIZE_MAX / 4 + 1;
		area_refused(&o, -EINVAL, "out of range");
		o.bytes = SIZE_MAX;
		area_refused(&o, -EINVAL, "out of range");
	}
}

static void bad_arguments(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_AUTO);
	struct weir_area_opts cases[] = {
		OPTS(WEIR_PROVIDER_AUTO, .flags = 1u << 31),
		OPTS(WEIR_PROVIDER_AUTO, .reserved = 1),
		OPTS((enum weir_provider)6),
		OPTS((enum weir_provider) - 1),
		/* What the provider does not know. */
		OPTS(WEIR_PROVIDER_HOST, .flags = WEIR_AREA_NO_MAP),
		OPTS(WEIR_PROVIDER_MEMFD, .flags = WEIR_AREA_NO_MAP),
		OPTS(WEIR_PROVIDER_HOST, .memfd = 1),
		OPTS(WEIR_PROVIDER_AUTO, .memfd = 1),
		OPTS(WEIR_PROVIDER_DMABUF, .memfd = 1),
		OPTS(WEIR_PROVIDER_HOST, .dmabuf = 1),
		OPTS(WEIR_PROVIDER_UDMABUF, .dmabuf = 1),
		/* Pages. */
		OPTS(WEIR_PROVIDER_HUGE, .page_bytes = 1),
		OPTS(WEIR_PROVIDER_HUGE, .page_bytes = 3 << 20),
		OPTS(WEIR_PROVIDER_HOST, .page_bytes = HUGE),
		OPTS(WEIR_PROVIDER_DMABUF, .page_bytes = HUGE),
		OPTS(WEIR_PROVIDER_MEMFD, .memfd = 1, .page_bytes = HUGE),
		/* A dma-buf that is none. */
		OPTS(WEIR_PROVIDER_DMABUF),
		OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = -1),
		OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = 1),
	};

	(void)state;
	for (unsigned i = 0; i < T_COUNT(cases); i++) {
		t_note("case %u", i);
		area_refused(&cases[i], -EINVAL, " ");
	}
	o.size = 0;
	area_refused(&o, -EINVAL, "sizeof");
	o = OPTS(WEIR_PROVIDER_DMABUF, .dmabuf = 9999);
	area_refused(&o, -EBADF, "not open");
	o.dmabuf = their_memfd("no dma-buf", 4096);
	area_refused(&o, -EINVAL, "no dma-buf");
	close(o.dmabuf);
	/* Minus one is as good as none. */
	o = OPTS(WEIR_PROVIDER_HOST, .memfd = -1, .dmabuf = -1);
	weir_area_close(area_new(&o, &(struct weir_area_info){ 0 }));
	assert_int_equal(weir_area_open(NULL, NULL, NULL), -EINVAL);
}

/* A caller that was built before .dmabuf and .page_bytes were there. */
static void older_caller(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_HOST, .page_bytes = 3);
	struct weir_area_info info;

	(void)state;
	o.size = offsetof(struct weir_area_opts, dmabuf);
	weir_area_close(area_new(&o, &info));
	assert_int_equal(info.provider, WEIR_PROVIDER_HOST);
}

static void no_udmabuf(void **state)
{
	struct weir_area_opts o = OPTS(WEIR_PROVIDER_UDMABUF);

	(void)state;
	if (!access("/dev/udmabuf", F_OK)) {
		print_message("there is a /dev/udmabuf: unit.area_dmabuf tests it\n");
		skip();
	}
	area_refused(&o, -ENOENT, "CONFIG_UDMABUF");
}

/* Many rounds, good ones and failed ones; descriptors are counted by t_teardown(). */
static void nothing_is_left(void **state)
{
	const size_t bytes = 4 << 20;
	const enum weir_provider kinds[] = { WEIR_PROVIDER_HOST, WEIR_PROVIDER_HUGE,
					     WEIR_PROVIDER_MEMFD };
	size_t before = mapped_bytes(), after;
	struct weir_area_info info;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned k = 0; k < T_COUNT(kinds); k++) {
			struct weir_area_opts o =
				OPTS(kinds[k], .bytes = bytes, .flags = WEIR_AREA_LAZY);
			struct weir_area *a = area_new(&o, &info);

			weir_area_close(a);
		}
		bad_fd(their_memfd("odd", 4095), -EINVAL, "shorter");
	}
	after = mapped_bytes();
	/* A leak would be 200 MiB and more. */
	assert_true(after < before + 10 * bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(host),
		T_CASE(defaults),
		T_CASE(lazy),
		T_CASE(huge),
		T_CASE(memfd),
		T_CASE(bad_memfds),
		T_CASE(memfd_of_huge_pages),
		T_CASE(contents_stay),
		T_CASE(another_process),
		T_CASE(touching_fails),
		T_CASE(sizes),
		T_CASE(bad_arguments),
		T_CASE(older_caller),
		T_CASE(no_udmabuf),
		T_CASE(nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
