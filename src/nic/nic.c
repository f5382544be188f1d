// SPDX-License-Identifier: MIT
/*
 * nic.c - a NIC that is held: open, more flows, close; and putting back what others left.
 *
 * Theory: opening makes a plan under the journal's lock and does it change by change; the journal
 *	knows each before the NIC does. The lock is held only during a call: between calls the NIC
 *	is shared with other owners, who find what we hold in the journal. Closing gives back what
 *	we alone wanted.
 *
 *	    open      undo the dead -> plan -> owner -> each change -> unlock
 *	    flow_add  lock -> rule(s) -> unlock          counted by flow
 *	    close     lock -> undo ours, in reverse -> unlock
 * Invariants: 1. a failed open leaves nothing of its own on the NIC or in the journal, unless an
 *	undo failed, which the error says. 2. in a forked child nothing is changed, and no lock is
 *	taken: a thread that only the parent has may hold it. 3. a caller's error record is written
 *	only by a call that fails, and then has the code that the call returns.
 * Ownership: the caller of weir_nic_open() and of weir_nic_ref() has one reference each; with the
 *	last one the NIC is closed.
 * Threads: calls on one NIC from any thread: a mutex, and an atomic count of references; between
 *	processes: the journal's lock.
 * Errors: the first one, with its hint; what undoing adds to it is said in the hint.
 * Sources: none.
 * Tests: tests/unit/test_nic_open.c, tests/vm/t/nic_apply.sh, tests/vm/t/nic_kill.sh,
 *	tests/netns/nic_apply.sh
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

/**
 * struct held_flow - a flow that is steered.
 * @id: its number; 0: this place is free.
 * @refs: how often it was added.
 * @flow: the flow.
 * @queue: as it was added: a queue or -1.
 * @handle: of its rules.
 * @rules: how many.
 */
struct held_flow {
	uint32_t id;
	uint32_t refs;
	struct weir_nic_flow flow;
	int queue;
	char handle[2][16];
	unsigned rules;
};

struct weir_nic {
	pthread_mutex_t lock;
	atomic_uint refs;
	pid_t pid;
	struct nic_ctx ctx;
	uint32_t owner;
	bool kept;
	bool ntuple; /* rules are switched on by us */
	int queue[NIC_QUEUES_MAX];
	unsigned queue_count;
	char context[16]; /* handle of the context of all queues; empty: none */
	struct held_flow *flow;
	unsigned flow_room;
	uint32_t next_id;
};

static bool is_child(const struct weir_nic *nic)
{
	return nic->pid != getpid();
}

/* ------------------------------------------------------------------------------- flows */

static struct held_flow *flow_find(struct weir_nic *nic, const struct weir_nic_flow *flow,
				   int queue)
{
	for (unsigned i = 0; i < nic->flow_room; i++)
		if (nic->flow[i].id && nic->flow[i].queue == queue &&
		    nic_flow_same(&nic->flow[i].flow, flow))
			return &nic->flow[i];
	return NULL;
}

static struct held_flow *flow_by_id(struct weir_nic *nic, uint32_t id)
{
	for (unsigned i = 0; id && i < nic->flow_room; i++)
		if (nic->flow[i].id == id)
			return &nic->flow[i];
	return NULL;
}

/* A free place, still free. */
static struct held_flow *flow_place(struct weir_nic *nic)
{
	struct held_flow *more;
	unsigned room;

	for (unsigned i = 0; i < nic->flow_room; i++)
		if (!nic->flow[i].id)
			return &nic->flow[i];
	room = nic->flow_room ? nic->flow_room * 2 : 8;
	more = realloc(nic->flow, room * sizeof(*more));
	if (!more)
		return NULL;
	memset(more + nic->flow_room, 0, (room - nic->flow_room) * sizeof(*more));
	nic->flow = more;
	more += nic->flow_room;
	nic->flow_room = room;
	return more;
}

static void flow_begin(struct weir_nic *nic, struct held_flow *f, const struct weir_nic_flow *flow,
		       int queue)
{
	memset(f, 0, sizeof(*f));
	if (!++nic->next_id)
		nic->next_id = 1;
	f->id = nic->next_id;
	f->refs = 1;
	f->flow = *flow;
	f->queue = queue;
}

/* ---------------------------------------------------------------------------- open, close */

