// SPDX-License-Identifier: MIT
/*
 * error.c - error records: filling and printing them.
 *
 * Theory: control-path calls describe a failure in a caller-owned record (code, stage, object,
 *	hint), so that the library never prints and tools print one text for the same failure.
 * Invariants: 1. all strings in a record are NUL-terminated.  2. code is negative.
 * Ownership: records belong to callers; nothing is allocated.
 * Threads: any; no shared state.
 * Errors: none of its own; text that does not fit is cut.
 * Sources: strerror_r(3), GNU variant.
 * Tests: tests/unit/test_error.c
 */
#include <stdarg.h>
#include <string.h>

#include "util.h"

int weir_error_set(struct weir_error *err, int code, const char *stage, const char *object,
		   const char *hint, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	snprintf(err->stage, sizeof(err->stage), "%s", stage ? stage : "");
	snprintf(err->object, sizeof(err->object), "%s", object ? object : "");
	err->hint[0] = '\0';
	if (hint) {
		va_start(ap, hint);
		vsnprintf(err->hint, sizeof(err->hint), hint, ap);
		va_end(ap);
	}
	return code;
}

const char *weir_error_format(const struct weir_error *err, char *buf, size_t bytes)
{
	char text[96];
	const char *why;

	if (!buf || !bytes)
		return "";
	if (!err) {
		buf[0] = '\0';
		return buf;
	}
	why = err->code ? strerror_r(-err->code, text, sizeof(text)) : "no error";
	snprintf(buf, bytes, "weir: %s%s%s%s%s%s%s", err->stage, err->stage[0] ? " " : "",
		 err->object, err->object[0] || err->stage[0] ? ": " : "", why,
		 err->hint[0] ? "\n  hint: " : "", err->hint);
	return buf;
}

void weir_error_print(FILE *to, const struct weir_error *err)
{
	char buf[640];

	if (!err || !to)
		return;
	fputs(weir_error_format(err, buf, sizeof(buf)), to);
	fputc('\n', to);
}
