/* SPDX-License-Identifier: MIT */
/*
 * observe.c - what the kernel tells about the processes and cores of a trial.
 *
 * Theory:
 *	The ends of a trial do only their work; everything else is read from outside, twice per
 *	window: CPU time of a process from its CPU clock (clock_getcpuclockid(3): user and system
 *	time of all its threads in nanoseconds, the same sum getrusage(2) gives), the time it was
 *	runnable without running from /proc/PID/task/TID/schedstat, involuntary switches from
 *	.../status, steal time of a core from /proc/stat.  The bytes a foreign program received
 *	are taken from TCP_INFO of a duplicate of its socket (pidfd_getfd(2)).
 * Sources: proc(5); kernel/sched/stats.h of Linux 6.18 (sched_info_arrive: run_delay);
 *	include/uapi/linux/tcp.h (struct tcp_info, tcpi_bytes_received at byte 128).
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define TCP_INFO_OPTION 11	    /* TCP_INFO */
#define TCP_INFO_BYTES_RECEIVED 128 /* offset of tcpi_bytes_received, Linux 4.1 */

uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

double bench_now_s(void)
{
	return (double)bench_now_ns() * 1e-9;
}

void bench_sleep_s(double seconds)
{
	struct timespec ts;

	if (seconds <= 0)
		return;
	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

double bench_process_cpu_s(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static size_t read_file(const char *path, char *buf, size_t bytes)
{
	ssize_t n = 0, res;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		while ((res = read(fd, buf + n, bytes - 1 - (size_t)n)) > 0)
			n += res;
		close(fd);
	}
	buf[n] = 0;
	return (size_t)n;
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Sum over the threads of a process of what @one reads from a file of each. */
static uint64_t sum_threads(pid_t pid, const char *file, uint64_t (*one)(const char *text))
{
	char path[320], text[4096];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid, entry->d_name, file);
		if (read_file(path, text, sizeof(text)))
			sum += one(text);
	}
	closedir(dir);
	return sum;
}

static uint64_t schedstat_delay(const char *text)
{
	char *end;

	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10);
}

static uint64_t status_preempted(const char *text)
{
	return number_after(text, "nonvoluntary_ctxt_switches:");
}

uint64_t bench_process_delay_ns(pid_t pid)
{
	return sum_threads(pid, "schedstat", schedstat_delay);
}

uint64_t bench_process_preempted(pid_t pid)
{
	return sum_threads(pid, "status", status_preempted);
}

uint64_t bench_process_rss_bytes(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	read_file(path, text, sizeof(text));
	return number_after(text, "RssAnon:") * 1024;
}

uint64_t bench_kernel_slab_bytes(void)
{
	char text[8192];

	read_file("/proc/meminfo", text, sizeof(text));
	return number_after(text, "\nSlab:") * 1024;
}

/* Field @index of a core's line in /proc/stat, in seconds: 3 and 4 are idle, 7 is steal. */
static double core_field_s(int cpu, unsigned index)
{
	char text[65536], key[16];
	uint64_t value = 0;
	char *at;

	read_file("/proc/stat", text, sizeof(text));
	snprintf(key, sizeof(key), "\ncpu%d ", cpu);
	at = strstr(text, key);
	if (!at)
		return 0;
	at += strlen(key);
	for (unsigned i = 0; i <= index; i++)
		value = strtoull(at, &at, 10);
	return (double)value / (double)sysconf(_SC_CLK_TCK);
}

double bench_core_steal_s(int cpu)
{
	return core_field_s(cpu, 7);
}

double bench_core_idle_s(int cpu)
{
	return core_field_s(cpu, 3) + core_field_s(cpu, 4);
}

uint64_t bench_tcp_received(int fd)
{
	uint64_t bytes = 0;
	char info[512];
	socklen_t len = sizeof(info);

	if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO_OPTION, info, &len) &&
	    len >= TCP_INFO_BYTES_RECEIVED + sizeof(bytes))
		memcpy(&bytes, info + TCP_INFO_BYTES_RECEIVED, sizeof(bytes));
	return bytes;
}

/*
 * A duplicate of the TCP socket on which process @pid has received most, or -1.  The duplicate is
 * only asked for TCP_INFO.
 */
int bench_steal_tcp_socket(pid_t pid)
{
	int pidfd, best = -1;
	uint64_t most = 0;
	char path[64];
	struct dirent *entry;
	DIR *dir;

	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && pidfd >= 0 && (entry = readdir(dir))) {
		uint64_t bytes;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0)
			continue;
		bytes = bench_tcp_received(fd);
		if (bytes > most) {
			if (best >= 0)
				close(best);
			best = fd;
			most = bytes;
		} else {
			close(fd);
		}
	}
	if (dir)
		closedir(dir);
	if (pidfd >= 0)
		close(pidfd);
	return best;
}

/* Asked of the kernel's tables, so that a server that takes one client is not disturbed. */
bool bench_tcp_port_listens(uint16_t port)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	unsigned local_port, state;
	bool found = false;
	char line[512];

	for (unsigned i = 0; i < 2 && !found; i++) {
		FILE *f = fopen(tables[i], "re");

		while (f && !found && fgets(line, sizeof(line), f))
			found = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local_port,
				       &state) == 2 &&
				local_port == port && state == 0x0a;
		if (f)
			fclose(f);
	}
	return found;
}
