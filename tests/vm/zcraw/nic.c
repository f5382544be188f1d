/* SPDX-License-Identifier: MIT */
/*
 * nic.c - the test NIC's settings, counters and faults.
 *
 * Theory: a device of the test NIC says in its bus-info (ETHTOOL_GDRVINFO) under which name it is
 * in debugfs; "stats" there has a line for each counter, and fault/NAME takes "EVERY [TIMES]".
 * Rules, the split and the spreading table are set with ethtool, as a person would.
 */
#include "netlink.h"
#include "zcraw.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/weirnic"

void nic_open(struct nic *nic, const char *name)
{
	struct ethtool_drvinfo info;
	struct ifreq ifr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(&info, 0, sizeof info);
	memset(&ifr, 0, sizeof ifr);
	info.cmd = ETHTOOL_GDRVINFO;
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	ifr.ifr_data = (char *)&info;
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr))
		fail("%s: no such device here: %s", name, strerror(errno));
	close(fd);
	memset(nic, 0, sizeof *nic);
	snprintf(nic->name, sizeof nic->name, "%s", name);
	snprintf(nic->dir, sizeof nic->dir, DEBUGFS "/%.31s", info.bus_info);
	nic->ifindex = if_nametoindex(name);
	if (access(nic->dir, R_OK))
		fail("%s: driver %s, no %s", name, info.driver, nic->dir);
}

static const char *stats_text(const struct nic *nic)
{
	static char text[32768];
	char path[192];
	int err;

	snprintf(path, sizeof path, "%s/stats", nic->dir);
	text[0] = '\n';
	err = file_read(path, text + 1, sizeof text - 1);
	if (err)
		fail("%s: %s", path, strerror(-err));
	return text;
}

static uint64_t counter_of(const char *text, const char *counter)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof key, "\n%s ", counter);
	at = strstr(text, key);
	if (!at)
		fail("the test NIC has no counter %s", counter);
	return strtoull(at + strlen(key), NULL, 10);
}

uint64_t nic_stat(const struct nic *nic, const char *counter)
{
	return counter_of(stats_text(nic), counter);
}

void nic_counts(const struct nic *nic, unsigned queue, struct nic_counts *ret)
{
	const char *text = stats_text(nic);
	const struct {
		const char *name;
		uint64_t *to;
	} wanted[] = { { "packets", &ret->packets },	 { "provider_bytes", &ret->provider },
		       { "kernel_bytes", &ret->kernel }, { "head_bytes", &ret->head },
		       { "no_buffer", &ret->no_buffer }, { "alloc_fail", &ret->alloc_fail },
		       { "restarts", &ret->restarts },	 { "split_frames", &ret->split } };
	char counter[64];

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		snprintf(counter, sizeof counter, "rx%u.%s", queue, wanted[i].name);
		*wanted[i].to = counter_of(text, counter);
	}
}

void nic_prepare(const struct nic *nic)
{
	must(NULL, "ethtool -G %s tcp-data-split on", nic->name);
	must(NULL, "ethtool -X %s equal 1", nic->name);
	undo(RX_NS, "ethtool -X %s default", nic->name);
}

void nic_rule(const struct nic *nic, bool ip6, unsigned port, const char *target)
{
	char line[160], out[256];
	const char *at;

	snprintf(line, sizeof line, "ethtool -N %s flow-type tcp%d dst-port %u %s", nic->name,
		 ip6 ? 6 : 4, port, target);
	if (command(NULL, line, out, sizeof out))
		fail("\"%s\": %s", line, out);
	at = strstr(out, "rule with ID ");
	if (!at)
		fail("\"%s\" names no rule: %s", line, out);
	undo(RX_NS, "ethtool -N %s delete %lu", nic->name,
	     strtoul(at + strlen("rule with ID "), NULL, 10));
}

void nic_fault(const struct nic *nic, const char *fault, unsigned every, unsigned times)
{
	char path[192], text[32];
	int err;

	undo_faults();
	/* the seed sets all hits to zero: those of a fault that is switched off are to be read */
	snprintf(path, sizeof path, "%s/fault/seed", nic->dir);
	snprintf(text, sizeof text, "%llu", (unsigned long long)zcraw_seed);
	err = every ? file_write(path, text) : 0;
	if (err)
		fail("%s: %s", path, strerror(-err));
	snprintf(path, sizeof path, "%s/fault/%s", nic->dir, fault);
	if (times)
		snprintf(text, sizeof text, "%u %u", every, times);
	else
		snprintf(text, sizeof text, "%u", every);
	err = file_write(path, text);
	if (err)
		fail("%s: \"%s\": %s", path, text, strerror(-err));
}

uint64_t nic_fault_hits(const struct nic *nic, const char *fault)
{
	char path[192], text[128];
	const char *at;

	snprintf(path, sizeof path, "%s/fault/%s", nic->dir, fault);
	if (file_read(path, text, sizeof text))
		fail("%s cannot be read", path);
	at = strstr(text, "hits ");
	if (!at)
		fail("%s says \"%s\", without hits", path, text);
	return strtoull(at + 5, NULL, 10);
}

uint64_t nic_carrier_changes(const struct nic *nic)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)nic->ifindex };
	static struct nl_message msg;
	int fd = nl_open(NETLINK_ROUTE), err;
	const void *found;
	uint32_t changes;

	if (fd < 0)
		fail("netlink: %s", strerror(-fd));
	nl_init(&msg, RTM_GETLINK, 0, &head, sizeof head);
	nl_put_u32(&msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = nl_exchange(fd, &msg);
	close(fd);
	found = err ? NULL : nl_find(&msg, sizeof head, IFLA_CARRIER_CHANGES);
	if (!found)
		fail("%s: carrier changes: %s", nic->name, strerror(-err));
	memcpy(&changes, found, sizeof changes);
	return changes;
}

void nic_faults_off(void)
{
	static const char *const names[] = { "drop",	  "duplicate",	  "reorder",
					     "corrupt",	  "split_less",	  "split_more",
					     "misdirect", "alloc_fail",	  "no_buffer",
					     "delay",	  "carrier_flap", "queue_start" };
	DIR *dir = opendir(DEBUGFS);
	struct dirent *entry;
	char path[192];

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			snprintf(path, sizeof path, DEBUGFS "/%.31s/fault/%s", entry->d_name,
				 names[i]);
			file_write(path, "0");
		}
	}
	closedir(dir);
}
