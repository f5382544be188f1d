/* SPDX-License-Identifier: MIT */
/*
 * test_nic_open.c - plans, open, flows, close and restore over a NIC in memory.
 *
 * Theory: nic.c, plan.c and step.c are compiled into this program with the kinds of changes, the
 *	journal's times and the reading of the state replaced by those of a NIC in memory
 *	(fake_nic.h).  After each case the NIC is as it was before, and no journal is left.  An
 *	error record that a caller gives is full of another text before each call: it must be as it
 *	was where the call succeeds, and name the returned errno where it fails.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

#include "fake_nic_info.h"

#define nic_ctx_init fake_ctx_init
#define nic_ctx_fini fake_ctx_fini
#define nic_journal_open fake_journal
#define nic_info_read fake_info
#define nic_set_channels fake_channels
#define nic_set_split fake_split
#define nic_set_feature fake_feature
#define nic_set_rss fake_rss
#define nic_obj_rule fake_rule
#define nic_obj_context fake_context
#include "nic/nic.c"
#include "nic/plan.c"
#include "nic/step.c"

static struct weir_error err;

/* --------------------------------------------------------------------- around a case */

/* Files under RUN/nic; what a case that failed left is removed. */
static unsigned journals(bool remove_them)
{
	const struct dirent *entry;
	char path[96];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/nic", fake_folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			n++;
			if (remove_them)
				unlinkat(dirfd(dir), entry->d_name, 0);
		}
	if (dir)
		closedir(dir);
	return n;
}

static int begin(void **state)
{
	(void)state;
	fake_reset();
	journals(true);
	fake_lro_absent = false;
	fake_channels_most = 8;
	memset(fake_queue_uses, 0, sizeof(fake_queue_uses));
	return 0;
}

static void as_before(void)
{
	assert_memory_equal(&fake->now, &fake_first, sizeof(fake_first));
	assert_int_equal(journals(false), 0);
}

/* The record is another's: a call that succeeds does not touch it. */
static struct weir_error *record(void)
{
	err = (struct weir_error){ .code = -4711, .stage = "stage", .hint = "hint" };
	return &err;
}

static void good(int r)
{
	if (r)
		fail_msg("%d: %s %s: %s", r, err.stage, err.object, err.hint);
	assert_int_equal(err.code, -4711);
	assert_string_equal(err.stage, "stage");
	assert_string_equal(err.hint, "hint");
}

static void bad_with(int r, int code, const char *words)
{
	assert_int_equal(r, code);
	assert_int_equal(err.code, code);
	if (!strstr(err.hint, words))
		fail_msg("\"%s\" is not in: %s %s: %s", words, err.stage, err.object, err.hint);
}

static struct weir_nic_flow flow(const char *text)
{
	struct weir_nic_flow f;

	assert_int_equal(weir_nic_flow_parse(text, &f, NULL), 0);
	return f;
}

static struct weir_nic_opts opts(uint32_t flags)
{
	return (struct weir_nic_opts){
		.size = sizeof(struct weir_nic_opts),
		.flags = flags,
		.ifname = "fake0",
		.queue_first = -1,
	};
}

static struct weir_nic *open_nic(const struct weir_nic_opts *o)
{
	struct weir_nic *nic = NULL;

	good(weir_nic_open(&nic, o, record()));
	assert_non_null(nic);
	return nic;
}

static struct weir_nic_plan *plan_new(const struct weir_nic_opts *o)
{
	struct weir_nic_plan *plan = NULL;

	good(weir_nic_plan_new(&plan, o, record()));
	assert_non_null(plan);
	return plan;
}

static const struct weir_nic_step *step_of(const struct weir_nic_plan *plan, const char *kind)
{
	const struct weir_nic_step *step;

	for (unsigned i = 0; (step = weir_nic_plan_step(plan, i)); i++)
		if (!strcmp(step->kind, kind))
			return step;
	fail_msg("no step %s", kind);
	return NULL;
}

