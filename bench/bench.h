/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the parts of weir-bench-host share.
 *
 * A group is one table: contenders that do the same work, metrics, goals.  A trial runs one
 * contender once: two forked processes, the receiving end (rx) on one core and the sending end
 * (tx) on another, which do nothing but their work and count it in shared memory.  The parent
 * measures both from outside.  The harness runs trials in rounds and makes the table.
 */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_METRICS_MAX 10
#define BENCH_ROUNDS_MAX 64
#define BENCH_CONTENDERS_MAX 24
#define BENCH_SAMPLES_MAX (1u << 20)
#define BENCH_RX_CPU 1
#define BENCH_TX_CPU 0

/**
 * struct bench_settings - what the user asked for.
 * @rounds: times each contender runs.
 * @rounds_asked: so many were asked for: no group has fewer.
 * @seconds: length of one measured window.
 * @warmup: seconds before it.
 * @patience: longest wait in seconds, before each trial, for both cores to be idle.
 * @nice: nice value of the ends.
 * @seed: of the order of contenders.
 * @quick: fewer rounds, shorter windows.
 * @full: zerocopy: all rows.
 * @one_end: ping-pong: only the server is the contender.
 * @verbose: a line for each trial on stderr.
 * @only: contender names to run, separated by commas; NULL for all.
 * @rows: zerocopy: patterns of the rows to run, separated by commas; NULL for the usual ones.
 * @congestion: TCP congestion control of all sockets; NULL leaves the system's.
 * @weir_path: the weir command, for its iperf3 server; "" where there is none.
 */
struct bench_settings {
	unsigned rounds;
	bool rounds_asked;
	double seconds;
	double warmup;
	double patience;
	int nice;
	unsigned seed;
	bool quick;
	bool full;
	bool one_end;
	bool verbose;
	const char *only;
	const char *rows;
	const char *congestion;
	char weir_path[512];
};

/* What the harness tells the ends to do (bench_shared.command). */
enum bench_command {
	BENCH_COMMAND_NONE = 0,
	BENCH_COMMAND_OPEN,   /* open connections until there are command_arg */
	BENCH_COMMAND_LOOP,   /* closed loop on the first command_arg connections */
	BENCH_COMMAND_PACED,  /* command_rate messages a second on command_arg connections */
	BENCH_COMMAND_IDLE,   /* let what is under way end, then be still */
	BENCH_COMMAND_REPORT, /* make the server publish its memory figures */
};

/**
 * struct bench_shared - memory shared by the harness and both ends of a trial.
 *
 * One writer for each field, one cache line for each writer.
 */
struct bench_shared {
	_Alignas(64) _Atomic uint32_t measuring; /* harness: the window is open */
	_Atomic uint32_t command;		 /* harness: enum bench_command */
	_Atomic uint32_t command_serial;	 /* harness: changes with each command */
	uint32_t command_arg;
	uint32_t command_rate;
	_Alignas(64) _Atomic uint32_t rx_ready; /* rx: listens on port */
	uint16_t port;
	_Atomic uint64_t rx_units;
	_Atomic uint64_t rx_bytes;
	_Atomic uint64_t heap_bytes;		/* rx: memory taken for connections */
	_Atomic uint64_t syscalls;		/* rx: system calls by the library's own count */
	_Atomic uint64_t allocations;		/* rx: calls of malloc and its kin */
	_Atomic uint64_t reports;		/* rx: times the three above were published */
	_Alignas(64) _Atomic uint32_t tx_ready; /* tx: connected and at work */
	_Atomic uint32_t command_done;		/* tx: serial of the last command carried out */
	_Atomic uint64_t tx_units;
	_Atomic uint64_t tx_bytes;
	_Alignas(64) char why[256]; /* of a failure, for people */
	_Atomic uint32_t sample_count;
	uint32_t sample_ns[BENCH_SAMPLES_MAX];
};

struct bench_contender;
struct bench_group;

/**
 * struct bench_side - what an end of a trial knows.
 */
struct bench_side {
	struct bench_shared *sh;
	const struct bench_group *group;
	const struct bench_contender *contender;
	const struct bench_settings *set;
};

typedef int (*bench_end_fn)(struct bench_side *side);

/**
 * struct bench_contender - one way to do a group's work.
 * @name: for the table.
 * @what: one line for people.
 * @rx: the receiving end; works until it is killed; returns only on failure, -errno.
 * @tx: the sending end; NULL for the group's own.
 * @missing: says why the contender cannot run here, or returns NULL; may be NULL.
 * @tool_bytes: bytes are counted by the kernel (TCP_INFO of the rx process), not by the end.
 */
struct bench_contender {
	const char *name;
	const char *what;
	bench_end_fn rx;
	bench_end_fn tx;
	const char *(*missing)(const struct bench_settings *set);
	bool tool_bytes;
};

