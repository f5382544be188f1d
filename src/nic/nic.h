/* SPDX-License-Identifier: MIT */
/*
 * nic.h - what the files of src/nic share: the kernel's answers, kinds of changes, the journal.
 *
 *	info.c, read_*.c      the state of an interface (weir_nic_info)
 *	guard.c               is this interface the machine's way out
 *	nl.c                  one request by netlink, and its answer
 *	set_*.c               kinds of settings: values that owners share
 *	obj_*.c               kinds of objects: made for one owner, removed with it
 *	journal.c             the file of an interface: owners, settings, objects
 *	hold.c                changes for an owner, journalled; their end
 *	plan.c                from what is wanted and what is, to steps
 *	nic.c                 the public calls: open, close, flows, restore
 *	port.c                source ports by the RSS hash
 *
 * A change is one of two things:
 *
 * setting  A value that the NIC has once ("split", "rss"), which several owners may want something
 *	of.  The journal keeps its first value (base) and what each owner wants.  The target is
 *	computed from both; with the last owner gone it is base again.
 * object   Something that was not there ("rule", "context"), made by one owner, known by a handle
 *	that the kernel gave (a location, an id).
 *
 * All values are texts of one line without leading and trailing blanks, in a canonical form: two
 * values are the same exactly when their texts are.
 */
#ifndef WEIR_NIC_NIC_H
#define WEIR_NIC_NIC_H

#include <weir/nic.h>

#include "util/util.h"

/* ---------------------------------------------------------------- nl.c: the kernel */

struct mnl_socket;

/**
 * struct nic_ctx - one interface, and the ways to ask the kernel about it.
 * @ifname: its name when it was opened; each use of it by name first checks @ifindex.
 * @ifindex: its number.
 * @netns_cookie: of the namespace in which it was opened.
 * @route: rtnetlink.
 * @generic: generic netlink.
 * @ioctl_fd: socket for SIOCETHTOOL.
 * @ethtool_family: number of "ethtool"; 0: this kernel has none.
 * @netdev_family: number of "netdev"; 0: this kernel has none.
 * @seq: of the last netlink request.
 * @plan_rings: number of Rx queues that target() is to reckon with, because a plan changes it; 0:
 *	the present one.
 */
struct nic_ctx {
	char ifname[16];
	uint32_t ifindex;
	uint64_t netns_cookie;
	struct mnl_socket *route;
	struct mnl_socket *generic;
	int ioctl_fd;
	uint16_t ethtool_family;
	uint16_t netdev_family;
	uint32_t seq;
	uint32_t plan_rings;
};

/**
 * nic_ctx_init() - open the ways to an interface of this thread's namespace.
 * @ctx: storage; nic_ctx_fini() also after a failure.
 * @ifname: its name.
 * @reterr: error record or NULL.
 *
 * Return: 0; -ENODEV; -EINVAL; others of socket(2).
 */
WEIR_MUST_CHECK int nic_ctx_init(struct nic_ctx *ctx, const char *ifname,
				 struct weir_error *reterr);
void nic_ctx_fini(struct nic_ctx *ctx);

/* ------------------------------------------------------------------ kinds of changes */

/**
 * struct nic_setting_kind - a value that the NIC has once.
 * @name: in the journal.
 * @get: the present value, allocated.  -ENOENT or -EOPNOTSUPP: this NIC has no such value.
 * @set: makes @to the value; @from is the present one.  The caller reads it back afterwards.
 * @target: from the first value and what @n (at least 1) owners want, the value to set, allocated.
 *	-EBUSY with a hint: they cannot all have what they want.  It may ask the kernel.
 * @what: text for a person ("RSS table"), without the interface.
 * @ethtool: a command line that makes @to of @from; empty where there is none.
 * @again: set() is called also where the value is there already: a driver may show a value that
 *	nobody has set, and the kernel asks who did.
 *
 * @key tells several values of one kind apart (feature "ntuple", irq "57"); "" where there is one.
 */