static void refused(const struct weir_nic_opts *o, int code, const char *words)
{
	struct weir_nic_plan *plan = NULL;
	struct weir_nic *nic = NULL;
	struct fake_state was = fake->now;

	bad_with(weir_nic_plan_new(&plan, o, record()), code, words);
	assert_null(plan);
	bad_with(weir_nic_open(&nic, o, record()), code, words);
	assert_null(nic);
	assert_memory_equal(&fake->now, &was, sizeof(was));
}

/* A child that opens the NIC and dies with it. */
static void die_with(const struct weir_nic_opts *o)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct weir_nic *nic = NULL;

		_exit(weir_nic_open(&nic, o, NULL) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void put(char *to, size_t bytes, const char *text)
{
	memset(to, 0, bytes);
	snprintf(to, bytes, "%s", text);
}

/* ----------------------------------------------------------------------- open, close */

static void open_and_close(void **state)
{
	struct weir_nic_flow flows[] = { flow("tcp:80"), flow("udp:10.0.0.1:53") };
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX | WEIR_NIC_NO_LRO);
	struct weir_nic *nic;

	(void)state;
	o.flow_count = 2;
	o.flows = flows;
	nic = open_nic(&o);
	assert_int_equal(weir_nic_queue(nic, 0), 3);
	assert_int_equal(weir_nic_queue(nic, 1), -1);
	assert_int_equal(weir_nic_ifindex(nic), 7);
	assert_string_equal(fake->now.split, "on");
	assert_string_equal(fake->now.lro, "off");
	assert_string_equal(fake->now.rss, "0,1,2,0,1,2,0,1");
	assert_string_equal(fake->now.rules[0], "tcp6 dst-port 80 queue 3");
	assert_string_equal(fake->now.rules[2], "tcp4 dst-port 80 queue 3");
	assert_string_equal(fake->now.rules[3], "udp4 dst-ip 10.0.0.1 dst-port 53 queue 3");
	assert_ptr_equal(weir_nic_ref(nic), nic);
	good(weir_nic_close(nic, record()));
	assert_string_equal(fake->now.split, "on");
	good(weir_nic_close(nic, record()));
	as_before();
	good(weir_nic_close(NULL, record()));
}

/* Whatever fails in the middle, all that came before it is undone. */
static void open_fails(void **state)
{
	static const char *const kinds[] = { "channels", "split", "feature",
					     "rss",	 "rule",  "context" };
	struct weir_nic_flow flows[] = { flow("tcp:80"), flow("udp:10.0.0.1:53") };
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);

	(void)state;
	o.queue_count = 2;
	o.channels = 8;
	o.flow_count = 2;
	o.flows = flows;
	for (unsigned i = 0; i < 2 * T_COUNT(kinds); i++) {
		struct weir_nic *nic = NULL;

		fake_reset();
		snprintf(fake->fails, sizeof(fake->fails), "%s", kinds[i / 2]);
		fake->fails_with = -EPERM;
		fake->fails_late = i % 2;
		bad_with(weir_nic_open(&nic, &o, record()), -EPERM, "told to fail");
		assert_null(nic);
		as_before();
	}
}

static void interface_gone(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic *nic = NULL;

	(void)state;
	fake->gone = true;
	bad_with(weir_nic_open(&nic, &o, record()), -ENODEV, "");
	fake->gone = false;
	nic = open_nic(&o);
	fake->gone = true;
	good(weir_nic_close(nic, record()));
	assert_int_equal(journals(false), 0);
}

/* What cannot be undone after a failure is said. */
static void open_fails_twice(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX | WEIR_NIC_NO_LRO);
	struct weir_nic_restored done = { 0 };
	struct weir_nic *nic = NULL;

	(void)state;
	put(fake->fails, sizeof(fake->fails), "rss");
	fake->fails_with = -EPERM;
	fake->then_refuses = 10000;
	bad_with(weir_nic_open(&nic, &o, record()), -EPERM, "weir nic restore fake0");
	fake->refusals = 0;
	good(weir_nic_restore("fake0", WEIR_NIC_RESTORE_ALIVE, NULL, NULL, &done, record()));
	assert_true(done.undone > 0);
	as_before();
}

