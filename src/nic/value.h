/* SPDX-License-Identifier: MIT */
/*
 * value.h - texts of values: numbers, lists of numbers, and advice in error records.
 */
#ifndef WEIR_NIC_VALUE_H
#define WEIR_NIC_VALUE_H

#include "util/util.h"

/**
 * struct nic_list - numbers, as of "0,1,0,1".
 * @at: the numbers, allocated; NULL where there is none.
 * @count: how many.
 */
struct nic_list {
	uint32_t *at;
	uint32_t count;
};

/** nic_text_new() - allocate a formatted text; 0 or -ENOMEM. */
WEIR_MUST_CHECK __attribute__((format(printf, 2, 3))) int nic_text_new(char **ret,
								       const char *format, ...);

/**
 * nic_number_parse() - a decimal number in the form "%u" prints it.
 * @text: the number, nothing around it.
 * @max: the largest legal one.
 * @ret: receives it; untouched on failure.
 *
 * Return: 0 or -EINVAL.
 */
WEIR_MUST_CHECK int nic_number_parse(const char *text, uint64_t max, uint64_t *ret);

/** nic_list_new() - room for @count numbers, all 0; given back by nic_list_done(). */
WEIR_MUST_CHECK int nic_list_new(struct nic_list *ret, uint32_t count);

/** nic_list_parse() - at least one number; 0, -EINVAL or -ENOMEM; given back by nic_list_done(). */
WEIR_MUST_CHECK int nic_list_parse(const char *text, struct nic_list *ret);

/** nic_list_text() - text of a list, allocated; 0 or -ENOMEM. */
WEIR_MUST_CHECK int nic_list_text(const struct nic_list *list, char **ret);

/** nic_list_has() - whether a number is in it. */
bool nic_list_has(const struct nic_list *list, uint32_t number);

/** nic_list_done() - give back what a list holds. */
void nic_list_done(struct nic_list *list);

/**
 * nic_advise() - add to the hint of an error record what to do.
 * @err: a record that is filled, or NULL.
 * @format: a sentence without an end.
 */
__attribute__((format(printf, 2, 3))) void nic_advise(struct weir_error *err, const char *format,
						      ...);

/** nic_value_bad() - -EINVAL: a text that is no value of this kind. */
int nic_value_bad(struct weir_error *reterr, const char *stage, const char *text,
		  const char *legal);

#endif
