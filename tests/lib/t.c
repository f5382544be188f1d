/* SPDX-License-Identifier: MIT */
/*
 * t.c - seeds, stream contents, watchdog and descriptor check of the tests.
 *
 * Theory: the content table has a prime length, so that a piece that is off by a buffer size, a
 * page or a power of two never matches.  The watchdog is SIGALRM: it writes the case, the last
 * note, the engine's counters and a backtrace, then ends the process, because a case that hangs
 * inside the library cannot be left in another way.
 */
#include "t.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <time.h>

#define PATTERN_PRIME 1048573u

static struct {
	uint64_t seed;
	uint64_t state;
	const char *name;
	char note[160];
	int fds;
	bool ready;
	unsigned char *pattern;
} t;

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t t_rand(void)
{
	return mix(&t.state);
}

uint64_t t_rand_below(uint64_t n)
{
	return n ? t_rand() % n : 0;
}

size_t t_rand_size(size_t max)
{
	unsigned bits = 1;

	while (bits < 63 && (1ull << bits) <= max)
		bits++;
	for (;;) {
		size_t n = t_rand() & ((1ull << (1 + t_rand_below(bits))) - 1);

		if (n >= 1 && n <= max)
			return n;
	}
}

uint64_t t_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void on_alarm(int sig)
{
	static const char text[] = "weir test: case ran past its deadline: ";
	void *frames[40];
	char line[512];
	int n;

	(void)sig;
	n = snprintf(line, sizeof line, "%s%s\n  note: %s\n  WEIR_TEST_SEED=%llu\n", text,
		     t.name ? t.name : "?", t.note, (unsigned long long)t.seed);
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(99);
	n = backtrace(frames, T_COUNT(frames));
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	_exit(99);
}

static void start(void)
{
	const char *text = getenv("WEIR_TEST_SEED");
	uint64_t fill = 1;
	void *warm[1];

	if (t.ready)
		return;
	t.ready = true;
	t.seed = text ? strtoull(text, NULL, 0) : t_now_us() ^ ((uint64_t)getpid() << 40);
	t.pattern = malloc(PATTERN_PRIME + T_PATTERN_RUN);
	assert_non_null(t.pattern);
	for (size_t i = 0; i < PATTERN_PRIME; i++)
		t.pattern[i] = mix(&fill) >> 56;
	for (size_t i = 0; i < T_PATTERN_RUN; i++)
		t.pattern[PATTERN_PRIME + i] = t.pattern[i % PATTERN_PRIME];
	backtrace(warm, 1); /* loads libgcc now: not possible inside the handler */
	signal(SIGALRM, on_alarm);
	signal(SIGPIPE, SIG_IGN);
	fprintf(stderr, "WEIR_TEST_SEED=%llu WEIR_PLANE=%s WEIR_FAULT=%s WEIR_WITHOUT=%s\n",
		(unsigned long long)t.seed, getenv("WEIR_PLANE") ? getenv("WEIR_PLANE") : "",
		getenv("WEIR_FAULT") ? getenv("WEIR_FAULT") : "",
		getenv("WEIR_WITHOUT") ? getenv("WEIR_WITHOUT") : "");
}

int t_patience(void)
{
	const char *text = getenv("WEIR_TEST_PATIENCE");
	int factor = text ? atoi(text) : 1;

	return factor < 1 ? 1 : factor > 20 ? 20 : factor;
}

int t_setup(void **state)
{
	uint64_t name = 0;

	start();
	t.name = *state;
	for (const char *c = t.name; *c; c++)
		name = name * 31 + (unsigned char)*c;
	t.state = t.seed ^ name; /* a case draws the same numbers whatever ran before it */
	t.note[0] = 0;
	t_api = T_API_MIXED;
	t.fds = count_fds();
	alarm((unsigned)T_DEADLINE_MS / 1000 * T_SLOW + 5);
	return 0;
}

int t_teardown(void **state)
{
	int now;

	(void)state;
	alarm(0);
	now = count_fds();
	if (now == t.fds)
		return 0;
	print_error("%s: %d descriptors before, %d after\n", t.name, t.fds, now);
	return -1;
}

void t_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t.note, sizeof t.note, fmt, ap);
	va_end(ap);
}

const void *t_pattern(uint64_t seed, uint64_t offset)
{
	start();
	return t.pattern + (seed * 7919 + offset) % PATTERN_PRIME;
}

void t_pattern_fill(void *to, uint64_t seed, uint64_t offset, size_t len)
{
	char *at = to;

	while (len) {
		size_t n = len < T_PATTERN_RUN ? len : T_PATTERN_RUN;

		memcpy(at, t_pattern(seed, offset), n);
		at += n;
		offset += n;
		len -= n;
	}
}

void t_pattern_check(const void *data, uint64_t seed, uint64_t offset, size_t len)
{
	const unsigned char *at = data;

	while (len) {
		size_t n = len < T_PATTERN_RUN ? len : T_PATTERN_RUN;
		const unsigned char *want = t_pattern(seed, offset);

		if (memcmp(at, want, n)) {
			size_t i = 0;

			while (at[i] == want[i])
				i++;
			fail_msg("stream %llu: byte %llu is 0x%02x, not 0x%02x",
				 (unsigned long long)seed, (unsigned long long)(offset + i), at[i],
				 want[i]);
		}
		at += n;
		offset += n;
		len -= n;
	}
}

/* One case, or those of a pattern, without editing the table: before cmocka looks at it. */
__attribute__((constructor)) static void choose_cases(void)
{
	const char *only = getenv("WEIR_TEST_ONLY");

	if (only && *only)
		cmocka_set_test_filter(only);
}

bool t_faulty(void)
{
	const char *fault = getenv("WEIR_FAULT");

	return fault && *fault;
}

bool t_without(const char *name)
{
	const char *list = getenv("WEIR_WITHOUT");
	size_t len = strlen(name);

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n == len && !strncmp(list, name, n))
			return true;
		list += n;
		if (*list)
			list++;
	}
	return false;
}