/* What dead owners left, undone; owners that cannot be undone stay and are an error. */
static int bury_dead(struct nic_journal *j, const char *ifname, struct weir_error *reterr)
{
	const struct nic_owner *owner;
	struct weir_error err = { 0 };
	struct nic_undo undo = { 0 };
	unsigned i = 0;

	while ((owner = nic_journal_owner(j, i))) {
		int32_t pid = owner->pid;
		int r;

		if (nic_owner_life(owner) != NIC_DEAD) {
			i++;
			continue;
		}
		r = nic_drop_owner(j, owner->id, &undo, &err);
		if (r)
			return weir_error_set(reterr, r, "nic restore", ifname,
					      "\"weir nic restore %s\" says what process %d left "
					      "and cannot be undone: %s: %s",
					      ifname, pid, err.stage, err.hint);
	}
	return 0;
}

/* The text of a rule with the context that was made for "new". */
static int rule_spec(const struct weir_nic *nic, const char *want, char *spec,
		     struct weir_error *reterr)
{
	static const char end[] = " context " NIC_CONTEXT_NEW;
	size_t len = strlen(want);
	int n;

	if (len < sizeof(end) || strcmp(want + len - (sizeof(end) - 1), end))
		n = snprintf(spec, NIC_SPEC_BYTES, "%s", want);
	else
		n = snprintf(spec, NIC_SPEC_BYTES, "%.*s context %s",
			     (int)(len - (sizeof(end) - 1)), want, nic->context);
	if (n >= NIC_SPEC_BYTES)
		return weir_error_set(reterr, -EINVAL, "flow rule", want, "the rule is too long");
	return 0;
}

static int rule_hold(struct weir_nic *nic, struct nic_journal *j, struct held_flow *f,
		     const char *want, struct weir_error *reterr)
{
	char spec[NIC_SPEC_BYTES];
	const char *handle;
	int r = rule_spec(nic, want, spec, reterr);

	if (!r)
		r = nic_hold_object(j, nic->owner, &nic_obj_rule, spec, &handle, reterr);
	if (!r)
		snprintf(f->handle[f->rules++], sizeof(f->handle[0]), "%s", handle);
	return r;
}

static int setting_do(struct weir_nic *nic, struct nic_journal *j, const struct weir_nic_plan *plan,
		      const struct nic_change *c, struct weir_error *reterr)
{
	int r;

	if (c->setting == &nic_set_feature && !strcmp(c->key, "ntuple"))
		nic->ntuple = true;
	if (plan->rss_first && c->setting == &nic_set_rss)
		nic->ctx.plan_rings = plan->rings;
	r = nic_hold_setting(j, nic->owner, c->setting, c->key, c->want, reterr);
	nic->ctx.plan_rings = 0;
	return r;
}

static int change_do(struct weir_nic *nic, struct nic_journal *j, const struct weir_nic_plan *plan,
		     const struct nic_change *c, const struct weir_nic_opts *opts,
		     struct weir_error *reterr)
{
	struct held_flow *f;
	const char *handle;
	int r;

	if (c->setting)
		return setting_do(nic, j, plan, c, reterr);
	if (c->object == &nic_obj_context) {
		r = nic_hold_object(j, nic->owner, c->object, c->want, &handle, reterr);
		if (!r)
			snprintf(nic->context, sizeof(nic->context), "%s", handle);
		return r;
	}
	f = flow_find(nic, &opts->flows[c->flow], -1);
	if (!f) {
		f = flow_place(nic);
		if (!f)
			return weir_error_set(reterr, -ENOMEM, "nic open", nic->ctx.ifname, NULL);
		flow_begin(nic, f, &opts->flows[c->flow], -1);
	}
	return rule_hold(nic, j, f, c->want, reterr);
}

/* The end of the hint, which is cut for it where it is long. */
static void say_failed(const struct weir_nic *nic, unsigned failed, struct weir_error *err)
{
	char text[96];
	size_t used = strlen(err->hint), len, most;

	len = (size_t)snprintf(text, sizeof(text),
			       "%s%u changes could not be undone: \"weir nic restore %s\"",
			       used ? "; " : "", failed, nic->ctx.ifname);
	most = sizeof(err->hint) - 1 - len;
	used = used < most ? used : most;
	snprintf(err->hint + used, sizeof(err->hint) - used, "%s", text);
}

