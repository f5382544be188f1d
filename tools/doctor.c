// SPDX-License-Identifier: MIT
/*
 * doctor.c - weir doctor: what this machine can do, which way each NIC queue would get, and why not
 * a better one.
 *
 * Theory: the probe, the state of each interface and a verdict for each queue and way are read
 *	first, then printed.  With --require the exit code answers one question.  With --try the one
 *	verdict that cannot be read is found by binding the queue for a moment; that interrupts it,
 *	so it is done only on a queue that was named, and not on the machine's way out.
 * Invariants:
 *	1. without --try nothing is changed.
 *	2. with --require the exit code is 0 exactly when the way is open now.
 * Ownership: the report is built and freed here.
 * Threads: one.
 * Errors: an interface that was named and cannot be read is exit code 1; others are shown with
 *	their error.
 * Sources: weir/probe.h, weir/nic.h.
 * Tests: tests/cli/doctor.sh, tests/vm/t/doctor.sh, tests/unit/test_doctor.c
 */
#include "doctor.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "weir_tool.h"

const char *const doctor_way_names[DOCTOR_WAYS] = { "zcrx", "xdp", "uring", "epoll" };

const struct doctor_feature doctor_features[] = {
	{ WEIR_CAN_ZCRX, "zcrx" },
	{ WEIR_CAN_RECV_ZC, "recv_zc" },
	{ WEIR_CAN_ZCRX_NODEV, "zcrx_nodev" },
	{ WEIR_CAN_ZCRX_BUF_LEN, "zcrx_buf_len" },
	{ WEIR_CAN_IO_URING, "io_uring" },
	{ WEIR_CAN_DEFER_TASKRUN, "defer_taskrun" },
	{ WEIR_CAN_RECV_MULTISHOT, "recv_multishot" },
	{ WEIR_CAN_BUF_RING, "buf_ring" },
	{ WEIR_CAN_BUF_INCREMENTAL, "buf_incremental" },
	{ WEIR_CAN_BUNDLE, "bundle" },
	{ WEIR_CAN_MIN_WAIT, "min_wait" },
	{ WEIR_CAN_CQE_MIXED, "cqe_mixed" },
	{ WEIR_CAN_QUERY, "query" },
	{ WEIR_CAN_SEND_ZC, "send_zc" },
	{ WEIR_CAN_SENDMSG_ZC, "sendmsg_zc" },
	{ WEIR_CAN_MSG_ZEROCOPY, "msg_zerocopy" },
	{ WEIR_CAN_UDP_GRO, "udp_gro" },
	{ WEIR_CAN_AF_XDP, "af_xdp" },
	{ WEIR_CAN_BPF, "bpf" },
	{ WEIR_CAN_ETHTOOL_NL, "ethtool_netlink" },
	{ WEIR_CAN_NETDEV_GENL, "netdev_netlink" },
	{ WEIR_CAN_UDMABUF, "udmabuf" },
	{ WEIR_CAN_NET_ADMIN, "net_admin" },
	{ WEIR_CAN_NET_RAW, "net_raw" },
	{ WEIR_CAN_IPC_LOCK, "ipc_lock" },
	{ WEIR_CAN_JOURNAL, "journal" },
	{ 0, NULL },
};

static struct {
	bool json, try, really, queue_given;
	uint64_t queue;
	int require;
} args;

static const struct opt_name ways[] = {
	{ "zcrx", WEIR_WAY_ZCRX },
	{ "xdp", WEIR_WAY_XDP },
	{ "uring", WEIR_WAY_URING },
	{ "epoll", WEIR_WAY_EPOLL },
	{ NULL, 0 },
};

static const struct opt table[] = {
	{ .name = "json", .kind = OPT_FLAG, .target = &args.json, .help = "print JSON" },
	{ .name = "require",
	  .kind = OPT_ENUM,
	  .target = &args.require,
	  .names = ways,
	  .help = "end with 0 only if a queue that was asked about can have this way now" },
	{ .name = "queue",
	  .letter = 'q',
	  .kind = OPT_UINT,
	  .target = &args.queue,
	  .given = &args.queue_given,
	  .max = 65535,
	  .help = "only this receive queue of the interfaces that are named" },
	{ .name = "try",
	  .kind = OPT_FLAG,
	  .target = &args.try,
	  .help = "bind the queue for zero-copy receive for a moment; it is "
		  "restarted, and packets that arrive meanwhile may be lost" },
	{ .name = "really",
	  .kind = OPT_FLAG,
	  .target = &args.really,
	  .help = "with --try: also on an interface that is the machine's way out" },
	{ .kind = OPT_END },
};

static const struct opt_spec spec = {
	.command = "weir doctor",
	.operands = "[IFACE...]",
	.about = "What this kernel, this user and each NIC queue can do: which way payload would "
		 "take, why not a better one, and what would change that. Nothing is changed, but "
		 "by --try.",
	.opts = table,
	.operands_max = 64,
};

