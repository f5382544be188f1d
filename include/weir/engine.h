/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the event loop of one thread: batches of events, timers, messages, statistics.
 *
 * One engine belongs to the thread that opened it.  Every call on an engine, its sockets and its
 * slices comes from that thread, except where a function says "Threads: any".  Two ways to use it:
 *
 *   weir_engine_run(e)                          callbacks, until weir_engine_stop()
 *   n = weir_engine_wait(e, events, 64, -1);    batches, run to completion
 *   ...                                         look at events[0..n-1]
 *   weir_engine_done(e, n);                     gives slices that are not held back
 */
#ifndef WEIR_ENGINE_H
#define WEIR_ENGINE_H

#include <weir/area.h>
#include <weir/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_engine;
struct weir_event;
struct weir_group; /* group.h */
struct weir_nic;   /* nic.h */
struct weir_sock;

/* Parts of the uring plane that can be switched off (weir_engine_opts.without, WEIR_WITHOUT). */
#define WEIR_WITHOUT_MULTISHOT_ACCEPT (1u << 0) /* "accept": one accept request per connection */
#define WEIR_WITHOUT_MULTISHOT_RECV (1u << 1)	/* "recv": one receive request per completion */
#define WEIR_WITHOUT_BUFFER_RING (1u << 2)	/* "bufring": receive requests name their buffer */
#define WEIR_WITHOUT_INCREMENTAL (1u << 3)	/* "incremental": a buffer per completion */
#define WEIR_WITHOUT_BUNDLE (1u << 4)		/* "bundle": one buffer per completion */
#define WEIR_WITHOUT_MIN_WAIT (1u << 5)		/* "minwait": waits end at the first completion */
#define WEIR_WITHOUT_FIXED_FILES (1u << 6)	/* "files": plain file descriptors */
#define WEIR_WITHOUT_RING_FD (1u << 7)		/* "ringfd": no registered ring descriptor */
#define WEIR_WITHOUT_DEFER_TASKRUN (1u << 8)	/* "defer": completions run when the kernel likes */
#define WEIR_WITHOUT_NAPI (1u << 9)		/* "napi": no busy poll */
#define WEIR_WITHOUT_LOWAT (1u << 10)		/* "lowat": receive low-water mark stays at 1 */
#define WEIR_WITHOUT_GRO (1u << 11)		/* "gro": no UDP GRO */
#define WEIR_WITHOUT_GSO (1u << 12)		/* "gso": no UDP GSO */
#define WEIR_WITHOUT_LINK (1u << 13)		/* "link": one write in flight per stream */
#define WEIR_WITHOUT_DIRECT (1u << 14)		/* "direct": no system call beside the ring */
#define WEIR_WITHOUT_MIXED (1u << 15)		/* "mixed": zcrx: all completions of 32 bytes */
#define WEIR_WITHOUT_ZC (1u << 16)		/* "zc": no send without a copy */
#define WEIR_WITHOUT_FIXED_BUFFERS (1u << 17)	/* "buffers": no registered buffers for sends */

/**
 * enum weir_pressure - what becomes of a socket that keeps more than its share of an area.
 * @WEIR_PRESSURE_STOP: nothing is received from it until the application has released half of what
 *	it may keep; TCP then holds the peer up.  What the kernel has received already still comes:
 *	on the plane zcrx up to 1 MiB.
 * @WEIR_PRESSURE_COPY: what it receives meanwhile is copied out of the area at once, to memory of
 *	the heap (WEIR_SLICE_SPILLED), so that the others' buffers return.  That memory has no bound
 *	of its own.  Memory that the CPU cannot read is not copied: as WEIR_PRESSURE_STOP.
 * @WEIR_PRESSURE_TELL: nothing but the event.
 *
 * In each case WEIR_EVENT_PRESSURE tells.
 */
enum weir_pressure {
	WEIR_PRESSURE_STOP = 0,
	WEIR_PRESSURE_COPY = 1,
	WEIR_PRESSURE_TELL = 2,
};

