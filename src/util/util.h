/* SPDX-License-Identifier: MIT */
/*
 * util.h - what src/util offers: errors, clock, environment.
 */
#ifndef WEIR_UTIL_H
#define WEIR_UTIL_H

#include <errno.h>
#include <stdint.h>
#include <time.h>
#include <weir/base.h>

#define weir_array_len(a) (sizeof(a) / sizeof((a)[0]))

/**
 * weir_error_set() - fill an error record.
 * @err: record or NULL.
 * @code: -errno.
 * @stage: what was being done.
 * @object: what to; NULL for nothing.
 * @hint: printf format of a sentence that says what to do; NULL for none.
 *
 * Return: @code, so that callers can return it.
 */
__attribute__((format(printf, 5, 6))) int weir_error_set(struct weir_error *err, int code,
							 const char *stage, const char *object,
							 const char *hint, ...);

/** weir_clock_ns() - CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t weir_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/**
 * weir_env_u32() - unsigned number from the environment.
 * @name: variable.
 * @ret: receives the number; untouched where the variable is unset or empty.
 * @reterr: error record or NULL.
 *
 * Return: 0, or -EINVAL where the variable is set to something else.
 */
int weir_env_u32(const char *name, uint32_t *ret, struct weir_error *reterr);

/**
 * weir_opts_read() - copy an option structure whose size the caller names.
 * @to: zeroed structure of @bytes.
 * @bytes: size the library knows.
 * @from: caller's structure, beginning with its size; NULL for defaults.
 * @what: name for the error record.
 * @reterr: error record or NULL.
 *
 * A shorter structure (older caller) is legal; a longer one only if what we do not know is zero.
 *
 * Return: 0 or -EINVAL.
 */
int weir_opts_read(void *to, size_t bytes, const void *from, const char *what,
		   struct weir_error *reterr);

#endif
