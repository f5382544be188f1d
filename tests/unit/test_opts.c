/* SPDX-License-Identifier: MIT */
/*
 * test_opts.c - option structures that grow, numbers from the environment, names of planes.
 *
 * Theory: an older, an equal and a newer caller's structure are read; what the library does not
 *	know is refused unless it is zero.
 */
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "t.h"
#include "util/util.h"

struct known {
	size_t size;
	uint32_t a, b;
};

struct newer {
	struct known k;
	uint64_t c;
};

static void sizes(void **state)
{
	struct known to;
	struct newer from = { .k = { .size = sizeof(from), .a = 1, .b = 2 } };
	struct weir_error err = { 0 };

	(void)state;
	memset(&to, 0, sizeof(to));
	assert_int_equal(weir_opts_read(&to, sizeof(to), &from, "newer", &err), 0);
	assert_int_equal(to.a + to.b, 3);
	from.c = 1;
	assert_int_equal(weir_opts_read(&to, sizeof(to), &from, "newer", &err), -EINVAL);
	assert_string_equal(err.stage, "newer");
	assert_true(err.hint[0]);
	from.k.size = offsetof(struct known, b);
	memset(&to, 0, sizeof(to));
	assert_int_equal(weir_opts_read(&to, sizeof(to), &from, "older", NULL), 0);
	assert_int_equal(to.a, 1);
	assert_int_equal(to.b, 0);
	from.k.size = 0;
	assert_int_equal(weir_opts_read(&to, sizeof(to), &from, "none", NULL), -EINVAL);
	from.k.size = 4097;
	assert_int_equal(weir_opts_read(&to, sizeof(to), &from, "wild", NULL), -EINVAL);
	assert_int_equal(weir_opts_read(&to, sizeof(to), NULL, "null", NULL), 0);
}

static void number(const char *text, int code, uint32_t value)
{
	struct weir_error err = { 0 };
	uint32_t n = 77;

	setenv("WEIR_TEST_NUMBER", text, 1);
	assert_int_equal(weir_env_u32("WEIR_TEST_NUMBER", &n, &err), code);
	assert_int_equal(n, value);
	assert_int_equal(err.code, code);
}

static void environment(void **state)
{
	uint32_t n = 77;

	(void)state;
	number("0", 0, 0);
	number("4294967295", 0, UINT32_MAX);
	number("", 0, 77);
	number("4294967296", -EINVAL, 77);
	number("-1", -EINVAL, 77);
	number(" 1", -EINVAL, 77);
	number("1 ", -EINVAL, 77);
	number("0x10", -EINVAL, 77);
	number("99999999999999999999999", -EINVAL, 77);
	unsetenv("WEIR_TEST_NUMBER");
	assert_int_equal(weir_env_u32("WEIR_TEST_NUMBER", &n, NULL), 0);
	assert_int_equal(n, 77);
}

static void planes(void **state)
{
	enum weir_plane p = WEIR_PLANE_AUTO;

	(void)state;
	for (int i = WEIR_PLANE_AUTO; i <= WEIR_PLANE_URING; i++) {
		assert_int_equal(weir_plane_parse(weir_plane_name((enum weir_plane)i), &p), 0);
		assert_int_equal(p, i);
	}
	assert_string_equal(weir_plane_name((enum weir_plane)99), "?");
	assert_int_equal(weir_plane_parse("zcrx!", &p), -EINVAL);
	assert_int_equal(weir_plane_parse(NULL, &p), -EINVAL);
	assert_int_equal(p, WEIR_PLANE_URING);
	assert_true(strchr(weir_version(), '.') != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(sizes),
		T_CASE(environment),
		T_CASE(planes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
