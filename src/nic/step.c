// SPDX-License-Identifier: MIT
/*
 * step.c - the steps of a plan: their texts, and the checks of what is wanted.
 *
 * Theory: a step shows what doing it would: the present value, the target that the kind computes
 *	from the first value and from what all owners want, and a command line for each way.  What
 *	a dead owner changed is shown as it will be when that is undone: as the journal's first
 *	value.
 * Invariants: 1. a step that is done changes nothing now, and is journalled all the same.
 * Ownership: the plan owns the texts.
 * Threads: any; plans are not shared.
 * Errors: the kinds'; -ENOMEM.
 * Sources: none.
 * Tests: tests/unit/test_nic_open.c, tests/unit/test_nic_flow.c, tests/vm/t/nic_apply.sh
 */
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define TEXT_BYTES 8192 /* a command line with a weight for each of 1,024 queues */
#define NOTE_BYTES 512

static int no_memory(const struct weir_nic_plan *plan, struct weir_error *reterr)
{
	return weir_error_set(reterr, -ENOMEM, "nic plan", plan->ifname, NULL);
}

static struct nic_change *change_add(struct weir_nic_plan *plan)
{
	if (plan->count == plan->room) {
		unsigned room = plan->room ? plan->room * 2 : 16;
		struct nic_change *more = realloc(plan->change, room * sizeof(*more));

		if (!more)
			return NULL;
		plan->change = more;
		plan->room = room;
	}
	memset(&plan->change[plan->count], 0, sizeof(*plan->change));
	plan->change[plan->count].flow = -1;
	return &plan->change[plan->count++];
}

static void change_fini(struct nic_change *c)
{
	free(c->key);
	free(c->want);
	free((char *)c->step.what);
	free((char *)c->step.before);
	free((char *)c->step.after);
	free((char *)c->step.ethtool);
	free((char *)c->step.undo);
	free((char *)c->step.note);
}

/* Whether all texts are there. */
static bool change_whole(const struct nic_change *c)
{
	return c->key && c->want && c->step.what && c->step.before && c->step.after &&
	       c->step.ethtool && c->step.undo && c->step.note;
}

int nic_error_give(struct weir_error *to, const struct weir_error *err, int r, const char *stage,
		   const char *object)
{
	if (!r || !to)
		return r;
	if (err->code == r)
		*to = *err;
	else
		weir_error_set(to, r, stage, object, NULL);
	return r;
}

/* What a person must know who does by hand what is not done yet. */
static void add_notes(const struct weir_nic_plan *plan, const struct nic_change *c, char *note,
		      size_t bytes)
{
	const char *more[2] = { "", "" };
	size_t used = strlen(note);

	if (c->step.done)
		return;
	if (c->setting == &nic_set_hds)
		more[0] = "ethtool 6.14 and older do not know hds-thresh";
	if (c->setting == &nic_set_rss && plan->rings)
		more[0] = "reckoned for the number of Rx queues after the steps before";
	if (!*c->step.ethtool || !*c->step.undo)
		more[1] = "ethtool has no line for it; weir nic apply can do it";
	for (unsigned i = 0; i < weir_array_len(more); i++)
		if (*more[i] && used < bytes)
			used += (size_t)snprintf(note + used, bytes - used, "%s%s",
						 used ? "; " : "", more[i]);
}

/* before and after become the step's. */
static int setting_step(struct weir_nic_plan *plan, const struct nic_setting_kind *kind,
			const char *key, const char *value, const char *note, char *before,
			char *after, struct weir_error *reterr)
{
	struct nic_change *c = change_add(plan);
	char text[TEXT_BYTES], notes[NOTE_BYTES];

	if (!c) {
		free(before);
		free(after);
		return no_memory(plan, reterr);
	}
	c->setting = kind;
	c->key = strdup(key);
	c->want = strdup(value);
	c->step.kind = kind->name;
	c->step.before = before;
	c->step.after = after;
	c->step.done = !strcmp(before, after);
	kind->what(key, text, sizeof(text));
	c->step.what = strdup(text);
	text[0] = '\0';
	if (!c->step.done)
		kind->ethtool(plan->ifname, key, before, after, text, sizeof(text));
	c->step.ethtool = strdup(text);
	text[0] = '\0';
	if (!c->step.done)
		kind->ethtool(plan->ifname, key, after, before, text, sizeof(text));
	c->step.undo = strdup(text);
	snprintf(notes, sizeof(notes), "%s", note);
	if (c->step.ethtool && c->step.undo)
		add_notes(plan, c, notes, sizeof(notes));
	c->step.note = strdup(notes);
	return change_whole(c) ? 0 : no_memory(plan, reterr);
}

/* What the plan wants of it already; NULL: nothing. */
static const struct nic_change *find_want(const struct weir_nic_plan *plan,
					  const struct nic_setting_kind *kind, const char *key)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (plan->change[i].setting == kind && !strcmp(plan->change[i].key, key))
			return &plan->change[i];
	return NULL;
}

static int wanted_twice(const struct weir_nic_plan *plan, const struct nic_change *first,
			const char *value, struct weir_error *reterr)
{
	if (!strcmp(first->want, value))
		return 0;
	return weir_error_set(reterr, -EINVAL, "nic plan", plan->ifname,
			      "%s %s: \"%s\" and \"%s\" are wanted of it at once; chosen queues "
			      "that share it want the same",
			      first->step.what, first->key, first->want, value);
}

