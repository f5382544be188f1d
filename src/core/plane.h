/* SPDX-License-Identifier: MIT */
/*
 * plane.h - what a plane implements, what it reports, and the objects both sides share.
 *
 *   core ── struct weir_plane_ops ──> plane     start, stop, send, wait
 *   core <── struct weir_plane_up ─── plane     what happened
 *
 * A plane never calls the application and never touches queues or the ledger except through the
 * functions named here.  fault.c stands between the two: it is a plane towards the core and the
 * core towards the plane that it wraps.
 */
#ifndef WEIR_CORE_PLANE_H
#define WEIR_CORE_PLANE_H

#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <weir/engine.h>
#include <weir/sock.h>

#include "ledger.h"

#ifdef WEIR_DEBUG
#include <assert.h>
#define weir_assert(cond) assert(cond)
#else
#define weir_assert(cond) ((void)0)
#endif

/* Linux 4.18 and 5.0; older C libraries lack the names. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

#define WEIR_OP_IOVS 64	 /* pieces per send request; UDP GSO takes 64 segments at most */
#define WEIR_CHAIN_MAX 8 /* send requests in flight per stream */
#define WEIR_IFQS_MAX 16 /* interface queues per engine */
#define WEIR_OP_CONTROL_BYTES CMSG_SPACE(16) /* struct sctp_sndinfo; a GSO size needs less */
#define WEIR_NS_PER_US 1000ull

struct weir_engine;
struct weir_ifq_info;
struct weir_ifq_stats;
struct weir_nic;
struct weir_plane_ops;
struct weir_plane_up;
struct weir_tx;
struct weir_unix_name;
struct weir_zc;
struct weir_zcpick;

/**
 * enum weir_sock_kind - what a socket is.
 * @WEIR_STREAM: a connection, TCP or UNIX.
 * @WEIR_LISTENER: accepts connections.
 * @WEIR_DGRAM: UDP; also SCTP (is_sctp), whose messages come and go as datagrams do.
 */
enum weir_sock_kind { WEIR_STREAM, WEIR_LISTENER, WEIR_DGRAM };

/**
 * struct weir_txop - one send request: a run of queued writes, gathered.
 * @next: list link of whoever has it: core while unused or in flight, plane never.
 * @sock: the socket.
 * @first: writes it covers, in order; the core's.
 * @bytes: sum of their bytes.
 * @msg: what to send: iov, peer and control data set.
 * @iov: its pieces.
 * @control: room for the UDP_SEGMENT or the SCTP_SNDINFO message.
 * @segment_bytes: size of the datagrams in a train; 0 without GSO.
 * @datagrams: datagrams in it; 0 for streams.
 * @res: result, kept until its turn.
 * @done: @res is valid.
 * @plane_word: the plane's own; 0 when given to send().
 * @zc: to be sent without a copy; NULL: with one.
 */
struct weir_txop {
	_Alignas(16) struct weir_txop *next; /* planes keep bits below */
	struct weir_sock *sock;
	struct weir_tx *first;
	size_t bytes;
	struct msghdr msg;
	struct iovec iov[WEIR_OP_IOVS];
	_Alignas(struct cmsghdr) char control[WEIR_OP_CONTROL_BYTES];
	uint32_t segment_bytes;
	uint32_t datagrams;
	int32_t res;
	bool done;
	uint64_t plane_word;
	struct weir_zc *zc;
};

/**
 * struct weir_zc - one request for zero copy, from its start until its memory is released (zc.c).
 * @next: its socket's list, in the order of the requests; or the free list.
 * @sock: the socket.
 * @op: the request, until up->sent().
 * @first: writes that end with it, in order.
 * @last: where the next one is appended.
 * @bytes: what the kernel took.
 * @plane_word: the plane's own; 0 at first.
 * @live: it is in use.
 * @accepted: up->sent() was.
 * @released: up->released() was.
 * @copied: the kernel says that it copied.
 */
