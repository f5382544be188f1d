/* SPDX-License-Identifier: MIT */
/*
 * test_addr.c - socket addresses from text and back.
 *
 * Theory: every legal form is parsed and formatted to the same text; every kind of bad text gives
 *	its errno, a hint, and leaves the output alone.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <weir/weir.h>

#include "t.h"

static void same(const char *text, const char *back)
{
	struct weir_error err = { 0 };
	struct weir_addr a;
	char buf[160];

	if (weir_addr_parse(text, &a, &err))
		fail_msg("%s: %s", text, err.hint);
	assert_string_equal(weir_addr_format(&a.sa, buf, sizeof(buf)), back);
	assert_int_equal(err.code, 0);
}

static void bad(const char *text, int code)
{
	struct weir_error err = { 0 };
	struct weir_addr a;

	memset(&a, 0x5a, sizeof(a));
	assert_int_equal(weir_addr_parse(text, &a, &err), code);
	assert_int_equal(err.code, code);
	assert_true(err.stage[0] && err.hint[0]);
	for (size_t i = 0; i < sizeof(a); i++)
		assert_int_equal(((unsigned char *)&a)[i], 0x5a);
	assert_int_equal(weir_addr_parse(text, &a, NULL), code);
}

static void legal(void **state)
{
	(void)state;
	same("127.0.0.1:80", "127.0.0.1:80");
	same("0.0.0.0:0", "0.0.0.0:0");
	same("255.255.255.255:65535", "255.255.255.255:65535");
	same("[::1]:9000", "[::1]:9000");
	same("[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]:5");
	same("*:7", "[::]:7");
	same(":7", "[::]:7");
	same("unix:/tmp/x", "unix:/tmp/x");
	same("unix:@name", "unix:@name");
	same("unix:a:b", "unix:a:b");
}

static void scope(void **state)
{
	char text[64], name[IF_NAMESIZE];

	(void)state;
	if (!if_indextoname(1, name))
		skip();
	snprintf(text, sizeof(text), "[fe80::1%%%s]:9", name);
	same(text, text);
	same("[fe80::1%4000000]:9", "[fe80::1%4000000]:9");
}

static void illegal(void **state)
{
	static const char *const texts[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:x",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1:65536",
		"127.0.0.1:99999999999999999999",
		"127.0.0.1:80 ",
		"localhost:80",
		"::1:80",
		"[::1:80",
		"[::1]80",
		"[::1]",
		"[fe80::1%]:1",
		"[fe80::1%nosuchif0]:1",
		"[]:1",
		"1.2.3:4",
		"1.2.3.4.5:6",
		"unix:",
		"unix:@",
	};
	char longer[300];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad(texts[i], -EINVAL);
	memset(longer, '1', sizeof(longer));
	memcpy(longer + sizeof(longer) - 4, ":80", 4);
	bad(longer, -EINVAL);
	memset(longer, 'p', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, "unix:/", 6);
	bad(longer, -ENAMETOOLONG);
	/* The longest path that fits, and one more. */
	longer[5 + 107] = '\0';
	same(longer, longer);
	longer[5 + 107] = 'p';
	longer[5 + 108] = '\0';
	bad(longer, -ENAMETOOLONG);
	assert_int_equal(weir_addr_parse(NULL, (struct weir_addr *)longer, NULL), -EINVAL);
	assert_int_equal(weir_addr_parse("1.2.3.4:5", NULL, NULL), -EINVAL);
}

static void format(void **state)
{
	struct sockaddr other = { .sa_family = AF_PACKET };
	struct weir_addr a;
	char buf[8];

	(void)state;
	assert_string_equal(weir_addr_format(NULL, buf, sizeof(buf)), "-");
	assert_string_equal(weir_addr_format(NULL, NULL, 0), "");
	assert_int_equal(weir_addr_parse("127.0.0.1:80", &a, NULL), 0);
	assert_string_equal(weir_addr_format(&a.sa, buf, sizeof(buf)), "127.0.0");
	weir_addr_format(&other, buf, sizeof(buf));
	assert_memory_equal(buf, "family ", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(legal),
		T_CASE(scope),
		T_CASE(illegal),
		T_CASE(format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
