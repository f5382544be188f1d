/* SPDX-License-Identifier: MIT */
/*
 * iperf3_opt.c - the command line of `weir iperf3`: iperf3's options, and those of the engine.
 *
 * Theory: one table gives parsing, ranges and help.  Afterwards what belongs to one role only is
 *	checked, defaults that depend on other options are filled in, and what the table wrote in
 *	its own units goes into the configuration.
 * Invariants:
 *	1. an option means what it means to iperf3: K is 1024 for sizes, 1000 for rates.
 * Ownership: strings point into argv.
 * Threads: one, once.
 * Errors: exit code 2 and a line that names the option.
 * Sources: iperf3(1); iperf 3.12 iperf_api.c (iperf_parse_arguments) for limits and conflicts;
 *	RFC 2474, 2597, 3246 for the names of code points.
 * Tests: tests/cli/iperf3_options.sh
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iperf3.h"
#include "weir_tool.h"

static struct i3_config conf;

static bool server, version, sctp, six, four;
static const char *host, *bind_text, *title, *extra_data, *congestion;
static uint64_t port = I3_PORT, client_port, streams = 1, seconds = 10, omit, bytes, blocks;
static uint64_t block_bytes, window, mss, fq_rate, interval_us = 1000000, pacing_us = I3_PACING_US;
static uint64_t connect_ms, receive_ms = 120000, send_ms, idle_s, control_ms = 10000;
static uint64_t rate;

/* Which options were given, where that matters. */
static struct {
	bool rate, seconds, stamps, one_off, idle, daemon, udp, streams, bytes, blocks, length;
	bool reverse, bidir, window, mss, nodelay, tos, extra, omit, title, congestion, output;
	bool zerocopy, repeating, fq, pacing, connect, df, receive;
} given;

static int call_unsupported(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	(void)opt;
	(void)value;
	snprintf(why, why_bytes, "left out: weir iperf3 does not have this option");
	return -EINVAL;
}

static int call_format(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	(void)opt;
	if (strlen(value) == 1 && strchr("kmgtKMGT", value[0])) {
		conf.format = value[0];
		return 0;
	}
	snprintf(why, why_bytes, "one letter of kmgtKMGT");
	return -EINVAL;
}

/* RATE[/BURST] */
static int call_rate(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	const char *slash = strchr(value, '/');
	char text[64];
	uint64_t burst = 0;

	(void)opt;
	snprintf(why, why_bytes, "bits per second with K, M, G, T, perhaps /1 to /%d blocks",
		 I3_BURST_MAX);
	snprintf(text, sizeof(text), "%.*s", slash ? (int)(slash - value) : 63, value);
	if (opt_parse_value(OPT_RATE, text, &rate))
		return -EINVAL;
	if (slash &&
	    (opt_parse_value(OPT_UINT, slash + 1, &burst) || !burst || burst > I3_BURST_MAX))
		return -EINVAL;
	conf.test.burst = (uint32_t)burst;
	return 0;
}

