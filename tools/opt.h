/* SPDX-License-Identifier: MIT */
/*
 * opt.h - option tables: one table gives parsing, range checks, errors and --help.
 *
 *	static bool verbose;
 *	static uint64_t streams = 1, length_bytes, time_us;
 *	static const char *host;
 *	static int family, format;
 *	static const struct opt_name formats[] = { { "text", 0 }, { "json", 1 }, { 0 } };
 *	static const struct opt table[] = {
 *		{ .kind = OPT_HEADING, .help = "Client options" },
 *		{ .name = "client", .letter = 'c', .kind = OPT_STRING, .target = &host,
 *		  .arg = "HOST", .help = "run as a client, connecting to HOST", .group = 1 },
 *		{ .name = "parallel", .letter = 'P', .kind = OPT_UINT, .target = &streams,
 *		  .min = 1, .max = 128, .help = "number of parallel streams" },
 *		{ .name = "length", .letter = 'l', .kind = OPT_BYTES, .target = &length_bytes },
 *		{ .name = "time", .letter = 't', .kind = OPT_SECONDS, .target = &time_us },
 *		{ .name = "format", .kind = OPT_ENUM, .target = &format, .names = formats },
 *		{ .letter = '4', .kind = OPT_SET, .target = &family, .value = 4, .group = 2 },
 *		{ .letter = '6', .kind = OPT_SET, .target = &family, .value = 6, .group = 2 },
 *		{ .name = "verbose", .letter = 'V', .kind = OPT_FLAG, .target = &verbose },
 *		{ .kind = OPT_END },
 *	};
 *	static const struct opt_spec spec = { .command = "weir thing", .operands = "[FILE]",
 *		.about = "what it does, one sentence", .opts = table, .operands_max = 1 };
 *
 *	code = opt_main(&spec, argc, argv, &first);
 *	if (code >= 0)
 *		return code;
 *	... operands are argv[first] to argv[argc - 1]
 *
 * Forms taken: -P 8, -P8, -RV (letters joined), --parallel 8, --parallel=8, --par 8 (a prefix
 * that fits one name), "--" before operands that begin with "-".  Options and operands may be
 * mixed.  -h (where the table has no other use for it) and --help print the help.
 */
#ifndef WEIR_TOOLS_OPT_H
#define WEIR_TOOLS_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * enum opt_kind - kinds of options, with the type of their target.
 * @OPT_END: end of the table.
 * @OPT_HEADING: a heading in the help (@help); no option.
 * @OPT_FLAG: bool; set to true; takes no value.
 * @OPT_SET: int; set to @value; takes no value.
 * @OPT_UINT: uint64_t; a whole number, decimal or 0x...
 * @OPT_COUNT: uint64_t; a number with K, M, G, T = powers of 1000; fractions are legal: 1.5M.
 * @OPT_BYTES: uint64_t; bytes with K, M, G, T (also KiB, ...) = powers of 1024.
 * @OPT_RATE: uint64_t; bits per second with K, M, G, T = powers of 1000.
 * @OPT_SECONDS: uint64_t, in microseconds; seconds, also fractions, or with s, ms, us, m, h.
 * @OPT_STRING: const char *; points into argv; limits bound the length in bytes.
 * @OPT_ENUM: int; one of @names.
 * @OPT_CALL: @call parses the value.
 */
enum opt_kind {
	OPT_END = 0,
	OPT_HEADING,
	OPT_FLAG,
	OPT_SET,
	OPT_UINT,
	OPT_COUNT,
	OPT_BYTES,
	OPT_RATE,
	OPT_SECONDS,
	OPT_STRING,
	OPT_ENUM,
	OPT_CALL,
};

/**
 * struct opt_name - a word and its value; tables end with a NULL name.
 * @name: the word.
 * @value: what is stored.
 */
struct opt_name {
	const char *name;
	int value;
};

/* Flags of an option. */
#define OPT_HIDDEN (1u << 0)	/* left out of the help */
#define OPT_OPTIONAL (1u << 1)	/* the value may be left out (--name=VALUE or -xVALUE only) */
#define OPT_NO_LIMITS (1u << 2) /* the help does not print the limits */

struct opt;

