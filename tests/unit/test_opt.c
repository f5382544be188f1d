/* SPDX-License-Identifier: MIT */
/*
 * test_opt.c - option tables, values with units, the nearest word, the help.
 *
 * Theory: one table with an option of every kind is parsed from many command lines; each bad line
 *	must be refused with a text that names the bad value and what is legal.  Values are checked
 *	at the edges of 64 bits, since a byte count that wraps would send the wrong amount.
 */
#include "t.h"

#include "opt.h"
#include "weir_tool.h"

static struct {
	bool flag, other, string_given, optional_given;
	int set, word;
	uint64_t count, bytes, rate, time_us, number;
	const char *string;
	int calls;
	bool called_without;
} got;

static const struct opt_name words[] = { { "text", 1 }, { "json", 2 }, { NULL, 0 } };

static int take_call(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	int *calls = opt->target;

	if (value && !strcmp(value, "bad")) {
		snprintf(why, why_bytes, "anything but bad");
		return -EINVAL;
	}
	got.called_without = !value;
	++*calls;
	return 0;
}

static const struct opt table[] = {
	{ .kind = OPT_HEADING, .help = "Main options" },
	{ .name = "flag", .letter = 'f', .kind = OPT_FLAG, .target = &got.flag, .help = "a flag" },
	{ .name = "other", .letter = 'o', .kind = OPT_FLAG, .target = &got.other },
	{ .letter = '4', .kind = OPT_SET, .target = &got.set, .value = 4, .group = 1 },
	{ .letter = '6', .kind = OPT_SET, .target = &got.set, .value = 6, .group = 1 },
	{ .name = "number",
	  .letter = 'n',
	  .kind = OPT_UINT,
	  .target = &got.number,
	  .min = 1,
	  .max = 128,
	  .help = "a number that has a help text long enough to be broken into lines" },
	{ .name = "count", .kind = OPT_COUNT, .target = &got.count },
	{ .name = "bytes", .letter = 'b', .kind = OPT_BYTES, .target = &got.bytes, .max = 1 << 20 },
	{ .name = "rate", .kind = OPT_RATE, .target = &got.rate, .min = 1 },
	{ .name = "time", .letter = 't', .kind = OPT_SECONDS, .target = &got.time_us },
	{ .name = "timeout", .kind = OPT_SECONDS, .target = &got.time_us },
	{ .name = "string",
	  .letter = 's',
	  .kind = OPT_STRING,
	  .target = &got.string,
	  .given = &got.string_given,
	  .arg = "NAME",
	  .min = 1,
	  .max = 8 },
	{ .name = "word", .letter = 'w', .kind = OPT_ENUM, .target = &got.word, .names = words },
	{ .name = "call",
	  .letter = 'c',
	  .kind = OPT_CALL,
	  .target = &got.calls,
	  .call = take_call,
	  .flags = OPT_OPTIONAL },
	{ .name = "optional",
	  .kind = OPT_STRING,
	  .target = &got.string,
	  .flags = OPT_OPTIONAL,
	  .given = &got.optional_given },
	{ .name = "secret", .kind = OPT_FLAG, .target = &got.flag, .flags = OPT_HIDDEN },
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir test",
	.operands = "[A] [B]",
	.about = "Tests.",
	.opts = table,
	.operands_max = 2,
	.notes = "The notes.\n",
};

static struct opt_result result;
static char *line[16];
static int line_count;

/* Parses a line whose words are separated by one space. */
static int parse(const char *text)
{
	static char buf[512];

	memset(&got, 0, sizeof(got));
	snprintf(buf, sizeof(buf), "%s", text);
	line_count = 1;
	line[0] = (char *)(uintptr_t) "test";
	for (char *word = strtok(buf, " "); word; word = strtok(NULL, " "))
		line[line_count++] = word;
	line[line_count] = NULL;
	return opt_parse(&spec, line_count, line, &result);
}

static void good(const char *text)
{
	if (parse(text))
		fail_msg("'%s' was refused: %s", text, result.error);
	assert_string_equal(result.error, "");
}

/* Refused, and the text says both what was bad and what is wanted. */
static void bad(const char *text, const char *names, const char *says)
{
	if (!parse(text))
		fail_msg("'%s' was accepted", text);
	if (!strstr(result.error, names) || !strstr(result.error, says))
		fail_msg("'%s': '%s' lacks '%s' or '%s'", text, result.error, names, says);
}