struct weir_zc {
	_Alignas(16) struct weir_zc *next;
	struct weir_sock *sock;
	struct weir_txop *op;
	struct weir_tx *first, **last;
	size_t bytes;
	uint64_t plane_word;
	bool live;
	bool accepted;
	bool released;
	bool copied;
};

/**
 * struct weir_tie - a NIC's rule for a socket (tie.c).
 * @nic: the NIC; NULL: none.
 * @flow: number of the flow.
 */
struct weir_tie {
	struct weir_nic *nic;
	uint32_t flow;
};

/**
 * struct weir_lowat - the adaptive receive low-water mark of one stream (lowat.c).
 * @prev: list of sockets with a raised mark.
 * @next: the same.
 * @window_start_ns: begin of the window in which bytes are counted; 0 for none.
 * @window_bytes: bytes in it.
 * @last_rx_ns: last arrival.
 * @raised: mark in bytes, 0 when it is at 1.
 * @penalty: windows that must be saturated before the mark is raised again.
 * @streak: saturated windows in a row.
 */
struct weir_lowat {
	struct weir_sock *prev, *next;
	uint64_t window_start_ns;
	uint64_t last_rx_ns;
	uint32_t window_bytes;
	uint32_t raised;
	uint8_t penalty;
	uint8_t streak;
};

/**
 * struct weir_sock - a socket.
 * @engine: its engine.
 * @plane: the plane its bytes move by (possibly wrapped by the fault plane).
 * @fd: descriptor, -1 once closed.
 * @kind: stream, listener or datagram.
 * @family: address family.
 * @flags: WEIR_SOCK_* of its options.
 * @plane_refs: the plane's count of requests in flight.
 * @plane_slot: the plane's: registered file slot, -1 for none.
 * @plane_bits: the plane's own flags.
 * @plane_left: the plane's: bytes that the receive in flight may still bring.
 * @plane_notes: the plane's: of @plane_refs, notifications whose requests have ended.
 * @plane_next: the plane's own list link.
 * @plane_zc: the plane's own, of a socket that sends without a copy; NULL before the first request.
 * @tx_head: queued writes that no request covers.
 * @ops_head: requests in flight, in order.
 *
 * The bit fields say where it is in its life; see sock.c.
 */
struct weir_sock {
	struct weir_engine *engine;
	const struct weir_plane_ops *plane;
	int fd;
	uint8_t kind;
	uint8_t family;
	uint16_t flags;

	uint32_t plane_refs;
	int plane_slot;
	uint32_t plane_bits;
	uint32_t plane_left;
	uint32_t plane_notes;
	struct weir_sock *plane_next;
	void *plane_zc;

	bool paused : 1;      /* the application wants no data */
	bool connecting : 1;  /* connect in flight */
	bool rx_armed : 1;    /* the plane receives (or accepts) */
	bool rx_ended : 1;    /* end of stream or error was seen */
	bool rx_starved : 1;  /* on the engine's list of sockets that wait for a buffer */
	bool rx_stopping : 1; /* recv_stop given, recv_end not seen */
	bool tx_broken : 1;   /* nothing can be sent any more */
	bool tx_blocked : 1;  /* wait for up->writable() before the next request */
	bool tx_retry : 1;    /* on the engine's list of sockets to be tried again soon */
	bool tx_refused : 1;  /* -ENOBUFS was returned: tell when there is room */
	bool tx_dirty : 1;    /* on the engine's list of sockets with something to flush */
	bool shut_wanted : 1; /* end of stream after the queue */
	bool shut_done : 1;
	bool finishing : 1; /* close after the queue */
	bool closing : 1;   /* closed by the application; plane detaching */
	bool detached : 1;  /* the plane has let go */
	bool closed : 1;    /* CLOSED event queued */
	bool is_tcp : 1;
	bool no_gso : 1;	 /* the kernel refused UDP_SEGMENT here */
	bool connected_peer : 1; /* datagram socket with a peer */
	bool is_sctp : 1;	 /* listener, or kind WEIR_DGRAM */
	bool one_to_one : 1;	 /* SCTP association: it begins and ends as a stream */
	bool hide_change : 1;	 /* SCTP_ASSOC_CHANGE is ours, not the application's */
	bool kept_over : 1;	 /* keeps more than it may (pressure.c) */
	bool rx_held_up : 1;	 /* nothing is received because of that */
	bool rx_spills : 1;	 /* what is received is copied out because of that */
	bool zc_never : 1;	 /* the kernel sends nothing without a copy here */
	bool segment_off : 1;	 /* segment_set is to be taken back, for good */

