/* SPDX-License-Identifier: MIT */
/*
 * fake_nic.h - a NIC in shared memory, with kinds of changes for the journal.
 *
 * Theory: the fake has what makes undoing hard: a number of channels that cannot shrink below what
 *	the RSS table names, a table whose target depends on the channels and on all owners,
 *	switches, rules that lead to contexts, contexts that cannot be removed while rules lead to
 *	them.  Its state lies in memory that processes share, so that one can be killed and another
 *	look.  Before and after each change it makes a system call that does nothing (getppid), so
 *	that a tracer can kill its process at exactly these places, too.
 */
#ifndef WEIR_TESTS_FAKE_NIC_H
#define WEIR_TESTS_FAKE_NIC_H

#include <ftw.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "nic/journal.h"
#include "t.h"

#define FAKE_RSS 8
#define FAKE_RULES 16
#define FAKE_CONTEXTS 4
#define FAKE_SPEC 64

/* What a test compares. */
struct fake_state {
	unsigned channels;
	char split[8];
	char ntuple[8];
	char lro[8];
	char rss[32];
	char rules[FAKE_RULES][FAKE_SPEC];
	char contexts[FAKE_CONTEXTS][FAKE_SPEC];
};

struct fake_nic {
	struct fake_state now;
	bool gone;
	unsigned refusals;     /* so many changes are refused with -EBUSY */
	char fails[16];	       /* changes of this kind fail */
	int fails_with;	       /* with this error */
	bool fails_late;       /* and are made all the same */
	bool fails_for_good;   /* not once, but always */
	unsigned then_refuses; /* so many changes after one that failed are refused */
	char ignores[16];      /* changes of this kind are taken and not made */
	unsigned changes;
	atomic_int inside; /* processes that are changing it */
	bool overlap;	   /* two were at the same time */
};

static struct fake_nic *fake;
static void (*fake_hook)(void); /* called once, after the next change */
static char fake_folder[64];

static const struct fake_state fake_first = {
	.channels = 4,
	.split = "auto",
	.ntuple = "off",
	.lro = "on",
	.rss = "default",
	.rules = { [1] = "tcp4 dst-port 22 queue 1" },
	.contexts = { [2] = "queues 0,1" },
};

static struct nic_ctx fake_ctx(void)
{
	return (struct nic_ctx){
		.ifname = "fake0", .ifindex = 7, .netns_cookie = 0x1f, .ioctl_fd = -1
	};
}

static int fake_change(const char *kind, bool *retmake, struct weir_error *reterr)
{
	bool fails = !strcmp(fake->fails, kind);

	*retmake = false;
	if (fake->gone)
		return -ENODEV;
	if (fake->refusals) {
		fake->refusals--;
		return weir_error_set(reterr, -EBUSY, kind, "fake0", "refused for now");
	}
	*retmake = (!fails || fake->fails_late) && strcmp(fake->ignores, kind) != 0;
	if (fails && !fake->fails_for_good)
		fake->fails[0] = '\0';
	if (fails)
		fake->refusals = fake->then_refuses;
	return fails ? weir_error_set(reterr, fake->fails_with, kind, "fake0", "told to fail") : 0;
}

static void fake_begin(void)
{
	if (atomic_fetch_add(&fake->inside, 1))
		fake->overlap = true;
	syscall(SYS_getppid);
}

static void fake_end(void)
{
	void (*hook)(void) = fake_hook;

	fake->changes++;
	syscall(SYS_getppid);
	atomic_fetch_sub(&fake->inside, 1);
	fake_hook = NULL;
	if (hook)
		hook();
}

static int fake_text(const char *text, char **ret)
{
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------- settings that are texts */

static char *fake_switch(const char *kind, const char *key)
{
	if (!strcmp(kind, "split"))
		return fake->now.split;
	return !strcmp(key, "ntuple") ? fake->now.ntuple : fake->now.lro;
}

static int fake_set_text(const char *kind, const char *key, const char *to,
			 struct weir_error *reterr)
{
	bool make;
	int r = fake_change(kind, &make, reterr);

	if (make) {
		fake_begin();
		snprintf(fake_switch(kind, key), sizeof(fake->now.split), "%s", to);
		fake_end();
	}
	return r;
}

static int fake_split_get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *err)
{
	(void)ctx;
	(void)err;
	if (fake->gone)
		return -ENODEV;
	return fake->now.split[0] ? fake_text(fake_switch("split", key), ret) : -EOPNOTSUPP;
}