static void long_hint(void **state)
{
	struct weir_nic nic = { .ctx = fake_ctx() };

	(void)state;
	memset(err.hint, 'x', sizeof(err.hint) - 1);
	say_failed(&nic, 4294967295u, &err);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
	assert_non_null(strstr(err.hint, "xxx; 4294967295 changes"));
	assert_non_null(strstr(err.hint, "\"weir nic restore fake0\""));
}

static void wrong_options(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic_plan *plan = NULL;

	(void)state;
	bad_with(weir_nic_open(NULL, &o, record()), -EINVAL, "place");
	bad_with(weir_nic_plan_new(NULL, &o, record()), -EINVAL, "place");
	bad_with(weir_nic_plan_new(&plan, NULL, record()), -EINVAL, "options");
	o.flags = 1u << 20;
	refused(&o, -EINVAL, "flags");
	o = opts(WEIR_NIC_FOR_ZCRX);
	o.queue_count = 65;
	refused(&o, -EINVAL, "64");
	o = opts(WEIR_NIC_FOR_ZCRX);
	o.queue_first = INT32_MAX;
	refused(&o, -ERANGE, "0 to 3");
	o.queue_first = -2;
	refused(&o, -EINVAL, "-1");
	o = opts(WEIR_NIC_FOR_ZCRX);
	o.ifname = "none0";
	bad_with(weir_nic_plan_new(&plan, &o, record()), -ENODEV, "");
	bad_with(weir_nic_restore("fake0", 8, NULL, NULL, NULL, record()), -EINVAL, "flags");
	as_before();
}

/* --------------------------------------------------------------------------- flows */

static void flows_are_counted(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_RSS_AWAY);
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80"), other = flow("udp:10.0.0.1:53");
	struct weir_nic *nic = open_nic(&o);
	uint32_t a = 0, b = 0, c = 0;

	(void)state;
	good(weir_nic_flow_add(nic, &f, -1, &a, record()));
	good(weir_nic_flow_add(nic, &f, -1, &b, record()));
	assert_int_equal(a, b);
	good(weir_nic_flow_add(nic, &other, 3, &c, record()));
	assert_int_not_equal(a, c);
	assert_int_equal(weir_nic_flow_ref(nic, a), 0);
	assert_int_equal(weir_nic_flow_ref(nic, 99), -ENOENT);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(fake->now.rules[0], "tcp4 dst-ip 10.0.0.1 dst-port 80 queue 3");
		good(weir_nic_flow_remove(nic, a, record()));
	}
	assert_string_equal(fake->now.rules[0], "");
	bad_with(weir_nic_flow_remove(nic, a, record()), -ENOENT, "number");
	bad_with(weir_nic_flow_remove(nic, 0, record()), -ENOENT, "number");
	bad_with(weir_nic_flow_add(nic, &f, 2, &a, record()), -EINVAL, "rxq 2");
	bad_with(weir_nic_flow_add(nic, &f, -2, &a, record()), -EINVAL, "rxq -2");
	put(fake->fails, sizeof(fake->fails), "rule");
	fake->fails_with = -ENOSPC;
	b = 4711;
	bad_with(weir_nic_flow_add(nic, &f, -1, &b, record()), -ENOSPC, "told");
	assert_int_equal(b, 4711);
	good(weir_nic_flow_add(nic, &f, -1, &b, record()));
	/* somebody puts another rule there */
	put(fake->now.rules[0], sizeof(fake->now.rules[0]), "tcp4 dst-port 9 queue 0");
	assert_int_equal(weir_nic_flow_remove(nic, b, record()), 1);
	memset(fake->now.rules[0], 0, FAKE_SPEC);
	good(weir_nic_close(nic, record()));
	as_before();
}