bool doctor_is_nic(const struct weir_nic_info *info)
{
	/* The test NIC is made as a virtual link, but has a device that does DMA. */
	return !info->loopback && (!info->kind[0] || !strcmp(info->driver, "weirnic"));
}

enum weir_way doctor_best(const struct weir_verdict *way)
{
	if (way[WEIR_WAY_ZCRX].now)
		return WEIR_WAY_ZCRX;
	return way[WEIR_WAY_URING].now ? WEIR_WAY_URING : WEIR_WAY_EPOLL;
}

int doctor_nearness(const struct weir_verdict *v)
{
	return v->now ? 3 : v->unsure ? 1 : v->can ? 2 : 0;
}

/* ------------------------------------------------------------------------ collecting */

static int compare_ifaces(const void *a, const void *b)
{
	const struct doctor_iface *x = a, *y = b;
	int x_rank = x->info ? doctor_is_nic(x->info) ? 0 : 1 + x->info->loopback : 3;
	int y_rank = y->info ? doctor_is_nic(y->info) ? 0 : 1 + y->info->loopback : 3;

	return x_rank != y_rank ? x_rank - y_rank : strverscmp(x->name, y->name);
}

static int judge(struct doctor_report *r, struct doctor_iface *f, unsigned index,
		 struct doctor_queue *q)
{
	q->index = index;
	for (int way = 0; way < DOCTOR_WAYS; way++) {
		int code = weir_verdict_queue(&r->probe, f->info, index, (enum weir_way)way,
					      &q->way[way]);

		if (code)
			return code;
	}
	return 0;
}

/* 0 or -errno with a record in @f. */
static int read_iface(struct doctor_report *r, struct doctor_iface *f)
{
	unsigned first = 0, count;
	struct weir_error err = { 0 };
	int code = weir_nic_info_read(&f->info, f->name, &err);

	if (code) {
		f->err = err;
		f->err.code = code;
		return code;
	}
	count = f->info->rx_queues;
	if (args.queue_given) {
		first = (unsigned)args.queue;
		count = 1;
	}
	f->queues = calloc(count ? count : 1, sizeof(*f->queues));
	if (!f->queues) {
		f->err.code = -ENOMEM;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < count; i++) {
		code = judge(r, f, first + i, &f->queues[i]);
		if (code) {
			f->err.code = code;
			snprintf(f->err.stage, sizeof(f->err.stage), "rxq %u", first + i);
			snprintf(f->err.object, sizeof(f->err.object), "%s", f->name);
			snprintf(f->err.hint, sizeof(f->err.hint), "it has %u receive queues",
				 f->info->rx_queues);
			return code;
		}
		f->queue_count++;
	}
	return 0;
}

static int read_named(struct doctor_report *r, int count, char **names)
{
	int code = 0;

	r->ifaces = calloc((size_t)count, sizeof(*r->ifaces));
	if (!r->ifaces)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		struct doctor_iface *f = &r->ifaces[r->iface_count++];
		char text[512];

		snprintf(f->name, sizeof(f->name), "%s", names[i]);
		if (strlen(names[i]) >= sizeof(f->name)) {
			fprintf(stderr, "weir doctor: %.40s: no name of an interface\n", names[i]);
			code = f->err.code = -EINVAL;
		} else if (read_iface(r, f)) {
			code = f->err.code;
			fprintf(stderr, "weir doctor: %s\n",
				tool_error_text(&f->err, text, sizeof(text)));
		}
	}
	return code;
}

static int read_all(struct doctor_report *r)
{
	struct if_nameindex *list = if_nameindex();
	unsigned count = 0;

	/* A filter may forbid the socket that this needs: then there is nothing to say of them. */
	if (!list)
		return errno == ENOMEM ? -ENOMEM : 0;
	while (list[count].if_index)
		count++;
	r->ifaces = calloc(count ? count : 1, sizeof(*r->ifaces));
	for (unsigned i = 0; r->ifaces && i < count; i++) {
		struct doctor_iface *f = &r->ifaces[r->iface_count];

		snprintf(f->name, sizeof(f->name), "%s", list[i].if_name);
		/* One that went away since the list was made is no interface any more. */
		if (read_iface(r, f) == -ENODEV)
			memset(f, 0, sizeof(*f));
		else
			r->iface_count++;
	}
	if_freenameindex(list);
	if (!r->ifaces)
		return -ENOMEM;
	qsort(r->ifaces, r->iface_count, sizeof(*r->ifaces), compare_ifaces);
	return 0;
}

static void read_version(struct doctor_report *r)
{
	FILE *file = fopen("/proc/version", "re");

	if (!file)
		return;
	if (!fgets(r->version, sizeof(r->version), file))
		r->version[0] = '\0';
	r->version[strcspn(r->version, "\n")] = '\0';
	fclose(file);
}

/* ----------------------------------------------------------------------------- trial */

