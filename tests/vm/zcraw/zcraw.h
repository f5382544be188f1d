/* SPDX-License-Identifier: MIT */
/* zcraw.h - what the files of the raw exerciser share: processes, NIC, memory, streams. */
#ifndef ZCRAW_H
#define ZCRAW_H

#include "ring.h"

#include <stdarg.h>
#include <sys/types.h>

#define RX_NIC "wn0" /* the receiver's device, in namespace a */
#define TX_NIC "wn1" /* the sender's, in namespace b */
#define RX_NS "a"
#define TX_NS "b"
#define RX_ADDR4 "10.77.0.1"
#define TX_ADDR4 "10.77.0.2"
#define RX_ADDR6 "fd77::1"
#define PORT 5000 /* of stream 0; the stream number is added */
#define EXIT_SKIP 77
#define EXIT_USAGE 2

/* run.c - the supervised process of a scenario */

/* A row of the table of scenarios. */
struct scenario {
	const char *name;
	const char *what;
	void (*run)(const struct scenario *self);
	const void *arg;
};

extern const struct scenario scenarios_move[], scenarios_hard[], scenarios_life[],
	scenarios_fault[], scenarios_send[], scenarios_devmem[], scenarios_cycle[], scenarios_xdp[];

extern uint64_t zcraw_seed;
extern long scenario_limit_ms; /* a scenario that takes longer is ended */

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void skip(const char *format, ...);
/* Adds to the line that is printed when the scenario has passed. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* A command for the time after the scenario, whatever its end; run in namespace ns (NULL: ours). */
__attribute__((format(printf, 2, 3))) void undo(const char *ns, const char *format, ...);
/* All faults are to be off after the scenario. */
void undo_faults(void);
/* Of a command line "[seed=N] SCENARIO..." or "list": runs them one by one; the exit status, or
 * EXIT_USAGE, after which the caller says how it is used. */
int scenarios_main(const char *program, const struct scenario *const *tables, size_t count,
		   int argc, char **argv);

/* os.c - time, files, commands, namespaces */
/* How many times slower than usual this kernel is ($SLOW): then deadlines are longer. */
long slow(void);
/* Of a clock that is slow() times slower, so that deadlines by it are as much longer. */
long now_ms(void);
void enter_ns(const char *ns);
/* Runs a command line (split at blanks) in namespace ns; what it says goes to out; its status. */
int command(const char *ns, const char *line, char *out, size_t out_bytes);
/* The same, and fails the scenario when the status is not 0. */
__attribute__((format(printf, 2, 3))) void must(const char *ns, const char *format, ...);
/* 0 or -errno */
int file_write(const char *path, const char *text);
int file_read(const char *path, char *text, size_t bytes);
/* Waits for the event of one file; false: it did not come in time. */
bool poll_one(int fd, short events, long timeout_ms);
/* Waits until check(arg) is true; fails with the text when it is not in time. */
void wait_until(bool (*check)(void *arg), void *arg, long deadline_ms, const char *what);

/* probe.c - which queue a frame goes to; the program's exit status */
int probe(const char *stats_path);

/* qstats.c - statistics of queues as netdev-genl has them; the program's exit status */
int qstats(const char *name, const char *scope);

/* nic.c - the test NIC's settings, counters and faults */
struct nic {
	char name[32];
	char dir[128]; /* in debugfs */
	unsigned ifindex;
};

struct nic_counts {
	uint64_t packets, provider, kernel, head, no_buffer, alloc_fail, restarts, split;
};

void nic_open(struct nic *nic, const char *name);
uint64_t nic_stat(const struct nic *nic, const char *counter);
void nic_counts(const struct nic *nic, unsigned queue, struct nic_counts *ret);
/* Header/data split on (its threshold is 0 unless changed); what has no rule goes to queue 0. */
void nic_prepare(const struct nic *nic);
/* TCP to that port (all addresses of the family) goes to the target ("action 2", "context 1");
 * undone after the scenario. */
void nic_rule(const struct nic *nic, bool ip6, unsigned port, const char *target);
/* every 0: off.  times 0: no limit. */
void nic_fault(const struct nic *nic, const char *fault, unsigned every, unsigned times);
uint64_t nic_fault_hits(const struct nic *nic, const char *fault);
void nic_faults_off(void);
/* How often the carrier has gone or come, as the kernel counts it. */
uint64_t nic_carrier_changes(const struct nic *nic);

