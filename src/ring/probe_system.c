// SPDX-License-Identifier: MIT
/*
 * probe_system.c - what the system lets this process do: sockets, BPF, netlink, rights, limits.
 *
 * Theory: rights are asked for where they count.  CAP_NET_ADMIN over this network namespace is not
 *	a bit of this process (the namespace may belong to another user namespace): a request to
 *	change an interface that cannot exist is refused with EPERM before the interface is looked
 *	for, and with ENODEV after it.  The same way a raw socket tells CAP_NET_RAW, and loading a
 *	program of two instructions tells BPF.  What lies in /proc and /sys may be hidden: then it
 *	is not known, and nothing else depends on it.
 * Invariants: 1. nothing is changed; programs and sockets are closed at once.
 * Ownership: all local.
 * Threads: any.
 * Errors: kept as the codes of the bits.
 * Sources: net/core/rtnetlink.c rtnetlink_rcv_msg(), rtnl_setlink(); net/xdp/xsk.c xsk_create();
 *	kernel/bpf/syscall.c bpf_prog_load(); io_uring/rsrc.c __io_account_mem() and
 *	io_uring/io_uring.c (CAP_IPC_LOCK of the first user namespace); include/linux/proc_ns.h
 *	PROC_USER_INIT_INO; Linux 7.3.
 * Tests: tests/unit/test_probe.c, tests/cli/doctor.sh
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../util/util.h"
#include "probe.h"

#define NO_SUCH_IFINDEX 0x7ffffffe
#define FIRST_USERNS_INODE 0xeffffffdu
#define UDP_GRO_OPTION 104 /* UDP_GRO, Linux 5.0 */
#define NETLINK_BYTES 8192
#define BPF_TRIES 10

/* ---------------------------------------------------------------------------- files */

static int read_text(const char *path, char *buf, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, bytes - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	return 0;
}

/* The number behind "@key:" in a file of such lines; -1 where it is not there. */
static int64_t number_in(const char *text, const char *key)
{
	const char *at = text;
	size_t len = strlen(key);

	while (at) {
		if (!strncmp(at, key, len) && at[len] == ':')
			return strtoll(at + len + 1, NULL, 10);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return -1;
}

static void read_limits(struct weir_probe *p)
{
	char text[4096] = "";
	struct rlimit limit;
	cpu_set_t cpus;
	int64_t n;

	p->io_uring_disabled = -1;
	if (!read_text("/proc/sys/kernel/io_uring_disabled", text, sizeof(text)))
		p->io_uring_disabled = (int32_t)strtol(text, NULL, 10);
	p->memlock_bytes = 0;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit))
		p->memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	p->seccomp = -1;
	if (!read_text("/proc/self/status", text, sizeof(text)))
		p->seccomp = (int32_t)number_in(text, "Seccomp");
	if (!read_text("/proc/meminfo", text, sizeof(text))) {
		n = number_in(text, "Hugepagesize");
		p->huge_page_bytes = n > 0 ? (uint64_t)n << 10 : 0;
		n = number_in(text, "HugePages_Free");
		p->huge_pages_free = n > 0 ? (uint64_t)n : 0;
	}
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		p->cpus = (uint32_t)CPU_COUNT(&cpus);
}

/* ------------------------------------------------------------------------ container */

static void read_container(struct weir_probe *p)
{
	const char *env = getenv("container");
	char text[sizeof(p->container)] = "";
	struct stat st;

	p->first_userns = -1;
	if (!stat("/proc/self/ns/user", &st))
		p->first_userns = st.st_ino == FIRST_USERNS_INODE;
	if (!read_text("/run/systemd/container", text, sizeof(text)) && text[0]) {
		text[strcspn(text, "\n")] = '\0';
		snprintf(p->container, sizeof(p->container), "%s", text);
	} else if (env && *env) {
		snprintf(p->container, sizeof(p->container), "%.31s", env);
	} else if (!access("/.dockerenv", F_OK)) {
		snprintf(p->container, sizeof(p->container), "docker");
	} else if (!access("/run/.containerenv", F_OK)) {
		snprintf(p->container, sizeof(p->container), "podman");
	} else if (getenv("KUBERNETES_SERVICE_HOST")) {
		snprintf(p->container, sizeof(p->container), "kubernetes");
	} else if (!p->first_userns) {
		snprintf(p->container, sizeof(p->container), "user namespace");
	}
}

/* -------------------------------------------------------------------------- netlink */

