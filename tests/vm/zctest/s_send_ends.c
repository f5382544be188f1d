/* SPDX-License-Identifier: MIT */
/*
 * s_send_ends.c - ends with memory that the kernel still sends from.
 *
 * Theory: the reader reads nothing, so that its window closes and requests stay unreleased.  Then
 * the socket, the engine, the process, or the device ends.  What must be seen: the memory comes
 * back in the time that sock.h names, and until then the kernel sends what was written (the reader
 * compares what it gets, up to the break); of a process that was killed no socket stays behind and
 * no page pinned, whether its peer then reads, ends, or does neither.
 *
 * A process's pinned pages (registered memory) are counted by /proc/vmstat for all processes, of
 * which no other pins any here (look_at_pins).
 *
 * Sources: io_uring/io_uring.c io_ring_exit_work() (a ring that ends waits for notifications);
 * net/ipv4/tcp_timer.c tcp_probe_timer(), tcp_rto_max_ms since Linux 6.15.
 */
#include "send.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNREAD_BYTES (8u << 20)
#define CLOSE_MS 10000 /* as sock.h says */
#define GONE_MS 15000
#define PINS_REST_MS 3000
#define TCP_TIME_WAIT 6

static struct zs z;

static struct zs_wish unread_wish(const struct scenario *self)
{
	struct zs_wish wish = { .streams = 2,
				.bytes = UNREAD_BYTES,
				.flight = 16,
				.ctx = true,
				.registered = true,
				.unread = true,
				.may_break = true,
				.rto_ms = 20,
				.engine = { .zerocopy = WEIR_ZEROCOPY_ALWAYS } };

	if (self->arg)
		wish.engine.plane = *(const enum weir_plane *)self->arg;
	wish.registered = wish.engine.plane != WEIR_PLANE_EPOLL;
	return wish;
}

static uint64_t unreleased(const struct zs *at)
{
	struct weir_engine_stats s;

	weir_engine_get_stats(at->e, &s);
	return s.tx_unreleased;
}

/* The window is closed: in some rounds nothing is released, and requests are outstanding. */
static bool stuck(struct zs *at)
{
	uint64_t before = at->released;

	if (at->connected < at->wish.streams || !unreleased(at))
		return false;
	for (unsigned i = 0; i < 10; i++)
		zs_round(at, 20);
	return before == at->released && unreleased(at);
}

static void begin(const struct zs_wish *wish)
{
	zs_open(&z, wish);
	zs_engine(&z);
	zs_until(&z, stuck, ZT_DEADLINE_MS, "a closed window");
	say(" %llu requests unreleased,", (unsigned long long)unreleased(&z));
}

/* Of "nr_foll_pin_acquired" and "nr_foll_pin_released". */
static uint64_t pinned(void)
{
	static char text[65536];
	uint64_t n[2];

	/* what the processors have counted by themselves is added up first */
	if (file_write("/proc/sys/vm/stat_refresh", "1"))
		fail("/proc/sys/vm/stat_refresh cannot be written");
	if (file_read("/proc/vmstat", text, sizeof text))
		fail("/proc/vmstat cannot be read");
	for (unsigned i = 0; i < 2; i++) {
		const char *key = i ? "nr_foll_pin_released " : "nr_foll_pin_acquired ";
		const char *at = strstr(text, key);

		if (!at)
			fail("/proc/vmstat has no %s", key);
		n[i] = strtoull(at + strlen(key), NULL, 10);
	}
	return n[0] - n[1];
}

/* TCP sockets of this namespace that are connected, or were, to the reader's ports. */
static unsigned sockets(void)
{
	static char text[65536];
	unsigned count = 0, port, state;
	char *save = NULL;

	if (file_read("/proc/self/net/tcp", text, sizeof text))
		fail("/proc/net/tcp cannot be read");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, " %*u: %*x:%*x %*x:%x %x", &port, &state) == 2 && port >= PORT &&
		    port < PORT + ZS_STREAMS && state != TCP_TIME_WAIT)
			count++;
	return count;
}

static uint64_t pinned_before;

/* A process that ended before this one may still be giving its pages back. */
static void look_at_pins(void)
{
	long end = now_ms() + PINS_REST_MS;

	while ((pinned_before = pinned()) && now_ms() < end)
		usleep(10000); /* between two looks at the state that is waited for */
}

static bool all_gone(void *arg)
{
	(void)arg;
	return !sockets() && pinned() <= pinned_before;
}

static void must_go(const char *what)
{
	long began = now_ms();

	wait_until(all_gone, NULL, GONE_MS, what);
	say(" all gone after %ld ms;", now_ms() - began);
}

static void read_on(const char *what)
{
	zs_reader_go(&z);
	zs_reader_end(&z);
	say(" %s: %lluK read, %u of %u broken;", what, (unsigned long long)(z.reader.bytes >> 10),
	    z.reader.broken, z.wish.streams);
	if (!z.reader.bytes)
		fail("the reader got nothing");
}

/* Closed with the window closed: the memory is back when CLOSED comes, in time. */
static void run_close(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);
	long took;

	look_at_pins();
	begin(&wish);
	took = now_ms();
	for (unsigned i = 0; i < wish.streams; i++)
		weir_sock_close(z.stream[i].sock);
	zs_until(&z, zs_all_closed, CLOSE_MS + 5000, "the sockets closed");
	took = now_ms() - took;
	say(" closed after %ld ms,", took);
	if (took < CLOSE_MS - 1000)
		fail("it was not waited for");
	for (unsigned i = 0; i < wish.streams; i++)
		if (z.stream[i].done < z.stream[i].made)
			fail("stream %u is closed, %llu of %llu sends are done", i,
			     (unsigned long long)z.stream[i].done,
			     (unsigned long long)z.stream[i].made);
	if (unreleased(&z))
		fail("requests are unreleased behind CLOSED");
	zs_close(&z);
	read_on("the reader");
	must_go("the sockets gone");
}

