/* SPDX-License-Identifier: MIT */
/*
 * engine.c - what every command does with its engine: options, open, stop on signals, report.
 *
 * Theory: a command has one engine at a time, and signals stop it through weir_engine_stop(),
 *	which may be called from a handler.  Handlers are installed without SA_RESTART: a blocking
 *	system call of the command returns and finds the signal noted.  What was copied is told as
 *	far as it is known: the plane zcrx learns it from the kernel, which on older versions does
 *	not count it, and without a NIC copies everything.
 * Invariants:
 *	1. the handler touches the engine only between tool_stop_on_signals(e) and
 *	   tool_stop_on_signals(NULL).
 * Ownership: the caller owns the engine.
 * Threads: one, the command's.
 * Errors: -errno, printed.
 * Sources: signal-safety(7)
 * Tests: tests/cli/recv_send_faults.sh, tests/cli/tool_engine.sh, tests/vm/t/zc_tools.sh
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <weir/weir.h>

#include "weir_tool.h"

const struct opt_name tool_plane_names[] = {
	{ "auto", WEIR_PLANE_AUTO },
	{ "zcrx", WEIR_PLANE_ZCRX },
	{ "uring", WEIR_PLANE_URING },
	{ "epoll", WEIR_PLANE_EPOLL },
	{ NULL, 0 },
};

const struct opt_name tool_zerocopy_names[] = {
	{ "auto", WEIR_ZEROCOPY_AUTO },
	{ "never", WEIR_ZEROCOPY_NEVER },
	{ "always", WEIR_ZEROCOPY_ALWAYS },
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

int tool_engine_open(struct weir_engine **reteng, const char *command,
		     const struct tool_engine *wish)
{
	struct weir_engine_opts opts = {
		.size = sizeof(opts),
		.plane = (enum weir_plane)wish->plane,
		.ifname = wish->ifname,
		.queue_plus_1 = wish->queue_given ? (uint32_t)wish->queue + 1 : 0,
		.queue_count = (uint32_t)wish->queues,
		.zerocopy = (enum weir_zerocopy)wish->zerocopy,
		.released = wish->released,
		.user = wish->user,
	};
	struct weir_error err = { 0 };
	char text[512];
	int error;

	error = weir_engine_open(reteng, &opts, &err);
	if (error)
		fprintf(stderr, "%s: no engine: %s\n", command,
			tool_error_text(&err, text, sizeof(text)));
	return error;
}

enum tool_copied tool_copied(const struct weir_engine *e)
{
	struct weir_ifq_info info;
	struct weir_ifq_stats stats;
	enum tool_copied copied = TOOL_COPIED_BY_PLANE;

	for (unsigned i = 0; !weir_engine_ifq(e, i, &info); i++) {
		if (info.no_nic)
			return TOOL_COPIED_ALL;
		if (weir_engine_ifq_stats(e, i, &stats) || !stats.copied_known)
			return TOOL_COPIED_UNKNOWN;
		copied = TOOL_COPIED_COUNTED;
	}
	return copied;
}

const char *tool_queues(const struct weir_engine *e, char *buf, size_t buf_bytes)
{
	struct weir_ifq_info info;
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; !weir_engine_ifq(e, i, &info) && used < buf_bytes; i++) {
		if (info.no_nic)
			break;
		used += (size_t)snprintf(buf + used, buf_bytes - used, "%s%s%u",
					 i ? "" : info.ifname, i ? ", " : " rxq ", info.queue);
	}
	return buf;
}

void tool_json_plane(cJSON *to, const struct weir_engine *e, uint64_t received, uint64_t copied)
{
	enum tool_copied known = tool_copied(e);
	struct weir_ifq_info info;
	cJSON *queues;

	cJSON_AddStringToObject(to, "plane", weir_plane_name(weir_engine_plane(e)));
	cJSON_AddStringToObject(to, "why", weir_engine_why(e));
	cJSON_AddNumberToObject(to, "rx_bytes", (double)received);
	if (known != TOOL_COPIED_UNKNOWN)
		cJSON_AddNumberToObject(to, "rx_copied_bytes",
					(double)(known == TOOL_COPIED_ALL ? received : copied));
	if (known == TOOL_COPIED_BY_PLANE)
		return;
	if (known == TOOL_COPIED_COUNTED)
		cJSON_AddNumberToObject(to, "rx_placed_bytes", (double)(received - copied));
	queues = cJSON_AddArrayToObject(to, "queues");
	for (unsigned i = 0; !weir_engine_ifq(e, i, &info) && !info.no_nic; i++) {
		cJSON *queue = cJSON_CreateObject();

		cJSON_AddStringToObject(queue, "ifname", info.ifname);
		cJSON_AddNumberToObject(queue, "queue", info.queue);
		cJSON_AddItemToArray(queues, queue);
	}
}

void tool_print_plane(FILE *to, const struct weir_engine *e)
{
	struct weir_engine_stats stats;
	char queues[TOOL_QUEUES_BYTES];

	weir_engine_get_stats(e, &stats);
	tool_queues(e, queues, sizeof(queues));
	fprintf(to, "plane: %s; why: %s; bytes copied: ", weir_plane_name(weir_engine_plane(e)),
		weir_engine_why(e));
	switch (tool_copied(e)) {
	case TOOL_COPIED_BY_PLANE:
		fprintf(to, "%" PRIu64 " of %" PRIu64 " received\n", stats.rx_copied_bytes,
			stats.rx_bytes);
		break;
	case TOOL_COPIED_COUNTED:
		fprintf(to,
			"%" PRIu64 " of %" PRIu64 " received; placed by the NIC: %" PRIu64
			" (%s)\n",
			stats.rx_copied_bytes, stats.rx_bytes,
			stats.rx_bytes - stats.rx_copied_bytes, queues);
		break;
	case TOOL_COPIED_UNKNOWN:
		fprintf(to,
			"not known of %" PRIu64 " received, this kernel does not count them "
			"(%s)\n",
			stats.rx_bytes, queues);
		break;
	case TOOL_COPIED_ALL:
		fprintf(to, "all %" PRIu64 " received, there is no NIC\n", stats.rx_bytes);
		break;
	}
}
