/* SPDX-License-Identifier: MIT */
/*
 * io.h - the inside of weir_io: what pool.c, io.c, open.c, rx.c and tx.c share.
 *
 *   weir_sock ──received──> rx.c: slices ─> messages ─> ops.read()
 *      ^                                                    │ application
 *      └────── port ── tx.c: flight <─ waiting <─ weir_io_write()
 */
#ifndef WEIR_IO_INNER_H
#define WEIR_IO_INNER_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <weir/io.h>

#include "../util/util.h"

/**
 * enum buf_state - who has a message buffer.
 * @BUF_FREE: the pool's free list.
 * @BUF_USER: the application.
 * @BUF_RX: a receive queue, or code that is about to deliver it.
 * @BUF_TX: a transmit queue, or the callback that tells the result.
 */
enum buf_state { BUF_FREE = 0, BUF_USER, BUF_RX, BUF_TX };

/** struct buf_list - message buffers in order, linked both ways. */
struct buf_list {
	struct weir_buf *first, *last;
	uint32_t count;
};

static inline void buf_list_push(struct buf_list *l, struct weir_buf *b)
{
	b->next = NULL;
	b->prev = l->last;
	if (l->last)
		l->last->next = b;
	else
		l->first = b;
	l->last = b;
	l->count++;
}

static inline void buf_list_push_front(struct buf_list *l, struct weir_buf *b)
{
	b->prev = NULL;
	b->next = l->first;
	if (l->first)
		l->first->prev = b;
	else
		l->last = b;
	l->first = b;
	l->count++;
}

static inline void buf_list_remove(struct buf_list *l, struct weir_buf *b)
{
	if (b->prev)
		b->prev->next = b->next;
	else
		l->first = b->next;
	if (b->next)
		b->next->prev = b->prev;
	else
		l->last = b->prev;
	b->next = b->prev = NULL;
	l->count--;
}

static inline struct weir_buf *buf_list_pop(struct buf_list *l)
{
	struct weir_buf *b = l->first;

	if (b)
		buf_list_remove(l, b);
	return b;
}

/**
 * struct weir_io_slice - a received slice, shared by the messages that lie in it.
 * @next: free list, or list of the slices of the present event.
 * @pool: the pool it belongs to.
 * @event: the slice inside the event; NULL once the event is over.
 * @slice: copy of it, once held.
 * @refs: message buffers, and the event while it lasts.
 */
struct weir_io_slice {
	struct weir_io_slice *next;
	struct weir_buf_pool *pool;
	struct weir_slice *event;
	struct weir_slice slice;
	uint32_t refs;
};

/**
 * struct weir_io_port - what stands between a socket and a weir_io; lives as long as the socket.
 * @next: pool's list of ports.
 * @prev: the same.
 * @pool: the pool, which frees it if the engine is closed first.
 * @io: the weir_io, NULL once it closed the socket: results then only free buffers.
 * @sock: the socket.
 * @flight: messages the socket has.
 * @dgram: a datagram socket, or SCTP: a slice is a message.
 * @sctp: SCTP.
 */
struct weir_io_port {
	struct weir_io_port *next, *prev;
	struct weir_buf_pool *pool;
	struct weir_io *io;
	struct weir_sock *sock;
	struct buf_list flight;
	bool dgram;
	bool sctp;
};

#define WEIR_IO_SEND_INFO (1u << 15)   /* in weir_buf.send_flags: the sctp_ fields are set */
#define WEIR_IO_SCTP_CONTROL_BYTES 128 /* control data of a received message */

/**
 * struct weir_io - see <weir/io.h>.
 * @port: its socket's port, NULL while closed.
 * @epoch: counts closings, so that code around a callback knows that its socket is gone.
 * @depth: callbacks of this weir_io on the stack; memory is freed at 0.
 * @kick_next: list of those whose weir_io_work() is to run soon; in it while @kicked.
 * @kick_prev: the same.
 * @rx: what arrived and was not looked at: pieces that borrow slices.
 * @pending: incomplete message, in memory of its own.
 * @need: bytes @pending must have before the segmentation callback is asked again; 0: any more.
 * @step: how many bytes to add where @need is 0.
 * @recheck: ask about @pending again without more data.
 * @asked: the segmentation callback that was asked last.
 * @waiting: messages the socket does not have yet.
 * @done: messages whose result the application was not told yet.
 * @queue_len: messages in flight, waiting and done.
 */
