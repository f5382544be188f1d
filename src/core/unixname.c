// SPDX-License-Identifier: MIT
/*
 * unixname.c - names of UNIX sockets in the file system: left-over ones, and our own.
 *
 * Theory: bind(2) makes a file that outlives its socket.  A listener removes its own when it is
 *	closed, known by device and inode, so that a name somebody else took since stays.  One
 *	that a dead process left is found by connecting: nobody listens.
 * Invariants: 1. a name is removed only if it is a socket, and ours or refused.
 * Ownership: the record belongs to the listener.
 * Threads: the engine's.
 * Errors: none; without memory for the record the name stays behind.
 * Sources: unix(7).
 * Tests: tests/contract/test_connect.c
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core.h"

/**
 * struct weir_unix_name - a name that a listener made.
 * @dev: device of the file.
 * @ino: inode of the file.
 * @path: name.
 */
struct weir_unix_name {
	dev_t dev;
	ino_t ino;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static bool stat_socket(const struct weir_addr *a, struct stat *st)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;

	return a->sa.sa_family == AF_UNIX && un->sun_path[0] && !lstat(un->sun_path, st) &&
	       S_ISSOCK(st->st_mode);
}

void weir_unix_unlink_stale(const struct weir_addr *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	struct stat st;
	int fd;

	if (!stat_socket(a, &st))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &a->sa, a->len) && errno == ECONNREFUSED)
		(void)unlink(un->sun_path);
	close(fd);
}

void weir_unix_remember(struct weir_sock *s, const struct weir_addr *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	struct stat st;

	if (!stat_socket(a, &st))
		return;
	s->name_of = calloc(1, sizeof(*s->name_of));
	if (!s->name_of)
		return;
	s->name_of->dev = st.st_dev;
	s->name_of->ino = st.st_ino;
	memcpy(s->name_of->path, un->sun_path, sizeof(un->sun_path));
}

void weir_unix_forget(struct weir_sock *s)
{
	struct weir_unix_name *n = s->name_of;
	struct stat st;

	if (!n)
		return;
	if (!lstat(n->path, &st) && st.st_dev == n->dev && st.st_ino == n->ino)
		(void)unlink(n->path);
	s->name_of = NULL;
	free(n);
}
