// SPDX-License-Identifier: MIT
/*
 * place.c - where slices lie: alignment, slices as iovecs, headers that straddle slices.
 *
 * Theory: a slice is a pair (address, offset in its area).  The CPU and a file take the address, a
 *	device that knows the area takes the offset.  All functions walk an array of slices from a
 *	byte position and look at nothing else; none keeps anything between calls.
 * Invariants:
 *	1. no function writes to a slice or to the memory of one.
 *	2. what is given out as contiguous lies within slices only.
 * Ownership: none is taken: results point into the caller's slices and live as long as these.
 * Threads: any; nothing is shared.
 * Errors: -errno; a slice without an address is -EFAULT where its bytes are needed.
 * Sources: readv(2)
 * Tests: tests/unit/test_place.c
 */
#include <weir/place.h>

#include <errno.h>
#include <string.h>

#define ALIGN_MAX (UINT32_C(1) << 31)

static uint32_t align_of(uint64_t value)
{
	uint64_t low = value & -value;

	return !low || low > ALIGN_MAX ? ALIGN_MAX : (uint32_t)low;
}

int weir_slice_place(const struct weir_slice *slice, uint32_t block_bytes, struct weir_place *ret)
{
	struct weir_place place = { 0 };
	struct weir_area_info info;
	uint64_t end;

	if (block_bytes & (block_bytes - 1))
		return -EINVAL;
	if (slice->data)
		place.memory_align = align_of((uintptr_t)slice->data);
	end = slice->len + (slice->area ? slice->offset : (uintptr_t)slice->data);
	if (slice->area) {
		weir_area_describe(slice->area, &info);
		place.area_align = align_of(slice->offset);
		place.ends_page = slice->len && end % info.page_bytes == 0;
	}
	place.ends_block = block_bytes && slice->len && end % block_bytes == 0;
	*ret = place;
	return 0;
}

size_t weir_slices_bytes(const struct weir_slice *slices, unsigned n)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += slices[i].len;
	return bytes;
}

/* The slice that byte @skip lies in (empty ones hold none), @skip then counted from its start. */
static unsigned find(const struct weir_slice *slices, unsigned n, size_t *skip)
{
	unsigned i = 0;

	while (i < n && *skip >= slices[i].len)
		*skip -= slices[i++].len;
	return i;
}

int weir_slices_iov(const struct weir_slice *slices, unsigned n, size_t skip, struct iovec *iov,
		    unsigned max, size_t *retbytes)
{
	unsigned i = find(slices, n, &skip), count = 0;
	size_t bytes = 0;

	if (i < n && !slices[i].data)
		return -EFAULT;
	for (; i < n; i++, skip = 0) {
		size_t len = slices[i].len - skip;
		struct iovec *last = count ? &iov[count - 1] : NULL;
		char *at;

		if (!len)
			continue;
		if (!slices[i].data)
			break;
		at = (char *)slices[i].data + skip;
		if (last && (char *)last->iov_base + last->iov_len == at) {
			last->iov_len += len;
		} else {
			if (count == max)
				break;
			iov[count++] = (struct iovec){ .iov_base = at, .iov_len = len };
		}
		bytes += len;
	}
	if (retbytes)
		*retbytes = bytes;
	return (int)count;
}

static void copy(const struct weir_slice *slices, size_t skip, size_t len, char *to)
{
	for (; len; slices++, skip = 0) {
		size_t part = slices->len - skip < len ? slices->len - skip : len;

		if (part)
			memcpy(to, (const char *)slices->data + skip, part);
		to += part;
		len -= part;
	}
}

ssize_t weir_slices_pull(const struct weir_slice *slices, unsigned n, size_t skip, size_t len,
			 void *buf, const void **ret)
{
	unsigned first = find(slices, n, &skip);
	size_t have = 0, from = skip;
	const char *start, *end;
	bool one = true;

	if (!len) {
		*ret = buf;
		return 0;
	}
	if (first == n)
		return -ENODATA;
	start = end = (const char *)slices[first].data + (slices[first].data ? skip : 0);
	for (unsigned i = first; i < n && have < len; i++, skip = 0) {
		if (slices[i].len == skip)
			continue;
		if (!slices[i].data)
			start = NULL;
		else if ((const char *)slices[i].data + skip != end)
			one = false;
		end = (const char *)slices[i].data + (slices[i].data ? slices[i].len : 0);
		have += slices[i].len - skip;
	}
	if (have < len)
		return -ENODATA;
	if (!start)
		return -EFAULT;
	if (one) {
		*ret = start;
		return 0;
	}
	if (!buf)
		return -EINVAL;
	copy(&slices[first], from, len, buf);
	*ret = buf;
	return (ssize_t)len;
}
