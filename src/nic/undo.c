// SPDX-License-Identifier: MIT
/*
 * undo.c - the end of an owner: what it alone wanted is put back, in reverse order.
 *
 * Theory: each change of the owner is looked at on the NIC before it is undone:
 *
 *	  setting is what we set, or meant to set   ours: set to what others want, else to base
 *	  setting is the target already             nothing to do
 *	  setting is anything else                  somebody else changed it: left alone, forgotten
 *	  object at its handle is ours              removed
 *	  object was being made                     the equal one that was not there before goes
 *	  object is gone                            nothing to do
 *	  another object is at its handle           left alone, forgotten
 *	  the interface is gone                     the whole journal is void
 *
 *	The kernel may refuse for a while: a queue that a killed process had bound is unbound by
 *	work that runs after the process is gone, and some changes only go in an order that another
 *	owner has turned round (fewer channels while an RSS table names the higher ones).  So a
 *	refusal (-EBUSY, -EINVAL) is no end: the other changes are undone, and passes over what is
 *	left follow each other until nothing is left, or the deadline has come and some were made.
 * Invariants: 1. each change is forgotten only after the NIC has been seen to be back.  2. doing
 *	all of it again, or the rest of it after a crash at any point, comes to the same state.  3.
 *	the NIC is put back even where the journal cannot be written: the older file leads to the
 *	same end.
 * Ownership: the journal owns its entries; texts that @say gets live during the call.
 * Threads: one journal by one thread; other processes wait for its lock.
 * Errors: the first failure's -errno; what failed stays in the journal.
 * Sources: io_ring_exit_work() in io_uring/io_uring.c and io_uring/zcrx.c, Linux 7.3: the queues of
 *	a ring are given back by a work item, after the process's exit.
 * Tests: tests/unit/test_nic_undo.c, tests/unit/test_nic_hold.c
 */
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define STEP_MS 20
#define PASSES_MIN 8 /* where the machine stood still until the deadline */

/**
 * struct drop - an ending.
 * @j: the journal.
 * @owner: number of the owner.
 * @only: only this object; NULL: all of the owner's changes.
 * @undo: counts of the caller.
 * @gone: the interface is.
 * @refused: changes of this pass that the kernel refused for now.
 * @code: first failure; 0: none yet.
 * @error: record of the first failure.
 */
struct drop {
	struct nic_journal *j;
	uint32_t owner;
	const struct nic_object *only;
	struct nic_undo *undo;
	bool gone;
	unsigned refused;
	int code;
	struct weir_error error;
};

__attribute__((format(printf, 3, 4))) static void say(const struct drop *d, const char *what,
						      const char *fmt, ...)
{
	char line[400];
	size_t n;
	va_list ap;

	if (!d->undo->say)
		return;
	snprintf(line, sizeof(line), "%s%s%s ", d->j->ctx->ifname, *what ? ": " : "", what);
	n = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	d->undo->say(d->undo->user, line);
}

/* What an undo must not fail for: an older file leads to the same end. */
static void try_save(struct drop *d)
{
	if (nic_journal_save(d->j, NULL))
		d->j->dirty = true;
}

static bool is_refusal(int code)
{
	return code == -EBUSY || code == -EINVAL || code == -EAGAIN;
}

/* ------------------------------------------------------------------- a setting */

static void left_alone(struct drop *d, struct nic_setting *s, const char *now)
{
	char what[96];

	s->kind->what(s->key, what, sizeof(what));
	if (now)
		say(d, what, "left alone: somebody else changed it from " NIC_CUT " to " NIC_CUT,
		    nic_cut(s->set), nic_cut(now));
	else
		say(d, what, "left alone: somebody else took it away");
	d->undo->left_alone++;
}

static int set_and_look(struct drop *d, struct nic_setting *s, const char *now, const char *target,
			struct weir_error *err)
{
	char *then = NULL;
	char what[96];
	int r;

	/* On the disk by now, unless an earlier try put it there: a crash may come. */
	if (!s->intended || strcmp(s->intended, target) != 0) {
		char *intended = strdup(target);

		if (!intended)
			return weir_error_set(err, -ENOMEM, "put back", d->j->ctx->ifname, NULL);
		free(s->intended);
		s->intended = intended;
		try_save(d);
	}
	r = s->kind->set(d->j->ctx, s->key, now, target, err);
	if (!r)
		r = s->kind->get(d->j->ctx, s->key, &then, err);
	if (!r && strcmp(then, target) != 0) {
		s->kind->what(s->key, what, sizeof(what));
		/* What the driver made of it is ours, too. */
		free(s->set);
		s->set = then;
		then = NULL;
		r = weir_error_set(err, -EIO, what, d->j->ctx->ifname,
				   "the driver took " NIC_CUT
				   " without an error and shows " NIC_CUT,
				   nic_cut(target), nic_cut(s->set));
	}
	free(then);
	return r;
}

