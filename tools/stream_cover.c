/* SPDX-License-Identifier: MIT */
/*
 * stream_cover.c - which bytes of a file arrived.
 *
 * Theory: ranges in rising order; a new one is found its place by bisection and merged with the
 *	neighbours it touches.  With k streams and a sender that hands chunks out in order there
 *	are about k ranges, whatever the file's size.
 * Invariants:
 *	1. ranges[i].start < ranges[i].end < ranges[i + 1].start.
 *	2. a failed add changes nothing.
 * Ownership: the array is the cover's.
 * Threads: one.
 * Errors: -EEXIST, -E2BIG, -ENOMEM.
 * Sources: none.
 * Tests: tests/unit/test_stream.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* Index of the first range that ends at or behind @offset. */
static size_t find(const struct stream_cover *cover, uint64_t offset)
{
	size_t low = 0, high = cover->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cover->ranges[middle].end < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct stream_cover *cover, size_t at, struct stream_range range)
{
	if (cover->count == STREAM_RANGES_MAX)
		return -E2BIG;
	if (cover->count == cover->room) {
		size_t room = cover->room ? cover->room * 2 : 64;
		void *grown = reallocarray(cover->ranges, room, sizeof(range));

		if (!grown)
			return -ENOMEM;
		cover->ranges = grown;
		cover->room = room;
	}
	memmove(&cover->ranges[at + 1], &cover->ranges[at], (cover->count - at) * sizeof(range));
	cover->ranges[at] = range;
	cover->count++;
	return 0;
}

static void drop(struct stream_cover *cover, size_t at)
{
	cover->count--;
	memmove(&cover->ranges[at], &cover->ranges[at + 1],
		(cover->count - at) * sizeof(*cover->ranges));
}

int stream_cover_add(struct stream_cover *cover, uint64_t start, uint64_t len)
{
	struct stream_range range = { start, start + len };
	size_t at = find(cover, start), next = at;
	bool joins_left = at < cover->count && cover->ranges[at].end == start;
	bool joins_right;

	if (!len)
		return 0;
	if (joins_left)
		next++;
	if (next < cover->count && cover->ranges[next].start < range.end)
		return -EEXIST;
	joins_right = next < cover->count && cover->ranges[next].start == range.end;
	if (joins_left && joins_right) {
		cover->ranges[at].end = cover->ranges[next].end;
		drop(cover, next);
	} else if (joins_left) {
		cover->ranges[at].end = range.end;
	} else if (joins_right) {
		cover->ranges[next].start = range.start;
	} else {
		return insert(cover, at, range);
	}
	return 0;
}

bool stream_cover_whole(const struct stream_cover *cover, uint64_t total)
{
	if (!total)
		return !cover->count;
	return cover->count == 1 && !cover->ranges[0].start && cover->ranges[0].end == total;
}

uint64_t stream_cover_gap(const struct stream_cover *cover)
{
	return cover->count && !cover->ranges[0].start ? cover->ranges[0].end : 0;
}

void stream_cover_fini(struct stream_cover *cover)
{
	free(cover->ranges);
	*cover = (struct stream_cover){ 0 };
}
