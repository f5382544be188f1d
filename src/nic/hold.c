// SPDX-License-Identifier: MIT
/*
 * hold.c - changes for an owner: journalled, made, read back.
 *
 * Theory: a setting passes through these states; a crash may come between any two lines:
 *
 *	  journal                        NIC        after a crash
 *	  (nothing)                      old        nothing to undo
 *	  set=old next=new want          old        the value is "set": undo finds base there
 *	  set=old next=new want          new        the value is "next": ours, undo puts base back
 *	  set=new want                   new        the value is "set": ours
 *
 *	An object: journalled with the handles of equal ones before, made, journalled with its
 *	handle. After a crash in between it is the equal one that was not there before.
 * Invariants: 1. nothing is changed before the journal of it is synced.  2. a call that fails
 *	leaves the NIC and the journal as they were; where the NIC refuses to go back, the journal
 *	says what is there.  3. what somebody else changed is not changed further.
 * Ownership: the journal owns texts and nodes.
 * Threads: one journal by one thread; other processes wait for its lock.
 * Errors: those of the kinds and of writing; -EBUSY, -EIO and -ENOENT of its own, with a hint.
 * Sources: none; this is weir's own.
 * Tests: tests/unit/test_nic_hold.c, tests/unit/test_nic_undo.c
 */
#include <stdlib.h>
#include <string.h>

#include "journal.h"

/**
 * struct change - one owner's want of one setting, on its way to the NIC.
 * @j: the journal.
 * @s: the setting.
 * @w: the want.
 * @old: what the owner wanted before; NULL: nothing.
 * @was: the NIC's value before.
 */
struct change {
	struct nic_journal *j;
	struct nic_setting *s;
	struct nic_want *w;
	char *old;
	char *was;
};

static int no_memory(const struct nic_journal *j, struct weir_error *reterr)
{
	return weir_error_set(reterr, -ENOMEM, "change the NIC", j->ctx->ifname, NULL);
}

static int no_owner(const struct nic_journal *j, uint32_t owner, struct weir_error *reterr)
{
	return weir_error_set(reterr, -ENOENT, "change the NIC", j->ctx->ifname,
			      "owner %u is not in its journal: its changes have been put back",
			      owner);
}

/* ------------------------------------------------------------------- a setting */

static int changed_by_others(const struct change *c, struct weir_error *reterr)
{
	char what[96], command[160] = "";

	c->s->kind->what(c->s->key, what, sizeof(what));
	c->s->kind->ethtool(c->j->ctx->ifname, c->s->key, c->was, c->s->set, command,
			    sizeof(command));
	return weir_error_set(reterr, -EBUSY, what, c->j->ctx->ifname,
			      "somebody changed it from " NIC_CUT " to " NIC_CUT
			      " while weir held it: put it back%s%.60s, or end its owners "
			      "(weir nic status)",
			      nic_cut(c->s->set), nic_cut(c->was), *command ? " with " : "",
			      strlen(command) <= 60 ? command : "");
}

static void forget_intended(struct nic_setting *s)
{
	free(s->intended);
	s->intended = NULL;
}

/* The owner wants again what it did before the change began. */
static void forget_want(struct change *c)
{
	if (c->old) {
		free(c->w->value);
		c->w->value = c->old;
		c->old = NULL;
	} else if (c->w) {
		nic_setting_forget_want(c->s, c->w);
	}
	c->w = NULL;
}

/* The journal in memory as it was before the change began. */
static void forget_change(struct change *c)
{
	forget_intended(c->s);
	forget_want(c);
	if (!c->s->wants)
		nic_journal_forget_setting(c->j, c->s);
}

static int replace_want(struct change *c, uint32_t owner, const char *want)
{
	char *value;

	c->w = nic_setting_find_want(c->s, owner);
	if (!c->w) {
		c->w = nic_setting_add_want(c->s, owner, c->j->last_seq + 1, want);
		c->j->last_seq += c->w != NULL;
		return c->w ? 0 : -ENOMEM;
	}
	value = strdup(want);
	if (!value)
		return -ENOMEM;
	c->old = c->w->value;
	c->w->value = value;
	return 0;
}