static int plan_do(struct weir_nic *nic, struct nic_journal *j, const struct weir_nic_plan *plan,
		   const struct weir_nic_opts *opts, struct weir_error *reterr)
{
	struct nic_undo undo = { 0 };
	struct weir_error err = { 0 };
	int r = nic_owner_add(j, opts->name, nic->kept, &nic->owner, reterr);

	if (r)
		return r;
	for (unsigned i = 0; !r && i < plan->count; i++)
		r = change_do(nic, j, plan, &plan->change[i], opts, reterr);
	if (!r)
		return 0;
	nic_drop_owner(j, nic->owner, &undo, &err);
	if (undo.failed && reterr)
		say_failed(nic, undo.failed, reterr);
	return r;
}

static void nic_free(struct weir_nic *nic)
{
	if (!nic)
		return;
	nic_ctx_fini(&nic->ctx);
	if (!is_child(nic)) /* there a thread may have it that is gone */
		pthread_mutex_destroy(&nic->lock);
	free(nic->flow);
	free(nic);
}

static int open_locked(struct weir_nic *nic, struct nic_journal *j,
		       const struct weir_nic_opts *opts, struct weir_error *reterr)
{
	struct weir_nic_plan *plan = NULL;
	int r = bury_dead(j, nic->ctx.ifname, reterr);

	if (!r)
		r = nic_plan_make(&plan, &nic->ctx, j, opts, reterr);
	if (!r) {
		memcpy(nic->queue, plan->queue, sizeof(nic->queue));
		nic->queue_count = plan->queue_count;
		r = plan_do(nic, j, plan, opts, reterr);
	}
	weir_nic_plan_free(plan);
	return r;
}

int weir_nic_open(struct weir_nic **ret, const struct weir_nic_opts *opts,
		  struct weir_error *reterr)
{
	struct weir_nic_opts o = { 0 };
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	struct weir_nic *nic;
	int r = nic_opts_read(&o, opts, reterr);

	if (r)
		return r;
	if (!ret && !(o.flags & WEIR_NIC_KEEP))
		return weir_error_set(reterr, -EINVAL, "nic open", o.ifname,
				      "a place for the NIC is needed, or WEIR_NIC_KEEP");
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return weir_error_set(reterr, -ENOMEM, "nic open", o.ifname, NULL);
	pthread_mutex_init(&nic->lock, NULL);
	nic->refs = 1;
	nic->pid = getpid();
	nic->kept = o.flags & WEIR_NIC_KEEP;
	r = nic_ctx_init(&nic->ctx, o.ifname, &err);
	if (!r)
		r = nic_journal_open(&j, &nic->ctx, true, &err);
	if (!r)
		r = open_locked(nic, j, &o, &err);
	nic_journal_close(j);
	if (r || !ret) {
		nic_free(nic);
		return nic_error_give(reterr, &err, r, "nic open", o.ifname);
	}
	*ret = nic;
	return 0;
}

struct weir_nic *weir_nic_ref(struct weir_nic *nic)
{
	if (nic)
		atomic_fetch_add(&nic->refs, 1);
	return nic;
}

static int undo_all(struct weir_nic *nic, struct weir_error *reterr)
{
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	struct nic_undo undo = { 0 };
	int r = nic_journal_open(&j, &nic->ctx, true, &err);

	if (!r)
		r = nic_drop_owner(j, nic->owner, &undo, &err);
	nic_journal_close(j);
	return r ? nic_error_give(reterr, &err, r, "nic close", nic->ctx.ifname) :
		   (int)undo.left_alone;
}

int weir_nic_close(struct weir_nic *nic, struct weir_error *reterr)
{
	int r = 0;

	if (!nic || atomic_fetch_sub(&nic->refs, 1) > 1)
		return 0;
	if (!nic->kept && !is_child(nic))
		r = undo_all(nic, reterr);
	nic_free(nic);
	return r;
}

int weir_nic_queue(const struct weir_nic *nic, unsigned i)
{
	return nic && i < nic->queue_count ? nic->queue[i] : -1;
}

unsigned weir_nic_ifindex(const struct weir_nic *nic)
{
	return nic ? nic->ctx.ifindex : 0;
}

/* -------------------------------------------------------------------------- flow by flow */

