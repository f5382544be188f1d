/* SPDX-License-Identifier: MIT */
/*
 * send_report.c - what weir send says at the end of a transfer.
 *
 * Theory: two lines.  The second one names the plane, what it chose and why, and how many bytes
 *	went without a copy: those of requests for zero copy whose memory came back, less those of
 *	which the kernel says that it had to copy them on the way.
 * Invariants:
 *	1. it is printed while the connections are still there: the counters are theirs.
 * Ownership: none.
 * Threads: one.
 * Errors: none.
 * Sources: none.
 * Tests: tests/cli/send_zerocopy.sh, tests/cli/recv_send.sh
 */
#include <inttypes.h>
#include <stdio.h>

#include "send.h"

static struct weir_sock_stats add_up(const struct send_app *app)
{
	struct weir_sock_stats sum = { 0 }, one;

	for (unsigned i = 0; i < app->opts.streams; i++) {
		if (!app->streams[i].sock)
			continue;
		weir_sock_get_stats(app->streams[i].sock, &one);
		sum.tx_bytes += one.tx_bytes;
		sum.tx_zc_bytes += one.tx_zc_bytes;
		sum.tx_zc_copied_bytes += one.tx_zc_copied_bytes;
	}
	return sum;
}

static void print_plane(const struct send_app *app)
{
	const struct weir_sock *first = app->streams[0].sock;
	struct weir_sock_stats sum = add_up(app);

	fprintf(stderr, "plane: %s; why: %s; ", weir_plane_name(weir_engine_plane(app->engine)),
		first ? weir_sock_why(first) : weir_engine_why(app->engine));
	fprintf(stderr, "bytes sent without a copy: %" PRIu64 " of %" PRIu64,
		sum.tx_zc_bytes - sum.tx_zc_copied_bytes, sum.tx_bytes);
	if (sum.tx_zc_copied_bytes)
		fprintf(stderr, "; asked for, but copied on the way: %" PRIu64,
			sum.tx_zc_copied_bytes);
	fprintf(stderr, "; source: %s\n", app->area ? "buffers" : "the file's pages");
}

void send_report(struct send_app *app)
{
	char text[160];

	fprintf(stderr, "sent %s",
		stream_summary(app->in.total, app->progress.start_ns, text, sizeof(text)));
	if (app->opts.streams > 1)
		fprintf(stderr, ", %u streams", (unsigned)app->opts.streams);
	if (app->opts.checksum)
		fprintf(stderr, ", checksum %016" PRIx64 " ok", app->sum);
	fputc('\n', stderr);
	print_plane(app);
}
