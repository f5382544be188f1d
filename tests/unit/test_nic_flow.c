/* SPDX-License-Identifier: MIT */
/*
 * test_nic_flow.c - flows from text, to text, and the rules that bring them to a queue.
 *
 * Theory: a table of texts with what they must become; rules are compared as whole texts, because a
 *	rule is found again by its text.
 */
#include <netinet/in.h>
#include <string.h>

#include "../../src/nic/plan.h"
#include "t.h"

static struct weir_nic_flow flow(const char *text)
{
	struct weir_nic_flow f;
	struct weir_error err = { 0 };

	if (weir_nic_flow_parse(text, &f, &err))
		fail_msg("%s: %s", text, err.hint);
	return f;
}

static void rules(const char *text, const char *first, const char *second)
{
	struct weir_nic_flow f = flow(text);
	char specs[2][NIC_SPEC_BYTES];
	unsigned n = nic_flow_specs(&f, "queue 3", specs);

	assert_int_equal(n, second ? 2 : 1);
	assert_string_equal(specs[0], first);
	if (second)
		assert_string_equal(specs[1], second);
}

static void to_rules(void **state)
{
	(void)state;
	rules("tcp:5201", "tcp6 dst-port 5201 queue 3", "tcp4 dst-port 5201 queue 3");
	rules("udp:*:53", "udp6 dst-port 53 queue 3", "udp4 dst-port 53 queue 3");
	rules("tcp:0.0.0.0:80", "tcp4 dst-port 80 queue 3", NULL);
	rules("tcp:10.0.0.1:80", "tcp4 dst-ip 10.0.0.1 dst-port 80 queue 3", NULL);
	rules("tcp:[fd00::1]:80", "tcp6 dst-ip fd00::1 dst-port 80 queue 3", NULL);
	rules("tcp:[::ffff:10.0.0.1]:80", "tcp4 dst-ip 10.0.0.1 dst-port 80 queue 3", NULL);
	rules("tcp:10.0.0.1:4000-10.0.0.2:80",
	      "tcp4 src-ip 10.0.0.2 dst-ip 10.0.0.1 src-port 80 dst-port 4000 queue 3", NULL);
	rules("udp:[fd00::1]:4000-[fd00::2]:80",
	      "udp6 src-ip fd00::2 dst-ip fd00::1 src-port 80 dst-port 4000 queue 3", NULL);
	/* the port is known, the address not yet */
	rules("tcp:0.0.0.0:4000-10.0.0.2:80",
	      "tcp4 src-ip 10.0.0.2 src-port 80 dst-port 4000 queue 3", NULL);
	rules("tcp:4000-10.0.0.2:80", "tcp4 src-ip 10.0.0.2 src-port 80 dst-port 4000 queue 3",
	      NULL);
	rules("tcp:4000-[::ffff:10.0.0.2]:80",
	      "tcp4 src-ip 10.0.0.2 src-port 80 dst-port 4000 queue 3", NULL);
	rules("tcp:10.0.0.1:80-10.0.0.2:0",
	      "tcp4 src-ip 10.0.0.2 dst-ip 10.0.0.1 dst-port 80 queue 3", NULL);
}

static void and_back(void **state)
{
	static const char *const texts[] = { "tcp:[::]:5201", "tcp:10.0.0.1:80",
					     "udp:[fd00::1]:4000-[fd00::2]:80",
					     "tcp:10.0.0.1:4000-10.0.0.2:80" };
	char buf[160];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct weir_nic_flow f = flow(texts[i]), again;

		assert_string_equal(weir_nic_flow_format(&f, buf, sizeof(buf)), texts[i]);
		again = flow(buf);
		assert_true(nic_flow_same(&f, &again));
	}
	assert_string_equal(weir_nic_flow_format(NULL, buf, sizeof(buf)), "-");
}

