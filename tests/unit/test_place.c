/* SPDX-License-Identifier: MIT */
/*
 * test_place.c - how slices lie, slices as iovecs, headers pulled together.
 *
 * Theory: random slices of one area, some empty, some behind each other in memory, some without an
 * address; the model is the same bytes in one flat array.  Every position and length is asked of
 * both.  The seed is printed when a case fails.
 */
#include <weir/place.h>

#include "t.h"

#define AREA_BYTES (1u << 20)
#define SLICES_MAX 12
#define FLAT_MAX (SLICES_MAX * 300)

static struct weir_area *area;
static struct weir_area_info info;

static void open_area(void)
{
	struct weir_area_opts o = { .size = sizeof(o),
				    .provider = WEIR_PROVIDER_HOST,
				    .bytes = AREA_BYTES };

	assert_int_equal(weir_area_open(&area, &o, NULL), 0);
	weir_area_describe(area, &info);
	t_pattern_fill(info.base, 1, 0, info.bytes);
}

static struct weir_slice slice_at(uint64_t offset, uint32_t len)
{
	return (struct weir_slice){
		.data = (char *)info.base + offset, .len = len, .area = area, .offset = offset
	};
}

static void check_place(uint64_t offset, uint32_t len, uint32_t block)
{
	struct weir_slice v = slice_at(offset, len);
	struct weir_place p;

	assert_int_equal(weir_slice_place(&v, block, &p), 0);
	for (uint32_t align = 1; align; align <<= 1) {
		assert_int_equal(p.memory_align >= align, (uintptr_t)v.data % align == 0);
		assert_int_equal(p.area_align >= align, offset % align == 0);
	}
	assert_int_equal(p.ends_page, len && (offset + len) % info.page_bytes == 0);
	assert_int_equal(p.ends_block, len && block && (offset + len) % block == 0);
}

static void places(void **state)
{
	static const uint32_t blocks[] = { 0, 1, 512, 4096, 1u << 16 };
	struct weir_place p = { .memory_align = 77 };
	struct weir_slice v;

	(void)state;
	open_area();
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t unit = 1ull << t_rand_below(17);
		uint64_t offset = t_rand_below(AREA_BYTES / unit) * unit;
		uint64_t len = t_rand_below(3) * unit + t_rand_below(3);

		if (offset + len > AREA_BYTES)
			len = AREA_BYTES - offset;
		check_place(offset, (uint32_t)len, blocks[t_rand_below(T_COUNT(blocks))]);
	}
	v = slice_at(4096, 512);
	assert_int_equal(weir_slice_place(&v, 513, &p), -EINVAL);
	assert_int_equal(p.memory_align, 77);
	/* Without an address the area's offset tells all. */
	v.data = NULL;
	assert_int_equal(weir_slice_place(&v, 512, &p), 0);
	assert_int_equal(p.memory_align, 0);
	assert_int_equal(p.area_align, 4096);
	assert_true(p.ends_block);
	assert_false(p.ends_page);
	/* Spilled: an address and no area. */
	v = slice_at(512, 512);
	v.area = NULL;
	assert_int_equal(weir_slice_place(&v, 1024, &p), 0);
	assert_int_equal(p.memory_align, 512);
	assert_int_equal(p.area_align, 0);
	assert_true(p.ends_block);
	assert_false(p.ends_page);
	weir_area_close(area);
}

/* Slices anywhere in the area, every third one behind the one before it; the same bytes flat. */
static unsigned make(struct weir_slice *v, char *flat, size_t *retbytes)
{
	unsigned n = (unsigned)t_rand_below(SLICES_MAX + 1);
	uint64_t end = 0;
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = t_rand_below(5) ? (uint32_t)t_rand_below(300) : 0;
		uint64_t at = t_rand_below(3) ? t_rand_below(AREA_BYTES - 300) : end;

		if (at + len > AREA_BYTES)
			at = 0;
		v[i] = slice_at(at, len);
		memcpy(flat + bytes, v[i].data, len);
		bytes += len;
		end = at + len;
	}
	*retbytes = bytes;
	return n;
}

static bool is_slices_end(const struct weir_slice *v, unsigned n, const char *at)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].len && at == (const char *)v[i].data + v[i].len)
			return true;
	return false;
}

