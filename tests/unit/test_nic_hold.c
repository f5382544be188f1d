/* SPDX-License-Identifier: MIT */
/*
 * test_nic_hold.c - changes for owners, their end, and death at every point of both.
 *
 * Theory: a fake NIC (fake_nic.h) is changed for one or two owners by child processes.  A tracer
 *	(ptrace) kills the child at its first system call, at its second, and so on until it comes
 *	to its end; each time another process ends the owners and the NIC must be as it was before,
 *	or, where the other owner stays, as that owner alone would have it, and the folder of
 *	journals empty where nobody is left.  The same is done with a second death during the
 *	clean-up, and with somebody else's changes in between, which must stay.
 * Sources: ptrace(2), PTRACE_GET_SYSCALL_INFO.
 *
 * Timeout: 240
 */
#include "t.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_nic.h"

#define NEVER UINT32_MAX

/* ------------------------------------------------------------- what owners do */

static const char *const wanted[][3] = {
	{ "channels", "", "8" },
	{ "feature", "ntuple", "on" },
	{ "split", "", "on" },
};

/* All that an owner could want; @queue is kept to itself.  In a child: no assertions. */
static bool hold_all(struct nic_journal *j, const char *name, unsigned queue)
{
	char spec[FAKE_SPEC], away[16];
	const char *context, *rule;
	uint32_t id;

	if (nic_owner_add(j, name, false, &id, NULL))
		return false;
	for (unsigned i = 0; i < T_COUNT(wanted); i++) {
		for (unsigned k = 0; k < T_COUNT(fake_settings); k++)
			if (!strcmp(fake_settings[k]->name, wanted[i][0]) &&
			    nic_hold_setting(j, id, fake_settings[k], wanted[i][1], wanted[i][2],
					     NULL))
				return false;
	}
	snprintf(away, sizeof(away), "away %u", queue);
	if (nic_hold_setting(j, id, &fake_rss, "", away, NULL) ||
	    nic_hold_object(j, id, &fake_context, "queues 2,3", &context, NULL))
		return false;
	snprintf(spec, sizeof(spec), "tcp4 dst-port 80 context %s", context);
	if (nic_hold_object(j, id, &fake_rule, spec, NULL, NULL))
		return false;
	snprintf(spec, sizeof(spec), "tcp4 dst-port 9 queue %u", queue);
	return !nic_hold_object(j, id, &fake_rule, spec, &rule, NULL) &&
	       !nic_hold_object(j, id, &fake_rule, "udp4 dst-port 9 queue 2", NULL, NULL) &&
	       !nic_drop_object(j, id, &fake_rule, rule, NULL, NULL) &&
	       !nic_hold_object(j, id, &fake_rule, spec, NULL, NULL);
}

static uint32_t find_owner(const struct nic_journal *j, const char *name)
{
	const struct nic_owner *o;

	for (unsigned i = 0; (o = nic_journal_owner(j, i)); i++)
		if (!name || !strcmp(o->name, name))
			return o->id;
	return 0;
}

static bool hold_as(const char *name, unsigned queue)
{
	struct nic_ctx ctx = fake_ctx();
	struct nic_journal *j = fake_open_for(&ctx);
	bool good = j && hold_all(j, name, queue);

	nic_journal_close(j);
	return good;
}

/* End the owners of that name; NULL: all. */
static bool drop_as(const char *name, struct nic_undo *undo)
{
	struct nic_ctx ctx = fake_ctx();
	struct nic_journal *j = fake_open_for(&ctx);
	bool good = j != NULL;
	uint32_t id;

	while (good && (id = find_owner(j, name)))
		good = !nic_drop_owner(j, id, undo, NULL);
	nic_journal_close(j);
	return good;
}

static bool hold_a(void)
{
	return hold_as("a", 3);
}

static bool hold_b(void)
{
	return hold_as("b", 2);
}

static bool drop_a(void)
{
	return drop_as("a", NULL);
}

static bool drop_b(void)
{
	return drop_as("b", NULL);
}

static bool drop_all(void)
{
	return drop_as(NULL, NULL);
}

/* ---------------------------------------------------------------------- looking */

