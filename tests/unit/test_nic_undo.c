/* SPDX-License-Identifier: MIT */
/*
 * test_nic_undo.c - changes and their end where the kernel, the disk or another process says no.
 *
 * Theory: the fake NIC (fake_nic.h) is told to refuse, to fail before or after it did what it was
 *	asked, to take a change and not make it, and to be gone; the folder of journals is full,
 *	read-only or somebody else's.  After each failure the NIC must be as before the call, and
 *	after the end of the owner as before all.
 *
 * Timeout: 120
 */
#include "t.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "fake_nic_owner.h"

static void told_to_fail(const char *kind, int code)
{
	snprintf(fake->fails, sizeof(fake->fails), "%s", kind);
	fake->fails_with = code;
}

/* ------------------------------------------------------------------ a call that fails */

static void setting_fails(void **state)
{
	struct nic_journal *j = start();
	struct weir_error err = { 0 };

	(void)state;
	told_to_fail("split", -EPERM);
	t_expect(nic_hold_setting(j, owner, &fake_split, "", "on", &err), &err, -EPERM);
	expect_same(&fake_first);
	assert_int_equal(nic_journal_changes(j, owner), 0);

	told_to_fail("split", -EIO); /* and does it all the same */
	fake->fails_late = true;
	t_expect(nic_hold_setting(j, owner, &fake_split, "", "on", &err), &err, -EIO);
	expect_same(&fake_first);
	assert_int_equal(nic_journal_changes(j, owner), 0);

	snprintf(fake->ignores, sizeof(fake->ignores), "split");
	t_expect(nic_hold_setting(j, owner, &fake_split, "", "on", &err), &err, -EIO);
	assert_non_null(strstr(err.hint, "shows auto"));
	expect_same(&fake_first);
	assert_int_equal(nic_journal_changes(j, owner), 0);
	fake->ignores[0] = '\0';
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", &err), 0);
	finish(j);
}

/* A want that replaces an earlier one fails: the earlier one is in force again. */
static void replacing_fails(void **state)
{
	struct nic_journal *j = start();
	struct weir_error err = { 0 };
	const char *base, *wants[2];

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), 0);
	assert_string_equal(fake->now.rss, "0,1,2,0,1,2,0,1");
	told_to_fail("rss", -EIO);
	fake->fails_late = true;
	t_expect(nic_hold_setting(j, owner, &fake_rss, "", "away 1", &err), &err, -EIO);
	assert_string_equal(fake->now.rss, "0,1,2,0,1,2,0,1");
	assert_int_equal(nic_journal_setting(j, &fake_rss, "", &base, wants, 2), 1);
	assert_string_equal(wants[0], "away 3");
	assert_string_equal(base, "default");
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 1", NULL), 0);
	assert_string_equal(fake->now.rss, "0,2,3,0,2,3,0,2");
	assert_int_equal(nic_journal_setting(j, &fake_rss, "", &base, wants, 2), 1);
	assert_string_equal(wants[0], "away 1");
	finish(j);
}

/* The driver makes it, says it failed, and refuses to go back: the owner's end goes back. */
static void no_way_back(void **state)
{
	struct nic_journal *j = start();
	struct weir_error err = { 0 };

	(void)state;
	fake->fails_late = true;
	fake->then_refuses = 1;
	told_to_fail("split", -EIO);
	t_expect(nic_hold_setting(j, owner, &fake_split, "", "on", &err), &err, -EIO);
	assert_string_equal(fake->now.split, "on");
	assert_int_equal(nic_journal_changes(j, owner), 1);
	told_to_fail("rule", -EIO);
	t_expect(nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, &err), &err,
		 -EIO);
	assert_string_equal(fake->now.rules[0], "udp4 dst-port 1 queue 1");
	assert_int_equal(nic_journal_changes(j, owner), 2);
	nic_journal_close(j);
	j = fake_open_for(&ctx);
	assert_int_equal(nic_journal_changes(j, owner), 2);
	finish(j);
}

