/* SPDX-License-Identifier: MIT */
/*
 * test_nic_journal.c - the file of a journal and its folder.
 *
 * Theory: a journal with odd bytes in every text is written and read again.  Then it is cut at
 *	every length and each of its bits is turned: every such file is refused with its name, and
 *	the NIC is not touched.  The same with the sum over the file put right shows that the reader
 *	stands anything.  Folders and files that others could alter, links, and things that are no
 *	files are refused, in child processes where that needs another user or another WEIR_RUN_DIR.
 *
 * Timeout: 120
 */
#include "t.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "fake_nic.h"
#include "nic/nl.h"

#define NASTY "a\"b\\c\nd\te \x01\x7f\xff%s x=1"
#define END_BYTES 27

static struct nic_ctx ctx;

static void path_of(const char *suffix, char *buf, size_t bytes)
{
	snprintf(buf, bytes, "%s/nic/1f-7%s", fake_folder, suffix);
}

static size_t read_file(char *buf, size_t bytes)
{
	char path[96];
	FILE *f;
	size_t n;

	path_of("", path, sizeof(path));
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(buf, 1, bytes, f);
	fclose(f);
	return n;
}

static void write_file(const char *text, size_t bytes)
{
	char path[96];
	FILE *f;

	path_of("", path, sizeof(path));
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static void remove_files(void)
{
	static const char *const suffixes[] = { "", ".lock", ".new" };
	char path[96];

	for (unsigned i = 0; i < T_COUNT(suffixes); i++) {
		path_of(suffixes[i], path, sizeof(path));
		remove(path);
	}
}

/* Journals two owners, settings, objects, one change of each under way. */
static void write_some(void)
{
	struct nic_journal *j;
	struct nic_setting *s;
	struct nic_object *o;
	uint32_t a, b;

	fake_reset();
	ctx = fake_ctx();
	j = fake_open_for(&ctx);
	assert_non_null(j);
	assert_int_equal(nic_owner_add(j, "first", false, &a, NULL), 0);
	assert_int_equal(nic_owner_add(j, NASTY, true, &b, NULL), 0);
	assert_int_equal(nic_hold_setting(j, a, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, b, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, b, &fake_rss, "", "away 3", NULL), 0);
	assert_int_equal(nic_hold_object(j, a, &fake_rule, "udp4 dst-port 1 queue 1", NULL, NULL),
			 0);
	s = nic_journal_find_setting(j, &fake_rss, "");
	s->intended = strdup(NASTY);
	o = nic_journal_add_object(j, &fake_context, b, ++j->last_seq, NASTY);
	assert_non_null(o);
	o->before = strdup("");
	assert_int_equal(nic_journal_save(j, NULL), 0);
	nic_journal_close(j);
}

static void again(void **state)
{
	char first[4096], second[4096];
	struct nic_journal *j;
	size_t bytes;

	(void)state;
	write_some();
	bytes = read_file(first, sizeof(first));
	j = fake_open_for(&ctx);
	assert_non_null(j);
	assert_string_equal(nic_journal_owner(j, 0)->name, "first");
	assert_string_equal(nic_journal_owner(j, 1)->name, NASTY);
	assert_null(nic_journal_owner(j, 2));
	assert_int_equal(nic_journal_owner(j, 0)->pid, getpid());
	assert_int_equal(nic_journal_changes(j, 1), 2);
	assert_int_equal(nic_journal_changes(j, 2), 3);
	assert_string_equal(j->settings->next->intended, NASTY);
	assert_string_equal(j->objects->handle, "0");
	assert_null(j->objects->before);
	assert_string_equal(j->objects->next->spec, NASTY);
	assert_string_equal(j->objects->next->before, "");
	assert_int_equal(nic_journal_save(j, NULL), 0);
	nic_journal_close(j);
	assert_int_equal(read_file(second, sizeof(second)), bytes);
	assert_memory_equal(first, second, bytes);
	for (size_t i = 0; i < bytes; i++)
		assert_true(first[i] == '\n' || (first[i] >= 0x20 && first[i] <= 0x7e));
	remove_files();
}

/* ---------------------------------------------------------------------- damage */

static void expect_refused(bool write, const char *what, size_t at)
{
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	int r = nic_journal_open_how(&j, &ctx, write, &fake_how, &err);

	if (r != -EBADMSG)
		fail_msg("%s at %zu: %d", what, at, r);
	t_expect(r, &err, -EBADMSG);
	assert_non_null(strstr(err.object, "/nic/1f-7"));
	assert_non_null(strstr(err.hint, "remove this file"));
	assert_null(j);
}

static void damaged(void **state)
{
	char text[4096], bad[4096];
	size_t bytes;

	(void)state;
	write_some();
	bytes = read_file(text, sizeof(text));
	for (size_t n = 0; n < bytes; n++) {
		write_file(text, n);
		expect_refused(n % 2, "cut", n);
	}
	for (size_t n = 0; n < bytes; n++) {
		memcpy(bad, text, bytes);
		bad[n] = (char)(bad[n] ^ 1 << n % 8);
		write_file(bad, bytes);
		expect_refused(n % 2, "one bit", n);
	}
	memcpy(bad, text, bytes);
	bad[bytes] = '\n';
	write_file(bad, bytes + 1);
	expect_refused(true, "added", bytes);
	/* A file that could not be read is still there, as it is. */
	assert_int_equal(read_file(text, sizeof(text)), bytes + 1);
	remove_files();
}

static void put_sum(char *text, size_t bytes)
{
	uint64_t sum = 0xcbf29ce484222325ull;
	char end[END_BYTES + 1];

	for (size_t i = 0; i < bytes - END_BYTES; i++)
		sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3ull;
	snprintf(end, sizeof(end), "end check=%016" PRIx64 "\n", sum);
	memcpy(text + bytes - END_BYTES, end, END_BYTES);
}

/* Parses a copy that ends where its memory ends. */
static int parse(const char *text, size_t bytes)
{
	struct nic_journal j = { .ctx = &ctx, .how = &fake_how, .folder_fd = -1, .lock_fd = -1 };
	char *copy = malloc(bytes + 1);
	char why[96] = "";
	int r;

	assert_non_null(copy);
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	assert_int_equal(nic_path_read("/proc/sys/kernel/random/boot_id", j.boot, sizeof(j.boot)),
			 0);
	r = nic_journal_parse(&j, copy, bytes, why, sizeof(why));
	free(copy);
	assert_true(r == 0 || r == -EBADMSG);
	if (r) {
		assert_true(why[0] != '\0');
		assert_null(j.owners);
		assert_null(j.settings);
		assert_null(j.objects);
	} else {
		char *formatted = NULL;
		size_t n = 0;

		/* Whatever was read can be written. */
		assert_int_equal(nic_journal_format(&j, &formatted, &n), 0);
		free(formatted);
	}
	nic_journal_clear(&j);
	return r;
}

/* Bytes are changed, moved, left out and doubled; the sum is right each time. */
static void forged(void **state)
{
	char text[4096], bad[8192];
	unsigned read = 0, refused = 0;
	size_t bytes;

	(void)state;
	write_some();
	bytes = read_file(text, sizeof(text));
	remove_files();
	assert_int_equal(parse(text, bytes), 0);
	for (unsigned i = 0; i < 40000 / T_SLOW; i++) {
		size_t body = bytes - END_BYTES, at = t_rand_below(body), n, from;

		memcpy(bad, text, bytes);
		switch (t_rand_below(4)) {
		case 0:
			bad[at] = (char)t_rand_below(256);
			n = body;
			break;
		case 1: /* something left out */
			n = t_rand_size(body - at);
			memmove(bad + at, bad + at + n, body - at - n);
			n = body - n;
			break;
		case 2: /* something doubled */
			from = t_rand_below(body);
			n = t_rand_size(body - from);
			memmove(bad + at + n, bad + at, body - at);
			memcpy(bad + at, text + from, n);
			n += body;
			break;
		default: /* a number that is another one */
			while (at < body && (bad[at] < '0' || bad[at] > '9'))
				at++;
			if (at < body)
				bad[at] = (char)('0' + t_rand_below(10));
			n = body;
		}
		put_sum(bad, n + END_BYTES);
		*(parse(bad, n + END_BYTES) ? &refused : &read) += 1;
	}
	print_message("%u read, %u refused\n", read, refused);
	assert_true(read > 100 && refused > 1000);
}

/* With the first of these in place of the second in the file, and the sum right. */
static int parse_with(const char *old, const char *new)
{
	char text[4096], bad[8192];
	size_t bytes, at;
	const char *found;

	write_some();
	bytes = read_file(text, sizeof(text));
	remove_files();
	text[bytes] = '\0';
	found = strstr(text, old);
	assert_non_null(found);
	at = (size_t)(found - text);
	snprintf(bad, sizeof(bad), "%.*s%s%s", (int)at, text, new, found + strlen(old));
	put_sum(bad, strlen(bad));
	return parse(bad, strlen(bad));
}

static void nonsense(void **state)
{
	(void)state;
	assert_int_equal(parse_with("first", "other"), 0);
	assert_int_equal(parse_with("journal 1", "journal 2"), -EBADMSG);
	assert_int_equal(parse_with("owner id=2", "owner id=1"), -EBADMSG);
	assert_int_equal(parse_with("owner id=2", "owner id=3"), -EBADMSG);
	assert_int_equal(parse_with("owner id=2", "owner id=0"), -EBADMSG);
	assert_int_equal(parse_with("last owner=2", "last owner=4294967295"), -EBADMSG);
	assert_int_equal(parse_with("pid=", "pid=99999999999"), -EBADMSG);
	assert_int_equal(parse_with("start=", "start=99999999999999999999"), -EBADMSG);
	assert_int_equal(parse_with("index=7", "index=8"), -EBADMSG);
	assert_int_equal(parse_with("netns=1f", "netns=20"), -EBADMSG);
	assert_int_equal(parse_with("want owner=1", "want owner=2"), -EBADMSG);
	assert_int_equal(parse_with("want owner=1", "want owner=7"), -EBADMSG);
	assert_int_equal(parse_with("kind=\"split\"", "kind=\"spilt\""), -EBADMSG);
	assert_int_equal(parse_with("kind=\"rss\"", "kind=\"split\""), -EBADMSG);
	assert_int_equal(parse_with("kind=\"rule\"", "kind=\"ruel\""), -EBADMSG);
	assert_int_equal(parse_with("handle=\"0\"", ""), -EBADMSG);
	assert_int_equal(parse_with("\\x01", "\\x00"), -EBADMSG);
	assert_int_equal(parse_with("\\x01", "\\y01"), -EBADMSG);
}

/* Of another boot, or of another driver's interface with this number: void. */
static void other_boot(void **state)
{
	char text[4096], bad[4096], why[96];
	struct nic_journal *j;
	size_t bytes;

	(void)state;
	write_some();
	bytes = read_file(text, sizeof(text));
	memcpy(bad, text, bytes);
	memcpy(strstr(bad, "boot id=\"") + strlen("boot id=\""), "zzzz", 4);
	put_sum(bad, bytes);
	write_file(bad, bytes);
	assert_int_equal(nic_journal_open_how(&j, &ctx, false, &fake_how, NULL), 0);
	assert_null(nic_journal_owner(j, 0));
	nic_journal_close(j);
	assert_int_equal(read_file(text, sizeof(text)), bytes);
	j = fake_open_for(&ctx);
	assert_null(nic_journal_owner(j, 0));
	/* As if this were a NIC of mlx5's, and the journal one of bnxt's. */
	snprintf(j->driver, sizeof(j->driver), "mlx5_core");
	j->boot[0] = '\0';
	memcpy(bad, text, bytes);
	snprintf(bad, sizeof(bad),
		 "weir-nic-journal 1\nboot id=\"\" driver=\"bnxt_en\"\ninterface name=\"fake0\" "
		 "index=7 netns=1f\nlast owner=3 change=4\nowner id=3 pid=0 start=0 pidns=0 "
		 "name=\"x\"\n%*s",
		 END_BYTES, "");
	put_sum(bad, strlen(bad));
	assert_int_equal(nic_journal_parse(j, bad, strlen(bad), why, sizeof(why)), 0);
	assert_null(nic_journal_owner(j, 0));
	memcpy(strstr(bad, "bnxt_en\""), "mlx5_co\"", 8);
	snprintf(j->driver, sizeof(j->driver), "mlx5_co");
	put_sum(bad, strlen(bad));
	assert_int_equal(nic_journal_parse(j, bad, strlen(bad), why, sizeof(why)), 0);
	assert_int_equal(nic_journal_owner(j, 0)->id, 3);
	nic_journal_clear(j);
	nic_journal_close(j);
	/* Nothing was left of it. */
	path_of("", bad, sizeof(bad));
	assert_int_equal(access(bad, F_OK), -1);
	path_of(".lock", bad, sizeof(bad));
	assert_int_equal(access(bad, F_OK), -1);
}

/* ---------------------------------------------------------------------- folder */

static unsigned mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

/* Whatever the process's mask is: others may read, nobody else may write. */
static void modes(void **state)
{
	static const mode_t masks[] = { 0, 022, 077 };
	char path[96];

	(void)state;
	for (unsigned i = 0; i < T_COUNT(masks); i++) {
		mode_t before = umask(masks[i]);
		uint32_t id;
		struct nic_journal *j;

		fake_reset();
		ctx = fake_ctx();
		snprintf(path, sizeof(path), "%s/nic", fake_folder);
		rmdir(path);
		j = fake_open_for(&ctx);
		assert_non_null(j);
		assert_int_equal(nic_owner_add(j, "x", true, &id, NULL), 0);
		umask(before);
		assert_int_equal(mode_of(path), 0755 & ~masks[i]);
		path_of("", path, sizeof(path));
		assert_int_equal(mode_of(path), 0644);
		path_of(".lock", path, sizeof(path));
		assert_int_equal(mode_of(path), 0600 & ~masks[i]);
		assert_int_equal(nic_drop_owner(j, id, NULL, NULL), 0);
		nic_journal_close(j);
		assert_int_equal(mode_of(path), 0);
	}
}

/* What opening for writing gives, and that reading finds nothing and says nothing. */
static void expect_open(int code, const char *hint, bool read_too)
{
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	int r;

	r = nic_journal_open_how(&j, &ctx, true, &fake_how, &err);
	if (r == 0)
		nic_journal_close(j);
	t_expect(r, &err, code);
	if (!strstr(err.hint, hint))
		fail_msg("'%s' is not in '%s'", hint, err.hint);
	r = nic_journal_open_how(&j, &ctx, false, &fake_how, &err);
	if (read_too) {
		t_expect(r, &err, code);
		return;
	}
	assert_int_equal(r, 0);
	assert_null(nic_journal_owner(j, 0));
	nic_journal_close(j);
}

static void expect_good(void)
{
	struct nic_journal *j = fake_open_for(&ctx);

	assert_non_null(j);
	nic_journal_close(j);
}

static void links(void **state)
{
	char path[96], aside[96];

	(void)state;
	fake_reset();
	ctx = fake_ctx();
	snprintf(path, sizeof(path), "%s/nic", fake_folder);
	snprintf(aside, sizeof(aside), "%s/aside", fake_folder);
	rmdir(path);
	assert_int_equal(mkdir(aside, 0755), 0);
	assert_int_equal(symlink("aside", path), 0);
	expect_open(-ENOTDIR, "not a link", false);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(aside, path), 0);
	path_of(".lock", path, sizeof(path));
	assert_int_equal(symlink("elsewhere", path), 0);
	expect_open(-ELOOP, "not a link", false);
	assert_int_equal(unlink(path), 0);
	path_of("", path, sizeof(path));
	assert_int_equal(symlink("elsewhere", path), 0);
	expect_open(-ELOOP, "not a link", true);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	expect_open(-EACCES, "", false);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	expect_open(-EACCES, "", false);
	assert_int_equal(rmdir(path), 0);
	/* One for the next journal is removed, not followed. */
	path_of(".new", path, sizeof(path));
	assert_int_equal(symlink("elsewhere", path), 0);
	write_some();
	assert_int_equal(mode_of(path), 0);
	snprintf(path, sizeof(path), "%s/nic/elsewhere", fake_folder);
	assert_int_equal(mode_of(path), 0);
	remove_files();
}

