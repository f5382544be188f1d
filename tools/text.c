/* SPDX-License-Identifier: MIT */
/*
 * text.c - small text helpers of the tools: the nearest word, bytes for a person, JSON.
 *
 * Theory: nearness is the number of letters to insert, remove, replace or swap with a neighbour
 *	(restricted edit distance), row by row with three rows kept.  A candidate is near when
 *	that is at most a third of the longer word, rounded up; a prefix always is.
 * Invariants:
 *	1. words longer than WORD_MAX are near to nothing.
 * Ownership: none; candidates are returned as they were given.
 * Threads: any.
 * Errors: a JSON document for which there is no memory.
 * Sources: RFC 3629 4 (the bytes of a character).
 * Tests: tests/unit/test_opt.c, tests/unit/test_tool_text.c, tests/cli/doctor.sh
 */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "weir_tool.h"

#define WORD_MAX 40

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *tool_nearest(const char *word, const char *(*at)(const void *user, unsigned i),
			 const void *user)
{
	size_t len = strlen(word);
	unsigned best = WORD_MAX;
	const char *found = NULL, *candidate;

	if (!len || len > WORD_MAX)
		return NULL;
	for (unsigned i = 0; (candidate = at(user, i)); i++) {
		size_t candidate_len = strlen(candidate);
		size_t longer = len > candidate_len ? len : candidate_len;
		unsigned far;

		if (candidate_len > WORD_MAX)
			continue;
		far = distance(word, len, candidate, candidate_len);
		if (!strncmp(word, candidate, len))
			far = 1;
		if (far < best && far <= (longer + 2) / 3) {
			best = far;
			found = candidate;
		}
	}
	return found;
}

const char *tool_format_bytes(double bytes, char *buf, size_t buf_bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned unit = 0;

	while (bytes >= 1024 && unit < 6) {
		bytes /= 1024;
		unit++;
	}
	if (!unit)
		snprintf(buf, buf_bytes, "%.0f B", bytes);
	else
		snprintf(buf, buf_bytes, "%.*f %s",
			 bytes < 10  ? 2 :
			 bytes < 100 ? 1 :
				       0,
			 bytes, units[unit]);
	return buf;
}

static bool follows(unsigned char byte, unsigned char least, unsigned char most)
{
	return byte >= least && byte <= most;
}

/* Bytes of the character that begins here; 0: none does. */
static unsigned character(const unsigned char *at)
{
	unsigned char least = 0x80, most = 0xbf;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return follows(at[1], least, most) ? 2 : 0;
	/* neither longer than it must be, nor half of a pair, nor beyond the last one */
	if (at[0] == 0xe0 || at[0] == 0xf0)
		least = at[0] == 0xe0 ? 0xa0 : 0x90;
	if (at[0] == 0xed || at[0] == 0xf4)
		most = at[0] == 0xed ? 0x9f : 0x8f;
	if (at[0] < 0xe0 || at[0] > 0xf4 || !follows(at[1], least, most) ||
	    !follows(at[2], 0x80, 0xbf))
		return 0;
	if (at[0] < 0xf0)
		return 3;
	return follows(at[3], 0x80, 0xbf) ? 4 : 0;
}

void tool_make_utf8(char *text)
{
	while (*text) {
		unsigned n = character((unsigned char *)text);

		if (!n)
			*text = '?';
		text += n ? n : 1;
	}
}

int tool_print_json(const char *command, struct cJSON *json)
{
	char *text = json ? cJSON_Print(json) : NULL;

	cJSON_Delete(json);
	if (!text) {
		fprintf(stderr, "%s: not enough memory\n", command);
		return TOOL_EXIT_FAILED;
	}
	tool_make_utf8(text);
	puts(text);
	cJSON_free(text);
	return TOOL_EXIT_OK;
}