/* area.c - the memory that the NIC writes to */
enum area_kind {
	AREA_HOST,
	AREA_SCATTERED, /* neighbours in the area are none in memory */
	AREA_HUGE,
	AREA_DMABUF
};

struct area {
	enum area_kind kind;
	unsigned char *mem;
	size_t bytes;
	int memfd;
	int dmabuf; /* -1: none */
};

/*
 * More than the NIC's ring and the sockets' receive buffers can hold: else what is missing at the
 * head of a stream may find no free buffer, because what came behind it has them all.
 */
#define AREA_AMPLE_BYTES (24u << 20)

void area_new(struct area *area, enum area_kind kind, size_t bytes);
void area_free(struct area *area);

/* ifq.c - the registration of a queue, its refill ring, what the kernel offers */
struct ifq {
	struct ring *ring;
	unsigned id, entries, buf_bytes, tail;
	uint64_t token;
	unsigned *khead, *ktail;
	struct zr_zcrx_rqe *rqes;
	const struct zr_zcrx_stats *stats; /* NULL: this kernel has none */
	void *region;
	size_t region_bytes;
	uint64_t flushes;
};

struct ifq_options {
	unsigned ifindex, queue, entries, buf_bytes;
	bool events;
};

#define IFQ_EVENT 0xe0e0ull /* user_data of an event's completion */
#define RX_CANCEL 0xe0e1ull /* of a cancellation's */
#define RX_NOP 0xe0e2ull    /* of a no-op's */

/* Skips the scenario where the kernel has no zcrx. */
void ifq_need(void);
/* Bits ZR_FEATURE_*, by asking the kernel. */
unsigned ifq_features(void);
/* 0 or -errno of the registration. */
int ifq_open(struct ifq *ifq, struct ring *ring, struct area *area, const struct ifq_options *o);
/* After the ring is closed. */
void ifq_free(struct ifq *ifq);
void ifq_return(struct ifq *ifq, uint64_t off, unsigned len);
void ifq_publish(struct ifq *ifq);
int ifq_flush(struct ifq *ifq);
int ifq_arm_event(struct ifq *ifq, unsigned type);

/* tcp.c - streams of known content, and the sending process */
enum send_mode {
	SEND_PLAIN,
	SEND_ZC,	/* zero-copy sends one after the other */
	SEND_ZC_SERIAL, /* ... each after the notification of the one before */
};

struct sender_options {
	const char *addr; /* NULL: RX_ADDR4 */
	unsigned stream;
	uint64_t bytes;
	enum send_mode mode;
	size_t chunk_bytes; /* 0: a default */
	bool reset;	    /* ends with a reset instead of an orderly end */
	bool awaits_byte;   /* ... not before one byte came from the receiver */
	unsigned rto_ms;    /* 0: the system's */
	unsigned pause_ms;  /* after each piece */
	bool abrupt;	    /* killed, it sends nothing more: no unsent data, no repeats */
	bool late;	    /* connects when it is told to go, not before */
	bool accepts;	    /* waits for the receiver's connection, at PORT + stream */
	unsigned port;	    /* to connect to; 0: PORT + stream */
	unsigned from_port; /* to connect from; 0: any */
};

struct sender_report {
	uint64_t sent, retrans_bytes;
	uint64_t tcp_bytes; /* sent by TCP, repeated ones included */
	uint64_t zc_sends, zc_copied;
	int error; /* 0, or errno of the send that failed */
};

struct sender {
	pid_t pid;
	int go, report;
};

void pattern_init(void);
/* The bytes of the stream from pos; valid for PATTERN_RUN bytes. */
#define PATTERN_RUN (4u << 20)
const unsigned char *pattern_at(unsigned stream, uint64_t pos);
/* Fails the scenario at the first byte that differs. */
void pattern_check(unsigned stream, uint64_t pos, const void *data, size_t len);
int tcp_listen(bool ip6, unsigned stream);
int tcp_accept(int listener);
/* Forks; the child connects, then waits for sender_go(). */
void sender_start(struct sender *sender, const struct sender_options *o);
void sender_go(struct sender *sender);
void sender_end(struct sender *sender, struct sender_report *ret);
void sender_kill(struct sender *sender);
/* A counter of "TcpExt" in /proc/net/netstat, of the namespace that we are in. */
uint64_t tcp_stat(const char *counter);
/* Receives the stream with recv() until its end; the bytes. */
uint64_t tcp_drain(int fd, unsigned stream, uint64_t pos, long deadline_ms);