static void fail_differently(const struct fake_state *is, const struct fake_state *want)
{
	const struct fake_state *both[] = { is, want };

	for (unsigned i = 0; i < 2; i++) {
		print_error("%s: channels %u split %s ntuple %s lro %s rss %s\n",
			    i ? "should be" : "is", both[i]->channels, both[i]->split,
			    both[i]->ntuple, both[i]->lro, both[i]->rss);
		for (unsigned k = 0; k < FAKE_RULES; k++)
			if (both[i]->rules[k][0])
				print_error("  rule %u: %s\n", k, both[i]->rules[k]);
		for (unsigned k = 0; k < FAKE_CONTEXTS; k++)
			if (both[i]->contexts[k][0])
				print_error("  context %u: %s\n", k, both[i]->contexts[k]);
	}
}

/* Texts are compared as texts: what stands behind their ends may differ. */
static bool same(const struct fake_state *a, const struct fake_state *b)
{
	bool same = a->channels == b->channels && !strcmp(a->split, b->split) &&
		    !strcmp(a->ntuple, b->ntuple) && !strcmp(a->lro, b->lro) &&
		    !strcmp(a->rss, b->rss);

	for (unsigned i = 0; i < FAKE_RULES; i++)
		same = same && !strcmp(a->rules[i], b->rules[i]);
	for (unsigned i = 0; i < FAKE_CONTEXTS; i++)
		same = same && !strcmp(a->contexts[i], b->contexts[i]);
	return same;
}

static void expect_state(const struct fake_state *want, const char *what, unsigned n)
{
	if (same(&fake->now, want))
		return;
	fail_differently(&fake->now, want);
	fail_msg("%s, killed at system call %u: the NIC is not what it should be", what, n);
}

/* Files of the folder of journals. */
static unsigned count_files(void)
{
	char path[96];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/nic", fake_folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---------------------------------------------------------------------- killing */

/* Runs it in a child; false: it failed. */
static void must(bool (*run)(void), const char *what)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(run() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s failed: status %#x", what, (unsigned)status);
}

static bool at_entry(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* To the child's end, or to its @n-th system call, before which it dies; true: it died. */
static bool trace(pid_t pid, unsigned n, int *status)
{
	int sig = 0;

	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, sig)) {
		if (waitpid(pid, status, __WALL) != pid || !WIFSTOPPED(*status))
			return false;
		sig = WSTOPSIG(*status);
		if (sig != (SIGTRAP | 0x80))
			continue;
		sig = 0;
		if (at_entry(pid) && --n == 0) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, status, __WALL), pid);
			return true;
		}
	}
	return false;
}

/* Runs it in a child that dies before its @n-th system call; false: it came to its end before. */
static bool killed_at(bool (*run)(void), unsigned n)
{
	int status = 0;
	bool killed;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		raise(SIGSTOP);
		_exit(run() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("ptrace is not allowed here\n");
		skip();
	}
	assert_true(WIFSTOPPED(status));
	killed = trace(pid, n, &status);
	if (!killed && (!WIFEXITED(status) || WEXITSTATUS(status)))
		fail_msg("what was not killed at %u failed: status %#x", n, (unsigned)status);
	if (killed && WTERMSIG(status) != SIGKILL)
		fail_msg("killed at %u, but: status %#x", n, (unsigned)status);
	if (killed) /* it may have been within a change */
		atomic_store(&fake->inside, 0);
	return killed;
}

/**
 * struct story - what is done, where death comes, and what must be there in the end.
 * @name: for messages.
 * @before: done first, in processes that come to their end.
 * @dies: killed at each of its system calls.
 * @foreign: somebody else's change, after that; NULL: none.
 * @then: ends what the dead one began.
 * @last: ends the rest.
 * @expect: the NIC after @then; NULL: as an undisturbed @before, @dies, @then leave it.
 */
struct story {
	const char *name;
	bool (*before[3])(void);
	bool (*dies)(void);
	void (*foreign)(void);
	bool (*then)(void);
	bool (*last)(void);
	const struct fake_state *expect;
};

static void begin(const struct story *s)
{
	fake_reset();
	for (unsigned i = 0; i < T_COUNT(s->before) && s->before[i]; i++)
		must(s->before[i], "what comes before");
}

/* The story with nobody dying. */
static struct fake_state undisturbed(const struct story *s)
{
	begin(s);
	must(s->dies, "the main part");
	if (s->foreign)
		s->foreign();
	must(s->then, "the end");
	return fake->now;
}