/* The same where the owner had wanted something before: that is what its journal says. */
static void no_way_back_to_another_want(void **state)
{
	struct nic_journal *j = start();
	struct weir_error err = { 0 };
	const char *base, *wants[2];

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), 0);
	fake->fails_late = true;
	fake->then_refuses = 1;
	told_to_fail("rss", -EIO);
	t_expect(nic_hold_setting(j, owner, &fake_rss, "", "away 1", &err), &err, -EIO);
	assert_string_equal(fake->now.rss, "0,2,3,0,2,3,0,2");
	assert_int_equal(nic_journal_setting(j, &fake_rss, "", &base, wants, 2), 1);
	assert_string_equal(wants[0], "away 3");
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), 0);
	assert_string_equal(fake->now.rss, "0,1,2,0,1,2,0,1");
	finish(j);
}

/* An end that fails for another reason than a refusal is not tried again and again. */
static void end_fails(void **state)
{
	struct nic_journal *j = start();
	struct nic_undo undo = { 0 };
	struct weir_error err = { 0 };

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL), 0);
	told_to_fail("split", -EPERM);
	t_expect(nic_drop_owner(j, owner, &undo, &err), &err, -EPERM);
	assert_int_equal(undo.failed, 1);
	assert_int_equal(undo.undone, 1);
	assert_string_equal(fake->now.split, "on");
	assert_int_equal(nic_journal_changes(j, owner), 1);
	snprintf(fake->ignores, sizeof(fake->ignores), "split");
	t_expect(nic_drop_owner(j, owner, &undo, &err), &err, -EIO);
	assert_int_equal(nic_journal_changes(j, owner), 1);
	fake->ignores[0] = '\0';
	finish(j);
}

static void object_fails(void **state)
{
	struct nic_journal *j = start();
	struct weir_error err = { 0 };
	const char *handle = NULL;

	(void)state;
	told_to_fail("rule", -EPERM);
	t_expect(nic_hold_object(j, owner, &fake_rule, "tcp4 dst-port 1 queue 1", &handle, &err),
		 &err, -EPERM);
	expect_same(&fake_first);
	told_to_fail("rule", -EIO); /* and is made all the same */
	fake->fails_late = true;
	t_expect(nic_hold_object(j, owner, &fake_rule, "tcp4 dst-port 1 queue 1", &handle, &err),
		 &err, -EIO);
	expect_same(&fake_first);
	snprintf(fake->ignores, sizeof(fake->ignores), "rule");
	t_expect(nic_hold_object(j, owner, &fake_rule, "tcp4 dst-port 1 queue 1", &handle, &err),
		 &err, -EIO);
	assert_null(handle);
	expect_same(&fake_first);
	fake->ignores[0] = '\0';
	assert_int_equal(nic_journal_changes(j, owner), 0);
	/* An equal one of somebody else's was there before: it stays. */
	assert_int_equal(nic_hold_object(j, owner, &fake_rule, fake_first.rules[1], &handle, NULL),
			 0);
	assert_string_equal(handle, "0");
	assert_int_equal(nic_journal_object_owner(j, &fake_rule, "0"), owner);
	assert_int_equal(nic_journal_object_owner(j, &fake_rule, "1"), 0);
	t_expect(nic_drop_object(j, owner, &fake_rule, "1", NULL, &err), &err, -ENOENT);
	finish(j);
}

/* Somebody removed a rule of ours, and its place was given again, to us: it goes once. */
static void place_given_again(void **state)
{
	struct nic_journal *j = start();
	uint32_t second;

	(void)state;
	assert_int_equal(nic_owner_add(j, "second", true, &second, NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL), 0);
	memset(fake->now.rules[0], 0, FAKE_SPEC);
	assert_int_equal(
		nic_hold_object(j, second, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL), 0);
	assert_int_equal(nic_drop_owner(j, owner, NULL, NULL), 0);
	assert_string_equal(fake->now.rules[0], "udp4 dst-port 1 queue 1");
	owner = second;
	finish(j);
}

/* --------------------------------------------------------------- an end that is refused */

/* Refused for a while: the end waits, and comes. */
static void refused_for_a_while(void **state)
{
	struct nic_journal *j = start();

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_channels, "", "8", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 7", NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 7", NULL, NULL), 0);
	fake->refusals = 9;
	finish(j);
}

struct said {
	unsigned lines;
	char last[400];
};

static void keep_line(void *user, const char *line)
{
	struct said *said = user;

	said->lines++;
	snprintf(said->last, sizeof(said->last), "%s", line);
}

