/* SPDX-License-Identifier: MIT */
/*
 * opt.c - command lines parsed by an option table.
 *
 * Theory: words are looked at from left to right.  A word that is an option takes its value from
 *	itself or from the next word; both are then moved in front of the operands seen so far,
 *	so that at the end argv is [name][options and values][operands].  A long name may be cut
 *	where only one option begins so.  Options of one group exclude each other.
 * Invariants:
 *	1. argv is only permuted: no word is lost or changed.
 *	2. opt_parse() prints nothing and never exits.
 *	3. an error names the option, the bad value and what is legal.
 * Ownership: string targets point into argv, which the caller keeps.
 * Threads: any, as long as targets are not shared.
 * Errors: -EINVAL with one line of text.
 * Sources: conventions of getopt_long(3).
 * Tests: tests/unit/test_opt.c
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "opt_int.h"
#include "weir_tool.h"

#define GROUPS_MAX 16

struct parser {
	const struct opt_spec *spec;
	int argc;
	char **argv;
	struct opt_result *ret;
	const struct opt *group_owner[GROUPS_MAX];
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->ret->error, sizeof(p->ret->error), format, args);
	va_end(args);
	return -EINVAL;
}

static const char *opt_label(const struct opt *opt, char *buf, size_t buf_bytes)
{
	if (opt->letter && opt->name)
		snprintf(buf, buf_bytes, "-%c/--%s", opt->letter, opt->name);
	else if (opt->letter)
		snprintf(buf, buf_bytes, "-%c", opt->letter);
	else
		snprintf(buf, buf_bytes, "--%s", opt->name);
	return buf;
}

static int bad_value(struct parser *p, const struct opt *opt, const char *value, const char *legal)
{
	char label[80], text[320];

	if (!legal)
		legal = opt_legal(opt, text, sizeof(text));
	return fail(p, "bad value '%.80s' for %s: legal is %s", value,
		    opt_label(opt, label, sizeof(label)), legal);
}

static int store_number(struct parser *p, const struct opt *opt, const char *value)
{
	uint64_t number;

	if (opt_parse_value(opt->kind, value, &number))
		return bad_value(p, opt, value, NULL);
	if (number < opt->min || (opt->max && number > opt->max))
		return bad_value(p, opt, value, NULL);
	*(uint64_t *)opt->target = number;
	return 0;
}

static int store_string(struct parser *p, const struct opt *opt, const char *value)
{
	size_t len = strlen(value);

	if (len < opt->min || (opt->max && len > opt->max))
		return bad_value(p, opt, value, NULL);
	*(const char **)opt->target = value;
	return 0;
}

static int store_enum(struct parser *p, const struct opt *opt, const char *value)
{
	for (const struct opt_name *n = opt->names; n->name; n++) {
		if (!strcmp(n->name, value)) {
			*(int *)opt->target = n->value;
			return 0;
		}
	}
	return bad_value(p, opt, value, NULL);
}

static int store_call(struct parser *p, const struct opt *opt, const char *value)
{
	char why[256] = "another value";

	if (opt->call(opt, value, why, sizeof(why)))
		return bad_value(p, opt, value ? value : "", why);
	return 0;
}

static int claim_group(struct parser *p, const struct opt *opt)
{
	const struct opt *owner;
	char mine[80], other[80];

	if (!opt->group || opt->group >= GROUPS_MAX)
		return 0;
	owner = p->group_owner[opt->group];
	if (owner && owner != opt)
		return fail(p, "%s and %s exclude each other",
			    opt_label(owner, other, sizeof(other)),
			    opt_label(opt, mine, sizeof(mine)));
	p->group_owner[opt->group] = opt;
	return 0;
}

/* @value is NULL where none was given, which is legal here. */
static int store(struct parser *p, const struct opt *opt, const char *value)
{
	int error = claim_group(p, opt);

	if (error)
		return error;
	if (opt->given)
		*opt->given = true;
	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)opt->target = true;
		return 0;
	case OPT_SET:
		*(int *)opt->target = opt->value;
		return 0;
	case OPT_CALL:
		return store_call(p, opt, value);
	case OPT_STRING:
		return value ? store_string(p, opt, value) : 0;
	case OPT_ENUM:
		return value ? store_enum(p, opt, value) : 0;
	default:
		return value ? store_number(p, opt, value) : 0;
	}
}

static const char *long_name_at(const void *user, unsigned index)
{
	const struct opt_spec *spec = user;

	for (const struct opt *o = spec->opts; o->kind != OPT_END; o++)
		if (opt_is_option(o) && o->name && !(o->flags & OPT_HIDDEN) && !index--)
			return o->name;
	return index ? NULL : "help";
}

static int unknown_long(struct parser *p, const char *name, size_t len)
{
	char typed[64];
	const char *near;

	snprintf(typed, sizeof(typed), "%.*s", (int)len, name);
	near = tool_nearest(typed, long_name_at, p->spec);
	if (near)
		return fail(p, "unknown option --%s; did you mean --%s?", typed, near);
	return fail(p, "unknown option --%s", typed);
}