/* "queue 3", or the context of all our queues, which is made when it is first needed. */
static int target_text(struct weir_nic *nic, struct nic_journal *j, int queue, char *to,
		       size_t bytes, struct weir_error *reterr)
{
	char list[512], spec[520];
	const char *handle;
	int r;

	if (queue >= 0 || nic->queue_count == 1) {
		snprintf(to, bytes, "queue %d", queue >= 0 ? queue : nic->queue[0]);
		return 0;
	}
	if (!nic->context[0]) {
		nic_queues_text(nic->queue, nic->queue_count, list, sizeof(list));
		snprintf(spec, sizeof(spec), "queues %s", list);
		r = nic_hold_object(j, nic->owner, &nic_obj_context, spec, &handle, reterr);
		if (r)
			return r;
		snprintf(nic->context, sizeof(nic->context), "%s", handle);
	}
	snprintf(to, bytes, "context %s", nic->context);
	return 0;
}

static int rules_drop(struct weir_nic *nic, struct nic_journal *j, struct held_flow *f,
		      struct nic_undo *undo, struct weir_error *reterr)
{
	int r = 0;

	while (f->rules) {
		int one = nic_drop_object(j, nic->owner, &nic_obj_rule, f->handle[f->rules - 1],
					  undo, r ? NULL : reterr);

		r = r ? r : one;
		f->rules--;
	}
	return r;
}

static int rules_make(struct weir_nic *nic, struct nic_journal *j, struct held_flow *f,
		      struct weir_error *reterr)
{
	char to[32], specs[2][NIC_SPEC_BYTES];
	struct nic_undo undo = { 0 };
	unsigned n;
	int r = 0;

	if (!nic->ntuple) {
		r = nic_hold_setting(j, nic->owner, &nic_set_feature, "ntuple", "on", reterr);
		nic->ntuple = !r;
	}
	if (!r)
		r = target_text(nic, j, f->queue, to, sizeof(to), reterr);
	if (r)
		return r;
	n = nic_flow_specs(&f->flow, to, specs);
	for (unsigned i = 0; !r && i < n; i++)
		r = rule_hold(nic, j, f, specs[i], reterr);
	if (r)
		rules_drop(nic, j, f, &undo, NULL);
	return r;
}

static int flow_add_new(struct weir_nic *nic, const struct weir_nic_flow *flow, int queue,
			uint32_t *retid, struct weir_error *reterr)
{
	struct held_flow *f = flow_place(nic);
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	int r;

	if (!f)
		return weir_error_set(reterr, -ENOMEM, "nic flow", nic->ctx.ifname, NULL);
	r = nic_journal_open(&j, &nic->ctx, true, &err);
	if (!r) {
		flow_begin(nic, f, flow, queue);
		r = rules_make(nic, j, f, &err);
	}
	nic_journal_close(j);
	if (r)
		f->id = 0;
	else
		*retid = f->id;
	return nic_error_give(reterr, &err, r, "nic flow", nic->ctx.ifname);
}

static bool holds_queue(const struct weir_nic *nic, int queue)
{
	for (unsigned i = 0; i < nic->queue_count; i++)
		if (nic->queue[i] == queue)
			return true;
	return false;
}

int weir_nic_flow_add(struct weir_nic *nic, const struct weir_nic_flow *flow, int queue,
		      uint32_t *retid, struct weir_error *reterr)
{
	struct held_flow *f;
	int r;

	if (!nic || !flow || !retid)
		return weir_error_set(reterr, -EINVAL, "nic flow", "(null)",
				      "a NIC, a flow and a place for its number are needed");
	r = nic_flow_check(flow, reterr);
	if (r)
		return r;
	if (queue != -1 && !holds_queue(nic, queue))
		return weir_error_set(reterr, -EINVAL, "nic flow", nic->ctx.ifname,
				      "rxq %d is not held: give one of weir_nic_queue(), or -1",
				      queue);
	if (is_child(nic))
		return weir_error_set(reterr, -EPERM, "nic flow", nic->ctx.ifname,
				      "the NIC was opened before fork(), by process %d: open it in "
				      "this process",
				      nic->pid);
	pthread_mutex_lock(&nic->lock);
	f = flow_find(nic, flow, queue);
	if (f) {
		f->refs++;
		*retid = f->id;
	} else {
		r = flow_add_new(nic, flow, queue, retid, reterr);
	}
	pthread_mutex_unlock(&nic->lock);
	return r;
}