static int fake_split_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
			  struct weir_error *err)
{
	(void)ctx;
	(void)from;
	return fake_set_text("split", key, to, err);
}

static int fake_feature_get(struct nic_ctx *ctx, const char *key, char **ret,
			    struct weir_error *err)
{
	(void)ctx;
	(void)err;
	return fake->gone ? -ENODEV : fake_text(fake_switch("feature", key), ret);
}

static int fake_feature_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
			    struct weir_error *err)
{
	(void)ctx;
	(void)from;
	return fake_set_text("feature", key, to, err);
}

static void fake_what(const char *key, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "switch%s%s", *key ? " " : "", key);
}

static void fake_line(const char *ifname, const char *key, const char *from, const char *to,
		      char *buf, size_t bytes)
{
	snprintf(buf, bytes, "fake -K %s %s%s # was %s", ifname, key, to, from);
}

/* -------------------------------------------------------------------- channels */

static int fake_channels_get(struct nic_ctx *ctx, const char *key, char **ret,
			     struct weir_error *err)
{
	char text[16];

	(void)ctx;
	(void)key;
	(void)err;
	snprintf(text, sizeof(text), "%u", fake->now.channels);
	return fake->gone ? -ENODEV : fake_text(text, ret);
}

/* Highest queue of a table ("0,1,2") + 1; 0 for "default". */
static unsigned fake_rss_queues(const char *table)
{
	unsigned n = 0;

	for (const char *c = table; *c && *table != 'd'; c++)
		if (*c >= '0' && *c <= '9' && (unsigned)(*c - '0') >= n)
			n = (unsigned)(*c - '0') + 1;
	return n;
}

static int fake_channels_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
			     struct weir_error *err)
{
	unsigned n = (unsigned)atoi(to);
	bool make;
	int r;

	(void)ctx;
	(void)key;
	(void)from;
	if (n < fake_rss_queues(fake->now.rss))
		return weir_error_set(err, -EINVAL, "channels", "fake0",
				      "the RSS table needs more");
	r = fake_change("channels", &make, err);
	if (make) {
		fake_begin();
		fake->now.channels = n;
		fake_end();
	}
	return r;
}

/* ------------------------------------------------------------------------- rss */

static int fake_rss_get(struct nic_ctx *ctx, const char *key, char **ret, struct weir_error *err)
{
	(void)ctx;
	(void)key;
	(void)err;
	return fake->gone ? -ENODEV : fake_text(fake->now.rss, ret);
}

static int fake_rss_set(struct nic_ctx *ctx, const char *key, const char *from, const char *to,
			struct weir_error *err)
{
	bool make;
	int r;

	(void)ctx;
	(void)key;
	(void)from;
	if (fake_rss_queues(to) > fake->now.channels)
		return weir_error_set(err, -ERANGE, "rss", "fake0", "no such queue");
	r = fake_change("rss", &make, err);
	if (make) {
		fake_begin();
		memset(fake->now.rss, 0, sizeof(fake->now.rss));
		snprintf(fake->now.rss, sizeof(fake->now.rss), "%s", to);
		fake_end();
	}
	return r;
}

/* Each want is "away N": the table leads to all other queues, in turn. */
static int fake_rss_target(struct nic_ctx *ctx, const char *key, const char *base,
			   const char *const *wants, unsigned n, char **ret, struct weir_error *err)
{
	unsigned queues[8], count = 0;
	unsigned rings = ctx->plan_rings ? ctx->plan_rings : fake->now.channels;
	char text[2 * FAKE_RSS];

	(void)key;
	(void)base;
	for (unsigned q = 0; q < rings && q < 8; q++) {
		bool away = false;

		for (unsigned i = 0; i < n; i++)
			away = away || strchr(wants[i] + strlen("away "), '0' + (int)q);
		if (!away)
			queues[count++] = q;
	}
	if (!count)
		return weir_error_set(err, -EBUSY, "rss", "fake0", "no queue is left");
	for (unsigned i = 0; i < FAKE_RSS; i++) {
		text[2 * i] = (char)('0' + queues[i % count]);
		text[2 * i + 1] = i + 1 < FAKE_RSS ? ',' : '\0';
	}
	return fake_text(text, ret);
}

