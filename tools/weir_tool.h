/* SPDX-License-Identifier: MIT */
/*
 * weir_tool.h - what tools/ offers its subcommands, and the subcommands themselves.
 *
 * A subcommand is int cmd_NAME(int argc, char **argv) with argv[0] its own name; it returns the
 * exit code.  It is entered in the table in main.c, from which help and usage are printed.
 */
#ifndef WEIR_TOOLS_WEIR_TOOL_H
#define WEIR_TOOLS_WEIR_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opt.h"

/* Exit codes of all subcommands. */
#define TOOL_EXIT_OK 0	   /* done */
#define TOOL_EXIT_FAILED 1 /* the work failed or was not finished */
#define TOOL_EXIT_USAGE 2  /* bad arguments; nothing was done */

int cmd_doctor(int argc, char **argv);
int cmd_iperf3(int argc, char **argv);
int cmd_nic(int argc, char **argv);
int cmd_recv(int argc, char **argv);
int cmd_send(int argc, char **argv);

/**
 * tool_plane_names - the words of --plane for an OPT_ENUM option (values: enum weir_plane).
 */
extern const struct opt_name tool_plane_names[];

/**
 * tool_zerocopy_names - the words of --zerocopy (values: enum weir_zerocopy).
 */
extern const struct opt_name tool_zerocopy_names[];

/**
 * tool_nearest() - the word that was probably meant.
 * @word: what was typed.
 * @at: function that returns the candidate number i, NULL at the end.
 * @user: handed to @at.
 *
 * Return: the nearest candidate, or NULL where none is near.
 */
const char *tool_nearest(const char *word, const char *(*at)(const void *user, unsigned i),
			 const void *user);

/**
 * tool_format_bytes() - bytes for a person: "0 B", "1.50 KiB", "12.3 GiB".
 * @bytes: the value.
 * @buf: receives the text.
 * @buf_bytes: size of @buf; 16 hold any value.
 *
 * Return: @buf.
 */
const char *tool_format_bytes(double bytes, char *buf, size_t buf_bytes);

struct cJSON;
struct weir_addr;
struct weir_engine;
struct weir_error;
struct weir_event;

/**
 * tool_make_utf8() - replace what is not UTF-8 by question marks, byte by byte.
 * @text: a text that holds words of others: of a peer, a driver, a file's name.
 *
 * A JSON text stays one: only inside of strings it has such bytes.
 */
void tool_make_utf8(char *text);

/**
 * tool_print_json() - print a document on standard output.
 * @command: "weir doctor", for the message where memory is short.
 * @json: the document, deleted by this call; NULL where there was no memory for it.
 *
 * Return: the exit code.
 */
int tool_print_json(const char *command, struct cJSON *json);

/**
 * tool_error_text() - an error record as one line, for a message of a command.
 * @err: the record.
 * @buf: receives "STAGE OBJECT: STRERROR (HINT)".
 * @buf_bytes: size of @buf; 512 hold any record.
 *
 * Return: @buf.
 */
const char *tool_error_text(const struct weir_error *err, char *buf, size_t buf_bytes);

/**
 * struct tool_engine - what the command line says of the engine (TOOL_ENGINE_OPTIONS).
 * @plane: enum weir_plane.
 * @ifname: NIC of which the engine takes queues; NULL: as WEIR_IFNAME says.
 * @queue: the first of them, where @queue_given.
 * @queues: how many; 0: one.
 * @zerocopy: enum weir_zerocopy; tool_zerocopy_names has its words.
 * @released, @user: as in struct weir_engine_opts.
 */
struct tool_engine {
	int plane;
	int zerocopy;
	void (*released)(struct weir_engine *e, const struct weir_event *ev, void *user);
	void *user;
	const char *ifname;
	uint64_t queue;
	bool queue_given;
	uint64_t queues;
};