/* Refused to the end: told within the deadline, kept, and done by the next end. */
static void refused_for_good(void **state)
{
	struct nic_journal *j = start();
	struct said said = { 0 };
	struct nic_undo undo = { .say = keep_line, .user = &said };
	struct weir_error err = { 0 };
	uint64_t begin_us = t_now_us();

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_feature, "ntuple", "on", NULL), 0);
	told_to_fail("feature", -EINVAL);
	fake->fails_for_good = true;
	assert_int_equal(nic_drop_owner(j, owner, &undo, &err), -EINVAL);
	assert_true(t_now_us() - begin_us >= fake_how.undo_wait_ms * 1000);
	assert_string_equal(err.hint, "told to fail");
	assert_int_equal(undo.undone, 1);
	assert_int_equal(undo.failed, 1);
	assert_string_equal(said.last, "fake0: switch ntuple could not be put back: Invalid "
				       "argument; it stays in the journal");
	assert_int_equal(said.lines, 2);
	assert_string_equal(fake->now.split, "auto");
	assert_string_equal(fake->now.ntuple, "on");
	assert_int_equal(nic_journal_changes(j, owner), 1);
	nic_journal_close(j);
	fake->fails[0] = '\0';
	j = fake_open_for(&ctx);
	assert_int_equal(nic_journal_changes(j, owner), 1);
	finish(j);
}

/*
 * An order that two owners have turned round: the one that added channels ends while the other's
 * table leads to them.  What cannot be undone stays with its owner until it can.
 */
static void order_turned_round(void **state)
{
	struct nic_journal *j = start();
	struct nic_undo undo = { 0 };
	uint32_t second;

	(void)state;
	assert_int_equal(nic_owner_add(j, "second", true, &second, NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), 0);
	assert_int_equal(nic_hold_setting(j, second, &fake_channels, "", "8", NULL), 0);
	assert_int_equal(nic_hold_setting(j, second, &fake_rss, "", "away 2", NULL), 0);
	assert_int_equal(nic_drop_owner(j, second, &undo, NULL), -EINVAL);
	assert_int_equal(undo.failed, 1);
	assert_int_equal(undo.undone, 1);
	assert_int_equal(nic_drop_owner(j, owner, NULL, NULL), 0);
	assert_string_equal(fake->now.rss, "default");
	assert_int_equal(fake->now.channels, 8);
	owner = second;
	finish(j);
}

/* One owner whose changes only go in another order than theirs: a second pass does it. */
static void own_order_turned_round(void **state)
{
	struct nic_journal *j = start();

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_channels, "", "8", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 7", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 2", NULL), 0);
	finish(j);
}

static void interface_gone(void **state)
{
	struct nic_journal *j = start();
	struct said said = { 0 };
	struct nic_undo undo = { .say = keep_line, .user = &said };
	struct weir_error err = { 0 };
	uint32_t second;

	(void)state;
	assert_int_equal(nic_owner_add(j, "second", true, &second, NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_object(j, second, &fake_context, "queues 3", NULL, NULL), 0);
	fake->gone = true;
	assert_int_equal(nic_hold_setting(j, owner, &fake_rss, "", "away 3", NULL), -ENODEV);
	assert_int_equal(nic_hold_object(j, owner, &fake_context, "queues 2", NULL, NULL), -ENODEV);
	assert_int_equal(nic_drop_owner(j, owner, &undo, &err), 0);
	assert_int_equal(undo.failed + undo.left_alone + undo.undone, 0);
	assert_string_equal(said.last, "fake0 is gone, and with it all that weir changed there");
	assert_null(nic_journal_owner(j, 0));
	assert_int_equal(nic_drop_owner(j, second, NULL, NULL), 0);
	t_expect(nic_hold_setting(j, second, &fake_rss, "", "away 3", &err), &err, -ENOENT);
	nic_journal_close(j);
}

/* A value that is no longer there (a queue that went) is somebody else's doing. */
static void value_gone(void **state)
{
	struct nic_journal *j = start();
	struct nic_undo undo = { 0 };

	(void)state;
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	fake->now.split[0] = '\0';
	assert_int_equal(nic_drop_owner(j, owner, &undo, NULL), 0);
	assert_int_equal(undo.left_alone, 1);
	assert_null(nic_journal_owner(j, 0));
	nic_journal_close(j);
}

/* What was so already is held, too: another owner's end does not take it away. */
static void so_already(void **state)
{
	struct nic_journal *j = start();
	struct said said = { 0 };
	struct nic_undo undo = { .say = keep_line, .user = &said };
	uint32_t second;

	(void)state;
	assert_int_equal(nic_owner_add(j, "second", true, &second, NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_feature, "lro", "on", NULL), 0);
	assert_int_equal(fake->changes, 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, second, &fake_split, "", "on", NULL), 0);
	assert_int_equal(fake->changes, 1);
	assert_int_equal(nic_drop_owner(j, owner, &undo, NULL), 0);
	assert_int_equal(undo.undone, 0);
	assert_string_equal(said.last, "fake0: switch stays on: another owner wants it");
	assert_int_equal(said.lines, 1);
	owner = second;
	finish(j);
}