/**
 * enum weir_zerocopy - whether sends that do not say so themselves go without a copy.
 * @WEIR_ZEROCOPY_DEFAULT: WEIR_ZEROCOPY (environment: auto, never, always), or AUTO.
 * @WEIR_ZEROCOPY_AUTO: where the library has learnt that it pays.
 * @WEIR_ZEROCOPY_NEVER: no.
 * @WEIR_ZEROCOPY_ALWAYS: wherever the kernel can, whatever their size.
 *
 * Copies made by the library (WEIR_SEND_COPY) are copied again by the kernel: they are small.
 */
enum weir_zerocopy {
	WEIR_ZEROCOPY_DEFAULT = 0,
	WEIR_ZEROCOPY_AUTO,
	WEIR_ZEROCOPY_NEVER,
	WEIR_ZEROCOPY_ALWAYS,
};

/**
 * struct weir_engine_opts - how an engine works.
 * @size: sizeof(struct weir_engine_opts), for growth of the structure.
 * @flags: none defined; 0.
 * @plane: plane asked for; WEIR_PLANE_AUTO lets WEIR_PLANE (environment) or the library choose.
 * @spin_us: longest busy wait before sleeping, in microseconds, used only while it pays; 0 takes
 *	WEIR_SPIN_US (environment) or no spinning; UINT32_MAX spins without end.
 * @min_wait_us: longest time by which an event may be delayed to batch it with others, in
 *	microseconds (small ones by at most 100); also the bound on bytes below an adaptive receive
 *	low-water mark.  0 takes WEIR_MIN_WAIT_US or the default of 1,000; UINT32_MAX switches both
 *	off.
 * @busy_poll_us: NAPI busy poll, in microseconds, on sockets that have a NAPI id; 0 for none.
 * @cpu_plus_1: pin the thread to CPU number @cpu_plus_1 - 1; 0 for no pinning.
 * @sq_entries: submission queue entries, 64 at least; 0 for the default (512).
 * @cq_entries: completion queue entries; 0 for the default (4 times as many; zcrx: 16,384).
 * @without: WEIR_WITHOUT_*: parts not to be used; WEIR_WITHOUT (environment, names separated by
 *	commas) adds to it.
 * @buffer_bytes: size of one stream buffer, a power of two from 4 KiB to 1 GiB; 0 for the default
 *	(512 KiB where buffers are consumed piece by piece, else 32 KiB).  On the plane zcrx size of
 *	the NIC's receive buffers, a page by default; halved until kernel, driver and memory agree.
 * @area: memory to receive streams into; the engine takes a reference; NULL: an area of
 *	@area_bytes is made.
 * @area_bytes: size of the receive area in bytes; 0 for the default (16 MiB; zcrx: 32 MiB for each
 *	queue, and up to as much, at most 16 MiB, for what does not come by them).  With a NIC the
 *	plane zcrx takes no less than one and a half times the pages that the NIC's receive ring
 *	has entries (ethtool -g), and some that the kernel keeps: of a smaller area nothing would
 *	be left for what arrives.  An area given as @area is taken as it is.
 * @provider: provider of that area.  Of UDMABUF several queues get one each, of @area_bytes in all.
 * @fault: fault injection, e.g. "seed=7,short-read=20,late=10" (percentages); NULL takes
 *	WEIR_FAULT (environment); see docs/fault.md.
 * @reserved: 0.
 * @nic: a NIC opened with WEIR_NIC_FOR_ZCRX, whose queues are bound to this engine (plane zcrx);
 *	the engine takes a reference.  NULL for none.
 * @ifname: without @nic: the interface of which the engine takes queues; it sets them up as
 *	weir_nic_open() does, and puts everything back when it is closed.  NULL takes WEIR_IFNAME
 *	(environment); "" for none.  Without any NIC the plane zcrx copies every byte (Linux 7.1 and
 *	later) and is taken only where it is asked for by name.
 * @queue_plus_1: number of the first NIC queue, plus 1; 0: with @nic its first one, else the
 *	highest ones that are free.
 * @queue_count: NIC queues of this engine, 16 at most; 0: with @nic its queues from that one on, as
 *	far as 16 go, else 1.
 * @refill_entries: entries of each queue's refill ring, up to 32,768; 0: one for each 2 KiB of its
 *	area, as far as that goes.
 * @pressure: what becomes of a socket that keeps more than @hold_max_bytes.
 * @hold_max_bytes: how much of an area (in whole buffers, in bytes) a socket may keep in held
 *	slices before @pressure; 0: on the plane zcrx a quarter of what the NIC's receive ring
 *	leaves of its queue's area (weir_ifq_info.hold_max_bytes), no bound on the others;
 *	UINT64_MAX: no bound.  A buffer counts once per socket, also while it is in flight as memory
 *	of a send; what was copied out does not count.
 * @group: engines that share a NIC and the connections of their listeners (group.h); the engine
 *	takes a reference.  NULL for none.
 * @zerocopy: WEIR_ZEROCOPY_*.
 * @reserved2: 0.
 * @released: called by the callback layer for WEIR_EVENT_RELEASED: @ev->gen says what was
 *	released, @ev->res how its sends ended; NULL: nothing to do.
 * @user: for @released.
 */
