/* SPDX-License-Identifier: MIT */
/*
 * s_send.c - the sending side: zero-copy send through the test NIC, and the speed of its wire.
 *
 * Theory: a notification of IORING_OP_SEND_ZC says, when asked, whether the kernel had to copy the
 * data after all, as it does on loopback and veth.  Through the test NIC it must not: the frames
 * carry the program's own pages until the NIC has read them (counter zc_frames).
 *
 * The kernel says "copied" of a send, too, when TCP appended it to a frame of the send before: the
 * two notifications are linked, and only the first is marked as used.  So the strict check is made
 * with sends of which each waits for the notification of the one before.
 *
 * Sources: io_uring/notif.c (io_link_skb, io_tx_ubuf_complete), Linux 7.3.
 */
#include "zcraw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS 30000
#define SLOW_MB_S 5u /* below this something is broken, even emulated on a busy machine */

struct row {
	enum send_mode mode;
	bool zcrx, ip6;
	bool any_speed; /* also over faults: repeats come soon, and may take their time */
	uint64_t bytes;
	struct rx_options rx;
};

static struct move move;

/* Sum of the counter over all Tx queues. */
static uint64_t tx_sum(const struct nic *nic, const char *counter)
{
	static char text[32768];
	char path[192], *save = NULL;
	uint64_t sum = 0;
	bool any = false;

	snprintf(path, sizeof path, "%s/stats", nic->dir);
	if (file_read(path, text, sizeof text))
		fail("%s cannot be read", path);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *dot = strchr(line, '.');
		size_t len = strlen(counter);

		if (strncmp(line, "tx", 2) || !dot || strncmp(dot + 1, counter, len) ||
		    dot[1 + len] != ' ')
			continue;
		sum += strtoull(dot + 1 + len, NULL, 10);
		any = true;
	}
	if (!any)
		fail("the test NIC has no counter tx*.%s", counter);
	return sum;
}

static void receive_plain(struct move *m)
{
	struct sender_report r;
	long began;

	move_connect(m);
	began = now_ms();
	move_go(m);
	if (tcp_drain(m->fd[0], 0, 0, DEADLINE_MS) != m->bytes)
		fail("the stream ended early");
	m->took_ms = now_ms() - began;
	close(m->fd[0]);
	sender_end(&m->sender[0], &r);
	if (r.error)
		fail("sender: %s", strerror(r.error));
	m->sum = r;
	say(" %lluK, %lluK repeated,", (unsigned long long)(m->bytes >> 10),
	    (unsigned long long)(r.retrans_bytes >> 10));
}

static void check_zc(const struct move *m, uint64_t frames)
{
	say(" %llu sends, %llu copied, %llu frames with user pages",
	    (unsigned long long)m->sum.zc_sends, (unsigned long long)m->sum.zc_copied,
	    (unsigned long long)frames);
	if (!m->sum.zc_sends || (m->mode == SEND_ZC_SERIAL && m->sum.zc_copied))
		fail("%llu of %llu zero-copy sends were copied",
		     (unsigned long long)m->sum.zc_copied, (unsigned long long)m->sum.zc_sends);
	if (!frames)
		fail("the NIC saw no frame with user pages");
}

static void run_row(const struct scenario *self)
{
	const struct row *row = self->arg;
	struct move *m = &move;
	uint64_t frames, mb_s;

	m->rx = row->rx;
	m->rx.queue = row->zcrx ? 1 : 0;
	m->mode = row->mode;
	m->bytes = row->bytes;
	m->ip6 = row->ip6;
	m->rto_ms = row->any_speed ? 20 : 0;
	if (row->zcrx) {
		move_open(m);
		frames = tx_sum(&m->peer, "zc_frames");
		move_connect(m);
		move_attach(m);
		move_go(m);
		move_finish(m, DEADLINE_MS, PLACED);
	} else {
		enter_ns(TX_NS);
		nic_open(&m->peer, TX_NIC);
		enter_ns(RX_NS);
		nic_open(&m->nic, RX_NIC);
		m->streams = 1;
		frames = tx_sum(&m->peer, "zc_frames");
		receive_plain(m);
	}
	if (row->mode != SEND_PLAIN)
		check_zc(m, tx_sum(&m->peer, "zc_frames") - frames);
	mb_s = m->bytes / 1000 / (uint64_t)(m->took_ms > 0 ? m->took_ms : 1);
	if (!row->zcrx)
		say(" %llu MB/s", (unsigned long long)mb_s);
	/* a send that waits for the one before says nothing about speed */
	if (row->mode == SEND_PLAIN && !row->any_speed && mb_s < SLOW_MB_S)
		fail("%llu MB/s", (unsigned long long)mb_s);
}

#define ROW(...) (&(const struct row){ __VA_ARGS__ })

const struct scenario scenarios_send[] = {
	{ "send_zc", "zero-copy send to recv(), not copied", run_row,
	  ROW(.mode = SEND_ZC_SERIAL, .bytes = 8u << 20) },
	{ "send_zc_ipv6", "the same over IPv6", run_row,
	  ROW(.mode = SEND_ZC_SERIAL, .bytes = 8u << 20, .ip6 = true) },
	{ "send_zc_zcrx", "zero-copy send to zero-copy receive, not copied", run_row,
	  ROW(.mode = SEND_ZC_SERIAL, .bytes = 8u << 20, .zcrx = true) },
	{ "send_zc_stream", "zero-copy sends without waiting, to zero-copy receive", run_row,
	  ROW(.mode = SEND_ZC, .bytes = 32u << 20, .zcrx = true, .rx.area_bytes = 16u << 20) },
	{ "wire", "speed: send() to recv(), all verified", run_row, ROW(.bytes = 64u << 20) },
	{ "wire_zcrx", "speed: send() to zero-copy receive, all verified", run_row,
	  ROW(.bytes = 64u << 20, .zcrx = true, .rx.area_bytes = 16u << 20) },
	{ "wire_zcrx_64k", "the same with huge pages and buffers of 64 KiB", run_row,
	  ROW(.bytes = 64u << 20, .zcrx = true,
	      .rx = { .area = AREA_HUGE, .area_bytes = 32u << 20, .buf_bytes = 64u << 10 }) },
	{ "plain", "send() to recv(), as the NIC is set now, all verified", run_row,
	  ROW(.bytes = 1u << 20, .any_speed = true) },
	{ NULL, NULL, NULL, NULL }
};
