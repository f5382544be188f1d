/* SPDX-License-Identifier: MIT */
/*
 * test_nic_rss.c - RSS tables: keeping queues free, ethtool's words, lists of numbers.
 *
 * Theory: known tables, then random ones: the result names no queue that is to be free nor one that
 *	there is not, keeps every other entry, and is as even as it can be.  The words for ethtool
 *	are run through ethtool's own rules for filling a table, written down here once more.
 */
#include <string.h>

#include "nic/rss_table.h"
#include "t.h"

static struct nic_list list(const char *text)
{
	struct nic_list l;
	char *back = NULL;

	assert_int_equal(nic_list_parse(text, &l), 0);
	assert_int_equal(nic_list_text(&l, &back), 0);
	assert_string_equal(back, text);
	free(back);
	return l;
}

static void text_is(struct nic_list *l, const char *want)
{
	char *text = NULL;

	assert_int_equal(nic_list_text(l, &text), 0);
	assert_string_equal(text, want);
	free(text);
}

/* @base as text; NULL: the default */
static void away(const char *base, uint32_t entries, uint32_t rings, const char *free_queues,
		 const char *want)
{
	struct nic_list b = { 0 }, f = list(free_queues), t = { 0 };

	if (base)
		b = list(base);
	if (want) {
		assert_int_equal(nic_rss_away(base ? &b : NULL, entries, rings, &f, &t), 0);
		text_is(&t, want);
	} else {
		assert_int_equal(nic_rss_away(base ? &b : NULL, entries, rings, &f, &t), -EINVAL);
		assert_null(t.at);
	}
	nic_list_done(&b);
	nic_list_done(&f);
	nic_list_done(&t);
}

static void known(void **state)
{
	(void)state;
	away(NULL, 8, 4, "3", "0,1,2,0,1,2,0,1");
	away(NULL, 8, 4, "2,3", "0,1,0,1,0,1,0,1");
	away(NULL, 8, 4, "0", "1,2,3,1,2,3,1,2");
	away(NULL, 8, 4, "1", "0,0,2,2,2,3,3,3");
	away(NULL, 8, 4, "7", "0,1,2,3,0,1,2,3");
	away(NULL, 4, 2, "1,1", "0,0,0,0");
	away(NULL, 4, 2, "0,1", NULL);
	away(NULL, 4, 1, "0", NULL);
	/* of another table only what must change */
	away("0,1,2,3", 4, 4, "3", "0,1,2,0");
	away("3,3,1,3,2,3", 6, 4, "3", "1,2,1,1,2,2");
	away("1,1,1,1", 4, 4, "3", "1,1,1,1");
	/* nothing is left of its queues: all others */
	away("3,3,3,3", 4, 4, "3", "0,1,2,0");
	away("3,3,3,3", 4, 4, "0,1,2,3", NULL);
	/* queues that there are no more, and another length */
	away("0,5,0,5", 4, 2, "1", "0,0,0,0");
	away("0,1", 4, 4, "1", "0,0,0,0");
	away("0,1,2,3", 2, 4, "3", "0,1");
}

static void random_tables(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		uint32_t rings = 1 + (uint32_t)(t_rand() % 20), n = 1u << t_rand() % 9;
		struct nic_list base, f, t = { 0 };
		bool left = false;

		assert_int_equal(nic_list_new(&base, n), 0);
		assert_int_equal(nic_list_new(&f, 1 + (uint32_t)(t_rand() % rings)), 0);
		for (uint32_t i = 0; i < n; i++)
			base.at[i] = (uint32_t)(t_rand() % rings);
		for (uint32_t i = 0; i < f.count; i++)
			f.at[i] = (uint32_t)(t_rand() % rings);
		for (uint32_t q = 0; q < rings; q++)
			left |= !nic_list_has(&f, q);
		assert_int_equal(nic_rss_away(&base, n, rings, &f, &t), left ? 0 : -EINVAL);
		for (uint32_t i = 0; i < t.count; i++) {
			assert_true(t.at[i] < rings);
			assert_false(nic_list_has(&f, t.at[i]));
			if (!nic_list_has(&f, base.at[i]))
				assert_int_equal(t.at[i], base.at[i]);
		}
		nic_list_done(&base);
		nic_list_done(&f);
		nic_list_done(&t);
	}
}

/* How ethtool 6.1 fills a table; written anew from what its manual and its results say. */
static void by_ethtool(const char *words, struct nic_list *t)
{
	unsigned equal = 0, start = 0, weight[64] = { 0 }, count = 0, sum = 0, partial = 0,
		 next = 0;

	if (sscanf(words, "equal %u start %u", &equal, &start) >= 1) {
		for (uint32_t i = 0; i < t->count; i++)
			t->at[i] = start + i % equal;
		return;
	}
	assert_memory_equal(words, "weight ", 7);
	for (const char *at = words + 6; *at; at += strcspn(at + 1, " ") + 1) {
		assert_true(count < T_COUNT(weight));
		weight[count] = (unsigned)strtoul(at, NULL, 10);
		sum += weight[count++];
	}
	assert_true(sum && sum <= t->count);
	for (uint32_t i = 0; i < t->count; i++) {
		while (i >= t->count * partial / sum)
			partial += weight[next++];
		t->at[i] = next - 1;
	}
}

