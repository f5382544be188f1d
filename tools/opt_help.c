/* SPDX-License-Identifier: MIT */
/*
 * opt_help.c - the help of a command, printed from its option table.
 *
 * Theory: one entry is "  -P, --parallel=N" and, from column 26 on, its text, broken at spaces
 *	before column 80.  What is legal is said by the table (limits, words), so that the help
 *	cannot disagree with the parser.
 * Invariants:
 *	1. everything the parser takes is printed, except OPT_HIDDEN options.
 * Ownership: none.
 * Threads: any.
 * Errors: none; a stream that fails is the caller's to check.
 * Sources: none.
 * Tests: tests/unit/test_opt.c, tests/cli/command.sh
 */
#include <string.h>

#include "opt_int.h"

#define HELP_COLUMN 26
#define HELP_WIDTH 80

const char *opt_limits(const struct opt *opt, char *buf, size_t buf_bytes)
{
	char low[32], high[32];

	buf[0] = '\0';
	if (!opt->min && !opt->max)
		return buf;
	opt_format_value(opt->kind, opt->min, low, sizeof(low));
	opt_format_value(opt->kind, opt->max, high, sizeof(high));
	if (!opt->max)
		snprintf(buf, buf_bytes, "%s or more", low);
	else
		snprintf(buf, buf_bytes, "%s to %s", low, high);
	return buf;
}

static void join_names(const struct opt *opt, const char *separator, char *buf, size_t buf_bytes)
{
	size_t at = 0;

	buf[0] = '\0';
	for (const struct opt_name *n = opt->names; n->name && at < buf_bytes; n++) {
		int len = snprintf(buf + at, buf_bytes - at, "%s%s", at ? separator : "", n->name);

		at += (size_t)len;
	}
}

const char *opt_legal(const struct opt *opt, char *buf, size_t buf_bytes)
{
	static const char *const nouns[] = {
		[OPT_UINT] = "a whole number",
		[OPT_COUNT] = "a number (K, M, G, T are powers of 1000)",
		[OPT_BYTES] = "a number of bytes (K, M, G, T are powers of 1024)",
		[OPT_RATE] = "bits per second (K, M, G, T are powers of 1000)",
		[OPT_SECONDS] = "seconds (or a number with us, ms, s, m, h)",
		[OPT_STRING] = "text",
	};
	char text[256];

	if (opt->kind == OPT_ENUM) {
		join_names(opt, ", ", text, sizeof(text));
		snprintf(buf, buf_bytes, "one of: %s", text);
	} else if (opt->kind == OPT_STRING && (opt->min || opt->max)) {
		opt_limits(opt, text, sizeof(text));
		snprintf(buf, buf_bytes, "text of %s bytes", text);
	} else {
		const char *noun = opt->kind <= OPT_STRING ? nouns[opt->kind] : NULL;

		opt_limits(opt, text, sizeof(text));
		snprintf(buf, buf_bytes, "%s%s%s", noun ? noun : "a value", text[0] ? ", " : "",
			 text);
	}
	return buf;
}

static const char *arg_name(const struct opt *opt, char *buf, size_t buf_bytes)
{
	static const char *const words[] = {
		[OPT_UINT] = "N",	   [OPT_COUNT] = "N[KMGT]", [OPT_BYTES] = "BYTES[KMGT]",
		[OPT_RATE] = "RATE[KMGT]", [OPT_SECONDS] = "TIME",  [OPT_STRING] = "TEXT",
	};

	if (opt->arg)
		return opt->arg;
	if (opt->kind == OPT_ENUM) {
		join_names(opt, "|", buf, buf_bytes);
		return buf;
	}
	return opt->kind <= OPT_STRING && words[opt->kind] ? words[opt->kind] : "VALUE";
}

/* Prints @text from column @at on, with lines broken; ends the line. */
static void print_wrapped(FILE *to, const char *text, size_t at, size_t indent)
{
	while (*text) {
		size_t len = strcspn(text, " \n");

		if (at > indent && at + 1 + len > HELP_WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)len, text);
		at += len;
		text += len;
		if (*text == '\n') {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		}
		text += strspn(text, " \n");
	}
	fputc('\n', to);
}

static void print_entry(FILE *to, const char *left, const char *text)
{
	size_t at = strlen(left);

	fputs(left, to);
	if (!text || !*text) {
		fputc('\n', to);
		return;
	}
	if (at + 2 > HELP_COLUMN) {
		fputc('\n', to);
		at = 0;
	}
	fprintf(to, "%*s", (int)(HELP_COLUMN - at), "");
	print_wrapped(to, text, HELP_COLUMN, HELP_COLUMN);
}

static void print_option(FILE *to, const struct opt *opt)
{
	char names[160], arg[96], limits[80], text[1024], letter[8] = "    ";
	const char *value = opt_has_value(opt) ? arg_name(opt, arg, sizeof(arg)) : "";
	const char *open = "", *close = "";
	bool numeric = opt->kind >= OPT_UINT && opt->kind <= OPT_SECONDS;

	if (opt->letter)
		snprintf(letter, sizeof(letter), "-%c%s", opt->letter, opt->name ? ", " : "");
	if (opt->flags & OPT_OPTIONAL) {
		open = "[";
		close = "]";
	}
	if (opt->name)
		snprintf(names, sizeof(names), "  %s--%s%s%s%s%s", letter, opt->name, open,
			 *value ? "=" : "", value, close);
	else
		snprintf(names, sizeof(names), "  %s%s%s%s%s", letter, *value && !*open ? " " : "",
			 open, value, close);
	opt_limits(opt, limits, sizeof(limits));
	if (numeric && limits[0] && !(opt->flags & OPT_NO_LIMITS))
		snprintf(text, sizeof(text), "%s (%s)", opt->help ? opt->help : "", limits);
	else
		snprintf(text, sizeof(text), "%s", opt->help ? opt->help : "");
	print_entry(to, names, text);
}

static bool letter_is_used(const struct opt_spec *spec, char letter)
{
	for (const struct opt *o = spec->opts; o->kind != OPT_END; o++)
		if (opt_is_option(o) && o->letter == letter)
			return true;
	return false;
}

void opt_help(FILE *to, const struct opt_spec *spec)
{
	fprintf(to, "Usage: %s [OPTIONS]%s%s\n\n", spec->command, spec->operands ? " " : "",
		spec->operands ? spec->operands : "");
	if (spec->about) {
		print_wrapped(to, spec->about, 0, 0);
		fputc('\n', to);
	}
	if (spec->opts->kind != OPT_HEADING)
		fputs("Options:\n", to);
	for (const struct opt *o = spec->opts; o->kind != OPT_END; o++) {
		if (o->kind == OPT_HEADING)
			fprintf(to, "%s%s:\n", o == spec->opts ? "" : "\n", o->help);
		else if (!(o->flags & OPT_HIDDEN))
			print_option(to, o);
	}
	print_entry(to, letter_is_used(spec, 'h') ? "      --help" : "  -h, --help",
		    "print this help");
	if (spec->notes)
		fprintf(to, "\n%s", spec->notes);
}