struct weir_engine_opts {
	size_t size;
	uint32_t flags;
	enum weir_plane plane;
	uint32_t spin_us;
	uint32_t min_wait_us;
	uint32_t busy_poll_us;
	uint32_t cpu_plus_1;
	uint32_t sq_entries;
	uint32_t cq_entries;
	uint32_t without;
	uint32_t buffer_bytes;
	struct weir_area *area;
	size_t area_bytes;
	enum weir_provider provider;
	uint32_t reserved;
	const char *fault;
	struct weir_nic *nic;
	const char *ifname;
	uint32_t queue_plus_1;
	uint32_t queue_count;
	uint32_t refill_entries;
	enum weir_pressure pressure;
	uint64_t hold_max_bytes;
	struct weir_group *group;
	enum weir_zerocopy zerocopy;
	uint32_t reserved2;
	void (*released)(struct weir_engine *e, const struct weir_event *ev, void *user);
	void *user;
};

/**
 * enum weir_event_type - kinds of events.
 * @WEIR_EVENT_NONE: nothing (the socket was closed after the event arose); skip it.
 * @WEIR_EVENT_ACCEPTED: @sock, a listener, accepted event.accepted, which receives already.
 * @WEIR_EVENT_CONNECTED: a connect ended: event.res 0 or -errno.  After an error only CLOSED
 *	follows, once the socket is closed.
 * @WEIR_EVENT_RECEIVED: event.slices[0..event.slice_count-1] arrived, in order.
 * @WEIR_EVENT_ENDED: a stream ended: res 0 for the peer's end of stream, -errno for a broken
 *	connection.  Nothing more is received; sending goes on after an end of stream.
 * @WEIR_EVENT_SENT: the send with event.tag ended: res bytes were given to the kernel, or -errno;
 *	its memory is the caller's again.  Sends with tag 0 have no event.
 * @WEIR_EVENT_WRITABLE: the transmit queue, which had refused a send with -ENOBUFS, has room.
 * @WEIR_EVENT_ERROR: a datagram socket reported res = -errno (an ICMP error), or a listener could
 *	not accept (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM); both go on.
 * @WEIR_EVENT_CLOSED: last event of a socket, after weir_sock_close() or weir_sock_finish(): no
 *	request is in flight, all memory given to sends is the caller's.  The handle is invalid
 *	once the batch is done.
 * @WEIR_EVENT_MESSAGE: event.msg was posted.
 * @WEIR_EVENT_TIMER: event.timer expired.
 * @WEIR_EVENT_PRESSURE: res 1: @sock keeps more than weir_engine_opts.hold_max_bytes, and what
 *	weir_engine_opts.pressure says begins; @sock NULL: an area is nearly used up, release what
 *	can be released.  res 0: that is over.
 * @WEIR_EVENT_RELEASED: all memory of a generation of a context (ctx.h) is the application's:
 *	event.gen; res 0, or the first -errno of its sends.
 */
enum weir_event_type {
	WEIR_EVENT_NONE = 0,
	WEIR_EVENT_ACCEPTED,
	WEIR_EVENT_CONNECTED,
	WEIR_EVENT_RECEIVED,
	WEIR_EVENT_ENDED,
	WEIR_EVENT_SENT,
	WEIR_EVENT_WRITABLE,
	WEIR_EVENT_ERROR,
	WEIR_EVENT_CLOSED,
	WEIR_EVENT_MESSAGE,
	WEIR_EVENT_TIMER,
	WEIR_EVENT_PRESSURE,
	WEIR_EVENT_RELEASED,
};