/**
 * struct bench_metric - one column.
 * @name: key in JSON and head of the column.
 * @ratio: a column with the ratio to the group's reference follows.
 */
struct bench_metric {
	const char *name;
	bool ratio;
};

/**
 * struct bench_goal - "metric of contender, divided by that of reference, at most/at least limit".
 * @reference: NULL compares the value itself.
 */
struct bench_goal {
	const char *text;
	unsigned metric;
	const char *contender;
	const char *reference;
	bool at_least;
	double limit;
};

/**
 * struct bench_window - what happened between two looks at a trial.
 * @seconds: wall clock.
 * @rx_cpu_s: CPU time of the rx process in seconds, all threads.
 * @tx_cpu_s: the same of the tx process.
 * @delay: largest part of the window that an end was runnable but did not run.
 * @steal: largest part of the window that the hypervisor took from a core.
 * @preempted: involuntary context switches of both ends, per second.
 */
struct bench_window {
	double seconds;
	double rx_cpu_s;
	double tx_cpu_s;
	uint64_t rx_units;
	uint64_t rx_bytes;
	uint64_t tx_units;
	uint64_t tx_bytes;
	double delay;
	double steal;
	double preempted;
};

/**
 * struct bench_group - one table.
 * @reference: index of the contender that ratio columns refer to.
 * @run: one trial of @c: fills @values (one for each metric) and @window (for the disturbance
 *	test; the worst one where there are several).  Return: 0 or -errno with @why filled.
 * @tx: the sending end of contenders that have none.
 * @delay_limit: see bench_window.delay; a trial above it is disturbed.
 * @flows: source sockets of the sender.
 * @gso: the sender sends trains.
 * @rounds_max: rounds are cut to this, where none were asked for; 0 for no limit.
 * @spin: ends spin.
 * @publish: ends publish the library's counters with each event; only for counting.
 */
struct bench_group {
	const char *name;
	const char *what;
	const struct bench_contender *contenders;
	unsigned contender_count;
	const struct bench_metric *metrics;
	unsigned metric_count;
	const struct bench_goal *goals;
	unsigned goal_count;
	unsigned reference;
	int (*run)(const struct bench_group *g, const struct bench_contender *c,
		   const struct bench_settings *set, double *values, struct bench_window *window,
		   char *why);
	bench_end_fn tx;
	double delay_limit;
	unsigned flows;
	unsigned rounds_max;
	bool gso;
	bool spin;
	bool publish;
};

/* pair.c: the two processes of a trial. */
struct bench_pair {
	struct bench_side side;
	pid_t rx_pid;
	pid_t tx_pid;
	int rx_sock;
};

int bench_pair_start(struct bench_pair *p, const struct bench_group *g,
		     const struct bench_contender *c, const struct bench_settings *set);
int bench_pair_window(struct bench_pair *p, double seconds, struct bench_window *ret);
int bench_pair_command(struct bench_pair *p, enum bench_command command, uint32_t arg,
		       uint32_t rate, double deadline_s);
int bench_pair_report(struct bench_pair *p, double deadline_s);
void bench_pair_stop(struct bench_pair *p, char *why);
int bench_pair_simple(const struct bench_group *g, const struct bench_contender *c,
		      const struct bench_settings *set, struct bench_window *ret, char *why);
struct bench_shared *bench_shared_get(void);

/* observe.c: what the kernel knows about other processes. */
double bench_now_s(void);
uint64_t bench_now_ns(void);
void bench_sleep_s(double seconds);
double bench_process_cpu_s(pid_t pid);
uint64_t bench_process_delay_ns(pid_t pid);
uint64_t bench_process_preempted(pid_t pid);
uint64_t bench_process_rss_bytes(pid_t pid);
int bench_count_syscalls(pid_t pid, double seconds, _Atomic uint64_t *own, uint64_t *rettraced,
			 uint64_t *retown);
uint64_t bench_kernel_slab_bytes(void);
double bench_core_steal_s(int cpu);
double bench_core_idle_s(int cpu);
int bench_steal_tcp_socket(pid_t pid);
uint64_t bench_tcp_received(int fd);
bool bench_tcp_port_listens(uint16_t port);

/* ends.c: small things the ends do. */
int bench_fail(struct bench_side *side, int res, const char *what);
void *bench_buffer(size_t bytes);
int bench_tcp_listen(struct bench_side *side);
int bench_tcp_accept(struct bench_side *side);
int bench_tcp_connect(struct bench_side *side);
int bench_udp_bind(struct bench_side *side);
int bench_free_port(uint16_t *ret);
int bench_pin(int cpu);
int bench_raise_files(unsigned count);
void bench_set_nodelay(int fd);
int bench_set_nonblock(int fd);
int bench_set_congestion(struct bench_side *side, int fd);

