/* SPDX-License-Identifier: MIT */
/*
 * test_stream.c - what weir recv and weir send share: wire format, coverage, checksum.
 *
 * Theory: headers are written, read back, and refused when any field is out of its bounds; the
 *	coverage of random chunks in random order is compared with a bitmap; the checksum must not
 *	depend on how bytes are cut or in which order chunks come, and must depend on their place.
 */
#include "t.h"

#include "stream.h"

static const struct stream_hello hello = {
	.flags = STREAM_FLAG_CHECKSUM,
	.index = 3,
	.count = 4,
	.chunk_max = 262144,
	.id = UINT64_C(0x0123456789abcdef),
	.total = 1000000,
};

static int read_hello(const struct stream_hello *h)
{
	uint8_t bytes[STREAM_HELLO_BYTES];
	struct stream_hello ret;
	const char *why = NULL;
	int error;

	stream_put_hello(bytes, h);
	error = stream_get_hello(bytes, &ret, &why);
	if (error)
		assert_non_null(why);
	else
		assert_true(ret.flags == h->flags && ret.index == h->index &&
			    ret.count == h->count && ret.chunk_max == h->chunk_max &&
			    ret.id == h->id && ret.total == h->total);
	return error;
}

static void hellos(void **state)
{
	uint8_t bytes[STREAM_HELLO_BYTES];
	struct stream_hello h, ret;
	const char *why;

	(void)state;
	assert_int_equal(read_hello(&hello), 0);
	stream_put_hello(bytes, &hello);
	assert_memory_equal(bytes, "WEIR\0\1\0\1\0\3\0\4\0\4\0\0", 16);
	for (size_t i = 0; i < 6; i++) {
		stream_put_hello(bytes, &hello);
		bytes[i] ^= 0x80;
		assert_int_equal(stream_get_hello(bytes, &ret, &why), -EPROTO);
	}
	h = hello, h.flags = 2;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.count = 0;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.count = STREAM_COUNT_MAX + 1;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.index = 4;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.chunk_max = 0;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.chunk_max = STREAM_CHUNK_MAX + 1;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.total = STREAM_OFFSET_MAX + 1;
	assert_int_equal(read_hello(&h), -EPROTO);
	h = hello, h.total = STREAM_TOTAL_UNKNOWN;
	assert_int_equal(read_hello(&h), 0);
}

static int read_record(uint32_t magic, uint32_t len, uint64_t offset, uint64_t sum, uint64_t total)
{
	struct stream_record r = { .magic = magic, .len = len, .offset = offset, .sum = sum }, ret;
	struct stream_hello h = hello;
	uint8_t bytes[STREAM_RECORD_BYTES];
	const char *why = NULL;
	int error;

	h.total = total;
	stream_put_record(bytes, &r);
	error = stream_get_record(bytes, &h, &ret, &why);
	if (error)
		assert_non_null(why);
	else
		assert_memory_equal(&r, &ret, sizeof(r));
	return error;
}

static void records(void **state)
{
	const uint32_t chunk = STREAM_MAGIC_CHUNK, end = STREAM_MAGIC_END;
	const uint64_t unknown = STREAM_TOTAL_UNKNOWN, far = STREAM_OFFSET_MAX;

	(void)state;
	assert_int_equal(read_record(chunk, 1, 999999, 0, 1000000), 0);
	assert_int_equal(read_record(chunk, 2, 999999, 0, 1000000), -EPROTO);
	assert_int_equal(read_record(chunk, 1, 1000001, 0, 1000000), -EPROTO);
	assert_int_equal(read_record(chunk, 0, 0, 0, 1000000), -EPROTO);
	assert_int_equal(read_record(chunk, 262144, 0, 0, 1000000), 0);
	assert_int_equal(read_record(chunk, 262145, 0, 0, 1000000), -EPROTO);
	assert_int_equal(read_record(chunk, 1, 0, 1, 1000000), -EPROTO);
	assert_int_equal(read_record(chunk, 1, far - 1, 0, unknown), 0);
	assert_int_equal(read_record(chunk, 2, far - 1, 0, unknown), -EPROTO);
	assert_int_equal(read_record(chunk, 1, UINT64_MAX, 0, unknown), -EPROTO);
	assert_int_equal(read_record(end, 0, 1000000, 77, 1000000), 0);
	assert_int_equal(read_record(end, 0, 999999, 77, 1000000), -EPROTO);
	assert_int_equal(read_record(end, 0, 5, 77, unknown), 0);
	assert_int_equal(read_record(end, 1, 5, 77, unknown), -EPROTO);
	assert_int_equal(read_record(end, 0, far + 1, 0, unknown), -EPROTO);
	assert_int_equal(read_record(STREAM_MAGIC_IDLE, 0, 0, 0, unknown), 0);
	assert_int_equal(read_record(STREAM_MAGIC_IDLE, 0, 0, 1, unknown), -EPROTO);
	assert_int_equal(read_record(STREAM_MAGIC_HELLO, 0, 0, 0, unknown), -EPROTO);
}

