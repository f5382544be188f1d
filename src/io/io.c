// SPDX-License-Identifier: MIT
/*
 * io.c - weir_io: making, freeing, settings, and the order in which its callbacks come.
 *
 * Theory: a weir_io turns the events of one socket into messages.  Whatever has to be told to the
 *	application is first put in lists (rx, done) or flags (connect_done, ended), and
 *	weir_io_work() tells it from there, one callback at a time, looking at the state again
 *	after each.  So a callback may do anything: stop receiving in the middle of a slice, change
 *	the callbacks, close, open another socket, free.  What is in the lists then stays there,
 *	or is freed with the socket.  What cannot be told at once, because a callback may be on the
 *	stack, is told later: weir_io_kick() puts the weir_io in a list of its pool, which has one
 *	timer for all, and a message in its place where there is no memory for a timer.
 *
 *	                    ┌── weir_io_unregister() ──> lists fill, nothing is told
 *	closed ── open ──> registered <── weir_io_register() ──┘
 *	   ^                 │   └── weir_io_finish() ──> queue drains ── ops.closed() ──> closed
 *	   └── weir_io_close() ── epoch++, the port is left to its socket
 * Invariants: 1. callbacks are called with depth > 0, and memory is freed at depth 0 only.
 *	2. port == NULL, or port->io == io.  3. while closed rx, done and pending are empty.
 *	4. queue_len == flight + waiting + done.  5. while a weir_io is kicked its pool has asked to
 *	be called.
 * Ownership: the pool lists all weir_ios; the user frees each, or the pool does at the end.
 * Threads: the engine's.
 * Errors: -errno; a control-path call fills the error record.
 * Sources: libosmocore include/osmocom/core/osmo_io.h and the history of src/core/osmo_io.c, for
 *	what users expect (docs/osmo_io.md).
 * Tests: tests/contract/test_io_life.c, tests/unit/test_io_kick.c
 */
#include "io.h"

#include <stddef.h>
#include <stdlib.h>

#define DEFAULT_TX_QUEUE_MAX 1024
#define DEFAULT_TX_FLIGHT_MAX 64
#define DEFAULT_MESSAGE_MAX (1u << 20)
#define ALLOC_MAX (1u << 20)

const char *weir_io_mode_name(enum weir_io_mode mode)
{
	switch (mode) {
	case WEIR_IO_READ_WRITE:
		return "read/write";
	case WEIR_IO_RECVFROM_SENDTO:
		return "recvfrom/sendto";
	case WEIR_IO_RECVMSG_SENDMSG:
		return "recvmsg/sendmsg";
	}
	return "?";
}

static bool suits(enum weir_io_mode mode, const struct weir_io_ops *ops)
{
	bool rw = ops->read || ops->written || ops->segment;
	bool fromto = ops->received_from || ops->sent_to;
	bool msg = ops->received_msg || ops->sent_msg;

	switch (mode) {
	case WEIR_IO_READ_WRITE:
		return !fromto && !msg;
	case WEIR_IO_RECVFROM_SENDTO:
		return !rw && !msg;
	case WEIR_IO_RECVMSG_SENDMSG:
		return !rw && !fromto;
	}
	return false;
}

bool weir_io_has_reader(const struct weir_io *io)
{
	return io->ops.read || io->ops.received_from || io->ops.received_msg;
}

static int check_opts(struct weir_io_opts *o, struct weir_error *reterr)
{
	const char *what = NULL;

	if (!o->tx_queue_max)
		o->tx_queue_max = DEFAULT_TX_QUEUE_MAX;
	if (!o->tx_queue_low)
		o->tx_queue_low = o->tx_queue_max / 2;
	if (!o->tx_flight_max)
		o->tx_flight_max = DEFAULT_TX_FLIGHT_MAX;
	if (!o->message_max)
		o->message_max = DEFAULT_MESSAGE_MAX;
	if (o->flags & ~WEIR_IO_COPY)
		what = "flags has bits that this version does not know";
	else if (o->reserved)
		what = "reserved must be 0";
	else if (o->tx_queue_low >= o->tx_queue_max)
		what = "tx_queue_low must be below tx_queue_max";
	else if (o->message_max > (uint32_t)INT32_MAX / 2)
		what = "message_max must not exceed 1 GiB";
	else if (o->alloc_bytes > ALLOC_MAX || o->headroom_bytes > ALLOC_MAX)
		what = "alloc_bytes and headroom_bytes must not exceed 1 MiB";
	if (what)
		return weir_error_set(reterr, -EINVAL, "weir_io_new", "weir_io_opts", "%s", what);
	return 0;
}

