/* SPDX-License-Identifier: MIT */
/*
 * test_tool_text.c - what is not UTF-8 is replaced before it is printed.
 *
 * Theory: the C library says what UTF-8 is: each text of three bytes, and random ones, must be
 * legal after the call, and unchanged where they were legal before.  The seed is printed.
 */
#include <locale.h>

#include "t.h"
#include "weir_tool.h"

/* glibc knows characters beyond the last one. */
static bool legal(const char *text)
{
	wchar_t wide[32];
	size_t n = mbstowcs(wide, text, T_COUNT(wide));

	for (size_t i = 0; n != (size_t)-1 && i < n; i++)
		if (wide[i] > 0x10ffff)
			return false;
	return n != (size_t)-1;
}

static void check(const char *text)
{
	char made[32], again[32];

	memcpy(made, text, strlen(text) + 1);
	tool_make_utf8(made);
	assert_int_equal(strlen(made), strlen(text));
	assert_true(legal(made));
	if (legal(text))
		assert_string_equal(made, text);
	memcpy(again, made, sizeof(made));
	tool_make_utf8(again);
	assert_string_equal(again, made);
}

static void every_three(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		puts("this system has no locale C.UTF-8");
		skip();
	}
	for (unsigned a = 1; a < 256; a++)
		for (unsigned b = 0; b < 256; b++)
			for (unsigned c = 0; c<256; c += b> 0x7f ? 1 : 17)
				check((char[]){ (char)a, (char)b, (char)c, 0 });
}

static void random_ones(void **state)
{
	static const unsigned char often[] = { 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xe0, 0xed,
					       0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xc2, 0xdf, 'a' };
	char text[24];

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		puts("this system has no locale C.UTF-8");
		skip();
	}
	for (unsigned i = 0; i < 300000; i++) {
		size_t n = t_rand_below(sizeof(text));

		for (size_t k = 0; k < n; k++)
			text[k] = (char)often[t_rand_below(sizeof(often))];
		text[n] = 0;
		check(text);
	}
}

static void examples(void **state)
{
	char text[] = "{\"a\": \"\xff\xfe caf\xc3\xa9 \xed\xa0\x80 \xe2\x82\"}";

	(void)state;
	tool_make_utf8(text);
	assert_string_equal(text, "{\"a\": \"?? caf\xc3\xa9 ??? ??\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(examples),
		T_CASE(every_three),
		T_CASE(random_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
