/* SPDX-License-Identifier: MIT */
/*
 * iperf3.h - what the files of `weir iperf3` share: the protocol's numbers, one test, its streams.
 *
 * A test is one run between a client and a server.  It has a control connection and some data
 * streams; all of them are sockets of one engine.  The life of the objects:
 *
 *	struct i3_config   the command line; lives as long as the process
 *	struct i3_test     one test; freed when it was dropped and its last socket is closed
 *	struct i3_stream   a data stream of a test; freed with it
 */
#ifndef WEIR_TOOLS_IPERF3_H
#define WEIR_TOOLS_IPERF3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>
#include <weir/weir.h>

#include "weir_tool.h"

/* Limits of the protocol's partners. */
#define I3_PORT 5201
#define I3_COOKIE_BYTES 37 /* 36 letters and a NUL */
#define I3_STREAMS_MAX 128
#define I3_TCP_BLOCK (128 * 1024)
#define I3_BLOCK_MAX (1024 * 1024)
#define I3_UDP_BLOCK 1460 /* where the path says nothing better */
#define I3_UDP_BLOCK_MIN 16
#define I3_UDP_BLOCK_MAX (65535 - 8 - 20)
#define I3_UDP_RATE (1024 * 1024) /* bits/s, when -b is not given */
#define I3_TIME_MAX_S 86400
#define I3_OMIT_MAX_S 600
#define I3_MSS_MAX (9 * 1024)
#define I3_WINDOW_MAX (512 * 1024 * 1024)
#define I3_BURST_MAX 1000
#define I3_PACING_US 1000
#define I3_GRACE_US UINT64_C(40000000) /* a server's patience after the end of a test */
#define I3_PARAMS_JSON_MAX (64 * 1024)
#define I3_RESULTS_JSON_MAX (1024 * 1024)     /* from a client: 256 streams need 80 KiB */
#define I3_OUTPUT_JSON_MAX (64 * 1024 * 1024) /* from a server: holds its whole output */

/* The first datagram of a UDP stream and its answer, in the sender's byte order. */
#define I3_UDP_HELLO 0x36373839u
#define I3_UDP_HELLO_OLD 123456789u
#define I3_UDP_REPLY 0x39383736u
#define I3_UDP_REPLY_OLD 987654321u

/**
 * enum i3_state - one byte on the control connection: what comes next.
 */
enum i3_state {
	I3_TEST_START = 1,
	I3_TEST_RUNNING = 2,
	I3_TEST_END = 4,
	I3_PARAM_EXCHANGE = 9,
	I3_CREATE_STREAMS = 10,
	I3_SERVER_TERMINATE = 11,
	I3_CLIENT_TERMINATE = 12,
	I3_EXCHANGE_RESULTS = 13,
	I3_DISPLAY_RESULTS = 14,
	I3_START = 15,
	I3_DONE = 16,
	I3_ACCESS_DENIED = -1,
	I3_SERVER_ERROR = -2,
};

/**
 * enum i3_error - errors as they are numbered on the wire (after I3_SERVER_ERROR).
 */
enum i3_error {
	I3E_NONE = 0,
	I3E_DURATION = 5,
	I3E_STREAMS = 6,
	I3E_BLOCK = 7,
	I3E_WINDOW = 8,
	I3E_MSS = 10,
	I3E_OMIT = 12,
	I3E_UNIMPLEMENTED = 13,
	I3E_BURST = 15,
	I3E_UDP_BLOCK = 20,
	I3E_TOS = 21,
	I3E_REVERSE_BIDIR = 25,
	I3E_INIT = 101,
	I3E_LISTEN = 102,
	I3E_CONNECT = 103,
	I3E_RECV_COOKIE = 106,
	I3E_CTRL_CLOSED = 109,
	I3E_MESSAGE = 110,
	I3E_SEND_MESSAGE = 111,
	I3E_RECV_MESSAGE = 112,
	I3E_RECV_PARAMS = 114,
	I3E_RECV_RESULTS = 117,
	I3E_CLIENT_TERM = 119,
	I3E_SERVER_TERM = 120,
	I3E_ACCESS_DENIED = 121,
	I3E_SET_MSS = 123,
	I3E_SET_BUF = 124,
	I3E_SET_TOS = 125,
	I3E_SET_CONGESTION = 134,
	I3E_BUF_SIZE = 141,
	I3E_NO_DATA = 144,
	I3E_STREAM_CREATE = 200,
	I3E_STREAM_LISTEN = 202,
	I3E_STREAM_CONNECT = 203,
	I3E_STREAM_ACCEPT = 204,
	I3E_STREAM_WRITE = 205,
	I3E_STREAM_READ = 206,
	I3E_STREAM_ID = 208,
	I3E_TIMEOUT = 1000, /* ours, never sent: a step of the control protocol took too long */
};