static void run_story(const struct story *s)
{
	struct fake_state want = s->expect ? *s->expect : undisturbed(s);
	unsigned n = 0;
	bool killed;

	must(drop_all, "the end of the undisturbed");
	do {
		n += T_SLOW == 1 ? 1 : 3;
		alarm((unsigned)T_DEADLINE_MS / 1000 * T_SLOW);
		t_note("%s: at %u", s->name, n);
		begin(s);
		killed = killed_at(s->dies, n);
		if (s->foreign)
			s->foreign();
		must(s->then, "what comes after the death");
		expect_state(&want, s->name, n);
		if (s->last)
			must(s->last, "the last end");
		if (s->last && !s->foreign)
			expect_state(&fake_first, s->name, n);
		assert_int_equal(count_files(), 0);
	} while (killed);
	print_message("%s: %u places\n", s->name, n - 1);
	assert_true(n > 20);
}

static void hold_dies(void **state)
{
	const struct story s = {
		.name = "hold", .dies = hold_a, .then = drop_all, .expect = &fake_first
	};

	(void)state;
	run_story(&s);
}

static void drop_dies(void **state)
{
	const struct story s = { .name = "drop",
				 .before = { hold_a },
				 .dies = drop_a,
				 .then = drop_all,
				 .expect = &fake_first };

	(void)state;
	run_story(&s);
}

/*
 * One dies, and so does who ends what it began: the second death is at every place in turn, over
 * the places of the first, in steps.
 */
static void two_deaths(bool (*before)(void), bool (*dies)(void), unsigned step)
{
	bool killed = true;
	unsigned twice = 0;

	for (unsigned n = 1; killed; n++) {
		bool again = true;

		for (unsigned m = 1 + n * 7 % step; again; m += step) {
			alarm((unsigned)T_DEADLINE_MS / 1000 * T_SLOW); /* of each place */
			t_note("at %u, then at %u", n, m);
			fake_reset();
			if (before)
				must(before, "what comes before");
			killed = killed_at(dies, n);
			again = killed_at(drop_all, m);
			twice += killed && again;
			must(drop_all, "the last end");
			expect_state(&fake_first, "a second death", m);
			assert_int_equal(count_files(), 0);
		}
	}
	print_message("two deaths: %u pairs of places\n", twice);
	assert_true(twice > 50);
}

static void drop_dies_twice(void **state)
{
	(void)state;
	two_deaths(hold_a, drop_a, T_SLOW == 1 ? 37 : 163);
}

static void hold_dies_then_drop_dies(void **state)
{
	(void)state;
	two_deaths(NULL, hold_a, T_SLOW == 1 ? 53 : 211);
}

/* ------------------------------------------------------------------- two owners */

static void second_hold_dies(void **state)
{
	const struct story s = { .name = "b holds beside a, dies",
				 .before = { hold_a },
				 .dies = hold_b,
				 .then = drop_b,
				 .last = drop_all };

	(void)state;
	run_story(&s);
}

static void first_drop_dies(void **state)
{
	const struct story s = { .name = "a goes first, dies",
				 .before = { hold_a, hold_b },
				 .dies = drop_a,
				 .then = drop_a,
				 .last = drop_b };

	(void)state;
	run_story(&s);
}

static void second_drop_dies(void **state)
{
	const struct story s = { .name = "b goes first, dies",
				 .before = { hold_a, hold_b },
				 .dies = drop_b,
				 .then = drop_b,
				 .last = drop_a };

	(void)state;
	run_story(&s);
}

static void both_drops_die(void **state)
{
	const struct story s = { .name = "both go, one death",
				 .before = { hold_a, hold_b },
				 .dies = drop_all,
				 .then = drop_all,
				 .expect = &fake_first };

	(void)state;
	run_story(&s);
}

/* What the one leaves is what the other alone would have made. */
static void two_owners(void **state)
{
	struct fake_state alone, left;

	(void)state;
	fake_reset();
	must(hold_a, "a");
	alone = fake->now;
	assert_string_equal(alone.rss, "0,1,2,4,5,6,7,0");
	must(hold_b, "b");
	assert_string_equal(fake->now.rss, "0,1,4,5,6,7,0,1");
	must(drop_b, "the end of b");
	expect_state(&alone, "b gone", 0);
	must(hold_b, "b again");
	must(drop_a, "the end of a");
	left = fake->now;
	assert_string_equal(left.rss, "0,1,3,4,5,6,7,0");
	assert_int_equal(left.channels, 8);
	assert_string_equal(left.split, "on");
	assert_int_equal(count_files(), 2); /* the journal and its lock */
	must(drop_b, "the end of b");
	expect_state(&fake_first, "all gone", 0);
	assert_int_equal(count_files(), 0);
}

