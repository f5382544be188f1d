/* SPDX-License-Identifier: MIT */
/*
 * opt_value.c - numbers with units, as options take them.
 *
 * Theory: a value is digits, perhaps a fraction, perhaps a unit.  The whole part is multiplied in
 *	integers, so that no byte count is rounded; only the fraction passes through a double,
 *	whose 53 bits hold any unit.
 * Invariants:
 *	1. the target is written only on success.
 *	2. nothing is accepted in part: "10x", "", " 5", "-1", "0x" are refused.
 * Ownership: none.
 * Threads: any.
 * Errors: -EINVAL, -ERANGE.
 * Sources: units of bytes and of rates as iperf3(1) has them (K = 1024 and K = 1000).
 * Tests: tests/unit/test_opt.c
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "opt_int.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit units_binary[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "Ki", UINT64_C(1) << 10 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "Mi", UINT64_C(1) << 20 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ "Gi", UINT64_C(1) << 30 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 },
	{ "Ti", UINT64_C(1) << 40 },
	{ "TiB", UINT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct unit units_decimal[] = {
	{ "", 1 },
	{ "K", UINT64_C(1000) },
	{ "M", UINT64_C(1000000) },
	{ "G", UINT64_C(1000000000) },
	{ "T", UINT64_C(1000000000000) },
	{ NULL, 0 },
};

static const struct unit units_time[] = {
	{ "", UINT64_C(1000000) },
	{ "us", 1 },
	{ "ms", UINT64_C(1000) },
	{ "s", UINT64_C(1000000) },
	{ "m", UINT64_C(60000000) },
	{ "h", UINT64_C(3600000000) },
	{ NULL, 0 },
};

static const struct unit units_none[] = {
	{ "", 1 },
	{ NULL, 0 },
};

static const struct unit *units_of(enum opt_kind kind)
{
	switch (kind) {
	case OPT_BYTES:
		return units_binary;
	case OPT_COUNT:
	case OPT_RATE:
		return units_decimal;
	case OPT_SECONDS:
		return units_time;
	default:
		return units_none;
	}
}

static int digit_value(char c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && isxdigit((unsigned char)c))
		return tolower((unsigned char)c) - 'a' + 10;
	return -1;
}

/* Reads digits at *@text, moves *@text behind them; at least one is wanted. */
static int parse_whole(const char **text, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	int digit = digit_value(**text, base);
	int error = 0;

	if (digit < 0)
		return -EINVAL;
	for (; digit >= 0; digit = digit_value(*++*text, base))
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			error = -ERANGE;
	*ret = value;
	return error;
}

/* Reads ".digits"; the value is below 1. */
static int parse_fraction(const char **text, double *ret)
{
	double value = 0, place = 1;

	if (!isdigit((unsigned char)(*text)[1]))
		return -EINVAL;
	while (isdigit((unsigned char)*++*text)) {
		place /= 10;
		value += (**text - '0') * place;
	}
	*ret = value;
	return 0;
}

static const struct unit *find_unit(enum opt_kind kind, const char *name)
{
	bool exact = kind == OPT_SECONDS;

	for (const struct unit *u = units_of(kind); u->name; u++)
		if (exact ? !strcmp(u->name, name) : !strcasecmp(u->name, name))
			return u;
	return NULL;
}

int opt_parse_value(enum opt_kind kind, const char *text, uint64_t *ret)
{
	bool hex = kind == OPT_UINT && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const struct unit *unit;
	uint64_t value = 0;
	double fraction = 0;
	int error, range;

	if (hex)
		text += 2;
	error = parse_whole(&text, hex ? 16 : 10, &value);
	if (error == -EINVAL)
		return error;
	range = error;
	if (*text == '.' && kind != OPT_UINT && parse_fraction(&text, &fraction))
		return -EINVAL;
	unit = find_unit(kind, text);
	if (!unit)
		return -EINVAL;
	if (range || __builtin_mul_overflow(value, unit->factor, &value) ||
	    __builtin_add_overflow(value, (uint64_t)(fraction * (double)unit->factor + 0.5),
				   &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

/* The largest unit that divides @value, so that limits read as they would be typed. */
const char *opt_format_value(enum opt_kind kind, uint64_t value, char *buf, size_t buf_bytes)
{
	const struct unit *best = NULL;

	for (const struct unit *u = units_of(kind); u->name; u++)
		if (value && value % u->factor == 0 && strlen(u->name) <= 2 &&
		    strcmp(u->name, "B") && !(u->name[0] && u->name[1] == 'i') &&
		    (!best || u->factor > best->factor))
			best = u;
	if (!best)
		best = units_of(kind);
	snprintf(buf, buf_bytes, "%llu%s", (unsigned long long)(value / best->factor), best->name);
	return buf;
}
