/* SPDX-License-Identifier: MIT */
/*
 * stream_sum.c - checksum of chunks that arrive in any order.
 *
 * Theory: XXH3-64 of each chunk, seeded with the chunk's offset, all added up mod 2^64.  The sum
 *	does not depend on the order, so neither side needs the file a second time; the seed binds
 *	a chunk to its place.  It finds damage, not forgery.
 * Invariants:
 *	1. begin, feed..., end on one chunk gives stream_sum_once() of it.
 * Ownership: stream_sum_new() / stream_sum_free().
 * Threads: one per state.
 * Errors: NULL for no memory.
 * Sources: xxHash, XXH3 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
 * Tests: tests/unit/test_stream.c
 */
#include <stdlib.h>
#include <xxhash.h>

#include "stream.h"

struct stream_sum {
	XXH3_state_t *state;
};

struct stream_sum *stream_sum_new(void)
{
	struct stream_sum *sum = malloc(sizeof(*sum));

	if (!sum)
		return NULL;
	sum->state = XXH3_createState();
	if (!sum->state) {
		free(sum);
		return NULL;
	}
	return sum;
}

void stream_sum_free(struct stream_sum *sum)
{
	if (!sum)
		return;
	XXH3_freeState(sum->state);
	free(sum);
}

void stream_sum_begin(struct stream_sum *sum, uint64_t offset)
{
	XXH3_64bits_reset_withSeed(sum->state, offset);
}

void stream_sum_feed(struct stream_sum *sum, const void *data, size_t len)
{
	XXH3_64bits_update(sum->state, data, len);
}

uint64_t stream_sum_end(const struct stream_sum *sum)
{
	return XXH3_64bits_digest(sum->state);
}

uint64_t stream_sum_once(uint64_t offset, const void *data, size_t len)
{
	return XXH3_64bits_withSeed(data, len, offset);
}