static void foreign_folder(void **state)
{
	char path[96], file[96];

	(void)state;
	write_some();
	snprintf(path, sizeof(path), "%s/nic", fake_folder);
	path_of("", file, sizeof(file));
	assert_int_equal(chmod(path, 0775), 0);
	expect_open(-EACCES, "chmod go-w", false);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(file, 0666), 0);
	expect_open(-EACCES, "chmod go-w", false);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(chmod(fake_folder, 0777), 0);
	expect_open(-EACCES, "chmod go-w", false);
	/* as /tmp: others may add, and not take away */
	assert_int_equal(chmod(fake_folder, 01777), 0);
	expect_good();
	assert_int_equal(chmod(fake_folder, 0755), 0);
	if (geteuid() == 0 && !chown(path, 12345, 12345)) {
		expect_open(-EACCES, "chown root", false);
		assert_int_equal(chown(path, 0, 0), 0);
		assert_int_equal(chown(file, 12345, 12345), 0);
		expect_open(-EACCES, "chown root", false);
		assert_int_equal(chown(file, 0, 0), 0);
	} else {
		print_message("not root: no file of another user's\n");
	}
	expect_good();
	remove_files();
}

/* In a child, because it becomes another user for good. */
static int as_nobody(void)
{
	struct nic_journal *j = NULL;
	struct weir_error err = { 0 };
	struct nic_ctx own = fake_ctx();

	if (setresgid(12345, 12345, 12345) || setresuid(12345, 12345, 12345))
		return 77;
	if (nic_journal_open_how(&j, &own, true, &fake_how, &err) != -EACCES ||
	    !strstr(err.hint, "run as root"))
		return 1;
	/* Reading is for everybody. */
	if (nic_journal_open_how(&j, &own, false, &fake_how, &err))
		return 2;
	if (!nic_journal_owner(j, 0) || strcmp(nic_journal_owner(j, 0)->name, "first") != 0)
		return 3;
	nic_journal_close(j);
	return 0;
}

static void no_permission(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	write_some();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	remove_files();
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("this user cannot become another\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void run_dir(void **state)
{
	char path[96];

	(void)state;
	fake_reset();
	ctx = fake_ctx();
	setenv("WEIR_RUN_DIR", "run/weir", 1);
	expect_open(-EINVAL, "from the root", true);
	snprintf(path, sizeof(path), "%s/no/weir", fake_folder);
	setenv("WEIR_RUN_DIR", path, 1);
	expect_open(-ENOENT, "make the folder above", false);
	snprintf(path, sizeof(path), "%s/made", fake_folder);
	setenv("WEIR_RUN_DIR", path, 1);
	expect_good();
	assert_int_equal(mode_of(path), 0755);
	setenv("WEIR_RUN_DIR", "/dev/null", 1);
	expect_open(-ENOTDIR, "must be a folder", false);
	setenv("WEIR_RUN_DIR", fake_folder, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(again),	       T_CASE(damaged), T_CASE(forged), T_CASE(nonsense),
		T_CASE(other_boot),    T_CASE(modes),	T_CASE(links),	T_CASE(foreign_folder),
		T_CASE(no_permission), T_CASE(run_dir),
	};

	return cmocka_run_group_tests_name("nic_journal", tests, NULL, NULL);
}
