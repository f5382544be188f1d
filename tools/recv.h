/* SPDX-License-Identifier: MIT */
/*
 * recv.h - what the files of weir recv share.
 */
#ifndef WEIR_TOOLS_RECV_H
#define WEIR_TOOLS_RECV_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/weir.h>

#include "recv_direct.h"
#include "stream.h"
#include "stream_file.h"
#include "weir_tool.h"

#define RECV_WHY_BYTES 320

/**
 * struct recv_opts - the command line.
 */
struct recv_opts {
	const char *address;
	const char *file;
	struct tool_engine engine;
	int family;
	int show;
	bool raw;
	bool keep;
	bool in_place;
	bool sync;
	bool checksum;
	bool direct;
	bool json;
	bool quiet;
	uint64_t timeout_us;
};

/**
 * enum recv_state - what a connection's next bytes are.
 * @RECV_HELLO: a hello; to RECV_RECORD, or RECV_DRAIN.
 * @RECV_RECORD: a record header; to RECV_PAYLOAD, RECV_BLOCKED, RECV_DONE, RECV_DRAIN.
 * @RECV_PAYLOAD: payload of the present chunk; to RECV_RECORD or RECV_DRAIN.
 * @RECV_BLOCKED: payload whose turn has not come (output in order); to RECV_PAYLOAD.
 * @RECV_RAW: the file; to RECV_DRAIN.
 * @RECV_DONE: nothing: the end record was seen; to RECV_DRAIN.
 * @RECV_DRAIN: whatever; thrown away until the peer closes, so that it sees the result.
 */
enum recv_state {
	RECV_HELLO = 0,
	RECV_RECORD,
	RECV_PAYLOAD,
	RECV_BLOCKED,
	RECV_RAW,
	RECV_DONE,
	RECV_DRAIN,
};

/* Bytes of a blocked connection that wait: in a held slice, or in a copy. */
struct recv_piece {
	struct recv_piece *next;
	struct weir_slice slice;
	bool held;
	const uint8_t *at;
	size_t len;
	uint8_t copy[];
};

struct recv_app;

/**
 * struct recv_stream - one connection.
 * @transfer_index: its index in the transfer; -1 before the hello and after a refusal.
 * @header_have: bytes of @header that are there.
 * @since_ns: when it was accepted; when it was answered, once RECV_DRAIN.
 * @left: bytes of the present chunk still to come.
 * @offset: where the next of them goes.
 * @first, @last: what waits while blocked.
 * @queued: its bytes.
 * @paused: the library was told to receive nothing.
 * @runs: payload on its way to the disk (--direct); NULL: it is written as it comes.
 * @peer_ended: the peer ended with @end_res.
 */
struct recv_stream {
	struct recv_app *app;
	struct recv_stream *next;
	struct weir_sock *sock;
	enum recv_state state;
	int transfer_index;
	struct stream_hello hello;
	struct stream_record record;
	uint8_t header[STREAM_HELLO_BYTES];
	size_t header_have;
	uint64_t left;
	uint64_t offset;
	uint64_t since_ns;
	struct stream_sum *sum;
	struct recv_piece *first;
	struct recv_piece *last;
	size_t queued;
	bool paused;
	struct weir_runs *runs;
	bool peer_ended;
	int end_res;
	char peer[128];
};

/**
 * struct recv_transfer - one file on its way.
 * @active: streams belong to it.
 * @streams: by index; NULL where one has not come or is gone.
 * @joined: how many came.
 * @done: how many sent their end record.
 * @bytes: payload that was written.
 * @frontier: next byte to write, output in order.
 */
struct recv_transfer {
	bool active;
	struct stream_hello hello;
	struct recv_stream *streams[STREAM_COUNT_MAX];
	unsigned joined;
	unsigned done;
	uint64_t bytes;
	uint64_t frontier;
	uint64_t sum;
	uint64_t end_total;
	uint64_t end_sum;
	uint64_t moved_ns;
	struct stream_cover cover;
};

/**
 * struct recv_app - the command at work.
 * @streams: all connections.
 * @failed_id: the transfer that failed last; streams of it that come late are told @failed_why.
 * @finished: the only transfer is over; the command ends when the connections are closed.
 * @failures: transfers that failed.
 */
struct recv_app {
	struct recv_opts opts;
	struct weir_engine *engine;
	struct weir_sock *listener;
	struct recv_stream *streams;
	struct stream_out out;
	struct recv_direct direct;
	struct recv_transfer transfer;
	struct stream_progress progress;
	struct weir_timer timer;
	uint64_t failed_id;
	char failed_why[STREAM_TEXT_BYTES];
	bool finished;
	unsigned failures;
	unsigned successes;
};

/* recv.c: who comes now cannot be served; a UNIX socket's name goes as well. */
void recv_close_listener(struct recv_app *app);

/* recv_stream.c */
int recv_stream_new(struct recv_app *app, struct weir_sock *sock, struct recv_stream **ret);
/* Parses what a slice holds; what has to wait is held or copied. */
void recv_stream_take(struct recv_stream *s, struct weir_slice *slice);
void recv_stream_ended(struct recv_stream *s, int res);
void recv_stream_free(struct recv_stream *s);
/* Sends a result and throws the rest away. */
void recv_stream_refuse(struct recv_stream *s, const char *why);
void recv_stream_answer(struct recv_stream *s, const struct stream_result *result);
/* Lets the streams go on whose turn has come. */
void recv_run_ordered(struct recv_app *app);

/* recv_transfer.c; all return 0, or -errno with the transfer failed. */
int recv_transfer_join(struct recv_stream *s);
/* @data lies in @slice; NULL where it lies in a copy. */
int recv_transfer_write(struct recv_stream *s, const struct weir_slice *slice, const void *data,
			size_t len);
int recv_transfer_end(struct recv_stream *s);
int recv_transfer_raw_begin(struct recv_stream *s);
void recv_transfer_raw_end(struct recv_stream *s);
/* Says why on stderr (@s, or NULL: whose fault it is) and to the peer, aborts the file. */
void recv_transfer_fail(struct recv_app *app, const struct recv_stream *s, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Opens FILE, for direct writes as well where that is wanted; 0, or -errno with @why. */
int recv_transfer_open_file(struct recv_app *app, char *why, size_t why_bytes);

/* recv_report.c */
void recv_report(struct recv_app *app, uint64_t sum);
/* @who may be empty; @what and @why follow each other. */
void recv_report_failure(struct recv_app *app, const char *who, const char *what, const char *why);
/* Why --direct does nothing for this file, if it does nothing. */
void recv_report_no_direct(const struct recv_app *app);

#endif