	const struct weir_sock_ops *ops;
	void *user;
	struct weir_sock *all_prev, *all_next;
	struct weir_sock *dirty_next;
	struct weir_sock *starved_next;
	struct weir_sock *retry_next;

	struct weir_tx *tx_head, **tx_tail;
	struct weir_tx *left_head, **left_tail; /* rest of requests that sent less than asked */
	struct weir_txop *ops_head, **ops_tail;
	uint32_t ops_count;
	int32_t tx_error; /* why tx_broken */
	uint32_t tx_count;
	uint32_t tx_max;
	uint64_t tx_bytes_queued;
	int32_t lone_writes; /* flushes in a row of one whole write; below 0 after a wrong guess */

	struct weir_zc *zc_head, **zc_tail; /* requests for zero copy, not released, in order */
	struct weir_zc *zc_last;	    /* the last one of these that was taken */
	uint32_t zc_count;		    /* how many */
	uint32_t zc_from;		    /* requests of so many bytes go without a copy */
	struct weir_zcpick *zcpick;	    /* how that is learnt (zcpick.c) */
	uint8_t zc_mode;		    /* enum weir_tx_zc of sends that do not say */
	uint8_t segment_run;		    /* trains of segment_last bytes in a row */
	uint16_t segment_last;
	uint16_t segment_set; /* the socket's own UDP_SEGMENT; 0: none */

	struct weir_addr *connect_to;	/* while connecting */
	struct weir_timer *linger;	/* while finishing */
	struct weir_unix_name *name_of; /* listener at a path that it must remove */
	struct weir_lowat lowat;
	struct weir_tie tie;
	struct {
		uint64_t rx_bytes, rx_copied, rx_datagrams, rx_completions;
		uint64_t tx_bytes, tx_datagrams, tx_requests, tx_partial;
		uint64_t tx_zc_bytes, tx_zc_copied;
	} stats;
	uint64_t kept_bytes;   /* buffers its held pieces keep */
	uint32_t keeps_plus_1; /* first of them (pressure.c) */
	void *fault_data;      /* private to fault.c */
	char name[24];
};

/**
 * struct weir_rx - one piece that arrived.
 * @pool: where it lies.
 * @buffer: which buffer of the pool.
 * @offset: first byte from the start of the buffer.
 * @len: bytes; 0 only for an empty datagram.
 * @last: the kernel is done with the buffer.
 * @flags: WEIR_SLICE_TRUNCATED; of SCTP also _MORE, _NOTIFICATION, _SCTP.
 * @segment_bytes: size of the datagrams in a GRO train, else 0.
 * @peer: sender of a datagram, inside the buffer; else NULL.
 * @copied: of interface queues: how many of the bytes the kernel copied, as far as is known (of
 *	other pools: all of them).
 */
struct weir_rx {
	struct weir_pool *pool;
	uint32_t buffer;
	uint32_t offset;
	uint32_t len;
	bool last;
	uint32_t flags;
	uint32_t segment_bytes;
	const struct sockaddr *peer;
	uint32_t copied;
};

/**
 * struct weir_wait - how long to wait.
 * @timeout_ns: longest sleep; -1 for ever; 0 only looks.
 * @deadline_ns: the same as CLOCK_MONOTONIC time; UINT64_MAX for ever.  A plane may keep one timer
 *	running over many waits and wake early when it is an old one: arming and cancelling a timer
 *	for each sleep costs more than the rest of the sleep (on a virtual machine).
 * @min_wait_ns: batch completions for up to this long; 0 returns at the first one.  A plane that
 *	did not batch sets it to 0: what the wait brought then says nothing about batching.
 * @want: completions that end the batching early (with @min_wait_ns).
 */