static void same(void **state)
{
	struct weir_nic_flow a = flow("tcp:10.0.0.1:80"), b = flow("tcp:[::ffff:10.0.0.1]:80"),
			     c = flow("udp:10.0.0.1:80"), d = flow("tcp:10.0.0.1:80-10.0.0.2:0"),
			     e = flow("tcp:0.0.0.0:80"), f = flow("tcp:80"),
			     g = flow("tcp:[::]:80");

	(void)state;
	assert_true(nic_flow_same(&a, &b));
	assert_false(nic_flow_same(&a, &c));
	assert_false(nic_flow_same(&a, &d));
	assert_false(nic_flow_same(&a, &e));
	assert_false(nic_flow_same(&e, &f)); /* one family, both */
	assert_true(nic_flow_same(&f, &g));
	/* a peer of any address, in all ways to write that */
	a = flow("tcp:10.0.0.1:80-0.0.0.0:0");
	assert_true(nic_flow_same(&a, &b));
	a = flow("tcp:80-[::]:0");
	assert_true(nic_flow_same(&a, &f));
	a = flow("tcp:80-[::]:99");
	b = flow("tcp:80-0.0.0.0:99");
	assert_true(nic_flow_same(&a, &b));
	assert_false(nic_flow_same(&a, &f));
}

static void illegal(void **state)
{
	static const char *const texts[] = { "",
					     "tcp",
					     "tcp:",
					     "tcp:0",
					     "5201",
					     "sctp:80",
					     "tcp:65536",
					     "tcp:unix:/x",
					     "tcp:host:80",
					     "tcp:fd00::1:80",
					     "tcp:10.0.0.1:80-",
					     "tcp:10.0.0.1:80-[fd00::1]:80",
					     "tcp:10.0.0.1:0",
					     "tcp:10.0.0.1:80-10.0.0.2:80-1",
					     "TCP:80" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct weir_nic_flow f;
		struct weir_error err = { 0 };

		memset(&f, 0x5a, sizeof(f));
		if (weir_nic_flow_parse(texts[i], &f, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_int_equal(err.code, -EINVAL);
		assert_true(err.hint[0]);
		for (size_t k = 0; k < sizeof(f); k++)
			assert_int_equal(((unsigned char *)&f)[k], 0x5a);
	}
	assert_int_equal(weir_nic_flow_parse(NULL, NULL, NULL), -EINVAL);
}

/* Structures that a program may fill by itself. */
static void by_hand(void **state)
{
	struct weir_nic_flow f = flow("tcp:10.0.0.1:80");

	(void)state;
	f.protocol = 0;
	assert_int_equal(nic_flow_check(&f, NULL), -EINVAL);
	f = flow("tcp:10.0.0.1:80");
	f.local.len = 3;
	assert_int_equal(nic_flow_check(&f, NULL), -EINVAL);
	f = flow("tcp:10.0.0.1:80");
	f.local.sa.sa_family = AF_UNIX;
	assert_int_equal(nic_flow_check(&f, NULL), -EINVAL);
	f = flow("tcp:10.0.0.1:80");
	f.remote.len = sizeof(struct sockaddr_in);
	assert_int_equal(nic_flow_check(&f, NULL), -EINVAL);
}

static void opts(void **state)
{
	struct weir_nic_opts to, o = { .size = sizeof(o), .ifname = "x", .queue_first = -1 };
	struct weir_nic_flow f = flow("tcp:80");
	struct weir_nic_opts bad;

	(void)state;
	memset(&to, 0, sizeof(to));
	assert_int_equal(nic_opts_read(&to, &o, NULL), 0);
	assert_int_equal(to.queue_count, 1);
	assert_int_equal(nic_opts_read(&to, NULL, NULL), -EINVAL);
#define BAD(field, value)                                                  \
	do {                                                               \
		bad = o;                                                   \
		bad.field = value;                                         \
		memset(&to, 0, sizeof(to));                                \
		assert_int_equal(nic_opts_read(&to, &bad, NULL), -EINVAL); \
	} while (0)
	BAD(size, 3);
	BAD(ifname, NULL);
	BAD(ifname, "");
	BAD(flags, 1u << 31);
	BAD(reserved, 1);
	BAD(queue_first, -2);
	BAD(queue_count, NIC_QUEUES_MAX + 1);
	BAD(flow_count, 1);
	BAD(flags, WEIR_NIC_IRQ_CPU);
	bad = o;
	bad.flows = &f;
	bad.flow_count = 1;
	f.protocol = 3;
	memset(&to, 0, sizeof(to));
	assert_int_equal(nic_opts_read(&to, &bad, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_rules), cmocka_unit_test(and_back), cmocka_unit_test(same),
		cmocka_unit_test(illegal),  cmocka_unit_test(by_hand),	cmocka_unit_test(opts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
