// SPDX-License-Identifier: MIT
/*
 * state.c - what a test must leave as it found it.
 *
 * Theory: the state of the VM is a sorted list of lines "what: value": network namespaces,
 * interfaces of the first namespace with their settings, the test NIC's module, mounts, settings of
 * the network and of huge pages.  Two lists are compared line by line; each line that is only in
 * one of them is shown.
 */
#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

#define LINE_BYTES 256
#define NIC_MODULE "weirnic"

struct state {
	char (*lines)[LINE_BYTES];
	size_t count, room;
};

static void add(struct state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct state *state, const char *format, ...)
{
	va_list args;

	if (state->count == state->room) {
		size_t room = state->room ? state->room * 2 : 512;
		void *larger = realloc(state->lines, room * LINE_BYTES);

		if (!larger)
			return;
		state->lines = larger;
		state->room = room;
	}
	va_start(args, format);
	vsnprintf(state->lines[state->count], LINE_BYTES, format, args);
	va_end(args);
	state->count++;
}

static void add_names(struct state *state, const char *what, const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			add(state, "%s: %s", what, entry->d_name);
	if (folder)
		closedir(folder);
}

static void add_file(struct state *state, const char *path, const char *name)
{
	char *text = file_read(path, NULL);

	if (!text)
		return; /* some can only be written, some not while the link is down */
	text[strcspn(text, "\n")] = '\0';
	add(state, "%s: %s", name, text);
	free(text);
}

/* One structure of the ethtool ioctls, in hexadecimal: it is compared, not read. */
static void add_ethtool(struct state *state, int fd, const char *name, uint32_t command,
			const char *what, void *data, size_t bytes)
{
	struct ifreq request = { .ifr_data = data };
	char hex[LINE_BYTES] = "";
	size_t used = 0;

	memset(data, 0, bytes);
	memcpy(data, &command, sizeof(command));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &request))
		return;
	for (size_t i = sizeof(command); i < bytes && used + 3 < sizeof(hex); i++)
		used += (size_t)snprintf(hex + used, sizeof(hex) - used, "%02x",
					 ((unsigned char *)data)[i]);
	add(state, "interface %s %s: %s", name, what, hex);
}

static void add_interface(struct state *state, int fd, const char *name)
{
	static const char *const files[] = { "mtu",
					     "flags",
					     "tx_queue_len",
					     "address",
					     "threaded",
					     "napi_defer_hard_irqs",
					     "gro_flush_timeout" };
	struct ethtool_ringparam ring;
	struct ethtool_channels channels;
	struct ethtool_value flags;
	struct ethtool_rxnfc rules;

	add(state, "interface: %s", name);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[300], what[300];

		snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, files[i]);
		snprintf(what, sizeof(what), "interface %s %s", name, files[i]);
		add_file(state, path, what);
	}
	add_ethtool(state, fd, name, ETHTOOL_GRINGPARAM, "rings", &ring, sizeof(ring));
	add_ethtool(state, fd, name, ETHTOOL_GCHANNELS, "channels", &channels, sizeof(channels));
	add_ethtool(state, fd, name, ETHTOOL_GFLAGS, "flags", &flags, sizeof(flags));
	add_ethtool(state, fd, name, ETHTOOL_GRXCLSRLCNT, "rules", &rules,
		    offsetof(struct ethtool_rxnfc, rule_locs));
}

static void add_interfaces(struct state *state)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *each = list; each && each->if_index; each++)
		add_interface(state, fd, each->if_name);
	if (list)
		if_freenameindex(list);
	if (fd >= 0)
		close(fd);
}

static void add_sysctls(struct state *state, const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		char inner[512];
		struct stat about;

		if (entry->d_name[0] == '.' ||
		    snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >=
			    (int)sizeof(inner) ||
		    lstat(inner, &about))
			continue;
		if (S_ISREG(about.st_mode) && (about.st_mode & S_IWUSR) &&
		    (about.st_mode & S_IRUSR))
			add_file(state, inner, inner);
	}
	if (folder)
		closedir(folder);
}

/* Use counts of other modules follow namespaces that the kernel ends when it likes. */
static void add_nic_module(struct state *state)
{
	add_file(state, "/sys/module/" NIC_MODULE "/refcnt", "module " NIC_MODULE ": used");
}

static void add_mounts(struct state *state)
{
	char *text = file_read("/proc/mounts", NULL), *at = text, *line;

	while (text && (line = strsep(&at, "\n")) != NULL)
		if (*line)
			add(state, "mount: %s", line);
	free(text);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct state *state_take(void)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	add_names(state, "network namespace", "/run/netns");
	add_interfaces(state);
	add_nic_module(state);
	add_mounts(state);
	add_sysctls(state, "/proc/sys/net/core");
	add_sysctls(state, "/proc/sys/net/ipv4");
	add_sysctls(state, "/proc/sys/net/ipv6");
	add_file(state, "/proc/sys/vm/nr_hugepages", "huge pages");
	add_file(state, "/sys/kernel/mm/transparent_hugepage/enabled", "transparent huge pages");
	add_file(state, "/proc/sys/kernel/io_uring_disabled", "io_uring_disabled");
	qsort(state->lines, state->count, LINE_BYTES, compare_lines);
	return state;
}

void state_free(struct state *state)
{
	if (state)
		free(state->lines);
	free(state);
}

/* How many lines differ; each is shown where asked for. */
unsigned state_compare(const struct state *before, const struct state *after, bool show)
{
	size_t i = 0, k = 0;
	unsigned found = 0;

	if (!before || !after)
		return 1;
	while (i < before->count || k < after->count) {
		int order = i == before->count ? 1 :
			    k == after->count  ? -1 :
						 strcmp(before->lines[i], after->lines[k]);

		if (order == 0) {
			i++;
			k++;
		} else if (order < 0) {
			if (show)
				say("| was, and is no more: %s", before->lines[i]);
			i++;
			found++;
		} else {
			if (show)
				say("| left behind: %s", after->lines[k]);
			k++;
			found++;
		}
	}
	return found;
}
