/* SPDX-License-Identifier: MIT */
/*
 * send_source.c - where weir send's chunks come from: a mapped file, or buffers that are read into.
 *
 * Theory: a file with a size is mapped, and the chunks are pieces of the mapping: a send with a
 *	copy then copies once, from the page cache to the socket, and one without a copy not at all.
 *	Its header is a piece of its own.  What cannot be mapped (pipes, files without a size, file
 *	systems without mmap) is read into the buffers of one area, which the engine registers for
 *	sends without a copy; so is a file with --checksum: the sum has to be that of what is sent,
 *	whatever happens to the file meanwhile, and to read a mapping is a SIGBUS once it is
 *	shorter.  A buffer has the header right before the payload: one piece.
 *	Against sendfile(2) over loopback the mapping costs a copy on this side, and saves the
 *	receiver one from memory that is in no cache: less in all.
 * Invariants:
 *	1. a chunk's memory is unchanged from the send to SENT, as far as it is ours.
 *	2. nothing but the kernel reads the mapping.
 * Ownership: mapping and area are the app's until send_source_close().
 * Threads: one.
 * Errors: -errno with one line.  That the area could not be registered is none.
 * Sources: stream_in.c
 * Tests: tests/cli/send_zerocopy.sh, tests/cli/recv_send.sh
 */
#include <errno.h>
#include <stdio.h>

#include "send.h"

#define ALIGN_BYTES ((size_t)4096)
#define MEMORY_MAX ((size_t)64 << 20)
#define MEMORY_MORE ((size_t)16 << 20) /* so much for chunks over SEND_CHUNKS_MIN */
#define MAPPED_MAX ((size_t)16 << 20)  /* of a stream on its way */

static void set_chunks(struct send_app *app, size_t count, size_t min)
{
	if (count < min)
		count = min;
	if (count > SEND_CHUNKS_MAX)
		count = SEND_CHUNKS_MAX;
	app->chunk_count = (unsigned)count;
	for (unsigned i = 0; i < app->opts.streams; i++) {
		struct send_stream *s = &app->streams[i];

		s->window = count < SEND_CHUNKS_MIN ? (unsigned)count : SEND_CHUNKS_MIN;
		for (unsigned k = 0; k < count; k++)
			s->chunks[k].stream = s;
	}
}

/* Each buffer is whole pages: one for the header's end, then the payload. */
static int make_buffers(struct send_app *app, char *why, size_t why_bytes)
{
	size_t pages = (app->opts.chunk_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES;
	size_t room = (pages + 1) * ALIGN_BYTES, all = room * app->opts.streams;
	struct weir_area_opts opts = { .size = sizeof(opts), .flags = WEIR_AREA_LAZY };
	struct weir_area_info info;
	struct weir_error err = { 0 };
	uint8_t *at;

	set_chunks(app, MEMORY_MORE / all,
		   MEMORY_MAX / all < SEND_CHUNKS_MIN ? 2 : SEND_CHUNKS_MIN);
	opts.bytes = all * app->chunk_count;
	if (weir_area_open(&app->area, &opts, &err)) {
		tool_error_text(&err, why, why_bytes);
		return err.code;
	}
	if (app->opts.engine.zerocopy != WEIR_ZEROCOPY_NEVER)
		(void)weir_engine_send_area(app->engine, app->area, NULL);
	weir_area_describe(app->area, &info);
	at = info.base;
	for (unsigned i = 0; i < app->opts.streams; i++)
		for (unsigned k = 0; k < app->chunk_count; k++, at += room)
			app->streams[i].chunks[k].data = at + ALIGN_BYTES;
	return 0;
}

int send_source_open(struct send_app *app, char *why, size_t why_bytes)
{
	int error = stream_in_open(&app->in, app->opts.file, why, why_bytes);

	if (error)
		return error;
	if (app->opts.checksum || stream_in_map(&app->in))
		return make_buffers(app, why, why_bytes);
	set_chunks(app, MAPPED_MAX / app->opts.chunk_bytes, SEND_CHUNKS_MIN);
	return 0;
}

void send_source_close(struct send_app *app)
{
	stream_in_close(&app->in);
	weir_area_close(app->area);
}

int send_source_next(struct send_app *app, struct send_chunk *c, const void **retdata,
		     size_t *retlen, char *why, size_t why_bytes)
{
	int error;

	if (!c->data) {
		error = stream_in_check(&app->in, why, why_bytes);
		if (!error)
			*retdata = stream_in_take(&app->in, app->opts.chunk_bytes, retlen);
		return error;
	}
	*retdata = c->data;
	return stream_in_read(&app->in, c->data, app->opts.chunk_bytes, retlen, why, why_bytes);
}
