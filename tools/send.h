/* SPDX-License-Identifier: MIT */
/*
 * send.h - what the files of weir send share.
 */
#ifndef WEIR_TOOLS_SEND_H
#define WEIR_TOOLS_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/weir.h>

#include "stream.h"
#include "stream_file.h"
#include "weir_tool.h"

#define SEND_WHY_BYTES 320
#define SEND_ADDRS_MAX 16
/* Raw mode asks the kernel this often whether all was acknowledged. */
#define SEND_RAW_CHECK_US 5000u
/*
 * Chunks of a stream that are on their way: one is read while the other is sent, and more do not
 * pay, as long as the kernel copies.  Without a copy they end only when the peer has acknowledged
 * them: then as many as that takes.
 */
#define SEND_CHUNKS_MIN 4
#define SEND_CHUNKS_MAX 64

/**
 * struct send_opts - the command line.
 */
struct send_opts {
	const char *address;
	const char *file;
	struct tool_engine engine;
	int family;
	int show;
	bool raw;
	bool checksum;
	bool quiet;
	uint64_t streams;
	uint64_t chunk_bytes;
	uint64_t timeout_us;
};

struct send_app;
struct send_stream;

/**
 * struct send_chunk - one chunk on its way; its address is the send's tag.
 * @sent_bytes: bytes given to the send; 0 when the chunk is free.
 * @data: payload, with room for the header before it; NULL where the file is mapped.
 * @header: of a piece of the mapping.
 */
struct send_chunk {
	struct send_stream *stream;
	size_t sent_bytes;
	uint8_t *data;
	uint8_t header[STREAM_RECORD_BYTES];
};

/**
 * struct send_stream - one connection.
 * @sock: NULL before it is opened and after it is closed.
 * @connected: CONNECTED came, without an error.
 * @end_sent: the end record (raw: the end of stream) was queued.
 * @answered: the result came.
 * @ended: nothing more can be received.
 * @in_flight: chunks that wait for SENT.
 * @window: how many there may be.
 */
struct send_stream {
	struct send_app *app;
	struct weir_sock *sock;
	unsigned index;
	bool connected;
	bool end_sent;
	bool answered;
	bool ended;
	unsigned in_flight;
	unsigned window;
	uint8_t answer[STREAM_RESULT_BYTES];
	size_t answer_have;
	struct send_chunk chunks[SEND_CHUNKS_MAX];
};

/**
 * struct send_app - the command at work.
 * @area: memory of all chunks; NULL where the file is mapped.
 * @chunk_count: chunks of each stream.
 * @bytes: payload the kernel took.
 * @sum: checksum of what was read.
 * @address_next: index of the next address to try.
 * @broken_ns: when a connection broke before its result came; 0 while none did.
 * @broken: what is said when no result comes any more.
 * @answered: every stream has its result; the command waits for its memory.
 * @done: the command is to end.
 * @failed: with exit code 1.
 */
struct send_app {
	struct send_opts opts;
	struct weir_engine *engine;
	struct stream_in in;
	struct stream_progress progress;
	struct weir_timer timer;
	struct send_stream *streams;
	struct weir_area *area;
	unsigned chunk_count;
	uint64_t id;
	uint64_t bytes;
	uint64_t sum;
	uint64_t moved_ns;
	uint64_t broken_ns;
	char broken[SEND_WHY_BYTES];
	struct weir_addr addrs[SEND_ADDRS_MAX];
	int address_count;
	int address_next;
	char address[160];
	bool answered;
	bool done;
	bool failed;
};

/* send_stream.c */
extern const struct weir_sock_ops send_stream_ops;
/* Reads and sends as much as may be on its way. */
void send_fill(struct send_app *app);
/* Tells the receiver that there is nothing. */
void send_idle(struct send_app *app);
/* Opens the first connection to the next address that can be tried. */
void send_connect_next(struct send_app *app, const char *why);
/* Whether a chunk is free on a stream that can send. */
bool send_wants_data(const struct send_app *app);
/* The stream's last bytes were given to the kernel: were they taken by the peer's (raw)? */
void send_check_raw(struct send_app *app);

/* send_source.c */
/* Opens FILE, maps it or makes buffers; 0, or -errno with @why. */
int send_source_open(struct send_app *app, char *why, size_t why_bytes);
/* After the engine: the kernel may send from it until then. */
void send_source_close(struct send_app *app);
/* @retdata: the next chunk; @retlen 0: there is nothing now, or nothing more.  0 or -errno. */
int send_source_next(struct send_app *app, struct send_chunk *c, const void **retdata,
		     size_t *retlen, char *why, size_t why_bytes);

/* send_report.c */
void send_report(struct send_app *app);

/* send.c */
void send_fail(struct send_app *app, const char *format, ...) __attribute__((format(printf, 2, 3)));
void send_succeed(struct send_app *app);

#endif