static void flows_to_several_queues(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_RSS_AWAY);
	struct weir_nic_flow f = flow("tcp:80");
	struct weir_nic *nic;
	uint32_t id;

	(void)state;
	o.queue_count = 2;
	nic = open_nic(&o);
	good(weir_nic_flow_add(nic, &f, -1, &id, record()));
	assert_string_equal(fake->now.contexts[1], "queues 2,3");
	assert_string_equal(fake->now.rules[0], "tcp6 dst-port 80 context 1");
	good(weir_nic_close(nic, record()));
	as_before();
}

/* The same packets twice: told before anything is changed, and not as somebody else's rule. */
static void rules_that_are_there(void **state)
{
	struct weir_nic_flow f = flow("tcp:0.0.0.0:22");
	struct weir_nic_flow overlap[] = { flow("tcp:80"), flow("tcp:0.0.0.0:80") };
	struct weir_nic_flow same[] = { flow("tcp:80"), flow("tcp:*:80-[::]:0") };
	struct weir_nic_opts o = opts(WEIR_NIC_RSS_AWAY);
	struct weir_nic *nic;

	(void)state;
	o.flow_count = 1;
	o.flows = &f;
	refused(&o, -EEXIST, "ethtool -N fake0 delete 1");
	o.flow_count = 2;
	o.flows = overlap;
	refused(&o, -EINVAL, "tcp4 dst-port 80");
	o.flows = same;
	nic = open_nic(&o);
	good(weir_nic_close(nic, record()));
	as_before();
}

/* ----------------------------------------------------------------------- forked children */

/* Another thread of the parent is inside a call while the process forks. */
static sem_t locked, forked;

static void *hold_lock(void *user)
{
	struct weir_nic *nic = user;

	pthread_mutex_lock(&nic->lock);
	sem_post(&locked);
	sem_wait(&forked);
	pthread_mutex_unlock(&nic->lock);
	return NULL;
}

/*
 * In a child nothing is changed for its parent, and nothing waits for a thread that only the
 * parent has.
 */
static void forked_child(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80"), other = flow("tcp:10.0.0.1:81");
	struct weir_nic *nic = open_nic(&o);
	struct fake_state was;
	pthread_t thread;
	uint32_t id, no;
	int status;
	pid_t pid;

	(void)state;
	good(weir_nic_flow_add(nic, &f, -1, &id, record()));
	was = fake->now;
	assert_int_equal(sem_init(&locked, 0, 0) | sem_init(&forked, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, hold_lock, nic), 0);
	sem_wait(&locked);
	pid = fork();
	if (!pid) {
		int code = 0;

		alarm(10);
		if (weir_nic_flow_add(nic, &other, -1, &no, record()) != -EPERM)
			code |= 1;
		if (!strstr(err.hint, "fork"))
			code |= 2;
		if (weir_nic_flow_ref(nic, id))
			code |= 4;
		if (weir_nic_flow_remove(nic, id, NULL) || weir_nic_flow_remove(nic, id, NULL))
			code |= 8;
		if (weir_nic_ref(nic) != nic || weir_nic_close(nic, NULL))
			code |= 16;
		if (weir_nic_close(nic, NULL))
			code |= 32;
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	sem_post(&forked);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_memory_equal(&fake->now, &was, sizeof(was));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	good(weir_nic_close(nic, record()));
	as_before();
}

static void *add_and_remove(void *user)
{
	struct weir_nic *nic = user;
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80");
	uint32_t id;

	for (unsigned i = 0; i < 20; i++) {
		if (weir_nic_flow_add(nic, &f, -1, &id, NULL))
			return (void *)"add";
		if (weir_nic_flow_remove(nic, id, NULL))
			return (void *)"remove";
	}
	return weir_nic_close(nic, NULL) ? (void *)"close" : NULL;
}

/* Several engines share a NIC; the last one closes it. */
static void shared_by_threads(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic *nic = open_nic(&o);
	pthread_t thread[4];

	(void)state;
	for (unsigned i = 0; i < T_COUNT(thread); i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, add_and_remove, weir_nic_ref(nic)), 0);
	good(weir_nic_close(nic, record()));
	for (unsigned i = 0; i < T_COUNT(thread); i++) {
		void *why = NULL;

		assert_int_equal(pthread_join(thread[i], &why), 0);
		if (why)
			fail_msg("%s", (const char *)why);
	}
	as_before();
}