static void results(void **state)
{
	struct stream_result r = { .status = 1, .bytes = 5, .sum = 6, .text = "full\033[2J" }, ret;
	uint8_t bytes[STREAM_RESULT_BYTES];
	const char *why;

	(void)state;
	stream_put_result(bytes, &r);
	assert_int_equal(stream_get_result(bytes, &ret, &why), 0);
	assert_true(ret.status == 1 && ret.bytes == 5 && ret.sum == 6);
	assert_string_equal(ret.text, "full?[2J");
	memset(bytes + STREAM_RESULT_BYTES - STREAM_TEXT_BYTES, 'x', STREAM_TEXT_BYTES);
	assert_int_equal(stream_get_result(bytes, &ret, &why), 0);
	assert_int_equal(strlen(ret.text), STREAM_TEXT_BYTES - 1);
	bytes[0] = 'X';
	assert_int_equal(stream_get_result(bytes, &ret, &why), -EPROTO);
}

#define UNITS 500u

/* Ranges must say exactly what the bitmap says. */
static void compare(const struct stream_cover *cover, const bool *there)
{
	size_t range = 0;

	for (unsigned i = 0; i < UNITS; i++) {
		while (range < cover->count && cover->ranges[range].end <= i)
			range++;
		assert_int_equal(there[i], range < cover->count && cover->ranges[range].start <= i);
	}
	for (size_t i = 1; i < cover->count; i++)
		assert_true(cover->ranges[i - 1].end < cover->ranges[i].start);
}

static void coverage_random(void **state)
{
	struct stream_cover cover = { 0 };
	bool there[UNITS] = { false };
	unsigned missing = UNITS;

	(void)state;
	while (missing) {
		uint64_t start = t_rand_below(UNITS), len = 1 + t_rand_below(8);
		bool taken = false;
		int error;

		if (start + len > UNITS)
			len = UNITS - start;
		for (uint64_t i = start; i < start + len; i++)
			taken = taken || there[i];
		assert_int_equal(stream_cover_whole(&cover, UNITS), false);
		error = stream_cover_add(&cover, start, len);
		assert_int_equal(error, taken ? -EEXIST : 0);
		for (uint64_t i = start; !taken && i < start + len; i++) {
			there[i] = true;
			missing--;
		}
		compare(&cover, there);
	}
	assert_true(stream_cover_whole(&cover, UNITS));
	assert_false(stream_cover_whole(&cover, UNITS - 1));
	assert_int_equal(stream_cover_gap(&cover), UNITS);
	stream_cover_fini(&cover);
}

static void coverage_edges(void **state)
{
	struct stream_cover cover = { 0 };

	(void)state;
	assert_true(stream_cover_whole(&cover, 0));
	assert_int_equal(stream_cover_gap(&cover), 0);
	assert_int_equal(stream_cover_add(&cover, 10, 0), 0);
	assert_true(stream_cover_whole(&cover, 0));
	for (uint64_t i = 0; i < STREAM_RANGES_MAX; i++)
		assert_int_equal(stream_cover_add(&cover, i * 2, 1), 0);
	assert_int_equal(stream_cover_add(&cover, STREAM_RANGES_MAX * 2, 1), -E2BIG);
	assert_int_equal(cover.count, STREAM_RANGES_MAX);
	/* What joins ranges is still welcome. */
	assert_int_equal(stream_cover_add(&cover, 1, 1), 0);
	assert_int_equal(cover.count, STREAM_RANGES_MAX - 1);
	assert_int_equal(stream_cover_gap(&cover), 3);
	stream_cover_fini(&cover);
}

static void checksums(void **state)
{
	enum { BYTES = 100000 };
	uint8_t *data = malloc(BYTES);
	struct stream_sum *sum = stream_sum_new();
	uint64_t once, place;

	(void)state;
	assert_non_null(data);
	assert_non_null(sum);
	t_pattern_fill(data, 5, 0, BYTES);
	once = stream_sum_once(4096, data, BYTES);
	for (int round = 0; round < 20; round++) {
		stream_sum_begin(sum, 4096);
		for (size_t at = 0, n; at < BYTES; at += n) {
			n = t_rand_size(BYTES - at);
			stream_sum_feed(sum, data + at, n);
		}
		assert_true(stream_sum_end(sum) == once);
	}
	place = stream_sum_once(8192, data, BYTES);
	assert_true(place != once);
	data[BYTES / 2] ^= 1;
	assert_true(stream_sum_once(4096, data, BYTES) != once);
	stream_sum_free(sum);
	stream_sum_free(NULL);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(hellos),		 T_CASE(records),	 T_CASE(results),
		T_CASE(coverage_random), T_CASE(coverage_edges), T_CASE(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