/* Is the value back to what it was before the change?  *ret: what it is; NULL: not known. */
static bool is_back(struct change *c, char **ret)
{
	int r;

	*ret = NULL;
	r = c->s->kind->get(c->j->ctx, c->s->key, ret, NULL);
	return r == -ENODEV || (!r && !strcmp(*ret, c->was));
}

/*
 * The change failed: the NIC back to what it was, then the journal.  A NIC that does not go back
 * stays journalled with what it says now, so that the end of an owner tries again.
 */
static void put_back(struct change *c)
{
	char *now;
	bool back = is_back(c, &now);

	if (!back && now) {
		int r = c->s->kind->set(c->j->ctx, c->s->key, now, c->was, NULL);

		free(now);
		back = is_back(c, &now) && !r;
	}
	if (back) {
		forget_change(c);
	} else {
		if (now) {
			free(c->s->set);
			c->s->set = now;
			now = NULL;
			forget_intended(c->s);
		}
		if (c->s->wants->next || c->old) /* else nobody would be there to try */
			forget_want(c);
	}
	free(now);
	/* Where this fails, the file still has the change under way, which is right, too. */
	if (nic_journal_save(c->j, NULL))
		c->j->dirty = true;
}

static int read_back(struct change *c, const char *target, struct weir_error *reterr)
{
	char what[96];
	char *now = NULL;
	int r = c->s->kind->get(c->j->ctx, c->s->key, &now, reterr);

	if (!r && strcmp(now, target) != 0) {
		c->s->kind->what(c->s->key, what, sizeof(what));
		r = weir_error_set(reterr, -EIO, what, c->j->ctx->ifname,
				   "the driver took " NIC_CUT " without an error and shows " NIC_CUT
				   ": it cannot do this; leave it out, or update the driver",
				   nic_cut(target), nic_cut(now));
	}
	free(now);
	return r;
}

/* The value is there; where that cannot be journalled, the change is still under way. */
static int end_change(struct change *c, struct weir_error *reterr)
{
	struct nic_setting *s = c->s;
	char *before = s->set;
	int r;

	s->set = s->intended;
	s->intended = NULL;
	r = nic_journal_save(c->j, reterr);
	if (r) {
		s->intended = s->set;
		s->set = before;
	} else {
		free(before);
	}
	return r;
}

/* From here on the NIC changes. */
static int make_change(struct change *c, char *target, struct weir_error *reterr)
{
	struct nic_setting *s = c->s;
	int r;

	s->intended = target;
	r = nic_journal_save(c->j, reterr);
	if (r) {
		forget_change(c);
		return r;
	}
	r = s->kind->set(c->j->ctx, s->key, c->was, target, reterr);
	if (!r)
		r = read_back(c, target, reterr);
	if (!r)
		r = end_change(c, reterr);
	if (r)
		put_back(c);
	return r;
}

/* The value is there, perhaps by the driver's choice and not by anybody's: said once more. */
static int set_again(struct change *c, struct weir_error *reterr)
{
	int r = c->s->kind->set(c->j->ctx, c->s->key, c->was, c->was, reterr);

	if (r) {
		forget_change(c);
		if (nic_journal_save(c->j, NULL))
			c->j->dirty = true;
	}
	return r;
}

static int begin_change(struct change *c, uint32_t owner, const char *want,
			struct weir_error *reterr)
{
	char *target = NULL;
	int r;

	nic_setting_resolve(c->s, c->was);
	if (strcmp(c->s->set, c->was) != 0)
		return changed_by_others(c, reterr);
	if (replace_want(c, owner, want)) {
		if (!c->s->wants)
			nic_journal_forget_setting(c->j, c->s);
		return no_memory(c->j, reterr);
	}
	r = nic_setting_target(c->j, c->s, 0, &target, reterr);
	if (!r && strcmp(target, c->was) != 0)
		return make_change(c, target, reterr);
	free(target);
	if (!r)
		r = nic_journal_save(c->j, reterr);
	if (r) {
		forget_change(c);
		return r;
	}
	return c->s->kind->again ? set_again(c, reterr) : 0;
}