/* The trial's answer replaces the verdict.  1: it was not made; a message was printed. */
static int try_queue(struct doctor_iface *f)
{
	struct doctor_queue *q = &f->queues[0];
	struct weir_verdict *v = &q->way[WEIR_WAY_ZCRX];
	struct weir_error err = { 0 };
	int code;

	if (f->info->carries[0] && !args.really) {
		fprintf(stderr,
			"weir doctor: %s queue %u is not tried: %s, and a trial interrupts the "
			"queue: add --really\n",
			f->name, q->index, f->info->carries);
		return 1;
	}
	code = weir_probe_try_zcrx(f->info->ifindex, q->index, &err);
	q->tried = true;
	if (!code) {
		v->can = v->now = true;
		v->why[0] = v->fix[0] = '\0';
	} else if (v->unsure || v->can == v->now) {
		/* What was read did not know it, or knew it wrong. */
		v->can = code == -EINVAL || code == -EEXIST || code == -EBUSY || code == -EPERM ||
			 code == -ENOMEM;
		snprintf(v->why, sizeof(v->why), "the trial gave %s: %.180s",
			 strerrorname_np(-code), err.hint);
		v->fix[0] = '\0';
		if (code == -EINVAL)
			snprintf(v->fix, sizeof(v->fix), "weir nic apply %s --queue %u%s", f->name,
				 q->index, f->info->carries[0] ? " --really" : "");
	}
	v->now = !code;
	v->unsure = false;
	return 0;
}

/* --------------------------------------------------------------------------- require */

static void unmet(struct doctor_report *r, const char *name, int queue,
		  const struct weir_verdict *v)
{
	char where[48] = "";

	if (name)
		snprintf(where, sizeof(where), " on %s queue %d", name, queue);
	snprintf(r->unmet, sizeof(r->unmet), "%s%s: %s%s%s%s", doctor_way_names[r->require], where,
		 v->unsure ? "it cannot be told: " : "", v->why, v->fix[0] ? "; " : "", v->fix);
}

static void check_required(struct doctor_report *r)
{
	int best = -1;

	if (r->require < 0)
		return;
	if (r->require >= WEIR_WAY_URING) {
		r->met = r->plain[r->require].now;
		if (!r->met)
			unmet(r, NULL, 0, &r->plain[r->require]);
		return;
	}
	for (unsigned i = 0; i < r->iface_count; i++) {
		for (unsigned k = 0; k < r->ifaces[i].queue_count; k++) {
			struct doctor_queue *q = &r->ifaces[i].queues[k];
			const struct weir_verdict *v = &q->way[r->require];

			if (doctor_nearness(v) <= best)
				continue;
			best = doctor_nearness(v);
			unmet(r, r->ifaces[i].name, (int)q->index, v);
		}
	}
	r->met = best == 3;
	if (best < 0)
		snprintf(r->unmet, sizeof(r->unmet), "%s: no interface could be looked at",
			 doctor_way_names[r->require]);
	if (r->met)
		r->unmet[0] = '\0';
}

static void report_fini(struct doctor_report *r)
{
	for (unsigned i = 0; i < r->iface_count; i++) {
		weir_nic_info_free(r->ifaces[i].info);
		free(r->ifaces[i].queues);
	}
	free(r->ifaces);
}

static int check_usage(int operands)
{
	if (args.queue_given && !operands)
		return opt_usage_error(&spec, "--queue wants the name of an interface");
	if (args.try && (operands != 1 || !args.queue_given))
		return opt_usage_error(&spec, "--try wants one interface and --queue");
	if (args.really && !args.try)
		return opt_usage_error(&spec, "--really goes with --try");
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor_report r = { 0 };
	int first, code, exit_code = TOOL_EXIT_OK;

	memset(&args, 0, sizeof(args));
	args.require = -1;
	code = opt_main(&spec, argc, argv, &first);
	if (code >= 0)
		return code;
	code = check_usage(argc - first);
	if (code)
		return code;
	r.require = args.require;
	r.named = first < argc;
	code = weir_probe_read(&r.probe, sizeof(r.probe));
	read_version(&r);
	for (int way = WEIR_WAY_URING; !code && way <= WEIR_WAY_EPOLL; way++)
		code = weir_verdict_queue(&r.probe, NULL, 0, (enum weir_way)way, &r.plain[way]);
	if (code) {
		fprintf(stderr, "weir doctor: %s\n", strerror(-code));
		return TOOL_EXIT_FAILED;
	}
	code = r.named ? read_named(&r, argc - first, argv + first) : read_all(&r);
	if (code)
		exit_code = TOOL_EXIT_FAILED;
	if (args.try && !code && try_queue(&r.ifaces[0]))
		exit_code = TOOL_EXIT_FAILED;
	check_required(&r);
	if (args.json && doctor_print_json(&r))
		exit_code = TOOL_EXIT_FAILED;
	else if (!args.json)
		doctor_print_text(stdout, &r);
	if (r.require >= 0 && !r.met) {
		fprintf(stderr, "weir doctor: %s\n", r.unmet);
		exit_code = TOOL_EXIT_FAILED;
	}
	report_fini(&r);
	return exit_code;
}
