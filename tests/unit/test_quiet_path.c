/* SPDX-License-Identifier: MIT */
/*
 * test_quiet_path.c - the data path allocates nothing, takes no lock and batches its system calls.
 *
 * Theory:
 *	This program's malloc, calloc, realloc, posix_memalign, aligned_alloc and
 *	pthread_mutex_lock stand in for the C library's in everything that is linked into it; they
 *	count and pass on.  A forked peer sends; after a warm-up, in which free lists may grow, none
 *	of them may be called while 100,000 packets are handled.
 *	System calls are counted by a tracer (ptrace) in a process that does nothing else: between
 *	two marks (getppid, which the library has no use for) it must see as many as the engine
 *	says it made, and far fewer than packets where many packets come together.
 *	The peer of the echo loads sends one message on every connection, then waits for all the
 *	echoes; while it sends, the tracer holds the traced process at its next system call.  So
 *	the batches are as large as there are connections, by construction.
 * Sources: glibc manual, "Replacing malloc"; ptrace(2), PTRACE_GET_SYSCALL_INFO.
 *
 * Serial: yes
 * Timeout: 120
 */
#include "t.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PACKETS 100000u
#define PACKETS_TRACED 10000u
#define WARM_UP 20000u
#define STRETCHES 5
#define GROWTH_MAX 100 /* allocations by which free lists may grow after the warm-up */
#define DATAGRAM_BYTES 128
#define TRAIN 64
#define CONNECTIONS 256
#define BULK_BYTES 131072

/* What is counted. */

#if T_SLOW == 1 && defined(__GLIBC__)
#define COUNTED 1
#else
#define COUNTED 0 /* a sanitizer has its own malloc */
#endif

static struct {
	_Atomic uint64_t allocations;
	_Atomic uint64_t locks;
} counted;

#if COUNTED

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *mem, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
	atomic_fetch_add(&counted.allocations, 1);
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	atomic_fetch_add(&counted.allocations, 1);
	return __libc_calloc(count, bytes);
}

void *realloc(void *mem, size_t bytes)
{
	atomic_fetch_add(&counted.allocations, 1);
	return __libc_realloc(mem, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	atomic_fetch_add(&counted.allocations, 1);
	return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	void *mem;

	atomic_fetch_add(&counted.allocations, 1);
	mem = __libc_memalign(alignment, bytes);
	if (!mem)
		return ENOMEM;
	*ret = mem;
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*next)(pthread_mutex_t *);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	atomic_fetch_add(&counted.locks, 1);
	return next(mutex);
}

#endif

/* The receiving end. */

struct end {
	struct weir_engine *e;
	uint64_t packets;
	uint16_t port;
	bool failed;
};

static void count(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;

	(void)s;
	for (unsigned i = 0; i < n; i++)
		end->packets += weir_slice_datagram_count(&v[i]);
}

static void echo(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;

	for (unsigned i = 0; i < n; i++)
		end->failed |= weir_sock_send(s, v[i].data, v[i].len, WEIR_SEND_COPY, 0) != 0;
	end->packets++;
}

static void echo_slice(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;

	for (unsigned i = 0; i < n; i++)
		end->failed |= weir_sock_send_slice(s, &v[i], 0, 0) != 0;
	end->packets++;
}

static void echo_datagrams(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	struct end *end = user;

	for (unsigned i = 0; i < n; i++) {
		end->failed |= weir_sock_sendto(s, v[i].data, v[i].len, v[i].segment_bytes,
						v[i].peer, WEIR_SEND_COPY, 0) != 0;
		end->packets += weir_slice_datagram_count(&v[i]);
	}
}

/* The sending peer: a process that sends until it is killed. */

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sa;
}