/**
 * struct weir_msg - a message to an engine's thread; storage and lifetime are the poster's.
 * @fn: called on the engine's thread by the callback layer; the batch layer leaves it alone.
 * @next: private to the library.
 *
 * From the call of @fn (or the event) on, the message is the receiver's.
 */
struct weir_msg {
	void (*fn)(struct weir_engine *e, struct weir_msg *msg);
	struct weir_msg *next;
};

/**
 * struct weir_timer - a one-shot timer in the caller's storage; zero it before first use.
 * @fn: called by the callback layer when it expires; the batch layer leaves it alone.
 * @user: the caller's.
 * @deadline_ns: private: CLOCK_MONOTONIC time of expiry.
 * @index_plus_1: private: place in the engine's heap; 0 when not running.
 */
struct weir_timer {
	void (*fn)(struct weir_engine *e, struct weir_timer *timer);
	void *user;
	uint64_t deadline_ns;
	uint32_t index_plus_1;
	uint32_t reserved;
};

/**
 * struct weir_generation - a generation of a context that has ended (ctx.h).
 * @tag: the context's.
 * @number: the generation's, from 0.
 * @bytes: payload of its sends that the kernel took.
 * @copied_bytes: of these, what was copied, as far as is known: by the library's choice, or so said
 *	by the kernel.
 */
struct weir_generation {
	uint64_t tag;
	uint64_t number;
	uint64_t bytes;
	uint64_t copied_bytes;
};

/**
 * struct weir_event - one thing that happened; see enum weir_event_type for the fields in use.
 * @type: kind.
 * @res: result: 0, bytes or -errno.
 * @sock: socket it happened to; NULL for messages and timers.
 * @user: weir_sock_user() of @sock.
 * @slices: RECEIVED: what arrived, in order.
 * @slice_count: RECEIVED: number of @slices.
 * @accepted: ACCEPTED: the new socket.
 * @tag: SENT: the tag given to the send.
 * @msg: MESSAGE: the message.
 * @timer: TIMER: the timer.
 * @gen: RELEASED: the generation.
 */
struct weir_event {
	enum weir_event_type type;
	int32_t res;
	struct weir_sock *sock;
	void *user;
	union {
		struct {
			struct weir_slice *slices;
			uint32_t slice_count;
		};
		struct weir_sock *accepted;
		uint64_t tag;
		struct weir_msg *msg;
		struct weir_timer *timer;
		struct weir_generation gen;
	};
};

/**
 * struct weir_engine_stats - counters since the engine was opened.
 * @waits: times the thread asked the kernel for events (system calls that may sleep).
 * @sleeps: of these, the ones that were ready to sleep.
 * @syscalls: all system calls the data path made, @waits included.
 * @events: events delivered.
 * @spin_hits: waits answered while spinning.
 * @spin_misses: spins that ended in a sleep.
 * @starved: times a receive stopped because the kernel had no buffer.
 * @lowat_raised: times a receive low-water mark was raised.
 * @lowat_expired: times bytes below a raised mark were fetched because the bound had passed.
 * @rx_bytes: payload received.
 * @rx_copied_bytes: of these, bytes that were copied into the area by the kernel (or read by the
 *	library where it could not); on the plane zcrx as far as the kernel counts them
 *	(weir_ifq_stats.copied_known).
 * @rx_datagrams: datagrams received, each of a GRO train counted.
 * @tx_bytes: payload sent.
 * @tx_datagrams: datagrams sent, each of a GSO train counted.
 * @sockets: sockets open now.
 * @buffers_free: receive buffers in the area's free list now.
 * @buffers_kernel: receive buffers the kernel may write to now.
 * @buffers_delivered: receive buffers in the batch the application looks at now.
 * @buffers_held: receive buffers with held slices now.
 * @buffers: receive buffers in all; always the sum of the four.
 * @heap_bytes: memory the engine took from the heap for sockets, queues and events.
 * @pressures: times a socket kept more than its share (WEIR_EVENT_PRESSURE).
 * @spilled_bytes: payload copied out of an area because of that.
 * @moved: accepted connections that were given to another engine of the group.
 * @tx_zc_requests: send requests for zero copy whose memory the kernel has released.
 * @tx_zc_copied: of these, those that the kernel says it has copied.
 * @tx_zc_refused: requests for zero copy that were refused (limits, path) and sent with a copy.
 * @tx_unreleased: requests for zero copy whose memory is in use now.
 */
