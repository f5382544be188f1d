/* SPDX-License-Identifier: MIT */
/*
 * fake_nic_owner.h - one owner of the fake NIC, from its start to its end.
 */
#ifndef FAKE_NIC_OWNER_H
#define FAKE_NIC_OWNER_H

#include "fake_nic.h"

static struct nic_ctx ctx;
static uint32_t owner;

static void expect_same(const struct fake_state *want)
{
	assert_int_equal(fake->now.channels, want->channels);
	assert_string_equal(fake->now.split, want->split);
	assert_string_equal(fake->now.ntuple, want->ntuple);
	assert_string_equal(fake->now.lro, want->lro);
	assert_string_equal(fake->now.rss, want->rss);
	for (unsigned i = 0; i < FAKE_RULES; i++)
		assert_string_equal(fake->now.rules[i], want->rules[i]);
	for (unsigned i = 0; i < FAKE_CONTEXTS; i++)
		assert_string_equal(fake->now.contexts[i], want->contexts[i]);
}

/* A fresh NIC and a journal with one owner. */
static struct nic_journal *start(void)
{
	struct nic_journal *j;

	fake_reset();
	ctx = fake_ctx();
	j = fake_open_for(&ctx);
	assert_non_null(j);
	assert_int_equal(nic_owner_add(j, "first", true, &owner, NULL), 0);
	return j;
}

/* The owner's end must bring back the first state, and the journal must be empty then. */
static void finish(struct nic_journal *j)
{
	struct nic_undo undo = { 0 };
	struct weir_error err = { 0 };

	assert_int_equal(nic_drop_owner(j, owner, &undo, &err), 0);
	assert_int_equal(undo.failed, 0);
	assert_null(nic_journal_owner(j, 0));
	nic_journal_close(j);
	expect_same(&fake_first);
}

#endif
