/* SPDX-License-Identifier: MIT */
/*
 * stream.h - what weir recv and weir send share: the wire format, coverage, checksum, progress.
 *
 * The wire format (all numbers big-endian).  A transfer is 1 to 128 connections from the sender;
 * each begins with one hello and goes on with records.  The receiver answers each connection with
 * one result and closes it.
 *
 *	hello	u32 magic "WEIR", u16 version 1, u16 flags (1: checksum), u16 stream index,
 *		u16 stream count, u32 largest chunk, u64 transfer id, u64 total bytes or ~0
 *	chunk	u32 "WCHK", u32 length 1 to the largest, u64 offset, u64 0, then length bytes
 *	idle	u32 "WIDL", u32 0, u64 0, u64 0: the source has nothing at present
 *	end	u32 "WEND", u32 0, u64 total bytes, u64 checksum or 0; the last of a connection
 *	result	u32 "WRES", u32 status (0: all arrived), u64 bytes, u64 checksum, 72 bytes text
 *
 * Chunks lie anywhere, each byte of the file in exactly one; within a connection their offsets
 * rise.  The checksum is the sum (mod 2^64) over all chunks of XXH3-64(chunk, seed = offset).
 * In raw mode there is one connection and nothing but the file's bytes.
 */
#ifndef WEIR_TOOLS_STREAM_H
#define WEIR_TOOLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PORT 9000
#define STREAM_VERSION 1
#define STREAM_COUNT_MAX 128
#define STREAM_CHUNK_MAX (16u << 20)
#define STREAM_HELLO_BYTES 32
#define STREAM_RECORD_BYTES 24
#define STREAM_RESULT_BYTES 96
#define STREAM_TEXT_BYTES 72
#define STREAM_TOTAL_UNKNOWN UINT64_MAX
/* Offsets are what pwrite(2) takes. */
#define STREAM_OFFSET_MAX ((uint64_t)INT64_MAX)

#define STREAM_MAGIC_HELLO 0x57454952u
#define STREAM_MAGIC_CHUNK 0x5743484bu
#define STREAM_MAGIC_IDLE 0x5749444cu
#define STREAM_MAGIC_END 0x57454e44u
#define STREAM_MAGIC_RESULT 0x57524553u

#define STREAM_FLAG_CHECKSUM 1u

/* Microseconds between the idle records of a sender that has nothing to send. */
#define STREAM_IDLE_US 2000000u

struct stream_hello {
	uint16_t flags;
	uint16_t index;
	uint16_t count;
	uint32_t chunk_max;
	uint64_t id;
	uint64_t total;
};

struct stream_record {
	uint32_t magic;
	uint32_t len;
	uint64_t offset; /* end: total bytes */
	uint64_t sum;	 /* end: checksum */
};

struct stream_result {
	uint32_t status;
	uint64_t bytes;
	uint64_t sum;
	char text[STREAM_TEXT_BYTES];
};

void stream_put_hello(uint8_t *to, const struct stream_hello *hello);
void stream_put_record(uint8_t *to, const struct stream_record *record);
void stream_put_result(uint8_t *to, const struct stream_result *result);

/* Each checks all that can be checked without other records; @retwhy receives static text. */
int stream_get_hello(const uint8_t *from, struct stream_hello *ret, const char **retwhy);
int stream_get_record(const uint8_t *from, const struct stream_hello *hello,
		      struct stream_record *ret, const char **retwhy);
int stream_get_result(const uint8_t *from, struct stream_result *ret, const char **retwhy);

/*
 * Coverage: which bytes of the file arrived, as sorted, disjoint ranges that do not touch.  Streams
 * run ahead of each other, so there are few; more than STREAM_RANGES_MAX is refused.
 */
#define STREAM_RANGES_MAX 4096

struct stream_range {
	uint64_t start;
	uint64_t end;
};

struct stream_cover {
	struct stream_range *ranges;
	size_t count;
	size_t room;
};

/* 0; -EEXIST where a byte is there already; -E2BIG for too many ranges; -ENOMEM. */
int stream_cover_add(struct stream_cover *cover, uint64_t start, uint64_t len);
/* Whether bytes 0 to @total - 1 and nothing else are there. */
bool stream_cover_whole(const struct stream_cover *cover, uint64_t total);
/* The first byte that is not there. */
uint64_t stream_cover_gap(const struct stream_cover *cover);
void stream_cover_fini(struct stream_cover *cover);

/* Checksum of one chunk, fed piece by piece. */
struct stream_sum;
struct stream_sum *stream_sum_new(void);
void stream_sum_free(struct stream_sum *sum);
void stream_sum_begin(struct stream_sum *sum, uint64_t offset);
void stream_sum_feed(struct stream_sum *sum, const void *data, size_t len);
uint64_t stream_sum_end(const struct stream_sum *sum);
uint64_t stream_sum_once(uint64_t offset, const void *data, size_t len);

/* The progress line on stderr. */
enum stream_show {
	STREAM_SHOW_AUTO = 0, /* a line that rewrites itself, on a terminal only */
	STREAM_SHOW_LINES,    /* a line per second, also into files and pipes */
	STREAM_SHOW_NONE,
};

struct stream_progress {
	bool line; /* rewrites itself */
	bool on;
	bool drawn;
	const char *plane;
	uint64_t start_ns;
	uint64_t last_ns;
	uint64_t last_bytes;
};

void stream_progress_init(struct stream_progress *p, int show, bool quiet, const char *plane);
/* Time to the next update in microseconds. */
#define STREAM_PROGRESS_US 500000u
void stream_progress_start(struct stream_progress *p);
void stream_progress_update(struct stream_progress *p, uint64_t bytes, uint64_t total);
/* Ends a line that rewrites itself, so that other text can follow. */
void stream_progress_clear(struct stream_progress *p);
uint64_t stream_now_ns(void);
/* "104857600 bytes (100 MiB) in 0.21 s, 476 MiB/s" */
const char *stream_summary(uint64_t bytes, uint64_t start_ns, char *buf, size_t buf_bytes);

/* SO_KEEPALIVE and the like on a TCP descriptor, so that a peer that vanished is noticed. */
void stream_tune_socket(int fd);

/* Options that recv and send share: entries of a table of struct opt. */
#define STREAM_COMMON_OPTIONS(o, lines)                                                 \
	TOOL_ENGINE_OPTIONS((o).engine),                                                \
		{ .letter = '4',                                                        \
		  .kind = OPT_SET,                                                      \
		  .target = &(o).family,                                                \
		  .value = AF_INET,                                                     \
		  .group = 2,                                                           \
		  .help = "IPv4 only" },                                                \
		{ .letter = '6',                                                        \
		  .kind = OPT_SET,                                                      \
		  .target = &(o).family,                                                \
		  .value = AF_INET6,                                                    \
		  .group = 2,                                                           \
		  .help = "IPv6 only" },                                                \
		{ .name = "progress",                                                   \
		  .kind = OPT_FLAG,                                                     \
		  .target = &(lines),                                                   \
		  .group = 3,                                                           \
		  .help = "show progress even where standard error is no terminal" },   \
	{                                                                               \
		.name = "quiet", .letter = 'q', .kind = OPT_FLAG, .target = &(o).quiet, \
		.group = 3, .help = "print errors only"                                 \
	}

#endif
