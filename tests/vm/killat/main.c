/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-killat AT PROGRAM...: end a program by SIGKILL when it enters its AT-th system call
 * that can change something outside of it.
 *
 * Theory: what a program leaves behind when it dies is settled by the system calls it has made. The
 * tracer stops it at the entry of each; those that change files or a NIC are counted, and at the
 * AT-th the program is killed before the call is made: the state is that between two calls. A
 * test that takes AT from 1 on until the program ends by itself has seen every such state. Calls
 * that only read (opens for reading, requests of netlink and ethtool that get something) are not
 * counted: to die before one leaves what dying before the next counted one leaves. A program that
 *	waits for a signal (sigwait) has
 * done its work and is killed there.
 *
 * Sources: linux/ethtool_netlink.h (numbers of the messages that set), linux/rtnetlink.h
 *	(RTM_GET* are
 * 2 modulo 4), linux/ethtool.h, Linux 7.3.
 *
 * Exit: 99 killed at AT; 98 killed while it waited for a signal (AT was not reached); else the
 * program's own. The last line on stderr is "killat: CALLS" when AT was not reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_KILLED 99
#define EXIT_WAITED 98
#define EXIT_TRACER 97

#define ONE(nr)                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* The calls that stop for the tracer; all others run at full speed. */
static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ONE(SYS_write),
	ONE(SYS_pwrite64),
	ONE(SYS_fsync),
	ONE(SYS_fdatasync),
	ONE(SYS_renameat),
	ONE(SYS_renameat2),
	ONE(SYS_unlinkat),
	ONE(SYS_mkdirat),
	ONE(SYS_ftruncate),
	ONE(SYS_linkat),
#ifdef SYS_rename
	ONE(SYS_rename),
	ONE(SYS_unlink),
	ONE(SYS_mkdir),
#endif
	ONE(SYS_ioctl),
	ONE(SYS_sendto),
	ONE(SYS_sendmsg),
	ONE(SYS_rt_sigtimedwait),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITING, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static bool peek(pid_t pid, uint64_t from, void *to, size_t bytes)
{
	struct iovec here = { to, bytes }, there = { (void *)(uintptr_t)from, bytes };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

/* What cannot be read counts. */
static bool ethtool_sets(pid_t pid, uint64_t request, uint64_t arg)
{
	static const uint32_t reads[] = {
		ETHTOOL_GDRVINFO,    ETHTOOL_GRXRINGS, ETHTOOL_GRXCLSRLCNT, ETHTOOL_GRXCLSRULE,
		ETHTOOL_GRXCLSRLALL, ETHTOOL_GRXFH,    ETHTOOL_GRSSH,	    ETHTOOL_GRXFHINDIR,
		ETHTOOL_GSSET_INFO,  ETHTOOL_GSTRINGS, ETHTOOL_GFEATURES,   ETHTOOL_GCHANNELS,
		ETHTOOL_GRINGPARAM
	};
	struct ifreq ifr;
	uint32_t cmd;

	if (request != SIOCETHTOOL)
		return false;
	if (!peek(pid, arg, &ifr, sizeof(ifr)) ||
	    !peek(pid, (uint64_t)(uintptr_t)ifr.ifr_data, &cmd, sizeof(cmd)))
		return true;
	for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++)
		if (reads[i] == cmd)
			return false;
	return true;
}

/* Numbers of generic messages that set something, of the families ethtool and netdev alike. */
static bool netlink_sets(pid_t pid, uint64_t from)
{
	struct {
		struct nlmsghdr nl;
		uint8_t cmd;
	} msg;

	if (!peek(pid, from, &msg, sizeof(msg.nl) + 1))
		return true;
	if (msg.nl.nlmsg_flags & NLM_F_DUMP || msg.nl.nlmsg_type == GENL_ID_CTRL)
		return false;
	if (msg.nl.nlmsg_type >= RTM_BASE && msg.nl.nlmsg_type < RTM_MAX)
		return msg.nl.nlmsg_type % 4 != 2;
	return msg.cmd == 12 || msg.cmd == 13 || msg.cmd == 14 || msg.cmd == 16 || msg.cmd == 18 ||
	       msg.cmd >= 40;
}

static bool changes(pid_t pid, const struct __ptrace_syscall_info *info)
{
	long nr = (long)info->seccomp.nr;

	if (nr == SYS_ioctl)
		return ethtool_sets(pid, info->seccomp.args[1], info->seccomp.args[2]);
	if (nr == SYS_sendto)
		return netlink_sets(pid, info->seccomp.args[1]);
	return true; /* the filter lets no other through */
}

static int give_up(const char *what)
{
	fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
	return EXIT_TRACER;
}

/* SIGKILL, and wait until it is gone. */
static int end(pid_t pid, int code)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return code;
}

static int follow(pid_t pid, unsigned long at)
{
	struct __ptrace_syscall_info info;
	unsigned long calls = 0;
	int status, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal))
			return give_up("ptrace");
		signal = 0;
		if (waitpid(pid, &status, 0) < 0)
			return give_up("waitpid");
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			fprintf(stderr, "killat: %lu\n", calls);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		memset(&info, 0, sizeof(info));
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0)
			return give_up("PTRACE_GET_SYSCALL_INFO");
		if ((long)info.seccomp.nr == SYS_rt_sigtimedwait) {
			fprintf(stderr, "killat: %lu\n", calls);
			return end(pid, EXIT_WAITED);
		}
		if (changes(pid, &info) && ++calls == at)
			return end(pid, EXIT_KILLED);
	}
}

/* The filter comes after the stop: the tracer has said by then that it follows. */
static int start(char **argv)
{
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		return give_up("seccomp");
	execvp(*argv, argv);
	return give_up(*argv);
}

int main(int argc, char **argv)
{
	unsigned long at;
	cpu_set_t here;
	char *rest;
	pid_t pid;
	int status;

	if (argc < 3 || (at = strtoul(argv[1], &rest, 10), *rest || rest == argv[1])) {
		fputs("usage: weir-killat AT PROGRAM [ARGUMENTS]   (AT 0: count only)\n", stderr);
		return 2;
	}
	/* Both on one processor: a wake-up of the other one costs more than the call. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	pid = fork();
	if (pid < 0)
		return give_up("fork");
	if (!pid)
		_exit(start(argv + 2));
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return give_up("the program does not start");
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL))
		return give_up("ptrace");
	return follow(pid, at);
}
