/* SPDX-License-Identifier: MIT */
/*
 * stream_wire.c - hello, records and result as bytes.
 *
 * Theory: fixed-size headers, every field written and read by hand, so that neither padding nor
 *	byte order of a machine is in the format.  Reading checks every field: what comes from the
 *	network is rubbish until shown otherwise.
 * Invariants:
 *	1. put writes exactly the header's size, get reads exactly that.
 *	2. after a successful get, offset + len <= STREAM_OFFSET_MAX and len <= chunk_max.
 * Ownership: none.
 * Threads: any.
 * Errors: -EPROTO with static text.
 * Sources: stream.h
 * Tests: tests/unit/test_stream.c
 */
#include <errno.h>
#include <string.h>

#include "stream.h"

static uint8_t *put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = bytes; i--; value >>= 8)
		to[i] = (uint8_t)value;
	return to + bytes;
}

static uint64_t get(const uint8_t **from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | (*from)[i];
	*from += bytes;
	return value;
}

static int refuse(const char **retwhy, const char *why)
{
	*retwhy = why;
	return -EPROTO;
}

void stream_put_hello(uint8_t *to, const struct stream_hello *hello)
{
	to = put(to, STREAM_MAGIC_HELLO, 4);
	to = put(to, STREAM_VERSION, 2);
	to = put(to, hello->flags, 2);
	to = put(to, hello->index, 2);
	to = put(to, hello->count, 2);
	to = put(to, hello->chunk_max, 4);
	to = put(to, hello->id, 8);
	put(to, hello->total, 8);
}

int stream_get_hello(const uint8_t *from, struct stream_hello *ret, const char **retwhy)
{
	struct stream_hello h;

	if (get(&from, 4) != STREAM_MAGIC_HELLO)
		return refuse(retwhy, "the peer is not weir send (or runs with --raw)");
	if (get(&from, 2) != STREAM_VERSION)
		return refuse(retwhy, "the peer's version of the stream format is unknown");
	h.flags = (uint16_t)get(&from, 2);
	h.index = (uint16_t)get(&from, 2);
	h.count = (uint16_t)get(&from, 2);
	h.chunk_max = (uint32_t)get(&from, 4);
	h.id = get(&from, 8);
	h.total = get(&from, 8);
	if (h.flags & ~STREAM_FLAG_CHECKSUM)
		return refuse(retwhy, "the peer's hello has unknown flags");
	if (!h.count || h.count > STREAM_COUNT_MAX || h.index >= h.count)
		return refuse(retwhy, "the peer's hello has a bad stream number");
	if (!h.chunk_max || h.chunk_max > STREAM_CHUNK_MAX)
		return refuse(retwhy, "the peer's hello has a bad chunk size");
	if (h.total != STREAM_TOTAL_UNKNOWN && h.total > STREAM_OFFSET_MAX)
		return refuse(retwhy, "the peer's hello has a bad file size");
	*ret = h;
	return 0;
}

void stream_put_record(uint8_t *to, const struct stream_record *record)
{
	to = put(to, record->magic, 4);
	to = put(to, record->len, 4);
	to = put(to, record->offset, 8);
	put(to, record->sum, 8);
}

static int check_chunk(const struct stream_hello *hello, const struct stream_record *r,
		       const char **retwhy)
{
	uint64_t limit = hello->total < STREAM_OFFSET_MAX ? hello->total : STREAM_OFFSET_MAX;

	if (!r->len || r->len > hello->chunk_max)
		return refuse(retwhy, "the peer sent a chunk of a bad length");
	if (r->offset > limit || r->len > limit - r->offset)
		return refuse(retwhy, "the peer sent a chunk beyond the file's end");
	if (r->sum)
		return refuse(retwhy, "the peer sent a bad chunk header");
	return 0;
}

int stream_get_record(const uint8_t *from, const struct stream_hello *hello,
		      struct stream_record *ret, const char **retwhy)
{
	struct stream_record r;
	int error;

	r.magic = (uint32_t)get(&from, 4);
	r.len = (uint32_t)get(&from, 4);
	r.offset = get(&from, 8);
	r.sum = get(&from, 8);
	switch (r.magic) {
	case STREAM_MAGIC_CHUNK:
		error = check_chunk(hello, &r, retwhy);
		if (error)
			return error;
		break;
	case STREAM_MAGIC_IDLE:
		if (r.len || r.offset || r.sum)
			return refuse(retwhy, "the peer sent a bad idle record");
		break;
	case STREAM_MAGIC_END:
		if (r.len || r.offset > STREAM_OFFSET_MAX ||
		    (hello->total != STREAM_TOTAL_UNKNOWN && hello->total != r.offset))
			return refuse(retwhy, "the peer sent a bad end record");
		break;
	default:
		return refuse(retwhy, "the peer sent something that is no record");
	}
	*ret = r;
	return 0;
}

void stream_put_result(uint8_t *to, const struct stream_result *result)
{
	to = put(to, STREAM_MAGIC_RESULT, 4);
	to = put(to, result->status, 4);
	to = put(to, result->bytes, 8);
	to = put(to, result->sum, 8);
	memset(to, 0, STREAM_TEXT_BYTES);
	memcpy(to, result->text, strnlen(result->text, STREAM_TEXT_BYTES - 1));
}

int stream_get_result(const uint8_t *from, struct stream_result *ret, const char **retwhy)
{
	if (get(&from, 4) != STREAM_MAGIC_RESULT)
		return refuse(retwhy, "the peer's answer is not weir recv's");
	ret->status = (uint32_t)get(&from, 4);
	ret->bytes = get(&from, 8);
	ret->sum = get(&from, 8);
	memcpy(ret->text, from, STREAM_TEXT_BYTES);
	ret->text[STREAM_TEXT_BYTES - 1] = '\0';
	/* It goes to a terminal. */
	for (char *c = ret->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return 0;
}