/* --------------------------------------------------------------- somebody else */

static void foreign_split(void)
{
	snprintf(fake->now.split, sizeof(fake->now.split), "off");
}

/* A rule of ours goes, another takes the place of a second one, a third comes. */
static void foreign_rules(void)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < FAKE_RULES; i++) {
		char *rule = fake->now.rules[i];

		if (strstr(rule, "dst-port 9 queue") && seen++ == 0)
			memset(rule, 0, FAKE_SPEC);
		else if (strstr(rule, "dst-port 9 queue"))
			snprintf(rule, FAKE_SPEC, "udp6 dst-port 1 queue 0");
	}
	snprintf(fake->now.rules[15], FAKE_SPEC, "udp6 dst-port 2 queue 0");
}

static bool drop_says(void)
{
	struct nic_undo undo = { 0 };

	return drop_as(NULL, &undo) && undo.left_alone == 1 && !undo.failed && undo.undone >= 5;
}

static void somebody_else(void **state)
{
	struct fake_state want = fake_first;

	(void)state;
	fake_reset();
	must(hold_a, "holding");
	foreign_split();
	must(drop_says, "an end that tells of one change left alone");
	foreign_split();
	snprintf(want.split, sizeof(want.split), "off");
	expect_state(&want, "foreign split", 0);
	assert_int_equal(count_files(), 0);

	fake_reset();
	must(hold_a, "holding");
	foreign_rules();
	must(drop_says, "an end that tells of one rule left alone");
	want = fake_first;
	snprintf(want.rules[3], FAKE_SPEC, "udp6 dst-port 1 queue 0");
	snprintf(want.rules[15], FAKE_SPEC, "udp6 dst-port 2 queue 0");
	expect_state(&want, "foreign rules", 0);
	assert_int_equal(count_files(), 0);
}

static bool hold_then_foreign(void)
{
	if (!hold_a())
		return false;
	foreign_split();
	foreign_rules();
	return true;
}

static void drop_dies_with_somebody_else(void **state)
{
	const struct story s = { .name = "drop with foreign changes",
				 .before = { hold_then_foreign },
				 .dies = drop_a,
				 .then = drop_all };

	(void)state;
	run_story(&s);
}

/* While it is held, nobody of ours changes it further; put back by hand, all goes on. */
static void hold_what_others_changed(void **state)
{
	struct nic_ctx ctx = fake_ctx();
	struct weir_error err = { 0 };
	struct nic_journal *j;
	uint32_t a, b;

	(void)state;
	fake_reset();
	j = fake_open_for(&ctx);
	assert_int_equal(nic_owner_add(j, "a", true, &a, NULL), 0);
	assert_int_equal(nic_owner_add(j, "b", true, &b, NULL), 0);
	assert_int_equal(nic_hold_setting(j, a, &fake_split, "", "on", NULL), 0);
	foreign_split();
	t_expect(nic_hold_setting(j, b, &fake_split, "", "on", &err), &err, -EBUSY);
	assert_non_null(strstr(err.hint, "from on to off"));
	assert_string_equal(fake->now.split, "off");
	assert_int_equal(nic_journal_changes(j, b), 0);
	snprintf(fake->now.split, sizeof(fake->now.split), "on");
	assert_int_equal(nic_hold_setting(j, b, &fake_split, "", "on", NULL), 0);
	t_expect(nic_hold_setting(j, b, &fake_split, "", "off", &err), &err, -EBUSY);
	assert_string_equal(fake->now.split, "on");
	assert_int_equal(nic_drop_owner(j, a, NULL, NULL), 0);
	assert_string_equal(fake->now.split, "on");
	assert_int_equal(nic_drop_owner(j, b, NULL, NULL), 0);
	nic_journal_close(j);
	expect_state(&fake_first, "two wants of one switch", 0);
}

