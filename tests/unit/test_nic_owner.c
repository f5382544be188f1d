/* SPDX-License-Identifier: MIT */
/*
 * test_nic_owner.c - whether an owner's process runs.
 *
 * Theory: children of all kinds make themselves owners in shared memory and then run on, end, are
 *	not waited for, go on in a thread after their first one ended, or live in a PID namespace of
 *	their own.  What runs must never be taken for dead; what is dead must be seen to be where it
 *	can.
 */
#include "t.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "nic/journal.h"

static struct nic_owner *shared; /* two of them */

static int map(void **state)
{
	(void)state;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

/* Waits for one byte from the pipe; false: the other end has gone. */
static bool told(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

/* A child that is an owner, says so, and waits to be ended. */
static pid_t start_owner(void)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (nic_owner_self(shared, NULL) || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_true(told(fds[0]));
	close(fds[0]);
	return pid;
}

static void kept_and_self(void **state)
{
	struct nic_owner self = { 0 };

	(void)state;
	assert_int_equal(nic_owner_life(&self), NIC_KEPT);
	assert_int_equal(nic_owner_self(&self, NULL), 0);
	assert_int_equal(self.pid, getpid());
	assert_true(self.start_ticks > 0);
	assert_true(self.pidns > 0);
	assert_int_equal(nic_owner_life(&self), NIC_ALIVE);
	self.start_ticks--; /* an earlier process with this id */
	assert_int_equal(nic_owner_life(&self), NIC_DEAD);
}

static void ended(void **state)
{
	siginfo_t info;
	pid_t pid;

	(void)state;
	pid = start_owner();
	assert_int_equal(shared->pid, pid);
	assert_int_equal(nic_owner_life(shared), NIC_ALIVE);
	kill(pid, SIGKILL);
	/* Nobody has waited for it yet: it has an id, and does not run. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(nic_owner_life(shared), NIC_DEAD);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(nic_owner_life(shared), NIC_DEAD);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* State of a process's first thread. */
static char state_of(pid_t pid)
{
	char path[32], text[256] = "";
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	at = strrchr(text, ')');
	assert_non_null(at);
	return at[2];
}

/* The first thread has ended and shows as a zombie; the process runs on. */
static void first_thread_ended(void **state)
{
	uint64_t end_us = t_now_us() + T_DEADLINE_MS * 1000ull;
	pthread_t thread;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (nic_owner_self(shared, NULL) ||
		    pthread_create(&thread, NULL, wait_for_ever, NULL))
			_exit(1);
		pthread_exit(NULL);
	}
	while (state_of(pid) != 'Z' && t_now_us() < end_us)
		poll(NULL, 0, 1); /* until it is so */
	assert_int_equal(state_of(pid), 'Z');
	assert_int_equal(nic_owner_life(shared), NIC_ALIVE);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(nic_owner_life(shared), NIC_DEAD);
}

/* ------------------------------------------------------------- another namespace */

/* Goes on as the first process of a namespace of its own. */
static void new_pidns(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) && unshare(CLONE_NEWUSER | CLONE_NEWPID))
		_exit(77);
	pid = fork();
	if (pid) {
		_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) :
									     1);
	}
}

static bool is_first_pidns(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == 0xeffffffcu;
}

/*
 * A child in a namespace of its own has looked at this process (shared[1]) and says what it saw by
 * its exit status; while it runs, it is looked at from here.
 */
static void other_namespace(void **state)
{
	int there[2], back[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(there, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	assert_int_equal(nic_owner_self(&shared[1], NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(back[1]);
		new_pidns();
		if (nic_owner_self(&shared[0], NULL) || shared[0].pid != 1)
			_exit(1);
		if (nic_owner_life(&shared[0]) != NIC_ALIVE)
			_exit(2);
		/* /proc is that of the outer namespace, in which this process is found. */
		if (nic_owner_life(&shared[1]) != NIC_ALIVE)
			_exit(3);
		shared[1].pid = 0x3fffffff; /* none; but from here, who knows */
		if (nic_owner_life(&shared[1]) != NIC_ELSEWHERE)
			_exit(4);
		if (write(there[1], "x", 1) != 1)
			_exit(5);
		_exit(told(back[0]) ? 6 : 0);
	}
	close(there[1]);
	close(back[0]);
	if (told(there[0]))
		assert_int_equal(nic_owner_life(&shared[0]), NIC_ALIVE);
	close(there[0]);
	close(back[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no PID namespace here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(nic_owner_life(&shared[0]), is_first_pidns() ? NIC_DEAD : NIC_ELSEWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(kept_and_self),
		T_CASE(ended),
		T_CASE(first_thread_ended),
		T_CASE(other_namespace),
	};

	return cmocka_run_group_tests_name("nic_owner", tests, map, NULL);
}
