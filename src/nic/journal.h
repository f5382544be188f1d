/* SPDX-License-Identifier: MIT */
/*
 * journal.h - the journal in memory, for the files that keep it: journal.c, journal_list.c,
 * journal_text.c, owner.c, hold.c, undo.c.  Others see it through nic.h.
 */
#ifndef WEIR_NIC_JOURNAL_H
#define WEIR_NIC_JOURNAL_H

#include <stdio.h>

#include "nic.h"

#define NIC_JOURNAL_BYTES_MAX (16u << 20) /* a longer file is not one of ours */

/**
 * struct nic_kinds - the kinds that a journal may speak of.
 * @settings: kinds of settings.
 * @setting_count: number of @settings.
 * @objects: kinds of objects.
 * @object_count: number of @objects.
 */
struct nic_kinds {
	const struct nic_setting_kind *const *settings;
	unsigned setting_count;
	const struct nic_object_kind *const *objects;
	unsigned object_count;
};

extern const struct nic_kinds nic_kinds; /* kinds.c: all that weir has */

/**
 * struct nic_journal_how - what differs between a test and the rest of the world.
 * @kinds: the kinds.
 * @lock_wait_ms: longest wait for another process to let go of the journal.
 * @undo_wait_ms: longest wait for the kernel to let go of what a dead process had.
 * @clock_numbers: numbers of owners follow the clock, so that no later journal has the same.
 */
struct nic_journal_how {
	const struct nic_kinds *kinds;
	uint32_t lock_wait_ms;
	uint32_t undo_wait_ms;
	bool clock_numbers;
};

/**
 * struct nic_want - what one owner wants of a setting.
 * @next: of another owner.
 * @owner: number of the owner.
 * @seq: place in the order of changes; the highest is undone first.
 * @value: what it wants.
 * @tried: (undo) handled in this pass.
 * @code: (undo) why it could not be put back; not in the file.
 */
struct nic_want {
	struct nic_want *next;
	uint32_t owner;
	uint64_t seq;
	char *value;
	bool tried;
	int code;
};

/**
 * struct nic_setting - a value of the NIC that owners hold.
 * @next: setting in the list.
 * @kind: its kind.
 * @key: its key.
 * @base: the value before the first owner.
 * @set: the value that is known to be there, unless somebody else changed it.
 * @intended: the value that it is being changed to; NULL: no change is under way.
 * @wants: at least one.
 */
struct nic_setting {
	struct nic_setting *next;
	const struct nic_setting_kind *kind;
	char *key;
	char *base;
	char *set;
	char *intended;
	struct nic_want *wants;
};

/**
 * struct nic_object - something that an owner made, or is making.
 * @next: object in the list.
 * @kind: its kind.
 * @owner: number of the owner.
 * @seq: place in the order of changes.
 * @spec: what it is.
 * @handle: the kernel's name for it; NULL: it is being made.
 * @before: handles of equal objects before it was made; NULL once it has a handle.
 * @tried: (undo) handled in this pass.
 * @code: (undo) why it could not be removed; not in the file.
 */
struct nic_object {
	struct nic_object *next;
	const struct nic_object_kind *kind;
	uint32_t owner;
	uint64_t seq;
	char *spec;
	char *handle;
	char *before;
	bool tried;
	int code;
};

/**
 * struct nic_owner_node - an owner in the list.
 * @next: owner.
 * @pub: what others see.
 */
struct nic_owner_node {
	struct nic_owner_node *next;
	struct nic_owner pub;
};

/**
 * struct nic_journal - the journal of one interface.
 * @ctx: the interface.
 * @how: kinds and times.
 * @write: opened for writing: @lock_fd is locked.
 * @dirty: the file lacks something that is here.
 * @folder_fd: the folder.
 * @lock_fd: the lock file.
 * @folder: path of the folder, for people.
 * @name: name of the file.
 * @boot: this boot's id.
 * @driver: driver of the interface; empty where the kernel does not tell.
 * @last_owner: highest number of an owner so far.
 * @last_seq: highest place of a change so far.
 * @owners: in the order in which they came.
 * @settings: in the order in which they came.
 * @objects: in the order in which they came.
 */
struct nic_journal {
	struct nic_ctx *ctx;
	const struct nic_journal_how *how;
	bool write;
	bool dirty;
	int folder_fd;
	int lock_fd;
	char *folder;
	char name[32];
	char boot[40];
	char driver[32];
	uint32_t last_owner;
	uint64_t last_seq;
	struct nic_owner_node *owners;
	struct nic_setting *settings;
	struct nic_object *objects;
};

