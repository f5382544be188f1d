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
/* Buffers of a stream: one is filled while the other is sent; more do not pay. */
#define SEND_BUFFERS_MAX 4

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
 * struct send_buffer - header and payload of one chunk; its address is the send's tag.
 * @sent_bytes: bytes given to the send; 0 when the buffer is free.
 * @data: STREAM_RECORD_BYTES of room for the header, then the payload.
 */
struct send_buffer {
	struct send_stream *stream;
	size_t sent_bytes;
	uint8_t *data;
};

/**
 * struct send_stream - one connection.
 * @sock: NULL before it is opened and after it is closed.
 * @connected: CONNECTED came, without an error.
 * @end_sent: the end record (raw: the end of stream) was queued.
 * @answered: the result came.
 * @ended: nothing more can be received.
 * @in_flight: buffers that wait for SENT.
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
	uint8_t answer[STREAM_RESULT_BYTES];
	size_t answer_have;
	struct send_buffer buffers[SEND_BUFFERS_MAX];
};

/**
 * struct send_app - the command at work.
 * @memory: all buffers.
 * @buffer_count: buffers of each stream.
 * @bytes: payload the kernel took.
 * @sum: checksum of what was read.
 * @address_next: index of the next address to try.
 * @broken_ns: when a connection broke before its result came; 0 while none did.
 * @broken: what is said when no result comes any more.
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
	uint8_t *memory;
	unsigned buffer_count;
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
	bool done;
	bool failed;
};

/* send_stream.c */
extern const struct weir_sock_ops send_stream_ops;
/* Reads and sends as much as buffers allow; @idle: tell the receiver that there is nothing. */
void send_fill(struct send_app *app);
void send_idle(struct send_app *app);
/* Opens the first connection to the next address that can be tried. */
void send_connect_next(struct send_app *app, const char *why);
/* Whether a buffer is free on a stream that can send. */
bool send_wants_data(const struct send_app *app);
/* The stream's last bytes were given to the kernel: were they taken by the peer's (raw)? */
void send_check_raw(struct send_app *app);

/* send.c */
void send_fail(struct send_app *app, const char *format, ...) __attribute__((format(printf, 2, 3)));
void send_succeed(struct send_app *app);

#endif
