// SPDX-License-Identifier: MIT
/*
 * journal_list.c - the lists of a journal in memory: owners, settings, objects, and questions to
 * them.
 *
 * Theory: lists keep the order in which things came.  What a setting is to be follows from its
 *	first value and from what its owners want (target() of its kind); what it is follows from
 *	the NIC: after a crash in the middle of a change the value is the old one or the intended
 *	one, and nic_setting_resolve() finds out which.  An object whose making was interrupted is
 *	found as an equal one that was not there before and that no other entry has.
 * Invariants: 1. a setting has an owner, but while it is being added.  2. an object has a handle,
 *	or the list of equal ones before.  3. no owner stands twice at a setting.  4. a number
 *	of an owner is not given again, also not by a later journal of the interface.
 * Ownership: the journal owns all nodes and texts.  Texts that are handed out live until the
 *	journal changes.
 * Threads: one object by one thread.
 * Errors: NULL or -ENOMEM; those of a kind's calls.
 * Sources: none; this is weir's own.
 * Tests: tests/unit/test_nic_journal.c, tests/unit/test_nic_hold.c
 */
#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define WANTS_MAX 64 /* owners of one setting */

/* ---------------------------------------------------------------------- owners */

struct nic_owner_node *nic_journal_find_owner(const struct nic_journal *j, uint32_t owner)
{
	struct nic_owner_node *o = j->owners;

	while (o && o->pub.id != owner)
		o = o->next;
	return o;
}

void nic_journal_forget_owner(struct nic_journal *j, uint32_t owner)
{
	for (struct nic_owner_node **at = &j->owners; *at; at = &(*at)->next) {
		struct nic_owner_node *o = *at;

		if (o->pub.id == owner) {
			*at = o->next;
			free(o);
			return;
		}
	}
}

const struct nic_owner *nic_journal_owner(const struct nic_journal *j, unsigned i)
{
	const struct nic_owner_node *o = j->owners;

	while (o && i--)
		o = o->next;
	return o ? &o->pub : NULL;
}

/*
 * Not from 1 on in each journal: an owner whose changes somebody else has put back would end an
 * owner of the next journal.  Milliseconds tell journals apart, because each is synced to a file.
 */
static uint32_t next_owner(const struct nic_journal *j)
{
	uint32_t now = (uint32_t)(weir_clock_ns() / 1000000) & 0x3fffffff;

	return j->how->clock_numbers && now > j->last_owner ? now : j->last_owner + 1;
}

int nic_owner_add(struct nic_journal *j, const char *name, bool kept, uint32_t *retid,
		  struct weir_error *reterr)
{
	struct nic_owner_node *o = calloc(1, sizeof(*o)), **end = &j->owners;
	int r;

	if (!o)
		return weir_error_set(reterr, -ENOMEM, "journal an owner", j->ctx->ifname, NULL);
	r = kept ? 0 : nic_owner_self(&o->pub, reterr);
	if (r) {
		free(o);
		return r;
	}
	snprintf(o->pub.name, sizeof(o->pub.name), "%s",
		 name && *name ? name : program_invocation_short_name);
	while (*end)
		end = &(*end)->next;
	*end = o;
	j->last_owner = next_owner(j);
	o->pub.id = j->last_owner;
	r = nic_journal_save(j, reterr);
	if (r) {
		nic_journal_forget_owner(j, o->pub.id);
		return r;
	}
	*retid = o->pub.id;
	return 0;
}

unsigned nic_journal_changes(const struct nic_journal *j, uint32_t owner)
{
	unsigned n = 0;

	for (const struct nic_setting *s = j->settings; s; s = s->next)
		n += nic_setting_find_want(s, owner) != NULL;
	for (const struct nic_object *o = j->objects; o; o = o->next)
		n += o->owner == owner;
	return n;
}

/* -------------------------------------------------------------------- settings */

struct nic_setting *nic_journal_find_setting(const struct nic_journal *j,
					     const struct nic_setting_kind *kind, const char *key)
{
	struct nic_setting *s = j->settings;

	while (s && (s->kind != kind || strcmp(s->key, key) != 0))
		s = s->next;
	return s;
}

static void free_setting(struct nic_setting *s)
{
	while (s->wants)
		nic_setting_forget_want(s, s->wants);
	free(s->key);
	free(s->base);
	free(s->set);
	free(s->intended);
	free(s);
}

struct nic_setting *nic_journal_add_setting(struct nic_journal *j,
					    const struct nic_setting_kind *kind, const char *key,
					    const char *value)
{
	struct nic_setting *s = calloc(1, sizeof(*s)), **end = &j->settings;

	if (!s)
		return NULL;
	s->kind = kind;
	s->key = strdup(key);
	s->base = strdup(value);
	s->set = strdup(value);
	if (!s->key || !s->base || !s->set) {
		free_setting(s);
		return NULL;
	}
	while (*end)
		end = &(*end)->next;
	*end = s;
	return s;
}

void nic_journal_forget_setting(struct nic_journal *j, struct nic_setting *s)
{
	struct nic_setting **at = &j->settings;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free_setting(s);
}