/**
 * opt_call_fn - parses the value of an OPT_CALL option.
 * @opt: the option; opt->target is the caller's.
 * @value: text; NULL where OPT_OPTIONAL and no value was given.
 * @why: receives what is legal ("1 to 5 or the word all") when the value is not.
 * @why_bytes: size of @why.
 *
 * Return: 0 or -EINVAL.
 */
typedef int (*opt_call_fn)(const struct opt *opt, const char *value, char *why, size_t why_bytes);

/**
 * struct opt - one option.
 * @name: long name without dashes; NULL where there is only a letter.
 * @letter: short name; 0 where there is only a long one.
 * @kind: kind.
 * @flags: OPT_HIDDEN, OPT_OPTIONAL, OPT_NO_LIMITS.
 * @target: variable of the kind's type; keeps its value where the option is not given.
 * @given: set to true where the option is given; may be NULL.
 * @arg: what the value is called in the help; NULL takes a word that fits the kind.
 * @help: what it does, one or more sentences; lines are broken by opt_help().
 * @min: smallest legal value, in the target's unit.
 * @max: largest legal value; 0 together with @min 0 means no limits, 0 alone no upper limit.
 * @names: words of OPT_ENUM.
 * @value: what OPT_SET stores.
 * @group: options with the same group (not 0) exclude each other.
 * @call: parser of OPT_CALL.
 *
 * An OPT_OPTIONAL option without a value sets @given only (or calls @call with NULL).
 */
struct opt {
	const char *name;
	char letter;
	enum opt_kind kind;
	unsigned flags;
	void *target;
	bool *given;
	const char *arg;
	const char *help;
	uint64_t min;
	uint64_t max;
	const struct opt_name *names;
	int value;
	unsigned group;
	opt_call_fn call;
};

/**
 * struct opt_spec - the command line of one command.
 * @command: "weir recv".
 * @operands: what follows the options in the usage line, "[ADDR] [FILE|-]"; NULL for none.
 * @about: what the command does.
 * @opts: the options, ending with OPT_END.
 * @notes: printed as it is at the end of the help; may be NULL.
 * @operands_min: fewest operands.
 * @operands_max: most operands.
 */
struct opt_spec {
	const char *command;
	const char *operands;
	const char *about;
	const struct opt *opts;
	const char *notes;
	int operands_min;
	int operands_max;
};

/**
 * struct opt_result - what opt_parse() found.
 * @first: index of the first operand in argv.
 * @help: --help was given; nothing else was checked.
 * @error: one line without the command's name; "" where all is well.
 */
struct opt_result {
	int first;
	bool help;
	char error[512];
};

/**
 * opt_parse() - parse a command line; prints nothing.
 * @spec: the command line's description.
 * @argc: number of words, argv[0] included.
 * @argv: words; reordered so that the operands come last.
 * @ret: receives what was found.
 *
 * Return: 0; -EINVAL with ret->error.  Targets of options before the bad one may be set.
 */
int opt_parse(const struct opt_spec *spec, int argc, char **argv, struct opt_result *ret);

/**
 * opt_main() - opt_parse() for a command: prints the help or the error.
 * @spec: the command line's description.
 * @argc: number of words.
 * @argv: words; reordered so that the operands come last.
 * @retfirst: receives the index of the first operand.
 *
 * Return: -1 to go on; else the exit code: 0 after --help, 2 after an error.
 */
int opt_main(const struct opt_spec *spec, int argc, char **argv, int *retfirst);

/**
 * opt_usage_error() - print an error found later in the way opt_main() does.
 * @spec: the command line's description.
 * @format: as printf(3), one line without the command's name.
 *
 * Return: 2, the exit code for usage errors.
 */
int opt_usage_error(const struct opt_spec *spec, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * opt_help() - print the help.
 * @to: stream.
 * @spec: the command line's description.
 */
void opt_help(FILE *to, const struct opt_spec *spec);

/**
 * opt_parse_value() - parse one value of a numeric kind.
 * @kind: OPT_UINT, OPT_COUNT, OPT_BYTES, OPT_RATE or OPT_SECONDS.
 * @text: the value.
 * @ret: receives it; untouched on failure.
 *
 * Return: 0; -EINVAL for text that is no such value; -ERANGE for one over 64 bits.
 */
int opt_parse_value(enum opt_kind kind, const char *text, uint64_t *ret);

#endif