/**
 * struct i3_params - parameters of a test, as the client tells them to the server.
 * @bytes: end after so many bytes; 0 for no such limit.
 * @blocks: end after so many blocks; 0 for no such limit.
 * @rate: bits per second and stream; 0 for no limit.
 * @fq_rate: SO_MAX_PACING_RATE in bits per second; 0 for none.
 * @time_s: seconds; 0 where @bytes or @blocks end the test.
 * @pacing_us: period of the pacing timer.
 * @server_cpu: CPU for the server; -1 for none.
 */
struct i3_params {
	bool udp;
	bool reverse;
	bool bidir;
	bool nodelay;
	bool counters64;
	bool repeating;
	bool zerocopy;
	bool dont_fragment;
	bool get_server_output;
	uint64_t bytes;
	uint64_t blocks;
	uint64_t rate;
	uint64_t fq_rate;
	uint32_t time_s;
	uint32_t omit_s;
	uint32_t streams;
	uint32_t block_bytes;
	uint32_t mss;
	uint32_t window;
	uint32_t tos;
	uint32_t burst;
	uint32_t pacing_us;
	int server_cpu;
	char congestion[16];
	char title[256];
	char extra_data[4096];
};

/**
 * struct i3_config - the command line.
 * @host: client: server's name or address; NULL makes it a server.
 * @family: AF_UNSPEC, AF_INET or AF_INET6.
 * @format: 0 for adaptive, or one of kmgtKMGT.
 * @interval_us: between reports; 0 for none.
 * @cpu_plus_1: CPU number plus one; 0 for none.
 * @control_timeout_us: longest time for one step of the control protocol.
 * @stall_timeout_us: longest time without data in a running test.
 * @test: a client's parameters.
 * @out: where reports go: stdout or the log file.
 */
struct i3_config {
	const char *host;
	const char *bind_host;
	const char *bind_device;
	const char *logfile;
	const char *pidfile;
	const char *timestamps;
	uint16_t port;
	uint16_t client_port;
	int family;
	char format;
	bool json;
	bool verbose;
	bool forceflush;
	bool one_off;
	bool daemon;
	uint64_t interval_us;
	uint64_t control_timeout_us;
	uint64_t stall_timeout_us;
	uint64_t connect_timeout_us;
	uint64_t idle_timeout_us;
	uint32_t user_timeout_ms;
	uint32_t cpu_plus_1;
	struct tool_engine engine;
	struct i3_params test;
	FILE *out;
};

/**
 * struct i3_buf - bytes that arrived on a connection and were not consumed yet.
 */
struct i3_buf {
	uint8_t *data;
	size_t len;
	size_t room;
};

/**
 * struct i3_cpu - CPU use since i3_cpu_start().
 * @percent: total, user, system.
 */
struct i3_cpu {
	uint64_t wall_ns;
	uint64_t total_ns;
	uint64_t user_us;
	uint64_t system_us;
	double percent[3];
};

/**
 * struct i3_interval - what one stream did in one interval.
 */
struct i3_interval {
	uint64_t bytes;
	int64_t packets;
	int64_t lost;
	int64_t out_of_order;
	double jitter_s;
	uint32_t retransmits;
	uint32_t rtt_us;
	uint32_t rttvar_us;
	uint32_t pmtu;
	uint64_t cwnd_bytes;
	uint64_t window_bytes;
};

/**
 * struct i3_tcp_sum - what a TCP sender's kernel said over a whole test.
 */
struct i3_tcp_sum {
	uint64_t total_retransmits; /* as the kernel counts, at the last look */
	int64_t retransmits;	    /* since the start of the test proper */
	uint64_t written_before;    /* payload before the test's first byte */
	uint64_t max_cwnd_bytes;
	uint64_t max_window_bytes;
	uint64_t max_rtt_us;
	uint64_t min_rtt_us;
	uint64_t rtt_sum_us;
	uint64_t rtt_count;
};

/**
 * struct i3_udp_count - datagrams of one UDP stream.
 * @packets: sender: datagrams sent; receiver: highest sequence number.
 */