int weir_io_new(struct weir_io **retio, struct weir_buf_pool *pool, enum weir_io_mode mode,
		const char *name, const struct weir_io_ops *ops, void *user,
		const struct weir_io_opts *opts, struct weir_error *reterr)
{
	static const struct weir_io_ops none;
	struct weir_io_opts o = { 0 };
	struct weir_io *io;
	int rc;

	if (!retio || !pool)
		return weir_error_set(reterr, -EINVAL, "weir_io_new", name,
				      "give a place for the weir_io and a pool");
	if (!suits(mode, ops ? ops : &none))
		return weir_error_set(reterr, -EINVAL, "weir_io_new", name,
				      "mode %s takes no callbacks of other modes",
				      weir_io_mode_name(mode));
	rc = weir_opts_read(&o, sizeof(o), opts, "weir_io_opts", reterr);
	if (!rc)
		rc = check_opts(&o, reterr);
	if (rc)
		return rc;
	io = calloc(1, sizeof(*io));
	if (!io)
		return weir_error_set(reterr, -ENOMEM, "weir_io_new", name, "no memory");
	io->pool = pool;
	io->mode = mode;
	io->ops = ops ? *ops : none;
	io->user = user;
	io->opts = o;
	io->copies = (o.flags & WEIR_IO_COPY) || o.alloc_bytes || o.headroom_bytes;
	weir_io_set_name(io, name ? "%s" : NULL, name);
	io->next = pool->ios;
	if (io->next)
		io->next->prev = io;
	pool->ios = io;
	*retio = io;
	return 0;
}

static void unkick(struct weir_io *io)
{
	struct weir_buf_pool *pool = io->pool;

	if (!io->kicked)
		return;
	io->kicked = false;
	if (io->kick_prev)
		io->kick_prev->kick_next = io->kick_next;
	else
		pool->kicked_first = io->kick_next;
	if (io->kick_next)
		io->kick_next->kick_prev = io->kick_prev;
	else
		pool->kicked_last = io->kick_prev;
	pool->kicked_count--;
}

void weir_io_free(struct weir_io *io)
{
	if (!io || io->dead)
		return;
	weir_io_close(io);
	unkick(io);
	weir_bufs_put_all(&io->waiting);
	if (io->prev)
		io->prev->next = io->next;
	else
		io->pool->ios = io->next;
	if (io->next)
		io->next->prev = io->prev;
	io->dead = true;
	if (!io->depth)
		free(io);
}

void weir_io_leave(struct weir_io *io)
{
	if (!--io->depth && io->dead)
		free(io);
}

static void tell_connected(struct weir_io *io)
{
	uint64_t epoch = io->epoch;
	int res = io->connect_res;

	if (!io->connect_done || !io->registered)
		return;
	io->connect_done = false;
	if (io->ops.connected)
		io->ops.connected(io, res);
	else if (res && io->ops.read)
		io->ops.read(io, res, NULL);
	if (res && io->epoch == epoch)
		weir_io_close(io);
}

void weir_io_work(struct weir_io *io)
{
	weir_io_enter(io);
	unkick(io);
	tell_connected(io);
	weir_io_tx_tell(io);
	weir_io_rx_process(io);
	weir_io_tx_pump(io);
	if (io->finishing && !io->sock_finished && !io->waiting.count) {
		io->sock_finished = true;
		weir_sock_finish(io->port->sock);
	}
	weir_io_leave(io);
}

/* Those that were kicked when it began; who is kicked meanwhile has asked for another time. */
static void work_kicked(struct weir_buf_pool *pool)
{
	uint32_t n = pool->kicked_count;

	pool->kick_asked = false;
	while (n-- && pool->kicked_first) {
		struct weir_io *io = pool->kicked_first;

		pool->kicked_first = io->kick_next;
		if (io->kick_next)
			io->kick_next->kick_prev = NULL;
		else
			pool->kicked_last = NULL;
		pool->kicked_count--;
		io->kicked = false;
		weir_io_work(io);
	}
}

static void timer_fired(struct weir_engine *e, struct weir_timer *timer)
{
	(void)e;
	work_kicked(timer->user);
}

static void message_came(struct weir_engine *e, struct weir_msg *msg)
{
	(void)e;
	work_kicked(
		(struct weir_buf_pool *)((char *)msg - offsetof(struct weir_buf_pool, kick_msg)));
}

void weir_io_kicks_init(struct weir_buf_pool *pool)
{
	pool->kick.fn = timer_fired;
	pool->kick.user = pool;
	pool->kick_msg.fn = message_came;
}

void weir_io_kick(struct weir_io *io)
{
	struct weir_buf_pool *pool = io->pool;

	if (io->kicked)
		return;
	io->kicked = true;
	io->kick_next = NULL;
	io->kick_prev = pool->kicked_last;
	if (io->kick_prev)
		io->kick_prev->kick_next = io;
	else
		pool->kicked_first = io;
	pool->kicked_last = io;
	pool->kicked_count++;
	if (pool->kick_asked)
		return;
	pool->kick_asked = true;
	/* The timer is cheaper, the message cannot fail. */
	if (weir_timer_start(pool->engine, &pool->kick, 0))
		weir_engine_post(pool->engine, &pool->kick_msg);
}

