/* SPDX-License-Identifier: MIT */
/*
 * move.c - streams from end to end, with proof of where the bytes went.
 *
 * Theory: three counts must agree: bytes that the program verified, bytes that the test NIC wrote
 * into provider memory and into kernel pages, and bytes that the kernel says it copied.  With every
 * byte placed by the NIC, the NIC wrote at least what was received, and at most that and what TCP
 * repeated; into kernel pages went headers only (HEADER_MAX for each frame); nothing was copied.
 *
 * Large buffers: the test NIC lays payloads one behind the other into a buffer that is larger than
 * a page.  A slice of a page or less that lies across the end of a page could not be where it is
 * if buffers were pages; one across the middle of its buffer not, if they were smaller than asked.
 */
#include "zcraw.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_MAX 128u
#define PAGE_BYTES 4096u
#define OVER_PAGE 8 /* of full frames every third crosses the end of a page; one of eight must */

static const char *address_of(const struct move *m)
{
	return m->addr ? m->addr : m->ip6 ? RX_ADDR6 : RX_ADDR4;
}

void move_prepare(struct move *m)
{
	char target[32];

	ifq_need();
	enter_ns(TX_NS);
	nic_open(&m->peer, TX_NIC);
	enter_ns(RX_NS);
	nic_open(&m->nic, RX_NIC);
	nic_prepare(&m->nic);
	if (!m->streams)
		m->streams = 1;
	m->rx.events = true;
	snprintf(target, sizeof target, "action %u", m->rx.queue);
	for (unsigned i = 0; i < m->streams && (!m->target || *m->target); i++)
		nic_rule(&m->nic, m->ip6, PORT + m->first + i, m->target ? m->target : target);
}

void move_open(struct move *m)
{
	move_prepare(m);
	rx_open(&m->state, &m->nic, &m->rx);
}

void move_connect(struct move *m)
{
	for (unsigned i = 0; i < m->streams; i++) {
		struct sender_options so = { .addr = address_of(m),
					     .stream = m->first + i,
					     .bytes = m->bytes,
					     .mode = m->mode,
					     .rto_ms = m->rto_ms,
					     .abrupt = m->abrupt };
		int listener = tcp_listen(m->ip6, m->first + i);

		if (m->rcvbuf)
			setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &m->rcvbuf, sizeof m->rcvbuf);
		sender_start(&m->sender[i], &so);
		m->fd[i] = tcp_accept(listener);
		close(listener);
	}
	nic_counts(&m->nic, m->rx.queue, &m->before);
	m->started_ms = now_ms();
}

void move_attach(struct move *m)
{
	for (unsigned i = 0; i < m->streams; i++)
		rx_add(&m->state, m->fd[i], m->first + i);
}

void move_go(struct move *m)
{
	for (unsigned i = 0; i < m->streams; i++)
		sender_go(&m->sender[i]);
}

static void check_large(const struct rx *rx)
{
	if (rx->over_page < rx->completions / OVER_PAGE || !rx->over_half)
		fail("buffers of %u: of %llu slices %llu cross the end of a page, %llu the middle "
		     "of a buffer",
		     rx->ifq.buf_bytes, (unsigned long long)rx->completions,
		     (unsigned long long)rx->over_page, (unsigned long long)rx->over_half);
}

void move_check(struct move *m, enum placement placement)
{
	const struct rx *rx = &m->state;
	uint64_t total = m->bytes * m->streams, copied = rx_copied(rx);
	uint64_t provider = m->after.provider - m->before.provider;
	uint64_t kernel = m->after.kernel - m->before.kernel;
	uint64_t packets = m->after.packets - m->before.packets;
	bool wrong = false;

	if (rx->bytes != total)
		fail("%llu bytes of %llu", (unsigned long long)rx->bytes,
		     (unsigned long long)total);
	if (placement == PLACED)
		wrong = provider < total || provider > total + m->sum.retrans_bytes || copied ||
			kernel > packets * HEADER_MAX;
	else if (placement == PLACED_PARTLY)
		wrong = !provider || provider >= total + m->sum.retrans_bytes ||
			(rx->ifq.stats && !copied);
	else if (placement == PLACED_NOT)
		wrong = provider || (rx->ifq.stats && copied < total / 2);
	if (placement == PLACED && rx->ifq.buf_bytes > PAGE_BYTES)
		check_large(rx);
	if (wrong)
		fail("placement: %llu received, %llu repeated, %llu written to the provider, "
		     "%llu to the kernel in %llu frames, %llu copied; %llu sent by TCP",
		     (unsigned long long)total, (unsigned long long)m->sum.retrans_bytes,
		     (unsigned long long)provider, (unsigned long long)kernel,
		     (unsigned long long)packets, (unsigned long long)copied,
		     (unsigned long long)m->sum.tcp_bytes);
}

static void say_figures(const struct move *m)
{
	const struct rx *rx = &m->state;
	uint64_t ms = m->took_ms > 0 ? (uint64_t)m->took_ms : 1;

	say(" %lluK in %llu completions of %llu to %llu, %llu MB/s",
	    (unsigned long long)(rx->bytes >> 10), (unsigned long long)rx->completions,
	    (unsigned long long)rx->len_min, (unsigned long long)rx->len_max,
	    (unsigned long long)(rx->bytes / 1000 / ms));
	if (m->sum.retrans_bytes)
		say(", %lluK repeated", (unsigned long long)(m->sum.retrans_bytes >> 10));
	if (rx->ifq.buf_bytes > PAGE_BYTES)
		say(", %llu over a page's end, %llu over a buffer's middle",
		    (unsigned long long)rx->over_page, (unsigned long long)rx->over_half);
	if (rx_copied(rx))
		say(", %lluK copied", (unsigned long long)(rx_copied(rx) >> 10));
	if (rx->enomem || rx->enospc || rx->events[0])
		say(", ENOMEM %llu ENOSPC %llu ALLOC_FAIL %llu", (unsigned long long)rx->enomem,
		    (unsigned long long)rx->enospc, (unsigned long long)rx->events[0]);
}

static void run_to_end(struct move *m, long deadline_ms)
{
	rx_run(&m->state, deadline_ms);
	m->took_ms = now_ms() - m->started_ms;
	for (unsigned i = 0; i < m->state.conns; i++) {
		close(m->state.conn[i].fd);
		m->state.conn[i].fd = -1;
	}
	for (unsigned i = 0; i < m->streams; i++) {
		struct sender_report r;

		sender_end(&m->sender[i], &r);
		if (r.error)
			fail("sender of stream %u, after %llu bytes: %s", i,
			     (unsigned long long)r.sent, strerror(r.error));
		m->sum.sent += r.sent;
		m->sum.retrans_bytes += r.retrans_bytes;
		m->sum.tcp_bytes += r.tcp_bytes;
		m->sum.zc_sends += r.zc_sends;
		m->sum.zc_copied += r.zc_copied;
	}
	nic_counts(&m->nic, m->rx.queue, &m->after);
}

void move_end(struct move *m, long deadline_ms, enum placement placement)
{
	run_to_end(m, deadline_ms);
	move_check(m, placement);
	rx_close(&m->state);
}

void move_finish(struct move *m, long deadline_ms, enum placement placement)
{
	run_to_end(m, deadline_ms);
	say_figures(m);
	move_check(m, placement);
	rx_close(&m->state);
}