struct weir_wait {
	int64_t timeout_ns;
	uint64_t deadline_ns;
	uint64_t min_wait_ns;
	uint32_t want;
};

/**
 * struct weir_plane_ops - a plane, as the core sees it.
 *
 * Every function runs on the engine's thread.  Reports (struct weir_plane_up) are legal from
 * inside poll(), wait() and flush() only; they go through
 * e->up (so that fault.c can stand in between).
 *
 * @name: as WEIR_PLANE takes it.
 * @id: as the API knows it.
 * @open: make ring or epoll set, store it in e->plane_data; must undo everything on failure.
 * @close: free it; every socket is detached already.  NULL plane_data is legal.
 * @fd: descriptor that is readable when poll() has something to do (timers not included).
 * @poll: give queued requests to the kernel, take what is there, do not sleep.  Returns number
 *	of reports made, or -errno.  Called in a loop when spinning.  Stops early when
 *	weir_core_room() says so.
 * @wait: the same, sleeping as told by struct weir_wait if nothing is there.
 * @flush: give queued requests to the kernel now; may report what ended at once.  Returns 1 where
 *	poll() has something to do now, 0, or -errno.
 * @attach: a socket with its fd set begins its life on this plane.  On failure nothing is kept.
 * @detach: cancel all requests; up->detached() follows, once, from poll() or wait(), after the
 *	last report of the socket, also if nothing was in flight.  The plane closes s->fd then.
 * @connect: start connecting; the address stays valid until up->connected().
 * @recv_start: receive (listener: accept) until recv_stop() or up->recv_end().
 * @recv_stop: stop; up->recv_end(s, -ECANCELED) follows, unless another recv_end comes first.
 *	Data that was on its way may still be reported before it.
 * @send: start @n requests of one socket, linked through op->next.  Streams, and SCTP, which never
 *	sends a part: they are sent in order; if one sends less than asked or fails, all behind it
 *	send nothing and are reported with -ECANCELED.  Each has exactly one up->sent(), in any
 *	order.  0 is reported only for requests of no bytes.  -EAGAIN: no room; up->writable()
 *	follows later.  A request with op->zc goes without a copy; on an ordered socket it comes
 *	alone (@n is 1).  After its up->sent() there is exactly one up->released(op->zc), also
 *	where it failed; the socket is not detached before.
 * @send_now: send a stream's first bytes by a system call, now, where that beats a request: bytes
 *	(fewer: no room for the rest) or -errno; -EAGAIN: the plane has not tried, or there is no
 *	room: send() is next.  Nothing of the socket is in flight.  @alone: no other socket has
 *	anything to send.  May be NULL.
 * @shutdown: send end of stream now (the queue is empty); returns 0 or -errno.
 * @can_recv: is there a buffer again for a stream that had reported -ENOBUFS?  NULL: ask the pool.
 * @ifq: describe interface queue @i: @info, @stats or both; -ENOENT where there is none.  NULL: the
 *	plane has none.
 * @why: write how the socket's payload comes (weir_sock_why()); returns whether there is more to
 *	say than the engine says.  NULL: there is not.
 * @add_area: weir_engine_add_area(); NULL: there are no interface queues.
 * @send_area: weir_engine_send_area(); the plane takes its own reference.  NULL: -ENOTSUP.
 * @zerocopy: whether requests may have op->zc: asked once, when the plane is open.  NULL: never.
 */