/* Finds by exact name, else by a prefix that fits one option only. */
static int find_long(struct parser *p, const char *name, size_t len, const struct opt **ret)
{
	const struct opt *found = NULL;

	if (!len)
		return fail(p, "bad option '--%.80s'", name);
	for (const struct opt *o = p->spec->opts; o->kind != OPT_END; o++) {
		if (!opt_is_option(o) || !o->name || strncmp(o->name, name, len))
			continue;
		if (!o->name[len]) {
			*ret = o;
			return 0;
		}
		if (found)
			return fail(p, "option --%.*s may be --%s or --%s: write more of it",
				    (int)len, name, found->name, o->name);
		found = o;
	}
	if (!found)
		return unknown_long(p, name, len);
	*ret = found;
	return 0;
}

/* Return: words used, 1 or 2; -EINVAL; 0 for --help. */
static int parse_long(struct parser *p, int i)
{
	const char *name = p->argv[i] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	const struct opt *opt = NULL;
	char label[80], text[320];
	int words = 1;

	if (!strcmp(name, "help"))
		return 0;
	if (find_long(p, name, len, &opt))
		return -EINVAL;
	if (value && !opt_has_value(opt))
		return fail(p, "option --%s takes no value: '%.80s'", opt->name, value);
	if (!value && opt_has_value(opt) && !(opt->flags & OPT_OPTIONAL)) {
		if (i + 1 >= p->argc)
			return fail(p, "option %s wants a value: %s",
				    opt_label(opt, label, sizeof(label)),
				    opt_legal(opt, text, sizeof(text)));
		value = p->argv[i + 1];
		words = 2;
	}
	return store(p, opt, value) ? -EINVAL : words;
}

static const struct opt *find_letter(const struct parser *p, char letter)
{
	for (const struct opt *o = p->spec->opts; o->kind != OPT_END; o++)
		if (opt_is_option(o) && o->letter == letter)
			return o;
	return NULL;
}

/* A word of letters.  Return: as parse_long(). */
static int parse_letters(struct parser *p, int i)
{
	char label[80], text[320];

	for (const char *at = p->argv[i] + 1; *at; at++) {
		const struct opt *opt = find_letter(p, *at);
		const char *value = at[1] ? at + 1 : NULL;
		int words = 1;

		if (!opt && *at == 'h')
			return 0;
		if (!opt)
			return fail(p, "unknown option -%c in '%.80s'", *at, p->argv[i]);
		if (!opt_has_value(opt)) {
			if (store(p, opt, NULL))
				return -EINVAL;
			continue;
		}
		if (!value && !(opt->flags & OPT_OPTIONAL)) {
			if (i + 1 >= p->argc)
				return fail(p, "option %s wants a value: %s",
					    opt_label(opt, label, sizeof(label)),
					    opt_legal(opt, text, sizeof(text)));
			value = p->argv[i + 1];
			words = 2;
		}
		return store(p, opt, value) ? -EINVAL : words;
	}
	return 1;
}

/* Moves the @words words at @from in front of the operands, which begin at @to. */
static void move_words(char **argv, int to, int from, int words)
{
	for (int w = 0; w < words; w++) {
		char *word = argv[from + w];

		memmove(&argv[to + w + 1], &argv[to + w], (size_t)(from - to) * sizeof(*argv));
		argv[to + w] = word;
	}
}

static int check_operands(struct parser *p)
{
	int count = p->argc - p->ret->first;

	if (count < p->spec->operands_min)
		return fail(p, "too few operands: %s [OPTIONS] %s", p->spec->command,
			    p->spec->operands ? p->spec->operands : "");
	if (count > p->spec->operands_max)
		return fail(p, "unexpected operand '%.80s'",
			    p->argv[p->ret->first + p->spec->operands_max]);
	return 0;
}

int opt_parse(const struct opt_spec *spec, int argc, char **argv, struct opt_result *ret)
{
	struct parser p = { .spec = spec, .argc = argc, .argv = argv, .ret = ret };
	int i = 1;

	memset(ret, 0, sizeof(*ret));
	ret->first = argc < 1 ? argc : 1;
	while (i < argc) {
		bool is_long = !strncmp(argv[i], "--", 2);
		bool is_end = is_long && !argv[i][2];
		int words = 1;

		if (argv[i][0] != '-' || !argv[i][1]) {
			i++;
			continue;
		}
		if (!is_end)
			words = is_long ? parse_long(&p, i) : parse_letters(&p, i);
		if (words < 0)
			return words;
		if (!words) {
			ret->help = true;
			return 0;
		}
		move_words(argv, ret->first, i, words);
		ret->first += words;
		i += words;
		if (is_end)
			break;
	}
	return check_operands(&p);
}

int opt_usage_error(const struct opt_spec *spec, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", spec->command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry '%s --help'.\n", spec->command);
	return TOOL_EXIT_USAGE;
}

int opt_main(const struct opt_spec *spec, int argc, char **argv, int *retfirst)
{
	struct opt_result result;

	if (opt_parse(spec, argc, argv, &result))
		return opt_usage_error(spec, "%s", result.error);
	if (result.help) {
		opt_help(stdout, spec);
		return TOOL_EXIT_OK;
	}
	*retfirst = result.first;
	return -1;
}