/** nic_journal_open_how() - as nic_journal_open(), with kinds and times; @how must live as long. */
WEIR_MUST_CHECK int nic_journal_open_how(struct nic_journal **ret, struct nic_ctx *ctx, bool write,
					 const struct nic_journal_how *how,
					 struct weir_error *reterr);

/**
 * nic_journal_save() - make the file say what the journal says, and sync it.
 *
 * Return: 0; -errno, and then the journal is dirty and the file is as before.
 */
WEIR_MUST_CHECK int nic_journal_save(struct nic_journal *j, struct weir_error *reterr);

/** nic_journal_clear() - forget all owners and changes; the numbers go on. */
void nic_journal_clear(struct nic_journal *j);

struct nic_owner_node *nic_journal_find_owner(const struct nic_journal *j, uint32_t owner);
void nic_journal_forget_owner(struct nic_journal *j, uint32_t owner);

struct nic_setting *nic_journal_find_setting(const struct nic_journal *j,
					     const struct nic_setting_kind *kind, const char *key);
/** nic_journal_add_setting() - a setting with base and set @value; NULL: no memory. */
struct nic_setting *nic_journal_add_setting(struct nic_journal *j,
					    const struct nic_setting_kind *kind, const char *key,
					    const char *value);
void nic_journal_forget_setting(struct nic_journal *j, struct nic_setting *s);

struct nic_want *nic_setting_find_want(const struct nic_setting *s, uint32_t owner);
/** nic_setting_add_want() - what a further owner wants; NULL: no memory. */
struct nic_want *nic_setting_add_want(struct nic_setting *s, uint32_t owner, uint64_t seq,
				      const char *value);
void nic_setting_forget_want(struct nic_setting *s, struct nic_want *w);
/** nic_setting_resolve() - a change that was under way: has it been made, by the value @now? */
void nic_setting_resolve(struct nic_setting *s, const char *now);
/** nic_setting_target() - what its owners want, less one (0: all); base without any. */
WEIR_MUST_CHECK int nic_setting_target(struct nic_journal *j, const struct nic_setting *s,
				       uint32_t without, char **ret, struct weir_error *reterr);

/** nic_journal_add_object() - one that is being made; NULL: no memory. */
struct nic_object *nic_journal_add_object(struct nic_journal *j, const struct nic_object_kind *kind,
					  uint32_t owner, uint64_t seq, const char *spec);
void nic_journal_forget_object(struct nic_journal *j, struct nic_object *o);
/**
 * nic_object_find_made() - whether an object that was being made is there.
 * @j: the journal.
 * @o: an object without a handle.
 * @ret: receives its handle, allocated; NULL: it has not been made.
 * @reterr: error record or NULL.
 *
 * It is the first equal object that was not there before and that no other entry has.
 *
 * Return: 0 or -errno.
 */
WEIR_MUST_CHECK int nic_object_find_made(const struct nic_journal *j, const struct nic_object *o,
					 char **ret, struct weir_error *reterr);

/* journal_text.c */

/** nic_journal_format() - the file's content, allocated; 0 or -ENOMEM. */
WEIR_MUST_CHECK int nic_journal_format(const struct nic_journal *j, char **ret, size_t *retbytes);

/**
 * nic_journal_parse() - read the file's content into an empty journal.
 * @j: the journal, with boot and driver; empty afterwards where it failed.
 * @text: the content, with a NUL after it.
 * @bytes: its length.
 * @why: receives what is wrong with it.
 * @why_bytes: size of @why.
 *
 * Content of another boot or of another driver's interface is void: the journal stays empty.
 *
 * Return: 0; -EBADMSG; -ENOMEM.
 */
WEIR_MUST_CHECK int nic_journal_parse(struct nic_journal *j, const char *text, size_t bytes,
				      char *why, size_t why_bytes);

/* owner.c */

/** nic_owner_self() - this process as an owner without a number; 0 or -errno (no /proc). */
WEIR_MUST_CHECK int nic_owner_self(struct nic_owner *ret, struct weir_error *reterr);

/* For messages: a value that is too long for a line is cut. */
#define NIC_CUT "%.40s%s"
#define nic_cut(text) (text), strlen(text) > 40 ? "..." : ""

#endif