/* ---------------------------------------------------------------------- the dead, the kept */

/* A plan shows what open will do, which first puts back what the dead left. */
static void after_a_death(void **state)
{
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80");
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic_plan *plan;
	struct weir_nic *nic;

	(void)state;
	o.flow_count = 1;
	o.flows = &f;
	for (unsigned i = 0; i < 2; i++) {
		o.channels = i ? 8 : 0;
		die_with(&o);
		o.channels = 0;
		plan = plan_new(&o);
		assert_true(weir_nic_plan_leftovers(plan) > 3);
		assert_int_equal(weir_nic_plan_queue(plan, 0), 3);
		assert_string_equal(step_of(plan, "rss")->before, "default");
		assert_string_equal(step_of(plan, "rss")->after, "0,1,2,0,1,2,0,1");
		weir_nic_plan_free(plan);
		nic = open_nic(&o);
		assert_int_equal(weir_nic_queue(nic, 0), 3);
		assert_string_equal(fake->now.rss, "0,1,2,0,1,2,0,1");
		good(weir_nic_close(nic, record()));
		as_before();
	}
}

/* The dead and a living one hold the same setting. */
static void dead_beside_living(void **state)
{
	struct weir_nic_opts living = opts(WEIR_NIC_RSS_AWAY), dead = living;
	struct weir_nic_plan *plan;
	struct weir_nic *nic;

	(void)state;
	living.queue_first = 2;
	dead.queue_first = 3;
	nic = open_nic(&living);
	die_with(&dead);
	plan = plan_new(&dead);
	assert_false(step_of(plan, "rss")->done);
	assert_string_equal(step_of(plan, "rss")->before, "0,1,3,0,1,3,0,1");
	assert_string_equal(step_of(plan, "rss")->after, "0,1,0,1,0,1,0,1");
	weir_nic_plan_free(plan);
	good(weir_nic_restore("fake0", 0, NULL, NULL, NULL, record()));
	good(weir_nic_close(nic, record()));
	as_before();
}

static void kept(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX | WEIR_NIC_KEEP);
	struct weir_nic_restored done = { 0 };
	struct weir_nic *nic;

	(void)state;
	good(weir_nic_open(NULL, &o, record()));
	good(weir_nic_restore("fake0", 0, NULL, NULL, &done, record()));
	assert_int_equal(done.undone, 0);
	assert_int_equal(done.held, 3); /* split, ntuple, rss */
	assert_string_equal(fake->now.split, "on");
	good(weir_nic_restore("fake0", WEIR_NIC_RESTORE_KEPT, NULL, NULL, &done, record()));
	assert_int_equal(done.held, 0);
	assert_int_equal(done.undone, 3);
	as_before();
	nic = open_nic(&o);
	good(weir_nic_close(nic, record()));
	assert_string_equal(fake->now.split, "on");
	good(weir_nic_restore("fake0", WEIR_NIC_RESTORE_KEPT, NULL, NULL, NULL, record()));
	as_before();
}

static void taken_away(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic *nic = open_nic(&o);
	struct weir_nic_restored done = { 0 };
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80");
	uint32_t id = 0;

	(void)state;
	good(weir_nic_restore("fake0", WEIR_NIC_RESTORE_ALIVE, NULL, NULL, &done, record()));
	assert_int_equal(done.undone, 3);
	as_before();
	bad_with(weir_nic_flow_add(nic, &f, -1, &id, record()), -ENOENT, "put back");
	good(weir_nic_close(nic, record()));
	as_before();
}