struct nic_setting_kind {
	const char *name;
	int (*get)(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *reterr);
	int (*set)(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
		   struct weir_error *reterr);
	int (*target)(struct nic_ctx *ctx, const char *key, const char *base,
		      const char *const *wants, unsigned n, char **ret, struct weir_error *reterr);
	void (*what)(const char *key, char *buf, size_t bytes);
	void (*ethtool)(const char *ifname, const char *key, const char *from, const char *to,
			char *buf, size_t bytes);
	bool again;
};

/**
 * struct nic_object_kind - something that is made and removed.
 * @name: in the journal.
 * @list: handles of all objects now that are the same as @spec, divided by blanks, allocated; ""
 *	for none.
 * @make: makes one; its handle (a number as text) is allocated.
 * @check: 0: the object at @handle is that of @spec; -ENOENT: there is none; -ESTALE: it is
 *	another.
 * @remove: removes it.
 * @what: text for a person ("flow rule tcp4 dst-port 80 queue 3").
 * @ethtool: a command line that makes it (@handle NULL) or removes it.
 *
 * @spec is canonical text.  rule: "tcp4 [src-ip A] [dst-ip A] [src-port N] [dst-port N]
 * queue N|context N", the first word one of tcp4 udp4 tcp6 udp6; context: "queues 2,3".
 */
struct nic_object_kind {
	const char *name;
	int (*list)(struct nic_ctx *ctx, const char *spec, char **ret, struct weir_error *reterr);
	int (*make)(struct nic_ctx *ctx, const char *spec, char **rethandle,
		    struct weir_error *reterr);
	int (*check)(struct nic_ctx *ctx, const char *spec, const char *handle);
	int (*remove)(struct nic_ctx *ctx, const char *spec, const char *handle,
		      struct weir_error *reterr);
	void (*what)(const char *spec, char *buf, size_t bytes);
	void (*ethtool)(const char *ifname, const char *spec, const char *handle, char *buf,
			size_t bytes);
};

extern const struct nic_setting_kind nic_set_channels; /* key "", value "8": combined channels */
extern const struct nic_setting_kind nic_set_split;    /* "", "on" "off" "auto"; want "on" */
extern const struct nic_setting_kind nic_set_hds;      /* "", "0": hds-thresh in bytes */
extern const struct nic_setting_kind nic_set_feature;  /* "ntuple" "rx-gro-hw" "lro", "on" "off" */
extern const struct nic_setting_kind nic_set_rss;      /* "", "default" "0,1,0,1"; want "away 3" */
extern const struct nic_setting_kind nic_set_irq;      /* number of the interrupt, "0-3" */
extern const struct nic_setting_kind nic_set_napi;     /* number of the Rx queue, "defer-hard-irqs 0
	gro-flush-timeout 0 irq-suspend-timeout 0": the last only where the kernel has it */
extern const struct nic_object_kind nic_obj_rule;
extern const struct nic_object_kind nic_obj_context;

/* kinds.c: by name; NULL where there is none */
const struct nic_setting_kind *nic_setting_kind_find(const char *name);
const struct nic_object_kind *nic_object_kind_find(const char *name);

/**
 * nic_target_same() - a target() for settings of which all owners must want the same.
 */
int nic_target_same(struct nic_ctx *ctx, const char *key, const char *base,
		    const char *const *wants, unsigned n, char **ret, struct weir_error *reterr);

/* ------------------------------------------------------------------ journal.c, hold.c */

/**
 * struct nic_owner - who wants changes.
 * @id: number in this journal; ids are not used again while the journal lives.
 * @pid: process; 0: nobody, kept until restored.
 * @start_ticks: start of the process (field 22 of /proc/PID/stat).
 * @pidns: inode of its PID namespace: only there @pid means something.
 * @name: for people.
 */
struct nic_owner {
	uint32_t id;
	int32_t pid;
	uint64_t start_ticks;
	uint64_t pidns;
	char name[32];
};

struct nic_journal; /* journal.c */