struct i3_udp_count {
	int64_t packets;
	int64_t lost;
	int64_t out_of_order;
};

/**
 * struct i3_peer_result - what the other side said about a stream.
 */
struct i3_peer_result {
	bool known;
	uint64_t bytes;
	int64_t retransmits;
	double jitter_s;
	double seconds;
	int64_t packets;
	int64_t lost;
	int64_t omitted_packets;
	int64_t omitted_lost;
	bool omitted_known;
};

struct i3_test;

/**
 * struct i3_stream - one data stream.
 * @sock: NULL once closed.
 * @id: number on the wire: 1, 3, 4, 5, ...
 * @fd: number printed in brackets.
 * @bytes: bytes since the start, the omitted ones included.
 * @omitted_bytes: of these, before the end of the omitted part.
 * @queued_bytes: sender: bytes handed to the engine, whether sent yet or not.
 * @in_flight: sender: sends whose end was not reported.
 * @window: TCP sender: how many there may be.
 * @ctx_plus_1: TCP sender: its context, plus 1; 0 before the first send.
 * @open_sends: TCP sender: sends of the generation that is open.
 * @uncopied: sender: bytes that went without a copy, at the last look.
 * @stalled: sender: the transmit queue was full; goes on when it has room.
 * @trains: UDP sender: one buffer per send in flight.
 * @train_free: bit per train.
 * @now: the interval under way.
 * @last: the interval that was reported last.
 * @udp: datagram counts; @udp_omitted at the end of the omitted part; @udp_before at the end of
 *	the last interval.
 */
struct i3_stream {
	struct i3_test *test;
	struct weir_sock *sock;
	int id;
	int fd;
	bool sender;
	bool ended;
	bool stalled;
	struct weir_addr local;
	struct weir_addr peer;
	uint64_t bytes;
	uint64_t omitted_bytes;
	uint64_t interval_bytes;
	uint64_t queued_bytes;
	unsigned in_flight;
	unsigned window;
	unsigned ctx_plus_1;
	unsigned open_sends;
	uint64_t uncopied;
	unsigned burst_left;
	uint32_t train_free;
	uint8_t *trains;
	struct i3_interval last;
	struct i3_tcp_sum tcp;
	struct i3_udp_count udp;
	struct i3_udp_count udp_omitted;
	struct i3_udp_count udp_before;
	double jitter_s;
	double transit_s;
	bool transit_known;
	struct i3_peer_result from_peer;
};

/**
 * struct i3_hooks - what a role (client, server) does for a test.
 * @bytes: bytes arrived on the control connection (test->in).
 * @failed: the test cannot go on; report with i3_fail_text() and drop it.
 * @tick: an interval of the test ended.
 * @expired: the deadline that i3_deadline() set has passed.
 * @progress: data was sent or received: is the test's limit reached?
 * @freed: the test's last socket is closed and the test is gone.
 */
struct i3_hooks {
	void (*bytes)(struct i3_test *t);
	void (*failed)(struct i3_test *t, enum i3_error code, int err);
	void (*expired)(struct i3_test *t);
	void (*progress)(struct i3_test *t);
	void (*freed)(void *role);
};

/**
 * struct i3_test - one test.
 * @role: the client or the server it belongs to.
 * @state: the last state sent or received.
 * @running: data counts.
 * @omitting: in the omitted first part (-O).
 * @finished: the end was reached; what still arrives does not count.
 * @time_up: a client's -t has passed.
 * @dropped: i3_test_drop() was called.
 * @trouble: a stream's error, reported when the control connection does not explain it.
 * @retransmits: this side can count retransmissions (TCP sender).
 * @peer_retransmits: the other side said that it can; -1 before it said anything.
 * @waiting_for: what the deadline is for, for the error text.
 * @sockets: sockets that are not closed yet; the test lives as long.
 * @payload: what streams send, @params.block_bytes long.
 */
struct i3_test {
	const struct i3_config *conf;
	struct weir_engine *engine;
	const struct i3_hooks *hooks;
	void *role;
	struct i3_params params;
	bool server;
	enum i3_state state;
	bool running;
	bool omitting;
	bool finished;
	bool time_up;
	bool dropped;
	bool header_printed;
	bool failed;
	enum i3_error trouble;
	int trouble_err;
	int retransmits;
	int peer_retransmits;
	const char *waiting_for;
	char cookie[I3_COOKIE_BYTES];
	char peer_host[64];
	uint16_t peer_port;
	int control_mss;
	int control_domain;
	uint32_t sndbuf_actual;
	uint32_t rcvbuf_actual;
	char congestion_used[16];
	char peer_congestion[16];

