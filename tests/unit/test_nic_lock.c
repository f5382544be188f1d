/* SPDX-License-Identifier: MIT */
/*
 * test_nic_lock.c - the lock of a journal: one process at a time.
 *
 * Theory: several processes change one fake NIC (fake_nic.h) at once, and it would tell if two did
 *	so together; one keeps the lock for longer than another waits; the lock file goes while
 *	somebody waits for it; a process is forked while the lock is held.
 *
 * Timeout: 120
 */
#include "t.h"

#include <signal.h>
#include <sys/wait.h>

#include "fake_nic_owner.h"

#define WORKERS 6

static void expect_good_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Each holds the table away from its queue and a rule, a few times over. */
static bool work(unsigned number)
{
	for (unsigned round = 0; round < 8; round++) {
		struct nic_ctx own = fake_ctx();
		struct nic_journal *j = fake_open_for(&own);
		char away[16], spec[FAKE_SPEC];
		uint32_t id = 0;
		bool good;

		snprintf(away, sizeof(away), "away %u", number % 3);
		snprintf(spec, sizeof(spec), "udp4 dst-port %u queue 1", number);
		good = j && !nic_owner_add(j, NULL, false, &id, NULL) &&
		       !nic_hold_setting(j, id, &fake_rss, "", away, NULL) &&
		       !nic_hold_object(j, id, &fake_rule, spec, NULL, NULL);
		nic_journal_close(j);
		j = good ? fake_open_for(&own) : NULL;
		good = j && nic_journal_changes(j, id) == 2 && !nic_drop_owner(j, id, NULL, NULL);
		nic_journal_close(j);
		if (!good)
			return false;
	}
	return true;
}

static void many_at_once(void **state)
{
	pid_t pids[WORKERS];

	(void)state;
	fake_reset();
	for (unsigned i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i])
			_exit(work(i) ? 0 : 1);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		expect_good_end(pids[i]);
	assert_false(fake->overlap);
	/* away twice, rule twice: but where another wanted the same of the table */
	assert_true(fake->changes >= WORKERS * 8 * 2);
	expect_same(&fake_first);
}

/* Somebody does not let go of the lock: told in time, with his name. */
static void lock_not_let_go(void **state)
{
	const struct nic_journal_how hasty = { &fake_kinds, 150, 300, false };
	struct nic_journal *j = start(), *second = NULL;
	struct weir_error err = { 0 };
	uint64_t begin_us = t_now_us();
	char who[32];

	(void)state;
	t_expect(nic_journal_open_how(&second, &ctx, true, &hasty, &err), &err, -ETIMEDOUT);
	assert_true(t_now_us() - begin_us >= 150000);
	snprintf(who, sizeof(who), "process %d (", getpid());
	assert_non_null(strstr(err.hint, who));
	/* A reader does not wait. */
	assert_int_equal(nic_journal_open_how(&second, &ctx, false, &hasty, &err), 0);
	assert_string_equal(nic_journal_owner(second, 0)->name, "first");
	nic_journal_close(second);
	finish(j);
}

/* Another's lock file goes while we wait for it: the next one is taken. */
static void lock_file_goes(void **state)
{
	struct nic_journal *j = start();
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		struct nic_ctx own = fake_ctx();
		struct nic_journal *mine = fake_open_for(&own);
		uint32_t id;
		bool good = mine && !nic_owner_add(mine, "child", true, &id, NULL) && id == 1 &&
			    !nic_drop_owner(mine, id, NULL, NULL);

		nic_journal_close(mine);
		_exit(good ? 0 : 1);
	}
	finish(j);
	expect_good_end(pid);
}

/* A process that was forked while the lock was held does not keep it. */
static void lock_in_a_child(void **state)
{
	struct nic_journal *j = start();
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	/* The owner stays, and the file with it. */
	nic_journal_close(j);
	j = fake_open_for(&ctx);
	if (j)
		finish(j);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_non_null(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(many_at_once),
		T_CASE(lock_not_let_go),
		T_CASE(lock_file_goes),
		T_CASE(lock_in_a_child),
	};

	return cmocka_run_group_tests_name("nic_lock", tests, NULL, NULL);
}
