/* SPDX-License-Identifier: MIT */
/*
 * iperf3_unit.c - numbers with units as iperf3 prints them, CPU use, texts of errors.
 *
 * Theory: scripts cut iperf3's columns by position, so a value always takes four places and its
 *	unit's words are iperf3's: powers of 1024 for bytes, powers of 1000 for bits.
 * Invariants:
 *	1. four places: a value is printed with as many decimals as fit into them.
 * Ownership: texts go into the caller's buffers.
 * Threads: any.
 * Errors: none.
 * Sources: iperf 3.12 units.c (unit_snprintf) and iperf_util.c (cpu_util) for what is printed and
 *	measured; iperf_error.c for what users call each error.
 * Tests: tests/unit/test_iperf3_unit.c
 */
#include <ctype.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "iperf3.h"

const char *i3_format_unit(double value, char format, char buf[I3_UNIT_BYTES])
{
	static const char *const prefixes[] = { "", "K", "M", "G", "T" };
	bool bytes = isupper((unsigned char)format);
	double step = bytes ? 1024 : 1000;
	const char *fixed = "BKMGT", *at;
	unsigned power = 0, decimals;

	if (!bytes)
		value *= 8;
	at = format && toupper((unsigned char)format) != 'A' ?
		     strchr(fixed, toupper((unsigned char)format)) :
		     NULL;
	if (at) {
		for (unsigned want = (unsigned)(at - fixed); power < want; power++)
			value /= step;
	} else {
		for (; value >= step && power < 4; power++)
			value /= step;
	}
	/* the limits are where rounding would add a digit */
	decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(buf, I3_UNIT_BYTES, "%4.*f %s%s", (int)decimals, value, prefixes[power],
		 bytes ? "Byte" : "bit");
	return buf;
}

uint64_t i3_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void cpu_read(struct i3_cpu *cpu)
{
	struct timespec ts;
	struct rusage use;

	cpu->wall_ns = i3_now_ns();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	cpu->total_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	getrusage(RUSAGE_SELF, &use);
	cpu->user_us = (uint64_t)use.ru_utime.tv_sec * 1000000u + (uint64_t)use.ru_utime.tv_usec;
	cpu->system_us = (uint64_t)use.ru_stime.tv_sec * 1000000u + (uint64_t)use.ru_stime.tv_usec;
}

void i3_cpu_start(struct i3_cpu *cpu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu_read(cpu);
}

void i3_cpu_stop(struct i3_cpu *cpu)
{
	struct i3_cpu now = { 0 };
	double wall_us;

	cpu_read(&now);
	wall_us = (double)(now.wall_ns - cpu->wall_ns) / 1000.0;
	if (wall_us <= 0)
		return;
	cpu->percent[0] = (double)(now.total_ns - cpu->total_ns) / 1000.0 / wall_us * 100.0;
	cpu->percent[1] = (double)(now.user_us - cpu->user_us) / wall_us * 100.0;
	cpu->percent[2] = (double)(now.system_us - cpu->system_us) / wall_us * 100.0;
}

struct error_text {
	enum i3_error code;
	const char *text;
};

static const struct error_text error_texts[] = {
	{ I3E_DURATION, "test duration too long (maximum = 86400 seconds)" },
	{ I3E_STREAMS, "number of parallel streams must be between 1 and 128" },
	{ I3E_BLOCK, "block size must be between 1 and 1048576 bytes" },
	{ I3E_WINDOW, "socket buffer size too large (maximum = 536870912 bytes)" },
	{ I3E_MSS, "TCP MSS too large (maximum = 9216 bytes)" },
	{ I3E_OMIT, "bogus value for --omit" },
	{ I3E_UNIMPLEMENTED, "an option of this test is not implemented" },
	{ I3E_BURST, "invalid burst count (maximum = 1000)" },
	{ I3E_UDP_BLOCK, "block size invalid (minimum = 16 bytes, maximum = 65507 bytes)" },
	{ I3E_TOS, "bad TOS value (must be between 0 and 255 inclusive)" },
	{ I3E_REVERSE_BIDIR, "cannot be both reverse and bidirectional" },
	{ I3E_INIT, "test initialization failed" },
	{ I3E_LISTEN, "unable to start listener for connections" },
	{ I3E_CONNECT, "unable to connect to server" },
	{ I3E_RECV_COOKIE, "unable to receive cookie at server" },
	{ I3E_CTRL_CLOSED, "control socket has closed unexpectedly" },
	{ I3E_MESSAGE, "received an unknown control message" },
	{ I3E_SEND_MESSAGE, "unable to send control message" },
	{ I3E_RECV_MESSAGE, "unable to receive control message" },
	{ I3E_RECV_PARAMS, "unable to receive parameters from client" },
	{ I3E_RECV_RESULTS, "unable to receive results" },
	{ I3E_CLIENT_TERM, "the client has terminated" },
	{ I3E_SERVER_TERM, "the server has terminated" },
	{ I3E_ACCESS_DENIED, "the server is busy running a test. try again later" },
	{ I3E_SET_MSS, "unable to set TCP MSS" },
	{ I3E_SET_BUF, "unable to set socket buffer size" },
	{ I3E_SET_TOS, "unable to set IP TOS" },
	{ I3E_SET_CONGESTION, "unable to set TCP_CONGESTION: the congestion control algorithm is "
			      "not supported on this host" },
	{ I3E_BUF_SIZE, "socket buffer size not set correctly (see net.core.rmem_max, wmem_max)" },
	{ I3E_NO_DATA, "idle timeout for receiving data" },
	{ I3E_STREAM_CREATE, "unable to create a new stream" },
	{ I3E_STREAM_LISTEN, "unable to start stream listener" },
	{ I3E_STREAM_CONNECT, "unable to connect stream" },
	{ I3E_STREAM_ACCEPT, "unable to accept stream connection" },
	{ I3E_STREAM_WRITE, "unable to write to stream socket" },
	{ I3E_STREAM_READ, "unable to read from stream socket" },
	{ I3E_STREAM_ID, "stream has an invalid id" },
	{ I3E_TIMEOUT, "the other side did not answer in time" },
};

const char *i3_error_text(enum i3_error code, int err, char *buf, size_t bytes)
{
	for (size_t i = 0; i < sizeof(error_texts) / sizeof(error_texts[0]); i++) {
		if (error_texts[i].code != code)
			continue;
		snprintf(buf, bytes, "%s%s%s", error_texts[i].text, err ? ": " : "",
			 err ? strerror(err) : "");
		return buf;
	}
	snprintf(buf, bytes, "error number %d%s%s", (int)code, err ? ": " : "",
		 err ? strerror(err) : "");
	return buf;
}