static inline void bench_rx_add(struct bench_side *side, uint64_t units, uint64_t bytes)
{
	struct bench_shared *sh = side->sh;

	/* One writer: plain load and store, no locked instruction in what is measured. */
	atomic_store_explicit(&sh->rx_units,
			      atomic_load_explicit(&sh->rx_units, memory_order_relaxed) + units,
			      memory_order_relaxed);
	atomic_store_explicit(&sh->rx_bytes,
			      atomic_load_explicit(&sh->rx_bytes, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
}

static inline void bench_tx_add(struct bench_side *side, uint64_t units, uint64_t bytes)
{
	struct bench_shared *sh = side->sh;

	atomic_store_explicit(&sh->tx_units,
			      atomic_load_explicit(&sh->tx_units, memory_order_relaxed) + units,
			      memory_order_relaxed);
	atomic_store_explicit(&sh->tx_bytes,
			      atomic_load_explicit(&sh->tx_bytes, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
}

/* stat.c: medians. */
struct bench_stat {
	unsigned count;
	double median;
	double min;
	double max;
};

struct bench_stat bench_stat_of(const double *values, unsigned count);
double bench_percentile_us(uint32_t *sample_ns, unsigned count, double part);

/* harness.c: rounds of trials. */
struct bench_cell {
	double values[BENCH_METRICS_MAX];
	double score;
	bool have;
	bool disturbed;
};

struct bench_result {
	const struct bench_group *group;
	bool in[BENCH_CONTENDERS_MAX];
	char why[BENCH_CONTENDERS_MAX][256];
	unsigned retries[BENCH_CONTENDERS_MAX];
	unsigned rounds;
	unsigned retries_left;
	struct bench_cell cells[BENCH_CONTENDERS_MAX][BENCH_ROUNDS_MAX];
};

int bench_harness_run(const struct bench_group *g, const struct bench_settings *set,
		      struct bench_result *ret);
struct bench_stat bench_result_stat(const struct bench_result *r, unsigned c, unsigned metric);
struct bench_stat bench_result_ratio(const struct bench_result *r, unsigned c, unsigned ref,
				     unsigned metric);
int bench_contender_index(const struct bench_group *g, const char *name);

/* report.c: tables and JSON. */
void bench_report_table(const struct bench_result *r);
unsigned bench_report_goals(const struct bench_result *r);
int bench_json_open(const char *path, const struct bench_settings *set, FILE **ret);
void bench_json_string(FILE *to, const char *text);
void bench_json_group(FILE *to, const struct bench_result *r, bool first);
int bench_json_close(FILE *to);

/* alloc.c: calls of malloc, calloc, realloc and their kin made by this process. */
uint64_t bench_alloc_count(void);

/* The groups. */
extern const struct bench_group bench_tcp;
extern const struct bench_group bench_udp[4];
extern const struct bench_group bench_pingpong[2];
extern const struct bench_group bench_connections;
extern const struct bench_group bench_syscalls;

/* zc.c: the group "zerocopy", which has rows in place of rounds of one trial. */
int bench_zc_run(const struct bench_settings *set, FILE *json, bool *first, unsigned *missed);
void bench_zc_list(void);

#define BENCH_PP_BYTES 64 /* of a ping-pong message */

/* Ends shared between files. */
int bench_tcp_rx_uring(struct bench_side *side);
int bench_tcp_rx_weir_uring(struct bench_side *side);
int bench_tcp_rx_weir_epoll(struct bench_side *side);
int bench_udp_rx_weir_uring(struct bench_side *side);
int bench_udp_rx_weir_epoll(struct bench_side *side);
int bench_pp_server_weir_uring(struct bench_side *side);
int bench_pp_server_weir_epoll(struct bench_side *side);
int bench_pp_client_weir_uring(struct bench_side *side);
int bench_pp_client_weir_epoll(struct bench_side *side);
int bench_pp_server_by_hand(struct bench_side *side);
int bench_pp_client_by_hand(struct bench_side *side);
int bench_pp_client_blocking(struct bench_side *side);
bool bench_pp_sample(struct bench_side *side, uint64_t start_ns);
int bench_conn_rx_weir_uring(struct bench_side *side);
int bench_conn_rx_weir_epoll(struct bench_side *side);
int bench_conn_rx_epoll(struct bench_side *side);
int bench_conn_rx_uv(struct bench_side *side);
int bench_conn_client(struct bench_side *side);
const char *bench_conn_uv_missing(const struct bench_settings *set);
int bench_iperf3_rx(struct bench_side *side);
int bench_iperf3_rx_weir(struct bench_side *side);
int bench_iperf3_tx(struct bench_side *side);
const char *bench_iperf3_missing(const struct bench_settings *set);
const char *bench_iperf3_weir_missing(const struct bench_settings *set);

#endif
