/* SPDX-License-Identifier: MIT */
/*
 * engine.c - what every command does with its engine: open it, stop it on signals, report it.
 *
 * Theory: a command has one engine at a time, and signals stop it through weir_engine_stop(),
 *	which may be called from a handler.  Handlers are installed without SA_RESTART: a blocking
 *	system call of the command returns and finds the signal noted.
 * Invariants:
 *	1. the handler touches the engine only between tool_stop_on_signals(e) and
 *	   tool_stop_on_signals(NULL).
 * Ownership: the caller owns the engine.
 * Threads: one, the command's.
 * Errors: -errno, printed.
 * Sources: signal-safety(7)
 * Tests: tests/cli/recv_send_faults.sh
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include <weir/weir.h>

#include "weir_tool.h"

const struct opt_name tool_plane_names[] = {
	{ "auto", WEIR_PLANE_AUTO },
	{ "uring", WEIR_PLANE_URING },
	{ "epoll", WEIR_PLANE_EPOLL },
	{ NULL, 0 },
};

static struct weir_engine *volatile signal_engine;
static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
	struct weir_engine *e = signal_engine;

	signal_number = number;
	if (e)
		weir_engine_stop(e);
}

void tool_stop_on_signals(struct weir_engine *e)
{
	struct sigaction action = { .sa_handler = on_signal };

	signal_engine = e;
	if (!e)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

int tool_signal(void)
{
	return signal_number;
}

const char *tool_error_text(const struct weir_error *err, char *buf, size_t buf_bytes)
{
	bool object = err->object[0], hint = err->hint[0];

	snprintf(buf, buf_bytes, "%s%s%s: %s%s%s%s", err->stage, object ? " " : "", err->object,
		 strerror(-err->code), hint ? " (" : "", err->hint, hint ? ")" : "");
	return buf;
}

int tool_engine_open(struct weir_engine **reteng, const char *command, int plane)
{
	struct weir_engine_opts opts = { .size = sizeof(opts), .plane = (enum weir_plane)plane };
	struct weir_error err = { 0 };
	char text[512];
	int error;

	error = weir_engine_open(reteng, &opts, &err);
	if (error)
		fprintf(stderr, "%s: no engine: %s\n", command,
			tool_error_text(&err, text, sizeof(text)));
	return error;
}

void tool_print_plane(FILE *to, const struct weir_engine *e)
{
	struct weir_engine_stats stats;

	weir_engine_get_stats(e, &stats);
	fprintf(to, "plane: %s; why: %s; bytes copied: %" PRIu64 " of %" PRIu64 " received\n",
		weir_plane_name(weir_engine_plane(e)), weir_engine_why(e), stats.rx_copied_bytes,
		stats.rx_bytes);
}