	struct weir_sock *control;
	struct i3_buf in;
	unsigned sockets;
	struct i3_stream *streams[2 * I3_STREAMS_MAX];
	unsigned stream_count;
	uint8_t *payload;
	unsigned train_count;
	unsigned train_packets;

	uint64_t start_ns;
	uint64_t started_ns; /* before the omitted part; pacing counts from here */
	uint64_t stop_ns;    /* client with -t: when the end is due; else 0 */
	uint64_t end_ns;
	uint64_t interval_start_ns;
	uint64_t interval_end_ns;
	bool interval_omitted;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t blocks_sent;
	uint64_t blocks_received;
	uint64_t bytes_queued;
	uint64_t progress_seen;
	uint64_t progress_ns;
	uint64_t pacing_due_ns;
	struct weir_timer interval_timer;
	struct weir_timer omit_timer;
	struct weir_timer end_timer;
	struct weir_timer pacing_timer;
	struct weir_timer deadline;
	struct weir_timer watchdog;

	struct i3_cpu cpu;
	double peer_cpu[3];
	struct weir_engine_stats stats_before;
	struct weir_engine_stats stats;

	char *text; /* server: output kept for the client */
	size_t text_len;
	size_t text_room;
	char *peer_text;
	cJSON *peer_json;
	cJSON *json;
	cJSON *json_start;
	cJSON *json_connected;
	cJSON *json_intervals;
	cJSON *json_end;
};

/* iperf3_opt.c */

/**
 * i3_parse() - read the command line.
 * @argc: words.
 * @argv: words, argv[0] the subcommand's name.
 * @retconf: receives the configuration, valid as long as @argv is.
 *
 * Return: -1 to go on, else the exit code.
 */
int i3_parse(int argc, char **argv, const struct i3_config **retconf);

/* iperf3_unit.c */

#define I3_UNIT_BYTES 24

/**
 * i3_format_unit() - a number of bytes in the width and the words of iperf3.
 * @value: bytes (or bytes per second).
 * @format: 'A' adaptive bytes, 'a' adaptive bits, or one of kmgt (bits) KMGT (bytes).
 * @buf: receives the text: four digits, a space, the unit; I3_UNIT_BYTES long.
 *
 * Return: @buf.
 */
const char *i3_format_unit(double value, char format, char buf[I3_UNIT_BYTES]);
void i3_cpu_start(struct i3_cpu *cpu);
void i3_cpu_stop(struct i3_cpu *cpu);
uint64_t i3_now_ns(void);
/* Text of an error; err is a positive errno or 0. */
const char *i3_error_text(enum i3_error code, int err, char *buf, size_t bytes);

/* iperf3_proto.c */

int i3_buf_add(struct i3_buf *buf, const void *data, size_t len, size_t max);
void i3_buf_consume(struct i3_buf *buf, size_t len);
void i3_buf_fini(struct i3_buf *buf);
void i3_cookie_make(char cookie[I3_COOKIE_BYTES]);
/* Sends a state byte; remembers the state. */
int i3_send_state(struct i3_test *t, enum i3_state state);
/* Sends I3_SERVER_ERROR with its two numbers. */
int i3_send_error(struct i3_test *t, enum i3_error code, int err);
int i3_send_json(struct i3_test *t, const cJSON *json);
/* Return: 1 and *retjson when a whole text is there; 0 to wait for more; -EBADMSG, -EMSGSIZE. */
int i3_take_json(struct i3_buf *in, size_t max, cJSON **retjson);
cJSON *i3_params_encode(const struct i3_params *p);
/* Return: I3E_NONE or what the parameters are refused with. */
enum i3_error i3_params_decode(const cJSON *json, struct i3_params *ret);
/* iperf3_results.c */
cJSON *i3_results_encode(struct i3_test *t);
enum i3_error i3_results_decode(struct i3_test *t, cJSON *json);

/* iperf3_net.c */

/**
 * struct i3_fail - why a socket could not be made.
 */
struct i3_fail {
	enum i3_error code;
	int err;
	char what[160];
};