/* What is so already is said once more where a kind asks for it, and only there. */
static void said_again(void **state)
{
	struct nic_setting_kind kind = fake_split;
	struct nic_ctx ctx = fake_ctx();
	struct weir_error err = { 0 };
	struct nic_journal *j;
	uint32_t id;

	(void)state;
	fake_reset();
	j = fake_open_for(&ctx);
	assert_int_equal(nic_owner_add(j, "a", true, &id, NULL), 0);
	kind.again = true;
	snprintf(fake->fails, sizeof(fake->fails), "split");
	fake->fails_with = -EPERM;
	t_expect(nic_hold_setting(j, id, &kind, "", "auto", &err), &err, -EPERM);
	assert_int_equal(nic_journal_changes(j, id), 0);
	assert_int_equal(nic_hold_setting(j, id, &kind, "", "auto", NULL), 0);
	assert_int_equal(fake->changes, 1);
	assert_int_equal(nic_hold_setting(j, id, &fake_feature, "lro", "on", NULL), 0);
	assert_int_equal(fake->changes, 1);
	assert_int_equal(nic_drop_owner(j, id, NULL, NULL), 0);
	nic_journal_close(j);
	expect_state(&fake_first, "said again", 0);
}

/* Whose changes were put back by somebody else does not end an owner of the next journal. */
static void number_not_again(void **state)
{
	const struct nic_journal_how real = { &fake_kinds, 10000, 300, true };
	struct nic_ctx ctx = fake_ctx();
	struct nic_journal *j = NULL;
	uint32_t first = 0, second = 0;
	uint64_t ms;

	(void)state;
	fake_reset();
	assert_int_equal(nic_journal_open_how(&j, &ctx, true, &real, NULL), 0);
	assert_int_equal(nic_owner_add(j, "first", true, &first, NULL), 0);
	assert_int_equal(nic_drop_owner(j, first, NULL, NULL), 0);
	nic_journal_close(j);
	ms = weir_clock_ns() / 1000000;
	while (weir_clock_ns() / 1000000 == ms) /* as two processes are apart */
		poll(NULL, 0, 1);
	assert_int_equal(nic_journal_open_how(&j, &ctx, true, &real, NULL), 0);
	assert_int_equal(nic_owner_add(j, "second", true, &second, NULL), 0);
	assert_int_not_equal(first, second);
	assert_int_equal(nic_drop_owner(j, first, NULL, NULL), 0);
	assert_non_null(nic_journal_find_owner(j, second));
	assert_int_equal(nic_drop_owner(j, second, NULL, NULL), 0);
	nic_journal_close(j);
}

/* What cannot be put back is forgotten with its owner; what another one wants stays held. */
static void forgotten(void **state)
{
	struct nic_ctx ctx = fake_ctx();
	struct nic_undo undo = { 0 };
	struct nic_journal *j;
	uint32_t a, b;

	(void)state;
	fake_reset();
	j = fake_open_for(&ctx);
	assert_non_null(j);
	assert_int_equal(nic_owner_add(j, "a", true, &a, NULL), 0);
	assert_int_equal(nic_owner_add(j, "b", true, &b, NULL), 0);
	assert_int_equal(nic_hold_setting(j, a, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, b, &fake_split, "", "on", NULL), 0);
	assert_int_equal(nic_hold_setting(j, a, &fake_feature, "ntuple", "on", NULL), 0);
	snprintf(fake->fails, sizeof(fake->fails), "feature");
	fake->fails_with = -EPERM;
	fake->fails_for_good = true;
	assert_int_equal(nic_drop_owner(j, a, &undo, NULL), -EPERM);
	assert_int_equal(undo.failed, 1);
	assert_int_equal(nic_forget_owner(j, a, &undo, NULL), 0);
	nic_journal_close(j);
	j = fake_open_for(&ctx); /* as the file has it */
	assert_int_equal(nic_journal_owner(j, 0)->id, b);
	assert_null(nic_journal_owner(j, 1));
	assert_int_equal(nic_journal_changes(j, b), 1);
	assert_string_equal(fake->now.ntuple, "on");
	assert_int_equal(nic_drop_owner(j, b, &undo, NULL), 0);
	assert_string_equal(fake->now.split, "auto");
	nic_journal_close(j);
	assert_int_equal(count_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(two_owners),
		T_CASE(hold_dies),
		T_CASE(drop_dies),
		T_CASE(drop_dies_twice),
		T_CASE(second_hold_dies),
		T_CASE(first_drop_dies),
		T_CASE(second_drop_dies),
		T_CASE(both_drops_die),
		T_CASE(hold_dies_then_drop_dies),
		T_CASE(somebody_else),
		T_CASE(drop_dies_with_somebody_else),
		T_CASE(hold_what_others_changed),
		T_CASE(said_again),
		T_CASE(number_not_again),
		T_CASE(forgotten),
	};

	return cmocka_run_group_tests_name("nic_hold", tests, NULL, NULL);
}