static void owner_names(void **state)
{
	static const char given[] = "a name that is longer than thirty-one bytes";
	struct weir_nic_opts o = opts(WEIR_NIC_SPLIT);
	struct weir_nic *nic;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct nic_ctx ctx = fake_ctx();
		struct nic_journal *j = NULL;

		o.name = i ? given : NULL;
		nic = open_nic(&o);
		assert_int_equal(fake_journal(&j, &ctx, false, NULL), 0);
		assert_memory_equal(nic_journal_owner(j, 0)->name,
				    i ? given : program_invocation_short_name,
				    i ? 31 : strlen(program_invocation_short_name));
		nic_journal_close(j);
		good(weir_nic_close(nic, record()));
	}
	as_before();
}

/* -------------------------------------------------------------------- which queues */

static void two_owners(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct weir_nic *first = open_nic(&o), *second = open_nic(&o);
	struct weir_nic_plan *plan;

	(void)state;
	assert_int_equal(weir_nic_queue(first, 0), 3);
	assert_int_equal(weir_nic_queue(second, 0), 2);
	o.queue_first = 3;
	refused(&o, -EBUSY, "weir nic status fake0");
	/* the queues that a smaller number of channels takes away are somebody's */
	o.queue_first = 0;
	o.channels = 3;
	refused(&o, -EBUSY, "rxq 3");
	/* channels that are so already are no change */
	o.channels = 4;
	o.queue_first = 0;
	plan = plan_new(&o);
	assert_true(step_of(plan, "channels")->done);
	weir_nic_plan_free(plan);
	good(weir_nic_close(first, record()));
	good(weir_nic_close(second, record()));
	as_before();
}

static void held_by_a_context(void **state)
{
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80");
	struct weir_nic_opts o = opts(0);
	struct weir_nic *first, *second;

	(void)state;
	o.queue_count = 2;
	o.flow_count = 1;
	o.flows = &f;
	first = open_nic(&o); /* no RSS: only the context tells that it has 2 and 3 */
	o = opts(WEIR_NIC_RSS_AWAY);
	second = open_nic(&o);
	assert_int_equal(weir_nic_queue(second, 0), 1 - 1);
	good(weir_nic_close(second, record()));
	good(weir_nic_close(first, record()));
	as_before();
}

static void few_queues(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);
	struct queues q = { 0 };

	(void)state;
	fake->now.channels = 1;
	fake->now.rules[1][0] = '\0';
	refused(&o, -ERANGE, "--channels 2");
	fake_channels_most = 1;
	refused(&o, -ERANGE, "no more");
	queues_add(&q, 1024);
	queues_add(&q, 65535);
	assert_true(queues_has(&q, 1024) && queues_has(&q, 65535) && !queues_has(&q, 1023));
}

/* Tables that name queues which would go are refused by the kernel: the plan says so first. */
static void fewer_channels(void **state)
{
	struct weir_nic_opts o = opts(0);

	(void)state;
	put(fake->now.rss, sizeof(fake->now.rss), "0,0,2,3,0,0,2,3");
	o.channels = 2;
	o.queue_first = 0;
	refused(&o, -EBUSY, "ethtool -X fake0 default");
	put(fake->now.rss, sizeof(fake->now.rss), "default");
	put(fake->now.rules[5], sizeof(fake->now.rules[5]), "tcp4 dst-port 99 queue 3");
	refused(&o, -EBUSY, "ethtool -N fake0 delete 5");
	memset(fake->now.rules[5], 0, FAKE_SPEC);
	fake_queue_uses[2] = WEIR_NIC_QUEUE_ZCRX;
	refused(&o, -EBUSY, "rxq 2");
	o.channels = 9;
	refused(&o, -ERANGE, "at most 8");
	memcpy(&fake->now, &fake_first, sizeof(fake_first));
	as_before();
}