/**
 * enum nic_life - whether an owner's process runs.
 * @NIC_DEAD: it has ended.
 * @NIC_ALIVE: it runs.
 * @NIC_KEPT: there is no process; the changes are kept.
 * @NIC_ELSEWHERE: it belongs to a PID namespace that cannot be seen from here: taken for alive.
 */
enum nic_life { NIC_DEAD, NIC_ALIVE, NIC_KEPT, NIC_ELSEWHERE };

/**
 * nic_journal_open() - lock and read the journal of an interface.
 * @ret: receives it; given back by nic_journal_close().
 * @ctx: the interface; it must live as long.
 * @write: changes will be made: waits for the lock, and the folder is made where it is missing.
 *	Without it a missing or unreadable folder is an empty journal and nothing is locked.
 * @reterr: error record or NULL.
 *
 * A journal of another boot is void.  One that cannot be understood is an error that names the
 * file.
 *
 * Return: 0; -EACCES, -EROFS, -ENOSPC (with a hint); -EINVAL (WEIR_RUN_DIR is no absolute path);
 * -ETIMEDOUT (another process has the lock for 30 s, the hint names it); -EBADMSG (damaged);
 * -ENOMEM.
 */
WEIR_MUST_CHECK int nic_journal_open(struct nic_journal **ret, struct nic_ctx *ctx, bool write,
				     struct weir_error *reterr);

/** nic_journal_close() - unlock; a journal that holds nothing is removed.  NULL is legal. */
void nic_journal_close(struct nic_journal *j);

/** nic_journal_owner() - owner @i (0, 1, ...); NULL after the last. */
const struct nic_owner *nic_journal_owner(const struct nic_journal *j, unsigned i);

/** nic_owner_life() - whether it runs. */
enum nic_life nic_owner_life(const struct nic_owner *owner);

/** nic_journal_changes() - settings and objects of an owner. */
unsigned nic_journal_changes(const struct nic_journal *j, uint32_t owner);

/** nic_journal_object_owner() - owner of the object with that handle; 0: it is not ours. */
uint32_t nic_journal_object_owner(const struct nic_journal *j, const struct nic_object_kind *kind,
				  const char *handle);

/**
 * nic_journal_setting() - what the journal knows of a setting.
 * @j: the journal.
 * @kind: its kind.
 * @key: its key.
 * @retbase: receives the first value, NULL where the setting is not in the journal; it lives until
 *	the journal changes.
 * @wants: receives what owners want that are not dead (the same life), up to @max.
 * @max: room in @wants.
 *
 * Return: the number of owners that are not dead and want something of it.
 */
unsigned nic_journal_setting(const struct nic_journal *j, const struct nic_setting_kind *kind,
			     const char *key, const char **retbase, const char **wants,
			     unsigned max);

/**
 * nic_owner_add() - a new owner, journalled.
 * @j: the journal, opened for writing.
 * @name: for people; NULL: the program's.
 * @kept: no process owns it.
 * @retid: receives its number.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno of writing.
 */
WEIR_MUST_CHECK int nic_owner_add(struct nic_journal *j, const char *name, bool kept,
				  uint32_t *retid, struct weir_error *reterr);

/**
 * nic_hold_setting() - journal what an owner wants of a setting, set it, read it back.
 * @j: the journal, opened for writing.
 * @owner: its number.
 * @kind: the kind.
 * @key: the key.
 * @want: what it wants; what it wanted before is replaced.
 * @reterr: error record or NULL.
 *
 * On failure the owner wants of it what it did before, and the NIC has the value for that.
 *
 * Return: 0; -EBUSY (owners contradict each other; somebody else changed what owners hold); -EIO
 *	(the
 * driver took it and did not do it); others of the kernel's.
 */
WEIR_MUST_CHECK int nic_hold_setting(struct nic_journal *j, uint32_t owner,
				     const struct nic_setting_kind *kind, const char *key,
				     const char *want, struct weir_error *reterr);

/**
 * nic_hold_object() - make an object for an owner, journalled before and after.
 * @j: the journal, opened for writing.
 * @owner: its number.
 * @kind: the kind.
 * @spec: what.
 * @rethandle: receives the handle (lives until the journal changes); may be NULL.
 * @reterr: error record or NULL.
 *
 * Return: 0 or the kernel's -errno.
 */
