/* SPDX-License-Identifier: MIT */
/*
 * fake_nic_info.h - the NIC in memory to nic.c and plan.c: its context, journal and state.
 *
 * Theory: what the kernel would tell of the NIC of fake_nic.h, by what it holds now and by its
 *	journal.  A context that is opened leaves words in the error record although it is opened,
 *	as lower layers do where a first way fails and a second one works.
 */
#ifndef WEIR_TESTS_FAKE_NIC_INFO_H
#define WEIR_TESTS_FAKE_NIC_INFO_H

#include "fake_nic.h"

static bool fake_lro_absent;
static unsigned fake_channels_most = 8;
static uint32_t fake_queue_uses[8];

static void noise(struct weir_error *to)
{
	if (to)
		*to = (struct weir_error){ .code = -1, .stage = "noise" };
}

static int fake_ctx_init(struct nic_ctx *ctx, const char *ifname, struct weir_error *reterr)
{
	noise(reterr);
	*ctx = fake_ctx();
	return strcmp(ifname, "fake0") ? -ENODEV : 0;
}

static void fake_ctx_fini(struct nic_ctx *ctx)
{
	ctx->ifindex = 0;
}

static int fake_journal(struct nic_journal **ret, struct nic_ctx *ctx, bool write,
			struct weir_error *reterr)
{
	return nic_journal_open_how(ret, ctx, write, &fake_how, reterr);
}

static void info_rules(struct nic_info *info, const struct nic_journal *j)
{
	for (unsigned i = 0; i < FAKE_RULES; i++) {
		const char *spec = fake->now.rules[i], *to = strstr(spec, " queue ");
		struct weir_nic_rule *rule = &info->rules[info->rule_count];
		char handle[16];

		if (!*spec)
			continue;
		snprintf(handle, sizeof(handle), "%u", i);
		rule->location = i;
		rule->queue = to ? atoi(to + strlen(" queue ")) : WEIR_NIC_TO_CONTEXT;
		rule->ours = nic_journal_object_owner(j, &fake_rule, handle);
		to = to ? to : strstr(spec, " context ");
		snprintf(rule->text, sizeof(rule->text), "%.*s", (int)(to - spec), spec);
		if (rule->queue >= 0 && (uint32_t)rule->queue < info->pub.rx_queues)
			info->queues[rule->queue].rules++;
		info->rule_count++;
	}
}

static void info_contexts(struct nic_info *info, const struct nic_journal *j)
{
	for (unsigned i = 0; i < FAKE_CONTEXTS; i++) {
		struct weir_nic_context *context = &info->contexts[info->context_count];
		char handle[16];

		if (!fake->now.contexts[i][0])
			continue;
		snprintf(handle, sizeof(handle), "%u", i);
		context->id = i;
		context->ours = nic_journal_object_owner(j, &fake_context, handle);
		snprintf(context->queues, sizeof(context->queues), "%s",
			 fake->now.contexts[i] + strlen("queues "));
		info->context_count++;
	}
}

static void info_owners(struct nic_info *info, const struct nic_journal *j)
{
	const struct nic_owner *owner;

	for (unsigned i = 0; i < 16 && (owner = nic_journal_owner(j, i)); i++) {
		info->owners[i].id = owner->id;
		info->owners[i].pid = owner->pid;
		info->owners[i].alive = nic_owner_life(owner) != NIC_DEAD;
		info->owner_count++;
	}
}

static int fake_info(struct nic_info **ret, struct nic_ctx *ctx, const struct nic_journal *j,
		     struct weir_error *reterr)
{
	struct nic_info *info = calloc(1, sizeof(*info));
	const struct fake_state *now = &fake->now;

	(void)reterr;
	assert_non_null(info);
	info->queues = calloc(now->channels, sizeof(*info->queues));
	info->rules = calloc(FAKE_RULES, sizeof(*info->rules));
	info->contexts = calloc(FAKE_CONTEXTS, sizeof(*info->contexts));
	info->owners = calloc(16, sizeof(*info->owners));
	info->rss = calloc(FAKE_RSS, sizeof(*info->rss));
	assert_true(info->queues && info->rules && info->contexts && info->owners && info->rss);
	snprintf(info->pub.ifname, sizeof(info->pub.ifname), "%s", ctx->ifname);
	info->pub.rx_queues = info->pub.combined = now->channels;
	info->pub.combined_max = fake_channels_most;
	info->pub.split = WEIR_NIC_OFF;
	info->pub.hds_threshold_bytes = -1;
	info->pub.ntuple.state = strcmp(now->ntuple, "on") ? WEIR_NIC_OFF : WEIR_NIC_ON;
	info->pub.lro.state = fake_lro_absent	     ? WEIR_NIC_ABSENT :
			      strcmp(now->lro, "on") ? WEIR_NIC_OFF :
						       WEIR_NIC_ON;
	info->pub.gro_hw.state = WEIR_NIC_ABSENT;
	info->pub.rss_table_entries = FAKE_RSS;
	for (unsigned i = 0; i < FAKE_RSS; i++)
		info->rss[i] = *now->rss == 'd' ? i % now->channels :
						  (uint32_t)(now->rss[2 * i] - '0');
	for (unsigned i = 0; i < now->channels; i++) {
		info->queues[i] = (struct weir_nic_queue){ .index = i,
							   .irq = 40 + (int)i,
							   .gro_flush_timeout_ns = -1,
							   .uses = i < 8 ? fake_queue_uses[i] : 0 };
	}
	info_rules(info, j);
	info_contexts(info, j);
	info_owners(info, j);
	*ret = info;
	return 0;
}

#endif