/* Entries of a table of struct opt. */
#define TOOL_ENGINE_OPTIONS(e)                                                                  \
	{ .name = "plane",                                                                      \
	  .kind = OPT_ENUM,                                                                     \
	  .target = &(e).plane,                                                                 \
	  .names = tool_plane_names,                                                            \
	  .help = "how bytes move (default auto: the best one of this machine)" },              \
		{ .name = "ifname",                                                             \
		  .kind = OPT_STRING,                                                           \
		  .target = &(e).ifname,                                                        \
		  .max = 15,                                                                    \
		  .flags = OPT_NO_LIMITS,                                                       \
		  .arg = "NIC",                                                                 \
		  .help = "take queues of this NIC, which then writes payload into our memory " \
			  "(plane zcrx); put back at the end" },                                \
		{ .name = "queue",                                                              \
		  .kind = OPT_UINT,                                                             \
		  .target = &(e).queue,                                                         \
		  .given = &(e).queue_given,                                                    \
		  .max = 65535,                                                                 \
		  .flags = OPT_NO_LIMITS,                                                       \
		  .help = "the first queue (default: the highest that are free)" },             \
	{                                                                                       \
		.name = "queues", .kind = OPT_UINT, .target = &(e).queues, .min = 1, .max = 16, \
		.help = "how many queues (default 1)"                                           \
	}

/**
 * tool_engine_open() - open an engine for a command; prints the error where there is one.
 * @reteng: receives the engine.
 * @command: "weir recv", for the message.
 * @wish: what the command line says.
 *
 * Return: 0 or -errno.
 */
int tool_engine_open(struct weir_engine **reteng, const char *command,
		     const struct tool_engine *wish);

/**
 * enum tool_copied - what is known of the bytes that were copied on receive.
 * @TOOL_COPIED_BY_PLANE: no NIC queue is in use: weir_engine_stats.rx_copied_bytes is exact.
 * @TOOL_COPIED_COUNTED: the kernel counts them: what it did not copy the NIC has placed.
 * @TOOL_COPIED_UNKNOWN: this kernel does not count them.
 * @TOOL_COPIED_ALL: the plane zcrx without a NIC: all of them.
 */
enum tool_copied {
	TOOL_COPIED_BY_PLANE = 0,
	TOOL_COPIED_COUNTED,
	TOOL_COPIED_UNKNOWN,
	TOOL_COPIED_ALL,
};

enum tool_copied tool_copied(const struct weir_engine *e);

/**
 * tool_json_plane() - the engine's part of a report for programs: "plane", "why", "rx_bytes"; as
 * far as they are known "rx_copied_bytes" and "rx_placed_bytes"; "queues" where there are any.
 * @to: the object.
 * @e: the engine.
 * @received: payload received.
 * @copied: of it, weir_engine_stats.rx_copied_bytes.
 */
void tool_json_plane(struct cJSON *to, const struct weir_engine *e, uint64_t received,
		     uint64_t copied);

/**
 * tool_queues() - the NIC queues of an engine: "eth0 rxq 6, 7"; empty where it has none.
 * @e: the engine.
 * @buf: receives the text.
 * @buf_bytes: size of @buf; TOOL_QUEUES_BYTES hold any.
 *
 * Return: @buf.
 */
#define TOOL_QUEUES_BYTES 160
const char *tool_queues(const struct weir_engine *e, char *buf, size_t buf_bytes);

/**
 * tool_stop_on_signals() - SIGINT and SIGTERM stop this engine from now on; SIGPIPE is ignored.
 * @e: the engine; NULL before it is closed.
 *
 * System calls that block return -EINTR, so that a command stuck in write(2) ends as well.
 */
void tool_stop_on_signals(struct weir_engine *e);

/**
 * tool_signal() - the signal that came.
 *
 * Return: its number; 0 where none came.
 */
int tool_signal(void);

/**
 * tool_print_plane() - the last line of a report: plane, why, bytes copied.
 * @to: stream.
 * @e: the engine.
 */
void tool_print_plane(FILE *to, const struct weir_engine *e);

/**
 * tool_resolve() - socket address from text, host names included; may block in the resolver.
 * @text: as weir_addr_parse(), or HOST:PORT, HOST, [IPv6], PORT alone (listening only).
 * @default_port: port where @text names none; 0 demands one.
 * @family: AF_UNSPEC, AF_INET or AF_INET6 (-4, -6).
 * @listening: an empty host means all addresses of this machine; else the loopback address.
 * @ret: receives up to @max addresses, in the resolver's order.
 * @max: room in @ret; at least 1.
 * @why: receives one line that names the bad text and what is legal.
 * @why_bytes: size of @why.
 *
 * Return: number of addresses (at least 1), or -EINVAL (the text is no address), -EHOSTUNREACH
 * (no such name, no address of that family).
 */
int tool_resolve(const char *text, uint16_t default_port, int family, bool listening,
		 struct weir_addr *ret, unsigned max, char *why, size_t why_bytes);

#endif
