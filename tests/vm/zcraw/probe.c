/* SPDX-License-Identifier: MIT */
/*
 * probe.c - which queue a frame goes to: "weir-zcraw probe STATS".
 *
 * Theory: each line of the standard input is one frame to send, each line of the output says which
 * queues of the receiver (whose file of counters is STATS) counted a frame after it:
 *
 *     tcp|udp SOURCE SOURCE_PORT DESTINATION DESTINATION_PORT [FIRST]  ->  "2", "0 3", "none"
 *
 * A connection attempt is one frame (SYN), if nobody listens; a datagram is one.  "-" and 0 leave
 * the source to the kernel.  The answer comes with the first counter that grows, and "none" after
 * NONE_MS; queues below FIRST are not looked at.  It is exact where nothing else is sent to the
 * queues in question.  One process for hundreds of frames takes less time than a shell for each.
 */
#include "zcraw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUES_MAX 64
#define NONE_MS 700
#define LINE_BYTES 256

struct frames {
	unsigned queues;
	uint64_t of[QUEUES_MAX];
};

static int die(const char *what)
{
	fprintf(stderr, "weir-zcraw: %s: %s\n", what, strerror(errno));
	return 1;
}

/* 0 or -errno */
static int count(const char *path, struct frames *ret)
{
	static char text[65536];
	char key[32], *at;
	int err;

	text[0] = '\n';
	err = file_read(path, text + 1, sizeof text - 1);
	if (err)
		return err;
	for (ret->queues = 0; ret->queues < QUEUES_MAX; ret->queues++) {
		snprintf(key, sizeof key, "\nrx%u.packets ", ret->queues);
		at = strstr(text, key);
		if (!at)
			break;
		ret->of[ret->queues] = strtoull(at + strlen(key), NULL, 10);
	}
	return ret->queues ? 0 : -EINVAL;
}

static bool address_of(const char *text, unsigned port, int family, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof *ret);
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)port);
		return !strcmp(text, "-") || inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
	}
	in4->sin_port = htons((uint16_t)port);
	return !strcmp(text, "-") || inet_pton(AF_INET, text, &in4->sin_addr) == 1;
}

/* Sends the frame that the line asks for; the socket, or -errno. */
static int emit(const char *line, unsigned *ret_first)
{
	struct sockaddr_storage from, to;
	char proto[8], source[64], target[64];
	unsigned sport, dport;
	int fd, family, one = 1;
	bool tcp;

	*ret_first = 0;
	if (sscanf(line, "%7s %63s %u %63s %u %u", proto, source, &sport, target, &dport,
		   ret_first) < 5)
		return -EINVAL;
	tcp = !strcmp(proto, "tcp");
	family = strchr(target, ':') ? AF_INET6 : AF_INET;
	if ((!tcp && strcmp(proto, "udp")) || sport > 65535 || dport > 65535 ||
	    !address_of(source, sport, family, &from) || !address_of(target, dport, family, &to))
		return -EINVAL;
	fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS &&
	     errno != ECONNREFUSED) ||
	    (!tcp && send(fd, "x", 1, 0) != 1)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

/* Prints which queues from the first one up have grown since, once any has. */
static int tell(const char *path, const struct frames *before, unsigned first)
{
	long end = now_ms() + NONE_MS;
	struct frames now;
	bool any = false;
	int err;

	for (;;) {
		err = count(path, &now);
		if (err)
			return err;
		for (unsigned i = first; i < now.queues; i++) {
			if (now.of[i] == before->of[i])
				continue;
			printf("%s%u", any ? " " : "", i);
			any = true;
		}
		if (any || now_ms() > end)
			break;
		poll(NULL, 0, 1);
	}
	printf("%s\n", any ? "" : "none");
	return 0;
}

int probe(const char *path)
{
	struct frames before;
	char line[LINE_BYTES];
	unsigned first;
	int err, fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	enter_ns(TX_NS);
	while (fgets(line, sizeof line, stdin)) {
		err = count(path, &before);
		if (err) {
			errno = -err;
			return die(path);
		}
		fd = emit(line, &first);
		if (fd < 0) {
			errno = -fd;
			return die(line);
		}
		err = tell(path, &before, first);
		close(fd);
		if (err) {
			errno = -err;
			return die(path);
		}
	}
	return 0;
}
