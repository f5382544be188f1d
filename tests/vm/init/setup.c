// SPDX-License-Identifier: MIT
/*
 * setup.c - from the bare initramfs to a system in which tests can run.
 *
 * Theory: file systems, the loopback interface, the modules of /lib/modules.load in the order of
 * that file (which is the order of their dependencies), the settings of /etc/sysctl.conf.
 * What fails is said and does not stop the rest: a kernel may lack what no test on it needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

static const struct {
	const char *type, *where, *options;
	bool must;
} mounts[] = {
	{ "proc", "/proc", "", true },
	{ "sysfs", "/sys", "", true },
	{ "devtmpfs", "/dev", "", true },
	{ "devpts", "/dev/pts", "ptmxmode=0666", false },
	{ "tmpfs", "/dev/shm", "", true },
	{ "tmpfs", "/run", "", true },
	{ "tmpfs", "/tmp", "", true },
	{ "hugetlbfs", "/dev/hugepages", "", false },
	{ "debugfs", "/sys/kernel/debug", "", false },
	{ "tracefs", "/sys/kernel/tracing", "", false },
	{ "bpf", "/sys/fs/bpf", "", false },
};

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		/* the kernel may have mounted /dev by itself */
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, mounts[i].options) &&
		    errno != EBUSY && mounts[i].must)
			say("# mount %s: %s", mounts[i].where, strerror(errno));
	}
	/* as ip(8) would make it at the first "netns add", and leave it */
	mkdir("/run/netns", 0755);
	if (mount("/run/netns", "/run/netns", "none", MS_BIND, NULL) ||
	    mount("", "/run/netns", "none", MS_SHARED | MS_REC, NULL))
		say("# mount /run/netns: %s", strerror(errno));
	/* devtmpfs has devices only; shells use these names */
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("/proc/self/fd/0", "/dev/stdin") ||
	    symlink("/proc/self/fd/1", "/dev/stdout") || symlink("/proc/self/fd/2", "/dev/stderr"))
		say("# links in /dev: %s", strerror(errno));
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		say("# %s: %s", path, strerror(errno));
		return;
	}
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		say("# %s: cannot be loaded: %s", path, strerror(errno));
	close(fd);
}

/* Call for each line of a file that is not empty and no comment. */
static void each_line(const char *path, void (*handle)(char *line))
{
	char *text = file_read(path, NULL), *at = text, *line;

	while (text && (line = strsep(&at, "\n")) != NULL)
		if (*line != '\0' && *line != '#')
			handle(line);
	free(text);
}

static void load_line(char *line)
{
	load_module(line);
}

/* "net.core.x = value" */
static void set_line(char *line)
{
	char path[256], *value = strchr(line, '=');
	size_t name_len;

	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " ");
	name_len = strcspn(line, " ");
	line[name_len] = '\0';
	for (char *dot = line; (dot = strchr(dot, '.')) != NULL;)
		*dot = '/';
	snprintf(path, sizeof(path), "/proc/sys/%s", line);
	if (!file_write(path, value))
		say("# sysctl %s: %s", line, strerror(errno));
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		say("# lo cannot be raised: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void setup_system(void)
{
	struct rlimit locked = { RLIM_INFINITY, RLIM_INFINITY }, files = { 4096, 65536 };

	mount_all();
	say_open();
	each_line("/lib/modules.load", load_line);
	each_line("/etc/sysctl.conf", set_line);
	raise_loopback();
	setrlimit(RLIMIT_MEMLOCK, &locked);
	setrlimit(RLIMIT_NOFILE, &files);
	sethostname("vm", 2);
}
