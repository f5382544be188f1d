/* SPDX-License-Identifier: MIT */
/*
 * test_error.c - error records: filling, cutting, text.
 *
 * Theory: what is set comes out in the documented form; what does not fit is cut at a NUL and
 *	nothing is written behind it.
 */
#include <string.h>
#include <weir/weir.h>

#include "t.h"
#include "util/util.h"

static void forms(void **state)
{
	struct weir_error err;
	char buf[700];

	(void)state;
	assert_int_equal(weir_error_set(&err, -ENOENT, "open", "a/b", "look in %s", "c"), -ENOENT);
	assert_string_equal(weir_error_format(&err, buf, sizeof(buf)),
			    "weir: open a/b: No such file or directory\n  hint: look in c");
	weir_error_set(&err, -EPERM, "open", NULL, NULL);
	assert_string_equal(weir_error_format(&err, buf, sizeof(buf)),
			    "weir: open : Operation not permitted");
	weir_error_set(&err, 0, NULL, NULL, NULL);
	assert_string_equal(weir_error_format(&err, buf, sizeof(buf)), "weir: no error");
	assert_string_equal(weir_error_format(NULL, buf, sizeof(buf)), "");
	assert_int_equal(weir_error_set(NULL, -EIO, "x", NULL, NULL), -EIO);
}

static void cut(void **state)
{
	struct weir_error err;
	char big[1000], buf[10];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	weir_error_set(&err, -EIO, big, big, "%s", big);
	assert_int_equal(strlen(err.stage), sizeof(err.stage) - 1);
	assert_int_equal(strlen(err.object), sizeof(err.object) - 1);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	memset(buf, 'z', sizeof(buf));
	weir_error_format(&err, buf, 9);
	assert_int_equal(strlen(buf), 8);
	assert_int_equal(buf[9], 'z');
}

static void print(void **state)
{
	struct weir_error err;
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	weir_error_set(&err, -EIO, "s", "o", "h");
	weir_error_print(to, &err);
	weir_error_print(to, NULL);
	weir_error_print(NULL, &err);
	fclose(to);
	assert_string_equal(text, "weir: s o: Input/output error\n  hint: h\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(forms),
		T_CASE(cut),
		T_CASE(print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
