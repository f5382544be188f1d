/* SPDX-License-Identifier: MIT */
/*
 * test_area.c - areas of every provider, their fallback and their sharing.
 *
 * Theory: memory that was got is written to its last byte; a memfd is seen by a second mapping;
 *	huge pages are either there or replaced with a reason, and refused where strict.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/weir.h>

#include "t.h"

static struct weir_area *area_new(const struct weir_area_opts *o, struct weir_area_info *info)
{
	struct weir_error err = { 0 };
	struct weir_area *a = NULL;

	if (weir_area_open(&a, o, &err))
		fail_msg("%s %s", err.stage, err.hint);
	weir_area_describe(a, info);
	assert_non_null(info->base);
	assert_int_equal(info->bytes % info->page_bytes, 0);
	memset(info->base, 0xa5, info->bytes);
	return a;
}

static void host(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o), .provider = WEIR_PROVIDER_HOST, .bytes = 1 };
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);

	(void)state;
	assert_int_equal(info.provider, WEIR_PROVIDER_HOST);
	assert_int_equal(info.bytes, sysconf(_SC_PAGESIZE));
	assert_int_equal(info.fd, -1);
	assert_string_equal(info.reason, "");
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
	weir_area_close(a);
}

static void lazy(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .flags = WEIR_AREA_LAZY,
				    .bytes = 64 << 12 };
	struct weir_area_info info;
	unsigned char vec[64];
	struct weir_area *a = NULL;
	unsigned resident = 0;

	(void)state;
	assert_int_equal(weir_area_open(&a, &o, NULL), 0);
	weir_area_describe(a, &info);
	assert_int_equal(mincore(info.base, info.bytes, vec), 0);
	for (unsigned i = 0; i < 64; i++)
		resident += vec[i] & 1;
	assert_int_equal(resident, 0);
	weir_area_close(a);
	o.flags = 0;
	a = NULL;
	assert_int_equal(weir_area_open(&a, &o, NULL), 0);
	weir_area_describe(a, &info);
	assert_int_equal(mincore(info.base, info.bytes, vec), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(vec[i] & 1, 1);
	weir_area_close(a);
}

static void huge(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HUGE,
				    .bytes = 3 << 20 };
	struct weir_error err = { 0 };
	struct weir_area_info info;
	struct weir_area *a = area_new(&o, &info);

	(void)state;
	if (info.provider == WEIR_PROVIDER_HUGE) {
		assert_int_equal(info.bytes, 4 << 20);
		assert_int_equal(info.page_bytes, 2 << 20);
		weir_area_close(a);
		/* More than any pool has. */
		o.bytes = (size_t)1 << 46;
	} else {
		assert_int_equal(info.provider, WEIR_PROVIDER_HOST);
		assert_non_null(strstr(info.reason, "huge"));
		weir_area_close(a);
	}
	o.flags = WEIR_AREA_STRICT;
	a = NULL;
	assert_int_equal(weir_area_open(&a, &o, &err), -ENOMEM);
	assert_null(a);
	assert_non_null(strstr(err.hint, "nr_hugepages"));
}

static void memfd(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_MEMFD,
				    .bytes = 1 << 20 };
	struct weir_area_info info, second;
	struct weir_area *a = area_new(&o, &info), *b;
	struct weir_error err = { 0 };

	(void)state;
	assert_true(info.fd >= 0);
	o.memfd = info.fd;
	assert_int_equal(weir_area_open(&b, &o, NULL), 0);
	weir_area_describe(b, &second);
	assert_int_not_equal(second.fd, info.fd);
	assert_ptr_not_equal(second.base, info.base);
	memcpy((char *)info.base + 77, "shared", 6);
	assert_memory_equal((char *)second.base + 77, "shared", 6);
	weir_area_close(a);
	memset(second.base, 1, second.bytes);
	weir_area_close(b);
	/* Not open, and too short. */
	o.memfd = 9999;
	assert_int_equal(weir_area_open(&b, &o, &err), -EBADF);
	o.memfd = memfd_create("short", 0);
	assert_true(o.memfd >= 0);
	assert_int_equal(weir_area_open(&b, &o, &err), -EINVAL);
	assert_true(err.hint[0]);
	close(o.memfd);
}

static void refused(const struct weir_area_opts *o)
{
	struct weir_area *a = NULL;
	struct weir_error err = { 0 };

	assert_int_equal(weir_area_open(&a, o, &err), -EINVAL);
	assert_null(a);
	assert_true(err.stage[0] && err.hint[0]);
}

static void bad_arguments(void **state)
{
	struct weir_area_opts o = { .size = sizeof(o) };

	(void)state;
	o.flags = 1u << 31;
	refused(&o);
	o.flags = 0;
	o.reserved = 1;
	refused(&o);
	o.reserved = 0;
	o.provider = (enum weir_provider)17;
	refused(&o);
	o.provider = WEIR_PROVIDER_HOST;
	o.bytes = SIZE_MAX;
	refused(&o);
	o.size = 0;
	refused(&o);
	assert_int_equal(weir_area_open(NULL, NULL, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(host), T_CASE(defaults), T_CASE(lazy),
		T_CASE(huge), T_CASE(memfd),	T_CASE(bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