/* The value before: where dead owners hold it, as it will be when their changes are undone. */
static int value_before(const struct weir_nic_plan *plan, struct nic_ctx *ctx,
			const struct nic_setting_kind *kind, const char *key, const char *base,
			const char *const *wants, unsigned n, char **ret, struct weir_error *reterr)
{
	if (base && n && plan->leftovers)
		return kind->target(ctx, key, base, wants, n, ret, reterr);
	if (!base || n)
		return kind->get(ctx, key, ret, reterr);
	*ret = strdup(base);
	return *ret ? 0 : no_memory(plan, reterr);
}

int nic_plan_want(struct weir_nic_plan *plan, struct nic_ctx *ctx, const struct nic_journal *j,
		  const struct nic_setting_kind *kind, const char *key, const char *value,
		  const char *note, struct weir_error *reterr)
{
	const char *wants[NIC_WANTS_MAX + 1], *base = NULL;
	const struct nic_change *first = find_want(plan, kind, key);
	char *before = NULL, *after = NULL;
	unsigned n = nic_journal_setting(j, kind, key, &base, wants, NIC_WANTS_MAX);
	int r;

	if (first)
		return wanted_twice(plan, first, value, reterr);
	if (n >= NIC_WANTS_MAX)
		return weir_error_set(reterr, -EBUSY, "nic plan", plan->ifname,
				      "%u owners hold changes of it: restore some first", n);
	r = value_before(plan, ctx, kind, key, base, wants, n, &before, reterr);
	if (r)
		return r;
	wants[n] = value;
	ctx->plan_rings = plan->rings;
	r = kind->target(ctx, key, base ? base : before, wants, n + 1, &after, reterr);
	ctx->plan_rings = 0;
	if (r) {
		free(before);
		return r;
	}
	return setting_step(plan, kind, key, value, note, before, after, reterr);
}

int nic_plan_make_object(struct weir_nic_plan *plan, const struct nic_object_kind *kind,
			 const char *spec, int flow, struct weir_error *reterr)
{
	struct nic_change *c = change_add(plan);
	char text[TEXT_BYTES];

	if (!c)
		return no_memory(plan, reterr);
	c->object = kind;
	c->flow = flow;
	c->key = strdup("");
	c->want = strdup(spec);
	c->step.kind = kind->name;
	c->step.before = strdup("");
	c->step.after = strdup(spec);
	c->step.note = strdup(strstr(spec, " context " NIC_CONTEXT_NEW) ?
				      "in place of \"new\": the number that the line which makes "
				      "the RSS context printed" :
				      "");
	kind->what(spec, text, sizeof(text));
	c->step.what = strdup(text);
	kind->ethtool(plan->ifname, spec, NULL, text, sizeof(text));
	c->step.ethtool = strdup(text);
	kind->ethtool(plan->ifname, spec, "N", text, sizeof(text));
	c->step.undo = strdup(text);
	return change_whole(c) ? 0 : no_memory(plan, reterr);
}

void weir_nic_plan_free(struct weir_nic_plan *plan)
{
	if (!plan)
		return;
	for (unsigned i = 0; i < plan->count; i++)
		change_fini(&plan->change[i]);
	free(plan->change);
	free(plan);
}

const struct weir_nic_step *weir_nic_plan_step(const struct weir_nic_plan *plan, unsigned i)
{
	return plan && i < plan->count ? &plan->change[i].step : NULL;
}

int weir_nic_plan_queue(const struct weir_nic_plan *plan, unsigned i)
{
	return plan && i < plan->queue_count ? plan->queue[i] : -1;
}

unsigned weir_nic_plan_leftovers(const struct weir_nic_plan *plan)
{
	return plan ? plan->leftovers : 0;
}

/* ----------------------------------------------------------------------- the options */

#define FLAGS                                                                     \
	(WEIR_NIC_SPLIT | WEIR_NIC_RSS_AWAY | WEIR_NIC_NO_LRO | WEIR_NIC_GRO_HW | \
	 WEIR_NIC_IRQ_CPU | WEIR_NIC_BUSY_POLL | WEIR_NIC_REALLY | WEIR_NIC_KEEP)

static int bad(struct weir_error *reterr, const char *object, const char *hint)
{
	return weir_error_set(reterr, -EINVAL, "weir_nic_opts", object, "%s", hint);
}

int nic_opts_read(struct weir_nic_opts *to, const struct weir_nic_opts *from,
		  struct weir_error *reterr)
{
	int r;

	if (!from)
		return bad(reterr, "(null)", "options with at least .size and .ifname are needed");
	r = weir_opts_read(to, sizeof(*to), from, "weir_nic_opts", reterr);
	if (r)
		return r;
	if (to->flags & ~FLAGS || to->reserved)
		return bad(reterr, "flags", "only WEIR_NIC_* flags, and .reserved is 0");
	if (!to->ifname || !to->ifname[0])
		return bad(reterr, "ifname", "name the interface");
	if (to->queue_first < -1)
		return bad(reterr, "queue_first", "the number of an Rx queue, or -1");
	if (!to->queue_count)
		to->queue_count = 1;
	if (to->queue_count > NIC_QUEUES_MAX)
		return bad(reterr, "queue_count", "at most 64 queues for one owner");
	if (to->flow_count > NIC_FLOWS_MAX || (to->flow_count && !to->flows))
		return bad(reterr, "flows", "at most 4096 flows, and an array of them");
	if (to->flags & WEIR_NIC_IRQ_CPU && !to->cpus)
		return bad(reterr, "cpus", "WEIR_NIC_IRQ_CPU needs a CPU for each queue");
	for (unsigned i = 0; !r && i < to->flow_count; i++)
		r = nic_flow_check(&to->flows[i], reterr);
	return r;
}