int weir_io_unregister(struct weir_io *io)
{
	if (!io->port || io->finishing)
		return -ENOTCONN;
	io->registered = false;
	weir_io_rx_update(io);
	return 0;
}

int weir_io_register(struct weir_io *io)
{
	if (!io->port || io->finishing)
		return -ENOTCONN;
	if (io->registered && !io->rx_broken)
		return 0;
	io->registered = true;
	io->rx_broken = false;
	weir_io_rx_update(io);
	weir_io_kick(io);
	return 0;
}

void weir_io_pause(struct weir_io *io)
{
	io->rx_paused = true;
	weir_io_rx_update(io);
}

void weir_io_resume(struct weir_io *io)
{
	io->rx_paused = false;
	weir_io_rx_update(io);
}

int weir_io_set_tx_queue(struct weir_io *io, uint32_t max, uint32_t low)
{
	if (!max)
		max = DEFAULT_TX_QUEUE_MAX;
	if (!low)
		low = max / 2;
	if (low >= max)
		return -EINVAL;
	io->opts.tx_queue_max = max;
	io->opts.tx_queue_low = low;
	if (io->full_told)
		weir_io_kick(io);
	return 0;
}

int weir_io_set_alloc(struct weir_io *io, uint32_t alloc_bytes, uint32_t headroom_bytes)
{
	if (alloc_bytes > ALLOC_MAX || headroom_bytes > ALLOC_MAX)
		return -EINVAL;
	io->opts.alloc_bytes = alloc_bytes;
	io->opts.headroom_bytes = headroom_bytes;
	io->copies = (io->opts.flags & WEIR_IO_COPY) || alloc_bytes || headroom_bytes;
	return 0;
}

int weir_io_set_ops(struct weir_io *io, const struct weir_io_ops *ops)
{
	if (!ops || !suits(io->mode, ops))
		return -EINVAL;
	io->ops = *ops;
	weir_io_rx_update(io);
	return 0;
}

void weir_io_get_ops(const struct weir_io *io, struct weir_io_ops *ret)
{
	*ret = io->ops;
}

int weir_io_set_segmentation(struct weir_io *io,
			     int (*segment)(struct weir_io *io, struct weir_buf *buf))
{
	struct weir_io_ops ops = io->ops;

	if (io->mode != WEIR_IO_READ_WRITE)
		return -EPROTOTYPE;
	ops.segment = segment;
	return weir_io_set_ops(io, &ops);
}

void *weir_io_user(const struct weir_io *io)
{
	return io->user;
}

void weir_io_set_user(struct weir_io *io, void *user)
{
	io->user = user;
}

uint32_t weir_io_priv_nr(const struct weir_io *io)
{
	return io->opts.priv_nr;
}

void weir_io_set_priv_nr(struct weir_io *io, uint32_t priv_nr)
{
	io->opts.priv_nr = priv_nr;
}

const char *weir_io_name(const struct weir_io *io)
{
	return io->name;
}

void weir_io_set_name(struct weir_io *io, const char *format, ...)
{
	char name[sizeof(io->name)] = "";
	va_list ap;

	/* By way of a copy: the present name may be among the arguments. */
	if (format) {
		va_start(ap, format);
		vsnprintf(name, sizeof(name), format, ap);
		va_end(ap);
	}
	memcpy(io->name, name, sizeof(name));
}

int weir_io_fd(const struct weir_io *io)
{
	return io->port ? weir_sock_fd(io->port->sock) : -1;
}

struct weir_sock *weir_io_sock(const struct weir_io *io)
{
	return io->port ? io->port->sock : NULL;
}

enum weir_io_mode weir_io_mode(const struct weir_io *io)
{
	return io->mode;
}

struct weir_buf_pool *weir_io_pool(const struct weir_io *io)
{
	return io->pool;
}

void weir_io_get_stats(const struct weir_io *io, struct weir_io_stats *ret)
{
	*ret = io->stats;
}

const char *weir_io_describe(const struct weir_io *io, char *buf, size_t bytes)
{
	const char *state = "registered";
	const char *plane = "closed";
	char fd[24] = "";

	if (!buf || !bytes)
		return "";
	if (io->port) {
		plane = weir_plane_name(weir_sock_plane(io->port->sock));
		snprintf(fd, sizeof(fd), ", fd %d", weir_io_fd(io));
	}
	if (io->finishing)
		state = "finishing";
	else if (!io->registered)
		state = "not registered";
	else if (io->rx_broken)
		state = "stream refused";
	else if (io->ended)
		state = "stream ended";
	else if (io->rx_paused)
		state = "paused";
	snprintf(buf, bytes, "%s: %s, %s%s, %s, rx %llu messages %llu bytes, tx %u queued",
		 io->name[0] ? io->name : "(no name)", weir_io_mode_name(io->mode), plane, fd,
		 state, (unsigned long long)io->stats.rx_messages,
		 (unsigned long long)io->stats.rx_bytes, io->queue_len);
	return buf;
}