static char lines[1000];

static void keep_all(void *user, const char *line)
{
	size_t n = strlen(lines);

	(void)user;
	snprintf(lines + n, sizeof(lines) - n, "%s\n", line);
}

static unsigned seen;
static void (*second_hook)(void);

static void look_for(const char *text)
{
	char path[96], content[4096] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/nic/1f-7", fake_folder);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(content, 1, sizeof(content) - 1, f) > 0);
	fclose(f);
	if (!strstr(content, text))
		fail_msg("no '%s' in\n%s", text, content);
	seen++;
	fake_hook = second_hook;
	second_hook = NULL;
}

static void look_for_next_on(void)
{
	look_for("set=\"auto\" next=\"on\"");
}

static void look_for_next_auto(void)
{
	look_for("set=\"on\" next=\"auto\"");
}

static void look_for_before(void)
{
	look_for("spec=\"udp4 dst-port 1 queue 1\" before=\"\"");
}

static void look_for_handle(void)
{
	look_for("spec=\"udp4 dst-port 1 queue 1\" handle=\"0\"");
}

/* The latest change is undone first, whatever it is. */
static void reverse_order(void **state)
{
	static const char *const want[] = { "fake tcp4 dst-port 2 queue 1 removed",
					    "switch put back: auto instead of on",
					    "fake tcp4 dst-port 1 queue 1 removed",
					    "switch ntuple put back: off instead of on" };
	struct nic_journal *j = start();
	struct nic_undo undo = { .say = keep_all };

	(void)state;
	lines[0] = '\0';
	assert_int_equal(nic_hold_setting(j, owner, &fake_feature, "ntuple", "on", NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "tcp4 dst-port 1 queue 1", NULL, NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "tcp4 dst-port 2 queue 1", NULL, NULL), 0);
	assert_int_equal(nic_drop_owner(j, owner, &undo, NULL), 0);
	assert_int_equal(undo.undone, 4);
	for (unsigned i = 0, at = 0; i < T_COUNT(want); i++) {
		const char *found = strstr(lines + at, want[i]);

		if (!found)
			fail_msg("no '%s' in '%s'", want[i], lines + at);
		at = (unsigned)(found - lines);
	}
	nic_journal_close(j);
	expect_same(&fake_first);
}

/* When the NIC has just changed, the file says what it is being changed to. */
static void written_before(void **state)
{
	struct nic_journal *j = start();
	struct nic_object *o;

	(void)state;
	fake_hook = look_for_next_on;
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(seen, 1);
	fake_hook = look_for_before;
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL), 0);
	assert_int_equal(seen, 2);
	/* As after a death between making it and journalling its handle. */
	o = j->objects;
	free(o->handle);
	o->handle = NULL;
	o->before = strdup("");
	assert_int_equal(nic_journal_save(j, NULL), 0);
	nic_journal_close(j);
	j = fake_open_for(&ctx);
	fake_hook = look_for_handle;
	second_hook = look_for_next_auto;
	finish(j);
	assert_int_equal(seen, 4);
}

/* ------------------------------------------------------------------------ the disk */

/* Fills the folder's file system so that @spare_bytes are left. */
static void fill(size_t spare_bytes)
{
	char path[96];
	struct statvfs vfs;
	size_t bytes;
	int fd;

	snprintf(path, sizeof(path), "%s/filling", fake_folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fstatvfs(fd, &vfs), 0);
	bytes = vfs.f_bavail * vfs.f_bsize;
	assert_true(bytes >= spare_bytes);
	if (bytes > spare_bytes)
		assert_int_equal(posix_fallocate(fd, 0, (off_t)(bytes - spare_bytes)), 0);
	close(fd);
}

static void unfill(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/filling", fake_folder);
	unlink(path);
}