/* What the plan prints is what open does, also where it changes the number of queues. */
static void channels_and_table(void **state)
{
	static const unsigned channels[] = { 8, 3, 4 };
	struct weir_nic_opts o = opts(WEIR_NIC_FOR_ZCRX);

	(void)state;
	for (unsigned i = 0; i < T_COUNT(channels); i++) {
		struct weir_nic_plan *plan;
		struct weir_nic *nic;

		o.channels = channels[i];
		plan = plan_new(&o);
		assert_int_equal(weir_nic_plan_queue(plan, 0), (int)channels[i] - 1);
		nic = open_nic(&o);
		assert_string_equal(step_of(plan, "rss")->after, fake->now.rss);
		assert_int_equal(!*step_of(plan, "rss")->note, channels[i] == 4);
		weir_nic_plan_free(plan);
		good(weir_nic_close(nic, record()));
		as_before();
	}
}

static void interrupts_after_channels(void **state)
{
	uint32_t cpus[2] = { 0, 1 };
	struct weir_nic_opts o = opts(WEIR_NIC_IRQ_CPU);

	(void)state;
	o.channels = 8;
	o.cpus = cpus;
	o.queue_first = 0;
	refused(&o, -EOPNOTSUPP, "channels");
	o = opts(WEIR_NIC_BUSY_POLL);
	o.channels = 8;
	refused(&o, -EOPNOTSUPP, "channels");
	as_before();
}

static void no_lro_to_switch_off(void **state)
{
	struct weir_nic_opts o = opts(WEIR_NIC_NO_LRO);
	struct weir_nic_plan *plan;

	(void)state;
	fake_lro_absent = true;
	plan = plan_new(&o);
	assert_null(weir_nic_plan_step(plan, 0));
	weir_nic_plan_free(plan);
	as_before();
}

/* A setting is in a plan once: two queues on one interrupt cannot go to two CPUs. */
static void one_want_for_a_setting(void **state)
{
	struct weir_nic_plan plan = { .ifname = "fake0" };
	struct nic_journal *j = NULL;
	struct nic_ctx ctx = fake_ctx();

	(void)state;
	assert_int_equal(fake_journal(&j, &ctx, false, NULL), 0);
	good(nic_plan_want(&plan, &ctx, j, &fake_feature, "lro", "off", "", record()));
	good(nic_plan_want(&plan, &ctx, j, &fake_feature, "lro", "off", "", record()));
	assert_int_equal(plan.count, 1);
	bad_with(nic_plan_want(&plan, &ctx, j, &fake_feature, "lro", "on", "", record()), -EINVAL,
		 "off");
	assert_int_equal(plan.count, 1);
	nic_journal_close(j);
	for (unsigned i = 0; i < plan.count; i++)
		change_fini(&plan.change[i]);
	free(plan.change);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(open_and_close, begin),
		cmocka_unit_test_setup(open_fails, begin),
		cmocka_unit_test_setup(open_fails_twice, begin),
		cmocka_unit_test_setup(interface_gone, begin),
		cmocka_unit_test_setup(long_hint, begin),
		cmocka_unit_test_setup(wrong_options, begin),
		cmocka_unit_test_setup(flows_are_counted, begin),
		cmocka_unit_test_setup(flows_to_several_queues, begin),
		cmocka_unit_test_setup(rules_that_are_there, begin),
		cmocka_unit_test_setup(forked_child, begin),
		cmocka_unit_test_setup(shared_by_threads, begin),
		cmocka_unit_test_setup(after_a_death, begin),
		cmocka_unit_test_setup(dead_beside_living, begin),
		cmocka_unit_test_setup(kept, begin),
		cmocka_unit_test_setup(taken_away, begin),
		cmocka_unit_test_setup(owner_names, begin),
		cmocka_unit_test_setup(two_owners, begin),
		cmocka_unit_test_setup(held_by_a_context, begin),
		cmocka_unit_test_setup(few_queues, begin),
		cmocka_unit_test_setup(fewer_channels, begin),
		cmocka_unit_test_setup(channels_and_table, begin),
		cmocka_unit_test_setup(interrupts_after_channels, begin),
		cmocka_unit_test_setup(no_lro_to_switch_off, begin),
		cmocka_unit_test_setup(one_want_for_a_setting, begin),
	};

	return cmocka_run_group_tests_name("nic_open", tests, NULL, NULL);
}
