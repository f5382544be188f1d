/* SPDX-License-Identifier: MIT */
/*
 * stat.c - medians, spreads, percentiles.
 *
 * Theory: a median of an even count is the mean of the two in the middle; a percentile is the
 * value at that place of the sorted samples, none invented between two.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

struct bench_stat bench_stat_of(const double *values, unsigned count)
{
	struct bench_stat ret = { .count = count };
	double sorted[BENCH_ROUNDS_MAX];

	if (!count || count > BENCH_ROUNDS_MAX)
		return (struct bench_stat){ 0 };
	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), compare_double);
	ret.min = sorted[0];
	ret.max = sorted[count - 1];
	ret.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
	return ret;
}

/* Sorts the samples in place. */
double bench_percentile_us(uint32_t *sample_ns, unsigned count, double part)
{
	unsigned at;

	if (!count)
		return 0;
	qsort(sample_ns, count, sizeof(*sample_ns), compare_u32);
	at = (unsigned)(part * (double)count);
	return (double)sample_ns[at < count ? at : count - 1] * 1e-3;
}