struct weir_io {
	struct weir_io *next, *prev;
	struct weir_buf_pool *pool;
	struct weir_io_port *port;
	struct weir_io_ops ops;
	void *user;
	struct weir_io_opts opts;
	enum weir_io_mode mode;
	uint64_t epoch;
	unsigned depth;
	struct weir_io *kick_next, *kick_prev;

	bool kicked : 1;
	bool dead : 1; /* freed by the user, memory still on the stack's mind */
	bool registered : 1;
	bool copies : 1;    /* every received message gets memory of its own */
	bool rx_on : 1;	    /* the socket was told to receive */
	bool rx_paused : 1; /* by the user */
	bool rx_broken : 1; /* the segmentation callback refused the stream */
	bool rx_hole : 1;   /* behind what is in rx bytes are missing: not told yet */
	bool ended : 1;	    /* the stream ended with end_res */
	bool end_told : 1;
	bool recheck : 1;
	bool connect_done : 1;	/* with connect_res, not told yet */
	bool full_told : 1;	/* tx_full was called, or a send refused */
	bool finishing : 1;	/* close after the queue */
	bool sock_finished : 1; /* the socket knows */

	int end_res;
	int connect_res;
	struct buf_list rx;
	struct weir_buf *pending;
	size_t need;
	size_t step;
	int (*asked)(struct weir_io *io, struct weir_buf *buf);
	struct buf_list waiting;
	struct buf_list done;
	uint32_t queue_len;
	struct weir_io_stats stats;
	char name[64];
};

#define SIZE_CLASSES 23 /* 256 bytes << 0 ... 256 bytes << 22 = 1 GiB */

/**
 * struct weir_buf_pool - see <weir/io.h>.
 * @bufs: unused message buffers.
 * @slices: unused references.
 * @mem: unused memory by size class; the first word links it.
 * @slabs: all memory that buffers and references were cut from; the first word links it.
 * @hold_limit: slices that may be held.
 * @event_slices: slices of the present event that a message borrows: to be held if it still does
 *	when the event is over.
 * @kicked_first: the weir_ios that were kicked, the oldest first.
 * @kicked_last: the newest.
 * @kicked_count: how many.
 * @kick_asked: @kick runs, or @kick_msg is on its way.
 * @kick: comes where no callback is on the stack.
 * @kick_msg: comes in its place where there is no memory for a timer.
 */
struct weir_buf_pool {
	struct weir_engine *engine;
	struct weir_buf_pool_opts opts;
	struct weir_buf *bufs;
	struct weir_io_slice *slices;
	void *mem[SIZE_CLASSES];
	struct buf_slab *buf_slabs;
	struct slice_slab *slice_slabs;
	size_t cached_bytes;
	uint64_t hold_limit;
	unsigned event_slices;
	struct weir_io *ios;
	struct weir_io_port *ports;
	struct weir_io *kicked_first, *kicked_last;
	uint32_t kicked_count;
	bool kick_asked;
	struct weir_timer kick;
	struct weir_msg kick_msg;
	struct weir_buf_pool_stats stats;
};

/* pool.c */

/** weir_bufs_take() - an empty buffer without memory, in @state; NULL where there is none. */
struct weir_buf *weir_bufs_take(struct weir_buf_pool *pool, enum buf_state state);

/** weir_bufs_room() - memory for an empty buffer: 0 or -ENOMEM. */
int weir_bufs_room(struct weir_buf *buf, size_t bytes, size_t headroom);

/** weir_bufs_borrow() - a buffer that borrows @len bytes at @data of a slice; NULL: no memory. */
struct weir_buf *weir_bufs_borrow(struct weir_io_slice *ref, uint8_t *data, size_t len);

/** weir_bufs_put() - free a buffer, whoever has it; NULL is legal. */
void weir_bufs_put(struct weir_buf *buf);

