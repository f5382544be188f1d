// SPDX-License-Identifier: MIT
/*
 * kinds.c - the kinds of changes that weir knows, and what most of them share.
 *
 * Theory: a journal names kinds; these tables lead from the names to the code.
 * Invariants: 1. no name stands twice in a table.  2. a name, once given, keeps its meaning: a
 *	journal may be read by another version of weir.
 * Ownership: all is static.
 * Threads: any.
 * Errors: nic_target_same(): -EBUSY, -ENOMEM.
 * Sources: none; this is weir's own.
 * Tests: tests/unit/test_nic_journal.c, tests/unit/test_nic_hold.c
 */
#include <stdlib.h>
#include <string.h>

#include "journal.h"

static const struct nic_setting_kind *const settings[] = {
	&nic_set_channels, &nic_set_split, &nic_set_hds,  &nic_set_feature,
	&nic_set_rss,	   &nic_set_irq,   &nic_set_napi,
};

static const struct nic_object_kind *const objects[] = {
	&nic_obj_rule,
	&nic_obj_context,
};

const struct nic_kinds nic_kinds = {
	.settings = settings,
	.setting_count = weir_array_len(settings),
	.objects = objects,
	.object_count = weir_array_len(objects),
};

const struct nic_setting_kind *nic_setting_kind_find(const char *name)
{
	for (unsigned i = 0; i < weir_array_len(settings); i++)
		if (!strcmp(settings[i]->name, name))
			return settings[i];
	return NULL;
}

const struct nic_object_kind *nic_object_kind_find(const char *name)
{
	for (unsigned i = 0; i < weir_array_len(objects); i++)
		if (!strcmp(objects[i]->name, name))
			return objects[i];
	return NULL;
}

int nic_target_same(struct nic_ctx *ctx, const char *key, const char *base,
		    const char *const *wants, unsigned n, char **ret, struct weir_error *reterr)
{
	char *value;

	(void)base;
	for (unsigned i = 1; i < n; i++)
		if (strcmp(wants[i], wants[0]) != 0)
			return weir_error_set(reterr, -EBUSY, *key ? key : "share a setting",
					      ctx->ifname,
					      "one owner wants " NIC_CUT ", another " NIC_CUT
					      ": end one of them, or want the same",
					      nic_cut(wants[0]), nic_cut(wants[i]));
	value = strdup(wants[0]);
	if (!value)
		return weir_error_set(reterr, -ENOMEM, "share a setting", ctx->ifname, NULL);
	*ret = value;
	return 0;
}