struct weir_engine_stats {
	uint64_t waits;
	uint64_t sleeps;
	uint64_t syscalls;
	uint64_t events;
	uint64_t spin_hits;
	uint64_t spin_misses;
	uint64_t starved;
	uint64_t lowat_raised;
	uint64_t lowat_expired;
	uint64_t rx_bytes;
	uint64_t rx_copied_bytes;
	uint64_t rx_datagrams;
	uint64_t tx_bytes;
	uint64_t tx_datagrams;
	uint64_t sockets;
	uint64_t buffers_free;
	uint64_t buffers_kernel;
	uint64_t buffers_delivered;
	uint64_t buffers_held;
	uint64_t buffers;
	uint64_t heap_bytes;
	uint64_t pressures;
	uint64_t spilled_bytes;
	uint64_t moved;
	uint64_t tx_zc_requests;
	uint64_t tx_zc_copied;
	uint64_t tx_zc_refused;
	uint64_t tx_unreleased;
};

/**
 * weir_engine_open() - open an engine for the calling thread.
 * @retengine: receives the engine; untouched on failure.
 * @opts: options; NULL for the defaults.
 * @reterr: error record or NULL.
 *
 * With plane AUTO zcrx is tried where a NIC is named, then uring, then epoll; why the better ones
 * were refused is in weir_engine_why().  A plane that was asked for by name is not replaced by
 * another.
 *
 * Return: 0; -EINVAL for options that make no sense; -ENOMEM; -EPERM, -ENOSYS and others where
 * the plane asked for cannot be had (the hint says why).
 */
WEIR_API WEIR_MUST_CHECK int weir_engine_open(struct weir_engine **retengine,
					      const struct weir_engine_opts *opts,
					      struct weir_error *reterr);

/**
 * weir_engine_close() - close an engine, its sockets and its area.
 * @e: the engine, or NULL.
 *
 * Requests in flight are cancelled and waited for; sends that did not end are lost without an
 * event, and their memory is the caller's when the call returns.  Held slices become invalid.
 * Not to be called from a callback.
 */
WEIR_API void weir_engine_close(struct weir_engine *e);

/**
 * weir_engine_wait() - get the next events.
 * @e: the engine.
 * @events: receives up to @max events.
 * @max: room in @events; at least 1.
 * @timeout_us: microseconds to wait for the first event; 0 looks only, -1 waits for ever.
 *
 * @events must stay valid until the batch is given back: closing a socket turns what is left of its
 * events into WEIR_EVENT_NONE there.  event.user is that of the time of the event; after
 * weir_sock_set_ops() in the same batch ask weir_sock_user().
 *
 * Sends and other requests made since the last call are given to the kernel first.  Events of the
 * batch before that were not given back by weir_engine_done() are given back by this call.
 *
 * Return: number of events, 0 when the time is over or weir_engine_stop() was called; -EINVAL for
 * bad arguments; -EDEADLK from inside a callback; -EPERM from another thread than the engine's.
 */
WEIR_API int weir_engine_wait(struct weir_engine *e, struct weir_event *events, unsigned max,
			      int64_t timeout_us);

/**
 * weir_engine_done() - give the first @n events of the batch back.
 * @e: the engine.
 * @n: events looked at; their slices, unless held, return to the area.
 */
WEIR_API void weir_engine_done(struct weir_engine *e, unsigned n);

/**
 * weir_engine_dispatch() - one round of the callback layer.
 * @e: the engine.
 * @timeout_us: as for weir_engine_wait().
 *
 * Return: number of events handled, or -errno as weir_engine_wait().
 */