int i3_listen_fd(const struct i3_config *conf, int type, int family, struct i3_fail *fail);
int i3_dial_control(const struct i3_config *conf, struct i3_fail *fail);
/* A data stream's socket of a client, connected; blocks. */
int i3_dial_stream(struct i3_test *t, uint16_t client_port, struct i3_fail *fail);
int i3_set_buffers(struct i3_test *t, int fd, struct i3_fail *fail);
int i3_set_stream_options(struct i3_test *t, int fd, struct i3_fail *fail);
void i3_listener_options(struct i3_test *t, int fd, bool on, struct i3_fail *fail);
void i3_note_congestion(struct i3_test *t, int fd);
int i3_tcp_mss(int fd);
/* Host and port of an address, IPv4 in IPv6 written as IPv4. */
const char *i3_host(const struct weir_addr *a, char *buf, size_t bytes);
uint16_t i3_port_of(const struct weir_addr *a);

/* iperf3_ctx.c */

/* All contexts of the process's only engine, once. */
int i3_ctxs_register(struct weir_engine *e, struct weir_error *reterr);
/* A context for a TCP sender; -ENOBUFS where none is free. */
int i3_ctx_take(struct i3_stream *st);
/* The stream's socket is closed. */
void i3_ctx_drop(struct i3_stream *st);
/* weir_engine_opts.released */
void i3_released(struct weir_engine *e, const struct weir_event *ev, void *user);
/* Looks how many bytes the stream sent without a copy. */
void i3_note_uncopied(struct i3_stream *st);
/* Bytes of the test that went without a copy. */
uint64_t i3_uncopied(struct i3_test *t);
/* What the library says of the choice ("sends copy: ..."); "" where it says nothing. */
const char *i3_sends_why(const struct i3_test *t);

/* iperf3_test.c */

struct i3_test *i3_test_new(const struct i3_config *conf, struct weir_engine *e,
			    const struct i3_hooks *hooks, void *role);
/* Close all sockets of the test; it frees itself when the last is closed. */
void i3_test_drop(struct i3_test *t);
/* The control connection is the test's from here on (ops and user pointer are set). */
void i3_test_set_control(struct i3_test *t, struct weir_sock *s);
void i3_control_finish(struct i3_test *t);
struct i3_stream *i3_stream_add(struct i3_test *t, struct weir_sock *s, bool sender);
/* All streams exist: buffers for sending, statistics, timers. */
int i3_test_start(struct i3_test *t);
/* Data may flow. */
void i3_test_run(struct i3_test *t);
/* The end was reached: stop sending and counting, take the last interval and the CPU use. */
void i3_test_finish(struct i3_test *t);
void i3_deadline(struct i3_test *t, uint64_t after_us, const char *waiting_for);
void i3_fail(struct i3_test *t, enum i3_error code, int err);
/* Look at paced or stalled senders again after a time at the latest. */
void i3_pace(struct i3_test *t, uint64_t wait_us);
bool i3_limit_reached(const struct i3_test *t);
/* Does a receiver's socket hold data? */
bool i3_unread(const struct i3_test *t);
/* Does a sender's socket hold data that the other side did not acknowledge? */
bool i3_unacked(const struct i3_test *t);
/* Does the engine hold sends of a stream, which the kernel has not taken yet? */
bool i3_sending(const struct i3_test *t);

/* iperf3_stats.c */

/* Before the first byte of a test. */
void i3_stats_begin(struct i3_test *t);
void i3_stats_interval(struct i3_test *t);
/* After the other side stopped counting: what the kernel took of sends that are not done. */
void i3_stats_settle(struct i3_test *t);
void i3_stats_reset(struct i3_test *t);
double i3_seconds(uint64_t from_ns, uint64_t to_ns);

/* iperf3_tcp.c and iperf3_udp.c: the data planes */