/* The same with a reader that reads again meanwhile: it gets all that was sent. */
static void run_close_read(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);

	begin(&wish);
	for (unsigned i = 0; i < wish.streams; i++)
		weir_sock_close(z.stream[i].sock);
	zs_round(&z, 100);
	zs_reader_go(&z);
	zs_until(&z, zs_all_closed, CLOSE_MS / 2, "the sockets closed");
	zs_reader_end(&z);
	say(" %lluK read", (unsigned long long)(z.reader.bytes >> 10));
	zs_close(&z);
}

static void run_engine_close(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);
	long took;

	look_at_pins();
	begin(&wish);
	took = now_ms();
	zs_close(&z);
	took = now_ms() - took;
	say(" closed after %ld ms,", took);
	if (took > CLOSE_MS + 5000)
		fail("weir_engine_close() took too long");
	read_on("the reader");
	must_go("the sockets gone");
}

/* ---------------------------------------------------------------- the process dies */

static void victim(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	zs_engine(&z);
	zs_until(&z, stuck, ZT_DEADLINE_MS, "a closed window");
	if (z.wish.registered && pinned() <= pinned_before)
		fail("registered memory, and no page more is pinned");
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		zs_round(&z, 100);
}

static void kill_victim(void)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	if (pipe(ready))
		fail("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		victim(ready[1]);
	close(ready[1]);
	if (!poll_one(ready[0], POLLIN, ZT_DEADLINE_MS))
		fail("no closed window at the victim");
	if (read(ready[0], &byte, 1) != 1)
		_exit(1); /* the victim has said why */
	close(ready[0]);
	if (sockets() != z.wish.streams)
		fail("%u sockets of %u streams", sockets(), z.wish.streams);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		fail("the sender was not killed: %x", (unsigned)status);
}

/* The peer reads on: it gets what was in the sockets, unchanged, and then the end. */
static void run_kill_read(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);

	look_at_pins();
	zs_open(&z, &wish);
	kill_victim();
	read_on("after the death");
	must_go("sockets and pins of the dead process gone");
}

/* The peer ends as well. */
static void run_kill_both(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);

	look_at_pins();
	zs_open(&z, &wish);
	kill_victim();
	zs_reader_kill(&z);
	must_go("sockets and pins of two dead processes gone");
}

/* The peer keeps its window closed: the kernel gives up. */
static void run_kill_alone(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);

	look_at_pins();
	zs_open(&z, &wish);
	if (file_write("/proc/sys/net/ipv4/tcp_rto_max_ms", "1000"))
		skip("this kernel has no tcp_rto_max_ms, it gives up after minutes");
	undo(TX_NS, "busybox sysctl -q -w net.ipv4.tcp_rto_max_ms=120000");
	kill_victim();
	must_go("sockets and pins of the dead process gone");
	zs_reader_kill(&z);
}

/* ---------------------------------------------------------------- the device goes */

static void run_rmmod(const struct scenario *self)
{
	struct zs_wish wish = unread_wish(self);

	wish.unread = false;
	wish.bytes = ZT_ENDLESS;
	zs_open(&z, &wish);
	zs_engine(&z);
	for (long end = now_ms() + 1000; now_ms() < end;)
		zs_round(&z, 20);
	if (!z.released)
		fail("nothing was released");
	must(NULL, "busybox rmmod weirnic");
	zs_reader_kill(&z);
	say(" %llu requests unreleased,", (unsigned long long)unreleased(&z));
	for (unsigned i = 0; i < wish.streams; i++)
		weir_sock_close(z.stream[i].sock);
	zs_until(&z, zs_all_closed, CLOSE_MS + 5000, "the sockets closed");
	if (unreleased(&z))
		fail("requests are unreleased behind CLOSED");
	say(" module and sockets gone after %lluK", (unsigned long long)(z.released >> 10));
	zs_close(&z);
}

#define EPOLL (&(const enum weir_plane){ WEIR_PLANE_EPOLL })

const struct scenario scenarios_send_ends[] = {
	{ "zs_close", "a socket is closed, the reader does not read", run_close, NULL },
	{ "zs_close_epoll", "the same with MSG_ZEROCOPY", run_close, EPOLL },
	{ "zs_close_read", "a socket is closed, then the reader reads", run_close_read, NULL },
	{ "zs_close_read_epoll", "the same with MSG_ZEROCOPY", run_close_read, EPOLL },
	{ "zs_engine_close", "the engine is closed, the reader does not read", run_engine_close,
	  NULL },
	{ "zs_engine_close_epoll", "the same with MSG_ZEROCOPY", run_engine_close, EPOLL },
	{ "zs_kill_read", "the process is killed, the reader reads on", run_kill_read, NULL },
	{ "zs_kill_both", "the process is killed, and the reader", run_kill_both, NULL },
	{ "zs_kill_alone", "the process is killed, the reader does nothing", run_kill_alone, NULL },
	{ "zs_kill_read_epoll", "MSG_ZEROCOPY: the process is killed", run_kill_read, EPOLL },
	{ "zs_rmmod_send", "the module is removed under streams", run_rmmod, NULL },
	{ NULL, NULL, NULL, NULL }
};