static void forms(void **state)
{
	(void)state;
	good("-f -n 8");
	assert_true(got.flag && got.number == 8);
	good("-fn8");
	assert_true(got.flag && got.number == 8);
	good("-fon 8");
	assert_true(got.flag && got.other && got.number == 8);
	good("--flag --number=8");
	assert_true(got.flag && got.number == 8);
	good("--fl --num 8");
	assert_true(got.flag && got.number == 8);
	good("--time 1 --timeout 2");
	assert_int_equal(got.time_us, 2000000);
	good("--secret");
	assert_true(got.flag);
	good("-4");
	assert_int_equal(got.set, 4);
	good("-4 -4");
	good("-w json --word text");
	assert_int_equal(got.word, 1);
	good("-s x");
	assert_string_equal(got.string, "x");
	assert_true(got.string_given);
	good("");
	assert_false(got.string_given);
	assert_int_equal(result.first, 1);
}

static void operands(void **state)
{
	(void)state;
	good("one -f two -n 3");
	assert_int_equal(line_count - result.first, 2);
	assert_string_equal(line[result.first], "one");
	assert_string_equal(line[result.first + 1], "two");
	assert_true(got.flag && got.number == 3);
	good("- -f");
	assert_string_equal(line[result.first], "-");
	good("one -- -f");
	assert_false(got.flag);
	assert_string_equal(line[result.first], "one");
	assert_string_equal(line[result.first + 1], "-f");
	good("-f --");
	assert_int_equal(line_count, result.first);
	bad("one two three", "three", "unexpected");
	bad("-- one two -f", "-f", "unexpected");
}

static void optional_values(void **state)
{
	(void)state;
	good("-c --call --call=x -cy");
	assert_int_equal(got.calls, 4);
	assert_false(got.called_without);
	good("--call x");
	assert_true(got.called_without);
	assert_string_equal(line[result.first], "x");
	good("--optional");
	assert_true(got.optional_given);
	assert_null(got.string);
	good("--optional=v");
	assert_string_equal(got.string, "v");
}

static void refusals(void **state)
{
	(void)state;
	bad("-n 0", "'0'", "1 to 128");
	bad("-n 129", "'129'", "1 to 128");
	bad("-n abc", "'abc'", "whole number");
	bad("-n -1", "'-1'", "-n/--number");
	bad("-n 1.5", "'1.5'", "whole number");
	bad("-n 8x", "'8x'", "whole number");
	bad("--number=", "''", "--number");
	bad("-n 99999999999999999999", "99999999999999999999", "1 to 128");
	bad("-b 2M", "'2M'", "0 to 1M");
	bad("--rate 0", "'0'", "1 or more");
	bad("--count 1Q", "'1Q'", "powers of 1000");
	bad("-t 1y", "'1y'", "seconds");
	bad("-s 123456789", "123456789", "1 to 8 bytes");
	bad("--string=", "''", "1 to 8 bytes");
	bad("-w xml", "'xml'", "text, json");
	bad("--call=bad", "'bad'", "anything but bad");
	bad("-n", "-n/--number", "wants a value");
	bad("--number", "--number", "1 to 128");
	bad("--flag=1", "--flag", "takes no value");
	bad("-4 -6", "-4", "exclude each other");
	bad("-fx", "-x", "'-fx'");
	bad("--nosuch", "--nosuch", "unknown");
	bad("--fleg", "--fleg", "did you mean --flag?");
	bad("--tim 1", "--time", "--timeout");
	bad("--=1", "--=1", "bad option");
}

static void help_is_taken(void **state)
{
	(void)state;
	good("--help");
	assert_true(result.help);
	good("-fh -n abc");
	assert_true(result.help);
}

static void check_value(enum opt_kind kind, const char *text, int error, uint64_t value)
{
	uint64_t ret = 77;
	int error_got = opt_parse_value(kind, text, &ret);

	if (error_got != error || ret != (error ? 77 : value))
		fail_msg("'%s': %d, %llu", text, error_got, (unsigned long long)ret);
}

