/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what the files of `weir doctor` share: what was found, and who prints it.
 */
#ifndef WEIR_TOOLS_DOCTOR_H
#define WEIR_TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/probe.h>

#define DOCTOR_WAYS 4 /* enum weir_way */

/**
 * struct doctor_queue - one queue, and whether it could take each way.
 * @index: its number.
 * @way: by enum weir_way.
 * @tried: the verdict on zcrx is that of a trial.
 */
struct doctor_queue {
	unsigned index;
	struct weir_verdict way[DOCTOR_WAYS];
	bool tried;
};

/**
 * struct doctor_iface - one interface.
 * @name: its name.
 * @info: its state; NULL where it could not be read.
 * @err: why it could not.
 * @queues: those that were asked about.
 * @queue_count: number of @queues.
 */
struct doctor_iface {
	char name[16];
	const struct weir_nic_info *info;
	struct weir_error err;
	struct doctor_queue *queues;
	unsigned queue_count;
};

/**
 * struct doctor_report - all that was found.
 * @probe: the kernel and this user.
 * @version: /proc/version; empty where it is hidden.
 * @plain: verdicts on the ways that need no NIC (uring, epoll).
 * @ifaces: interfaces: NICs by name, then the others.
 * @iface_count: number of @ifaces.
 * @named: they were named on the command line.
 * @require: enum weir_way that was asked for; -1: none.
 * @met: it can be had now.
 * @unmet: why it cannot; empty where @met.
 */
struct doctor_report {
	struct weir_probe probe;
	char version[256];
	struct weir_verdict plain[DOCTOR_WAYS];
	struct doctor_iface *ifaces;
	unsigned iface_count;
	bool named;
	int require;
	bool met;
	char unmet[560];
};

/**
 * struct doctor_feature - one bit of the probe.
 * @can: the bit.
 * @key: its name in JSON.
 */
struct doctor_feature {
	uint64_t can;
	const char *key;
};

/** doctor_features - all bits, in the order in which they are printed; ends with a NULL key. */
extern const struct doctor_feature doctor_features[];

/** doctor_way_names - "zcrx", "xdp", "uring", "epoll". */
extern const char *const doctor_way_names[DOCTOR_WAYS];

/** doctor_is_nic() - a device with a bus behind it, not loopback, not made by software. */
bool doctor_is_nic(const struct weir_nic_info *info);

/**
 * doctor_best() - the best way that is open now.
 * @way: verdicts by enum weir_way.
 *
 * AF_XDP is left out: it is another interface, for datagrams and frames.
 *
 * Return: WEIR_WAY_ZCRX, WEIR_WAY_URING or WEIR_WAY_EPOLL.
 */
enum weir_way doctor_best(const struct weir_verdict *way);

/**
 * doctor_nearness() - how near a verdict is to "now": the nearest queue is the one that is told of.
 * @v: the verdict.
 *
 * Return: 3 now, 2 after a change, 1 perhaps, 0 no.
 */
int doctor_nearness(const struct weir_verdict *v);

/**
 * struct doctor_fault - a published fault of the kernel in what weir uses.
 * @id: CVE number.
 * @feature: what it is in.
 * @first: first version that has it ("6.15").
 * @fixed: first versions without it, oldest first, divided by blanks; the last is the main line's.
 * @text: what goes wrong, and what weir has to do with it.
 */
struct doctor_fault {
	const char *id;
	const char *feature;
	const char *first;
	const char *fixed;
	const char *text;
};

/**
 * doctor_fault() - the next published fault that a kernel of this version has.
 * @from: where to go on: 0 at first; moved behind the fault that is returned.
 * @release: the kernel's version ("6.18.44-cloud-amd64").
 *
 * Return: the fault, or NULL after the last and where the version cannot be read.
 */
const struct doctor_fault *doctor_fault(unsigned *from, const char *release);

/**
 * doctor_kernel_version() - the version to look faults up by.
 * @release: uname -r.
 * @version: /proc/version, in which Debian names the version that its release name lacks.
 * @buf: receives it ("6.1.147").
 * @bytes: size of @buf.
 *
 * Return: @buf.
 */
const char *doctor_kernel_version(const char *release, const char *version, char *buf,
				  size_t bytes);

/** doctor_print_text() - for people. */
void doctor_print_text(FILE *to, const struct doctor_report *r);

/** doctor_print_json() - for programs, on standard output; the exit code. */
int doctor_print_json(const struct doctor_report *r);

#endif
