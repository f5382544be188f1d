/* SPDX-License-Identifier: MIT */
/*
 * zc_net.c - the network of the group "zerocopy": devices that drop, in a namespace of its own.
 *
 * Theory:
 *	An ifb drops each packet that was not redirected to it, and has scatter-gather, checksums
 *	and UDP segmentation: packets keep the sender's pages until they are dropped, as on a NIC
 *	until they have left.  A veth whose egress has a classifier that drops does the same in
 *	front of the device.  Static neighbours spare the addresses' resolution.  The path "lo"
 *	has a socket that nobody reads: the kernel copies zero-copy sends there before it drops.
 *	The namespace belongs to the calling process and goes with it.
 * Sources: drivers/net/ifb.c (ifb_xmit), net/core/dev.c (sch_handle_egress),
 *	net/ipv4/ip_input.c (ip_local_deliver_finish) of Linux 6.18; tc-bpf(8); unshare(2).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zc.h"

const struct zc_path zc_paths[] = {
	{ "ifb-65535", "ifb that drops, MTU 65,535: messages are datagrams", "10.9.0.2", 65535,
	  false },
	{ "ifb-1500", "ifb that drops, MTU 1,500: above it a message is a train", "10.9.1.2", 1500,
	  false },
	{ "veth-1500", "veth whose egress drops, MTU 1,500: above it a message is a train",
	  "10.9.2.2", 1500, false },
	{ "lo", "loopback to a socket nobody reads: the kernel copies all", "127.0.0.1", 65536,
	  true },
};

const unsigned zc_path_count = sizeof(zc_paths) / sizeof(zc_paths[0]);

#define WORDS_MAX 16

static const char *const commands[][WORDS_MAX] = {
	{ "ip", "link", "set", "lo", "up" },
	{ "ip", "link", "add", "ifb0", "type", "ifb" },
	{ "ip", "link", "add", "ifb1", "type", "ifb" },
	{ "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1" },
	{ "ip", "addr", "add", "10.9.0.1/24", "dev", "ifb0" },
	{ "ip", "addr", "add", "10.9.1.1/24", "dev", "ifb1" },
	{ "ip", "addr", "add", "10.9.2.1/24", "dev", "veth0" },
	{ "ip", "link", "set", "ifb0", "mtu", "65535", "up" },
	{ "ip", "link", "set", "ifb1", "mtu", "1500", "up" },
	{ "ip", "link", "set", "veth1", "up" },
	{ "ip", "link", "set", "veth0", "mtu", "1500", "up" },
	{ "ip", "neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:02", "dev", "ifb0" },
	{ "ip", "neigh", "add", "10.9.1.2", "lladdr", "02:00:00:00:00:02", "dev", "ifb1" },
	{ "ip", "neigh", "add", "10.9.2.2", "lladdr", "02:00:00:00:00:02", "dev", "veth0" },
	{ "tc", "qdisc", "add", "dev", "veth0", "clsact" },
	/* One instruction: return 2, TC_ACT_SHOT. */
	{ "tc", "filter", "add", "dev", "veth0", "egress", "bpf", "bytecode", "1,6 0 0 2",
	  "direct-action" },
};

static int command(const char *const *words, char *why, size_t why_bytes)
{
	char *argv[WORDS_MAX + 1];
	unsigned n = 0;
	int res, status;
	pid_t pid;

	for (; n < WORDS_MAX && words[n]; n++)
		argv[n] = (char *)(uintptr_t)words[n];
	argv[n] = NULL;
	res = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (res) {
		snprintf(why, why_bytes, "%s: %s", argv[0], strerror(res));
		return -res;
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	snprintf(why, why_bytes, "failed:");
	for (unsigned i = 0; i < n; i++) {
		size_t at = strlen(why);

		snprintf(why + at, why_bytes - at, " %s", argv[i]);
	}
	return -EIO;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -EIO;
}

/* Root gets a network namespace; others one in a user namespace where they are root. */
static int own_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (!unshare(CLONE_NEWNET))
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (write_text("/proc/self/uid_map", map))
		return -EPERM;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_text("/proc/self/gid_map", map) ? -EPERM : 0;
}

/* Stays open until the process ends. */
static int open_sink(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(ZC_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int res = -errno;

		close(fd);
		return res;
	}
	return 0;
}

/* Puts the calling process into a namespace with all paths; once. */
int zc_net_open(char *why, size_t why_bytes)
{
	int res = own_namespace();

	if (res) {
		snprintf(why, why_bytes, "no network namespace: %s", strerror(-res));
		return res;
	}
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		res = command(commands[i], why, why_bytes);
		if (res)
			return res;
	}
	res = open_sink();
	if (res)
		snprintf(why, why_bytes, "sink on loopback: %s", strerror(-res));
	return res;
}
