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
 * tool_engine_open() - open an engine for a command; prints the error where there is one.
 * @reteng: receives the engine.
 * @command: "weir recv", for the message.
 * @plane: enum weir_plane, as --plane stored it.
 *
 * Return: 0 or -errno.
 */
int tool_engine_open(struct weir_engine **reteng, const char *command, int plane);

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