static void words_make(struct nic_list *t, bool must)
{
	struct nic_list made;
	char words[200];

	nic_rss_words(t, words, sizeof(words));
	if (!words[0]) {
		assert_false(must);
		return;
	}
	assert_int_equal(nic_list_new(&made, t->count), 0);
	by_ethtool(words, &made);
	assert_memory_equal(made.at, t->at, t->count * sizeof(*t->at));
	nic_list_done(&made);
}

static void words_are(const char *table, const char *want)
{
	struct nic_list t = list(table);
	char words[200];

	nic_rss_words(&t, words, sizeof(words));
	assert_string_equal(words, want);
	words_make(&t, *want);
	nic_list_done(&t);
}

static void words(void **state)
{
	(void)state;
	words_are("0,1,2,3", "equal 4");
	words_are("0,0,0,0", "equal 1");
	words_are("3,3,3,3", "equal 1 start 3");
	words_are("2,3,2,3,2", "equal 2 start 2");
	words_are("0,0,2,2", "weight 1 0 1");
	words_are("0,0,0,1", "weight 3 1");
	words_are("0,0,1,2,2,2,2,2", "weight 2 1 5");
	words_are("1,0,1,0", "");
	words_are("0,1,2,0,3,1", "");
}

/* What is spread by us can always be made with ethtool. */
static void spread(void **state)
{
	(void)state;
	for (uint32_t set = 1; set < 256; set++)
		for (uint32_t entries = 8; entries <= 512; entries *= 4) {
			struct nic_list q, t;
			uint32_t least = UINT32_MAX, most = 0;

			assert_int_equal(nic_list_new(&q, 8), 0);
			q.count = 0;
			for (uint32_t i = 0; i < 8; i++)
				if (set & 1u << i)
					q.at[q.count++] = i;
			assert_int_equal(nic_rss_spread(&q, entries, &t), 0);
			words_make(&t, true);
			for (uint32_t i = 0; i < q.count; i++) {
				uint32_t n = 0;

				for (uint32_t j = 0; j < entries; j++)
					n += t.at[j] == q.at[i];
				least = n < least ? n : least;
				most = n > most ? n : most;
			}
			assert_true(most - least <= 1);
			nic_list_done(&q);
			nic_list_done(&t);
		}
}

static void lines(void **state)
{
	char line[256];

	(void)state;
	nic_set_rss.ethtool("eth0", "", "default", "0,1,0,1", line, sizeof(line));
	assert_string_equal(line, "ethtool -X eth0 equal 2");
	nic_set_rss.ethtool("eth0", "", "0,1,0,1", "default", line, sizeof(line));
	assert_string_equal(line, "ethtool -X eth0 default");
	nic_set_rss.ethtool("eth0", "", "default", "1,0,1,0", line, sizeof(line));
	assert_string_equal(line, "");
	nic_obj_context.ethtool("eth0", "queues 2,3", NULL, line, sizeof(line));
	assert_string_equal(line, "ethtool -X eth0 context new equal 2 start 2");
	nic_obj_context.ethtool("eth0", "queues 1,3", NULL, line, sizeof(line));
	assert_string_equal(line, "ethtool -X eth0 context new weight 0 1 0 1");
	nic_obj_context.ethtool("eth0", "queues 2,3", "5", line, sizeof(line));
	assert_string_equal(line, "ethtool -X eth0 context 5 delete");
	nic_obj_context.ethtool("eth0", "queue 2", NULL, line, sizeof(line));
	assert_string_equal(line, "");
}

static void numbers(void **state)
{
	static const char *const bad[] = { "",	 ",",  "1,", ",1",	   "1,,2", "01", "1, 2",
					   " 1", "-1", "+1", "4294967296", "1;2",  "x",	 "0x1" };
	struct nic_list l = { 0 };
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < T_COUNT(bad); i++) {
		if (nic_list_parse(bad[i], &l) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_null(l.at);
		assert_int_equal(nic_number_parse(bad[i], UINT32_MAX, &n), -EINVAL);
		assert_int_equal(n, 7);
	}
	l = list("0,4294967295,10");
	nic_list_done(&l);
	assert_int_equal(nic_number_parse("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(nic_number_parse("18446744073709551616", UINT64_MAX, &n), -EINVAL);
	assert_int_equal(nic_number_parse("10", 9, &n), -EINVAL);
	assert_int_equal(nic_number_parse("10", 10, &n), 0);
	assert_int_equal(nic_number_parse("0", 0, &n), 0);
	assert_int_equal(nic_number_parse("5", 4, &n), -EINVAL);
	assert_int_equal(n, 0);
}

static void advice(void **state)
{
	struct weir_error err = { 0 };

	(void)state;
	nic_advise(NULL, "nobody");
	weir_error_set(&err, -EINVAL, "stage", "eth0", NULL);
	nic_advise(&err, "close ring %d", 3);
	assert_string_equal(err.hint, "close ring 3");
	nic_advise(&err, "then again");
	assert_string_equal(err.hint, "close ring 3; then again");
	for (int i = 0; i < 40; i++) /* what does not fit is cut */
		nic_advise(&err, "more and more");
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(known), T_CASE(random_tables), T_CASE(words),  T_CASE(spread),
		T_CASE(lines), T_CASE(numbers),	      T_CASE(advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