int weir_nic_flow_ref(struct weir_nic *nic, uint32_t id)
{
	struct held_flow *f;

	if (!nic)
		return -ENOENT;
	if (is_child(nic))
		return 0;
	pthread_mutex_lock(&nic->lock);
	f = flow_by_id(nic, id);
	if (f)
		f->refs++;
	pthread_mutex_unlock(&nic->lock);
	return f ? 0 : -ENOENT;
}

static int flow_end(struct weir_nic *nic, struct held_flow *f, struct weir_error *reterr)
{
	struct weir_error err = { 0 };
	struct nic_undo undo = { 0 };
	struct nic_journal *j = NULL;
	int r = nic_journal_open(&j, &nic->ctx, true, &err);

	if (!r) {
		r = rules_drop(nic, j, f, &undo, &err);
		f->id = 0;
	}
	nic_journal_close(j);
	return r ? nic_error_give(reterr, &err, r, "nic flow", nic->ctx.ifname) :
		   undo.left_alone > 0;
}

int weir_nic_flow_remove(struct weir_nic *nic, uint32_t id, struct weir_error *reterr)
{
	struct held_flow *f;
	int r = 0;

	if (!nic)
		return weir_error_set(reterr, -EINVAL, "nic flow", "(null)", "a NIC is needed");
	if (is_child(nic))
		return 0;
	pthread_mutex_lock(&nic->lock);
	f = flow_by_id(nic, id);
	if (!f)
		r = weir_error_set(reterr, -ENOENT, "nic flow", nic->ctx.ifname,
				   "no flow has the number %u", id);
	else if (f->refs > 1)
		f->refs--;
	else
		r = flow_end(nic, f, reterr);
	pthread_mutex_unlock(&nic->lock);
	return r;
}

/* ------------------------------------------------------------------------------ restore */

static bool to_restore(const struct nic_owner *owner, unsigned flags)
{
	switch (nic_owner_life(owner)) {
	case NIC_DEAD:
		return true;
	case NIC_KEPT:
		return flags & WEIR_NIC_RESTORE_KEPT;
	case NIC_ALIVE:
	case NIC_ELSEWHERE:
		break;
	}
	return flags & WEIR_NIC_RESTORE_ALIVE;
}

static int restore_owners(struct nic_journal *j, unsigned flags, struct nic_undo *undo,
			  uint32_t *held, struct weir_error *reterr)
{
	const struct nic_owner *owner;
	unsigned i = 0;
	int first = 0;

	while ((owner = nic_journal_owner(j, i))) {
		uint32_t id = owner->id;
		int r;

		if (!to_restore(owner, flags)) {
			*held += nic_journal_changes(j, id);
			i++;
			continue;
		}
		r = nic_drop_owner(j, id, undo, first ? NULL : reterr);
		first = first ? first : r;
		if (r && flags & WEIR_NIC_RESTORE_FORGET)
			r = nic_forget_owner(j, id, undo, NULL);
		owner = nic_journal_owner(j, i);
		if (owner && owner->id == id) /* something of it failed: it stays */
			i++;
	}
	return first;
}

int weir_nic_restore(const char *ifname, unsigned flags, void (*say)(void *user, const char *line),
		     void *user, struct weir_nic_restored *ret, struct weir_error *reterr)
{
	struct nic_undo undo = { .say = say, .user = user };
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	struct nic_ctx ctx;
	uint32_t held = 0;
	int r;

	if (!ifname ||
	    flags & ~(WEIR_NIC_RESTORE_KEPT | WEIR_NIC_RESTORE_ALIVE | WEIR_NIC_RESTORE_FORGET))
		return weir_error_set(reterr, -EINVAL, "nic restore", ifname ? ifname : "(null)",
				      "an interface and WEIR_NIC_RESTORE_* flags are needed");
	r = nic_ctx_init(&ctx, ifname, &err);
	if (!r)
		r = nic_journal_open(&j, &ctx, true, &err);
	if (!r)
		r = restore_owners(j, flags, &undo, &held, &err);
	nic_journal_close(j);
	nic_ctx_fini(&ctx);
	if (ret)
		*ret = (struct weir_nic_restored){ .undone = undo.undone,
						   .left_alone = undo.left_alone,
						   .failed = undo.failed,
						   .held = held };
	return nic_error_give(reterr, &err, r, "nic restore", ifname);
}