struct weir_plane_ops {
	const char *name;
	enum weir_plane id;
	int (*open)(struct weir_engine *e, struct weir_error *reterr);
	void (*close)(struct weir_engine *e);
	int (*fd)(struct weir_engine *e);
	int (*poll)(struct weir_engine *e);
	int (*wait)(struct weir_engine *e, struct weir_wait *w);
	int (*flush)(struct weir_engine *e);
	int (*attach)(struct weir_sock *s, struct weir_error *reterr);
	void (*detach)(struct weir_sock *s);
	int (*connect)(struct weir_sock *s, const struct weir_addr *to);
	int (*recv_start)(struct weir_sock *s);
	void (*recv_stop)(struct weir_sock *s);
	void (*send)(struct weir_sock *s, struct weir_txop *ops, unsigned n);
	int (*send_now)(struct weir_sock *s, const struct msghdr *msg, size_t bytes, bool alone);
	int (*shutdown)(struct weir_sock *s);
	bool (*can_recv)(struct weir_sock *s);
	int (*ifq)(const struct weir_engine *e, unsigned i, struct weir_ifq_info *info,
		   struct weir_ifq_stats *stats);
	bool (*why)(const struct weir_sock *s, char *buf, size_t bytes);
	int (*add_area)(struct weir_engine *e, unsigned i, struct weir_area *area,
			struct weir_error *reterr);
	int (*send_area)(struct weir_engine *e, struct weir_area *area, struct weir_error *reterr);
	bool (*zerocopy)(const struct weir_engine *e);
};

/**
 * struct weir_plane_up - what a plane reports.
 * @accepted: a listener accepted @fd, which is the core's from now on.
 * @connected: connect ended, 0 or -errno.
 * @received: a piece arrived; the core has counted it in the ledger when the call returns.
 * @recv_end: receiving ended and is not armed any more: 0 end of stream (SCTP: an empty message);
 *	-EAGAIN for no reason
 *	that matters (arm again); -ENOBUFS no buffer (arm again when there is one); -ECANCELED
 *	after recv_stop() or detach(); other -errno broken (listener: accept failed).
 * @sent: a send request ended: bytes or -errno.
 * @released: the kernel has let go of the memory of a request for zero copy; @copied: it says that
 *	it copied, or the plane knows that nothing was sent.
 * @writable: after -EAGAIN: sending may go on.
 * @detached: the plane has let go of the socket and closed its fd.
 */
struct weir_plane_up {
	void (*accepted)(struct weir_sock *s, int fd);
	void (*connected)(struct weir_sock *s, int res);
	void (*received)(struct weir_sock *s, const struct weir_rx *rx);
	void (*recv_end)(struct weir_sock *s, int res);
	void (*sent)(struct weir_txop *op, int res);
	void (*released)(struct weir_zc *zc, bool copied);
	void (*writable)(struct weir_sock *s);
	void (*detached)(struct weir_sock *s);
};

/**
 * struct weir_core - the part of an engine that planes see; first member of struct weir_engine.
 * @ops: the engine's plane (possibly the fault plane around it).
 * @up: where the plane reports to.
 * @plane_data: the plane's own.
 * @fault_data: fault.c's own.
 * @opts: options with defaults and environment filled in.
 * @without: WEIR_WITHOUT_*, from options and environment.
 * @now_ns: CLOCK_MONOTONIC of the present batch.
 * @reports: calls of @up since the engine was opened; who implements @up counts them.
 * @stream_pool: buffers that streams are received into; made by weir_core_stream_pool().
 * @dgram_pool: buffers that datagrams are received into; made by weir_core_dgram_pool().
 * @lowat_max: highest receive low-water mark that suits the plane's reads, in bytes.
 * @wake_fd: eventfd that must end a sleep when it becomes readable; the plane watches it and
 *	the core reads it.
 * @stats: counters; planes count waits, sleeps and syscalls.
 * @parts: text for weir_engine_why(): which parts of the plane are in use; the plane fills it.
 * @by_name: the plane was asked for by its name: it is not left for another one.
 * @nic: the NIC whose queues the plane has bound; NULL: none.
 * @napi_ids: of each interface queue its NAPI; 0 where not known.
 * @ifq_count: interface queues that are bound.
 * @zerocopy: the plane can send without a copy.
 * @zc_reports: and is told by the kernel whether it did; else up->released() knows nothing.
 */
