/* SPDX-License-Identifier: MIT */
/*
 * test_tool_resolve.c - addresses as people type them.
 *
 * Theory: numbers and "localhost" need no name server, so every form can be checked; forms that
 *	are no address must be refused with a text that names them.
 */
#include "t.h"

#include <netinet/in.h>

#include "weir_tool.h"

static struct weir_addr addrs[8];
static char why[320];

static int resolve(const char *text, uint16_t port, int family, bool listening)
{
	why[0] = '\0';
	memset(addrs, 0, sizeof(addrs));
	return tool_resolve(text, port, family, listening, addrs, T_COUNT(addrs), why, sizeof(why));
}

static void is(const char *text, int family, bool listening, const char *want)
{
	char buf[160];
	int n = resolve(text, 9000, family, listening);

	if (n < 1)
		fail_msg("'%s': %d, %s", text, n, why);
	assert_string_equal(weir_addr_format(&addrs[0].sa, buf, sizeof(buf)), want);
}

static void refused(const char *text, bool listening, const char *says)
{
	int n = resolve(text, 9000, AF_UNSPEC, listening);

	if (n != -EINVAL)
		fail_msg("'%s': %d instead of -EINVAL", text, n);
	if (!strstr(why, says))
		fail_msg("'%s': '%s' lacks '%s'", text, why, says);
}

static void forms(void **state)
{
	(void)state;
	is("127.0.0.1:80", AF_UNSPEC, false, "127.0.0.1:80");
	is("127.0.0.1", AF_UNSPEC, false, "127.0.0.1:9000");
	is("[::1]:80", AF_UNSPEC, false, "[::1]:80");
	is("[::1]", AF_UNSPEC, false, "[::1]:9000");
	is("::1", AF_UNSPEC, false, "[::1]:9000");
	is("localhost:80", AF_INET, false, "127.0.0.1:80");
	is("*:80", AF_INET, true, "0.0.0.0:80");
	is(":80", AF_INET, true, "0.0.0.0:80");
	is("80", AF_INET, true, "0.0.0.0:80");
	is("*", AF_INET, true, "0.0.0.0:9000");
	is("*:0", AF_INET, true, "0.0.0.0:0");
	is(":80", AF_INET, false, "127.0.0.1:80");
	is("unix:/a/b", AF_UNSPEC, false, "unix:/a/b");
	is("unix:@name", AF_UNSPEC, true, "unix:@name");
}

static void refusals(void **state)
{
	(void)state;
	refused("", false, "''");
	refused("localhost:", false, "localhost:");
	refused("localhost:http", false, "http");
	refused("localhost:65536", false, "65536");
	refused("localhost:0", false, "1 to 65535");
	refused("localhost:-1", false, "-1");
	refused("localhost:0x50", false, "0x50");
	refused("[::1", false, "[::1");
	refused("[::1]x", false, "[::1]x");
	refused("[]:80", false, "[]:80");
	refused("a:b:80", false, "a:b:80");
	refused("unix:", false, "unix:");
	assert_int_equal(resolve("localhost", 0, AF_UNSPEC, false), -EINVAL);
	assert_non_null(strstr(why, "no port"));
	assert_int_equal(resolve("::1", 80, AF_INET, false), -EHOSTUNREACH);
	assert_non_null(strstr(why, "IPv4"));
	assert_int_equal(resolve("no.such.host.invalid", 80, AF_UNSPEC, false), -EHOSTUNREACH);
	assert_non_null(strstr(why, "no.such.host.invalid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { T_CASE(forms), T_CASE(refusals) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
