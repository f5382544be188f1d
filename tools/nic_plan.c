/* SPDX-License-Identifier: MIT */
/*
 * nic_plan.c - weir nic plan and weir nic apply: one table of options for both.
 *
 * Theory: plan makes a plan and prints it, as text or JSON. apply opens the NIC: with its changes
 *	kept until 'weir nic restore', or with --hold until a signal comes.
 * Invariants: 1. plan changes nothing.
 * Ownership: options are static, as the table needs it; flows grow by realloc.
 * Threads: one.
 * Errors: a line on stderr with the hint; 1 where it cannot be done, 2 for usage.
 * Sources: none.
 * Tests: tests/netns/nic_apply.sh, tests/vm/t/nic_apply.sh, tests/cli/nic_args.sh
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <weir/weir.h>

#include "nic_cmd.h"
#include "weir_tool.h"

#define CPUS_MAX 64
#define FLOWS_MAX 4096

enum purpose { FOR_ZCRX, FOR_XDP, FOR_NONE };

static const struct opt_name purposes[] = {
	{ "zcrx", FOR_ZCRX }, { "xdp", FOR_XDP }, { "none", FOR_NONE }, { NULL, 0 }
};

/* What the command line wants. */
static struct {
	int purpose;
	uint64_t queue, queues, channels;
	bool queue_given;
	bool gro_hw, really, json, hold;
	uint64_t gro_flush_us, irq_suspend_us, defer;
	bool gro_flush_given, irq_suspend_given, defer_given;
	struct weir_nic_flow *flow;
	unsigned flow_count;
	uint32_t cpu[CPUS_MAX];
	unsigned cpu_count;
} wish = { .queues = 1 };

static int add_flow(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	struct weir_nic_flow *more;
	struct weir_error err = { 0 };

	(void)opt;
	more = wish.flow_count < FLOWS_MAX ?
		       realloc(wish.flow, (wish.flow_count + 1) * sizeof(*more)) :
		       NULL;
	if (!more) {
		snprintf(why, why_bytes, "at most %d flows", FLOWS_MAX);
		return -EINVAL;
	}
	wish.flow = more;
	if (weir_nic_flow_parse(value, &wish.flow[wish.flow_count], &err)) {
		snprintf(why, why_bytes, "%s", err.hint);
		return -EINVAL;
	}
	wish.flow_count++;
	return 0;
}

static int add_cpus(const struct opt *opt, const char *value, char *why, size_t why_bytes)
{
	const char *at = value;

	(void)opt;
	snprintf(why, why_bytes, "CPU numbers divided by commas, one for each queue");
	for (wish.cpu_count = 0; wish.cpu_count < CPUS_MAX; at++) {
		unsigned long cpu;
		char *end;

		errno = 0;
		cpu = strtoul(at, &end, 10);
		if (*at < '0' || *at > '9' || errno || cpu > 65535 || (*end && *end != ','))
			return -EINVAL;
		wish.cpu[wish.cpu_count++] = (uint32_t)cpu;
		at = end;
		if (!*at)
			return 0;
	}
	return -EINVAL;
}