/* The owner's want is over.  @known: what the setting is, if it is ours. */
static void forget_want(struct drop *d, struct nic_setting *s, struct nic_want *w, char *known)
{
	if (known) {
		free(s->set);
		s->set = known;
		free(s->intended);
		s->intended = NULL;
	}
	nic_setting_forget_want(s, w);
	if (!s->wants)
		nic_journal_forget_setting(d->j, s);
	try_save(d);
}

/* What is there is ours, or is the target already. */
static int undo_known(struct drop *d, struct nic_setting *s, const char *now, const char *target,
		      struct weir_error *err)
{
	bool others = s->wants->next != NULL;
	char what[96];
	int r;

	s->kind->what(s->key, what, sizeof(what));
	if (strcmp(now, target) != 0) {
		r = set_and_look(d, s, now, target, err);
		if (r)
			return r;
		say(d, what, "put back: " NIC_CUT " instead of " NIC_CUT, nic_cut(target),
		    nic_cut(now));
		d->undo->undone++;
	} else if (strcmp(s->set, target) != 0) {
		say(d, what, "is " NIC_CUT " again already", nic_cut(target));
		d->undo->undone++;
	} else if (others && strcmp(s->base, now) != 0) {
		say(d, what, "stays " NIC_CUT ": another owner wants it", nic_cut(now));
	}
	return 0;
}

static int undo_want(struct drop *d, struct nic_setting *s, struct nic_want *w,
		     struct weir_error *err)
{
	char *now = NULL, *target = NULL;
	int r = s->kind->get(d->j->ctx, s->key, &now, err);

	if (r == -ENOENT || r == -EOPNOTSUPP) {
		left_alone(d, s, NULL);
		forget_want(d, s, w, NULL);
		return 0;
	}
	if (r)
		return r;
	nic_setting_resolve(s, now);
	r = nic_setting_target(d->j, s, d->owner, &target, err);
	if (!r && strcmp(now, target) != 0 && strcmp(now, s->set) != 0) {
		left_alone(d, s, now);
		forget_want(d, s, w, NULL);
	} else if (!r) {
		r = undo_known(d, s, now, target, err);
		if (!r) {
			forget_want(d, s, w, target);
			target = NULL;
		}
	}
	free(target);
	free(now);
	return r;
}

/* ------------------------------------------------------------------- an object */

/* The handle of one whose making was interrupted; it is journalled before it is removed. */
static int learn_handle(struct drop *d, struct nic_object *o, struct weir_error *err)
{
	int r = nic_object_find_made(d->j, o, &o->handle, err);

	if (r || !o->handle)
		return r;
	free(o->before);
	o->before = NULL;
	try_save(d);
	return 0;
}

static int undo_object(struct drop *d, struct nic_object *o, struct weir_error *err)
{
	char what[200];
	int r = o->handle ? 0 : learn_handle(d, o, err);

	if (r)
		return r;
	o->kind->what(o->spec, what, sizeof(what));
	if (o->handle) {
		r = o->kind->check(d->j->ctx, o->spec, o->handle);
		if (!r)
			r = o->kind->remove(d->j->ctx, o->spec, o->handle, err);
		else if (r != -ENOENT && r != -ESTALE)
			weir_error_set(err, r, "look for what was made", d->j->ctx->ifname, "%s",
				       what);
		if (r == -ESTALE) {
			say(d, what, "left alone: somebody else changed it");
			d->undo->left_alone++;
		} else if (r == -ENOENT) {
			say(d, what, "is gone already");
			d->undo->undone++;
		} else if (r) {
			return r;
		} else {
			say(d, what, "removed");
			d->undo->undone++;
		}
	}
	nic_journal_forget_object(d->j, o);
	try_save(d);
	return 0;
}

/* ---------------------------------------------------------------------- passes */

/**
 * struct item - one change of the owner: a want of a setting, or an object.
 * @seq: its place in the order; 0: none is left.
 * @s: the setting; NULL: an object.
 * @w: the want.
 * @o: the object.
 */
struct item {
	uint64_t seq;
	struct nic_setting *s;
	struct nic_want *w;
	struct nic_object *o;
};

/* The latest change that this pass has not handled. */
static struct item find_last(const struct drop *d)
{
	struct item last = { 0 };

	for (struct nic_setting *s = d->only ? NULL : d->j->settings; s; s = s->next) {
		struct nic_want *w = nic_setting_find_want(s, d->owner);

		if (w && !w->tried && w->seq >= last.seq)
			last = (struct item){ .seq = w->seq, .s = s, .w = w };
	}
	for (struct nic_object *o = d->j->objects; o; o = o->next)
		if (o->owner == d->owner && !o->tried && o->seq >= last.seq &&
		    (!d->only || o == d->only))
			last = (struct item){ .seq = o->seq, .o = o };
	return last;
}

/* What was refused is tried again in the next pass, what failed otherwise is not. */
static void set_tried(const struct drop *d, bool again)
{
	for (struct nic_setting *s = d->j->settings; s; s = s->next)
		for (struct nic_want *w = s->wants; w; w = w->next)
			w->tried = again && w->tried && !is_refusal(w->code);
	for (struct nic_object *o = d->j->objects; o; o = o->next)
		o->tried = again && o->tried && !is_refusal(o->code);
}