int nic_hold_setting(struct nic_journal *j, uint32_t owner, const struct nic_setting_kind *kind,
		     const char *key, const char *want, struct weir_error *reterr)
{
	struct change c = { .j = j };
	int r;

	if (!nic_journal_find_owner(j, owner))
		return no_owner(j, owner, reterr);
	r = kind->get(j->ctx, key, &c.was, reterr);
	if (r)
		return r;
	c.s = nic_journal_find_setting(j, kind, key);
	if (!c.s)
		c.s = nic_journal_add_setting(j, kind, key, c.was);
	r = c.s ? begin_change(&c, owner, want, reterr) : no_memory(j, reterr);
	free(c.old);
	free(c.was);
	return r;
}

/* ------------------------------------------------------------------- an object */

/*
 * A handle is given again only when what had it is gone: an entry that still has it is about
 * something that somebody else removed.
 */
static void forget_same_handle(struct nic_journal *j, const struct nic_object *o)
{
	struct nic_object *other = j->objects;

	while (other) {
		struct nic_object *next = other->next;

		if (other != o && other->kind == o->kind && other->handle &&
		    !strcmp(other->handle, o->handle))
			nic_journal_forget_object(j, other);
		other = next;
	}
}

/* Making failed: what is there nevertheless goes, then its entry. */
static void unmake(struct nic_journal *j, struct nic_object *o)
{
	bool gone = true;
	int r = 0;

	if (!o->handle)
		r = nic_object_find_made(j, o, &o->handle, NULL);
	if (!r && o->handle)
		r = o->kind->remove(j->ctx, o->spec, o->handle, NULL);
	if (r && r != -ENODEV && r != -ENOENT)
		gone = false;
	if (gone) {
		nic_journal_forget_object(j, o);
	} else if (o->handle) {
		free(o->before);
		o->before = NULL;
	}
	/* Where this fails, the file has an object that is being made: none will be found. */
	if (nic_journal_save(j, NULL))
		j->dirty = true;
}

static int make_object(struct nic_journal *j, struct nic_object *o, struct weir_error *reterr)
{
	char what[200];
	int r = o->kind->make(j->ctx, o->spec, &o->handle, reterr);

	if (r)
		return r;
	if (o->kind->check(j->ctx, o->spec, o->handle)) {
		o->kind->what(o->spec, what, sizeof(what));
		return weir_error_set(reterr, -EIO, "read back what was made", j->ctx->ifname,
				      "the driver took the %s without an error and shows "
				      "another: it cannot do this",
				      what);
	}
	free(o->before);
	o->before = NULL;
	forget_same_handle(j, o);
	return nic_journal_save(j, reterr);
}

int nic_hold_object(struct nic_journal *j, uint32_t owner, const struct nic_object_kind *kind,
		    const char *spec, const char **rethandle, struct weir_error *reterr)
{
	struct nic_object *o;
	char *before = NULL;
	int r;

	if (!nic_journal_find_owner(j, owner))
		return no_owner(j, owner, reterr);
	r = kind->list(j->ctx, spec, &before, reterr);
	if (r)
		return r;
	o = nic_journal_add_object(j, kind, owner, j->last_seq + 1, spec);
	if (!o) {
		free(before);
		return no_memory(j, reterr);
	}
	j->last_seq++;
	o->before = before;
	r = nic_journal_save(j, reterr);
	if (r) {
		nic_journal_forget_object(j, o);
		return r;
	}
	r = make_object(j, o, reterr);
	if (r) {
		unmake(j, o);
		return r;
	}
	if (rethandle)
		*rethandle = o->handle;
	return 0;
}
