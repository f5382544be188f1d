// SPDX-License-Identifier: MIT
/*
 * doctor_text.c - what weir doctor found, for people.
 *
 * Theory: the answer comes first (which ways there are here), then what it rests on: kernel and
 *	rights, limits, published faults, interfaces.  Queues of a NIC of which the same is said are
 *	one line; what is not a NIC is one line.
 * Invariants:
 *	1. no line is longer than WIDTH, but for words that are.
 * Ownership: none.
 * Threads: one.
 * Errors: those of the stream are the caller's to check.
 * Sources: none.
 * Tests: tests/cli/doctor.sh
 */
#include <string.h>

#include "doctor.h"
#include "weir_tool.h"

#define WIDTH 96

/* @left, then @text from column @indent on, with lines broken at spaces. */
static void para(FILE *to, const char *left, size_t indent, const char *text)
{
	size_t at = strlen(left);

	fputs(left, to);
	if (at >= indent) {
		fputc(' ', to);
		at++;
	}
	for (; at < indent; at++)
		fputc(' ', to);
	for (bool first = true; *text; first = false) {
		size_t len = strcspn(text, " ");

		if (!first && at + 1 + len > WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

static const char *word(const struct weir_verdict *v)
{
	if (v->now)
		return "yes";
	return v->unsure ? "perhaps" : v->can ? "not yet" : "no";
}

static void print_verdict(FILE *to, const char *indent, const char *name, const char *where,
			  const struct weir_verdict *v)
{
	char left[64], text[560];
	size_t column = strlen(indent) + 16;

	snprintf(left, sizeof(left), "%s%-6s%-9s", indent, name, word(v));
	snprintf(text, sizeof(text), "%s%s%s", where, where[0] && v->why[0] ? ": " : "", v->why);
	para(to, left, column, text[0] ? text : "open");
	if (v->fix[0] && !strstr(v->why, v->fix)) {
		snprintf(left, sizeof(left), "%*s", (int)column, "");
		snprintf(text, sizeof(text), "-> %s", v->fix);
		para(to, left, column + 3, text + 3);
	}
}

/* ----------------------------------------------------------------------------- parts */

static void print_ways(FILE *to, const struct doctor_report *r)
{
	static const struct weir_verdict none = { .why = "there is no interface to look at" };

	fputs("\nWays for payload, best first\n", to);
	for (int way = 0; way < WEIR_WAY_URING; way++) {
		const struct weir_verdict *best = &none;
		char where[48] = "";

		for (unsigned i = 0; i < r->iface_count; i++) {
			for (unsigned k = 0; k < r->ifaces[i].queue_count; k++) {
				const struct doctor_queue *q = &r->ifaces[i].queues[k];

				if (best != &none &&
				    doctor_nearness(&q->way[way]) <= doctor_nearness(best))
					continue;
				best = &q->way[way];
				snprintf(where, sizeof(where), "%s queue %u", r->ifaces[i].name,
					 q->index);
			}
		}
		print_verdict(to, "  ", doctor_way_names[way], where, best);
	}
	for (int way = WEIR_WAY_URING; way < DOCTOR_WAYS; way++)
		print_verdict(to, "  ", doctor_way_names[way], "", &r->plain[way]);
}

static void print_features(FILE *to, const struct weir_probe *p)
{
	fputs("\nKernel and rights\n", to);
	for (const struct doctor_feature *f = doctor_features; f->key; f++) {
		char text[256], left[64];
		const char *name;
		bool there = weir_probe_why(p, f->can, &name, text, sizeof(text));

		snprintf(left, sizeof(left), "  %-5s%-24s", there ? "yes" : "no", name);
		para(to, left, 31, text);
	}
}

static void print_limits(FILE *to, const struct weir_probe *p)
{
	static const char *const seccomp[] = { "none", "strict", "a filter" };
	char text[128], bytes[16];

	fputs("\nLimits\n", to);
	if (p->memlock_bytes == UINT64_MAX)
		para(to, "  locked memory", 26, "no limit (ulimit -l)");
	else
		para(to, "  locked memory", 26,
		     tool_format_bytes((double)p->memlock_bytes, bytes, sizeof(bytes)));
	if (p->huge_page_bytes)
		snprintf(text, sizeof(text), "%llu free of %s",
			 (unsigned long long)p->huge_pages_free,
			 tool_format_bytes((double)p->huge_page_bytes, bytes, sizeof(bytes)));
	else
		snprintf(text, sizeof(text), "not known");
	para(to, "  huge pages", 26, text);
	snprintf(text, sizeof(text), "%d", p->io_uring_disabled);
	para(to, "  io_uring_disabled", 26,
	     p->io_uring_disabled < 0 ? "no such sysctl, or hidden" : text);
	para(to, "  seccomp", 26,
	     p->seccomp >= 0 && p->seccomp <= 2 ? seccomp[p->seccomp] : "not known");
	para(to, "  user namespace", 26,
	     p->first_userns < 0 ? "not known" :
	     p->first_userns	 ? "the machine's first" :
				   "not the machine's first: its root is not the machine's");
	para(to, "  container", 26, p->container[0] ? p->container : "none noticed");
}

static void print_faults(FILE *to, const struct doctor_report *r)
{
	const struct doctor_fault *fault;
	char version[32], left[32], text[400];
	unsigned at = 0, count = 0;

	doctor_kernel_version(r->probe.release, r->version, version, sizeof(version));
	while ((fault = doctor_fault(&at, version))) {
		if (!count++)
			fprintf(to, "\nPublished faults of Linux %s in what weir uses\n", version);
		snprintf(left, sizeof(left), "  %s", fault->id);
		snprintf(text, sizeof(text), "%s: %s (without it: %s)", fault->feature, fault->text,
			 fault->fixed);
		para(to, left, 18, text);
	}
	if (count)
		para(to, "", 2,
		     "By the version alone: a distribution may have taken the fix into it.");
}

/* The same is said of both; a fix names the queue, so it is not looked at. */
static bool same(const struct doctor_queue *a, const struct doctor_queue *b)
{
	if (a->tried != b->tried)
		return false;
	for (int way = 0; way < DOCTOR_WAYS; way++) {
		const struct weir_verdict *x = &a->way[way], *y = &b->way[way];

		if (x->can != y->can || x->now != y->now || x->unsure != y->unsure ||
		    strcmp(x->why, y->why))
			return false;
	}
	return true;
}

static void print_queues(FILE *to, const struct doctor_iface *f)
{
	for (unsigned i = 0, end; i < f->queue_count; i = end) {
		const struct doctor_queue *q = &f->queues[i];
		enum weir_way best = doctor_best(q->way);

		for (end = i + 1; end < f->queue_count && same(q, &f->queues[end]); end++)
			;
		if (end > i + 1)
			fprintf(to, "    queues %u-%u", q->index, f->queues[end - 1].index);
		else
			fprintf(to, "    queue %u", q->index);
		fprintf(to, ": %s%s\n", doctor_way_names[best],
			best == WEIR_WAY_ZCRX ? ", without a copy" : ", one copy");
		print_verdict(to, "      ", doctor_way_names[WEIR_WAY_ZCRX],
			      q->tried ? "tried" : "", &q->way[WEIR_WAY_ZCRX]);
		print_verdict(to, "      ", doctor_way_names[WEIR_WAY_XDP], "",
			      &q->way[WEIR_WAY_XDP]);
	}
}

static void print_nic(FILE *to, const struct doctor_iface *f)
{
	const struct weir_nic_info *info = f->info;
	char left[24];

	fprintf(to, "  %-10s%s, %s%s, MTU %u, %u receive queue%s\n", f->name,
		info->loopback	? "loopback" :
		info->driver[0] ? info->driver :
				  "driver not known",
		info->up ? "up" : "down", info->up && !info->carrier ? " without carrier" : "",
		info->mtu_bytes, info->rx_queues, info->rx_queues == 1 ? "" : "s");
	snprintf(left, sizeof(left), "%11s", "");
	if (info->carries[0])
		para(to, left, 12, info->carries);
	print_queues(to, f);
}

static void print_iface(FILE *to, const struct doctor_iface *f, bool named)
{
	char text[640], left[32];

	snprintf(left, sizeof(left), "  %-9s", f->name);
	if (!f->info || f->err.code) {
		para(to, left, 12, tool_error_text(&f->err, text, sizeof(text)));
		return;
	}
	if (doctor_is_nic(f->info) || named) {
		print_nic(to, f);
		return;
	}
	snprintf(text, sizeof(text), "%s, %s: %s, one copy",
		 f->info->loopback ? "loopback" : f->info->kind, f->info->up ? "up" : "down",
		 f->queue_count ? doctor_way_names[doctor_best(f->queues[0].way)] : "no queue");
	para(to, left, 12, text);
}

void doctor_print_text(FILE *to, const struct doctor_report *r)
{
	bool nics = false;

	fprintf(to, "weir doctor: Linux %s, %u CPU%s%s%s\n", r->probe.release, r->probe.cpus,
		r->probe.cpus == 1 ? "" : "s", r->probe.container[0] ? ", container: " : "",
		r->probe.container);
	print_ways(to, r);
	print_features(to, &r->probe);
	print_limits(to, &r->probe);
	print_faults(to, r);
	fputs("\nInterfaces\n", to);
	for (unsigned i = 0; i < r->iface_count; i++) {
		print_iface(to, &r->ifaces[i], r->named);
		nics |= r->ifaces[i].info && doctor_is_nic(r->ifaces[i].info);
	}
	if (!r->iface_count)
		fputs("  none can be seen\n", to);
	else if (!nics && !r->named)
		fputs("  No NIC is here: what is local is copied once, by io_uring or epoll.\n",
		      to);
}