/* --------------------------------------------------------------------- objects */

static char *fake_place(bool rule, unsigned i)
{
	return rule ? fake->now.rules[i] : fake->now.contexts[i];
}

static int fake_list(bool rule, const char *spec, char **ret)
{
	char text[128] = "";

	if (fake->gone)
		return -ENODEV;
	for (unsigned i = 0; i < (rule ? FAKE_RULES : FAKE_CONTEXTS); i++)
		if (!strcmp(fake_place(rule, i), spec))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u",
				 *text ? " " : "", i);
	return fake_text(text, ret);
}

static int fake_make(bool rule, const char *spec, char **ret, struct weir_error *err)
{
	unsigned i = rule ? 0 : 1;
	char handle[16];
	bool make;
	int r;

	while (i < (rule ? FAKE_RULES : FAKE_CONTEXTS) && *fake_place(rule, i))
		i++;
	if (i == (rule ? FAKE_RULES : FAKE_CONTEXTS))
		return weir_error_set(err, -ENOSPC, "make", "fake0", "the table is full");
	r = fake_change(rule ? "rule" : "context", &make, err);
	if (make) {
		fake_begin();
		snprintf(fake_place(rule, i), FAKE_SPEC, "%s", spec);
		fake_end();
	}
	if (r)
		return r;
	snprintf(handle, sizeof(handle), "%u", i);
	return fake_text(handle, ret);
}

static int fake_check(bool rule, const char *spec, const char *handle)
{
	const char *place = fake_place(rule, (unsigned)atoi(handle));

	if (fake->gone)
		return -ENODEV;
	if (!*place)
		return -ENOENT;
	return strcmp(place, spec) ? -ESTALE : 0;
}

static int fake_remove(bool rule, const char *handle, struct weir_error *err)
{
	char leads[32];
	bool make;
	int r;

	snprintf(leads, sizeof(leads), "context %s", handle);
	for (unsigned i = 0; !rule && i < FAKE_RULES; i++)
		if (strstr(fake->now.rules[i], leads))
			return weir_error_set(err, -EBUSY, "remove", "fake0", "a rule leads there");
	r = fake_change(rule ? "rule" : "context", &make, err);
	if (make) {
		fake_begin();
		memset(fake_place(rule, (unsigned)atoi(handle)), 0, FAKE_SPEC);
		fake_end();
	}
	return r;
}

#define FAKE_OBJECT(kind, is_rule)                                                                 \
	static int fake_##kind##_list(struct nic_ctx *ctx, const char *spec, char **ret,           \
				      struct weir_error *err)                                      \
	{                                                                                          \
		(void)ctx;                                                                         \
		(void)err;                                                                         \
		return fake_list(is_rule, spec, ret);                                              \
	}                                                                                          \
	static int fake_##kind##_make(struct nic_ctx *ctx, const char *spec, char **ret,           \
				      struct weir_error *err)                                      \
	{                                                                                          \
		(void)ctx;                                                                         \
		return fake_make(is_rule, spec, ret, err);                                         \
	}                                                                                          \
	static int fake_##kind##_check(struct nic_ctx *ctx, const char *spec, const char *handle)  \
	{                                                                                          \
		(void)ctx;                                                                         \
		return fake_check(is_rule, spec, handle);                                          \
	}                                                                                          \
	static int fake_##kind##_remove(struct nic_ctx *ctx, const char *spec, const char *handle, \
					struct weir_error *err)                                    \
	{                                                                                          \
		(void)ctx;                                                                         \
		(void)spec;                                                                        \
		return fake_remove(is_rule, handle, err);                                          \
	}

FAKE_OBJECT(rule, true)
FAKE_OBJECT(context, false)

static void fake_object_what(const char *spec, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "fake %s", spec);
}

