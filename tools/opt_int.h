/* SPDX-License-Identifier: MIT */
/*
 * opt_int.h - what the files of the option parser share.
 */
#ifndef WEIR_TOOLS_OPT_INT_H
#define WEIR_TOOLS_OPT_INT_H

#include "opt.h"

/* Value with its unit, as opt_parse_value() takes it. */
const char *opt_format_value(enum opt_kind kind, uint64_t value, char *buf, size_t buf_bytes);

/* What is legal for an option: "a whole number from 1 to 128". */
const char *opt_legal(const struct opt *opt, char *buf, size_t buf_bytes);

/* "from 1 to 128", "of at least 1", or "". */
const char *opt_limits(const struct opt *opt, char *buf, size_t buf_bytes);

/* Whether the option takes a value. */
static inline bool opt_has_value(const struct opt *opt)
{
	return opt->kind != OPT_FLAG && opt->kind != OPT_SET;
}

/* Whether the entry is an option and not a heading. */
static inline bool opt_is_option(const struct opt *opt)
{
	return opt->kind != OPT_END && opt->kind != OPT_HEADING;
}

#endif