/* The first one is apply's alone: plan's table begins behind it. */
static const struct opt options[] = {
	{ .name = "hold",
	  .kind = OPT_FLAG,
	  .target = &wish.hold,
	  .help = "stay, and put all back at SIGINT, SIGTERM or SIGHUP" },
	{ .name = "for",
	  .kind = OPT_ENUM,
	  .target = &wish.purpose,
	  .names = purposes,
	  .help = "what the queues are for: zcrx (zero-copy receive: header/data split, no other "
		  "flow on the queue; the default), xdp (no other flow, no LRO) or none (what the "
		  "other options say)" },
	{ .name = "queue",
	  .letter = 'q',
	  .kind = OPT_UINT,
	  .target = &wish.queue,
	  .given = &wish.queue_given,
	  .max = 65535,
	  .flags = OPT_NO_LIMITS,
	  .help = "first Rx queue; the highest free ones if not given" },
	{ .name = "queues",
	  .letter = 'n',
	  .kind = OPT_UINT,
	  .target = &wish.queues,
	  .min = 1,
	  .max = 64,
	  .help = "number of queues beside each other; with more than one, flows are spread over "
		  "them by an RSS context" },
	{ .name = "flow",
	  .letter = 'f',
	  .kind = OPT_CALL,
	  .call = add_flow,
	  .arg = "FLOW",
	  .help = "steer these packets to the queues, may be given often: tcp:5201 (a listening "
		  "port), tcp:10.0.0.1:5201, udp:[::1]:53, or a connection "
		  "tcp:10.0.0.1:40000-10.0.0.2:80 (this end first)" },
	{ .name = "channels",
	  .kind = OPT_UINT,
	  .target = &wish.channels,
	  .min = 1,
	  .max = 65535,
	  .flags = OPT_NO_LIMITS,
	  .help = "set the number of channels, too" },
	{ .name = "gro-hw",
	  .kind = OPT_FLAG,
	  .target = &wish.gro_hw,
	  .help = "switch receive offload by hardware on, where the NIC has it: larger pieces" },
	{ .name = "irq-cpu",
	  .kind = OPT_CALL,
	  .call = add_cpus,
	  .arg = "CPU,...",
	  .help = "CPU of each queue's interrupt" },
	{ .name = "gro-flush-timeout",
	  .kind = OPT_SECONDS,
	  .target = &wish.gro_flush_us,
	  .given = &wish.gro_flush_given,
	  .help = "busy polling: how long a poll may be late before the kernel polls again" },
	{ .name = "defer-hard-irqs",
	  .kind = OPT_UINT,
	  .target = &wish.defer,
	  .given = &wish.defer_given,
	  .max = INT32_MAX,
	  .flags = OPT_NO_LIMITS,
	  .help = "busy polling: empty polls before interrupts are on again" },
	{ .name = "irq-suspend-timeout",
	  .kind = OPT_SECONDS,
	  .target = &wish.irq_suspend_us,
	  .given = &wish.irq_suspend_given,
	  .help = "busy polling: how long interrupts stay off while the application is busy" },
	{ .name = "really",
	  .kind = OPT_FLAG,
	  .target = &wish.really,
	  .help = "also an interface that this machine's way out depends on" },
	{ .name = "json", .kind = OPT_FLAG, .target = &wish.json, .help = "print JSON" },
	{ .kind = OPT_END },
};

static const struct opt_spec plan_spec = {
	.command = "weir nic plan",
	.operands = "IFACE",
	.about =
		"Show what 'weir nic apply' with the same options would change, step by step, with "
		"the ethtool line that does the same. Changes nothing.",
	.opts = options + 1,
	.notes = "Exit code: 0 the plan can be made, 1 the NIC cannot do it, 2 bad arguments.\n",
	.operands_min = 1,
	.operands_max = 1,
};

static const struct opt_spec apply_spec = {
	.command = "weir nic apply",
	.operands = "IFACE",
	.about = "Set a NIC up for zero-copy receive: the plan is made and done. Each change is "
		 "written to the journal under /run/weir first; 'weir nic restore IFACE' puts all "
		 "back.",
	.opts = options,
	.notes = "Exit code: 0 all is set, 1 it could not be and nothing is left changed, 2 bad "
		 "arguments.\n",
	.operands_min = 1,
	.operands_max = 1,
};