/* Sends one request and returns what the kernel's acknowledgement says. */
static int netlink_ask(int protocol, struct nlmsghdr *msg)
{
	union {
		struct nlmsghdr head;
		char room[NETLINK_BYTES];
	} answer;
	struct timeval limit = { .tv_sec = 2 };
	ssize_t n;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->nlmsg_seq = 1;
	if (send(fd, msg, msg->nlmsg_len, 0) < 0)
		r = -errno;
	else if ((n = recv(fd, &answer, sizeof(answer), 0)) < 0)
		r = -errno;
	else if (!NLMSG_OK(&answer.head, (size_t)n))
		r = -EPROTO;
	else if (answer.head.nlmsg_type == NLMSG_ERROR)
		r = ((struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
	else
		r = 0; /* an answer comes before its acknowledgement */
	close(fd);
	return r;
}

/* Is there a generic netlink family of that name. */
static int ask_family(const char *name)
{
	struct {
		struct nlmsghdr head;
		struct genlmsghdr genl;
		struct nlattr attr;
		char name[GENL_NAMSIZ];
	} msg = { 0 };

	snprintf(msg.name, sizeof(msg.name), "%s", name);
	msg.head.nlmsg_len = sizeof(msg);
	msg.head.nlmsg_type = GENL_ID_CTRL;
	msg.genl.cmd = CTRL_CMD_GETFAMILY;
	msg.genl.version = 1;
	msg.attr.nla_len = sizeof(msg.attr) + sizeof(msg.name);
	msg.attr.nla_type = CTRL_ATTR_FAMILY_NAME;
	return netlink_ask(NETLINK_GENERIC, &msg.head);
}

/* May an interface of this network namespace be changed: asked with one that is not there. */
static int ask_net_admin(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} msg = { 0 };
	int r;

	msg.head.nlmsg_len = sizeof(msg);
	msg.head.nlmsg_type = RTM_SETLINK;
	msg.link.ifi_family = AF_UNSPEC;
	msg.link.ifi_index = NO_SUCH_IFINDEX;
	r = netlink_ask(NETLINK_ROUTE, &msg.head);
	return r == -ENODEV ? 0 : r;
}

/* -------------------------------------------------------------------------- sockets */

static int ask_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int ask_option(int type, int level, int name)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1, r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, level, name, &one, sizeof(one)))
		r = -errno;
	close(fd);
	return r;
}

static void probe_sockets(struct weir_probe *p)
{
	probe_set(p, WEIR_CAN_MSG_ZEROCOPY, ask_option(SOCK_STREAM, SOL_SOCKET, SO_ZEROCOPY));
	probe_set(p, WEIR_CAN_UDP_GRO, ask_option(SOCK_DGRAM, IPPROTO_UDP, UDP_GRO_OPTION));
	probe_set(p, WEIR_CAN_AF_XDP, ask_socket(AF_XDP, SOCK_RAW, 0));
	probe_set(p, WEIR_CAN_NET_RAW, ask_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	probe_set(p, WEIR_CAN_NET_ADMIN, ask_net_admin());
	probe_set(p, WEIR_CAN_NETDEV_GENL, ask_family("netdev"));
	probe_set(p, WEIR_CAN_ETHTOOL_NL, ask_family("ethtool"));
}

/* --------------------------------------------------------------------------- rights */

/* "r0 = XDP_PASS; exit" */
static int ask_bpf(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	unsigned tries = 0;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = weir_array_len(program);
	attr.license = (uint64_t)(uintptr_t) "Dual MIT/GPL";
	/* A signal that is pending gives EAGAIN: it is no answer. */
	do {
		fd = syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	} while (fd < 0 && errno == EAGAIN && ++tries < BPF_TRIES);
	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

static int ask_ipc_lock(const struct weir_probe *p)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	if (syscall(__NR_capget, &head, data))
		return -errno;
	/* Pages are accounted to the first user namespace. */
	if (!p->first_userns)
		return -EPERM;
	return data[0].effective & (1u << CAP_IPC_LOCK) ? 0 : -EPERM;
}

static int ask_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Could the journal be written: the deepest folder of it that is there is asked. */
static int ask_journal(void)
{
	const char *env = getenv("WEIR_RUN_DIR");
	char path[512], *slash;

	snprintf(path, sizeof(path), "%s/nic", env && *env ? env : "/run/weir");
	for (;;) {
		if (!access(path, W_OK | X_OK))
			return 0;
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(path, '/');
		if (!slash)
			return -ENOENT;
		if (slash == path)
			return access("/", W_OK | X_OK) ? -errno : 0;
		*slash = '\0';
	}
}

void probe_system(struct weir_probe *p)
{
	read_limits(p);
	read_container(p);
	probe_sockets(p);
	probe_set(p, WEIR_CAN_BPF, ask_bpf());
	probe_set(p, WEIR_CAN_IPC_LOCK, ask_ipc_lock(p));
	probe_set(p, WEIR_CAN_UDMABUF, ask_file("/dev/udmabuf"));
	probe_set(p, WEIR_CAN_JOURNAL, ask_journal());
}