/** weir_bufs_put_all() - free a list of buffers. */
void weir_bufs_put_all(struct buf_list *list);

/** weir_bufs_copied() - count bytes that were copied, because a message straddles or not. */
void weir_bufs_copied(struct weir_buf_pool *pool, size_t bytes, bool straddles);

/** weir_slices_take() - a reference to a slice of the present event; NULL: no memory. */
struct weir_io_slice *weir_slices_take(struct weir_buf_pool *pool, struct weir_slice *event);

/**
 * weir_slices_hold() - keep the slice beyond its event, for a message that may stay longer.
 * @ref: a reference that a buffer borrows.
 *
 * Return: 0, also where it is held already; what weir_slice_hold() says.
 */
int weir_slices_hold(struct weir_io_slice *ref);

/** weir_slices_event_over() - the event lets go of it; it is held if a buffer still borrows it. */
void weir_slices_event_over(struct weir_io_slice *ref);

/**
 * weir_slices_limit() - are so many slices held, or will be, that messages should be copied?
 * @pool: the pool.
 * @waiting: pieces in the queue of the weir_io that asks; slices of the present event among them
 *	may be gone when the event is over, so they do not count.
 */
bool weir_slices_limit(struct weir_buf_pool *pool, unsigned waiting);

/* io.c */

/** weir_io_enter() - a callback may follow: keep the memory until weir_io_leave(). */
static inline void weir_io_enter(struct weir_io *io)
{
	io->depth++;
}

/** weir_io_leave() - the memory may go, if the user freed it meanwhile. */
void weir_io_leave(struct weir_io *io);

/** weir_io_work() - tell what is to be told, deliver, give to the socket; from the loop only. */
void weir_io_work(struct weir_io *io);

/** weir_io_kick() - have weir_io_work() called soon; needs no memory. */
void weir_io_kick(struct weir_io *io);

/** weir_io_kicks_init() - make a pool ready for kicks. */
void weir_io_kicks_init(struct weir_buf_pool *pool);

/** weir_io_has_reader() - is there a receive callback? */
bool weir_io_has_reader(const struct weir_io *io);

/* open.c */

/** weir_io_port_free() - forget a port whose socket is gone. */
void weir_io_port_free(struct weir_io_port *port);

/* rx.c */

/** weir_io_rx_live() - may messages be delivered now? */
bool weir_io_rx_live(const struct weir_io *io);

/** weir_io_rx_update() - tell the socket whether to receive; deliver what is there soon. */
void weir_io_rx_update(struct weir_io *io);

/** weir_io_rx_reset() - free everything received and not delivered. */
void weir_io_rx_reset(struct weir_io *io);

/** weir_io_rx_process() - deliver messages until nothing is left or the user stops it. */
void weir_io_rx_process(struct weir_io *io);

/** weir_io_rx_slices() - slices arrived. */
void weir_io_rx_slices(struct weir_io *io, struct weir_slice *slices, unsigned n);

/** weir_io_rx_error() - tell an error that ends nothing by itself. */
void weir_io_rx_error(struct weir_io *io, int res);

/* sctp.c */

/** weir_io_sctp_header() - flags, and control data in @control, of a received message. */
void weir_io_sctp_header(const struct weir_buf *buf, struct msghdr *msg, void *control);

/** weir_io_sctp_parse() - control data of a message to be sent: 0 or -errno. */
int weir_io_sctp_parse(struct weir_buf *buf, const struct msghdr *msg);

/** weir_io_sctp_submit() - give a message to an SCTP socket: as weir_sock_send_sctp(). */
int weir_io_sctp_submit(struct weir_sock *s, struct weir_buf *buf);

/* tx.c */

/** weir_io_tx_pump() - give waiting messages to the socket. */
void weir_io_tx_pump(struct weir_io *io);

/** weir_io_tx_tell() - tell results, then that the queue is low. */
void weir_io_tx_tell(struct weir_io *io);

/** weir_io_tx_sent() - the socket is done with a message. */
void weir_io_tx_sent(struct weir_io_port *port, struct weir_buf *buf, int res);

#endif
