/* SPDX-License-Identifier: MIT */
/*
 * stream_progress.c - the progress line: bytes, rate, elapsed time, plane.
 *
 * Theory: on a terminal one line rewrites itself; asked for by option, into files and pipes too,
 *	a line is added per update.  The rate is that of the last interval, so that a stall shows.
 * Invariants:
 *	1. nothing but stderr is written to.
 * Ownership: none.
 * Threads: one.
 * Errors: none; stderr's failures are nobody's business.
 * Sources: tcp(7)
 * Tests: tests/cli/recv_send.sh
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"
#include "weir_tool.h"

uint64_t stream_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void stream_progress_init(struct stream_progress *p, int show, bool quiet, const char *plane)
{
	*p = (struct stream_progress){ .plane = plane };
	p->line = show == STREAM_SHOW_AUTO && isatty(STDERR_FILENO);
	p->on = !quiet && (p->line || show == STREAM_SHOW_LINES);
	stream_progress_start(p);
}

void stream_progress_start(struct stream_progress *p)
{
	p->start_ns = stream_now_ns();
	p->last_ns = p->start_ns;
	p->last_bytes = 0;
}

void stream_progress_update(struct stream_progress *p, uint64_t bytes, uint64_t total)
{
	uint64_t now = stream_now_ns();
	char size[16], rate[16], share[16] = "";
	double seconds = (double)(now - p->last_ns) / 1e9;

	if (!p->on)
		return;
	if (total && total != STREAM_TOTAL_UNKNOWN)
		snprintf(share, sizeof(share), " %3.0f%%", 100.0 * (double)bytes / (double)total);
	tool_format_bytes((double)bytes, size, sizeof(size));
	tool_format_bytes(seconds > 0 ? (double)(bytes - p->last_bytes) / seconds : 0, rate,
			  sizeof(rate));
	fprintf(stderr, "%s%s%s  %s/s  %.1f s  %s%s", p->line ? "\r" : "", size, share, rate,
		(double)(now - p->start_ns) / 1e9, p->plane, p->line ? "\033[K" : "\n");
	p->drawn = p->line;
	p->last_ns = now;
	p->last_bytes = bytes;
}

void stream_progress_clear(struct stream_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

const char *stream_summary(uint64_t bytes, uint64_t start_ns, char *buf, size_t buf_bytes)
{
	double seconds = (double)(stream_now_ns() - start_ns) / 1e9;
	char size[16], rate[16];

	tool_format_bytes((double)bytes, size, sizeof(size));
	tool_format_bytes(seconds > 0 ? (double)bytes / seconds : 0, rate, sizeof(rate));
	snprintf(buf, buf_bytes, "%" PRIu64 " bytes (%s) in %.3f s, %s/s", bytes, size, seconds,
		 rate);
	return buf;
}

void stream_tune_socket(int fd)
{
	const struct {
		int name;
		int value;
	} options[] = {
		{ TCP_KEEPIDLE, 20 },
		{ TCP_KEEPINTVL, 10 },
		{ TCP_KEEPCNT, 4 },
		{ TCP_USER_TIMEOUT, 60000 },
	};
	int on = 1;

	/* On UNIX sockets these fail, and nobody can vanish there. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, IPPROTO_TCP, options[i].name, &options[i].value, sizeof(int));
}
