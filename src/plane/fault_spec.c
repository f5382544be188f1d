// SPDX-License-Identifier: MIT
/*
 * fault_spec.c - the text of a fault specification: "seed=7,short-read=20,late=10".
 *
 * Theory: a list of key=number separated by commas.  A percentage of 100 would keep every program
 *	from ever moving a byte, so 90 is the most.
 * Invariants: 1. the output is written only on success.
 * Ownership: the caller's storage.
 * Threads: any.
 * Errors: -EINVAL at stage "fault"; the hint names the legal keys or values.
 * Sources: docs/fault.md.
 * Tests: tests/unit/test_fault.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../util/util.h"
#include "fault.h"

#define PERCENT_MAX 90

static const char *const names[WEIR_FAULT_KINDS] = {
	[WEIR_FAULT_SHORT_READ] = "short-read",
	[WEIR_FAULT_SHORT_WRITE] = "short-write",
	[WEIR_FAULT_LATE] = "late",
	[WEIR_FAULT_REORDER] = "reorder",
	[WEIR_FAULT_EAGAIN] = "eagain",
	[WEIR_FAULT_ENOBUFS] = "enobufs",
	[WEIR_FAULT_ENOMEM] = "enomem",
	[WEIR_FAULT_LATE_RELEASE] = "late-release",
	[WEIR_FAULT_REORDER_RELEASE] = "reorder-release",
	[WEIR_FAULT_ZC_REFUSE] = "zc-refuse",
	[WEIR_FAULT_ZC_COPIED] = "zc-copied",
};

static int unknown(const char *item, struct weir_error *reterr)
{
	return weir_error_set(reterr, -EINVAL, "fault", item,
			      "legal keys: seed=NUMBER, and in percent short-read short-write late "
			      "reorder eagain enobufs enomem late-release reorder-release "
			      "zc-refuse zc-copied");
}

static int number(const char *text, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 0);
	return errno || *end ? -EINVAL : 0;
}

static int parse_item(char *item, struct weir_fault_spec *spec, unsigned *seen,
		      struct weir_error *reterr)
{
	char *equals = strchr(item, '=');
	unsigned kind = 0;
	uint64_t value;

	if (!equals)
		return unknown(item, reterr);
	*equals = '\0';
	while (kind < WEIR_FAULT_KINDS && strcmp(item, names[kind]))
		kind++;
	if (kind == WEIR_FAULT_KINDS && strcmp(item, "seed"))
		return unknown(item, reterr);
	if (*seen & 1u << kind)
		return weir_error_set(reterr, -EINVAL, "fault", item, "give each key once");
	*seen |= 1u << kind;
	if (number(equals + 1, &value) || (kind < WEIR_FAULT_KINDS && value > PERCENT_MAX))
		return weir_error_set(reterr, -EINVAL, "fault", item,
				      kind < WEIR_FAULT_KINDS ? "a percentage from 0 to %d" :
								"a number of 64 bits",
				      PERCENT_MAX);
	if (kind < WEIR_FAULT_KINDS)
		spec->percent[kind] = (uint32_t)value;
	else
		spec->seed = value;
	return 0;
}

int weir_fault_parse(const char *text, struct weir_fault_spec *ret, struct weir_error *reterr)
{
	struct weir_fault_spec spec = { .seed = 1 };
	unsigned seen = 0;
	char copy[512];
	char *item, *save = NULL;

	if (!text || strlen(text) >= sizeof(copy))
		return weir_error_set(reterr, -EINVAL, "fault", NULL,
				      "a specification of at most %zu bytes is needed",
				      sizeof(copy) - 1);
	memcpy(copy, text, strlen(text) + 1);
	for (item = strtok_r(copy, ", ", &save); item; item = strtok_r(NULL, ", ", &save)) {
		int r = parse_item(item, &spec, &seen, reterr);

		if (r)
			return r;
	}
	*ret = spec;
	return 0;
}