static bool small_disk(const char *options)
{
	fake_reset();
	if (fake_mount(options))
		return true;
	print_message("no mount namespace here\n");
	return false;
}

/* Every number of free pages from none: nothing is changed unless it is journalled. */
static void disk_full(void **state)
{
	unsigned refused = 0, done = 0;

	(void)state;
	if (!small_disk("mode=0755,size=256k"))
		skip();
	for (unsigned pages = 0; pages < 6; pages++) {
		struct weir_error err = { 0 };
		struct nic_journal *j = start();
		int r;

		fill(pages * 4096ul);
		r = nic_hold_setting(j, owner, &fake_split, "", "on", &err);
		if (!r)
			r = nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL,
					    &err);
		if (r) {
			t_expect(r, &err, -ENOSPC);
			expect_same(&fake_first);
			refused++;
		} else {
			done++;
		}
		/* An end needs no room. */
		unfill();
		fill(0);
		finish(j);
		unfill();
	}
	print_message("%u refused, %u done\n", refused, done);
	assert_true(refused > 0 && done > 0);
	assert_true(fake_mount("mode=0755"));
}

static void fill_up(void)
{
	fill(0);
}

/* The disk fills up between the journal before a change and the one after it. */
static void disk_full_in_between(void **state)
{
	struct weir_error err = { 0 };
	struct nic_journal *j;

	(void)state;
	if (!small_disk("mode=0755,size=256k"))
		skip();
	j = start();
	fake_hook = fill_up;
	t_expect(nic_hold_setting(j, owner, &fake_split, "", "on", &err), &err, -ENOSPC);
	assert_int_equal(fake->changes, 2); /* there and back */
	expect_same(&fake_first);
	assert_int_equal(nic_journal_changes(j, owner), 0);
	unfill();
	fake_hook = fill_up;
	t_expect(nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, &err), &err,
		 -ENOSPC);
	assert_int_equal(fake->changes, 4);
	expect_same(&fake_first);
	unfill();
	finish(j);
	assert_true(fake_mount("mode=0755"));
}

/* The disk fills up while much is held: the end comes all the same. */
static void disk_full_at_the_end(void **state)
{
	struct nic_journal *j;
	struct weir_error err = { 0 };

	(void)state;
	if (!small_disk("mode=0755,size=256k"))
		skip();
	j = start();
	assert_int_equal(nic_hold_setting(j, owner, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, owner, &fake_feature, "ntuple", "on", NULL), 0);
	assert_int_equal(
		nic_hold_object(j, owner, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL), 0);
	fill(0);
	t_expect(nic_hold_setting(j, owner, &fake_rss, "", "away 3", &err), &err, -ENOSPC);
	assert_string_equal(fake->now.rss, "default");
	finish(j);
	unfill();
	assert_true(fake_mount("mode=0755"));
}

static void disk_read_only(void **state)
{
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;

	(void)state;
	if (!small_disk("mode=0755,size=256k"))
		skip();
	ctx = fake_ctx();
	assert_int_equal(mount(NULL, fake_folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	t_expect(nic_journal_open_how(&j, &ctx, true, &fake_how, &err), &err, -EROFS);
	assert_non_null(strstr(err.hint, "WEIR_RUN_DIR"));
	assert_null(j);
	assert_int_equal(nic_journal_open_how(&j, &ctx, false, &fake_how, &err), 0);
	assert_null(nic_journal_owner(j, 0));
	nic_journal_close(j);
	assert_true(fake_mount("mode=0755"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(setting_fails),
		T_CASE(replacing_fails),
		T_CASE(no_way_back),
		T_CASE(object_fails),
		T_CASE(end_fails),
		T_CASE(no_way_back_to_another_want),
		T_CASE(disk_full_in_between),
		T_CASE(reverse_order),
		T_CASE(written_before),
		T_CASE(place_given_again),
		T_CASE(refused_for_a_while),
		T_CASE(refused_for_good),
		T_CASE(order_turned_round),
		T_CASE(own_order_turned_round),
		T_CASE(interface_gone),
		T_CASE(value_gone),
		T_CASE(so_already),
		T_CASE(disk_full),
		T_CASE(disk_full_at_the_end),
		T_CASE(disk_read_only),
	};

	return cmocka_run_group_tests_name("nic_undo", tests, NULL, NULL);
}