static int options_to(struct weir_nic_opts *o, const struct opt_spec *spec, const char *ifname)
{
	static const uint32_t flags[] = { [FOR_ZCRX] = WEIR_NIC_FOR_ZCRX,
					  [FOR_XDP] = WEIR_NIC_RSS_AWAY | WEIR_NIC_NO_LRO,
					  [FOR_NONE] = 0 };
	bool busy = wish.gro_flush_given || wish.defer_given || wish.irq_suspend_given;

	if (wish.cpu_count && wish.cpu_count != wish.queues)
		return opt_usage_error(spec, "--irq-cpu names %u CPUs for %u queues",
				       wish.cpu_count, (unsigned)wish.queues);
	*o = (struct weir_nic_opts){
		.size = sizeof(*o),
		.flags = flags[wish.purpose] | (wish.gro_hw ? WEIR_NIC_GRO_HW : 0) |
			 (wish.cpu_count ? WEIR_NIC_IRQ_CPU : 0) | (busy ? WEIR_NIC_BUSY_POLL : 0) |
			 (wish.really ? WEIR_NIC_REALLY : 0),
		.ifname = ifname,
		.queue_first = wish.queue_given ? (int32_t)wish.queue : -1,
		.queue_count = (uint32_t)wish.queues,
		.channels = (uint32_t)wish.channels,
		.flow_count = wish.flow_count,
		.flows = wish.flow,
		.cpus = wish.cpu,
		.gro_flush_timeout_ns = wish.gro_flush_us * 1000,
		.irq_suspend_timeout_ns = wish.irq_suspend_us * 1000,
		.defer_hard_irqs = (uint32_t)wish.defer,
	};
	return -1;
}

static int failed(const char *command, const struct weir_error *err)
{
	char text[512];

	fprintf(stderr, "%s: %s\n", command, tool_error_text(err, text, sizeof(text)));
	return TOOL_EXIT_FAILED;
}

/* ----------------------------------------------------------------------------- printing */

/* Those of the NIC where it is open: others may have come between the plan and that. */
static int queue_at(const struct weir_nic_plan *plan, const struct weir_nic *nic, unsigned i)
{
	return nic ? weir_nic_queue(nic, i) : weir_nic_plan_queue(plan, i);
}

static void print_queues(const struct weir_nic_plan *plan, const struct weir_nic *nic)
{
	printf("rxq");
	for (unsigned i = 0; queue_at(plan, nic, i) >= 0; i++)
		printf("%s%d", i ? "," : " ", queue_at(plan, nic, i));
}

/* Long values (an RSS table) are cut: JSON and the ethtool line have all. */
static void print_value(const char *value)
{
	printf("%.48s%s", value[0] ? value : "none", strlen(value) > 48 ? "..." : "");
}

static void print_step(const struct weir_nic_step *step, unsigned number)
{
	if (step->done) {
		printf("  %u. %s: ", number, step->what);
		print_value(step->after);
		printf(" already; held from then on\n");
	} else if (step->before[0]) {
		printf("  %u. %s: ", number, step->what);
		print_value(step->before);
		printf(" -> ");
		print_value(step->after);
		putchar('\n');
	} else {
		printf("  %u. new: %s\n", number, step->what);
	}
	if (step->note[0])
		printf("       note: %s\n", step->note);
	if (step->ethtool[0])
		printf("       do:   %s\n", step->ethtool);
	if (step->undo[0])
		printf("       undo: %s\n", step->undo);
}

static void print_plan(const char *ifname, const struct weir_nic_plan *plan)
{
	const struct weir_nic_step *step;
	bool undo = false, number = false;
	unsigned i;

	printf("plan for %s, ", ifname);
	print_queues(plan, NULL);
	putchar('\n');
	if (weir_nic_plan_leftovers(plan))
		printf("  first: %u changes are put back that an ended process left\n",
		       weir_nic_plan_leftovers(plan));
	for (i = 0; (step = weir_nic_plan_step(plan, i)); i++) {
		print_step(step, i + 1);
		undo = undo || step->undo[0];
		number = number || (step->undo[0] && !step->before[0]);
	}
	if (!i)
		printf("  nothing is to be changed\n");
	if (undo)
		printf("  by hand, undo goes from the last step to the first%s\n",
		       number ? "; N is the number that its 'do' line printed" : "");
}

static void json_step(cJSON *steps, const struct weir_nic_step *step)
{
	cJSON *to = cJSON_CreateObject();

	cJSON_AddStringToObject(to, "kind", step->kind);
	cJSON_AddStringToObject(to, "what", step->what);
	cJSON_AddStringToObject(to, "before", step->before);
	cJSON_AddStringToObject(to, "after", step->after);
	cJSON_AddBoolToObject(to, "done", step->done);
	cJSON_AddStringToObject(to, "ethtool", step->ethtool);
	cJSON_AddStringToObject(to, "undo", step->undo);
	cJSON_AddStringToObject(to, "note", step->note);
	cJSON_AddItemToArray(steps, to);
}