WEIR_API int weir_engine_dispatch(struct weir_engine *e, int64_t timeout_us);

/**
 * weir_engine_run() - dispatch until weir_engine_stop().
 * @e: the engine.
 *
 * Return: 0 after a stop; -errno where waiting failed.
 */
WEIR_API int weir_engine_run(struct weir_engine *e);

/**
 * weir_engine_stop() - make weir_engine_run() return, and a wait that sleeps end.
 * @e: the engine.
 *
 * Threads: any; may be called from a signal handler.
 */
WEIR_API void weir_engine_stop(struct weir_engine *e);

/**
 * weir_engine_fd() - a file descriptor for a foreign event loop (poll, epoll, glib, libuv).
 * @e: the engine, which owns the descriptor.
 *
 * Readable when weir_engine_dispatch(e, 0) or weir_engine_wait(e, ..., 0) has something to do,
 * timers included.  Level-triggered: call either until it returns 0.  After the first call of
 * this function requests made outside of callbacks are given to the kernel at once.
 *
 * Return: the descriptor, or -errno.
 */
WEIR_API int weir_engine_fd(struct weir_engine *e);

/**
 * weir_engine_post() - send a message to the engine's thread.
 * @e: the engine, which must outlive the call.
 * @msg: message; the engine's until its event.
 *
 * Messages of one thread arrive in order.  Threads: any.  Never blocks, never fails.
 */
WEIR_API void weir_engine_post(struct weir_engine *e, struct weir_msg *msg);

/**
 * weir_timer_start() - start or restart a timer.
 * @e: the engine.
 * @timer: the timer; stays in place until it expired or was stopped.
 * @after_us: microseconds from now.
 *
 * Return: 0 or -ENOMEM.
 */
WEIR_API WEIR_MUST_CHECK int weir_timer_start(struct weir_engine *e, struct weir_timer *timer,
					      uint64_t after_us);

/**
 * weir_timer_stop() - stop a timer; one that is not running is left alone.
 * @e: the engine.
 * @timer: the timer; its event, if one is in the present batch, becomes WEIR_EVENT_NONE.
 */
WEIR_API void weir_timer_stop(struct weir_engine *e, struct weir_timer *timer);

/**
 * weir_engine_now_ns() - CLOCK_MONOTONIC as of the present batch.
 * @e: the engine.
 *
 * Return: nanoseconds.
 */
WEIR_API uint64_t weir_engine_now_ns(const struct weir_engine *e);

/**
 * weir_engine_plane() - the plane the engine got.
 * @e: the engine.
 *
 * Return: the plane; never AUTO.
 */
WEIR_API enum weir_plane weir_engine_plane(const struct weir_engine *e);

/**
 * weir_engine_why() - one line on why the engine has this plane and which parts are in use.
 * @e: the engine.
 *
 * Return: text owned by the engine.
 */
WEIR_API const char *weir_engine_why(const struct weir_engine *e);

/**
 * weir_engine_area() - the area streams are received into.
 * @e: the engine.
 *
 * Return: the area, owned by the engine; NULL before the first stream receives.
 */
WEIR_API struct weir_area *weir_engine_area(const struct weir_engine *e);

/**
 * weir_engine_send_area() - register an area's memory with the kernel for sends without a copy.
 * @e: the engine.
 * @area: the area; the engine keeps a reference until it is closed.
 * @reterr: error record or NULL.
 *
 * Sends of memory that lies in it then find their pages pinned already (io_uring registered
 * buffers); nothing else changes.  It costs locked memory (RLIMIT_MEMLOCK without CAP_IPC_LOCK).
 *
 * Return: 0, also where the area was given before; -ENOTSUP where plane or kernel have no
 * registered buffers for zero copy; -ENOMEM over a limit; -EFAULT for memory without pages (a
 * dma-buf); -ENOSPC: too many areas.  Sends from it work in any case.
 */
WEIR_API int weir_engine_send_area(struct weir_engine *e, struct weir_area *area,
				   struct weir_error *reterr);

/**
 * weir_engine_get_stats() - read the counters.
 * @e: the engine.
 * @ret: receives them.
 */
WEIR_API void weir_engine_get_stats(const struct weir_engine *e, struct weir_engine_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