static void pass(struct drop *d, bool again)
{
	struct item i;

	d->refused = 0;
	set_tried(d, again);
	for (i = find_last(d); !d->gone && (i.s || i.o); i = find_last(d)) {
		struct weir_error err = { 0 };
		int r = i.s ? undo_want(d, i.s, i.w, &err) : undo_object(d, i.o, &err);

		if (r == -ENODEV)
			d->gone = true;
		if (r == -ENODEV || !r)
			continue;
		*(i.s ? &i.w->tried : &i.o->tried) = true;
		*(i.s ? &i.w->code : &i.o->code) = r;
		d->refused += is_refusal(r);
		if (!d->code || (is_refusal(d->code) && !is_refusal(r))) {
			d->code = r;
			d->error = err;
		}
	}
}

/* Names what is left; true: something is. */
static bool count_failed(struct drop *d)
{
	bool any = false;

	set_tried(d, false);
	for (struct item i = find_last(d); i.s || i.o; i = find_last(d)) {
		int code = i.s ? i.w->code : i.o->code;
		char what[200];

		if (i.s)
			i.s->kind->what(i.s->key, what, sizeof(what));
		else
			i.o->kind->what(i.o->spec, what, sizeof(what));
		*(i.s ? &i.w->tried : &i.o->tried) = true;
		say(d, what, "could not be put back: %s; it stays in the journal",
		    strerrordesc_np(-code) ? strerrordesc_np(-code) : "the kernel refused");
		d->undo->failed++;
		any = true;
	}
	return any;
}

static void undo_all(struct drop *d)
{
	uint64_t deadline_ns = weir_clock_ns() + d->j->how->undo_wait_ms * 1000000ull;
	unsigned passes = 1;

	pass(d, false);
	while (!d->gone && d->refused &&
	       (weir_clock_ns() < deadline_ns || passes < PASSES_MIN)) {
		passes++;
		/* The kernel tells nobody when it has unbound a queue: one can only ask again. */
		poll(NULL, 0, STEP_MS);
		if (is_refusal(d->code))
			d->code = 0;
		pass(d, true);
	}
}

static int end(struct drop *d, struct weir_error *reterr)
{
	if (d->gone) {
		say(d, "", "is gone, and with it all that weir changed there");
		nic_journal_clear(d->j);
	} else if (count_failed(d)) {
		try_save(d);
		if (reterr)
			*reterr = d->error;
		return d->code;
	} else if (!d->only) {
		nic_journal_forget_owner(d->j, d->owner);
	} else if (!d->j->dirty) {
		return 0;
	}
	return nic_journal_save(d->j, reterr);
}

int nic_drop_object(struct nic_journal *j, uint32_t owner, const struct nic_object_kind *kind,
		    const char *handle, struct nic_undo *undo, struct weir_error *reterr)
{
	struct nic_undo counts = { 0 };
	struct drop d = { .j = j, .owner = owner, .undo = undo ? undo : &counts };
	struct nic_object *o = j->objects;

	while (o && (o->kind != kind || o->owner != owner || !o->handle ||
		     strcmp(o->handle, handle) != 0))
		o = o->next;
	if (!o)
		return weir_error_set(reterr, -ENOENT, "remove from the NIC", j->ctx->ifname,
				      "owner %u has no such %s", owner, kind->name);
	d.only = o;
	undo_all(&d);
	return end(&d, reterr);
}

int nic_drop_owner(struct nic_journal *j, uint32_t owner, struct nic_undo *undo,
		   struct weir_error *reterr)
{
	struct nic_undo counts = { 0 };
	struct drop d = { .j = j, .owner = owner, .undo = undo ? undo : &counts };

	if (!nic_journal_find_owner(j, owner))
		return 0;
	undo_all(&d);
	return end(&d, reterr);
}

int nic_forget_owner(struct nic_journal *j, uint32_t owner, struct nic_undo *undo,
		     struct weir_error *reterr)
{
	struct nic_setting *s = j->settings;
	struct nic_object *o = j->objects;
	char line[200];

	while (o) {
		struct nic_object *next = o->next;

		if (o->owner == owner)
			nic_journal_forget_object(j, o);
		o = next;
	}
	while (s) {
		struct nic_setting *next = s->next;
		struct nic_want *w = nic_setting_find_want(s, owner);

		if (w)
			nic_setting_forget_want(s, w);
		if (!s->wants)
			nic_journal_forget_setting(j, s);
		s = next;
	}
	nic_journal_forget_owner(j, owner);
	if (undo->say) {
		snprintf(line, sizeof(line),
			 "%s: what is left of owner %u is forgotten, not put back", j->ctx->ifname,
			 owner);
		undo->say(undo->user, line);
	}
	return nic_journal_save(j, reterr);
}