WEIR_MUST_CHECK int nic_hold_object(struct nic_journal *j, uint32_t owner,
				    const struct nic_object_kind *kind, const char *spec,
				    const char **rethandle, struct weir_error *reterr);

/**
 * struct nic_undo - what ending did.
 * @undone: changes put back.
 * @left_alone: changes that somebody else had changed.
 * @failed: changes that could not be put back; they stay in the journal.
 * @say: called for each; NULL: nobody.
 * @user: for @say.
 */
struct nic_undo {
	uint32_t undone;
	uint32_t left_alone;
	uint32_t failed;
	void (*say)(void *user, const char *line);
	void *user;
};

/**
 * nic_drop_object() - remove an owner's object.
 * @j: the journal, opened for writing.
 * @owner: its number.
 * @kind: the kind.
 * @handle: the handle.
 * @undo: counts; added to; NULL: nobody counts.
 * @reterr: error record or NULL.
 *
 * Return: 0, also where it was left alone or gone already; -ENOENT (no such object in the journal);
 * the kernel's -errno.
 */
int nic_drop_object(struct nic_journal *j, uint32_t owner, const struct nic_object_kind *kind,
		    const char *handle, struct nic_undo *undo, struct weir_error *reterr);

/**
 * nic_drop_owner() - put back all that an owner alone wanted, in reverse order.
 * @j: the journal, opened for writing.
 * @owner: its number; it is gone afterwards, unless something failed.
 * @undo: counts; added to; NULL: nobody counts.
 * @reterr: error record or NULL; the first failure.
 *
 * Goes on after a failure.
 *
 * Return: 0 or the first failure's -errno.
 */
int nic_drop_owner(struct nic_journal *j, uint32_t owner, struct nic_undo *undo,
		   struct weir_error *reterr);

/* ------------------------------------------------------------------------- step.c */

/**
 * nic_error_give() - the end of a public call.
 * @to: the caller's record or NULL.
 * @err: what was recorded on the way, which may be of a first way that failed.
 * @r: the call's result.
 * @stage: for a failure that nobody described.
 * @object: the same.
 *
 * Return: @r; where it is 0, @to is untouched.
 */
int nic_error_give(struct weir_error *to, const struct weir_error *err, int r, const char *stage,
		   const char *object);

/**
 * nic_forget_owner() - end an owner whose changes cannot be put back: the journal forgets them.
 * @j: the journal, opened for writing.
 * @owner: its number.
 * @undo: who is told.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno of writing.
 */
WEIR_MUST_CHECK int nic_forget_owner(struct nic_journal *j, uint32_t owner, struct nic_undo *undo,
				     struct weir_error *reterr);

/* ------------------------------------------------------------------------- info.c */

/**
 * struct nic_info - the public state, and where its arrays are.
 */
struct nic_info {
	struct weir_nic_info pub; /* first: a pointer to it is one to this */
	struct weir_nic_queue *queues;
	struct weir_nic_rule *rules;
	unsigned rule_count;
	struct weir_nic_context *contexts;
	unsigned context_count;
	struct weir_nic_owner *owners;
	unsigned owner_count;
	uint32_t *rss;
};

/**
 * nic_info_read() - as weir_nic_info_read(), of an interface that is open.
 * @ret: receives it; given back by weir_nic_info_free().
 * @ctx: the interface.
 * @j: its journal, for owners; NULL: none.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -errno.
 */
WEIR_MUST_CHECK int nic_info_read(struct nic_info **ret, struct nic_ctx *ctx,
				  const struct nic_journal *j, struct weir_error *reterr);

/**
 * nic_guard() - why a change of this interface could cut the machine off.
 * @ctx: the interface.
 * @why: receives the sentence; empty: it could not.
 * @bytes: size of @why.
 *
 * Return: 0, or -errno where the routes cannot be read.
 */
WEIR_MUST_CHECK int nic_guard(struct nic_ctx *ctx, char *why, size_t bytes);

#endif
