/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rule.c - flow rules and values of the NIC: as text, and as a driver gives them.
 *
 * Theory: the first byte chooses.  A text that is taken as a rule prints as it was; a rule that a
 * driver gave has a text that fits the buffer, and where that text is one that weir makes, it is a
 * rule that matches the same.  Lists of numbers print as they were read; an RSS table made of them
 * names only queues that there are.
 */
#include <linux/ethtool.h>
#include <weir/weir.h>

#include "fuzz.h"
#include "nic/nic.h"
#include "nic/rss_table.h"
#include "nic/rule_text.h"
#include "nic/value.h"

static void rule_text(const char *text)
{
	struct ethtool_rxnfc rule;
	struct weir_error err = { 0 };
	char back[NIC_RULE_BYTES];

	if (nic_rule_parse(text, &rule, &err)) {
		must(err.code == -EINVAL && err.hint[0]);
		return;
	}
	must(!strcmp(nic_rule_text(&rule, back, sizeof(back)), text));
	must(nic_rule_queue(&rule) >= 0 || nic_rule_queue(&rule) == WEIR_NIC_TO_CONTEXT);
}

static void driver_rule(struct fuzz_in *in)
{
	struct ethtool_rxnfc rule, again;
	char text[NIC_RULE_BYTES];

	fuzz_take(in, &rule, sizeof(rule));
	memset(text, 0x5a, sizeof(text));
	nic_rule_text(&rule, text, sizeof(text));
	/* No rule's text is cut. */
	must(strlen(text) < sizeof(text) - 1);
	(void)nic_rule_queue(&rule);
	if (nic_rule_parse(text, &again, NULL))
		return;
	must(nic_rule_queue(&rule) == nic_rule_queue(&again));
	must((rule.fs.flow_type & 0xff) == (again.fs.flow_type & 0xff));
}

static void rss(const struct nic_list *list, uint8_t rings)
{
	struct nic_list away = { .at = list->at, .count = list->count / 2 };
	struct nic_list base = { .at = list->at + away.count, .count = list->count - away.count };
	struct nic_list table;
	char words[64];

	for (int with_base = 0; with_base < 2; with_base++) {
		if (nic_rss_away(with_base ? &base : NULL, 1 + rings / 2, rings, &away, &table))
			continue;
		for (uint32_t i = 0; i < table.count; i++)
			must(table.at[i] < rings && !nic_list_has(&away, table.at[i]));
		nic_rss_words(&table, words, sizeof(words));
		nic_list_done(&table);
	}
	nic_rss_words(list, words, sizeof(words));
	must(strlen(words) < sizeof(words));
}

static void list_text(const char *text, uint8_t rings)
{
	struct nic_list list;
	uint64_t n = 77;
	char *back;

	if (nic_number_parse(text, 1000, &n))
		must(n == 77);
	else
		must(n <= 1000);
	if (nic_list_parse(text, &list))
		return;
	must(!nic_list_text(&list, &back));
	must(!strcmp(back, text));
	free(back);
	rss(&list, rings);
	nic_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t which = fuzz_u8(&in), rings;
	char *text;

	switch (which) {
	case 'r':
		text = fuzz_text(in.at, in.left);
		rule_text(text);
		free(text);
		break;
	case 'l':
		rings = fuzz_u8(&in);
		text = fuzz_text(in.at, in.left);
		list_text(text, rings);
		free(text);
		break;
	default:
		driver_rule(&in);
	}
	return 0;
}
