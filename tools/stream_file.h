/* SPDX-License-Identifier: MIT */
/*
 * stream_file.h - the file or pipe at either end of a stream.
 */
#ifndef WEIR_TOOLS_STREAM_FILE_H
#define WEIR_TOOLS_STREAM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct stream_out - where received bytes go.
 * @fd: descriptor; -1 when not open.
 * @ordered: bytes must come in order (pipes, standard output).
 * @in_place: written under its own name.
 * @regular: a regular file.
 * @name: as the user wrote it, for messages.
 * @path: the file, symbolic links resolved.
 * @part: name while it is not whole; NULL in place.
 */
struct stream_out {
	int fd;
	bool ordered;
	bool in_place;
	bool regular;
	const char *name;
	char *path;
	char *part;
};

/* All return 0 or -errno and write one line into @why on failure. */

/* Opens FILE.part, or FILE itself (@in_place, devices, pipes), or stdout ("-"). */
int stream_out_open(struct stream_out *out, const char *name, bool in_place, char *why,
		    size_t why_bytes);
/* Writes all of it; -EINTR where a signal told the command to stop. */
int stream_out_write(struct stream_out *out, const void *data, size_t len, uint64_t offset,
		     char *why, size_t why_bytes);
/* The file is whole: gives it its name and closes it.  On failure it is aborted. */
int stream_out_commit(struct stream_out *out, uint64_t total, bool sync, char *why,
		      size_t why_bytes);
/* Closes what is open; what was written under FILE.part is removed. */
void stream_out_abort(struct stream_out *out);

/**
 * struct stream_in - where sent bytes come from.
 * @fd: descriptor; -1 when not open.
 * @sized: a file whose size was known at the start: @total bytes are read, at any offset.
 * @ended: everything was read.
 * @name: as the user wrote it, for messages.
 * @start: where in the file byte 0 lies.
 * @total: size; STREAM_TOTAL_UNKNOWN where it is not @sized and not @ended.
 * @offset: of the next byte.
 * @map: byte 0 in memory, after stream_in_map().
 * @forgotten: bytes from the start on that the mapping was told to forget.
 */
struct stream_in {
	int fd;
	bool sized;
	bool ended;
	const char *name;
	uint64_t start;
	uint64_t total;
	uint64_t offset;
	const uint8_t *map;
	uint64_t forgotten;
};

/* Opens FILE or stdin ("-"). */
int stream_in_open(struct stream_in *in, const char *name, char *why, size_t why_bytes);
/*
 * Reads up to @len bytes; @retlen 0 with in->ended is the end, without it there is nothing at
 * present.  Does not wait for a pipe that poll(2) has called readable.
 */
int stream_in_read(struct stream_in *in, void *to, size_t len, size_t *retlen, char *why,
		   size_t why_bytes);
/* Maps what is @sized.  Return: 0 or -errno: then it has to be read. */
int stream_in_map(struct stream_in *in);
/*
 * The next @len bytes, or fewer at the end, of what is mapped.  They are for the kernel only: it
 * says -EFAULT where the file got shorter, while our own access would be a SIGBUS.
 */
const void *stream_in_take(struct stream_in *in, size_t len, size_t *retlen);
/* Whether a @sized file has become shorter: -EIO with @why. */
int stream_in_check(const struct stream_in *in, char *why, size_t why_bytes);
void stream_in_close(struct stream_in *in);

#endif