static void walk(const struct weir_slice *v, unsigned n, const char *flat, size_t bytes)
{
	unsigned max = 1 + (unsigned)t_rand_below(4);
	size_t at = t_rand_below(bytes + 2), got;
	struct iovec iov[4];
	int count;

	while ((count = weir_slices_iov(v, n, at, iov, max, &got)) > 0) {
		size_t sum = 0;

		assert_in_range(count, 1, max);
		for (int i = 0; i < count; i++) {
			assert_true(iov[i].iov_len);
			assert_true(at + sum + iov[i].iov_len <= bytes);
			assert_memory_equal(iov[i].iov_base, flat + at + sum, iov[i].iov_len);
			sum += iov[i].iov_len;
			/* Where a piece ends a slice ends, and none goes on there in memory. */
			assert_true(is_slices_end(v, n, (char *)iov[i].iov_base + iov[i].iov_len));
			if (i)
				assert_ptr_not_equal((char *)iov[i - 1].iov_base +
							     iov[i - 1].iov_len,
						     iov[i].iov_base);
		}
		assert_int_equal(sum, got);
		at += got;
	}
	assert_int_equal(count, 0);
	assert_int_equal(got, 0);
	assert_true(at >= bytes);
}

static void pull(const struct weir_slice *v, unsigned n, const char *flat, size_t bytes)
{
	size_t skip = t_rand_below(bytes + 2), len = t_rand_below(bytes + 2), had = 0;
	static char buf[FLAT_MAX + 2];
	const void *at = "untouched";
	ssize_t r = weir_slices_pull(v, n, skip, len, buf, &at);
	struct iovec iov;

	if (!len) {
		assert_int_equal(r, 0);
		return;
	}
	if (skip + len > bytes) {
		assert_int_equal(r, -ENODATA);
		assert_string_equal(at, "untouched");
		return;
	}
	assert_memory_equal(at, flat + skip, len);
	/* In one piece exactly where the walk finds it in one. */
	assert_int_equal(weir_slices_iov(v, n, skip, &iov, 1, &had), 1);
	if (had >= len) {
		assert_int_equal(r, 0);
		assert_ptr_equal(at, iov.iov_base);
	} else {
		assert_int_equal(r, len);
		assert_ptr_equal(at, buf);
		assert_int_equal(weir_slices_pull(v, n, skip, len, NULL, &at), -EINVAL);
	}
}

static void walks_and_pulls(void **state)
{
	struct weir_slice v[SLICES_MAX];
	static char flat[FLAT_MAX];
	size_t bytes;

	(void)state;
	open_area();
	for (unsigned i = 0; i < 30000; i++) {
		unsigned n = make(v, flat, &bytes);

		assert_int_equal(weir_slices_bytes(v, n), bytes);
		walk(v, n, flat, bytes);
		pull(v, n, flat, bytes);
	}
	weir_area_close(area);
}

/* What has no address is an error where it is needed, and only there. */
static void no_address(void **state)
{
	struct weir_slice v[3];
	struct iovec iov[4];
	char buf[400];
	const void *at;
	size_t got;

	(void)state;
	open_area();
	v[0] = slice_at(0, 100);
	v[1] = slice_at(1000, 100);
	v[2] = slice_at(5000, 100);
	v[1].data = NULL;
	assert_int_equal(weir_slices_iov(v, 3, 10, iov, 4, &got), 1);
	assert_int_equal(got, 90);
	assert_int_equal(weir_slices_iov(v, 3, 100, iov, 4, &got), -EFAULT);
	assert_int_equal(weir_slices_iov(v, 3, 199, iov, 4, NULL), -EFAULT);
	assert_int_equal(weir_slices_iov(v, 3, 200, iov, 4, NULL), 1);
	assert_int_equal(weir_slices_pull(v, 3, 0, 100, buf, &at), 0);
	assert_int_equal(weir_slices_pull(v, 3, 0, 101, buf, &at), -EFAULT);
	assert_int_equal(weir_slices_pull(v, 3, 100, 1, buf, &at), -EFAULT);
	assert_int_equal(weir_slices_pull(v, 3, 150, 100, buf, &at), -EFAULT);
	assert_int_equal(weir_slices_pull(v, 3, 150, 151, buf, &at), -ENODATA);
	assert_int_equal(weir_slices_pull(v, 3, 200, 100, buf, &at), 0);
	assert_ptr_equal(at, v[2].data);
	weir_area_close(area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(places),
		T_CASE(walks_and_pulls),
		T_CASE(no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
