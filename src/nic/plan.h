/* SPDX-License-Identifier: MIT */
/*
 * plan.h - a plan and what it is made of: shared by plan.c (which changes), step.c (their
 * texts) and nic.c (doing them), and the texts of flows (flow.c).
 */
#ifndef WEIR_NIC_PLAN_H
#define WEIR_NIC_PLAN_H

#include "nic.h"

#define NIC_QUEUES_MAX 64     /* queues that one owner can hold */
#define NIC_FLOWS_MAX 4096    /* flows that one owner can name when it opens */
#define NIC_SPEC_BYTES 256    /* the text of a rule */
#define NIC_CONTEXT_NEW "new" /* stands for the context that the plan itself makes */
#define NIC_WANTS_MAX 64      /* owners that can share a setting */

/**
 * struct nic_change - one change, before it is made.
 * @setting: kind of a setting; else NULL.
 * @object: kind of an object; else NULL.
 * @key: of a setting.
 * @want: what is wanted of the setting, or the object's text; a rule may end in "context new".
 * @flow: number of the flow that a rule belongs to; -1: none.
 * @step: for people.
 */
struct nic_change {
	const struct nic_setting_kind *setting;
	const struct nic_object_kind *object;
	char *key;
	char *want;
	int flow;
	struct weir_nic_step step;
};

/**
 * struct weir_nic_plan - changes in the order in which they are made.
 * @ifname: the interface.
 * @queue: the chosen queues.
 * @queue_count: how many.
 * @change: the changes.
 * @count: how many.
 * @room: room in @change.
 * @leftovers: changes of dead owners, which are undone first.
 * @rss_first: the RSS table is set while the queues that go are still there: targets are reckoned
 *	with @rings until channels are set.
 * @rings: number of Rx queues once channels are set and leftovers undone; 0: the present one.
 */
struct weir_nic_plan {
	char ifname[16];
	int queue[NIC_QUEUES_MAX];
	unsigned queue_count;
	struct nic_change *change;
	unsigned count;
	unsigned room;
	unsigned leftovers;
	unsigned rings;
	bool rss_first;
};

/**
 * nic_plan_make() - a plan for an interface that is open; changes nothing.
 * @ret: receives it.
 * @ctx: the interface.
 * @j: its journal.
 * @opts: what is wanted, checked by nic_opts_read().
 * @reterr: error record or NULL.
 *
 * Return: as weir_nic_plan_new().
 */
WEIR_MUST_CHECK int nic_plan_make(struct weir_nic_plan **ret, struct nic_ctx *ctx,
				  const struct nic_journal *j, const struct weir_nic_opts *opts,
				  struct weir_error *reterr);

/** nic_opts_read() - copy and check options; 0 or -EINVAL. */
WEIR_MUST_CHECK int nic_opts_read(struct weir_nic_opts *to, const struct weir_nic_opts *from,
				  struct weir_error *reterr);

/**
 * nic_plan_want() - add a setting to a plan: its present value, its target, its texts.
 * @plan: the plan.
 * @ctx: the interface.
 * @j: the journal.
 * @kind: kind of the setting.
 * @key: its key.
 * @want: what is wanted.
 * @note: what a person should know; "": nothing.
 * @reterr: error record or NULL.
 *
 * Return: 0, also where the plan has the same already; -EINVAL (the plan has another value of it);
 * -EOPNOTSUPP (the NIC has no such setting); -EBUSY (another owner wants something else); -ENOMEM;
 * others of the kernel's.
 */
WEIR_MUST_CHECK int nic_plan_want(struct weir_nic_plan *plan, struct nic_ctx *ctx,
				  const struct nic_journal *j, const struct nic_setting_kind *kind,
				  const char *key, const char *want, const char *note,
				  struct weir_error *reterr);

/** nic_plan_make_object() - add an object to a plan; @flow: number of its flow or -1. */
WEIR_MUST_CHECK int nic_plan_make_object(struct weir_nic_plan *plan,
					 const struct nic_object_kind *kind, const char *spec,
					 int flow, struct weir_error *reterr);

/**
 * nic_flow_check() - is it a flow that a rule can name.
 * @flow: the flow.
 * @reterr: error record or NULL.
 *
 * Return: 0 or -EINVAL.
 */
WEIR_MUST_CHECK int nic_flow_check(const struct weir_nic_flow *flow, struct weir_error *reterr);

/**
 * nic_flow_specs() - the rules that bring a flow somewhere.
 * @flow: a flow that nic_flow_check() has found right.
 * @to: "queue 3", "context 1", "context new".
 * @specs: receives the rules' texts.
 *
 * Return: how many: 2 for all addresses of both families, else 1.
 */
unsigned nic_flow_specs(const struct weir_nic_flow *flow, const char *to,
			char specs[2][NIC_SPEC_BYTES]);

/** nic_queues_text() - "2,3" */
void nic_queues_text(const int *queue, unsigned count, char *buf, size_t bytes);

/** nic_flow_same() - whether two flows are the same packets. */
bool nic_flow_same(const struct weir_nic_flow *a, const struct weir_nic_flow *b);

#endif