static void values(void **state)
{
	(void)state;
	check_value(OPT_UINT, "0", 0, 0);
	check_value(OPT_UINT, "007", 0, 7);
	check_value(OPT_UINT, "0x1F", 0, 31);
	check_value(OPT_UINT, "18446744073709551615", 0, UINT64_MAX);
	check_value(OPT_UINT, "18446744073709551616", -ERANGE, 0);
	check_value(OPT_UINT, "0x", -EINVAL, 0);
	check_value(OPT_UINT, "1K", -EINVAL, 0);
	check_value(OPT_UINT, " 1", -EINVAL, 0);
	check_value(OPT_UINT, "+1", -EINVAL, 0);
	check_value(OPT_UINT, "1 ", -EINVAL, 0);
	check_value(OPT_UINT, "", -EINVAL, 0);
	check_value(OPT_BYTES, "64K", 0, 65536);
	check_value(OPT_BYTES, "64k", 0, 65536);
	check_value(OPT_BYTES, "64KiB", 0, 65536);
	check_value(OPT_BYTES, "64KB", -EINVAL, 0);
	check_value(OPT_BYTES, "1.5M", 0, 1572864);
	check_value(OPT_BYTES, "1.M", -EINVAL, 0);
	check_value(OPT_BYTES, ".5M", -EINVAL, 0);
	check_value(OPT_BYTES, "0x10", -EINVAL, 0);
	check_value(OPT_BYTES, "16777215T", 0, UINT64_C(16777215) << 40);
	check_value(OPT_BYTES, "16777216T", -ERANGE, 0);
	check_value(OPT_BYTES, "1e3", -EINVAL, 0);
	check_value(OPT_COUNT, "64K", 0, 64000);
	check_value(OPT_COUNT, "64KiB", -EINVAL, 0);
	check_value(OPT_RATE, "1.25G", 0, 1250000000);
	check_value(OPT_RATE, "nan", -EINVAL, 0);
	check_value(OPT_SECONDS, "1", 0, 1000000);
	check_value(OPT_SECONDS, "0.1", 0, 100000);
	check_value(OPT_SECONDS, "0.3", 0, 300000);
	check_value(OPT_SECONDS, "250ms", 0, 250000);
	check_value(OPT_SECONDS, "5m", 0, 300000000);
	check_value(OPT_SECONDS, "5M", -EINVAL, 0);
	check_value(OPT_SECONDS, "2h", 0, UINT64_C(7200000000));
	check_value(OPT_SECONDS, "18446744073709.551615", 0, UINT64_MAX);
	check_value(OPT_SECONDS, "18446744073709.551616", -ERANGE, 0);
	check_value(OPT_SECONDS, "18446744073710", -ERANGE, 0);
}

static const char *candidate(const void *user, unsigned index)
{
	return ((const char *const *)user)[index];
}

static void nearest(void **state)
{
	static const char *const list[] = { "recv", "send", "iperf3", "help", NULL };

	(void)state;
	assert_string_equal(tool_nearest("resv", candidate, list), "recv");
	assert_string_equal(tool_nearest("sned", candidate, list), "send");
	assert_string_equal(tool_nearest("iperf", candidate, list), "iperf3");
	assert_string_equal(tool_nearest("ip", candidate, list), "iperf3");
	assert_null(tool_nearest("xyzzy", candidate, list));
	assert_null(tool_nearest("", candidate, list));
	assert_null(tool_nearest("a-word-that-is-much-longer-than-any-command-there-is", candidate,
				 list));
}

static void bytes_for_people(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(tool_format_bytes(0, buf, sizeof(buf)), "0 B");
	assert_string_equal(tool_format_bytes(1023, buf, sizeof(buf)), "1023 B");
	assert_string_equal(tool_format_bytes(1536, buf, sizeof(buf)), "1.50 KiB");
	assert_string_equal(tool_format_bytes(100 << 20, buf, sizeof(buf)), "100 MiB");
	assert_string_equal(tool_format_bytes(1.8e19, buf, sizeof(buf)), "15.6 EiB");
}

static void help_text(void **state)
{
	char *text = NULL;
	size_t bytes = 0, at = 0;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	opt_help(to, &spec);
	fclose(to);
	assert_non_null(strstr(text, "Usage: weir test [OPTIONS] [A] [B]\n"));
	assert_non_null(strstr(text, "Main options:\n"));
	assert_non_null(strstr(text, "  -f, --flag"));
	assert_non_null(strstr(text, "(1 to 128)"));
	assert_non_null(strstr(text, "--word=text|json"));
	assert_non_null(strstr(text, "--optional[=TEXT]"));
	assert_non_null(strstr(text, "--string=NAME"));
	assert_non_null(strstr(text, "-h, --help"));
	assert_non_null(strstr(text, "The notes.\n"));
	assert_null(strstr(text, "secret"));
	for (const char *l = text; *l; l += at) {
		at = strcspn(l, "\n");
		assert_true(at <= 80);
		at += l[at] == '\n';
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(forms),	  T_CASE(operands),  T_CASE(optional_values),
		T_CASE(refusals), T_CASE(values),    T_CASE(help_is_taken),
		T_CASE(nearest),  T_CASE(help_text), T_CASE(bytes_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