static int open_peer(uint16_t port, int type)
{
	struct sockaddr_in sa = loopback(port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		_exit(1);
	return fd;
}

static void send_datagrams(uint16_t port, int train)
{
	static char buf[DATAGRAM_BYTES * TRAIN];
	int fd = open_peer(port, SOCK_DGRAM);

	if (train > 1 &&
	    setsockopt(fd, SOL_UDP, UDP_SEGMENT, &(int){ DATAGRAM_BYTES }, sizeof(int)))
		_exit(1);
	for (;;)
		send(fd, buf, (size_t)train * DATAGRAM_BYTES, 0);
}

static void send_singles(uint16_t port)
{
	send_datagrams(port, 1);
}

static void send_trains(uint16_t port)
{
	send_datagrams(port, TRAIN);
}

/* A window of datagrams under way, each answered; what is lost is not waited for long. */
static void ask_datagrams(uint16_t port)
{
	struct timeval patience = { .tv_usec = 20000 };
	char buf[DATAGRAM_BYTES] = { 0 };
	int fd = open_peer(port, SOCK_DGRAM);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (;;) {
		for (int i = 0; i < TRAIN; i++)
			send(fd, buf, sizeof(buf), 0);
		for (int i = 0; i < TRAIN; i++)
			if (recv(fd, buf, sizeof(buf), 0) < 0)
				break;
	}
}

static void send_bulk(uint16_t port)
{
	static char buf[BULK_BYTES];
	int fd = open_peer(port, SOCK_STREAM);

	while (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
		;
}

/* True while a peer of streams sends its messages of a round; shared with the tracer. */
static _Atomic bool *peer_sends;

static void ask_streams(uint16_t port)
{
	char buf[DATAGRAM_BYTES] = { 0 };
	int fds[CONNECTIONS];

	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = open_peer(port, SOCK_STREAM);
	for (;;) {
		atomic_store(peer_sends, true);
		for (int i = 0; i < CONNECTIONS; i++)
			if (send(fds[i], buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf))
				return;
		atomic_store(peer_sends, false);
		for (int i = 0; i < CONNECTIONS; i++)
			if (recv(fds[i], buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
				return;
	}
}

/**
 * struct load - what is done.
 * @per_call: packets per system call that must be reached on a plane (index enum weir_plane);
 *	0 where nothing is asked.
 */
struct load {
	const char *name;
	bool stream;
	void (*received)(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user);
	void (*peer)(uint16_t port);
	uint64_t packets;
	unsigned per_call[3];
};

/* A bulk "packet" is a completion, about 100 KB. */
static const struct load loads[] = {
	{ "datagrams", false, count, send_singles, PACKETS, { 0, 0, 0 } },
	{ "trains", false, count, send_trains, PACKETS, { 0, 16, 16 } },
	{ "datagram echo", false, echo_datagrams, ask_datagrams, PACKETS, { 0, 0, 0 } },
	{ "bulk", true, count, send_bulk, PACKETS / 10, { 0, 0, 0 } },
	{ "echo", true, echo, ask_streams, PACKETS, { 0, 0, 16 } },
	{ "echo of slices", true, echo_slice, ask_streams, PACKETS, { 0, 0, 16 } },
};

static pid_t start_peer(const struct load *load, uint16_t port)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		load->peer(port);
	_exit(1);
}

static void stop_peer(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	atomic_store(peer_sends, false);
}

static int open_end(struct end *end, const struct load *load, enum weir_plane plane,
		    struct weir_sock_ops *ops)
{
	struct weir_engine_opts opts = { .size = sizeof(opts), .plane = plane };
	struct weir_addr addr;
	struct weir_sock *s;
	int res;

	*ops = (struct weir_sock_ops){ .received = load->received };
	*end = (struct end){ .e = NULL };
	res = weir_engine_open(&end->e, &opts, NULL);
	if (res)
		return res;
	res = load->stream ? weir_listen(end->e, "127.0.0.1:0", ops, end, NULL, &s, NULL) :
			     weir_udp_open(end->e, "127.0.0.1:0", ops, end, NULL, &s, NULL);
	if (!res)
		res = weir_sock_local(s, &addr);
	if (!res)
		end->port = ntohs(((struct sockaddr_in *)&addr.sa)->sin_port);
	return res;
}

/* Handles packets until there were @until; false after a deadline without any. */
static bool handle(struct end *end, uint64_t until)
{
	while (end->packets < until && !end->failed) {
		uint64_t before = end->packets,
			 end_us = t_now_us() + (uint64_t)T_DEADLINE_MS * 1000;

		while (end->packets == before) {
			if (weir_engine_dispatch(end->e, 1000000) < 0 || t_now_us() > end_us)
				return false;
		}
	}
	return !end->failed;
}

/* One stretch of @packets: what was taken meanwhile. */
static bool stretch(struct end *end, uint64_t packets, uint64_t *retallocations, uint64_t *retlocks)
{
	uint64_t allocations = atomic_load(&counted.allocations);
	uint64_t locks = atomic_load(&counted.locks);
	bool ok = handle(end, end->packets + packets);

	*retallocations = atomic_load(&counted.allocations) - allocations;
	*retlocks = atomic_load(&counted.locks) - locks;
	return ok;
}

/*
 * Free lists grow when more is under way than ever before, and timing decides when that is.  So a
 * stretch with a few allocations is followed by another; one must be without any.
 */
static void quiet(const struct load *load, enum weir_plane plane)
{
	uint64_t allocations = 1, grown = 0, locks = 0;
	struct weir_sock_ops ops;
	struct end end;
	pid_t peer;
	bool ok;

	t_note("%s on %s", load->name, weir_plane_name(plane));
	assert_int_equal(open_end(&end, load, plane, &ops), 0);
	peer = start_peer(load, end.port);
	ok = handle(&end, WARM_UP);
	for (unsigned i = 0; i < STRETCHES && ok && allocations; i++) {
		ok = stretch(&end, load->packets, &allocations, &locks);
		grown += allocations;
	}
	stop_peer(peer);
	weir_engine_close(end.e);
	print_message("%s on %s: %llu packets, %llu allocations, %llu locks; %llu before\n",
		      load->name, weir_plane_name(plane), (unsigned long long)load->packets,
		      (unsigned long long)allocations, (unsigned long long)locks,
		      (unsigned long long)grown);
	assert_true(ok);
	assert_int_equal(allocations, 0);
	assert_true(grown <= GROWTH_MAX);
	assert_int_equal(locks, 0);
}

static bool have_plane(enum weir_plane plane)
{
	struct weir_engine_opts opts = { .size = sizeof(opts), .plane = plane };
	struct weir_engine *e;

	if (weir_engine_open(&e, &opts, NULL)) {
		print_message("no %s plane here\n", weir_plane_name(plane));
		return false;
	}
	weir_engine_close(e);
	return true;
}

static bool can_count(void)
{
	if (!COUNTED)
		print_message("the sanitizer has a malloc of its own\n");
	return COUNTED;
}

static void nothing_is_taken(enum weir_plane plane)
{
	if (!can_count() || !have_plane(plane))
		skip();
	for (size_t i = 0; i < T_COUNT(loads); i++)
		quiet(&loads[i], plane);
}

static void no_allocation_no_lock_uring(void **state)
{
	(void)state;
	nothing_is_taken(WEIR_PLANE_URING);
}

static void no_allocation_no_lock_epoll(void **state)
{
	(void)state;
	nothing_is_taken(WEIR_PLANE_EPOLL);
}

/* The counters must count: else the two tests above would pass whatever happens. */
static void counters_count(void **state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	uint64_t allocations = atomic_load(&counted.allocations);
	uint64_t locks = atomic_load(&counted.locks);
	void *volatile mem;

	(void)state;
	if (!can_count())
		skip();
	mem = malloc(100);
	free(mem);
	mem = calloc(3, 100);
	mem = realloc(mem, 1000);
	free(mem);
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	assert_int_equal(atomic_load(&counted.allocations) - allocations, 3);
	assert_int_equal(atomic_load(&counted.locks) - locks, 1);
}

/* System calls: a traced process, and what it says of itself. */

struct report {
	_Atomic uint32_t port;
	_Atomic uint64_t packets;
	_Atomic uint64_t calls;
};

static void traced_process(const struct load *load, enum weir_plane plane, struct report *report)
{
	struct weir_engine_stats before, after;
	struct weir_sock_ops ops;
	struct end end;
	uint64_t packets;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (open_end(&end, load, plane, &ops))
		_exit(2);
	atomic_store(&report->port, end.port);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	if (!handle(&end, load->stream ? 2000 : WARM_UP))
		_exit(3);
	packets = end.packets;
	weir_engine_get_stats(end.e, &before);
	syscall(SYS_getppid);
	if (!handle(&end, packets + PACKETS_TRACED))
		_exit(4);
	syscall(SYS_getppid);
	weir_engine_get_stats(end.e, &after);
	atomic_store(&report->packets, end.packets - packets);
	atomic_store(&report->calls, after.syscalls - before.syscalls);
	_exit(0);
}

/**
 * struct tracer - what was seen of the traced process.
 * @calls: system calls between the marks.
 * @status: how the process ended, as waitpid(2) says it.
 */
struct tracer {
	uint64_t calls;
	bool between_marks;
	int status;
};

/* Lets the peer send its round; one that takes too long fails the test by its figure. */
static void let_peer_send(void)
{
	uint64_t end_us = t_now_us() + (uint64_t)T_DEADLINE_MS * 1000;

	while (atomic_load(peer_sends) && t_now_us() < end_us)
		sched_yield();
}

static void syscall_stop(struct tracer *t, pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	let_peer_send();
	if (info.entry.nr == SYS_getppid)
		t->between_marks = !t->between_marks;
	else if (t->between_marks && info.entry.nr != SYS_clock_gettime) /* no vDSO: a call */
		t->calls++;
}

/* Traces @pid, stopped by its own SIGSTOP, to its end. */
static void trace(struct tracer *t, pid_t pid)
{
	int sig = 0;

	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, sig)) {
		if (waitpid(pid, &t->status, __WALL) != pid || !WIFSTOPPED(t->status))
			return;
		sig = WSTOPSIG(t->status);
		if (sig == (SIGTRAP | 0x80)) {
			syscall_stop(t, pid);
			sig = 0;
		}
	}
}

static void counted_right(const struct load *load, enum weir_plane plane, struct report *report)
{
	struct tracer t = { 0 };
	uint64_t calls, packets, off;
	pid_t pid, peer;

	t_note("%s on %s, traced", load->name, weir_plane_name(plane));
	memset(report, 0, sizeof(*report));
	pid = fork();
	if (!pid)
		traced_process(load, plane, report);
	assert_int_equal(waitpid(pid, &t.status, 0), pid);
	if (WIFEXITED(t.status) && WEXITSTATUS(t.status) == 77) {
		print_message("ptrace is not allowed here\n");
		skip();
	}
	assert_true(WIFSTOPPED(t.status));
	peer = start_peer(load, (uint16_t)atomic_load(&report->port));
	trace(&t, pid);
	stop_peer(peer);
	calls = atomic_load(&report->calls);
	packets = atomic_load(&report->packets);
	print_message("%s on %s: %llu packets, %llu system calls counted, %llu seen\n", load->name,
		      weir_plane_name(plane), (unsigned long long)packets,
		      (unsigned long long)calls, (unsigned long long)t.calls);
	assert_true(WIFEXITED(t.status));
	assert_int_equal(WEXITSTATUS(t.status), 0);
	assert_true(packets >= PACKETS_TRACED && t.calls > 0);
	off = calls > t.calls ? calls - t.calls : t.calls - calls;
	assert_true(off <= 2 + t.calls / 100);
	if (load->per_call[plane])
		assert_true(t.calls * load->per_call[plane] <= packets);
}

static void calls_are_counted(enum weir_plane plane)
{
	struct report *report;

	if (!have_plane(plane))
		skip();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(report, MAP_FAILED);
	for (size_t i = 0; i < T_COUNT(loads); i++)
		if (loads[i].received != count || !loads[i].stream)
			counted_right(&loads[i], plane, report);
	munmap(report, sizeof(*report));
}

static void system_calls_uring(void **state)
{
	(void)state;
	calls_are_counted(WEIR_PLANE_URING);
}

static void system_calls_epoll(void **state)
{
	(void)state;
	calls_are_counted(WEIR_PLANE_EPOLL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(counters_count),
		T_CASE(no_allocation_no_lock_uring),
		T_CASE(no_allocation_no_lock_epoll),
		T_CASE(system_calls_uring),
		T_CASE(system_calls_epoll),
	};

	peer_sends = mmap(NULL, sizeof(*peer_sends), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (peer_sends == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("quiet_path", tests, NULL, NULL);
}