/* @nic: it is open; NULL: only planned. */
static int json_plan(const char *ifname, const struct weir_nic_plan *plan,
		     const struct weir_nic *nic)
{
	cJSON *root = cJSON_CreateObject(), *queues, *steps;
	const struct weir_nic_step *step;

	cJSON_AddStringToObject(root, "interface", ifname);
	cJSON_AddBoolToObject(root, "applied", nic != NULL);
	queues = cJSON_AddArrayToObject(root, "queues");
	for (unsigned i = 0; queue_at(plan, nic, i) >= 0; i++)
		cJSON_AddItemToArray(queues, cJSON_CreateNumber(queue_at(plan, nic, i)));
	cJSON_AddNumberToObject(root, "leftovers", weir_nic_plan_leftovers(plan));
	steps = cJSON_AddArrayToObject(root, "steps");
	for (unsigned i = 0; (step = weir_nic_plan_step(plan, i)); i++)
		json_step(steps, step);
	return tool_print_json("weir nic", root);
}

/* ------------------------------------------------------------------------ the commands */

int nic_plan(int argc, char **argv)
{
	struct weir_nic_plan *plan = NULL;
	struct weir_error err = { 0 };
	struct weir_nic_opts o;
	int first, code = opt_main(&plan_spec, argc, argv, &first);

	if (code < 0)
		code = options_to(&o, &plan_spec, argv[first]);
	if (code < 0 && weir_nic_plan_new(&plan, &o, &err))
		code = failed("weir nic plan", &err);
	if (code < 0) {
		code = TOOL_EXIT_OK;
		if (wish.json)
			code = json_plan(argv[first], plan, NULL);
		else
			print_plan(argv[first], plan);
	}
	weir_nic_plan_free(plan);
	free(wish.flow);
	return code;
}

/* Signals that end --hold are blocked from before the first change: one that comes early waits. */
static void hold_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigprocmask(SIG_BLOCK, set, NULL);
}

static int let_go(struct weir_nic *nic, const char *ifname)
{
	struct weir_error err = { 0 };
	int r = weir_nic_close(nic, &err);

	if (r < 0)
		return failed("weir nic apply", &err);
	if (r)
		fprintf(stderr, "%s: %d changes left alone: somebody else changed them\n", ifname,
			r);
	return TOOL_EXIT_OK;
}

static int apply(const struct weir_nic_opts *given, const char *ifname)
{
	struct weir_nic_plan *plan = NULL;
	struct weir_nic_opts o = *given;
	struct weir_nic *nic = NULL;
	struct weir_error err = { 0 };
	int code = TOOL_EXIT_OK, got;
	sigset_t set;

	o.name = "weir nic apply";
	if (weir_nic_plan_new(&plan, &o, &err))
		return failed("weir nic apply", &err);
	if (!wish.hold)
		o.flags |= WEIR_NIC_KEEP;
	hold_signals(&set);
	if (weir_nic_open(&nic, &o, &err)) {
		code = failed("weir nic apply", &err);
		weir_nic_plan_free(plan);
		return code;
	}
	if (wish.json) {
		code = json_plan(ifname, plan, nic);
	} else {
		printf("%s: ", ifname);
		print_queues(plan, nic);
		if (wish.hold)
			printf(" set up and held; a signal puts all back\n");
		else
			printf(" set up; 'weir nic restore %s' puts all back\n", ifname);
	}
	fflush(stdout);
	if (wish.hold)
		sigwait(&set, &got);
	weir_nic_plan_free(plan);
	return let_go(nic, ifname) == TOOL_EXIT_OK ? code : TOOL_EXIT_FAILED;
}

int nic_apply(int argc, char **argv)
{
	struct weir_nic_opts o;
	int first, code = opt_main(&apply_spec, argc, argv, &first);

	if (code < 0)
		code = options_to(&o, &apply_spec, argv[first]);
	if (code < 0)
		code = apply(&o, argv[first]);
	free(wish.flow);
	return code;
}