static bool parse_long(const char *text, long min, long max, long *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 0); /* also octal and hexadecimal, as iperf3 */
	if (end == text || *end || errno || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

static int call_tos(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	long tos;

	(void)opt;
	snprintf(why, why_bytes, "0 to 255 (decimal, 0x... or octal 0...)");
	if (!parse_long(value, 0, 255, &tos))
		return -EINVAL;
	conf.test.tos = (uint32_t)tos;
	return 0;
}

static int call_dscp(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	long dscp = -1;

	(void)opt;
	if (!strcasecmp(value, "ef"))
		dscp = 46;
	else if (strlen(value) == 3 && !strncasecmp(value, "cs", 2) && value[2] >= '0' &&
		 value[2] <= '7')
		dscp = (value[2] - '0') << 3;
	else if (strlen(value) == 4 && !strncasecmp(value, "af", 2) && value[2] >= '1' &&
		 value[2] <= '4' && value[3] >= '1' && value[3] <= '3')
		dscp = ((value[2] - '0') << 3) + ((value[3] - '0') << 1);
	if (dscp < 0 && !parse_long(value, 0, 63, &dscp)) {
		snprintf(why, why_bytes, "0 to 63, af11 to af43, cs0 to cs7, ef");
		return -EINVAL;
	}
	conf.test.tos = (uint32_t)dscp << 2;
	return 0;
}

/* N[,M]: our CPU, the server's CPU */
static int call_affinity(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	const char *comma = strchr(value, ',');
	char text[16];
	long cpu, theirs = -1;

	(void)opt;
	snprintf(why, why_bytes, "a CPU number (0 to 1023), perhaps ,N for the server's CPU");
	snprintf(text, sizeof(text), "%.*s", comma ? (int)(comma - value) : 15, value);
	if (!parse_long(text, 0, 1023, &cpu) || (comma && !parse_long(comma + 1, 0, 1023, &theirs)))
		return -EINVAL;
	conf.cpu_plus_1 = (uint32_t)cpu + 1;
	conf.test.server_cpu = (int)theirs;
	return 0;
}

#define UNSUPPORTED(option_name, option_letter)                                 \
	{                                                                       \
		.name = option_name, .letter = option_letter, .kind = OPT_CALL, \
		.flags = OPT_HIDDEN, .call = call_unsupported                   \
	}

static const struct opt table[] = {
	{ .kind = OPT_HEADING, .help = "Server or client" },
	{ .name = "port",
	  .letter = 'p',
	  .kind = OPT_UINT,
	  .target = &port,
	  .min = 1,
	  .max = 65535,
	  .help = "port to listen on or to connect to (default 5201)" },
	{ .name = "format",
	  .letter = 'f',
	  .kind = OPT_CALL,
	  .call = call_format,
	  .arg = "[kmgtKMGT]",
	  .help = "unit of rates: bits (kmgt) or bytes (KMGT)" },
	{ .name = "interval",
	  .letter = 'i',
	  .kind = OPT_SECONDS,
	  .target = &interval_us,
	  .max = 60000000,
	  .flags = OPT_NO_LIMITS,
	  .help = "seconds between reports (0.1 to 60; default 1; 0: none)" },
	TOOL_ENGINE_OPTIONS(conf.engine),
	{ .name = "bind",
	  .letter = 'B',
	  .kind = OPT_STRING,
	  .target = &bind_text,
	  .min = 1,
	  .max = 255,
	  .flags = OPT_NO_LIMITS,
	  .arg = "HOST[%DEV]",
	  .help = "bind to this address, and to the interface" },
	{ .name = "bind-dev",
	  .kind = OPT_STRING,
	  .target = &conf.bind_device,
	  .min = 1,
	  .max = 15,
	  .flags = OPT_NO_LIMITS,
	  .arg = "DEV",
	  .help = "bind to this interface" },
	{ .name = "affinity",
	  .letter = 'A',
	  .kind = OPT_CALL,
	  .call = call_affinity,
	  .arg = "N[,M]",
	  .help = "run on CPU N (and ask the server to run on M)" },
	{ .name = "version4",
	  .letter = '4',
	  .kind = OPT_FLAG,
	  .target = &four,
	  .group = 2,
	  .help = "use IPv4 only" },
	{ .name = "version6",
	  .letter = '6',
	  .kind = OPT_FLAG,
	  .target = &six,
	  .group = 2,
	  .help = "use IPv6 only" },
	{ .name = "verbose",
	  .letter = 'V',
	  .kind = OPT_FLAG,
	  .target = &conf.verbose,
	  .help = "print more" },
	{ .name = "json",
	  .letter = 'J',
	  .kind = OPT_FLAG,
	  .target = &conf.json,
	  .help = "print a JSON document per test, with iperf3's keys" },
	{ .name = "logfile",
	  .kind = OPT_STRING,
	  .target = &conf.logfile,
	  .arg = "FILE",
	  .help = "append all output to FILE" },
	{ .name = "forceflush",
	  .kind = OPT_FLAG,
	  .target = &conf.forceflush,
	  .help = "does nothing: output is flushed after each interval anyway" },
	{ .name = "timestamps",
	  .kind = OPT_STRING,
	  .target = &conf.timestamps,
	  .given = &given.stamps,
	  .flags = OPT_OPTIONAL,
	  .arg = "FORMAT",
	  .help = "begin each line with the time, as strftime(3) formats it" },
	{ .name = "pidfile",
	  .letter = 'I',
	  .kind = OPT_STRING,
	  .target = &conf.pidfile,
	  .arg = "FILE",
	  .help = "write the process id to FILE" },
	{ .name = "rcv-timeout",
	  .kind = OPT_UINT,
	  .target = &receive_ms,
	  .min = 100,
	  .max = 86400000,
	  .given = &given.receive,
	  .flags = OPT_NO_LIMITS,
	  .arg = "MS",
	  .help = "end a test without data after this many milliseconds (default 120000)" },
	{ .name = "snd-timeout",
	  .kind = OPT_UINT,
	  .target = &send_ms,
	  .max = 86400000,
	  .flags = OPT_NO_LIMITS,
	  .arg = "MS",
	  .help = "TCP_USER_TIMEOUT: give up on data that is not acknowledged" },
	{ .name = "control-timeout",
	  .kind = OPT_UINT,
	  .target = &control_ms,
	  .min = 50,
	  .max = 3600000,
	  .flags = OPT_NO_LIMITS,
	  .arg = "MS",
	  .help = "longest time for a step of the control protocol (default 10000)" },
	{ .name = "version",
	  .letter = 'v',
	  .kind = OPT_FLAG,
	  .target = &version,
	  .help = "print the version" },
	{ .kind = OPT_HEADING, .help = "Server" },
	{ .name = "server",
	  .letter = 's',
	  .kind = OPT_FLAG,
	  .target = &server,
	  .group = 1,
	  .help = "run as a server" },
	{ .name = "one-off",
	  .letter = '1',
	  .kind = OPT_FLAG,
	  .target = &conf.one_off,
	  .given = &given.one_off,
	  .help = "serve one test, then exit" },
	{ .name = "daemon",
	  .letter = 'D',
	  .kind = OPT_FLAG,
	  .target = &conf.daemon,
	  .given = &given.daemon,
	  .help = "run in the background" },
	{ .name = "idle-timeout",
	  .kind = OPT_UINT,
	  .target = &idle_s,
	  .min = 1,
	  .max = 86400,
	  .given = &given.idle,
	  .flags = OPT_NO_LIMITS,
	  .arg = "S",
	  .help = "with -1: exit when no client came for so many seconds" },
	{ .kind = OPT_HEADING, .help = "Client" },
	{ .name = "client",
	  .letter = 'c',
	  .kind = OPT_STRING,
	  .target = &host,
	  .group = 1,
	  .min = 1,
	  .max = 255,
	  .flags = OPT_NO_LIMITS,
	  .arg = "HOST",
	  .help = "run as a client of HOST" },
	{ .name = "udp",
	  .letter = 'u',
	  .kind = OPT_FLAG,
	  .target = &conf.test.udp,
	  .given = &given.udp,
	  .help = "UDP instead of TCP" },
	{ .name = "bitrate",
	  .letter = 'b',
	  .kind = OPT_CALL,
	  .call = call_rate,
	  .given = &given.rate,
	  .arg = "RATE[/N]",
	  .help = "bits per second and stream, with K, M, G, T; 0 for no limit (default: none "
		  "for TCP, 1 Mbit/s for UDP); /N sends bursts of N blocks" },
	{ .name = "bandwidth",
	  .kind = OPT_CALL,
	  .call = call_rate,
	  .given = &given.rate,
	  .flags = OPT_HIDDEN },
	{ .name = "pacing-timer",
	  .kind = OPT_BYTES,
	  .target = &pacing_us,
	  .min = 1,
	  .max = 1000000,
	  .given = &given.pacing,
	  .flags = OPT_NO_LIMITS,
	  .arg = "US",
	  .help = "period of the pacing of -b in microseconds (default 1000)" },
	{ .name = "fq-rate",
	  .kind = OPT_RATE,
	  .target = &fq_rate,
	  .given = &given.fq,
	  .help = "let the kernel pace (SO_MAX_PACING_RATE), bits per second" },
	{ .name = "time",
	  .letter = 't',
	  .kind = OPT_UINT,
	  .target = &seconds,
	  .min = 0,
	  .max = I3_TIME_MAX_S,
	  .given = &given.seconds,
	  .flags = OPT_NO_LIMITS,
	  .arg = "S",
	  .help = "seconds to send (default 10; 0: until interrupted)" },
	{ .name = "bytes",
	  .letter = 'n',
	  .kind = OPT_BYTES,
	  .target = &bytes,
	  .given = &given.bytes,
	  .help = "bytes to send, instead of -t" },
	{ .name = "blockcount",
	  .letter = 'k',
	  .kind = OPT_BYTES,
	  .target = &blocks,
	  .given = &given.blocks,
	  .arg = "N",
	  .help = "blocks to send, instead of -t or -n" },
	{ .name = "length",
	  .letter = 'l',
	  .kind = OPT_BYTES,
	  .target = &block_bytes,
	  .given = &given.length,
	  .help = "size of a block (default 128K; UDP: what one packet of the path holds)" },
	{ .name = "cport",
	  .kind = OPT_UINT,
	  .target = &client_port,
	  .min = 1,
	  .max = 65535,
	  .flags = OPT_NO_LIMITS,
	  .arg = "PORT",
	  .help = "local port of the first stream" },
	{ .name = "parallel",
	  .letter = 'P',
	  .kind = OPT_UINT,
	  .target = &streams,
	  .min = 1,
	  .max = I3_STREAMS_MAX,
	  .given = &given.streams,
	  .help = "number of streams" },
	{ .name = "reverse",
	  .letter = 'R',
	  .kind = OPT_FLAG,
	  .target = &conf.test.reverse,
	  .given = &given.reverse,
	  .group = 3,
	  .help = "the server sends" },
	{ .name = "bidir",
	  .kind = OPT_FLAG,
	  .target = &conf.test.bidir,
	  .given = &given.bidir,
	  .group = 3,
	  .help = "both send" },
	{ .name = "window",
	  .letter = 'w',
	  .kind = OPT_BYTES,
	  .target = &window,
	  .min = 0,
	  .max = I3_WINDOW_MAX,
	  .given = &given.window,
	  .flags = OPT_NO_LIMITS,
	  .help = "size of the socket buffers" },
	{ .name = "congestion",
	  .letter = 'C',
	  .kind = OPT_STRING,
	  .target = &congestion,
	  .min = 1,
	  .max = 15,
	  .given = &given.congestion,
	  .flags = OPT_NO_LIMITS,
	  .arg = "ALGO",
	  .help = "TCP congestion control algorithm" },
	{ .name = "linux-congestion",
	  .kind = OPT_STRING,
	  .target = &congestion,
	  .min = 1,
	  .max = 15,
	  .given = &given.congestion,
	  .flags = OPT_HIDDEN },
	{ .name = "set-mss",
	  .letter = 'M',
	  .kind = OPT_UINT,
	  .target = &mss,
	  .min = 88,
	  .max = I3_MSS_MAX,
	  .given = &given.mss,
	  .help = "TCP maximum segment size" },
	{ .name = "no-delay",
	  .letter = 'N',
	  .kind = OPT_FLAG,
	  .target = &conf.test.nodelay,
	  .given = &given.nodelay,
	  .help = "no Nagle's algorithm" },
	{ .name = "tos",
	  .letter = 'S',
	  .kind = OPT_CALL,
	  .call = call_tos,
	  .given = &given.tos,
	  .arg = "N",
	  .help = "IP type of service, 0 to 255, also 0x.. and octal" },
	{ .name = "dscp",
	  .kind = OPT_CALL,
	  .call = call_dscp,
	  .given = &given.tos,
	  .arg = "VALUE",
	  .help = "IP code point: 0 to 63 or a name (af11, cs1, ef)" },
	{ .name = "zerocopy",
	  .letter = 'Z',
	  .kind = OPT_FLAG,
	  .target = &conf.test.zerocopy,
	  .given = &given.zerocopy,
	  .help = "send without a copy wherever the kernel can (a server of iperf3: by sendfile); "
		  "if not given, where it pays" },
	{ .name = "omit",
	  .letter = 'O',
	  .kind = OPT_UINT,
	  .target = &omit,
	  .max = 60,
	  .given = &given.omit,
	  .flags = OPT_NO_LIMITS,
	  .arg = "S",
	  .help = "leave out the first seconds (0 to 60)" },
	{ .name = "title",
	  .letter = 'T',
	  .kind = OPT_STRING,
	  .target = &title,
	  .max = 255,
	  .given = &given.title,
	  .flags = OPT_NO_LIMITS,
	  .help = "begin each line with this" },
	{ .name = "extra-data",
	  .kind = OPT_STRING,
	  .target = &extra_data,
	  .max = 4095,
	  .given = &given.extra,
	  .flags = OPT_NO_LIMITS,
	  .help = "text to put into both sides' JSON" },
	{ .name = "get-server-output",
	  .kind = OPT_FLAG,
	  .target = &conf.test.get_server_output,
	  .given = &given.output,
	  .help = "print the server's output too" },
	{ .name = "udp-counters-64bit",
	  .kind = OPT_FLAG,
	  .target = &conf.test.counters64,
	  .help = "number datagrams with 64 bits" },
	{ .name = "repeating-payload",
	  .kind = OPT_FLAG,
	  .target = &conf.test.repeating,
	  .given = &given.repeating,
	  .help = "send digits instead of noise" },
	{ .name = "dont-fragment",
	  .kind = OPT_FLAG,
	  .target = &conf.test.dont_fragment,
	  .given = &given.df,
	  .help = "IPv4: set the DF bit" },
	{ .name = "connect-timeout",
	  .kind = OPT_UINT,
	  .target = &connect_ms,
	  .min = 1,
	  .max = 86400000,
	  .given = &given.connect,
	  .flags = OPT_NO_LIMITS,
	  .arg = "MS",
	  .help = "longest time for the control connection" },
	{ .name = "sctp", .kind = OPT_FLAG, .target = &sctp, .flags = OPT_HIDDEN },
	UNSUPPORTED("file", 'F'),
	UNSUPPORTED("flowlabel", 'L'),
	UNSUPPORTED("xbind", 'X'),
	UNSUPPORTED("nstreams", 0),
	UNSUPPORTED("server-bitrate-limit", 0),
	UNSUPPORTED("username", 0),
	UNSUPPORTED("rsa-public-key-path", 0),
	UNSUPPORTED("rsa-private-key-path", 0),
	UNSUPPORTED("authorized-users-path", 0),
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir iperf3",
	.operands = "-s | -c HOST",
	.about = "measure throughput, with iperf3 or weir iperf3 on the other side",
	.opts = table,
	.notes = "Sizes take K, M, G, T (powers of 1024), rates the same (powers of 1000).\n"
		 "The last line of a report says which plane was used, why, and what was copied.\n"
		 "Environment: WEIR_PLANE as --plane, WEIR_IFNAME as --ifname, WEIR_ZEROCOPY=\n"
		 "auto, never or always for sends without -Z.\n",
};

static int check_roles(void)
{
	if (server == (host != NULL))
		return opt_usage_error(&spec, "give either -s (server) or -c HOST (client)");
	if (sctp)
		return opt_usage_error(&spec, "--sctp: weir iperf3 does not have SCTP");
	if (host && (given.one_off || given.idle || given.daemon))
		return opt_usage_error(&spec, "-1, -D and --idle-timeout are for servers");
	if (host)
		return -1;
	if (given.udp || given.rate || given.seconds || given.streams || given.bytes ||
	    given.blocks || given.length || given.reverse || given.bidir || given.window ||
	    given.mss || given.nodelay || given.tos || given.extra || given.omit || given.title ||
	    given.congestion || given.output || given.zerocopy || given.repeating || given.fq ||
	    given.pacing || given.connect || given.df || client_port)
		return opt_usage_error(&spec, "an option for clients was given to a server; the "
					      "client decides what a test is like");
	return -1;
}

static int check_client(void)
{
	uint64_t most = conf.test.udp ? I3_UDP_BLOCK_MAX : I3_BLOCK_MAX;
	uint64_t least = conf.test.udp ? I3_UDP_BLOCK_MIN : 1;

	if (!host)
		return -1;
	if (given.seconds + (given.bytes && bytes) + (given.blocks && blocks) > 1)
		return opt_usage_error(&spec, "give only one of -t, -n and -k");
	if (given.length && (block_bytes < least || block_bytes > most))
		return opt_usage_error(&spec, "-l %llu: %s blocks have %llu to %llu bytes",
				       (unsigned long long)block_bytes,
				       conf.test.udp ? "UDP" : "TCP", (unsigned long long)least,
				       (unsigned long long)most);
	/* what JSON numbers hold */
	if (bytes >> 53 || blocks >> 53 || rate >> 53 || fq_rate >> 53)
		return opt_usage_error(&spec, "-n, -k, -b and --fq-rate must be below 2^53");
	if (client_port + streams * (conf.test.bidir ? 2 : 1) > 65536)
		return opt_usage_error(&spec, "--cport %llu: not enough ports above it",
				       (unsigned long long)client_port);
	if (given.receive && !conf.test.reverse && !conf.test.bidir)
		return opt_usage_error(&spec, "--rcv-timeout: this client receives nothing");
	return -1;
}

/* "HOST%DEV": a device, unless the address is a link-local one, whose zone it is */
static void split_device(const char *text, const char **rethost, char *buf, size_t buf_bytes)
{
	const char *percent = strchr(text, '%');

	*rethost = text;
	if (!percent || !percent[1] || !strncasecmp(text, "fe80:", 5))
		return;
	conf.bind_device = percent + 1;
	snprintf(buf, buf_bytes, "%.*s", (int)(percent - text), text);
	*rethost = buf;
}

static void fill_client(void)
{
	struct i3_params *p = &conf.test;

	p->streams = (uint32_t)streams;
	p->omit_s = (uint32_t)omit;
	p->bytes = bytes;
	p->blocks = blocks;
	p->time_s = bytes || blocks ? 0 : (uint32_t)seconds;
	p->block_bytes = given.length ? (uint32_t)block_bytes : p->udp ? 0 : I3_TCP_BLOCK;
	p->window = (uint32_t)window;
	p->mss = (uint32_t)mss;
	p->rate = given.rate ? rate : p->udp ? I3_UDP_RATE : 0;
	p->fq_rate = fq_rate;
	p->pacing_us = (uint32_t)pacing_us;
	snprintf(p->title, sizeof(p->title), "%s", title ? title : "");
	snprintf(p->extra_data, sizeof(p->extra_data), "%s", extra_data ? extra_data : "");
	snprintf(p->congestion, sizeof(p->congestion), "%s", congestion ? congestion : "");
}

static void fill(void)
{
	static char host_buf[256], bind_buf[256];

	if (host)
		split_device(host, &conf.host, host_buf, sizeof(host_buf));
	if (bind_text)
		split_device(bind_text, &conf.bind_host, bind_buf, sizeof(bind_buf));
	conf.port = (uint16_t)port;
	conf.client_port = (uint16_t)client_port;
	conf.family = four ? AF_INET : six ? AF_INET6 : AF_UNSPEC;
	conf.interval_us = interval_us;
	conf.control_timeout_us = control_ms * 1000;
	conf.stall_timeout_us = receive_ms * 1000;
	conf.connect_timeout_us = connect_ms * 1000;
	conf.idle_timeout_us = idle_s * 1000000;
	conf.user_timeout_ms = (uint32_t)send_ms;
	conf.out = stdout;
	conf.engine.released = i3_released;
	if (given.stamps && !conf.timestamps)
		conf.timestamps = "%c ";
	fill_client();
}

int i3_parse(int argc, char **argv, const struct i3_config **retconf)
{
	int first, code;

	conf.test.server_cpu = -1;
	code = opt_main(&spec, argc, argv, &first);
	if (code >= 0)
		return code;
	if (version) {
		printf("weir iperf3 %s (protocol of iperf 3.12, cJSON %s)\n", weir_version(),
		       cJSON_Version());
		return 0;
	}
	code = check_roles();
	if (code < 0)
		code = check_client();
	if (code < 0 && interval_us && interval_us < 100000)
		code = opt_usage_error(&spec, "-i: at least 0.1 seconds, or 0");
	if (code >= 0)
		return code;
	fill();
	*retconf = &conf;
	return -1;
}
