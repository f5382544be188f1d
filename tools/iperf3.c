/* SPDX-License-Identifier: MIT */
/*
 * iperf3.c - `weir iperf3`: from the command line to the role, and back to an exit code.
 *
 * Theory: one engine per process; the role (server or client) runs its loop.  Signals count up a
 *	number that the roles look at after each batch, and wake the engine.
 * Invariants:
 *	1. the PID file is removed by who wrote it.
 * Ownership: the engine, the log file and the PID file are cmd_iperf3()'s.
 * Threads: one.
 * Errors: a line on stderr; exit codes 0, 1 (failed), 2 (usage).
 * Sources: iperf 3.12 main.c (signals, order of things).
 * Tests: tests/cli/iperf3_options.sh, iperf3_server.sh
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "iperf3.h"
#include "weir_tool.h"

static volatile sig_atomic_t signals;
static struct weir_engine *volatile woken;

static void on_signal(int number)
{
	(void)number;
	signals = signals + 1;
	if (woken)
		weir_engine_stop(woken);
}

int i3_signal(void)
{
	return signals;
}

int i3_pin(unsigned cpu_plus_1)
{
	static cpu_set_t before;
	static bool known;
	cpu_set_t set;

	if (!known)
		known = !sched_getaffinity(0, sizeof(before), &before);
	if (!cpu_plus_1)
		return known && !sched_setaffinity(0, sizeof(before), &before) ? 0 : -errno;
	if (cpu_plus_1 > CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu_plus_1 - 1, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int write_pidfile(const struct i3_config *conf)
{
	FILE *f;
	int bad;

	if (!conf->pidfile)
		return 0;
	f = fopen(conf->pidfile, "w");
	if (!f) {
		i3_complain(conf, "error - unable to write PID file %s: %s", conf->pidfile,
			    strerror(errno));
		return -1;
	}
	bad = fprintf(f, "%ld", (long)getpid()) < 0;
	bad |= fclose(f) != 0;
	if (bad)
		i3_complain(conf, "error - unable to write PID file %s", conf->pidfile);
	return bad ? -1 : 0;
}

static int run(const struct i3_config *conf)
{
	struct weir_engine *e = NULL;
	struct weir_error err = { 0 };
	char text[512];
	int code;

	if (tool_engine_open(&e, "weir iperf3", &conf->engine))
		return TOOL_EXIT_FAILED;
	if (i3_ctxs_register(e, &err)) {
		i3_complain(conf, "%s", tool_error_text(&err, text, sizeof(text)));
		weir_engine_close(e);
		return TOOL_EXIT_FAILED;
	}
	woken = e;
	code = conf->host ? i3_client(conf, e) : i3_server(conf, e);
	woken = NULL;
	weir_engine_close(e);
	return code;
}

int cmd_iperf3(int argc, char **argv)
{
	const struct i3_config *parsed;
	struct i3_config conf;
	int code = i3_parse(argc, argv, &parsed);

	if (code >= 0)
		return code;
	conf = *parsed;
	if (conf.logfile) {
		conf.out = fopen(conf.logfile, "a");
		if (!conf.out) {
			i3_complain(NULL, "error - unable to open log file %s: %s", conf.logfile,
				    strerror(errno));
			return TOOL_EXIT_FAILED;
		}
	}
	if (conf.cpu_plus_1 && i3_pin(conf.cpu_plus_1)) {
		i3_complain(&conf, "error - unable to set CPU affinity: %s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	if (conf.daemon && daemon(1, 0)) {
		i3_complain(&conf, "error - unable to become a daemon: %s", strerror(errno));
		return TOOL_EXIT_FAILED;
	}
	catch_signals();
	if (write_pidfile(&conf))
		return TOOL_EXIT_FAILED;
	code = run(&conf);
	if (conf.pidfile)
		unlink(conf.pidfile);
	if (conf.logfile && fclose(conf.out) && !code)
		code = TOOL_EXIT_FAILED;
	return code;
}