struct nic_want *nic_setting_find_want(const struct nic_setting *s, uint32_t owner)
{
	struct nic_want *w = s->wants;

	while (w && w->owner != owner)
		w = w->next;
	return w;
}

struct nic_want *nic_setting_add_want(struct nic_setting *s, uint32_t owner, uint64_t seq,
				      const char *value)
{
	struct nic_want *w = calloc(1, sizeof(*w)), **end = &s->wants;

	if (!w)
		return NULL;
	w->owner = owner;
	w->seq = seq;
	w->value = strdup(value);
	if (!w->value) {
		free(w);
		return NULL;
	}
	while (*end)
		end = &(*end)->next;
	*end = w;
	return w;
}

void nic_setting_forget_want(struct nic_setting *s, struct nic_want *w)
{
	struct nic_want **at = &s->wants;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w->value);
	free(w);
}

void nic_setting_resolve(struct nic_setting *s, const char *now)
{
	if (!s->intended)
		return;
	if (!strcmp(now, s->intended)) {
		free(s->set);
		s->set = s->intended;
		s->intended = NULL;
	} else if (!strcmp(now, s->set)) {
		free(s->intended);
		s->intended = NULL;
	}
}

int nic_setting_target(struct nic_journal *j, const struct nic_setting *s, uint32_t without,
		       char **ret, struct weir_error *reterr)
{
	const char *wants[WANTS_MAX];
	unsigned n = 0;

	for (const struct nic_want *w = s->wants; w; w = w->next) {
		if (w->owner == without)
			continue;
		if (n == WANTS_MAX)
			return weir_error_set(reterr, -EBUSY, "share a setting", j->ctx->ifname,
					      "it has %u owners: end one of them", WANTS_MAX);
		wants[n++] = w->value;
	}
	if (n)
		return s->kind->target(j->ctx, s->key, s->base, wants, n, ret, reterr);
	*ret = strdup(s->base);
	if (!*ret)
		return weir_error_set(reterr, -ENOMEM, "share a setting", j->ctx->ifname, NULL);
	return 0;
}

unsigned nic_journal_setting(const struct nic_journal *j, const struct nic_setting_kind *kind,
			     const char *key, const char **retbase, const char **wants,
			     unsigned max)
{
	const struct nic_setting *s = nic_journal_find_setting(j, kind, key);
	unsigned n = 0;

	*retbase = s ? s->base : NULL;
	for (const struct nic_want *w = s ? s->wants : NULL; w; w = w->next) {
		const struct nic_owner_node *o = nic_journal_find_owner(j, w->owner);

		if (!o || nic_owner_life(&o->pub) == NIC_DEAD)
			continue;
		if (n < max)
			wants[n] = w->value;
		n++;
	}
	return n;
}

/* --------------------------------------------------------------------- objects */

static void free_object(struct nic_object *o)
{
	free(o->spec);
	free(o->handle);
	free(o->before);
	free(o);
}

struct nic_object *nic_journal_add_object(struct nic_journal *j, const struct nic_object_kind *kind,
					  uint32_t owner, uint64_t seq, const char *spec)
{
	struct nic_object *o = calloc(1, sizeof(*o)), **end = &j->objects;

	if (!o)
		return NULL;
	o->kind = kind;
	o->owner = owner;
	o->seq = seq;
	o->spec = strdup(spec);
	if (!o->spec) {
		free(o);
		return NULL;
	}
	while (*end)
		end = &(*end)->next;
	*end = o;
	return o;
}

void nic_journal_forget_object(struct nic_journal *j, struct nic_object *o)
{
	struct nic_object **at = &j->objects;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	free_object(o);
}

uint32_t nic_journal_object_owner(const struct nic_journal *j, const struct nic_object_kind *kind,
				  const char *handle)
{
	for (const struct nic_object *o = j->objects; o; o = o->next)
		if (o->kind == kind && o->handle && !strcmp(o->handle, handle))
			return o->owner;
	return 0;
}

/* Is this one of the words of the list? */
static bool has_word(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !memcmp(list, word, n))
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

int nic_object_find_made(const struct nic_journal *j, const struct nic_object *o, char **ret,
			 struct weir_error *reterr)
{
	char *now = NULL, *found = NULL;
	int r = o->kind->list(j->ctx, o->spec, &now, reterr);

	if (r)
		return r;
	for (const char *at = now; *at && !found && !r;) {
		size_t n = strcspn(at, " ");

		if (n && !has_word(o->before, at, n)) {
			found = strndup(at, n);
			if (!found)
				r = weir_error_set(reterr, -ENOMEM, "find what was made",
						   j->ctx->ifname, NULL);
			else if (nic_journal_object_owner(j, o->kind, found)) {
				free(found);
				found = NULL;
			}
		}
		at += n + strspn(at + n, " ");
	}
	free(now);
	if (!r)
		*ret = found;
	return r;
}

/* ------------------------------------------------------------------------- all */

void nic_journal_clear(struct nic_journal *j)
{
	while (j->settings)
		nic_journal_forget_setting(j, j->settings);
	while (j->objects)
		nic_journal_forget_object(j, j->objects);
	while (j->owners)
		nic_journal_forget_owner(j, j->owners->pub.id);
}