/* rx.c - a ring with one queue that receives streams */
#define RX_CONNS 64

struct rx_conn {
	int fd;
	unsigned stream;
	uint64_t got;
	bool armed, done;
	int error; /* of the completion that ended it for good; 0: end of stream */
};

struct slice {
	uint64_t off, pos;
	unsigned len, stream;
};

struct rx {
	struct ring ring;
	struct area area;
	struct ifq ifq;
	struct rx_conn conn[RX_CONNS];
	unsigned conns;
	bool hold;	  /* nothing is returned until rx_release() */
	unsigned lag;	  /* slices that are kept, and verified again, before they are returned */
	bool pause_arm;	  /* do not arm again by itself */
	bool was_held;	  /* "hold" was set at some time */
	bool want_filler; /* no-ops move the ring's tail until it had to be filled at its end */
	struct slice *held;
	size_t held_first, held_count, held_max;
	uint64_t bytes, completions, big, len_min, len_max;
	uint64_t over_page, over_half; /* slices across the end of a page, the middle of a buffer */
	uint64_t enomem, enospc, events[2], fillers;
};

struct rx_options {
	enum area_kind area;
	size_t area_bytes; /* 0: 8 MiB */
	unsigned buf_bytes;
	unsigned queue;
	unsigned ring_flags; /* 0: CQE32 */
	unsigned cq_entries; /* 0: 4096 */
	unsigned rq_entries; /* 0: 4096 */
	unsigned lag;
	bool events;
	bool want_filler; /* of a ring of mixed completions */
};

void rx_open(struct rx *rx, const struct nic *nic, const struct rx_options *o);
/* The same, with the registration's -errno as result. */
int rx_try_open(struct rx *rx, const struct nic *nic, const struct rx_options *o);
void rx_close(struct rx *rx);
void rx_add(struct rx *rx, int fd, unsigned stream);
/* One round: arm, wait, take what is there.  0, or -ETIME when nothing came. */
int rx_step(struct rx *rx, long timeout_ms);
/* Until every stream has ended; fails when that does not happen in time. */
void rx_run(struct rx *rx, long deadline_ms);
bool rx_ended(const struct rx *rx);
/* Verifies again and returns what is held. */
void rx_release(struct rx *rx);
/* Ends the stream's request; the next round arms another. */
void rx_cancel(struct rx *rx, unsigned conn);
uint64_t rx_copied(const struct rx *rx);

/* move.c - streams from end to end, with proof of where the bytes went */
enum placement {
	PLACED,	       /* every payload byte went into provider memory, none was copied */
	PLACED_PARTLY, /* some went elsewhere, and was copied */
	PLACED_NOT,    /* none went there */
	PLACED_ANY
};

struct move {
	struct rx_options rx;
	struct nic nic, peer;
	unsigned streams, first; /* their count, and the number of the first */
	bool ip6;
	const char *addr;   /* NULL: the address of the family */
	const char *target; /* of the rules; NULL: the queue; "": no rules */
	bool abrupt;	    /* the senders, see struct sender_options */
	uint64_t bytes;	    /* of each stream */
	enum send_mode mode;
	unsigned rto_ms;
	int rcvbuf; /* SO_RCVBUF, which bounds the window; 0: the system's */
	struct rx state;
	struct sender sender[RX_CONNS];
	int fd[RX_CONNS];
	struct nic_counts before, after;
	struct sender_report sum;
	long started_ms, took_ms;
};

/* The NIC's settings and a rule for each stream. */
void move_prepare(struct move *m);
/* ... and the registration. */
void move_open(struct move *m);
/* Starts and accepts the senders; nothing is sent yet. */
void move_connect(struct move *m);
/* Gives the accepted sockets to the receiver. */
void move_attach(struct move *m);
void move_go(struct move *m);
/* Receives everything, closes, checks the placement (move_check). */
void move_end(struct move *m, long deadline_ms, enum placement placement);
/* The same, and says the figures. */
void move_finish(struct move *m, long deadline_ms, enum placement placement);
void move_check(struct move *m, enum placement placement);

/* s_xdp.c - an XDP program that passes all (frags: in several pieces, too): its fd or -errno */
int xdp_program(bool frags);

/* trial.c - can a queue be bound, and what keeps it; the exit status */
int trial(const char *dev, const char *queue);
int occupy(const char *what, const char *dev, const char *queue);
int hds(const char *dev, const char *bytes);

#endif
