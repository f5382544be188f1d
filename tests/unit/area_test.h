/* SPDX-License-Identifier: MIT */
/*
 * area_test.h - what the tests of areas share: opening, another process, what is left behind.
 */
#ifndef AREA_TEST_H
#define AREA_TEST_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include "t.h"

#define HUGE (2ul << 20)
#define OPTS(kind, ...)           \
	((struct weir_area_opts){ \
		.size = sizeof(struct weir_area_opts), .provider = kind, ##__VA_ARGS__ })

/* An area that must be had. */
static inline struct weir_area *area_new(const struct weir_area_opts *o,
					 struct weir_area_info *info)
{
	struct weir_error err = { 0 };
	struct weir_area *a = NULL;

	if (weir_area_open(&a, o, &err))
		fail_msg("%s %s: %s", err.stage, err.object, err.hint);
	weir_area_describe(a, info);
	assert_int_equal(info->bytes % info->page_bytes, 0);
	assert_int_equal((uintptr_t)info->base % info->page_bytes, 0);
	if (info->base)
		memset(info->base, 0xa5, info->bytes);
	return a;
}

/* One that must not be had: the code, and a hint with that text. */
static inline void area_refused(const struct weir_area_opts *o, int code, const char *hint)
{
	struct weir_error err = { 0 };
	struct weir_area *a = NULL;
	int r = weir_area_open(&a, o, &err);

	if (r != code || err.code != code || !err.stage[0] || !strstr(err.hint, hint))
		fail_msg("got %d (%s %s: %s), not %d (%s)", r, err.stage, err.object, err.hint,
			 code, hint);
	assert_null(a);
}

/* A number of /proc/meminfo, in its units. */
static inline unsigned long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long value = 0;
	char line[128];
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, name, strlen(name)) && line[strlen(name)] == ':';
		if (found)
			value = strtoul(line + strlen(name) + 1, NULL, 10);
	}
	fclose(file);
	if (!found)
		fail_msg("/proc/meminfo has no %s", name);
	return value;
}

/* Are there so many 2 MiB pages to be had? */
static inline bool huge_to_be_had(unsigned pages)
{
	return meminfo("Hugepagesize") == HUGE >> 10 &&
	       meminfo("HugePages_Free") >= meminfo("HugePages_Rsvd") + pages;
}

/* Address space of this process, in bytes. */
static inline size_t mapped_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Another process, which is given a descriptor later. */
struct other {
	pid_t pid;
	int channel;
};

static inline int fd_receive(int from)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = sizeof(room) };
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Start it: run() is called there with the descriptor, its result is the exit status. */
static inline struct other other_new(int (*run)(int fd))
{
	struct other o;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	o.pid = fork();
	assert_true(o.pid >= 0);
	if (!o.pid) {
		close(ends[0]);
		_exit(run(fd_receive(ends[1])));
	}
	close(ends[1]);
	o.channel = ends[0];
	return o;
}

static inline void other_give(const struct other *o, int fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(o->channel, &msg, MSG_NOSIGNAL), 1);
}

/* Wait for its end; it must have ended well. */
static inline void other_free(struct other *o)
{
	int status = 0;

	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	close(o->channel);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("the other process: status %#x", status);
}

#endif