static void fake_object_line(const char *ifname, const char *spec, const char *handle, char *buf,
			     size_t bytes)
{
	snprintf(buf, bytes, "fake -N %s %s %s", ifname, spec, handle ? handle : "");
}

/* ---------------------------------------------------------------------- tables */

static const struct nic_setting_kind fake_channels = {
	.name = "channels",
	.get = fake_channels_get,
	.set = fake_channels_set,
	.target = nic_target_same,
	.what = fake_what,
	.ethtool = fake_line,
};
static const struct nic_setting_kind fake_split = {
	.name = "split",
	.get = fake_split_get,
	.set = fake_split_set,
	.target = nic_target_same,
	.what = fake_what,
	.ethtool = fake_line,
};
static const struct nic_setting_kind fake_feature = {
	.name = "feature",
	.get = fake_feature_get,
	.set = fake_feature_set,
	.target = nic_target_same,
	.what = fake_what,
	.ethtool = fake_line,
};
static const struct nic_setting_kind fake_rss = {
	.name = "rss",
	.get = fake_rss_get,
	.set = fake_rss_set,
	.target = fake_rss_target,
	.what = fake_what,
	.ethtool = fake_line,
};
static const struct nic_object_kind fake_rule = {
	.name = "rule",
	.list = fake_rule_list,
	.make = fake_rule_make,
	.check = fake_rule_check,
	.remove = fake_rule_remove,
	.what = fake_object_what,
	.ethtool = fake_object_line,
};
static const struct nic_object_kind fake_context = {
	.name = "context",
	.list = fake_context_list,
	.make = fake_context_make,
	.check = fake_context_check,
	.remove = fake_context_remove,
	.what = fake_object_what,
	.ethtool = fake_object_line,
};

static const struct nic_setting_kind *const fake_settings[] = { &fake_channels, &fake_split,
								&fake_feature, &fake_rss };
static const struct nic_object_kind *const fake_objects[] = { &fake_rule, &fake_context };
static const struct nic_kinds fake_kinds = { fake_settings, T_COUNT(fake_settings), fake_objects,
					     T_COUNT(fake_objects) };
static const struct nic_journal_how fake_how = { &fake_kinds, 10000, 300, false };

/* ------------------------------------------------------------------ around a test */

static int fake_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void fake_clean(void)
{
	umount2(fake_folder, MNT_DETACH);
	nftw(fake_folder, fake_unlink, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void fake_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

/*
 * A file system in memory over the folder, as /run is one, in a mount namespace of this process: a
 * journal is synced often, and a disk takes its time.  False: not allowed, the folder is as it was.
 */
static bool fake_mount(const char *options)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	static bool unshared;
	char map[32];

	if (!unshared && unshare(CLONE_NEWNS)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			return false;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		fake_write("/proc/self/uid_map", map);
		fake_write("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		fake_write("/proc/self/gid_map", map);
	}
	if (!unshared && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	unshared = true;
	umount2(fake_folder, MNT_DETACH);
	return !mount("weir-test", fake_folder, "tmpfs", 0, options);
}

/* A NIC in its first state, and an empty folder for journals. */
static void fake_reset(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!fake) {
		fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
		assert_ptr_not_equal(fake, MAP_FAILED);
		snprintf(fake_folder, sizeof(fake_folder), "%.40s/weir-nic.XXXXXX",
			 tmp && *tmp ? tmp : "/tmp");
		assert_non_null(mkdtemp(fake_folder));
		assert_int_equal(atexit(fake_clean), 0);
		if (!fake_mount("mode=0755"))
			print_message("no mount namespace here: journals go to %s\n", fake_folder);
		setenv("WEIR_RUN_DIR", fake_folder, 1);
	}
	memset(fake, 0, sizeof(*fake));
	fake->now = fake_first;
}

__attribute__((unused)) static struct nic_journal *fake_open_for(struct nic_ctx *ctx)
{
	struct nic_journal *j = NULL;
	struct weir_error err = { 0 };

	if (nic_journal_open_how(&j, ctx, true, &fake_how, &err)) {
		weir_error_print(stderr, &err);
		return NULL;
	}
	return j;
}

#endif