extern const struct weir_sock_ops i3_tcp_ops;
extern const struct weir_sock_ops i3_udp_ops;
/* Hand the engine what the stream may send now; UDP: one train, false where there was none. */
void i3_tcp_fill(struct i3_stream *st);
/* A generation of the stream's context has ended. */
void i3_tcp_released(struct i3_stream *st, const struct weir_generation *gen, int res);
/* WEIR_SEND_*: -Z. */
unsigned i3_send_flags(const struct i3_test *t);
bool i3_udp_fill(struct i3_stream *st);
/* The same; false where the stream has no more to send now. */
bool i3_fill(struct i3_stream *st);
int i3_udp_init(struct i3_test *t);
void i3_count_received(struct i3_stream *st, uint64_t bytes, uint64_t blocks);
void i3_count_sent(struct i3_stream *st, uint64_t bytes, uint64_t blocks);
/* Blocks that limits and -b let a stream queue now; *retwait_us: time until the next when 0. */
unsigned i3_allowance(struct i3_stream *st, uint64_t *retwait_us);
/* The same; where the rate is what holds the stream back, the pacing timer wakes it. */
unsigned i3_may_queue(struct i3_stream *st);
/* Blocks were queued. */
void i3_queued(struct i3_stream *st, unsigned blocks);
/* A stream's sending or receiving failed: the control connection may soon say why. */
void i3_stream_trouble(struct i3_stream *st, enum i3_error code, int err);
void i3_stream_closed(struct weir_sock *s, void *user);
void i3_stream_ended(struct weir_sock *s, int res, void *user);
/* One datagram of a receiver; now_s is its time of arrival. */
void i3_udp_account(struct i3_stream *st, const uint8_t *data, uint32_t len, double now_s);
void i3_udp_stamp(struct i3_stream *st, uint8_t *at, uint64_t now_ns);
bool i3_udp_is_hello(const void *data, size_t len);
bool i3_udp_is_reply(const void *data, size_t len);

/* iperf3_text.c: reports for people */

void i3_print(struct i3_test *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void i3_text_accepted(struct i3_test *t);
void i3_text_connecting(struct i3_test *t);
void i3_text_connected(struct i3_stream *st);
void i3_text_start(struct i3_test *t);
void i3_text_interval(struct i3_test *t);
void i3_text_summary(struct i3_test *t);

/* iperf3_jout.c: reports for programs */

int i3_json_begin(struct i3_test *t);
void i3_json_accepted(struct i3_test *t);
void i3_json_connecting(struct i3_test *t);
void i3_json_connected(struct i3_stream *st);
void i3_json_start(struct i3_test *t);
void i3_json_interval(struct i3_test *t);
void i3_json_summary(struct i3_test *t);
void i3_json_error(struct i3_test *t, const char *text);
void i3_json_end(struct i3_test *t);

/* iperf3_report.c: both, by the configuration; sums that both print */

/**
 * struct i3_sum - the streams of one direction taken together.
 */
struct i3_sum {
	bool sender;  /* this side sends in this direction */
	bool reverse; /* the data flows from server to client in a --bidir test */
	bool retransmits;
	unsigned count;
	uint64_t sent;
	uint64_t received;
	double sent_s;
	double received_s;
	int64_t retransmit_count;
	int64_t packets;
	int64_t sender_packets;
	int64_t receiver_packets;
	int64_t lost;
	double jitter_s;
	struct i3_interval interval;
};

/**
 * struct i3_line - one stream's final figures, from both sides where they are known.
 */
struct i3_line {
	uint64_t sent;
	uint64_t received;
	double sent_s;
	double received_s;
	int64_t retransmits;
	int64_t sender_packets;
	int64_t receiver_packets;
	int64_t lost; /* -1 where the other side did not say what it omitted */
	int64_t out_of_order;
	double jitter_s;
};

/* Directions of a test in the order they are reported: 1 or 2. */
unsigned i3_directions(const struct i3_test *t, bool ret_sender[2]);
void i3_line_make(const struct i3_stream *st, struct i3_line *ret);
void i3_sum_make(const struct i3_test *t, bool sender, struct i3_sum *ret);
double i3_rate(uint64_t bytes, double seconds);
double i3_percent(int64_t part, int64_t whole);
bool i3_interval_worth(const struct i3_test *t);
void i3_report_accepted(struct i3_test *t);
void i3_report_connecting(struct i3_test *t);
void i3_report_connected(struct i3_stream *st);
void i3_report_start(struct i3_test *t);
void i3_report_interval(struct i3_test *t);
void i3_report_summary(struct i3_test *t);
void i3_report_error(struct i3_test *t, const char *text);
void i3_report_end(struct i3_test *t);
/* An error outside of any test. */
void i3_complain(const struct i3_config *conf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void i3_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* iperf3_client.c, iperf3_server.c: the roles; return the exit code */

int i3_client(const struct i3_config *conf, struct weir_engine *e);
int i3_server(const struct i3_config *conf, struct weir_engine *e);

/* iperf3.c */

/* Was the process asked to end? */
int i3_signal(void);
int i3_pin(unsigned cpu_plus_1);

#endif