struct weir_core {
	const struct weir_plane_ops *ops;
	const struct weir_plane_up *up;
	void *plane_data;
	void *fault_data;
	struct weir_engine_opts opts;
	uint32_t without;
	uint64_t now_ns;
	uint64_t reports;
	struct weir_pool *stream_pool;
	struct weir_pool *dgram_pool;
	uint32_t lowat_max;
	int wake_fd;
	struct weir_engine_stats stats;
	char parts[224];
	bool by_name;
	struct weir_nic *nic;
	uint32_t napi_ids[WEIR_IFQS_MAX];
	unsigned ifq_count;
	bool zerocopy;
	bool zc_reports;
};

/** weir_sock_ordered() - do its sends leave in one order, so that a failure stops the rest? */
static inline bool weir_sock_ordered(const struct weir_sock *s)
{
	return s->kind == WEIR_STREAM || s->is_sctp;
}

/** weir_core_of() - the part of an engine that planes see. */
static inline struct weir_core *weir_core_of(struct weir_engine *e)
{
	return (struct weir_core *)e;
}

/*
 * Bytes before the payload in a datagram buffer: io_uring_recvmsg_out, name, control.  Of an SCTP
 * message (WEIR_SLICE_SCTP) the plane writes struct weir_sctp_info over the control data.
 */
#define WEIR_DGRAM_NAME_BYTES 32
#define WEIR_DGRAM_CONTROL_BYTES 64
#define WEIR_DGRAM_HEAD_BYTES (16 + WEIR_DGRAM_NAME_BYTES + WEIR_DGRAM_CONTROL_BYTES)
#define WEIR_DGRAM_BUF_BYTES (68u << 10)
#define WEIR_DGRAM_CONTROL_AT (16 + WEIR_DGRAM_NAME_BYTES)

/**
 * weir_core_stream_pool() - the stream pool, made at the first call.
 * @e: the engine.
 * @buf_bytes: buffer size where the options name none.
 * @ret: receives the pool.
 *
 * Return: 0 or -errno.
 */
int weir_core_stream_pool(struct weir_engine *e, uint32_t buf_bytes, struct weir_pool **ret);

/** weir_core_add_pool() - the application will see slices of this pool, too. */
void weir_core_add_pool(struct weir_engine *e, struct weir_pool *pool);

/** weir_core_dgram_pool() - the datagram pool, made at the first call; 0 or -errno. */
int weir_core_dgram_pool(struct weir_engine *e, struct weir_pool **ret);

/** weir_core_napi_changed() - napi_ids or ifq_count are others now: the engine's group is told. */
void weir_core_napi_changed(struct weir_engine *e);

/** weir_core_room() - may the plane report another receive of up to @pieces pieces now? */
bool weir_core_room(const struct weir_engine *e, unsigned pieces);

/** weir_core_reports() - reports since the engine was opened, to count those of one call. */
uint64_t weir_core_reports(const struct weir_engine *e);

/**
 * weir_core_busy() - did the last reports leave the core something to do before a sleep?
 *
 * An event for the application, or a socket to be sent from or received into.  A send that nobody
 * asked about leaves nothing.
 */
bool weir_core_busy(const struct weir_engine *e);

/** weir_planes() - all planes there are, best first, NULL-terminated (src/plane/planes.c). */
const struct weir_plane_ops *const *weir_planes(void);

/**
 * weir_fault_wrap() - put the fault plane around a plane (src/plane/fault.c).
 * @e: engine whose ops and up are set; both are replaced.
 * @spec: what to inject, as weir_engine_opts.fault.
 * @reterr: error record or NULL.
 *
 * Called before ops->open(); the wrapper's open() calls the wrapped one.  Its close() frees it.
 *
 * Return: 0, -EINVAL for a bad specification, -ENOMEM.
 */
int weir_fault_wrap(struct weir_engine *e, const char *spec, struct weir_error *reterr);

#endif
