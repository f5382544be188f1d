// SPDX-License-Identifier: MIT
/*
 * value.c - texts of values: numbers, lists of numbers, and advice in error records.
 *
 * Theory: a value is a text (nic.h), and two values are the same exactly when their texts are.  So
 *	only the one form of a number that "%u" prints is taken, and lists hold no blanks.
 * Invariants: 1. what is parsed prints as it was read.
 * Ownership: texts and lists are the caller's.
 * Threads: any; no shared state.
 * Errors: -EINVAL for another form, -ENOMEM.
 * Sources: none.
 * Tests: tests/unit/test_nic_rss.c
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

int nic_text_new(char **ret, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	*ret = text;
	return 0;
}

/* Digits from *text on; *text is moved behind them. */
static int number_read(const char **text, uint64_t max, uint64_t *ret)
{
	const char *at = *text;
	uint64_t n = 0;

	if (*at < '0' || *at > '9' || (*at == '0' && at[1] >= '0' && at[1] <= '9'))
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (n > (max - digit) / 10 || digit > max)
			return -EINVAL;
		n = n * 10 + digit;
	}
	*text = at;
	*ret = n;
	return 0;
}

int nic_number_parse(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t n;

	if (number_read(&text, max, &n) || *text)
		return -EINVAL;
	*ret = n;
	return 0;
}

int nic_list_new(struct nic_list *ret, uint32_t count)
{
	uint32_t *at = calloc(count ? count : 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	*ret = (struct nic_list){ .at = at, .count = count };
	return 0;
}

int nic_list_parse(const char *text, struct nic_list *ret)
{
	struct nic_list list;
	uint32_t commas = 0;
	uint64_t n;

	for (const char *at = text; *at; at++)
		commas += *at == ',';
	if (nic_list_new(&list, commas + 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < list.count; i++) {
		if (number_read(&text, UINT32_MAX, &n) || *text != (i < commas ? ',' : '\0')) {
			nic_list_done(&list);
			return -EINVAL;
		}
		list.at[i] = (uint32_t)n;
		text++;
	}
	*ret = list;
	return 0;
}

int nic_list_text(const struct nic_list *list, char **ret)
{
	size_t bytes = (size_t)list->count * 11 + 1; /* ten digits and a comma each */
	char *text = malloc(bytes);
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	text[0] = '\0';
	for (uint32_t i = 0; i < list->count; i++)
		len += (size_t)snprintf(text + len, bytes - len, "%s%" PRIu32, i ? "," : "",
					list->at[i]);
	*ret = text;
	return 0;
}

bool nic_list_has(const struct nic_list *list, uint32_t number)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->at[i] == number)
			return true;
	return false;
}

void nic_list_done(struct nic_list *list)
{
	free(list->at);
	*list = (struct nic_list){ 0 };
}

void nic_advise(struct weir_error *err, const char *format, ...)
{
	size_t len;
	va_list ap;

	if (!err)
		return;
	len = strlen(err->hint);
	if (len && len + 3 < sizeof(err->hint))
		len += (size_t)snprintf(err->hint + len, sizeof(err->hint) - len, "; ");
	va_start(ap, format);
	vsnprintf(err->hint + len, sizeof(err->hint) - len, format, ap);
	va_end(ap);
}

int nic_value_bad(struct weir_error *reterr, const char *stage, const char *text, const char *legal)
{
	return weir_error_set(reterr, -EINVAL, stage, text, "legal is: %s", legal);
}
